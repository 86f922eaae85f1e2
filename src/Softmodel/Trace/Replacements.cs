namespace Softmodel.Trace;

/// <summary>What parts that are cut become.</summary>
enum Replacement
{
    /// <summary>Their mean at the same position over the examples of both sets.</summary>
    Mean,

    /// <summary>Zero.</summary>
    Zero,

    /// <summary>What they are at the same position of an example of the other set.</summary>
    Resample,
}

/// <summary>Fills in what parts become.</summary>
/// <param name="site">The number of the site.</param>
/// <param name="places">Its positions.</param>
/// <param name="replacement">For each position, part and element what it is replaced by; 0 at first.</param>
delegate void Replace(int site, IReadOnlyList<Place> places, Span<float> replacement);

/// <summary>Replacements of the parts of a tracer's sites.</summary>
static class Replacements
{
    /// <summary>Zero.</summary>
    public static Replace Zero => (_, _, _) => { };

    /// <summary>The means at the same position, of both sets with equal weight; over all positions, where neither has one.</summary>
    public static Replace Mean(SiteStatistics[] a, SiteStatistics[] b)
    {
        var means = a.Zip(b, (x, y) => x.Means.Keys.Union(y.Means.Keys).ToDictionary(p => p, p => (x.Means.GetValueOrDefault(p).Mean, y.Means.GetValueOrDefault(p).Mean) switch
        {
            ({ } mean, { } other) => [.. mean.Zip(other, (m, n) => (m + n) / 2)],
            var (mean, other) => mean ?? other,
        })).ToArray();
        var overall = a.Zip(b, (x, y) => x.Channels.Zip(y.Channels, (p, q) => (float)((p.Mean + q.Mean) / 2)).ToArray()).ToArray();
        return (site, places, replacement) =>
        {
            for (var p = 0; p < places.Count; p++)
                means[site].GetValueOrDefault(places[p].Position, overall[site]).CopyTo(replacement[(p * overall[site].Length)..]);
        };
    }

    /// <summary>The activations of other examples.</summary>
    /// <param name="tracer">Computes them.</param>
    /// <param name="set">The other examples.</param>
    /// <param name="chosen">For each example that is run the one that it takes its activations from.</param>
    public static Replace Of(Tracer tracer, ExampleSet set, IReadOnlyList<int> chosen)
    {
        var kept = tracer.Sites.Select(_ => new Dictionary<(int, int), float[]>()).ToArray();
        var lengths = new int[chosen.Count];
        tracer.Run(set, chosen, null, (site, places, numbers) =>
        {
            var size = tracer.Sites[site].Parts * tracer.Sites[site].Inner;
            for (var p = 0; p < places.Count; p++)
            {
                kept[site][(places[p].Example, places[p].Position)] = numbers.Slice(p * size, size).ToArray();
                lengths[places[p].Example] = Math.Max(lengths[places[p].Example], places[p].FromEnd + 1);
            }
        });
        return (site, places, replacement) =>
        {
            var size = tracer.Sites[site].Parts * tracer.Sites[site].Inner;
            for (var p = 0; p < places.Count; p++)
            {
                // Of a shorter example the second position stands for those that it lacks.
                var (example, last) = (places[p].Example, lengths[places[p].Example] - 2);
                kept[site][(example, last < 0 ? Place.First : Math.Min(places[p].Position, last))].CopyTo(replacement[(p * size)..]);
            }
        };
    }

    /// <summary>Runs with some parts cut.</summary>
    /// <param name="tracer">Where they are.</param>
    /// <param name="parts">The parts.</param>
    /// <param name="replace">What they become.</param>
    /// <exception cref="ArgumentException">One of them is at none of the sites.</exception>
    public static Fill Cutting(Tracer tracer, IEnumerable<Part> parts, Replace replace)
    {
        var at = tracer.Sites.Select((s, i) => ((s.Layer, s.Role), i)).ToDictionary(p => p.Item1, p => p.i);
        var cut = parts.ToLookup(p => at.TryGetValue((p.Layer, p.Role), out var site) && (uint)p.Index < (uint)tracer.Sites[site].Parts ? site
            : throw new ArgumentException($"there is no {p}", nameof(parts)));
        return (site, places, cuts, replacement) =>
        {
            if (!cut.Contains(site))
                return;
            replace(site, places, replacement);
            foreach (var part in cut[site])
            {
                for (var p = 0; p < places.Count; p++)
                {
                    if (part.Position is not { } only || only == places[p].Position)
                        cuts[p * tracer.Sites[site].Parts + part.Index] = 1;
                }
            }
        };
    }
}
