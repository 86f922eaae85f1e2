using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel.Bench.Flips;

/// <summary>What became of damaged files of a kind.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Cases">How many files were damaged.</param>
/// <param name="Healed">The damage was told, what was damaged was made again, and what came of it is right.</param>
/// <param name="Refused">The use ended with a message.</param>
/// <param name="Ignored">A remembered hash was not believed, and the file was read.</param>
/// <param name="Used">The damage was used, or did harm otherwise.</param>
sealed record FlipFate(string Kind, int Cases, int Healed, int Refused, int Ignored, int Used);

/// <summary>What looking at a file costs when a program starts.</summary>
/// <param name="File">The name of the file.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="ChecksumMs">Comparing as many weights with their checksum, as a native library does.</param>
/// <param name="HashMs">Hashing it when something has touched it.</param>
/// <param name="IdentityMs">Finding that nothing has.</param>
sealed record StartCost(string File, long Bytes, double ChecksumMs, double HashMs, double IdentityMs);

/// <summary>All that a run found.</summary>
sealed record FlipReport(int Seed, int Count, FlipFate[] Kinds, string[] Faults, StartCost[] StartMs, double Seconds);

/// <summary>Damages files of the cache and of native libraries, uses them, and counts what is noticed.</summary>
static class FlipRun
{
    const int AtOnce = 40, MostFaults = 20;

    /// <summary>Damages so many files of each kind.</summary>
    /// <param name="count">How many.</param>
    /// <param name="seed">The same seed gives the same damage.</param>
    /// <param name="library">A folder that <c>softmodel build</c> has filled, whose weights are damaged too; null for none.</param>
    /// <param name="timed">Files of which it is told what looking at them costs.</param>
    /// <param name="cancel">Stops between rounds.</param>
    public static FlipReport Run(int count, int seed, string? library, IReadOnlyList<string> timed, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        var faults = new List<string>();
        var kinds = Stand.Kinds.Select(k => Kind(k.Key, k.Value, count, seed, faults, cancel)).ToList();
        if (library is not null)
            kinds.Add(Built(library, count, seed, faults, cancel));
        return new(seed, count, [.. kinds], [.. faults.Take(MostFaults)], [.. timed.Select(Cost)], Math.Round(clock.Elapsed.TotalSeconds, 1));
    }

