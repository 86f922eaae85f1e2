using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that move elements and compute nothing.</summary>
static class Views
{
    [Operator("Unsqueeze", since: 1)]
    static Term Unsqueeze(Term x, long[] axes) => x.Unsqueeze(Axes.Of(axes, x.Rank + axes.Length));

    [Operator("Unsqueeze", since: 13)]
    static Term Unsqueeze(Term x, Term axes) => Unsqueeze(x, Axes.Numbers(axes, "the axes"));

    [Operator("Squeeze", since: 1)]
    static Term Squeeze(Term x, long[]? axes = null)
    {
        if (axes is not null)
            return x.Squeeze(Axes.Of(axes, x.Rank));
        // Axes of an open size stay, and are demanded not to be 1: how many axes there are can't be left to the run.
        x.Builder.Doubt(x.Shape.Dims.Select(d => d.SymbolName).OfType<string>());
        int[] open = [.. Axes.All(x.Rank).Where(i => !x.Shape[i].IsKnown)];
        int[] ones = [.. Axes.All(x.Rank).Where(i => x.Shape[i].Value == 1)];
        return open.Length == 0 ? x.Squeeze(ones) : x.Apply(new Op.Reshape(x.Shape.Without(ones), open));
    }

    [Operator("Squeeze", since: 13)]
    static Term Squeeze(Term x, Term? axes) => Squeeze(x, axes is { } given ? Axes.Numbers(given, "the axes") : null);

    [Operator("Reshape", since: 5)]
    static Term Reshape(Term x, Term shape, bool allowZero = false)
    {
        var wanted = (shape.Contents is null ? Resolved(x, shape, allowZero) : shape).AsSizes().ToArray();
        for (var i = 0; i < wanted.Length && !allowZero; i++)
        {
            if (wanted[i].Value == 0)
                wanted[i] = i < x.Rank ? x.Shape[i] : throw new SoftmodelException($"size {i} is to be that of an axis that {x.Shape} does not have");
        }
        var open = Array.FindIndex(wanted, d => d.Value == -1);
        if (open >= 0)
            wanted[open] = Rest(x.Shape.Count, Dim.Product(wanted.Where((_, i) => i != open)));
        return x.Reshape(new(wanted));
    }

    /// <summary>Sizes computed from data, with those to be copied or found filled in.</summary>
    static Term Resolved(Term x, Term shape, bool allowZero)
    {
        if (!allowZero && shape.Shape[0].Value is { } count)
        {
            var own = x.Sizes().Pad([0], [Math.Max(0, count - x.Rank)]).Slice(0, 0, count);
            shape = shape.EqualTo(0).Select(own, shape);
        }
        var given = (shape < 0).Select(shape.Scalar(1), shape).Reduce(Reduction.Product, [0]).Max(1);
        return (shape < 0).Select(x.Sizes().Reduce(Reduction.Product, [0]) / given, shape);
    }

    static Dim Rest(Dim count, Dim given) => given.Value == 0
        ? throw new SoftmodelException("a size is to be found beside a size of 0")
        : count.ExactQuotient(given) ?? Dim.FloorDiv(count, given);

    [Operator("Flatten")]
    static Term Flatten(Term x, long axis = 1)
    {
        var at = axis == x.Rank ? x.Rank : Axes.Of(axis, x.Rank);
        return x.Reshape(new(Dim.Product(x.Shape.Dims.Take(at)), Dim.Product(x.Shape.Dims.Skip(at))));
    }

    [Operator("Expand", since: 8)]
    static Term Expand(Term x, Term shape) => x.Broadcast(Shape.Broadcast(x.Shape, new(shape.AsSizes())));

    [Operator("Tile", since: 6)]
    static Term Tile(Term x, Term repeats)
    {
        var times = repeats.AsSizes();
        if (times.Count != x.Rank)
            throw new SoftmodelException($"{times.Count} numbers of repeats do not fit {x.Shape}");
        var repeated = x.Unsqueeze([.. Enumerable.Range(0, x.Rank).Select(i => 2 * i)]).Broadcast(new(x.Shape.Dims.SelectMany((d, i) => new[] { times[i], d }).ToEquatable()));
        return repeated.Reshape(new(x.Shape.Dims.Select((d, i) => times[i] * d).ToEquatable()));
    }

