using System.Numerics;
using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Index = Softmodel.Lowering.Index;

namespace Softmodel.Emit;

/// <summary>
/// Writes a sum of products as a register tile: some rows of the result by some vectors of columns stay in registers
/// while the sum runs. One factor is read as vectors along the columns, the other one number for each row; where that
/// one is known at build time, it lies in the order in which it is read.
/// </summary>
sealed class TileCode
{
    /// <summary>How many rows of a constant factor lie side by side.</summary>
    public const int Panel = 12;

    const int MostVectors = 8;

    readonly Step.Nest nest;
    readonly Axis column, row;
    readonly Expr.Load byColumn, byRow;
    readonly int lanes, vectors, height;
    readonly Axis[] outer;
    readonly ColumnGather? gather;

    TileCode(Step.Nest nest, Axis column, Axis row, Expr.Load byColumn, Expr.Load byRow, int width, ColumnGather? gather = null)
    {
        (this.nest, this.column, this.row, this.byColumn, this.byRow, this.gather) = (nest, column, row, byColumn, byRow, gather);
        lanes = width / 32;
        // Sixteen registers hold 6 by 2 sums, two columns and one factor; thirty-two hold 12 by 2.
        var most = width == 512 ? Panel : Panel / 2;
        height = (int)Math.Min(most, row.Extent.Value ?? most);
        // Fewer rows by more columns keep as many sums under way, where there are columns enough.
        var (columns, registers) = (column.Extent.Value ?? (long)column.Extent.Estimate() / 2, width == 512 ? 32 : 16);
        vectors = (int)Math.Clamp(Math.Min((registers - 1) / (height + 1), columns / lanes), column.Extent.Value <= lanes ? 1 : 2, MostVectors);
        outer = [.. nest.Axes.Where(a => a != column && a != row && a.Extent.Value != 1)];
        if (gather is not null)
            this.byColumn = gather.Spread(byColumn, column, lanes, vectors * lanes);
    }

    // Fewer rows do not pay for gathering.
    const int LeastRows = 4;

    /// <summary>The tile of a convolution whose columns are gathered, where that is the only way or the faster one; else the same as without.</summary>
    /// <param name="nest">The nest as it was lowered.</param>
    /// <param name="width">The bits of a vector.</param>
    public static TileCode? OfConvolution(Step.Nest nest, int width)
    {
        var direct = Of(nest, width);
        if (ToomCookCode.Of(nest, width) is not null || ColumnGather.Of(nest, width / 32) is not var (gathered, column, gather) || gathered.Fold!.Axes.Length > Tiles.Depth || column.Extent.Value < 4
            || !Vectorization.CanVector(gathered.Value, column, gathered) || gathered.Fold.Term is not Expr.Apply { Operands: [Expr.Load byColumn, Expr.Load byRow] })
            return direct;
        var row = gathered.Axes.Where(a => a.Extent.Value != 1 && byRow.Axes.Contains(a) && !gather.Reads(a)).OrderByDescending(a => a.Extent.Value ?? long.MaxValue).FirstOrDefault();
        if (row is null || row.Extent.Value < LeastRows)
            return direct;
        var made = new TileCode(gathered, column, row, byColumn, byRow, width, gather);
        return direct is null || made.IsFaster(direct, nest) ? made : direct;
    }

    const double FilledOfUnknown = 0.75, FilledOfFew = 0.15;

    // Gathering an element costs about as much as multiplying it with so many rows. A sum that is not taken in parts waits for
    // its operands the more, the more terms it has: measured, so many more take twice the time.
    const double GatheredRows = 4, TermsInCache = 1024, TermsForTwice = 8000;

    /// <summary>Whether gathering costs less than the vectors that the other leaves empty, and the copy with zeros around it that it reads.</summary>
    bool IsFaster(TileCode direct, Step.Nest original)
    {
        double Filled(TileCode tile)
        {
            // Of rows whose length is not known, those of the smaller maps are short.
            if (tile.column.Extent.Value is not { } columns)
                return tile.column.Extent.Equals(column.Extent) ? 1 : FilledOfUnknown;
            var step = tile.vectors * lanes;
            return columns < step && tile.gather is null ? FilledOfFew : (double)columns / ((columns + step - 1) / step * step);
        }
        var rows = row.Extent.Value ?? 1000;
        // A copy of the operand is written and read from memory once.
        var copied = original.Fold!.Unpadded is null ? 0 : 3 * GatheredRows / gather!.Depth * gather.Channels;
        var missed = 1 + Math.Max(0, gather!.Depth - TermsInCache) / TermsForTwice;
        return (rows + GatheredRows) / Filled(this) < (rows + copied) / Filled(direct) * missed * (direct.FallsIntoFewSets ? FewSets : 1);
    }

