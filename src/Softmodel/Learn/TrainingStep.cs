using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>How a network is trained.</summary>
public sealed record TrainingOptions
{
    /// <summary>How parameters follow their gradients: AdamW, unless another is chosen.</summary>
    public Optimiser Optimiser { get; init; } = Optimiser.AdamW();

    /// <summary>The largest norm of all gradients together: they are scaled down to it. Null for none.</summary>
    public double? ClipNorm { get; init; } = 1;

    /// <summary>The share of averages of the parameters that is kept at each step (exponential moving averages); null for no averages.</summary>
    public double? AverageDecay { get; init; }

    /// <summary>
    /// The most bytes of memory that a step may take at the usual sizes of batches, with parameters, moments, other weights and the
    /// batch; null for no bound. What it can't keep for the way back is computed again (gradient checkpointing), and takes time.
    /// </summary>
    public long? MemoryBudget { get; init; }

    /// <summary>
    /// After how many batches the parameters change: by the mean of the gradients of that many, which are summed until then. What has
    /// been summed at the end of a training, of fewer, changes nothing.
    /// </summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>What is done with functions that jump.</summary>
    public Jumps Jumps { get; init; }
}

/// <summary>
/// A step of training as a graph: it computes the loss of a batch, its gradients, and what parameters and the optimiser's
/// moments are from then on, which are states of the graph.
/// </summary>
/// <param name="Graph">
/// The graph. Its arguments are those of the network, then <c>rate</c>, the learning rate, <c>count</c>, the number of the change from
/// 1 on, and where gradients are accumulated, <c>last</c>: whether this is the last batch of those whose gradients are summed. Its results are those of the network, of which the first is the loss, and <c>gradient_norm</c>. A step whose loss or
/// gradients are no finite numbers leaves all states as they were.
/// </param>
/// <param name="Parameters">The parameters that are trained, as they are before the first step.</param>
/// <param name="States">What each state is: the name of a parameter, or of one with a moment behind it, as <c>head.weight/mean</c>.</param>
public sealed record TrainingStep(Graph Graph, IReadOnlyList<Op.Parameter> Parameters, IReadOnlyList<string> States)
{
    /// <summary>See <see cref="TrainingOptions.MemoryBudget"/>; it is met where the step is compiled.</summary>
    public long? MemoryBudget { get; init; }

