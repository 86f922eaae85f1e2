namespace Softmodel.Language.Tokens;

/// <summary>Each piece is a token, or unknown.</summary>
/// <param name="vocabulary">The tokens.</param>
/// <param name="unknown">The token of what has none.</param>
sealed class WordLevel(Vocabulary vocabulary, string unknown)
{
    /// <summary>Encodes one piece of text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="withControl">Whether it may become a control token.</param>
    /// <param name="tokens">Is added to.</param>
    /// <exception cref="SoftmodelException">The token that is meant for unknown pieces is none.</exception>
    public void Encode(ReadOnlySpan<char> text, bool withControl, List<int> tokens)
    {
        var token = vocabulary.FindText(text);
        if (token < 0 || !withControl && vocabulary.Kinds[token] is TokenKind.Control)
            token = vocabulary.FindText(unknown) is var id and >= 0 ? id : throw new SoftmodelException($"{vocabulary.Path}: its unk_token '{unknown}' is not in its vocabulary, and '{text}' needs it; fetch the file again");
        tokens.Add(token);
    }
}
