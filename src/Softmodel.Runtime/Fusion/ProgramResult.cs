namespace Softmodel.Runtime.Fusion;

/// <summary>Why a program gave no result.</summary>
enum ProgramFailure
{
    /// <summary>It gave one.</summary>
    None,
    /// <summary>An operand is not what the program takes, or there are too many or too few.</summary>
    Operand,
    /// <summary>There is no such result, as of a division by zero: the text says so in a sentence.</summary>
    Undefined,
    /// <summary>An operand, the result, or the work is larger than the bound.</summary>
    TooLarge,
    /// <summary>It took longer than its limit.</summary>
    TimeLimit,
    /// <summary>It threw an exception, or gave nothing.</summary>
    Exception,
}

/// <summary>What a program answers.</summary>
/// <param name="Text">The result, without spaces around it, or one short sentence that says why there is none.</param>
/// <param name="Failure">Which of the two it is.</param>
readonly record struct ProgramResult(string Text, ProgramFailure Failure = ProgramFailure.None);

/// <summary>A program has no result. Becomes a <see cref="ProgramResult"/> where the program was called.</summary>
/// <param name="failure">Why.</param>
/// <param name="sentence">The same in one short sentence.</param>
sealed class ProgramException(ProgramFailure failure, string sentence) : Exception(sentence)
{
    /// <summary>Why.</summary>
    public ProgramFailure Failure => failure;
}
