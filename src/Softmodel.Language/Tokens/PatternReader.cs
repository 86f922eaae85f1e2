using System.Globalization;
using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>Reads a regular expression in Oniguruma's syntax of Ruby and writes it in that of .NET, with its sets of characters apart.</summary>
sealed class PatternReader
{
    // In what is written, a set is a character from here on.
    const char FirstSet = '\uE000';

    [Flags]
    enum Mode
    {
        None = 0,
        IgnoresCase = 1,
        DotIsAll = 2,
        SkipsSpace = 4,
    }

    static readonly CharacterSet newline = CharacterSet.Of('\n');

    readonly string source;
    readonly List<CharacterSet> sets = [];
    readonly StringBuilder written = new();
    Mode mode;
    int at, depth;

    /// <summary>Reads it.</summary>
    /// <exception cref="FormatException">It is none, or has what is not read here; the message goes on after the pattern.</exception>
    public PatternReader(string source)
    {
        this.source = source;
        Alternatives();
        if (at < source.Length)
            throw new FormatException($"has a ')' too many, at {at}");
    }

    /// <summary>The sets of characters that it speaks of.</summary>
    public IReadOnlyList<CharacterSet> Sets => sets;

    /// <summary>The pattern in .NET's syntax.</summary>
    /// <param name="forms">How each set is written.</param>
    public string Text(IReadOnlyList<string> forms)
    {
        var text = new StringBuilder();
        foreach (var c in written.ToString())
        {
            if (c >= FirstSet)
                text.Append(forms[c - FirstSet]);
            else
                text.Append(c);
        }
        return text.ToString();
    }

    static FormatException Unknown(string what) => new($"has {what}, which is not read here");

    bool Takes(string text)
    {
        if (!source.AsSpan(at).StartsWith(text, StringComparison.Ordinal))
            return false;
        at += text.Length;
        return true;
    }

    string Set(CharacterSet set)
    {
        var index = sets.FindIndex(s => s.Bounds.SequenceEqual(set.Bounds));
        if (index < 0)
        {
            index = sets.Count;
            sets.Add(set);
            if (index >= 0x1F00)
                throw Unknown("more than 7,936 sets of characters");
        }
        return ((char)(FirstSet + index)).ToString();
    }

    void Alternatives()
    {
        if (++depth > 200)
            throw Unknown("groups more than 200 deep");
        var before = mode;
        written.Append("(?:");
        while (at < source.Length && source[at] != ')')
        {
            if (Takes("|"))
                written.Append('|');
            else
                Item();
        }
        written.Append(')');
        mode = before;
        depth--;
    }

    void Item()
    {
        if (mode.HasFlag(Mode.SkipsSpace) && (char.IsWhiteSpace(source[at]) || source[at] == '#'))
        {
            if (source[at] == '#')
                at = source.IndexOf('\n', at) is var end and >= 0 ? end : source.Length;
            else
                at++;
            return;
        }
        var start = written.Length;
        if (!Atom())
            return;
        while (Quantifier() is { } quantifier)
        {
            // A second one is of what the first one makes.
            written.Insert(start, quantifier.IsPossessive ? "(?>(?:" : "(?:").Append(quantifier.IsPossessive ? $"){quantifier.Text})" : $"){quantifier.Text}");
        }
    }

    (string Text, bool IsPossessive)? Quantifier()
    {
        if (at >= source.Length)
            return null;
        if (source[at] is '*' or '+' or '?')
        {
            var form = source[at++].ToString();
            return Takes("?") ? (form + "?", false) : (form, Takes("+"));
        }
        // Ruby has no possessive intervals, and no reluctant ones of one number.
        return Interval() is { } interval ? (!interval.IsOne && Takes("?") ? interval.Text + "?" : interval.Text, false) : null;
    }

    (string Text, bool IsOne)? Interval()
    {
        if (source[at] != '{')
            return null;
        var end = source.IndexOf('}', at);
        if (end < 0 || source[(at + 1)..end].Split(',') is not { Length: 1 or 2 } numbers || numbers.Any(n => n.Any(c => !char.IsAsciiDigit(c))) || numbers.All(n => n.Length == 0))
            return null;
        if (numbers.Any(n => n.Length > 6))
            throw Unknown($"the interval {source[at..(end + 1)]}");
        at = end + 1;
        if (numbers.Length == 1)
            return ($"{{{numbers[0]}}}", true);
        var (least, most) = (numbers[0].Length == 0 ? "0" : numbers[0], numbers[1]);
        if (most.Length > 0 && int.Parse(least, CultureInfo.InvariantCulture) > int.Parse(most, CultureInfo.InvariantCulture))
            throw Unknown($"the interval {{{least},{most}}}, whose least is its largest number");
        return ($"{{{least},{most}}}", false);
    }

