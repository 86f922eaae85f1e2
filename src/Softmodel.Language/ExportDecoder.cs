using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>A decoder that is an ONNX export: one sequence, whose tokens lie in the KV cache in the order in which they came.</summary>
/// <inheritdoc cref="Decoder.Of" path="/param"/>
sealed class ExportDecoder(CompiledModel model, int contextLength, bool quantisesPerRun) : Decoder(model)
{
    readonly TensorArgument[] arguments = new TensorArgument[model.Inputs.Count];
    long[] tokens = [], positions = [], mask = [];
    int length;

    public override int ContextLength => contextLength;

    public override int MostSequences => 1;

    public override bool CanTruncate => !quantisesPerRun;

    public override bool QuantisesPerRun => quantisesPerRun;

    /// <summary>Whether a model is one, by its inputs.</summary>
    public static bool Takes(IReadOnlyList<TensorInfo> inputs) => inputs.Any(i => i.Name == ExportInputs.Ids) && inputs.All(i => i.Type == ElementType.Int64 && i.Rank == 2 && i.Name is ExportInputs.Ids or ExportInputs.Mask or ExportInputs.Places);

    public override int Begin() => length = 0;

    public override int Fork(int sequence, int length) => throw new InvalidOperationException("an ONNX export reads one sequence");

    public override void Truncate(int sequence, int length) => this.length = Math.Min(this.length, length);

    public override void End(int sequence) => length = 0;

    public override void Reserve(int sequence, int count)
    {
        if (count > contextLength - length)
            throw Full(count, contextLength, contextLength - length);
    }

    protected override ReadOnlySpan<float> Compute(scoped ReadOnlySpan<SequenceTokens> batch)
    {
        var span = batch[0].Tokens.Span;
        var all = length + span.Length;
        (tokens, positions, mask) = (Sized(tokens, span.Length), Sized(positions, span.Length), Sized(mask, all));
        for (var i = 0; i < span.Length; i++)
            (tokens[i], positions[i]) = (span[i], length + i);
        mask.AsSpan(0, all).Fill(1);
        for (var i = 0; i < arguments.Length; i++)
        {
            var (values, size) = Model.Inputs[i].Name switch
            {
                ExportInputs.Ids => (tokens, span.Length),
                ExportInputs.Places => (positions, span.Length),
                _ => (mask, all),
            };
            arguments[i] = TensorArgument.Of<long>(values.AsMemory(0, size), 1, size);
        }
        Model.Run(arguments);
        length = all;
        var logits = Model.Output(0).Span<float>();
        return batch[0].AllLogits ? logits : logits[^Vocabulary..];
    }
}
