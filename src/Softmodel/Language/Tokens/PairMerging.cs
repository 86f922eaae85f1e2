using System.Runtime.InteropServices;
using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>Two tokens that are merged.</summary>
/// <param name="Text">What they are called, with one character between.</param>
/// <param name="Between">The place of that character.</param>
readonly record struct Pair(string Text, int Between)
{
    /// <summary>The first one.</summary>
    public ReadOnlySpan<char> Left => Text.AsSpan(0, Between);

    /// <summary>The second one.</summary>
    public ReadOnlySpan<char> Right => Text.AsSpan(Between + 1);
}

/// <summary>
/// Byte-pair encoding: text is taken apart into its smallest tokens, and of all neighbours that make a larger one those that
/// come first are merged, until none do.
/// </summary>
/// <remarks>
/// Microsoft.ML.Tokenizers encodes so too, but can't be had here: its BpeTokenizer takes over 100 ms for a vocabulary of 49,000
/// tokens, and seconds for a word of 100,000 letters (2.0.1); it has no bytes for unknown characters, and no way past the merges
/// for words that are tokens (Llama 3). What it has for SentencePiece reads nothing but that program's own files.
/// </remarks>
sealed class PairMerging
{
    readonly record struct Merged(double Order, int Token);

    struct Symbol
    {
        public int Start, Length, Token, Before, Next;
    }

    readonly record struct Candidate(int Left, int Right, int Length, int Token);

    readonly Vocabulary vocabulary;
    readonly int[] byteTokens;
    readonly bool isByteLevel, takesWhole;
    readonly Dictionary<long, Merged>? pairs;
    readonly IReadOnlyList<double>? scores;
    readonly int unknown;

    PairMerging(Vocabulary vocabulary, int[] byteTokens, bool isByteLevel, bool takesWhole, Dictionary<long, Merged>? pairs, IReadOnlyList<double>? scores)
    {
        (this.vocabulary, this.byteTokens, this.isByteLevel, this.takesWhole) = (vocabulary, byteTokens, isByteLevel, takesWhole);
        (this.pairs, this.scores) = (pairs, scores);
        unknown = Array.IndexOf(vocabulary.Kinds, TokenKind.Unknown);
    }

    /// <summary>Merges the pairs of a list, the first ones first.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="merges">The pairs.</param>
    /// <param name="isByteLevel">Whether the smallest tokens are bytes, as <see cref="ByteLevel"/> writes them, rather than characters.</param>
    /// <param name="takesWhole">Whether a piece that is a token is that one, whatever the pairs say.</param>
    /// <exception cref="SoftmodelException">A pair is none, or of what are no tokens.</exception>
    public static PairMerging ByPairs(Vocabulary vocabulary, IReadOnlyList<Pair> merges, bool isByteLevel, bool takesWhole)
    {
        var pairs = new Dictionary<long, Merged>(merges.Count);
        var joined = new char[256];
        for (var i = 0; i < merges.Count; i++)
        {
            var (a, b) = (merges[i].Left.Length, merges[i].Right.Length);
            if (a + b > joined.Length)
                joined = new char[(a + b) * 2];
            merges[i].Left.CopyTo(joined);
            merges[i].Right.CopyTo(joined.AsSpan(a));
            var (left, right, token) = (vocabulary.Find(merges[i].Left), vocabulary.Find(merges[i].Right), vocabulary.Find(joined.AsSpan(0, a + b)));
            if (left < 0 || right < 0 || token < 0)
                throw new SoftmodelException($"{vocabulary.Path}: the merge of '{merges[i].Left}' and '{merges[i].Right}' (number {i}) is of what are no tokens of its vocabulary; fetch the file again");
            pairs.TryAdd(Key(left, right), new(i, token));
        }
        int[] bytes = isByteLevel ? [.. ByteLevel.Characters.Select(c => vocabulary.Find([c]))] : vocabulary.NamedBytes();
        return new(vocabulary, bytes, isByteLevel, takesWhole, pairs, null);
    }

    /// <summary>Merges whatever makes a token, those of the highest scores first, as SentencePiece does.</summary>
    /// <param name="vocabulary">The tokens, of characters; those of bytes are named as in <c>&lt;0x0A&gt;</c>.</param>
    /// <param name="scores">The score of each.</param>
    /// <param name="bytes">The tokens of the 256 bytes, where they are not named so; -1 where there is none.</param>
    public static PairMerging ByScores(Vocabulary vocabulary, IReadOnlyList<double> scores, int[]? bytes = null) =>
        new(vocabulary, bytes ?? vocabulary.NamedBytes(), isByteLevel: false, takesWhole: false, null, scores);

