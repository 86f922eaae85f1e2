using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>A copy with one number around it.</summary>
/// <param name="Nest">The nest, with as few loops as it can have.</param>
/// <param name="Read">What is copied.</param>
/// <param name="Planes">The loops around rows.</param>
/// <param name="Row">The loop over rows of a plane, where they lie one after the other; null where there is none.</param>
/// <param name="Column">The loop over elements of a row.</param>
/// <param name="InRow">Within which rows there is something to copy; null where in all.</param>
/// <param name="InColumn">Within which columns.</param>
/// <param name="Outside">The number around it.</param>
sealed record PaddedCopy(Step.Nest Nest, Expr.Load Read, Axis[] Planes, Axis? Row, Axis Column, Expr.Guard? InRow, Expr.Guard? InColumn, double Outside)
{
    /// <summary>The copy that a nest is; null where it is no such.</summary>
    public static PaddedCopy? Of(Step.Nest original)
    {
        var nest = Collapse.Axes(original);
        if (nest is not { Fold: null, Target.Type: ElementType.Float32 } || nest.At.Dynamic.Count > 0 || Expr.Guard.Around(nest.Value) is not (Expr.Load { Buffer.Type: ElementType.Float32, Index.Dynamic.Count: 0 } source, { Length: 1 or 2 } guards))
            return null;
        var axes = nest.Axes.Where(a => a.Extent.Value != 1).ToArray();
        if (axes is not [.., var column] || nest.At.Stride(column).Value != 1 || source.Index.Stride(column).Value != 1)
            return null;
        var row = axes.Length > 1 && nest.At.Stride(axes[^2]).Equals(column.Extent) ? axes[^2] : null;
        bool Follows(Expr.Guard guard, Axis axis) => guard.Index.Dynamic.Count == 0 && guard.Index.Terms.All(t => t.Axis == axis) && guard.Index.Stride(axis).Value > 0;
        var inColumn = guards.FirstOrDefault(g => Follows(g, column));
        var inRow = row is null ? null : guards.FirstOrDefault(g => Follows(g, row));
        return guards.Any(g => g != inColumn && g != inRow) ? null
            : new(nest, source, [.. axes.Where(a => a != row && a != column)], row, column, inRow, inColumn, ((Expr.Number)guards[0].Outside).Value);
    }
}
