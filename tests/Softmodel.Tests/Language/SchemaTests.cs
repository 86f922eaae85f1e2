using System.ComponentModel;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;
using Softmodel.Language;
using Softmodel.Language.Constraints;

namespace Softmodel.Tests.Language;

/// <summary>Schemas whose keywords stand beside one another; bench/schemas asks ajv of many more.</summary>
public class SchemaTests
{
    static readonly TokenTree tree = new(ConstraintTests.Pieces());

    static JsonElement[] Cases()
    {
        using var stream = typeof(SchemaTests).Assembly.GetManifestResourceStream("Softmodel.Tests.Language.schemas.json")!;
        return JsonSerializer.Deserialize<JsonElement[]>(stream)!;
    }

    /// <summary>A text of tokens that are drawn from those that may come.</summary>
    static string Walk(Constraint constraint, int seed, int most = 200)
    {
        var (random, text, bytes) = (new Random(seed), new ConstrainedText(constraint, tree, most), new List<byte>());
        for (var left = most; left > 0 && !text.IsDone; left--)
        {
            var allowed = text.Allowed().ToArray();
            int[] possible = [.. Enumerable.Range(0, tree.Tokenizer.Count).Where(t => (allowed[t >> 6] >> t & 1) != 0)];
            Assert.NotEmpty(possible);
            var token = possible[random.Next(possible.Length)];
            Assert.True(text.Allows(token));
            if (tree.Tokenizer.Ends.Contains(token))
                break;
            bytes.AddRange(tree.Tokenizer.BytesOf(token));
            text.Accept(token);
        }
        return Encoding.UTF8.GetString([.. bytes]);
    }

    [Fact]
    public void Schemas_hold_what_ajv_holds_valid()
    {
        // What bench/schemas has ajv judge, too.
        Assert.All(Cases(), one =>
        {
            var constraint = Refused(one.GetProperty("schema").GetRawText());
            foreach (var value in one.GetProperty("valid").EnumerateArray())
                Assert.True(constraint?.Matches(JsonTerms.Written(value)), $"{one} does not take {JsonTerms.Written(value)}");
            foreach (var value in one.GetProperty("invalid").EnumerateArray())
                Assert.False(constraint?.Matches(JsonTerms.Written(value)), $"{one} takes {JsonTerms.Written(value)}");
        });
        // That a text is not of a format whose texts are not told apart can't be written, and is said.
        static Constraint? Refused(string schema)
        {
            try
            {
                return Constraint.JsonSchema(schema);
            }
            catch (SoftmodelException e) when (e.Message.Contains("'format' at", StringComparison.Ordinal))
            {
                return null;
            }
        }
    }

    [Theory]
    [InlineData("""{"additionalProperties":{"type":"integer"},"type":"object","minProperties":3}""")]
    [InlineData("""{"patternProperties":{"^(ab|c)+$":{"type":"boolean"}},"additionalProperties":false,"minProperties":3,"type":"object"}""")]
    [InlineData("""{"patternProperties":{"^[ab][abc]{3}$":{"type":"boolean"}},"additionalProperties":false,"minProperties":4,"maxProperties":6,"type":"object"}""")]
    [InlineData("true")]
    [InlineData("""{"type":"array","items":{"type":"object","additionalProperties":{"type":"object","additionalProperties":{"type":"null"}}}}""")]
    public void No_key_comes_twice(string schema)
    {
        var constraint = Constraint.JsonSchema(schema);
        for (var seed = 0; seed < 40; seed++)
        {
            var text = Walk(constraint, seed);
            Assert.True(constraint.Matches(text), text);
            using var _ = JsonDocument.Parse(text, new() { AllowDuplicateProperties = false, MaxDepth = 1000 });
        }
        Assert.False(constraint.Matches("""{"ab": 1, "ab": 1, "c": 1}"""));
    }

