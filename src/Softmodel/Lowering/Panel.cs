using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// A contraction of which one factor is computed from constants alone, such as weights that are stored in a few bits,
/// and lies along the columns of the result. Its constants are laid out in panels: for each panel of columns and each term of the
/// sum, the numbers of the columns side by side, so that a run reads them once and in order. For a few rows a panel's numbers
/// are used as soon as they are decoded; for many, some panels are decoded to memory first and used for all rows.
/// </summary>
sealed class Panel
{
    /// <summary>How many columns lie side by side: a vector of 512 bits, two of 256.</summary>
    public const int Columns = 16;

    /// <summary>How many numbers a table has of which one is chosen by four bits.</summary>
    public const int Chosen = 16;

    // Loops of a few iterations that choose among numbers are written out.
    const int MostUnrolled = 8;

    readonly Dictionary<Buffer, Buffer> panels = [];

    Panel(Step.Nest nest, Axis column, Axis? row, Expr.Load read, Expr decoded, Target target, SmallMap? map = null)
    {
        (Nest, Column, Row, Read, Decoded, Lanes, Map) = (nest, column, row, read, decoded, target.Lanes, map);
        Natural = nest.Fold!.Axes;
        // What chooses among a few constants that are the same for all columns, such as by how many bits to shift.
        Unrolled = Few([.. Vectorization.Of(decoded).OfType<Expr.Load>().Where(l => !l.Axes.Contains(column) && l.Buffer.Count.Value <= MostUnrolled).SelectMany(l => l.Axes).Distinct().Where(a => a.Extent.Value <= MostUnrolled)]);
        // Innermost, so that what is read is read once for all of them.
        Folds = [.. Natural.Where(a => !Unrolled.Contains(a)), .. Natural.Where(Unrolled.Contains)];
        Inner = Folds.LastOrDefault(a => !Unrolled.Contains(a));
        Scaled = Parts(decoded);
    }

    /// <summary>The nest, with as few loops as it can have.</summary>
    public Step.Nest Nest { get; }

    /// <summary>The loop over columns.</summary>
    public Axis Column { get; }

    /// <summary>The loop over rows; null where there is one.</summary>
    public Axis? Row { get; }

    /// <summary>The factor that is not constant.</summary>
    public Expr.Load Read { get; }

    /// <summary>The other, as it is computed from constants.</summary>
    public Expr Decoded { get; }

    /// <summary>The map of few pixels whose columns are gathered; null where there is none.</summary>
    public SmallMap? Map { get; }

    /// <summary>How many floats a vector holds.</summary>
    public int Lanes { get; }

    /// <summary>The loops of the sum, as the nest has them and as they run.</summary>
    public Axis[] Natural { get; }

    /// <inheritdoc cref="Natural"/>
    public Axis[] Folds { get; }

    /// <summary>The loops that are written out.</summary>
    public IReadOnlySet<Axis> Unrolled { get; }

    /// <summary>The innermost loop that is not.</summary>
    public Axis? Inner { get; }

    /// <summary>What is decoded as codes times a factor plus a summand, neither of which the innermost loops change; null where its format has none.</summary>
    public (Expr Code, Expr Factor, Expr? Summand)? Scaled { get; }

    /// <summary>Whether the factors are 16-bit integers, whose panels have two terms of the sum side by side.</summary>
    public bool HasPairs { get; private init; }

    /// <summary>How many panels are taken at once: one vector of sums to a row leaves the multiplier waiting for the rows' numbers.</summary>
    public int Together => HasPairs && Lanes == Columns && IsWhole && Count % 2 == 0 ? 2 : 1;

