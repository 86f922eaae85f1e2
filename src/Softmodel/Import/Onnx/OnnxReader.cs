using System.Text;

namespace Softmodel.Import.Onnx;

/// <summary>Turns the bytes of a model into records, checking as it goes; field numbers are those of <c>onnx.proto</c>.</summary>
internal sealed class OnnxReader(string path, ReadOnlyMemory<byte> file, ExternalData external)
{
    /// <summary>Bodies within bodies; real models have up to 4.</summary>
    const int DeepestBody = 32;

    /// <summary>Sequences of optionals of ...; real models have up to 3.</summary>
    const int DeepestType = 8;

    /// <summary>
    /// Nodes, values and tensors together: a record takes some 30 times the bytes that a hostile file spends on it. The
    /// largest model of the zoos has 40,000.
    /// </summary>
    const int MostRecords = 2_000_000;

    /// <summary>Names of sizes go into expressions and into C#, which allows about 1,000 letters.</summary>
    const int LongestSymbol = 500;

    static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    static readonly IReadOnlyDictionary<string, OnnxAttribute> NoAttributes = new Dictionary<string, OnnxAttribute>();

    readonly List<(string Kind, int Index, string Name)> places = [];
    int records, bodies;

    /// <summary>Reads the whole file as a model.</summary>
    /// <exception cref="SoftmodelException">It is damaged or no ONNX model; says where.</exception>
    public OnnxModel ReadModel() => Guarded(() => Model(Whole));

    /// <summary>Reads the whole file as one tensor, as test data is stored.</summary>
    /// <inheritdoc cref="ReadModel" path="/exception"/>
    public OnnxTensor ReadTensor() => Guarded(() => Tensor(Whole, 0));

    WireReader Whole => new(file.Span, 0, file.Length);

