using System.Globalization;
using System.Numerics;
using CsCheck;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;
using Softmodel.Runtime.Sums;
using static Softmodel.Tests.Sums.NumberTests;

namespace Softmodel.Tests.Sums;

public class SumProgramTests
{
    static ProgramResult Run(string program, string[] operands, WritingStyle around = default) => SumPrograms.All.Named(program).Run(operands, around);

    static string Text(string program, params string[] operands)
    {
        var result = Run(program, operands);
        Assert.True(result.Failure == ProgramFailure.None, result.Text);
        return result.Text;
    }

    [Theory]
    [InlineData("add", "98|45", "143")]
    [InlineData("add", "42,678|99375", "142,053")]
    [InlineData("add", "999|1", "1000")]
    [InlineData("add", "0.1|0.2", "0.3")]
    [InlineData("add", "1|2|3|4", "10")]
    [InlineData("add", "minus seven|12", "5")]
    [InlineData("add", "forty-two|eight", "50")]
    [InlineData("add", "1/2|3/4", "5/4")]
    [InlineData("add", "1 1/2|3/4", "2 1/4")]
    [InlineData("add", "1/2|1/2", "1")]
    [InlineData("add", "1/2|0.25", "0.75")]
    [InlineData("add", "$1.50|$2.75", "4.25")]
    [InlineData("add", "$1.50|$2.50", "4.00")]
    [InlineData("add", "$5|$7", "12")]
    [InlineData("add", "200|10%", "220")]
    [InlineData("add", "5%|3%", "8")]
    [InlineData("add", "$100|8%", "108")]
    [InlineData("add", "1.234,50|2,5", "1.237")]
    [InlineData("add", "1 234|1", "1 235")]
    [InlineData("add", "12,34,567|1", "12,34,568")]
    [InlineData("add", "2 million|3 million", "5000000")]
    [InlineData("add", "−5|−6", "−11")]
    [InlineData("add", "(5)|(6)", "(11)")]
    [InlineData("subtract", "10|3|2", "5")]
    [InlineData("subtract", "3|10", "-7")]
    [InlineData("subtract", "100|20%", "80")]
    [InlineData("subtract", "1|0.9999999999999999999999999", "0.0000000000000000000000001")]
    [InlineData("difference", "3|10", "7")]
    [InlineData("multiply", "half|a dozen", "6")]
    [InlineData("multiply", "double|21", "42")]
    [InlineData("multiply", "1234567|7654321", "9449772114007")]
    [InlineData("multiply", "1.5|2.5|4", "15")]
    [InlineData("multiply", "$19.99|3", "59.97")]
    [InlineData("multiply", "20%|$50", "10")]
    [InlineData("multiply", "2/3|3/5", "2/5")]
    [InlineData("divide", "48|2", "24")]
    [InlineData("divide", "1|8", "0.125")]
    [InlineData("divide", "2|3", "0.666667")]
    [InlineData("divide", "1|3000000", "0.000000333333")]
    [InlineData("divide", "-2|3", "-0.666667")]
    [InlineData("divide", "10|4", "2.5")]
    [InlineData("divide", "$10|3", "3.33")]
    [InlineData("divide", "$10|$4", "2.5")]
    [InlineData("divide", "3/4|2", "3/8")]
    [InlineData("divide", "100|5|2", "10")]
    [InlineData("divide", "50%|2", "25")]
    [InlineData("quotient", "17|5", "3")]
    [InlineData("quotient", "-17|5", "-4")]
    [InlineData("quotient_up", "17|5", "4")]
    [InlineData("quotient_up", "15|5", "3")]
    [InlineData("quotient_up", "-17|5", "-3")]
    [InlineData("multiply_add", "3|4|5", "17")]
    [InlineData("multiply_add", "$12.50|6|$20", "95.00")]
    [InlineData("multiply_subtract", "3|4|5", "7")]
    [InlineData("subtract_product", "$20|3|$4.25", "7.25")]
    [InlineData("sum_of_products", "2|$1.50|3|$2.25", "9.75")]
    [InlineData("multiply_sum", "3|4|5", "35")]
    [InlineData("multiply_difference", "9|4|5", "25")]
    [InlineData("divide_sum", "3|4|2", "3.5")]
    [InlineData("divide_difference", "9|4|2", "2.5")]
    [InlineData("divide_product", "5|$12|3", "20")]
    [InlineData("remainder", "17|5", "2")]
    [InlineData("remainder", "-17|5", "3")]
    [InlineData("remainder", "7.5|2", "1.5")]
    [InlineData("quotient_and_remainder", "17|5", "3 remainder 2")]
    [InlineData("power", "2|10", "1024")]
    [InlineData("power", "2|-2", "0.25")]
    [InlineData("power", "1.05|2", "1.1025")]
    [InlineData("power", "9|0.5", "3")]
    [InlineData("power", "8|2/3", "4")]
    [InlineData("power", "0|0", "1")]
    [InlineData("power", "-1|99999999999999999999", "-1")]
    [InlineData("power", "2/3|2", "4/9")]
    [InlineData("square", "12", "144")]
    [InlineData("cube", "-3", "-27")]
    [InlineData("square_root", "144", "12")]
    [InlineData("square_root", "2", "1.414214")]
    [InlineData("square_root", "2.25", "1.5")]
    [InlineData("square_root", "0.0002", "0.0141421")]
    [InlineData("cube_root", "-27", "-3")]
    [InlineData("cube_root", "10", "2.154435")]
    [InlineData("root", "32|5", "2")]
    [InlineData("root", "32|fifth", "2")]
    [InlineData("percent_of", "15|80", "12")]
    [InlineData("percent_of", "8%|$1,299.99", "104.00")]
    [InlineData("percent_of", "$1,299.99|8%", "104.00")]
    [InlineData("percent_of", "12.5%|64", "8")]
    [InlineData("percent_of", "20%|50%", "10")]
    [InlineData("increase_by_percent", "80|25", "100")]
    [InlineData("increase_by_percent", "$1,299.99|8%", "1,403.99")]
    [InlineData("decrease_by_percent", "25%|80", "60")]
    [InlineData("percent_change", "80|100", "25")]
    [InlineData("percent_change", "100|80", "-20")]
    [InlineData("percent_change", "-80|-100", "-25")]
    [InlineData("what_percent", "3|4", "75")]
    [InlineData("what_percent", "1|3", "33.333333")]
    [InlineData("ratio", "12|16", "3:4")]
    [InlineData("ratio", "1.5|2", "3:4")]
    [InlineData("is_greater", "9.11|9.9", "no")]
    [InlineData("is_less", "-5|-4", "yes")]
    [InlineData("is_equal", "1/2|0.50", "yes")]
    [InlineData("compare", "1/3|0.33", "greater")]
    [InlineData("maximum", "9.11|9.9|9.09", "9.9")]
    [InlineData("maximum", "seven|nine", "nine")]
    [InlineData("maximum", "two-thirds|half", "two-thirds")]
    [InlineData("maximum", "$5.00|$4", "5.00")]
    [InlineData("minimum", "1,000|999.50", "999.50")]
    [InlineData("greatest_common_divisor", "12|18|27", "3")]
    [InlineData("greatest_common_divisor", "-12|0", "12")]
    [InlineData("least_common_multiple", "4|6|10", "60")]
    [InlineData("digit_sum", "98765", "35")]
    [InlineData("digit_sum", "-1.25", "8")]
    [InlineData("average", "1|2|4", "2.333333")]
    [InlineData("average", "$10|$15", "12.50")]
    [InlineData("average", "80%|90%", "85")]
    [InlineData("round_to_decimals", "3.14159|2", "3.14")]
    [InlineData("round_to_decimals", "2.999|two", "3.00")]
    [InlineData("round_to_decimals", "1234|-2", "1200")]
    [InlineData("round", "2.5", "3")]
    [InlineData("round", "-2.5", "-3")]
    [InlineData("round", "72.32 percent", "72")]
    [InlineData("round_to_decimals", "8.37%|1", "8.4")]
    [InlineData("round_up", "12.1%", "13")]
    [InlineData("round_to_ten", "4,567", "4,570")]
    [InlineData("round_to_hundred", "4567", "4600")]
    [InlineData("round_to_thousand", "4567", "5000")]
    [InlineData("round_to_multiple", "17|five", "15")]
    [InlineData("round_to_multiple", "17|ten", "20")]
    [InlineData("round_to_multiple", "2.37|0.25", "2.25")]
    [InlineData("round_down", "-2.5", "-3")]
    [InlineData("round_up", "-2.5", "-2")]
    [InlineData("absolute", "-12.50", "12.5")]
    [InlineData("negate", "5", "-5")]
    [InlineData("double", "$12.25", "24.50")]
    [InlineData("half", "7", "3.5")]
    [InlineData("reciprocal", "8", "0.125")]
    [InlineData("evaluate", "(3 + 3) - 4 * 2^3", "-26")]
    public void Computes(string program, string operands, string result) => Assert.Equal(result, Text(program, operands.Split('|')));

