using System.Text.Json;
using Softmodel.Cli;
using Softmodel.ModelTests.Speech;

namespace Softmodel.ModelTests.Bench;

public class BenchTests
{
    static async Task<(int Code, JsonElement Result)> Run(params string[] args)
    {
        await VoiceFolder.Of(args[1]);
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(args, output, error, TestContext.Current.CancellationToken);
        Assert.True(output.ToString().Length > 0, error.ToString());
        return (code, JsonDocument.Parse(output.ToString()).RootElement);
    }

    [Fact]
    public async Task A_speedup_is_the_ratio_of_medians_for_each_number_of_threads()
    {
        var (code, result) = await Run("bench", "tts-en", "--threads", "1,2", "--runs", "3", "--limits", "--json");
        Assert.Equal(0, code);
        Assert.Equal([1, 2], result.GetProperty("summary").EnumerateArray().Select(r => r.GetProperty("threads").GetInt32()));
        foreach (var row in result.GetProperty("rows").EnumerateArray())
        {
            Assert.Equal(row.GetProperty("peer_ms").GetDouble() / row.GetProperty("ours_ms").GetDouble(), row.GetProperty("speedup").GetDouble(), 0.01);
            Assert.InRange(row.GetProperty("share_of_limit").GetDouble(), 0.001, 4);
        }
    }

    [Fact]
    public async Task A_bar_that_is_missed_is_a_failure()
    {
        var (code, _) = await Run("bench", "hey-jarvis", "--threads", "1", "--runs", "3", "--bar", "1000000", "--json");
        Assert.Equal(1, code);
    }
}
