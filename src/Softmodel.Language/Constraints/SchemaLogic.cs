using System.Text.Json;

namespace Softmodel.Language.Constraints;

/// <summary>
/// What schemas say, by type: each keyword is a fact or several, negation goes down to the facts, and keywords beside one another
/// hold together.
/// </summary>
sealed class SchemaLogic(Terms terms, JsonTerms json, SchemaDocument document)
{
    const int MostDemands = 1_000_000;

    /// <summary>All types, one by one.</summary>
    public static readonly JsonTypes[] Types = [JsonTypes.Null, JsonTypes.Boolean, JsonTypes.Number, JsonTypes.String, JsonTypes.Array, JsonTypes.Object];

    readonly Dictionary<(Demand, JsonTypes), Formula?> formulas = [];
    readonly Dictionary<string, Term> patterns = new(StringComparer.Ordinal);
    readonly Term characters = terms.Repeat(json.Character, 0, Terms.Unbounded);

    /// <summary>What was left out since it can't be told when it does not hold; null where nothing was.</summary>
    public string? LeftOut { get; private set; }

    /// <summary>What is demanded of the values of a type.</summary>
    public Formula Said(Demand demand, JsonTypes type)
    {
        if (formulas.TryGetValue((demand, type), out var known))
            return known ?? throw SchemaDocument.Wrong(demand.Of.Path, "it refers to itself without anything between, so what it says is said by itself alone");
        if (formulas.Count > MostDemands)
            throw SchemaDocument.Wrong(demand.Of.Path, "the schema says too much to be followed; demand less");
        formulas[(demand, type)] = null;
        var formula = Terms.Deep(() => demand.Of.IsValue ? Equal(demand, type) : Say(demand, type));
        formulas[(demand, type)] = formula;
        return formula;
    }

    /// <summary>What is demanded of them together.</summary>
    public Formula Said(IReadOnlyList<Demand> demands, JsonTypes type) => Formula.All(demands.Select(d => Said(d, type)));

    static Formula Truth(bool holds) => holds ? Formula.Yes : Formula.No;

    static Formula Of(FactKind kind, string path, string? name = null, Demand? value = null, Term? texts = null, int least = 0, int most = Terms.Unbounded, int place = 0) =>
        Formula.Of(new Fact(kind, path) { Name = name, Value = value, Texts = texts, Least = least, Most = most, Place = place });

    /// <summary>A fact of a number or a text.</summary>
    /// <param name="demand">Whether it is to hold.</param>
    /// <param name="type">Of which of the two.</param>
    /// <param name="written">What is written for it.</param>
    /// <param name="valid">What it holds of, where that is more.</param>
    Formula Scalar(Demand demand, JsonTypes type, Func<Term> written, Func<Term>? valid = null)
    {
        valid ??= written;
        var term = demand.IsHeld ? (demand.IsLoose ? valid : written)()
            : terms.Both(type is JsonTypes.String ? characters : json.Numbers(terms.Anything, _ => true), terms.Not((demand.IsLoose ? written : valid)()));
        return term == terms.Nothing ? Formula.No : Of(FactKind.Text, demand.Of.Path, texts: term);
    }

