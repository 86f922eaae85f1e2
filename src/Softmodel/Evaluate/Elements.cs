using System.Numerics;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Evaluate;

/// <summary>Elements of any type as numbers of the few types that are computed with: double, long, ulong.</summary>
static class Elements
{
    /// <summary>0, 1, ..., count - 1.</summary>
    public static long[] Range(long count)
    {
        var numbers = new long[count];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = i;
        return numbers;
    }

    /// <summary>All elements.</summary>
    public static T[] Read<T>(Tensor x) where T : INumber<T> => x.Type switch
    {
        ElementType.Float32 => As<float, T>(x),
        ElementType.Float64 => As<double, T>(x),
        ElementType.Float16 => As<Half, T>(x),
        ElementType.Int64 => As<long, T>(x),
        ElementType.UInt64 => As<ulong, T>(x),
        ElementType.Int32 => As<int, T>(x),
        ElementType.UInt32 => As<uint, T>(x),
        ElementType.Int16 => As<short, T>(x),
        ElementType.UInt16 => As<ushort, T>(x),
        ElementType.Int8 => As<sbyte, T>(x),
        ElementType.UInt8 or ElementType.Bool => As<byte, T>(x),
        ElementType.BFloat16 => Array.ConvertAll(x.Values<ushort>().ToArray(), bits => T.CreateTruncating(BitConverter.UInt32BitsToSingle((uint)bits << 16))),
        _ => throw new SoftmodelException($"{x.Type} is not computed with"),
    };

    static T[] As<TFrom, T>(Tensor x) where TFrom : unmanaged, INumber<TFrom> where T : INumber<T>
    {
        var from = x.Values<TFrom>();
        var to = new T[from.Length];
        for (var i = 0; i < to.Length; i++)
            to[i] = T.CreateTruncating(from[i]);
        return to;
    }

    /// <summary>A tensor of numbers, rounded or wrapped to an element type.</summary>
    public static Tensor Write<T>(ElementType type, ReadOnlySpan<long> dims, T[] values) where T : unmanaged => values switch
    {
        double[] reals => Tensor.Of(type, dims, reals),
        long[] wholes => Tensor.Of(type, dims, wholes),
        _ => Tensor.Of<T>(values, dims),
    };

    /// <summary>Every element in another type. What does not fit is as C# has it: nearest for 32 and 64 bits, else wrapped.</summary>
    public static Tensor Cast(Tensor x, ElementType to)
    {
        if (to == x.Type)
            return x;
        if (x.Type.IsFloat())
        {
            var reals = Read<double>(x);
            return to.IsFloat() || to == ElementType.Bool ? Tensor.Of(to, x.Dims, reals) : Tensor.Of(to, x.Dims, Array.ConvertAll(reals, Whole(to)));
        }
        if (to == ElementType.Float32)
            return Tensor.Of<float>(x.Type == ElementType.UInt64 ? Array.ConvertAll(Read<ulong>(x), n => (float)n) : Array.ConvertAll(Read<long>(x), n => (float)n), x.Dims);
        return to.IsFloat() ? Tensor.Of(to, x.Dims, Read<double>(x)) : Tensor.Of(to, x.Dims, Read<long>(x));
    }

    static Converter<double, long> Whole(ElementType to) => to switch
    {
        ElementType.Int64 => x => (long)x,
        ElementType.UInt64 => x => (long)(ulong)x,
        ElementType.UInt32 => x => (uint)x,
        _ => x => (int)x,
    };

    /// <summary>The lowest and the highest number of an element type.</summary>
    public static (T Lowest, T Highest) Limits<T>(ElementType type) where T : INumber<T> => type switch
    {
        ElementType.Bool => (T.Zero, T.One),
        ElementType.Int8 => Limits<sbyte, T>(),
        ElementType.UInt8 => Limits<byte, T>(),
        ElementType.Int16 => Limits<short, T>(),
        ElementType.UInt16 => Limits<ushort, T>(),
        ElementType.Int32 => Limits<int, T>(),
        ElementType.UInt32 => Limits<uint, T>(),
        ElementType.Int64 => Limits<long, T>(),
        ElementType.UInt64 => Limits<ulong, T>(),
        _ => (T.CreateTruncating(double.NegativeInfinity), T.CreateTruncating(double.PositiveInfinity)),
    };

    static (T, T) Limits<TOf, T>() where TOf : IMinMaxValue<TOf>, INumber<TOf> where T : INumber<T> =>
        (T.CreateTruncating(TOf.MinValue), T.CreateTruncating(TOf.MaxValue));
}
