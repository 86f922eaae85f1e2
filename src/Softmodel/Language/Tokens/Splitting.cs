using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Softmodel.Language.Tokens;

/// <summary>What becomes of that which a pattern finds where text is split by it.</summary>
enum SplitKeeps
{
    /// <summary>It is a piece, and so is what lies between.</summary>
    Apart,
    /// <summary>It is dropped.</summary>
    Not,
    /// <summary>It ends the piece before it.</summary>
    WithPrevious,
    /// <summary>It begins the piece after it.</summary>
    WithNext,
}

/// <summary>One way in which text is split before it is encoded.</summary>
/// <param name="Pattern">What is found.</param>
/// <param name="Keeps">What becomes of it.</param>
/// <param name="IsInverted">Whether what lies between is meant instead.</param>
readonly record struct Split(Regex Pattern, SplitKeeps Keeps = SplitKeeps.Apart, bool IsInverted = false);

/// <summary>Splits text into the pieces that are encoded each by itself.</summary>
static class Splitting
{
    // A pattern comes with a file: one that takes exponential time must not take it here.
    static readonly TimeSpan longest = TimeSpan.FromSeconds(5);

    const string
        Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Upper = @"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}",
        Lower = @"\p{Ll}\p{Lm}\p{Lo}\p{M}",
        Contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

    /// <summary>GPT-2's splitting, which is meant where a file says nothing else.</summary>
    public static Split[] Default => [Of(Words)];

