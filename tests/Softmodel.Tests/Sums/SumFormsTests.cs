using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;
using Softmodel.Tests.Common;

namespace Softmodel.Tests.Sums;

/// <summary>What is drawn from the templates of <c>tests/data/sums</c>.</summary>
public partial class SumFormsTests
{
    static readonly Dictionary<string, object> slots = new()
    {
        ["a"] = (Ratio)7,
        ["b"] = (Ratio)(-2),
        ["half"] = new Ratio(1, 2),
        ["l"] = (Ratio[])[3, 1, 4],
        ["name"] = "Tom",
    };

    static SumForm[] Read(string name) => SumForms.Read(Repository.File($"tests/data/sums/{name}.jsonl"));

    static string Written(object value) => value is Ratio number ? number.IsInteger ? $"{number.Numerator}" : $"{number.Numerator}/{number.Denominator}" : $"{value}";

    [Theory]
    [InlineData("a + b * 3", "1")]
    [InlineData("(a + b) * 3", "15")]
    [InlineData("a - 3 - 2", "2")]
    [InlineData("a / b", "-7/2")]
    [InlineData("a // b", "-4")]
    [InlineData("a % b", "-1")]
    [InlineData("-7 % 3", "2")]
    [InlineData("-7 // 2", "-4")]
    [InlineData("0.1 + 0.2", "3/10")]
    [InlineData("-2 ** 2", "-4")]
    [InlineData("2 ** 3 ** 2", "512")]
    [InlineData("2 ** -1", "1/2")]
    [InlineData("abs(b) + floor(-half) + ceil(half)", "2")]
    [InlineData("integer(a) and not integer(half)", "True")]
    [InlineData("round(half, 0)", "1")]
    [InlineData("round(-2.5, 0)", "-3")]
    [InlineData("round(1249, -2)", "1200")]
    [InlineData("round(2 / 3, 2)", "67/100")]
    [InlineData("sqrt(2.25)", "3/2")]
    [InlineData("root(343, 3)", "7")]
    [InlineData("rootround(2, 2, 2)", "141/100")]
    [InlineData("rootround(6.25, 2, 0)", "3")]
    [InlineData("rootround(99, 2, 0)", "10")]
    [InlineData("min(l) + max(l, 9) * count(l)", "28")]
    [InlineData("sum(l)", "8")]
    [InlineData("mean(l)", "8/3")]
    [InlineData("gcd(12, 18) + lcm(4, 6, 10)", "66")]
    [InlineData("digitsum(4071)", "12")]
    [InlineData("1 < a < 9 and a != b", "True")]
    [InlineData("a <= 6 or b >= 0", "False")]
    [InlineData("'<' if a < b else '>' if a > b else '='", ">")]
    [InlineData("1 if name == 'Tom' else 1 / 0", "1")]
    public void ExpressionsAreExact(string expression, string value) => Assert.Equal(value, Written(SumExpression.Evaluate(expression, slots)));

    [Theory]
    [InlineData("1 / 0")]
    [InlineData("sqrt(2)")]
    [InlineData("rootround(b, 2, 1)")]
    [InlineData("2 ** half")]
    [InlineData("gcd(half, 2)")]
    public void WhatHasNoValueIsAnError(string expression) => Assert.ThrowsAny<ArithmeticException>(() => SumExpression.Evaluate(expression, slots));

    [Theory]
    [InlineData("1 +")]
    [InlineData("(1")]
    [InlineData("1 2")]
    [InlineData("c")]
    [InlineData("sin(1)")]
    public void WhatIsNoExpressionIsAnError(string expression) => Assert.Throws<FormatException>(() => SumExpression.Evaluate(expression, slots));

    [Fact]
    public void QuotientsInDrawnExpressionsAreWhole()
    {
        Assert.Equal(8, SumExpression.Number("2 * (9 + 3) / 3", slots, wholeQuotients: true));
        Assert.ThrowsAny<ArithmeticException>(() => SumExpression.Number("3 / 2 * 2", slots, wholeQuotients: true));
    }

    [Theory]
    [InlineData(0, "zero", "zero")]
    [InlineData(-7, "minus seven", "minus seven")]
    [InlineData(45, "forty-five", "forty-five")]
    [InlineData(205, "two hundred five", "two hundred and five")]
    [InlineData(1005, "one thousand five", "one thousand and five")]
    [InlineData(30_000, "thirty thousand", "thirty thousand")]
    [InlineData(412_318, "four hundred twelve thousand three hundred eighteen", "four hundred and twelve thousand three hundred and eighteen")]
    [InlineData(2_000_040, "two million forty", "two million and forty")]
    public void NumbersAreWrittenInWords(int value, string words, string withAnd) => Assert.Equal((words, withAnd), (SumWords.Of(value, false), SumWords.Of(value, true)));

