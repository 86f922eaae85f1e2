using CsCheck;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Passes;

public class QuantizeInt16Tests
{
    static Tensor Numbers(int seed, double spread, params long[] dims)
    {
        var random = new Random(seed);
        return Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => (float)((random.NextDouble() * 2 - 1) * Math.Pow(10, random.NextDouble() * spread)))], dims);
    }

    /// <summary>x W + b, then a part of it that is not linear; x with two axes of rows.</summary>
    static Graph Layer(int depth, int columns, bool isTransposed, int seed)
    {
        var builder = new GraphBuilder("layer", Evaluator.FoldKeepingStored);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(Dim.Symbol("B"), Dim.Symbol("T"), depth))));
        Term Known(int number, params long[] dims) => new(builder, builder.Constant(Numbers(seed + number, 1, dims)));
        var y = isTransposed ? x.Contract("btk,jk->btj", Known(1, columns, depth)) : x.Contract("btk,kj->btj", Known(1, depth, columns));
        y += Known(2, columns);
        return builder.Build([(y * (y * 0.1).Map(Functions.Tanh)).Value], ["y"]);
    }

    static Tensor Run(CompiledModel model, Tensor x)
    {
        Tensor[] inputs = [x];
        return model.Run(inputs)[0];
    }

    [Theory]
    [InlineData(512)]
    [InlineData(256)]
    [InlineData(128)]
    public void Compiled_sums_are_those_of_the_evaluator_for_any_number_of_rows(int width) =>
        // Whole panels half of the time, one by one or in twos. Up to 512 weights are multiplied where their rows are fused.
        Gen.Select(Gen.Int[17, 80], Gen.OneOf(Gen.Int[16, 70], Gen.Int[1, 6].Select(panels => panels * 16)), Gen.Bool, Gen.Int[0, 1000]).Sample((half, columns, isTransposed, seed) =>
        {
            var (graph, found) = QuantizeInt16.Apply(Layer(half * 2, columns, isTransposed, seed), Evaluator.FoldKeepingStored, 20);
            Assert.False(Assert.Single(found).IsRefused);
            Assert.Contains(graph.Nodes, n => n.Op is Op.Contract && n.Output.Type.Element == ElementType.Int32);
            Assert.Contains("Tile.WholeRows", ProgramCode.Write(Lower.Program(graph), width).Source, StringComparison.Ordinal);
            using var compiled = Answers.Compile(graph, width);
            foreach (var (batch, rows) in ((int, int)[])[(1, 1), (1, 7), (3, 5), (2, 13)])
            {
                var x = Numbers(seed + rows, 2, batch, rows, half * 2);
                var (expected, actual) = (Evaluator.Run(graph, [x])[0], Run(compiled, x));
                // Sums of integers are exact; what follows is rounded here and there.
                for (var i = 0L; i < expected.Count; i++)
                    Assert.Equal(expected.Float(i), actual.Float(i), 1e-4 * (1 + Math.Abs(expected.Float(i))));
            }
        }, iter: 12);

    [Fact]
    public void What_it_costs_is_a_thousandth_and_stated()
    {
        var exact = Layer(384, 64, false, 5);
        var (whole, found) = QuantizeInt16.Apply(exact, Evaluator.FoldKeepingStored, 50);
        Assert.InRange(Assert.Single(found).WeightsDb, 60, 80);
        var x = Numbers(9, 1, 2, 8, 384);
        var (a, b) = (Evaluator.Run(exact, [x])[0], Evaluator.Run(whole, [x])[0]);
        var (signal, noise) = (0.0, 0.0);
        for (var i = 0L; i < a.Count; i++)
            (signal, noise) = (signal + a.Float(i) * a.Float(i), noise + Math.Pow(a.Float(i) - b.Float(i), 2));
        Assert.True(10 * Math.Log10(signal / noise) > 50, $"{10 * Math.Log10(signal / noise)} dB");
    }

    [Fact]
    public void Weights_that_would_lose_more_than_is_allowed_stay_as_they_are()
    {
        var exact = Layer(64, 32, false, 3);
        var (kept, found) = QuantizeInt16.Apply(exact, Evaluator.FoldKeepingStored, 90);
        Assert.True(Assert.Single(found).IsRefused);
        Assert.DoesNotContain(kept.Nodes, n => n.Op is Op.Contract && n.Output.Type.Element == ElementType.Int32);
    }

    /// <summary>The row whose every term has the sign of a column's weight and the largest magnitude gives the largest sum that there can be.</summary>
    [Fact]
    public void The_largest_sum_that_a_column_can_have_is_right() =>
        Gen.Select(Gen.Int[16, 800], Gen.Int[0, 3], Gen.Int[0, 1000]).Sample((half, spread, seed) =>
        {
            const int columns = 16;
            var (height, random) = (half * 2, new Random(seed));
            // Columns that are flat, and such in which a few weights are far larger than the others.
            var weights = Tensor.Of([.. Enumerable.Range(0, height * columns).Select(_ => (float)((random.Next(2) * 2 - 1) * Math.Pow(random.NextDouble(), spread)))], height, columns);
            var builder = new GraphBuilder("sum", Evaluator.FoldKeepingStored);
            var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(Dim.Symbol("n"), height))));
            var exact = builder.Build([x.Contract("nk,kj->nj", new(builder, builder.Constant(weights))).Value], ["y"]);
            var (whole, found) = QuantizeInt16.Apply(exact, Evaluator.FoldKeepingStored, 20);
            Assert.False(Assert.Single(found).IsRefused);
            var rows = Tensor.Of([.. Enumerable.Range(0, columns).SelectMany(c => Enumerable.Range(0, height).Select(k => (float)Math.Sign(weights.Float(k * columns + c))))], columns, height);
            var (expected, actual) = (Evaluator.Run(exact, [rows])[0], Evaluator.Run(whole, [rows])[0]);
            for (var c = 0; c < columns; c++)
                Assert.Equal(1, actual.Float(c * columns + c) / expected.Float(c * columns + c), 1e-2);
        }, iter: 60);

    [Fact]
    public void Rows_of_zeros_and_of_large_numbers_do_not_overflow()
    {
        var (graph, _) = QuantizeInt16.Apply(Layer(1536, 32, false, 7), Evaluator.FoldKeepingStored, 20);
        using var compiled = Answers.Compile(graph, InProcess.Width);
        var zeros = Run(compiled, Tensor.Of(new float[1536], 1, 1, 1536));
        var large = Tensor.Of([.. Enumerable.Repeat(3e30f, 1536)], 1, 1, 1536);
        var expected = Evaluator.Run(graph, [large])[0];
        var actual = Run(compiled, large);
        for (var i = 0L; i < expected.Count; i++)
        {
            Assert.True(double.IsFinite(zeros.Float(i)));
            Assert.Equal(1, actual.Float(i) / expected.Float(i), 1e-4);
        }
    }
}
