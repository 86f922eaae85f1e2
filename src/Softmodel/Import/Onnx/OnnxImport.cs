using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx;

/// <summary>Makes a core graph of an ONNX model.</summary>
internal static class OnnxImport
{
    /// <summary>Imports a model.</summary>
    /// <param name="model">The model; the tensors of the graph are slices of its file.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="sizes">Numbers for symbolic sizes of the inputs, by the names in the file.</param>
    /// <param name="shapes">Sizes of inputs, by their names: of those of which the file does not say how many axes they have, and of others that always have these.</param>
    /// <param name="known">Inputs whose values are fixed from now on: they become constants.</param>
    /// <exception cref="OnnxImportException">Nodes cannot be imported; it names all of them.</exception>
    /// <exception cref="SoftmodelException">The model's inputs or outputs are not tensors.</exception>
    public static Graph Read(OnnxModel model, ConstantFolding folding, IReadOnlyDictionary<string, long>? sizes = null, IReadOnlyDictionary<string, long[]>? shapes = null, IReadOnlyDictionary<string, Tensor>? known = null)
    {
        var (imported, faults, doubted) = Attempt(model, folding, sizes, shapes, known, []);
        // Where the number of axes depends on which sizes are 1, what follows may take only one of the numbers.
        string[] doubts = [.. doubted.Order(StringComparer.Ordinal)];
        foreach (var ones in doubts.Take(MostDoubts).Select(d => (string[])[d]).Append(doubts).Where(o => imported is null && o.Length > 0))
            imported = Attempt(model, folding, sizes, shapes, known, ones).Graph;
        return imported ?? throw new OnnxImportException(model.Path, faults);
    }

    const int MostDoubts = 8;

    /// <summary>The graph, or what could not be imported; and the sizes of which it would matter whether they are 1.</summary>
    static (Graph? Graph, IReadOnlyList<ImportFault> Faults, IReadOnlyCollection<string> Doubted) Attempt(OnnxModel model, ConstantFolding folding, IReadOnlyDictionary<string, long>? sizes, IReadOnlyDictionary<string, long[]>? shapes, IReadOnlyDictionary<string, Tensor>? known, string[] ones)
    {
        var graph = model.Graph;
        var faults = new List<ImportFault>();
        var builder = new GraphBuilder(graph.Name, folding);
        var scope = new OnnxScope(new(model, folding, faults), builder, model.Opsets);
        scope.Constants(graph);
        var open = new OnnxSizes(graph.Inputs, builder, WithNamed(graph.Inputs, sizes, shapes), ones);
        foreach (var input in graph.Inputs.Where(i => !graph.Initializers.ContainsKey(i.Name) && !graph.SparseInitializers.ContainsKey(i.Name)))
        {
            var value = known is not null && known.TryGetValue(input.Name, out var tensor) ? builder.Constant(tensor) : builder.Input(input.Name, TypeOf(input, open, shapes));
            scope.Define(input.Name, new(builder, value));
        }
        scope.Run(OnnxNames.Live(graph.Nodes, graph.Outputs.Select(o => o.Name)));
        if (faults.Count > 0)
            return (null, faults, builder.Doubted);
        builder.Origin = new("outputs");
        var outputs = graph.Outputs.Select(o => Declared(scope[o.Name]!.Value, o)).ToArray();
        return (builder.Build(outputs, graph.Outputs.Select(o => o.Name)), faults, builder.Doubted);
    }

