using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Fusion;

/// <summary>The layers of a language model up to one, which give the residual stream after some of them.</summary>
sealed class Residuals : IDisposable
{
    // More tokens are several runs.
    const int MostTokens = 256;

    readonly CompiledModel compiled;

    /// <summary>Compiles them.</summary>
    /// <param name="decoder">A decoder of one of our architectures, as imported.</param>
    /// <param name="layers">After which layers, from 0 on.</param>
    /// <param name="threads">The number of threads.</param>
    /// <param name="cancellationToken">Stops compiling.</param>
    public Residuals(Graph decoder, IReadOnlyList<int> layers, int threads, CancellationToken cancellationToken)
    {
        var builder = new GraphBuilder(decoder.Name, Evaluator.FoldKeepingStored);
        Term Input(string name) => new(builder, builder.Input(name, new(ElementType.Int64, new(Dim.Symbol("n")))));
        var (tokens, positions, sequences) = (Input(SequenceInputs.Tokens), Input(SequenceInputs.Positions), Input(SequenceInputs.Sequences));
        var first = new Term(builder, builder.Constant(Tensor.Vector<long>(0)));
        var outputs = UncachedDecoder.Append(builder, decoder, tokens, positions, sequences, first, SequenceInputs.MostSequences);
        var whole = Taps.Apply(builder.Build([outputs[0]], ["logits"]), [.. layers.Select(l => $"{Roles.NameOf(Role.Residual)}.{l}")]);
        var graph = whole with { Outputs = whole.Outputs.Skip(1).ToEquatable(), OutputNames = whole.OutputNames.Skip(1).ToEquatable() };
        compiled = InProcess.Compile(Lower.Program(Pipeline.Exact(graph, Evaluator.FoldKeepingStored), new(new Dictionary<string, long> { ["n"] = MostTokens })), InProcess.Width, cancellationToken);
        compiled.Threads = threads;
        (Layers, Width) = (layers, (int)whole.Outputs[1].Shape[1].Value!.Value);
    }

    /// <summary>After which layers.</summary>
    public IReadOnlyList<int> Layers { get; }

    /// <summary>The width of the stream.</summary>
    public int Width { get; }

    /// <summary>The residual stream of texts: for each text, and each of the layers, [tokens, width].</summary>
    /// <param name="texts">Their tokens.</param>
    /// <param name="cancellationToken">Stops it between runs.</param>
    public IEnumerable<float[][]> Of(IReadOnlyList<int[]> texts, CancellationToken cancellationToken)
    {
        for (var at = 0; at < texts.Count;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (count, length) = (0, 0);
            while (at + count < texts.Count && count < SequenceInputs.MostSequences && (count == 0 || length + texts[at + count].Length <= MostTokens))
                length += texts[at + count++].Length;
            var run = texts.Skip(at).Take(count).ToArray();
            Tensor Each(Func<int, int, int, long> value) => Tensor.Vector<long>([.. run.SelectMany((t, i) => t.Select((token, p) => value(token, p, i)))]);
            var outputs = compiled.Run((IReadOnlyList<Tensor>)[Each((t, _, _) => t), Each((_, p, _) => p), Each((_, _, i) => i)]);
            var from = 0;
            foreach (var text in run)
            {
                yield return [.. outputs.Select(o => o.Values<float>().Slice(from * Width, text.Length * Width).ToArray())];
                from += text.Length;
            }
            at += count;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => compiled.Dispose();
}
