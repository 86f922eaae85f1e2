using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>Decodes weights in blocks by compiled code, so that a training step, which reads them by rows and by columns, finds floats.</summary>
sealed class BlockDecoding : IDisposable
{
    readonly Dictionary<(BlockFormat, Shape), CompiledModel> decoders = [];

    /// <summary>The rule that puts floats in the place of weights in blocks.</summary>
    public Passes.Rule Rule() => (builder, op, _) => op is Op.Parameter { Format: not null } parameter ? new(builder, builder.Parameter(parameter.Name, Decoded(parameter), parameter.IsFrozen)) : null;

    /// <summary>The elements of a weight in blocks, [rows, blocks, ...].</summary>
    public Tensor Decoded(Op.Parameter parameter)
    {
        var builder = new GraphBuilder("decoding", Evaluator.FoldKeepingStored);
        var elements = parameter.Format!.Decode(Weight.Of(parameter), builder);
        var graph = builder.Build([elements.Value]);
        var parts = Passes.Parameters.Of(graph).ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
        var taken = Passes.Parameters.AsInputs(graph, Evaluator.FoldKeepingStored, parts.Keys);
        if (!decoders.TryGetValue((parameter.Format, parameter.Type.Shape), out var decoder))
            decoders[(parameter.Format, parameter.Type.Shape)] = decoder = InProcess.Compile(Lower.Program(taken, new(new Dictionary<string, long>())), InProcess.Width);
        return decoder.Run((IReadOnlyList<Tensor>)[.. taken.Inputs.Select(v => parts[v.Name])])[0];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var decoder in decoders.Values)
            decoder.Dispose();
    }
}
