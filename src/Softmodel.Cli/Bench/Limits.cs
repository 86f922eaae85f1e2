using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Softmodel.Cli.Workloads;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Cli.Bench;

/// <summary>What the cores can do at most when so many threads compute at once.</summary>
/// <param name="Threads">The threads.</param>
/// <param name="FlopsPerSecond">Floating-point operations of all of them: contractions in registers, of the widest vectors.</param>
/// <param name="BytesPerSecond">What all of them read from memory.</param>
sealed record Limits(int Threads, double FlopsPerSecond, double BytesPerSecond)
{
    const int Rounds = 7;

    // Far more than the caches of a processor hold.
    const int Memory = 1 << 28;

    readonly Dictionary<long, double> speeds = new() { [Memory] = BytesPerSecond };

    /// <summary>Measures them: the best of several rounds.</summary>
    public static Limits Measure(int threads)
    {
        const int turns = 3_000_000;
        return new(threads, Best(threads, _ => Vector512.IsHardwareAccelerated ? Wide(turns) : Narrow(turns)), Reading(threads, Memory));
    }

    /// <summary>How many bytes all threads together read in a second, of so many that are read again and again: what fits into a cache comes from there.</summary>
    public double ReadingSpeed(long bytes)
    {
        var size = (long)BitOperations.RoundUpToPowerOf2((ulong)Math.Clamp(bytes, 1 << 12, Memory));
        if (!speeds.TryGetValue(size, out var speed))
            speeds[size] = speed = Reading(Threads, size);
        return speed;
    }

    static double Reading(int threads, long bytes)
    {
        var memory = new long[threads][];
        foreach (ref var part in memory.AsSpan())
        {
            part = new long[bytes / sizeof(long) / threads];
            // What was never written is one page of zeros, however much is read.
            Array.Fill(part, 1);
        }
        var times = (int)Math.Max(1, Memory / 4 / bytes);
        return Best(threads, i => Sum(memory[i], times));
    }

