using System.IO.MemoryMappedFiles;
using System.Text.Json;
using Softmodel.Cli.Baselines;

namespace Softmodel.Bench.Fuzz;

/// <summary>What a worker says: a new kind of message, a fault, or at its end the counts.</summary>
sealed record FuzzLine(long Index, string Text = "", bool IsFault = false, long[]? Fates = null, long Peak = 0);

/// <summary>The process that runs cases, which a fault may take down.</summary>
static class FuzzWorker
{
    /// <summary>The first argument that makes this program a worker.</summary>
    public const string Command = "fuzz-worker";

    /// <summary>The models that are damaged: the small ones below the folder.</summary>
    public static string[] Corpus(FuzzOptions options) => FuzzFormat.Of(options.Format).Corpus(options.Corpus, options.MostBytes);

    /// <summary>Runs every <paramref name="step"/>-th case from a first one on.</summary>
    public static void Serve(FuzzOptions options, long first, long step, string folder)
    {
        Directory.CreateDirectory(folder);
        Traps(folder);
        var corpus = Corpus(options);
        var path = Path.Combine(folder, FuzzFormat.Of(options.Format).File);
        using var progress = MemoryMappedFile.CreateFromFile(Path.Combine(folder, "progress"), FileMode.Create, null, sizeof(long));
        using var at = progress.CreateViewAccessor();
        var kinds = new HashSet<string>(StringComparer.Ordinal);
        var fates = new long[Enum.GetValues<Fate>().Length];
        for (var index = first; index < options.Count; index += step)
        {
            at.Write(0, index);
            Write(path, options, corpus, index);
            var (fate, text) = FuzzCase.Run(path, compile: index / step % options.CompileEvery == 0);
            fates[(int)fate]++;
            if (fate == Fate.Fault || (text.Length > 0 && kinds.Add(text)))
                Say(new(index, text, fate == Fate.Fault));
        }
        Say(new(options.Count, Fates: fates, Peak: PeakMemory.Bytes));
    }

    /// <summary>Writes the model of a case.</summary>
    public static void Write(string path, FuzzOptions options, string[] corpus, long index)
    {
        var random = new Random(HashCode(options.Seed, index));
        FuzzFormat.Of(options.Format).Write(corpus[random.Next(corpus.Length)], path, random);
    }

    // System.HashCode differs from process to process.
    static int HashCode(int seed, long index) => unchecked((int)(seed * 0x9E3779B1L + index * 0x85EBCA77L) ^ (int)(index >> 16));

    /// <summary>Files that a model must not reach, and ways to them.</summary>
    static void Traps(string folder)
    {
        File.WriteAllBytes(Path.Combine(folder, "..", "secret"), new byte[4096]);
        var link = Path.Combine(folder, "link");
        if (!Path.Exists(link))
            File.CreateSymbolicLink(link, "/etc");
    }

    static void Say(FuzzLine line)
    {
        Console.Out.WriteLine(JsonSerializer.Serialize(line));
        Console.Out.Flush();
    }
}
