using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Passes;

/// <summary>What became of a product with weights.</summary>
/// <param name="Node">Which one it is.</param>
/// <param name="WeightsDb">The power of the weights over that of what rounding them loses, in decibels.</param>
/// <param name="IsRefused">Whether that is less than was demanded, and the product stays as it was.</param>
sealed record WholeProduct(string Node, double WeightsDb, bool IsRefused);

/// <summary>
/// Products with weights in whole numbers: each column of the weights is rounded to multiples of its largest number's part, and
/// each row of what they are multiplied with to multiples of its own largest number's; sums of the whole numbers are exact in 32
/// bits, however long they are, and then multiplied with the two scales. A vector holds twice as many numbers of 16 bits as of 32.
/// </summary>
/// <remarks>
/// What it costs: the weights are rounded to about 10 bits beside the sign, known here exactly; rows to as many, whatever they
/// hold. So an output's error is a thousandth of what it sums up, less where many terms average it out.
/// </remarks>
static class WholeProducts
{
    // A panel of columns, and sums that are worth rounding a row for.
    const int LeastColumns = 16, LeastDepth = 32;

    /// <summary>The graph with products in whole numbers, and what became of each.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="fold">What computes constants.</param>
    /// <param name="leastDb">The least ratio of the weights' power to that of what rounding them loses, in decibels.</param>
    public static (Graph Graph, WholeProduct[] Found) Apply(Graph graph, Folding fold, double leastDb)
    {
        var found = new List<WholeProduct>();
        // The kernel reads them as they are.
        Tensor[]? Kept(Op op, IReadOnlyList<Tensor> operands) => op is Op.Cast { To: ElementType.Int32 } && operands[0].Type == ElementType.Int16 ? null : fold(op, operands);
        var made = Rewriting.Apply(graph, Kept, [(builder, op, x) => op is Op.Contract contract ? Whole(builder, contract, x, leastDb, found) : null]);
        return (made, [.. found]);
    }

    static Term? Whole(GraphBuilder builder, Op.Contract contract, Term[] x, double leastDb, List<WholeProduct> found)
    {
        var (left, right, result) = Einsum.Split(contract.Equation);
        foreach (var (rows, weights, row, own) in new[] { (x[0], x[1], left, right), (x[1], x[0], right, left) })
        {
            // Rows of anything, the depth last in them; weights with a depth and columns, the columns last in the result.
            if (own.Length != 2 || row.Length == 0 || row[^1] is var depth && !own.Contains(depth) || own.Replace($"{depth}", "", StringComparison.Ordinal) is not [var column]
                || result != row[..^1] + column || rows.Element != ElementType.Float32 || rows.Known is not null || Constant(builder, weights) is not { } numbers)
                continue;
            var (isDepthFirst, height, width) = (own[0] == depth, numbers.Dims[own.IndexOf(depth)], numbers.Dims[own.IndexOf(column)]);
            if (height % 2 != 0 || height < LeastDepth || width < LeastColumns)
                continue;
            // The largest whole numbers of both, so that no sum of so many products overflows.
            var most = int.MaxValue / height;
            var mostOfRow = Math.Min(short.MaxValue, (long)Math.Sqrt(2.0 * most));
            var mostOfWeight = Math.Min(short.MaxValue, most / mostOfRow);
            var (whole, scales, decibels) = Rounded(numbers, isDepthFirst, (int)height, (int)width, mostOfWeight);
            found.Add(new(builder.Source ?? contract.Equation, decibels, decibels < leastDb));
            if (decibels < leastDb)
                return null;
            var largest = rows.Map(Functions.Abs).Reduce(Reduction.Max, [rows.Rank - 1], keep: true);
            var rounded = (rows * (mostOfRow / largest.Max(1e-30))).Map(Functions.Round).Cast(ElementType.Int16);
            var (a, b) = (rounded.Cast(ElementType.Int32), rows.Constant(whole).Cast(ElementType.Int32));
            var sums = rows.Value == x[0].Value ? a.Contract(contract.Equation, b) : b.Contract(contract.Equation, a);
            return sums.Cast(ElementType.Float32) * (largest * (1.0 / mostOfRow)) * rows.Constant(scales);
        }
        return null;
    }

    /// <summary>The numbers of a constant, or of one that is kept in fewer bits; null where it is none.</summary>
    static Tensor? Constant(GraphBuilder builder, Term x)
    {
        if (x.Element != ElementType.Float32)
            return null;
        return x.Known ?? (builder.Producer(x.Value) is { Op: Op.Cast, Inputs: [var stored] } ? builder.Known(stored) : null);
    }

    static (Tensor Whole, Tensor Scales, double Decibels) Rounded(Tensor weights, bool isDepthFirst, int height, int width, long most)
    {
        var (whole, scales, power, lost) = (new short[height * width], new float[width], 0.0, 0.0);
        for (var column = 0; column < width; column++)
        {
            long At(int term) => isDepthFirst ? (long)term * width + column : (long)column * height + term;
            var largest = 0.0;
            for (var term = 0; term < height; term++)
                largest = Math.Max(largest, Math.Abs(weights.Real(At(term))));
            var scale = (float)(largest / most);
            scales[column] = scale;
            for (var term = 0; term < height; term++)
            {
                var number = weights.Real(At(term));
                var rounded = scale > 0 ? (short)Math.Clamp(Math.Round(number / scale), -most, most) : (short)0;
                whole[At(term)] = rounded;
                power += number * number;
                lost += Math.Pow(number - rounded * (double)scale, 2);
            }
        }
        return (Tensor.Of<short>(whole, weights.Dims.ToArray()), Tensor.Of<float>(scales, width), lost > 0 ? 10 * Math.Log10(power / lost) : double.PositiveInfinity);
    }
}