    [Operator("Tile")]
    static Term Tile(Term x, Term tiles, Term axis)
    {
        var at = Axes.Of(Axes.Numbers(axis, "the axis")[0], x.Rank);
        var times = tiles.Reshape(new(Dim.One)).AsSizes()[0];
        return x.Unsqueeze(at).Broadcast(new([.. x.Shape.Dims.Take(at), times, .. x.Shape.Dims.Skip(at)])).Reshape(x.Shape.With(at, x.Shape[at] * times));
    }

    [Operator("DepthToSpace")]
    static Term DepthToSpace(Term x, long blocksize, string mode = "DCR")
    {
        var (n, c, h, w) = Image(x);
        var depth = Dim.FloorDiv(c, blocksize * blocksize);
        var blocks = mode switch
        {
            "DCR" => x.Reshape(new(n, blocksize, blocksize, depth, h, w)).Transpose(0, 3, 4, 1, 5, 2),
            "CRD" => x.Reshape(new(n, depth, blocksize, blocksize, h, w)).Transpose(0, 1, 4, 2, 5, 3),
            _ => throw new SoftmodelException($"the mode '{mode}' is not supported"),
        };
        return blocks.Reshape(new(n, depth, h * blocksize, w * blocksize));
    }

    [Operator("SpaceToDepth")]
    static Term SpaceToDepth(Term x, long blocksize)
    {
        var (n, c, h, w) = Image(x);
        var (rows, columns) = (Dim.FloorDiv(h, blocksize), Dim.FloorDiv(w, blocksize));
        return x.Reshape(new(n, c, rows, blocksize, columns, blocksize)).Transpose(0, 3, 5, 1, 2, 4)
            .Reshape(new(n, c * blocksize * blocksize, rows, columns));
    }

