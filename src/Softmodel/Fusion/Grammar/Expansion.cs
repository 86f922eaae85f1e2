using System.Buffers;
using System.Globalization;
using System.Text;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Fusion;

/// <summary>Composes one passage from the rules.</summary>
/// <param name="subjects">The rules, and what programs passages are about.</param>
/// <param name="random">What chooses.</param>
sealed class Expansion(Subjects subjects, Random random)
{
    /// <summary>How often each program of sums is met: half of the phrases are of the four that are met most.</summary>
    public static readonly (string Program, int Weight)[] Sums =
    [
        ("add", 42), ("subtract", 42), ("multiply", 42), ("divide", 42), ("evaluate", 60),
        ("percent_of", 20), ("increase_by_percent", 8), ("decrease_by_percent", 8), ("percent_change", 6), ("what_percent", 8), ("average", 12),
        ("remainder", 8), ("quotient", 5), ("quotient_and_remainder", 5), ("difference", 6), ("power", 10), ("square", 7), ("cube", 5),
        ("square_root", 8), ("cube_root", 5), ("root", 4), ("ratio", 4), ("is_greater", 5), ("is_less", 5), ("is_equal", 4), ("compare", 4),
        ("maximum", 7), ("minimum", 7), ("greatest_common_divisor", 6), ("least_common_multiple", 6), ("digit_sum", 5), ("round_to_decimals", 5),
        ("round", 5), ("round_to_ten", 4), ("round_to_hundred", 4), ("round_to_thousand", 4), ("round_to_multiple", 3), ("round_down", 4), ("round_up", 4),
        ("absolute", 4), ("negate", 3), ("double", 7), ("half", 7), ("reciprocal", 3),
    ];

    static readonly SearchValues<char> plain = SearchValues.Create("0123456789-.,");

    sealed record Filled(string[] Forms, Quantity Quantity)
    {
        public Span? At { get; set; }
    }

    // What begins anew with the numbers: `<+rule>`.
    sealed class Scope
    {
        public required string Program { get; set; }

        // A story has said them: phrases only say again what there is.
        public bool IsFixed { get; set; }

        public Dictionary<string, Filled> Slots { get; } = [];

        public Quantity[]? Operands { get; set; }
    }

    readonly RuleSet rules = subjects.Rules;
    readonly StringBuilder text = new();
    readonly List<Due> dues = [];
    readonly List<int> undecided = [];
    readonly List<(string Role, int Start)> turns = [];
    readonly List<string> parts = [];
    bool isHeldOut;
    readonly Quantities quantities = new(random);
    readonly bool lower = random.Next(100) < 4, upper = random.Next(150) == 0, typos = random.Next(100) < 5;
    Scope scope = null!;
    bool capital, failed;

    /// <summary>Composes a passage.</summary>
    /// <param name="rule">What to begin with.</param>
    /// <param name="program">What it is about; null for any.</param>
    /// <returns>Null where a program has no result for the numbers that were drawn.</returns>
    public Passage? Compose(string rule, string? program = null)
    {
        Own(rule, capital: false, program);
        if (failed)
            return null;
        var whole = text.ToString();
        Turn[] messages = [.. turns.Select((t, i) => new Turn(t.Role, new(t.Start, (i + 1 < turns.Count ? turns[i + 1].Start - 2 : whole.Length) - t.Start)))];
        return new(whole, dues, undecided, messages, parts, quantities.Style) { IsOfHeldOutExample = isHeldOut };
    }

    /// <summary>Why a program of one's own gave no result; null where each did.</summary>
    public string? Failure { get; private set; }

    void Own(string rule, bool capital, string? program = null)
    {
        var outer = scope;
        while (program is null || !rules.IsPossible(rule, program))
            program = Program();
        scope = new() { Program = program };
        Expand(rule, capital);
        scope = outer;
    }

    string Program()
    {
        var at = random.Next(subjects.AllWeight);
        foreach (var (program, weight) in subjects.Programs)
        {
            if ((at -= weight) < 0)
                return program;
        }
        return subjects.Programs[0].Program;
    }

