using System.Numerics;

namespace Softmodel.Language;

/// <summary>
/// What lies in the cells of a decoder's KV cache: the position of each token, and the sequences that it is of. Cells are given out
/// one by one, wherever some are free, so that sequences with a common prefix share theirs. It grows with what is in it.
/// </summary>
/// <param name="contextLength">How many tokens of one sequence may be in it.</param>
sealed class KvCache(int contextLength)
{
    readonly int[] lengths = new int[SequenceInputs.MostSequences], live = new int[SequenceInputs.MostSequences];
    long[] positions = [], sequences = [];
    bool[] pending = [];
    int pendingCount;
    ulong taken;

    /// <summary>How many tokens of one sequence may be in it.</summary>
    public int ContextLength => contextLength;

    /// <summary>How many cells have something in them or had, from the first on: what a run attends to.</summary>
    public int Used { get; private set; }

    /// <summary>How many sequences there are.</summary>
    public int Count => BitOperations.PopCount(taken);

    /// <summary>The position of what lies in each cell.</summary>
    public ReadOnlySpan<long> Positions => positions.AsSpan(0, Used);

    /// <summary>The sequences, as bits, of what lies in each cell.</summary>
    public ReadOnlySpan<long> Sequences => sequences.AsSpan(0, Used);

    /// <summary>The number of tokens of a sequence, those shifted out included: the position of its next one.</summary>
    public int Length(int sequence) => lengths[sequence];

    /// <summary>How many more tokens of a sequence there is room for.</summary>
    public int Free(int sequence) => contextLength - live[sequence];

    /// <summary>Begins a sequence.</summary>
    /// <exception cref="InvalidOperationException">There are <see cref="SequenceInputs.MostSequences"/>.</exception>
    public int Begin()
    {
        var free = BitOperations.TrailingZeroCount(~taken);
        if (free >= SequenceInputs.MostSequences)
            throw new InvalidOperationException($"a decoder has room for {SequenceInputs.MostSequences} sequences at once; end one first");
        taken |= 1UL << free;
        (lengths[free], live[free]) = (0, 0);
        return free;
    }

    /// <summary>Begins a sequence with the first tokens of another, whose cells it shares.</summary>
    public int Fork(int sequence, int length)
    {
        var fork = Begin();
        for (var i = 0; i < Used; i++)
        {
            if ((sequences[i] >> sequence & 1) == 0 || positions[i] >= length)
                continue;
            sequences[i] |= 1L << fork;
            live[fork]++;
        }
        lengths[fork] = Math.Min(length, lengths[sequence]);
        return fork;
    }

    /// <summary>Drops the tokens of a sequence from a position on.</summary>
    public void Truncate(int sequence, int length)
    {
        for (var i = 0; i < Used; i++)
        {
            if ((sequences[i] >> sequence & 1) != 0 && positions[i] >= length)
                Drop(i, sequence);
        }
        lengths[sequence] = Math.Min(length, lengths[sequence]);
        while (Used > 0 && sequences[Used - 1] == 0)
            Used--;
    }

    /// <summary>Ends a sequence: cells that are no other's are free.</summary>
    public void End(int sequence)
    {
        Truncate(sequence, 0);
        taken &= ~(1UL << sequence);
    }

    void Drop(int cell, int sequence)
    {
        sequences[cell] &= ~(1L << sequence);
        live[sequence]--;
    }

    /// <summary>Context shift: drops the oldest tokens of a sequence, but for the first few, until there is room for more.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="needed">How many tokens there is to be room for.</param>
    /// <param name="keep">How many at the beginning stay.</param>
    /// <returns>Whether there is room now.</returns>
    public bool Shift(int sequence, int needed, int keep)
    {
        var own = new List<int>();
        for (var i = 0; i < Used; i++)
        {
            if ((sequences[i] >> sequence & 1) != 0 && positions[i] >= keep)
                own.Add(i);
        }
        foreach (var cell in own.OrderBy(i => positions[i]))
        {
            if (Free(sequence) >= needed)
                break;
            Drop(cell, sequence);
        }
        return Free(sequence) >= needed;
    }

    /// <summary>The cells of a sequence that the upper layers of a fused decoder have not read, in the order of their positions.</summary>
    public int[] Pending(int sequence) => pendingCount == 0 ? [] : [.. Enumerable.Range(0, Used).Where(i => pending[i] && (sequences[i] >> sequence & 1) != 0).OrderBy(i => positions[i])];

    /// <summary>Notes whether upper layers are still to read what lies in a cell.</summary>
    public void SetPending(int cell, bool isPending)
    {
        pendingCount += (isPending ? 1 : 0) - (pending[cell] ? 1 : 0);
        pending[cell] = isPending;
    }

    /// <summary>Gives cells to the next tokens of a sequence.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="cells">Is filled with the cells, one for each token.</param>
    public void Take(int sequence, Span<long> cells)
    {
        var at = 0;
        for (var i = 0; i < cells.Length; i++, at++)
        {
            while (at < sequences.Length && sequences[at] != 0)
                at++;
            if (at == sequences.Length)
            {
                Array.Resize(ref positions, Math.Max(256, 2 * at));
                Array.Resize(ref sequences, positions.Length);
                Array.Resize(ref pending, positions.Length);
            }
            cells[i] = at;
            (positions[at], sequences[at]) = (lengths[sequence]++, 1L << sequence);
            SetPending(at, false);
        }
        live[sequence] += cells.Length;
        Used = Math.Max(Used, at);
    }
}
