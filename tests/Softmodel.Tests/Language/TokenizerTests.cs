using System.Diagnostics;
using System.Text;
using System.Text.Json;
using CsCheck;
using Softmodel.Language;
using Softmodel.Language.Tokens;

namespace Softmodel.Tests.Language;

public class TokenizerTests
{
    const string Prefix = "tokenizer.ggml.";
    const char Space = '\u2581';

    static Tokenizer Gguf(string model, string[] tokens, long[]? types = null, params (string Key, object Value)[] more)
    {
        var entries = new Dictionary<string, object> { [Prefix + "model"] = model, [Prefix + "tokens"] = tokens };
        if (types is not null)
            entries[Prefix + "token_type"] = types;
        foreach (var (key, value) in more)
            entries[Prefix + key] = value;
        return TokenizerFile.Of(new("model.gguf", entries), "model.gguf");
    }

    static readonly string[] noPair = ["ab"], wrongPair = ["a x"], pairs = ["a b", "\u2581 ab"];
    static readonly double[] oneScore = [1];

    static string[] Bytes => [.. ByteLevel.Characters.Select(c => c.ToString())];

    /// <summary>All bytes, then merged pairs, then <c>&lt;s&gt;</c>, <c>&lt;e&gt;</c> and a defined text.</summary>
    static Tokenizer OfBytes(string way, params string[] merges)
    {
        string[] tokens = [.. Bytes, .. merges.Select(m => m.Replace(" ", "")), "<s>", "<e>", "the end"];
        long[] types = [.. tokens.Select((_, i) => i < tokens.Length - 3 ? 1L : i < tokens.Length - 1 ? 3 : 4)];
        return Gguf("gpt2", tokens, types, ("merges", merges), ("pre", way), ("bos_token_id", tokens.Length - 3L), ("eos_token_id", tokens.Length - 2L));
    }

    static string Valid(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    // Of any halves of characters, and of what patterns and tokens speak of.
    static readonly Gen<string> text = Gen.OneOf(
        Gen.String, Gen.String[Gen.Char['\uD700', '\uE010'], 0, 12],
        Gen.Int[0, 15].Select(i => new[] { "<s>", "<e>", "the end", "'s", " ", "  ", "\n", "\r\n", "a", "B", "12", "é", "日本", "👩‍🚀", "\0", "<0x41>", "\u2581" }[i]).Array[0, 12].Select(string.Concat));

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("smollm")]
    [InlineData("llama-bpe")]
    [InlineData("qwen2")]
    [InlineData("gpt-4o")]
    [InlineData("default")]
    public void Text_comes_back_from_bytes(string way)
    {
        var tokenizer = OfBytes(way, "t h", "th e", "Ġ the", "Ã ©", "1 2", "Ġ Ġ", "Ċ Ċ");
        Gen.Select(text, Gen.Bool).Sample((t, parsesSpecial) =>
        {
            var tokens = tokenizer.Encode(t, parsesSpecial);
            var stream = tokenizer.Stream(withControl: true);
            return tokenizer.Decode(tokens) == Valid(t) && string.Concat(tokens.Select(stream.Next)) + stream.End() == Valid(t);
        });
    }

    [Fact]
    public void Control_tokens_are_found_where_they_are_asked_for()
    {
        var tokenizer = OfBytes("gpt-2", "t h", "th e");
        var (begin, end, defined) = (258, 259, 260);
        Assert.Equal([begin, tokenizer.Find("a")!.Value, end], tokenizer.Encode("<s>a<e>", parsesSpecial: true));
        Assert.DoesNotContain(begin, tokenizer.Encode("<s>a<e>", parsesSpecial: false));
        // A defined one is text, and taken before the others.
        Assert.Equal([257, defined], tokenizer.Encode("thethe end", parsesSpecial: false));
        Assert.Equal("a<e>", tokenizer.Decode([tokenizer.Find("a")!.Value, end]));
        Assert.Equal("a", tokenizer.Decode([tokenizer.Find("a")!.Value, end], withControl: false));
        Assert.Equal("", tokenizer.Stream().Next(end));
        Assert.True(tokenizer.IsControl(end));
        Assert.False(tokenizer.IsControl(defined));
        Assert.Equal((261, begin, end, false), (tokenizer.Count, tokenizer.Begin!.Value, tokenizer.End!.Value, tokenizer.AddsBegin));
        Assert.Equal([end], tokenizer.Ends);
        Assert.Equal("é"u8, tokenizer.BytesOf(Array.IndexOf(Bytes, "Ã")).ToArray().Concat(tokenizer.BytesOf(Array.IndexOf(Bytes, "©")).ToArray()).ToArray());
    }