    Formula Equal(Demand demand, JsonTypes type)
    {
        var (value, path) = (demand.Of.Element, demand.Of.Path);
        if (TypeOf(value) != type)
            return Truth(!demand.IsHeld);
        Demand Part(JsonElement element, string name) => demand with { Of = document.Equal(element, $"{path}/{name}") };
        switch (type)
        {
            case JsonTypes.Null:
                return Truth(demand.IsHeld);
            case JsonTypes.Boolean:
                return Scalar(demand, value.ValueKind is JsonValueKind.True);
            case JsonTypes.Number:
                var number = value.GetDouble();
                return Scalar(demand, type, () => json.Written(number), () => json.Equal(number));
            case JsonTypes.String:
                return Scalar(demand, type, () => terms.Literal(JsonTerms.Content(value.GetString()!)));
            case JsonTypes.Array:
                Demand[] parts = [.. value.EnumerateArray().Select((e, i) => Part(e, $"{i}"))];
                return demand.IsHeld
                    ? Formula.All([Formula.Of(new Fact(FactKind.Items, path) { Items = new(parts, null, true) }), Of(FactKind.Count, path, least: parts.Length, most: parts.Length)])
                    : Formula.Any([.. Outside(path, parts.Length, parts.Length), .. parts.Select((p, i) => Of(FactKind.At, path, value: p, place: i))]);
            default:
                (string Name, Demand Value)[] named = [.. value.EnumerateObject().Select(p => (p.Name, Part(p.Value, p.Name)))];
                return demand.IsHeld
                    ? Formula.All([Formula.Of(new Fact(FactKind.Members, path) { Members = new(named, [], new(document.Nothing), true) }), .. named.Select(n => Of(FactKind.Present, path, n.Name))])
                    : Formula.Any([.. named.Select(n => Of(FactKind.Absent, path, n.Name)), .. named.Select(n => Of(FactKind.Named, path, n.Name, n.Value)), Of(FactKind.Keyed, path, texts: Except(named.Select(n => n.Name), []))]);
        }
    }

    /// <summary>One of some values; those of a simple type are one fact.</summary>
    Formula Listed(Demand demand, JsonElement list, JsonTypes type)
    {
        var own = list.EnumerateArray().Select((e, i) => (Element: e, Place: i)).Where(v => TypeOf(v.Element) == type).ToArray();
        Term Either(Func<JsonElement, Term> term) => terms.Either([.. own.Select(v => term(v.Element))]);
        return own.Length == 0 ? Truth(!demand.IsHeld) : type switch
        {
            JsonTypes.String => Scalar(demand, type, () => Either(e => terms.Literal(JsonTerms.Content(e.GetString()!)))),
            JsonTypes.Number => Scalar(demand, type, () => Either(e => json.Written(e.GetDouble())), () => Either(e => json.Equal(e.GetDouble()))),
            _ => own.Select(v => Said(demand with { Of = document.Equal(v.Element, $"{demand.Of.Path}/enum/{v.Place}") }, type)) is var each && demand.IsHeld ? Formula.Any(each) : Formula.All(each),
        };
    }

