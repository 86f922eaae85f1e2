using System.Buffers;

namespace Softmodel.Language.Tokens;

/// <summary>
/// Unigram, SentencePiece's other way: of all ways to write a text in tokens that of the best scores. A character that no token
/// begins with costs more than the worst of them; such characters in a row are one unknown token, or those of their bytes.
/// </summary>
sealed class Unigram
{
    const double UnknownPenalty = 10;

    readonly Vocabulary vocabulary;
    readonly double[] scores;
    readonly int unknown;
    readonly int[] byteTokens;
    readonly bool fallsBack;
    readonly double unknownScore;

    // The vocabulary as a trie: a child by the number of its parent and its character, and the token that ends there.
    readonly Dictionary<long, int> children;
    readonly List<int> ends = [-1];

    /// <summary>Makes it.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="scores">The score of each.</param>
    /// <param name="unknown">The token of what has none; -1 where there is none.</param>
    /// <param name="fallsBack">Whether what has no token becomes those of its bytes.</param>
    public Unigram(Vocabulary vocabulary, double[] scores, int unknown, bool fallsBack)
    {
        (this.vocabulary, this.scores, this.unknown, this.fallsBack) = (vocabulary, scores, unknown, fallsBack);
        byteTokens = vocabulary.NamedBytes();
        unknownScore = (scores.Length == 0 ? 0 : scores.Min()) - UnknownPenalty;
        children = new(scores.Length * 2);
        for (var token = 0; token < scores.Length; token++)
        {
            var node = 0;
            foreach (var c in vocabulary.Names[token])
            {
                if (!children.TryGetValue(Key(node, c), out var child))
                {
                    children[Key(node, c)] = child = ends.Count;
                    ends.Add(-1);
                }
                node = child;
            }
            // Of several of one name the last counts.
            if (node > 0)
                ends[node] = token;
        }
    }

    static long Key(int node, char c) => (long)node << 16 | c;

    /// <summary>Encodes one piece of text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="withControl">Whether it may become control tokens.</param>
    /// <param name="tokens">Is added to.</param>
    /// <exception cref="SoftmodelException">A character has no token, and there is none for what has none.</exception>
    public void Encode(ReadOnlySpan<char> text, bool withControl, List<int> tokens)
    {
        if (text.IsEmpty)
            return;
        var (best, from, which) = (ArrayPool<double>.Shared.Rent(text.Length + 1), ArrayPool<int>.Shared.Rent(text.Length + 1), ArrayPool<int>.Shared.Rent(text.Length + 1));
        try
        {
            from.AsSpan(0, text.Length + 1).Fill(-1);
            best[0] = 0;
            for (int at = 0, length; at < text.Length; at += length)
            {
                length = char.IsSurrogate(text[at]) ? 2 : 1;
                var (node, end, hasOne) = (0, at, false);
                while (end < text.Length && children.TryGetValue(Key(node, text[end]), out node))
                {
                    end++;
                    if (ends[node] is var token and >= 0 && (withControl || vocabulary.Kinds[token] is not TokenKind.Control))
                    {
                        Take(end, best[at] + scores[token], at, token);
                        hasOne |= end - at == length;
                    }
                }
                if (!hasOne && Take(at + length, best[at] + unknownScore, at, unknown) && unknown < 0)
                    throw new SoftmodelException($"{vocabulary.Path}: its vocabulary has no token for '{text.Slice(at, length)}', and none for what is unknown (unk_id)");
            }
            Write(text, from, which, withControl, tokens);
        }
        finally
        {
            ArrayPool<double>.Shared.Return(best);
            ArrayPool<int>.Shared.Return(from);
            ArrayPool<int>.Shared.Return(which);
        }

        bool Take(int end, double score, int start, int token)
        {
            if (from[end] >= 0 && !(score > best[end]))
                return false;
            (best[end], from[end], which[end]) = (score, start, token);
            return true;
        }
    }

    void Write(ReadOnlySpan<char> text, int[] from, int[] which, bool withControl, List<int> tokens)
    {
        // From the end; what is unknown is put together with what is so before it.
        var parts = new List<(int Start, int End)>();
        for (int end = text.Length, start; end > 0; end = start)
        {
            start = from[end];
            var isUnknown = unknown >= 0 && which[end] == unknown;
            while (isUnknown && start > 0 && which[start] == unknown)
                start = from[start];
            parts.Add((start, end));
        }
        for (var i = parts.Count - 1; i >= 0; i--)
        {
            var part = text[parts[i].Start..parts[i].End];
            if (Find(part, withControl) is var token and >= 0)
                tokens.Add(token);
            else if (!fallsBack || !Bytes(part, tokens))
                tokens.Add(unknown);
        }
    }

    int Find(ReadOnlySpan<char> text, bool withControl)
    {
        var node = 0;
        foreach (var c in text)
        {
            if (!children.TryGetValue(Key(node, c), out node))
                return -1;
        }
        return ends[node] is var token and >= 0 && (withControl || vocabulary.Kinds[token] is not TokenKind.Control) ? token : -1;
    }

    bool Bytes(ReadOnlySpan<char> text, List<int> tokens)
    {
        var count = tokens.Count;
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            foreach (var b in utf8[..rune.EncodeToUtf8(utf8)])
            {
                if (byteTokens[b] < 0)
                {
                    tokens.RemoveRange(count, tokens.Count - count);
                    return false;
                }
                tokens.Add(byteTokens[b]);
            }
        }
        return true;
    }
}
