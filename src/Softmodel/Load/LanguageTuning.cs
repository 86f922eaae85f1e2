using System.Security.Cryptography;
using System.Text;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Emit.Native;
using Softmodel.Export.Safetensors;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Learn;

namespace Softmodel.Load;

/// <summary>A text that a language model is tuned on.</summary>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Answers">The places of the tokens that are learned: those of answers, and what ends them.</param>
/// <param name="Where">Where it stands, for messages.</param>
sealed record TuningText(int[] Tokens, int[] Answers, string Where);

/// <summary>How a language model is tuned.</summary>
sealed record TuningOptions
{
    /// <summary>The rank of the adapters.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>The share of the texts that are held out for validation.</summary>
    public double Validation { get; init; } = 0.1;

    /// <summary>What the split, the order and the adapters are drawn from.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How often each text is seen at most.</summary>
    public int Epochs { get; init; } = 2;

    /// <summary>How many texts a step is taken on.</summary>
    public int BatchSize { get; init; } = 4;

    /// <summary>After how many batches the adapters change, by the mean of their gradients.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>The most bytes that a step may take on a batch of the longest texts; null for no bound.</summary>
    public long? MemoryBudget { get; init; }

    /// <summary>The learning rate.</summary>
    public double Rate { get; init; } = 5e-4;

    /// <summary>How much it counts that the model goes on expecting what it did in texts of its own: the weight of a Kullback-Leibler divergence beside the loss; 0 for not at all.</summary>
    public double Keep { get; init; } = 5;

    /// <summary>How many texts of its own it writes for that; a step is taken on as many as on chats.</summary>
    public int KeptTexts { get; init; } = 64;

    /// <summary>The file of the checkpoint, from which it goes on if it is there; null for none.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>How many threads train; 0 for the processor's cores.</summary>
    public int Threads { get; init; }
}

/// <summary>What tuning came to.</summary>
/// <param name="Outcome">What the training came to.</param>
/// <param name="HeldOut">How many texts were held out.</param>
/// <param name="Adapters">The adapters, by their names.</param>
/// <param name="Before">The perplexity of the answers that were held out, without the adapters.</param>
/// <param name="After">The same, with them.</param>
/// <param name="AgainstBefore">The perplexity of other texts, without the adapters; null where there are none.</param>
/// <param name="AgainstAfter">The same, with them.</param>
/// <param name="Divergence">How far what it expects in texts of its own, none of them trained on, is from what it expected before: in nats; null where nothing is kept.</param>
sealed record Tuned(TrainingOutcome Outcome, int HeldOut, IReadOnlyDictionary<string, Tensor> Adapters, double Before, double After, double? AgainstBefore, double? AgainstAfter, double? Divergence);

/// <summary>A model with adapters as part of its weights.</summary>
/// <param name="Graph">The model.</param>
/// <param name="After">The perplexity of the answers that were held out.</param>
/// <param name="AgainstAfter">That of other texts; null where there are none.</param>
sealed record Merged(Graph Graph, double After, double? AgainstAfter);

/// <summary>Tunes language models by low-rank adapters.</summary>
static class LanguageTuning
{
    const int Patience = 2;

    const double WarmUp = 0.1;

    // Of texts that the model writes: how many tokens they have, and how many are held out.
    const int KeptLength = 48, KeptHeldOut = 8;

    /// <summary>Texts of a file in pieces, of which every token but the first is predicted.</summary>
    public static TuningText[] Pieces(int[] tokens, int length, string where) =>
        [.. tokens.Chunk(length).Where(c => c.Length > 1).Select((c, i) => new TuningText(c, [.. Enumerable.Range(1, c.Length - 1)], $"{where}, piece {i + 1}"))];

