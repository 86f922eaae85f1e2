using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace Softmodel.Tests.Common;

/// <summary>A place in a text where a result is due.</summary>
/// <param name="At">Where the result begins: a number of UTF-16 code units.</param>
/// <param name="Answer">The result. The text may show another there, or none.</param>
sealed record SumMark(int At, string Answer);

/// <summary>A text that was drawn from a form.</summary>
/// <param name="Form">The form.</param>
/// <param name="Text">The text, which ends where the answer begins; in a chat the user's message.</param>
/// <param name="Reply">In a chat, how the assistant's message has begun; else null.</param>
/// <param name="Answer">The result that is due at the end, with the blank before it that the text needs; else null.</param>
/// <param name="Marks">Where in the text results are due.</param>
sealed record SumText(SumForm Form, string Text, string? Reply, string? Answer, SumMark[] Marks);

/// <summary>How an answer is written.</summary>
/// <param name="Places">With how many decimals; null for as many as it has.</param>
/// <param name="Thousands">Whether with commas.</param>
/// <param name="As"><c>fraction</c>, <c>operand</c>, <c>either</c> (digits or words) or <c>in-words</c>; null for a number in digits.</param>
sealed record SumStyle(int? Places, bool Thousands, string? As);

/// <summary>A template of <c>tests/data/sums</c>, whose page says what all of it means.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Program">What computes the answer; null where none is due at the end.</param>
/// <param name="Kind">What kind of text it is; of a negative, why no sum is due.</param>
/// <param name="Text">The text.</param>
/// <param name="Reply">In a chat, how the assistant's message has begun.</param>
/// <param name="Slots">How each slot is drawn.</param>
/// <param name="Where">A condition on the slots.</param>
/// <param name="Answers">Expressions of the answer: none, one or two.</param>
/// <param name="Between">What stands between two.</param>
/// <param name="Lead">What stands before the answer.</param>
/// <param name="Style">How it is written.</param>
/// <param name="Steps">How many marks a solution has.</param>
/// <param name="Inside">For a negative, <c>true-sum</c> where true sums may be written within, else <c>none</c>.</param>
sealed record SumForm(
    string Id, string? Program, string Kind, string Text, string? Reply, (string Name, JsonElement How)[] Slots, string? Where,
    string[] Answers, string Between, string Lead, SumStyle Style, int? Steps, string? Inside);

/// <summary>Draws texts from the templates of <c>tests/data/sums</c>.</summary>
static class SumForms
{
    // What a slot has become: its value, its text, and of a list those of its items.
    sealed record Slot(object Value, string Text, Slot[] Items);

    // A condition that holds for fewer draws than one of so many is a mistake in the template.
    const int MostDraws = 20_000;

    // A form of which so many draws in a row gave nothing new has no other text.
    const int MostRepeats = 1_000;

    /// <summary>Reads a file: <c>forms.jsonl</c>, <c>negatives.jsonl</c> or <c>solutions.jsonl</c>.</summary>
    public static SumForm[] Read(string path) => [.. File.ReadLines(path).Where(l => l.Length > 0).Select(line => Parse(JsonDocument.Parse(line).RootElement))];

    static SumForm Parse(JsonElement line)
    {
        JsonElement? Field(string name) => line.TryGetProperty(name, out var value) ? value : null;
        string? Text(string name) => Field(name)?.GetString();
        var style = Field("style");
        return new(
            Text("id")!, Text("program"), Text("why") ?? Text("kind")!, Text("form")!, Text("reply"),
            [.. line.GetProperty("slots").EnumerateObject().Select(s => (s.Name, s.Value))], Text("where"),
            Field("answer") is not { } answer ? [] : answer.ValueKind == JsonValueKind.Array ? [.. answer.EnumerateArray().Select(a => a.GetString()!)] : [answer.GetString()!],
            Text("between") ?? "", Text("lead") ?? "",
            new(Of(style, "places")?.GetInt32(), Of(style, "thousands")?.GetBoolean() ?? false, Of(style, "as")?.GetString()), Field("steps")?.GetInt32(), Text("inside"));
    }

