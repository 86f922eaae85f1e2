using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Lowering;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Learn;

/// <summary>Steps that compute again what they have not kept: the same numbers, with less memory.</summary>
public class RecomputationTests
{
    const int Batch = 4, Length = 64, Width = 32, Words = 64;

    /// <summary>The gradients of a sum over all outputs of a graph by its inputs, after the sum; null where there are none.</summary>
    static Graph? WithGradients(Graph graph)
    {
        var builder = new GraphBuilder(graph.Name, (_, _) => null);
        Value[] given = [.. graph.Inputs.Select(v => builder.Input(v.Name, v.Type))];
        builder.RequirePositive(graph.Positive);
        var outputs = Rewriting.Append(builder, graph, given).Select(v => new Term(builder, v)).Where(x => x.Element == ElementType.Float32).ToArray();
        Term[] by = [.. given.Where(v => v.Type.Element == ElementType.Float32).Select(v => new Term(builder, v))];
        if (outputs.Length == 0 || by.Length == 0)
            return null;
        var loss = outputs.Select(x => x.Map(Functions.Sin).Reduce(Reduction.Sum, [.. Enumerable.Range(0, x.Rank)])).Aggregate((a, b) => a * 0.9 + b);
        var gradients = Gradients.Of([(loss, loss.Scalar(1))], by, Jumps.Zero);
        return gradients.All(g => g is null) ? null : builder.Build([loss.Value, .. gradients.Zip(by, (g, x) => (g ?? Adjoints.Zeros(x)).Value)]);
    }

    [Fact]
    public void Random_graphs_have_the_same_gradients_whatever_is_kept()
    {
        var (failures, compared, again) = (new List<string>(), 0, 0);
        Parallel.ForEach(Seeds.Of(120), seed =>
        {
            var made = Grower.Grow(seed, 1 + seed % 12);
            try
            {
                if (WithGradients(made.Graph) is not { } graph)
                    return;
                var expected = Evaluator.Run(graph, made.Inputs);
                var recomputation = new Recomputation(graph, 1, UsualSizes.None);
                var random = new Random(seed);
                HashSet<Value>[] choices = [recomputation.Kept(), [], [.. recomputation.Needed.Where(_ => random.Next(2) == 0)]];
                foreach (var kept in choices)
                {
                    var other = recomputation.Apply(kept);
                    other.Validate();
                    Interlocked.Add(ref again, other.Nodes.Count > graph.Nodes.Count ? 1 : 0);
                    if (!expected.Zip(Evaluator.Run(other, made.Inputs)).All(p => p.First.SameAs(p.Second)))
                        throw new InvalidOperationException($"other numbers in\n{GraphText.Write(other)}");
                }
                // The kernels are others, and so is how they round.
                var recomputed = recomputation.Apply(choices[0]);
                if (seed % 4 == 0 && Agreement.Of(expected, Softmodel.Interpret.Interpreter.Run(Softmodel.Lowering.Schedule.Of(Lower.Program(recomputed), 256), made.Inputs)).SnrDb < 60)
                    throw new InvalidOperationException($"other numbers of kernels of\n{GraphText.Write(recomputed)}");
                Interlocked.Increment(ref compared);
            }
            catch (SoftmodelException)
            {
                // It has no gradient.
            }
            catch (Exception e)
            {
                lock (failures)
                    failures.Add($"{e.GetType().Name}: {e.Message}\n{e.StackTrace}\nseed {made}");
            }
        });
        Assert.True(failures.Count == 0, $"{failures.Count} of {compared} failed; the smallest:\n{failures.MinBy(f => f.Length)}");
        Assert.True(compared > 50 && again > 50, $"{compared} graphs have gradients, {again} compute something again");
    }

    static Term Dropped(Term x, double share) => (new Term(x.Builder, x.Builder.Apply(new Op.Random(Distribution.Uniform, x.Shape, x.Builder.FreshStream()))) > share).Cast(ElementType.Float32) * x / (1 - share);

    /// <summary>Layers of attention whose outputs are dropped, or of an LSTM.</summary>
    static Graph Layers(string kind, int layers = 3)
    {
        var net = new Network(kind, seed: 3);
        var (ids, next) = (net.Input("ids", ElementType.Int64, Batch, Length), net.Input("next", ElementType.Int64, Batch, Length));
        var x = net.Embedding("words", ids, Words, Width);
        foreach (var layer in net.Blocks("layers", layers))
        {
            if (kind == "lstm")
            {
                x = layer.Lstm("lstm", x.Transpose(1, 0, 2), Width).Transpose(1, 0, 2);
                continue;
            }
            x += Dropped(layer.Attention("attention", layer.LayerNorm("norm1", x), heads: 4, isCausal: true), 0.1);
            x += Dropped(layer.Linear("down", layer.Linear("up", layer.LayerNorm("norm2", x), 4 * Width).Gelu(), Width), 0.1);
        }
        return net.Build(("loss", Losses.CrossEntropy(net.Linear("head", net.LayerNorm("norm", x), Words), next)));
    }

