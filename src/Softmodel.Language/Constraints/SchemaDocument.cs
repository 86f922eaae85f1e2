using System.Text.Json;
using System.Text.RegularExpressions;

namespace Softmodel.Language.Constraints;

/// <summary>Which of the standard's editions a schema is of. Draft 6 is read as draft 7, which adds to it.</summary>
enum Draft
{
    /// <summary>Draft 7.</summary>
    Seven,
    /// <summary>2019-09.</summary>
    Of2019,
    /// <summary>2020-12, which is also what a schema is of that does not say.</summary>
    Of2020,
}

/// <summary>A schema where it stands in its document; or a value that <c>const</c> or <c>enum</c> demands, which is one too.</summary>
/// <param name="Id">In the order in which they were met.</param>
/// <param name="Element">What it says.</param>
/// <param name="Path">Where it stands, as a JSON pointer from the root of the document.</param>
/// <param name="Base">What its references are relative to; nothing where the document says none.</param>
/// <param name="IsValue">Whether it is a value that is demanded.</param>
sealed record Schema(int Id, JsonElement Element, string Path, string Base, bool IsValue)
{
    /// <summary>What it says by keyword.</summary>
    public Dictionary<string, JsonElement> Keywords { get; } = !IsValue && Element.ValueKind is JsonValueKind.Object ? Element.EnumerateObject().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal) : [];

    /// <summary>What it says with a keyword.</summary>
    public JsonElement? Get(string keyword) => Keywords.TryGetValue(keyword, out var value) ? value : null;

    /// <summary>The count that it says with a keyword.</summary>
    public int? Count(string keyword) => Get(keyword) is { } value ? (int)Math.Min(value.GetDouble(), Terms.Unbounded - 1) : null;

    /// <inheritdoc/>
    public bool Equals(Schema? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => Id;
}

/// <summary>A schema's document: its keywords checked, and what can be referred to found.</summary>
sealed partial class SchemaDocument
{
    const int MostDepth = 1000;

    /// <summary>What a keyword's value has to be.</summary>
    enum Value { Any, Boolean, Text, Texts, TextsByName, List, Type, Count, Number, Positive, Schema, Schemas, SchemaOrSchemas, SchemasByName, SchemasOrTextsByName }

    sealed record Keyword(Value Value, JsonTypes About = JsonTypes.None, Draft From = Draft.Seven, Draft To = Draft.Of2020);

    static readonly Dictionary<string, Keyword> keywords = new(StringComparer.Ordinal)
    {
        ["$schema"] = new(Value.Text),
        ["$id"] = new(Value.Text),
        ["$anchor"] = new(Value.Text),
        ["$ref"] = new(Value.Text),
        ["$dynamicAnchor"] = new(Value.Text, From: Draft.Of2020),
        ["$dynamicRef"] = new(Value.Text, From: Draft.Of2020),
        ["$recursiveAnchor"] = new(Value.Boolean, From: Draft.Of2019, To: Draft.Of2019),
        ["$recursiveRef"] = new(Value.Text, From: Draft.Of2019, To: Draft.Of2019),
        ["$defs"] = new(Value.SchemasByName),
        ["definitions"] = new(Value.SchemasByName),
        ["type"] = new(Value.Type),
        ["const"] = new(Value.Any),
        ["enum"] = new(Value.List),
        ["allOf"] = new(Value.Schemas),
        ["anyOf"] = new(Value.Schemas),
        ["oneOf"] = new(Value.Schemas),
        ["not"] = new(Value.Schema),
        ["if"] = new(Value.Schema),
        ["then"] = new(Value.Schema),
        ["else"] = new(Value.Schema),
        ["properties"] = new(Value.SchemasByName, JsonTypes.Object),
        ["patternProperties"] = new(Value.SchemasByName, JsonTypes.Object),
        ["additionalProperties"] = new(Value.Schema, JsonTypes.Object),
        ["propertyNames"] = new(Value.Schema, JsonTypes.Object),
        ["required"] = new(Value.Texts, JsonTypes.Object),
        ["minProperties"] = new(Value.Count, JsonTypes.Object),
        ["maxProperties"] = new(Value.Count, JsonTypes.Object),
        ["dependencies"] = new(Value.SchemasOrTextsByName, JsonTypes.Object),
        ["dependentRequired"] = new(Value.TextsByName, JsonTypes.Object, Draft.Of2019),
        ["dependentSchemas"] = new(Value.SchemasByName, JsonTypes.Object, Draft.Of2019),
        ["unevaluatedProperties"] = new(Value.Schema, JsonTypes.Object, Draft.Of2019),
        ["items"] = new(Value.SchemaOrSchemas, JsonTypes.Array),
        ["additionalItems"] = new(Value.Schema, JsonTypes.Array, To: Draft.Of2019),
        ["prefixItems"] = new(Value.Schemas, JsonTypes.Array, Draft.Of2020),
        ["minItems"] = new(Value.Count, JsonTypes.Array),
        ["maxItems"] = new(Value.Count, JsonTypes.Array),
        ["uniqueItems"] = new(Value.Boolean, JsonTypes.Array),
        ["contains"] = new(Value.Schema, JsonTypes.Array),
        ["minContains"] = new(Value.Count, From: Draft.Of2019),
        ["maxContains"] = new(Value.Count, From: Draft.Of2019),
        ["unevaluatedItems"] = new(Value.Schema, JsonTypes.Array, Draft.Of2019),
        ["minLength"] = new(Value.Count, JsonTypes.String),
        ["maxLength"] = new(Value.Count, JsonTypes.String),
        ["pattern"] = new(Value.Text, JsonTypes.String),
        ["format"] = new(Value.Text),
        ["minimum"] = new(Value.Number, JsonTypes.Number),
        ["maximum"] = new(Value.Number, JsonTypes.Number),
        ["exclusiveMinimum"] = new(Value.Number, JsonTypes.Number),
        ["exclusiveMaximum"] = new(Value.Number, JsonTypes.Number),
        ["multipleOf"] = new(Value.Positive, JsonTypes.Number),
    };

