using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Trace;

/// <summary>
/// A subject in which every part of some sites can be cut: the value x of a part becomes x + c (r - x), where c, from 0 to 1, and
/// the replacement r are inputs, so that one program serves all ablations. The gradient of the measure by c at 0 is what cutting the part
/// does to it by linear approximation: with replacements of 0 activation × gradient, with the activations of other
/// inputs attribution patching.
/// </summary>
/// <param name="Graph">
/// The graph. Its inputs are those of the subject, then for each site c, a vector of [positions, parts], and r, a vector of [positions,
/// parts, elements]. Its outputs are those of the subject, then one for each site.
/// </param>
/// <param name="Outputs">How many outputs the subject has.</param>
/// <remarks>Syed, Rager, Conmy: Attribution patching outperforms automated circuit discovery (2023), section 2.</remarks>
sealed record Cuts(Graph Graph, int Outputs)
{
    /// <summary>The cut subject with its activations, [positions..., parts, elements] each.</summary>
    public static Cuts WithActivations(Subject subject, IReadOnlyList<Site> sites) => Of(subject, sites, [], (_, now, _) => [.. now.Select((x, i) => sites[i].Arranged(x))]);

    /// <summary>The cut subject with the gradients of the sum of its measures by every c.</summary>
    /// <param name="subject">The subject.</param>
    /// <param name="sites">Where parts can be cut.</param>
    /// <param name="decoded">The elements of parameters that are stored in blocks: on the way back rows and columns of weights change places, and kernels read blocks along rows alone.</param>
    public static Cuts WithGradients(Subject subject, IReadOnlyList<Site> sites, IReadOnlyDictionary<string, Tensor> decoded) => Of(subject, sites,
        [(builder, op, _) => op is Op.Parameter { Format: not null } parameter ? new(builder, builder.Apply(new Op.Parameter(parameter.Name, decoded[parameter.Name]))) : null],
        (measures, _, cuts) => Gradients.Of(measures.Reduce(Reduction.Sum, [.. Enumerable.Range(0, measures.Rank)]), cuts));

    static Cuts Of(Subject subject, IReadOnlyList<Site> sites, IReadOnlyList<Rule> rules, Func<Term, Term[], Term[], Term[]> more)
    {
        var builder = new GraphBuilder(subject.Graph.Name, Evaluator.FoldKeepingStored);
        Term Input(string name, TensorType type) => new(builder, builder.Input(name, type));
        Term Numbers(string name) => Input(name, new(ElementType.Float32, new(builder.FreshSymbol(name))));
        var inputs = subject.Graph.Inputs.Select(v => Input(v.Name, v.Type)).ToArray();
        foreach (var symbol in subject.Graph.AllNodes().SelectMany(n => n.Defines))
            builder.Reserve(symbol);
        var (cuts, replacements, now) = (new Term[sites.Count], new Term[sites.Count], new Term[sites.Count]);
        for (var i = 0; i < sites.Count; i++)
            (cuts[i], replacements[i]) = (Numbers($"cut{i}_"), Numbers($"replacement{i}_"));
        var at = sites.Select((s, i) => (s.Value, i)).ToDictionary(p => p.Value, p => p.i);
        Term Change(Value value, Term x)
        {
            if (!at.TryGetValue(value, out var i))
                return x;
            now[i] = x;
            // Sizes are those that the value has here.
            var here = sites[i] with { Value = x.Value };
            return x + here.Spread(cuts[i], ofElements: false) * (here.Spread(replacements[i], ofElements: true) - x);
        }
        var outputs = Rewriting.Append(builder, subject.Graph, [.. inputs.Select(x => x.Value)], rules, Change);
        builder.Origin = new("trace");
        var added = more(new(builder, outputs[subject.Graph.OutputNames.ToList().IndexOf(Subject.Measure)]), now, cuts);
        var graph = builder.Build([.. outputs, .. added.Select(x => x.Value)], [.. subject.Graph.OutputNames, .. sites.Select((s, i) => $"site{i}")]);
        graph.Validate();
        return new(graph, outputs.Length);
    }
}
