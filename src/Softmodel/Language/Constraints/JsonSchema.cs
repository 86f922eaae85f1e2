using System.Globalization;
using System.Text.Json;

namespace Softmodel.Language.Constraints;

/// <summary>
/// Makes terms of JSON Schema (2020-12, and what draft 7 calls otherwise). Every text of the term is a valid instance; not every
/// valid instance is a text of it: members come in the order of the schema, and unless the schema says something of them there are
/// no others.
/// </summary>
sealed class JsonSchema
{
    // What says nothing of what is valid, or not in a way that is checked.
    static readonly HashSet<string> annotations = new(StringComparer.Ordinal)
    {
        "$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
        "contentEncoding", "contentMediaType", "contentSchema",
    };

    static readonly string[] forObjects = ["properties", "required", "additionalProperties"];
    static readonly string[] forArrays = ["items", "prefixItems", "additionalItems", "minItems", "maxItems"];
    static readonly string[] forTexts = ["minLength", "maxLength", "pattern", "format"];
    static readonly string[] forNumbers = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    static readonly HashSet<string> known = new([.. forObjects, .. forArrays, .. forTexts, .. forNumbers, "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"], StringComparer.Ordinal);

    // Of the standard, and not understood: to go on would be to write what is not valid.
    static readonly HashSet<string> refused = new(StringComparer.Ordinal)
    {
        "not", "if", "then", "else", "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies",
        "uniqueItems", "contains", "minContains", "maxContains", "multipleOf", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef",
    };

