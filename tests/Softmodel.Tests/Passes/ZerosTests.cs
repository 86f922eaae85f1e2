using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Graphs;

namespace Softmodel.Tests.Passes;

public class ZerosTests
{
    // A table of 9 relative positions, padded to the length of a text or cut down to it, as windowed attention does.
    const string RelativePositions = """
        graph g
          input q: Float32[t,2]
          input table: Float32[9,2]
          zero: Float32[] = constant {0}
          all: Float32[2*t-1,2] = pad(table, zero) mode=constant low=[t-5,0] high=[t-5,0]
          scores: Float32[t,2*t-1] = contract(q, all) equation="ik,jk->ij"
          right: Float32[t,t] = slice(scores) starts=[0,t-1] sizes=[t,t] steps=[1,1]
          output scores = scores
          output right = right
        end
        """;

    [Fact]
    public void Paddings_that_may_cut_off_elements_keep_their_meaning()
    {
        var graph = GraphText.Read(RelativePositions);
        var simplified = Pipeline.Exact(graph, Evaluator.Fold);
        for (var t = 1; t < 12; t++)
        {
            Tensor[] inputs = [Numbers(t, 2), Numbers(9, 2)];
            foreach (var (expected, actual) in Evaluator.Run(graph, inputs).Zip(Evaluator.Run(simplified, inputs)))
                Assert.True(expected.SameAs(actual), $"{expected} expected, {actual} computed for {t} elements");
        }
    }

    [Fact]
    public void Paddings_with_zeros_and_with_elements_stay_apart()
    {
        var graph = GraphText.Read("""
            graph g
              input x: Float32[t,2]
              zero: Float32[] = constant {0}
              inner: Float32[t+1,2] = pad(x, zero) mode=constant low=[1,0] high=[0,0]
              outer: Float32[t+1,4] = pad(inner) mode=wrap low=[0,1] high=[0,1]
              output outer = outer
            end
            """);
        var x = Numbers(3, 2);
        Assert.True(Evaluator.Run(graph, [x])[0].SameAs(Evaluator.Run(Pipeline.Exact(graph, Evaluator.Fold), [x])[0]));
    }

    [Fact]
    public void What_is_padded_is_multiplied_before_it_is_padded()
    {
        var simplified = Pipeline.Exact(GraphText.Read(RelativePositions), Evaluator.Fold);
        var contract = Assert.Single(simplified.Nodes, n => n.Op is Op.Contract);
        Assert.DoesNotContain(simplified.Nodes, n => n.Op is Op.Pad && contract.Inputs.Any(i => n.Outputs.Contains(i)));
    }

    static Tensor Numbers(int rows, int columns) => Tensor.Of<float>([.. Enumerable.Range(1, rows * columns).Select(i => (float)i)], rows, columns);
}
