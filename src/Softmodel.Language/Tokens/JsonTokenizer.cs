using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace Softmodel.Language.Tokens;

/// <summary>
/// Reads the <c>tokenizer.json</c> of Hugging Face's tokenizers, as that library reads it: a component that is not known is
/// refused by its name, and none is left out. What else begins and ends a text is said in the <c>tokenizer_config.json</c> beside it.
/// </summary>
/// <remarks>
/// Its <c>truncation</c> and <c>padding</c> are how it was last used, and are not of the tokenizer: how many tokens a model takes
/// is the model's, and nothing is padded here.
/// </remarks>
static class JsonTokenizer
{
    const string Config = "tokenizer_config.json";

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">It can't be read, or has a component that is not known.</exception>
    public static Tokenizer Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var config = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path) ?? "", Config);
            using var beside = File.Exists(config) ? JsonDocument.Parse(File.ReadAllBytes(config)) : null;
            return new(Of(path, document.RootElement is { ValueKind: JsonValueKind.Object } root ? root : throw new JsonException("it is no object"), beside?.RootElement));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or IOException or UnauthorizedAccessException or ArgumentException or KeyNotFoundException or IndexOutOfRangeException or OverflowException)
        {
            throw new SoftmodelException($"{path}: the tokenizer can't be read: {e.Message}", e);
        }
    }

    static TokenizerParts Of(string path, JsonElement root, JsonElement? config)
    {
        var model = root.Member("model") is { ValueKind: JsonValueKind.Object } said ? said : throw new JsonException("'model' is missing");
        var texts = Texts(model);
        var added = Added(root, model, texts, out var numbers);
        var names = Names(texts, model, numbers);
        var kinds = new TokenKind[names.Length];
        foreach (var (token, one) in added)
            kinds[one] = token.Truth("special") ? TokenKind.Control : TokenKind.Defined;
        var unknown = model.Text("unk_token") is { } name ? texts.GetValueOrDefault(name, -1) : model.Integer("unk_id") ?? -1;
        if (unknown >= 0 && unknown < kinds.Length && kinds[unknown] is TokenKind.Text)
            kinds[unknown] = TokenKind.Unknown;
        var fallsBack = model.Truth("byte_fallback");
        for (var i = 0; i < names.Length && fallsBack; i++)
        {
            if (kinds[i] is TokenKind.Text && Decoders.ByteOf(names[i]) is not null)
                kinds[i] = TokenKind.Byte;
        }
        var decoder = Decoders.Read(root.Member("decoder"));
        var form = Form(root);
        var written = decoder is null || form == "ByteLevel" ? null : Written(names, decoder);
        var vocabulary = new Vocabulary(path, names, kinds, (i, writer) => Write(names[i], kinds[i], form, written?[i], writer), texts, numbers);
        Normalizer[] normalizers = [.. Normalizers.Read(root.Member("normalizer"))];
        PreTokenizer[] steps = [.. PreTokenizers.Read(root.Member("pre_tokenizer"))];
        var encode = Model(path, model, vocabulary, unknown);
        var (before, after) = PostProcessor.Read(root.Member("post_processor"));
        int? Named(string which) => (config?.Member(which) is { ValueKind: JsonValueKind.Object } o ? o.Text("content") : config?.Text(which)) is { } text && vocabulary.Find(text) is var id and >= 0 ? id : null;
        var (begin, end) = (Named("bos_token") ?? (before is [var first, ..] ? first : null), Named("eos_token") ?? (after is [.., var last] ? last : null));
        if (config?.Truth("add_bos_token") == true && begin is { } opens && !before.Contains(opens))
            before = [opens, .. before];
        if (config?.Truth("add_eos_token") == true && end is { } closes && !after.Contains(closes))
            after = [.. after, closes];
        foreach (var token in before.Concat(after))
        {
            if (token < 0 || token >= names.Length)
                throw new FormatException($"its post-processor has the token {token}, and there are {names.Length}");
        }
        SpecialToken[] special = [.. added.Where(a => !IsNormalized(a.Token)).Select(a => Special(a.Token, a.Number, a.Token.Needed("content")))];
        // These are recognised in the text as it is encoded, and so are written as that is.
        SpecialToken[] normalized = [.. added.Where(a => IsNormalized(a.Token)).OrderBy(a => a.Token.Truth("special") ? 0 : 1).Select(a => Special(a.Token, a.Number, Normal(a.Token.Needed("content"), normalizers)))];
        return new(vocabulary, TokenizerFile.InPieces(steps, encode), special)
        {
            SpecialNormalized = normalized,
            Begin = begin,
            End = end,
            Before = before,
            After = after,
            Normalizers = normalizers,
            Decode = Decoding(vocabulary, decoder, normalized.ToDictionary(t => t.Token, t => t.Text), [.. added.Where(a => a.Token.Truth("special")).Select(a => a.Token.Needed("content"))]),
            DropsFirstSpace = decoder is not null ? Drops(names, kinds, decoder, vocabulary) : form is not null and not "ByteLevel",
        };
    }

    static SpecialToken Special(JsonElement token, int number, string text) => new(text, number, token.Truth("special"), token.Truth("lstrip"), token.Truth("rstrip"), token.Truth("single_word"));

    static bool IsNormalized(JsonElement token) => token.Truth("normalized", !token.Truth("special"));

    // What is left out is told by what it is written as, as the reference does.
    static Decode Decoding(Vocabulary vocabulary, TokenDecoder? decoder, Dictionary<int, string> written, HashSet<string> control) => (tokens, withControl) =>
    {
        var names = new List<string>(tokens.Length);
        foreach (var token in tokens)
        {
            if ((uint)token < (uint)vocabulary.Count && written.GetValueOrDefault(token, vocabulary.Names[token]) is var name && (withControl || !control.Contains(name)))
                names.Add(name);
        }
        return decoder is null ? string.Join(' ', names) : string.Concat(decoder(names));
    };

    static string Normal(string text, Normalizer[] normalizers) => normalizers.Aggregate(new Normalized(text, 0, false), (t, n) => n(t)).Text;

    static Dictionary<string, int> Texts(JsonElement model)
    {
        var texts = new Dictionary<string, int>(StringComparer.Ordinal);
        switch (model.Member("vocab"))
        {
            case { ValueKind: JsonValueKind.Object } vocab:
                foreach (var entry in vocab.EnumerateObject())
                    texts[entry.Name] = entry.Value.GetInt32();
                break;
            case { ValueKind: JsonValueKind.Array } vocab:
                foreach (var entry in vocab.EnumerateArray())
                    texts[entry[0].GetString() ?? throw new JsonException("'model.vocab' has a token without a name")] = texts.Count;
                break;
            default:
                throw new JsonException("'model.vocab' is missing");
        }
        return texts;
    }

    // A token that the model has is that one, and others come after those of the model, whatever number the file says: so the
    // reference does. Of several of one text the last one's flags count.
    static List<(JsonElement Token, int Number)> Added(JsonElement root, JsonElement model, Dictionary<string, int> texts, out Dictionary<string, int> numbers)
    {
        numbers = new(StringComparer.Ordinal);
        var (added, most, size) = (new List<(JsonElement Token, int Number)>(), -1, model.Member("vocab") is { ValueKind: JsonValueKind.Array } vocab ? vocab.GetArrayLength() : texts.Count);
        foreach (var token in root.Items("added_tokens"))
        {
            var content = token.Text("content") ?? throw new JsonException("an added token has no content");
            if (content.Length == 0)
                continue;
            if (!numbers.TryGetValue(content, out var number) && !texts.TryGetValue(content, out number))
                number = most < 0 ? size : most >= size ? most + 1 : size;
            (numbers[content], most) = (number, Math.Max(most, number));
            added.Add((token, number));
        }
        return [.. added.AsEnumerable().Reverse().DistinctBy(a => a.Number).Reverse()];
    }

    static string[] Names(Dictionary<string, int> texts, JsonElement model, Dictionary<string, int> numbers)
    {
        var (least, most) = (0, -1);
        foreach (var number in texts.Values.Concat(numbers.Values))
            (least, most) = (Math.Min(least, number), Math.Max(most, number));
        if (most < 0 || least < 0 || most >= (texts.Count + numbers.Count) * 2 + 1024)
            throw new JsonException("the numbers of its tokens have no sense");
        var names = new string[most + 1];
        foreach (var (name, number) in texts)
            names[number] = name;
        if (model.Member("vocab") is { ValueKind: JsonValueKind.Array } vocab)
        {
            if (vocab.GetArrayLength() > names.Length)
                Array.Resize(ref names, vocab.GetArrayLength());
            foreach (var (i, entry) in vocab.EnumerateArray().Index())
                names[i] = entry[0].GetString()!;
        }
        foreach (var (name, number) in numbers)
            names[number] = name;
        // What no number has is called by something that no text can hold.
        for (var i = 0; i < names.Length; i++)
            names[i] ??= $"\uFFFF{i}";
        return names;
    }

    static Action<ReadOnlySpan<char>, bool, List<int>> Model(string path, JsonElement model, Vocabulary vocabulary, int unknown)
    {
        var kind = model.Type() ?? (model.Member("merges") is not null ? "BPE" : model.Member("vocab") is { ValueKind: JsonValueKind.Array } ? "Unigram" : model.Member("max_input_chars_per_word") is not null ? "WordPiece" : "WordLevel");
        switch (kind)
        {
            case "BPE":
                var dropout = model.Member("dropout") is { ValueKind: JsonValueKind.Number } share ? share.GetDouble() : 0;
                if (dropout is not (0 or 1))
                    throw new FormatException($"its BPE has the dropout {dropout}, by which the same text becomes other tokens each time; set it to null");
                return PairMerging.ByPairs(vocabulary, dropout == 1 ? [] : [.. model.Items("merges").Select(m => Merge(m, path))], new()
                {
                    Going = model.Text("continuing_subword_prefix") is { Length: > 0 } going ? going : null,
                    Ending = model.Text("end_of_word_suffix") is { Length: > 0 } ending ? ending : null,
                    Unknown = model.Text("unk_token"),
                    FusesUnknown = model.Truth("fuse_unk"),
                    FallsBack = model.Truth("byte_fallback"),
                    TakesWhole = model.Truth("ignore_merges"),
                }).Encode;
            case "WordPiece":
                return new WordPieces(vocabulary, model.Text("continuing_subword_prefix") ?? "##", model.Text("unk_token") ?? "[UNK]", model.Integer("max_input_chars_per_word") ?? 100).Encode;
            case "Unigram":
                if (unknown >= model.Items("vocab").Count())
                    throw new FormatException($"its unk_id is {unknown}, and there are {model.Items("vocab").Count()} tokens");
                return new Unigram(vocabulary, [.. model.Items("vocab").Select(v => Score(v[1].GetRawText()))], unknown, model.Truth("byte_fallback")).Encode;
            case "WordLevel":
                return new WordLevel(vocabulary, model.Text("unk_token") ?? "<unk>").Encode;
            default:
                throw new FormatException($"its model is of the kind '{kind}', which is not known here; known are BPE, WordPiece, Unigram and WordLevel");
        }
    }

    static readonly double[] powers = [.. Enumerable.Range(0, 309).Select(e => double.Parse($"1e{e}", CultureInfo.InvariantCulture))];

    // As the reference reads numbers, which rounds twice: of ways to write a text whose scores are nearly alike another would win.
    static double Score(string text)
    {
        var (digits, exponent, isOver, hasPoint, at) = (0ul, 0, false, false, text.StartsWith('-') ? 1 : 0);
        for (; at < text.Length && text[at] is not ('e' or 'E'); at++)
        {
            if (text[at] == '.')
            {
                hasPoint = true;
                continue;
            }
            if (!char.IsAsciiDigit(text[at]))
                throw new FormatException($"its vocabulary has the score '{text}', which is no number");
            var digit = (ulong)(text[at] - '0');
            isOver |= digits > (ulong.MaxValue - digit) / 10;
            if (!isOver)
                digits = digits * 10 + digit;
            exponent += isOver == hasPoint ? 0 : hasPoint ? -1 : 1;
        }
        if (at < text.Length)
            exponent += int.Parse(text.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        double value = digits;
        for (; exponent < -308 && value != 0; exponent += 308)
            value /= 1e308;
        var power = powers[Math.Min(Math.Abs(exponent), powers.Length - 1)];
        value = exponent >= 0 ? value * power : value / power;
        return text.StartsWith('-') ? -value : value;
    }

    static Pair Merge(JsonElement merge, string path) => merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2 && merge[0].GetString() is { } left
        ? new($"{left} {merge[1].GetString()}", left.Length) : TokenizerFile.Pair(merge.GetString() ?? "", path);

    // Which component says how tokens are written; that of the decoder comes first.
    static string? Form(JsonElement root) => root.Member("decoder") is { } decoder ? Find(decoder, "decoders") : Find(root.Member("pre_tokenizer"), "pretokenizers") ?? Find(root.Member("normalizer"), "normalizers") ?? (root.Member("model")?.Type() == "WordPiece" ? "WordPiece" : null);

    static string? Find(JsonElement? node, string parts) => node?.Type() switch
    {
        "Sequence" => node.Value.Items(parts).Select(p => Find(p, parts)).FirstOrDefault(f => f is not null),
        ("ByteLevel" or "Metaspace" or "ByteFallback" or "WordPiece") and var form => form,
        "Prepend" or "Replace" => "Metaspace",
        _ => null,
    };

    // What each token adds to a text that has begun: that which the decoder makes of it after another one.
    static string[] Written(string[] names, TokenDecoder decoder)
    {
        const string Other = "\uE000";
        // All at once, each between two that are known by a character of their own.
        var all = new List<string>(names.Length * 2 + 1) { Other };
        foreach (var name in names)
            all.AddRange([name, Other]);
        var parts = string.Concat(decoder(all)).Split(Other);
        var before = string.Concat(decoder([Other, Other])).Split(Other) is [_, var between, _] ? between : "";
        return parts.Length == names.Length + 2 ? [.. parts[1..^1].Select(p => p.EndsWith(before, StringComparison.Ordinal) ? p[..^before.Length] : p)] : names;
    }

    static void Write(string name, TokenKind kind, string? form, string? written, ArrayBufferWriter<byte> writer)
    {
        if (kind is TokenKind.Control or TokenKind.Unknown or TokenKind.Defined)
            Vocabulary.Write(name, writer);
        else if (kind is TokenKind.Byte && Decoders.ByteOf(name) is { } value)
            writer.Write([value]);
        else if (form == "ByteLevel")
            ByteLevel.Write(name, writer);
        else if (written is not null)
            Vocabulary.Write(written, writer);
        else if (form == "WordPiece")
            Vocabulary.Write(name.StartsWith("##", StringComparison.Ordinal) ? name[2..] : ' ' + name, writer);
        else
            Vocabulary.Write(name.Replace('\u2581', ' '), writer);
    }

    // Whether the first space of a text goes when it is decoded, as the first token that has one tells.
    static bool Drops(string[] names, TokenKind[] kinds, TokenDecoder decoder, Vocabulary vocabulary)
    {
        for (var i = 0; i < names.Length; i++)
        {
            if (kinds[i] is TokenKind.Text && vocabulary.BytesOf(i) is [(byte)' ', not (byte)' ', ..])
                return !string.Concat(decoder([names[i]])).StartsWith(' ');
        }
        return false;
    }
}
