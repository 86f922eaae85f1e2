using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Softmodel.Language.Constraints;

/// <summary>
/// Makes terms of JSON Schema. Every text of the term is a valid instance; not every valid instance is a text of it: members come
/// in the order of the schema, and unless the schema says something of them there are no others; where it speaks of some types
/// alone, as <c>properties</c> of objects, it is taken to mean these.
/// </summary>
sealed class JsonSchema
{
    const int MostStates = 20_000, MostMarks = 5, MostListed = 64, MostOrders = 10, MostValues = 20_000;

    // To ajv an object of JavaScript has these, also where the text says nothing of them: left out, they are seldom valid.
    static readonly HashSet<string> inherited = new(StringComparer.Ordinal)
    {
        "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
        "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
    };

    readonly Terms terms;
    readonly JsonTerms json;
    readonly SchemaDocument document;
    readonly SchemaLogic logic;
    readonly SchemaWays ways;
    readonly Dictionary<string, Term> values = new(StringComparer.Ordinal);
    bool hasOpenKeys;
    readonly Queue<(Term Rule, IReadOnlyList<Demand> Demands, JsonTypes Types)> todo = new();

    JsonSchema(Terms terms, string text)
    {
        (this.terms, json, document) = (terms, new(terms), SchemaDocument.Read(text));
        foreach (var number in document.DemandedNumbers())
            json.Add(number);
        logic = new(terms, json, document);
        ways = new(terms, json, document, logic);
    }

