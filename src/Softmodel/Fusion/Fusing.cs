using System.Diagnostics;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Learn;
using Softmodel.Runtime.Fusion;

namespace Softmodel.Fusion;

/// <summary>How a model is fused with programs.</summary>
sealed record FusingOptions
{
    /// <summary>How many passages the trigger learns sums from, and how many each program of one's own.</summary>
    public const int OfSums = 24_000, OfOwn = 6000;

    /// <summary>How many passages the trigger learns from.</summary>
    public int Passages { get; init; } = OfSums;

    /// <summary>How many passages there are by default; without sums some, in which they aren't due.</summary>
    public static int PassagesOf(FusedSources sources) => (sources.HasSums ? OfSums : OfSums / 6) + OfOwn * sources.Libraries.Sum(l => l.Programs.Count);

    /// <summary>After how many passages of forms that it never saw its threshold is chosen, and its figures are measured.</summary>
    public int HeldOut { get; init; } = 4000;

    /// <summary>One part of forms in so many is held out.</summary>
    public int HeldOutOneIn { get; init; } = 20;

    /// <summary>The layers after which it may read, of which the best is found; null for some in the middle.</summary>
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>How many passages a layer is tried with.</summary>
    public int SearchPassages { get; init; } = 2500;

    /// <summary>The folder for what is kept until it is done: the streams, and checkpoints. It goes on from what is there.</summary>
    public required string Folder { get; init; }

    /// <summary>How the trigger is trained.</summary>
    public TriggerOptions Training { get; init; } = new();
}

/// <summary>What a trigger does on passages of forms that it never saw.</summary>
/// <param name="Dues">How many results were due.</param>
/// <param name="Programs">At how many of them the right program was the most probable.</param>
/// <param name="Operands">At how many all operands were right.</param>
/// <param name="Right">At how many it fired, and what would be written is right.</param>
/// <param name="Fired">At how many it fired.</param>
/// <param name="Idle">At how many positions nothing was due.</param>
/// <param name="FalseFires">At how many of those it fired, and would write something else than follows.</param>
sealed record FusedFigures(int Dues, int Programs, int Operands, int Right, int Fired, int Idle, int FalseFires);

/// <summary>A place where something else would be written than is right there.</summary>
/// <param name="Text">The text up to there.</param>
/// <param name="Program">The most probable program.</param>
/// <param name="Operands">To what it points.</param>
/// <param name="Written">What would be written.</param>
/// <param name="Score">The logarithm of the odds.</param>
readonly record struct NearFire(string Text, string Program, string[] Operands, string Written, double Score);

/// <summary>How a layer did in the search.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Right">At which share of what was due program and operands were right.</param>
/// <param name="Fired">The share that is right and above all that is wrong.</param>
readonly record struct TriedLayer(int Layer, double Right, double Fired);

/// <summary>What fusing came to.</summary>
/// <param name="Trigger">The trigger.</param>
/// <param name="Figures">Its figures.</param>
/// <param name="ByProgram">The same by program.</param>
/// <param name="Nearest">Where nothing is due and it came nearest to a false fire, the nearest first: the first few set the threshold.</param>
/// <param name="Wrong">Where a result is due and it would be wrong, the most certain first.</param>
/// <param name="Tried">The layers that were tried; none where there was no choice.</param>
/// <param name="Left">How many passages were left out, as their tokens are not those of their text.</param>
/// <param name="Collecting">How long it took to read the passages, in seconds.</param>
/// <param name="Training">How long it took to train.</param>
sealed record Fused(
    FusedTrigger Trigger, FusedFigures Figures, IReadOnlyDictionary<string, FusedFigures> ByProgram, IReadOnlyList<NearFire> Nearest, IReadOnlyList<NearFire> Wrong, IReadOnlyList<TriedLayer> Tried, int Left,
    double Collecting, double Training);

