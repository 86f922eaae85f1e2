using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>Writes a contraction whose constant factor lies in panels: see <see cref="Panel"/>.</summary>
sealed partial class PanelCode(Panel product)
{
    const int Columns = Panel.Columns;

    // Up to so many rows are computed as the panel is decoded.
    const int FewRows = 4;

    readonly Step.Nest nest = product.Nest;
    readonly Axis column = product.Column;
    readonly Axis? row = product.Row;
    readonly Axis[] natural = product.Natural, folds = product.Folds;
    readonly Expr.Load read = product.Read;
    readonly Expr decoded = product.Decoded;
    readonly int lanes = product.Lanes;
    readonly IReadOnlySet<Axis> unrolled = product.Unrolled;
    // It counts by what a step moves the panel, and the other factor, so that addresses are sums.
    readonly Axis? inner = product.Inner;
    readonly Axis place = new("at", Dim.Variable("at")), along = new("x_at", Dim.Variable("x_at"));
    readonly IReadOnlyDictionary<Lowering.Buffer, Lowering.Buffer> panels = product.Laid;
    readonly SmallMap? map = product.Map;
    readonly bool hasPairs = product.HasPairs;

    int Together => product.Together;

    // The columns that are computed at once.
    int Across => Columns * Together;

    int Vectors => Across / lanes;

    long Depth => product.Depth;

    long Panels => product.Count;

    bool IsWhole => product.IsWhole;

    // The loops of the emitted code: over panels; over the columns of a vector, which is no loop; over single columns; over the rows of a tile.
    readonly Axis panel = new("panel", Dim.Variable("panels")), lane = new("lane", Columns), each = new("each", Columns), moved = new("r", Dim.Variable("r"));

    /// <summary>The register tiles that it calls.</summary>
    public HashSet<Tiles.Kernel> Used { get; } = [];

