using System.Text;
using Softmodel.Lowering;

namespace Softmodel.Emit;

/// <summary>
/// The innermost loops of contractions: some rows by some vectors of columns, all in registers. Each is written
/// once for a program; every kernel with such a sum calls it.
/// </summary>
static class Tiles
{
    /// <summary>One such loop.</summary>
    /// <param name="Rows">How many rows it has.</param>
    /// <param name="Vectors">How many vectors of columns it has.</param>
    /// <param name="Panel">How many rows of a constant factor lie side by side; null where rows lie anywhere.</param>
    /// <param name="IsFew">Whether there may be fewer columns than its vectors hold.</param>
    /// <param name="IsWhole">Whether it multiplies 16-bit integers, those of two terms of the sum side by side.</param>
    /// <param name="IsMore">Whether it adds to the sums that are there.</param>
    /// <param name="IsNarrow">Whether the constant integers lie in 8 bits.</param>
    public sealed record Kernel(int Rows, int Vectors, int? Panel, bool IsFew, bool IsWhole = false, bool IsMore = false, bool IsNarrow = false)
    {
        /// <summary>The method's name.</summary>
        public string Name => $"Tile.{(IsWhole ? IsNarrow ? "Bytes" : "Whole" : "")}{(Panel is { } p ? p == Rows ? $"Panel{Rows}" : $"Panel{p}Rows{Rows}" : $"Rows{Rows}")}{(Vectors == 1 ? "Narrow" : Vectors == 2 ? "" : $"By{Vectors}")}{(IsFew ? "Few" : "")}{(IsMore ? "More" : "")}";
    }

    /// <summary>The class that holds these loops.</summary>
    public static string Write(IEnumerable<Kernel> kernels, int width)
    {
        var code = new StringBuilder("/// <summary>Contractions that stay in registers.</summary>\nstatic unsafe class Tile\n{\n");
        foreach (var kernel in kernels.OrderBy(k => k.Name, StringComparer.Ordinal))
        {
            if (kernel.IsWhole)
                WriteWhole(code, kernel, width / 32);
            else
                Write(code, kernel, width / 32);
        }
        return code.Append("}\n\n").ToString();
    }

    // Rows that are reached from one pointer.
    const int RowsOfPointer = 3;

    static void WriteWhole(StringBuilder code, Kernel kernel, int lanes)
    {
        string Each(Func<int, string> vector) => string.Join(", ", Enumerable.Range(0, kernel.Vectors).Select(vector));
        static string Product(int row, int vector) => $"{(char)('a' + vector)}{row}Pair";
        var pointers = (kernel.Rows + RowsOfPointer - 1) / RowsOfPointer;
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void {kernel.Name["Tile.".Length..]}({(kernel.IsNarrow ? "sbyte" : "short")}* w, short* x, long row, long pairs, float* sums)\n    {{\n");
        for (var r = 0; r < kernel.Rows; r++)
            code.Append($"        VI {Each(v => $"{Sum(r, v)} = VI.Zero")};\n");
        for (var p = 1; p < pointers; p++)
            code.Append($"        var x{p} = x + {p * RowsOfPointer} * row;\n");
        // Panels lie one after the other. Those that come next are on their way while these are used.
        var (panels, step) = (Math.Max(1, kernel.Vectors * lanes / Panel.Columns), Panel.Columns * 2);
        string[] starts = [.. Enumerable.Range(0, panels).Select(p => p == 0 ? "w" : $"w_{p}")];
        foreach (var (p, start) in starts.Index().Skip(1))
            code.Append($"        var {start} = w + {p * step} * pairs;\n");
        code.Append($"        var next = {panels * step} * pairs;\n");
        code.Append($"        for (; pairs > 0; pairs--{string.Concat(starts.Select(start => $", {start} += {step}"))}, x += 2{string.Concat(Enumerable.Range(1, pointers - 1).Select(p => $", x{p} += 2"))})\n        {{\n");
        foreach (var start in starts)
            code.Append($"            Maths.Prefetch({start} + next);\n");
        for (var v = 0; v < kernel.Vectors; v++)
            code.Append($"            var w{v} = {(kernel.IsNarrow ? "Maths.Widened" : "VX.Load")}({starts[v * lanes / Panel.Columns]}{(v * lanes % Panel.Columns is > 0 and var at ? $" + {at * 2}" : "")});\n");
        // With 32 registers, a row's sums are added to while the products of the next are under way: a processor finds more to do
        // at once. 16 hold twelve sums, two vectors of weights, a row's pair and one product.
        var behind = lanes == 16 ? 1 : 0;
        for (var r = 0; r < kernel.Rows + behind; r++)
        {
            if (r < kernel.Rows)
            {
                var (pointer, rows) = (r / RowsOfPointer == 0 ? "x" : $"x{r / RowsOfPointer}", r % RowsOfPointer);
                code.Append($"            var pair{r} = VX.AsInt16(VX.Create(*(int*){(rows == 0 ? pointer : $"({pointer} + {(rows == 1 ? "" : $"{rows} * ")}row)")}));\n");
                if (behind > 0)
                    code.Append($"            VI {Each(v => $"{Product(r, v)} = Maths.PairSums(pair{r}, w{v})")};\n");
            }
            for (var (v, done) = (0, r - behind); v < kernel.Vectors && done >= 0; v++)
                code.Append($"            {Sum(done, v)} += {(behind > 0 ? Product(done, v) : $"Maths.PairSums(pair{done}, w{v})")};\n");
        }
        code.Append("        }\n");
        for (var r = 0; r < kernel.Rows; r++)
        {
            for (var v = 0; v < kernel.Vectors; v++)
                code.Append($"        VX.Store(VX.ConvertToSingle({Sum(r, v)}), sums{(r * kernel.Vectors + v > 0 ? $" + {(r * kernel.Vectors + v) * lanes}" : "")});\n");
        }
        code.Append("    }\n\n");
    }

    static string Sum(int row, int vector) => $"{(char)('a' + vector)}{row}";

    static void Write(StringBuilder code, Kernel kernel, int lanes)
    {
        var (rows, panel) = (kernel.Rows, kernel.Panel);
        code.Append("    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n");
        code.Append($"    public static void {kernel.Name["Tile.".Length..]}(float* x, float* w");
        for (var i = Tile.Depth - 1; i >= 0; i--)
            code.Append($", long n{i}, long x{i}Step{(panel is null ? $", long w{i}Step" : "")}");
        code.Append($"{(panel is null ? ", long row" : "")}{(kernel.IsFew ? ", long columns" : "")}, float* sums, long pitch)\n    {{\n");
        string Each(Func<int, string> vector) => string.Join(", ", Enumerable.Range(0, kernel.Vectors).Select(vector));
        string Start(int r, int v) => kernel.IsMore ? $"VX.Load(sums{(r > 0 ? $" + {r} * pitch" : "")}{(v > 0 ? $" + {v * lanes}" : "")})" : "V.Zero";
        for (var r = 0; r < rows; r++)
            code.Append($"        V {Each(v => $"{Sum(r, v)} = {Start(r, v)}")};\n");
        var pad = "        ";
        for (var i = Tile.Depth - 1; i >= 0; i--)
        {
            var (from, weights) = (i == Tile.Depth - 1 ? "x" : $"p{i + 1}", i == Tile.Depth - 1 ? "w" : $"q{i + 1}");
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
        for (var i = 0; i < Tile.Depth; i++)
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
