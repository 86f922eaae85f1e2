using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>What a step is taken on.</summary>
/// <param name="Inputs">One tensor for each of the network's inputs, in order.</param>
/// <param name="Examples">What each example is called in messages, as <c>reviews.csv:17</c>.</param>
public sealed record Batch(IReadOnlyList<Tensor> Inputs, IReadOnlyList<string> Examples);

/// <summary>Where batches come from.</summary>
/// <param name="Identity">A hash of the examples, and of how they become batches: a checkpoint goes on only with the same.</param>
/// <param name="Epoch">
/// The batches of an epoch (counted from 0), from one of them on (counted from 0): the same whenever they are asked for, and read as they
/// are needed. An epoch may go on for ever.
/// </param>
public sealed record BatchSource(string Identity, Func<long, long, IEnumerable<Batch>> Epoch);

/// <summary>How examples become batches.</summary>
public static class Batches
{
    // How many batches' worth of examples are sorted by length at once: what lies further apart stays in random order.
    const int Pool = 32;

    /// <summary>Batches of an epoch: each example once, those of like length together, batches in random order.</summary>
    /// <param name="lengths">How long each example is.</param>
    /// <param name="size">How many examples a batch has; the last one may have fewer.</param>
    /// <param name="seed">What the order is drawn from, together with the epoch.</param>
    /// <param name="epoch">The number of the epoch.</param>
    /// <returns>The examples of each batch, by their numbers.</returns>
    public static IReadOnlyList<int[]> Of(IReadOnlyList<int> lengths, int size, ulong seed, long epoch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        int[] order = Shuffled(lengths.Count, seed, 2 * (ulong)epoch);
        int[][] batches = [.. order.Chunk(size * Pool).SelectMany(pool => pool.OrderBy(i => lengths[i]).Chunk(size))];
        return [.. Shuffled(batches.Length, seed, 2 * (ulong)epoch + 1).Select(i => batches[i])];
    }

    static int[] Shuffled(int count, ulong seed, ulong stream)
    {
        var keys = new float[count];
        Philox.Uniform(seed, stream, 0, keys);
        return [.. Enumerable.Range(0, count).OrderBy(i => keys[i])];
    }

    /// <summary>Rows of different lengths as one tensor.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="padding">What stands behind shorter ones.</param>
    /// <returns>The rows, Int64 [rows, longest], and 1 where an element is none of the padding, else 0, of the same shape.</returns>
    public static (Tensor Rows, Tensor Mask) Padded(IReadOnlyList<int[]> rows, long padding = 0)
    {
        var longest = rows.Max(r => r.Length);
        var (values, mask) = (new long[rows.Count * longest], new long[rows.Count * longest]);
        Array.Fill(values, padding);
        for (var i = 0; i < rows.Count; i++)
        {
            for (var j = 0; j < rows[i].Length; j++)
                (values[i * longest + j], mask[i * longest + j]) = (rows[i][j], 1);
        }
        return (Tensor.Of<long>(values, rows.Count, longest), Tensor.Of<long>(mask, rows.Count, longest));
    }
}
