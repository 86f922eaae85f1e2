using System.Text.Json;
using System.Text.Json.Nodes;
using Softmodel.Language.Tokens;

namespace Softmodel.Language.Chat;

/// <summary>A message of a conversation.</summary>
/// <param name="Role">Who says it: <c>system</c>, <c>user</c> or <c>assistant</c>; a template may know others.</param>
/// <param name="Content">What is said.</param>
sealed record ChatMessage(string Role, string Content);

/// <summary>What a template is rendered with besides the messages.</summary>
sealed record ChatRendering
{
    /// <summary>Whether the text ends with the beginning of the model's turn.</summary>
    public bool AddsGenerationPrompt { get; init; } = true;

    /// <summary>How the token that begins a text is written.</summary>
    public string Begin { get; init; } = "";

    /// <summary>How the token that ends a text is written.</summary>
    public string End { get; init; } = "";

    /// <summary>The time that the template is told, where it asks; null for the time it is.</summary>
    public DateTime? Now { get; init; }

    /// <summary>What else templates ask for, by its name (<c>enable_thinking</c>, say): null, bool, long, double and string.</summary>
    public IReadOnlyDictionary<string, object?> More { get; init; } = new Dictionary<string, object?>();
}

/// <summary>
/// The template by which a model's conversations are written as text, in the language of Jinja, as transformers renders it. It
/// comes with the model, from anyone: it can do nothing but write text, and only so much of it.
/// </summary>
sealed class ChatTemplate
{
    const string Key = "tokenizer.chat_template", Property = "chat_template", Config = "tokenizer_config.json", File = "chat_template.jinja";
    const int MostLength = 1 << 20, LeastBudget = 1 << 24, BudgetPerCharacter = 32;

    readonly string path;
    readonly IReadOnlyList<Statement> statements;

    ChatTemplate(string path, string source, IReadOnlyList<Statement> statements) => (this.path, Source, this.statements) = (path, source, statements);

    /// <summary>The template as it was written.</summary>
    public string Source { get; }

    /// <summary>Reads the template of a model.</summary>
    /// <param name="path">A GGUF file, a <c>tokenizer_config.json</c>, or the folder where that or a <c>chat_template.jinja</c> lies.</param>
    /// <returns>Null where the model has none.</returns>
    /// <exception cref="SoftmodelException">The file can't be read, or the template is none.</exception>
    public static ChatTemplate? Open(string path)
    {
        if (Directory.Exists(path))
        {
            var (alone, within) = (Path.Combine(path, File), Path.Combine(path, Config));
            return System.IO.File.Exists(alone) ? Parse(Read(alone), alone) : System.IO.File.Exists(within) ? Open(within) : null;
        }
        if (Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase))
            return OfJson(path) ?? (Path.GetFileName(path) == Config ? null : Open(Path.GetDirectoryName(Path.GetFullPath(path))!));
        return Of(GgufMetadata.Read(path), path);
    }

    /// <summary>The template that a GGUF file has; null where it has none.</summary>
    /// <inheritdoc cref="Parse" path="/exception"/>
    public static ChatTemplate? Of(GgufMetadata metadata, string path) => metadata.Text(Key) is { } source ? Parse(source, path) : null;

    static string Read(string path)
    {
        try
        {
            return System.IO.File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"{path}: it can't be read: {e.Message}", e);
        }
    }

    static ChatTemplate? OfJson(string path)
    {
        try
        {
            // Where there are several, each has a name.
            var found = (JsonNode.Parse(Read(path)) as JsonObject)?[Property];
            var source = found is JsonArray several ? several.FirstOrDefault(t => (string?)t?["name"] == "default")?["template"] : found;
            return source is JsonValue value && value.TryGetValue<string>(out var text) ? Parse(text, path) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new SoftmodelException($"{path}: the template can't be read: {e.Message}", e);
        }
    }

    /// <summary>Parses a template.</summary>
    /// <param name="source">The template.</param>
    /// <param name="path">Where it is from, for messages.</param>
    /// <exception cref="SoftmodelException">It is no template, or uses what is not known here.</exception>
    public static ChatTemplate Parse(string source, string path)
    {
        if (source.Length > MostLength)
            throw new SoftmodelException($"{path}: its chat template has {source.Length} characters, and at most {MostLength} are read");
        try
        {
            return new(path, source, Parser.Parse(source));
        }
        catch (TemplateException e)
        {
            throw new SoftmodelException($"{path}: its chat template, line {e.Line}: {e.Message}; give another template, or the text as the model wants it", e);
        }
    }

    /// <summary>The text of a conversation. What it has of control tokens is meant as such, in messages too.</summary>
    /// <param name="messages">The messages, the first one first.</param>
    /// <param name="rendering">What else is rendered.</param>
    /// <exception cref="SoftmodelException">The template refuses the messages, uses what has no value, or takes too long.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, ChatRendering rendering)
    {
        var budget = new Budget(LeastBudget + BudgetPerCharacter * messages.Sum(m => (long)m.Content.Length));
        var scope = Builtins.Globals(rendering.Now ?? DateTime.Now, budget);
        foreach (var (name, value) in rendering.More)
            scope.Set(name, value is int whole ? (long)whole : value);
        scope.Set("messages", new Items(messages.Select(m => new Entries([("role", m.Role), ("content", m.Content)]))));
        scope.Set("add_generation_prompt", rendering.AddsGenerationPrompt);
        scope.Set("bos_token", rendering.Begin);
        scope.Set("eos_token", rendering.End);
        // transformers sets these whether or not there are any.
        scope.Set("tools", null);
        scope.Set("documents", null);
        var renderer = new Renderer(budget);
        try
        {
            return renderer.Render(statements, new(scope));
        }
        catch (TemplateException e)
        {
            throw new SoftmodelException($"{path}: its chat template, line {(e.Line > 0 ? e.Line : renderer.Line)}: {e.Message}", e);
        }
        catch (InsufficientExecutionStackException e)
        {
            throw new SoftmodelException($"{path}: its chat template, line {renderer.Line}: it calls itself, or is nested, too deeply", e);
        }
    }
}
