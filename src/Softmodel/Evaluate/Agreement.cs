using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Evaluate;

/// <summary>How well results agree with those of an oracle.</summary>
/// <param name="SnrDb">The oracle's power over that of the difference, in decibels, of the worst output; at most <see cref="Equal"/>.</param>
/// <param name="MaxAbs">The largest difference of two elements.</param>
/// <param name="Fault">Why nothing could be compared, or null.</param>
readonly record struct Agreement(double SnrDb, double MaxAbs, string? Fault = null)
{
    /// <summary>The decibels of results that do not differ, and more than any that do.</summary>
    public const double Equal = 200;

    /// <summary>Compares each output with its counterpart.</summary>
    public static Agreement Of(IReadOnlyList<Tensor> ours, IReadOnlyList<Tensor> oracle) => Of(ours, oracle, true);

    /// <summary>Compares each output with its counterpart, floats of however many bits.</summary>
    public static Agreement OfNumbers(IReadOnlyList<Tensor> ours, IReadOnlyList<Tensor> oracle) => Of(ours, oracle, false);

    static Agreement Of(IReadOnlyList<Tensor> ours, IReadOnlyList<Tensor> oracle, bool sameTypes)
    {
        var worst = new Agreement(Equal, 0);
        foreach (var (our, its) in ours.Zip(oracle))
        {
            var one = Of(our, its, sameTypes);
            worst = new(Math.Min(worst.SnrDb, one.SnrDb), Math.Max(worst.MaxAbs, one.MaxAbs), worst.Fault ?? one.Fault);
        }
        return worst;
    }

    static Agreement Of(Tensor our, Tensor its, bool sameTypes)
    {
        if ((our.Type != its.Type && (sameTypes || our.Type.IsFloat() != its.Type.IsFloat())) || !our.Dims.SequenceEqual(its.Dims))
            return new(-Equal, double.MaxValue, $"{our.TensorType} was computed where the oracle computes {its.TensorType}");
        var (signal, error, largest) = (0.0, 0.0, 0.0);
        for (var i = 0L; i < its.Count; i++)
        {
            var (a, b) = (our.Float(i), its.Float(i));
            if (a.Equals(b))
            {
                signal += double.IsFinite(b) ? b * b : 0;
                continue;
            }
            if (!double.IsFinite(a) || !double.IsFinite(b))
                return new(-Equal, double.MaxValue, $"an element is {a} where the oracle has {b}");
            signal += b * b;
            error += (a - b) * (a - b);
            largest = Math.Max(largest, Math.Abs(a - b));
        }
        return new(error == 0 ? Equal : signal == 0 ? -Equal : Math.Clamp(10 * Math.Log10(signal / error), -Equal, Equal), largest);
    }
}