    void Expand(string name, bool capital)
    {
        this.capital |= capital;
        if (rules.Find(name, scope.Program) is not { } rule)
        {
            // A frame may ask for a phrase that the story's operation hasn't.
            failed = scope.IsFixed ? true : throw new SoftmodelException($"the grammar has no rule '{name}' for {scope.Program}");
            return;
        }
        if (rule.IsWords)
        {
            Word(rule.Alternatives[random.Next(rule.Alternatives.Count)].Forms[0]);
            return;
        }
        if (rule.IsCode)
            quantities.InCode();
        var weight = 0;
        var candidates = rules.Possible(name, scope.Program);
        foreach (var alternative in candidates)
            weight += Fits(rule, alternative) ? alternative.Weight : 0;
        if (weight == 0)
        {
            failed = true;
            return;
        }
        var at = random.Next(weight);
        foreach (var alternative in candidates)
        {
            if (!Fits(rule, alternative) || (at -= alternative.Weight) >= 0)
                continue;
            // What only chooses among rules is no part of what is said: held out, it would hold out all that they can say.
            if (alternative.Pieces.Any(p => p.Kind != PieceKind.Rule))
            {
                parts.Add(alternative.Id);
                isHeldOut |= alternative.IsHeldOut is true;
            }
            Expand(alternative.Pieces);
            return;
        }
    }

    static bool IsOperand(string slot) => slot is [>= 'a' and <= 'h'];

    bool Fits(Rule rule, Alternative alternative)
    {
        // Between problem and answer there is a message in a chat, and none elsewhere.
        if (rule.Answers is { } answers)
            return (alternative == answers) == turns.Count > 0;
        if (!rule.IsPhrases)
            return true;
        // A second phrase says the numbers of the first one, or of the story, all of them and no other ones.
        var said = 0;
        foreach (var (name, slot) in scope.Slots)
            said |= IsOperand(name) && slot.At is not null ? 1 << (name[0] - 'a') : 0;
        if (said == 0)
            return true;
        var says = 0;
        foreach (var piece in alternative.Pieces)
        {
            if (piece.Kind == PieceKind.Slot && IsOperand(piece.Text))
                says |= piece.Arguments.Length > 0 ? 1 << 31 : 1 << (piece.Text[0] - 'a');
        }
        // What only names the result, as "the sum", says none.
        return says == 0 || says == said;
    }

    void Expand(Piece[] pieces)
    {
        foreach (var piece in pieces)
        {
            if (failed)
                return;
            switch (piece.Kind)
            {
                case PieceKind.Text:
                    Append(typos ? Mistyped(Cased(piece.Text)) : Cased(piece.Text));
                    break;
                case PieceKind.Choice:
                    Expand(piece.Choices[random.Next(piece.Choices.Length)]);
                    break;
                case PieceKind.Rule when piece.IsOwn:
                    Own(piece.Text, piece.IsCapital);
                    break;
                case PieceKind.Rule:
                    Expand(piece.Text, piece.IsCapital);
                    break;
                case PieceKind.Slot:
                    Fill(piece);
                    break;
                case PieceKind.Result:
                    Result(piece);
                    break;
                case PieceKind.Undecided:
                    undecided.Add(End());
                    break;
                case PieceKind.Program:
                    (scope.Program, scope.IsFixed) = (piece.Text, true);
                    break;
                case PieceKind.Turn:
                    if (text.Length > 0)
                        text.Append("\n\n");
                    turns.Add((piece.Text, text.Length));
                    break;
            }
        }
    }

    void Append(string what)
    {
        if (capital && what.Length > 0)
        {
            what = char.ToUpperInvariant(what[0]) + what[1..];
            capital = false;
        }
        text.Append(what);
    }

    void Word(string what)
    {
        // An onion.
        if (text.Length > 1 && text[^1] == ' ' && text[^2] is 'a' or 'A' && (text.Length == 2 || !char.IsAsciiLetter(text[^3])) && what[0] is 'a' or 'e' or 'i' or 'o' && !what.StartsWith("one", StringComparison.Ordinal))
            text.Insert(text.Length - 1, upper ? 'N' : 'n');
        Append(Cased(what));
    }

