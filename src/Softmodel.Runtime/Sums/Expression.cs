using System.Globalization;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Runtime.Sums;

/// <summary>
/// The value of an expression: numbers, parentheses, signs and words of operations. Powers come before signs, those before
/// products, those before sums; powers are worked out from the right, all else from the left. What stands side by side, as in
/// <c>2(3 + 4)</c>, is multiplied like any product. A percentage that is added is one of what stands before: <c>200 + 10%</c> is 220.
/// </summary>
ref struct Expression
{
    /// <summary>The most characters.</summary>
    public const int MaxText = 4 * Number.MaxDigits;

    /// <summary>The most numbers.</summary>
    public const int MaxNumbers = 1000;

    /// <summary>The most parentheses, signs and powers within one another.</summary>
    public const int MaxDepth = 100;

    enum Operation { None, Add, Subtract, Multiply, Divide, Quotient, Remainder, Power }

    static readonly (string Text, Operation Operation)[] operations =
    [
        ("**", Operation.Power), ("^", Operation.Power), ("to the power of", Operation.Power), ("raised to", Operation.Power),
        ("//", Operation.Quotient), ("mod", Operation.Remainder), ("modulo", Operation.Remainder),
        ("*", Operation.Multiply), ("×", Operation.Multiply), ("·", Operation.Multiply), ("⋅", Operation.Multiply), ("∗", Operation.Multiply),
        ("•", Operation.Multiply), ("x", Operation.Multiply), ("times", Operation.Multiply), ("multiplied by", Operation.Multiply), ("of", Operation.Multiply),
        ("\\times", Operation.Multiply), ("\\cdot", Operation.Multiply),
        ("/", Operation.Divide), ("÷", Operation.Divide), (":", Operation.Divide), ("divided by", Operation.Divide), ("over", Operation.Divide), ("\\div", Operation.Divide),
        ("+", Operation.Add), ("plus", Operation.Add),
        ("-", Operation.Subtract), ("\u2212", Operation.Subtract), ("\u2013", Operation.Subtract), ("minus", Operation.Subtract),
    ];

    static readonly (string Text, int Index)[] roots = [("√", 2), ("∛", 3), ("∜", 4), ("sqrt", 2), ("cbrt", 3), ("the square root of", 2), ("square root of", 2), ("the cube root of", 3), ("cube root of", 3)];

    static readonly (string Text, int Exponent)[] squares = [("squared", 2), ("cubed", 3)];

    static readonly (string Text, bool Percent)[] percents = [("percent", true), ("per cent", true)];

    static readonly (string Text, bool Negative)[] signs = [("-", true), ("\u2212", true), ("\u2013", true), ("minus", true), ("negative", true), ("+", false), ("plus", false), ("positive", false)];

    const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹", Opening = "([{", Closing = ")]}";

    readonly string text;
    readonly Arithmetic arithmetic;
    readonly List<Number> numbers = [];
    readonly bool decimalComma;
    int at, depth, fractions;
    long digits;

    Expression(string text, Arithmetic arithmetic, bool decimalComma)
    {
        this.text = text;
        this.arithmetic = arithmetic;
        this.decimalComma = decimalComma;
    }

    /// <summary>Works an expression out.</summary>
    /// <param name="text">The expression; an equals sign on either side, or a question mark at the end, doesn't count.</param>
    /// <param name="arithmetic">What it is worked out with.</param>
    /// <returns>Its value, the numbers in it, and what has become of their unit.</returns>
    /// <exception cref="ProgramException">It is none, or has no value, or is too long.</exception>
    public static (Rational Value, Number[] Numbers, UnitRule Rule) Evaluate(string text, Arithmetic arithmetic)
    {
        if (text.Length > MaxText)
            throw new ProgramException(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"The expression has more than {MaxText:N0} characters."));
        // Dollar signs on both sides are those of TeX.
        var plain = Number.Plain(text).Trim(' ', '\t', '\r', '\n', '`', '"', '$', '\u00A0').TrimStart(' ', '=').TrimEnd(' ', '=', '?', '.', ',', ';', ':', '\u00A0');
        if (plain.Length < text.Length && text.TrimStart().StartsWith('$') && !text.TrimEnd().EndsWith('$'))
            plain = "$" + plain;
        var read = new Expression(plain, arithmetic, decimalComma: false);
        var value = read.Whole();
        if (read.numbers.Any(n => n.Style.DecimalComma))
        {
            read = new(plain, arithmetic, decimalComma: true);
            value = read.Whole();
        }
        // "1/2 + 1/3" is of fractions, and so is "1 + 1/3", whose decimals never end; "1/3" alone is a division.
        if (read.fractions > 1 || (read.fractions == 1 && read.numbers.Count > 2 && value.Value.Decimals is null))
        {
            var at = read.numbers.FindIndex(n => n.Value.IsInteger);
            read.numbers[at] = read.numbers[at] with { Style = read.numbers[at].Style with { Form = NumberForm.Fraction } };
        }
        return (value.Value, [.. read.numbers], value.Percent ? UnitRule.Percent : value.Unit == 1 ? UnitRule.Same : UnitRule.None);
    }

    // A value, whether it is a percentage, and how often its unit is in it.
    readonly record struct Term(Rational Value, bool Percent = false, int Unit = 0);

    Term Whole()
    {
        var value = Sum();
        Space();
        return at == text.Length ? value : throw Unexpected();
    }

    Term Sum()
    {
        if (++depth > MaxDepth)
            throw new ProgramException(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"The expression has more than {MaxDepth} parentheses within one another."));
        var left = Product();
        while (Next(Operation.Add, Operation.Subtract) is not Operation.None and var operation)
        {
            var right = Product();
            var value = right.Percent && !left.Percent ? arithmetic.Multiply(left.Value, right.Value) : right.Value;
            left = left with
            {
                Value = operation == Operation.Add ? arithmetic.Add(left.Value, value) : arithmetic.Subtract(left.Value, value),
                Percent = left.Percent && right.Percent,
                Unit = Math.Max(left.Unit, right.Unit),
            };
        }
        depth--;
        return left;
    }

    Term Product()
    {
        Space();
        var start = at;
        var left = Signed();
        while (true)
        {
            var end = at;
            var operation = Next(Operation.Multiply, Operation.Divide, Operation.Quotient, Operation.Remainder);
            if (operation == Operation.None && !BeginsFactor())
                return left;
            var next = at;
            var right = Signed();
            // Between digits, without spaces: "1/2".
            if (operation == Operation.Divide && IsDigits(text.AsSpan(start..end)) && IsDigits(text.AsSpan(next..at).TrimEnd()) && next == end + 1 && text[end] == '/')
                fractions++;
            start = next;
            left = operation switch
            {
                Operation.Divide => new(arithmetic.Divide(left.Value, right.Value), left.Percent && !right.Percent, left.Unit - right.Unit),
                Operation.Quotient => new(arithmetic.Quotient(left.Value, right.Value), Unit: left.Unit - right.Unit),
                Operation.Remainder => new(arithmetic.Remainder(left.Value, right.Value), Unit: left.Unit),
                _ => new(arithmetic.Multiply(left.Value, right.Value), Unit: left.Unit + right.Unit),
            };
        }
    }

    static bool IsDigits(ReadOnlySpan<char> text) => text.Length > 0 && !text.ContainsAnyExceptInRange('0', '9');

    // After a factor: a parenthesis or root, and after a parenthesis also a number.
    readonly bool BeginsFactor()
    {
        var next = at;
        while (next < text.Length && char.IsWhiteSpace(text[next]))
            next++;
        if (next == text.Length)
            return false;
        return Opening.Contains(text[next]) || text[next] is '√' or '∛' or '∜' || text.AsSpan(next).StartsWith("sqrt", StringComparison.Ordinal)
            || (next > 0 && char.IsAsciiDigit(text[next]) && Closing.Contains(text.AsSpan(0, next).TrimEnd()[^1]));
    }

    Term Signed()
    {
        var negative = false;
        while (Starting(signs) is { } sign)
            negative ^= sign;
        var value = Power();
        return negative ? value with { Value = -value.Value } : value;
    }

    Term Power()
    {
        var value = Postfixed();
        if (Next(Operation.Power) == Operation.None)
            return value;
        if (++depth > MaxDepth)
            throw new ProgramException(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"The expression has more than {MaxDepth} powers within one another."));
        var exponent = Signed();
        depth--;
        return new(arithmetic.Power(value.Value, exponent.Value));
    }

    Term Postfixed()
    {
        var value = Primary();
        while (true)
        {
            Space();
            if (at < text.Length && text[at] == '%' && !Modulo())
            {
                at++;
                value = new(arithmetic.Divide(value.Value, 100), Percent: true);
            }
            else if (Starting(percents) is not null)
                value = new(arithmetic.Divide(value.Value, 100), Percent: true);
            else if (Starting(squares) is { } square)
                value = new(arithmetic.Power(value.Value, square));
            else if (at < text.Length && Superscripts.Contains(text[at]))
            {
                var exponent = 0;
                for (; at < text.Length && Superscripts.IndexOf(text[at]) is >= 0 and var digit; at++)
                    exponent = Math.Min(10 * exponent + digit, 1_000_000);
                value = new(arithmetic.Power(value.Value, exponent));
            }
            else
                return value;
        }
    }

    // "10 % 3" and "10 % (3)" is a remainder, "10 % + 3" and "10 % of 3" a percentage.
    readonly bool Modulo()
    {
        var next = at + 1;
        while (next < text.Length && char.IsWhiteSpace(text[next]))
            next++;
        return next < text.Length && (char.IsAsciiDigit(text[next]) || Opening.Contains(text[next]) || text[next] is '.' or '√');
    }

    Term Primary()
    {
        Space();
        if (at == text.Length)
            throw new ProgramException(ProgramFailure.Operand, text.Length == 0 ? "The expression is empty." : $"The expression '{Number.Short(text)}' ends too early.");
        if (Opening.IndexOf(text[at]) is >= 0 and var kind)
        {
            at++;
            var value = Sum();
            Space();
            if (at == text.Length || text[at] != Closing[kind])
                throw Unexpected();
            at++;
            return value;
        }
        if (Starting(roots) is { } index)
        {
            if (++depth > MaxDepth)
                throw new ProgramException(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"The expression has more than {MaxDepth} roots within one another."));
            var value = Postfixed();
            depth--;
            return new(arithmetic.Root(value.Value, index));
        }
        var start = at;
        at += Number.UnitLength(text.AsSpan(at));
        if (at > start)
            Space();
        if (at < text.Length && (char.IsAsciiDigit(text[at]) || text[at] is '.' or ',' || Number.IsFraction(text[at])))
            Digits();
        Words();
        if (at == start)
            throw Unexpected();
        if (numbers.Count == MaxNumbers)
            throw new ProgramException(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"The expression has more than {MaxNumbers:N0} numbers."));
        // A currency after the number.
        var end = at;
        Space();
        if (Number.UnitLength(text.AsSpan(at)) is > 0 and var unit)
            at += unit;
        else
            at = end;
        var number = Number.Read(text[start..at], decimalComma);
        Number.CheckTotal(ref digits, number.Value);
        numbers.Add(number);
        return new(number.Value, number.Style.Percent, number.Style.Unit is null ? 0 : 1);
    }

    // As far as a number goes: separators only between digits, a space only before three of them or a fraction.
    void Digits()
    {
        var (start, run) = (at, 0);
        for (; at < text.Length; at++)
        {
            var c = text[at];
            if (char.IsAsciiDigit(c))
            {
                run++;
                continue;
            }
            var following = DigitsFrom(at + 1);
            if (c is 'e' or 'E' && run > 0 && (following > 0 || (at + 1 < text.Length && text[at + 1] is '-' or '+' && DigitsFrom(at + 2) > 0)))
            {
                at += following > 0 ? following : 1 + DigitsFrom(at + 2);
                at++;
                break;
            }
            var separates = c is '.' or ',' or '\'' or '\u2019' or '_' ? following > 0
                : c is ' ' or '\u00A0' or '\u202F' or '\u2009' && run is > 0 and <= 3 && following == 3;
            if (!separates)
                break;
            run = 0;
        }
        // "5." before a space.
        if (at < text.Length && text[at] == '.' && run > 0)
            at++;
        if (at < text.Length && text[at] == ' ' && run == at - start && Mixed() is > 0 and var length)
            at += length;
        else if (at < text.Length && Number.IsFraction(text[at]))
            at++;
        at += Number.SuffixLength(text.AsSpan(at));
    }

    readonly int DigitsFrom(int from)
    {
        var to = from;
        while (to < text.Length && char.IsAsciiDigit(text[to]))
            to++;
        return to - from;
    }

    // The length of " 1/2" after an integer.
    readonly int Mixed()
    {
        var above = DigitsFrom(at + 1);
        var slash = at + 1 + above;
        if (above == 0 || slash >= text.Length || text[slash] != '/' || DigitsFrom(slash + 1) == 0)
            return 0;
        var end = slash + 1 + DigitsFrom(slash + 1);
        return end == text.Length || !(char.IsAsciiDigit(text[end]) || text[end] is '.' or ',') ? end - at : 0;
    }

    // Words of a number, after digits only what continues them.
    void Words()
    {
        var end = at;
        while (true)
        {
            var start = at;
            while (start < text.Length && (char.IsWhiteSpace(text[start]) || (text[start] == '-' && start > 0 && char.IsAsciiLetter(text[start - 1]))))
                start++;
            var stop = start;
            while (stop < text.Length && char.IsAsciiLetter(text[stop]))
                stop++;
            if (stop == start)
                break;
            var word = text[start..stop].ToLowerInvariant();
            if (word is "of" or "per" || !NumberWords.IsPart(word))
                break;
            at = stop;
            // Not at the end: "two and", "a".
            if (NumberWords.IsNumber(word))
                end = at;
        }
        at = end;
    }

    void Space()
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
    }

    Operation Next(params ReadOnlySpan<Operation> wanted)
    {
        Space();
        var before = at;
        // A remainder is written with a percent sign, which Postfixed has left.
        if (at < text.Length && text[at] == '%' && wanted.Contains(Operation.Remainder))
        {
            at++;
            return Operation.Remainder;
        }
        if (Starting(operations) is { } operation)
        {
            if (wanted.Contains(operation))
                return operation;
            at = before;
        }
        return Operation.None;
    }

    // The row of a table that the rest of the text starts with, which is then read. Letters have to end a word.
    T? Starting<T>((string Text, T Value)[] table) where T : struct
    {
        Space();
        var rest = text.AsSpan(at);
        foreach (var (row, value) in table)
        {
            if (rest.StartsWith(row, StringComparison.OrdinalIgnoreCase) && (!char.IsAsciiLetter(row[^1]) || rest.Length == row.Length || !char.IsAsciiLetter(rest[row.Length])))
            {
                at += row.Length;
                return value;
            }
        }
        return null;
    }

    readonly ProgramException Unexpected() => new(ProgramFailure.Operand, at < text.Length
        ? $"'{Number.Short(text[at..])}' does not belong into an expression." : $"The expression '{Number.Short(text)}' ends too early.");
}
