using System.Diagnostics;
using Softmodel.Cli;
using Softmodel.Cli.Baselines;
using Softmodel.Emit;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.ModelTests.Native;
using Softmodel.ModelTests.Speech;
using Softmodel.Speech;

namespace Softmodel.ModelTests.Examples;

/// <summary>The programs of <c>examples/</c>, as a user runs them, on a sentence that they have spoken themselves.</summary>
public sealed class ExampleTests(ITestOutputHelper output) : IDisposable
{
    const string Text = "Good morning. Who goes there? It is seven thirty.";

    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static string Examples { get; } = Path.Combine(Root(AppContext.BaseDirectory), "examples");

    static string Root(string folder) => File.Exists(Path.Combine(folder, "Softmodel.slnx")) ? folder : Root(Path.GetDirectoryName(folder)!);

    string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {error.Result}");
        return said;
    }

    string CSharp(params string[] arguments) => Run("dotnet", [Path.Combine(AppContext.BaseDirectory, "Example.dll"), .. arguments]);

    async Task<string> Spoken()
    {
        await VoiceFolder.Of("tts-en");
        await VoiceFolder.Of("silero-vad-v5");
        var path = Path.Combine(folder, "morning.wav");
        Assert.StartsWith($"{path}: ", CSharp("speak", Text, path), StringComparison.Ordinal);
        return path;
    }

    [Fact]
    public async Task What_is_spoken_is_heard_sentence_by_sentence()
    {
        var heard = CSharp("listen", await Spoken());
        output.WriteLine(heard);
        Assert.Equal(3, heard.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public void A_chat_is_streamed_through_the_interface_of_others() => Assert.Equal("The capital of France is Paris.",
        CSharp("chat", Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf"), "What is the capital of France? Answer in one sentence.").Trim());

    [Fact]
    public async Task C_and_Python_hear_what_CSharp_hears()
    {
        NativeTools.Require();
        var path = await Spoken();
        var heard = CSharp("listen", path);
        Assert.Equal(0, await CommandLine.Run(["build", "silero-vad-v5", "-o", Path.Combine(folder, "vad")], new StringWriter(), new StringWriter(), TestContext.Current.CancellationToken));
        Run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-Ivad", Path.Combine(Examples, "c", "listen.c"), "vad/libsilero_vad_v5.so", "-Wl,-rpath,$ORIGIN/vad", "-o", "listen");
        Assert.Equal(heard, Run(Path.Combine(folder, "listen"), path));
        Assert.Equal(heard, Run("python3", Path.Combine(Examples, "python", "listen.py"), "vad", path));
    }

    [Fact]
    public async Task C_writes_what_the_model_writes_in_process_for_any_number_of_threads()
    {
        NativeTools.Require();
        // What is built is called after the file.
        var model = Path.Combine(folder, "smollm2.gguf");
        File.CreateSymbolicLink(model, Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf"));
        const string Question = "Name three rivers in Europe.";
        async Task Softmodel(params string[] arguments)
        {
            var error = new StringWriter();
            Assert.True(await CommandLine.Run(arguments, new StringWriter(), error, TestContext.Current.CancellationToken) == 0, error.ToString());
        }
        await Softmodel("build", model, "-o", Path.Combine(folder, "llm"));
        await Softmodel("ask", model, Question, "--prompt-tokens", Path.Combine(folder, "question"));
        Run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-Illm", Path.Combine(Examples, "c", "generate.c"), "llm/libsmollm2.so", "-Wl,-rpath,$ORIGIN/llm", "-o", "generate");
        // A library has code for vectors of 256 bits and of 512: the same as in process is that of the same width.
        using var loaded = await LanguageModel.LoadAsync(model, new() { Compile = new() { Threads = 2 } });
        var text = "";
        await foreach (var part in loaded.ChatAsync([new("user", Question)], new() { MaxTokens = 48 }))
            text += part;
        Assert.True(text.Length > 60, text);
        foreach (var threads in (string[])["1", "2"])
            Assert.Equal(text + "\n", Run(Path.Combine(folder, "generate"), "llm/smollm2.tokens", "question", "48", threads));
    }

    [Fact]
    public async Task A_library_for_arm64_hears_the_same_where_it_is_emulated()
    {
        NativeTools.Require();
        var tools = new[] { "aarch64-linux-gnu-gcc", "qemu-aarch64" };
        Assert.SkipUnless(tools.All(NativeTools.Has), $"there is nothing here for arm64: {string.Join(" and ", tools)} build and emulate it");
        var path = await Spoken();
        var heard = CSharp("listen", path);
        Assert.Equal(0, await CommandLine.Run(["build", "silero-vad-v5", "-o", Path.Combine(folder, "vad"), "--target", "linux-arm64"], new StringWriter(), new StringWriter(), TestContext.Current.CancellationToken));
        Run(tools[0], "-O2", "-Ivad", Path.Combine(Examples, "c", "listen.c"), "vad/libsilero_vad_v5.so", $"-Wl,-rpath,{folder}/vad", "-o", "listen");
        Assert.Equal(heard, Run(tools[1], "-L", "/usr/aarch64-linux-gnu", Path.Combine(folder, "listen"), path));
    }

    [Fact]
    public async Task The_detector_computes_what_ONNX_Runtime_computes()
    {
        var sound = WaveFile.Read(await Spoken()).Samples.ToArray();
        using var model = await Model.LoadAsync("silero-vad-v5");
        using var compiled = await model.CompileAsync();
        using var baseline = OnnxRuntimeBaseline.Load(model.Path);
        Tensor[] state = [Tensor.Of<float>(new float[256], 2, 1, 128), Tensor.Of<float>(new float[256], 2, 1, 128)];
        for (var at = 0; at + 576 <= Math.Min(sound.Length, 100_000); at += 512)
        {
            var input = Tensor.Of<float>(sound.AsSpan(at, 576), 1, 576);
            var ours = compiled.Run([input, state[0]]);
            var theirs = baseline.Run([.. baseline.Inputs.Select(i => i switch { "input" => input, "state" => state[1], _ => Tensor.Scalar(16000L) })]);
            Assert.Equal(theirs[0].Float(0), ours[0].Float(0), 1e-4);
            state = [ours[1], theirs[1]];
        }
    }
}
