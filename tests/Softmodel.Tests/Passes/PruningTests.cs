using System.Text;
using System.Text.Json.Nodes;
using Softmodel.Evaluate;
using Softmodel.Fusion;
using Softmodel.Graphs;
using Softmodel.Import.Architectures;
using Softmodel.Passes;
using Softmodel.Trace;

namespace Softmodel.Tests.Passes;

/// <summary>Small random decoders without some neurons and heads: they compute what those do in which these are 0.</summary>
public sealed class PruningTests : IDisposable
{
    const int Width = 64, Hidden = 160, Vocabulary = 96, HeadSize = 16;

    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static JsonObject Settings(string architecture) => new()
    {
        ["model_type"] = architecture,
        ["hidden_size"] = Width,
        ["n_embd"] = Width,
        ["intermediate_size"] = Hidden,
        ["num_hidden_layers"] = 2,
        ["n_layer"] = 2,
        ["num_attention_heads"] = Width / HeadSize,
        ["n_head"] = Width / HeadSize,
        ["num_key_value_heads"] = architecture == "gpt2" ? Width / HeadSize : 2,
        ["vocab_size"] = Vocabulary,
        ["n_positions"] = 64,
        ["max_position_embeddings"] = 64,
        ["hidden_act"] = "silu",
    };

    static long[] Sizes(string name) => name.Split('.')[^2] switch
    {
        "embed_tokens" or "lm_head" => [Vocabulary, Width],
        "q_proj" or "o_proj" => [Width, Width],
        "k_proj" or "v_proj" => [Width / 2, Width],
        "gate_proj" or "up_proj" => [Hidden, Width],
        "down_proj" => [Width, Hidden],
        _ => [Width],
    };

    /// <summary>A decoder with random weights; matrices of its layers are stored in a format.</summary>
    static Graph Decoder(string architecture, BlockFormat format)
    {
        Weight? Find(string name)
        {
            // Llama has no biases; Qwen2 has those of queries, keys and values.
            if (name.StartsWith("lm_head", StringComparison.Ordinal) || name.EndsWith(".bias", StringComparison.Ordinal) && architecture != "qwen2")
                return null;
            var sizes = name.EndsWith(".bias", StringComparison.Ordinal) ? [Sizes(name)[0]] : Sizes(name);
            var (random, count) = (new Random(Encoding.UTF8.GetBytes(name).Aggregate(7, (hash, b) => hash * 31 + b)), Tensor.CountOf(sizes));
            float[] numbers = [.. Enumerable.Range(0, (int)count).Select(_ => (random.NextSingle() * 2 - 1) * (sizes.Length == 1 ? 1 : 0.3f))];
            var stored = sizes.Length == 1 ? BlockFormat.F32 : format;
            var bytes = new byte[count / stored.Elements * stored.Size];
            for (var (at, to) = (0, 0); at < count; (at, to) = (at + stored.Elements, to + stored.Size))
                stored.Encode!(numbers.AsSpan(at, stored.Elements), bytes.AsSpan(to, stored.Size));
            return new(name, stored, sizes, bytes);
        }
        return ArchitectureImport.Read(new("random", Softmodel.Import.Settings.Of("random", Settings(architecture)), Find, []), Evaluator.FoldKeepingStored);
    }

    static readonly MeasuredText[] texts = [.. Enumerable.Range(0, 3).Select(i => new MeasuredText([.. Enumerable.Range(0, 12 + i).Select(p => (p * 37 + i * 11) % Vocabulary)], 1))];

    /// <summary>What the texts come to, perhaps with parts that are 0.</summary>
    static double[] Measured(Graph decoder, params Part[] zeros)
    {
        var subject = MeasuredText.Subject(decoder);
        Site[] sites = [.. ((Role[])[Role.Heads, Role.MlpHidden]).SelectMany(r => Site.Of(subject.Graph, r))];
        var batch = MeasuredText.Set("texts", texts).Batches([.. Enumerable.Range(0, texts.Length)]).Single();
        var inputs = batch.Inputs.ToList();
        foreach (var site in sites)
        {
            var places = batch.PlacesOf(site).Count;
            var gone = zeros.Where(z => z.Layer == site.Layer && z.Role == site.Role).Select(z => z.Index).ToHashSet();
            inputs.Add(Tensor.Vector<float>([.. Enumerable.Range(0, places * site.Parts).Select(i => gone.Contains(i % site.Parts) ? 1f : 0)]));
            inputs.Add(Tensor.Vector<float>(new float[places * site.Parts * site.Inner]));
        }
        var outputs = Evaluator.Run(Cuts.WithActivations(subject, sites).Graph, inputs);
        return [.. Enumerable.Range(0, texts.Length).Select(i => outputs[0].Float(i))];
    }

    static float[] Decode(Op.Parameter parameter)
    {
        var builder = new GraphBuilder("decode", Evaluator.Fold);
        return Evaluator.Run(builder.Build([builder.Apply(parameter)]), [])[0].Values<float>().ToArray();
    }

