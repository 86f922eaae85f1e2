namespace Softmodel.Import.Onnx;

/// <summary>
/// Checks that every name is defined once and that no value needs itself, and puts nodes in an order of definition before
/// use: the specification asks for it, but not every producer does it.
/// </summary>
internal static class OnnxNames
{
    /// <summary>The main graph with its nodes and those of all bodies in order.</summary>
    public static OnnxGraph Order(OnnxGraph graph, Func<string, string, Exception> fault) => Order(graph, null, fault);

    /// <summary>A function with its nodes in order.</summary>
    public static OnnxFunction Order(OnnxFunction function, Func<string, string, Exception> fault)
    {
        var defined = new Scope();
        foreach (var input in function.Inputs)
            defined.Define(input, $"function '{function.Operator}'", fault);
        var nodes = Order(function.Nodes, defined, fault);
        foreach (var output in function.Outputs.Where(o => !defined.Contains(o)))
            throw fault($"function '{function.Operator}' gives back '{output}', which nothing in it computes", Damaged);
        return function with { Nodes = nodes };
    }

    /// <summary>Refuses functions that call themselves, directly or through others.</summary>
    public static void CheckFunctions(IReadOnlyDictionary<OnnxOperator, OnnxFunction> functions, Func<string, string, Exception> fault)
    {
        var state = new Dictionary<OnnxOperator, bool>();
        foreach (var name in functions.Keys)
            Visit(name, 0);

        void Visit(OnnxOperator name, int depth)
        {
            if (!functions.TryGetValue(name, out var function) || state.TryGetValue(name, out var done) && done)
                return;
            if (!state.TryAdd(name, false) || depth > DeepestCall)
                throw fault($"function '{name}' calls itself, or more than {DeepestCall} functions call one another", "no real model does that");
            foreach (var node in AllNodes(function.Nodes))
                Visit(node.Operator, depth + 1);
            state[name] = true;
        }
    }

    /// <summary>The nodes on which some results depend, in the same order: what nothing reads need not be known here.</summary>
    public static IReadOnlyList<OnnxNode> Live(IReadOnlyList<OnnxNode> nodes, IEnumerable<string> results)
    {
        var (needed, live) = (results.ToHashSet(StringComparer.Ordinal), new List<OnnxNode>());
        foreach (var node in nodes.Reverse())
        {
            if (!node.Outputs.Any(needed.Contains))
                continue;
            live.Add(node);
            needed.UnionWith(Needs(node));
        }
        live.Reverse();
        return live;
    }

    const string Damaged = "the file is damaged or its exporter is at fault: fetch or export it again";
    const int DeepestCall = 64;

    /// <summary>Nodes and those of their bodies.</summary>
    static IEnumerable<OnnxNode> AllNodes(IEnumerable<OnnxNode> nodes) =>
        nodes.SelectMany(n => Bodies(n).SelectMany(b => AllNodes(b.Nodes)).Prepend(n));

    static IEnumerable<OnnxGraph> Bodies(OnnxNode node) =>
        node.Attributes.Values.SelectMany(a => a.Graph is null ? a.Graphs : a.Graphs.Prepend(a.Graph));

    /// <summary>The names that are visible: those of a graph and of the graphs around it.</summary>
    sealed class Scope(Scope? around = null)
    {
        readonly HashSet<string> names = [];

        /// <summary>Whether the graph itself defines the name; a body may hide a name of the graphs around it.</summary>
        public bool Owns(string name) => names.Contains(name);

        public bool Contains(string name) => names.Contains(name) || around is not null && around.Contains(name);

        public void Define(string name, string by, Func<string, string, Exception> fault)
        {
            if (name.Length > 0 && !names.Add(name))
                throw fault($"{by} defines the name '{name}' a second time", Damaged);
        }
    }

