using Softmodel.Graphs;
using Softmodel.Networks;

namespace Softmodel.Import.Architectures;

/// <summary>Feed-forward parts of which each token takes a few.</summary>
static class Experts
{
    /// <summary>
    /// The sum of the experts that a token's router scores highest, weighted by its softmax. Every expert is computed and those
    /// not chosen count nothing.
    /// </summary>
    /// <param name="m">The model.</param>
    /// <param name="x">[n, width].</param>
    /// <param name="router">The name of the matrix that scores experts.</param>
    /// <param name="count">How many experts there are.</param>
    /// <param name="normalizes">Whether the weights of the chosen ones are made to sum up to 1.</param>
    /// <param name="expert">What an expert computes.</param>
    public static Term Mixed(Transformer m, Term x, string router, int count, bool normalizes, Func<int, Term> expert)
    {
        var chosen = m.Settings.Size("num_experts_per_tok", most: count);
        var scores = Transformer.As(Formulas.Softmax(m.Linear(x, router, count), [1]), Role.Router);
        var best = x.Builder.ApplyAll(new Op.TopK(chosen, 1, true), scores.Value);
        var (values, indices) = (new Term(x.Builder, best[0]), new Term(x.Builder, best[1]));
        if (normalizes)
            values /= values.Reduce(Reduction.Sum, [1], keep: true);
        var weights = (scores * 0).Apply(new Op.ScatterElements(1, Combination.Replace), indices, values);
        Term? sum = null;
        for (var i = 0; i < count; i++)
        {
            var part = expert(i) * weights.Slice(1, i, 1);
            sum = sum is { } before ? before + part : part;
        }
        return sum ?? x;
    }
}