    /// <summary>Encodes one piece of text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="tokens">Is added to.</param>
    public void Encode(ReadOnlySpan<char> text, List<int> tokens)
    {
        if (text.IsEmpty)
            return;
        var symbols = new List<Symbol>(text.Length);
        if (isByteLevel)
        {
            var utf8 = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
            var written = Encoding.UTF8.GetBytes(text, utf8);
            if (takesWhole && Whole(utf8.AsSpan(0, written)) is var whole and >= 0)
            {
                tokens.Add(whole);
                return;
            }
            // A byte that is no token is nothing to the model.
            for (var i = 0; i < written; i++)
            {
                if (byteTokens[utf8[i]] >= 0)
                    symbols.Add(new() { Start = symbols.Count, Length = 1, Token = byteTokens[utf8[i]] });
            }
        }
        else
        {
            if (takesWhole && vocabulary.Find(text) is var whole and >= 0)
            {
                tokens.Add(whole);
                return;
            }
            Characters(text, symbols);
        }
        Merge(text, CollectionsMarshal.AsSpan(symbols));
        for (var at = symbols.Count > 0 ? 0 : -1; at >= 0; at = symbols[at].Next)
        {
            if (symbols[at].Token >= 0)
                tokens.Add(symbols[at].Token);
            else
                Fallback(text.Slice(symbols[at].Start, symbols[at].Length), tokens);
        }
    }

    int Whole(ReadOnlySpan<byte> utf8)
    {
        var name = utf8.Length <= 256 ? stackalloc char[utf8.Length] : new char[utf8.Length];
        for (var i = 0; i < utf8.Length; i++)
            name[i] = ByteLevel.Characters[utf8[i]];
        return vocabulary.Find(name);
    }

    void Characters(ReadOnlySpan<char> text, List<Symbol> symbols)
    {
        for (int at = 0, length; at < text.Length; at += length)
        {
            _ = Rune.DecodeFromUtf16(text[at..], out _, out length);
            symbols.Add(new() { Start = at, Length = length, Token = Text(text.Slice(at, length)) });
        }
    }

    // Text that reads like a control token or a byte is text all the same.
    int Text(ReadOnlySpan<char> name) => vocabulary.Find(name) is var token and >= 0 && vocabulary.Kinds[token] is TokenKind.Text or TokenKind.Defined ? token : -1;

    void Fallback(ReadOnlySpan<char> text, List<int> tokens)
    {
        Span<byte> utf8 = stackalloc byte[Encoding.UTF8.GetMaxByteCount(2)];
        var written = Encoding.UTF8.GetBytes(text, utf8);
        var isByBytes = true;
        foreach (var b in utf8[..written])
            isByBytes &= byteTokens[b] >= 0;
        if (!isByBytes)
        {
            if (unknown >= 0)
                tokens.Add(unknown);
            return;
        }
        foreach (var b in utf8[..written])
            tokens.Add(byteTokens[b]);
    }

    void Merge(ReadOnlySpan<char> text, Span<Symbol> symbols)
    {
        var queue = new PriorityQueue<Candidate, (double, int)>();
        for (var i = 0; i < symbols.Length; i++)
        {
            (symbols[i].Before, symbols[i].Next) = (i - 1, i + 1 < symbols.Length ? i + 1 : -1);
            if (i > 0)
                Consider(text, symbols, i - 1, i, queue);
        }
        while (queue.TryDequeue(out var top, out _))
        {
            ref var left = ref symbols[top.Left];
            ref var right = ref symbols[top.Right];
            // One of them has been merged with another since, where they are not as long as they were.
            if (left.Next != top.Right || left.Length == 0 || left.Length + right.Length != top.Length)
                continue;
            (left.Length, left.Token, left.Next, right.Length) = (top.Length, top.Token, right.Next, 0);
            if (left.Next >= 0)
            {
                symbols[left.Next].Before = top.Left;
                Consider(text, symbols, top.Left, left.Next, queue);
            }
            if (left.Before >= 0)
                Consider(text, symbols, left.Before, top.Left, queue);
        }
    }

    void Consider(ReadOnlySpan<char> text, ReadOnlySpan<Symbol> symbols, int left, int right, PriorityQueue<Candidate, (double, int)> queue)
    {
        var length = symbols[left].Length + symbols[right].Length;
        Merged merged;
        if (pairs is not null)
        {
            if (!pairs.TryGetValue(Key(symbols[left].Token, symbols[right].Token), out merged))
                return;
        }
        else
        {
            if (Text(text.Slice(symbols[left].Start, length)) is not (var token and >= 0))
                return;
            merged = new(-scores![token], token);
        }
        queue.Enqueue(new(left, right, length, merged.Token), (merged.Order, left));
    }

    static long Key(int left, int right) => (long)left << 32 | (uint)right;
}
