using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>Writes the frame of a program, which says where everything lies, and the class that runs it.</summary>
sealed class ModelCode(Schedule schedule, WeightLayout weights, RunCode run)
{
    readonly LoweredProgram program = schedule.Program;
    readonly MemoryPlan memory = schedule.Memory;
    // Where accesses beyond a buffer are looked for, each has a segment of its own.
    int guarded;

    IEnumerable<ToomCook> Fast => schedule.Kernels.Values.OfType<NestKernel.Tiled>().Select(t => t.Fast).OfType<ToomCook>();

    IEnumerable<string> Symbols => program.Graph.Arguments.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Concat(memory.SegmentOfSymbol.Keys)
        .Concat(schedule.Buffers.SelectMany(b => b.Count.Symbols)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);

    /// <summary>Writes the frame.</summary>
    public void Frame(StringBuilder code)
    {
        code.Append("/// <summary>Where everything lies and how large it is.</summary>\nunsafe struct Frame\n{\n");
        code.Append("    // What the kernel that runs is given, and the node that it is of where it may fail.\n");
        code.Append($"    public void* {string.Join(", ", Enumerable.Range(0, run.Parameters).Select(i => $"x{i}"))};\n    public int node, threads;\n");
        foreach (var symbol in Symbols)
            code.Append($"    public long {SizeCode.Name(symbol)};\n");
        foreach (var buffer in schedule.Buffers)
            code.Append($"    /// <summary>{buffer.Type}[{buffer.Count}]</summary>\n    public {KernelWriter.InMemory(buffer.Type)}* {buffer.Name};\n");
        code.Append("}\n");
    }

    /// <summary>Writes the class.</summary>
    public void Class(StringBuilder code)
    {
        code.Append("/// <summary>The compiled model.</summary>\npublic sealed unsafe class Model : CompiledModel\n{\n    readonly Frame* f;\n    readonly Arena widened = new();\n\n");
        Constructor(code, program.Graph);
        Execution(code, program.Graph);
        if (run.Nodes.Count > 0)
            code.Append($"\n    static readonly string[] nodes =\n    [\n{string.Concat(run.Nodes.Select(n => $"        {KernelWriter.Literal(n)},\n"))}    ];\n");
        if (run.Timed is { } timed)
            code.Append($"\n    public readonly long[] {ProgramCode.TicksField} = new long[{timed.Count}];\n    long last;\n\n    void Timed(int step)\n    {{\n        var now = System.Diagnostics.Stopwatch.GetTimestamp();\n        {ProgramCode.TicksField}[step] += now - last;\n        last = now;\n    }}\n");
        for (var i = 0; i < memory.Segments.Length; i++)
            Layout(code, i);
        code.Append(run.Demands);
        for (var i = 0; run.GivesBack && i < memory.Segments.Length; i++)
            code.Append($"\n    // Multiply-adds of the kernels whose sizes are known now.\n    long Work{i}() => {SizeCode.Of(Work(i))};\n");
        code.Append("}\n");
    }

