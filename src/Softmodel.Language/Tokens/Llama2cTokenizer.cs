using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>
/// The tokenizer in the format of llama2.c: the length of the longest token, then a score and a text for each token; numbers are
/// of 32 bits. The tokens are those of SentencePiece, with their spaces as spaces: nothing, a beginning, an end, 256 bytes, pieces.
/// </summary>
static class Llama2cTokenizer
{
    const int BeginToken = 1, EndToken = 2, FirstByte = 3, MostLength = 1 << 12;

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">It can't be read, or is not of that format.</exception>
    public static Tokenizer Read(string path)
    {
        var (names, scores) = Entries(path, Bytes(path));
        // Older files have the character of each byte in place of its name, which stands again among the pieces.
        var areCharacters = names.Count >= FirstByte + 256 && Enumerable.Range(0, 256).All(b => names[FirstByte + b] == $"{(char)b}");
        for (var b = 0; b < 256 && areCharacters; b++)
            names[FirstByte + b] = $"<0x{b:X2}>";
        if (names.Count < FirstByte + 256 || Enumerable.Range(0, 256).Any(b => names[FirstByte + b] != $"<0x{b:X2}>"))
            throw new SoftmodelException($"{path}: it is no tokenizer that can be read: neither GGUF, nor a tokenizer.json, nor a tokenizer.bin of llama2.c, whose tokens {FirstByte} to {FirstByte + 255} are bytes");
        var kinds = Enumerable.Range(0, names.Count).Select(Kind).ToArray();
        var vocabulary = new Vocabulary(path, names, kinds, (i, writer) =>
        {
            if (kinds[i] is TokenKind.Byte)
                writer.Write([(byte)(i - FirstByte)]);
            else
                Vocabulary.Write(names[i], writer);
        });
        var merging = PairMerging.ByScores(vocabulary, scores);
        SpecialToken[] special = [new(names[BeginToken].Trim(), BeginToken, IsControl: true), new(names[EndToken].Trim(), EndToken, IsControl: true)];
        return new(new(vocabulary, (text, withControl, tokens) => merging.Encode(text.Text, withControl, tokens), special)
        {
            Begin = BeginToken,
            End = EndToken,
            // Its models end a story by beginning the next.
            MoreEnds = [BeginToken],
            AddsBegin = true,
            Prefix = new(First: true, AfterSpecial: true, Twice: true),
            DropsFirstSpace = true,
        });
    }

    static TokenKind Kind(int token) => token switch
    {
        0 => TokenKind.Unknown,
        BeginToken or EndToken => TokenKind.Control,
        < FirstByte + 256 => TokenKind.Byte,
        _ => TokenKind.Text,
    };

    static byte[] Bytes(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"{path}: the tokenizer can't be read: {e.Message}", e);
        }
    }

    static (List<string> Names, List<double> Scores) Entries(string path, ReadOnlySpan<byte> bytes)
    {
        var (names, scores, at) = (new List<string>(), new List<double>(), 4);
        while (at < bytes.Length)
        {
            var length = bytes.Length - at >= 8 ? BinaryPrimitives.ReadInt32LittleEndian(bytes[(at + 4)..]) : -1;
            if (length is < 0 or > MostLength || length > bytes.Length - at - 8)
                throw new SoftmodelException($"{path}: it is no tokenizer as llama2.c writes it, or cut off, at byte {at}; fetch it again");
            var score = BinaryPrimitives.ReadSingleLittleEndian(bytes[at..]);
            scores.Add(float.IsNaN(score) ? float.NegativeInfinity : score);
            names.Add(Encoding.UTF8.GetString(bytes.Slice(at + 8, length)));
            at += 8 + length;
        }
        return (names, scores);
    }
}
