using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>
/// Turns a graph into kernels. Every value is either stored, or virtual: computed within the kernels that read it.
/// A kernel is written backwards, by asking for the element at a position of its result and following that request
/// through the virtual values to what is stored.
/// </summary>
sealed class Lower
{
    readonly Graph graph;
    readonly UsualSizes usual;
    readonly BufferTable buffers;
    readonly SizeDemands demands;
    readonly Stored plan;
    readonly VirtualValues elements;
    readonly Sums sums;
    readonly StepList steps = new();
    readonly Dictionary<Value, Node> producers;
    readonly Dictionary<Value, Buffer> stored;

    Lower(Graph graph, BufferTable buffers, SizeDemands demands, UsualSizes usual)
    {
        (this.graph, this.buffers, this.demands, this.usual, stored) = (graph, buffers, demands, usual, buffers.Stored);
        producers = graph.Nodes.SelectMany(n => n.Outputs.Select(v => (v, n))).ToDictionary(p => p.v, p => p.n);
        plan = new(graph, usual);
        elements = new(producers, buffers, steps);
        sums = new(plan, elements, buffers, steps, producers);
    }

    /// <summary>The kernels of a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="usual">How large its sizes usually are; null where nothing tells.</param>
    /// <exception cref="SoftmodelException">Some of its operations cannot be compiled; all are listed. Or a usual size is one that it does not have.</exception>
    public static LoweredProgram Program(Graph graph, UsualSizes? usual = null)
    {
        usual ??= UsualSizes.None;
        var symbols = graph.Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Concat(graph.AllNodes().SelectMany(n => n.Defines)).ToHashSet(StringComparer.Ordinal);
        if (usual.Named.Keys.FirstOrDefault(n => !symbols.Contains(n)) is { } unknown)
            throw new SoftmodelException($"{graph.Name} has no size '{unknown}' that could usually be {usual.Of(unknown)}; {(symbols.Count == 0 ? "all of its sizes are known" : $"its sizes are {string.Join(", ", symbols.Order(StringComparer.Ordinal))}")}");
        var program = Program(graph, usual, new HashSet<int>());
        // Which states kernels can write in place is seen from the kernels.
        if (LoweredStates.WrittenLast(program) is { Count: > 0 } last)
            program = Program(graph, usual, last);
        return RowFusion.Apply(program);
    }

    /// <param name="graph">The graph.</param>
    /// <param name="usual">How large its sizes usually are.</param>
    /// <param name="last">The numbers of the states whose new elements are written where the old ones were.</param>
    static LoweredProgram Program(Graph graph, UsualSizes usual, IReadOnlySet<int> last)
    {
        var buffers = new BufferTable();
        graph = BlockFormat.Decoded(graph, buffers.Formats);
        var inputs = graph.Arguments.Select(v => buffers.Store(v, Storage.Input)).ToArray();
        var states = new LoweredStates(graph, buffers);
        states.Store(last);
        var body = new Lower(graph, buffers, new SizeDemands().Within(graph), usual).Steps();
        var kept = states.Kept().ToArray();
        var lost = kept.OfType<Step.Copy>().Select(c => c.To).Concat(inputs).ToHashSet();
        var outputs = graph.Results.Select(r => (buffers.Stored[r.Value], r.Value.Shape)).ToArray();
        Step[] steps = [.. body, .. states.Saved(outputs, lost), .. kept];
        return new(graph.Name, graph, inputs, outputs, [.. buffers.All], steps, usual);
    }

    Step[] Steps()
    {
        Demand();
        foreach (var node in graph.Nodes)
        {
            if (node.Outputs.Count == 0 || node.Outputs.Any(plan.IsStored))
                steps.AddOf(node, () => Write(node));
            demands.Know(node.Defines);
            if (node.Defines.Any())
                Demand();
        }
        return steps.All;
    }

    /// <summary>Demands what can be told by now.</summary>
    void Demand()
    {
        if (demands.Now() is { } now)
            steps.Add(now);
    }