    static readonly Dictionary<string, Draft> drafts = new(StringComparer.Ordinal)
    {
        ["http://json-schema.org/draft-06/schema"] = Draft.Seven,
        ["http://json-schema.org/draft-07/schema"] = Draft.Seven,
        ["https://json-schema.org/draft/2019-09/schema"] = Draft.Of2019,
        ["https://json-schema.org/draft/2020-12/schema"] = Draft.Of2020,
    };

    readonly Dictionary<string, Schema> schemas = new(StringComparer.Ordinal), values = new(StringComparer.Ordinal);
    readonly Dictionary<string, Schema> resources = new(StringComparer.Ordinal), anchors = new(StringComparer.Ordinal);
    readonly HashSet<string> dynamicAnchors = new(StringComparer.Ordinal);
    readonly JsonElement root;
    string? demanded;
    int count;

    SchemaDocument(JsonElement root)
    {
        this.root = root;
        (Nothing, Draft) = (new(count++, JsonElement.Parse("false"), "#", "", false), Draft.Of2020);
        Check(root, "#");
        if (root.ValueKind is JsonValueKind.Object && root.TryGetProperty("$schema", out var said))
        {
            demanded = said.ValueKind is JsonValueKind.String ? said.GetString()!.TrimEnd('#') : throw Wrong("#/$schema", "a text is expected");
            Draft = drafts.TryGetValue(demanded, out var draft) ? draft : throw Wrong("#/$schema", $"'{demanded}' is not known; known are {string.Join(", ", drafts.Keys)}");
        }
        demanded ??= "https://json-schema.org/draft/2020-12/schema";
        Root = Register(root, "#", "");
    }

    /// <summary>Which edition it is of.</summary>
    public Draft Draft { get; }

    /// <summary>The whole.</summary>
    public Schema Root { get; }

    /// <summary>A schema that nothing is valid by.</summary>
    public Schema Nothing { get; }

    /// <summary>The types that a keyword speaks of.</summary>
    public static JsonTypes About(string keyword) => keywords.TryGetValue(keyword, out var known) ? known.About : JsonTypes.None;

    /// <summary>Reads a document.</summary>
    /// <exception cref="SoftmodelException">It is none: the message says where and why.</exception>
    public static SchemaDocument Read(string text)
    {
        try
        {
            return new(JsonElement.Parse(text, new() { MaxDepth = MostDepth }));
        }
        catch (JsonException e)
        {
            throw new SoftmodelException($"the schema is no JSON of at most {MostDepth} levels: {e.Message}", e);
        }
    }

    /// <summary>An error with the place in the schema where it lies.</summary>
    public static SoftmodelException Wrong(string path, string what) => new($"the schema at {path}: {what}");

