using Softmodel.Graphs;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that combine the elements of windows that move over the spatial axes of an operand [N,C,...].</summary>
static class Pooling
{
    [Operator("MaxPool")]
    static Term[] MaxPool(OnnxCall call, Term x, int[] kernelShape, int[]? strides = null, int[]? dilations = null, int[]? pads = null,
        string autoPad = "NOTSET", bool ceilMode = false, bool storageOrder = false)
    {
        var window = Fitted(x.Shape, Products.Window.Of(x.Shape, kernelShape, strides, dilations, pads, autoPad), ceilMode);
        var windows = Windows(x, window, Lowest(x));
        var largest = windows.Reduce(Reduction.Max, WithinWindow(x.Rank));
        return call.Wants(1) ? [largest, Indices(call, x, window, windows, storageOrder)] : [largest];
    }

    /// <summary>Where in the whole operand, seen as one row of numbers, the largest element of each window lies.</summary>
    static Term Indices(OnnxCall call, Term x, Products.Window window, Term windows, bool firstAxisFirst)
    {
        var axes = window.Kernel.Length;
        var within = windows.Reshape(new([.. windows.Shape.Dims.Take(x.Rank), window.Kernel.Aggregate(1L, (a, b) => a * b)])).Apply(new Op.ArgReduce(true, x.Rank, false));
        Term Count(int axis, Dim size) => call.Source(new Op.Iota(size)).Reshape(new([.. Enumerable.Range(0, x.Rank).Select(i => i == axis ? size : Dim.One)]));
        var position = Count(0, x.Shape[0]) * call.Size(x.Shape[1]) + Count(1, x.Shape[1]);
        position *= call.Size(Dim.Product(x.Shape.Dims.Skip(2)));
        var (inner, stride) = (1L, Dim.One);
        var strides = new Dim[axes];
        foreach (var i in firstAxisFirst ? Enumerable.Range(0, axes) : Enumerable.Range(0, axes).Reverse())
            (strides[i], stride) = (stride, stride * x.Shape[i + 2]);
        for (var i = axes - 1; i >= 0; i--)
        {
            var tap = (within / inner).Map(Functions.Modulo, within.Scalar(window.Kernel[i]));
            var at = Count(i + 2, windows.Shape[i + 2]) * window.Strides[i] + tap * window.Dilations[i] - call.Size(window.Low[i]);
            (position, inner) = (position + at * call.Size(strides[i]), inner * window.Kernel[i]);
        }
        return position;
    }

    [Operator("AveragePool")]
    internal static Term AveragePool(Term x, int[] kernelShape, int[]? strides = null, int[]? dilations = null, int[]? pads = null,
        string autoPad = "NOTSET", bool ceilMode = false, bool countIncludePad = false)
    {
        var plain = Products.Window.Of(x.Shape, kernelShape, strides, dilations, pads, autoPad);
        var window = Fitted(x.Shape, plain, ceilMode);
        var sum = Windows(x, window, x.Scalar(0)).Reduce(Reduction.Sum, WithinWindow(x.Rank));
        var isPadded = plain.Low.Concat(plain.High).Any(p => p.Value != 0);
        if (!ceilMode && (countIncludePad || !isPadded))
            return sum * (1.0 / kernelShape.Aggregate(1L, (a, b) => a * b));
        // How many elements lie in a window is the product of how many do along each axis.
        var count = x.Scalar(1);
        for (var i = 0; i < kernelShape.Length; i++)
        {
            var (low, high) = countIncludePad ? (plain.Low[i], plain.High[i]) : (Dim.Zero, Dim.Zero);
            var ones = x.Scalar(1).Broadcast(new(x.Shape[i + 2] + low + high)).Pad([window.Low[i] - low], [window.High[i] - high]);
            count *= ones.Apply(new Op.Unfold(0, window.Kernel[i], window.Strides[i], window.Dilations[i])).Reduce(Reduction.Sum, [1])
                .Unsqueeze([.. Enumerable.Range(1, kernelShape.Length - 1 - i)]);
        }
        return sum / count;
    }

    [Operator("LpPool")]
    static Term LpPoolOfRealPower(Term x, int[] kernelShape, int[]? strides = null, int[]? dilations = null, int[]? pads = null,
        string autoPad = "NOTSET", bool ceilMode = false, float p = 2)
    {
        var window = Fitted(x.Shape, Products.Window.Of(x.Shape, kernelShape, strides, dilations, pads, autoPad), ceilMode);
        return Norm(Windows(x, window, x.Scalar(0)), WithinWindow(x.Rank), p);
    }

