using System.Runtime.InteropServices;
using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>
/// Numbers known at build time, row-major. The bytes may lie in a mapped file: they are never written, and whoever
/// made the tensor keeps the mapping open.
/// </summary>
public sealed class Tensor
{
    readonly long[] dims;

    /// <summary>Wraps bytes without copying them.</summary>
    /// <param name="type">The type of the elements; not text.</param>
    /// <param name="dims">The size of each axis, none negative.</param>
    /// <param name="bytes">The elements in row-major order, little-endian.</param>
    /// <exception cref="SoftmodelException">A size is negative, or the bytes are not as many as the sizes ask for.</exception>
    public Tensor(ElementType type, ReadOnlySpan<long> dims, ReadOnlyMemory<byte> bytes)
    {
        this.dims = dims.ToArray();
        Type = type;
        Bytes = bytes;
        Count = CountOf(dims);
        if (Count > bytes.Length || Count * type.Size() != bytes.Length)
            throw new SoftmodelException($"a tensor {type}[{string.Join(",", this.dims)}] needs {(UInt128)Count * (uint)type.Size()} bytes, but there are {bytes.Length}");
    }

    /// <summary>The number of elements of a shape.</summary>
    /// <exception cref="SoftmodelException">A size is negative or the product does not fit into 63 bits.</exception>
    public static long CountOf(ReadOnlySpan<long> dims)
    {
        Int128 count = 1;
        foreach (var dim in dims)
        {
            if (dim < 0)
                throw new SoftmodelException($"a tensor cannot have a size of {dim}");
            count *= dim;
            if (count > long.MaxValue)
                throw new SoftmodelException($"a tensor of [{string.Join(",", dims.ToArray())}] is too large for any machine");
        }
        return (long)count;
    }

    /// <summary>The type of the elements.</summary>
    public ElementType Type { get; }

    /// <summary>The size of each axis.</summary>
    public ReadOnlySpan<long> Dims => dims;

    /// <summary>The number of axes.</summary>
    public int Rank => dims.Length;

    /// <summary>The number of elements.</summary>
    public long Count { get; }

    /// <summary>The elements in row-major order, little-endian.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Element type and shape.</summary>
    public TensorType TensorType => new(Type, Shape.Of(dims));

    /// <summary>The elements; <typeparamref name="T"/> must be as wide as the element type.</summary>
    /// <exception cref="InvalidOperationException">The widths differ.</exception>
    public ReadOnlySpan<T> Values<T>() where T : unmanaged => Marshal.SizeOf<T>() == Type.Size() || (typeof(T) == typeof(bool) && Type.Size() == 1)
        ? MemoryMarshal.Cast<byte, T>(Bytes.Span)
        : throw new InvalidOperationException($"a tensor of {Type} is not read as {typeof(T).Name}");

    /// <summary>Copies values into a new tensor.</summary>
    /// <exception cref="SoftmodelException">There are not as many values as the sizes ask for.</exception>
    public static Tensor Of<T>(ReadOnlySpan<T> values, params ReadOnlySpan<long> dims) where T : unmanaged =>
        new(TypeOf<T>(), dims, MemoryMarshal.AsBytes(values).ToArray());

    /// <summary>Copies values into a new tensor of rank 1.</summary>
    public static Tensor Vector<T>(params ReadOnlySpan<T> values) where T : unmanaged => Of(values, values.Length);

    /// <summary>A tensor of rank 0.</summary>
    public static Tensor Scalar<T>(T value) where T : unmanaged => Of([value]);

    /// <summary>A tensor of rank 0 of a type chosen at run time.</summary>
    public static Tensor Scalar(ElementType type, double value) => Of(type, [], [value]);

    /// <summary>Rounds numbers to an element type.</summary>
    public static Tensor Of(ElementType type, ReadOnlySpan<long> dims, ReadOnlySpan<double> values)
    {
        var bytes = new byte[values.Length * type.Size()];
        for (var i = 0; i < values.Length; i++)
            Store(type, bytes, i, values[i]);
        return new(type, dims, bytes);
    }

    /// <summary>Stores integers as an element type, wrapping round at its range.</summary>
    public static Tensor Of(ElementType type, ReadOnlySpan<long> dims, ReadOnlySpan<long> values)
    {
        var bytes = new byte[values.Length * type.Size()];
        for (var i = 0; i < values.Length; i++)
            Store(type, bytes, i, values[i]);
        return new(type, dims, bytes);
    }

    /// <summary>The element type of a C# type.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static ElementType TypeOf<T>() where T : unmanaged =>
        typeof(T) == typeof(float) ? ElementType.Float32 : typeof(T) == typeof(double) ? ElementType.Float64
        : typeof(T) == typeof(Half) ? ElementType.Float16 : typeof(T) == typeof(bool) ? ElementType.Bool
        : typeof(T) == typeof(long) ? ElementType.Int64 : typeof(T) == typeof(int) ? ElementType.Int32
        : typeof(T) == typeof(short) ? ElementType.Int16 : typeof(T) == typeof(sbyte) ? ElementType.Int8
        : typeof(T) == typeof(ulong) ? ElementType.UInt64 : typeof(T) == typeof(uint) ? ElementType.UInt32
        : typeof(T) == typeof(ushort) ? ElementType.UInt16 : typeof(T) == typeof(byte) ? ElementType.UInt8
        : throw new ArgumentException($"no element type holds {typeof(T).Name}");

