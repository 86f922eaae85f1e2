using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Softmodel.Language.Tokens;

namespace Softmodel.Bench.Tokenizers;

/// <summary>A tokenizer and texts for it.</summary>
/// <param name="Name">Which one.</param>
/// <param name="File">What its <c>tokenizer.json</c> holds.</param>
/// <param name="Texts">The texts.</param>
sealed record TokenizerCase(string Name, JsonObject File, string[] Texts);

/// <summary>Makes tokenizers of all components with all their options, and texts of all kinds of characters.</summary>
/// <param name="seed">The same seed gives the same cases.</param>
/// <param name="index">Which case.</param>
sealed class TokenizerCases(int seed, int index)
{
    static readonly string[] snippets =
    [
        "the", "The quick brown fox", "hello", "Hello world", "HELLO", "it's", "don't", "we'll THEY'RE I'VE", "'S 'T 'Re", "'ſ 'K", "1234567", "3.14159", "1,000,000", "$5 €5 ¥5", "a-b_c", "x = y + z;", "http://a.b/c?d=e&f",
        " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", " \n ", "\u00A0", "\u3000", "\u2003", "\u0085", "\u2028", "\u200B", "\u00AD", "\uFEFF", "\u0000", "\u0007", "\u001F", "\u007F", "\uFFFD", "\v", "\f",
        "café", "cafe\u0301", "naïve", "ﬁ", "Å", "\u212B", "A\u030A", "½", "①", "１２３", "Ａｂｃ", "ß", "ẞ", "İstanbul", "I\u0307", "ıI", "ΑΣ ΟΔΟΣ", "ǅ", "ŉ", "ſ", "K", "q\u0303\u0323", "q\u0323\u0303", "a\u0315\u0300\u05AE\u0062", "\u0344", "\u0958", "\u0F73", "\u1E9B\u0323",
        "中文", "中文ab日本語", "漢字かな交じり文", "カタカナー", "ｶﾞ", "한국어", "\u1112\u1161\u11AB", "각\u11A8", "ไทย", "สวัสดีครับ", "नमस्ते", "क्षि", "বাংলা", "தமிழ்", "العربية", "مُحَمَّد", "עברית", "שָׁלוֹם", "Привет мир", "Ελληνικά", "հայերեն", "ქართული", "አማርኛ", "ខ្មែរ", "བོད", "Tiếng Việt", "Ŭ", "œuf", "Straße",
        "😀", "👩‍🚀", "🏳️‍🌈", "🇩🇪🇫🇷", "👍🏽", "☺️", "𝕳𝖊𝖑𝖑𝖔", "𠀀𪛖", "𐐀𐐨", "𑄮", "\U000E0041", "\U0010FFFF", "\uE000", "\u0378", "\uABFF", "\uFDD0",
        "!", "?", ".,;:", "...", "…", "“quoted”", "«»", "—", "--", "(a)", "[b]", "{c}", "<d>", "@#%^&*", "`~|\\", "+<=>", "¿¡", "、。", "，！", "＄", "\u2581", "\u2581the", "Ġ", "##", "</w>", "<0x41>", "<0xE4>",
        "<s>", "</s>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<mask>", "<|im_start|>", "<|endoftext|>", "<pad>", "aaaaaaaaaaaa", "abababab", "aAbBcC", "ab12cd34", "the the the", " the", "he", "she", "abc", "a b c d",
    ];