    static JsonElement? Of(JsonElement? from, string name) => from is { } element && element.TryGetProperty(name, out var value) ? value : null;

    /// <summary>Draws texts from a form, different ones as long as there are any. The first ones are the same whatever the count.</summary>
    public static SumText[] Draw(SumForm form, int count, int seed)
    {
        var (random, seen, drawn) = (Generator(form, seed), new HashSet<(string, string?)>(), new List<SumText>());
        while (drawn.Count < count)
        {
            if (Fresh(form, random, seen) is { } text)
                drawn.Add(text);
            else
                seen.Clear();
        }
        return [.. drawn];
    }

    /// <summary>Draws different texts: round after round, one from every form that has one left.</summary>
    public static SumText[] DrawInTurns(IReadOnlyList<SumForm> forms, int count, int seed)
    {
        var (seen, drawn) = (new HashSet<(string, string?)>(), new List<SumText>());
        var left = forms.Select(f => (Form: f, Random: Generator(f, seed))).ToList();
        while (left.Count > 0 && drawn.Count < count)
        {
            left.RemoveAll(f =>
            {
                if (drawn.Count == count)
                    return false;
                if (Fresh(f.Form, f.Random, seen) is not { } text)
                    return true;
                drawn.Add(text);
                return false;
            });
        }
        return [.. drawn];
    }

    // A form's texts do not depend on the forms before it.
    static Random Generator(SumForm form, int seed) => new(unchecked(form.Id.Aggregate(17, (hash, c) => hash * 31 + c) * 65_537 + seed));

    static SumText? Fresh(SumForm form, Random random, HashSet<(string, string?)> seen)
    {
        for (var i = 0; i < MostRepeats; i++)
        {
            if (One(form, random) is var text && seen.Add((text.Text, text.Reply)))
                return text;
        }
        return null;
    }

    static SumText One(SumForm form, Random random)
    {
        for (var i = 0; i < MostDraws; i++)
        {
            if (TryDraw(form, random, out var slots))
                return Written(form, slots);
        }
        throw new InvalidDataException($"{form.Id}: no draw meets its conditions");
    }

    static bool TryDraw(SumForm form, Random random, [NotNullWhen(true)] out Dictionary<string, Slot>? slots)
    {
        slots = [];
        try
        {
            foreach (var (name, how) in form.Slots)
                slots.Add(name, Drawn(how, random, Values(slots)));
            return form.Where is not { } where || (bool)SumExpression.Evaluate(where, Values(slots));
        }
        catch (ArithmeticException)
        {
            return false;
        }
    }

    static Dictionary<string, object> Values(Dictionary<string, Slot> slots) => slots.ToDictionary(s => s.Key, s => s.Value.Value);

    static Slot Drawn(JsonElement how, Random random, Dictionary<string, object> before)
    {
        switch (how.GetProperty("kind").GetString())
        {
            case "integer":
                return Number(Of(how, "digits") is { } digits ? WithDigits(Between(digits, random), random) : Stepped(how, random), how, null);
            case "decimal":
                var places = how.GetProperty("places").GetInt32();
                var scale = Power(places);
                var (low, high) = (Ceiling(how.GetProperty("min").GetDecimal() * scale), Floor(how.GetProperty("max").GetDecimal() * scale));
                return Number(new(random.NextInt64(low, high + 1), (long)scale), how, places);
            case "fraction":
                var q = Between(how.GetProperty("denominator"), random);
                var p = Pick([.. Enumerable.Range(1, q - 1).Where(n => BigInteger.GreatestCommonDivisor(n, q).IsOne)], random);
                return new(new Ratio(p, q), $"{p}/{q}", []);
            case "list":
                Slot[] items = [.. Enumerable.Range(0, Between(how.GetProperty("count"), random)).Select(_ => Drawn(how.GetProperty("of"), random, before))];
                var separator = how.GetProperty("separator").GetString()!;
                var last = Of(how, "last")?.GetString() ?? separator;
                return new((Ratio[])[.. items.Select(i => (Ratio)i.Value)], string.Join(separator, items[..^1].Select(i => i.Text)) + last + items[^1].Text, items);
            case "expression":
                return Expression(how, random);
            case "choice":
                string[] all = [.. how.GetProperty("of").EnumerateArray().Select(o => o.ToString())];
                var chosen = Pick(all, random);
                return new(all.All(o => Ratio.TryParse(o, out _)) && Ratio.TryParse(chosen, out var number) ? number : chosen, chosen, []);
            case "derived":
                var value = SumExpression.Evaluate(how.GetProperty("value").GetString()!, before);
                return value is Ratio derived ? Number(derived, how, Of(how, "places")?.GetInt32()) : new(value, (string)value, []);
            case var kind:
                throw new InvalidDataException($"no slot is of the kind '{kind}'");
        }
    }

