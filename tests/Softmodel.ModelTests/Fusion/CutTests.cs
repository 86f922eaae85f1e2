using System.Text.Json;
using Softmodel.Cli;
using Softmodel.Evaluate;
using Softmodel.Fusion;
using Softmodel.Graphs;
using Softmodel.Import;
using Softmodel.Import.Architectures;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Trace;

namespace Softmodel.ModelTests.Fusion;

/// <summary>Decoders of all families, and SmolLM2 with a trigger, without some of their neurons and heads.</summary>
public sealed class CutTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>Families with the roles that can be cut: where queries, keys and values or gates are one matrix, or neurons experts', not all can.</summary>
    [Theory]
    [InlineData("gemma")]
    [InlineData("gemma2")]
    [InlineData("gemma3_text")]
    [InlineData("granite")]
    [InlineData("llama")]
    [InlineData("llama3-rope")]
    [InlineData("mistral")]
    [InlineData("olmo2")]
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
    [InlineData("phi3")]
    [InlineData("gpt_neox")]
    [InlineData("mamba")]
    public void What_can_not_be_cut_is_told(string family)
    {
        using var checkpoint = Checkpoint.Open(Path.Combine(Shared.Folder("lm/families"), family));
        var decoder = ArchitectureImport.Read(checkpoint, Evaluator.FoldKeepingStored);
        Assert.DoesNotContain(Pruning.Parts(decoder), p => p.Role == Role.Heads);
        Assert.Contains("that can be cut", Assert.Throws<SoftmodelException>(() => new CutList("", [new(1, [], [0])]).Applied(decoder)).Message, StringComparison.Ordinal);
    }
}
