using Softmodel.Import.Families;
using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>A compiled encoder: what it makes of texts that it reads whole.</summary>
/// <param name="model">The model, which the encoder takes over.</param>
sealed class Encoder(CompiledModel model) : IDisposable
{
    long[] tokens = [], positions = [], sequences = [];

    /// <summary>The stream of every token of some texts, one text after the other: [tokens, width]; valid until the next run.</summary>
    /// <param name="texts">The tokens of each text.</param>
    public ReadOnlySpan<float> Run(params ReadOnlySpan<int[]> texts)
    {
        var count = 0;
        foreach (var text in texts)
            count += text.Length;
        if (tokens.Length < count)
            (tokens, positions, sequences) = (new long[count], new long[count], new long[count]);
        var at = 0;
        for (var i = 0; i < texts.Length; i++)
        {
            for (var p = 0; p < texts[i].Length; p++, at++)
                (tokens[at], positions[at], sequences[at]) = (texts[i][p], p, i);
        }
        TensorArgument Of(long[] values) => TensorArgument.Of<long>(values.AsMemory(0, count), count);
        model.Run(Of(tokens), Of(positions), Of(sequences));
        return model.Output(Transformer.HiddenName).Span<float>();
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => model.Dispose();
}
