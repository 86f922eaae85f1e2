using System.Text.RegularExpressions;

namespace Softmodel.Fusion;

/// <summary>Makes phrases of the example sentences of a method of one's own, in which the frames of the grammar ask for its result.</summary>
static partial class ExactPhrases
{
    const int OneExampleIn = 5;

    // Of a sentence, what can stand before it: "In cheese, how many e are there?"
    [GeneratedRegex(@" (?:in|within|from|between|for|with|on|at) ")]
    private static partial Regex Preposition();

    [GeneratedRegex(@"^(?:how|what|which|who|when|where|whose) ", RegexOptions.IgnoreCase)]
    private static partial Regex QuestionWord();

    [GeneratedRegex(@"^(?:what is|what's|give me|tell me|show me|find|calculate|compute|determine|work out) (?!how|what|which|who|when|where)", RegexOptions.IgnoreCase)]
    private static partial Regex BeforeNoun();

    [GeneratedRegex(@"[A-Za-z]{4,}")]
    private static partial Regex Word();

    // What is left out in haste: "how many e in cheese".
    [GeneratedRegex(@"\b(?:is|are|there|the|it|does|do|did|will|have) ")]
    private static partial Regex Small();

    // Words that say nothing of what a sentence is about.
    static readonly HashSet<string> common = new(StringComparer.OrdinalIgnoreCase)
    {
        "about", "after", "again", "been", "before", "between", "could", "does", "each", "find", "from", "give", "have", "here", "into", "many", "more", "most", "much", "need", "number", "often",
        "please", "same", "should", "show", "some", "tell", "than", "that", "their", "them", "then", "there", "these", "they", "this", "those", "times", "today", "until", "want", "well", "were",
        "what", "what's", "when", "where", "which", "will", "with", "would", "you", "your", "long", "count", "contain", "contains",
    };