    void Constructor(StringBuilder code, Graph graph)
    {
        code.Append(RoutineCode.Fields(schedule.Program));
        code.Append("    /// <summary>Takes its weights.</summary>\n    public Model(WeightsFile weights) : base(weights,\n        [");
        code.Append(string.Join(",\n        ", graph.Arguments.Select(v => Info(v.Name, v.Type)))).Append("],\n        [");
        code.Append(string.Join(",\n        ", graph.Results.Select(r => Info(r.Name, r.Value.Type)))).Append("])\n    {\n");
        if (program.States.Any())
            code.Append($"        States = new({program.States.Count()});\n");
        code.Append($"        Arena = new({(GuardPages.AreOn ? 2 * schedule.Buffers.Count : memory.Segments.Length) + 1});\n        f = (Frame*)NativeMemory.AllocZeroed((nuint)sizeof(Frame));\n");
        var wide = weights.Items.Where(i => i.Buffer.Type != i.Buffer.Constant!.Type).ToArray();
        var evaluated = Fast.Where(t => t.Kept > 0).ToDictionary(t => t.Weights.Name);
        var room = wide.Sum(i => WideBytes(i.Buffer.Constant!.Count)) + evaluated.Values.Sum(t => WideBytes(t.Kept));
        if (room > 0)
            code.Append($"        var wide = (float*){(GuardPages.AreOn ? "null" : $"widened.Reserve({room}L)")};\n");
        foreach (var (buffer, offset) in weights.Items)
        {
            if (buffer.Type == buffer.Constant!.Type)
            {
                var bytes = buffer.Constant.Bytes.Length;
                code.Append(GuardPages.AreOn
                    ? $"        f->{buffer.Name} = ({KernelWriter.InMemory(buffer.Type)}*)Arena.Reserve({bytes + Arena.Alignment}, {guarded++});\n        NativeMemory.Copy(Weights + {offset}L, f->{buffer.Name}, {bytes});\n"
                    : $"        f->{buffer.Name} = ({KernelWriter.InMemory(buffer.Type)}*)(Weights + {offset}L);\n");
                Evaluated(buffer);
                continue;
            }
            var count = buffer.Constant.Count;
            Wide(count);
            code.Append($"        f->{buffer.Name} = wide;\n");
            code.Append(buffer.Constant.Type == ElementType.Float16
                ? $"        Conversions.Widen(new ReadOnlySpan<Half>(Weights + {offset}L, {count}), new Span<float>(wide, {count}));\n"
                : $"        Conversions.WidenBFloat16(new ReadOnlySpan<ushort>(Weights + {offset}L, {count}), new Span<float>(wide, {count}));\n");
            code.Append($"        wide += {WideBytes(count) / 4}L;\n");
            Evaluated(buffer);
        }
        if (weights.Copied is { } end)
            code.Append($"        WeightsFile.GiveBack(0, {end}L);\n");
        code.Append("    }\n");

        void Evaluated(Lowering.Buffer buffer)
        {
            if (!evaluated.TryGetValue(buffer.Name, out var quick))
                return;
            Wide(quick.Kept);
            code.Append($"{KernelWriter.Indent(new ToomCookCode(quick).Evaluate($"f->{buffer.Name}", "wide"), 2)}        f->{buffer.Name} = wide;\n        wide += {WideBytes(quick.Kept) / 4}L;\n");
        }
        void Wide(long count)
        {
            if (GuardPages.AreOn)
                code.Append($"        wide = (float*)Arena.Reserve({WideBytes(count)}L, {guarded++});\n");
        }
    }

    void Execution(StringBuilder code, Graph graph)
    {
        code.Append("\n    /// <inheritdoc/>\n    protected override void Execute()\n    {\n        var f = this.f;\n        f->threads = Workers.Count;\n");
        var arguments = graph.Arguments.ToArray();
        for (var i = 0; i < program.Inputs.Length; i++)
            code.Append($"        f->{program.Inputs[i].Name} = ({KernelWriter.InMemory(program.Inputs[i].Type)}*)Input({i});\n");
        foreach (var (i, axis, symbol, rest) in Graph.SizeBindings(arguments))
        {
            var size = rest.Value == 0 ? $"InputSize({i}, {axis})" : $"Check.Left(InputSize({i}, {axis}), checked({SizeCode.Of(rest)}), {KernelWriter.Literal(arguments[i].Name)}, \"{arguments[i].Shape[axis]}\")";
            code.Append($"        f->{SizeCode.Name(symbol)} = {SizeCode.Demanded(graph, symbol, size, arguments[i].Name)};\n");
        }
        foreach (var (argument, i) in arguments.Select((a, i) => (a, i)))
        {
            // Sizes that are a symbol or a number are checked where arguments are accepted.
            for (var axis = 0; axis < argument.Rank; axis++)
            {
                if (argument.Shape[axis] is { IsKnown: false, SymbolName: null } sum)
                    code.Append($"        Check.Equal(InputSize({i}, {axis}), checked({SizeCode.Of(sum)}), {KernelWriter.Literal(argument.Name)});\n");
            }
        }
        foreach (var (state, i) in program.States.Select((b, i) => (b, i)))
            code.Append($"        f->{state.Name} = ({KernelWriter.InMemory(state.Type)}*)States.Reserve({i}, {SizeCode.Room(state)});\n");
        if (run.Timed is not null)
            code.Append("        last = System.Diagnostics.Stopwatch.GetTimestamp();\n");
        if (run.GivesBack)
            code.Append($"        var served = {weights.First}L;\n");
        if (!run.MayFail)
            code.Append(run.Statements);
        else
        {
            code.Append("        try\n        {\n").Append(KernelWriter.Indent(run.Statements, 1));
            code.Append("        }\n        catch (ModelException e) when (e.Error == ModelError.Index)\n        {\n            throw new ModelException(e.Error, $\"{nodes[f->node]}: {e.Message}\");\n        }\n");
        }
        for (var i = 0; i < program.Outputs.Length; i++)
        {
            var (buffer, shape) = program.Outputs[i];
            code.Append($"        SetOutput({i}, f->{buffer.Name}{string.Concat(shape.Dims.Select(d => $", {SizeCode.Of(d)}"))});\n");
        }
        code.Append("    }\n\n    void Run(delegate*<void*, int, void> kernel, int tasks, void* x0, void* x1 = null, void* x2 = null, void* x3 = null)\n    {\n        f->x0 = x0;\n        f->x1 = x1;\n        f->x2 = x2;\n        f->x3 = x3;\n        Workers.Run(kernel, f, tasks);\n    }\n");
    }

