using Google.Protobuf;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Conformance;
using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Import.Onnx.Wire;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Import;

/// <summary>Small ONNX models, node by node.</summary>
sealed class OnnxModels
{
    readonly GraphProto graph = new() { Name = "made" };
    int values;

    /// <summary>The version of the standard operators.</summary>
    public int Opset { get; init; } = 18;

    /// <summary>The operator set of the nodes; empty for the standard one.</summary>
    public string Domain { get; init; } = "";

    /// <summary>An input; a size is a number, a name, or empty.</summary>
    public string Input(string name, DataType type, params object[] dims)
    {
        var shape = new TensorShapeProto();
        foreach (var dim in dims)
            shape.Dim.Add(dim is string symbol ? symbol.Length > 0 ? new() { DimParam = symbol } : new() : new TensorShapeProto.Types.Dimension { DimValue = Convert.ToInt64(dim) });
        graph.Input.Add(new ValueInfoProto { Name = name, Type = new() { TensorType = new() { ElemType = (int)type, Shape = shape } } });
        return name;
    }

    /// <summary>Numbers known when the model is made.</summary>
    public string Numbers(params long[] values) => Constant(Tensor.Vector<long>(values));

    /// <summary>One number known when the model is made.</summary>
    public string Number(long value) => Constant(Tensor.Scalar(value));

    /// <summary>An initializer.</summary>
    public string Constant(Tensor tensor, string? name = null)
    {
        name ??= $"c{values++}";
        graph.Initializer.Add(new TensorProto { Name = name, DataType = (int)tensor.Type, Dims = { tensor.Dims.ToArray() }, RawData = ByteString.CopyFrom(tensor.Bytes.Span) });
        return name;
    }

    /// <summary>A node; gives back its first result.</summary>
    public string Node(string op, string[] inputs, params (string Name, object Value)[] attributes) => Nodes(op, inputs, 1, attributes)[0];

    /// <summary>A node with several results.</summary>
    public string[] Nodes(string op, string[] inputs, int results, params (string Name, object Value)[] attributes)
    {
        string[] outputs = [.. Enumerable.Range(0, results).Select(_ => $"v{values++}")];
        var node = new NodeProto { OpType = op, Domain = Domain, Name = $"{op.ToLowerInvariant()}{values}", Input = { inputs }, Output = { outputs } };
        foreach (var (name, value) in attributes)
        {
            node.Attribute.Add(value switch
            {
                bool b => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = b ? 1 : 0 },
                int or long => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = Convert.ToInt64(value) },
                float f => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Float, F = f },
                long[] i => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Ints, Ints = { i } },
                string s => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8(s) },
                GraphProto g => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Graph, G = g },
                TensorProto t => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Tensor, T = t },
                _ => throw new ArgumentException(value.GetType().Name),
            });
        }
        graph.Node.Add(node);
        return outputs;
    }

    /// <summary>The graph, to be changed by hand.</summary>
    public GraphProto Graph => graph;

    /// <summary>The model's file, with results of these types.</summary>
    public byte[] File(params (string Name, DataType Type)[] outputs)
    {
        foreach (var (name, type) in outputs)
            graph.Output.Add(new ValueInfoProto { Name = name, Type = new() { TensorType = new() { ElemType = (int)type } } });
        var model = new ModelProto { IrVersion = 8, OpsetImport = { new OperatorSetIdProto { Version = Opset } }, Graph = graph };
        if (Domain.Length > 0)
            model.OpsetImport.Add(new OperatorSetIdProto { Domain = Domain, Version = 1 });
        return model.ToByteArray();
    }

    /// <summary>What ONNX Runtime computes; null where it refuses the model or the run, and why.</summary>
    public static (Tensor[]? Results, string Reason) Expected(byte[] model, params (string Name, Tensor Value)[] inputs)
    {
        try
        {
            using var baseline = OnnxRuntimeBaseline.Load(model);
            return (baseline.Run([.. baseline.Inputs.Select(name => inputs.First(i => i.Name == name).Value)]), "");
        }
        catch (SoftmodelException e)
        {
            return (null, e.Message);
        }
    }

    /// <summary>What comes of the graph of a model's file, which is gone afterwards.</summary>
    public static T Imported<T>(byte[] model, Func<Graph, T> use, IReadOnlyDictionary<string, long>? sizes = null, IReadOnlyDictionary<string, long[]>? shapes = null)
    {
        var path = Path.Combine(Path.GetTempPath(), $"softmodel-made-{Guid.NewGuid():N}.onnx");
        System.IO.File.WriteAllBytes(path, model);
        try
        {
            using var file = OnnxFile.Open(path);
            var imported = OnnxImport.Read(file.Model, Evaluator.Fold, sizes, shapes);
            imported.Validate();
            var simple = Pipeline.Exact(imported, Evaluator.Fold);
            simple.Validate();
            return use(simple);
        }
        finally
        {
            System.IO.File.Delete(path);
        }
    }

    /// <summary>Where results differ; empty where they don't.</summary>
    public static string Difference(Tensor[] expected, Tensor[] actual)
    {
        if (expected.Length != actual.Length)
            return $"{actual.Length} results and not {expected.Length}";
        for (var o = 0; o < expected.Length; o++)
        {
            if (new Tolerance(5e-5, 5e-5).Difference(expected[o], actual[o]) is { } difference)
                return $"result {o}: {difference}";
        }
        return "";
    }
}
