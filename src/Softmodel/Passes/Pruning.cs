using Softmodel.Graphs;

namespace Softmodel.Passes;

/// <summary>What is cut out of a layer.</summary>
/// <param name="Layer">The number of the layer.</param>
/// <param name="Neurons">The numbers of neurons of its MLP.</param>
/// <param name="Groups">The numbers of groups of heads that share keys and values: of heads, where each has its own.</param>
sealed record LayerCut(int Layer, EquatableArray<int> Neurons, EquatableArray<int> Groups);

/// <summary>Parts of one kind in a layer, of which some can be cut out.</summary>
/// <param name="Layer">The number of the layer.</param>
/// <param name="Role"><see cref="Role.MlpHidden"/> for neurons, <see cref="Role.Heads"/> for groups of heads.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Block">Cut as many as a multiple of this: so many lie in a block of the matrix that reads them.</param>
/// <param name="IsWhole">Whether they go block by block, as blocks of that format are only read.</param>
/// <param name="Bytes">How many bytes of weights a part has.</param>
sealed record PrunableParts(int Layer, Role Role, int Count, int Block, bool IsWhole, double Bytes);

/// <summary>
/// Structured pruning: matrices lose the rows that make neurons and heads, and the columns that read them, and caches what they keep of
/// them. Which values become smaller follows from the graph: an axis of one is tied to axes of others by what is computed.
/// </summary>
/// <remarks>Fang et al.: DepGraph: towards any structural pruning (2023), section 3.</remarks>
static class Pruning
{
    /// <summary>Neighbouring axes along which parts lie one after the other, each with as many elements.</summary>
    readonly record struct Along(int First, int Count)
    {
        /// <summary>Stands for axes that are mixed.</summary>
        public static readonly Along Mixed = new(-1, 0);

        public int End => First + Count;
    }

    /// <summary>Parts that are cut at a value and all that is tied to it.</summary>
    sealed record Seed(int Layer, Role Role, int Count, Dictionary<Value, Along> Ties);

    /// <summary>What can be cut out of each layer.</summary>
    /// <param name="graph">A graph in which roles are known.</param>
    public static IReadOnlyList<PrunableParts> Parts(Graph graph)
    {
        var nodes = Neighbours(graph);
        return [.. from layer in graph.Nodes.Select(n => n.Origin.Layer).OfType<int>().Distinct().Order()
                   from role in (Role[])[Role.Heads, Role.MlpHidden]
                   let seed = Of(graph, nodes, layer, role)
                   where seed is not null
                   let columns = Columns(graph, seed)
                   select new PrunableParts(layer, role, seed.Count, columns?.Block ?? 1, columns?.Format.Encode is null && columns is not null,
                       graph.Nodes.Where(n => n.Op.Stored is not null && seed.Ties.ContainsKey(n.Output)).Sum(n => (double)n.Op.Stored!.Bytes.Length) / seed.Count)];
    }

    /// <summary>The graph without some neurons and heads.</summary>
    /// <param name="graph">A graph in which roles are known; it is left as it is.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="cuts">What is cut.</param>
    /// <param name="decode">The elements of a parameter in blocks, row by row.</param>
    /// <exception cref="SoftmodelException">There are no such parts, or they can't be cut.</exception>
    public static Graph Apply(Graph graph, ConstantFolding folding, IReadOnlyList<LayerCut> cuts, Func<Op.Parameter, float[]> decode)
    {
        var (nodes, ties) = (Neighbours(graph), new Dictionary<Value, (Along Axes, int Count, int[] Kept)>());
        foreach (var (layer, role, cut) in cuts.SelectMany(c => ((int, Role, EquatableArray<int>)[])[(c.Layer, Role.Heads, c.Groups), (c.Layer, Role.MlpHidden, c.Neurons)]).Where(c => c.Item3.Count > 0))
        {
            var seed = Of(graph, nodes, layer, role) ?? throw new SoftmodelException($"layer {layer} of {graph.Name} has no {Roles.NameOf(role)} that can be cut");
            var gone = cut.ToHashSet();
            if (gone.Count != cut.Count || gone.Any(i => i < 0 || i >= seed.Count) || gone.Count == seed.Count)
                throw new SoftmodelException($"layer {layer} of {graph.Name} has {seed.Count} of {Roles.NameOf(role)}: {gone.Count} of them can't be cut as they are numbered");
            var kept = Kept(seed.Count, gone, Columns(graph, seed)?.Block ?? 1);
            foreach (var (value, axes) in seed.Ties)
            {
                if (!ties.TryAdd(value, (axes, seed.Count, kept)))
                    throw new SoftmodelException($"'{value}' of {graph.Name} is shared by layers, so that no part of it can be cut");
            }
        }
        return Rebuilt(graph, folding, ties, decode);
    }