    /// <summary>Makes a term of a schema.</summary>
    /// <param name="terms">Where the term is made.</param>
    /// <param name="text">The schema, in JSON.</param>
    /// <returns>The term, whether its objects have keys that are not listed, and what is to be said where it turns out to have no text.</returns>
    /// <exception cref="SoftmodelException">It is none, or demands what is not understood.</exception>
    public static (Term Term, bool HasOpenKeys, Func<string> Empty) Read(Terms terms, string text)
    {
        var schema = new JsonSchema(terms, text);
        Demand[] all = [new(schema.document.Root)];
        var term = schema.Value(all);
        while (schema.todo.TryDequeue(out var next))
            terms.Define(next.Rule, schema.Definition(next.Demands, next.Types));
        return (term, schema.hasOpenKeys, () => $"the schema at {schema.Culprit(all)} holds no value valid{(schema.logic.LeftOut is { } left ? $" ({left} can't be told where it does not hold)" : "")}");
    }

    /// <summary>The place farthest down where nothing can be valid.</summary>
    string Culprit(IReadOnlyList<Demand> demands)
    {
        for (var seen = new HashSet<string>(StringComparer.Ordinal); seen.Add(Demand.KeyOf(demands));)
        {
            bool IsNever(List<Demand> value) => value.Count > 0 && (values.TryGetValue(Demand.KeyOf(value), out var term) ? terms.Shortest(term) == Terms.Never : ways.IsEmpty(value));
            IEnumerable<List<Demand>> Needed(JsonTypes type)
            {
                var all = logic.Said(demands, type);
                Fact[] facts = [.. (all.Kind is FormulaKind.All ? all.Parts : [all]).Where(f => f.Kind is FormulaKind.Fact).Select(f => f.Fact!)];
                return type is JsonTypes.Object
                    ? facts.Where(f => f.Kind is FactKind.Present).Select(f => ways.ValuesOf(f.Name!, facts))
                    : Enumerable.Range(0, Math.Min(SchemaWays.Counts(facts).Least, 16)).Select(i => SchemaWays.ItemsAt(i, facts));
            }
            if (((JsonTypes[])[JsonTypes.Object, JsonTypes.Array]).Where(t => logic.TypesOf(demands).HasFlag(t)).SelectMany(Needed).FirstOrDefault(IsNever) is not { } below)
                break;
            demands = below;
        }
        return demands[0].Of.Path;
    }

    /// <summary>The types of which values are written.</summary>
    JsonTypes Written(IReadOnlyList<Demand> demands)
    {
        var possible = logic.TypesOf(demands);
        if (possible is not JsonTypes.All || logic.Spoken(demands) is not (not JsonTypes.None and var spoken))
            return possible;
        return SchemaLogic.Types.Any(t => spoken.HasFlag(t) && !ways.IsEmpty(demands, t)) ? spoken : possible;
    }

    /// <summary>The values that are as demanded.</summary>
    Term Value(IReadOnlyList<Demand> demands)
    {
        var key = Demand.KeyOf(demands);
        if (values.TryGetValue(key, out var known))
            return known;
        if (values.Count >= MostValues)
            throw SchemaDocument.Wrong(demands[0].Of.Path, $"the schema needs more than {MostValues} kinds of values; demand less");
        var types = demands.Count == 0 ? JsonTypes.All : Written(demands);
        if (types is JsonTypes.All && demands.All(d => SchemaLogic.Types.All(t => logic.Said(d, t) == Formula.Yes)))
        {
            hasOpenKeys = true;
            return values[key] = json.Any;
        }
        if ((types & (JsonTypes.Array | JsonTypes.Object)) == 0)
            return values[key] = Simple(demands, types);
        var rule = values[key] = terms.Rule();
        todo.Enqueue((rule, demands, types));
        return rule;
    }

    Term Simple(IReadOnlyList<Demand> demands, JsonTypes types) => terms.Either(
        types.HasFlag(JsonTypes.Null) ? logic.Text(demands, JsonTypes.Null) : terms.Nothing,
        types.HasFlag(JsonTypes.Boolean) ? logic.Text(demands, JsonTypes.Boolean) : terms.Nothing,
        types.HasFlag(JsonTypes.Number) ? logic.Text(demands, JsonTypes.Number) : terms.Nothing,
        types.HasFlag(JsonTypes.String) ? json.Quoted(logic.Text(demands, JsonTypes.String)) : terms.Nothing);

    Term Definition(IReadOnlyList<Demand> demands, JsonTypes types)
    {
        var path = demands[0].Of.Path;
        return terms.Either([
            Simple(demands, types),
            .. types.HasFlag(JsonTypes.Array) ? ways.Of(demands, JsonTypes.Array).Select(w => json.Array(Array(w, path))) : [],
            .. types.HasFlag(JsonTypes.Object) ? ways.Of(demands, JsonTypes.Object).Select(w => json.Object(Object(w, path))) : []]);
    }

    /// <summary>Members of which a schema does not say the names.</summary>
    sealed record Unlisted(Term Keys, HashSet<Term> Matched, List<Demand> Values, bool IsWritten);

    Term Object(Fact[] way, string path)
    {
        MemberRules[] rules = [.. way.Where(f => f.Kind is FactKind.Members).Select(f => f.Members!)];
        var names = rules.SelectMany(r => r.Names.Select(n => n.Name)).Concat(way.Where(f => f.Name is not null).Select(f => f.Name!)).Distinct(StringComparer.Ordinal).ToList();
        Fact[] marks = [.. way.Where(f => f.Kind is FactKind.Keyed)];
        if (marks.Length > MostMarks)
            throw SchemaDocument.Wrong(path, $"more than {MostMarks} members are demanded whose names are not said");
        var (least, most) = SchemaWays.Counts(way);
        var isSilent = rules.All(r => r.Names.Count == 0 && r.Patterns.Count == 0) && !way.Any(f => f.Kind is FactKind.Present or FactKind.Named);
        var unlisted = new List<Unlisted>();
        // Most often there are none but those that are listed.
        var isClosed = !isSilent && marks.Length == 0 && least <= names.Count && rules.All(r => r.Patterns.Count == 0 && r.Others?.Of.Element.ValueKind is null or JsonValueKind.False) && !way.Any(f => f.Kind is FactKind.Rest && f.Value!.Value.Of.Element.ValueKind is not JsonValueKind.False);
        foreach (var others in isClosed ? [] : Others(way, rules, marks, names, isSilent, path))
        {
            // Few keys are as good as said.
            if (others.Keys != terms.Nothing && terms.Listed(others.Keys, MostListed) is { } few)
                names.AddRange((others.IsWritten || least > 0 || marks.Length > 0 ? few : []).Select(k => (string)JsonNode.Parse($"\"{Encoding.UTF8.GetString(k)}\"")!).Order(StringComparer.Ordinal));
            else
                unlisted.Add(others);
        }
        var members = new List<(Term Name, List<Demand> Values, bool IsRequired, int Marks)>();
        foreach (var name in names)
        {
            var value = ways.ValuesOf(name, way);
            var isRequired = SchemaWays.IsPresent(name, way) || (inherited.Contains(name) && rules.Any(r => r.ByName.ContainsKey(name)));
            if (value.Count > 0 && ways.IsEmpty(value))
            {
                if (isRequired)
                    return terms.Nothing;
                continue;
            }
            // What ajv does not look at.
            if (name is "__proto__")
            {
                if (isRequired)
                    throw SchemaDocument.Wrong(path, "a member '__proto__' is demanded, which validators in JavaScript do not see");
                continue;
            }
            members.Add((terms.Literal(JsonTerms.Written(name)), value, isRequired, Enumerable.Range(0, marks.Length).Where(m => ways.IsKey(marks[m].Texts!, name)).Aggregate(0, (set, m) => set | 1 << m)));
        }
        // Where those that are listed are too few there are others.
        if (members.Count < least)
            unlisted = [.. unlisted.Select(u => u with { IsWritten = true })];
        var isOpen = unlisted.Any(u => u.IsWritten) || marks.Length > 0;
        var required = members.Count(m => m.IsRequired);
        if (least <= required)
            least = 0;
        if (!isOpen && most >= members.Count)
            most = Terms.Unbounded;
        // How many there are is counted as far as it matters.
        var counted = most < Terms.Unbounded ? most : least;
        if ((members.Count + 1L) * (counted + 1L) * (1 << marks.Length) > MostStates)
            throw SchemaDocument.Wrong(path, "minProperties or maxProperties is too large beside what else is said of members to be counted; demand less");
        var (count, sets) = (counted + 1, 1 << marks.Length);
        var (first, then) = (new Term[count * sets], new Term[count * sets]);
        var tail = new Tail(this, unlisted, marks, least, most, counted);
        for (var set = 0; set < sets; set++)
        {
            for (var c = counted; c >= 0; c--)
                (first[set * count + c], then[set * count + c]) = (tail.Of(c, set, true), tail.Of(c, set, false));
        }
        // What may come when nothing has, and when something has: from the last member backwards.
        foreach (var (name, value, isRequired, own) in Enumerable.Reverse(members))
        {
            var (nextFirst, nextThen) = (new Term[count * sets], new Term[count * sets]);
            for (var set = 0; set < sets; set++)
            {
                for (var c = 0; c < count; c++)
                {
                    var after = c < counted ? c + 1 : most < Terms.Unbounded ? -1 : c;
                    var (begun, gone) = (terms.Nothing, terms.Nothing);
                    for (var hit = set & own; after >= 0; hit = (hit - 1) & set & own)
                    {
                        var member = json.Member(name, Value(With(value, marks, hit)));
                        begun = terms.Either(begun, terms.Then(member, then[(set & ~hit) * count + after]));
                        gone = terms.Either(gone, terms.Then(json.Separator, member, then[(set & ~hit) * count + after]));
                        if (hit == 0)
                            break;
                    }
                    var at = set * count + c;
                    (nextFirst[at], nextThen[at]) = isRequired ? (begun, gone) : (terms.Either(begun, first[at]), terms.Either(gone, then[at]));
                }
            }
            (first, then) = (nextFirst, nextThen);
        }
        return first[(sets - 1) * count];
    }

    /// <summary>What a value is to be, and what some marks demand of it.</summary>
    static List<Demand> With(List<Demand> value, Fact[] marks, int hit) => hit == 0 ? value
        : [.. value.Concat(Enumerable.Range(0, marks.Length).Where(m => (hit >> m & 1) != 0 && marks[m].Value is not null).Select(m => marks[m].Value!.Value)).Distinct()];

    /// <summary>The members whose names are not said, by what is said of them.</summary>
    List<Unlisted> Others(Fact[] way, MemberRules[] rules, Fact[] marks, List<string> names, bool isSilent, string path)
    {
        Term[] demanded = [.. way.Where(f => f.Kind is FactKind.Keys).Select(f => f.Texts!)];
        List<(Term Keys, HashSet<Term> Matched)> classes = [(terms.Both([logic.Except(names, []), .. demanded]), [.. demanded])];
        foreach (var pattern in rules.SelectMany(r => r.Patterns.Select(p => p.Keys)).Concat(marks.Select(m => m.Texts!)).Distinct())
        {
            classes = [.. classes.SelectMany(c => new[] { (Keys: terms.Both(c.Keys, pattern), Matched: (HashSet<Term>)[.. c.Matched, pattern]), (Keys: terms.Both(c.Keys, terms.Not(pattern)), c.Matched) })
                .Where(c => terms.Shortest(c.Keys) != Terms.Never)];
            if (classes.Count > MostListed)
                throw SchemaDocument.Wrong(path, "more patterns of names overlap than can be told apart; demand less");
        }
        var found = new List<Unlisted>();
        foreach (var (keys, matched) in classes)
        {
            var demands = ways.ValuesOf(null, matched.Contains, way);
            if (!ways.IsEmpty(demands))
                found.Add(new(keys, matched, demands, isSilent || demands.Count > 0 || way.Any(f => f.Kind is FactKind.Rest)));
        }
        return found;
    }

    /// <summary>What comes after the members that are listed.</summary>
    sealed class Tail(JsonSchema schema, List<Unlisted> unlisted, Fact[] marks, int least, int most, int counted)
    {
        readonly Dictionary<(int, int, bool), Term> known = [];
        readonly Dictionary<int, Term> members = [];
        readonly Terms terms = schema.terms;

        Term Member(int hit)
        {
            if (!members.TryGetValue(hit, out var term))
            {
                Fact[] met = [.. marks.Where((_, m) => (hit >> m & 1) != 0)];
                schema.hasOpenKeys |= unlisted.Count > 0;
                var suited = unlisted.Where(u => hit == 0 ? u.IsWritten : met.All(m => u.Matched.Contains(m.Texts!)));
                members[hit] = term = terms.Either([.. suited.Select(u => schema.json.Member(schema.json.Quoted(u.Keys), schema.Value(With(u.Values, marks, hit))))]);
            }
            return term;
        }

        /// <summary>What comes then.</summary>
        /// <param name="count">How many members there are, as far as it matters.</param>
        /// <param name="set">The marks that are still to be met.</param>
        /// <param name="isFirst">Whether there is no member yet.</param>
        public Term Of(int count, int set, bool isFirst)
        {
            if (known.TryGetValue((count, set, isFirst), out var term))
                return term;
            return known[(count, set, isFirst)] = Terms.Deep(() => Make(count, set, isFirst));
        }

        Term Make(int count, int set, bool isFirst)
        {
            var (member, separated) = (Member(0), terms.Then(schema.json.Separator, Member(0)));
            var left = most == Terms.Unbounded ? most : most - count;
            if (set == 0)
            {
                var missing = Math.Max(0, least - count);
                return !isFirst ? terms.Repeat(separated, missing, left)
                    : left == 0 ? missing == 0 ? terms.Empty : terms.Nothing
                    : terms.Either(missing == 0 ? terms.Empty : terms.Nothing, terms.Then(member, terms.Repeat(separated, Math.Max(0, missing - 1), left == Terms.Unbounded ? left : left - 1)));
            }
            if (left == 0)
                return terms.Nothing;
            var after = count < counted ? count + 1 : count;
            var ways = new List<Term>();
            for (var hit = set; hit > 0; hit = (hit - 1) & set)
                ways.Add(terms.Then(isFirst ? terms.Empty : schema.json.Separator, Member(hit), Of(after, set & ~hit, false)));
            if (isFirst || after != count)
                return terms.Either([.. ways, terms.Then(isFirst ? member : separated, Of(after, set, false))]);
            return terms.Then(terms.Repeat(separated, 0, Terms.Unbounded), terms.Either([.. ways]));
        }
    }

    Term Array(Fact[] way, string path)
    {
        var (least, most) = SchemaWays.Counts(way);
        // From some place on all items are alike.
        var alike = way.Select(f => Math.Max(f.Kind is FactKind.At ? f.Place + 1 : f.Place, f.Items?.Prefix.Count ?? f.Spoken.Max(s => s.Items?.Prefix.Count) ?? 0)).DefaultIfEmpty().Max();
        if (most > 1 && way.FirstOrDefault(f => f.Kind is FactKind.Distinct) is { } distinct)
            return Distinct(way, alike, least, most, distinct.Path);
        Fact[] marks = [.. way.Where(f => f.Kind is FactKind.Holds)];
        if (marks.Length > MostMarks || (marks.Length > 0 && alike + least > MostStates / 10))
            throw SchemaDocument.Wrong(path, "more is said of what the array contains than can be counted; demand less");
        if (marks.Length == 0)
            return Items(way, alike, least, most);
        // How many there are is counted as far as it matters.
        var last = Math.Max(1, Math.Max(Math.Max(alike, least), most < Terms.Unbounded ? most : 0));
        var known = new Dictionary<string, Term>(StringComparer.Ordinal);
        return Of(0, new int[marks.Length]);

        Term Of(int at, int[] counts)
        {
            var key = $"{at}:{string.Join(',', counts)}";
            if (known.TryGetValue(key, out var term))
                return term;
            if (known.Count > MostStates / 10)
                throw SchemaDocument.Wrong(path, "more is said of what the array contains than can be counted; demand less");
            return known[key] = Terms.Deep(() => Make(at, counts));
        }

        Term Make(int at, int[] counts)
        {
            var end = at >= least && marks.Zip(counts).All(m => m.Second >= m.First.Least) ? terms.Empty : terms.Nothing;
            if (at >= most)
                return end;
            int[] open = [.. Enumerable.Range(0, marks.Length).Where(m => marks[m].Place <= at && (counts[m] < marks[m].Least || marks[m].Most < Terms.Unbounded))];
            var separator = at == 0 ? terms.Empty : json.Separator;
            var (loop, on) = (terms.Nothing, new List<Term> { end });
            for (var set = 0; set < 1 << open.Length; set++)
            {
                var (after, demands) = ((int[])[.. counts], SchemaWays.ItemsAt(at, way));
                var isPossible = true;
                for (var i = 0; i < open.Length; i++)
                {
                    var (mark, isHit) = (marks[open[i]], (set >> i & 1) != 0);
                    if (isHit)
                    {
                        after[open[i]]++;
                        isPossible &= after[open[i]] <= mark.Most;
                        demands.Add(mark.Value!.Value);
                    }
                    else if (mark.Most < Terms.Unbounded)
                        demands.Add(mark.Value!.Value with { IsHeld = !mark.Value!.Value.IsHeld });
                }
                demands = [.. demands.Distinct()];
                if (!isPossible || (demands.Count > 0 && ways.IsEmpty(demands)))
                    continue;
                var item = terms.Then(separator, Value(demands));
                if (Math.Min(at + 1, last) == at && after.SequenceEqual(counts))
                    loop = terms.Either(loop, item);
                else
                    on.Add(terms.Then(item, Of(Math.Min(at + 1, last), after)));
            }
            return terms.Then(terms.Repeat(loop, 0, Terms.Unbounded), terms.Either([.. on]));
        }
    }

    Term Items(Fact[] way, int alike, int least, int most)
    {
        Term Item(int at) => SchemaWays.ItemsAt(at, way) is var demands && demands.Count > 0 && ways.IsEmpty(demands) ? terms.Nothing : Value(demands);
        if (least > most)
            return terms.Nothing;
        var from = Math.Max(1, alike);
        var rest = most <= from ? terms.Empty : terms.Repeat(terms.Then(json.Separator, Item(from)), Math.Max(0, least - from), most == Terms.Unbounded ? most : most - from);
        for (var i = Math.Min(from, most) - 1; i >= 0; i--)
        {
            var one = terms.Then(i == 0 ? terms.Empty : json.Separator, Item(i), rest);
            rest = i >= least ? terms.Optional(one) : one;
        }
        return rest;
    }

    /// <summary>Items of which no two are equal, where they are few: in any order, or of more than some in that in which they are listed.</summary>
    Term Distinct(Fact[] way, int alike, int least, int most, string path)
    {
        var all = new List<(string Value, Term Text)>();
        var places = new Dictionary<string, HashSet<int>>(StringComparer.Ordinal);
        HashSet<int> At(int place)
        {
            var demands = SchemaWays.ItemsAt(place, way);
            if (places.TryGetValue(Demand.KeyOf(demands), out var found))
                return found;
            var types = demands.Count == 0 ? JsonTypes.All : Written(demands);
            var texts = ((JsonTypes[])[JsonTypes.Array, JsonTypes.Object]).Any(t => types.HasFlag(t) && !ways.IsEmpty(demands, t)) ? null : terms.Listed(Simple(demands, types), MostListed);
            if (texts is null || way.Any(f => f.Kind is FactKind.Holds))
                throw SchemaDocument.Wrong(path, $"'uniqueItems' can be followed only of at most {MostListed} texts, numbers, true, false or null that are listed (with enum, for instance), and not beside contains; leave it out, and check it afterwards");
            places[Demand.KeyOf(demands)] = found = [];
            foreach (var text in texts)
            {
                var value = JsonElement.Parse(text) is var element && element.ValueKind is JsonValueKind.Number ? element.GetDouble().ToString("R", CultureInfo.InvariantCulture) : element.GetRawText();
                if (all.FindIndex(a => a.Value == value) is var index && index < 0)
                {
                    index = all.Count;
                    all.Add((value, terms.Literal(text)));
                }
                found.Add(index);
            }
            return found;
        }
        for (var i = 0; i <= Math.Min(alike, most - 1); i++)
            At(i);
        var known = new Dictionary<(BigInteger, int), Term>();
        var isOrdered = all.Count > MostOrders;
        return Of(0, 0);

        Term Of(BigInteger used, int count)
        {
            if (known.TryGetValue((used, count), out var term))
                return term;
            var on = new List<Term> { count >= least ? terms.Empty : terms.Nothing };
            foreach (var i in count < most ? At(Math.Min(count, alike)) : [])
            {
                if (isOrdered ? i >= used : (used >> i & 1) == 0)
                    on.Add(terms.Then(count == 0 ? terms.Empty : json.Separator, all[i].Text, Of(isOrdered ? i + 1 : used | BigInteger.One << i, count + 1)));
            }
            return known[(used, count)] = terms.Either([.. on]);
        }
    }
}
