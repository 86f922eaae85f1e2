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
/// <item>logits of the spaces before a result, none or one, [k, 2];</item>
/// <item>logits of the first and last tokens of operands, [k, 2 slots, c];</item>
/// <item>thresholds, [1 + programs];</item>
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
            call.Sizes[0] = found.Written.Max(w => (long)w.Length);
            call.Sizes[1] = found.Rows.Length;
            call.Sizes[2] = found.Logits.Length;
            return;
        }
        var step = found ?? Find(call);
        found = null;
        step.Fired.CopyTo(call.Output<long>(0));
        step.Operands.CopyTo(call.Output<long>(1));
        var tokens = call.Output<long>(2);
        var longest = (int)call.OutputSizes(2)[1];
        tokens.Fill(-1);
        for (var i = 0; i < step.Written.Length; i++)
        {
            for (var j = 0; j < step.Written[i].Length; j++)
                tokens[i * longest + j] = step.Written[i][j];
        }
        step.Rows.CopyTo(call.Output<long>(3));
        step.Logits.CopyTo(call.Output<long>(4));
    }

    static Step Find(ExactCall call)
    {
        ReadOnlySpan<float> programs = call.Input<float>(0), lead = call.Input<float>(1), pointers = call.Input<float>(2), thresholds = call.Input<float>(3);
        ReadOnlySpan<long> mayFire = call.Input<long>(4), asked = call.Input<long>(5), positions = call.Input<long>(6), sequences = call.Input<long>(7), pending = call.Input<long>(8);
        var (count, slots, cells) = (thresholds.Length, (int)call.Arguments[0], call.Input<long>(9).Length);
        var (fired, operands, written) = (new long[asked.Length], new long[asked.Length * 2 * slots], new int[asked.Length][]);
        Array.Fill(operands, -1);
        Array.Fill(written, []);
        var silenced = 0L;
        for (var i = 0; i < asked.Length; i++)
        {
            var own = programs.Slice(i * count, count);
            var program = 1;
            for (var p = 2; p < count; p++)
                program = own[p] > own[program] ? p : program;
            if (mayFire[i] == 0 || !(own[program] - own[0] > thresholds[program]))
                continue;
            var (position, sequence) = (positions[(int)asked[i]], sequences[(int)asked[i]]);
            var context = new FusedContext(call, sequence, position);
            if (Pointers(pointers.Slice(i * 2 * slots * cells, 2 * slots * cells), slots, context) is not { } spans || context.Texts(spans) is not { } texts)
                continue;
            var result = FusedPrograms.Known(Name(call.Input<byte>(15), program - 1)).Run(texts, mayFire[i] == 2 ? new() { Plain = true } : default);
            // What there is no result of is said in words, where there are words.
            if (!(result.Failure == ProgramFailure.None || (result.Failure == ProgramFailure.Undefined && mayFire[i] == 1)))
                continue;
            fired[i] = program;
            written[i] = context.Encode(lead[2 * i + 1] > lead[2 * i] ? $" {result.Text}" : result.Text);
            for (var slot = 0; slot < spans.Length; slot++)
                (operands[i * 2 * slots + 2 * slot], operands[i * 2 * slots + 2 * slot + 1]) = (spans[slot].First, spans[slot].Last);
            silenced |= 1L << (int)sequence;
        }
        var (rows, logits, rowOf) = (new List<long>(), new List<long>(), new Dictionary<long, long>());
        bool GoesOn(long sequence) => (silenced >> (int)sequence & 1) == 0;
        for (var i = 0; i < pending.Length; i++)
        {
            if (GoesOn(pending[i]))
                rows.Add(i);
        }
        for (var i = 0; i < sequences.Length; i++)
        {
            if (!GoesOn(sequences[i]))
                continue;
            rowOf[i] = rows.Count;
            rows.Add(pending.Length + i);
        }
        foreach (var at in asked)
        {
            if (rowOf.TryGetValue(at, out var row))
                logits.Add(row);
        }
        return new(fired, operands, written, [.. rows], [.. logits]);
    }

    /// <summary>The most probable first and last tokens of the operands that there are, as positions; null where one lies after the other's end.</summary>
    static (long First, long Last)[]? Pointers(ReadOnlySpan<float> scores, int slots, FusedContext context)
    {
        var spans = new List<(long, long)>();
        var cells = scores.Length / (2 * slots);
        for (var slot = 0; slot < slots; slot++)
        {
            var first = context.Most(scores.Slice(2 * slot * cells, cells));
            // One that points to where the result is due is none.
            if (first == context.Position)
                break;
            var last = context.Most(scores.Slice((2 * slot + 1) * cells, cells));
            spans.Add((first, Math.Max(first, last)));
        }
        return spans.Count == 0 ? null : [.. spans];
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
    readonly ReadOnlySpan<byte> bytes;
    readonly ReadOnlySpan<int> begins, sorted;
    readonly int sequence;

    public FusedContext(ExactCall call, long sequence, long position)
    {
        positions = call.Input<long>(9);
        sequences = call.Input<long>(10);
        tokens = call.Input<long>(11);
        bytes = call.Input<byte>(12);
        begins = call.Input<int>(13);
        sorted = call.Input<int>(14);
        (this.sequence, Position) = ((int)sequence, position);
    }

    /// <summary>The position of the last token.</summary>
    public long Position { get; }

    bool Holds(int cell) => (sequences[cell] >> sequence & 1) != 0 && positions[cell] <= Position;

    /// <summary>The position of the cell with the highest score.</summary>
    public long Most(ReadOnlySpan<float> scores)
    {
        var most = -1;
        for (var cell = 0; cell < scores.Length; cell++)
        {
            if (Holds(cell) && (most < 0 || scores[cell] > scores[most] || (scores[cell] == scores[most] && positions[cell] < positions[most])))
                most = cell;
        }
        return positions[most];
    }

    ReadOnlySpan<byte> Bytes(long token) => bytes[begins[(int)token]..begins[(int)token + 1]];

    /// <summary>What stands in the text between positions; null where some of it has been shifted out of the context.</summary>
    public string[]? Texts(ReadOnlySpan<(long First, long Last)> spans)
    {
        var texts = new string[spans.Length];
        for (var i = 0; i < spans.Length; i++)
        {
            var (first, last) = spans[i];
            var own = new long[last - first + 1];
            Array.Fill(own, -1);
            for (var cell = 0; cell < positions.Length; cell++)
            {
                if (Holds(cell) && positions[cell] >= first && positions[cell] <= last)
                    own[positions[cell] - first] = tokens[cell];
            }
            if (own.Contains(-1))
                return null;
            var text = new List<byte>();
            foreach (var token in own)
                text.AddRange(Bytes(token));
            texts[i] = Encoding.UTF8.GetString([.. text]).Trim();
        }
        return texts;
    }

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
