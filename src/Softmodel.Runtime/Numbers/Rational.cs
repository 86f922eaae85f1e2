using System.Globalization;
using System.Numerics;

namespace Softmodel.Runtime.Numbers;

/// <summary>An exact fraction of two integers in lowest terms.</summary>
public readonly record struct Rational : IComparable<Rational>
{
    static readonly BigInteger largest = new(decimal.MaxValue);

    // 0 stands for 1, so that the default value is 0, and every value has one form.
    readonly BigInteger denominator;

    /// <summary>The fraction <paramref name="numerator"/> / <paramref name="denominator"/>.</summary>
    /// <param name="numerator">Any integer.</param>
    /// <param name="denominator">Any integer but 0.</param>
    /// <exception cref="DivideByZeroException">The denominator is 0.</exception>
    public Rational(BigInteger numerator, BigInteger denominator)
    {
        if (denominator.IsZero)
            throw new DivideByZeroException();
        if (!denominator.IsOne)
        {
            var common = BigInteger.GreatestCommonDivisor(numerator, denominator);
            if (denominator.Sign < 0)
                common = -common;
            if (!common.IsOne)
                (numerator, denominator) = (numerator / common, denominator / common);
        }
        Numerator = numerator;
        this.denominator = denominator.IsOne ? default : denominator;
    }

    Rational(BigInteger integer) => Numerator = integer;

    /// <summary>The integer above, with the sign.</summary>
    public BigInteger Numerator { get; }

    /// <summary>The integer below, at least 1.</summary>
    public BigInteger Denominator => denominator.IsZero ? BigInteger.One : denominator;

    /// <summary>Whether it has no fractional part.</summary>
    public bool IsInteger => denominator.IsZero;

    /// <summary>-1, 0 or 1.</summary>
    public int Sign => Numerator.Sign;

    /// <summary>An integer.</summary>
    public static implicit operator Rational(int value) => new((BigInteger)value);

    /// <summary>An integer.</summary>
    public static implicit operator Rational(long value) => new((BigInteger)value);

    /// <summary>An integer.</summary>
    public static implicit operator Rational(BigInteger value) => new(value);

    /// <summary>A decimal, exactly.</summary>
    public static implicit operator Rational(decimal value)
    {
        Span<int> bits = stackalloc int[4];
        decimal.GetBits(value, bits);
        var digits = new BigInteger(new decimal(bits[0], bits[1], bits[2], isNegative: bits[3] < 0, scale: 0));
        return new(digits, BigInteger.Pow(10, bits[3] >> 16 & 0xFF));
    }

    /// <summary>The nearest decimal.</summary>
    /// <exception cref="OverflowException">It lies outside of what a decimal holds.</exception>
    public static explicit operator decimal(Rational value)
    {
        var scale = Math.Clamp(28 - NumberWriter.Magnitude(value.Abs()), 0, 28);
        var digits = BigInteger.Abs(value.Scaled(scale, MidpointRounding.ToEven));
        if (digits > largest && scale > 0)
            digits = BigInteger.Abs(value.Scaled(--scale, MidpointRounding.ToEven));
        return digits <= largest
            ? new((int)(uint)(digits & uint.MaxValue), (int)(uint)(digits >> 32 & uint.MaxValue), (int)(uint)(digits >> 64), value.Sign < 0, (byte)scale)
            : throw new OverflowException();
    }

    /// <summary>The sum.</summary>
    public static Rational operator +(Rational a, Rational b) => a.IsInteger && b.IsInteger ? new(a.Numerator + b.Numerator)
        : a.denominator == b.denominator ? new(a.Numerator + b.Numerator, a.denominator)
        : new(a.Numerator * b.Denominator + b.Numerator * a.Denominator, a.Denominator * b.Denominator);

    /// <summary>The difference.</summary>
    public static Rational operator -(Rational a, Rational b) => a + -b;

    /// <summary>The negative.</summary>
    public static Rational operator -(Rational a) => a.With(-a.Numerator);

    /// <summary>The product.</summary>
    public static Rational operator *(Rational a, Rational b) => a.IsInteger && b.IsInteger ? new(a.Numerator * b.Numerator)
        : new(a.Numerator * b.Numerator, a.Denominator * b.Denominator);

    /// <summary>The quotient.</summary>
    /// <exception cref="DivideByZeroException">The divisor is 0.</exception>
    public static Rational operator /(Rational a, Rational b) => new(a.Numerator * b.Denominator, a.Denominator * b.Numerator);

    /// <summary>Whether <paramref name="a"/> is the lesser.</summary>
    public static bool operator <(Rational a, Rational b) => a.CompareTo(b) < 0;

    /// <summary>Whether <paramref name="a"/> is the greater.</summary>
    public static bool operator >(Rational a, Rational b) => a.CompareTo(b) > 0;

    /// <summary>Whether <paramref name="a"/> is not the greater.</summary>
    public static bool operator <=(Rational a, Rational b) => a.CompareTo(b) <= 0;

    /// <summary>Whether <paramref name="a"/> is not the lesser.</summary>
    public static bool operator >=(Rational a, Rational b) => a.CompareTo(b) >= 0;

    /// <inheritdoc/>
    public int CompareTo(Rational other) => denominator == other.denominator ? Numerator.CompareTo(other.Numerator)
        : (Numerator * other.Denominator).CompareTo(other.Numerator * Denominator);

    /// <summary>The magnitude.</summary>
    public Rational Abs() => With(BigInteger.Abs(Numerator));

    /// <summary>The greatest integer that is not greater.</summary>
    public BigInteger Floor() => Floor(Numerator, Denominator);

    /// <summary>The greatest integer that is not greater than the quotient, for less than what the quotient costs.</summary>
    internal BigInteger FloorOver(Rational divisor) => Floor(Numerator * divisor.Denominator, Denominator * divisor.Numerator);

    static BigInteger Floor(BigInteger numerator, BigInteger denominator)
    {
        var quotient = BigInteger.DivRem(numerator, denominator, out var rest);
        return rest.Sign * denominator.Sign < 0 ? quotient - 1 : quotient;
    }

    /// <summary>The integer without the fractional part.</summary>
    public BigInteger Truncate() => IsInteger ? Numerator : BigInteger.Divide(Numerator, denominator);

    /// <summary>The nearest number of so many decimals.</summary>
    /// <param name="decimals">Places after the point; negative ones are zeros before it, as -2 rounds to hundreds.</param>
    /// <param name="midpoint">Where what lies in the middle goes.</param>
    public Rational Round(int decimals, MidpointRounding midpoint = MidpointRounding.AwayFromZero) => decimals >= 0
        ? new(Scaled(decimals, midpoint), BigInteger.Pow(10, decimals))
        : RoundTo(BigInteger.Pow(10, -decimals), midpoint);

    /// <summary>The nearest multiple of a step.</summary>
    /// <param name="step">Not 0.</param>
    /// <param name="midpoint">Where what lies in the middle goes.</param>
    /// <exception cref="DivideByZeroException">The step is 0.</exception>
    public Rational RoundTo(Rational step, MidpointRounding midpoint = MidpointRounding.AwayFromZero) => (this / step).Scaled(0, midpoint) * step;

    /// <summary>The power by an integer.</summary>
    /// <exception cref="DivideByZeroException">0 to a negative power.</exception>
    public Rational Pow(int exponent) => exponent < 0 ? 1 / Pow(-exponent)
        : IsInteger ? new(BigInteger.Pow(Numerator, exponent)) : With(BigInteger.Pow(Numerator, exponent), BigInteger.Pow(denominator, exponent));

    /// <summary>The root, where it is a fraction itself.</summary>
    /// <param name="index">2 for the square root; at least 1.</param>
    /// <returns>The root, negative for a negative number and an odd index; null where there is none or it is irrational.</returns>
    public Rational? Root(int index)
    {
        if (Sign < 0 && index % 2 == 0)
            return null;
        var (above, below) = (Roots.Floor(BigInteger.Abs(Numerator), index), Roots.Floor(Denominator, index));
        return BigInteger.Pow(above, index) == BigInteger.Abs(Numerator) && BigInteger.Pow(below, index) == Denominator
            ? With(Sign < 0 ? -above : above, below) : null;
    }

    /// <summary>The integer nearest to it times a power of ten.</summary>
    internal BigInteger Scaled(int decimals, MidpointRounding midpoint)
    {
        var numerator = decimals == 0 ? Numerator : Numerator * BigInteger.Pow(10, decimals);
        if (IsInteger)
            return numerator;
        var quotient = BigInteger.DivRem(numerator, denominator, out var rest);
        if (rest.IsZero)
            return quotient;
        var middle = (BigInteger.Abs(rest) * 2).CompareTo(denominator);
        var away = midpoint switch
        {
            MidpointRounding.ToEven => middle > 0 || (middle == 0 && !quotient.IsEven),
            MidpointRounding.AwayFromZero => middle >= 0,
            MidpointRounding.ToNegativeInfinity => Sign < 0,
            MidpointRounding.ToPositiveInfinity => Sign > 0,
            _ => false,
        };
        return away ? quotient + Sign : quotient;
    }

    /// <summary>How many decimals it has; null where they never end.</summary>
    internal int? Decimals
    {
        get
        {
            if (IsInteger)
                return 0;
            var twos = (int)BigInteger.TrailingZeroCount(denominator);
            var rest = denominator >> twos;
            var fives = (int)Math.Round(BigInteger.Log(rest, 5));
            return BigInteger.Pow(5, fives) == rest ? Math.Max(twos, fives) : null;
        }
    }

    /// <summary>The bits of the larger of its two integers, a measure of what calculating with it costs.</summary>
    internal long Bits => Math.Max(BigInteger.Abs(Numerator).GetBitLength(), denominator.GetBitLength());

    /// <summary>The fraction as digits: <c>-3/4</c>, or <c>5</c> for an integer.</summary>
    public override string ToString() => IsInteger ? Numerator.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{Numerator}/{denominator}");

    Rational With(BigInteger numerator) => With(numerator, Denominator);

    // What has no common factor already.
    static Rational With(BigInteger numerator, BigInteger denominator) => new((numerator, denominator));

    Rational((BigInteger Numerator, BigInteger Denominator) lowest) =>
        (Numerator, denominator) = (lowest.Numerator, lowest.Denominator.IsOne ? default : lowest.Denominator);
}
