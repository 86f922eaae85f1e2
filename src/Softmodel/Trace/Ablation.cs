using System.Globalization;
using Softmodel.Graphs;

namespace Softmodel.Trace;

/// <summary>What cutting parts costs both sets of examples.</summary>
/// <param name="Cut">What was cut: named parts, or random ones.</param>
/// <param name="Role">What the parts are of.</param>
/// <param name="Count">How many parts.</param>
/// <param name="Use">The measure of the use: its mean over draws, the least and the most.</param>
/// <param name="Against">That of the contrast set.</param>
/// <param name="UseAccuracy">The share of right answers of the use.</param>
/// <param name="AgainstAccuracy">That of the contrast set.</param>
sealed record Ablation(string Cut, Role Role, int Count, Spread Use, Spread Against, Spread UseAccuracy, Spread AgainstAccuracy);

/// <summary>A figure over several draws.</summary>
/// <param name="Mean">Its mean.</param>
/// <param name="Least">The smallest.</param>
/// <param name="Most">The largest.</param>
readonly record struct Spread(double Mean, double Least, double Most)
{
    /// <summary>The mean, and where there are several, the smallest and the largest.</summary>
    /// <param name="format">How a figure is written.</param>
    public string Text(string format)
    {
        string Written(double figure) => figure.ToString(format, CultureInfo.InvariantCulture);
        return Least == Most ? Written(Mean) : $"{Written(Mean)} ({Written(Least)} to {Written(Most)})";
    }

    /// <summary>Of figures.</summary>
    public static Spread Of(IEnumerable<double> figures) => figures.ToArray() is var all ? new(all.Average(), all.Min(), all.Max()) : default;
}

/// <summary>Examples on which cuts are measured, with what parts become in them.</summary>
/// <param name="Set">The examples.</param>
/// <param name="Chosen">Which of them.</param>
/// <param name="Replace">What parts become.</param>
readonly record struct Measured(ExampleSet Set, IReadOnlyList<int> Chosen, Replace Replace)
{
    /// <summary>What they come to with parts cut.</summary>
    public Outcome Cut(Tracer tracer, IEnumerable<Part> parts) => tracer.Run(Set, Chosen, Replacements.Cutting(tracer, parts, Replace));
}

/// <summary>Measures whether parts are what a use needs, and another does not.</summary>
static class Ablations
{
    /// <summary>What cutting the first of ranked parts costs, and beside it what random parts of the same role do.</summary>
    /// <param name="tracer">Cuts.</param>
    /// <param name="use">Examples of the use that were not ranked on.</param>
    /// <param name="against">Those of the contrast set.</param>
    /// <param name="ranked">All parts of a role, the first ones first.</param>
    /// <param name="count">How many are cut.</param>
    /// <param name="draws">How many random sets of the same size.</param>
    /// <param name="random">Draws them.</param>
    public static Ablation[] Of(Tracer tracer, Measured use, Measured against, IReadOnlyList<Part> ranked, int count, int draws, Random random)
    {
        var (layers, layersOf) = (ranked.ToLookup(p => p.Layer), ranked.Take(count).GroupBy(p => p.Layer).Select(g => (g.Key, Count: g.Count())).ToArray());
        Part[] Anywhere() => [.. Drawn(ranked, count)];
        Part[] SameLayers() => [.. layersOf.SelectMany(l => Drawn([.. layers[l.Key]], l.Count))];
        var named = Row("ranked", [ranked.Take(count)]);
        return draws == 0 ? [named]
            : layers.Count == 1 || layersOf.All(l => l.Count == layers[l.Key].Count()) ? [named, Row("random", Enumerable.Range(0, draws).Select(_ => Anywhere()))]
            : [named, Row("random", Enumerable.Range(0, draws).Select(_ => Anywhere())), Row("random in the same layers", Enumerable.Range(0, draws).Select(_ => SameLayers()))];

        IEnumerable<Part> Drawn(IReadOnlyList<Part> from, int many)
        {
            var all = from.ToArray();
            random.Shuffle(all);
            return all.Take(many);
        }

        Ablation Row(string cut, IEnumerable<IEnumerable<Part>> sets)
        {
            var (of, other) = (new List<Outcome>(), new List<Outcome>());
            foreach (var parts in sets.Select(s => s.ToArray()))
            {
                tracer.Progress?.Report($"cutting {count} {Roles.NameOf(ranked[0].Role)}: {cut}");
                of.Add(use.Cut(tracer, parts));
                other.Add(against.Cut(tracer, parts));
            }
            return new(cut, ranked[0].Role, count, Spread.Of(of.Select(o => o.Measure)), Spread.Of(other.Select(o => o.Measure)), Spread.Of(of.Select(o => o.Accuracy)), Spread.Of(other.Select(o => o.Accuracy)));
        }
    }
}
