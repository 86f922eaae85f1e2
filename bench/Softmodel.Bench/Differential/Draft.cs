using System.Globalization;
using Google.Protobuf;
using Softmodel.Graphs;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Runtime;
using AttributeType = Softmodel.Import.Onnx.Wire.AttributeProto.Types.AttributeType;

namespace Softmodel.Bench.Differential;

/// <summary>What numbers a tensor is filled with.</summary>
enum Numbers
{
    /// <summary>From -4 to 4, whole in half of the tensors.</summary>
    Small,

    /// <summary>From -4 to 4, whole.</summary>
    Whole,

    /// <summary>The whole range of the type, with infinities, NaN and both zeros.</summary>
    Any,

    /// <summary>Above 0, up to 4.</summary>
    Positive,

    /// <summary>From 0 to 1.</summary>
    Unit,

    /// <summary>From -4 to 4, none 0, whole.</summary>
    Nonzero,
}

/// <summary>What a model says of the sizes of its inputs.</summary>
enum Openness
{
    /// <summary>All of them.</summary>
    Known,

    /// <summary>Each has a symbol of its own.</summary>
    Own,

    /// <summary>Sizes that are equal share a symbol.</summary>
    Shared,

    /// <summary>Some are known, and the others have symbols.</summary>
    Some,

    /// <summary>None has even a name.</summary>
    Unnamed,
}

/// <summary>A model that is being drawn, with numbers for its inputs.</summary>
sealed class Draft
{
    // What is counted and noted of all graphs is so in the outermost.
    readonly Draft root;
    readonly GraphProto graph = new() { Name = "graph" };
    readonly List<Tensor> inputs = [];
    readonly List<(string Name, ElementType Type)> results = [];
    readonly HashSet<string> read = new(StringComparer.Ordinal);
    readonly List<string> words = [];
    readonly HashSet<(string Domain, string Name)> operators = [];
    readonly Openness openness;
    int names;

    /// <summary>Begins a model.</summary>
    /// <param name="seed">The same one gives the same model.</param>
    public Draft(int seed)
    {
        (root, Random) = (this, new(seed));
        openness = One(Openness.Known, Openness.Known, Openness.Own, Openness.Shared, Openness.Some, Openness.Unnamed);
    }

    Draft(Draft outer) => (root, Random, Opset) = (outer.root, outer.Random, outer.Opset);

    bool IsBody => root != this;

    /// <summary>What everything is drawn from.</summary>
    public Random Random { get; }

    /// <summary>The operator set.</summary>
    public int Opset { get; private set; } = 21;

    /// <summary>How far a few integers may lie apart that floats, some of them on the border, are rounded to.</summary>
    public int Step { get; set; }

    /// <summary>Whether the results are random, so that only types and sizes are compared.</summary>
    public bool IsRandom { get; set; }

    /// <summary>Whether 16-bit floats occur.</summary>
    public bool HasHalves { get; private set; }

    /// <summary>The operators of all nodes, also of those in graphs within the graph.</summary>
    public IReadOnlySet<(string Domain, string Name)> Operators => operators;

    /// <summary>The numbers for the inputs, in order.</summary>
    public IReadOnlyList<Tensor> Inputs => inputs;

    /// <summary>Operators, attributes, and what they are given.</summary>
    public string Description => $"opset {Opset}, {openness.ToString().ToLowerInvariant()}: {string.Join("; ", words)}";

    /// <summary>One of some.</summary>
    public T One<T>(params ReadOnlySpan<T> of) => of[Random.Next(of.Length)];

    /// <summary>One of some element types.</summary>
    public ElementType Type(params ReadOnlySpan<ElementType> of) => One(of);

    /// <summary>Whether something of this probability happens.</summary>
    public bool Chance(double probability) => Random.NextDouble() < probability;

    /// <summary>A value, or none.</summary>
    public object? Maybe(object value, double probability = 0.5) => Chance(probability) ? value : null;

    /// <summary>From a least to a most, both included.</summary>
    public int Within(int least, int most) => Random.Next(least, most + 1);

    /// <summary>The model is of one of these operator sets.</summary>
    public int Since(params ReadOnlySpan<int> versions) => Opset = One(versions);

    /// <summary>A size; small ones most often.</summary>
    public long Size(long least = 0)
    {
        var size = One(1L, 2, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 13, 16, 17);
        return Math.Max(least, Chance(0.02) ? 0 : Chance(0.02) ? 33 : size);
    }