    /// <summary>The steps of a graph within a node.</summary>
    Step[] Within(Graph body) => new Lower(body, buffers, demands.Within(body), usual).Steps();

    void Write(Node node)
    {
        switch (node.Op)
        {
            case Op.Constant or Op.Parameter:
                stored[node.Output] = buffers.Weight(node.Op.Stored!, node.Output.Type.Element, node.Output.Name);
                break;
            case Op.Cast cast when producers.TryGetValue(node.Inputs[0], out var source) && source.Op.Stored is { } half && Stored.IsWidening(half.Type, cast.To):
                stored[node.Output] = buffers.Weight(half, cast.To, node.Output.Name);
                break;
            case Op.Reshape when plan.IsStored(node.Inputs[0]):
                stored[node.Output] = stored[node.Inputs[0]];
                break;
            case Op.Concat concat:
                Concat(node, concat.Axis);
                break;
            case Op.Bind bind:
                steps.Add(new Step.Bind(stored[node.Inputs[0]], bind.Symbols, StepNames.SourceOf(node)));
                break;
            case Op.If branch:
                If(node, branch);
                break;
            case Op.Loop loop:
                Loop(node, loop);
                break;
            case Op.ConvolveTransposed transposed when plan.Root(node) == node:
                Transposed(node, node, transposed);
                break;
            case Op.Random or Op.ScatterElements or Op.ScatterND or Op.Accumulate or Op.TopK or Op.Call:
                var inputs = node.Inputs.Select(v => (stored[v], v.Shape)).ToArray();
                var outputs = node.Outputs.Select(v => (buffers.Store(v), v.Shape)).ToArray();
                if (node.Op is Op.ScatterElements or Op.ScatterND && Fill(node, outputs[0].Item1))
                    inputs[0].Item1 = outputs[0].Item1;
                steps.Add(new Step.Routine(node.Op, StepNames.Of(node), new(inputs), new(outputs)));
                break;
            default:
                Kernel(node);
                break;
        }
    }

    /// <summary>Fills the result of a scatter whose first operand is one number everywhere, so that neither a constant nor a copy of it is needed; false for others.</summary>
    bool Fill(Node scatter, Buffer target)
    {
        var data = scatter.Inputs[0];
        if (producers.GetValueOrDefault(data)?.Op.Known is not { Count: > 1 } constant || !constant.Type.IsFloat() || !constant.IsAll(constant.Float(0)))
            return false;
        elements.Begin();
        var axes = Axis.Of(data.Shape);
        steps.Add(new Step.Nest(StepNames.Of(scatter), axes, target, Views.Flat(data.Shape, [.. axes.Select(a => (Index)a)]), new Expr.Number(constant.Type, constant.Float(0), 0), null));
        return true;
    }

    void Kernel(Node node)
    {
        elements.Begin();
        var output = node.Output;
        var heavy = plan.Heavy(node);
        if (heavy?.Op is Op.ConvolveTransposed transposed)
        {
            Transposed(node, heavy, transposed);
            return;
        }
        if (heavy is null)
        {
            var axes = Axis.Of(output.Shape);
            var value = elements.Element(node, [.. axes.Select(a => (Index)a)]);
            var target = buffers.Store(output);
            steps.Add(new Step.Nest(StepNames.Of(node), axes, target, Views.Flat(output.Shape, [.. axes.Select(a => (Index)a)]), value, null));
            return;
        }
        var (loops, position, fold) = sums.Of(heavy);
        Finish(node, heavy, loops, position, fold, buffers.Store(output));
    }

    /// <summary>Adds the kernels of a transposed convolution, one for each phase.</summary>
    void Transposed(Node root, Node node, Op.ConvolveTransposed op)
    {
        var target = buffers.Store(root.Output);
        foreach (var (loops, position, fold) in sums.Phases(node, op))
            Finish(root, node, loops, position, fold, target);
    }

