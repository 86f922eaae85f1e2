using Softmodel.Compile;
using Softmodel.Graphs;
using Softmodel.Learn;

namespace Softmodel.Fusion;

/// <summary>How a trigger is trained.</summary>
sealed record TriggerOptions
{
    /// <summary>How often each text is seen.</summary>
    public int Epochs { get; init; } = 8;

    /// <summary>How many tokens a step is taken on, about.</summary>
    public int BatchTokens { get; init; } = 1024;

    /// <summary>The learning rate.</summary>
    public double Rate { get; init; } = 1e-3;

    /// <summary>What the order and the parameters are drawn from.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How many threads train.</summary>
    public int Threads { get; init; }
}

/// <summary>What the trigger says of a text.</summary>
/// <param name="Programs">For each position the logits of none, and of each program.</param>
/// <param name="Pointers">For each that is due in the text, the most probable first and last token of each operand.</param>
readonly record struct TriggerReading(float[][] Programs, (int First, int Last)[][] Pointers);

/// <summary>Trains triggers.</summary>
static class TriggerTraining
{
    /// <summary>Means of channels, and one over their deviations.</summary>
    public static (Tensor Center, Tensor Scale) Statistics(IReadOnlyList<float[]> residuals, int width)
    {
        var (sum, squares, count) = (new double[width], new double[width], 0L);
        foreach (var residual in residuals)
        {
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
    public static Batch BatchOf(IReadOnlyList<TriggerText> texts, IReadOnlyList<float[]> residuals, TriggerNetwork network)
    {
        var (width, most) = (network.Width, texts.Max(t => t.Tokens.Length));
        var stream = new float[texts.Count * most * width];
        var (programs, counts) = (new long[texts.Count * most], new float[texts.Count * most]);
        var (ofText, ofPosition, ends, hasEnds) = (new List<long>(), new List<long>(), new List<long>(), new List<float>());
        var (leads, hasLeads) = (new List<long>(), new List<float>());
        for (var i = 0; i < texts.Count; i++)
        {
            residuals[i].CopyTo(stream.AsSpan(i * most * width));
            counts.AsSpan(i * most, texts[i].Tokens.Length).Fill(TriggerNetwork.WeightOfNone);
            foreach (var at in texts[i].Undecided)
                counts[i * most + at] = 0;
            foreach (var due in texts[i].Dues)
            {
                (programs[i * most + due.At], counts[i * most + due.At]) = (due.Program, 1);
                ofText.Add(i);
                ofPosition.Add(due.At);
                leads.Add(due.HasSpace ? 1 : 0);
                hasLeads.Add(1);
                for (var slot = 0; slot < network.Slots; slot++)
                {
                    // What is not there is where the result is due.
                    var (first, last) = slot < due.Operands.Length ? due.Operands[slot] : (due.At, due.At);
                    ends.AddRange([first, last]);
                    hasEnds.AddRange([1, 1]);
                }
            }
        }
        if (ofText.Count == 0)
        {
            ofText.Add(0);
            ofPosition.Add(0);
            leads.Add(0);
            hasLeads.Add(0);
            ends.AddRange(new long[2 * network.Slots]);
            hasEnds.AddRange(new float[2 * network.Slots]);
        }
        return new(
            [
                Tensor.Of<float>(stream, texts.Count, most, width), Tensor.Vector<long>([.. ofText]), Tensor.Vector<long>([.. ofPosition]), Tensor.Of<long>(programs, texts.Count, most), Tensor.Of<float>(counts, texts.Count, most),
                Tensor.Of<long>([.. ends], ofText.Count, 2 * network.Slots), Tensor.Of<float>([.. hasEnds], ofText.Count, 2 * network.Slots),
                Tensor.Vector<long>([.. leads]), Tensor.Vector<float>([.. hasLeads]),
            ], [.. texts.Select(t => t.Passage.Text)]);
    }

    /// <summary>Trains a trigger.</summary>
    /// <param name="network">The trigger.</param>
    /// <param name="texts">What it learns from.</param>
    /// <param name="residuals">The residual stream of each.</param>
    /// <param name="options">How.</param>
    /// <param name="events">Is told of each step.</param>
    /// <param name="read">Is given a function that reads other texts, with their streams, when it is trained.</param>
    /// <param name="cancellationToken">Stops it, when a checkpoint has been written.</param>
    public static IReadOnlyDictionary<string, Tensor> Run(TriggerNetwork network, IReadOnlyList<TriggerText> texts, IReadOnlyList<float[]> residuals, TriggerOptions options, Action<TrainingEvent>? events,
        Action<Func<IReadOnlyList<TriggerText>, IReadOnlyList<float[]>, IEnumerable<TriggerReading>>>? read, CancellationToken cancellationToken)
    {
        int[] lengths = [.. texts.Select(t => t.Tokens.Length)];
        var size = (int)Math.Max(1, options.BatchTokens / lengths.Average());
        var use = new UseCase { Usual = new Dictionary<string, long> { ["texts"] = size, ["positions"] = (long)lengths.Average(), ["due"] = size } };
        var compile = new CompileOptions { Threads = options.Threads };
        using var trainer = new Trainer(TrainingStep.Of(network.Training(), options: new() { Optimiser = Optimiser.AdamW(beta2: 0.99, weightDecay: 0.01) }), use, compile, cancellationToken);
        var source = new BatchSource($"{texts.Count} {options.Seed} {options.BatchTokens}", (epoch, from) => Batches.Of(lengths, size, options.Seed, epoch).Skip((int)from)
            .Select(b => BatchOf([.. b.Select(i => texts[i])], [.. b.Select(i => residuals[i])], network)));
        var steps = (long)options.Epochs * ((texts.Count + size - 1) / size);
        TrainingLoop.Run(trainer, source, new() { Steps = steps, Rate = options.Rate, Schedule = Schedules.Cosine(0.02).WithWarmUp(steps / 20), Progress = events }, cancellationToken);
        using var current = new CurrentNetwork(network.Reading(), trainer, use, compile, cancellationToken);
        read?.Invoke((others, streams) => Read(current, network, others, streams, size, cancellationToken));
        return trainer.Parameters.ToDictionary(p => p, p => trainer[p], StringComparer.Ordinal);
    }

    static IEnumerable<TriggerReading> Read(CurrentNetwork current, TriggerNetwork network, IReadOnlyList<TriggerText> texts, IReadOnlyList<float[]> residuals, int size, CancellationToken cancellationToken)
    {
        for (var at = 0; at < texts.Count; at += size)
        {
            var some = texts.Skip(at).Take(size).ToArray();
            var batch = BatchOf(some, [.. residuals.Skip(at).Take(size)], network);
            var (_, outputs) = current.Run([batch], cancellationToken).Single();
            var (most, count, due) = ((int)outputs[0].Dims[1], network.ProgramCount + 1, 0);
            for (var i = 0; i < some.Length; i++)
            {
                var logits = Enumerable.Range(0, some[i].Tokens.Length).Select(p => outputs[0].Values<float>().Slice((i * most + p) * count, count).ToArray()).ToArray();
                var pointers = some[i].Dues.Select(d => Pointers(outputs[1].Values<float>().Slice(due++ * 2 * network.Slots * most, 2 * network.Slots * most), network.Slots, most, d.At)).ToArray();
                yield return new(logits, pointers);
            }
        }
    }

    /// <summary>The most probable first and last tokens of the operands that there are.</summary>
    /// <param name="scores">[2 slots, positions].</param>
    /// <param name="slots">How many operands there may be.</param>
    /// <param name="most">How many positions.</param>
    /// <param name="at">Where the result is due.</param>
    public static (int First, int Last)[] Pointers(ReadOnlySpan<float> scores, int slots, int most, int at)
    {
        var found = new List<(int, int)>();
        for (var slot = 0; slot < slots; slot++)
        {
            var first = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(scores.Slice(2 * slot * most, most));
            if (first == at)
                break;
            found.Add((first, Math.Max(first, System.Numerics.Tensors.TensorPrimitives.IndexOfMax(scores.Slice((2 * slot + 1) * most, most)))));
        }
        return [.. found];
    }
}
