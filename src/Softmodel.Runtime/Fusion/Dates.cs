using System.Globalization;

namespace Softmodel.Runtime.Fusion;

/// <summary>Dates as they stand in a text.</summary>
static class Dates
{
    // Each is also how a result is written where the operand was written so.
    static readonly string[] formats =
    [
        "yyyy-M-d", "d MMMM yyyy", "MMMM d, yyyy", "d MMM yyyy", "MMM d, yyyy", "M/d/yyyy", "d/M/yyyy", "d.M.yyyy", "yyyy/M/d", "MMMM d yyyy", "MMM d yyyy", "d-MMM-yyyy", "yyyyMMdd",
    ];

    static readonly string[] days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

    /// <summary>Reads a date, and the format that it is written in.</summary>
    /// <param name="text">A date; the name of a day before it, and <c>th</c>, <c>of</c> and <c>the</c> in it don't count.</param>
    /// <exception cref="ProgramException">It is none.</exception>
    public static (DateOnly Date, string Format) Read(string text)
    {
        if (text.Length <= 60)
        {
            var words = text.Replace(",", ", ", StringComparison.Ordinal).Split((char[])[' ', '\u00A0'], StringSplitOptions.RemoveEmptyEntries).Select(Word).ToList();
            words.RemoveAll(w => w is "the" or "of" or "The");
            if (words.Count > 0 && days.Contains(words[0].TrimEnd(','), StringComparer.OrdinalIgnoreCase))
                words.RemoveAt(0);
            var plain = string.Join(' ', words).Trim([.. " ,.;:?!\"'()"]);
            foreach (var format in formats)
            {
                if (DateOnly.TryParseExact(plain, format, CultureInfo.InvariantCulture, DateTimeStyles.None, out var date))
                    return (date, format == "yyyy-M-d" ? "yyyy-MM-dd" : format);
            }
        }
        throw new ProgramException(ProgramFailure.Operand, $"'{Numbers.Number.Short(text)}' is no date.");
    }

    // "5th" is 5, and so on.
    static string Word(string word)
    {
        var plain = word.TrimEnd(',');
        return plain.Length is 3 or 4 && plain[^2..] is "st" or "nd" or "rd" or "th" && plain[..^2].All(char.IsAsciiDigit) ? plain[..^2] + word[plain.Length..] : word;
    }
}