    static ILookup<Value, Node> Neighbours(Graph graph) => graph.Nodes.SelectMany(n => n.Inputs.Concat(n.Outputs).Distinct().Select(v => (v, n))).ToLookup(p => p.v, p => p.n);

    /// <summary>The parts of a layer, with all values that have an axis of them; null where there are none, or where they are mixed.</summary>
    static Seed? Of(Graph graph, ILookup<Value, Node> nodes, int layer, Role role)
    {
        if (graph.Nodes.LastOrDefault(n => n.Origin.Role == role && n.Origin.Layer == layer && n.Op.Stored is null)?.Output is not { } value
            || value.Rank != (role == Role.Heads ? 4 : 2) || value.Shape[1].Value is not { } count)
            return null;
        var ties = new Dictionary<Value, Along> { [value] = new(1, 1) };
        var open = new Stack<Value>([value]);
        while (open.TryPop(out var from))
        {
            foreach (var node in nodes[from])
            {
                foreach (var to in node.Inputs.Concat(node.Outputs).Distinct())
                {
                    if (to == from || Carried(node, from, to, ties[from], count) is not { } axes)
                        continue;
                    if (axes == Along.Mixed || ties.TryGetValue(to, out var there) && there != axes)
                        return null;
                    if (ties.TryAdd(to, axes))
                        open.Push(to);
                }
            }
        }
        return new(layer, role, (int)count, ties);
    }

    /// <summary>Which axes of a value of a node have the parts that lie along axes of another; null for none.</summary>
    static Along? Carried(Node node, Value from, Value to, Along axes, long parts)
    {
        Dim[] Sizes(Value value, Along of) => [.. value.Shape.Dims.Skip(of.First).Take(of.Count)];
        // None of the axes, or all of them in a row.
        Along? Each(Func<int, int> place)
        {
            var places = Enumerable.Range(axes.First, axes.Count).Select(place).ToArray();
            return places.All(p => p < 0) ? null : places[0] >= 0 && places.Select((p, i) => p - i).Distinct().Count() == 1 ? new(places[0], axes.Count) : Along.Mixed;
        }
        // An axis that is not touched by what is done along others.
        Along? Same(Func<int, bool> isTouched) => Enumerable.Range(axes.First, axes.Count).Any(isTouched) ? Along.Mixed : axes;
        switch (node.Op)
        {
            case Op.Map or Op.Cast or Op.Broadcast:
                return Each(a => a + to.Rank - from.Rank) is not { } aligned ? null : aligned == Along.Mixed ? aligned
                    : Sizes(to, aligned).SequenceEqual(Sizes(from, axes)) ? aligned : Sizes(to, aligned).All(d => d.Value == 1) ? null : Along.Mixed;
            case Op.Reshape:
                var before = Dim.Product(from.Shape.Dims.Take(axes.First));
                for (var first = 0; first < to.Rank; first++)
                {
                    if (to.Shape[first].Value == 1 || !Dim.Product(to.Shape.Dims.Take(first)).Equals(before))
                        continue;
                    for (var count = 1; first + count <= to.Rank; count++)
                    {
                        if (Dim.Product(to.Shape.Dims.Skip(first).Take(count)).Value is { } size && size % parts == 0)
                            return new(first, count);
                    }
                }
                return Along.Mixed;
            case Op.Transpose transpose:
                return from == node.Output ? Each(a => transpose.Order[a]) : Each(a => transpose.Order.ToList().IndexOf(a));
            case Op.Contract contract:
                var (left, right, result) = Einsum.Split(contract.Equation);
                string Letters(Value value) => value == node.Output ? result : value == node.Inputs[0] ? left : right;
                return node.Inputs[0] == node.Inputs[1] ? Along.Mixed : Each(a => Letters(to).IndexOf(Letters(from)[a]));
            case Op.Slice slice:
                return Same(a => slice.Starts[a].Value != 0 || slice.Steps[a] != 1 || !slice.Sizes[a].Equals(node.Inputs[0].Shape[a]));
            case Op.Concat concat:
                return Same(a => a == concat.Axis);
            case Op.Reduce reduce:
                int[] others = [.. Enumerable.Range(0, node.Inputs[0].Rank).Where(a => !reduce.Axes.Contains(a))];
                return from == node.Output ? Each(a => others[a]) : Same(a => reduce.Axes.Contains(a)) == Along.Mixed ? Along.Mixed : Each(a => Array.IndexOf(others, a));
            case Op.ScatterND:
                var (indices, depth) = (node.Inputs[1], node.Inputs[1].Shape[node.Inputs[1].Rank - 1].Value);
                if (to == indices)
                    return null;
                var shift = indices.Rank - 1 - (int)(depth ?? 0);
                var place = (from == node.Inputs[2] ? -shift : 0) + (to == node.Inputs[2] ? shift : 0);
                return depth is null || from == indices || axes.First - (from == node.Inputs[2] ? shift : 0) < depth ? Along.Mixed : Each(a => a + place);
            default:
                return Along.Mixed;
        }
    }

