using System.Diagnostics;
using Softmodel.Cli.Baselines;
using Softmodel.Emit;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Cli.Bench;

/// <summary>A process that does nothing but compile a model, or take it from the cache, and run it: where there is no native library.</summary>
static class SoftmodelAlone
{
    /// <summary>The first argument that makes this program such a process; the model, the number of threads and the inputs follow.</summary>
    public const string Command = "softmodel-alone";

    /// <summary>Runs, and writes what <c>alone.c</c> writes.</summary>
    /// <param name="source">The model, by its name in the catalogue or its source.</param>
    /// <param name="threads">How many threads compute.</param>
    /// <param name="inputs">The file of inputs; see <c>alone.c</c> for its form.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> Run(string source, int threads, string inputs)
    {
        using var file = new BinaryReader(File.OpenRead(inputs));
        var sets = file.ReadInt64();
        using var model = await Model.LoadAsync(source);
        using var compiled = model.Compile(new() { Threads = threads });
        var (first, busy, elements) = (0L, 0L, 0L);
        for (var set = 0; set < sets; set++)
        {
            Tensor[] given = [.. compiled.Inputs.Select(_ => Read(file))];
            var start = Stopwatch.GetTimestamp();
            compiled.Time(given);
            var end = Stopwatch.GetTimestamp();
            first = set == 0 ? end : first;
            busy += end - start;
            elements += compiled.Output(0).Count;
        }
        long Nanoseconds(long ticks) => (long)(ticks * (1e9 / Stopwatch.Frequency));
        Console.WriteLine($"{Nanoseconds(first)} {Nanoseconds(busy)} {PeakMemory.Bytes} {elements}");
        return 0;
    }

    static Tensor Read(BinaryReader file)
    {
        var (type, rank) = ((ElementType)file.ReadInt64(), (int)file.ReadInt64());
        var dims = new long[8];
        foreach (ref var size in dims.AsSpan())
            size = file.ReadInt64();
        return new(type, dims.AsSpan(0, rank), file.ReadBytes((int)file.ReadInt64()));
    }
}
