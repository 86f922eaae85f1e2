using Softmodel.Graphs;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that bring elements to a common mean and size.</summary>
static class Normalization
{
    static int[] From(long axis, Term x) => [.. Enumerable.Range(0, x.Rank).Skip(Axes.Of(axis, x.Rank))];

    /// <summary>One number for each channel of an operand [N,C,...].</summary>
    static Term PerChannel(Term channels, int rank) => channels.Reshape(new([channels.Shape.Count, .. Enumerable.Repeat(Dim.One, rank - 2)]));

    [Operator("LayerNormalization")]
    internal static Term[] LayerNormalization(Term x, Term scale, Term? bias, long axis = -1, float epsilon = 1e-5f, ElementType stashType = ElementType.Float32)
    {
        var (mean, deviation, inverse) = Formulas.Standardize(x, From(axis, x), epsilon);
        var y = deviation * inverse * scale;
        return [bias is { } b ? y + b : y, mean, inverse];
    }

    [Operator("RMSNormalization", since: 23)]
    static Term RMSNormalization(Term x, Term scale, long axis = -1, float epsilon = 1e-5f, ElementType stashType = ElementType.Float32) =>
        x * (1 / (Formulas.Mean(x * x, From(axis, x)) + epsilon).Map(Functions.Sqrt)) * scale;

    [Operator("InstanceNormalization")]
    static Term InstanceNormalization(Term x, Term scale, Term bias, float epsilon = 1e-5f, long[]? consumedInputs = null)
    {
        var (_, deviation, inverse) = Formulas.Standardize(x, From(2, x), epsilon);
        return deviation * inverse * PerChannel(scale, x.Rank) + PerChannel(bias, x.Rank);
    }

    [Operator("GroupNormalization", since: 18)]
    static Term GroupNormalizationByGroup(Term x, Term scale, Term bias, int numGroups, float epsilon = 1e-5f)
    {
        Term ByChannel(Term groups) => groups.Unsqueeze(1).Broadcast(new(numGroups, Dim.FloorDiv(x.Shape[1], numGroups))).Reshape(new(x.Shape[1]));
        return GroupNormalization(x, ByChannel(scale), ByChannel(bias), numGroups, epsilon);
    }

    [Operator("GroupNormalization", since: 21)]
    static Term GroupNormalization(Term x, Term scale, Term bias, int numGroups, float epsilon = 1e-5f, ElementType stashType = ElementType.Float32)
    {
        if (numGroups < 1 || x.Shape[1].Value % numGroups > 0)
            throw new SoftmodelException($"{x.Shape[1]} channels cannot be split into {numGroups} groups");
        var groups = x.Reshape(new([x.Shape[0], numGroups, Dim.FloorDiv(x.Shape[1], numGroups), .. x.Shape.Dims.Skip(2)]));
        var (_, deviation, inverse) = Formulas.Standardize(groups, From(2, groups), epsilon);
        return (deviation * inverse).Reshape(x.Shape) * PerChannel(scale, x.Rank) + PerChannel(bias, x.Rank);
    }

    [Operator("BatchNormalization")]
    static Term[] BatchNormalization(Term x, Term scale, Term bias, Term mean, Term variance, float epsilon = 1e-5f, float momentum = 0.9f,
        bool spatial = true, bool isTest = false, bool trainingMode = false, long[]? consumedInputs = null)
    {
        if (!spatial)
            throw new SoftmodelException("statistics of each position (spatial = 0) are not supported");
        if (!trainingMode)
            return [Normalized(mean, variance)];
        int[] axes = [0, .. From(2, x)];
        var batchMean = Formulas.Mean(x, axes);
        var batchVariance = Formulas.Mean((x - batchMean) * (x - batchMean), axes);
        Term Running(Term old, Term batch) => old * momentum + batch.Reshape(old.Shape) * (1 - momentum);
        return [Normalized(batchMean, batchVariance), Running(mean, batchMean), Running(variance, batchVariance)];

        Term Normalized(Term mean, Term variance)
        {
            var factor = scale.Reshape(new(x.Shape[1])) / (variance.Reshape(new(x.Shape[1])) + epsilon).Map(Functions.Sqrt);
            return x * PerChannel(factor, x.Rank) + PerChannel(bias - mean.Reshape(new(x.Shape[1])) * factor, x.Rank);
        }
    }

    [Operator("MeanVarianceNormalization")]
    static Term MeanVarianceNormalization(Term x, long[]? axes = null)
    {
        var over = Axes.Of(axes ?? [0, 2, 3], x.Rank);
        var deviation = x - Formulas.Mean(x, over);
        return deviation / (Formulas.Mean(deviation * deviation, over).Map(Functions.Sqrt) + 1e-9);
    }

    [Operator("LpNormalization")]
    static Term LpNormalization(Term x, long axis = -1, long p = 2)
    {
        int[] over = [Axes.Of(axis, x.Rank)];
        var norm = p switch
        {
            1 => x.Map(Functions.Abs).Reduce(Reduction.Sum, over, keep: true),
            2 => (x * x).Reduce(Reduction.Sum, over, keep: true).Map(Functions.Sqrt),
            _ => throw new SoftmodelException($"the norm of order {p} is not supported"),
        };
        return norm.EqualTo(0).Select(x.Scalar(0), x / norm);
    }

    [Operator("LRN")]
    static Term LocalResponseNormalization(Term x, int size, float alpha = 1e-4f, float beta = 0.75f, float bias = 1)
    {
        var around = Enumerable.Repeat(Dim.Zero, x.Rank).ToArray();
        Dim[] Around(Dim count) => [.. around.Select((none, i) => i == 1 ? count : none)];
        var squares = (x * x).Pad(Around((size - 1) / 2), Around(size / 2)).Apply(new Op.Unfold(1, size, 1, 1)).Reduce(Reduction.Sum, [x.Rank]);
        return x / (squares * (alpha / size) + bias).Map(Functions.Power, x.Scalar(beta));
    }

    [Operator("SkipLayerNormalization", Domain = "com.microsoft")]
    static Term[] SkipLayerNormalization(Term x, Term skip, Term gamma, Term? beta, Term? bias, float epsilon = 1e-12f)
    {
        var sum = bias is { } b ? x + skip + b : x + skip;
        return [.. LayerNormalization(sum, gamma, beta, -1, epsilon), sum];
    }

    [Operator("SkipSimplifiedLayerNormalization", Domain = "com.microsoft")]
    static Term[] SkipRMSNormalization(Term x, Term skip, Term gamma, Term? bias, float epsilon = 1e-12f)
    {
        var sum = bias is { } b ? x + skip + b : x + skip;
        var inverse = 1 / (Formulas.Mean(sum * sum, From(-1, sum)) + epsilon).Map(Functions.Sqrt);
        return [sum * inverse * gamma, Formulas.Mean(sum, From(-1, sum)), inverse, sum];
    }

    // The optimizer of ONNX Runtime writes it in both operator sets.
    [Operator("SimplifiedLayerNormalization")]
    [Operator("SimplifiedLayerNormalization", Domain = "com.microsoft")]
    static Term SimplifiedLayerNormalization(Term x, Term scale, long axis = -1, float epsilon = 1e-5f, ElementType stashType = ElementType.Float32) =>
        RMSNormalization(x, scale, axis, epsilon, stashType);
}
