using System.Globalization;
using System.Text;
using Softmodel.Lowering;

namespace Softmodel.Emit;

/// <summary>Writes the methods of <see cref="ToomCookTile"/>.</summary>
static class ToomCookTiles
{
    /// <summary>The method that cuts a row of inputs into tiles and evaluates them.</summary>
    public static string InputName(this ToomCookTile tile) => $"ToomCook.Input{tile.Taps}";

    /// <summary>The method that interpolates a row of outputs.</summary>
    public static string OutputName(this ToomCookTile tile) => $"ToomCook.Output{tile.Taps}";

    /// <summary>The method that evaluates the weights of some rows.</summary>
    public static string WeightsName(this ToomCookTile tile) => $"ToomCook.Weights{tile.Kernel}";

    /// <summary>The C# of the methods that evaluate inputs and interpolate outputs, which kernels share whose chunks have as many taps.</summary>
    public static void Write(this ToomCookTile tile, StringBuilder code)
    {
        var (points, taps) = (tile.Points, tile.Taps);
        code.Append($"    /// <summary>Evaluates tiles of a row at {points} points; a column is a tile.</summary>\n");
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void Input{taps}(float* row, long left, long tiles, long dilation, long columns, float* phases, long phase, float* line, float* u, long point)\n    {{\n");
        code.Append($"        Split(Whole(row, left, {ToomCookTile.Outputs} * tiles * dilation, line), phases, phase, tiles, dilation);\n");
        code.Append("        for (long j = 0; j < columns; j += V.Count)\n        {\n");
        for (var i = 0; i < points; i++)
            code.Append($"            var x{i} = VX.Load(phases + {i % ToomCookTile.Outputs} * phase + j{(i < ToomCookTile.Outputs ? "" : $" + {(i / ToomCookTile.Outputs == 1 ? "" : $"{i / ToomCookTile.Outputs} * ")}dilation")});\n");
        Map(code, tile.Input(), "x", i => $"VX.Store({{0}}, u + {i} * point + j);");
        code.Append("        }\n    }\n\n");

        code.Append($"    /// <summary>The outputs of a row's tiles from their products at {points} points.</summary>\n");
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void Output{taps}(float* v, long point, long columns, float* phases, long phase, float* line, long tiles, long dilation)\n    {{\n");
        code.Append("        for (long j = 0; j < columns; j += V.Count)\n        {\n");
        for (var i = 0; i < points; i++)
            code.Append($"            var x{i} = VX.Load(v + {i} * point + j);\n");
        Map(code, tile.Output, "x", i => $"var y{i} = {{0}};");
        code.Append("            if (dilation == 1)\n            {\n");
        code.Append($"                Join({string.Join(", ", Enumerable.Range(0, ToomCookTile.Outputs).Select(i => $"y{i}"))}, line + {ToomCookTile.Outputs} * j);\n                continue;\n            }}\n");
        for (var i = 0; i < ToomCookTile.Outputs; i++)
            code.Append($"            VX.Store(y{i}, phases + {i} * phase + j);\n");
        code.Append("        }\n        if (dilation > 1)\n            Join(phases, phase, line, tiles, dilation);\n    }\n\n");
    }

    /// <summary>The C# of the method that evaluates weights.</summary>
    public static void WriteWeights(this ToomCookTile tile, StringBuilder code)
    {
        var (points, kernel) = (tile.Points, tile.Kernel);
        code.Append($"    /// <summary>Evaluates the weights of some rows at {points} points: from [channel][tap][row] to [point][chunk][channel][row]. Writes up to a vector more than each point holds.</summary>\n");
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void Weights{kernel}(float* weights, long rows, long channels, float* to, long point)\n    {{\n");
        var weights = tile.Weights;
        for (var chunk = 0; chunk < tile.Chunks; chunk++)
        {
            var (first, taps) = (chunk * tile.Taps, Math.Min(tile.Taps, kernel - chunk * tile.Taps));
            code.Append($"        for (long channel = 0; channel < channels; channel++, to += rows)\n        {{\n");
            code.Append($"            var from = weights + channel * {kernel} * rows;\n            for (long row = 0; row < rows; row += V.Count)\n            {{\n");
            var body = new StringBuilder();
            for (var t = 0; t < taps; t++)
                body.Append($"            var x{t} = VX.Load(from + {first + t} * rows + row);\n");
            var matrix = new double[points, taps];
            for (var i = 0; i < points; i++)
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
