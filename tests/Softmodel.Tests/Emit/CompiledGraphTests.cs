using Softmodel.Cli;
using Softmodel.Cli.Conformance;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

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
        Agrees(builder.Build([result.Value]), inputs);
    }

    void Agrees(Graph graph, params Tensor[] inputs)
    {
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

    [Fact]
    public void A_loop_that_is_counted_and_then_run_again_may_hold_products() => Agrees(x =>
    {
        var builder = x[0].Builder;
        var body = builder.Body("body");
        body.Input("turn", new(ElementType.Int64, Shape.Scalar));
        var carried = new Term(body, body.Input("carried", x[0].Type));
        var next = carried.Contract("ij,jk->ik", new Term(body, body.Capture(x[0].Value)));
        var goOn = next.Reduce(Reduction.Max, [0, 1]) < 100;
        var loop = new Op.Loop(body.Build([goOn.Value, next.Value, next.Value]), 1, builder.FreshSymbol());
        var results = builder.ApplyAll(loop, [builder.Sizes([20], Shape.Scalar), builder.Constant(Tensor.Scalar(true)), x[0].Value, .. body.Captures]);
        return new Term(builder, results[1]);
    }, Ramp(16, 16));

    [Fact]
    public void What_is_always_outside_of_a_padded_tensor_is_never_looked_for() => Agrees(GraphText.Read("""
        graph g
          input x: Float32[t,3]
          one: Int64[1] = constant {1}
          zero: Float32[] = constant {0}
          padded: Float32[t,6] = pad(x, zero) mode=constant low=[0,3] high=[0,0]
          chosen: Float32[t,1] = gather(padded, one) axis=1
          output chosen = chosen
        end
        """), Ramp(4, 3));

    /// <summary>The choice lies in a position that is compared, and nowhere else.</summary>
    [Fact]
    public void What_chooses_among_sizes_is_stored() => Agrees(GraphText.Read("""
        graph g
          input x: Float32[t,3]
          at: Int64[4,1] = constant {0,1,1,0}
          sizes: Int64[2] = size_tensor() values=[t,3] shape=[2]
          chosen: Int64[4] = gather_nd(sizes, at) batchAxes=0
          output chosen = chosen
        end
        """), Ramp(5, 3));

    [Fact]
    public void A_sum_of_products_may_gain_an_axis_of_one_element_and_lose_another() => Agrees(GraphText.Read("""
        graph g
          input x: Float32[6,t,3]
          input y: Float32[1,3]
          sums: Float32[6,t,1] = contract(x, y) equation="qrc,ac->qra"
          moved: Float32[1,6,t] = reshape(sums) shape=[1,6,t]
          output moved = moved
        end
        """), Ramp(6, 5, 3), Ramp(1, 3));

    [Fact]
    public void A_vector_beyond_one_padding_may_be_within_another() => Agrees(GraphText.Read("""
        graph g
          input x: Float32[t,2]
          one: Float32[] = constant {1}
          zero: Float32[] = constant {0}
          inner: Float32[t,12] = pad(x, one) mode=constant low=[0,0] high=[0,10]
          outer: Float32[t+1,48] = pad(inner, zero) mode=constant low=[0,20] high=[1,16]
          output outer = outer
        end
        """), Ramp(3, 2));
}
