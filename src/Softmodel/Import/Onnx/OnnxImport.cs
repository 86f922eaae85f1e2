using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx;

/// <summary>Makes a core graph of an ONNX model.</summary>
internal static class OnnxImport
{
    /// <summary>Imports a model.</summary>
    /// <param name="model">The model; the tensors of the graph are slices of its file.</param>
    /// <param name="folding">What computes constants.</param>
    /// <param name="sizes">Numbers for symbolic sizes of the inputs, by the names in the file.</param>
    /// <param name="ranks">Sizes of inputs of which the file does not say how many axes they have.</param>
    /// <param name="known">Inputs whose values are fixed from now on: they become constants.</param>
    /// <exception cref="OnnxImportException">Nodes cannot be imported; it names all of them.</exception>
    /// <exception cref="SoftmodelException">The model's inputs or outputs are not tensors.</exception>
    public static Graph Read(OnnxModel model, Folding folding, IReadOnlyDictionary<string, long>? sizes = null, IReadOnlyDictionary<string, long[]>? ranks = null, IReadOnlyDictionary<string, Tensor>? known = null)
    {
        var graph = model.Graph;
        var faults = new List<ImportFault>();
        var builder = new GraphBuilder(graph.Name, folding);
        var scope = new OnnxScope(new(model, folding, faults), builder, model.Opsets);
        scope.Constants(graph);
        foreach (var input in graph.Inputs.Where(i => !graph.Initializers.ContainsKey(i.Name) && !graph.SparseInitializers.ContainsKey(i.Name)))
        {
            var value = known is not null && known.TryGetValue(input.Name, out var tensor) ? builder.Constant(tensor) : builder.Input(input.Name, TypeOf(input, builder, sizes, ranks));
            scope.Define(input.Name, new(builder, value));
        }
        scope.Run(graph.Nodes);
        if (faults.Count > 0)
            throw new OnnxImportException(model.Path, faults);
        builder.Source = "outputs";
        var outputs = graph.Outputs.Select(o => Declared(scope[o.Name]!.Value, o)).ToArray();
        return builder.Build(outputs, graph.Outputs.Select(o => o.Name));
    }

    static TensorType TypeOf(OnnxValue input, GraphBuilder builder, IReadOnlyDictionary<string, long>? sizes, IReadOnlyDictionary<string, long[]>? ranks)
    {
        if (input.Type is not { Kind: OnnxTypeKind.Tensor } type)
            throw new SoftmodelException($"input '{input.Name}' is not a tensor but {input.Type?.Kind.ToString() ?? "of no declared type"}, which is not supported");
        if (OnnxTensor.ElementOf(type.Element) is not { } element || element == ElementType.String)
            throw new SoftmodelException($"input '{input.Name}' is of type {type.Element}, which is not supported");
        if (type.Dims is { } dims)
            return new(element, new(dims.Select(d => SizeOf(d, builder, sizes)).ToEquatable()));
        return ranks is not null && ranks.TryGetValue(input.Name, out var given)
            ? new(element, Shape.Of(given))
            : throw new SoftmodelException($"input '{input.Name}' has no declared number of axes; give its sizes");
    }

    static Dim SizeOf(OnnxDim dim, GraphBuilder builder, IReadOnlyDictionary<string, long>? sizes)
    {
        if (dim.Value is { } value)
            return value;
        if (string.IsNullOrEmpty(dim.Symbol))
            return builder.FreshSymbol();
        if (sizes is not null && sizes.TryGetValue(dim.Symbol, out var given))
            return given;
        var name = string.Concat(dim.Symbol.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
        return Dim.Symbol(char.IsAsciiDigit(name[0]) || name is "floordiv" or "max" or "broadcast" ? $"n_{name}" : name);
    }

    // The graph computes in 32 bits; what a model promises in 16 is rounded at its end.
    static Value Declared(Term term, OnnxValue output) =>
        output.Type is { Kind: OnnxTypeKind.Tensor } type && OnnxTensor.ElementOf(type.Element) is ElementType.Float16 or ElementType.BFloat16
            ? term.Cast((ElementType)type.Element).Value
            : term.Value;
}
