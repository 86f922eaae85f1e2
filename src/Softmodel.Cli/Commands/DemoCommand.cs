using System.CommandLine;
using System.Diagnostics;
using System.Reflection;
using Softmodel.Cli.Demo;
using Softmodel.Speech;
using Spectre.Console;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel demo</c>: a dialogue of a game as sound, and what it takes, beside ONNX Runtime.</summary>
static class DemoCommand
{
    const string Title = "night-ferry";
    const double MeasuredSeconds = 30;

    public static Command Create()
    {
        var folder = new Option<string>("--output", "-o") { Description = "The folder for the WAV files.", DefaultValueFactory = _ => Path.Combine("out", "demo"), HelpName = "DIR" };
        var voice = new Option<string>("--voice") { Description = "Who speaks: a voice of the catalogue, or a source.", DefaultValueFactory = _ => "tts-en", HelpName = "NAME" };
        var script = new Option<string?>("--script") { Description = "A dialogue of your own instead of the built-in one, whose first lines describe the format.", HelpName = "FILE" };
        var threads = new Option<int>("--threads") { Description = "The number of threads; results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var choice = new UseChoice();
        var verb = new Verb("demo", "Fetch a voice, compile it, speak a game dialogue into WAV files, and measure it against ONNX Runtime.",
            "demo", "demo -o ferry --json", "demo --voice piper-libritts --script my-scene.txt") { folder, voice, script, threads };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var clock = Stopwatch.StartNew();
            if (parsed.GetValue(threads) is < 1 or > 256)
                throw new UsageException("--threads takes a number from 1 to 256");
            var (name, path) = (parsed.GetRequiredValue(voice), parsed.GetValue(script));
            WholeFile.CheckFolder(parsed.GetRequiredValue(folder));
            var (dialogue, use) = (await Read(path, cancel), choice.Of(parsed, new()));
            await terminal.Fetch(name, cancel);
            var options = new CompileOptions { Threads = parsed.GetValue(threads) };
            using var speaking = await terminal.Working(progress => Voice.LoadAsync(name, new() { Use = use, Compile = options }, progress, cancel));
            var title = path is null ? Title : Path.GetFileNameWithoutExtension(path);
            var performance = await terminal.Working(progress => Task.Run(() => Performance.Give(dialogue, title, speaking, parsed.GetRequiredValue(folder), progress, cancel), cancel));
            terminal.Say($"{performance.Lines.Length} lines lie in {performance.Folder}, all of them in {performance.Whole}");

            // Half a minute of it: what ONNX Runtime takes for that is waited for.
            var spoken = 0.0;
            var some = dialogue.Lines.Zip(performance.Lines).TakeWhile(l => (spoken += l.Second.Seconds) - l.Second.Seconds < MeasuredSeconds).Select(l => l.First).ToArray();
            using var model = await Model.LoadAsync(name, use, cancellationToken: cancel);
            var comparison = await terminal.Working(progress => Task.Run(() => Comparison.Measure(name, model, speaking, some, options.Threads, progress, cancel), cancel));
            if (comparison.Missing is { } missing)
                terminal.Say($"There is no native library to compare: {missing}. The compiled voice ran in a process of .NET instead.");
            Show(terminal, name, performance, comparison, options.Threads, clock.Elapsed);
            return CommandLine.Done;
        }, Verb.Json());
    }

    static async Task<Dialogue> Read(string? path, CancellationToken cancel)
    {
        try
        {
            using var text = path is null ? new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream($"Softmodel.Cli.{Title}.txt")!) : new StreamReader(path);
            return Dialogue.Parse(await text.ReadToEndAsync(cancel));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"the dialogue can't be read: {e.Message}", e);
        }
        catch (SoftmodelException e) when (path is not null)
        {
            throw new SoftmodelException($"{path}: {e.Message}", e);
        }
    }

    static void Show(Terminal terminal, string voice, Performance performance, Comparison comparison, int threads, TimeSpan took) => terminal.Result(new
    {
        voice,
        folder = performance.Folder,
        whole = performance.Whole,
        audio_seconds = performance.AudioSeconds,
        speaking_ms = performance.SpeakingMs,
        lines = performance.Lines,
        against = "onnxruntime",
        threads,
        measured_audio_seconds = comparison.AudioSeconds,
        ours = comparison.Ours,
        peer = comparison.Peer,
        missing = comparison.Missing,
        seconds = Math.Round(took.TotalSeconds, 1),
        machine = Machine.Here,
    }, () => Table(performance, comparison, threads));

    static Table Table(Performance performance, Comparison comparison, int threads)
    {
        var (ours, its) = (comparison.Ours, comparison.Peer);
        static string Size(Comparison.Cost cost, string code, string model) =>
            cost.TotalBytes is { } total ? $"{Text.Size(total)} ({code} {Text.Size(cost.CodeBytes!.Value)}, {model} {Text.Size(cost.ModelBytes!.Value)})" : "no native library";
        static string Time(double milliseconds) => milliseconds < 1000 ? $"{milliseconds:0} ms" : $"{milliseconds / 1000:0.0} s";
        var table = Text.Table("", "Softmodel", "ONNX Runtime", "ratio");
        table.Row("size", Size(ours, "library", "weights"), Size(its, "library", "model"), ours.TotalBytes is { } total ? $"{(double)its.TotalBytes!.Value / total:0.0}" : "");
        table.Row("time to first sound", Time(ours.FirstSoundMs), Time(its.FirstSoundMs), $"{its.FirstSoundMs / ours.FirstSoundMs:0.0}");
        table.Row("real-time factor", $"{ours.RealTimeFactor:0.0000}", $"{its.RealTimeFactor:0.0000}", $"{its.RealTimeFactor / ours.RealTimeFactor:0.0}");
        table.Row("memory", Text.Size(ours.PeakBytes), Text.Size(its.PeakBytes), $"{(double)its.PeakBytes / ours.PeakBytes:0.0}");
        table.Caption($"{comparison.AudioSeconds:0} s of sound with {threads} {(threads == 1 ? "thread" : "threads")}, each in a process of its own: {ours.Program}, and {its.Program}. "
            + $"All {performance.AudioSeconds:0} s are in {performance.Whole}.".EscapeMarkup());
        return table;
    }
}
