using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Softmodel.Language.Tokens;

/// <summary>
/// Reads the <c>tokenizer.json</c> of Hugging Face's tokenizers: BPE of bytes or of characters, WordPiece and Unigram, with the
/// steps before them that such files have. What begins and ends a text is said in the <c>tokenizer_config.json</c> beside it.
/// </summary>
static class JsonTokenizer
{
    const string Config = "tokenizer_config.json";
    const char Space = '\u2581';

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SoftmodelException">It can't be read, or has a step that is not known.</exception>
    public static Tokenizer Read(string path)
    {
        try
        {
            var root = JsonNode.Parse(File.ReadAllText(path)) as JsonObject ?? throw new JsonException("it is no object");
            var config = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path) ?? "", Config);
            return new(Of(path, root, File.Exists(config) ? JsonNode.Parse(File.ReadAllText(config)) as JsonObject : null));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new SoftmodelException($"{path}: the tokenizer can't be read: {e.Message}", e);
        }
    }

    static TokenizerParts Of(string path, JsonObject root, JsonObject? config)
    {
        var model = root["model"] as JsonObject ?? throw new JsonException("'model' is missing");
        var added = (root["added_tokens"] as JsonArray ?? []).Select(a => a!.AsObject()).ToArray();
        var names = Names(model, added);
        var kinds = new TokenKind[names.Length];
        foreach (var token in added)
            kinds[Id(token)] = Truth(token["special"]) ? TokenKind.Control : TokenKind.Defined;
        var unknown = model["unk_token"] is JsonValue name ? Array.IndexOf(names, name.GetValue<string>()) : Whole(model["unk_id"], -1);
        if (unknown >= 0 && unknown < kinds.Length && kinds[unknown] is TokenKind.Text)
            kinds[unknown] = TokenKind.Unknown;
        var steps = new Steps(path);
        steps.Normalizer(root["normalizer"]);
        steps.PreTokenizer(root["pre_tokenizer"]);
        var kind = Text(model["type"]) ?? (model["merges"] is not null ? "BPE" : model["vocab"] is JsonArray ? "Unigram" : "WordPiece");
        var parts = kind switch
        {
            "BPE" => Pairs(path, model, names, kinds, steps),
            "WordPiece" => WordPieces.Of(path, names, kinds, steps.Lowers),
            "Unigram" => Unigram.Of(path, names, kinds, Scores(model, names.Length), steps.CharacterMap, steps.Prefix),
            _ => throw new SoftmodelException($"{path}: its tokenizer is of the kind '{kind}', which is not known here; known are BPE, WordPiece and Unigram"),
        };
        SpecialToken[] special = [.. added.Select(t => new SpecialToken(Text(t["content"]) ?? "", Id(t), Truth(t["special"]), Truth(t["lstrip"]), Truth(t["rstrip"])))];
        var (begin, end) = Template(root["post_processor"], names);
        int? Named(string which) => (config?[which] is JsonObject o ? Text(o["content"]) : Text(config?[which])) is { } text && Array.IndexOf(names, text) is var id and >= 0 ? id : null;
        return parts with
        {
            Special = special,
            Begin = Named("bos_token") ?? begin ?? parts.Begin,
            End = Named("eos_token") ?? end ?? parts.End,
            AddsBegin = begin is not null || Truth(config?["add_bos_token"]),
            AddsEnd = end is not null || Truth(config?["add_eos_token"]),
        };
    }

    static string[] Names(JsonObject model, JsonObject[] added)
    {
        var byId = new SortedDictionary<int, string>();
        switch (model["vocab"])
        {
            case JsonObject vocab:
                foreach (var (name, id) in vocab)
                    byId[id!.GetValue<int>()] = name;
                break;
            case JsonArray vocab:
                for (var i = 0; i < vocab.Count; i++)
                    byId[i] = vocab[i]![0]!.GetValue<string>();
                break;
            default:
                throw new JsonException("'model.vocab' is missing");
        }
        foreach (var token in added)
            byId[token["id"]!.GetValue<int>()] = Text(token["content"]) ?? "";
        if (byId.Count == 0 || byId.Keys.First() < 0 || byId.Keys.Last() >= byId.Count * 2 + 1024)
            throw new JsonException("the numbers of its tokens have no sense");
        var names = new string[byId.Keys.Last() + 1];
        // What no number has is called by something that no text can hold.
        for (var i = 0; i < names.Length; i++)
            names[i] = byId.GetValueOrDefault(i, $"\uFFFF{i}");
        return names;
    }

    static string GetValueOrDefault(this SortedDictionary<int, string> names, int key, string otherwise) => names.TryGetValue(key, out var name) ? name : otherwise;

    static TokenizerParts Pairs(string path, JsonObject model, string[] names, TokenKind[] kinds, Steps steps)
    {
        if (Text(model["continuing_subword_prefix"]) is { Length: > 0 } || Text(model["end_of_word_suffix"]) is { Length: > 0 })
            throw new SoftmodelException($"{path}: its tokens are marked where words go on or end (continuing_subword_prefix, end_of_word_suffix), which is not read here");
        var fallsBack = Truth(model["byte_fallback"]);
        for (var i = 0; i < names.Length; i++)
        {
            if (fallsBack && kinds[i] is TokenKind.Text && Regex.IsMatch(names[i], "^<0x[0-9A-F]{2}>$"))
                kinds[i] = TokenKind.Byte;
        }
        var vocabulary = new Vocabulary(path, names, kinds, (i, writer) =>
        {
            if (kinds[i] is TokenKind.Control or TokenKind.Defined)
                Vocabulary.Write(names[i], writer);
            else if (steps.IsByteLevel)
                ByteLevel.Write(names[i], writer);
            else
                TokenizerFile.WriteSpaced(names[i], kinds[i], writer);
        });
        var merges = (model["merges"] as JsonArray ?? []).Select(m => m is JsonArray { Count: 2 } pair && pair[0]!.GetValue<string>() is var left ? new($"{left} {pair[1]!.GetValue<string>()}", left.Length) : TokenizerFile.Pair(m!.GetValue<string>(), path)).ToArray();
        var encode = TokenizerFile.InPieces([.. steps.Splits], PairMerging.ByPairs(vocabulary, merges, steps.IsByteLevel, Truth(model["ignore_merges"])));
        return new(vocabulary, encode, [])
        {
            // The space is put before the text is normalised, and spaces are then written as the tokens write them.
            Prefix = steps.Prefix,
            DropsFirstSpace = steps.Prefix.First && !steps.IsByteLevel,
            Normalize = steps.Normalization,
        };
    }

    static double[] Scores(JsonObject model, int count)
    {
        var (scores, entries) = (new double[count], (JsonArray)model["vocab"]!);
        for (var i = 0; i < entries.Count; i++)
            scores[i] = entries[i]![1]!.GetValue<double>();
        return scores;
    }

    // What is put around one text.
    static (int? Begin, int? End) Template(JsonNode? processor, string[] names)
    {
        switch (Text(processor?["type"]))
        {
            case "Sequence":
                return (processor!["processors"] as JsonArray ?? []).Select(p => Template(p, names)).FirstOrDefault(t => t.Begin is not null || t.End is not null);
            case "BertProcessing" or "RobertaProcessing":
                return (processor!["cls"]![1]!.GetValue<int>(), processor["sep"]![1]!.GetValue<int>());
            case "TemplateProcessing":
                var (single, begin, end, isAfter) = (processor!["single"] as JsonArray ?? [], (int?)null, (int?)null, false);
                foreach (var part in single)
                {
                    if (part!["SpecialToken"] is not { } token)
                        isAfter = true;
                    else if (Array.IndexOf(names, Text(token["id"])) is var id and >= 0)
                    {
                        begin ??= isAfter ? null : id;
                        end ??= isAfter ? id : null;
                    }
                }
                return (begin, end);
            default:
                return (null, null);
        }
    }

    static int Id(JsonObject token) => token["id"]!.GetValue<int>();

    static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    static bool Truth(JsonNode? node) => node is JsonValue value && value.TryGetValue<bool>(out var truth) && truth;

    static int Whole(JsonNode? node, int otherwise) => node is JsonValue value && value.TryGetValue<int>(out var whole) ? whole : otherwise;

    /// <summary>What is done to text before it is encoded, as the file lists it.</summary>
    sealed class Steps(string path)
    {
        readonly List<Func<string, string>> normalizers = [];

        public List<Split> Splits { get; } = [];

        public bool IsByteLevel { get; private set; }

        public bool Lowers { get; private set; }

        public SpacePrefix Prefix { get; private set; }

        public byte[] CharacterMap { get; private set; } = [];

        public Func<string, string>? Normalization => normalizers.Count == 0 ? null : text => normalizers.Aggregate(text, (t, step) => step(t));

        public void Normalizer(JsonNode? node)
        {
            switch (Text(node?["type"]))
            {
                case null: break;
                case "Sequence":
                    foreach (var step in node!["normalizers"] as JsonArray ?? [])
                        Normalizer(step);
                    break;
                // Programs that are built without the tables of all languages take text to be composed already, as most is.
                case "NFC": normalizers.Add(t => t.Normalize(NormalizationForm.FormC)); break;
                case "NFD": normalizers.Add(t => t.Normalize(NormalizationForm.FormD)); break;
                case "NFKC": normalizers.Add(t => t.Normalize(NormalizationForm.FormKC)); break;
                case "NFKD": normalizers.Add(t => t.Normalize(NormalizationForm.FormKD)); break;
                case "Lowercase": normalizers.Add(t => t.ToLowerInvariant()); break;
                case "Prepend" when Text(node!["prepend"]) is [Space]: Prefix = new(true, true, Twice: true); break;
                case "Replace": Replace(node!); break;
                case "BertNormalizer": Lowers = Truth(node!["lowercase"]); break;
                case "Precompiled": CharacterMap = Convert.FromBase64String(Text(node!["precompiled_charsmap"]) ?? ""); break;
                case "Strip":
                    var (left, right) = (Truth(node!["strip_left"]), Truth(node["strip_right"]));
                    normalizers.Add(t => left && right ? t.Trim() : left ? t.TrimStart() : right ? t.TrimEnd() : t);
                    break;
                case { } other: throw Unknown("normalizer", other);
            }
        }

        void Replace(JsonNode node)
        {
            var by = Text(node["content"]) ?? "";
            if (Text(node["pattern"]?["String"]) is { Length: > 0 } text)
                normalizers.Add(t => t.Replace(text, by, StringComparison.Ordinal));
            else if (Text(node["pattern"]?["Regex"]) is { } pattern && Splitting.Of(pattern).Pattern is var regex)
            {
                normalizers.Add(t =>
                {
                    try
                    {
                        return regex.Replace(t, _ => by);
                    }
                    catch (RegexMatchTimeoutException e)
                    {
                        throw new SoftmodelException($"{path}: the pattern '{pattern}' of its normalizer takes too long for a text of {t.Length} characters; feed the text in parts", e);
                    }
                });
            }
            else
                throw Unknown("normalizer", "Replace without a pattern");
        }

        public void PreTokenizer(JsonNode? node)
        {
            switch (Text(node?["type"]))
            {
                case null: break;
                case "Sequence":
                    foreach (var step in node!["pretokenizers"] as JsonArray ?? [])
                        PreTokenizer(step);
                    break;
                case "ByteLevel":
                    IsByteLevel = true;
                    if (Truth(node!["add_prefix_space"]))
                        Prefix = new(true, true, Twice: false);
                    if (node["use_regex"] is null || Truth(node["use_regex"]))
                        Splits.AddRange(Splitting.Default);
                    break;
                case "Split":
                    Splits.Add(Splitting.Of(Text(node!["pattern"]?["Regex"]) ?? Regex.Escape(Text(node["pattern"]?["String"]) ?? ""), Keeps(Text(node["behavior"])), Truth(node["invert"])));
                    break;
                case "Digits": Splits.Add(Splitting.Of(Truth(node!["individual_digits"]) ? @"\p{N}" : @"\p{N}+")); break;
                case "Punctuation": Splits.Add(Splitting.Of(@"[\p{P}$+<=>^`|~]", Keeps(Text(node!["behavior"])))); break;
                case "Whitespace": Splits.Add(Splitting.Of(@"\w+|[^\w\s]+", SplitKeeps.Not, isInverted: true)); break;
                case "WhitespaceSplit": Splits.Add(Splitting.Of(@"\s+", SplitKeeps.Not)); break;
                case "BertPreTokenizer": break;
                case "Metaspace":
                    var scheme = Text(node!["prepend_scheme"]) ?? (node["add_prefix_space"] is null || Truth(node["add_prefix_space"]) ? "always" : "never");
                    Prefix = new(scheme is "always" or "first", scheme is "always", Twice: false);
                    normalizers.Add(t => t.Replace(' ', Space));
                    if (node["split"] is null || Truth(node["split"]))
                        Splits.Add(Splitting.Of(Space.ToString(), SplitKeeps.WithNext));
                    break;
                case { } other: throw Unknown("pre-tokenizer", other);
            }
        }

        SplitKeeps Keeps(string? behavior) => behavior switch
        {
            null or "Isolated" => SplitKeeps.Apart,
            "Removed" => SplitKeeps.Not,
            "MergedWithPrevious" => SplitKeeps.WithPrevious,
            "MergedWithNext" => SplitKeeps.WithNext,
            _ => throw Unknown("way of splitting", behavior),
        };

        SoftmodelException Unknown(string what, string name) => new($"{path}: its tokenizer has the {what} '{name}', which is not read here; take the model as a GGUF file, if there is one");
    }
}
