using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Load;

/// <summary>The networks of a language model that is tuned by low-rank adapters on the matrices of its layers.</summary>
/// <param name="Decoder">The model, with a KV cache as its states.</param>
/// <param name="Rank">The rank of the adapters.</param>
/// <param name="Seed">What they are drawn from.</param>
sealed record TunedNetworks(Graph Decoder, int Rank, ulong Seed)
{
    const string Targets = "targets";

    /// <summary>The sizes: how many tokens a run has, and how many of them are targets.</summary>
    public const string Tokens = "n", TargetCount = "n_outputs";

    static bool IsInLayer(Node weight) => weight.Origin.Layer is not null;

    /// <summary>The mean loss of the targets, and that of each, of texts that lie one after the other: what they read they read in one run, without a cache.</summary>
    /// <exception cref="SoftmodelException">The model has states that are no KV cache.</exception>
    public Graph OfTokens()
    {
        using var blocks = new BlockDecoding();
        var net = new Network("tuned", Seed);
        var (n, m) = (Dim.Symbol(Tokens), Dim.Symbol(TargetCount));
        Term Input(string name, Dim size) => net.Input(name, ElementType.Int64, size);
        var tokens = Input(SequenceInputs.Tokens, n);
        var (positions, sequences, bits) = (Input(SequenceInputs.Positions, n), Input(SequenceInputs.Sequences, n), Input(SequenceInputs.CellSequences, n));
        var (indices, targets) = (Input(SequenceInputs.LogitsIndices, m), Input(Targets, m));
        var cells = new Term(net.Builder, net.Builder.Apply(new Op.Iota(n)));
        var states = Decoder.States.Select(s => s.Input).ToHashSet();
        var empty = new HashSet<Value>();
        Value Given(Value input, int index)
        {
            if (states.Contains(index) && input.Rank == 3)
            {
                var cache = tokens.Cast(ElementType.Float32).Scalar(0).Broadcast(new([n, .. input.Shape.Dims.Skip(1)]));
                empty.Add(cache.Value);
                return cache.Value;
            }
            return input.Name switch
            {
                SequenceInputs.Tokens => tokens.Value,
                SequenceInputs.Positions or SequenceInputs.CellPositions => positions.Value,
                SequenceInputs.Sequences => sequences.Value,
                SequenceInputs.Cells => cells.Value,
                SequenceInputs.CellSequences => bits.Value,
                SequenceInputs.LogitsIndices => indices.Value,
                _ => throw new SoftmodelException($"{Decoder.Name} takes '{input.Name}', of which no gradient is computed here: what has recurrent states can't be tuned"),
            };
        }
        Value[] given = [.. Decoder.Inputs.Select(Given)];
        // Each token lies in a cell of its own: what is written to all cells is all that is read of them.
        Rule uncached = (_, op, x) => op is Op.ScatterND { Combine: Combination.Replace } && empty.Contains(x[0].Value) ? x[2] : null;
        var outputs = Rewriting.Append(net.Builder, Decoder, given, uncached, blocks.Rule(), LowRank.Untrained(Rank, Seed, IsInLayer).Rule());
        var logits = new Term(net.Builder, outputs[Decoder.OutputNames.ToList().IndexOf(SequenceInputs.Logits)]);
        net.Builder.Origin = new("loss");
        var surprise = (logits.LogSumExp(1) - logits.Apply(new Op.GatherElements(1), targets.Unsqueeze(1))).Squeeze(1);
        return net.Build(("loss", Losses.MeanOf(surprise)), ("surprise", surprise));
    }

    /// <summary>What ships: the model, with adapters beside its weights, which stay as they are stored.</summary>
    /// <param name="trained">The adapters, by their names.</param>
    public Graph Shipped(IReadOnlyDictionary<string, Tensor> trained) => Rewriting.Apply(Decoder, Evaluator.FoldKeepingStored, [new LowRank(Rank, (name, _) => trained[name], IsTrained: false, IsAdapted: IsInLayer).Rule()]);
}
