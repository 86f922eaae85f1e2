using Google.Protobuf;
using Softmodel.Graphs;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Runtime;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.Export.Onnx;

/// <summary>
/// Makes the nodes of one ONNX graph: the model's, or that of a branch or a loop's body, which sees what is around it.
/// Sizes known only at run time are computed by nodes, each once.
/// </summary>
sealed class OnnxWriter
{
    const int Opset = 21, IrVersion = 10;

    readonly OnnxWriter? outer;
    readonly OnnxWriter root;
    readonly GraphProto proto = new();
    readonly Dictionary<Value, string> names = [];
    readonly Dictionary<string, string> sizes = new(StringComparer.Ordinal);
    readonly Dictionary<string, Func<string>> symbols = new(StringComparer.Ordinal);
    readonly Dictionary<Value, string> preferred = [];
    // These are the root's alone.
    readonly HashSet<string> taken = new(StringComparer.Ordinal);
    readonly Dictionary<string, string> constants = new(StringComparer.Ordinal);
    readonly List<string> faults = [];

    OnnxWriter(OnnxWriter? outer) => (this.outer, root) = (outer, outer?.root ?? this);

    /// <summary>The model of a graph.</summary>
    /// <exception cref="SoftmodelException">It holds what ONNX has no operators for; all such nodes are named.</exception>
    public static ModelProto Model(Graph graph)
    {
        graph = BlockFormat.Decoded(graph);
        var writer = new OnnxWriter(null);
        foreach (var name in graph.Inputs.Select(v => v.Name).Concat(graph.OutputNames))
            writer.taken.Add(name);
        foreach (var input in graph.Inputs)
            writer.Input(input, input.Name);
        foreach (var (i, axis, symbol, rest) in Graph.SizeBindings(graph.Inputs).Where(t => t.Less.Value != 0))
            writer.symbols[symbol] = () => writer.Apply("Sub", [writer.AxisOf(graph.Inputs[i].Name, axis), writer.Size(rest)]);
        foreach (var (value, name) in graph.Outputs.Zip(graph.OutputNames))
            writer.preferred.TryAdd(value, name);
        writer.Nodes(graph);
        foreach (var (value, name) in graph.Outputs.Zip(graph.OutputNames))
            writer.Output(value, name);
        if (writer.faults.Count > 0)
            throw new SoftmodelException($"the graph {graph.Name} cannot be written as ONNX: {string.Join("; ", writer.faults)}");
        writer.proto.Name = graph.Name.Length > 0 ? graph.Name : "graph";
        return new()
        {
            IrVersion = IrVersion,
            ProducerName = "softmodel",
            Graph = writer.proto,
            OpsetImport = { new OperatorSetIdProto { Domain = "", Version = Opset } },
        };
    }

    void Input(Value value, string name)
    {
        names[value] = name;
        proto.Input.Add(Info(name, value.Type));
        Define(value, name);
    }

    /// <summary>Notes which symbols a value's shape tells.</summary>
    void Define(Value value, string name)
    {
        for (var i = 0; i < value.Rank; i++)
        {
            var axis = i;
            if (value.Shape[i].SymbolName is { } symbol && Symbol(symbol) is null)
                symbols[symbol] = () => AxisOf(name, axis);
        }
    }

    string AxisOf(string name, int axis) => Apply("Shape", [name], ("start", axis), ("end", axis + 1));

    Func<string>? Symbol(string name) => symbols.GetValueOrDefault(name) ?? outer?.Symbol(name);

    static ValueInfoProto Info(string name, TensorType type)
    {
        var shape = new TensorShapeProto();
        foreach (var dim in type.Shape.Dims)
            shape.Dim.Add(dim.Value is { } size ? new TensorShapeProto.Types.Dimension { DimValue = size } : new TensorShapeProto.Types.Dimension { DimParam = dim.ToString() });
        return new() { Name = name, Type = new() { TensorType = new() { ElemType = (int)type.Element, Shape = shape } } };
    }

    void Output(Value value, string name)
    {
        if (names.GetValueOrDefault(value) != name || proto.Output.Any(o => o.Name == name))
            proto.Node.Add(new NodeProto { OpType = "Identity", Name = name, Input = { NameOf(value) }, Output = { name } });
        proto.Output.Add(Info(name, value.Type));
    }

