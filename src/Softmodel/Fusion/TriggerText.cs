using System.Globalization;
using System.Text;
using Softmodel.Language;

namespace Softmodel.Fusion;

/// <summary>A program that is due.</summary>
/// <param name="At">The position of the token after which its result follows.</param>
/// <param name="Program">Its number, from 1 on.</param>
/// <param name="Operands">For each operand its first and last token.</param>
/// <param name="HasSpace">Whether a space stands between the token and the result.</param>
readonly record struct TriggerDue(int At, int Program, (int First, int Last)[] Operands, bool HasSpace);

/// <summary>A text as the trigger learns it: its tokens, and what is due where.</summary>
/// <param name="Tokens">The tokens.</param>
/// <param name="Dues">What is due, in order.</param>
/// <param name="Undecided">Positions at which both are right.</param>
/// <param name="Passage">What it is of.</param>
sealed record TriggerText(int[] Tokens, TriggerDue[] Dues, int[] Undecided, Passage Passage)
{
    /// <summary>A passage in tokens; null where they can't be told apart in its text, or an operand's end is in the middle of one.</summary>
    /// <param name="passage">The passage.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="numbers">The numbers of programs.</param>
    public static TriggerText? Of(Passage passage, Tokenizer tokenizer, IReadOnlyDictionary<string, int> numbers)
    {
        int[] tokens = [.. tokenizer.Before, .. tokenizer.Encode(passage.Text, parsesSpecial: passage.Turns.Count > 0)];
        if (Places.Of(tokens, tokenizer.Before.Count, passage.Text, tokenizer) is not { } places)
            return null;
        // After spaces, and after a unit that stands before the result, the same is due as before them.
        IEnumerable<int> At(int end)
        {
            var after = passage.Text.AsSpan(end);
            var begins = end + Math.Max(0, after.IndexOfAnyExcept(' '));
            var units = passage.Text.AsSpan(begins);
            begins += units.Length > 0 && char.GetUnicodeCategory(units[0]) == UnicodeCategory.CurrencySymbol ? 1 : 0;
            var first = places.At(end - 1);
            return Enumerable.Range(first, Math.Max(1, places.At(begins) - first));
        }
        var dues = from due in passage.Dues
                   let operands = due.Operands.Select(o => (First: places.At(o.Start), Last: places.At(o.Start + o.Length - 1))).ToArray()
                   from at in At(due.At)
                   select new TriggerDue(at, numbers[due.Program], operands, places.End(at) < passage.Text.Length && passage.Text[places.End(at)] == ' ');
        // A token that begins before an operand, or ends after it, may hold quotes or signs, but no letters or digits of something else.
        bool IsWhole(Span operand) => Enumerable.Range(1, MostBeside).All(i => operand.Start < i || !Beside(operand.Start - i, operand.Start))
            && Enumerable.Range(0, MostBeside).All(i => operand.End + i >= passage.Text.Length || !Beside(operand.End + i, operand.End - 1));
        bool Beside(int character, int of) => places.At(character) == places.At(of) && char.IsLetterOrDigit(passage.Text[character]);
        return passage.Dues.All(d => d.Operands.All(IsWhole)) ? new(tokens, [.. dues], [.. passage.Undecided.SelectMany(At)], passage) : null;
    }

    // How far a token reaches beyond an operand.
    const int MostBeside = 24;
}

/// <summary>Where the tokens of a text stand in it.</summary>
sealed class Places
{
    readonly int[] tokenOf;

    Places(int[] tokenOf) => this.tokenOf = tokenOf;

    /// <summary>The places of tokens; null where their bytes are not those of the text.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="before">How many stand before the text.</param>
    /// <param name="text">The text.</param>
    /// <param name="tokenizer">What made them.</param>
    public static Places? Of(ReadOnlySpan<int> tokens, int before, string text, Tokenizer tokenizer)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var (tokenOf, at) = (new int[bytes.Length + 1], 0);
        for (var i = before; i < tokens.Length; i++)
        {
            var own = tokenizer.BytesOf(tokens[i]);
            if (at + own.Length > bytes.Length || !own.SequenceEqual(bytes.AsSpan(at, own.Length)))
                return null;
            tokenOf.AsSpan(at, own.Length).Fill(i);
            at += own.Length;
        }
        if (at != bytes.Length)
            return null;
        tokenOf[at] = tokens.Length;
        if (bytes.Length == text.Length)
            return new(tokenOf);
        var ofCharacters = new int[text.Length + 1];
        for (var (c, b) = (0, 0); c <= text.Length; c++)
        {
            ofCharacters[c] = tokenOf[b];
            // The second half of a pair lies where the first does.
            if (c < text.Length && !char.IsLowSurrogate(text[c]))
                b += char.IsHighSurrogate(text[c]) ? 4 : text[c] < 0x80 ? 1 : text[c] < 0x800 ? 2 : 3;
        }
        return new(ofCharacters);
    }

    /// <summary>The token that holds a character.</summary>
    public int At(int character) => tokenOf[character];

    /// <summary>The character after a token.</summary>
    public int End(int token) => Array.FindIndex(tokenOf, t => t > token) is >= 0 and var end ? end : tokenOf.Length - 1;
}