    static JsonTypes TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.Number => JsonTypes.Number,
        JsonValueKind.String => JsonTypes.String,
        JsonValueKind.Array => JsonTypes.Array,
        _ => JsonTypes.Object,
    };

    // There is no term of the two: what is left of them is what is written.
    Formula Scalar(Demand demand, bool value) => Of(FactKind.Text, demand.Of.Path, texts: terms.Literal(value == demand.IsHeld ? "true" : "false"));

    /// <summary>The keys that are none of some names, and that none of some patterns matches.</summary>
    public Term Except(IEnumerable<string> names, IEnumerable<Term> keys) => terms.Both(characters, terms.Not(terms.Either([.. names.Select(n => terms.Literal(JsonTerms.Content(n))), .. keys])));

    static IEnumerable<Formula> Outside(string path, int least, int most)
    {
        if (least > 0)
            yield return Of(FactKind.Count, path, most: least - 1);
        if (most < Terms.Unbounded)
            yield return Of(FactKind.Count, path, least: most + 1);
    }

    Term Matched(string pattern, string path)
    {
        if (patterns.TryGetValue(pattern, out var known))
            return known;
        try
        {
            return patterns[pattern] = Pattern.Somewhere(pattern, terms, json.Write);
        }
        catch (SoftmodelException e)
        {
            throw new SoftmodelException(SchemaDocument.Wrong(path, e.Message).Message, e);
        }
    }

    /// <summary>What a schema says, from its keywords.</summary>
    Formula Say(Demand demand, JsonTypes type)
    {
        var schema = demand.Of;
        if (schema.Element.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return Truth(schema.Element.ValueKind is JsonValueKind.True == demand.IsHeld);
        Demand Below(params ReadOnlySpan<string> names) => demand with { Of = document.Below(schema, names) };
        Formula Not(Demand other) => Said(other with { IsHeld = !other.IsHeld }, type);
        Formula Is(Demand other) => Said(other, type);
        // A demand that does not hold is one of all of its parts' opposites.
        Formula All(IEnumerable<Formula> parts) => demand.IsHeld ? Formula.All(parts) : Formula.Any(parts);
        Formula Any(IEnumerable<Formula> parts) => demand.IsHeld ? Formula.Any(parts) : Formula.All(parts);
        Demand[] Branches(string keyword) => schema.Get(keyword) is { } list ? [.. Enumerable.Range(0, list.GetArrayLength()).Select(i => Below(keyword, $"{i}"))] : [];

        var parts = new List<Formula>();
        if (schema.Get("type") is { } said)
        {
            string[] names = said.ValueKind is JsonValueKind.String ? [said.GetString()!] : [.. said.EnumerateArray().Select(e => e.GetString()!)];
            if (schema.Get("nullable") is { ValueKind: JsonValueKind.True } && !demand.IsHeld)
                throw SchemaDocument.Wrong(schema.Path, "'nullable' is no keyword of JSON Schema, and what is not valid can't be told of it; write the type null");
            var isNamed = names.Contains(type switch { JsonTypes.Null => "null", JsonTypes.Boolean => "boolean", JsonTypes.Number => "number", JsonTypes.String => "string", JsonTypes.Array => "array", _ => "object" });
            parts.Add(type is JsonTypes.Number && !isNamed && names.Contains("integer") ? Scalar(demand, type, () => json.Integer, () => json.Integral) : Truth(isNamed == demand.IsHeld));
        }
        if (schema.Get("const") is { } constant)
            parts.Add(Is(demand with { Of = document.Equal(constant, $"{schema.Path}/const") }));
        if (schema.Get("enum") is { } listed)
            parts.Add(Listed(demand, listed, type));
        parts.AddRange(type switch
        {
            JsonTypes.Number => Numbers(demand),
            JsonTypes.String => Texts(demand),
            JsonTypes.Array => Arrays(demand),
            JsonTypes.Object => Objects(demand),
            _ => [],
        });
        foreach (var reference in (string[])["$ref", "$dynamicRef", "$recursiveRef"])
        {
            if (schema.Get(reference) is not null)
                parts.Add(Is(demand with { Of = document.Target(schema, reference) }));
        }
        if (schema.Get("allOf") is not null)
            parts.Add(All(Branches("allOf").Select(Is)));
        if (schema.Get("anyOf") is not null)
            parts.Add(Any(Branches("anyOf").Select(Is)));
        if (schema.Get("not") is not null)
            parts.Add(Not(Below("not")));
        if (schema.Get("oneOf") is not null)
        {
            var all = Branches("oneOf");
            var held = all.Select(b => b with { IsHeld = true }).ToArray();
            parts.Add(demand.IsHeld
                ? Formula.Any(held.Select((b, i) => Formula.All([Is(b), .. held.Where((_, j) => j != i).Select(Not)])))
                : Formula.Any([Formula.All(held.Select(Not)), .. held.SelectMany((b, i) => held.Skip(i + 1).Select(c => Formula.All([Is(b), Is(c)])))]));
        }
        if (schema.Get("if") is not null && (schema.Get("then") ?? schema.Get("else")) is not null)
        {
            var condition = Below("if") with { IsHeld = true };
            var none = Truth(demand.IsHeld);
            parts.Add(Formula.Any([
                Formula.All([Is(condition), schema.Get("then") is null ? none : Is(Below("then"))]),
                Formula.All([Not(condition), schema.Get("else") is null ? none : Is(Below("else"))])]));
        }
        var rest = type switch { JsonTypes.Object => "unevaluatedProperties", JsonTypes.Array => "unevaluatedItems", _ => "" };
        if (schema.Get(rest) is null)
            return All(parts);
        if (demand.IsHeld)
            return new(FormulaKind.Rest, [All(parts)], new Fact(FactKind.Rest, schema.Path) { Value = Below(rest) });
        // What does not hold may be what is said of the rest, which can't be told.
        return demand.IsLoose ? Formula.Yes : Formula.Any([.. parts, Untold(schema.Path, rest)]);
    }

    Formula Untold(string path, string keyword)
    {
        LeftOut ??= $"'{keyword}' at {path}";
        return Formula.No;
    }

    IEnumerable<Formula> Numbers(Demand demand)
    {
        var schema = demand.Of;
        foreach (var name in (string[])["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])
        {
            if (schema.Get(name) is not { } value)
                continue;
            var (bound, isAbove, isWithout) = (value.GetDouble(), name.EndsWith("inimum", StringComparison.Ordinal), name.StartsWith("exclusive", StringComparison.Ordinal));
            yield return Scalar(demand, JsonTypes.Number, () => json.Numbers(json.Beyond(bound, isAbove, isWithout), v => isAbove ? isWithout ? v > bound : v >= bound : isWithout ? v < bound : v <= bound));
        }
        if (schema.Get("multipleOf") is { } multiple)
        {
            var divisor = multiple.GetDouble();
            bool Divides(double v) => v / divisor == Math.Floor(v / divisor);
            if (json.Multiples(divisor, false) is not { } multiples)
                throw SchemaDocument.Wrong($"{schema.Path}/multipleOf", $"multiples of {multiple.GetRawText()} are not written: an integer of few remainders can be followed (any up to 600), and one with a half, a quarter, an eighth or a sixteenth (of others validators judge by binary fractions, so that 0.07 is none of 0.01)");
            // One spelling is written; where all multiples are meant, each has every spelling.
            var meant = demand.IsHeld != demand.IsLoose ? multiples : json.Multiples(divisor, true);
            if (meant is not null)
                yield return Scalar(demand, JsonTypes.Number, () => json.Numbers(meant, Divides));
            else
                yield return demand.IsLoose ? Formula.Yes : Untold(schema.Path, "multipleOf");
        }
        if (schema.Get("format")?.GetString() is ("int32" or "int64") and var format)
        {
            Term Within(Term number) => format is "int64" ? number : terms.Both(number, json.Beyond(int.MinValue, true, false), json.Beyond(int.MaxValue, false, false));
            yield return Scalar(demand, JsonTypes.Number, () => Within(json.Integer), () => json.Numbers(Within(json.Integral), v => Math.Floor(v) == v));
        }
    }

    IEnumerable<Formula> Texts(Demand demand)
    {
        var schema = demand.Of;
        if (schema.Count("minLength") is { } least)
            yield return Scalar(demand, JsonTypes.String, () => json.OfLength(least, Terms.Unbounded));
        if (schema.Count("maxLength") is { } most)
            yield return Scalar(demand, JsonTypes.String, () => json.OfLength(0, most));
        if (schema.Get("pattern")?.GetString() is { } pattern)
            yield return Scalar(demand, JsonTypes.String, () => Matched(pattern, schema.Path));
        if (schema.Get("format")?.GetString() is not { } format || Formats.OfNothing.Contains(format) || format is "int32" or "int64")
            yield break;
        if (!Formats.OfTexts.TryGetValue(format, out var known))
            throw SchemaDocument.Wrong($"{schema.Path}/format", $"the format '{format}' is not known, and to ignore it would give what is not of it; say it as a pattern, or leave it out");
        if (!demand.IsHeld && !demand.IsLoose && known.Valid == Formats.Anything)
            yield return Untold(schema.Path, "format");
        else
            yield return Scalar(demand, JsonTypes.String, () => Pattern.Whole(known.Written, terms, json.Write), () => Pattern.Whole(known.Valid, terms, json.Write));
    }

    IEnumerable<Formula> Arrays(Demand demand)
    {
        var schema = demand.Of;
        bool Has(string name) => schema.Keywords.ContainsKey(name);
        var isOld = schema.Get("items")?.ValueKind is JsonValueKind.Array;
        var (first, rest) = isOld ? ("items", "additionalItems") : ("prefixItems", "items");
        if (Has(first) || (!isOld && Has(rest)))
        {
            var rules = new ItemRules(Has(first) ? [.. Enumerable.Range(0, schema.Keywords[first].GetArrayLength()).Select(i => demand with { Of = document.Below(schema, first, $"{i}") })] : [],
                Has(rest) ? demand with { Of = document.Below(schema, rest) } : null);
            if (demand.IsHeld)
                yield return Formula.Of(new Fact(FactKind.Items, schema.Path) { Items = rules });
            else
            {
                foreach (var (part, i) in rules.Prefix.Select((p, i) => (p, i)))
                    yield return Of(FactKind.At, schema.Path, value: part, place: i);
                if (rules.Rest is { } other)
                    yield return Of(FactKind.Holds, schema.Path, value: other, least: 1, place: rules.Prefix.Count);
            }
        }
        foreach (var part in Counts(demand, schema.Count("minItems"), schema.Count("maxItems")))
            yield return part;
        if (Has("contains"))
        {
            var (least, most) = (schema.Count("minContains") ?? 1, schema.Count("maxContains") ?? Terms.Unbounded);
            var held = demand with { Of = document.Below(schema, "contains"), IsHeld = true };
            if (demand.IsHeld)
                yield return Of(FactKind.Holds, schema.Path, value: held, least: least, most: most);
            else
            {
                // Too few, or too many.
                if (least > 0)
                    yield return Of(FactKind.Holds, schema.Path, value: held, most: least - 1);
                if (most < Terms.Unbounded)
                    yield return Of(FactKind.Holds, schema.Path, value: held, least: most + 1);
            }
        }
        if (schema.Get("uniqueItems")?.ValueKind is JsonValueKind.True)
            yield return demand.IsLoose ? Formula.Yes : demand.IsHeld ? Of(FactKind.Distinct, schema.Path) : Untold(schema.Path, "uniqueItems");
    }

    static IEnumerable<Formula> Counts(Demand demand, int? least, int? most) =>
        !demand.IsHeld ? Outside(demand.Of.Path, least ?? 0, most ?? Terms.Unbounded)
        : least is null && most is null ? [] : [Of(FactKind.Count, demand.Of.Path, least: least ?? 0, most: most ?? Terms.Unbounded)];

    IEnumerable<Formula> Objects(Demand demand)
    {
        var schema = demand.Of;
        string[] Names(string name) => schema.Get(name) is { } map ? [.. map.EnumerateObject().Select(p => p.Name)] : [];
        static string[] Listed(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetString()!).Distinct(StringComparer.Ordinal)];
        foreach (var name in schema.Get("required") is { } required ? Listed(required) : [])
            yield return Of(demand.IsHeld ? FactKind.Present : FactKind.Absent, schema.Path, name);
        if ((schema.Get("properties") ?? schema.Get("patternProperties") ?? schema.Get("additionalProperties")) is not null)
        {
            var rules = new MemberRules(
                [.. Names("properties").Select(n => (n, demand with { Of = document.Below(schema, "properties", n) }))],
                [.. Names("patternProperties").Select(p => (Matched(p, schema.Path), demand with { Of = document.Below(schema, "patternProperties", p) }))],
                schema.Get("additionalProperties") is null ? null : demand with { Of = document.Below(schema, "additionalProperties") });
            if (demand.IsHeld)
                yield return Formula.Of(new Fact(FactKind.Members, schema.Path) { Members = rules });
            else
            {
                foreach (var (name, value) in rules.Names)
                    yield return Of(FactKind.Named, schema.Path, name, value);
                foreach (var (keys, value) in rules.Patterns)
                    yield return Of(FactKind.Keyed, schema.Path, texts: keys, value: value);
                if (rules.Others is { } others)
                    yield return Of(FactKind.Keyed, schema.Path, texts: Except(rules.Names.Select(n => n.Name), rules.Patterns.Select(p => p.Keys)), value: others);
            }
        }
        if (schema.Get("propertyNames") is not null)
        {
            var keys = Text([demand with { Of = document.Below(schema, "propertyNames") }], JsonTypes.String);
            yield return Of(demand.IsHeld ? FactKind.Keys : FactKind.Keyed, schema.Path, texts: keys);
        }
        foreach (var part in Counts(demand, schema.Count("minProperties"), schema.Count("maxProperties")))
            yield return part;
        foreach (var keyword in (string[])["dependentRequired", "dependentSchemas", "dependencies"])
        {
            foreach (var member in schema.Get(keyword) is { } map ? map.EnumerateObject() : [])
            {
                var (path, name) = (schema.Path, member.Name);
                Formula[] then = member.Value.ValueKind is JsonValueKind.Array
                    ? [.. Listed(member.Value).Select(n => Of(demand.IsHeld ? FactKind.Present : FactKind.Absent, path, n))]
                    : [Said(demand with { Of = document.Below(schema, keyword, name) }, JsonTypes.Object)];
                var present = Of(FactKind.Present, path, name);
                yield return demand.IsHeld
                    ? Formula.Any([Of(FactKind.Absent, path, name), Formula.All([present, .. then])])
                    : Formula.All([present, Formula.Any(then)]);
            }
        }
    }

    /// <summary>The types of which a value can be that is as demanded, as far as types tell.</summary>
    public JsonTypes TypesOf(IReadOnlyList<Demand> demands) => Types.Where(t => Said(demands, t) != Formula.No).Aggregate(JsonTypes.None, (x, y) => x | y);

    /// <summary>The types that schemas speak of.</summary>
    public JsonTypes Spoken(IEnumerable<Demand> demands)
    {
        var (spoken, seen, todo) = (JsonTypes.None, new HashSet<Schema>(), new Stack<Schema>(demands.Where(d => d.IsHeld && !d.Of.IsValue).Select(d => d.Of)));
        while (todo.TryPop(out var schema))
        {
            if (!seen.Add(schema))
                continue;
            foreach (var (keyword, value) in schema.Keywords)
            {
                spoken |= keyword is "format" ? value.GetString() is "int32" or "int64" or "float" or "double" ? JsonTypes.Number : JsonTypes.String : SchemaDocument.About(keyword);
                if (keyword is "type" or "const" or "enum")
                    spoken |= TypesOf([new(schema)]);
                if (keyword is "$ref" or "$dynamicRef" or "$recursiveRef")
                    todo.Push(document.Target(schema, keyword));
                if (keyword is "then" or "else")
                    todo.Push(document.Below(schema, keyword));
                if (keyword is "allOf" or "anyOf" or "oneOf")
                {
                    for (var i = 0; i < value.GetArrayLength(); i++)
                        todo.Push(document.Below(schema, keyword, $"{i}"));
                }
            }
        }
        return spoken;
    }

    /// <summary>The texts of which a value of one of the simple types is, as they are written; those of a string are what stands between its quotes.</summary>
    public Term Text(IReadOnlyList<Demand> demands, JsonTypes type)
    {
        var all = type switch { JsonTypes.Null => json.Null, JsonTypes.Boolean => json.Boolean, JsonTypes.Number => json.Number, _ => characters };
        Term Of(Formula formula) => Terms.Deep(() => formula.Kind switch
        {
            FormulaKind.Fact => formula.Fact!.Texts!,
            FormulaKind.Any => terms.Either([.. formula.Parts.Select(Of)]),
            _ => terms.Both([.. formula.Parts.Select(Of)]),
        });
        var term = Of(Said(demands, type));
        return term == terms.Anything ? all : type is JsonTypes.Number or JsonTypes.String || term == terms.Nothing ? term : terms.Both(all, term);
    }
}
