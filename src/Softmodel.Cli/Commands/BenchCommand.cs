using System.CommandLine;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Bench;
using Softmodel.Cli.Verify;
using Softmodel.Cli.Workloads;
using Softmodel.Emit;
using Softmodel.Language;
using Softmodel.Runtime;
using Softmodel.Sources;
using Spectre.Console;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel bench</c>: a compiled model against a baseline in the same process.</summary>
static class BenchCommand
{
    // From a word to a paragraph.
    static readonly int[] texts = [8, 30, 90, 200];

    /// <summary>A model with a number of threads on one workload.</summary>
    /// <param name="Model">Its name.</param>
    /// <param name="Threads">How many threads each used.</param>
    /// <param name="Case">What was run.</param>
    /// <param name="OursMs">The median of the compiled model.</param>
    /// <param name="PeerMs">The median of the baseline.</param>
    /// <param name="Speedup">The ratio of the medians.</param>
    /// <param name="OursBestMs">The shortest run of the compiled model.</param>
    /// <param name="PeerBestMs">The shortest run of the baseline.</param>
    /// <param name="Runs">How often each was timed.</param>
    /// <param name="AudioSeconds">How much sound it makes; null where it makes none.</param>
    sealed record Row(string Model, int Threads, string Case, double OursMs, double PeerMs, double Speedup, double OursBestMs, double PeerBestMs, int Runs, double? AudioSeconds)
    {
        /// <summary>The FLOPs of its matmuls and convolutions; null where they were not asked for or can't be known.</summary>
        public double? Flops { get; init; }

        /// <summary>What a run moves at least.</summary>
        public long? Bytes { get; init; }

        /// <summary>How much of the shortest run the cores would need for that; over 1 is possible with fast algorithms.</summary>
        public double? ShareOfLimit { get; init; }

