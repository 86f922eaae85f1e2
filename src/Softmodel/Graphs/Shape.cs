namespace Softmodel.Graphs;

/// <summary>The sizes of a tensor's axes, outermost first; rank 0 is a scalar.</summary>
/// <param name="Dims">One size per axis.</param>
public readonly record struct Shape(EquatableArray<Dim> Dims)
{
    /// <summary>Makes a shape from its sizes.</summary>
    public Shape(params Dim[] dims) : this((EquatableArray<Dim>)dims) { }

    /// <summary>Makes a shape from known sizes.</summary>
    public static Shape Of(ReadOnlySpan<long> dims)
    {
        var sizes = new Dim[dims.Length];
        for (var i = 0; i < dims.Length; i++)
            sizes[i] = dims[i];
        return new(sizes);
    }

    /// <summary>The shape of a tensor of rank 0.</summary>
    public static Shape Scalar => default;

    /// <summary>The number of axes.</summary>
    public int Rank => Dims.Count;

    /// <summary>The size of an axis from 0 to <see cref="Rank"/> - 1.</summary>
    public Dim this[int axis] => Dims[axis];

    /// <summary>The number of elements.</summary>
    public Dim Count => Dim.Product(Dims);

    /// <summary>Whether every size is known at build time.</summary>
    public bool IsKnown => Dims.All(d => d.IsKnown);

    /// <summary>The sizes as numbers, or null where one of them is symbolic.</summary>
    public long[]? Known => IsKnown ? [.. Dims.Select(d => d.Value!.Value)] : null;

    /// <summary>The number of elements where it is known at build time.</summary>
    public long? KnownCount => Count.Value;

    /// <summary>The shape without some axes.</summary>
    public Shape Without(EquatableArray<int> axes) => new(Dims.Where((_, i) => !axes.Contains(i)).ToEquatable());

    /// <summary>The shape with one axis of another size.</summary>
    public Shape With(int axis, Dim size) => new(Dims.Select((d, i) => i == axis ? size : d).ToEquatable());

    /// <summary>The axes in another order.</summary>
    public Shape Permute(EquatableArray<int> order)
    {
        var dims = Dims;
        return new(order.Select(a => dims[a]).ToEquatable());
    }

    /// <summary>The numpy broadcast of two shapes: aligned at the last axis, a size of 1 stretches.</summary>
    /// <exception cref="SoftmodelException">Two known sizes differ and neither is 1.</exception>
    public static Shape Broadcast(Shape a, Shape b)
    {
        var rank = Math.Max(a.Rank, b.Rank);
        var dims = new Dim[rank];
        for (var i = 0; i < rank; i++)
        {
            var (left, right) = (i - rank + a.Rank, i - rank + b.Rank);
            dims[i] = left < 0 ? b[right] : right < 0 ? a[left] : Dim.Broadcast(a[left], b[right]);
        }
        return new(dims);
    }

    /// <summary>The shape with symbols replaced.</summary>
    public Shape Substitute(Func<string, Dim?> symbol) => new(Dims.Select(d => d.Substitute(symbol)).ToEquatable());

    /// <summary>For example <c>[1,192,T]</c>.</summary>
    public override string ToString() => $"[{string.Join(",", Dims)}]";
}

/// <summary>What is known at build time of a value: its element type and its shape.</summary>
/// <param name="Element">The type of the elements.</param>
/// <param name="Shape">The sizes of the axes.</param>
public readonly record struct TensorType(Runtime.ElementType Element, Shape Shape)
{
    /// <summary>The description of an input or output of this type.</summary>
    /// <param name="name">Its name.</param>
    internal Runtime.TensorInfo Info(string name) => new(name, Element, [.. Shape.Dims.Select(d => d.ToString())]);

    /// <summary>For example <c>Float32[1,192,T]</c>.</summary>
    public override string ToString() => $"{Element}{Shape}";
}
