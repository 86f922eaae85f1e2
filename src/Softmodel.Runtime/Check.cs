using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Softmodel.Runtime;

/// <summary>Checks that emitted code makes on values that only the run knows.</summary>
public static class Check
{
    /// <summary>The index as one from 0 to <paramref name="size"/> - 1, where a negative one counts from the end.</summary>
    /// <param name="index">From -<paramref name="size"/> to <paramref name="size"/> - 1.</param>
    /// <param name="size">The number of things indexed.</param>
    /// <exception cref="ModelException">The index lies outside.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Index(long index, long size)
    {
        var wrapped = index < 0 ? index + size : index;
        if ((ulong)wrapped >= (ulong)size)
            ThrowIndex(index, size);
        return wrapped;
    }

    /// <inheritdoc cref="Index(long, long)"/>
    /// <param name="index">From -<paramref name="size"/> to <paramref name="size"/> - 1.</param>
    /// <param name="size">The number of things indexed.</param>
    /// <param name="node">The node that indexes, for the error.</param>
    public static long Index(long index, long size, string node)
    {
        try
        {
            return Index(index, size);
        }
        catch (ModelException e)
        {
            throw new ModelException(e.Error, $"{node}: {e.Message}");
        }
    }

    /// <summary>Demands a size that is known when the model runs.</summary>
    /// <exception cref="ModelException">The sizes differ.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Equal(long size, long expected, string node)
    {
        if (size != expected)
            throw new ModelException(ModelError.Shape, $"{node}: a size is {size} where {expected} is needed");
    }

    /// <summary>Demands that a size is at least 1.</summary>
    /// <returns>The size.</returns>
    /// <exception cref="ModelException">It is 0.</exception>
    public static long Positive(long size, string name) =>
        size > 0 ? size : throw new ModelException(ModelError.Shape, $"the size {name} is {size}; this model needs at least 1");

    /// <summary>Demands a number of axes within what a <see cref="Extents"/> holds.</summary>
    /// <returns>That number.</returns>
    /// <exception cref="ModelException">There are more.</exception>
    public static int Rank(int rank, string name)
    {
        if ((uint)rank > Extents.MaxRank)
            throw new ModelException(ModelError.Argument, $"{name} has {rank} axes; at most {Extents.MaxRank} are supported");
        return rank;
    }

    /// <summary>The product of sizes, 1 for none.</summary>
    /// <exception cref="ModelException">A size is negative, or the product exceeds 2^56, more than any machine holds.</exception>
    public static long Count(ReadOnlySpan<long> sizes, string name)
    {
        const long Most = 1L << 56;
        var count = 1L;
        foreach (var size in sizes)
        {
            if (size < 0 || (size > 0 && count > Most / size))
                throw new ModelException(ModelError.Argument, $"{name} has the impossible shape [{TensorArgument.Text(sizes)}]");
            count *= size;
        }
        return count;
    }

    [DoesNotReturn]
    static void ThrowIndex(long index, long size) => throw new ModelException(ModelError.Index, size == 0
        ? $"the index {index} looks into nothing: what it indexes is empty"
        : $"the index {index} is not within {-size} to {size - 1}");
}
