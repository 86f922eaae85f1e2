using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>
/// Maxima that only keep numbers within range: what is computed with them would be the same with any other number, as a softmax is and
/// the logarithm of a sum of exponentials. Their gradient is zero, and nothing need compute it.
/// </summary>
static class Shifts
{
    /// <summary>What becomes of a value when such a number grows by t: it grows by so many times t, or is multiplied with the exponential of that.</summary>
    readonly record struct Change(bool IsFactor, double Times);

    /// <summary>The maxima of which nothing that is asked for depends.</summary>
    /// <param name="nodes">The nodes of a graph, in order.</param>
    /// <param name="results">What is asked for.</param>
    public static HashSet<Value> Of(IReadOnlyList<Node> nodes, IReadOnlySet<Value> results)
    {
        var users = new Dictionary<Value, List<int>>();
        foreach (var (at, node) in nodes.Index())
        {
            foreach (var input in node.Inputs.Distinct())
                (users.TryGetValue(input, out var list) ? list : users[input] = []).Add(at);
        }
        return [.. nodes.Where(n => n.Op is Op.Reduce { Kind: Reduction.Max or Reduction.Min } && n.Output.Type.Element.IsFloat() && IsShift(n.Output)).Select(n => n.Output)];

        bool IsShift(Value value)
        {
            var changes = new Dictionary<Value, Change> { [value] = new(false, 1) };
            var next = new SortedSet<int>(users.GetValueOrDefault(value, []));
            if (results.Contains(value))
                return false;
            while (next.Count > 0)
            {
                var node = nodes[next.Min];
                next.Remove(next.Min);
                if (node.Outputs.Count != 1 || Of(node, changes) is not { } change)
                    return false;
                // Where a bound holds it back, it stands for the bounded one, if nothing else has seen it.
                if (IsBound(node) && changes.Keys.Any(v => users[v].Count > 1))
                    return false;
                if (change.Times == 0)
                    continue;
                if (results.Contains(node.Output))
                    return false;
                changes[node.Output] = change;
                next.UnionWith(users.GetValueOrDefault(node.Output, []));
            }
            return true;
        }
    }

    static bool IsBound(Node node) => node.Op is Op.Map { Function: var f } && (f == Functions.Maximum || f == Functions.Minimum);

    /// <summary>What becomes of a node's result; null where that is neither.</summary>
    static Change? Of(Node node, Dictionary<Value, Change> changes)
    {
        Change? X(int i) => changes.TryGetValue(node.Inputs[i], out var change) ? change : null;
        switch (node.Op)
        {
            case Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold:
                return X(0);
            case Op.Reduce { Kind: Reduction.Sum } when X(0) is { IsFactor: true } sum:
                return sum;
            case Op.Map { Function: var f } when node.Inputs.Count == 1 && X(0) is var x:
                return f == Functions.Exp && x is { IsFactor: false } ? new(true, x.Value.Times)
                    : f == Functions.Log && x is { IsFactor: true } ? new(false, x.Value.Times)
                    : f == Functions.Negate && x is { IsFactor: false } ? new(false, -x.Value.Times) : null;
            case Op.Map { Function: var f } when node.Inputs.Count == 2 && (X(0), X(1)) is var (a, b):
                {
                    bool Are(bool factors) => (a ?? new(factors, 0)).IsFactor == factors && (b ?? new(factors, 0)).IsFactor == factors;
                    var (of, by) = (a?.Times ?? 0, b?.Times ?? 0);
                    if (IsBound(node))
                        return a is { IsFactor: false } && b is null ? a : b is { IsFactor: false } && a is null ? b : null;
                    return f == Functions.Plus && Are(false) ? new(false, of + by)
                        : f == Functions.Plus && a is { IsFactor: true } && a == b ? a
                        : f == Functions.Subtract && Are(false) ? new(false, of - by)
                        : f == Functions.Multiply && Are(true) ? new(true, of + by)
                        : f == Functions.Divide && Are(true) ? new(true, of - by) : null;
                }
            default:
                return null;
        }
    }
}
