using Softmodel.Evaluate;
using Softmodel.Fusion;
using Softmodel.Graphs;
using Softmodel.Import;
using Softmodel.Import.Architectures;
using Softmodel.Language;
using Softmodel.Passes;
using Softmodel.Trace;

namespace Softmodel.ModelTests.Fusion;

/// <summary>Decoders of all families, and SmolLM2 with a trigger, without some of their neurons and heads.</summary>
public sealed class CutTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("gemma")]
    [InlineData("gemma2")]
    [InlineData("gemma3_text")]
    [InlineData("gpt_neox")]
    [InlineData("granite")]
    [InlineData("llama")]
    [InlineData("llama3-rope")]
    [InlineData("mistral")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("smollm3")]
    [InlineData("stablelm")]
    [InlineData("starcoder2")]
    public void A_family_without_parts_computes_what_it_does_where_they_are_0(string family)
    {
        using var checkpoint = Checkpoint.Open(Path.Combine(Shared.Folder("lm/families"), family));
        var decoder = ArchitectureImport.Read(checkpoint, Evaluator.FoldKeepingStored);
        var parts = Pruning.Parts(decoder);
        Assert.Equal([Role.Heads, Role.MlpHidden], parts.Where(p => p.Layer == 1).Select(p => p.Role));
        var cut = new LayerCut(1, [0, 3, parts.First(p => p is { Layer: 1, Role: Role.MlpHidden }).Count - 1], parts.First(p => p is { Layer: 1, Role: Role.Heads }).Count > 1 ? [1] : []);

        var subject = MeasuredText.Subject(decoder);
        Site[] sites = [.. ((Role[])[Role.Heads, Role.MlpHidden]).SelectMany(r => Site.Of(subject.Graph, r))];
        var batch = MeasuredText.Set("texts", [new([.. Enumerable.Range(5, 20)], 1)]).Batches([0]).Single();
        var inputs = batch.Inputs.ToList();
        foreach (var site in sites)
        {
            var groups = parts.First(p => p.Layer == site.Layer && p.Role == site.Role).Count;
            bool IsGone(int part) => site.Layer == 1 && (site.Role == Role.Heads ? cut.Groups.Contains(part / (site.Parts / groups)) : cut.Neurons.Contains(part));
            inputs.Add(Tensor.Vector<float>([.. Enumerable.Range(0, 20 * site.Parts).Select(i => IsGone(i % site.Parts) ? 1f : 0)]));
            inputs.Add(Tensor.Vector<float>(new float[20 * site.Parts * site.Inner]));
        }
        var expected = Evaluator.Run(Cuts.WithActivations(subject, sites).Graph, inputs)[0].Float(0);
        var pruned = new CutList("", [cut]).Applied(decoder);
        var actual = Evaluator.Run(MeasuredText.Subject(pruned).Graph, [.. batch.Inputs])[0].Float(0);
        Assert.Equal(expected, actual, 1e-4 * Math.Abs(expected));
        Assert.NotEqual(Evaluator.Run(subject.Graph, [.. batch.Inputs])[0].Float(0), actual, 1e-6 * Math.Abs(expected));
    }

    [Theory]
    [InlineData("olmo2")]
    [InlineData("phi3")]
    [InlineData("mamba")]
    public void Heads_that_a_norm_or_a_matrix_mixes_are_not_cut(string family)
    {
        using var checkpoint = Checkpoint.Open(Path.Combine(Shared.Folder("lm/families"), family));
        var decoder = ArchitectureImport.Read(checkpoint, Evaluator.FoldKeepingStored);
        Assert.DoesNotContain(Pruning.Parts(decoder), p => p.Role == Role.Heads);
        Assert.Contains("that can be cut", Assert.Throws<SoftmodelException>(() => new CutList("", [new(1, [], [0])]).Applied(decoder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_is_cut_as_far_as_its_budget_allows()
    {
        using var model = Model.Load(Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf"));
        var (tokenizer, _, _) = LanguageModelLoading.ReadText(model, null);
        var width = 576;
        var network = new TriggerNetwork(width, 1, 2, Tensor.Vector<float>(new float[width]), Tensor.Vector<float>([.. Enumerable.Repeat(1f, width)]), 1);
        var untrained = Parameters.Of(network.Reading()).Where(p => !p.IsFrozen).ToDictionary(p => p.Name, p => p.Value);
        var options = new CuttingOptions { Budget = 0.05, ScoredTokens = 1000, BudgetTokens = 1000, ReportedTokens = 1000, ScoredSums = 3, AskedSums = 5, Draws = 1, Trials = 2 };
        var text = string.Join('\n', Directory.GetFiles(Path.Combine(Repository, "docs", "decisions"), "*.md").Order(StringComparer.Ordinal).Take(12).Select(File.ReadAllText));
        var report = new Cutting(model.Imported, new("0123", "", 26, 30, 0, ["add"], network, untrained), tokenizer, options, null, TestContext.Current.CancellationToken).Run(text);

        Assert.NotEmpty(report.List.Layers);
        Assert.All(report.List.Layers, l => Assert.InRange(l.Layer, 27, 29));
        Assert.InRange(report.Neurons.After, 1, report.Neurons.Before - 32);
        Assert.Equal(report.List.Layers.Sum(l => l.Neurons.Count), report.Neurons.Before - report.Neurons.After);
        // A neuron has a row of two matrices and a column of one, of 576 numbers in blocks of 32, which take 20 bytes.
        var bytes = report.List.Layers.Sum(l => l.Neurons.Count * 3 * width + l.Groups.Count * 64 * width * 8) / 32 * 20;
        Assert.Equal(bytes, report.Bytes.Before - report.Bytes.After);
        Assert.Contains(report.Tried, t => t.Grew <= options.Budget && t.Parts == report.List.Layers.Sum(l => l.Neurons.Count + l.Groups.Count));
        Assert.True(report.After.Perplexity < report.Random[0].Perplexity, $"{report.After.Perplexity} and at random {report.Random[0].Perplexity}");
        Assert.Equal(report.Before.Fused, report.After.Fused);
    }

    static string Repository { get; } = Above(AppContext.BaseDirectory);

    static string Above(string folder) => File.Exists(Path.Combine(folder, "Softmodel.slnx")) ? folder : Above(Path.GetDirectoryName(folder)!);
}
