using System.Numerics;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// A contraction as a register tile: some rows of the result by some vectors of columns stay in registers while the sum
/// runs. One factor is read as vectors along the columns, the other one number for each row; where that one is known at build
/// time, it lies in the order in which it is read.
/// </summary>
sealed class Tile
{
    /// <summary>How many rows of a constant factor lie side by side.</summary>
    public const int Panel = 12;

    /// <summary>Over how many loops a sum runs at most.</summary>
    public const int Depth = 3;

    const int MostVectors = 8;

    readonly Target target;

    // The columns' factor before there is room for whole tiles.
    readonly Expr.Load found;

    Tile(Step.Nest nest, Axis column, Axis row, Expr.Load byColumn, Expr.Load byRow, Target target, ColumnGather? gather = null, (int Height, int Vectors)? size = null)
    {
        found = byColumn;
        (Nest, Column, Row, ByColumn, ByRow, Gather, this.target) = (nest, column, row, byColumn, byRow, gather, target);
        // Sixteen registers hold 6 by 2 sums, two columns and one factor; thirty-two hold 12 by 2.
        var most = target.Width == 512 ? Panel : Panel / 2;
        Height = (int)Math.Min(most, row.Extent.Value ?? most);
        // Fewer rows by more columns keep as many sums under way, where there are columns enough: in half of what is usual, too.
        var (columns, registers) = (column.Extent.Value ?? (long)target.Usual.Of(column.Extent) / 2, target.Width == 512 ? 32 : 16);
        Vectors = (int)Math.Clamp(Math.Min((registers - 1) / (Height + 1), columns / Lanes), column.Extent.Value <= Lanes ? 1 : 2, MostVectors);
        if (size is var (height, vectors))
        {
            if (height < 1 || height > Height || vectors < 1 || vectors > MostVectors)
                throw new FormatException($"a tile has from 1 to {Height} rows and from 1 to {MostVectors} vectors of columns, not {height} by {vectors}");
            (Height, Vectors) = (height, vectors);
        }
        Outer = [.. nest.Axes.Where(a => a != column && a != row && a.Extent.Value != 1)];
        if (gather is not null)
            ByColumn = gather.Spread(byColumn, column, Lanes, Step);
    }

    /// <summary>The nest, with as few loops as it can have.</summary>
    public Step.Nest Nest { get; }

    /// <summary>The loop over columns, which vectors run along, and that over rows.</summary>
    public Axis Column { get; }

    /// <inheritdoc cref="Column"/>
    public Axis Row { get; }

    /// <summary>The loops around both.</summary>
    public Axis[] Outer { get; }

    /// <summary>The factor that is read as vectors, and that of which one number is read for each row.</summary>
    public Expr.Load ByColumn { get; private init; }

    /// <inheritdoc cref="ByColumn"/>
    public Expr.Load ByRow { get; }

    /// <summary>How columns are gathered; null where they are read as they lie.</summary>
    public ColumnGather? Gather { get; }

    /// <summary>Rows of a tile, and vectors of columns.</summary>
    public int Height { get; }

    /// <inheritdoc cref="Height"/>
    public int Vectors { get; }

    /// <summary>How many floats a vector holds.</summary>
    public int Lanes => target.Lanes;

    /// <summary>Columns of a tile.</summary>
    public int Step => Vectors * Lanes;

    /// <summary>The same tile, which finds the columns' factor elsewhere.</summary>
    public Tile Reading(Expr.Load byColumn) => new(Nest, Column, Row, byColumn, ByRow, target, null, (Height, Vectors));

    /// <summary>The same tile of another size.</summary>
    /// <exception cref="FormatException">It is too large.</exception>
    public Tile Sized(int height, int vectors) => new(Nest, Column, Row, found, ByRow, target, Gather, (height, vectors));

    // Fewer rows do not pay for gathering.
    const int LeastRows = 4;

