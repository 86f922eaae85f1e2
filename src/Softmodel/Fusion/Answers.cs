using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Fusion;

/// <summary>Whether texts say what a program would write.</summary>
static class Answers
{
    /// <summary>Whether the first thing that a text says, after blanks and signs, is an answer: the same text, or the same number.</summary>
    public static bool Begins(string text, string answer)
    {
        var line = text.TrimStart([.. " \t\r\n*$£€\"'`([{\\=:"]).Split('\n')[0].Trim();
        if (IsSame(line, answer))
            return true;
        if (line.StartsWith(answer, StringComparison.OrdinalIgnoreCase) && IsEnd(line.AsSpan(answer.Length), answer[^1]))
            return true;
        // What follows the number, as its unit, is not asked for.
        return IsSame(line.Split(' ')[0].TrimEnd([.. ".,;:!?)*$\"'`]}|\\%"]), answer);
    }

    /// <summary>Whether two texts are the same, or the same number.</summary>
    public static bool IsSame(string text, string answer) => string.Equals(text, answer, StringComparison.OrdinalIgnoreCase) || (Value(text) is { } value && Value(answer) is { } other && value == other);

    // "12" does not begin "123", "1,200" nor "1.5", and "yes" not "yesterday".
    static bool IsEnd(ReadOnlySpan<char> after, char last) => after.Length == 0 || (!char.IsLetterOrDigit(after[0]) && !(char.IsDigit(last) && after.Length > 1 && after[0] is '.' or ',' or '/' && char.IsDigit(after[1])))
        || (char.IsDigit(last) && char.IsLetter(after[0]));

    static Rational? Value(string text)
    {
        try
        {
            return text.Length is 0 or > 200 ? null : Number.Read(text).Value;
        }
        catch (ProgramException)
        {
            return null;
        }
    }
}
