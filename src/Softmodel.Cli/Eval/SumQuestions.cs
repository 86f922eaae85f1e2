using System.Text.Json;
using Softmodel.Cli.Training;

namespace Softmodel.Cli.Eval;

/// <summary>A question whose answer is known.</summary>
/// <param name="Prompt">The text, which ends where the answer begins.</param>
/// <param name="Answer">The answer, without spaces around it.</param>
readonly record struct SumQuestion(string Prompt, string Answer);

/// <summary>Files of questions: a JSON object on each line, with <c>question</c> and <c>answer</c>, or <c>context</c> and <c>completion</c>.</summary>
static class SumQuestions
{
    /// <summary>The files of a folder, or a file.</summary>
    /// <exception cref="SoftmodelException">There is none.</exception>
    public static string[] FilesOf(string path) => File.Exists(path) ? [path]
        : !Directory.Exists(path) ? throw new SoftmodelException($"'{path}' is neither a file nor a folder")
        : Directory.GetFiles(path, "*.jsonl") is { Length: > 0 } found ? [.. found.Order(StringComparer.Ordinal)]
        : throw new SoftmodelException($"the folder '{path}' has no .jsonl files");

    /// <summary>The questions of a file.</summary>
    /// <exception cref="SoftmodelException">A line is none.</exception>
    public static SumQuestion[] Read(string path) => [.. LabelledTexts.JsonLines(path).Select(line =>
    {
        string? Text(string name) => line.Object.TryGetProperty(name, out var value) ? value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText() : null;
        // A bare question gets the frame in which base models answer.
        return (Text("context"), Text("completion")) is ({ } context, { } completion) ? new SumQuestion(context, completion.Trim())
            : (Text("question"), Text("answer")) is ({ } question, { } answer) ? new SumQuestion($"Q: {question}\n\nA:", answer.Trim())
            : throw new SoftmodelException($"{path}:{line.Line}: it has neither 'question' and 'answer' nor 'context' and 'completion'");
    })];

    /// <summary>Some of them, drawn by a seed; all where there are no more.</summary>
    public static SumQuestion[] Drawn(SumQuestion[] all, int most, int seed)
    {
        if (most >= all.Length)
            return all;
        var random = new Random(seed);
        return [.. all.OrderBy(_ => random.Next()).Take(most)];
    }

    /// <summary>Whether an output's first line gives the answer.</summary>
    public static bool IsRight(string output, string answer)
    {
        var line = output.TrimStart().Split('\n')[0].Trim();
        return line == answer || (line.StartsWith(answer, StringComparison.Ordinal) && !char.IsAsciiDigit(line[answer.Length]) && !(line[answer.Length] is '.' or ',' && line.Length > answer.Length + 1 && char.IsAsciiDigit(line[answer.Length + 1])));
    }
}
