using System.Text;
using System.Text.Json;

namespace Softmodel.Language.Tokens;

/// <summary>A text on its way through normalizers.</summary>
/// <param name="Text">The text; surrogates are in pairs.</param>
/// <param name="Lead">How many of its first characters come from the first character of all that is encoded.</param>
/// <param name="GoesOn">Whether it goes on with another text, so that nothing is put before it.</param>
readonly record struct Normalized(string Text, int Lead, bool GoesOn)
{
    /// <summary>The text after a function of it that writes each part anew where it stands.</summary>
    public Normalized With(Func<string, string> function) => Lead == 0 ? this with { Text = function(Text) } : this with { Text = function(Text), Lead = function(Text[..Lead]).Length };
}

/// <summary>Changes a text before it is split.</summary>
delegate Normalized Normalizer(Normalized text);

/// <summary>The normalizers of Hugging Face's tokenizers.</summary>
static class Normalizers
{
    /// <summary>Reads one; nothing is done where there is none.</summary>
    /// <exception cref="FormatException">It is not known, or lacks something.</exception>
    public static IEnumerable<Normalizer> Read(JsonElement? node)
    {
        if (node is not { ValueKind: JsonValueKind.Object } step)
            return [];
        return step.Type() switch
        {
            "Sequence" => [.. step.Items("normalizers").SelectMany(s => Read(s))],
            "NFC" => [Form(false, true)],
            "NFD" => [Form(false, false)],
            "NFKC" => [Form(true, true)],
            "NFKD" => [Form(true, false)],
            "Lowercase" => [Lower],
            "StripAccents" => [Without(UnicodeTables.Set("Mark9"))],
            "BertNormalizer" => Bert(step.Truth("clean_text", true), step.Truth("handle_chinese_chars", true), step.Truth("strip_accents", step.Truth("lowercase", true)), step.Truth("lowercase", true)),
            "ByteLevel" => [Each(ByteLevel.Write)],
            "Nmt" => [Each(Nmt)],
            "Precompiled" => [new CharacterMap(Convert.FromBase64String(step.Needed("precompiled_charsmap"))).Normalize],
            "Prepend" => [Prepend(step.Needed("prepend"))],
            "Replace" => [Replace(PreTokenizers.Found(step), step.Needed("content"))],
            "Strip" => [Strip(step.Truth("strip_left"), step.Truth("strip_right"))],
            var other => throw new FormatException($"it has the normalizer '{other}', which is not read here"),
        };
    }

    // Chinese characters, and those of others that are written without spaces: each is a word. One range begins late in the reference.
    static readonly CharacterSet ideographs = CharacterSet.Of([(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]);

    /// <summary>What BERT does.</summary>
    /// <param name="cleans">Whether control characters go, and white space becomes spaces.</param>
    /// <param name="spaces">Whether Chinese characters stand between spaces.</param>
    /// <param name="strips">Whether accents go.</param>
    /// <param name="lowers">Whether letters become small.</param>
    public static IEnumerable<Normalizer> Bert(bool cleans, bool spaces, bool strips, bool lowers)
    {
        if (cleans)
            yield return Each(Cleaning());
        if (spaces)
            yield return Each(static (rune, to) => _ = ideographs.Contains(rune) ? to.Append(' ').Append(rune).Append(' ') : to.Append(rune));
        if (strips)
        {
            yield return Form(false, false);
            yield return Without(UnicodeTables.Set("Nonspacing8"));
        }
        if (lowers)
            yield return Lower;
    }

    static Action<Rune, StringBuilder> Cleaning()
    {
        var (other, space) = (UnicodeTables.Set("Other8"), UnicodeTables.WhiteSpace);
        return (rune, to) =>
        {
            if (rune.Value is '\t' or '\n' or '\r')
                to.Append(' ');
            else if (rune.Value is not 0xFFFD && !other.Contains(rune))
                _ = space.Contains(rune) ? to.Append(' ') : to.Append(rune);
        };
    }

    static void Nmt(Rune rune, StringBuilder to)
    {
        if (rune.Value is (>= 1 and <= 8) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F)
            return;
        if (rune.Value is 9 or 0x0A or 0x0C or 0x0D or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD)
            to.Append(' ');
        else
            to.Append(rune);
    }

    static Normalizer Form(bool isCompatible, bool composes) => t => t.With(text => Normalization.Normalize(text, isCompatible, composes));

    static Normalized Lower(Normalized text) => Each(UnicodeTables.WriteLower)(text);

    static Normalizer Each(Action<Rune, StringBuilder> write) => t => t.With(text =>
    {
        var to = new StringBuilder(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
            write(rune, to);
        return to.ToString();
    });

    static Normalizer Without(CharacterSet set) => Each((rune, to) => _ = set.Contains(rune) ? to : to.Append(rune));

    static Normalizer Prepend(string before) => t => t.Text.Length == 0 || t.GoesOn ? t : t with { Text = before + t.Text, Lead = t.Lead == 0 ? 0 : t.Lead + before.Length };

    static Normalizer Strip(bool left, bool right) => t =>
    {
        var (start, end, spaces) = (0, t.Text.Length, UnicodeTables.WhiteSpace);
        while (left && start < end && spaces.Contains(t.Text[start]))
            start++;
        while (right && end > start && spaces.Contains(t.Text[end - 1]))
            end--;
        return t with { Text = t.Text[start..end], Lead = Math.Clamp(t.Lead - start, 0, end - start) };
    };

    /// <summary>Writes a text in place of what is found.</summary>
    public static Normalizer Replace(Finder find, string by) => t =>
    {
        var found = new List<(int Start, int End)>();
        if (t.Text.Length > 0)
            find(t.Text, found);
        if (found.Count == 0)
            return t;
        var (to, at, lead) = (new StringBuilder(t.Text.Length), 0, 0);
        foreach (var (start, end) in found)
        {
            Copy(at, start);
            to.Append(by);
            // What is put there comes from the last character of what was.
            if (t.Lead > 0 && end <= t.Lead)
                lead = to.Length;
            at = end;
        }
        Copy(at, t.Text.Length);
        return t with { Text = to.ToString(), Lead = lead };

        void Copy(int from, int end)
        {
            if (from < t.Lead)
                lead = to.Length + Math.Min(end, t.Lead) - from;
            to.Append(t.Text, from, end - from);
        }
    };
}