    /// <summary>The splittings that GGUF files name (<c>tokenizer.ggml.pre</c>), and whether a piece that is a token is taken whole.</summary>
    static (string[] Names, string[] Patterns, bool TakesWhole)[] Named =>
    [
        (["gpt-2", "gpt2", "phi-2", "olmo", "mpt", "jais", "roberta-bpe", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v2-code", "modern-bert", "gigachat", "mellum"], [Words], false),
        (["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "granite-docling"], [@"\p{N}", Words], false),
        (["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "lfm2"], [Llama3], true),
        (["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], [Llama3], false),
        (["qwen2", "stablelm2", "deepseek-r1-qwen", "hunyuan", "megrez"], [Llama3.Replace(@"\p{N}{1,3}", @"\p{N}")], false),
        (["gpt-4o", "llama4"], [$@"[^\r\n\p{{L}}\p{{N}}]?[{Upper}]*[{Lower}]+{Contraction}|[^\r\n\p{{L}}\p{{N}}]?[{Upper}]+[{Lower}]*{Contraction}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"], false),
        (["tekken", "pixtral"], [$@"[^\r\n\p{{L}}\p{{N}}]?[{Upper}]*[{Lower}]+|[^\r\n\p{{L}}\p{{N}}]?[{Upper}]+[{Lower}]*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"], true),
        (["deepseek-coder"], [@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", @"\p{N}"], false),
        (["deepseek-v3"], [@"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"], false),
        (["falcon"], [@"[\p{P}\$\+<=>\^~\|`]+", Words, "[0-9][0-9][0-9]"], false),
        (["default"], [@"[\p{P}\$\+<=>\^~\|]+", Words, @"\p{N}+", "[0-9][0-9][0-9]"], false),
    ];

    /// <summary>The splitting of a name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="SoftmodelException">It is not known.</exception>
    public static (Split[] Splits, bool TakesWhole) Find(string name, string path) =>
        Named.FirstOrDefault(n => n.Names.Contains(name)) is { Patterns: { } patterns, TakesWhole: var takesWhole } ? ([.. patterns.Select(p => Of(p))], takesWhole)
            : throw new SoftmodelException($"{path}: it splits text in the way '{name}' (tokenizer.ggml.pre), which is not known here; known are {string.Join(", ", Named.SelectMany(n => n.Names))}");

    /// <summary>A split by a pattern.</summary>
    public static Split Of(string pattern, SplitKeeps keeps = SplitKeeps.Apart, bool isInverted = false) =>
        new(new(pattern, RegexOptions.CultureInvariant, longest), keeps, isInverted);

    /// <summary>Splits text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="splits">What it is split by, each within the pieces of the one before.</param>
    /// <returns>The pieces, in order.</returns>
    /// <exception cref="SoftmodelException">A pattern takes too long.</exception>
    public static List<(int Start, int Length)> Pieces(ReadOnlySpan<char> text, ReadOnlySpan<Split> splits)
    {
        if (splits.IsEmpty)
            return [(0, text.Length)];
        if (text.IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return Found(text, splits);
        // Patterns speak of characters, and .NET looks at halves of those beyond U+FFFF: they are stood for by others of their kind.
        var (narrow, starts) = Narrowed(text);
        var pieces = Found(narrow, splits);
        for (var i = 0; i < pieces.Count; i++)
        {
            var (start, length) = pieces[i];
            pieces[i] = (starts[start], starts[start + length] - starts[start]);
        }
        return pieces;
    }

    static List<(int Start, int Length)> Found(ReadOnlySpan<char> text, ReadOnlySpan<Split> splits)
    {
        var pieces = new List<(int Start, int Length)> { (0, text.Length) };
        foreach (var split in splits)
        {
            var next = new List<(int, int)>(pieces.Count);
            foreach (var (start, length) in pieces)
                Found(text.Slice(start, length), start, split, next);
            pieces = next;
        }
        return pieces;
    }

    static void Found(ReadOnlySpan<char> text, int offset, Split split, List<(int Start, int Length)> pieces)
    {
        var (from, at) = (0, 0);
        try
        {
            foreach (var match in split.Pattern.EnumerateMatches(text))
            {
                if (match.Length == 0)
                    continue;
                var (between, found, end) = (match.Index, match.Index, match.Index + match.Length);
                switch (split.Keeps)
                {
                    case SplitKeeps.WithPrevious:
                        Add(from, end, true);
                        from = end;
                        break;
                    case SplitKeeps.WithNext:
                        Add(from, found, true);
                        from = found;
                        break;
                    default:
                        Add(from, between, split.Keeps == SplitKeeps.Apart || !split.IsInverted);
                        Add(found, end, split.Keeps == SplitKeeps.Apart || split.IsInverted);
                        from = end;
                        break;
                }
                at = end;
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new SoftmodelException($"the pattern by which the tokenizer splits text takes longer than {longest.TotalSeconds:0} s for a piece of {text.Length} characters after the first {at}; feed the text in parts", e);
        }
        Add(from, text.Length, split.Keeps != SplitKeeps.Not || !split.IsInverted);

        void Add(int start, int end, bool isKept)
        {
            if (isKept && end > start)
                pieces.Add((offset + start, end - start));
        }
    }

    static (char[] Text, int[] Starts) Narrowed(ReadOnlySpan<char> text)
    {
        var (narrow, starts, count, at) = (new char[text.Length], new int[text.Length + 1], 0, 0);
        while (at < text.Length)
        {
            _ = Rune.DecodeFromUtf16(text[at..], out var rune, out var length);
            starts[count] = at;
            narrow[count++] = rune.IsBmp ? (char)rune.Value : Alike(Rune.GetUnicodeCategory(rune));
            at += length;
        }
        starts[count] = at;
        return (narrow[..count], starts[..(count + 1)]);
    }

    // Characters that no pattern names by itself.
    static char Alike(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\u2C80',
        UnicodeCategory.LowercaseLetter => '\u2C81',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA9CF',
        UnicodeCategory.OtherLetter => '\uA840',
        UnicodeCategory.NonSpacingMark => '\uA8E0',
        UnicodeCategory.SpacingCombiningMark => '\uA983',
        UnicodeCategory.EnclosingMark => '\u20DD',
        UnicodeCategory.DecimalDigitNumber => '\uA9D0',
        UnicodeCategory.LetterNumber => '\u16EE',
        UnicodeCategory.OtherNumber => '\u2460',
        UnicodeCategory.DashPunctuation => '\u2E17',
        UnicodeCategory.OtherPunctuation => '\uA95F',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\u20A2',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\u4DC0',
        UnicodeCategory.Format => '\u206A',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFFFE',
    };
}
