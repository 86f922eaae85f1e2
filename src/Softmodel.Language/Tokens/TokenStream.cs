using System.Text;

namespace Softmodel.Language;

/// <summary>Gives the text of tokens as they come; a character whose bytes are of several tokens comes with the last of them.</summary>
/// <param name="tokenizer">Whose tokens they are.</param>
/// <param name="isAtStart">Whether a text begins, rather than goes on, so that the space which some tokenizers put first is dropped.</param>
/// <param name="withControl">Whether control tokens are shown, as they are written.</param>
public sealed class TokenStream(Tokenizer tokenizer, bool isAtStart, bool withControl)
{
    readonly System.Text.Decoder decoder = Encoding.UTF8.GetDecoder();
    bool isAtStart = isAtStart;

    /// <summary>The text that a token adds; what is no UTF-8 is U+FFFD. Empty where more bytes are needed.</summary>
    public string Next(int token)
    {
        var bytes = tokenizer.BytesOf(token);
        if (tokenizer.IsControl(token))
            return withControl ? Chars(bytes, false) : "";
        if (isAtStart && tokenizer.DropsFirstSpace && bytes.StartsWith((byte)' '))
            bytes = bytes[1..];
        isAtStart = false;
        return Chars(bytes, false);
    }

    /// <summary>What is left: U+FFFD for the beginning of a character that did not come whole. The stream can begin again.</summary>
    public string End() => Chars([], true);

    string Chars(ReadOnlySpan<byte> bytes, bool flush)
    {
        var chars = new char[decoder.GetCharCount(bytes, flush)];
        return new(chars, 0, decoder.GetChars(bytes, chars, flush));
    }
}
