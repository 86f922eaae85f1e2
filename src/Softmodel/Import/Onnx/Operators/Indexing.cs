using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that choose elements by indices.</summary>
static class Indexing
{
    /// <summary>Indices counted from the start, where negative ones count from the end of an axis.</summary>
    public static Term FromStart(Term indices, Dim size)
    {
        if (indices.Known is { } known && Enumerable.Range(0, (int)Math.Min(known.Count, 1 << 20)).All(i => known.Whole(i) >= 0))
            return indices;
        var end = new Term(indices.Builder, indices.Builder.Sizes((Dim[])[size], Shape.Scalar)).Cast(indices.Element);
        return (indices < 0).Select(indices + end, indices);
    }

    [Operator("Gather")]
    static Term Gather(Term data, Term indices, long axis = 0)
    {
        var at = Axes.Of(axis, data.Rank);
        return data.Gather(FromStart(indices, data.Shape[at]), at);
    }

    [Operator("GatherElements", since: 11)]
    static Term GatherElements(Term data, Term indices, long axis = 0)
    {
        var at = Axes.Of(axis, data.Rank);
        return data.Apply(new Op.GatherElements(at), FromStart(indices, data.Shape[at]));
    }

    [Operator("GatherND", since: 11)]
    static Term GatherND(Term data, Term indices, int batchDims = 0) =>
        data.Apply(new Op.GatherND(batchDims), FromStarts(indices, data.Shape, batchDims));

    [Operator("ScatterND", since: 11)]
    static Term ScatterND(Term data, Term indices, Term updates, string reduction = "none") =>
        data.Apply(new Op.ScatterND(Combine(reduction)), FromStarts(indices, data.Shape, 0), updates);

    [Operator("Scatter", since: 9)]
    [Operator("ScatterElements", since: 11)]
    static Term ScatterElements(Term data, Term indices, Term updates, long axis = 0, string reduction = "none")
    {
        var at = Axes.Of(axis, data.Rank);
        return data.Apply(new Op.ScatterElements(at, Combine(reduction)), FromStart(indices, data.Shape[at]), updates);
    }

    static Combination Combine(string reduction) => reduction switch
    {
        "none" => Combination.Replace,
        "add" => Combination.Sum,
        "mul" => Combination.Product,
        "max" => Combination.Max,
        "min" => Combination.Min,
        _ => throw new SoftmodelException($"the reduction '{reduction}' is not supported"),
    };

    /// <summary>Positions whose last axis lists an index for each of several axes.</summary>
    static Term FromStarts(Term indices, Shape shape, int skipped)
    {
        if (indices.Known is { } known && Enumerable.Range(0, (int)Math.Min(known.Count, 1 << 20)).All(i => known.Whole(i) >= 0))
            return indices;
        if (indices.Shape[indices.Rank - 1].Value is not { } depth || depth > shape.Rank - skipped)
            throw new SoftmodelException($"positions of {indices.Shape} do not fit a tensor of {shape}");
        var builder = indices.Builder;
        var ends = new Term(builder, builder.Sizes(shape.Dims.Skip(skipped).Take((int)depth).ToArray(), new((Dim)depth))).Cast(indices.Element);
        return (indices < 0).Select(indices + ends, indices);
    }

    [Operator("NonZero", since: 9)]
    static Term NonZero(OnnxCall call, Term x) =>
        x.Apply(new Op.Call("NonZero", [], (TensorType[])[new(ElementType.Int64, new(x.Rank, call.Builder.FreshSymbol("found")))]));
}
