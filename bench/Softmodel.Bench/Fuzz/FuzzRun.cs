using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.IO.MemoryMappedFiles;
using System.Text.Json;

namespace Softmodel.Bench.Fuzz;

/// <summary>What to damage, how often.</summary>
/// <param name="Format">The name of a <see cref="FuzzFormat"/>.</param>
/// <param name="Corpus">A folder with models of it.</param>
/// <param name="Count">How many damaged models.</param>
/// <param name="Seed">The same seed gives the same models.</param>
/// <param name="CompileEvery">Which share of those that are imported is compiled and run: one of so many cases.</param>
/// <param name="MostBytes">Larger models are left out.</param>
sealed record FuzzOptions(string Format, string Corpus, long Count, int Seed, int CompileEvery, long MostBytes);

/// <summary>A case in which something failed that must not.</summary>
/// <param name="Index">Its number; with the seed it gives the model.</param>
/// <param name="What">What failed.</param>
sealed record FuzzFault(long Index, string What);

/// <summary>What a run came to.</summary>
/// <param name="Count">The cases.</param>
/// <param name="Fates">How many came to what.</param>
/// <param name="DistinctErrors">How many kinds of messages there were, without names and numbers.</param>
/// <param name="Errors">The messages.</param>
/// <param name="Faults">Crashes, hangs, large allocations, and exceptions that are not for users.</param>
/// <param name="PeakBytes">The most memory that a worker held.</param>
/// <param name="Seconds">How long it took.</param>
sealed record FuzzReport(long Count, IReadOnlyDictionary<string, long> Fates, int DistinctErrors, string[] Errors, FuzzFault[] Faults, long PeakBytes, double Seconds);

/// <summary>Runs damaged models through the compiler, in processes that may die.</summary>
static class FuzzRun
{
    static readonly TimeSpan limit = TimeSpan.FromSeconds(10);

    // A language model has kernels for each of its matrices, for few rows and for many: compiling a sound one can take longer.
    static TimeSpan Limit(FuzzOptions options, long index, int workers) => options.Format != "onnx" && index / workers % options.CompileEvery == 0 ? 6 * limit : limit;

    /// <summary>Runs all cases.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="workers">How many processes.</param>
    /// <param name="cancel">Stops at once.</param>
    public static async Task<FuzzReport> Run(FuzzOptions options, int workers, CancellationToken cancel)
    {
        if (FuzzWorker.Corpus(options).Length == 0)
            throw new SoftmodelException($"{options.Corpus}: there are no {options.Format} models of at most {options.MostBytes} bytes here");
        var clock = Stopwatch.StartNew();
        var folder = Directory.CreateTempSubdirectory("softmodel-fuzz-");
        var lines = new ConcurrentBag<FuzzLine>();
        try
        {
            await Task.WhenAll(Enumerable.Range(0, workers).Select(w => Work(options, w, workers, Path.Combine(folder.FullName, $"{w}"), lines, cancel)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
        var fates = Enum.GetValues<Fate>().ToDictionary(f => f.ToString(), f => lines.Sum(l => l.Fates?[(int)f] ?? 0));
        var errors = lines.Where(l => !l.IsFault && l.Text.Length > 0).Select(l => l.Text).Distinct().Order(StringComparer.Ordinal).ToArray();
        return new(options.Count, fates, errors.Length, errors, [.. lines.Where(l => l.IsFault).OrderBy(l => l.Index).Select(l => new FuzzFault(l.Index, l.Text))],
            lines.Max(l => l.Peak), clock.Elapsed.TotalSeconds);
    }

    static async Task Work(FuzzOptions options, int worker, int workers, string folder, ConcurrentBag<FuzzLine> lines, CancellationToken cancel)
    {
        for (long first = worker; first < options.Count;)
        {
            using var process = Start(options, first, workers, folder);
            var errors = process.StandardError.ReadToEndAsync(cancel);
            var read = Task.Run(async () =>
            {
                while (await process.StandardOutput.ReadLineAsync(cancel) is { } line)
                    lines.Add(JsonSerializer.Deserialize<FuzzLine>(line)!);
            }, cancel);
            var (at, hangs) = await Watch(process, folder, first, index => Limit(options, index, workers), cancel);
            await read;
            if (process.ExitCode == 0 && !hangs)
                return;
            lines.Add(new(at, hangs ? $"it was not done after {Limit(options, at, workers).TotalSeconds} s" : $"it crashed (exit code {process.ExitCode}): {string.Join('\n', (await errors).Split('\n').Take(12))}", true));
            first = at + workers;
        }
    }

    static Process Start(FuzzOptions options, long first, int step, string folder)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(FuzzRun).Assembly.Location, FuzzWorker.Command, JsonSerializer.Serialize(options), $"{first}", $"{step}", folder])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Whoever wants more at once gets an OutOfMemoryException, which is a fault.
        start.Environment["DOTNET_GCHeapHardLimit"] = (FuzzCase.MostBytes + (FuzzCase.MostBytes >> 1)).ToString("x", CultureInfo.InvariantCulture);
        return Process.Start(start)!;
    }

    /// <summary>Waits until a process ends, or kills it where it makes no progress.</summary>
    static async Task<(long At, bool Hangs)> Watch(Process process, string folder, long first, Func<long, TimeSpan> limit, CancellationToken cancel)
    {
        // By the processor's time, as others may take the processor away; by the clock, where a process waits for nothing.
        var (at, since, used) = (first, Stopwatch.StartNew(), TimeSpan.Zero);
        var exit = process.WaitForExitAsync(cancel);
        try
        {
            while (await Task.WhenAny(exit, Task.Delay(200, cancel)) != exit)
            {
                cancel.ThrowIfCancellationRequested();
                if (Progress(folder) is { } now && now != at)
                    (at, since, used) = (now, Stopwatch.StartNew(), Used(process));
                else if (Used(process) - used > limit(at) + TimeSpan.FromSeconds(at == first ? 10 : 0) || since.Elapsed > 12 * limit(at))
                    return (at, true);
            }
            return (Progress(folder) ?? at, false);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    static TimeSpan Used(Process process)
    {
        try
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
        catch (InvalidOperationException)
        {
            // It has ended in the meantime.
            return TimeSpan.Zero;
        }
    }

    static long? Progress(string folder)
    {
        var path = Path.Combine(folder, "progress");
        if (!File.Exists(path) || new FileInfo(path).Length < sizeof(long))
            return null;
        using var file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, sizeof(long));
        using var view = file.CreateViewAccessor();
        return view.ReadInt64(0);
    }
}
