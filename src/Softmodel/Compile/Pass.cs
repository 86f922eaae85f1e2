namespace Softmodel.Compile;

/// <summary>What a pass does to the results.</summary>
enum Fidelity
{
    /// <summary>The same elements come out, but for the sign of zero and which NaN it is.</summary>
    Exact,

    /// <summary>Results differ: by how much is measured, and what breaks the use case's budget is refused.</summary>
    Measured,
}

/// <summary>A step from one compilation to the next.</summary>
/// <param name="Name">What it is called on the command line and in reports.</param>
/// <param name="Fidelity">What it does to the results.</param>
/// <param name="Does">What it does, in a line.</param>
/// <param name="Apply">The compilation after it; null where the use case does not ask for it.</param>
sealed record Pass(string Name, Fidelity Fidelity, string Does, Func<Compilation, Compilation?> Apply);

/// <summary>What a pass did.</summary>
/// <param name="Pass">The pass.</param>
/// <param name="IsAsked">Whether the use case asks for it.</param>
/// <param name="NodesBefore">Nodes of the graph and its bodies.</param>
/// <param name="NodesAfter">The same after it.</param>
/// <param name="BytesBefore">Bytes of parameters and other constants.</param>
/// <param name="BytesAfter">The same after it.</param>
/// <param name="Findings">What it found.</param>
/// <param name="Milliseconds">How long it took, measuring included.</param>
/// <param name="Loss">What the results have lost with it and those before it; null where it is exact or nothing was there to measure on.</param>
/// <param name="IsRefused">Whether that is more than the budget, and the graph stayed as it was before.</param>
sealed record PassRun(Pass Pass, bool IsAsked, int NodesBefore, int NodesAfter, long BytesBefore, long BytesAfter, IReadOnlyList<Finding> Findings, double Milliseconds, Loss? Loss = null, bool IsRefused = false)
{
    /// <summary>Why it was refused, in words.</summary>
    public string Refusal(UseCase use) => $"refused: '{Loss!.Output}' has {Loss.SnrDb:0.0} dB for {Loss.Inputs}, and {use.LeastOutputSnrDb:0.#} are asked for";
}
