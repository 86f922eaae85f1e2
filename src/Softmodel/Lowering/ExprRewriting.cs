namespace Softmodel.Lowering;

/// <summary>Makes expressions like others, at other positions.</summary>
/// <param name="move">A position in the new expression.</param>
/// <param name="touches">Whether what depends on a loop changes at all.</param>
sealed class ExprRewriting(Func<Index, Index> move, Func<Axis, bool> touches)
{
    readonly Dictionary<Expr, Expr> done = [];

    /// <summary>Puts an expression in the place of another.</summary>
    public void Replace(Expr old, Expr with) => done[old] = with;

    /// <summary>The position at its new place, with what it reads at theirs.</summary>
    public Index Apply(Index index)
    {
        var moved = move(index);
        if (index.Dynamic.Count == 0)
            return moved;
        Index result = moved.Offset;
        foreach (var (axis, stride) in moved.Terms)
            result += (Index)axis * stride;
        foreach (var (value, stride) in index.Dynamic)
            result += Index.Of(Apply(value)) * stride;
        return result;
    }

    /// <summary>The new expression; the same one for the same one.</summary>
    public Expr Apply(Expr e)
    {
        if (!done.TryGetValue(e, out var made))
        {
            done[e] = made = !e.Axes.Any(touches) && !Accumulates(e) ? e : e switch
            {
                Expr.Load load => new Expr.Load(load.Buffer, Apply(load.Index)),
                Expr.Apply apply => new Expr.Apply(apply.Function, [.. apply.Operands.Select(Apply)]) { Format = apply.Format },
                Expr.Convert convert => new Expr.Convert(convert.Type, Apply(convert.Value)),
                Expr.Checked check => new Expr.Checked(Apply(check.Value), check.Size),
                Expr.Guard guard => Expr.Guard.Of(Apply(guard.Index), guard.Size, Apply(guard.Inside), Apply(guard.Outside)),
                Expr.Position position => new Expr.Position(Apply(position.Index)),
                Expr.Folded folded => new Expr.Folded(folded.Mode, Apply(folded.Index), folded.Size),
                _ => throw new InvalidOperationException(e.GetType().Name),
            };
        }
        return made;
    }

    static bool Accumulates(Expr e) => e is Expr.Accumulated || e.Operands.Any(Accumulates);
}
