using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;

namespace Softmodel.Runtime.Numbers;

/// <summary>Numbers in English words, both ways.</summary>
static class NumberWords
{
    static readonly string[] ones =
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];

    static readonly string[] tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    static readonly string[] scales =
    [
        "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion", "octillion", "nonillion", "decillion",
    ];

    static readonly Dictionary<string, int> small = Small();

    static readonly Dictionary<string, BigInteger> large = Large();

    // How many of something there are in one of these.
    static readonly Dictionary<string, int> collections = new()
    {
        ["dozen"] = 12,
        ["dozens"] = 12,
        ["score"] = 20,
        ["couple"] = 2,
        ["pair"] = 2,
        ["pairs"] = 2,
        ["gross"] = 144,
    };

    static readonly Dictionary<string, int> multiples = new()
    {
        ["once"] = 1,
        ["single"] = 1,
        ["twice"] = 2,
        ["double"] = 2,
        ["thrice"] = 3,
        ["triple"] = 3,
        ["treble"] = 3,
        ["quadruple"] = 4,
        ["quintuple"] = 5,
    };

    static readonly Dictionary<string, BigInteger> ordinals = Ordinals();

    /// <summary>Whether a word can be part of a number; also <c>and</c>, <c>a</c>, <c>of</c>, which alone are none.</summary>
    public static bool IsPart(string word) => word is "and" or "a" or "an" or "of" or "point" or "oh" or "per" || IsNumber(word);

    /// <summary>Whether a word says a number, or multiplies one.</summary>
    public static bool IsNumber(string word) => small.ContainsKey(word) || large.ContainsKey(word) || word == "hundred" || collections.ContainsKey(word)
        || multiples.ContainsKey(word) || ordinals.ContainsKey(word) || Part(word, out _) is not null;

    /// <summary>The power of ten that a word is, or null.</summary>
    public static BigInteger? Scale(string word) => word == "hundred" ? 100 : large.TryGetValue(word, out var scale) ? scale : null;

    /// <summary>The value of words.</summary>
    /// <param name="words">Words in lower case, without hyphens.</param>
    /// <param name="literal">The value of a word that begins with a digit, or null.</param>
    /// <returns>The value, or null where the words are none.</returns>
    public static Rational? Read(ReadOnlySpan<string> words, Func<string, Rational?> literal)
    {
        if (words.Length > 0 && words[^1] == "of")
            words = words[..^1];
        if (words.IsEmpty)
            return null;
        if (words.Length == 1 && multiples.TryGetValue(words[0], out var multiple))
            return multiple;
        for (var i = 0; i < words.Length; i++)
        {
            if (Part(words[i], out var plural) is { } part && (plural || words[i] is "half" or "quarter" || (i > 0 && One(words[..i]))))
                return Fraction(words[..i], part, words[(i + 1)..], literal);
        }
        for (var i = 0; i < words.Length; i++)
        {
            if (collections.TryGetValue(words[i], out var each))
            {
                var before = One(words[..i]) ? 1 : Read(words[..i], literal);
                return before is { } count ? Continue(count * each, words[(i + 1)..], literal) : null;
            }
        }
        return Cardinal(words, literal);
    }

    // None, "a", "one", "an", or their like with "and": "two and a half" has been split before.
    static bool One(ReadOnlySpan<string> words) => words.IsEmpty || (words.Length == 1 && words[0] is "a" or "an" or "one");

    // What follows a collection: "a couple of hundred", "two dozen and three".
    static Rational? Continue(Rational value, ReadOnlySpan<string> after, Func<string, Rational?> literal)
    {
        if (after.Length > 0 && after[0] == "of")
            after = after[1..];
        if (after.IsEmpty)
            return value;
        if (after[0] == "and")
            return Read(after[1..], literal) is { } rest ? value + rest : null;
        return Scale(after[0]) is not null && Read(after, literal) is { } factor ? value * factor : null;
    }

    // "half", "a half", "three quarters", "two and a half", and each of them "million", "of a million", "a dozen".
    static Rational? Fraction(ReadOnlySpan<string> before, Rational part, ReadOnlySpan<string> after, Func<string, Rational?> literal)
    {
        Rational? value;
        if (before.LastIndexOf("and") is > 0 and var and)
        {
            var whole = before[..and];
            var count = before[(and + 1)..];
            var parts = (One(count) ? 1 : Read(count, literal)) * part;
            // A dozen and a half are 18, a million and a half 1,500,000.
            var ofOne = One(count) && whole.Length == 2 && One(whole[..1]) && (large.ContainsKey(whole[1]) || collections.ContainsKey(whole[1]));
            value = Read(whole, literal) is { } given ? ofOne ? given * (1 + part) : given + parts : null;
        }
        else
            value = (One(before) ? 1 : Read(before, literal)) * part;
        if (after.Length > 0 && after[0] == "of")
            after = after[1..];
        return after.IsEmpty ? value : value * Read(after, literal);
    }

    /// <summary>The part of one that a noun says: <c>half</c>, <c>quarters</c>, <c>tenths</c>; null where it says none.</summary>
    static Rational? Part(string word, out bool plural)
    {
        plural = word is "halves" || (word.Length > 2 && word[^1] == 's' && word != "twos");
        if (word is "half" or "halves")
            return new Rational(1, 2);
        var one = plural ? word[..^1] : word;
        return one is "quarter" ? new Rational(1, 4) : one != "second" && one != "first" && one != "zeroth" && ordinals.TryGetValue(one, out var below) ? new Rational(1, below) : null;
    }

    // Reads from the left: the group below a thousand that is being read, and the sum of those that a scale has ended.
    static Rational? Cardinal(ReadOnlySpan<string> words, Func<string, Rational?> literal)
    {
        Rational total = 0;
        Rational? group = null;
        BigInteger? last = null;
        var written = false;
        for (var i = 0; i < words.Length; i++)
        {
            var word = words[i];
            var end = i == words.Length - 1;
            var number = 0;
            if (word == "and")
            {
                // Between two numbers only.
                if (i == 0 || end || (group is null && last is null) || words[i - 1] == "and")
                    return null;
            }
            else if (word is "a" or "an")
            {
                if (group is not null || end || Scale(words[i + 1]) is null)
                    return null;
                group = 1;
            }
            else if (word == "point")
            {
                if (Point(words[(i + 1)..], out var read) is not { } fraction || written)
                    return null;
                group = (group ?? 0) + fraction;
                i += read;
                written = true;
            }
            else if (char.IsAsciiDigit(word[0]) || word[0] == '.')
            {
                if (group is not null || literal(word) is not { } value)
                    return null;
                (group, written) = (value, true);
            }
            else if (word == "hundred" || (word == "hundredth" && end))
            {
                if ((group ?? 1) is var many && (many.Sign <= 0 || (!written && many >= 100)))
                    return null;
                (group, written) = ((group ?? 1) * 100, false);
            }
            else if (large.TryGetValue(word, out var scale) || (end && ordinals.TryGetValue(word, out scale) && scale >= 1000))
            {
                if ((last is { } above && scale >= above) || (group is { } zero && zero.Sign <= 0))
                    return null;
                total += (group ?? (last is null ? 1 : 0)) * scale;
                if (group is null && last is not null)
                    return null;
                (group, last, written) = (null, scale, false);
            }
            else if ((word != "oh" && small.TryGetValue(word, out number)) || (end && ordinals.TryGetValue(word, out var place) && (number = (int)place) < 100 && number >= 0))
            {
                if (written || Joined(group, number, last is null) is not { } joined)
                    return null;
                group = joined;
            }
            else
                return null;
        }
        return group is null && last is null ? null : total + (group ?? 0);
    }

    // "forty" and "two", "three hundred" and "five"; also the years "nineteen" "eighty-four", "twenty" "oh" "five" excepted.
    static Rational? Joined(Rational? group, int number, bool first)
    {
        if (group is not { } value)
            return number;
        if (!value.IsInteger || value > 10_000)
            return null;
        var integer = (int)value.Numerator;
        if (integer % 100 == 0 && integer > 0 && number is > 0)
            return integer + number;
        if (integer % 10 == 0 && integer % 100 >= 20 && number is > 0 and < 10)
            return integer + number;
        return first && integer is >= 10 and < 100 && number is >= 10 ? integer * 100 + number : null;
    }

    // The digits after "point", also in pairs: "one point twenty-five".
    static Rational? Point(ReadOnlySpan<string> words, out int read)
    {
        var digits = "";
        read = 0;
        foreach (var word in words)
        {
            if (!small.TryGetValue(word, out var digit))
                break;
            // The digit after "twenty" belongs to it.
            if (digit is > 0 and < 10 && read > 0 && tens.Contains(words[read - 1]))
                digits = digits[..^1];
            digits += digit.ToString(CultureInfo.InvariantCulture);
            read++;
        }
        return digits.Length == 0 ? null : new Rational(BigInteger.Parse(digits, CultureInfo.InvariantCulture), BigInteger.Pow(10, digits.Length));
    }

    /// <summary>A number in words.</summary>
    /// <param name="value">A number with finitely many decimals.</param>
    /// <param name="decimals">Its decimals.</param>
    /// <param name="text">The words, without a sign for negative ones.</param>
    /// <returns>False where it is too large to have a name.</returns>
    public static bool TryWrite(Rational value, int decimals, [NotNullWhen(true)] out string? text)
    {
        text = null;
        var digits = BigInteger.Abs(value.Scaled(decimals, MidpointRounding.AwayFromZero)).ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        var integer = digits[..^decimals];
        if (integer.Length > 3 * (scales.Length + 1))
            return false;
        var words = new List<string>();
        for (var scale = (integer.Length - 1) / 3; scale >= 0; scale--)
        {
            var end = integer.Length - 3 * scale;
            var group = int.Parse(integer.AsSpan(Math.Max(0, end - 3)..end), CultureInfo.InvariantCulture);
            if (group == 0)
                continue;
            // The last group after others: one thousand and five.
            if (scale == 0 && group < 100 && words.Count > 0)
                words.Add("and");
            words.Add(Group(group));
            if (scale > 0)
                words.Add(scales[scale - 1]);
        }
        if (words.Count == 0)
            words.Add(ones[0]);
        if (decimals > 0)
        {
            words.Add("point");
            words.AddRange(digits[^decimals..].Select(d => ones[d - '0']));
        }
        text = string.Join(' ', words);
        return true;
    }

    static string Group(int number)
    {
        var rest = number % 100;
        var below = rest < 20 ? ones[rest] : rest % 10 == 0 ? tens[rest / 10 - 2] : $"{tens[rest / 10 - 2]}-{ones[rest % 10]}";
        return number < 100 ? below : rest == 0 ? $"{ones[number / 100]} hundred" : $"{ones[number / 100]} hundred and {below}";
    }

    static Dictionary<string, int> Small()
    {
        var table = new Dictionary<string, int> { ["nought"] = 0, ["naught"] = 0, ["nil"] = 0, ["oh"] = 0, ["fourty"] = 40 };
        for (var i = 0; i < ones.Length; i++)
            table[ones[i]] = i;
        for (var i = 0; i < tens.Length; i++)
            table[tens[i]] = 10 * i + 20;
        return table;
    }

    static Dictionary<string, BigInteger> Large()
    {
        var table = new Dictionary<string, BigInteger> { ["lakh"] = 100_000, ["lakhs"] = 100_000, ["crore"] = 10_000_000, ["crores"] = 10_000_000 };
        for (var i = 0; i < scales.Length; i++)
            table[scales[i]] = BigInteger.Pow(1000, i + 1);
        return table;
    }

    static Dictionary<string, BigInteger> Ordinals()
    {
        var table = new Dictionary<string, BigInteger> { ["hundredth"] = 100 };
        ReadOnlySpan<(string, int)> irregular = [("first", 1), ("second", 2), ("third", 3), ("fifth", 5), ("eighth", 8), ("ninth", 9), ("twelfth", 12)];
        foreach (var (word, value) in irregular)
            table[word] = value;
        for (var i = 0; i < ones.Length; i++)
        {
            if (i is not (1 or 2 or 3 or 5 or 8 or 9 or 12))
                table[ones[i] + "th"] = i;
        }
        for (var i = 0; i < tens.Length; i++)
            table[tens[i][..^1] + "ieth"] = 10 * i + 20;
        for (var i = 0; i < scales.Length; i++)
            table[scales[i] + "th"] = BigInteger.Pow(1000, i + 1);
        return table;
    }
}
