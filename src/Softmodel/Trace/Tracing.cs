using Softmodel.Graphs;

namespace Softmodel.Trace;

/// <summary>How scores of parts are computed.</summary>
enum Method
{
    /// <summary>The gradient where nothing is cut.</summary>
    Gradient,

    /// <summary>Integrated gradients.</summary>
    Integrated,

    /// <summary>Attribution patching: example i of the use is patched with example i of the contrast set.</summary>
    Patching,
}

/// <summary>How a use is traced.</summary>
sealed record TraceOptions
{
    /// <summary>Which parts: heads and neurons.</summary>
    public IReadOnlyList<Role> Roles { get; init; } = [Role.Heads, Role.MlpHidden];

    /// <summary>How scores are computed.</summary>
    public Method Method { get; init; }

    /// <summary>How many gradients are integrated.</summary>
    public int Steps { get; init; } = 8;

    /// <summary>What parts that are cut become.</summary>
    public Replacement Replacement { get; init; }

    /// <summary>How many parts are cut; by default shares of the parts that there are.</summary>
    public IReadOnlyList<int> Counts { get; init; } = [];

    /// <summary>The only position at which parts are cut, a <see cref="Place.Position"/>; null for all.</summary>
    public int? Position { get; init; }

    /// <summary>How many random sets are cut beside each.</summary>
    public int Draws { get; init; } = 5;

    /// <summary>What examples are held out, and parts drawn, by.</summary>
    public int Seed { get; init; }

    /// <summary>The number of threads.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>Attribution and statistics of a site.</summary>
/// <param name="Use">What its parts cost the use.</param>
/// <param name="Against">What they cost the contrast set; null where that is what patches it.</param>
/// <param name="UseStatistics">Its activations in the use.</param>
/// <param name="AgainstStatistics">Those in the contrast set.</param>
sealed record TracedSite(SiteAttribution Use, SiteAttribution? Against, SiteStatistics UseStatistics, SiteStatistics AgainstStatistics);

/// <summary>What was found.</summary>
/// <param name="Sites">What each site is for.</param>
/// <param name="Parts">The parts of each role, those with the highest scores first.</param>
/// <param name="Ablations">What cutting the first ones costs on examples that were not ranked on.</param>
/// <param name="Before">The held-out examples of both sets with nothing cut.</param>
sealed record Traced(IReadOnlyList<TracedSite> Sites, IReadOnlyList<(Role Role, ScoredPart[] Parts)> Parts, IReadOnlyList<Ablation> Ablations, (Outcome Use, Outcome Against) Before);

/// <summary>Finds what a use needs and a contrast set does not, and proves it.</summary>
static class Tracing
{
    /// <summary>Traces a use against a contrast set: parts are ranked on half of the examples, and cut on the other half.</summary>
    /// <param name="subject">The subject.</param>
    /// <param name="use">Examples of the use.</param>
    /// <param name="against">Examples of what should not change.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="SoftmodelException">There are too few examples, or the network has no such parts.</exception>
    public static Traced Run(Subject subject, ExampleSet use, ExampleSet against, TraceOptions options, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        if ((use.Count < 2 ? use : against.Count < 2 ? against : null) is { } set)
            throw new SoftmodelException($"{set.Name} has {set.Count} examples: at least 2 are needed, to rank parts on one and cut them on the other");
        if (options.Method == Method.Patching && use.Count != against.Count)
            throw new SoftmodelException($"{use.Name} has {use.Count} examples and {against.Name} {against.Count}: patching takes pairs of them");
        Site[] sites = [.. options.Roles.SelectMany(r => Site.Of(subject.Graph, r))];
        if (sites.Length == 0)
            throw new SoftmodelException($"the network has no {string.Join(" and no ", options.Roles.Select(Roles.NameOf))} that can be told apart");
        using var tracer = new Tracer(subject, sites, options.Threads, progress, cancellationToken);
        var random = new Random(options.Seed);
        var (ranking, heldOut) = Halves(use.Count, random);
        var (rankingAgainst, heldOutAgainst) = options.Method == Method.Patching ? (ranking, heldOut) : Halves(against.Count, random);

        progress?.Report("taking statistics");
        var (statistics, statisticsAgainst) = (SiteStatistics.Of(tracer, use, ranking), SiteStatistics.Of(tracer, against, rankingAgainst));
        Replace Of(ExampleSet other, int[] from, int count) => options.Replacement switch
        {
            Replacement.Zero => Replacements.Zero,
            Replacement.Resample => Replacements.Of(tracer, other, [.. Enumerable.Range(0, count).Select(i => from[options.Method == Method.Patching ? i : random.Next(from.Length)])]),
            _ => Replacements.Mean(statistics, statisticsAgainst),
        };
        var attributed = Attributed(use, ranking, options.Method == Method.Patching ? Replacements.Of(tracer, against, rankingAgainst) : Of(against, rankingAgainst, ranking.Length));
        var contrast = options.Method == Method.Patching ? null : Attributed(against, rankingAgainst, Of(use, ranking, rankingAgainst.Length));
        var parts = options.Roles.Select(r => (Role: r, Parts: ScoredPart.Of(attributed, contrast, r))).Where(p => p.Parts.Length > 0).ToArray();

        var (cutUse, cutAgainst) = (new Measured(use, heldOut, Of(against, rankingAgainst, heldOut.Length)), new Measured(against, heldOutAgainst, Of(use, ranking, heldOutAgainst.Length)));
        var before = (cutUse.Cut(tracer, []), cutAgainst.Cut(tracer, []));
        Ablation[] ablations = [.. from ranked in parts
                                   from count in Counts(options, ranked.Parts.Length)
                                   from row in Ablations.Of(tracer, cutUse, cutAgainst, [.. ranked.Parts.Select(p => p.Part with { Position = options.Position })], count, options.Draws, random)
                                   select row];
        return new([.. sites.Select((_, i) => new TracedSite(attributed[i], contrast?[i], statistics[i], statisticsAgainst[i]))], parts, ablations, before);

        SiteAttribution[] Attributed(ExampleSet set, int[] chosen, Replace replace)
        {
            progress?.Report($"attributing {set.Name}");
            return options.Method == Method.Integrated ? SiteAttribution.ByIntegratedGradients(tracer, set, chosen, replace, options.Steps, options.Position) : SiteAttribution.ByGradients(tracer, set, chosen, replace, options.Position);
        }
    }

    static (int[] Ranking, int[] HeldOut) Halves(int count, Random random)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        random.Shuffle(order);
        return ([.. order.Take((count + 1) / 2).Order()], [.. order.Skip((count + 1) / 2).Order()]);
    }

    static readonly double[] shares = [0.01, 0.03, 0.1];

    // Of thousands of neurons a hundredth is many.
    static int[] Counts(TraceOptions options, int parts) => options.Counts.Count > 0 ? [.. options.Counts.Where(c => c <= parts)]
        : [.. shares.Select(share => Math.Max(1, (int)Math.Round(parts * share / (parts > 1000 ? 10 : 1)))).Distinct()];
}
