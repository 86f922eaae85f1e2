using System.Collections.Concurrent;
using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>
/// What Unicode says of characters, as far as tokenizers ask for it. .NET knows it too, but in programs without the tables of
/// all languages, as this one is, does not normalize, and has one version of Unicode: the libraries for which tokenizers were
/// made have several, and what a character is depends on when it came.
/// </summary>
/// <remarks>Made by <c>bench/Softmodel.Bench/Tokenizers/unicode.mjs</c>.</remarks>
static class UnicodeTables
{
    static readonly Lazy<Dictionary<string, string>> lines = new(Lines);
    static readonly ConcurrentDictionary<string, CharacterSet> sets = new();
    static readonly Lazy<Dictionary<int, int[]>> lower = new(() => Map("lower")), folds = new(() => Map("folds"));
    static readonly Lazy<Dictionary<int, int>> fold = new(() => Map("fold").ToDictionary(e => e.Key, e => e.Value[0]));
    static readonly Lazy<ILookup<int, int>> unfold = new(() => fold.Value.ToLookup(e => e.Value, e => e.Key));

    static readonly (string Name, string[] Categories)[] groups =
    [
        ("L", ["Lu", "Ll", "Lt", "Lm", "Lo"]), ("LC", ["Lu", "Ll", "Lt"]), ("M", ["Mn", "Mc", "Me"]), ("N", ["Nd", "Nl", "No"]),
        ("P", ["Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"]), ("S", ["Sm", "Sc", "Sk", "So"]), ("Z", ["Zs", "Zl", "Zp"]),
    ];

    static readonly (string Name, string Long)[] longNames =
    [
        ("Lu", "UppercaseLetter"), ("Ll", "LowercaseLetter"), ("Lt", "TitlecaseLetter"), ("Lm", "ModifierLetter"), ("Lo", "OtherLetter"), ("Mn", "NonspacingMark"),
        ("Mc", "SpacingMark"), ("Me", "EnclosingMark"), ("Nd", "DecimalNumber"), ("Nl", "LetterNumber"), ("No", "OtherNumber"), ("Pc", "ConnectorPunctuation"),
        ("Pd", "DashPunctuation"), ("Ps", "OpenPunctuation"), ("Pe", "ClosePunctuation"), ("Pi", "InitialPunctuation"), ("Pf", "FinalPunctuation"), ("Po", "OtherPunctuation"),
        ("Sm", "MathSymbol"), ("Sc", "CurrencySymbol"), ("Sk", "ModifierSymbol"), ("So", "OtherSymbol"), ("Zs", "SpaceSeparator"), ("Zl", "LineSeparator"),
        ("Zp", "ParagraphSeparator"), ("Cc", "Control"), ("Cf", "Format"), ("Co", "PrivateUse"), ("Cn", "Unassigned"), ("C", "Other"), ("L", "Letter"), ("LC", "CasedLetter"),
        ("M", "Mark"), ("M", "CombiningMark"), ("N", "Number"), ("P", "Punctuation"), ("P", "Punct"), ("S", "Symbol"), ("Z", "Separator"),
        ("Alphabetic", "Alpha"), ("White_Space", "Space"), ("White_Space", "WhiteSpace"), ("Uppercase", "Upper"), ("Lowercase", "Lower"), ("Nd", "Digit"), ("Cc", "Cntrl"),
        ("Join_Control", "JoinControl"), ("Extended_Pictographic", "ExtendedPictographic"), ("Ideographic", "Ideo"), ("Cs", "Surrogate"),
        ("Script=Han", "Hani"), ("Script=Latin", "Latn"), ("Script=Cyrillic", "Cyrl"), ("Script=Greek", "Grek"), ("Script=Arabic", "Arab"), ("Script=Hebrew", "Hebr"),
        ("Script=Hiragana", "Hira"), ("Script=Katakana", "Kana"), ("Script=Hangul", "Hang"), ("Script=Devanagari", "Deva"), ("Script=Armenian", "Armn"), ("Script=Georgian", "Geor"),
        ("Script=Bengali", "Beng"), ("Script=Tamil", "Taml"), ("Script=Telugu", "Telu"), ("Script=Ethiopic", "Ethi"), ("Script=Khmer", "Khmr"), ("Script=Myanmar", "Mymr"),
        ("Script=Common", "Zyyy"), ("Script=Inherited", "Zinh"), ("Script=Inherited", "Qaai"), ("Script=Tibetan", "Tibt"), ("Script=Mongolian", "Mong"), ("Script=Lao", "Laoo"),
    ];

