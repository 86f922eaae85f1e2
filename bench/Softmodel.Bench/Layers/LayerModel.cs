using Google.Protobuf;
using Softmodel.Import.Onnx.Wire;

namespace Softmodel.Bench.Layers;

/// <summary>ONNX models of one or a few layers of a vision network.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Input">The shape of its input.</param>
/// <param name="Nodes">Its nodes: x goes in, and the last one's output comes out.</param>
sealed record LayerModel(string Name, int[] Input, LayerModel.Layer[] Nodes)
{
    /// <summary>A node that takes what the one before it gives.</summary>
    /// <param name="Op">The operator.</param>
    /// <param name="Weights">The shape of its weights, where it has any.</param>
    /// <param name="Attributes">Its attributes, lists of whole numbers.</param>
    public sealed record Layer(string Op, int[]? Weights, params (string Name, int[] Values)[] Attributes);

    static Layer Conv(int from, int to, int[] kernel, int stride, int pad, int groups = 1, int dilation = 1) => new("Conv", [to, from / groups, .. kernel],
        ("kernel_shape", kernel), ("strides", Each(kernel, stride)), ("pads", Each([.. kernel, .. kernel], pad)), ("dilations", Each(kernel, dilation)), ("group", [groups]));

    static Layer Pool(string op, int kernel, int stride, int pad) => new(op, null, ("kernel_shape", [kernel, kernel]), ("strides", [stride, stride]), ("pads", [pad, pad, pad, pad]));

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
        new("3x3 64 to 64, 40², dilation 4", [1, 64, 40, 40], [Conv(64, 64, [3, 3], 1, 4, 1, 4)]),
        new("3x3 64 to 64 in 8 groups, 40²", [1, 64, 40, 40], [Conv(64, 64, [3, 3], 1, 1, 8)]),
        new("7x7 3 to 64, 224², stride 2", [1, 3, 224, 224], [Conv(3, 64, [7, 7], 2, 3)]),
        new("3x3 16 to 1, 160²", [1, 16, 160, 160], [Conv(16, 1, [3, 3], 1, 1)]),
        new("MaxPool 2x2 stride 2, 64, 80²", [1, 64, 80, 80], [Pool("MaxPool", 2, 2, 0)]),
        new("GlobalAveragePool 512, 13²", [1, 512, 13, 13], [new("GlobalAveragePool", null)]),
    ];

    /// <summary>The bytes of its ONNX file.</summary>
    public byte[] Bytes()
    {
        var random = new Random(1);
        var graph = new GraphProto { Name = "layers" };
        graph.Input.Add(Info("x", Input));
        var last = "x";
        foreach (var (layer, i) in Nodes.Select((n, i) => (n, i)))
        {
            var node = new NodeProto { OpType = layer.Op, Name = $"{layer.Op}_{i}" };
            node.Input.Add(last);
            if (layer.Weights is { } shape)
            {
                var weights = new TensorProto { Name = $"w{i}", DataType = 1 };
                weights.Dims.AddRange(shape.Select(d => (long)d));
                var values = new float[shape.Aggregate(1, (a, b) => a * b)];
                foreach (ref var value in values.AsSpan())
                    value = (float)(random.NextDouble() - 0.5);
                weights.RawData = ByteString.CopyFrom(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
                graph.Initializer.Add(weights);
                node.Input.Add(weights.Name);
            }
            foreach (var (name, values) in layer.Attributes)
            {
                var attribute = new AttributeProto { Name = name };
                if (name == "group")
                    (attribute.Type, attribute.I) = (AttributeProto.Types.AttributeType.Int, values[0]);
                else
                {
                    attribute.Type = AttributeProto.Types.AttributeType.Ints;
                    attribute.Ints.AddRange(values.Select(v => (long)v));
                }
                node.Attribute.Add(attribute);
            }
            node.Output.Add(last = $"y{i}");
            graph.Node.Add(node);
        }
        graph.Output.Add(Info(last, null));
        return new ModelProto { IrVersion = 8, Graph = graph, OpsetImport = { new OperatorSetIdProto { Domain = "", Version = 17 } } }.ToByteArray();
    }

    static ValueInfoProto Info(string name, int[]? dims)
    {
        var type = new TypeProto.Types.Tensor { ElemType = 1 };
        if (dims is not null)
        {
            type.Shape = new();
            type.Shape.Dim.AddRange(dims.Select(d => new TensorShapeProto.Types.Dimension { DimValue = d }));
        }
        return new() { Name = name, Type = new() { TensorType = type } };
    }
}
