using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>
/// A compiled encoder. One of our own architectures takes the tokens of several texts packed one after the other; an ONNX export takes
/// a batch in which all texts have the same length.
/// </summary>
/// <param name="model">The model, which the encoder takes over.</param>
sealed class Encoder(CompiledModel model) : IDisposable
{
    readonly TensorArgument[] arguments = new TensorArgument[model.Inputs.Count];
    readonly Dictionary<string, long[]> given = new(StringComparer.Ordinal);
    readonly int output = OutputOf(model);

    /// <summary>Whether all texts of a run have to be of one length.</summary>
    public bool NeedsOneLength { get; } = IsTable(model);

    /// <summary>The hidden size: the number of elements of a token's embedding.</summary>
    public int Width { get; } = (int)model.Outputs[OutputOf(model)].Sizes[^1];

    /// <summary>The threads that a run computes with.</summary>
    public int Threads => model.Threads;

    static bool IsTable(CompiledModel model) => model.Inputs.Any(i => i.Name == ExportInputs.Ids);

    static int OutputOf(CompiledModel model) => Enumerable.Range(0, model.Outputs.Count).FirstOrDefault(i => model.Outputs[i].Type == ElementType.Float32 && model.Outputs[i].Rank == (IsTable(model) ? 3 : 2));

    /// <summary>Whether a model takes tokens and gives an embedding of each of them.</summary>
    public static bool Is(IReadOnlyList<TensorInfo> inputs, IReadOnlyList<TensorInfo> outputs)
    {
        string[] known = inputs.Any(i => i.Name == ExportInputs.Ids) ? [ExportInputs.Ids, ExportInputs.Mask, ExportInputs.Types, ExportInputs.Places] : [SequenceInputs.Tokens, SequenceInputs.Positions, SequenceInputs.Sequences];
        return inputs.Count > 0 && inputs.All(i => known.Contains(i.Name) && i.Type == ElementType.Int64)
            && outputs.Any(o => o.Type == ElementType.Float32 && o.Sizes[^1] > 0 && (known[0] == ExportInputs.Ids ? o.Rank == 3 : o.Name == SequenceInputs.Hidden));
    }

    /// <summary>The token embeddings of some texts, one text after the other: [tokens, width]; valid until the next run.</summary>
    /// <param name="texts">The tokens of each text; see <see cref="NeedsOneLength"/>.</param>
    public ReadOnlySpan<float> Run(params ReadOnlySpan<int[]> texts)
    {
        var count = 0;
        foreach (var text in texts)
            count += text.Length;
        for (var i = 0; i < arguments.Length; i++)
        {
            var name = model.Inputs[i].Name;
            if (!given.TryGetValue(name, out var values) || values.Length < count)
                given[name] = values = new long[count];
            var at = 0;
            for (var t = 0; t < texts.Length; t++)
            {
                for (var p = 0; p < texts[t].Length; p++)
                {
                    values[at++] = name switch
                    {
                        ExportInputs.Ids or SequenceInputs.Tokens => texts[t][p],
                        ExportInputs.Places or SequenceInputs.Positions => p,
                        SequenceInputs.Sequences => t,
                        ExportInputs.Mask => 1,
                        _ => 0,
                    };
                }
            }
            arguments[i] = NeedsOneLength ? TensorArgument.Of<long>(values.AsMemory(0, count), texts.Length, texts[0].Length) : TensorArgument.Of<long>(values.AsMemory(0, count), count);
        }
        model.Run(arguments);
        return model.Output(output).Span<float>();
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => model.Dispose();
}
