using Google.Protobuf;
using Softmodel.Cli.Conformance;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Tests.Generated;
using Softmodel.Tests.Import;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Conformance;

public sealed class CaseRunnerTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>A case without outputs, in a suite of its own: the product of [2,3] and a matrix.</summary>
    string Case(string suite, params long[] matrix)
    {
        var data = Path.Combine(folder, suite, "case", "test_data_set_0");
        Directory.CreateDirectory(data);
        var model = new OnnxModels();
        model.Input("x", DataType.Float, 2, 3);
        var file = model.File((model.Node("MatMul", ["x", model.Constant(Answers.Ramp(matrix))]), DataType.Float));
        File.WriteAllBytes(Path.Combine(data, "..", "model.onnx"), file);
        var x = Answers.Ramp(2, 3);
        File.WriteAllBytes(Path.Combine(data, "input_0.pb"), new TensorProto { DataType = (int)DataType.Float, Dims = { 2, 3 }, RawData = ByteString.CopyFrom(x.Bytes.Span) }.ToByteArray());
        return Path.Combine(folder, suite);
    }

    [Fact]
    public void A_case_without_outputs_is_to_be_refused_by_the_name_of_a_node()
    {
        CaseResult Result(string suite) => CaseRunner.Run(Assert.Single(Assert.Single(Suites.Find(suite)).Cases));
        var refused = Result(Case("refused", 4, 5));
        Assert.Equal(Verdict.Passed, refused.Verdict);
        Assert.Contains("'matmul", refused.Reason, StringComparison.Ordinal);
        Assert.Equal(Verdict.Failed, Result(Case("sound", 3, 5)).Verdict);
    }

    [Fact]
    public void Of_several_folders_some_may_hold_no_cases()
    {
        var none = Directory.CreateDirectory(Path.Combine(folder, "none")).FullName;
        Assert.Equal(["a", "b"], Suites.Find(Case("a", 4, 5), none, Case("b", 4, 5)).Select(s => s.Name));
        Assert.Throws<SoftmodelException>(() => Suites.Find(none, none));
    }
}