    static (Dim N, Dim C, Dim H, Dim W) Image(Term x) => x.Rank == 4 ? (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3])
        : throw new SoftmodelException($"{x.Value} is no image [N,C,H,W]");

    [Operator("CenterCropPad", since: 18)]
    static Term CenterCropPad(Term x, Term shape, long[]? axes = null)
    {
        var at = axes is null ? [.. Enumerable.Range(0, x.Rank)] : Axes.Of(axes, x.Rank);
        var (sizes, low, high) = (shape.AsSizes(), new Dim[x.Rank], new Dim[x.Rank]);
        Array.Fill(low, Dim.Zero);
        Array.Fill(high, Dim.Zero);
        for (var i = 0; i < at.Length; i++)
        {
            var (axis, size) = (at[i], x.Shape[at[i]]);
            var (surplus, lack) = (Dim.Max(size - sizes[i], 0), Dim.Max(sizes[i] - size, 0));
            x = x.Slice(axis, Dim.FloorDiv(surplus, 2), size - surplus);
            low[axis] = Dim.FloorDiv(lack, 2);
            high[axis] = lack - low[axis];
        }
        return x.Pad(low, high);
    }

    [Operator("Trilu", since: 14)]
    static Term Trilu(OnnxCall call, Term x, Term? k, bool upper = true)
    {
        var (row, column) = (call.Source(new Op.Iota(x.Shape[x.Rank - 2])).Unsqueeze(1), call.Source(new Op.Iota(x.Shape[x.Rank - 1])));
        var diagonal = k is { } given ? row + given.Reshape(Shape.Scalar) : row;
        return (upper ? diagonal <= column : diagonal >= column).Select(x, x.Scalar(0));
    }

    [Operator("Transpose")]
    static Term Transpose(Term x, int[]? perm = null) => x.Transpose(perm ?? [.. Enumerable.Range(0, x.Rank).Reverse()]);

    [Operator("Concat", since: 4)]
    static Term Concat(Term[] inputs, long axis) => inputs[0].Concat(Axes.Of(axis, inputs[0].Rank), inputs.AsSpan(1));

    [Operator("Split", since: 2)]
    static Term[] Split(OnnxCall call, Term x)
    {
        var axis = Axes.Of(call.Attribute("axis")?.Int ?? 0, x.Rank);
        IReadOnlyList<Dim> sizes = call[1] is { } split ? split.AsSizes()
            : call.Attribute("split") is { } given ? [.. given.Ints.Select(i => (Dim)i)]
            : Even(x.Shape[axis], call.Results);
        var parts = new Term[sizes.Count];
        Dim start = 0;
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = x.Slice(axis, start, sizes[i]);
            start += sizes[i];
        }
        return parts;
    }

    // The last part is smaller where the size is no multiple.
    static Dim[] Even(Dim size, int count)
    {
        var part = Dim.CeilDiv(size, count);
        return [.. Enumerable.Repeat(part, count - 1), size - part * (count - 1)];
    }

    [Operator("Slice", since: 1)]
    static Term Slice(Term x, long[] starts, long[] ends, long[]? axes = null) =>
        Slice(x, x.Constant(Tensor.Vector(starts)), x.Constant(Tensor.Vector(ends)), axes, null);

    [Operator("Slice", since: 10)]
    static Term Slice(Term x, Term starts, Term ends, Term? axes, Term? steps) =>
        Slice(x, starts, ends, axes is { } a ? Axes.Numbers(a, "the axes") : null, steps is { } s ? Axes.Numbers(s, "the steps") : null);

    static Term Slice(Term x, Term starts, Term ends, long[]? axes, long[]? steps)
    {
        if (starts.Rank != 1 || starts.Shape.KnownCount is not { } count || ends.Shape.KnownCount != count || (axes ?? steps ?? new long[count]).Length != count || (steps ?? axes ?? new long[count]).Length != count)
            throw new SoftmodelException("starts, ends, axes and steps are not as many, or how many there are is not known");
        var at = Axes.Of(axes ?? [.. Enumerable.Range(0, (int)count)], x.Rank);
        for (var i = 0; i < at.Length; i++)
        {
            var (axis, step) = (at[i], steps?[i] ?? 1);
            if (step == 0)
                throw new SoftmodelException("a step of 0 never ends");
            var size = x.Shape[axis];
            step = Math.Clamp(step, -int.MaxValue, int.MaxValue);
            // Downwards the end is the first element not taken, which before the first one is -1; the start is never before it.
            var high = step > 0 ? size : size - 1;
            var (from, to) = (Bound(starts, i, size, step > 0 ? 0 : Dim.Min(high, 0), high), Bound(ends, i, size, step > 0 ? 0 : -1, high));
            var distance = step > 0 ? to.At - from.At : from.At - to.At;
            var taken = from.IsExact || to.IsExact ? Dim.Max(distance, 0) : AtLeast(x.Builder, distance, 0);
            x = x.Slice(axis, from.At, Math.Abs(step) == 1 ? taken : Dim.CeilDiv(taken, Math.Abs(step)), (int)step);
        }
        return x;
    }

    // Beyond any real size: what exporters write for "to the end".
    const long Huge = int.MaxValue - 1;

    /// <summary>A position as operators write it, from the end where negative, kept within bounds.</summary>
    /// <returns>The position, and whether it is so for empty axes, too: then nothing that follows may demand that there are none.</returns>
    static (Dim At, bool IsExact) Bound(Term positions, int i, Dim size, Dim low, Dim high)
    {
        var builder = positions.Builder;
        if (Part(positions, i) is not { Contents: [var at] } part)
        {
            Term Of(Dim dim) => new(builder, builder.Sizes((Dim[])[dim], new Shape(1)));
            var given = Part(positions, i).Cast(ElementType.Int64);
            var within = (given < 0).Select(given + Of(size), given).Max(Of(low)).Min(Of(high));
            return ((within - Of(low)).AsSizes()[0] + low, true);
        }
        if (at.Value >= Huge)
            return (high, false);
        if (at.Value <= -Huge)
            return (low, false);
        if (at.IsNeverNegative || (-1 - at).IsNeverNegative || IsLength(at))
        {
            if (!at.IsNeverNegative && !at.IsKnown && at.IsNeverNegativeFromOne)
                builder.RequirePositive(at.Symbols);
            var counted = (-1 - at).IsNeverNegative ? size + at : at;
            return (AtLeast(builder, high - AtLeast(builder, high - counted, 0), low), false);
        }
        // The axis is added where the position is below 0: once, and not for 0, where it is not.
        var once = Dim.Min(Dim.Max(at * -1, 0), 1);
        return (Dim.Max(Dim.Min(at + size * once, high), low), true);

        // The last of an axis: negative only where that is empty.
        static bool IsLength(Dim at) => at.Symbols.Take(2).Count() == 1 && at.IsNeverNegativeFromOne;
    }

    /// <summary>One element of a vector, as a vector; of one that is put together it is that of the part.</summary>
    static Term Part(Term vector, int i)
    {
        if (vector.Contents is null && vector.Builder.Producer(vector.Value) is { Op: Op.Concat, Inputs: var parts })
        {
            var first = 0L;
            foreach (var part in parts.Select(v => new Term(vector.Builder, v)).TakeWhile(p => p.Shape.KnownCount is not null))
            {
                if (i - first < part.Shape.KnownCount)
                    return Part(part, (int)(i - first));
                first += part.Shape.KnownCount!.Value;
            }
        }
        return vector.Slice(0, i, 1);
    }

    /// <summary>
    /// The larger of two sizes. Where the first one is larger unless an axis is empty, it is taken, and the model refuses empty
    /// axes: a size that has no maximum in it can be compared with others.
    /// </summary>
    static Dim AtLeast(GraphBuilder builder, Dim a, Dim b)
    {
        var larger = Dim.Max(a, b);
        if (larger.Equals(a) || larger.Equals(b) || !(a - b).IsNeverNegativeFromOne)
            return larger;
        builder.RequirePositive((a - b).Symbols);
        return a;
    }

    [Operator("Pad", since: 2)]
    static Term Pad(Term x, long[] pads, string mode = "constant", float value = 0) =>
        Pad(x, x.Constant(Tensor.Vector(pads)), Axes.All(x.Rank), mode, x.Scalar(value));

    [Operator("Pad", since: 11)]
    static Term Pad(Term x, Term pads, Term? value, Term? axes, string mode = "constant") =>
        Pad(x, pads, axes is { } a ? Axes.Of(Axes.Numbers(a, "the axes"), x.Rank) : Axes.All(x.Rank), mode, value is { } v ? v.Reshape(Shape.Scalar) : x.Scalar(0));

    static Term Pad(Term x, Term pads, int[] axes, string mode, Term value)
    {
        if (pads.Rank != 1 || pads.Shape.KnownCount != 2 * axes.Length)
            throw new SoftmodelException($"{2 * axes.Length} sizes of padding are expected, not {pads.Shape}");
        var (low, high, before, after) = (Zeros(x.Rank), Zeros(x.Rank), Zeros(x.Rank), Zeros(x.Rank));
        for (var i = 0; i < axes.Length; i++)
        {
            (low[axes[i]], before[axes[i]]) = Padded(pads, i);
            (high[axes[i]], after[axes[i]]) = Padded(pads, axes.Length + i);
        }
        // Negative padding takes away: of the operand, unless there may be less than that, and what is put around it is all the same.
        var isLast = mode == "constant" && axes.Any(a => !(x.Shape[a] - before[a] - after[a]).IsNeverNegativeFromOne);
        if (!isLast)
            x = Taken(x);
        if (low.Concat(high).Any(d => d.Value != 0))
            x = x.Apply(Around(), value.Cast(x.Element));
        return isLast ? Taken(x) : x;

        Term Taken(Term from) => axes.Aggregate(from, (y, a) => y.Slice(a, before[a], y.Shape[a] - before[a] - after[a]));

        Op.Pad Around() => new(mode switch
        {
            "constant" => Padding.Constant,
            "reflect" => Padding.Reflect,
            "edge" => Padding.Edge,
            "wrap" => Padding.Wrap,
            _ => throw new SoftmodelException($"the mode '{mode}' is not supported"),
        }, low, high);
    }

    static Dim[] Zeros(int count) => [.. Enumerable.Repeat(Dim.Zero, count)];

    /// <summary>How many elements are put, and how many are taken away: one of them is 0.</summary>
    static (Dim Put, Dim Taken) Padded(Term pads, int i)
    {
        var part = Part(pads, i);
        if (part.Contents is not [var size])
            return (part.Max(0).AsSizes()[0], (-part).Max(0).AsSizes()[0]);
        var put = Dim.Max(size, 0);
        return (put, put - size);
    }
}
