using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Passes;
using Softmodel.Tests.Generated;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Import;

/// <summary>Small ONNX models, node by node.</summary>
sealed class OnnxModels
{
    readonly GraphProto graph = new() { Name = "made" };
    int values;

    /// <summary>The version of the standard operators.</summary>
    public int Opset { get; init; } = 18;

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
        var node = new NodeProto { OpType = op, Name = $"{op.ToLowerInvariant()}{values}", Input = { inputs }, Output = { outputs } };
        foreach (var (name, value) in attributes)
        {
            node.Attribute.Add(value switch
            {
                int i => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = i },
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
        return new ModelProto { IrVersion = 8, OpsetImport = { new OperatorSetIdProto { Version = Opset } }, Graph = graph }.ToByteArray();
    }

    /// <summary>What ONNX Runtime computes; null where it refuses the model or the run, and why.</summary>
    public static (Tensor[]? Results, string Reason) Expected(byte[] model, params (string Name, Tensor Value)[] inputs)
    {
        using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        try
        {
            using var session = new InferenceSession(model, options);
            using var run = new RunOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
            return (Answers.Run(session, run, [.. inputs.Select(i => i.Name)], [.. inputs.Select(i => i.Value)], [.. session.OutputNames]), "");
        }
        catch (OnnxRuntimeException e)
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
            var simple = Simplify.Apply(imported, Evaluator.Fold);
            simple.Validate();
            return use(simple);
        }
        finally
        {
            System.IO.File.Delete(path);
        }
    }

    /// <summary>Where results differ; empty where they don't.</summary>
    public static string Difference(Tensor[] expected, Tensor[] actual, double tolerance = 1e-4)
    {
        if (expected.Length != actual.Length)
            return $"{actual.Length} results and not {expected.Length}";
        for (var o = 0; o < expected.Length; o++)
        {
            var (a, b) = (expected[o], actual[o]);
            if (a.Type != b.Type || !a.Dims.SequenceEqual(b.Dims))
                return $"result {o} is {b.TensorType} and not {a.TensorType}";
            for (var i = 0; i < a.Count; i++)
            {
                if (a.Real(i) != b.Real(i) && !(Math.Abs(a.Real(i) - b.Real(i)) <= tolerance * Math.Max(1, Math.Abs(a.Real(i)))) && !(double.IsNaN(a.Real(i)) && double.IsNaN(b.Real(i))))
                    return $"result {o}[{i} of {a.TensorType}] is {b.Real(i)} and not {a.Real(i)}";
            }
        }
        return "";
    }
}
