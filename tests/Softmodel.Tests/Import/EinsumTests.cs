using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Tests.Generated;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Import;

/// <summary>Einstein's notation over open sizes, beside ONNX Runtime.</summary>
public class EinsumTests
{
    [Theory]
    [InlineData("...,...->...", "ab,ab")]
    [InlineData("...ij,...jk->...ik", "abij,abjk")]
    [InlineData("...i,...i", "abi,abi")]
    [InlineData("ij,jk->ik", "ij,jk")]
    [InlineData("a,ab,abc->abc", "a,ab,abc")]
    public void An_axis_that_is_1_only_when_it_runs_is_stretched(string equation, string letters)
    {
        var axes = letters.Split(',');
        var model = new OnnxModels();
        string[] names = [.. axes.Select((x, i) => model.Input($"x{i}", DataType.Float, [.. x.Select(letter => $"{letter}{i}")]))];
        var file = model.File((model.Node("Einsum", names, ("equation", equation)), DataType.Float));
        // Each operand's axes in turn are of size 1, and none is.
        for (var ones = 0; ones < 1 << letters.Count(char.IsLetter); ones++)
        {
            var axis = 0;
            Tensor[] values = [.. axes.Select(x => Answers.Ramp([.. x.Select(letter => (ones >> axis++ & 1) == 1 ? 1L : letter % 5 + 2)]))];
            var (expected, why) = OnnxModels.Expected(file, [.. names.Zip(values)]);
            Assert.True(expected is not null, why);
            Assert.Equal("", OnnxModels.Imported(file, graph => OnnxModels.Difference(expected, Evaluator.Run(graph, values))));
            if (ones % 16 == 1)
                Assert.Equal("", OnnxModels.Imported(file, graph => OnnxModels.Difference(expected, Answers.Compiled(graph, values, 512, 1))));
        }
    }
}
