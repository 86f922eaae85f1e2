using System.CommandLine;
using Softmodel.Cli.Bench;
using Softmodel.Cli.Peers;
using Softmodel.Cli.Workloads;
using Softmodel.Language;
using Softmodel.Runtime;
using Softmodel.Sources;
using Spectre.Console;

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
    sealed record Row(string Model, int Threads, string Case, double OursMs, double PeerMs, double Speedup, double OursBestMs, double PeerBestMs, int Runs, double? AudioSeconds)
    {
        /// <summary>The operations of its sums of products, each counted; null where they were not asked for or can't be known.</summary>
        public double? Flops { get; init; }

        /// <summary>What a run moves at least.</summary>
        public long? Bytes { get; init; }

        /// <summary>How much of the shortest run the cores would need for that; over 1 is possible with fast algorithms.</summary>
        public double? ShareOfLimit { get; init; }

        /// <summary>The same of the peer.</summary>
        public double? PeerShareOfLimit { get; init; }

        /// <summary>From the start of a native program to its first result; null where that was not asked for.</summary>
        public double? ColdMs { get; init; }

        /// <summary>The same of a program in C# with ONNX Runtime.</summary>
        public double? PeerColdMs { get; init; }

        /// <summary>The ratio of the two.</summary>
        public double? ColdSpeedup { get; init; }

        /// <summary>The most memory that the native program held.</summary>
        public long? PeakBytes { get; init; }

        /// <summary>The most memory that the other program held.</summary>
        public long? PeerPeakBytes { get; init; }

        /// <summary>What the two programs are.</summary>
        public string[]? Programs { get; init; }
    }

    public static Command Create()
    {
        var choice = new ModelChoice(several: true);
        var against = new Option<string>("--against") { Description = "What it is compared with: llama.cpp for language models, and ONNX Runtime for exports and others, unless said.", DefaultValueFactory = _ => "" };
        against.AcceptOnlyFromAmong("onnxruntime", "llama.cpp");
        var threads = new Option<string>("--threads") { Description = "Numbers of threads, each tried.", DefaultValueFactory = _ => "1,2", HelpName = "N,N" };
        var runs = new Option<int?>("--runs") { Description = "How often each workload is timed, at least 3; 11 by default, and 5 with --cold." };
        var cold = new Option<bool>("--cold") { Description = "Time a line of 5 words, or the first token of a language model, from the start of a process: a native program, and one in C# with ONNX Runtime or one with llama.cpp; and say how much memory they take." };
        var lengths = new Option<bool>("--lengths") { Description = "Time texts from half a second of sound to five minutes, streamed sentence by sentence; fit a line." };
        var limits = new Option<bool>("--limits") { Description = "Say how far the sums of products are from what the cores can do." };
        var lines = new Option<string>("--texts") { Description = "For an embedding model, a file with the sentences, one to a line; by default 200 that are made up.", HelpName = "FILE" };
        var bits = new Option<int>("--vector-bits") { Description = "512, 256 or 128; by default the widest that the processor has.", DefaultValueFactory = _ => 0 };
        var bar = new Option<double?>("--bar") { Description = "The least speedup of each model and number of threads, with --cold the least of their starts; exit code 1 below it." };
        var verb = new Verb("bench", "Time a compiled model and a peer in turns, on short and long inputs: ONNX Runtime, or llama.cpp for language models that are no exports.",
            "bench tts-en --threads 1,2", "bench smollm2 --against llama.cpp", "bench tts-en piper-libritts --against onnxruntime --json", "bench tts-en --lengths", "bench tts-en --cold", "bench model.onnx --limits --bar 1.5")
        { against, threads, runs, lengths, cold, limits, lines, bits, bar };
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var counts = Counts(parsed.GetRequiredValue(threads));
            var isCold = parsed.GetValue(cold);
            var rounds = parsed.GetValue(runs) ?? (isCold ? 5 : 11);
            if (rounds < 3)
                throw new UsageException("--runs must be at least 3");
            if (isCold && (parsed.GetValue(lengths) || parsed.GetValue(bits) != 0))
                throw new UsageException("--cold goes neither with --lengths nor with --vector-bits: libraries have code for every width");
            var (rows, growths, languages, starts, sentences) = (new List<Row>(), new List<Growth>(), new List<TextRow>(), new List<TextColdRow>(), new List<SentenceRow>());
            Limits[] most = parsed.GetValue(limits) ? [.. counts.Select(Limits.Measure)] : [];
            foreach (var name in choice.Names(parsed))
            {
                using var loaded = await choice.Load(name, parsed, terminal, cancel);
                using var export = loaded.HasPast ? await Model.LoadAsync(name, loaded.Options with { KeepsPast = true }, cancel: cancel) : null;
                var model = export ?? loaded;
                if (model.IsLanguageModel != (parsed.GetValue(against) is { Length: > 0 } peer ? peer == "llama.cpp" : model.IsLanguageModel))
                    throw new UsageException(model.IsLanguageModel ? $"{name} is a language model: it is compared with llama.cpp" : $"{name} is no language model, which llama.cpp could run: it is compared with onnxruntime");
                if (model.IsLanguageModel || model.HasPast)
                {
                    if (isCold && model.HasPast)
                        throw new UsageException($"--cold is there for language models that llama.cpp runs, and {name} is an ONNX export");
                    if (parsed.GetValue(lengths))
                        throw new UsageException($"--lengths is not there for language models such as {name}");
                    foreach (var count in counts)
                    {
                        var options = new CompileOptions { Threads = count, VectorBits = parsed.GetValue(bits) };
                        if (isCold)
                        {
                            starts.Add(await terminal.Working(progress => Task.Run(() => TextCold.Measure(name, model, options, rounds, progress, cancel), cancel)));
                            continue;
                        }
                        languages.AddRange(await terminal.Working(progress => TextSpeed.Measure(name, model, options, rounds, most.FirstOrDefault(m => m.Threads == count), progress, cancel)));
                    }
                    continue;
                }
                if (!isCold && !parsed.GetValue(lengths) && model.Vocabulary is not null && Encoder.Is(model.Inputs, model.Outputs))
                {
                    string[] texts = parsed.GetValue(lines) is { } file ? [.. Lines(file)] : SentenceSpeed.Generated(200);
                    foreach (var count in counts)
                    {
                        var options = new CompileOptions { Threads = count, VectorBits = parsed.GetValue(bits) };
                        sentences.AddRange(await terminal.Working(progress => Task.Run(() => SentenceSpeed.Measure(name, model.Path, texts, options, rounds, progress, cancel), cancel)));
                    }
                    continue;
                }
                var line = isCold ? await Source.Resolve(name, null, cancel) : null;
                foreach (var count in counts)
                {
                    await terminal.Working(progress => Task.Run(async () =>
                    {
                        var options = new CompileOptions { Threads = count, VectorBits = parsed.GetValue(bits) };
                        using var compiled = model.Compile(options, progress, cancel);
                        if (parsed.GetValue(lengths))
                        {
                            growths.Add(Growth.Measure(name, compiled, Growth.Lengths, progress, cancel));
                            return true;
                        }
                        using var peer = OnnxRuntimePeer.Load(model.Path, count);
                        var form = VoiceForm.Of(compiled.Inputs.Select(i => i.Name));
                        foreach (var work in Works(compiled, form, line))
                        {
                            var row = Measure(name, model, compiled, peer, form, work, rounds, most.FirstOrDefault(m => m.Threads == count), progress, cancel);
                            rows.Add(isCold ? await Cold(row, model, compiled, peer, work, progress, cancel) : row);
                        }
                        return true;
                    }, cancel));
                }
            }
            if (new[] { languages.Count + starts.Count, sentences.Count, rows.Count + growths.Count }.Count(n => n > 0) > 1)
                throw new UsageException("language models, embedding models and others are timed on other work: name them in commands of their own");
            if (starts.Count > 0)
                TextCold.Show(terminal, starts);
            else if (languages.Count > 0)
                TextSpeed.Show(terminal, languages);
            else if (sentences.Count > 0)
                SentenceSpeed.Show(terminal, sentences);
            else if (parsed.GetValue(lengths))
                Growth.Show(terminal, growths);
            else
                Show(terminal, rows, most);
            if (starts.Count > 0)
                return starts.All(s => s.IsWithinMemory && s.ColdSpeedup >= (parsed.GetValue(bar) ?? 0)) ? CommandLine.Done : CommandLine.Failed;
            if (languages.Count > 0)
                return TextSpeed.Summaries(languages).All(s => Math.Min(s.Decode, s.Prefill) >= (parsed.GetValue(bar) ?? 0)) ? CommandLine.Done : CommandLine.Failed;
            if (sentences.Count > 0)
                return SentenceSpeed.Summaries(sentences).All(s => s.Speedup >= (parsed.GetValue(bar) ?? 0)) ? CommandLine.Done : CommandLine.Failed;
            return Summaries(rows).All(s => (s.Cold ?? s.Speedup) >= (parsed.GetValue(bar) ?? 0)) ? CommandLine.Done : CommandLine.Failed;
        }, Verb.Json());
    }

    static IEnumerable<string> Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path).Where(l => l.Trim().Length > 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"{path}: the sentences can't be read: {e.Message}", e);
        }
    }

    static int[] Counts(string text) => [.. text.Split(',').Select(t => int.TryParse(t, out var n) && n is >= 1 and <= 256 ? n
        : throw new UsageException($"--threads takes numbers from 1 to 256 with commas between them, not '{text}'"))];

    /// <param name="compiled">What is run.</param>
    /// <param name="form">How it takes phonemes, where it is a voice.</param>
    /// <param name="line">The model that a line of five words is for, where nothing else is run.</param>
    static IEnumerable<Workload> Works(CompiledModel compiled, VoiceForm? form, ResolvedModel? line) =>
        line is not null ? [form is null ? Workload.Generated(compiled.Inputs, sizes[1]) : SpokenLine.OfFiveWords(line, compiled.Inputs)]
        : form is not null ? texts.Select(t => form.Text(t))
        : sizes.Select(s => Workload.Generated(compiled.Inputs, s)).DistinctBy(w => string.Join(";", w.Inputs.Select(i => i.Value.TensorType)));

    static Row Measure(string name, Model model, CompiledModel compiled, OnnxRuntimePeer peer, VoiceForm? form, Workload work, int runs, Limits? limit, IProgress<string> progress, CancellationToken cancel)
    {
        progress.Report($"timing {name} on {work.Name} with {compiled.Threads} threads");
        var (ours, its) = (work.For(compiled.Inputs.Select(i => i.Name)), work.For(peer.Inputs));
        var times = Interleaved.Time(runs, [() => compiled.Time(ours), () => peer.Time(its)], cancel);
        var row = new Row(name, compiled.Threads, work.Name, times[0].Median, times[1].Median, Math.Round(times[1].Median / times[0].Median, 3), times[0].Best, times[1].Best, runs,
            form is null ? null : Math.Round((double)compiled.Output(0).Count / form.Rate, 3));
        if (limit is null)
            return row;
        var (flops, bytes) = (Limits.Flops(model.Program, compiled, work), Limits.Bytes(model.Program, compiled, work));
        double? Share(double milliseconds) => flops is { } count ? Math.Round(limit.Share(count, bytes, milliseconds), 3) : null;
        return row with { Flops = flops, Bytes = bytes, ShareOfLimit = Share(row.OursBestMs), PeerShareOfLimit = Share(row.PeerBestMs) };
    }

    static async Task<Row> Cold(Row row, Model model, CompiledModel compiled, OnnxRuntimePeer peer, Workload work, IProgress<string> progress, CancellationToken cancel)
    {
        var library = await NativeLibrary.Of(model, progress, cancel);
        var start = await ColdStart.Measure(model.Path, library, work, [.. compiled.Inputs.Select(i => i.Name)], peer.Inputs, row.Threads, row.Runs, progress, cancel);
        return row with
        {
            ColdMs = start.OursMs,
            PeerColdMs = start.PeerMs,
            ColdSpeedup = Math.Round(start.PeerMs / start.OursMs, 2),
            PeakBytes = start.OursPeakBytes,
            PeerPeakBytes = start.PeerPeakBytes,
            Programs = start.Programs,
        };
    }

    /// <summary>The geometric mean over the workloads of each model and number of threads, the least, and the least of their starts.</summary>
    static IEnumerable<(string Model, int Threads, double Speedup, double Least, double? Cold)> Summaries(IEnumerable<Row> rows) => rows.GroupBy(r => (r.Model, r.Threads))
        .Select(g => (g.Key.Model, g.Key.Threads, Math.Round(Math.Exp(g.Average(r => Math.Log(r.Speedup))), 3), g.Min(r => r.Speedup), g.Min(r => r.ColdSpeedup)));

    static void Show(Terminal terminal, List<Row> rows, Limits[] most) => terminal.Result(new
    {
        against = "onnxruntime",
        summary = Summaries(rows).Select(s => new { model = s.Model, threads = s.Threads, speedup = s.Speedup, min_speedup = s.Least, cold_speedup = s.Cold }),
        rows,
        limits = most.Select(l => new { threads = l.Threads, flops_per_second = Math.Round(l.FlopsPerSecond), bytes_per_second = Math.Round(l.BytesPerSecond) }),
        machine = Machine.Here,
    }, () =>
    {
        if (rows.Any(r => r.ColdMs is not null))
            return ColdTable(rows);
        var table = Text.Table("model", "threads", "input", "sound", "ours", "onnxruntime", "speedup", most.Length > 0 ? "of the limit" : "");
        foreach (var row in rows)
        {
            table.Row(row.Model, $"{row.Threads}", row.Case, row.AudioSeconds is { } sound ? $"{sound:0.00} s" : "", $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms", $"{row.Speedup:0.00}",
                row.ShareOfLimit is { } share ? $"{share:0%}, onnxruntime {row.PeerShareOfLimit:0%}" : "");
        }
        foreach (var (model, threads, speedup, least, _) in Summaries(rows))
            table.Row(model, $"{threads}", "geometric mean", "", "", "", $"{speedup:0.00}", $"at least {least:0.00}");
        return table;
    });

    static Table ColdTable(List<Row> rows)
    {
        var table = Text.Table("model", "threads", "input", "from start to result", "onnxruntime", "times sooner", "memory", "onnxruntime", "warm", "onnxruntime");
        foreach (var row in rows)
        {
            table.Row(row.Model, $"{row.Threads}", row.Case, $"{row.ColdMs:0.0} ms", $"{row.PeerColdMs:0.0} ms", $"{row.ColdSpeedup:0.0}", Text.Size(row.PeakBytes ?? 0), Text.Size(row.PeerPeakBytes ?? 0),
                $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms");
        }
        return table;
    }
}
