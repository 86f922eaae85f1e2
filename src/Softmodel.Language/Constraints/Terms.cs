using System.Runtime.CompilerServices;
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

    // What comes after each class of bytes, once it was asked, and which class each byte is of; and how far the end is.
    internal Term[]? Following { get; set; }

    internal byte[] Classes { get; set; } = [];

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
    const int MostTerms = 1_000_000;

    // So many states are searched for the way to the end, where terms are intersected.
    const int MostSearched = 200_000;

    readonly record struct Key(TermKind Kind, ByteSet Set, int First, int Second, int Least, int Most);

    readonly Dictionary<Key, Term> pairs = [];
    readonly Dictionary<string, Term> lists = new(StringComparer.Ordinal);
    readonly List<Term?> definitions = [];
    readonly HashSet<byte[]> classes = new(new ByContent());
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
            : throw TooMany();
    }

    static SoftmodelException TooMany() => new("what is demanded of the text is too complicated: it makes an automaton of more states than are reasonable; demand less, or shorter lengths");

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
        // What begins alike goes on together: so branches that are alike for long are one state for as long.
        if (IsAnyAlike(all))
            all = [.. all.Distinct().GroupBy(Head).Select(g => g.Skip(1).Any() ? Then(g.Key, Either([.. g.Select(p => p.Kind is TermKind.Then ? p.Parts[1] : Empty)])) : g.First())];
        return Joined(TermKind.Either, all, Nothing);
    }

    static Term Head(Term term) => term.Kind is TermKind.Then ? term.Parts[0] : term;

    static bool IsAnyAlike(List<Term> terms)
    {
        if (terms.Count > 8)
            return terms.Select(Head).Distinct().Count() < terms.Count;
        for (var i = 1; i < terms.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (Head(terms[i]) == Head(terms[j]))
                    return true;
            }
        }
        return false;
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
        return Joined(TermKind.Both, all, Anything);
    }

    Term Joined(TermKind kind, List<Term> parts, Term none)
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
    public Term Next(Term term, byte value) => (term.Following ?? Derive(term))[term.Classes[value]];

    /// <summary>What may come after some bytes.</summary>
    public Term Next(Term term, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
            term = Next(term, value);
        return term;
    }

    Term[] Derive(Term term)
    {
        var sets = Distinguished(term);
        var next = new Term[sets.Count];
        Span<byte> of = stackalloc byte[256];
        for (var i = 0; i < next.Length; i++)
        {
            next[i] = Derivative(term, sets[i].First);
            sets[i].Mark(of, (byte)i);
        }
        // Many terms tell the same bytes apart.
        var known = classes.GetAlternateLookup<ReadOnlySpan<byte>>();
        if (!known.TryGetValue(of, out var shared))
            classes.Add(shared = of.ToArray());
        term.Classes = shared;
        return term.Following = next;
    }

    sealed class ByContent : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] bytes) => GetHashCode(bytes.AsSpan());

        public bool Equals(ReadOnlySpan<byte> x, byte[] y) => x.SequenceEqual(y);

        public int GetHashCode(ReadOnlySpan<byte> bytes)
        {
            var hash = new HashCode();
            hash.AddBytes(bytes);
            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> bytes) => bytes.ToArray();
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

    /// <summary>Calls something that may lie deep, where there is too little stack for it on another one.</summary>
    public static T Deep<T>(Func<T> call) => RuntimeHelpers.TryEnsureSufficientExecutionStack() ? call() : Task.Run(call).GetAwaiter().GetResult();

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
                term.Shortest = term.Kind is TermKind.Both or TermKind.Not ? Search(term) : Deep(() => Structural(term));
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
            foreach (var next in (term.Following ?? Derive(term)).Distinct())
            {
                (CollectionsMarshal.GetValueRefOrAddDefault(before, next, out _) ??= []).Add(term);
                if (found.Add(next))
                    todo.Push(next);
            }
            if (found.Count > MostSearched)
                throw TooMany();
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
    public void Settle()
    {
        var rules = pairs.Values.Where(t => t.Kind is TermKind.Rule).ToArray();
        var users = new Dictionary<Term, List<Term>>();
        foreach (var rule in rules)
        {
            rule.Shortest = Never;
            foreach (var used in Within(Defined(rule)).Where(t => t.Kind is TermKind.Rule))
                (CollectionsMarshal.GetValueRefOrAddDefault(users, used, out _) ??= []).Add(rule);
        }
        // Values fall until none does; what was found on the way, of other terms, counts no longer. What is used was most often
        // made after what uses it.
        var (todo, queued) = (new Queue<Term>(rules.Reverse()), rules.ToHashSet());
        while (todo.TryDequeue(out var rule))
        {
            queued.Remove(rule);
            foreach (var term in Within(Defined(rule)))
                ResetShortest(term);
            if (Shortest(Defined(rule)) is var length && length >= rule.Shortest)
                continue;
            rule.Shortest = length;
            foreach (var user in users.GetValueOrDefault(rule) ?? [])
            {
                if (queued.Add(user))
                    todo.Enqueue(user);
            }
        }
        foreach (var term in rules.SelectMany(r => Within(Defined(r))).ToArray())
            ResetShortest(term);
    }

    // What is intersected or complemented holds no rules.
    static void ResetShortest(Term term)
    {
        if (term.Kind is not (TermKind.Rule or TermKind.Both or TermKind.Not))
            term.Shortest = Term.Unknown;
    }

    /// <summary>A term and all that it is made of, as far as rules, whose names alone are among them.</summary>
    static HashSet<Term> Within(Term start)
    {
        var found = new HashSet<Term> { start };
        for (var todo = new Stack<Term>([start]); todo.TryPop(out var term);)
        {
            if (term.Kind is TermKind.Both or TermKind.Not)
                continue;
            foreach (var part in term.Parts)
            {
                if (found.Add(part))
                    todo.Push(part);
            }
        }
        return found;
    }

    /// <summary>All texts of a term, where they are few and short; otherwise null.</summary>
    /// <param name="term">The term, without rules.</param>
    /// <param name="most">How many there may be.</param>
    public List<byte[]>? Listed(Term term, int most)
    {
        var texts = new List<byte[]>();
        for (var todo = new Stack<(Term Term, byte[] Text)>([(term, [])]); todo.TryPop(out var next);)
        {
            if (next.Term.IsNullable)
                texts.Add(next.Text);
            if (texts.Count > most || next.Text.Length > 1000)
                return null;
            for (var b = 255; b >= 0; b--)
            {
                if (Next(next.Term, (byte)b) is var after && Shortest(after) != Never)
                    todo.Push((after, [.. next.Text, (byte)b]));
            }
        }
        return texts;
    }
}
