using System.Globalization;

namespace Softmodel.Speech;

/// <summary>Numbers as English words, without hyphens.</summary>
static class SpokenNumbers
{
    static readonly string[] ones =
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];

    static readonly string[] tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    static readonly string[] scales =
    [
        "", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion", "octillion",
        "nonillion", "decillion",
    ];

    static readonly Dictionary<string, string> ordinals = new()
    {
        ["one"] = "first",
        ["two"] = "second",
        ["three"] = "third",
        ["five"] = "fifth",
        ["eight"] = "eighth",
        ["nine"] = "ninth",
        ["twelve"] = "twelfth",
    };

    /// <summary>An integer of any number of digits; those with leading zeros, and those that have no name, digit by digit.</summary>
    public static string Cardinal(ReadOnlySpan<char> digits)
    {
        if (digits.Length > 3 * scales.Length || (digits.Length > 1 && digits[0] == '0'))
            return Digits(digits);
        if (digits is "0")
            return ones[0];
        var words = new List<string>();
        for (var scale = (digits.Length - 1) / 3; scale >= 0; scale--)
        {
            var end = digits.Length - 3 * scale;
            var part = int.Parse(digits[Math.Max(0, end - 3)..end], CultureInfo.InvariantCulture);
            if (part == 0)
                continue;
            words.Add(BelowThousand(part));
            if (scale > 0)
                words.Add(scales[scale]);
        }
        return string.Join(' ', words);
    }

    /// <summary>An integer that is not negative.</summary>
    public static string Cardinal(int number) => Cardinal(number.ToString(CultureInfo.InvariantCulture));

    static string BelowThousand(int number)
    {
        var rest = number % 100;
        var below = rest == 0 ? "" : rest < 20 ? ones[rest] : rest % 10 == 0 ? tens[rest / 10] : $"{tens[rest / 10]} {ones[rest % 10]}";
        return number < 100 ? below : $"{ones[number / 100]} hundred {below}".TrimEnd();
    }

    /// <summary>A number with a decimal point, or none, and perhaps commas between thousands.</summary>
    public static string Number(string written)
    {
        var plain = written.Replace(",", "");
        var point = plain.IndexOf('.');
        if (point < 0)
            return Cardinal(plain);
        var whole = point == 0 ? "" : Cardinal(plain.AsSpan(0, point)) + " ";
        return $"{whole}point {Digits(plain.AsSpan(point + 1))}";
    }

    /// <summary>The place in an order of what is spoken as a cardinal number: its last word is changed.</summary>
    public static string Ordinal(string cardinal)
    {
        var at = cardinal.LastIndexOf(' ') + 1;
        var last = cardinal[at..];
        var ordinal = ordinals.TryGetValue(last, out var irregular) ? irregular : last.EndsWith('y') ? $"{last[..^1]}ieth" : $"{last}th";
        return cardinal[..at] + ordinal;
    }

    /// <summary>Digit by digit.</summary>
    /// <param name="digits">The digits; what is no digit is left out.</param>
    /// <param name="zero">What 0 is called.</param>
    public static string Digits(ReadOnlySpan<char> digits, string zero = "zero")
    {
        var words = new List<string>();
        foreach (var digit in digits)
        {
            if (char.IsAsciiDigit(digit))
                words.Add(digit == '0' ? zero : ones[digit - '0']);
        }
        return string.Join(' ', words);
    }

    /// <summary>Whether four digits alone are more likely a year than a count.</summary>
    public static bool IsYear(string written) => written.Length == 4 && written.All(char.IsAsciiDigit) && written[0] is '1' or '2'
        && written.Length == 4 && string.CompareOrdinal(written, "1100") >= 0 && string.CompareOrdinal(written, "2099") <= 0;

    /// <summary>A year of four digits: <c>1905</c> is nineteen oh five.</summary>
    public static string Year(string year)
    {
        var (century, rest) = (int.Parse(year[..2], CultureInfo.InvariantCulture), int.Parse(year[2..], CultureInfo.InvariantCulture));
        if (rest == 0)
            return century % 10 == 0 ? Cardinal(year) : $"{Cardinal(century)} hundred";
        if (century % 10 == 0 && rest < 10)
            return Cardinal(year);
        return $"{Cardinal(century)} {(rest < 10 ? $"oh {ones[rest]}" : Cardinal(rest))}";
    }

    /// <summary>A year, or else a number.</summary>
    public static string YearOrNumber(string written) => IsYear(written) ? Year(written) : Number(written);

    /// <summary>Figures in a name, such as 380 in A380: in pairs as far as possible.</summary>
    public static string Code(string digits) => digits.Length switch
    {
        <= 2 => Cardinal(digits),
        3 when digits[0] != '0' => digits[1..] == "00" ? Cardinal(digits) : $"{Cardinal(digits.AsSpan(0, 1))} {(digits[1] == '0' ? $"oh {Cardinal(digits.AsSpan(2))}" : Cardinal(digits.AsSpan(1)))}",
        4 when digits[0] != '0' => Year(digits),
        _ => Digits(digits),
    };

    /// <summary>A part of one: 3 and 4 are three quarters.</summary>
    public static string Fraction(string numerator, string denominator)
    {
        var (n, d) = (int.Parse(numerator, CultureInfo.InvariantCulture), int.Parse(denominator, CultureInfo.InvariantCulture));
        if (d < 2 || d > 100 || n > d)
            return $"{Cardinal(numerator)} over {Cardinal(denominator)}";
        var part = d switch { 2 => "half", 4 => "quarter", _ => Ordinal(Cardinal(d)) };
        return $"{Cardinal(n)} {(n == 1 ? part : d == 2 ? "halves" : part + "s")}";
    }

    /// <summary>The value of a Roman number in its usual form, or 0.</summary>
    public static int Roman(string numeral)
    {
        const string Letters = "IVXLCDM";
        ReadOnlySpan<int> values = [1, 5, 10, 50, 100, 500, 1000];
        var sum = 0;
        for (var i = 0; i < numeral.Length; i++)
        {
            var at = Letters.IndexOf(numeral[i]);
            if (at < 0)
                return 0;
            var next = i + 1 < numeral.Length ? Letters.IndexOf(numeral[i + 1]) : -1;
            sum += next > at ? -values[at] : values[at];
        }
        return sum is > 0 and < 4000 && ToRoman(sum) == numeral ? sum : 0;
    }

    static string ToRoman(int number)
    {
        ReadOnlySpan<(int, string)> rows =
        [
            (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
        ];
        var text = "";
        foreach (var (value, letters) in rows)
        {
            for (; number >= value; number -= value)
                text += letters;
        }
        return text;
    }
}
