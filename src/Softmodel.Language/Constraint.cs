using System.Text;
using Softmodel.Language.Constraints;

namespace Softmodel.Language;

/// <summary>
/// What a text has to be: what a regular expression matches, or JSON that a schema holds valid. While a model writes, only tokens
/// may come with which the text can still become so.
/// </summary>
/// <remarks>One constraint can serve many texts, models and threads.</remarks>
public sealed class Constraint
{
    Constraint(Func<Terms, (Term Term, bool HasOpenKeys, Func<string> Empty)> make)
    {
        Terms = new();
        (Start, HasOpenKeys, var empty) = make(Terms);
        Terms.Settle();
        if (Terms.Shortest(Start) == Terms.Never)
            throw new SoftmodelException($"no text can be what is demanded: {empty()}");
    }

    /// <summary>The automaton's states.</summary>
    internal Terms Terms { get; }

    /// <summary>Where a text begins.</summary>
    internal Term Start { get; }

    /// <summary>Whether it is JSON with keys that are not listed, and could come twice.</summary>
    internal bool HasOpenKeys { get; }

    /// <summary>A text that a regular expression matches as a whole.</summary>
    /// <param name="pattern">In the syntax of ECMA-262, without back-references and without what looks ahead or behind.</param>
    /// <exception cref="SoftmodelException">It is no such expression, or matches nothing.</exception>
    public static Constraint Regex(string pattern) => new(terms => (Pattern.Whole(pattern, terms, c => c.In(terms)), false, () => $"the pattern '{pattern}' matches nothing"));

    /// <summary>
    /// JSON that is valid by a schema: on one line, with a space after each colon and comma, members in the order of the schema,
    /// numbers with at most 15 digits and no exponent, no key twice. Objects that list their members have no others, unless the
    /// schema speaks of others; a schema without <c>type</c> means the types of which its keywords speak.
    /// </summary>
    /// <param name="schema">JSON Schema 2020-12, 2019-09, or draft 7 or 6, as its <c>$schema</c> says; 2020-12 where it says none.</param>
    /// <exception cref="SoftmodelException">It is none, holds nothing valid, or demands what is not followed, such as <c>uniqueItems</c> of any texts; the message says what and where.</exception>
    public static Constraint JsonSchema(string schema) => new(terms => Constraints.JsonSchema.Read(terms, schema));

    /// <summary>Any JSON value, written as <see cref="JsonSchema"/> has it.</summary>
    public static Constraint Json() => JsonSchema("true");

    /// <summary>Whether a text is what is demanded.</summary>
    public bool Matches(string text)
    {
        lock (Terms)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            return Terms.Next(Start, bytes).IsNullable && (!HasOpenKeys || JsonKeys.Start.Next(bytes) is not null);
        }
    }
}
