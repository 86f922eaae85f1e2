using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// A long convolution with known weights computed by a fast algorithm along its last axis (see <see cref="ToomCookTile"/>): a block of
/// outputs at a time, whose evaluated inputs and products stay in the core's cache. A map of two axes is one long row, with what
/// lies between its rows computed and left; each row of its kernel makes channels of its own.
/// </summary>
sealed class ToomCook
{
    ToomCook(Step.Nest nest, Axis row, Axis? mapRow, Axis column, Axis[] summed, Axis tap, Expr.Load input, Expr.Load weights, ToomCookTile tile, Target target)
    {
        (Nest, Row, MapRow, Column, Summed, Input, Factor, Algorithm, Lanes) = (nest, row, mapRow, column, summed, input, weights, tile, target.Lanes);
        (Rows, Channels, Dilation) = ((int)row.Extent.Value!.Value, (int)Dim.Product(summed.Select(a => a.Extent)).Value!.Value, (int)input.Index.Stride(tap).Value!.Value);
        Shortest = Kept > 0 || Length.Value * Algorithm.Kernel >= ShortRow ? null : ShortRow / Algorithm.Kernel;
        Start = input.Index.AtStart([row, column, tap, .. summed, .. mapRow is null ? Enumerable.Empty<Axis>() : [mapRow]]);
    }

    /// <summary>The nest, with as few loops as it can have.</summary>
    public Step.Nest Nest { get; }

    /// <summary>The loop over channels of the result.</summary>
    public Axis Row { get; }

    /// <summary>The loop over rows of a map, where it has two axes.</summary>
    public Axis? MapRow { get; }

    /// <summary>The loop over elements of a row.</summary>
    public Axis Column { get; }

    /// <summary>What the sum runs over besides the taps.</summary>
    public Axis[] Summed { get; }

    /// <summary>The factor with zeros around it, and the weights.</summary>
    public Expr.Load Input { get; }

    /// <inheritdoc cref="Input"/>
    public Expr.Load Factor { get; }

    /// <summary>How tiles of a row are computed.</summary>
    public ToomCookTile Algorithm { get; }

    /// <summary>How many floats a vector holds.</summary>
    public int Lanes { get; }

    /// <summary>Channels of the result, channels times rows of the kernel, and from one tap to the next.</summary>
    public int Rows { get; }

    /// <inheritdoc cref="Rows"/>
    public int Channels { get; }

    /// <inheritdoc cref="Rows"/>
    public int Dilation { get; }

    /// <summary>Where the first element is read.</summary>
    public Index Start { get; }

    /// <summary>How many outputs a row has, with what lies between those of a map.</summary>
    public Dim Length => MapRow is null ? Column.Extent : (MapRow.Extent - 1) * Input.Index.Stride(MapRow) + Column.Extent;

    // Below these the transforms cost what they save; shorter rows leave tiles empty.
    const int LeastWork = 80, LeastChannels = 8, LongRow = 100;

    // A kernel's rows make the sums of a map longer; of more channels a block does not come near to staying in the cache, and of
    // shorter rows much lies between them.
    const int LeastWorkOfMap = 48, MostChannelsOfMap = 3072, LeastColumns = 12;

