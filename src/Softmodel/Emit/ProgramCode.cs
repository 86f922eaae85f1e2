using System.Reflection;
using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;


namespace Softmodel.Emit;

/// <summary>A program as C#, and the weights that it reads.</summary>
/// <param name="Source">The C#, for one width of vectors.</param>
/// <param name="Weights">The tensors in the order in which the weights file holds them.</param>
/// <param name="Kernels">The kernel that a step became, and the name of its method; several may share one.</param>
/// <param name="Timed">The steps that it times, where it does, in the order of <see cref="ProgramCode.TicksField"/>.</param>
sealed record ProgramSource(string Source, WeightLayout Weights, IReadOnlyDictionary<Step, (string Name, KernelCode Code)> Kernels, IReadOnlyList<Step> Timed);

/// <summary>Where each constant lies in the weights file.</summary>
sealed record WeightLayout((Lowering.Buffer Buffer, long Offset)[] Items, long Length)
{
    /// <summary>
    /// Lays constants out one after the other, each at the start of a cache line: first those that are widened once, when
    /// the model is made, then the others in the order in which a run is done with them.
    /// </summary>
    public static WeightLayout Of(Schedule schedule)
    {
        var last = LastSteps(schedule.Program);
        var (items, at) = (new List<(Lowering.Buffer, long)>(), 0L);
        foreach (var buffer in schedule.Buffers.Where(b => b.Storage == Storage.Weight).OrderBy(b => IsWidened(b) ? -1 : last.GetValueOrDefault(b.Name, int.MaxValue)))
        {
            items.Add((buffer, at));
            at += Arena.Align(buffer.Constant!.Bytes.Length);
        }
        return new([.. items], at);
    }

    /// <summary>Whether a constant is read only when the model is made.</summary>
    public static bool IsWidened(Lowering.Buffer buffer) => buffer.Type != buffer.Constant!.Type;

    /// <summary>
    /// The last of a program's outermost steps that needs each constant. Those of the outputs are needed for ever, and so are
    /// tables: the rows that a run picks are few of their pages, and each would have to be found again.
    /// </summary>
    public static Dictionary<string, int> LastSteps(LoweredProgram program)
    {
        var last = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < program.Steps.Length; i++)
        {
            foreach (var buffer in (program with { Steps = [program.Steps[i]] }).AllSteps().SelectMany(s => s.Buffers))
                last[buffer.Name] = i;
        }
        var picked = program.AllSteps().OfType<Step.Nest>().SelectMany(n => Vectorization.Of(n.Value)).OfType<Expr.Load>().Where(l => l.Index.Dynamic.Count > 0).Select(l => l.Buffer);
        foreach (var buffer in picked.Concat(program.Outputs.Select(o => o.Buffer)))
            last[buffer.Name] = int.MaxValue;
        return last;
    }

    /// <summary>Writes the constants.</summary>
    public void Write(Stream stream)
    {
        Span<byte> zeros = stackalloc byte[Arena.Alignment];
        foreach (var (buffer, _) in Items)
        {
            var bytes = buffer.Constant!.Bytes.Span;
            stream.Write(bytes);
            stream.Write(zeros[..(int)(Arena.Align(bytes.Length) - bytes.Length)]);
        }
        stream.Write(zeros);
    }
}

/// <summary>A kernel without its name: steps that differ in nothing but the buffers that they work on share one.</summary>
/// <param name="Body">The statements.</param>
/// <param name="Parameters">The buffers that it is given.</param>
/// <param name="Tasks">The C# expression of the number of tasks that it is split into.</param>
sealed record KernelCode(string Body, IReadOnlyList<Lowering.Buffer> Parameters, string Tasks);

/// <summary>Writes a program as C#.</summary>
sealed class ProgramCode
{
    readonly LoweredProgram program;
    readonly StringBuilder run = new();
    readonly MemoryPlan memory;
    readonly Dictionary<string, (string Name, List<string> Sources)> kernels = new(StringComparer.Ordinal);
    readonly Dictionary<Step, (string Name, KernelCode Code)> written = new(ReferenceEqualityComparer.Instance);
    readonly Dictionary<string, int> named = new(StringComparer.Ordinal);
    readonly List<string> nodes = [];
    int parameters = Arguments, loops, segment, demands, guarded;
    bool mayFail;
    // A call that lays out memory, to be made once what has to be demanded before it has been.
    string? layout = "Layout0();";
    readonly StringBuilder checks = new();