    string Cased(string what) => lower ? what.ToLowerInvariant() : upper ? what.ToUpperInvariant() : what;

    // A letter left out, doubled, or exchanged with the next, in a word of four letters or more.
    string Mistyped(string what)
    {
        var typed = new StringBuilder(what);
        for (var at = what.Length - 1; at > 1; at--)
        {
            if (!char.IsAsciiLetterLower(what[at]) || !char.IsAsciiLetterLower(what[at - 1]) || at + 2 > what.Length - 1 || !char.IsAsciiLetterLower(what[at + 1]) || random.Next(25) > 0)
                continue;
            switch (random.Next(3))
            {
                case 0:
                    typed.Remove(at, 1);
                    break;
                case 1:
                    typed.Insert(at, what[at]);
                    break;
                default:
                    (typed[at], typed[at - 1]) = (typed[at - 1], typed[at]);
                    break;
            }
        }
        return typed.ToString();
    }

    int End()
    {
        var least = turns.Count > 0 ? turns[^1].Start : 0;
        var end = text.Length;
        while (end > least && char.IsWhiteSpace(text[end - 1]))
            end--;
        return end;
    }

    void Fill(Piece piece)
    {
        var (name, form) = piece.Text.Split('.') is [var before, var index] ? (before, int.Parse(index, CultureInfo.InvariantCulture)) : (piece.Text, 0);
        if (piece.Arguments.Length > 0)
            scope.Slots[name] = New(piece);
        else if (!scope.Slots.ContainsKey(name))
        {
            scope.Operands ??= subjects.Own.TryGetValue(scope.Program, out var own) ? own.Draw(random) : quantities.Operands(scope.Program);
            var at = name[0] - 'a';
            if (name.Length > 1 || at < 0 || at >= scope.Operands.Length)
                throw new SoftmodelException($"the grammar has no number '{name}' for {scope.Program}");
            scope.Slots[name] = new([scope.Operands[at].Text], scope.Operands[at]);
        }
        if (failed)
            return;
        var slot = scope.Slots[name];
        var what = slot.Forms[Math.Min(form, slot.Forms.Length - 1)];
        // Who works something out writes digits.
        if (scope.IsFixed && piece.Arguments.Length == 0 && slot.Quantity is { Look.InWords: true, Value: { } value } && slot.At is not null)
            what = (slot.Quantity.Look with { InWords = false }).Write(value);
        if (piece.IsCapital)
            what = char.ToUpperInvariant(what[0]) + what[1..];
        var isWord = slot.Forms.Length > 1 || (slot.Quantity.Value is null && char.IsLetter(what[0]));
        // "5 - (-3)".
        var wrapped = what[0] is '-' or '\u2212' && End() is > 0 and var end && text[end - 1] is '+' or '-' or '*' or '/' or '×' or '÷' or '\u2212' && random.Next(4) > 0;
        if (wrapped)
            text.Append('(');
        var start = text.Length;
        if (isWord)
            Word(what);
        else
            Append(what);
        // The word before may have become an "an".
        start = text.Length - what.Length;
        slot.At = new(start, what.Length);
        if (wrapped)
            text.Append(')');
    }

    Filled New(Piece piece)
    {
        var kind = piece.Arguments[0];
        if (kind[0] == '\'')
            return new([kind.Trim('\'')], default);
        if (kind == "value" && subjects.Own.TryGetValue(scope.Program, out var own))
            return new([own.Any(random)], default);
        if (rules.Find(kind, scope.Program) is { IsWords: true } words)
        {
            // Two people have two names.
            for (var tries = 0; ; tries++)
            {
                var forms = words.Alternatives[random.Next(words.Alternatives.Count)].Forms;
                if (tries == 20 || !scope.Slots.Values.Any(s => s.Forms[0] == forms[0]))
                    return new(forms, default);
            }
        }
        if (quantities.OfKind(kind, piece.Arguments.Length > 1 ? scope.Slots[piece.Arguments[1]].Quantity : null) is { } quantity)
            return new([quantity.Text], quantity);
        // A number without divisors, or one that is too long.
        failed = piece.Arguments.Length > 1 ? true : throw new SoftmodelException($"the grammar has no kind of number '{kind}'");
        return new([""], default);
    }

