using System.Globalization;
using System.Text;

namespace Softmodel.Graphs;

/// <summary>
/// A size that may depend on sizes known only at run time: a polynomial with integer coefficients over symbols,
/// quotients, maxima and broadcasts. Two sizes that are written differently but are equal as polynomials are equal.
/// Symbols stand for numbers that are not negative.
/// </summary>
public sealed class Dim : IEquatable<Dim>
{
    readonly Term[] terms;
    readonly string text;
    bool? isNeverNegative;

    sealed record Atom(string Text, string Kind, Dim? A = null, Dim? B = null)
    {
        /// <summary>Whether it has no parts.</summary>
        public bool IsName => A is null;
    }

    readonly record struct Term(long Coefficient, Atom[] Atoms)
    {
        public string Key => string.Join("*", Atoms.Select(a => a.Text));
    }

    const string SymbolKind = "", VariableKind = "variable", Quotient = "floordiv", Maximum = "max", Broadcasting = "broadcast";

    Dim(Term[] terms)
    {
        this.terms = terms;
        text = Print(terms);
    }

    static Dim Sum(IEnumerable<Term> terms) => new([.. terms
        .GroupBy(t => t.Key, StringComparer.Ordinal)
        .Select(g => new Term(g.Aggregate(0L, (sum, t) => checked(sum + t.Coefficient)), g.First().Atoms))
        .Where(t => t.Coefficient != 0)
        .OrderBy(t => t.Atoms.Length == 0 ? 1 : 0).ThenBy(t => t.Key, StringComparer.Ordinal)]);

    static Dim Of(Atom atom) => new([new Term(1, [atom])]);

    /// <summary>The size 0.</summary>
    public static Dim Zero { get; } = new([]);

    /// <summary>The size 1.</summary>
    public static Dim One { get; } = 1;

    /// <summary>A number known only at run time, not negative.</summary>
    /// <param name="name">Letters, digits and underscores, not starting with a digit.</param>
    /// <exception cref="ArgumentException">The name is not of that form.</exception>
    public static Dim Symbol(string name) => IsSymbolName(name)
        ? Of(new Atom(name, SymbolKind))
        : throw new ArgumentException($"'{name}' is no name for a size: letters, digits and '_' only");

