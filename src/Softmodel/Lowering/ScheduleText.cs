using Softmodel.Graphs;

namespace Softmodel.Lowering;

/// <summary>A schedule as text: what is computed in which order, by which kernel, and where it lies.</summary>
static class ScheduleText
{
    /// <summary>Writes a schedule.</summary>
    public static void Write(Schedule schedule, TextWriter to)
    {
        var program = schedule.Program;
        to.Write($"schedule {program.Name} width={schedule.Target.Width}\n");
        foreach (var (buffer, (segment, slot)) in schedule.Memory.Places)
            to.Write($"  buffer {buffer.Name}: {buffer.Type}[{buffer.Count}] in {segment}.{slot}\n");
        foreach (var buffer in program.Buffers.Where(b => b.Storage != Storage.Arena))
            to.Write($"  {buffer.Storage.ToString().ToLowerInvariant()} {buffer.Name}: {buffer.Type}[{buffer.Count}]\n");
        Steps(program.Steps, "  ");
        foreach (var (buffer, shape) in program.Outputs)
            to.Write($"  output {buffer.Name}: {shape}\n");
        to.Write("end\n");

        void Steps(Step[] steps, string space)
        {
            foreach (var step in steps)
                One(step, space);
        }

        void One(Step step, string space)
        {
            switch (step)
            {
                case Step.Nest nest:
                    var operand = schedule.IsTaken(nest) ? " within the next" : "";
                    to.Write($"{space}{nest.Target.Name} = {KernelOf(nest)}{operand}{Loops(nest.Axes)}{Sum(nest.Fold)} reads {string.Join(", ", nest.Reads.Distinct().Select(b => b.Name))} # {nest.Source.ReplaceLineEndings(" ")}\n");
                    break;
                case Step.Fused fused:
                    to.Write($"{space}rows{Loops(fused.Rows)}{string.Concat(fused.Private.Select(p => $" private {p.Buffer.Name}[{p.Size}]"))}\n");
                    foreach (var part in schedule.Rows[fused].Parts)
                    {
                        var how = part.Tile is { } tile ? $"tile {tile.Height}x{tile.Step}" : "loops";
                        foreach (var nest in part.Then is null ? [part.Nest] : (Step.Nest[])[part.Nest, part.Then.Nest])
                            to.Write($"{space}  {nest.Target.Name} = {how}{(nest == part.Then?.Nest ? " on the way" : "")}{Loops(nest.Axes)}{Sum(nest.Fold)} reads {string.Join(", ", nest.Reads.Distinct().Select(b => b.Name))} # {nest.Source.ReplaceLineEndings(" ")}\n");
                    }
                    break;
                case Step.Routine routine:
                    to.Write($"{space}{string.Join(", ", routine.Outputs.Items.Select(o => o.Buffer.Name))} = call {OpForms.NameOf(routine.Op)}({string.Join(", ", routine.Inputs.Items.Select(i => i.Buffer.Name))}) # {routine.Source.ReplaceLineEndings(" ")}\n");
                    break;
                case Step.Bind bind:
                    to.Write($"{space}{string.Join(", ", bind.Symbols)} = sizes {bind.Source.Name} # {bind.Node}\n");
                    break;
                case Step.Demanded demanded:
                    foreach (var (condition, source) in demanded.Conditions)
                        to.Write($"{space}demand {condition.Demand.ToString().ToLowerInvariant()}({string.Join(", ", condition.Sizes)}) # {source}\n");
                    break;
                case Step.Copy copy:
                    to.Write($"{space}{copy.To.Name} = copy {copy.From.Name}\n");
                    break;
                case Step.If branch:
                    to.Write($"{space}if {branch.Condition.Name}\n");
                    Steps(branch.Then, space + "  ");
                    to.Write($"{space}else\n");
                    Steps(branch.Else, space + "  ");
                    break;
                case Step.Loop loop:
                    to.Write($"{space}loop {loop.Iteration.Name} < {loop.Trips.Name} from {loop.Begin.Name} while {loop.GoOn.Name}{(loop.Count is null ? "" : $" counts {loop.Count}")}\n");
                    Steps(loop.Body, space + "  ");
                    foreach (var (from, into) in loop.Stacks)
                        to.Write($"{space}  stack {into.Name} = {from.Name}\n");
                    foreach (var (from, into) in loop.Carry)
                        to.Write($"{space}  carry {into.Name} = {from.Name}\n");
                    break;
            }
        }

        string KernelOf(Step.Nest nest) => schedule.Kernels.GetValueOrDefault(nest) switch
        {
            NestKernel.Tiled { Tile: var tile } tiled => $"{(tile.Gather is null ? "tile" : "gathered tile")} {tile.Height}x{tile.Step}{(tiled.IsPacked ? " packed" : "")}{(tiled.Fast is { } fast ? $" or toom-cook of {fast.Algorithm.Taps} taps{(fast.Shortest is { } least ? $" from {least}" : "")}" : "")}",
            NestKernel.Panelled { Panel: var panel } => $"panels of {Panel.Columns}{(panel.HasPairs ? " int16" : "")}{(panel.Map is null ? "" : " gathered")}",
            NestKernel.Windowed => "window",
            NestKernel.Transposed => "transpose",
            NestKernel.Padded => "padding",
            NestKernel.Plain { Loops: var loops } => $"loops{(schedule.Tied.ContainsKey(nest) ? " from panels" : "")}{(loops.IsVector ? $" with vectors along {loops.Inner!.Name}" : "")}",
            _ => "loops",
        };

        static string Loops(Axis[] axes) => $" [{string.Join(", ", axes.Select(a => $"{a.Name}={a.Extent}"))}]";

        static string Sum(Fold? fold) => fold is null ? "" : $" {(fold.Arg is null ? "" : "arg")}{fold.Kind.ToString().ToLowerInvariant()}{Loops(fold.Axes)}";
    }
}
