using System.Globalization;
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
    /// <param name="shapes">Sizes of inputs, by their names: of those of which the file does not say how many axes they have, and of others that always have these.</param>
    /// <param name="known">Inputs whose values are fixed from now on: they become constants.</param>
    /// <exception cref="OnnxImportException">Nodes cannot be imported; it names all of them.</exception>
    /// <exception cref="SoftmodelException">The model's inputs or outputs are not tensors.</exception>
    public static Graph Read(OnnxModel model, Folding folding, IReadOnlyDictionary<string, long>? sizes = null, IReadOnlyDictionary<string, long[]>? shapes = null, IReadOnlyDictionary<string, Tensor>? known = null)
    {
        var graph = model.Graph;
        var faults = new List<ImportFault>();
        var builder = new GraphBuilder(graph.Name, folding);
        var scope = new OnnxScope(new(model, folding, faults), builder, model.Opsets);
        scope.Constants(graph);
        sizes = WithNamed(graph.Inputs, sizes, shapes);
        var alone = Alone(graph.Inputs);
        foreach (var input in graph.Inputs.Where(i => !graph.Initializers.ContainsKey(i.Name) && !graph.SparseInitializers.ContainsKey(i.Name)))
        {
            var value = known is not null && known.TryGetValue(input.Name, out var tensor) ? builder.Constant(tensor) : builder.Input(input.Name, TypeOf(input, builder, alone, sizes, shapes));
            scope.Define(input.Name, new(builder, value));
        }
        scope.Run(graph.Nodes);
        if (faults.Count > 0)
            throw new OnnxImportException(model.Path, faults);
        builder.Source = "outputs";
        var outputs = graph.Outputs.Select(o => Declared(scope[o.Name]!.Value, o)).ToArray();
        return builder.Build(outputs, graph.Outputs.Select(o => o.Name));
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
        var known = WithNamed(inputs, sizes, shapes);
        var alone = Alone(inputs);
        Tensor Of(string name, double[] numbers)
        {
            var input = inputs.FirstOrDefault(i => i.Name == name)
                ?? throw new SoftmodelException($"{model.Path}: values were given for an input '{name}'; the inputs are {string.Join(", ", inputs.Select(i => i.Name))}");
            var type = TypeOf(input, new GraphBuilder("", (_, _) => null), alone, known, shapes);
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

    static TensorType TypeOf(OnnxValue input, GraphBuilder builder, IReadOnlySet<string> alone, IReadOnlyDictionary<string, long>? sizes, IReadOnlyDictionary<string, long[]>? shapes)
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
        return new(element, given is not null ? Shape.Of(given) : new(dims.Select(d => SizeOf(d, builder, sizes, alone)).ToEquatable()));
    }

    /// <summary>The symbols that are the whole size of an axis of some input.</summary>
    static HashSet<string> Alone(IReadOnlyList<OnnxValue> inputs) => [.. inputs.SelectMany(i => i.Type?.Dims ?? []).Select(d => d.Symbol).OfType<string>()];

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

    static Dim SizeOf(OnnxDim dim, GraphBuilder builder, IReadOnlyDictionary<string, long>? sizes, IReadOnlySet<string> alone)
    {
        if (dim.Value is { } value)
            return value;
        if (string.IsNullOrEmpty(dim.Symbol))
            return builder.FreshSymbol();
        // Exporters of language models write a sum of symbols as the length of a mask. It is taken as one where the other inputs
        // tell the rest of it.
        var parts = dim.Symbol.Split('+', StringSplitOptions.TrimEntries);
        var isSum = parts.Length > 1 && parts.All(p => p.Length > 0 && p.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')) && sizes?.ContainsKey(dim.Symbol) != true
            && parts.Count(p => !char.IsAsciiDigit(p[0]) && !alone.Contains(p) && sizes?.ContainsKey(p) != true) <= 1;
        return isSum ? parts.Select(p => long.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : Named(p)).Aggregate((a, b) => a + b) : Named(dim.Symbol);

        Dim Named(string symbol)
        {
            if (sizes is not null && sizes.TryGetValue(symbol, out var given))
                return given;
            var name = string.Concat(symbol.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
            return Dim.Symbol(char.IsAsciiDigit(name[0]) || name is "floordiv" or "max" or "broadcast" ? $"n_{name}" : name);
        }
    }

    // The graph computes in 32 bits; what a model promises in 16 is rounded at its end.
    static Value Declared(Term term, OnnxValue output) =>
        output.Type is { Kind: OnnxTypeKind.Tensor } type && OnnxTensor.ElementOf(type.Element) is ElementType.Float16 or ElementType.BFloat16
            ? term.Cast((ElementType)type.Element).Value
            : term.Value;
}
