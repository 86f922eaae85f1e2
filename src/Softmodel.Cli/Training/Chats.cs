using System.Text.Json;
using Softmodel.Language;
using Softmodel.Language.Chat;
using Softmodel.Load;

namespace Softmodel.Cli.Training;

/// <summary>Reads chats: JSON lines with <c>messages</c> of <c>role</c> and <c>content</c>, or with <c>prompt</c> and <c>completion</c>.</summary>
static class Chats
{
    /// <summary>The chats of a file, as the model reads them; what is learned are the answers, and what ends them.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="template">The chat template.</param>
    /// <param name="most">The most tokens of a chat; longer ones are truncated.</param>
    /// <exception cref="SoftmodelException">It can't be read, or a line is no chat, or has no answer.</exception>
    public static TuningText[] Read(string path, Tokenizer tokenizer, ChatTemplate template, int most) => [.. LabelledTexts.JsonLines(path).Select(line =>
    {
        var (number, json) = line;
        SoftmodelException Fault(string what) => new($"{path}:{number}: {what}");
        var messages = Messages(json, Fault);
        if (messages.All(m => m.Role != "assistant"))
            throw Fault("it has no answer: a message whose role is 'assistant'");
        var rendering = RenderingOf(tokenizer);
        int[] TokensOf(IReadOnlyList<ChatMessage> said, bool goesOn) => Prompt(tokenizer, template.Render(said, rendering with { AddsGenerationPrompt = goesOn }));
        var all = TokensOf(messages, false);
        var answers = new List<int>();
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role != "assistant")
                continue;
            // What the template writes between turns may be written together with what stands beside it.
            var (from, to) = (all.AsSpan().CommonPrefixLength(TokensOf([.. messages.Take(i)], true)), all.AsSpan().CommonPrefixLength(TokensOf([.. messages.Take(i + 1)], false)));
            answers.AddRange(Enumerable.Range(from, Math.Max(0, Math.Min(to, most) - from)));
        }
        return answers.Count == 0 ? throw Fault($"its answers lie beyond {most} tokens; shorten what is before them, or give --max-tokens")
            : new TuningText(all[..Math.Min(all.Length, most)], [.. answers.Where(a => a > 0)], $"{Path.GetFileName(path)}:{number}");
    })];

    static List<ChatMessage> Messages(JsonElement json, Func<string, SoftmodelException> fault)
    {
        string Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { } text && text.Trim().Length > 0 ? text
            : throw fault($"its '{name}' is missing, empty or no text");
        if (json.TryGetProperty("prompt", out _))
            return [new("user", Text(json, "prompt")), new("assistant", Text(json, "completion"))];
        if (!json.TryGetProperty("messages", out var messages) || messages.ValueKind != JsonValueKind.Array)
            throw fault("it has neither 'messages' nor 'prompt' and 'completion'");
        return [.. messages.EnumerateArray().Select(m => m.ValueKind == JsonValueKind.Object ? new ChatMessage(Text(m, "role"), Text(m, "content")) : throw fault("a message is no object with 'role' and 'content'"))];
    }

    /// <summary>What chat templates are told of a tokenizer.</summary>
    public static ChatRendering RenderingOf(Tokenizer tokenizer) => new() { Begin = Written(tokenizer, tokenizer.Begin), End = Written(tokenizer, tokenizer.End) };

    static string Written(Tokenizer tokenizer, int? token) => token is { } number ? tokenizer.NameOf(number) : "";

    static int[] Prompt(Tokenizer tokenizer, string text)
    {
        var tokens = tokenizer.Encode(text, parsesSpecial: true);
        return tokens.Take(tokenizer.Before.Count).SequenceEqual(tokenizer.Before) ? tokens : [.. tokenizer.Before, .. tokens];
    }
}
