using Softmodel.Graphs;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that move elements and compute nothing.</summary>
static class Views
{
    [Operator("Unsqueeze", since: 1)]
    static Term Unsqueeze(Term x, long[] axes) => x.Unsqueeze(Axes.Of(axes, x.Rank + axes.Length));

    [Operator("Unsqueeze", since: 13)]
    static Term Unsqueeze(Term x, Term axes) => Unsqueeze(x, Axes.Numbers(axes, "the axes"));

    [Operator("Squeeze", since: 1)]
    static Term Squeeze(Term x, long[]? axes = null) => axes is not null
        ? x.Squeeze(Axes.Of(axes, x.Rank))
        : x.Squeeze([.. Enumerable.Range(0, x.Rank).Where(i => x.Shape[i].Value == 1)]);

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
        Slice(x, [.. starts.Select(i => (Dim)i)], [.. ends.Select(i => (Dim)i)], axes, null);

    [Operator("Slice", since: 10)]
    static Term Slice(Term x, Term starts, Term ends, Term? axes, Term? steps) =>
        Slice(x, starts.AsSizes(), ends.AsSizes(), axes is { } a ? Axes.Numbers(a, "the axes") : null, steps is { } s ? Axes.Numbers(s, "the steps") : null);

    static Term Slice(Term x, IReadOnlyList<Dim> starts, IReadOnlyList<Dim> ends, long[]? axes, long[]? steps)
    {
        if (starts.Count != ends.Count || (axes ?? steps ?? []).Length > starts.Count)
            throw new SoftmodelException("starts, ends, axes and steps are not as many");
        var at = Axes.Of(axes ?? [.. Enumerable.Range(0, starts.Count)], x.Rank);
        for (var i = 0; i < at.Length; i++)
        {
            var (axis, step) = (at[i], steps?[i] ?? 1);
            if (step == 0)
                throw new SoftmodelException("a step of 0 never ends");
            var size = x.Shape[axis];
            step = Math.Clamp(step, -int.MaxValue, int.MaxValue);
            if (step > 0)
            {
                var (from, to) = (Bound(x.Builder, starts[i], size, 0, size), Bound(x.Builder, ends[i], size, 0, size));
                x = x.Slice(axis, from, Length(x.Builder, to - from, step), (int)step);
            }
            else
            {
                // Downwards the end is the first element not taken, which before the first one is -1.
                var (from, to) = (Bound(x.Builder, starts[i], size, -1, size - 1), Bound(x.Builder, ends[i], size, -1, size - 1));
                x = x.Slice(axis, from, Length(x.Builder, from - to, -step), (int)step);
            }
        }
        return x;
    }

    static Dim Length(GraphBuilder builder, Dim distance, long step)
    {
        var least = AtLeast(builder, distance, 0);
        return step == 1 ? least : Dim.CeilDiv(least, step);
    }

    // Beyond any real size: what exporters write for "to the end".
    const long Huge = int.MaxValue - 1;

    /// <summary>A position as operators write it, from the end where negative, kept within bounds.</summary>
    static Dim Bound(GraphBuilder builder, Dim at, Dim size, Dim low, Dim high)
    {
        if (at.Value >= Huge)
            return high;
        if (at.Value <= -Huge)
            return low;
        var counted = at.Value < 0 ? size + at : at;
        return AtLeast(builder, high - AtLeast(builder, high - counted, 0), low);
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
        Pad(x, [.. pads.Select(p => (Dim)p)], mode, x.Scalar(value));

    [Operator("Pad", since: 11)]
    static Term Pad(Term x, Term pads, Term? value, Term? axes, string mode = "constant")
    {
        var given = pads.AsSizes();
        var at = axes is { } a ? Axes.Of(Axes.Numbers(a, "the axes"), x.Rank) : [.. Enumerable.Range(0, x.Rank)];
        if (given.Count != 2 * at.Length)
            throw new SoftmodelException($"{2 * at.Length} sizes of padding are expected, not {given.Count}");
        var all = Enumerable.Repeat(Dim.Zero, 2 * x.Rank).ToArray();
        for (var i = 0; i < at.Length; i++)
            (all[at[i]], all[x.Rank + at[i]]) = (given[i], given[at.Length + i]);
        return Pad(x, all, mode, value is { } v ? v.Reshape(Shape.Scalar) : x.Scalar(0));
    }

    static Term Pad(Term x, Dim[] pads, string mode, Term value)
    {
        if (pads.Length != 2 * x.Rank)
            throw new SoftmodelException($"{2 * x.Rank} sizes of padding are expected, not {pads.Length}");
        var (low, high) = (pads[..x.Rank], pads[x.Rank..]);
        // Negative padding takes away.
        for (var i = 0; i < x.Rank; i++)
        {
            var (before, after) = (low[i].Value < 0 ? -low[i].Value!.Value : 0, high[i].Value < 0 ? -high[i].Value!.Value : 0);
            x = x.Slice(i, before, x.Shape[i] - before - after);
            (low[i], high[i]) = (before > 0 ? 0 : low[i], after > 0 ? 0 : high[i]);
        }
        if (low.Concat(high).All(d => d.Value == 0))
            return x;
        return x.Apply(new Op.Pad(mode switch
        {
            "constant" => Padding.Constant,
            "reflect" => Padding.Reflect,
            "edge" => Padding.Edge,
            "wrap" => Padding.Wrap,
            _ => throw new SoftmodelException($"the mode '{mode}' is not supported"),
        }, low, high), value.Cast(x.Element));
    }
}
