using Softmodel.Compile;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Learn;
using Softmodel.Runtime.Fusion;

namespace Softmodel.Fusion;

/// <summary>How a trigger is trained.</summary>
sealed record TriggerOptions
{
    /// <summary>How often each text is seen.</summary>
    public int Epochs { get; init; } = 6;

    /// <summary>How many tokens a step is taken on, about.</summary>
    public int BatchTokens { get; init; } = 1024;

    /// <summary>The learning rate.</summary>
    public double Rate { get; init; } = 1e-3;

    /// <summary>How much of them parameters lose in a step, in parts of the rate.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Which share of the stream's channels is, at each position, what it is on average: what is learned does not hang on a few.</summary>
    public double Dropout { get; init; } = 0.2;

    /// <summary>What the order and the parameters are drawn from.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How many threads train.</summary>
    public int Threads { get; init; }
}

/// <summary>What the trigger says of a text.</summary>
/// <param name="Programs">For each position the logits of none, and of each program.</param>
/// <param name="Choices">For each position that was asked about, what would be written there; null where there is no result.</param>
readonly record struct TriggerReading(float[][] Programs, IReadOnlyDictionary<int, TriggerChoice?> Choices);

/// <summary>Trains triggers.</summary>
static class TriggerTraining
{
    // So many texts have the means and deviations of all.
    const int MostOfStatistics = 2000;

    /// <summary>Means of channels, and one over their deviations.</summary>
    public static (Tensor Center, Tensor Scale) Statistics(IReadOnlyList<TriggerText> texts, Streams streams, int width)
    {
        var (sum, squares, count) = (new double[width], new double[width], 0L);
        for (var text = 0; text < Math.Min(MostOfStatistics, texts.Count); text++)
        {
            var residual = new float[texts[text].Tokens.Length * width];
            streams.Read(text, residual);
            // The first token's are unlike all others.
            for (var i = width; i < residual.Length; i++)
            {
                sum[i % width] += residual[i];
                squares[i % width] += (double)residual[i] * residual[i];
            }
            count += residual.Length / width - 1;
        }
        var center = sum.Select(s => s / count).ToArray();
        return (Tensor.Vector<float>([.. center.Select(c => (float)c)]), Tensor.Vector<float>([.. squares.Select((s, i) => (float)(1 / Math.Sqrt(s / count - center[i] * center[i] + 1e-6)))]));
    }

    /// <summary>A batch of texts.</summary>
    /// <param name="texts">All texts.</param>
    /// <param name="streams">The residual stream of each.</param>
    /// <param name="chosen">The numbers of those of the batch.</param>
    /// <param name="network">The trigger.</param>
    /// <param name="asked">Where operands are asked for: the number in the batch, and the position; null where something is due.</param>
    /// <param name="dropout">Which share of the stream's channels is, at each position, what it is on average.</param>
    /// <param name="seed">What those are drawn from.</param>
    public static Batch BatchOf(IReadOnlyList<TriggerText> texts, Streams streams, ReadOnlySpan<int> chosen, TriggerNetwork network, IReadOnlyList<(int Text, int At)>? asked = null, double dropout = 0, ulong seed = 0)
    {
        var (width, most) = (network.Width, 0);
        foreach (var i in chosen)
            most = Math.Max(most, texts[i].Tokens.Length);
        var stream = new float[chosen.Length * most * width];
        var (programs, counts) = (new long[chosen.Length * most], new float[chosen.Length * most]);
        var (ofText, ofPosition, ends, hasEnds) = (new List<long>(), new List<long>(), new List<long>(), new List<float>());
        var (leads, hasLeads) = (new List<long>(), new List<float>());
        void Ask(int text, int at, TriggerDue? due)
        {
            ofText.Add(text);
            ofPosition.Add(at);
            leads.Add(due is { HasSpace: true } ? 1 : 0);
            hasLeads.Add(due is null ? 0 : 1);
            for (var slot = 0; slot < network.Slots; slot++)
            {
                // What is not there is where the result is due.
                var (first, end) = due is { } known && slot < known.Operands.Length ? (known.Operands[slot].First, known.Operands[slot].Last + 1) : (at, at);
                ends.AddRange([first, end]);
                // Behind the first that is not there nothing is read.
                var counts = due is { } one && slot <= one.Operands.Length ? 1 : 0;
                hasEnds.AddRange([counts, counts]);
            }
        }
        for (var i = 0; i < chosen.Length; i++)
        {
            var text = texts[chosen[i]];
            streams.Read(chosen[i], stream.AsSpan(i * most * width, text.Tokens.Length * width));
            if (dropout > 0)
                Drop(stream.AsSpan(i * most * width, text.Tokens.Length * width), network.Center.Values<float>(), dropout, new Random((int)(seed + (ulong)i)));
            counts.AsSpan(i * most, text.Tokens.Length).Fill(TriggerNetwork.WeightOfNone);
            foreach (var at in text.Undecided)
                counts[i * most + at] = 0;
            foreach (var due in text.Dues)
            {
                (programs[i * most + due.At], counts[i * most + due.At]) = (due.Program, 1);
                if (asked is null)
                    Ask(i, due.At, due);
            }
        }
        foreach (var (text, at) in asked ?? [])
            Ask(text, at, null);
        if (ofText.Count == 0)
            Ask(0, 0, null);
        List<string> names = [];
        foreach (var i in chosen)
            names.Add(texts[i].Passage.Text);
        return new(
            [
                Tensor.Of<float>(stream, chosen.Length, most, width), Tensor.Vector<long>([.. ofText]), Tensor.Vector<long>([.. ofPosition]), Tensor.Of<long>(programs, chosen.Length, most), Tensor.Of<float>(counts, chosen.Length, most),
                Tensor.Of<long>([.. ends], ofText.Count, 2 * network.Slots), Tensor.Of<float>([.. hasEnds], ofText.Count, 2 * network.Slots),
                Tensor.Vector<long>([.. leads]), Tensor.Vector<float>([.. hasLeads]),
            ], names);
    }

