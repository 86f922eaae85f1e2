using System.Globalization;
using System.Numerics;
using CsCheck;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Tests.Sums;

public class NumberTests
{
    [Theory]
    // Separators.
    [InlineData("0", "0")]
    [InlineData(" 42 ", "42")]
    [InlineData("007", "7")]
    [InlineData("42,678", "42678")]
    [InlineData("1,234,567.89", "123456789/100")]
    [InlineData("12,34,567", "1234567")]
    [InlineData("1 234 567", "1234567")]
    [InlineData("1\u00A0234\u00A0567", "1234567")]
    [InlineData("1\u202F234", "1234")]
    [InlineData("1\u2009234,5", "12345/10")]
    [InlineData("1'234'567", "1234567")]
    [InlineData("1’234.5", "12345/10")]
    [InlineData("1_000_000", "1000000")]
    [InlineData("1.234.567", "1234567")]
    [InlineData("1.234,56", "123456/100")]
    [InlineData("1.234", "1234/1000")]
    [InlineData("1,5", "15/10")]
    [InlineData("0,125", "1/8")]
    [InlineData("3.14159", "314159/100000")]
    [InlineData(".25", "1/4")]
    [InlineData("-.5", "-1/2")]
    [InlineData("5.", "5")]
    [InlineData("45,", "45")]
    [InlineData("“45”", "45")]
    [InlineData("**45**", "45")]
    [InlineData("１２３", "123")]
    [InlineData("٣٤", "34")]
    // Signs.
    [InlineData("-7", "-7")]
    [InlineData("−7", "-7")]
    [InlineData("– 7", "-7")]
    [InlineData("+7", "7")]
    [InlineData("(1,234)", "-1234")]
    [InlineData("minus 7", "-7")]
    [InlineData("minus seven", "-7")]
    [InlineData("negative 7.5", "-15/2")]
    [InlineData("Negative Twenty-One", "-21")]
    // Money and percentages.
    [InlineData("$1,299.99", "129999/100")]
    [InlineData("-$5.00", "-5")]
    [InlineData("$-5", "-5")]
    [InlineData("($5.00)", "-5")]
    [InlineData("US$ 12", "12")]
    [InlineData("12,50 €", "25/2")]
    [InlineData("EUR 1.234,50", "12345/10")]
    [InlineData("99 USD", "99")]
    [InlineData("5 dollars", "5")]
    [InlineData("₹12,34,567.50", "123456750/100")]
    [InlineData("8%", "8/100")]
    [InlineData("12.5 %", "1/8")]
    [InlineData("-3%", "-3/100")]
    [InlineData("five percent", "5/100")]
    [InlineData("8 per cent", "8/100")]
    [InlineData("$5M", "5000000")]
    // Scales, fractions, powers of ten, places.
    [InlineData("3k", "3000")]
    [InlineData("1.2bn", "1200000000")]
    [InlineData("2 million", "2000000")]
    [InlineData("2.5 thousand", "2500")]
    [InlineData("3/4", "3/4")]
    [InlineData("-3/4", "-3/4")]
    [InlineData("1 1/2", "3/2")]
    [InlineData("2½", "5/2")]
    [InlineData("⅔", "2/3")]
    [InlineData("1.5e3", "1500")]
    [InlineData("2E-3", "2/1000")]
    [InlineData("1.5×10^3", "1500")]
    [InlineData("6.02 x 10^23", "602000000000000000000000")]
    [InlineData("21st", "21")]
    [InlineData("1,003rd", "1003")]
    public void Reads_digits(string text, string value) => Assert.Equal(Value(value), Number.Read(text).Value);

