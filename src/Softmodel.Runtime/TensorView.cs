namespace Softmodel.Runtime;

/// <summary>One output of the latest run, in the model's own memory: valid until the model runs again or is disposed of.</summary>
public readonly unsafe ref struct TensorView
{
    internal TensorView(TensorInfo info, void* pointer, ReadOnlySpan<long> sizes, long count)
    {
        Info = info;
        Pointer = pointer;
        Sizes = sizes;
        Count = count;
    }

    /// <summary>Its name and element type.</summary>
    public TensorInfo Info { get; }

    /// <summary>The first element.</summary>
    public void* Pointer { get; }

    /// <summary>The sizes, outermost first.</summary>
    public ReadOnlySpan<long> Sizes { get; }

    /// <summary>The number of elements.</summary>
    public long Count { get; }

    /// <summary>The elements in row-major order.</summary>
    /// <typeparam name="T">The element; see <see cref="ElementTypes.Of{T}"/>. Sixteen-bit floats may be read as <c>ushort</c>.</typeparam>
    /// <exception cref="ModelException">The elements are of another type, or are more than a span can hold.</exception>
    public ReadOnlySpan<T> Span<T>() where T : unmanaged
    {
        if (ElementTypes.Of<T>() is var type && type != Info.Type
            && !(type is ElementType.UInt16 && Info.Type is ElementType.Float16 or ElementType.BFloat16))
            throw new ModelException(ModelError.Argument, $"output '{Info.Name}' holds {Info.Type.Name()}, not {type.Name()}");
        if (Count > int.MaxValue)
            throw new ModelException(ModelError.Argument, $"output '{Info.Name}' has {Count} elements, more than a span holds; read it through its pointer");
        return new ReadOnlySpan<T>(Pointer, (int)Count);
    }

    /// <summary>A copy of the elements in row-major order.</summary>
    /// <inheritdoc cref="Span{T}"/>
    public T[] ToArray<T>() where T : unmanaged => Span<T>().ToArray();
}
