using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Evaluate;

/// <summary>A graph in which every float has 64 bits: what its model means, nearer than any program computes it.</summary>
internal static class DoublePrecision
{
    /// <summary>The same graph in 64 bits; integers and truth values stay as they are.</summary>
    public static Graph Of(Graph graph)
    {
        graph = BlockFormat.Decoded(graph);
        var now = new Dictionary<Value, Value>();
        Value Wide(Value value) => now.TryGetValue(value, out var there) ? there : now[value] = new(value.Name, TypeOf(value.Type));
        IEnumerable<Node> Nodes(Node node)
        {
            var inputs = node.Inputs.Select(Wide).ToEquatable();
            switch (node.Op)
            {
                case Op.Random:
                    // What is drawn are numbers of 32 bits.
                    var drawn = new Value(node.Output.Name, node.Output.Type);
                    yield return new(node.Op, inputs, new[] { drawn }.ToEquatable(), node.Origin);
                    yield return new(new Op.Cast(ElementType.Float64), new[] { drawn }.ToEquatable(), new[] { Wide(node.Output) }.ToEquatable(), node.Origin);
                    break;
                case Op.Call:
                    // A program is made for the types that it takes and gives.
                    var narrow = node.Inputs.Concat(node.Outputs).Distinct().ToDictionary(v => v, v => Wide(v).Type == v.Type ? Wide(v) : new Value(v.Name, v.Type));
                    foreach (var input in node.Inputs.Distinct().Where(v => narrow[v] != Wide(v)))
                        yield return new(new Op.Cast(input.Type.Element), new[] { Wide(input) }.ToEquatable(), new[] { narrow[input] }.ToEquatable(), node.Origin);
                    yield return new(node.Op, node.Inputs.Select(v => narrow[v]).ToEquatable(), node.Outputs.Select(v => narrow[v]).ToEquatable(), node.Origin);
                    foreach (var output in node.Outputs.Where(v => narrow[v] != Wide(v)))
                        yield return new(new Op.Cast(ElementType.Float64), new[] { narrow[output] }.ToEquatable(), new[] { Wide(output) }.ToEquatable(), node.Origin);
                    break;
                default:
                    yield return new(Widened(node.Op), inputs, node.Outputs.Select(Wide).ToEquatable(), node.Origin);
                    break;
            }
        }
        return graph with { Inputs = graph.Inputs.Select(Wide).ToEquatable(), Nodes = graph.Nodes.SelectMany(Nodes).ToEquatable(), Outputs = graph.Outputs.Select(Wide).ToEquatable() };
    }

    static TensorType TypeOf(TensorType type) => type.Element.IsFloat() ? type with { Element = ElementType.Float64 } : type;

    static Op Widened(Op op) => op switch
    {
        Op.Constant { Value: var tensor } => new Op.Constant(Of(tensor)),
        Op.Parameter parameter => parameter with { Value = Of(parameter.Value) },
        Op.Cast { To: var to } when to.IsFloat() => new Op.Cast(ElementType.Float64),
        Op.If branch => new Op.If(Of(branch.Then), Of(branch.Else)),
        Op.Loop loop => loop with { Body = Of(loop.Body) },
        _ => op,
    };

    /// <summary>A tensor in 64 bits where its elements are floats.</summary>
    public static Tensor Of(Tensor tensor) => tensor.Type.IsFloat() ? Elements.Cast(tensor, ElementType.Float64) : tensor;

    /// <summary>About how many products a run takes in its contractions, each iteration of a loop counted once; null where sizes are found while it runs.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="inputs">What it is run on.</param>
    public static double? Products(Graph graph, IReadOnlyList<Tensor> inputs)
    {
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (i, axis, symbol, rest) in Graph.SizeBindings(graph.Inputs))
            sizes[symbol] = inputs[i].Dims[axis] - rest.Evaluate(s => sizes.GetValueOrDefault(s));
        var sum = 0.0;
        foreach (var node in graph.AllNodes().Where(n => n.Op is Op.Contract or Op.Convolve or Op.ConvolveTransposed))
        {
            var (x, w) = (node.Inputs[0].Shape, node.Inputs[1].Shape);
            var count = node.Op switch
            {
                Op.Contract contract => Contracted(contract.Equation, x, w),
                Op.Convolve => node.Output.Shape.Count * Dim.Product(w.Dims.Skip(1)),
                _ => x.Count * Dim.Product(w.Dims.Skip(1)),
            };
            if (!count.Symbols.All(sizes.ContainsKey))
                return null;
            sum += count.Evaluate(s => sizes[s]);
        }
        return sum;
    }

    static Dim Contracted(string equation, Shape x, Shape y)
    {
        var (left, right, _) = Einsum.Split(equation);
        return Dim.Product(left.Concat(right).Distinct().Select(c => left.IndexOf(c) is >= 0 and var i ? x[i] : y[right.IndexOf(c)]));
    }
}
