using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// What moves a small window over each map for itself: pools and depthwise convolutions. Some rows of a map, with what stands
/// for elements outside around them, are copied to the thread's scratch, so that no element of a window needs a condition; then
/// the taps of a window are combined in vectors along the map's rows. Sums and extremes without weights are taken along the
/// window's columns first, and then along its rows.
/// </summary>
/// <param name="Nest">The nest.</param>
/// <param name="Fold">Its reduction over the taps.</param>
/// <param name="Read">The map, without what stands for elements outside.</param>
/// <param name="Weights">The weights of the taps; null where all are equal.</param>
/// <param name="Outside">What stands for elements outside.</param>
/// <param name="InRow">Within which rows of the map an element is; null where all are.</param>
/// <param name="InColumn">Within which columns.</param>
/// <param name="Planes">The loops over maps.</param>
/// <param name="Row">The loop over rows of windows; null where there is one row.</param>
/// <param name="Column">The loop over windows of a row.</param>
/// <param name="Down">The taps along columns of the map; null where there is one row of windows.</param>
/// <param name="Across">The taps along its rows.</param>
/// <param name="Sums">What stands for the thread's scratch in which a task's sums lie.</param>
/// <param name="After">What becomes of them.</param>
sealed record Window(Step.Nest Nest, Fold Fold, Expr.Load Read, Expr.Load? Weights, double Outside, Expr.Guard? InRow, Expr.Guard? InColumn, Axis[] Planes, Axis? Row, Axis Column, Window.Taps? Down, Window.Taps Across, Buffer Sums, Loops After)
{
    /// <summary>The loop over what a task takes some of at a time: rows of windows, or windows where there is one row.</summary>
    public Axis Own => Row ?? Column;

    /// <summary>How a window moves and reaches along an axis of the map.</summary>
    /// <param name="Axis">The loop over its taps; null where it has but one.</param>
    /// <param name="Unit">Elements of memory from one place that any window reads to the next.</param>
    /// <param name="Stride">Such places from one window to the next.</param>
    /// <param name="Dilation">Such places from one tap to the next.</param>
    public sealed record Taps(Axis? Axis, Dim Unit, int Stride, int Dilation)
    {
        public int Count => (int)(Axis?.Extent.Value ?? 1);

        public int Reach => (Count - 1) * Dilation;

        /// <summary>Null where the two distances have no small ratio.</summary>
        public static Taps? Of(Axis? tap, Dim move, Index index)
        {
            if (tap is null)
                return new(null, move, 1, 0);
            for (var dilation = 1; dilation <= MostRatio; dilation++)
            {
                for (var stride = 1; stride <= MostRatio; stride++)
                {
                    if ((move * dilation).Equals(index.Stride(tap) * stride) && move.ExactQuotient(stride) is { } unit)
                        return new(tap, unit, stride, dilation);
                }
            }
            return null;
        }

        /// <summary>Whether a condition's position moves as the places do.</summary>
        public bool Follows(Expr.Guard guard, Axis axis) => guard.Index.Dynamic.Count == 0 && guard.Index.Terms.All(t => t.Axis == axis || t.Axis == Axis)
            && guard.Index.Stride(axis).Value is > 0 and var move && move % Stride == 0 && (Axis is null || guard.Index.Stride(Axis).Value == move / Stride * Dilation);
    }

    const int MostTaps = 64, MostRatio = 16;

    /// <summary>The kernel's form of a nest, or null where it is no such window.</summary>
    /// <param name="nest">The nest as it was lowered.</param>
    public static Window? Of(Step.Nest nest)
    {
        if (nest.Fold is not { Kind: Reduction.Sum or Reduction.Max or Reduction.Min, Arg: null, Result.Type: ElementType.Float32 } fold || fold.Term.Type != ElementType.Float32)
            return null;
        var (read, weights) = (fold.Term, (Expr.Load?)null);
        if (fold.Term is Expr.Apply { Operands: [Expr.Load operand, Expr.Load factor] } product && product.Function == Functions.Multiply && fold.Kind == Reduction.Sum)
            (read, weights) = (fold.Unpadded ?? operand, factor);
        (read, var guards) = Expr.Guard.Around(read);
        if (read is not Expr.Load { Buffer.Type: ElementType.Float32, Index.Dynamic.Count: 0 } source)
            return null;
        var outside = guards is [{ Outside: Expr.Number number }, ..] ? number.Value : 0;
        var taps = fold.Axes.Where(a => a.Extent.Value != 1).ToArray();
        var axes = nest.Axes.Where(a => a.Extent.Value != 1).ToArray();
        if (taps.Length is 0 or > 2 || WrittenOut(taps, weights) is not <= MostTaps || axes.Length == 0 || !taps.All(source.Axes.Contains))
            return null;
        var (column, row) = (axes[^1], axes.Length > 1 ? axes[^2] : null);
        if (source.Index.Stride(column).Value is not (> 0 and <= MostRatio))
            return null;
        // A single tap axis belongs to the rows where it leads to another.
        var last = taps.Length == 2 || guards.Any(g => g.Index.Stride(column).Value != 0 && g.Index.Stride(taps[0]).Value != 0) || source.Index.Stride(taps[^1]).Value <= MostRatio ? taps[^1] : null;
        var first = taps.Length == 2 || last is null ? taps[0] : null;
        // Without rows of windows, the rows of one are not neighbours.
        if (row is null ? first is not null : source.Index.Stride(row).Value == 0)
            return null;
        // One row of taps: each row of windows stands for itself, and may be a map of its own.
        var down = row is null ? null : Taps.Of(first, source.Index.Stride(row), source.Index);
        if (Taps.Of(last, source.Index.Stride(column), source.Index) is not { } across || (row is not null && down is null))
            return null;
        var inColumn = guards.FirstOrDefault(g => g.Index.Stride(column).Value != 0);
        var inRow = row is null ? null : guards.FirstOrDefault(g => g != inColumn && g.Index.Stride(row).Value != 0);
        if (guards.Any(g => g != inColumn && g != inRow) || (inColumn is not null && !across.Follows(inColumn, column)) || (inRow is not null && !down!.Follows(inRow, row!)))
            return null;
        // What neither overlaps nor has an edge is a reduction like others.
        if (guards.Length == 0 && taps.Length < 2 && (across.Axis is null || across.Reach < across.Stride))
            return null;
        if (weights is not null && (weights.Index.Dynamic.Count > 0 || weights.Buffer.Type != ElementType.Float32 || weights.Axes.Contains(column) || (row is not null && weights.Axes.Contains(row)) || !weights.Axes.All(a => taps.Contains(a) || source.Axes.Contains(a))))
            return null;
        var (planes, sums) = (axes[..^(row is null ? 1 : 2)], new Buffer("sums", Storage.Arena, ElementType.Float32, 1));
        var rewriting = new ExprRewriting(i => i, _ => false);
        rewriting.Replace(fold.Result, new Expr.Load(sums, row is null ? (Index)column : (Index)row * column.Extent + column));
        var after = Loops.Of(RowsPart.Restricted(nest with { Value = rewriting.Apply(nest.Value), Fold = null }, [.. planes, row ?? column]));
        return new(nest, fold, source, weights, outside, inRow, inColumn, planes, row, column, down, across, sums, after);
    }

    /// <summary>The taps that are written out: all where each has its weight, else those along one axis and then those along the other; null where a number of them is open.</summary>
    static long? WrittenOut(Axis[] taps, Expr.Load? weights) => weights is null && taps.All(a => a.Extent.IsKnown) ? taps.Sum(a => a.Extent.Value) : Dim.Product(taps.Select(a => a.Extent)).Value;
}
