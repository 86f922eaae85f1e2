using System.Buffers;

namespace Softmodel.Language.Tokens;

/// <summary>A token that is recognised in text before all others.</summary>
/// <param name="Text">What it is written as.</param>
/// <param name="Token">The token.</param>
/// <param name="IsControl">Whether that is done only where control tokens are asked for.</param>
/// <param name="TakesBefore">Whether white space before it is dropped.</param>
/// <param name="TakesAfter">Whether white space after it is dropped.</param>
readonly record struct SpecialToken(string Text, int Token, bool IsControl, bool TakesBefore = false, bool TakesAfter = false);

/// <summary>Finds the tokens that are recognised before all others; of several in one place the longest.</summary>
sealed class SpecialTokens
{
    readonly Dictionary<char, SpecialToken[]> byStart;
    readonly SearchValues<char> starts;

    /// <summary>Makes it of the tokens.</summary>
    public SpecialTokens(IEnumerable<SpecialToken> tokens)
    {
        byStart = tokens.Where(t => t.Text.Length > 0).GroupBy(t => t.Text[0]).ToDictionary(g => g.Key, g => g.OrderByDescending(t => t.Text.Length).ToArray());
        starts = SearchValues.Create(byStart.Keys.ToArray());
    }

    /// <summary>The first of them in a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="withControl">Whether control tokens are looked for.</param>
    /// <param name="at">Where it begins.</param>
    /// <returns>Null where there is none.</returns>
    public SpecialToken? First(ReadOnlySpan<char> text, bool withControl, out int at)
    {
        at = 0;
        for (int next; (next = text[at..].IndexOfAny(starts)) >= 0; at++)
        {
            at += next;
            foreach (var token in byStart[text[at]])
            {
                if ((withControl || !token.IsControl) && text[at..].StartsWith(token.Text, StringComparison.Ordinal))
                    return token;
            }
        }
        at = text.Length;
        return null;
    }
}
