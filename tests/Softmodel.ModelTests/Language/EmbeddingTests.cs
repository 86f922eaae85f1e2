using System.Numerics.Tensors;
using Softmodel.Cli.Bench;
using Softmodel.Compile;
using Softmodel.Language;
using Softmodel.ModelTests.Speech;

namespace Softmodel.ModelTests.Language;

/// <summary>MiniLM: the embeddings are ONNX Runtime's, however they are come by.</summary>
public class EmbeddingTests
{
    static async Task<EmbeddingModel> Load(string name, EmbeddingOptions? options = null)
    {
        await VoiceFolder.Of(name);
        return await EmbeddingModel.LoadAsync(name, options);
    }

    static double Least(float[][] a, float[][] b) => a.Zip(b, (x, y) => (double)TensorPrimitives.CosineSimilarity(x, y)).Min();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Embeddings_are_those_of_onnx_runtime(int threads)
    {
        await VoiceFolder.Of("minilm");
        using var model = await Model.LoadAsync("minilm");
        var rows = await SentenceSpeed.Measure("minilm", model, SentenceSpeed.Generated(60), new() { Threads = threads }, 3, new Progress<string>(), TestContext.Current.CancellationToken);
        Assert.Equal(2, rows.Length);
        Assert.All(rows, r => Assert.True(r.MinCosine >= 0.9999, $"{r}"));
    }

    [Fact]
    public async Task Several_texts_are_as_one_by_one_and_in_real_numbers_nearly_the_same()
    {
        string[] texts = ["A cat sleeps.", "The kitten is asleep.", "Prices rise.", "", "é 日本 👩‍🚀", .. SentenceSpeed.Generated(20)];
        using var whole = await Load("minilm");
        using var real = await Load("minilm", new() { Quantize = Quantization.None });
        using var stored = await Load("minilm-fp16", new() { Quantize = Quantization.None });
        var all = whole.Embed(texts);
        // Each row of integers has a scale of its own.
        Assert.All(texts.Zip(all), p => Assert.True(TensorPrimitives.CosineSimilarity<float>(whole.Embed(p.First), p.Second) > 0.999999));
        Assert.True(Least(all, real.Embed(texts)) > 0.9999);
        Assert.True(Least(real.Embed(texts), stored.Embed(texts)) > 0.99999);
        Assert.True(TensorPrimitives.Dot<float>(all[0], all[1]) > 0.7);
        Assert.True(TensorPrimitives.Dot<float>(all[0], all[2]) < 0.2);
        Assert.All(all, e => Assert.Equal(1, TensorPrimitives.Norm<float>(e), 1e-5));
    }

    [Fact]
    public async Task A_generator_gives_them_and_what_is_too_long_is_cut_off()
    {
        using var model = await Load("minilm", new() { MaxTokens = 16 });
        using var generator = model.AsEmbeddingGenerator();
        var text = string.Join(" ", Enumerable.Repeat("again", 40));
        Assert.Equal(16, model.CountTokens(text, out var isCut));
        Assert.True(isCut);
        var made = await generator.GenerateAsync([text, "A cat sleeps."], cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal([384, 384], made.Select(e => e.Vector.Length));
        Assert.Equal(16 + 6, made.Usage!.InputTokenCount);
        Assert.Contains("384", (await Assert.ThrowsAsync<NotSupportedException>(() => generator.GenerateAsync(["a"], new() { Dimensions = 100 }))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Generators_made_several_times_share_a_model()
    {
        using var model = await Load("minilm");
        string[] texts = [.. SentenceSpeed.Generated(40)];
        var alone = model.Embed(texts);
        // As scoped services of a web application do.
        var made = await Task.WhenAll(texts.Select(text => Task.Run(async () =>
        {
            using var generator = model.AsEmbeddingGenerator();
            return (await generator.GenerateAsync([text], cancellationToken: TestContext.Current.CancellationToken))[0].Vector.ToArray();
        })));
        Assert.True(Least(alone, made) > 0.999999);
    }

    [Fact]
    public async Task What_is_no_encoder_is_refused_by_name()
    {
        var e = await Assert.ThrowsAsync<SoftmodelException>(() => EmbeddingModel.LoadAsync(Path.Combine(Shared.Folder("lm"), "stories260K.bin")));
        Assert.Contains("no encoder of texts", e.Message, StringComparison.Ordinal);
    }
}