    [Theory]
    [InlineData("divide", "5|0", nameof(ProgramFailure.Undefined), "Division by zero is undefined.")]
    [InlineData("remainder", "5|0.0", nameof(ProgramFailure.Undefined), "Division by zero is undefined.")]
    [InlineData("power", "0|-1", nameof(ProgramFailure.Undefined), "Division by zero is undefined.")]
    [InlineData("percent_change", "0|5", nameof(ProgramFailure.Undefined), "Division by zero is undefined.")]
    [InlineData("reciprocal", "0", nameof(ProgramFailure.Undefined), "Division by zero is undefined.")]
    [InlineData("evaluate", "1/(3-3)", nameof(ProgramFailure.Undefined), "Division by zero is undefined.")]
    [InlineData("square_root", "-4", nameof(ProgramFailure.Undefined), "A negative number has no such root.")]
    [InlineData("power", "-4|1.5", nameof(ProgramFailure.Undefined), "A negative number has no such root.")]
    [InlineData("root", "4|0", nameof(ProgramFailure.Undefined), "There is no zeroth root.")]
    [InlineData("root", "4|1000", nameof(ProgramFailure.TooLarge), "Only roots up to the 100th are worked out.")]
    [InlineData("power", "2|0.123", nameof(ProgramFailure.TooLarge), "Only roots up to the 100th are worked out.")]
    [InlineData("power", "2|100000", nameof(ProgramFailure.TooLarge), "The result has more than 20,000 digits.")]
    [InlineData("power", "9|9999999999999", nameof(ProgramFailure.TooLarge), "The result has more than 20,000 digits.")]
    [InlineData("evaluate", "9^9^9^9", nameof(ProgramFailure.TooLarge), "The result has more than 20,000 digits.")]
    [InlineData("greatest_common_divisor", "4|1.5", nameof(ProgramFailure.Operand), "That is only defined for integers.")]
    [InlineData("digit_sum", "1/3", nameof(ProgramFailure.Undefined), "The digits of that number never end.")]
    [InlineData("round_to_decimals", "1.5|9999", nameof(ProgramFailure.TooLarge), "Numbers are rounded to at most 1,000 decimals.")]
    [InlineData("round_to_multiple", "5|0", nameof(ProgramFailure.Undefined), "Division by zero is undefined.")]
    [InlineData("add", "cat|5", nameof(ProgramFailure.Operand), "'cat' is no number.")]
    [InlineData("add", "5", nameof(ProgramFailure.Operand), "add takes 2 or more operands, not 1.")]
    [InlineData("square", "5|6", nameof(ProgramFailure.Operand), "square takes 1 operand, not 2.")]
    [InlineData("add", "5|", nameof(ProgramFailure.Operand), "An operand is empty.")]
    public void Says_why_there_is_no_result(string program, string operands, string failure, string sentence) =>
        Assert.Equal(new(sentence, Enum.Parse<ProgramFailure>(failure)), Run(program, operands.Split('|')));

