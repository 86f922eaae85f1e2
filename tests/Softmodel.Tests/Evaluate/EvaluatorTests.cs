using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.Tests.Evaluate;

public class EvaluatorTests
{
    static readonly ConstantFolding nothing = (_, _) => null;

    static Tensor Floats(long[] dims, params float[] values) => Tensor.Of<float>(values, dims);

    static Tensor Longs(long[] dims, params long[] values) => Tensor.Of<long>(values, dims);

    static Tensor Counting(params long[] dims) => Tensor.Of<float>(Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(i => (float)i).ToArray(), dims);

    static Tensor Only(Op op, params Tensor[] operands) => Assert.Single(Evaluator.Fold(op, operands)!);

    static void Is(Tensor expected, Tensor actual) =>
        Assert.True(expected.SameAs(actual), $"{expected} {string.Join(" ", Elements.Read<double>(expected))} expected, {actual} {string.Join(" ", Elements.Read<double>(actual))} computed");

    [Fact]
    public void Map_broadcasts_its_operands() =>
        Is(Floats([2, 3], 10, 11, 12, 20, 21, 22), Only(new Op.Map(Functions.Plus), Floats([2, 1], 10, 20), Floats([3], 0, 1, 2)));

    [Fact]
    public void Map_keeps_the_upper_half_of_unsigned_numbers() =>
        Is(Tensor.Vector<ulong>(ulong.MaxValue, ulong.MaxValue / 2), Only(new Op.Map(Functions.Divide), Tensor.Vector<ulong>(ulong.MaxValue, ulong.MaxValue), Tensor.Vector<ulong>(1, 2)));

    [Fact]
    public void Whole_numbers_wrap_round() =>
        Is(Tensor.Vector<sbyte>(-128), Only(new Op.Map(Functions.Plus), Tensor.Vector<sbyte>(127), Tensor.Vector<sbyte>(1)));

    [Fact]
    public void Division_by_zero_is_left_to_the_run()
    {
        Assert.Null(Evaluator.Fold(new Op.Map(Functions.Divide), [Tensor.Vector<long>(1), Tensor.Vector<long>(0)]));
    }

    [Theory]
    [InlineData(ElementType.Int32, 2.9f, 2)]
    [InlineData(ElementType.Int64, -2.9f, -2)]
    [InlineData(ElementType.UInt8, 257f, 1)]
    [InlineData(ElementType.Int32, 3e9f, int.MaxValue)]
    [InlineData(ElementType.Bool, -0.5f, 1)]
    public void Cast_truncates(ElementType to, float x, long expected) => Assert.Equal(expected, Only(new Op.Cast(to), Floats([], x)).Integer(0));

    [Fact]
    public void Cast_rounds_whole_numbers_once() =>
        // Above the middle of two floats by less than a double can tell.
        Assert.Equal(9007200328482816f, Only(new Op.Cast(ElementType.Float32), Longs([], 9007199791611905)).Float(0));

    [Theory]
    [InlineData(Reduction.Sum, 3, 12)]
    [InlineData(Reduction.Product, 0, 60)]
    [InlineData(Reduction.Max, 2, 5)]
    [InlineData(Reduction.Min, 0, 3)]
    public void Reduce_combines_along_axes(Reduction kind, float first, float second) =>
        Is(Floats([2], first, second), Only(new Op.Reduce(kind, [1]), Counting(2, 3)));

    [Fact]
    public void Reduce_of_nothing_is_its_start()
    {
        Is(Tensor.Vector<sbyte>(-128), Only(new Op.Reduce(Reduction.Max, [1]), Tensor.Of<sbyte>([], 1, 0)));
        Is(Floats([1], float.PositiveInfinity), Only(new Op.Reduce(Reduction.Min, [0]), Floats([0, 1])));
    }

    [Fact]
    public void Sums_of_floats_do_not_lose_small_terms() =>
        Is(Floats([], 1 << 24), Only(new Op.Reduce(Reduction.Sum, [0]), Floats([5], 1 << 24, 0.5f, 0.25f, 0.125f, 0.125f)));

