using System.Buffers;
using System.Globalization;

namespace Softmodel.Language.Tokens;

/// <summary>Reads tokenizers from files.</summary>
static class TokenizerFile
{
    const string Json = "tokenizer.json", Prefix = "tokenizer.ggml.";
    const char Space = '\u2581';

    /// <summary>Reads the tokenizer of a model.</summary>
    /// <param name="path">A GGUF file, a <c>tokenizer.json</c> or the folder where it lies, or a <c>tokenizer.bin</c> of llama2.c.</param>
    /// <exception cref="SoftmodelException">It can't be read, or is of a kind that is not known.</exception>
    public static Tokenizer Open(string path)
    {
        if (Directory.Exists(path))
            return JsonTokenizer.Read(System.IO.Path.Combine(path, Json));
        if (System.IO.Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase))
            return JsonTokenizer.Read(path);
        if (!StartsAsGguf(path))
            return Llama2cTokenizer.Read(path);
        return Of(GgufMetadata.Read(path), path);
    }

    /// <summary>Whether a file begins as a GGUF file does.</summary>
    /// <exception cref="SoftmodelException">It can't be read.</exception>
    public static bool StartsAsGguf(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            Span<byte> start = stackalloc byte[4];
            return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && start.SequenceEqual("GGUF"u8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"{path}: the tokenizer can't be read: {e.Message}", e);
        }
    }

    /// <summary>Makes the tokenizer that a GGUF file describes.</summary>
    /// <param name="metadata">What the file says.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="SoftmodelException">It describes none, or one of a kind that is not known.</exception>
    public static Tokenizer Of(GgufMetadata metadata, string path)
    {
        var names = metadata.List<string>(Prefix + "tokens") ?? throw new SoftmodelException($"{path}: it has no tokenizer (tokenizer.ggml.tokens); fetch one that has, or give its tokenizer.json");
        var types = metadata.List<long>(Prefix + "token_type") ?? [];
        var kinds = new TokenKind[names.Length];
        for (var i = 0; i < kinds.Length; i++)
            kinds[i] = i >= types.Length ? TokenKind.Text : types[i] switch { 2 => TokenKind.Unknown, 3 => TokenKind.Control, 4 => TokenKind.Defined, 5 => TokenKind.Unused, 6 => TokenKind.Byte, _ => TokenKind.Text };
        var model = metadata.Text(Prefix + "model") ?? throw new SoftmodelException($"{path}: it does not say what kind of tokenizer it has (tokenizer.ggml.model)");
        var parts = model switch
        {
            "gpt2" => Bytes(metadata, path, names, kinds),
            "llama" => Scored(metadata, path, names, kinds),
            "bert" => Words(path, names, kinds),
            _ => throw new SoftmodelException($"{path}: its tokenizer is of the kind '{model}', which is not known here; known are gpt2, llama and bert"),
        };
        return new(parts with
        {
            Begin = Token("bos") ?? parts.Begin,
            End = Token("eos") ?? parts.End,
            MoreEnds = [.. new[] { Token("eot"), Token("eom") }.OfType<int>()],
            AddsBegin = metadata.Truth(Prefix + "add_bos_token", parts.AddsBegin),
            AddsEnd = metadata.Truth(Prefix + "add_eos_token", parts.AddsEnd),
        });

        int? Token(string which) => !metadata.Has($"{Prefix}{which}_token_id") ? null
            : metadata.Integer($"{Prefix}{which}_token_id") is var token && token >= 0 && token < names.Length ? (int)token
            : throw new SoftmodelException($"{path}: {Prefix}{which}_token_id is {token}, and there are {names.Length} tokens; fetch the file again");
    }

    static TokenizerParts Bytes(GgufMetadata metadata, string path, string[] names, TokenKind[] kinds)
    {
        var vocabulary = new Vocabulary(path, names, kinds, (i, writer) =>
        {
            if (kinds[i] is TokenKind.Text)
                ByteLevel.Write(names[i], writer);
            else
                Vocabulary.Write(names[i], writer);
        });
        var merges = (metadata.List<string>(Prefix + "merges") ?? throw new SoftmodelException($"{path}: it has no merges (tokenizer.ggml.merges), which a tokenizer of its kind needs; fetch it again"))
            .Select(m => Pair(m, path)).ToArray();
        var (splits, takesWhole) = Splitting.Find(metadata.Text(Prefix + "pre") ?? "default", path);
        var addsSpace = metadata.Truth(Prefix + "add_space_prefix", false);
        return new(vocabulary, InPieces([.. splits, .. PreTokenizers.ByteLevel(addsSpace: false, splits: false)], PairMerging.ByPairs(vocabulary, merges, new() { TakesWhole = takesWhole }).Encode), Special(names, kinds))
        {
            AddsBegin = takesWhole,
            Prefix = new(addsSpace, addsSpace, Twice: false),
        };
    }

    /// <summary>The parts of a merge as it is written down: <c>a b</c>.</summary>
    /// <exception cref="SoftmodelException">It has none.</exception>
    public static Pair Pair(string merge, string path) => merge.IndexOf(' ', Math.Min(1, merge.Length)) is var at and > 0
        ? new(merge, at) : throw new SoftmodelException($"{path}: the merge '{merge}' is no pair; fetch the file again");

    /// <summary>Encodes text piece by piece.</summary>
    /// <param name="steps">What makes the pieces.</param>
    /// <param name="encode">Encodes one; it is told whether it may become control tokens.</param>
    public static Encode InPieces(PreTokenizer[] steps, Action<ReadOnlySpan<char>, bool, List<int>> encode) => (text, withControl, tokens) =>
    {
        var pieces = new Pieces(text.Text, text.Lead, text.GoesOn);
        foreach (var step in steps)
            step(pieces);
        for (var i = 0; i < pieces.Count; i++)
            encode(pieces[i], withControl, tokens);
    };

    static TokenizerParts Scored(GgufMetadata metadata, string path, string[] names, TokenKind[] kinds)
    {
        var scores = metadata.List<double>(Prefix + "scores") ?? [];
        if (scores.Length != names.Length)
            throw new SoftmodelException($"{path}: it has {names.Length} tokens and {scores.Length} scores (tokenizer.ggml.scores); fetch it again");
        var vocabulary = new Vocabulary(path, names, kinds, (i, writer) => WriteSpaced(names[i], kinds[i], writer));
        var merging = PairMerging.ByScores(vocabulary, scores);
        var addsSpace = metadata.Truth(Prefix + "add_space_prefix", true);
        return new(vocabulary, Spaced(merging), Special(names, kinds))
        {
            AddsBegin = true,
            Prefix = new(addsSpace, addsSpace, Twice: true),
            DropsFirstSpace = addsSpace,
        };
    }

    /// <summary>Encodes text with spaces as SentencePiece writes them.</summary>
    static Encode Spaced(PairMerging merging) => (text, withControl, tokens) => merging.Encode(text.Text.Replace(' ', Space), withControl, tokens);

    /// <summary>Writes the bytes of a token that is named as SentencePiece does.</summary>
    static void WriteSpaced(string name, TokenKind kind, ArrayBufferWriter<byte> writer)
    {
        if (kind is TokenKind.Byte && name.Length == 6 && byte.TryParse(name.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            writer.Write([value]);
        else
            Vocabulary.Write(kind is TokenKind.Control or TokenKind.Unknown ? name : name.Replace(Space, ' '), writer);
    }

    static TokenizerParts Words(string path, string[] names, TokenKind[] kinds)
    {
        const string Going = "##", Unknown = "[UNK]";
        const int MostLetters = 100;
        // The file marks where a word begins, and BERT's vocabularies where one goes on.
        var words = names.Select((n, i) => n.StartsWith(Space) ? n[1..] : kinds[i] is TokenKind.Control or TokenKind.Unknown || n is ['[', .., ']'] ? n : Going + n).ToArray();
        var vocabulary = new Vocabulary(path, words, kinds, (i, writer) =>
            Vocabulary.Write(kinds[i] is TokenKind.Control or TokenKind.Unknown ? words[i] : words[i].StartsWith(Going, StringComparison.Ordinal) ? words[i][Going.Length..] : ' ' + words[i], writer));
        if (vocabulary.FindText(Unknown) < 0)
            throw new SoftmodelException($"{path}: its vocabulary of words lacks the token '{Unknown}', by which BERT's are known; other ones are not read");
        var (begin, end) = (vocabulary.FindText("[CLS]"), vocabulary.FindText("[SEP]"));
        string[] special = [Unknown, "[CLS]", "[SEP]", "[PAD]", "[MASK]"];
        return new(vocabulary, InPieces(PreTokenizers.Bert, new WordPieces(vocabulary, Going, Unknown, MostLetters).Encode), [.. special.Where(n => vocabulary.FindText(n) >= 0).Select(n => new SpecialToken(n, vocabulary.FindText(n), IsControl: true))])
        {
            Begin = begin < 0 ? null : begin,
            End = end < 0 ? null : end,
            AddsBegin = true,
            AddsEnd = true,
            DropsFirstSpace = true,
            Normalizers = [.. Normalizers.Bert(cleans: true, spaces: true, strips: true, lowers: true)],
        };
    }

    /// <summary>The tokens that are recognised whole.</summary>
    static SpecialToken[] Special(string[] names, TokenKind[] kinds) =>
        [.. from i in Enumerable.Range(0, names.Length) where kinds[i] is TokenKind.Control or TokenKind.Defined or TokenKind.Unknown select new SpecialToken(names[i], i, kinds[i] is not TokenKind.Defined)];
}
