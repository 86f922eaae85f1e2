using System.Diagnostics;
using Softmodel.Arrays;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Workloads;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel.Cli.Verify;

/// <summary>One run compared.</summary>
/// <param name="Name">What was run.</param>
/// <param name="Elements">How many elements the outputs have.</param>
/// <param name="SnrDb">The oracle's power over that of the difference.</param>
/// <param name="MaxAbs">The largest difference; null where nothing could be compared.</param>
/// <param name="Fault">Why nothing could, or null.</param>
/// <param name="OracleAsIsSnrDb">The same ratio between the oracle and ONNX Runtime on the file as it is, where they differ: the oracle's own error.</param>
/// <param name="OracleAsIsFault">Why those can't be compared, such as sounds of different lengths, or null.</param>
/// <param name="AsIsSnrDb">The ratio between ours and ONNX Runtime on the file as it is.</param>
/// <param name="ExactSnrDb">The ratio between ours and the reference evaluator in double precision; null where that was not asked.</param>
/// <param name="OracleExactSnrDb">The ratio between the oracle and the reference evaluator.</param>
/// <param name="ExactDistortionDb">The mel cepstral distortion of ours against the reference evaluator, where a voice's samples tell nothing.</param>
/// <param name="OracleExactDistortionDb">The same of the oracle.</param>
/// <param name="Rounding">Where a rounding step gives another integer than in double precision, or null.</param>
sealed record Comparison(string Name, long Elements, double SnrDb, double? MaxAbs, string? Fault, double? OracleAsIsSnrDb = null, string? OracleAsIsFault = null, double? AsIsSnrDb = null,
    double? ExactSnrDb = null, double? OracleExactSnrDb = null, double? ExactDistortionDb = null, double? OracleExactDistortionDb = null, string? Rounding = null);

/// <summary>What was found of a model.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Oracle">What it was compared with.</param>
/// <param name="MinSnrDb">The worst of all cases, with noise or without.</param>
/// <param name="MaxAbs">The largest difference of all cases.</param>
/// <param name="Ok">Whether every case reaches the threshold, or is no farther from the reference evaluator than the oracle.</param>
/// <param name="MinSnrDbWithNoise">The worst case with the same noise given to both; null where that can't be done.</param>
/// <param name="OracleAsIsSnrDb">The worst case between the oracle and ONNX Runtime on the file as it is; null where they are one.</param>
/// <param name="OracleAsIsMedianSnrDb">The median case.</param>
/// <param name="AsIsSnrDb">The worst case between ours and ONNX Runtime on the file as it is.</param>
/// <param name="CompileMs">How long it took to compile, or to find in the cache.</param>
/// <param name="Threads">How many threads computed.</param>
/// <param name="VectorBits">The width of the vectors.</param>
/// <param name="Cases">All cases.</param>
sealed record Verified(string Model, string Oracle, double MinSnrDb, double? MaxAbs, bool Ok, double? MinSnrDbWithNoise, double? OracleAsIsSnrDb, double? OracleAsIsMedianSnrDb, double? AsIsSnrDb,
    double CompileMs, int Threads, int VectorBits, Comparison[] Cases)
{
    /// <summary>The mean distance of ours from the reference evaluator in double precision, in the cases that were judged by it; null where none was.</summary>
    public double? ExactSnrDb => Mean(c => c.ExactSnrDb);

    /// <summary>The same of the oracle.</summary>
    public double? OracleExactSnrDb => Mean(c => c.OracleExactSnrDb);

    /// <summary>The mean mel cepstral distortion of ours against the reference evaluator, in the cases that were judged by it; null where none was.</summary>
    public double? ExactDistortionDb => Mean(c => c.ExactDistortionDb);

    /// <summary>The same of the oracle.</summary>
    public double? OracleExactDistortionDb => Mean(c => c.OracleExactDistortionDb);

    double? Mean(Func<Comparison, double?> decibels) => Cases.Select(decibels).OfType<double>().ToArray() is { Length: > 0 } all ? Math.Round(all.Average(), 1) : null;
}

/// <summary>How a model is verified.</summary>
/// <param name="Compile">How it is compiled.</param>
/// <param name="Threshold">The least SNR that passes, in decibels.</param>
/// <param name="Inputs">A folder with inputs of the user's; null for those that are made up.</param>
/// <param name="Cases">At most so many cases without noise, and as many with noise; null for all.</param>
sealed record VerifyOptions(CompileOptions Compile, double Threshold, string? Inputs, int? Cases = null);

