using System.Globalization;
using System.Numerics;
using CsCheck;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;
using Softmodel.Runtime.Sums;
using static Softmodel.Tests.Sums.NumberTests;

namespace Softmodel.Tests.Sums;

public class ExpressionTests
{
    static ProgramResult Run(string expression) => SumPrograms.All.Named("evaluate").Run([expression]);

    [Theory]
    [InlineData("42", "42")]
    [InlineData("98 + 45", "143")]
    [InlineData("98+45 =", "143")]
    [InlineData("98 + 45 = ?", "143")]
    [InlineData("7-3-2", "2")]
    [InlineData("7−3–2", "2")]
    [InlineData("-5 - -3", "-2")]
    [InlineData("--5", "5")]
    [InlineData("2 + 3 * 4", "14")]
    [InlineData("(2 + 3) * 4", "20")]
    [InlineData("[2 + {3 - 1}] × 4", "16")]
    [InlineData("2 × 3 ÷ 4", "1.5")]
    [InlineData("8 / 4 / 2", "1")]
    [InlineData("8 : 2", "4")]
    [InlineData("8 ÷ 2(2 + 2)", "16")]
    [InlineData("2(3)(4)", "24")]
    [InlineData("(2)(3)4", "24")]
    [InlineData("2 x 3", "6")]
    [InlineData("2x3", "6")]
    [InlineData("12 X 12", "144")]
    [InlineData("2 · 3 ⋅ 4 * 5", "120")]
    [InlineData("(3 + 3) - 4 * 2^3", "-26")]
    [InlineData("2^3^2", "512")]
    [InlineData("-2^2", "-4")]
    [InlineData("(-2)^2", "4")]
    [InlineData("2^-2", "0.25")]
    [InlineData("2**10", "1024")]
    [InlineData("3² + 4²", "25")]
    [InlineData("2¹⁰", "1024")]
    [InlineData("√16 + √(9)", "7")]
    [InlineData("2√9", "6")]
    [InlineData("sqrt(2)*sqrt(2)", "2")]
    [InlineData("∛27", "3")]
    [InlineData("square root of 144", "12")]
    [InlineData("17 % 5", "2")]
    [InlineData("17 mod 5", "2")]
    [InlineData("17 // 5", "3")]
    [InlineData("50%", "50")]
    [InlineData("200 + 10%", "220")]
    [InlineData("200 - 10% - 10%", "162")]
    [InlineData("20% of 50", "10")]
    [InlineData("20% * 50", "10")]
    [InlineData("five percent of 80", "4")]
    [InlineData("1,234 + 1", "1,235")]
    [InlineData("1,234.50 * 2", "2,469")]
    [InlineData("1 234 + 1", "1 235")]
    [InlineData("1'000 * 3", "3'000")]
    [InlineData("2,5 + 1,5", "4")]
    [InlineData(".5 + .25", "0.75")]
    [InlineData("1e3 + 1", "1001")]
    [InlineData("2e-1 * 5", "1")]
    [InlineData("3k + 500", "3500")]
    [InlineData("$5.50 + $2.25", "7.75")]
    [InlineData("$12.50 * 4", "50.00")]
    [InlineData("$10 / $4", "2.5")]
    [InlineData("5 dollars + 3 dollars", "8")]
    [InlineData("12,50 € + 3 €", "15,50")]
    [InlineData("1 1/2 + 3/4", "2 1/4")]
    [InlineData("1/2 + 1/4", "3/4")]
    [InlineData("1/2 * 1/3", "1/6")]
    [InlineData("1 + 1/3", "4/3")]
    [InlineData("1 + 1/4", "1.25")]
    [InlineData("1/3", "0.333333")]
    [InlineData("1 / 2 + 1 / 3", "0.833333")]
    [InlineData("1/2 + 1/3 + 0.5", "1.333333")]
    [InlineData("0.5 + 1/2 + 1/3", "1.333333")]
    [InlineData("2/3 * 6", "4")]
    [InlineData("6/1/2", "3")]
    [InlineData("2½ + 1", "3 1/2")]
    [InlineData("two plus three times four", "14")]
    [InlineData("twenty-two minus seven", "15")]
    [InlineData("half a dozen plus 2", "8")]
    [InlineData("half of a million", "500000")]
    [InlineData("two and a half times four", "10")]
    [InlineData("2 million / 4", "500000")]
    [InlineData("ten divided by four", "2.5")]
    [InlineData("nine over three", "3")]
    [InlineData("six multiplied by minus seven", "-42")]
    [InlineData("three squared plus four squared", "25")]
    [InlineData("two to the power of ten", "1024")]
    [InlineData("negative five plus 3", "-2")]
    [InlineData("3 \\times 4 \\div 2", "6")]
    [InlineData("$3 + 4$", "7")]
    [InlineData("５＋６", "11")]
    [InlineData("0.1 + 0.2", "0.3")]
    [InlineData("1/3 * 3", "1")]
    [InlineData("100 - 5. + 2", "97")]
    public void Evaluates(string expression, string result) => Assert.Equal(new ProgramResult(result), Run(expression));

