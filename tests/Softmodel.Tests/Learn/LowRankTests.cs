using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Tests.Learn;

/// <summary>Low-rank adapters.</summary>
public class LowRankTests
{
    /// <summary>Products with a matrix on either side, stored either way, and one of two activations.</summary>
    static Graph Frozen()
    {
        var builder = new GraphBuilder("frozen", Evaluator.FoldKeepingStored);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new Shape(Dim.Symbol("n"), 6))));
        var random = new Random(1);
        Term Weight(string name, params long[] dims) => new(builder, builder.Parameter(name, Tensor.Of<float>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)random.NextDouble() - 0.5f)], dims)));
        var y = x.Contract("ni,io->no", Weight("a", 6, 5)).Map(Functions.Tanh);
        y = Weight("b", 4, 5).Contract("oi,ni->no", y).Map(Functions.Tanh);
        y = y.Contract("ni,io->no", Weight("c", 3, 4).Transpose(1, 0)).Map(Functions.Tanh);
        // As of weights in blocks.
        y = y.Concat(1, y).Reshape(new(y.Shape[0], 2, 3)).Contract("nbi,obi->no", Weight("d", 7, 2, 3));
        return builder.Build([y.Contract("ni,mi->nm", y).Value], ["y"]);
    }

    static Graph Adapted(LowRank adapters) => Rewriting.Apply(Frozen(), Evaluator.Fold, [adapters.Rule()]);

    static readonly Tensor input = Tensor.Of<float>([.. Enumerable.Range(0, 18).Select(i => MathF.Sin(i))], 3, 6);

    [Fact]
    public void Before_training_they_change_nothing_and_afterwards_they_become_part_of_the_weights()
    {
        var graph = Adapted(LowRank.Untrained(2, 4));
        string[] names = [.. Softmodel.Passes.Parameters.Of(graph).Where(p => !p.IsFrozen).Select(p => p.Name).Order(StringComparer.Ordinal)];
        Assert.Equal(["a.lora_A", "a.lora_B", "b.lora_A", "b.lora_B", "c/transpose.lora_A", "c/transpose.lora_B", "d.lora_A", "d.lora_B"], names);
        var plain = Evaluator.Run(Frozen(), [input])[0];
        Assert.True(Agreement.Of([plain], [Evaluator.Run(graph, [input])[0]]).SnrDb > 120);
        var beside = Adapted(new(2, Numbers, IsTrained: false));
        var merged = Adapted(new(2, Numbers, IsTrained: false, IsMerged: true));
        var expected = Evaluator.Run(beside, [input])[0];
        Assert.True(Agreement.Of([expected], [Evaluator.Run(merged, [input])[0]]).SnrDb > 110);
        Assert.True(Agreement.Of([plain], [expected]).SnrDb < 30);
        // What ships has no more products than before.
        Assert.Equal(Frozen().Nodes.Count(n => n.Op is Op.Contract), merged.Nodes.Count(n => n.Op is Op.Contract));
    }

    static Tensor Numbers(string name, long[] dims)
    {
        var random = new Random(name.Sum(c => c));
        return Tensor.Of<float>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)random.NextDouble() - 0.5f)], dims);
    }

    [Fact]
    public void Only_chosen_weights_get_some_and_only_they_are_trained()
    {
        var net = Adapted(LowRank.Untrained(2, 4, node => ((Op.Parameter)node.Op).Name == "b"));
        Assert.Equal(["b.lora_A", "b.lora_B"], Softmodel.Passes.Parameters.Of(net).Where(p => !p.IsFrozen).Select(p => p.Name).Order(StringComparer.Ordinal));
    }
}
