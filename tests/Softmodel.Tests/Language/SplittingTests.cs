using System.Diagnostics;
using CsCheck;
using Softmodel.Language.Tokens;

namespace Softmodel.Tests.Language;

public class SplittingTests
{
    static string[] Pieces(string way, string text) => Pieces(text, Splitting.Find(way, "model.gguf").Steps);

    static string[] Pieces(string text, params PreTokenizer[] steps)
    {
        var pieces = new Pieces(text);
        foreach (var step in steps)
            step(pieces);
        return [.. Enumerable.Range(0, pieces.Count).Select(i => pieces[i].ToString())];
    }

    // As Python's regex module splits, for which characters beyond U+FFFF are characters.
    [Theory]
    [InlineData("gpt-2", "I'm  HERE, you'LL see 12345 things!!\n\n  next\t\tline   ", "I\u00b6'm\u00b6 \u00b6 HERE\u00b6,\u00b6 you\u00b6'\u00b6LL\u00b6 see\u00b6 12345\u00b6 things\u00b6!!\u00b6\n\n \u00b6 next\u00b6\t\u00b6\t\u00b6line\u00b6   ")]
    [InlineData("gpt-2", "na\u00efve e\u0301cole \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12\uff14 x\u00b2", "na\u00efve\u00b6 e\u00b6\u0301\u00b6cole\u00b6 \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u00b6 12\uff14\u00b6 x\u00b6\u00b2")]
    [InlineData("gpt-2", "\ud835\udc00bc\ud835\udc01 \ud840\udc00\ud840\udc01\u5b57 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80 \ud835\udfcf\ud835\udfd03 a\ud835\udfd7b", "\ud835\udc00bc\ud835\udc01\u00b6 \ud840\udc00\ud840\udc01\u5b57\u00b6 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80\u00b6 \ud835\udfcf\ud835\udfd03\u00b6 a\u00b6\ud835\udfd7\u00b6b")]
    [InlineData("gpt-2", "foo_bar(x)/2;\r\n\r\n  CamelCaseWord's $5.00 ~~~  ", "foo\u00b6_\u00b6bar\u00b6(\u00b6x\u00b6)/\u00b62\u00b6;\u00b6\r\n\r\n \u00b6 CamelCaseWord\u00b6's\u00b6 $\u00b65\u00b6.\u00b600\u00b6 ~~~\u00b6  ")]
    [InlineData("smollm", "I'm  HERE, you'LL see 12345 things!!\n\n  next\t\tline   ", "I\u00b6'm\u00b6 \u00b6 HERE\u00b6,\u00b6 you\u00b6'\u00b6LL\u00b6 see\u00b6 \u00b61\u00b62\u00b63\u00b64\u00b65\u00b6 things\u00b6!!\u00b6\n\n \u00b6 next\u00b6\t\u00b6\t\u00b6line\u00b6   ")]
    [InlineData("smollm", "na\u00efve e\u0301cole \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12\uff14 x\u00b2", "na\u00efve\u00b6 e\u00b6\u0301\u00b6cole\u00b6 \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u00b6 \u00b61\u00b62\u00b6\uff14\u00b6 x\u00b6\u00b2")]
    [InlineData("smollm", "\ud835\udc00bc\ud835\udc01 \ud840\udc00\ud840\udc01\u5b57 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80 \ud835\udfcf\ud835\udfd03 a\ud835\udfd7b", "\ud835\udc00bc\ud835\udc01\u00b6 \ud840\udc00\ud840\udc01\u5b57\u00b6 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80\u00b6 \u00b6\ud835\udfcf\u00b6\ud835\udfd0\u00b63\u00b6 a\u00b6\ud835\udfd7\u00b6b")]
    [InlineData("smollm", "foo_bar(x)/2;\r\n\r\n  CamelCaseWord's $5.00 ~~~  ", "foo\u00b6_\u00b6bar\u00b6(\u00b6x\u00b6)/\u00b62\u00b6;\u00b6\r\n\r\n \u00b6 CamelCaseWord\u00b6's\u00b6 $\u00b65\u00b6.\u00b60\u00b60\u00b6 ~~~\u00b6  ")]
    [InlineData("llama-bpe", "I'm  HERE, you'LL see 12345 things!!\n\n  next\t\tline   ", "I\u00b6'm\u00b6 \u00b6 HERE\u00b6,\u00b6 you\u00b6'LL\u00b6 see\u00b6 \u00b6123\u00b645\u00b6 things\u00b6!!\n\n\u00b6 \u00b6 next\u00b6\t\u00b6\tline\u00b6   ")]
    [InlineData("llama-bpe", "na\u00efve e\u0301cole \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12\uff14 x\u00b2", "na\u00efve\u00b6 e\u00b6\u0301cole\u00b6 \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u00b6 \u00b612\uff14\u00b6 x\u00b6\u00b2")]
    [InlineData("llama-bpe", "\ud835\udc00bc\ud835\udc01 \ud840\udc00\ud840\udc01\u5b57 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80 \ud835\udfcf\ud835\udfd03 a\ud835\udfd7b", "\ud835\udc00bc\ud835\udc01\u00b6 \ud840\udc00\ud840\udc01\u5b57\u00b6 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80\u00b6 \u00b6\ud835\udfcf\ud835\udfd03\u00b6 a\u00b6\ud835\udfd7\u00b6b")]
    [InlineData("llama-bpe", "foo_bar(x)/2;\r\n\r\n  CamelCaseWord's $5.00 ~~~  ", "foo\u00b6_bar\u00b6(x\u00b6)/\u00b62\u00b6;\r\n\r\n\u00b6 \u00b6 CamelCaseWord\u00b6's\u00b6 $\u00b65\u00b6.\u00b600\u00b6 ~~~\u00b6  ")]
    [InlineData("qwen2", "I'm  HERE, you'LL see 12345 things!!\n\n  next\t\tline   ", "I\u00b6'm\u00b6 \u00b6 HERE\u00b6,\u00b6 you\u00b6'LL\u00b6 see\u00b6 \u00b61\u00b62\u00b63\u00b64\u00b65\u00b6 things\u00b6!!\n\n\u00b6 \u00b6 next\u00b6\t\u00b6\tline\u00b6   ")]
    [InlineData("qwen2", "na\u00efve e\u0301cole \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12\uff14 x\u00b2", "na\u00efve\u00b6 e\u00b6\u0301cole\u00b6 \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u00b6 \u00b61\u00b62\u00b6\uff14\u00b6 x\u00b6\u00b2")]
    [InlineData("qwen2", "\ud835\udc00bc\ud835\udc01 \ud840\udc00\ud840\udc01\u5b57 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80 \ud835\udfcf\ud835\udfd03 a\ud835\udfd7b", "\ud835\udc00bc\ud835\udc01\u00b6 \ud840\udc00\ud840\udc01\u5b57\u00b6 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80\u00b6 \u00b6\ud835\udfcf\u00b6\ud835\udfd0\u00b63\u00b6 a\u00b6\ud835\udfd7\u00b6b")]
    [InlineData("qwen2", "foo_bar(x)/2;\r\n\r\n  CamelCaseWord's $5.00 ~~~  ", "foo\u00b6_bar\u00b6(x\u00b6)/\u00b62\u00b6;\r\n\r\n\u00b6 \u00b6 CamelCaseWord\u00b6's\u00b6 $\u00b65\u00b6.\u00b60\u00b60\u00b6 ~~~\u00b6  ")]
    [InlineData("gpt-4o", "I'm  HERE, you'LL see 12345 things!!\n\n  next\t\tline   ", "I'm\u00b6 \u00b6 HERE\u00b6,\u00b6 you'LL\u00b6 see\u00b6 \u00b6123\u00b645\u00b6 things\u00b6!!\n\n\u00b6 \u00b6 next\u00b6\t\u00b6\tline\u00b6   ")]
    [InlineData("gpt-4o", "na\u00efve e\u0301cole \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12\uff14 x\u00b2", "na\u00efve\u00b6 e\u0301cole\u00b6 \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u00b6 \u00b612\uff14\u00b6 x\u00b6\u00b2")]
    [InlineData("gpt-4o", "\ud835\udc00bc\ud835\udc01 \ud840\udc00\ud840\udc01\u5b57 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80 \ud835\udfcf\ud835\udfd03 a\ud835\udfd7b", "\ud835\udc00bc\u00b6\ud835\udc01\u00b6 \ud840\udc00\ud840\udc01\u5b57\u00b6 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80\u00b6 \u00b6\ud835\udfcf\ud835\udfd03\u00b6 a\u00b6\ud835\udfd7\u00b6b")]
    [InlineData("gpt-4o", "foo_bar(x)/2;\r\n\r\n  CamelCaseWord's $5.00 ~~~  ", "foo\u00b6_bar\u00b6(x\u00b6)/\u00b62\u00b6;\r\n\r\n\u00b6 \u00b6 Camel\u00b6Case\u00b6Word's\u00b6 $\u00b65\u00b6.\u00b600\u00b6 ~~~\u00b6  ")]
    [InlineData("deepseek-v3", "I'm  HERE, you'LL see 12345 things!!\n\n  next\t\tline   ", "I\u00b6'm\u00b6 \u00b6 HERE\u00b6,\u00b6 you\u00b6'LL\u00b6 see\u00b6 \u00b6123\u00b645\u00b6 things\u00b6!!\n\n\u00b6 \u00b6 next\u00b6\t\u00b6\tline\u00b6   ")]
    [InlineData("deepseek-v3", "na\u00efve e\u0301cole \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12\uff14 x\u00b2", "na\u00efve\u00b6 e\u0301cole\u00b6 \u00b6\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u00b6 \u00b612\uff14\u00b6 x\u00b6\u00b2")]
    [InlineData("deepseek-v3", "\ud835\udc00bc\ud835\udc01 \ud840\udc00\ud840\udc01\u5b57 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80 \ud835\udfcf\ud835\udfd03 a\ud835\udfd7b", "\ud835\udc00bc\ud835\udc01\u00b6 \ud840\udc00\ud840\udc01\u00b6\u5b57\u00b6 \ud83d\udc69\u00b6\u200d\u00b6\ud83d\ude80\ud83d\ude80\u00b6 \u00b6\ud835\udfcf\ud835\udfd03\u00b6 a\u00b6\ud835\udfd7\u00b6b")]
    [InlineData("deepseek-v3", "foo_bar(x)/2;\r\n\r\n  CamelCaseWord's $5.00 ~~~  ", "foo\u00b6_bar\u00b6(x\u00b6)/\u00b62\u00b6;\r\n\r\n\u00b6 \u00b6 CamelCaseWord\u00b6's\u00b6 $\u00b65\u00b6.\u00b600\u00b6 ~~~\u00b6  ")]
    [InlineData("falcon", "I'm  HERE, you'LL see 12345 things!!\n\n  next\t\tline   ", "I\u00b6'\u00b6m\u00b6 \u00b6 HERE\u00b6,\u00b6 you\u00b6'\u00b6LL\u00b6 see\u00b6 \u00b6123\u00b645\u00b6 things\u00b6!!\u00b6\n\n \u00b6 next\u00b6\t\u00b6\t\u00b6line\u00b6   ")]
    [InlineData("falcon", "na\u00efve e\u0301cole \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 12\uff14 x\u00b2", "na\u00efve\u00b6 e\u00b6\u0301\u00b6cole\u00b6 \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u00b6 12\uff14\u00b6 x\u00b6\u00b2")]
    [InlineData("falcon", "\ud835\udc00bc\ud835\udc01 \ud840\udc00\ud840\udc01\u5b57 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80 \ud835\udfcf\ud835\udfd03 a\ud835\udfd7b", "\ud835\udc00bc\ud835\udc01\u00b6 \ud840\udc00\ud840\udc01\u5b57\u00b6 \ud83d\udc69\u200d\ud83d\ude80\ud83d\ude80\u00b6 \ud835\udfcf\ud835\udfd03\u00b6 a\u00b6\ud835\udfd7\u00b6b")]
    [InlineData("falcon", "foo_bar(x)/2;\r\n\r\n  CamelCaseWord's $5.00 ~~~  ", "foo\u00b6_\u00b6bar\u00b6(\u00b6x\u00b6)/\u00b62\u00b6;\u00b6\r\n\r\n \u00b6 CamelCaseWord\u00b6'\u00b6s\u00b6 \u00b6$\u00b65\u00b6.\u00b600\u00b6 \u00b6~~~\u00b6  ")]
    public void Splits_as_the_patterns_say(string way, string text, string pieces) => Assert.Equal(pieces, string.Join('¶', Pieces(way, text)));

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("smollm")]
    [InlineData("llama-bpe")]
    [InlineData("dbrx")]
    [InlineData("qwen2")]
    [InlineData("gpt-4o")]
    [InlineData("tekken")]
    [InlineData("deepseek-coder")]
    [InlineData("deepseek-v3")]
    [InlineData("falcon")]
    [InlineData("default")]
    public void Pieces_are_the_whole_text(string way) => Gen.String.Sample(text => string.Concat(Pieces(way, text)) == text);

    [Fact]
    public void Names_the_ways_that_are_known() =>
        Assert.Contains("'other' (tokenizer.ggml.pre), which is not known here; known are gpt-2,", Assert.Throws<SoftmodelException>(() => Splitting.Find("other", "model.gguf")).Message);

    // As the reference's own documentation of its behaviors says.
    [Theory]
    [InlineData(SplitKeeps.Apart, false, "the|-|final|-|-|countdown")]
    [InlineData(SplitKeeps.Not, false, "the|final|countdown")]
    [InlineData(SplitKeeps.Not, true, "-|-|-")]
    [InlineData(SplitKeeps.WithPrevious, false, "the-|final-|-|countdown")]
    [InlineData(SplitKeeps.WithNext, false, "the|-final|-|-countdown")]
    [InlineData(SplitKeeps.Together, false, "the|-|final|--|countdown")]
    internal void Keeps_what_is_found(SplitKeeps keeps, bool isInverted, string pieces) =>
        Assert.Equal(pieces, string.Join('|', Pieces("the-final--countdown", PreTokenizers.Splitting(Pattern.Of("-").Find, keeps, isInverted))));

    // What Oniguruma finds, which is the reference's.
    [Theory]
    [InlineData(@"(?i:ss)", "SS sS ß \u1E9E \u017Fs x", "SS|sS|ß|\u1E9E|\u017Fs")]
    [InlineData(@"(?i:k)", "k K \u212A", "k|K|\u212A")]
    [InlineData(@"(?i:i\u0307)", "İ i\u0307", "İ|i\u0307")]
    [InlineData(@"(?i:[ß])", "ss ẞ", "ss|ẞ")]
    [InlineData(@"(?i:[^k])+", "xK\u212A", "x")]
    [InlineData(@"(?i)th(?-i)E", "THE The", "THE")]
    [InlineData(@"a(?i)b|c", "aB aC abc", "aB|aC|ab")]
    [InlineData(@"a{1,2}+", "aaaaa", "aaaaa")]
    [InlineData(@"a++b?", "aab", "aab")]
    [InlineData(@"a{2}?x", "aax x", "aax|x")]
    [InlineData(@"ba{,2}", "baaa", "baa")]
    [InlineData(@"a{x}|b{", "a{x} b{", "a{x}|b{")]
    [InlineData(@"\w+", "a² ⁴ b_c\u0301", "a²|b_c\u0301")]
    [InlineData(@"[\w]+", "a² ⁴ b_c", "a|b_c")]
    [InlineData(@"\h+", "12xyzAF", "12|AF")]
    [InlineData(@"[[:punct:]]", "a+b.", "+|.")]
    [InlineData(@"\p{Punct}", "a+b.", ".")]
    [InlineData(@"[a-z&&[^aeiou]]+", "hello", "h|ll")]
    [InlineData(@"[]a-]+", "x]-a", "]-a")]
    [InlineData(@"^b", "b\nb\n", "b|b")]
    [InlineData(@"b$", "ab\nb", "b|b")]
    [InlineData(@"\R", "a\r\nb\u2028", "\r\n|\u2028")]
    [InlineData(@"\p{Han}+", "ab漢\U00020000字", "漢\U00020000字")]
    [InlineData(@"[\x{20000}-\x{2A6DF}]", "\U00020000漢", "\U00020000")]
    [InlineData(@".", "😀\n𝕳", "😀|𝕳")]
    [InlineData(@"\p{^L}+", "ab12", "12")]
    [InlineData(@"(?x: a b # nothing
        )", "ab", "ab")]
    public void Finds_as_Oniguruma_does(string pattern, string text, string found) =>
        Assert.Equal(found, string.Join('|', Pieces(text, PreTokenizers.Splitting(Pattern.Of(pattern).Find, SplitKeeps.Not, isInverted: true))));

    [Theory]
    [InlineData(@"(a)\1", "'\\1'")]
    [InlineData(@"(?<n>a)\k<n>", "'\\k'")]
    [InlineData(@"\X", "'\\X'")]
    [InlineData(@"(?~a)", "the group '(?~'")]
    [InlineData(@"(?s).", "the group '(?s'")]
    [InlineData(@"\p{IsAlpha}", "'\\p{IsAlpha}'")]
    [InlineData("(", "a group without an end")]
    [InlineData("a)", "a ')' too many")]
    [InlineData("[a", "a '[' without a ']'")]
    [InlineData("*", "a '*' of nothing")]
    [InlineData("a\\", "ends with a '\\'")]
    public void Refuses_patterns_that_it_does_not_read(string pattern, string says)
    {
        var message = Assert.Throws<FormatException>(() => Pattern.Of(pattern)).Message;
        Assert.Contains($"the pattern '{pattern}' ", message);
        Assert.Contains(says, message);
    }

    // An empty match splits where it lies; one right after another match is none.
    [Theory]
    [InlineData("(?=[A-Z])", "aBcD", "a|Bc|D")]
    [InlineData("a*", "baac", "b|aa|c")]
    [InlineData(@"\b", "a-b", "a|-|b")]
    public void Empty_matches_split(string pattern, string text, string pieces) => Assert.Equal(pieces, string.Join('|', Pieces(text, PreTokenizers.Splitting(Pattern.Of(pattern).Find))));

    [Fact]
    public void Long_texts_take_no_long_time()
    {
        var watch = Stopwatch.StartNew();
        foreach (var text in (string[])[new(' ', 200_000), new('a', 200_000), string.Concat(Enumerable.Repeat("ab 12!\n", 30_000)), string.Concat(Enumerable.Repeat("😀", 100_000))])
            Assert.Equal(text.Length, Pieces("llama-bpe", text).Sum(p => p.Length));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"it took {watch.Elapsed}");
    }
}
