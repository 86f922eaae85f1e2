using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// The columns of a convolution as a register tile wants them (im2col, a block at a time): those of all rows of a map one after
/// the other, so that small maps fill vectors too, side by side whatever the stride, and zeros where they lie outside. A kernel
/// gathers a block of them in the thread's scratch, and multiplies it with all rows of the weights.
/// </summary>
sealed class ColumnGather
{
    ColumnGather(Expr.Load read, Expr.Guard[] guards, Axis[] columns, Axis[] folds, long depth)
    {
        (Read, Guards, Columns, Folds, Depth) = (read, guards, columns, folds, depth);
        Outermost = folds.Length > 0 ? folds[0].Extent.Value!.Value : 1;
        // A panel that is used for one tile only is read once whatever its size.
        var parts = depth <= MostHeld || Dim.Product(columns.Select(c => c.Extent)).Value <= FewColumns ? 1 : (Outermost - 1) / Math.Max(1, MostHeld / Inner) + 1;
        Part = (Outermost + parts - 1) / parts;
        Within = new($"{read.Buffer.Name}_within", Storage.Arena, ElementType.Float32, depth);
    }

    /// <summary>What is gathered, and the conditions under which it is there: elsewhere are zeros.</summary>
    public Expr.Load Read { get; }

    /// <inheritdoc cref="Read"/>
    public Expr.Guard[] Guards { get; }

    /// <summary>The loops over columns, one or two, and those of the sum.</summary>
    public Axis[] Columns { get; }

    /// <inheritdoc cref="Columns"/>
    public Axis[] Folds { get; }

    /// <summary>How many terms the sum has.</summary>
    public long Depth { get; }

    /// <summary>The iterations of the sum's outermost loop.</summary>
    public long Outermost { get; }

    /// <summary>The terms of one of them.</summary>
    public long Inner => Depth / Outermost;

    /// <summary>How many of them are gathered at a time: so many terms of a tile of columns stay in a core's level 1 cache, beside a panel of weights that passes by.</summary>
    public long Part { get; }

    /// <summary>How many terms are gathered at a time.</summary>
    public long Held => Part * Inner;

    /// <summary>Whether the sum is taken in parts.</summary>
    public bool IsParted => Part < Outermost;

    /// <summary>What stands for the thread's scratch.</summary>
    public Buffer Within { get; }

    /// <summary>The buffer that is gathered from.</summary>
    public Buffer Source => Read.Buffer;

    /// <summary>Whether what is gathered depends on a loop.</summary>
    public bool Reads(Axis axis) => Read.Axes.Contains(axis) || Guards.Any(g => g.Index.Axes.Contains(axis));

    /// <summary>The loops of the sum that are channels and not taps.</summary>
    public long Channels => Folds.Where(a => !Guards.Any(g => g.Index.Axes.Contains(a))).Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);

    // In floats: what of a core's level 2 cache a block takes; and terms of a part.
    const int Cache = 1 << 15, MostHeld = 192, FewColumns = 16;

    /// <summary>Columns of a block: whole tiles, and at least two, so that a panel of weights is used more than once.</summary>
    /// <param name="step">The columns of a tile.</param>
    public long Block(long step) => Math.Max(2, Cache / Held / step) * step;

    /// <summary>From one term to the next, for tiles of so many columns.</summary>
    // A block and a tile that begins before it, an odd number of cache lines, so that terms fall into different sets.
    public long Pitch(long step) => (Block(step) + step + 15) / 16 * 16 | 16;

    /// <summary>The nest with its columns gathered, its loops over them merged, and that loop; null where it can't be.</summary>
    /// <param name="nest">A nest as it was lowered.</param>
    /// <param name="lanes">Numbers in a vector.</param>
    public static (Step.Nest Nest, Axis Column, ColumnGather Gather)? Of(Step.Nest nest, int lanes)
    {
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null } fold || nest.Target.Type is not (ElementType.Float32 or ElementType.Int32)
            || fold.Term is not Expr.Apply { Type: ElementType.Float32, Operands: [Expr.Load operand, Expr.Load weights] } product || product.Function != Functions.Multiply
            || weights.Index.Dynamic.Count > 0)
            return null;
        var (read, guards) = Expr.Guard.Around(fold.Unpadded ?? operand);
        if (read is not Expr.Load { Index.Dynamic.Count: 0, Buffer.Type: ElementType.Float32 } source || guards.Any(g => g is not { Outside: Expr.Number { Value: 0 }, Index.Dynamic.Count: 0 }))
            return null;
        var folds = fold.Axes.Where(a => a.Extent.Value != 1).ToArray();
        var axes = nest.Axes.Where(a => a.Extent.Value != 1).ToArray();
        if (Dim.Product(folds.Select(a => a.Extent)).Value is not (> 0 and <= 1 << 20 and var depth))
            return null;
        // As many of the innermost loops as lie one after the other in the result.
        for (var count = Math.Min(2, axes.Length); count > 0; count--)
        {
            var columns = axes[^count..];
            var strides = columns.Select(source.Index.Stride).ToArray();
            if (columns.Any(weights.Axes.Contains) || strides.Any(s => s.Value is <= 0) || guards.Any(g => g.Index.Terms.Count(t => columns.Contains(t.Axis)) > 1 || g.Index.Terms.Any(t => columns.Contains(t.Axis) && t.Stride.Value is not > 0))
                || columns.Any(c => guards.Count(g => g.Index.Stride(c).Value != 0) > 1))
                continue;
            var gather = new ColumnGather(source, guards, columns, folds, depth);
            var index = Index.Zero;
            var size = (Dim)gather.Pitch(lanes);
            foreach (var axis in folds.Reverse())
                (index, size) = (index + (Index)axis * size, size * axis.Extent);
            var stride = Dim.One;
            foreach (var axis in columns.Reverse())
                (index, stride) = (index + (Index)axis * stride, stride * axis.Extent);
            var load = new Expr.Load(gather.Within, index);
            var gathered = Collapse.Axes(nest with { Fold = fold with { Term = new Expr.Apply(product.Function, [load, weights]), Unpadded = null } });
            var column = gathered.Axes.FirstOrDefault(a => a.Name == columns[^1].Name);
            if (column is not null && column.Extent.Equals(stride) && axes[..^count].All(gathered.Axes.Contains) && gathered.At.Stride(column).Value == 1)
                return (gathered, column, gather);
        }
        return null;
    }

    /// <summary>The load of what was gathered, with as much room for a term as a block of whole tiles needs.</summary>
    public Expr.Load Spread(Expr.Load load, Axis column, int lanes, int step)
    {
        var (made, wanted) = (Pitch(lanes), Pitch(step));
        var index = (Index)column;
        foreach (var (axis, stride) in load.Index.Terms.Where(t => t.Axis != column))
            index += (Index)axis * (stride.Value!.Value / made * wanted);
        return new(load.Buffer, index);
    }
}