    /// <summary>The tile of a convolution whose columns are gathered, where that is the only way or the faster one; else the same as without.</summary>
    /// <param name="nest">The nest as it was lowered.</param>
    /// <param name="target">What it is chosen for.</param>
    public static Tile? OfConvolution(Step.Nest nest, Target target)
    {
        var direct = Of(nest, target);
        if (ToomCook.Of(nest, target) is not null || OfGathered(nest, target).FirstOrDefault() is not { } made || made.Row.Extent.Value < LeastRows)
            return direct;
        return direct is null || made.IsFaster(direct, nest) ? made : direct;
    }

    /// <summary>The tiles of a nest whose columns are gathered, that of the most rows first.</summary>
    /// <param name="nest">The nest as it was lowered.</param>
    /// <param name="target">What it is chosen for.</param>
    public static IEnumerable<Tile> OfGathered(Step.Nest nest, Target target)
    {
        if (ColumnGather.Of(nest, target.Lanes) is not var (gathered, column, gather) || gathered.Fold!.Axes.Length > Depth || column.Extent.Value < 4
            || !Vectorization.CanVector(gathered.Value, column, gathered) || gathered.Fold.Term is not Expr.Apply { Operands: [Expr.Load byColumn, Expr.Load byRow] })
            return [];
        return gathered.Axes.Where(a => a.Extent.Value != 1 && byRow.Axes.Contains(a) && !gather.Reads(a)).OrderByDescending(a => a.Extent.Value ?? long.MaxValue)
            .Select(row => new Tile(gathered, column, row, byColumn, byRow, target, gather));
    }

    const double FilledOfUnknown = 0.75, FilledOfFew = 0.15;

    // Gathering an element costs about as much as multiplying it with so many rows. A sum that is not taken in parts waits for
    // its operands the more, the more terms it has: measured, so many more take twice the time.
    const double GatheredRows = 4, TermsInCache = 1024, TermsForTwice = 8000;

    /// <summary>Whether gathering costs less than the vectors that the other leaves empty, and the copy with zeros around it that it reads.</summary>
    bool IsFaster(Tile direct, Step.Nest original)
    {
        double Filled(Tile tile)
        {
            // Of rows whose length is not known, those of the smaller maps are short.
            if (tile.Column.Extent.Value is not { } columns)
                return tile.Column.Extent.Equals(Column.Extent) ? 1 : FilledOfUnknown;
            var step = tile.Step;
            return columns < step && tile.Gather is null ? FilledOfFew : (double)columns / ((columns + step - 1) / step * step);
        }
        var rows = Row.Extent.Value ?? 1000;
        // A copy of the operand is written and read from memory once.
        var copied = original.Fold!.Unpadded is null ? 0 : 3 * GatheredRows / Gather!.Depth * Gather.Channels;
        var missed = 1 + Math.Max(0, Gather!.Depth - TermsInCache) / TermsForTwice;
        return (rows + GatheredRows) / Filled(this) < (rows + copied) / Filled(direct) * missed * (direct.FallsIntoFewSets ? FewSets : 1);
    }

    // A core's level 1 cache: its sets lie so many bytes apart and hold so many lines each. Measured, columns whose terms fall
    // into the same sets take so much longer.
    const long CacheStride = 4096, CacheWays = 8;
    const double FewSets = 1.15;

    /// <summary>Whether the terms of a column lie so that they push one another out of the cache, as those of maps of 64 by 64 do, before other rows read them.</summary>
    bool FallsIntoFewSets => Nest.Fold!.Axes.MaxBy(a => a.Extent.Value ?? 0) is { Extent.Value: { } terms } axis
        && ByColumn.Index.Stride(axis).Value * sizeof(float) is { } apart && terms > CacheWays * CacheStride / (long)BigInteger.GreatestCommonDivisor(apart, CacheStride);

    /// <summary>The buffer from which it gathers columns; null where it reads them as they lie.</summary>
    public Buffer? GatheredFrom => Gather?.Source;

    /// <summary>The tile of a nest, or null where it is not such a sum.</summary>
    public static Tile? Of(Step.Nest original, Target target) => OfPlaced(original, target).FirstOrDefault();

