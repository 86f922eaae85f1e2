using System.Globalization;
using System.Numerics;

namespace Softmodel.Tests.Common;

/// <summary>An exact number. It owes nothing to the numbers of the product, which are measured with it.</summary>
readonly record struct Ratio : IComparable<Ratio>
{
    /// <summary>The numerator, in lowest terms.</summary>
    public BigInteger Numerator { get; }

    /// <summary>The denominator, which is positive.</summary>
    public BigInteger Denominator { get; }

    /// <summary>A quotient.</summary>
    /// <exception cref="DivideByZeroException">The denominator is zero.</exception>
    public Ratio(BigInteger numerator, BigInteger denominator)
    {
        if (denominator.IsZero)
            throw new DivideByZeroException();
        var common = BigInteger.GreatestCommonDivisor(numerator, denominator) * denominator.Sign;
        (Numerator, Denominator) = (numerator / common, denominator / common);
    }

    /// <summary>An integer.</summary>
    public static implicit operator Ratio(BigInteger value) => new(value, 1);

    /// <inheritdoc cref="op_Implicit(BigInteger)"/>
    public static implicit operator Ratio(int value) => new(value, 1);

    /// <summary>Reads digits, with a decimal point or none.</summary>
    public static bool TryParse(string text, out Ratio value)
    {
        var point = text.IndexOf('.');
        var isNumber = BigInteger.TryParse(point < 0 ? text : text.Remove(point, 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var digits);
        value = isNumber ? new Ratio(digits, BigInteger.Pow(10, point < 0 ? 0 : text.Length - point - 1)) : 0;
        return isNumber;
    }

    /// <summary>Whether it is whole.</summary>
    public bool IsInteger => Denominator.IsOne;

    /// <summary>It as an integer.</summary>
    /// <exception cref="ArithmeticException">It is none.</exception>
    public BigInteger Integer => IsInteger ? Numerator : throw new ArithmeticException($"{Numerator}/{Denominator} is no integer");

    /// <summary>How many decimals it has.</summary>
    /// <exception cref="ArithmeticException">They have no end.</exception>
    public int Decimals
    {
        get
        {
            var (places, rest) = (0, Denominator);
            for (; !rest.IsOne; places++)
            {
                var common = BigInteger.GreatestCommonDivisor(rest, 10);
                rest = common.IsOne ? throw new ArithmeticException($"{Numerator}/{Denominator} has no end as a decimal") : rest / common;
            }
            return places;
        }
    }

    /// <summary>The integer at it or below.</summary>
    public BigInteger Floor()
    {
        var (quotient, rest) = BigInteger.DivRem(Numerator, Denominator);
        return rest.Sign < 0 ? quotient - 1 : quotient;
    }

    /// <summary>To a number of decimals, halves away from zero.</summary>
    public Ratio Round(int places)
    {
        var scale = Power(10, places);
        var whole = (new Ratio(BigInteger.Abs(Numerator), Denominator) * scale + new Ratio(1, 2)).Floor();
        return Numerator.Sign * (Ratio)whole / scale;
    }

    /// <summary>A whole power; of a negative exponent, too.</summary>
    public static Ratio Power(Ratio x, int exponent) => exponent < 0 ? 1 / Power(x, -exponent) : new(BigInteger.Pow(x.Numerator, exponent), BigInteger.Pow(x.Denominator, exponent));

    /// <inheritdoc/>
    public int CompareTo(Ratio other) => (Numerator * other.Denominator).CompareTo(other.Numerator * Denominator);

#pragma warning disable CS1591
    public static Ratio operator +(Ratio a, Ratio b) => new(a.Numerator * b.Denominator + b.Numerator * a.Denominator, a.Denominator * b.Denominator);
    public static Ratio operator -(Ratio a, Ratio b) => new(a.Numerator * b.Denominator - b.Numerator * a.Denominator, a.Denominator * b.Denominator);
    public static Ratio operator -(Ratio a) => new(-a.Numerator, a.Denominator);
    public static Ratio operator *(Ratio a, Ratio b) => new(a.Numerator * b.Numerator, a.Denominator * b.Denominator);
    public static Ratio operator /(Ratio a, Ratio b) => new(a.Numerator * b.Denominator, a.Denominator * b.Numerator);
#pragma warning restore CS1591
}

/// <summary>
/// The expressions of <c>tests/data/sums</c>, read as Python does and exact over the rationals. A value is a <see cref="Ratio"/>,
/// a <see cref="string"/>, a <see cref="bool"/>, or an array of numbers.
/// </summary>
sealed class SumExpression
{
    delegate object Value();

    readonly string text;
    readonly IReadOnlyDictionary<string, object> slots;
    readonly bool wholeQuotients;
    int at;

    SumExpression(string text, IReadOnlyDictionary<string, object> slots, bool wholeQuotients) => (this.text, this.slots, this.wholeQuotients) = (text, slots, wholeQuotients);

    /// <summary>Computes one.</summary>
    /// <param name="text">The expression.</param>
    /// <param name="slots">The values of its names.</param>
    /// <param name="wholeQuotients">Whether every division has to be exact.</param>
    /// <exception cref="FormatException">It is no expression.</exception>
    /// <exception cref="ArithmeticException">It has no value.</exception>
    public static object Evaluate(string text, IReadOnlyDictionary<string, object> slots, bool wholeQuotients = false)
    {
        var reader = new SumExpression(text, slots, wholeQuotients);
        var value = reader.Choice();
        return reader.Rest().IsEmpty ? value() : throw reader.Wrong();
    }

    /// <summary>Computes one whose value is a number.</summary>
    public static Ratio Number(string text, IReadOnlyDictionary<string, object> slots, bool wholeQuotients = false) => (Ratio)Evaluate(text, slots, wholeQuotients);

    FormatException Wrong() => new($"'{text}' is no expression from character {at} on");

    ReadOnlySpan<char> Rest()
    {
        while (at < text.Length && text[at] == ' ')
            at++;
        return text.AsSpan(at);
    }

    bool Take(string token)
    {
        var rest = Rest();
        if (!rest.StartsWith(token) || (char.IsAsciiLetter(token[0]) && rest.Length > token.Length && char.IsAsciiLetterOrDigit(rest[token.Length])))
            return false;
        at += token.Length;
        return true;
    }

    string? TakeAny(params ReadOnlySpan<string> tokens)
    {
        foreach (var token in tokens)
        {
            if (Take(token))
                return token;
        }
        return null;
    }

    void Need(string token)
    {
        if (!Take(token))
            throw Wrong();
    }

    // Only the side that is chosen is computed: the other may have no value.
    Value Choice()
    {
        var value = Or();
        if (!Take("if"))
            return value;
        var condition = Or();
        Need("else");
        var other = Choice();
        return () => (bool)condition() ? value() : other();
    }

    Value Or()
    {
        var a = And();
        while (Take("or"))
        {
            var (left, right) = (a, And());
            a = () => (bool)left() || (bool)right();
        }
        return a;
    }

    Value And()
    {
        var a = Not();
        while (Take("and"))
        {
            var (left, right) = (a, Not());
            a = () => (bool)left() && (bool)right();
        }
        return a;
    }

    Value Not()
    {
        if (!Take("not"))
            return Comparison();
        var value = Not();
        return () => !(bool)value();
    }

    Value Comparison()
    {
        var left = Sum();
        Value? all = null;
        while (TakeAny("<=", ">=", "==", "!=", "<", ">") is { } sign)
        {
            var (a, b, before) = (left, Sum(), all);
            all = () => (before is null || (bool)before()) && Holds(sign, a(), b());
            left = b;
        }
        return all ?? left;
    }

    static bool Holds(string sign, object a, object b) => sign switch
    {
        "==" => a.Equals(b),
        "!=" => !a.Equals(b),
        "<" => ((Ratio)a).CompareTo((Ratio)b) < 0,
        "<=" => ((Ratio)a).CompareTo((Ratio)b) <= 0,
        ">" => ((Ratio)a).CompareTo((Ratio)b) > 0,
        _ => ((Ratio)a).CompareTo((Ratio)b) >= 0,
    };

    Value Sum()
    {
        var a = Product();
        while (TakeAny("+", "-") is { } sign)
        {
            var (left, right) = (a, Product());
            a = () => sign == "+" ? (Ratio)left() + (Ratio)right() : (Ratio)left() - (Ratio)right();
        }
        return a;
    }

    Value Product()
    {
        var a = Signed();
        while (TakeAny("*", "//", "/", "%") is { } sign)
        {
            var (left, right, isWhole) = (a, Signed(), wholeQuotients);
            a = () => Multiplied(sign, (Ratio)left(), (Ratio)right(), isWhole);
        }
        return a;
    }

    static Ratio Multiplied(string sign, Ratio a, Ratio b, bool wholeQuotients) => sign switch
    {
        "*" => a * b,
        "/" => wholeQuotients ? (a / b).Integer : a / b,
        "//" => (a / b).Floor(),
        _ => a - (a / b).Floor() * b,
    };

    Value Signed()
    {
        if (!Take("-"))
            return Power();
        var value = Signed();
        return () => -(Ratio)value();
    }

    Value Power()
    {
        var value = Operand();
        if (!Take("**"))
            return value;
        var exponent = Signed();
        return () => Ratio.Power((Ratio)value(), (int)((Ratio)exponent()).Integer);
    }

    Value Operand()
    {
        if (Take("("))
        {
            var value = Choice();
            Need(")");
            return value;
        }
        if (Take("'"))
        {
            var length = text.AsSpan(at).IndexOf('\'');
            var quoted = text.Substring(at, length < 0 ? throw Wrong() : length);
            at += length + 1;
            return () => quoted;
        }
        var rest = Rest();
        var end = 0;
        while (end < rest.Length && (char.IsAsciiLetterOrDigit(rest[end]) || rest[end] is '_' or '.'))
            end++;
        var word = rest[..end].ToString();
        at += end;
        if (word.Length == 0)
            throw Wrong();
        if (char.IsAsciiDigit(word[0]))
            return Ratio.TryParse(word, out var number) ? () => number : throw Wrong();
        if (Take("("))
        {
            var arguments = new List<Value>();
            do
                arguments.Add(Choice());
            while (Take(","));
            Need(")");
            return () => Called(word, [.. arguments.Select(a => a())]);
        }
        return slots.TryGetValue(word, out var slot) ? () => slot : throw Wrong();
    }

    static object Called(string function, object[] arguments)
    {
        Ratio[] all = [.. arguments.SelectMany(a => a is Ratio one ? [one] : (Ratio[])a)];
        var x = all[0];
        return function switch
        {
            "abs" => x.Numerator.Sign < 0 ? -x : x,
            "floor" => (Ratio)x.Floor(),
            "ceil" => -(Ratio)(-x).Floor(),
            "integer" => x.IsInteger,
            "round" => x.Round((int)all[1].Integer),
            "sqrt" => Root(x, 2),
            "root" => Root(x, (int)all[1].Integer),
            "rootround" => RootRounded(x, (int)all[1].Integer, (int)all[2].Integer),
            "min" => all.Min(),
            "max" => all.Max(),
            "sum" => Total(all),
            "mean" => Total(all) / all.Length,
            "count" => (Ratio)all.Length,
            "gcd" => (Ratio)all.Select(a => a.Integer).Aggregate(BigInteger.GreatestCommonDivisor),
            "lcm" => (Ratio)all.Select(a => a.Integer).Aggregate((a, b) => BigInteger.Abs(a * b) / BigInteger.GreatestCommonDivisor(a, b)),
            "digitsum" => (Ratio)BigInteger.Abs(x.Integer).ToString(CultureInfo.InvariantCulture).Sum(c => c - '0'),
            _ => throw new FormatException($"no expression has a function '{function}'"),
        };
    }

    static Ratio Total(Ratio[] all) => all.Aggregate((a, b) => a + b);

    // The greatest integer whose power is no greater.
    static BigInteger RootFloor(BigInteger x, int k)
    {
        if (x.Sign < 0)
            throw new ArithmeticException($"{x} is negative");
        var (low, high) = (BigInteger.Zero, BigInteger.One << (int)(x.GetBitLength() / k + 1));
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            (low, high) = BigInteger.Pow(middle, k) <= x ? (middle, high) : (low, middle);
        }
        return low;
    }

    static Ratio Root(Ratio x, int k)
    {
        var root = new Ratio(RootFloor(x.Numerator, k), RootFloor(x.Denominator, k));
        return Ratio.Power(root, k) == x ? root : throw new ArithmeticException($"{x.Numerator}/{x.Denominator} has no exact root");
    }

    // Twice as much is rooted as is shown: its last bit says on which side of a half the root lies.
    static Ratio RootRounded(Ratio x, int k, int places)
    {
        var twice = RootFloor((x * Ratio.Power(2 * Ratio.Power(10, places), k)).Floor(), k);
        return new Ratio((twice + 1) / 2, 1) / Ratio.Power(10, places);
    }
}
