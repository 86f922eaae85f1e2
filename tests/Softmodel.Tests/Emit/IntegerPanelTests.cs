using CsCheck;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Emit;

/// <summary>Products with constant integers of 16 bits, which lie in 8 where they fit.</summary>
public class IntegerPanelTests
{
    static Tensor Integers(int seed, int least, int most, params long[] dims)
    {
        var random = new Random(seed);
        return Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (short)random.Next(least, most + 1))], dims);
    }

    static Graph Product(Tensor weights, bool isTransposed)
    {
        var builder = new GraphBuilder("product", (op, operands) => op is Op.Cast ? null : Evaluator.Fold(op, operands));
        var x = new Term(builder, builder.Input("x", new(ElementType.Int16, new(Dim.Symbol("T"), weights.Dims[isTransposed ? 1 : 0]))));
        var sums = x.Cast(ElementType.Int32).Contract(isTransposed ? "tk,jk->tj" : "tk,kj->tj", x.Constant(weights).Cast(ElementType.Int32));
        return builder.Build([(sums.Cast(ElementType.Float32) * 0.5).Value], ["y"]);
    }

    [Theory]
    [InlineData(512)]
    [InlineData(256)]
    [InlineData(128)]
    public void Sums_are_exact_from_8_bits_as_from_16(int width) =>
        Gen.Select(Gen.Int[16, 40], Gen.OneOf(Gen.Int[16, 70], Gen.Int[1, 6].Select(panels => panels * 16)), Gen.Bool, Gen.Bool, Gen.Int[0, 1000]).Sample((half, columns, isTransposed, isNarrow, seed) =>
        {
            long[] dims = isTransposed ? [columns, half * 2] : [half * 2, columns];
            var weights = Integers(seed, -128, 127, dims);
            if (!isNarrow)
                weights = Tensor.Of<short>([128, .. weights.Values<short>()[1..]], dims);
            var graph = Product(weights, isTransposed);
            Assert.Contains(isNarrow ? "Tile.BytesRows" : "Tile.WholeRows", ProgramCode.Write(Lower.Program(graph), width).Source, StringComparison.Ordinal);
            using var compiled = Answers.Compile(graph, width);
            foreach (var rows in (long[])[1, 5, 13])
            {
                var x = Integers(seed + 1, -255, 255, rows, half * 2);
                Assert.True(Evaluator.Run(graph, [x])[0].SameAs(Answers.Run(compiled, [x], 1, 2)[0]));
            }
        }, iter: 12);
}