    /// <summary>Sizes of so many axes.</summary>
    public long[] Shape(int rank, long least = 0) => [.. Enumerable.Range(0, rank).Select(_ => rank > 3 ? Math.Min(Size(least), 5) : Size(least))];

    /// <summary>An axis, counted from either end.</summary>
    public int Axis(int rank) => Random.Next(-rank, rank);

    /// <summary>Several axes in any order, counted from either end, each once.</summary>
    public long[] Axes(int rank, int least = 1)
    {
        var all = Enumerable.Range(0, rank).ToArray();
        Random.Shuffle(all);
        return [.. all.Take(Within(Math.Min(least, rank), rank)).Select(a => (long)(Chance(0.3) ? a - rank : a))];
    }

    /// <summary>A shape that stretches to another one.</summary>
    public long[] Stretching(long[] to) => [.. to.Skip(Random.Next(to.Length + 1) * Random.Next(2)).Select(s => Chance(0.3) ? 1 : s)];

    /// <summary>A tensor.</summary>
    public Tensor Tensor(ElementType type, long[] dims, Numbers numbers = Numbers.Small)
    {
        var count = (int)Graphs.Tensor.CountOf(dims);
        if (type == ElementType.Bool)
            return Graphs.Tensor.Of(type, dims, [.. Enumerable.Range(0, count).Select(_ => (double)Random.Next(2))]);
        if (!type.IsFloat())
            return Graphs.Tensor.Of(type, dims, [.. Enumerable.Range(0, count).Select(_ => Whole(type, numbers))]);
        var whole = numbers is Numbers.Whole or Numbers.Nonzero || (numbers == Numbers.Small && Chance(0.5));
        // Without any spread there is nothing to divide by, in what quantises or normalises.
        if (Chance(0.06))
        {
            var all = numbers is Numbers.Positive or Numbers.Nonzero || Chance(0.4) ? Real(numbers, whole) : 0;
            return Graphs.Tensor.Of(type, dims, [.. Enumerable.Repeat(all, count)]);
        }
        return Graphs.Tensor.Of(type, dims, [.. Enumerable.Range(0, count).Select(_ => Real(numbers, whole))]);
    }

    long Whole(ElementType type, Numbers numbers) => numbers switch
    {
        Numbers.Any => Random.NextInt64(long.MinValue, long.MaxValue) >> Random.Next(64),
        Numbers.Positive => Random.Next(1, 5),
        Numbers.Unit => Random.Next(2),
        Numbers.Nonzero => type.IsUnsigned() ? Random.Next(1, 6) : One(-4, -3, -2, -1, 1, 2, 3, 4),
        _ => type.IsUnsigned() ? Random.Next(9) : Random.Next(-4, 5),
    };

    double Real(Numbers numbers, bool whole) => numbers switch
    {
        Numbers.Any => Random.Next(12) switch
        {
            0 => double.NaN,
            1 => double.PositiveInfinity,
            2 => double.NegativeInfinity,
            3 => 0,
            4 => -0.0,
            5 => One(-1, 1) * Math.Pow(2, Random.Next(-12, 13)),
            6 => One(-1.5, -0.5, 0.5, 1.5, 2.5),
            _ => One(-1, 1) * Math.Exp(Random.NextDouble() * 16 - 8),
        },
        Numbers.Positive => Random.NextDouble() * 3.9 + 0.1,
        Numbers.Unit => Random.NextDouble(),
        Numbers.Nonzero => One(-4, -3, -2, -1, 1, 2, 3, 4),
        _ => whole ? Random.Next(-4, 5) : Random.NextDouble() * 8 - 4,
    };

    string Fresh(string prefix) => $"{prefix}{root.names++}";

    /// <summary>An input with these numbers; what the model says of its sizes is as open as the model is.</summary>
    /// <param name="tensor">The numbers.</param>
    /// <param name="known">Whether the model says its sizes in any case: what a number of axes or taps follows from has to be known.</param>
    public string Input(Tensor tensor, bool known = false) => Input(tensor, known ? Openness.Known : openness);

