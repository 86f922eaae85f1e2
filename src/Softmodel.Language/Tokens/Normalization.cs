using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>Unicode's normalization forms, by tables of our own: .NET leaves text as it is in programs without those of all languages.</summary>
static class Normalization
{
    const int FirstSyllable = 0xAC00, Syllables = 11172, Leads = 0x1100, Vowels = 0x1161, Trails = 0x11A7, VowelCount = 21, TrailCount = 28, LeadCount = 19;

    static readonly Lazy<(Dictionary<int, int[]> Canonical, Dictionary<int, int[]> Compatible, Dictionary<int, int[]> Classes, Dictionary<long, int> Pairs)> tables = new(() =>
    {
        var excluded = new HashSet<int>();
        var canonical = UnicodeTables.Map("canonical", excluded);
        return (canonical, UnicodeTables.Map("compatible"), UnicodeTables.Map("class"), Pairs([.. canonical.Where(e => !excluded.Contains(e.Key))]));
    });

    // The last two letters of each text for which there is one: those before the last are a letter of the table themselves.
    static Dictionary<long, int> Pairs(KeyValuePair<int, int[]>[] composed)
    {
        var (whole, pairs) = (new Dictionary<string, int>(StringComparer.Ordinal), new Dictionary<long, int>());
        foreach (var (letter, parts) in composed)
            whole[string.Join(' ', parts)] = letter;
        foreach (var (letter, parts) in composed.Where(e => e.Value.Length > 1))
        {
            if (parts.Length == 2)
                pairs[Pair(parts[0], parts[1])] = letter;
            else if (whole.TryGetValue(string.Join(' ', parts[..^1]), out var before))
                pairs[Pair(before, parts[^1])] = letter;
        }
        return pairs;
    }

    static long Pair(int first, int second) => (long)first << 32 | (uint)second;

    /// <summary>A text in one of the forms.</summary>
    /// <param name="text">The text; surrogates are in pairs.</param>
    /// <param name="isCompatible">Whether letters that only look otherwise are one (NFKC, NFKD).</param>
    /// <param name="composes">Whether letters and their marks are put together (NFC, NFKC).</param>
    public static string Normalize(string text, bool isCompatible, bool composes)
    {
        // What lies below is in every form.
        var isPlain = true;
        foreach (var c in text)
            isPlain &= c < (isCompatible ? '\u00A0' : composes ? '\u0300' : '\u00C0');
        if (isPlain)
            return text;
        var codes = new List<int>(text.Length + 16);
        var (canonical, compatible, classes, _) = tables.Value;
        foreach (var rune in text.EnumerateRunes())
        {
            var code = rune.Value;
            if (code < 0xA0)
                codes.Add(code);
            else if (code - FirstSyllable is >= 0 and < Syllables and var syllable)
            {
                codes.Add(Leads + syllable / (VowelCount * TrailCount));
                codes.Add(Vowels + syllable / TrailCount % VowelCount);
                if (syllable % TrailCount > 0)
                    codes.Add(Trails + syllable % TrailCount);
            }
            else if (isCompatible && compatible.TryGetValue(code, out var parts) || canonical.TryGetValue(code, out parts))
                codes.AddRange(parts);
            else
                codes.Add(code);
        }
        Order(codes, classes);
        if (composes)
            Compose(codes);
        var result = new StringBuilder(codes.Count);
        foreach (var code in codes)
            result.Append(new Rune(code));
        return result.ToString();
    }

    static int Class(int code, Dictionary<int, int[]> classes) => code >= 0x300 && classes.TryGetValue(code, out var one) ? one[0] : 0;

    // Marks after one letter in the order of their classes; those of one class stay in theirs.
    static void Order(List<int> codes, Dictionary<int, int[]> classes)
    {
        for (var i = 0; i < codes.Count; i++)
        {
            if (Class(codes[i], classes) == 0)
                continue;
            var end = i + 1;
            while (end < codes.Count && Class(codes[end], classes) != 0)
                end++;
            if (end - i > 1)
            {
                var ordered = codes.GetRange(i, end - i).OrderBy(c => Class(c, classes)).ToArray();
                for (var j = i; j < end; j++)
                    codes[j] = ordered[j - i];
            }
            i = end;
        }
    }

    static void Compose(List<int> codes)
    {
        var (classes, pairs) = (tables.Value.Classes, tables.Value.Pairs);
        var (letter, last, count) = (-1, 0, 0);
        for (var i = 0; i < codes.Count; i++)
        {
            var (code, rank) = (codes[i], Class(codes[i], classes));
            if (letter >= 0 && (last < rank || last == 0 && letter == count - 1) && Composed(codes[letter], code, pairs) is { } one)
            {
                codes[letter] = one;
                continue;
            }
            if (rank == 0)
                letter = count;
            last = rank;
            codes[count++] = code;
        }
        codes.RemoveRange(count, codes.Count - count);
    }

    static int? Composed(int first, int second, Dictionary<long, int> pairs)
    {
        if (first - Leads is >= 0 and < LeadCount and var lead && second - Vowels is >= 0 and < VowelCount and var vowel)
            return FirstSyllable + (lead * VowelCount + vowel) * TrailCount;
        if (first - FirstSyllable is >= 0 and < Syllables and var syllable && syllable % TrailCount == 0 && second - Trails is > 0 and < TrailCount and var trail)
            return first + trail;
        return pairs.TryGetValue(Pair(first, second), out var one) ? one : null;
    }
}