    void Nodes(Graph graph)
    {
        foreach (var node in graph.Nodes)
        {
            try
            {
                Node(node);
            }
            catch (SoftmodelException e)
            {
                root.faults.Add($"{OpForms.NameOf(node.Op)} ({node.Source}): {e.Message}");
                foreach (var output in node.Outputs)
                    names[output] = "";
            }
        }
    }

    void Node(Node node)
    {
        var x = node.Inputs.Select(NameOf).ToArray();
        var results = node.Op switch
        {
            Op.Bind bind => Bind(bind, x[0]),
            Op.If branch => If(branch, x, node.Inputs),
            Op.Loop loop => Loop(loop, x, node.Inputs),
            _ => OnnxRules.Apply(this, node, x),
        };
        for (var i = 0; i < node.Outputs.Count; i++)
        {
            var output = node.Outputs[i];
            names[output] = Renamed(results[i], preferred.GetValueOrDefault(output) ?? Fresh(output.Name));
            if (node.Op is Op.Loop or Op.Call)
                Define(output, names[output]);
        }
    }

    /// <summary>Gives the result of the latest node a better name; what is no such result keeps its own.</summary>
    string Renamed(string result, string better)
    {
        if (proto.Node.Count == 0 || proto.Node[^1].Output.IndexOf(result) is not (>= 0 and var at))
            return result;
        proto.Node[^1].Name = proto.Node[^1].Output[at] = better;
        return better;
    }

    string Fresh(string name)
    {
        var fresh = name.Length > 0 ? name : "value";
        for (var i = 2; !root.taken.Add(fresh); i++)
            fresh = $"{name}_{i}";
        return fresh;
    }

    string NameOf(Value value)
    {
        for (var scope = this; scope is not null; scope = scope.outer)
        {
            if (scope.names.TryGetValue(value, out var name))
                return name;
        }
        throw new InvalidOperationException($"{value} is not computed before it is used");
    }

    /// <summary>Adds a node with one result.</summary>
    /// <param name="type">The ONNX operator.</param>
    /// <param name="inputs">The names of its operands.</param>
    /// <param name="attributes">Numbers, lists of numbers, text or graphs.</param>
    public string Apply(string type, string[] inputs, params ReadOnlySpan<(string Name, object Value)> attributes) => ApplyAll(type, inputs, 1, attributes)[0];

