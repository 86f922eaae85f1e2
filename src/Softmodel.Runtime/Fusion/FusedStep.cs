using System.Numerics;
using System.Text;

namespace Softmodel.Runtime.Fusion;

/// <summary>
/// What a fused decoder does between its lower and its upper layers, as an exact program: says where a trigger fires, runs the
/// programs, writes their results as tokens, and says for which tokens the upper layers run.
/// </summary>
/// <remarks>
/// Of the n tokens of a run k may fire; c cells hold what was read. The operands are, in this order:
/// <list type="number">
/// <item>logits of none and of each program, [k, 1 + programs];</item>
/// <item>what the trigger read, [k, hidden];</item>
/// <item>by what a space before the result is told from that: a matrix [2, hidden] and a bias, for none and one;</item>
/// <item>by what queries for operands are made of it: a matrix [2 slots keys, hidden] and a bias. They are computed here, as are products with keys: what fires is rare;</item>
/// <item>keys of cells, for operands' first tokens and for those after their last, [c, 2, keys];</item>
/// <item>the threshold, [1];</item>
/// <item>whether each may fire, [k]: 0 for no, 1 for yes, 2 for yes with numbers as in JSON;</item>
/// <item>which tokens they are, [k];</item>
/// <item>positions and sequences of the tokens, [n] each;</item>
/// <item>sequences of tokens that the upper layers have not read yet, [p];</item>
/// <item>positions, sequences (as bits) and tokens of cells, [c] each;</item>
/// <item>the vocabulary: bytes of all tokens, where each begins, and the tokens of which results are made, in the order of their bytes;</item>
/// <item>the names of the programs in UTF-8, a line each.</item>
/// </list>
/// The results: which program fired or 0, [k]; where its operands begin and end, [k, 2 slots], -1 for none; the tokens that it wrote,
/// [k, longest], -1 after them; the tokens for which the upper layers run, those of before first, [m]; and which of these have logits, [l].
/// The sizes that it finds are longest, m and l. Its argument is the number of slots.
/// </remarks>
public static class FusedStep
{
    // Sizes are asked for before the results, on the same thread.
    [ThreadStatic] static Step? found;

    sealed record Step(long[] Fired, long[] Operands, int[][] Written, long[] Rows, long[] Logits);

    /// <summary>The method; see <see cref="ExactMethod"/>.</summary>
    public static void Run(ExactCall call)
    {
        if (call.FindsSizes)
        {
            found = Find(call);
            call.Sizes[0] = 0;
            foreach (var tokens in found.Written)
                call.Sizes[0] = Math.Max(call.Sizes[0], tokens.Length);
            call.Sizes[1] = found.Rows.Length;
            call.Sizes[2] = found.Logits.Length;
            return;
        }
        var step = found ?? Find(call);
        found = null;
        step.Fired.CopyTo(call.Output<long>(0));
        step.Operands.CopyTo(call.Output<long>(1));
        var written = call.Output<long>(2);
        var longest = (int)call.OutputSizes(2)[1];
        written.Fill(-1);
        for (var i = 0; i < step.Written.Length; i++)
        {
            for (var j = 0; j < step.Written[i].Length; j++)
                written[i * longest + j] = step.Written[i][j];
        }
        step.Rows.CopyTo(call.Output<long>(3));
        step.Logits.CopyTo(call.Output<long>(4));
    }

