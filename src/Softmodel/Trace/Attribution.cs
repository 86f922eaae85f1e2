using Softmodel.Graphs;

namespace Softmodel.Trace;

/// <summary>What cutting each part of a site costs, by gradients: the mean over examples.</summary>
/// <param name="Site">The site.</param>
/// <param name="Drops">By part the drop of the measure.</param>
/// <param name="Sizes">By part the size of its change, down or up.</param>
/// <param name="Positions">By the position, the drop of all parts together.</param>
sealed record SiteAttribution(Site Site, double[] Drops, double[] Sizes, SortedDictionary<int, double> Positions)
{
    /// <summary>
    /// By the gradient where nothing is cut: (activation - replacement) × gradient. With the activations of paired inputs as
    /// replacements this is attribution patching.
    /// </summary>
    /// <param name="tracer">Computes the gradients.</param>
    /// <param name="set">The examples.</param>
    /// <param name="chosen">Which of them.</param>
    /// <param name="replace">What parts would become.</param>
    /// <param name="position">The only position at which they would be cut; null for all.</param>
    public static SiteAttribution[] ByGradients(Tracer tracer, ExampleSet set, IReadOnlyList<int> chosen, Replace replace, int? position = null)
    {
        var all = Empty(tracer);
        tracer.Differentiate(set, chosen, (site, places, _, replacement) => replace(site, places, replacement),
            (site, places, gradients) => all[site].Add(places, gradients, 1.0 / chosen.Count, position));
        return all;
    }

    /// <summary>
    /// By integrated gradients: the mean of gradients on the way from where nothing is cut to where all parts of the same role are.
    /// The drops of a role add up to what cutting all of it costs.
    /// </summary>
    /// <param name="tracer">Computes the gradients.</param>
    /// <param name="set">The examples.</param>
    /// <param name="chosen">Which of them.</param>
    /// <param name="replace">What parts would become.</param>
    /// <param name="steps">How many gradients on the way, each in the middle of its part of it.</param>
    /// <param name="position">The only position at which they would be cut; null for all.</param>
    /// <remarks>Sundararajan, Taly, Yan: Axiomatic attribution for deep networks (2017), section 3.</remarks>
    public static SiteAttribution[] ByIntegratedGradients(Tracer tracer, ExampleSet set, IReadOnlyList<int> chosen, Replace replace, int steps, int? position = null)
    {
        var all = Empty(tracer);
        foreach (var role in tracer.Sites.Select(s => s.Role).Distinct())
        {
            for (var step = 0; step < steps; step++)
            {
                var share = (step + 0.5f) / steps;
                tracer.Differentiate(set, chosen, (site, places, cut, replacement) =>
                {
                    replace(site, places, replacement);
                    for (var i = 0; tracer.Sites[site].Role == role && i < cut.Length; i++)
                        cut[i] = position is { } only && places[i / tracer.Sites[site].Parts].Position != only ? 0 : share;
                }, (site, places, gradients) =>
                {
                    if (tracer.Sites[site].Role == role)
                        all[site].Add(places, gradients, 1.0 / chosen.Count / steps, position);
                });
            }
        }
        return all;
    }

    static SiteAttribution[] Empty(Tracer tracer) => [.. tracer.Sites.Select(s => new SiteAttribution(s, new double[s.Parts], new double[s.Parts], []))];

    // A gradient says how the measure grows with the cut.
    void Add(IReadOnlyList<Place> places, ReadOnlySpan<float> gradients, double weight, int? position)
    {
        var ofExample = new double[Site.Parts];
        for (var p = 0; p < places.Count; p++)
        {
            var sum = 0.0;
            for (var part = 0; part < Site.Parts; part++)
            {
                var drop = -gradients[p * Site.Parts + part] * weight;
                ofExample[part] += position is { } only && places[p].Position != only ? 0 : drop;
                sum += drop;
            }
            Positions[places[p].Position] = Positions.GetValueOrDefault(places[p].Position) + sum;
            if (p + 1 < places.Count && places[p + 1].Example == places[p].Example)
                continue;
            for (var part = 0; part < Site.Parts; part++)
            {
                Drops[part] += ofExample[part];
                Sizes[part] += Math.Abs(ofExample[part]);
            }
            Array.Clear(ofExample);
        }
    }
}

/// <summary>A part, and how much more it costs the use than the contrast set.</summary>
/// <param name="Part">The part.</param>
/// <param name="Score">The drop of the use's measure, less the size of the change of the contrast set's.</param>
/// <param name="Use">The drop of the use's measure.</param>
/// <param name="Against">That of the contrast set.</param>
readonly record struct ScoredPart(Part Part, double Score, double Use, double Against)
{
    /// <summary>The parts of a role, those with the highest scores first.</summary>
    /// <param name="use">Attribution on the use.</param>
    /// <param name="against">That on the contrast set, of the same sites; null where there is none.</param>
    /// <param name="role">The role.</param>
    public static ScoredPart[] Of(SiteAttribution[] use, SiteAttribution[]? against, Role role) =>
    [
        .. from i in Enumerable.Range(0, use.Length)
           let site = use[i].Site
           where site.Role == role
           from part in Enumerable.Range(0, site.Parts)
           let score = Of(use[i], against?[i], part)
           orderby score.Score descending
           select score,
    ];

    /// <summary>One of the parts of a site.</summary>
    public static ScoredPart Of(SiteAttribution use, SiteAttribution? against, int part) =>
        new(new(use.Site.Layer, use.Site.Role, part), use.Drops[part] - (against?.Sizes[part] ?? 0), use.Drops[part], against?.Drops[part] ?? 0);
}