    // Weights are read a whole vector at a time, and evaluated ones written so: up to a cache line beyond their end, which is there.
    static long WideBytes(long count) => Arena.Align(count * sizeof(float)) + Arena.Alignment;

    static string Info(string name, TensorType type) =>
        $"new TensorInfo({KernelWriter.Literal(name)}, ElementType.{type.Element}{string.Concat(type.Shape.Dims.Select(d => $", {KernelWriter.Literal(d.ToString())}"))})";

    void Layout(StringBuilder code, int segment)
    {
        code.Append($"\n    void Layout{segment}()\n    {{\n        checked\n        {{\n");
        var slots = memory.Segments[segment];
        if (slots.Length > 0)
        {
            code.Append("            var f = this.f;\n            long end = 0;\n");
            for (var i = 0; i < slots.Length; i++)
            {
                if (slots[i].At is { } at)
                {
                    code.Append($"            const long at{i} = {at};\n            end = Math.Max(end, {at + MemoryPlan.Room(slots[i])});\n");
                    continue;
                }
                var sizes = slots[i].Buffers.DistinctBy(b => (b.Count, b.Type.Size())).Select(SizeCode.Room).ToArray();
                code.Append($"            var at{i} = end;\n            end += Arena.Align({sizes.Aggregate((a, b) => $"Math.Max({a}, {b})")}) + {Arena.Alignment};\n");
            }
            if (!GuardPages.AreOn)
                code.Append($"            var start = Arena.Reserve(end, {segment}{(slots.All(s => s.Buffers.All(b => b.Count.IsKnown)) ? ", isFixed: true" : "")});\n");
            for (var i = 0; i < slots.Length; i++)
            {
                foreach (var buffer in slots[i].Buffers)
                    code.Append($"            f->{buffer.Name} = ({KernelWriter.InMemory(buffer.Type)}*){(GuardPages.AreOn ? $"Arena.Reserve({SizeCode.Room(buffer)}, {guarded++})" : $"(start + at{i})")};\n");
            }
        }
        code.Append("        }\n    }\n");
    }

    /// <summary>The multiply-adds of the run's contractions, as far as their sizes are known when it has come to a segment.</summary>
    Dim Work(int segment) => program.Steps.SelectMany(s => s is Step.Fused fused ? fused.Members : s is Step.Nest nest ? [nest] : []).Where(n => n.Fold is not null)
        .Select(n => Dim.Product(n.Axes.Concat(n.Fold!.Axes).Select(a => a.Extent)))
        .Where(d => d.Symbols.All(s => memory.SegmentOfSymbol.GetValueOrDefault(s) <= segment)).Aggregate(Dim.Zero, (a, b) => a + b);
}
