using System.CommandLine;
using System.Diagnostics;
using Softmodel.Cli.Peers;
using Softmodel.Cli.Verify;
using Softmodel.Cli.Workloads;
using Softmodel.Runtime;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel verify</c>: does a compiled model compute what ONNX Runtime computes?</summary>
static class VerifyCommand
{
    // From one phoneme to a long paragraph.
    static readonly int[] texts = [1, 2, 3, 5, 7, 10, 14, 19, 25, 33, 43, 56, 72, 92, 117, 148, 186, 240, 310, 400];

    // What other models are given for their symbolic sizes.
    static readonly int[] sizes = [1, 2, 3, 7, 16, 31, 64, 100];

    /// <summary>One run compared.</summary>
    /// <param name="Name">What was run.</param>
    /// <param name="Elements">How many elements the outputs have.</param>
    /// <param name="SnrDb">The oracle's power over that of the difference.</param>
    /// <param name="MaxAbs">The largest difference.</param>
    /// <param name="Fault">Why there is nothing to compare, or null.</param>
    sealed record Comparison(string Name, long Elements, double SnrDb, double MaxAbs, string? Fault);

    /// <summary>What was found of a model.</summary>
    /// <param name="Model">Its name.</param>
    /// <param name="Passed">Whether every run, with noise or without, comes up to the bar.</param>
    /// <param name="MinSnrDb">The worst run without noise.</param>
    /// <param name="MinSnrDbWithNoise">The worst run with the same noise given to both; null where that can't be done.</param>
    /// <param name="MinSnrDbAsIs">The worst run against the model with its 16-bit numbers, where the oracle has a copy with 32-bit ones.</param>
    /// <param name="IsWidened">Whether it has.</param>
    /// <param name="CompileMs">How long it took to compile, or to find in the cache.</param>
    /// <param name="Runs">All runs.</param>
    /// <param name="RunsAsIs">The runs against the model with its 16-bit numbers.</param>
    sealed record Verified(string Model, bool Passed, double MinSnrDb, double? MinSnrDbWithNoise, double? MinSnrDbAsIs, bool IsWidened, double CompileMs, Comparison[] Runs, Comparison[]? RunsAsIs);

