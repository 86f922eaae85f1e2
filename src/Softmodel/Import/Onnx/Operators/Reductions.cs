using Softmodel.Graphs;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that combine the elements along axes.</summary>
static class Reductions
{
    /// <summary>How a reduction is computed: over the axes, which stay with size 1.</summary>
    /// <param name="call">The node.</param>
    /// <param name="x">What is reduced.</param>
    /// <param name="reduce">The reduction, axes kept.</param>
    static Term Over(OnnxCall call, Term x, Func<Term, int[], Term> reduce)
    {
        var given = call[1] is { } operand ? Axes.Numbers(operand, "the axes") : [.. call.Attribute("axes")?.Ints ?? []];
        if (given.Length == 0 && call.Attribute("noop_with_empty_axes")?.Int == 1)
            return reduce(x, []);
        var axes = given.Length > 0 ? Axes.Of(given, x.Rank) : [.. Enumerable.Range(0, x.Rank)];
        var kept = reduce(x, axes);
        return call.Attribute("keepdims")?.Int != 0 ? kept : kept.Reshape(x.Shape.Without(axes));
    }

    [Operator("ReduceSum")]
    static Term ReduceSum(OnnxCall call, Term x) => Over(call, x, (t, axes) => t.Reduce(Reduction.Sum, axes, keep: true));

    [Operator("ReduceMax")]
    static Term ReduceMax(OnnxCall call, Term x) => Over(call, x, (t, axes) => t.Reduce(Reduction.Max, axes, keep: true));

    [Operator("ReduceMin")]
    static Term ReduceMin(OnnxCall call, Term x) => Over(call, x, (t, axes) => t.Reduce(Reduction.Min, axes, keep: true));

    [Operator("ReduceProd")]
    static Term ReduceProd(OnnxCall call, Term x) => Over(call, x, (t, axes) => t.Reduce(Reduction.Product, axes, keep: true));

    [Operator("ReduceMean")]
    static Term ReduceMean(OnnxCall call, Term x) => Over(call, x, (y, axes) => Formulas.Mean(y, axes));

    [Operator("ReduceL1")]
    static Term ReduceL1(OnnxCall call, Term x) => Over(call, x, (t, axes) => t.Map(Functions.Abs).Reduce(Reduction.Sum, axes, keep: true));

    [Operator("ReduceL2")]
    static Term ReduceL2(OnnxCall call, Term x) => Over(call, x, (t, axes) => AsReal(SumOfSquares(t, axes), Functions.Sqrt));

    [Operator("ReduceSumSquare")]
    static Term ReduceSumSquare(OnnxCall call, Term x) => Over(call, x, SumOfSquares);

    [Operator("ReduceLogSum")]
    static Term ReduceLogSum(OnnxCall call, Term x) => Over(call, x, (t, axes) => AsReal(t.Reduce(Reduction.Sum, axes, keep: true), Functions.Log));

    [Operator("ReduceLogSumExp")]
    static Term ReduceLogSumExp(OnnxCall call, Term x) => Over(call, x, (t, axes) => t.Element.IsFloat()
        ? Formulas.LogSumExp(t, axes)
        : Formulas.LogSumExp(t.Cast(ElementType.Float64), axes).Cast(t.Element));

    static Term SumOfSquares(Term x, int[] axes) => (x * x).Reduce(Reduction.Sum, axes, keep: true);

    static Term AsReal(Term x, Function function) => x.Element.IsFloat() ? x.Map(function) : x.Cast(ElementType.Float64).Map(function).Cast(x.Element);

    [Operator("Softmax", since: 1)]
    internal static Term SoftmaxOfRows(Term x, long axis = 1) => Formulas.Softmax(x, [.. Enumerable.Range(0, x.Rank).Skip(axis == x.Rank ? x.Rank : Axes.Of(axis, x.Rank))]);

    [Operator("Softmax", since: 13)]
    static Term Softmax(Term x, long axis = -1) => Formulas.Softmax(x, [Axes.Of(axis, x.Rank)]);