    /// <summary>An input with these numbers, of which the model says as much as it is told.</summary>
    public string Input(Tensor tensor, Openness openness)
    {
        var name = Fresh("x");
        var shape = new TensorShapeProto();
        foreach (var size in tensor.Dims)
        {
            var isOpen = openness is not (Openness.Known or Openness.Unnamed) && (openness != Openness.Some || Chance(0.5));
            shape.Dim.Add(openness == Openness.Unnamed ? new TensorShapeProto.Types.Dimension()
                : isOpen ? new() { DimParam = openness == Openness.Own ? Fresh("n") : $"s{size}" } : new() { DimValue = size });
        }
        graph.Input.Add(new ValueInfoProto { Name = name, Type = new() { TensorType = new() { ElemType = (int)tensor.Type, Shape = shape } } });
        inputs.Add(tensor);
        Note(tensor.Type);
        words.Add($"{name} {tensor.Type.Name()}[{string.Join(",", shape.Dim.Zip(tensor.Dims.ToArray(), (d, s) => d.DimParam.Length > 0 ? $"{d.DimParam}={s}" : openness == Openness.Unnamed ? $"?={s}" : $"{s}"))}]");
        return name;
    }

    /// <summary>A constant of the model: an initializer, or sometimes a node.</summary>
    public string Constant(Tensor tensor)
    {
        var name = Fresh("c");
        Note(tensor.Type);
        words.Add($"{name} {tensor.Type.Name()}[{string.Join(",", tensor.Dims.ToArray())}]{(tensor.Count <= 12 ? $"={{{string.Join(",", Enumerable.Range(0, (int)tensor.Count).Select(i => tensor.Type.IsFloat() ? tensor.Float(i).ToString("R", CultureInfo.InvariantCulture) : $"{tensor.Integer(i)}"))}}}" : "")}");
        if (!IsBody && Chance(0.9))
            graph.Initializer.Add(Proto(tensor, name));
        else
            graph.Node.Add(new NodeProto { OpType = "Constant", Output = { name }, Attribute = { new AttributeProto { Name = "value", Type = AttributeType.Tensor, T = Proto(tensor, "") } } });
        return name;
    }

    void Note(ElementType type) => root.HasHalves |= type is ElementType.Float16 or ElementType.BFloat16;

    static TensorProto Proto(Tensor tensor, string name) => new() { Name = name, DataType = (int)tensor.Type, Dims = { tensor.Dims.ToArray() }, RawData = ByteString.CopyFrom(tensor.Bytes.Span) };

    /// <summary>What is computed with: an input.</summary>
    public string Data(ElementType type, long[] dims, Numbers numbers = Numbers.Small, bool known = false) => IsBody ? Constant(Tensor(type, dims, numbers)) : Input(Tensor(type, dims, numbers), known);

    /// <summary>A second operand: an input, or as weights are a constant.</summary>
    public string Weight(ElementType type, long[] dims, Numbers numbers = Numbers.Small, bool known = false) => Chance(0.6) ? Constant(Tensor(type, dims, numbers)) : Data(type, dims, numbers, known);

    /// <summary>Integers that say how to compute: a constant.</summary>
    public string Setting(params long[] values) => Constant(Graphs.Tensor.Vector<long>(values));

    /// <summary>Integers that say how to compute: a constant, or sometimes known only at run time.</summary>
    public string OpenSetting(params long[] values) => !IsBody && Chance(0.2) ? Input(Graphs.Tensor.Vector<long>(values), known: true) : Setting(values);

    /// <summary>Adds a node.</summary>
    /// <param name="type">The operator, with its domain before a colon where it is not the standard's.</param>
    /// <param name="operands">The names of its operands, empty where left out.</param>
    /// <param name="types">The element types of its results; none where it is left out.</param>
    /// <param name="attributes">Numbers, lists, texts, tensors or graphs; null where left out.</param>
    /// <returns>The names of the results; what no node reads is an output of the model.</returns>
    public string[] Node(string type, string?[] operands, ElementType[] types, params ReadOnlySpan<(string Name, object? Value)> attributes)
    {
        var (domain, name) = type.Split(':') is [var d, var n] ? (d, n) : ("", type);
        var node = new NodeProto { OpType = name, Domain = domain, Name = Fresh("node") };
        root.operators.Add((domain, name));
        var last = Array.FindLastIndex(operands, o => o is { Length: > 0 });
        node.Input.Add(operands.Take(last + 1).Select(o => o ?? ""));
        root.read.UnionWith(node.Input);
        var texts = new List<string>();
        foreach (var (key, value) in attributes)
        {
            if (value is null)
                continue;
            node.Attribute.Add(Attribute(key, value));
            texts.Add($"{key}={Text(value)}");
        }
        foreach (var result in types)
        {
            node.Output.Add(result == ElementType.None ? "" : Fresh("y"));
            if (result != ElementType.None)
                results.Add((node.Output[^1], result));
        }
        graph.Node.Add(node);
        words.Add($"{string.Join(",", node.Output)} = {name}({string.Join(",", node.Input)}){(texts.Count > 0 ? $" {string.Join(" ", texts)}" : "")}");
        return [.. node.Output];
    }

