using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that compute with integers that stand for floats.</summary>
static class Quantization
{
    /// <summary>A scale or zero point as large as its operand: one for all, one for each index of an axis, or one for each block of an axis.</summary>
    static Term Spread(Term x, Term parameter, long axis, long blockSize)
    {
        if (parameter.Shape.Count.Value == 1)
            return parameter.Reshape(Shape.Scalar);
        var at = Axes.Of(axis, x.Rank);
        if (blockSize == 0)
            return parameter.Reshape(new([parameter.Shape.Count, .. Enumerable.Repeat(Dim.One, x.Rank - 1 - at)]));
        var shape = parameter.Shape;
        var repeated = parameter.Unsqueeze(at + 1).Broadcast(new([.. shape.Dims.Take(at + 1), blockSize, .. shape.Dims.Skip(at + 1)]));
        return repeated.Reshape(shape.With(at, shape[at] * blockSize)).Slice(at, 0, x.Shape[at]);
    }

    /// <summary>Integers nearest to floats, those beyond the range of a type at its ends.</summary>
    static Term Saturate(Term x, ElementType type)
    {
        var (low, high) = type switch
        {
            ElementType.UInt8 => (0.0, 255),
            ElementType.Int8 => (-128, 127),
            ElementType.UInt16 => (0, 65535),
            ElementType.Int16 => (-32768, 32767),
            _ => throw new SoftmodelException($"quantization to {type} is not supported"),
        };
        return x.Max(low).Min(high).Cast(ElementType.Int32).Cast(type);
    }

    [Operator("QuantizeLinear", since: 10)]
    internal static Term QuantizeLinear(Term x, Term scale, Term? zero, long axis = 1, long blockSize = 0, ElementType? outputDtype = null, ElementType? precision = null, bool saturate = true)
    {
        var real = x.Element.IsFloat() ? x : x.Cast(ElementType.Float32);
        var rounded = (real / Spread(x, scale, axis, blockSize).Cast(real.Element)).Map(Functions.Round);
        var type = zero?.Element ?? outputDtype ?? ElementType.UInt8;
        return Saturate(zero is { } z ? rounded + Spread(x, z, axis, blockSize).Cast(real.Element) : rounded, type);
    }

    [Operator("DequantizeLinear", since: 10)]
    internal static Term DequantizeLinear(Term x, Term scale, Term? zero, long axis = 1, long blockSize = 0, ElementType? outputDtype = null)
    {
        var whole = x.Cast(ElementType.Int32);
        var shifted = zero is { } z ? whole - Spread(x, z.Cast(ElementType.Int32), axis, blockSize) : whole;
        return shifted.Cast(scale.Element) * Spread(x, scale, axis, blockSize);
    }

    [Operator("DynamicQuantizeLinear", since: 11)]
    internal static Term[] DynamicQuantizeLinear(Term x)
    {
        int[] all = [.. Enumerable.Range(0, x.Rank)];
        var (least, most) = (x.Reduce(Reduction.Min, all).Min(0), x.Reduce(Reduction.Max, all).Max(0));
        // A tensor of zeros has no scale of its own; ONNX Runtime gives it 1.
        var scale = most.EqualTo(least).Select(least.Scalar(1), (most - least) / 255);
        var zero = Saturate((-least / scale).Map(Functions.Round), ElementType.UInt8);
        return [QuantizeLinear(x, scale, zero), scale, zero];
    }

    [Operator("MatMulInteger", since: 10)]
    internal static Term MatMulInteger(Term a, Term b, Term? aZero, Term? bZero) =>
        Products.MatMul(Paired(a, aZero is { Rank: 1 } rows && a.Rank > 1 ? rows.Unsqueeze(1) : aZero), Paired(b, bZero));

    /// <summary>As <see cref="Shifted"/>, by way of 16 bits: what is 8 bits wide fits there less its zero point, and pairs of such numbers are multiplied and added at once.</summary>
    static Term Paired(Term x, Term? zero) => (zero is { } z ? x.Cast(ElementType.Int16) - z.Cast(ElementType.Int16) : x.Cast(ElementType.Int16)).Cast(ElementType.Int32);

    internal static Term Shifted(Term x, Term? zero) => zero is { } z ? x.Cast(ElementType.Int32) - z.Cast(ElementType.Int32) : x.Cast(ElementType.Int32);

    [Operator("QLinearMatMul", since: 10)]
    static Term QLinearMatMul(Term a, Term aScale, Term aZero, Term b, Term bScale, Term bZero, Term yScale, Term yZero)
    {
        var product = Products.MatMul(Paired(a, Rows(aZero)), Paired(b, Columns(bZero))).Cast(ElementType.Float32);
        return Requantize(product * (Rows(aScale) * Columns(bScale) / Rows(yScale)), Rows(yZero));
    }

    /// <summary>What is one for all, or one for each column of a matrix, as something that broadcasts.</summary>
    internal static Term Columns(Term t) => t.Shape.Count.Value == 1 ? t.Reshape(Shape.Scalar) : t;

    /// <summary>What is one for all, or one for each row of a matrix, as something that broadcasts.</summary>
    internal static Term Rows(Term t) => t.Rank == 1 && t.Shape.Count.Value != 1 ? t.Unsqueeze(1) : Columns(t);

    static Term Requantize(Term x, Term zero) => Saturate(x.Map(Functions.Round) + zero.Cast(x.Element), zero.Element);

    [Operator("ConvInteger", since: 10)]
    static Term ConvInteger(Term x, Term w, Term? xZero, Term? wZero, int[]? kernelShape = null, int[]? strides = null, int[]? dilations = null,
        int[]? pads = null, string autoPad = "NOTSET", int group = 1) =>
        Products.Conv(Shifted(x, xZero is { } zero ? zero.Reshape(Shape.Scalar) : null), Shifted(w, wZero is { } z ? PerFilter(z, w.Rank) : null), null,
            kernelShape, strides, dilations, pads, autoPad, group);

    static Term PerFilter(Term x, int rank) => x.Shape.Count.Value == 1 ? x.Reshape(Shape.Scalar) : x.Reshape(new([x.Shape.Count, .. Enumerable.Repeat(Dim.One, rank - 1)]));

    [Operator("QLinearConv", since: 10)]
    internal static Term QLinearConv(Term x, Term xScale, Term xZero, Term w, Term wScale, Term wZero, Term yScale, Term yZero, Term? bias, int[]? kernelShape = null,
        int[]? strides = null, int[]? dilations = null, int[]? pads = null, string autoPad = "NOTSET", int group = 1)
    {
        var sums = Products.Bias(ConvInteger(x, w, xZero, wZero, kernelShape, strides, dilations, pads, autoPad, group), bias).Cast(ElementType.Float32);
        // A scale for each filter is one for each channel of the result.
        var scale = xScale.Reshape(Shape.Scalar) * PerFilter(wScale, x.Rank - 1) / yScale.Reshape(Shape.Scalar);
        return Requantize(sums * scale, yZero.Reshape(Shape.Scalar));
    }
}
