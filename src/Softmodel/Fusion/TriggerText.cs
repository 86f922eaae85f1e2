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
        var text = passage.Text;
        // After spaces, and after a unit that stands before the result, the same is due as before them; in a new line only there.
        (int First, int Lines, int Begin) Around(int end)
        {
            var begins = end;
            while (begins < text.Length && char.IsWhiteSpace(text[begins]))
                begins++;
            var line = text.LastIndexOf('\n', Math.Max(0, begins - 1), begins - end);
            begins += begins < text.Length && char.GetUnicodeCategory(text[begins]) == UnicodeCategory.CurrencySymbol ? 1 : 0;
            var first = places.At(end - 1);
            return (first, line < 0 ? first : places.At(line), Math.Max(first + 1, places.At(begins)));
        }
        List<int> undecided = [];
        void Undecide(int token)
        {
            if (tokenizer.BytesOf(tokens[token]) is not [.., >= (byte)'0' and <= (byte)'9'])
                undecided.Add(token);
        }
        int AnswerOf(int at) => passage.Turns.LastOrDefault(t => t.Text.Start <= at) is { Role: not null } turn ? turn.Text.Start : at == 0 ? 0 : text.LastIndexOf('\n', at - 1) + 1;
        foreach (var at in passage.Undecided)
        {
            var (first, _, begin) = Around(at);
            undecided.AddRange(Enumerable.Range(first, begin - first));
            // What an answer says before its result might as well be left out.
            if (passage.Dues.FirstOrDefault(d => d.At > at) is not { } next || text.AsSpan(at, next.At - at).Contains('\n') || passage.Turns.Any(t => t.Text.Start > at && t.Text.Start <= next.At))
                continue;
            for (var token = begin; token < places.At(next.At - 1); token++)
                Undecide(token);
        }
        var (dues, done) = (new List<TriggerDue>(), 0);
        foreach (var due in passage.Dues)
        {
            // So might what it says in its line, or its message, when all operands stand before that: "A: It is 7."
            var answer = Math.Max(done, AnswerOf(due.At));
            if (due.Operands.All(o => o.End <= answer))
            {
                // A message may begin with it, a line with a label.
                var isMessage = passage.Turns.Any(t => t.Text.Start == answer);
                for (var token = places.At(isMessage ? Math.Max(0, answer - 1) : answer); token < places.At(Math.Max(answer, due.At - 1)); token++)
                    Undecide(token);
            }
            done = due.At + due.Answer.Length;
            // The last character may be several tokens.
            (int First, int Last)[] operands = [.. due.Operands.Select(o => (places.At(o.Start), Math.Max(places.At(o.End - 1), places.At(o.End) - 1)))];
            var (first, line, begin) = Around(due.At);
            for (var at = first; at < begin; at++)
            {
                // Right behind an operand its digits would go on; in a token that has more than its end, as "):", it can't be pointed to.
                if (Array.Exists(operands, o => o.Last >= at))
                {
                    if (due.Operands.All(o => places.End(at) > o.End))
                        undecided.Add(at);
                    continue;
                }
                if (at < line)
                    undecided.Add(at);
                else
                    dues.Add(new(at, numbers[due.Program], operands, places.End(at) < text.Length && text[places.End(at)] == ' '));
            }
        }
        // A token that begins before an operand, or ends after it, may hold quotes or signs, but no letters or digits of something else.
        bool IsWhole(Span operand) => Enumerable.Range(1, MostBeside).All(i => operand.Start < i || !Beside(operand.Start - i, operand.Start))
            && Enumerable.Range(0, MostBeside).All(i => operand.End + i >= text.Length || !Beside(operand.End + i, operand.End - 1));
        bool Beside(int character, int of) => places.At(character) == places.At(of) && char.IsLetterOrDigit(text[character]);
        return passage.Dues.All(d => d.Operands.All(IsWhole)) ? new(tokens, [.. dues], [.. undecided], passage) : null;
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
