namespace Softmodel.Fusion;

/// <summary>Composes passages in which results of programs are due, and others.</summary>
static class Grammar
{
    // Of so many passages of each kind one after the other: sums have many forms, a program of one's own few.
    const int OfSums = 12, OfOwn = 4, OfSumsBeside = 2;

    // Then the examples can't be composed.
    const int MostFailures = 2000;

    static readonly Dictionary<string, Rule> rules = Notation.ReadAll();
    static readonly Subjects sums = Subjects.OfSums(rules);

    /// <summary>Passages of sums without end, the same for the same seed.</summary>
    public static IEnumerable<Passage> Passages(int seed) => Passages(seed, hasSums: true, []);

    /// <summary>Passages without end, the same for the same seed.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="hasSums">Whether sums are due; otherwise there are a few, in which nothing is.</param>
    /// <param name="own">The programs of one's own.</param>
    /// <exception cref="SoftmodelException">One of them gives no result for anything that is drawn.</exception>
    public static IEnumerable<Passage> Passages(int seed, bool hasSums, IReadOnlyList<ExactDescriptor> own)
    {
        var random = new Random(seed);
        if (own.Count == 0)
        {
            while (true)
                yield return Passage(random);
        }
        var (subjects, failures) = (Subjects.Of(rules, own), new Dictionary<string, int>(StringComparer.Ordinal));
        var ofSums = hasSums ? OfSums : OfSumsBeside;
        while (true)
        {
            var at = random.Next(ofSums + OfOwn * own.Count);
            var passage = at < ofSums ? Passage(random) : Passage(random, subjects, own[(at - ofSums) / OfOwn], failures);
            yield return hasSums ? passage : passage with { Dues = [.. passage.Dues.Where(d => subjects.Own.ContainsKey(d.Program))] };
        }
    }

    /// <summary>A passage of sums.</summary>
    /// <param name="random">What chooses.</param>
    public static Passage Passage(Random random)
    {
        while (true)
        {
            // A division by zero, or a number that has no room: another one.
            if (new Expansion(sums, random).Compose("passage") is { } passage)
                return passage;
        }
    }

    static Passage Passage(Random random, Subjects subjects, ExactDescriptor of, Dictionary<string, int> failures)
    {
        while (true)
        {
            var expansion = new Expansion(subjects, random);
            var passage = expansion.Compose("exact", of.Name);
            if (passage?.Dues.Any(d => d.Program == of.Name) is true)
                failures[of.Name] = 0;
            if (expansion.Failure is { } failure && (failures[of.Name] = failures.GetValueOrDefault(of.Name) + 1) == MostFailures)
                throw new SoftmodelException($"the program '{of.Name}' gave no result for {MostFailures:N0} values, one after the other; name those that it knows in its example sentences, as in {{name:one|another}}. The last: {failure}");
            if (passage is not null)
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
