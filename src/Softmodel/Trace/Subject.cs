using Softmodel.Graphs;

namespace Softmodel.Trace;

/// <summary>What is traced: a network with a measure of how right its answers are.</summary>
/// <param name="Graph">
/// A graph in which roles are known. Its outputs are, for each example, <see cref="Measure"/>, <see cref="Margin"/>: by how much the
/// right answer's logit exceeds the largest of the others, of several answers the least, and where there is one answer,
/// <see cref="Top"/>: the class of the largest logit.
/// </param>
/// <param name="Usual">How large sizes of the inputs usually are.</param>
sealed record Subject(Graph Graph, IReadOnlyDictionary<string, long> Usual)
{
    /// <summary>Names of the outputs.</summary>
    public const string Measure = "measure", Margin = "margin", Top = "top";
}

/// <summary>How right an answer is.</summary>
enum Measures
{
    /// <summary>The logarithm of its probability.</summary>
    LogProbability,

    /// <summary>Its logit less the largest other one.</summary>
    Margin,
}

/// <summary>Examples that are computed in one run.</summary>
/// <param name="Inputs">A tensor for each input of the graph.</param>
/// <param name="Count">How many examples.</param>
/// <param name="PlacesOf">For each position of a site the example that it is of, and how far it is from the last one of that.</param>
sealed record Batch(IReadOnlyList<Tensor> Inputs, int Count, Func<Site, IReadOnlyList<Place>> PlacesOf);

/// <summary>Where a position is.</summary>
/// <param name="Example">The example, counted over all runs.</param>
/// <param name="FromEnd">How far it is from the last one of its example.</param>
/// <param name="IsFirst">Whether it is the first one of its example.</param>
readonly record struct Place(int Example, int FromEnd, bool IsFirst)
{
    /// <summary>The number of a first position, whatever follows it: much attention goes there, and its activations are unlike all others (arXiv 2309.17453).</summary>
    public const int First = -1;

    /// <summary>What is comparable between examples: how far a position is from the last one, or <see cref="First"/>.</summary>
    public int Position => IsFirst ? First : FromEnd;

    /// <summary>The places of examples of some lengths, one after the other.</summary>
    public static Place[] Of(IEnumerable<int> lengths) => [.. lengths.SelectMany((length, example) => Enumerable.Range(0, length).Select(i => new Place(example, length - 1 - i, i == 0)))];
}

/// <summary>Examples of one kind.</summary>
/// <param name="Name">What they are called in messages.</param>
/// <param name="Count">How many.</param>
/// <param name="Batches">Some of them, by their numbers, as few runs; they keep their order.</param>
sealed record ExampleSet(string Name, int Count, Func<IReadOnlyList<int>, IEnumerable<Batch>> Batches);