    /// <summary>Tunes a model.</summary>
    /// <param name="model">The model: a checkpoint.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="texts">What it is tuned on.</param>
    /// <param name="against">Other texts, on which its perplexity is to stay what it was.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="events">Is told of each step.</param>
    /// <param name="cancellationToken">Stops it, when a checkpoint has been written.</param>
    public static Tuned Run(Model model, Tokenizer tokenizer, TuningText[] texts, TuningText[] against, TuningOptions options, IProgress<string>? progress, Action<TrainingEvent>? events, CancellationToken cancellationToken)
    {
        var (trained, heldOut) = ClassifierTraining.Split([.. texts.Select(_ => 0)], options.Validation, options.Seed);
        progress?.Report("importing");
        var network = new TunedNetworks(model.Imported, options.Rank, options.Seed).OfTokens(options.Keep);
        var kept = options.Keep > 0 ? KeptTexts.Write(model, tokenizer, options.KeptTexts + KeptHeldOut, KeptLength, options.Seed, options.Threads, progress, cancellationToken) : [];
        var (own, ownHeldOut) = (kept.Skip(KeptHeldOut).ToArray(), kept.Take(KeptHeldOut).ToArray());
        progress?.Report("compiling the training step");
        // What is to fit a budget is the longest.
        double Usual<T>(IReadOnlyCollection<T> all, Func<T, int> length) => all.Count == 0 ? 0 : options.MemoryBudget is null ? all.Average(length) : all.Max(length);
        var usual = new Dictionary<string, long>
        {
            [TunedNetworks.Tokens] = (long)((Usual(texts, t => t.Tokens.Length) + Usual(own, t => t.Tokens.Length)) * options.BatchSize),
            [TunedNetworks.TargetCount] = (long)(Usual(texts, t => t.Answers.Length) * options.BatchSize),
            [TunedNetworks.KeptCount] = (long)(Usual(own, t => t.Tokens.Length - t.First) * options.BatchSize),
        };
        var use = new UseCase { Usual = options.Keep > 0 ? usual : usual.Where(u => u.Key != TunedNetworks.KeptCount).ToDictionary() };
        var compile = new CompileOptions { Threads = options.Threads };
        using var trainer = new Trainer(TrainingStep.Of(network, options: new() { Optimiser = Optimiser.AdamW(weightDecay: 0), Accumulate = options.Accumulate, MemoryBudget = options.MemoryBudget }), use, compile, cancellationToken);
        using var current = new CurrentNetwork(network, trainer, use, compile, cancellationToken);
        Batch[] Batched(IEnumerable<TuningText> chosen) => [.. chosen.OrderBy(t => t.Tokens.Length).Chunk(options.BatchSize).Select((b, i) => BatchOf(b, ownHeldOut.Length > 0 ? [ownHeldOut[i % ownHeldOut.Length]] : []))];
        var (validation, other) = (Batched(heldOut.Select(i => texts[i])), Batched(against));
        double? Surprise(Batch[] batches)
        {
            var (sum, count) = (0.0, 0L);
            foreach (var (_, outputs) in current.Run(batches, cancellationToken))
                (sum, count) = (sum + outputs[1].Values<float>().ToArray().Sum(s => (double)s), count + outputs[1].Count);
            return count == 0 ? null : sum / count;
        }
        // A batch has a chat, whose loss doesn't count here.
        double? Divergence() => ownHeldOut.Length == 0 ? null : current.Run([BatchOf([texts[heldOut[0]]], ownHeldOut)], cancellationToken).Average(r => r.Outputs[2].Float(0));
        progress?.Report("measuring the model as it is");
        var (before, otherBefore) = (Surprise(validation)!.Value, Surprise(other));
        int[] lengths = [.. trained.Select(i => texts[i].Tokens.Length)];
        var source = new BatchSource(Identity(texts, kept, options), (epoch, from) => Batches.Of(lengths, options.BatchSize, options.Seed, epoch).Index().Skip((int)from)
            .Select(b => BatchOf([.. b.Item.Select(i => texts[trained[i]])], own.Length == 0 ? [] : [.. Enumerable.Range(0, options.BatchSize).Select(i => own[(b.Index * options.BatchSize + i) % own.Length])])));
        var steps = (long)options.Epochs * ((trained.Length + options.BatchSize - 1) / options.BatchSize);
        var outcome = TrainingLoop.Run(trainer, source, new()
        {
            Steps = steps,
            Rate = options.Rate,
            Schedule = Schedules.Cosine(0.1).WithWarmUp((long)(WarmUp * steps)),
            Validate = _ => Surprise(validation)!.Value + options.Keep * (Divergence() ?? 0),
            Patience = Patience,
            Checkpoint = options.Checkpoint,
            Progress = events,
        }, cancellationToken);
        progress?.Report("measuring the model as it is now");
        return new(outcome, heldOut.Length, trainer.Parameters.ToDictionary(p => p, p => trainer[p], StringComparer.Ordinal),
            Math.Exp(before), Math.Exp(Surprise(validation)!.Value), otherBefore is { } b ? Math.Exp(b) : null, Surprise(other) is { } a ? Math.Exp(a) : null, Divergence());
    }