    /// <summary>The rules of a method, by name.</summary>
    /// <param name="descriptor">The method.</param>
    /// <param name="rules">The rules of the grammar, from which frames and wordings are taken.</param>
    public static IEnumerable<Rule> Of(ExactDescriptor descriptor, IReadOnlyDictionary<string, Rule> rules)
    {
        var wordings = rules["exact.wording"].Alternatives;
        var made = new Dictionary<string, List<Alternative>>(StringComparer.Ordinal);
        void Add(string rule, int weight, IEnumerable<Piece> pieces, int example, bool isHeldOut = false)
        {
            var all = made.TryGetValue(rule, out var there) ? there : made[rule] = [];
            all.Add(new($"{descriptor.Name}.{rule}-{example}", weight, Merged(pieces), []) { IsHeldOut = isHeldOut });
        }
        // The last ones, since users begin with what matters; questions, if there are more of them than orders and names.
        var kinds = descriptor.Examples.Select(e => Parsed(e).End).ToArray();
        HashSet<int> heldOut = [.. Enumerable.Range(0, kinds.Length).Where(i => kinds.Count(k => k == kinds[i]) > 2).TakeLast(kinds.Length / OneExampleIn)];
        // What a sentence is about is in most of them.
        var topics = descriptor.Examples.SelectMany(e => e.Where(p => p.Parameter is null).SelectMany(p => Word().Matches(p.Text).Select(w => w.Value)).Distinct(StringComparer.OrdinalIgnoreCase))
            .Where(w => !common.Contains(w)).CountBy(w => w, StringComparer.OrdinalIgnoreCase).Where(w => 2 * w.Value > kinds.Length).Select(w => w.Key).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var (number, example) in descriptor.Examples.Index())
        {
            var isHeldOut = heldOut.Contains(number);
            Piece[] Said(IEnumerable<Piece> pieces) => [.. pieces.SelectMany(p => p.Kind == PieceKind.Text ? Worded(p.Text, wordings) : [p])];
            void AddPhrase(string rule, int weight, List<Piece> pieces)
            {
                Add(rule, 2 * weight, Named(Said(pieces), descriptor), number, isHeldOut);
                Add(rule, 1, [.. pieces.Select(p => p.Kind == PieceKind.Text ? Text(Small().Replace(p.Text, "")) : p)], number, isHeldOut);
            }
            var (pieces, end) = Parsed(example);
            switch (end)
            {
                case '?':
                    AddPhrase("q", 3, [.. pieces, Text("?")]);
                    var isClause = pieces[0].Kind == PieceKind.Text && QuestionWord().IsMatch(pieces[0].Text) && !pieces.Any(p => p.Kind == PieceKind.Text && p.Text.Contains(". ", StringComparison.Ordinal));
                    if (isClause)
                        AddPhrase("wh", 1, pieces);
                    if (isClause && Turned(pieces) is { } turned)
                        AddPhrase("q", 1, [.. turned, Text("?")]);
                    break;
                case '.' or '!':
                    AddPhrase("order", 1, pieces);
                    break;
                default:
                    AddPhrase("np", 2, pieces);
                    break;
            }
            if (pieces[0].Kind == PieceKind.Text && end is '?' or '.' && BeforeNoun().Match(pieces[0].Text) is { Success: true } before)
                AddPhrase("np", 1, [Text(pieces[0].Text[before.Length..]), .. pieces.Skip(1)]);
            // What lacks an operand, and what is about something else, isn't due.
            string mark = end == '?' ? "?" : end is '.' or '!' ? "." : "";
            for (var missing = 0; missing < descriptor.Parameters.Count; missing++)
                Add("lacking", 1, [.. pieces.Select(p => p.Kind == PieceKind.Slot && p.Text == Slot(missing) ? new(PieceKind.Rule, descriptor.Parameters[missing].Type.Type == typeof(string) ? "exact.missing.text" : "exact.missing") : p), Text(mark)], number, isHeldOut);
            foreach (var (at, piece) in pieces.Index().Where(p => p.Item.Kind == PieceKind.Text))
            {
                foreach (Match word in Word().Matches(piece.Text))
                {
                    if (!topics.Contains(word.Value))
                        continue;
                    var other = word.Value[^1] == 's' ? "things" : "noun";
                    Add("twisted", 1, [.. pieces[..at], Text(piece.Text[..word.Index]), new(PieceKind.Rule, other), Text(piece.Text[(word.Index + word.Length)..]), .. pieces[(at + 1)..], Text(mark)], number, isHeldOut);
                }
            }
        }
        foreach (var (number, negative) in descriptor.Negatives.Index())
        {
            var (pieces, end) = Parsed(negative);
            Add("undue", 1, Named([.. pieces.SelectMany(p => p.Kind == PieceKind.Text ? Worded(p.Text, wordings) : [p]), .. end == '\0' ? (Piece[])[] : [Text(end.ToString())]], descriptor), number);
        }
        foreach (var (name, alternatives) in made)
            yield return new(name, IsWords: false, alternatives) { IsPhrases = name is "q" or "wh" or "order" or "np" };
        yield return rules["exact.ask"] with { Name = "ask" };
    }

    static string Slot(int parameter) => ((char)('a' + parameter)).ToString();

    static Piece Text(string text) => new(PieceKind.Text, text);

    // The pieces of a sentence, which doesn't begin with a capital, and the mark that it ends with.
    static (List<Piece> Pieces, char End) Parsed(IReadOnlyList<ExamplePart> sentence)
    {
        List<Piece> pieces = [.. sentence.Select(p => p.Parameter is { } parameter ? new(PieceKind.Slot, Slot(parameter)) : Text(p.Text))];
        if (pieces is [{ Kind: PieceKind.Text, Text: [var first, var second, ..] text }, ..] && char.IsAsciiLetterUpper(first) && char.IsAsciiLetterLower(second))
            pieces[0] = Text(char.ToLowerInvariant(first) + text[1..]);
        if (pieces[^1] is not { Kind: PieceKind.Text } last)
            return (pieces, '\0');
        var trimmed = last.Text.TrimEnd();
        var end = trimmed.Length > 0 && trimmed[^1] is '?' or '.' or '!' ? trimmed[^1] : '\0';
        trimmed = end == '\0' ? trimmed : trimmed[..^1].TrimEnd();
        if (trimmed.Length > 0)
            pieces[^1] = Text(trimmed);
        else
            pieces.RemoveAt(pieces.Count - 1);
        return (pieces.Count > 0 ? pieces : [Text("")], end);
    }

    // "how many days are there between {a} and {b}": "between {a} and {b}, how many days are there".
    static List<Piece>? Turned(List<Piece> pieces)
    {
        for (var at = 0; at < pieces.Count; at++)
        {
            if (pieces[at].Kind != PieceKind.Text || Preposition().Match(pieces[at].Text) is not { Success: true } found || !pieces.Skip(at + 1).Any(p => p.Kind == PieceKind.Slot))
                continue;
            var rest = pieces[at].Text[..found.Index];
            // "how many" alone asks for nothing.
            if ((at == 0 ? rest : pieces[0].Text + rest).Count(c => c == ' ') < 2)
                return null;
            return [Text(pieces[at].Text[(found.Index + 1)..]), .. pieces[(at + 1)..], Text(", "), .. pieces[..at], Text(rest)];
        }
        return null;
    }

    // The first wording of each is as frequent as the others together.
    static IEnumerable<Piece> Worded(string text, IReadOnlyList<Alternative> wordings)
    {
        for (var from = 0; from < text.Length;)
        {
            var found = wordings.Select(w => (At: Found(text, w.Forms[0], from), w.Forms)).Where(w => w.At >= 0).OrderBy(w => w.At).ThenByDescending(w => w.Forms[0].Length).FirstOrDefault();
            if (found.Forms is null)
            {
                yield return Text(text[from..]);
                yield break;
            }
            if (found.At > from)
                yield return Text(text[from..found.At]);
            yield return new(PieceKind.Choice, "") { Choices = [.. found.Forms.Concat(Enumerable.Repeat(found.Forms[0], found.Forms.Length - 1)).Select(f => new[] { Text(f) })] };
            from = found.At + found.Forms[0].Length;
        }
    }

    static int Found(string text, string words, int from)
    {
        for (var at = from; (at = text.IndexOf(words, at, StringComparison.Ordinal)) >= 0; at++)
        {
            var end = at + words.Length;
            if ((at == 0 || !char.IsLetter(text[at - 1])) && (end == text.Length || !char.IsLetter(text[end])))
                return at;
        }
        return -1;
    }

    // "in {b}": "in the word {b}", after the parameter's own name, where nothing says what it is.
    static IEnumerable<Piece> Named(IReadOnlyList<Piece> pieces, ExactDescriptor descriptor)
    {
        for (var at = 0; at < pieces.Count; at++)
        {
            if (pieces[at].Kind == PieceKind.Slot && descriptor.Parameters[pieces[at].Text[0] - 'a'] is { } parameter && parameter.Type.Type == typeof(string) && Noun(parameter.Name) is { Length: > 2 } noun)
            {
                var before = at == 0 ? "" : pieces[at - 1].Kind == PieceKind.Choice ? pieces[at - 1].Choices[0][0].Text : pieces[at - 1].Text;
                var last = before.TrimEnd().Split(' ')[^1];
                var follows = at + 1 < pieces.Count && pieces[at + 1].Kind == PieceKind.Text ? pieces[at + 1].Text : " ";
                if (last is not ("a" or "an" or "the" or "many" or "every" or "each" or "another" or "one") && !last.Equals(noun, StringComparison.OrdinalIgnoreCase) && (follows.Length == 0 || !char.IsLetter(follows[0])) && !follows.StartsWith('\''))
                    yield return new(PieceKind.Choice, "") { Choices = [.. Enumerable.Repeat<Piece[]>([], 5), [Text($"the {noun} ")]] };
            }
            yield return pieces[at];
        }
    }

    // The last word of a name: "firstWord" is a word.
    static string Noun(string name)
    {
        var last = name.Length - 1;
        while (last > 0 && !char.IsAsciiLetterUpper(name[last]))
            last--;
        return name[last..].ToLowerInvariant();
    }

    static Piece[] Merged(IEnumerable<Piece> pieces) => [.. pieces.Where(p => p.Kind != PieceKind.Text || p.Text.Length > 0)];
}
