using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>
/// Writes a sum of products of which one factor is computed from constants alone, such as weights that are stored in a few bits,
/// and lies along the columns of the result. Its constants are laid out in panels: for each panel of columns and each term of the
/// sum, the numbers of the columns side by side, so that a run reads them once and in order. For a few rows a panel's numbers
/// are used as soon as they are decoded; for many, some panels are decoded to memory first and used for all rows.
/// </summary>
sealed partial class PanelCode
{
    /// <summary>How many columns lie side by side: a vector of 512 bits, two of 256.</summary>
    public const int Columns = 16;

    // Up to so many rows are computed as the panel is decoded.
    const int FewRows = 4;

    // Loops of a few iterations that choose among numbers are written out.
    const int MostUnrolled = 8;

    readonly Step.Nest nest;
    readonly Axis column;
    readonly Axis? row;
    // The loops of the sum, as the nest has them and as they run.
    readonly Axis[] natural, folds;
    readonly Expr.Load read;
    readonly Expr decoded;
    readonly int lanes;
    readonly HashSet<Axis> unrolled;
    // The innermost loop: it counts by what a step moves the panel, and the other factor, so that addresses are sums.
    readonly Axis? inner;
    readonly Axis place = new("at", Dim.Symbol("row__at")), along = new("x_at", Dim.Symbol("row__x"));
    readonly Dictionary<Lowering.Buffer, Lowering.Buffer> panels = [];
    readonly SmallMap? map;

    PanelCode(Step.Nest nest, Axis column, Axis? row, Expr.Load read, Expr decoded, int width, SmallMap? map = null)
    {
        (this.nest, this.column, this.row, this.read, this.decoded, lanes, this.map) = (nest, column, row, read, decoded, width / 32, map);
        natural = nest.Fold!.Axes;
        // What chooses among a few constants that are the same for all columns, such as by how many bits to shift.
        unrolled = Few([.. Vectorization.Of(decoded).OfType<Expr.Load>().Where(l => !l.Axes.Contains(column) && l.Buffer.Count.Value <= MostUnrolled).SelectMany(l => l.Axes).Distinct().Where(a => a.Extent.Value <= MostUnrolled)]);
        // Innermost, so that what is read is read once for all of them.
        folds = [.. natural.Where(a => !unrolled.Contains(a)), .. natural.Where(unrolled.Contains)];
        inner = folds.LastOrDefault(a => !unrolled.Contains(a));
    }

    /// <summary>The shortest of some loops, as many as together have few iterations.</summary>
    static HashSet<Axis> Few(Axis[] axes)
    {
        var all = 1L;
        return [.. axes.OrderBy(a => a.Extent.Value).TakeWhile(a => (all *= a.Extent.Value!.Value) <= MostUnrolled)];
    }

    // One vector of sums to a row leaves the multiplier waiting for the rows' numbers: two panels are then taken at once.
    int Together => hasPairs && lanes == Columns && IsWhole && Panels % 2 == 0 ? 2 : 1;

    // The columns that are computed at once.
    int Across => Columns * Together;

    int Vectors => Across / lanes;

