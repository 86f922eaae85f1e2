using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>Constant folding: the results of an operation on constants; null where it is left to run time.</summary>
/// <param name="op">The operation.</param>
/// <param name="operands">Its operands.</param>
public delegate Tensor[]? ConstantFolding(Op op, IReadOnlyList<Tensor> operands);

/// <summary>
/// Grows a graph node by node. The same operation on the same operands is added once; what is known at build time,
/// numbers as well as sizes, is folded at once.
/// </summary>
public sealed class GraphBuilder
{
    readonly string name;
    readonly ConstantFolding folding;
    readonly GraphBuilder? outer;
    readonly List<Value> inputs = [];
    readonly List<Node> nodes = [];
    readonly Dictionary<(Op, EquatableArray<Value>), Value[]> done = [];
    readonly Dictionary<Value, Node> producers = [];
    readonly Dictionary<Value, EquatableArray<Dim>> contents = [];
    readonly Dictionary<Value, EquatableArray<Dim>> named = [];
    readonly Dictionary<Value, Value> captured = [];
    // The values around this body that are its inputs, and those inputs.
    readonly List<Value> captures = [], within = [];
    readonly Names names;

    sealed class Names
    {
        public int Symbols;
        public int Streams;
        public HashSet<string> Taken { get; } = new(StringComparer.Ordinal);
        public HashSet<string> Positive { get; } = new(StringComparer.Ordinal);
        public HashSet<string> Doubted { get; } = new(StringComparer.Ordinal);
        public Dictionary<string, Op.Parameter> Parameters { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>Begins an empty graph.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="outer">The graph in which this one is a body; its values can be captured.</param>
    public GraphBuilder(string name, ConstantFolding folding, GraphBuilder? outer = null)
    {
        this.name = name;
        this.folding = folding;
        this.outer = outer;
        names = outer?.names ?? new();
    }

    /// <summary>The graph in which this one is a body.</summary>
    public GraphBuilder? Outer => outer;

    /// <summary>Begins the body of a loop or a branch in this graph.</summary>
    public GraphBuilder Body(string name) => new(name, folding, this);

    /// <summary>Where what is being added comes from.</summary>
    public Origin Origin { get; set; } = Origin.None;

    /// <summary>Says what a value is in its layer, which is that of <see cref="Origin"/>.</summary>
    /// <param name="value">A value that a node of this graph computes; others stay as they are.</param>
    /// <param name="role">What it is.</param>
    public void Mark(Value value, Role role)
    {
        if (Producer(value) is not { Op.Stored: null } node)
            return;
        var marked = node with { Origin = node.Origin with { Layer = Origin.Layer, Role = role } };
        nodes[nodes.LastIndexOf(node)] = marked;
        foreach (var output in node.Outputs)
            producers[output] = marked;
    }

    /// <summary>What a value of this body is in the graph around it: what was captured, or a constant there; null where it is computed here.</summary>
    internal Value? Outside(Value value) => within.IndexOf(value) is >= 0 and var at ? captures[at]
        : outer is not null && Producer(value) is { Op: Op.Constant or Op.Parameter or Op.SizeTensor or Op.Iota } node ? outer.Apply(node.Op) : null;

    /// <summary>The nodes so far, each after those whose results it takes.</summary>
    internal IReadOnlyList<Node> Nodes => nodes;

    /// <summary>Gives a node more results than it had: they come after those.</summary>
    /// <param name="node">A node of this graph.</param>
    /// <param name="op">The operation that gives them too.</param>
    /// <returns>What has been added.</returns>
    internal Value[] Extend(Node node, Op op)
    {
        // It may have been given more before.
        var at = nodes.FindIndex(n => n.Outputs.Count > 0 && n.Outputs[0] == node.Outputs[0]);
        var types = Inference.Types(op, nodes[at].Inputs.Select(v => v.Type).ToArray());
        Value[] added = [.. types.Skip(node.Outputs.Count).Select((t, i) => new Value($"{node.Outputs[0].Name}_{node.Outputs.Count + i}", t))];
        var extended = node with { Op = op, Outputs = [.. node.Outputs, .. added] };
        nodes[at] = extended;
        foreach (var output in extended.Outputs)
            producers[output] = extended;
        return added;
    }

    /// <summary>The name for the next value added, where it has one.</summary>
    public string? NextName { get; set; }

    /// <summary>Adds an input.</summary>
    public Value Input(string name, TensorType type)
    {
        foreach (var symbol in type.Shape.Dims.SelectMany(d => d.Symbols))
            names.Taken.Add(symbol);
        var value = new Value(name, type);
        inputs.Add(value);
        return value;
    }

    /// <summary>A symbol that no other size of the model has.</summary>
    public Dim FreshSymbol(string prefix = "n")
    {
        string symbol;
        do
            symbol = $"{prefix}{names.Symbols++}";
        while (!names.Taken.Add(symbol));
        return Dim.Symbol(symbol);
    }

    /// <summary>Keeps a symbol from being given to another size.</summary>
    public void Reserve(string symbol) => names.Taken.Add(symbol);

    /// <summary>Whether a size of the graph, or of one around it, has a name.</summary>
    internal bool IsTaken(string symbol) => names.Taken.Contains(symbol);

    /// <summary>Makes it a condition of the graph that symbols are at least 1.</summary>
    public void RequirePositive(IEnumerable<string> symbols) => names.Positive.UnionWith(symbols);

    /// <summary>Whether it is a condition of the graph that a symbol is at least 1.</summary>
    public bool IsPositive(string symbol) => names.Positive.Contains(symbol);

    /// <summary>Notes sizes of which it matters whether they are 1, which is taken not to be so.</summary>
    public void Doubt(IEnumerable<string> symbols) => names.Doubted.UnionWith(symbols);

    /// <summary>The sizes of which it matters whether they are 1.</summary>
    public IReadOnlyCollection<string> Doubted => names.Doubted;

    /// <summary>A number of a stream of random numbers that no other node has.</summary>
    public int FreshStream() => names.Streams++;

    /// <summary>Makes sure that streams up to a number are not given again.</summary>
    public void ReserveStream(int stream) => names.Streams = Math.Max(names.Streams, stream + 1);

    /// <summary>A value of an outer graph as seen from within this body; constants are repeated, others become inputs.</summary>
    public Value Capture(Value value)
    {
        if (outer is null || producers.ContainsKey(value) || inputs.Contains(value))
            return value;
        if (captured.TryGetValue(value, out var inner))
            return inner;
        var seen = outer.Capture(value);
        if (outer.producers.TryGetValue(seen, out var node) && node.Op is Op.Constant or Op.Parameter or Op.SizeTensor or Op.Iota)
            return Apply(outer.producers[seen].Op);
        inner = Input(value.Name, value.Type);
        captured.Add(value, inner);
        captures.Add(seen);
        within.Add(inner);
        return inner;
    }

    /// <summary>The outer graph's values that became inputs, in the order of the inputs.</summary>
    public IReadOnlyList<Value> Captures => captures;

    /// <summary>The node that computes a value; null for an input.</summary>
    public Node? Producer(Value value) => producers.GetValueOrDefault(value);

    /// <summary>The tensor that a value is at build time, else null.</summary>
    public Tensor? Known(Value value) => Producer(value)?.Op.Known;

    /// <summary>The elements of a small tensor of integers or truth values as sizes; null where some depend on data.</summary>
    public IReadOnlyList<Dim>? Contents(Value value) => contents.TryGetValue(value, out var dims) ? dims : default(EquatableArray<Dim>?);

    /// <summary>Gives names to the elements of a value, known only at run time and not negative, as sizes.</summary>
    /// <param name="value">Integers.</param>
    /// <param name="count">How many.</param>
    public EquatableArray<Dim> Name(Value value, int count)
    {
        if (named.TryGetValue(value, out var there))
            return there;
        var symbols = Enumerable.Range(0, count).Select(_ => FreshSymbol()).ToEquatable();
        ApplyAll(new Op.Bind(symbols.Select(d => d.SymbolName!).ToEquatable()), value);
        return named[value] = symbols;
    }

    /// <summary>Adds a constant.</summary>
    public Value Constant(Tensor tensor) => Apply(new Op.Constant(tensor));

    /// <summary>Adds a weight of the model; where another has its name, it gets a number behind it.</summary>
    public Value Parameter(string name, Tensor tensor, bool isFrozen = true) => Apply(new Op.Parameter(name, tensor, isFrozen));

    /// <summary>A parameter under a name that no other has.</summary>
    Op.Parameter Named(Op.Parameter parameter)
    {
        var named = parameter;
        for (var number = 2; !names.Parameters.TryAdd(named.Name, named) && !names.Parameters[named.Name].Equals(named); number++)
            named = parameter with { Name = $"{parameter.Name}.{number}" };
        return named;
    }

    /// <summary>What has been computed at build time: a parameter that is called after the largest of those that it was computed from, if any.</summary>
    Value Folded(Op op, EquatableArray<Value> operands, Tensor result)
    {
        if (operands.Select(v => Producer(v)?.Op).OfType<Op.Parameter>().MaxBy(p => p.Value.Count) is not { } parameter)
            return Constant(result);
        var suffix = $"/{OpForms.NameOf(op)}";
        return Parameter(parameter.Name.EndsWith(suffix, StringComparison.Ordinal) ? parameter.Name : parameter.Name + suffix, result);
    }

    /// <summary>Adds sizes as an Int64 tensor.</summary>
    public Value Sizes(EquatableArray<Dim> dims, Shape shape) => dims.All(d => d.IsKnown)
        ? Constant(Tensor.Of<long>(dims.Select(d => d.Value!.Value).ToArray(), shape.Known!))
        : Apply(new Op.SizeTensor(dims, shape));

    /// <summary>Adds an operation with one result.</summary>
    public Value Apply(Op op, params ReadOnlySpan<Value> operands) => ApplyAll(op, operands)[0];

    /// <summary>Adds an operation, unless its results are there or known.</summary>
    /// <exception cref="SoftmodelException">It does not take these operands.</exception>
    public Value[] ApplyAll(Op op, params ReadOnlySpan<Value> operands)
    {
        EquatableArray<Value> operandArray = operands.ToArray();
        if (op is Op.Parameter parameter)
            op = Named(parameter);
        if (done.TryGetValue((op, operandArray), out var there))
            return there;
        var types = Inference.Types(op, operandArray.Select(v => v.Type).ToArray());
        var results = Fold(op, operandArray, types) ?? [.. Append(op, operandArray, types).Select(WithNamed)];
        done.Add((op, operandArray), results);
        return results;
    }

    /// <summary>Adds a call of an exact program; the sizes that it finds get names.</summary>
    /// <param name="program">Its name in <see cref="ExactPrograms"/>.</param>
    /// <param name="arguments">Numbers that it is called with.</param>
    /// <param name="operands">Its operands.</param>
    /// <exception cref="SoftmodelException">There is no such program, or it does not take these operands.</exception>
    public Value[] Call(string program, EquatableArray<long> arguments, params ReadOnlySpan<Value> operands) =>
        ApplyAll(new Op.Call(program, arguments, Enumerable.Range(0, ExactPrograms.Named(program).FoundSizes).Select(_ => FreshSymbol("found").SymbolName!).ToEquatable()), operands);

    /// <summary>A size by which others can be computed: itself, or where it is long, a symbol that stands for it.</summary>
    internal Dim Short(Dim size) => size.IsLong ? Name(Sizes([size], new Shape(1)), 1)[0] : size;

    Value WithNamed(Value value) => value.Shape.Dims.Any(d => d.IsLong) ? Apply(new Op.Reshape(new(value.Shape.Dims.Select(Short).ToEquatable())), value) : value;

    Value[] Append(Op op, EquatableArray<Value> operands, TensorType[] types)
    {
        var outputs = types.Select((t, i) => new Value(op is Op.Parameter parameter ? parameter.Name : NextName is { } given && i == 0 ? given : $"v{nodes.Count}{(i > 0 ? $"_{i}" : "")}", t)).ToArray();
        NextName = null;
        var node = new Node(op, operands, outputs, Origin);
        nodes.Add(node);
        foreach (var output in outputs)
            producers.Add(output, node);
        if (op.Known is { } known && ContentsOf(known) is { } numbers)
            contents[outputs[0]] = numbers;
        if (op is Op.SizeTensor sizes)
            contents[outputs[0]] = sizes.Values;
        return outputs;
    }

    const int MostContents = 256;

    static EquatableArray<Dim>? ContentsOf(Tensor tensor) => !tensor.Type.IsFloat() && tensor.Count <= MostContents
        ? Enumerable.Range(0, (int)tensor.Count).Select(i => (Dim)tensor.Integer(i)).ToEquatable()
        : default(EquatableArray<Dim>?);

    Value[]? Fold(Op op, EquatableArray<Value> operands, TensorType[] types)
    {
        if (op is Op.Constant or Op.Parameter or Op.SizeTensor or Op.Bind)
            return null;
        var known = operands.Select(Known).ToArray();
        if (known.All(t => t is not null) && folding(op, known!) is { } tensors)
            return [.. tensors.Select(t => Folded(op, operands, t))];
        if (types is [{ Shape: var shape, Element: var element }] && (element.IsInteger() || element == ElementType.Bool)
            && shape.KnownCount <= MostContents && Symbolic(op, operands, shape) is { } dims)
        {
            if (dims.All(d => d.IsKnown))
                return [Constant(Tensor.Of(element, shape.Known!, dims.Select(d => d.Value!.Value).ToArray()))];
            if (element == ElementType.Bool || dims.Any(d => d.IsLong))
                return null;
            var sizes = Apply(new Op.SizeTensor(dims, shape));
            var result = element == ElementType.Int64 ? sizes : Append(new Op.Cast(element), [sizes], [new(element, shape)])[0];
            contents[result] = dims;
            return [result];
        }
        return null;
    }

    // What leaves 64 bits on the way is computed at run time, where it wraps around as the model means it to.
    EquatableArray<Dim>? Symbolic(Op op, EquatableArray<Value> operands, Shape shape)
    {
        try
        {
            return SymbolicElements(op, operands, shape);
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    EquatableArray<Dim>? SymbolicElements(Op op, EquatableArray<Value> operands, Shape shape)
    {
        var sizes = operands.Select(v => contents.TryGetValue(v, out var c) ? (EquatableArray<Dim>?)c : null).ToArray();
        if (op is Op.Map map)
            return Mapped(map.Function, operands, sizes, shape);
        if (sizes.Length == 0 || sizes.Any(c => c is null))
            return null;
        if (op is Op.Cast { To: ElementType.Int64 or ElementType.Int32 })
            return sizes[0];
        if (op is Op.Reduce { Kind: Reduction.Sum or Reduction.Product or Reduction.Max or Reduction.Min } reduce && operands[0].Rank == 1)
        {
            Func<Dim, Dim, Dim> combine = reduce.Kind switch
            {
                Reduction.Sum => (a, b) => a + b,
                Reduction.Product => (a, b) => a * b,
                Reduction.Max => Dim.Max,
                _ => Dim.Min,
            };
            return sizes[0]!.Value.Count == 0 ? default(EquatableArray<Dim>?) : [sizes[0]!.Value.Aggregate(combine)];
        }
        // Moving elements about does the same to their positions, and those are numbers.
        var moved = op switch
        {
            Op.Reshape or Op.Transpose or Op.Slice or Op.Unfold or Op.Broadcast or Op.Gather => 1,
            Op.Concat => operands.Count,
            _ => 0,
        };
        if (moved == 0 || operands.Skip(moved).Any(v => Known(v) is null))
            return null;
        var positions = new List<Tensor>();
        var elements = new List<Dim>();
        for (var i = 0; i < operands.Count; i++)
        {
            if (i >= moved)
            {
                positions.Add(Known(operands[i])!);
                continue;
            }
            positions.Add(Tensor.Of<long>(Enumerable.Range(elements.Count, sizes[i]!.Value.Count).Select(p => (long)p).ToArray(), operands[i].Shape.Known!));
            elements.AddRange(sizes[i]!.Value);
        }
        return folding(op, positions) is [var result] ? result.Values<long>().ToArray().Select(p => elements[(int)p]).ToEquatable() : default(EquatableArray<Dim>?);
    }

    static EquatableArray<Dim>? Mapped(Function function, EquatableArray<Value> operands, EquatableArray<Dim>?[] sizes, Shape shape)
    {
        var elements = new Dim?[operands.Count][];
        for (var i = 0; i < operands.Count; i++)
        {
            if (sizes[i] is null && (function != Functions.Select || i == 0))
                return null;
            var source = operands[i];
            elements[i] = [.. Enumerable.Range(0, (int)shape.KnownCount!.Value).Select(flat => sizes[i] is { } c ? c[BroadcastIndex(flat, shape, source.Shape)] : null)];
        }
        var result = new Dim[elements[0].Length];
        for (var e = 0; e < result.Length; e++)
        {
            if (SizeFunctions.Apply(function, [.. elements.Select(x => x[e])]) is not { } size)
                return null;
            result[e] = size;
        }
        return result;
    }

    static int BroadcastIndex(int flat, Shape shape, Shape operand)
    {
        var (index, stride) = (0L, 1L);
        for (var axis = shape.Rank - 1; axis >= 0; axis--)
        {
            var size = (int)shape[axis].Value!.Value;
            var at = axis - shape.Rank + operand.Rank;
            if (at >= 0)
            {
                var limit = operand.Dims[at].Value!.Value;
                index += limit == 1 ? 0 : flat % size * stride;
                stride *= limit;
            }
            flat /= size;
        }
        return (int)index;
    }

    /// <summary>The graph of what the outputs need.</summary>
    /// <param name="outputs">The results, in order.</param>
    /// <param name="outputNames">Their names; those of the values where none are given.</param>
    public Graph Build(IEnumerable<Value> outputs, IEnumerable<string>? outputNames = null)
    {
        var results = outputs.ToEquatable();
        var (live, symbols) = Live(nodes, results, results.Concat(inputs).SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols));
        return new(name, inputs.ToEquatable(), results, (outputNames ?? results.Select(v => v.Name)).ToEquatable(), live)
        {
            Positive = outer is null ? names.Positive.Intersect(symbols).Order(StringComparer.Ordinal).ToEquatable() : [],
        };
    }

    /// <summary>The nodes that some values and sizes depend on, in the same order, and the symbols of all sizes in them.</summary>
    internal static (EquatableArray<Node> Nodes, HashSet<string> Symbols) Live(IReadOnlyList<Node> nodes, IEnumerable<Value> values, IEnumerable<string> sizes)
    {
        var (needed, symbols, live) = (new HashSet<Value>(values), sizes.ToHashSet(StringComparer.Ordinal), new List<Node>());
        for (var i = nodes.Count - 1; i >= 0; i--)
        {
            var node = nodes[i];
            if (!node.Outputs.Any(needed.Contains) && !node.Defines.Any(symbols.Contains))
                continue;
            live.Add(node);
            needed.UnionWith(node.Inputs);
            symbols.UnionWith(SymbolsOf(node));
        }
        live.Reverse();
        return (live.ToEquatable(), symbols);
    }

    static IEnumerable<string> SymbolsOf(Node node) => node.Outputs.Concat(node.Inputs).SelectMany(v => v.Shape.Dims).Concat(OpSizes.Of(node.Op)).SelectMany(d => d.Symbols)
        .Concat(node.Bodies.SelectMany(b => b.Nodes).SelectMany(SymbolsOf));
}

/// <summary>The scalar functions that sizes have.</summary>
static class SizeFunctions
{
    static readonly Dictionary<Function, Func<Dim, Dim, Dim?>> rows = new()
    {
        [Functions.Plus] = (a, b) => a + b,
        [Functions.Subtract] = (a, b) => a - b,
        [Functions.Multiply] = (a, b) => a * b,
        [Functions.Divide] = (a, b) => b.Value is 0 ? null
            : a.IsNeverNegative && b.IsNeverNegative ? Dim.FloorDiv(a, b)
            // Rounded towards zero, as machines divide.
            : b.Value is > 0 ? Dim.FloorDiv(Dim.Max(a, 0), b) - Dim.FloorDiv(Dim.Max(a * -1, 0), b)
            : null,
        [Functions.Modulo] = (a, b) => b.Value is > 0 ? Dim.Mod(a, b) : null,
        [Functions.Power] = (a, b) => b.Value is >= 0 and <= MostPower and var n ? Dim.Product(Enumerable.Repeat(a, (int)n)) : null,
        [Functions.Maximum] = Dim.Max,
        [Functions.Minimum] = Dim.Min,
        [Functions.Negate] = (a, _) => a * -1,
        [Functions.Equal] = (a, b) => a.Equals(b) ? Dim.One : Differ(a, b) ? Dim.Zero : null,
        [Functions.Less] = (a, b) => (b - a - 1).IsNeverNegative ? Dim.One : (a - b).IsNeverNegative ? Dim.Zero : null,
        [Functions.LessOrEqual] = (a, b) => (b - a).IsNeverNegative ? Dim.One : (a - b - 1).IsNeverNegative ? Dim.Zero : null,
        [Functions.Not] = (a, _) => a.IsKnown ? Dim.One - a : null,
        [Functions.And] = (a, b) => a.IsKnown && b.IsKnown ? a * b : null,
        [Functions.Or] = (a, b) => a.IsKnown && b.IsKnown ? Dim.Max(a, b) : null,
    };

    const int MostPower = 8;

    static bool Differ(Dim a, Dim b) => (a - b - 1).IsNeverNegative || (b - a - 1).IsNeverNegative;

    /// <summary>The value of a function on sizes; null where it is not a size or depends on data.</summary>
    public static Dim? Apply(Function function, ReadOnlySpan<Dim?> x) =>
        function == Functions.Select ? x[0]!.Value switch { 0 => x[2], 1 => x[1], _ => null }
        : rows.TryGetValue(function, out var row) ? row(x[0]!, x.Length > 1 ? x[1]! : Dim.Zero) : null;
}

/// <summary>The sizes that operations hold.</summary>
static class OpSizes
{
    /// <summary>Every size in an operation's data.</summary>
    public static IEnumerable<Dim> Of(Op op) => op switch
    {
        Op.SizeTensor sizes => sizes.Values,
        Op.Slice slice => [.. slice.Starts, .. slice.Sizes],
        Op.Pad pad => [.. pad.Low, .. pad.High],
        Op.Loop loop => [loop.Iterations],
        _ => [],
    };

    /// <summary>The operation with every size replaced.</summary>
    public static Op Substitute(Op op, Func<string, Dim?> symbol) => op switch
    {
        Op.SizeTensor s => new Op.SizeTensor(Each(s.Values, symbol), s.Shape),
        Op.Iota iota => new Op.Iota(iota.Size.Substitute(symbol)),
        Op.Random random => random with { Shape = random.Shape.Substitute(symbol) },
        Op.Reshape reshape => reshape with { Shape = reshape.Shape.Substitute(symbol) },
        Op.Broadcast broadcast => new Op.Broadcast(broadcast.Shape.Substitute(symbol)),
        Op.Slice slice => slice with { Starts = Each(slice.Starts, symbol), Sizes = Each(slice.Sizes, symbol) },
        Op.Pad pad => pad with { Low = Each(pad.Low, symbol), High = Each(pad.High, symbol) },
        Op.TopK top => top with { Count = top.Count.Substitute(symbol) },
        Op.Loop loop => loop with { Iterations = loop.Iterations.Substitute(symbol) },
        _ => op,
    };

    static EquatableArray<Dim> Each(EquatableArray<Dim> dims, Func<string, Dim?> symbol) => dims.Select(d => d.Substitute(symbol)).ToEquatable();
}