/// <summary>Finds where a language model is about to do what programs do, and trains a trigger there.</summary>
/// <param name="decoder">The model, as imported.</param>
/// <param name="baseHash">The hash of its files.</param>
/// <param name="source">What it was loaded from.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="programs">The programs.</param>
/// <param name="options">How.</param>
/// <param name="progress">Is told what is being done.</param>
/// <param name="events">Is told of each step of training.</param>
/// <param name="cancellationToken">Stops it; what was done is kept.</param>
sealed class Fusing(Graph decoder, string baseHash, string source, Tokenizer tokenizer, FusedPrograms programs, FusingOptions options, IProgress<string>? progress, Action<TrainingEvent>? events, CancellationToken cancellationToken)
{
    /// <summary>How many operands a trigger points at.</summary>
    public const int Slots = 8;

    const int Shown = 40;

    double collecting, training;

    /// <summary>Trains a trigger.</summary>
    /// <param name="passages">An endless stream of passages.</param>
    public Fused Run(IEnumerable<Passage> passages)
    {
        var (learned, heldOut, left) = Drawn(passages, out var names);
        Directory.CreateDirectory(options.Folder);
        var last = decoder.Nodes.Max(n => n.Origin.Layer ?? 0);
        int[] layers = options.Layers is { } chosen ? [.. chosen] : [last * 3 / 10, last * 2 / 5, last / 2, last * 3 / 5];
        string Kept(string name) => Path.Combine(options.Folder, name);
        var (tried, layer) = (new List<TriedLayer>(), layers[0]);
        StoredResiduals? search = null;
        TriggerText[] some = layers.Length > 1 ? [.. heldOut.Take(options.SearchPassages / 2), .. learned.Take(options.SearchPassages)] : [];
        try
        {
            if (layers.Length > 1)
            {
                search = Read(Kept(SearchStreams), layers, some, null, some);
                foreach (var candidate in layers)
                {
                    var (_, readings, _) = Train(search, candidate, [.. learned.Take(options.SearchPassages)], [.. heldOut.Take(options.SearchPassages / 2)], names, Kept(SearchCheckpoint($"{candidate}")));
                    var placed = Placed([.. heldOut.Take(options.SearchPassages / 2)], readings, names);
                    var sure = Threshold(placed, Idle(heldOut.Take(options.SearchPassages / 2)));
                    double Share(int count) => (double)count / Math.Max(1, placed.Count(p => p.IsDue));
                    tried.Add(new(candidate, Share(placed.Count(p => p.IsDue && p.IsRight)), Share(placed.Count(p => p.IsDue && p.IsRight && p.Score > sure))));
                    progress?.Report($"layer {candidate}: {tried[^1].Right:0.0%} of what is due");
                }
                layer = tried.MaxBy(t => t.Right).Layer;
            }
            using var all = Read(Kept(AllStreams), [layer], [.. heldOut, .. learned], search, some);
            var (whole, said, parameters) = Train(all, layer, learned, heldOut, names, Kept(TrainingCheckpoint));
            var places = Placed(heldOut, said, names);
            var idle = Idle(heldOut);
            var threshold = Threshold(places, idle);
            var trigger = new FusedTrigger(baseHash, source, layer, last + 1, threshold, names, whole, parameters);
            NearFire[] Nearest(bool isDue) => [.. places.Where(p => p.IsDue == isDue && !p.IsRight && p.Written is not null).OrderByDescending(p => p.Score).Take(Shown).Select(p =>
                new NearFire(tokenizer.Decode(p.Text.Tokens.AsSpan(0, p.At + 1)), names[p.Program - 1], p.Operands, p.Written!, p.Score))];
            FusedFigures Figures(int? only)
            {
                var due = places.Where(p => p.IsDue && (only is null || p.Due == only)).ToArray();
                return new(due.Length, due.Count(p => p.Program == p.Due), due.Count(p => p.HasOperands), due.Count(p => p.IsRight && p.Score > threshold), due.Count(p => p.Written is not null && p.Score > threshold),
                    idle, places.Count(p => !p.IsDue && !p.IsRight && p.Written is not null && p.Score > threshold && (only is null || p.Program == only)));
            }
            return new(trigger, Figures(null), names.Index().ToDictionary(p => p.Item, p => Figures(p.Index + 1), StringComparer.Ordinal), Nearest(false), Nearest(true), tried, left, collecting, training);
        }
        finally
        {
            search?.Dispose();
        }
    }

