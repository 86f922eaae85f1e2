using System.Globalization;
using System.Numerics;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Runtime.Sums;

/// <summary>
/// Exact arithmetic within bounds: what would be larger than <see cref="MaxDigits"/>, or take longer than
/// <see cref="MaxWork"/>, is refused before it is computed.
/// </summary>
/// <param name="decimals">How many decimals of an irrational root are asked for.</param>
sealed class Arithmetic(int decimals)
{
    /// <summary>The digits of the largest numerator and denominator: those of a product of two operands.</summary>
    public const int MaxDigits = 2 * Number.MaxDigits;

    /// <summary>The largest index of a root.</summary>
    public const int MaxIndex = 100;

    /// <summary>The significant digits of an irrational root, at least, so that what is computed from it can be rounded.</summary>
    public const int RootDigits = 50;

    /// <summary>The work of all operations together, about as many nanoseconds.</summary>
    public const long MaxWork = 20_000_000;

    const double MaxBits = MaxDigits * 3.32192809488736 + 8;

    long work;

    /// <summary>The sum.</summary>
    public Rational Add(Rational a, Rational b)
    {
        Spend(a, b);
        return Checked(a + b);
    }

    /// <summary>The difference.</summary>
    public Rational Subtract(Rational a, Rational b) => Add(a, -b);

    /// <summary>The product.</summary>
    public Rational Multiply(Rational a, Rational b)
    {
        Spend(a, b);
        return Checked(a * b);
    }

    /// <summary>The quotient.</summary>
    public Rational Divide(Rational a, Rational b)
    {
        if (b.Sign == 0)
            throw ByZero();
        Spend(a, b);
        return Checked(a / b);
    }

    /// <summary>The greatest integer that is not greater than the quotient.</summary>
    public Rational Quotient(Rational a, Rational b)
    {
        if (b.Sign == 0)
            throw ByZero();
        Spend(a, b);
        return a.FloorOver(b);
    }

    /// <summary>What <see cref="Quotient"/> leaves; it has the sign of the divisor.</summary>
    public Rational Remainder(Rational a, Rational b) => Subtract(a, Multiply(b, Quotient(a, b)));

    /// <summary>The power; that by a fraction is a root.</summary>
    public Rational Power(Rational a, Rational b)
    {
        if (!b.IsInteger)
            return b.Denominator <= MaxIndex ? Root(Power(a, b.Numerator), (int)b.Denominator) : throw Index();
        var exponent = b.Numerator;
        if (a.Sign == 0 && exponent.Sign < 0)
            throw ByZero();
        if (exponent.IsZero || a == 1)
            return 1;
        if (a.Sign == 0 || a == -1)
            return exponent.IsEven ? a * a : a;
        var bits = Math.Max(BigInteger.Log(BigInteger.Abs(a.Numerator), 2), BigInteger.Log(a.Denominator, 2));
        if (BigInteger.Abs(exponent) > (BigInteger)MaxBits || bits * (double)BigInteger.Abs(exponent) > MaxBits)
            throw TooLarge();
        Spend((long)(bits * (double)BigInteger.Abs(exponent)));
        return a.Pow((int)exponent);
    }

    /// <summary>The root: exact where it is a fraction, otherwise to <see cref="RootDigits"/> or more.</summary>
    public Rational Root(Rational a, Rational index)
    {
        if (index.Sign == 0)
            throw new ProgramException(ProgramFailure.Undefined, "There is no zeroth root.");
        if (!index.IsInteger || index.Abs() > MaxIndex)
            throw Index();
        var n = (int)index.Numerator;
        if (n < 0)
            return Divide(1, Root(a, -index));
        if (a.Sign < 0 && n % 2 == 0)
            throw new ProgramException(ProgramFailure.Undefined, "A negative number has no such root.");
        Spend(8 * a.Bits);
        if (a.Root(n) is { } exact)
            return exact;
        var places = Math.Max(Math.Max(RootDigits, decimals + 10) - NumberWriter.Magnitude(a.Abs()) / n, decimals + 10);
        if ((long)places * n > MaxDigits)
            throw TooLarge();
        Spend(8 * (a.Bits + 4 * places * n));
        return Roots.Approximate(a, n, places);
    }

    /// <summary>Refuses an operand of a program that takes integers.</summary>
    public static BigInteger Integer(Rational value) => value.IsInteger ? value.Numerator
        : throw new ProgramException(ProgramFailure.Operand, "That is only defined for integers.");

    /// <summary>A division by zero.</summary>
    public static ProgramException ByZero() => new(ProgramFailure.Undefined, "Division by zero is undefined.");

    static ProgramException Index() => new(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"Only roots up to the {MaxIndex}th are worked out."));

    static ProgramException TooLarge() => new(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"The result has more than {MaxDigits:N0} digits."));

    static Rational Checked(Rational value) => value.Bits <= MaxBits ? value : throw TooLarge();

    void Spend(Rational a, Rational b) => Spend(a.Bits + b.Bits);

    /// <summary>Counts the work of an operation before it is done.</summary>
    /// <param name="bits">The bits of both operands.</param>
    public void Spend(long bits)
    {
        // Most of it is the common divisor's, which takes the square of them.
        var words = bits / 32 + 1;
        work += 500 + 50 * words + words * words;
        if (work > MaxWork)
            throw new ProgramException(ProgramFailure.TooLarge, "That is too long to be worked out.");
    }
}