    /// <summary>An element as a float; truth values are 0 or 1.</summary>
    public double Float(long index) => Type.IsFloat() ? Type switch
    {
        ElementType.Float32 => At<float>(index),
        ElementType.Float64 => At<double>(index),
        ElementType.Float16 => (double)At<Half>(index),
        _ => BitConverter.UInt32BitsToSingle((uint)At<ushort>(index) << 16),
    }
    : Type == ElementType.UInt64 ? At<ulong>(index) : Integer(index);

    /// <summary>An element as an integer; floats are truncated, <see cref="ElementType.UInt64"/> keeps its bits.</summary>
    public long Integer(long index) => Type switch
    {
        ElementType.Int64 or ElementType.UInt64 => At<long>(index),
        ElementType.Int32 => At<int>(index),
        ElementType.UInt32 => At<uint>(index),
        ElementType.Int16 => At<short>(index),
        ElementType.UInt16 => At<ushort>(index),
        ElementType.Int8 => At<sbyte>(index),
        ElementType.UInt8 => At<byte>(index),
        ElementType.Bool => At<byte>(index) != 0 ? 1 : 0,
        _ => (long)Float(index),
    };

    T At<T>(long index) where T : unmanaged => MemoryMarshal.Cast<byte, T>(Bytes.Span)[checked((int)index)];

    /// <summary>Rounds a number to an element type and writes it into the bytes of a tensor.</summary>
    public static void Store(ElementType type, Span<byte> bytes, long index, double value)
    {
        switch (type)
        {
            case ElementType.Float32: Put(bytes, index, (float)value); break;
            case ElementType.Float64: Put(bytes, index, value); break;
            case ElementType.Float16: Put(bytes, index, (Half)value); break;
            case ElementType.BFloat16: Put(bytes, index, ToBFloat16((float)value)); break;
            case ElementType.Bool: Put(bytes, index, (byte)(value != 0 ? 1 : 0)); break;
            case ElementType.UInt64: Put(bytes, index, value < 0 ? (ulong)(long)value : (ulong)value); break;
            default: Store(type, bytes, index, (long)value); break;
        }
    }

    /// <summary>Writes an integer into the bytes of a tensor, wrapping round at the type's range.</summary>
    public static void Store(ElementType type, Span<byte> bytes, long index, long value)
    {
        switch (type)
        {
            case ElementType.Int64 or ElementType.UInt64: Put(bytes, index, value); break;
            case ElementType.Int32 or ElementType.UInt32: Put(bytes, index, unchecked((int)value)); break;
            case ElementType.Int16 or ElementType.UInt16: Put(bytes, index, unchecked((short)value)); break;
            case ElementType.Int8 or ElementType.UInt8: Put(bytes, index, unchecked((sbyte)value)); break;
            case ElementType.Bool: Put(bytes, index, (byte)(value != 0 ? 1 : 0)); break;
            default: Store(type, bytes, index, (double)value); break;
        }
    }

    static void Put<T>(Span<byte> bytes, long index, T value) where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(bytes)[checked((int)index)] = value;

    static ushort ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The same elements with other sizes.</summary>
    /// <exception cref="SoftmodelException">The number of elements differs.</exception>
    public Tensor Reshape(params ReadOnlySpan<long> dims) => new(Type, dims, Bytes);

    /// <summary>Whether type, sizes and every bit are the same.</summary>
    public bool SameAs(Tensor other) =>
        ReferenceEquals(this, other) || (Type == other.Type && dims.AsSpan().SequenceEqual(other.dims) && Bytes.Span.SequenceEqual(other.Bytes.Span));

    /// <summary>Holds tensors to be equal that are the <see cref="SameAs">same</see>.</summary>
    public static IEqualityComparer<Tensor> Same { get; } = EqualityComparer<Tensor>.Create((a, b) => a is null ? b is null : b is not null && a.SameAs(b), t =>
    {
        var hash = new HashCode();
        hash.Add(t.Type);
        hash.Add(t.Count);
        hash.AddBytes(t.Bytes.Span[..Math.Min(4096, t.Bytes.Length)]);
        return hash.ToHashCode();
    });

    /// <summary>Whether every element is this number.</summary>
    public bool IsAll(double value)
    {
        for (var i = 0L; i < Count; i++)
        {
            if (Float(i) != value)
                return false;
        }
        return true;
    }

    /// <summary>Type and sizes, and the elements where they are few.</summary>
    public override string ToString() => Count > 8 ? TensorType.ToString()
        : $"{TensorType}{{{string.Join(", ", Enumerable.Range(0, (int)Count).Select(i => Type.IsFloat() ? Float(i).ToString("R") : Integer(i).ToString()))}}}";
}
