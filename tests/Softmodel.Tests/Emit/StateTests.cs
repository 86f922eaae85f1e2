using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
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

    const int Columns = 8;

    /// <summary>
    /// A table of which a run replaces rows or elements, or which it keeps, or sets anew: what it does is a branch within a branch.
    /// </summary>
    /// <param name="isRead">Whether a branch reads what was in the table before.</param>
    static Graph Branching(bool isRead = false) => GraphText.Read($$"""
        graph branching
          input replaces: Bool[]
          input keeps: Bool[]
          input at: Int64[1,1]
          input x: Float32[1,8]
          input used: Int64[rows]
          input table: Float32[rows,8]
          after: Float32[rows,8], one: Float32[] = if(replaces, table, at, x, keeps, table, x)
            graph replacing
              input t: Float32[rows,8]
              input i: Int64[1,1]
              input v: Float32[1,8]
              first: Int64[1,1] = constant {0}
              once: Float32[rows,8] = scatter_nd(t, i, v) combine=replace
              negative: Float32[1,8] = negate(v)
              twice: Float32[rows,8] = scatter_nd(once, first, negative) combine=replace
              sum: Float32[] = reduce({{(isRead ? "t" : "v")}}) kind=sum axes=[0,1]
              output table = twice
              output one = sum
            end
            graph choosing
              input k: Bool[]
              input t: Float32[rows,8]
              input v: Float32[1,8]
              chosen: Float32[rows,8], most: Float32[] = if(k, t, v, v)
                graph keeping
                  input t: Float32[rows,8]
                  input v: Float32[1,8]
                  most: Float32[] = reduce(v) kind=max axes=[0,1]
                  output table = t
                  output one = most
                end
                graph resetting
                  input v: Float32[1,8]
                  anew: Float32[rows,8] = broadcast(v) shape=[rows,8]
                  least: Float32[] = reduce(v) kind=min axes=[0,1]
                  output table = anew
                  output one = least
                end
              output table = chosen
              output one = most
            end
          sums: Float32[8] = reduce(after) kind=sum axes=[0]
          output total = sums
          output one = one
          output after = after
          state 5 = 2
        end
        """);

    [Theory]
    [InlineData(false, false, true)]
    [InlineData(false, true, true)]
    [InlineData(true, false, false)]
    public void A_state_that_is_changed_in_a_branch_is_changed_in_place(bool isRead, bool isSimplified, bool isInPlace)
    {
        const int Rows = 5;
        var graph = Branching(isRead);
        graph.Validate();
        if (isSimplified)
            graph = Pipeline.Exact(graph, Evaluator.Fold);
        var program = Lower.Program(graph);
        var state = Assert.Single(program.States);
        // Nothing of the state's size is copied, but for what a branch sets it to anew; and no room is taken for that elsewhere.
        var copies = program.AllSteps().OfType<Step.Copy>().Where(c => c.From.Count.Equals(state.Count)).ToArray();
        Assert.Equal(isInPlace, copies is [var only] && only.To == state);
        Assert.Equal(isInPlace, program.Buffers.Count(b => b.Storage == Storage.Arena && b.Count.Equals(state.Count)) == 1);
        var schedule = Schedule.Of(program, InProcess.Width);
        Assert.Equal([], ScheduleCheck.Faults(schedule));
        using var model = Answers.Compile(graph, InProcess.Width);
        var held = Tensor.Of(ElementType.Float32, [Rows, Columns], new double[Rows * Columns]);
        foreach (var (run, replaces, keeps) in new[] { (1, true, false), (2, true, true), (3, false, true), (4, true, false), (5, false, false), (6, false, true), (7, true, true) })
        {
            Tensor[] arguments = [Tensor.Scalar(ElementType.Bool, replaces ? 1 : 0), Tensor.Scalar(ElementType.Bool, keeps ? 1 : 0), Tensor.Of<long>([run * 3 % Rows], 1, 1),
                Tensor.Of([.. Enumerable.Range(0, Columns).Select(i => run + i / 8f)], 1, Columns), Tensor.Vector<long>(new long[Rows])];
            var expected = Evaluator.Run(graph, [.. arguments, held]);
            held = expected[2];
            model.Time(arguments);
            Assert.All(model.Results().Zip(expected), r => Assert.True(r.First.SameAs(r.Second), $"run {run}: {r.First} and not {r.Second}"));
        }
    }

    /// <summary>Either of two states becomes what both are: only one of them can be changed in place.</summary>
    [Fact]
    public void States_that_become_the_same_are_both_right()
    {
        var graph = GraphText.Read("""
            graph two
              input first: Bool[]
              input at: Int64[1,1]
              input x: Float32[1,2]
              input a: Float32[3,2]
              input b: Float32[3,2]
              both: Float32[3,2] = if(first, a, at, x, b, at, x)
                graph replacing
                  input t: Float32[3,2]
                  input i: Int64[1,1]
                  input v: Float32[1,2]
                  y: Float32[3,2] = scatter_nd(t, i, v) combine=replace
                  output y = y
                end
                graph replacing
                  input t: Float32[3,2]
                  input i: Int64[1,1]
                  input v: Float32[1,2]
                  y: Float32[3,2] = scatter_nd(t, i, v) combine=replace
                  output y = y
                end
              total: Float32[2] = reduce(both) kind=sum axes=[0]
              output total = total
              output a = both
              output b = both
              state 3 = 1
              state 4 = 2
            end
            """);
        using var model = Answers.Compile(graph, InProcess.Width);
        var held = Tensor.Of(ElementType.Float32, [3, 2], new double[6]);
        for (var run = 1; run < 6; run++)
        {
            Tensor[] arguments = [Tensor.Scalar(ElementType.Bool, run % 2), Tensor.Of<long>([run % 3], 1, 1), Tensor.Of<float>([run, -run / 2f], 1, 2)];
            var expected = Evaluator.Run(graph, [.. arguments, held, held]);
            held = expected[1];
            model.Time(arguments);
            Assert.True(model.Results()[0].SameAs(expected[0]));
        }
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
