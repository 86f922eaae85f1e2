using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Tests;

/// <summary>Gradients beside central differences, both computed in double precision by the reference evaluator.</summary>
static class CentralDifferences
{
    /// <summary>What a gradient is off by along a direction.</summary>
    /// <param name="Error">The difference, as a part of the gradient's length.</param>
    /// <param name="Length">The gradient's length.</param>
    /// <param name="Noise">By how much the differences of two steps disagree, as a part of the gradient's length.</param>
    internal sealed record Result(double Error, double Length, double Noise);

    /// <summary>Compares along a random direction through all inputs that are floats.</summary>
    /// <param name="graph">The graph. Parameters are constants in it.</param>
    /// <param name="inputs">One for each input.</param>
    /// <param name="random">Draws the direction.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="jumps">What is done with functions that jump.</param>
    /// <returns>Null where no input is a float that the outputs depend on.</returns>
    public static Result? Of(Graph graph, IReadOnlyList<Tensor> inputs, Random random, ConstantFolding folding, Jumps jumps = Jumps.Zero)
    {
        var builder = new GraphBuilder(graph.Name, folding);
        Value[] given = [.. graph.Inputs.Select(v => builder.Input(v.Name, v.Type))];
        builder.RequirePositive(graph.Positive);
        var outputs = Rewriting.Append(builder, graph, given).Select(v => new Term(builder, v)).Where(x => x.Element.IsFloat()).ToArray();
        if (outputs.Length == 0)
            return null;
        var loss = outputs.Select((x, i) => Weighted(x, i)).Aggregate((a, b) => a + b);
        Term[] by = [.. given.Where(v => v.Type.Element.IsFloat()).Select(v => new Term(builder, v))];
        var gradients = Gradients.Of([(loss, loss.Scalar(1))], by, jumps);
        if (gradients.All(g => g is null))
            return null;
        var both = builder.Build([loss.Value, .. gradients.Zip(by, (g, x) => (g ?? Adjoints.Zeros(x)).Value)]);
        both.Validate();
        var wide = DoublePrecision.Of(both);
        var alone = DoublePrecision.Of(builder.Build([loss.Value]));

        Tensor[] at = [.. inputs.Select(DoublePrecision.Of)];
        var results = Evaluator.Run(wide, at);
        int[] floats = [.. Enumerable.Range(0, given.Length).Where(i => given[i].Type.Element.IsFloat())];
        var directions = floats.ToDictionary(i => i, i => Enumerable.Range(0, (int)at[i].Count).Select(_ => random.NextDouble() < 0.5 ? -1.0 : 1.0).ToArray());
        var (along, squares) = (0.0, 0.0);
        for (var k = 0; k < floats.Length; k++)
        {
            var (gradient, direction) = (Elements.Read<double>(results[1 + k]), directions[floats[k]]);
            for (var e = 0; e < gradient.Length; e++)
            {
                along += gradient[e] * direction[e];
                squares += gradient[e] * gradient[e];
            }
        }
        var length = Math.Sqrt(squares);
        double At(double step) => Elements.Read<double>(Evaluator.Run(alone, [.. at.Select((x, i) => !directions.TryGetValue(i, out var direction) ? x
            : Tensor.Of(ElementType.Float64, x.Dims, Elements.Read<double>(x).Select((v, e) => v + step * direction[e]).ToArray()))])[0])[0];
        double Slope(double step) => (At(step) - At(-step)) / (2 * step);
        // The step is the first one of which half says the same: a longer one may reach over where the function bends.
        Result? best = null;
        foreach (var step in new[] { 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9 })
        {
            var (whole, half) = (Slope(step), Slope(step / 2));
            // Richardson's extrapolation.
            var slope = (4 * half - whole) / 3;
            var scale = Math.Max(length, Math.Abs(slope));
            var result = new Result(scale == 0 ? 0 : Math.Abs(slope - along) / scale, length, scale == 0 ? 0 : Math.Abs(whole - half) / scale);
            if (best is null || double.IsNaN(best.Noise) || result.Noise < best.Noise)
                best = result;
            if (result.Noise < 1e-8)
                break;
        }
        return best;
    }

    /// <summary>A sum of a value's elements in which each counts differently.</summary>
    static Term Weighted(Term x, int number)
    {
        x = x.Cast(ElementType.Float64);
        var weights = (Adjoints.Iota(x.Builder, x.Shape.Count).Cast(ElementType.Float64) * 1.7 + number + 0.3).Map(Functions.Sin).Reshape(x.Shape);
        return (x * weights).Reduce(Reduction.Sum, [.. Enumerable.Range(0, x.Rank)]);
    }
}
