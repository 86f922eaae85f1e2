using System.Globalization;
using System.Numerics;
using Softmodel.Runtime.Fusion;

namespace Softmodel.Runtime.Numbers;

/// <summary>A number as it stands in a text.</summary>
/// <param name="Value">What it is worth; a percentage is in parts of one.</param>
/// <param name="Style">How it is written.</param>
readonly record struct Number(Rational Value, NumberStyle Style)
{
    /// <summary>The digits that a number may have, before the decimal separator and after it together.</summary>
    public const int MaxDigits = 10_000;

    /// <summary>The digits that numbers may have that are read together.</summary>
    public const int MaxTotal = 4 * MaxDigits;

    // With separators and spaces around, and in words.
    const int MaxText = 2 * MaxDigits, MaxWords = 64;

    static readonly (string Text, BigInteger Factor)[] suffixes =
    [
        ("mn", 1_000_000), ("mio", 1_000_000), ("bn", 1_000_000_000), ("tn", 1_000_000_000_000), ("trn", 1_000_000_000_000),
        ("k", 1_000), ("K", 1_000), ("M", 1_000_000), ("B", 1_000_000_000), ("T", 1_000_000_000_000),
    ];

    // The longer ones before those that they begin or end with.
    static readonly string[] units =
    [
        "US$", "CA$", "NZ$", "HK$", "AU$", "A$", "C$", "R$", "S$", "$", "€", "£", "¥", "₹", "₩", "₽", "₺", "₴", "₪", "₫", "฿", "₦", "₱", "¢",
        "USD", "EUR", "GBP", "JPY", "CHF", "INR", "CNY", "RMB", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "BRL", "MXN", "ZAR", "KRW",
        "dollars", "dollar", "euros", "euro", "pounds", "pound", "rupees", "rupee", "francs", "franc", "pesos", "peso", "yen", "yuan", "cents", "cent", "pence", "bucks",
    ];

    static readonly string[] percents = ["%", "percent", "per cent", "pct"];

    static readonly string[] signWords = ["minus", "negative", "plus", "positive"];

    const string Vulgar = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒";

    static readonly (int Above, int Below)[] vulgarValues =
        [(1, 2), (1, 3), (2, 3), (1, 4), (3, 4), (1, 5), (2, 5), (3, 5), (4, 5), (1, 6), (5, 6), (1, 8), (3, 8), (5, 8), (7, 8), (1, 7), (1, 9), (1, 10)];

    /// <summary>Reads a number.</summary>
    /// <param name="text">The number, perhaps with a currency or per cent sign; spaces, quotes and punctuation around it don't count.</param>
    /// <param name="decimalComma">Whether a lone comma before three digits is the decimal separator, and a lone point between thousands.</param>
    /// <exception cref="ProgramException">It is none, or has more than <see cref="MaxDigits"/> digits.</exception>
    public static Number Read(string text, bool decimalComma = false) => Found(text, decimalComma) ?? throw None(text);

    /// <summary>Whether a text is a number; one that has too many digits is.</summary>
    public static bool Is(string text)
    {
        try
        {
            return Found(text, decimalComma: false) is not null;
        }
        catch (ProgramException e)
        {
            return e.Failure != ProgramFailure.Operand;
        }
    }

    static Number? Found(string text, bool decimalComma)
    {
        if (text.Length > MaxText)
            throw TooLong(text);
        var plain = Plain(text);
        var rest = Trimmed(plain);
        if (rest.IsEmpty)
            return null;
        var style = new NumberStyle();
        var (negative, signed) = (false, false);
        if (rest[0] == '(' && rest[^1] == ')' && rest.Length > 2)
        {
            rest = rest[1..^1].Trim();
            style = style with { Sign = SignForm.Parentheses };
            (negative, signed) = (true, true);
        }
        // A sign and a currency, in any order.
        for (var changed = true; changed && rest.Length > 0;)
        {
            changed = false;
            if (!signed && Sign(rest, out var length) is { } sign)
            {
                (signed, negative, style) = (true, sign.Negative, style with { Sign = sign.Form });
                rest = rest[length..].TrimStart();
                changed = true;
            }
            if (style.Unit is null && Starting(rest, units, out var before))
            {
                var spaced = before < rest.Length && char.IsWhiteSpace(rest[before]);
                style = style with { Unit = rest[..before].ToString(), UnitSpace = spaced };
                rest = rest[before..].TrimStart();
                changed = true;
            }
        }
        if (Ending(rest, percents, out var end) || (style.Unit is null && Ending(rest, units, out end)))
        {
            var unit = rest[end..].ToString();
            rest = rest[..end];
            var spaced = rest.Length > 0 && char.IsWhiteSpace(rest[^1]);
            style = percents.Contains(unit, StringComparer.OrdinalIgnoreCase) ? style with { Percent = true, UnitSpace = spaced }
                : style with { Unit = unit, UnitAfter = true, UnitSpace = spaced };
            rest = rest.TrimEnd();
        }
        if (rest.IsEmpty)
            return null;
        if (Unsigned(rest, ref style, decimalComma, text) is not { } value)
            return null;
        if (style.Percent)
            value /= 100;
        return new Number(negative ? -value : value, style);
    }

    /// <summary>Reads numbers that stand together: where one has a decimal comma, the others are read so, too.</summary>
    /// <param name="texts">The numbers.</param>
    /// <exception cref="ProgramException">One is none, or has more than <see cref="MaxDigits"/> digits.</exception>
    public static Number[] Read(ReadOnlySpan<string> texts)
    {
        var numbers = new Number[texts.Length];
        var digits = 0L;
        for (var i = 0; i < texts.Length; i++)
        {
            numbers[i] = Read(texts[i]);
            CheckTotal(ref digits, numbers[i].Value);
        }
        if (numbers.Any(n => n.Style.DecimalComma))
        {
            for (var i = 0; i < texts.Length; i++)
                numbers[i] = Read(texts[i], decimalComma: true);
        }
        return numbers;
    }

    /// <summary>Counts the digits of numbers that are read together.</summary>
    /// <exception cref="ProgramException">They are more than <see cref="MaxTotal"/>.</exception>
    public static void CheckTotal(ref long digits, Rational value)
    {
        digits += value.Bits * 3 / 10;
        if (digits > MaxTotal)
            throw new ProgramException(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"The numbers have more than {MaxTotal:N0} digits together."));
    }

    /// <summary>A text in which digits, signs and letters have their usual forms.</summary>
    public static string Plain(string text)
    {
        foreach (var c in text)
        {
            if (c > '\x7F' && Plain(c) != c)
                return string.Create(text.Length, text, static (to, from) =>
                {
                    for (var i = 0; i < to.Length; i++)
                        to[i] = Plain(from[i]);
                });
        }
        return text;
    }

    // Full-width forms, and the digits of all scripts.
    static char Plain(char c) => c is >= '\uFF01' and <= '\uFF5E' ? (char)(c - 0xFEE0)
        : c > '\x7F' && char.IsDigit(c) ? (char)('0' + (int)char.GetNumericValue(c))
        : c is '\u2044' or '\u2215' ? '/' : c;

    static ReadOnlySpan<char> Trimmed(ReadOnlySpan<char> text)
    {
        const string Around = " \t\r\n\u00A0\u202F\u2009\"'`*“”‘’„«»[]{}";
        while (true)
        {
            var trimmed = text.Trim(Around).TrimEnd(".,;:?!=");
            if (trimmed.Length == text.Length)
                return text;
            text = trimmed;
        }
    }

    /// <summary>The length of the currency at the beginning of a text; 0 where there is none.</summary>
    public static int UnitLength(ReadOnlySpan<char> text) => Starting(text, units, out var length) ? length : 0;

    /// <summary>The length of what multiplies the number before, at the beginning of a text: <c>k</c>, <c>bn</c>; 0 where there is nothing of the kind.</summary>
    public static int SuffixLength(ReadOnlySpan<char> text)
    {
        foreach (var (suffix, _) in suffixes)
        {
            if (text.StartsWith(suffix, StringComparison.Ordinal) && (text.Length == suffix.Length || !char.IsLetterOrDigit(text[suffix.Length])))
                return suffix.Length;
        }
        return 0;
    }

    /// <summary>Whether a character is a fraction of its own, as ½.</summary>
    public static bool IsFraction(char c) => Vulgar.Contains(c);

    static (bool Negative, SignForm Form)? Sign(ReadOnlySpan<char> text, out int length)
    {
        length = 1;
        switch (text[0])
        {
            case '-' or '\u2010' or '\u2011' or '\u2013' or '\uFE63':
                return (true, SignForm.Hyphen);
            case '\u2212':
                return (true, SignForm.Minus);
            case '+':
                return (false, SignForm.Hyphen);
        }
        if (!Starting(text, signWords, out length) || length == text.Length || char.IsAsciiLetter(text[length]))
            return null;
        return (text[0] | 0x20) switch
        {
            'm' => (true, SignForm.MinusWord),
            'n' => (true, SignForm.NegativeWord),
            _ => (false, SignForm.Hyphen),
        };
    }

    // Codes and words only where no letter follows or precedes them.
    static bool Starting(ReadOnlySpan<char> text, string[] table, out int length)
    {
        length = 0;
        foreach (var row in table)
        {
            if (text.StartsWith(row, row[0] is >= 'a' and <= 'z' ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal)
                && (text.Length == row.Length || !char.IsLetter(row[^1]) || !char.IsLetter(text[row.Length])))
            {
                length = row.Length;
                return true;
            }
        }
        return false;
    }

    static bool Ending(ReadOnlySpan<char> text, string[] table, out int start)
    {
        start = 0;
        foreach (var row in table)
        {
            var at = text.Length - row.Length;
            if (at >= 0 && text.EndsWith(row, row[0] is >= 'a' and <= 'z' ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal)
                && (at == 0 || !char.IsLetter(row[0]) || !char.IsLetter(text[at - 1])))
            {
                start = at;
                return true;
            }
        }
        return false;
    }

    static Rational? Unsigned(ReadOnlySpan<char> text, ref NumberStyle style, bool decimalComma, string whole)
    {
        if (char.IsAsciiDigit(text[0]) || text[0] is '.' or ',' || Vulgar.Contains(text[0]))
        {
            foreach (var (suffix, factor) in suffixes)
            {
                if (text.EndsWith(suffix, StringComparison.Ordinal) && text.Length > suffix.Length && (char.IsAsciiDigit(text[^(suffix.Length + 1)]) || text[^(suffix.Length + 1)] == ' '))
                {
                    var digits = text[..^suffix.Length].TrimEnd();
                    style = style with { Scale = text[digits.Length..].ToString() };
                    return Digits(digits, ref style, decimalComma, whole) * factor;
                }
            }
            // The only words whose style is that of the digits: "2 million".
            if (text.LastIndexOf(' ') is > 0 and var space && NumberWords.Scale(text[(space + 1)..].ToString().ToLowerInvariant()) is { } scale)
            {
                var read = style;
                if (Digits(text[..space], ref read, decimalComma, whole) is { } count)
                {
                    style = read with { Scale = text[space..].ToString() };
                    return count * scale;
                }
            }
            if (text.Length > 2 && text[^2..] is "st" or "nd" or "rd" or "th" or "ST" or "ND" or "RD" or "TH" && Ordinal(text, ref style, decimalComma, whole) is { } place)
                return place;
            if (Digits(text, ref style, decimalComma, whole) is { } value)
                return value;
        }
        return Words(text, ref style, decimalComma, whole);
    }

    static Rational? Ordinal(ReadOnlySpan<char> text, ref NumberStyle style, bool decimalComma, string whole)
    {
        var read = style;
        if (Digits(text[..^2], ref read, decimalComma, whole) is not { IsInteger: true } value || read.Form != NumberForm.Decimal || read.Decimals > 0)
            return null;
        style = read with { Form = NumberForm.Ordinal };
        return value;
    }

    static Rational? Words(ReadOnlySpan<char> text, ref NumberStyle style, bool decimalComma, string whole)
    {
        var words = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            var start = at;
            while (at < text.Length && !char.IsWhiteSpace(text[at]) && text[at] is not ('-' or '\u2010' or '\u2011' or '\u2013') && !(text[at] == ',' && (at + 1 == text.Length || char.IsWhiteSpace(text[at + 1]))))
                at++;
            var word = text[start..at].ToString().ToLowerInvariant();
            // "3 1/2 dozen".
            if (word.Contains('/') && words.Count > 0 && char.IsAsciiDigit(words[^1][0]))
                words[^1] += $" {word}";
            else if (word.Length > 0)
                words.Add(word);
            at++;
            if (words.Count > MaxWords)
                return null;
        }
        // Digits alone have been read before.
        if (!words.Any(w => char.IsAsciiLetter(w[0])))
            return null;
        var value = NumberWords.Read([.. words], word =>
        {
            var ignored = new NumberStyle();
            return Digits(word, ref ignored, decimalComma, whole);
        });
        if (value is { } read)
        {
            CheckLength(Math.Max(1, read.Bits / 4), whole);
            style = style with { Form = NumberForm.Words, Decimals = read.Decimals ?? 0 };
        }
        return value;
    }

    // Digits with separators, a fraction, or a power of ten.
    static Rational? Digits(ReadOnlySpan<char> text, ref NumberStyle style, bool decimalComma, string whole)
    {
        if (text.IsEmpty)
            return null;
        if (Vulgar.IndexOf(text[^1]) is >= 0 and var vulgar)
        {
            var (above, below) = vulgarValues[vulgar];
            var before = text[..^1].TrimEnd();
            style = style with { Form = before.IsEmpty ? NumberForm.Fraction : NumberForm.Mixed };
            return before.IsEmpty ? new Rational(above, below) : Integer(before, whole) + new Rational(above, below);
        }
        if (text.IndexOf('/') is > 0 and var slash)
        {
            var above = text[..slash].TrimEnd();
            var below = text[(slash + 1)..].TrimStart();
            var space = above.LastIndexOf(' ');
            var mixed = space > 0 ? Integer(above[..space].TrimEnd(), whole) : 0;
            if (mixed is null || Integer(above[(space + 1)..], whole) is not { } numerator || Integer(below, whole) is not { } denominator)
                return null;
            if (denominator.Sign == 0)
                throw new ProgramException(ProgramFailure.Undefined, "Division by zero is undefined.");
            style = style with { Form = space > 0 ? NumberForm.Mixed : NumberForm.Fraction };
            return mixed + numerator / denominator;
        }
        if (Exponent(text, out var mantissa) is { } power)
        {
            if (Separated(mantissa, ref style, decimalComma, whole) is not { } digits)
                return null;
            CheckLength(Math.Abs((long)power) + mantissa.Length, whole);
            style = style with { Form = NumberForm.Scientific };
            return digits * new Rational(10, 1).Pow(power);
        }
        return Separated(text, ref style, decimalComma, whole);
    }

    // "1.5e3", "1.5E+3", "1.5×10^3", "1.5 x 10^3".
    static int? Exponent(ReadOnlySpan<char> text, out ReadOnlySpan<char> mantissa)
    {
        mantissa = text;
        var at = text.IndexOfAny('e', 'E');
        var power = at > 0 ? text[(at + 1)..] : default;
        if (at < 0 && text.IndexOfAny('×', 'x', '*') is > 0 and var times && text[(times + 1)..].TrimStart() is var ten && ten.StartsWith("10^"))
        {
            at = times;
            power = ten[3..];
        }
        if (at <= 0 || power.IsEmpty)
            return null;
        mantissa = text[..at].TrimEnd();
        var negative = power[0] is '-' or '\u2212';
        if (negative || power[0] == '+')
            power = power[1..];
        return power.Length is > 0 and <= 9 && !power.ContainsAnyExceptInRange('0', '9') ? (negative ? -1 : 1) * int.Parse(power, CultureInfo.InvariantCulture) : null;
    }

    static Rational? Integer(ReadOnlySpan<char> digits, string whole)
    {
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9'))
            return null;
        CheckLength(digits.Length, whole);
        return BigInteger.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
    }

    /// <summary>What <see cref="NumberStyle.Scale"/> multiplies with.</summary>
    public static BigInteger Factor(string? scale) => scale is null ? 1 : suffixes.FirstOrDefault(s => s.Text == scale.Trim()) is { Text: not null } row ? row.Factor
        : NumberWords.Scale(scale.Trim()) ?? 1;

    // Digits, what separates thousands, and a decimal separator.
    static Rational? Separated(ReadOnlySpan<char> text, ref NumberStyle style, bool decimalComma, string whole)
    {
        char first = '\0', last = '\0';
        var (separators, lastAt, kinds) = (0, -1, 0);
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsAsciiDigit(text[i]))
                continue;
            if (NumberStyle.Separators.IndexOf(text[i]) <= 0)
                return null;
            kinds += separators == 0 || text[i] != last ? 1 : 0;
            if (separators++ == 0)
                first = text[i];
            (last, lastAt) = (text[i], i);
        }
        if (lastAt == text.Length - 1 || kinds > 2)
            return null;
        // Of two kinds the last is the decimal separator. One alone is if it cannot separate thousands, and a point unless commas are decimal.
        var isDecimal = separators > 0 && last is '.' or ',' && (kinds == 2 ? text[..lastAt].IndexOf(last) < 0
            : separators == 1 && (last == (decimalComma ? ',' : '.') || !Groups(text, last, out _) || text[0] == '0'));
        var integer = isDecimal ? text[..lastAt] : text;
        var fraction = isDecimal ? text[(lastAt + 1)..] : default;
        var grouping = separators > (isDecimal ? 1 : 0) ? (Grouping)NumberStyle.Separators.IndexOf(first) : Grouping.None;
        var indian = false;
        if (grouping != Grouping.None && !Groups(integer, first, out indian))
            return null;
        Span<char> digits = text.Length <= 256 ? stackalloc char[text.Length] : new char[text.Length];
        var count = 0;
        foreach (var c in text)
        {
            if (char.IsAsciiDigit(c))
                digits[count++] = c;
        }
        if (count == 0)
            return null;
        CheckLength(count, whole);
        digits = digits[..count];
        var before = count - fraction.Length;
        style = style with
        {
            Grouping = grouping,
            Indian = indian,
            DecimalComma = isDecimal ? last == ',' : grouping == Grouping.Dot,
            Decimals = fraction.Length,
            Width = before > 1 && digits[0] == '0' ? before : 0,
            BarePoint = before == 0,
        };
        var value = BigInteger.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        return fraction.IsEmpty ? value : new Rational(value, BigInteger.Pow(10, fraction.Length));
    }

    // Groups of three digits after the first; or of two, and three at the end.
    static bool Groups(ReadOnlySpan<char> text, char separator, out bool indian)
    {
        indian = false;
        var (ofThree, ofTwo, groups, length) = (true, true, 0, 0);
        for (var i = text.Length - 1; i >= -1; i--)
        {
            if (i >= 0 && text[i] != separator)
            {
                if (!char.IsAsciiDigit(text[i]))
                    return false;
                length++;
                continue;
            }
            if (i < 0)
                (ofThree, ofTwo) = (ofThree && length is >= 1 and <= 3, ofTwo && length is 1 or 2);
            else
                (ofThree, ofTwo) = (ofThree && length == 3, ofTwo && length == (groups == 0 ? 3 : 2));
            groups++;
            length = 0;
        }
        indian = !ofThree && ofTwo && groups > 2;
        return ofThree || indian;
    }

    static void CheckLength(long digits, string text)
    {
        if (digits > MaxDigits)
            throw TooLong(text);
    }

    static ProgramException TooLong(string text) => new(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"'{Short(text)}' has more than {MaxDigits:N0} digits."));

    static ProgramException None(string text) => new(ProgramFailure.Operand, string.IsNullOrWhiteSpace(text) ? "An operand is empty." : $"'{Short(text)}' is no number.");

    /// <summary>A text in a message: its beginning, where it is long.</summary>
    public static string Short(string text) => text.Length <= 40 ? text : $"{text[..36]}...";
}
