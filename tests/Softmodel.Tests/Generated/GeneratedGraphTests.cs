using CsCheck;
using Softmodel.Compile;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Interpret;
using Softmodel.Lowering;

namespace Softmodel.Tests.Generated;

/// <summary>Random graphs, computed by the reference evaluator, by compiled code and by ONNX Runtime.</summary>
public class GeneratedGraphTests
{
    static readonly int[] widths = [512, 256, 128];

    static Case Grown(int seed) => Grower.Grow(seed, 1 + seed % 12);

    [Fact]
    public void Every_way_to_compute_a_graph_gives_the_same()
    {
        var (failures, compared) = (new List<(int Nodes, string Text)>(), 0);
        Parallel.ForEach(Seeds.Of(50), seed =>
        {
            var made = Grown(seed);
            try
            {
                if (Compare(made, widths[seed % 3]))
                    Interlocked.Increment(ref compared);
            }
            catch (Exception e)
            {
                lock (failures)
                    failures.Add((made.Graph.AllNodes().Count(), $"{e.GetType().Name}: {e.Message}\n{e.StackTrace}\n{made}"));
            }
        });
        Assert.True(failures.Count == 0, $"{failures.Count} failed: seeds {string.Join(" ", failures.Select(f => f.Text.Split("seed ")[1].Split('\n')[0]))}; the smallest:\n{failures.OrderBy(f => f.Nodes).FirstOrDefault().Text}");
        Assert.True(compared > 0, "ONNX Runtime ran none of them");
    }

    /// <summary>Fails where two ways differ; false where ONNX Runtime could not take part.</summary>
    static bool Compare(Case made, int width)
    {
        made.Graph.Validate();
        var expected = Evaluator.Run(made.Graph, made.Inputs);
        void Same(string how, Tensor[] actual)
        {
            if (Answers.Difference(made, expected, actual) is { Length: > 0 } difference)
                throw new SoftmodelException($"{how}: {difference}");
        }
        var simple = Pipeline.Exact(made.Graph, Evaluator.Fold, isChecked: true);
        Same("after all passes", Evaluator.Run(simple, made.Inputs));
        foreach (var pass in Pipeline.Passes)
            Same($"without {pass.Name}", Evaluator.Run(Pipeline.Run(new(made.Graph.Name, made.Graph, new() { Without = [pass.Name] }, Evaluator.Fold)).Compilation.Graph, made.Inputs));
        var program = Lower.Program(simple);
        var schedule = Schedule.Of(program, width);
        Same($"its schedule for {width} bits, interpreted", Interpreter.Run(schedule, made.Inputs));
        Assert.Equal([], ScheduleCheck.Faults(schedule));
        Same($"compiled for {width} bits", Answers.Compiled(simple, made.Inputs, width, 1, 2));
        if (Answers.OnnxRuntime(made.Graph, made.Inputs) is not { } theirs)
            return false;
        Same("in ONNX Runtime", theirs);
        return true;
    }

    [Fact]
    public void Every_vector_width_gives_the_same()
    {
        var made = Seeds.Of(400).Select(Grown).Where(c => c.Graph.Nodes.Any(n => n.Op is Op.Convolve or Op.Contract or Op.ConvolveTransposed) && c.Nearness.All(n => n == 0)).Take(6);
        Parallel.ForEach(made, c =>
        {
            var simple = Pipeline.Exact(c.Graph, Evaluator.Fold);
            var first = Answers.Compiled(simple, c.Inputs, 512, 1);
            foreach (var width in widths)
                Assert.Equal("", Answers.Difference(c, first, Answers.Compiled(simple, c.Inputs, width, 1)));
        });
    }

    [Fact]
    public void Text_is_read_as_what_was_written() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var graph = Grower.Grow(seed, 1 + seed % 20).Graph;
        var weights = graph.AllNodes().Select(n => n.Op.Stored).OfType<Tensor>().DistinctBy(GraphText.Hash).ToDictionary(GraphText.Hash);
        var text = GraphText.Write(graph);
        Assert.Equal(text, GraphText.Write(GraphText.Read(text, hash => weights[hash])));
    }, iter: 200);
}
