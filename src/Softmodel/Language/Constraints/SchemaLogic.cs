using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Softmodel.Language.Constraints;

/// <summary>What a value is to be: valid by a schema, or not.</summary>
/// <param name="Of">The schema.</param>
/// <param name="IsHeld">Whether it is to be valid.</param>
/// <param name="IsLoose">
/// Whether all of these values are meant, where they can't be told exactly, and perhaps some others; rather than none but these,
/// and perhaps not all. What is written is never loose; what must not be is.
/// </param>
readonly record struct Demand(Schema Of, bool IsHeld = true, bool IsLoose = false)
{
    /// <summary>All that this demand leaves out.</summary>
    public Demand Opposite => new(Of, !IsHeld, !IsLoose);

    /// <summary>In an order in which equal ones are one.</summary>
    public int Key => Of.Id * 4 + (IsHeld ? 0 : 2) + (IsLoose ? 1 : 0);
}

/// <summary>What <c>properties</c>, <c>patternProperties</c> and <c>additionalProperties</c> of one schema say.</summary>
/// <param name="Names">By name, in the order of the schema.</param>
/// <param name="Patterns">By the keys that a pattern matches.</param>
/// <param name="Others">Of the other members; null where nothing is said.</param>
/// <param name="IsValue">Whether a value that is demanded says it: then the standard takes nothing for evaluated.</param>
sealed record MemberRules(IReadOnlyList<(string Name, Demand Value)> Names, IReadOnlyList<(Term Keys, Demand Value)> Patterns, Demand? Others, bool IsValue = false)
{
    /// <summary>The same by name.</summary>
    public Dictionary<string, Demand> ByName { get; } = Names.ToDictionary(n => n.Name, n => n.Value, StringComparer.Ordinal);

    /// <inheritdoc/>
    public bool Equals(MemberRules? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
}

/// <summary>What <c>prefixItems</c> and <c>items</c> of one schema say.</summary>
/// <param name="Prefix">Of the first items.</param>
/// <param name="Rest">Of the others; null where nothing is said.</param>
/// <param name="IsValue">Whether a value that is demanded says it: then the standard takes nothing for evaluated.</param>
sealed record ItemRules(IReadOnlyList<Demand> Prefix, Demand? Rest, bool IsValue = false)
{
    /// <inheritdoc/>
    public bool Equals(ItemRules? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
}

/// <summary>What a <see cref="Fact"/> says.</summary>
enum FactKind
{
    /// <summary>A number or a text: is one of a term's texts.</summary>
    Text,
    /// <summary>An object: members are as rules say.</summary>
    Members,
    /// <summary>An object: all keys are of a term.</summary>
    Keys,
    /// <summary>An object: it has a member of a name.</summary>
    Present,
    /// <summary>An object: it has none of a name.</summary>
    Absent,
    /// <summary>An object or an array: how many members or items there are.</summary>
    Count,
    /// <summary>An object: it has a member of a name, whose value is as demanded.</summary>
    Named,
    /// <summary>An object: it has a member whose key is of a term, and whose value is as demanded.</summary>
    Keyed,
    /// <summary>An object or an array: what no rule speaks of is as demanded.</summary>
    Rest,
    /// <summary>An array: items are as rules say.</summary>
    Items,
    /// <summary>An array: so many of its items, from a place on, are as demanded.</summary>
    Holds,
    /// <summary>An array: there is an item in a place, and it is as demanded.</summary>
    At,
    /// <summary>An array: no two items are equal.</summary>
    Distinct,
}

/// <summary>One thing that is said of a value of one type.</summary>
/// <param name="Kind">What.</param>
/// <param name="Path">Where it is said.</param>
sealed record Fact(FactKind Kind, string Path)
{
    public MemberRules? Members { get; init; }

    public ItemRules? Items { get; init; }

    public string? Name { get; init; }

    /// <summary>The texts, or the keys as they stand between quotes.</summary>
    public Term? Texts { get; init; }

    public Demand? Value { get; init; }

    /// <summary>How often or how many at least.</summary>
    public int Least { get; init; }

    /// <summary>How often or how many at most.</summary>
    public int Most { get; init; } = Terms.Unbounded;

    /// <summary>The place in an array, from 0.</summary>
    public int Place { get; init; }

    /// <summary>The rules that speak of members or items already.</summary>
    public IReadOnlyList<Fact> Spoken { get; init; } = [];

