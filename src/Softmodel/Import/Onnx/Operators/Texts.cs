using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators on rows of tokens.</summary>
static class Texts
{
    /// <summary>
    /// How often runs of tokens of a list occur, and what that is worth. A run may skip the same number of tokens after each.
    /// </summary>
    [Operator("TfIdfVectorizer", since: 9)]
    static Term TfIdf(OnnxCall call, Term x, long maxGramLength, long maxSkipCount, long minGramLength, string mode, long[] ngramCounts, long[] ngramIndexes,
        long[]? poolInt64s = null, string[]? poolStrings = null, float[]? weights = null)
    {
        if (poolInt64s is not { } pool)
            throw new SoftmodelException("only tokens that are numbers are supported");
        // Beyond the end stands a token that no run has.
        var (axis, nothing) = (x.Rank - 1, pool.Min() - 1);
        var reach = checked((int)((maxGramLength - 1) * (maxSkipCount + 1)));
        var tokens = x.Cast(ElementType.Int64).Pad([.. Enumerable.Repeat(Dim.Zero, x.Rank)], [.. Enumerable.Repeat(Dim.Zero, axis), reach], nothing);
        Term? total = null;
        var first = 0;
        for (var n = 1; n <= ngramCounts.Length; n++)
        {
            var own = pool[(int)ngramCounts[n - 1]..(n < ngramCounts.Length ? (int)ngramCounts[n] : pool.Length)];
            var indexes = ngramIndexes[first..(first + own.Length / n)];
            first += indexes.Length;
            if (n < minGramLength || n > maxGramLength || own.Length == 0)
                continue;
            var runs = call.Constant(Tensor.Of<long>(own, [own.Length / n, n]));
            var slots = call.Constant(Tensor.Vector(indexes)).Unsqueeze(1).EqualTo(call.Source(new Op.Iota(ngramIndexes.Max() + 1))).Cast(ElementType.Float32);
            for (var skip = 0; skip <= (n == 1 ? 0 : maxSkipCount); skip++)
            {
                var windows = tokens.Apply(new Op.Unfold(axis, n, 1, skip + 1)).Unsqueeze(axis + 1);
                var found = windows.EqualTo(runs).Cast(ElementType.Float32).Reduce(Reduction.Product, [axis + 2]).Reduce(Reduction.Sum, [axis]);
                var placed = found.Contract(axis == 0 ? "p,ps->s" : "bp,ps->bs", slots);
                total = total is { } sum ? sum + placed : placed;
            }
        }
        var counts = total ?? throw new SoftmodelException("there are no runs of the lengths asked for");
        if (weights is null || mode == "TF")
            return mode == "IDF" ? (counts > 0).Cast(ElementType.Float32) : counts;
        var worth = new float[ngramIndexes.Max() + 1];
        for (var i = 0; i < weights.Length; i++)
            worth[ngramIndexes[i]] = weights[i];
        return (mode == "IDF" ? (counts > 0).Cast(ElementType.Float32) : counts) * call.Constant(Tensor.Vector(worth));
    }
}
