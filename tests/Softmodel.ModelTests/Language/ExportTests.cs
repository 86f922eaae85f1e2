using System.Runtime.Intrinsics.X86;
using Softmodel.Cli.Baselines;
using Softmodel.Language;
using Softmodel.ModelTests.Speech;

namespace Softmodel.ModelTests.Language;

/// <summary>MiniMind2, an ONNX export with a past, against ONNX Runtime.</summary>
public class ExportTests
{
    const int Written = 32;

    // AVX512_VNNI or AVX-VNNI.
    static bool HasVnni => X86Base.IsSupported && ((X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0 || (X86Base.CpuId(7, 1).Eax & (1 << 4)) != 0);

    static async Task<LanguageModel> Load(LanguageOptions? options = null)
    {
        await VoiceFolder.Of("minimind2-small");
        return await LanguageModel.LoadAsync("minimind2-small", options);
    }

    /// <summary>
    /// Each run rounds what is multiplied to 8 bits, by the largest number of the run. Where a last bit falls otherwise a rounding
    /// does, and then all that follow: as much as the rounding itself loses. ONNX Runtime with all its optimizations is only 15 to
    /// 23 dB from itself with fewer on such prompts, where it is not the same. So few tokens may differ, and logits by that much.
    /// </summary>
    [Theory]
    [InlineData("What is the capital of France?")]
    [InlineData("你好，请介绍一下北京。")]
    public async Task Tokens_are_those_of_onnx_runtime_given_the_past(string question)
    {
        Assert.SkipUnless(HasVnni, "this processor has no VNNI, without which ONNX Runtime's products of 8 bits saturate at 16");
        using var model = await Load(new() { ContextLength = 512 });
        using var file = await Model.LoadAsync("minimind2-small");
        using var baseline = new OnnxRuntimeText(OnnxRuntimeBaseline.Load(file.Path));
        var (decoder, fed, agreed) = (model.Decoder, model.TokensOf([new ChatTurn("user", question)]), 0);
        for (var i = 0; i < Written; i++)
        {
            var (expected, logits) = (baseline.Logits(fed), decoder.Run(new SequenceTokens(0, fed)).ToArray());
            var (power, lost) = (expected.Sum(e => e * (double)e), expected.Zip(logits, (e, s) => Math.Pow(e - (double)s, 2)).Sum());
            Assert.InRange(10 * Math.Log10(power / lost), 15, double.PositiveInfinity);
            agreed += Sampler.Largest(logits) == Sampler.Largest(expected) ? 1 : 0;
            fed = [Sampler.Largest(expected)];
        }
        Assert.InRange(agreed, Written * 9 / 10, Written);
    }

    [Fact]
    public async Task A_text_is_the_same_after_another_and_with_any_number_of_threads()
    {
        using var one = await Load(new() { Compile = new() { Threads = 1 } });
        using var two = await Load(new() { Compile = new() { Threads = 2 } });
        async Task<string> Text(LanguageModel model, string question) => string.Concat(await model.ChatAsync([new("user", question)], new() { MaxTokens = 24 }).ToArrayAsync());
        var fresh = await Text(one, "你好");
        Assert.NotEqual("", fresh);
        await Text(two, "What is the capital of France?");
        Assert.Equal(fresh, await Text(two, "你好"));
    }

    [Fact]
    public async Task What_an_export_can_not_do_is_said()
    {
        var forgets = await Assert.ThrowsAsync<SoftmodelException>(() => Load(new() { ContextShift = true }));
        Assert.Contains("can't shift", forgets.Message, StringComparison.Ordinal);
        var voice = await Assert.ThrowsAsync<SoftmodelException>(() => LanguageModel.LoadAsync("silero-vad-v5"));
        Assert.Contains("no past", voice.Message, StringComparison.Ordinal);
        using var model = await Load(new() { ContextLength = 16 });
        var full = await Assert.ThrowsAsync<SoftmodelException>(async () => await model.CompleteAsync("one two three four five six seven eight nine ten", new() { MaxTokens = 64 }).ToArrayAsync());
        Assert.Contains("room", full.Message, StringComparison.Ordinal);
    }
}
