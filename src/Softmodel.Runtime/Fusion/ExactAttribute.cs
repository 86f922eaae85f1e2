namespace Softmodel.Runtime.Fusion;

/// <summary>
/// Makes a static method a program that a model can call: <c>softmodel fuse</c> trains a trigger and pointers for it, and
/// where the trigger fires, the method answers. Its parameters are read from the text that the pointers choose.
/// </summary>
/// <remarks>
/// Parameters are <see cref="string"/>, <see cref="bool"/>, <see cref="int"/>, <see cref="long"/>,
/// <see cref="System.Numerics.BigInteger"/>, <see cref="decimal"/>, <see cref="double"/>, <see cref="Numbers.Rational"/> or
/// <see cref="DateOnly"/>, and so is the result. Numbers may be written in digits or words, dates as <c>2024-03-05</c>,
/// <c>5 March 2024</c>, <c>March 5, 2024</c> or <c>3/5/2024</c>, month first. An exception is no result: its message is the answer.
/// </remarks>
/// <param name="description">What the method answers, in a line.</param>
/// <param name="examples">
/// Sentences to which the result is the answer, with each parameter in braces: <c>How many {letter:r} are in {word:strawberry}?</c>,
/// its name and an example of it, or several (<c>{word:apple|pear}</c>), or the name alone. At least one; the more of them differ in
/// wording, the better it is known when the result is due. A question ends with a question mark, an order with a full stop, and what
/// ends with neither is what the result is called: <c>the number of {letter} in {word}</c>.
/// </param>
[AttributeUsage(AttributeTargets.Method, Inherited = false)]
public sealed class ExactAttribute(string description, params string[] examples) : Attribute
{
    /// <summary>What the method answers.</summary>
    public string Description => description;

    /// <summary>Sentences to which the result is the answer.</summary>
    public IReadOnlyList<string> Examples => examples;

    /// <summary>
    /// Sentences that are like the examples and that the result is no answer to, as <c>How many letters does {word} have?</c>, with
    /// parameters in braces or without. Many others are made of the examples.
    /// </summary>
    public string[] Negatives { get; init; } = [];

    /// <summary>The program's name; by default the method's, in lower case with underscores.</summary>
    public string? Name { get; init; }

    /// <summary>
    /// How many milliseconds it may take, 1 to 60,000. A call that is late goes on in the background, since no thread can be ended
    /// from outside; after two of them the method isn't called any more.
    /// </summary>
    public int Milliseconds { get; init; } = 1000;
}