    static readonly string[] patterns =
    [
        PreTokenizers.Words, @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+", "[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", @"\p{N}", @"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", "[0-9][0-9][0-9]", @" ?[^(\s|[.,!?…。，、।۔،])]+", @"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
        @"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", @"(\w+)|(\s+)", @"\s+", " ", "(?=[A-Z])", @"(?<=\d)(?=\D)", @"\b", @"\B", @"^\s+", @"\s+$", "^", "$", @"\w+|[^\w\s]+", @"[^\w\s]", @"\d+", @"\D",
        @"\h+", "(?i:the|HELLO)", "(?i:ss)", "(?i:ß)", "(?i:ﬁ|i̇)", "(?i:[a-z]+)", "(?i:[^a-m])", "(?i:k)", @"(?i)th(?-i)e", @"[[:punct:]]", "[[:alpha:]]+", "[[:^space:]]+", @"\p{Han}|\p{Hiragana}+|\p{Katakana}+", @"\p{^Lu}", @"\P{L}", @"[\p{Lu}--]", @".", @"(?m:.+)", @"\R", "a*", "a{2}?", "(ab){,2}", "(?>a+)b?", "[^a-z&&[^0-9]]", @"\p{Alnum}+", @"[\x{4E00}-\x{9FFF}]|[\x{20000}-\x{2A6DF}]", "😀|[🇦-🇿]{2}", @"\p{Emoji}", @"\p{M}+", @"[^\x00-\x7F]+", @"(?<![a-z])he(?![a-z])",
    ];

    readonly Random random = new(HashCode(seed, index));

    static int HashCode(int seed, int index) => unchecked((int)(((uint)seed * 0x9E3779B1u ^ (uint)index) * 0x85EBCA77u >> 1));

    T Pick<T>(params T[] all) => all[random.Next(all.Length)];

    bool Chance(double share) => random.NextDouble() < share;

    /// <summary>The cases of a seed, without end.</summary>
    /// <param name="seed">The same seed gives the same cases.</param>
    /// <param name="texts">How many texts each.</param>
    public static IEnumerable<TokenizerCase> Of(int seed, int texts) => Enumerable.Range(0, int.MaxValue).Select(i => new TokenizerCases(seed, i).Make(texts));

    /// <summary>The tokenizers in a folder, with the texts of a <c>texts.json</c> beside each or above it, or with some that are made.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="seed">The same seed makes the same texts.</param>
    /// <param name="texts">How many are made.</param>
    public static IEnumerable<TokenizerCase> In(string folder, int seed, int texts)
    {
        foreach (var path in Directory.GetFiles(folder, "tokenizer.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var beside = Path.GetDirectoryName(path)!;
            var given = new[] { beside, Path.GetDirectoryName(beside)! }.Select(d => Path.Combine(d, "texts.json")).FirstOrDefault(File.Exists);
            var cases = new TokenizerCases(seed, 0);
            yield return new(Path.GetRelativePath(folder, beside), JsonNode.Parse(File.ReadAllText(path))!.AsObject(),
                given is not null ? JsonSerializer.Deserialize<string[]>(File.ReadAllText(given))! : [.. Enumerable.Range(0, texts).Select(_ => cases.Text())]);
        }
    }

    /// <summary>Makes the case.</summary>
    /// <param name="texts">How many texts.</param>
    public TokenizerCase Make(int texts)
    {
        string[] made = [.. Enumerable.Range(0, texts).Select(_ => Text())];
        var model = Pick("BPE", "BPE", "WordPiece", "Unigram", "WordLevel");
        var sources = made.Concat(snippets).ToArray();
        var added = AddedTokens();
        var (vocabulary, body) = model switch { "BPE" => Pairs(sources), "WordPiece" => Words(sources), "Unigram" => Scored(sources), _ => Whole(sources) };
        string[] known = [.. vocabulary.Take(40)];
        var file = new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = added,
            ["normalizer"] = Chance(0.25) ? null : Normalizer(2),
            ["pre_tokenizer"] = Chance(0.2) ? null : PreTokenizer(2),
            ["post_processor"] = Chance(0.5) ? null : PostProcessor(known),
            ["decoder"] = Chance(0.25) ? null : Decoder(2),
            ["model"] = body,
        };
        // Of several that are alike after normalizers the reference takes any, another one each time.
        var normalizers = Normalizers.Read(JsonSerializer.SerializeToElement(file["normalizer"])).ToArray();
        var forms = new HashSet<string>(StringComparer.Ordinal);
        foreach (var token in added.ToArray().Where(t => t!["normalized"]!.GetValue<bool>()))
        {
            var form = normalizers.Aggregate(new Normalized(Valid(token!["content"]!.GetValue<string>()), 0, false), (t, n) => n(t)).Text;
            if (!forms.Add(form) || form.Length == 0)
                added.Remove(token);
        }
        return new(index.ToString(CultureInfo.InvariantCulture), file, made);
    }

    string Text()
    {
        if (Chance(0.03))
            return "";
        var (text, count) = (new StringBuilder(), Chance(0.05) ? random.Next(40, 120) : random.Next(1, 12));
        for (var i = 0; i < count; i++)
        {
            var kind = random.Next(10);
            if (kind < 6)
                text.Append(Pick(snippets));
            else if (kind < 8)
                text.Append(Letter());
            else
                text.Append(Pick(" ", "", "'", "\n"));
            if (Chance(0.3))
                text.Append(' ');
        }
        return text.ToString();
    }

    static readonly string[] kinds = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn"];
    static readonly Lazy<int[][]> letters = new(() => [.. kinds.Select(k => UnicodeTables.Set(k).Codes().ToArray()), UnicodeTables.Map("canonical").Keys.ToArray(), UnicodeTables.Map("compatible").Keys.ToArray(), UnicodeTables.Map("class").Keys.ToArray(), UnicodeTables.Map("lower").Keys.ToArray(), UnicodeTables.Map("folds").Keys.ToArray()]);

    Rune Letter() => Pick(letters.Value) is var set && Rune.TryCreate(set[random.Next(set.Length)], out var rune) ? rune : new('x');

    // Parts of texts as they may look after normalizers and pre-tokenizers.
    string[] Parts(string[] texts, int count, int most)
    {
        var parts = new HashSet<string>(StringComparer.Ordinal);
        for (var tries = 0; parts.Count < count && tries < count * 20; tries++)
        {
            var text = Pick(texts);
            text = random.Next(7) switch
            {
                0 => text.Replace(' ', '\u2581'),
                1 => Bytes(text),
                2 => text.ToLowerInvariant(),
                3 => Normalization.Normalize(Valid(text), Chance(0.5), Chance(0.5)),
                4 => "\u2581" + text.Trim(),
                _ => text,
            };
            Rune[] runes = [.. text.EnumerateRunes()];
            if (runes.Length == 0)
                continue;
            var start = random.Next(runes.Length);
            var part = string.Concat(runes.Skip(start).Take(random.Next(1, most + 1)));
            if (part.Length > 0)
                parts.Add(part);
        }
        return [.. parts];
    }

    static string Valid(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    static string Bytes(string text)
    {
        var to = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
            ByteLevel.Write(rune, to);
        return to.ToString();
    }

    IEnumerable<string> Letters(string[] texts)
    {
        var all = Parts(texts, 150, 1).AsEnumerable();
        if (Chance(0.7))
            all = all.Concat(ByteLevel.Characters.Select(c => c.ToString()));
        if (Chance(0.7))
            all = all.Concat("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\u2581 '.,!?".Select(c => c.ToString()));
        return all;
    }

    IEnumerable<string> ByteNames() => Chance(0.6) ? Enumerable.Range(0, 256).Where(b => b != 0xC3 || Chance(0.7)).Select(b => $"<0x{b:X2}>") : [];

    (List<string> Vocabulary, JsonObject Model) Pairs(string[] texts)
    {
        string? prefix = Chance(0.15) ? Pick("##", "@@", "") : null, suffix = Chance(0.2) ? Pick("</w>", "_", "") : null;
        var names = new HashSet<string>(StringComparer.Ordinal) { "<unk>" };
        names.UnionWith(Letters(texts));
        if (prefix is not null)
            names.UnionWith(names.ToArray().Select(n => prefix + n));
        if (suffix is not null)
            names.UnionWith(names.ToArray().Select(n => n + suffix));
        var (fallsBack, merges) = (Chance(0.4), new List<JsonNode>());
        if (fallsBack)
            names.UnionWith(ByteNames());
        foreach (var part in Parts(texts, 120, 7))
        {
            string[] runes = [.. part.EnumerateRunes().Select(r => r.ToString())];
            if (runes.Length < 2)
                continue;
            var (pieces, ends) = (runes.Select((r, i) => i > 0 && prefix is not null ? prefix + r : r).ToList(), suffix is not null && Chance(0.5));
            if (ends)
                pieces[^1] += suffix;
            // Merged from a random place on.
            while (pieces.Count > 1)
            {
                var at = random.Next(pieces.Count - 1);
                var joined = pieces[at] + pieces[at + 1][(prefix?.Length ?? 0)..];
                names.UnionWith([pieces[at], pieces[at + 1], joined]);
                if (Chance(0.95))
                    merges.Add(pieces[at].Contains(' ') || pieces[at + 1].Contains(' ') || Chance(0.3) ? new JsonArray(pieces[at], pieces[at + 1]) : JsonValue.Create($"{pieces[at]} {pieces[at + 1]}"));
                pieces[at] = joined;
                pieces.RemoveAt(at + 1);
            }
        }
        var isOfPairs = merges.Any(m => m is JsonArray);
        var list = names.ToList();
        return (list, new()
        {
            ["type"] = "BPE",
            ["dropout"] = null,
            ["unk_token"] = Chance(0.6) ? "<unk>" : null,
            ["continuing_subword_prefix"] = prefix,
            ["end_of_word_suffix"] = suffix,
            ["fuse_unk"] = Chance(0.5),
            ["byte_fallback"] = fallsBack,
            ["ignore_merges"] = Chance(0.3),
            ["vocab"] = Numbered(list),
            ["merges"] = new JsonArray([.. merges.Select(m => isOfPairs && m is JsonValue v && v.GetValue<string>().Split(' ') is [var a, var b] ? new JsonArray(a, b) : m)]),
        });
    }

    static JsonObject Numbered(IEnumerable<string> names) => new(names.Select((n, i) => KeyValuePair.Create<string, JsonNode?>(n, i)));

    (List<string> Vocabulary, JsonObject Model) Words(string[] texts)
    {
        var prefix = Pick("##", "##", "##", "@", "");
        var names = new HashSet<string>(StringComparer.Ordinal) { "[UNK]", "[CLS]", "[SEP]", "[MASK]" };
        foreach (var part in Letters(texts).Concat(Parts(texts, 250, 6)))
        {
            if (Chance(0.8))
                names.Add(part);
            if (Chance(0.8))
                names.Add(prefix + part);
        }
        var list = names.ToList();
        return (list, new() { ["type"] = "WordPiece", ["unk_token"] = "[UNK]", ["continuing_subword_prefix"] = prefix, ["max_input_chars_per_word"] = Pick(100, 100, 5, 1000), ["vocab"] = Numbered(list) });
    }

    (List<string> Vocabulary, JsonObject Model) Scored(string[] texts)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "<unk>", "<s>", "</s>" };
        var fallsBack = Chance(0.4);
        if (fallsBack)
            names.UnionWith(ByteNames());
        names.UnionWith(Letters(texts).Where(_ => Chance(0.8)));
        names.UnionWith(Parts(texts, 250, 6));
        var list = names.ToList();
        var vocabulary = new JsonArray([.. list.Select(n => (JsonNode)new JsonArray(n, Chance(0.3) ? -random.Next(1, 12) : -random.NextDouble() * 15))]);
        return (list, new() { ["type"] = "Unigram", ["unk_id"] = Chance(0.95) ? Pick(0, 0, 0, 1, list.Count - 1) : null, ["vocab"] = vocabulary, ["byte_fallback"] = fallsBack });
    }

