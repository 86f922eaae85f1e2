using System.Text.Json;
using Softmodel.Cli;
using Softmodel.ModelTests.Speech;

namespace Softmodel.ModelTests.Report;

public sealed class ShowTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("tts-en", 9911)]
    [InlineData("piper-libritts", 2749)]
    public async Task Voices_fall_to_a_few_hundred_kernels_which_are_all_named(string voice, int nodes)
    {
        await VoiceFolder.Of(voice);
        var (result, error) = (new StringWriter(), new StringWriter());
        Assert.Equal(0, await CommandLine.Run(["show", voice, "--json"], result, error, TestContext.Current.CancellationToken));
        using var json = JsonDocument.Parse(result.ToString());
        var root = json.RootElement;
        int Count(string key) => root.GetProperty(key).GetInt32();
        output.WriteLine($"{voice}: {Count("nodes")} nodes, {Count("core_nodes")} core operations, {Count("steps")} steps, {Count("kernels")} kernels");
        Assert.Equal(nodes, Count("nodes"));
        Assert.InRange(Count("kernels"), 1, 600);
        var parts = root.GetProperty("parts").EnumerateArray().ToArray();
        Assert.Equal(Count("steps"), parts.Count(p => p.GetProperty("kernel").ValueKind == JsonValueKind.String));
        Assert.Equal(Count("kernels"), parts.Select(p => p.GetProperty("kernel").GetString()).OfType<string>().Distinct().Count());
        Assert.All(parts, p => Assert.NotEqual(0, p.GetProperty("nodes").GetArrayLength()));
        Assert.Equal(root.GetProperty("operations").GetDouble(), parts.Sum(p => p.GetProperty("operations").GetDouble()), 1.0);
        // Everything before a part is there when it runs.
        Assert.All(parts.Index(), p => Assert.All(p.Item.GetProperty("from").EnumerateArray(), f => Assert.InRange(f.GetInt32(), 0, p.Index - 1)));
    }
}