    [Theory]
    [InlineData("zero", "0")]
    [InlineData("forty-two", "42")]
    [InlineData("Forty two", "42")]
    [InlineData("two hundred and five", "205")]
    [InlineData("two hundred five", "205")]
    [InlineData("a hundred", "100")]
    [InlineData("hundred", "100")]
    [InlineData("a hundred and one", "101")]
    [InlineData("one million, two hundred thousand and three", "1200003")]
    [InlineData("two hundred thousand", "200000")]
    [InlineData("nineteen hundred", "1900")]
    [InlineData("nineteen eighty-four", "1984")]
    [InlineData("two lakh fifty thousand", "250000")]
    [InlineData("three crore", "30000000")]
    [InlineData("one point five", "15/10")]
    [InlineData("three point one four", "314/100")]
    [InlineData("zero point oh five", "5/100")]
    [InlineData("point two five", "1/4")]
    [InlineData("two point five million", "2500000")]
    [InlineData("half", "1/2")]
    [InlineData("a half", "1/2")]
    [InlineData("one half", "1/2")]
    [InlineData("a quarter", "1/4")]
    [InlineData("three quarters", "3/4")]
    [InlineData("three-quarters", "3/4")]
    [InlineData("two thirds", "2/3")]
    [InlineData("a third", "1/3")]
    [InlineData("one fifth", "1/5")]
    [InlineData("seven eighths", "7/8")]
    [InlineData("nine hundredths", "9/100")]
    [InlineData("two and a half", "5/2")]
    [InlineData("one and three quarters", "7/4")]
    [InlineData("3 and a half", "7/2")]
    [InlineData("two and a half million", "2500000")]
    [InlineData("half a million", "500000")]
    [InlineData("a quarter of a million", "250000")]
    [InlineData("a million and a half", "1500000")]
    [InlineData("one hundred and a half", "201/2")]
    [InlineData("a dozen", "12")]
    [InlineData("half a dozen", "6")]
    [InlineData("two dozen", "24")]
    [InlineData("3 dozen", "36")]
    [InlineData("a dozen and a half", "18")]
    [InlineData("3 1/2 dozen", "42")]
    [InlineData("1/2 million", "500000")]
    [InlineData("a couple", "2")]
    [InlineData("a couple of", "2")]
    [InlineData("a couple of hundred", "200")]
    [InlineData("a pair", "2")]
    [InlineData("double", "2")]
    [InlineData("twice", "2")]
    [InlineData("triple", "3")]
    [InlineData("first", "1")]
    [InlineData("second", "2")]
    [InlineData("third", "3")]
    [InlineData("twenty-first", "21")]
    [InlineData("one hundred and fifth", "105")]
    [InlineData("hundredth", "100")]
    [InlineData("two thousandth", "2000")]
    public void Reads_words(string text, string value) => Assert.Equal(Value(value), Number.Read(text).Value);

