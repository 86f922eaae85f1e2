using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Graphs;

public class GraphBuilderTests
{
    [Fact]
    public void Sizes_that_grow_layer_by_layer_are_named()
    {
        // As encoders of sound pad each layer to a multiple of its stride: the size of one stands in that of the next several times.
        var builder = new GraphBuilder("g", Evaluator.Fold);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new Shape(Dim.Symbol("n")))));
        static Dim Less(Dim size) => Dim.Max(size - Dim.FloorDiv(size, 3) * Dim.Max(size - 5, 1), 0);
        for (var layer = 0; layer < 8; layer++)
            x = x.Pad([Dim.Zero], [Less(x.Shape[0]) + layer % 2]);
        var graph = Pipeline.Exact(builder.Build([x.Value]), Evaluator.Fold);
        // Of the first two layers a size is of a few thousand letters, and each one more would make that 20 times as many.
        Assert.True(graph.Nodes.SelectMany(n => n.Outputs).SelectMany(v => v.Shape.Dims).Max(d => d.ToString().Length) < 10_000);
        using var model = Answers.Compile(graph, 128);
        foreach (var n in new[] { 0, 1, 7, 40 })
        {
            var expected = (long)n;
            for (var layer = 0; layer < 8; layer++)
                expected += Less(expected).Value!.Value + layer % 2;
            model.Run(TensorArgument.Of(new float[n], n));
            Assert.Equal(expected, model.Output(0).Count);
        }
    }
}