    (List<string> Vocabulary, JsonObject Model) Whole(string[] texts)
    {
        var list = Letters(texts).Concat(Parts(texts, 300, 5)).Prepend("<unk>").Distinct().ToList();
        return (list, new() { ["type"] = "WordLevel", ["vocab"] = Numbered(list), ["unk_token"] = "<unk>" });
    }

    JsonArray AddedTokens() => new([.. Enumerable.Range(0, random.Next(0, 7)).Select(i => (JsonNode)new JsonObject
    {
        ["id"] = 5000 + i,
        ["content"] = Pick(Pick(snippets), Pick("<s>", "</s>", "[MASK]", "<mask>", "he", "the", "HELLO", "abc", "ab", "<|im_start|>", " the", "é", "Ä", "<unk>", "[UNK]"), $"<{i}>", $"new{i}"),
        ["single_word"] = Chance(0.25),
        ["lstrip"] = Chance(0.25),
        ["rstrip"] = Chance(0.25),
        ["normalized"] = Chance(0.4),
        ["special"] = Chance(0.5),
    }).DistinctBy(t => t["content"]!.GetValue<string>())]);

    static JsonObject Of(string type, params (string Name, JsonNode? Value)[] members)
    {
        var node = new JsonObject { ["type"] = type };
        foreach (var (name, value) in members)
            node[name] = value;
        return node;
    }