    /// <summary>The fast form of a nest, or null where it is no such convolution or would not be faster.</summary>
    public static ToomCook? Of(Step.Nest original, Target target)
    {
        var nest = Collapse.Axes(original);
        if (target.Width < 256 || nest.Fold is not { Kind: Reduction.Sum, Arg: null, Axes: [var channel, .. { Length: <= 1 } kernelRows, var tap], Term: Expr.Apply { Type: ElementType.Float32, Operands: [Expr.Load x, Expr.Load w] } product }
            || product.Function != Functions.Multiply || w.Buffer.Storage != Storage.Weight || nest.Target.Type != ElementType.Float32)
            return null;
        if (nest.Axes.Where(a => a.Extent.Value != 1).ToArray() is not [var row, .. { Length: <= 1 } lines, var column] || lines.Length < kernelRows.Length
            || row.Extent.Value is not (>= LeastChannels and <= 1024) || channel.Extent.Value is not (>= LeastChannels and <= 1024) || tap.Extent.Value is not { } taps || taps > 12
            || ToomCookTile.For((int)taps) is not { } algorithm)
            return null;
        var fits = x.Index.Stride(column).Value == 1 && x.Index.Stride(row).Value == 0 && x.Index.Stride(tap).Value is >= 1 and <= 16 && x.Index.Dynamic.Count == 0
            && w.Index.Stride(column).Value == 0 && nest.At.Stride(column).Value == 1 && Vectorization.CanVector(nest.Value, column, nest)
            && (lines is [var line] ? IsMap(line) : target.Usual.Of(column.Extent) >= LongRow);
        var saved = Math.Min(row.Extent.Value.Value, channel.Extent.Value.Value) * taps;
        // Sums of integers are exact, and what follows may round them.
        return fits && saved >= (lines.Length > 0 ? LeastWorkOfMap : LeastWork) && !AreIntegers(w.Buffer.Constant!) ? new(nest, row, lines.FirstOrDefault(), column, [channel, .. kernelRows], tap, x, w, algorithm, target) : null;

        bool IsMap(Axis line) => Dim.Product(kernelRows.Append(channel).Select(a => a.Extent)).Value <= MostChannelsOfMap && target.Usual.Of(column.Extent) >= LeastColumns
            && x.Index.Stride(row).Value == 0 && w.Index.Stride(line).Value == 0 && target.Usual.Of(line.Extent) * target.Usual.Of(column.Extent) >= LongRow
            && (x.Index.Stride(line) - column.Extent - (taps - 1) * x.Index.Stride(tap)).IsNeverNegative;
    }

    static bool AreIntegers(Tensor weights)
    {
        for (var i = 0L; i < weights.Count; i++)
        {
            if (!double.IsInteger(weights.Float(i)))
                return false;
        }
        return true;
    }

    // Taps times elements of a row: below, weights cost more to evaluate than products are saved.
    const int ShortRow = 240;

    /// <summary>Of how many outputs on it is faster than direct sums; null where it always is.</summary>
    public long? Shortest { get; private set; }

    /// <summary>The same, computed so of so many outputs on.</summary>
    public ToomCook From(long? shortest)
    {
        var made = (ToomCook)MemberwiseClone();
        made.Shortest = shortest;
        return made;
    }

    /// <summary>The weights.</summary>
    public Buffer Weights => Factor.Buffer;

    // More than these are evaluated again by each call, a panel at a time in the core's cache: reading them from memory, where
    // they are larger than the weights themselves, costs as much, and they would have to be kept there.
    // A map has many blocks, between which they stay in a cache.
    const long MostKept = 1 << 18, MostKeptOfMap = 1 << 20;

    /// <summary>How many numbers the evaluated weights are that are kept; 0 where they are evaluated by each call.</summary>
    public long Kept => Panels.Sum(p => PanelSize(p.Count)) is var size && size <= (MapRow is null ? MostKept : MostKeptOfMap) ? size : 0;

    /// <summary>The numbers of the evaluated weights of so many rows.</summary>
    public long PanelSize(int count) => Algorithm.Points * PointSize(count);

    /// <summary>Those of a point. A method that evaluates weights writes up to a vector more.</summary>
    public long PointSize(int count) => (long)Algorithm.Chunks * Channels * count + 16;

    IEnumerable<(int First, int Count)> Panels => Enumerable.Range(0, (Rows + Tile.Panel - 1) / Tile.Panel).Select(p => (p * Tile.Panel, Math.Min(Tile.Panel, Rows - p * Tile.Panel)));

    /// <summary>The buffer in which the inputs lie with zeros around them.</summary>
    public Buffer Operand => Input.Buffer;

    // Operations for an element that are worth writing the operand to memory, as blocks and parts of blocks compute it again.
    const long MostWithin = 12;

    /// <summary>
    /// The nest that computes the operand, where the kernel can compute as much of it as a block needs, a channel at a time:
    /// the loops over channels and over elements of a row.
    /// </summary>
    public (Axis Channel, Axis Element)? CanTake(Step.Nest operand)
    {
        if (Summed is not [var channel] || operand.Target != Operand || operand.Fold is not null || operand.Target.Type != ElementType.Float32 || Shortest is not null || Start.Terms.Count > 0 || Start.Offset.Value is not 0
            || operand.At.Offset.Value is not 0 || operand.At.Dynamic.Count > 0 || Cost.Of(operand) > MostWithin)
            return null;
        return operand.Axes.Where(a => a.Extent.Value != 1).ToArray() is [var by, var element] && operand.At.Stride(element).Value == 1
            && operand.At.Stride(by).Equals(Input.Index.Stride(channel)) && by.Extent.Equals(channel.Extent) ? (by, element) : null;
    }
}
