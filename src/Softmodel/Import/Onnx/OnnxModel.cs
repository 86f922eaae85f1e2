using Softmodel.Graphs;
using Softmodel.Runtime;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Import.Onnx;

/// <summary>
/// An ONNX model as its file says it, checked (see <see cref="OnnxFile.Open"/>): names are defined once and before their
/// use, and every tensor has as many bytes as its sizes ask for. The domain <c>ai.onnx</c> is always the empty string.
/// </summary>
/// <param name="Path">The file it was read from.</param>
/// <param name="IrVersion">The version of the file format; 0 where the file says none.</param>
/// <param name="Producer">The program that wrote it, with its version; may be empty.</param>
/// <param name="Opsets">The version of each operator set by domain.</param>
/// <param name="Graph">What it computes.</param>
/// <param name="Functions">Operators defined by the model itself, by domain, name and overload; none calls itself.</param>
/// <param name="Metadata">What the producer noted.</param>
internal sealed record OnnxModel(
    string Path,
    long IrVersion,
    string Producer,
    IReadOnlyDictionary<string, long> Opsets,
    OnnxGraph Graph,
    IReadOnlyDictionary<OnnxOperator, OnnxFunction> Functions,
    IReadOnlyDictionary<string, string> Metadata);

/// <summary>The name of an operator.</summary>
/// <param name="Domain">Empty for the standard operators.</param>
/// <param name="Name">Such as <c>Conv</c>.</param>
/// <param name="Overload">Empty except for some functions of a model.</param>
internal readonly record struct OnnxOperator(string Domain, string Name, string Overload = "")
{
    /// <summary>For example <c>Conv</c> or <c>com.microsoft.FastGelu</c>.</summary>
    public override string ToString() => (Domain.Length > 0 ? $"{Domain}." : "") + Name + (Overload.Length > 0 ? $":{Overload}" : "");
}

/// <summary>A graph or the body of a control-flow node, which also sees the names of the graphs around it.</summary>
/// <param name="Name">Its name; may be empty.</param>
/// <param name="Nodes">In an order in which every name is defined before it is used.</param>
/// <param name="Inputs">Also the names of initializers in old files: those are defaults, not inputs to ask for.</param>
/// <param name="Outputs">Its results.</param>
/// <param name="Values">Types noted for inner values.</param>
/// <param name="Initializers">Constants by name.</param>
/// <param name="SparseInitializers">Sparse constants by name; <see cref="OnnxSparseTensor.ToDense"/> makes a tensor of one.</param>
internal sealed record OnnxGraph(
    string Name,
    IReadOnlyList<OnnxNode> Nodes,
    IReadOnlyList<OnnxValue> Inputs,
    IReadOnlyList<OnnxValue> Outputs,
    IReadOnlyList<OnnxValue> Values,
    IReadOnlyDictionary<string, OnnxTensor> Initializers,
    IReadOnlyDictionary<string, OnnxSparseTensor> SparseInitializers)
{
    /// <summary>All nodes, those of bodies too.</summary>
    public IEnumerable<OnnxNode> AllNodes() =>
        Nodes.SelectMany(n => n.Attributes.Values.SelectMany(a => a.Graph is null ? a.Graphs : [.. a.Graphs, a.Graph]).SelectMany(g => g.AllNodes()).Prepend(n));
}

/// <summary>An operator applied to values.</summary>
/// <param name="Name">Its name; may be empty.</param>
/// <param name="Operator">What it computes.</param>
/// <param name="Inputs">Names of values; an optional input left out is empty.</param>
/// <param name="Outputs">Names of values; an output left out is empty.</param>
/// <param name="Attributes">By name.</param>
internal sealed record OnnxNode(
    string Name,
    OnnxOperator Operator,
    IReadOnlyList<string> Inputs,
    IReadOnlyList<string> Outputs,
    IReadOnlyDictionary<string, OnnxAttribute> Attributes)
{
    /// <summary>How errors call it: <c>Conv 'encoder/conv1'</c>.</summary>
    public string Title => $"{Operator} '{(Name.Length > 0 ? Name : Outputs.FirstOrDefault(o => o.Length > 0) ?? "")}'";
}

/// <summary>What an attribute holds; the numbers are those of ONNX's <c>AttributeProto.AttributeType</c>.</summary>
internal enum OnnxAttributeKind
{
    None = 0, Float = 1, Int = 2, String = 3, Tensor = 4, Graph = 5, Floats = 6, Ints = 7, Strings = 8, Tensors = 9, Graphs = 10,
    SparseTensor = 11, SparseTensors = 12, Type = 13, Types = 14,
}

/// <summary>A named constant of a node. Only the member that <see cref="Kind"/> names is filled.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">Which member holds the value.</param>
internal sealed record OnnxAttribute(string Name, OnnxAttributeKind Kind)
{
    public float Float { get; init; }
    public long Int { get; init; }
    public string String { get; init; } = "";
    public OnnxTensor? Tensor { get; init; }
    public OnnxSparseTensor? SparseTensor { get; init; }
    public OnnxGraph? Graph { get; init; }
    public OnnxType? Type { get; init; }
    public IReadOnlyList<float> Floats { get; init; } = [];
    public IReadOnlyList<long> Ints { get; init; } = [];
    public IReadOnlyList<string> Strings { get; init; } = [];
    public IReadOnlyList<OnnxTensor> Tensors { get; init; } = [];
    public IReadOnlyList<OnnxGraph> Graphs { get; init; } = [];

