using Softmodel.Graphs;

namespace Softmodel.Passes;

/// <summary>What a node is replaced by: the results that stand for its own, or null to keep it.</summary>
/// <param name="builder">The new graph so far.</param>
/// <param name="op">The operation.</param>
/// <param name="inputs">Its operands in the new graph.</param>
delegate Term? Rule(GraphBuilder builder, Op op, Term[] inputs);

/// <summary>What stands for a result from then on: the value itself, or one that is computed from it.</summary>
/// <param name="value">A result in the old graph.</param>
/// <param name="now">What it is in the new graph so far.</param>
delegate Term Change(Value value, Term now);

/// <summary>Builds a graph anew, node by node; what is no longer needed is left out on the way.</summary>
static class Rewriting
{
    /// <summary>The graph with rules applied to every node whose result is the only one.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="rules">Tried in turn; what the first one gives is taken.</param>
    public static Graph Apply(Graph graph, ConstantFolding folding, IReadOnlyList<Rule> rules)
    {
        var builder = new GraphBuilder(graph.Name, folding);
        builder.RequirePositive(graph.Positive);
        Reserve(builder, graph);
        var inputs = graph.Inputs.Select(v => builder.Input(v.Name, v.Type)).ToArray();
        var outputs = new Copy(graph.Positive, rules, new(StringComparer.Ordinal), null).Nodes(builder, graph, inputs);
        return builder.Build(outputs, graph.OutputNames) with { States = graph.States };
    }

    /// <summary>Adds a graph to another, with rules applied.</summary>
    /// <param name="builder">The graph that it is added to. Sizes that a node of both would define get another name; streams of random numbers are those of the graph.</param>
    /// <param name="graph">The graph; what are states in it are inputs and outputs like others.</param>
    /// <param name="inputs">What its inputs are: values whose sizes are those that it would have them given.</param>
    /// <param name="rules">Tried in turn; what the first one gives is taken.</param>
    /// <returns>Its outputs.</returns>
    /// <exception cref="SoftmodelException">An input is not of the type that the graph takes.</exception>
    public static Value[] Append(GraphBuilder builder, Graph graph, IReadOnlyList<Value> inputs, params IReadOnlyList<Rule> rules) => Append(builder, graph, inputs, rules, null);

    /// <inheritdoc cref="Append(GraphBuilder, Graph, IReadOnlyList{Value}, IReadOnlyList{Rule})"/>
    /// <param name="builder">The graph that it is added to.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="inputs">What its inputs are.</param>
    /// <param name="rules">Tried in turn.</param>
    /// <param name="change">Is told of every result, and says what stands for it; null for no changes.</param>
    public static Value[] Append(GraphBuilder builder, Graph graph, IReadOnlyList<Value> inputs, IReadOnlyList<Rule> rules, Change? change)
    {
        var sizes = new Dictionary<string, Dim>(StringComparer.Ordinal);
        Dim? Size(string symbol) => sizes.GetValueOrDefault(symbol);
        if (inputs.Count != graph.Inputs.Count)
            throw new SoftmodelException($"{inputs.Count} values are given; graph {graph.Name} has {graph.Inputs.Count} inputs");
        foreach (var (input, value) in graph.Inputs.Zip(inputs))
        {
            if (input.Rank != value.Rank || input.Type.Element != value.Type.Element)
                throw new SoftmodelException($"the input {input} of graph {graph.Name} cannot be {value}");
        }
        foreach (var (i, axis, symbol, less) in Graph.SizeBindings(graph.Inputs))
            sizes[symbol] = inputs[i].Shape[axis] - less.Substitute(Size);
        foreach (var symbol in graph.AllNodes().SelectMany(n => n.Defines))
        {
            // A loop that runs as often as an input is long has the input's size.
            if (builder.IsTaken(symbol) && !sizes.ContainsKey(symbol))
                sizes[symbol] = builder.FreshSymbol(symbol.TrimEnd('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'));
        }
        Reserve(builder, graph);
        builder.RequirePositive(graph.Positive.SelectMany(s => (Size(s) ?? Dim.Symbol(s)).Symbols));
        return new Copy(graph.Positive, rules, sizes, change).Nodes(builder, graph, inputs);
    }

    static void Reserve(GraphBuilder builder, Graph graph)
    {
        foreach (var node in graph.AllNodes())
        {
            foreach (var symbol in node.Defines)
                builder.Reserve(symbol);
            if (node.Op is Op.Random random)
                builder.ReserveStream(random.Stream);
        }
    }

