using Softmodel.Cli.Conformance;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Emit;

/// <summary>Small graphs that once compiled to the wrong program, against the reference evaluator.</summary>
public class CompiledGraphTests
{
    static void Agrees(Func<Term[], Term> compute, params Tensor[] inputs)
    {
        var builder = new GraphBuilder("test", Evaluator.Fold);
        var result = compute([.. inputs.Select((t, i) => new Term(builder, builder.Input($"x{i}", t.TensorType)))]);
        var graph = builder.Build([result.Value]);
        var expected = Evaluator.Run(graph, inputs);
        foreach (var width in new[] { 128, InProcess.Width }.Distinct())
        {
            using var model = Answers.Compile(graph, width);
            Assert.Null(new Tolerance(1e-5, 1e-6).Difference(expected[0], model.Run(inputs)[0]));
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(40)]
    public void What_is_added_to_a_product_is_that_of_its_column(int columns) =>
        Agrees(x => x[0].Contract("ik,kj->ij", x[1]) + x[2], Answers.Ramp(3, 5), Answers.Ramp(5, columns), Answers.Ramp(columns));

    [Fact]
    public void The_tail_of_the_error_function_has_64_bits() =>
        // What is left of 1 there was rounded to 32 bits.
        Agrees(x => (x[0].Map(Functions.ErrorFunction) + 1) * 1e4, Tensor.Vector(-2.7, -3.5, -0.5, 0, 2, 7, double.NaN));

    [Fact]
    public void Integers_of_16_bits_that_are_the_same_for_a_whole_row_are_stored() =>
        Agrees(x => (x[0] * 100).Pad([3, 0], [1, 1]).Cast(ElementType.Int16), Answers.Ramp(7, 40));

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
    }, Answers.Ramp(16, 16));
}