    [Fact]
    public void Writes_as_the_text_around()
    {
        Assert.Equal("0.67", Run("divide", ["2", "3"], new() { Decimals = 2 }).Text);
        Assert.Equal("2.50", Run("divide", ["5", "2"], new() { Decimals = 2 }).Text);
        Assert.Equal("0.66666666666666666666666666666666666666666666666666666666666666666667", Run("divide", ["2", "3"], new() { Decimals = 68 }).Text);
        Assert.Equal("1.4142135623730950488016887242096980785696718753769480731766797379907324784621", Run("square_root", ["2"], new() { Decimals = 76 }).Text);
        Assert.Equal("2", Run("divide", ["5", "2"], new() { Decimals = 0, HalfEven = true }).Text);
        Assert.Equal("3", Run("divide", ["5", "2"], new() { Decimals = 0 }).Text);
        Assert.Equal("142,053", Run("add", ["42678", "99375"], new() { Grouping = Grouping.Comma }).Text);
        Assert.Equal("142053", Run("add", ["42,678", "99,375"], new() { Grouping = Grouping.None }).Text);
        Assert.Equal("1,236.5", Run("add", ["1.234", "2,5"], new() { Grouping = Grouping.Comma }).Text);
        Assert.Equal("1234569,5", Run("add", ["1,234,567", "2,5"]).Text);
        Assert.Equal("$104.00", Run("percent_of", ["8%", "$1,299.99"], new() { Unit = true }).Text);
        Assert.Equal("12,50 €", Run("add", ["10 €", "2,50 €"], new() { Unit = true }).Text);
        Assert.Equal("-$5.00", Run("subtract", ["$5.00", "$10.00"], new() { Unit = true }).Text);
        Assert.Equal("25%", Run("what_percent", ["1", "4"], new() { Unit = true }).Text);
        Assert.Equal("one hundred and forty-three", Run("add", ["98", "45"], new() { Words = true }).Text);
        Assert.Equal("minus zero point five", Run("subtract", ["1", "1.5"], new() { Words = true }).Text);
        Assert.Equal("0.75", Run("add", ["1/2", "1/4"], new() { Decimals = 2 }).Text);
        Assert.Equal("1235.50", Run("add", ["$1,234.00", "$1.5"], new() { Plain = true, Unit = true, Words = true }).Text);
        Assert.Equal("-1.25", Run("subtract", ["−1/2", "3/4"], new() { Plain = true }).Text);
        Assert.Equal("1234.5", Run("add", ["1.234,00", "0,5"], new() { Plain = true }).Text);
        Assert.Equal("3e601", Run("multiply", ["1.5e300", "2e301"]).Text);
        Assert.Equal("4500", Run("multiply", ["1.5e3", "3"]).Text);
    }