    static int Between(JsonElement range, Random random) => random.Next(range[0].GetInt32(), range[1].GetInt32() + 1);

    static T Pick<T>(T[] all, Random random) => all[random.Next(all.Length)];

    static decimal Power(int places) => (decimal)BigInteger.Pow(10, places);

    static long Ceiling(decimal value) => (long)decimal.Ceiling(value);

    static long Floor(decimal value) => (long)decimal.Floor(value);

    static Ratio WithDigits(int count, Random random) =>
        BigInteger.Parse(string.Concat(Enumerable.Range(0, count).Select(i => random.Next(i == 0 ? 1 : 0, 10))), CultureInfo.InvariantCulture);

    static Ratio Stepped(JsonElement how, Random random)
    {
        var (low, high, step) = (how.GetProperty("min").GetInt64(), how.GetProperty("max").GetInt64(), Of(how, "step")?.GetInt64() ?? 1);
        return (BigInteger)(low + step * random.NextInt64((high - low) / step + 1));
    }

    static Slot Expression(JsonElement how, Random random)
    {
        string[] signs = [.. how.GetProperty("operators").EnumerateArray().Select(o => o.GetString()!)];
        string[] operands = [.. Enumerable.Range(0, Between(how.GetProperty("operands"), random)).Select(_ => Decimal(Stepped(how, random), null))];
        if (how.GetProperty("parentheses").GetBoolean() && operands.Length > 2)
        {
            var first = random.Next(operands.Length - 1);
            operands[first] = $"({operands[first]}";
            operands[first + 1] += ")";
        }
        var blank = Of(how, "spaces") is { ValueKind: JsonValueKind.False } ? "" : " ";
        var text = operands.Skip(1).Aggregate(operands[0], (before, operand) => $"{before}{blank}{Pick(signs, random)}{blank}{operand}");
        return new(SumExpression.Number(text.Replace('×', '*').Replace('÷', '/'), new Dictionary<string, object>(), wholeQuotients: true), text, []);
    }

    static Slot Number(Ratio value, JsonElement how, int? places)
    {
        var format = Of(how, "format")?.GetString();
        var text = format switch
        {
            "words" or "words-and" => SumWords.Of(value.Integer, format == "words-and"),
            "Words" => SumWords.Of(value.Integer, withAnd: false) is var words ? char.ToUpperInvariant(words[0]) + words[1..] : "",
            "thousands" => Decimal(value, places, thousands: true),
            "no-zero" => Decimal(value, places) is var digits && digits.StartsWith("0.", StringComparison.Ordinal) ? digits[1..] : digits.Replace("-0.", "-.", StringComparison.Ordinal),
            null => Decimal(value, places),
            _ => throw new InvalidDataException($"no number has the format '{format}'"),
        };
        return new(value, Of(how, "pad")?.GetInt32() is { } pad ? text.PadLeft(pad, '0') : text, []);
    }

    // With as many decimals as asked for, or as it has.
    static string Decimal(Ratio value, int? places, bool thousands = false)
    {
        var decimals = places ?? value.Decimals;
        var digits = BigInteger.Abs((value * Ratio.Power(10, decimals)).Integer).ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        var (whole, rest) = (digits[..^decimals], digits[^decimals..]);
        if (thousands)
        {
            for (var i = whole.Length - 3; i > 0; i -= 3)
                whole = whole.Insert(i, ",");
        }
        return $"{(value.Numerator.Sign < 0 ? "-" : "")}{whole}{(decimals > 0 ? "." : "")}{rest}";
    }

