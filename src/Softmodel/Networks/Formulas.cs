using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Networks;

/// <summary>Formulas that networks are written with, and importers write operators with.</summary>
public static class Formulas
{
    /// <summary>The mean over axes, which stay with size 1.</summary>
    public static Term Mean(this Term x, params int[] axes)
    {
        var count = Dim.Product(axes.Select(a => x.Shape[a]));
        var sum = x.Reduce(Reduction.Sum, axes, keep: true);
        return x.Element.IsFloat() && count.Value is { } known ? sum * (1.0 / known)
            : sum / new Term(x.Builder, x.Builder.Sizes((Dim[])[count], Shape.Scalar)).Cast(x.Element);
    }

    /// <summary>Exponentials along axes, divided by their sum.</summary>
    public static Term Softmax(this Term x, params ReadOnlySpan<int> axes)
    {
        var exponentials = (x - x.Reduce(Reduction.Max, axes, keep: true)).Map(Functions.Exp);
        var sum = exponentials.Reduce(Reduction.Sum, axes, keep: true);
        // One of the exponentials is 1, so that the sum has a reciprocal.
        return x.Element == ElementType.Float32 ? exponentials * (1 / sum) : exponentials / sum;
    }

    /// <summary>The logarithm of the softmax along axes.</summary>
    public static Term LogSoftmax(this Term x, params int[] axes) => x - LogSumExp(x, axes);

    /// <summary>The logarithm of the sum of exponentials along axes, which stay with size 1.</summary>
    public static Term LogSumExp(this Term x, params int[] axes)
    {
        // Kept finite, or infinities would meet and be no number.
        var most = x.Reduce(Reduction.Max, axes, keep: true).Max(float.MinValue).Min(float.MaxValue);
        return (x - most).Map(Functions.Exp).Reduce(Reduction.Sum, axes, keep: true).Map(Functions.Log) + most;
    }

    /// <summary>What is normalised: deviations from the mean over axes, and one over their root mean square.</summary>
    internal static (Term Mean, Term Deviation, Term Inverse) Standardize(Term x, int[] axes, float epsilon)
    {
        var mean = Mean(x, axes);
        var deviation = x - mean;
        return (mean, deviation, 1 / (Mean(deviation * deviation, axes) + epsilon).Map(Functions.Sqrt));
    }

    /// <summary>The Gaussian error linear unit: x times the share of a normal distribution that is below x.</summary>
    public static Term Gelu(this Term x) => x * 0.5 * ((x * Math.Sqrt(0.5)).Map(Functions.ErrorFunction) + 1);
}
