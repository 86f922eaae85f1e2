using Softmodel.Graphs;

namespace Softmodel.Passes;

/// <summary>
/// Rules that carry zeros around a tensor through what does not change them, and leave them out of contractions: a table of
/// relative positions that is padded to the length of the text is multiplied as it was before. Exact, but where a zero
/// would have met an infinity or NaN.
/// </summary>
static class Zeros
{
    public static readonly Rule[] Rules =
    [
        (b, op, x) => op is Op.Pad { Mode: Padding.Constant } outer && Padded(b, x[0]) is var (inner, y) && Simplify.IsZero(x[1])
            ? y.Pad(Sum(inner.Low, outer.Low), Sum(inner.High, outer.High)) : null,
        (b, op, x) => op is Op.Transpose transpose && Padded(b, x[0]) is var (pad, y)
            ? y.Transpose([.. transpose.Order]).Pad(Order(pad.Low, transpose.Order), Order(pad.High, transpose.Order)) : null,
        (b, op, x) => op is Op.Reshape { Several.Count: 0 } reshape && Padded(b, x[0]) is var (pad, y) ? Reshaped(reshape.Shape, x[0].Shape, pad, y) : null,
        (b, op, x) => op is Op.Slice slice && Padded(b, x[0]) is var (pad, y) ? Sliced(b, slice, pad, y) : null,
        (b, op, x) => op is Op.Contract contract && Padded(b, x[0]) is var (pad, y) ? Contracted(contract, 0, pad, y, x[1]) : null,
        (b, op, x) => op is Op.Contract contract && Padded(b, x[1]) is var (pad, y) ? Contracted(contract, 1, pad, y, x[0]) : null,
    ];

    /// <summary>A padding and what is padded. Where fewer elements than none may be added, those are cut off first.</summary>
    static (Op.Pad, Term)? Padded(GraphBuilder builder, Term x)
    {
        if (Simplify.Made(builder, x) is not (Op.Pad { Mode: Padding.Constant } pad, [var y, var zero]) || !Simplify.IsZero(zero))
            return null;
        if (pad.Low.Concat(pad.High).All(d => d.IsNeverNegative))
            return (pad, y);
        var sizes = y.Shape.Dims.Select((d, i) => d + Dim.Min(pad.Low[i], 0) + Dim.Min(pad.High[i], 0)).ToArray();
        if (!AreSizes(builder, sizes, x.Shape.Dims))
            return null;
        for (var i = 0; i < y.Rank; i++)
            y = y.Slice(i, Dim.Max(pad.Low[i] * -1, 0), sizes[i]);
        return (pad with { Low = pad.Low.Select(d => Dim.Max(d, 0)).ToEquatable(), High = pad.High.Select(d => Dim.Max(d, 0)).ToEquatable() }, y);
    }

    /// <summary>Whether none of these is ever negative, where the sizes that they depend on are not 0 and, if they were, one of others would be negative.</summary>
    static bool AreSizes(GraphBuilder builder, Dim[] sizes, IEnumerable<Dim> others)
    {
        if (!sizes.All(s => s.IsNeverNegativeFromOne))
            return false;
        var positive = sizes.Where(s => !s.IsNeverNegative).SelectMany(s => s.Symbols).ToHashSet(StringComparer.Ordinal);
        if (!positive.All(p => builder.IsPositive(p) || others.Any(o => (-1 - o.Substitute(s => s == p ? Dim.Zero : null)).IsNeverNegative)))
            return false;
        builder.RequirePositive(positive);
        return true;
    }

    static EquatableArray<Dim> Sum(EquatableArray<Dim> a, EquatableArray<Dim> b) => a.Select((d, i) => d + b[i]).ToEquatable();

    static EquatableArray<Dim> Order(EquatableArray<Dim> dims, EquatableArray<int> order) => order.Select(a => dims[a]).ToEquatable();

    /// <summary>Axes of size 1 come and go on either side of a padding.</summary>
    static Term? Reshaped(Shape to, Shape from, Op.Pad pad, Term x)
    {
        var (low, high, dims) = (new List<Dim>(), new List<Dim>(), new List<Dim>());
        var at = 0;
        bool IsPlain(int axis) => from[axis].Value == 1 && pad.Low[axis].Value == 0 && pad.High[axis].Value == 0;
        foreach (var size in to.Dims)
        {
            while (at < from.Rank && IsPlain(at) && size.Value != 1)
                at++;
            if (size.Value == 1 && (at >= from.Rank || from[at].Value != 1))
            {
                (low, high, dims) = ([.. low, 0], [.. high, 0], [.. dims, 1]);
                continue;
            }
            if (at >= from.Rank || !from[at].Equals(size))
                return null;
            (low, high, dims) = ([.. low, pad.Low[at]], [.. high, pad.High[at]], [.. dims, x.Shape[at]]);
            at++;
        }
        while (at < from.Rank && IsPlain(at))
            at++;
        return at == from.Rank ? x.Reshape(new(dims.ToEquatable())).Pad(low.ToEquatable(), high.ToEquatable()) : null;
    }

    /// <summary>A part of a padded tensor is a part of the tensor, with what is left of the padding.</summary>
    static Term? Sliced(GraphBuilder builder, Op.Slice slice, Op.Pad pad, Term x)
    {
        if (slice.Steps.Any(s => s != 1))
            return null;
        var (low, high, inside) = (new Dim[x.Rank], new Dim[x.Rank], new Dim[x.Rank]);
        for (var i = 0; i < x.Rank; i++)
        {
            var (start, size) = (slice.Starts[i], slice.Sizes[i]);
            inside[i] = Dim.Min(x.Shape[i], start + size - pad.Low[i]) - Dim.Max(start - pad.Low[i], 0);
            low[i] = Dim.Max(pad.Low[i] - start, 0);
            high[i] = size - low[i] - inside[i];
        }
        if (!AreSizes(builder, [.. inside, .. high], slice.Sizes))
            return null;
        for (var i = 0; i < x.Rank; i++)
            x = x.Slice(i, Dim.Max(slice.Starts[i] - pad.Low[i], 0), inside[i]);
        return x.Pad(low.ToEquatable(), high.ToEquatable());
    }

    static Term? Contracted(Op.Contract contract, int operand, Op.Pad pad, Term x, Term other)
    {
        var (left, right, result) = Einsum.Split(contract.Equation);
        var (letters, others) = operand == 0 ? (left, right) : (right, left);
        var (low, high) = (Enumerable.Repeat(Dim.Zero, result.Length).ToArray(), Enumerable.Repeat(Dim.Zero, result.Length).ToArray());
        for (var i = 0; i < letters.Length; i++)
        {
            if (pad.Low[i].Value == 0 && pad.High[i].Value == 0)
                continue;
            // What would be multiplied by zeros is left out.
            if (others.IndexOf(letters[i]) is >= 0 and var at)
                other = other.Slice(at, pad.Low[i], x.Shape[i]);
            if (result.IndexOf(letters[i]) is >= 0 and var axis)
                (low[axis], high[axis]) = (pad.Low[i], pad.High[i]);
        }
        var product = operand == 0 ? x.Contract(contract.Equation, other) : other.Contract(contract.Equation, x);
        return product.Pad(low, high);
    }
}
