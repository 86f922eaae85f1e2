using System.Text;
using Softmodel.Language.Constraints;

namespace Softmodel.Language;

/// <summary>
/// Constrained decoding: the text matches a regular expression, or is JSON that is valid by a schema (structured output). Only tokens
/// with which the text can still do so are sampled.
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
            throw new SoftmodelException($"no text can satisfy the constraint: {empty()}");
    }

    /// <summary>The automaton's states.</summary>
    internal Terms Terms { get; }

    /// <summary>Where a text begins.</summary>
    internal Term Start { get; }

    /// <summary>Whether it is JSON with keys that are not listed, and could come twice.</summary>
    internal bool HasOpenKeys { get; }

    /// <summary>A text that matches a regular expression from its start to its end.</summary>
    /// <param name="pattern">In the syntax of ECMA-262, without back-references, lookahead and lookbehind.</param>
    /// <exception cref="SoftmodelException">It is no such expression, or matches nothing.</exception>
    public static Constraint Regex(string pattern) => new(terms => (Pattern.Whole(pattern, terms, c => c.In(terms)), false, () => $"the pattern '{pattern}' matches nothing"));

    /// <summary>
    /// JSON that is valid by a schema: on one line, with a space after each colon and comma, members in the order of the schema,
    /// numbers with at most 15 digits and no exponent, no key twice. Objects that list their members have no others, unless the
    /// schema speaks of others; a schema without <c>type</c> means the types of which its keywords speak.
    /// </summary>
    /// <param name="schema">JSON Schema 2020-12, 2019-09, or draft 7 or 6, as its <c>$schema</c> says; 2020-12 where it says none.</param>
    /// <exception cref="SoftmodelException">It is no schema, is unsatisfiable, or uses what is not supported, such as <c>uniqueItems</c> of unbounded strings; the message says what and where.</exception>
    public static Constraint JsonSchema(string schema) => new(terms => Constraints.JsonSchema.Read(terms, schema));

    /// <summary>JSON mode: any JSON value, formatted as <see cref="JsonSchema"/> has it.</summary>
    public static Constraint Json() => JsonSchema("true");

    /// <summary>Whether a text satisfies the constraint.</summary>
    public bool Matches(string text)
    {
        lock (Terms)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            return Terms.Next(Start, bytes).IsNullable && (!HasOpenKeys || JsonKeys.Start.Next(bytes) is not null);
        }
    }
}
