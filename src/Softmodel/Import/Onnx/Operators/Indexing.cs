using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that choose elements by indices.</summary>
static class Indexing
{
    /// <summary>Indices counted from the start, where negative ones count from the end of an axis.</summary>
    public static Term FromStart(Term indices, Dim size)
    {
        if (indices.Known is { } known && Enumerable.Range(0, (int)Math.Min(known.Count, 1 << 20)).All(i => known.Integer(i) >= 0))
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
        if (indices.Known is { } known && Enumerable.Range(0, (int)Math.Min(known.Count, 1 << 20)).All(i => known.Integer(i) >= 0))
            return indices;
        if (indices.Shape[indices.Rank - 1].Value is not { } depth || depth > shape.Rank - skipped)
            throw new SoftmodelException($"positions of {indices.Shape} do not fit a tensor of {shape}");
        var builder = indices.Builder;
        var ends = new Term(builder, builder.Sizes(shape.Dims.Skip(skipped).Take((int)depth).ToArray(), new((Dim)depth))).Cast(indices.Element);
        return (indices < 0).Select(indices + ends, indices);
    }

    [Operator("OneHot", since: 9)]
    static Term OneHot(OnnxCall call, Term indices, Term depth, Term values, long axis = -1)
    {
        var at = Axes.Of(axis, indices.Rank + 1);
        var size = depth.Reshape(new(Dim.One)).Cast(ElementType.Int64).AsSizes()[0];
        var places = call.Source(new Op.Iota(size)).Reshape(new([size, .. Enumerable.Repeat(Dim.One, indices.Rank - at)]));
        var chosen = FromStart(indices.Cast(ElementType.Int64), size).Unsqueeze(at);
        return chosen.EqualTo(places).Select(values.Slice(0, 1, 1).Reshape(Shape.Scalar), values.Slice(0, 0, 1).Reshape(Shape.Scalar));
    }

    [Operator("Compress", since: 9)]
    static Term Compress(OnnxCall call, Term x, Term condition, long? axis = null)
    {
        var data = axis is null ? x.Reshape(new(x.Shape.Count)) : x;
        var chosen = NonZero(call, condition);
        return data.Gather(chosen.Reshape(new(chosen.Shape[1])), axis is { } a ? Axes.Of(a, x.Rank) : 0);
    }

    [Operator("ReverseSequence", since: 10)]
    static Term ReverseSequence(OnnxCall call, Term x, Term lengths, long batchAxis = 1, long timeAxis = 0)
    {
        var (batch, time) = (Axes.Of(batchAxis, x.Rank), Axes.Of(timeAxis, x.Rank));
        var length = Along(lengths, batch, x.Rank);
        var step = Along(call.Source(new Op.Iota(x.Shape[time])), time, x.Rank);
        return x.Apply(new Op.GatherElements(time), (step < length).Select(length - 1 - step, step).Broadcast(x.Shape));
    }

    /// <summary>A vector along one of several axes, the others of size 1.</summary>
    internal static Term Along(Term vector, int axis, int rank) =>
        vector.Reshape(new(Enumerable.Range(0, rank).Select(i => i == axis ? vector.Shape[0] : Dim.One).ToEquatable()));

    [Operator("TensorScatter", since: 24)]
    static Term TensorScatter(OnnxCall call, Term past, Term update, Term? writeIndices, long axis = -2, string mode = "linear")
    {
        var at = Axes.Of(axis, past.Rank);
        var place = Along(call.Source(new Op.Iota(past.Shape[at])), at, past.Rank);
        if (writeIndices is { } starts)
            place -= Along(starts, 0, past.Rank);
        if (mode == "circular")
            place = place.Map(Functions.Modulo, call.Size(past.Shape[at]));
        var size = call.Size(update.Shape[at]);
        var isNew = place >= 0 & place < size;
        return isNew.Select(update.Apply(new Op.GatherElements(at), isNew.Select(place, place.Scalar(0)).Broadcast(past.Shape)), past);
    }

    [Operator("NonZero", since: 9)]
    internal static Term NonZero(OnnxCall call, Term x) =>
        new(call.Builder, call.Builder.Call("NonZero", [], x.Value)[0]);
}