    // More than these are set before the call.
    const int Arguments = 4;

    /// <summary>The field of a program that times its steps: how long each has taken so far, in ticks of the stopwatch.</summary>
    public const string TicksField = "Ticks";

    readonly List<Step>? timed;
    readonly Schedule schedule;
    // The register tiles that kernels call, and the fast algorithms.
    readonly HashSet<Tiles.Kernel> used = [];
    // Before an outermost step, where the weights end that the run is done with, and how many bytes they are.
    readonly Dictionary<Step, (long End, long All)> served = new(ReferenceEqualityComparer.Instance);

    ProgramCode(Schedule schedule, bool isTimed) =>
        (this.schedule, program, memory, timed) = (schedule, schedule.Program, schedule.Memory, isTimed ? [] : null);

    IEnumerable<ToomCook> Fast => schedule.Kernels.Values.OfType<NestKernel.Tiled>().Select(t => t.Fast).OfType<ToomCook>();

    /// <summary>The name of the field that holds a size.</summary>
    public static string SizeName(string symbol) => $"n_{symbol}";

    /// <summary>The C# of a program for vectors of 512, 256 or 128 bits.</summary>
    /// <param name="program">The program.</param>
    /// <param name="width">The bits of a vector.</param>
    /// <param name="isTimed">Whether it says how long each of its steps takes.</param>
    public static ProgramSource Write(LoweredProgram program, int width, bool isTimed = false) => Write(Schedule.Of(program, width), isTimed);

    /// <summary>The C# of a schedule.</summary>
    /// <inheritdoc cref="Write(LoweredProgram, int, bool)"/>
    public static ProgramSource Write(Schedule schedule, bool isTimed = false) => new ProgramCode(schedule, isTimed).Write();

    ProgramSource Write()
    {
        var weights = WeightLayout.Of(schedule);
        Served(weights);
        Steps(program.Steps, 2);
        var (code, width) = (new StringBuilder(), schedule.Target.Width);
        code.Append("// Made by Softmodel; not to be edited.\n#nullable enable\n");
        code.Append("using System;\nusing System.Numerics;\nusing System.Runtime.CompilerServices;\nusing System.Runtime.InteropServices;\nusing System.Runtime.Intrinsics;\nusing System.Runtime.Intrinsics.X86;\nusing Softmodel;\nusing Softmodel.Runtime;\n");
        code.Append($"using V = System.Runtime.Intrinsics.Vector{width}<float>;\nusing VI = System.Runtime.Intrinsics.Vector{width}<int>;\nusing VS = System.Runtime.Intrinsics.Vector{width}<short>;\nusing VX = System.Runtime.Intrinsics.Vector{width};\n\n");
        code.Append($"namespace Softmodel.Compiled.Width{width};\n\n");
        Frame(code);
        Kernels(code);
        Model(code, weights);
        code.Append('\n').Append(Tiles.Write(used, width));
        ToomCookMethods(code);
        PanelMethods(code);
        code.Append(Prelude());
        return new(code.ToString(), weights, written, timed ?? []);
    }

    /// <summary>Weights are given back so many bytes at a time, or more.</summary>
    const long Stretch = 8 << 20;

    /// <summary>Finds where the run is done with enough weights to give them back.</summary>
    void Served(WeightLayout weights)
    {
        var last = WeightLayout.LastSteps(program);
        var at = weights.Items.TakeWhile(i => WeightLayout.IsWidened(i.Buffer)).Count();
        var first = at < weights.Items.Length ? weights.Items[at].Offset : weights.Length;
        var told = first;
        for (var i = 1; i < program.Steps.Length; i++)
        {
            // What belongs to the operand of a kernel is read by that kernel.
            if (program.Steps[i] is Step.Nest nest && schedule.Operands.ContainsKey(nest))
                continue;
            while (at < weights.Items.Length && last.GetValueOrDefault(weights.Items[at].Buffer.Name, int.MaxValue) < i)
                at++;
            var end = at < weights.Items.Length ? weights.Items[at].Offset : weights.Length;
            if (end - told >= Stretch)
                served[program.Steps[i]] = (told = end, end - first);
        }
    }