    static string Written(BigInteger value) => value.ToString(CultureInfo.InvariantCulture);

    static string Written(decimal value) => value.ToString(CultureInfo.InvariantCulture);

    static readonly Gen<BigInteger> integers = Gen.Select(Gen.Byte.Array[0, 60], Gen.Bool, (bytes, negative) => new BigInteger(bytes, isUnsigned: true) * (negative ? -1 : 1));

    [Fact]
    public void Integers_are_those_of_BigInteger() => Gen.Select(integers, integers, integers).Sample((a, b, c) =>
    {
        var (x, y, z) = (Written(a), Written(b), Written(c));
        Assert.Equal(Written(a + b), Text("add", x, y));
        Assert.Equal(Written(a + b + c), Text("add", x, y, z));
        Assert.Equal(Written(a - b), Text("subtract", x, y));
        Assert.Equal(Written(a - b - c), Text("subtract", x, y, z));
        Assert.Equal(Written(BigInteger.Abs(a - b)), Text("difference", x, y));
        Assert.Equal(Written(a * b), Text("multiply", x, y));
        Assert.Equal(Written(a * b * c), Text("multiply", x, y, z));
        Assert.Equal(Written(BigInteger.Max(BigInteger.Max(a, b), c)), Text("maximum", x, y, z));
        Assert.Equal(Written(BigInteger.Min(BigInteger.Min(a, b), c)), Text("minimum", x, y, z));
        Assert.Equal(Written(BigInteger.GreatestCommonDivisor(a, b)), Text("greatest_common_divisor", x, y));
        Assert.Equal(a > b ? "yes" : "no", Text("is_greater", x, y));
        Assert.Equal(a < b ? "yes" : "no", Text("is_less", x, y));
        Assert.Equal(a == b ? "yes" : "no", Text("is_equal", x, y));
        Assert.Equal(Written(BigInteger.Abs(a)), Text("absolute", x));
        Assert.Equal(Written(-a), Text("negate", x));
        Assert.Equal(Written(2 * a), Text("double", x));
        Assert.Equal(Written(a * a), Text("square", x));
        Assert.Equal(Written(a * a * a), Text("cube", x));
        Assert.Equal(Written(BigInteger.Abs(a)), Text("square_root", Written(a * a)));
        Assert.Equal(Written(a), Text("cube_root", Written(a * a * a)));
        Assert.Equal($"{Written(a).Where(char.IsAsciiDigit).Sum(d => d - (int)'0')}", Text("digit_sum", x));
        if (b.IsZero)
            return;
        var rest = a - b * FloorOf(a, b);
        Assert.Equal(Written(FloorOf(a, b)), Text("quotient", x, y));
        Assert.Equal(Written(rest), Text("remainder", x, y));
        Assert.Equal($"{FloorOf(a, b)} remainder {rest}", Text("quotient_and_remainder", x, y));
        Assert.Equal(Written(a), Text("divide", Written(a * b), y));
        if (!a.IsZero)
            Assert.Equal(Written(BigInteger.Abs(a * b) / BigInteger.GreatestCommonDivisor(a, b)), Text("least_common_multiple", x, y));
    }, iter: 1000);

