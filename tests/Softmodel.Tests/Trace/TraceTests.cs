using Softmodel.Arrays;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Trace;

namespace Softmodel.Tests.Trace;

/// <summary>Statistics, attribution and ablation, on small networks of which the answer is known.</summary>
public class TraceTests
{
    const int Tokens = 5, Classes = 7, Heads = 4, Neurons = 24, Width = 16;

    /// <summary>A decoder of two layers.</summary>
    static Graph Decoder()
    {
        var net = new Network("decoder", seed: 3);
        var x = net.Embedding("embeddings", net.Input("tokens", ElementType.Int64, Dim.Symbol("batch"), Tokens), Classes, Width, deviation: 1);
        foreach (var layer in net.Blocks("layers", 2))
        {
            x += layer.Attention("attention", layer.LayerNorm("norm", x), Heads, isCausal: true);
            x += layer.Linear("down", layer.Linear("up", x, Neurons).Gelu(), Width);
        }
        return net.Build(("logits", net.Linear("head", x, Classes)));
    }

    /// <summary>Random tokens, with the class that should follow the last one.</summary>
    static ExampleSet Examples(Subject subject, int count, int seed)
    {
        var random = new Random(seed);
        var folder = Directory.CreateTempSubdirectory("trace-");
        try
        {
            Write(folder.FullName, "a", [.. Enumerable.Range(0, count * Tokens).Select(_ => (long)random.Next(Classes))], [.. Enumerable.Range(0, count * Tokens).Select(i => i % Tokens == Tokens - 1 ? random.Next(Classes) : -1L)]);
            return Cases.Read(folder.FullName, subject, 2);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static void Write(string folder, string name, long[] tokens, long[] targets)
    {
        using var file = File.Create(Path.Combine(folder, $"{name}.npz"));
        Npz.Write(file, [("tokens", Tensor.Of<long>(tokens, tokens.Length / Tokens, Tokens)), (Cases.Targets, Tensor.Of<long>(targets, targets.Length / Tokens, Tokens))]);
    }

    static int[] All(ExampleSet set) => [.. Enumerable.Range(0, set.Count)];

    static Tracer TracerOf(Subject subject, params Role[] roles) => new(subject, [.. roles.SelectMany(r => Site.Of(subject.Graph, r))], 1, null, TestContext.Current.CancellationToken);

    static Subject Subject(Measures measure = Measures.LogProbability) => Cases.Of(Decoder(), null, measure, out _);

    [Fact]
    public void Parts_are_found_by_structure()
    {
        var graph = RolesByStructure.Mark(Decoder());
        Assert.Equal([(0, Heads, Width / Heads), (1, Heads, Width / Heads)], Site.Of(graph, Role.Heads).Select(s => (s.Layer, s.Parts, s.Inner)));
        Assert.Equal([(0, Neurons, 1), (1, Neurons, 1)], Site.Of(graph, Role.MlpHidden).Select(s => (s.Layer, s.Parts, s.Inner)));
        Assert.Equal([(0, 1, Width), (1, 1, Width)], Site.Of(graph, Role.AttentionOutput).Select(s => (s.Layer, s.Parts, s.Inner)));
        Assert.Equal([(0, 1, Width), (1, 1, Width)], Site.Of(graph, Role.MlpOutput).Select(s => (s.Layer, s.Parts, s.Inner)));
    }

    [Fact]
    public void A_network_in_which_nothing_is_cut_computes_what_it_did()
    {
        var subject = Subject();
        var set = Examples(subject, 9, seed: 1);
        using var tracer = TracerOf(subject, Role.Heads, Role.MlpHidden, Role.AttentionOutput, Role.MlpOutput);
        var outcome = tracer.Run(set, All(set));
        var expected = Evaluator.Run(subject.Graph, set.Batches(All(set)).Single().Inputs);
        for (var i = 0; i < set.Count; i++)
        {
            Assert.Equal(expected[0].Float(i), outcome.Measures[i], 1e-5);
            Assert.Equal(expected[1].Float(i), outcome.Margins[i], 1e-5);
        }
    }

    [Fact]
    public void Statistics_are_those_of_the_activations()
    {
        var subject = Subject();
        var set = Examples(subject, 150, seed: 1);
        using var tracer = TracerOf(subject, Role.MlpHidden);
        var statistics = SiteStatistics.Of(tracer, set, All(set))[1];
        var site = tracer.Sites[1];
        var values = set.Batches(All(set)).SelectMany(b => Evaluator.Run(subject.Graph with { Outputs = [site.Value], OutputNames = ["x"] }, b.Inputs)[0] is var x ? Enumerable.Range(0, (int)x.Count).Select(i => x.Float(i)) : []).ToArray();
        var neuron = values.Where((_, i) => i % Neurons == 5).ToArray();
        var moments = statistics.OfPart(5);
        Assert.Equal(neuron.Length, moments.Count);
        Assert.Equal(neuron.Average(), moments.Mean, 1e-5);
        Assert.Equal(neuron.Average(x => x * x) - neuron.Average() * neuron.Average(), moments.Variance, 1e-5);
        Assert.Equal(neuron.Min(), moments.Least, 1e-5);
        Assert.Equal(neuron.Max(), moments.Most, 1e-5);
        Assert.Equal(neuron.Count(x => x > 0) / (double)neuron.Length, moments.Active, 1e-3);
        var second = values.Where((_, i) => i / Neurons % Tokens == 1).ToArray();
        Assert.Equal(second.Average(), statistics.Positions[Tokens - 2].Mean, 1e-5);
        Assert.Equal([Place.First, 0, 1, 2, 3], statistics.Positions.Keys);
    }

    // What a head gives is multiplied with its columns of the matrix behind it.
    [Fact]
    public void A_head_that_is_cut_to_zero_is_one_whose_weights_are_zero()
    {
        var subject = Subject();
        var set = Examples(subject, 9, seed: 1);
        using var tracer = TracerOf(subject, Role.Heads);
        var outcome = tracer.Run(set, All(set), Replacements.Cutting(tracer, [new(1, Role.Heads, 2)], Replacements.Zero));
        var without = Parameters.Replace(subject.Graph, Evaluator.Fold, new Dictionary<string, Softmodel.Passes.Replacement>
        {
            ["layers.1.attention.output.weight"] = (builder, p) =>
            {
                var numbers = p.Value.Values<float>().ToArray();
                for (var i = 0; i < numbers.Length; i++)
                    numbers[i] = i % Width / (Width / Heads) == 2 ? 0 : numbers[i];
                return builder.Apply(p with { Value = Tensor.Of<float>(numbers, p.Value.Dims) });
            },
        });
        var expected = Evaluator.Run(without, set.Batches(All(set)).Single().Inputs)[0];
        Assert.All(All(set), i => Assert.Equal(expected.Float(i), outcome.Measures[i], 1e-5));
        Assert.NotEqual(tracer.Run(set, All(set)).Measure, outcome.Measure, 1e-3);
    }

    [Theory]
    [InlineData(Role.Heads)]
    [InlineData(Role.MlpHidden)]
    [InlineData(Role.AttentionOutput)]
    public void Scores_are_the_slopes_of_cuts(Role role)
    {
        var subject = Subject();
        var set = Examples(subject, 12, seed: 4);
        using var tracer = TracerOf(subject, role);
        var mean = SiteStatistics.Of(tracer, set, All(set));
        var replace = Replacements.Mean(mean, mean);
        var scores = SiteAttribution.ByGradients(tracer, set, All(set), replace);
        const float little = 0.02f;
        for (var site = 0; site < tracer.Sites.Count; site++)
        {
            for (var part = 0; part < tracer.Sites[site].Parts; part++)
            {
                double Cut(float share) => tracer.Run(set, All(set), (at, places, cut, replacement) =>
                {
                    replace(at, places, replacement);
                    for (var i = part; at == site && i < cut.Length; i += tracer.Sites[at].Parts)
                        cut[i] = share;
                }).Measure;
                Assert.Equal((Cut(-little) - Cut(little)) / (2 * little), scores[site].Drops[part], 2e-3);
            }
        }
        Assert.Contains(scores, s => s.Drops.Any(d => Math.Abs(d) > 1e-2));
    }

    /// <summary>A measure that depends on its neurons linearly.</summary>
    static (Subject Subject, ExampleSet Set) Linear()
    {
        var net = new Network("linear", seed: 2);
        var x = net.Input("x", ElementType.Float32, Dim.Symbol("batch"), 6);
        var measure = net.Linear("out", net.Block("layers.0", 0).Linear("up", x, 10, role: Role.MlpHidden), 1).Squeeze(1);
        var random = new Random(7);
        var numbers = Enumerable.Range(0, 8 * 6).Select(_ => (float)random.NextDouble()).ToArray();
        return (new(net.Build((Softmodel.Trace.Subject.Measure, measure), (Softmodel.Trace.Subject.Margin, measure)), new Dictionary<string, long>()),
            new("numbers", 8, chosen => [new([Tensor.Of<float>([.. chosen.SelectMany(i => numbers[(i * 6)..(i * 6 + 6)])], chosen.Count, 6)], chosen.Count, _ => Place.Of(Enumerable.Repeat(1, chosen.Count)))]));
    }

    [Fact]
    public void Attribution_of_what_is_linear_is_its_ablation()
    {
        var (subject, set) = Linear();
        using var tracer = TracerOf(subject, Role.MlpHidden);
        int[] clean = [0, 1, 2, 3], corrupt = [4, 5, 6, 7];
        foreach (var replace in (Replace[])[Replacements.Zero, Replacements.Of(tracer, set, corrupt)])
        {
            var scores = SiteAttribution.ByGradients(tracer, set, clean, replace)[0].Drops;
            var before = tracer.Run(set, clean).Measure;
            Assert.Equal(10, scores.Length);
            for (var part = 0; part < scores.Length; part++)
                Assert.Equal(before - tracer.Run(set, clean, Replacements.Cutting(tracer, [new(0, Role.MlpHidden, part)], replace)).Measure, scores[part], 1e-5);
            Assert.Equal(before - tracer.Run(set, clean, Replacements.Cutting(tracer, scores.Select((_, i) => new Part(0, Role.MlpHidden, i)), replace)).Measure, scores.Sum(), 1e-5);
        }
    }

    [Fact]
    public void Integrated_gradients_add_up_to_what_cutting_all_costs()
    {
        var subject = Subject();
        var set = Examples(subject, 12, seed: 4);
        using var tracer = TracerOf(subject, Role.Heads, Role.MlpHidden);
        var costs = new List<double>();
        foreach (var role in (Role[])[Role.Heads, Role.MlpHidden])
        {
            var all = tracer.Sites.Where(s => s.Role == role).SelectMany(s => Enumerable.Range(0, s.Parts).Select(i => new Part(s.Layer, role, i))).ToArray();
            for (var i = 0; i < 4; i++)
            {
                var scores = SiteAttribution.ByIntegratedGradients(tracer, set, [i], Replacements.Zero, steps: 32);
                costs.Add(tracer.Run(set, [i]).Measure - tracer.Run(set, [i], Replacements.Cutting(tracer, all, Replacements.Zero)).Measure);
                Assert.Equal(costs[^1], scores.Where(s => s.Site.Role == role).Sum(s => s.Drops.Sum()), 1e-3);
            }
        }
        Assert.True(costs.Max(Math.Abs) > 0.05, $"{string.Join(", ", costs)}");
    }

    [Fact]
    public void An_example_in_its_own_place_changes_nothing()
    {
        var subject = Subject();
        var set = Examples(subject, 6, seed: 4);
        using var tracer = TracerOf(subject, Role.MlpHidden);
        var parts = Enumerable.Range(0, Neurons).Select(i => new Part(0, Role.MlpHidden, i)).ToArray();
        var (before, after) = (tracer.Run(set, All(set)), tracer.Run(set, All(set), Replacements.Cutting(tracer, parts, Replacements.Of(tracer, set, All(set)))));
        Assert.All(All(set), i => Assert.Equal(before.Measures[i], after.Measures[i], 1e-5));
        var other = tracer.Run(set, All(set), Replacements.Cutting(tracer, parts, Replacements.Of(tracer, set, [.. All(set).Reverse()])));
        Assert.NotEqual(before.Measure, other.Measure, 1e-3);
    }

    [Fact]
    public void A_cut_at_one_position_is_only_there()
    {
        var subject = Subject();
        var set = Examples(subject, 6, seed: 4);
        using var tracer = TracerOf(subject, Role.MlpOutput);
        double Cut(int? position) => tracer.Run(set, All(set), Replacements.Cutting(tracer, [new(1, Role.MlpOutput, 0, position)], Replacements.Zero)).Measure;
        var before = tracer.Run(set, All(set)).Measure;
        // What the last layer's MLP adds to other positions is read by nobody.
        Assert.Equal(before, Cut(Place.First), 1e-6);
        Assert.Equal(before, Cut(2), 1e-6);
        Assert.Equal(Cut(null), Cut(0), 1e-6);
        Assert.NotEqual(before, Cut(0), 1e-3);
        Assert.Throws<ArgumentException>(() => tracer.Run(set, All(set), Replacements.Cutting(tracer, [new(2, Role.MlpOutput, 0)], Replacements.Zero)));
    }

    /// <summary>A network in which neuron 3 alone knows class 0 from the first number, and neuron 5 class 1 from the second.</summary>
    static (Subject Subject, ExampleSet Zeros, ExampleSet Ones) Planted()
    {
        var net = new Network("planted", seed: 2);
        var x = net.Input("x", ElementType.Float32, Dim.Symbol("batch"), 2);
        var (up, down) = (new float[8 * 2], new float[2 * 8]);
        (up[3 * 2], down[3]) = (1, 4);
        (up[5 * 2 + 1], down[8 + 5]) = (1, 4);
        var hidden = x.Contract("bi,oi->bo", net.Parameter("up", Tensor.Of<float>(up, 8, 2))).Max(0) + net.Normal("noise", 0.01, 8);
        var subject = Cases.Of(net.Build(("logits", hidden.Map(Functions.Tanh).Contract("bi,oi->bo", net.Parameter("down", Tensor.Of<float>(down, 2, 8))))), null, Measures.LogProbability, out var axes);
        Assert.Equal(1, axes);
        ExampleSet Set(int kind)
        {
            var random = new Random(kind);
            var folder = Directory.CreateTempSubdirectory("trace-");
            using (var file = File.Create(Path.Combine(folder.FullName, "a.npz")))
                Npz.Write(file, [("x", Tensor.Of<float>([.. Enumerable.Range(0, 24).Select(i => i % 2 == kind ? 1 + (float)random.NextDouble() : 0)], 12, 2)), (Cases.Targets, Tensor.Vector<long>([.. Enumerable.Repeat((long)kind, 12)]))]);
            var set = Cases.Read(folder.FullName, subject, axes);
            folder.Delete(recursive: true);
            return set;
        }
        return (subject, Set(0), Set(1));
    }

    [Theory]
    [InlineData("gradient")]
    [InlineData("integrated")]
    [InlineData("patching")]
    public void What_a_use_needs_is_found_and_proven(string method)
    {
        var (subject, zeros, ones) = Planted();
        var traced = Tracing.Run(subject, zeros, ones, new() { Roles = [Role.MlpHidden], Counts = [1], Draws = 6, Replacement = Softmodel.Trace.Replacement.Zero, Method = Enum.Parse<Method>(method, ignoreCase: true), Threads = 1 }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(new Part(0, Role.MlpHidden, 3), traced.Parts.Single().Parts[0].Part);
        var (named, random) = (traced.Ablations[0], traced.Ablations[1]);
        Assert.Equal(("ranked", 1), (named.Cut, named.Count));
        Assert.Equal("random", random.Cut);
        Assert.True(traced.Before.Use.Accuracy == 1 && traced.Before.Against.Accuracy == 1);
        Assert.True(named.Use.Mean < traced.Before.Use.Measure - 0.3, $"{named.Use}");
        Assert.Equal(traced.Before.Against.Measure, named.Against.Mean, 0.05);
        Assert.True(random.Use.Mean > named.Use.Mean + 0.1, $"{random.Use}");
        var grid = LayerGrid.Of(traced);
        Assert.Equal(["layers × mlp_hidden", "layers × positions"], grid.Select(g => g.Title));
        Assert.Equal(3, grid[0].Rows[0].Values.Index().MaxBy(v => v.Item).Index);
        Assert.Equal(4, grid[0].Narrowed(4).Columns.Length);
        Assert.Equal(grid[0].Most, grid[0].Narrowed(4).Most);
        using var page = new StringWriter();
        TracePage.Write("planted", "zeros", "a < b", traced, page);
        Assert.Contains("a &lt; b", page.ToString());
        Assert.Contains("<title>layer 0, 3: ", page.ToString());
    }

    [Fact]
    public void Sets_that_do_not_suffice_are_refused_by_name()
    {
        var (subject, zeros, ones) = Planted();
        Assert.Contains("at least 2", Assert.Throws<SoftmodelException>(() => Tracing.Run(subject, zeros with { Count = 1 }, ones, new())).Message);
        Assert.Contains("pairs", Assert.Throws<SoftmodelException>(() => Tracing.Run(subject, zeros with { Count = 11 }, ones, new() { Method = Method.Patching })).Message);
        Assert.Contains("no heads", Assert.Throws<SoftmodelException>(() => Tracing.Run(subject, zeros, ones, new() { Roles = [Role.Heads] })).Message);
        Assert.Contains("no output 'scores'", Assert.Throws<SoftmodelException>(() => Cases.Of(Decoder(), "scores", Measures.Margin, out _)).Message);
        var folder = Directory.CreateTempSubdirectory("trace-");
        try
        {
            var decoder = Subject();
            Assert.Contains("no inputs", Assert.Throws<SoftmodelException>(() => Cases.Read(folder.FullName, decoder, 2)).Message);
            Write(folder.FullName, "a", new long[Tokens], [.. Enumerable.Repeat(-1L, Tokens)]);
            Assert.Contains("example 1 of a has no target", Assert.Throws<SoftmodelException>(() => Cases.Read(folder.FullName, decoder, 2)).Message);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Moments_of_parts_add_up()
    {
        var random = new Random(1);
        var (all, first, second) = (new Moments(), new Moments(), new Moments());
        for (var i = 0; i < 100; i++)
        {
            var x = (float)random.NextDouble() - 0.3f;
            all.Add(x);
            if (i < 37)
                first.Add(x);
            else
                second.Add(x);
        }
        first.Add(second);
        Assert.Equal((all.Count, all.ActiveCount, all.Least, all.Most), (first.Count, first.ActiveCount, first.Least, first.Most));
        Assert.Equal(all.Mean, first.Mean, 1e-12);
        Assert.Equal(all.Variance, first.Variance, 1e-12);
    }
}
