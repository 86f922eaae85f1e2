namespace Softmodel.Graphs;

/// <summary>A tensor that a graph computes or is given; two values are the same only if they are one object.</summary>
/// <param name="name">Its name in the model it came from; unique within a graph only where it is an input or output.</param>
/// <param name="type">Element type and shape.</param>
/// <exception cref="SoftmodelException">It has more elements than 63 bits can count.</exception>
public sealed class Value(string name, TensorType type)
{
    /// <summary>Its name.</summary>
    public string Name { get; } = name;

    /// <summary>Element type and shape.</summary>
    public TensorType Type { get; } = Countable(type);

    static TensorType Countable(TensorType type)
    {
        try
        {
            _ = type.Shape.Count;
            return type;
        }
        catch (OverflowException)
        {
            throw new SoftmodelException($"a tensor {type} is too large for any machine");
        }
    }

    /// <summary>The shape.</summary>
    public Shape Shape => Type.Shape;

    /// <summary>The number of axes.</summary>
    public int Rank => Type.Shape.Rank;

    /// <summary>Name and type.</summary>
    public override string ToString() => $"{Name}: {Type}";
}

/// <summary>One operation applied to values.</summary>
/// <param name="Op">The operation.</param>
/// <param name="Inputs">Its operands.</param>
/// <param name="Outputs">Its results.</param>
/// <param name="Origin">Where in the model it came from.</param>
public sealed record Node(Op Op, EquatableArray<Value> Inputs, EquatableArray<Value> Outputs, Origin Origin)
{
    /// <summary>The node of the model that it came from, for messages; may be empty.</summary>
    public string Source => Origin.Node;

    /// <summary>The only result.</summary>
    public Value Output => Outputs[0];

    /// <summary>The symbols that have a value once the node has run.</summary>
    public IEnumerable<string> Defines => Op switch
    {
        Op.Bind bind => bind.Symbols,
        Op.Loop { Iterations.SymbolName: { } symbol } => [symbol],
        Op.Call call => call.Sizes,
        _ => [],
    };

    /// <summary>The graphs within the operation.</summary>
    public IEnumerable<Graph> Bodies => Op switch
    {
        Op.If branch => [branch.Then, branch.Else],
        Op.Loop loop => [loop.Body],
        _ => [],
    };

    /// <inheritdoc/>
    public bool Equals(Node? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}

/// <summary>An input that is what an output was in the run before. Where sizes have grown since, what is new is zero.</summary>
/// <param name="Input">Its place among the inputs.</param>
/// <param name="Output">The place among the outputs; their types are the same.</param>
public readonly record struct State(int Input, int Output);

/// <summary>Values computed from inputs by nodes, each after those whose results it takes.</summary>
/// <param name="Name">The name.</param>
/// <param name="Inputs">What it is given; their shapes' symbols are known once they are.</param>
/// <param name="Outputs">What it gives; <paramref name="OutputNames"/> are their names.</param>
/// <param name="OutputNames">The names under which a caller knows the outputs.</param>
/// <param name="Nodes">The nodes in an order of evaluation.</param>
public sealed record Graph(string Name, EquatableArray<Value> Inputs, EquatableArray<Value> Outputs, EquatableArray<string> OutputNames, EquatableArray<Node> Nodes)
{
    /// <summary>Symbols that must be at least 1: some nodes are what the model means only then.</summary>
    public EquatableArray<string> Positive { get; init; } = [];

    /// <summary>The inputs that are, in each run, what the run before gave as an output: what the graph remembers.</summary>
    public EquatableArray<State> States { get; init; } = [];

    /// <inheritdoc/>
    public bool Equals(Graph? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);

    /// <summary>The inputs that a caller gives: those that are no states.</summary>
    public IEnumerable<Value> Arguments => Inputs.Where((_, i) => States.All(s => s.Input != i));