    /// <summary>The most of something per second when each thread does a piece of it at once.</summary>
    static double Best(int threads, Func<int, double> piece)
    {
        var best = 0.0;
        for (var round = 0; round < Rounds; round++)
        {
            using var start = new Barrier(threads);
            var pieces = new (double Done, long Began, long Ended)[threads];
            var each = Enumerable.Range(0, threads).Select(i => new Thread(() =>
            {
                start.SignalAndWait();
                var began = Stopwatch.GetTimestamp();
                pieces[i] = (piece(i), began, Stopwatch.GetTimestamp());
            })).ToArray();
            foreach (var thread in each)
                thread.Start();
            foreach (var thread in each)
                thread.Join();
            best = Math.Max(best, pieces.Sum(p => p.Done) / Stopwatch.GetElapsedTime(pieces.Min(p => p.Began), pieces.Max(p => p.Ended)).TotalSeconds);
        }
        return best;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static double Sum(long[] part, int times)
    {
        Vector256<long> a = default, b = default, c = default, d = default;
        ref var first = ref MemoryMarshal.GetArrayDataReference(part);
        var step = Vector256<long>.Count;
        for (var time = 0; time < times; time++)
        {
            for (var i = 0; i + 4 * step <= part.Length; i += 4 * step)
            {
                a += Vector256.LoadUnsafe(ref first, (nuint)i);
                b += Vector256.LoadUnsafe(ref first, (nuint)(i + step));
                c += Vector256.LoadUnsafe(ref first, (nuint)(i + 2 * step));
                d += Vector256.LoadUnsafe(ref first, (nuint)(i + 3 * step));
            }
        }
        Keep((a + b + c + d).GetElement(0));
        return (double)part.Length * sizeof(long) * times;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static double Wide(int turns)
    {
        Vector512<float> x = Vector512.Create(1.0001f), y = Vector512.Create(0.9999f);
        Vector512<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
        for (var turn = 0; turn < turns; turn++)
        {
            a = Vector512.FusedMultiplyAdd(a, x, y);
            b = Vector512.FusedMultiplyAdd(b, x, y);
            c = Vector512.FusedMultiplyAdd(c, x, y);
            d = Vector512.FusedMultiplyAdd(d, x, y);
            e = Vector512.FusedMultiplyAdd(e, x, y);
            f = Vector512.FusedMultiplyAdd(f, x, y);
            g = Vector512.FusedMultiplyAdd(g, x, y);
            h = Vector512.FusedMultiplyAdd(h, x, y);
            i = Vector512.FusedMultiplyAdd(i, x, y);
            j = Vector512.FusedMultiplyAdd(j, x, y);
        }
        Keep((a + b + c + d + e + f + g + h + i + j).GetElement(0));
        return turns * 10.0 * Vector512<float>.Count * 2;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static double Narrow(int turns)
    {
        Vector256<float> x = Vector256.Create(1.0001f), y = Vector256.Create(0.9999f);
        Vector256<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
        for (var turn = 0; turn < turns; turn++)
        {
            a = Vector256.FusedMultiplyAdd(a, x, y);
            b = Vector256.FusedMultiplyAdd(b, x, y);
            c = Vector256.FusedMultiplyAdd(c, x, y);
            d = Vector256.FusedMultiplyAdd(d, x, y);
            e = Vector256.FusedMultiplyAdd(e, x, y);
            f = Vector256.FusedMultiplyAdd(f, x, y);
            g = Vector256.FusedMultiplyAdd(g, x, y);
            h = Vector256.FusedMultiplyAdd(h, x, y);
            i = Vector256.FusedMultiplyAdd(i, x, y);
            j = Vector256.FusedMultiplyAdd(j, x, y);
        }
        Keep((a + b + c + d + e + f + g + h + i + j).GetElement(0));
        return turns * 10.0 * Vector256<float>.Count * 2;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Keep<T>(T _)
    {
    }

    /// <summary>How much of a time the cores would need at least, doing nothing but these operations or nothing but reading these bytes, from where so many lie.</summary>
    public double Share(double flops, long bytes, double milliseconds) => Math.Max(flops / FlopsPerSecond, bytes / ReadingSpeed(bytes)) / (milliseconds / 1000);

    /// <summary>The bytes that a run moves at least: weights, inputs and outputs, each once.</summary>
    /// <param name="program">The program.</param>
    /// <param name="compiled">The same, which has just run.</param>
    /// <param name="work">What it ran on.</param>
    public static long Bytes(LoweredProgram program, CompiledModel compiled, Workload work) =>
        program.AllSteps().SelectMany(s => s.Buffers).Where(b => b.Storage == Storage.Weight).Distinct().Sum(b => (long)b.Constant!.Bytes.Length)
        + work.Inputs.Values.Sum(t => (long)t.Bytes.Length)
        + Enumerable.Range(0, compiled.Outputs.Count).Sum(i => compiled.Output(i).Count * compiled.Outputs[i].Type.Size());

    /// <summary>
    /// The operations that a program's contractions take when each product is computed: two to a product. Fast
    /// algorithms take fewer, so that a share of the limit counted so may be over 1.
    /// </summary>
    /// <param name="program">The program.</param>
    /// <param name="compiled">The same, which has just run.</param>
    /// <param name="work">What it ran on.</param>
    /// <returns>Null where sizes are found while it runs that the sizes of its outputs do not tell.</returns>
    public static double? Flops(LoweredProgram program, CompiledModel compiled, Workload work)
    {
        var sizes = Sizes(program, compiled, work);
        var flops = 0.0;
        foreach (var nest in program.AllSteps().OfType<Step.Nest>())
        {
            if (Flops(nest, sizes) is not { } count)
                return null;
            flops += count;
        }
        return flops;
    }

    /// <summary>The same of one nest: 0 where it is no contraction.</summary>
    public static double? Flops(Step.Nest nest, IReadOnlyDictionary<string, long> sizes)
    {
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null, Term: Expr.Apply { Function: var function } } fold || function != Functions.Multiply)
            return 0;
        var count = Dim.Product(nest.Axes.Concat(fold.Axes).Select(a => a.Extent));
        return count.Symbols.All(sizes.ContainsKey) ? 2.0 * count.Evaluate(s => sizes[s]) : null;
    }

    /// <summary>The sizes of a run, as far as those of its inputs and outputs tell them.</summary>
    public static Dictionary<string, long> Sizes(LoweredProgram program, CompiledModel compiled, Workload work)
    {
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        var arguments = program.Graph.Arguments.ToArray();
        foreach (var (i, axis, symbol, rest) in Graph.SizeBindings(arguments))
            sizes[symbol] = work.Inputs[compiled.Inputs[i].Name].Dims[axis] - rest.Evaluate(s => sizes[s]);
        foreach (var (output, i) in program.Graph.Results.Select((result, i) => (result.Value, i)))
        {
            for (var axis = 0; axis < output.Shape.Rank; axis++)
                Solve(output.Shape[axis], compiled.Output(i).Sizes[axis], sizes);
        }
        return sizes;
    }

    /// <summary>The one size that is not known in what is known to be so many, where it grows with it steadily.</summary>
    static void Solve(Dim dim, long value, Dictionary<string, long> sizes)
    {
        if (dim.Symbols.Where(s => !sizes.ContainsKey(s)).ToArray() is not [var unknown])
            return;
        long At(long size) => dim.Evaluate(s => s == unknown ? size : sizes[s]);
        var step = At(2) - At(1);
        if (step != 0 && (value - At(1)) % step == 0 && At(1 + (value - At(1)) / step) == value)
            sizes[unknown] = 1 + (value - At(1)) / step;
    }
}
