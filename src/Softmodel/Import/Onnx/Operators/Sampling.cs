using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>What an element between elements is: a sum of those around it, weighted by a kernel of the distance.</summary>
/// <param name="First">The first of the elements that count, from the one before on.</param>
/// <param name="Count">How many count.</param>
/// <param name="Weight">The weight of one at a distance.</param>
readonly record struct Interpolation(int First, int Count, Func<Term, Term> Weight)
{
    /// <summary>By straight lines, or by third-degree polynomials with the slope A.</summary>
    /// <param name="mode">In the words of the operators.</param>
    /// <param name="a">The slope.</param>
    /// <param name="scale">Below 1, the kernel is stretched by its inverse, so that every element counts when there are fewer.</param>
    /// <exception cref="SoftmodelException">There is no such mode.</exception>
    public static Interpolation Of(string mode, double a = -0.75, double scale = 1)
    {
        var (reach, kernel) = mode switch
        {
            "linear" or "bilinear" => (1, (Func<Term, Term>)Linear),
            "cubic" or "bicubic" => (2, d => Cubic(d, a)),
            _ => throw new SoftmodelException($"the mode '{mode}' is not supported"),
        };
        var first = (int)Math.Floor(-reach / Math.Min(scale, 1)) + 1;
        return new(first, 2 - 2 * first, scale < 1 ? d => kernel(d * scale) : kernel);
    }

    static Term Linear(Term distance) => (1 - distance.Map(Functions.Abs)).Max(0);

    static Term Cubic(Term distance, double a)
    {
        var d = distance.Map(Functions.Abs);
        var near = ((a + 2) * d - (a + 3)) * d * d + 1;
        var far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
        return (d <= 1).Select(near, (d < 2).Select(far, d.Scalar(0)));
    }

    /// <summary>The places of the elements that count and their weights, along a new axis.</summary>
    /// <param name="call">The node.</param>
    /// <param name="position">Where between elements.</param>
    /// <param name="axis">The new axis of the results.</param>
    public (Term Place, Term Weight) Around(OnnxCall call, Term position, int axis)
    {
        var before = position.Map(Functions.Floor);
        var tap = Indexing.Along(call.Source(new Op.Iota(Count)) + First, axis, position.Rank + 1);
        return (before.Cast(ElementType.Int64).Unsqueeze(axis) + tap, Weight(tap.Cast(position.Element) - (position - before).Unsqueeze(axis)));
    }
}

/// <summary>Operators that read an image between its elements.</summary>
static class Sampling
{
    /// <summary>Elements of an operand [N,C,...] at places along its axes; all are broadcast to one another.</summary>
    static Term At(OnnxCall call, Term x, params ReadOnlySpan<Term> places)
    {
        var flat = places[0];
        for (var i = 1; i < x.Rank; i++)
            flat = flat * call.Size(x.Shape[i]) + places[i];
        return x.Reshape(new(x.Shape.Count)).Gather(flat, 0);
    }

    static Term Within(OnnxCall call, Term place, Dim size) => place >= 0 & place < call.Size(size);

    static Term Clamped(OnnxCall call, Term place, Dim size) => place.Min(call.Size(size - 1)).Max(0);

