using System.Globalization;
using Softmodel.Graphs;

namespace Softmodel.Passes;

/// <summary>
/// Values inside a graph as outputs, by where they come from: <c>residual.14</c> is the residual stream after layer 14,
/// <c>heads.7.3</c> what head 3 of layer 7 gives, <c>mlp_hidden.0</c> the neurons of the first layer (roles are those of
/// <see cref="Role"/>), <c>logits</c> what belongs to no layer, <c>encoder/layers.3</c> what a module gives last, and
/// <c>into:decoder</c> what goes into one from outside.
/// </summary>
static class Taps
{
    const string Into = "into:";

    /// <summary>The graph with taps as its last outputs, under their names.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="taps">The taps; what goes into a module are several outputs, with numbers from the second on.</param>
    /// <exception cref="SoftmodelException">Nothing comes from there; the message says what there is.</exception>
    public static Graph Apply(Graph graph, IReadOnlyList<string> taps)
    {
        var (nodes, outputs, names) = (graph.Nodes.ToList(), graph.Outputs.ToList(), graph.OutputNames.ToList());
        foreach (var tap in taps)
        {
            var number = 0;
            foreach (var value in Values(graph, tap, nodes))
            {
                var name = ++number == 1 ? tap : $"{tap}.{number}";
                if (names.Contains(name))
                    throw new SoftmodelException($"there is an output '{name}' already");
                outputs.Add(value);
                names.Add(name);
            }
        }
        var tapped = graph with { Nodes = nodes.ToEquatable(), Outputs = outputs.ToEquatable(), OutputNames = names.ToEquatable() };
        tapped.Validate();
        return tapped;
    }

    static IEnumerable<Value> Values(Graph graph, string tap, List<Node> nodes)
    {
        var parts = tap.Split('.');
        if (Roles.Named(parts[0]) is { } role and not Role.None)
            return [OfRole(graph, tap, role, [.. parts.Skip(1).Select(p => int.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : throw new SoftmodelException($"'{p}' in the tap '{tap}' is no number"))], nodes)];
        var scope = (tap.StartsWith(Into, StringComparison.Ordinal) ? tap[Into.Length..] : tap).Split('/', StringSplitOptions.RemoveEmptyEntries);
        bool IsWithin(Node node) => scope.Length > 0 && node.Origin.Scope.Take(scope.Length).SequenceEqual(scope);
        var within = graph.Nodes.Where(n => IsWithin(n) && n.Op.Stored is null).ToArray();
        if (within.Length == 0)
            throw new SoftmodelException($"nothing comes from '{tap}': graph {graph.Name} has {There(graph)}");
        if (!tap.StartsWith(Into, StringComparison.Ordinal))
            return [within.Last(n => n.Outputs.Count > 0).Output];
        var own = within.SelectMany(n => n.Outputs).ToHashSet();
        var known = graph.Nodes.Where(n => n.Op.Stored is not null).SelectMany(n => n.Outputs).ToHashSet();
        return within.SelectMany(n => n.Inputs).Where(v => !own.Contains(v) && !known.Contains(v) && !graph.Inputs.Contains(v)).Distinct();
    }

    static Value OfRole(Graph graph, string tap, Role role, int[] numbers, List<Node> nodes)
    {
        var of = graph.Nodes.Where(n => n.Origin.Role == role && n.Op.Stored is null).ToArray();
        if (of.Length == 0 || numbers.Length > (role == Role.Heads ? 2 : 1))
            throw new SoftmodelException($"nothing comes from '{tap}': graph {graph.Name} has {There(graph)}");
        int? layer = numbers.Length > 0 ? numbers[0] : null;
        var value = of.LastOrDefault(n => n.Origin.Layer == layer)?.Output
            ?? throw new SoftmodelException($"nothing comes from '{tap}': there is {parts(role)} in {(of.Any(n => n.Origin.Layer is null) ? "no layer, and in " : "")}the layers {string.Join(", ", of.Select(n => n.Origin.Layer).OfType<int>().Distinct().Order())}");
        return numbers.Length < 2 ? value : Head(value, numbers[1], tap, nodes);

        static string parts(Role role) => $"'{Roles.NameOf(role)}'";
    }

    /// <summary>One of the heads of [n, key-value heads, heads of one, size]: [n, size].</summary>
    static Value Head(Value heads, int head, string tap, List<Node> nodes)
    {
        if (heads.Shape.Dims.ToArray() is not [var n, { Value: { } shared }, { Value: { } group }, var size] || head >= shared * group)
            throw new SoftmodelException($"nothing comes from '{tap}': the heads are {heads.Type}");
        var origin = nodes.First(x => x.Outputs.Contains(heads)).Origin;
        var one = Added(new Op.Slice([Dim.Zero, head / group, head % group, Dim.Zero], [n, Dim.One, Dim.One, size], [1, 1, 1, 1]), heads);
        return Added(new Op.Reshape(new(n, size)), one);

        Value Added(Op op, Value of)
        {
            var value = new Value(tap, Inference.Types(op, [of.Type])[0]);
            nodes.Add(new(op, [of], [value], origin));
            return value;
        }
    }

    /// <summary>What there is to tap.</summary>
    static string There(Graph graph)
    {
        var roles = graph.Nodes.Select(n => n.Origin.Role).Where(r => r != Role.None).Distinct().Select(Roles.NameOf).ToArray();
        var modules = graph.Nodes.Where(n => n.Origin.Scope.Count > 0).Select(n => n.Origin.Scope[0]).Distinct().ToArray();
        var layers = graph.Nodes.Select(n => n.Origin.Layer).OfType<int>().Distinct().ToArray();
        string[] all = [.. roles.Length > 0 ? (string[])[$"the roles {string.Join(", ", roles)}"] : [], .. layers.Length > 0 ? (string[])[$"the layers {layers.Min()} to {layers.Max()}"] : [], .. modules.Length > 0 ? (string[])[$"the modules {string.Join(", ", modules.Take(20))}"] : []];
        return all.Length > 0 ? string.Join(", ", all) : "neither layers nor modules that its nodes' names tell";
    }
}