    static BigInteger FloorOf(BigInteger a, BigInteger b)
    {
        var quotient = BigInteger.Divide(a, b);
        return quotient * b != a && a.Sign * b.Sign < 0 ? quotient - 1 : quotient;
    }

    // Up to 14 digits, so that decimal computes their products exactly.
    static readonly Gen<decimal> decimals = Gen.Select(Gen.Long[-99_999_999_999_999, 99_999_999_999_999], Gen.Int[0, 9], (digits, scale) => new decimal((int)Math.Abs(digits), (int)(Math.Abs(digits) >> 32), 0, digits < 0, (byte)scale));

    // Without zeros at the end.
    static string Short(decimal value) => (value / 1.000000000000000000000000000000m).ToString(CultureInfo.InvariantCulture);

    [Fact]
    public void Decimals_are_those_of_decimal() => Gen.Select(decimals, decimals, Gen.Int[0, 8]).Sample((a, b, places) =>
    {
        var (x, y) = (Written(a), Written(b));
        Assert.Equal(Short(a + b), Text("add", x, y));
        Assert.Equal(Short(a - b), Text("subtract", x, y));
        Assert.Equal(Short(a * b), Text("multiply", x, y));
        Assert.Equal(a.CompareTo(b) switch { > 0 => "greater", < 0 => "less", _ => "equal" }, Text("compare", x, y));
        Assert.Equal(Math.Round(a, places, MidpointRounding.AwayFromZero) + new decimal(0, 0, 0, false, (byte)places), Number.Read(Text("round_to_decimals", x, $"{places}")).Value);
        Assert.Equal(Short(Math.Round(a, MidpointRounding.AwayFromZero)), Text("round", x));
        Assert.Equal(Short(Math.Round(a / 10, MidpointRounding.AwayFromZero) * 10), Text("round_to_ten", x));
        Assert.Equal(Short(Math.Floor(a)), Text("round_down", x));
        Assert.Equal(Short(Math.Ceiling(a)), Text("round_up", x));
        Assert.Equal(Short(a / 2), Text("half", x));
        Assert.Equal(Short((a + b) / 2), Text("average", x, y));
    }, iter: 1000);

