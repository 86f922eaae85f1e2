using System.Security.Cryptography;
using System.Text;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Emit.Native;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Load;
using Softmodel.Runtime;
using Softmodel.Sources;

// Beside the type that it extends: whoever uses that finds it.
namespace Softmodel.Language;

/// <summary>An example of what a text is.</summary>
/// <param name="Text">The text.</param>
/// <param name="Label">Its class.</param>
/// <param name="Where">Where it stands, for messages: <c>reviews.csv:17</c>.</param>
public sealed record LabelledText(string Text, string Label, string Where);

/// <summary>What of a classifier is trained.</summary>
public enum Tuning
{
    /// <summary>Its head, on embeddings that stay as they are.</summary>
    Head,
    /// <summary>Its head, and low-rank adapters on the encoder's matrices.</summary>
    LowRank,
    /// <summary>All weights.</summary>
    All,
}

/// <summary>How a classifier is trained.</summary>
public sealed record ClassifierOptions
{
    /// <summary>What is trained.</summary>
    public Tuning Tuning { get; init; }

    /// <summary>The rank of adapters.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>How many neurons the hidden layer of the head has; 0 for none, which is logistic regression.</summary>
    public int Hidden { get; init; }

    /// <summary>The classes; null for those of the examples.</summary>
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>The share of the examples of each class that are held out for validation; at least one is.</summary>
    public double Validation { get; init; } = 0.2;

    /// <summary>What the split, the order and weights are drawn from.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How often each example is seen at most; 0 for what suits <see cref="Tuning"/>.</summary>
    public int Epochs { get; init; }

    /// <summary>How many examples a step is taken on.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>After how many batches weights change, by the mean of their gradients.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>
    /// The most bytes of memory that a step may take on a batch of the longest texts, weights and moments included; null for no bound.
    /// What it can't keep it computes again, which takes time.
    /// </summary>
    public long? MemoryBudget { get; init; }

    /// <summary>The learning rate; 0 for what suits <see cref="Tuning"/>.</summary>
    public double Rate { get; init; }

    /// <summary>The maximum number of tokens of a text; 0 for as many as the encoder has positions. Longer ones are truncated.</summary>
    public int MaxTokens { get; init; }

    /// <summary>The file of the checkpoint, from which it goes on if it is there; null for none.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>How many threads train; 0 for the processor's cores. What is learned does not depend on it.</summary>
    public int Threads { get; init; }
}

/// <summary>How well a class is found in texts that were not trained on.</summary>
/// <param name="Label">The class.</param>
/// <param name="Count">How many texts are of it.</param>
/// <param name="Precision">The share of texts that it is found in that are of it; 0 where it is found in none.</param>
/// <param name="Recall">The share of its texts that it is found in.</param>
public sealed record ClassScore(string Label, int Count, double Precision, double Recall)
{
    /// <summary>The harmonic mean of precision and recall.</summary>
    public double F1 => Precision + Recall == 0 ? 0 : 2 * Precision * Recall / (Precision + Recall);
}

/// <summary>A class that was taken for another.</summary>
/// <param name="Label">What a text is.</param>
/// <param name="Found">What it was taken for.</param>
/// <param name="Count">How often.</param>
public sealed record Confusion(string Label, string Found, int Count);

/// <summary>How well classes are found.</summary>
/// <param name="Accuracy">The share of texts whose class was found.</param>
/// <param name="Classes">Each class.</param>
/// <param name="Confusions">What was taken for what, the most frequent first.</param>
public sealed record ClassifierScore(double Accuracy, IReadOnlyList<ClassScore> Classes, IReadOnlyList<Confusion> Confusions)
{
    /// <summary>The score of what was found.</summary>
    /// <param name="classes">The classes.</param>
    /// <param name="pairs">The class of each text, and the one that was found.</param>
    public static ClassifierScore Of(IReadOnlyList<string> classes, IReadOnlyList<(string Label, string Found)> pairs) => new(
        pairs.Count == 0 ? 0 : (double)pairs.Count(p => p.Label == p.Found) / pairs.Count,
        [.. classes.Select(c =>
        {
            var (are, found, both) = (pairs.Count(p => p.Label == c), pairs.Count(p => p.Found == c), pairs.Count(p => p.Label == c && p.Found == c));
            return new ClassScore(c, are, found == 0 ? 0 : (double)both / found, are == 0 ? 0 : (double)both / are);
        })],
        [.. pairs.Where(p => p.Label != p.Found).CountBy(p => p).Select(p => new Confusion(p.Key.Label, p.Key.Found, p.Value)).OrderByDescending(c => c.Count).ThenBy(c => c.Label, StringComparer.Ordinal).ThenBy(c => c.Found, StringComparer.Ordinal)]);
}

