using Softmodel.Runtime;

namespace Softmodel.Bench.Differential;

/// <summary>Element types by names that fit into a table.</summary>
static class Types
{
    internal const ElementType Absent = ElementType.None, Bool = ElementType.Bool,
        F16 = ElementType.Float16, F32 = ElementType.Float32, F64 = ElementType.Float64, BF16 = ElementType.BFloat16,
        I8 = ElementType.Int8, I16 = ElementType.Int16, I32 = ElementType.Int32, I64 = ElementType.Int64,
        U8 = ElementType.UInt8, U16 = ElementType.UInt16, U32 = ElementType.UInt32, U64 = ElementType.UInt64;

    /// <summary>The standard's types of floats, the usual one most often.</summary>
    internal static readonly ElementType[] Reals = [F32, F32, F32, F64, F16, BF16];

    /// <summary>As <see cref="Reals"/>, before there was bfloat16.</summary>
    internal static readonly ElementType[] OldReals = [F32, F32, F32, F64, F16];

    /// <summary>Types of integers.</summary>
    internal static readonly ElementType[] Wholes = [I32, I64, I8, U8, I16, U16, U32, U64];

    /// <summary>Types of numbers.</summary>
    internal static readonly ElementType[] Numeric = [F32, F32, F32, F64, F16, BF16, .. Wholes];

    /// <summary>Types of numbers, before there was bfloat16.</summary>
    internal static readonly ElementType[] OldNumeric = [F32, F32, F32, F64, F16, .. Wholes];

    /// <summary>Types that are moved about: numbers and truth values.</summary>
    internal static readonly ElementType[] Movable = [F32, F32, F32, F64, F16, I32, I64, Bool, U8, I8, I16, U16, U32, U64];
}
