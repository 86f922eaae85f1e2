using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;
using Softmodel.Bench.Answers;
using Softmodel.Language;

namespace Softmodel.ModelTests.Language;

/// <summary>What SmolLM2 writes under a constraint; what is valid is said by a validator that others wrote.</summary>
public class ConstrainedTextTests
{
    static string Path(string file) => System.IO.Path.Combine(Shared.Folder("lm"), file);

    [Theory]
    [InlineData(0)]
    [InlineData(1.5)]
    public async Task Answers_are_valid_by_their_schemas(double temperature)
    {
        var count = Shared.AreAllCases ? 20 : 3;
        var report = await AnswerRun.Run(Path("SmolLM2-135M-Instruct.Q4_1.gguf"), System.IO.Path.GetDirectoryName(Shared.Folder("lm"))!, count, temperature, _ => { }, TestContext.Current.CancellationToken);
        Assert.Empty(report.Wrong);
        Assert.Equal(count, report.Valid);
        Assert.True(report.FastForwardTokens > 0);
        Assert.True(report.Runs + report.FastForwardTokens >= report.Tokens && report.Runs < report.Tokens, $"{report}");
    }

    [Fact]
    public async Task A_chat_client_answers_in_the_format_that_is_asked_for()
    {
        using var model = await LanguageModel.LoadAsync(Path("SmolLM2-135M-Instruct.Q4_1.gguf"));
        using var client = model.AsChatClient();
        var schema = JsonDocument.Parse("""{"type": "object", "properties": {"rivers": {"type": "array", "items": {"type": "string", "maxLength": 20}, "minItems": 3, "maxItems": 3}}, "required": ["rivers"]}""").RootElement;
        var response = await client.GetResponseAsync("Name three rivers in Europe.", new() { ResponseFormat = ChatResponseFormat.ForJsonSchema(schema), MaxOutputTokens = 60 }, TestContext.Current.CancellationToken);
        Assert.Equal(3, JsonDocument.Parse(response.Text).RootElement.GetProperty("rivers").GetArrayLength());
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal(model.Last.Tokens, response.Usage!.OutputTokenCount);
    }

    [JsonPolymorphic(TypeDiscriminatorPropertyName = "$type")]
    [JsonDerivedType(typeof(Circle), "circle")]
    [JsonDerivedType(typeof(Square), "square")]
    public abstract record Shape;

    public record Circle(double Radius) : Shape;

    public record Square(double Side) : Shape;

    public record Node(bool Value, Node? Next);

    [Fact]
    public async Task A_chat_client_answers_with_values_of_types()
    {
        using var model = await LanguageModel.LoadAsync(Path("SmolLM2-135M-Instruct.Q4_1.gguf"));
        using var client = model.AsChatClient();
        // As GetResponseAsync of a type does: what is no object is put into one, with the references that it has.
        async Task<T> Ask<T>(string question)
        {
            var schema = AIJsonUtilities.CreateJsonSchema(typeof(T), inferenceOptions: new() { IncludeSchemaKeyword = true });
            var isObject = schema.GetProperty("type") is { ValueKind: JsonValueKind.String } type && type.ValueEquals("object");
            string[] required = ["data"];
            var asked = isObject ? schema : JsonSerializer.SerializeToElement(new Dictionary<string, object> { ["type"] = "object", ["properties"] = new { data = schema }, ["additionalProperties"] = false, ["required"] = JsonSerializer.SerializeToElement(required) });
            var response = await client.GetResponseAsync(question, new() { MaxOutputTokens = 60, ResponseFormat = ChatResponseFormat.ForJsonSchema(asked) }, TestContext.Current.CancellationToken);
            var answer = JsonDocument.Parse(response.Text).RootElement;
            return (isObject ? answer : answer.GetProperty("data")).Deserialize<T>(AIJsonUtilities.DefaultOptions)!;
        }
        Assert.IsType<Shape>(await Ask<Shape>("Draw a circle of radius 3."), exactMatch: false);
        Assert.NotNull(await Ask<Shape[]>("Draw a square of side 2."));
        // No object, and one that refers to itself: its references are relative to what is put into another one.
        Assert.NotNull(await Ask<List<Node>>("Write a list."));
        Assert.True(Enum.IsDefined(await Ask<DayOfWeek>("What comes after Monday?")));
    }

    [Fact]
    public async Task A_text_is_ended_in_time_or_cut_off_and_said_to_be()
    {
        using var model = await LanguageModel.LoadAsync(Path("SmolLM2-135M-Instruct.Q4_1.gguf"));
        async Task<string> Ask(int tokens)
        {
            var text = "";
            await foreach (var part in model.ChatAsync([new("user", "Tell me a long story.")], new() { MaxTokens = tokens, Constraint = Constraint.JsonSchema("""{"type": "string", "minLength": 40}""") }))
                text += part;
            return text;
        }
        Assert.NotNull(JsonDocument.Parse(await Ask(60)).RootElement.GetString());
        Assert.Equal((FinishReason.Stop, true), (model.Last.FinishReason, model.Last.Tokens <= 60));
        // Nobody can write so much in so few: what has come is shown all the same.
        Assert.StartsWith("\"", await Ask(5), StringComparison.Ordinal);
        Assert.Equal((FinishReason.Length, 5), (model.Last.FinishReason, model.Last.Tokens));
    }

    [Fact]
    public async Task A_vocabulary_of_other_tokens_is_followed_too()
    {
        using var model = await LanguageModel.LoadAsync(Path("stories260K.bin"));
        var text = "";
        await foreach (var part in model.CompleteAsync("Once upon a time", new() { MaxTokens = 80, Constraint = Constraint.Regex("(, [a-z]+){3}\\. The [A-Z][a-zé]+ was [0-9]{2}\\.") }))
            text += part;
        Assert.Matches("^(, [a-z]+){3}\\. The [A-Z][a-zé]+ was [0-9]{2}\\.$", text);
    }
}