/// <summary>A classifier that has been trained, and can be built.</summary>
public sealed class TrainedClassifier : IDisposable
{
    readonly Model encoder;
    readonly Func<Graph> shipped;
    readonly IReadOnlyDictionary<string, long> usual;
    readonly int maxTokens;

    /// <param name="encoder">What it is trained on, which is taken over.</param>
    /// <param name="shipped">The graph of what ships.</param>
    /// <param name="usual">Its usual sizes.</param>
    /// <param name="maxTokens">The maximum number of tokens of a text.</param>
    internal TrainedClassifier(Model encoder, Func<Graph> shipped, IReadOnlyDictionary<string, long> usual, int maxTokens) =>
        (this.encoder, this.shipped, this.usual, this.maxTokens) = (encoder, shipped, usual, maxTokens);

    /// <summary>The classes.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>How well they are found in the texts that were held out.</summary>
    public required ClassifierScore Score { get; init; }

    /// <summary>What the training came to.</summary>
    public required TrainingOutcome Outcome { get; init; }

    /// <summary>The texts that were held out.</summary>
    public required IReadOnlyList<LabelledText> HeldOut { get; init; }

    /// <summary>How many numbers were trained.</summary>
    public required long TrainedParameters { get; init; }

    /// <summary>Builds a native library that gives the probability of each class, of tokens, and beside it what <see cref="TextClassifier.Open"/> needs.</summary>
    /// <param name="folder">The folder; files of an earlier build are replaced when all is done, and not before.</param>
    /// <param name="build">How; by default for this machine, with the weights beside the library.</param>
    /// <param name="use">What is known of its use.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops the build, and leaves nothing of it.</param>
    /// <exception cref="SoftmodelException">A tool is missing, or the folder can't be written to.</exception>
    public async Task<NativeResult> BuildAsync(string folder, NativeOptions? build = null, UseCase? use = null, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        use ??= new();
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        using var model = Model.Load(shipped(), name, use with { Usual = use.Usual.Count > 0 ? use.Usual : usual }, encoder.Licence);
        return await model.BuildAsync(folder, build, native =>
        {
            var vocabulary = encoder.Vocabulary ?? TextFiles.TokenizerOf(encoder.Path);
            var (file, files) = TextFiles.TokenizerToShip(vocabulary);
            var text = new BuiltText(file, maxTokens, Labels: Labels);
            return native with { Beside = [.. native.Beside, ($"{native.Prefix}.tokens", Tokenizer.Open(vocabulary).WriteTable), (BuiltText.FileName, text.Write), .. files] };
        }, progress, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Frees the encoder.</summary>
    public void Dispose() => encoder.Dispose();
}

/// <summary>Trains classifiers of texts.</summary>
public static class ClassifierTraining
{
    // A head sees an example in microseconds.
    const int HeadEpochs = 150, HeadPatience = 30, FirstHeadEpochs = 12, TunedEpochs = 10, TunedPatience = 3;

    const double HeadRate = 3e-3, AdapterRate = 1e-3, WholeRate = 5e-5, WeightDecay = 0.05, WarmUp = 0.1;

    const int EmbeddedAtOnce = 32;

    /// <summary>A text as it is trained on.</summary>
    sealed record Example(int[] Tokens, int Label, LabelledText Source);

    extension(TextClassifier)
    {
        /// <summary>Trains a classifier.</summary>
        /// <param name="encoder">A model of sentence embeddings: a name of the catalogue, a source, or a file.</param>
        /// <param name="examples">Texts with their classes.</param>
        /// <param name="options">How.</param>
        /// <param name="progress">Is told what is being done; may be called from any thread.</param>
        /// <param name="events">Is told of each step; called from the thread that trains.</param>
        /// <param name="cancellationToken">Stops it, when a checkpoint has been written.</param>
        /// <exception cref="SoftmodelException">
        /// A text is empty or its class is none of those given, a class has fewer than two texts, the encoder can't be found or trained, or the training
        /// failed: see <see cref="TrainingLoop.Run"/>.
        /// </exception>
        public static async Task<TrainedClassifier> TrainAsync(string encoder, IReadOnlyList<LabelledText> examples, ClassifierOptions? options = null, IProgress<string>? progress = null, Action<TrainingEvent>? events = null, CancellationToken cancellationToken = default)
        {
            options ??= new();
            var labels = LabelsOf(examples, options);
            var resolved = await Source.Resolve(encoder, Fetching.To(progress), cancellationToken).ConfigureAwait(false);
            var model = await Model.Of(resolved, encoder, null, cancellationToken).ConfigureAwait(false);
            try
            {
                return await Task.Run(() => Train(model, encoder, labels, examples, options, progress, events, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                model.Dispose();
                throw;
            }
        }
    }

    /// <summary>The classes, in the order in which they are given or first stand.</summary>
    /// <exception cref="SoftmodelException">An example can't be used, or a class has too few.</exception>
    internal static IReadOnlyList<string> LabelsOf(IReadOnlyList<LabelledText> examples, ClassifierOptions options)
    {
        if (options.Validation is not (> 0 and < 1))
            throw new SoftmodelException($"the share that is held out for validation is {options.Validation}; it lies between 0 and 1");
        if (examples.Count == 0)
            throw new SoftmodelException("there are no examples to train on");
        Check(examples, options.Classes);
        string[] labels = [.. (options.Classes ?? [.. examples.Select(e => e.Label)]).Distinct()];
        if (labels.Length < 2)
            throw new SoftmodelException($"all examples are of the class '{labels[0]}'; a classifier needs two or more");
        foreach (var label in labels)
        {
            if (examples.Where(e => e.Label == label).Take(2).ToArray() is { Length: < 2 } few)
                throw new SoftmodelException(few.Length == 0 ? $"the class '{label}' has no example; give it some, or leave it out"
                    : $"the class '{label}' has only one example ({few[0].Where}), which can't be both trained on and validated with; give it more, or leave it out");
        }
        return labels;
    }

    /// <summary>Tells of what no example can be.</summary>
    /// <exception cref="SoftmodelException">A text or a label is empty, or a label is none of the classes.</exception>
    internal static void Check(IReadOnlyList<LabelledText> examples, IReadOnlyList<string>? classes)
    {
        foreach (var example in examples)
        {
            if (string.IsNullOrWhiteSpace(example.Text))
                throw new SoftmodelException($"{example.Where}: the text is empty; write it, or leave the example out");
            if (string.IsNullOrWhiteSpace(example.Label))
                throw new SoftmodelException($"{example.Where}: the label is empty; write it, or leave the example out");
            if (classes is { } known && !known.Contains(example.Label))
                throw new SoftmodelException($"{example.Where}: the label '{example.Label}' is none of the classes, which are {string.Join(", ", known)}{(Nearest.Of(example.Label, known) is { } near ? $"; did you mean '{near}'?" : "")}");
        }
    }

    /// <summary>The examples that are trained on and those that are held out: of each class the same share.</summary>
    internal static (int[] Trained, int[] HeldOut) Split(IReadOnlyList<int> labels, double share, ulong seed)
    {
        var keys = new float[labels.Count];
        // A stream that no epoch has.
        Philox.Uniform(seed, ulong.MaxValue, 0, keys);
        var held = labels.Index().GroupBy(l => l.Item).SelectMany(c => c.OrderBy(l => keys[l.Index]).Take(Math.Clamp((int)Math.Round(share * c.Count()), 1, c.Count() - 1))).Select(l => l.Index).ToHashSet();
        return ([.. Enumerable.Range(0, labels.Count).Where(i => !held.Contains(i))], [.. held.Order()]);
    }

    static TrainedClassifier Train(Model model, string name, IReadOnlyList<string> labels, IReadOnlyList<LabelledText> examples, ClassifierOptions options, IProgress<string>? progress, Action<TrainingEvent>? events, CancellationToken cancellationToken)
    {
        progress?.Report("importing");
        var encoder = model.Imported;
        if (!Encoder.Is(encoder.ArgumentInfos, encoder.ResultInfos))
            throw new SoftmodelException($"{name} is no encoder of texts: it takes {string.Join(", ", encoder.Inputs.Select(v => v.Name))} and gives {string.Join(", ", encoder.OutputNames)}; one takes tokens and gives an embedding of each");
        if (encoder.Inputs[0].Shape.Dims.Any(d => d.IsKnown))
            throw new SoftmodelException($"{name} takes batches of a fixed size ({encoder.Inputs[0]}); export it with dynamic axes");
        var networks = new ClassifierNetworks(encoder, EmbeddingModelLoading.Said(Directory.Exists(model.Path) ? model.Path : Path.GetDirectoryName(model.Path)!), labels.Count, options.Hidden, options.Seed);
        if (!networks.IsTable && options.Tuning != Tuning.Head)
            throw new SoftmodelException($"{name} takes texts packed one after the other, of which only a head can be trained; tune an ONNX export that takes {ExportInputs.Ids}, such as minilm");
        var tokenizer = Tokenizer.Open(model.Vocabulary ?? TextFiles.TokenizerOf(model.Path));
        var most = TextFiles.SettingsOf(model.Path)?.Integer("max_position_embeddings", EmbeddingModelLoading.DefaultMost) ?? EmbeddingModelLoading.DefaultMost;
        most = options.MaxTokens > 0 ? Math.Min(options.MaxTokens, most) : most;
        var numbers = labels.Index().ToDictionary(l => l.Item, l => l.Index, StringComparer.Ordinal);
        Example[] all = [.. examples.Select(e => new Example(TextInputs.TokensOf(tokenizer, e.Text, most), numbers[e.Label], e))];
        var (trained, heldOut) = Split([.. all.Select(e => e.Label)], options.Validation, options.Seed);
        var (train, held) = (trained.Select(i => all[i]).ToArray(), heldOut.Select(i => all[i]).ToArray());
        var compile = new CompileOptions { Threads = options.Threads };

        var embeddings = Embed(networks, all, compile, progress, cancellationToken);
        var isHead = options.Tuning == Tuning.Head;
        Batch OfEmbeddings(Example[] chosen) => new([Tensor.Of<float>([.. chosen.SelectMany(e => embeddings[e])], chosen.Length, networks.Width), LabelsOf(chosen)], [.. chosen.Select(e => e.Source.Where)]);
        progress?.Report("training the head");
        var head = new Stage(networks.OfEmbeddings(), OfEmbeddings, new UseCase { Usual = new Dictionary<string, long> { ["texts"] = options.BatchSize } });
        var (result, parameters, score) = Run(head, train, held, labels, options with
        {
            Checkpoint = isHead ? options.Checkpoint : null,
            // A head that is sure of all it has seen leaves nothing to learn to what is tuned with it.
            Epochs = !isHead ? FirstHeadEpochs : options.Epochs > 0 ? options.Epochs : HeadEpochs,
            Rate = isHead && options.Rate > 0 ? options.Rate : HeadRate,
        }, HeadPatience, null, isHead ? events : null, compile, cancellationToken);
        var rank = options.Tuning == Tuning.LowRank ? options.Rank : 0;
        if (!isHead)
        {
            progress?.Report("compiling the training step");
            Batch OfTokens(Example[] chosen) => new([.. Tokens(networks, chosen), LabelsOf(chosen)], [.. chosen.Select(e => e.Source.Where)]);
            var whole = new Stage(networks.OfTokens(rank), OfTokens, new UseCase { Usual = networks.Usual(options.BatchSize, (long)Math.Ceiling(options.MemoryBudget is null ? all.Average(e => e.Tokens.Length) : all.Max(e => e.Tokens.Length))) });
            (result, parameters, score) = Run(whole, train, held, labels, options with
            {
                Epochs = options.Epochs > 0 ? options.Epochs : TunedEpochs,
                Rate = options.Rate > 0 ? options.Rate : rank > 0 ? AdapterRate : WholeRate,
            }, TunedPatience, parameters, events, compile, cancellationToken);
        }
        var usual = networks.Usual(1, (long)Math.Ceiling(all.Average(e => e.Tokens.Length)));
        return new(model, () => networks.Shipped(parameters, rank), usual, most)
        {
            Labels = labels,
            Score = score,
            Outcome = result,
            HeldOut = [.. held.Select(e => e.Source)],
            TrainedParameters = parameters.Values.Sum(p => p.Count),
        };
    }

    /// <summary>What is trained at once.</summary>
    /// <param name="Network">Its first output is the loss, its second the logits.</param>
    /// <param name="Batch">What it is given.</param>
    /// <param name="Use">Usual sizes.</param>
    sealed record Stage(Graph Network, Func<Example[], Batch> Batch, UseCase Use);

    static (TrainingOutcome Outcome, IReadOnlyDictionary<string, Tensor> Parameters, ClassifierScore Score) Run(Stage stage, Example[] train, Example[] held, IReadOnlyList<string> labels, ClassifierOptions options,
        int patience, IReadOnlyDictionary<string, Tensor>? initial, Action<TrainingEvent>? events, CompileOptions compile, CancellationToken cancellationToken)
    {
        var step = TrainingStep.Of(stage.Network, options: new() { Optimiser = Optimiser.AdamW(weightDecay: WeightDecay), Accumulate = options.Accumulate, MemoryBudget = options.MemoryBudget });
        using var trainer = new Trainer(step, stage.Use, compile, cancellationToken);
        foreach (var (name, tensor) in initial ?? new Dictionary<string, Tensor>())
            trainer[name] = tensor;
        using var current = new CurrentNetwork(stage.Network, trainer, stage.Use, compile, cancellationToken);
        Batch[] validation = [.. held.OrderBy(e => e.Tokens.Length).Chunk(EmbeddedAtOnce).Select(stage.Batch)];
        int[] lengths = [.. train.Select(e => e.Tokens.Length)];
        var source = new BatchSource(Identity(train, held, options), (epoch, from) => Batches.Of(lengths, options.BatchSize, options.Seed, epoch).Skip((int)from).Select(b => stage.Batch([.. b.Select(i => train[i])])));
        var steps = (long)options.Epochs * ((train.Length + options.BatchSize - 1) / options.BatchSize);
        var outcome = TrainingLoop.Run(trainer, source, new()
        {
            Steps = steps,
            Rate = options.Rate,
            Schedule = Schedules.Cosine(0.05).WithWarmUp((long)(WarmUp * steps)),
            Validate = c => current.MeanLoss(validation, c),
            Patience = patience,
            Checkpoint = options.Checkpoint,
            Progress = events,
        }, cancellationToken);
        var pairs = current.Run(validation, cancellationToken).SelectMany(r => Found(r.Outputs[1]).Zip(r.Batch.Inputs[^1].Values<long>().ToArray(), (found, label) => (labels[(int)label], labels[found]))).ToList();
        return (outcome, trainer.Parameters.ToDictionary(p => p, p => trainer[p], StringComparer.Ordinal), ClassifierScore.Of(labels, pairs));
    }

    static IEnumerable<int> Found(Tensor logits) => logits.Values<float>().ToArray().Chunk((int)logits.Dims[1]).Select(row => Array.IndexOf(row, row.Max()));

    static Tensor LabelsOf(Example[] chosen) => Tensor.Vector<long>([.. chosen.Select(e => (long)e.Label)]);

    static Tensor[] Tokens(ClassifierNetworks networks, Example[] chosen)
    {
        var (ids, mask) = Batches.Padded([.. chosen.Select(e => e.Tokens)]);
        return [.. networks.InputNames.Select(name => name switch
        {
            ExportInputs.Ids => ids,
            ExportInputs.Mask => mask,
            ExportInputs.Places => Tensor.Of<long>([.. Enumerable.Range(0, (int)ids.Count).Select(i => i % ids.Dims[1])], ids.Dims),
            _ => Tensor.Of<long>(new long[ids.Count], ids.Dims),
        })];
    }

    static Dictionary<Example, float[]> Embed(ClassifierNetworks networks, Example[] all, CompileOptions compile, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        progress?.Report("compiling the encoder");
        using var model = Model.Load(networks.Embeddings(), "embeddings", new() { Usual = networks.Usual(EmbeddedAtOnce, (long)Math.Ceiling(all.Average(e => e.Tokens.Length))) });
        using var compiled = model.Compile(compile, null, cancellationToken);
        var embeddings = new Dictionary<Example, float[]>(ReferenceEqualityComparer.Instance);
        foreach (var chosen in all.OrderBy(e => e.Tokens.Length).Chunk(networks.IsTable ? EmbeddedAtOnce : 1))
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress?.Report($"embedding texts: {embeddings.Count} of {all.Length}");
            Tensor[] inputs = networks.IsTable ? Tokens(networks, chosen)
                : [.. networks.InputNames.Select(name => Tensor.Vector<long>([.. chosen[0].Tokens.Select((token, p) => TextInputs.ValueOf(name, token, 0, p))]))];
            foreach (var (example, row) in chosen.Zip(compiled.Run((IReadOnlyList<Tensor>)inputs)[0].Values<float>().ToArray().Chunk((int)networks.Width)))
                embeddings[example] = row;
        }
        return embeddings;
    }

    /// <summary>A hash of all that decides what batches there are.</summary>
    static string Identity(Example[] train, Example[] held, ClassifierOptions options)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{options.BatchSize} {options.Seed} {train.Length} {held.Length}\n"));
        foreach (var example in train.Concat(held))
            hash.AppendData(Encoding.UTF8.GetBytes($"{example.Label} {string.Join(' ', example.Tokens)}\n"));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