    JsonObject Pattern() => Chance(0.35) ? new() { ["String"] = Pick(" ", "\u2581", "a", "the", "''", "  ", ".", "é", "\n", "-", "``", "😀", Pick(snippets)) } : new() { ["Regex"] = Pick(patterns) };

    JsonObject Normalizer(int depth) => random.Next(depth > 0 ? 21 : 14) switch
    {
        0 => Of("NFC"),
        1 => Of("NFD"),
        2 => Of("NFKC"),
        3 => Of("NFKD"),
        4 => Of("Lowercase"),
        5 => Of("StripAccents"),
        6 or 7 => Of("BertNormalizer", ("clean_text", Chance(0.5)), ("handle_chinese_chars", Chance(0.5)), ("strip_accents", Pick<bool?>(null, true, false)), ("lowercase", Chance(0.5))),
        8 => Of("Nmt"),
        9 => Of("Prepend", ("prepend", Pick("\u2581", " ", "x", "ab"))),
        10 or 11 => Of("Replace", ("pattern", Chance(0.5) ? new JsonObject { ["Regex"] = Pick(" {2,}", @"\s+", @"\n", @"[\u0300-\u036f]", @"(?<=a)b", Pick(patterns)) } : Pattern()), ("content", Pick("", " ", "\u2581", "x", "\"", "é", "a\u0301"))),
        12 => Of("Strip", ("strip_left", Chance(0.6)), ("strip_right", Chance(0.6))),
        13 => Chance(0.5) ? Of("ByteLevel") : Of("Precompiled", ("precompiled_charsmap", Convert.ToBase64String(CharacterMaps.Some(random)))),
        _ => Of("Sequence", ("normalizers", new JsonArray([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Normalizer(depth - 1))]))),
    };

    string Behavior() => Pick("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous");

    JsonObject PreTokenizer(int depth) => random.Next(depth > 0 ? 23 : 16) switch
    {
        0 => Of("BertPreTokenizer"),
        1 or 2 => Of("ByteLevel", ("add_prefix_space", Chance(0.5)), ("trim_offsets", Chance(0.5)), ("use_regex", Chance(0.6))),
        3 => Of("CharDelimiterSplit", ("delimiter", Pick(" ", "a", "\u2581", "é", "😀", "-"))),
        4 => Of("Digits", ("individual_digits", Chance(0.5))),
        5 or 6 => Of("Metaspace", ("replacement", Pick("\u2581", "\u2581", "_", "😀")), ("prepend_scheme", Pick("always", "first", "never")), ("split", Chance(0.6))),
        7 => Of("Punctuation", ("behavior", Behavior())),
        8 or 9 or 10 or 11 => Of("Split", ("pattern", Pattern()), ("behavior", Behavior()), ("invert", Chance(0.3))),
        12 => Of("UnicodeScripts"),
        13 => Of("Whitespace"),
        14 => Of("WhitespaceSplit"),
        15 => Of("FixedLength", ("length", Pick(1, 2, 3, 5, 8))),
        _ => Of("Sequence", ("pretokenizers", new JsonArray([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => PreTokenizer(depth - 1))]))),
    };

    JsonObject PostProcessor(string[] known)
    {
        string name = Pick(known), other = Pick(known);
        JsonArray Token(string text, int id) => [text, id];
        switch (random.Next(5))
        {
            case 0: return Of("BertProcessing", ("sep", Token(other, 2)), ("cls", Token(name, 1)));
            case 1: return Of("RobertaProcessing", ("sep", Token(other, 2)), ("cls", Token(name, 1)), ("trim_offsets", Chance(0.5)), ("add_prefix_space", Chance(0.5)));
            case 2: return Of("ByteLevel", ("add_prefix_space", Chance(0.5)), ("trim_offsets", Chance(0.5)), ("use_regex", true));
            case 3: return Of("Sequence", ("processors", new JsonArray(Of("ByteLevel", ("add_prefix_space", true), ("trim_offsets", false), ("use_regex", true)), Template(name, other))));
            default: return Template(name, other);
        }
    }

    JsonObject Template(string name, string other)
    {
        JsonNode Special(string id) => new JsonObject { ["SpecialToken"] = new JsonObject { ["id"] = id, ["type_id"] = 0 } };
        JsonNode Text(string id) => new JsonObject { ["Sequence"] = new JsonObject { ["id"] = id, ["type_id"] = 0 } };
        var single = new JsonArray();
        for (var i = random.Next(3); i > 0; i--)
            single.Add(Special("one"));
        single.Add(Text("A"));
        for (var i = random.Next(3); i > 0; i--)
            single.Add(Special("two"));
        return Of("TemplateProcessing", ("single", single), ("pair", new JsonArray(Text("A"), Text("B"))), ("special_tokens", new JsonObject
        {
            ["one"] = new JsonObject { ["id"] = "one", ["ids"] = new JsonArray(1, 2), ["tokens"] = new JsonArray(name, other) },
            ["two"] = new JsonObject { ["id"] = "two", ["ids"] = new JsonArray(2), ["tokens"] = new JsonArray(other) },
        }));
    }

    JsonObject Decoder(int depth) => random.Next(depth > 0 ? 15 : 10) switch
    {
        0 => Of("ByteLevel", ("add_prefix_space", true), ("trim_offsets", true), ("use_regex", true)),
        1 => Of("WordPiece", ("prefix", Pick("##", "@")), ("cleanup", Chance(0.5))),
        2 => Of("Metaspace", ("replacement", "\u2581"), ("prepend_scheme", Pick("always", "first", "never")), ("split", Chance(0.5))),
        3 => Of("BPEDecoder", ("suffix", Pick("</w>", "_"))),
        4 => Of("CTC", ("pad_token", Pick("<pad>", "a")), ("word_delimiter_token", "|"), ("cleanup", Chance(0.5))),
        5 => Of("Fuse"),
        6 => Of("ByteFallback"),
        7 or 8 => Of("Replace", ("pattern", Chance(0.6) ? new JsonObject { ["String"] = Pick("\u2581", "a", "Ġ") } : Pattern()), ("content", Pick(" ", "", "x"))),
        9 => Of("Strip", ("content", Pick(" ", "a")), ("start", Pick(0, 1)), ("stop", 0)),
        10 => Of("Sequence", ("decoders", new JsonArray(Of("Replace", ("pattern", new JsonObject { ["String"] = "\u2581" }), ("content", " ")), Of("ByteFallback"), Of("Fuse"), Of("Strip", ("content", " "), ("start", 1), ("stop", 0))))),
        _ => Of("Sequence", ("decoders", new JsonArray([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Decoder(depth - 1))]))),
    };
}
