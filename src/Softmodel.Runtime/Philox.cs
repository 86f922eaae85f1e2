using System.ComponentModel;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Softmodel.Runtime;

/// <summary>
/// Random numbers by counting: the Philox4x32-10 function of J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random
/// numbers: as easy as 1, 2, 3" (SC11). A number is a pure function of seed, stream and index, so that neither the number
/// of threads nor the vector width nor the order changes it.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class Philox
{
    const uint M0 = 0xD251_1F53, M1 = 0xCD9E_8D57, W0 = 0x9E37_79B9, W1 = 0xBB67_AE85;
    const int Rounds = 10, Lanes = 8, Group = 4 * Lanes;

    /// <summary>The function itself: four random words for a counter of four words and a key of two.</summary>
    public static (uint X0, uint X1, uint X2, uint X3) Block(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (var round = 0; round < Rounds; round++, k0 += W0, k1 += W1)
        {
            var p0 = (ulong)M0 * c0;
            var p1 = (ulong)M1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
        }
        return (c0, c1, c2, c3);
    }

    /// <summary>Numbers evenly spread over [0, 1), multiples of 2^-24.</summary>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="stream">Tells places that draw numbers apart, such as the number of the node.</param>
    /// <param name="start">The index of the first number; not negative.</param>
    /// <param name="to">Receives the numbers of indices from <paramref name="start"/> on.</param>
    public static void Uniform(ulong seed, ulong stream, long start, Span<float> to) => Fill(seed, stream, start, to, normal: false);

    /// <summary>Normally distributed numbers of mean 0 and variance 1, at most 6.7 in magnitude.</summary>
    /// <inheritdoc cref="Uniform" path="/param"/>
    public static void Normal(ulong seed, ulong stream, long start, Span<float> to) => Fill(seed, stream, start, to, normal: true);

    // Numbers come in groups of 32: eight blocks side by side, whose first words are the first eight numbers, and so on.
    static void Fill(ulong seed, ulong stream, long start, Span<float> to, bool normal)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        Span<float> group = stackalloc float[Group];
        while (to.Length > 0)
        {
            var (number, skip) = (start / Group, (int)(start % Group));
            var whole = skip == 0 && to.Length >= Group;
            Groups(seed, stream, number, whole ? to : group, normal);
            var done = Group - skip;
            if (!whole)
            {
                done = Math.Min(done, to.Length);
                group.Slice(skip, done).CopyTo(to);
            }
            to = to[done..];
            start += done;
        }
    }

    static void Groups(ulong seed, ulong stream, long number, Span<float> to, bool normal)
    {
        var block = Vector256.Create((ulong)number * Lanes);
        var even = block + Vector256.Create(0ul, 2, 4, 6);
        var odd = block + Vector256.Create(1ul, 3, 5, 7);
        var (e0, e1, e2, e3) = Block(even, stream, seed);
        var (o0, o1, o2, o3) = Block(odd, stream, seed);
        var (w0, w1, w2, w3) = (Join(e0, o0), Join(e1, o1), Join(e2, o2), Join(e3, o3));
        Vector256<float> x0, x1, x2, x3;
        if (normal)
        {
            (x0, x1) = BoxMuller(w0, w1);
            (x2, x3) = BoxMuller(w2, w3);
        }
        else
        {
            (x0, x1, x2, x3) = (Unit(w0), Unit(w1), Unit(w2), Unit(w3));
        }
        x0.CopyTo(to);
        x1.CopyTo(to[Lanes..]);
        x2.CopyTo(to[(2 * Lanes)..]);
        x3.CopyTo(to[(3 * Lanes)..]);
    }

    // A word in the lower half of each lane; the upper half is arbitrary between rounds.
    static (Vector256<ulong>, Vector256<ulong>, Vector256<ulong>, Vector256<ulong>) Block(Vector256<ulong> counter, ulong stream, ulong seed)
    {
        var (c0, c1) = (counter, counter >> 32);
        var (c2, c3) = (Vector256.Create(stream), Vector256.Create(stream >> 32));
        var (k0, k1) = ((uint)seed, (uint)(seed >> 32));
        for (var round = 0; round < Rounds; round++, k0 += W0, k1 += W1)
        {
            var p0 = Product(c0, M0);
            var p1 = Product(c2, M1);
            (c0, c1, c2, c3) = ((p1 >> 32) ^ c1 ^ Vector256.Create((ulong)k0), p1, (p0 >> 32) ^ c3 ^ Vector256.Create((ulong)k1), p0);
        }
        return (c0, c1, c2, c3);
    }

    static Vector256<ulong> Product(Vector256<ulong> words, uint factor) => Avx2.IsSupported
        ? Avx2.Multiply(words.AsUInt32(), Vector256.Create(factor))
        : (words & Vector256.Create((ulong)uint.MaxValue)) * Vector256.Create((ulong)factor);

    static Vector256<uint> Join(Vector256<ulong> even, Vector256<ulong> odd) =>
        ((even & Vector256.Create((ulong)uint.MaxValue)) | (odd << 32)).AsUInt32();

    static Vector256<float> Unit(Vector256<uint> word) =>
        Vector256.ConvertToSingle((word >> 8).AsInt32()) * Vector256.Create(1f / (1 << 24));

    // Two normal numbers are a point at a random angle, whose squared distance is exponentially distributed.
    static (Vector256<float>, Vector256<float>) BoxMuller(Vector256<uint> distance, Vector256<uint> angle)
    {
        var radius = Vector256.Sqrt(Vector256.Create(-2f) * LogOfUnit(distance));
        var (sin, cos) = SinCosOfTurn(angle);
        return (radius * sin, radius * cos);
    }

    /// <summary>ln((word + 1) / 2^32), from the series of the inverse hyperbolic tangent.</summary>
    static Vector256<float> LogOfUnit(Vector256<uint> word)
    {
        var unit = Fma(Whole(word >> 16), Vector256.Create(65536f), Whole(word & Vector256.Create(0xFFFFu)) + Vector256<float>.One);
        // unit = 2^exponent * m with m from sqrt(1/2) to sqrt(2).
        var exponent = (unit.AsInt32() - Vector256.Create(0x3F35_04F3)) >> 23;
        var m = (unit.AsInt32() - (exponent << 23)).AsSingle();
        var s = (m - Vector256<float>.One) / (m + Vector256<float>.One);
        var square = s * s;
        var series = Fma(Vector256.Create(1f / 9), square, Vector256.Create(1f / 7));
        series = Fma(series, square, Vector256.Create(1f / 5));
        series = Fma(series, square, Vector256.Create(1f / 3));
        var log = (s + s) * Fma(series, square, Vector256<float>.One);
        return Fma(Vector256.ConvertToSingle(exponent - Vector256.Create(32)), Vector256.Create(0.6931472f), log);
    }

    /// <summary>Sine and cosine of word / 2^32 of a whole turn, from their series about the nearest quarter.</summary>
    static (Vector256<float> Sin, Vector256<float> Cos) SinCosOfTurn(Vector256<uint> word)
    {
        var quarter = (word + Vector256.Create(1u << 29)) >> 30;
        var x = Whole(word - (quarter << 30)) * Vector256.Create(MathF.PI / (1u << 31));
        var square = x * x;
        var sin = Fma(Vector256.Create(1f / 362880), square, Vector256.Create(-1f / 5040));
        sin = Fma(sin, square, Vector256.Create(1f / 120));
        sin = Fma(sin, square, Vector256.Create(-1f / 6));
        sin = Fma(sin * square, x, x);
        var cos = Fma(Vector256.Create(1f / 40320), square, Vector256.Create(-1f / 720));
        cos = Fma(cos, square, Vector256.Create(1f / 24));
        cos = Fma(cos, square, Vector256.Create(-1f / 2));
        cos = Fma(cos, square, Vector256<float>.One);
        var swap = (Vector256<uint>.Zero - (quarter & Vector256<uint>.One)).AsSingle();
        var negativeSin = ((quarter & Vector256.Create(2u)) << 30).AsSingle();
        var negativeCos = (((quarter + Vector256<uint>.One) & Vector256.Create(2u)) << 30).AsSingle();
        return (Vector256.ConditionalSelect(swap, cos, sin) ^ negativeSin, Vector256.ConditionalSelect(swap, sin, cos) ^ negativeCos);
    }

    static Vector256<float> Whole(Vector256<uint> small) => Vector256.ConvertToSingle(small.AsInt32());

    static Vector256<float> Fma(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.FusedMultiplyAdd(a, b, c);
}