    /// <summary>In the body of a function: the attribute of the calling node whose value this one takes; else empty.</summary>
    public string Reference { get; init; } = "";
}

/// <summary>A named value and its type where the file says it.</summary>
internal sealed record OnnxValue(string Name, OnnxType? Type);

/// <summary>What kind of value a name stands for.</summary>
internal enum OnnxTypeKind { Tensor, SparseTensor, Sequence, Optional, Map }

/// <summary>The type of a value.</summary>
/// <param name="Kind">Tensor, or what holds tensors.</param>
/// <param name="Element">The element type of a tensor, or the key type of a map.</param>
/// <param name="Dims">The sizes of a tensor, or null where even the rank is not said.</param>
/// <param name="Item">What a sequence, optional or map holds.</param>
internal sealed record OnnxType(OnnxTypeKind Kind, DataType Element, IReadOnlyList<OnnxDim>? Dims, OnnxType? Item);

/// <summary>A size: a number (not negative), a symbol, or neither where it is not said.</summary>
internal readonly record struct OnnxDim(long? Value, string? Symbol);

/// <summary>An operator defined by the model, to be inlined where it is called.</summary>
/// <param name="Operator">Its name.</param>
/// <param name="Inputs">Names inside; a caller may leave trailing ones out.</param>
/// <param name="Outputs">Names inside.</param>
/// <param name="Attributes">Attributes without a default.</param>
/// <param name="Defaults">Attributes with one.</param>
/// <param name="Nodes">In an order in which every name is defined before it is used.</param>
/// <param name="Opsets">The operator sets its nodes mean.</param>
internal sealed record OnnxFunction(
    OnnxOperator Operator,
    IReadOnlyList<string> Inputs,
    IReadOnlyList<string> Outputs,
    IReadOnlyList<string> Attributes,
    IReadOnlyDictionary<string, OnnxAttribute> Defaults,
    IReadOnlyList<OnnxNode> Nodes,
    IReadOnlyDictionary<string, long> Opsets);

/// <summary>A constant tensor, usually lying in the mapped file.</summary>
/// <param name="Name">Its name; may be empty.</param>
/// <param name="Type">Its element type, which need not be one that the compiler computes with.</param>
/// <param name="Dims">Its sizes, none negative.</param>
/// <param name="Bytes">Row-major, little-endian; two or four to a byte for 4- and 2-bit types; empty for text.</param>
/// <param name="Text">The elements of a tensor of text, else null.</param>
internal sealed record OnnxTensor(string Name, DataType Type, IReadOnlyList<long> Dims, ReadOnlyMemory<byte> Bytes, IReadOnlyList<string>? Text = null)
{
    /// <summary>The tensor for the compiler; nothing is copied.</summary>
    /// <exception cref="SoftmodelException">The compiler does not compute with the type: text, complex, 8-bit and narrower numbers in float or 4-bit formats.</exception>
    public Tensor ToTensor() => ElementOf(Type) is { } type and not ElementType.String
        ? new(type, [.. Dims], Bytes)
        : throw new SoftmodelException($"tensor '{Name}' is of {Type}, which Softmodel does not compute with");

    /// <summary>The compiler's element type for a type in a file, or null where it has none.</summary>
    public static ElementType? ElementOf(DataType type) =>
        type is >= DataType.Float and <= DataType.Uint64 or DataType.Bfloat16 ? (ElementType)type : null;
}

/// <summary>A constant of which most elements are zero.</summary>
/// <param name="Values">The others, of rank 1; its name is the constant's.</param>
/// <param name="Indices">Where they lie: Int64, [N] positions in row-major order or [N, rank] coordinates, all inside.</param>
/// <param name="Dims">The sizes of the whole.</param>
internal sealed record OnnxSparseTensor(OnnxTensor Values, OnnxTensor Indices, IReadOnlyList<long> Dims)
{
    /// <summary>The most bytes that a dense copy may take: far more than any real one, far less than a machine.</summary>
    const long MostBytes = 1 << 28;

    /// <summary>The whole tensor, zeros written out.</summary>
    /// <exception cref="SoftmodelException">The type is none of the compiler's, or the whole would be larger than 256 MiB.</exception>
    public OnnxTensor ToDense()
    {
        var values = Values.ToTensor();
        var (size, count) = (values.Type.Size(), Tensor.CountOf([.. Dims]));
        if ((Int128)count * size > MostBytes)
            throw new SoftmodelException($"sparse tensor '{Values.Name}' would take {(Int128)count * size} bytes when its zeros are written out; export it in parts");
        var from = values.Bytes.Span;
        var to = new byte[count * size];
        for (var i = 0; i < values.Count; i++)
            from.Slice(i * size, size).CopyTo(to.AsSpan(checked((int)Position(i)) * size));
        return new(Values.Name, Values.Type, Dims, to);
    }

    /// <summary>Where an element lies in row-major order.</summary>
    internal long Position(int element)
    {
        var indices = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(Indices.Bytes.Span);
        if (Indices.Dims.Count == 1)
            return indices[element];
        var position = 0L;
        for (var axis = 0; axis < Dims.Count; axis++)
            position = position * Dims[axis] + indices[element * Dims.Count + axis];
        return position;
    }
}