    static string Chain(int length, string beside, string end) =>
        $"{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{string.Concat(Enumerable.Range(0, length).Select(i => $"\"d{i}\":{{\"$ref\":\"#/$defs/d{i + 1}\"{beside}}},"))}\"d{length}\":{end}}}}}";

    [Fact]
    public void Long_chains_of_references_take_no_stack()
    {
        Assert.True(Constraint.JsonSchema(Chain(8000, "", """{"type":"string"}""")).Matches("\"ab\""));
        var bounded = Constraint.JsonSchema(Chain(8000, ",\"minLength\":2", """{"type":"string"}"""));
        Assert.True(bounded.Matches("\"ab\""));
        Assert.False(bounded.Matches("\"a\""));
        Assert.Contains("refers to itself", Assert.Throws<SoftmodelException>(() => Constraint.JsonSchema(Chain(8000, "", """{"$ref":"#/$defs/d0"}"""))).Message, StringComparison.Ordinal);
        var deep = string.Concat(Enumerable.Repeat("""{"type":"array","items":""", 400)) + "{}" + new string('}', 400);
        Assert.True(Constraint.JsonSchema(deep).Matches("[[[]]]"));
    }

    [Theory]
    [InlineData("""{"const":"\ud800"}""", "#/const: a text holds half of a surrogate pair")]
    [InlineData("""{"properties":{"a":{"type":"string","type":"integer"}}}""", "#/properties/a: 'type' stands there twice")]
    [InlineData("""{"$ref":"other.json#/a"}""", "'other.json#/a' lies elsewhere")]
    [InlineData("""{"$ref":"#nowhere"}""", "'#nowhere' is not in it")]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"type":"null"},{"$ref":"#"}]}}}""", "refers to itself without anything between")]
    [InlineData("""{"type":"object","properties":{"x":{"type":"object","properties":{"y":{"type":"string","minLength":3,"maxLength":2}},"required":["y"]}},"required":["x"]}""", "#/properties/x/properties/y holds no value valid")]
    [InlineData("""{"type":"array","items":{"allOf":[{"type":"integer"},{"type":"string"}]},"minItems":1}""", "#/items holds no value valid")]
    [InlineData("""{"type":"array","items":{"type":"string"},"uniqueItems":true}""", "'uniqueItems' can be followed only")]
    [InlineData("""{"type":"number","multipleOf":0.01}""", "multiples of 0.01 are not written")]
    [InlineData("""{"type":"string","format":"colour"}""", "the format 'colour' is not known")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-04/schema#"}""", "draft-04/schema' is not known")]
    [InlineData("""{"items":[{"type":"integer"}]}""", "say prefixItems")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-07/schema#","prefixItems":[{}]}""", "'prefixItems' is not of the draft")]
    [InlineData("""{"required":"a"}""", "#/required: a list of texts is expected")]
    [InlineData("""{"not":{"$dynamicRef":"#a"}}""", "'$dynamicRef' is understood only")]
    [InlineData("""{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}""", "'x' names another schema already")]
    [InlineData("""{"not":{}}""", "holds no value valid")]
    [InlineData("""{"type":"string","not":{"format":"regex"}}""", "('format' at #/not can't be told where it does not hold)")]
    [InlineData("""{"type":"object","additionalProperties":{"type":"integer"},"minProperties":90000}""", "minProperties or maxProperties is too large")]
    [InlineData("""{"type":"string","maxLength":100000,"pattern":"^[a-z ]+$"}""", "too complicated")]
    public void A_schema_that_is_not_followed_is_refused_by_name_and_place(string schema, string message) =>
        Assert.Contains(message, Assert.Throws<SoftmodelException>(() => Constraint.JsonSchema(schema)).Message, StringComparison.Ordinal);

    [JsonPolymorphic(TypeDiscriminatorPropertyName = "$type")]
    [JsonDerivedType(typeof(Circle), "circle")]
    [JsonDerivedType(typeof(Square), "square")]
    public abstract record Shape(string Name);

    public record Circle(string Name, double Radius) : Shape(Name);

    public record Square(string Name, bool IsFilled) : Shape(Name);

    public enum Mood
    {
        Calm,
        Glad,
    }

    public record Node(bool Value, Node? Next, List<Node> Children);

    public record Drawing([property: Description("What is drawn")] Shape? Main, List<Shape> Shapes, Dictionary<string, Shape> ByName, Node Tree, Mood? Mood, DateOnly Day, Guid Id, Uri Link, double[] Numbers);

    [Theory]
    [InlineData(typeof(Shape))]
    [InlineData(typeof(Node))]
    [InlineData(typeof(Drawing))]
    public void What_is_written_by_the_schema_of_a_type_becomes_one_of_it(Type type)
    {
        var constraint = Constraint.JsonSchema(AIJsonUtilities.CreateJsonSchema(type).GetRawText());
        for (var seed = 0; seed < 30; seed++)
        {
            var text = Walk(constraint, seed, 600);
            // A day may lie before the first year of .NET.
            if (!text.Contains("\"0000-", StringComparison.Ordinal))
                Assert.NotNull(Read(text));
        }

        object? Read(string text)
        {
            try
            {
                return JsonSerializer.Deserialize(text, type, AIJsonUtilities.DefaultOptions);
            }
            catch (JsonException e)
            {
                throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{text}: {e.Message}"), e);
            }
        }
    }
}
