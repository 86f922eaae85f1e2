using Google.Protobuf;
using Softmodel.Import.Onnx;
using Softmodel.Import.Onnx.Wire;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Import;

public sealed class OnnxFileTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static NodeProto Node(string op, string[] inputs, params string[] outputs) => new() { OpType = op, Input = { inputs }, Output = { outputs } };

    static ValueInfoProto Value(string name, params long[] dims) => new()
    {
        Name = name,
        Type = new() { TensorType = new() { ElemType = (int)DataType.Float, Shape = new() { Dim = { dims.Select(d => new TensorShapeProto.Types.Dimension { DimValue = d }) } } } },
    };

    static TensorProto Weights(string name, long[] dims, params float[] values) => new() { Name = name, DataType = (int)DataType.Float, Dims = { dims }, FloatData = { values } };

    /// <summary>y = Add(x, w), to be spoiled.</summary>
    static ModelProto Sum() => new()
    {
        IrVersion = 8,
        OpsetImport = { new OperatorSetIdProto { Version = 17 } },
        Graph = new()
        {
            Name = "sum",
            Input = { Value("x", 2) },
            Output = { Value("y", 2) },
            Initializer = { Weights("w", [2], 1, 2) },
            Node = { Node("Add", ["x", "w"], "y") },
        },
    };

    string Write(byte[] bytes)
    {
        var path = Path.Combine(folder, "model.onnx");
        File.WriteAllBytes(path, bytes);
        return path;
    }

    OnnxFile Open(ModelProto model) => OnnxFile.Open(Write(model.ToByteArray()));

    string Refusal(ModelProto model) => Assert.Throws<SoftmodelException>(() => Open(model)).Message;

    string Refusal(Action<ModelProto> spoil)
    {
        var model = Sum();
        spoil(model);
        return Refusal(model);
    }

    [Fact]
    public void A_sound_model_is_read()
    {
        using var file = Open(Sum());
        Assert.Equal(17, file.Model.Opsets[""]);
        Assert.Equal("Add", Assert.Single(file.Model.Graph.Nodes).Operator.Name);
        Assert.Equal([1f, 2f], file.Model.Graph.Initializers["w"].ToTensor().Values<float>().ToArray());
    }

    [Fact]
    public void Nodes_are_put_in_order()
    {
        var model = Sum();
        model.Graph.Node.Insert(0, Node("Neg", ["y"], "z"));
        using var file = Open(model);
        Assert.Equal(["Add", "Neg"], file.Model.Graph.Nodes.Select(n => n.Operator.Name));
    }

    [Theory]
    [InlineData("cycle")]
    [InlineData("second time")]
    [InlineData("which nothing computes")]
    [InlineData("gives back 'nowhere'")]
    [InlineData("negative or too large")]
    [InlineData("ask for 3 elements")]
    [InlineData("is defined twice")]
    [InlineData("no element type")]
    [InlineData("has a size of -5")]
    [InlineData("no operator set")]
    [InlineData("65 axes")]
    public void What_is_wrong_is_said(string words)
    {
        var message = Refusal(m => _ = words switch
        {
            "cycle" => Done(() => m.Graph.Node.Add([Node("Add", ["a", "x"], "b"), Node("Add", ["b", "x"], "a")])),
            "second time" => Done(() => m.Graph.Node.Add(Node("Neg", ["x"], "y"))),
            "which nothing computes" => Done(() => m.Graph.Node.Add(Node("Neg", ["q"], "z"))),
            "gives back 'nowhere'" => Done(() => m.Graph.Output.Add(Value("nowhere", 2))),
            "negative or too large" => Done(() => m.Graph.Initializer[0].Dims[0] = -2),
            "ask for 3 elements" => Done(() => { m.Graph.Initializer[0].Dims[0] = 3; m.Graph.Initializer[0].FloatData.Clear(); }),
            "is defined twice" => Done(() => m.Graph.Initializer.Add(Weights("w", [1], 1))),
            "no element type" => Done(() => m.Graph.Initializer[0].DataType = 99),
            "has a size of -5" => Done(() => m.Graph.Input[0].Type.TensorType.Shape.Dim[0].DimValue = -5),
            "no operator set" => Done(m.OpsetImport.Clear),
            "65 axes" => Done(() => m.Graph.Initializer[0].Dims.Add(Enumerable.Repeat(1L, 64))),
            _ => throw new ArgumentException(words),
        });
        Assert.Contains(words, message);
        Assert.StartsWith(Path.Combine(folder, "model.onnx"), message);

        static bool Done(Action action)
        {
            action();
            return true;
        }
    }

    [Fact]
    public void Huge_sizes_cost_nothing()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("ask for", Refusal(m => m.Graph.Initializer[0].Dims[0] = 1L << 40));
        Assert.Contains("ask for", Refusal(m => m.Graph.Initializer[0].Dims.Add([1L << 20, 1L << 20])));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void Bodies_may_not_nest_without_end()
    {
        var body = new GraphProto { Name = "innermost" };
        for (var depth = 0; depth < 60; depth++)
        {
            var node = Node("If", ["x"], "y");
            node.Attribute.Add(new AttributeProto { Name = "then_branch", Type = AttributeProto.Types.AttributeType.Graph, G = body });
            body = new GraphProto { Name = "outer", Node = { node } };
        }
        Assert.Contains("bodies lie within one another", Refusal(m => m.Graph = body));
    }

    [Fact]
    public void Functions_may_not_call_themselves()
    {
        var message = Refusal(m => m.Functions.Add(new FunctionProto { Name = "F", Domain = "d", Input = { "a" }, Output = { "b" }, Node = { new NodeProto { OpType = "F", Domain = "d", Input = { "a" }, Output = { "b" } } } }));
        Assert.Contains("calls itself", message);
    }

    [Fact]
    public void Every_cut_is_noticed()
    {
        var whole = Sum().ToByteArray();
        for (var length = 1; length < whole.Length; length++)
        {
            var path = Write(whole[..length]);
            try
            {
                using var file = OnnxFile.Open(path);
                // What is cut off may be a whole field at the end, such as the operator set.
                Assert.Equal("Add", file.Model.Graph.Nodes[0].Operator.Name);
            }
            catch (SoftmodelException e)
            {
                Assert.StartsWith(path, e.Message);
            }
        }
    }

    [Theory]
    [InlineData("there is no such file", "absent.onnx")]
    [InlineData("but a folder", "")]
    public void A_file_that_is_not_there_is_named(string words, string name) =>
        Assert.Contains(words, Assert.Throws<SoftmodelException>(() => OnnxFile.Open(Path.Combine(folder, name))).Message);

    [Fact]
    public void An_empty_file_is_refused() => Assert.Contains("empty", Assert.Throws<SoftmodelException>(() => OnnxFile.Open(Write([]))).Message);

    static ModelProto External(string location, string offset = "0", string length = "8")
    {
        var model = Sum();
        var weights = model.Graph.Initializer[0];
        weights.FloatData.Clear();
        weights.DataLocation = TensorProto.Types.DataLocation.External;
        weights.ExternalData.Add([new StringStringEntryProto { Key = "location", Value = location }, new StringStringEntryProto { Key = "offset", Value = offset }, new StringStringEntryProto { Key = "length", Value = length }]);
        return model;
    }

    [Theory]
    [InlineData("weights.bin")]
    [InlineData("below/weights.bin")]
    [InlineData("linked.bin")]
    public void Weights_may_lie_beside_the_model(string location)
    {
        Directory.CreateDirectory(Path.Combine(folder, "below"));
        foreach (var name in new[] { "weights.bin", "below/weights.bin" })
            File.WriteAllBytes(Path.Combine(folder, name), [0, 0, 0, 0, .. BitConverter.GetBytes(3f), .. BitConverter.GetBytes(4f)]);
        File.CreateSymbolicLink(Path.Combine(folder, "linked.bin"), "weights.bin");
        using var file = Open(External(location, offset: "4"));
        Assert.Equal([3f, 4f], file.Model.Graph.Initializers["w"].ToTensor().Values<float>().ToArray());
    }

    [Theory]
    [InlineData("../secret.bin")]
    [InlineData("below/../../secret.bin")]
    [InlineData("/etc/hostname")]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("C:\\secret.bin")]
    [InlineData("below\\..\\secret.bin")]
    [InlineData("link/secret.bin")]
    [InlineData("linked.bin")]
    public void No_model_reads_outside_its_folder(string location)
    {
        var inner = Directory.CreateDirectory(Path.Combine(folder, "inner")).FullName;
        Directory.CreateDirectory(Path.Combine(inner, "below"));
        File.WriteAllBytes(Path.Combine(folder, "secret.bin"), new byte[8]);
        Directory.CreateSymbolicLink(Path.Combine(inner, "link"), folder);
        File.CreateSymbolicLink(Path.Combine(inner, "linked.bin"), Path.Combine(folder, "secret.bin"));
        var path = Path.Combine(inner, "model.onnx");
        File.WriteAllBytes(path, External(location).ToByteArray());
        Assert.Contains("its own folder", Assert.Throws<SoftmodelException>(() => OnnxFile.Open(path)).Message.Replace("leaves the model's folder", "its own folder", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("0", "16", "8")]
    [InlineData("1", "8", "8")]
    [InlineData("9223372036854775807", "8", "8")]
    [InlineData("-1", "8", "8")]
    [InlineData("0", "-8", "8")]
    public void External_weights_lie_within_their_file(string offset, string length, string there)
    {
        File.WriteAllBytes(Path.Combine(folder, "weights.bin"), new byte[int.Parse(there, null)]);
        Assert.Throws<SoftmodelException>(() => Open(External("weights.bin", offset, length)));
    }
}
