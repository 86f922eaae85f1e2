using System.Text;

namespace Softmodel.Language.Constraints;

/// <summary>A set of Unicode's characters, as ranges of scalar values in order and apart.</summary>
/// <param name="Ranges">The ranges, both ends included; none of surrogates.</param>
readonly record struct Characters(params IReadOnlyList<(int From, int To)> Ranges)
{
    const int Last = 0x10FFFF, FirstSurrogate = 0xD800, LastSurrogate = 0xDFFF;

    /// <summary>Every character.</summary>
    public static Characters All { get; } = new((0, FirstSurrogate - 1), (LastSurrogate + 1, Last));

    /// <summary>One character.</summary>
    public static Characters One(int value) => Of([(value, value)]);

    /// <summary>The characters of some ranges, in any order.</summary>
    public static Characters Of(IEnumerable<(int From, int To)> ranges)
    {
        var joined = new List<(int From, int To)>();
        foreach (var (from, to) in ranges.Where(r => r.From <= r.To).Order())
        {
            if (joined is [.., var last] && from <= last.To + 1)
                joined[^1] = (last.From, Math.Max(last.To, to));
            else
                joined.Add((from, to));
        }
        return new([.. joined.SelectMany(r => new[] { (r.From, Math.Min(r.To, FirstSurrogate - 1)), (Math.Max(r.From, LastSurrogate + 1), r.To) }).Where(r => r.Item1 <= r.Item2)]);
    }

    /// <summary>The characters of either.</summary>
    public static Characters operator |(Characters x, Characters y) => Of(x.Ranges.Concat(y.Ranges));

    /// <summary>The other characters.</summary>
    public static Characters operator ~(Characters x)
    {
        var (others, from) = (new List<(int, int)>(), 0);
        foreach (var range in x.Ranges)
        {
            others.Add((from, range.From - 1));
            from = range.To + 1;
        }
        others.Add((from, Last));
        return Of(others);
    }

    /// <summary>The characters of both.</summary>
    public static Characters operator &(Characters x, Characters y) => ~(~x | ~y);

    /// <summary>One of the characters as a term, in UTF-8.</summary>
    public Term In(Terms terms)
    {
        var parts = new List<Term>();
        foreach (var (from, to) in Ranges)
            Utf8(terms, from, to, parts);
        return terms.Either([.. parts]);
    }

    /// <summary>Cuts a range into pieces whose bytes vary independently of one another (as in Thompson's grep, and in RE2).</summary>
    static void Utf8(Terms terms, int from, int to, List<Term> parts)
    {
        // Pieces whose encodings are of one length.
        foreach (var most in (int[])[0x7F, 0x7FF, 0xFFFF])
        {
            if (from <= most && most < to)
            {
                Utf8(terms, from, most, parts);
                Utf8(terms, most + 1, to, parts);
                return;
            }
        }
        if (to <= 0x7F)
        {
            parts.Add(terms.Bytes(ByteSet.Range(from, to)));
            return;
        }
        // Pieces whose last bytes take all their values, wherever the bytes before them differ.
        for (var i = 1; i < 4; i++)
        {
            var low = (1 << (6 * i)) - 1;
            if ((from & ~low) == (to & ~low))
                continue;
            if ((from & low) != 0)
            {
                Utf8(terms, from, from | low, parts);
                Utf8(terms, (from | low) + 1, to, parts);
                return;
            }
            if ((to & low) != low)
            {
                Utf8(terms, from, (to & ~low) - 1, parts);
                Utf8(terms, to & ~low, to, parts);
                return;
            }
        }
        Span<byte> first = stackalloc byte[4], last = stackalloc byte[4];
        var length = new Rune(from).EncodeToUtf8(first);
        new Rune(to).EncodeToUtf8(last);
        var term = terms.Empty;
        for (var i = length - 1; i >= 0; i--)
            term = terms.Then(terms.Bytes(ByteSet.Range(first[i], last[i])), term);
        parts.Add(term);
    }
}
