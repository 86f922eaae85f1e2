using Softmodel.Graphs;

namespace Softmodel.Compile;

/// <summary>A model on its way to a program: what a pass takes and gives.</summary>
/// <param name="Name">What the model is called in messages.</param>
/// <param name="Graph">The model in core operations.</param>
/// <param name="Use">What is known of its use.</param>
/// <param name="Fold">What computes constants.</param>
sealed record Compilation(string Name, Graph Graph, UseCase Use, Folding Fold)
{
    /// <summary>What passes have found, in their order.</summary>
    public IReadOnlyList<Finding> Findings { get; init; } = [];
}

/// <summary>What a pass has seen, and what became of it.</summary>
/// <param name="Where">The node of the model.</param>
/// <param name="ReplacedBy">What stands for it.</param>
/// <param name="SnrDb">How exact that is: the power of what it was over that of the difference, in decibels; null where it is exact.</param>
/// <param name="IsKept">Whether it was replaced: it is not where that breaks the budget.</param>
sealed record Finding(string Where, string ReplacedBy, double? SnrDb, bool IsKept);