    // A name that comes twice has one meaning to one reader and another to the next; half of a pair is no text to any.
    static void Check(JsonElement element, string path)
    {
        try
        {
            switch (element.ValueKind)
            {
                case JsonValueKind.String:
                    element.GetString();
                    break;
                case JsonValueKind.Array:
                    foreach (var (item, i) in element.EnumerateArray().Select((e, i) => (e, i)))
                        Check(item, $"{path}/{i}");
                    break;
                case JsonValueKind.Object:
                    var names = new HashSet<string>(StringComparer.Ordinal);
                    foreach (var member in element.EnumerateObject())
                    {
                        if (!names.Add(member.Name))
                            throw Wrong(path, $"'{member.Name}' stands there twice");
                        Check(member.Value, $"{path}/{Escaped(member.Name)}");
                    }
                    break;
            }
        }
        catch (InvalidOperationException e)
        {
            throw new SoftmodelException(Wrong(path, "a text holds half of a surrogate pair, which is no character and can't be written").Message, e);
        }
    }

    static string Escaped(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    /// <summary>The schema below another.</summary>
    /// <param name="schema">The other.</param>
    /// <param name="names">The keyword, then a name or a place in a list.</param>
    public Schema Below(Schema schema, params ReadOnlySpan<string> names)
    {
        var path = schema.Path;
        foreach (var name in names)
            path += $"/{Escaped(name)}";
        return schemas[path];
    }

    /// <summary>A value that is demanded, as a schema.</summary>
    public Schema Equal(JsonElement value, string path)
    {
        if (!values.TryGetValue(path, out var schema))
            values[path] = schema = new(count++, value, path, "", true);
        return schema;
    }

    Schema Register(JsonElement start, string at, string from)
    {
        for (var todo = new Stack<(JsonElement, string, string)>([(start, at, from)]); todo.TryPop(out var next);)
        {
            var (element, path, origin) = next;
            if (schemas.ContainsKey(path))
                continue;
            if (element.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
                throw Wrong(path, "an object is expected, or true or false");
            string? id = null;
            if (element.ValueKind is JsonValueKind.Object)
            {
                foreach (var keyword in element.EnumerateObject())
                {
                    if (keywords.TryGetValue(keyword.Name, out var known))
                        Check(keyword, known, path);
                }
                id = element.TryGetProperty("$id", out var said) ? said.GetString()! : null;
                if (element.TryGetProperty("$schema", out var draft) && draft.GetString()!.TrimEnd('#') != demanded)
                    throw Wrong(path, "it is of another draft than the whole; write both in one");
            }
            // Draft 7 names a place so.
            var anchor = id is ['#', _, ..] && Draft is Draft.Seven ? id[1..] : null;
            if (id is not null && anchor is null)
            {
                if (id.TrimEnd('#').Contains('#', StringComparison.Ordinal))
                    throw Wrong($"{path}/$id", "a name of a part of a document is no $id; say it as $anchor");
                origin = Resolved(origin, id.TrimEnd('#'));
            }
            var schema = schemas[path] = new(count++, element, path, origin, false);
            if (path == "#")
                resources[""] = schema;
            if (id is not null && anchor is null && !resources.TryAdd(origin, schema) && resources[origin] != schema)
                throw Wrong($"{path}/$id", $"'{id}' names another schema already");
            var dynamic = schema.Get("$dynamicAnchor")?.GetString();
            foreach (var name in (string?[])[anchor, schema.Get("$anchor")?.GetString(), dynamic])
            {
                if (name is not null && !anchors.TryAdd($"{origin}#{name}", schema) && anchors[$"{origin}#{name}"] != schema)
                    throw Wrong(path, $"'{name}' names another schema already");
            }
            if (dynamic is not null)
                dynamicAnchors.Add(dynamic);
            foreach (var keyword in schema.Keywords)
            {
                foreach (var (below, name) in keywords.TryGetValue(keyword.Key, out var known) ? Below(keyword.Value, known.Value) : [])
                    todo.Push((below, $"{path}/{Escaped(keyword.Key)}{(name is null ? "" : $"/{Escaped(name)}")}", origin));
            }
        }
        return schemas[at];
    }

    static IEnumerable<(JsonElement Element, string? Name)> Below(JsonElement value, Value kind) => kind switch
    {
        Value.Schema or Value.SchemaOrSchemas when value.ValueKind is not JsonValueKind.Array => [(value, null)],
        Value.Schemas or Value.SchemaOrSchemas => value.EnumerateArray().Select((e, i) => (e, (string?)$"{i}")),
        Value.SchemasByName => value.EnumerateObject().Select(p => (p.Value, (string?)p.Name)),
        Value.SchemasOrTextsByName => value.EnumerateObject().Where(p => p.Value.ValueKind is not JsonValueKind.Array).Select(p => (p.Value, (string?)p.Name)),
        _ => [],
    };

    void Check(JsonProperty keyword, Keyword known, string path)
    {
        var (name, value) = (keyword.Name, keyword.Value);
        if (Draft < known.From || Draft > known.To)
            throw Wrong(path, $"'{name}' is not of the draft that the schema is of ({demanded}); {(name is "additionalItems" ? "say prefixItems and items" : "say which it is of with $schema")}");
        static bool IsTexts(JsonElement list) => list.ValueKind is JsonValueKind.Array && list.EnumerateArray().All(e => e.ValueKind is JsonValueKind.String);
        var (isRight, what) = known.Value switch
        {
            Value.Boolean => (value.ValueKind is JsonValueKind.True or JsonValueKind.False, "true or false"),
            Value.Text => (value.ValueKind is JsonValueKind.String, "a text"),
            Value.Texts => (IsTexts(value), "a list of texts"),
            Value.TextsByName => (value.ValueKind is JsonValueKind.Object && value.EnumerateObject().All(p => IsTexts(p.Value)), "an object of lists of texts"),
            Value.List => (value.ValueKind is JsonValueKind.Array, "a list"),
            Value.Type => (value.ValueKind is JsonValueKind.String || (IsTexts(value) && value.GetArrayLength() > 0), "a text or a list of texts"),
            Value.Count => (value.ValueKind is JsonValueKind.Number && value.TryGetDouble(out var count) && count >= 0 && Math.Floor(count) == count, "an integer that is not negative"),
            Value.Number => (value.ValueKind is JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number), "a number"),
            Value.Positive => (value.ValueKind is JsonValueKind.Number && value.TryGetDouble(out var positive) && positive > 0 && double.IsFinite(positive), "a number above 0"),
            Value.Schemas => (value.ValueKind is JsonValueKind.Array && value.GetArrayLength() > 0, "a list of schemas"),
            Value.SchemaOrSchemas when Draft is Draft.Of2020 => (value.ValueKind is not JsonValueKind.Array, "a schema (a list of them is of the drafts before 2020-12: say prefixItems, or which draft it is of with $schema)"),
            Value.SchemasByName or Value.SchemasOrTextsByName => (value.ValueKind is JsonValueKind.Object && (known.Value is Value.SchemasByName || value.EnumerateObject().All(p => p.Value.ValueKind is not JsonValueKind.Array || IsTexts(p.Value))), "an object of schemas"),
            _ => (true, ""),
        };
        if (!isRight)
            throw Wrong($"{path}/{name}", $"{what} is expected");
        foreach (var type in known.Value is Value.Type ? value.ValueKind is JsonValueKind.String ? [value] : value.EnumerateArray().ToArray() : [])
        {
            if (type.GetString() is not ("object" or "array" or "string" or "number" or "integer" or "boolean" or "null"))
                throw Wrong(path, $"there is no type '{type.GetString()}'; there are object, array, string, number, integer, boolean and null");
        }
    }

    /// <summary>What a schema refers to with <c>$ref</c>, <c>$dynamicRef</c> or <c>$recursiveRef</c>.</summary>
    public Schema Target(Schema schema, string keyword)
    {
        var reference = schema.Keywords[keyword].GetString()!;
        // Where one document says all and its root is what is meant, there is nothing to choose as the document is applied.
        if (keyword is not "$ref" && (resources.Values.Distinct().Count() > 1 || (keyword is "$dynamicRef" ? !reference.StartsWith('#') || dynamicAnchors.Count != 1 || anchors.GetValueOrDefault($"{schema.Base}{reference}") != Root : reference != "#")))
            throw Wrong(path: schema.Path, $"'{keyword}' is understood only as \"#name\" where the root alone is named so; say $ref");
        var (uri, fragment) = reference.IndexOf('#', StringComparison.Ordinal) is var at and >= 0 ? (reference[..at], reference[(at + 1)..]) : (reference, "");
        var origin = uri.Length == 0 ? schema.Base : Resolved(schema.Base, uri);
        if (!resources.TryGetValue(origin, out var resource))
            throw Wrong(schema.Path, $"'{reference}' lies elsewhere; only what is in the schema itself can be referred to, as in #/$defs/name");
        var decoded = Uri.UnescapeDataString(fragment);
        if (decoded.Length == 0)
            return resource;
        if (decoded[0] != '/')
            return anchors.TryGetValue($"{origin}#{decoded}", out var named) ? named : throw Wrong(schema.Path, $"'{reference}' is not in it");
        var path = resource.Path + decoded;
        return schemas.TryGetValue(path, out var known) ? known : Register(Walk(resource, decoded, out path, out var from) ?? throw Wrong(schema.Path, $"'{reference}' is not in it"), path, from);
    }

    /// <summary>Finds what a JSON pointer points to, in spellings that <see cref="Escaped"/> has not, and where no schema was expected.</summary>
    JsonElement? Walk(Schema resource, string pointer, out string path, out string from)
    {
        (path, from) = (resource.Path, resource.Base);
        var target = resource.Element;
        foreach (var part in pointer.Split('/').Skip(1))
        {
            var key = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (target.ValueKind is JsonValueKind.Object && target.TryGetProperty(key, out var member))
                target = member;
            else if (target.ValueKind is JsonValueKind.Array && int.TryParse(key, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var index) && index < target.GetArrayLength())
                target = target[index];
            else
                return null;
            path += $"/{Escaped(key)}";
            from = schemas.TryGetValue(path, out var known) ? known.Base : from;
        }
        return target;
    }

    /// <summary>Every number that <c>const</c> and <c>enum</c> demand somewhere.</summary>
    public IEnumerable<JsonElement> DemandedNumbers()
    {
        for (var todo = new Stack<(JsonElement Element, bool IsDemanded)>([(root, false)]); todo.TryPop(out var next);)
        {
            if (next.IsDemanded && next.Element.ValueKind is JsonValueKind.Number)
                yield return next.Element;
            if (next.Element.ValueKind is JsonValueKind.Array)
            {
                foreach (var item in next.Element.EnumerateArray())
                    todo.Push((item, next.IsDemanded));
            }
            if (next.Element.ValueKind is JsonValueKind.Object)
            {
                foreach (var member in next.Element.EnumerateObject())
                    todo.Push((member.Value, next.IsDemanded || member.Name is "const" or "enum"));
            }
        }
    }

    /// <summary>A reference as RFC 3986 (5.2) resolves it.</summary>
    static string Resolved(string origin, string reference)
    {
        var (b, r) = (Uri3986().Match(origin), Uri3986().Match(reference));
        string Of(Match m, string part) => m.Groups[part].Value;
        var query = Of(r, "query");
        if (r.Groups["scheme"].Success)
            return reference;
        if (r.Groups["authority"].Success)
            return $"{Of(b, "scheme")}{Of(r, "authority")}{Clean(Of(r, "path"))}{query}";
        var path = Of(r, "path");
        var before = Of(b, "path");
        if (path.Length == 0)
            (path, query) = (before, r.Groups["query"].Success ? query : Of(b, "query"));
        else if (path[0] != '/')
            path = b.Groups["authority"].Success && before.Length == 0 ? $"/{path}" : before[..(before.LastIndexOf('/') + 1)] + path;
        return $"{Of(b, "scheme")}{Of(b, "authority")}{Clean(path)}{query}";
    }

    static string Clean(string path)
    {
        if (!path.Contains("./", StringComparison.Ordinal) && !path.EndsWith('.'))
            return path;
        var parts = new List<string>();
        var all = path.Split('/');
        for (var i = 0; i < all.Length; i++)
        {
            if (all[i] == ".." && parts.Count > (path[0] == '/' ? 1 : 0))
                parts.RemoveAt(parts.Count - 1);
            else if (all[i] is not ("." or ".."))
                parts.Add(all[i]);
            if (i == all.Length - 1 && all[i] is "." or "..")
                parts.Add("");
        }
        return string.Join('/', parts);
    }

    [GeneratedRegex(@"^(?<scheme>[^:/?#]+:)?(?<authority>//[^/?#]*)?(?<path>[^?#]*)(?<query>\?[^#]*)?")]
    private static partial Regex Uri3986();
}

/// <summary>The types of JSON's values.</summary>
[Flags]
enum JsonTypes
{
    /// <summary>None of them.</summary>
    None = 0,
    /// <summary>Null.</summary>
    Null = 1,
    /// <summary>True and false.</summary>
    Boolean = 2,
    /// <summary>Numbers.</summary>
    Number = 4,
    /// <summary>Texts.</summary>
    String = 8,
    /// <summary>Arrays.</summary>
    Array = 16,
    /// <summary>Objects.</summary>
    Object = 32,
    /// <summary>All of them.</summary>
    All = 63,
}
