using System.CommandLine;
using Softmodel.Cli.Bench;
using Softmodel.Cli.Peers;
using Softmodel.Cli.Workloads;
using Softmodel.Runtime;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel bench</c>: how fast is a compiled model, beside ONNX Runtime in the same process?</summary>
static class BenchCommand
{
    // From a word to a paragraph.
    static readonly int[] texts = [8, 30, 90, 200];
    static readonly int[] sizes = [1, 16, 128];

    /// <summary>One workload timed.</summary>
    /// <param name="Name">What was run.</param>
    /// <param name="AudioSeconds">How much sound it makes; null where it makes none.</param>
    /// <param name="Ours">The times of the compiled model.</param>
    /// <param name="Peer">The times of the peer.</param>
    /// <param name="Speedup">The ratio of the medians.</param>
    /// <param name="Gflops">The operations of its sums of products, 10⁹, each counted; null where they were not asked for.</param>
    /// <param name="LimitShare">How much of what the cores can do that is in the time taken; over 1 is possible with fast algorithms.</param>
    /// <param name="PeerLimitShare">The same of the peer.</param>
    sealed record Timed(string Name, double? AudioSeconds, Timing Ours, Timing Peer, double Speedup, double? Gflops, double? LimitShare, double? PeerLimitShare);

    /// <summary>A model with a number of threads.</summary>
    /// <param name="Model">Its name.</param>
    /// <param name="Threads">How many threads each used.</param>
    /// <param name="Speedup">The geometric mean over the workloads.</param>
    /// <param name="Workloads">Each workload.</param>
    sealed record Benched(string Model, int Threads, double Speedup, Timed[] Workloads);

    public static Command Create()
    {
        var choice = new ModelChoice(several: true);
        var against = new Option<string>("--against") { Description = "What it is compared with.", DefaultValueFactory = _ => "onnxruntime" };
        against.AcceptOnlyFromAmong("onnxruntime");
        var threads = new Option<string>("--threads") { Description = "Numbers of threads, each tried.", DefaultValueFactory = _ => "1,2", HelpName = "N,N" };
        var runs = new Option<int>("--runs") { Description = "How often each workload is timed, at least 3.", DefaultValueFactory = _ => 11 };
        var lengths = new Option<bool>("--lengths") { Description = "Time texts from half a second of sound to five minutes, streamed sentence by sentence; fit a line." };
        var limits = new Option<bool>("--limits") { Description = "Say how far the sums of products are from what the cores can do." };
        var bits = new Option<int>("--vector-bits") { Description = "512, 256 or 128; by default the widest that the processor has.", DefaultValueFactory = _ => 0 };
        var bar = new Option<double?>("--bar") { Description = "The least speedup of each model and number of threads; exit code 1 below it." };
        var verb = new Verb("bench", "Time a compiled model and ONNX Runtime in turns, on short and long inputs.",
            "bench tts-en --threads 1,2", "bench tts-en piper-libritts --against onnxruntime --json", "bench tts-en --lengths", "bench model.onnx --limits --bar 1.5")
        { against, threads, runs, lengths, limits, bits, bar };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var counts = Counts(parsed.GetRequiredValue(threads));
            if (parsed.GetValue(runs) < 3)
                throw new UsageException("--runs must be at least 3");
            var (results, growths) = (new List<Benched>(), new List<Growth>());
            var limit = parsed.GetValue(limits) ? Bench.Limits.FlopsPerSecond() : (double?)null;
            foreach (var name in choice.Names(parsed))
            {
                using var model = await choice.Load(name, parsed, terminal, cancel);
                foreach (var count in counts)
                {
                    await terminal.Working(progress => Task.Run(() =>
                    {
                        var options = new CompileOptions { Threads = count, VectorBits = parsed.GetValue(bits) };
                        using var compiled = model.Compile(options, progress, cancel);
                        if (parsed.GetValue(lengths))
                            growths.Add(Growth.Measure(name, compiled, progress, cancel));
                        else
                            results.Add(Measure(name, model, compiled, parsed.GetValue(runs), limit, progress, cancel));
                        return true;
                    }, cancel));
                }
            }
            if (parsed.GetValue(lengths))
                Growth.Show(terminal, growths);
            else
                Show(terminal, results, limit);
            return results.All(r => r.Speedup >= (parsed.GetValue(bar) ?? 0)) ? CommandLine.Done : CommandLine.Failed;
        }, Verb.Json());
    }

    static int[] Counts(string text) => [.. text.Split(',').Select(t => int.TryParse(t, out var n) && n is >= 1 and <= 256 ? n
        : throw new UsageException($"--threads takes numbers from 1 to 256 with commas between them, not '{text}'"))];

    static Benched Measure(string name, Model model, CompiledModel compiled, int runs, double? limit, IProgress<string> progress, CancellationToken cancel)
    {
        var form = VoiceForm.Of(compiled.Inputs.Select(i => i.Name));
        var works = form is null ? sizes.Select(s => Workload.Generated(compiled.Inputs, s)).DistinctBy(w => string.Join(";", w.Inputs.Select(i => i.Value.TensorType))) : texts.Select(t => form.Text(t));
        using var peer = OnnxRuntimePeer.Load(model.Path, compiled.Threads);
        var timed = new List<Timed>();
        foreach (var work in works)
        {
            progress.Report($"timing {name} on {work.Name} with {compiled.Threads} threads");
            var (ours, its) = (work.For(compiled.Inputs.Select(i => i.Name)), work.For(peer.Inputs));
            var times = Interleaved.Time(runs, [() => compiled.Time(ours), () => peer.Time(its)], cancel);
            var seconds = form is null ? (double?)null : Math.Round((double)compiled.Output(0).Count / form.Rate, 3);
            var flops = limit is null ? null : Limits.Flops(model.Program, compiled, work);
            double? Share(Timing t) => flops is { } count ? Math.Round(count / (t.Best / 1000) / (limit!.Value * compiled.Threads), 3) : null;
            timed.Add(new(work.Name, seconds, times[0], times[1], Math.Round(times[1].Median / times[0].Median, 3), flops / 1e9, Share(times[0]), Share(times[1])));
        }
        return new(name, compiled.Threads, Math.Round(Math.Exp(timed.Average(t => Math.Log(t.Speedup))), 3), [.. timed]);
    }

    static void Show(Terminal terminal, List<Benched> results, double? limit) => terminal.Result(new
    {
        peer = $"onnxruntime {OnnxRuntimePeer.Version}",
        core_gflops_per_second = limit is { } most ? Math.Round(most / 1e9, 1) : (double?)null,
        results,
    }, () =>
    {
        var table = Text.Table("model", "threads", "input", "sound", "ours", "onnxruntime", "speedup", "of the limit");
        foreach (var result in results)
        {
            foreach (var work in result.Workloads)
            {
                table.Row(result.Model, $"{result.Threads}", work.Name, $"{work.AudioSeconds:0.00} s", $"{work.Ours.Median:0.0} ms", $"{work.Peer.Median:0.0} ms", $"{work.Speedup:0.00}",
                    work.LimitShare is null ? "" : $"{work.LimitShare:0%}, onnxruntime {work.PeerLimitShare:0%}");
            }
            table.Row(result.Model, $"{result.Threads}", "geometric mean", "", "", "", $"{result.Speedup:0.00}", "");
        }
        return table;
    });
}
