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
    readonly int[] fusion = [.. ((string[])[SequenceInputs.Fired, SequenceInputs.FiredOperands, SequenceInputs.FiredTokens]).Select(n => model.Outputs.ToList().FindIndex(o => o.Name == n))];
    readonly List<Fired?> fires = [];
    readonly List<int> unread = [];
    long[] pendingCells = [], pendingPositions = [], pendingSequences = [], mayFire = [];
    long[] tokens = [], positions = [], sequences = [], cells = [], logitsIndices = [], hasInitialState = [], cellPositions = [], cellSequences = [];

    public override int ContextLength => contextLength;

    public override int MostSequences => SequenceInputs.MostSequences;

    /// <summary>Not where every token changes one state.</summary>
    public override bool CanTruncate => !inputs.ContainsKey(SequenceInputs.HasInitialState);

    public override bool IsFused => fusion[0] >= 0;

    public override IReadOnlyList<Fired?> Fires => fires;

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
        mayFire = Sized(mayFire, asked);
        unread.Clear();
        var (at, want) = (0, 0);
        foreach (var feed in batch)
        {
            // What upper layers have not read they read now, unless a program writes what comes next.
            if (IsFused)
                AddPending(feed.Sequence);
            var span = feed.Tokens.Span;
            var start = cache.Length(feed.Sequence);
            cache.Take(feed.Sequence, cells.AsSpan(at, span.Length));
            for (var i = 0; i < span.Length; i++, at++)
            {
                (tokens[at], positions[at], sequences[at]) = (span[i], start + i, feed.Sequence);
                if (feed.AllLogits || i == span.Length - 1)
                    (mayFire[want], logitsIndices[want++]) = (feed.AllLogits ? 0 : (long)feed.Firing, at);
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
        if (IsFused)
        {
            Set(SequenceInputs.PendingCells, pendingCells, unread.Count);
            Set(SequenceInputs.PendingPositions, pendingPositions, unread.Count);
            Set(SequenceInputs.PendingSequences, pendingSequences, unread.Count);
            Set(SequenceInputs.MayFire, mayFire, asked);
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
        fires.Clear();
        if (IsFused)
            NoteFires(batch);
        return Model.Output(0).Span<float>();
    }

    void AddPending(int sequence)
    {
        foreach (var cell in cache.Pending(sequence))
        {
            var i = unread.Count;
            unread.Add(cell);
            (pendingCells, pendingPositions, pendingSequences) = (Grown(pendingCells, i), Grown(pendingPositions, i), Grown(pendingSequences, i));
            (pendingCells[i], pendingPositions[i], pendingSequences[i]) = (cell, cache.Positions[cell], sequence);
        }
    }

    static long[] Grown(long[] array, int used)
    {
        if (used == array.Length)
            Array.Resize(ref array, Math.Max(16, 2 * used));
        return array;
    }

    void NoteFires(ReadOnlySpan<SequenceTokens> batch)
    {
        var (fired, operands, written) = (Model.Output(fusion[0]).ToArray<long>(), Model.Output(fusion[1]).ToArray<long>(), Model.Output(fusion[2]).ToArray<long>());
        var (slots, longest) = ((int)Model.Output(fusion[1]).Sizes[1] / 2, (int)Model.Output(fusion[2]).Sizes[1]);
        var (asked, at) = (-1, 0);
        foreach (var feed in batch)
        {
            asked += feed.AllLogits ? feed.Tokens.Length : 1;
            var program = fired[asked];
            if (program > 0)
            {
                var ends = operands.AsSpan(asked * 2 * slots, 2 * slots).ToArray();
                fires.Add(new((int)program - 1, [.. Enumerable.Range(0, slots).Where(s => ends[2 * s] >= 0).Select(s => ((int)ends[2 * s], (int)ends[2 * s + 1]))],
                    [.. written.Skip(asked * longest).Take(longest).Where(t => t >= 0).Select(t => (int)t)]));
            }
            else
            {
                fires.Add(null);
                foreach (var cell in cache.Pending(feed.Sequence))
                    cache.SetPending(cell, false);
            }
            for (var i = 0; i < feed.Tokens.Length; i++, at++)
                cache.SetPending((int)cells[at], program > 0);
        }
    }

    void Set(string name, long[] values, int count) => arguments[inputs[name]] = TensorArgument.Of<long>(values.AsMemory(0, count), count);
}