    // A core's level 1 cache: its sets lie so many bytes apart and hold so many lines each. Measured, columns whose terms fall
    // into the same sets take so much longer.
    const long CacheStride = 4096, CacheWays = 8;
    const double FewSets = 1.15;

    /// <summary>Whether the terms of a column lie so that they push one another out of the cache, as those of maps of 64 by 64 do, before other rows read them.</summary>
    bool FallsIntoFewSets => nest.Fold!.Axes.MaxBy(a => a.Extent.Value ?? 0) is { Extent.Value: { } terms } axis
        && byColumn.Index.Stride(axis).Value * sizeof(float) is { } apart && terms > CacheWays * CacheStride / (long)BigInteger.GreatestCommonDivisor(apart, CacheStride);

    // A sum that is taken in parts keeps what it has so far beside what it gathers.
    bool IsParted => gather is { IsParted: true };

    long SumsPitch => IsParted ? gather!.SumsPitch(vectors * lanes) : vectors * lanes;

    // The loop of the sum that parts are of, and its terms for an iteration of the outermost loop that is gathered: loops that read one after the other are one.
    Axis Parted => nest.Fold!.Axes.First(a => a.Extent.Value != 1);

    long TermsOfPart => Parted.Extent.Value!.Value / gather!.Outermost;

    /// <summary>The buffer from which it gathers columns; null where it reads them as they lie.</summary>
    public Lowering.Buffer? GatheredFrom => gather?.Source;

