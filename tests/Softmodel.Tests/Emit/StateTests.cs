using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Emit;

/// <summary>What outlasts a run.</summary>
public class StateTests
{
    /// <summary>A sum that goes on, and rows that are replaced in a table that grows.</summary>
    static Graph Remembering()
    {
        var builder = new GraphBuilder("remembering", Evaluator.Fold);
        Term Input(string name, ElementType type, params Dim[] dims) => new(builder, builder.Input(name, new(type, new(dims))));
        var x = Input("x", ElementType.Float32, 2);
        var at = Input("at", ElementType.Int64, 1, 1);
        var used = Input("used", ElementType.Int64, Dim.Symbol("rows"));
        var (sum, table) = (Input("sum", ElementType.Float32, 2), Input("table", ElementType.Float32, Dim.Symbol("rows"), 2));
        var next = sum + x;
        var written = table.Apply(new Op.ScatterND(Combination.Replace), at, x.Unsqueeze(0));
        var total = written.Reduce(Reduction.Sum, [0]) + used.Cast(ElementType.Float32).Reduce(Reduction.Sum, [0]);
        var graph = builder.Build([(next * 1).Value, total.Value, next.Value, written.Value], ["twice", "total", "next", "written"]);
        return graph with { States = [new(3, 2), new(4, 3)] };
    }

    static float[] Run(CompiledModel model, float a, float b, long at, int rows)
    {
        model.Run(TensorArgument.Of(new[] { a, b }, 2), TensorArgument.Of(new[] { at }, 1, 1), TensorArgument.Of(new long[rows], rows));
        return [.. model.Output(0).Span<float>(), .. model.Output(1).Span<float>()];
    }

    [Fact]
    public void A_run_finds_what_the_one_before_left()
    {
        using var model = Answers.Compile(Remembering(), InProcess.Width);
        Assert.Equal(["x", "at", "used"], model.Inputs.Select(i => i.Name));
        Assert.Equal(["twice", "total"], model.Outputs.Select(o => o.Name));
        Assert.Equal([1, 2, 1, 2], Run(model, 1, 2, 0, 1));
        // The table has grown, far beyond what was allocated; what it held is there.
        Assert.Equal([4, 6, 4, 6], Run(model, 3, 4, 999, 1000));
        Assert.Equal([9, 12, 8, 10], Run(model, 5, 6, 0, 1000));
        Assert.True(model.StateBytes >= 8 * 1000);
        model.ResetStates();
        Assert.Equal([1, 1, 1, 1], Run(model, 1, 1, 2, 3));
    }

    /// <summary>Results that are stored where an argument or a state is, and so would be gone with it.</summary>
    [Fact]
    public void Results_outlast_arguments_and_the_states_that_they_are()
    {
        var builder = new GraphBuilder("same", Evaluator.Fold);
        Term Input(string name) => new(builder, builder.Input(name, new(ElementType.Float32, new(2, 1))));
        var (x, replaced, updated) = (Input("x"), Input("replaced"), Input("updated"));
        var next = replaced + x;
        var written = updated.Apply(new Op.ScatterND(Combination.Replace), new Term(builder, builder.Sizes([1], new(1, 1))), x.Slice(0, 0, 1));
        var graph = builder.Build(
            [x.Value, x.Reshape(new(2)).Value, replaced.Value, replaced.Reshape(new(1, 2)).Value, updated.Value, written.Reshape(new(2)).Value, next.Value, written.Value],
            ["x", "flat", "before", "before_flat", "table", "table_after", "next", "written"]) with
        { States = [new(1, 6), new(2, 7)] };
        using var model = Answers.Compile(graph, InProcess.Width);
        float[][] expected = [[1, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1], [3, 4, 3, 4, 1, 2, 1, 2, 0, 1, 0, 3]];
        foreach (var now in expected)
        {
            float[] given = [now[0], now[1]];
            model.Run(TensorArgument.Of(given, 2, 1));
            given.AsSpan().Clear();
            Assert.Equal(now, Enumerable.Range(0, model.Outputs.Count).SelectMany(i => model.Output(i).Span<float>().ToArray()));
        }
    }

    [Fact]
    public void States_are_part_of_the_text_form_and_stay_through_passes()
    {
        var graph = Remembering();
        Assert.Equal(graph.States, GraphText.Read(GraphText.Write(graph)).States);
        Assert.Equal(graph.States, Pipeline.Exact(graph, Evaluator.Fold).States);
    }

    [Fact]
    public void A_state_whose_types_differ_is_refused()
    {
        var graph = Remembering();
        Assert.Throws<SoftmodelException>((graph with { States = [new(0, 3)] }).Validate);
        Assert.Throws<SoftmodelException>((graph with { States = [new(9, 0)] }).Validate);
    }
}
