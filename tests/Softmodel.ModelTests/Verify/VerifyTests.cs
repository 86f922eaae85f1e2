using System.Text.Json;
using Softmodel.Cli;
using Softmodel.ModelTests.Speech;

namespace Softmodel.ModelTests.Verify;

public class VerifyTests
{
    [Theory]
    [InlineData("tts-en", 27)]
    [InlineData("piper-libritts", 81)]
    public async Task A_voice_says_what_it_says_in_onnx_runtime(string model, int runs)
    {
        await VoiceFolder.Of(model);
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(["verify", model, "--json"], output, error, TestContext.Current.CancellationToken);
        Assert.True(code == 0, error.ToString() + output);
        var result = JsonDocument.Parse(output.ToString()).RootElement;
        Assert.InRange(result.GetProperty("min_snr_db").GetDouble(), 50, 200);
        Assert.Equal(runs, result.GetProperty("models")[0].GetProperty("runs").GetArrayLength());
    }

    [Fact]
    public async Task A_bar_that_is_missed_is_a_failure()
    {
        await VoiceFolder.Of("hey-jarvis");
        var (output, error) = (new StringWriter(), new StringWriter());
        Assert.Equal(1, await CommandLine.Run(["verify", "hey-jarvis", "--bar", "199", "--json"], output, error, TestContext.Current.CancellationToken));
    }
}