    /// <summary>The kernel.</summary>
    /// <param name="share">Given a word and a method without its name, the name under which all kernels that have the same call it.</param>
    public KernelCode Write(Func<string, string, string> share)
    {
        var parameters = new List<Lowering.Buffer>();
        var most = lanes == 16 ? 12 : 6;
        var levels = new Dictionary<Axis, int> { [panel] = 1, [each] = 3, [moved] = 4 };
        if (row is not null)
            levels[row] = 2;
        var writer = new KernelWriter(levels, lane, 2, parameters);
        var (rows, name) = (row is null ? "1L" : writer.Code(row.Extent), row?.Name ?? "i_one");
        var factor = writer.Pointer(read.Buffer);
        var start = writer.Code(read.Index.AtStart(row is null ? folds : [.. folds, row]));
        var stride = writer.Code(row is null ? Dim.Zero : read.Index.Stride(row));
        var x = $"{factor} + {start} + {name} * {stride}";
        var head = $"const long lane = 0;\nPanelSplit.Of({Panels / Together}L, {Tasks(rows)}, task, out var first, out var end);\nvar room = stackalloc float[{(most + 1) * Across}];\nvar sums = (float*)((nint)(room + {lanes - 1}) & -{lanes * 4});\n";
        string Given((string Text, Lowering.Buffer[] Constants) method) => "f, " + string.Concat(method.Constants.Select(b => $"{writer.Pointer(b)} + panel * {PerPanel(b)}L, "));

        if (hasPairs)
        {
            var (weights, by) = (panels.Values.Single(), new StringBuilder());
            for (var r = row is null ? 1 : most; r > 0; r--)
            {
                var kernel = new Tiles.Kernel(r, Vectors, null, false, IsWhole: true, IsNarrow: weights.Type == ElementType.Int8);
                Used.Add(kernel);
                by.Append($"case {r}:\n    {kernel.Name}({writer.Pointer(weights)} + panel * {PerPanel(weights)}L, {x}, {stride}, {Depth / 2}L, sums);\n    break;\n");
            }
            var whole = Panelled("", by.ToString());
            return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}{head}{whole}", 2), parameters, TasksInFrame);
        }
        var few = new StringBuilder();
        for (var r = map is not null ? 0 : row is null ? 1 : FewRows; r > 0; r--)
        {
            var method = Direct(r);
            var part = $"{share($"Rows{r}", method.Text)}({Given(method)}{x}, {stride}, sums);\n{Finish(writer, $"{r}", name)}";
            few.Append(row is null ? part : r == FewRows ? $"for (; {name} <= {rows} - {r}; {name} += {r})\n{{\n{KernelWriter.Indent(part, 1)}}}\n"
                : $"if ({name} <= {rows} - {r})\n{{\n{KernelWriter.Indent(part, 1)}    {name} += {r};\n}}\n");
        }
        var direct = $"for (var panel = first; panel < end; panel++)\n{{\n{KernelWriter.Indent($"long {name} = 0;\n{few}", 1)}}}\n";
        if (row is null || Merged() is not { Length: <= Tile.Depth } loops)
            return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}{head}{direct}", 2), parameters, TasksInFrame);

        // Many rows: each panel is decoded to memory, unless it lies there as it is multiplied, and used for all of them.
        var plain = decoded is Expr.Load { Buffer.Type: ElementType.Float32, Index.Dynamic.Count: 0 } load ? InPanels(load) : null;
        var (before, panelStart) = ("", plain is null ? "scratch" : $"{writer.Pointer(plain)} + panel * {PerPanel(plain)}L");
        if (plain is null)
        {
            var decode = Decode();
            before = $"{share("Decode", decode.Text)}({Given(decode)}scratch);\n";
        }
        var tiles = new StringBuilder();
        for (var r = most; r > 0; r--)
        {
            var kernel = new Tiles.Kernel(r, Vectors, null, false);
            Used.Add(kernel);
            tiles.Append($"case {r}:\n    {kernel.Name}({panelStart}, {x}{Loops(writer, loops)}, {stride}, sums, {Columns});\n    break;\n");
        }
        var many = $"{(plain is null ? $"var scratch = Scratch.Floats({Depth * Columns}L);\n" : "")}{Panelled(before, tiles.ToString())}";
        if (map is not null)
        {
            var gather = Gather(writer, map);
            List<Lowering.Buffer> given = [.. parameters.Where(b => b != map.Within)];
            return new(KernelWriter.Indent($"{KernelWriter.Taken(parameters, given)}{writer.Sizes}{head}{gather}{many}", 2), given, TasksInFrame);
        }
        return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}{head}if ({rows} <= {FewRows})\n{{\n{KernelWriter.Indent(direct, 1)}}}\nelse\n{{\n{KernelWriter.Indent(many, 1)}}}\n", 2), parameters, TasksInFrame);

        // All rows of a panel, in tiles.
        string Panelled(string before, string cases)
        {
            var some = $"count = PanelSplit.Rows({rows} - {name}, {most});\nswitch (count)\n{{\n{KernelWriter.Indent(cases, 1)}}}\n{Finish(writer, "count", name)}";
            return $"for (var panel = first; panel < end; panel++)\n{{\n{KernelWriter.Indent($"{before}for (long {name} = 0, count; {name} < {rows}; {name} += count)\n{{\n{KernelWriter.Indent(some, 1)}}}\n", 1)}}}\n";
        }
    }

    /// <summary>Where a constant lies in panels, in the order of the sum; null where some loops of the sum run in another.</summary>
    Lowering.Buffer? InPanels(Expr.Load load) => folds.SequenceEqual(natural) && folds.All(a => load.Axes.Contains(a)) ? panels[load.Buffer] : null;

    static string Loops(KernelWriter writer, (long Extent, Dim Stride)[] loops)
    {
        var call = new StringBuilder();
        var inner = loops.Aggregate(1L, (n, l) => n * l.Extent);
        foreach (var i in Enumerable.Range(0, Tile.Depth))
        {
            if (i < Tile.Depth - loops.Length)
            {
                call.Append(", 1, 0, 0");
                continue;
            }
            var (extent, stride) = loops[i - (Tile.Depth - loops.Length)];
            inner /= extent;
            call.Append($", {extent}L, {inner * Columns}L, {writer.Code(stride)}");
        }
        return call.ToString();
    }

    string TasksInFrame => Tasks(row is null ? "1L" : TileCode.Frame(row.Extent));

    /// <summary>Among how many tasks the panels are shared out, those that are taken together as one: by some rows, and the terms of a sum.</summary>
    string Tasks(string rows) => map is not null ? $"(int)Math.Min(f->threads, {Math.Max(1, Panels / SmallMap.PanelsOfTask)})" : $"PanelSplit.Tasks({Panels / Together}L, {rows}, {Depth * Together}L)";

    /// <summary>The loops of the sum as the other factor's tile runs over them: merged where it goes on from one row to the next.</summary>
    (long Extent, Dim Stride)[] Merged()
    {
        var loops = new List<(long Extent, Dim Stride)>();
        foreach (var axis in natural.Where(a => a.Extent.Value != 1))
        {
            var (extent, stride) = (axis.Extent.Value!.Value, read.Index.Stride(axis));
            if (loops.Count > 0 && loops[^1].Stride.Equals(stride * extent))
                loops[^1] = (loops[^1].Extent * extent, stride);
            else
                loops.Add((extent, stride));
        }
        return [.. loops];
    }

    /// <summary>What becomes of the sums of some rows.</summary>
    string Finish(KernelWriter writer, string rows, string name)
    {
        Index Move(Index index, Index columns) => index.AtStart(column) + columns * index.Stride(column) + (Index)moved * (row is null ? Dim.Zero : index.Stride(row));
        // What is the same for all rows is computed once.
        var whole = new StringBuilder();
        for (var v = 0; v < Vectors; v++)
        {
            var at = (Index)panel * Across + (Index)lane + (Dim)(v * lanes);
            var (value, element, once, text) = Rewritten(writer, i => Move(i, at), true, $"VX.Load(sums + {moved.Name} * {Across}{(v > 0 ? $" + {v * lanes}" : "")})");
            var stride = nest.At.Stride(column);
            var store = stride.Value == 1 ? $"VX.Store({value}, &{element});\n" : $"Maths.Scatter({value}, &{element}, {writer.Code(stride)});\n";
            whole.Append($"{{\n{KernelWriter.Indent($"{once}{OverRows($"{text}{store}")}", 1)}}}\n");
        }
        if (IsWhole)
            return whole.ToString();
        var one = (Index)panel * Columns + (Index)each;
        var (single, place, before, within) = Rewritten(writer, i => Move(i, one), false, $"sums[{moved.Name} * {Columns} + {each.Name}]");
        return $"if (panel < {Panels - 1})\n{{\n{KernelWriter.Indent(whole.ToString(), 1)}}}\nelse\n{{\n    for (long {each.Name} = 0; {each.Name} < {column.Extent.Value!.Value % Columns}; {each.Name}++)\n    {{\n{KernelWriter.Indent($"{before}{OverRows($"{within}{place} = {single};\n")}", 2)}    }}\n}}\n";

        string OverRows(string body) => $"for (long {moved.Name} = 0; {moved.Name} < {rows}; {moved.Name}++)\n{{\n{KernelWriter.Indent(body, 1)}}}\n";
    }

    (string Value, string Element, string Once, string Text) Rewritten(KernelWriter writer, Func<Index, Index> move, bool isVector, string sum)
    {
        var (home, after) = (new KernelWriter.Scope(1), new KernelWriter.Scope(4));
        writer.Open.Add(home);
        writer.Open.Add(after);
        var rewriting = new ExprRewriting(move, a => a == column || a == row);
        var result = new Expr.Accumulated(ElementType.Float32, nest.Fold!.Result.Axes.Select(a => a == column ? isVector ? lane : each : a));
        rewriting.Replace(nest.Fold.Result, result);
        after.Values[(result, isVector)] = sum;
        var value = writer.Value(rewriting.Apply(nest.Value), isVector);
        var element = isVector ? writer.Pointer(new Expr.Load(nest.Target, rewriting.Apply(nest.At))) : $"{writer.Pointer(nest.Target)}[{writer.Code(rewriting.Apply(nest.At))}]";
        writer.Open.RemoveRange(writer.Open.Count - 2, 2);
        return (value, element, $"{home.Text}", $"{after.Text}");
    }

    /// <summary>The statements that gather what a map of few pixels is multiplied with.</summary>
    static string Gather(KernelWriter writer, SmallMap map)
    {
        var (from, pixels) = (writer.Pointer(map.Source.Buffer), map.Within.Count.Value!.Value);
        var (row, column) = (map.Rows.Length > 1 ? map.Rows[0] : null, map.Rows[^1]);
        var width = column.Extent.Value!.Value;
        var each = (row?.Extent.Value ?? 1) * width;
        var text = $"Columns.Few({from} + {writer.Code(map.Source.Index.AtStart(map.Rows))}, to, {row?.Extent.Value ?? 1}, {width}, {(row is null ? "0" : writer.Code(map.Source.Index.Stride(row)))}, {writer.Code(map.Source.Index.Stride(column))}, {from} + {writer.Code(map.Source.Buffer.Count)});\nto += {each};\n";
        foreach (var axis in map.Folds.Reverse())
            text = $"for (long {axis.Name} = 0; {axis.Name} < {writer.Code(axis.Extent)}; {axis.Name}++)\n{{\n{KernelWriter.Indent(text, 1)}}}\n";
        return $"var gathered = Scratch.Floats({pixels} + 3);\n{{\n    var to = gathered;\n{KernelWriter.Indent(text, 1)}}}\nvar {writer.Pointer(map.Within)} = gathered;\n";
    }
}
