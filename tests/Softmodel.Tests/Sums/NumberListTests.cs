using CsCheck;
using Softmodel.Runtime.Numbers;
using Softmodel.Runtime.Sums;

namespace Softmodel.Tests.Sums;

public class NumberListTests
{
    [Theory]
    [InlineData("12, 7 and 30", "12|7|30")]
    [InlineData("12, 7, and 30", "12|7|30")]
    [InlineData("12,7,30", "12|7|30")]
    [InlineData("12 7 30", "12|7|30")]
    [InlineData("12\n7\n30\n", "12|7|30")]
    [InlineData("12; 7; 30", "12|7|30")]
    [InlineData("12 | 7 | 30", "12|7|30")]
    [InlineData("12\t7\t30", "12|7|30")]
    [InlineData("66 / 401 / 250", "66|401|250")]
    [InlineData("[12, -7, 30]", "12|-7|30")]
    [InlineData("(12, 7, 30)", "12|7|30")]
    [InlineData("1,200, 1,300 or 1,400", "1,200|1,300|1,400")]
    [InlineData("$1.50, $2 & $3.25", "$1.50|$2|$3.25")]
    [InlineData("two, one hundred and five and six", "two|one hundred and five|six")]
    [InlineData("five, twenty-five and fourteen", "five|twenty-five|fourteen")]
    [InlineData("9,917 / 10,672 / 1,050", "9,917|10,672|1,050")]
    [InlineData("9,917 10,672 1,050", "9,917|10,672|1,050")]
    [InlineData("12 + 7 + 30", "12|7|30", "+")]
    [InlineData("12 plus 7 plus 30", "12|7|30", "plus")]
    [InlineData("2x3x4", "2|3|4", "x")]
    [InlineData("12 + 7 + 30", null)]
    [InlineData("12 and 7", null)]
    [InlineData("12", null)]
    [InlineData("12, 7, x", null)]
    [InlineData("12 apples, 7 pears, 30 plums", null)]
    [InlineData("", null)]
    [InlineData(",,,", null)]
    public void A_list_has_three_numbers_or_more(string text, string? numbers, params string[] signs) =>
        Assert.Equal(numbers?.Split('|'), NumberList.Read(text, signs));

    static readonly Gen<string> separators = Gen.Int[0, 5].Select(i => ((string[])[", ", "; ", "\n", " | ", "\t", " / "])[i]);

    [Fact]
    public void What_is_joined_is_read() =>
        Gen.Select(Gen.Int[-9999, 9999].Array[3, 20], separators).Sample((numbers, separator) =>
            Assert.Equal(numbers.Select(n => $"{n}"), NumberList.Read(string.Join(separator, numbers))!), iter: 500);

    [Fact]
    public void Any_text_is_a_list_or_not() => Gen.String[Gen.Char["0123456789 ,.;|/+-()[]\t\nandor$%é½−"], 0, 40].Sample(text => _ = NumberList.Read(text, "+"), iter: 5000);

    [Theory]
    [InlineData("add", "12, 7 and 30", "49")]
    [InlineData("add", "1 + 2 + 3 + 4", "10")]
    [InlineData("multiply", "2 × 3 × 4", "24")]
    [InlineData("average", "14; 54; 37", "35")]
    [InlineData("maximum", "3 | 1,000 | 20", "1,000")]
    [InlineData("minimum", "-18\n2\n-3", "-18")]
    [InlineData("greatest_common_divisor", "12, 18, 30", "6")]
    [InlineData("least_common_multiple", "4, 6 and 10", "60")]
    public void A_program_of_several_numbers_takes_a_list(string program, string list, string result) =>
        Assert.Equal(new(result), SumPrograms.All.Named(program).Run([list]));

    [Fact]
    public void A_program_of_two_numbers_takes_none() =>
        Assert.False(SumPrograms.All.Named("remainder").Reads(0, "1, 2, 3"));
}
