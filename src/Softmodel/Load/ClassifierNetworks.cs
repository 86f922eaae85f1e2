using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Load;

/// <summary>The networks of a classifier of texts: an encoder, what pools the embeddings of its tokens, and a head.</summary>
/// <param name="Encoder">Takes tokens, and gives an embedding of each.</param>
/// <param name="Pooling">How they become one.</param>
/// <param name="Classes">How many classes there are.</param>
/// <param name="Hidden">How wide the hidden layer of the head is; 0 for none.</param>
/// <param name="Seed">What weights are drawn from.</param>
sealed record ClassifierNetworks(Graph Encoder, Pooling Pooling, int Classes, int Hidden, ulong Seed)
{
    const string Head = "classifier";

    /// <summary>Whether texts are padded to one length; else each is a run of its own.</summary>
    public bool IsTable => TextInputs.IsTable(Encoder.ArgumentInfos);

    /// <summary>What the encoder takes.</summary>
    public IReadOnlyList<string> InputNames => [.. Encoder.Inputs.Select(v => v.Name)];

    /// <summary>Says of a batch that it usually is so large.</summary>
    public IReadOnlyDictionary<string, long> Usual(long batch, long length)
    {
        var shape = Encoder.Inputs[0].Shape;
        Dim[] sizes = [.. shape.Dims];
        long[] usual = IsTable ? [batch, length] : [length];
        return sizes.Zip(usual).Where(s => s.First.SymbolName is not null).ToDictionary(s => s.First.SymbolName!, s => s.Second, StringComparer.Ordinal);
    }

    /// <summary>The width of an embedding.</summary>
    public long Width => EmbeddingsOf(Encoder).Shape.Dims[^1].Value!.Value;

    static Value EmbeddingsOf(Graph graph) => graph.Outputs[Language.Encoder.OutputOf(graph.ArgumentInfos, graph.ResultInfos)];

    /// <summary>The embedding of each text, [texts, width].</summary>
    public Graph Embeddings()
    {
        var net = new Network("embeddings", Seed);
        return net.Build(("embeddings", Pooled(net, [])));
    }

    /// <summary>A head alone: its loss and its logits, of embeddings and labels.</summary>
    public Graph OfEmbeddings()
    {
        var net = new Network("head", Seed);
        var batch = Dim.Symbol("texts");
        var embeddings = net.Input("embeddings", ElementType.Float32, batch, Width);
        var labels = net.Input("labels", ElementType.Int64, batch);
        var logits = Logits(net, embeddings);
        return net.Build(("loss", Losses.CrossEntropy(logits, labels)), ("logits", logits));
    }

    /// <summary>The whole: its loss and its logits, of tokens and labels.</summary>
    /// <param name="rank">The rank of the adapters, which are trained in place of the encoder's weights; 0 for these themselves.</param>
    public Graph OfTokens(int rank)
    {
        var net = new Network("tuned", Seed);
        Rule rule = rank > 0 ? LowRank.Untrained(rank, Seed).Rule()
            : (builder, op, _) => op is Op.Parameter { IsFrozen: true, Format: null, Value.Type: ElementType.Float32 } parameter ? new(builder, builder.Apply(parameter with { IsFrozen = false })) : null;
        var logits = Logits(net, Pooled(net, [rule]));
        var labels = net.Input("labels", ElementType.Int64, logits.Shape[0]);
        return net.Build(("loss", Losses.CrossEntropy(logits, labels)), ("logits", logits));
    }

    /// <summary>What ships: the probability of each class, of tokens.</summary>
    /// <param name="trained">The parameters that were trained, by their names.</param>
    /// <param name="rank">The rank of the adapters, which become part of the weights; 0 for none.</param>
    public Graph Shipped(IReadOnlyDictionary<string, Tensor> trained, int rank)
    {
        var net = new Network(Head, Seed);
        Rule value = (builder, op, _) => op is Op.Parameter parameter && trained.TryGetValue(parameter.Name, out var now) ? new(builder, builder.Apply(parameter with { Value = now })) : null;
        var logits = Logits(net, Pooled(net, rank > 0 ? [new LowRank(rank, (name, _) => trained[name], IsTrained: false, IsMerged: true).Rule()] : [value]));
        var graph = net.Build((TextClassifier.Output, logits.Softmax(1)));
        return Passes.Parameters.Replace(graph, Evaluator.Fold, Passes.Parameters.Of(graph).Where(p => !p.IsFrozen)
            .ToDictionary(p => p.Name, p => (Replacement)((builder, parameter) => builder.Apply(parameter with { Value = trained[p.Name], IsFrozen = true })), StringComparer.Ordinal));
    }

    Term Pooled(Network net, IReadOnlyList<Rule> rules)
    {
        var inputs = Encoder.Inputs.ToDictionary(v => v.Name, v => new Term(net.Builder, net.Builder.Input(v.Name, v.Type)), StringComparer.Ordinal);
        var outputs = Rewriting.Append(net.Builder, Encoder, [.. Encoder.Inputs.Select(v => inputs[v.Name].Value)], rules);
        var hidden = new Term(net.Builder, outputs[Encoder.Outputs.ToList().IndexOf(EmbeddingsOf(Encoder))]);
        net.Builder.Origin = new("pooling");
        var pooled = IsTable ? OfTable(hidden, inputs) : OfOne(hidden);
        // An embedding is a direction: of elements that are about 1 on average a head learns most quickly.
        var size = (pooled * pooled).Reduce(Reduction.Sum, [1], keep: true).Map(Functions.Sqrt).Max(1e-12);
        return pooled * Math.Sqrt(Width) / size;
    }

    Term OfOne(Term hidden) => Pooling switch
    {
        Pooling.First => hidden.Slice(0, 0, 1),
        Pooling.Last => hidden.Slice(0, hidden.Shape[0] - 1, 1),
        Pooling.Max => hidden.Reduce(Reduction.Max, [0], keep: true),
        _ => hidden.Mean(0),
    };

    Term OfTable(Term hidden, Dictionary<string, Term> inputs)
    {
        var ids = inputs[ExportInputs.Ids];
        // The size of the encoder's result may be written as one that depends on how many positions it has.
        hidden = hidden.Reshape(new(ids.Shape[0], ids.Shape[1], Width));
        if (!inputs.TryGetValue(ExportInputs.Mask, out var mask))
            throw new SoftmodelException($"the encoder has no {ExportInputs.Mask}, so that texts of different lengths can't be told apart in it; export it with one");
        var counts = mask.Cast(hidden.Element).Unsqueeze(2);
        switch (Pooling)
        {
            case Pooling.First:
                return hidden.Slice(1, 0, 1).Squeeze(1);
            case Pooling.Last:
                var last = (mask.Reduce(Reduction.Sum, [1], keep: true) - 1).Unsqueeze(2).Broadcast(hidden.Shape.With(1, 1));
                return hidden.Apply(new Op.GatherElements(1), last).Squeeze(1);
            case Pooling.Max:
                return (counts > 0.5).Select(hidden, hidden.Scalar(float.MinValue)).Reduce(Reduction.Max, [1]);
            default:
                return (hidden * counts).Reduce(Reduction.Sum, [1]) / counts.Reduce(Reduction.Sum, [1]).Max(1);
        }
    }

    Term Logits(Network net, Term embeddings)
    {
        var head = net.Block(Head);
        var x = Hidden > 0 ? head.Linear("hidden", embeddings, Hidden).Gelu() : embeddings;
        return head.Linear("out", x, Classes);
    }
}
