using System.Globalization;
using Softmodel.Graphs;

namespace Softmodel.Lowering;

/// <summary>
/// A schedule as text: what is computed in which order, by which kernel, and where it lies.
/// <code>
/// schedule g width=256
///   input b_x: Float32[32*T] = x: Float32[32,T]
///   weight b_w: Float32[128] = Float32[4,32] sha256:...
///   buffer b_y: Float32[4*T]
///   segment
///     slot b_y
///   b_y = tile 4x24 [i_m=4, i_t=T] sum [i_k=32] rows=i_m columns=i_t packed=true # contract
///     sum of multiply(b_w[i_k + i_m*32], b_x[i_t + i_k*T])
///     b_y[i_t + i_m*T] = sum
///   output y: Float32[4,T] = b_y
/// end
/// </code>
/// A nest is a kernel, its loops, and below them what it computes: see <see cref="ExprText"/>. Weights are as the model has them, those
/// of more than 16 elements referred to by the SHA-256 of their bytes; how kernels lay them out follows from the kernels. Buffers of one
/// slot share memory, and so do slots of which it is said <c>at</c> which byte of the segment they begin; a segment with symbols is laid
/// out when these are known. What stands after <c>#</c> are the nodes that a step is of.
/// </summary>
static class ScheduleText
{
    /// <summary>The words between the steps of the text that the reader looks for, too.</summary>
    public const string Taken = "within the next", LeftOut = "left out by the next", OnTheWay = "loops on the way", Picks = "picks";

    /// <summary>The text form.</summary>
    public static string Write(Schedule schedule)
    {
        var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        Write(schedule, text);
        return text.ToString();
    }

    /// <summary>Writes the text form.</summary>
    public static void Write(Schedule schedule, TextWriter to) => new Writer(schedule, to).Write();

    /// <summary>Reads the text form.</summary>
    /// <param name="text">What <see cref="Write(Schedule)"/> wrote, or a person.</param>
    /// <param name="weight">A tensor of the bytes that a hash refers to, whatever its type; or null where there is none.</param>
    /// <exception cref="SoftmodelException">The text is not of that form, or says what can't be; the message says in which line.</exception>
    public static Schedule Read(string text, Func<string, Tensor?>? weight = null) => new ScheduleReader(text, weight ?? (_ => null)).Read();

    /// <summary>The tensors that the text of a schedule refers to by their hashes.</summary>
    public static IReadOnlyDictionary<string, Tensor> Weights(Schedule schedule) =>
        schedule.Program.Buffers.Select(b => b.Constant).OfType<Tensor>().DistinctBy(GraphText.Hash).ToDictionary(GraphText.Hash, StringComparer.Ordinal);

    /// <summary>The name of what a reduction comes to.</summary>
    public static string Result(Fold fold) => $"{(fold.Arg is null ? "" : "arg")}{fold.Kind.ToString().ToLowerInvariant()}";

    /// <summary>A reduction, the last of equals being told from the first.</summary>
    public static string Kind(Fold fold) => $"{(fold.Arg is true ? "last " : "")}{Result(fold)}";

    sealed class Writer(Schedule schedule, TextWriter to)
    {
        readonly LoweredProgram program = schedule.Program;

        public void Write()
        {
            to.Write($"schedule {Names.Write(program.Name)} width={schedule.Target.Width}\n");
            if (program.Usual.Named.Count > 0)
                to.Write($"  usual {string.Join(", ", program.Usual.Named.OrderBy(u => u.Key, StringComparer.Ordinal).Select(u => $"{u.Key}={u.Value}"))}\n");
            if (program.Graph.Positive.Count > 0)
                to.Write($"  positive {string.Join(", ", program.Graph.Positive)}\n");
            var arguments = program.Inputs.Zip(program.Graph.Arguments).ToDictionary(p => p.First, p => p.Second);
            foreach (var buffer in program.Buffers)
            {
                var from = arguments.TryGetValue(buffer, out var value) ? $" = {Names.Write(value.Name)}: {value.Type}" : buffer.Constant is { } tensor ? $" = {tensor.TensorType} {GraphText.Contents(tensor)}" : "";
                to.Write($"  {Word(buffer.Storage)} {buffer.Name}: {buffer.Type}[{buffer.Count}]{from}\n");
            }
            foreach (var (slots, i) in schedule.Memory.Segments.Select((s, i) => (s, i)))
            {
                to.Write($"  {$"segment {string.Join(", ", schedule.Memory.SegmentOfSymbol.Where(s => s.Value == i).Select(s => s.Key).Order(StringComparer.Ordinal))}".TrimEnd()}\n");
                foreach (var slot in slots)
                    to.Write($"    slot {string.Join(", ", slot.Buffers.Select(b => b.Name))}{(slot.At is { } at ? $" at {at}" : "")}\n");
            }
            Steps(program.Steps, "  ");
            foreach (var ((buffer, _), (name, value)) in program.Outputs.Zip(program.Graph.Results))
                to.Write($"  output {Names.Write(name)}: {value.Type} = {buffer.Name}\n");
            to.Write("end\n");
        }

        void Steps(Step[] steps, string space)
        {
            for (var i = 0; i < steps.Length; i++)
                One(steps[i], i + 1 < steps.Length ? steps[i + 1] as Step.Nest : null, space);
        }