    static readonly Lazy<Dictionary<string, string>> names = new(() =>
    {
        var all = new Dictionary<string, string>();
        foreach (var key in lines.Value.Keys.Where(k => k.StartsWith("set ", StringComparison.Ordinal)).Select(k => k[4..]))
        {
            if (!char.IsAsciiDigit(key[^1]) && !key.StartsWith("Script9", StringComparison.Ordinal))
                all.TryAdd(Plain(key.StartsWith("Script=", StringComparison.Ordinal) ? key[7..] : key), key);
        }
        foreach (var (name, more) in longNames)
            all.TryAdd(Plain(more), name);
        foreach (var name in (string[])["C", "Cn", "Cs", "Any", "Assigned", "ASCII", "Word", "Alnum", "Graph", "Print", "Blank", "XDigit", .. groups.Select(g => g.Name)])
            all.TryAdd(Plain(name), name);
        return all;
    });

    static string Plain(string name) => string.Concat(name.Where(c => c is not (' ' or '-' or '_'))).ToLowerInvariant();

    /// <summary>What <c>\s</c> means, and what Rust calls white space.</summary>
    public static CharacterSet WhiteSpace => Set("White_Space");

    /// <summary>What <c>\w</c> means to Oniguruma outside of brackets, where it counts some numbers of Latin-1 as such, and no others of their kind.</summary>
    public static CharacterSet Word => sets.GetOrAdd("BareWord", _ => Set("Word") | CharacterSet.Of("\u00B2\u00B3\u00B9\u00BC\u00BD\u00BE"));

    /// <summary>What <c>\w</c> means to Rust's regular expressions.</summary>
    public static CharacterSet RustWord => sets.GetOrAdd("RustWord", _ => Set("Word") | Set("Join_Control"));

    /// <summary>What splits a text as punctuation.</summary>
    public static CharacterSet Punctuation => sets.GetOrAdd("Punctuation", _ => Set("Punctuation8") | CharacterSet.Of("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"));

    /// <summary>The scripts by which text is split: a number for each code point, 0 where there is none.</summary>
    public static Lazy<byte[]> Scripts { get; } = new(() =>
    {
        var (table, next) = (new byte[CharacterSet.End], (byte)0);
        foreach (var name in lines.Value.Keys.Where(k => k.StartsWith("set Script9=", StringComparison.Ordinal)))
        {
            next++;
            // Japanese is written in all three.
            var number = name is "set Script9=Han" or "set Script9=Hiragana" or "set Script9=Katakana" ? byte.MaxValue : next;
            foreach (var code in Set(name[4..]).Codes())
                table[code] = number;
        }
        table[0x30FC] = byte.MaxValue;
        table[' '] = 0;
        return table;
    });

    /// <summary>A set of the table by its name, or of one of the groups of categories.</summary>
    public static CharacterSet Set(string name) => sets.GetOrAdd(name, static n => n switch
    {
        "Any" => CharacterSet.All,
        "Cs" => CharacterSet.Range(0xD800, 0xDFFF),
        "Cn" => ~(groups.Where(g => g.Name != "LC").Select(g => Set(g.Name)).Aggregate((a, b) => a | b) | Set("Cc") | Set("Cf") | Set("Co") | Set("Cs")),
        "C" => Set("Cc") | Set("Cf") | Set("Co") | Set("Cs") | Set("Cn"),
        "Assigned" => ~Set("Cn"),
        "ASCII" => CharacterSet.Range(0, 0x7F),
        "Word" => Set("Alphabetic") | Set("M") | Set("Nd") | Set("Pc"),
        "Alnum" => Set("Alphabetic") | Set("Nd"),
        "Graph" => ~(WhiteSpace | Set("Cc") | Set("Cn") | Set("Cs")),
        "Print" => Set("Graph") | Set("Zs"),
        "Blank" => Set("Zs") | CharacterSet.Of('\t'),
        "XDigit" => CharacterSet.Of("0123456789abcdefABCDEF"),
        _ when groups.FirstOrDefault(g => g.Name == n).Categories is { } parts => parts.Select(Set).Aggregate((a, b) => a | b),
        _ => Read(n),
    });