    /// <summary>The nodes of a graph and its bodies in another one.</summary>
    /// <param name="Positive">Symbols of the graph that are at least 1.</param>
    /// <param name="Rules">Tried in turn.</param>
    /// <param name="Sizes">What its symbols are in the other one; others are the same there.</param>
    /// <param name="Change">Says what stands for results; null for themselves.</param>
    sealed record Copy(EquatableArray<string> Positive, IReadOnlyList<Rule> Rules, Dictionary<string, Dim> Sizes, Change? Change)
    {
        Dim? Size(string symbol) => Sizes.GetValueOrDefault(symbol);

        string NameOf(string symbol) => Size(symbol) is { SymbolName: { } name } ? name : symbol;

        /// <summary>Adds the nodes of a graph, and gives its outputs.</summary>
        public Value[] Nodes(GraphBuilder builder, Graph graph, IReadOnlyList<Value> inputs)
        {
            var now = new Dictionary<Value, Value>();
            for (var i = 0; i < inputs.Count; i++)
                now[graph.Inputs[i]] = inputs[i];
            var bound = new Dictionary<Value, EquatableArray<string>>();
            foreach (var node in graph.Nodes)
            {
                builder.Origin = node.Origin;
                Value[] operands = [.. node.Inputs.Select(v => now[v])];
                var op = OpSizes.Substitute(node.Op, Size);
                if (op is Op.Bind bind)
                {
                    var symbols = bind.Symbols.Select(NameOf).ToEquatable();
                    // Sizes that have come to be known, or that were named before, need no name of their own.
                    if (builder.Contents(operands[0])?.Select(builder.Short).ToArray() is { } known && CanName(bind.Symbols, known))
                        Name(builder, bind.Symbols, known);
                    else if (bound.TryGetValue(operands[0], out var before))
                        Name(builder, bind.Symbols, [.. before.Select(Dim.Symbol)]);
                    else
                    {
                        bound[operands[0]] = symbols;
                        builder.ApplyAll(new Op.Bind(symbols), operands);
                    }
                    continue;
                }
                switch (op)
                {
                    case Op.Call call:
                        op = call with { Sizes = call.Sizes.Select(NameOf).ToEquatable() };
                        break;
                    case Op.If branch:
                        var (then, otherwise) = (Body(builder, branch.Then), Body(builder, branch.Else));
                        op = new Op.If(then.Graph, otherwise.Graph);
                        operands = [operands[0], .. operands.AsSpan(1, branch.Then.Inputs.Count), .. then.Captures, .. operands.AsSpan(1 + branch.Then.Inputs.Count), .. otherwise.Captures];
                        break;
                    case Op.Loop loop:
                        var body = Body(builder, loop.Body);
                        (op, operands) = (loop with { Body = body.Graph }, [.. operands, .. body.Captures]);
                        break;
                }
                builder.NextName = node.Outputs.Count > 0 ? node.Outputs[0].Name : null;
                var results = Replace(builder, op, operands, Rules) ?? builder.ApplyAll(op, operands);
                for (var i = 0; i < node.Outputs.Count; i++)
                    now[node.Outputs[i]] = Change?.Invoke(node.Outputs[i], new(builder, results[i])).Value ?? results[i];
            }
            return [.. graph.Outputs.Select(v => now[v])];
        }

        (Graph Graph, IReadOnlyList<Value> Captures) Body(GraphBuilder outer, Graph graph)
        {
            var builder = outer.Body(graph.Name);
            Value[] inputs = [.. graph.Inputs.Select(v => builder.Input(v.Name, v.Type with { Shape = v.Shape.Substitute(Size) }))];
            var outputs = Nodes(builder, graph, inputs);
            return (builder.Build(outputs, graph.OutputNames), builder.Captures);
        }

        bool CanName(EquatableArray<string> symbols, IReadOnlyList<Dim> values) =>
            Enumerable.Range(0, symbols.Count).All(i => !Positive.Contains(symbols[i]) || (values[i] - 1).IsNeverNegativeFromOne);

        void Name(GraphBuilder builder, EquatableArray<string> symbols, IReadOnlyList<Dim> values)
        {
            for (var i = 0; i < symbols.Count; i++)
            {
                Sizes[symbols[i]] = values[i];
                if (Positive.Contains(symbols[i]))
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
