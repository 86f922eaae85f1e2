using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>A compiled encoder.</summary>
/// <param name="model">The model, which the encoder takes over.</param>
sealed class Encoder(CompiledModel model) : IDisposable
{
    readonly TextInputs inputs = new(model.Inputs);
    readonly int output = OutputOf(model.Inputs, model.Outputs);

    /// <inheritdoc cref="TextInputs.NeedsOneLength"/>
    public bool NeedsOneLength => inputs.NeedsOneLength;

    /// <summary>The hidden size: the number of elements of a token's embedding.</summary>
    public int Width { get; } = (int)model.Outputs[OutputOf(model.Inputs, model.Outputs)].Sizes[^1];

    /// <summary>The threads that a run computes with.</summary>
    public int Threads => model.Threads;

    /// <summary>Which output has an embedding of each token.</summary>
    public static int OutputOf(IReadOnlyList<TensorInfo> inputs, IReadOnlyList<TensorInfo> outputs) =>
        Enumerable.Range(0, outputs.Count).FirstOrDefault(i => outputs[i].Type == ElementType.Float32 && outputs[i].Rank == (TextInputs.IsTable(inputs) ? 3 : 2));

    /// <summary>Whether a model takes tokens and gives an embedding of each of them.</summary>
    public static bool Is(IReadOnlyList<TensorInfo> inputs, IReadOnlyList<TensorInfo> outputs) => TextInputs.Are(inputs)
        && outputs.Any(o => o.Type == ElementType.Float32 && o.Sizes[^1] > 0 && (TextInputs.IsTable(inputs) ? o.Rank == 3 : o.Name == SequenceInputs.Hidden));

    /// <summary>The token embeddings of some texts, one text after the other: [tokens, width]; valid until the next run.</summary>
    /// <param name="texts">The tokens of each text; see <see cref="NeedsOneLength"/>.</param>
    public ReadOnlySpan<float> Run(params ReadOnlySpan<int[]> texts)
    {
        model.Run(inputs.Of(texts));
        return model.Output(output).Span<float>();
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => model.Dispose();
}
