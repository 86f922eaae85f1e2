using Softmodel.Graphs;
using Softmodel.Language;

namespace Softmodel.Passes;

/// <summary>Decoders that read whole texts, one after the other, in one run: what they would keep from run to run lies in the run.</summary>
static class UncachedDecoder
{
    /// <summary>Adds such a decoder to a graph.</summary>
    /// <param name="builder">The graph.</param>
    /// <param name="decoder">A decoder of one of our architectures, as imported.</param>
    /// <param name="tokens">[n]: the tokens of all texts.</param>
    /// <param name="positions">[n]: the position of each in its text.</param>
    /// <param name="sequences">[n]: the number of its text.</param>
    /// <param name="asked">Of which tokens there are logits.</param>
    /// <param name="texts">How many texts there are.</param>
    /// <param name="rules">Applied beside.</param>
    /// <returns>Its outputs.</returns>
    public static Value[] Append(GraphBuilder builder, Graph decoder, Term tokens, Term positions, Term sequences, Term asked, Dim texts, params IReadOnlyList<Rule> rules)
    {
        // Every token has a cell of its own, and no sequence has a past.
        Term Given(Value input) => input.Name switch
        {
            SequenceInputs.Tokens => tokens,
            SequenceInputs.Positions or SequenceInputs.CellPositions => positions,
            SequenceInputs.Sequences => sequences,
            SequenceInputs.Cells => new(builder, builder.Apply(new Op.Iota(tokens.Shape[0]))),
            SequenceInputs.CellSequences => sequences.Scalar(1).Map(Functions.ShiftLeft, sequences),
            SequenceInputs.LogitsIndices => asked,
            SequenceInputs.HasInitialState => asked.Scalar(0).Broadcast(new(texts)),
            _ => new Term(builder, builder.Constant(Tensor.Scalar(input.Type.Element, 0.0))).Broadcast(input.Shape.With(0, input.Shape[0].SymbolName == "cells" ? tokens.Shape[0] : texts)),
        };
        return Rewriting.Append(builder, decoder, [.. decoder.Inputs.Select(v => Given(v).Value)], [Scattered, .. rules]);
    }

    /// <summary>Rows that are put one after the other into as many are those rows.</summary>
    static Term? Scattered(GraphBuilder builder, Op op, Term[] x) => op is Op.ScatterND { Combine: Combination.Replace } && x[0].Type == x[2].Type
        && builder.Producer(x[1].Value) is { Op: Op.Reshape, Inputs: [var indices] } && builder.Producer(indices)?.Op is Op.Iota ? x[2] : null;
}
