using System.Text.Json;
using System.Text.Json.Nodes;

namespace Softmodel.Bench.Schemas;

/// <summary>Makes schemas of keywords that stand beside one another at random, over few names, so that they meet.</summary>
static class SchemaGenerator
{
    static readonly string[] names = ["a", "b", "ab", "c"];
    static readonly string[] patterns = ["^a", "b$", "^[a-c]+$", "x|y", "^.$", "a{2,3}", "^(ab|c)*$", "é"];
    static readonly string[] formats = ["date", "time", "date-time", "uuid", "ipv4", "ipv6", "email", "hostname", "uri", "uri-reference", "duration", "json-pointer", "relative-json-pointer", "regex", "uri-template", "byte", "iri", "url"];
    static readonly string[] types = ["object", "array", "string", "number", "integer", "boolean", "null"];

    /// <summary>A schema.</summary>
    public static JsonElement Make(Random random)
    {
        var isOld = random.Next(8) == 0;
        var root = Schema(random, 3, isOld) is JsonObject own ? own : [];
        var defs = new JsonObject();
        foreach (var name in names)
            defs[name] = Schema(random, 1, isOld);
        root[isOld ? "definitions" : "$defs"] = defs;
        if (isOld)
            root.Insert(0, "$schema", "http://json-schema.org/draft-07/schema#");
        return JsonSerializer.SerializeToElement(root);
    }

    static T Of<T>(Random random, IReadOnlyList<T> list) => list[random.Next(list.Count)];

    static JsonNode Schema(Random random, int depth, bool isOld)
    {
        if (random.Next(12) == 0)
            return random.Next(3) > 0;
        var schema = new JsonObject();
        if (random.Next(3) > 0)
            schema["type"] = random.Next(4) > 0 ? Of(random, types) : new JsonArray([.. types.Where(_ => random.Next(3) == 0).DefaultIfEmpty("object").Select(t => JsonValue.Create(t))]);
        for (var i = random.Next(1, 4); i > 0; i--)
            Add(schema, random, depth, isOld);
        return schema;
    }

    static JsonArray List(Random random, int depth, bool isOld) => [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Schema(random, depth - 1, isOld))];

    static JsonArray Names(Random random) => [.. names.Where(_ => random.Next(2) == 0).Select(n => JsonValue.Create(n))];

    static JsonObject Map(Random random, IEnumerable<string> keys, Func<JsonNode> value)
    {
        var map = new JsonObject();
        foreach (var key in keys.Where(_ => random.Next(2) == 0))
            map[key] = value();
        return map;
    }

    static JsonNode Value(Random random, int depth) => random.Next(depth > 0 ? 8 : 6) switch
    {
        0 => random.Next(-3, 12),
        1 => Of(random, (double[])[0.5, -1.25, 1e3, 3]),
        2 or 3 => Of(random, (string[])["a", "ab", "", "é😀", "a\"b\\c\n", "2024-02-29"]),
        4 => random.Next(2) == 0,
        5 => new JsonObject(),
        6 => new JsonArray([.. Enumerable.Range(0, random.Next(3)).Select(_ => Value(random, depth - 1))]),
        _ => Map(random, names, () => Value(random, depth - 1)),
    };

    static void Add(JsonObject schema, Random random, int depth, bool isOld)
    {
        JsonNode Below() => depth > 0 ? Schema(random, depth - 1, isOld) : new JsonObject { ["type"] = Of(random, types) };
        switch (random.Next(40))
        {
            case 0 or 1 or 2 or 3: schema["properties"] = Map(random, names, Below); break;
            case 4 or 5: schema["required"] = Names(random); break;
            case 6: schema["additionalProperties"] = random.Next(2) == 0 ? false : Below(); break;
            case 7: schema["patternProperties"] = Map(random, patterns, Below); break;
            case 8: schema["propertyNames"] = random.Next(2) == 0 ? new JsonObject { ["pattern"] = Of(random, patterns) } : Below(); break;
            case 9: schema["minProperties"] = random.Next(4); break;
            case 10: schema["maxProperties"] = random.Next(4); break;
            case 11 when !isOld: schema["dependentRequired"] = Map(random, names, () => Names(random)); break;
            case 12 when !isOld: schema["dependentSchemas"] = Map(random, names, Below); break;
            case 11 or 12: schema["dependencies"] = Map(random, names, () => random.Next(2) == 0 ? Names(random) : Below()); break;
            case 13 when !isOld: schema["unevaluatedProperties"] = random.Next(2) == 0 ? false : Below(); break;
            case 14 or 15: schema["items"] = Below(); break;
            case 16 when !isOld: schema["prefixItems"] = List(random, depth, isOld); break;
            case 16: (schema["items"], schema["additionalItems"]) = (List(random, depth, isOld), Below()); break;
            case 17: schema["minItems"] = random.Next(4); break;
            case 18: schema["maxItems"] = random.Next(4); break;
            case 19: schema["contains"] = Below(); break;
            case 20 when !isOld: (schema["contains"], schema["minContains"], schema["maxContains"]) = (Below(), random.Next(3), random.Next(1, 4)); break;
            case 21: (schema["items"], schema["uniqueItems"]) = (new JsonObject { ["enum"] = new JsonArray([.. Enumerable.Range(0, 4).Select(_ => Value(random, 0))]) }, true); break;
            case 22 when !isOld: schema["unevaluatedItems"] = random.Next(2) == 0 ? false : Below(); break;
            case 23: schema["minLength"] = random.Next(4); break;
            case 24: schema["maxLength"] = random.Next(6); break;
            case 25: schema["pattern"] = Of(random, patterns); break;
            case 26: schema["format"] = Of(random, formats); break;
            case 27: schema["minimum"] = random.Next(-20, 20) / Of(random, (double[])[1, 2, 10]); break;
            case 28: schema["exclusiveMaximum"] = random.Next(-20, 40) / Of(random, (double[])[1, 2, 10]); break;
            case 29: schema["multipleOf"] = Of(random, (double[])[1, 2, 3, 10, 0.5, 0.25]); break;
            case 30: schema["const"] = Value(random, 2); break;
            case 31 or 32: schema["enum"] = new JsonArray([.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => Value(random, 2))]); break;
            case 33: schema["allOf"] = List(random, depth, isOld); break;
            case 34: schema["anyOf"] = List(random, depth, isOld); break;
            case 35: schema["oneOf"] = List(random, depth, isOld); break;
            case 36: schema["not"] = Below(); break;
            case 37: (schema["if"], schema["then"], schema["else"]) = (Below(), Below(), Below()); break;
            default: schema["$ref"] = random.Next(6) == 0 ? "#" : $"#/{(isOld ? "definitions" : "$defs")}/{Of(random, names)}"; break;
        }
    }
}
