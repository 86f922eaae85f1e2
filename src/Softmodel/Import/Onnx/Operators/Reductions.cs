using Softmodel.Graphs;
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
    static Term ReduceMean(OnnxCall call, Term x) => Over(call, x, Mean);

    /// <summary>The mean over axes, which stay with size 1.</summary>
    public static Term Mean(Term x, int[] axes)
    {
        var count = Dim.Product(axes.Select(a => x.Shape[a]));
        var sum = x.Reduce(Reduction.Sum, axes, keep: true);
        return x.Element.IsFloat() && count.Value is { } known ? sum * (1.0 / known)
            : sum / new Term(x.Builder, x.Builder.Sizes((Dim[])[count], Shape.Scalar)).Cast(x.Element);
    }

    /// <summary>Exponentials along axes, divided by their sum.</summary>
    public static Term Softmax(Term x, params ReadOnlySpan<int> axes)
    {
        var exponentials = (x - x.Reduce(Reduction.Max, axes, keep: true)).Map(Functions.Exp);
        return exponentials / exponentials.Reduce(Reduction.Sum, axes, keep: true);
    }

    [Operator("Softmax", since: 1)]
    static Term SoftmaxOfRows(Term x, long axis = 1) => Softmax(x, [.. Enumerable.Range(0, x.Rank).Skip(axis == x.Rank ? x.Rank : Axes.Of(axis, x.Rank))]);

    [Operator("Softmax", since: 13)]
    static Term Softmax(Term x, long axis = -1) => Softmax(x, [Axes.Of(axis, x.Rank)]);

    [Operator("CumSum", since: 11)]
    static Term CumSum(Term x, Term axis, bool exclusive = false, bool reverse = false) =>
        x.Apply(new Op.Accumulate(Reduction.Sum, Axes.Of(Axes.Numbers(axis, "the axes")[0], x.Rank), exclusive, reverse));
}