    [Operator("LogSoftmax", since: 1)]
    static Term LogSoftmaxOfRows(Term x, long axis = 1) => Formulas.LogSoftmax(x, [.. Enumerable.Range(0, x.Rank).Skip(axis == x.Rank ? x.Rank : Axes.Of(axis, x.Rank))]);

    [Operator("LogSoftmax", since: 13)]
    static Term LogSoftmax(Term x, long axis = -1) => Formulas.LogSoftmax(x, [Axes.Of(axis, x.Rank)]);

    [Operator("Hardmax", since: 1)]
    static Term HardmaxOfRows(Term x, long axis = 1)
    {
        var at = axis == x.Rank ? x.Rank : Axes.Of(axis, x.Rank);
        var rows = x.Reshape(new(Dim.Product(x.Shape.Dims.Take(at)), Dim.Product(x.Shape.Dims.Skip(at))));
        return Hardmax(rows).Reshape(x.Shape);
    }

    [Operator("Hardmax", since: 13)]
    static Term Hardmax(Term x, long axis = -1)
    {
        var at = Axes.Of(axis, x.Rank);
        // Of an axis that may be empty an element that is never the first largest is chosen.
        var chosen = (x.Shape[at] - 1).IsNeverNegative ? x
            : x.Pad(Enumerable.Repeat(Dim.Zero, x.Rank).ToEquatable(), Enumerable.Range(0, x.Rank).Select(i => i == at ? Dim.One : Dim.Zero).ToEquatable(), double.NegativeInfinity);
        return Arg(chosen, true, at, false).EqualTo(Along(x, at)).Cast(x.Element);
    }

    [Operator("ArgMax")]
    static Term ArgMax(Term x, long axis = 0, bool keepDims = true, bool selectLastIndex = false) => ArgReduce(x, true, axis, keepDims, selectLastIndex);

    [Operator("ArgMin")]
    static Term ArgMin(Term x, long axis = 0, bool keepDims = true, bool selectLastIndex = false) => ArgReduce(x, false, axis, keepDims, selectLastIndex);

    static Term ArgReduce(Term x, bool largest, long axis, bool keep, bool last)
    {
        var at = Axes.Of(axis, x.Rank);
        var index = Arg(x, largest, at, last);
        return keep ? index : index.Squeeze(at);
    }

    /// <summary>The index of the largest or smallest element along an axis, which stays with size 1.</summary>
    static Term Arg(Term x, bool largest, int axis, bool last) => x.Apply(new Op.ArgReduce(largest, axis, last)).Unsqueeze(axis);

    /// <summary>0, 1, ... along an axis of an operand, to be compared with or added to it.</summary>
    public static Term Along(Term x, int axis) => new Term(x.Builder, x.Builder.Apply(new Op.Iota(x.Shape[axis])))
        .Reshape(new(Enumerable.Range(0, x.Rank - axis).Select(i => i == 0 ? x.Shape[axis] : Dim.One).ToEquatable()));

    [Operator("CumSum", since: 11)]
    static Term CumSum(Term x, Term axis, bool exclusive = false, bool reverse = false) => Accumulate(x, Reduction.Sum, axis, exclusive, reverse);

    [Operator("CumProd", since: 26)]
    static Term CumProd(Term x, Term axis, bool exclusive = false, bool reverse = false) => Accumulate(x, Reduction.Product, axis, exclusive, reverse);

    static Term Accumulate(Term x, Reduction kind, Term axis, bool exclusive, bool reverse) =>
        x.Apply(new Op.Accumulate(kind, Axes.Of(Axes.Numbers(axis, "the axes")[0], x.Rank), exclusive, reverse));

    [Operator("TopK")]
    static Term[] TopK(Term x, long k, long axis = -1) => TopK(x, (Dim)k, axis, true);

    [Operator("TopK", since: 10)]
    static Term[] TopK(Term x, Term k, long axis = -1, bool largest = true, bool sorted = true) => TopK(x, k.Reshape(new(Dim.One)).AsSizes()[0], axis, largest);

    static Term[] TopK(Term x, Dim count, long axis, bool largest) =>
        [.. x.Builder.ApplyAll(new Op.TopK(count, Axes.Of(axis, x.Rank), largest), x.Value).Select(v => new Term(x.Builder, v))];
}