    static Step Find(ExactCall call)
    {
        ReadOnlySpan<float> programs = call.Input<float>(0), read = call.Input<float>(1);
        ReadOnlySpan<long> mayFire = call.Input<long>(8), asked = call.Input<long>(9), positions = call.Input<long>(10), sequences = call.Input<long>(11), pending = call.Input<long>(12);
        var (count, hidden, slots, threshold) = ((int)call.InputSizes(0)[1], (int)call.InputSizes(1)[1], (int)call.Arguments[0], call.Input<double>(7)[0]);
        var (fired, operands, written) = (new long[asked.Length], new long[asked.Length * 2 * slots], new int[asked.Length][]);
        Array.Fill(operands, -1);
        Array.Fill(written, []);
        var silenced = 0L;
        for (var i = 0; i < asked.Length; i++)
        {
            if (mayFire[i] == 0)
                continue;
            var logits = programs.Slice(i * count, count);
            if (!(TriggerScores.Score(TriggerScores.LogProbabilityOfAny(logits)) > threshold))
                continue;
            var own = read.Slice(i * hidden, hidden);
            var sequence = sequences[(int)asked[i]];
            var context = new FusedContext(call, sequence, positions[(int)asked[i]]);
            var (pointers, held) = context.PointersOf(Linear(call, 4, own), slots);
            var names = call.Input<byte>(19).ToArray();
            if (TriggerScores.ChoiceOf(logits, number => FusedPrograms.Known(Name(names, number - 1)), pointers, new() { Plain = mayFire[i] == 2 }) is not { } choice || !(choice.Score > threshold))
                continue;
            fired[i] = choice.Program;
            written[i] = context.Encode(Linear(call, 2, own) is [var none, var space] && space > none ? $" {choice.Result.Text}" : choice.Result.Text);
            foreach (var (slot, (first, last)) in choice.Pointing.Spans.Index())
                (operands[i * 2 * slots + 2 * slot], operands[i * 2 * slots + 2 * slot + 1]) = (held[first], held[last]);
            silenced |= 1L << (int)sequence;
        }
        bool GoesOn(long sequence) => (silenced >> (int)sequence & 1) == 0;
        // Nearly always all go on. It is cold code between kernels, and pays for each line that it reaches: hence no lists.
        var (rows, rowOf, kept) = (new long[pending.Length + sequences.Length], new int[sequences.Length], 0);
        for (var i = 0; i < pending.Length; i++)
        {
            if (GoesOn(pending[i]))
                rows[kept++] = i;
        }
        for (var i = 0; i < sequences.Length; i++)
        {
            rowOf[i] = GoesOn(sequences[i]) ? kept : -1;
            if (rowOf[i] >= 0)
                rows[kept++] = pending.Length + i;
        }
        var (ofLogits, withLogits) = (new long[asked.Length], 0);
        foreach (var at in asked)
        {
            if (rowOf[(int)at] is >= 0 and var row)
                ofLogits[withLogits++] = row;
        }
        return new(fired, operands, written, rows[..kept], ofLogits[..withLogits]);
    }

    /// <summary>Products of a vector with the rows of a matrix, and a bias: the operand of a number, and the next one.</summary>
    static float[] Linear(ExactCall call, int matrix, ReadOnlySpan<float> x)
    {
        ReadOnlySpan<float> weight = call.Input<float>(matrix), bias = call.Input<float>(matrix + 1);
        var y = new float[bias.Length];
        for (var row = 0; row < y.Length; row++)
            y[row] = bias[row] + FusedContext.Product(weight.Slice(row * x.Length, x.Length), x);
        return y;
    }

    static string Name(ReadOnlySpan<byte> names, int number)
    {
        for (; number > 0; number--)
            names = names[(names.IndexOf((byte)'\n') + 1)..];
        return Encoding.UTF8.GetString(names.IndexOf((byte)'\n') is >= 0 and var end ? names[..end] : names);
    }
}

