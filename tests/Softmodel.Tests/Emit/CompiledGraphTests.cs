using Softmodel.Cli;
using Softmodel.Cli.Conformance;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;

namespace Softmodel.Tests.Emit;

/// <summary>Small graphs that once compiled to the wrong program, against the reference evaluator.</summary>
public sealed class CompiledGraphTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    static Tensor Ramp(params long[] dims) =>
        Tensor.Of([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(i => (i * 7 % 11 - 5) / 4f)], dims);

    void Agrees(Func<Term[], Term> compute, params Tensor[] inputs)
    {
        var builder = new GraphBuilder("test", Evaluator.Fold);
        var result = compute([.. inputs.Select((t, i) => new Term(builder, builder.Input($"x{i}", t.TensorType)))]);
        var graph = builder.Build([result.Value]);
        var expected = Evaluator.Run(graph, inputs);
        foreach (var width in new[] { 128, InProcess.Width }.Distinct())
        {
            using var model = InProcess.Compile(Lower.Program(graph), Path.Combine(folder, $"{width}.weights"), width);
            Assert.Null(new Tolerance(1e-5, 1e-6).Difference(expected[0], model.Run(inputs)[0]));
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(40)]
    public void What_is_added_to_a_product_is_that_of_its_column(int columns) =>
        Agrees(x => x[0].Contract("ik,kj->ij", x[1]) + x[2], Ramp(3, 5), Ramp(5, columns), Ramp(columns));
}
