using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Tests.Learn;

/// <summary>Training steps: graphs with states, compiled.</summary>
public class TrainingTests
{
    /// <summary>Two layers that tell points within a circle from those around it.</summary>
    static Graph Circle(int hidden = 16)
    {
        var net = new Network("circle", seed: 5);
        var batch = Dim.Symbol("batch");
        var (points, labels) = (net.Input("points", ElementType.Float32, batch, 2), net.Input("labels", ElementType.Int64, batch));
        var logits = net.Linear("out", net.Linear("hidden", points, hidden).Map(Functions.Tanh), 2);
        return net.Build(("loss", Losses.CrossEntropy(logits, labels)), ("logits", logits));
    }

    static Tensor[] Points(Random random, int count)
    {
        var points = Enumerable.Range(0, 2 * count).Select(_ => (float)(random.NextDouble() * 4 - 2)).ToArray();
        return [Tensor.Of(points, count, 2), Tensor.Of<long>([.. Enumerable.Range(0, count).Select(i => points[2 * i] * points[2 * i] + points[2 * i + 1] * points[2 * i + 1] < 1.5 ? 1L : 0)], [count])];
    }

    public static TheoryData<string> Optimisers => ["sgd", "momentum", "adam", "adamw", "lion"];

    static (Optimiser, double Rate) Named(string name) => name switch
    {
        "sgd" => (Optimiser.Sgd(), 0.5),
        "momentum" => (Optimiser.Sgd(0.9), 0.1),
        "adam" => (Optimiser.Adam(), 0.02),
        "adamw" => (Optimiser.AdamW(), 0.02),
        _ => (Optimiser.Lion(), 0.003),
    };

    [Theory]
    [MemberData(nameof(Optimisers))]
    public void Losses_fall_and_are_the_same_for_every_number_of_threads(string name)
    {
        var (optimiser, rate) = Named(name);
        var step = TrainingStep.Of(Circle(), options: new() { Optimiser = optimiser });
        var losses = Enumerable.Range(1, 2).Select(threads =>
        {
            var random = new Random(1);
            using var trainer = new Trainer(step, compile: new() { Threads = threads });
            return Enumerable.Range(0, 300).Select(_ => trainer.Step(Points(random, 64), rate).Loss).ToArray();
        }).ToArray();
        Assert.Equal(losses[0], losses[1]);
        Assert.True(losses[0][^20..].Average() < 0.25, $"{losses[0][..5].Average()} to {losses[0][^20..].Average()}");
    }

    [Theory]
    [MemberData(nameof(Optimisers))]
    public void Compiled_steps_are_those_of_the_evaluator(string name)
    {
        var (optimiser, rate) = Named(name);
        // Of no number that is computed in vectors: what is updated in place is updated once.
        var step = TrainingStep.Of(Circle(hidden: 19), options: new() { Optimiser = optimiser, AverageDecay = 0.9 });
        using var trainer = new Trainer(step, compile: new() { Threads = 1 });
        Tensor[] states = [.. step.States.Select(s => trainer[s])];
        var random = new Random(2);
        for (var i = 1; i <= 5; i++)
        {
            var batch = Points(random, 32);
            var loss = trainer.Step(batch, rate).Loss;
            var expected = Evaluator.Run(step.Graph, [.. batch, Tensor.Scalar(ElementType.Float32, rate), Tensor.Scalar(ElementType.Float32, i), .. states]);
            states = expected[^states.Length..];
            Assert.Equal(expected[0].Float(0), loss, 1e-4);
        }
        foreach (var (state, expected) in step.States.Zip(states))
        {
            if (name != "lion")
                Assert.True(Agreement.Of([expected], [trainer[state]]).SnrDb > 60, state);
        }
    }

    [Fact]
    public void A_step_of_what_is_no_number_changes_nothing()
    {
        using var trainer = new Trainer(TrainingStep.Of(Circle()));
        var random = new Random(3);
        trainer.Step(Points(random, 16), 0.01);
        var before = trainer["hidden.weight"];
        var batch = Points(random, 16);
        var points = batch[0].Values<float>().ToArray();
        points[7] = float.NaN;
        var result = trainer.Step([Tensor.Of(points, 16, 2), batch[1]], 0.01);
        Assert.False(result.IsFinite);
        Assert.Equal(1, trainer.Count);
        Assert.Equal(before.Bytes.ToArray(), trainer["hidden.weight"].Bytes.ToArray());
        Assert.True(trainer.Step(Points(random, 16), 0.01).IsFinite);
    }

    [Fact]
    public void What_cannot_be_trained_is_named()
    {
        Assert.Contains("no parameter 'hiden.weight'; it has", Assert.Throws<SoftmodelException>(() => TrainingStep.Of(Circle(), ["hiden.weight"])).Message);
        var net = new Network("idle");
        var x = net.Input("x", ElementType.Float32, 3);
        var loss = Losses.MeanOf(x * net.Filled("used", 1, 3));
        var idle = net.Filled("idle", 1, 3);
        Assert.Contains("does not depend on the parameter 'idle'", Assert.Throws<SoftmodelException>(() => TrainingStep.Of(net.Build(("loss", loss), ("other", idle)))).Message);
    }

    [Fact]
    public void A_trained_network_has_the_parameters_of_the_training()
    {
        var network = Circle();
        using var trainer = new Trainer(TrainingStep.Of(network));
        trainer.Step(Points(new(4), 16), 0.1);
        var trained = trainer.Trained(network);
        Assert.Equal(trainer["out.bias"].Bytes.ToArray(), Softmodel.Passes.Parameters.Of(trained).Single(p => p.Name == "out.bias").Value.Bytes.ToArray());
    }

    [Theory]
    [InlineData(3, 0, 2)]
    [InlineData(5, 4, 4)]
    [InlineData(7, 2, 0)]
    public void Mirrored_edges_are_those_of_the_padding_that_they_stand_for(int size, int low, int high)
    {
        Graph Padded(params Rule[] rules)
        {
            var builder = new GraphBuilder("edges", Evaluator.Fold);
            var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(size, 4))));
            var graph = builder.Build([x.Apply(new Op.Pad(Padding.Reflect, [low, 1], [high, 3])).Value]);
            return Rewriting.Apply(graph, Evaluator.Fold, rules);
        }
        var tensor = Tensor.Of<float>([.. Enumerable.Range(0, size * 4).Select(i => (float)i)], size, 4);
        var pieces = Padded(MirroredEdges.Rule);
        Assert.DoesNotContain(pieces.Nodes, n => n.Op is Op.Pad);
        Assert.Equal(Evaluator.Run(Padded(), [tensor])[0].Values<float>(), Evaluator.Run(pieces, [tensor])[0].Values<float>());
    }
}
