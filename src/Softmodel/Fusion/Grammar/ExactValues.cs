using System.Globalization;

namespace Softmodel.Fusion;

/// <summary>Draws what stands in the text for the parameters of a method of one's own: by their types, and like the examples that its user gave.</summary>
sealed class ExactValues
{
    // All that Dates reads as it was meant; days before months only where nothing else can be meant.
    static readonly string[] dateFormats =
    [
        "d MMMM yyyy", "d MMMM yyyy", "MMMM d, yyyy", "MMMM d, yyyy", "yyyy-MM-dd", "yyyy-MM-dd", "d MMM yyyy", "MMM d, yyyy", "MM/dd/yyyy", "M/d/yyyy", "d.M.yyyy", "yyyy/MM/dd", "MMMM d yyyy", "d-MMM-yyyy",
        "dddd, d MMMM yyyy", "dddd, MMMM d, yyyy",
    ];

    static readonly string[] truths = ["yes", "no", "true", "false"];

    readonly IReadOnlyList<ExactParameter> parameters;
    readonly bool repeats;
    readonly string[][] given;
    readonly bool[] areQuoted;
    readonly string[] words;

    /// <summary>What is drawn for a method.</summary>
    /// <param name="descriptor">The method.</param>
    /// <param name="words">Words that fill parameters of text.</param>
    public ExactValues(ExactDescriptor descriptor, string[] words)
    {
        (parameters, repeats, this.words) = (descriptor.Parameters, descriptor.Program.Repeats, words);
        given = [.. parameters.Select((_, i) => descriptor.Examples.Concat(descriptor.Negatives).SelectMany(e => e).Where(p => p.Parameter == i).SelectMany(p => p.Values).Distinct(StringComparer.Ordinal).ToArray())];
        // A sentence that quotes a parameter by itself leaves nothing to add.
        areQuoted = [.. parameters.Select((p, i) => p.Type.Type != typeof(string) || descriptor.Examples.Any(e => e.Index().Any(q => q.Item.Parameter == i && q.Index > 0
            && e[q.Index - 1].Text is { Length: > 0 } before && "\"'“‘`*".Contains(before[^1], StringComparison.Ordinal))))];
    }

    /// <summary>Values for all parameters, of one passage.</summary>
    public Quantity[] Draw(Random random)
    {
        var (format, isWritten) = (dateFormats[random.Next(dateFormats.Length)], random.Next(7) == 0);
        var values = new string[parameters.Count][];
        for (var i = 0; i < values.Length; i++)
        {
            var count = repeats && i == values.Length - 1 ? random.Next(1, Math.Max(2, Fusing.Slots - i + 1)) : 1;
            // A look-up knows all of its items or has no result.
            var isGiven = random.Next(3) == 0;
            values[i] = [.. Enumerable.Range(0, count).Select(_ => One(i, random, random.Next(5) == 0 ? dateFormats[random.Next(dateFormats.Length)] : format, isWritten, isGiven))];
        }
        // What is asked of a text is mostly in it.
        if (values is [[{ Length: 1 } letter], [{ Length: > 1 } text]] && char.IsLetter(letter[0]) && random.Next(4) > 0)
            values[0][0] = Letter(text, random);
        else if (values is [[{ Length: > 1 } whole], [{ Length: 1 } part]] && char.IsLetter(part[0]) && random.Next(4) > 0)
            values[1][0] = Letter(whole, random);
        return [.. values.Select((v, i) => v.Length == 1 ? Around(v[0], i, random) : Listed(v, random))];
    }

    static string Letter(string text, Random random) => text[random.Next(text.Length)] is var c && char.IsLetter(c) ? c.ToString() : text[0].ToString();

    /// <summary>One value of any parameter.</summary>
    public string Any(Random random) => One(random.Next(parameters.Count), random, dateFormats[random.Next(dateFormats.Length)], random.Next(7) == 0, random.Next(3) == 0);

    string One(int index, Random random, string format, bool isWritten, bool isGiven)
    {
        var (type, own) = (parameters[index].Type.Type, given[index]);
        if (type == typeof(DateOnly))
            return Date(random, format);
        if (type == typeof(bool))
            return truths[random.Next(truths.Length)];
        if (type != typeof(string))
            return Number(type, own, random, isWritten);
        if (own.Length > 0 && own.All(v => v.Length == 1))
            return own.All(v => char.IsAsciiLetter(v[0])) ? ((char)((random.Next(20) == 0 ? 'A' : 'a') + random.Next(26))).ToString() : own[random.Next(own.Length)];
        if (own.Length > 0 && isGiven)
            return own[random.Next(own.Length)];
        var text = words[random.Next(words.Length)];
        // Several words where the user's have several.
        if (own.Length > 0 && own[random.Next(own.Length)].Count(c => c == ' ') is > 0 and var spaces)
            text = string.Join(' ', Enumerable.Range(0, Math.Min(3, spaces)).Select(_ => words[random.Next(words.Length)]).Append(text));
        return random.Next(20) switch { 0 => text.ToUpperInvariant(), 1 => char.ToUpperInvariant(text[0]) + text[1..], _ => text };
    }