    void Result(Piece piece)
    {
        var program = piece.Arguments.Length > 0 ? piece.Arguments[0] : scope.Program;
        string[] names = piece.Arguments.Length > 1 ? piece.Arguments[1..]
            : [.. scope.Slots.Where(s => IsOperand(s.Key) && s.Value.At is not null).Select(s => s.Key).Order(StringComparer.Ordinal)];
        Span[] spans = [.. names.SelectMany(n => Spans(scope.Slots[n]) ?? throw new SoftmodelException($"the grammar has a result of '{n}', which stands nowhere before it"))];
        string[] operands = [.. spans.Select(s => text.ToString(s.Start, s.Length))];
        var found = subjects.Named(program);
        var result = found.Run(operands);
        if (result.Failure != ProgramFailure.None || IsAwkward(result.Text))
        {
            Failure = subjects.Own.ContainsKey(program) && result.Failure != ProgramFailure.None ? $"{program}({string.Join("; ", operands)}): {result.Text}" : null;
            failed = true;
            return;
        }
        // Only what has more than digits can have a unit.
        var unit = Array.TrueForAll(operands, o => !o.AsSpan().ContainsAnyExcept(plain)) && program is not ("what_percent" or "percent_change") ? result.Text
            : found.Run(operands, new WritingStyle { Unit = true }).Text;
        var at = unit.IndexOf(result.Text, StringComparison.Ordinal);
        text.Append(at > 0 ? unit[..at] : "");
        undecided.Remove(End());
        dues.Add(new(End(), program, InOrder(found, spans, result), result.Text));
        var start = text.Length;
        text.Append(result.Text);
        if (piece.Text.Length > 0)
        {
            var value = result.Text.Length <= 24 && decimal.TryParse(result.Text, NumberStyles.Number, CultureInfo.InvariantCulture, out var read) ? read : default(decimal?);
            var point = result.Text.IndexOf('.');
            var look = new Look(result.Text.Contains(',', StringComparison.Ordinal) ? ',' : '\0', point < 0 ? 0 : result.Text.Length - point - 1, at > 0 ? unit[..at] : "", at >= 0 ? unit[(at + result.Text.Length)..] : "");
            scope.Slots[piece.Text] = new([at >= 0 ? unit : result.Text], new(unit, value, look)) { At = at >= 0 ? new(start - at, unit.Length) : new(start, result.Text.Length) };
        }
        if (at >= 0)
            text.Append(unit.AsSpan(at + result.Text.Length));
    }

    // Where the order makes no difference it is that of the text, and what stands together as a list is one operand.
    Span[] InOrder(FusedProgram program, Span[] spans, ProgramResult result)
    {
        Span[] sorted = [.. spans.OrderBy(s => s.Start)];
        string[] texts = [.. sorted.Select(s => text.ToString(s.Start, s.Length))];
        if (program.Run(texts) == result && texts.Distinct(StringComparer.Ordinal).Count() == texts.Length)
            spans = sorted;
        if (spans.Length < NumberList.Least || sorted.Zip(sorted[1..]).Any(p => p.First.End > p.Second.Start))
            return spans;
        Span whole = new(sorted[0].Start, sorted[^1].End - sorted[0].Start);
        var list = text.ToString(whole.Start, whole.Length);
        return program.Items(list) is { } items && items.SequenceEqual(texts) && program.Run([list]) == result ? [whole] : spans;
    }

    static IEnumerable<Span>? Spans(Filled slot) => slot.At is not { } at ? null : slot.Quantity.Parts?.Select(p => p with { Start = p.Start + at.Start }) ?? [at];

    // Decimals that were cut off: seldom, since people choose their numbers so that there are none.
    bool IsAwkward(string result) => result.IndexOf('.') is >= 0 and var point && result.Length - point - 1 >= 6 && random.Next(5) > 0;
}