    static readonly Dictionary<string, string> formats = new(StringComparer.Ordinal)
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}T{Time}",
        ["uuid"] = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        ["ipv4"] = $"{Octet}(\\.{Octet}){{3}}",
        ["email"] = "[a-z0-9]+([._+-][a-z0-9]+)*@([a-z0-9]+(-[a-z0-9]+)*\\.)+[a-z]{2,}",
        ["hostname"] = "[a-z0-9]+(-[a-z0-9]+)*(\\.[a-z0-9]+(-[a-z0-9]+)*)*",
        ["duration"] = "P[0-9]+D|PT[0-9]+[HMS]",
        ["uri"] = "https?://([a-z0-9]+(-[a-z0-9]+)*\\.)+[a-z]{2,}(/[A-Za-z0-9._~-]+)*/?",
    };

    const string Date = "[0-9]{4}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)";
    const string Time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    const string Octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

    readonly Terms terms;
    readonly JsonTerms json;
    readonly JsonElement root;
    readonly Dictionary<string, Term> references = new(StringComparer.Ordinal);

    JsonSchema(Terms terms, JsonElement root) => (this.terms, json, this.root) = (terms, new(terms), root);

    /// <summary>Makes a term of a schema.</summary>
    /// <param name="terms">Where the term is made.</param>
    /// <param name="text">The schema, in JSON.</param>
    /// <exception cref="SoftmodelException">It is none, or demands what is not understood.</exception>
    public static Term Read(Terms terms, string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return new JsonSchema(terms, document.RootElement).Of(document.RootElement, "#");
        }
        catch (JsonException e)
        {
            throw new SoftmodelException($"the schema is no JSON: {e.Message}", e);
        }
    }

    static SoftmodelException Wrong(string path, string what) => new($"the schema at {path}: {what}");

    Term Of(JsonElement schema, string path)
    {
        if (schema.ValueKind is JsonValueKind.True)
            return json.Any;
        if (schema.ValueKind is JsonValueKind.False)
            return terms.Nothing;
        if (schema.ValueKind is not JsonValueKind.Object)
            throw Wrong(path, "an object is expected, or true or false");
        foreach (var keyword in schema.EnumerateObject())
        {
            if (refused.Contains(keyword.Name) && keyword.Value.ValueKind is not JsonValueKind.False)
                throw Wrong(path, $"'{keyword.Name}' is not understood, and to ignore it would give what is not valid; leave it out, and check it afterwards");
        }
        JsonElement? Get(string name) => schema.TryGetProperty(name, out var value) ? value : null;
        if (Get("allOf") is { } all)
            return Of(Merged(schema, all, path), path);
        string[] meant = [.. schema.EnumerateObject().Select(p => p.Name).Where(known.Contains)];
        // These stand for all of a schema; beside others they would have to be intersected with them.
        foreach (var alone in (string[])["$ref", "const", "enum", "anyOf", "oneOf"])
        {
            if (Get(alone) is not { } value)
                continue;
            if (alone is "const" or "enum")
                return Values(schema, alone is "const" ? [value] : [.. Elements(value, $"{path}/enum")], path);
            if (meant.FirstOrDefault(n => n != alone && n != "type") is { } other)
                throw Wrong(path, $"'{alone}' beside '{other}' is not understood; put one of them inside the other");
            if (alone is "$ref")
                return Reference(value, path);
            var branches = Elements(value, $"{path}/{alone}").Select((e, i) => Get("type") is { } type ? Typed(e, type, $"{path}/{alone}/{i}") : Of(e, $"{path}/{alone}/{i}"));
            return terms.Either([.. branches]);
        }
        string[] types = Get("type") switch
        {
            { ValueKind: JsonValueKind.String } type => [type.GetString()!],
            { } list => [.. Elements(list, $"{path}/type").Select(e => Text(e, $"{path}/type"))],
            null => Implied(meant),
        };
        return types.Length == 0 ? json.Any : terms.Either([.. types.Select(t => OfType(t, schema, path))]);
    }

    /// <summary>The types that keywords speak of, where a schema says none.</summary>
    static string[] Implied(string[] keywords) =>
    [
        .. keywords.Any(forObjects.Contains) ? ["object"] : (string[])[],
        .. keywords.Any(forArrays.Contains) ? ["array"] : (string[])[],
        .. keywords.Any(forTexts.Contains) ? ["string"] : (string[])[],
        .. keywords.Any(forNumbers.Contains) ? ["number"] : (string[])[],
    ];

    /// <summary>One of several branches, to which a type beside them adds itself.</summary>
    Term Typed(JsonElement branch, JsonElement type, string path)
    {
        if (branch.ValueKind is not JsonValueKind.Object || branch.TryGetProperty("type", out _) || branch.TryGetProperty("$ref", out _))
            return Of(branch, path);
        var members = branch.EnumerateObject().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
        members["type"] = type;
        return Of(JsonSerializer.SerializeToElement(members), path);
    }

    static IEnumerable<JsonElement> Elements(JsonElement value, string path) => value.ValueKind is JsonValueKind.Array ? value.EnumerateArray() : throw Wrong(path, "a list is expected");

    static string Text(JsonElement value, string path) => value.ValueKind is JsonValueKind.String ? value.GetString()! : throw Wrong(path, "a text is expected");

    /// <summary>Values that are listed, as far as the keywords beside them allow it.</summary>
    Term Values(JsonElement schema, JsonElement[] values, string path)
    {
        if (schema.EnumerateObject().Select(p => p.Name).FirstOrDefault(n => known.Contains(n) && n is not ("const" or "enum" or "type")) is { } other)
            throw Wrong(path, $"'{other}' beside a list of values is not understood; leave out the values that it excludes");
        bool Is(JsonElement value, string type) => type switch
        {
            "object" => value.ValueKind is JsonValueKind.Object,
            "array" => value.ValueKind is JsonValueKind.Array,
            "string" => value.ValueKind is JsonValueKind.String,
            "number" => value.ValueKind is JsonValueKind.Number,
            "integer" => value.ValueKind is JsonValueKind.Number && value.TryGetDouble(out var number) && Math.Floor(number) == number,
            "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
            "null" => value.ValueKind is JsonValueKind.Null,
            _ => throw Wrong(path, $"there is no type '{type}'"),
        };
        if (schema.TryGetProperty("type", out var type))
        {
            string[] types = type.ValueKind is JsonValueKind.String ? [type.GetString()!] : [.. Elements(type, $"{path}/type").Select(e => Text(e, $"{path}/type"))];
            values = [.. values.Where(v => types.Any(t => Is(v, t)))];
        }
        if (schema.TryGetProperty("const", out var constant) && schema.TryGetProperty("enum", out var list))
            values = [.. Elements(list, $"{path}/enum").Where(v => JsonElement.DeepEquals(v, constant))];
        return terms.Either([.. values.Select(v => terms.Literal(JsonTerms.Written(v)))]);
    }

    Term Reference(JsonElement value, string path)
    {
        var name = Text(value, $"{path}/$ref");
        if (references.TryGetValue(name, out var known))
            return known;
        if (!name.StartsWith('#'))
            throw Wrong(path, $"'{name}' lies elsewhere; only what is in the schema itself can be referred to, as in #/$defs/name");
        var target = root;
        foreach (var part in name[1..].Split('/').Skip(1))
        {
            var key = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            JsonElement? next = target.ValueKind is JsonValueKind.Object && target.TryGetProperty(key, out var member) ? member
                : target.ValueKind is JsonValueKind.Array && int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < target.GetArrayLength() ? target[index] : null;
            target = next ?? throw Wrong(path, $"'{name}' is not in it");
        }
        var rule = references[name] = terms.Rule();
        terms.Define(rule, Of(target, name));
        return rule;
    }

    Term OfType(string type, JsonElement schema, string path) => type switch
    {
        "object" => Object(schema, path),
        "array" => Array(schema, path),
        "string" => String(schema, path),
        "number" => Bounded(json.Number, schema, path),
        "integer" => Bounded(json.Integer, schema, path),
        "boolean" => json.Boolean,
        "null" => json.Null,
        _ => throw Wrong(path, $"there is no type '{type}'; there are object, array, string, number, integer, boolean and null"),
    };

    Term Object(JsonElement schema, string path)
    {
        var members = new List<(string Name, JsonElement? Schema)>();
        if (schema.TryGetProperty("properties", out var properties))
        {
            if (properties.ValueKind is not JsonValueKind.Object)
                throw Wrong($"{path}/properties", "an object is expected");
            members.AddRange(properties.EnumerateObject().Select(p => (p.Name, (JsonElement?)p.Value)));
        }
        var required = schema.TryGetProperty("required", out var list) ? Elements(list, $"{path}/required").Select(e => Text(e, $"{path}/required")).ToHashSet(StringComparer.Ordinal) : [];
        members.AddRange(required.Except(members.Select(m => m.Name)).Select(n => (n, (JsonElement?)null)));
        JsonElement? others = schema.TryGetProperty("additionalProperties", out var additional) ? additional : null;
        var other = others is { } o ? Of(o, $"{path}/additionalProperties") : members.Count == 0 ? json.Any : terms.Nothing;
        var isOpen = others is null;
        var keys = json.Quoted(terms.Both(terms.Repeat(json.Character, 0, Terms.Unbounded), terms.Not(terms.Either([.. members.Select(m => terms.Literal(JsonTerms.Written(m.Name)[1..^1]))]))));
        var more = json.Member(keys, other);
        var following = terms.Repeat(terms.Then(json.Separator, more), 0, Terms.Unbounded);
        // What may come when nothing has, and when something has: from the last member backwards.
        var (first, then) = (terms.Optional(terms.Then(more, following)), following);
        foreach (var (name, value) in Enumerable.Reverse(members))
        {
            var term = value is { } given ? Of(given, $"{path}/properties/{name}") : isOpen ? json.Any : other;
            var member = json.Member(terms.Literal(JsonTerms.Written(name)), term);
            var (begun, gone) = (terms.Then(member, then), terms.Then(json.Separator, member, then));
            (first, then) = required.Contains(name) ? (begun, gone) : (terms.Either(begun, first), terms.Either(gone, then));
        }
        return json.Object(first);
    }

    Term Array(JsonElement schema, string path)
    {
        JsonElement? Get(string name) => schema.TryGetProperty(name, out var value) ? value : null;
        var isOld = Get("items") is { ValueKind: JsonValueKind.Array };
        var prefix = (Get("prefixItems") ?? (isOld ? Get("items") : null)) is { } list ? Elements(list, $"{path}/prefixItems").ToArray() : [];
        var others = isOld ? Get("additionalItems") : Get("items");
        var item = others is { } o ? Of(o, $"{path}/items") : json.Any;
        var (least, most) = (Count(schema, "minItems", path) ?? 0, Count(schema, "maxItems", path) ?? Terms.Unbounded);
        if (least > most)
            return terms.Nothing;
        Term Following(int from) => most <= from ? terms.Empty
            : terms.Repeat(terms.Then(json.Separator, item), Math.Max(0, least - from), most == Terms.Unbounded ? most : most - from);
        var rest = prefix.Length > 0 || most == 0 ? Following(prefix.Length) : terms.Then(item, Following(1));
        if (prefix.Length == 0)
            return json.Array(least == 0 ? terms.Optional(rest) : rest);
        for (var i = Math.Min(prefix.Length, most) - 1; i >= 0; i--)
        {
            var one = terms.Then(i == 0 ? terms.Empty : json.Separator, Of(prefix[i], $"{path}/prefixItems/{i}"), rest);
            rest = i >= least ? terms.Optional(one) : one;
        }
        return json.Array(rest);
    }

    static int? Count(JsonElement schema, string name, string path) => !schema.TryGetProperty(name, out var value) ? null
        : value.ValueKind is JsonValueKind.Number && value.TryGetDouble(out var count) && count >= 0 && Math.Floor(count) == count ? (int)Math.Min(count, Terms.Unbounded - 1)
        : throw Wrong($"{path}/{name}", "a whole number that is not negative is expected");

    Term String(JsonElement schema, string path)
    {
        var parts = new List<Term>();
        var (least, most) = (Count(schema, "minLength", path), Count(schema, "maxLength", path));
        if (least is not null || most is not null)
            parts.Add(json.OfLength(least ?? 0, most ?? Terms.Unbounded));
        if (schema.TryGetProperty("pattern", out var pattern))
            parts.Add(Pattern.Somewhere(Text(pattern, $"{path}/pattern"), terms, json.Write));
        // A format that is not known is an annotation, says the standard.
        if (schema.TryGetProperty("format", out var format) && formats.TryGetValue(Text(format, $"{path}/format"), out var meant))
            parts.Add(Pattern.Whole(meant, terms, json.Write));
        return parts.Count == 0 ? json.Text : json.Quoted(terms.Both([.. parts]));
    }

    Term Bounded(Term number, JsonElement schema, string path)
    {
        foreach (var name in forNumbers)
        {
            if (!schema.TryGetProperty(name, out var value))
                continue;
            var isAbove = name.EndsWith("inimum", StringComparison.Ordinal);
            if (value.ValueKind is not JsonValueKind.Number || !value.TryGetDouble(out var bound))
                throw Wrong($"{path}/{name}", "a number is expected");
            // Beyond the numbers that are written there is nothing to tell apart.
            var limited = Math.Abs(bound) >= 1e15 ? bound < 0 ? -1e15m : 1e15m : value.TryGetDecimal(out var exact) ? exact : (decimal)bound;
            number = terms.Both(number, json.Beyond(limited, isAbove, name.StartsWith("exclusive", StringComparison.Ordinal)));
        }
        return number;
    }

    /// <summary>A schema with those that all are to hold beside it.</summary>
    static JsonElement Merged(JsonElement schema, JsonElement all, string path)
    {
        var merged = schema.EnumerateObject().Where(p => p.Name != "allOf").ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
        foreach (var (part, i) in Elements(all, $"{path}/allOf").Select((e, i) => (e, i)))
        {
            if (part.ValueKind is not JsonValueKind.Object)
                throw Wrong($"{path}/allOf/{i}", "an object is expected");
            foreach (var keyword in part.EnumerateObject())
                merged[keyword.Name] = merged.TryGetValue(keyword.Name, out var own) ? Join(keyword.Name, own, keyword.Value, $"{path}/allOf/{i}") : keyword.Value;
        }
        return JsonSerializer.SerializeToElement(merged);
    }

    static JsonElement Join(string name, JsonElement x, JsonElement y, string path)
    {
        if (annotations.Contains(name) || JsonElement.DeepEquals(x, y))
            return x;
        switch (name)
        {
            case "required":
                return JsonSerializer.SerializeToElement(Elements(x, path).Concat(Elements(y, path)).Select(e => Text(e, path)).Distinct());
            case "properties":
                var both = x.EnumerateObject().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
                foreach (var property in y.EnumerateObject())
                    both[property.Name] = both.TryGetValue(property.Name, out var own) ? JsonSerializer.SerializeToElement(new Dictionary<string, JsonElement[]> { ["allOf"] = [own, property.Value] }) : property.Value;
                return JsonSerializer.SerializeToElement(both);
            case "minimum" or "exclusiveMinimum" or "minLength" or "minItems":
                return x.GetDouble() >= y.GetDouble() ? x : y;
            case "maximum" or "exclusiveMaximum" or "maxLength" or "maxItems":
                return x.GetDouble() <= y.GetDouble() ? x : y;
            default:
                throw Wrong(path, $"'{name}' is said twice, differently, which is not understood; say it once");
        }
    }
}