    static string Date(Random random, string format)
    {
        // Most of them lie near, some anywhere within a thousand years.
        var day = random.Next(4) > 0 ? random.Next(new DateOnly(1980, 1, 1).DayNumber, new DateOnly(2040, 1, 1).DayNumber) : random.Next(new DateOnly(1200, 1, 1).DayNumber, new DateOnly(2200, 1, 1).DayNumber);
        var date = DateOnly.FromDayNumber(day);
        // With the day first it is meant where it can't be a month.
        if (format == "d.M.yyyy" || (format == "M/d/yyyy" && date.Day > 12 && random.Next(3) == 0))
            return date.ToString(format == "d.M.yyyy" ? format : "d/M/yyyy", CultureInfo.InvariantCulture);
        var text = date.ToString(format, CultureInfo.InvariantCulture);
        var day1 = date.Day.ToString(CultureInfo.InvariantCulture);
        if (format is "d MMMM yyyy" or "MMMM d, yyyy" && random.Next(4) == 0)
        {
            var place = day1 + (date.Day is 11 or 12 or 13 ? "th" : (date.Day % 10) switch { 1 => "st", 2 => "nd", 3 => "rd", _ => "th" });
            return format[0] == 'd' ? $"{(random.Next(2) == 0 ? "the " : "")}{place} {(random.Next(2) == 0 ? "of " : "")}{text[(day1.Length + 1)..]}" : text.Replace($" {day1},", $" {place},", StringComparison.Ordinal);
        }
        return text;
    }

    // As long as the user's, a digit more or less, and with the same signs around.
    static string Number(Type type, string[] own, Random random, bool isWritten)
    {
        var like = own.Length > 0 ? own[random.Next(own.Length)] : "10";
        var digits = like.Where(char.IsAsciiDigit).Count() is > 0 and var count ? count : 2;
        var isInteger = type == typeof(int) || type == typeof(long) || type == typeof(System.Numerics.BigInteger);
        var point = like.LastIndexOf('.');
        var decimals = isInteger ? 0 : point >= 0 && like.Length - point - 1 <= 4 ? like.Skip(point + 1).TakeWhile(char.IsAsciiDigit).Count() : random.Next(4) == 0 ? random.Next(1, 3) : 0;
        var most = 1m;
        for (var i = Math.Clamp(digits - decimals + random.Next(-1, 2), 1, type == typeof(int) ? 9 : 15); i > 0; i--)
            most *= 10;
        var value = Math.Max(1, decimal.Floor(most * (decimal)random.NextDouble()));
        for (var i = 0; i < decimals; i++)
            value += random.Next(10) * (decimal)Math.Pow(10, -1 - i);
        var percent = like.TrimEnd().EndsWith('%') ? "%" : "";
        var first = Array.FindIndex(own, o => o.Length > 0 && char.GetUnicodeCategory(o[0]) == UnicodeCategory.CurrencySymbol);
        var look = new Look(value >= 1000 && random.Next(2) == 0 ? ',' : '\0', decimals, first >= 0 && random.Next(4) > 0 ? own[first][..1] : "", percent, InWords: isWritten && decimals == 0 && value <= 1000);
        return look.Write(value);
    }

    // The operand is what stands within.
    Quantity Around(string value, int index, Random random)
    {
        var (before, after) = ("", "");
        if (!areQuoted[index])
        {
            (before, after) = random.Next(20) switch
            {
                0 or 1 or 2 => ("\"", "\""),
                3 or 4 or 5 => ("'", "'"),
                6 => ("“", "”"),
                7 => random.Next(3) switch { 0 => ("`", "`"), 1 => ("**", "**"), _ => ("‘", "’") },
                _ => ("", ""),
            };
        }
        return new(before + value + after) { Parts = [new(before.Length, value.Length)] };
    }

    static Quantity Listed(string[] values, Random random)
    {
        var (last, comma) = (random.Next(4) switch { 0 => ", and ", 1 => " & ", _ => " and " }, ", ");
        var (text, parts) = ("", new List<Span>());
        for (var i = 0; i < values.Length; i++)
        {
            text += i == 0 ? "" : i == values.Length - 1 ? last : comma;
            parts.Add(new(text.Length, values[i].Length));
            text += values[i];
        }
        return new(text) { Parts = [.. parts] };
    }
}
