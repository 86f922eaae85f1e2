namespace Softmodel.Runtime;

/// <summary>What kind of thing went wrong in a compiled model; the numbers are those of the C interface.</summary>
public enum ModelError
{
    /// <summary>Nothing.</summary>
    None = 0,
    /// <summary>An argument is missing, or has the wrong element type, rank, size or number of elements.</summary>
    Argument = 1,
    /// <summary>Sizes that only the data decide do not fit one another.</summary>
    Shape = 2,
    /// <summary>A value used as an index lies outside of what it indexes, or an integer is divided by 0.</summary>
    Index = 3,
    /// <summary>The memory limit, or the machine's memory, does not suffice.</summary>
    Memory = 4,
    /// <summary>The weights are missing, damaged, or belong to another model.</summary>
    Weights = 5,
    /// <summary>The model is running on another thread, or has been disposed of.</summary>
    State = 6,
    /// <summary>Anything else: a defect of the compiler.</summary>
    Internal = 7,
    /// <summary>An exact program failed, or is not there.</summary>
    Program = 9,
}

/// <summary>A compiled model refused to run, or could not.</summary>
/// <param name="error">The kind.</param>
/// <param name="message">What, where, and what to do.</param>
/// <param name="inner">The cause, where another error is.</param>
public sealed class ModelException(ModelError error, string message, Exception? inner = null) : SoftmodelException(message, inner!)
{
    /// <summary>The kind.</summary>
    public ModelError Error { get; } = error;
}