/// <summary>Compares a compiled model with ONNX Runtime, and where they are apart both with the reference evaluator in double precision.</summary>
static class ModelVerification
{
    // From one phoneme to a long paragraph.
    static readonly int[] texts = [1, 2, 3, 5, 7, 10, 14, 19, 25, 33, 43, 56, 72, 92, 117, 148, 186, 240, 310, 400];

    // The reference evaluator takes about a nanosecond for a product: always a second of it, half a minute where there is a doubt.
    const double FewProducts = 1e9, MostProducts = 3e10;

    // Where sizes are found while a model runs, nothing tells how long it takes: all of its cases together have so long.
    static readonly TimeSpan mostTime = TimeSpan.FromMinutes(5);

    // Where numbers are rounded to few bits chance decides by how much two ways of computing differ, but not by a factor of two.
    const double Chance = 1, MostChance = 6;

    const int EnoughJudged = 10;

    // Where two ways of computing are so far apart, the phases of a sound are chance, and its samples tell nothing.
    const double MinMeaningfulSnrDb = 10;

    // Half or twice as loud is 3.2 dB and more, other words or another speaker 6; ONNX Runtime is up to 2.7 from double precision.
    const double MostDistortion = 3, ChanceOfDistortion = 0.5;

    /// <summary>Compares a model.</summary>
    /// <param name="name">What the user calls it.</param>
    /// <param name="files">The files that came with it.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="SoftmodelException">It can't be compiled, or nothing can be compared.</exception>
    public static Verified Verify(string name, ResolvedModel files, Model model, VerifyOptions options, IProgress<string> progress, CancellationToken cancel)
    {
        if (model.Use.KvCache)
            throw new UsageException("verify compares single runs, and a model whose KV cache is a state has none of these: leave out --kv-cache");
        var clock = Stopwatch.StartNew();
        using var compiled = model.Compile(options.Compile, progress, cancel);
        var took = clock.Elapsed.TotalMilliseconds;
        using var folder = new TemporaryFolder();
        progress.Report($"preparing the oracle of {name}");
        var oracle = OracleFile(model, folder);
        var copy = OracleModel.Read(oracle);
        var isWidened = copy?.Widen() is true;
        if (isWidened)
            copy!.Write(folder.File("widened.onnx"));
        var form = options.Inputs is null ? VoiceForm.Of(compiled.Inputs.Select(i => i.Name)) : null;
        var noises = copy?.GiveNoise() ?? [];
        var lines = SpokenLine.OfSpeakers(files, compiled.Inputs);

        // Both draw random numbers of their own: in a copy of the model they are given the same. Without noise voices draw none that count.
        Comparison[] quiet = [], noisy = [];
        if (form is not null || noises.Count == 0)
        {
            var (path, asIs) = isWidened ? (folder.File("widened.onnx"), oracle) : (oracle, null);
            using var baseline = OnnxRuntimeBaseline.Load(path, compiled.Threads);
            using var rough = asIs is null ? null : OnnxRuntimeBaseline.Load(asIs, compiled.Threads);
            Workload[] works = form is not null ? [.. Enumerable.Range(0, form.Speakers).SelectMany(speaker => texts.Select(t => form.Text(t, speaker).With(model.Fixed)))]
                : options.Inputs is null && lines is { } spoken ? [.. spoken.Works.Select(w => w.With(model.Fixed))]
                : Works(model, baseline, options.Inputs, RunSizes.Varied, progress);
            quiet = Compare(new(name, model, compiled, baseline, rough, lines?.SampleRate, options, progress, cancel), Spread(works, options.Cases));
        }
        if (noises.Count > 0)
        {
            var path = folder.File("noise.onnx");
            copy!.Write(path);
            using var given = Model.Load(path, model.Use);
            using var noise = given.Compile(options.Compile, progress, cancel);
            using var baseline = OnnxRuntimeBaseline.Load(path, compiled.Threads);
            var some = texts.Where((_, i) => i % 3 == 1).ToArray();
            Workload[] works = form is null ? Works(model, baseline, options.Inputs, RunSizes.Varied, progress)
                : [.. Enumerable.Range(0, form.Speakers).SelectMany(speaker => some.Select(t => form.Text(t, speaker, 1).With(model.Fixed)))];
            noisy = Compare(new(name, given, noise, baseline, null, lines?.SampleRate, options, progress, cancel), [.. Spread(works, options.Cases).Select(w => Noisy(w, noises))]);
        }
        Comparison[] cases = [.. quiet, .. noisy];
        return new(name, $"onnxruntime {OnnxRuntimeBaseline.Version}{(isWidened ? ", 16-bit numbers widened to 32" : model.IsLanguageModel ? ", exported to ONNX" : "")}",
            cases.Min(c => c.SnrDb), cases.Max(c => c.MaxAbs), AreRight(cases, options.Threshold),
            noisy.Length > 0 ? noisy.Min(c => c.SnrDb) : null, quiet.Min(c => c.OracleAsIsSnrDb), Median(quiet.Select(c => c.OracleAsIsSnrDb).OfType<double>()), quiet.Min(c => c.AsIsSnrDb),
            Math.Round(took), compiled.Threads, options.Compile.VectorBits == 0 ? Machine.Here.VectorBits : options.Compile.VectorBits, cases);
    }