    static OnnxGraph Order(OnnxGraph graph, Scope? around, Func<string, string, Exception> fault)
    {
        var defined = new Scope(around);
        foreach (var input in graph.Inputs)
            defined.Define(input.Name, $"an input of graph '{graph.Name}'", fault);
        foreach (var name in graph.Initializers.Keys.Concat(graph.SparseInitializers.Keys).Except(graph.Inputs.Select(i => i.Name)))
            defined.Define(name, $"an initializer of graph '{graph.Name}'", fault);
        var nodes = Order(graph.Nodes, defined, fault);
        foreach (var output in graph.Outputs.Where(o => o.Name.Length == 0 || !defined.Contains(o.Name)))
            throw fault($"graph '{graph.Name}' gives back '{output.Name}', which nothing computes", Damaged);
        return graph with { Nodes = nodes };
    }

    /// <summary>Kahn's algorithm, taking ready nodes as the file has them, so that a file in order stays as it is.</summary>
    static OnnxNode[] Order(IReadOnlyList<OnnxNode> nodes, Scope defined, Func<string, string, Exception> fault)
    {
        var maker = new Dictionary<string, int>();
        for (var i = 0; i < nodes.Count; i++)
        {
            foreach (var output in nodes[i].Outputs.Where(o => o.Length > 0))
            {
                if (defined.Owns(output) || !maker.TryAdd(output, i))
                    throw fault($"{nodes[i].Title} defines the name '{output}' a second time", Damaged);
            }
        }

        var waitsFor = new int[nodes.Count];
        var users = new List<int>?[nodes.Count];
        for (var i = 0; i < nodes.Count; i++)
        {
            foreach (var name in Needs(nodes[i]).Distinct())
            {
                if (maker.TryGetValue(name, out var from))
                {
                    (users[from] ??= []).Add(i);
                    waitsFor[i]++;
                }
                else if (!defined.Contains(name))
                {
                    throw fault($"{nodes[i].Title} takes '{name}', which nothing computes", Damaged);
                }
            }
        }

        var ready = new PriorityQueue<int, int>(Enumerable.Range(0, nodes.Count).Where(i => waitsFor[i] == 0).Select(i => (i, i)));
        var ordered = new OnnxNode[nodes.Count];
        var done = 0;
        while (ready.TryDequeue(out var next, out _))
        {
            var node = nodes[next];
            ordered[done++] = Bodies(node).Any() ? node with { Attributes = node.Attributes.ToDictionary(a => a.Key, a => WithOrder(a.Value, defined, fault)) } : node;
            foreach (var output in node.Outputs)
                defined.Define(output, node.Title, fault);
            foreach (var user in users[next] ?? [])
            {
                if (--waitsFor[user] == 0)
                    ready.Enqueue(user, user);
            }
        }
        return done == nodes.Count ? ordered
            : throw fault($"{nodes[Array.FindIndex(waitsFor, w => w > 0)].Title} waits for its own result: the graph has a cycle", Damaged);
    }

    static OnnxAttribute WithOrder(OnnxAttribute attribute, Scope defined, Func<string, string, Exception> fault) => attribute with
    {
        Graph = attribute.Graph is null ? null : Order(attribute.Graph, defined, fault),
        Graphs = [.. attribute.Graphs.Select(g => Order(g, defined, fault))],
    };

    /// <summary>The names that a node takes: its inputs, and what its bodies take from outside.</summary>
    static IEnumerable<string> Needs(OnnxNode node) =>
        node.Inputs.Where(i => i.Length > 0).Concat(Bodies(node).SelectMany(Captures));

    static IEnumerable<string> Captures(OnnxGraph graph)
    {
        var inside = graph.Inputs.Select(i => i.Name).Concat(graph.Initializers.Keys).Concat(graph.SparseInitializers.Keys)
            .Concat(graph.Nodes.SelectMany(n => n.Outputs)).ToHashSet();
        return graph.Nodes.SelectMany(Needs).Concat(graph.Outputs.Select(o => o.Name)).Where(n => n.Length > 0 && !inside.Contains(n));
    }
}