    // Where it is said does not matter to what it says.
    public bool Equals(Fact? other) => other is not null && Kind == other.Kind && Members == other.Members && Items == other.Items && Name == other.Name && Texts == other.Texts && Value == other.Value
        && Least == other.Least && Most == other.Most && Place == other.Place && Spoken.SequenceEqual(other.Spoken);

    public override int GetHashCode() => HashCode.Combine(Kind, Members, Items, Name, Texts, Value, Least, Most);
}

/// <summary>How the parts of a <see cref="Formula"/> go together.</summary>
enum FormulaKind
{
    /// <summary>One fact.</summary>
    Fact,
    /// <summary>All parts hold.</summary>
    All,
    /// <summary>One of the parts holds.</summary>
    Any,
    /// <summary>The part holds, and what it does not speak of is as the fact demands.</summary>
    Rest,
}

/// <summary>What a schema says of the values of one type, as facts that go together.</summary>
sealed record Formula(FormulaKind Kind, IReadOnlyList<Formula> Parts, Fact? Fact = null)
{
    public static Formula Yes { get; } = new(FormulaKind.All, []);

    public static Formula No { get; } = new(FormulaKind.Any, []);

    public static Formula Of(Fact fact) => new(FormulaKind.Fact, [], fact);

    public static Formula All(IEnumerable<Formula> parts) => Joined(FormulaKind.All, parts, Yes, No);

    public static Formula Any(IEnumerable<Formula> parts) => Joined(FormulaKind.Any, parts, No, Yes);

    static Formula Joined(FormulaKind kind, IEnumerable<Formula> parts, Formula none, Formula decided)
    {
        var all = new List<Formula>();
        foreach (var part in parts)
        {
            if (part == decided)
                return decided;
            if (part.Kind == kind)
                all.AddRange(part.Parts);
            else
                all.Add(part);
        }
        return all.Count switch { 0 => none, 1 => all[0], _ => new(kind, all) };
    }

    /// <inheritdoc/>
    public bool Equals(Formula? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
}

/// <summary>
/// What schemas say, by type: each keyword is a fact or several, negation goes down to the facts, and keywords beside one another
/// hold together. Of numbers and texts that is one term; of objects and arrays it is the ways in which a value can be valid, each
/// some facts that hold together.
/// </summary>
sealed class SchemaLogic(Terms terms, JsonTerms json, SchemaDocument document)
{
    const int MostWays = 4096, MostDemands = 1_000_000;

    /// <summary>All types, one by one.</summary>
    public static readonly JsonTypes[] Types = [JsonTypes.Null, JsonTypes.Boolean, JsonTypes.Number, JsonTypes.String, JsonTypes.Array, JsonTypes.Object];

    readonly Dictionary<(Demand, JsonTypes), Formula?> formulas = [];
    readonly Dictionary<(string, JsonTypes), bool> empty = [];
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
                throw SchemaDocument.Wrong($"{schema.Path}/multipleOf", $"multiples of {multiple.GetRawText()} are not written: a whole number of few remainders can be followed (any up to 600), and one with a half, a quarter, an eighth or a sixteenth (of others validators judge by binary fractions, so that 0.07 is none of 0.01)");
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

    /// <summary>The ways in which a value of a composite type is as demanded: in each all facts hold.</summary>
    public List<Fact[]> Ways(IReadOnlyList<Demand> demands, JsonTypes type) =>
        Apart(Ways(Said(demands, type), [], type, false, demands[0].Of.Path));

    /// <summary>Leaves out the ways that only say more than another one.</summary>
    static List<Fact[]> Apart(List<Fact[]> ways)
    {
        var apart = new List<Fact[]>();
        foreach (var way in ways.OrderBy(w => w.Length))
        {
            if (!apart.Any(a => a.All(way.Contains)))
                apart.Add(way);
        }
        return [.. ways.Where(apart.Contains)];
    }