    /// <summary>The multiply-adds of the run's sums of products, as far as their sizes are known when it has come to a segment.</summary>
    Dim Work(int segment) => program.Steps.SelectMany(s => s is Step.Fused fused ? fused.Members : s is Step.Nest nest ? [nest] : []).Where(n => n.Fold is not null)
        .Select(n => Dim.Product(n.Axes.Concat(n.Fold!.Axes).Select(a => a.Extent)))
        .Where(d => d.Symbols.All(s => memory.SegmentOfSymbol.GetValueOrDefault(s) <= segment)).Aggregate(Dim.Zero, (a, b) => a + b);

    void ToomCookMethods(StringBuilder code)
    {
        var algorithms = Fast.Select(f => f.Algorithm).ToArray();
        if (algorithms.Length == 0)
            return;
        code.Append("/// <summary>The transforms of fast convolutions.</summary>\nstatic unsafe partial class ToomCook\n{\n");
        foreach (var tile in algorithms.DistinctBy(t => t.Taps).OrderBy(t => t.Taps))
            tile.Write(code);
        foreach (var tile in algorithms.DistinctBy(t => t.Kernel).OrderBy(t => t.Kernel))
            tile.WriteWeights(code);
        code.Append("}\n\n");
    }

    // Methods that several kernels call, by their text.
    readonly Dictionary<string, string> shared = new(StringComparer.Ordinal);

    string Shared(string word, string method)
    {
        if (!shared.TryGetValue(method, out var name))
            shared[method] = name = Numbered($"{word}_");
        return $"Panel.{name}";
    }

    void PanelMethods(StringBuilder code)
    {
        if (shared.Count == 0)
            return;
        code.Append("/// <summary>Panels of factors that are computed from constants: multiplied as they are decoded, or decoded to memory.</summary>\nstatic unsafe class Panel\n{\n");
        foreach (var (method, name) in shared)
            code.Append($"    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n    public static void {name}{KernelWriter.Indent(method, 1)[4..]}\n");
        code.Append("}\n\n");
    }

    /// <summary>What all programs have in common, at the end of each source.</summary>
    public static string Prelude()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Softmodel.Emit.Prelude.cs.txt")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    IEnumerable<string> Symbols => program.Graph.Arguments.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Concat(memory.SegmentOfSymbol.Keys)
        .Concat(schedule.Buffers.SelectMany(b => b.Count.Symbols)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);

    void Frame(StringBuilder code)
    {
        code.Append("/// <summary>Where everything lies and how large it is.</summary>\nunsafe struct Frame\n{\n");
        code.Append("    // What the kernel that runs is given, and the node that it is of where it may fail.\n");
        code.Append($"    public void* {string.Join(", ", Enumerable.Range(0, parameters).Select(i => $"x{i}"))};\n    public int node, threads;\n");
        foreach (var symbol in Symbols)
            code.Append($"    public long {SizeName(symbol)};\n");
        foreach (var buffer in schedule.Buffers)
            code.Append($"    /// <summary>{buffer.Type}[{buffer.Count}]</summary>\n    public {KernelWriter.InMemory(buffer.Type)}* {buffer.Name};\n");
        code.Append("}\n");
    }

    void Kernels(StringBuilder code)
    {
        code.Append("\nstatic unsafe class Kernels\n{\n");
        foreach (var (body, (name, sources)) in kernels)
        {
            foreach (var source in sources)
                code.Append($"    // {source}\n");
            code.Append($"    [MethodImpl(MethodImplOptions.AggressiveOptimization)]\n    public static void {name}(void* state, int task)\n    {{\n        var f = (Frame*)state;\n{body}    }}\n\n");
        }
        code.Append("}\n\n");
    }

