using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Tests.Generated;

namespace Softmodel.Tests.Lowering;

public class ScheduleTests
{
    const string Product = """
        graph g
          input x: Float32[32,T]
          input w: Float32[4,32]
          y: Float32[4,T] = contract(w, x) equation="mk,kt->mt"
          z: Float32[T,4] = transpose(y) order=[1,0]
          output y = y
          output z = z
        end
        """;

    static LoweredProgram Lowered(params (string Name, long Size)[] usual) =>
        Lower.Program(GraphText.Read(Product), new(usual.ToDictionary(u => u.Name, u => u.Size)));

    [Theory]
    [InlineData(8, 2)]
    [InlineData(46, 2)]
    [InlineData(48, 3)]
    [InlineData(1000, 3)]
    public void Kernels_are_chosen_for_sizes_as_they_usually_are(long length, int vectors)
    {
        var program = Lowered(("T", length));
        var tile = Assert.Single(Schedule.Of(program, 256).Kernels.Values.OfType<NestKernel.Tiled>()).Tile;
        Assert.Equal((4, vectors), (tile.Height, tile.Vectors));
        // Others run, too.
        var graph = program.Graph;
        Tensor[] inputs = [Answers.Ramp(32, 37), Answers.Ramp(4, 32)];
        using var model = InProcess.Compile(program, 128);
        Assert.True(Evaluator.Run(graph, inputs)[0].Dims.SequenceEqual(model.Run(inputs)[0].Dims));
    }

    [Fact]
    public void A_usual_size_that_there_is_not_is_refused_with_those_that_there_are()
    {
        var refused = Assert.Throws<SoftmodelException>(() => Lowered(("length", 8)));
        Assert.Contains("no size 'length'", refused.Message, StringComparison.Ordinal);
        Assert.EndsWith("its sizes are T", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_schedule_is_text()
    {
        var program = Lowered();
        using var text = new StringWriter();
        ScheduleText.Write(Schedule.Of(program, 256), text);
        var lines = text.ToString().Split('\n');
        Assert.Equal("schedule g width=256", lines[0]);
        Assert.Contains(lines, l => l.StartsWith("  b_y = tile 4x24 [", StringComparison.Ordinal) && l.Contains("] sum [", StringComparison.Ordinal) && l.EndsWith("# contract", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("  b_z = transpose [", StringComparison.Ordinal));
        Assert.Contains("  buffer b_z: Float32[4*T] in 0.1", lines);
    }

    [Fact]
    public void Random_graphs_find_in_memory_what_they_read()
    {
        Parallel.ForEach(Enumerable.Range(0, 400), seed =>
        {
            var program = Lower.Program(Grower.GrowOpen(seed, 1 + seed % 16).Graph);
            foreach (var width in (int[])[128, 256, 512])
                Assert.Equal([], ScheduleCheck.Faults(Schedule.Of(program, width)));
        });
    }

    /// <summary>Buffers of two slots in one are found, wherever both are needed at once.</summary>
    [Fact]
    public void What_is_overwritten_too_early_is_found()
    {
        var (found, tried) = (0, 0);
        foreach (var seed in Enumerable.Range(0, 60))
        {
            var program = Lower.Program(Grower.GrowOpen(seed, 1 + seed % 12).Graph);
            var schedule = Schedule.Of(program, 256);
            if (schedule.Memory.Segments[0] is not { Length: >= 2 } slots)
                continue;
            tried++;
            MemoryPlan.Slot[] merged = [new([.. slots[0].Buffers, .. slots[1].Buffers]), .. slots.Skip(2)];
            found += ScheduleCheck.Faults(schedule with { Memory = schedule.Memory with { Segments = [merged, .. schedule.Memory.Segments.Skip(1)] } }).Count > 0 ? 1 : 0;
        }
        // The plan has two slots only where they are needed at once, but for what nothing reads.
        Assert.True(tried > 30 && found > 0.9 * tried, $"{found} of {tried}");
    }

    /// <summary>Every step of a program is in the text, once.</summary>
    [Fact]
    public void Nothing_is_left_out_of_the_text()
    {
        foreach (var seed in Enumerable.Range(0, 60))
        {
            var program = Lower.Program(Grower.GrowOpen(seed, 1 + seed % 12).Graph);
            foreach (var width in (int[])[128, 256, 512])
            {
                using var text = new StringWriter();
                ScheduleText.Write(Schedule.Of(program, width), text);
                var written = text.ToString().Split('\n').Select(l => l.TrimStart()).ToArray();
                foreach (var nests in program.AllSteps().OfType<Step.Nest>().GroupBy(n => n.Target.Name))
                    Assert.Equal(nests.Count(), written.Count(l => l.StartsWith($"{nests.Key} = ", StringComparison.Ordinal) && l.Contains(" [", StringComparison.Ordinal)));
            }
        }
    }
}