    /// <summary>The model as a file that ONNX Runtime reads.</summary>
    /// <param name="model">An ONNX model, or an encoder of an architecture of ours, which is exported.</param>
    /// <param name="folder">Where it is written to.</param>
    public static string OracleFile(Model model, TemporaryFolder folder)
    {
        if (!model.IsLanguageModel)
            return model.Path;
        var path = folder.File("exported.onnx");
        OnnxExport.Write(model.Imported, path);
        return path;
    }

    /// <summary>What a model is compared on.</summary>
    /// <param name="model">The model.</param>
    /// <param name="baseline">The same in ONNX Runtime.</param>
    /// <param name="folder">A folder with inputs of the user's; null for those that are made up.</param>
    /// <param name="sizes">The sizes for symbolic ones.</param>
    /// <param name="progress">Is told what is being done.</param>
    public static Workload[] Works(Model model, OnnxRuntimeBaseline baseline, string? folder, RunSizes[] sizes, IProgress<string> progress)
    {
        progress.Report("looking for what its inputs may be");
        var known = model.Fixed;
        if (folder is not null)
        {
            TensorInfo[] inputs = [.. model.Inputs, .. known.Select(k => k.Value.TensorType.Info(k.Key))];
            return [.. InputFolder.Read(folder, [.. baseline.Inputs.Select(n => inputs.FirstOrDefault(i => i.Name == n)).OfType<TensorInfo>()], known).Select(i => new Workload(i.Name, i.Tensors))];
        }
        var generated = new GeneratedInputs(model.Graph);
        return [.. (model.Cases.Count > 0 ? generated.Of(model.Cases) : generated.Of(sizes)).Select(w => w.With(known))];
    }

    // From the first on; the last and longest take most of the time.
    static Workload[] Spread(Workload[] works, int? most) => most is not { } count || count >= works.Length ? works : [.. Enumerable.Range(0, count).Select(i => works[i * works.Length / count])];

    // Far more than any of these texts and sounds need.
    static Workload Noisy(Workload work, IReadOnlyList<string> noises) => work.With(noises.ToDictionary(n => n, n => OracleModel.Noise(n, 6 << 20)));

    /// <summary>A model, its oracle, and where they were compared.</summary>
    sealed record Pair(string Name, Model Model, CompiledModel Compiled, OnnxRuntimeBaseline Baseline, OnnxRuntimeBaseline? Rough, int? SampleRate, VerifyOptions Options, IProgress<string> Progress, CancellationToken Cancel);

    /// <summary>A case with what was computed; nothing where ours failed.</summary>
    readonly record struct Case(Comparison Found, Workload Work, Tensor[] Ours, Tensor[] Its);

    static Comparison[] Compare(Pair pair, Workload[] works)
    {
        var (cases, refused) = (new List<Case>(), default(string));
        foreach (var work in works)
        {
            try
            {
                cases.Add(Compare(pair, work, Oracle(pair, work)));
            }
            catch (SoftmodelException e) when (pair.Options.Inputs is null)
            {
                // It was made up: the model does not take such sizes.
                refused ??= $"{work.Name}: {e.Message}";
            }
        }
        if (cases.Count == 0)
            throw new SoftmodelException($"{pair.Name}: ONNX Runtime takes none of the generated inputs ({refused}); give your own with --inputs FOLDER");
        return Judged(pair, cases);
    }

    static Tensor[] Oracle(Pair pair, Workload work)
    {
        pair.Cancel.ThrowIfCancellationRequested();
        pair.Progress.Report($"comparing {pair.Name}: {work.Name}");
        var given = work.For(pair.Baseline.Inputs);
        // Where it is widened it takes and gives 32-bit numbers.
        var its = pair.Baseline.Run(pair.Rough is null ? given : [.. given.Select(Widened)]);
        return its.Any(t => t.Count > 0 && t.Type.IsFloat() && Enumerable.Range(0, (int)t.Count).All(i => double.IsNaN(t.Float(i)))) ? throw new SoftmodelException("ONNX Runtime gives nothing but NaN") : its;
    }

