using System.Globalization;
using System.Text;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Fusion;

/// <summary>How a number is written.</summary>
/// <param name="Separator">Between thousands; 0 for none.</param>
/// <param name="Decimals">Digits after the decimal separator.</param>
/// <param name="Before">A currency before it.</param>
/// <param name="After">A currency or per cent sign after it, or a factor.</param>
/// <param name="InWords">Whether it is in words.</param>
/// <param name="BarePoint">Whether the zero before the point is left out.</param>
/// <param name="Minus">Before a negative one.</param>
readonly record struct Look(char Separator = '\0', int Decimals = 0, string Before = "", string After = "", bool InWords = false, bool BarePoint = false, string Minus = "-")
{
    /// <summary>Writes a number.</summary>
    public string Write(decimal value)
    {
        var size = Math.Abs(value);
        string text;
        if (InWords && NumberWords.TryWrite(size, Decimals, out var words))
            text = words;
        else
        {
            text = decimal.Round(size, Decimals).ToString("F" + Decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
            if (Separator != '\0')
                text = Grouped(text, Separator);
            if (BarePoint && text.StartsWith("0.", StringComparison.Ordinal))
                text = text[1..];
        }
        text = Before + text + After;
        return value >= 0 ? text : (InWords ? "minus " : Minus) + text;
    }

    static string Grouped(string text, char separator)
    {
        var point = text.IndexOf('.');
        var length = point < 0 ? text.Length : point;
        if (length <= 3)
            return text;
        var grouped = new StringBuilder(text);
        for (var at = length - 3; at > 0; at -= 3)
            grouped.Insert(at, separator);
        return grouped.ToString();
    }
}

/// <summary>A number or word that fills a slot.</summary>
/// <param name="Text">As it stands in the text.</param>
/// <param name="Value">Its value, where that is needed for others.</param>
/// <param name="Look">How it is written.</param>
readonly record struct Quantity(string Text, decimal? Value = null, Look Look = default)
{
    /// <summary>The operands in it; null where the whole is one.</summary>
    public Span[]? Parts { get; init; }
}

/// <summary>Draws the numbers of a passage, in a style that they have in common.</summary>
sealed class Quantities
{
    static readonly (string Name, int Weight)[] styles =
    [
        ("small", 20), ("medium", 15), ("large", 9), ("huge", 6), ("long", 3), ("round", 4), ("grouped", 10), ("spaced", 1), ("apostrophe", 1),
        ("decimal", 12), ("bare", 2), ("money", 7), ("negative", 6), ("words", 7), ("fraction", 3), ("mixed", 6), ("scaled", 2), ("measured", 2),
    ];

    // Kinds of lists in which the same stands between all numbers.
    static readonly Dictionary<string, string> separators = new(StringComparer.Ordinal)
    {
        ["commas"] = ", ",
        ["csv"] = ",",
        ["spaces"] = " ",
        ["lines"] = "\n",
        ["semicolons"] = "; ",
        ["slashes"] = " / ",
        ["bars"] = " | ",
        ["tabs"] = "\t",
    };

    readonly Random random;
    readonly Look money;
    readonly int countLimit, countWords;
    readonly string percentSign;

    /// <summary>A style, by chance.</summary>
    public Quantities(Random random)
    {
        this.random = random;
        Style = Weighted(styles);
        var cents = random.Next(2) == 0;
        money = new Look(Decimals: cents ? 2 : 0, Before: "$");
        money = random.Next(100) switch
        {
            < 66 => money,
            < 76 => money with { Before = "£" },
            < 85 => money with { Before = "€" },
            < 90 => money with { Before = "", After = " €" },
            < 97 => money with { Before = "", After = " dollars", Decimals = 0 },
            _ => money with { Before = "", After = Pick(" euros", " pounds", " rupees", " USD"), Decimals = 0 },
        };
        if (random.Next(3) == 0)
            money = money with { Separator = ',' };
        countLimit = random.Next(100) switch { < 35 => 20, < 70 => 100, < 90 => 1000, < 97 => 20_000, _ => 900_000 };
        countWords = random.Next(10) switch { 0 => 100, 1 => 50, _ => 0 };
        percentSign = Pick("%", "%", "%", "%", "%", " %", " percent", " per cent");
    }

    /// <summary>How the operands of phrases are written.</summary>
    public string Style { get; private set; }

    T Pick<T>(params ReadOnlySpan<T> of) => of[random.Next(of.Length)];

    string Weighted((string Name, int Weight)[] table)
    {
        var at = random.Next(table.Sum(t => t.Weight));
        foreach (var (name, weight) in table)
        {
            if ((at -= weight) < 0)
                return name;
        }
        return table[^1].Name;
    }

    /// <summary>A number from one to another, both included.</summary>
    public decimal Between(decimal low, decimal high) => high <= low ? low : low + decimal.Floor((high - low + 1) * (decimal)(random.NextInt64(1L << 53)) / (1L << 53));

    // Of so many digits.
    decimal Digits(int low, int high)
    {
        var power = 1m;
        for (var digits = random.Next(low, high + 1); digits > 1; digits--)
            power *= 10;
        return Between(power == 1 ? 1 : power, power * 10 - 1);
    }

    // An integer of the size that a style has; what it is written with; what it is divided by for decimals.
    (decimal Integer, Look Look) Drawn(string style) => style switch
    {
        "small" => (random.Next(3) == 0 ? Between(1, 12) : Between(2, 99), default),
        "medium" => (Digits(3, 4), default),
        "large" => (Digits(5, 8), default),
        "huge" or "long" => (Digits(9, 12), default),
        "round" => (Between(1, 99) * Pick(10m, 100m, 1000m, 5m), default),
        "grouped" => (Digits(4, 9), new Look(',')),
        "spaced" => (Digits(4, 8), new Look(Pick(' ', '\u00A0', '\u202F'))),
        "apostrophe" => (Digits(4, 8), new Look('\'')),
        "decimal" => Pick(0, 1, 1, 2) switch
        {
            0 => (Digits(1, 3), new Look(Decimals: 1)),
            1 => (Digits(2, 5), new Look(Decimals: 2)),
            _ => (Digits(1, 7), new Look(Decimals: random.Next(1, 6))),
        },
        "bare" => (Digits(1, 2), new Look(Decimals: 2, BarePoint: true)),
        "money" => (money.Decimals == 2 ? Digits(3, 5) : Digits(1, 5), money),
        "negative" => (random.Next(2) == 0 ? -Digits(1, 3) : Digits(1, 3), new Look(Minus: Pick("-", "-", "-", "\u2212"))),
        "words" => (random.Next(10) switch { < 6 => Between(1, 30), < 9 => Between(20, 999), _ => Between(1, 99) * Pick(1000m, 100m, 1_000_000m) }, new Look(InWords: true)),
        "scaled" => (Digits(1, 3), new Look(Decimals: random.Next(2), After: Pick(" million", " thousand", "k", " billion", "k"))),
        "measured" => (Digits(2, 4), new Look(Decimals: 1)),
        _ => (Digits(1, 3), default),
    };

    static decimal Scaled(decimal integer, Look look)
    {
        for (var i = 0; i < look.Decimals; i++)
            integer /= 10;
        return integer;
    }

    static Quantity Written(decimal value, Look look) => new(look.Write(value), value, look);

    Quantity OfStyle(string style)
    {
        if (style == "mixed")
            style = Pick("small", "medium", "grouped", "decimal", "words", "small");
        if (style == "long")
        {
            var text = new StringBuilder().Append((char)('1' + random.Next(9)));
            for (var digits = random.Next(12, 32); digits > 0; digits--)
                text.Append((char)('0' + random.Next(10)));
            return new(text.ToString());
        }
        if (style == "fraction")
        {
            var below = random.Next(2, 13);
            var above = random.Next(1, below);
            return new(random.Next(12) switch { 0 => Pick("½", "¼", "¾", "⅓", "⅔", "2½", "1¾"), 1 or 2 or 3 => $"{random.Next(1, 9)} {above}/{below}", _ => $"{above}/{below}" });
        }
        var (integer, look) = Drawn(style);
        return Written(Scaled(integer, look), look);
    }

    // Another number, written like the first.
    Quantity Like(Quantity first, decimal low, decimal high)
    {
        var unit = 1m;
        for (var i = 0; i < first.Look.Decimals; i++)
            unit *= 10;
        return Written(Between(low * unit, high * unit) / unit, first.Look);
    }

    void Restrict(params ReadOnlySpan<string> allowed)
    {
        if (!allowed.Contains(Style))
            Style = allowed[random.Next(Math.Min(3, allowed.Length))];
    }

    /// <summary>Leaves the styles that programs can read.</summary>
    public void InCode() => Restrict("small", "medium", "decimal", "large", "huge", "round", "negative");

    /// <summary>The operands of a phrase, as many as phrases have.</summary>
    public Quantity[] Operands(string program)
    {
        switch (program)
        {
            case "add" or "average" or "maximum" or "minimum" or "difference" or "is_greater" or "is_less" or "is_equal" or "compare":
                if (program is "average" or "difference")
                    Restrict("small", "medium", "round", "large", "grouped", "decimal", "money", "negative", "words", "mixed", "bare");
                var operands = Several();
                if (program is "is_equal" && random.Next(2) == 0)
                    operands[1] = operands[0];
                return operands;
            case "subtract":
                var numbers = Several();
                if (numbers[0].Value < numbers[1].Value && random.Next(8) > 0)
                    (numbers[0], numbers[1]) = (numbers[1], numbers[0]);
                for (var i = 2; i < numbers.Length; i++)
                {
                    if (numbers[0].Value is > 20 and var first && Style is not ("mixed" or "words"))
                        numbers[i] = Like(numbers[0], decimal.Ceiling(first / 20), decimal.Ceiling(first / 5));
                }
                return numbers;
            case "multiply":
                Style = Style is "scaled" ? "round" : Style;
                var factors = Several();
                for (var i = 1; i < factors.Length; i++)
                {
                    if (Style is "money" || (random.Next(2) == 0 && Style is not ("fraction" or "long" or "huge" or "words")))
                        factors[i] = Written(random.Next(3) == 0 ? Between(2, 120) : Between(2, 12), default);
                }
                if (Style == "money" && random.Next(2) == 0)
                    (factors[0], factors[1]) = (factors[1], factors[0]);
                return factors;
            case "divide":
                Restrict("small", "medium", "round", "large", "huge", "grouped", "decimal", "money", "negative", "words", "mixed", "bare");
                return Division(exact: random.Next(5) > 0, OfStyle(Style));
            case "quotient" or "remainder" or "quotient_and_remainder":
                Restrict("small", "medium", "large", "grouped", "words", "round", "huge");
                return Division(exact: random.Next(6) == 0, OfStyle(Style));
            case "greatest_common_divisor" or "least_common_multiple":
                Restrict("small", "medium", "round", "words", "grouped");
                var common = Between(1, 12);
                return [.. Enumerable.Range(0, 4).Select(_ => Written(common * (Style is "medium" or "grouped" ? Between(8, 400) : Between(1, 15)), OfStyle(Style).Look))];
            case "power":
                Restrict("small", "decimal", "words");
                var look = new Look(InWords: Style == "words");
                var exponent = random.Next(5) == 0 ? Between(2, 20) : Between(2, 7);
                return [Style == "decimal" ? Written(Between(2, 99) / 10, new Look(Decimals: 1)) : Written(random.Next(4) == 0 ? Pick(2, 10, 3) : Between(2, 25), look), Written(exponent, look)];
            case "square" or "cube":
                Restrict("small", "medium", "words", "decimal", "negative", "large");
                return [OfStyle(Style)];
            case "square_root" or "cube_root" or "root":
                Restrict("small", "medium", "large", "grouped", "words");
                var index = program switch { "square_root" => 2, "cube_root" => 3, _ => random.Next(3, 7) };
                var root = Between(2, index == 2 ? (Style is "small" or "words" ? 20 : 900) : index == 3 ? 40 : 9);
                var radicand = random.Next(4) == 0 ? Between(2, 999) : Enumerable.Repeat(root, index).Aggregate(1m, (a, b) => a * b);
                return [Written(radicand, OfStyle(Style).Look), Written(index, default)];
            case "percent_of":
                Restrict("small", "medium", "round", "grouped", "decimal", "money", "large");
                return [Percent(), OfStyle(Style)];
            case "increase_by_percent" or "decrease_by_percent":
                Restrict("small", "medium", "round", "grouped", "decimal", "money", "large");
                return [OfStyle(Style), Percent()];
            case "what_percent" or "percent_change":
                Restrict("small", "medium", "round", "grouped", "decimal", "money");
                var whole = Written(Between(1, 60) * Pick(5m, 10m, 20m, 4m, 25m), OfStyle(Style).Look);
                var part = Written(random.Next(3) == 0 ? Between(1, whole.Value!.Value) : whole.Value!.Value * Pick(1, 2, 3, 5, 10, 15, 25, 30, 40, 60, 75, 80, 90) / 100, whole.Look);
                // What was rounded in writing is no longer the value.
                return program == "what_percent" ? [part, whole] : random.Next(2) == 0 ? [whole, part] : [part, whole];
            case "ratio":
                Restrict("small", "medium", "round");
                var unit = Between(1, 25);
                return [Written(unit * Between(1, 12), default), Written(unit * Between(1, 12), default)];
            case "digit_sum":
                Restrict("small", "medium", "large", "huge", "grouped", "long");
                return [OfStyle(Style)];
            case "round_to_decimals":
                Style = "decimal";
                var decimals = Between(1, 3);
                return [Written(Digits(4, 8) / 100_000, new Look(Decimals: Pick(5, 4))), Written(decimals, new Look(InWords: random.Next(2) == 0))];
            case "round" or "round_up" or "round_down":
                Style = "decimal";
                return [random.Next(8) == 0 && program == "round" ? Written(Digits(3, 5) / 100, money with { Decimals = 2 }) : Written(Digits(2, 6) / 100, new Look(Decimals: random.Next(1, 3)))];
            case "round_to_ten" or "round_to_hundred" or "round_to_thousand" or "round_to_multiple":
                Restrict("medium", "large", "grouped", "decimal");
                var (least, most) = program switch { "round_to_ten" => (2, 5), "round_to_hundred" => (3, 6), "round_to_thousand" => (4, 8), _ => (2, 5) };
                return [Written(Digits(least, most), OfStyle(Style).Look with { Decimals = 0 }), Written(Pick(5m, 25m, 50m, 20m, 500m, 250m, 15m, 12m), default)];
            case "absolute":
                Style = "negative";
                return [Written(random.Next(4) == 0 ? Digits(1, 4) : -Digits(1, 4), new Look(Decimals: random.Next(4) == 0 ? 1 : 0))];
            case "evaluate":
                Restrict("small", "medium", "decimal", "words");
                return [new(new Expressions(random, Style).Draw())];
            case "double" or "half" or "negate" or "reciprocal":
                Restrict("small", "medium", "decimal", "round", "grouped", "money", "words", "large", "huge");
                if (program == "reciprocal")
                    return [Written(Pick(2, 4, 5, 8, 10, 20, 25, 3, 16, 40, 50, 100), default)];
                return [OfStyle(Style)];
        }
        return Several();
    }

    Quantity[] Several()
    {
        var first = OfStyle(Style);
        var same = random.Next(3) > 0;
        return [first, .. Enumerable.Range(0, 7).Select(_ => OfStyle(Style)).Select(q => same && q.Value is { } value && Style is "decimal" ? Written(value, first.Look with { Decimals = Math.Max(first.Look.Decimals, q.Look.Decimals) }) : q)];
    }

    Quantity[] Division(bool exact, Quantity like)
    {
        if (like.Value is not { } value || value == 0)
            return [like, Written(2, default)];
        var divisor = random.Next(4) == 0 && value > 100 ? Between(11, 99) : Between(2, 12);
        if (like.Look.InWords)
            divisor = Between(2, 9);
        var divisorLook = like.Look.InWords ? like.Look : default;
        if (!exact)
            return [like, Written(divisor, divisorLook), Written(Between(2, 5), divisorLook)];
        var third = Between(2, 5);
        var quotient = Between(1, Math.Max(2, Math.Min(decimal.Floor(Math.Abs(value) / divisor), 1_000_000_000)));
        var dividend = quotient * divisor * (random.Next(2) == 0 ? third : 1) * (value < 0 ? -1 : 1);
        for (var i = 0; i < like.Look.Decimals && like.Look.Before.Length == 0 && like.Look.After.Length == 0; i++)
            dividend /= 10;
        return [Written(dividend, like.Look), Written(divisor, divisorLook), Written(third, divisorLook)];
    }

    // Of three numbers or more, of one size: none of which holds what separates them.
    Quantity List(string last, string separator)
    {
        var style = separator == "," ? Pick("small", "small", "medium", "decimal")
            : Style is "small" or "medium" or "round" or "decimal" or "money" or "measured" or "bare" || (Style is "negative" or "large" or "words" && separator is ", " or "\n" or "; " or " | ")
            || (Style is "grouped" or "mixed" && separator is not (", " or " ")) ? Style : Pick("small", "small", "medium", "decimal", "money");
        style = separator == " " && style == "money" && money.After.Length > 0 ? "small" : style;
        // "Five hundred and seven" is one number.
        last = style is "words" or "mixed" ? separator : last;
        var (count, isFactor) = (random.Next(10) switch { < 6 => random.Next(3, 6), < 9 => random.Next(5, 9), _ => random.Next(8, 15) }, separator.AsSpan().Trim() is "×" or "*" or "·" or "x" or "times");
        if (isFactor)
            count = random.Next(3, 5);
        var first = OfStyle(style);
        var near = first.Value is > 20 and var middle && random.Next(2) == 0 ? middle : 0;
        string One(int at) => isFactor ? OfStyle("small").Text : at > 0 && near > 0 ? Written(Between(decimal.Floor(near / 2), decimal.Floor(near * 1.5m)) + first.Value!.Value % 1, first.Look).Text
            : at > 0 && style == "decimal" ? Written(Math.Round(Digits(1, 4) / 10, first.Look.Decimals), first.Look).Text : at == 0 ? first.Text : OfStyle(style).Text;
        var text = new StringBuilder(One(0));
        for (var at = 1; at < count; at++)
            text.Append(at == count - 1 ? last : separator).Append(One(at));
        return new(text.ToString());
    }

    Quantity Percent()
    {
        var value = random.Next(10) switch { < 6 => Pick(5m, 10m, 15m, 20m, 25m, 30m, 40m, 50m, 60m, 75m, 80m, 12m, 8m, 35m), < 9 => Between(1, 99), _ => Pick(2.5m, 7.5m, 12.5m, 0.5m, 150m, 120m, 3.25m) };
        var words = percentSign.Length > 2 && random.Next(2) == 0 && value == decimal.Floor(value);
        return Written(value, new Look(Decimals: value == decimal.Floor(value) ? 0 : value * 10 == decimal.Floor(value * 10) ? 1 : 2, After: percentSign, InWords: words));
    }

    Quantity Count(decimal value) => Written(value, random.Next(100) < countWords && value <= 120 ? new Look(InWords: true) : value >= 1000 && (countLimit & 8) == 0 ? new Look(',') : default);

    /// <summary>What fills a slot.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="of">The number that it depends on.</param>
    /// <returns>Null where there is no such kind.</returns>
    public Quantity? OfKind(string kind, Quantity? of)
    {
        var known = of?.Value ?? 0;
        if (separators.TryGetValue(kind, out var separator))
            return List(separator, separator);
        switch (kind)
        {
            case "n":
                return OfStyle(Style is "fraction" or "long" or "scaled" ? "small" : Style);
            case "list":
                return List(Pick(", and ", " and ", " and ", ", "), ", ");
            case "alternatives":
                return List(Pick(" or ", ", or "), ", ");
            case "pluses":
                var plus = Pick(" + ", " + ", "+", " plus ");
                return List(plus, plus);
            case "factors":
                var times = Pick(" × ", " * ", "*", " · ", " x ", "×", " times ");
                return List(times, times);
            case "count":
                return Count(Between(3, Math.Min(countLimit, random.Next(3) == 0 ? 50 : countLimit)));
            case "few":
                return Count(Between(2, 12));
            case "item":
                return Written(random.Next(4) == 0 ? Between(13, 99) : Between(2, 12), default);
            case "many":
                return Count(Between(20, Math.Max(60, countLimit)));
            case "product":
                return Count(Between(2, 12) * Between(3, Math.Max(10, countLimit / 12)));
            case "hundreds":
                return Written(Between(2, 99) * 100, random.Next(2) == 0 ? new Look(',') : default);
            case "thousands":
                return Written(Between(1000, 999_999), new Look(','));
            case "integer":
                return Written(Digits(1, 4), default);
            case "decimal":
                return Written(Digits(2, 4) / 10, new Look(Decimals: 1));
            case "decimal2":
                return Written(Digits(3, 4) / 100, new Look(Decimals: 2));
            case "decimal3":
                return Written(Digits(3, 4) / 1000, new Look(Decimals: 3));
            case "cents":
                return Written(Digits(3, 4) / 100, new Look(Decimals: 2));
            case "money":
                return Written(Between(2, random.Next(3) == 0 ? 900 : 60) + (money.Decimals == 2 ? Pick(0.5m, 0.25m, 0.99m, 0.75m, 0m, 0.95m, 0.49m, 0.4m, 0.8m) : 0), money);
            case "price":
                return Written(Between(1, 40) + Pick(0.5m, 0.25m, 0.99m, 0.75m, 0.95m, 0.49m, 0.2m), money with { Decimals = money.After.Length > 3 ? 0 : 2 });
            case "salary":
                return Written(Between(10, 90) * 100, money with { Decimals = 0, Separator = ',' });
            case "percent":
                return Percent();
            case "square":
                var root = Between(2, 40);
                return Written(root * root, default);
            case "base":
                return Written(Between(2, 15), default);
            case "expression":
                return new(new Expressions(random, "small").Draw());
            case "chain":
                return new(new Expressions(random, "small").Chain());
            // Numbers that are no quantities.
            case "year":
                return Written(random.Next(5) == 0 ? Between(1066, 1899) : Between(1900, 2049), default);
            case "day":
                return Written(Between(1, 28), default);
            case "month":
                return new(random.Next(1, 13).ToString("00", CultureInfo.InvariantCulture));
            case "hour":
                return Written(Between(1, 12), default);
            case "hour24":
                return Written(Between(0, 23), default);
            case "minute":
                return new(random.Next(0, 60).ToString("00", CultureInfo.InvariantCulture));
            case "two":
                return new(random.Next(0, 100).ToString("00", CultureInfo.InvariantCulture));
            case "three":
                return new(random.Next(100, 1000).ToString(CultureInfo.InvariantCulture));
            case "four":
                return new(random.Next(0, 10_000).ToString("0000", CultureInfo.InvariantCulture));
            case "five":
                return new(random.Next(10_000, 100_000).ToString(CultureInfo.InvariantCulture));
            case "digit":
                return Written(Between(0, 9), default);
            case "byte":
                return Written(Between(0, 255), default);
            case "ordinal":
                var place = random.Next(1, 31);
                return new(place + (place is 11 or 12 or 13 ? "th" : (place % 10) switch { 1 => "st", 2 => "nd", 3 => "rd", _ => "th" }));
            case "hex":
                return new(random.NextInt64(1L << 28).ToString(Pick("x7", "x4", "X6"), CultureInfo.InvariantCulture));
            case "letter":
                return new(((char)('a' + random.Next(26))).ToString());
            case "capital":
                return new(((char)('A' + random.Next(26))).ToString());
        }
        if (of is not { } other || of.Value.Value is null)
            return null;
        switch (kind)
        {
            case "below":
                var low = Math.Max(1, decimal.Floor(known / 8));
                return Like(other, low, Math.Max(low, decimal.Floor(known) - Math.Max(2, decimal.Floor(known / 10))));
            case "above":
                return Like(other, decimal.Ceiling(known) + 2, decimal.Ceiling(known * 3) + 10);
            case "near":
                return Like(other, Math.Max(1, decimal.Floor(known * 0.6m)), decimal.Ceiling(known * 1.5m) + 1);
            case "next":
                return Written(known + Between(1, 5), other.Look);
            case "divisor":
                decimal[] divisors = [.. Enumerable.Range(2, 29).Select(d => (decimal)d).Where(d => known % d == 0 && known != d)];
                return divisors.Length == 0 ? null : Count(Pick<decimal>(divisors));
            case "times":
                return Written(known * Between(2, 12), other.Look);
            case "perfect":
                return Written(known * known, default);
        }
        return null;
    }
}