    [Fact]
    public void A_stream_holds_back_characters_that_are_not_whole()
    {
        var tokenizer = OfBytes("gpt-2");
        var stream = tokenizer.Stream();
        Assert.Equal(["", "", "", "👩", "a", ""], "👩a\u00e9"u8.ToArray()[..6].Select(b => stream.Next(b)));
        Assert.Equal("\uFFFD", stream.End());
        Assert.Equal(["\uFFFD", "b"], new[] { stream.Next(0xFF), stream.Next('b') });
    }

    // All merges one after another, the first pair of the least rank first: what byte-pair encoding is by definition.
    [Fact]
    public void Merges_as_defined()
    {
        string[] parts = ["a", "b", "c", "ab", "ba", "aa", "bc", "aba", "abc"];
        var pool = (from left in parts from right in parts select $"{left} {right}").ToArray();
        Gen.Select(Gen.Int[0, pool.Length - 1].Array[1, 24], Gen.String["abc"]).Sample((picked, text) =>
        {
            // Of what are tokens, by themselves or by other merges.
            var merges = picked.Distinct().Select(i => pool[i]).ToList();
            while (merges.RemoveAll(m => m.Split(' ').Any(p => p.Length > 1 && merges.All(o => o.Replace(" ", "") != p))) > 0)
            {
            }
            var now = text.Select(c => c.ToString()).ToList();
            while (true)
            {
                var (rank, at) = Enumerable.Range(0, Math.Max(0, now.Count - 1)).Select(i => (merges.IndexOf($"{now[i]} {now[i + 1]}"), i)).Where(x => x.Item1 >= 0).DefaultIfEmpty((-1, -1)).Min();
                if (rank < 0)
                    break;
                now[at] += now[at + 1];
                now.RemoveAt(at + 1);
            }
            var tokenizer = OfBytes("gpt-2", [.. merges]);
            return tokenizer.Encode(text, false).Select(tokenizer.NameOf).SequenceEqual(now);
        });
    }

    [Fact]
    public void A_piece_that_is_a_token_is_taken_whole_where_llama3_does()
    {
        string[] merges = ["a b", "b c"];
        string[] tokens = [.. Bytes, "ab", "bc", "abc"];
        int[] Encoded(string way) => Gguf("gpt2", tokens, null, ("merges", merges), ("pre", way)).Encode("abc", false);
        Assert.Equal([258], Encoded("llama-bpe"));
        Assert.Equal([256, Array.IndexOf(tokens, "c")], Encoded("gpt-2"));
    }

