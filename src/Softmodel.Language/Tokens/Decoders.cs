using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Softmodel.Language.Tokens;

/// <summary>A step that makes a text of the names of tokens; what is left after all steps is put together.</summary>
delegate List<string> TokenDecoder(List<string> names);

/// <summary>The decoders of Hugging Face's tokenizers.</summary>
static class Decoders
{
    /// <summary>Reads one; null where there is none, when a space is put between tokens.</summary>
    /// <exception cref="FormatException">It is not known, or lacks something.</exception>
    public static TokenDecoder? Read(JsonElement? node)
    {
        if (node is not { ValueKind: JsonValueKind.Object } step)
            return null;
        switch (step.Type())
        {
            case "Sequence":
                TokenDecoder[] steps = [.. step.Items("decoders").Select(d => Read(d)).OfType<TokenDecoder>()];
                return names => steps.Aggregate(names, (n, s) => s(n));
            case "ByteLevel": return ByteLevel;
            case "ByteFallback": return ByteFallback;
            case "Fuse": return names => [string.Concat(names)];
            case "BPEDecoder":
                var suffix = step.Text("suffix") ?? "</w>";
                return names => [.. names.Select((n, i) => suffix.Length == 0 ? n : n.Replace(suffix, i == names.Count - 1 ? "" : " ", StringComparison.Ordinal))];
            case "WordPiece":
                var (prefix, isTidy) = (step.Text("prefix") ?? "##", step.Truth("cleanup", true));
                return names => [.. names.Select((n, i) => (i == 0 ? n : n.StartsWith(prefix, StringComparison.Ordinal) ? n[prefix.Length..] : ' ' + n) is var word && isTidy ? Tidy(word) : word)];
            case "Metaspace":
                var (space, dropsFirst) = (step.Text("replacement") ?? "\u2581", PreTokenizers.Scheme(step) != "never");
                return names => [.. names.Select((n, i) => n.Replace(space, i == 0 && dropsFirst ? "" : " ", StringComparison.Ordinal))];
            case "CTC":
                var (pad, delimiter, isClean) = (step.Text("pad_token") ?? "<pad>", step.Text("word_delimiter_token") ?? "|", step.Truth("cleanup", true));
                return names => [.. names.Where((n, i) => i == 0 || n != names[i - 1]).Select(n => Replaced(n, pad, "")).Select(n => isClean ? Replaced(Tidy(n), delimiter, " ") : n).Where(n => n.Length > 0)];
            case "Replace":
                var replace = Normalizers.Replace(PreTokenizers.Found(step), step.Needed("content"));
                return names => [.. names.Select(n => replace(new(n, 0, false)).Text)];
            case "Strip":
                var (content, first, last) = (step.Needed("content"), step.Integer("start") ?? 0, step.Integer("stop") ?? 0);
                return names => [.. names.Select(n => Stripped(n, content, first, last))];
            case var other: throw new FormatException($"it has the decoder '{other}', which is not read here");
        }
    }

    static string Replaced(string text, string what, string by) => what.Length == 0 ? text : text.Replace(what, by, StringComparison.Ordinal);

    static string Stripped(string text, string content, int first, int last)
    {
        var (start, end) = (0, text.Length);
        for (; first > 0 && text.AsSpan(start, end - start).StartsWith(content, StringComparison.Ordinal) && content.Length > 0; first--)
            start += content.Length;
        for (; last > 0 && text.AsSpan(start, end - start).EndsWith(content, StringComparison.Ordinal) && content.Length > 0; last--)
            end -= content.Length;
        return text[start..end];
    }

    static string Tidy(string text) => text.Replace(" .", ".", StringComparison.Ordinal).Replace(" ?", "?", StringComparison.Ordinal).Replace(" !", "!", StringComparison.Ordinal)
        .Replace(" ,", ",", StringComparison.Ordinal).Replace(" ' ", "'", StringComparison.Ordinal).Replace(" n't", "n't", StringComparison.Ordinal).Replace(" 'm", "'m", StringComparison.Ordinal)
        .Replace(" do not", " don't", StringComparison.Ordinal).Replace(" 's", "'s", StringComparison.Ordinal).Replace(" 've", "'ve", StringComparison.Ordinal).Replace(" 're", "'re", StringComparison.Ordinal);

    static List<string> ByteLevel(List<string> names)
    {
        var writer = new ArrayBufferWriter<byte>();
        foreach (var name in names)
            Tokens.ByteLevel.Write(name, writer);
        return [Encoding.UTF8.GetString(writer.WrittenSpan)];
    }

    // Bytes in a row that are no text are a U+FFFD each.
    static List<string> ByteFallback(List<string> names)
    {
        var (result, bytes) = (new List<string>(names.Count), new List<byte>());
        foreach (var name in names)
        {
            if (ByteOf(name) is { } one)
            {
                bytes.Add(one);
                continue;
            }
            Flush();
            result.Add(name);
        }
        Flush();
        return result;

        void Flush()
        {
            if (bytes.Count == 0)
                return;
            var utf8 = CollectionsMarshal.AsSpan(bytes);
            if (Utf8.IsValid(utf8))
                result.Add(Encoding.UTF8.GetString(utf8));
            else
                result.AddRange(bytes.Select(_ => "\uFFFD"));
            bytes.Clear();
        }
    }

    /// <summary>The byte that a token of a name such as <c>&lt;0x0A&gt;</c> stands for; null for others.</summary>
    public static byte? ByteOf(string name) => name is ['<', '0', 'x', _, _, '>'] && byte.TryParse(name.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;
}
