using System.Buffers;
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

/// <summary>What byte-pair encoding does besides merging, as <c>tokenizer.json</c> says it.</summary>
readonly record struct PairOptions
{
    /// <summary>What the names of tokens that go on with a word begin with.</summary>
    public string? Going { get; init; }

    /// <summary>What the names of tokens that end a word end with.</summary>
    public string? Ending { get; init; }

    /// <summary>The token of what has none; null where such is left out.</summary>
    public string? Unknown { get; init; }

    /// <summary>Whether there is one such token for several characters in a row.</summary>
    public bool FusesUnknown { get; init; }

    /// <summary>Whether what has no token becomes those of its bytes.</summary>
    public bool FallsBack { get; init; }

    /// <summary>Whether a piece that is a token is that one, whatever the pairs say.</summary>
    public bool TakesWhole { get; init; }
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
    // So many symbols are merged by looking at all of them each time.
    const int Few = 24, NoRank = int.MaxValue;

    readonly record struct Merged(int Rank, int Token);

    struct Symbol
    {
        public int Start, Length, Token, Before, Next;
    }

    readonly Vocabulary vocabulary;
    readonly PairOptions options;
    readonly Dictionary<long, Merged>? pairs;
    readonly int[]? ranks;
    readonly int[] byteTokens;
    readonly int[] letters = new int[0x180];
    readonly int unknown;

    PairMerging(Vocabulary vocabulary, PairOptions options, Dictionary<long, Merged>? pairs, int[]? ranks, int[] byteTokens, int unknown)
    {
        (this.vocabulary, this.options, this.pairs, this.ranks, this.byteTokens, this.unknown) = (vocabulary, options, pairs, ranks, byteTokens, unknown);
        for (var c = 0; c < letters.Length; c++)
            letters[c] = vocabulary.FindText([(char)c]);
    }

    /// <summary>Merges the pairs of a list, the first ones first.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="merges">The pairs.</param>
    /// <param name="options">What else it does.</param>
    /// <exception cref="SoftmodelException">A pair is none, or of what are no tokens.</exception>
    public static PairMerging ByPairs(Vocabulary vocabulary, IReadOnlyList<Pair> merges, PairOptions options)
    {
        var pairs = new Dictionary<long, Merged>(merges.Count);
        var joined = new char[256];
        for (var i = 0; i < merges.Count; i++)
        {
            var first = merges[i].Left;
            var second = merges[i].Right;
            var (left, right) = (vocabulary.FindText(first), vocabulary.FindText(second));
            if (options.Going is { Length: > 0 } going)
                second = second.Length >= going.Length ? second[going.Length..] : [];
            if (first.Length + second.Length > joined.Length)
                joined = new char[(first.Length + second.Length) * 2];
            first.CopyTo(joined);
            second.CopyTo(joined.AsSpan(first.Length));
            var token = vocabulary.FindText(joined.AsSpan(0, first.Length + second.Length));
            if (left < 0 || right < 0 || token < 0)
                throw new SoftmodelException($"{vocabulary.Path}: the merge of '{merges[i].Left}' and '{merges[i].Right}' (number {i}) is of what are no tokens of its vocabulary; fetch the file again");
            pairs[Key(left, right)] = new(i, token);
        }
        return new(vocabulary, options, pairs, null, vocabulary.NamedBytes(), options.Unknown is { } name ? vocabulary.FindText(name) : -1);
    }

    /// <summary>Merges whatever makes a token, those of the highest scores first, as SentencePiece does.</summary>
    /// <param name="vocabulary">The tokens, of characters; those of bytes are named as in <c>&lt;0x0A&gt;</c>.</param>
    /// <param name="scores">The score of each.</param>
    public static PairMerging ByScores(Vocabulary vocabulary, IReadOnlyList<double> scores)
    {
        var (ranks, rank) = (new int[scores.Count], -1);
        double? last = null;
        foreach (var token in Enumerable.Range(0, scores.Count).OrderByDescending(t => scores[t]))
        {
            rank += scores[token] != last ? 1 : 0;
            (last, ranks[token]) = (scores[token], rank);
        }
        return new(vocabulary, default, null, ranks, vocabulary.NamedBytes(), Array.IndexOf(vocabulary.Kinds, TokenKind.Unknown));
    }

    /// <summary>Encodes one piece of text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="withControl">Whether it may become control tokens.</param>
    /// <param name="tokens">Is added to.</param>
    /// <exception cref="SoftmodelException">The token that is meant for unknown characters is none.</exception>
    public void Encode(ReadOnlySpan<char> text, bool withControl, List<int> tokens)
    {
        if (text.IsEmpty)
            return;
        if (options.TakesWhole && Allowed(vocabulary.FindText(text), withControl) is var whole and >= 0)
        {
            tokens.Add(whole);
            return;
        }
        if (text.Length == 1 && options is { Going: null, Ending: null } && text[0] < letters.Length && Allowed(letters[text[0]], withControl) is var letter and >= 0)
        {
            tokens.Add(letter);
            return;
        }
        var rented = ArrayPool<Symbol>.Shared.Rent(text.Length * (options.FallsBack ? 4 + (options.Going?.Length ?? 0) * 3 + (options.Ending?.Length ?? 0) * 3 : 1) + 1);
        try
        {
            var symbols = rented.AsSpan(0, pairs is null ? Characters(text, rented) : Smallest(text, withControl, rented));
            if (symbols.IsEmpty)
                return;
            if (symbols.Length <= Few)
            {
                symbols = MergeFew(text, withControl, symbols);
                foreach (ref readonly var symbol in symbols)
                    Add(symbol, text, tokens);
                return;
            }
            Merge(text, withControl, symbols);
            for (var at = 0; at >= 0; at = symbols[at].Next)
                Add(symbols[at], text, tokens);
        }
        finally
        {
            ArrayPool<Symbol>.Shared.Return(rented);
        }
    }

    void Add(in Symbol symbol, ReadOnlySpan<char> text, List<int> tokens)
    {
        if (symbol.Token >= 0)
            tokens.Add(symbol.Token);
        else
            Fallback(text.Slice(symbol.Start, symbol.Length), tokens);
    }

    // Text from elsewhere that reads like a control token is text all the same.
    int Allowed(int token, bool withControl) => token >= 0 && !withControl && vocabulary.Kinds[token] is TokenKind.Control ? -1 : token;

    // Characters and their tokens; those without one wait for others to be merged with.
    int Characters(ReadOnlySpan<char> text, Symbol[] symbols)
    {
        var count = 0;
        for (int at = 0, length; at < text.Length; at += length)
        {
            _ = Rune.DecodeFromUtf16(text[at..], out _, out length);
            symbols[count++] = new() { Start = at, Length = length, Token = Plain(text.Slice(at, length)) };
        }
        return count;
    }

    // Text that reads like a control token or a byte is text all the same.
    int Plain(ReadOnlySpan<char> name) => vocabulary.FindText(name) is var token and >= 0 && vocabulary.Kinds[token] is TokenKind.Text or TokenKind.Defined ? token : -1;

    void Fallback(ReadOnlySpan<char> text, List<int> tokens)
    {
        Span<byte> utf8 = stackalloc byte[8];
        utf8 = utf8[..Encoding.UTF8.GetBytes(text, utf8)];
        if (HasAll(utf8))
        {
            foreach (var b in utf8)
                tokens.Add(byteTokens[b]);
        }
        else if (unknown >= 0)
            tokens.Add(unknown);
    }

    bool HasAll(ReadOnlySpan<byte> utf8)
    {
        foreach (var b in utf8)
        {
            if (byteTokens[b] < 0)
                return false;
        }
        return true;
    }

    // The tokens of the characters; of what has none, those of its bytes, or the unknown one, or nothing.
    int Smallest(ReadOnlySpan<char> text, bool withControl, Symbol[] symbols)
    {
        var (count, hasUnknown) = (0, false);
        Span<char> name = stackalloc char[2 + (options.Going?.Length ?? 0) + (options.Ending?.Length ?? 0)];
        for (int at = 0, length; at < text.Length; at += length)
        {
            length = char.IsSurrogate(text[at]) ? 2 : 1;
            scoped var letter = text.Slice(at, length);
            int token;
            if (options.Going is null && options.Ending is null)
                token = letter[0] < letters.Length ? letters[letter[0]] : vocabulary.FindText(letter);
            else
            {
                var going = at > 0 ? options.Going : null;
                var ending = at + length == text.Length ? options.Ending : null;
                going.AsSpan().CopyTo(name);
                letter.CopyTo(name[(going?.Length ?? 0)..]);
                ending.AsSpan().CopyTo(name[((going?.Length ?? 0) + length)..]);
                letter = name[..((going?.Length ?? 0) + length + (ending?.Length ?? 0))];
                token = vocabulary.FindText(letter);
            }
            token = Allowed(token, withControl);
            if (token >= 0)
            {
                if (hasUnknown)
                    symbols[count++] = new() { Token = unknown, Length = 1 };
                hasUnknown = false;
                symbols[count++] = new() { Token = token, Length = 1 };
                continue;
            }
            if (options.FallsBack)
            {
                var utf8 = new byte[Encoding.UTF8.GetByteCount(letter)];
                Encoding.UTF8.GetBytes(letter, utf8);
                if (HasAll(utf8))
                {
                    foreach (var b in utf8)
                        symbols[count++] = new() { Token = byteTokens[b], Length = 1 };
                    continue;
                }
            }
            if (options.Unknown is null)
                continue;
            if (unknown < 0)
                throw new SoftmodelException($"{vocabulary.Path}: its unk_token '{options.Unknown}' is not in its vocabulary, and '{letter}' needs it; fetch the file again");
            if (hasUnknown && !options.FusesUnknown)
                symbols[count++] = new() { Token = unknown, Length = 1 };
            hasUnknown = true;
        }
        if (hasUnknown)
            symbols[count++] = new() { Token = unknown, Length = 1 };
        return count;
    }

    Span<Symbol> MergeFew(ReadOnlySpan<char> text, bool withControl, Span<Symbol> symbols)
    {
        Span<Merged> merged = stackalloc Merged[Few];
        for (var i = 0; i + 1 < symbols.Length; i++)
            merged[i] = Of(text, withControl, symbols[i], symbols[i + 1]);
        while (symbols.Length > 1)
        {
            var best = 0;
            for (var i = 1; i + 1 < symbols.Length; i++)
            {
                if (merged[i].Rank < merged[best].Rank)
                    best = i;
            }
            if (merged[best].Rank == NoRank)
                break;
            symbols[best].Token = merged[best].Token;
            symbols[best].Length += symbols[best + 1].Length;
            symbols[(best + 2)..].CopyTo(symbols[(best + 1)..]);
            merged[(best + 1)..symbols.Length].CopyTo(merged[best..]);
            symbols = symbols[..^1];
            if (best > 0)
                merged[best - 1] = Of(text, withControl, symbols[best - 1], symbols[best]);
            if (best + 1 < symbols.Length)
                merged[best] = Of(text, withControl, symbols[best], symbols[best + 1]);
        }
        return symbols;
    }

    void Merge(ReadOnlySpan<char> text, bool withControl, Span<Symbol> symbols)
    {
        // The lowest rank comes first, and of several the first place.
        var queue = new PriorityQueue<int, long>(symbols.Length);
        for (var i = 0; i < symbols.Length; i++)
        {
            (symbols[i].Before, symbols[i].Next) = (i - 1, i + 1 < symbols.Length ? i + 1 : -1);
            if (i > 0)
                Consider(text, withControl, symbols, i - 1, queue);
        }
        while (queue.TryDequeue(out var at, out var order))
        {
            ref var left = ref symbols[at];
            // One of them has been merged with another since, where they are not what they were.
            if (left.Length == 0 || left.Next < 0 || Of(text, withControl, left, symbols[left.Next]) is var now && now.Rank != (int)(order >> 32))
                continue;
            ref var right = ref symbols[left.Next];
            (left.Token, left.Length, left.Next, right.Length) = (now.Token, left.Length + right.Length, right.Next, 0);
            if (left.Next >= 0)
            {
                symbols[left.Next].Before = at;
                Consider(text, withControl, symbols, at, queue);
            }
            if (left.Before >= 0)
                Consider(text, withControl, symbols, left.Before, queue);
        }
    }

    void Consider(ReadOnlySpan<char> text, bool withControl, ReadOnlySpan<Symbol> symbols, int left, PriorityQueue<int, long> queue)
    {
        if (Of(text, withControl, symbols[left], symbols[symbols[left].Next]) is { Rank: not NoRank } merged)
            queue.Enqueue(left, (long)merged.Rank << 32 | (uint)left);
    }

    Merged Of(ReadOnlySpan<char> text, bool withControl, in Symbol left, in Symbol right)
    {
        if (pairs is not null)
            return pairs.TryGetValue(Key(left.Token, right.Token), out var merged) && Allowed(merged.Token, withControl) >= 0 ? merged : new(NoRank, -1);
        return Plain(text.Slice(left.Start, left.Length + right.Length)) is var token and >= 0 ? new(ranks![token], token) : new(NoRank, -1);
    }

    static long Key(int left, int right) => (long)left << 32 | (uint)right;
}
