using Softmodel.Graphs;

namespace Softmodel.Lowering;

/// <summary>Reshapes that only split axes, or add and drop axes of size 1: what they read is as regular as what they give.</summary>
static class Refold
{
    /// <summary>The position before a reshape of the element that is at a position after it; null where axes are merged.</summary>
    public static Index[]? Before(Shape from, Shape to, Index[] at)
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

    /// <summary>Whether such a position always exists.</summary>
    public static bool IsRegular(Shape from, Shape to) =>
        Before(from, to, [.. Enumerable.Repeat(Index.Zero, to.Rank)]) is not null;

    /// <summary>Whether the shapes differ only in axes of size 1.</summary>
    public static bool OnlyUnits(Shape from, Shape to) =>
        from.Dims.Where(d => d.Value != 1).SequenceEqual(to.Dims.Where(d => d.Value != 1));
}
