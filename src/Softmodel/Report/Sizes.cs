using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Report;

/// <summary>The sizes that a graph finds out while it runs.</summary>
static class Sizes
{
    /// <summary>
    /// The numbers for all symbols of a graph when it runs on tensors; symbols that are known only within a loop or branch are
    /// not among them. Nothing is computed that no size depends on.
    /// </summary>
    /// <exception cref="SoftmodelException">The graph does not take these tensors, or fails on them.</exception>
    public static Dictionary<string, long> Of(Graph graph, IReadOnlyList<Tensor> inputs, CancellationToken cancellationToken)
    {
        var symbols = graph.Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).Concat(graph.Nodes.SelectMany(n => n.Defines)).Distinct(StringComparer.Ordinal).ToArray();
        if (symbols.Length == 0)
            return [];
        var op = new Op.SizeTensor([.. symbols.Select(Dim.Symbol)], new Shape(symbols.Length));
        var sizes = new Node(op, [], [new Value("sizes", new(ElementType.Int64, op.Shape))], Origin.None);
        var (nodes, _) = GraphBuilder.Live([.. graph.Nodes, sizes], sizes.Outputs, symbols);
        var found = Evaluator.Run(graph with { Outputs = sizes.Outputs, OutputNames = ["sizes"], Nodes = nodes }, inputs, cancellationToken: cancellationToken)[0];
        return symbols.Select((symbol, i) => (symbol, found.Integer(i))).ToDictionary(p => p.symbol, p => p.Item2, StringComparer.Ordinal);
    }
}
