using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Graphs;

public class ParameterTests
{
    static readonly Tensor x = Tensor.Of<float>([1, 2, 3], 1, 3), weight = Tensor.Of<float>([1, 2, 3, 4, 5, 6], 2, 3), bias = Tensor.Vector<float>(10, 20);

    /// <summary>x times a matrix whose rows belong to the results, twice, plus a bias: [1, 3] to [1, 2].</summary>
    static Graph Linear(bool isFrozen = true)
    {
        var builder = new GraphBuilder("linear", Evaluator.Fold);
        Term input = new(builder, builder.Input("x", new(ElementType.Float32, new Shape(1, 3))));
        Term w = new(builder, builder.Parameter("fc.weight", weight, isFrozen)), b = new(builder, builder.Parameter("fc.bias", bias, isFrozen));
        return builder.Build([(input.Contract("nk,kr->nr", w.Transpose([1, 0]) * 2) + b).Value], ["y"]);
    }

    static float[] Run(Graph graph, params Tensor[] inputs) => [.. Evaluator.Run(graph, inputs)[0].Values<float>()];

    static string[] Names(Graph graph) => [.. Parameters.Of(graph).Select(p => p.Name)];

    [Fact]
    public void What_is_computed_from_a_parameter_is_called_after_it()
    {
        var graph = Linear();
        Assert.Equal(["fc.bias", "fc.weight/transpose/multiply"], Names(graph).Order());
        Assert.Equal([38, 84], Run(graph, x));
        Assert.All(graph.Nodes.Where(n => n.Op is Op.Parameter), n => Assert.Equal(((Op.Parameter)n.Op).Name, n.Output.Name));
    }

    [Fact]
    public void What_may_change_is_not_computed_from()
    {
        var graph = Pipeline.Exact(Linear(isFrozen: false), Evaluator.Fold);
        Assert.Equal(["fc.weight", "fc.bias"], Names(graph));
        Assert.All(Parameters.Of(graph), p => Assert.False(p.IsFrozen));
        Assert.Equal([38, 84], Run(graph, x));
        using var model = Answers.Compile(graph, 256);
        model.Run(TensorArgument.Of([1f, 2, 3], 1, 3));
        Assert.Equal([38, 84], model.Output(0).Span<float>());
    }

    [Fact]
    public void A_name_belongs_to_one_parameter()
    {
        var builder = new GraphBuilder("g", Evaluator.Fold);
        Value Weight(float n) => builder.Parameter("w", Tensor.Vector(n, n));
        Value[] values = [Weight(1), Weight(2), Weight(1)];
        Assert.Same(values[0], values[2]);
        Assert.Equal(["w", "w.2"], Names(builder.Build(values)));
        // Two parts of one weight.
        Term w = new(builder, builder.Parameter("conv", weight));
        Assert.Equal(["conv/slice", "conv/slice.2"], Names(builder.Build([w.Slice(0, 0, 1).Value, w.Slice(0, 1, 1).Value])));
    }

    [Fact]
    public void A_parameter_is_replaced_by_a_tensor_by_what_a_graph_computes_or_by_an_input()
    {
        var open = Linear(isFrozen: false);
        Graph Replaced(Replacement by) => Parameters.Replace(open, Evaluator.Fold, new Dictionary<string, Replacement> { ["fc.bias"] = by });
        Assert.Equal([28, 65], Run(Replaced((builder, _) => builder.Parameter("fc.bias", Tensor.Vector<float>(0, 1))), x));
        Assert.Equal([48, 104], Run(Replaced((builder, bias) => (new Term(builder, builder.Apply(bias)) * 2).Value), x));
        var given = Parameters.AsInputs(open, Evaluator.Fold, "fc.bias");
        Assert.Equal(["x", "fc.bias"], given.Inputs.Select(v => v.Name));
        Assert.Equal(["fc.weight"], Names(given));
        Assert.Equal([29, 66], Run(given, x, Tensor.Vector<float>(1, 2)));
    }

    [Fact]
    public void What_can_not_stand_for_a_parameter_is_refused()
    {
        var graph = Linear(isFrozen: false);
        string Refused(string name, Replacement by) => Assert.Throws<SoftmodelException>(() => Parameters.Replace(graph, Evaluator.Fold, new Dictionary<string, Replacement> { [name] = by })).Message;
        Assert.Contains("'fc.weight', 'fc.bias'", Refused("fc2.bias", (_, _) => throw new InvalidOperationException()));
        Assert.Contains("'fc.bias' is Float32[2], and Float32[1] was to stand for it", Refused("fc.bias", (builder, _) => builder.Constant(Tensor.Vector(1f))));
    }

    [Fact]
    public void A_parameter_that_branches_read_is_replaced_as_well()
    {
        var builder = new GraphBuilder("g", Evaluator.Fold);
        var condition = builder.Input("c", new(ElementType.Bool, Shape.Scalar));
        Graph Branch(string name)
        {
            var body = builder.Body(name);
            return body.Build([body.Parameter("w", bias, isFrozen: false)]);
        }
        var branches = builder.Build([builder.Apply(new Op.If(Branch("then"), Branch("else")), condition)]);
        Assert.Equal([3, 4], Run(Parameters.AsInputs(branches, Evaluator.Fold, "w"), Tensor.Scalar(true), Tensor.Vector<float>(3, 4)));
        Assert.Equal([1, 2], Run(Parameters.Replace(branches, Evaluator.Fold, new Dictionary<string, Replacement> { ["w"] = (b, _) => b.Constant(Tensor.Vector<float>(1, 2)) }), Tensor.Scalar(true)));
    }
}