    /// <summary>See <see cref="TrainingOptions.Accumulate"/>.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>A step of training a network.</summary>
    /// <param name="network">A graph whose first output is the loss, a scalar.</param>
    /// <param name="trained">The names of the parameters that are trained; null for all that are not frozen.</param>
    /// <param name="options">How.</param>
    /// <exception cref="SoftmodelException">There is no such parameter, the loss is no scalar or does not depend on one of them, or the gradients of fewer than one batch are accumulated.</exception>
    public static TrainingStep Of(Graph network, IReadOnlyCollection<string>? trained = null, TrainingOptions? options = null)
    {
        options ??= new();
        if (options.Accumulate < 1)
            throw new SoftmodelException($"the gradients of {options.Accumulate} batches can't be accumulated; 1 is the least, with which each batch changes the parameters");
        var all = Passes.Parameters.Of(network).ToArray();
        trained ??= [.. all.Where(p => !p.IsFrozen).Select(p => p.Name)];
        if (trained.Count == 0)
            throw new SoftmodelException($"graph {network.Name} has no parameters to be trained");
        if (trained.FirstOrDefault(n => all.All(p => p.Name != n)) is { } missing)
            throw new SoftmodelException($"graph {network.Name} has no parameter '{missing}'; it has {string.Join(", ", all.Take(10).Select(p => $"'{p.Name}'"))}{(all.Length > 10 ? $" and {all.Length - 10} more" : "")}");
        Op.Parameter[] parameters = [.. all.Where(p => trained.Contains(p.Name))];
        var taken = Passes.Parameters.AsInputs(network, Evaluator.Fold, trained);

        var builder = new GraphBuilder($"{network.Name}_step", Evaluator.Fold);
        Term Input(string name, TensorType type) => new(builder, builder.Input(name, type));
        var arguments = network.Inputs.Select(v => Input(v.Name, v.Type)).ToArray();
        var (rate, count) = (Input("rate", new(ElementType.Float32, Shape.Scalar)), Input("count", new(ElementType.Float32, Shape.Scalar)));
        var last = options.Accumulate > 1 ? Input("last", new(ElementType.Bool, Shape.Scalar)) : (Term?)null;
        var now = parameters.Select(p => Input(p.Name, p.Type)).ToArray();
        var moments = parameters.Select(p => options.Optimiser.Moments.Select(m => Input($"{p.Name}/{m}", p.Type)).ToArray()).ToArray();
        var averages = options.AverageDecay is null ? [] : parameters.Select(p => Input($"{p.Name}/average", p.Type)).ToArray();

        var sums = last is null ? [] : parameters.Select(p => Input($"{p.Name}/gradient", p.Type)).ToArray();

        Value[] given = [.. taken.Inputs.Select(v => arguments.Concat(now).First(x => x.Value.Name == v.Name).Value)];
        var outputs = Rewriting.Append(builder, taken, given, SmallMaps.Rule, MirroredEdges.Rule).Select(v => new Term(builder, v)).ToArray();
        var loss = outputs[0];
        var gradients = Gradients.Of([(loss, loss.Scalar(1))], now, options.Jumps);
        if (Array.FindIndex(gradients, g => g is null) is >= 0 and var idle)
            throw new SoftmodelException($"the loss of graph {network.Name} does not depend on the parameter '{parameters[idle].Name}'");

        builder.Origin = new("training step");
        Term[] summed = [.. gradients.Select((g, i) => last is null ? g!.Value : sums[i] + g!.Value)];
        Term[] means = last is null ? summed : [.. summed.Select(g => g * (1.0 / options.Accumulate))];
        var norm = means.Select(SumOfSquares).Aggregate((a, b) => a + b).Map(Functions.Sqrt);
        // Also where a loss is infinite and its gradients are not.
        var isFinite = (norm + loss).Map(Functions.Abs) < float.PositiveInfinity;
        var scale = options.ClipNorm is { } most ? (norm.Scalar(most) / (norm + 1e-6)).Min(1) : (Term?)null;
        var isChange = last is { } isLast ? isFinite & isLast : isFinite;
        List<Term> states = [.. now, .. moments.SelectMany(m => m), .. averages, .. sums];
        var (parametersAfter, momentsAfter) = (new List<Term>(), new List<Term>());
        for (var i = 0; i < now.Length; i++)
        {
            var gradient = scale is { } factor ? means[i] * factor : means[i];
            var at = new OptimiserStep(now[i], gradient, moments[i], rate, count);
            Term[] remembered = [.. options.Optimiser.Remember(at).Zip(moments[i], (x, before) => isChange.Select(x, before))];
            momentsAfter.AddRange(remembered);
            parametersAfter.Add(isChange.Select(options.Optimiser.Move(at, remembered), now[i]));
        }
        Term[] next =
        [
            .. parametersAfter,
            .. momentsAfter,
            .. averages.Select((a, i) => isChange.Select(a * options.AverageDecay!.Value + parametersAfter[i] * (1 - options.AverageDecay!.Value), a)),
            .. sums.Select((s, i) => isFinite.Select(last!.Value.Select(s.Scalar(0), summed[i]), s)),
        ];
        Value[] after = [.. next.Select(x => x.Value)];
        var names = states.Select(s => s.Value.Name).ToArray();
        var graph = builder.Build([.. outputs.Select(o => o.Value), norm.Value, .. after], [.. network.OutputNames, "gradient_norm", .. names]);
        graph = graph with { States = [.. names.Select((_, i) => new State(arguments.Length + (last is null ? 2 : 3) + i, outputs.Length + 1 + i))] };
        graph.Validate();
        return new(graph, parameters, names) { MemoryBudget = options.MemoryBudget, Accumulate = options.Accumulate };
    }

    static Term SumOfSquares(Term x) => (x * x).Reduce(Reduction.Sum, [.. Enumerable.Range(0, x.Rank)]);
}
