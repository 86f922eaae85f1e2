using Softmodel.Cli.Conformance;
using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Tests.Generated;

/// <summary>
/// Convolutions and pools of all kinds, as networks for pictures and sound have them, some in each graph. Their numbers are such
/// that every sum is exact, so that all ways to compute them give the same bits.
/// </summary>
public class WindowTests
{
    const int Layers = 10;

    static readonly int[] widths = [256, 512, 128];

    [Fact]
    public void Convolutions_and_pools_are_what_the_evaluator_computes()
    {
        var failures = new List<string>();
        Parallel.ForEach(Seeds.Of(12), seed =>
        {
            try
            {
                Compare(seed);
            }
            catch (Exception e)
            {
                lock (failures)
                    failures.Add($"seed {seed}: {e.GetType().Name}: {e.Message}\n{e.StackTrace}");
            }
        });
        Assert.True(failures.Count == 0, $"{failures.Count} failed:\n{string.Join("\n", failures.Take(5))}");
    }

    static void Compare(int seed)
    {
        var random = new Random(seed);
        var builder = new GraphBuilder("windows", Evaluator.Fold);
        var (inputs, outputs, texts) = (new List<Tensor>(), new List<Value>(), new List<string>());
        while (outputs.Count < Layers)
        {
            if (Layer(random, builder, inputs.Count) is not var (given, made, text))
                continue;
            inputs.Add(given);
            outputs.Add(made.Value);
            texts.Add(text);
        }
        var graph = Pipeline.Exact(builder.Build([.. outputs], [.. outputs.Select((_, i) => $"y{i}")]), Evaluator.Fold);
        var expected = Evaluator.Run(graph, [.. inputs]);
        var width = widths[seed % widths.Length];
        var actual = Answers.Compiled(graph, [.. inputs], width, 1, 3);
        for (var i = 0; i < expected.Length; i++)
        {
            var difference = new Tolerance(0, 0).Difference(expected[i], actual[i]);
            Assert.True(difference is null, $"{width} bits, {texts[i]}: {difference}");
        }
    }

    static (Tensor Given, Term Made, string Text)? Layer(Random random, GraphBuilder builder, int number)
    {
        int Any(params ReadOnlySpan<int> of) => of[random.Next(of.Length)];
        var spatial = Any(1, 2, 2, 2, 2, 3);
        int[] Each(Func<int> one) => [.. Enumerable.Range(0, spatial).Select(_ => one())];
        int[] Same(int one) => [.. Enumerable.Repeat(one, spatial)];
        var isPool = random.Next(3) == 0;
        var isDepthwise = !isPool && random.Next(3) == 0;
        var groups = isPool ? 1 : isDepthwise ? Any(1, 3, 17) : Any(1, 1, 1, 2, 4);
        // Of as many as the last, more terms than are summed at once.
        var perGroup = isDepthwise || isPool ? 1 : random.Next(8) == 0 ? 40 : Any(1, 3, 5, 16);
        var channels = isPool ? Any(1, 3, 8) : groups * perGroup;
        // Both sides of what fills a vector and a tile; small ones where there are three axes.
        var most = spatial == 1 ? 400 : spatial == 2 ? 42 : 9;
        // Of the last layers' maps the channels fill vectors, and not the pixels.
        var isLate = !isPool && !isDepthwise && random.Next(5) == 0;
        var sizes = Each(() => 1 + random.Next(isLate ? 8 : random.Next(2) == 0 ? most : Math.Min(most, 16)));
        var kernel = random.Next(4) == 0 ? Each(() => Any(1, 2, 3, 5, 7)) : Same(Any(1, 2, 3, 3, 5));
        // As detectors pool, and more than are written out.
        if (isPool && spatial < 3 && random.Next(4) == 0)
            kernel = Same(Any(9, 13, 33));
        var (strides, dilations) = (random.Next(4) == 0 ? Each(() => Any(1, 2, 3, 5)) : Same(Any(1, 2, 2)), random.Next(3) == 0 ? Each(() => Any(1, 2, 3)) : Same(1));
        var (low, high) = (Each(() => random.Next(3)), Each(() => random.Next(4)));
        for (var i = 0; i < spatial; i++)
        {
            if (sizes[i] + low[i] + high[i] < (kernel[i] - 1) * dilations[i] + 1 || (kernel[i] - 1) * dilations[i] < Math.Max(low[i], high[i]))
                return null;
        }
        var batch = Any(1, 1, 1, 2);
        var isOpen = random.Next(3) == 0;
        Dim[] shape = [batch, channels, .. sizes.Select((s, i) => isOpen && random.Next(2) == 0 ? Dim.Symbol($"n{number}_{i}") : (Dim)s)];
        var x = new Term(builder, builder.Input($"x{number}", new(ElementType.Float32, new(shape))));
        var given = Whole(random, [batch, channels, .. sizes.Select(s => (long)s)]);
        // Some read what is computed, which a kernel may do while it copies.
        var read = random.Next(3) == 0 ? x * 2 : x;
        Term made;
        string text;
        if (isPool)
        {
            var kind = Any(0, 1, 2) switch { 0 => Reduction.Max, 1 => Reduction.Sum, _ => Reduction.Min };
            var outside = kind switch { Reduction.Max => double.NegativeInfinity, Reduction.Min => double.PositiveInfinity, _ => 0 };
            var windows = read.Pad([0, 0, .. low.Select(p => (Dim)p)], [0, 0, .. high.Select(p => (Dim)p)], outside);
            for (var i = 0; i < spatial; i++)
                windows = windows.Apply(new Op.Unfold(i + 2, kernel[i], strides[i], dilations[i]));
            made = windows.Reduce(kind, [.. Enumerable.Range(2 + spatial, spatial)]);
            text = $"{kind}";
        }
        else
        {
            var outputs = isDepthwise ? Any(1, 1, 2) : isLate ? Any(32, 50, 67) : Any(1, 2, 5, 12, 19, 40);
            made = read.Apply(new Op.Convolve([.. strides], [.. dilations], [.. low], [.. high], groups), read.Constant(Whole(random, [groups * outputs, perGroup, .. kernel.Select(k => (long)k)])));
            text = $"convolution to {outputs} of {perGroup} in {groups}";
        }
        var after = random.Next(4);
        if (after > 0)
            made += made.Constant(Whole(random, [made.Shape[1].Value!.Value, .. Enumerable.Repeat(1L, spatial)]));
        if (after > 1)
            made = made.Max(0);
        if (after > 2 && made.Shape.KnownCount is not null)
            made += made.Constant(Whole(random, [.. made.Shape.Dims.Select(d => d.Value!.Value)]));
        text += $" of {given.TensorType}, kernel {string.Join("x", kernel)}, strides {string.Join("x", strides)}, dilations {string.Join("x", dilations)}, pads {string.Join(",", low)} {string.Join(",", high)}{(isOpen ? ", open" : "")}";
        return (given, made, text);
    }

    /// <summary>Small integers.</summary>
    static Tensor Whole(Random random, long[] dims) => Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)random.Next(-4, 5))], dims);
}
