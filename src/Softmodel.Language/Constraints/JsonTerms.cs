using System.Globalization;
using System.Text.Json;

namespace Softmodel.Language.Constraints;

/// <summary>
/// How JSON is written where a language model writes it: on one line, a space after each colon and comma; in texts only what must
/// be escaped is. So a value has one spelling, and its length and its pattern can be told from its bytes.
/// </summary>
sealed class JsonTerms
{
    // As many digits as a double tells apart: so no two numbers that are written differently, but for zeros at the end, are one.
    const int MostDigits = 15;

    // How large a divisor may be, and how many remainders may differ in what can follow them.
    const int MostRemainders = 10_000, MostApart = 600;

    readonly Terms terms;
    readonly Term digit, rest, whole, fraction, zeros;
    readonly List<(double Value, Term Text)> others = [];
    Term? any;

    public JsonTerms(Terms terms)
    {
        this.terms = terms;
        digit = terms.Bytes(ByteSet.Range('0', '9'));
        rest = Digits(0, MostDigits - 1);
        whole = terms.Either(terms.Literal("0"), terms.Then(Range('1', '9'), rest));
        fraction = terms.Then(terms.Literal("."), Digits(1, MostDigits));
        zeros = terms.Repeat(terms.Literal("0"), 1, MostDigits);
        Character = Write(Characters.All);
        var after = terms.Empty;
        for (var i = MostDigits - 1; i > 0; i--)
            after = terms.Either(terms.Empty, terms.Then(terms.Literal("."), Digits(1, MostDigits - i)), terms.Then(digit, after));
        Number = terms.Then(terms.Optional(terms.Literal("-")), terms.Either(terms.Then(terms.Literal("0"), terms.Optional(fraction)), terms.Then(Range('1', '9'), after)));
    }

    /// <summary>One character of a text.</summary>
    public Term Character { get; }

    /// <summary>A text of any length.</summary>
    public Term Text => Quoted(terms.Repeat(Character, 0, Terms.Unbounded));

    /// <summary>An integer.</summary>
    public Term Integer => terms.Either(terms.Literal("0"), terms.Then(terms.Optional(terms.Literal("-")), Range('1', '9'), rest));

    /// <summary>A number, of at most 15 digits and without an exponent.</summary>
    public Term Number { get; }

    /// <summary>True or false.</summary>
    public Term Boolean => terms.Either(terms.Literal("true"), terms.Literal("false"));

    /// <summary>Null.</summary>
    public Term Null => terms.Literal("null");

    /// <summary>Any value.</summary>
    public Term Any
    {
        get
        {
            if (any is not null)
                return any;
            any = terms.Rule();
            var members = terms.Then(Member(Text, any), terms.Repeat(terms.Then(Separator, Member(Text, any)), 0, Terms.Unbounded));
            var items = terms.Then(any, terms.Repeat(terms.Then(Separator, any), 0, Terms.Unbounded));
            terms.Define(any, terms.Either(Text, Number, Boolean, Null, Object(terms.Optional(members)), Array(terms.Optional(items))));
            return any;
        }
    }

    /// <summary>What stands between two values.</summary>
    public Term Separator => terms.Literal(", ");

    /// <summary>A value with its key.</summary>
    public Term Member(Term key, Term value) => terms.Then(key, terms.Literal(": "), value);

    /// <summary>An object of what is in it.</summary>
    public Term Object(Term members) => terms.Then(terms.Literal("{"), members, terms.Literal("}"));

    /// <summary>An array of what is in it.</summary>
    public Term Array(Term items) => terms.Then(terms.Literal("["), items, terms.Literal("]"));

    /// <summary>A text of what is between its quotes.</summary>
    public Term Quoted(Term characters) => terms.Then(terms.Literal("\""), characters, terms.Literal("\""));

    /// <summary>A text with as many characters as that.</summary>
    public Term OfLength(int least, int most) => terms.Repeat(Character, least, most);

    /// <summary>One of some characters as it stands between quotes.</summary>
    public Term Write(Characters characters)
    {
        Characters escaped = Characters.Of([(0, 0x1F), ('"', '"'), ('\\', '\\')]);
        var parts = new List<Term> { (characters & ~escaped).In(terms) };
        foreach (var (from, to) in (characters & escaped).Ranges)
        {
            for (var c = from; c <= to; c++)
                parts.Add(terms.Literal(Escaped((char)c)));
        }
        return terms.Either([.. parts]);
    }

