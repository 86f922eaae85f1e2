namespace Softmodel.Lowering;

/// <summary>A nest as plain loops, and along which of them it takes vectors.</summary>
/// <param name="Nest">The nest, with as few loops as it can have.</param>
/// <param name="Inner">The loop that is written innermost, over the result or over what is combined; null where there is but one element.</param>
/// <param name="IsVector">Whether it takes vectors.</param>
sealed record Loops(Step.Nest Nest, Axis? Inner, bool IsVector)
{
    /// <summary>The loops of a nest.</summary>
    /// <param name="original">The nest as it was lowered.</param>
    public static Loops Of(Step.Nest original)
    {
        var nest = Collapse.Axes(original);
        var (inner, isVector) = Vectorization.Choose(nest);
        return new(nest, inner, isVector);
    }
}