    /// <summary>The tile of a nest, or null where it is not such a sum.</summary>
    public static TileCode? Of(Step.Nest original, int width)
    {
        var nest = Collapse.Axes(original);
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null } fold || nest.Target.Type is not (ElementType.Float32 or ElementType.Int32) || fold.Axes.Length is 0 or > Tiles.Depth || nest.Axes.Any(a => a.Extent.Value == 0)
            || fold.Term is not Expr.Apply { Type: ElementType.Float32, Operands: [Expr.Load a, Expr.Load b] } product || product.Function != Functions.Multiply)
            return null;
        var candidates = from pair in new[] { (Column: a, Row: b), (Column: b, Row: a) }
                         from column in nest.Axes
                         where pair.Column.Index.Stride(column).Value == 1 && !pair.Row.Axes.Contains(column) && column.Extent.Value is null or >= 4
                             && pair.Column.Index.Dynamic.Count + pair.Row.Index.Dynamic.Count == 0
                         where Vectorization.CanVector(nest.Value, column, nest) && (nest.Target.Type == ElementType.Float32 || nest.At.Stride(column).Value == 1)
                         // Where nothing can be a row, one row is all there are.
                         from row in nest.Axes.Append(new("one", 1))
                         where row != column && (row.Name == "one" || (pair.Row.Axes.Contains(row) && !pair.Column.Axes.Contains(row) && row.Extent.Value != 1))
                         // Columns that lie far from one another in the result are written one by one.
                         orderby row.Name == "one" ? 1 : 0, nest.At.Stride(column).Value ?? long.MaxValue, row.Extent.IsKnown ? 0 : 1, -(row.Extent.Value ?? 0)
                         select new TileCode(nest, column, row, pair.Column, pair.Row, width);
        return candidates.FirstOrDefault();
    }

    /// <summary>The constant factor, where it could be laid out as it is read.</summary>
    public Lowering.Buffer? Packable => byRow.Buffer.Storage == Storage.Weight && !nest.Fold!.Axes.Concat(outer).Append(row).Any(a => !a.Extent.IsKnown && byRow.Axes.Contains(a)) && nest.Fold.Axes.All(a => a.Extent.IsKnown)
        ? byRow.Buffer
        : null;

    /// <summary>
    /// The constant factor laid out in panels: for each panel of rows and each term of the sum, the numbers of the rows.
    /// </summary>
    public Lowering.Buffer Pack()
    {
        var tensor = byRow.Buffer.Constant!;
        var size = tensor.Type.Size();
        var (rows, folds) = (row.Extent.Value!.Value, nest.Fold!.Axes);
        var groups = outer.Where(byRow.Axes.Contains).ToArray();
        var depth = folds.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);
        var count = groups.Aggregate(rows * depth, (n, a) => n * a.Extent.Value!.Value);
        var from = tensor.Bytes.Span;
        var to = new byte[count * size];
        var at = 0L;
        foreach (var group in Positions(groups, byRow.Index))
        {
            for (long panel = 0; panel < rows; panel += Panel)
            {
                foreach (var term in Positions(folds, byRow.Index))
                {
                    for (var r = panel; r < Math.Min(panel + Panel, rows); r++, at += size)
                    {
                        var source = byRow.Index.Offset.Value!.Value + group + term + r * byRow.Index.Stride(row).Value!.Value;
                        from.Slice(checked((int)source) * size, size).CopyTo(to.AsSpan((int)at));
                    }
                }
            }
        }
        return new(byRow.Buffer.Name, Storage.Weight, byRow.Buffer.Type, count) { Constant = new Tensor(tensor.Type, [count], to) };
    }

    /// <summary>The positions of all iterations of some loops with known numbers of them, less the offset.</summary>
    public static List<long> Positions(Axis[] axes, Index index)
    {
        var all = new List<long> { 0 };
        foreach (var axis in axes)
        {
            var stride = index.Stride(axis).Value!.Value;
            all = [.. all.SelectMany(p => Enumerable.Range(0, (int)axis.Extent.Value!.Value).Select(i => p + i * stride))];
        }
        return all;
    }

    /// <summary>The kernel.</summary>
    /// <param name="isPacked">Whether the constant factor lies in panels.</param>
    /// <param name="operand">The nest that computes the columns' factor, if the kernel does (see <see cref="CanTake"/>).</param>
    public KernelCode Write(bool isPacked, Step.Nest? operand = null)
    {
        if (gather is not null)
            return Gathered(isPacked, gather);
        if (operand is null || CanTake(operand) is not var (by, element))
            return Write([this], isPacked);
        // A block's part of the factor lies in the thread's scratch, each channel some cache lines from the one before.
        var (step, channel) = (vectors * lanes, nest.Fold!.Axes.First(a => a.Extent.Equals(by.Extent) && byColumn.Index.Stride(a).Equals(operand.At.Stride(by))));
        var pitch = (BlockColumns + step + Reach(channel) + 15) / 16 * 16 | 16;
        var within = new Lowering.Buffer($"{byColumn.Buffer.Name}_within", Storage.Arena, ElementType.Float32, by.Extent * pitch);
        var load = new Expr.Load(within, byColumn.Index + (Index)channel * (pitch - byColumn.Index.Stride(channel)));
        var tile = new TileCode(nest, column, row, load, byRow, lanes * 32);
        var parameters = new List<Lowering.Buffer>();
        var (writer, outers, rows, columns, depth, body) = tile.Loops(isPacked, parameters, (w, size) =>
        {
            var (from, to) = (w.Pointer(within), w.Pointer(operand.Target));
            var text = new StringBuilder($"// What the block reads of its factor; the last tile reads from further left.\nlong {RowsCode.From} = Math.Max(0, Math.Min(start, {size} - {step})), {RowsCode.Count} = Math.Min({size}, (blockEnd + {step - 1}) / {step} * {step}) + {Reach(channel)} - {RowsCode.From};\n");
            text.Append($"var scratch = Scratch.Floats({by.Extent.Value * pitch + lanes});\nfor (long {RowsCode.Outer}0 = 0; {RowsCode.Outer}0 < {by.Extent}; {RowsCode.Outer}0++)\n{{\n");
            text.Append($"    var {to} = scratch + {RowsCode.Outer}0 * {pitch} - ({RowsCode.Outer}0 * {w.Code(operand.At.Stride(by))} + {RowsCode.From});\n");
            text.Append($"    {{\n{KernelWriter.Indent(NestCode.Whole(RowsCode.Restricted(operand, [by, element]), parameters, "in_"), 2)}    }}\n}}\n");
            return text.Append($"var {from} = scratch - {RowsCode.From};\n").ToString();
        });
        Used.UnionWith(tile.Used);
        var given = parameters.Where(b => b != within && b != operand.Target).ToList();
        var (split, tasks) = Split(writer, outers, rows, columns, depth, Panel, step);
        return new(KernelWriter.Indent($"{KernelWriter.Taken(parameters, given)}{writer.Sizes}{Room}{split}{body}", 2), given, tasks);
    }

    KernelCode Gathered(bool isPacked, ColumnGather gather)
    {
        var (step, parameters) = (vectors * lanes, new List<Lowering.Buffer>());
        var block = gather.Block(step);
        var (writer, outers, rows, columns, _, body) = Loops(isPacked, parameters, (w, size) => gather.Begin(w, size, step), $"{block}L");
        var given = parameters.Where(b => b != gather.Within).ToList();
        string Sizes(Func<Dim, string> code) => $"f->threads, {code(outers)}, {code(rows)}, {code(columns)}, {gather.Depth}, {(isPacked ? Panel : height)}, {step}, {block}";
        var split = Sizes(writer.Code);
        return new(KernelWriter.Indent($"{KernelWriter.Taken(parameters, given)}{writer.Sizes}{(gather.IsParted ? "" : Room)}Columns.Of({split}, task, out var outer, out var first, out var firstEnd, out var start, out var end);\n{body}", 2), given,
            $"Columns.Tasks({Sizes(Frame)})");
    }

    // Operations for an element that are worth writing the factor to memory, as neighbouring blocks compute what both read; and
    // the fewest tiles of columns for all rows that a block has, or much of the factor would be computed more than once.
    const int MostWithin = 12, LeastTiles = 8;

    /// <summary>
    /// The nest that computes the columns' factor, where the kernel can compute as much of it as a block of columns needs: the
    /// loops over channels and over elements of a row.
    /// </summary>
    public (Axis Channel, Axis Element)? CanTake(Step.Nest operand)
    {
        var folds = nest.Fold!.Axes;
        if (gather is not null || Packable is null || operand.Target != byColumn.Buffer || operand.Fold is not null || NestCode.CostOf(operand) > MostWithin || operand.At.Offset.Value is not 0 || operand.At.Dynamic.Count > 0
            || outer.Length > 0 || nest.Value.Loads.Contains(operand.Target) || nest.At.Stride(column).Value != 1 || byColumn.Index.Offset.Value is not 0 || byColumn.Index.Terms.Any(t => t.Axis != column && !folds.Contains(t.Axis))
            || row.Extent.Value is not { } rows || TileSplitWork / (rows * folds.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value)) < LeastTiles * vectors * lanes)
            return null;
        return operand.Axes.Where(a => a.Extent.Value != 1).ToArray() is [var by, var element] && by.Extent.IsKnown && operand.At.Stride(element).Value == 1
            && folds.FirstOrDefault(a => a.Extent.Equals(by.Extent) && byColumn.Index.Stride(a).Equals(operand.At.Stride(by))) is { } channel
            && folds.All(a => a == channel || byColumn.Index.Stride(a).Value >= 0) && Reach(channel) > 0 && element.Extent.Equals(column.Extent + Reach(channel)) ? (by, element) : null;
    }

    // Multiply-adds of a task, as the emitted TileSplit has them.
    const long TileSplitWork = 1 << 21;

    /// <summary>How many columns to the right of its own a tile reads.</summary>
    long Reach(Axis channel) => nest.Fold!.Axes.Where(a => a != channel).Sum(a => (a.Extent.Value!.Value - 1) * byColumn.Index.Stride(a).Value!.Value);

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
            var (writer, outers, rows, columns, depth, body) = tile.Loops(isPacked, parameters);
            (var split, tasks) = Split(writer, outers, rows, columns, depth * tiles.Count, isPacked ? Panel : tile.height, tile.vectors * tile.lanes);
            var part = $"{writer.Sizes}{tile.Room}{split}{body}";
            text.Append(tiles.Count == 1 ? part : $"{{\n{KernelWriter.Indent(part, 1)}}}\n");
        }
        return new(KernelWriter.Indent(KernelWriter.Taken(parameters) + text, 2), parameters, tasks);
    }

    static (string Split, string Tasks) Split(KernelWriter writer, Dim outers, Dim rows, Dim columns, Dim depth, int unit, int step) =>
        ($"TileSplit.Of(f->threads, {writer.Code(outers)}, {writer.Code(rows)}, {writer.Code(columns)}, {writer.Code(depth)}, {unit}, {step}, task, out var outer, out var first, out var firstEnd, out var start, out var end);\n",
        $"TileSplit.Tasks(f->threads, {Frame(outers)}, {Frame(rows)}, {Frame(columns)}, {Frame(depth)}, {unit}, {step})");

    /// <summary>Whether another's kernel can be this one's too.</summary>
    public bool CanJoin(TileCode other) => gather is null && other.gather is null && nest.Target == other.nest.Target && (vectors, height) == (other.vectors, other.height)
        && nest.At.Stride(column).Value > 1 && nest.At.Stride(column).Equals(other.nest.At.Stride(other.column))
        && row.Extent.Equals(other.row.Extent) && column.Extent.Equals(other.column.Extent)
        && outer.Select(a => a.Extent).SequenceEqual(other.outer.Select(a => a.Extent))
        && nest.Fold!.Axes.Select(a => a.Extent).SequenceEqual(other.nest.Fold!.Axes.Select(a => a.Extent));

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
            ? Rows(isPacked, (some, panel) => PanelOf(writer, panel) + Within(writer, 2, () => Columns(writer, isFew => Tile(writer, some, panel, isFew))))
            : gather.Write(writer, step, Columns(writer, isFew => Within(writer, 2, () => Rows(isPacked, (some, panel) => PanelOf(writer, panel) + Tile(writer, some, panel, isFew)))));
        var body = new StringBuilder();
        for (var i = outer.Length - 1; i >= 0; i--)
            body.Append(i > 0 ? $"var {outer[i].Name} = outer % {writer.Code(outer[i].Extent)};\nouter /= {writer.Code(outer[i].Extent)};\n" : $"var {outer[0].Name} = outer;\n");
        body.Append(outerScope.Text);
        // As many columns at a time as stay in the cache while all rows are computed.
        body.Append($"var block = {block ?? $"TileSplit.Columns({writer.Code(depth)}, {step})"};\n");
        body.Append($"for (; start < end; start += block)\n{{\n{KernelWriter.Indent($"var blockEnd = Math.Min(end, start + block);\n{before?.Invoke(writer, writer.Code(column.Extent))}{all}", 1)}}}\n");
        return (writer, outerCount, row.Extent, column.Extent, depth, body.ToString());
    }

    /// <summary>The rows from one on in as few tiles as hold them, of about the same height: a tile of few rows waits for its sums.</summary>
    public static IEnumerable<(long First, int Count)> Parts(long from, long rows, int most)
    {
        for (var parts = (rows - from + most - 1) / most; from < rows; parts--)
        {
            var count = (int)((rows - from + parts - 1) / parts);
            yield return (from, count);
            from += count;
        }
    }

    /// <summary>A size outside of kernels.</summary>
    public static string Frame(Dim size) => size.Value is { } number ? $"{number}L" : size.ToCSharp(s => $"f->{ProgramCode.SizeName(s)}");

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
        foreach (var (_, rows) in Parts(whole, count, height))
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
    string Tile(KernelWriter writer, int rows, int? panel, bool isFew)
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
            text = $"var sums = {gather!.Sums(row.Name, isFew ? "0" : "at - start", vectors * lanes)};\n{text}";
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
        var skipped = IsParted ? $" + part * {TermsOfPart}L * {writer.Code(byRow.Index.Stride(Parted))}" : "";
        var w = panel is null ? $"&{writer.Pointer(new Expr.Load(byRow.Buffer, byRow.Index.AtStart(axes)))}{skipped}" : "w";
        var loops = new StringBuilder();
        for (var i = Tiles.Depth - 1; i >= 0; i--)
        {
            var axis = i < axes.Length ? axes[axes.Length - 1 - i] : null;
            loops.Append($", {(axis is null ? "1" : IsParted && axis == Parted ? $"(partEnd - part) * {TermsOfPart}L" : writer.Code(axis.Extent))}, {(axis is null ? "0" : writer.Code(byColumn.Index.Stride(axis)))}");
            if (panel is null)
                loops.Append($", {(axis is null ? "0" : writer.Code(byRow.Index.Stride(axis)))}");
        }
        var rest = panel is null ? $", {writer.Code(byRow.Index.Stride(row))}" : "";
        // In scratch there is something beyond the last column.
        var isShort = isFew && gather is null;
        var few = isShort ? $", {writer.Code(column.Extent)}" : "";
        var kernel = new Tiles.Kernel(rows, vectors, panel, isShort, IsMore: IsParted);
        Used.Add(kernel);
        return $"{kernel.Name}({x}, {w}{loops}{rest}{few}, {into});\n";
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
    readonly Axis moved = new("r", Dim.Symbol("r")), lane = new("lane", Dim.Symbol("lane"));
}
