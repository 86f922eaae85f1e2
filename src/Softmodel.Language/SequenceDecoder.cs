using Softmodel.Runtime;

namespace Softmodel.Language;

/// <summary>A decoder of one of our architectures: several sequences, read in any order, some tokens or one at a time.</summary>
/// <inheritdoc cref="Decoder.Of" path="/param"/>
sealed class SequenceDecoder(CompiledModel model, int contextLength, bool shifts) : Decoder(model)
{
    // A context shift leaves the beginning of a text, which much attention goes to (arXiv 2309.17453).
    const int Anchors = 4;

    readonly Dictionary<string, int> inputs = model.Inputs.Select((input, i) => (input.Name, i)).ToDictionary(p => p.Name, p => p.i, StringComparer.Ordinal);
    readonly TensorArgument[] arguments = new TensorArgument[model.Inputs.Count];
    readonly HashSet<int> begun = [];
    readonly KvCache cache = new(contextLength);
    long[] tokens = [], positions = [], sequences = [], cells = [], logitsIndices = [], hasInitialState = [], cellPositions = [], cellSequences = [];

    public override int ContextLength => contextLength;

    public override int MostSequences => SequenceInputs.MostSequences;

    /// <summary>Not where every token changes one state.</summary>
    public override bool CanTruncate => !inputs.ContainsKey(SequenceInputs.HasInitialState);

    public override int Begin() => cache.Begin();

    public override int Fork(int sequence, int length)
    {
        var fork = cache.Fork(sequence, length);
        if (begun.Contains(sequence))
            begun.Add(fork);
        return fork;
    }

    public override void Truncate(int sequence, int length) => cache.Truncate(sequence, length);

    public override void End(int sequence)
    {
        cache.End(sequence);
        begun.Remove(sequence);
    }

    public override void Reserve(int sequence, int count)
    {
        if (count > cache.Free(sequence) && !(shifts && cache.Shift(sequence, count, Anchors)))
            throw Full(count, contextLength, cache.Free(sequence));
    }

    protected override ReadOnlySpan<float> Compute(scoped ReadOnlySpan<SequenceTokens> batch)
    {
        var (count, asked) = (0, 0);
        foreach (var feed in batch)
        {
            count += feed.Tokens.Length;
            asked += feed.AllLogits ? feed.Tokens.Length : 1;
        }
        (tokens, positions, sequences, cells, logitsIndices) = (Sized(tokens, count), Sized(positions, count), Sized(sequences, count), Sized(cells, count), Sized(logitsIndices, asked));
        var (at, want) = (0, 0);
        foreach (var feed in batch)
        {
            var span = feed.Tokens.Span;
            var start = cache.Length(feed.Sequence);
            cache.Take(feed.Sequence, cells.AsSpan(at, span.Length));
            for (var i = 0; i < span.Length; i++, at++)
            {
                (tokens[at], positions[at], sequences[at]) = (span[i], start + i, feed.Sequence);
                if (feed.AllLogits || i == span.Length - 1)
                    logitsIndices[want++] = at;
            }
        }
        Set(SequenceInputs.Tokens, tokens, count);
        Set(SequenceInputs.Positions, positions, count);
        Set(SequenceInputs.Sequences, sequences, count);
        Set(SequenceInputs.LogitsIndices, logitsIndices, asked);
        if (inputs.ContainsKey(SequenceInputs.Cells))
        {
            (cellPositions, cellSequences) = (Sized(cellPositions, cache.Used), Sized(cellSequences, cache.Used));
            cache.Positions.CopyTo(cellPositions);
            cache.Sequences.CopyTo(cellSequences);
            Set(SequenceInputs.Cells, cells, count);
            Set(SequenceInputs.CellPositions, cellPositions, cache.Used);
            Set(SequenceInputs.CellSequences, cellSequences, cache.Used);
        }
        if (inputs.ContainsKey(SequenceInputs.HasInitialState))
        {
            hasInitialState = Sized(hasInitialState, SequenceInputs.MostSequences);
            for (var i = 0; i < hasInitialState.Length; i++)
                hasInitialState[i] = begun.Contains(i) ? 1 : 0;
            Set(SequenceInputs.HasInitialState, hasInitialState, SequenceInputs.MostSequences);
        }
        try
        {
            Model.Run(arguments);
        }
        catch
        {
            foreach (var feed in batch)
                cache.Truncate(feed.Sequence, cache.Length(feed.Sequence) - feed.Tokens.Length);
            throw;
        }
        foreach (var feed in batch)
            begun.Add(feed.Sequence);
        return Model.Output(0).Span<float>();
    }

    void Set(string name, long[] values, int count) => arguments[inputs[name]] = TensorArgument.Of<long>(values.AsMemory(0, count), count);
}
