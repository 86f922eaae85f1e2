using Softmodel.Graphs;

namespace Softmodel.Lowering;

/// <summary>The steps of a graph so far, and the nodes that the next ones are of.</summary>
sealed class StepList
{
    readonly List<Step> steps = [];
    HashSet<Node> within = [];

    /// <summary>All steps.</summary>
    public Step[] All => [.. steps];

    /// <summary>Adds a step.</summary>
    public void Add(Step step) => steps.Add(step);

    /// <summary>Adds steps.</summary>
    public void AddRange(IEnumerable<Step> more) => steps.AddRange(more);

    /// <summary>Adds what computes a node: it is of this node, and of all that are come upon.</summary>
    public void AddOf(Node node, Action write)
    {
        var (outer, first) = (within, steps.Count);
        within = [node];
        write();
        for (var i = first; i < steps.Count; i++)
        {
            if (steps[i].Nodes.Count == 0)
                steps[i] = steps[i] with { Nodes = within };
        }
        within = outer;
    }

    /// <summary>A node is computed in the step to come.</summary>
    public void ComeUpon(Node node) => within.Add(node);
}

/// <summary>What steps are called in messages and comments.</summary>
static class StepNames
{
    /// <summary>An operation and the node of the model that it comes from.</summary>
    public static string Of(Node node) => $"{node.Op switch { Op.Map map => map.Function.Name, var op => op.GetType().Name.ToLowerInvariant() }} {OneLine(node.Source)}".Trim();

    /// <summary>The node of the model for messages; the operation where it comes from none.</summary>
    public static string SourceOf(Node node) => OneLine(node.Source) is { Length: > 0 } source ? source : Of(node);

    static string OneLine(string source) => source.ReplaceLineEndings(" ").Trim();
}
