using Softmodel.Arrays;
using Softmodel.Evaluate;
using Softmodel.Graphs;

namespace Softmodel.Compile;

/// <summary>A model on its way to a program: what a pass takes and gives.</summary>
/// <param name="Name">What the model is called in messages.</param>
/// <param name="Graph">The model in core operations.</param>
/// <param name="Use">What is known of its use.</param>
/// <param name="Folding">Folds constants.</param>
sealed record Compilation(string Name, Graph Graph, UseCase Use, ConstantFolding Folding)
{
    /// <summary>What passes have found, in their order.</summary>
    public IReadOnlyList<Finding> Findings { get; init; } = [];

    /// <summary>What passes are measured on; null where nothing is there to measure on.</summary>
    public Measurement? Measurement { get; init; }
}

/// <summary>How passes that are not exact are measured: by what the graph computes for the inputs of its use.</summary>
/// <param name="Inputs">What it is run on.</param>
/// <param name="Run">The results of a graph for each of them.</param>
sealed record Measurement(IReadOnlyList<InputSet> Inputs, Func<Graph, IReadOnlyList<InputSet>, IReadOnlyList<Tensor[]>> Run)
{
    /// <summary>The results of a graph.</summary>
    public IReadOnlyList<Tensor[]> Of(Graph graph) => Run(graph, Inputs);

    /// <summary>What a graph's results have lost: the worst of all outputs and inputs.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="original">The results of the graph that it stands for.</param>
    public Loss LossOf(Graph graph, IReadOnlyList<Tensor[]> original)
    {
        return (from set in Inputs.Zip(Of(graph), original)
                from output in graph.Results.Zip(set.Second, set.Third)
                select new Loss(Agreement.Of([output.Second], [output.Third]).SnrDb, output.First.Name, set.First.Name)).MinBy(l => l.SnrDb)!;
    }
}

/// <summary>What a measured pass costs.</summary>
/// <param name="SnrDb">The power of an output over that of the difference to the model without measured passes, in decibels, of the worst output: at most <see cref="Agreement.Equal"/>.</param>
/// <param name="Output">The output.</param>
/// <param name="Inputs">The inputs for which that is so.</param>
sealed record Loss(double SnrDb, string Output, string Inputs);

/// <summary>What a pass has seen, and what became of it.</summary>
/// <param name="Where">The node of the model.</param>
/// <param name="ReplacedBy">What stands for it.</param>
/// <param name="SnrDb">How exact that is: the power of what it was over that of the difference, in decibels; null where it is exact.</param>
/// <param name="IsKept">Whether it was replaced: it is not where that breaks the budget.</param>
sealed record Finding(string Where, string ReplacedBy, double? SnrDb, bool IsKept);
