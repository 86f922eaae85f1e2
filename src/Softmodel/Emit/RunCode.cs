using System.Text;
using Softmodel.Graphs;
using Softmodel.Lowering;

namespace Softmodel.Emit;

/// <summary>Writes the statements of a run, and the methods that demand something of sizes.</summary>
sealed class RunCode
{
    // More than these are set before the call.
    const int Arguments = 4;

    readonly Schedule schedule;
    readonly KernelTable kernels;
    readonly IReadOnlyDictionary<Step, (long End, long All)> served;
    readonly StringBuilder statements = new(), demands = new();
    readonly List<string> nodes = [];
    readonly List<Step>? timed;
    int loops, demanded, segment;
    // A call that lays out memory, to be made once what has to be demanded before it has been.
    string? layout = "Layout0();";

    RunCode(Schedule schedule, KernelTable kernels, IReadOnlyDictionary<Step, (long End, long All)> served, bool isTimed) =>
        (this.schedule, this.kernels, this.served, timed) = (schedule, kernels, served, isTimed ? [] : null);

    /// <summary>The statements of a run.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="kernels">Is given the kernels that it calls.</param>
    /// <param name="served">Before which steps weights are given back.</param>
    /// <param name="isTimed">Whether it says how long each of its steps takes.</param>
    public static RunCode Of(Schedule schedule, KernelTable kernels, IReadOnlyDictionary<Step, (long End, long All)> served, bool isTimed)
    {
        var code = new RunCode(schedule, kernels, served, isTimed);
        code.Steps(schedule.Program.Steps, 2);
        return code;
    }

    /// <summary>The statements.</summary>
    public string Statements => statements.ToString();

    /// <summary>The methods that demand something of sizes.</summary>
    public string Demands => demands.ToString();

    /// <summary>Whether a kernel may find a number that it can't go on with.</summary>
    public bool MayFail { get; private set; }

    /// <summary>The nodes that messages name, by their numbers.</summary>
    public IReadOnlyList<string> Nodes => nodes;

    /// <summary>The steps that it times, in their order; null where it doesn't.</summary>
    public IReadOnlyList<Step>? Timed => timed;

    /// <summary>Whether it gives weights back as it is done with them.</summary>
    public bool GivesBack => served.Count > 0;

    /// <summary>How many buffers a kernel is given at most.</summary>
    public int Parameters => Math.Max(Arguments, kernels.Parameters);

    void Steps(Step[] steps, int depth)
    {
        var space = new string(' ', depth * 4);
        void Line(string text) => statements.Append(space).Append(text).Append('\n');
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
                    kernels.Tiles.UnionWith(tiles.SelectMany(t => t.Used));
                    i += joined.Length - 1;
                    break;
                case Step.Nest nest:
                    if (schedule.IsTaken(nest))
                        continue;
                    Nest(nest, space, Line);
                    break;
                case Step.Fused fused:
                    Kernel([fused], RowsCode.Write(schedule.Rows[fused], kernels.Tiles), string.Join("; ", fused.Members.Select(m => m.Source)), "Rows", Line);
                    break;
                case Step.Routine routine:
                    var (found, statement) = RoutineCode.Write(routine);
                    Line($"// {routine.Source}");
                    if (found is not null)
                        Line(found);
                    LayOut(step);
                    LayOutNow();
                    if (routine.Op is Op.ScatterElements or Op.ScatterND)
                        Failing(routine.Source, Line);
                    Line(statement);
                    Time(step);
                    continue;
                case Step.Bind bind:
                    for (var k = 0; k < bind.Symbols.Count; k++)
                        Line($"f->{SizeCode.Name(bind.Symbols[k])} = {SizeCode.Demanded(schedule.Program.Graph, bind.Symbols[k], $"Check.Said((long)f->{bind.Source.Name}[{k}], {KernelWriter.Literal(bind.Node)})", bind.Node)};");
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
                Time(step);
        }
        LayOutNow();

        void Time(Step step)
        {
            if (timed is null)
                return;
            Line($"Timed({timed.Count});");
            timed.Add(step);
        }