    [Theory]
    [InlineData(true, false, 1)]
    [InlineData(true, true, 3)]
    [InlineData(false, false, 0)]
    [InlineData(false, true, 2)]
    public void ArgReduce_takes_the_first_or_the_last(bool largest, bool last, long expected) =>
        Is(Longs([], expected), Only(new Op.ArgReduce(largest, 0, last), Floats([4], 1, 7, 1, 7)));

    [Fact]
    public void Contract_multiplies_matrices_in_batches() => Is(
        Floats([2, 1, 2], 1, 3, 23, 33),
        Only(new Op.Contract("bik,bjk->bij"), Floats([2, 1, 2], 0, 1, 2, 3), Counting(2, 2, 2)));

    [Fact]
    public void Contract_can_sum_over_a_letter_of_one_operand() =>
        Is(Floats([2], 30, 120), Only(new Op.Contract("ij,k->i"), Counting(2, 3), Floats([2], 4, 6)));

    [Fact]
    public void Convolve_strides_dilates_and_pads() => Is(
        // zeros at -2, -1 and 6; taps two apart, the first of which weighs nothing
        Floats([1, 1, 3], 2, 6, 4),
        Only(new Op.Convolve([2], [2], [2], [1], 1), Counting(1, 1, 6), Floats([1, 1, 3], 0, 1, 1)));

    [Fact]
    public void Convolve_has_groups() => Is(
        Floats([1, 2, 2], 0, 10, 200, 300),
        Only(new Op.Convolve([1], [1], [0], [0], 2), Counting(1, 2, 2), Floats([2, 1, 1], 10, 100)));

    [Fact]
    public void ConvolveTransposed_spreads_and_cuts() => Is(
        // 1 2 3 from the first element, 2 4 6 two further on; without the first and with one more
        Floats([1, 1, 5], 2, 5, 4, 6, 0),
        Only(new Op.ConvolveTransposed([2], [1], [1], [0], [1], 1), Floats([1, 1, 2], 1, 2), Floats([1, 1, 3], 1, 2, 3)));

    [Fact]
    public void Transpose_permutes() => Is(Floats([3, 2], 0, 3, 1, 4, 2, 5), Only(new Op.Transpose([1, 0]), Counting(2, 3)));

    [Fact]
    public void Broadcast_stretches() => Is(Floats([2, 2], 1, 2, 1, 2), Only(new Op.Broadcast(new(2, 2)), Floats([2], 1, 2)));

    [Fact]
    public void Slice_steps_backwards() => Is(Floats([2, 2], 5, 3, 2, 0), Only(new Op.Slice([1, 2], [2, 2], [-1, -2]), Counting(2, 3)));

    [Theory]
    [InlineData(Padding.Reflect, new float[] { 2, 1, 0, 1, 2, 1, 0 })]
    [InlineData(Padding.Edge, new float[] { 0, 0, 0, 1, 2, 2, 2 })]
    [InlineData(Padding.Wrap, new float[] { 1, 2, 0, 1, 2, 0, 1 })]
    [InlineData(Padding.Constant, new float[] { 9, 9, 0, 1, 2, 9, 9 })]
    public void Pad_surrounds(Padding mode, float[] expected) =>
        Is(Floats([7], expected), Only(new Op.Pad(mode, [2], [2]), mode == Padding.Constant ? [Counting(3), Floats([], 9)] : [Counting(3)]));

    [Fact]
    public void Pad_by_less_than_nothing_cuts() => Is(Floats([3], 1, 2, 9), Only(new Op.Pad(Padding.Constant, [-1], [1]), Counting(3), Floats([], 9)));

    [Fact]
    public void Unfold_makes_windows() => Is(Floats([2, 2], 0, 2, 2, 4), Only(new Op.Unfold(0, 2, 2, 2), Counting(5)));

    [Fact]
    public void Concat_joins_along_an_axis() => Is(Floats([2, 3], 0, 1, 10, 2, 3, 20), Only(new Op.Concat(1), Counting(2, 2), Floats([2, 1], 10, 20)));