    /// <summary>The tensors for inputs that always have the same numbers.</summary>
    /// <param name="model">The model.</param>
    /// <param name="values">For an input as many numbers as it has elements, or one for all of them.</param>
    /// <param name="sizes">Numbers for symbolic sizes of the inputs.</param>
    /// <param name="shapes">Sizes of inputs, by their names.</param>
    /// <exception cref="SoftmodelException">There is no such input, or it has another number of elements.</exception>
    public static Dictionary<string, Tensor> Known(OnnxModel model, IReadOnlyDictionary<string, double[]> values, IReadOnlyDictionary<string, long>? sizes = null, IReadOnlyDictionary<string, long[]>? shapes = null)
    {
        var inputs = model.Graph.Inputs.Where(i => !model.Graph.Initializers.ContainsKey(i.Name)).ToArray();
        var open = new OnnxSizes(inputs, new GraphBuilder("", (_, _) => null), WithNamed(inputs, sizes, shapes), []);
        Tensor Of(string name, double[] numbers)
        {
            var input = inputs.FirstOrDefault(i => i.Name == name)
                ?? throw new SoftmodelException($"{model.Path}: values were given for an input '{name}'; the inputs are {string.Join(", ", inputs.Select(i => i.Name))}");
            var type = TypeOf(input, open, shapes);
            if (type.Shape.Known is not { } dims)
                throw new SoftmodelException($"input '{name}' is {type}: give its shape along with its values");
            var count = Tensor.CountOf(dims);
            if (numbers.Length != count && numbers.Length != 1)
                throw new SoftmodelException($"{numbers.Length} values were given for input '{name}', which is {type} and has {count} elements");
            if (!type.Element.IsFloat() && numbers.FirstOrDefault(n => n != Math.Truncate(n)) is not 0 and var part)
                throw new SoftmodelException($"{part} was given for input '{name}', whose elements are {type.Element}");
            return Tensor.Of(type.Element, dims, numbers.Length == count ? numbers : [.. Enumerable.Repeat(numbers[0], checked((int)count))]);
        }
        return values.ToDictionary(v => v.Key, v => Of(v.Key, v.Value), StringComparer.Ordinal);
    }

    static TensorType TypeOf(OnnxValue input, OnnxSizes open, IReadOnlyDictionary<string, long[]>? shapes)
    {
        if (input.Type is not { Kind: OnnxTypeKind.Tensor } type)
            throw new SoftmodelException($"input '{input.Name}' is not a tensor but {input.Type?.Kind.ToString() ?? "of no declared type"}, which is not supported");
        if (OnnxTensor.ElementOf(type.Element) is not { } element || element == ElementType.String)
            throw new SoftmodelException($"input '{input.Name}' is of type {type.Element}, which is not supported");
        if (shapes is null || !shapes.TryGetValue(input.Name, out var given))
            given = null;
        if (type.Dims is not { } dims)
            return given is not null ? new(element, Shape.Of(given)) : throw new SoftmodelException($"input '{input.Name}' has no declared number of axes; give its sizes");
        if (given is not null && (given.Length != dims.Count || dims.Zip(given).Any(d => d.First.Value is { } declared && declared != d.Second)))
            throw new SoftmodelException($"input '{input.Name}' was given the shape [{string.Join(",", given)}], but the model declares [{string.Join(",", dims.Select(d => d.Value?.ToString() ?? d.Symbol ?? "?"))}]");
        return new(element, given is not null ? Shape.Of(given) : new(dims.Select(open.Of).ToEquatable()));
    }

    /// <summary>The sizes that are known with those that shapes give to a symbol: it is the same size wherever it stands.</summary>
    static Dictionary<string, long> WithNamed(IReadOnlyList<OnnxValue> inputs, IReadOnlyDictionary<string, long>? sizes, IReadOnlyDictionary<string, long[]>? shapes)
    {
        var all = new Dictionary<string, long>(sizes ?? new Dictionary<string, long>(), StringComparer.Ordinal);
        foreach (var input in inputs)
        {
            if (shapes is null || !shapes.TryGetValue(input.Name, out var given) || input.Type?.Dims is not { } dims)
                continue;
            foreach (var (dim, size) in dims.Zip(given).Where(d => !string.IsNullOrEmpty(d.First.Symbol)))
                all.TryAdd(dim.Symbol!, size);
        }
        return all;
    }

    // The graph computes in 32 bits; what a model promises in 16 is rounded at its end.
    static Value Declared(Term term, OnnxValue output) =>
        output.Type is { Kind: OnnxTypeKind.Tensor } type && OnnxTensor.ElementOf(type.Element) is ElementType.Float16 or ElementType.BFloat16
            ? term.Cast((ElementType)type.Element).Value
            : term.Value;
}
