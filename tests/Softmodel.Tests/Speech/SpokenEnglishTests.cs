using System.Diagnostics;
using CsCheck;
using Softmodel.Speech;

namespace Softmodel.Tests.Speech;

public class SpokenEnglishTests
{
    public static TheoryData<string, string> Pairs()
    {
        using var stream = typeof(SpokenEnglishTests).Assembly.GetManifestResourceStream("Softmodel.Tests.Speech.spoken.txt")!;
        using var reader = new StreamReader(stream);
        var pairs = new TheoryData<string, string>();
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && !line.StartsWith("# ", StringComparison.Ordinal) && line.LastIndexOf('|') is var bar)
                pairs.Add(line[..bar], line[(bar + 1)..]);
        }
        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Writing_is_spoken(string written, string spoken) => Assert.Equal(spoken, SpokenEnglish.Spell(written));

    [Fact]
    public void An_empty_line_divides_paragraphs_and_a_line_break_does_not() =>
        Assert.Equal("one two\nthree", SpokenEnglish.Spell("one\ntwo\r\n \n\nthree\n"));

    [Theory]
    [InlineData("", "empty")]
    [InlineData(" \n\t ", "empty")]
    [InlineData("...!?", "nothing that can be spoken")]
    [InlineData("— * 😀", "nothing that can be spoken")]
    [InlineData("ab Ж", "'Ж' (U+0416), character 4 of the text, line 1")]
    [InlineData("one\n漢字", "'漢' (U+6F22), character 5 of the text, line 2")]
    [InlineData("٣", "'٣' (U+0663), character 1")]
    public void What_cannot_be_spoken_is_named(string text, string expected) =>
        Assert.Contains(expected, Assert.Throws<SoftmodelException>(() => SpokenEnglish.Spell(text)).Message);

    [Fact]
    public void The_result_is_words_and_marks_whatever_is_written() =>
        Gen.String[Gen.OneOf(Gen.Char["aB I.V,1 20/:-$%'&@#^½x°²“—…\n()XS"], Gen.Char[' ', '~'], Gen.Char['\u00a0', '\u017f']), 0, 60].Sample(text =>
        {
            try
            {
                var spoken = SpokenEnglish.Spell(text);
                return spoken.Length > 0 && spoken.All(c => char.IsAsciiLetter(c) || " '\n".Contains(c) || SpokenEnglish.Marks.Contains(c))
                    && !spoken.Contains("  ") && SpokenEnglish.Spell(spoken).Length > 0;
            }
            catch (SoftmodelException)
            {
                return true;
            }
        }, iter: 3000);

    [Theory]
    [InlineData("The quick brown fox jumps over 13 lazy dogs. ")]
    [InlineData("a")]
    [InlineData("A")]
    [InlineData("1")]
    [InlineData("1,")]
    [InlineData("1.")]
    [InlineData("1-")]
    [InlineData("1 ")]
    [InlineData("a.")]
    [InlineData("a@")]
    [InlineData("a1")]
    [InlineData("- a ")]
    [InlineData("http://a")]
    [InlineData("$1")]
    public void Time_grows_with_the_length_and_not_with_its_square(string piece)
    {
        double Seconds(int length)
        {
            var text = string.Concat(Enumerable.Repeat(piece, length / piece.Length));
            return Enumerable.Range(0, 3).Min(_ =>
            {
                var clock = Stopwatch.StartNew();
                SpokenEnglish.Spell(text);
                return clock.Elapsed.TotalSeconds;
            });
        }
        // A square would take 64 times as long.
        var (part, whole) = (Seconds(6_250), Seconds(50_000));
        Assert.True(whole < 24 * part + 0.5, $"{whole:F2} s for 50,000 characters of '{piece}', {part:F2} s for an eighth of them");
    }

    [Fact]
    public void Too_long_a_text_is_refused() =>
        Assert.Contains("divide it", Assert.Throws<SoftmodelException>(() => SpokenEnglish.Spell(new string('a', SpokenEnglish.MaxLength + 1))).Message);
}