    List<Fact[]> Ways(Formula formula, Fact[] known, JsonTypes type, bool isApart, string path)
    {
        switch (formula.Kind)
        {
            case FormulaKind.Fact:
                return With(formula.Fact!, known, type, isApart);
            case FormulaKind.All:
                List<Fact[]> ways = [known];
                foreach (var part in formula.Parts.OrderBy(p => p.Kind is FormulaKind.Fact ? 0 : p.Kind is FormulaKind.Any ? 2 + p.Parts.Count : 1))
                    ways = Bounded([.. ways.SelectMany(w => Terms.Deep(() => Ways(part, w, type, isApart, path)))], path);
                return ways;
            case FormulaKind.Any:
                if (!isApart && formula.Parts.Any(p => IsImplied(p, known, type)))
                    return [known];
                var parts = formula.Parts;
                // What several branches speak of together is spoken of by all of them.
                if (isApart && parts.Count is > 1 and <= 4)
                    parts = [.. Enumerable.Range(1, (1 << parts.Count) - 1).Select(set => Formula.All(formula.Parts.Where((_, i) => (set >> i & 1) != 0)))];
                return Bounded([.. parts.SelectMany(p => Terms.Deep(() => Ways(p, known, type, isApart, path)))], path);
            default:
                static bool Speaks(Fact fact) => fact.Kind is FactKind.Rest || (fact.Kind is FactKind.Members && !fact.Members!.IsValue) || (fact.Kind is FactKind.Items && !fact.Items!.IsValue);
                return Bounded([.. Ways(formula.Parts[0], [], type, true, path).SelectMany(own =>
                {
                    var rest = formula.Fact! with { Spoken = [.. own.Where(Speaks)] };
                    return Ways(Formula.All([.. own.Select(Formula.Of), Formula.Of(rest)]), known, type, isApart, path);
                })], path);
        }
    }

    static List<Fact[]> Bounded(List<Fact[]> ways, string path) => ways.Count <= MostWays ? ways
        : throw SchemaDocument.Wrong(path, $"there are more than {MostWays} ways in which a value can be valid; say less of what excludes what");

    List<Fact[]> With(Fact fact, Fact[] known, JsonTypes type, bool isApart)
    {
        if (known.Contains(fact) || (!isApart && IsImplied(fact, known, type)))
            return [known];
        Fact[] all = [.. known, fact];
        return Contradicts(fact, all, type) ? [] : [all];
    }

    bool Contradicts(Fact fact, Fact[] all, JsonTypes type)
    {
        var (least, most) = Counts(all);
        if (least > most)
            return true;
        if (type is JsonTypes.Object)
        {
            var names = fact.Kind is FactKind.Present or FactKind.Named or FactKind.Absent ? [fact.Name!]
                : fact.Kind is FactKind.Members or FactKind.Keys or FactKind.Rest ? all.Where(f => f.Kind is FactKind.Present or FactKind.Named).Select(f => f.Name!).Distinct(StringComparer.Ordinal).ToArray() : [];
            return names.Any(n => IsPresent(n, all) && IsEmpty(ValuesOf(n, all)));
        }
        for (var i = 0; i < Math.Min(least, 16); i++)
        {
            if (IsEmpty(ItemsAt(i, all)))
                return true;
        }
        if (fact.Kind is FactKind.Holds && fact.Least > 0 && IsEmpty([fact.Value!.Value]))
            return true;
        return fact.Kind is FactKind.At && (fact.Place >= most || IsEmpty(ItemsAt(fact.Place, all)));
    }

    bool IsImplied(Formula formula, Fact[] known, JsonTypes type) => formula.Kind switch
    {
        FormulaKind.Fact => IsImplied(formula.Fact!, known, type),
        FormulaKind.All => formula.Parts.All(p => IsImplied(p, known, type)),
        FormulaKind.Any => formula.Parts.Any(p => IsImplied(p, known, type)),
        _ => false,
    };

    bool IsImplied(Fact fact, Fact[] known, JsonTypes type)
    {
        if (known.Contains(fact))
            return true;
        bool Never(IReadOnlyList<Demand> values) => fact.Value is not { } value || IsEmpty([.. values, value.Opposite]);
        switch (fact.Kind)
        {
            case FactKind.Present:
                return IsPresent(fact.Name!, known);
            case FactKind.Absent:
                return !IsPresent(fact.Name!, known) && IsEmpty(ValuesOf(fact.Name!, known));
            case FactKind.Named:
                return IsPresent(fact.Name!, known) && Never(ValuesOf(fact.Name!, known));
            case FactKind.Keyed:
                return known.Any(k => k.Kind is FactKind.Present or FactKind.Named && IsKey(fact.Texts!, k.Name!) && Never(ValuesOf(k.Name!, known)));
            case FactKind.Count:
                var (least, most) = Counts(known);
                if (type is JsonTypes.Object)
                    least = Math.Max(least, known.Where(f => f.Kind is FactKind.Present or FactKind.Named).Select(f => f.Name).Distinct().Count());
                return least >= fact.Least && most <= fact.Most;
            case FactKind.At:
                return fact.Place < Counts(known).Least && Never(ItemsAt(fact.Place, known));
            default:
                return false;
        }
    }

