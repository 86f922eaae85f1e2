using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Softmodel.Runtime;

/// <summary>Checks that emitted code makes on values that only the run knows.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
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

    /// <summary>The divisor of an integer.</summary>
    /// <exception cref="ModelException">It is 0.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T NotZero<T>(T divisor) where T : INumberBase<T>
    {
        if (T.IsZero(divisor))
            ThrowZero();
        return divisor;
    }

    static void ThrowZero() => throw new ModelException(ModelError.Index, "an integer is divided by 0");

    /// <summary>Whether sizes are as demanded; there are two, or four for <see cref="Runtime.Demand.Within"/>.</summary>
    /// <exception cref="OverflowException">An end of what is to lie within does not fit into 64 bits.</exception>
    public static bool Holds(Demand demand, ReadOnlySpan<long> sizes) => demand switch
    {
        Runtime.Demand.AtLeast => sizes[0] >= sizes[1],
        Runtime.Demand.Equal => sizes[0] == sizes[1],
        Runtime.Demand.BroadcastsTo => sizes[0] == 1 || sizes[0] == sizes[1],
        Runtime.Demand.Fits => sizes[0] == sizes[1] || sizes[0] == 1 || sizes[1] == 1,
        Runtime.Demand.Within => sizes[1] <= 0 || ((ulong)sizes[0] < (ulong)sizes[3] && (ulong)checked(sizes[0] + (sizes[1] - 1) * sizes[2]) < (ulong)sizes[3] && sizes[3] > 0),
        Runtime.Demand.Several => sizes[0] != sizes[1],
        _ => sizes[0] == 0 || sizes[1] != 0,
    };

    /// <summary>Demands something of sizes.</summary>
    /// <param name="demand">What.</param>
    /// <param name="text">What is wrong otherwise, where <c>{0}</c>, <c>{1}</c>, ... stand for the sizes.</param>
    /// <param name="sizes">Those that it is demanded of, and then others for the text.</param>
    /// <exception cref="ModelException">It is not so.</exception>
    /// <exception cref="OverflowException">An end of what is to lie within does not fit into 64 bits.</exception>
    public static void Demand(Demand demand, string text, params ReadOnlySpan<long> sizes)
    {
        if (!Holds(demand, sizes))
            throw new ModelException(ModelError.Shape, Text(text, sizes));
    }

    /// <summary>A text with sizes in place of <c>{0}</c>, <c>{1}</c>, ...</summary>
    public static string Text(string text, ReadOnlySpan<long> sizes)
    {
        for (var i = 0; i < sizes.Length; i++)
            text = text.Replace($"{{{i}}}", $"{sizes[i]}", StringComparison.Ordinal);
        return text;
    }

    /// <summary>An error of the sizes of a node, with its name.</summary>
    public static ModelException Refused(string node, Exception error) => new(ModelError.Shape,
        error is OverflowException ? $"{node}: its sizes would be larger than any machine holds" : $"{node}: {error.Message}");

    /// <summary>A size that a value says.</summary>
    /// <returns>It.</returns>
    /// <exception cref="ModelException">It is negative, or more than any machine holds.</exception>
    public static long Said(long size, string node) => (ulong)size <= MostElements ? size
        : throw new ModelException(ModelError.Shape, $"{node}: it is to make an axis of {size} elements, which {(size < 0 ? "can't be" : "no machine holds")}");

    /// <summary>A size that is an axis of an argument less what else lies along it.</summary>
    /// <returns>It.</returns>
    /// <exception cref="ModelException">It is negative.</exception>
    public static long Left(long size, long less, string name, string text) => size >= less ? size - less
        : throw new ModelException(ModelError.Argument, $"{name} has an axis of {size} elements where there are {text}, at least {less}");

    /// <summary>
    /// The bytes to keep ready for elements. None where there would be fewer than none: they belong to a branch that is not
    /// taken, or will be refused by name when the run comes to them.
    /// </summary>
    /// <exception cref="ModelException">They are more than any machine holds.</exception>
    public static long Room(long count, int bytes, string name) => count <= MostElements ? Math.Max(0, count) * bytes
        : throw new ModelException(ModelError.Memory, $"{name}: it would have {count} elements, which no machine holds; use shorter inputs");

    /// <summary>More elements than this, 2^56, are refused.</summary>
    public const long MostElements = 1L << 56;

    /// <summary>Demands a size that is known when the model runs.</summary>
    /// <exception cref="ModelException">The sizes differ.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Equal(long size, long expected, string node)
    {
        if (size != expected)
            throw new ModelException(ModelError.Shape, $"{node}: a size is {size} where {expected} is needed");
    }

    /// <summary>Demands that a size is at least 1.</summary>
    /// <param name="size">It.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="where">The input or node that says it.</param>
    /// <returns>The size.</returns>
    /// <exception cref="ModelException">It is 0.</exception>
    public static long Positive(long size, string name, string where) =>
        size > 0 ? size : throw new ModelException(ModelError.Shape, $"{where}: the size {name} is {size}; this model needs at least 1");

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
        var count = 1L;
        foreach (var size in sizes)
        {
            if (size < 0 || (size > 0 && count > MostElements / size))
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