        void LayOut(Step step)
        {
            if (MemoryPlan.Defines(step).FirstOrDefault() is { } symbol)
                layout = $"Layout{segment = schedule.Memory.SegmentOfSymbol[symbol]}();";
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
        var name = $"Demand{demanded++}";
        demands.Append($"\n    void {name}()\n    {{\n        var f = this.f;\n        var at = 0;\n        try\n        {{\n            checked\n            {{\n");
        var source = -1;
        foreach (var (condition, node) in step.Conditions)
        {
            if (source < 0 || nodes[source] != node)
            {
                source = nodes.Count;
                nodes.Add(node);
                demands.Append($"                at = {source};\n");
            }
            var symbols = condition.Sizes.SelectMany(d => d.Symbols).Distinct().Take(MostSymbols).ToArray();
            var text = $"{condition.Text}; {string.Join(", ", symbols.Select((s, i) => $"{s} is {{{condition.Sizes.Count + i}}}"))}";
            demands.Append($"                Check.Demand(Demand.{condition.Demand}, {KernelWriter.Literal(text)}{string.Concat(condition.Sizes.Select(d => $", {SizeCode.Of(d)}"))}{string.Concat(symbols.Select(s => $", f->{SizeCode.Name(s)}"))});\n");
        }
        demands.Append("            }\n        }\n        catch (Exception e) when (e is ModelException or OverflowException)\n        {\n            throw Check.Refused(nodes[at], e);\n        }\n    }\n");
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
                Call([nest], panelled.Write(kernels.Shared));
                kernels.Tiles.UnionWith(panelled.Used);
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
                kernels.Tiles.UnionWith(code.Used);
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
                Call([nest], NestCode.Write(loops, schedule.IsInPlace(nest)));
                break;
            default:
                throw new InvalidOperationException($"{nest.Source} has no kernel");
        }

        void Tiled(NestKernel.Tiled tiled, Step.Nest[] nests, Operand? operand)
        {
            var tile = new TileCode(tiled.Tile);
            Call(nests, tile.Write(tiled.IsPacked, operand));
            kernels.Tiles.UnionWith(tile.Used);
        }
    }

    void Kernel(Step[] steps, KernelCode kernel, string source, string word, Action<string> line)
    {
        var name = kernels.Add(steps, kernel, source, word);
        if (steps.SelectMany(s => s is Step.Fused fused ? fused.Members : [(Step.Nest)s]).Any(n => n.CanFail))
            Failing(source, line);
        for (var i = Arguments; i < kernel.Parameters.Count; i++)
            line($"f->x{i} = f->{kernel.Parameters[i].Name};");
        line($"Run(&Kernels.{name}, {kernel.Tasks}{string.Concat(kernel.Parameters.Take(Arguments).Select(b => $", f->{b.Name}"))});");
    }

    void Failing(string source, Action<string> line)
    {
        MayFail = true;
        line($"f->node = {nodes.Count};");
        nodes.Add(source);
    }

    /// <summary>What a kernel does, in a word.</summary>
    static string NameOf(string source)
    {
        var words = source.Split([' ', '_', ';', '\''], 2, StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 0 && words[0].All(char.IsAsciiLetter) ? char.ToUpperInvariant(words[0][0]) + words[0][1..] : "Kernel";
    }

    // Counted as the program runs: the product of a known size that no machine holds is none that C# takes.
    static string CopyOf(Lowering.Buffer from, Lowering.Buffer to, string offset) =>
        $"NativeMemory.Copy(f->{from.Name}, f->{to.Name} + {offset}, (nuint){SizeCode.Room(from)});";

    void Loop(Step.Loop loop, int depth, Action<string> line)
    {
        var number = loops++;
        line($"long end{number} = f->{loop.Trips.Name}[0], i{number} = 0;");
        line($"for (var go = f->{loop.Begin.Name}[0] != 0; go && i{number} < end{number}; i{number}++, go = f->{loop.GoOn.Name}[0] != 0)");
        line("{");
        line($"    f->{loop.Iteration.Name}[0] = i{number};");
        Steps(loop.Body, depth + 1);
        foreach (var (from, to) in loop.Stacks)
            line("    " + CopyOf(from, to, $"i{number} * ({SizeCode.Of(from.Count)})"));
        foreach (var (from, to) in loop.Carry)
            line("    " + CopyOf(from, to, "0"));
        line("}");
        if (loop.Count is { } symbol)
            line($"f->{SizeCode.Name(symbol)} = i{number};");
    }
}