    [Fact]
    public void Long_words_take_no_long_time()
    {
        var tokenizer = OfBytes("gpt-2", "a a", "aa aa", "aaaa aaaa");
        var watch = Stopwatch.StartNew();
        Assert.Equal(100_000 / 8, tokenizer.Encode(new('a', 100_000), false).Length);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"it took {watch.Elapsed}");
    }

    static readonly string[] scored = ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"), "\u2581", "a", "b", "c", "ab", "bc", "\u2581a", "\u2581ab", "/", "s", "<", ">", "</", "s>"];
    static readonly long[] scoredTypes = [2, 3, 3, .. Enumerable.Repeat(6L, 256), .. Enumerable.Repeat(1L, 14)];

    static Tokenizer OfScores(params (string Key, object Value)[] more) => Gguf("llama", scored, scoredTypes,
        [("scores", scored.Select((s, i) => s switch { "bc" => -1.0, "ab" => -2, "\u2581a" => -3, "\u2581ab" => -4, "</" => -5, "s>" => -6, _ => -10.0 - i }).ToArray()), ("bos_token_id", 1L), ("eos_token_id", 2L), .. more]);

    static string[] Names(Tokenizer tokenizer, string text, bool parsesSpecial = false) => [.. tokenizer.Encode(text, parsesSpecial).Select(tokenizer.NameOf)];

    [Fact]
    public void Merges_by_scores()
    {
        var tokenizer = OfScores();
        Assert.Equal(["\u2581a", "bc"], Names(tokenizer, "abc"));
        Assert.Equal(["\u2581ab", "\u2581ab"], Names(tokenizer, "ab ab"));
        Assert.Equal(["\u2581", "<0xC3>", "<0xA9>", "a"], Names(tokenizer, "éa"));
        Assert.Equal(["\u2581", "</", "s>"], Names(tokenizer, "</s>"));
        Assert.Equal(["</s>", "\u2581a"], Names(tokenizer, "</s>a", parsesSpecial: true));
        Assert.Equal(["a"], Names(OfScores(("add_space_prefix", false)), "a"));
        Assert.Equal("ab ab", tokenizer.Decode(tokenizer.Encode("ab ab", false)));
        Assert.Equal(" ab", tokenizer.Stream().Next(tokenizer.Find("\u2581ab")!.Value));
        Assert.Equal("ab", tokenizer.Stream(isAtStart: true).Next(tokenizer.Find("\u2581ab")!.Value));
        Assert.True(tokenizer.AddsBegin);
        text.Sample(t => tokenizer.Decode(tokenizer.Encode(t, false)) == Valid(t).Replace('\u2581', ' '));
    }

    [Fact]
    public void Says_what_is_wrong_with_a_file()
    {
        static string Says(Action act) => Assert.Throws<SoftmodelException>(act).Message;
        Assert.Contains("'rwkv', which is not known here", Says(() => Gguf("rwkv", ["a"])));
        Assert.Contains("has no merges", Says(() => Gguf("gpt2", ["a"])));
        Assert.Contains("'ab' is no pair", Says(() => Gguf("gpt2", ["a", "b", "ab"], null, ("merges", noPair))));
        Assert.Contains("the merge of 'a' and 'x'", Says(() => Gguf("gpt2", ["a", "b", "ab"], null, ("merges", wrongPair))));
        Assert.Contains("'other' (tokenizer.ggml.pre)", Says(() => Gguf("gpt2", ["a"], null, ("merges", Array.Empty<string>()), ("pre", "other"))));
        Assert.Contains("3 tokens and 1 scores", Says(() => Gguf("llama", ["a", "b", "c"], null, ("scores", oneScore))));
        Assert.Contains("bos_token_id is 7, and there are 1 tokens", Says(() => Gguf("gpt2", ["a"], null, ("merges", Array.Empty<string>()), ("bos_token_id", 7L))));
        Assert.Contains("lacks the token '[UNK]'", Says(() => Gguf("bert", ["a"])));
        Assert.Contains("has no tokenizer", Says(() => TokenizerFile.Of(new("model.gguf", new Dictionary<string, object>()), "model.gguf")));
    }

    static T InFile<T>(string name, byte[] bytes, Func<string, T> use)
    {
        var folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            File.WriteAllBytes(Path.Combine(folder, name), bytes);
            return use(Path.Combine(folder, name));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static byte[] Llama2c(IEnumerable<(float Score, string Text)> tokens)
    {
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(7);
        foreach (var (score, token) in tokens)
        {
            writer.Write(score);
            writer.Write(Encoding.UTF8.GetByteCount(token));
            writer.Write(Encoding.UTF8.GetBytes(token));
        }
        return stream.ToArray();
    }

    static readonly byte[] stories = Llama2c([(0, "<unk>"), (0, "\n<s>\n"), (0, "\n</s>\n"), .. Enumerable.Range(0, 256).Select(b => (0f, $"<0x{b:X2}>")), (-1, " a"), (-2, "bc"), (-3, " "), (-4, "a"), (-5, "b"), (-6, "c")]);

    [Fact]
    public void Reads_llama2c()
    {
        var tokenizer = InFile("tokenizer.bin", stories, Tokenizer.Open);
        Assert.Equal([259, 260, 3 + 0xC3, 3 + 0xA9], tokenizer.Encode("abcé", false));
        Assert.Equal([1, 261, 263], tokenizer.Encode("<s>b", true));
        Assert.Equal("abc", tokenizer.Decode([1, 259, 260], withControl: false));
        Assert.Equal((1, 2, true), (tokenizer.Begin!.Value, tokenizer.End!.Value, tokenizer.AddsBegin));
        Assert.Equal("\n"u8, tokenizer.BytesOf(3 + 10));
        text.Sample(t => tokenizer.Decode(tokenizer.Encode(t, false)) == Valid(t));
    }

    [Fact]
    public void Refuses_what_is_damaged() => Gen.Select(Gen.Int[0, stories.Length - 1], Gen.Byte, Gen.Int[0, stories.Length]).Sample((at, value, length) =>
    {
        var bytes = stories.ToArray();
        bytes[at] = value;
        try
        {
            var tokenizer = InFile("tokenizer.bin", bytes[..length], Tokenizer.Open);
            tokenizer.Decode(tokenizer.Encode("abc é", true));
        }
        catch (SoftmodelException)
        {
        }
    }, iter: 200);

    static Tokenizer Json(object content, object? config = null) => InFile("tokenizer.json", JsonSerializer.SerializeToUtf8Bytes(content), path =>
    {
        if (config is not null)
            File.WriteAllBytes(Path.Combine(Path.GetDirectoryName(path)!, "tokenizer_config.json"), JsonSerializer.SerializeToUtf8Bytes(config));
        return Tokenizer.Open(Path.GetDirectoryName(path)!);
    });

    static Dictionary<string, object> Ids(params (string Name, int Id)[] tokens) => tokens.ToDictionary(t => t.Name, t => (object)new { id = t.Name, ids = (int[])[t.Id], tokens = (string[])[t.Name] });

    static Dictionary<string, int> Numbered(IEnumerable<string> tokens) => tokens.Select((t, i) => (t, i)).ToDictionary(p => p.t, p => p.i);

    [Fact]
    public void Reads_bytes_from_json()
    {
        string[] tokens = [.. Bytes, "ab", "Ġab"];
        var tokenizer = Json(
            new
            {
                added_tokens = new object[] { new { id = 258, content = "<s>", special = true, rstrip = true }, new { id = 259, content = "<|im_end|>", special = true }, new { id = 260, content = "xyz", special = false } },
                normalizer = new { type = "NFC" },
                pre_tokenizer = new { type = "Sequence", pretokenizers = new object[] { new { type = "Split", pattern = new { Regex = @"\p{N}" }, behavior = "Isolated" }, new { type = "ByteLevel", add_prefix_space = false, use_regex = true } } },
                post_processor = new { type = "TemplateProcessing", single = new object[] { new { SpecialToken = new { id = "<s>" } }, new { Sequence = new { id = "A" } } }, special_tokens = Ids(("<s>", 258)) },
                decoder = new { type = "ByteLevel" },
                model = new { type = "BPE", vocab = Numbered(tokens), merges = new object[] { "a b", (string[])["Ġ", "ab"] } },
            },
            new { eos_token = new { content = "<|im_end|>" } });
        Assert.Equal(["<s>", "ab", "Ġab", "1", "2"], Names(tokenizer, "<s>  ab ab12", parsesSpecial: true));
        Assert.Equal(["xyz"], Names(tokenizer, "xyz"));
        Assert.Equal((258, 259, true, false), (tokenizer.Begin!.Value, tokenizer.End!.Value, tokenizer.AddsBegin, tokenizer.AddsEnd));
        Assert.Equal([259], tokenizer.Ends);
        text.Sample(t => tokenizer.Decode(tokenizer.Encode(t, false)) == Valid(t));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Reads_characters_from_json(bool isMetaspace)
    {
        string[] tokens = ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"), "\u2581", "a", "b", "ab", "\u2581ab"];
        var tokenizer = Json(new
        {
            added_tokens = new object[] { new { id = 0, content = "<unk>", special = true }, new { id = 1, content = "<s>", special = true }, new { id = 2, content = "</s>", special = true } },
            normalizer = isMetaspace ? null : new { type = "Sequence", normalizers = new object[] { new { type = "Prepend", prepend = "\u2581" }, new { type = "Replace", pattern = new { String = " " }, content = "\u2581" } } },
            pre_tokenizer = isMetaspace ? new { type = "Metaspace", replacement = "\u2581", prepend_scheme = "first", split = false } : null,
            decoder = new { type = "Sequence", decoders = new object[] { new { type = "Replace", pattern = new { String = "\u2581" }, content = " " }, new { type = "ByteFallback" }, new { type = "Fuse" }, new { type = "Strip", content = " ", start = 1, stop = 0 } } },
            model = new { type = "BPE", byte_fallback = true, unk_token = "<unk>", vocab = Numbered(tokens), merges = pairs },
        });
        Assert.Equal(["\u2581ab", "\u2581ab", "<0xC3>", "<0xA9>"], Names(tokenizer, "ab abé"));
        Assert.Equal(isMetaspace ? ["<s>", "ab"] : ["<s>", "\u2581ab"], Names(tokenizer, "<s>ab", parsesSpecial: true));
        Assert.Equal(isMetaspace ? ["\u2581ab"] : ["\u2581", "\u2581ab"], Names(tokenizer, " ab"));
        Assert.Equal("ab abé", tokenizer.Decode(tokenizer.Encode("ab abé", false)));
    }

    static readonly string[] words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "quick", "##est", "cafe", "un", "##believ", "##able", ",", "!", "中", "[", "]"];

    static void Check(Tokenizer tokenizer)
    {
        Assert.Equal(["the", "quick", "##est", "cafe", ",", "un", "##believ", "##able", "!"], Names(tokenizer, "The quickest Café, unbelievable!"));
        Assert.Equal(["中", "the", "[UNK]"], Names(tokenizer, "中the xyz"));
        Assert.Equal(["[UNK]", "the", "[UNK]", "quick", "[UNK]", "the"], Names(tokenizer, "👩 the $quick €\0\tTh\u0301e"));
        Assert.Equal(["[MASK]", "the"], Names(tokenizer, "[MASK]the", parsesSpecial: true));
        Assert.DoesNotContain("[MASK]", Names(tokenizer, "[MASK]the"));
        Assert.Equal("the quickest , the", tokenizer.Decode(tokenizer.Encode("The quickest, the", false)));
        Assert.Equal((2, 3, true, true), (tokenizer.Begin!.Value, tokenizer.End!.Value, tokenizer.AddsBegin, tokenizer.AddsEnd));
        text.Sample(t => tokenizer.Encode(t, false).All(i => i >= 0 && i < words.Length));
    }

    [Fact]
    public void Reads_words_from_json() => Check(Json(new
    {
        added_tokens = words.Take(5).Select((w, id) => new { id, content = w, special = true }),
        normalizer = new { type = "BertNormalizer", lowercase = true },
        pre_tokenizer = new { type = "BertPreTokenizer" },
        post_processor = new { type = "TemplateProcessing", single = new object[] { new { SpecialToken = new { id = "[CLS]" } }, new { Sequence = new { id = "A" } }, new { SpecialToken = new { id = "[SEP]" } } }, special_tokens = Ids(("[CLS]", 2), ("[SEP]", 3)) },
        decoder = new { type = "WordPiece", prefix = "##", cleanup = false },
        model = new { type = "WordPiece", unk_token = "[UNK]", continuing_subword_prefix = "##", vocab = Numbered(words) },
    }));

    [Fact]
    public void Reads_words_from_gguf() =>
        Check(Gguf("bert", [.. words.Select((w, i) => i < 5 ? w : w.StartsWith("##", StringComparison.Ordinal) ? w[2..] : Space + w)], [.. words.Select((_, i) => i < 5 ? 3L : 1)]));

    [Fact]
    public void Reads_scores_of_whole_texts_from_json()
    {
        object[][] tokens = [["<unk>", 0.0], ["</s>", 0.0], ["\u2581", -3.0], ["a", -4.0], ["b", -4.0], ["ab", -5.0], ["\u2581a", -3.5], ["\u2581ab", -9.0], ["bb", -4.5]];
        var tokenizer = Json(new
        {
            added_tokens = new object[] { new { id = 0, content = "<unk>", special = true }, new { id = 1, content = "</s>", special = true } },
            pre_tokenizer = new { type = "Metaspace", replacement = "\u2581", prepend_scheme = "always" },
            decoder = new { type = "Metaspace", replacement = "\u2581", prepend_scheme = "always" },
            model = new { type = "Unigram", unk_id = 0, vocab = tokens },
        });
        // Of the ways to write it the one whose scores sum up to most.
        Assert.Equal(["\u2581a", "b", "\u2581a", "bb"], Names(tokenizer, "ab abb"));
        Assert.Equal("ab abb", tokenizer.Decode(tokenizer.Encode("ab abb", false)));
        Assert.Contains("<unk>", Names(tokenizer, "x"));
        text.Sample(t => tokenizer.Encode(t, false).All(i => i >= 0 && i < tokens.Length));
    }

    [Theory]
    [InlineData("{", "can't be read")]
    [InlineData("[]", "can't be read")]
    [InlineData("{}", "'model' is missing")]
    [InlineData("""{"model": {"type": "BPE"}}""", "'model.vocab' is missing")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": -1}}}""", "have no sense")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 2000000000}}}""", "have no sense")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": "x"}}}""", "can't be read")]
    [InlineData("""{"model": {"type": "Other", "vocab": {"a": 0}}}""", "'Other', which is not known here")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "dropout": 0.1}}""", "the dropout 0.1")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "Other"}}""", "the pre-tokenizer 'Other'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Other"}]}}""", "the pre-tokenizer 'Other'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a)\\1"}, "behavior": "Isolated"}}""", "has '\\1'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "Punctuation", "behavior": "Other"}}""", "the behavior 'Other'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "Other"}}""", "the prepend_scheme 'Other'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "decoder": {"type": "Other"}}""", "the decoder 'Other'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "post_processor": {"type": "Other"}}""", "the post-processor 'Other'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "post_processor": {"type": "BertProcessing", "cls": ["a", 7], "sep": ["a", 0]}}""", "the token 7, and there are 1")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}""", "precompiled_charsmap is damaged")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}}}""", "can't be read")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}}, "normalizer": {"type": "Other"}}""", "the normalizer 'Other'")]
    public void Says_what_is_wrong_with_json(string json, string says)
    {
        var error = Assert.Throws<SoftmodelException>(() => InFile("tokenizer.json", Encoding.UTF8.GetBytes(json), Tokenizer.Open));
        Assert.Contains("tokenizer.json: ", error.Message);
        Assert.Contains(says, error.Message);
    }

    static Tokenizer Of(object? normalizer = null, object? pre_tokenizer = null, object? model = null, object[]? added_tokens = null, object? decoder = null) =>
        Json(new { normalizer, pre_tokenizer, model, added_tokens = added_tokens ?? [], decoder });

    static object Wholes(params string[] words) => new { type = "WordLevel", vocab = Numbered(["<unk>", .. words]), unk_token = "<unk>" };

    static readonly string[] accented = ["mo\u0308chte", "möchte", "mochte", "Möchte", "中", "a", "中a", "\u0007a"];

    [Theory]
    [InlineData(true, true, false, true, "MÖCHTE 中a\u0007", "möchte 中 a")]
    [InlineData(true, true, null, true, "MÖCHTE 中a\u0007", "mochte 中 a")]
    [InlineData(true, true, null, false, "Möchte 中a\u0007", "Möchte 中 a")]
    [InlineData(true, true, true, false, "möchte 中a\u0007", "mochte 中 a")]
    [InlineData(true, false, false, true, "MÖCHTE 中a\u0007", "möchte 中a")]
    [InlineData(false, true, false, true, "MÖCHTE 中\u0007a", "möchte 中 \u0007a")]
    public void Honours_the_flags_of_BertNormalizer(bool clean_text, bool handle_chinese_chars, bool? strip_accents, bool lowercase, string text, string words) =>
        Assert.Equal(words, string.Join(' ', Names(Of(new { type = "BertNormalizer", clean_text, handle_chinese_chars, strip_accents, lowercase }, new { type = "WhitespaceSplit" }, Wholes(accented)), text)));

    [Fact]
    public void A_long_word_is_unknown()
    {
        var tokenizer = Of(null, new { type = "WhitespaceSplit" }, new { type = "WordPiece", unk_token = "[UNK]", continuing_subword_prefix = "##", max_input_chars_per_word = 4, vocab = Numbered(["[UNK]", "ab", "##ab"]) });
        Assert.Equal(["ab", "##ab", "[UNK]"], Names(tokenizer, "abab ababab"));
    }

    static readonly object[][] unigrams = [["<unk>", 0.0], ["\u2581", -8.0], ["\u2581hello", -3.0], ["\u2581the", -3.1], ["h", -8.0], ["e", -8.0], .. Enumerable.Range(0, 256).Select(b => (object[])[$"<0x{b:X2}>", -10.0])];

    [Fact]
    public void Unigram_honours_what_comes_before_it()
    {
        static object Model(bool byte_fallback) => new { type = "Unigram", unk_id = 0, vocab = unigrams, byte_fallback };
        var metaspace = new { type = "Metaspace", replacement = "\u2581", prepend_scheme = "always" };
        Assert.Equal(["\u2581hello"], Names(Of(new { type = "Lowercase" }, metaspace, Model(false)), "Hello"));
        Assert.Equal(["\u2581hello", "\u2581the"], Names(Of(new { type = "Replace", pattern = new { Regex = " {2,}" }, content = " " }, metaspace, Model(false)), "hello  the"));
        Assert.Equal(["\u2581hello", "\u2581the"], Names(Of(null, new { type = "Sequence", pretokenizers = new object[] { new { type = "WhitespaceSplit" }, metaspace } }, Model(false)), "hello  the"));
        Assert.Equal(["\u2581", "<unk>", "e"], Names(Of(null, metaspace, Model(false)), "xyze"));
        Assert.Equal(["\u2581", "<0xC3>", "<0xA9>"], Names(Of(null, metaspace, Model(true)), "é"));
    }

    [Theory]
    [InlineData("NFC", "cafe\u0301", "café")]
    [InlineData("NFD", "café", "cafe\u0301")]
    [InlineData("NFKC", "\uFF11\uFF12\uFF13\uFB01\u00BD", "123fi1\u20442")]
    [InlineData("NFKD", "\uFB01é", "fie\u0301")]
    // Of each letter by itself: a sigma at the end is one like others.
    [InlineData("Lowercase", "İΑΣ", "i\u0307ασ")]
    [InlineData("StripAccents", "e\u0301क\u093E", "eक")]
    [InlineData("Nmt", "a\u200Bb\u0001", "a b")]
    public void Normalizes(string type, string text, string normalized) => Assert.Equal([normalized], Names(Of(new { type }, null, Wholes(normalized)), text));

    [Fact]
    public void Honours_the_flags_of_added_tokens()
    {
        static object Added(string content, bool single_word = false, bool lstrip = false, bool rstrip = false, bool normalized = false) => new { id = 0, content, single_word, lstrip, rstrip, normalized, special = false };
        static Tokenizer With(params object[] added) => Of(new { type = "Lowercase" }, new { type = "Split", pattern = new { Regex = "." }, behavior = "Isolated" }, Wholes([.. "helonwtkab ".Select(c => c.ToString())]), added);
        Assert.Equal(["h", "e", "l", "l", "o", " ", "he"], Names(With(Added("he", single_word: true)), "hello he"));
        Assert.Equal(["newtok", "newtok", "newtok"], Names(With(Added("NewTok", normalized: true)), "NewTokNEWTOKnewtok").Select(n => n.ToLowerInvariant()));
        Assert.Equal(["NewTok", "n", "e", "w"], Names(With(Added("NewTok")), "NewTokNEW"));
        Assert.Equal(["a", "ab ", " ", "b"], Names(With(Added("ab ", lstrip: true)), "a  ab  b"));
        Assert.Equal(["a", " ", "<x>", "b"], Names(With(Added("<x>", rstrip: true)), "a <x>  b"));
        // The longest of those that begin in one place.
        Assert.Equal(["<x>b", "<x>"], Names(With(Added("<x>"), Added("<x>b")), "<x>b<x>"));
    }

    // The tokens of the reference, which takes the number of an added token from its place.
    [Fact]
    public void Numbers_added_tokens_as_the_reference_does() =>
        Assert.Equal([3, 1, 4], Of(null, null, Wholes("a", "b"), [new { id = 10, content = "x", special = true }, new { id = 7, content = "a", special = true }, new { id = 3, content = "y", special = true }]).Encode("xay", true));

    // Text from elsewhere is text, though the vocabulary has it as a control token.
    [Fact]
    public void Control_tokens_come_of_no_text()
    {
        object[] control = [new { id = 1, content = "[SEP]", special = true }];
        object[] models = [Wholes("[SEP]"), new { type = "WordPiece", unk_token = "<unk>", continuing_subword_prefix = "##", max_input_chars_per_word = 100, vocab = Numbered(["<unk>", "[SEP]"]) },
            new { type = "Unigram", unk_id = 0, vocab = (object[][])[["<unk>", 0.0], ["[SEP]", -1.0]] }, new { type = "BPE", unk_token = "<unk>", fuse_unk = true, ignore_merges = true, vocab = Numbered(["<unk>", "[SEP]"]), merges = Array.Empty<string>() }];
        foreach (var model in models)
        {
            var tokenizer = Of(null, null, model, control);
            Assert.Equal([1], tokenizer.Encode("[SEP]", parsesSpecial: true));
            Assert.Equal([0], tokenizer.Encode("[SEP]", parsesSpecial: false));
        }
    }

    [Fact]
    public void Puts_the_tokens_of_a_template_around_a_text()
    {
        var tokenizer = Json(new
        {
            model = Wholes("a", "b", "c"),
            post_processor = new { type = "TemplateProcessing", single = new object[] { new { SpecialToken = new { id = "x" } }, new { SpecialToken = new { id = "y" } }, new { Sequence = new { id = "A" } }, new { SpecialToken = new { id = "y" } } }, special_tokens = new { x = new { ids = (int[])[1, 2] }, y = new { ids = (int[])[3] } } },
        });
        Assert.Equal([1, 2, 3], tokenizer.Before);
        Assert.Equal([3], tokenizer.After);
    }

    static readonly string[] decoded = ["\u2581hello", "wor", "##ld", ".", "<0xC3>", "<0xA9>", "<0xFF>", "a</w>", "b</w>", "<pad>", "|"];

    public static TheoryData<string, int[], string> Decoders => new()
    {
        { "null", [1, 2, 3], "\u2581hello wor ##ld" },
        { """{"type":"WordPiece","prefix":"##","cleanup":true}""", [2, 3, 4], "world." },
        { """{"type":"WordPiece","prefix":"##","cleanup":false}""", [2, 3, 4], "world ." },
        { """{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always"}""", [1, 1], "hello hello" },
        { """{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never"}""", [1, 1], " hello hello" },
        { """{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]}""", [5, 6, 2, 7, 5], "éwor\uFFFD\uFFFD" },
        { """{"type":"BPEDecoder","suffix":"</w>"}""", [8, 9], "a b" },
        { """{"type":"CTC","pad_token":"<pad>","word_delimiter_token":"|","cleanup":true}""", [2, 2, 10, 2, 11, 4], "worwor ." },
        { """{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}""", [1, 1], "hello hello" },
    };

    [Theory]
    [MemberData(nameof(Decoders))]
    public void Decodes(string decoder, int[] tokens, string text) => Assert.Equal(text, Of(null, null, Wholes(decoded), null, JsonSerializer.Deserialize<JsonElement>(decoder)).Decode(tokens));

    static readonly byte[] damaged = JsonSerializer.SerializeToUtf8Bytes(new
    {
        added_tokens = new object[] { new { id = 1, content = "<s>", special = true } },
        normalizer = new { type = "Sequence", normalizers = new object[] { new { type = "Replace", pattern = new { Regex = "[a-c]{2}(?i:x|y)" }, content = "b" }, new { type = "Prepend", prepend = "\u2581" } } },
        pre_tokenizer = new { type = "Sequence", pretokenizers = new object[] { new { type = "CharDelimiterSplit", delimiter = "-" }, new { type = "FixedLength", length = 5 }, new { type = "Metaspace", prepend_scheme = "first", split = true } } },
        post_processor = new { type = "BertProcessing", cls = new object[] { "<s>", 1 }, sep = new object[] { "a", 2 } },
        decoder = new { type = "Sequence", decoders = new object[] { new { type = "Strip", content = "a", start = 1, stop = 1 }, new { type = "Fuse" } } },
        model = new { type = "Unigram", unk_id = 0, vocab = (object[][])[["<unk>", 0.0], ["<s>", -1.5], ["a", -2.25e0]], byte_fallback = true },
    });

    [Fact]
    public void Refuses_json_that_is_damaged() => Gen.Select(Gen.Int[0, damaged.Length - 1], Gen.OneOf(Gen.Byte, Gen.Byte[(byte)'0', (byte)'9'], Gen.Const((byte)'"')), Gen.Int[0, 3]).Sample((at, value, cut) =>
    {
        byte[] bytes = [.. damaged[..at], value, .. damaged[Math.Min(damaged.Length, at + cut)..]];
        try
        {
            var tokenizer = InFile("tokenizer.json", bytes, Tokenizer.Open);
            tokenizer.Decode(tokenizer.Encode("abx-c <s> é", true));
        }
        catch (SoftmodelException)
        {
        }
    }, iter: 1000);

    // A prompt is given by anyone: no text may take long, however the tokenizer is made.
    [Fact]
    public void Long_texts_take_no_long_time()
    {
        object[] models = [Wholes("a"), new { type = "WordPiece", unk_token = "<unk>", continuing_subword_prefix = "", max_input_chars_per_word = 10_000_000, vocab = Numbered(["<unk>", "a", "aa"]) },
            new { type = "Unigram", unk_id = 0, vocab = unigrams, byte_fallback = true }, new { type = "BPE", vocab = Numbered(["a", "aa", "\u2581"]), merges = (string[])["a a"] }];
        var watch = Stopwatch.StartNew();
        foreach (var model in models)
        {
            var tokenizer = Of(new { type = "NFC" }, new { type = "Metaspace", split = false }, model);
            foreach (var text in (string[])[new('a', 150_000), new('\u0301', 150_000), string.Concat(Enumerable.Repeat("é a", 50_000))])
                tokenizer.Encode(text, parsesSpecial: true);
        }
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"it took {watch.Elapsed}");
    }
}
