using System.Numerics;
using Softmodel.Import.Families;

namespace Softmodel.Language;

/// <summary>What a decoder does when a sequence has no room left.</summary>
public enum WhenFull
{
    /// <summary>An error, before anything is computed: nothing is lost.</summary>
    Refuse,
    /// <summary>The oldest tokens of the sequence, but for a few at its beginning, make room: it forgets them.</summary>
    Forget,
}

/// <summary>
/// What lies in the cells in which a decoder keeps keys and values: the position of each token, and the sequences that it is of.
/// Cells are given out one by one, wherever some are free, so that sequences that begin alike can share theirs.
/// </summary>
/// <param name="capacity">How many cells there are.</param>
sealed class Cells(int capacity)
{
    readonly long[] positions = new long[capacity], sequences = new long[capacity];
    readonly int[] lengths = new int[Transformer.MostSequences];
    ulong taken;

    /// <summary>How many cells there are.</summary>
    public int Capacity => positions.Length;

    /// <summary>How many cells have something in them or had, from the first on: what a run looks at.</summary>
    public int Used { get; private set; }

    /// <summary>How many cells are free.</summary>
    public int Free { get; private set; } = capacity;

    /// <summary>Whether there is a sequence.</summary>
    public bool IsTaken => taken != 0;

    /// <summary>The position of what lies in each cell.</summary>
    public ReadOnlySpan<long> Positions => positions.AsSpan(0, Used);

    /// <summary>The sequences, as bits, of what lies in each cell.</summary>
    public ReadOnlySpan<long> Sequences => sequences.AsSpan(0, Used);

    /// <summary>The number of tokens of a sequence, those forgotten included: the position of its next one.</summary>
    public int Length(int sequence) => lengths[sequence];

    /// <summary>Begins a sequence.</summary>
    /// <exception cref="SoftmodelException">There are as many as a decoder tells apart.</exception>
    public int Begin()
    {
        var free = BitOperations.TrailingZeroCount(~taken);
        if (free >= Transformer.MostSequences)
            throw new SoftmodelException($"a decoder has room for {Transformer.MostSequences} sequences at once; end one first");
        taken |= 1UL << free;
        lengths[free] = 0;
        return free;
    }

    /// <summary>Begins a sequence with the first tokens of another, whose cells it shares.</summary>
    public int Fork(int sequence, int length)
    {
        var fork = Begin();
        for (var i = 0; i < Used; i++)
        {
            if ((sequences[i] >> sequence & 1) != 0 && positions[i] < length)
                sequences[i] |= 1L << fork;
        }
        lengths[fork] = Math.Min(length, lengths[sequence]);
        return fork;
    }

    /// <summary>Drops the tokens of a sequence from a position on.</summary>
    public void Cut(int sequence, int length)
    {
        for (var i = 0; i < Used; i++)
        {
            if ((sequences[i] >> sequence & 1) != 0 && positions[i] >= length)
                Drop(i, sequence);
        }
        lengths[sequence] = Math.Min(length, lengths[sequence]);
        Shrink();
    }

    /// <summary>Ends a sequence: cells that are no other's are free.</summary>
    public void End(int sequence)
    {
        Cut(sequence, 0);
        taken &= ~(1UL << sequence);
    }

    void Drop(int cell, int sequence)
    {
        sequences[cell] &= ~(1L << sequence);
        if (sequences[cell] == 0)
            Free++;
    }

    void Shrink()
    {
        while (Used > 0 && sequences[Used - 1] == 0)
            Used--;
    }

    /// <summary>Makes room by dropping the oldest tokens of a sequence that are its own, but for the first few.</summary>
    /// <returns>Whether there is room now.</returns>
    public bool Forget(int sequence, int needed, int keep)
    {
        var own = new List<int>();
        for (var i = 0; i < Used; i++)
        {
            if (sequences[i] == 1L << sequence && positions[i] >= keep)
                own.Add(i);
        }
        foreach (var cell in own.OrderBy(i => positions[i]))
        {
            if (Free >= needed)
                break;
            Drop(cell, sequence);
        }
        return Free >= needed;
    }

    /// <summary>Gives cells to the next tokens of a sequence.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="cells">Is filled with the cells, one for each token. There must be as many free ones.</param>
    public void Take(int sequence, Span<long> cells)
    {
        var at = 0;
        for (var i = 0; i < cells.Length; i++, at++)
        {
            while (sequences[at] != 0)
                at++;
            cells[i] = at;
            (positions[at], sequences[at]) = (lengths[sequence]++, 1L << sequence);
        }
        Free -= cells.Length;
        Used = Math.Max(Used, at);
    }
}