    /// <summary>What a run is given: names, element types and shapes of <see cref="Arguments"/>.</summary>
    internal IReadOnlyList<Runtime.TensorInfo> ArgumentInfos => [.. Arguments.Select(v => v.Type.Info(v.Name))];

    /// <summary>What a run computes: names, element types and shapes of <see cref="Results"/>.</summary>
    internal IReadOnlyList<Runtime.TensorInfo> ResultInfos => [.. Results.Select(r => r.Value.Type.Info(r.Name))];

    /// <summary>The outputs that a caller gets, with their names: those that are no states.</summary>
    public IEnumerable<(string Name, Value Value)> Results => OutputNames.Zip(Outputs).Where((_, i) => States.All(s => s.Output != i));

    /// <summary>The symbolic sizes that values bind: a symbol is the size of the axis less <c>Less</c>, which earlier symbols determine.</summary>
    /// <param name="values">The values, whose sizes are known.</param>
    public static IEnumerable<(int Value, int Axis, string Symbol, Dim Less)> SizeBindings(IReadOnlyList<Value> values)
    {
        var known = new HashSet<string>(StringComparer.Ordinal);
        for (var (round, before) = (0, -1); round < 2 || before < known.Count; round++)
        {
            before = known.Count;
            for (var i = 0; i < values.Count; i++)
            {
                for (var axis = 0; axis < values[i].Rank; axis++)
                {
                    // What a symbol says of itself is taken before what follows from others.
                    if ((round > 0 || values[i].Shape[axis].SymbolName is not null) && values[i].Shape[axis].Solve(known.Contains) is var (symbol, less) && known.Add(symbol))
                        yield return (i, axis, symbol, less);
                }
            }
        }
    }

    /// <summary>All nodes, those of bodies too.</summary>
    public IEnumerable<Node> AllNodes() => Nodes.SelectMany(n => n.Bodies.SelectMany(b => b.AllNodes()).Prepend(n));

    /// <summary>Checks that every operand is computed before it is used, once, and has the type that its operation gives.</summary>
    /// <exception cref="SoftmodelException">It is not so.</exception>
    public void Validate() => Validate(Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).ToHashSet(StringComparer.Ordinal));

    void Validate(HashSet<string> symbols)
    {
        var known = new HashSet<Value>(Inputs);
        foreach (var node in Nodes)
        {
            foreach (var input in node.Inputs)
                Require(known.Contains(input), node, $"takes {input.Name}, which is not computed before it");
            var types = Inference.Types(node.Op, [.. node.Inputs.Select(v => v.Type)]);
            Require(types.Length == node.Outputs.Count, node, $"gives {types.Length} results, but {node.Outputs.Count} are named");
            symbols.UnionWith(node.Defines);
            for (var i = 0; i < types.Length; i++)
            {
                var output = node.Outputs[i];
                Require(types[i] == output.Type, node, $"gives {types[i]} for {output}");
                Require(known.Add(output), node, $"computes {output.Name} a second time");
                foreach (var symbol in output.Shape.Dims.SelectMany(d => d.Symbols))
                    Require(symbols.Contains(symbol), node, $"needs the size {symbol}, which is not known before it");
            }
            foreach (var body in node.Bodies)
                body.Validate([.. symbols, .. body.Inputs.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols)]);
        }
        if (Outputs.FirstOrDefault(v => !known.Contains(v)) is { } missing)
            throw new SoftmodelException($"graph {Name}: the output {missing.Name} is not computed");
        foreach (var (input, output) in States)
        {
            if ((uint)input >= (uint)Inputs.Count || (uint)output >= (uint)Outputs.Count || Inputs[input].Type != Outputs[output].Type)
                throw new SoftmodelException($"graph {Name}: input {input} can't be what output {output} was in the run before: there is none, or their types differ");
        }
    }

    void Require(bool condition, Node node, string message)
    {
        if (!condition)
            throw new SoftmodelException($"graph {Name}: {node.Op.GetType().Name.ToLowerInvariant()} ({node.Source}) {message}");
    }
}
