using System.Collections.Concurrent;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Interpret;
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
        Assert.Contains("  b_y = tile 4x24 [i_m=4, i_t=T] sum [i_k=32] rows=i_m columns=i_t # contract", lines);
        Assert.Contains("    sum of multiply(b_w[i_k + i_m*32], b_x[i_t + i_k*T])", lines);
        Assert.Contains(lines, l => l.StartsWith("  b_z = transpose [", StringComparison.Ordinal));
        Assert.Contains("  buffer b_z: Float32[4*T]", lines);
        Assert.Contains("    slot b_z", lines);
    }

    /// <summary>What is read is what was written, as text, as C#, and as what it computes.</summary>
    [Fact]
    public void Text_is_read_as_what_was_written()
    {
        var (failures, kernels) = (new ConcurrentBag<string>(), new ConcurrentDictionary<string, bool>());
        Parallel.ForEach(Seeds.Of(500), seed =>
        {
            var width = (int[])[128, 256, 512] is var widths ? widths[seed % 3] : 0;
            // Every other one has states and open sizes.
            var made = seed % 2 == 0 ? Grower.Grow(seed, 1 + seed % 16) : null;
            var schedule = Schedule.Of(Lower.Program(made is null ? Grower.GrowOpen(seed, 1 + seed % 16).Graph : Pipeline.Exact(made.Graph, Evaluator.Fold)), width);
            var text = ScheduleText.Write(schedule);
            foreach (var kernel in schedule.Kernels.Values)
                kernels.TryAdd(kernel.GetType().Name, true);
            try
            {
                var read = ScheduleText.Read(text, ScheduleText.Weights(schedule).GetValueOrDefault);
                Assert.Equal(text, ScheduleText.Write(read));
                var (code, again) = (ProgramCode.Write(schedule), ProgramCode.Write(read));
                Assert.Equal(code.Source, again.Source);
                Assert.Equal(Bytes(code), Bytes(again));
                if (made is not null)
                    Assert.All(Interpreter.Run(schedule, made.Inputs).Zip(Interpreter.Run(read, made.Inputs)), r => Assert.True(r.First.SameAs(r.Second)));
            }
            catch (Exception e)
            {
                failures.Add($"seed {seed}: {e.GetType().Name}: {e.Message}\n{text}");
            }
        });
        Assert.True(failures.IsEmpty, $"{failures.Count} failed; the shortest:\n{failures.MinBy(f => f.Length)}");
        // Some of them have each kernel; fast algorithms need more channels, and are read in their own tests.
        var (first, end) = Seeds.Range(500);
        if (end - first >= 500)
            Assert.Empty(typeof(NestKernel).GetNestedTypes().Select(t => t.Name).Except(kernels.Keys));

        static byte[] Bytes(ProgramSource code)
        {
            var file = new MemoryStream();
            code.Weights.Write(file);
            return file.ToArray();
        }
    }

    [Theory]
    [InlineData("schedule g width=256", "schedule g width=200", 1, "width=")]
    [InlineData("b_x: Float32[32*T]", "b_x: Float33[32*T]", 2, "no type")]
    [InlineData("slot b_z", "slot b_q", 8, "no buffer b_q")]
    [InlineData("slot b_z", "slot b_z, b_y", 0, "b_y has two places")]
    [InlineData("b_y = tile", "b_y = tool", 9, "no kernel 'tool 4x24'")]
    [InlineData("tile 4x24", "tile 5x24", 9, "from 1 to 4 rows")]
    [InlineData("tile 4x24", "tile 4x23", 9, "whole vectors of 8")]
    [InlineData("rows=i_m columns=i_t", "rows=i_m columns=i_q", 9, "can't compute")]
    [InlineData("rows=i_m columns=i_t", "rows=i_m columns=i_t packed=true", 9, "no factor")]
    [InlineData("rows=i_m columns=i_t", "rows=i_m columns=i_t colour=red", 9, "but not by")]
    [InlineData("tile 4x24 [i_m=4, i_t=T] sum [i_k=32] rows=i_m columns=i_t", "loops [i_m=4, i_t=T] sum [i_k=32] vectors=i_m", 9, "can't take vectors")]
    [InlineData("b_w[i_k + i_m*32]", "b_w[i_k + i_n*32]", 10, "no loop i_n")]
    [InlineData("multiply(", "multiple(", 10, "no function 'multiple'")]
    [InlineData("multiply(", "multiply(t0, ", 10, "'multiply' takes 2 and not 3")]
    [InlineData("i_t + i_k*T])", "i_t + i_k*T]", 10, "bracket")]
    [InlineData("    sum of multiply(b_w[i_k + i_m*32], b_x[i_t + i_k*T])\n", "", 10, "'sum of' is missing")]
    [InlineData("b_z = transpose", "b_z = window", 12, "'window' can't compute")]
    [InlineData("  output z", "  outputs z", 15, "no step")]
    [InlineData("end\n", "", 16, "'end' is missing")]
    [InlineData("end\n", "end\nmore\n", 17, "more after")]
    public void Text_that_is_damaged_is_refused_with_its_line(string what, string with, int line, string message)
    {
        var text = ScheduleText.Write(Schedule.Of(Lowered(), 256));
        Assert.Contains(what, text, StringComparison.Ordinal);
        var refused = Assert.Throws<SoftmodelException>(() => ScheduleText.Read(text.Replace(what, with, StringComparison.Ordinal)));
        Assert.StartsWith(line == 0 ? "line " : $"line {line} of the text of a schedule: ", refused.Message, StringComparison.Ordinal);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
    }

    /// <summary>A tile of another size is another schedule of the same program.</summary>
    [Fact]
    public void What_a_person_changes_in_the_text_is_what_is_computed()
    {
        var schedule = Schedule.Of(Lowered(), 256);
        var changed = ScheduleText.Read(ScheduleText.Write(schedule).Replace("tile 4x24", "tile 2x16", StringComparison.Ordinal));
        Assert.Equal((2, 2), changed.Kernels.Values.OfType<NestKernel.Tiled>().Select(t => (t.Tile.Height, t.Tile.Vectors)).Single());
        Tensor[] inputs = [Answers.Ramp(32, 37), Answers.Ramp(4, 32)];
        Assert.True(Interpreter.Run(schedule, inputs)[1].SameAs(Interpreter.Run(changed, inputs)[1]));
        Assert.NotEqual(ProgramCode.Write(schedule).Source, ProgramCode.Write(changed).Source);
    }

    /// <summary>A damaged text is refused as what it is, wherever it is damaged.</summary>
    [Fact]
    public void No_damage_to_a_text_is_an_error_of_the_compiler()
    {
        var (random, refused) = (new Random(1), 0);
        foreach (var seed in Enumerable.Range(0, 200))
        {
            var schedule = Schedule.Of(Lower.Program(Grower.GrowOpen(seed, 1 + seed % 12).Graph), 256);
            var (text, weights) = (ScheduleText.Write(schedule), ScheduleText.Weights(schedule));
            for (var i = 0; i < 10; i++)
            {
                var (from, length) = (random.Next(text.Length), random.Next(1, 8));
                var damaged = text.Remove(from, Math.Min(length, text.Length - from));
                try
                {
                    ScheduleText.Read(damaged, weights.GetValueOrDefault);
                }
                catch (SoftmodelException e)
                {
                    Assert.Matches("^line [0-9]+ of the text of a schedule: ", e.Message);
                    refused++;
                }
            }
        }
        Assert.True(refused > 1000, $"{refused} of 2000");
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
