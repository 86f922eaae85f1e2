using System.Text;
using System.Text.Json;

namespace Softmodel.Language.Tokens;

/// <summary>The pre-tokenizers of Hugging Face's tokenizers, which split a text into the pieces that are encoded each by itself.</summary>
static class PreTokenizers
{
    /// <summary>GPT-2's splitting.</summary>
    public const string Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    static readonly Lazy<Finder> words = new(() => Pattern.Of(Words).Find), punctuation = new(() => OneOf(UnicodeTables.Punctuation)), spaces = new(() => OneOf(UnicodeTables.WhiteSpace)), numbers = new(() => OneOf(UnicodeTables.Set("Numeric17")));

    /// <summary>Reads one; null stands for none.</summary>
    /// <exception cref="FormatException">It is not known, or lacks something.</exception>
    public static IEnumerable<PreTokenizer> Read(JsonElement? node)
    {
        if (node is not { ValueKind: JsonValueKind.Object } step)
            return [];
        return step.Type() switch
        {
            "Sequence" => [.. step.Items("pretokenizers").SelectMany(s => Read(s))],
            "BertPreTokenizer" => Bert,
            "ByteLevel" => ByteLevel(step.Truth("add_prefix_space", true), step.Truth("use_regex", true)),
            "CharDelimiterSplit" => [Splitting(OneOf(CharacterSet.Of(step.Needed("delimiter"))), SplitKeeps.Not)],
            "Digits" => [Splitting(numbers.Value, step.Truth("individual_digits") ? SplitKeeps.Apart : SplitKeeps.Together)],
            "FixedLength" => [FixedLength(step.Integer("length") ?? 5)],
            "Metaspace" => [Metaspace(step)],
            "Punctuation" => [Splitting(punctuation.Value, Keeps(step, "Isolated"))],
            "Split" => [Splitting(Found(step), Keeps(step, null), step.Truth("invert"))],
            "UnicodeScripts" => [p => p.Cut(Scripts)],
            "Whitespace" => [p => p.Split(Kinds, SplitKeeps.Not, isInverted: true)],
            "WhitespaceSplit" => [Splitting(spaces.Value, SplitKeeps.Not)],
            var other => throw new FormatException($"it has the pre-tokenizer '{other}', which is not read here"),
        };
    }

    /// <summary>Splits as BERT does: at white space, and around punctuation.</summary>
    public static PreTokenizer[] Bert => [Splitting(spaces.Value, SplitKeeps.Not), Splitting(punctuation.Value, SplitKeeps.Apart)];

    /// <summary>Splits by a pattern.</summary>
    public static PreTokenizer Splitting(Finder find, SplitKeeps keeps = SplitKeeps.Apart, bool isInverted = false) => p => p.Split(find, keeps, isInverted);

    /// <summary>Writes the bytes of the pieces, each as a character.</summary>
    public static PreTokenizer[] ByteLevel(bool addsSpace, bool splits)
    {
        var steps = new List<PreTokenizer>();
        if (addsSpace)
            steps.Add(p => p.Rewrite(static (p, i) => p.GoesOn || p[i].StartsWith(' ') ? "" : " ", static (rune, to) => to.Append(rune)));
        if (splits)
            steps.Add(Splitting(words.Value));
        steps.Add(p => p.Rewrite(static (_, _) => "", Tokens.ByteLevel.Write));
        return [.. steps];
    }

    static SplitKeeps Keeps(JsonElement step, string? otherwise) => (step.Text("behavior") ?? otherwise) switch
    {
        "Isolated" => SplitKeeps.Apart,
        "Removed" => SplitKeeps.Not,
        "MergedWithPrevious" => SplitKeeps.WithPrevious,
        "MergedWithNext" => SplitKeeps.WithNext,
        "Contiguous" => SplitKeeps.Together,
        var other => throw new FormatException($"its pre-tokenizer '{step.Type()}' has the behavior '{other}', which is not read here"),
    };

