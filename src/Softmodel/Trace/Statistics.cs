using Softmodel.Graphs;

namespace Softmodel.Trace;

/// <summary>What numbers come to, as they are added one by one.</summary>
/// <remarks>Welford: Note on a method for calculating corrected sums of squares and products (1962).</remarks>
struct Moments
{
    double mean, squares;

    /// <summary>No numbers yet.</summary>
    public Moments() => (Least, Most) = (float.PositiveInfinity, float.NegativeInfinity);

    /// <summary>How many numbers.</summary>
    public long Count { get; private set; }

    /// <summary>How many of them are above 0.</summary>
    public long ActiveCount { get; private set; }

    /// <summary>The smallest.</summary>
    public float Least { get; private set; }

    /// <summary>The largest.</summary>
    public float Most { get; private set; }

    /// <summary>Their mean; 0 of none.</summary>
    public readonly double Mean => mean;

    /// <summary>Their variance about the mean; 0 of none.</summary>
    public readonly double Variance => Count == 0 ? 0 : squares / Count;

    /// <summary>The share of them that is above 0.</summary>
    public readonly double Active => Count == 0 ? 0 : ActiveCount / (double)Count;

    /// <summary>Adds a number.</summary>
    public void Add(float x)
    {
        Count++;
        ActiveCount += x > 0 ? 1 : 0;
        (Least, Most) = (Math.Min(Least, x), Math.Max(Most, x));
        var difference = x - mean;
        mean += difference / Count;
        squares += difference * (x - mean);
    }

    /// <summary>Adds all numbers of others.</summary>
    public void Add(in Moments others)
    {
        if (others.Count == 0)
            return;
        var (count, difference) = (Count + others.Count, others.mean - mean);
        squares += others.squares + difference * difference * Count * others.Count / count;
        mean += difference * others.Count / count;
        (Count, ActiveCount, Least, Most) = (count, ActiveCount + others.ActiveCount, Math.Min(Least, others.Least), Math.Max(Most, others.Most));
    }
}

/// <summary>What the elements of a site are over a set of examples.</summary>
/// <param name="Site">The site.</param>
/// <param name="Channels">Of each element of each part over all positions: [parts, elements].</param>
/// <param name="Positions">Of all elements by the position.</param>
/// <param name="Means">The mean of each element by the position, with the number of examples that have it.</param>
sealed record SiteStatistics(Site Site, Moments[] Channels, SortedDictionary<int, Moments> Positions, Dictionary<int, (int Count, float[] Mean)> Means)
{
    /// <summary>The statistics of sites over examples.</summary>
    /// <param name="tracer">Computes the activations.</param>
    /// <param name="set">The examples.</param>
    /// <param name="chosen">Which of them.</param>
    public static SiteStatistics[] Of(Tracer tracer, ExampleSet set, IReadOnlyList<int> chosen)
    {
        var all = tracer.Sites.Select(s => new SiteStatistics(s, [.. Enumerable.Repeat(new Moments(), s.Parts * s.Inner)], [], [])).ToArray();
        tracer.Run(set, chosen, null, (site, places, numbers) => all[site].Add(places, numbers));
        return all;
    }

    void Add(IReadOnlyList<Place> places, ReadOnlySpan<float> numbers)
    {
        for (var p = 0; p < places.Count; p++)
        {
            var (here, position) = (new Moments(), places[p].Position);
            var (count, mean) = Means.GetValueOrDefault(position, (0, new float[Channels.Length]));
            for (var i = 0; i < Channels.Length; i++)
            {
                var x = numbers[p * Channels.Length + i];
                Channels[i].Add(x);
                here.Add(x);
                mean[i] += (x - mean[i]) / (count + 1);
            }
            Means[position] = (count + 1, mean);
            var there = Positions.GetValueOrDefault(position, new());
            there.Add(here);
            Positions[position] = there;
        }
    }

    /// <summary>
    /// All figures as arrays: <c>heads.7.use.mean</c>, <c>variance</c>, <c>least</c>, <c>most</c> and <c>active</c> are [parts, elements], and
    /// <c>positions</c> has a row for each position with its number and these figures.
    /// </summary>
    /// <param name="set">What the examples are called.</param>
    public IEnumerable<(string Name, Tensor Figures)> Arrays(string set)
    {
        var name = $"{Roles.NameOf(Site.Role)}.{Site.Layer}.{set}";
        foreach (var (figure, of) in figures)
            yield return ($"{name}.{figure}", Tensor.Of<float>([.. Channels.Select(c => (float)of(c))], Site.Parts, Site.Inner));
        yield return ($"{name}.positions", Tensor.Of<float>([.. Positions.SelectMany(p => figures.Select(f => (float)f.Of(p.Value)).Prepend(p.Key))], Positions.Count, figures.Length + 1));
    }

    static readonly (string Name, Func<Moments, double> Of)[] figures = [("mean", m => m.Mean), ("variance", m => m.Variance), ("least", m => m.Least), ("most", m => m.Most), ("active", m => m.Active)];

    /// <summary>Of all elements of a part.</summary>
    public Moments OfPart(int part)
    {
        var all = new Moments();
        foreach (ref readonly var channel in Channels.AsSpan(part * Site.Inner, Site.Inner))
            all.Add(channel);
        return all;
    }
}