    /// <summary>Adds the kernel of a reduction and of all that is computed from its result element by element.</summary>
    void Finish(Node root, Node heavy, Axis[] loops, Index[] position, Fold fold, Buffer target)
    {
        var at = Follow(position, heavy.Output.Shape, root.Output.Shape);
        var value = elements.After(root, at, heavy, position, fold.Result);
        var source = root == heavy ? StepNames.Of(heavy) : $"{StepNames.Of(heavy)}; {StepNames.Of(root)}";
        steps.Add(new Step.Nest(source, loops, target, Views.Flat(root.Output.Shape, at), value, fold));
    }

    static Index[] Follow(Index[] position, Shape from, Shape to)
    {
        if (from == to)
            return position;
        var rest = new Queue<Index>(position.Where((_, i) => from[i].Value != 1));
        return [.. to.Dims.Select(d => d.Value == 1 ? Index.Zero : rest.Dequeue())];
    }

    void Concat(Node node, int axis)
    {
        var target = buffers.Store(node.Output);
        Dim start = 0;
        foreach (var part in node.Inputs)
        {
            elements.Begin();
            var axes = Axis.Of(part.Shape);
            var at = axes.Select(a => (Index)a).ToArray();
            var value = elements.Pull(part, at);
            at[axis] += start;
            steps.Add(new Step.Nest(StepNames.Of(node), axes, target, Views.Flat(node.Output.Shape, at), value, null));
            start += part.Shape[axis];
        }
    }

    void If(Node node, Op.If op)
    {
        var results = node.Outputs.Select(v => buffers.Store(v)).ToArray();
        var branches = new List<Step[]>();
        var at = 1;
        foreach (var body in new[] { op.Then, op.Else })
        {
            foreach (var input in body.Inputs)
                stored[input] = stored[node.Inputs[at++]];
            var branch = Within(body);
            branches.Add([.. branch, .. body.Outputs.Zip(results, (v, to) => new Step.Copy(stored[v], to)).Where(c => c.From != c.To)]);
        }
        steps.Add(new Step.If(stored[node.Inputs[0]], branches[0], branches[1]));
    }

    void Loop(Node node, Op.Loop op)
    {
        var body = op.Body;
        var iteration = buffers.New("iteration", Storage.Arena, ElementType.Int64, 1);
        stored[body.Inputs[0]] = iteration;
        var state = new List<Buffer>();
        for (var i = 0; i < op.Carried; i++)
            state.Add(stored[body.Inputs[i + 1]] = buffers.Store(node.Outputs[i]));
        void Begin() => steps.AddRange(state.Select((to, i) => new Step.Copy(stored[node.Inputs[i + 2]], to)));
        Begin();
        for (var i = op.Carried + 1; i < body.Inputs.Count; i++)
            stored[body.Inputs[i]] = stored[node.Inputs[i + 1]];
        var inner = Within(body);
        var carry = new List<(Buffer, Buffer)>();
        var staged = new List<Step>();
        for (var i = 0; i < op.Carried; i++)
        {
            // A carried value may be another's new value: all are read before any is overwritten.
            var from = stored[body.Outputs[i + 1]];
            if (state.Contains(from) && from != state[i])
            {
                var copy = buffers.New($"{from.Name}_before", Storage.Arena, from.Type, from.Count);
                staged.Add(new Step.Copy(from, copy));
                from = copy;
            }
            if (from != state[i])
                carry.Add((from, state[i]));
        }
        var stacks = body.Outputs.Skip(op.Carried + 1).Zip(node.Outputs.Skip(op.Carried), (v, result) => (stored[v], buffers.Store(result))).ToArray();
        var count = op.Iterations.SymbolName is { } symbol && node.Defines.Contains(symbol) && !node.Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Contains(symbol) ? symbol : null;
        Step.Loop Turns((Buffer, Buffer)[] stacks, string? count) =>
            new(stored[node.Inputs[0]], stored[node.Inputs[1]], iteration, stored[body.Outputs[0]], [.. inner, .. staged], [.. carry], stacks, count);
        if (count is not null && stacks.Length > 0)
        {
            // How much room the stacks need is known only once the loop has run: it runs to count, then again to fill them.
            steps.Add(Turns([], count));
            Begin();
            count = null;
        }
        steps.Add(Turns(stacks, count));
    }
}