/// <summary>What was read in a sequence up to a position, in the cells of a fused decoder.</summary>
readonly ref struct FusedContext
{
    readonly ReadOnlySpan<long> positions, sequences, tokens;
    readonly ReadOnlySpan<float> keys;
    readonly ReadOnlySpan<byte> bytes;
    readonly ReadOnlySpan<int> begins, sorted;
    readonly int sequence;

    public FusedContext(ExactCall call, long sequence, long position)
    {
        keys = call.Input<float>(6);
        positions = call.Input<long>(13);
        sequences = call.Input<long>(14);
        tokens = call.Input<long>(15);
        bytes = call.Input<byte>(16);
        begins = call.Input<int>(17);
        sorted = call.Input<int>(18);
        (this.sequence, Position) = ((int)sequence, position);
    }

    /// <summary>The position of the last token.</summary>
    public long Position { get; }

    bool Holds(int cell) => (sequences[cell] >> sequence & 1) != 0 && positions[cell] <= Position;

    /// <summary>What queries say of operands, and the positions of what was read.</summary>
    /// <param name="queries">[2 slots, keys].</param>
    /// <param name="slots">How many operands there may be.</param>
    public (Pointers Pointers, long[] Positions) PointersOf(ReadOnlySpan<float> queries, int slots)
    {
        var (cells, size) = (new List<(long Position, int Cell)>(), queries.Length / (2 * slots));
        for (var cell = 0; cell < positions.Length; cell++)
        {
            if (Holds(cell))
                cells.Add((positions[cell], cell));
        }
        cells.Sort();
        var scores = new float[2 * slots * cells.Count];
        for (var end = 0; end < 2 * slots; end++)
        {
            for (var i = 0; i < cells.Count; i++)
                scores[end * cells.Count + i] = Product(queries.Slice(end * size, size), keys.Slice((2 * cells[i].Cell + (end & 1)) * size, size)) / MathF.Sqrt(size);
        }
        // A delegate can't hold spans.
        var own = new byte[cells.Count][];
        for (var i = 0; i < own.Length; i++)
            own[i] = [.. Bytes(tokens[cells[i].Cell])];
        long[] held = [.. cells.Select(c => c.Position)];
        return (new(scores, slots, held.Length, (first, last) =>
        {
            // With its neighbours: a number that the context's edge cuts is another one.
            var (from, to) = (Math.Max(0, first - 1), Math.Min(held.Length - 1, last + 1));
            if (held[to] - held[from] != to - from || (first == 0 && held[0] > 0))
                return null;
            return TriggerScores.WholeText([.. own[Math.Max(0, first - 2)..first].SelectMany(b => b)], [.. own[first..(last + 1)].SelectMany(b => b)], [.. own[(last + 1)..Math.Min(own.Length, last + 3)].SelectMany(b => b)]);
        }), held);
    }

    /// <summary>The dot product.</summary>
    public static float Product(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        var (sum, at) = (Vector<float>.Zero, 0);
        for (; at + Vector<float>.Count <= x.Length; at += Vector<float>.Count)
            sum += new Vector<float>(x[at..]) * new Vector<float>(y[at..]);
        var all = Vector.Sum(sum);
        for (; at < x.Length; at++)
            all += x[at] * y[at];
        return all;
    }

    ReadOnlySpan<byte> Bytes(long token) => bytes[begins[(int)token]..begins[(int)token + 1]];

    /// <summary>The tokens of a text: at each place the longest that fits.</summary>
    public int[] Encode(string text)
    {
        var rest = (ReadOnlySpan<byte>)Encoding.UTF8.GetBytes(text);
        var written = new List<int>();
        while (rest.Length > 0)
        {
            var token = Longest(rest);
            // A vocabulary that has no token for a byte can't say it.
            if (token < 0)
                return [];
            written.Add(token);
            rest = rest[Bytes(token).Length..];
        }
        return [.. written];
    }

    // Tokens that begin the text stand before it in their order, the longest nearest.
    int Longest(ReadOnlySpan<byte> text)
    {
        var (low, high) = (0, sorted.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (Bytes(sorted[middle]).SequenceCompareTo(text) <= 0)
                low = middle + 1;
            else
                high = middle;
        }
        for (var at = low - 1; at >= 0; at--)
        {
            var own = Bytes(sorted[at]);
            var common = own.CommonPrefixLength(text);
            if (common == own.Length)
                return sorted[at];
            if (common == 0)
                return -1;
            // Those between this one and the longest that can still fit are no beginnings.
            text = text[..common];
            var (from, to) = (0, at);
            while (from < to)
            {
                var middle = (from + to) / 2;
                if (Bytes(sorted[middle]).SequenceCompareTo(text) <= 0)
                    from = middle + 1;
                else
                    to = middle;
            }
            at = from;
        }
        return -1;
    }
}