    static Case Compare(Pair pair, Workload work, Tensor[] its)
    {
        Tensor[] ours;
        try
        {
            ours = pair.Compiled.Run(work.For(pair.Compiled.Inputs.Select(i => i.Name)));
        }
        catch (SoftmodelException e)
        {
            return new(new(work.Name, 0, -Agreement.Equal, null, e.Message), work, [], []);
        }
        its = [.. its.Zip(ours, (it, our) => our.Type == ElementType.Float16 && it.Type == ElementType.Float32 ? As(ElementType.Float16, it) : it)];
        var agreement = Agreement.Of(ours, its);
        var one = new Comparison(work.Name, its.Sum(t => t.Count), Decibels(agreement), agreement.Fault is null ? agreement.MaxAbs : null, agreement.Fault);
        if (pair.Rough is { } rough)
        {
            var asIs = rough.Run(work.For(rough.Inputs));
            var own = Agreement.Of(asIs, its);
            one = one with { OracleAsIsSnrDb = Decibels(own), OracleAsIsFault = own.Fault, AsIsSnrDb = Decibels(Agreement.Of(ours, asIs)) };
        }
        return new(one, work, ours, its);
    }

    /// <summary>
    /// The cases with their distances from the reference evaluator: of the quickest one, and of all that are below the threshold and not
    /// too long; of those the quickest again with other numbers, so that chance does not decide.
    /// </summary>
    static Comparison[] Judged(Pair pair, List<Case> cases)
    {
        if (cases.All(c => c.Ours.Length == 0))
            return [.. cases.Select(c => c.Found)];
        var imported = pair.Model.Imported;
        var exact = new Lazy<Graph>(() => DoublePrecision.Of(imported));
        Tensor[] Given(Workload work) => work.For(imported.Inputs.Select(v => v.Name));
        double? Cost(Case one) => one.Ours.Length == 0 ? null : DoublePrecision.Products(imported, Given(one.Work));
        bool IsDoubtful(Case one) => one.Found.Fault is not null || one.Found.SnrDb < pair.Options.Threshold;
        Comparison Distance(Case one, CancellationToken cancel)
        {
            pair.Progress.Report($"evaluating {pair.Name} in double precision: {one.Found.Name}");
            try
            {
                var expected = Evaluator.Run(exact.Value, [.. Given(one.Work).Select(DoublePrecision.Of)], cancellationToken: cancel);
                var found = one.Found with { ExactSnrDb = Decibels(Agreement.OfNumbers(one.Ours, expected)), OracleExactSnrDb = Decibels(Agreement.OfNumbers(one.Its, expected)) };
                return pair.SampleRate is not { } rate || !IsDoubtful(one) || found.OracleExactSnrDb >= MinMeaningfulSnrDb ? found
                    : found with { ExactDistortionDb = Distortion(one.Ours[0], expected[0], rate), OracleExactDistortionDb = Distortion(one.Its[0], expected[0], rate) };
            }
            catch (SoftmodelException) when (!IsDoubtful(one))
            {
                // A program that the evaluator has no rule for.
                return one.Found;
            }
        }
        // Null where there is no time left.
        Comparison? InTime(Case one, TimeSpan time)
        {
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(pair.Cancel);
            ending.CancelAfter(time);
            try
            {
                return Distance(one, ending.Token);
            }
            catch (OperationCanceledException) when (!pair.Cancel.IsCancellationRequested)
            {
                return null;
            }
        }
        // The quickest come first, until all of them together have taken as long as is given.
        var (left, found) = (MostProducts, cases.Select(c => c.Found).ToArray());
        var order = cases.Select((one, i) => (Case: one, Index: i, Cost: Cost(one))).Where(c => c.Cost is not null).OrderBy(c => c.Cost).ToArray();
        foreach (var (one, i, cost) in order)
        {
            if (!(IsDoubtful(one) ? cost <= left : i == order[0].Index && cost <= FewProducts))
                continue;
            (found[i], left) = (Distance(one, pair.Cancel), left - cost!.Value);
        }
        var clock = Stopwatch.StartNew();
        foreach (var (one, i) in cases.Select((one, i) => (one, i)).Where(c => c.one.Ours.Length > 0 && Cost(c.one) is null && IsDoubtful(c.one)).OrderBy(c => c.one.Found.Elements))
        {
            if (mostTime - clock.Elapsed is { Ticks: > 0 } time && InTime(one, time) is { } judgement)
                found[i] = judgement;
        }
        int[] doubtful = [.. order.Where(c => IsDoubtful(c.Case) && c.Cost <= MostProducts).Select(c => c.Index)];
        if (doubtful.Length == 0 || cases[doubtful[0]].Work.Again is not { } again)
            return found;
        var judged = found.Count(c => c.ExactSnrDb is not null);
        var seeds = Math.Clamp((int)Math.Min(EnoughJudged - judged, left / order.First(c => c.Index == doubtful[0]).Cost!.Value), 0, EnoughJudged);
        var more = Enumerable.Range(1, seeds).Select(again).Select(work => Distance(Compare(pair, work, Oracle(pair, work)), pair.Cancel)).ToArray();
        var first = found[doubtful[0]];
        found[doubtful[0]] = first with { Rounding = Roundings.Find(pair.Model, cases[doubtful[0]].Work, pair.Options.Compile, pair.Progress, pair.Cancel) };
        return [.. found, .. more];
    }

