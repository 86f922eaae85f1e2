using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Emit;

public class ToomCookTests
{
    static Tensor Numbers(int seed, params long[] dims)
    {
        var random = new Random(seed);
        return Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => random.NextSingle() * 2 - 1)], dims);
    }

    static double SignalToNoise(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        var (signal, noise) = (0.0, 1e-30);
        for (var i = 0; i < expected.Length; i++)
        {
            signal += (double)expected[i] * expected[i];
            noise += Math.Pow((double)expected[i] - actual[i], 2);
        }
        return 10 * Math.Log10(signal / noise);
    }

    /// <summary>Two layers as a vocoder has them: rectified, padded, convolved, and added to what they were given. Of wide ones one.</summary>
    static Graph Layers(int channels, int rows, int taps, int dilation)
    {
        var builder = new GraphBuilder("layers", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(1, channels, Dim.Symbol("T")))));
        var reach = (taps - 1) * dilation;
        Term Known(int seed, params long[] dims) => new(builder, builder.Constant(Numbers(seed, dims)));
        Term Layer(Term from, int seed, int outputs, int inputs) => (from > 0).Select(from, from * 0.1)
            .Apply(new Op.Convolve(new([1]), new([dilation]), new([reach / 2]), new([reach - reach / 2]), 1), Known(seed, outputs, inputs, taps)) + Known(seed + 10, 1, outputs, 1);
        var first = Layer(x, 1, rows, channels);
        return builder.Build([(channels > 100 ? first : Layer(first, 2, channels, rows) + x).Value], ["y"]);
    }

    /// <summary>The C# of a program, which is that of the text of its schedule, too.</summary>
    static string SourceOf(LoweredProgram program, int width)
    {
        var schedule = Schedule.Of(program, width);
        var (text, source) = (ScheduleText.Write(schedule), ProgramCode.Write(schedule).Source);
        Assert.Contains(" toom_cook=", text, StringComparison.Ordinal);
        Assert.Equal(source, ProgramCode.Write(ScheduleText.Read(text, ScheduleText.Weights(schedule).GetValueOrDefault)).Source);
        return source;
    }

    [Theory]
    [InlineData(32, 48, 3, 1, 256)]
    [InlineData(24, 32, 4, 3, 256)]
    [InlineData(16, 32, 5, 2, 256)]
    [InlineData(29, 15, 6, 1, 256)]
    [InlineData(16, 13, 7, 5, 256)]
    [InlineData(16, 16, 8, 1, 256)]
    [InlineData(12, 24, 11, 3, 256)]
    [InlineData(13, 30, 12, 16, 256)]
    [InlineData(176, 200, 3, 1, 256)]
    [InlineData(32, 32, 3, 12, 512)]
    [InlineData(29, 17, 7, 1, 512)]
    [InlineData(176, 200, 3, 1, 512)]
    [InlineData(16, 32, 11, 2, 512)]
    public void Fast_convolutions_are_what_the_evaluator_computes(int channels, int rows, int taps, int dilation, int width)
    {
        Assert.SkipUnless(width <= InProcess.Width, $"this processor has no vectors of {width} bits");
        var graph = Layers(channels, rows, taps, dilation);
        var program = Lower.Program(graph);
        Assert.Contains($"ToomCook.Weights{taps}(", SourceOf(program, width), StringComparison.Ordinal);
        using var model = InProcess.Compile(program, width);
        foreach (var length in channels > 100 ? (long[])[1, 79, 80] : [1, 2, 7, 47, 97, 300])
            Agrees(graph, model, $"{length} elements", Numbers(3, 1, channels, length));
    }

    /// <summary>Whether a model comes to what the evaluator does, and to the same bits on any number of threads.</summary>
    static void Agrees(Graph graph, CompiledModel model, string what, params Tensor[] inputs)
    {
        var expected = Evaluator.Run(graph, inputs)[0];
        Tensor? one = null;
        foreach (var threads in (int[])[1, 2])
        {
            model.Threads = threads;
            var actual = model.Run(inputs)[0];
            one ??= actual;
            Assert.True(one.SameAs(actual), $"{what}: 2 threads give other bits");
            Assert.Equal(expected.Dims, actual.Dims);
            Assert.True(SignalToNoise(expected.Values<float>(), actual.Values<float>()) > 95, $"{what}, {threads} threads: {SignalToNoise(expected.Values<float>(), actual.Values<float>()):0.0} dB");
        }
    }

    /// <summary>A layer as networks for pictures have them: padded, convolved, rectified, and added to another.</summary>
    static Graph Map(int channels, int rows, int high, int wide, int dilation, Dim height, Dim width)
    {
        var builder = new GraphBuilder("map", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(1, channels, height, width))));
        var other = new Term(builder, builder.Input("other", new(ElementType.Float32, new(1, rows, height, width))));
        Term Known(int seed, params long[] dims) => new(builder, builder.Constant(Numbers(seed, dims)));
        var (down, across) = ((high - 1) * dilation, (wide - 1) * dilation);
        var y = x.Apply(new Op.Convolve([1, 1], [dilation, dilation], [down / 2, across / 2], [down - down / 2, across - across / 2], 1), Known(1, rows, channels, high, wide));
        return builder.Build([((y + Known(2, 1, rows, 1, 1)).Max(0) + other).Value], ["y"]);
    }

    public static IEnumerable<TheoryDataRow<int, int, int, int, int, int>> Maps =>
        from width in (int[])[256, 512]
        from map in ((int, int, int, int, int)[])[(16, 32, 3, 3, 1), (29, 17, 3, 3, 2), (24, 30, 5, 5, 1), (16, 48, 1, 7, 1), (13, 32, 2, 4, 3), (40, 130, 3, 11, 1), (132, 24, 3, 3, 1), (200, 310, 3, 3, 1)]
        select new TheoryDataRow<int, int, int, int, int, int>(map.Item1, map.Item2, map.Item3, map.Item4, map.Item5, width);

    [Theory]
    [MemberData(nameof(Maps))]
    public void Fast_convolutions_of_maps_are_what_the_evaluator_computes(int channels, int rows, int high, int wide, int dilation, int width)
    {
        Assert.SkipUnless(width <= InProcess.Width, $"this processor has no vectors of {width} bits");
        (long, long)[] all = channels > 100 ? [(13, 13), (3, 50)] : [(1, 1), (2, 300), (13, 13), (30, 12), (47, 61)];
        foreach (var isOpen in (bool[])[true, false])
        {
            var sizes = isOpen ? all : all[^1..];
            var (height, across) = isOpen ? (Dim.Symbol("H"), Dim.Symbol("W")) : ((Dim)sizes[0].Item1, (Dim)sizes[0].Item2);
            var graph = Map(channels, rows, high, wide, dilation, height, across);
            var program = Lower.Program(graph);
            Assert.Contains($"ToomCook.Weights{wide}(", SourceOf(program, width), StringComparison.Ordinal);
            using var model = InProcess.Compile(program, width);
            foreach (var (h, w) in sizes)
                Agrees(graph, model, $"{h} by {w}", Numbers(3, 1, channels, h, w), Numbers(4, 1, rows, h, w));
        }
    }

    [Fact]
    public void What_is_not_a_number_reaches_no_more_tiles_than_its_own()
    {
        var graph = Layers(16, 16, 7, 1);
        using var model = Answers.Compile(graph, InProcess.Width);
        var numbers = Numbers(3, 1, 16, 600).Values<float>().ToArray();
        numbers[300] = float.NaN;
        var y = model.Run([Tensor.Of(numbers, 1, 16, 600)])[0].Values<float>().ToArray();
        Assert.All(Enumerable.Range(0, 9600).Where(i => i % 600 is < 270 or > 330), i => Assert.True(float.IsFinite(y[i])));
        Assert.Contains(y, float.IsNaN);
    }
}
