using Softmodel.Graphs;

namespace Softmodel.Lowering;

/// <summary>Values that become another by some of their elements being replaced, with nothing else reading what was there: both can be one buffer.</summary>
static class Updates
{
    /// <summary>What a value becomes on the way to another, which is the last, with what it is within branches; null where it can't be changed in place.</summary>
    /// <param name="graph">The graph of both.</param>
    /// <param name="before">The value.</param>
    /// <param name="after">What it becomes.</param>
    public static IReadOnlyList<Value>? InPlace(Graph graph, Value before, Value after)
    {
        if (before == after)
            return [];
        if (graph.Outputs.Contains(before) || graph.Nodes.Where(n => n.Inputs.Contains(before)).ToArray() is not [var node])
            return null;
        foreach (var (next, within) in Next(node, before))
        {
            if (next.Type == before.Type && InPlace(graph, next, after) is { } rest)
                return [.. within, next, .. rest];
        }
        return null;
    }

    /// <summary>What a node makes of a value in place, and what that is within it.</summary>
    static IEnumerable<(Value Next, IReadOnlyList<Value> Within)> Next(Node node, Value value)
    {
        if (node.Op is Op.ScatterND { Combine: Combination.Replace } or Op.ScatterElements { Combine: Combination.Replace } && node.Inputs[0] == value && node.Inputs.Count(v => v == value) == 1)
            yield return (node.Output, []);
        if (node.Op is not Op.If branch || node.Inputs[0] == value)
            yield break;
        for (var i = 0; i < node.Outputs.Count; i++)
        {
            if (InBranches(node, branch, value, i) is { } within)
                yield return (node.Outputs[i], within);
        }
    }

    /// <summary>What a value is within branches, each of which gives it as a result or knows nothing of it; null where one reads it for something else.</summary>
    static List<Value>? InBranches(Node node, Op.If branch, Value value, int result)
    {
        var (all, at) = (new List<Value>(), 1);
        foreach (var body in new[] { branch.Then, branch.Else })
        {
            var given = body.Inputs.Where((_, i) => node.Inputs[at + i] == value).ToArray();
            at += body.Inputs.Count;
            // What such a branch gives is copied to where the value is at its end.
            if (given.Length == 0)
                continue;
            if (given.Length > 1 || InPlace(body, given[0], body.Outputs[result]) is not { } within)
                return null;
            all.AddRange(within);
        }
        return all;
    }
}