    /// <summary>Removes what was kept in order to go on from it.</summary>
    public static void Tidy(string folder)
    {
        foreach (var file in (string[])[SearchStreams, AllStreams, TrainingCheckpoint, .. Directory.GetFiles(folder, SearchCheckpoint("*")).Select(Path.GetFileName)!])
            File.Delete(Path.Combine(folder, file));
    }

    const string SearchStreams = "search.residuals", AllStreams = "all.residuals", TrainingCheckpoint = "training.checkpoint";

    static string SearchCheckpoint(string layer) => $"search-{layer}.checkpoint";

    (TriggerText[] Learned, TriggerText[] HeldOut, int Left) Drawn(IEnumerable<Passage> passages, out string[] names)
    {
        progress?.Report("composing passages");
        var (learned, heldOut) = (new List<Passage>(), new List<Passage>());
        foreach (var passage in passages)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (to, most) = passage.IsHeldOut(options.HeldOutOneIn) ? (heldOut, options.HeldOut) : (learned, options.Passages);
            if (to.Count < most)
                to.Add(passage);
            if (learned.Count == options.Passages && heldOut.Count == options.HeldOut)
                break;
        }
        names = [.. learned.SelectMany(p => p.Dues).Select(d => d.Program).Distinct().Order(StringComparer.Ordinal)];
        var (numbers, left) = (names.Index().ToDictionary(p => p.Item, p => p.Index + 1, StringComparer.Ordinal), 0);
        TriggerText[] Texts(List<Passage> all)
        {
            TriggerText?[] texts = [.. all.Select(p => p.Dues.All(d => d.Operands.Count <= Slots && numbers.ContainsKey(d.Program)) ? TriggerText.Of(p, tokenizer, numbers) : null)];
            left += texts.Count(t => t is null);
            return [.. texts.OfType<TriggerText>()];
        }
        return (Texts(learned), Texts(heldOut), left);
    }

    /// <summary>Reads texts with the lower layers, as far as that was not done.</summary>
    StoredResiduals Read(string path, int[] layers, TriggerText[] texts, StoredResiduals? known, TriggerText[] knownTexts)
    {
        var clock = Stopwatch.StartNew();
        progress?.Report("compiling the lower layers");
        using var residuals = new Residuals(decoder, layers, options.Training.Threads, cancellationToken);
        var stored = new StoredResiduals(path, baseHash, layers, residuals.Width, [.. texts.Select(t => t.Tokens)]);
        var (numbers, knownLayers) = (knownTexts.Index().ToDictionary(t => t.Item, t => t.Index, (IEqualityComparer<TriggerText>)ReferenceEqualityComparer.Instance), known is null ? [] : layers.Select(l => known.Layers.ToList().IndexOf(l)).ToArray());
        float[][] Known(TriggerText text) => [.. knownLayers.Select(l =>
        {
            var stream = new float[text.Tokens.Length * residuals.Width];
            known!.Read(numbers[text], l, stream);
            return stream;
        })];
        try
        {
            var (from, tokens, total) = (stored.Count, 0L, texts.Sum(t => (long)t.Tokens.Length));
            TriggerText[] todo = [.. texts.Skip(from)];
            tokens = total - todo.Sum(t => (long)t.Tokens.Length);
            if (known is not null)
                todo = [.. todo.Where(t => !numbers.ContainsKey(t))];
            using var read = residuals.Of([.. todo.Select(t => t.Tokens)], cancellationToken).GetEnumerator();
            for (var i = from; i < texts.Length; i++)
            {
                if (known is not null && numbers.ContainsKey(texts[i]))
                    stored.Append(Known(texts[i]));
                else
                {
                    read.MoveNext();
                    stored.Append(read.Current);
                }
                tokens += texts[i].Tokens.Length;
                if (i % 50 == 0)
                    progress?.Report($"reading passages: {tokens:N0} of {total:N0} tokens");
            }
        }
        catch
        {
            // It may go on in this process.
            stored.Dispose();
            throw;
        }
        collecting += clock.Elapsed.TotalSeconds;
        return stored;
    }

    // The file has those that are held out first.
    (TriggerNetwork Network, TriggerReading[] Readings, IReadOnlyDictionary<string, Tensor> Parameters) Train(StoredResiduals stored, int layer, TriggerText[] learned, TriggerText[] heldOut, string[] names, string checkpoint)
    {
        var clock = Stopwatch.StartNew();
        if (stored.IsNew)
            File.Delete(checkpoint);
        progress?.Report($"compiling the training step for layer {layer}");
        var (others, streams) = (new Streams(stored, stored.Layers.ToList().IndexOf(layer), 0), new Streams(stored, stored.Layers.ToList().IndexOf(layer), heldOut.Length));
        var (center, scale) = TriggerTraining.Statistics(learned, streams, stored.Width);
        var network = new TriggerNetwork(stored.Width, names.Length, Slots, center, scale, options.Training.Seed);
        TriggerReading[] readings = [];
        var parameters = TriggerTraining.Run(network, learned, streams, options.Training, checkpoint, events, tokenizer, number => programs.Named(names[number - 1]), read => readings = [.. read(heldOut, others, Asked)], cancellationToken);
        training += clock.Elapsed.TotalSeconds;
        return (network, readings, parameters);

        IEnumerable<int> Asked(int text, float[][] logits) => Enumerable.Range(0, logits.Length).Where(at => heldOut[text].Dues.Any(d => d.At == at)
            || (IsIdle(heldOut[text], at) && TriggerScores.Score(TriggerScores.LogProbabilityOfAny(logits[at])) > LeastScore));
    }

    // What is less certain can't set the threshold.
    const double LeastScore = -2;

    static bool IsIdle(TriggerText text, int at) => !text.Undecided.Contains(at) && !text.Dues.Any(d => d.At == at);

    /// <summary>A place in a text that is held out, where something is due, or where it is not but the trigger may fire.</summary>
    sealed record Place(TriggerText Text, int At, int Due, int Program, string[] Operands, double Score, string? Written, bool IsRight, bool HasOperands)
    {
        public bool IsDue => Due > 0;
    }

    List<Place> Placed(TriggerText[] texts, TriggerReading[] readings, string[] names)
    {
        var places = new List<Place>();
        foreach (var (text, reading) in texts.Zip(readings))
        {
            foreach (var (at, choice) in reading.Choices)
            {
                var due = Array.Find(text.Dues, d => d.At == at);
                var (program, pointing, result, score) = choice ?? new(0, new([], [], double.NegativeInfinity), default, double.NegativeInfinity);
                // As where it is fused: a program that fails writes nothing.
                var written = program > 0 ? result.Text : null;
                var follows = tokenizer.Decode(text.Tokens.AsSpan(at + 1));
                places.Add(new(text, at, due.Program, program, pointing.Texts, score, written,
                    written is not null && WrittenAnswers.Begins(follows, written), due.Program > 0 && pointing.Spans.SequenceEqual(due.Operands)));
            }
        }
        return places;
    }

    // Half of the passages are hard negatives, in which labels are in doubt, too: were it one in 10,000, questions of a few words would stay
    // unanswered. Where a result is due, what the model would write by itself is wrong far more often than one in 50.
    const int IdleOfFalse = 500, WrittenOfWrong = 50;

    static int Idle(IEnumerable<TriggerText> texts) => texts.Sum(t => Enumerable.Range(0, t.Tokens.Length).Count(at => IsIdle(t, at)));

    /// <summary>The least score from which on something else is written than what follows at no more than one in 500 of the positions where nothing is due, and of what is written where something is due at most one in 50 is wrong.</summary>
    static double Threshold(List<Place> places, int idle)
    {
        var threshold = places.Where(p => !p.IsDue && !p.IsRight && p.Written is not null).Select(p => p.Score).OrderDescending().Skip(idle / IdleOfFalse).FirstOrDefault(0);
        var (written, wrong, found) = (0, 0, double.PositiveInfinity);
        foreach (var place in places.Where(p => p.IsDue && p.Written is not null).OrderByDescending(p => p.Score))
        {
            written++;
            wrong += place.IsRight ? 0 : 1;
            if (wrong <= Math.Max(1, written / WrittenOfWrong))
                found = place.Score - 1e-9;
        }
        return Math.Max(threshold, found is double.PositiveInfinity ? 0 : found);
    }
}