        void One(Step step, Step.Nest? next, string space)
        {
            switch (step)
            {
                case Step.Nest nest:
                    Nest(nest, schedule.IsTaken(nest) ? Operand(schedule.Operands[next!]) : KernelText.Of(schedule.Kernels[nest]), space);
                    break;
                case Step.Fused fused:
                    to.Write($"{space}rows {Loops(fused.Rows)}{string.Concat(fused.Private.Select((p, i) => $"{(i == 0 ? " private " : ", ")}{p.Buffer.Name}[{p.Size}]"))}\n");
                    var member = 0;
                    foreach (var part in schedule.Rows[fused].Parts)
                    {
                        Nest(fused.Members[member++], part.Tile is { } tile ? KernelText.Of(tile) : new("loops", KernelText.Along(part.Loops!)), space + "  ");
                        if (part.Then is { } then)
                            Nest(fused.Members[member++], new(OnTheWay, KernelText.Along(then)), space + "  ");
                    }
                    to.Write($"{space}end\n");
                    break;
                case Step.Routine routine:
                    to.Write($"{space}{Shaped(routine.Outputs)} = call {OpForms.NameOf(routine.Op)}({Shaped(routine.Inputs)}){OpForms.Attributes(routine.Op)} # {routine.Source}\n");
                    break;
                case Step.Bind bind:
                    to.Write($"{space}sizes {string.Join(", ", bind.Symbols)} = {bind.Source.Name} # {bind.Node}\n");
                    break;
                case Step.Demanded demanded:
                    foreach (var ((condition, source), i) in demanded.Conditions.Select((c, i) => (c, i)))
                        to.Write($"{space}{(i == 0 ? "demand" : "  and")} {condition.Demand.ToString().ToLowerInvariant()}({string.Join(", ", condition.Sizes)}) {Names.Write(condition.Text)} # {source}\n");
                    break;
                case Step.Copy copy:
                    to.Write($"{space}{copy.To.Name} = copy {copy.From.Name}\n");
                    break;
                case Step.If branch:
                    to.Write($"{space}if {branch.Condition.Name}\n");
                    Steps(branch.Then, space + "  ");
                    to.Write($"{space}else\n");
                    Steps(branch.Else, space + "  ");
                    to.Write($"{space}end\n");
                    break;
                case Step.Loop loop:
                    to.Write($"{space}loop {loop.Iteration.Name} < {loop.Trips.Name} from {loop.Begin.Name} while {loop.GoOn.Name}{(loop.Count is null ? "" : $" counts {loop.Count}")}\n");
                    Steps(loop.Body, space + "  ");
                    foreach (var (from, into) in loop.Stacks)
                        to.Write($"{space}  stack {into.Name} = {from.Name}\n");
                    foreach (var (from, into) in loop.Carry)
                        to.Write($"{space}  carry {into.Name} = {from.Name}\n");
                    to.Write($"{space}end\n");
                    break;
            }
        }

        static KernelText Operand(Operand operand) => operand.Part is { } part ? new($"loops {Taken}", KernelText.Along(part.Loops)) : new($"loops {LeftOut}", "");

        void Nest(Step.Nest nest, KernelText kernel, string space)
        {
            var picks = schedule.Tied.TryGetValue(nest, out var picking) ? $" {Picks}=[{string.Join(", ", picking.Weights.Select(b => b.Name))}]" : "";
            var fold = nest.Fold;
            to.Write($"{space}{$"{nest.Target.Name} = {kernel.Words} {Loops(nest.Axes)}{(fold is null ? "" : $" {Kind(fold)} {Loops(fold.Axes)}")} {kernel.Attributes}".TrimEnd()}{picks} # {nest.Source}\n");
            var expressions = new ExprText.Writer(fold is null ? "" : Result(fold), [.. fold is null ? [] : (Expr[])[fold.Term], .. fold?.Unpadded is { } around ? (Expr[])[around] : [], nest.Value, .. nest.At.Dynamic.Select(d => d.Value)]);
            if (fold is not null)
                Line($"{Kind(fold)}{(fold.Result.Type == TypeOf(fold.Term, fold.Arg) ? "" : $" {fold.Result.Type}")} of ", fold.Term);
            if (fold?.Unpadded is { } unpadded)
                Line("unpadded ", unpadded);
            var at = expressions.Write(nest.At);
            Line($"{nest.Target.Name}[{at}] = ", nest.Value);

            // What has a name stands before what it is used in.
            void Line(string what, Expr e)
            {
                var text = expressions.Write(e);
                foreach (var line in expressions.Named())
                    to.Write($"{space}  {line}\n");
                to.Write($"{space}  {what}{text}\n");
            }
        }
    }

    /// <summary>The type of what a reduction comes to where nothing else is said.</summary>
    public static Runtime.ElementType TypeOf(Expr term, bool? arg) => arg is null ? term.Type : Runtime.ElementType.Int64;

    /// <summary>The word for where elements lie.</summary>
    public static string Word(Storage storage) => storage == Storage.Arena ? "buffer" : storage.ToString().ToLowerInvariant();

    static string Loops(Axis[] axes) => $"[{string.Join(", ", axes.Select(a => $"{a.Name}={a.Extent}"))}]";

    static string Shaped(Storeds buffers) => string.Join(", ", buffers.Items.Select(b => $"{b.Buffer.Name} {b.Shape}"));
}
