using Softmodel.Import.Onnx;

namespace Softmodel.ModelTests.Import;

public class OnnxFileTests
{
    [Theory]
    [InlineData("onnx")]
    [InlineData("zoo")]
    [InlineData("circuits")]
    [InlineData("structure")]
    public void Every_model_is_read(string folder)
    {
        var count = 0;
        foreach (var path in Directory.EnumerateFiles(Shared.Folder(folder), "*.onnx", SearchOption.AllDirectories))
        {
            using var file = OnnxFile.Open(path);
            var wire = Softmodel.Import.Onnx.Wire.ModelProto.Parser.ParseFrom(File.ReadAllBytes(path));
            Assert.Equal(wire.Graph.Node.Count, file.Model.Graph.Nodes.Count);
            Assert.Equal(wire.Graph.Input.Select(i => i.Name), file.Model.Graph.Inputs.Select(i => i.Name));
            foreach (var tensor in wire.Graph.Initializer.Where(t => t.HasRawData))
                Assert.Equal(tensor.RawData.Length, file.Model.Graph.Initializers[tensor.Name].Bytes.Length);
            count++;
        }
        Assert.True(count > 0);
    }

    [Fact]
    public void Every_tensor_of_test_data_is_read_as_protobuf_reads_it()
    {
        foreach (var path in Directory.EnumerateFiles(Shared.Folder("onnx/node"), "*.pb", SearchOption.AllDirectories).Where(p => !Names.Any(p.Contains)))
        {
            var wire = Softmodel.Import.Onnx.Wire.TensorProto.Parser.ParseFrom(File.ReadAllBytes(path));
            var tensor = OnnxFile.ReadTensor(path);
            Assert.Equal(wire.Dims, tensor.Dims);
            Assert.Equal(wire.DataType, (int)tensor.Type);
            if (wire.HasRawData)
                Assert.True(wire.RawData.Span.SequenceEqual(tensor.Bytes.Span), path);
            if (wire.StringData.Count > 0)
                Assert.Equal(wire.StringData.Select(s => s.ToStringUtf8()), tensor.Text);
        }
    }

    // Their data are sequences and optional values.
    static readonly string[] Names = ["sequence", "_opt", "_seq", "split_to_"];
}
