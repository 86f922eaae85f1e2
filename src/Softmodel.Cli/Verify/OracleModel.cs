using System.Runtime.InteropServices;
using Google.Protobuf;
using Softmodel.Graphs;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Runtime;

namespace Softmodel.Cli.Verify;

/// <summary>A copy of an ONNX model, changed so that another program can be asked for what ours computes.</summary>
sealed class OracleModel
{
    const string Prefix = "given_noise_";

    static readonly string[] random = ["RandomNormalLike", "RandomNormal", "RandomUniformLike", "RandomUniform", "Bernoulli", "Multinomial"];

    readonly ModelProto model;

    OracleModel(ModelProto model) => this.model = model;

    /// <summary>Reads a model; null where its tensors lie in other files.</summary>
    public static OracleModel? Read(string path)
    {
        using var stream = File.OpenRead(path);
        var model = ModelProto.Parser.ParseFrom(stream);
        return model.Functions.Count > 0 || Graphs(model.Graph).SelectMany(g => g.Initializer).Any(t => t.DataLocation == TensorProto.Types.DataLocation.External) ? null : new(model);
    }

    /// <summary>Writes it as a file.</summary>
    public void Write(string path)
    {
        using var stream = File.Create(path);
        model.WriteTo(stream);
    }

    /// <summary>
    /// Makes 32-bit numbers of all 16-bit ones, in which nothing is lost. ONNX Runtime computes most operators in 32 bits
    /// in any case, but rounds to 16 between some, and which depends on how far it optimizes: it differs from itself there.
    /// </summary>
    /// <returns>Whether there were any.</returns>
    public bool Widen()
    {
        var widened = false;
        void Tensor(TensorProto tensor)
        {
            if (tensor.DataType != (int)ElementType.Float16)
                return;
            var bits = tensor.RawData.Length > 0 ? MemoryMarshal.Cast<byte, Half>(tensor.RawData.Span).ToArray() : [.. tensor.Int32Data.Select(i => BitConverter.UInt16BitsToHalf((ushort)i))];
            tensor.Int32Data.Clear();
            tensor.RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes<float>([.. bits.Select(h => (float)h)]));
            (tensor.DataType, widened) = ((int)ElementType.Float32, true);
        }
        foreach (var graph in Graphs(model.Graph))
        {
            foreach (var tensor in graph.Initializer)
                Tensor(tensor);
            foreach (var value in graph.Input.Concat(graph.Output).Concat(graph.ValueInfo).Where(v => v.Type?.TensorType?.ElemType == (int)ElementType.Float16))
                value.Type.TensorType.ElemType = (int)ElementType.Float32;
            foreach (var attribute in graph.Node.SelectMany(n => n.Attribute))
            {
                if (attribute.T is { } tensor)
                    Tensor(tensor);
                if (attribute.Name is "to" or "dtype" && attribute.I == (int)ElementType.Float16)
                    (attribute.I, widened) = ((int)ElementType.Float32, true);
            }
        }
        return widened;
    }

    /// <summary>Lets the model give all tensors that it rounds to few bits, too.</summary>
    /// <returns>For each of them, in order, its name and the node that rounds; none where the model rounds nothing.</returns>
    public IReadOnlyList<(string Output, string Node)> GiveRounded()
    {
        // Those within bodies of control flow are no values of the graph.
        var rounded = model.Graph.Node.Where(n => n.OpType is "DynamicQuantizeLinear" or "QuantizeLinear" && n.Output[0].Length > 0)
            .Select(n => (Output: n.Output[0], Node: n.Name.Length > 0 ? $"{n.OpType} '{n.Name}'" : $"the {n.OpType} that gives '{n.Output[0]}'")).ToArray();
        model.Graph.Output.Clear();
        model.Graph.Output.AddRange(rounded.Select(r => new ValueInfoProto { Name = r.Output }));
        return rounded;
    }

    /// <summary>Lets each <c>RandomNormalLike</c> take its numbers, in order, from a vector of any length that is a new input.</summary>
    /// <returns>The new inputs; none, and no change, where the model has no random numbers or some of another kind.</returns>
    public IReadOnlyList<string> GiveNoise()
    {
        var kinds = Graphs(model.Graph).SelectMany(g => g.Node).Select(n => n.OpType).Where(random.Contains).ToHashSet();
        if (!kinds.SetEquals([random[0]]))
            return [];
        var inputs = new List<string>();
        foreach (var graph in Graphs(model.Graph).ToArray())
        {
            var nodes = graph.Node.ToArray();
            graph.Node.Clear();
            foreach (var node in nodes)
                graph.Node.Add(node.OpType == random[0] ? Given(node, inputs) : [node]);
        }
        foreach (var input in inputs)
        {
            var length = new TensorShapeProto.Types.Dimension { DimParam = input + "_length" };
            model.Graph.Input.Add(new ValueInfoProto { Name = input, Type = new() { TensorType = new() { ElemType = (int)ElementType.Float32, Shape = new() { Dim = { length } } } } });
        }
        model.Graph.Initializer.Add(new TensorProto { Name = Prefix + "0", DataType = (int)ElementType.Int64, Int64Data = { 0 } });
        model.Graph.Initializer.Add(new TensorProto { Name = Prefix + "1", DataType = (int)ElementType.Int64, Int64Data = { 1 } });
        return inputs;
    }

    static IEnumerable<GraphProto> Graphs(GraphProto graph) =>
        graph.Node.SelectMany(n => n.Attribute).SelectMany(a => a.G is null ? a.Graphs : a.Graphs.Append(a.G)).SelectMany(Graphs).Prepend(graph);

    static IEnumerable<NodeProto> Given(NodeProto node, List<string> inputs)
    {
        var input = $"{Prefix}of_{node.Output[0]}";
        inputs.Add(input);
        NodeProto Node(string type, string output, params string[] from) => new() { OpType = type, Name = $"{input} {type}", Input = { from }, Output = { output } };
        float Attribute(string name, float otherwise) => node.Attribute.FirstOrDefault(a => a.Name == name)?.F ?? otherwise;
        NodeProto Constant(string output, float value) => new() { OpType = "Constant", Output = { output }, Attribute = { new AttributeProto { Name = "value_float", Type = AttributeProto.Types.AttributeType.Float, F = value } } };
        return [
            Node("Size", $"{input}_size", node.Input[0]),
            Node("Range", $"{input}_flat", Prefix + "0", $"{input}_size", Prefix + "1"),
            Node("Shape", $"{input}_shape", node.Input[0]),
            Node("Reshape", $"{input}_index", $"{input}_flat", $"{input}_shape"),
            Node("Gather", $"{input}_plain", input, $"{input}_index"),
            Constant($"{input}_scale", Attribute("scale", 1)),
            Node("Mul", $"{input}_scaled", $"{input}_plain", $"{input}_scale"),
            Constant($"{input}_mean", Attribute("mean", 0)),
            Node("Add", node.Output[0], $"{input}_scaled", $"{input}_mean"),
        ];
    }

    /// <summary>Numbers for one of the new inputs: the same for the same name.</summary>
    /// <param name="input">The input.</param>
    /// <param name="count">How many.</param>
    public static Tensor Noise(string input, int count)
    {
        var numbers = new float[count];
        Philox.Normal((ulong)input.Length, 0, 0, numbers);
        return Tensor.Vector<float>(numbers);
    }
}
