using Softmodel.Cli;
using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Passes;

namespace Softmodel.Tests.Compile;

public class PipelineTests
{
    // In their order; with a star those that run without being asked for.
    static readonly string[] listed = ["tap", "kv-cache", "simplify*", "integers-as-floats*", "loop-invariants*", "quantize-int16"];

    static readonly string[] names = [.. listed.Select(n => n.TrimEnd('*'))];

    // One multiplication by 1, which simplify takes away.
    static Graph Graph => GraphText.Read("""
        graph ones
          input x: Float32[n]
          one: Float32[] = constant {1}
          y: Float32[n] = multiply(x, one)
          z: Float32[n] = negate(y)
          output z = z
        end

        """, _ => null);

    static Compilation Begun(UseCase use) => new("ones", Graph, use, Evaluator.Fold);

    [Fact]
    public void Passes_have_names_of_their_own_and_say_what_they_do()
    {
        Assert.Equal(Pipeline.Passes.Count, Pipeline.Passes.Select(p => p.Name).Distinct().Count());
        Assert.All(Pipeline.Passes, p => Assert.Matches("^[a-z0-9-]+$", p.Name));
        Assert.All(Pipeline.Passes, p => Assert.True(p.Does.Length > 10));
    }

    [Fact]
    public void A_pass_can_be_left_out_and_be_the_last()
    {
        string[] Names(UseCase use) => [.. Pipeline.Chosen(use).Select(p => p.Name)];
        string[] before = [.. names.TakeWhile(n => n != "simplify")];
        Assert.Equal(names, Names(new()));
        Assert.Equal(names.Where(n => n != "simplify"), Names(new() { Without = ["simplify"] }));
        Assert.Equal([.. before, "simplify"], Names(new() { StopAfter = "simplify" }));
        Assert.Equal(before, Names(new() { StopAfter = "simplify", Without = ["simplify"] }));
        var unknown = Assert.Throws<SoftmodelException>(() => Names(new() { Without = ["simplfy"] }));
        Assert.Equal($"there is no pass 'simplfy'; the passes are {string.Join(", ", names)}", unknown.Message);
    }

    [Fact]
    public void Programs_of_other_passes_have_other_keys()
    {
        UseCase[] uses = [new(), new() { Without = ["simplify"] }, new() { StopAfter = "simplify" }, new() { Quantize = Quantization.Int16 }, new() { Quantize = Quantization.Int16, MinSnrDb = 40 }, new() { KvCache = true }, new() { Taps = ["residual.0"] }, new() { Taps = ["residual.0", "residual.1"] }, new() { Usual = new Dictionary<string, long> { ["n"] = 7 } }, new() { MeasureOn = ["inputs"] }, new() { MeasureOn = ["inputs"], MinOutputSnrDb = 40 }];
        Assert.Equal(uses.Length, uses.Select(u => u.Key).Distinct().Count());
        Assert.Equal(new UseCase().Key, new UseCase { IsChecked = true }.Key);
    }

    // A use case that differs in one property; those that no program depends on are marked.
    static readonly Dictionary<string, (UseCase Changed, bool IsInKey)> properties = new()
    {
        [nameof(UseCase.Sizes)] = (Usual with { Sizes = new Dictionary<string, long> { ["n"] = 7 } }, true),
        [nameof(UseCase.Usual)] = (Usual with { Usual = new Dictionary<string, long> { ["n"] = 7 } }, true),
        [nameof(UseCase.Shapes)] = (Usual with { Shapes = new Dictionary<string, long[]> { ["x"] = [7] } }, true),
        [nameof(UseCase.Values)] = (Usual with { Values = new Dictionary<string, double[]> { ["x"] = [7] } }, true),
        [nameof(UseCase.Quantize)] = (Usual with { Quantize = Quantization.None }, true),
        [nameof(UseCase.MinSnrDb)] = (Usual with { MinSnrDb = 7 }, true),
        // What the files hold is hashed beside the key.
        [nameof(UseCase.MeasureOn)] = (Usual with { MeasureOn = ["inputs", "more"] }, false),
        [nameof(UseCase.MinOutputSnrDb)] = (Usual with { MinOutputSnrDb = 7 }, true),
        [nameof(UseCase.Target)] = (Usual with { Target = "linux-arm64" }, false),
        [nameof(UseCase.MaxBytes)] = (Usual with { MaxBytes = 7 }, false),
        [nameof(UseCase.MaxMs)] = (Usual with { MaxMs = 7 }, false),
        [nameof(UseCase.KvCache)] = (Usual with { KvCache = true }, true),
        [nameof(UseCase.Taps)] = (Usual with { Taps = ["residual.0"] }, true),
        [nameof(UseCase.Without)] = (Usual with { Without = ["simplify"] }, true),
        [nameof(UseCase.StopAfter)] = (Usual with { StopAfter = "simplify" }, true),
        [nameof(UseCase.IsChecked)] = (Usual with { IsChecked = true }, false),
    };

