using System.Buffers;
using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>A token that is recognised in text before all others.</summary>
/// <param name="Text">What it is written as.</param>
/// <param name="Token">The token.</param>
/// <param name="IsControl">Whether that is done only where control tokens are asked for.</param>
/// <param name="TakesBefore">Whether white space before it is dropped.</param>
/// <param name="TakesAfter">Whether white space after it is dropped.</param>
/// <param name="IsWord">Whether it is one only where no letter stands right before or after it.</param>
readonly record struct SpecialToken(string Text, int Token, bool IsControl, bool TakesBefore = false, bool TakesAfter = false, bool IsWord = false);

/// <summary>Finds the tokens that are recognised before all others; of several in one place the longest.</summary>
sealed class SpecialTokens
{
    readonly Dictionary<char, SpecialToken[]> byStart;
    readonly SearchValues<char> starts;

    /// <summary>Makes it of the tokens; of several of one text the first counts.</summary>
    public SpecialTokens(IEnumerable<SpecialToken> tokens)
    {
        byStart = tokens.Where(t => t.Text.Length > 0).DistinctBy(t => t.Text).GroupBy(t => t.Text[0]).ToDictionary(g => g.Key, g => g.OrderByDescending(t => t.Text.Length).ToArray());
        starts = SearchValues.Create(byStart.Keys.ToArray());
    }

    /// <summary>Splits a text by them.</summary>
    /// <param name="text">The text.</param>
    /// <param name="withControl">Whether control tokens are looked for.</param>
    /// <param name="parts">The parts are added to it, in order: tokens, and texts as -1.</param>
    public void Split(ReadOnlySpan<char> text, bool withControl, List<(int Start, int End, int Token)> parts)
    {
        var done = 0;
        for (var at = 0; First(text, withControl, ref at) is { } token;)
        {
            var (start, end) = (at, at + token.Text.Length);
            at = end;
            if (token.IsWord && (start > 0 && Last(text[..start]) is var before && UnicodeTables.RustWord.Contains(before) || end < text.Length && Next(text[end..]) is var after && UnicodeTables.RustWord.Contains(after)))
                continue;
            // Before it only what no other token has taken, which may be more than is there: the reference goes on within what one has taken after it.
            while (token.TakesBefore && start > done && UnicodeTables.WhiteSpace.Contains(text[start - 1]))
                start--;
            start = token.TakesBefore ? Math.Max(start, done) : start;
            while (token.TakesAfter && end < text.Length && UnicodeTables.WhiteSpace.Contains(text[end]))
                end++;
            if (start > done)
                parts.Add((done, start, -1));
            if (end > start)
                parts.Add((start, end, token.Token));
            done = end;
        }
        if (done < text.Length)
            parts.Add((done, text.Length, -1));
    }

    SpecialToken? First(ReadOnlySpan<char> text, bool withControl, ref int at)
    {
        for (int next; at < text.Length && (next = text[at..].IndexOfAny(starts)) >= 0; at++)
        {
            at += next;
            foreach (var token in byStart[text[at]])
            {
                if ((withControl || !token.IsControl) && text[at..].StartsWith(token.Text, StringComparison.Ordinal))
                    return token;
            }
        }
        return null;
    }

    static Rune Last(ReadOnlySpan<char> text)
    {
        _ = Rune.DecodeLastFromUtf16(text, out var rune, out _);
        return rune;
    }

    static Rune Next(ReadOnlySpan<char> text)
    {
        _ = Rune.DecodeFromUtf16(text, out var rune, out _);
        return rune;
    }
}
