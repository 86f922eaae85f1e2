using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Softmodel.Runtime;

/// <summary>Conversion of many numbers between 16-bit and 32-bit floating point.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class Conversions
{
    const uint Sign = 0x8000_0000;

    /// <summary>IEEE 754 binary16 to binary32, exactly.</summary>
    /// <param name="from">The numbers.</param>
    /// <param name="to">Room for as many.</param>
    public static void Widen(ReadOnlySpan<Half> from, Span<float> to)
    {
        to = to[..from.Length];
        var i = 0;
        for (var bits = MemoryMarshal.Cast<Half, ushort>(from); i <= from.Length - 16; i += 16)
        {
            var (low, high) = Vector256.Widen(Vector256.Create(bits[i..]));
            WidenHalf(low).CopyTo(to[i..]);
            WidenHalf(high).CopyTo(to[(i + 8)..]);
        }
        for (; i < from.Length; i++)
            to[i] = (float)from[i];
    }

    // The exponent and fraction are put where a binary32 has them, and a product mends the exponent, for subnormals too.
    // NaNs and infinities, whose exponent is full, must stay full; NaNs become quiet.
    static Vector256<float> WidenHalf(Vector256<uint> half)
    {
        var magnitude = (half & Vector256.Create(0x7FFFu)) << 13;
        var scaled = (magnitude.AsSingle() * Vector256.Create(5.192296858534828e33f)).AsUInt32();
        var full = magnitude | Vector256.Create(0x7F80_0000u);
        var quiet = full | (Vector256.GreaterThan(magnitude, Vector256.Create(0x7C00u << 13)) & Vector256.Create(0x0040_0000u));
        var finite = Vector256.LessThan(magnitude, Vector256.Create(0x7C00u << 13));
        return (Vector256.ConditionalSelect(finite, scaled, quiet) | ((half << 16) & Vector256.Create(Sign))).AsSingle();
    }

    /// <summary>Binary32 to IEEE 754 binary16, to the nearest, ties to even; what is too large becomes infinite.</summary>
    /// <inheritdoc cref="Widen" path="/param"/>
    public static void Narrow(ReadOnlySpan<float> from, Span<Half> to)
    {
        to = to[..from.Length];
        for (var i = 0; i < from.Length; i++)
            to[i] = (Half)from[i];
    }

    /// <summary>bfloat16, given as its bits, to binary32, exactly.</summary>
    /// <inheritdoc cref="Widen" path="/param"/>
    public static void WidenBFloat16(ReadOnlySpan<ushort> from, Span<float> to)
    {
        var bits = MemoryMarshal.Cast<float, uint>(to)[..from.Length];
        var i = 0;
        for (; i <= from.Length - 16; i += 16)
        {
            var (low, high) = Vector256.Widen(Vector256.Create(from[i..]));
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + 8)..]);
        }
        for (; i < from.Length; i++)
            bits[i] = (uint)from[i] << 16;
    }

    /// <summary>Binary32 to the bits of bfloat16, to the nearest, ties to even; a NaN stays one and becomes quiet.</summary>
    /// <inheritdoc cref="Widen" path="/param"/>
    public static void NarrowBFloat16(ReadOnlySpan<float> from, Span<ushort> to)
    {
        var bits = MemoryMarshal.Cast<float, uint>(from);
        to = to[..from.Length];
        for (var i = 0; i < bits.Length; i++)
        {
            var b = bits[i];
            to[i] = (ushort)((b & ~Sign) > 0x7F80_0000 ? (b >> 16) | 0x40 : (b + 0x7FFF + ((b >> 16) & 1)) >> 16);
        }
    }
}
