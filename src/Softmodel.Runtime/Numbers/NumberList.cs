using System.Buffers;

namespace Softmodel.Runtime.Numbers;

/// <summary>Numbers that stand one after the other in a text: <c>3, 4 and 5</c>, <c>1.5 + 2 + 3</c>, a column.</summary>
static class NumberList
{
    /// <summary>Fewer are no list: they are told apart by where they stand.</summary>
    public const int Least = 3;

    static readonly string[] words = ["and", "or", "&"];

    static readonly SearchValues<char> separators = SearchValues.Create(" ,;|\n\t");

    /// <summary>The numbers of a list, as they are written; null where the text is none.</summary>
    /// <param name="text">The text. Between numbers stand line breaks, tabs, semicolons, bars, slashes between spaces, commas, spaces, "and", "or".</param>
    /// <param name="signs">What may stand between them besides.</param>
    public static string[]? Read(string text, params ReadOnlySpan<string> signs)
    {
        var inner = text.AsSpan().Trim();
        if (inner is ['(', .., ')'] or ['[', .., ']'] && !inner[1..^1].ContainsAny("()[]"))
            inner = inner[1..^1];
        // Most operands are one number.
        var isLikely = inner.ContainsAny(separators);
        foreach (var sign in signs)
            isLikely |= inner.Contains(sign, StringComparison.Ordinal);
        if (!isLikely)
            return null;
        var numbers = new List<string>();
        return Read(inner.ToString(), signs, 0, numbers) && numbers.Count >= Least ? [.. numbers] : null;
    }

    // What separates most first: a comma may stand within a number, and "and" within one in words.
    static bool Read(string text, ReadOnlySpan<string> signs, int level, List<string> numbers)
    {
        if (text.Length == 0)
            return true;
        if (!IsJoined(text) && Number.Is(text))
        {
            numbers.Add(text);
            return true;
        }
        string[] parts = level switch
        {
            0 => text.Split(["\n", "\t", ";", "|", " / "], default),
            1 => Between(text, signs),
            2 => text.Split([", ", ",\u00A0"], default),
            3 => Between(text, words),
            4 => text.Split((char[]?)null),
            5 => text.Split(','),
            _ => [],
        };
        foreach (var part in parts)
        {
            if (!Read(part.Trim(), signs, level + 1, numbers))
                return false;
        }
        return parts.Length > 0;
    }

    // Words only where they stand alone.
    static string[] Between(string text, ReadOnlySpan<string> separators)
    {
        var (parts, from) = (new List<string>(), 0);
        for (var at = 0; at < text.Length; at++)
        {
            foreach (var separator in separators)
            {
                var end = at + separator.Length;
                if (!text.AsSpan(at).StartsWith(separator, StringComparison.OrdinalIgnoreCase)
                    || (separator.Length > 1 && ((at > 0 && char.IsLetterOrDigit(text[at - 1])) || (end < text.Length && char.IsLetterOrDigit(text[end])))) || IsWithin(text, at, separator))
                    continue;
                parts.Add(text[from..at]);
                (from, at) = (end, end - 1);
                break;
            }
        }
        parts.Add(text[from..]);
        return [.. parts];
    }

    // "Two hundred and fourteen" is one number, "twenty-five and fourteen" are two.
    static bool IsWithin(string text, int at, string separator) =>
        separator == "and" && at > 1 && text[at - 1] == ' ' && NumberWords.Scale(text[(text.LastIndexOf(' ', at - 2) + 1)..(at - 1)].ToLowerInvariant()) is not null;

    static bool IsJoined(string text) => text.Contains(" and ", StringComparison.OrdinalIgnoreCase) && Between(text, ["and"]).Length > 1;
}
