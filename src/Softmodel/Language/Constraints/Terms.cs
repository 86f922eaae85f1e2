using System.Runtime.InteropServices;

namespace Softmodel.Language.Constraints;

/// <summary>What a term means.</summary>
enum TermKind : byte
{
    /// <summary>No text at all.</summary>
    Nothing,
    /// <summary>The empty text.</summary>
    Empty,
    /// <summary>One byte of a set.</summary>
    Byte,
    /// <summary>One term's text, then another's.</summary>
    Then,
    /// <summary>A text of any of several terms.</summary>
    Either,
    /// <summary>A text that is of each of several terms.</summary>
    Both,
    /// <summary>A text that is none of a term's.</summary>
    Not,
    /// <summary>A term's text several times over.</summary>
    Repeat,
    /// <summary>What a rule says, which may speak of itself.</summary>
    Rule,
}

/// <summary>
/// A set of texts, as bytes of UTF-8. Terms are made by <see cref="Terms"/>, where equal ones are one; what may come after a byte
/// is a term again, so that a term is the state of an automaton as well.
/// </summary>
sealed class Term
{
    internal Term(int id, TermKind kind, ByteSet set, Term[] parts, int least, int most, bool isNullable) =>
        (Id, Kind, Set, Parts, Least, Most, IsNullable) = (id, kind, set, parts, least, most, isNullable);

    /// <summary>In the order in which terms were made.</summary>
    public int Id { get; }

    /// <summary>What it means.</summary>
    public TermKind Kind { get; }

    /// <summary>Whether the empty text is one of it.</summary>
    public bool IsNullable { get; }

    internal ByteSet Set { get; }

    internal Term[] Parts { get; }

    internal int Least { get; }

    internal int Most { get; }

    // What comes after each byte, once it was asked; and how far the end is.
    internal Term?[]? Following { get; set; }

    internal int Shortest { get; set; } = Unknown;

    internal const int Unknown = -1;
}

/// <summary>
/// Makes terms, and derives them: the derivative of a set of texts by a byte is what may follow that byte (Brzozowski, 1964;
/// Owens, Reppy and Turon, "Regular-expression derivatives re-examined", 2009). Rules make of it what context-free grammars can
/// say, as long as no rule begins with itself.
/// </summary>
sealed class Terms
{
    /// <summary>How far the end is where there is none.</summary>
    public const int Never = int.MaxValue;

    /// <summary>For <see cref="Repeat"/>: as often as one likes.</summary>
    public const int Unbounded = int.MaxValue;

    // A term that needs more than this describes something else than answers.
    const int MostTerms = 500_000;

    readonly record struct Key(TermKind Kind, ByteSet Set, int First, int Second, int Least, int Most);

    readonly Dictionary<Key, Term> pairs = [];
    readonly Dictionary<string, Term> lists = new(StringComparer.Ordinal);
    readonly List<Term?> definitions = [];
    int count;

    public Terms()
    {
        Nothing = Make(TermKind.Nothing, default, [], false);
        Empty = Make(TermKind.Empty, default, [], true);
        Anything = Repeat(Bytes(ByteSet.All), 0, Unbounded);
    }

    /// <summary>No text at all.</summary>
    public Term Nothing { get; }

    /// <summary>The empty text.</summary>
    public Term Empty { get; }

    /// <summary>Any bytes.</summary>
    public Term Anything { get; }

    Term Make(TermKind kind, ByteSet set, Term[] parts, bool isNullable, int least = 0, int most = 0)
    {
        if (kind is TermKind.Either or TermKind.Both)
        {
            var key = string.Create(1 + parts.Length * 2, (kind, parts), static (span, x) =>
            {
                span[0] = (char)x.kind;
                for (var i = 0; i < x.parts.Length; i++)
                    (span[1 + i * 2], span[2 + i * 2]) = ((char)(x.parts[i].Id & 0xFFFF), (char)(x.parts[i].Id >> 16));
            });
            return CollectionsMarshal.GetValueRefOrAddDefault(lists, key, out _) ??= New();
        }
        return CollectionsMarshal.GetValueRefOrAddDefault(pairs, new(kind, set, parts is [var a, ..] ? a.Id : -1, parts is [_, var b] ? b.Id : -1, least, most), out _) ??= New();

        Term New() => count < MostTerms ? new(count++, kind, set, parts, least, most, isNullable)
            : throw new SoftmodelException("what is demanded of the text is too complicated: it makes an automaton of more states than are reasonable; demand less, or shorter lengths");
    }

