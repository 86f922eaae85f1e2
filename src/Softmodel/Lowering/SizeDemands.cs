using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>What a graph demands of sizes, and which of it can be told by now.</summary>
/// <param name="sizes">The symbols that have a value by now.</param>
/// <param name="demanded">What has been demanded before.</param>
sealed class SizeDemands(HashSet<string> sizes, HashSet<(Demand, EquatableArray<Dim>)> demanded)
{
    readonly List<(Condition Condition, string Source)> open = [];

    /// <summary>Nothing is known or demanded yet.</summary>
    public SizeDemands() : this(new(StringComparer.Ordinal), []) { }

    /// <summary>Those of a graph within what these are of, whose inputs tell more sizes.</summary>
    public SizeDemands Within(Graph graph)
    {
        var within = new SizeDemands([.. sizes, .. graph.Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols)], [.. demanded]);
        foreach (var node in graph.Nodes)
            within.Add(node);
        return within;
    }

    /// <summary>What a node demands besides what is demanded already, and what always holds.</summary>
    void Add(Node node)
    {
        var conditions = new List<Condition>();
        Inference.Types(node.Op, [.. node.Inputs.Select(v => v.Type)], conditions);
        foreach (var condition in conditions)
        {
            if (demanded.Add((condition.Demand, condition.Sizes)) && !condition.IsProven)
                open.Add((condition, StepNames.SourceOf(node)));
        }
    }

    /// <summary>Tells sizes.</summary>
    public void Know(IEnumerable<string> symbols) => sizes.UnionWith(symbols);

    /// <summary>What can be told by now, once; null where it is nothing.</summary>
    public Step.Demanded? Now()
    {
        bool IsKnown((Condition Condition, string Source) c) => c.Condition.Sizes.All(d => d.Symbols.All(sizes.Contains));
        var now = open.Where(IsKnown).ToArray();
        open.RemoveAll(IsKnown);
        return now.Length > 0 ? new(now) : null;
    }
}
