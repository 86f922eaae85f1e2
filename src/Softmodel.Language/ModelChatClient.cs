using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Softmodel.Language;

/// <summary>A language model as an <see cref="IChatClient"/>: what is asked for is used, or refused by its name.</summary>
/// <param name="model">The model, which stays its owner's. All clients of a model share it, and what they ask at once is batched.</param>
sealed class ModelChatClient(LanguageModel model) : IChatClient
{
    const string MinP = "min_p", RepetitionPenalty = "repetition_penalty";

    readonly ChatClientMetadata metadata = new("softmodel", defaultModelId: model.Name);

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        await GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken).ConfigureAwait(false);

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var id = Guid.NewGuid().ToString("N");
        ChatResponseUpdate Update(IList<AIContent> contents) => new(ChatRole.Assistant, contents) { ResponseId = id, MessageId = id, ModelId = model.Name, CreatedAt = DateTimeOffset.UtcNow };
        ChatTurn[] turns = [.. Instructions(options), .. messages.Select(m => new ChatTurn(m.Role.Value, string.Concat(m.Contents.Select(TextOf))))];
        TextReport took = default;
        await foreach (var text in model.ChatAsync(turns, Of(options), report => took = report, cancellationToken).ConfigureAwait(false))
            yield return Update([new TextContent(text)]);
        var last = Update([new UsageContent(new()
        {
            InputTokenCount = took.PromptTokens,
            CachedInputTokenCount = took.CachedTokens,
            OutputTokenCount = took.Tokens,
            TotalTokenCount = took.PromptTokens + took.Tokens,
        })]);
        last.FinishReason = took.FinishReason is FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;
        yield return last;
    }

    static IEnumerable<ChatTurn> Instructions(ChatOptions? options) => options?.Instructions is { Length: > 0 } text ? [new("system", text)] : [];

    string TextOf(AIContent content) => content switch
    {
        TextContent text => text.Text,
        // What was thought or counted in an earlier turn is no part of the chat.
        TextReasoningContent or UsageContent => "",
        DataContent data => throw Refused($"a message holds {data.MediaType}"),
        UriContent uri => throw Refused($"a message holds {uri.MediaType}"),
        FunctionCallContent or FunctionResultContent => throw Refused("a message holds a tool's call or result"),
        _ => throw Refused($"a message holds {content.GetType().Name}"),
    };

    NotSupportedException Refused(string what) => new($"{what}, which {model.Name} can't take: it is given text, and gives text");

    GenerationOptions Of(ChatOptions? options)
    {
        var own = new GenerationOptions();
        if (options is null)
            return own;
        if (options.Tools is { Count: > 0 } && options.ToolMode is not NoneChatToolMode)
            throw Refused($"tools are asked for ({nameof(ChatOptions)}.{nameof(ChatOptions.Tools)}: {string.Join(", ", options.Tools.Select(t => t.Name))})");
        if (options.ToolMode is RequiredChatToolMode)
            throw Refused($"a tool's call is required ({nameof(ChatOptions)}.{nameof(ChatOptions.ToolMode)})");
        Refuse(options.ModelId is { } other && other != model.Name, nameof(ChatOptions.ModelId));
        Refuse(options.ConversationId is not null, nameof(ChatOptions.ConversationId));
        Refuse(options.RawRepresentationFactory is not null, nameof(ChatOptions.RawRepresentationFactory));
        Refuse(options.Reasoning is { Effort: not null and not ReasoningEffort.None } or { Output: not null and not ReasoningOutput.None }, nameof(ChatOptions.Reasoning));
#pragma warning disable MEAI001 // What is for evaluation only is refused.
        Refuse(options.AllowBackgroundResponses == true, nameof(ChatOptions.AllowBackgroundResponses));
        Refuse(options.ContinuationToken is not null, nameof(ChatOptions.ContinuationToken));
#pragma warning restore MEAI001
        foreach (var (name, _) in options.AdditionalProperties ?? [])
            Refuse(name is not (MinP or RepetitionPenalty), $"{nameof(ChatOptions.AdditionalProperties)}[\"{name}\"]");
        return own with
        {
            MaxTokens = options.MaxOutputTokens ?? own.MaxTokens,
            Stop = [.. options.StopSequences ?? []],
            Constraint = options.ResponseFormat switch
            {
                null or ChatResponseFormatText => null,
                ChatResponseFormatJson { Schema: { } schema } => Constraint.JsonSchema(Embedded(schema)),
                ChatResponseFormatJson => Constraint.Json(),
                var format => throw Refused($"an answer in {format.GetType().Name} is asked for"),
            },
            Sampling = new()
            {
                Temperature = options.Temperature ?? own.Sampling.Temperature,
                TopK = options.TopK ?? own.Sampling.TopK,
                TopP = options.TopP ?? own.Sampling.TopP,
                MinP = Number(options, MinP) ?? own.Sampling.MinP,
                RepetitionPenalty = Number(options, RepetitionPenalty) ?? own.Sampling.RepetitionPenalty,
                FrequencyPenalty = options.FrequencyPenalty ?? own.Sampling.FrequencyPenalty,
                PresencePenalty = options.PresencePenalty ?? own.Sampling.PresencePenalty,
                Seed = unchecked((ulong)(options.Seed ?? Random.Shared.NextInt64())),
            },
        };
    }

    void Refuse(bool isAsked, string name)
    {
        if (isAsked)
            throw new NotSupportedException($"{nameof(ChatOptions)}.{name} is not supported by {model.Name}; leave it out");
    }

    static double? Number(ChatOptions options, string name) => options.AdditionalProperties?.GetValueOrDefault(name) switch
    {
        null => null,
        IConvertible number and not string => number.ToDouble(CultureInfo.InvariantCulture),
        JsonElement { ValueKind: JsonValueKind.Number } json => json.GetDouble(),
        var value => throw new ArgumentException($"{nameof(ChatOptions)}.{nameof(ChatOptions.AdditionalProperties)}[\"{name}\"] is a number, not {value}", nameof(options)),
    };

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

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? metadata : serviceType.IsInstanceOfType(model) ? model : serviceType.IsInstanceOfType(this) ? this : null;
    }

    public void Dispose() { }
}