    /// <summary>What a pattern as such files write it finds: a text, or a regular expression.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static Finder Found(JsonElement step)
    {
        var pattern = step.Member("pattern") ?? throw new FormatException($"its '{step.Type()}' has no pattern");
        return pattern.Text("String") is { } text ? Pattern.Literal(text)
            : pattern.Text("Regex") is { } source ? Pattern.Of(source).Find
            : throw new FormatException($"its '{step.Type()}' has a pattern that is neither a String nor a Regex");
    }

    static PreTokenizer Metaspace(JsonElement step)
    {
        var space = step.Text("replacement") ?? "\u2581";
        if (space.EnumerateRunes().Count() != 1)
            throw new FormatException($"its Metaspace has the replacement '{space}', which is not one character");
        var scheme = Scheme(step);
        var find = OneOf(CharacterSet.Of(space));
        var splits = step.Truth("split", true);
        return p =>
        {
            p.Rewrite((p, i) => !p.GoesOn && (scheme == "always" || scheme == "first" && p.IsFirst(i)) && !p[i].StartsWith(' ') && !p[i].StartsWith(space, StringComparison.Ordinal) ? space : "", (rune, to) =>
            {
                if (rune.Value == ' ')
                    to.Append(space);
                else
                    to.Append(rune);
            });
            if (splits)
                p.Split(find, SplitKeeps.WithNext);
        };
    }

    /// <summary>Where Metaspace puts a space: always, first or never.</summary>
    /// <exception cref="FormatException">It says something else.</exception>
    public static string Scheme(JsonElement step) => step.Text("prepend_scheme") switch
    {
        null => step.Truth("add_prefix_space", true) ? "always" : "never",
        ("always" or "first" or "never") and var scheme => scheme,
        var other => throw new FormatException($"its Metaspace has the prepend_scheme '{other}', which is not read here"),
    };

    static PreTokenizer FixedLength(int length) => length < 1 ? throw new FormatException($"its FixedLength has the length {length}") : p => p.Cut((text, parts) =>
    {
        var (start, count, at) = (0, 0, 0);
        while (at < text.Length)
        {
            _ = Rune.DecodeFromUtf16(text[at..], out _, out var width);
            at += width;
            if (++count == length || at == text.Length)
            {
                parts.Add((start, at));
                (start, count) = (at, 0);
            }
        }
    });

    /// <summary>Finds each character of a set.</summary>
    public static Finder OneOf(CharacterSet set) => (text, found) =>
    {
        for (var at = 0; at < text.Length;)
        {
            _ = Rune.DecodeFromUtf16(text[at..], out var rune, out var width);
            if (set.Contains(rune))
                found.Add((at, at + width));
            at += width;
        }
    };

    // Runs of word characters, and of others that are no white space.
    static void Kinds(ReadOnlySpan<char> text, List<(int Start, int End)> found)
    {
        var (word, space) = (UnicodeTables.RustWord, UnicodeTables.WhiteSpace);
        var (start, last) = (0, 0);
        for (var at = 0; at < text.Length;)
        {
            _ = Rune.DecodeFromUtf16(text[at..], out var rune, out var width);
            var kind = word.Contains(rune) ? 1 : space.Contains(rune) ? 0 : 2;
            if (kind != last)
            {
                if (last != 0)
                    found.Add((start, at));
                (start, last) = (at, kind);
            }
            at += width;
        }
        if (last != 0)
            found.Add((start, text.Length));
    }

    // What comes before the first character that has a script is dropped, as the reference does.
    static void Scripts(ReadOnlySpan<char> text, List<(int Start, int End)> parts)
    {
        var (scripts, start, last) = (UnicodeTables.Scripts.Value, -1, (byte)0);
        for (var at = 0; at < text.Length;)
        {
            _ = Rune.DecodeFromUtf16(text[at..], out var rune, out var width);
            if (scripts[rune.Value] is var script and not 0)
            {
                if (script != last)
                {
                    if (start >= 0)
                        parts.Add((start, at));
                    start = at;
                }
                last = script;
            }
            at += width;
        }
        if (start >= 0)
            parts.Add((start, text.Length));
    }
}
