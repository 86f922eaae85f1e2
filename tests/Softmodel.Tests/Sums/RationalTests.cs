using System.Globalization;
using System.Numerics;
using CsCheck;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Tests.Sums;

public class RationalTests
{
    static readonly Gen<Rational> numbers = Gen.Select(Gen.OneOf(Gen.Int[-20, 20].Select(i => (BigInteger)i), Gen.Long.Select(i => (BigInteger)i * i * i)), Gen.OneOf(Gen.Int[1, 12], Gen.Int[1, int.MaxValue]),
        (above, below) => new Rational(above, below));

    // Without lowest terms: numerator and denominator alone.
    static bool Is(Rational value, BigInteger above, BigInteger below) => value.Numerator * below == above * value.Denominator
        && value.Denominator.Sign > 0 && BigInteger.GreatestCommonDivisor(value.Numerator, value.Denominator).IsOne && (value.Sign != 0 || value.Denominator.IsOne);

    [Fact]
    public void Arithmetic_is_that_of_fractions() => Gen.Select(numbers, numbers).Sample((a, b) =>
    {
        var (n, d, m, e) = (a.Numerator, a.Denominator, b.Numerator, b.Denominator);
        Assert.True(Is(a + b, n * e + m * d, d * e));
        Assert.True(Is(a - b, n * e - m * d, d * e));
        Assert.True(Is(a * b, n * m, d * e));
        Assert.True(Is(-a, -n, d));
        Assert.True(Is(a.Abs(), BigInteger.Abs(n), d));
        Assert.Equal((n * e).CompareTo(m * d), a.CompareTo(b));
        Assert.Equal((n * e < m * d, n * e > m * d, n * e <= m * d, n * e >= m * d, n * e == m * d), ((a < b), (a > b), (a <= b), (a >= b), (a == b)));
        if (b.Sign != 0)
            Assert.True(Is(a / b, n * e, d * m));
        Assert.True(a.Floor() <= a && a < a.Floor() + 1);
        Assert.Equal((a.Floor(), a == a.Floor()), (a.Sign < 0 && !a.IsInteger ? a.Truncate() - 1 : a.Truncate(), a.IsInteger));
    }, iter: 20_000);

    [Fact]
    public void Powers_and_roots_are_inverse() => Gen.Select(numbers, Gen.Int[-5, 7]).Sample((a, n) =>
    {
        if (a.Sign == 0 && n < 0)
            return;
        Rational product = 1;
        for (var i = 0; i < Math.Abs(n); i++)
            product *= a;
        Assert.Equal(n < 0 ? 1 / product : product, a.Pow(n));
        if (n > 0)
            Assert.Equal(n % 2 == 0 ? a.Abs() : a, a.Pow(n).Root(n));
        if (n > 1 && a.Abs() > 1 && a.IsInteger)
            Assert.Null((a.Pow(n).Abs() + 1).Root(n));
    }, iter: 5000);

    [Fact]
    public void Roots_of_large_integers_are_floors() => Gen.Select(Gen.Byte.Array[1, 200], Gen.Int[1, 60]).Sample((bytes, index) =>
    {
        var number = new BigInteger(bytes, isUnsigned: true);
        var root = Roots.Floor(number, index);
        Assert.True(BigInteger.Pow(root, index) <= number && BigInteger.Pow(root + 1, index) > number);
    }, iter: 5000);

    [Fact]
    public void Rounding_is_that_of_decimal() => Gen.Select(Gen.Long, Gen.Int[0, 10], Gen.Int[0, 10], Gen.Enum<MidpointRounding>()).Sample((digits, scale, places, mode) =>
    {
        var number = digits / (decimal)Math.Pow(10, scale);
        Assert.Equal(Math.Round(number, places, mode), (decimal)((Rational)number).Round(places, mode));
    }, iter: 20_000);

    [Fact]
    public void Decimals_convert_exactly_and_the_rest_to_the_nearest()
    {
        Gen.Decimal.Sample(x => Assert.Equal(x, (decimal)(Rational)x));
        foreach (var x in (decimal[])[decimal.MaxValue, decimal.MinValue, 0, 1e-28m, -7.9228162514264337593543950335m])
            Assert.Equal(x, (decimal)(Rational)x);
        Assert.Equal(0.6666666666666666666666666667m, (decimal)new Rational(2, 3));
        Assert.Equal(0m, (decimal)new Rational(1, BigInteger.Pow(10, 40)));
        Assert.Throws<OverflowException>(() => (decimal)((Rational)decimal.MaxValue + 1));
        Assert.Throws<DivideByZeroException>(() => new Rational(1, 0));
        Assert.Throws<DivideByZeroException>(() => new Rational(1, 2) / 0);
    }

    [Fact]
    public void Decimals_are_counted() => Gen.Select(Gen.Int[0, 40], Gen.Int[0, 40], Gen.Int[1, 10_000]).Sample((twos, fives, above) =>
    {
        var value = new Rational(above, BigInteger.Pow(2, twos) * BigInteger.Pow(5, fives));
        var decimals = value.Decimals!.Value;
        Assert.True((value * BigInteger.Pow(10, decimals)).IsInteger && (decimals == 0 || !(value * BigInteger.Pow(10, decimals - 1)).IsInteger));
        Assert.Null((value + new Rational(1, 7)).Decimals);
    });

    [Fact]
    public void The_default_is_zero()
    {
        Assert.Equal(0, default(Rational));
        Assert.Equal("0", default(Rational).ToString());
        Assert.Equal(1, default(Rational).Denominator);
        Assert.Equal("-3/4", new Rational(6, -8).ToString());
        Assert.Equal("123456789012345678901234567890", ((Rational)BigInteger.Parse("123456789012345678901234567890", CultureInfo.InvariantCulture)).ToString());
    }
}
