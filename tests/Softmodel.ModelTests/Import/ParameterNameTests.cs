using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Import;
using Softmodel.Import.Onnx;
using Softmodel.ModelTests.Architectures;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Import;

/// <summary>Weights of real models are known by the names of their files, from the import to what is exported.</summary>
public sealed class ParameterNameTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>Whether a name is one of a file, or is called after one.</summary>
    static bool IsOf(IEnumerable<string> file, string name) => file.Any(n => name == n || name.StartsWith($"{n}/", StringComparison.Ordinal));

    [Fact]
    public async Task An_exported_model_has_the_weights_of_the_original_under_their_names()
    {
        using var model = await Model.LoadAsync("silero-vad-v5");
        var path = Path.Combine(folder, "exported.onnx");
        OnnxExport.Write(model.Imported, path);
        using var original = OnnxFile.Open(model.Path);
        using var exported = OnnxFile.Open(path);
        // Of this model the weights are constant nodes in branches.
        static IEnumerable<(string Name, Tensor Tensor)> Weights(OnnxGraph graph) => graph.Initializers.Select(i => (i.Key, i.Value.ToTensor()))
            .Concat(graph.AllNodes().Where(n => n.Operator.Name == "Constant").SelectMany(n => n.Attributes.Values.Select(a => a.Tensor).OfType<OnnxTensor>().Select(w => (n.Outputs[0], w.ToTensor()))));
        var before = Weights(original.Model.Graph).ToLookup(w => w.Name, w => w.Tensor);
        var after = Weights(exported.Model.Graph).Where(w => w.Tensor.Count > 16).ToArray();
        Assert.True(after.Length > 10);
        Assert.All(after, w => Assert.True(IsOf(before.Select(b => b.Key), w.Name), w.Name));
        var same = after.Where(w => before.Contains(w.Name)).ToArray();
        Assert.True(same.Length >= 6);
        Assert.All(same, w => Assert.Contains(before[w.Name], b => b.SameAs(w.Tensor)));
    }

    static void HasNames(string path)
    {
        using var model = Model.Load(path);
        // Angles are computed and not in the file.
        Assert.DoesNotContain(model.Imported.AllNodes(), n => n.Op is Op.Constant { Value: { Count: > 1024, Type: not ElementType.Float32 } });
        using var checkpoint = Checkpoint.Open(path);
        var names = Parameters.Of(model.Imported).Select(p => p.Name).ToArray();
        Assert.True(names.Length > 10);
        Assert.All(names, n => Assert.True(checkpoint.Find(n.Split('/')[0]) is not null, n));
    }

    [Theory]
    [MemberData(nameof(ArchitectureTests.Folders), MemberType = typeof(ArchitectureTests))]
    public void Weights_of_a_checkpoint_keep_their_names(string architecture) => HasNames(Shared.Folder($"lm/families/{architecture}"));

    [Fact]
    public void A_weight_in_blocks_is_one_parameter_under_its_name()
    {
        var path = Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf");
        HasNames(path);
        using var model = Model.Load(path);
        using var checkpoint = Checkpoint.Open(path);
        var blocks = Parameters.Of(model.Imported).Where(p => p.Format is not null).ToArray();
        Assert.True(blocks.Length > 200);
        Assert.All(blocks, p => Assert.Equal(checkpoint.Find(p.Name)!.Format, p.Format));
        Assert.All(blocks, p => Assert.True(checkpoint.Find(p.Name)!.Bytes.Span.SequenceEqual(p.Value.Bytes.Span)));
    }
}
