namespace Softmodel.Lowering;

/// <summary>Merges neighbouring loops wherever all that they touch goes on from the end of one row to the start of the next.</summary>
static class Collapse
{
    /// <summary>The nest with as few loops as it can have.</summary>
    public static Step.Nest Axes(Step.Nest nest)
    {
        for (var i = nest.Axes.Length - 2; i >= 0; i--)
        {
            if (Merge(nest, nest.Axes[i], nest.Axes[i + 1]) is { } merged)
                nest = merged;
        }
        for (var i = (nest.Fold?.Axes.Length ?? 0) - 2; i >= 0; i--)
        {
            if (Merge(nest, nest.Fold!.Axes[i], nest.Fold.Axes[i + 1]) is { } merged)
                nest = merged;
        }
        return nest;
    }

    static Step.Nest? Merge(Step.Nest nest, Axis outer, Axis inner)
    {
        if (outer.Extent.Value == 1 || inner.Extent.Value == 1)
            return null;
        var indexes = new List<Index> { nest.At };
        var fixedAxes = new HashSet<Axis>();
        var seen = new HashSet<Expr>();
        Visit(nest.Value);
        if (nest.Fold is { } fold)
            Visit(fold.Term);
        if (fixedAxes.Contains(outer) || fixedAxes.Contains(inner) || !indexes.All(i => i.Stride(outer).Equals(i.Stride(inner) * inner.Extent)))
            return null;
        var both = new Axis(inner.Name, outer.Extent * inner.Extent);
        var rewriting = new ExprRewriting(Moved, a => a == outer || a == inner);
        Axis[] Replace(Axis[] axes) => [.. axes.Where(a => a != outer).Select(a => a == inner ? both : a)];
        Fold? newFold = null;
        if (nest.Fold is { } old)
        {
            var result = new Expr.Accumulated(old.Result.Type, Replace([.. old.Result.Axes]));
            rewriting.Replace(old.Result, result);
            newFold = old with { Axes = Replace(old.Axes), Term = rewriting.Apply(old.Term), Result = result, Unpadded = null };
        }
        return nest with { Axes = Replace(nest.Axes), At = rewriting.Apply(nest.At), Value = rewriting.Apply(nest.Value), Fold = newFold };

        void Visit(Expr e)
        {
            if (!seen.Add(e))
                return;
            switch (e)
            {
                case Expr.Load load: indexes.Add(load.Index); break;
                case Expr.Position or Expr.Folded: fixedAxes.UnionWith(e.Axes); break;
                case Expr.Guard guard: fixedAxes.UnionWith(guard.Index.Axes); break;
            }
            foreach (var operand in e.Operands)
                Visit(operand);
        }

        Index Moved(Index index)
        {
            Index moved = index.Offset;
            foreach (var (axis, stride) in index.Terms)
            {
                if (axis != outer)
                    moved += (Index)(axis == inner ? both : axis) * stride;
            }
            return moved;
        }
    }
}