    /// <summary>The tiles of a nest that reads columns as they lie, the best first; none where it is not such a sum.</summary>
    public static IEnumerable<Tile> OfPlaced(Step.Nest original, Target target)
    {
        var nest = Collapse.Axes(original);
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null } fold || nest.Target.Type is not (ElementType.Float32 or ElementType.Int32) || fold.Axes.Length is 0 or > Depth || nest.Axes.Any(a => a.Extent.Value == 0)
            || fold.Term is not Expr.Apply { Type: ElementType.Float32, Operands: [Expr.Load a, Expr.Load b] } product || product.Function != Functions.Multiply)
            return [];
        return from pair in new[] { (Column: a, Row: b), (Column: b, Row: a) }
               from column in nest.Axes
               where pair.Column.Index.Stride(column).Value == 1 && !pair.Row.Axes.Contains(column) && column.Extent.Value is null or >= 4
                   && pair.Column.Index.Dynamic.Count + pair.Row.Index.Dynamic.Count == 0
               where Vectorization.CanVector(nest.Value, column, nest) && (nest.Target.Type == ElementType.Float32 || nest.At.Stride(column).Value == 1)
               // Where nothing can be a row, one row is all there are.
               from row in nest.Axes.Append(new("one", 1))
               where row != column && (row.Name == "one" || (pair.Row.Axes.Contains(row) && !pair.Column.Axes.Contains(row) && row.Extent.Value != 1))
               // Columns that lie far from one another in the result are written one by one.
               orderby row.Name == "one" ? 1 : 0, nest.At.Stride(column).Value ?? long.MaxValue, row.Extent.IsKnown ? 0 : 1, -(row.Extent.Value ?? 0)
               select new Tile(nest, column, row, pair.Column, pair.Row, target);
    }

    /// <summary>The constant factor, where it could be laid out as it is read.</summary>
    public Buffer? Packable => ByRow.Buffer.Storage == Storage.Weight && !Nest.Fold!.Axes.Concat(Outer).Append(Row).Any(a => !a.Extent.IsKnown && ByRow.Axes.Contains(a)) && Nest.Fold.Axes.All(a => a.Extent.IsKnown)
        ? ByRow.Buffer
        : null;

    // Terms that a tile of rows is read for at a time, and the fewest for which that is done; and tiles of columns that read them again.
    const long PartTerms = 256, LongSum = 1024;

    /// <summary>Tiles of columns of a block where the sum is taken in parts.</summary>
    public const int ColumnsOfPart = 4;

    /// <summary>
    /// Of how many iterations of the sum's outermost loop the terms are added at a time; null for all of them. The terms of a row that
    /// lie a page apart push one another out of the cache before the next columns read them.
    /// </summary>
    public long? Part => Gather is null && ByRow.Buffer.Storage != Storage.Weight && Nest.Value == Nest.Fold!.Result && Nest.At.Stride(Column).Value == 1 && Column.Extent.Value >= ColumnsOfPart * Step
        && Nest.Fold.Axes.All(a => a.Extent.IsKnown) && Nest.Fold.Axes.Where(a => a.Extent.Value != 1).ToArray() is [var outermost, ..] folds
        && folds.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value) is >= LongSum and var depth && depth / outermost.Extent.Value!.Value <= PartTerms
        && ByRow.Index.Stride(folds[^1]).Value * sizeof(float) % CacheStride == 0 ? Math.Max(1, PartTerms / (depth / outermost.Extent.Value.Value)) : null;

    /// <summary>
    /// The constant factor laid out in panels: for each panel of rows and each term of the sum, the numbers of the rows.
    /// </summary>
    public Buffer Pack()
    {
        var tensor = ByRow.Buffer.Constant!;
        var size = tensor.Type.Size();
        var (rows, folds) = (Row.Extent.Value!.Value, Nest.Fold!.Axes);
        var groups = Outer.Where(ByRow.Axes.Contains).ToArray();
        var depth = folds.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);
        var count = groups.Aggregate(rows * depth, (n, a) => n * a.Extent.Value!.Value);
        var from = tensor.Bytes.Span;
        var to = new byte[count * size];
        var at = 0L;
        foreach (var group in Positions(groups, ByRow.Index))
        {
            for (long panel = 0; panel < rows; panel += Panel)
            {
                foreach (var term in Positions(folds, ByRow.Index))
                {
                    for (var r = panel; r < Math.Min(panel + Panel, rows); r++, at += size)
                    {
                        var source = ByRow.Index.Offset.Value!.Value + group + term + r * ByRow.Index.Stride(Row).Value!.Value;
                        from.Slice(checked((int)source) * size, size).CopyTo(to.AsSpan((int)at));
                    }
                }
            }
        }
        return new(ByRow.Buffer.Name, Storage.Weight, ByRow.Buffer.Type, count) { Constant = new Tensor(tensor.Type, [count], to) };
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

    // Operations for an element that are worth writing the factor to memory, as neighbouring blocks compute what both read; and
    // the fewest tiles of columns for all rows that a block has, or much of the factor would be computed more than once.
    const int MostWithin = 12, LeastTiles = 8;

    /// <summary>
    /// The nest that computes the columns' factor, where the kernel can compute as much of it as a block of columns needs: the
    /// loops over channels and over elements of a row.
    /// </summary>
    public (Axis Channel, Axis Element)? CanTake(Step.Nest operand)
    {
        var folds = Nest.Fold!.Axes;
        if (Gather is not null || Packable is null || operand.Target != ByColumn.Buffer || operand.Fold is not null || Cost.Of(operand) > MostWithin || operand.At.Offset.Value is not 0 || operand.At.Dynamic.Count > 0
            || Outer.Length > 0 || Nest.Value.Loads.Contains(operand.Target) || Nest.At.Stride(Column).Value != 1 || ByColumn.Index.Offset.Value is not 0 || ByColumn.Index.Terms.Any(t => t.Axis != Column && !folds.Contains(t.Axis))
            || Row.Extent.Value is not { } rows || TileSplitWork / (rows * folds.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value)) < LeastTiles * Step)
            return null;
        return operand.Axes.Where(a => a.Extent.Value != 1).ToArray() is [var by, var element] && by.Extent.IsKnown && operand.At.Stride(element).Value == 1
            && folds.FirstOrDefault(a => a.Extent.Equals(by.Extent) && ByColumn.Index.Stride(a).Equals(operand.At.Stride(by))) is { } channel
            && folds.All(a => a == channel || ByColumn.Index.Stride(a).Value >= 0) && Reach(channel) > 0 && element.Extent.Equals(Column.Extent + Reach(channel)) ? (by, element) : null;
    }

    // Multiply-adds of a task, as the emitted TileSplit has them.
    const long TileSplitWork = 1 << 21;

    /// <summary>How many columns to the right of its own a tile reads.</summary>
    public long Reach(Axis channel) => Nest.Fold!.Axes.Where(a => a != channel).Sum(a => (a.Extent.Value!.Value - 1) * ByColumn.Index.Stride(a).Value!.Value);

    /// <summary>Whether another's kernel can be this one's too.</summary>
    public bool CanJoin(Tile other) => Gather is null && other.Gather is null && Nest.Target == other.Nest.Target && (Vectors, Height) == (other.Vectors, other.Height)
        && Nest.At.Stride(Column).Value > 1 && Nest.At.Stride(Column).Equals(other.Nest.At.Stride(other.Column))
        && Row.Extent.Equals(other.Row.Extent) && Column.Extent.Equals(other.Column.Extent)
        && Outer.Select(a => a.Extent).SequenceEqual(other.Outer.Select(a => a.Extent))
        && Nest.Fold!.Axes.Select(a => a.Extent).SequenceEqual(other.Nest.Fold!.Axes.Select(a => a.Extent));

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
}