    [Operator("GridSample", since: 16)]
    static Term GridSample(OnnxCall call, Term x, Term grid, bool alignCorners = false, string mode = "linear", string paddingMode = "zeros")
    {
        var (spatial, rank) = (x.Rank - 2, x.Rank);
        var places = new Term[rank];
        places[0] = Indexing.Along(call.Source(new Op.Iota(x.Shape[0])), 0, rank);
        places[1] = Indexing.Along(call.Source(new Op.Iota(x.Shape[1])), 1, rank);
        Term? weight = null;
        for (var i = 0; i < spatial; i++)
        {
            var size = call.Size(x.Shape[i + 2]).Cast(grid.Element);
            // The grid lists the last axis first, and from -1 to 1.
            var part = grid.Slice(grid.Rank - 1, spatial - 1 - i, 1).Squeeze(grid.Rank - 1).Unsqueeze(1);
            var position = alignCorners ? (part + 1) * (size - 1) / 2 : ((part + 1) * size - 1) / 2;
            if (mode == "nearest")
            {
                places[i + 2] = position.Map(Functions.Round).Cast(ElementType.Int64);
                continue;
            }
            // Every axis gets one more for the elements around the position.
            var (place, share) = Interpolation.Of(mode).Around(call, position, rank);
            int[] others = [.. Enumerable.Range(0, spatial).Where(k => k != i).Select(k => rank + k)];
            places[i + 2] = place.Unsqueeze(others);
            weight = weight is { } w ? w * share.Unsqueeze(others) : share.Unsqueeze(others);
        }
        for (var i = 0; i < 2 && mode != "nearest"; i++)
            places[i] = places[i].Unsqueeze([.. Enumerable.Range(rank, spatial)]);
        Term? inside = null;
        for (var i = 2; i < rank; i++)
        {
            var size = x.Shape[i];
            if (paddingMode == "zeros")
                inside = inside is { } all ? all & Within(call, places[i], size) : Within(call, places[i], size);
            places[i] = Clamped(call, paddingMode == "reflection" ? Reflected(call, places[i], size, alignCorners) : places[i], size);
        }
        var read = At(call, x, places);
        var seen = inside is { } visible ? visible.Select(read, x.Scalar(0)) : read;
        if (weight is not { } shares)
            return seen;
        var real = x.Element.IsFloat() ? seen : seen.Cast(ElementType.Float32);
        return (real * shares.Cast(real.Element)).Reduce(Reduction.Sum, [.. Enumerable.Range(rank, spatial)]).Cast(x.Element);
    }

    /// <summary>Places folded back at the centres of the outermost elements, or at their edges.</summary>
    static Term Reflected(OnnxCall call, Term place, Dim size, bool atCentres)
    {
        var period = call.Size(atCentres ? Dim.Max(2 * size - 2, 1) : 2 * size);
        var at = place.Map(Functions.Modulo, period);
        return (at < call.Size(size)).Select(at, atCentres ? period - at : period - 1 - at);
    }

    [Operator("AffineGrid", since: 20)]
    static Term AffineGrid(OnnxCall call, Term theta, Term size, bool alignCorners = false)
    {
        var sizes = size.AsSizes();
        var spatial = sizes.Count - 2;
        var shape = new Shape([.. sizes.Skip(2), Dim.One]);
        Term Coordinate(int axis)
        {
            var count = call.Size(sizes[axis + 2]).Cast(theta.Element);
            var i = call.Source(new Op.Iota(sizes[axis + 2])).Cast(theta.Element);
            var from = alignCorners ? i * 2 / (count - 1).Max(1) - 1 : (i * 2 + 1) / count - 1;
            return Indexing.Along(from, axis, spatial + 1).Broadcast(shape);
        }
        // The last axis comes first.
        var points = Coordinate(spatial - 1).Concat(spatial, [.. Enumerable.Range(1, spatial - 1).Select(i => Coordinate(spatial - 1 - i)), theta.Scalar(1).Broadcast(shape)]);
        var letters = "DHW"[^spatial..];
        return points.Contract($"{letters}k,nck->n{letters}c", theta);
    }

    [Operator("RoiAlign", since: 10)]
    static Term RoiAlign(OnnxCall call, Term x, Term rois, Term batch, string mode = "avg", long outputHeight = 1, long outputWidth = 1, long samplingRatio = 0, float spatialScale = 1,
        string? coordinateTransformationMode = null)
    {
        if (samplingRatio <= 0)
            throw new SoftmodelException("a sampling_ratio of 0, by which every region has its own number of samples, is not supported");
        var isHalfPixel = (coordinateTransformationMode ?? (call.Version >= 16 ? "half_pixel" : "output_half_pixel")) == "half_pixel";
        Term Corner(int i) => rois.Slice(1, i, 1) * spatialScale - (isHalfPixel ? 0.5 : 0);
        // Axes: region, channel, row, its samples, column, its samples, and the two elements around each sample both ways.
        (Term Place, Term Weight) Around(Term start, Term end, Dim size, long count, int axis)
        {
            var length = isHalfPixel ? end - start : (end - start).Max(1);
            var step = length / (double)(count * samplingRatio);
            var i = call.Source(new Op.Iota(count * samplingRatio)).Cast(x.Element) + 0.5;
            var position = start + i * step;
            var most = call.Size(size - 1).Cast(x.Element);
            var isSeen = position >= -1 & position <= most + 1;
            var (place, weight) = Interpolation.Of("linear").Around(call, position.Max(0).Min(most), 2);
            weight = isSeen.Unsqueeze(2).Select(weight, weight.Scalar(0));
            var shape = new Dim[8];
            Array.Fill(shape, Dim.One);
            (shape[0], shape[axis], shape[axis + 1], shape[6 + (axis - 2) / 2]) = (rois.Shape[0], count, samplingRatio, 2);
            return (Clamped(call, place, size).Reshape(new(shape)), weight.Reshape(new(shape)));
        }
        var (row, rowWeight) = Around(Corner(1), Corner(3), x.Shape[2], outputHeight, 2);
        var (column, columnWeight) = Around(Corner(0), Corner(2), x.Shape[3], outputWidth, 4);
        var read = At(call, x, Indexing.Along(batch.Cast(ElementType.Int64), 0, 8), Indexing.Along(call.Source(new Op.Iota(x.Shape[1])), 1, 8), row, column) * (rowWeight * columnWeight);
        return mode switch
        {
            "avg" => read.Reduce(Reduction.Sum, [3, 5, 6, 7]) * (1.0 / (samplingRatio * samplingRatio)),
            "max" => read.Reduce(Reduction.Max, [3, 5, 6, 7]),
            _ => throw new SoftmodelException($"the mode '{mode}' is not supported"),
        };
    }

