using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>What sizes must be for an operation to have a meaning, where only a run can tell.</summary>
/// <param name="Demand">What is demanded.</param>
/// <param name="Sizes">Of what.</param>
/// <param name="Text">What is wrong otherwise, where <c>{0}</c>, <c>{1}</c>, ... stand for the sizes.</param>
sealed record Condition(Demand Demand, EquatableArray<Dim> Sizes, string Text)
{
    /// <summary>Whether it provably holds for all sizes that symbols can be.</summary>
    public bool IsProven => !Sizes.Any(d => d.CanFail) && Demand switch
    {
        Demand.AtLeast => (Sizes[0] - Sizes[1]).IsNeverNegative,
        Demand.Equal => Sizes[0].Equals(Sizes[1]),
        Demand.BroadcastsTo => Sizes[0].Value == 1 || Sizes[0].Equals(Sizes[1]),
        Demand.Fits => Sizes[0].Value == 1 || Sizes[1].Value == 1 || Sizes[0].Equals(Sizes[1]),
        Demand.Within => IsWithin(Sizes[0], Sizes[0] + (Sizes[1] - 1) * Sizes[2], Sizes[2].Value > 0),
        Demand.Several => (Sizes[0] - Sizes[1] - 1).IsNeverNegative,
        _ => Sizes[0].Value == 0 || (Sizes[1] - 1).IsNeverNegative,
    };

    bool IsWithin(Dim first, Dim last, bool forwards) =>
        (forwards ? first : last).IsNeverNegative && (Sizes[3] - 1 - (forwards ? last : first)).IsNeverNegative;
}