    /// <summary>Adds a node with one result.</summary>
    /// <inheritdoc cref="Node(string, string?[], ElementType[], ReadOnlySpan{ValueTuple{string, object?}})"/>
    public string Node(string type, string?[] operands, ElementType result, params ReadOnlySpan<(string Name, object? Value)> attributes) => Node(type, operands, [result], attributes)[0];

    static AttributeProto Attribute(string name, object value) => value switch
    {
        bool b => new() { Name = name, Type = AttributeType.Int, I = b ? 1 : 0 },
        int i => new() { Name = name, Type = AttributeType.Int, I = i },
        long i => new() { Name = name, Type = AttributeType.Int, I = i },
        ElementType t => new() { Name = name, Type = AttributeType.Int, I = (int)t },
        float f => new() { Name = name, Type = AttributeType.Float, F = f },
        double f => new() { Name = name, Type = AttributeType.Float, F = (float)f },
        string s => new() { Name = name, Type = AttributeType.String, S = ByteString.CopyFromUtf8(s) },
        long[] list => new() { Name = name, Type = AttributeType.Ints, Ints = { list } },
        int[] list => new() { Name = name, Type = AttributeType.Ints, Ints = { list.Select(i => (long)i) } },
        float[] list => new() { Name = name, Type = AttributeType.Floats, Floats = { list } },
        string[] list => new() { Name = name, Type = AttributeType.Strings, Strings = { list.Select(ByteString.CopyFromUtf8) } },
        Tensor tensor => new() { Name = name, Type = AttributeType.Tensor, T = Proto(tensor, "") },
        Draft body => new() { Name = name, Type = AttributeType.Graph, G = body.graph },
        _ => throw new ArgumentException($"no attribute holds a {value.GetType().Name}"),
    };

    static string Text(object value) => value switch
    {
        bool b => b ? "1" : "0",
        Array list => $"[{string.Join(",", list.Cast<object>().Select(Text))}]",
        Draft body => $"{{{string.Join("; ", body.words)}}}",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    /// <summary>Begins a graph within this one, which sees what is around it.</summary>
    public Draft Body() => new(this);

    /// <summary>What the body is given.</summary>
    public string Parameter(ElementType type, int rank)
    {
        var name = Fresh("p");
        var shape = new TensorShapeProto();
        for (var i = 0; i < rank; i++)
            shape.Dim.Add(new TensorShapeProto.Types.Dimension());
        graph.Input.Add(new ValueInfoProto { Name = name, Type = new() { TensorType = new() { ElemType = (int)type, Shape = shape } } });
        return name;
    }

    /// <summary>What the body gives, in order.</summary>
    public void Gives(string name, ElementType type)
    {
        // A result is the body's own, once.
        var own = Fresh("r");
        graph.Node.Add(new NodeProto { OpType = "Identity", Input = { name }, Output = { own } });
        root.read.Add(name);
        graph.Output.Add(new ValueInfoProto { Name = own, Type = new() { TensorType = new() { ElemType = (int)type } } });
    }

    /// <summary>The model as a file.</summary>
    public byte[] Model()
    {
        if (graph.Output.Count == 0)
            graph.Output.AddRange(results.Where(r => !read.Contains(r.Name)).Select(r => new ValueInfoProto { Name = r.Name, Type = new() { TensorType = new() { ElemType = (int)r.Type } } }));
        var model = new ModelProto { IrVersion = Opset < 19 ? 8 : Opset < 23 ? 10 : 11, ProducerName = "softmodel-differential", Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = Opset });
        model.OpsetImport.AddRange(operators.Select(o => o.Domain).Distinct().Where(d => d.Length > 0).Select(d => new OperatorSetIdProto { Domain = d, Version = 1 }));
        return model.ToByteArray();
    }
}