    static ulong HashCode(ulong seed, long epoch, long batch) => (seed * 1_000_003 + (ulong)epoch) * 1_000_003 + (ulong)batch;

    static void Drop(Span<float> stream, ReadOnlySpan<float> center, double share, Random random)
    {
        var (drawn, least) = (new byte[stream.Length], (byte)Math.Round(share * 256));
        random.NextBytes(drawn);
        for (var i = 0; i < stream.Length; i++)
        {
            if (drawn[i] < least)
                stream[i] = center[i % center.Length];
        }
    }

    /// <summary>Trains a trigger.</summary>
    /// <param name="network">The trigger.</param>
    /// <param name="texts">What it learns from.</param>
    /// <param name="streams">The residual stream of each.</param>
    /// <param name="options">How.</param>
    /// <param name="checkpoint">The file of its checkpoint, from which it goes on.</param>
    /// <param name="events">Is told of each step.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="programOf">The program of a number, from 1 on.</param>
    /// <param name="read">Is given a function that reads other texts when it is trained: their streams, and where in each operands are asked for, by the logits of its positions.</param>
    /// <param name="cancellationToken">Stops it, when a checkpoint has been written.</param>
    public static IReadOnlyDictionary<string, Tensor> Run(TriggerNetwork network, IReadOnlyList<TriggerText> texts, Streams streams, TriggerOptions options, string? checkpoint, Action<TrainingEvent>? events, Tokenizer tokenizer, Func<int, FusedProgram> programOf,
        Action<Func<IReadOnlyList<TriggerText>, Streams, Func<int, float[][], IEnumerable<int>>, IEnumerable<TriggerReading>>>? read, CancellationToken cancellationToken)
    {
        int[] lengths = [.. texts.Select(t => t.Tokens.Length)];
        var size = (int)Math.Max(1, options.BatchTokens / lengths.Average());
        var use = new UseCase { Usual = new Dictionary<string, long> { ["texts"] = size, ["positions"] = (long)lengths.Average(), ["due"] = size } };
        var compile = new CompileOptions { Threads = options.Threads };
        using var trainer = new Trainer(TrainingStep.Of(network.Training(), options: new() { Optimiser = Optimiser.AdamW(beta2: 0.99, weightDecay: options.WeightDecay) }), use, compile, cancellationToken);
        var source = new BatchSource($"{streams.Stored.Identity} {streams.Layer} {texts.Count} {options.Seed} {options.BatchTokens}", (epoch, from) => Batches.Of(lengths, size, options.Seed, epoch).Skip((int)from)
            .Select((b, i) => BatchOf(texts, streams, b, network, dropout: options.Dropout, seed: HashCode(options.Seed, epoch, from + i))));
        var steps = (long)options.Epochs * ((texts.Count + size - 1) / size);
        TrainingLoop.Run(trainer, source, new() { Steps = steps, Rate = options.Rate, Schedule = Schedules.Cosine(0.02).WithWarmUp(steps / 20), Progress = events, Checkpoint = checkpoint }, cancellationToken);
        using var current = new CurrentNetwork(network.Reading(), trainer, use, compile, cancellationToken);
        read?.Invoke((others, their, asked) => Read(current, network, others, their, asked, size, tokenizer, programOf, cancellationToken));
        return trainer.Parameters.ToDictionary(p => p, p => trainer[p], StringComparer.Ordinal);
    }

    static IEnumerable<TriggerReading> Read(CurrentNetwork current, TriggerNetwork network, IReadOnlyList<TriggerText> texts, Streams streams, Func<int, float[][], IEnumerable<int>> asked, int size, Tokenizer tokenizer, Func<int, FusedProgram> programOf, CancellationToken cancellationToken)
    {
        for (var from = 0; from < texts.Count; from += size)
        {
            int[] chosen = [.. Enumerable.Range(from, Math.Min(size, texts.Count - from))];
            IReadOnlyList<Tensor> Run((int Text, int At)[] places) => current.Run([BatchOf(texts, streams, chosen, network, places)], cancellationToken).Single().Outputs;
            var programs = Run([])[0];
            var (most, count) = ((int)programs.Dims[1], network.ProgramCount + 1);
            float[][][] logits = [.. chosen.Select((c, i) => Enumerable.Range(0, texts[c].Tokens.Length).Select(p => programs.Values<float>().Slice((i * most + p) * count, count).ToArray()).ToArray())];
            (int Text, int At)[] places = [.. chosen.SelectMany((c, i) => asked(c, logits[i]).Select(at => (i, at)))];
            var choices = chosen.Select(_ => new Dictionary<int, TriggerChoice?>()).ToArray();
            if (places.Length > 0)
            {
                var pointers = Run(places)[1];
                foreach (var (number, (text, at)) in places.Index())
                    choices[text][at] = TriggerScores.ChoiceOf(logits[text][at], programOf, TriggerReader.PointersOf(pointers, number, network.Slots, at, texts[chosen[text]].Tokens, tokenizer));
            }
            for (var i = 0; i < chosen.Length; i++)
                yield return new(logits[i], choices[i]);
        }
    }
}
