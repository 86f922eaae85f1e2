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
        new("vocoder", "ConvNeXt vocoder: 192 features to 6 blocks of width 160 with kernel 9, inverse STFT 1024/256, multi-resolution STFT loss, batch 12 x 48 frames", Vocoder,
            random => [Floats(random, 12, 192, 48), Floats(random, 12, 48 * 256)]),
        new("resnet", "ResNet-18 with batch norm on 64 x 64 pictures, batch 16, 10 classes", ResNet,
            random => [Floats(random, 16, 3, 64, 64), Integers(random, 10, 16)]),
        new("lstm", "2 layers of width 256 over 64 words, vocabulary 4096, batch 32, 10 classes", Lstm,
            random => [Integers(random, 4096, 64, 32), Integers(random, 10, 32)]),
    ];

    static Tensor Floats(Random random, params ReadOnlySpan<long> dims) =>
        Tensor.Of<float>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)(random.NextDouble() * 2 - 1))], dims);

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

    static Graph Vocoder()
    {
        const int batch = 12, frames = 48, width = 160, size = 1024, hop = 256, bins = size / 2 + 1;
        var net = new Network("vocoder", seed: 2);
        var (features, target) = (net.Input("features", ElementType.Float32, batch, 192, frames), net.Input("target", ElementType.Float32, batch, frames * hop));
        var x = net.Convolution("in", features, width, kernel: 7);
        for (var block = 0; block < 6; block++)
            x = net.ConvNeXt($"blocks.{block}", x, 4 * width, kernel: 9);
        var spectrum = net.Linear("out", net.LayerNorm("norm", x.Transpose(0, 2, 1)), 2 * bins);
        var (magnitude, phase) = (spectrum.Slice(2, 0, bins).Map(Functions.Exp).Min(100), spectrum.Slice(2, bins, bins));
        Term Part(Function wave) => (magnitude * phase.Map(wave)).Unsqueeze(2);
        var sound = Fourier.InverseShortTime(Part(Functions.Cos).Concat(2, Part(Functions.Sin)), Fourier.Hann(size), hop);
        return net.Build(("loss", Losses.MultiResolutionStft(sound, target, (512, 128), (1024, 256), (2048, 512))));
    }

    static Graph ResNet()
    {
        const int batch = 16, size = 64;
        var net = new Network("resnet", seed: 3);
        var (pictures, labels) = (net.Input("pictures", ElementType.Float32, batch, 3, size, size), net.Input("labels", ElementType.Int64, batch));
        Term Convolved(Network part, string name, Term x, int channels, int kernel, int stride) => part.Block(name) is var both
            ? both.BatchNorm("norm", both.Convolution("conv", x, channels, kernel, stride, hasBias: false)) : default;
        var x = Convolved(net, "stem", pictures, 64, 7, 2).Max(0);
        x = x.Pad([0, 0, 1, 1], [0, 0, 1, 1], double.NegativeInfinity).Apply(new Op.Unfold(2, 3, 2, 1)).Apply(new Op.Unfold(3, 3, 2, 1)).Reduce(Reduction.Max, [4, 5]);
        foreach (var (index, block) in net.Blocks("blocks", 8).Index())
        {
            var (channels, stride) = (64 << (index / 2), index is 2 or 4 or 6 ? 2 : 1);
            var y = Convolved(block, "second", Convolved(block, "first", x, channels, 3, stride).Max(0), channels, 3, 1);
            x = (y + (stride == 1 ? x : Convolved(block, "shortcut", x, channels, 1, stride))).Max(0);
        }
        return net.Build(("loss", Losses.CrossEntropy(net.Linear("head", x.Mean(2, 3).Squeeze(2, 3), 10), labels)));
    }

    static Graph Lstm()
    {
        const int length = 64, batch = 32, width = 256;
        var net = new Network("lstm", seed: 4);
        var (ids, labels) = (net.Input("ids", ElementType.Int64, length, batch), net.Input("labels", ElementType.Int64, batch));
        var x = net.Embedding("embeddings", ids, 4096, width, 1);
        for (var layer = 0; layer < 2; layer++)
            x = net.Lstm($"layers.{layer}", x, width);
        return net.Build(("loss", Losses.CrossEntropy(net.Linear("head", x.Slice(0, length - 1, 1).Squeeze(0), 10), labels)));
    }
}
