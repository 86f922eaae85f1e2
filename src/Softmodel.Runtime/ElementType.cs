namespace Softmodel.Runtime;

/// <summary>The element types of tensors; the numbers are those of ONNX's <c>TensorProto.DataType</c>.</summary>
public enum ElementType : byte
{
    /// <summary>No type: never the type of a value.</summary>
    None = 0,
    /// <summary>IEEE 754 binary32.</summary>
    Float32 = 1,
    /// <summary>Unsigned 8-bit integer.</summary>
    UInt8 = 2,
    /// <summary>Signed 8-bit integer.</summary>
    Int8 = 3,
    /// <summary>Unsigned 16-bit integer.</summary>
    UInt16 = 4,
    /// <summary>Signed 16-bit integer.</summary>
    Int16 = 5,
    /// <summary>Signed 32-bit integer.</summary>
    Int32 = 6,
    /// <summary>Signed 64-bit integer.</summary>
    Int64 = 7,
    /// <summary>Text; only constants and host programs hold it.</summary>
    String = 8,
    /// <summary>Truth value, one byte, 0 or 1.</summary>
    Bool = 9,
    /// <summary>IEEE 754 binary16.</summary>
    Float16 = 10,
    /// <summary>IEEE 754 binary64.</summary>
    Float64 = 11,
    /// <summary>Unsigned 32-bit integer.</summary>
    UInt32 = 12,
    /// <summary>Unsigned 64-bit integer.</summary>
    UInt64 = 13,
    /// <summary>The upper 16 bits of a binary32.</summary>
    BFloat16 = 16,
}

/// <summary>Facts about <see cref="ElementType"/>.</summary>
public static class ElementTypes
{
    /// <summary>Bytes of one element; 0 for text.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The type is <see cref="ElementType.None"/> or unknown.</exception>
    public static int Size(this ElementType type) => type switch
    {
        ElementType.UInt8 or ElementType.Int8 or ElementType.Bool => 1,
        ElementType.UInt16 or ElementType.Int16 or ElementType.Float16 or ElementType.BFloat16 => 2,
        ElementType.Float32 or ElementType.Int32 or ElementType.UInt32 => 4,
        ElementType.Float64 or ElementType.Int64 or ElementType.UInt64 => 8,
        ElementType.String => 0,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no such element type"),
    };

    /// <summary>
    /// The element type of a C# type: the one of the same width and kind; <see cref="Half"/> is
    /// <see cref="ElementType.Float16"/>. No C# type is a <see cref="ElementType.BFloat16"/>.
    /// </summary>
    /// <exception cref="ModelException">No tensor holds such elements.</exception>
    public static ElementType Of<T>() where T : unmanaged =>
        typeof(T) == typeof(float) ? ElementType.Float32
        : typeof(T) == typeof(double) ? ElementType.Float64
        : typeof(T) == typeof(Half) ? ElementType.Float16
        : typeof(T) == typeof(sbyte) ? ElementType.Int8
        : typeof(T) == typeof(short) ? ElementType.Int16
        : typeof(T) == typeof(int) ? ElementType.Int32
        : typeof(T) == typeof(long) ? ElementType.Int64
        : typeof(T) == typeof(byte) ? ElementType.UInt8
        : typeof(T) == typeof(ushort) ? ElementType.UInt16
        : typeof(T) == typeof(uint) ? ElementType.UInt32
        : typeof(T) == typeof(ulong) ? ElementType.UInt64
        : typeof(T) == typeof(bool) ? ElementType.Bool
        : throw new ModelException(ModelError.Argument, $"no tensor holds elements of the C# type {typeof(T).Name}");

    /// <summary>The name in small letters, such as <c>float32</c>.</summary>
    public static string Name(this ElementType type) => type switch
    {
        ElementType.Float32 => "float32",
        ElementType.UInt8 => "uint8",
        ElementType.Int8 => "int8",
        ElementType.UInt16 => "uint16",
        ElementType.Int16 => "int16",
        ElementType.Int32 => "int32",
        ElementType.Int64 => "int64",
        ElementType.String => "string",
        ElementType.Bool => "bool",
        ElementType.Float16 => "float16",
        ElementType.Float64 => "float64",
        ElementType.UInt32 => "uint32",
        ElementType.UInt64 => "uint64",
        ElementType.BFloat16 => "bfloat16",
        _ => "none",
    };

    /// <summary>Whether the type holds floats.</summary>
    public static bool IsFloat(this ElementType type) =>
        type is ElementType.Float32 or ElementType.Float64 or ElementType.Float16 or ElementType.BFloat16;

    /// <summary>Whether the type holds integers, signed or not; truth values are not integers.</summary>
    public static bool IsInteger(this ElementType type) => IsSigned(type) || IsUnsigned(type);

    /// <summary>Whether the type holds signed integers.</summary>
    public static bool IsSigned(this ElementType type) =>
        type is ElementType.Int8 or ElementType.Int16 or ElementType.Int32 or ElementType.Int64;

    /// <summary>Whether the type holds unsigned integers.</summary>
    public static bool IsUnsigned(this ElementType type) =>
        type is ElementType.UInt8 or ElementType.UInt16 or ElementType.UInt32 or ElementType.UInt64;
}