    [Operator("LpPool", since: 2)]
    static Term LpPool(Term x, int[] kernelShape, int[]? strides = null, int[]? dilations = null, int[]? pads = null,
        string autoPad = "NOTSET", bool ceilMode = false, long p = 2) =>
        LpPoolOfRealPower(x, kernelShape, strides, dilations, pads, autoPad, ceilMode, p);

    [Operator("GlobalMaxPool")]
    static Term GlobalMaxPool(Term x) => x.Reduce(Reduction.Max, Spatial(x), keep: true);

    [Operator("GlobalAveragePool")]
    internal static Term GlobalAveragePool(Term x) => Formulas.Mean(x, Spatial(x));

    [Operator("GlobalLpPool")]
    static Term GlobalLpPoolOfRealPower(Term x, float p = 2) => Norm(x, Spatial(x), p).Unsqueeze(Spatial(x));

    [Operator("GlobalLpPool", since: 2)]
    static Term GlobalLpPool(Term x, long p = 2) => GlobalLpPoolOfRealPower(x, p);

    [Operator("MaxUnpool", since: 9)]
    static Term MaxUnpool(Term x, Term indices, Term? outputShape, int[] kernelShape, int[]? strides = null, int[]? pads = null)
    {
        var window = Products.Window.Of(x.Shape, kernelShape, strides, null, pads, "NOTSET");
        var whole = new Shape([.. x.Shape.Dims.Take(2), .. kernelShape.Select((k, i) => (x.Shape[i + 2] - 1) * window.Strides[i] + k - window.Low[i] - window.High[i])]);
        var row = new Shape(x.Shape.Count);
        var result = x.Scalar(0).Broadcast(new(whole.Count)).Apply(new Op.ScatterElements(0, Combination.Replace), indices.Reshape(row), x.Reshape(row)).Reshape(whole);
        if (outputShape is not { } wanted)
            return result;
        var sizes = wanted.AsSizes();
        return result.Pad(sizes.Select(_ => Dim.Zero).ToEquatable(), sizes.Select((s, i) => s - whole[i]).ToEquatable());
    }

    static int[] Spatial(Term x) => [.. Enumerable.Range(2, x.Rank - 2)];

    static int[] WithinWindow(int rank) => [.. Enumerable.Range(rank, rank - 2)];

    static Term Norm(Term x, int[] axes, double p) => p switch
    {
        1 => x.Map(Functions.Abs).Reduce(Reduction.Sum, axes),
        2 => (x * x).Reduce(Reduction.Sum, axes).Map(Functions.Sqrt),
        _ => x.Map(Functions.Abs).Map(Functions.Power, x.Scalar(p)).Reduce(Reduction.Sum, axes).Map(Functions.Power, x.Scalar(1 / p)),
    };

    /// <summary>The least number of an element type.</summary>
    static Term Lowest(Term x) => x.Element.IsFloat() ? x.Scalar(double.NegativeInfinity)
        : x.Scalar(x.Element.IsUnsigned() ? 0 : -Math.Pow(2, 8 * x.Element.Size() - 1));

    /// <summary>The windows of an operand: its axes, then those of the window.</summary>
    static Term Windows(Term x, Products.Window window, Term outside)
    {
        if (window.Low.Concat(window.High).Any(p => p.Value != 0))
            x = x.Apply(new Op.Pad(Padding.Constant, Products.Window.Around(window.Low), Products.Window.Around(window.High)), outside);
        for (var i = 0; i < window.Kernel.Length; i++)
            x = x.Apply(new Op.Unfold(i + 2, window.Kernel[i], window.Strides[i], window.Dilations[i]));
        return x;
    }

    /// <summary>
    /// The window with as much padding at the end as it moves over: in ceil mode also where it sticks out, unless it would
    /// begin beyond the operand and the padding before it.
    /// </summary>
    static Products.Window Fitted(Shape shape, Products.Window window, bool ceilMode)
    {
        if (!ceilMode)
            return window;
        var high = new Dim[window.Kernel.Length];
        for (var i = 0; i < high.Length; i++)
        {
            var (span, stride, low) = ((window.Kernel[i] - 1) * window.Dilations[i] + 1, window.Strides[i], window.Low[i]);
            var padded = shape[i + 2] + low;
            var last = Dim.Min(Dim.CeilDiv(padded + window.High[i] - span, stride), Dim.FloorDiv(padded - 1, stride));
            high[i] = Dim.Max(last * stride + span - padded, 0);
        }
        return window with { High = high };
    }
}