    void Model(StringBuilder code, WeightLayout weights)
    {
        var graph = program.Graph;
        code.Append("/// <summary>The compiled model.</summary>\npublic sealed unsafe class Model : CompiledModel\n{\n    readonly Frame* f;\n    readonly Arena widened = new();\n\n");
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
        var read = weights.Items.SkipWhile(i => WeightLayout.IsWidened(i.Buffer)).Select(i => i.Offset).FirstOrDefault(weights.Length);
        if (read >= Stretch)
            code.Append($"        WeightsFile.GiveBack(0, {read}L);\n");
        code.Append("    }\n\n    /// <inheritdoc/>\n    protected override void Execute()\n    {\n        var f = this.f;\n        f->threads = Workers.Count;\n");
        var arguments = graph.Arguments.ToArray();
        for (var i = 0; i < program.Inputs.Length; i++)
            code.Append($"        f->{program.Inputs[i].Name} = ({KernelWriter.InMemory(program.Inputs[i].Type)}*)Input({i});\n");
        foreach (var (i, axis, symbol, rest) in Graph.SizesToldBy(arguments))
        {
            var size = rest.Value == 0 ? $"InputSize({i}, {axis})" : $"Check.Left(InputSize({i}, {axis}), checked({Size(rest)}), {KernelWriter.Literal(arguments[i].Name)}, \"{arguments[i].Shape[axis]}\")";
            code.Append($"        f->{SizeName(symbol)} = {Demanded(graph, symbol, size, arguments[i].Name)};\n");
        }
        foreach (var (argument, i) in arguments.Select((a, i) => (a, i)))
        {
            // Sizes that are a symbol or a number are checked where arguments are accepted.
            for (var axis = 0; axis < argument.Rank; axis++)
            {
                if (argument.Shape[axis] is { IsKnown: false, SymbolName: null } sum)
                    code.Append($"        Check.Equal(InputSize({i}, {axis}), checked({Size(sum)}), {KernelWriter.Literal(argument.Name)});\n");
            }
        }
        foreach (var (state, i) in program.States.Select((b, i) => (b, i)))
            code.Append($"        f->{state.Name} = ({KernelWriter.InMemory(state.Type)}*)States.Reserve({i}, {Room(state)});\n");
        if (timed is not null)
            code.Append("        last = System.Diagnostics.Stopwatch.GetTimestamp();\n");
        if (served.Count > 0)
            code.Append($"        var served = {read}L;\n");
        if (!mayFail)
            code.Append(run);
        else
        {
            code.Append("        try\n        {\n").Append(KernelWriter.Indent(run.ToString(), 1));
            code.Append("        }\n        catch (ModelException e) when (e.Error == ModelError.Index)\n        {\n            throw new ModelException(e.Error, $\"{nodes[f->node]}: {e.Message}\");\n        }\n");
        }
        for (var i = 0; i < program.Outputs.Length; i++)
        {
            var (buffer, shape) = program.Outputs[i];
            code.Append($"        SetOutput({i}, f->{buffer.Name}{string.Concat(shape.Dims.Select(d => $", {Size(d)}"))});\n");
        }
        code.Append("    }\n\n    void Run(delegate*<void*, int, void> kernel, int tasks, void* x0, void* x1 = null, void* x2 = null, void* x3 = null)\n    {\n        f->x0 = x0;\n        f->x1 = x1;\n        f->x2 = x2;\n        f->x3 = x3;\n        Workers.Run(kernel, f, tasks);\n    }\n");
        if (nodes.Count > 0)
            code.Append($"\n    static readonly string[] nodes =\n    [\n{string.Concat(nodes.Select(n => $"        {KernelWriter.Literal(n)},\n"))}    ];\n");
        if (timed is not null)
            code.Append($"\n    public readonly long[] {TicksField} = new long[{timed.Count}];\n    long last;\n\n    void Timed(int step)\n    {{\n        var now = System.Diagnostics.Stopwatch.GetTimestamp();\n        {TicksField}[step] += now - last;\n        last = now;\n    }}\n");
        for (var i = 0; i < memory.Segments.Length; i++)
            Layout(code, i);
        code.Append(checks);
        for (var i = 0; served.Count > 0 && i < memory.Segments.Length; i++)
            code.Append($"\n    // Multiply-adds of the kernels whose sizes are known now.\n    long Work{i}() => {Size(Work(i))};\n");
        code.Append("}\n");
    }

