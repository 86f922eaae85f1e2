using System.Text.Json;
using Softmodel.Cli;
using Softmodel.ModelTests.Speech;

namespace Softmodel.ModelTests.Verify;

public class VerifyTests
{
    public static TheoryData<string, int> Voices => Shared.AreAllCases ? new() { { "tts-en", 27 }, { "piper-libritts", 81 } } : new() { { "tts-en", 10 } };

    [Theory]
    [MemberData(nameof(Voices))]
    public async Task A_voice_says_what_it_says_in_onnx_runtime(string model, int cases)
    {
        await VoiceFolder.Of(model);
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(["verify", model, "--json", .. Shared.AreAllCases ? (string[])[] : ["--cases", $"{cases / 2}"]], output, error, TestContext.Current.CancellationToken);
        Assert.True(code == 0, error.ToString() + output);
        var result = JsonDocument.Parse(output.ToString()).RootElement;
        Assert.InRange(result.GetProperty("min_snr_db").GetDouble(), 50, 200);
        var voice = result.GetProperty("models")[0];
        Assert.Equal(cases, voice.GetProperty("cases").GetArrayLength());
        // The 16-bit numbers of one of them are widened: ONNX Runtime on the file as it is rounds where it likes.
        if (voice.GetProperty("oracle_as_is_median_snr_db").ValueKind == JsonValueKind.Number)
            Assert.InRange(voice.GetProperty("oracle_as_is_median_snr_db").GetDouble(), 30, 70);
        Assert.Equal(model == "tts-en", voice.GetProperty("oracle").GetString()!.EndsWith("widened to 32", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_bar_that_is_missed_is_a_failure()
    {
        await VoiceFolder.Of("hey-jarvis");
        var (output, error) = (new StringWriter(), new StringWriter());
        Assert.Equal(1, await CommandLine.Run(["verify", "hey-jarvis", "--quantize", "int16", "--min-snr", "20", "--threshold", "120", "--json"], output, error, TestContext.Current.CancellationToken));
    }
}
