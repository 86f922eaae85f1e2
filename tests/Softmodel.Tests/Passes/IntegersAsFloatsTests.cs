using CsCheck;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Passes;

public class IntegersAsFloatsTests
{
    static Tensor Bytes(ElementType type, int seed, params long[] dims)
    {
        var random = new Random(seed);
        var (low, high) = type == ElementType.Int8 ? (-128, 128) : (0, 256);
        return Tensor.Of(type, dims, [.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (long)random.Next(low, high))]);
    }

    static Term Shifted(Term x, Term zero) => (x.Cast(ElementType.Int16) - zero.Cast(ElementType.Int16)).Cast(ElementType.Int32);

    static bool HasIntegerSums(Graph graph) => graph.Nodes.Any(n => n.Op is Op.Contract or Op.Convolve && n.Output.Type.Element != ElementType.Float32);

    static void Agree(Graph graph, Graph simple, params Tensor[] inputs)
    {
        var expected = Evaluator.Run(graph, inputs);
        Assert.True(expected[0].SameAs(Evaluator.Run(simple, inputs)[0]), "the simplified graph computes other numbers");
        foreach (var width in (int[])[128, 256, 512])
            Assert.True(expected[0].SameAs(Answers.Compiled(simple, inputs, width, 1, 2)[0]), $"compiled for vectors of {width} bits it computes other numbers");
    }

    [Fact]
    public void Quantised_convolutions_become_convolutions_of_floats() =>
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 24], Gen.Int[1, 20], Gen.Int[1, 3], Gen.Int[1, 2], Gen.Bool, Gen.Int[0, 1000]).Sample((batch, channels, filters, kernel, stride, isDepthwise, seed) =>
        {
            var groups = isDepthwise ? channels : 1;
            filters = isDepthwise ? channels : filters;
            var builder = new GraphBuilder("convolution", Evaluator.Fold);
            var x = new Term(builder, builder.Input("x", new(ElementType.UInt8, new(batch, channels, Dim.Symbol("H"), 13))));
            var zero = new Term(builder, builder.Input("zero", new(ElementType.UInt8, new())));
            var weights = Shifted(new(builder, builder.Constant(Bytes(ElementType.Int8, seed, filters, channels / groups, kernel, kernel))), new(builder, builder.Constant(Tensor.Scalar(ElementType.Int8, 3))));
            var sums = Shifted(x, zero).Apply(new Op.Convolve([stride, stride], [1, 1], [1, 1], [1, 1], groups), weights);
            var graph = builder.Build([(sums.Cast(ElementType.Float32) * 0.25).Value], ["y"]);
            var simple = Pipeline.Exact(graph, Evaluator.Fold);
            Assert.False(HasIntegerSums(simple));
            Agree(graph, simple, Bytes(ElementType.UInt8, seed + 1, batch, channels, 9, 13), Tensor.Scalar(ElementType.UInt8, seed % 256));
        }, iter: 15);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Sums_that_are_0_are_no_negative_zeros(bool isDepthwise)
    {
        var builder = new GraphBuilder("zeros", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.UInt8, new(1, 8, Dim.Symbol("H"), 13))));
        var weights = new Term(builder, builder.Constant(Tensor.Of(ElementType.Int32, [8, isDepthwise ? 1 : 8, 3, 3], [.. Enumerable.Repeat(-3L, isDepthwise ? 72 : 576)])));
        var sums = x.Cast(ElementType.Int32).Apply(new Op.Convolve([1, 1], [1, 1], [1, 1], [1, 1], isDepthwise ? 8 : 1), weights);
        var graph = builder.Build([(1 / sums.Cast(ElementType.Float32)).Value], ["y"]);
        var simple = Pipeline.Exact(graph, Evaluator.Fold);
        Assert.False(HasIntegerSums(simple));
        Agree(graph, simple, Tensor.Of(ElementType.UInt8, [1, 8, 9, 13], new long[8 * 9 * 13]));
    }

    [Theory]
    [InlineData(Padding.Edge)]
    [InlineData(Padding.Reflect)]
    public void Padding_without_a_number_is_followed(Padding mode)
    {
        var builder = new GraphBuilder("padded", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.UInt8, new(1, 3, Dim.Symbol("H"), 13))));
        var weights = Shifted(new(builder, builder.Constant(Bytes(ElementType.Int8, 1, 8, 3, 3, 3))), new(builder, builder.Constant(Tensor.Scalar(ElementType.Int8, 3))));
        var padded = x.Cast(ElementType.Int32).Apply(new Op.Pad(mode, [0, 0, 1, 1], [0, 0, 1, 1]));
        var graph = builder.Build([padded.Apply(new Op.Convolve([1, 1], [1, 1], [0, 0], [0, 0], 1), weights).Value], ["y"]);
        var simple = Pipeline.Exact(graph, Evaluator.Fold);
        Assert.False(HasIntegerSums(simple));
        Agree(graph, simple, Bytes(ElementType.UInt8, 2, 1, 3, 9, 13));
    }

    [Fact]
    public void Sums_with_an_integer_bias_of_any_size_stay_in_vectors() =>
        Gen.Select(Gen.Int[1, 24], Gen.Int[1, 20], Gen.Int[1, 3], Gen.Bool, Gen.Int[0, 1000]).Sample((channels, filters, kernel, isReal, seed) =>
        {
            var builder = new GraphBuilder("biased", Evaluator.Fold);
            var x = new Term(builder, builder.Input("x", new(ElementType.UInt8, new(1, channels, Dim.Symbol("H"), 13))));
            var bias = new Term(builder, builder.Input("bias", new(ElementType.Int32, new(filters, 1, 1))));
            var weights = Shifted(new(builder, builder.Constant(Bytes(ElementType.Int8, seed, filters, channels, kernel, kernel))), new(builder, builder.Constant(Tensor.Scalar(ElementType.Int8, 3))));
            var sums = x.Cast(ElementType.Int32).Apply(new Op.Convolve([1, 1], [1, 1], [1, 1], [1, 1], 1), weights) + bias;
            var graph = builder.Build([(isReal ? sums.Cast(ElementType.Float32) * 0.25 : (-sums).Max(-100) * 3).Value], ["y"]);
            var simple = Pipeline.Exact(graph, Evaluator.Fold);
            Assert.Contains("Tile.", ProgramCode.Write(Lower.Program(simple), 256).Source, StringComparison.Ordinal);
            var random = new Random(seed);
            Agree(graph, simple, Bytes(ElementType.UInt8, seed + 1, 1, channels, 9, 13), Tensor.Of(ElementType.Int32, [filters, 1, 1], [.. Enumerable.Range(0, filters).Select(_ => (long)random.Next(int.MinValue, int.MaxValue))]));
        }, iter: 12);

    [Fact]
    public void Whole_numbers_of_32_bits_are_computed_in_vectors()
    {
        var builder = new GraphBuilder("whole", Evaluator.Fold);
        var n = Dim.Symbol("N");
        Term Input(string name, ElementType type, params Dim[] dims) => new(builder, builder.Input(name, new(type, new(dims))));
        var (a, b, real) = (Input("a", ElementType.Int32, n, 21), Input("b", ElementType.Int32, 21), Input("real", ElementType.Float32, n, 21));
        var y = (a + b) * (a - b).Max(real.Cast(ElementType.Int32)) - (-a).Map(Functions.Minimum, b);
        var graph = builder.Build([y.Value, y.Cast(ElementType.Float32).Value], ["y", "real"]);
        Assert.Contains("VX.ConvertToInt32(", ProgramCode.Write(Lower.Program(graph), 256).Source, StringComparison.Ordinal);
        var random = new Random(1);
        Tensor Whole(params long[] dims) => Tensor.Of(ElementType.Int32, dims, [.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (long)random.Next(int.MinValue, int.MaxValue))]);
        Agree(graph, graph, Whole(7, 21), Whole(21), Tensor.Of<float>([.. Enumerable.Range(0, 7 * 21).Select(_ => (random.NextSingle() - 0.5f) * 1e9f)], 7, 21));
    }

    [Theory]
    [InlineData(64, 1)]
    // 255 times 128 for each term is more than 24 bits after 514 of them.
    [InlineData(700, 2)]
    [InlineData(1500, 3)]
    public void Sums_of_many_terms_are_added_up_in_parts(int depth, int parts)
    {
        var builder = new GraphBuilder("product", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.UInt8, new(Dim.Symbol("N"), depth))));
        var weights = new Term(builder, builder.Constant(Tensor.Of(ElementType.Int8, [depth, 5], [.. Enumerable.Range(0, depth * 5).Select(i => i % 5 == 0 ? -128L : i % 5)])));
        var sums = x.Cast(ElementType.Int32).Contract("nk,kj->nj", weights.Cast(ElementType.Int32));
        var graph = builder.Build([sums.Value], ["y"]);
        var simple = Pipeline.Exact(graph, Evaluator.Fold);
        Assert.Equal(parts, simple.Nodes.Count(n => n.Op is Op.Contract));
        Assert.False(HasIntegerSums(simple));
        Agree(graph, simple, Tensor.Of(ElementType.UInt8, [3, depth], [.. Enumerable.Repeat(255L, 3 * depth)]));
    }

    [Fact]
    public void Sums_that_no_bound_is_known_of_stay_integers()
    {
        var builder = new GraphBuilder("product", Evaluator.Fold);
        Term Input(string name, ElementType type, params Dim[] dims) => new(builder, builder.Input(name, new(type, new(dims))));
        var open = Input("a", ElementType.UInt8, 3, Dim.Symbol("K")).Cast(ElementType.Int32).Contract("nk,kj->nj", Input("b", ElementType.UInt8, Dim.Symbol("K"), 4).Cast(ElementType.Int32));
        var wide = Input("c", ElementType.Int32, 3, 8).Contract("nk,kj->nj", Input("d", ElementType.Int32, 8, 4));
        var graph = Pipeline.Exact(builder.Build([open.Value, wide.Value], ["open", "wide"]), Evaluator.Fold);
        Assert.All(graph.Nodes.Where(n => n.Op is Op.Contract), n => Assert.Equal(ElementType.Int32, n.Output.Type.Element));
    }

    [Fact]
    public void What_is_quantised_and_shifted_stays_a_float()
    {
        var builder = new GraphBuilder("quantised", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(Dim.Symbol("N"), 20))));
        var quantised = ((x * 8).Map(Functions.Round) + 100).Max(0).Min(255).Cast(ElementType.Int32).Cast(ElementType.UInt8);
        var graph = builder.Build([((quantised.Cast(ElementType.Int32) - 100).Cast(ElementType.Float32) * 0.125).Value], ["y"]);
        var simple = Pipeline.Exact(graph, Evaluator.Fold);
        Assert.DoesNotContain(simple.Nodes, n => n.Op is Op.Cast);
        Agree(graph, simple, Answers.Ramp(7, 20));
    }
}
