using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>A set of code points.</summary>
sealed class CharacterSet
{
    /// <summary>One more than the last code point.</summary>
    public const int End = 0x110000;

    // Where the set begins and ends by turns, ascending: one search says of a code point whether it is within.
    readonly int[] bounds;
    readonly Lazy<uint[]> bits;

    CharacterSet(int[] bounds)
    {
        this.bounds = bounds;
        bits = new(Bits);
    }

    /// <summary>The set of no code point.</summary>
    public static CharacterSet None { get; } = new([]);

    /// <summary>The set of all code points.</summary>
    public static CharacterSet All { get; } = new([0, End]);

    /// <summary>Where the set begins and ends, by turns.</summary>
    public ReadOnlySpan<int> Bounds => bounds;

    /// <summary>The set of one code point.</summary>
    public static CharacterSet Of(int code) => new([code, code + 1]);

    /// <summary>The set of the code points from one to another, both within.</summary>
    public static CharacterSet Range(int first, int last) => new([first, last + 1]);

    /// <summary>The set of the characters of a text.</summary>
    public static CharacterSet Of(string characters) => Of(characters.EnumerateRunes().Select(r => (r.Value, r.Value)));

    /// <summary>The set of ranges in any order, both ends within.</summary>
    public static CharacterSet Of(IEnumerable<(int First, int Last)> ranges)
    {
        var bounds = new List<int>();
        foreach (var (first, last) in ranges.OrderBy(r => r.First))
        {
            if (bounds.Count > 0 && first <= bounds[^1])
                bounds[^1] = Math.Max(bounds[^1], last + 1);
            else
                bounds.AddRange([first, last + 1]);
        }
        return new([.. bounds]);
    }

    /// <summary>Whether a code point is within.</summary>
    public bool Contains(int code) => code < 0x10000 ? (bits.Value[code >> 5] >> code & 1) != 0 : Searched(code);

    /// <summary>Whether a code point is within.</summary>
    public bool Contains(Rune rune) => Contains(rune.Value);

    bool Searched(int code) => Array.BinarySearch(bounds, code) is var at && ((at >= 0 ? at : ~at - 1) & 1) == 0 && at != -1;

    uint[] Bits()
    {
        var table = new uint[0x10000 / 32];
        for (var i = 0; i < bounds.Length; i += 2)
        {
            for (var code = bounds[i]; code < Math.Min(bounds[i + 1], 0x10000); code++)
                table[code >> 5] |= 1u << code;
        }
        return table;
    }

    /// <summary>The code points that are not within.</summary>
    public static CharacterSet operator ~(CharacterSet set) => Combined(set, None, (a, _) => !a);

    /// <summary>The code points that are within one of two sets.</summary>
    public static CharacterSet operator |(CharacterSet a, CharacterSet b) => Combined(a, b, (x, y) => x || y);

    /// <summary>The code points that are within both of two sets.</summary>
    public static CharacterSet operator &(CharacterSet a, CharacterSet b) => Combined(a, b, (x, y) => x && y);

    static CharacterSet Combined(CharacterSet a, CharacterSet b, Func<bool, bool, bool> isIn)
    {
        var (bounds, i, j, at, within) = (new List<int>(a.bounds.Length + b.bounds.Length), 0, 0, 0, false);
        while (at < End)
        {
            while (i < a.bounds.Length && a.bounds[i] <= at)
                i++;
            while (j < b.bounds.Length && b.bounds[j] <= at)
                j++;
            if (isIn((i & 1) == 1, (j & 1) == 1) != within)
            {
                bounds.Add(at);
                within = !within;
            }
            at = Math.Min(i < a.bounds.Length ? a.bounds[i] : End, j < b.bounds.Length ? b.bounds[j] : End);
        }
        if (within)
            bounds.Add(End);
        return new([.. bounds]);
    }

    /// <summary>The code points that are within, ascending.</summary>
    public IEnumerable<int> Codes()
    {
        for (var i = 0; i < bounds.Length; i += 2)
        {
            for (var code = bounds[i]; code < bounds[i + 1]; code++)
                yield return code;
        }
    }
}