    [Fact]
    public void Quotients_are_those_of_long_division() => Gen.Select(integers, integers, Gen.Int[0, 40]).Sample((a, b, places) =>
    {
        if (!b.IsZero)
            Assert.Equal(LongDivision(a, b, places), Run("divide", [Written(a), Written(b)], new() { Decimals = places }).Text);
    }, iter: 1000);

    // Digit by digit, as on paper.
    static string LongDivision(BigInteger a, BigInteger b, int places)
    {
        var (rest, divisor, digits) = (BigInteger.Zero, BigInteger.Abs(b), new List<int> { 0 });
        foreach (var next in Written(BigInteger.Abs(a)) + new string('0', places + 1))
        {
            rest = 10 * rest + (next - '0');
            var digit = 0;
            for (; rest >= divisor; rest -= divisor)
                digit++;
            digits.Add(digit);
        }
        var carry = digits[^1] >= 5 ? 1 : 0;
        digits.RemoveAt(digits.Count - 1);
        for (var i = digits.Count - 1; carry > 0; i--)
        {
            digits[i] += carry;
            carry = digits[i] / 10;
            digits[i] %= 10;
        }
        var text = string.Concat(digits);
        var integer = text[..^places].TrimStart('0') is { Length: > 0 } some ? some : "0";
        var negative = a.Sign * b.Sign < 0 && digits.Any(d => d > 0);
        return $"{(negative ? "-" : "")}{integer}{(places > 0 ? "." : "")}{text[^places..]}";
    }

    [Fact]
    public void Percentages_agree_with_one_another() => Gen.Select(Gen.Int[1, 100_000], Gen.Int[1, 400]).Sample((x, quarters) =>
    {
        var percent = quarters / 4m;
        Assert.Equal(Short(x * percent / 100), Text("percent_of", Written(percent), $"{x}"));
        Assert.Equal(Short(x * (100 + percent) / 100), Text("increase_by_percent", $"{x}", $"{Written(percent)}%"));
        Assert.Equal(Short(x * (100 - percent) / 100), Text("decrease_by_percent", $"{x}", Written(percent)));
        Assert.Equal(Short(percent), Text("what_percent", Short(x * percent / 100), $"{x}"));
        Assert.Equal(Short(percent), Text("percent_change", $"{x}", Short(x * (100 + percent) / 100)));
        Assert.Equal(Short(-percent), Text("percent_change", $"{x}", Short(x * (100 - percent) / 100)));
    }, iter: 2000);

    // By the definition: the root's neighbours lie on both sides.
    [Fact]
    public void Roots_are_rounded_as_the_definition_says() => Gen.Select(Gen.Int[1, 1_000_000_000], Gen.Int[2, 12], Gen.Int[0, 30]).Sample((x, index, places) =>
    {
        var root = Number.Read(Run("root", [$"{x}", $"{index}"], new() { Decimals = places }).Text).Value;
        var half = new Rational(1, 2 * BigInteger.Pow(10, places));
        Assert.True((root - half).Pow(index) <= x || root < half, $"{index}th root of {x} is at least {root - half}");
        Assert.True((root + half).Pow(index) > x, $"{index}th root of {x} is less than {root + half}");
    }, iter: 2000);

    [Fact]
    public void Powers_are_repeated_products() => Gen.Select(Gen.Int[-50, 50], Gen.Int[0, 2], Gen.Int[0, 12]).Sample((digits, scale, exponent) =>
    {
        var factor = new Rational(digits, BigInteger.Pow(10, scale));
        Rational product = 1;
        for (var i = 0; i < exponent; i++)
            product *= factor;
        Assert.Equal(product, Number.Read(Run("power", [NumberWriter.Write(factor, new() { Decimals = scale }), $"{exponent}"], new() { Decimals = 30 }).Text).Value);
    }, iter: 500);

