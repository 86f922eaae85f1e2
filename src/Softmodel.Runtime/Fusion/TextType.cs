using System.Globalization;
using System.Numerics;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Runtime.Fusion;

/// <summary>A type that is read from text and written as text: all that is known of it.</summary>
/// <param name="Type">The type.</param>
/// <param name="Name">Its name in C#.</param>
/// <param name="Kind">What it is in a message: <c>a number</c>.</param>
/// <param name="Read">Reads a value; throws <see cref="ProgramException"/> where the text is none.</param>
/// <param name="Write">Writes a value as the operands are written.</param>
sealed record TextType(Type Type, string Name, string Kind, Func<string, object> Read, Func<object, string[], WritingStyle, string> Write)
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<TextType> All { get; } =
    [
        new(typeof(string), "string", "text", Unquoted, (value, _, _) => (string)value),
        new(typeof(bool), "bool", "yes or no", Truth, (value, _, _) => (bool)value ? "yes" : "no"),
        Number("int", value => (int)Integer(value, int.MinValue, int.MaxValue), value => value, UnitRule.None),
        Number("long", value => (long)Integer(value, long.MinValue, long.MaxValue), value => value, UnitRule.None),
        Number("BigInteger", value => Integer(value, null, null), value => value, UnitRule.None),
        Number("decimal", Decimal, value => value, UnitRule.Same),
        Number("double", Double, FromDouble, UnitRule.Same),
        Number("Rational", value => value, value => value, UnitRule.Same),
        new(typeof(DateOnly), "DateOnly", "a date", text => Dates.Read(text).Date, Date),
    ];

    /// <summary>What is known of a type; null where it can't be read from text.</summary>
    public static TextType? Of(Type type) => All.FirstOrDefault(t => t.Type == type);

    static TextType Number<T>(string name, Func<Rational, T> from, Func<T, Rational> to, UnitRule rule) where T : notnull =>
        new(typeof(T), name, "a number", text => from(Numbers.Number.Read(text).Value), (value, operands, around) => around.Write(to((T)value), Operands(operands), rule));

    // Those of the operands that are numbers, and no percentages: the others say nothing of how a result is written.
    static Number[] Operands(string[] texts)
    {
        var numbers = new List<Number>();
        foreach (var text in texts)
        {
            try
            {
                if (Numbers.Number.Read(text) is { Style.Percent: false } number)
                    numbers.Add(number);
            }
            catch (ProgramException)
            {
            }
        }
        return [.. numbers];
    }

    // What stands in a text stands in quotes there, perhaps.
    static string Unquoted(string text)
    {
        var inside = text.Trim();
        return inside.Trim('"', '\'', '`', '*', '\u2018', '\u2019', '\u201C', '\u201D', '«', '»').Trim() is { Length: > 0 } plain ? plain : inside;
    }

    static object Truth(string text) => text.Trim().ToLowerInvariant() switch
    {
        "yes" or "true" => true,
        "no" or "false" => false,
        _ => throw Refused(text, "neither yes nor no"),
    };

    static BigInteger Integer(Rational value, BigInteger? least, BigInteger? most) => !value.IsInteger ? throw Refused(value.ToString(), "no integer")
        : value.Numerator < least || value.Numerator > most ? throw Refused(value.ToString(), "too large") : value.Numerator;

    static decimal Decimal(Rational value) => value.Abs() <= decimal.MaxValue ? (decimal)value : throw Refused(value.ToString(), "too large");

    static double Double(Rational value)
    {
        // The text of enough digits is rounded once, to the nearest double.
        var magnitude = NumberWriter.Magnitude(value.Abs());
        var digits = (value / new Rational(10, 1).Pow(magnitude)).Scaled(800, MidpointRounding.ToZero);
        var number = double.Parse(string.Create(CultureInfo.InvariantCulture, $"{digits}e{magnitude - 800}"), CultureInfo.InvariantCulture);
        return double.IsFinite(number) ? number : throw Refused(value.ToString(), "too large");
    }

    // The shortest decimals that are this double.
    static Rational FromDouble(double value) => double.IsFinite(value) ? Numbers.Number.Read(value.ToString("R", CultureInfo.InvariantCulture)).Value
        : throw new ProgramException(ProgramFailure.Undefined, "There is no such number.");

    static string Date(object value, string[] operands, WritingStyle around)
    {
        foreach (var operand in operands)
        {
            try
            {
                return ((DateOnly)value).ToString(Dates.Read(operand).Format, CultureInfo.InvariantCulture);
            }
            catch (ProgramException)
            {
            }
        }
        return ((DateOnly)value).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
    }

    static ProgramException Refused(string text, string what) => new(ProgramFailure.Operand, $"'{Numbers.Number.Short(text)}' is {what}.");
}
