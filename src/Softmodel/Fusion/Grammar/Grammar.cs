namespace Softmodel.Fusion;

/// <summary>Composes passages with and without sums.</summary>
static class Grammar
{
    static readonly RuleSet rules = new(Notation.ReadAll());

    /// <summary>Passages without end, the same for the same seed.</summary>
    public static IEnumerable<Passage> Passages(int seed)
    {
        var random = new Random(seed);
        while (true)
            yield return Passage(random);
    }

    /// <summary>A passage.</summary>
    /// <param name="random">What chooses.</param>
    public static Passage Passage(Random random)
    {
        while (true)
        {
            // A division by zero, or a number that has no room: another one.
            if (new Expansion(rules, random).Compose("passage") is { } passage)
                return passage;
        }
    }

    /// <summary>A hash that is the same on every machine.</summary>
    public static uint Hash(string text)
    {
        var hash = 2166136261;
        foreach (var c in text)
            hash = (hash ^ c) * 16777619;
        // The lowest bits alone are a poor choice among few.
        hash ^= hash >> 16;
        hash *= 0x7feb352d;
        return hash ^ (hash >> 15);
    }
}