    /// <summary>Makes the adapters part of the weights, and measures what storing them again costs.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tuned">What was trained.</param>
    /// <param name="texts">What it was tuned on.</param>
    /// <param name="against">Other texts.</param>
    /// <param name="options">How it was tuned.</param>
    /// <param name="format">How weights are stored; null for as they were.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static Merged Merge(Model model, Tuned tuned, TuningText[] texts, TuningText[] against, TuningOptions options, BlockFormat? format, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        progress?.Report("merging");
        var graph = new TunedNetworks(model.Imported, options.Rank, options.Seed).Merged(tuned.Adapters, format);
        progress?.Report("measuring the merged model");
        using var alone = Model.Load(new TunedNetworks(graph, 0, 0).OfTokens());
        using var compiled = alone.Compile(new() { Threads = options.Threads }, null, cancellationToken);
        double? Perplexity(IEnumerable<TuningText> chosen)
        {
            var (sum, count) = (0.0, 0L);
            foreach (var batch in chosen.OrderBy(t => t.Tokens.Length).Chunk(options.BatchSize))
            {
                cancellationToken.ThrowIfCancellationRequested();
                var surprise = compiled.Run(BatchOf(batch, []).Inputs)[1];
                (sum, count) = (sum + surprise.Values<float>().ToArray().Sum(s => (double)s), count + surprise.Count);
            }
            return count == 0 ? null : Math.Exp(sum / count);
        }
        var heldOut = ClassifierTraining.Split([.. texts.Select(_ => 0)], options.Validation, options.Seed).HeldOut;
        return new(graph, Perplexity(heldOut.Select(i => texts[i]))!.Value, Perplexity(against));
    }

    /// <summary>Builds a native library of the model with its adapters, and beside it what <see cref="LanguageModel.Open"/> needs, and the adapters alone.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tuned">What was trained.</param>
    /// <param name="merged">The model with the adapters as part of its weights; null for adapters beside them.</param>
    /// <param name="rank">The rank of the adapters.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static async Task<NativeResult> BuildAsync(Model model, Tuned tuned, Merged? merged, int rank, string folder, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        using var shipped = Model.Load(merged?.Graph ?? new TunedNetworks(model.Imported, rank, 0).Shipped(tuned.Adapters), name, new(), model.Licence);
        var metadata = new Dictionary<string, string> { ["base"] = model.Name, ["rank"] = $"{rank}" };
        return await shipped.BuildAsync(folder, null, native => LanguageModelLoading.WithText(native, model) is var with
            ? with with { Beside = [.. with.Beside, ("adapters.safetensors", stream => SafetensorsWriter.Write(stream, tuned.Adapters, metadata))] } : native, progress, cancellationToken).ConfigureAwait(false);
    }

    internal static Batch BatchOf(TuningText[] texts, KeptText[] kept)
    {
        // What comes after the last token of a text isn't asked.
        int[][] all = [.. texts.Select(t => t.Tokens), .. kept.Select(t => t.Tokens[..^1])];
        var starts = all.Select((_, i) => all.Take(i).Sum(t => t.Length)).ToArray();
        Tensor Each(Func<int[], int, int, long> value) => Tensor.Vector<long>([.. all.Index().SelectMany(t => t.Item.Select((_, p) => value(t.Item, t.Index, p)))]);
        Tensor Answers(Func<TuningText, int, int, long> value) => Tensor.Vector<long>([.. texts.Index().SelectMany(t => t.Item.Answers.Select(a => value(t.Item, starts[t.Index], a)))]);
        Tensor[] inputs =
        [
            Each((t, _, p) => t[p]), Each((_, _, p) => p), Each((_, i, _) => i), Each((_, i, _) => 1L << i),
            // A token is predicted from the one before it.
            Answers((_, start, a) => start + a - 1), Answers((t, _, a) => t.Tokens[a]),
        ];
        if (kept.Length > 0)
        {
            long[] places = [.. kept.Index().SelectMany(t => Enumerable.Range(t.Item.First, t.Item.Tokens.Length - t.Item.First).Select(p => (long)starts[texts.Length + t.Index] + p - 1))];
            long[] dims = [places.Length, KeptTexts.CandidateCount];
            inputs = [.. inputs, Tensor.Vector<long>(places), Tensor.Of<long>([.. kept.SelectMany(t => t.Candidates)], dims), Tensor.Of<float>([.. kept.SelectMany(t => t.Probabilities)], dims)];
        }
        return new(inputs, [.. texts.Select(t => t.Where)]);
    }

    static string Identity(TuningText[] texts, KeptText[] kept, TuningOptions options)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{options.BatchSize} {options.Seed} {options.Validation:R} {options.Keep:R}\n"));
        foreach (var text in texts)
            hash.AppendData(Encoding.UTF8.GetBytes($"{string.Join(' ', text.Tokens)} {string.Join(' ', text.Answers)}\n"));
        foreach (var text in kept)
            hash.AppendData(Encoding.UTF8.GetBytes($"{string.Join(' ', text.Tokens)} {text.First}\n"));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
