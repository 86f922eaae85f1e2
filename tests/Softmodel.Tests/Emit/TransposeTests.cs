using CsCheck;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Emit;

public class TransposeTests
{
    /// <summary>Tables that are the other way round in the result: with sizes that are known and with others.</summary>
    static Graph Turned(Dim tables, Dim rows, Dim columns)
    {
        var builder = new GraphBuilder("turned", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(tables, rows, columns))));
        return builder.Build([x.Transpose(0, 2, 1).Value, x.Transpose(2, 1, 0).Value], ["tables", "all"]);
    }

    [Fact]
    public void Copies_are_the_other_way_round_at_every_size() =>
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 150], Gen.Int[1, 150], Gen.Bool, Gen.Bool).Sample((tables, rows, columns, rowsAreKnown, columnsAreKnown) =>
        {
            var graph = Turned(Dim.Symbol("b"), rowsAreKnown ? rows : Dim.Symbol("r"), columnsAreKnown ? columns : Dim.Symbol("c"));
            var x = Tensor.Of([.. Enumerable.Range(0, tables * rows * columns).Select(i => (float)i)], tables, rows, columns);
            var expected = Evaluator.Run(graph, [x]);
            foreach (var (e, a) in expected.Zip(Answers.Compiled(graph, [x], 256, 1, 2)))
                Assert.True(e.SameAs(a), $"{tables} tables of {rows} by {columns}");
        }, iter: 20);

    [Fact]
    public void It_is_written_for_what_is_copied_across()
    {
        var graph = Turned(Dim.Symbol("b"), Dim.Symbol("r"), 64);
        Assert.Contains(" Maths.Transpose(x0", ProgramCode.Write(Lower.Program(graph), 256).Source, StringComparison.Ordinal);
    }
}
