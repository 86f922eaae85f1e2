using System.Globalization;

namespace Softmodel.Fusion;

/// <summary>Draws expressions of several operations.</summary>
/// <param name="random">What chooses.</param>
/// <param name="style">What numbers it has: <c>small</c>, <c>medium</c>, <c>decimal</c> or <c>words</c>, which says its operations in words, too.</param>
sealed class Expressions(Random random, string style)
{
    readonly string space = random.Next(4) == 0 ? "" : " ";
    readonly string times = style == "words" ? "times" : Pick(random, "*", "*", "×", "×", "x", "·");
    readonly string over = style == "words" ? "divided by" : Pick(random, "/", "/", "÷");
    readonly string minus = style == "words" ? "minus" : Pick(random, "-", "-", "-", "\u2212");
    readonly string plus = style == "words" ? "plus" : "+";
    readonly string power = Pick(random, "^", "^", "**");

    static string Pick(Random random, params ReadOnlySpan<string> of) => of[random.Next(of.Length)];

    /// <summary>An expression.</summary>
    public string Draw() => style == "words" ? Words() : random.Next(22) switch
    {
        0 => $"{Number()}{Between(times)}{Number()}{Between(plus)}{Number()}{Between(times)}{Number()}",
        1 => $"{Number()}{Between(plus)}{Number()}{Between(times)}{Number()}",
        2 => $"{Number()}{Between(times)}{Number()}{Between(minus)}{Number()}",
        3 => $"{Small()}({Number()}{Between(Sign())}{Number()})",
        4 => Quotient(Between(Sign()) + Number()),
        5 => $"{Number()}{Between(Sign())}{Quotient("")}",
        6 => $"{Small()}{power}{Exponent()}{Between(Sign())}{Number()}",
        7 => Sum(2),
        8 => Sum(1),
        9 or 10 => Chain(),
        11 => $"{Number()}{Between(times)}{Number()}{Between(times)}{Number()}",
        12 or 13 => $"{Pair()}{Between(Any())}{Number()}",
        14 or 15 => $"{Number()}{Between(Any())}{Pair()}",
        16 => $"{Pair()}{Between(Any())}{Pair()}",
        17 => $"{Number()}{Between(Any())}{Pair()}{Between(Any())}{Number()}",
        18 => $"({Pair()}{Between(Any())}{Number()}){Between(Any())}{Number()}",
        19 => $"{Number()}{Between(Any())}({Number()}{Between(Any())}{Pair()})",
        20 => $"{Pair()}{Between(over)}{Small()}",
        _ => $"-{Small()}{Between(Any())}{Pair()}",
    };

    /// <summary>A sum of three to six numbers, some of them perhaps taken away.</summary>
    public string Chain()
    {
        var (text, same) = (Number(), random.Next(2) == 0 ? Sign() : null);
        for (var terms = random.Next(3) == 0 ? random.Next(3, 6) : 2; terms > 0; terms--)
            text += Between(same ?? Sign()) + Number();
        return text;
    }

    string Any() => random.Next(7) switch { < 2 => plus, < 4 => minus, < 6 => times, _ => over };

    string Pair() => $"({(random.Next(8) == 0 ? Quotient("") : $"{Number()}{Between(random.Next(3) == 0 ? times : Sign())}{Number()}")})";

    string Between(string operation) => style == "words" || operation == "x" ? $" {operation} " : space + operation + space;

    string Sign() => random.Next(2) == 0 ? plus : minus;

    string Small() => random.Next(2, 13).ToString(CultureInfo.InvariantCulture);

    string Exponent() => random.Next(2, 5).ToString(CultureInfo.InvariantCulture);

    string Number() => style switch
    {
        "medium" => random.Next(2, 2000).ToString(CultureInfo.InvariantCulture),
        "decimal" => (random.Next(2, 400) / 10m).ToString(CultureInfo.InvariantCulture),
        _ => (random.Next(5) < 2 ? random.Next(0, 10) : random.Next(2, 100)).ToString(CultureInfo.InvariantCulture),
    };

    // Without a remainder.
    string Quotient(string after)
    {
        var divisor = random.Next(2, 13);
        return $"{(divisor * random.Next(2, 30)).ToString(CultureInfo.InvariantCulture)}{Between(over)}{divisor.ToString(CultureInfo.InvariantCulture)}{after}";
    }

    string Sum(int depth)
    {
        var text = Product(depth);
        for (var terms = random.Next(1, 3); terms > 0; terms--)
            text += Between(Sign()) + Product(depth);
        return text;
    }

    string Product(int depth) => random.Next(5) switch
    {
        0 => Quotient(""),
        1 => $"{Factor(depth)}{Between(times)}{Factor(depth)}",
        _ => Factor(depth),
    };

    string Factor(int depth) => depth > 0 && random.Next(2) == 0 ? $"({Sum(depth - 1)})" : Number();

    string Words()
    {
        string[] small = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen", "twenty", "thirty"];
        string One() => random.Next(2) == 0 ? Pick(random, small) : Number();
        return random.Next(8) switch
        {
            4 => $"{One()} plus {One()} plus {One()}",
            5 => $"{One()} minus {One()} minus {One()}",
            6 => $"{One()} times {One()} times {One()}",
            7 => $"{One()} minus {One()} plus {One()}",
            0 => $"{One()} plus {One()} times {One()}",
            1 => $"{One()} times {One()} minus {One()}",
            2 => $"{One()} times {One()} plus {One()}",
            _ => $"{One()} plus {One()} minus {One()}",
        };
    }
}
