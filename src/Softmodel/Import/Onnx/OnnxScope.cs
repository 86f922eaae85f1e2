using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx;

/// <summary>The names of a graph, body or function, and the values they stand for while it is imported.</summary>
internal sealed class OnnxScope
{
    /// <summary>What all scopes of a model share.</summary>
    /// <param name="Model">The model.</param>
    /// <param name="Folding">Folds constants.</param>
    /// <param name="Faults">What could not be imported so far.</param>
    internal sealed record Context(OnnxModel Model, ConstantFolding Folding, List<ImportFault> Faults);

    readonly Context context;
    readonly OnnxScope? outer;
    readonly IReadOnlyDictionary<string, long> opsets;
    readonly IReadOnlyDictionary<string, OnnxAttribute> arguments;
    readonly string place;

    // A name whose node could not be imported stands for null, and what reads it is passed over.
    readonly Dictionary<string, Term?> values = new(StringComparer.Ordinal);

    /// <summary>Opens the scope of a model's graph or of a function.</summary>
    internal OnnxScope(Context context, GraphBuilder builder, IReadOnlyDictionary<string, long> opsets, IReadOnlyDictionary<string, OnnxAttribute>? arguments = null, OnnxScope? outer = null, string place = "")
    {
        this.context = context;
        this.outer = outer;
        this.opsets = opsets;
        this.arguments = arguments ?? new Dictionary<string, OnnxAttribute>();
        this.place = place;
        Builder = builder;
    }

    /// <summary>The graph that is being built.</summary>
    public GraphBuilder Builder { get; }

    /// <summary>Folds constants.</summary>
    public ConstantFolding Folding => context.Folding;

    /// <summary>Computes in 32 bits what a file keeps in 16.</summary>
    public static Term Widen(Term term) => term.Element is ElementType.Float16 or ElementType.BFloat16 ? term.Cast(ElementType.Float32) : term;

    /// <summary>Gives a name to a value.</summary>
    public void Define(string name, Term value)
    {
        if (name.Length > 0)
            values[name] = Widen(value);
    }

    /// <summary>The value of a name; null where its node could not be imported.</summary>
    public Term? this[string name]
    {
        get
        {
            if (unread.Remove(name, out var fault))
                context.Faults.Add(fault);
            if (values.TryGetValue(name, out var value))
                return value;
            if (outer is null)
                throw new SoftmodelException($"'{name}' is not defined");
            return outer[name] is { } seen ? new(Builder, Builder.Capture(seen.Value)) : null;
        }
    }

    /// <summary>Opens the body of a control-flow node, which sees the names of this scope.</summary>
    public OnnxScope Open(OnnxGraph body, GraphBuilder? builder)
    {
        var inner = new OnnxScope(context, builder ?? Builder, opsets, arguments, this, place);
        inner.Constants(body);
        return inner;
    }

    /// <summary>Defines a graph's constants.</summary>
    public void Constants(OnnxGraph graph)
    {
        foreach (var (name, tensor) in graph.Initializers)
            Try(name, () => Define(name, new(Builder, Builder.Parameter(name, tensor.ToTensor()))));
        foreach (var (name, tensor) in graph.SparseInitializers)
            Try(name, () => Define(name, new(Builder, Builder.Parameter(name, tensor.ToDense().ToTensor()))));
    }

    // Initializers that could not be taken: faults once something reads them.
    readonly Dictionary<string, ImportFault> unread = new(StringComparer.Ordinal);

    void Try(string name, Action define)
    {
        try
        {
            define();
        }
        catch (SoftmodelException e)
        {
            values[name] = null;
            unread[name] = new($"initializer '{name}'", "initializer", e.Message);
        }
    }

    /// <summary>Imports nodes in order; faults are noted, and what depends on them is passed over.</summary>
    public void Run(IReadOnlyList<OnnxNode> nodes)
    {
        foreach (var node in nodes)
        {
            var results = Import(node);
            for (var i = 0; i < node.Outputs.Count; i++)
            {
                if (node.Outputs[i].Length == 0)
                    continue;
                if (results is not null && i < results.Length)
                    Define(node.Outputs[i], results[i]);
                else
                    values[node.Outputs[i]] = null;
            }
        }
    }

    Term[]? Import(OnnxNode node)
    {
        var title = place + node.Title;
        Builder.Origin = Origin.Of(title);
        try
        {
            var version = opsets.GetValueOrDefault(node.Operator.Domain, 1);
            var function = context.Model.Functions.GetValueOrDefault(node.Operator);
            var row = function is null ? Decompositions.Find(node.Operator, version) : null;
            if (function is null && row is null)
                throw new SoftmodelException($"the operator is not supported (operator set {version})");
            var operands = new Term?[node.Inputs.Count];
            for (var i = 0; i < operands.Length; i++)
            {
                if (node.Inputs[i].Length == 0)
                    continue;
                operands[i] = this[node.Inputs[i]];
                if (operands[i] is null)
                    return null;
            }
            node = Resolve(node);
            var results = function is null ? row!.Apply(new(this, node, operands, version)) : Inline(function, node, operands);
            Builder.Origin = Origin.Of(title);
            if (results is not null && node.Outputs.Skip(results.Length).Any(o => o.Length > 0))
                throw new SoftmodelException($"it has {node.Outputs.Count} results, and {results.Length} are supported");
            return results;
        }
        catch (SoftmodelException e)
        {
            context.Faults.Add(new(title, node.Operator.ToString(), e.Message));
            return null;
        }
    }

    OnnxNode Resolve(OnnxNode node)
    {
        if (node.Attributes.Values.All(a => a.Reference.Length == 0))
            return node;
        var resolved = new Dictionary<string, OnnxAttribute>(StringComparer.Ordinal);
        foreach (var (name, attribute) in node.Attributes)
        {
            if (attribute.Reference.Length == 0)
                resolved[name] = attribute;
            else if (arguments.TryGetValue(attribute.Reference, out var given))
                resolved[name] = given with { Name = name };
        }
        return node with { Attributes = resolved };
    }

    Term[]? Inline(OnnxFunction function, OnnxNode node, Term?[] operands)
    {
        var given = new Dictionary<string, OnnxAttribute>(function.Defaults, StringComparer.Ordinal);
        foreach (var (name, attribute) in node.Attributes)
            given[name] = attribute;
        var inner = new OnnxScope(context, Builder, function.Opsets, given, place: $"{place}{node.Title} / ");
        for (var i = 0; i < Math.Min(operands.Length, function.Inputs.Count); i++)
        {
            if (operands[i] is { } operand)
                inner.Define(function.Inputs[i], operand);
        }
        // An input left out is empty inside, too.
        var absent = function.Inputs.Where(n => !inner.values.ContainsKey(n)).ToHashSet(StringComparer.Ordinal);
        inner.Run([.. OnnxNames.Live(function.Nodes, function.Outputs).Select(n => n with { Inputs = [.. n.Inputs.Select(i => absent.Contains(i) ? "" : i)] })]);
        var results = function.Outputs.Select(o => inner[o]).ToArray();
        return results.Any(r => r is null) ? null : [.. results.Select(r => r!.Value)];
    }
}
