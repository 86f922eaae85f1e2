using Softmodel.Fusion;

namespace Softmodel.Tests.Fusion;

public class AnswersTests
{
    [Theory]
    [InlineData(" 143", "143")]
    [InlineData(" 143.", "143")]
    [InlineData(" 143, and that is all", "143")]
    [InlineData(" $1,234.50 in all", "1234.5")]
    [InlineData(" **12.50**", "12.5")]
    [InlineData("\n143\n144", "143")]
    [InlineData(" 6/8", "3/4")]
    [InlineData(" −3", "-3")]
    [InlineData(" -3 degrees", "-3")]
    [InlineData(" forty-two", "42")]
    [InlineData(" Yes, it is.", "yes")]
    [InlineData(" 3 remainder 2.", "3 remainder 2")]
    [InlineData(" 12km", "12")]
    public void What_begins_with_the_answer_is_right(string text, string answer) => Assert.True(Answers.Begins(text, answer));

    [Theory]
    [InlineData(" 1430", "143")]
    [InlineData(" 143.5", "143")]
    [InlineData(" 143,000", "143")]
    [InlineData(" 1/2", "1")]
    [InlineData(" 42", "43")]
    [InlineData(" it is 143", "143")]
    [InlineData(" yesterday", "yes")]
    [InlineData("", "143")]
    [InlineData(" 3", "3 remainder 2")]
    public void Anything_else_is_not(string text, string answer) => Assert.False(Answers.Begins(text, answer));
}
