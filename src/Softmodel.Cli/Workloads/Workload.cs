using Softmodel.Graphs;

namespace Softmodel.Cli.Workloads;

/// <summary>What a model is run on, to be compared or timed.</summary>
/// <param name="Name">What it is, for people.</param>
/// <param name="Inputs">A tensor for each input of the model, by its name.</param>
sealed record Workload(string Name, IReadOnlyDictionary<string, Tensor> Inputs)
{
    /// <summary>The same sizes with other numbers, from a seed; null where the numbers are a user's.</summary>
    public Func<int, Workload>? Again { get; init; }

    /// <summary>The tensors in the order of these inputs.</summary>
    /// <exception cref="SoftmodelException">There is none for one of them.</exception>
    public Tensor[] For(IEnumerable<string> names) => [.. names.Select(n => Inputs.TryGetValue(n, out var tensor) ? tensor : throw new SoftmodelException($"nothing is there for the input '{n}'"))];

    /// <summary>With more inputs, such as those that always have the same numbers: the compiled model has them within it, its oracle takes them.</summary>
    public Workload With(IReadOnlyDictionary<string, Tensor> more) => more.Count == 0 ? this
        : this with { Inputs = Inputs.Concat(more).DistinctBy(i => i.Key).ToDictionary(), Again = Again is { } again ? seed => again(seed).With(more) : null };
}