    /// <summary>One byte of a set.</summary>
    public Term Bytes(ByteSet set) => set.IsEmpty ? Nothing : Make(TermKind.Byte, set, [], false);

    /// <summary>A text as it is.</summary>
    public Term Literal(ReadOnlySpan<byte> text)
    {
        var term = Empty;
        for (var i = text.Length - 1; i >= 0; i--)
            term = Then(Bytes(ByteSet.Range(text[i], text[i])), term);
        return term;
    }

    /// <summary>A text as it is.</summary>
    public Term Literal(string text) => Literal(System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>One term's text, then another's: a chain, of which only the last term is one again.</summary>
    public Term Then(Term first, Term second)
    {
        if (first == Nothing || second == Nothing)
            return Nothing;
        if (second == Empty)
            return first;
        var heads = new Stack<Term>();
        for (; first.Kind is TermKind.Then; first = first.Parts[1])
            heads.Push(first.Parts[0]);
        for (var term = first == Empty ? second : Chain(first, second); ; term = Chain(heads.Pop(), term))
        {
            if (heads.Count == 0)
                return term;
        }
        Term Chain(Term head, Term tail) => Make(TermKind.Then, default, [head, tail], head.IsNullable && tail.IsNullable);
    }

    /// <summary>Some terms' texts one after the other.</summary>
    public Term Then(params ReadOnlySpan<Term> parts)
    {
        var term = Empty;
        for (var i = parts.Length - 1; i >= 0; i--)
            term = Then(parts[i], term);
        return term;
    }

    /// <summary>A text of any of some terms.</summary>
    public Term Either(params ReadOnlySpan<Term> parts)
    {
        var (all, bytes) = (new List<Term>(), default(ByteSet));
        foreach (var part in parts)
        {
            foreach (var p in part.Kind is TermKind.Either ? part.Parts : [part])
            {
                if (p.Kind is TermKind.Byte)
                    bytes |= p.Set;
                else if (p != Nothing)
                    all.Add(p);
            }
        }
        if (!bytes.IsEmpty)
            all.Add(Bytes(bytes));
        return Listed(TermKind.Either, all, Nothing);
    }

    /// <summary>A text that is of each of some terms. None of them may have rules.</summary>
    public Term Both(params ReadOnlySpan<Term> parts)
    {
        var all = new List<Term>();
        foreach (var part in parts)
        {
            if (part == Nothing)
                return Nothing;
            foreach (var p in part.Kind is TermKind.Both ? part.Parts : [part])
            {
                if (p != Anything)
                    all.Add(p);
            }
        }
        return Listed(TermKind.Both, all, Anything);
    }

    Term Listed(TermKind kind, List<Term> parts, Term none)
    {
        parts.Sort((x, y) => x.Id.CompareTo(y.Id));
        Term[] distinct = [.. parts.Distinct()];
        return distinct switch
        {
            [] => none,
            [var only] => only,
            _ => Make(kind, default, distinct, kind is TermKind.Either ? distinct.Any(p => p.IsNullable) : distinct.All(p => p.IsNullable)),
        };
    }

    /// <summary>The bytes that are none of a term's texts. It may have no rules.</summary>
    public Term Not(Term term) =>
        term == Nothing ? Anything
        : term == Anything ? Nothing
        : term.Kind is TermKind.Not ? term.Parts[0]
        : Make(TermKind.Not, default, [term], !term.IsNullable);

    /// <summary>A term's text several times over.</summary>
    /// <param name="term">The term.</param>
    /// <param name="least">How often at least.</param>
    /// <param name="most">How often at most, or <see cref="Unbounded"/>.</param>
    public Term Repeat(Term term, int least, int most)
    {
        if (least > most)
            return Nothing;
        if (most == 0 || term == Empty)
            return Empty;
        if (term == Nothing)
            return least == 0 ? Empty : Nothing;
        if (least == 1 && most == 1)
            return term;
        // So that the derivative need not look whether the text is empty.
        return term.IsNullable && least > 0 ? Repeat(term, 0, most) : Make(TermKind.Repeat, default, [term], least == 0, least, most);
    }

    /// <summary>A term's text, or none.</summary>
    public Term Optional(Term term) => Either(Empty, term);

    /// <summary>A rule that is yet to be defined; no text of it may be empty.</summary>
    public Term Rule()
    {
        definitions.Add(null);
        return Make(TermKind.Rule, default, [], false, definitions.Count - 1);
    }

    /// <summary>Says what a rule is.</summary>
    public void Define(Term rule, Term definition) => definitions[rule.Least] = definition;

    /// <summary>What may come after a byte.</summary>
    public Term Next(Term term, byte value)
    {
        if (term.Following is not { } next)
            term.Following = next = Derive(term);
        return next[value]!;
    }

    Term[] Derive(Term term)
    {
        var next = new Term[256];
        foreach (var set in Distinguished(term))
        {
            var derived = Derivative(term, set.First);
            for (var i = 0; i < 256; i++)
            {
                if (set.Has((byte)i))
                    next[i] = derived;
            }
        }
        return next;
    }

    Term Derivative(Term term, byte value)
    {
        var parts = term.Parts;
        switch (term.Kind)
        {
            case TermKind.Byte:
                return term.Set.Has(value) ? Empty : Nothing;
            case TermKind.Then:
                var first = Then(Next(parts[0], value), parts[1]);
                return parts[0].IsNullable ? Either(first, Next(parts[1], value)) : first;
            case TermKind.Either:
                return Either([.. parts.Select(p => Next(p, value))]);
            case TermKind.Both:
                return Both([.. parts.Select(p => Next(p, value))]);
            case TermKind.Not:
                return Not(Next(parts[0], value));
            case TermKind.Repeat:
                var rest = Repeat(parts[0], Math.Max(0, term.Least - 1), term.Most == Unbounded ? Unbounded : term.Most - 1);
                return Then(Next(parts[0], value), rest);
            case TermKind.Rule:
                return Next(Defined(term), value);
            default:
                return Nothing;
        }
    }

    Term Defined(Term rule) => definitions[rule.Least] ?? throw new InvalidOperationException("a rule is not defined");

    /// <summary>Sets of bytes that are no different to a term: together all bytes.</summary>
    List<ByteSet> Distinguished(Term term)
    {
        List<ByteSet> sets = [ByteSet.All];
        Distinguish(term, sets);
        return sets;
    }

    void Distinguish(Term term, List<ByteSet> sets)
    {
        for (; term.Kind is TermKind.Then; term = term.Parts[1])
        {
            Distinguish(term.Parts[0], sets);
            if (!term.Parts[0].IsNullable)
                return;
        }
        switch (term.Kind)
        {
            case TermKind.Byte:
                for (var i = sets.Count - 1; i >= 0; i--)
                {
                    var (inside, outside) = (sets[i] & term.Set, sets[i] & ~term.Set);
                    if (inside.IsEmpty || outside.IsEmpty)
                        continue;
                    sets[i] = inside;
                    sets.Add(outside);
                }
                break;
            case TermKind.Rule:
                Distinguish(Defined(term), sets);
                break;
            default:
                foreach (var part in term.Parts)
                    Distinguish(part, sets);
                break;
        }
    }

    /// <summary>How many bytes the shortest text of a term has; <see cref="Never"/> where it has none.</summary>
    public int Shortest(Term term)
    {
        if (term.Shortest == Term.Unknown)
        {
            // A chain may be as long as a text.
            var chain = new Stack<Term>();
            for (; term.Kind is TermKind.Then && term.Shortest == Term.Unknown; term = term.Parts[1])
                chain.Push(term);
            if (term.Shortest == Term.Unknown)
                term.Shortest = term.Kind is TermKind.Both or TermKind.Not ? Search(term) : Structural(term);
            for (; chain.TryPop(out var longer); term = longer)
                longer.Shortest = Sum(Shortest(longer.Parts[0]), term.Shortest);
        }
        return term.Shortest;
    }

    int Structural(Term term) => term.Kind switch
    {
        TermKind.Nothing => Never,
        TermKind.Empty => 0,
        TermKind.Byte => 1,
        TermKind.Either => term.Parts.Min(Shortest),
        TermKind.Repeat => term.Least == 0 ? 0 : Shortest(term.Parts[0]) is var once && once == Never ? Never : (int)Math.Min(Never - 1, (long)once * term.Least),
        _ => throw new InvalidOperationException("rules are not settled"),
    };

    static int Sum(int x, int y) => x == Never || y == Never ? Never : (int)Math.Min(Never - 1, (long)x + y);

    /// <summary>Says how far the end is for all that can come after a term, from the ends backwards.</summary>
    int Search(Term start)
    {
        var (found, before, queue) = (new HashSet<Term> { start }, new Dictionary<Term, List<Term>>(), new Queue<Term>());
        for (var todo = new Stack<Term>([start]); todo.TryPop(out var term);)
        {
            if (term.IsNullable)
            {
                term.Shortest = 0;
                queue.Enqueue(term);
            }
            if (term.Following is null)
                term.Following = Derive(term);
            foreach (var next in term.Following.Distinct().OfType<Term>())
            {
                (CollectionsMarshal.GetValueRefOrAddDefault(before, next, out _) ??= []).Add(term);
                if (found.Add(next))
                    todo.Push(next);
            }
        }
        foreach (var term in found.Where(t => !t.IsNullable))
            term.Shortest = Never;
        while (queue.TryDequeue(out var term))
        {
            foreach (var earlier in before.GetValueOrDefault(term) ?? [])
            {
                if (earlier.Shortest <= term.Shortest + 1)
                    continue;
                earlier.Shortest = term.Shortest + 1;
                queue.Enqueue(earlier);
            }
        }
        return start.Shortest;
    }

    /// <summary>Finds how far the end of every rule is, once all are defined.</summary>
    /// <exception cref="SoftmodelException">A rule begins with itself.</exception>
    public void Settle()
    {
        var rules = pairs.Values.Where(t => t.Kind is TermKind.Rule).ToArray();
        var walk = new HashSet<Term>();
        foreach (var rule in rules)
            Refuse(rule, walk, []);
        foreach (var rule in rules)
            rule.Shortest = Never;
        // Values fall until none does; what was found on the way, of other terms, counts no longer.
        for (var falls = true; falls;)
        {
            falls = false;
            foreach (var rule in rules)
            {
                Forget(Defined(rule), []);
                var length = Shortest(Defined(rule));
                falls |= length < rule.Shortest;
                rule.Shortest = Math.Min(length, rule.Shortest);
            }
        }
        foreach (var rule in rules)
            Forget(Defined(rule), []);
    }

    static void Forget(Term term, HashSet<Term> seen)
    {
        for (; term.Kind is TermKind.Then && seen.Add(term); term = term.Parts[1])
        {
            term.Shortest = Term.Unknown;
            Forget(term.Parts[0], seen);
        }
        if (term.Kind is TermKind.Rule or TermKind.Both or TermKind.Not || !seen.Add(term))
            return;
        term.Shortest = Term.Unknown;
        foreach (var part in term.Parts)
            Forget(part, seen);
    }

    void Refuse(Term term, HashSet<Term> done, HashSet<Term> within)
    {
        if (term.Kind is TermKind.Rule)
        {
            if (done.Contains(term))
                return;
            if (!within.Add(term))
                throw new SoftmodelException("what is demanded of the text is said by itself alone: a schema refers to itself without anything between");
            Refuse(Defined(term), done, within);
            within.Remove(term);
            done.Add(term);
            return;
        }
        for (; term.Kind is TermKind.Then; term = term.Parts[1])
        {
            Refuse(term.Parts[0], done, within);
            if (!term.Parts[0].IsNullable)
                return;
        }
        if (term.Kind is TermKind.Rule)
            Refuse(term, done, within);
        foreach (var part in term.Parts)
            Refuse(part, done, within);
    }
}
