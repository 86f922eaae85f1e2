using System.Globalization;
using System.Numerics;
using System.Text;

namespace Softmodel.Runtime.Numbers;

/// <summary>Numbers as text.</summary>
static class NumberWriter
{
    /// <summary>A number in a style: <see cref="Number.Read(string, bool)"/> reads it again.</summary>
    /// <param name="value">The number; rounded to the decimals of the style, where that has decimals.</param>
    /// <param name="style">How it is written. Where a form can't say the number, as words one of a thousand digits, it is digits.</param>
    /// <param name="unit">Whether the currency or the per cent sign is written.</param>
    /// <param name="midpoint">Where what lies in the middle of two numbers of so many decimals goes.</param>
    public static string Write(Rational value, NumberStyle style, bool unit = true, MidpointRounding midpoint = MidpointRounding.AwayFromZero)
    {
        if (style.Percent)
            value *= 100;
        if (style.Scale is { } scale)
            value /= Number.Factor(scale);
        // What is rounded to nothing has no sign.
        var rounded = style.Form is NumberForm.Fraction or NumberForm.Mixed or NumberForm.Scientific ? value : value.Round(style.Decimals, midpoint);
        var text = Unsigned(rounded.Abs(), style, midpoint) + style.Scale;
        var space = style.UnitSpace ? " " : "";
        if (unit && style.Percent)
            text += $"{space}%";
        else if (unit && style.Unit is { } sign)
            text = style.UnitAfter ? $"{text}{space}{sign}" : $"{sign}{space}{text}";
        return rounded.Sign >= 0 ? text : style.Sign switch
        {
            SignForm.Minus => "\u2212" + text,
            SignForm.MinusWord => "minus " + text,
            SignForm.NegativeWord => "negative " + text,
            SignForm.Parentheses => $"({text})",
            _ when style.Form == NumberForm.Words => "minus " + text,
            _ => "-" + text,
        };
    }

    static string Unsigned(Rational value, NumberStyle style, MidpointRounding midpoint)
    {
        switch (style.Form)
        {
            case NumberForm.Fraction when !value.IsInteger:
                return Fraction(value);
            case NumberForm.Mixed when !value.IsInteger:
                return value > 1 ? $"{Digits(value.Truncate())} {Fraction(value - value.Truncate())}" : Fraction(value);
            case NumberForm.Fraction or NumberForm.Mixed:
                return Decimal(value, style with { Decimals = 0 }, midpoint);
            case NumberForm.Scientific:
                return Scientific(value, style, midpoint);
            case NumberForm.Words when NumberWords.TryWrite(value, style.Decimals, out var words):
                return words;
            case NumberForm.Ordinal:
                var digits = Decimal(value, style with { Decimals = 0 }, midpoint);
                return digits + (digits.Length > 1 && digits[^2] == '1' ? "th" : digits[^1] switch { '1' => "st", '2' => "nd", '3' => "rd", _ => "th" });
            default:
                return Decimal(value, style, midpoint);
        }
    }

    static string Fraction(Rational value) => $"{Digits(value.Numerator)}/{Digits(value.Denominator)}";

    /// <summary>An integer that is not negative. .NET takes the square of its length, which shows from some thousand digits on.</summary>
    public static string Digits(BigInteger value)
    {
        if (value.GetBitLength() <= 8192)
            return value.ToString(CultureInfo.InvariantCulture);
        var half = (int)(value.GetBitLength() * 0.15);
        var high = BigInteger.DivRem(value, BigInteger.Pow(10, half), out var low);
        return Digits(high) + Digits(low).PadLeft(half, '0');
    }

    static string Scientific(Rational value, NumberStyle style, MidpointRounding midpoint)
    {
        var exponent = Magnitude(value);
        var mantissa = (value / new Rational(10, 1).Pow(exponent)).Round(style.Decimals, midpoint);
        // 9.99 rounded to 10.0.
        if (mantissa >= 10)
            (mantissa, exponent) = (mantissa / 10, exponent + 1);
        return string.Create(CultureInfo.InvariantCulture, $"{Decimal(mantissa, style with { Grouping = Grouping.None, Width = 0 }, midpoint)}e{exponent}");
    }

    /// <summary>The power of ten at or below a number that is not negative; 0 for 0.</summary>
    public static int Magnitude(Rational value)
    {
        if (value.Sign == 0)
            return 0;
        var exponent = (int)Math.Floor(BigInteger.Log10(value.Numerator) - BigInteger.Log10(value.Denominator));
        // A logarithm may lie on the wrong side of an integer.
        if (value >= new Rational(10, 1).Pow(exponent + 1))
            return exponent + 1;
        return value < new Rational(10, 1).Pow(exponent) ? exponent - 1 : exponent;
    }

    static string Decimal(Rational value, NumberStyle style, MidpointRounding midpoint)
    {
        var digits = Digits(value.Scaled(style.Decimals, midpoint)).PadLeft(style.Decimals + 1, '0');
        var text = new StringBuilder();
        var integer = digits[..^style.Decimals].PadLeft(style.Width, '0');
        if (!(style.BarePoint && style.Decimals > 0 && integer == "0"))
        {
            for (var i = 0; i < integer.Length; i++)
            {
                var left = integer.Length - i;
                if (i > 0 && style.Grouping != Grouping.None && (style.Indian ? left == 3 || (left > 3 && left % 2 == 1) : left % 3 == 0))
                    text.Append(NumberStyle.Separators[(int)style.Grouping]);
                text.Append(integer[i]);
            }
        }
        if (style.Decimals > 0)
            text.Append(style.DecimalComma ? ',' : '.').Append(digits.AsSpan(digits.Length - style.Decimals));
        return text.ToString();
    }
}
