namespace Softmodel.Language.Constraints;

/// <summary>
/// The ways in which a value can be as schemas demand: each some facts that hold together and leave something possible; and what
/// they say of the values within.
/// </summary>
sealed class SchemaWays(Terms terms, JsonTerms json, SchemaDocument document, SchemaLogic logic)
{
    const int MostWays = 4096;

    readonly Dictionary<(string, JsonTypes), bool> empty = [];

    /// <summary>The ways in which a value of a composite type is as demanded: in each all facts hold.</summary>
    public List<Fact[]> Of(IReadOnlyList<Demand> demands, JsonTypes type) =>
        Apart(Of(logic.Said(demands, type), [], type, false, demands[0].Of.Path));

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

    List<Fact[]> Of(Formula formula, Fact[] known, JsonTypes type, bool isApart, string path)
    {
        switch (formula.Kind)
        {
            case FormulaKind.Fact:
                return With(formula.Fact!, known, type, isApart);
            case FormulaKind.All:
                List<Fact[]> ways = [known];
                foreach (var part in formula.Parts.OrderBy(p => p.Kind is FormulaKind.Fact ? 0 : p.Kind is FormulaKind.Any ? 2 + p.Parts.Count : 1))
                    ways = Bounded([.. ways.SelectMany(w => Terms.Deep(() => Of(part, w, type, isApart, path)))], path);
                return ways;
            case FormulaKind.Any:
                if (!isApart && formula.Parts.Any(p => IsImplied(p, known, type)))
                    return [known];
                var parts = formula.Parts;
                // What several branches speak of together is spoken of by all of them.
                if (isApart && parts.Count is > 1 and <= 4)
                    parts = [.. Enumerable.Range(1, (1 << parts.Count) - 1).Select(set => Formula.All(formula.Parts.Where((_, i) => (set >> i & 1) != 0)))];
                return Bounded([.. parts.SelectMany(p => Terms.Deep(() => Of(p, known, type, isApart, path)))], path);
            default:
                static bool Speaks(Fact fact) => fact.Kind is FactKind.Rest || (fact.Kind is FactKind.Members && !fact.Members!.IsValue) || (fact.Kind is FactKind.Items && !fact.Items!.IsValue);
                return Bounded([.. Of(formula.Parts[0], [], type, true, path).SelectMany(own =>
                {
                    var rest = formula.Fact! with { Spoken = [.. own.Where(Speaks)] };
                    return Of(Formula.All([.. own.Select(Formula.Of), Formula.Of(rest)]), known, type, isApart, path);
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
                    values.AddRange(By(fact.Members!) ?? []);
                    break;
                case FactKind.Rest when !fact.Spoken.Any(f => f.Kind is FactKind.Rest || By(f.Members!) is not null):
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

        List<Demand>? By(MemberRules rules)
        {
            var said = rules.Patterns.Where(p => isKey(p.Keys)).Select(p => p.Value).ToList();
            if (name is not null && rules.ByName.TryGetValue(name, out var own))
                said.Insert(0, own);
            return said.Count > 0 ? said : rules.Others is { } others ? [others] : null;
        }
    }

    /// <summary>What an item is to be, but for those of which only some are to be so.</summary>
    public static List<Demand> ItemsAt(int place, Fact[] facts)
    {
        static Demand? By(ItemRules rules, int place) => place < rules.Prefix.Count ? rules.Prefix[place] : rules.Rest;
        var values = new List<Demand>();
        foreach (var fact in facts)
        {
            var value = fact.Kind switch
            {
                FactKind.Items => By(fact.Items!, place),
                FactKind.At when fact.Place == place => fact.Value,
                FactKind.Rest when !fact.Spoken.Any(f => f.Kind is FactKind.Rest || By(f.Items!, place) is not null) => fact.Value,
                _ => null,
            };
            if (value is { } demanded)
                values.Add(demanded);
        }
        return [.. values.Distinct()];
    }

    /// <summary>Whether nothing can be as demanded; where it is said by itself it is taken to be possible.</summary>
    public bool IsEmpty(IReadOnlyList<Demand> demands) => demands.Count > 0 && SchemaLogic.Types.All(t => IsEmpty(demands, t));

    /// <summary>Whether nothing of a type can be as demanded.</summary>
    public bool IsEmpty(IReadOnlyList<Demand> demands, JsonTypes type)
    {
        if (demands.Count == 0)
            return false;
        var key = (Demand.KeyOf(demands), type);
        if (empty.TryGetValue(key, out var known))
            return known;
        empty[key] = false;
        return empty[key] = Terms.Deep(() => logic.Said(demands, type) is var formula
            && (formula == Formula.No || (formula != Formula.Yes && (type is JsonTypes.Array or JsonTypes.Object ? Of(formula, [], type, false, demands[0].Of.Path).Count == 0 : terms.Shortest(logic.Text(demands, type)) == Terms.Never))));
    }
}