    /// <summary>The format of the matrix whose columns read parts, and how many parts lie in a block of it; null where none is in blocks, or no block has several parts.</summary>
    static (BlockFormat Format, int Block)? Columns(Graph graph, Seed seed)
    {
        foreach (var node in graph.Nodes)
        {
            if (node.Op is Op.Parameter { Format: { } format } && seed.Ties.TryGetValue(node.Output, out var axes) && axes.Count > 1)
                return (format, (int)(format.Elements * (long)seed.Count / (node.Output.Shape[1].Value!.Value * format.Elements)));
        }
        return null;
    }

    /// <summary>
    /// The parts that are kept, in their new order. Where a block holds several, those with the most gaps are given up, and what is left in
    /// them goes into the gaps of others, so that few blocks change.
    /// </summary>
    static int[] Kept(int count, HashSet<int> gone, int block)
    {
        if (block == 1)
            return [.. Enumerable.Range(0, count).Where(i => !gone.Contains(i))];
        if (gone.Count % block != 0)
            throw new SoftmodelException($"{gone.Count} parts can't be cut: {block} of them lie in a block of weights, and blocks are cut as a whole");
        var blocks = Enumerable.Range(0, count / block).Select(b => Enumerable.Range(b * block, block).ToArray()).ToArray();
        var givenUp = blocks.OrderByDescending(b => b.Count(gone.Contains)).Take(gone.Count / block).ToHashSet();
        var moved = new Queue<int>(blocks.Where(givenUp.Contains).SelectMany(b => b).Where(i => !gone.Contains(i)));
        return [.. blocks.Where(b => !givenUp.Contains(b)).SelectMany(b => b).Select(i => gone.Contains(i) ? moved.Dequeue() : i)];
    }

    static Graph Rebuilt(Graph graph, ConstantFolding folding, Dictionary<Value, (Along Axes, int Count, int[] Kept)> ties, Func<Op.Parameter, float[]> decode)
    {
        var builder = new GraphBuilder(graph.Name, folding);
        builder.RequirePositive(graph.Positive);
        foreach (var node in graph.AllNodes())
        {
            foreach (var symbol in node.Defines)
                builder.Reserve(symbol);
            if (node.Op is Op.Random random)
                builder.ReserveStream(random.Stream);
        }
        Shape ShapeOf(Value value)
        {
            if (!ties.TryGetValue(value, out var tie))
                return value.Shape;
            var inner = Dim.Product(value.Shape.Dims.Skip(tie.Axes.First + 1).Take(tie.Axes.Count - 1)).Value!.Value;
            return value.Shape.With(tie.Axes.First, value.Shape[tie.Axes.First].Value!.Value * inner / tie.Count * tie.Kept.Length / inner);
        }
        var now = graph.Inputs.ToDictionary(v => v, v => builder.Input(v.Name, v.Type with { Shape = ShapeOf(v) }));
        foreach (var node in graph.Nodes)
        {
            builder.Origin = node.Origin;
            builder.NextName = node.Outputs.Count > 0 ? node.Outputs[0].Name : null;
            var op = node.Outputs.Count == 0 || !ties.TryGetValue(node.Outputs[0], out var tie) ? node.Op : node.Op switch
            {
                Op.Parameter parameter => Narrowed(parameter, tie.Axes, tie.Count, tie.Kept, decode),
                Op.Constant constant => new Op.Constant(Narrowed(constant.Value, tie.Axes, tie.Count, tie.Kept)),
                Op.Reshape reshape => reshape with { Shape = ShapeOf(node.Output) },
                Op.Broadcast => new Op.Broadcast(ShapeOf(node.Output)),
                Op.Slice slice => slice with { Sizes = ShapeOf(node.Output).Dims },
                var other => other,
            };
            foreach (var (value, result) in node.Outputs.Zip(builder.ApplyAll(op, [.. node.Inputs.Select(v => now[v])])))
                now[value] = result;
        }
        var narrowed = builder.Build(graph.Outputs.Select(v => now[v]), graph.OutputNames) with { States = graph.States };
        narrowed.Validate();
        return narrowed;
    }