    /// <summary>
    /// Whether every case reaches the threshold, or where some do not, ours is no farther from the reference evaluator than the
    /// oracle is: on the average of the cases, by more than chance explains where numbers are rounded to few bits. What comes up to
    /// the threshold on both sides is as near as is asked for. Sounds of voices that are as far as anything would be are judged by how
    /// they sound: by their mel cepstral distortion.
    /// </summary>
    internal static bool AreRight(Comparison[] cases, double threshold)
    {
        if (cases.All(c => c.Fault is null && c.SnrDb >= threshold))
            return true;
        // A result that was not computed, or that differs in its shape and could not be judged.
        if (cases.Any(c => c.Fault is not null && c.ExactSnrDb is null))
            return false;
        var sounds = cases.Where(c => c.ExactDistortionDb is not null).ToArray();
        if (sounds.Length > 0 && (sounds.Any(c => c.ExactDistortionDb > MostDistortion) || sounds.Average(c => c.ExactDistortionDb) > sounds.Average(c => c.OracleExactDistortionDb) + ChanceOfDistortion))
            return false;
        var others = cases.Where(c => c.ExactDistortionDb is null).ToArray();
        if (others.All(c => c.Fault is null && c.SnrDb >= threshold))
            return true;
        // Most are as far from double precision as anything else would be.
        var doubtful = others.Where(c => c.SnrDb < threshold && c.ExactSnrDb is not null).ToArray();
        if (2 * doubtful.Count(c => c.ExactSnrDb < MinMeaningfulSnrDb && c.OracleExactSnrDb < MinMeaningfulSnrDb) > doubtful.Length)
            return false;
        double[] nearer = [.. others.Where(c => c.ExactSnrDb is not null).Select(c => Math.Min(threshold, c.ExactSnrDb!.Value) - Math.Min(threshold, c.OracleExactSnrDb!.Value))];
        if (nearer.Length == 0)
            return false;
        var mean = nearer.Average();
        var error = nearer.Length > 1 ? Math.Sqrt(nearer.Sum(n => (n - mean) * (n - mean)) / (nearer.Length - 1) / nearer.Length) : 0;
        return mean >= -Math.Clamp(2 * error, Chance, MostChance);
    }

    static Tensor Widened(Tensor tensor) => tensor.Type == ElementType.Float16 ? As(ElementType.Float32, tensor) : tensor;

    static Tensor As(ElementType type, Tensor tensor) => Tensor.Of(type, tensor.Dims, [.. Enumerable.Range(0, (int)tensor.Count).Select(i => tensor.Float(i))]);

    static double? Median(IEnumerable<double> decibels) => decibels.Order().ToArray() is { Length: > 0 } sorted ? sorted[sorted.Length / 2] : null;

    // Upwards.
    static double Distortion(Tensor sound, Tensor reference, int rate)
    {
        static float[] Samples(Tensor sound) => [.. Enumerable.Range(0, checked((int)sound.Count)).Select(i => (float)sound.Float(i))];
        return Math.Ceiling(MelCepstra.Distortion(Samples(sound), Samples(reference), rate) * 100) / 100;
    }

    // Downwards, so that no case reaches a threshold by rounding.
    static double Decibels(Agreement agreement) => Math.Floor(agreement.SnrDb * 10) / 10;
}
