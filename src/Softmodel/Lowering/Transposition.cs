using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>A copy whose rows lie along the columns of what it copies.</summary>
/// <param name="Nest">The nest, with as few loops as it can have.</param>
/// <param name="Read">What is copied.</param>
/// <param name="Around">The loops around both.</param>
/// <param name="Row">The loop over rows of the copy.</param>
/// <param name="Column">The loop over their elements.</param>
sealed record Transposition(Step.Nest Nest, Expr.Load Read, Axis[] Around, Axis Row, Axis Column)
{
    // Fewer rows or columns are no square.
    const int Least = 4;

    /// <summary>The copy that a nest is; null where it is no such.</summary>
    public static Transposition? Of(Step.Nest original)
    {
        var nest = Collapse.Axes(original);
        if (nest is not { Fold: null, Target.Type: ElementType.Float32, Value: Expr.Load { Buffer.Type: ElementType.Float32, Index.Dynamic.Count: 0 } load } || nest.At.Dynamic.Count > 0)
            return null;
        var axes = nest.Axes.Where(a => a.Extent.Value != 1).ToArray();
        var column = axes.FirstOrDefault(a => nest.At.Stride(a).Value == 1 && load.Index.Stride(a).Value is not (0 or 1));
        var row = axes.FirstOrDefault(a => load.Index.Stride(a).Value == 1 && nest.At.Stride(a).Value is not (0 or 1));
        return column is null || row is null || column.Extent.Value < Least || row.Extent.Value < Least ? null
            : new(nest, load, [.. axes.Where(a => a != row && a != column)], row, column);
    }
}