    static string Escaped(char c) => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        < ' ' => $"\\u{(int)c:x4}",
        _ => c.ToString(),
    };

    /// <summary>A value as it is written here.</summary>
    /// <param name="value">The value; a number stays as it is written there.</param>
    public static string Written(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => $"{{{string.Join(", ", value.EnumerateObject().Select(p => $"{Written(p.Name)}: {Written(p.Value)}"))}}}",
        JsonValueKind.Array => $"[{string.Join(", ", value.EnumerateArray().Select(Written))}]",
        JsonValueKind.String => Written(value.GetString()!),
        _ => value.GetRawText(),
    };

    /// <summary>A text as it is written here.</summary>
    public static string Written(string text) => $"\"{Content(text)}\"";

    /// <summary>What stands between its quotes.</summary>
    public static string Content(string text) => string.Concat(text.Select(Escaped));

    Term Range(char from, char to) => from > to ? terms.Nothing : terms.Bytes(ByteSet.Range(from, to));

    Term Digits(int least, int most) => terms.Repeat(digit, least, most);

    /// <summary>Lets a number be written that <see cref="Number"/> does not write: one that a schema lists.</summary>
    public void Add(JsonElement number)
    {
        if (!IsText(Number, Plain(number.GetDouble())))
            others.Add((number.GetDouble(), terms.Literal(number.GetRawText())));
    }

    /// <summary>The numbers of a term, and of those that were added the ones for which something holds.</summary>
    public Term Numbers(Term written, Func<double, bool> holds) => terms.Either([terms.Both(Number, written), .. others.Where(o => holds(o.Value)).Select(o => o.Text)]);

    /// <summary>One number, in one spelling.</summary>
    public Term Written(double value) => Plain(value) is var text && IsText(Number, text) ? terms.Literal(text) : terms.Either([.. others.Where(o => o.Value == value).Select(o => o.Text)]);

    /// <summary>One number, in all spellings.</summary>
    public Term Equal(double value) => Numbers(terms.Both(Beyond(value, true, false), Beyond(value, false, false)), v => v == value);

    /// <summary>Numbers whose fraction, where one is written, is zero.</summary>
    public Term Integral => terms.Then(terms.Optional(terms.Literal("-")), whole, terms.Optional(terms.Then(terms.Literal("."), zeros)));

    /// <summary>Whether a text is one of a term's.</summary>
    public bool IsText(Term term, string text) => terms.Next(term, System.Text.Encoding.UTF8.GetBytes(text)).IsNullable;

    /// <summary>
    /// Multiples of a number: whole, or with as many places as it has. Null where a validator that divides binary fractions would
    /// not take them for multiples, or where there are too many remainders.
    /// </summary>
    /// <param name="divisor">The number, above 0.</param>
    /// <param name="isSpelled">Whether with zeros after the point, too.</param>
    public Term? Multiples(double divisor, bool isSpelled)
    {
        var (before, after) = Split(divisor);
        if (before.Length > MostDigits || after.Length > 4 || (after.Length > 0 && (isSpelled || divisor * 16 != Math.Floor(divisor * 16))))
            return null;
        var (scale, scaled) = ((int)Math.Pow(10, after.Length), long.Parse(before + after, CultureInfo.InvariantCulture));
        if (scaled > MostRemainders)
            return null;
        var modulus = (int)scaled;
        // What may follow the digits that leave a remainder, backwards from the last one: after the point, then before it.
        Term[] behind = [.. Enumerable.Range(0, modulus).Select(r => r == 0 ? terms.Empty : terms.Nothing)];
        Term[] Longer(Term[] shorter) => [.. Enumerable.Range(0, modulus).Select(r => terms.Either([.. Enumerable.Range(0, 10).Select(d => terms.Then(terms.Bytes(ByteSet.Range('0' + d, '0' + d)), shorter[(int)(((long)r * 10 + d) % modulus)]))]))];
        for (var i = 0; i < after.Length; i++)
            behind = Longer(behind);
        var point = terms.Literal(".");
        Term[] ends = [.. Enumerable.Range(0, modulus).Select(r => terms.Either(
            (long)r * scale % modulus == 0 ? terms.Empty : terms.Nothing,
            after.Length > 0 ? terms.Then(point, behind[r]) : isSpelled && r == 0 ? terms.Then(point, zeros) : terms.Nothing))];
        var term = ends;
        for (var i = 1; i < MostDigits; i++)
        {
            term = [.. Longer(term).Zip(ends, (longer, end) => terms.Either(longer, end))];
            if (term.Distinct().Count() > MostApart)
                return null;
        }
        var first = terms.Either([.. Enumerable.Range(1, 9).Select(d => terms.Then(terms.Bytes(ByteSet.Range('0' + d, '0' + d)), term[d % modulus]))]);
        return terms.Either(terms.Then(terms.Literal("0"), ends[0]), terms.Then(terms.Optional(terms.Literal("-")), first), isSpelled ? terms.Then(terms.Literal("-0"), ends[0]) : terms.Nothing);
    }

    /// <summary>A number's digits before and after the point, none of them needless but a zero before it.</summary>
    static (string Before, string After) Split(double magnitude)
    {
        var text = magnitude.ToString("R", CultureInfo.InvariantCulture).Split('E');
        var (parts, exponent) = (text[0].Split('.'), text is [_, var e] ? int.Parse(e, CultureInfo.InvariantCulture) : 0);
        var (before, after) = (parts[0], parts is [_, var f] ? f : "");
        (before, after) = exponent >= 0
            ? (before + after.PadRight(exponent, '0')[..exponent], after.Length > exponent ? after[exponent..] : "")
            : ("0", (before + after).PadLeft(after.Length - exponent + before.Length - 1, '0'));
        return (before.TrimStart('0') is { Length: > 0 } digits ? digits : "0", after.TrimEnd('0'));
    }

    static string Plain(double value)
    {
        var (before, after) = Split(Math.Abs(value));
        return $"{(value < 0 ? "-" : "")}{before}{(after.Length > 0 ? "." : "")}{after}";
    }

    /// <summary>Numbers on one side of another, among those that <see cref="Number"/> writes.</summary>
    /// <param name="bound">The other.</param>
    /// <param name="isAbove">Whether those above it, rather than below.</param>
    /// <param name="isWithout">Whether the bound itself is none of them.</param>
    public Term Beyond(double bound, bool isAbove, bool isWithout)
    {
        var anything = terms.Then(whole, terms.Optional(fraction));
        var zero = terms.Then(terms.Literal("0"), terms.Optional(terms.Then(terms.Literal("."), zeros)));
        var magnitude = Math.Abs(bound);
        // Towards where the numbers lie, and on the other side of zero.
        var isPastZero = isAbove ? bound < 0 : bound > 0;
        var (towards, away) = isPastZero
            ? (anything, Magnitude(magnitude, false, isWithout))
            : (Magnitude(magnitude, true, isWithout), bound == 0 && !isWithout ? zero : terms.Nothing);
        var (positive, negative) = isAbove ? (towards, away) : (away, towards);
        return terms.Either(positive, terms.Then(terms.Literal("-"), negative));
    }

    Term Magnitude(double bound, bool isAbove, bool isWithout)
    {
        var (before, after) = Split(bound);
        var anyFraction = terms.Optional(fraction);
        if (before.Length > MostDigits)
            return isAbove ? terms.Nothing : terms.Then(whole, anyFraction);
        Term longer = before.Length < MostDigits ? terms.Then(Range('1', '9'), Digits(before.Length, MostDigits - 1)) : terms.Nothing;
        Term shorter = before.Length > 1 ? terms.Either(terms.Literal("0"), terms.Then(Range('1', '9'), Digits(0, before.Length - 2))) : terms.Nothing;
        var other = terms.Then(terms.Either(isAbove ? longer : shorter, Differing(before, isAbove, isFirst: before.Length > 1)), anyFraction);
        return terms.Both(terms.Then(whole, anyFraction), terms.Either(other, terms.Then(terms.Literal(before), Fraction(after, isAbove, isWithout))));
    }

    /// <summary>Numbers of as many digits that are greater, or smaller.</summary>
    Term Differing(string digits, bool isAbove, bool isFirst) => digits.Length == 0 ? terms.Nothing : terms.Either(
        terms.Then(Beside(digits[0], isAbove, isFirst), Digits(digits.Length - 1, digits.Length - 1)),
        terms.Then(terms.Literal(digits[..1]), Differing(digits[1..], isAbove, false)));

    Term Beside(char digit, bool isAbove, bool isFirst = false) => isAbove ? Range((char)(digit + 1), '9') : Range(isFirst ? '1' : '0', (char)(digit - 1));

    /// <summary>What may follow the digits before the point, where these are the bound's.</summary>
    Term Fraction(string bound, bool isAbove, bool isWithout)
    {
        var point = terms.Literal(".");
        if (bound.Length == 0)
        {
            var equal = terms.Optional(terms.Then(point, zeros));
            return isAbove ? isWithout ? terms.Then(point, terms.Both(Digits(1, MostDigits), terms.Not(zeros))) : terms.Optional(fraction)
                : isWithout ? terms.Nothing : equal;
        }
        var after = terms.Then(point, terms.Both(Digits(1, MostDigits), Onwards(bound, isAbove, isWithout)));
        // Nothing after the point is less than the bound.
        return isAbove ? after : terms.Optional(after);
    }

    Term Onwards(string bound, bool isAbove, bool isWithout)
    {
        var some = terms.Repeat(digit, 0, Terms.Unbounded);
        var none = terms.Repeat(terms.Literal("0"), 0, Terms.Unbounded);
        if (bound.Length == 0)
            return isAbove ? isWithout ? terms.Both(some, terms.Not(none)) : some : isWithout ? terms.Nothing : none;
        var on = terms.Either(terms.Then(Beside(bound[0], isAbove), some), terms.Then(terms.Literal(bound[..1]), Onwards(bound[1..], isAbove, isWithout)));
        return isAbove ? on : terms.Optional(on);
    }
}