    [Theory]
    [InlineData("forms", 473)]
    [InlineData("negatives", 483)]
    [InlineData("solutions", 42)]
    public void EveryTemplateIsRead(string name, int count)
    {
        var forms = Read(name);
        Assert.Equal(count, forms.Length);
        Assert.Equal(count, forms.Select(f => f.Id).Distinct().Count());
    }

    [Theory]
    [InlineData("forms")]
    [InlineData("negatives")]
    [InlineData("solutions")]
    public void EveryTemplateIsDrawn(string name)
    {
        foreach (var form in Read(name))
        {
            var drawn = SumForms.Draw(form, 20, seed: 1);
            Assert.Equal(20, drawn.Length);
            foreach (var text in drawn)
            {
                Assert.All(form.Slots, slot => Assert.DoesNotContain($"{{{slot.Name}}}", text.Text + text.Reply, StringComparison.Ordinal));
                Assert.Equal(form.Reply is null, text.Reply is null);
                Assert.Equal(form.Program is null, text.Answer is null);
                if (text.Answer is { } answer)
                    Assert.Matches(Answer(), answer);
                Assert.All(text.Marks, mark => Assert.Matches(Answer(), mark.Answer));
                Assert.All(text.Marks, mark => Assert.InRange(mark.At, 1, text.Text.Length));
            }
            // A text comes twice only where all others that there are came, too.
            var different = drawn.Select(t => (t.Text, t.Reply)).ToHashSet();
            if (different.Count < drawn.Length)
                Assert.Equal(different.Count, SumForms.DrawInTurns([form], 2 * drawn.Length, seed: 2).Length);
        }
    }

    // A number, a fraction, a quotient with its remainder, or one of the texts that a comparison gives.
    [GeneratedRegex(@"^ ?(-?\d[\d,]*(\.\d+)?|\.\d+|-?\d+/\d+|\d+ (remainder|R) \d+|[Yy]es|[Nn]o|[Tt]rue|[Ff]alse|[<>=]|undefined)$")]
    private static partial Regex Answer();

    [Fact]
    public void ASeedAlwaysGivesTheSameTexts()
    {
        var forms = Read("forms");
        SumText[] All(int count, int seed) => [.. forms.SelectMany(f => SumForms.Draw(f, count, seed))];
        var (once, again, other) = (All(5, 1), All(5, 1), All(5, 2));
        Assert.Equal(once.Select(t => (t.Text, t.Reply, t.Answer)), again.Select(t => (t.Text, t.Reply, t.Answer)));
        Assert.True(once.Zip(other).Count(p => p.First.Text == p.Second.Text && p.First.Reply == p.Second.Reply) < once.Length / 20);
        Assert.Equal(once.Where((_, i) => i % 5 < 2).Select(t => t.Text), All(2, 1).Select(t => t.Text));
    }

    [Fact]
    public void NegativesDoNotRepeat()
    {
        var drawn = SumForms.DrawInTurns(Read("negatives"), 10_000, seed: 1);
        Assert.Equal(10_000, drawn.Select(t => (t.Text, t.Reply)).Distinct().Count());
        Assert.Equal(483, drawn.Select(t => t.Form.Id).Distinct().Count());
        Assert.All(drawn, t => Assert.Equal(t.Form.Inside == "true-sum", t.Marks.Length > 0));
    }

    [Fact]
    public void SolutionsShowTheirResultsAtTheirMarks()
    {
        var drawn = SumForms.DrawInTurns(Read("solutions"), 500, seed: 1);
        Assert.Equal(500, drawn.Length);
        foreach (var text in drawn)
        {
            Assert.Equal(text.Form.Steps, text.Marks.Length);
            Assert.All(text.Marks, mark => Assert.StartsWith(mark.Answer, text.Text[mark.At..], StringComparison.Ordinal));
        }
    }

    /// <summary>Bare sums in digits, read from their text: numbers and signs are those that the answer was computed from.</summary>
    [Fact]
    public void AnswersAreThoseOfTheirTexts()
    {
        var checkedSums = 0;
        foreach (var text in Read("forms").Where(f => f.Kind == "bare" && f.Style.As is null).SelectMany(f => SumForms.Draw(f, 20, seed: 3)))
        {
            if (BareSum().Match(text.Text) is not { Success: true } match)
                continue;
            var (a, b) = (BigInteger.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), BigInteger.Parse(match.Groups[3].Value, CultureInfo.InvariantCulture));
            var value = match.Groups[2].Value switch { "+" => a + b, "-" or "−" => a - b, "×" or "*" or "x" => a * b, _ => a / b };
            if (match.Groups[2].Value is "/" or "÷" && a % b != 0)
                continue;
            Assert.Equal($"{text.Form.Id} {value}", $"{text.Form.Id} {text.Answer!.Trim()}");
            checkedSums++;
        }
        Assert.True(checkedSums >= 100, $"only {checkedSums} were checked");
    }

    [GeneratedRegex(@"^(-?\d+) ?([-+−×*x/÷]) ?(\d+) ?=$")]
    private static partial Regex BareSum();
}
