using System.Text.Json;
using Softmodel.Cli.Training;
using Softmodel.Fusion;
using Softmodel.Language;

namespace Softmodel.Cli.Eval;

/// <summary>A question whose answer is known.</summary>
/// <param name="Tokens">The tokens of the prompt, which ends where the answer begins.</param>
/// <param name="Prompt">Its text.</param>
/// <param name="Answer">The answer, without spaces around it.</param>
/// <param name="Program">What is due, where the file says so.</param>
/// <param name="Kind">What kind of text it is, where the file says so.</param>
/// <param name="Form">What it was drawn from, where the file says so.</param>
readonly record struct SumQuestion(int[] Tokens, string Prompt, string Answer, string? Program = null, string? Kind = null, string? Form = null);

/// <summary>A place in a text where a result is due.</summary>
/// <param name="Tokens">The tokens after which it may be written: on either side of a blank.</param>
/// <param name="Answer">The result.</param>
readonly record struct SumPlace(int[] Tokens, string Answer);

/// <summary>A text in which a trigger may fire anywhere.</summary>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Places">Where results are due, or at least true.</param>
/// <param name="Why">Why nothing is due; null of a worked solution, and of ordinary text.</param>
/// <param name="Form">What it was drawn from, where the file says so.</param>
readonly record struct SumText(int[] Tokens, SumPlace[] Places, string? Why, string? Form);

/// <summary>What a file has.</summary>
/// <param name="Questions">Prompts that end where an answer begins.</param>
/// <param name="Texts">Texts in which a trigger may fire anywhere.</param>
readonly record struct SumFile(SumQuestion[] Questions, SumText[] Texts);

/// <summary>
/// Files of questions, a JSON object on each line: <c>question</c> and <c>answer</c>, <c>messages</c>, perhaps a <c>reply</c> that has begun, and <c>completion</c>, or <c>context</c> and <c>completion</c>;
/// of texts, <c>text</c>, or <c>messages</c> and <c>reply</c>, with <c>marks</c>; or of ordinary text.
/// </summary>
static class SumQuestions
{
    // Ordinary text is read in pieces.
    const int PieceTokens = 512;

    /// <summary>The files of a folder, or a file.</summary>
    /// <exception cref="SoftmodelException">There is none.</exception>
    public static string[] FilesOf(string path) => File.Exists(path) ? [path]
        : !Directory.Exists(path) ? throw new SoftmodelException($"'{path}' is neither a file nor a folder")
        : ((string[])[.. Directory.GetFiles(path, "*.jsonl"), .. Directory.GetFiles(path, "*.txt")]) is { Length: > 0 } found ? [.. found.Order(StringComparer.Ordinal)]
        : throw new SoftmodelException($"the folder '{path}' has no .jsonl or .txt files");

    /// <summary>What a file has.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">What is asked.</param>
    /// <exception cref="SoftmodelException">A line is neither question nor text, or a chat is asked of a model without a template.</exception>
    public static SumFile Read(string path, LanguageModel model)
    {
        if (Path.GetExtension(path) == ".txt")
            return new([], [.. model.Tokenizer.Encode(LabelledTexts.Decoded(path), parsesSpecial: false).Chunk(PieceTokens).Select(c => new SumText([.. model.Tokenizer.Before, .. c], [], null, null))]);
        var (questions, texts) = (new List<SumQuestion>(), new List<SumText>());
        foreach (var line in LabelledTexts.JsonLines(path))
        {
            if (Text(line.Object, model) is { } text)
                texts.Add(text);
            else
                questions.Add(Question(path, line, model));
        }
        return new([.. questions], [.. texts]);
    }

    static string? String(JsonElement line, string name) => line.TryGetProperty(name, out var value) ? value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText() : null;

    static string Rendered(JsonElement messages, LanguageModel model) => model.Render(messages.EnumerateArray().Select(m => new ChatTurn(m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!)));

    // A template may write what stands before a text by itself.
    static int[] Tokens(string text, LanguageModel model, bool isChat)
    {
        var (tokens, before) = (model.Tokenizer.Encode(text, parsesSpecial: isChat), model.Tokenizer.Before);
        return tokens.Take(before.Count).SequenceEqual(before) ? tokens : [.. before, .. tokens];
    }

    static SumText? Text(JsonElement line, LanguageModel model)
    {
        if (!line.TryGetProperty("marks", out var marks))
            return null;
        var isChat = line.TryGetProperty("messages", out var messages);
        var text = isChat ? Rendered(messages, model) + String(line, "reply") : String(line, "text")!;
        // Marks are those of the last message.
        var from = isChat ? text.IndexOf(messages[messages.GetArrayLength() - 1].GetProperty("content").GetString()!, StringComparison.Ordinal) : 0;
        var tokens = Tokens(text, model, isChat);
        var places = Places.Of(tokens, isChat ? 0 : model.Tokenizer.Before.Count, text, model.Tokenizer);
        return new(tokens, [.. marks.EnumerateArray().Select(m =>
        {
            var at = from + m.GetProperty("at").GetInt32();
            int[] around = [at - 1, .. at > 1 && text[at - 1] == ' ' ? (int[])[at - 2] : [], .. at < text.Length && text[at] == ' ' ? (int[])[at] : []];
            return new SumPlace([.. around.Where(c => c >= 0).Select(c => places?.At(c) ?? -1).Distinct().Order()], m.GetProperty("answer").GetString()!);
        })], String(line, "why"), String(line, "form"));
    }

    static SumQuestion Question(string path, (int Line, JsonElement Object) line, LanguageModel model)
    {
        string? Of(string name) => String(line.Object, name);
        SumQuestion Asked(string prompt, string answer, bool isChat) => new(Tokens(prompt, model, isChat), prompt, answer.Trim(), Of("program"), Of("kind"), Of("form"));
        if (line.Object.TryGetProperty("messages", out var messages) && Of("completion") is { } result)
            return Asked(Rendered(messages, model) + Of("reply"), result, isChat: true);
        // A bare question gets the frame in which base models answer.
        return (Of("context"), Of("completion")) is ({ } context, { } completion) ? Asked(context, completion, isChat: false)
            : (Of("question"), Of("answer")) is ({ } question, { } answer) ? Asked($"Q: {question}\n\nA:", answer, isChat: false)
            : throw new SoftmodelException($"{path}:{line.Line}: it has neither 'question' and 'answer' nor 'messages' or 'context' and 'completion', nor 'text' and 'marks'");
    }

    /// <summary>Some of them, drawn by a seed; all where there are no more.</summary>
    public static SumQuestion[] Drawn(SumQuestion[] all, int most, int seed)
    {
        if (most >= all.Length)
            return all;
        var random = new Random(seed);
        return [.. all.OrderBy(_ => random.Next()).Take(most)];
    }
}
