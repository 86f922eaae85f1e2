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
sealed class PanelCode
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
    readonly Dictionary<Lowering.Buffer, Lowering.Buffer> panels = [];

    PanelCode(Step.Nest nest, Axis column, Axis? row, Expr.Load read, Expr decoded, int width)
    {
        (this.nest, this.column, this.row, this.read, this.decoded, lanes) = (nest, column, row, read, decoded, width / 32);
        natural = nest.Fold!.Axes;
        // What chooses among a few constants that are the same for all columns, such as by how many bits to shift.
        unrolled = [.. Vectorization.Of(decoded).OfType<Expr.Load>().Where(l => !l.Axes.Contains(column) && l.Buffer.Count.Value <= MostUnrolled).SelectMany(l => l.Axes).Where(a => a.Extent.Value <= MostUnrolled)];
        // Innermost, so that what is read is read once for all of them.
        folds = [.. natural.Where(a => !unrolled.Contains(a)), .. natural.Where(unrolled.Contains)];
    }

    int Vectors => Columns / lanes;

    long Depth => folds.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);

    long Panels => (column.Extent.Value!.Value + Columns - 1) / Columns;

    bool IsWhole => column.Extent.Value!.Value % Columns == 0;

    /// <summary>The kernel of a nest, or null where it is not such a sum.</summary>
    public static PanelCode? Of(Step.Nest nest, int width)
    {
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null } fold || nest.Target.Type != ElementType.Float32 || fold.Axes.Length == 0
            || fold.Term is not Expr.Apply { Type: ElementType.Float32, Operands: [var a, var b] } product || product.Function != Functions.Multiply)
            return null;
        foreach (var (read, decoded) in new[] { (a, b), (b, a) })
        {
            if (read is not Expr.Load { Buffer: { Storage: not Storage.Weight, Type: ElementType.Float32 }, Index.Dynamic.Count: 0 } load || !IsDecoded(decoded))
                continue;
            var columns = nest.Axes.Where(x => nest.At.Stride(x).Value == 1 && x.Extent.Value > 1 && decoded.Axes.Contains(x) && !load.Axes.Contains(x)).ToArray();
            var rows = nest.Axes.Where(x => x.Extent.Value != 1 && !columns.Contains(x)).ToArray();
            if (columns is not [var column] || rows.Length > 1 || !fold.Axes.All(x => x.Extent.IsKnown) || !decoded.Axes.All(x => x == column || fold.Axes.Contains(x))
                || nest.At.Dynamic.Count > 0 || (rows is [var row] && decoded.Axes.Contains(row)) || !Vectorization.CanVector(nest.Value, column, nest) || column.Extent.Value < Columns / 2)
                continue;
            return new(nest, column, rows.FirstOrDefault(), load, decoded, width);
        }
        return null;
    }

    /// <summary>Whether an expression is computed from constants alone, and in vectors along what lies side by side in them.</summary>
    static bool IsDecoded(Expr e) => e switch
    {
        Expr.Number => true,
        Expr.Load load when LookedUp(load) is { } row => load.Index.Terms.All(t => t.Stride.IsKnown) && IsDecoded(row.Value),
        Expr.Load load => load.Buffer.Storage == Storage.Weight && load.Index.Dynamic.Count == 0 && load.Index.Terms.All(t => t.Stride.IsKnown && t.Axis.Extent.IsKnown)
            && load.Buffer.Type is ElementType.Float32 or ElementType.Float16 or ElementType.BFloat16 or ElementType.UInt8 or ElementType.Int8,
        Expr.Convert convert => convert.Type == ElementType.Float32 && IsDecoded(convert.Value),
        Expr.Apply apply => (apply.Type == ElementType.Float32 ? apply.Function.Vector.Length > 0 : apply.Type == ElementType.UInt8 && KernelWriter.WholeVector(apply.Function) is not null) && apply.Operands.All(IsDecoded),
        _ => false,
    };

    /// <summary>The byte by which a row of a constant table of bytes is chosen, which has a row for each byte, and the bytes of a row; null for other loads.</summary>
    static (Expr Value, Dim Stride)? LookedUp(Expr.Load load) => load.Buffer is { Storage: Storage.Weight, Type: ElementType.UInt8, Constant: not null }
        && load.Index.Dynamic is [(Expr.Checked { Size.Value: >= 256, Value: Expr.Convert { Value: { Type: ElementType.UInt8 } value } }, { IsKnown: true } stride)] ? (value, stride) : null;

    /// <summary>
    /// Lays the constants out in panels: the new buffers for the old. Those that others read as they are get a name of their own.
    /// </summary>
    /// <param name="isShared">Whether others read a constant.</param>
    /// <param name="number">A number that no other sum has.</param>
    public IReadOnlyDictionary<Lowering.Buffer, Lowering.Buffer> Pack(Func<Lowering.Buffer, bool> isShared, int number)
    {
        foreach (var load in Vectorization.Of(decoded).OfType<Expr.Load>().Where(l => l.Axes.Contains(column) && l.Index.Dynamic.Count == 0))
        {
            if (panels.ContainsKey(load.Buffer))
                continue;
            var tensor = load.Buffer.Constant!;
            var (size, own) = (tensor.Type.Size(), Own(load));
            var (count, stride) = (column.Extent.Value!.Value, load.Index.Stride(column).Value!.Value);
            var depth = own.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);
            var to = new byte[Panels * Columns * depth * size];
            var from = tensor.Bytes.Span;
            var at = 0;
            var terms = Positions(own, load.Index);
            for (long panel = 0; panel < count; panel += Columns)
            {
                foreach (var term in terms)
                {
                    for (var c = panel; c < panel + Columns; c++, at += size)
                    {
                        if (c < count)
                            from.Slice(checked((int)((load.Index.Offset.Value!.Value + term + c * stride) * size)), size).CopyTo(to.AsSpan(at));
                    }
                }
            }
            panels[load.Buffer] = new(isShared(load.Buffer) ? $"{load.Buffer.Name}_panels{number}" : load.Buffer.Name, Storage.Weight, load.Buffer.Type, to.Length / size)
            {
                Constant = new Tensor(tensor.Type, [to.Length / size], to),
            };
        }
        return panels;
    }

    /// <summary>The loops of a constant, besides that over columns, in the order in which they run.</summary>
    Axis[] Own(Expr.Load load) => [.. folds.Where(load.Axes.Contains)];

    static long[] Positions(Axis[] axes, Index index)
    {
        long[] all = [0];
        foreach (var axis in axes)
        {
            var stride = index.Stride(axis).Value!.Value;
            all = [.. all.SelectMany(p => Enumerable.Range(0, (int)axis.Extent.Value!.Value).Select(i => p + i * stride))];
        }
        return all;
    }

    // The loops of the emitted code: over panels; over the columns of a vector, which is no loop; over single columns.
    readonly Axis panel = new("panel", Dim.Symbol("row__panels")), lane = new("lane", Columns), each = new("each", Columns);

    /// <summary>The register tiles that it calls.</summary>
    public HashSet<Tiles.Kernel> Used { get; } = [];

    /// <summary>The kernel.</summary>
    public KernelCode Write()
    {
        var parameters = new List<Lowering.Buffer>();
        var most = lanes == 16 ? 12 : 6;
        var levels = new Dictionary<Axis, int> { [panel] = 1 };
        for (var i = 0; i < folds.Length; i++)
            levels[folds[i]] = 3 + i;
        levels[each] = 3 + folds.Length;
        if (row is not null)
            levels[row] = 2;
        var writer = new KernelWriter(levels, lane, 2, parameters);
        var rows = row is null ? "1L" : writer.Code(row.Extent);
        var text = new StringBuilder($"const long lane = 0;\nPanelSplit.Of({Panels}L, {rows}, {Depth}L, task, out var first, out var end);\n");
        var panelScope = new KernelWriter.Scope(1);
        writer.Open.Add(panelScope);
        var few = new StringBuilder();
        for (var r = FewRows; r > 0; r--)
        {
            if (row is null && r > 1)
                continue;
            few.Append(r == FewRows && row is not null ? $"for (; {row.Name} <= {rows} - {r}; {row.Name} += {r})\n{{\n{KernelWriter.Indent(Direct(writer, r), 1)}}}\n"
                : row is null ? Direct(writer, 1) : $"if ({row.Name} <= {rows} - {r})\n{{\n{KernelWriter.Indent(Direct(writer, r), 1)}    {row.Name} += {r};\n}}\n");
        }
        var start = row is null ? "" : $"long {row.Name} = 0;\n";
        var direct = $"for (var panel = first; panel < end; panel++)\n{{\n{KernelWriter.Indent(panelScope.Text + start + few, 1)}}}\n";
        if (row is null || Merged() is not { Length: <= Tiles.Depth } loops)
            return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}{text}{direct}", 2), parameters, Tasks());

        // Many rows: panels are decoded to memory.
        var decodeScope = new KernelWriter.Scope(1);
        writer.Open[0] = decodeScope;
        var decode = Decode(writer);
        var decoding = $"var scratch = Scratch.Floats((end - first) * {Depth * Columns}L);\nfor (var panel = first; panel < end; panel++)\n{{\n{KernelWriter.Indent($"var to = scratch + (panel - first) * {Depth * Columns}L;\n{decodeScope.Text}{decode}", 1)}}}\n";
        var tiles = new StringBuilder();
        for (var r = most; r > 0; r--)
        {
            var tileScope = new KernelWriter.Scope(1);
            writer.Open[0] = tileScope;
            var tile = Tile(writer, r, loops);
            tile = $"for (var panel = first; panel < end; panel++)\n{{\n{KernelWriter.Indent(tileScope.Text + tile, 1)}}}\n";
            tiles.Append(r == most ? $"for (; {row.Name} <= {rows} - {r}; {row.Name} += {r})\n{{\n{KernelWriter.Indent(tile, 1)}}}\n"
                : $"{(r < most - 1 ? "else " : "")}if ({row.Name} == {rows} - {r})\n{{\n{KernelWriter.Indent(tile, 1)}}}\n");
        }
        var room = $"var room = stackalloc float[{(most + 1) * Columns}];\nvar sums = (float*)((nint)(room + {lanes - 1}) & -{lanes * 4});\n";
        return new(KernelWriter.Indent($"{writer.Taken()}{writer.Sizes}{text}if ({rows} <= {FewRows})\n{{\n{KernelWriter.Indent(direct, 1)}}}\nelse\n{{\n{KernelWriter.Indent($"{decoding}{room}{start}{tiles}", 1)}}}\n", 2), parameters, Tasks());
    }

    string Tasks() => $"PanelSplit.Tasks({Panels}L, {(row is null ? "1L" : TileCode.Frame(row.Extent))}, {Depth}L)";

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

    /// <summary>The decoded factor for a vector of columns, with some loops at a number.</summary>
    Expr At(int vector, IReadOnlyDictionary<Axis, long> fixedAxes)
    {
        if (!made.TryGetValue(Key(decoded, vector, fixedAxes), out var there))
            made[Key(decoded, vector, fixedAxes)] = there = Made(decoded, vector, fixedAxes);
        return there;
    }

    // The same expression for the same columns and numbers: what is the same is computed once.
    readonly Dictionary<(Expr, int, string), Expr> made = [];

    (Expr, int, string) Key(Expr e, int vector, IReadOnlyDictionary<Axis, long> fixedAxes) =>
        (e, e.Axes.Contains(column) ? vector : 0, string.Join(",", folds.Where(a => e.Axes.Contains(a) && fixedAxes.ContainsKey(a)).Select(a => $"{a.Name}={fixedAxes[a]}")));

    Expr Made(Expr e, int vector, IReadOnlyDictionary<Axis, long> fixedAxes)
    {
        var key = Key(e, vector, fixedAxes);
        if (made.TryGetValue(key, out var there))
            return there;
        return made[key] = e switch
        {
            Expr.Load load => Moved(load, vector, fixedAxes),
            Expr.Convert convert => new Expr.Convert(convert.Type, Made(convert.Value, vector, fixedAxes)),
            Expr.Apply apply => new Expr.Apply(apply.Function, [.. apply.Operands.Select(o => Made(o, vector, fixedAxes))]),
            _ => e,
        };
    }

    Expr Moved(Expr.Load load, int vector, IReadOnlyDictionary<Axis, long> fixedAxes)
    {
        var index = Fixed(load.Index, fixedAxes);
        if (LookedUp(load) is { } row)
            return new Expr.Load(load.Buffer, index + Index.Of(Made(row.Value, vector, fixedAxes)) * row.Stride);
        if (!load.Axes.Contains(column))
        {
            return index.Terms.Count == 0 && load.Buffer.Constant is { } known && index.Offset.Value is { } at
                ? new Expr.Number(known.Type, known.Real(at), known.Whole(at))
                : new Expr.Load(load.Buffer, index);
        }
        var own = Own(load);
        index = (Index)lane + (Dim)(vector * lanes);
        Dim step = Columns;
        foreach (var axis in own.Reverse())
        {
            index += fixedAxes.TryGetValue(axis, out var number) ? (Index)(step * number) : (Index)axis * step;
            step *= axis.Extent;
        }
        return new Expr.Load(panels[load.Buffer], index + (Index)panel * step);
    }

    /// <summary>The loops of the sum around statements; those that are written out are numbers in them.</summary>
    string Folded(KernelWriter writer, int at, Dictionary<Axis, long> fixedAxes, Func<IReadOnlyDictionary<Axis, long>, string> inner)
    {
        if (at == folds.Length)
            return inner(fixedAxes);
        var axis = folds[at];
        if (unrolled.Contains(axis))
        {
            var parts = new StringBuilder();
            for (var i = 0L; i < axis.Extent.Value; i++)
            {
                var scope = new KernelWriter.Scope(3 + at);
                writer.Open.Add(scope);
                var body = Folded(writer, at + 1, new(fixedAxes) { [axis] = i }, inner);
                writer.Open.RemoveAt(writer.Open.Count - 1);
                parts.Append($"{{\n{KernelWriter.Indent(scope.Text + body, 1)}}}\n");
            }
            return parts.ToString();
        }
        var within = new KernelWriter.Scope(3 + at);
        writer.Open.Add(within);
        var text = Folded(writer, at + 1, fixedAxes, inner);
        writer.Open.RemoveAt(writer.Open.Count - 1);
        return $"for (long {axis.Name} = 0; {axis.Name} < {axis.Extent.Value}L; {axis.Name}++)\n{{\n{KernelWriter.Indent(within.Text + text, 1)}}}\n";
    }

    /// <summary>A panel times a few rows, as it is decoded.</summary>
    string Direct(KernelWriter writer, int rows)
    {
        var scope = new KernelWriter.Scope(2);
        writer.Open.Add(scope);
        var names = new StringBuilder();
        for (var r = 0; r < rows; r++)
            names.Append($"V {string.Join(", ", Enumerable.Range(0, Vectors).Select(v => $"a{r}_{v} = V.Zero"))};\n");
        var sums = Folded(writer, 0, [], fixedAxes =>
        {
            var code = new StringBuilder();
            var innermost = writer.Open[^1];
            var factors = Enumerable.Range(0, rows).Select(r => writer.Value(new Expr.Load(read.Buffer, Fixed(read.Index, fixedAxes) + (Dim)r * (row is null ? Dim.Zero : read.Index.Stride(row))), false)).ToArray();
            foreach (var (factor, r) in factors.Select((f, r) => (f, r)))
                innermost.Text.Append($"var x{r}_ = VX.Create({factor});\n");
            for (var v = 0; v < Vectors; v++)
            {
                var w = writer.Value(At(v, fixedAxes), true);
                for (var r = 0; r < rows; r++)
                    innermost.Text.Append($"a{r}_{v} = VX.FusedMultiplyAdd({w}, x{r}_, a{r}_{v});\n");
            }
            return code.ToString();
        });
        var after = new StringBuilder();
        for (var r = 0; r < rows; r++)
            after.Append(Finish(writer, r, v => $"a{r}_{v}"));
        writer.Open.RemoveAt(writer.Open.Count - 1);
        return $"{scope.Text}{names}{sums}{after}";
    }

    static Index Fixed(Index index, IReadOnlyDictionary<Axis, long> fixedAxes)
    {
        Index moved = index.Offset;
        foreach (var (axis, stride) in index.Terms)
            moved += fixedAxes.TryGetValue(axis, out var number) ? (Index)(stride * number) : (Index)axis * stride;
        return moved;
    }

    /// <summary>A panel decoded to memory.</summary>
    string Decode(KernelWriter writer) => Folded(writer, 0, [], fixedAxes =>
    {
        var innermost = writer.Open[^1];
        var (place, step) = (Index.Zero, (Dim)Columns);
        foreach (var axis in natural.Reverse())
        {
            place += fixedAxes.TryGetValue(axis, out var number) ? (Index)(step * number) : (Index)axis * step;
            step *= axis.Extent;
        }
        for (var v = 0; v < Vectors; v++)
        {
            var (value, at) = (writer.Value(At(v, fixedAxes), true), writer.Code(place + (Dim)(v * lanes)));
            innermost.Text.Append($"VX.Store({value}, to + ({at}));\n");
        }
        return "";
    });

    /// <summary>A tile of rows times a decoded panel.</summary>
    string Tile(KernelWriter writer, int rows, (long Extent, Dim Stride)[] loops)
    {
        var kernel = new Tiles.Kernel(rows, Vectors, null, false);
        Used.Add(kernel);
        var start = folds.Aggregate(read.Index, (at, axis) => at + (Index)axis * (read.Index.Stride(axis) * -1));
        var call = new StringBuilder($"{kernel.Name}(scratch + (panel - first) * {Depth * Columns}L, &{writer.Pointer(new Expr.Load(read.Buffer, start))}");
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
        call.Append($", {writer.Code(read.Index.Stride(row!))}, sums, {Columns});\n");
        var after = new StringBuilder();
        for (var r = 0; r < rows; r++)
            after.Append(Finish(writer, r, v => $"VX.Load(sums + {r * Columns + v * lanes})"));
        return $"{call}{after}";
    }

    /// <summary>What becomes of the sums of one row.</summary>
    string Finish(KernelWriter writer, int r, Func<int, string> sums)
    {
        Index Move(Index index, Index columns) => Without(index) + columns * index.Stride(column) + (Dim)r * (row is null ? Dim.Zero : index.Stride(row));
        Index Without(Index index) => index + (Index)column * (index.Stride(column) * -1);
        var whole = new StringBuilder();
        for (var v = 0; v < Vectors; v++)
        {
            var at = (Index)panel * Columns + (Index)lane + (Dim)(v * lanes);
            var (value, element) = Rewritten(writer, i => Move(i, at), true, sums(v), out var text);
            whole.Append($"{{\n{KernelWriter.Indent($"{text}VX.Store({value}, &{element});\n", 1)}}}\n");
        }
        if (IsWhole)
            return whole.ToString();
        var left = new StringBuilder("{\n");
        left.Append($"    var some = stackalloc float[{Columns}];\n{string.Concat(Enumerable.Range(0, Vectors).Select(v => $"    VX.Store({sums(v)}, some + {v * lanes});\n"))}");
        var one = (Index)panel * Columns + (Index)each;
        var (single, place) = Rewritten(writer, i => Move(i, one), false, $"some[{each.Name}]", out var before);
        left.Append($"    for (long {each.Name} = 0; {each.Name} < {column.Extent.Value!.Value % Columns}; {each.Name}++)\n    {{\n{KernelWriter.Indent($"{before}{place} = {single};\n", 2)}    }}\n}}\n");
        return $"if (panel < {Panels - 1})\n{{\n{KernelWriter.Indent(whole.ToString(), 1)}}}\nelse\n{left}";
    }

    (string Value, string Element) Rewritten(KernelWriter writer, Func<Index, Index> move, bool isVector, string sum, out string text)
    {
        var after = new KernelWriter.Scope(int.MaxValue);
        writer.Open.Add(after);
        using var stay = writer.StayHere();
        var rewriting = new ExprRewriting(move, a => a == column || a == row);
        var result = new Expr.Accumulated(ElementType.Float32, nest.Fold!.Result.Axes.Select(a => a == column ? isVector ? lane : each : a));
        rewriting.Replace(nest.Fold.Result, result);
        after.Values[(result, isVector)] = sum;
        var value = writer.Value(rewriting.Apply(nest.Value), isVector);
        var element = isVector ? writer.Pointer(new Expr.Load(nest.Target, rewriting.Apply(nest.At))) : $"{writer.Pointer(nest.Target)}[{writer.Code(rewriting.Apply(nest.At))}]";
        writer.Open.RemoveAt(writer.Open.Count - 1);
        text = after.Text.ToString();
        return (value, element);
    }
}