    [Operator("DeformConv", since: 19)]
    static Term DeformConv(OnnxCall call, Term x, Term w, Term offset, Term? b, Term? mask, int[]? kernelShape = null, int[]? strides = null, int[]? dilations = null, int[]? pads = null,
        long group = 1, long offsetGroup = 1)
    {
        var kernel = Products.KernelOf(w, kernelShape);
        var window = Products.Window.Of(x.Shape, kernel, strides, dilations, pads, "NOTSET");
        var (spatial, taps) = (kernel.Length, kernel.Aggregate(1L, (p, q) => p * q));
        var perGroup = Dim.FloorDiv(x.Shape[1], offsetGroup);
        var (low, _) = window.Fixed;
        var result = offset.Shape.Dims.Skip(2).ToArray();
        var moves = offset.Reshape(new([x.Shape[0], offsetGroup, taps, spatial, .. result]));
        // Axes: batch, offset group, channel, tap, the result's, and two elements around each position.
        var rank = 4 + 2 * spatial;
        var places = new Term[3 + spatial];
        for (var i = 0; i < 3; i++)
            places[i] = Indexing.Along(call.Source(new Op.Iota(i == 0 ? x.Shape[0] : i == 1 ? offsetGroup : perGroup)), i, rank);
        var (share, inner) = (x.Scalar(1), taps);
        for (var i = 0; i < spatial; i++)
        {
            inner /= kernel[i];
            var tap = (call.Source(new Op.Iota(taps)) / inner).Map(Functions.Modulo, call.Size(kernel[i])) * window.Dilations[i] - low[i];
            var start = Indexing.Along(tap, 3, 4 + spatial) + Indexing.Along(call.Source(new Op.Iota(result[i])) * window.Strides[i], 4 + i, 4 + spatial);
            var position = moves.Slice(3, i, 1).Squeeze(3).Unsqueeze(2) + start.Cast(x.Element);
            var (place, weight) = Interpolation.Of("linear").Around(call, position, 4 + spatial);
            int[] others = [.. Enumerable.Range(0, spatial).Where(k => k != i).Select(k => 4 + spatial + k)];
            weight = Within(call, place, x.Shape[i + 2]).Select(weight, weight.Scalar(0));
            (places[i + 3], share) = (Clamped(call, place, x.Shape[i + 2]).Unsqueeze(others), share * weight.Unsqueeze(others));
        }
        var read = At(call, x.Reshape(new([x.Shape[0], offsetGroup, perGroup, .. x.Shape.Dims.Skip(2)])), places);
        var columns = (read * share).Reduce(Reduction.Sum, [.. Enumerable.Range(4 + spatial, spatial)]);
        if (mask is { } m)
            columns *= m.Reshape(new([x.Shape[0], offsetGroup, 1, taps, .. result]));
        var letters = "xyz"[..spatial];
        return Products.Bias(columns.Reshape(new([x.Shape[0], group, w.Shape[1], taps, .. result]))
            .Contract($"ngck{letters},gmck->ngm{letters}", w.Reshape(new(group, Dim.FloorDiv(w.Shape[0], group), w.Shape[1], taps)))
            .Reshape(new([x.Shape[0], w.Shape[0], .. result])), b);
    }

