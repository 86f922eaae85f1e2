using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Cli.Bench;

/// <summary>A network whose training is timed; <c>Baselines/pytorch.py</c> has the same in PyTorch.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="About">What it is, in a line.</param>
/// <param name="Write">Its graph, whose first output is the loss.</param>
/// <param name="Batch">A batch, one tensor for each input.</param>
sealed record TrainNetwork(string Name, string About, Func<Graph> Write, Func<Random, Tensor[]> Batch);

/// <summary>The networks whose training is timed.</summary>
static class TrainNetworks
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<TrainNetwork> All { get; } =
    [
        new("transformer", "6 pre-norm layers of width 256, 8 heads, feed-forward 1024, vocabulary 4096, batch 8 x 128", Transformer,
            random => [Integers(random, 4096, 8, 128), Integers(random, 4096, 8, 128)]),
    ];

    static Tensor Integers(Random random, int below, params ReadOnlySpan<long> dims) =>
        Tensor.Of<long>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (long)random.Next(below))], dims);

    static Graph Transformer()
    {
        const int batch = 8, length = 128, width = 256, vocabulary = 4096;
        var net = new Network("transformer", seed: 1);
        var (ids, next) = (net.Input("ids", ElementType.Int64, batch, length), net.Input("next", ElementType.Int64, batch, length));
        var x = net.Embedding("embeddings", ids, vocabulary, width) + net.Normal("positions", 0.02, length, width);
        foreach (var layer in net.Blocks("layers", 6))
        {
            x += layer.Attention("attention", layer.LayerNorm("norm1", x), heads: 8, isCausal: true);
            x += layer.Linear("down", layer.Linear("up", layer.LayerNorm("norm2", x), 4 * width).Gelu(), width);
        }
        return net.Build(("loss", Losses.CrossEntropy(net.Linear("head", net.LayerNorm("norm", x), vocabulary), next)));
    }
}
