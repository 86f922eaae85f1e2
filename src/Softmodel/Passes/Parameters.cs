using Softmodel.Graphs;

namespace Softmodel.Passes;

/// <summary>What stands for a parameter from now on: a tensor, what a graph computes, or an input.</summary>
/// <param name="builder">The new graph so far: for what a branch or a loop reads, the one around it.</param>
/// <param name="parameter">The parameter.</param>
/// <returns>A value of the parameter's type.</returns>
public delegate Value Replacement(GraphBuilder builder, Op.Parameter parameter);

/// <summary>The weights of a graph by their names.</summary>
public static class Parameters
{
    /// <summary>The parameters of a graph, those that branches and loops read too, each once, in the order in which they are read.</summary>
    public static IEnumerable<Op.Parameter> Of(Graph graph) => graph.AllNodes().Select(n => n.Op).OfType<Op.Parameter>().DistinctBy(p => p.Name);

    /// <summary>The graph with some parameters replaced; what had been computed from them at build time is a parameter of its own, and stays.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="by">By the names of parameters, what stands for them. New inputs come after the others.</param>
    /// <exception cref="SoftmodelException">There is no such parameter, or what stands for it is of another type.</exception>
    public static Graph Replace(Graph graph, ConstantFolding folding, IReadOnlyDictionary<string, Replacement> by)
    {
        var names = Of(graph).Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        if (by.Keys.FirstOrDefault(n => !names.Contains(n)) is { } missing)
            throw new SoftmodelException($"graph {graph.Name} has no parameter '{missing}'; it has {string.Join(", ", names.Take(10).Select(n => $"'{n}'"))}{(names.Count > 10 ? $" and {names.Count - 10} more" : "")}");
        var replaced = Rewriting.Apply(graph, folding, [(builder, op, _) => op is Op.Parameter parameter && by.TryGetValue(parameter.Name, out var replacement) ? Replaced(builder, parameter, replacement) : null]);
        replaced.Validate();
        return replaced;
    }

    /// <summary>The graph with some parameters as its last inputs, under their names.</summary>
    /// <inheritdoc cref="Replace"/>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="names">The parameters' names.</param>
    public static Graph AsInputs(Graph graph, ConstantFolding folding, params IReadOnlyCollection<string> names)
    {
        var inputs = new Dictionary<string, Value>(StringComparer.Ordinal);
        return Replace(graph, folding, names.ToDictionary(n => n, n => (Replacement)((builder, parameter) => inputs.TryGetValue(n, out var there) ? there : inputs[n] = builder.Input(n, parameter.Type)), StringComparer.Ordinal));
    }

    static Term Replaced(GraphBuilder builder, Op.Parameter parameter, Replacement replacement)
    {
        var whole = builder;
        while (whole.Outer is { } outer)
            whole = outer;
        var value = replacement(whole, parameter);
        if (value.Type != parameter.Type)
            throw new SoftmodelException($"the parameter '{parameter.Name}' is {parameter.Type}, and {value.Type} was to stand for it");
        return new(builder, builder.Capture(value));
    }
}
