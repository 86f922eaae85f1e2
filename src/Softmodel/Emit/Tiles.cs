using System.Text;

namespace Softmodel.Emit;

/// <summary>
/// The innermost loops of sums of products: some rows by some vectors of columns, all in registers. Each is written
/// once for a program; every kernel with such a sum calls it.
/// </summary>
static class Tiles
{
    /// <summary>Over how many loops a sum runs.</summary>
    public const int Depth = 3;

    /// <summary>One such loop.</summary>
    /// <param name="Rows">How many rows it has.</param>
    /// <param name="Vectors">How many vectors of columns it has.</param>
    /// <param name="Panel">How many rows of a constant factor lie side by side; null where rows lie anywhere.</param>
    /// <param name="IsFew">Whether there may be fewer columns than its vectors hold.</param>
    public sealed record Kernel(int Rows, int Vectors, int? Panel, bool IsFew)
    {
        /// <summary>The method's name.</summary>
        public string Name => $"Tile.{(Panel is { } p ? p == Rows ? $"Panel{Rows}" : $"Panel{p}Rows{Rows}" : $"Rows{Rows}")}{(Vectors == 1 ? "Narrow" : Vectors == 2 ? "" : $"By{Vectors}")}{(IsFew ? "Few" : "")}";
    }

    /// <summary>The class that holds these loops.</summary>
    public static string Write(IEnumerable<Kernel> kernels, int width)
    {
        var code = new StringBuilder("/// <summary>Sums of products that stay in registers.</summary>\nstatic unsafe class Tile\n{\n");
        foreach (var kernel in kernels.OrderBy(k => k.Name, StringComparer.Ordinal))
            Write(code, kernel, width / 32);
        return code.Append("}\n\n").ToString();
    }

    static string Sum(int row, int vector) => $"{(char)('a' + vector)}{row}";

    static void Write(StringBuilder code, Kernel kernel, int lanes)
    {
        var (rows, panel) = (kernel.Rows, kernel.Panel);
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void {kernel.Name["Tile.".Length..]}(float* x, float* w");
        for (var i = Depth - 1; i >= 0; i--)
            code.Append($", long n{i}, long x{i}Step{(panel is null ? $", long w{i}Step" : "")}");
        code.Append($"{(panel is null ? ", long row" : "")}{(kernel.IsFew ? ", long columns" : "")}, float* sums, long pitch)\n    {{\n");
        string Each(Func<int, string> vector) => string.Join(", ", Enumerable.Range(0, kernel.Vectors).Select(vector));
        for (var r = 0; r < rows; r++)
            code.Append($"        V {Each(v => $"{Sum(r, v)} = V.Zero")};\n");
        var pad = "        ";
        for (var i = Depth - 1; i >= 0; i--)
        {
            var (from, weights) = (i == Depth - 1 ? "x" : $"p{i + 1}", i == Depth - 1 ? "w" : $"q{i + 1}");
            code.Append($"{pad}{(panel is null ? $"float* p{i} = {from}, q{i} = {weights}" : $"var p{i} = {from}")};\n");
            code.Append($"{pad}for (long i{i} = 0; i{i} < n{i}; i{i}++, p{i} += x{i}Step{(panel is null ? $", q{i} += w{i}Step" : i == 0 ? $", w += {panel}" : "")})\n{pad}{{\n");
            pad += "    ";
        }
        string Load(string from, string columns) => kernel.IsFew ? $"Maths.LoadUpTo({from}, {columns})" : $"VX.Load({from})";
        code.Append($"{pad}V {Each(v => $"x{v} = {(v == 0 ? Load("p0", "columns") : Load($"p0 + {v * lanes}", $"columns - {v * lanes}"))}")};\n");
        if (panel is null)
            code.Append($"{pad}var q = q0;\n");
        for (var r = 0; r < rows; r++)
        {
            code.Append($"{pad}{(r == 0 ? "var " : "")}factor = VX.Create({(panel is null ? "*q" : $"w[{r}]")});\n");
            for (var v = 0; v < kernel.Vectors; v++)
                code.Append($"{pad}{Sum(r, v)} = VX.FusedMultiplyAdd(factor, x{v}, {Sum(r, v)});\n");
            if (panel is null && r < rows - 1)
                code.Append($"{pad}q += row;\n");
        }
        for (var i = 0; i < Depth; i++)
        {
            pad = pad[4..];
            code.Append($"{pad}}}\n");
        }
        for (var r = 0; r < rows; r++)
        {
            code.Append(r > 0 ? "        sums += pitch;\n" : "");
            for (var v = 0; v < kernel.Vectors; v++)
                code.Append($"        VX.Store({Sum(r, v)}, sums{(v > 0 ? $" + {v * lanes}" : "")});\n");
        }
        code.Append("    }\n\n");
    }
}
