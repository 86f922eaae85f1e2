using Softmodel.Arrays;
using Softmodel.Cli;
using Softmodel.Compile;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.ModelTests.Speech;
using Softmodel.Runtime;

namespace Softmodel.ModelTests.Native;

/// <summary>What has been built opens without the compiler, and is as it is in process.</summary>
public sealed class BuiltTests : IDisposable
{
    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    static async Task<string> Text(IAsyncEnumerable<string> parts) => string.Concat(await parts.ToArrayAsync(Cancel));

    [Theory]
    [InlineData("stories260K.bin")]
    [InlineData("SmolLM2-135M-Instruct.Q4_1.gguf")]
    public async Task A_language_model_writes_the_same_text(string file)
    {
        NativeTools.Require();
        var path = Path.Combine(Shared.Folder("lm"), file);
        using (var model = await Model.LoadAsync(path, cancellationToken: Cancel))
            await LanguageModel.BuildAsync(model, folder.File("built"), cancellationToken: Cancel);
        using var inProcess = await LanguageModel.LoadAsync(path, cancellationToken: Cancel);
        using var built = LanguageModel.Open(folder.File("built"));
        Assert.Equal((inProcess.ContextLength, inProcess.CanChat), (built.ContextLength, built.CanChat));
        IAsyncEnumerable<string> Write(LanguageModel model) => model.CanChat ? model.ChatAsync([new("user", "What is 12 times 7?")], new() { MaxTokens = 24 }, Cancel) : model.CompleteAsync("Once upon a time", new() { MaxTokens = 24 }, Cancel);
        var expected = await Text(Write(inProcess));
        Assert.NotEqual("", expected);
        Assert.Equal(expected, await Text(Write(built)));
        // From several threads at once, with two runtimes of .NET in one process.
        Assert.All(await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Text(Write(built))))), t => Assert.Equal(expected, t));
    }

    [Fact]
    public async Task An_embedding_model_gives_the_same_embeddings()
    {
        NativeTools.Require();
        await VoiceFolder.Of("minilm");
        using (var model = await Model.LoadAsync("minilm", cancellationToken: Cancel))
            await EmbeddingModel.BuildAsync(model, folder.File("built"), cancellationToken: Cancel);
        using var inProcess = await EmbeddingModel.LoadAsync("minilm", cancellationToken: Cancel);
        using var built = EmbeddingModel.Open(folder.File("built"));
        string[] texts = ["A cat sleeps.", "Prices rise."];
        Assert.Equal(inProcess.Embed(texts, Cancel), built.Embed(texts, Cancel));
    }

    [Fact]
    public async Task What_is_no_build_or_is_damaged_is_refused_by_name()
    {
        NativeTools.Require();
        Assert.Contains("MODEL.json", Assert.Throws<SoftmodelException>(() => BuiltModel.Open(folder.File("nothing"))).Message, StringComparison.Ordinal);
        Assert.Contains("voice.json", Assert.Throws<SoftmodelException>(() => Softmodel.Speech.Voice.Open(folder.File("nothing"))).Message, StringComparison.Ordinal);
        Assert.Contains("text.json", Assert.Throws<SoftmodelException>(() => LanguageModel.Open(folder.File("nothing"))).Message, StringComparison.Ordinal);
        await VoiceFolder.Of("silero-vad-v5");
        using (var model = await Model.LoadAsync("silero-vad-v5", cancellationToken: Cancel))
            await model.BuildAsync(folder.File("built"), cancellationToken: Cancel);
        using (var built = BuiltModel.Open(folder.File("built")))
        {
            Assert.Equal("silero-vad-v5", built.Name);
            var result = built.Run(("state", TensorArgument.Of(new float[256], 2, 1, 128)), ("input", TensorArgument.Of(new float[576], 1, 576)));
            Assert.InRange(result["output"].Span<float>()[0], 0, 1);
            Assert.Equal(ModelError.Argument, Assert.Throws<ModelException>(() => built.Run(("state", TensorArgument.Of(new float[256], 2, 128)), ("input", TensorArgument.Of(new float[576], 1, 576)))).Error);
        }
        var weights = Directory.GetFiles(folder.File("built"), "*.weights").Single();
        var bytes = File.ReadAllBytes(weights);
        bytes[^100] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Equal(ModelError.Weights, Assert.Throws<ModelException>(() => BuiltModel.Open(folder.File("built"))).Error);
    }

    [Fact]
    public async Task A_build_over_a_budget_is_refused_and_leaves_nothing()
    {
        NativeTools.Require();
        await VoiceFolder.Of("silero-vad-v5");
        foreach (var (input, dims) in (ReadOnlySpan<(string, long[])>)[("input", [1, 576]), ("state", [2, 1, 128])])
        {
            Directory.CreateDirectory(folder.File("lines/one"));
            using var file = File.Create(folder.File($"lines/one/{input}.npy"));
            Npy.Write(file, Tensor.Of<float>(new float[Tensor.CountOf(dims)], dims));
        }
        async Task<string> Refused(string use)
        {
            File.WriteAllText(folder.File("use.json"), use);
            using var model = await Model.LoadAsync("silero-vad-v5", UseCase.Read(folder.File("use.json")), cancellationToken: Cancel);
            var e = await Assert.ThrowsAsync<SoftmodelException>(() => model.BuildAsync(folder.File("built"), cancellationToken: Cancel));
            Assert.False(Directory.Exists(folder.File("built")));
            return e.Message;
        }
        Assert.Contains("over the budget of 100000", await Refused("""{ "maxBytes": 100000 }"""), StringComparison.Ordinal);
        Assert.Contains("over the budget of 0.000001 ms", (await Refused("""{ "maxMs": 0.000001, "measureOn": ["lines"] }""")).Replace("1E-06", "0.000001", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("not for 'toaster'", await Refused("""{ "target": "toaster" }"""), StringComparison.Ordinal);
        Assert.Contains("measureOn", Assert.Throws<SoftmodelException>(() => { File.WriteAllText(folder.File("use.json"), """{ "maxMs": 3 }"""); UseCase.Read(folder.File("use.json")); }).Message, StringComparison.Ordinal);
    }
}