    // Weights are read a whole vector at a time, and evaluated ones written so: up to a cache line beyond their end, which is there.
    static long WideBytes(long count) => Arena.Align(count * sizeof(float)) + Arena.Alignment;

    static string Demanded(Graph graph, string symbol, string size, string where) =>
        graph.Positive.Contains(symbol) ? $"Check.Positive({size}, \"{symbol}\", {KernelWriter.Literal(where)})" : size;

    static string Info(string name, TensorType type) =>
        $"new TensorInfo({KernelWriter.Literal(name)}, ElementType.{type.Element}{string.Concat(type.Shape.Dims.Select(d => $", {KernelWriter.Literal(d.ToString())}"))})";

    static string Room(Lowering.Buffer buffer) => $"Check.Room({Size(buffer.Count.Unfailing())}, {buffer.Type.Size()}, \"{buffer.Name[2..]}\")";

    static string Size(Dim size) => size.ToCSharp(s => $"f->{SizeName(s)}");

    void Layout(StringBuilder code, int segment)
    {
        code.Append($"\n    void Layout{segment}()\n    {{\n        checked\n        {{\n");
        var slots = memory.Segments[segment];
        if (slots.Length > 0)
        {
            code.Append("            var f = this.f;\n            long end = 0;\n");
            for (var i = 0; i < slots.Length; i++)
            {
                var sizes = slots[i].Buffers.DistinctBy(b => (b.Count, b.Type.Size())).Select(Room).ToArray();
                code.Append($"            var at{i} = end;\n            end += Arena.Align({sizes.Aggregate((a, b) => $"Math.Max({a}, {b})")}) + {Arena.Alignment};\n");
            }
            if (!GuardPages.AreOn)
                code.Append($"            var start = Arena.Reserve(end, {segment});\n");
            for (var i = 0; i < slots.Length; i++)
            {
                foreach (var buffer in slots[i].Buffers)
                    code.Append($"            f->{buffer.Name} = ({KernelWriter.InMemory(buffer.Type)}*){(GuardPages.AreOn ? $"Arena.Reserve({Room(buffer)}, {guarded++})" : $"(start + at{i})")};\n");
            }
        }
        code.Append("        }\n    }\n");
    }

    void Steps(Step[] steps, int depth)
    {
        var space = new string(' ', depth * 4);
        void Line(string text) => run.Append(space).Append(text).Append('\n');
        for (var i = 0; i < steps.Length; i++)
        {
            var step = steps[i];
            if (step is not Step.Demanded)
                LayOutNow();
            if (served.TryGetValue(step, out var done))
                Line($"served = Served(served, {done.End}L, {done.All}L, Work{segment}());");
            switch (step)
            {
                case Step.Nest nest when Joined(steps, i) is { Length: > 1 } joined:
                    var tiles = joined.Select(n => new TileCode(schedule.Tiled(n)!.Tile)).ToArray();
                    Kernel(joined, TileCode.Write(tiles, schedule.Tiled(nest)!.IsPacked), nest.Source, NameOf(nest.Source), Line);
                    used.UnionWith(tiles.SelectMany(t => t.Used));
                    i += joined.Length - 1;
                    break;
                case Step.Nest nest:
                    if (schedule.IsTaken(nest))
                        continue;
                    Nest(nest, space, Line);
                    break;
                case Step.Fused fused:
                    Kernel([fused], RowsCode.Write(schedule.Rows[fused], used), string.Join("; ", fused.Members.Select(m => m.Source)), "Rows", Line);
                    break;
                case Step.Routine routine:
                    var (found, statement) = RoutineCode.Write(routine);
                    Line($"// {routine.Source}");
                    if (found is not null)
                        Line(found);
                    LayOut(step);
                    LayOutNow();
                    if (routine.Op is Op.ScatterElements or Op.ScatterND)
                        MayFail(routine.Source, Line);
                    Line(statement);
                    Timed(step);
                    continue;
                case Step.Bind bind:
                    for (var k = 0; k < bind.Symbols.Count; k++)
                        Line($"f->{SizeName(bind.Symbols[k])} = {Demanded(program.Graph, bind.Symbols[k], $"Check.Said((long)f->{bind.Source.Name}[{k}], {KernelWriter.Literal(bind.Node)})", bind.Node)};");
                    break;
                case Step.Demanded demanded:
                    Line($"{Checks(demanded)}();");
                    break;
                case Step.Copy copy:
                    Line(CopyOf(copy.From, copy.To, "0"));
                    break;
                case Step.If branch:
                    Line($"if (f->{branch.Condition.Name}[0] != 0)");
                    Line("{");
                    Steps(branch.Then, depth + 1);
                    Line("}");
                    Line("else");
                    Line("{");
                    Steps(branch.Else, depth + 1);
                    Line("}");
                    break;
                case Step.Loop loop:
                    Loop(loop, depth, Line);
                    break;
            }
            LayOut(step);
            if (step is not (Step.If or Step.Loop or Step.Demanded))
                Timed(step);
        }
        LayOutNow();

        void Timed(Step step)
        {
            if (timed is null)
                return;
            Line($"Timed({timed.Count});");
            timed.Add(step);
        }

        void LayOut(Step step)
        {
            if (MemoryPlan.Defines(step).FirstOrDefault() is { } symbol)
                layout = $"Layout{segment = memory.SegmentOfSymbol[symbol]}();";
        }

        void LayOutNow()
        {
            if (layout is not null)
                Line(layout);
            layout = null;
        }
    }

