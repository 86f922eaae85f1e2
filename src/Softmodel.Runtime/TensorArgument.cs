using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Softmodel.Runtime;

/// <summary>What a run is given for one input: elements in row-major order, in an array or in native memory, and their shape.</summary>
public readonly unsafe struct TensorArgument
{
    /// <summary>An argument of elements in a managed array; the run reads them in place.</summary>
    /// <typeparam name="T">The element; see <see cref="ElementTypes.Of{T}"/>.</typeparam>
    /// <param name="data">The elements; as many as the product of the sizes.</param>
    /// <param name="shape">The sizes, outermost first; none for a single number.</param>
    /// <exception cref="ModelException">The memory is not that of an array, a size is negative, or the sizes do not fit the number of elements.</exception>
    public static TensorArgument Of<T>(ReadOnlyMemory<T> data, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        if (!MemoryMarshal.TryGetArray(data, out var segment))
            throw new ModelException(ModelError.Argument, "an argument must lie in an array or in native memory; copy it into an array first");
        var argument = new TensorArgument("an argument", ElementTypes.Of<T>(), segment.Array ?? Array.Empty<T>(), (long)segment.Offset * sizeof(T), null, shape);
        if (argument.Count != data.Length)
            throw new ModelException(ModelError.Argument, $"{data.Length} elements were given for the shape [{Text(shape)}], which has {argument.Count}");
        return argument;
    }

    /// <inheritdoc cref="Of{T}(ReadOnlyMemory{T}, ReadOnlySpan{long})"/>
    public static TensorArgument Of<T>(T[] data, params ReadOnlySpan<long> shape) where T : unmanaged => Of<T>(data.AsMemory(), shape);

    /// <summary>An argument of one axis, whose elements are read in place.</summary>
    public static implicit operator TensorArgument(float[] data) => Of(data, data.Length);

    /// <inheritdoc cref="op_Implicit(float[])"/>
    public static implicit operator TensorArgument(long[] data) => Of(data, data.Length);

    /// <inheritdoc cref="op_Implicit(float[])"/>
    public static implicit operator TensorArgument(int[] data) => Of(data, data.Length);

    /// <summary>An argument of elements in native memory, which must stay where it is until the run is over.</summary>
    /// <param name="type">The element type.</param>
    /// <param name="data">The first element; as many as the product of the sizes follow. Null only where there are none.</param>
    /// <param name="shape">The sizes, outermost first.</param>
    /// <exception cref="ModelException">A size is negative, their product does not fit 64 bits, or the pointer is null.</exception>
    public TensorArgument(ElementType type, void* data, params ReadOnlySpan<long> shape) : this("an argument", type, null, 0, data, shape) { }

    internal TensorArgument(string name, in NativeTensor tensor)
        : this(name, (ElementType)tensor.Type, null, 0, tensor.Data, ((ReadOnlySpan<long>)tensor.Sizes)[..Check.Rank(tensor.Rank, name)]) { }

    TensorArgument(string name, ElementType type, Array? array, long offset, void* pointer, ReadOnlySpan<long> shape)
    {
        Check.Rank(shape.Length, name);
        (Type, Array, Offset, Rank) = (type, array, offset, shape.Length);
        Pointer = pointer;
        shape.CopyTo(Shape);
        Count = Check.Count(shape, name);
        if (array is null && pointer is null && Count > 0)
            throw new ModelException(ModelError.Argument, $"the data of {name} are null");
    }

    /// <summary>The element type; <see cref="ElementType.None"/> in a default value, which no run accepts.</summary>
    public ElementType Type { get; }

    /// <summary>The number of axes.</summary>
    public int Rank { get; }

    /// <summary>The number of elements.</summary>
    public long Count { get; }

    internal readonly Extents Shape;
    internal Array? Array { get; }
    internal long Offset { get; }
    internal void* Pointer { get; }

    /// <summary>The sizes, outermost first.</summary>
    [UnscopedRef]
    public ReadOnlySpan<long> Sizes => ((ReadOnlySpan<long>)Shape)[..Rank];

    internal static string Text(ReadOnlySpan<long> shape)
    {
        var text = "";
        foreach (var size in shape)
            text += text.Length == 0 ? $"{size}" : $",{size}";
        return text;
    }
}