    static Tensor[] Text(Random random, int batch = Batch) => [.. Enumerable.Range(0, 2).Select(_ => Tensor.Of<long>([.. Enumerable.Range(0, batch * Length).Select(_ => (long)random.Next(Words))], batch, Length))];

    static double[] Losses5(Trainer trainer)
    {
        var random = new Random(7);
        return [.. Enumerable.Range(0, 5).Select(_ => trainer.Step(Text(random), 0.003).Loss)];
    }

    [Theory]
    [InlineData("attention")]
    [InlineData("lstm")]
    public void A_step_fits_its_budget_and_learns_the_same(string kind)
    {
        var step = TrainingStep.Of(Layers(kind));
        using var free = new Trainer(step, compile: new() { Threads = 1 });
        var expected = Losses5(free);
        var constant = free.StepBytes - free.MemoryBytes;
        // Of what it works in, of which parameters and moments are no part.
        const double share = 0.65;
        var bound = step with { MemoryBudget = constant + (long)(share * free.MemoryBytes) };
        var losses = Enumerable.Range(1, 2).Select(threads =>
        {
            using var trainer = new Trainer(bound, compile: new() { Threads = threads });
            var losses = Losses5(trainer);
            Assert.True(trainer.StepBytes <= bound.MemoryBudget);
            // Memory comes in pages.
            Assert.True(trainer.MemoryBytes <= share * free.MemoryBytes + 8192, $"{trainer.MemoryBytes} of {free.MemoryBytes}");
            return losses;
        }).ToArray();
        Assert.Equal(losses[0], losses[1]);
        Assert.All(expected.Zip(losses[0]), p => Assert.Equal(p.First, p.Second, 1e-4));
    }

    [Fact]
    public void A_budget_that_is_too_small_is_refused_with_the_least_that_is_not()
    {
        var step = TrainingStep.Of(Layers("attention", layers: 2));
        var refused = Assert.Throws<TooLittleMemoryException>(() => new Trainer(step with { MemoryBudget = 1_000_000 }));
        Assert.Contains("MB at least, and may take 1.0 MB", refused.Message);
        using var trainer = new Trainer(step with { MemoryBudget = refused.LeastBytes });
        Assert.True(trainer.StepBytes <= refused.LeastBytes);
        using var free = new Trainer(step);
        Assert.True(trainer.StepBytes < free.StepBytes);
        Assert.Equal(free.Step(Text(new(1)), 0.01).Loss, trainer.Step(Text(new(1)), 0.01).Loss, 1e-5);
    }

    [Fact]
    public void Gradients_of_several_batches_are_those_of_a_batch_of_all()
    {
        Graph Of(int batch)
        {
            var net = new Network("sums", seed: 3);
            var (ids, next) = (net.Input("ids", ElementType.Int64, batch, Length), net.Input("next", ElementType.Int64, batch, Length));
            return net.Build(("loss", Losses.CrossEntropy(net.Linear("head", net.Linear("up", net.Embedding("words", ids, Words, Width), Width).Gelu(), Words), next)));
        }
        using var whole = new Trainer(TrainingStep.Of(Of(8)));
        using var parts = new Trainer(TrainingStep.Of(Of(2), options: new() { Accumulate = 4 }));
        for (var change = 0; change < 3; change++)
        {
            var batch = Text(new(change), 8);
            var norm = whole.Step(batch, 0.01).GradientNorm;
            var before = parts["head.weight"];
            var last = new StepResult(0, 0, []);
            for (var part = 0; part < 4; part++)
            {
                Assert.True(before.SameAs(parts["head.weight"]));
                last = parts.Step([.. batch.Select(t => new Tensor(t.Type, [2, Length], t.Bytes.Slice(part * t.Bytes.Length / 4, t.Bytes.Length / 4)))], 0.01);
            }
            Assert.Equal(norm, last.GradientNorm, 1e-5 * norm);
        }
        foreach (var name in (string[])["head.weight", "words.weight", "head.bias/mean", "up.weight/square"])
            Assert.True(Agreement.Of([whole[name]], [parts[name]]).SnrDb > 60, name);
        Assert.Contains("of 0 batches", Assert.Throws<SoftmodelException>(() => TrainingStep.Of(Of(2), options: new() { Accumulate = 0 })).Message);
    }
}