    static CharacterSet Read(string name)
    {
        var (ranges, at) = (new List<(int, int)>(), 0);
        var numbers = lines.Value[$"set {name}"].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < numbers.Length; i += 2)
        {
            var first = at + Number(numbers[i]);
            at = first + Number(numbers[i + 1]);
            ranges.Add((first, at - 1));
        }
        return CharacterSet.Of(ranges);
    }

    /// <summary>The set of a property as Oniguruma names it; null where there is none.</summary>
    public static CharacterSet? Property(string name) => groups.Any(g => g.Name == name) || name.Length == 2 && lines.Value.ContainsKey($"set {name}") ? Set(name)
        : names.Value.TryGetValue(Plain(name), out var known) ? Set(known) : null;

    /// <summary>The set of a name between <c>[:</c> and <c>:]</c>; null where there is none.</summary>
    public static CharacterSet? Posix(string name) => name switch
    {
        "punct" => Set("P") | Set("S"),
        "alnum" or "alpha" or "ascii" or "blank" or "cntrl" or "digit" or "graph" or "lower" or "print" or "space" or "upper" or "xdigit" or "word" => Property(name),
        _ => null,
    };

    /// <summary>Code points to which others are mapped, by name.</summary>
    /// <param name="name">The table.</param>
    /// <param name="marked">Is given those that are marked; null where none is.</param>
    public static Dictionary<int, int[]> Map(string name, HashSet<int>? marked = null)
    {
        var (map, code) = (new Dictionary<int, int[]>(), 0);
        foreach (var entry in lines.Value[$"map {name}"].Split(' '))
        {
            var colon = entry.IndexOf(':');
            code += Number(entry.AsSpan(0, colon));
            var to = entry[(colon + 1)..];
            if (to.StartsWith('!'))
            {
                marked?.Add(code);
                to = to[1..];
            }
            map[code] = [.. to.Split('.').Select(n => Number(n))];
        }
        return map;
    }

    /// <summary>Writes a character in small letters.</summary>
    public static void WriteLower(Rune rune, StringBuilder to)
    {
        if (rune.IsAscii)
            to.Append((char)(rune.Value is >= 'A' and <= 'Z' ? rune.Value | 0x20 : rune.Value));
        else if (lower.Value.TryGetValue(rune.Value, out var several))
            foreach (var code in several)
                to.Append(new Rune(code));
        else
            to.Append(rune);
    }

    /// <summary>How many letters one letter may stand for where case does not count.</summary>
    public const int LongestFold = 3;

    /// <summary>The letters that one letter stands for where case does not count; null where it is but one.</summary>
    public static int[]? Folds(int code) => folds.Value.GetValueOrDefault(code);

    static int Folded(int code) => fold.Value.GetValueOrDefault(code, code);

    /// <summary>Whether letters begin a text for which one letter stands.</summary>
    public static bool IsFoldStart(IReadOnlyList<int> codes) => folds.Value.Values.Any(f => f.Length > codes.Count && codes.Select(Folded).SequenceEqual(f.Take(codes.Count)));

    /// <summary>The letters that stand for a text of several; null where there are none.</summary>
    public static CharacterSet? FoldedTo(ReadOnlySpan<int> codes)
    {
        var plain = codes.ToArray().Select(Folded).ToArray();
        var found = folds.Value.Where(f => f.Value.SequenceEqual(plain)).Select(f => (f.Key, f.Key)).ToArray();
        return found.Length == 0 ? null : CharacterSet.Of(found);
    }

    /// <summary>The texts for which letters of a set stand.</summary>
    public static IEnumerable<int[]> FoldsWithin(CharacterSet set) => folds.Value.Where(f => set.Contains(f.Key)).Select(f => f.Value).DistinctBy(f => string.Join(' ', f));

    /// <summary>A letter and those that differ from it in case only.</summary>
    public static CharacterSet Alike(int code) => CharacterSet.Of([(code, code), (Folded(code), Folded(code)), .. unfold.Value[Folded(code)].Select(c => (c, c))]);

    /// <summary>The letters of a set and those that differ from one of it in case only.</summary>
    public static CharacterSet Alike(CharacterSet set)
    {
        var more = new List<(int, int)>();
        foreach (var (letter, plain) in fold.Value)
        {
            if (set.Contains(letter) || set.Contains(plain) || unfold.Value[plain].Any(set.Contains))
                more.AddRange([(letter, letter), (plain, plain)]);
        }
        return set | CharacterSet.Of(more);
    }

    static int Number(ReadOnlySpan<char> digits)
    {
        var value = 0;
        foreach (var digit in digits)
            value = value * 36 + (digit <= '9' ? digit - '0' : digit - 'a' + 10);
        return value;
    }

    static Dictionary<string, string> Lines()
    {
        using var reader = new StreamReader(typeof(UnicodeTables).Assembly.GetManifestResourceStream("Softmodel.Language.Tokens.unicode.txt")!);
        var all = new Dictionary<string, string>();
        while (reader.ReadLine() is { } line)
        {
            var at = line.IndexOf(' ', line.IndexOf(' ') + 1);
            all[line[..at]] = line[(at + 1)..];
        }
        return all;
    }
}