    [Fact]
    public void Gather_takes_slices_and_counts_from_the_end() =>
        Is(Floats([2, 2], 2, 0, 5, 3), Only(new Op.Gather(1), Counting(2, 3), Longs([2], -1, 0)));

    [Fact]
    public void GatherElements_takes_elements() =>
        Is(Floats([1, 3], 3, 1, 5), Only(new Op.GatherElements(0), Counting(2, 3), Longs([1, 3], 1, 0, 1)));

    [Fact]
    public void GatherND_takes_what_positions_list()
    {
        Is(Floats([2, 2], 2, 3, 4, 5), Only(new Op.GatherND(0), Counting(2, 2, 2), Longs([2, 2], 0, 1, 1, 0)));
        Is(Floats([2, 2], 2, 3, 4, 5), Only(new Op.GatherND(1), Counting(2, 2, 2), Longs([2, 1], 1, 0)));
    }

    [Theory]
    [InlineData(Combination.Replace, new float[] { 0, 7, 2 })]
    [InlineData(Combination.Sum, new float[] { 0, 13, 2 })]
    [InlineData(Combination.Product, new float[] { 0, 35, 2 })]
    [InlineData(Combination.Max, new float[] { 0, 7, 2 })]
    [InlineData(Combination.Min, new float[] { 0, 1, 2 })]
    public void Scatter_combines(Combination how, float[] expected)
    {
        Is(Floats([3], expected), Only(new Op.ScatterElements(0, how), Counting(3), Longs([2], 1, -2), Floats([2], 5, 7)));
        Is(Floats([3], expected), Only(new Op.ScatterND(how), Counting(3), Longs([2, 1], 1, 1), Floats([2], 5, 7)));
    }

    [Theory]
    [InlineData(false, false, new float[] { 1, 3, 6 })]
    [InlineData(true, false, new float[] { 0, 1, 3 })]
    [InlineData(false, true, new float[] { 6, 5, 3 })]
    [InlineData(true, true, new float[] { 5, 3, 0 })]
    public void Accumulate_runs(bool exclusive, bool reverse, float[] expected) =>
        Is(Floats([3, 1], expected), Only(new Op.Accumulate(Reduction.Sum, 0, exclusive, reverse), Floats([3, 1], 1, 2, 3)));

    [Fact]
    public void TopK_orders_and_prefers_the_lower_index()
    {
        var results = Evaluator.Fold(new Op.TopK(2, 0, true), [Floats([3, 2], 1, 5, 3, 4, 3, 5)])!;
        Is(Floats([2, 2], 3, 5, 3, 5), results[0]);
        Is(Longs([2, 2], 1, 0, 2, 2), results[1]);
    }

    [Fact]
    public void An_index_out_of_range_is_an_error_of_the_run()
    {
        var builder = new GraphBuilder("g", nothing);
        builder.Origin = new("here");
        var x = builder.Input("x", new(ElementType.Float32, new(3)));
        var i = builder.Input("i", new(ElementType.Int64, new(1)));
        var graph = builder.Build([builder.Apply(new Op.Gather(0), x, i)]);
        var error = Assert.ThrowsAny<SoftmodelException>(() => Evaluator.Run(graph, [Counting(3), Longs([1], 3)]));
        Assert.Contains("here", error.Message);
    }

