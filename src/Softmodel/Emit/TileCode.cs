using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>Writes a contraction as a register tile: see <see cref="Tile"/>.</summary>
sealed class TileCode(Tile tile)
{
    const int Panel = Tile.Panel;

    readonly Step.Nest nest = tile.Nest;
    readonly Axis column = tile.Column, row = tile.Row;
    readonly Expr.Load byColumn = tile.ByColumn, byRow = tile.ByRow;
    readonly int lanes = tile.Lanes, vectors = tile.Vectors, height = tile.Height;
    readonly Axis[] outer = tile.Outer;
    readonly ColumnGather? gather = tile.Gather;
    readonly ColumnGatherCode? gathering = tile.Gather is { } columns ? new(columns) : null;

    // A sum that is taken in parts keeps what it has so far beside what it gathers.
    bool IsParted => gather is { IsParted: true };

    long SumsPitch => IsParted ? gather!.Pitch(vectors * lanes) : vectors * lanes;

    // A kernel of its own takes a long sum in parts.
    long? part;

    void TakeParts() => part = tile.Part;

    // The loop of the sum that parts are of, and its terms for an iteration of the outermost loop that is gathered: loops that read one after the other are one.
    Axis Parted => nest.Fold!.Axes.First(a => a.Extent.Value != 1);

    long TermsOfPart => Parted.Extent.Value!.Value / gather!.Outermost;

    /// <summary>The kernel.</summary>
    /// <param name="isPacked">Whether the constant factor lies in panels.</param>
    /// <param name="taken">The nest that computes the columns' factor, if the kernel does (see <see cref="Tile.CanTake"/>).</param>
    public KernelCode Write(bool isPacked, Operand? taken = null)
    {
        if (gather is not null)
            return Gathered(isPacked, gather);
        if (taken is not { Nest: var operand, Part: var (by, element, loops) })
            return Write([this], isPacked);
        // A block's part of the factor lies in the thread's scratch, each channel some cache lines from the one before.
        var (step, channel) = (vectors * lanes, nest.Fold!.Axes.First(a => a.Extent.Equals(by.Extent) && byColumn.Index.Stride(a).Equals(operand.At.Stride(by))));
        var pitch = (BlockColumns + step + tile.Reach(channel) + 15) / 16 * 16 | 16;
        var within = new Lowering.Buffer($"{byColumn.Buffer.Name}_within", Storage.Arena, ElementType.Float32, by.Extent * pitch);
        var load = new Expr.Load(within, byColumn.Index + (Index)channel * (pitch - byColumn.Index.Stride(channel)));
        var code = new TileCode(tile.Reading(load));
        var parameters = new List<Lowering.Buffer>();
        var (writer, outers, rows, columns, depth, body) = code.Loops(isPacked, parameters, (w, size) =>
        {
            var (from, to) = (w.Pointer(within), w.Pointer(operand.Target));
            var text = new StringBuilder($"// What the block reads of its factor; the last tile reads from further left.\nlong {RowsPart.From} = Math.Max(0, Math.Min(start, {size} - {step})), {RowsPart.Count} = Math.Min({size}, (blockEnd + {step - 1}) / {step} * {step}) + {tile.Reach(channel)} - {RowsPart.From};\n");
            text.Append($"var scratch = Scratch.Floats({by.Extent.Value * pitch + lanes});\nfor (long {RowsPart.Outer}0 = 0; {RowsPart.Outer}0 < {by.Extent}; {RowsPart.Outer}0++)\n{{\n");
            text.Append($"    var {to} = scratch + {RowsPart.Outer}0 * {pitch} - ({RowsPart.Outer}0 * {w.Code(operand.At.Stride(by))} + {RowsPart.From});\n");
            text.Append($"    {{\n{KernelWriter.Indent(NestCode.Whole(loops, parameters, "in_"), 2)}    }}\n}}\n");
            return text.Append($"var {from} = scratch - {RowsPart.From};\n").ToString();
        });
        Used.UnionWith(code.Used);
        var given = parameters.Where(b => b != within && b != operand.Target).ToList();
        var (split, tasks) = Split(writer, outers, rows, columns, depth, Panel, step);
        return new(KernelWriter.Indent($"{KernelWriter.Taken(parameters, given)}{writer.Sizes}{Room}{split}{body}", 2), given, tasks);
    }

