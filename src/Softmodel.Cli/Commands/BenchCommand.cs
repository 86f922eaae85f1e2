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

    /// <summary>A model with a number of threads on one workload.</summary>
    /// <param name="Model">Its name.</param>
    /// <param name="Threads">How many threads each used.</param>
    /// <param name="Case">What was run.</param>
    /// <param name="OursMs">The median of the compiled model.</param>
    /// <param name="PeerMs">The median of the peer.</param>
    /// <param name="Speedup">The ratio of the medians.</param>
    /// <param name="OursBestMs">The shortest run of the compiled model.</param>
    /// <param name="PeerBestMs">The shortest run of the peer.</param>
    /// <param name="Runs">How often each was timed.</param>
    /// <param name="AudioSeconds">How much sound it makes; null where it makes none.</param>
    /// <param name="Flops">The operations of its sums of products, each counted; null where they were not asked for or can't be known.</param>
    /// <param name="Bytes">What a run moves at least.</param>
    /// <param name="ShareOfLimit">How much of the shortest run the cores would need for that; over 1 is possible with fast algorithms.</param>
    /// <param name="PeerShareOfLimit">The same of the peer.</param>
    sealed record Row(string Model, int Threads, string Case, double OursMs, double PeerMs, double Speedup, double OursBestMs, double PeerBestMs, int Runs,
        double? AudioSeconds, double? Flops, long? Bytes, double? ShareOfLimit, double? PeerShareOfLimit);

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
            var (rows, growths) = (new List<Row>(), new List<Growth>());
            Limits[] most = parsed.GetValue(limits) ? [.. counts.Select(Limits.Measure)] : [];
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
                            rows.AddRange(Measure(name, model, compiled, parsed.GetValue(runs), most.FirstOrDefault(m => m.Threads == count), progress, cancel));
                        return true;
                    }, cancel));
                }
            }
            if (parsed.GetValue(lengths))
                Growth.Show(terminal, growths);
            else
                Show(terminal, rows, most);
            return Summaries(rows).All(s => s.Speedup >= (parsed.GetValue(bar) ?? 0)) ? CommandLine.Done : CommandLine.Failed;
        }, Verb.Json());
    }

    static int[] Counts(string text) => [.. text.Split(',').Select(t => int.TryParse(t, out var n) && n is >= 1 and <= 256 ? n
        : throw new UsageException($"--threads takes numbers from 1 to 256 with commas between them, not '{text}'"))];

    static IEnumerable<Row> Measure(string name, Model model, CompiledModel compiled, int runs, Limits? limit, IProgress<string> progress, CancellationToken cancel)
    {
        var form = VoiceForm.Of(compiled.Inputs.Select(i => i.Name));
        var works = form is null ? sizes.Select(s => Workload.Generated(compiled.Inputs, s)).DistinctBy(w => string.Join(";", w.Inputs.Select(i => i.Value.TensorType))) : texts.Select(t => form.Text(t));
        using var peer = OnnxRuntimePeer.Load(model.Path, compiled.Threads);
        foreach (var work in works)
        {
            progress.Report($"timing {name} on {work.Name} with {compiled.Threads} threads");
            var (ours, its) = (work.For(compiled.Inputs.Select(i => i.Name)), work.For(peer.Inputs));
            var times = Interleaved.Time(runs, [() => compiled.Time(ours), () => peer.Time(its)], cancel);
            var row = new Row(name, compiled.Threads, work.Name, times[0].Median, times[1].Median, Math.Round(times[1].Median / times[0].Median, 3), times[0].Best, times[1].Best, runs,
                form is null ? null : Math.Round((double)compiled.Output(0).Count / form.Rate, 3), null, null, null, null);
            if (limit is not null)
            {
                var (flops, bytes) = (Limits.Flops(model.Program, compiled, work), Limits.Bytes(model.Program, compiled, work));
                double? Share(double milliseconds) => flops is { } count ? Math.Round(limit.Share(count, bytes, milliseconds), 3) : null;
                row = row with { Flops = flops, Bytes = bytes, ShareOfLimit = Share(row.OursBestMs), PeerShareOfLimit = Share(row.PeerBestMs) };
            }
            yield return row;
        }
    }

    /// <summary>The geometric mean over the workloads of each model and number of threads, and the least.</summary>
    static IEnumerable<(string Model, int Threads, double Speedup, double Least)> Summaries(IEnumerable<Row> rows) => rows.GroupBy(r => (r.Model, r.Threads))
        .Select(g => (g.Key.Model, g.Key.Threads, Math.Round(Math.Exp(g.Average(r => Math.Log(r.Speedup))), 3), g.Min(r => r.Speedup)));

    static void Show(Terminal terminal, List<Row> rows, Limits[] most) => terminal.Result(new
    {
        against = "onnxruntime",
        summary = Summaries(rows).Select(s => new { model = s.Model, threads = s.Threads, speedup = s.Speedup, min_speedup = s.Least }),
        rows,
        limits = most.Select(l => new { threads = l.Threads, flops_per_second = Math.Round(l.FlopsPerSecond), bytes_per_second = Math.Round(l.BytesPerSecond) }),
        machine = Machine.Here,
    }, () =>
    {
        var table = Text.Table("model", "threads", "input", "sound", "ours", "onnxruntime", "speedup", "of the limit");
        foreach (var row in rows)
        {
            table.Row(row.Model, $"{row.Threads}", row.Case, row.AudioSeconds is { } sound ? $"{sound:0.00} s" : "", $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms", $"{row.Speedup:0.00}",
                row.ShareOfLimit is { } share ? $"{share:0%}, onnxruntime {row.PeerShareOfLimit:0%}" : "");
        }
        foreach (var (model, threads, speedup, least) in Summaries(rows))
            table.Row(model, $"{threads}", "geometric mean", "", "", "", $"{speedup:0.00}", $"at least {least:0.00}");
        return table;
    });
}