    // Digits without a pattern, which would make common divisors easy.
    static readonly string digits = string.Create(10_000, new Random(5), (span, random) =>
    {
        foreach (ref var digit in span)
            digit = (char)('1' + random.Next(9));
    });

    static readonly string[] hard = [digits, $"-0.{digits[1..]}", "1e-9999", $"{digits[1..]}/{digits[..9999]}", "7", "0.1", "2/3"];

    public static TheoryData<string> Names => [.. SumPrograms.All.All.Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Nothing_takes_longer_than_its_bound(string name)
    {
        var program = SumPrograms.All.Named(name);
        var worst = (Time: TimeSpan.Zero, Text: "");
        foreach (var a in hard)
        {
            foreach (var b in program.Operands.Length > 1 ? hard : [""])
            {
                string[] operands = program.Operands.Length > 1 ? [a, b] : [a];
                var least = ThreadClock.Measure(() => program.Run(operands, new() { Decimals = b == "7" ? 1000 : null }));
                if (least > worst.Time)
                    worst = (least, $"{Number.Short(a)} {Number.Short(b)}");
            }
        }
        TestContext.Current.SendDiagnosticMessage($"{name}: {worst.Time.TotalMilliseconds:0.0} ms for {worst.Text}");
        Assert.True(worst.Time < TimeSpan.FromMilliseconds(50), $"{worst.Time.TotalMilliseconds} ms for {worst.Text}");
    }

    [Fact]
    public void Many_operands_take_no_longer()
    {
        foreach (var program in SumPrograms.All.All.Where(p => p.Repeats))
        {
            foreach (var operand in (Func<int, string>[])[i => digits, i => digits[..40], i => $"1/{digits[i..(i + 40)]}", i => $"{i + 2}", i => $"1/{2 * i + 3}", i => "twenty-two million and five hundred thousand and three hundredths", i => $"0.{new string('0', 10 * i)}1"])
            {
                string[] operands = [.. Enumerable.Range(0, FusedProgram.MaxOperands).Select(operand)];
                var least = ThreadClock.Measure(() => program.Run(operands));
                TestContext.Current.SendDiagnosticMessage($"{program.Name} of {Number.Short(operands[0])}...: {least.TotalMilliseconds:0.0} ms {program.Run(operands).Failure}");
                Assert.True(least < TimeSpan.FromMilliseconds(50), $"{program.Name} of {Number.Short(operands[0])}...: {least.TotalMilliseconds} ms");
            }
        }
    }

    [Fact]
    public void Any_operands_give_a_result_or_a_reason()
    {
        var operand = Gen.OneOf(Gen.String, Among(hard), Among("7", "0", "-1", "99999", "0.1", "1e-300", "2/3", "97", "0.99"), Among("half", "a dozen", "$5", "8%", "1,299.99", "minus seven", "2 + 3", "1/0", "(", "twenty-two", "3k", "½"), Gen.Double.Select(d => d.ToString("R", CultureInfo.InvariantCulture)));
        var programs = SumPrograms.All.All.ToArray();
        Gen.Select(Among(programs), operand.Array[0, 4], Gen.Int[0, 20].Select(d => d == 0 ? default(int?) : d), Gen.Bool).Sample((program, operands, decimals, words) =>
        {
            var result = program.Run(operands, new() { Decimals = decimals, Words = words, Unit = words });
            Assert.NotEqual(ProgramFailure.Exception, result.Failure);
            Assert.NotEmpty(result.Text);
            Assert.True(ThreadClock.Measure(() => program.Run(operands, new() { Decimals = decimals })) < TimeSpan.FromMilliseconds(50), $"{program.Name} of {string.Join(' ', operands.Select(Number.Short))}");
        }, iter: 10_000);
    }
}