    static Op.Parameter Narrowed(Op.Parameter parameter, Along axes, int count, int[] kept, Func<Op.Parameter, float[]> decode) =>
        parameter.Format is { } format && axes.Count > 1 ? parameter with { Value = Columns(parameter, format, count, kept, decode) }
        : parameter with { Value = Narrowed(parameter.Value, axes, count, kept) };

    static Tensor Narrowed(Tensor tensor, Along axes, int count, int[] kept)
    {
        var outer = Tensor.CountOf(tensor.Dims[..axes.First]);
        var part = (int)(tensor.Bytes.Length / outer / count);
        var bytes = new byte[outer * part * kept.Length];
        for (var (row, to) = (0, 0); row < outer; row++)
        {
            foreach (var i in kept)
            {
                tensor.Bytes.Span.Slice((row * count + i) * part, part).CopyTo(bytes.AsSpan(to));
                to += part;
            }
        }
        long[] dims = [.. tensor.Dims];
        var inner = Tensor.CountOf(tensor.Dims[(axes.First + 1)..axes.End]);
        dims[axes.First] = dims[axes.First] * inner / count * kept.Length / inner;
        return new(tensor.Type, dims, bytes);
    }

    /// <summary>Columns of a matrix in blocks: a block that has the columns that it had stays as it is, and others are encoded anew, by the factors that they had where less is rounded off so.</summary>
    static Tensor Columns(Op.Parameter parameter, BlockFormat format, int count, int[] kept, Func<Op.Parameter, float[]> decode)
    {
        var (rows, blocks, elements) = ((int)parameter.Value.Dims[0], (int)parameter.Value.Dims[1], format.Elements);
        var each = blocks * elements / count;
        int[] columns = [.. kept.SelectMany(i => Enumerable.Range(i * each, each))];
        var own = columns.Chunk(elements).ToArray();
        var isWhole = own.Select(c => c[0] % elements == 0 && c.Index().All(p => p.Item == c[0] + p.Index)).ToArray();
        if (format.Encode is null && !isWhole.All(w => w))
            throw new SoftmodelException($"columns of the weight {parameter.Name} can't be moved, as {format} is only read here: cut whole blocks of {elements}");
        // The block that most columns of one are from, where they were.
        var places = own.Select(c => c.Index().Where(p => p.Item % elements == p.Index).GroupBy(p => p.Item / elements).MaxBy(g => g.Count())?.Key).ToArray();
        ReadOnlySpan<byte> Block(int row, int block) => parameter.Value.Bytes.Span.Slice((row * blocks + block) * format.Size, format.Size);
        var decoded = isWhole.All(w => w) ? [] : decode(parameter);
        var bytes = new byte[(long)rows * own.Length * format.Size];
        Parallel.For(0, rows, row =>
        {
            Span<float> block = stackalloc float[elements];
            Span<byte> held = stackalloc byte[format.Size];
            for (var b = 0; b < own.Length; b++)
            {
                var to = bytes.AsSpan((row * own.Length + b) * format.Size, format.Size);
                if (isWhole[b])
                {
                    Block(row, own[b][0] / elements).CopyTo(to);
                    continue;
                }
                for (var i = 0; i < elements; i++)
                    block[i] = decoded[row * blocks * elements + own[b][i]];
                var error = format.Encode!(block, to);
                if (places[b] is not { } place)
                    continue;
                Block(row, place).CopyTo(held);
                if (format.Encode(block, held, keepsFactors: true) <= error)
                    held.CopyTo(to);
            }
        });
        return new(parameter.Value.Type, [rows, own.Length, format.Size], bytes);
    }
}
