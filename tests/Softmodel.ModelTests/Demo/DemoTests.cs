using System.Diagnostics;
using System.Text.Json;
using Softmodel.Cli;
using Softmodel.ModelTests.Native;
using Softmodel.ModelTests.Speech;
using Softmodel.Speech;

namespace Softmodel.ModelTests.Demo;

public sealed class DemoTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    string Script()
    {
        var path = Path.Combine(root, "scene.txt");
        File.WriteAllText(path, "voice ANN speed=1.2 seed=3\nvoice BEN noise=0.3 speaker=7\nANN: It is 7:30. Wake up!\n\nBEN: Why?\n");
        return path;
    }

    void Check(JsonElement json)
    {
        var lines = json.GetProperty("lines").EnumerateArray().ToArray();
        Assert.Equal(["01-ann.wav", "02-ben.wav", "scene.wav"], Directory.GetFileSystemEntries(Path.Combine(root, "out")).Select(Path.GetFileName).Order());
        var seconds = 0.0;
        foreach (var line in lines)
        {
            var sound = WaveFile.Read(line.GetProperty("file").GetString()!);
            Assert.Equal(line.GetProperty("seconds").GetDouble(), sound.Duration.TotalSeconds, 0.001);
            Assert.InRange(sound.Samples.ToArray().Max(MathF.Abs), 0.05f, 1f);
            seconds += sound.Duration.TotalSeconds;
        }
        var whole = WaveFile.Read(json.GetProperty("whole").GetString()!);
        Assert.Equal(json.GetProperty("audio_seconds").GetDouble(), whole.Duration.TotalSeconds, 0.001);
        // A longer pause opens the second scene.
        Assert.InRange(whole.Duration.TotalSeconds - seconds, 1, 2);
        foreach (var who in new[] { "ours", "peer" })
        {
            var cost = json.GetProperty(who);
            Assert.True(cost.GetProperty("first_sound_ms").GetDouble() > 0 && cost.GetProperty("real_time_factor").GetDouble() > 0 && cost.GetProperty("peak_bytes").GetInt64() > 5_000_000, cost.ToString());
        }
    }

    [Fact]
    public async Task A_dialogue_becomes_files_and_is_compared()
    {
        NativeTools.Require();
        await VoiceFolder.Of("tts-en");
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(["demo", "--script", Script(), "-o", Path.Combine(root, "out"), "--json"], output, error, TestContext.Current.CancellationToken);
        Assert.True(code == 0, error.ToString());
        var json = JsonDocument.Parse(output.ToString()).RootElement;
        Check(json);
        Assert.Equal(JsonValueKind.Null, json.GetProperty("missing").ValueKind);
        var (ours, peer) = (json.GetProperty("ours"), json.GetProperty("peer"));
        Assert.True(ours.GetProperty("total_bytes").GetInt64() < peer.GetProperty("total_bytes").GetInt64());
        Assert.True(ours.GetProperty("first_sound_ms").GetDouble() * 20 < peer.GetProperty("first_sound_ms").GetDouble(), json.ToString());
        Assert.True(ours.GetProperty("peak_bytes").GetInt64() * 2 < peer.GetProperty("peak_bytes").GetInt64(), json.ToString());
    }

    [Fact]
    public async Task Without_a_C_compiler_it_says_so_and_compares_in_process()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "libraries are built on Linux only");
        await VoiceFolder.Of("tts-en");
        var tools = Directory.CreateDirectory(Path.Combine(root, "tools")).FullName;
        File.CreateSymbolicLink(Path.Combine(tools, "dotnet"), Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(f => Path.Combine(f, "dotnet")).First(File.Exists));
        var start = OwnProcess.Start("demo", "--script", Script(), "-o", Path.Combine(root, "out"), "--json");
        start.Environment["PATH"] = tools;
        // Another cache, in which no library lies; the voice comes from this one.
        start.Environment["SOFTMODEL_CACHE"] = Path.Combine(root, "cache");
        Directory.CreateDirectory(Path.Combine(root, "cache"));
        Directory.CreateSymbolicLink(Path.Combine(root, "cache", "models"), Path.GetDirectoryName((await VoiceFolder.Of("tts-en")).Folder)!);
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var said = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var json = JsonDocument.Parse(await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).RootElement;
        Check(json);
        Assert.Contains("is not installed", json.GetProperty("missing").GetString()!);
        Assert.Equal(JsonValueKind.Null, json.GetProperty("ours").GetProperty("total_bytes").ValueKind);
        Assert.Contains("no native library", await said);
    }

    [Fact]
    public async Task What_is_stopped_leaves_no_file()
    {
        await VoiceFolder.Of("tts-en");
        using var stop = new CancellationTokenSource();
        var dialogue = Dialogue.Parse(File.ReadAllText(Script()));
        using var voice = await Voice.LoadAsync("tts-en");
        var progress = new Stop(stop);
        Assert.ThrowsAny<OperationCanceledException>(() => Softmodel.Cli.Demo.Performance.Give(dialogue, "scene", voice, Path.Combine(root, "out"), progress, stop.Token));
        Assert.Equal(["scene.txt"], Directory.GetFileSystemEntries(root).Select(Path.GetFileName));
    }

    sealed class Stop(CancellationTokenSource stop) : IProgress<string>
    {
        public void Report(string value)
        {
            if (value.Contains("line 2"))
                stop.Cancel();
        }
    }
}
