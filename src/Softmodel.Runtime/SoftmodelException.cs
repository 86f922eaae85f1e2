namespace Softmodel;

/// <summary>Something that the user can mend: the message says what is wrong, where, and what to do about it.</summary>
public class SoftmodelException : Exception
{
    /// <summary>Makes the error.</summary>
    /// <param name="message">What, where, and what to do; one or a few sentences without a stack trace.</param>
    public SoftmodelException(string message) : base(message) { }

    /// <summary>Makes the error with the one that caused it.</summary>
    /// <param name="message">What, where, and what to do.</param>
    /// <param name="inner">The cause.</param>
    public SoftmodelException(string message, Exception inner) : base(message, inner) { }
}
