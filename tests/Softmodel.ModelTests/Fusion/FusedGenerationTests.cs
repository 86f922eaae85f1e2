using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Softmodel.Cli;
using Softmodel.Fusion;
using Softmodel.Language;
using Softmodel.ModelTests.Native;
using Softmodel.Tests.Common;

namespace Softmodel.ModelTests.Fusion;

/// <summary>A fused SmolLM2, whose trigger has learned from few passages and fires though it is not sure: the same text whoever asks.</summary>
public sealed class FusedGenerationTests(FusedGenerationTests.Trained trained) : IClassFixture<FusedGenerationTests.Trained>
{
    /// <summary>Trained once for all tests.</summary>
    public sealed class Trained : IAsyncLifetime
    {
        public string Folder { get; } = Directory.CreateTempSubdirectory("softmodel-").FullName;

        public string Fused => Path.Combine(Folder, "fused");

        public async ValueTask InitializeAsync()
        {
            var made = await Run("fuse", Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf"), "--with", "arithmetic", "--layer", "14", "--passages", "2000", "--held-out", "50", "--epochs", "6", "-o", Fused);
            Assert.True(made.Code == 0, made.Error);
            var trigger = FusedFolder.Open(Fused).Trigger;
            using var stream = File.Create(Path.Combine(Fused, FusedTrigger.FileName));
            (trigger with { Threshold = -2 }).Write(stream);
        }

        public ValueTask DisposeAsync()
        {
            Directory.Delete(Folder, recursive: true);
            return ValueTask.CompletedTask;
        }
    }

    const int Most = 48;

    static readonly string[] questions =
    [
        "What is 98234 minus 45?", "What is 12 plus 30?", "What is 605 + 77?", "Add 4821 and 3977.", "What is 19 times 4?", "Name three rivers in Europe.", "How much is 640 - 256?", "What is 7 * 8?",
    ];

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        return (await CommandLine.Run(arguments, output, error, Cancel), output.ToString(), error.ToString());
    }

    Task<LanguageModel> Load(int threads) => LanguageModel.LoadAsync(trained.Fused, new() { Compile = new() { Threads = threads } }, cancellationToken: Cancel);

    static async Task<(string Text, TextReport Report)> Ask(LanguageModel model, string question, GenerationOptions? options = null)
    {
        using var session = model.NewSession();
        return (string.Concat(await session.ChatAsync([new("user", question)], options ?? new() { MaxTokens = Most }, Cancel).ToArrayAsync(Cancel)), session.Last);
    }

    [Fact]
    public async Task Sessions_clients_threads_and_commands_write_the_same()
    {
        using var model = await Load(1);
        var alone = new List<(string Text, TextReport Report)>();
        foreach (var question in questions)
            alone.Add(await Ask(model, question));
        Assert.Contains(alone, a => a.Report.Programs is { Count: > 0 });
        foreach (var (text, report) in alone)
        {
            foreach (var call in report.Programs ?? [])
            {
                Assert.InRange(call.Tokens, 1, Most);
                Assert.All(call.Operands, o => Assert.InRange(o.Last, o.First, call.At - 1));
                Assert.Contains(model.Tokenizer.Decode([.. report.Sequence!.Skip(call.At).Take(call.Tokens)]), text, StringComparison.Ordinal);
            }
        }
        var together = await Task.WhenAll(questions.Select(q => Task.Run(() => Ask(model, q), Cancel)));
        Assert.Equal(alone.Select(a => a.Text), together.Select(t => t.Text));
        using var other = await Load(2);
        foreach (var (question, (text, _)) in questions.Zip(alone))
        {
            Assert.Equal(text, (await Ask(other, question)).Text);
            Assert.Equal(text, (await other.AsChatClient().GetResponseAsync(question, new() { MaxOutputTokens = Most }, Cancel)).Text);
        }
        var said = await Run("ask", trained.Fused, questions[0], "--max-tokens", $"{Most}", "--json");
        Assert.Equal(0, said.Code);
        var json = JsonDocument.Parse(said.Output).RootElement;
        Assert.Equal(alone[0].Text, json.GetProperty("text").GetString());
        Assert.Equal(alone[0].Report.Programs?.Count ?? 0, json.GetProperty("programs").GetArrayLength());
        var explained = await Run("ask", trained.Fused, questions[0], "--max-tokens", $"{Most}", "--explain", "--report", Path.Combine(trained.Folder, "how.html"));
        Assert.Contains("inferred by 30 layers each", explained.Output, StringComparison.Ordinal);
        var page = await File.ReadAllTextAsync(Path.Combine(trained.Folder, "how.html"), Cancel);
        Assert.Equal(alone[0].Report.Programs?.Sum(p => p.Tokens) ?? 0, page.Split("<span class=\"written\">").Length - 2);
        Assert.Equal(alone[0].Report.Sequence!.Count, page.Split(" of 30 layers</title>").Length - 1);
    }

