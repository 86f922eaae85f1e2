using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Cli.Conformance;

/// <summary>How far an element may lie from what is expected: the largest of three distances.</summary>
/// <param name="Relative">As a share of the expected element.</param>
/// <param name="Absolute">As a number.</param>
/// <param name="OfLargest">As a share of the largest element expected in the tensor.</param>
internal readonly record struct Tolerance(double Relative, double Absolute, double OfLargest = 0)
{
    /// <summary>
    /// What ONNX's own runner of its backend tests allows (onnx/backend/test/loader, v1.22), and what a sum in 32 bits loses
    /// where its terms cancellationToken: a zero among numbers near 10 can't be had to 1e-7.
    /// </summary>
    public static readonly Tolerance Onnx = new(1e-3, 1e-7, 1e-7);

    /// <summary>
    /// Whole networks with random weights, in which rounding adds up over tens of layers: no element can be held to
    /// a share of itself.
    /// </summary>
    public static readonly Tolerance Network = new(0, 0, 2e-3);

    /// <summary>The tolerance of a suite by the name of its folder.</summary>
    public static Tolerance Of(string suite) => suite == "zoo" ? Network : Onnx;

    /// <summary>What differs, or null where nothing does that matters. NaN equals NaN.</summary>
    public string? Difference(Tensor expected, Tensor actual)
    {
        if (actual.Type != expected.Type || !actual.Dims.SequenceEqual(expected.Dims))
            return $"it is {actual.TensorType} instead of {expected.TensorType}";
        return expected.Type.IsFloat() ? Reals(expected, actual) : Wholes(expected, actual);
    }

    string? Reals(Tensor expected, Tensor actual)
    {
        var largest = 0.0;
        for (var i = 0L; OfLargest > 0 && i < expected.Count; i++)
        {
            if (double.IsFinite(expected.Float(i)))
                largest = Math.Max(largest, Math.Abs(expected.Float(i)));
        }
        var (wrong, worst, at) = (0L, -1.0, 0L);
        for (var i = 0L; i < expected.Count; i++)
        {
            var (want, have) = (expected.Float(i), actual.Float(i));
            var room = Math.Max(Absolute + Relative * Math.Abs(want), OfLargest * largest);
            if (want == have || (double.IsNaN(want) && double.IsNaN(have)) || (double.IsFinite(want) && Math.Abs(want - have) <= room))
                continue;
            wrong++;
            var excess = double.IsFinite(want) && double.IsFinite(have) ? Math.Abs(want - have) / Math.Max(room, double.Epsilon) : double.PositiveInfinity;
            if (excess > worst)
                (worst, at) = (excess, i);
        }
        return wrong == 0 ? null : $"{wrong} of {expected.Count} elements differ, most of all element {at}: {actual.Float(at):G7} instead of {expected.Float(at):G7}";
    }

    static string? Wholes(Tensor expected, Tensor actual)
    {
        var (wrong, at) = (0L, 0L);
        for (var i = expected.Count - 1; i >= 0; i--)
        {
            if (expected.Integer(i) != actual.Integer(i))
                (wrong, at) = (wrong + 1, i);
        }
        return wrong == 0 ? null : $"{wrong} of {expected.Count} elements differ, the first is element {at}: {actual.Integer(at)} instead of {expected.Integer(at)}";
    }
}
