using Google.Protobuf;
using Microsoft.ML.Tokenizers;

namespace Softmodel.Language.Tokens;

/// <summary>
/// Unigram, SentencePiece's other way: of all ways to write a text in tokens that of the best scores. Microsoft.ML.Tokenizers
/// encodes; what it reads is SentencePiece's own file, which is written for it here.
/// </summary>
static class Unigram
{
    // The numbers of the fields in SentencePiece's file.
    const int Pieces = 1, Trainer = 2, Normalizer = 3, Piece = 1, Score = 2, Type = 3, ModelType = 3, IsUnigram = 1, UnknownId = 40, BeginId = 41, EndId = 42, UnknownPiece = 45, BeginPiece = 46, EndPiece = 47;
    const int CharacterMap = 2, AddsPrefix = 3, RemovesSpaces = 4, EscapesSpaces = 5;

    /// <summary>Makes the parts of a tokenizer.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="names">The tokens.</param>
    /// <param name="kinds">What each token is; one is for what is unknown.</param>
    /// <param name="scores">The score of each token.</param>
    /// <param name="characterMap">What becomes of characters, in SentencePiece's form; empty for nothing.</param>
    /// <param name="space">Where a space is put.</param>
    /// <exception cref="SoftmodelException">There is no token for what is unknown.</exception>
    public static TokenizerParts Of(string path, string[] names, TokenKind[] kinds, double[] scores, byte[] characterMap, SpacePrefix space)
    {
        var unknown = Array.IndexOf(names, "<unk>") is var named and >= 0 ? named : Array.IndexOf(kinds, TokenKind.Unknown);
        if (unknown < 0)
            throw new SoftmodelException($"{path}: its vocabulary has no token for what is unknown (unk_id), which Unigram needs");
        var vocabulary = new Vocabulary(path, names, kinds, (i, writer) => TokenizerFile.WriteSpaced(names[i], kinds[i], writer));
        var tokenizer = SentencePieceTokenizer.Create(new MemoryStream(Model(names, kinds, scores, characterMap, unknown)), addBeginningOfSentence: false);
        return new(vocabulary, Encode, [])
        {
            Prefix = space,
            DropsFirstSpace = space.First,
        };

        void Encode(ReadOnlySpan<char> text, List<int> tokens) => tokens.AddRange(tokenizer.EncodeToIds(text));
    }

    static byte[] Model(string[] names, TokenKind[] kinds, double[] scores, byte[] characterMap, int unknown)
    {
        var (stream, seen) = (new MemoryStream(), new HashSet<string>(StringComparer.Ordinal));
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            for (var i = 0; i < names.Length; i++)
            {
                var name = seen.Add(names[i]) ? names[i] : $"\uFFFF{i}";
                var type = i == unknown ? 2 : kinds[i] switch { TokenKind.Control => 3, TokenKind.Defined => 4, TokenKind.Unused => 5, TokenKind.Byte => 6, _ => 1 };
                Entry(output, name, (float)scores[i], type);
            }
            // The library wants a beginning and an end, which not all have; it is never asked for them.
            string[] none = ["\uFFFF<", "\uFFFF>"];
            foreach (var name in none)
                Entry(output, name, 0, 3);
            Message(output, Trainer, trainer =>
            {
                Number(trainer, ModelType, IsUnigram);
                Number(trainer, UnknownId, unknown);
                Number(trainer, BeginId, names.Length);
                Number(trainer, EndId, names.Length + 1);
                Text(trainer, UnknownPiece, names[unknown]);
                Text(trainer, BeginPiece, none[0]);
                Text(trainer, EndPiece, none[1]);
            });
            Message(output, Normalizer, normalizer =>
            {
                Tag(normalizer, CharacterMap, WireFormat.WireType.LengthDelimited);
                normalizer.WriteBytes(ByteString.CopyFrom(characterMap));
                Number(normalizer, AddsPrefix, 0);
                Number(normalizer, RemovesSpaces, 0);
                Number(normalizer, EscapesSpaces, 1);
            });
        }
        return stream.ToArray();
    }

    static void Entry(CodedOutputStream output, string name, float score, int type) => Message(output, Pieces, piece =>
    {
        Text(piece, Piece, name);
        Tag(piece, Score, WireFormat.WireType.Fixed32);
        piece.WriteFloat(score);
        Number(piece, Type, type);
    });

    static void Message(CodedOutputStream output, int field, Action<CodedOutputStream> write)
    {
        using var inner = new MemoryStream();
        using (var message = new CodedOutputStream(inner, leaveOpen: true))
            write(message);
        Tag(output, field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(inner.ToArray()));
    }

    static void Text(CodedOutputStream output, int field, string text)
    {
        Tag(output, field, WireFormat.WireType.LengthDelimited);
        output.WriteString(text);
    }

    static void Number(CodedOutputStream output, int field, long value)
    {
        Tag(output, field, WireFormat.WireType.Varint);
        output.WriteInt64(value);
    }

    static void Tag(CodedOutputStream output, int field, WireFormat.WireType type) => output.WriteTag(field, type);
}
