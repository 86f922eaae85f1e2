using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>
/// Writes a sum of products as a register tile: several rows of the result by two vectors of columns stay in registers
/// while the sum runs. One factor is read as vectors along the columns, the other one number for each row.
/// </summary>
sealed class TileCode
{
    const int Vectors = 2;

    readonly Step.Nest nest;
    readonly Axis column, row;
    readonly Expr.Load byColumn, byRow;
    readonly int lanes, height;
    readonly Axis[] outer;

    TileCode(Step.Nest nest, Axis column, Axis row, Expr.Load byColumn, Expr.Load byRow, int width)
    {
        (this.nest, this.column, this.row, this.byColumn, this.byRow) = (nest, column, row, byColumn, byRow);
        lanes = width / 32;
        // Sixteen registers hold 6 by 2 sums, two columns and one factor; thirty-two hold 12 by 2. Where rows do not
        // lie a known distance apart, each needs a register for its address too.
        var most = !byRow.Index.Stride(row).IsKnown ? 4 : width == 512 ? 12 : 6;
        height = (int)Math.Min(most, row.Extent.Value ?? most);
        outer = [.. nest.Axes.Where(a => a != column && a != row && a.Extent.Value != 1)];
    }

    /// <summary>The tile of a nest, or null where it is not such a sum.</summary>
    public static TileCode? Of(Step.Nest original, int width)
    {
        var nest = Collapse.Axes(original);
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null } fold || nest.Target.Type != ElementType.Float32 || fold.Axes.Length == 0
            || fold.Term is not Expr.Apply { Type: ElementType.Float32, Operands: [Expr.Load a, Expr.Load b] } product || product.Function != Functions.Multiply)
            return null;
        var candidates = from pair in new[] { (Column: a, Row: b), (Column: b, Row: a) }
                         from column in nest.Axes
                         where pair.Column.Index.Stride(column).Value == 1 && !pair.Row.Axes.Contains(column) && column.Extent.Value is null or >= 2
                             && Array.TrueForAll([.. pair.Column.Index.Dynamic], d => !d.Value.Axes.Contains(column))
                         let isLong = column.Extent.Value is not { } size || size >= Vectors * width / 32
                         where isLong && Vectorization.CanVector(nest.Value, column, nest)
                         from row in nest.Axes
                         where row != column && pair.Row.Axes.Contains(row) && !pair.Column.Axes.Contains(row) && row.Extent.Value != 1
                         orderby nest.At.Stride(column).Value == 1 ? 0 : 1, row.Extent.IsKnown ? 0 : 1, -(row.Extent.Value ?? 0)
                         select new TileCode(nest, column, row, pair.Column, pair.Row, width);
        return candidates.FirstOrDefault();
    }

    /// <summary>The C# condition under which there are columns enough for the tile.</summary>
    public string Condition => $"{Frame(column.Extent)} >= {Vectors * lanes}";

    /// <summary>Whether the condition is known to hold.</summary>
    public bool IsAlways => column.Extent.IsKnown;

    /// <summary>The method, and the C# expression of the number of its tasks.</summary>
    public (string Method, string Tasks) Write(string name)
    {
        var levels = new Dictionary<Axis, int>();
        foreach (var axis in outer)
            levels[axis] = 1;
        (levels[column], levels[row]) = (2, 3);
        for (var i = 0; i < nest.Fold!.Axes.Length; i++)
            levels[nest.Fold.Axes[i]] = 4 + i;
        var writer = new KernelWriter(levels, column, 3);
        var rowScope = new KernelWriter.Scope(1);
        var columnScope = new KernelWriter.Scope(2);
        writer.Open.Add(rowScope);
        writer.Open.Add(columnScope);
        var (m, j) = (row.Name, column.Name);
        var tiles = new StringBuilder($"var {m} = first;\n");
        tiles.Append($"for (; {m} <= firstEnd - {height}; {m} += {height})\n{{\n{KernelWriter.Indent(Tile(writer, height), 1)}}}\n");
        if (row.Extent.Value is not { } rows)
            tiles.Append($"for (; {m} < firstEnd; {m}++)\n{{\n{KernelWriter.Indent(Tile(writer, 1), 1)}}}\n");
        else if (rows % height is var rest and not 0)
            tiles.Append($"if ({m} < firstEnd)\n{{\n{KernelWriter.Indent(Tile(writer, (int)rest), 1)}}}\n");
        var outerCount = Dim.Product(outer.Select(a => a.Extent));
        var depth = Dim.Product(nest.Fold.Axes.Select(a => a.Extent));
        var sizes = (Dim size) => writer.Code(size);
        var split = $"{sizes(outerCount)}, {sizes(row.Extent)}, {sizes(column.Extent)}, {sizes(depth)}, {height}, {Vectors * lanes}";
        var code = new StringBuilder($"    // {nest.Source.ReplaceLineEndings(" ")}\n");
        code.Append($"    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n    public static void {name}(void* state, int task)\n    {{\n        var f = (Frame*)state;\n");
        var body = new StringBuilder();
        body.Append($"Tiles.Of({split}, task, out var outer, out var first, out var firstEnd, out var start, out var end);\n");
        for (var i = outer.Length - 1; i >= 0; i--)
            body.Append(i > 0 ? $"var {outer[i].Name} = outer % {sizes(outer[i].Extent)};\nouter /= {sizes(outer[i].Extent)};\n" : $"var {outer[0].Name} = outer;\n");
        body.Append(rowScope.Text);
        body.Append($"for (; start < end; start += {Vectors * lanes})\n{{\n    // The last tile is moved back to end where the row does.\n    var {j} = Math.Min(start, {sizes(column.Extent)} - {Vectors * lanes});\n");
        body.Append(KernelWriter.Indent(columnScope.Text.ToString(), 1)).Append(KernelWriter.Indent(tiles.ToString(), 1)).Append("}\n");
        code.Append(KernelWriter.Indent(writer.Sizes.ToString(), 2)).Append(KernelWriter.Indent(body.ToString(), 2)).Append("    }\n");
        return (code.ToString(), $"Tiles.Tasks({Frame(outerCount)}, {Frame(row.Extent)}, {Frame(column.Extent)}, {Frame(depth)}, {height}, {Vectors * lanes})");
    }

    static string Frame(Dim size) => size.Value is { } number ? $"{number}L" : size.ToCSharp(s => $"f->{ProgramCode.SizeName(s)}");

    string Tile(KernelWriter writer, int rows)
    {
        var scope = new KernelWriter.Scope(3);
        writer.Open.Add(scope);
        var text = new StringBuilder();
        for (var r = 0; r < rows; r++)
        {
            for (var v = 0; v < Vectors; v++)
                text.Append($"var a{r}_{v} = V.Zero;\n");
        }
        text.Append(Sums(writer, rows));
        var after = new KernelWriter.Scope(int.MaxValue);
        writer.Open.Add(after);
        using (writer.StayHere())
        {
            for (var r = 0; r < rows; r++)
            {
                for (var v = 0; v < Vectors; v++)
                    Finish(writer, after, r, v);
            }
        }
        writer.Open.RemoveRange(writer.Open.Count - 2, 2);
        return scope.Text.ToString() + text + after.Text;
    }

    string Sums(KernelWriter writer, int rows)
    {
        var axes = nest.Fold!.Axes;
        var scopes = axes.Select((_, i) => new KernelWriter.Scope(4 + i)).ToArray();
        writer.Open.AddRange(scopes);
        var body = new StringBuilder();
        body.Append($"var x = &{writer.Pointer(byColumn)};\nvar w = &{writer.Pointer(byRow)};\n");
        for (var v = 0; v < Vectors; v++)
            body.Append($"var x{v} = VX.Load(x{(v > 0 ? $" + {v * lanes}" : "")});\n");
        var stride = byRow.Index.Stride(row);
        for (var r = 0; r < rows; r++)
        {
            body.Append($"var w{r} = VX.Create(w[{(r == 0 ? "0" : stride.Value is { } known ? $"{r * known}" : $"{r} * {writer.Code(stride)}")}]);\n");
            for (var v = 0; v < Vectors; v++)
                body.Append($"a{r}_{v} = VX.FusedMultiplyAdd(w{r}, x{v}, a{r}_{v});\n");
        }
        writer.Open.RemoveRange(writer.Open.Count - scopes.Length, scopes.Length);
        var text = scopes[^1].Text + body.ToString();
        for (var i = axes.Length - 1; i >= 0; i--)
        {
            var loop = $"for (long {axes[i].Name} = 0; {axes[i].Name} < {writer.Code(axes[i].Extent)}; {axes[i].Name}++)\n{{\n{KernelWriter.Indent(text, 1)}}}\n";
            text = i > 0 ? scopes[i - 1].Text + loop : loop;
        }
        return text;
    }

    /// <summary>What becomes of one vector of sums.</summary>
    void Finish(KernelWriter writer, KernelWriter.Scope after, int r, int v)
    {
        Index Move(Index index) => index + index.Stride(row) * (Dim)r + index.Stride(column) * (Dim)(v * lanes);
        var rewriting = new ExprRewriting(Move, a => a == row || a == column);
        var sum = new Expr.Accumulated(ElementType.Float32, nest.Fold!.Result.Axes);
        rewriting.Replace(nest.Fold.Result, sum);
        after.Values[(sum, true)] = $"a{r}_{v}";
        var value = writer.Value(rewriting.Apply(nest.Value), true);
        var at = rewriting.Apply(nest.At);
        var stride = nest.At.Stride(column);
        after.Text.Append(stride.Value == 1
            ? $"VX.Store({value}, f->{nest.Target.Name} + {writer.Code(at)});\n"
            : $"Maths.Scatter({value}, f->{nest.Target.Name} + {writer.Code(at)}, {writer.Code(stride)});\n");
    }
}