    /// <summary>Adds a node.</summary>
    public string[] ApplyAll(string type, string[] inputs, int results, params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        var node = new NodeProto { OpType = type, Input = { inputs } };
        for (var i = 0; i < results; i++)
            node.Output.Add(Fresh(type.ToLowerInvariant()));
        node.Name = node.Output[0];
        foreach (var (name, value) in attributes)
        {
            node.Attribute.Add(value switch
            {
                int i => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = i },
                bool b => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = b ? 1 : 0 },
                string s => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8(s) },
                IEnumerable<int> list => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Ints, Ints = { list.Select(n => (long)n) } },
                GraphProto graph => new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Graph, G = graph },
                _ => throw new InvalidOperationException(value.GetType().Name),
            });
        }
        proto.Node.Add(node);
        return [.. node.Output];
    }

    /// <summary>The name of a constant.</summary>
    public string Constant(Tensor tensor, string name = "constant")
    {
        var key = GraphText.Hash(tensor) + tensor.TensorType;
        if (root.constants.TryGetValue(key, out var there))
            return there;
        var fresh = root.constants[key] = Fresh(name);
        root.proto.Initializer.Add(new TensorProto { Name = fresh, DataType = (int)tensor.Type, Dims = { tensor.Dims.ToArray() }, RawData = UnsafeByteOperations.UnsafeWrap(tensor.Bytes) });
        return fresh;
    }

    /// <summary>Integers as a constant vector.</summary>
    public string Vector(params ReadOnlySpan<long> values) => Constant(Tensor.Vector(values));

    /// <summary>A size, as a vector of one Int64.</summary>
    public string Size(Dim size)
    {
        if (size.Value is { } known)
            return Vector(known);
        for (var scope = this; scope is not null; scope = scope.outer)
        {
            if (scope.sizes.TryGetValue(size.ToString(), out var there))
                return there;
        }
        return sizes[size.ToString()] = size.SymbolName is { } symbol
            ? (Symbol(symbol) ?? throw new SoftmodelException($"nothing says how large {symbol} is"))()
            : size.Compute(n => Vector(n), s => Size(Dim.Symbol(s)), (kind, a, b) => kind switch
            {
                "add" => Apply("Add", [a, b]),
                "multiply" => Apply("Mul", [a, b]),
                "max" => Apply("Max", [a, b]),
                // Div truncates; what remains by Mod has the divisor's sign.
                "floordiv" => Apply("Div", [Apply("Sub", [a, Apply("Mod", [a, b])]), b]),
                _ => Apply("Where", [Apply("Equal", [a, Vector(1)]), b, a]),
            });
    }

    /// <summary>Sizes as a vector of Int64.</summary>
    public string Sizes(IReadOnlyList<Dim> dims)
    {
        if (dims.All(d => d.IsKnown))
            return Vector([.. dims.Select(d => d.Value!.Value)]);
        return dims.Count == 1 ? Size(dims[0]) : Apply("Concat", [.. dims.Select(Size)], ("axis", 0));
    }

    /// <summary>A size as a scalar.</summary>
    public string Scalar(Dim size) => size.Value is { } known ? Constant(Tensor.Scalar(known)) : Apply("Squeeze", [Size(size), Vector(0)]);

    string[] Bind(Op.Bind bind, string x)
    {
        for (var i = 0; i < bind.Symbols.Count; i++)
        {
            var at = i;
            symbols[bind.Symbols[i]] = () => Apply("Gather", [Apply("Reshape", [x, Vector(-1)]), Vector(at)]);
        }
        return [];
    }

    string[] If(Op.If branch, string[] x, EquatableArray<Value> operands)
    {
        GraphProto Branch(Graph graph, int from)
        {
            var inner = new OnnxWriter(this);
            for (var i = 0; i < graph.Inputs.Count; i++)
                inner.names[graph.Inputs[i]] = x[from + i];
            return inner.Body(graph);
        }
        var condition = operands[0].Rank == 0 ? x[0] : Apply("Reshape", [x[0], Vector()]);
        return ApplyAll("If", [condition], branch.Then.Outputs.Count, ("then_branch", Branch(branch.Then, 1)), ("else_branch", Branch(branch.Else, 1 + branch.Then.Inputs.Count)));
    }

    string[] Loop(Op.Loop loop, string[] x, EquatableArray<Value> operands)
    {
        string AsScalar(int i) => operands[i].Rank == 0 ? x[i] : Apply("Reshape", [x[i], Vector()]);
        var inner = new OnnxWriter(this);
        var (body, carried) = (loop.Body, loop.Carried);
        var iteration = Fresh("iteration");
        inner.proto.Input.Add(Info(iteration, new(ElementType.Int64, Shape.Scalar)));
        inner.names[body.Inputs[0]] = body.Inputs[0].Rank == 0 ? iteration : inner.Apply("Reshape", [iteration, Vector(1)]);
        inner.proto.Input.Add(Info(Fresh("go_on"), new(ElementType.Bool, Shape.Scalar)));
        for (var i = 0; i < carried; i++)
            inner.Input(body.Inputs[i + 1], Fresh(body.Inputs[i + 1].Name));
        for (var i = carried + 1; i < body.Inputs.Count; i++)
            inner.names[body.Inputs[i]] = x[i + 1];
        return ApplyAll("Loop", [AsScalar(0), AsScalar(1), .. x[2..(2 + carried)]], body.Outputs.Count - 1, ("body", inner.Body(body)));
    }

    GraphProto Body(Graph graph)
    {
        Nodes(graph);
        foreach (var (value, name) in graph.Outputs.Zip(graph.OutputNames))
            Output(value, Fresh(name));
        proto.Name = Fresh(graph.Name);
        return proto;
    }
}
