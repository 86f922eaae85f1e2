using System.Diagnostics;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Learn;

namespace Softmodel.Fusion;

/// <summary>How a model is fused with programs.</summary>
sealed record FusingOptions
{
    /// <summary>How many passages the trigger learns sums from, and how many each program of one's own.</summary>
    public const int OfSums = 12_000, OfOwn = 4000;

    /// <summary>How many passages the trigger learns from.</summary>
    public int Passages { get; init; } = OfSums;

    /// <summary>How many passages there are by default; without sums some, in which they aren't due.</summary>
    public static int PassagesOf(FusedSources sources) => (sources.HasSums ? OfSums : OfSums / 6) + OfOwn * sources.Libraries.Sum(l => l.Programs.Count);

    /// <summary>After how many passages of forms that it never saw its threshold is chosen, and its figures are measured.</summary>
    public int HeldOut { get; init; } = 2000;

    /// <summary>One part of forms in so many is held out.</summary>
    public int HeldOutOneIn { get; init; } = 10;

    /// <summary>The layers after which it may read; null for one in the middle.</summary>
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>How the trigger is trained.</summary>
    public TriggerOptions Training { get; init; } = new();
}

/// <summary>What a trigger does on passages of forms that it never saw.</summary>
/// <param name="Dues">How many results were due.</param>
/// <param name="Programs">At how many of them the right program was the most probable.</param>
/// <param name="Operands">At how many all operands were right.</param>
/// <param name="Right">At how many it fired with the right program and operands.</param>
/// <param name="Fired">At how many it fired.</param>
/// <param name="Negatives">At how many positions nothing was due.</param>
/// <param name="FalseFires">At how many of those it fired.</param>
sealed record FusedFigures(int Dues, int Programs, int Operands, int Right, int Fired, int Negatives, int FalseFires);

/// <summary>A place where nothing is due.</summary>
/// <param name="Text">The text up to there.</param>
/// <param name="Program">The most probable program.</param>
/// <param name="Score">By how much its logit is above that of none.</param>
readonly record struct NearFire(string Text, string Program, double Score);

/// <summary>What fusing came to.</summary>
/// <param name="Trigger">The trigger.</param>
/// <param name="Figures">Its figures.</param>
/// <param name="ByProgram">The same by program.</param>
/// <param name="Nearest">Where nothing is due and it came nearest to firing, the nearest first.</param>
/// <param name="Left">How many passages were left out, as their tokens are not those of their text.</param>
/// <param name="Collecting">How long it took to read the passages, in seconds.</param>
/// <param name="Training">How long it took to train.</param>
sealed record Fused(FusedTrigger Trigger, FusedFigures Figures, IReadOnlyDictionary<string, FusedFigures> ByProgram, IReadOnlyList<NearFire> Nearest, int Left, double Collecting, double Training);

/// <summary>Finds where a language model is about to do what programs do, and trains a trigger there.</summary>
static class Fusing
{
    /// <summary>How many operands a trigger points at.</summary>
    public const int Slots = 4;

    /// <summary>Trains a trigger for a model.</summary>
    /// <param name="decoder">The model, as imported.</param>
    /// <param name="baseHash">The hash of its files.</param>
    /// <param name="source">What it was loaded from.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="passages">An endless stream of passages.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="events">Is told of each step of training.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static Fused Run(Graph decoder, string baseHash, string source, Tokenizer tokenizer, IEnumerable<Passage> passages, FusingOptions options, IProgress<string>? progress, Action<TrainingEvent>? events, CancellationToken cancellationToken)
    {
        var (learned, heldOut, left) = Drawn(passages, tokenizer, options, out var programs);
        progress?.Report("compiling the lower layers");
        var layer = options.Layers?[0] ?? decoder.Nodes.Max(n => n.Origin.Layer ?? 0) / 2;
        var clock = Stopwatch.StartNew();
        using var residuals = new Residuals(decoder, [layer], options.Training.Threads, cancellationToken);
        float[][] Streams(TriggerText[] texts, string what)
        {
            var (all, tokens, total) = (new List<float[]>(), 0L, texts.Sum(t => (long)t.Tokens.Length));
            foreach (var (text, stream) in texts.Zip(residuals.Of([.. texts.Select(t => t.Tokens)], cancellationToken)))
            {
                all.Add(stream[0]);
                tokens += text.Tokens.Length;
                if (all.Count % 50 == 0)
                    progress?.Report($"reading {what}: {tokens:N0} of {total:N0} tokens");
            }
            return [.. all];
        }
        var (streams, others) = (Streams(learned, "passages"), Streams(heldOut, "passages that are held out"));
        var (collecting, from) = (clock.Elapsed.TotalSeconds, clock.Elapsed.TotalSeconds);
        progress?.Report("compiling the training step");
        var (center, scale) = TriggerTraining.Statistics(streams, residuals.Width);
        var network = new TriggerNetwork(residuals.Width, programs.Length, Slots, center, scale, options.Training.Seed);
        TriggerReading[] readings = [];
        var parameters = TriggerTraining.Run(network, learned, streams, options.Training, events, read => readings = [.. read(heldOut, others)], cancellationToken);
        var scores = readings.Select(r => r.Programs.Select(Score).ToArray()).ToArray();
        var nearest = Nearest(heldOut, scores, tokenizer, programs);
        // No place of forms that it never saw makes it fire where nothing is due.
        var threshold = Math.Max(0, nearest.Length > 0 ? nearest[0].Score : 0);
        var trigger = new FusedTrigger(baseHash, source, layer, decoder.Nodes.Max(n => n.Origin.Layer ?? 0) + 1, threshold, programs, network, parameters);
        var numbers = Numbers(programs);
        var byProgram = programs.ToDictionary(p => p, p => Figures(heldOut, readings, scores, threshold, numbers[p]), StringComparer.Ordinal);
        return new(trigger, Figures(heldOut, readings, scores, threshold, null), byProgram, nearest, left, collecting, clock.Elapsed.TotalSeconds - from);
    }

