using Softmodel.Graphs;

namespace Softmodel.Passes;

/// <summary>What a node is replaced by: the results that stand for its own, or null to keep it.</summary>
/// <param name="builder">The new graph so far.</param>
/// <param name="op">The operation.</param>
/// <param name="inputs">Its operands in the new graph.</param>
delegate Term? Rule(GraphBuilder builder, Op op, Term[] inputs);

/// <summary>Builds a graph anew, node by node; what is no longer needed is left out on the way.</summary>
static class Rewriting
{
    /// <summary>The graph with rules applied to every node whose result is the only one.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="rules">Tried in turn; what the first one gives is taken.</param>
    public static Graph Apply(Graph graph, ConstantFolding folding, IReadOnlyList<Rule> rules)
    {
        var sizes = new Dictionary<string, Dim>(StringComparer.Ordinal);
        return Body(graph, graph.Positive, folding, rules, null, sizes);
    }

    static Graph Body(Graph graph, EquatableArray<string> positive, ConstantFolding folding, IReadOnlyList<Rule> rules, GraphBuilder? outer, Dictionary<string, Dim> sizes)
    {
        var builder = new GraphBuilder(graph.Name, folding, outer);
        if (outer is null)
            builder.RequirePositive(positive);
        var now = new Dictionary<Value, Value>();
        Dim? Size(string symbol) => sizes.GetValueOrDefault(symbol);
        foreach (var node in graph.AllNodes())
        {
            foreach (var symbol in node.Defines)
                builder.Reserve(symbol);
            if (node.Op is Op.Random random)
                builder.ReserveStream(random.Stream);
        }
        foreach (var input in graph.Inputs)
            now[input] = builder.Input(input.Name, input.Type with { Shape = input.Shape.Substitute(Size) });
        var bound = new Dictionary<Value, EquatableArray<string>>();
        foreach (var node in graph.Nodes)
        {
            builder.Origin = node.Origin;
            var inputs = node.Inputs.Select(v => now[v]).ToArray();
            var op = OpSizes.Substitute(node.Op, Size);
            op = op switch
            {
                Op.If branch => new Op.If(Body(branch.Then, positive, folding, rules, builder, sizes), Body(branch.Else, positive, folding, rules, builder, sizes)),
                Op.Loop loop => loop with { Body = Body(loop.Body, positive, folding, rules, builder, sizes) },
                _ => op,
            };
            if (op is Op.Bind bind)
            {
                // Sizes that have come to be known, or that were named before, need no name of their own.
                if (builder.Contents(inputs[0])?.Select(builder.Short).ToArray() is { } known && CanName(bind.Symbols, known))
                    Name(bind.Symbols, known);
                else if (bound.TryGetValue(inputs[0], out var before))
                    Name(bind.Symbols, [.. before.Select(Dim.Symbol)]);
                else
                {
                    bound[inputs[0]] = bind.Symbols;
                    builder.ApplyAll(op, inputs);
                }
                continue;
            }
            builder.NextName = node.Outputs.Count > 0 ? node.Outputs[0].Name : null;
            var results = Replace(builder, op, inputs, rules) ?? builder.ApplyAll(op, inputs);
            for (var i = 0; i < results.Length; i++)
                now[node.Outputs[i]] = results[i];
        }
        return builder.Build(graph.Outputs.Select(v => now[v]), graph.OutputNames) with { States = graph.States };

        bool CanName(EquatableArray<string> symbols, IReadOnlyList<Dim> values) =>
            Enumerable.Range(0, symbols.Count).All(i => !positive.Contains(symbols[i]) || (values[i] - 1).IsNeverNegativeFromOne);

        void Name(EquatableArray<string> symbols, IReadOnlyList<Dim> values)
        {
            for (var i = 0; i < symbols.Count; i++)
            {
                sizes[symbols[i]] = values[i];
                if (positive.Contains(symbols[i]))
                    builder.RequirePositive(values[i].Symbols);
            }
        }
    }

    static Value[]? Replace(GraphBuilder builder, Op op, Value[] inputs, IReadOnlyList<Rule> rules)
    {
        if (op is Op.If or Op.Loop or Op.Call or Op.TopK)
            return null;
        var terms = inputs.Select(v => new Term(builder, v)).ToArray();
        foreach (var rule in rules)
        {
            if (rule(builder, op, terms) is { } replaced)
                return [replaced.Value];
        }
        return null;
    }
}