    static UseCase Usual => new() { Quantize = Quantization.Int16, MeasureOn = ["inputs"] };

    [Fact]
    public void Every_property_of_a_use_case_is_in_its_key_and_outlasts_what_lies_below_it()
    {
        Assert.Equal(typeof(UseCase).GetProperties().Where(p => p.CanWrite).Select(p => p.Name).Order(), properties.Keys.Order());
        foreach (var (name, (changed, isInKey)) in properties)
        {
            Assert.True(isInKey == (changed.Key != Usual.Key), $"{name}: {changed.Key}");
            static string Written(object? value) => System.Text.Json.JsonSerializer.Serialize(value);
            var property = typeof(UseCase).GetProperty(name)!;
            var expected = Written(property.GetValue(changed));
            Assert.Equal((name, expected), (name, Written(property.GetValue(changed.Over(new())))));
            Assert.Equal((name, expected), (name, Written(property.GetValue(new UseCase().Over(changed)))));
        }
    }

    [Fact]
    public void What_a_pass_did_is_told()
    {
        var (after, runs) = Pipeline.Run(Begun(new() { IsChecked = true }));
        Assert.Equal([Functions.Negate], after.Graph.Nodes.Select(n => n.Op).OfType<Op.Map>().Select(m => m.Function));
        Assert.Equal(listed, runs.Select(r => r.IsAsked ? $"{r.Pass.Name}*" : r.Pass.Name));
        var simplify = runs.Single(r => r.Pass.Name == "simplify");
        Assert.Equal((3, 1, 4, 0), (simplify.NodesBefore, simplify.NodesAfter, simplify.BytesBefore, simplify.BytesAfter));
        Assert.Equal(Graph.Nodes.Count, Pipeline.Run(Begun(new() { Without = ["simplify"], StopAfter = "kv-cache" })).Compilation.Graph.Nodes.Count);
    }

    // Multiplies what is negated by a number, which is what the results then are of themselves.
    static Pass Scaling(string name, double factor) => new(name, Fidelity.Measured, "multiplies what is negated",
        c => c with { Graph = Rewriting.Apply(c.Graph, c.Folding, [(_, op, x) => op is Op.Map { Function: var f } && f == Functions.Negate ? (x[0] * factor).Map(f) : null]) });

    static Compilation Measured(double leastDb) => Begun(new() { MinOutputSnrDb = leastDb }) with
    {
        Measurement = new([new("few", new Dictionary<string, Tensor> { ["x"] = Tensor.Vector<float>([1, -2, 3]) }), new("one", new Dictionary<string, Tensor> { ["x"] = Tensor.Vector<float>([5]) })],
            (graph, sets) => [.. sets.Select(s => Evaluator.Run(graph, [.. graph.Arguments.Select(a => s.Tensors[a.Name])]))]),
    };

    [Fact]
    public void A_measured_pass_is_refused_when_it_breaks_the_budget()
    {
        using var _ = Pipeline.With(Scaling("a-percent-more", 1.01));
        foreach (var (least, isRefused) in (ReadOnlySpan<(double, bool)>)[(39, false), (41, true)])
        {
            var (after, runs) = Pipeline.Run(Measured(least));
            Assert.Equal(("a-percent-more", isRefused), (runs[^1].Pass.Name, runs[^1].IsRefused));
            Assert.Equal(40, runs[^1].Loss!.SnrDb, 0.01);
            Assert.Equal("z", runs[^1].Loss!.Output);
            Assert.Equal(isRefused ? 1 : 2, after.Graph.Nodes.Count(n => n.Op is Op.Map));
            Assert.Equal(isRefused ? (runs[^1].NodesBefore, 0L) : (runs[^1].NodesBefore + 2, 4L), (runs[^1].NodesAfter, runs[^1].BytesAfter));
        }
        Assert.Null(Pipeline.Run(Begun(new())).Runs[^1].Loss);
    }

