namespace Softmodel.Runtime;

/// <summary>The name, element type and shape of an input or output of a compiled model.</summary>
public sealed class TensorInfo
{
    readonly string[] axes;
    readonly long[] shape;

    /// <summary>Describes a tensor.</summary>
    /// <param name="name">The name that the model gives it.</param>
    /// <param name="type">The element type.</param>
    /// <param name="axes">For each axis its size: a number, a symbol such as <c>T</c>, or an expression such as <c>2*T+3</c>.</param>
    /// <exception cref="ModelException">There are more than <see cref="Extents.MaxRank"/> axes.</exception>
    public TensorInfo(string name, ElementType type, params string[] axes)
    {
        Check.Rank(axes.Length, name);
        (Name, Type, this.axes) = (name, type, axes);
        shape = new long[axes.Length];
        for (var axis = 0; axis < axes.Length; axis++)
            shape[axis] = Number(axes[axis]);
    }

    /// <summary>The number that a text is, or -1.</summary>
    static long Number(string text)
    {
        var number = 0L;
        foreach (var c in text)
        {
            if (!char.IsAsciiDigit(c))
                return -1;
            number = checked(number * 10 + (c - '0'));
        }
        return text.Length > 0 ? number : -1;
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The element type.</summary>
    public ElementType Type { get; }

    /// <summary>The number of axes.</summary>
    public int Rank => axes.Length;

    /// <summary>The size of each axis, -1 where only the run decides it.</summary>
    public ReadOnlySpan<long> Sizes => shape;

    /// <summary>The size of each axis as text: a number, a symbol or an expression over symbols.</summary>
    public IReadOnlyList<string> Axes => axes;

    /// <summary>For example <c>tokens int64[1,T]</c>.</summary>
    public override string ToString() => $"{Name} {Type.Name()}[{string.Join(',', axes)}]";
}
