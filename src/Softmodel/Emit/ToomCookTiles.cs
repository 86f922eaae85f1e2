using System.Globalization;
using System.Text;

namespace Softmodel.Emit;

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
    double[,] Weights
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
    double[,] Output => Transposed(Vandermonde(Points, Outputs));

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
    double[,] Input()
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

    /// <summary>The method that cuts a row of inputs into tiles and evaluates them.</summary>
    public string InputName => $"ToomCook.Input{Taps}";

    /// <summary>The method that interpolates a row of outputs.</summary>
    public string OutputName => $"ToomCook.Output{Taps}";

    /// <summary>The method that evaluates the weights of some rows.</summary>
    public string WeightsName => $"ToomCook.Weights{Kernel}";

    /// <summary>The C# of the methods that evaluate inputs and interpolate outputs, which kernels share whose chunks have as many taps.</summary>
    public void Write(StringBuilder code)
    {
        code.Append($"    /// <summary>Evaluates tiles of a row at {Points} points; a column is a tile.</summary>\n");
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void Input{Taps}(float* row, long left, long tiles, long dilation, long columns, float* phases, long phase, float* line, float* u, long point)\n    {{\n");
        code.Append($"        Split(Whole(row, left, {Outputs} * tiles * dilation, line), phases, phase, tiles, dilation);\n");
        code.Append("        for (long j = 0; j < columns; j += V.Count)\n        {\n");
        for (var i = 0; i < Points; i++)
            code.Append($"            var x{i} = VX.Load(phases + {i % Outputs} * phase + j{(i < Outputs ? "" : $" + {(i / Outputs == 1 ? "" : $"{i / Outputs} * ")}dilation")});\n");
        Map(code, Input(), "x", i => $"VX.Store({{0}}, u + {i} * point + j);");
        code.Append("        }\n    }\n\n");

        code.Append($"    /// <summary>The outputs of a row's tiles from their products at {Points} points.</summary>\n");
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void Output{Taps}(float* v, long point, long columns, float* phases, long phase, float* line, long tiles, long dilation)\n    {{\n");
        code.Append("        for (long j = 0; j < columns; j += V.Count)\n        {\n");
        for (var i = 0; i < Points; i++)
            code.Append($"            var x{i} = VX.Load(v + {i} * point + j);\n");
        Map(code, Output, "x", i => $"var y{i} = {{0}};");
        code.Append("            if (dilation == 1)\n            {\n");
        code.Append($"                Join({string.Join(", ", Enumerable.Range(0, Outputs).Select(i => $"y{i}"))}, line + {Outputs} * j);\n                continue;\n            }}\n");
        for (var i = 0; i < Outputs; i++)
            code.Append($"            VX.Store(y{i}, phases + {i} * phase + j);\n");
        code.Append("        }\n        if (dilation > 1)\n            Join(phases, phase, line, tiles, dilation);\n    }\n\n");
    }

    /// <summary>The C# of the method that evaluates weights.</summary>
    public void WriteWeights(StringBuilder code)
    {
        code.Append($"    /// <summary>Evaluates the weights of some rows at {Points} points: from [channel][tap][row] to [point][chunk][channel][row]. Writes up to a vector more than each point holds.</summary>\n");
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void Weights{Kernel}(float* weights, long rows, long channels, float* to, long point)\n    {{\n");
        var weights = Weights;
        for (var chunk = 0; chunk < Chunks; chunk++)
        {
            var (first, taps) = (chunk * Taps, Math.Min(Taps, Kernel - chunk * Taps));
            code.Append($"        for (long channel = 0; channel < channels; channel++, to += rows)\n        {{\n");
            code.Append($"            var from = weights + channel * {Kernel} * rows;\n            for (long row = 0; row < rows; row += V.Count)\n            {{\n");
            var body = new StringBuilder();
            for (var t = 0; t < taps; t++)
                body.Append($"            var x{t} = VX.Load(from + {first + t} * rows + row);\n");
            var matrix = new double[Points, taps];
            for (var i = 0; i < Points; i++)
            {
                for (var t = 0; t < taps; t++)
                    matrix[i, t] = weights[i, t];
            }
            Map(body, matrix, "x", i => $"VX.Store({{0}}, to + {i} * point + row);");
            code.Append(KernelWriter.Indent(body.ToString(), 1)).Append("            }\n        }\n");
        }
        code.Append("    }\n\n");
    }

    /// <summary>The statements that multiply a matrix with vectors; sums and differences of opposite points are made once.</summary>
    static void Map(StringBuilder code, double[,] matrix, string x, Func<int, string> use)
    {
        var (rows, columns) = (matrix.GetLength(0), matrix.GetLength(1));
        var terms = new List<(double Factor, string Name)>[rows];
        for (var i = 0; i < rows; i++)
            terms[i] = [.. Enumerable.Range(0, columns).Where(j => matrix[i, j] != 0).Select(j => (matrix[i, j], $"{x}{j}"))];
        // Columns of opposite points: the same in even rows, opposite in odd ones.
        for (var j = 0; j + 1 < columns; j++)
        {
            if (!Enumerable.Range(0, rows).All(i => matrix[i, j] == matrix[i, j + 1] * (i % 2 == 0 ? 1 : -1)) || rows < 3)
                continue;
            code.Append($"            var even{j} = {x}{j} + {x}{j + 1};\n            var odd{j} = {x}{j} - {x}{j + 1};\n");
            for (var i = 0; i < rows; i++)
            {
                var at = terms[i].FindIndex(t => t.Name == $"{x}{j}");
                if (at < 0)
                    continue;
                terms[i][at] = (matrix[i, j], i % 2 == 0 ? $"even{j}" : $"odd{j}");
                terms[i].RemoveAll(t => t.Name == $"{x}{j + 1}");
            }
            j++;
        }
        // Rows of opposite points: the same in even columns, opposite in odd ones, or the other way round.
        var done = new bool[rows];
        for (var i = 0; i + 1 < rows; i++)
        {
            foreach (var sign in (int[])[1, -1])
            {
                if (columns < 5 || done[i] || !Enumerable.Range(0, columns).All(j => matrix[i, j] == matrix[i + 1, j] * (j % 2 == 0 ? sign : -sign)))
                    continue;
                var (a, b) = (terms[i].Where(t => int.Parse(t.Name[x.Length..], CultureInfo.InvariantCulture) % 2 == 0).ToList(), terms[i].Where(t => int.Parse(t.Name[x.Length..], CultureInfo.InvariantCulture) % 2 == 1).ToList());
                code.Append($"            var a{i} = {Sum(a)};\n            var b{i} = {Sum(b)};\n");
                terms[i] = [(1, $"a{i}"), (1, $"b{i}")];
                terms[i + 1] = [(sign, $"a{i}"), (-sign, $"b{i}")];
                (done[i], done[i + 1]) = (true, true);
            }
        }
        for (var i = 0; i < rows; i++)
            code.Append($"            {string.Format(CultureInfo.InvariantCulture, use(i), Sum(terms[i]))}\n");
    }

    static string Sum(List<(double Factor, string Name)> terms)
    {
        var sum = "";
        foreach (var (factor, name) in terms.OrderByDescending(t => Math.Abs(t.Factor) == 1).ThenByDescending(t => t.Factor))
        {
            var text = Math.Abs(factor).ToString("R", CultureInfo.InvariantCulture);
            sum = sum.Length == 0 ? factor == 1 ? name : factor == -1 ? $"-{name}" : $"VX.Create({factor.ToString("R", CultureInfo.InvariantCulture)}f) * {name}"
                : Math.Abs(factor) == 1 ? $"({sum} {(factor > 0 ? "+" : "-")} {name})"
                : $"VX.FusedMultiplyAdd(VX.Create({(factor < 0 ? "-" : "")}{text}f), {name}, {sum})";
        }
        return sum.Length == 0 ? "V.Zero" : sum;
    }
}
