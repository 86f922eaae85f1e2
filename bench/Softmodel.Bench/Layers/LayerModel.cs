using Softmodel.Bench.Differential;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Bench.Layers;

/// <summary>ONNX models of one or a few layers of a vision network.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Input">The shape of its input.</param>
/// <param name="Nodes">Its nodes: the input goes into the first, and the last one's output comes out.</param>
sealed record LayerModel(string Name, int[] Input, LayerModel.Layer[] Nodes)
{
    /// <summary>A node that takes what the one before it gives.</summary>
    /// <param name="Op">The operator.</param>
    /// <param name="Weights">The shape of its weights, where it has any.</param>
    /// <param name="Attributes">Its attributes, integers and lists of them.</param>
    public sealed record Layer(string Op, int[]? Weights, params (string Name, object? Value)[] Attributes);

    static Layer Conv(int from, int to, int[] kernel, int stride, int pad, int groups = 1, int dilation = 1) => new("Conv", [to, from / groups, .. kernel],
        ("kernel_shape", kernel), ("strides", Each(kernel, stride)), ("pads", Each([.. kernel, .. kernel], pad)), ("dilations", Each(kernel, dilation)), ("group", groups));

    static Layer Pool(string op, int kernel, int stride, int pad) => new(op, null, ("kernel_shape", new[] { kernel, kernel }), ("strides", new[] { stride, stride }), ("pads", new[] { pad, pad, pad, pad }));

    static int[] Each(int[] like, int value) => [.. like.Select(_ => value)];

    /// <summary>The layers of which networks for pictures are made, with large and small maps; the first nine are those of a report.</summary>
    public static readonly LayerModel[] All =
    [
        new("3x3 64 to 64, 80²", [1, 64, 80, 80], [Conv(64, 64, [3, 3], 1, 1)]),
        new("3x3 64 to 64, 80², stride 2", [1, 64, 80, 80], [Conv(64, 64, [3, 3], 2, 1)]),
        new("1x1 64 to 64, 80², stride 2", [1, 64, 80, 80], [Conv(64, 64, [1, 1], 2, 0)]),
        new("3 taps 64 to 64, 6400, stride 2", [1, 64, 6400], [Conv(64, 64, [3], 2, 1)]),
        new("3x3 3 to 32, 320², stride 2", [1, 3, 320, 320], [Conv(3, 32, [3, 3], 2, 1)]),
        new("3x3 depthwise 64, 80², stride 2", [1, 64, 80, 80], [Conv(64, 64, [3, 3], 2, 1, 64)]),
        new("MaxPool 3x3 stride 2, 64, 80²", [1, 64, 80, 80], [Pool("MaxPool", 3, 2, 1)]),
        new("MaxPool 5x5 twice, 64, 80²", [1, 64, 80, 80], [Pool("MaxPool", 5, 1, 2), Pool("MaxPool", 5, 1, 2)]),
        new("AveragePool 3x3, 64, 80²", [1, 64, 80, 80], [Pool("AveragePool", 3, 1, 1)]),
        new("3x3 depthwise 64, 80²", [1, 64, 80, 80], [Conv(64, 64, [3, 3], 1, 1, 64)]),
        new("5x5 depthwise 240, 20²", [1, 240, 20, 20], [Conv(240, 240, [5, 5], 1, 2, 240)]),
        new("3x3 depthwise 480, 7²", [1, 480, 7, 7], [Conv(480, 480, [3, 3], 1, 1, 480)]),
        new("1x1 64 to 128, 80²", [1, 64, 80, 80], [Conv(64, 128, [1, 1], 1, 0)]),
        new("1x1 256 to 128, 13²", [1, 256, 13, 13], [Conv(256, 128, [1, 1], 1, 0)]),
        new("3x3 128 to 128, 20²", [1, 128, 20, 20], [Conv(128, 128, [3, 3], 1, 1)]),
        new("3x3 256 to 256, 13²", [1, 256, 13, 13], [Conv(256, 256, [3, 3], 1, 1)]),
        new("3x3 512 to 512, 7²", [1, 512, 7, 7], [Conv(512, 512, [3, 3], 1, 1)]),
        new("3x3 64 to 256, 7²", [1, 64, 7, 7], [Conv(64, 256, [3, 3], 1, 1)]),
        new("3x3 64 to 256, 3²", [1, 64, 3, 3], [Conv(64, 256, [3, 3], 1, 1)]),
        new("1x1 512 to 1000, 3²", [1, 512, 3, 3], [Conv(512, 1000, [1, 1], 1, 0)]),
        new("3x3 64 to 64, 40², dilation 4", [1, 64, 40, 40], [Conv(64, 64, [3, 3], 1, 4, 1, 4)]),
        new("3x3 64 to 64 in 8 groups, 40²", [1, 64, 40, 40], [Conv(64, 64, [3, 3], 1, 1, 8)]),
        new("7x7 3 to 64, 224², stride 2", [1, 3, 224, 224], [Conv(3, 64, [7, 7], 2, 3)]),
        new("3x3 16 to 1, 160²", [1, 16, 160, 160], [Conv(16, 1, [3, 3], 1, 1)]),
        new("MaxPool 2x2 stride 2, 64, 80²", [1, 64, 80, 80], [Pool("MaxPool", 2, 2, 0)]),
        new("MaxPool 13x13, 192, 13²", [1, 192, 13, 13], [Pool("MaxPool", 13, 1, 6)]),
        new("1x1 8 to 8, 8 to 32, 320²", [1, 8, 320, 320], [Conv(8, 8, [1, 1], 1, 0), Conv(8, 32, [1, 1], 1, 0)]),
        new("2x2 24 to 24 transposed, 160², stride 2", [1, 24, 160, 160], [new("ConvTranspose", [24, 24, 2, 2], ("kernel_shape", new[] { 2, 2 }), ("strides", new[] { 2, 2 }))]),
        new("GlobalAveragePool 512, 13²", [1, 512, 13, 13], [new("GlobalAveragePool", null)]),
    ];

    /// <summary>Its model, with numbers for the input.</summary>
    public Draft Draw()
    {
        var draft = new Draft(1);
        draft.Since(17);
        Tensor Real(int[] dims, float most) =>
            Tensor.Of([.. Enumerable.Range(0, dims.Aggregate(1, (a, b) => a * b)).Select(_ => (draft.Random.NextSingle() * 2 - 1) * most)], [.. dims.Select(d => (long)d)]);
        var last = draft.Input(Real(Input, 1), known: true);
        foreach (var layer in Nodes)
            last = draft.Node(layer.Op, layer.Weights is { } shape ? [last, draft.Constant(Real(shape, 0.5f))] : [last], ElementType.Float32, layer.Attributes);
        return draft;
    }
}
