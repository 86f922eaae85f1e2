using System.Diagnostics;
using Google.Protobuf;
using Softmodel.Cli;
using Softmodel.Cli.Baselines;
using Softmodel.Graphs;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Runtime;

namespace Softmodel.Tests.Baselines;

public class OnnxRuntimeBaselineTests
{
    static byte[] Sum(int type)
    {
        ValueInfoProto Value(string name) => new()
        {
            Name = name,
            Type = new() { TensorType = new() { ElemType = type, Shape = new() { Dim = { new TensorShapeProto.Types.Dimension { DimParam = "N" } } } } },
        };
        return new ModelProto
        {
            IrVersion = 8,
            OpsetImport = { new OperatorSetIdProto { Domain = "", Version = 17 } },
            Graph = new()
            {
                Name = "sum",
                Input = { Value("a"), Value("b") },
                Output = { Value("c") },
                Node = { new NodeProto { OpType = "Add", Input = { "a", "b" }, Output = { "c" } } },
            },
        }.ToByteArray();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Tensors_go_in_and_come_out(int threads)
    {
        using var baseline = OnnxRuntimeBaseline.Load(Sum(1), threads);
        Assert.Equal(["a", "b"], baseline.Inputs);
        Assert.True(Assert.Single(baseline.Run([Tensor.Vector(1f, 2f), Tensor.Vector(10f, 20f)])).SameAs(Tensor.Vector(11f, 22f)));
        Assert.True(Assert.Single(baseline.Run([Tensor.Vector<float>(), Tensor.Vector<float>()])).SameAs(Tensor.Vector<float>()));
    }

    [Fact]
    public void Whole_numbers_keep_their_type()
    {
        using var baseline = OnnxRuntimeBaseline.Load(Sum(7));
        Assert.True(Assert.Single(baseline.Run([Tensor.Vector(1L << 40), Tensor.Vector(2L)])).SameAs(Tensor.Vector((1L << 40) + 2)));
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var baseline = OnnxRuntimeBaseline.Load(Sum(1));
        Assert.Throws<SoftmodelException>(() => baseline.Run([Tensor.Vector(1f)]));
        Assert.Throws<SoftmodelException>(() => baseline.Run([Tensor.Vector(1f), Tensor.Vector(1.0)]));
        Assert.Throws<SoftmodelException>(() => OnnxRuntimeBaseline.Load([1, 2, 3]));
    }

    [Fact]
    public void It_writes_nothing_about_this_machine()
    {
        var home = Directory.CreateTempSubdirectory("softmodel-test-").FullName;
        try
        {
            var (model, inputs) = (Path.Combine(home, "model.onnx"), Path.Combine(home, "inputs"));
            File.WriteAllBytes(model, Sum(1));
            using (var file = new BinaryWriter(File.Create(inputs)))
            {
                // One set of two vectors of one element: type, rank, eight sizes, bytes, data.
                file.Write(1L);
                for (var i = 0; i < 2; i++)
                {
                    foreach (var number in (long[])[(long)ElementType.Float32, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4])
                        file.Write(number);
                    file.Write(1.5f);
                }
            }
            var start = OwnProcess.Start(OnnxRuntimeAlone.Command, model, "1", inputs);
            (start.Environment["HOME"], start.Environment["XDG_CACHE_HOME"], start.Environment["XDG_DATA_HOME"]) = (home, home, home);
            // Where tests are seen to run it would write nothing anyway.
            start.Environment.Remove("CI");
            using var process = Process.Start(start)!;
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.EndsWith(" 1", text.TrimEnd(), StringComparison.Ordinal);
            Assert.Equal(["inputs", "model.onnx"], Directory.EnumerateFileSystemEntries(home, "*", SearchOption.AllDirectories).Select(p => Path.GetRelativePath(home, p)).Where(p => !p.StartsWith(".dotnet", StringComparison.Ordinal)).Order());
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    [Fact]
    public void Peak_memory_is_that_of_a_process() => Assert.InRange(PeakMemory.Bytes, 10 << 20, 100L << 30);
}