    [Theory]
    [InlineData("", "The expression is empty.")]
    [InlineData("?", "The expression is empty.")]
    [InlineData("2 +", "The expression '2 +' ends too early.")]
    [InlineData("(2 + 3", "The expression '(2 + 3' ends too early.")]
    [InlineData("2 + 3)", "')' does not belong into an expression.")]
    [InlineData("(2 + 3]", "']' does not belong into an expression.")]
    [InlineData("2 3", "'3' does not belong into an expression.")]
    [InlineData("2 + cat", "'cat' does not belong into an expression.")]
    [InlineData("* 3", "'* 3' does not belong into an expression.")]
    [InlineData("2 + * 3", "'* 3' does not belong into an expression.")]
    [InlineData("1.2.3 + 1", "'1.2.3' is no number.")]
    [InlineData("ten-two", "'ten-two' is no number.")]
    [InlineData("()", "')' does not belong into an expression.")]
    public void Refuses_what_is_none(string expression, string sentence) => Assert.Equal(new(sentence, ProgramFailure.Operand), Run(expression));

    // A tree whose value is known beside its text, with no more parentheses than needed.
    sealed record Tree(string Text, Rational? Value, int Strength);

    static readonly Gen<Tree> leaf = Gen.OneOf(
        Gen.Int[0, 999].Select(i => new Tree(i.ToString(CultureInfo.InvariantCulture), i, 5)),
        Gen.Int[1000, 9_999_999].Select(i => new Tree(i.ToString("N0", CultureInfo.InvariantCulture), i, 5)),
        Gen.Int[0, 99_999].Select(Gen.Int[1, 4], (i, places) => new Tree(NumberWriter.Write(new(i, BigInteger.Pow(10, places)), new() { Decimals = places }), new(i, BigInteger.Pow(10, places)), 5)),
        Gen.Int[0, 2_000].Select(i => new Tree(NumberWriter.Write(i, new() { Form = NumberForm.Words }), i, 5)));

    // Strengths: sum 1, product 2, sign 3, power 4, number 5.
    static readonly Gen<Tree> tree = Gen.Recursive<Tree>((depth, inner) => depth > 5 ? leaf : Gen.OneOf(
        leaf,
        Gen.Select(inner, inner, Among(" + ", "+", " plus ", " ＋ "), (a, b, sign) => Two(a, sign, b, 1, 2, (x, y) => x + y)),
        Gen.Select(inner, inner, Among(" - ", "-", " − ", " minus ", "–"), (a, b, sign) => Two(a, sign, b, 1, 2, (x, y) => x - y)),
        Gen.Select(inner, inner, Among(" * ", "*", "×", " x ", " times ", "·"), (a, b, sign) => Two(a, sign, b, 2, 3, (x, y) => x * y)),
        Gen.Select(inner, inner, Among(" / ", "/", " ÷ ", " divided by ", " over ", " : "), (a, b, sign) => Two(a, sign, b, 2, 3, (x, y) => y.Sign == 0 ? null : x / y)),
        Gen.Select(inner, inner, (a, b) => Two(a, "", b with { Strength = 0 }, 2, 3, (x, y) => x * y)),
        inner.Select(Among("-", "−", "minus "), (a, sign) => new Tree(sign + In(a, 3), -a.Value, 3)),
        inner.Select(Gen.Int[0, 3], Among("^", " ** ", "²"), (a, exponent, sign) => new Tree(
            sign == "²" ? $"({a.Text})²" : $"{In(a, 5)}{sign}{exponent}", a.Value is { } x ? x.Pow(sign == "²" ? 2 : exponent) : null, sign == "²" ? 5 : 4)),
        inner.Select(a => new Tree($"({a.Text})", a.Value, 5)),
        inner.Select(a => new Tree($"{In(a, 5)} squared", a.Value is { } x ? x * x : null, 5))));