    /// <summary>How many terms the sum has.</summary>
    public long Depth => Folds.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);

    /// <summary>How many panels there are.</summary>
    public long Count => (Column.Extent.Value!.Value + Columns - 1) / Columns;

    /// <summary>Whether the last of them is full.</summary>
    public bool IsWhole => Column.Extent.Value!.Value % Columns == 0;

    /// <summary>The constants in panels, once they are laid out.</summary>
    public IReadOnlyDictionary<Buffer, Buffer> Laid => panels;

    /// <summary>The shortest of some loops, as many as together have few iterations.</summary>
    static HashSet<Axis> Few(Axis[] axes)
    {
        var all = 1L;
        return [.. axes.OrderBy(a => a.Extent.Value).TakeWhile(a => (all *= a.Extent.Value!.Value) <= MostUnrolled)];
    }

    (Expr Code, Expr Factor, Expr? Summand)? Parts(Expr decoded)
    {
        if (decoded is not Expr.Apply { Format.IsScaled: true } last)
            return null;
        var (product, summand) = last.Function == Functions.Plus ? ((Expr.Apply)last.Operands[0], last.Operands[1]) : (last, null);
        var (code, factor) = (product.Operands[0], product.Operands[1]);
        var outer = factor.Axes.Concat(summand?.Axes ?? Enumerable.Empty<Axis>()).Where(a => a != Column).ToHashSet();
        return Folds.Any(a => !outer.Contains(a) && !Unrolled.Contains(a)) && !Unrolled.Any(outer.Contains) ? (code, factor, summand) : null;
    }

    /// <summary>The kernel of a nest, or null where it is not such a sum.</summary>
    public static Panel? Of(Step.Nest original, Target target)
    {
        var nest = Collapse.Axes(original);
        if (Whole(nest, target) is { } whole)
            return whole;
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null } fold || nest.Target.Type != ElementType.Float32 || fold.Axes.Length == 0
            || fold.Term is not Expr.Apply { Type: ElementType.Float32, Operands: [var a, var b] } product || product.Function != Functions.Multiply)
            return null;
        foreach (var (read, decoded) in new[] { (a, b), (b, a) })
        {
            if (read is not Expr.Load { Buffer: { Storage: not Storage.Weight, Type: ElementType.Float32 }, Index.Dynamic.Count: 0 } load || !IsDecoded(decoded))
                continue;
            var columns = nest.Axes.Where(x => x.Extent.Value > 1 && decoded.Axes.Contains(x) && !load.Axes.Contains(x)).ToArray();
            var rows = nest.Axes.Where(x => x.Extent.Value != 1 && !columns.Contains(x)).ToArray();
            if (columns is not [var column] || rows.Length > 1 || !fold.Axes.All(x => x.Extent.IsKnown) || !decoded.Axes.All(x => x == column || fold.Axes.Contains(x))
                || nest.At.Dynamic.Count > 0 || (rows is [var row] && decoded.Axes.Contains(row)) || !Vectorization.CanVector(nest.Value, column, nest) || column.Extent.Value < Columns / 2
                || !(nest.At.Stride(column).Value == 1 || (rows is [var pixels] && decoded is Expr.Load { Buffer.Type: ElementType.Float32 } && SmallMap.IsFew(pixels.Extent, column))))
                continue;
            return new(nest, column, rows.FirstOrDefault(), load, decoded, target);
        }
        return SmallMap.Of(original) is var (gathered, channel, pixel, small) && Vectorization.CanVector(gathered.Value, channel, gathered)
            ? new(gathered, channel, pixel, small.Gathered, small.Weights, target, small) : null;
    }

    /// <summary>The kernel of a contraction of 16-bit integers that becomes a float as it is stored; null where it is no such sum.</summary>
    static Panel? Whole(Step.Nest nest, Target target)
    {
        static Expr.Load? Widened(Expr e) => e is Expr.Convert { Type: ElementType.Int32, Value: Expr.Load { Buffer.Type: ElementType.Int16, Index.Dynamic.Count: 0 } load } ? load : null;
        if (nest is not { Target.Type: ElementType.Float32, Fold: { Kind: Reduction.Sum, Arg: null, Axes: [{ Extent.Value: > 0 } depth], Term: Expr.Apply { Type: ElementType.Int32, Operands: [var a, var b] } product } fold }
            || product.Function != Functions.Multiply || depth.Extent.Value % 2 != 0)
            return null;
        var real = Vectorization.Of(nest.Value).OfType<Expr.Convert>().Where(c => c.Type == ElementType.Float32 && c.Value == fold.Result).ToArray();
        if (real is not [var sum])
            return null;
        // The kernel's sums are stored as floats.
        var result = new Expr.Accumulated(ElementType.Float32, fold.Result.Axes);
        var rewriting = new ExprRewriting(i => i, _ => false);
        rewriting.Replace(sum, result);
        var stored = nest with { Value = rewriting.Apply(nest.Value), Fold = fold with { Result = result } };
        if (Vectorization.Of(stored.Value).Contains(fold.Result))
            return null;
        foreach (var (x, w) in new[] { (a, b), (b, a) })
        {
            if (Widened(x) is not { Buffer.Storage: not Storage.Weight } read || Widened(w) is not { Buffer.Storage: Storage.Weight } weights || read.Index.Stride(depth).Value != 1 || !weights.Axes.Contains(depth))
                continue;
            var columns = nest.Axes.Where(i => nest.At.Stride(i).Value == 1 && i.Extent.Value >= Columns && weights.Axes.Contains(i) && !read.Axes.Contains(i)).ToArray();
            var rows = nest.Axes.Where(i => i.Extent.Value != 1 && !columns.Contains(i)).ToArray();
            if (columns is not [var column] || rows.Length > 1 || nest.At.Dynamic.Count > 0 || !weights.Axes.All(i => i == column || i == depth) || !weights.Index.Terms.All(t => t.Stride.IsKnown)
                || !Vectorization.CanVector(stored.Value, column, stored with { Fold = null }))
                continue;
            return new(stored, column, rows.FirstOrDefault(), read, weights, target) { HasPairs = true };
        }
        return null;
    }

    /// <summary>Whether an expression is computed from constants alone, and in vectors along what lies side by side in them.</summary>
    static bool IsDecoded(Expr e) => e switch
    {
        Expr.Number => true,
        Expr.Load load when LookedUp(load) is { } row => load.Index.Terms.All(t => t.Stride.IsKnown) && IsDecoded(row.Value),
        Expr.Load load => load.Buffer.Storage == Storage.Weight && load.Index.Dynamic.Count == 0 && load.Index.Terms.All(t => t.Stride.IsKnown && t.Axis.Extent.IsKnown)
            && load.Buffer.Type is ElementType.Float32 or ElementType.Float16 or ElementType.BFloat16 or ElementType.UInt8 or ElementType.Int8 or ElementType.UInt32,
        Expr.Convert convert => (convert.Type == ElementType.Float32 || (convert.Type == ElementType.UInt32 && convert.Value.Type == ElementType.UInt8)) && IsDecoded(convert.Value),
        Expr.Apply apply => apply.Type != ElementType.Bool && Vectorization.HasVector(apply.Function, apply.Type) && apply.Operands.All(IsDecoded),
        _ => false,
    };

    /// <summary>
    /// What chooses a row of a small constant table, and how far rows are apart: a byte where there is a row for each, or four bits
    /// where there are 16 floats. Null for other loads.
    /// </summary>
    public static (Expr Value, Dim Stride)? LookedUp(Expr.Load load) => load is { Buffer: { Storage: Storage.Weight, Constant: not null } table, Index.Dynamic: [(Expr.Checked { Value: Expr.Convert { Value: var value } } at, { IsKnown: true } stride)] }
        && (table.Type, value) switch
        {
            (ElementType.UInt8 or ElementType.UInt32, { Type: ElementType.UInt8 }) => at.Size.Value >= 256,
            (ElementType.Float32, Expr.Apply { Type: ElementType.UInt32, Operands: [_, Expr.Number { Whole: Chosen - 1 }] } bits) => bits.Function == Functions.BitAnd && table.Count.Value == Chosen && stride.Value == 1,
            _ => false,
        } ? (value, stride) : null;

    IEnumerable<Expr.Load> Packed => Vectorization.Of(Decoded).OfType<Expr.Load>().Where(l => l.Axes.Contains(Column) && l.Index.Dynamic.Count == 0);

    /// <summary>The constants that are laid out in panels.</summary>
    public IEnumerable<Buffer> Constants => Packed.Select(l => l.Buffer).Distinct();

    /// <summary>Where an element that another kernel reads of a constant lies in the panels; null where it is not of a row that is chosen as it runs.</summary>
    public Index? Picked(Expr.Load other)
    {
        if (HasPairs || Packed.Where(l => l.Buffer == other.Buffer).ToArray() is not [var load] || other.Index.Dynamic is not [(var row, var stride)]
            || !stride.Equals(load.Index.Stride(Column)) || !other.Index.Offset.Equals(load.Index.Offset) || row.Type != ElementType.Int64)
            return null;
        var (own, within, size) = (Own(load).ToList(), Index.Zero, (long)Columns);
        var places = new Dictionary<Axis, long>();
        foreach (var axis in Enumerable.Reverse(own))
        {
            places[axis] = size;
            size *= axis.Extent.Value!.Value;
        }
        foreach (var (axis, step) in other.Index.Terms)
        {
            if (own.Find(a => a.Extent.Equals(axis.Extent) && load.Index.Stride(a).Equals(step)) is not { } same)
                return null;
            own.Remove(same);
            within += (Index)axis * (Dim)places[same];
        }
        // Another reads only the first of what it does not run over.
        return TiedWeights.Row(row, within, size);
    }

    /// <summary>
    /// Lays the constants out in panels: the new buffers for the old. Those that others read as they are get a name of their own.
    /// </summary>
    /// <param name="isShared">Whether others read a constant.</param>
    /// <param name="number">A number that no other sum has.</param>
    public IReadOnlyDictionary<Buffer, Buffer> Pack(Func<Buffer, bool> isShared, int number)
    {
        foreach (var load in Packed)
        {
            if (panels.ContainsKey(load.Buffer))
                continue;
            // A constant of 16-bit floats may be read as one of 32, which it becomes when a model is loaded.
            var (tensor, type) = (load.Buffer.Constant!, load.Buffer.Type);
            // What 16 bits hold for the zero point's sake often fits 8, and is widened as it is read.
            if (HasPairs && tensor.Values<short>() is var whole && !whole.ContainsAnyExceptInRange<short>(sbyte.MinValue, sbyte.MaxValue))
                (tensor, type) = (Tensor.Of<sbyte>([.. whole.ToArray().Select(n => (sbyte)n)], tensor.Dims), ElementType.Int8);
            var (size, own) = (tensor.Type.Size(), Own(load));
            var (count, stride) = (Column.Extent.Value!.Value, load.Index.Stride(Column).Value!.Value);
            var depth = own.Aggregate(1L, (n, a) => n * a.Extent.Value!.Value);
            var to = new byte[Count * Columns * depth * size];
            var from = tensor.Bytes.Span;
            var at = 0;
            var terms = Tile.Positions(own, load.Index);
            for (long panel = 0; panel < count; panel += Columns)
            {
                foreach (var side in HasPairs ? terms.Chunk(2) : terms.Chunk(1))
                {
                    for (var c = panel; c < panel + Columns; c++)
                    {
                        foreach (var term in side)
                        {
                            if (c < count)
                                from.Slice(checked((int)((load.Index.Offset.Value!.Value + term + c * stride) * size)), size).CopyTo(to.AsSpan(at));
                            at += size;
                        }
                    }
                }
            }
            panels[load.Buffer] = new(isShared(load.Buffer) ? $"{load.Buffer.Name}_panels{number}" : load.Buffer.Name, Storage.Weight, type, to.Length / size)
            {
                Constant = new Tensor(tensor.Type, [to.Length / size], to),
            };
        }
        return panels;
    }

    /// <summary>The loops of a constant, besides that over columns, in the order in which they run.</summary>
    public Axis[] Own(Expr.Load load) => [.. Folds.Where(load.Axes.Contains)];
}
