namespace Softmodel.Lowering;

/// <summary>
/// A fast algorithm for <see cref="Outputs"/> neighbouring outputs of a convolution with some taps: inputs and weights are
/// evaluated as polynomials at as many points as there are inputs to a tile, multiplied there, and interpolated. The
/// products over channels, which are nearly all the work, shrink from outputs · taps to outputs + taps - 1
/// (A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2015; S. Winograd, 1980).
/// </summary>
/// <param name="Kernel">How many taps the convolution has.</param>
/// <param name="Taps">How many taps the algorithm takes at once.</param>
sealed record ToomCookTile(int Kernel, int Taps)
{
    /// <summary>How many outputs a tile has.</summary>
    public const int Outputs = 6;

    /// <summary>How many products a tile takes for a chunk of taps, which is how many inputs it has.</summary>
    public int Points => Outputs + Taps - 1;

    /// <summary>How many chunks the taps are cut into; each but the last is as long as a tile, so that they share inputs.</summary>
    public int Chunks => (Kernel + Taps - 1) / Taps;

    /// <summary>The algorithm for a kernel; null where none pays.</summary>
    public static ToomCookTile? For(int taps) => taps switch
    {
        >= 3 and <= 7 => new(taps, taps),
        > 7 and <= 12 => new(taps, Outputs),
        _ => null,
    };

    // Besides infinity, 0 where the number of points is even, and the opposites of these. They are few and short in binary,
    // and were chosen among such to keep rounding errors small: a chunk's sums are right to 107 dB and more.
    static readonly Dictionary<int, double[]> magnitudes = new()
    {
        [8] = [0.5, 1, 2],
        [9] = [0.25, 0.625, 1.25, 2.5],
        [10] = [0.375, 0.75, 1.5, 3],
        [11] = [0.25, 0.625, 0.875, 1.5, 3],
        [12] = [0.375, 0.625, 1, 1.5, 3],
    };

    readonly double[] points = [.. (Outputs + Taps) % 2 == 1 ? (double[])[0] : [], .. magnitudes[Outputs + Taps - 1].SelectMany(m => (double[])[m, -m])];

    /// <summary>What a tap counts at a point: [points][taps].</summary>
    public double[,] Weights
    {
        get
        {
            var matrix = Vandermonde(Points, Taps);
            for (var i = 0; i < Points - 1; i++)
            {
                // The product of all differences between this point and the others.
                var scale = Enumerable.Range(0, Points - 1).Where(k => k != i).Aggregate(1.0, (s, k) => s * (points[i] - points[k]));
                for (var j = 0; j < Taps; j++)
                    matrix[i, j] /= scale;
            }
            return matrix;
        }
    }

    /// <summary>What a point's product counts in an output: [outputs][points].</summary>
    public double[,] Output => Transposed(Vandermonde(Points, Outputs));

    double[,] Vandermonde(int rows, int columns)
    {
        var matrix = new double[rows, columns];
        for (var i = 0; i < rows - 1; i++)
        {
            for (var j = 0; j < columns; j++)
                matrix[i, j] = Math.Pow(points[i], j);
        }
        matrix[rows - 1, columns - 1] = 1;
        return matrix;
    }

    static double[,] Transposed(double[,] matrix)
    {
        var result = new double[matrix.GetLength(1), matrix.GetLength(0)];
        for (var i = 0; i < matrix.GetLength(0); i++)
        {
            for (var j = 0; j < matrix.GetLength(1); j++)
                result[j, i] = matrix[i, j];
        }
        return result;
    }

    /// <summary>
    /// What an input counts at a point, [points][inputs]: the transposed inverse of the square Vandermonde matrix, rows times
    /// their scales. Row i holds the coefficients of the polynomial that is 0 at all points but the i-th.
    /// </summary>
    public double[,] Input()
    {
        var count = Points;
        var result = new double[count, count];
        for (var i = 0; i < count; i++)
        {
            double[] product = [1];
            for (var k = 0; k < count - 1; k++)
            {
                if (k == i)
                    continue;
                var next = new double[product.Length + 1];
                for (var j = 0; j < product.Length; j++)
                {
                    next[j + 1] += product[j];
                    next[j] -= product[j] * points[k];
                }
                product = next;
            }
            for (var j = 0; j < product.Length; j++)
                result[i, j] = product[j];
        }
        return result;
    }
}
