using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using CsvHelper;
using CsvHelper.Configuration;
using Softmodel.Language;

namespace Softmodel.Cli.Training;

/// <summary>Reads texts with labels: CSV, TSV with a header, or JSON lines.</summary>
static class LabelledTexts
{
    static readonly string[] textNames = ["text", "sentence", "utterance", "content", "review"], labelNames = ["label", "class", "category", "intent", "sentiment"];

    static readonly UTF8Encoding utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The examples of a file.</summary>
    /// <param name="path">The file: JSON lines where it ends with <c>.jsonl</c>, tabs between fields where it ends with <c>.tsv</c>, else commas.</param>
    /// <param name="text">The column of the texts; null for <c>text</c> or the first.</param>
    /// <param name="label">The column of the labels; null for <c>label</c> or the second.</param>
    /// <exception cref="SoftmodelException">It can't be read, is not UTF-8, or something is wrong with a line of it.</exception>
    public static IReadOnlyList<LabelledText> Read(string path, string? text = null, string? label = null)
    {
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".jsonl" or ".ndjson" => JsonLines(path, text ?? "text", label ?? "label"),
            ".tsv" or ".tab" => Separated(path, "\t", text, label),
            _ => Separated(path, ",", text, label),
        };
    }

    /// <summary>The text of a file.</summary>
    public static string Decoded(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{path}' can't be read: {e.Message}", e);
        }
        if (!Utf8.IsValid(bytes))
        {
            var (line, at) = (1, 0);
            for (; bytes.AsSpan(at).IndexOf((byte)'\n') is >= 0 and var end && Utf8.IsValid(bytes.AsSpan(at, end)); line++)
                at += end + 1;
            throw new SoftmodelException($"{path}:{line}: it is not UTF-8; save the file as UTF-8");
        }
        return utf8.GetString(bytes).TrimStart('\uFEFF');
    }

    static List<LabelledText> Separated(string path, string delimiter, string? text, string? label)
    {
        var (all, row, lines) = (new List<LabelledText>(), 0, 1);
        var file = Path.GetFileName(path);
        SoftmodelException Quotes() => new($"{path}:{row}: its quotes don't match: a field that has quotes stands between quotes, and has each of them twice");
        var options = new CsvConfiguration(CultureInfo.InvariantCulture) { Delimiter = delimiter, BadDataFound = _ => throw Quotes() };
        using var parser = new CsvParser(new StringReader(Decoded(path)), options);
        bool Next()
        {
            row = lines;
            var isThere = parser.Read();
            lines = parser.RawRow + 1;
            // A field that is never closed goes on to the end of the file.
            return isThere && parser.RawRecord.Count(c => c == '"') % 2 != 0 ? throw Quotes() : isThere;
        }
        if (!Next())
            throw new SoftmodelException($"{path}: it is empty; its first line names its columns, as text{(delimiter == "\t" ? "<tab>" : ",")}label");
        var names = parser.Record!;
        var (texts, labels) = (Column(path, names, text, textNames, 0), Column(path, names, label, labelNames, 1));
        while (Next())
        {
            if (parser.Count <= Math.Max(texts, labels))
                throw new SoftmodelException($"{path}:{row}: it has {parser.Count} field{(parser.Count == 1 ? "" : "s")}, and '{names[texts]}' and '{names[labels]}' are fields {texts + 1} and {labels + 1}");
            if (parser.Count > names.Length)
                throw new SoftmodelException($"{path}:{row}: it has {parser.Count} fields, and the header {names.Length}; a field that has commas stands between quotes");
            all.Add(new(parser[texts], parser[labels].Trim(), $"{file}:{row}"));
        }
        return all;
    }

    static int Column(string path, string[] names, string? given, string[] usual, int otherwise)
    {
        int Of(string name) => Array.FindIndex(names, n => n.Trim().Equals(name, StringComparison.OrdinalIgnoreCase));
        if (given is not null)
            return Of(given) is >= 0 and var index ? index : throw new SoftmodelException($"{path}:1: there is no column '{given}'; its columns are {string.Join(", ", names)}");
        return usual.Select(Of).FirstOrDefault(i => i >= 0, -1) is >= 0 and var known ? known : otherwise < names.Length ? otherwise
            : throw new SoftmodelException($"{path}:1: it has {names.Length} column; one for texts and one for labels are needed");
    }

    static List<LabelledText> JsonLines(string path, string text, string label)
    {
        var all = new List<LabelledText>();
        foreach (var (line, json) in JsonLines(path))
        {
            string Of(string name) => json.TryGetProperty(name, out var value) ? value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText()
                : throw new SoftmodelException($"{path}:{line}: it has no '{name}'");
            all.Add(new(Of(text), Of(label).Trim(), $"{Path.GetFileName(path)}:{line}"));
        }
        return all;
    }

    /// <summary>The objects of a file of JSON lines, with their lines.</summary>
    public static IEnumerable<(int Line, JsonElement Object)> JsonLines(string path)
    {
        var number = 0;
        foreach (var line in Decoded(path).Split('\n'))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            JsonElement element;
            try
            {
                element = JsonElement.Parse(line);
            }
            catch (JsonException e)
            {
                throw new SoftmodelException($"{path}:{number}: it is no JSON object: {e.Message}", e);
            }
            yield return element.ValueKind == JsonValueKind.Object ? (number, element) : throw new SoftmodelException($"{path}:{number}: it is no JSON object");
        }
    }
}
