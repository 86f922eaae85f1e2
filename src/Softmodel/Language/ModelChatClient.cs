using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Softmodel.Language;

/// <summary>A language model as an <see cref="IChatClient"/>: options are taken as far as the model has them.</summary>
/// <param name="model">The model, which stays its owner's.</param>
sealed class ModelChatClient(LanguageModel model) : IChatClient
{
    readonly ChatClientMetadata metadata = new("softmodel", defaultModelId: model.Name);

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        await GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken).ConfigureAwait(false);

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var id = Guid.NewGuid().ToString("N");
        ChatResponseUpdate Update(string text) => new(ChatRole.Assistant, text) { ResponseId = id, MessageId = id, ModelId = model.Name };
        ChatTurn[] turns = [.. Instructions(options), .. messages.Select(m => new ChatTurn(m.Role.Value, m.Text))];
        await foreach (var text in model.ChatAsync(turns, Of(options), cancellationToken).ConfigureAwait(false))
            yield return Update(text);
        var last = model.Last;
        var usage = new UsageDetails { InputTokenCount = last.PromptTokens, CachedInputTokenCount = last.ReusedTokens, OutputTokenCount = last.Tokens, TotalTokenCount = last.PromptTokens + last.Tokens };
        yield return new(ChatRole.Assistant, [new UsageContent(usage)]) { ResponseId = id, MessageId = id, ModelId = model.Name, FinishReason = last.Ended == Ended.Length ? ChatFinishReason.Length : ChatFinishReason.Stop };
    }

    static IEnumerable<ChatTurn> Instructions(ChatOptions? options) => options?.Instructions is { Length: > 0 } text ? [new("system", text)] : [];

    static GenerationOptions Of(ChatOptions? options)
    {
        var own = new GenerationOptions();
        return options is null ? own : own with
        {
            MaxTokens = options.MaxOutputTokens ?? own.MaxTokens,
            Stop = [.. options.StopSequences ?? []],
            Constraint = options.ResponseFormat is ChatResponseFormatJson format ? format.Schema is { } schema ? Constraint.JsonSchema(Embedded(schema)) : Constraint.Json() : null,
            Sampling = new()
            {
                Temperature = options.Temperature ?? 0,
                TopK = options.TopK ?? 0,
                TopP = options.TopP ?? 1,
                Seed = unchecked((ulong)(options.Seed ?? 0)),
            },
        };
    }

    /// <summary>
    /// A schema in which what was a document of its own is one again. GetResponseAsync of a type that is no object puts its schema
    /// into an object as <c>data</c>, with the references that it had: they are relative to it, which <c>$id</c> says.
    /// </summary>
    static string Embedded(JsonElement schema)
    {
        if (JsonNode.Parse(schema.GetRawText()) is JsonObject root && root["properties"] is JsonObject { Count: 1 } properties && properties["data"] is JsonObject data && data.ContainsKey("$schema") && !data.ContainsKey("$id"))
        {
            data["$id"] = "data";
            return root.ToJsonString();
        }
        return schema.GetRawText();
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is not null ? null
        : serviceType == typeof(ChatClientMetadata) ? metadata : serviceType.IsInstanceOfType(model) ? model : serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose() { }
}
