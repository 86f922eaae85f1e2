using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>What a kernel of fused rows computes, one after the other, for the rows of a task.</summary>
/// <param name="Nest">A nest, for those rows.</param>
/// <param name="Loops">Its loops; null where it has a register tile.</param>
/// <param name="Then">The reduction of what it writes that is computed on the way, in the same loop; null for none.</param>
/// <param name="Tile">Its register tile; null where it has none.</param>
sealed record RowsPart(Step.Nest Nest, Loops? Loops, Loops? Then, Tile? Tile)
{
    /// <summary>The variables of such a kernel: where its rows begin, how many there are, and, with a number each, the loops around them.</summary>
    public const string Outer = "row__", From = $"{Outer}from", Count = $"{Outer}count";

    /// <summary>The nest for some iterations of the loops in common, which begin where local variables say.</summary>
    public static Step.Nest Restricted(Step.Nest nest, Axis[] rows)
    {
        var block = new Axis("i_own", Dim.Variable(Count));
        Index Move(Index index)
        {
            Index moved = index.Offset;
            foreach (var (axis, stride) in index.Terms)
            {
                var at = Array.IndexOf(rows, axis);
                moved += (at < 0 ? axis : Place(at)) * stride;
            }
            return moved;
        }
        Index Place(int row) => row == rows.Length - 1 ? (Index)block + (Index)Dim.Variable(From) : (Index)Dim.Variable($"{Outer}{row}");
        Axis[] Own(IEnumerable<Axis> axes) => [.. axes.Where(a => a == rows[^1] || !rows.Contains(a)).Select(a => a == rows[^1] ? block : a)];
        var rewriting = new ExprRewriting(Move, a => rows.Contains(a));
        Fold? fold = null;
        if (nest.Fold is { } old)
        {
            var result = new Expr.Accumulated(old.Result.Type, Own(old.Result.Axes));
            rewriting.Replace(old.Result, result);
            fold = old with { Term = rewriting.Apply(old.Term), Result = result };
        }
        return nest with { Axes = Own(nest.Axes), At = rewriting.Apply(nest.At), Value = rewriting.Apply(nest.Value), Fold = fold };
    }
}

/// <summary>Nests that are computed together, and how.</summary>
/// <param name="Fused">The nests; those that are tied read panels.</param>
/// <param name="Parts">What is computed one after the other.</param>
sealed record FusedRows(Step.Fused Fused, IReadOnlyList<RowsPart> Parts)
{
    /// <summary>The parts of fused nests.</summary>
    /// <param name="fused">The nests; those that are tied read panels.</param>
    /// <param name="target">What tiles are chosen for.</param>
    public static FusedRows Of(Step.Fused fused, Target target)
    {
        var members = fused.Members.Select(m => RowsPart.Restricted(m, fused.Rows)).ToArray();
        var parts = new List<RowsPart>();
        for (var i = 0; i < members.Length; i++)
        {
            var (nest, tile) = (members[i], Tile.Of(members[i], target));
            var loops = tile is null ? Loops.Of(nest) : null;
            var reduction = loops is not null && i + 1 < members.Length && IsOnTheWay(loops, members[i + 1]) ? members[++i] : null;
            parts.Add(new(nest, loops, reduction is null ? null : Loops.Of(reduction), tile));
        }
        return new(fused, parts);
    }

    /// <summary>Whether a reduction takes the rows that a nest writes in vectors, one after the other.</summary>
    public static bool IsOnTheWay(Loops loops, Step.Nest reduction)
    {
        var nest = loops.Nest;
        if (nest.Fold is not null || nest.Target.Type != ElementType.Float32 || reduction.Fold is not { Arg: null, Kind: Reduction.Sum or Reduction.Max or Reduction.Min, Axes: [var along], Term: Expr.Load read } || read.Buffer != nest.Target)
            return false;
        return loops is { IsVector: true, Inner: { } inner } && nest.Axes.Where(a => a != inner && a.Extent.Value != 1).ToArray() is [var row] && reduction.Axes.Where(a => a.Extent.Value != 1).ToArray() is [var own]
            && own.Name == row.Name && own.Extent.Equals(row.Extent) && along.Extent.Equals(inner.Extent) && read.Index.Offset.Equals(nest.At.Offset) && read.Index.Terms.Count == nest.At.Terms.Count
            && read.Index.Stride(own).Equals(nest.At.Stride(row)) && read.Index.Stride(along).Value == 1 && nest.At.Stride(inner).Value == 1;
    }
}
