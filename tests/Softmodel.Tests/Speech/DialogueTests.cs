using CsCheck;
using Softmodel.Speech;
using Softmodel.Tests.Common;

namespace Softmodel.Tests.Speech;

public class DialogueTests
{
    [Fact]
    public void A_script_has_voices_lines_and_pauses()
    {
        var dialogue = Dialogue.Parse("# A comment\n\nvoice ANN speed=1.5 noise=0.25 seed=9 speaker=2\r\nvoice BO\n\nANN: Who's there: you?\nBO: Me!\n\n# Another\n\nANN:  Oh. \n");
        var ann = new Character("ANN", 1.5, 0.25, 9, 2);
        Assert.Equal([new(ann, "Who's there: you?", false, 6), new(new("BO"), "Me!", false, 7), new(ann, "Oh.", true, 11)], dialogue.Lines);
    }

    [Theory]
    [InlineData("", "nobody says anything")]
    [InlineData("# only a comment", "nobody says anything")]
    [InlineData("voice ANN\nBO: Hello", "line 2: nobody is called BO")]
    [InlineData("voice ANN\nANN:", "line 2: ANN says nothing")]
    [InlineData("voice ANN\nvoice ANN", "line 2: the voice of ANN is described a second time")]
    [InlineData("Hello there", "line 1: 'Hello there' is neither")]
    [InlineData("She said: hello", "line 1: 'She said: hello' is neither")]
    [InlineData("voice speed=1", "line 1: the voice has no name")]
    [InlineData("voice ANN pitch=1", "'pitch=1' is no setting")]
    [InlineData("voice ANN speed=1 speed=1", "'speed=1' is no setting")]
    [InlineData("voice ANN speed=0", "speed=0 must be")]
    [InlineData("voice ANN speed=NaN", "speed=NaN must be")]
    [InlineData("voice ANN noise=2", "noise=2 must be")]
    [InlineData("voice ANN seed=-1", "seed=-1 must be")]
    [InlineData("voice ANN speaker=99999999999", "speaker=99999999999 must be")]
    public void What_is_no_script_is_named(string text, string says) =>
        Assert.Contains(says, Assert.Throws<SoftmodelException>(() => Dialogue.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_read_or_refused() => Gen.String[Gen.Char["voice A:=1.\n\r# \u00e9"], 0, 60].Sample(text =>
    {
        try
        {
            Dialogue.Parse(text);
        }
        catch (SoftmodelException)
        {
        }
    });

    [Fact]
    public void The_example_is_a_scene_of_500_words()
    {
        var dialogue = Dialogue.Parse(File.ReadAllText(Repository.File("examples/dialogue/night-ferry.txt")));
        Assert.InRange(dialogue.Lines.Sum(l => l.Text.Split(' ').Length), 450, 550);
        Assert.Equal(4, dialogue.Lines.Select(l => l.Character).Distinct().Count());
        Assert.Equal(3, dialogue.Lines.Count(l => l.OpensScene));
        Assert.All(dialogue.Lines, l => Assert.NotEmpty(SpokenEnglish.Spell(l.Text)));
    }
}
