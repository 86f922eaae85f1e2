using System.Text.Json;
using Softmodel.Cli;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Bench;
using Softmodel.ModelTests.Native;
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
        var (code, result) = await Run("bench", "hey-jarvis", "--threads", "1,2", "--runs", "3", "--limits", "--json");
        Assert.Equal(0, code);
        Assert.Equal([1, 2], result.GetProperty("summary").EnumerateArray().Select(r => r.GetProperty("threads").GetInt32()));
        foreach (var row in result.GetProperty("rows").EnumerateArray())
        {
            Assert.Equal(row.GetProperty("peer_ms").GetDouble() / row.GetProperty("ours_ms").GetDouble(), row.GetProperty("speedup").GetDouble(), 0.01);
            Assert.True(row.GetProperty("share_of_limit").GetDouble() > 0);
        }
    }

    [Fact]
    public async Task A_training_step_is_timed_beside_that_of_PyTorch_which_does_the_same()
    {
        Assert.SkipWhen(PyTorch.Python is null, "no Python with PyTorch is here (Debian: python3-torch, libopenblas0-pthread)");
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(["bench", "--train", "vocoder", "--threads", "1", "--runs", "3", "--json"], output, error, TestContext.Current.CancellationToken);
        Assert.True(code == 0, error.ToString());
        var result = JsonDocument.Parse(output.ToString()).RootElement;
        Assert.StartsWith("PyTorch ", result.GetProperty("against").GetString());
        var row = Assert.Single(result.GetProperty("rows").EnumerateArray());
        double Number(string name) => row.GetProperty(name).GetDouble();
        Assert.Equal("vocoder", row.GetProperty("network").GetString());
        Assert.Equal(Number("peer_ms") / Number("ours_ms"), Number("speedup"), 0.01);
        Assert.Equal(Number("peer_loss"), Number("loss"), 1e-3 * Number("peer_loss"));
        Assert.InRange(Number("share_of_limit"), 0.001, 1);
        Assert.InRange(Number("memory_bytes"), 1e7, 1e9);
        Assert.InRange(Number("peer_memory_bytes"), 1e7, 1e9);
    }

    [Theory]
    [InlineData("bench", "--train", "vocodr")]
    [InlineData("bench", "--train", "--cold")]
    [InlineData("bench", "--train", "--against", "onnxruntime")]
    public async Task What_training_is_not_timed_with_is_refused(params string[] arguments)
    {
        var error = new StringWriter();
        Assert.Equal(2, await CommandLine.Run(arguments, new StringWriter(), error, TestContext.Current.CancellationToken));
        Assert.Contains("--train", error.ToString());
    }

    [Fact]
    public async Task A_native_program_speaks_twenty_times_sooner_than_one_with_onnx_runtime()
    {
        NativeTools.Require();
        var (code, result) = await Run("bench", "tts-en", "--cold", "--threads", "1", "--runs", "3", "--threshold", "20", "--json");
        Assert.True(code == 0, result.ToString());
        var row = Assert.Single(result.GetProperty("rows").EnumerateArray());
        Assert.Equal("5 words", row.GetProperty("case").GetString());
        Assert.Equal(row.GetProperty("peer_cold_ms").GetDouble() / row.GetProperty("cold_ms").GetDouble(), row.GetProperty("cold_speedup").GetDouble(), 0.01);
        // Other tests compute meanwhile: each time is its own.
        Assert.InRange(row.GetProperty("cold_ms").GetDouble(), 1, 5000);
        Assert.InRange(row.GetProperty("ours_best_ms").GetDouble(), 1, 5000);
        Assert.InRange(row.GetProperty("peak_bytes").GetInt64(), 5_000_000, row.GetProperty("peer_peak_bytes").GetInt64() / 2);
    }

    [Fact]
    public async Task Time_grows_with_the_length_of_a_text_and_memory_does_not()
    {
        await VoiceFolder.Of("tts-en");
        using var model = await Model.LoadAsync("tts-en", cancellationToken: TestContext.Current.CancellationToken);
        using var voice = model.Compile(new() { Threads = 1 });
        double[] lengths = [0.5, 2, 8, 30];
        var growth = Growth.Measure("tts-en", voice, lengths, new Progress<string>(), TestContext.Current.CancellationToken);
        foreach (var (length, point) in lengths.Zip(growth.Points))
            Assert.InRange(point.AudioSeconds, length * 0.8, length * 1.2);
        // Other tests compute meanwhile: that it is nearly a line can be seen all the same.
        Assert.InRange(growth.RSquared, 0.9, 1);
        Assert.InRange(growth.MsPerSecond, 1, 1000);
        Assert.All(growth.Points, p => Assert.Equal(growth.MaxMemoryBytes, p.MemoryBytes));
        Assert.InRange(growth.MaxMemoryBytes, 1_000_000, 40_000_000);
    }

    [Fact]
    public async Task A_bar_that_is_missed_is_a_failure()
    {
        var (code, _) = await Run("bench", "hey-jarvis", "--threads", "1", "--runs", "3", "--threshold", "1000000", "--json");
        Assert.Equal(1, code);
    }
}
