using System.Globalization;
using System.Security.Cryptography;
using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>
/// The text form of graphs, a line for each input, operation and output:
/// <code>
/// graph example
///   input x: Float32[1,T]
///   w: Float32[2] = parameter {0.5,-1}
///   y: Float32[T] = contract(x, w) equation=it,i->t   # Gemm fc1
///   output logits = y
/// end
/// </code>
/// A line <c>positive T</c> after the first names the sizes that must be at least 1. Graphs within an operation follow its line, further to the right. What stands after <c>#</c> is the node of the model
/// that the operation came from. Of values that have the same name, the second is written <c>name'2</c>. Constants and
/// parameters of more than 16 elements are referred to by the SHA-256 of their bytes; a parameter that may change is written
/// with <c>frozen=false</c>, and the format of one that is stored in blocks with <c>format=Q4_0</c>. Where a person writes
/// <c>parameter normal(0.02)</c>, elements are drawn from a normal distribution, the same each time.
/// </summary>
public static class GraphText
{
    const int MostInline = 16;

    /// <summary>What stands after the elements of a parameter that may change.</summary>
    internal const string Open = " frozen=false";

    /// <summary>The text form.</summary>
    public static string Write(Graph graph)
    {
        var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        Write(graph, text);
        return text.ToString();
    }

    /// <summary>Writes the text form.</summary>
    public static void Write(Graph graph, TextWriter to) => Write(graph, to, "");

    static void Write(Graph graph, TextWriter to, string space)
    {
        var names = new Dictionary<Value, string>();
        var taken = new Dictionary<string, int>(StringComparer.Ordinal);
        string New(Value value)
        {
            var plain = Names.Write(value.Name);
            var number = taken[plain] = taken.GetValueOrDefault(plain) + 1;
            names[value] = number == 1 ? plain : $"{plain}'{number}";
            return $"{names[value]}: {value.Type}";
        }
        void Line(string line) => to.Write($"{space}{line}\n");
        Line($"graph {Names.Write(graph.Name)}");
        if (graph.Positive.Count > 0)
            Line($"  positive {string.Join(", ", graph.Positive)}");
        foreach (var input in graph.Inputs)
            Line($"  input {New(input)}");
        foreach (var node in graph.Nodes)
        {
            var operands = node.Op.Stored is { } tensor ? $" {Contents(tensor)}{(node.Op is Op.Parameter { Format: { } format } ? $" format={format}" : "")}{(node.Op is Op.Parameter { IsFrozen: false } ? Open : "")}" : $"({string.Join(", ", node.Inputs.Select(v => names[v]))})";
            var results = string.Join(", ", node.Outputs.Select(New));
            var source = From(node.Origin) is { Length: > 0 } from ? $"   # {from}" : "";
            Line($"  {results}{(results.Length > 0 ? " = " : "")}{OpForms.NameOf(node.Op)}{operands}{OpForms.Attributes(node.Op)}{source}");
            foreach (var body in node.Bodies)
                Write(body, to, $"{space}    ");
        }
        foreach (var (name, value) in graph.OutputNames.Zip(graph.Outputs))
            Line($"  output {Names.Write(name)} = {names[value]}");
        foreach (var (input, output) in graph.States)
            Line($"  state {input} = {output}   # {names[graph.Inputs[input]]} is {Names.Write(graph.OutputNames[output])} of the run before");
        Line("end");
    }

    /// <summary>The node of the model, and in brackets before it what its name does not tell.</summary>
    static string From(Origin origin)
    {
        var node = origin.Node.ReplaceLineEndings(" ").Trim();
        var told = Origin.Of(node);
        string[] untold =
        [
            .. origin.Layer == told.Layer ? (string[])[] : [$"layer={origin.Layer}"],
            .. origin.Role == told.Role ? (string[])[] : [$"role={Roles.NameOf(origin.Role)}"],
            .. origin.Scope == told.Scope ? (string[])[] : [$"scope={Names.Write(string.Join('/', origin.Scope))}"],
        ];
        return untold.Length == 0 ? node : $"[{string.Join(' ', untold)}] {node}".TrimEnd();
    }

    /// <summary>The elements of a tensor, where they are few, or its hash.</summary>
    internal static string Contents(Tensor tensor)
    {
        if (tensor.Count <= MostInline)
        {
            var inline = $"{{{string.Join(",", Enumerable.Range(0, (int)tensor.Count).Select(i => Number(tensor, i)))}}}";
            // What numbers do not tell apart, such as one NaN from another, is told apart by its hash.
            if (Inline(tensor.TensorType, inline).SameAs(tensor))
                return inline;
        }
        return Hash(tensor);
    }

    internal static string Number(Tensor tensor, int index) => tensor.Type switch
    {
        ElementType.Float32 or ElementType.BFloat16 => ((float)tensor.Float(index)).ToString("R", CultureInfo.InvariantCulture),
        ElementType.Float16 => ((Half)tensor.Float(index)).ToString("R", CultureInfo.InvariantCulture),
        ElementType.Float64 => tensor.Float(index).ToString("R", CultureInfo.InvariantCulture),
        ElementType.UInt64 => ((ulong)tensor.Integer(index)).ToString(CultureInfo.InvariantCulture),
        _ => tensor.Integer(index).ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>How a constant is referred to: <c>sha256:</c> and the hash of its bytes.</summary>
    public static string Hash(Tensor tensor) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(tensor.Bytes.Span))}";

    /// <summary>The tensor of a type that <see cref="Contents"/> refers to; null where there is none of such a hash.</summary>
    internal static Tensor? Tensor(TensorType type, string contents, Func<string, Tensor?> weight)
    {
        if (contents.StartsWith('{') && contents.EndsWith('}'))
            return Inline(type, contents);
        // The hash is that of the bytes alone.
        return weight(contents) is not { } tensor ? null
            : new(type.Element, type.Shape.Known ?? throw new FormatException($"a constant of {type} does not have sizes that are numbers"), tensor.Bytes);
    }

    internal static Tensor Inline(TensorType type, string text)
    {
        var items = text[1..^1].Split(',', StringSplitOptions.RemoveEmptyEntries);
        var dims = type.Shape.Known ?? throw new FormatException($"a constant of {type} does not have sizes that are numbers");
        if (type.Element.IsFloat())
            return Graphs.Tensor.Of(type.Element, dims, Array.ConvertAll(items, s => Real(type.Element, s)));
        return Graphs.Tensor.Of(type.Element, dims, Array.ConvertAll(items, s => type.Element == ElementType.UInt64 ? (long)ulong.Parse(s, CultureInfo.InvariantCulture) : long.Parse(s, CultureInfo.InvariantCulture)));
    }

    static double Real(ElementType type, string text) => type switch
    {
        ElementType.Float64 => double.Parse(text, CultureInfo.InvariantCulture),
        ElementType.Float16 => (double)Half.Parse(text, CultureInfo.InvariantCulture),
        _ => float.Parse(text, CultureInfo.InvariantCulture),
    };

    /// <summary>Reads the text form.</summary>
    /// <param name="text">What <see cref="Write(Graph)"/> wrote, or a person.</param>
    /// <param name="weight">A tensor of the bytes that a hash refers to, whatever its type; or null where there is none.</param>
    /// <exception cref="SoftmodelException">The text is not of that form; the message says in which line. Or the graph is not valid.</exception>
    public static Graph Read(string text, Func<string, Tensor?>? weight = null) => new GraphReader(text, weight ?? (_ => null)).Read();
}
