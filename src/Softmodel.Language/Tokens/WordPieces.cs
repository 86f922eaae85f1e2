namespace Softmodel.Language.Tokens;

/// <summary>WordPiece, BERT's way: a word is the longest token that it begins with, and the longest ones with which it goes on.</summary>
sealed class WordPieces
{
    readonly Vocabulary vocabulary;
    readonly string unknown;
    readonly int mostLetters, longest;
    readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> going;

    /// <summary>Makes it.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="prefix">What the names of tokens begin with that go on with a word.</param>
    /// <param name="unknown">The token of a word that can't be written so.</param>
    /// <param name="mostLetters">A word of more characters is unknown.</param>
    public WordPieces(Vocabulary vocabulary, string prefix, string unknown, int mostLetters)
    {
        (this.vocabulary, this.unknown, this.mostLetters) = (vocabulary, unknown, mostLetters);
        var rest = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (name, token) in vocabulary.Texts)
        {
            longest = Math.Max(longest, name.Length);
            if (name.StartsWith(prefix, StringComparison.Ordinal))
                rest[name[prefix.Length..]] = token;
        }
        going = rest.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Encodes one word.</summary>
    /// <param name="word">The word.</param>
    /// <param name="withControl">Whether it may become control tokens.</param>
    /// <param name="tokens">Is added to.</param>
    /// <exception cref="SoftmodelException">The token that is meant for unknown words is none.</exception>
    public void Encode(ReadOnlySpan<char> word, bool withControl, List<int> tokens)
    {
        var (count, start) = (tokens.Count, 0);
        var isKnown = word.Length <= mostLetters || Letters(word) <= mostLetters;
        while (isKnown && start < word.Length)
        {
            var (end, token) = (Math.Min(word.Length, start + longest), -1);
            for (; end > start; end--)
            {
                token = start == 0 ? vocabulary.FindText(word[..end]) : going.TryGetValue(word[start..end], out var found) ? found : -1;
                if (token >= 0 && (withControl || vocabulary.Kinds[token] is not TokenKind.Control))
                    break;
            }
            isKnown = end > start;
            tokens.Add(token);
            start = end;
        }
        if (isKnown)
            return;
        tokens.RemoveRange(count, tokens.Count - count);
        tokens.Add(vocabulary.FindText(unknown) is var id and >= 0 ? id : throw new SoftmodelException($"{vocabulary.Path}: its unk_token '{unknown}' is not in its vocabulary, and '{(word.Length > 40 ? word[..40] : word)}' needs it; fetch the file again"));
    }

    static int Letters(ReadOnlySpan<char> word)
    {
        var count = 0;
        foreach (var c in word)
            count += char.IsLowSurrogate(c) ? 0 : 1;
        return count;
    }
}
