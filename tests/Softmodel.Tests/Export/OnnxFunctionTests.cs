using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Tests.Export;

public class OnnxFunctionTests
{
    public static TheoryData<string> Names => [.. Functions.All.Select(f => f.Name)];

    /// <summary>One of a type that a function takes: random graphs leave ONNX Runtime out where something can't be exported.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Every_scalar_function_has_a_form_in_ONNX(string name)
    {
        var function = Functions.Named(name);
        var builder = new GraphBuilder(name, (_, _) => null);
        foreach (var type in (ElementType[])[ElementType.Float32, ElementType.UInt32, ElementType.Bool])
        {
            ElementType[] types = function.Result == FunctionResult.Selected ? [ElementType.Bool, type, type] : [.. Enumerable.Repeat(type, function.Arity)];
            try
            {
                function.ResultType(types);
            }
            catch (SoftmodelException)
            {
                continue;
            }
            var operands = types.Select((t, i) => new Term(builder, builder.Input($"x{i}", new(t, new(Dim.Symbol("n")))))).ToArray();
            using var written = new MemoryStream();
            OnnxExport.Write(builder.Build([operands[0].Apply(new Op.Map(function), operands.AsSpan(1)).Value], ["y"]), written);
            Assert.True(written.Length > 0);
            return;
        }
        Assert.Fail($"{name} takes operands of none of these types");
    }
}