    /// <summary>How an axis is resized.</summary>
    /// <param name="Mode">nearest, linear or cubic.</param>
    /// <param name="Coordinates">Where an element of the result lies in the operand.</param>
    /// <param name="Rounding">Which element is the nearest.</param>
    /// <param name="Slope">That of cubic interpolation.</param>
    /// <param name="ExcludesOutside">Whether only elements of the operand count, not those at the border again.</param>
    /// <param name="Antialias">Whether all elements count where there are fewer in the result.</param>
    /// <param name="Outside">What is beyond the operand, where a region of it is resized.</param>
    readonly record struct Resizing(string Mode, string Coordinates, string Rounding, double Slope = -0.75, bool ExcludesOutside = false, bool Antialias = false, double Outside = 0);

    static readonly Resizing stretched = new("nearest", "asymmetric", "simple");

    [Operator("Upsample", since: 7)]
    static Term Upsample(OnnxCall call, Term x, float[] scales, string mode = "nearest") =>
        Scaled(call, x, call.Constant(Tensor.Vector(scales)), null, Axes.All(x.Rank), stretched with { Mode = mode });

    [Operator("Upsample", since: 9)]
    [Operator("Resize", since: 10)]
    static Term Upsample(OnnxCall call, Term x, Term scales, string mode = "nearest") =>
        Scaled(call, x, scales, null, Axes.All(x.Rank), stretched with { Mode = mode });

    [Operator("Resize", since: 11)]
    static Term Resize(OnnxCall call, Term x, Term? roi, Term? scales, Term? sizes, string coordinateTransformationMode = "half_pixel", float cubicCoeffA = -0.75f, bool excludeOutside = false,
        float extrapolationValue = 0, string mode = "nearest", string nearestMode = "round_prefer_floor", bool antialias = false, long[]? axes = null, string keepAspectRatioPolicy = "stretch")
    {
        var how = new Resizing(mode, coordinateTransformationMode, nearestMode, cubicCoeffA, excludeOutside, antialias, extrapolationValue);
        var at = axes is null ? Axes.All(x.Rank) : Axes.Of(axes, x.Rank);
        if (sizes is not { } wanted || wanted.Shape.Count.Value == 0)
            return Scaled(call, x, scales ?? throw new SoftmodelException("neither scales nor sizes are given"), roi, at, how);
        if (keepAspectRatioPolicy == "stretch")
            return Sized(call, x, wanted.AsSizes(), null, roi, at, how);
        var present = call.Sizes([.. at.Select(a => x.Shape[a])]).Cast(ElementType.Float32);
        var each = wanted.Cast(ElementType.Float32) / present;
        var scale = each.Reduce(keepAspectRatioPolicy == "not_larger" ? Reduction.Min : Reduction.Max, [0]);
        return Sized(call, x, (scale * present + 0.5).Map(Functions.Floor).Cast(ElementType.Int64).AsSizes(), scale.Broadcast(each.Shape), roi, at, how);
    }

    static Term Scaled(OnnxCall call, Term x, Term scales, Term? roi, int[] axes, Resizing how)
    {
        var sizes = new Dim[axes.Length];
        for (var i = 0; i < sizes.Length; i++)
        {
            var (size, one) = (x.Shape[axes[i]], scales.Slice(0, i, 1));
            sizes[i] = one.Known?.Float(0) is { } scale && scale * 64 == Math.Floor(scale * 64) ? Dim.FloorDiv(size * (long)(scale * 64), 64)
                : (call.Sizes(size).Cast(ElementType.Float32) * one).Map(Functions.Floor).Cast(ElementType.Int64).AsSizes()[0];
        }
        return Sized(call, x, sizes, scales, roi, axes, how);
    }

