using System.Text.Json;
using Softmodel.Cli.Training;
using Softmodel.Language;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Cli.Eval;

/// <summary>A question whose answer is known.</summary>
/// <param name="Tokens">The tokens of the prompt, which ends where the answer begins.</param>
/// <param name="Prompt">Its text.</param>
/// <param name="Answer">The answer, without spaces around it.</param>
readonly record struct SumQuestion(int[] Tokens, string Prompt, string Answer);

/// <summary>Files of questions, a JSON object on each line: <c>question</c> and <c>answer</c>, <c>messages</c>, perhaps a <c>reply</c> that has begun, and <c>completion</c>, or <c>context</c> and <c>completion</c>.</summary>
static class SumQuestions
{
    /// <summary>The files of a folder, or a file.</summary>
    /// <exception cref="SoftmodelException">There is none.</exception>
    public static string[] FilesOf(string path) => File.Exists(path) ? [path]
        : !Directory.Exists(path) ? throw new SoftmodelException($"'{path}' is neither a file nor a folder")
        : Directory.GetFiles(path, "*.jsonl") is { Length: > 0 } found ? [.. found.Order(StringComparer.Ordinal)]
        : throw new SoftmodelException($"the folder '{path}' has no .jsonl files");

    /// <summary>The questions of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">What is asked.</param>
    /// <exception cref="SoftmodelException">A line is none, or a chat is asked of a model without a template.</exception>
    public static SumQuestion[] Read(string path, LanguageModel model) => [.. LabelledTexts.JsonLines(path).Select(line =>
    {
        string? Text(string name) => line.Object.TryGetProperty(name, out var value) ? value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText() : null;
        SumQuestion Of(string prompt, string answer, bool isChat)
        {
            // A template may write what stands before a text by itself.
            var (tokens, before) = (model.Tokenizer.Encode(prompt, parsesSpecial: isChat), model.Tokenizer.Before);
            return new(tokens.Take(before.Count).SequenceEqual(before) ? tokens : [.. before, .. tokens], prompt, answer.Trim());
        }
        if (line.Object.TryGetProperty("messages", out var messages) && Text("completion") is { } result)
            return Of(model.Render(messages.EnumerateArray().Select(m => new ChatTurn(m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!))) + Text("reply"), result, isChat: true);
        // A bare question gets the frame in which base models answer.
        return (Text("context"), Text("completion")) is ({ } context, { } completion) ? Of(context, completion, isChat: false)
            : (Text("question"), Text("answer")) is ({ } question, { } answer) ? Of($"Q: {question}\n\nA:", answer, isChat: false)
            : throw new SoftmodelException($"{path}:{line.Line}: it has neither 'question' and 'answer' nor 'messages' or 'context' and 'completion'");
    })];

    /// <summary>Some of them, drawn by a seed; all where there are no more.</summary>
    public static SumQuestion[] Drawn(SumQuestion[] all, int most, int seed)
    {
        if (most >= all.Length)
            return all;
        var random = new Random(seed);
        return [.. all.OrderBy(_ => random.Next()).Take(most)];
    }

    /// <summary>Whether the first thing that an output says is the answer: the same text, or the same number.</summary>
    public static bool IsRight(string output, string answer)
    {
        var line = output.TrimStart().Split('\n')[0].Trim();
        if (line == answer || Value(line) is { } whole && Value(answer) is { } same && whole == same)
            return true;
        // What follows the number, as its unit, is not asked for.
        var first = line.Split(' ')[0].TrimEnd('.', ',', ';', ':', '!', '?', ')');
        return first == answer || (Value(first) is { } number && Value(answer) is { } expected && number == expected);
    }

    static Rational? Value(string text)
    {
        try
        {
            return Number.Read(text.Trim()).Value;
        }
        catch (ProgramException)
        {
            return null;
        }
    }
}
