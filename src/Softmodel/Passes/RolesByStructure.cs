using Softmodel.Graphs;

namespace Softmodel.Passes;

/// <summary>
/// Roles of values in a transformer whose file does not tell them, by what is computed: heads are what the result of a softmax is
/// multiplied with, neurons what a function that is not linear makes of one product with weights before the next.
/// </summary>
static class RolesByStructure
{
    /// <summary>The graph with roles and numbers of layers; the graph itself where it has roles of heads or neurons.</summary>
    public static Graph Mark(Graph graph)
    {
        if (graph.Nodes.Any(n => n.Origin.Role is Role.Heads or Role.MlpHidden))
            return graph;
        var uses = Uses.Of(graph);
        var roles = new Dictionary<Value, Role>();
        foreach (var node in graph.Nodes.Where(n => n.Op is Op.Contract))
        {
            if (node.Inputs.Any(uses.IsSoftmax) && !node.Inputs.Any(uses.IsStored))
            {
                roles[node.Output] = Role.Heads;
                if (uses.Through(node.Output) is { } product)
                    roles[uses.WithBias(product)] = Role.AttentionOutput;
            }
            else if (node.Inputs.Any(uses.IsStored) && node.Inputs.Select(uses.Source).FirstOrDefault(uses.IsActivation) is { } hidden)
            {
                roles[hidden] = Role.MlpHidden;
                roles[uses.WithBias(node.Output)] = Role.MlpOutput;
            }
        }
        // A layer ends where another one's attention or neurons begin.
        var (layer, seen) = (0, new HashSet<Role>());
        return graph with
        {
            Nodes = graph.Nodes.Select(n =>
            {
                if (n.Outputs.Count == 0 || !roles.TryGetValue(n.Outputs[0], out var role))
                    return n;
                if (role == Role.Heads ? seen.Count > 0 : !seen.Add(role))
                    (layer, seen) = (layer + 1, []);
                seen.Add(role);
                return n with { Origin = n.Origin with { Layer = n.Origin.Layer ?? layer, Role = role } };
            }).ToEquatable(),
        };
    }

    /// <summary>Who computes and who reads the values of a graph.</summary>
    sealed record Uses(Dictionary<Value, Node> Producers, ILookup<Value, Node> Readers)
    {
        public static Uses Of(Graph graph) => new(graph.Nodes.SelectMany(n => n.Outputs.Select(v => (v, n))).ToDictionary(p => p.v, p => p.n),
            graph.Nodes.SelectMany(n => n.Inputs.Distinct().Select(v => (v, n))).ToLookup(p => p.v, p => p.n));

        Node? Producer(Value value) => Producers.GetValueOrDefault(value);

        static bool IsView(Node node) => node.Op is Op.Reshape or Op.Transpose or Op.Broadcast or Op.Cast;

        /// <summary>What a value is a view of.</summary>
        public Value Source(Value value)
        {
            while (Producer(value) is { } node && IsView(node))
                value = node.Inputs[0];
            return value;
        }

        public bool IsStored(Value value) => Producer(Source(value))?.Op.Stored is not null;

        /// <summary>Whether it is exponentials by their sum.</summary>
        public bool IsSoftmax(Value value) => Producer(Source(value)) is { Op: Op.Map { Function: var function } } node
            && (function == Functions.Multiply || function == Functions.Divide) && node.Inputs.Any(v => Producer(v)?.Op is Op.Map map && map.Function == Functions.Exp);

        // All others are sums and products, which leave what is linear so.
        static readonly Function[] linear = [Functions.Plus, Functions.Subtract, Functions.Multiply, Functions.Divide, Functions.Negate];

        /// <summary>Whether it is computed element by element, and not linearly, from products with weights.</summary>
        public bool IsActivation(Value value)
        {
            var (isLinear, hasProduct, open, done) = (true, false, new Stack<Value>([value]), new HashSet<Value>());
            while (open.TryPop(out var x))
            {
                if (!done.Add(x) || IsStored(x))
                    continue;
                switch (Producer(Source(x)))
                {
                    case { Op: Op.Map map } node:
                        // A product of two that vary is none that is linear: a gate.
                        isLinear &= linear.Contains(map.Function) && !(map.Function == Functions.Multiply && !node.Inputs.Any(IsStored));
                        foreach (var input in node.Inputs)
                            open.Push(input);
                        break;
                    case { Op: Op.Contract } node when node.Inputs.Any(IsStored):
                        hasProduct = true;
                        break;
                    default:
                        return false;
                }
            }
            return hasProduct && !isLinear;
        }

        /// <summary>The product with weights that reads a value through views; null where something else reads it.</summary>
        public Value? Through(Value value)
        {
            while (Readers[value].ToArray() is [var only] && IsView(only))
                value = only.Output;
            return Readers[value].ToArray() is [{ Op: Op.Contract } product] && product.Inputs.Any(IsStored) ? product.Output : null;
        }

        /// <summary>A product with the bias that is added to it alone.</summary>
        public Value WithBias(Value product) => Readers[product].ToArray() is [{ Op: Op.Map map } sum] && map.Function == Functions.Plus && sum.Inputs.Any(IsStored) ? sum.Output : product;
    }
}