    KernelCode Gathered(bool isPacked, ColumnGather gather)
    {
        var (step, parameters) = (vectors * lanes, new List<Lowering.Buffer>());
        var block = gather.Block(step);
        var (writer, outers, rows, columns, _, body) = Loops(isPacked, parameters, (w, size) => gathering!.Begin(w, size, step), $"{block}L");
        var given = parameters.Where(b => b != gather.Within).ToList();
        string Sizes(Func<Dim, string> code) => $"f->threads, {code(outers)}, {code(rows)}, {code(columns)}, {gather.Depth}, {(isPacked ? Panel : height)}, {step}, {block}";
        var split = Sizes(writer.Code);
        return new(KernelWriter.Indent($"{KernelWriter.Taken(parameters, given)}{writer.Sizes}{(gather.IsParted ? "" : Room)}Columns.Of({split}, task, out var outer, out var first, out var firstEnd, out var start, out var end);\n{body}", 2), given,
            $"Columns.Tasks({Sizes(Frame)})");
    }

    long BlockColumns
    {
        get
        {
            var (depth, step) = (nest.Fold!.Axes.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value), vectors * lanes);
            return Math.Max(1, 131072 / depth / step) * step;
        }
    }

    /// <summary>
    /// One kernel of several tiles with the same loops, such as those for each position modulo the stride of a transposed
    /// convolution: what they write lies in the same cache lines, so a task computes a part of each.
    /// </summary>
    public static KernelCode Write(IReadOnlyList<TileCode> tiles, bool isPacked)
    {
        var (parameters, text, tasks) = (new List<Lowering.Buffer>(), new StringBuilder(), "");
        foreach (var tile in tiles)
        {
            if (tiles.Count == 1 && !isPacked)
                tile.TakeParts();
            var (writer, outers, rows, columns, depth, body) = tile.Loops(isPacked, parameters);
            (var split, tasks) = Split(writer, outers, rows, columns, depth * tiles.Count, isPacked ? Panel : tile.height, tile.vectors * tile.lanes * (tile.part is null ? 1 : Tile.ColumnsOfPart));
            var part = $"{writer.Sizes}{tile.Room}{split}{body}";
            text.Append(tiles.Count == 1 ? part : $"{{\n{KernelWriter.Indent(part, 1)}}}\n");
        }
        return new(KernelWriter.Indent(KernelWriter.Taken(parameters) + text, 2), parameters, tasks);
    }

    static (string Split, string Tasks) Split(KernelWriter writer, Dim outers, Dim rows, Dim columns, Dim depth, int unit, int step) =>
        ($"TileSplit.Of(f->threads, {writer.Code(outers)}, {writer.Code(rows)}, {writer.Code(columns)}, {writer.Code(depth)}, {unit}, {step}, task, out var outer, out var first, out var firstEnd, out var start, out var end);\n",
        $"TileSplit.Tasks(f->threads, {Frame(outers)}, {Frame(rows)}, {Frame(columns)}, {Frame(depth)}, {unit}, {step})");

    /// <summary>The statements of a sum that is computed whole, as a part of a kernel.</summary>
    /// <param name="parameters">The buffers that the kernel is given.</param>
    public string Whole(List<Lowering.Buffer> parameters)
    {
        var (writer, outers, rows, columns, _, body) = Loops(false, parameters);
        var loop = $"for (long each = 0; each < {writer.Code(outers)}; each++)\n{{\n    long outer = each, first = 0, firstEnd = {writer.Code(rows)}, start = 0, end = {writer.Code(columns)};\n{KernelWriter.Indent(body, 1)}}}\n";
        return writer.Sizes + Room + loop;
    }

    /// <summary>The statements that make room for the sums of a tile.</summary>
    string Room => $"var room = stackalloc float[{(height + 1) * vectors * lanes}];\nvar sums = (float*)((nint)(room + {lanes - 1}) & -{lanes * 4});\n";

    (KernelWriter Writer, Dim Outers, Dim Rows, Dim Columns, Dim Depth, string Body) Loops(bool isPacked, List<Lowering.Buffer>? parameters, Func<KernelWriter, string, string>? before = null, string? block = null)
    {
        var levels = new Dictionary<Axis, int>();
        foreach (var axis in outer)
            levels[axis] = 1;
        (levels[row], levels[column]) = gather is null ? (2, 3) : (3, 2);
        for (var i = 0; i < nest.Fold!.Axes.Length; i++)
            levels[nest.Fold.Axes[i]] = 4 + i;
        levels[moved] = levels[lane] = 4;
        var writer = new KernelWriter(levels, column, 3, parameters);
        var outerScope = new KernelWriter.Scope(1);
        writer.Open.Add(outerScope);
        var outerCount = Dim.Product(outer.Select(a => a.Extent));
        var depth = Dim.Product(nest.Fold.Axes.Select(a => a.Extent));
        var step = vectors * lanes;
        // A tile of gathered columns stays in the level 1 cache while all rows of the weights pass by; columns that are read as they lie may
        // have too many terms for that, and a tile of rows stays.
        var all = gather is null
            ? Rows(isPacked, (some, panel) => PanelOf(writer, panel) + Within(writer, 2, () => Columns(writer, isFew => OneTile(writer, some, panel, isFew))))
            : gathering!.Write(writer, step, Columns(writer, isFew => Within(writer, 2, () => Rows(isPacked, (some, panel) => PanelOf(writer, panel) + OneTile(writer, some, panel, isFew)))));
        if (part is { } terms)
            all = $"for (long part = 0; part < {writer.Code(Parted.Extent)}; part += {terms})\n{{\n    var partEnd = Math.Min({writer.Code(Parted.Extent)}, part + {terms});\n{KernelWriter.Indent(all, 1)}}}\n";
        var body = new StringBuilder();
        for (var i = outer.Length - 1; i >= 0; i--)
            body.Append(i > 0 ? $"var {outer[i].Name} = outer % {writer.Code(outer[i].Extent)};\nouter /= {writer.Code(outer[i].Extent)};\n" : $"var {outer[0].Name} = outer;\n");
        body.Append(outerScope.Text);
        // As many columns at a time as stay in the cache while all rows are computed.
        body.Append($"var block = {block ?? $"TileSplit.Columns({writer.Code(depth)}, {step})"};\n");
        body.Append($"for (; start < end; start += block)\n{{\n{KernelWriter.Indent($"var blockEnd = Math.Min(end, start + block);\n{before?.Invoke(writer, writer.Code(column.Extent))}{all}", 1)}}}\n");
        return (writer, outerCount, row.Extent, column.Extent, depth, body.ToString());
    }

    /// <summary>A size outside of kernels.</summary>
    public static string Frame(Dim size) => size.Value is { } number ? $"{number}L" : size.ToCSharp(s => $"f->{SizeCode.Name(s)}");

    /// <summary>All rows, so many at a time as a tile has.</summary>
    string Rows(bool isPacked, Func<int, int?, string> some)
    {
        var (unit, m) = (isPacked ? Panel : height, row.Name);
        var text = new StringBuilder($"var {m} = first;\n");
        string Block(int rows, int? panel) => $"{{\n{KernelWriter.Indent(some(rows, panel), 1)}}}\n";
        if (row.Extent.Value is not { } count)
        {
            text.Append($"for (; {m} <= firstEnd - {height}; {m} += {height})\n{Block(height, null)}");
            if (height > 1)
                text.Append($"for (; {m} < firstEnd; {m}++)\n{Block(1, null)}");
            return text.ToString();
        }
        var whole = count / unit * unit;
        if (whole > 0)
            text.Append($"for (; {m} < {(whole == count ? "firstEnd" : $"Math.Min(firstEnd, {whole})")}; {m} += {height})\n{Block(height, isPacked ? Panel : null)}");
        foreach (var (_, rows) in Tile.Parts(whole, count, height))
            text.Append($"if ({m} < firstEnd)\n{Block(rows, isPacked ? (int)(count - whole) : null)[..^2]}    {m} += {rows};\n}}\n");
        return text.ToString();
    }

    /// <summary>All columns, so many at a time as a tile has.</summary>
    string Columns(KernelWriter writer, Func<bool, string> some)
    {
        var (step, j) = (vectors * lanes, column.Name);
        var size = writer.Code(column.Extent);
        var text = "";
        if (column.Extent.Value is null || column.Extent.Value >= step)
        {
            text = $"for (var at = start; at < blockEnd; at += {step})\n{{\n    // The last tile is moved back to end where the row does.\n    var {j} = Math.Min(at, {size} - {step});\n{KernelWriter.Indent(some(false), 1)}}}\n";
            if (column.Extent.Value is null)
                text = $"if ({size} >= {step})\n{{\n{KernelWriter.Indent(text, 1)}}}\n";
        }
        if (column.Extent.Value is null || column.Extent.Value < step)
            text += $"{(column.Extent.Value is null ? "else\n" : "")}{{\n{KernelWriter.Indent($"long {j} = 0;\n{some(true)}", 1)}}}\n";
        return text;
    }

    /// <summary>Statements within a loop, after what they need that does not depend on loops further in.</summary>
    static string Within(KernelWriter writer, int level, Func<string> statements)
    {
        var scope = new KernelWriter.Scope(level);
        writer.Open.Add(scope);
        var text = statements();
        writer.Open.Remove(scope);
        return scope.Text + text;
    }

    /// <summary>The statement that finds the weights of some rows, where they lie in panels.</summary>
    string PanelOf(KernelWriter writer, int? panel) =>
        panel is null ? "" : $"var w = {writer.Pointer(byRow.Buffer)} + {PanelStart()}{(IsParted ? $" + part * {gather!.Inner * panel}L" : "")};\n";

    /// <summary>One tile: its sums, then what becomes of them, row by row.</summary>
    string OneTile(KernelWriter writer, int rows, int? panel, bool isFew)
    {
        var scope = new KernelWriter.Scope(3);
        writer.Open.Add(scope);
        if (!isFew && !IsParted && nest.Value == nest.Fold!.Result && nest.At.Stride(column).Value == 1)
        {
            // Nothing becomes of the sums: they are stored where they belong.
            var sums = Sums(writer, rows, panel, false, $"&{writer.Pointer(new Expr.Load(nest.Target, nest.At))}, {writer.Code(nest.At.Stride(row))}");
            writer.Open.RemoveAt(writer.Open.Count - 1);
            return scope.Text + sums;
        }
        var after = new KernelWriter.Scope(int.MaxValue);
        writer.Open.Add(after);
        var text = Sums(writer, rows, panel, isFew, $"sums, {SumsPitch}");
        if (IsParted)
            text = $"var sums = {gathering!.Sums(row.Name, isFew ? "0" : "at - start", vectors * lanes)};\n{text}";
        using (writer.StayHere())
        {
            if (isFew)
                FinishFew(writer, after);
            for (var v = 0; v < vectors && !isFew; v++)
                Finish(writer, after, v);
        }
        writer.Open.RemoveRange(writer.Open.Count - 2, 2);
        return $"{scope.Text}{text}for (long {moved.Name} = {(IsParted ? $"partEnd < {gather!.Outermost} ? {rows} : 0" : "0")}; {moved.Name} < {rows}; {moved.Name}++)\n{{\n{KernelWriter.Indent(after.Text.ToString(), 1)}}}\n";
    }

    string Sums(KernelWriter writer, int rows, int? panel, bool isFew, string into)
    {
        var x = $"&{writer.Pointer(new Expr.Load(byColumn.Buffer, byColumn.Index.AtStart(nest.Fold!.Axes)))}";
        var axes = nest.Fold!.Axes;
        if (part is not null)
            x += $" + part * {writer.Code(byColumn.Index.Stride(Parted))}";
        var skipped = IsParted ? $" + part * {TermsOfPart}L * {writer.Code(byRow.Index.Stride(Parted))}" : part is null ? "" : $" + part * {writer.Code(byRow.Index.Stride(Parted))}";
        var w = panel is null ? $"&{writer.Pointer(new Expr.Load(byRow.Buffer, byRow.Index.AtStart(axes)))}{skipped}" : "w";
        var loops = new StringBuilder();
        for (var i = Tile.Depth - 1; i >= 0; i--)
        {
            var axis = i < axes.Length ? axes[axes.Length - 1 - i] : null;
            loops.Append($", {(axis is null ? "1" : IsParted && axis == Parted ? $"(partEnd - part) * {TermsOfPart}L" : part is not null && axis == Parted ? "partEnd - part" : writer.Code(axis.Extent))}, {(axis is null ? "0" : writer.Code(byColumn.Index.Stride(axis)))}");
            if (panel is null)
                loops.Append($", {(axis is null ? "0" : writer.Code(byRow.Index.Stride(axis)))}");
        }
        var rest = panel is null ? $", {writer.Code(byRow.Index.Stride(row))}" : "";
        // In scratch there is something beyond the last column.
        var isShort = isFew && gather is null;
        var few = isShort ? $", {writer.Code(column.Extent)}" : "";
        var kernel = new Tiles.Kernel(rows, vectors, panel, isShort, IsMore: IsParted);
        Used.Add(kernel);
        var arguments = $"({x}, {w}{loops}{rest}{few}, {into});\n";
        if (part is null)
            return kernel.Name + arguments;
        var more = kernel with { IsMore = true };
        Used.Add(more);
        return $"if (part == 0)\n    {kernel.Name}{arguments}else\n    {more.Name}{arguments}";
    }

    /// <summary>The tiles that it calls.</summary>
    public HashSet<Tiles.Kernel> Used { get; } = [];

    string PanelStart()
    {
        var depth = nest.Fold!.Axes.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);
        var size = depth * row.Extent.Value!.Value;
        var (text, m) = (new StringBuilder(), row.Name);
        foreach (var group in outer.Where(byRow.Axes.Contains).Reverse())
        {
            text.Append($"{group.Name} * {size}L + ");
            size *= group.Extent.Value!.Value;
        }
        if (height == Panel)
            return text.Append($"{m} * {depth}L").ToString();
        return text.Append($"{m} / {Panel} * {Panel * depth}L + {m} % {Panel}").ToString();
    }

    /// <summary>What becomes of one vector of sums.</summary>
    void Finish(KernelWriter writer, KernelWriter.Scope after, int v)
    {
        Index Move(Index index) => index + (Index)moved * index.Stride(row) + index.Stride(column) * (Dim)(v * lanes);
        var rewriting = new ExprRewriting(Move, a => a == row || a == column);
        var sum = new Expr.Accumulated(ElementType.Float32, nest.Fold!.Result.Axes);
        rewriting.Replace(nest.Fold.Result, sum);
        after.Values[(sum, true)] = $"a{v}";
        after.Text.Append($"var a{v} = VX.Load(sums + {moved.Name} * {SumsPitch}{(v > 0 ? $" + {v * lanes}" : "")});\n");
        var value = writer.Value(rewriting.Apply(nest.Value), true);
        var element = writer.Pointer(new Expr.Load(nest.Target, rewriting.Apply(nest.At)));
        var stride = nest.At.Stride(column);
        after.Text.Append(stride.Value == 1 ? $"VX.Store({value}, &{element});\n" : $"Maths.Scatter({value}, &{element}, {writer.Code(stride)});\n");
    }

    /// <summary>What becomes of sums of which not every one is an element of the result.</summary>
    void FinishFew(KernelWriter writer, KernelWriter.Scope after)
    {
        // The column itself stays 0: addresses are computed with it before the loop over the few there are.
        Index Move(Index index) => index + (Index)moved * index.Stride(row) + (Index)lane * index.Stride(column);
        var rewriting = new ExprRewriting(Move, a => a == row || a == column);
        var sum = new Expr.Accumulated(ElementType.Float32, nest.Fold!.Result.Axes);
        rewriting.Replace(nest.Fold.Result, sum);
        var inner = new KernelWriter.Scope(int.MaxValue);
        writer.Open.Add(inner);
        inner.Values[(sum, false)] = $"sums[{moved.Name} * {SumsPitch} + {lane.Name}]";
        var value = writer.Value(rewriting.Apply(nest.Value), false);
        var at = writer.Code(rewriting.Apply(nest.At));
        writer.Open.RemoveAt(writer.Open.Count - 1);
        after.Text.Append($"for (long {lane.Name} = 0; {lane.Name} < {writer.Code(column.Extent)}; {lane.Name}++)\n{{\n{KernelWriter.Indent($"{inner.Text}{writer.Pointer(nest.Target)}[{at}] = {value};\n", 1)}}}\n");
    }

    // The row and the column within a tile.
    readonly Axis moved = new("r", Dim.Variable("r")), lane = new("lane", Dim.Variable("lane"));
}
