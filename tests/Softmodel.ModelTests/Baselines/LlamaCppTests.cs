using System.Text.Json;
using Softmodel.Cli.Baselines;
using Softmodel.Language;
using Softmodel.ModelTests.Native;

namespace Softmodel.ModelTests.Baselines;

public class LlamaCppTests
{
    static readonly string text = "The lighthouse keeper counted 1,204 ships that winter, and each one had a name.";

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    static string ModelFile => Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf");

    static Task<LlamaCpp> Start(int threads, int contextSize = 256) => Start(ModelFile, threads, contextSize);

    static async Task<LlamaCpp> Start(string path, int threads, int contextSize)
    {
        foreach (var tool in new[] { "node", "npm" })
            Assert.SkipUnless(NativeTools.Has(tool), $"'{tool}' is not installed");
        try
        {
            return await LlamaCpp.Start(path, threads, contextSize, Cancel);
        }
        catch (SoftmodelException e) when (e.Message.Contains("npm registry") || e.Message.Contains("Linux on x86-64"))
        {
            Assert.Skip($"llama.cpp is missing, and can't be fetched: {e.Message}");
            throw;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task It_evaluates_with_the_threads_that_it_is_given(int threads)
    {
        using var baseline = await Start(threads);
        Assert.Equal(threads, baseline.Threads);
        var tokens = baseline.Tokenize(string.Join(" ", Enumerable.Repeat(text, 8)))[..128];
        for (var round = 0; round < 3; round++)
        {
            var ms = baseline.Prefill(tokens);
            Assert.InRange(baseline.OwnMs, ms * 0.5, ms);
        }
        // A thread that does not exist does not work; how much one that does gets done is up to what else the machine does.
        if (threads == 1)
            Assert.InRange(baseline.ProcessorMs, 0, baseline.OwnMs * 1.2);
    }

    [Fact]
    public async Task It_cuts_a_text_as_the_model_asks_and_goes_on_with_the_likeliest_tokens()
    {
        using var oracle = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(Shared.Folder("lm"), "smollm2-oracle.json"), Cancel));
        var cut = oracle.RootElement.GetProperty("tokenize")[0];
        using var baseline = await Start(2);
        var tokens = baseline.Tokenize(cut.GetProperty("text").GetString()!);
        Assert.Equal(cut.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32()), tokens);

        var (ms, made) = baseline.Decode(tokens, 12);
        Assert.Equal(13, made.Length);
        Assert.InRange(ms, baseline.OwnMs, 60_000);
        // What came before is forgotten, and a prompt that holds the first of them goes on with the others.
        Assert.Equal(made, baseline.Decode(tokens, 12).Tokens);
        Assert.Equal(made[4..], baseline.Decode([.. tokens, .. made[..4]], 8).Tokens);
    }

    [Fact]
    public async Task It_writes_the_story_of_llama2c()
    {
        var (tokenizer, story) = (Tokenizer.Open(Path.Combine(Shared.Folder("lm"), "tok512.bin")), await File.ReadAllTextAsync(Path.Combine(Shared.Folder("lm"), "greedy200.txt"), Cancel));
        using var baseline = await Start(Path.Combine(Shared.Folder("lm"), "stories260K.bin"), 1, 512);
        Assert.StartsWith(tokenizer.Decode(baseline.Decode([tokenizer.Begin!.Value], 120).Tokens), story, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Its_memory_is_that_of_the_model_beside_that_of_node()
    {
        using var baseline = await Start(1);
        baseline.Prefill(baseline.Tokenize(text));
        // Touched pages of the file count, and a prompt touches nearly all of them but the unused rows of the vocabulary.
        Assert.InRange(baseline.PeakMemory - baseline.EmptyMemory, new FileInfo(ModelFile).Length / 2, new FileInfo(ModelFile).Length * 3);
        Assert.InRange(baseline.LoadMs, 1, baseline.ReadyMs);
        Assert.Contains("llama.cpp v", baseline.Version);
    }

    [Fact]
    public async Task What_it_can_not_do_it_says()
    {
        using var baseline = await Start(1, 64);
        Assert.Contains("don't fit into a context of", Assert.Throws<SoftmodelException>(() => baseline.Decode(new int[250], 50)).Message);
        Assert.Contains("needs a token", Assert.Throws<SoftmodelException>(() => baseline.Prefill([])).Message);
        Assert.True(baseline.Prefill([1, 2, 3]) > 0);

        var broken = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(broken, "GGUF, or so it says", Cancel);
            var error = await Assert.ThrowsAsync<SoftmodelException>(() => LlamaCpp.Start(broken, 1, 64, Cancel));
            Assert.Contains(broken, error.Message);
            Assert.Contains("did not load the model", error.Message);
        }
        finally
        {
            File.Delete(broken);
        }
        Assert.Contains("there is no file", (await Assert.ThrowsAsync<SoftmodelException>(() => LlamaCpp.Start("nowhere.gguf", 1, 64, Cancel))).Message);
    }

    [Fact]
    public async Task Cancelling_ends_the_process()
    {
        using var source = new CancellationTokenSource();
        using (await Start(1))
        {
        }
        using var baseline = await LlamaCpp.Start(ModelFile, 1, 256, source.Token);
        await source.CancelAsync();
        Assert.Throws<OperationCanceledException>(() => baseline.Prefill([1, 2, 3]));
    }
}
