using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Runtime.Fusion;

namespace Softmodel.Fusion;

/// <summary>A trigger, compiled with the layers below it: reads texts, and says where it fires.</summary>
sealed class TriggerReader : IDisposable
{
    const int Texts = 16;

    readonly FusedTrigger trigger;
    readonly Tokenizer tokenizer;
    readonly Residuals residuals;
    readonly CompiledModel compiled;

    /// <summary>Compiles it.</summary>
    /// <param name="trigger">The trigger.</param>
    /// <param name="decoder">The model, as imported.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="threads">The number of threads.</param>
    /// <param name="cancellationToken">Stops compiling.</param>
    public TriggerReader(FusedTrigger trigger, Graph decoder, Tokenizer tokenizer, int threads, CancellationToken cancellationToken)
    {
        (this.trigger, this.tokenizer) = (trigger, tokenizer);
        residuals = new(decoder, [trigger.Layer], threads, cancellationToken);
        var reading = trigger.Network.Reading();
        var graph = Parameters.Replace(reading, Evaluator.Fold, Parameters.Of(reading).Where(p => !p.IsFrozen)
            .ToDictionary(p => p.Name, p => (Replacement)((builder, parameter) => builder.Apply(parameter with { Value = trigger.Parameters[p.Name], IsFrozen = true })), StringComparer.Ordinal));
        compiled = InProcess.Compile(Lower.Program(Pipeline.Exact(graph, Evaluator.Fold), new(new Dictionary<string, long> { ["texts"] = Texts, ["positions"] = 40, ["due"] = Texts })), InProcess.Width, cancellationToken);
        compiled.Threads = threads;
    }

    /// <summary>Where the trigger fires in each of some texts, from the left.</summary>
    /// <param name="texts">Their tokens.</param>
    /// <param name="isAtEnd">Whether only the last position of each counts.</param>
    /// <param name="cancellationToken">Stops it between runs.</param>
    public IEnumerable<Fire[]> Fires(IReadOnlyList<int[]> texts, bool isAtEnd, CancellationToken cancellationToken)
    {
        foreach (var (some, streams) in texts.Chunk(Texts).Zip(residuals.Of(texts, cancellationToken).Select(r => r[0]).Chunk(Texts)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (width, most, count) = (trigger.Network.Width, some.Max(t => t.Length), trigger.Programs.Count + 1);
            var stream = new float[some.Length * most * width];
            for (var i = 0; i < some.Length; i++)
                streams[i].CopyTo(stream.AsSpan(i * most * width));
            var residual = Tensor.Of<float>(stream, some.Length, most, width);
            (int Text, int At)[] places = isAtEnd ? [.. some.Select((t, i) => (i, t.Length - 1))] : [(0, 0)];
            var outputs = Run(residual, places);
            var sure = new List<(int Text, int At)>();
            var programs = outputs[0];
            ReadOnlySpan<float> Logits(int text, int at) => programs.Values<float>().Slice((text * most + at) * count, count);
            for (var i = 0; i < some.Length; i++)
            {
                for (var at = isAtEnd ? some[i].Length - 1 : 0; at < some[i].Length; at++)
                {
                    if (TriggerScores.Score(TriggerScores.LogProbabilityOfAny(Logits(i, at))) > trigger.Threshold)
                        sure.Add((i, at));
                }
            }
            if (!isAtEnd && sure.Count > 0)
                outputs = Run(residual, [.. sure.Select(f => (f.Text, f.At))]);
            var found = some.Select(_ => new List<Fire>()).ToArray();
            foreach (var (number, (text, at)) in sure.Index())
            {
                var pointers = PointersOf(outputs[1], isAtEnd ? text : number, trigger.Network.Slots, at, some[text], tokenizer);
                if (TriggerScores.ChoiceOf(Logits(text, at), n => FusedPrograms.Known(trigger.Programs[n - 1]), pointers) is { } choice && choice.Score > trigger.Threshold)
                    found[text].Add(new(at, trigger.Programs[choice.Program - 1], choice.Pointing.Texts, choice.Score));
            }
            foreach (var fires in found)
                yield return [.. fires];
        }
    }

    /// <summary>What a trigger says of operands where a result is due.</summary>
    /// <param name="logits">Those of all places that were asked about, [due, 2 slots, positions].</param>
    /// <param name="number">The place's number.</param>
    /// <param name="slots">How many operands there may be.</param>
    /// <param name="at">The position.</param>
    /// <param name="tokens">The text.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    public static Pointers PointersOf(Tensor logits, int number, int slots, int at, int[] tokens, Tokenizer tokenizer)
    {
        var (most, scores) = ((int)logits.Dims[2], new float[2 * slots * (at + 1)]);
        for (var row = 0; row < 2 * slots; row++)
            logits.Values<float>().Slice((number * 2 * slots + row) * most, at + 1).CopyTo(scores.AsSpan(row * (at + 1)));
        return new(scores, slots, at + 1, TextsOf(tokens[..(at + 1)], tokenizer));
    }

    /// <summary>What stands between tokens of a text, up to where a result is due.</summary>
    public static OperandText TextsOf(int[] tokens, Tokenizer tokenizer)
    {
        byte[] Bytes(int from, int end)
        {
            var bytes = new List<byte>();
            for (var i = Math.Max(0, from); i < Math.Min(end, tokens.Length); i++)
                bytes.AddRange(tokenizer.BytesOf(tokens[i]));
            return [.. bytes];
        }
        return (first, last) => TriggerScores.WholeText(Bytes(first - 2, first), Bytes(first, last + 1), Bytes(last + 1, last + 3));
    }

    IReadOnlyList<Tensor> Run(Tensor residual, (int Text, int At)[] places) =>
        compiled.Run((IReadOnlyList<Tensor>)[residual, Tensor.Vector<long>([.. places.Select(p => (long)p.Text)]), Tensor.Vector<long>([.. places.Select(p => (long)p.At)])]);

    /// <inheritdoc/>
    public void Dispose()
    {
        residuals.Dispose();
        compiled.Dispose();
    }
}
