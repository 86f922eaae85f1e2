using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>What the gradient of a function that jumps is: a rounding, a comparison, a conversion to integers.</summary>
public enum Jumps
{
    /// <summary>Zero, as it is almost everywhere.</summary>
    Zero,

    /// <summary>That of what it rounds, as if it did not.</summary>
    StraightThrough,
}

/// <summary>
/// Gradients by reverse accumulation: the nodes that compute them are added to the graph that the values are in, and are compiled
/// like all others. Of an operation that has several largest elements each has its share.
/// </summary>
public static class Gradients
{
    /// <summary>The gradients of a scalar.</summary>
    /// <param name="of">The scalar: a float.</param>
    /// <param name="by">Values in the same graph: floats on which the scalar may depend.</param>
    /// <param name="jumps">What is done with functions that jump.</param>
    /// <returns>For each of <paramref name="by"/> a value of its type; zeros where the scalar does not depend on it.</returns>
    /// <exception cref="SoftmodelException">It is no scalar, or depends on one through an exact program, which has no gradient.</exception>
    public static Term[] Of(Term of, IReadOnlyList<Term> by, Jumps jumps = Jumps.Zero)
    {
        if (of.Rank > 0 || !of.Element.IsFloat())
            throw new SoftmodelException($"gradients are those of a scalar, and {of.Value} is none");
        return [.. Of([(of, of.Scalar(1))], by, jumps).Zip(by, (gradient, x) => gradient ?? Adjoints.Zeros(x))];
    }

    /// <summary>What reaches values when gradients of others are given (vector-Jacobian products).</summary>
    /// <param name="seeds">Values with their gradients, of the same types.</param>
    /// <param name="by">Values in the same graph.</param>
    /// <param name="jumps">What is done with functions that jump.</param>
    /// <returns>For each of <paramref name="by"/> a value of its type; null where none of the seeds depends on it.</returns>
    /// <exception cref="SoftmodelException">A seed depends on one of them through an exact program, which has no gradient.</exception>
    public static Term?[] Of(IReadOnlyList<(Term Value, Term Gradient)> seeds, IReadOnlyList<Term> by, Jumps jumps) => Of(seeds, by, jumps, new Dictionary<Value, Value>());

    /// <inheritdoc cref="Of(IReadOnlyList{ValueTuple{Term, Term}}, IReadOnlyList{Term}, Jumps)"/>
    /// <param name="seeds">Values with their gradients.</param>
    /// <param name="by">Values in the same graph.</param>
    /// <param name="jumps">What is done with functions that jump.</param>
    /// <param name="standsFor">For values that have been computed elsewhere, the same as computed here: it is reached by what reaches them.</param>
    internal static Term?[] Of(IReadOnlyList<(Term Value, Term Gradient)> seeds, IReadOnlyList<Term> by, Jumps jumps, IReadOnlyDictionary<Value, Value> standsFor)
    {
        if (by.Count == 0)
            return [];
        var builder = by[0].Builder;
        var (origin, nodes) = (builder.Origin, builder.Nodes.ToArray());
        var depends = by.Select(x => x.Value).ToHashSet();
        var others = standsFor.ToDictionary(p => p.Value, p => p.Key);
        var shifts = Shifts.Of(nodes, seeds.Select(s => s.Value.Value).Concat(others.Keys).ToHashSet());
        foreach (var node in nodes)
        {
            if (!node.Inputs.Any(depends.Contains))
                continue;
            foreach (var output in node.Outputs.Where(v => !shifts.Contains(v)).Where(v => jumps == Jumps.StraightThrough || v.Type.Element.IsFloat()))
            {
                depends.Add(output);
                if (others.TryGetValue(output, out var same))
                    depends.Add(same);
            }
        }
        var gradients = new Dictionary<Value, Term>();
        foreach (var (value, gradient) in seeds)
            Add(value.Value, gradient);
        foreach (var node in nodes.Reverse())
        {
            if (!node.Inputs.Any(depends.Contains) || !node.Outputs.Any(gradients.ContainsKey))
                continue;
            builder.Origin = node.Origin with { Role = Role.None, Node = Named(node) };
            var step = new BackwardStep(node, builder, [.. node.Inputs.Select(v => new Term(builder, v))], [.. node.Outputs.Select(v => new Term(builder, v))],
                [.. node.Outputs.Select(v => gradients.TryGetValue(v, out var d) ? d : (Term?)null)], [.. node.Inputs.Select(depends.Contains)], jumps);
            var reached = GradientRules.Of(step);
            for (var i = 0; i < reached.Length; i++)
            {
                if (reached[i] is { } gradient && step.IsWanted[i])
                    Add(node.Inputs[i], gradient);
            }
        }
        builder.Origin = origin;
        return [.. by.Select(x => gradients.TryGetValue(x.Value, out var gradient) ? gradient : (Term?)null)];

        void Add(Value value, Term gradient)
        {
            value = standsFor.GetValueOrDefault(value, value);
            // Sizes that are the same may be written in two ways.
            var fitting = gradient.Reshape(value.Shape);
            gradients[value] = gradients.TryGetValue(value, out var there) ? there + fitting : fitting;
        }
    }

    static string Named(Node node) => node.Source.Length == 0 || node.Source.StartsWith(Prefix, StringComparison.Ordinal) ? node.Source : Prefix + node.Source;

    const string Prefix = "gradient of ";
}

/// <summary>A node on the way back.</summary>
/// <param name="Node">The node.</param>
/// <param name="Builder">The graph that it is in.</param>
/// <param name="X">Its operands.</param>
/// <param name="Y">Its results.</param>
/// <param name="Dy">What has reached its results; null where nothing has.</param>
/// <param name="IsWanted">For each operand whether anything behind it is asked for.</param>
/// <param name="Jumps">What is done with functions that jump.</param>
sealed record BackwardStep(Node Node, GraphBuilder Builder, Term[] X, Term[] Y, Term?[] Dy, bool[] IsWanted, Jumps Jumps)
{
    /// <summary>What has reached its only result.</summary>
    public Term D => Dy[0]!.Value;
}