    public static Command Create()
    {
        var choice = new ModelChoice(several: true);
        var bar = new Option<double>("--bar") { Description = "The least ratio of signal to difference that passes, in decibels.", DefaultValueFactory = _ => 50, HelpName = "DB" };
        var threads = new Option<int>("--threads") { Description = "How many threads compute; the results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var bits = new Option<int>("--vector-bits") { Description = "512, 256 or 128; by default the widest that the processor has.", DefaultValueFactory = _ => 0 };
        var verb = new Verb("verify", "Compare a compiled model with ONNX Runtime: voices on 20 texts and several speakers, with and without noise; others on generated numbers.",
            "verify tts-en", "verify piper-libritts --json", "verify model.onnx --size batch=1 --bar 80") { bar, threads, bits };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var options = new CompileOptions { Threads = parsed.GetValue(threads), VectorBits = parsed.GetValue(bits) };
            var results = new List<Verified>();
            foreach (var name in choice.Names(parsed))
            {
                using var model = await choice.Load(name, parsed, terminal, cancel);
                results.Add(await terminal.Working(progress => Task.Run(() => Verify(name, model, options, parsed.GetValue(bar), progress, cancel), cancel)));
            }
            Show(terminal, results, parsed.GetValue(bar));
            return results.All(r => r.Passed) ? CommandLine.Done : CommandLine.Failed;
        }, Verb.Json());
    }

    static Verified Verify(string name, Model model, CompileOptions options, double bar, IProgress<string> progress, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        using var compiled = model.Compile(options, progress, cancel);
        var took = clock.Elapsed.TotalMilliseconds;
        var form = VoiceForm.Of(compiled.Inputs.Select(i => i.Name));
        Workload[] works = form is null
            ? [.. sizes.Select(s => Workload.Generated(compiled.Inputs, s)).DistinctBy(w => string.Join(";", w.Inputs.Select(i => i.Value.TensorType)))]
            : [.. Enumerable.Range(0, form.Speakers).SelectMany(speaker => texts.Select(t => form.Text(t, speaker)))];
        using var folder = new TemporaryFolder();
        var (plain, random) = (OracleModel.Read(model.Path), form is null ? null : OracleModel.Read(model.Path));
        var isWidened = plain?.Widen() is true;
        random?.Widen();
        plain?.Write(folder.File("widened.onnx"));
        var runs = Compare(compiled, isWidened ? folder.File("widened.onnx") : model.Path, works, progress, cancel);
        var asIs = isWidened ? Compare(compiled, model.Path, works, progress, cancel) : null;

        // Both draw random numbers of their own: in a copy of the model they are given the same.
        Comparison[] noisy = [];
        if (form is not null && random?.GiveNoise() is { Count: > 0 } noises)
        {
            var path = folder.File("noise.onnx");
            random.Write(path);
            using var given = Model.Load(path, model.Options);
            using var noise = given.Compile(options, progress, cancel);
            var some = texts.Where((_, i) => i % 3 == 1).ToArray();
            noisy = Compare(noise, path, [.. Enumerable.Range(0, form.Speakers).SelectMany(speaker => some.Select(t => Noisy(form.Text(t, speaker, 1), noises, t)))], progress, cancel);
        }
        var passed = runs.Concat(noisy).All(r => r.Fault is null && r.SnrDb >= bar);
        return new(name, passed, runs.Min(r => r.SnrDb), noisy.Length > 0 ? noisy.Min(r => r.SnrDb) : null, asIs?.Min(r => r.SnrDb), isWidened, Math.Round(took), [.. runs, .. noisy], asIs);
    }

    // A phoneme of these voices takes 30 frames at most here, a frame 192 numbers.
    static Workload Noisy(Workload text, IReadOnlyList<string> noises, int phonemes) =>
        new(text.Name, text.Inputs.Concat(noises.Select(n => KeyValuePair.Create(n, OracleModel.Noise(n, 192 * 60 * (phonemes + 10))))).ToDictionary());

    static Comparison[] Compare(CompiledModel compiled, string oracle, Workload[] works, IProgress<string> progress, CancellationToken cancel)
    {
        using var peer = OnnxRuntimePeer.Load(oracle, compiled.Threads);
        var runs = new List<Comparison>();
        foreach (var work in works)
        {
            cancel.ThrowIfCancellationRequested();
            progress.Report($"comparing {work.Name}");
            try
            {
                var its = peer.Run(work.For(peer.Inputs));
                var ours = compiled.Run(work.For(compiled.Inputs.Select(i => i.Name)));
                var agreement = Agreement.Of(ours, its);
                runs.Add(new(work.Name, its.Sum(t => t.Count), Math.Round(agreement.SnrDb, 1), agreement.MaxAbs, agreement.Fault));
            }
            catch (SoftmodelException e)
            {
                runs.Add(new(work.Name, 0, -Agreement.Equal, double.MaxValue, e.Message));
            }
        }
        return [.. runs];
    }

    static void Show(Terminal terminal, List<Verified> results, double bar) => terminal.Result(new
    {
        oracle = $"onnxruntime {OnnxRuntimePeer.Version}",
        bar_db = bar,
        min_snr_db = results.Min(r => Math.Min(r.MinSnrDb, r.MinSnrDbWithNoise ?? r.MinSnrDb)),
        models = results,
    }, () =>
    {
        var table = Text.Table("model", "run", "elements", "SNR", "largest difference", "");
        foreach (var result in results)
        {
            foreach (var run in result.Runs.Concat((result.RunsAsIs ?? []).Select(r => r with { Name = $"{r.Name}, against 16-bit numbers" })))
                table.Row(result.Model, run.Name, $"{run.Elements:N0}", $"{run.SnrDb:0.0} dB", $"{run.MaxAbs:G3}", run.Fault ?? (run.SnrDb < bar ? $"below {bar} dB" : "ok"));
        }
        return table;
    });
}
