using System.CommandLine;
using System.Diagnostics;
using Softmodel.Cli.Peers;
using Softmodel.Cli.Verify;
using Softmodel.Cli.Workloads;
using Softmodel.Graphs;
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
    /// <param name="MaxAbs">The largest difference; null where nothing could be compared.</param>
    /// <param name="Fault">Why nothing could, or null.</param>
    /// <param name="OracleAsIsSnrDb">The same ratio between the oracle and ONNX Runtime on the file as it is, where they differ: the oracle's own error.</param>
    /// <param name="OracleAsIsFault">Why those can't be compared, such as sounds of different lengths, or null.</param>
    /// <param name="AsIsSnrDb">The ratio between ours and ONNX Runtime on the file as it is.</param>
    sealed record Comparison(string Name, long Elements, double SnrDb, double? MaxAbs, string? Fault, double? OracleAsIsSnrDb = null, string? OracleAsIsFault = null, double? AsIsSnrDb = null);

    /// <summary>What was found of a model.</summary>
    /// <param name="Model">Its name.</param>
    /// <param name="Oracle">What it was compared with.</param>
    /// <param name="MinSnrDb">The worst of all cases, with noise or without.</param>
    /// <param name="MaxAbs">The largest difference of all cases.</param>
    /// <param name="Ok">Whether every case comes up to the bar.</param>
    /// <param name="MinSnrDbWithNoise">The worst case with the same noise given to both; null where that can't be done.</param>
    /// <param name="OracleAsIsSnrDb">The worst case between the oracle and ONNX Runtime on the file as it is; null where they are one.</param>
    /// <param name="OracleAsIsMedianSnrDb">The median case.</param>
    /// <param name="AsIsSnrDb">The worst case between ours and ONNX Runtime on the file as it is.</param>
    /// <param name="CompileMs">How long it took to compile, or to find in the cache.</param>
    /// <param name="Threads">How many threads computed.</param>
    /// <param name="VectorBits">The width of the vectors.</param>
    /// <param name="Cases">All cases.</param>
    sealed record Verified(string Model, string Oracle, double MinSnrDb, double? MaxAbs, bool Ok, double? MinSnrDbWithNoise, double? OracleAsIsSnrDb, double? OracleAsIsMedianSnrDb, double? AsIsSnrDb,
        double CompileMs, int Threads, int VectorBits, Comparison[] Cases);

    public static Command Create()
    {
        var choice = new ModelChoice(several: true);
        var bar = new Option<double>("--bar") { Description = "The least ratio of signal to difference that passes, in decibels.", DefaultValueFactory = _ => 50, HelpName = "DB" };
        var threads = new Option<int>("--threads") { Description = "How many threads compute; the results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var bits = new Option<int>("--vector-bits") { Description = "512, 256 or 128; by default the widest that the processor has.", DefaultValueFactory = _ => 0 };
        var oracle = new Option<string>("--oracle") { Description = "For a language model, the file that says what it computes; by default one beside it.", HelpName = "FILE" };
        var verb = new Verb("verify", "Compare a compiled model with an oracle. Voices with ONNX Runtime on 20 texts and several speakers, with and without noise; language models with what transformers computes, as a file says; others with ONNX Runtime on generated numbers.",
            "verify tts-en", "verify piper-libritts --json", "verify model.onnx --size batch=1 --bar 80", "verify smollm2", "verify ../shared/lm/families") { bar, threads, bits, oracle };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var options = new CompileOptions { Threads = parsed.GetValue(threads), VectorBits = parsed.GetValue(bits) };
            var results = new List<Verified>();
            var texts = new List<LanguageVerified>();
            foreach (var name in choice.Names(parsed).SelectMany(n => LanguageOracle.Below(n) is { Length: > 0 } several ? several : [n]))
            {
                using var model = await choice.Load(name, parsed, terminal, cancel);
                if (model.IsLanguageModel)
                {
                    var file = parsed.GetValue(oracle);
                    texts.Add(await terminal.Working(progress => Task.Run(() => LanguageOracle.Verify(name, model, file, options, progress, cancel), cancel)));
                    continue;
                }
                results.Add(await terminal.Working(progress => Task.Run(() => Verify(name, model, options, parsed.GetValue(bar), progress, cancel), cancel)));
            }
            Show(terminal, results, texts, parsed.GetValue(bar));
            return results.All(r => r.Ok) && texts.All(t => t.Ok) ? CommandLine.Done : CommandLine.Failed;
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
        var quiet = Compare(compiled, isWidened ? folder.File("widened.onnx") : model.Path, isWidened ? model.Path : null, works, progress, cancel);

        // Both draw random numbers of their own: in a copy of the model they are given the same.
        Comparison[] noisy = [];
        if (form is not null && random?.GiveNoise() is { Count: > 0 } noises)
        {
            var path = folder.File("noise.onnx");
            random.Write(path);
            using var given = Model.Load(path, model.Options);
            using var noise = given.Compile(options, progress, cancel);
            var some = texts.Where((_, i) => i % 3 == 1).ToArray();
            noisy = Compare(noise, path, null, [.. Enumerable.Range(0, form.Speakers).SelectMany(speaker => some.Select(t => Noisy(form.Text(t, speaker, 1), noises, t)))], progress, cancel);
        }
        Comparison[] cases = [.. quiet, .. noisy];
        return new(name, $"onnxruntime {OnnxRuntimePeer.Version}{(isWidened ? ", 16-bit numbers widened to 32" : "")}",
            cases.Min(c => c.SnrDb), cases.Max(c => c.MaxAbs), cases.All(c => c.Fault is null && c.SnrDb >= bar),
            noisy.Length > 0 ? noisy.Min(c => c.SnrDb) : null, quiet.Min(c => c.OracleAsIsSnrDb), Median(quiet.Select(c => c.OracleAsIsSnrDb).OfType<double>()), quiet.Min(c => c.AsIsSnrDb),
            Math.Round(took), compiled.Threads, options.VectorBits == 0 ? Machine.Here.VectorBits : options.VectorBits, cases);
    }

    // A phoneme of these voices takes 30 frames at most here, a frame 192 numbers.
    static Workload Noisy(Workload text, IReadOnlyList<string> noises, int phonemes) =>
        new(text.Name, text.Inputs.Concat(noises.Select(n => KeyValuePair.Create(n, OracleModel.Noise(n, 192 * 60 * (phonemes + 10))))).ToDictionary());

    static Comparison[] Compare(CompiledModel compiled, string oracle, string? asIs, Workload[] works, IProgress<string> progress, CancellationToken cancel)
    {
        using var peer = OnnxRuntimePeer.Load(oracle, compiled.Threads);
        using var plain = asIs is null ? null : OnnxRuntimePeer.Load(asIs, compiled.Threads);
        var cases = new List<Comparison>();
        foreach (var work in works)
        {
            cancel.ThrowIfCancellationRequested();
            progress.Report($"comparing {work.Name}");
            try
            {
                var given = work.For(peer.Inputs);
                var ours = compiled.Run(work.For(compiled.Inputs.Select(i => i.Name)));
                // Where it is widened it takes and gives 32-bit numbers.
                var its = peer.Run(asIs is null ? given : [.. given.Select(Widened)]);
                its = [.. its.Zip(ours, (it, our) => our.Type == ElementType.Float16 && it.Type == ElementType.Float32 ? As(ElementType.Float16, it) : it)];
                var agreement = Agreement.Of(ours, its);
                var one = new Comparison(work.Name, its.Sum(t => t.Count), Decibels(agreement), agreement.Fault is null ? agreement.MaxAbs : null, agreement.Fault);
                if (plain is not null)
                {
                    var rough = plain.Run(work.For(plain.Inputs));
                    var own = Agreement.Of(rough, its);
                    one = one with { OracleAsIsSnrDb = Decibels(own), OracleAsIsFault = own.Fault, AsIsSnrDb = Decibels(Agreement.Of(ours, rough)) };
                }
                cases.Add(one);
            }
            catch (SoftmodelException e)
            {
                cases.Add(new(work.Name, 0, -Agreement.Equal, null, e.Message));
            }
        }
        return [.. cases];
    }

    static Tensor Widened(Tensor tensor) => tensor.Type == ElementType.Float16 ? As(ElementType.Float32, tensor) : tensor;

    static Tensor As(ElementType type, Tensor tensor) => Tensor.Of(type, tensor.Dims, [.. Enumerable.Range(0, (int)tensor.Count).Select(i => tensor.Real(i))]);

    static double? Median(IEnumerable<double> decibels) => decibels.Order().ToArray() is { Length: > 0 } sorted ? sorted[sorted.Length / 2] : null;

    // Downwards, so that no case comes up to a bar by rounding.
    static double Decibels(Agreement agreement) => Math.Floor(agreement.SnrDb * 10) / 10;

    static void Show(Terminal terminal, List<Verified> results, List<LanguageVerified> texts, double bar) => terminal.Result(new
    {
        oracle = results.Count > 0 ? $"onnxruntime {OnnxRuntimePeer.Version}" : texts[0].Oracle,
        bar_db = bar,
        min_snr_db = results.Count > 0 ? results.Min(r => r.MinSnrDb) : (double?)null,
        ok = results.All(r => r.Ok) && texts.All(t => t.Ok),
        models = results.Concat<object>(texts),
        machine = Machine.Here,
    }, () =>
    {
        if (results.Count == 0)
        {
            var languages = Text.Table("model", "tokens", "the oracle's best token", "perplexity", "the oracle's", "largest difference", "greedy tokens", "texts tokenized", "chat rendered", "");
            foreach (var text in texts)
                languages.Row(text.Model, $"{text.Cases}", $"{text.Top1:P2}", $"{text.Perplexity:0.0000}", $"{text.OraclePerplexity:0.0000}", $"{text.MaxAbs:G3}", $"{text.Greedy}", $"{text.Tokenized}", text.Chat is { } chat ? chat ? "yes" : "no" : "", text.Ok ? "ok" : "differs");
            return languages;
        }
        var table = Text.Table("model", "run", "elements", "SNR", "largest difference", "", "the oracle's own SNR, where it is widened");
        foreach (var result in results)
        {
            foreach (var one in result.Cases)
                table.Row(result.Model, one.Name, $"{one.Elements:N0}", $"{one.SnrDb:0.0} dB", $"{one.MaxAbs:G3}", one.Fault ?? (one.SnrDb < bar ? $"below {bar} dB" : "ok"), one.OracleAsIsFault is not null ? "of another size" : one.OracleAsIsSnrDb is { } own ? $"{own:0.0} dB" : "");
            table.Row(result.Model, $"all, against {result.Oracle}", "", $"{result.MinSnrDb:0.0} dB", $"{result.MaxAbs:G3}", result.Ok ? "ok" : $"below {bar} dB", result.OracleAsIsMedianSnrDb is { } middle ? $"{middle:0.0} dB, the median" : "");
        }
        return table;
    });
}