        /// <summary>The same of the baseline.</summary>
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
        var train = new Option<bool>("--train") { Description = $"Time training steps against PyTorch instead, of networks of our own: {string.Join(", ", TrainNetworks.All.Select(n => n.Name))}; all of them where none is named." };
        var memory = new Option<string>("--memory") { Description = "With --train: the most memory that a step may take, as 200MB, or where a share of what it works in otherwise is meant, beside parameters, moments and batch, as 50%; it is timed beside the step without a bound.", HelpName = "SIZE" };
        memory.Validators.Add(r => { if (r.GetValueOrDefault<string>() is { } said && TrainSpeed.Budget(said, 1, 0) is null) r.AddError($"--memory is a size, as 200MB, or a share, as 50%, and '{said}' is neither"); });
        var choice = new ModelChoice(several: true, otherwise: train);
        var against = new Option<string>("--against") { Description = "The baseline; by default llama.cpp for language models, and ONNX Runtime for exports and all others.", DefaultValueFactory = _ => "" };
        against.AcceptOnlyFromAmong("onnxruntime", "llama.cpp");
        var threads = new Option<string>("--threads") { Description = "The numbers of threads to measure with.", DefaultValueFactory = _ => "1,2", HelpName = "N,N" };
        var runs = new Option<int?>("--runs") { Description = "Timed runs of each workload, at least 3; 11 by default, and 5 with --cold." };
        var cold = new Option<bool>("--cold") { Description = "Measure cold start and peak memory: a line of 5 words, or the first token of a language model, from the start of a native program, and of one with ONNX Runtime or llama.cpp." };
        var lengths = new Option<bool>("--lengths") { Description = "Time texts from half a second of audio to five minutes, streamed sentence by sentence, and fit a line." };
        var limits = new Option<bool>("--limits") { Description = "Measure the machine's peak FLOP/s and memory bandwidth, and say which share of it is reached." };
        var steps = new Option<bool>("--profile") { Description = "Profile instead: each step's share of the time, and which share of peak FLOP/s it reaches." };
        var lines = new Option<string>("--texts") { Description = "For an embedding model, a file of sentences, one a line; by default 200 generated ones.", HelpName = "FILE" };
        var bits = new Option<int>("--vector-bits") { Description = "SIMD width: 512, 256 or 128 bits; by default the widest that the processor has.", DefaultValueFactory = _ => 0 };
        var inputs = ModelChoice.Inputs();
        var threshold = new Option<double?>("--threshold") { Description = "The least speedup of each model and number of threads, with --cold of its cold start; exit code 1 below it." };
        var verb = new Verb("bench", "Measure the speedup of a compiled model over a baseline, interleaved, on short and long inputs.",
            "bench tts-en --threads 1,2", "bench smollm2 --against llama.cpp", "bench tts-en piper-libritts --against onnxruntime --json", "bench --all", "bench tts-en --lengths", "bench tts-en --cold", "bench model.onnx --limits --threshold 1.5", "bench model.onnx --profile --threads 1", "bench --train", "bench --train transformer --threads 1 --runs 5", "bench --train --memory 50%")
        { train, memory, against, threads, runs, lengths, cold, limits, steps, lines, bits, inputs, threshold };
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
            if (parsed.GetValue(train) && (isCold || parsed.GetValue(lengths) || parsed.GetValue(limits) || parsed.GetValue(steps) || parsed.GetValue(bits) != 0 || parsed.GetValue(lines) is not null
                || parsed.GetValue(inputs) is not null || parsed.GetRequiredValue(against).Length > 0))
                throw new UsageException("--train goes with --memory, --threads, --runs, --threshold and --json alone: its baseline is PyTorch, and the share of peak FLOP/s is always said");
            if (parsed.GetValue(memory) is not null && !parsed.GetValue(train))
                throw new UsageException("--memory is for --train");
            if (parsed.GetValue(train))
                return await Train(choice.Others(parsed), counts, rounds, parsed.GetValue(memory), parsed.GetValue(threshold) ?? 0, terminal, cancel);
            var request = new Request(counts, rounds, isCold, parsed.GetValue(lengths), parsed.GetValue(bits), parsed.GetValue(lines), parsed.GetValue(inputs), parsed.GetRequiredValue(against),
                parsed.GetValue(limits) || parsed.GetValue(steps) ? [.. counts.Select(Limits.Measure)] : [], parsed.GetValue(steps));
            var names = choice.Names(parsed);
            if (request.Inputs is not null && names.Length > 1)
                throw new UsageException("--inputs is for one model");
            var (all, failed) = (new Measured(), new List<FailedModel>());
            foreach (var name in names)
            {
                // Of several models those that can be timed are; one alone says what is wrong.
                var found = await ModelChoice.Try(name, names.Length > 1, async () =>
                {
                    var one = new Measured();
                    using var loaded = await choice.Load(name, parsed, terminal, cancel);
                    using var export = loaded.HasPast && !loaded.Use.KvCache && IsDecoderAlone(loaded) ? await Model.LoadAsync(name, loaded.Use with { KvCache = true }, cancellationToken: cancel) : null;
                    await One(name, export ?? loaded, request, one, terminal, cancel);
                    return one;
                });
                if (found is Measured measured)
                    all.Add(measured);
                else
                    failed.Add((FailedModel)found);
                if (names.Length > 1)
                    terminal.Say($"{name}: {(found is FailedModel one ? one.Error : "timed")} ({Array.IndexOf(names, name) + 1} of {names.Length})");
            }
            var least = parsed.GetValue(threshold) ?? 0;
            if (request.Profile && failed.Count == 0)
            {
                StepProfile.Show(terminal, all.Profiles);
                return CommandLine.Done;
            }
            if (failed.Count > 0 || all.Kinds > 1 || names.Length > 1 && !isCold && !request.Lengths)
                return ShowAll(terminal, all, failed, request.Limits) && failed.Count == 0 && Summary.Of(all).All(s => s.Least >= least) ? CommandLine.Done : CommandLine.Failed;
            if (all.Starts.Count > 0)
                TextCold.Show(terminal, all.Starts);
            else if (all.Languages.Count > 0)
                TextSpeed.Show(terminal, all.Languages);
            else if (all.Sentences.Count > 0)
                SentenceSpeed.Show(terminal, all.Sentences);
            else if (request.Lengths)
                Growth.Show(terminal, all.Growths);
            else
                Show(terminal, all.Rows, request.Limits);
            return all.Starts.Count > 0 ? all.Starts.All(s => s.IsWithinMemory && s.ColdSpeedup >= least) ? CommandLine.Done : CommandLine.Failed
                : isCold ? all.Rows.All(r => r.ColdSpeedup >= least) ? CommandLine.Done : CommandLine.Failed
                : Summary.Of(all).All(s => s.Least >= least) ? CommandLine.Done : CommandLine.Failed;
        }, Verb.Json());
    }

    static async Task<int> Train(string[] names, int[] counts, int runs, string? budget, double least, Terminal terminal, CancellationToken cancel)
    {
        if (names.FirstOrDefault(n => TrainNetworks.All.All(t => t.Name != n)) is { } unknown)
            throw new UsageException($"--train has no network '{unknown}'; it has {string.Join(", ", TrainNetworks.All.Select(n => n.Name))}");
        var (rows, against) = (new List<TrainRow>(), "");
        foreach (var network in TrainNetworks.All.Where(n => names.Length == 0 || names.Contains(n.Name)))
        {
            foreach (var count in counts)
            {
                (var row, against) = await terminal.Working(progress => Task.Run(() => TrainSpeed.Measure(network, Limits.Measure(count), runs, budget, progress, cancel), cancel));
                rows.Add(row);
            }
        }
        TrainSpeed.Show(terminal, against, rows);
        return rows.All(r => r.Speedup >= least) ? CommandLine.Done : CommandLine.Failed;
    }

    /// <summary>What was asked for.</summary>
    /// <param name="Counts">Numbers of threads.</param>
    /// <param name="Rounds">How often each workload is timed.</param>
    /// <param name="IsCold">Whether starts are timed.</param>
    /// <param name="Lengths">Whether growth with the length of a text is.</param>
    /// <param name="VectorBits">The width of vectors; 0 for the widest.</param>
    /// <param name="Lines">A file with sentences, or null.</param>
    /// <param name="Inputs">A folder with inputs of the user's, or null.</param>
    /// <param name="Against">What models are compared with; empty where it depends on the model.</param>
    /// <param name="Limits">What the machine can do, for each number of threads where that was asked for.</param>
    /// <param name="Profile">Whether the steps of a program are timed instead.</param>
    sealed record Request(int[] Counts, int Rounds, bool IsCold, bool Lengths, int VectorBits, string? Lines, string? Inputs, string Against, Limits[] Limits, bool Profile)
    {
        public CompileOptions Compile(int threads) => new() { Threads = threads, VectorBits = VectorBits };

        public Limits? LimitOf(int threads) => Limits.FirstOrDefault(m => m.Threads == threads);
    }

    /// <summary>What was timed, each kind of model in units of its own.</summary>
    sealed record Measured
    {
        public List<Row> Rows { get; } = [];

        public List<Growth> Growths { get; } = [];

        public List<TextRow> Languages { get; } = [];

        public List<TextColdRow> Starts { get; } = [];

        public List<SentenceRow> Sentences { get; } = [];

        public List<StepProfile> Profiles { get; } = [];

        public int Kinds => new[] { Languages.Count + Starts.Count, Sentences.Count, Rows.Count + Growths.Count }.Count(n => n > 0);

        public void Add(Measured other)
        {
            Rows.AddRange(other.Rows);
            Growths.AddRange(other.Growths);
            Languages.AddRange(other.Languages);
            Starts.AddRange(other.Starts);
            Sentences.AddRange(other.Sentences);
            Profiles.AddRange(other.Profiles);
        }
    }

    /// <summary>How a model did with a number of threads: one speedup, or those of writing and of reading.</summary>
    sealed record Summary(string Model, int Threads, double[] Speedups)
    {
        /// <summary>The smaller of them.</summary>
        public double Least => Speedups.Min();

        /// <summary>Their geometric mean.</summary>
        public double Mean => Math.Exp(Speedups.Average(Math.Log));

        public static Summary[] Of(Measured all) => [.. Summaries(all.Rows).Select(s => new Summary(s.Model, s.Threads, [s.Speedup]))
            .Concat(SentenceSpeed.Summaries(all.Sentences).Select(s => new Summary(s.Model, s.Threads, [s.Speedup])))
            .Concat(TextSpeed.Summaries(all.Languages).Select(s => new Summary(s.Model, s.Threads, [s.Decode, s.Prefill])))];
    }

    static async Task One(string name, Model model, Request request, Measured all, Terminal terminal, CancellationToken cancel)
    {
        // An encoder whose weights are no ONNX file is exported to one.
        var isExported = model.IsLanguageModel && Encoder.Is(model.Inputs, model.Outputs);
        var isLanguage = model.IsLanguageModel && !isExported;
        if (request.Against is { Length: > 0 } baseline && isLanguage != (baseline == "llama.cpp"))
            throw new UsageException(isLanguage ? $"{name} is a language model: its baseline is llama.cpp" : $"{name} is no language model, which llama.cpp could run: its baseline is onnxruntime");
        if (isLanguage || model.Use.KvCache)
        {
            if (request.Profile)
                throw new UsageException($"--profile is not there for language models such as {name}");
            if (request.IsCold && !isLanguage)
                throw new UsageException($"--cold is there for language models that llama.cpp runs, and {name} is an ONNX export");
            if (request.Lengths)
                throw new UsageException($"--lengths is not there for language models such as {name}");
            foreach (var count in request.Counts)
            {
                if (request.IsCold)
                    all.Starts.Add(await terminal.Working(progress => Task.Run(() => TextCold.Measure(name, model, request.Compile(count), request.Rounds, progress, cancel), cancel)));
                else
                    all.Languages.AddRange(await terminal.Working(progress => TextSpeed.Measure(name, model, request.Compile(count), request.Rounds, request.LimitOf(count), progress, cancel)));
            }
            return;
        }
        if (!request.IsCold && !request.Lengths && !request.Profile && request.Inputs is null && !isExported && model.Vocabulary is not null && Encoder.Is(model.Inputs, model.Outputs))
        {
            string[] sentences = request.Lines is { } file ? [.. Lines(file)] : SentenceSpeed.Generated(200);
            foreach (var count in request.Counts)
                all.Sentences.AddRange(await terminal.Working(progress => Task.Run(() => SentenceSpeed.Measure(name, model, sentences, request.Compile(count), request.Rounds, progress, cancel), cancel)));
            return;
        }
        var line = request.IsCold ? await Source.Resolve(name, null, cancel) : null;
        using var folder = new TemporaryFolder();
        var path = await terminal.Working(progress => Task.Run(() => ModelVerification.OracleFile(model, folder), cancel));
        // The same for every number of threads.
        Workload[]? works = null;
        foreach (var count in request.Counts)
        {
            await terminal.Working(progress => Task.Run(async () =>
            {
                using var compiled = model.Compile(request.Compile(count), progress, cancel);
                if (request.Lengths)
                {
                    all.Growths.Add(Growth.Measure(name, compiled, Growth.Lengths, progress, cancel));
                    return true;
                }
                using var baseline = OnnxRuntimeBaseline.Load(path, count);
                var form = request.Inputs is null ? VoiceForm.Of(compiled.Inputs.Select(i => i.Name)) : null;
                works ??= Works(name, model, baseline, form, line, request, progress);
                if (request.Profile)
                {
                    all.Profiles.AddRange(StepProfile.Measure(name, model, request.Compile(count), works, request.Rounds, request.LimitOf(count)!, cancel));
                    return true;
                }
                foreach (var work in works)
                {
                    var row = Measure(name, model, compiled, baseline, form, work, request.Rounds, request.LimitOf(count), progress, cancel);
                    all.Rows.Add(request.IsCold ? await Cold(row, model, compiled, baseline, work, progress, cancel) : row);
                }
                return true;
            }, cancel));
        }
    }

    // The decoder of two networks is given what the encoder made, and reads no text of its own.
    static bool IsDecoderAlone(Model model) => ExportDecoder.Takes([.. model.Inputs.Where(i => !i.Name.StartsWith("past", StringComparison.Ordinal))]);

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

    /// <summary>What a model is timed on.</summary>
    /// <param name="name">The model.</param>
    /// <param name="model">The model.</param>
    /// <param name="baseline">The same in ONNX Runtime: what it refuses is no input.</param>
    /// <param name="form">How it takes phonemes, where it is a voice.</param>
    /// <param name="line">The model that a line of five words is for, where nothing else is run.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="progress">Is told what is being done.</param>
    static Workload[] Works(string name, Model model, OnnxRuntimeBaseline baseline, VoiceForm? form, ResolvedModel? line, Request request, IProgress<string> progress)
    {
        if (form is not null)
            return [.. (line is not null ? [SpokenLine.OfFiveWords(line, model.Inputs)] : texts.Select(t => form.Text(t))).Select(w => w.With(model.Fixed))];
        var works = ModelVerification.Works(model, baseline, request.Inputs, RunSizes.Usual, progress);
        if (request.Inputs is not null)
            return works;
        var (taken, refused) = (new List<Workload>(), default(string));
        foreach (var work in works)
        {
            try
            {
                baseline.Time(work.For(baseline.Inputs));
                taken.Add(work);
            }
            catch (SoftmodelException e)
            {
                refused ??= $"{work.Name}: {e.Message}";
            }
            if (line is not null && taken.Count > 0)
                break;
        }
        return taken.Count > 0 ? [.. taken] : throw new SoftmodelException($"{name}: ONNX Runtime takes none of the generated inputs ({refused}); give your own with --inputs FOLDER");
    }

    static Row Measure(string name, Model model, CompiledModel compiled, OnnxRuntimeBaseline baseline, VoiceForm? form, Workload work, int runs, Limits? limit, IProgress<string> progress, CancellationToken cancel)
    {
        progress.Report($"timing {name} on {work.Name} with {compiled.Threads} threads");
        var (ours, its) = (work.For(compiled.Inputs.Select(i => i.Name)), work.For(baseline.Inputs));
        var times = Interleaved.Time(runs, [() => compiled.Time(ours), () => baseline.Time(its)], cancel);
        var row = new Row(name, compiled.Threads, work.Name, times[0].Median, times[1].Median, Math.Round(times[1].Median / times[0].Median, 3), times[0].Best, times[1].Best, runs,
            form is null ? null : Math.Round((double)compiled.Output(0).Count / form.Rate, 3));
        if (limit is null)
            return row;
        var (flops, bytes) = (Limits.Flops(model.Program, compiled, work), Limits.Bytes(model.Program, compiled, work));
        double? Share(double milliseconds) => flops is { } count ? Math.Round(limit.Share(count, bytes, milliseconds), 3) : null;
        return row with { Flops = flops, Bytes = bytes, ShareOfLimit = Share(row.OursBestMs), PeerShareOfLimit = Share(row.PeerBestMs) };
    }

    static async Task<Row> Cold(Row row, Model model, CompiledModel compiled, OnnxRuntimeBaseline baseline, Workload work, IProgress<string> progress, CancellationToken cancel)
    {
        var library = await NativeLibrary.Of(model, progress, cancel);
        var start = await ColdStart.Measure(model.Path, library, work, [.. compiled.Inputs.Select(i => i.Name)], baseline.Inputs, row.Threads, row.Runs, progress, cancel);
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
        // A column of sound is for models that make some.
        var (speaks, isLimited) = (rows.Any(r => r.AudioSeconds is not null), most.Length > 0);
        string[] Cells(string model, string threads, string work, string sound, string ours, string its, string speedup, string least, string limit) =>
            [model, threads, work, .. speaks ? [sound] : Array.Empty<string>(), ours, its, speedup, least, .. isLimited ? [limit] : Array.Empty<string>()];
        var table = Text.Table(Cells("model", "threads", "input", "sound", "ours", "onnxruntime", "speedup", "", "of the peak"));
        foreach (var row in rows)
        {
            table.Row(Cells(row.Model, $"{row.Threads}", row.Case, row.AudioSeconds is { } sound ? $"{sound:0.00} s" : "", $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms", $"{row.Speedup:0.00}", "",
                row.ShareOfLimit is { } share ? $"{share:0%}, onnxruntime {row.PeerShareOfLimit:0%}" : ""));
        }
        foreach (var (model, threads, speedup, least, _) in Summaries(rows))
            table.Row(Cells(model, $"{threads}", "geometric mean", "", "", "", $"{speedup:0.00}", $"at least {least:0.00}", ""));
        return table;
    });

    /// <summary>Models of several kinds in one table, with the geometric mean over all of them.</summary>
    /// <returns>That something was timed.</returns>
    static bool ShowAll(Terminal terminal, Measured all, List<FailedModel> failed, Limits[] most)
    {
        var summaries = Summary.Of(all);
        var means = summaries.GroupBy(s => s.Threads).Select(g => (Threads: g.Key, Speedup: Math.Round(Math.Exp(g.Average(s => Math.Log(s.Mean))), 3), Models: g.Count())).ToArray();
        terminal.Result(new
        {
            against = string.Join(", ", (all.Rows.Count + all.Sentences.Count > 0 ? ["onnxruntime"] : Array.Empty<string>()).Concat(all.Languages.Select(r => r.Against)).Distinct()),
            summary = summaries.Select(s => s.Speedups is [var speedup] ? (object)new { model = s.Model, threads = s.Threads, speedup, ok = true } : new { model = s.Model, threads = s.Threads, decode = s.Speedups[0], prefill = s.Speedups[1], ok = true })
                .Concat(failed),
            geometric_mean = means.Select(m => new { threads = m.Threads, models = m.Models, speedup = m.Speedup }),
            rows = all.Rows.Concat<object>(all.Sentences).Concat(all.Languages),
            limits = most.Select(l => new { threads = l.Threads, flops_per_second = Math.Round(l.FlopsPerSecond), bytes_per_second = Math.Round(l.BytesPerSecond) }),
            machine = Machine.Here,
        }, () =>
        {
            var table = Text.Table("model", "threads", "work", "ours", "baseline", "", "speedup");
            foreach (var row in all.Rows)
                table.Row(row.Model, $"{row.Threads}", row.Case, $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms", "onnxruntime", $"{row.Speedup:0.00}");
            foreach (var row in all.Sentences)
                table.Row(row.Model, $"{row.Threads}", $"{row.Sentences} sentences, {row.Case}", $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms", "onnxruntime", $"{row.Speedup:0.00}");
            foreach (var row in all.Languages)
                table.Row(row.Model, $"{row.Threads}", row.Case, $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms", row.Against, $"{row.Speedup:0.00}");
            foreach (var summary in summaries)
                table.Row(summary.Model, $"{summary.Threads}", "geometric mean", "", "", summary.Speedups.Length > 1 ? $"decode {summary.Speedups[0]:0.00}, prefill {summary.Speedups[1]:0.00}" : "", $"{summary.Mean:0.00}");
            foreach (var (threads, speedup, models) in means)
                table.Row("all", $"{threads}", $"geometric mean of {models} models", "", "", "", $"{speedup:0.00}");
            foreach (var one in failed)
                table.Row(one.Model, "", one.Error, "", "", "", "failed");
            return table;
        });
        return summaries.Length > 0;
    }

    static Table ColdTable(List<Row> rows)
    {
        var table = Text.Table("model", "threads", "input", "cold start", "onnxruntime", "speedup", "memory", "onnxruntime", "warm", "onnxruntime");
        foreach (var row in rows)
        {
            table.Row(row.Model, $"{row.Threads}", row.Case, $"{row.ColdMs:0.0} ms", $"{row.PeerColdMs:0.0} ms", $"{row.ColdSpeedup:0.0}", Text.Size(row.PeakBytes ?? 0), Text.Size(row.PeerPeakBytes ?? 0),
                $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms");
        }
        return table;
    }
}
