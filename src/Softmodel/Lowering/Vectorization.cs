using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>Which loop of a nest runs over vectors.</summary>
static class Vectorization
{
    /// <summary>The loop that is written innermost, and whether it takes vectors.</summary>
    public static (Axis? Axis, bool IsVector) Choose(Step.Nest nest)
    {
        var (side, sum) = Possible(nest);
        var loads = Of(nest.Fold?.Term ?? nest.Value).OfType<Expr.Load>().ToArray();
        if (sum is not null && (side is null || Score(loads, sum) > Score(loads, side)))
            return (sum, true);
        return side is not null ? (side, true) : (nest.Axes.LastOrDefault(a => a.Extent.Value != 1), false);
    }

    /// <summary>The loops that can take vectors: that over elements side by side in the result, and that over what is combined; null where it can't.</summary>
    public static (Axis? Side, Axis? Sum) Possible(Step.Nest nest)
    {
        var exprs = new HashSet<Expr>();
        Collect(nest.Value, exprs);
        if (nest.Fold is { } fold)
            Collect(fold.Term, exprs);
        var side = nest.Axes.LastOrDefault(a => a.Extent.Value != 1 && nest.At.Stride(a).Value == 1);
        var sum = nest.Fold is { Arg: null } ? nest.Fold.Axes.LastOrDefault(a => a.Extent.Value != 1) : null;
        var canSide = side is not null && nest.Fold?.Arg is null && CanVector(exprs, side, nest, foldsIt: false);
        var canSum = sum is not null && nest.Fold!.Term.Type == ElementType.Float32 && CanVector(Of(nest.Fold!.Term), sum, nest, foldsIt: true);
        return (canSide ? side : null, canSum ? sum : null);
    }

    /// <summary>Whether an expression over a reduction's result can be computed in vectors along a loop.</summary>
    public static bool CanVector(Expr e, Axis axis, Step.Nest nest) => CanVector(Of(e), axis, nest, foldsIt: false)
        && !Of(e).OfType<Expr.Guard>().Any(g => g.Index.Axes.Contains(axis));

    /// <summary>Whether a function can be computed in vectors of such elements; bytes lie in 32 bits each.</summary>
    public static bool HasVector(Function function, ElementType type) => type switch
    {
        ElementType.Float32 or ElementType.Bool => function.Result != FunctionResult.Bits,
        ElementType.Int32 => function.Name is "add" or "subtract" or "multiply" or "negate" or "maximum" or "minimum",
        ElementType.UInt8 or ElementType.UInt32 => function.Name is "bit_and" or "bit_or" or "bit_xor" or "shift_right" or "shift_left" or "add" or "multiply",
        _ => false,
    };

    /// <summary>An expression and all within it.</summary>
    public static HashSet<Expr> Of(Expr e)
    {
        var all = new HashSet<Expr>();
        Collect(e, all);
        return all;
    }

    static int Score(Expr.Load[] loads, Axis axis) => loads.Sum(l => l.Index.Stride(axis).Value switch { 1 => 2, 0 => 1, _ => -2 })
        + (axis.Extent.Value is < 8 ? -4 : 0);

    static void Collect(Expr e, HashSet<Expr> into)
    {
        if (!into.Add(e))
            return;
        foreach (var operand in e.Operands)
            Collect(operand, into);
    }

    static bool CanVector(HashSet<Expr> exprs, Axis axis, Step.Nest nest, bool foldsIt)
    {
        // Real numbers may become whole ones as they are stored.
        var stored = nest is { Target.Type: ElementType.Int16, Value: Expr.Convert { Value.Type: ElementType.Float32 }, Fold: null } ? nest.Value : null;
        if ((nest.Target.Type is not (ElementType.Float32 or ElementType.Bool or ElementType.Int32) && stored is null) || (nest.Fold is { } fold && fold.Term.Type != ElementType.Float32))
            return false;
        foreach (var e in exprs)
        {
            if (e is Expr.Accumulated)
            {
                if (e.Type is not ElementType.Float32)
                    return false;
                continue;
            }
            if (!e.Axes.Contains(axis) || e == stored)
                continue;
            if (e.Type is not (ElementType.Float32 or ElementType.Bool or ElementType.Int32))
                return false;
            var fits = e switch
            {
                Expr.Load { Type: ElementType.Int32 } load => load.Index.Dynamic.Count == 0 && load.Index.Stride(axis).Value == 1,
                Expr.Apply { Type: ElementType.Int32 } apply => HasVector(apply.Function, ElementType.Int32) && apply.Operands.All(o => o.Type == ElementType.Int32),
                Expr.Convert { Type: ElementType.Int32 } convert => convert.Value.Type == ElementType.Float32,
                Expr.Convert { Type: ElementType.Float32, Value.Type: ElementType.Int32 } => true,
                { Type: ElementType.Int32 } => false,
                Expr.Load load => load.Index.Dynamic.All(d => !d.Value.Axes.Contains(axis)),
                Expr.Apply apply => HasVector(apply.Function, ElementType.Float32) && apply.Operands.All(o => o.Type is ElementType.Float32 or ElementType.Bool)
                    && (apply.Function != Functions.Select || apply.Operands[1].Type == ElementType.Float32),
                Expr.Convert convert => convert.Value.Type is ElementType.Float32 or ElementType.Bool,
                Expr.Guard guard => !guard.Index.Axes.Contains(axis)
                    || (!foldsIt && guard.Index.Dynamic.Count == 0 && guard.Index.Stride(axis).Value == 1 && guard.Index.Axes.All(a => nest.Axes.Contains(a))),
                _ => false,
            };
            if (!fits)
                return false;
        }
        return true;
    }
}