    static string In(Tree tree, int strength) => tree.Strength < strength ? $"({tree.Text})" : tree.Text;

    // A number in words takes spaces around a sign between words: "ten-two" would be one number. A digit after a word as well.
    static Tree Two(Tree a, string sign, Tree b, int left, int right, Func<Rational, Rational, Rational?> compute) => new(
        (sign.Length > 0 && (char.IsAsciiLetter(In(a, left)[^1]) || char.IsAsciiLetter(In(b, right)[0])) ? $"{In(a, left)} {sign} {In(b, right)}" : $"{In(a, left)}{sign}{In(b, right)}"),
        a.Value is { } x && b.Value is { } y ? compute(x, y) : null, left);

    [Fact]
    public void A_tree_has_the_value_of_its_parts() => tree.Sample(tree =>
    {
        var arithmetic = new Arithmetic(0);
        if (tree.Value is not { } value)
        {
            Assert.Equal(ProgramFailure.Undefined, Assert.Throws<ProgramException>(() => Expression.Evaluate(tree.Text, arithmetic)).Failure);
            return;
        }
        try
        {
            Assert.True(value == Expression.Evaluate(tree.Text, arithmetic).Value, $"{tree.Text} is {value}, not {Expression.Evaluate(tree.Text, new(0)).Value}");
        }
        catch (ProgramException e) when (e.Failure == ProgramFailure.TooLarge)
        {
            Assert.True(value.Bits > 2000 || tree.Text.Length > 300);
        }
    }, iter: 20_000);

    [Theory]
    [InlineData("1+", 19_999, "1")]
    [InlineData("(", 40_000, "")]
    [InlineData("(1)", 13_000, "")]
    [InlineData("-", 39_999, "1")]
    [InlineData("√", 39_999, "1")]
    [InlineData("1^", 19_999, "1")]
    [InlineData("9^", 19_999, "9")]
    [InlineData("1/7+", 9_000, "1")]
    [InlineData("1/123456789012345678901+1/", 900, "3")]
    [InlineData("1.0000000001*", 900, "3")]
    [InlineData("two and ", 4_000, "a half")]
    [InlineData("half of ", 4_000, "2")]
    [InlineData("million ", 4_000, "")]
    [InlineData("1%", 19_000, "")]
    [InlineData("2²", 19_000, "")]
    [InlineData("2 squared", 1, " squared squared squared squared squared squared squared squared squared squared squared squared squared squared squared squared squared")]
    [InlineData("√2*", 900, "1")]
    [InlineData("∛2+", 900, "1")]
    [InlineData("sqrt(", 90, "2")]
    [InlineData("10^19999+", 900, "1")]
    [InlineData("10^-9999+", 900, "1")]
    [InlineData("3^9999/7^9999+", 900, "1")]
    [InlineData("1e9999*1e9999/", 900, "1")]
    [InlineData("x", 40_000, "")]
    [InlineData("1 ", 20_000, "")]
    [InlineData("a ", 20_000, "")]
    [InlineData("$", 40_000, "")]
    public void Long_expressions_take_no_longer_than_the_bound(string part, int count, string end)
    {
        var text = string.Concat(Enumerable.Repeat(part, count)) + end;
        var least = ThreadClock.Measure(() => Run(text));
        TestContext.Current.SendDiagnosticMessage($"{part}: {least.TotalMilliseconds:0.0} ms, {Run(text).Failure} {Number.Short(Run(text).Text)}");
        Assert.True(least < TimeSpan.FromMilliseconds(50), $"{least.TotalMilliseconds} ms");
    }

    [Fact]
    public void Any_text_has_a_value_or_a_reason_why_not() => Gen.OneOf(
        Gen.String,
        Gen.Char["0123456789.,+-*/^%()[] x×÷−²√$€e½"].Array[0, 40].Select(c => new string(c)),
        Among([.. "1 2.5 10 two and a half million dozen ( ) [ ] + - * / ^ ** // % √ ² squared times plus minus over of x mod = ? $ € , . 1/2 e5 to the power of sqrt percent".Split(' ')])
            .Array[0, 20].Select(Among(" ", ""), (words, between) => string.Join(between, words))).Sample(text =>
    {
        var result = Run(text);
        Assert.NotEqual(ProgramFailure.Exception, result.Failure);
        Assert.NotEmpty(result.Text);
        Assert.True(ThreadClock.Measure(() => Run(text)) < TimeSpan.FromMilliseconds(50), text);
    }, iter: 50_000);
}
