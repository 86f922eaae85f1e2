using Softmodel.Emit;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Tests.Emit;

public class FunctionCodeTests
{
    /// <summary>Lowering takes for vectors what Emit can write as vectors, and nothing else.</summary>
    [Fact]
    public void Every_function_has_C_sharp_and_vectors_where_lowering_takes_it_to()
    {
        Assert.All(Functions.All, f =>
        {
            var code = FunctionCode.Of(f);
            for (var i = 0; i < f.Arity; i++)
                Assert.Contains($"{{{i}}}", code.Scalar, StringComparison.Ordinal);
            Assert.Equal(Vectorization.HasVector(f, ElementType.Float32), code.Vector is not null);
            foreach (var type in (ElementType[])[ElementType.Int32, ElementType.UInt8, ElementType.UInt32])
                Assert.Equal(Vectorization.HasVector(f, type), FunctionCode.WholeVector(f, type) is not null);
            Assert.Equal(f.DividesIntegers, code.Whole?.Contains("Check.", StringComparison.Ordinal) == true);
        });
    }
}
