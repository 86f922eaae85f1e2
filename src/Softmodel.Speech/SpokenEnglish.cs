using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace Softmodel.Speech;

/// <summary>
/// Text normalization for English: numbers, dates, money, units, abbreviations and symbols become words. The result
/// has only letters, apostrophes within words, single spaces, the marks <c>, . ! ? … ; :</c> after a word, and a line
/// break between paragraphs.
/// </summary>
public static class SpokenEnglish
{
    /// <summary>The longest text that is taken at once, in characters.</summary>
    public const int MaxLength = 1_000_000;

    /// <summary>The marks that may follow a word.</summary>
    internal const string Marks = ",.!?…;:";

    /// <summary>Normalizes a text.</summary>
    /// <param name="text">
    /// The text. Letters of other Latin alphabets lose their accents; emoji and unknown symbols are not heard. A line
    /// break counts as a space, an empty line divides paragraphs.
    /// </param>
    /// <exception cref="SoftmodelException">
    /// The text has letters of another script, nothing that can be spoken, or more than <see cref="MaxLength"/> characters.
    /// </exception>
    public static string Spell(string text)
    {
        if (text.Length > MaxLength)
            throw new SoftmodelException($"the text has {text.Length} characters; at most {MaxLength} are spoken at once: divide it");
        if (string.IsNullOrWhiteSpace(text))
            throw new SoftmodelException("the text is empty: there is nothing to speak");
        var spoken = Latinize(text);
        foreach (var rule in EnglishRules.All)
        {
            if (rule.When(spoken))
                spoken = rule.Apply(spoken);
        }
        spoken = Tidy(spoken);
        return spoken.Length > 0 ? spoken : throw new SoftmodelException($"the text '{Excerpt(text)}' has nothing that can be spoken: write at least one word or number");
    }

    static string Excerpt(string text)
    {
        var line = text.Trim().ReplaceLineEndings(" ");
        return line.Length <= 40 ? line : $"{line[..40]}…";
    }

    /// <summary>English letters for other Latin ones, and one kind of quote, space and line break. What remains is ASCII or in the table.</summary>
    static string Latinize(string text)
    {
        var result = new StringBuilder(text.Length);
        var position = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.IsAscii)
                result.Append(rune.Value is '\r' ? "" : rune.Value is '\n' || rune.Value >= ' ' ? ((char)rune.Value).ToString() : " ");
            else if (rune.IsBmp && (Known((char)rune.Value) ?? Latin.English((char)rune.Value)) is { } known)
                result.Append(known);
            else
                result.Append(Unknown(rune, text, position));
            position += rune.Utf16SequenceLength;
        }
        return result.ToString();
    }

    static readonly FrozenDictionary<string, string[]>[] tables = [EnglishTable.Section("symbols"), EnglishTable.Section("punctuation"), EnglishTable.Section("fractions")];

    static string? Known(char c) => c switch
    {
        '’' or '‘' or 'ʼ' or '′' => "'",
        '″' => "\"",
        '\u2028' or '\u0085' => "\n",
        '\u2029' => "\n\n",
        '‐' or '‑' or '‒' => "-",
        'μ' => "µ",
        '⁄' or '∕' => "/",
        '…' or '℃' => c.ToString(),
        _ when tables.Any(t => t.ContainsKey(c.ToString())) => c.ToString(),
        _ => null,
    };

    static string Unknown(Rune rune, string text, int position) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format => "",
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter
            or UnicodeCategory.OtherLetter or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.DecimalDigitNumber
            or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber =>
            throw new SoftmodelException($"'{rune}' (U+{rune.Value:X4}), character {position + 1} of the text, line {text.AsSpan(0, position).Count('\n') + 1}, can't be spoken by an English voice: write it in Latin letters and the digits 0 to 9"),
        _ => " ",
    };

    /// <summary>What no rule has read: symbols, stray marks and space.</summary>
    static string Tidy(string text)
    {
        var symbols = EnglishTable.Section("symbols");
        var punctuation = EnglishTable.Section("punctuation");
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (char.IsAsciiLetter(c))
                result.Append(c);
            else if (c == '\'' && i > 0 && char.IsAsciiLetter(text[i - 1]) && i + 1 < text.Length && char.IsAsciiLetter(text[i + 1]))
                result.Append(c);
            else if (c == '\n')
                Break(result, text, ref i);
            else if (Marks.Contains(c))
                Mark(result, c);
            else if (punctuation.TryGetValue(c.ToString(), out var mark))
                _ = mark[0].Length > 0 ? Mark(result, mark[0][0]) : Space(result);
            else if (symbols.TryGetValue(c.ToString(), out var symbol))
                Space(Space(result).Append(symbol[0]));
            else
                Space(result);
        }
        return result.ToString().Trim(' ', '\n', ',', ';', ':');
    }

    static StringBuilder Space(StringBuilder text) => text.Length == 0 || text[^1] is ' ' or '\n' ? text : text.Append(' ');

    /// <summary>A mark goes after a word; of several, the one that says most stays.</summary>
    static StringBuilder Mark(StringBuilder text, char mark)
    {
        const string Weakest = ",:;….!?";
        var trimmed = text.Length;
        while (trimmed > 0 && text[trimmed - 1] == ' ')
            trimmed--;
        if (trimmed == 0 || text[trimmed - 1] == '\n')
            return text;
        text.Length = trimmed;
        if (Marks.Contains(text[^1]))
            text[^1] = Weakest.IndexOf(mark) > Weakest.IndexOf(text[^1]) ? mark : text[^1];
        else
            text.Append(mark);
        return text.Append(' ');
    }

    static void Break(StringBuilder text, string from, ref int at)
    {
        var breaks = 1;
        while (at + 1 < from.Length && from[at + 1] is ' ' or '\n')
            breaks += from[++at] == '\n' ? 1 : 0;
        if (breaks == 1)
        {
            Space(text);
            return;
        }
        while (text.Length > 0 && text[^1] == ' ')
            text.Length--;
        if (text.Length > 0 && text[^1] != '\n')
            text.Append('\n');
    }
}
