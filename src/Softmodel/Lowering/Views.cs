using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>Operations that only move elements: where the element at a position of the result comes from.</summary>
static class Views
{
    /// <summary>Whether an operation only moves elements, or puts zeros around them.</summary>
    public static bool Is(Op op) => op is Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold or Op.Pad { Mode: Padding.Constant };

    /// <summary>
    /// The position in the operand of the element at a position of the result, which for a padding may be outside; null where
    /// axes are merged and the position cannot be told apart again.
    /// </summary>
    /// <param name="node">Such an operation.</param>
    /// <param name="at">A position of its result.</param>
    /// <param name="made">What made a value, where a node did.</param>
    public static Index[]? Before(Node node, Index[] at, Func<Value, Node?> made)
    {
        var shape = node.Inputs[0].Shape;
        switch (node.Op)
        {
            case Op.Reshape reshape:
                return Split(shape, reshape.Shape, at) ?? Divided(shape, Flat(reshape.Shape, at), Beyond(node.Inputs[0], made));
            case Op.Transpose transpose:
                var before = new Index[at.Length];
                for (var i = 0; i < at.Length; i++)
                    before[transpose.Order[i]] = at[i];
                return before;
            case Op.Broadcast:
                return Stretch(at, node.Output.Shape, shape);
            case Op.Slice slice:
                return [.. at.Select((a, i) => a * slice.Steps[i] + slice.Starts[i])];
            case Op.Unfold unfold:
                return [.. at.Take(at.Length - 1).Select((a, i) => i == unfold.Axis ? a * unfold.Stride + at[^1] * unfold.Dilation : a)];
            case Op.Pad pad:
                return [.. at.Select((a, i) => a + pad.Low[i] * -1)];
            default:
                throw new InvalidOperationException($"{node.Op.GetType().Name} computes elements");
        }
    }

    /// <summary>The position of an element among all, in storage order.</summary>
    public static Index Flat(Shape shape, ReadOnlySpan<Index> at)
    {
        var (flat, stride) = (Index.Zero, Dim.One);
        for (var i = shape.Rank - 1; i >= 0; i--)
        {
            flat += at[i] * stride;
            stride *= shape[i];
        }
        return flat;
    }

    /// <summary>The position in an operand that is broadcast.</summary>
    public static Index[] Stretch(Index[] at, Shape result, Shape operand)
    {
        var mapped = new Index[operand.Rank];
        for (var i = 0; i < operand.Rank; i++)
        {
            var axis = i + result.Rank - operand.Rank;
            mapped[i] = operand[i].Value == 1 ? Index.Zero
                : Dim.IsNeverBroadcast(operand[i], result[axis]) ? at[axis]
                : result[axis].IsKnown && operand[i].IsKnown ? at[axis]
                : Index.Of(new Expr.Folded(Padding.Wrap, at[axis], operand[i]));
        }
        return mapped;
    }

    /// <summary>The position before a reshape that only splits axes, or adds and drops axes of size 1; null where axes are merged.</summary>
    static Index[]? Split(Shape from, Shape to, Index[] at)
    {
        var before = new Index[from.Rank];
        var next = 0;
        for (var i = 0; i < from.Rank; i++)
        {
            before[i] = Index.Zero;
            if (from[i].Value == 1)
                continue;
            while (next < to.Rank && to[next].Value == 1)
                next++;
            var size = Dim.One;
            var begin = next;
            while (next < to.Rank && !size.Equals(from[i]))
                size *= to[next++];
            if (!size.Equals(from[i]))
                return null;
            var stride = Dim.One;
            for (var j = next - 1; j >= begin; j--)
            {
                before[i] += at[j] * stride;
                stride *= to[j];
            }
        }
        for (; next < to.Rank; next++)
        {
            if (to[next].Value != 1)
                return null;
        }
        return before;
    }

    /// <summary>
    /// The position of an element given its place in storage order, where each axis provably gets its part: a row of a matrix
    /// read one element further on, row by row, is a diagonal. Along the last axis the position may be below 0, as far as
    /// the row before ends in zeros.
    /// </summary>
    static Index[]? Divided(Shape shape, Index flat, Dim zeros)
    {
        var at = new Index[shape.Rank];
        var rest = flat;
        for (var i = shape.Rank - 1; i >= 0; i--)
        {
            var below = i == shape.Rank - 1 ? zeros : Dim.Zero;
            if (i == 0)
                at[i] = rest;
            else if (rest.Divide(shape[i]) is var (quotient, part))
                (at[i], rest) = (part, quotient);
            else
                return null;
            if (!(at[i] + below).IsWithin(shape[i] + below))
                return null;
        }
        return at;
    }

    /// <summary>How many zeros each row of a value ends in.</summary>
    static Dim Beyond(Value value, Func<Value, Node?> made) => made(value) is { Op: Op.Pad { Mode: Padding.Constant } pad } node && pad.High.Count > 0 && IsZero(node.Inputs[1], made)
        ? pad.High[^1]
        : Dim.Zero;

    static bool IsZero(Value value, Func<Value, Node?> made) => made(value)?.Op.Known is { Count: 1 } scalar && scalar.Type.Size() > 0 && scalar.Float(0) == 0;

    /// <summary>
    /// Whether a padding with zeros is read as zeros in any case: its operand merges axes, the rows of what it merges end in
    /// zeros, and a position outside is never further away than those.
    /// </summary>
    /// <param name="padding">The padding.</param>
    /// <param name="axis">The padded axis.</param>
    /// <param name="at">The position along it, perhaps outside.</param>
    /// <param name="made">What made a value, where a node did.</param>
    public static bool IsZeroBeyond(Node padding, int axis, Index at, Func<Value, Node?> made)
    {
        if (!IsZero(padding.Inputs[1], made) || made(padding.Inputs[0]) is not { Op: Op.Reshape reshape } merging || !Merges(merging.Inputs[0].Shape, reshape.Shape))
            return false;
        var from = merging.Inputs[0].Shape;
        var zeros = Beyond(merging.Inputs[0], made);
        if (axis != reshape.Shape.Rank - 1 || zeros.Value == 0 || reshape.Shape[axis].ExactQuotient(from[from.Rank - 1]) is not { } rows || at.Divide(from[from.Rank - 1]) is not var (row, column))
            return false;
        return row.IsWithin(rows) && (column + zeros).IsWithin(from[from.Rank - 1] + zeros);
    }

    /// <summary>Whether a reshape merges axes.</summary>
    public static bool Merges(Shape from, Shape to) => Split(from, to, [.. Enumerable.Repeat(Index.Zero, to.Rank)]) is null;

    /// <summary>Whether the shapes differ only in axes of size 1.</summary>
    public static bool OnlyUnits(Shape from, Shape to) =>
        from.Dims.Where(d => d.Value != 1).SequenceEqual(to.Dims.Where(d => d.Value != 1));
}