    static bool IsSymbolName(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
        && name is not (Quotient or Maximum or Broadcasting);

    /// <summary>A number that only emitted code knows, such as how many rows a task has: a variable of a kernel. No size of a model is equal to it, whatever its name.</summary>
    internal static Dim Variable(string name) => Of(new Atom($"{name}'", VariableKind));

    /// <summary>Whether a size of a model can have the name.</summary>
    internal static bool IsFree(string name) => IsSymbolName(name);

    /// <summary>A number.</summary>
    public static implicit operator Dim(long value) => new(value == 0 ? [] : [new Term(value, [])]);

    /// <summary>The number that this size is at build time, or null where it depends on a symbol.</summary>
    public long? Value => terms.Length == 0 ? 0 : terms is [{ Atoms.Length: 0 } only] ? only.Coefficient : null;

    /// <summary>Whether the size is known at build time.</summary>
    public bool IsKnown => Value is not null;

    /// <summary>The symbols that the size depends on.</summary>
    public IEnumerable<string> Symbols => terms.SelectMany(t => t.Atoms)
        .SelectMany(a => a.IsName ? [a.Text] : a.A!.Symbols.Concat(a.B!.Symbols)).Distinct(StringComparer.Ordinal);

    /// <summary>The symbol's name where the size is nothing but one symbol, else null.</summary>
    public string? SymbolName => terms is [{ Coefficient: 1, Atoms: [{ Kind: SymbolKind } only] }] ? only.Text : null;

    /// <summary>The one symbol of this size that is not known yet, where the size can be solved for it: <c>n</c> in <c>past + n</c>.</summary>
    /// <returns>The symbol, and what it is less than the size; null where it is not so.</returns>
    public (string Symbol, Dim Less)? Solve(Func<string, bool> isKnown) =>
        Symbols.Where(s => !isKnown(s)).ToArray() is [var symbol] && this - Symbol(symbol) is var less && !less.Symbols.Contains(symbol) ? (symbol, less) : null;

    /// <summary>Sum. Overflow of 64 bits throws <see cref="OverflowException"/>, as in all operators here.</summary>
    public static Dim operator +(Dim a, Dim b) =>
        a.Value is { } x && b.Value is { } y ? checked(x + y) : Sum(a.terms.Concat(b.terms));

    /// <summary>Difference.</summary>
    public static Dim operator -(Dim a, Dim b) => a + b * -1;

    /// <summary>Product.</summary>
    public static Dim operator *(Dim a, Dim b) => a.Value is { } x && b.Value is { } y
        ? checked(x * y)
        : Sum(from s in a.terms
              from t in b.terms
              select new Term(checked(s.Coefficient * t.Coefficient),
                  [.. s.Atoms.Concat(t.Atoms).OrderBy(f => f.Text, StringComparer.Ordinal)]));

    /// <summary>Quotient rounded towards negative infinity.</summary>
    /// <exception cref="SoftmodelException">The divisor is 0.</exception>
    public static Dim FloorDiv(Dim a, Dim b)
    {
        if (b.Value is 0)
            throw new SoftmodelException($"the size {a} is divided by 0");
        if (a.Value is { } x && b.Value is { } y)
            return Floor(x, y);
        if (b.Value is 1)
            return a;
        if (a.Equals(b))
            return One;
        if (a.ExactQuotient(b) is { } exact)
            return exact;
        if (b.Value is { } divisor && divisor > 0)
        {
            // floor((n*q + r) / n) = q + floor(r / n): terms that divide leave the quotient.
            var whole = a.terms.Where(t => t.Coefficient % divisor == 0).Select(t => t with { Coefficient = t.Coefficient / divisor });
            var rest = Sum(a.terms.Where(t => t.Coefficient % divisor != 0 && t.Atoms.Length > 0));
            var constant = a.terms.Where(t => t.Atoms.Length == 0 && t.Coefficient % divisor != 0).Sum(t => t.Coefficient);
            var carried = Floor(constant, divisor);
            constant -= carried * divisor;
            var left = Sum(whole) + carried;
            return rest.terms.Length == 0 ? left : left + Pair(Quotient, rest + constant, b);
        }
        return Pair(Quotient, a, b);
    }

    /// <summary>Quotient rounded towards positive infinity, for a divisor above 0.</summary>
    public static Dim CeilDiv(Dim a, Dim b) => FloorDiv(a + b - 1, b);

    /// <summary>Remainder with the sign of the divisor.</summary>
    public static Dim Mod(Dim a, Dim b) => a - FloorDiv(a, b) * b;

    /// <summary>The larger.</summary>
    public static Dim Max(Dim a, Dim b)
    {
        var difference = a - b;
        if (difference.IsNeverNegative)
            return a;
        if ((difference * -1).IsNeverNegative)
            return b;
        // max(a, b) = b + max(a - b, 0) and max(-x, 0) = max(x, 0) - x: one form for what is equal.
        return difference.terms[0].Coefficient > 0 ? b + Pair(Maximum, difference, Zero) : a + Pair(Maximum, difference * -1, Zero);
    }

    /// <summary>The smaller.</summary>
    public static Dim Min(Dim a, Dim b) => a + b - Max(a, b);

    /// <summary>Whether axes of these sizes may be broadcast to one another, as far as is known.</summary>
    static bool Fit(Dim a, Dim b) => !a.IsKnown || !b.IsKnown || a.Value is 1 || b.Value is 1 || a.Equals(b);

    /// <summary>The size of an axis when operands of these sizes are broadcast: the other one where one is 1.</summary>
    /// <exception cref="SoftmodelException">Both are known, differ, and neither is 1.</exception>
    public static Dim Broadcast(Dim a, Dim b)
    {
        if (a.Equals(b) || b.Value is 1)
            return a;
        if (a.Value is 1)
            return b;
        if (!Fit(a, b))
            throw new SoftmodelException($"axes of {a} and {b} elements cannot be broadcast to one another");
        // A known size above 1 decides: the other can only be it or 1.
        if (a.Value > 1)
            return a;
        if (b.Value > 1)
            return b;
        // Broadcasting the same sizes again, or in another order, changes nothing.
        return Broadcasts(a).Concat(Broadcasts(b)).DistinctBy(d => d.text).OrderBy(d => d.text, StringComparer.Ordinal)
            .Aggregate((all, one) => Pair(Broadcasting, all, one));
    }

    /// <summary>
    /// Whether an operand's axis is as long as that of the result which it is broadcast to, wherever that can be done at all: a
    /// size and the least of it and a number above 1 are 1 together, so that broadcasting one to the other stretches nothing.
    /// </summary>
    public static bool IsNeverBroadcast(Dim operand, Dim result)
    {
        return operand.Equals(result) || Broadcasts(result).All(part => part.Equals(operand) || IsLeast(part, operand) || IsLeast(operand, part));

        // least = size - max(size - limit, 0)
        static bool IsLeast(Dim least, Dim size) => (size - least).terms is [{ Coefficient: 1, Atoms: [{ Kind: Maximum, A: { } over, B: { } zero }] }] && zero.Value is 0 && (size - over).Value is >= 2;
    }

    static IEnumerable<Dim> Broadcasts(Dim dim) => dim.terms is [{ Coefficient: 1, Atoms: [{ Kind: Broadcasting } pair] }]
        ? Broadcasts(pair.A!).Concat(Broadcasts(pair.B!)) : [dim];

    /// <summary>The product of sizes; 1 for none.</summary>
    public static Dim Product(IEnumerable<Dim> dims) => dims.Aggregate(One, (a, b) => a * b);

    /// <summary>Whether it is for some sizes none at all: a quotient may be by 0, and sizes may not be broadcast to one another.</summary>
    public bool CanFail => terms.SelectMany(t => t.Atoms).Any(a => !a.IsName
        && (a.Kind == Broadcasting || (a.Kind == Quotient && a.B!.Value is null or 0) || a.A!.CanFail || a.B!.CanFail));

    /// <summary>Whether it is written with so many terms that it had better have a name: what is computed of such sizes, layer by layer, grows without end.</summary>
    internal bool IsLong => text.Length > 200;

    /// <summary>Whether this is provably not negative, given that symbols are not.</summary>
    public bool IsNeverNegative => isNeverNegative ??= NeverNegativeIn(MostCases);

    /// <summary>Whether this is provably not negative, given that symbols are at least 1.</summary>
    public bool IsNeverNegativeFromOne => IsNeverNegative || Raised(_ => true).IsNeverNegative;

    /// <summary>The size where some of its symbols are 1 more.</summary>
    internal Dim Raised(Func<string, bool> symbols) => terms.Aggregate(Zero, (sum, term) => sum + term.Atoms.Aggregate((Dim)term.Coefficient, (product, atom) => product
        * (!atom.IsName ? Joined(atom.Kind, atom.A!.Raised(symbols), atom.B!.Raised(symbols), null) : symbols(atom.Text) ? Of(atom) + 1 : Of(atom))));

    // Two to the power of this many cases are looked at.
    const int MostCases = 3;

    bool NeverNegativeIn(int cases)
    {
        if (terms.All(t => t.Coefficient > 0 && t.Atoms.All(NeverNegative)))
            return true;
        if (cases == 0 || terms.SelectMany(t => t.Atoms).FirstOrDefault(a => a.Kind == Maximum) is not { } max)
            return false;
        // Where x <= 0, max(x, 0) is 0, and adding x cannot make a sum larger; where x >= 0 it is x.
        var x = max.A!;
        var (none, all) = (Replace(max, Zero), Replace(max, x));
        var slope = terms.Where(t => t.Atoms is [var only] && only.Text == max.Text).Sum(t => t.Coefficient);
        return (none.NeverNegativeIn(cases - 1) || (slope > 0 && (none + x * slope).NeverNegativeIn(cases - 1)))
            && (all.NeverNegativeIn(cases - 1) || (slope < 0 && (all + x * slope).NeverNegativeIn(cases - 1)));
    }

    Dim Replace(Atom atom, Dim by) => terms.Aggregate(Zero, (sum, term) =>
        sum + term.Atoms.Aggregate((Dim)term.Coefficient, (product, a) => product * (a.Text == atom.Text ? by : Of(a))));

    static bool NeverNegative(Atom atom) => atom.Kind switch
    {
        SymbolKind or VariableKind => true,
        Quotient => atom.A!.IsNeverNegative && atom.B!.IsNeverNegative,
        Maximum => atom.A!.IsNeverNegative || atom.B!.IsNeverNegative,
        _ => atom.A!.IsNeverNegative && atom.B!.IsNeverNegative,
    };

    /// <summary>This divided by another size where that leaves no remainder as polynomials, else null.</summary>
    public Dim? ExactQuotient(Dim divisor)
    {
        if (divisor.terms.Length == 1)
        {
            var by = divisor.terms[0];
            var quotient = new List<Term>();
            foreach (var term in terms)
            {
                if (term.Coefficient % by.Coefficient != 0)
                    return null;
                var left = term.Atoms.ToList();
                foreach (var atom in by.Atoms)
                {
                    var at = left.FindIndex(a => a.Text == atom.Text);
                    if (at < 0)
                        return null;
                    left.RemoveAt(at);
                }
                quotient.Add(new Term(term.Coefficient / by.Coefficient, [.. left]));
            }
            return Sum(quotient);
        }
        // A sum divides a product of it with a single term; the first terms tell which.
        if (terms.Length > 0 && terms.Length == divisor.terms.Length)
        {
            foreach (var lead in divisor.terms)
            {
                if (Sum([terms[0]]).ExactQuotient(Sum([lead])) is { } factor && (factor * divisor).Equals(this))
                    return factor;
            }
        }
        return null;
    }

    /// <summary>
    /// A quotient and what is left: this is quotient · divisor + rest. It is the division of polynomials by their first terms of
    /// the highest degree, so that what is left may be negative or larger than the divisor.
    /// </summary>
    public (Dim Quotient, Dim Remainder) Divide(Dim divisor)
    {
        if (divisor.Value is 0)
            return (Zero, this);
        if (ExactQuotient(divisor) is { } exact)
            return (exact, Zero);
        // The nearest, since a stride of one less than a row is a row and a step back.
        if (Value is { } x && divisor.Value is { } y)
            return (Floor(x + (y - 1) / 2, y), x - Floor(x + (y - 1) / 2, y) * y);
        var lead = Sum([divisor.terms.MaxBy(t => t.Atoms.Length)]);
        var (quotient, rest) = (Zero, this);
        for (var step = 0; step < MostSteps; step++)
        {
            if (lead.IsKnown || rest.terms.Select(t => Sum([t]).ExactQuotient(lead)).FirstOrDefault(q => q is not null) is not { } part)
                break;
            (quotient, rest) = (quotient + part, rest - part * divisor);
        }
        return (quotient, rest);
    }

    const int MostSteps = 4;

    /// <summary>The size with symbols replaced; a symbol for which the function gives null stays.</summary>
    /// <param name="symbol">What replaces a symbol.</param>
    /// <param name="impossible">What a quotient by 0, and a broadcast of sizes that do not fit, become; if null, they are errors.</param>
    /// <exception cref="SoftmodelException">A size becomes a quotient by 0, or a broadcast of sizes that do not fit.</exception>
    public Dim Substitute(Func<string, Dim?> symbol, Dim? impossible = null) => IsKnown ? this : terms.Aggregate(Zero, (sum, term) =>
        sum + term.Atoms.Aggregate((Dim)term.Coefficient, (product, atom) => product * (atom.IsName ? symbol(atom.Text) ?? Of(atom)
            : Joined(atom.Kind, atom.A!.Substitute(symbol, impossible), atom.B!.Substitute(symbol, impossible), impossible))));

    static Dim Joined(string kind, Dim a, Dim b, Dim? impossible) => kind switch
    {
        Quotient => impossible is not null && b.Value is 0 ? impossible : FloorDiv(a, b),
        Maximum => Max(a, b),
        _ => impossible is not null && !Fit(a, b) ? impossible : Broadcast(a, b),
    };

    /// <summary>The number that the size is when its symbols have these values.</summary>
    /// <exception cref="SoftmodelException">A broadcast does not fit.</exception>
    /// <exception cref="OverflowException">A part of it does not fit into 64 bits.</exception>
    public long Evaluate(Func<string, long> symbol) => Value ?? terms.Aggregate(0L, (sum, term) => checked(sum
        + term.Atoms.Aggregate(term.Coefficient, (product, atom) => checked(product * (atom.Kind switch
        {
            SymbolKind or VariableKind => symbol(atom.Text),
            Quotient => Floor(atom.A!.Evaluate(symbol), atom.B!.Evaluate(symbol)),
            Maximum => Math.Max(atom.A!.Evaluate(symbol), atom.B!.Evaluate(symbol)),
            _ => Broadcast(atom.A!.Evaluate(symbol), atom.B!.Evaluate(symbol)).Value!.Value,
        })))));

    /// <summary>About how large it is, to compare costs. It has no errors: of sizes that do not fit it takes the larger.</summary>
    /// <param name="symbol">What a symbol is about.</param>
    internal double Estimate(Func<string, double> symbol) => Compute(n => n, symbol, (kind, a, b) => kind switch
    {
        "add" => a + b,
        "multiply" => a * b,
        Quotient => Math.Floor(a / b),
        _ => Math.Max(a, b),
    });

    /// <summary>The same size where it is one; where sizes are divided by 0 or do not fit, some other one, so that it <see cref="CanFail">cannot fail</see>.</summary>
    internal Dim Unfailing() => !CanFail ? this : Compute<Dim>(n => n, Symbol, (kind, a, b) => kind switch
    {
        "add" => a + b,
        "multiply" => a * b,
        Quotient => FloorDiv(a, (b - 1).IsNeverNegative ? b : Max(b, 1)),
        _ => Max(a, b),
    });

    /// <summary>The size computed by other means, from what its parts come to.</summary>
    /// <param name="number">A number.</param>
    /// <param name="symbol">A symbol.</param>
    /// <param name="pair">One of <c>add</c>, <c>multiply</c>, <c>floordiv</c>, <c>max</c>, <c>broadcast</c> of two parts.</param>
    internal T Compute<T>(Func<long, T> number, Func<string, T> symbol, Func<string, T, T, T> pair)
    {
        T Of(Atom atom) => atom.IsName ? symbol(atom.Text) : pair(atom.Kind, atom.A!.Compute(number, symbol, pair), atom.B!.Compute(number, symbol, pair));
        T Product(Term term)
        {
            var factors = term.Atoms.Select(Of);
            return (term.Coefficient == 1 && term.Atoms.Length > 0 ? factors : factors.Prepend(number(term.Coefficient))).Aggregate((a, b) => pair("multiply", a, b));
        }
        return terms.Length == 0 ? number(0) : terms.Select(Product).Aggregate((a, b) => pair("add", a, b));
    }

    /// <summary>The size as a C# expression of type <c>long</c>; functions are those of <c>Softmodel.Runtime.Sizes</c>. Variables are what they are called.</summary>
    /// <param name="symbol">The C# expression of a symbol.</param>
    public string ToCSharp(Func<string, string> symbol)
    {
        if (terms.Length == 0)
            return "0";
        var code = new StringBuilder();
        foreach (var term in terms)
        {
            var factors = term.Atoms.Select(a => a.Kind == VariableKind ? a.Text[..^1] : a.IsName
                ? symbol(a.Text)
                : $"Sizes.{(a.Kind == Quotient ? "FloorDiv" : a.Kind == Maximum ? "Max" : "Broadcast")}({a.A!.ToCSharp(symbol)}, {a.B!.ToCSharp(symbol)})");
            var magnitude = Math.Abs(term.Coefficient);
            var product = string.Join(" * ", magnitude == 1 && term.Atoms.Length > 0 ? factors : factors.Prepend(magnitude.ToString(CultureInfo.InvariantCulture)));
            code.Append(code.Length == 0 ? term.Coefficient < 0 ? "-" : "" : term.Coefficient < 0 ? " - " : " + ").Append(product);
        }
        return code.ToString();
    }

    static Dim Pair(string kind, Dim a, Dim b) => Of(new Atom($"{kind}({a.text}, {b.text})", kind, a, b));

    static long Floor(long a, long b) => a / b - (a % b != 0 && a % b < 0 != b < 0 ? 1 : 0);

    static string Print(Term[] terms)
    {
        if (terms.Length == 0)
            return "0";
        var text = new StringBuilder();
        foreach (var term in terms)
        {
            var magnitude = term.Coefficient < 0 ? $"{term.Coefficient}"[1..] : $"{term.Coefficient}";
            var body = term.Atoms.Length == 0 ? magnitude : magnitude == "1" ? term.Key : $"{magnitude}*{term.Key}";
            text.Append(term.Coefficient < 0 ? "-" : text.Length > 0 ? "+" : "").Append(body);
        }
        return text.ToString();
    }

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    /// <exception cref="FormatException">The text is no size.</exception>
    public static Dim Parse(string text)
    {
        var at = 0;
        var dim = ParseSum(text, ref at);
        return at == text.Length ? dim : throw new FormatException($"'{text}' is no size: unexpected '{text[at]}' at {at}");
    }

    static Dim ParseSum(string text, ref int at)
    {
        var sum = Zero;
        do
        {
            var negative = at < text.Length && text[at] == '-';
            if (negative || (at < text.Length && text[at] == '+'))
                at++;
            var product = ParseFactor(text, ref at);
            while (at < text.Length && text[at] == '*')
            {
                at++;
                product *= ParseFactor(text, ref at);
            }
            sum = negative ? sum - product : sum + product;
        }
        while (at < text.Length && text[at] is '+' or '-');
        return sum;
    }

    static Dim ParseFactor(string text, ref int at)
    {
        var start = at;
        while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '_'))
            at++;
        var word = text[start..at];
        if (word.Length == 0)
            throw new FormatException($"'{text}' is no size: a number or name is missing at {start}");
        if (char.IsAsciiDigit(word[0]))
            return long.Parse(word, NumberStyles.None, CultureInfo.InvariantCulture);
        if (word is not (Quotient or Maximum or Broadcasting))
            return Symbol(word);
        Expect(text, ref at, "(");
        var a = ParseSum(text, ref at);
        Expect(text, ref at, ", ");
        var b = ParseSum(text, ref at);
        Expect(text, ref at, ")");
        return word == Quotient ? FloorDiv(a, b) : word == Maximum ? Max(a, b) : Broadcast(a, b);
    }

    static void Expect(string text, ref int at, string token)
    {
        if (string.CompareOrdinal(text, at, token, 0, token.Length) != 0)
            throw new FormatException($"'{text}' is no size: '{token}' is missing at {at}");
        at += token.Length;
    }

    /// <inheritdoc/>
    public bool Equals(Dim? other) => other is not null && text == other.text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Dim);

    /// <inheritdoc/>
    public override int GetHashCode() => text.GetHashCode(StringComparison.Ordinal);

    /// <summary>For example <c>2*T+3</c> or <c>floordiv(T, 2)</c>; <see cref="Parse"/> reads it.</summary>
    public override string ToString() => text;
}