    static FlipFate Kind(string kind, Func<string, int, Stand> set, int count, int seed, List<string> faults, CancellationToken cancel)
    {
        var root = Directory.CreateTempSubdirectory("softmodel-flips-").FullName;
        var random = new Random(seed + kind.Length);
        var told = new List<string>();
        using var listening = Repairs.Listen(told.Add);
        try
        {
            var stands = Enumerable.Range(0, Math.Min(AtOnce, count)).Select(i => set(Directory.CreateDirectory(Path.Combine(root, $"{i}")).FullName, seed + 10 * i)).ToArray();
            var right = stands.Select(s => s.Use()).ToArray();
            var (healed, refused, ignored, used) = (0, 0, 0, 0);
            for (var done = 0; done < count;)
            {
                cancel.ThrowIfCancellationRequested();
                // What was written within the last second is not remembered: as at a usual start, it is when it is damaged.
                Thread.Sleep(1100);
                foreach (var stand in stands)
                    stand.Use();
                for (var i = 0; i < stands.Length && done < count; i++, done++)
                {
                    var files = Directory.GetFiles(stands[i].Folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToArray();
                    var file = files[random.Next(files.Length)];
                    var (before, time) = (File.ReadAllBytes(file), File.GetLastWriteTimeUtc(file));
                    var what = $"{kind}: {Path.GetRelativePath(stands[i].Folder, file)}: {Damage.Do(file, [.. files.Where(f => f != file && Path.GetFileName(f).Length == Path.GetFileName(file).Length && Path.GetExtension(f) == Path.GetExtension(file))], random)}";
                    told.Clear();
                    try
                    {
                        var came = stands[i].Use();
                        if (came != right[i])
                            Fault("what was damaged was used");
                        else if (told.Count > 0 && stands[i].Use() == right[i] && told.Count == 1)
                            healed++;
                        else if (told.Count == 0 && kind == "remembered hashes")
                            ignored++;
                        else
                            Fault($"nothing was told, or again and again: {string.Join("; ", told)}");
                    }
                    catch (Exception e) when ((e is AggregateException { InnerException: { } inner } ? inner : e) is SoftmodelException)
                    {
                        refused++;
                        File.WriteAllBytes(file, before);
                    }
                    catch (Exception e)
                    {
                        Fault($"{e.GetType().Name}: {e.Message}");
                        File.WriteAllBytes(file, before);
                    }

                    void Fault(string how)
                    {
                        used++;
                        faults.Add($"{what}: {how}");
                    }
                }
            }
            return new(kind, count, healed, refused, ignored, used);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    /// <summary>Lets a library that was built make models of damaged weights.</summary>
    public static unsafe FlipFate Built(string folder, int count, int seed, List<string> faults, CancellationToken cancel)
    {
        using var description = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "MODEL.json")));
        string Text(string name) => description.RootElement.GetProperty(name).GetString()!;
        var (prefix, random) = (Text("prefix"), new Random(seed));
        var library = NativeLibrary.Load(Path.GetFullPath(Path.Combine(folder, Text("library"))));
        var create = (delegate* unmanaged<byte*, void**, int>)NativeLibrary.GetExport(library, $"{prefix}_create");
        var destroy = (delegate* unmanaged<void*, int>)NativeLibrary.GetExport(library, $"{prefix}_destroy");
        var lastError = (delegate* unmanaged<byte*>)NativeLibrary.GetExport(library, $"{prefix}_last_error");
        var place = Directory.CreateTempSubdirectory("softmodel-flips-").FullName;
        var path = Path.Combine(place, "weights");
        var name = System.Text.Encoding.UTF8.GetBytes(path + "\0");
        int Make()
        {
            void* model;
            fixed (byte* start = name)
            {
                var error = create(start, &model);
                if (error == 0)
                    destroy(model);
                return error;
            }
        }
        var (refused, used) = (0, 0);
        try
        {
            var whole = File.ReadAllBytes(Path.Combine(folder, Text("weights")));
            File.WriteAllBytes(path, whole);
            if (Make() != 0)
                throw new SoftmodelException($"{folder}: the library refuses its own weights: {Marshal.PtrToStringUTF8((nint)lastError())}");
            for (var i = 0; i < count; i++)
            {
                cancel.ThrowIfCancellationRequested();
                File.WriteAllBytes(path, whole);
                var what = Damage.Do(path, [], random);
                if (Make() == (int)ModelError.Weights)
                    refused++;
                else
                {
                    used++;
                    faults.Add($"{prefix}.weights: {what}: a model was made of them");
                }
            }
        }
        finally
        {
            Directory.Delete(place, recursive: true);
        }
        return new($"weights of {prefix}", count, 0, refused, 0, used);
    }

    static StartCost Cost(string path)
    {
        var cache = Directory.CreateTempSubdirectory("softmodel-flips-").FullName;
        try
        {
            using var weights = WeightsFile.Nameless(stream =>
            {
                using var content = File.OpenRead(path);
                content.CopyTo(stream);
            });
            var checksum = Least(weights.Verify);
            var hash = Least(() => FileHashes.Of(path, null));
            FileHashes.Of(path, cache);
            return new(Path.GetFileName(path), new FileInfo(path).Length, checksum, hash, Least(() => FileHashes.Of(path, cache)));
        }
        finally
        {
            Directory.Delete(cache, recursive: true);
        }
    }

    /// <summary>The least of several times, in milliseconds of the processor: those of a quiet machine on any.</summary>
    static double Least(Action action) => Math.Round(Enumerable.Range(0, 9).Min(_ =>
    {
        var start = Environment.CpuUsage.TotalTime;
        action();
        return (Environment.CpuUsage.TotalTime - start).TotalMilliseconds;
    }), 3);
}