    // A text with the values of more symbols than this is none that is read.
    const int MostSymbols = 8;

    /// <summary>The name of the method that demands something of sizes.</summary>
    string Checks(Step.Demanded step)
    {
        var name = $"Demand{demands++}";
        checks.Append($"\n    void {name}()\n    {{\n        var f = this.f;\n        var at = 0;\n        try\n        {{\n            checked\n            {{\n");
        var source = -1;
        foreach (var (condition, node) in step.Conditions)
        {
            if (source < 0 || nodes[source] != node)
            {
                source = nodes.Count;
                nodes.Add(node);
                checks.Append($"                at = {source};\n");
            }
            var symbols = condition.Sizes.SelectMany(d => d.Symbols).Distinct().Take(MostSymbols).ToArray();
            var text = $"{condition.Text}; {string.Join(", ", symbols.Select((s, i) => $"{s} is {{{condition.Sizes.Count + i}}}"))}";
            checks.Append($"                Check.Demand(Demand.{condition.Demand}, {KernelWriter.Literal(text)}{string.Concat(condition.Sizes.Select(d => $", {Size(d)}"))}{string.Concat(symbols.Select(s => $", f->{SizeName(s)}"))});\n");
        }
        checks.Append("            }\n        }\n        catch (Exception e) when (e is ModelException or OverflowException)\n        {\n            throw Check.Refused(nodes[at], e);\n        }\n    }\n");
        return name;
    }

    /// <summary>The nests from one on that one kernel computes.</summary>
    Step.Nest[] Joined(Step[] steps, int first) => schedule.Tiled(steps[first]) is not { } head ? []
        : [.. steps.Skip(first).TakeWhile(s => schedule.Tiled(s) is { Fast: null } tiled && tiled.IsPacked == head.IsPacked && head.Tile.CanJoin(tiled.Tile)).Cast<Step.Nest>()];

