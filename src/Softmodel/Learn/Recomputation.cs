using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>
/// A step's graph in which the way back computes again what has not been kept for it. It is the last thing that is done to a graph:
/// whatever grows it with a <see cref="GraphBuilder"/> takes equal nodes for one.
/// </summary>
sealed class Recomputation
{
    readonly Graph graph;
    readonly UsualSizes usual;
    readonly Node[] forward;
    readonly Dictionary<Value, int> producer = [];
    readonly HashSet<Value> needed = [];

    /// <summary>Finds the way forward, which is what the first results depend on, and what the rest reads of it.</summary>
    /// <param name="graph">The graph, after all passes.</param>
    /// <param name="results">How many of its outputs are the network's.</param>
    /// <param name="usual">How large its sizes usually are.</param>
    public Recomputation(Graph graph, int results, UsualSizes usual)
    {
        (this.graph, this.usual) = (graph, usual);
        var wanted = graph.Outputs.Take(results).ToHashSet();
        var found = new List<Node>();
        foreach (var node in graph.Nodes.Reverse().Where(n => n.Outputs.Any(wanted.Contains)))
        {
            found.Add(node);
            wanted.UnionWith(node.Inputs);
        }
        found.Reverse();
        forward = [.. found];
        foreach (var (index, node) in forward.Index())
        {
            // What is there in any case, as inputs and constants are, is never computed again.
            if (node.Inputs.Count == 0 && node.Op is not Op.Random)
                continue;
            foreach (var output in node.Outputs)
                producer[output] = index;
        }
        var own = forward.ToHashSet();
        foreach (var node in graph.Nodes.Where(n => !own.Contains(n)))
            needed.UnionWith(node.Inputs.Where(producer.ContainsKey));
        needed.UnionWith(graph.Outputs.Skip(results).Where(producer.ContainsKey));
    }

    /// <summary>The nodes of the way forward.</summary>
    public IReadOnlyList<Node> Forward => forward;

    /// <summary>The place among them of what computes a value; null for what is there in any case.</summary>
    public int? IndexOf(Value value) => producer.TryGetValue(value, out var index) ? index : null;

    /// <summary>What the way back reads of them.</summary>
    public IReadOnlySet<Value> Needed => needed;

    /// <summary>About how many bytes a value has.</summary>
    public double Bytes(Value value) => usual.Of(value.Shape.Count) * value.Type.Element.Size();

    /// <summary>Whether a node is computed within the kernel that reads its result, for less than reading it from memory would take.</summary>
    static bool IsCheap(Op op) => op is Op.Map or Op.Cast or Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Pad or Op.Unfold or Op.Gather or Op.GatherElements or Op.GatherND;

    /// <summary>Whether a node can be computed again: what it gives names to has them already.</summary>
    static bool IsRepeatable(Node node) => !node.Defines.Any();

    /// <summary>The values that are kept for the way back where all that is cheap is computed again: those of the fewest bytes together.</summary>
    public HashSet<Value> Kept()
    {
        // A value is a pipe as wide as it is large, from what has to be kept in any case to what is read.
        var (numbers, order) = (new Dictionary<Value, int>(), new Queue<Value>());
        int Number(Value value)
        {
            if (numbers.TryAdd(value, numbers.Count))
                order.Enqueue(value);
            return numbers[value];
        }
        var pipes = new List<(int Start, int End, long Capacity)>();
        const int source = 0, sink = 1;
        int In(Value value) => 2 + 2 * Number(value);
        int Out(Value value) => In(value) + 1;
        foreach (var value in needed)
            pipes.Add((Out(value), sink, MinimumCut.Uncuttable));
        while (order.TryDequeue(out var value))
        {
            var node = forward[producer[value]];
            // A view would have to be stored for it.
            pipes.Add((In(value), Out(value), 16 + (long)(Bytes(value) * (Views.Is(node.Op) ? 1.05 : 1))));
            if (!IsCheap(node.Op))
                pipes.Add((source, In(value), MinimumCut.Uncuttable));
            foreach (var input in IsCheap(node.Op) ? node.Inputs.Where(producer.ContainsKey) : [])
                pipes.Add((Out(input), In(value), MinimumCut.Uncuttable));
        }
        var cut = new MinimumCut(2 + 2 * numbers.Count);
        foreach (var (start, end, capacity) in pipes)
            cut.Add(start, end, capacity);
        var beyond = cut.Beyond(source, sink);
        return [.. numbers.Keys.Where(v => !beyond[In(v)] && beyond[Out(v)])];
    }

    /// <summary>The graph in which what is needed and not kept is computed again, just before it is read.</summary>
    /// <param name="kept">What is kept.</param>
    public Graph Apply(IReadOnlySet<Value> kept)
    {
        var (own, nodes, again) = (forward.ToHashSet(), new List<Node>(), new Dictionary<Value, Value>());
        foreach (var node in graph.Nodes)
        {
            if (own.Contains(node))
            {
                nodes.Add(node);
                continue;
            }
            foreach (var index in Missing(node.Inputs))
            {
                var first = forward[index];
                Value[] outputs = [.. first.Outputs.Select(v => new Value(v.Name, v.Type))];
                nodes.Add(new(first.Op, first.Inputs.Select(Now).ToEquatable(), outputs, first.Origin));
                foreach (var (before, now) in first.Outputs.Zip(outputs))
                    again[before] = now;
            }
            nodes.Add(node.Inputs.Any(again.ContainsKey) ? node with { Inputs = node.Inputs.Select(Now).ToEquatable() } : node);
        }
        var live = GraphBuilder.Live(nodes, graph.Outputs, graph.Inputs.Concat(graph.Outputs).SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols)).Nodes;
        var read = live.SelectMany(n => n.Inputs).Concat(graph.Outputs).ToHashSet();
        return graph with { Nodes = live.Select(n => n.Op is Op.Loop loop ? WithoutUnread(n, loop, read) : n).ToEquatable() };

        Value Now(Value value) => kept.Contains(value) ? value : again.GetValueOrDefault(value, value);

        // The places of what has to be computed again for some values, in order.
        SortedSet<int> Missing(IEnumerable<Value> values)
        {
            var (missing, open) = (new SortedSet<int>(), new Stack<Value>(values));
            while (open.TryPop(out var value))
            {
                if (!kept.Contains(value) && !again.ContainsKey(value) && producer.TryGetValue(value, out var index) && IsRepeatable(forward[index]) && missing.Add(index))
                {
                    foreach (var input in forward[index].Inputs)
                        open.Push(input);
                }
            }
            return missing;
        }
    }

    /// <summary>A loop without the stacks that nothing reads.</summary>
    static Node WithoutUnread(Node node, Op.Loop loop, HashSet<Value> read)
    {
        int[] stay = [.. Enumerable.Range(0, node.Outputs.Count).Where(i => i < loop.Carried || read.Contains(node.Outputs[i]))];
        if (stay.Length == node.Outputs.Count)
            return node;
        var body = loop.Body;
        var outputs = stay.Select(i => body.Outputs[1 + i]).Prepend(body.Outputs[0]).ToEquatable();
        body = body with
        {
            Outputs = outputs,
            OutputNames = stay.Select(i => body.OutputNames[1 + i]).Prepend(body.OutputNames[0]).ToEquatable(),
            Nodes = GraphBuilder.Live(body.Nodes, outputs, outputs.Concat(body.Inputs).SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols)).Nodes,
        };
        return node with { Op = loop with { Body = body }, Outputs = stay.Select(i => node.Outputs[i]).ToEquatable() };
    }
}