    // False where nothing was written that a quantifier could be of.
    bool Atom()
    {
        switch (source[at])
        {
            case '(':
                return Group();
            case '[':
                at++;
                Class();
                return true;
            case '.':
                at++;
                written.Append(Set(mode.HasFlag(Mode.DotIsAll) ? CharacterSet.All : ~newline));
                return true;
            case '^':
                at++;
                written.Append($"(?:\\A|(?<={Set(newline)})(?!\\z))");
                return true;
            case '$':
                at++;
                written.Append($"(?:(?={Set(newline)})|\\z)");
                return true;
            case '*' or '+' or '?':
                throw new FormatException($"has a '{source[at]}' of nothing, at {at}");
            case '\\' when Escaped():
                return true;
            default:
                Literal();
                return true;
        }
    }

    bool Group()
    {
        at++;
        if (Takes("?#"))
        {
            at = source.IndexOf(')', at) is var end and >= 0 ? end + 1 : throw new FormatException("has a comment without an end");
            return false;
        }
        if (!Takes("?"))
        {
            Inner("(?:");
            return true;
        }
        foreach (var form in (string[])[":", "=", "!", ">", "<=", "<!"])
        {
            if (Takes(form))
            {
                Inner($"(?{form}");
                return true;
            }
        }
        if (at < source.Length && source[at] is '<' or '\'')
        {
            // What is captured is asked for by nobody.
            at = source.IndexOf(source[at] == '<' ? '>' : '\'', at + 1) is var end and >= 0 ? end + 1 : throw new FormatException("has a name without an end");
            Inner("(?:");
            return true;
        }
        var (before, isOn) = (mode, true);
        for (; at < source.Length && source[at] is not (')' or ':'); at++)
        {
            if (source[at] == '-')
            {
                isOn = false;
                continue;
            }
            var one = source[at] switch { 'i' => Mode.IgnoresCase, 'm' => Mode.DotIsAll, 'x' => Mode.SkipsSpace, var other => throw Unknown($"the group '(?{other}'") };
            mode = isOn ? mode | one : mode & ~one;
        }
        if (Takes(":"))
        {
            Inner("(?:");
            mode = before;
            return true;
        }
        // It is of what follows up to the end of the group, alternatives and all.
        at++;
        if (at > source.Length)
            throw new FormatException("has a group without an end");
        Alternatives();
        return true;
    }

    void Inner(string opens)
    {
        written.Append(opens);
        Alternatives();
        if (!Takes(")"))
            throw new FormatException("has a group without an end");
        written.Append(')');
    }

    // False where it is a character like others.
    bool Escaped()
    {
        if (at + 1 >= source.Length)
            throw new FormatException("ends with a '\\'");
        var c = source[at + 1];
        if (ClassOf(c) is { } set)
        {
            at += 2;
            written.Append(Set(set));
            return true;
        }
        string? form = c switch
        {
            'A' => "\\A",
            'z' => "\\z",
            'Z' => $"(?:\\z|(?={Set(newline)}\\z))",
            'b' => $"(?:(?<={Set(Word)})(?!{Set(Word)})|(?<!{Set(Word)})(?={Set(Word)}))",
            'B' => $"(?:(?<={Set(Word)})(?={Set(Word)})|(?<!{Set(Word)})(?!{Set(Word)}))",
            'R' => $"(?>{Set(CharacterSet.Of('\r'))}{Set(newline)}|{Set(CharacterSet.Of("\n\v\f\r\u0085\u2028\u2029"))})",
            'N' => Set(~newline),
            'O' => Set(CharacterSet.All),
            _ => null,
        };
        if (form is not null)
        {
            at += 2;
            written.Append(form);
            return true;
        }
        if (c is 'p' or 'P')
        {
            at += 2;
            written.Append(Set(Property(c == 'P')));
            return true;
        }
        if (c is 'k' or 'g' or 'K' or 'G' or 'X' or 'y' or 'Y' or (>= '1' and <= '9'))
            throw Unknown($"'\\{c}'");
        return false;
    }