    [Fact]
    public void Sizes_come_from_the_inputs()
    {
        var builder = new GraphBuilder("g", nothing);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(Dim.Symbol("T"), 2))));
        var graph = builder.Build([x.Reshape(new(Dim.Symbol("T") * 2)).Value, x.Sizes().Value]);
        var results = Evaluator.Run(graph, [Counting(3, 2)]);
        Is(Counting(6), results[0]);
        Is(Longs([2], 3, 2), results[1]);
        Assert.Throws<SoftmodelException>(() => Evaluator.Run(graph, [Counting(3, 3)]));
    }

    [Fact]
    public void Sizes_come_from_data()
    {
        var builder = new GraphBuilder("g", nothing);
        var n = new Term(builder, builder.Input("n", new(ElementType.Int64, new(1))));
        var size = n.AsSizes()[0];
        var graph = builder.Build([builder.Apply(new Op.Iota(size))]);
        Is(Longs([4], 0, 1, 2, 3), Evaluator.Run(graph, [Longs([1], 4)])[0]);
        Assert.Throws<SoftmodelException>(() => Evaluator.Run(graph, [Longs([1], -4)]));
    }

    [Fact]
    public void The_same_seed_gives_the_same_noise()
    {
        var builder = new GraphBuilder("g", nothing);
        var graph = builder.Build([builder.Apply(new Op.Random(Distribution.Normal, new(100), 3))]);
        Is(Evaluator.Run(graph, [], 7)[0], Evaluator.Run(graph, [], 7)[0]);
        Assert.False(Evaluator.Run(graph, [], 7)[0].SameAs(Evaluator.Run(graph, [], 8)[0]));
    }

    [Fact]
    public void If_runs_one_branch()
    {
        var builder = new GraphBuilder("g", nothing);
        var condition = builder.Input("c", new(ElementType.Bool, Shape.Scalar));
        var x = builder.Input("x", new(ElementType.Float32, new(2)));
        Graph Branch(double by)
        {
            var inner = new GraphBuilder("b", nothing, builder);
            var y = new Term(inner, inner.Capture(x)) * by;
            return inner.Build([y.Value]);
        }
        var graph = builder.Build([builder.Apply(new Op.If(Branch(2), Branch(3)), condition, x, x)]);
        graph.Validate();
        Is(Floats([2], 2, 4), Evaluator.Run(graph, [Tensor.Scalar(true), Floats([2], 1, 2)])[0]);
        Is(Floats([2], 3, 6), Evaluator.Run(graph, [Tensor.Scalar(false), Floats([2], 1, 2)])[0]);
    }

    [Fact]
    public void Loop_carries_and_stacks()
    {
        var body = new GraphBuilder("b", nothing);
        var i = new Term(body, body.Input("i", new(ElementType.Int64, Shape.Scalar)));
        var sum = new Term(body, body.Input("sum", new(ElementType.Int64, Shape.Scalar)));
        var limit = new Term(body, body.Input("limit", new(ElementType.Int64, Shape.Scalar)));
        var next = sum + i;
        var builder = new GraphBuilder("g", nothing);
        var (most, start, least) = (builder.Input("most", new(ElementType.Int64, Shape.Scalar)), builder.Constant(Tensor.Scalar(0L)), builder.Input("limit", new(ElementType.Int64, Shape.Scalar)));
        var loop = new Op.Loop(body.Build([(next < limit).Value, next.Value, next.Value]), 1, Dim.Symbol("ran"));
        var results = builder.ApplyAll(loop, most, builder.Constant(Tensor.Scalar(true)), start, least);
        var graph = builder.Build(results);
        graph.Validate();
        var outputs = Evaluator.Run(graph, [Tensor.Scalar(100L), Tensor.Scalar(6L)]);
        Is(Longs([], 6), outputs[0]);
        Is(Longs([4], 0, 1, 3, 6), outputs[1]);
        outputs = Evaluator.Run(graph, [Tensor.Scalar(0L), Tensor.Scalar(6L)]);
        Is(Longs([0]), outputs[1]);
    }

    [Fact]
    public void Fold_declines_what_is_for_the_run()
    {
        Assert.Null(Evaluator.Fold(new Op.Random(Distribution.Normal, new(1), 0), []));
        Assert.Null(Evaluator.Fold(new Op.Reshape(new(Dim.Symbol("T"))), [Counting(3)]));
        Assert.Null(Evaluator.Fold(new Op.Slice([Dim.Symbol("T")], [1], [1]), [Counting(3)]));
        Assert.Null(Evaluator.Fold(new Op.Broadcast(new(1 << 23)), [Counting(1)]));
        var half = Tensor.Vector<Half>((Half)1, (Half)2);
        Is(Floats([2], 1, 2), Only(new Op.Cast(ElementType.Float32), half));
        Assert.Null(Evaluator.FoldKeepingNarrow(new Op.Cast(ElementType.Float32), [half]));
    }
}
