using Softmodel.Graphs;
using Softmodel.Tests.Generated;
using Softmodel.Tests.Import;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Emit;

/// <summary>Products with weights whose other factor lies across: the terms of its sums are an open size apart.</summary>
public class TransposedOperandTests
{
    [Fact]
    public void A_factor_may_lie_across_however_it_comes_to()
    {
        var model = new OnnxModels();
        var outputs = new List<(string, DataType)>();
        var inputs = new List<(string Name, Tensor Value)>();
        const long T = 7, Odd = 3;
        string Input(object[] dims, params long[] sizes)
        {
            var name = model.Input($"x{inputs.Count}", DataType.Float, dims);
            inputs.Add((name, Answers.Ramp(sizes)));
            return name;
        }
        foreach (var depth in (long[])[5, 8, 16, 33])
        {
            foreach (var columns in (long[])[8, 16, 97])
            {
                void Add(string op, string[] operands, params (string, object)[] attributes) => outputs.Add((model.Node(op, operands, attributes), DataType.Float));
                var weights = model.Constant(Answers.Ramp(depth, columns));
                var flat = Input([depth, "T"], depth, T);
                Add("MatMul", [model.Node("Transpose", [flat]), weights]);
                Add("Gemm", [flat, weights], ("transA", 1));
                Add("Gemm", [flat, model.Constant(Answers.Ramp(columns, depth))], ("transA", 1), ("transB", 1));
                var one = Input([1, depth, "T"], 1, depth, T);
                Add("MatMul", [model.Node("Transpose", [one], ("perm", (long[])[0, 2, 1])), weights]);
                Add("Einsum", [one, weights], ("equation", "bct,cn->btn"));
                var batch = Input(["B", depth, "T"], Odd, depth, T);
                Add("MatMul", [model.Node("Transpose", [batch], ("perm", (long[])[0, 2, 1])), weights]);
                var picture = Input([1, depth, "H", "W"], 1, depth, Odd, T);
                Add("MatMul", [model.Node("Transpose", [picture], ("perm", (long[])[0, 2, 3, 1])), weights]);
                Add("MatMul", [model.Node("Transpose", [model.Node("Relu", [picture])], ("perm", (long[])[0, 3, 2, 1])), weights]);
            }
        }
        var file = model.File([.. outputs]);
        var (expected, why) = OnnxModels.Expected(file, [.. inputs]);
        Assert.True(expected is not null, why);
        Tensor[] values = [.. inputs.Select(i => i.Value)];
        Assert.Equal("", OnnxModels.Imported(file, graph => OnnxModels.Difference(expected, Answers.Compiled(graph, values, 512, 1, 2))));
    }
}