    [Fact]
    public async Task A_native_library_writes_the_same()
    {
        NativeTools.Require();
        var library = Path.Combine(trained.Folder, "llm");
        Assert.Equal(0, (await Run("build", trained.Fused, "--name", "smollm2", "-o", library)).Code);
        using var model = await Load(2);
        // A built folder opens as any other.
        using (var built = LanguageModel.Open(library, threads: 2))
            Assert.Equal((await Ask(model, questions[0])).Text, (await Ask(built, questions[0])).Text);
        var program = Path.Combine(trained.Folder, "generate");
        Execute("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-Illm", Repository.File("examples/c/generate.c"), "llm/libsmollm2.so", "-Wl,-rpath,$ORIGIN/llm", "-o", program);
        foreach (var question in questions.Take(3))
        {
            Assert.Equal(0, (await Run("ask", trained.Fused, question, "--prompt-tokens", Path.Combine(trained.Folder, "question"))).Code);
            foreach (var threads in (string[])["1", "2"])
                Assert.Equal((await Ask(model, question)).Text + "\n", Execute(program, "llm/smollm2.tokens", "question", $"{Most}", threads));
        }
    }

    [Fact]
    public async Task Numbers_are_as_JSON_has_them_under_a_constraint()
    {
        using var model = await Load(2);
        var options = new GenerationOptions { MaxTokens = 32, Constraint = Constraint.JsonSchema("""{"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"], "additionalProperties": false}""") };
        foreach (var question in questions.Take(5))
        {
            var (text, report) = await Ask(model, $"{question} Answer in JSON.", options);
            Assert.Equal(JsonValueKind.Number, JsonDocument.Parse(text).RootElement.GetProperty("sum").ValueKind);
            Assert.Equal(FinishReason.Stop, report.FinishReason);
        }
    }

    [Fact]
    public async Task What_is_left_below_the_trigger_gives_what_programs_write()
    {
        NativeTools.Require();
        Assert.Equal(0, (await Run("build", trained.Fused, "--only", "--name", "calculator", "-o", Path.Combine(trained.Folder, "calculator"))).Code);
        var program = Path.Combine(trained.Folder, "calculate");
        Execute("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-Icalculator", Repository.File("examples/c/calculate.c"), "calculator/libcalculator.so", "-Wl,-rpath,$ORIGIN/calculator", "-o", program);
        using var model = await Load(2);
        var (prompts, expected) = (new List<string>(), new List<string>());
        foreach (var question in questions)
        {
            // Up to where a program wrote, if one did.
            var report = (await Ask(model, question)).Report;
            var (prompt, sequence) = (report.Sequence!.Take(report.Programs is [var call, ..] ? call.At : report.PromptTokens).ToArray(), model.Decoder.Begin());
            prompts.Add(string.Concat(prompt.Select(t => $"{t}\n")));
            model.Decoder.Run(new SequenceTokens(sequence, prompt, false, Firing.Yes));
            expected.Add(model.Decoder.Fires[0] is { } fired ? model.Tokenizer.Decode(fired.Tokens) : "-");
            model.Decoder.End(sequence);
        }
        Assert.Contains(expected, e => e != "-");
        await File.WriteAllTextAsync(Path.Combine(trained.Folder, "questions"), string.Join('\n', prompts), Cancel);
        Assert.Equal(string.Concat(expected.Select(e => e + "\n")), Execute(program, "calculator/calculator.tokens", "questions", "2"));
        Assert.True(new FileInfo(Path.Combine(trained.Folder, "calculator", "calculator.weights")).Length < 0.75 * new FileInfo(Path.Combine(Shared.Folder("lm"), "SmolLM2-135M-Instruct.Q4_1.gguf")).Length);
    }

    string Execute(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = trained.Folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync(Cancel);
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, error.Result);
        return output;
    }
}
