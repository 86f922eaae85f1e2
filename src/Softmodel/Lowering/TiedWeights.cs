using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// Weights of which one kernel multiplies with all rows and others pick some, such as embeddings that are the last matrix of a
/// language model, too: they are stored once, in the panels of the product, and rows are picked from there.
/// </summary>
static class TiedWeights
{
    /// <summary>A nest that reads a weight where it lies in panels; null where it reads more of it than rows that are chosen as it runs.</summary>
    /// <param name="nest">The nest.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="panel">The product.</param>
    public static Step.Nest? InPanels(Step.Nest nest, Buffer weight, Panel panel)
    {
        var rewriting = new ExprRewriting(i => i, _ => true);
        var loads = Vectorization.Of(nest.Value).Concat(nest.Fold is null ? [] : Vectorization.Of(nest.Fold.Term)).OfType<Expr.Load>().Where(l => l.Buffer == weight).Distinct().ToArray();
        foreach (var load in loads)
        {
            if (panel.Picked(load) is not { } at)
                return null;
            rewriting.Replace(load, new Expr.Load(weight, at));
        }
        if (loads.Length == 0)
            return null;
        if (nest.Fold is not { } fold)
            return nest with { Value = rewriting.Apply(nest.Value) };
        rewriting.Replace(fold.Result, fold.Result);
        return nest with { Value = rewriting.Apply(nest.Value), Fold = fold with { Term = rewriting.Apply(fold.Term), Unpadded = null } };
    }

    /// <summary>A position of a row that is chosen as it runs, in panels of so many rows.</summary>
    /// <param name="row">The number of the row.</param>
    /// <param name="within">What is read of the row, as it lies in a panel.</param>
    /// <param name="panel">How many elements a panel has.</param>
    public static Index Row(Expr row, Index within, long panel)
    {
        var number = new Expr.Apply(Functions.Divide, [row, new Expr.Number(ElementType.Int64, Panel.Columns, Panel.Columns)]);
        return within + Index.Of(row) + Index.Of(number) * (Dim)(panel - Panel.Columns);
    }
}
