using Softmodel.Graphs;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Axes as operators write them: counted from the last where negative.</summary>
static class Axes
{
    /// <summary>An axis from 0 to rank - 1.</summary>
    /// <exception cref="SoftmodelException">There is no such axis.</exception>
    public static int Of(long axis, int rank) => axis >= -rank && axis < rank
        ? (int)(axis < 0 ? axis + rank : axis)
        : throw new SoftmodelException($"there is no axis {axis} of {rank}");

    /// <summary>Axes from 0 to rank - 1.</summary>
    /// <exception cref="SoftmodelException">There is no such axis, or one is named twice.</exception>
    public static int[] Of(IEnumerable<long> axes, int rank)
    {
        var result = axes.Select(a => Of(a, rank)).ToArray();
        return result.Distinct().Count() == result.Length ? result : throw new SoftmodelException("an axis is named twice");
    }

    /// <summary>Every axis.</summary>
    public static int[] All(int rank) => [.. Enumerable.Range(0, rank)];

    /// <summary>The elements of an operand that says how to compute and must be known at build time.</summary>
    /// <exception cref="SoftmodelException">They are not known.</exception>
    public static long[] Numbers(Term operand, string what) => operand.Contents is { } contents && contents.All(d => d.IsKnown)
        ? [.. contents.Select(d => d.Value!.Value)]
        : throw new SoftmodelException($"{what} are computed from data ({operand.Value}); they must be known at build time");
}
