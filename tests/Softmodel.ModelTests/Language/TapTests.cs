using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.ModelTests.Architectures;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Language;

/// <summary>Values inside language models of every architecture, by layer and role.</summary>
public class TapTests
{
    const int Tokens = 3;

    static string Folder(string architecture) => Shared.Folder($"lm/families/{architecture}");

    /// <summary>The taps of a model that reads a text of three tokens.</summary>
    static Dictionary<string, Tensor> Run(string architecture, params string[] taps)
    {
        using var model = Model.Load(Folder(architecture), new() { Taps = taps });
        var graph = model.Graph;
        Tensor Given(Value input)
        {
            long Size(string symbol) => symbol is "n_outputs" or "slots" ? 1 : Tokens;
            long[] dims = [.. input.Shape.Dims.Select(d => d.Evaluate(Size))];
            return input.Name switch
            {
                SequenceInputs.Tokens => Tensor.Vector<long>(1, 2, 3),
                SequenceInputs.Positions or SequenceInputs.Cells or SequenceInputs.CellPositions => Tensor.Vector<long>(0, 1, 2),
                SequenceInputs.CellSequences => Tensor.Vector<long>(1, 1, 1),
                SequenceInputs.LogitsIndices => Tensor.Vector(Tokens - 1L),
                _ => Tensor.Of(input.Type.Element, dims, new double[Tensor.CountOf(dims)]),
            };
        }
        var results = Evaluator.Run(graph, [.. graph.Inputs.Select(Given)]);
        return graph.OutputNames.Zip(results).ToDictionary(p => p.First, p => p.Second, StringComparer.Ordinal);
    }

    static float[] Numbers(Tensor tensor) => [.. tensor.Values<float>()];

    [Theory]
    [MemberData(nameof(ArchitectureTests.Folders), MemberType = typeof(ArchitectureTests))]
    public void The_residual_stream_is_what_parts_of_a_layer_are_added_to(string architecture)
    {
        using var model = Model.Load(Folder(architecture));
        var layers = model.Imported.Nodes.Select(n => n.Origin.Layer).OfType<int>().Distinct().Order().ToArray();
        Assert.Equal(Enumerable.Range(0, layers.Length), layers);
        Assert.True(layers.Length > 1);
        var isMixed = architecture == "mamba";
        // In these the stream is normed after something was added to it.
        var isNormedLast = architecture is "bert" or "distilbert";
        string[] parts = isMixed ? ["mixer_output.1"] : ["attention_output.1", "mlp_output.1"];
        var taps = Run(architecture, ["residual.0", .. parts, "residual.1", .. isMixed ? Array.Empty<string>() : ["query.1", "key.1", "value.1", "attention_weights.1", "heads.1", "heads.1.1"]]);
        var (before, after) = (Numbers(taps["residual.0"]), Numbers(taps["residual.1"]));
        Assert.True(before.Length > Tokens && after.Length == before.Length && !after.SequenceEqual(before));
        if (!isNormedLast)
        {
            var sum = parts.Select(p => Numbers(taps[p])).Aggregate(before, (a, b) => [.. a.Zip(b, (x, y) => x + y)]);
            Assert.All(sum.Zip(after), p => Assert.Equal(p.First, p.Second, 1e-4f * Math.Max(1, Math.Abs(p.First))));
        }
        if (isMixed)
            return;
        // Each token's weights are probabilities; a head is its part of all.
        var weights = taps["attention_weights.1"];
        Assert.All(Numbers(weights).Chunk(Tokens), row => Assert.Equal(1, row.Sum(), 1e-4f));
        var (heads, head) = (taps["heads.1"], taps["heads.1.1"]);
        var (all, size) = ((int)(heads.Dims[1] * heads.Dims[2]), (int)heads.Dims[3]);
        Assert.Equal(Numbers(heads).Chunk(all * size).SelectMany(token => token.Skip(size).Take(size)), Numbers(head));
    }

    [Fact]
    public void What_is_not_there_is_refused_with_what_is()
    {
        string Refused(string tap)
        {
            using var model = Model.Load(Folder("llama"), new() { Taps = [tap] });
            return Assert.Throws<SoftmodelException>(() => model.Graph).Message;
        }
        Assert.Contains("the layers 0, 1", Refused("residual.7"));
        Assert.Contains("the roles embedding, query", Refused("router.0"));
        Assert.Contains("the heads are", Refused("heads.0.99"));
        Assert.Contains("the layers 0 to ", Refused("decoder/layers.0"));
        Assert.Contains("no number", Refused("residual.x"));
    }

    [Fact]
    public async Task A_compiled_model_gives_what_goes_into_a_module()
    {
        const string decoder = "If_0_then_branch__Inline_0__/decoder";
        using var plain = await Model.LoadAsync("silero-vad-v5");
        using var model = await Model.LoadAsync("silero-vad-v5", new UseCase { Taps = [$"into:{decoder}", decoder] });
        using var expected = plain.Compile();
        using var compiled = model.Compile();
        Assert.Equal([.. expected.Outputs.Select(o => o.Name), $"into:{decoder}", decoder], compiled.Outputs.Select(o => o.Name));
        var random = new Random(1);
        TensorArgument[] given = [TensorArgument.Of(Array.ConvertAll(new float[576], _ => random.NextSingle() - 0.5f), 1, 576), TensorArgument.Of(new float[256], 2, 1, 128)];
        expected.Run(given);
        var probability = expected.Output(0).Span<float>()[0];
        compiled.Run(given);
        Assert.Equal(probability, compiled.Output(0).Span<float>()[0]);
        // The features are those of a ReLU; the module ends with the probability.
        var features = compiled.Output(expected.Outputs.Count).Span<float>().ToArray();
        Assert.True(features.Length == 128 && features.All(f => f >= 0) && features.Any(f => f > 0));
        Assert.Equal(probability, compiled.Output(expected.Outputs.Count + 1).Span<float>()[0]);
    }
}
