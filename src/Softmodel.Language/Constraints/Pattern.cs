using System.Globalization;
using System.Text;

namespace Softmodel.Language.Constraints;

/// <summary>
/// Reads regular expressions as ECMA-262 writes them, as far as an automaton can follow them: no back-references, and nothing that
/// looks ahead or behind. Classes such as \d, \w and \s are ECMA-262's.
/// </summary>
sealed class Pattern
{
    const int MostRepeats = 10_000, MostDepth = 200;

    static readonly Characters digits = new(('0', '9')), word = Characters.Of([('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')]);
    static readonly Characters space = Characters.Of([(9, 13), (' ', ' '), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)]);
    static readonly Characters lineEnds = Characters.Of([('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029)]);

    readonly string text;
    readonly Terms terms;
    readonly Func<Characters, Term> write;
    int at, depth;

    Pattern(string text, Terms terms, Func<Characters, Term> write) => (this.text, this.terms, this.write) = (text, terms, write);

    /// <summary>Makes a term of a pattern that is to match a whole text.</summary>
    /// <param name="text">The pattern; ^ and $ may stand at its ends.</param>
    /// <param name="terms">Where the term is made.</param>
    /// <param name="write">How one of some characters is written.</param>
    /// <exception cref="SoftmodelException">It is none, or has what an automaton can't follow.</exception>
    public static Term Whole(string text, Terms terms, Func<Characters, Term> write) => terms.Either([.. new Pattern(text, terms, write).Read().Select(b => b.Term)]);

    /// <summary>Makes a term of a pattern that is to match somewhere in a text, as JSON Schema has it.</summary>
    /// <inheritdoc cref="Whole"/>
    public static Term Somewhere(string text, Terms terms, Func<Characters, Term> write)
    {
        var any = terms.Repeat(write(Characters.All), 0, Terms.Unbounded);
        return terms.Either([.. new Pattern(text, terms, write).Read().Select(b => terms.Then(b.IsAtStart ? terms.Empty : any, b.Term, b.IsAtEnd ? terms.Empty : any))]);
    }

    /// <summary>The pattern's branches, each with the anchors at its ends.</summary>
    List<(Term Term, bool IsAtStart, bool IsAtEnd)> Read()
    {
        var branches = new List<(Term, bool, bool)>();
        do
        {
            var isAtStart = Takes('^');
            var term = Sequence();
            branches.Add((term, isAtStart, Takes('$')));
        }
        while (Takes('|'));
        return at == text.Length ? branches : throw Wrong(text[at] switch { ')' => "a ')' closes nothing", '^' or '$' => "^ and $ may stand only at the ends of the pattern", _ => "nothing is expected here" });
    }

    SoftmodelException Wrong(string what) => new($"the pattern '{text}' can't be followed: at character {at + 1}, {what}");

    bool Takes(char c)
    {
        if (at >= text.Length || text[at] != c)
            return false;
        at++;
        return true;
    }

    Term Branches()
    {
        if (++depth > MostDepth)
            throw Wrong($"groups lie more than {MostDepth} deep");
        var branches = new List<Term>();
        do
            branches.Add(Sequence());
        while (Takes('|'));
        depth--;
        return terms.Either([.. branches]);
    }

    Term Sequence()
    {
        var parts = new List<Term>();
        // A $ at the end is the branch's anchor.
        while (at < text.Length && text[at] is not ('|' or ')') && !(depth == 0 && text[at] == '$' && (at + 1 == text.Length || text[at + 1] == '|')))
            parts.Add(Repeated(Atom()));
        return terms.Then([.. parts]);
    }

    Term Repeated(Term term)
    {
        while (at < text.Length && text[at] is '*' or '+' or '?' or '{')
        {
            var start = at;
            var (least, most) = text[at++] switch
            {
                '*' => (0, Terms.Unbounded),
                '+' => (1, Terms.Unbounded),
                '?' => (0, 1),
                _ => Counts(start),
            };
            // Which of the possible lengths is tried first does not matter to what is a match.
            Takes('?');
            term = terms.Repeat(term, least, most);
        }
        return term;
    }

    (int Least, int Most) Counts(int start)
    {
        var close = text.IndexOf('}', at);
        var inside = close < 0 ? "" : text[at..close];
        var comma = inside.IndexOf(',', StringComparison.Ordinal);
        var (first, second) = comma < 0 ? (inside, inside) : (inside[..comma], inside[(comma + 1)..]);
        static bool Count(string text, out int count) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count <= MostRepeats;
        var most = Terms.Unbounded;
        if (!Count(first, out var least) || (second.Length > 0 && !Count(second, out most)) || least > most)
        {
            at = start;
            throw Wrong($"a count is expected as in {{2}}, {{2,}} or {{2,5}}, at most {MostRepeats}; a brace itself is written \\{{");
        }
        at = close + 1;
        return (least, most);
    }

    Term Atom()
    {
        var start = at;
        switch (text[at++])
        {
            case '(':
                if (Takes('?') && !Takes(':') && !Named())
                {
                    at = start;
                    throw Wrong("a group looks ahead or behind, or sets options, which an automaton can't follow");
                }
                var group = Branches();
                return Takes(')') ? group : throw Wrong("a group is not closed");
            case '[':
                return write(Class());
            case '.':
                return write(~lineEnds);
            case '\\':
                return write(Escape(isInClass: false));
            case '*' or '+' or '?' or '{':
                at = start;
                throw Wrong("nothing stands before what repeats it");
            case '^' or '$':
                at = start;
                throw Wrong("^ and $ may stand only at the ends of the pattern");
            default:
                at = start;
                return write(Characters.One(Character()));
        }
    }

    bool Named()
    {
        if (!(at + 1 < text.Length && text[at] == '<' && text[at + 1] is not ('=' or '!')) || text.IndexOf('>', at) is not (var close and >= 0))
            return false;
        at = close + 1;
        return true;
    }

    int Character()
    {
        if (Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out var length) != System.Buffers.OperationStatus.Done)
            throw Wrong("half of a surrogate pair is no character");
        at += length;
        return rune.Value;
    }

    Characters Class()
    {
        var isOthers = Takes('^');
        var all = new Characters();
        all = Characters.Of([]);
        while (!Takes(']'))
        {
            if (at >= text.Length)
                throw Wrong("a class is not closed");
            var from = Member();
            if (from is { Ranges: [var single] } && single.From == single.To && at + 1 < text.Length && text[at] == '-' && text[at + 1] != ']')
            {
                at++;
                var to = Member();
                if (to.Ranges is not [var end] || end.From != end.To || end.From < single.From)
                    throw Wrong("a range ends before it begins");
                from = Characters.Of([(single.From, end.From)]);
            }
            all |= from;
        }
        return isOthers ? ~all : all;
    }

    Characters Member() => Takes('\\') ? Escape(isInClass: true) : Characters.One(Character());

    Characters Escape(bool isInClass)
    {
        if (at >= text.Length)
            throw Wrong("a backslash stands at the end");
        var c = text[at];
        Characters Taken(Characters characters)
        {
            at++;
            return characters;
        }
        switch (c)
        {
            case 'd': return Taken(digits);
            case 'D': return Taken(~digits);
            case 'w': return Taken(word);
            case 'W': return Taken(~word);
            case 's': return Taken(space);
            case 'S': return Taken(~space);
            case 'n': return Taken(Characters.One('\n'));
            case 'r': return Taken(Characters.One('\r'));
            case 't': return Taken(Characters.One('\t'));
            case 'v': return Taken(Characters.One('\v'));
            case 'f': return Taken(Characters.One('\f'));
            case '0' when !(at + 1 < text.Length && char.IsAsciiDigit(text[at + 1])): return Taken(Characters.One(0));
            case 'b' when isInClass: return Taken(Characters.One('\b'));
            case 'x': return Hexadecimal(1, 2);
            case 'u' when at + 1 < text.Length && text[at + 1] == '{':
                var close = text.IndexOf('}', at);
                return close < 0 ? throw Wrong("a character's number is not closed") : Hexadecimal(2, close - at - 2, 1);
            case 'u': return Hexadecimal(1, 4);
        }
        return char.IsAsciiLetterOrDigit(c)
            ? throw Wrong(c is 'b' or 'B' ? "the boundary of a word is looked for, which is not supported" : char.IsAsciiDigit(c) || c == 'k' ? "an earlier group is referred to, which an automaton can't follow" : $"'\\{c}' is not known")
            : Characters.One(Character());
    }

    Characters Hexadecimal(int skip, int length, int after = 0)
    {
        if (at + skip + length > text.Length || !int.TryParse(text.AsSpan(at + skip, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) || !Rune.IsValid(value))
            throw Wrong("a character's number in hexadecimal is expected");
        at += skip + length + after;
        return Characters.One(value);
    }
}
