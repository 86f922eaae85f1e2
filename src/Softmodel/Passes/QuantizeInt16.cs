using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Passes;

/// <summary>What became of a product with weights.</summary>
/// <param name="Node">Which one it is.</param>
/// <param name="WeightsDb">The power of the weights over that of what rounding them loses, in decibels.</param>
/// <param name="IsRefused">Whether that is less than was demanded, and the product stays as it was.</param>
sealed record QuantizedProduct(string Node, double WeightsDb, bool IsRefused);

/// <summary>
/// Dynamic int16 quantisation of products with weights: each column of the weights is rounded to multiples of its largest number's part, and
/// each row of what they are multiplied with to multiples of its own largest number's; sums of the integers are exact in 32
/// bits, however long they are, and then multiplied with the two scales. A vector holds twice as many 16-bit integers as 32-bit floats.
/// </summary>
/// <remarks>
/// What it costs: the weights are rounded to about 11 bits beside the sign, known here exactly; rows to as many, whatever they
/// hold. So an output's error is a thousandth of what it sums up, less where many terms average it out.
/// </remarks>
static class QuantizeInt16
{
    // A panel of columns, and sums that are worth rounding a row for.
    public const int LeastColumns = 16;
    const int LeastDepth = 32;

    /// <summary>The graph with quantised products, and what became of each.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="leastDb">The least ratio of the weights' power to that of what rounding them loses, in decibels.</param>
    public static (Graph Graph, QuantizedProduct[] Found) Apply(Graph graph, ConstantFolding folding, double leastDb)
    {
        var found = new List<QuantizedProduct>();
        // The kernel reads them as they are.
        Tensor[]? Kept(Op op, IReadOnlyList<Tensor> operands) => op is Op.Cast { To: ElementType.Int32 } && operands[0].Type == ElementType.Int16 ? null : folding(op, operands);
        var made = Rewriting.Apply(graph, Kept, [(builder, op, x) => op is Op.Contract contract ? Quantised(builder, contract, x, leastDb, found) : null]);
        return (made, [.. found]);
    }

    static Term? Quantised(GraphBuilder builder, Op.Contract contract, Term[] x, double leastDb, List<QuantizedProduct> found)
    {
        foreach (var operand in (int[])[1, 0])
        {
            var rows = x[1 - operand];
            if (Einsum.Matrix(contract.Equation, operand) is not var (depth, column)
                || rows.Element != ElementType.Float32 || rows.Known is not null || Constant(builder, x[operand]) is not { } numbers)
                continue;
            var (isDepthFirst, height, width) = (depth == 0, numbers.Dims[depth], numbers.Dims[column]);
            if (height % 2 != 0 || height < LeastDepth || width < LeastColumns)
                continue;
            var (whole, scales, mostOfRow, decibels) = Rounded(numbers, isDepthFirst, (int)height, (int)width);
            found.Add(new(builder.Origin.Node, decibels, decibels < leastDb));
            if (decibels < leastDb)
                return null;
            var largest = rows.Map(Functions.Abs).Reduce(Reduction.Max, [rows.Rank - 1], keep: true);
            var rounded = (rows * (mostOfRow / largest.Max(1e-30))).Map(Functions.Round).Cast(ElementType.Int16);
            var (a, b) = (rounded.Cast(ElementType.Int32), rows.Constant(whole).Cast(ElementType.Int32));
            var sums = operand == 1 ? a.Contract(contract.Equation, b) : b.Contract(contract.Equation, a);
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

    /// <summary>
    /// Weights as integers, their scales, and the largest integer of a row. No sum can overflow: it is at most that number
    /// times the sum of a column's magnitudes, which is known, and less than as many times its largest one as it has weights.
    /// </summary>
    static (Tensor Whole, Tensor Scales, long MostOfRow, double Decibels) Rounded(Tensor weights, bool isDepthFirst, int height, int width)
    {
        var (whole, scales, power, lost) = (new short[height * width], new float[width], 0.0, 0.0);
        var (largest, sums) = (new double[width], new double[width]);
        long At(int term, int column) => isDepthFirst ? (long)term * width + column : (long)column * height + term;
        for (var column = 0; column < width; column++)
        {
            for (var term = 0; term < height; term++)
            {
                var magnitude = Math.Abs(weights.Float(At(term, column)));
                (largest[column], sums[column]) = (Math.Max(largest[column], magnitude), sums[column] + magnitude);
            }
        }
        // How many weights of a column's largest one would be as much as all of it.
        var terms = Enumerable.Range(0, width).Max(c => largest[c] > 0 ? sums[c] / largest[c] : 1);
        // Rows are rounded a bit finer than weights.
        var mostOfRow = Math.Clamp((long)Math.Sqrt(2.0 * int.MaxValue / terms), 1, short.MaxValue);
        for (var column = 0; column < width; column++)
        {
            // Rounding adds half a unit to each weight at most; a whole one leaves room for what floats lose here.
            var most = largest[column] > 0 ? Math.Min(short.MaxValue, (int.MaxValue / (double)mostOfRow - height) * largest[column] / sums[column]) : 0;
            var scale = (float)(largest[column] / Math.Max(1, Math.Floor(most)));
            scales[column] = scale;
            for (var term = 0; term < height; term++)
            {
                var number = weights.Float(At(term, column));
                var rounded = scale > 0 ? (short)Math.Clamp(Math.Round(number / scale), -short.MaxValue, short.MaxValue) : (short)0;
                whole[At(term, column)] = rounded;
                power += number * number;
                lost += Math.Pow(number - rounded * (double)scale, 2);
            }
        }
        return (Tensor.Of<short>(whole, weights.Dims.ToArray()), Tensor.Of<float>(scales, width), mostOfRow, lost > 0 ? 10 * Math.Log10(power / lost) : double.PositiveInfinity);
    }
}