    static Graph Pruned(Graph decoder, params LayerCut[] cuts) => Pruning.Apply(decoder, Evaluator.FoldKeepingStored, cuts, Decode);

    static long Bytes(Graph graph) => Parameters.Of(graph).Sum(p => (long)p.Value.Bytes.Length);

    static IEnumerable<Part> Parts(LayerCut cut, int headsOfGroup) =>
        [.. cut.Neurons.Select(n => new Part(cut.Layer, Role.MlpHidden, n)), .. cut.Groups.SelectMany(g => Enumerable.Range(g * headsOfGroup, headsOfGroup).Select(h => new Part(cut.Layer, Role.Heads, h)))];

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    public void What_is_cut_is_as_if_it_were_0(string architecture)
    {
        var decoder = Decoder(architecture, BlockFormat.F32);
        LayerCut[] cuts = [new(0, [1, 2, 77, 159], [1]), new(1, [.. Enumerable.Range(10, 100)], [])];
        var pruned = Pruned(decoder, cuts);
        var (expected, actual) = (Measured(decoder, [.. cuts.SelectMany(c => Parts(c, 2))]), Measured(pruned));
        Assert.All(expected.Zip(actual), p => Assert.Equal(p.First, p.Second, 1e-4));
        Assert.All(expected.Zip(Measured(decoder)), p => Assert.NotEqual(p.First, p.Second, 1e-2));
        // A neuron has a row of two matrices and a column of one; a group two heads of queries and outputs, and one of keys and values.
        var (heads, biases) = (HeadSize * Width * (2 * 2 + 2), architecture == "qwen2" ? HeadSize * 4 + 104 * 2 : 0);
        Assert.Equal(sizeof(float) * (104 * 3 * Width + heads + biases), Bytes(decoder) - Bytes(pruned));
        Assert.Equal([HeadSize, 2 * HeadSize], pruned.States.Where((_, i) => i % 2 == 0).Select(s => (int)(pruned.Inputs[s.Input].Shape[1].Value! * pruned.Inputs[s.Input].Shape[2].Value!)));
    }

    [Theory]
    [InlineData("Q8_0", 0.02)]
    [InlineData("Q4_1", 0.3)]
    public void Neurons_leave_blocks_of_weights_whole(string format, double tolerance)
    {
        var decoder = Decoder("llama", BlockFormat.Named(format)!);
        Assert.Equal([(0, Role.Heads, 2, 1), (0, Role.MlpHidden, Hidden, 32), (1, Role.Heads, 2, 1), (1, Role.MlpHidden, Hidden, 32)], Pruning.Parts(decoder).Select(p => (p.Layer, p.Role, p.Count, p.Block)));

        // A block of them is exactly gone, and so is a group of heads.
        LayerCut whole = new(1, [.. Enumerable.Range(64, 32)], [0]);
        Assert.All(Measured(decoder, [.. Parts(whole, 2)]).Zip(Measured(Pruned(decoder, whole))), p => Assert.Equal(p.First, p.Second, 1e-4));

        // Those of several blocks leave gaps, which others fill: their columns are rounded once more.
        LayerCut scattered = new(1, [.. Enumerable.Range(0, 32).Select(i => i * 5)], []);
        var pruned = Pruned(decoder, scattered);
        Assert.All(Measured(decoder, [.. Parts(scattered, 2)]).Zip(Measured(pruned)), p => Assert.Equal(p.First, p.Second, tolerance));
        Assert.Equal(Bytes(Pruned(decoder, whole with { Groups = [] })), Bytes(pruned));

        Assert.Contains("a block of weights", Assert.Throws<SoftmodelException>(() => Pruned(decoder, new LayerCut(1, [3, 4], []))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_there_is_not_cut()
    {
        var decoder = Decoder("llama", BlockFormat.F32);
        foreach (var cut in (LayerCut[])[new(0, [Hidden], []), new(0, [3, 3], []), new(0, [], [0, 1]), new(2, [1], [])])
            Assert.Throws<SoftmodelException>(() => Pruned(decoder, cut));
    }

    [Fact]
    public void Lists_of_cuts_are_read_as_they_were_written()
    {
        Assert.Null(CutList.In(folder));
        var list = new CutList("0123", [new(3, [1, 5], []), new(4, [], [2])]);
        using (var file = File.Create(Path.Combine(folder, CutList.FileName)))
            list.Write(file);
        var read = CutList.In(folder)!;
        Assert.Equal(list.Base, read.Base);
        Assert.Equal(list.Layers, read.Layers);

        foreach (var (damaged, says) in ((string, string)[])[("{", "damaged"), ("{}", "says not"), ("""{"format":"softmodel-cut-9","base":"0","layers":[]}""", "softmodel-cut-9"), ("null", "says not"), ("""{"format":"softmodel-cut-1","base":"0","layers":[null]}""", "says not")])
        {
            File.WriteAllText(Path.Combine(folder, CutList.FileName), damaged);
            Assert.Contains(says, Assert.Throws<SoftmodelException>(() => CutList.In(folder)).Message, StringComparison.Ordinal);
        }
    }
}
