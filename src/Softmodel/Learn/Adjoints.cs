using Softmodel.Graphs;
using Softmodel.Networks;

namespace Softmodel.Learn;

/// <summary>The adjoints of operations that move elements: what reaches the operand's elements from where they were moved to.</summary>
static class Adjoints
{
    /// <summary>Zeros of a term's type.</summary>
    public static Term Zeros(Term like) => Zeros(like, like.Shape);

    /// <summary>Zeros of a term's element type.</summary>
    public static Term Zeros(Term like, Shape shape) => like.Scalar(0).Broadcast(shape);

    /// <summary>0, 1, ..., size - 1.</summary>
    public static Term Iota(GraphBuilder builder, Dim size) => new(builder, builder.Apply(new Op.Iota(size)));

    /// <summary>Of broadcasting: sums over the axes that were stretched.</summary>
    public static Term OfBroadcast(Term d, Shape shape)
    {
        var lead = d.Rank - shape.Rank;
        int[] stretched = [.. Enumerable.Range(0, d.Rank).Where(i => i < lead || (shape[i - lead].Value == 1 && d.Shape[i].Value != 1))];
        d = d.Reduce(Reduction.Sum, stretched, keep: true).Reshape(new(d.Shape.Dims.Select((size, i) => stretched.Contains(i) ? Dim.One : size).Skip(lead).ToEquatable()));
        for (var axis = 0; axis < shape.Rank; axis++)
        {
            if (d.Shape[axis].Equals(shape[axis]) || (d.Shape[axis].IsKnown && shape[axis].IsKnown) || Dim.IsNeverBroadcast(shape[axis], d.Shape[axis]))
                continue;
            // Whether the axis was stretched is known at run time: what is beyond its end was its only element.
            var last = new Term(d.Builder, d.Builder.Sizes([shape[axis] - 1], Shape.Scalar));
            d = OfGather(d, d.Shape.With(axis, shape[axis]), axis, Iota(d.Builder, d.Shape[axis]).Min(last));
        }
        return d.Reshape(shape);
    }

    /// <summary>Of choosing slices along an axis: sums of those that were chosen from one place.</summary>
    /// <param name="d">What has reached the chosen slices.</param>
    /// <param name="shape">The shape that they were chosen from.</param>
    /// <param name="axis">Along which axis.</param>
    /// <param name="indices">Which.</param>
    public static Term OfGather(Term d, Shape shape, int axis, Term indices)
    {
        int[] chosen = [.. Enumerable.Range(axis, indices.Rank)], others = [.. Enumerable.Range(0, d.Rank).Where(i => !chosen.Contains(i))];
        int[] first = [axis, .. Enumerable.Range(0, shape.Rank).Where(i => i != axis)];
        var sums = Zeros(d, shape.Permute(first.ToEquatable())).Apply(new Op.ScatterND(Combination.Sum), indices.Unsqueeze(indices.Rank), d.Transpose([.. chosen, .. others]));
        return sums.Transpose([.. Enumerable.Range(0, shape.Rank).Select(i => Array.IndexOf(first, i))]);
    }

    /// <summary>Of a slice: zeros around and between.</summary>
    public static Term OfSlice(Term d, Op.Slice slice, Shape shape)
    {
        for (var axis = 0; axis < d.Rank; axis++)
        {
            var (start, size, step) = (slice.Starts[axis], slice.Sizes[axis], slice.Steps[axis]);
            if (step < 0)
            {
                d = d.Slice(axis, size - 1, size, -1);
                (start, step) = (start + (size - 1) * step, -step);
            }
            if (step == 1)
                d = Padded(d, axis, start, shape[axis] - start - size);
            else
            {
                // Each element becomes the first of a step, and what the last step has beyond the end is cut off.
                var spread = Padded(d.Unsqueeze(axis + 1), axis + 1, 0, step - 1).Reshape(d.Shape.With(axis, size * step));
                d = Padded(spread, axis, start, shape[axis] - start - size * step);
            }
        }
        return d;
    }

    /// <summary>Of padding: what reached the elements, and for a constant, what reached its copies.</summary>
    /// <returns>For the elements, and for the constant where it is asked for.</returns>
    public static Term?[] OfPad(Term d, Op.Pad pad, Shape shape, bool isAroundWanted)
    {
        if (pad.Mode == Padding.Constant)
        {
            var inner = d.Pad(pad.Low.Select(p => p * -1).ToEquatable(), pad.High.Select(p => p * -1).ToEquatable());
            var around = isAroundWanted ? d * Zeros(d, shape).Pad(pad.Low, pad.High, 1) : (Term?)null;
            return [inner, around?.Reduce(Reduction.Sum, [.. Enumerable.Range(0, d.Rank)])];
        }
        for (var axis = 0; axis < d.Rank; axis++)
        {
            if (pad.Low[axis].Value == 0 && pad.High[axis].Value == 0)
                continue;
            var from = Iota(d.Builder, shape[axis]).Apply(new Op.Pad(pad.Mode, [pad.Low[axis]], [pad.High[axis]]));
            d = OfGather(d, d.Shape.With(axis, shape[axis]), axis, from);
        }
        return [d];
    }

    /// <summary>Of sliding windows: sums of the elements of windows that overlap.</summary>
    public static Term OfUnfold(Term d, Op.Unfold unfold, Shape shape)
    {
        var (axis, size, stride) = (unfold.Axis, unfold.Size, unfold.Stride);
        var windows = d.Shape[axis];
        int[] order = [.. Enumerable.Range(0, axis + 1), d.Rank - 1, .. Enumerable.Range(axis + 1, d.Rank - axis - 2)];
        var beside = d.Transpose(order);
        var blocks = (size + stride - 1) / stride;
        if (unfold.Dilation > 1 || blocks > MostBlocks)
        {
            var at = (Iota(d.Builder, windows) * stride).Unsqueeze(1) + Iota(d.Builder, size) * unfold.Dilation;
            return OfGather(beside, shape, axis, at);
        }
        var sum = Fourier.OverlapAdd(beside, axis, stride);
        return Padded(sum, axis, 0, shape[axis] - sum.Shape[axis]).Reshape(shape);
    }

    const int MostBlocks = 16;

    /// <summary>Zeros before and after an axis, or where these are negative, as many elements fewer.</summary>
    public static Term Padded(Term x, int axis, Dim low, Dim high) => x.Pad(
        x.Shape.Dims.Select((_, i) => i == axis ? low : Dim.Zero).ToEquatable(), x.Shape.Dims.Select((_, i) => i == axis ? high : Dim.Zero).ToEquatable());
}
