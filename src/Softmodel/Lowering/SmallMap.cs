using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// A convolution of a map of few pixels, with vectors along its channels, as the pixels do not fill any: a task gathers what all
/// pixels are multiplied with (im2col), and multiplies it with its panels of the weights.
/// </summary>
/// <param name="Source">What is gathered, as the convolution reads it.</param>
/// <param name="Rows">The loops over pixels, one or two.</param>
/// <param name="Folds">The loops of the sum.</param>
/// <param name="Within">What stands for the thread's scratch, [terms, pixels].</param>
/// <param name="Gathered">What was gathered, as the kernel reads it.</param>
/// <param name="Weights">The weights.</param>
sealed record SmallMap(Expr.Load Source, Axis[] Rows, Axis[] Folds, Buffer Within, Expr.Load Gathered, Expr.Load Weights)
{
    // Other tiles have so many pixels side by side, and are better where these fill nearly all of them; gathered terms stay in a
    // core's level 2 cache.
    const long Tile = 16, MostPixels = 4 * Tile, MostGathered = 1 << 16;
    const double Filled = 0.8;

    /// <summary>Panels that are worth gathering for.</summary>
    public const long PanelsOfTask = 3;

    const long LeastChannels = 2 * Panel.Columns;

    /// <summary>Whether pixels are too few to fill vectors, and channels fill them.</summary>
    public static bool IsFew(Dim pixels, Axis channel) => pixels.Value is > 1 and <= MostPixels and var count && count < Filled * ((count + Tile - 1) / Tile * Tile)
        && channel.Extent.Value >= LeastChannels;

    /// <summary>The nest with what it reads gathered, its loop over channels, and that over pixels; null where it is no such convolution.</summary>
    /// <param name="nest">A nest as it was lowered.</param>
    public static (Step.Nest Nest, Axis Channel, Axis Pixel, SmallMap Map)? Of(Step.Nest nest)
    {
        if (nest.Fold is not { Kind: Reduction.Sum, Arg: null, Term: Expr.Apply { Type: ElementType.Float32, Operands: [Expr.Load source, Expr.Load weights] } product } fold
            || product.Function != Functions.Multiply || nest.Target.Type != ElementType.Float32 || nest.At.Dynamic.Count > 0
            || source is not { Buffer: { Storage: not Storage.Weight, Type: ElementType.Float32 }, Index.Dynamic.Count: 0 }
            || weights is not { Buffer: { Storage: Storage.Weight, Type: ElementType.Float32 }, Index.Dynamic.Count: 0 })
            return null;
        var (axes, folds) = (nest.Axes.Where(a => a.Extent.Value != 1).ToArray(), fold.Axes.Where(a => a.Extent.Value != 1).ToArray());
        if (axes is not [var channel, .. { Length: 1 or 2 } rows] || source.Axes.Contains(channel) || rows.Any(weights.Axes.Contains)
            || folds.Any(a => !a.Extent.IsKnown) || Dim.Product(rows.Select(r => r.Extent)) is var pixels && !IsFew(pixels, channel))
            return null;
        Index at = Index.Zero;
        var size = Dim.One;
        foreach (var axis in folds.Concat(rows).Reverse())
            (at, size) = (at + (Index)axis * size, size * axis.Extent);
        if (size.Value > MostGathered)
            return null;
        var within = new Buffer($"{source.Buffer.Name}_within", Storage.Arena, ElementType.Float32, size);
        var term = new Expr.Apply(product.Function, [new Expr.Load(within, at), weights]);
        var gathered = Collapse.Axes(nest with { Axes = axes, Fold = fold with { Axes = folds, Term = term, Unpadded = null } });
        return gathered.Axes is [var column, var pixel] && pixel.Extent.Equals(pixels) && gathered.Fold!.Term is Expr.Apply { Operands: [Expr.Load read, Expr.Load packed] }
            ? (gathered, column, pixel, new(source, rows, folds, within, read, packed)) : null;
    }
}
