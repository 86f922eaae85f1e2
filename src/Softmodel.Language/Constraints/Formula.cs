using System.Runtime.CompilerServices;

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

    /// <summary>Names demands so that the same ones have the same name.</summary>
    public static string KeyOf(IEnumerable<Demand> demands) => string.Join(',', demands.Select(d => d.Key).Distinct().Order());
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