    /// <summary>The call of a nest's kernel.</summary>
    void Nest(Step.Nest nest, string space, Action<string> line)
    {
        var operand = schedule.Operands.GetValueOrDefault(nest);
        Step.Nest[] both = operand is null ? [nest] : [operand.Nest, nest];
        void Call(Step.Nest[] nests, KernelCode code) => Kernel(nests, code, nest.Source, NameOf(nest.Source), line);
        switch (schedule.Kernels.GetValueOrDefault(nest))
        {
            case NestKernel.Panelled { Panel: var panel }:
                var panelled = new PanelCode(panel);
                Call([nest], panelled.Write(Shared));
                used.UnionWith(panelled.Used);
                break;
            case NestKernel.Windowed { Window: var window }:
                Call(both, new WindowCode(window, schedule.Target.Lanes).Write());
                break;
            case NestKernel.Tiled { Fast: null } tiled:
                Tiled(tiled, both, operand);
                break;
            case NestKernel.Tiled { Fast: { Shortest: var shortest } fast } tiled:
                if (shortest is not null)
                {
                    line($"if ({TileCode.Frame(fast.Length)} < {shortest})\n{space}{{");
                    Tiled(tiled, [nest], null);
                    line($"}}\n{space}else\n{space}{{");
                }
                var code = new ToomCookCode(fast);
                Call(both, code.Write(operand));
                used.UnionWith(code.Used);
                if (shortest is not null)
                    line("}");
                break;
            case NestKernel.Transposed { Copy: var copy }:
                Call(both, TransposeCode.Write(copy));
                break;
            case NestKernel.Padded { Copy: var copy }:
                Call(both, PaddingCode.Write(copy));
                break;
            case NestKernel.Plain { Loops: var loops }:
                Call([nest], NestCode.Write(loops));
                break;
            default:
                throw new InvalidOperationException($"{nest.Source} has no kernel");
        }

        void Tiled(NestKernel.Tiled tiled, Step.Nest[] nests, Operand? operand)
        {
            var tile = new TileCode(tiled.Tile);
            Call(nests, tile.Write(tiled.IsPacked, operand));
            used.UnionWith(tile.Used);
        }
    }

    void Kernel(Step[] steps, KernelCode kernel, string source, string word, Action<string> line)
    {
        if (!kernels.TryGetValue(kernel.Body, out var there))
            kernels[kernel.Body] = there = (Numbered(word), []);
        there.Sources.Add(source.ReplaceLineEndings(" "));
        foreach (var step in steps)
            written[step] = (there.Name, kernel);
        if (steps.SelectMany(s => s is Step.Fused fused ? fused.Members : [(Step.Nest)s]).Any(n => n.CanFail))
            MayFail(source, line);
        parameters = Math.Max(parameters, kernel.Parameters.Count);
        for (var i = Arguments; i < kernel.Parameters.Count; i++)
            line($"f->x{i} = f->{kernel.Parameters[i].Name};");
        line($"Run(&Kernels.{there.Name}, {kernel.Tasks}{string.Concat(kernel.Parameters.Take(Arguments).Select(b => $", f->{b.Name}"))});");
    }

    void MayFail(string source, Action<string> line)
    {
        mayFail = true;
        line($"f->node = {nodes.Count};");
        nodes.Add(source);
    }

    /// <summary>What a kernel does, in a word.</summary>
    static string NameOf(string source)
    {
        var words = source.Split([' ', '_', ';', '\''], 2, StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 0 && words[0].All(char.IsAsciiLetter) ? char.ToUpperInvariant(words[0][0]) + words[0][1..] : "Kernel";
    }

    string Numbered(string word)
    {
        var number = named[word] = named.GetValueOrDefault(word) + 1;
        return $"{word}{number}";
    }

    // Counted as the program runs: the product of a known size that no machine holds is none that C# takes.
    static string CopyOf(Lowering.Buffer from, Lowering.Buffer to, string offset) =>
        $"NativeMemory.Copy(f->{from.Name}, f->{to.Name} + {offset}, (nuint){Room(from)});";

    void Loop(Step.Loop loop, int depth, Action<string> line)
    {
        var number = loops++;
        line($"long end{number} = f->{loop.Trips.Name}[0], i{number} = 0;");
        line($"for (var go = f->{loop.Begin.Name}[0] != 0; go && i{number} < end{number}; i{number}++, go = f->{loop.GoOn.Name}[0] != 0)");
        line("{");
        line($"    f->{loop.Iteration.Name}[0] = i{number};");
        Steps(loop.Body, depth + 1);
        foreach (var (from, to) in loop.Stacks)
            line("    " + CopyOf(from, to, $"i{number} * ({Size(from.Count)})"));
        foreach (var (from, to) in loop.Carry)
            line("    " + CopyOf(from, to, "0"));
        line("}");
        if (loop.Count is { } symbol)
            line($"f->{SizeName(symbol)} = i{number};");
    }
}
