using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Passes;

/// <summary>
/// Matrices that a loop multiplies with in each iteration, and that would be laid out along the columns of the product in each of
/// them, are laid out once before the loop.
/// </summary>
static class LoopInvariants
{
    /// <summary>The graph with such matrices transposed outside of its loops.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    public static Graph Apply(Graph graph)
    {
        if (!graph.AllNodes().Any(n => n.Op is Op.Loop))
            return graph;
        var nodes = new List<Node>();
        foreach (var node in graph.Nodes)
        {
            nodes.AddRange(node.Op switch
            {
                Op.Loop loop => Hoisted(node, loop with { Body = Apply(loop.Body) }),
                Op.If branch => [node with { Op = new Op.If(Apply(branch.Then), Apply(branch.Else)) }],
                _ => [node],
            });
        }
        return graph with { Nodes = nodes.ToEquatable() };
    }

    static IEnumerable<Node> Hoisted(Node node, Op.Loop loop)
    {
        var (body, before) = (loop.Body, new List<Node>());
        var outside = body.Inputs.Skip(1 + loop.Carried).Zip(node.Inputs.Skip(2 + loop.Carried)).ToDictionary(p => p.First, p => p.Second);
        var (inputs, operands) = (new List<Value>(), new List<Value>());
        var made = new Dictionary<(Value, EquatableArray<int>), Value>();
        Node Aligned(Node inner)
        {
            for (var operand = 0; operand < 2; operand++)
            {
                if (inner.Op is not Op.Contract { Equation: var equation } || !outside.TryGetValue(inner.Inputs[operand], out var matrix) || Order(equation, operand, inner.Output.Shape) is not { } order || matrix.Type.Element != ElementType.Float32)
                    continue;
                if (!made.TryGetValue((matrix, order), out var input))
                {
                    var type = matrix.Type with { Shape = matrix.Shape.Permute(order) };
                    var transposed = new Value($"{matrix.Name}_transposed", type);
                    before.Add(new(new Op.Transpose(order), [matrix], [transposed], inner.Origin));
                    made[(matrix, order)] = input = new(transposed.Name, type);
                    inputs.Add(input);
                    operands.Add(transposed);
                }
                var (left, right, result) = Einsum.Split(equation);
                var letters = string.Concat(order.Select(i => (operand == 0 ? left : right)[i]));
                inner = inner with
                {
                    Op = new Op.Contract(operand == 0 ? $"{letters},{right}->{result}" : $"{left},{letters}->{result}"),
                    Inputs = inner.Inputs.Select((v, i) => i == operand ? input : v).ToEquatable(),
                };
            }
            return inner;
        }
        var nodes = body.Nodes.Select(Aligned).ToEquatable();
        return [.. before, node with { Op = loop with { Body = body with { Nodes = nodes, Inputs = [.. body.Inputs, .. inputs] } }, Inputs = [.. node.Inputs, .. operands] }];
    }

    /// <summary>The order of a matrix' axes with the product's columns last; null where they are, or where the matrix has none of them.</summary>
    static EquatableArray<int>? Order(string equation, int operand, Shape shape)
    {
        var (left, right, result) = Einsum.Split(equation);
        var (own, other) = operand == 0 ? (left, right) : (right, left);
        var column = result.Where((_, i) => shape[i].Value != 1).LastOrDefault();
        var at = own.IndexOf(column);
        return at < 0 || at == own.Length - 1 || other.Contains(column) ? default(EquatableArray<int>?) : Enumerable.Range(0, own.Length).Where(i => i != at).Append(at).ToEquatable();
    }
}