    [Fact]
    public void The_budget_is_for_all_passes_together()
    {
        using var first = Pipeline.With(Scaling("a-percent-more", 1.01));
        using var second = Pipeline.With(Scaling("two-percent-more", 1.02));
        using var last = Pipeline.With(Scaling("again-a-percent-more", 1.01));
        var (after, runs) = Pipeline.Run(Measured(33.5));
        Assert.Equal([false, true, false], runs.TakeLast(3).Select(r => r.IsRefused));
        Assert.Equal(-20 * Math.Log10(1.01 * 1.01 - 1), runs[^1].Loss!.SnrDb, 0.01);
        Assert.Equal(-5 * 1.0201, Evaluator.Run(after.Graph, [Tensor.Vector<float>([5])])[0].Float(0), 1e-5);
    }

    [Fact]
    public void A_pass_is_in_the_list_as_long_as_it_is_asked_for()
    {
        var before = Pipeline.Passes.Select(p => p.Name).ToArray();
        using (Pipeline.With(Scaling("more", 2), before: "simplify"))
            Assert.Equal([.. before.TakeWhile(n => n != "simplify"), "more", .. before.SkipWhile(n => n != "simplify")], Pipeline.Passes.Select(p => p.Name));
        Assert.Equal(before, Pipeline.Passes.Select(p => p.Name));
    }

    [Fact]
    public void A_use_case_is_read_and_counts_less_than_what_is_said()
    {
        var read = Read("""{ "sizes": { "batch": 1, "n": 3 }, /* of two */ "shapes": { "image": [1, 3] }, "values": { "rate": [16000.5] }, "without": ["simplify"], "quantize": "int16", "minSnrDb": 50, "taps": ["residual.0"], "usual": { "n": 300 }, "measureOn": ["inputs", "/there"], "minOutputSnrDb": 20 }""");
        Assert.Equal((1, 16000.5, 50.0), (read.Sizes["batch"], read.Values["rate"][0], read.MinSnrDb));
        var use = new UseCase { Sizes = new Dictionary<string, long> { ["n"] = 7 }, MinSnrDb = 40, Without = ["kv-cache"], Taps = ["logits"] }.Over(read);
        Assert.Equal((1, 7, 40.0), (use.Sizes["batch"], use.Sizes["n"], use.MinSnrDb));
        Assert.Equal(["simplify", "kv-cache"], use.Without);
        Assert.Equal(["residual.0", "logits"], use.Taps);
        Assert.Equal(("inputs", "/there", 20.0), (Path.GetFileName(use.MeasureOn[0]), use.MeasureOn[1], use.LeastOutputSnrDb));
        Assert.Equal(300, use.Usual["n"]);
        Assert.True(Path.IsPathRooted(use.MeasureOn[0]));
        Assert.Equal((Quantization.Int16, 3L), (use.Quantize, use.Shapes["image"][1]));
    }

    [Theory]
    [InlineData("", "can't be read")]
    [InlineData("null", "null is no use case")]
    [InlineData("[]", "can't be read")]
    [InlineData("""{ "size": { "batch": 1 } }""", "'size'")]
    [InlineData("""{ "sizes": { "batch": -1 } }""", "negative")]
    [InlineData("""{ "sizes": { "batch": 1.5 } }""", "$.sizes.batch")]
    [InlineData("""{ "quantize": "int4" }""", "$.quantize")]
    [InlineData("""{ "minSnrDb": -1 }""", "minSnrDb is negative")]
    [InlineData("""{ "usual": { "T": 0 } }""", "a usual size is less than 1")]
    [InlineData("""{ "minOutputSnrDb": -1 }""", "minOutputSnrDb is negative")]
    [InlineData("""{ "measureOn": [null] }""", "null stands")]
    [InlineData("""{ "sizes": null }""", "null stands")]
    [InlineData("""{ "shapes": { "x": null } }""", "null stands")]
    [InlineData("""{ "taps": [null] }""", "null stands")]
    [InlineData("""{ "sizes": {}, "sizes": {} }""", "uplicate")]
    [InlineData("""{ "without": ["simplfy"] }""", "the passes are tap, kv-cache, simplify")]
    public void A_use_case_that_says_what_there_is_not_is_refused(string json, string expected)
    {
        var refused = Assert.Throws<SoftmodelException>(() => Read(json));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
        Assert.Contains("use.json", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_use_case_that_is_not_there_is_named() => Assert.Contains("nowhere.json", Assert.Throws<SoftmodelException>(() => UseCase.Read("nowhere.json")).Message, StringComparison.Ordinal);

    static UseCase Read(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("use.json"), json);
        return UseCase.Read(folder.File("use.json"));
    }
}