    /// <summary>Whether there is a member of a name.</summary>
    public static bool IsPresent(string name, Fact[] facts) => facts.Any(f => f.Kind is FactKind.Present or FactKind.Named && f.Name == name);

    /// <summary>How many members or items there are.</summary>
    public static (int Least, int Most) Counts(Fact[] facts)
    {
        var counts = facts.Where(f => f.Kind is FactKind.Count).ToArray();
        var least = counts.Length == 0 ? 0 : counts.Max(f => f.Least);
        least = Math.Max(least, facts.Where(f => f.Kind is FactKind.At).Select(f => f.Place + 1).DefaultIfEmpty().Max());
        return (least, counts.Length == 0 ? Terms.Unbounded : counts.Min(f => f.Most));
    }

    /// <summary>Whether a name is one of some keys.</summary>
    public bool IsKey(Term keys, string name) => json.IsText(keys, JsonTerms.Content(name));

    /// <summary>What the value of a member is to be.</summary>
    public List<Demand> ValuesOf(string name, Fact[] facts) => ValuesOf(name, keys => IsKey(keys, name), facts);

    /// <summary>What the value of a member is to be.</summary>
    /// <param name="name">Its name; null for one that no fact names.</param>
    /// <param name="isKey">Whether its key is of a term.</param>
    /// <param name="facts">What holds of the object.</param>
    public List<Demand> ValuesOf(string? name, Func<Term, bool> isKey, Fact[] facts)
    {
        var values = new List<Demand>();
        foreach (var fact in facts)
        {
            switch (fact.Kind)
            {
                case FactKind.Members:
                    values.AddRange(Of(fact.Members!) ?? []);
                    break;
                case FactKind.Rest when !fact.Spoken.Any(f => f.Kind is FactKind.Rest || Of(f.Members!) is not null):
                    values.Add(fact.Value!.Value);
                    break;
                case FactKind.Absent when fact.Name == name:
                case FactKind.Keys when !isKey(fact.Texts!):
                    values.Add(new(document.Nothing));
                    break;
                case FactKind.Named when fact.Name == name:
                    values.Add(fact.Value!.Value);
                    break;
            }
        }
        return [.. values.Distinct()];

        List<Demand>? Of(MemberRules rules)
        {
            var values = rules.Patterns.Where(p => isKey(p.Keys)).Select(p => p.Value).ToList();
            if (name is not null && rules.ByName.TryGetValue(name, out var own))
                values.Insert(0, own);
            return values.Count > 0 ? values : rules.Others is { } others ? [others] : null;
        }
    }

    /// <summary>What an item is to be, but for those of which only some are to be so.</summary>
    public static List<Demand> ItemsAt(int place, Fact[] facts)
    {
        static Demand? Of(ItemRules rules, int place) => place < rules.Prefix.Count ? rules.Prefix[place] : rules.Rest;
        var values = new List<Demand>();
        foreach (var fact in facts)
        {
            var value = fact.Kind switch
            {
                FactKind.Items => Of(fact.Items!, place),
                FactKind.At when fact.Place == place => fact.Value,
                FactKind.Rest when !fact.Spoken.Any(f => f.Kind is FactKind.Rest || Of(f.Items!, place) is not null) => fact.Value,
                _ => null,
            };
            if (value is { } demanded)
                values.Add(demanded);
        }
        return [.. values.Distinct()];
    }

    /// <summary>Names demands so that the same ones have the same name.</summary>
    public static string KeyOf(IEnumerable<Demand> demands) => string.Join(',', demands.Select(d => d.Key).Distinct().Order());

    /// <summary>Whether nothing can be as demanded; where it is said by itself it is taken to be possible.</summary>
    public bool IsEmpty(IReadOnlyList<Demand> demands) => demands.Count > 0 && Types.All(t => IsEmpty(demands, t));

    /// <summary>Whether nothing of a type can be as demanded.</summary>
    public bool IsEmpty(IReadOnlyList<Demand> demands, JsonTypes type)
    {
        if (demands.Count == 0)
            return false;
        var key = (KeyOf(demands), type);
        if (empty.TryGetValue(key, out var known))
            return known;
        empty[key] = false;
        return empty[key] = Terms.Deep(() => Said(demands, type) is var formula
            && (formula == Formula.No || (formula != Formula.Yes && (type is JsonTypes.Array or JsonTypes.Object ? Ways(formula, [], type, false, demands[0].Of.Path).Count == 0 : terms.Shortest(Text(demands, type)) == Terms.Never))));
    }
}