    T Guarded<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (WireException e)
        {
            throw Fault($"{e.Message} (byte {e.Offset})", "the file is damaged or no ONNX file: fetch or export it again");
        }
    }

    SoftmodelException Fault(string what, string remedy = "the file is damaged: fetch or export it again") =>
        new($"{path}: {string.Concat(places.Select(p => $"{p.Kind} {(p.Name.Length > 0 ? $"'{p.Name}'" : $"number {p.Index}")}: "))}{what}; {remedy}");

    void Enter(string kind, int index)
    {
        if (++records > MostRecords)
            throw Fault($"there are more than {MostRecords} nodes, values and tensors", "no real model has so many");
        places.Add((kind, index, ""));
    }

    void Named(string name) => places[^1] = places[^1] with { Name = name.Length > 100 ? $"{name[..100]}..." : name };

    void Leave() => places.RemoveAt(places.Count - 1);

    string Text(ref WireReader wire)
    {
        var (start, length) = wire.Bytes();
        try
        {
            return Strict.GetString(file.Span.Slice(start, length));
        }
        catch (DecoderFallbackException)
        {
            throw new WireException(start, "a name is not UTF-8");
        }
    }

    /// <summary>The text of an attribute or element, which may hold any bytes.</summary>
    string LooseText(ref WireReader wire)
    {
        var (start, length) = wire.Bytes();
        return Encoding.UTF8.GetString(file.Span.Slice(start, length));
    }

    static string DomainOf(string domain) => domain == "ai.onnx" ? "" : domain;

    OnnxModel Model(WireReader wire)
    {
        var (version, producer, producerVersion) = (0L, "", "");
        var opsets = new Dictionary<string, long>();
        var functions = new Dictionary<OnnxOperator, OnnxFunction>();
        var metadata = new Dictionary<string, string>();
        OnnxGraph? graph = null;
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: version = wire.Varint(); break;
                case 2: producer = LooseText(ref wire); break;
                case 3: producerVersion = LooseText(ref wire); break;
                case 7:
                    if (graph is not null)
                        throw Fault("there are two main graphs");
                    graph = Graph(wire.Message(), "graph", 0);
                    break;
                case 8: Opset(wire.Message(), opsets); break;
                case 14:
                    var (key, value) = Pair(wire.Message());
                    metadata[key] = value;
                    break;
                case 25:
                    var function = Function(wire.Message(), functions.Count);
                    if (!functions.TryAdd(function.Operator, function))
                        throw Fault($"function '{function.Operator}' is defined twice");
                    break;
                default: wire.Skip(); break;
            }
        }
        if (graph is null)
            throw Fault("there is no graph in it", "it is no ONNX model, or a damaged one: fetch or export it again");
        if (opsets.Count == 0)
            throw Fault("it names no operator set (opset_import)", "the file is damaged or older than 2017: export it again");
        OnnxNames.CheckFunctions(functions, Fault);
        return new(path, version, $"{producer} {producerVersion}".Trim(), opsets, OnnxNames.Order(graph, Fault), functions, metadata);
    }

    void Opset(WireReader wire, Dictionary<string, long> opsets)
    {
        var (domain, version) = ("", 0L);
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: domain = DomainOf(Text(ref wire)); break;
                case 2: version = wire.Varint(); break;
                default: wire.Skip(); break;
            }
        }
        if (version is < 1 or > 1_000_000)
            throw Fault($"operator set '{domain}' has version {version}");
        if (!opsets.TryAdd(domain, version) && opsets[domain] != version)
            throw Fault($"operator set '{domain}' is named with the versions {opsets[domain]} and {version}");
    }

    (string Key, string Value) Pair(WireReader wire)
    {
        var (key, value) = ("", "");
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: key = LooseText(ref wire); break;
                case 2: value = LooseText(ref wire); break;
                default: wire.Skip(); break;
            }
        }
        return (key, value);
    }

    OnnxFunction Function(WireReader wire, int index)
    {
        Enter("function", index);
        var (domain, name, overload) = ("", "", "");
        List<string> inputs = [], outputs = [], attributes = [];
        var defaults = new Dictionary<string, OnnxAttribute>();
        var opsets = new Dictionary<string, long>();
        var nodes = new List<OnnxNode>();
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: Named(name = Text(ref wire)); break;
                case 4: inputs.Add(Text(ref wire)); break;
                case 5: outputs.Add(Text(ref wire)); break;
                case 6: attributes.Add(Text(ref wire)); break;
                case 7: nodes.Add(Node(wire.Message(), nodes.Count)); break;
                case 9: Opset(wire.Message(), opsets); break;
                case 10: domain = DomainOf(Text(ref wire)); break;
                case 11: Attribute(wire.Message(), defaults); break;
                case 13: overload = Text(ref wire); break;
                default: wire.Skip(); break;
            }
        }
        if (name.Length == 0)
            throw Fault("it has no name");
        var function = OnnxNames.Order(new OnnxFunction(new(domain, name, overload), inputs, outputs, attributes, defaults, nodes, opsets), Fault);
        Leave();
        return function;
    }

    OnnxGraph Graph(WireReader wire, string kind, int index)
    {
        Enter(kind, index);
        if (++bodies > DeepestBody)
            throw Fault($"more than {DeepestBody} bodies lie within one another", "no real model does that");
        var name = "";
        var nodes = new List<OnnxNode>();
        List<OnnxValue> inputs = [], outputs = [], values = [];
        var initializers = new Dictionary<string, OnnxTensor>();
        var sparse = new Dictionary<string, OnnxSparseTensor>();
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: nodes.Add(Node(wire.Message(), nodes.Count)); break;
                case 2: Named(name = Text(ref wire)); break;
                case 5:
                    var tensor = Tensor(wire.Message(), initializers.Count);
                    if (tensor.Name.Length == 0)
                        throw Fault($"initializer number {initializers.Count} has no name");
                    if (!initializers.TryAdd(tensor.Name, tensor))
                        throw Fault($"initializer '{tensor.Name}' is defined twice");
                    break;
                case 11: inputs.Add(Value(wire.Message(), "input", inputs.Count)); break;
                case 12: outputs.Add(Value(wire.Message(), "output", outputs.Count)); break;
                case 13: values.Add(Value(wire.Message(), "value", values.Count)); break;
                case 15:
                    var constant = SparseTensor(wire.Message(), sparse.Count);
                    if (constant.Values.Name.Length == 0 || initializers.ContainsKey(constant.Values.Name) || !sparse.TryAdd(constant.Values.Name, constant))
                        throw Fault($"sparse initializer '{constant.Values.Name}' has no name of its own");
                    break;
                default: wire.Skip(); break;
            }
        }
        bodies--;
        Leave();
        return new(name, nodes, inputs, outputs, values, initializers, sparse);
    }

    OnnxNode Node(WireReader wire, int index)
    {
        Enter("node", index);
        var (name, op, domain, overload) = ("", "", "", "");
        List<string> inputs = [], outputs = [];
        Dictionary<string, OnnxAttribute>? attributes = null;
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: inputs.Add(Text(ref wire)); break;
                case 2: outputs.Add(Text(ref wire)); break;
                case 3: Named(name = Text(ref wire)); break;
                case 4: op = Text(ref wire); break;
                case 5: Attribute(wire.Message(), attributes ??= []); break;
                case 7: domain = DomainOf(Text(ref wire)); break;
                case 8: overload = Text(ref wire); break;
                default: wire.Skip(); break;
            }
        }
        if (op.Length == 0)
            throw Fault("it names no operator");
        Leave();
        return new(name, new(domain, op, overload), inputs, outputs, attributes ?? NoAttributes);
    }

    void Attribute(WireReader wire, Dictionary<string, OnnxAttribute> to)
    {
        Enter("attribute", to.Count);
        var (name, reference, text) = ("", "", "");
        var kind = 0L;
        var (real, whole) = (0f, 0L);
        OnnxTensor? tensor = null;
        OnnxSparseTensor? sparse = null;
        OnnxGraph? graph = null;
        OnnxType? type = null;
        List<float> floats = [];
        List<long> ints = [];
        List<string> strings = [];
        List<OnnxTensor> tensors = [];
        List<OnnxGraph> graphs = [];
        var filled = OnnxAttributeKind.None;
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: Named(name = Text(ref wire)); continue;
                case 20: kind = wire.Varint(); continue;
                case 21: reference = Text(ref wire); continue;
                case 2: real = wire.Float(); filled = OnnxAttributeKind.Float; break;
                case 3: whole = wire.Varint(); filled = OnnxAttributeKind.Int; break;
                case 4: text = LooseText(ref wire); filled = OnnxAttributeKind.String; break;
                case 5: tensor = Tensor(wire.Message(), 0); filled = OnnxAttributeKind.Tensor; break;
                case 6: graph = Graph(wire.Message(), "body", 0); filled = OnnxAttributeKind.Graph; break;
                case 7: wire.Floats(floats); filled = OnnxAttributeKind.Floats; break;
                case 8: wire.Varints(ints); filled = OnnxAttributeKind.Ints; break;
                case 9: strings.Add(LooseText(ref wire)); filled = OnnxAttributeKind.Strings; break;
                case 10: tensors.Add(Tensor(wire.Message(), tensors.Count)); filled = OnnxAttributeKind.Tensors; break;
                case 11: graphs.Add(Graph(wire.Message(), "body", graphs.Count)); filled = OnnxAttributeKind.Graphs; break;
                case 14: type = Type(wire.Message(), 0); filled = OnnxAttributeKind.Type; break;
                case 22: sparse = SparseTensor(wire.Message(), 0); filled = OnnxAttributeKind.SparseTensor; break;
                default: wire.Skip(); break;
            }
        }
        // Files before IR version 2 leave the type out; a list that says its type may be empty.
        var said = kind == 0 ? filled : (OnnxAttributeKind)kind;
        if (!Enum.IsDefined(said) || kind is < 0 or > (long)OnnxAttributeKind.Types)
            throw Fault($"it has type {kind}, which ONNX does not know");
        var missing = said switch
        {
            OnnxAttributeKind.Tensor => tensor is null,
            OnnxAttributeKind.SparseTensor => sparse is null,
            OnnxAttributeKind.Graph => graph is null,
            OnnxAttributeKind.Type => type is null,
            _ => false,
        };
        if (name.Length == 0)
            throw Fault("it has no name");
        if (missing && reference.Length == 0)
            throw Fault($"it should hold a value of type {said}, but does not");
        var attribute = new OnnxAttribute(name, said)
        {
            Float = real,
            Int = whole,
            String = text,
            Tensor = tensor,
            SparseTensor = sparse,
            Graph = graph,
            Type = type,
            Floats = floats,
            Ints = ints,
            Strings = strings,
            Tensors = tensors,
            Graphs = graphs,
            Reference = reference,
        };
        Leave();
        if (!to.TryAdd(name, attribute))
            throw Fault($"attribute '{name}' is given twice");
    }

    OnnxValue Value(WireReader wire, string kind, int index)
    {
        Enter(kind, index);
        var name = "";
        OnnxType? type = null;
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: Named(name = Text(ref wire)); break;
                case 2: type = Type(wire.Message(), 0); break;
                default: wire.Skip(); break;
            }
        }
        Leave();
        return new(name, type);
    }

    OnnxType? Type(WireReader wire, int depth)
    {
        if (depth > DeepestType)
            throw Fault($"its type holds more than {DeepestType} types within one another", "no real model does that");
        OnnxType? type = null;
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: type = TensorType(wire.Message(), OnnxTypeKind.Tensor); break;
                case 8: type = TensorType(wire.Message(), OnnxTypeKind.SparseTensor); break;
                case 4: type = Holder(wire.Message(), OnnxTypeKind.Sequence, depth); break;
                case 5: type = Holder(wire.Message(), OnnxTypeKind.Map, depth); break;
                case 9: type = Holder(wire.Message(), OnnxTypeKind.Optional, depth); break;
                default: wire.Skip(); break;
            }
        }
        return type;
    }

    OnnxType TensorType(WireReader wire, OnnxTypeKind kind)
    {
        var element = Wire.TensorProto.Types.DataType.Undefined;
        List<OnnxDim>? dims = null;
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: element = ElementType(wire.Varint()); break;
                case 2:
                    dims = [];
                    var shape = wire.Message();
                    while (shape.Next())
                    {
                        if (shape.Field == 1)
                            dims.Add(Dim(shape.Message()));
                        else
                            shape.Skip();
                    }
                    if (dims.Count > TensorBytes.MostAxes)
                        throw Fault($"its shape has {dims.Count} axes");
                    break;
                default: wire.Skip(); break;
            }
        }
        return new(kind, element, dims, null);
    }

    OnnxDim Dim(WireReader wire)
    {
        var dim = new OnnxDim();
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1:
                    var value = wire.Varint();
                    // Some exporters write -1 for a size that they do not know.
                    if (value < -1)
                        throw Fault($"it has a size of {value}");
                    dim = new(value < 0 ? null : value, null);
                    break;
                case 2:
                    var symbol = Text(ref wire);
                    if (symbol.Length > LongestSymbol)
                        throw Fault($"it has a size whose name is {symbol.Length} letters long");
                    dim = new(null, symbol.Length > 0 ? symbol : null);
                    break;
                default: wire.Skip(); break;
            }
        }
        return dim;
    }

    OnnxType Holder(WireReader wire, OnnxTypeKind kind, int depth)
    {
        var key = Wire.TensorProto.Types.DataType.Undefined;
        OnnxType? item = null;
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1 when kind == OnnxTypeKind.Map: key = ElementType(wire.Varint()); break;
                case 1: item = Type(wire.Message(), depth + 1); break;
                case 2 when kind == OnnxTypeKind.Map: item = Type(wire.Message(), depth + 1); break;
                default: wire.Skip(); break;
            }
        }
        return new(kind, key, null, item);
    }

    Wire.TensorProto.Types.DataType ElementType(long number) =>
        number is >= 0 and <= int.MaxValue && Enum.IsDefined((Wire.TensorProto.Types.DataType)number)
            ? (Wire.TensorProto.Types.DataType)number
            : throw Fault($"{number} is no element type");

    OnnxSparseTensor SparseTensor(WireReader wire, int index)
    {
        Enter("sparse tensor", index);
        OnnxTensor? values = null, indices = null;
        List<long> dims = [];
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: Named((values = Tensor(wire.Message(), 0)).Name); break;
                case 2: indices = Tensor(wire.Message(), 1); break;
                case 3: wire.Varints(dims); break;
                default: wire.Skip(); break;
            }
        }
        if (values is null || indices is null)
            throw Fault("it lacks its values or its indices");
        var sparse = new OnnxSparseTensor(values, indices, dims);
        if (TensorBytes.WrongSparse(sparse) is { } wrong)
            throw Fault(wrong);
        Leave();
        return sparse;
    }

    OnnxTensor Tensor(WireReader wire, int index)
    {
        Enter("tensor", index);
        var stored = new StoredTensor();
        List<(string, string)> pairs = [];
        while (wire.Next())
        {
            switch (wire.Field)
            {
                case 1: wire.Varints(stored.Dims); break;
                case 2: stored.Type = ElementType(wire.Varint()); break;
                case 3: throw Fault("it is stored in segments, which no program writes", "export the model again");
                case 4: stored.Add(StoredIn.Floats, wire.Numbers(4)); break;
                case 5: stored.Add(StoredIn.Ints, wire.Numbers(0)); break;
                case 6: stored.Add(StoredIn.Strings, wire.Bytes()); break;
                case 7: stored.Add(StoredIn.Longs, wire.Numbers(0)); break;
                case 8: Named(stored.Name = Text(ref wire)); break;
                case 9: stored.Add(StoredIn.Raw, wire.Bytes()); break;
                case 10: stored.Add(StoredIn.Doubles, wire.Numbers(8)); break;
                case 11: stored.Add(StoredIn.ULongs, wire.Numbers(0)); break;
                case 13: pairs.Add(Pair(wire.Message())); break;
                case 14: stored.IsExternal = wire.Varint() == (long)Wire.TensorProto.Types.DataLocation.External; break;
                default: wire.Skip(); break;
            }
        }
        var tensor = TensorBytes.Read(stored, file, pairs, external, what => Fault(what));
        Leave();
        return tensor;
    }
}
