using System.Text.Json.Nodes;
using Softmodel.Language;

namespace Softmodel.Bench.Tokenizers;

/// <summary>How tokenizers compare with the reference.</summary>
/// <param name="Tokenizers">How many tokenizers.</param>
/// <param name="Strings">How many texts were compared: tokens, tokens with those around them, text with special tokens and without.</param>
/// <param name="Differ">Texts of which something differs, and nobody says so.</param>
/// <param name="Refused">Tokenizers that are refused here and not by the reference, by what is said.</param>
/// <param name="RefusedByBoth">Tokenizers that both refuse.</param>
/// <param name="RefusedByReference">Tokenizers that only the reference refuses.</param>
/// <param name="Crashed">Tokenizers with which the reference ends by a panic.</param>
/// <param name="Failed">Texts of which the reference makes an error; what is made of them here is not compared.</param>
/// <param name="Components">How many tokenizers have each component.</param>
/// <param name="Examples">Some of the texts that differ.</param>
sealed record TokenizerReport(int Tokenizers, int Strings, int Differ, SortedDictionary<string, int> Refused, int RefusedByBoth, int RefusedByReference, int Crashed, int Failed, SortedDictionary<string, int> Components, IReadOnlyList<TokenizerExample> Examples);

/// <summary>A text of which two tokenizers make something different.</summary>
sealed record TokenizerExample(string Case, string Text, Tokenized Expected, Tokenized Got);

/// <summary>What the reference makes of a case's texts, to be kept.</summary>
sealed record FrozenCase(string Case, string[] Texts, Tokenized[] Expected);

/// <summary>Compares tokenizers with the reference.</summary>
static class TokenizerRun
{
    const int Batch = 50, MostExamples = 10;

    /// <summary>Compares.</summary>
    /// <param name="all">The cases.</param>
    /// <param name="count">How many texts at least, where there are so many.</param>
    /// <param name="progress">Is told how far it is.</param>
    /// <param name="frozen">Is given what the reference says; null where nobody wants it.</param>
    /// <param name="cancel">Ends it.</param>
    public static async Task<TokenizerReport> Run(IEnumerable<TokenizerCase> all, int count, Action<string> progress, List<FrozenCase>? frozen, CancellationToken cancel)
    {
        var report = new TokenizerReport(0, 0, 0, new(StringComparer.Ordinal), 0, 0, 0, 0, new(StringComparer.Ordinal), []);
        var examples = new List<TokenizerExample>();
        foreach (var cases in all.Chunk(Batch))
        {
            if (report.Strings >= count)
                break;
            foreach (var (one, (expected, error)) in cases.Zip(await TokenizerReference.Ask(cases, cancel)))
            {
                if (report.Strings >= count)
                    break;
                report = report with { Tokenizers = report.Tokenizers + 1 };
                foreach (var component in Components(one.File))
                    report.Components[component] = report.Components.GetValueOrDefault(component) + 1;
                var (results, refusal) = Ours(one.File.ToJsonString(), one.Texts);
                if (expected is null)
                {
                    report = error!.StartsWith("crashed", StringComparison.Ordinal) ? report with { Crashed = report.Crashed + 1 }
                        : refusal is null ? report with { RefusedByReference = report.RefusedByReference + 1 } : report with { RefusedByBoth = report.RefusedByBoth + 1 };
                    continue;
                }
                if (results is null)
                {
                    report.Refused[refusal!] = report.Refused.GetValueOrDefault(refusal!) + 1;
                    continue;
                }
                frozen?.Add(new(one.Name, one.Texts, expected));
                for (var i = 0; i < expected.Length; i++)
                {
                    report = report with { Strings = report.Strings + 1, Failed = report.Failed + (expected[i].Error is null ? 0 : 1) };
                    if (expected[i].Error is not null || AreAlike(expected[i], results[i]))
                        continue;
                    report = report with { Differ = report.Differ + 1 };
                    if (examples.Count < MostExamples)
                        examples.Add(new(one.Name, one.Texts[i], expected[i], results[i]));
                }
            }
            progress($"{report.Strings} texts by {report.Tokenizers} tokenizers: {report.Differ} differ");
        }
        return report with { Examples = examples };
    }

    /// <summary>Whether two tokenizers make the same.</summary>
    public static bool AreAlike(Tokenized a, Tokenized b) =>
        b.Error is null && a.Ids.AsSpan().SequenceEqual(b.Ids) && a.All.AsSpan().SequenceEqual(b.All) && a.Text == b.Text && a.Plain == b.Plain;

    /// <summary>What is made of texts here; or why the tokenizer is refused.</summary>
    /// <param name="json">What its <c>tokenizer.json</c> holds.</param>
    /// <param name="texts">The texts.</param>
    public static (Tokenized[]? Results, string? Refusal) Ours(string json, string[] texts)
    {
        var folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            var path = Path.Combine(folder, "tokenizer.json");
            File.WriteAllText(path, json);
            var tokenizer = Tokenizer.Open(path);
            return ([.. texts.Select(t => Made(tokenizer, t))], null);
        }
        catch (SoftmodelException e)
        {
            return (null, e.Message.Replace(folder, "", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static Tokenized Made(Tokenizer tokenizer, string text)
    {
        try
        {
            var ids = tokenizer.Encode(text, parsesSpecial: true);
            return new(ids, [.. tokenizer.Before, .. ids, .. tokenizer.After], tokenizer.Decode(ids), tokenizer.Decode(ids, withControl: false), null);
        }
        catch (SoftmodelException e)
        {
            return new(null, null, null, null, e.Message);
        }
    }

    static IEnumerable<string> Components(JsonObject file)
    {
        foreach (var (part, member) in new[] { ("normalizer", "normalizers"), ("pre_tokenizer", "pretokenizers"), ("post_processor", "processors"), ("decoder", "decoders"), ("model", "") })
        {
            foreach (var type in Types(file[part], member).Distinct())
                yield return $"{part} {type}";
        }
    }

    static IEnumerable<string> Types(JsonNode? node, string member) => node is JsonObject component
        ? [component["type"]!.GetValue<string>(), .. (component[member] as JsonArray ?? []).SelectMany(c => Types(c, member))] : ["none"];
}