    static Dictionary<string, int> Numbers(IReadOnlyList<string> programs) => programs.Index().ToDictionary(p => p.Item, p => p.Index + 1, StringComparer.Ordinal);

    static (TriggerText[] Learned, TriggerText[] HeldOut, int Left) Drawn(IEnumerable<Passage> passages, Tokenizer tokenizer, FusingOptions options, out string[] programs)
    {
        var (learned, heldOut) = (new List<Passage>(), new List<Passage>());
        foreach (var passage in passages)
        {
            var (to, most) = passage.IsHeldOut(options.HeldOutOneIn) ? (heldOut, options.HeldOut) : (learned, options.Passages);
            if (to.Count < most)
                to.Add(passage);
            if (learned.Count == options.Passages && heldOut.Count == options.HeldOut)
                break;
        }
        programs = [.. learned.SelectMany(p => p.Dues).Select(d => d.Program).Distinct().Order(StringComparer.Ordinal)];
        var (numbers, left) = (Numbers(programs), 0);
        TriggerText[] Texts(List<Passage> all)
        {
            TriggerText?[] texts = [.. all.Select(p => p.Dues.All(d => d.Operands.Count <= Slots && numbers.ContainsKey(d.Program)) ? TriggerText.Of(p, tokenizer, numbers) : null)];
            left += texts.Count(t => t is null);
            return [.. texts.OfType<TriggerText>()];
        }
        return (Texts(learned), Texts(heldOut), left);
    }

    const int Shown = 40;

    /// <summary>Where nothing is due, and it is nearest to firing.</summary>
    static NearFire[] Nearest(TriggerText[] texts, (int Program, double Score)[][] scores, Tokenizer tokenizer, IReadOnlyList<string> programs)
    {
        var places = from pair in texts.Zip(scores)
                     from at in Enumerable.Range(0, pair.First.Tokens.Length)
                     where IsIdle(pair.First, at)
                     let found = pair.Second[at]
                     orderby found.Score descending
                     select new NearFire(tokenizer.Decode(pair.First.Tokens.AsSpan(0, at + 1)), programs[found.Program - 1], found.Score);
        return [.. places.Take(Shown)];
    }

    static bool IsIdle(TriggerText text, int at) => !text.Undecided.Contains(at) && !text.Dues.Any(d => d.At == at);

    static (int Program, double Score) Score(float[] logits)
    {
        var program = 1 + System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits.AsSpan(1));
        return (program, logits[program] - logits[0]);
    }

    static FusedFigures Figures(TriggerText[] texts, TriggerReading[] readings, (int Program, double Score)[][] scores, double threshold, int? only)
    {
        var (dues, programs, operands, right, fired, negatives, falseFires) = (0, 0, 0, 0, 0, 0, 0);
        foreach (var (text, reading, own) in texts.Zip(readings, scores))
        {
            foreach (var (number, due) in text.Dues.Index())
            {
                if (only is { } program && due.Program != program)
                    continue;
                var (said, score) = own[due.At];
                var (isProgram, isOperands) = (said == due.Program, reading.Pointers[number].SequenceEqual(due.Operands));
                dues++;
                programs += isProgram ? 1 : 0;
                operands += isOperands ? 1 : 0;
                fired += score > threshold ? 1 : 0;
                right += isProgram && isOperands && score > threshold ? 1 : 0;
            }
            for (var at = 0; at < text.Tokens.Length; at++)
            {
                if (!IsIdle(text, at))
                    continue;
                negatives++;
                var (said, score) = own[at];
                falseFires += score > threshold && (only is null || said == only) ? 1 : 0;
            }
        }
        return new(dues, programs, operands, right, fired, negatives, falseFires);
    }
}
