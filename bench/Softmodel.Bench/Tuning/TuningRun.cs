using System.Text.Json;
using Softmodel.Cli;
using Softmodel.Language;

namespace Softmodel.Bench.Tuning;

/// <summary>What tuning a language model came to.</summary>
/// <param name="Tuned">What <c>softmodel tune</c> says with <c>--json</c>: perplexities before and after, and minutes.</param>
/// <param name="Prompts">How many prompts, none of them in what it was tuned on, were answered.</param>
/// <param name="StyleBefore">How many of the answers have the style that it was tuned to, before.</param>
/// <param name="Style">How many have it after.</param>
/// <param name="OtherTextPercent">By how much the perplexity of another text changed, in per cent.</param>
/// <param name="Minutes">How long the tuning took, the build of a native library included.</param>
/// <param name="Reached">Whether the style is there, other texts are as they were within 2 %, and it took less than 15 minutes.</param>
/// <param name="Answers">Some answers.</param>
sealed record TuningReport(JsonElement Tuned, int Prompts, int StyleBefore, int Style, double OtherTextPercent, double Minutes, bool Reached, IReadOnlyList<string> Answers);

/// <summary>Tunes a chat model on 120 chats with an old captain, and asks it of things that none of them is about.</summary>
static class TuningRun
{
    const int AnswerLength = 48, Shown = 3;

    const double Share = 0.8, MostPercent = 2, MostMinutes = 15;

    // What a captain says, and a chat model does not.
    static readonly string[] words = ["aye", "matey", "ahoy", "arr,", "captain", "fair winds", "steady as she goes"];

    /// <summary>Tunes and measures.</summary>
    /// <param name="model">The model.</param>
    /// <param name="examples">The folder of the chats and the prompts.</param>
    /// <param name="other">A text that is none of a captain's.</param>
    /// <param name="folder">Where what is built goes.</param>
    /// <param name="more">More arguments of <c>softmodel tune</c>.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static async Task<TuningReport> Run(string model, string examples, string other, string folder, string[] more, CancellationToken cancellationToken)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var output = new StringWriter();
        var code = await CommandLine.Run(["tune", model, "--data", Path.Combine(examples, "chats.jsonl"), "--against", other, "-o", folder, "--json", .. more], output, Console.Error, cancellationToken);
        if (code != 0)
            throw new SoftmodelException($"softmodel tune ended with {code}");
        var minutes = clock.Elapsed.TotalMinutes;
        var tuned = JsonDocument.Parse(output.ToString()).RootElement;
        var prompts = await File.ReadAllLinesAsync(Path.Combine(examples, "unseen.txt"), cancellationToken);
        var (before, after) = (await Answers(await LanguageModel.LoadAsync(model, cancellationToken: cancellationToken), prompts, cancellationToken), await Answers(LanguageModel.Open(folder), prompts, cancellationToken));
        int Styled(string[] answers) => answers.Count(a => words.Any(w => a.Contains(w, StringComparison.OrdinalIgnoreCase)));
        var percent = 100 * (tuned.GetProperty("against").GetDouble() / tuned.GetProperty("against_before").GetDouble() - 1);
        return new(tuned, prompts.Length, Styled(before), Styled(after), Math.Round(percent, 3), Math.Round(minutes, 2),
            Styled(after) >= Share * prompts.Length && Math.Abs(percent) <= MostPercent && minutes < MostMinutes, [.. prompts.Zip(after, (p, a) => $"{p} {a}").Take(Shown)]);
    }

    static async Task<string[]> Answers(LanguageModel model, string[] prompts, CancellationToken cancellationToken)
    {
        using var asked = model;
        var answers = new List<string>();
        foreach (var prompt in prompts)
            answers.Add(string.Concat(await asked.ChatAsync([new("user", prompt)], new() { MaxTokens = AnswerLength }, cancellationToken).ToArrayAsync(cancellationToken)));
        return [.. answers];
    }
}
