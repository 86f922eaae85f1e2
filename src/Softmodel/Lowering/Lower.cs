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
    readonly UsualSizes usual;
    readonly Dictionary<Value, Buffer> stored = [];
    readonly List<Buffer> buffers = [];
    readonly Dictionary<string, int> taken = new(StringComparer.Ordinal);
    // The same numbers are stored once, whatever they are called.
    readonly Dictionary<Tensor, Buffer> weights = new(Tensor.Same);
    readonly Dictionary<(Value, EquatableArray<Index>), Expr> pulled = [];
    readonly Dictionary<Value, Node> producers = [];
    readonly Dictionary<Node, (Buffer Buffer, Shape Shape)> surrounded = [];
    // What states become, where that is the buffer in which they are kept.
    readonly Dictionary<Value, Buffer> updated = [];
    Stored plan = null!;
    // The symbols that have a value by now, and what has been demanded of sizes before.
    HashSet<string> sizes = [];
    HashSet<(Demand, EquatableArray<Dim>)> demanded = [];
    List<Step> steps = [];
    HashSet<Node> within = [];
    (Value Value, Index[] At, Expr Result)? accumulated;

    Lower(UsualSizes usual) => this.usual = usual;

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
        var lower = new Lower(usual);
        var inputs = graph.Arguments.Select(v => lower.Store(v, Storage.Input)).ToArray();
        lower.Remember(graph);
        var body = lower.Body(graph);
        var remembered = lower.Remembered(graph).ToArray();
        var lost = remembered.OfType<Step.Copy>().Select(c => c.To).Concat(inputs).ToHashSet();
        var outputs = graph.Results.Select(r => (lower.stored[r.Value], r.Value.Shape)).ToArray();
        Step[] steps = [.. body, .. lower.Saved(outputs, lost), .. remembered];
        return RowFusion.Apply(new(graph.Name, graph, inputs, outputs, [.. lower.buffers], steps, usual));
    }

    /// <summary>Stores the states, and finds those that are changed in place: some rows are replaced, and nothing else reads what was there.</summary>
    void Remember(Graph graph)
    {
        var known = graph.Arguments.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).ToHashSet(StringComparer.Ordinal);
        foreach (var (input, output) in graph.States)
        {
            var (before, after) = (graph.Inputs[input], graph.Outputs[output]);
            if (before.Shape.Dims.SelectMany(d => d.Symbols).FirstOrDefault(s => !known.Contains(s)) is { } unknown)
                throw new SoftmodelException($"the state {before} has a size {unknown} that no argument tells");
            if (before.Shape.Dims.Skip(1).Any(d => !d.IsKnown))
                throw new SoftmodelException($"the state {before} has a symbolic size besides its first: what it holds would move when that grows");
            var buffer = Store(before, Storage.State);
            var values = Updates.InPlace(graph, before, after) ?? [];
            // What another state becomes in place can't be in two.
            if (values.Any(updated.ContainsKey))
                continue;
            foreach (var value in values)
                updated.Add(value, buffer);
        }
    }

    /// <summary>What is left to do for the next run to find the other states.</summary>
    IEnumerable<Step> Remembered(Graph graph)
    {
        var all = graph.States.Select(s => (From: stored[graph.Outputs[s.Output]], To: stored[graph.Inputs[s.Input]])).Where(s => s.From != s.To).ToArray();
        var copies = new List<Step>();
        for (var i = 0; i < all.Length; i++)
        {
            // A state may be another's new one: all are read before any is overwritten.
            if (all[i].From.Storage != Storage.State)
                continue;
            var copy = NewBuffer($"{all[i].From.Name}_before", Storage.Arena, all[i].From.Type, all[i].From.Count);
            copies.Add(new Step.Copy(all[i].From, copy));
            all[i].From = copy;
        }
        return copies.Concat(all.Select(s => new Step.Copy(s.From, s.To)));
    }

    /// <summary>Copies results out of buffers that don't outlast the run: arguments, which are let go, and states that are overwritten.</summary>
    Step[] Saved((Buffer Buffer, Shape Shape)[] results, HashSet<Buffer> lost)
    {
        var copies = new Dictionary<Buffer, Buffer>();
        foreach (ref var result in results.AsSpan())
        {
            var from = result.Buffer;
            if (!lost.Contains(from))
                continue;
            if (!copies.TryGetValue(from, out var copy))
                copies.Add(from, copy = NewBuffer($"{from.Name}_result", Storage.Arena, from.Type, from.Count));
            result.Buffer = copy;
        }
        return [.. copies.Select(c => new Step.Copy(c.Key, c.Value))];
    }

    Step[] Body(Graph graph)
    {
        var (outerPlan, outerSteps, outerSizes, outerDemanded) = (plan, steps, sizes, demanded);
        (plan, steps, sizes, demanded) = (new Stored(graph, usual), [], [.. sizes, .. graph.Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols)], [.. demanded]);
        var conditions = Conditions(graph);
        Demand(conditions);
        foreach (var node in graph.Nodes)
        {
            foreach (var output in node.Outputs)
                producers[output] = node;
        }
        foreach (var node in graph.Nodes)
        {
            if (node.Outputs.Count == 0 || node.Outputs.Any(plan.IsStored))
                Add(node);
            sizes.UnionWith(node.Defines);
            if (node.Defines.Any())
                Demand(conditions);
        }
        var result = steps.ToArray();
        (plan, steps, sizes, demanded) = (outerPlan, outerSteps, outerSizes, outerDemanded);
        return result;
    }

    /// <summary>What a graph demands of sizes besides what is demanded already, and what always holds.</summary>
    List<(Condition Condition, string Source)> Conditions(Graph graph)
    {
        var all = new List<(Condition, string)>();
        foreach (var node in graph.Nodes)
        {
            var conditions = new List<Condition>();
            Inference.Types(node.Op, [.. node.Inputs.Select(v => v.Type)], conditions);
            foreach (var condition in conditions)
            {
                if (demanded.Add((condition.Demand, condition.Sizes)) && !condition.IsProven)
                    all.Add((condition, SourceOf(node)));
            }
        }
        return all;
    }

    /// <summary>Demands what can be told by now.</summary>
    void Demand(List<(Condition Condition, string Source)> conditions)
    {
        bool IsKnown((Condition Condition, string Source) c) => c.Condition.Sizes.All(d => d.Symbols.All(sizes.Contains));
        var now = conditions.Where(IsKnown).ToArray();
        conditions.RemoveAll(IsKnown);
        if (now.Length > 0)
            steps.Add(new Step.Demanded(now));
    }

    Buffer Store(Value value, Storage storage = Storage.Arena)
    {
        var buffer = NewBuffer(value.Name, storage, value.Type.Element, value.Shape.Count);
        stored.Add(value, buffer);
        return buffer;
    }

    /// <summary>The buffer of a value: that of a state, where the value is what the state becomes in place.</summary>
    Buffer StoreUpdated(Value value) => updated.TryGetValue(value, out var state) ? stored[value] = state : Store(value);

    Buffer NewBuffer(string name, Storage storage, ElementType type, Dim count)
    {
        var clean = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_')).Trim('_');
        if (clean.Length > 40)
            clean = clean[^40..].Trim('_');
        clean = clean.Length == 0 || char.IsAsciiDigit(clean[0]) ? $"b_{clean}" : $"b_{clean}";
        var number = taken[clean] = taken.GetValueOrDefault(clean) + 1;
        var buffer = new Buffer(number == 1 ? clean : $"{clean}__{number}", storage, type, count);
        buffers.Add(buffer);
        return buffer;
    }

    Buffer Weight(Tensor tensor, ElementType type, string name)
    {
        if (weights.TryGetValue(tensor, out var there) && there.Type == type)
            return there;
        var made = NewBuffer(name, Storage.Weight, type, tensor.Count);
        var buffer = new Buffer(made.Name, Storage.Weight, type, tensor.Count) { Constant = tensor };
        buffers[^1] = buffer;
        return weights[tensor] = buffer;
    }

    void Add(Node node)
    {
        var (outer, first) = (within, steps.Count);
        within = [node];
        Write(node);
        for (var i = first; i < steps.Count; i++)
        {
            if (steps[i].Nodes.Count == 0)
                steps[i] = steps[i] with { Nodes = within };
        }
        within = outer;
    }

    void Write(Node node)
    {
        switch (node.Op)
        {
            case Op.Constant or Op.Parameter:
                stored[node.Output] = Weight(node.Op.Stored!, node.Output.Type.Element, node.Output.Name);
                break;
            case Op.Cast cast when producers.TryGetValue(node.Inputs[0], out var source) && source.Op.Stored is { } half && Stored.IsWidening(half.Type, cast.To):
                stored[node.Output] = Weight(half, cast.To, node.Output.Name);
                break;
            case Op.Reshape when plan.IsStored(node.Inputs[0]):
                stored[node.Output] = stored[node.Inputs[0]];
                break;
            case Op.Concat concat:
                Concat(node, concat.Axis);
                break;
            case Op.Bind bind:
                steps.Add(new Step.Bind(stored[node.Inputs[0]], bind.Symbols, SourceOf(node)));
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
                steps.Add(new Step.Routine(node.Op, Names(node), new(inputs), new([.. node.Outputs.Select(v => (StoreUpdated(v), v.Shape))])));
                break;
            default:
                Kernel(node);
                break;
        }
    }

    static string Names(Node node) => $"{node.Op switch { Op.Map map => map.Function.Name, var op => op.GetType().Name.ToLowerInvariant() }} {OneLine(node.Source)}".Trim();

    /// <summary>The node of the model for messages; the operation where it comes from none.</summary>
    static string SourceOf(Node node) => OneLine(node.Source) is { Length: > 0 } source ? source : Names(node);

    static string OneLine(string source) => source.ReplaceLineEndings(" ").Trim();

    void Kernel(Node node)
    {
        pulled.Clear();
        var output = node.Output;
        var heavy = plan.Heavy(node);
        if (heavy?.Op is Op.ConvolveTransposed transposed)
        {
            Transposed(node, heavy, transposed);
            return;
        }
        if (heavy is null)
        {
            var axes = Axes(output.Shape, "i");
            var value = Element(node, [.. axes.Select(a => (Index)a)]);
            var target = Store(output);
            steps.Add(new Step.Nest(Names(node), axes, target, Views.Flat(output.Shape, [.. axes.Select(a => (Index)a)]), value, null));
            return;
        }
        var (loops, position, fold) = Reduction(heavy);
        Finish(node, heavy, loops, position, fold, Store(output));
    }

    /// <summary>Adds the kernel of a reduction and of all that is computed from its result element by element.</summary>
    void Finish(Node root, Node heavy, Axis[] loops, Index[] position, Fold fold, Buffer target)
    {
        within.Add(heavy);
        accumulated = (heavy.Output, position, fold.Result);
        var at = Follow(position, heavy.Output.Shape, root.Output.Shape);
        var value = root == heavy ? fold.Result : Element(root, at);
        accumulated = null;
        var source = root == heavy ? Names(heavy) : $"{Names(heavy)}; {Names(root)}";
        steps.Add(new Step.Nest(source, loops, target, Views.Flat(root.Output.Shape, at), value, fold));
    }

    static Index[] Follow(Index[] position, Shape from, Shape to)
    {
        if (from == to)
            return position;
        var rest = new Queue<Index>(position.Where((_, i) => from[i].Value != 1));
        return [.. to.Dims.Select(d => d.Value == 1 ? Index.Zero : rest.Dequeue())];
    }

    (Axis[] Loops, Index[] Position, Fold Fold) Reduction(Node node)
    {
        switch (node.Op)
        {
            case Op.Reduce reduce:
                {
                    var x = node.Inputs[0];
                    var all = Axes(x.Shape, "i");
                    var loops = all.Where((_, i) => !reduce.Axes.Contains(i)).ToArray();
                    var inner = all.Where((_, i) => reduce.Axes.Contains(i)).ToArray();
                    var term = Pull(x, [.. all.Select(a => (Index)a)]);
                    return (loops, [.. loops.Select(a => (Index)a)], new(reduce.Kind, inner, term, new(node.Output.Type.Element, loops)) { IsWindow = producers.GetValueOrDefault(x)?.Op is Op.Unfold });
                }
            case Op.ArgReduce arg:
                {
                    var x = node.Inputs[0];
                    var all = Axes(x.Shape, "i");
                    var loops = all.Where((_, i) => i != arg.Axis).ToArray();
                    var term = Pull(x, [.. all.Select(a => (Index)a)]);
                    return (loops, [.. loops.Select(a => (Index)a)],
                        new(arg.Largest ? Graphs.Reduction.Max : Graphs.Reduction.Min, [all[arg.Axis]], term, new(ElementType.Int64, loops), arg.Last));
                }
            case Op.Contract contract:
                {
                    var (left, right, result) = Einsum.Split(contract.Equation);
                    var axes = new Dictionary<char, Axis>();
                    for (var i = 0; i < left.Length; i++)
                        axes[left[i]] = new($"i_{left[i]}", node.Inputs[0].Shape[i]);
                    for (var i = 0; i < right.Length; i++)
                        axes.TryAdd(right[i], new($"i_{right[i]}", node.Inputs[1].Shape[i]));
                    var column = result.LastOrDefault(c => axes[c].Extent.Value != 1);
                    var term = Times(Aligned(node, 0, left, axes, column), Aligned(node, 1, right, axes, column));
                    var loops = result.Select(c => axes[c]).ToArray();
                    var inner = left.Concat(right).Distinct().Where(c => !result.Contains(c)).Select(c => axes[c]).ToArray();
                    return (loops, [.. loops.Select(a => (Index)a)], new(Graphs.Reduction.Sum, inner, term, new(node.Output.Type.Element, loops)));
                }
            case Op.Convolve convolve:
                return Convolution(node, convolve);
            default:
                throw new InvalidOperationException(node.Op.ToString());
        }
    }

    /// <summary>An operand of a contraction, copied first where the result's columns do not lie side by side in it.</summary>
    Expr Aligned(Node node, int operand, string letters, Dictionary<char, Axis> axes, char column)
    {
        var x = node.Inputs[operand];
        var value = Pull(x, [.. letters.Select(c => (Index)axes[c])]);
        // Constants are laid out as they are read when the program is written.
        if (value is not Expr.Load load || (load.Buffer.Storage == Storage.Weight && plan.IsAlongColumns(node, operand)) || !axes.TryGetValue(column, out var columns) || load.Index.Stride(columns).Value is 0 or 1
            || (operand == 1 && node.Inputs[0].Shape.Rank == 0) || value.Type != ElementType.Float32 || Einsum.Split(((Op.Contract)node.Op).Equation) is var (l, r, _) && l.Contains(column) && r.Contains(column))
            return value;
        var order = letters.Where(c => c != column).Append(column).Select(c => axes[c]).ToArray();
        var shape = new Shape([.. order.Select(a => a.Extent)]);
        var at = Views.Flat(shape, [.. order.Select(a => (Index)a)]);
        var buffer = NewBuffer($"{x.Name}_columns", Storage.Arena, value.Type, shape.Count);
        steps.Add(new Step.Nest($"columns of {Names(node)}", order, buffer, at, value, null));
        return new Expr.Load(buffer, at);
    }

    (Axis[] Loops, Index[] Position, Fold Fold) Convolution(Node node, Op.Convolve op)
    {
        var (x, w, y) = (node.Inputs[0], node.Inputs[1], node.Output.Shape);
        var spatial = op.Strides.Count;
        var batch = new Axis("n", y[0]);
        var group = new Axis("g", op.Groups);
        var perGroup = Dim.FloorDiv(y[1], op.Groups);
        var channel = new Axis("m", perGroup);
        var places = Enumerable.Range(0, spatial).Select(i => new Axis($"o{i}", y[i + 2])).ToArray();
        var depth = new Axis("c", w.Shape[1]);
        var taps = Enumerable.Range(0, spatial).Select(i => new Axis($"k{i}", w.Shape[i + 2])).ToArray();
        var from = new Index[spatial + 2];
        var weight = new Index[spatial + 2];
        from[0] = batch;
        from[1] = (Index)group * w.Shape[1] + depth;
        weight[0] = (Index)group * perGroup + channel;
        weight[1] = depth;
        for (var i = 0; i < spatial; i++)
        {
            from[i + 2] = (Index)places[i] * op.Strides[i] + (Index)taps[i] * op.Dilations[i] + (Dim)(-op.Low[i]);
            weight[i + 2] = taps[i];
        }
        var axes = new[] { batch, group, channel }.Concat(places).ToArray();
        var term = Times(Surrounded(node, x, from, [.. op.Low], [.. op.High]), Pull(w, weight));
        return (axes, [batch, (Index)group * perGroup + channel, .. places.Select(a => (Index)a)],
            new(Graphs.Reduction.Sum, [depth, .. taps], term, new(node.Output.Type.Element, axes))
            {
                Unpadded = plan.IsStored(x) && surrounded.ContainsKey(node) ? Guarded(x, from, [.. op.Low], [.. op.High]) : null,
                IsWindow = op.Strides.Any(s => s > 1) || (spatial > 1 && w.Shape.Dims.Skip(2).Any(d => d.Value != 1)),
            });
    }

    /// <summary>An element of a convolution's operand, and zero where it lies outside.</summary>
    Expr Guarded(Value x, Index[] at, int[] low, int[] high)
    {
        var value = Pull(x, at);
        for (var i = low.Length - 1; i >= 0; i--)
        {
            if (low[i] > 0 || high[i] > 0)
                value = Expr.Guard.Of(at[i + 2], x.Shape[i + 2], value, Zero(value.Type));
        }
        return value;
    }

    /// <summary>An element of a convolution's operand, which is stored with zeros around it unless it is stored already and none are needed.</summary>
    Expr Surrounded(Node node, Value x, Index[] at, int[] low, int[] high)
    {
        if (plan.IsStored(x) && low.All(p => p == 0) && high.All(p => p == 0))
            return Pull(x, at);
        if (!surrounded.TryGetValue(node, out var place))
        {
            var shape = new Shape(x.Shape.Dims.Select((d, i) => i < 2 ? d : d + low[i - 2] + high[i - 2]).ToEquatable());
            var axes = Axes(shape, "i");
            var from = axes.Select((a, i) => i < 2 ? (Index)a : (Index)a + (Dim)(-low[i - 2])).ToArray();
            var outer = within;
            within = [node];
            var value = Guarded(x, from, low, high);
            var buffer = NewBuffer($"{x.Name}_padded", Storage.Arena, x.Type.Element, shape.Count);
            steps.Add(new Step.Nest($"padding of {Names(node)}", axes, buffer, Views.Flat(shape, [.. axes.Select(a => (Index)a)]), value, null) { Nodes = within });
            within = outer;
            surrounded[node] = place = (buffer, shape);
        }
        return new Expr.Load(place.Buffer, Views.Flat(place.Shape, [.. at.Select((a, i) => i < 2 ? a : a + (Dim)low[i - 2])]));
    }

    /// <summary>
    /// A transposed convolution as one convolution for each position modulo the stride: the weights that meet at such a
    /// position are every so many-th.
    /// </summary>
    void Transposed(Node root, Node node, Op.ConvolveTransposed op)
    {
        var (x, w, y) = (node.Inputs[0], node.Inputs[1], node.Output.Shape);
        var spatial = op.Strides.Count;
        var target = Store(root.Output);
        var phases = op.Strides.Aggregate(1, (a, b) => a * b);
        var perGroup = w.Shape[1];
        var depthSize = Dim.FloorDiv(w.Shape[0], op.Groups);
        for (var phase = 0; phase < phases; phase++)
        {
            pulled.Clear();
            var (batch, group, channel, depth) = (new Axis("n", y[0]), new Axis("g", op.Groups), new Axis("m", perGroup), new Axis("c", depthSize));
            var (places, taps) = (new Axis[spatial], new Axis[spatial]);
            var (from, weight, position) = (new Index[spatial + 2], new Index[spatial + 2], new Index[spatial + 2]);
            (from[0], from[1]) = (batch, (Index)group * depthSize + depth);
            (weight[0], weight[1]) = ((Index)group * depthSize + depth, channel);
            (position[0], position[1]) = (batch, (Index)group * perGroup + channel);
            var rest = phase;
            for (var i = 0; i < spatial; i++)
            {
                var (stride, dilation) = (op.Strides[i], op.Dilations[i]);
                var place = rest % stride;
                rest /= stride;
                var kernel = (int)(w.Shape[i + 2].Value ?? throw new SoftmodelException($"{node.Source}: a transposed convolution whose kernel size is known only at run time cannot be compiled"));
                var met = Enumerable.Range(0, kernel).Where(k => (place + op.Low[i] - k * dilation) % stride == 0).ToArray();
                places[i] = new($"o{i}", Dim.FloorDiv(y[i + 2] - place + stride - 1, stride));
                taps[i] = new($"k{i}", met.Length);
                var (first, step) = (met.Length > 0 ? met[0] : 0, met.Length > 1 ? met[1] - met[0] : 1);
                weight[i + 2] = (Index)taps[i] * step + (Dim)first;
                from[i + 2] = (Index)places[i] + (Index)taps[i] * (-(step * dilation) / stride) + (Dim)((place + op.Low[i] - first * dilation) / stride);
                position[i + 2] = (Index)places[i] * stride + (Dim)place;
            }
            // As far as any tap reaches beyond the operand.
            var reach = op.Strides.Select((stride, i) => (((int)w.Shape[i + 2].Value!.Value - 1) * op.Dilations[i] + op.Extra[i]) / stride + 1).ToArray();
            var inside = Surrounded(node, x, from, reach, reach);
            var axes = new[] { batch, group, channel }.Concat(places).ToArray();
            var fold = new Fold(Graphs.Reduction.Sum, [depth, .. taps], Times(inside, OfPhase(w, weight, [group, depth, channel, .. taps])), new(node.Output.Type.Element, axes));
            Finish(root, node, axes, position, fold, target);
        }
    }

    /// <summary>The weights of one phase as a constant of their own, where they are known.</summary>
    Expr OfPhase(Value w, Index[] at, Axis[] axes)
    {
        if (!stored.TryGetValue(w, out var buffer) || buffer.Constant is not { } tensor || axes.Any(a => !a.Extent.IsKnown))
            return Pull(w, at);
        var index = Views.Flat(w.Shape, at);
        var sizes = axes.Select(a => a.Extent.Value!.Value).ToArray();
        var count = sizes.Aggregate(1L, (a, b) => a * b);
        var bytes = new byte[count * tensor.Type.Size()];
        var width = tensor.Type.Size();
        for (var i = 0L; i < count; i++)
        {
            var (rest, from) = (i, index.Offset.Value!.Value);
            for (var a = axes.Length - 1; a >= 0; a--)
            {
                from += rest % sizes[a] * index.Stride(axes[a]).Value!.Value;
                rest /= sizes[a];
            }
            tensor.Bytes.Span.Slice((int)from * width, width).CopyTo(bytes.AsSpan((int)i * width));
        }
        var phase = Weight(new Tensor(tensor.Type, sizes, bytes), buffer.Type, $"{buffer.Name[2..]}_phase");
        return new Expr.Load(phase, Views.Flat(Shape.Of(sizes), [.. axes.Select(a => (Index)a)]));
    }

    void Concat(Node node, int axis)
    {
        var target = Store(node.Output);
        Dim start = 0;
        foreach (var part in node.Inputs)
        {
            pulled.Clear();
            var axes = Axes(part.Shape, "i");
            var at = axes.Select(a => (Index)a).ToArray();
            var value = Pull(part, at);
            at[axis] += start;
            steps.Add(new Step.Nest(Names(node), axes, target, Views.Flat(node.Output.Shape, at), value, null));
            start += part.Shape[axis];
        }
    }

    void If(Node node, Op.If op)
    {
        var results = node.Outputs.Select(StoreUpdated).ToArray();
        var branches = new List<Step[]>();
        var at = 1;
        foreach (var body in new[] { op.Then, op.Else })
        {
            foreach (var input in body.Inputs)
                stored[input] = stored[node.Inputs[at++]];
            var branch = Body(body);
            branches.Add([.. branch, .. body.Outputs.Zip(results, (v, to) => new Step.Copy(stored[v], to)).Where(c => c.From != c.To)]);
        }
        steps.Add(new Step.If(stored[node.Inputs[0]], branches[0], branches[1]));
    }

    void Loop(Node node, Op.Loop op)
    {
        var body = op.Body;
        var iteration = NewBuffer("iteration", Storage.Arena, ElementType.Int64, 1);
        stored[body.Inputs[0]] = iteration;
        var state = new List<Buffer>();
        for (var i = 0; i < op.Carried; i++)
            state.Add(stored[body.Inputs[i + 1]] = Store(node.Outputs[i]));
        void Begin() => steps.AddRange(state.Select((to, i) => new Step.Copy(stored[node.Inputs[i + 2]], to)));
        Begin();
        for (var i = op.Carried + 1; i < body.Inputs.Count; i++)
            stored[body.Inputs[i]] = stored[node.Inputs[i + 1]];
        var inner = Body(body);
        var carry = new List<(Buffer, Buffer)>();
        var staged = new List<Step>();
        for (var i = 0; i < op.Carried; i++)
        {
            // A carried value may be another's new value: all are read before any is overwritten.
            var from = stored[body.Outputs[i + 1]];
            if (state.Contains(from) && from != state[i])
            {
                var copy = NewBuffer($"{from.Name}_before", Storage.Arena, from.Type, from.Count);
                staged.Add(new Step.Copy(from, copy));
                from = copy;
            }
            if (from != state[i])
                carry.Add((from, state[i]));
        }
        var stacks = body.Outputs.Skip(op.Carried + 1).Zip(node.Outputs.Skip(op.Carried), (v, result) => (stored[v], Store(result))).ToArray();
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

    static Axis[] Axes(Shape shape, string prefix) => [.. shape.Dims.Select((d, i) => new Axis($"{prefix}{i}", d))];

    static Expr.Number Zero(ElementType type) => new Expr.Number(type, 0, 0);

    static Expr.Apply Times(Expr a, Expr b) => new Expr.Apply(Functions.Multiply, [a, b]);

    /// <summary>The element of a value at a position.</summary>
    Expr Pull(Value value, Index[] at)
    {
        var key = (value, at.ToEquatable());
        if (pulled.TryGetValue(key, out var there))
            return there;
        return pulled[key] = accumulated is { } acc && acc.Value == value ? acc.Result
            : producers.TryGetValue(value, out var constant) && constant.Op.Known is { Count: 1 } scalar && scalar.Type.Size() > 0 ? new Expr.Number(scalar.Type, scalar.Real(0), scalar.Whole(0))
            : stored.TryGetValue(value, out var buffer) ? new Expr.Load(buffer, Views.Flat(value.Shape, at))
            : Element(producers[value], at);
    }

    Expr Element(Node node, Index[] at)
    {
        within.Add(node);
        Value X(int i) => node.Inputs[i];
        switch (node.Op)
        {
            case Op.Map map:
                return new Expr.Apply(map.Function, [.. node.Inputs.Select(v => Pull(v, Views.Stretch(at, node.Output.Shape, v.Shape)))]);
            case Op.Cast cast:
                var value = Pull(X(0), at);
                return value.Type == cast.To ? value : new Expr.Convert(cast.To, value);
            case Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold:
                return Pull(X(0), Views.Before(node, at, Made)!);
            case Op.Reshape reshape:
                if (stored.TryGetValue(X(0), out var whole) && Views.Merges(X(0).Shape, reshape.Shape))
                    return new Expr.Load(whole, Views.Flat(reshape.Shape, at));
                if (Views.Before(node, at, Made) is { } before)
                    return Pull(X(0), before);
                Materialize(X(0));
                return new Expr.Load(stored[X(0)], Views.Flat(reshape.Shape, at));
            case Op.Iota:
                return new Expr.Position(at[0]);
            case Op.SizeTensor sizes:
                return Sizes(sizes, Views.Flat(sizes.Shape, at));
            case Op.Pad pad:
                return Pad(node, pad, at);
            case Op.Gather gather:
                {
                    var indices = X(1);
                    var chosen = Pull(indices, at[gather.Axis..(gather.Axis + indices.Rank)]);
                    return Pull(X(0), [.. at[..gather.Axis], Chosen(chosen, X(0).Shape[gather.Axis]), .. at[(gather.Axis + indices.Rank)..]]);
                }
            case Op.GatherElements gather:
                {
                    var chosen = Pull(X(1), at);
                    return Pull(X(0), [.. at.Select((a, i) => i == gather.Axis ? Chosen(chosen, X(0).Shape[i]) : a)]);
                }
            case Op.GatherND gather:
                {
                    var indices = X(1);
                    var depth = (int)indices.Shape[indices.Rank - 1].Value!.Value;
                    var lead = at[..(indices.Rank - 1)];
                    var chosen = Enumerable.Range(0, depth).Select(d => Chosen(Pull(indices, [.. lead, (Dim)d]), X(0).Shape[gather.BatchAxes + d]));
                    return Pull(X(0), [.. at[..gather.BatchAxes], .. chosen, .. at[(indices.Rank - 1)..]]);
                }
            case Op.Constant or Op.Parameter:
                return new Expr.Load(Weight(node.Op.Stored!, node.Output.Type.Element, node.Output.Name), Views.Flat(node.Output.Shape, at));
            default:
                throw new InvalidOperationException($"{node.Op.GetType().Name} is not computed element by element");
        }
    }

    Node? Made(Value value) => producers.GetValueOrDefault(value);

    /// <summary>Stores after all what was to be computed within the kernel that is being written, ahead of that kernel.</summary>
    void Materialize(Value value)
    {
        var (outer, inner) = (accumulated, pulled.ToArray());
        accumulated = null;
        var axes = Axes(value.Shape, "i");
        var at = axes.Select(a => (Index)a).ToArray();
        var element = Element(producers[value], at);
        steps.Add(new Step.Nest(Names(producers[value]), axes, Store(value), Views.Flat(value.Shape, at), element, null));
        accumulated = outer;
        pulled.Clear();
        foreach (var (key, expr) in inner)
            pulled.Add(key, expr);
    }

    static Index Chosen(Expr index, Dim size) => index is Expr.Number number && number.Whole >= 0 && size.Value > number.Whole
        ? (Index)(Dim)number.Whole
        : Index.Of(new Expr.Checked(index.Type == ElementType.Int64 ? index : new Expr.Convert(ElementType.Int64, index), size));

    /// <summary>Elements that are sizes: a choice among them by position.</summary>
    static Expr Sizes(Op.SizeTensor sizes, Index at)
    {
        Expr result = new Expr.Position(sizes.Values[^1]);
        for (var i = sizes.Values.Count - 2; i >= 0; i--)
            result = Expr.Guard.Of(at, i + 1, new Expr.Position(sizes.Values[i]), result);
        return result;
    }

    Expr Pad(Node node, Op.Pad pad, Index[] at)
    {
        var shape = node.Inputs[0].Shape;
        var from = Views.Before(node, at, Made)!;
        if (pad.Mode != Padding.Constant)
        {
            return Pull(node.Inputs[0], [.. from.Select((a, i) => pad.Low[i].Value == 0 && pad.High[i].Value == 0 ? a
                : Index.Of(new Expr.Folded(pad.Mode, a, shape[i])))]);
        }
        var value = Pull(node.Inputs[0], from);
        var outside = Pull(node.Inputs[1], []);
        for (var i = shape.Rank - 1; i >= 0; i--)
        {
            if ((pad.Low[i].Value is not <= 0 || pad.High[i].Value is not <= 0) && (stored.ContainsKey(node.Inputs[0]) || !Views.IsZeroBeyond(node, i, from[i], Made)))
                value = Expr.Guard.Of(from[i], shape[i], value, outside);
        }
        return value;
    }
}