    static CharacterSet Word => UnicodeTables.Word;

    static CharacterSet? ClassOf(char c, bool isInSet = false) => c switch
    {
        'd' => UnicodeTables.Set("Nd"),
        'D' => ~UnicodeTables.Set("Nd"),
        'w' => isInSet ? UnicodeTables.Set("Word") : Word,
        'W' => isInSet ? ~UnicodeTables.Set("Word") : ~Word,
        's' => UnicodeTables.WhiteSpace,
        'S' => ~UnicodeTables.WhiteSpace,
        'h' => UnicodeTables.Set("XDigit"),
        'H' => ~UnicodeTables.Set("XDigit"),
        _ => null,
    };

    CharacterSet Property(bool isNegated, bool isInSet = false)
    {
        if (!Takes("{") || source.IndexOf('}', at) is not (var end and >= 0))
            throw Unknown("'\\p' without a name in braces");
        var name = source[at..end];
        at = end + 1;
        if (name.StartsWith('^'))
            (name, isNegated) = (name[1..], !isNegated);
        var set = UnicodeTables.Property(name) ?? throw Unknown($"the property '\\p{{{name}}}'");
        if (!isInSet && set == UnicodeTables.Set("Word"))
            set = Word;
        return isNegated ? ~set : set;
    }

    // One character, written as itself or by an escape.
    int Code()
    {
        if (source[at] != '\\')
        {
            _ = Rune.DecodeFromUtf16(source.AsSpan(at), out var rune, out var length);
            at += length;
            return rune.Value;
        }
        if (at + 1 >= source.Length)
            throw new FormatException("ends with a '\\'");
        var c = source[at + 1];
        at += 2;
        switch (c)
        {
            case 't': return '\t';
            case 'n': return '\n';
            case 'r': return '\r';
            case 'f': return '\f';
            case 'v': return '\v';
            case 'a': return '\a';
            case 'e': return 0x1B;
            case 'x' when Takes("{"):
                var end = source.IndexOf('}', at) is var found and >= 0 ? found : throw new FormatException("has a '\\x{' without an end");
                var digits = source[at..end];
                at = end + 1;
                return int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) && value is >= 0 and < CharacterSet.End ? value : throw Unknown($"'\\x{{{digits}}}'");
            case 'x': return Digits(2, 16) is var code and < 0x80 ? code : throw Unknown("a '\\x' of a byte that is no character");
            case 'u': return Digits(4, 16);
            case '0': return Digits(2, 8);
            case 'c' or 'C' or 'M': throw Unknown($"'\\{c}'");
            default:
                at--;
                _ = Rune.DecodeFromUtf16(source.AsSpan(at), out var rune, out var length);
                at += length;
                return rune.Value;
        }
    }

    int Digits(int most, int radix)
    {
        var (value, count) = (0, 0);
        for (; count < most && at < source.Length && char.IsAsciiHexDigit(source[at]) && Convert.ToInt32(source[at].ToString(), 16) is var digit && digit < radix; count++, at++)
            value = value * radix + digit;
        return count > 0 || radix == 8 ? value : throw new FormatException("has an escape without digits");
    }

    void Literal()
    {
        if (!mode.HasFlag(Mode.IgnoresCase))
        {
            written.Append(Set(CharacterSet.Of(Code())));
            return;
        }
        // One letter may stand for several: the next ones are of the same text where no quantifier is of them.
        var codes = new List<int> { Code() };
        while (codes.Count < UnicodeTables.LongestFold && at < source.Length && UnicodeTables.IsFoldStart(codes))
        {
            var before = at;
            if (source[at] is '(' or ')' or '[' or '.' or '^' or '$' or '|' or '*' or '+' or '?' or '{' || (source[at] == '\\' && at + 1 < source.Length && char.IsAsciiLetterOrDigit(source[at + 1]) && source[at + 1] is not ('u' or 'x')) || (mode.HasFlag(Mode.SkipsSpace) && (char.IsWhiteSpace(source[at]) || source[at] == '#')))
                break;
            var next = Code();
            if (at < source.Length && (source[at] is '*' or '+' or '?' or '{'))
            {
                at = before;
                break;
            }
            codes.Add(next);
        }
        written.Append("(?:").Append(Folded([.. codes])).Append(')');
    }

    // A text of which the case does not count: each of its letters, or letters that stand for several.
    string Folded(ReadOnlySpan<int> codes)
    {
        if (codes.IsEmpty)
            return "";
        var one = Set(UnicodeTables.Alike(codes[0]));
        if (UnicodeTables.Folds(codes[0]) is { Length: > 1 } several)
            one = $"(?:{one}|{string.Concat(several.Select(c => Set(UnicodeTables.Alike(c))))})";
        var all = one + Folded(codes[1..]);
        for (var length = 2; length <= codes.Length; length++)
        {
            if (UnicodeTables.FoldedTo(codes[..length]) is { } letters)
                all += $"|{Set(letters)}(?:{Folded(codes[length..])})";
        }
        return $"(?:{all})";
    }

    void Class()
    {
        var (set, isNegated) = ClassSet();
        if (!mode.HasFlag(Mode.IgnoresCase))
        {
            written.Append(Set(isNegated ? ~set : set));
            return;
        }
        var folded = UnicodeTables.Alike(set);
        if (isNegated)
        {
            written.Append(Set(~folded));
            return;
        }
        written.Append("(?:").Append(Set(folded));
        foreach (var several in UnicodeTables.FoldsWithin(set))
            written.Append('|').Append(string.Concat(several.Select(c => Set(UnicodeTables.Alike(c)))));
        written.Append(')');
    }

    // What lies within brackets, the first of which has been read.
    (CharacterSet Set, bool IsNegated) ClassSet()
    {
        if (++depth > 200)
            throw Unknown("sets more than 200 deep");
        var isNegated = Takes("^");
        var (set, whole, isFirst) = (CharacterSet.None, (CharacterSet?)null, true);
        for (; ; isFirst = false)
        {
            if (at >= source.Length)
                throw new FormatException("has a '[' without a ']'");
            if (source[at] == ']' && !(isFirst && source.IndexOf(']', at + 1) >= 0))
            {
                at++;
                break;
            }
            if (Takes("&&"))
            {
                (whole, set) = (whole is null ? set : whole & set, CharacterSet.None);
                continue;
            }
            set |= ClassItem();
        }
        depth--;
        return (whole is null ? set : whole & set, isNegated);
    }

    CharacterSet ClassItem()
    {
        if (source.AsSpan(at).StartsWith("[:", StringComparison.Ordinal) && source.IndexOf(":]", at, StringComparison.Ordinal) is var close and >= 0 && source[(at + 2)..close] is var name && name.TrimStart('^').All(char.IsAsciiLetter))
        {
            at = close + 2;
            var posix = UnicodeTables.Posix(name.TrimStart('^')) ?? throw Unknown($"the set '[:{name}:]'");
            return name.StartsWith('^') ? ~posix : posix;
        }
        if (Takes("["))
        {
            var (inner, isNegated) = ClassSet();
            return isNegated ? ~inner : inner;
        }
        if (source[at] == '\\' && at + 1 < source.Length)
        {
            var c = source[at + 1];
            if (ClassOf(c, isInSet: true) is { } set)
            {
                at += 2;
                return set;
            }
            if (c is 'p' or 'P')
            {
                at += 2;
                return Property(c == 'P', isInSet: true);
            }
            if (c is 'R' or 'X' or 'N' or 'O')
                throw Unknown($"'\\{c}' in a set");
        }
        var first = ClassCode();
        if (at + 1 < source.Length && source[at] == '-' && source[at + 1] is not (']' or '[') && !source.AsSpan(at + 1).StartsWith("&&", StringComparison.Ordinal)
            && !(source[at + 1] == '\\' && at + 2 < source.Length && (ClassOf(source[at + 2]) is not null || source[at + 2] is 'p' or 'P')))
        {
            at++;
            var last = ClassCode();
            return last >= first ? CharacterSet.Range(first, last) : throw new FormatException("has a range whose end comes before its beginning");
        }
        return CharacterSet.Of(first);
    }

    int ClassCode()
    {
        if (source.AsSpan(at).StartsWith("\\b", StringComparison.Ordinal))
        {
            at += 2;
            return '\b';
        }
        return Code();
    }
}