    long Depth => folds.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);

    long Panels => (column.Extent.Value!.Value + Columns - 1) / Columns;

    bool IsWhole => column.Extent.Value!.Value % Columns == 0;

    /// <summary>The kernel of a nest, or null where it is not such a sum.</summary>
    public static PanelCode? Of(Step.Nest original, int width)
    {
        var nest = Collapse.Axes(original);
        if (Whole(nest, width) is { } whole)
            return whole;
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null } fold || nest.Target.Type != ElementType.Float32 || fold.Axes.Length == 0
            || fold.Term is not Expr.Apply { Type: ElementType.Float32, Operands: [var a, var b] } product || product.Function != Functions.Multiply)
            return null;
        foreach (var (read, decoded) in new[] { (a, b), (b, a) })
        {
            if (read is not Expr.Load { Buffer: { Storage: not Storage.Weight, Type: ElementType.Float32 }, Index.Dynamic.Count: 0 } load || !IsDecoded(decoded))
                continue;
            var columns = nest.Axes.Where(x => x.Extent.Value > 1 && decoded.Axes.Contains(x) && !load.Axes.Contains(x)).ToArray();
            var rows = nest.Axes.Where(x => x.Extent.Value != 1 && !columns.Contains(x)).ToArray();
            if (columns is not [var column] || rows.Length > 1 || !fold.Axes.All(x => x.Extent.IsKnown) || !decoded.Axes.All(x => x == column || fold.Axes.Contains(x))
                || nest.At.Dynamic.Count > 0 || (rows is [var row] && decoded.Axes.Contains(row)) || !Vectorization.CanVector(nest.Value, column, nest) || column.Extent.Value < Columns / 2
                || !(nest.At.Stride(column).Value == 1 || (rows is [var pixels] && decoded is Expr.Load { Buffer.Type: ElementType.Float32 } && SmallMap.IsFew(pixels.Extent, column))))
                continue;
            return new(nest, column, rows.FirstOrDefault(), load, decoded, width);
        }
        return SmallMap.Of(original) is var (gathered, channel, pixel, small) && Vectorization.CanVector(gathered.Value, channel, gathered)
            ? new(gathered, channel, pixel, small.Gathered, small.Weights, width, small) : null;
    }

    // Whether the factors are whole numbers of 16 bits, whose panels have two terms of the sum side by side.
    bool hasPairs;

    /// <summary>The kernel of a sum of products of whole numbers of 16 bits that becomes a real number as it is stored; null where it is no such sum.</summary>
    static PanelCode? Whole(Step.Nest nest, int width)
    {
        static Expr.Load? Widened(Expr e) => e is Expr.Convert { Type: ElementType.Int32, Value: Expr.Load { Buffer.Type: ElementType.Int16, Index.Dynamic.Count: 0 } load } ? load : null;
        if (nest is not { Target.Type: ElementType.Float32, Fold: { Kind: Reduction.Sum, Arg: null, Axes: [{ Extent.Value: > 0 } depth], Term: Expr.Apply { Type: ElementType.Int32, Operands: [var a, var b] } product } fold }
            || product.Function != Functions.Multiply || depth.Extent.Value % 2 != 0)
            return null;
        var real = Vectorization.Of(nest.Value).OfType<Expr.Convert>().Where(c => c.Type == ElementType.Float32 && c.Value == fold.Result).ToArray();
        if (real is not [var sum])
            return null;
        // The kernel's sums are stored as real numbers.
        var result = new Expr.Accumulated(ElementType.Float32, fold.Result.Axes);
        var rewriting = new ExprRewriting(i => i, _ => false);
        rewriting.Replace(sum, result);
        var stored = nest with { Value = rewriting.Apply(nest.Value), Fold = fold with { Result = result } };
        if (Vectorization.Of(stored.Value).Contains(fold.Result))
            return null;
        foreach (var (x, w) in new[] { (a, b), (b, a) })
        {
            if (Widened(x) is not { Buffer.Storage: not Storage.Weight } read || Widened(w) is not { Buffer.Storage: Storage.Weight } weights || read.Index.Stride(depth).Value != 1 || !weights.Axes.Contains(depth))
                continue;
            var columns = nest.Axes.Where(i => nest.At.Stride(i).Value == 1 && i.Extent.Value >= Columns && weights.Axes.Contains(i) && !read.Axes.Contains(i)).ToArray();
            var rows = nest.Axes.Where(i => i.Extent.Value != 1 && !columns.Contains(i)).ToArray();
            if (columns is not [var column] || rows.Length > 1 || nest.At.Dynamic.Count > 0 || !weights.Axes.All(i => i == column || i == depth) || !weights.Index.Terms.All(t => t.Stride.IsKnown)
                || !Vectorization.CanVector(stored.Value, column, stored with { Fold = null }))
                continue;
            return new(stored, column, rows.FirstOrDefault(), read, weights, width) { hasPairs = true };
        }
        return null;
    }

    /// <summary>Whether an expression is computed from constants alone, and in vectors along what lies side by side in them.</summary>
    static bool IsDecoded(Expr e) => e switch
    {
        Expr.Number => true,
        Expr.Load load when LookedUp(load) is { } row => load.Index.Terms.All(t => t.Stride.IsKnown) && IsDecoded(row.Value),
        Expr.Load load => load.Buffer.Storage == Storage.Weight && load.Index.Dynamic.Count == 0 && load.Index.Terms.All(t => t.Stride.IsKnown && t.Axis.Extent.IsKnown)
            && load.Buffer.Type is ElementType.Float32 or ElementType.Float16 or ElementType.BFloat16 or ElementType.UInt8 or ElementType.Int8 or ElementType.UInt32,
        Expr.Convert convert => (convert.Type == ElementType.Float32 || (convert.Type == ElementType.UInt32 && convert.Value.Type == ElementType.UInt8)) && IsDecoded(convert.Value),
        Expr.Apply apply => (apply.Type == ElementType.Float32 ? apply.Function.Vector.Length > 0 : KernelWriter.WholeVector(apply.Function, apply.Type) is not null) && apply.Operands.All(IsDecoded),
        _ => false,
    };

    /// <summary>
    /// What chooses a row of a small constant table, and how far rows are apart: a byte where there is a row for each, or four bits
    /// where there are 16 real numbers. Null for other loads.
    /// </summary>
    static (Expr Value, Dim Stride)? LookedUp(Expr.Load load) => load is { Buffer: { Storage: Storage.Weight, Constant: not null } table, Index.Dynamic: [(Expr.Checked { Value: Expr.Convert { Value: var value } } at, { IsKnown: true } stride)] }
        && (table.Type, value) switch
        {
            (ElementType.UInt8 or ElementType.UInt32, { Type: ElementType.UInt8 }) => at.Size.Value >= 256,
            (ElementType.Float32, Expr.Apply { Type: ElementType.UInt32, Operands: [_, Expr.Number { Whole: KernelWriter.Chosen - 1 }] } bits) => bits.Function == Functions.BitAnd && table.Count.Value == KernelWriter.Chosen && stride.Value == 1,
            _ => false,
        } ? (value, stride) : null;

    IEnumerable<Expr.Load> Packed => Vectorization.Of(decoded).OfType<Expr.Load>().Where(l => l.Axes.Contains(column) && l.Index.Dynamic.Count == 0);

    /// <summary>The constants that are laid out in panels.</summary>
    public IEnumerable<Lowering.Buffer> Constants => Packed.Select(l => l.Buffer).Distinct();

    /// <summary>Where an element that another kernel reads of a constant lies in the panels; null where it is not of a row that is chosen as it runs.</summary>
    public Index? Picked(Expr.Load other)
    {
        if (hasPairs || Packed.Where(l => l.Buffer == other.Buffer).ToArray() is not [var load] || other.Index.Dynamic is not [(var row, var stride)]
            || !stride.Equals(load.Index.Stride(column)) || !other.Index.Offset.Equals(load.Index.Offset) || row.Type != ElementType.Int64)
            return null;
        var (own, within, size) = (Own(load).ToList(), Index.Zero, (long)Columns);
        var places = new Dictionary<Axis, long>();
        foreach (var axis in Enumerable.Reverse(own))
        {
            places[axis] = size;
            size *= axis.Extent.Value!.Value;
        }
        foreach (var (axis, step) in other.Index.Terms)
        {
            if (own.Find(a => a.Extent.Equals(axis.Extent) && load.Index.Stride(a).Equals(step)) is not { } same)
                return null;
            own.Remove(same);
            within += (Index)axis * (Dim)places[same];
        }
        // Another reads only the first of what it does not run over.
        return TiedWeights.Row(row, within, size);
    }

    /// <summary>
    /// Lays the constants out in panels: the new buffers for the old. Those that others read as they are get a name of their own.
    /// </summary>
    /// <param name="isShared">Whether others read a constant.</param>
    /// <param name="number">A number that no other sum has.</param>
    public IReadOnlyDictionary<Lowering.Buffer, Lowering.Buffer> Pack(Func<Lowering.Buffer, bool> isShared, int number)
    {
        foreach (var load in Packed)
        {
            if (panels.ContainsKey(load.Buffer))
                continue;
            // A constant of 16-bit floats may be read as one of 32, which it becomes when a model is loaded.
            var (tensor, type) = (load.Buffer.Constant!, load.Buffer.Type);
            // What 16 bits hold for the zero point's sake often fits 8, and is widened as it is read.
            if (hasPairs && tensor.Values<short>() is var whole && !whole.ContainsAnyExceptInRange<short>(sbyte.MinValue, sbyte.MaxValue))
                (tensor, type) = (Tensor.Of<sbyte>([.. whole.ToArray().Select(n => (sbyte)n)], tensor.Dims), ElementType.Int8);
            var (size, own) = (tensor.Type.Size(), Own(load));
            var (count, stride) = (column.Extent.Value!.Value, load.Index.Stride(column).Value!.Value);
            var depth = own.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);
            var to = new byte[Panels * Columns * depth * size];
            var from = tensor.Bytes.Span;
            var at = 0;
            var terms = TileCode.Positions(own, load.Index);
            for (long panel = 0; panel < count; panel += Columns)
            {
                foreach (var side in hasPairs ? terms.Chunk(2) : terms.Chunk(1))
                {
                    for (var c = panel; c < panel + Columns; c++)
                    {
                        foreach (var term in side)
                        {
                            if (c < count)
                                from.Slice(checked((int)((load.Index.Offset.Value!.Value + term + c * stride) * size)), size).CopyTo(to.AsSpan(at));
                            at += size;
                        }
                    }
                }
            }
            panels[load.Buffer] = new(isShared(load.Buffer) ? $"{load.Buffer.Name}_panels{number}" : load.Buffer.Name, Storage.Weight, type, to.Length / size)
            {
                Constant = new Tensor(tensor.Type, [to.Length / size], to),
            };
        }
        return panels;
    }

    /// <summary>The loops of a constant, besides that over columns, in the order in which they run.</summary>
    Axis[] Own(Expr.Load load) => [.. folds.Where(load.Axes.Contains)];

    // The loops of the emitted code: over panels; over the columns of a vector, which is no loop; over single columns; over the rows of a tile.
    readonly Axis panel = new("panel", Dim.Symbol("row__panels")), lane = new("lane", Columns), each = new("each", Columns), moved = new("r", Dim.Symbol("r"));

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
        if (row is null || Merged() is not { Length: <= Tiles.Depth } loops)
            return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}{head}{direct}", 2), parameters, TasksInFrame);

        // Many rows: each panel is decoded to memory, unless it lies there as it is multiplied, and used for all of them.
        var plain = decoded is Expr.Load { Buffer.Type: ElementType.Float32, Index.Dynamic.Count: 0 } load ? Panel(load) : null;
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
            var gather = map.Gather(writer);
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
    Lowering.Buffer? Panel(Expr.Load load) => folds.SequenceEqual(natural) && folds.All(a => load.Axes.Contains(a)) ? panels[load.Buffer] : null;

    static string Loops(KernelWriter writer, (long Extent, Dim Stride)[] loops)
    {
        var call = new StringBuilder();
        var inner = loops.Aggregate(1L, (n, l) => n * l.Extent);
        foreach (var i in Enumerable.Range(0, Tiles.Depth))
        {
            if (i < Tiles.Depth - loops.Length)
            {
                call.Append(", 1, 0, 0");
                continue;
            }
            var (extent, stride) = loops[i - (Tiles.Depth - loops.Length)];
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
}
