using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Softmodel.Language.Tokens;

/// <summary>
/// A regular expression as <c>tokenizer.json</c> writes it: in the syntax of Ruby, as Oniguruma reads it, of code points.
/// </summary>
/// <remarks>
/// .NET matches it, on a text in which each code point is replaced by the class that it has for this pattern: code points that
/// the same sets of the pattern contain are one class. So sets mean what Oniguruma means by them, characters beyond U+FFFF are
/// one unit like others, and what is matched is a text of few different characters.
/// </remarks>
sealed class Pattern
{
    // A pattern comes with a file: one that takes exponential time must not take it here.
    static readonly TimeSpan longest = TimeSpan.FromSeconds(5);

    readonly string source;
    readonly Regex regex;
    readonly char[] basic;
    readonly int[] starts;
    readonly char[] classes;

    Pattern(string source, PatternReader read)
    {
        this.source = source;
        (starts, classes, var sets) = Classes(read.Sets);
        basic = new char[0x10000];
        for (var i = 0; i < starts.Length && starts[i] < basic.Length; i++)
            basic.AsSpan(starts[i]..Math.Min(i + 1 < starts.Length ? starts[i + 1] : CharacterSet.End, basic.Length)).Fill(classes[i]);
        regex = new(read.Text(sets), RegexOptions.CultureInvariant, longest);
    }

    /// <summary>Reads a pattern.</summary>
    /// <exception cref="FormatException">It is none, or has what is not read here.</exception>
    public static Pattern Of(string source)
    {
        try
        {
            return new(source, new(source));
        }
        catch (Exception e) when (e is FormatException or RegexParseException)
        {
            throw new FormatException($"the pattern '{source}' {(e is RegexParseException ? $"is none: {e.Message}" : e.Message)}", e);
        }
    }

    /// <summary>Finds a text as it is.</summary>
    public static Finder Literal(string wanted) => wanted.Length == 0 ? Of("").Find : (text, found) =>
    {
        for (int at = 0, next; (next = text[at..].IndexOf(wanted, StringComparison.Ordinal)) >= 0; at += next + wanted.Length)
            found.Add((at + next, at + next + wanted.Length));
    };

    /// <summary>Finds all matches.</summary>
    /// <param name="text">The text; surrogates are in pairs.</param>
    /// <param name="found">The matches are added to it, ascending; an empty one right after another is none.</param>
    /// <exception cref="SoftmodelException">It takes too long.</exception>
    public void Find(ReadOnlySpan<char> text, List<(int Start, int End)> found)
    {
        var rented = ArrayPool<char>.Shared.Rent(text.Length);
        try
        {
            var length = Replace(text, rented, out var places);
            var last = -1;
            foreach (var match in regex.EnumerateMatches(rented.AsSpan(0, length)))
            {
                var end = match.Index + match.Length;
                if (match.Length == 0 && match.Index == last)
                    continue;
                found.Add(places is null ? (match.Index, end) : (places[match.Index], places[end]));
                last = end;
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new SoftmodelException($"the tokenizer's pattern '{source}' takes longer than {longest.TotalSeconds:0} s for a piece of {text.Length} characters; feed the text in parts", e);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(rented);
        }
    }

    // Where there are pairs of surrogates, the places in the text of what is written, and its end.
    int Replace(ReadOnlySpan<char> text, char[] to, out int[]? places)
    {
        places = null;
        var pairs = text.IndexOfAnyInRange('\uD800', '\uDFFF');
        for (var i = 0; i < (pairs < 0 ? text.Length : pairs); i++)
            to[i] = basic[text[i]];
        if (pairs < 0)
            return text.Length;
        places = new int[text.Length + 1];
        for (var i = 0; i < pairs; i++)
            places[i] = i;
        var (at, count) = (pairs, pairs);
        while (at < text.Length)
        {
            places[count] = at;
            _ = Rune.DecodeFromUtf16(text[at..], out var rune, out var length);
            to[count++] = rune.IsBmp ? basic[rune.Value] : classes[Array.BinarySearch(starts, rune.Value) is var found && found >= 0 ? found : ~found - 1];
            at += length;
        }
        places[count] = at;
        return count;
    }

    // The ranges of code points, the class of each, and which classes each set has.
    static (int[] Starts, char[] Classes, string[] Sets) Classes(IReadOnlyList<CharacterSet> sets)
    {
        var changes = new List<(int Bound, int Set)> { (0, -1) };
        for (var i = 0; i < sets.Count; i++)
        {
            foreach (var bound in sets[i].Bounds)
            {
                if (bound < CharacterSet.End)
                    changes.Add((bound, i));
            }
        }
        changes.Sort();
        var (starts, classes, known, within) = (new List<int>(), new List<char>(), new Dictionary<UInt128, List<(char Class, bool[] Within)>>(), new bool[sets.Count]);
        var members = sets.Select(_ => new StringBuilder()).ToArray();
        // What kind a code point is of has a bit for each set; where there are more sets than bits, several kinds have one number.
        UInt128 kind = 0;
        for (var i = 0; i < changes.Count; i++)
        {
            var (bound, set) = changes[i];
            if (set >= 0)
            {
                within[set] ^= true;
                kind ^= UInt128.One << set % 128;
            }
            if (i + 1 < changes.Count && changes[i + 1].Bound == bound)
                continue;
            if (!known.TryGetValue(kind, out var alike))
                known[kind] = alike = [];
            var found = alike.FindIndex(k => k.Within.AsSpan().SequenceEqual(within));
            if (found < 0)
            {
                found = alike.Count;
                alike.Add((Next(), (bool[])within.Clone()));
            }
            starts.Add(bound);
            classes.Add(alike[found].Class);
        }
        return ([.. starts], [.. classes], [.. members.Select(m => m.Length == 0 ? "(?!)" : $"[{m}]")]);

        char Next()
        {
            var one = (char)(known.Values.Sum(k => k.Count) + 1);
            if (one >= 0xD800)
                throw new FormatException("has too many sets of characters, more than are read here");
            for (var set = 0; set < sets.Count; set++)
            {
                if (within[set])
                    members[set].Append(CultureInfo.InvariantCulture, $"\\u{(int)one:X4}");
            }
            return one;
        }
    }
}
