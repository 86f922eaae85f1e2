
namespace Softmodel.Lowering;

/// <summary>About how many operations something takes.</summary>
static class Cost
{
    /// <summary>Those of an element of a nest, for each term of its reduction.</summary>
    public static long Of(Step.Nest nest) => Math.Max(1, Of(nest.Value) + (nest.Fold is null ? 0 : Of(nest.Fold.Term)));

    /// <summary>Those of an expression; what stands in it twice is computed once.</summary>
    public static long Of(Expr root)
    {
        var seen = new HashSet<Expr>();
        long Visit(Expr e) => !seen.Add(e) ? 0 : (e is Expr.Apply apply ? apply.Function.Cost : 1) + e.Operands.Sum(Visit);
        return Visit(root);
    }
}
