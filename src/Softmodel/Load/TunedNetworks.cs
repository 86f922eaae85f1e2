using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Softmodel.Load;

/// <summary>The networks of a language model that is tuned by low-rank adapters on the matrices of its layers.</summary>
/// <param name="Decoder">The model, with a KV cache as its states.</param>
/// <param name="Rank">The rank of the adapters; 0 for a model without.</param>
/// <param name="Seed">What they are drawn from.</param>
sealed record TunedNetworks(Graph Decoder, int Rank, ulong Seed)
{
    const string Targets = "targets";

    // A share of the tokens that are no candidates which counts as none.
    const double LeastShare = 1e-6;

    /// <summary>The sizes: how many tokens a run has, how many of them are targets, and at how many places it is to expect what it did before.</summary>
    public const string Tokens = "n", TargetCount = "n_outputs", KeptCount = "n_kept";

    static bool IsInLayer(Node weight) => weight.Origin.Layer is not null;

    /// <summary>The loss, the surprise of each target, and the mean divergence from what was expected before, of texts that lie one after the other: what they read they read in one run, without a cache.</summary>
    /// <param name="keep">How much the divergence counts in the loss; 0 for a loss of the targets alone.</param>
    /// <exception cref="SoftmodelException">The model has states that are no KV cache.</exception>
    public Graph OfTokens(double keep = 0)
    {
        using var blocks = new BlockDecoding();
        var net = new Network("tuned", Seed);
        var (n, m) = (Dim.Symbol(Tokens), Dim.Symbol(TargetCount));
        Term Input(string name, Dim size) => net.Input(name, ElementType.Int64, size);
        var tokens = Input(SequenceInputs.Tokens, n);
        var (positions, sequences, bits) = (Input(SequenceInputs.Positions, n), Input(SequenceInputs.Sequences, n), Input(SequenceInputs.CellSequences, n));
        var (indices, targets) = (Input(SequenceInputs.LogitsIndices, m), Input(Targets, m));
        var r = Dim.Symbol(KeptCount);
        Term[] kept = keep > 0 ? [Input("kept_indices", r), net.Input("kept_candidates", ElementType.Int64, r, KeptTexts.CandidateCount), net.Input("kept_probabilities", ElementType.Float32, r, KeptTexts.CandidateCount)] : [];
        var asked = keep > 0 ? indices.Concat(0, kept[0]) : indices;
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
                SequenceInputs.LogitsIndices => asked.Value,
                _ => throw new SoftmodelException($"{Decoder.Name} takes '{input.Name}', of which no gradient is computed here: what has recurrent states can't be tuned"),
            };
        }
        Value[] given = [.. Decoder.Inputs.Select(Given)];
        // Each token lies in a cell of its own: what is written to all cells is all that is read of them.
        Rule uncached = (_, op, x) => op is Op.ScatterND { Combine: Combination.Replace } && empty.Contains(x[0].Value) ? x[2] : null;
        var outputs = Rewriting.Append(net.Builder, Decoder, given, Rank == 0 ? [uncached, blocks.Rule()] : [uncached, blocks.Rule(), LowRank.Untrained(Rank, Seed, IsInLayer).Rule()]);
        var logits = new Term(net.Builder, outputs[Decoder.OutputNames.ToList().IndexOf(SequenceInputs.Logits)]);
        net.Builder.Origin = new("loss");
        var all = logits.LogSumExp(1);
        var surprise = (all.Slice(0, 0, m) - logits.Slice(0, 0, m).Apply(new Op.GatherElements(1), targets.Unsqueeze(1))).Squeeze(1);
        var loss = Losses.MeanOf(surprise);
        if (keep == 0)
            return net.Build(("loss", loss), ("surprise", surprise));
        var now = logits.Slice(0, m, r).Apply(new Op.GatherElements(1), kept[1]) - all.Slice(0, m, r);
        var divergence = Divergence(kept[2], now);
        return net.Build(("loss", loss + divergence * keep), ("surprise", surprise), ("divergence", divergence));
    }

    /// <summary>The Kullback-Leibler divergence of what is expected now from what was expected before, all that are no candidates as one: in nats, a mean.</summary>
    static Term Divergence(Term before, Term now)
    {
        Term Others(Term shares) => 1 - shares.Reduce(Reduction.Sum, [1], keep: true);
        Term Log(Term share) => share.Max(LeastShare).Map(Functions.Log);
        var (othersBefore, othersNow) = (Others(before).Max(0), Others(now.Map(Functions.Exp)));
        return Losses.MeanOf((before * (before.Max(1e-20).Map(Functions.Log) - now)).Reduce(Reduction.Sum, [1]) + (othersBefore * (Log(othersBefore) - Log(othersNow))).Squeeze(1));
    }

    /// <summary>What ships: the model, with adapters beside its weights, which stay as they are stored.</summary>
    /// <param name="trained">The adapters, by their names.</param>
    public Graph Shipped(IReadOnlyDictionary<string, Tensor> trained) => Rewriting.Apply(Decoder, Evaluator.FoldKeepingStored, [new LowRank(Rank, (name, _) => trained[name], IsTrained: false, IsAdapted: IsInLayer).Rule()]);

    /// <summary>What ships with the adapters as part of its weights, which are decoded, and stored again.</summary>
    /// <param name="trained">The adapters, by their names.</param>
    /// <param name="format">
    /// How they are stored. Null for as they were, and for Q8_0 where that was in blocks: what adapters add is often less than half a step of
    /// four bits, and would be rounded away. Rows that are no whole blocks are stored as F16.
    /// </param>
    /// <exception cref="SoftmodelException">The format is only read, or a weight is stored with its inputs first.</exception>
    public Graph Merged(IReadOnlyDictionary<string, Tensor> trained, BlockFormat? format)
    {
        if (format is { Encode: null })
            throw new SoftmodelException($"weights can't be stored as {format}; they can as {string.Join(", ", BlockFormat.All.Where(f => f.Encode is not null))}");
        using var blocks = new BlockDecoding();
        Op.Parameter Stored(Op.Parameter weight, Tensor a, Tensor b)
        {
            var elements = Floats(weight.Format is null ? weight.Value : blocks.Decoded(weight));
            var (rows, columns) = ((int)b.Dims[0], (int)a.Dims[1]);
            var (left, right) = (b.Values<float>().ToArray(), a.Values<float>().ToArray());
            Parallel.For(0, rows, row =>
            {
                for (var r = 0; r < Rank; r++)
                    TensorPrimitives.MultiplyAdd(right.AsSpan(r * columns, columns), (float)(left[row * Rank + r] * LowRank.Scale), elements.AsSpan(row * columns, columns), elements.AsSpan(row * columns, columns));
            });
            var own = weight.Format ?? BlockFormat.All.First(f => f.Layout.Count == 0 && f.Name == NameOf(weight.Value.Type));
            return (format ?? (weight.Format is null ? own : BlockFormat.Q8_0)).Stored(weight.Name, elements, rows, columns);
        }
        return Rewriting.Apply(Decoder, Evaluator.FoldKeepingStored, [new LowRank(Rank, (name, _) => trained[name], IsTrained: false, IsAdapted: IsInLayer, Stored: Stored).Rule()]);
    }

    static string NameOf(ElementType type) => type switch { ElementType.Float16 => "F16", ElementType.BFloat16 => "BF16", ElementType.Float64 => "F64", _ => "F32" };

    static float[] Floats(Tensor tensor)
    {
        var floats = new float[tensor.Count];
        for (var i = 0; i < floats.Length; i++)
            floats[i] = (float)tensor.Float(i);
        return floats;
    }
}