    [Theory]
    [InlineData("", "empty")]
    [InlineData("  ", "empty")]
    [InlineData("cat", "'cat' is no number")]
    [InlineData("$", "is no number")]
    [InlineData("-", "is no number")]
    [InlineData("1.2.3", "is no number")]
    [InlineData("1,23,4567", "is no number")]
    [InlineData("1,234,56", "is no number")]
    [InlineData("2 3", "is no number")]
    [InlineData("5-", "is no number")]
    [InlineData("1-2", "is no number")]
    [InlineData("12:30", "is no number")]
    [InlineData("1/2/2024", "is no number")]
    [InlineData("555-1234", "is no number")]
    [InlineData("2024-05-01", "is no number")]
    [InlineData("3:45", "is no number")]
    [InlineData("and", "is no number")]
    [InlineData("a", "is no number")]
    [InlineData("oh", "is no number")]
    [InlineData("point", "is no number")]
    [InlineData("two three", "is no number")]
    [InlineData("two and", "is no number")]
    [InlineData("million thousand", "is no number")]
    [InlineData("twenty eleven hundred", "is no number")]
    [InlineData("seven apples", "is no number")]
    [InlineData("5 km", "is no number")]
    [InlineData("1e", "is no number")]
    [InlineData("e5", "is no number")]
    [InlineData("3/", "is no number")]
    [InlineData("3/0", "Division by zero")]
    [InlineData("1e10001", "more than 10,000 digits")]
    [InlineData("1e999999999", "more than 10,000 digits")]
    [InlineData("1e99999999999999", "is no number")]
    public void Refuses_what_is_no_number(string text, string says) =>
        Assert.Contains(says, Assert.Throws<ProgramException>(() => Number.Read(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Reads_ten_thousand_digits_and_no_more()
    {
        var digits = string.Concat(Enumerable.Range(0, 1000).Select(i => "1234567890"));
        Assert.Equal(BigInteger.Parse(digits, CultureInfo.InvariantCulture), Number.Read(digits).Value.Numerator);
        Assert.Equal(BigInteger.Parse(digits, CultureInfo.InvariantCulture), Number.Read(BigInteger.Parse(digits, CultureInfo.InvariantCulture).ToString("N0", CultureInfo.InvariantCulture)).Value.Numerator);
        foreach (var text in (string[])[digits + "1", "0." + digits, new string('1', 100_000), digits + " million million"])
            Assert.Throws<ProgramException>(() => Number.Read(text));
        Assert.Equal(ProgramFailure.TooLarge, Assert.Throws<ProgramException>(() => Number.Read(digits + "1")).Failure);
    }

    [Fact]
    public void A_decimal_comma_that_one_number_shows_holds_for_all()
    {
        Assert.Equal([new(5, 2), new(1234, 1000)], Number.Read((string[])["2,5", "1,234"]).Select(n => n.Value));
        Assert.Equal([new(5, 2), 1234], Number.Read((string[])["2,5", "1.234"]).Select(n => n.Value));
        Assert.Equal([new(5, 2), 1234], Number.Read((string[])["2.5", "1,234"]).Select(n => n.Value));
    }

    static readonly Gen<Rational> decimals = Gen.Select(Gen.Long, Gen.Int[0, 12], (digits, places) => new Rational(digits, BigInteger.Pow(10, places)));

    static readonly Gen<NumberStyle> styles = Gen.Select(
        Among(NumberForm.Decimal, NumberForm.Decimal, NumberForm.Decimal, NumberForm.Fraction, NumberForm.Mixed, NumberForm.Scientific, NumberForm.Words, NumberForm.Ordinal),
        Gen.Int[0, 9].Select(Gen.Bool, Gen.Bool, (grouping, indian, comma) => ((Grouping)grouping, indian, comma)),
        Gen.Int[0, 12].Select(Gen.Int[0, 30], Gen.Bool, (d, width, bare) => (d, width, bare)),
        Among(null, null, "$", "€", "US$", "EUR", "CHF", "pesos").Select(Gen.Bool, Gen.Bool, (unit, after, space) => (unit, after, space)),
        Among(SignForm.Hyphen, SignForm.Minus, SignForm.MinusWord, SignForm.NegativeWord, SignForm.Parentheses),
        Gen.Bool.Select(Among(null, null, "k", "M", " million", "bn"), (percent, scale) => (percent, scale)),
        (form, group, digits, unit, sign, rest) =>
        {
            // What no text has: a decimal point that also groups, leading zeros in groups, words before and after a currency.
            var comma = group.Item1 == Grouping.Dot || (group.comma && group.Item1 != Grouping.Comma);
            var isDecimal = form == NumberForm.Decimal;
            var percent = rest.percent && form is NumberForm.Decimal or NumberForm.Scientific;
            return new NumberStyle
            {
                Form = form,
                Grouping = group.Item1,
                Indian = group.indian,
                DecimalComma = comma,
                Decimals = digits.d,
                Width = isDecimal && group.Item1 == Grouping.None ? digits.width : 0,
                BarePoint = isDecimal && digits.bare,
                Unit = percent || form is NumberForm.Words or NumberForm.Ordinal ? null : unit.unit,
                UnitAfter = unit.unit is "EUR" or "CHF" or "pesos" or "€" && unit.after,
                UnitSpace = unit.space || unit.unit is "EUR" or "CHF" or "pesos",
                Sign = sign,
                Percent = percent,
                Scale = isDecimal && !percent ? rest.scale : null,
            };
        });

    [Fact]
    public void What_is_written_reads_back_in_every_style() => Gen.Select(decimals, styles).Sample((number, style) =>
    {
        var shown = style.Form switch
        {
            NumberForm.Fraction or NumberForm.Mixed => number,
            NumberForm.Ordinal => number.Truncate(),
            // Digits of the mantissa.
            NumberForm.Scientific => number.Sign == 0 ? number : (number / new Rational(10, 1).Pow(NumberWriter.Magnitude(number.Abs()))).Round(style.Decimals) * new Rational(10, 1).Pow(NumberWriter.Magnitude(number.Abs())),
            _ => number.Round(style.Decimals),
        };
        var value = shown * Number.Factor(style.Scale) / (style.Percent ? 100 : 1);
        var text = NumberWriter.Write(value, style);
        var read = Number.Read(text, style.DecimalComma);
        Assert.True(read.Value == value, $"{value} in {style} is '{text}', which reads as {read.Value}");
        // In the style that was read, it is the same text.
        if (style.Form != NumberForm.Words)
            Assert.Equal(text, NumberWriter.Write(read.Value, read.Style));
    }, iter: 20_000);

    [Fact]
    public void Words_read_back_below_a_hundred_thousand()
    {
        for (var i = -1000; i < 100_000; i++)
            Assert.Equal(i, Number.Read(NumberWriter.Write(i, new() { Form = NumberForm.Words })).Value);
    }

    [Fact]
    public void Words_read_back_up_to_ten_millions_and_beyond()
    {
        Gen.Int[-10_000_000, 10_000_000].Sample(i => Assert.Equal(i, Number.Read(NumberWriter.Write(i, new() { Form = NumberForm.Words })).Value), iter: 20_000);
        Gen.Long.Select(Gen.Int[0, 6]).Sample((i, places) =>
        {
            var number = new Rational(i, BigInteger.Pow(10, places));
            Assert.Equal(number, Number.Read(NumberWriter.Write(number, new() { Form = NumberForm.Words, Decimals = places })).Value);
        });
    }

    // An independent writer: without "and", without hyphens, as Americans write.
    [Fact]
    public void American_words_read_as_well() => Gen.Long[0, 999_999_999_999].Sample(i =>
        Assert.Equal(i, Number.Read(Softmodel.Speech.SpokenNumbers.Cardinal(i.ToString(CultureInfo.InvariantCulture))).Value));

    static readonly Gen<string> texts = Gen.OneOf(
        Gen.String,
        Gen.Char["0123456789.,-+()$€%/ eEkM½'_\u2009\u2212"].Array[0, 30].Select(c => new string(c)),
        Among([.. "zero one two seven twelve twenty ninety hundred thousand million and a an of half quarter third thirds halves dozen couple point oh minus negative first second twice per cent percent % $ 5 2.5 1/2 3rd , - EUR k".Split(' ')])
            .Array[0, 12].Select(Among(" ", "-", ""), (words, between) => string.Join(between, words)));

    [Fact]
    public void Any_text_is_a_number_or_refused() => texts.Sample(text =>
    {
        try
        {
            Number.Read(text);
            Number.Read(text, decimalComma: true);
        }
        catch (ProgramException)
        {
        }
    }, iter: 200_000);

    internal static Gen<T> Among<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    internal static Rational Value(string text) => text.IndexOf('/') is > 0 and var slash
        ? new(BigInteger.Parse(text[..slash], CultureInfo.InvariantCulture), BigInteger.Parse(text[(slash + 1)..], CultureInfo.InvariantCulture))
        : (Rational)BigInteger.Parse(text, CultureInfo.InvariantCulture);
}