    static SumText Written(SumForm form, Dictionary<string, Slot> slots)
    {
        try
        {
            var values = Values(slots);
            var (text, marks) = Filled(form.Text, slots, values);
            var reply = form.Reply is null ? null : Filled(form.Reply, slots, values).Text;
            var answer = form.Answers.Length == 0 ? null : form.Lead + string.Join(form.Between, form.Answers.Select(a => Answer(SumExpression.Evaluate(a, values), form.Style, slots)));
            return new(form, text, reply, answer, marks);
        }
        catch (Exception e) when (e is ArithmeticException or FormatException or InvalidCastException or KeyNotFoundException)
        {
            throw new InvalidDataException($"{form.Id}: {e.Message}", e);
        }
    }

    static string Answer(object value, SumStyle style, Dictionary<string, Slot> slots) => value switch
    {
        string text => text,
        Ratio number => style.As switch
        {
            "fraction" => number.IsInteger ? Decimal(number, null) : $"{number.Numerator}/{number.Denominator}",
            "operand" => slots.Values.SelectMany(s => s.Items.Append(s)).First(s => s.Value.Equals(number)).Text,
            _ => Decimal(number, style.Places, style.Thousands),
        },
        _ => throw new FormatException($"{value} is no answer"),
    };

    static (string Text, SumMark[] Marks) Filled(string form, Dictionary<string, Slot> slots, Dictionary<string, object> values)
    {
        var (text, marks) = (new StringBuilder(), new List<SumMark>());
        for (var i = 0; i < form.Length;)
        {
            var rest = form.AsSpan(i);
            if (rest.StartsWith("{{") || rest.StartsWith("}}"))
            {
                text.Append(form[i]);
                i += 2;
            }
            else if (rest[0] == '{')
            {
                var end = rest.IndexOf('}');
                text.Append(slots[rest[1..end].ToString()].Text);
                i += end + 1;
            }
            else if (rest.StartsWith("<<"))
            {
                var end = rest.IndexOf(">>");
                var inside = rest[2..end].ToString().Split('~', 2);
                var written = inside[0].Split('|', 2);
                SumStyle style = written.Length == 1 ? new(null, false, null) : written[1] == "," ? new(null, true, null) : new(int.Parse(written[1], CultureInfo.InvariantCulture), false, null);
                var mark = new SumMark(text.Length, Answer(SumExpression.Evaluate(written[0], values), style, slots));
                marks.Add(mark);
                text.Append(inside.Length == 1 ? mark.Answer : Filled(inside[1], slots, values).Text);
                i += end + 2;
            }
            else
            {
                text.Append(form[i]);
                i++;
            }
        }
        return (text.ToString(), [.. marks]);
    }
}

/// <summary>Integers in English words.</summary>
static class SumWords
{
    static readonly string[] small = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"];
    static readonly string[] tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    static readonly (int Size, string Name)[] groups = [(1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand")];

    /// <summary>An integer of up to twelve digits: <c>two hundred five</c>, or <c>two hundred and five</c>.</summary>
    public static string Of(BigInteger value, bool withAnd)
    {
        if (value.Sign < 0)
            return $"minus {Of(-value, withAnd)}";
        var (rest, words) = ((long)value, new List<string>());
        foreach (var (size, name) in groups)
        {
            if (rest >= size)
                words.Add($"{Hundreds((int)(rest / size), withAnd)} {name}");
            rest %= size;
        }
        if (rest > 0 || words.Count == 0)
            words.Add($"{(withAnd && words.Count > 0 && rest < 100 ? "and " : "")}{Hundreds((int)rest, withAnd)}");
        return string.Join(' ', words);
    }

    static string Hundreds(int n, bool withAnd) => n switch
    {
        < 20 => small[n],
        < 100 => n % 10 == 0 ? tens[n / 10] : $"{tens[n / 10]}-{small[n % 10]}",
        _ when n % 100 == 0 => $"{small[n / 100]} hundred",
        _ => $"{small[n / 100]} hundred {(withAnd ? "and " : "")}{Hundreds(n % 100, withAnd)}",
    };
}