    static Term Sized(OnnxCall call, Term x, IReadOnlyList<Dim> sizes, Term? scales, Term? roi, int[] axes, Resizing how)
    {
        if (sizes.Count != axes.Length)
            throw new SoftmodelException($"{sizes.Count} sizes or scales are given for {axes.Length} axes");
        var element = x.Element;
        // What lies between integers is no integer until all axes are done.
        if (how.Mode != "nearest" && !element.IsFloat())
            x = x.Cast(ElementType.Float32);
        for (var i = 0; i < axes.Length; i++)
        {
            var isCropped = how.Coordinates == "tf_crop_and_resize";
            if (sizes[i].Equals(x.Shape[axes[i]]) && !isCropped && (scales is not { } s || s.Slice(0, i, 1).Known?.IsAll(1) == true))
                continue;
            var present = call.Size(x.Shape[axes[i]]).Cast(ElementType.Float32);
            var scale = scales is { } given ? given.Slice(0, i, 1).Reshape(Shape.Scalar) : call.Size(sizes[i]).Cast(ElementType.Float32) / present;
            Term Bound(int at) => (roi ?? throw new SoftmodelException("the region 'roi' is missing")).Slice(0, at, 1).Reshape(Shape.Scalar).Cast(ElementType.Float32);
            var position = Position(call, sizes[i], present, scale, how.Coordinates, isCropped ? (Bound(i), Bound(axes.Length + i)) : null);
            var resized = Resized(call, x, axes[i], position, scale, how);
            if (isCropped)
                resized = Indexing.Along(position >= 0 & position <= present - 1, axes[i], x.Rank).Select(resized, x.Scalar(how.Outside));
            x = resized;
        }
        return x.Cast(element);
    }

    /// <summary>Where in the operand each element of the result lies, in 32 bits: so the standard's inference of shapes and ONNX Runtime round, and a nearest element or a size depends on it.</summary>
    static Term Position(OnnxCall call, Dim size, Term present, Term scale, string coordinates, (Term Start, Term End)? region)
    {
        var i = call.Source(new Op.Iota(size)).Cast(ElementType.Float32);
        var length = scale * present;
        // A size that is scaled may have a fraction. The corners are aligned with it, as the standard's tests expect; all else asks for the whole result.
        var (whole, last) = (call.Size(size).Cast(ElementType.Float32), present - 1);
        var centred = (i + 0.5) / scale - 0.5;
        switch (coordinates)
        {
            case "half_pixel":
                return centred;
            case "pytorch_half_pixel":
                return (whole > 1).Select(centred, i.Scalar(0));
            case "half_pixel_symmetric":
                return present / 2 * (1 - whole / length) + centred;
            case "asymmetric":
                return i / scale;
            case "align_corners":
                return length.EqualTo(1).Select(i.Scalar(0), i * last / (length - 1));
            case "tf_crop_and_resize":
                var (start, end) = region!.Value;
                return (whole > 1).Select(start * last + i * (end - start) * last / (whole - 1), (start + end) * last / 2);
            default:
                throw new SoftmodelException($"the coordinates '{coordinates}' are not supported");
        }
    }

    static Term Resized(OnnxCall call, Term x, int axis, Term position, Term scale, Resizing how)
    {
        var size = x.Shape[axis];
        if (how.Mode == "nearest")
            return x.Gather(Clamped(call, Nearest(position, scale, how.Rounding).Cast(ElementType.Int64), size), axis);
        if (how.Antialias && scale.Known is null)
            throw new SoftmodelException("with antialias the scales must be known at build time");
        var (place, weight) = Interpolation.Of(how.Mode, how.Slope, how.Antialias ? scale.Known!.Float(0) : 1).Around(call, position, 1);
        if (how.ExcludesOutside)
            weight = Within(call, place, size).Select(weight, weight.Scalar(0));
        if (how.ExcludesOutside || how.Antialias)
            weight /= weight.Reduce(Reduction.Sum, [1], keep: true);
        var share = weight.Cast(x.Element).Reshape(new([.. weight.Shape.Dims, .. Enumerable.Repeat(Dim.One, x.Rank - 1 - axis)]));
        return (x.Gather(Clamped(call, place, size), axis) * share).Reduce(Reduction.Sum, [axis + 1]);
    }

    // As it was before version 11: of the elements that are left out, those before.
    static Term Nearest(Term position, Term scale, string rounding) => rounding switch
    {
        "round_prefer_floor" => (position - 0.5).Map(Functions.Ceiling),
        "round_prefer_ceil" => (position + 0.5).Map(Functions.Floor),
        "floor" => position.Map(Functions.Floor),
        "simple" => (scale < 1).Select(position.Map(Functions.Ceiling), position.Map(Functions.Floor)),
        "ceil" => position.Map(Functions.Ceiling),
        _ => throw new SoftmodelException($"the rounding '{rounding}' is not supported"),
    };
}
