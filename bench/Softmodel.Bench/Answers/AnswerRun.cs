using System.Diagnostics;
using System.Text.Json;
using Softmodel.Language;

namespace Softmodel.Bench.Answers;

/// <summary>What came of a model's answers with a schema, and without one.</summary>
/// <param name="Prompts">How many were asked, each both ways in turn.</param>
/// <param name="Valid">How many answers with a schema are valid, by a validator that others wrote.</param>
/// <param name="ValidUnconstrained">How many of the others are.</param>
/// <param name="Tokens">How many tokens were written with a schema.</param>
/// <param name="FastForwardTokens">How many of these were not inferred.</param>
/// <param name="Runs">How often the model ran for them.</param>
/// <param name="MsPerAnswer">The median time of an answer with a schema.</param>
/// <param name="MsPerAnswerUnconstrained">The median time of one without.</param>
/// <param name="MsPerToken">All time over all tokens, with a schema.</param>
/// <param name="MsPerTokenUnconstrained">The same without.</param>
/// <param name="Wrong">The answers with a schema that are not valid, and why.</param>
sealed record AnswerReport(int Prompts, int Valid, int ValidUnconstrained, int Tokens, int FastForwardTokens, int Runs, double MsPerAnswer, double MsPerAnswerUnconstrained, double MsPerToken, double MsPerTokenUnconstrained, string[] Wrong);

/// <summary>Asks a chat model for JSON, of various schemas.</summary>
static class AnswerRun
{
    const int MostTokens = 160;

    sealed record Answer(JsonElement Schema, string Text, TextReport Report, double Milliseconds);

    /// <summary>The schemas, in turn.</summary>
    public static JsonElement[] Schemas()
    {
        using var stream = typeof(AnswerRun).Assembly.GetManifestResourceStream("Softmodel.Bench.Answers.schemas.json")!;
        return JsonSerializer.Deserialize<JsonElement[]>(stream)!;
    }

    /// <summary>Sums in words and lines of a game, in turn.</summary>
    /// <param name="shared">The folder with the data.</param>
    /// <param name="count">How many.</param>
    public static IEnumerable<string> Prompts(string shared, int count)
    {
        var files = Directory.GetFiles(Path.Combine(shared, "arithmetic"), "*.jsonl").Order(StringComparer.Ordinal).Select(f => File.ReadLines(f).Take(count / 4 + 1).ToArray()).ToArray();
        var lines = Directory.GetFiles(Path.Combine(shared, "dialogue"), "*.txt").Where(f => !Path.GetFileName(f).StartsWith("LICENSE", StringComparison.Ordinal)).Order(StringComparer.Ordinal).SelectMany(File.ReadAllLines).Where(l => l.Length > 0).ToArray();
        for (var i = 0; i < count; i++)
        {
            yield return i % 2 == 0
                ? JsonDocument.Parse(files[i / 2 % files.Length][i / 2 / files.Length]).RootElement.GetProperty("context").GetString()!.Trim()
                : $"Someone says: {lines[i / 2 % lines.Length]}";
        }
    }

    /// <summary>Asks all of it.</summary>
    /// <param name="source">The model.</param>
    /// <param name="shared">The folder with the data.</param>
    /// <param name="count">How many prompts.</param>
    /// <param name="temperature">0 for the likeliest token always.</param>
    /// <param name="progress">Is told how far it is.</param>
    /// <param name="cancel">Stops it.</param>
    public static async Task<AnswerReport> Run(string source, string shared, int count, double temperature, Action<string> progress, CancellationToken cancel)
    {
        using var model = await LanguageModel.LoadAsync(source, cancellationToken: cancel);
        var schemas = Schemas();
        var constraints = schemas.Select(s => Constraint.JsonSchema(s.GetRawText())).ToArray();
        var (constrained, free) = (new List<Answer>(), new List<Answer>());
        foreach (var (prompt, i) in Prompts(shared, count).Select((p, i) => (p, i)))
        {
            // Neither of the two meets always the same schema.
            var which = (i + i / schemas.Length) % schemas.Length;
            ChatTurn[] turns = [new("user", $"{prompt}\nWrite JSON of this schema, and nothing else: {schemas[which].GetRawText()}")];
            var options = new GenerationOptions { MaxTokens = MostTokens, Sampling = new() { Temperature = temperature, Seed = (ulong)i } };
            // The first of the two reads the prompt; which one that is changes.
            foreach (var isFree in i % 2 == 0 ? (bool[])[false, true] : [true, false])
            {
                await foreach (var _ in model.ChatAsync([new("user", "Hello.")], options with { MaxTokens = 1 }, cancel))
                {
                }
                var (text, clock) = ("", Stopwatch.StartNew());
                await foreach (var part in model.ChatAsync(turns, isFree ? options : options with { Constraint = constraints[which] }, cancel))
                    text += part;
                (isFree ? free : constrained).Add(new(schemas[which], text, model.Last, clock.Elapsed.TotalMilliseconds));
            }
            progress($"{i + 1} of {count} prompts");
        }
        var verdicts = await Ajv.Validate(constrained.Concat(free).Select(a => (a.Schema, a.Text)), cancel);
        static double Median(IEnumerable<Answer> answers) => Math.Round(answers.Select(a => a.Milliseconds).Order().ElementAt(answers.Count() / 2), 1);
        static double Each(List<Answer> answers) => Math.Round(answers.Sum(a => a.Milliseconds) / answers.Sum(a => a.Report.Tokens), 2);
        return new(count, verdicts.Take(count).Count(v => v.Length == 0), verdicts.Skip(count).Count(v => v.Length == 0),
            constrained.Sum(a => a.Report.Tokens), constrained.Sum(a => a.Report.FastForwardTokens), constrained.Sum(a => a.Report.Runs),
            Median(constrained), Median(free), Each(constrained), Each(free),
            [.. constrained.Zip(verdicts).Where(p => p.Second.Length > 0).Select(p => $"{p.First.Text}: {p.Second}")]);
    }
}
