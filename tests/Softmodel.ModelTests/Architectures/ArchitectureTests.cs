using System.Text.Json;
using Softmodel.Arrays;
using Softmodel.Language;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Architectures;

/// <summary>Each architecture of language models against what transformers computes, compiled.</summary>
public class ArchitectureTests
{
    public static TheoryData<string> Folders =>
    [
        "bert", "distilbert", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "granite", "llama", "llama3-rope", "mamba", "mistral", "mixtral",
        "modernbert", "olmo2", "phi3", "qwen2", "qwen3", "qwen3_moe", "smollm3", "stablelm", "starcoder2",
    ];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Architecture_computes_what_transformers_does(string architecture)
    {
        var folder = Shared.Folder($"lm/families/{architecture}");
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json")));
        int[] List(string name) => [.. json.RootElement.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];
        var fed = List("tokens");
        using var model = Model.Load(folder);
        var compiled = model.Compile(new() { UseCache = false, Threads = 1 });
        var isDecoder = File.Exists(Path.Combine(folder, "logits.npy"));
        var expected = Npy.Read(File.ReadAllBytes(Path.Combine(folder, isDecoder ? "logits.npy" : "hidden.npy")), architecture).Values<float>().ToArray();
        if (!isDecoder)
        {
            long[] tokens = [.. fed.Select(t => (long)t)];
            compiled.Run(TensorArgument.Of(tokens, tokens.Length), TensorArgument.Of(Enumerable.Range(0, tokens.Length).Select(i => (long)i).ToArray(), tokens.Length), TensorArgument.Of(new long[tokens.Length], tokens.Length));
            Near(expected, compiled.Output(SequenceInputs.Hidden).Span<float>());
            compiled.Dispose();
            return;
        }
        using var decoder = Decoder.Of(compiled, 256);
        var whole = decoder.Begin();
        Near(expected, decoder.Run(new SequenceTokens(whole, fed, AllLogits: true)));
        // The same in pieces, beside another sequence.
        var pieces = decoder.Begin();
        var together = new List<float>();
        for (var at = 0; at < fed.Length;)
        {
            var size = Math.Min(1 + at % 7, fed.Length - at);
            together.AddRange(decoder.Run(new SequenceTokens(pieces, fed.AsMemory(at, size), AllLogits: true)));
            at += size;
        }
        Near(expected, together.ToArray());
        var greedy = decoder.Begin();
        var next = Sampler.Largest(decoder.Run(new SequenceTokens(greedy, fed.AsMemory(0, 8))));
        foreach (var token in List("greedy_from_first_8"))
        {
            Assert.Equal(token, next);
            next = Sampler.Largest(decoder.Run(new SequenceTokens(greedy, new[] { next })));
        }
    }

    static void Near(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        var worst = 0f;
        for (var i = 0; i < expected.Length; i++)
            worst = Math.Max(worst, float.IsNaN(actual[i]) ? float.PositiveInfinity : Math.Abs(expected[i] - actual[i]));
        Assert.True(worst <= 2e-4f, $"the largest difference is {worst}");
    }
}
