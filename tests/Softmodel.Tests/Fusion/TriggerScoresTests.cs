using System.Text;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Sums;

namespace Softmodel.Tests.Fusion;

public class TriggerScoresTests
{
    const int Slots = 2, Positions = 5;

    // Nearly certain of one position in each row.
    static float[] Scores(params int[] chosen)
    {
        var scores = new float[chosen.Length * Positions];
        for (var row = 0; row < chosen.Length; row++)
            scores[row * Positions + chosen[row]] = 30;
        return scores;
    }

    static readonly FusedProgram any = new("any", "Reads everything.", ["a"], (_, _) => "") { Repeats = true };

    static Pointers Pointers(float[] scores, string[]? tokens = null) => new(scores, Slots, Positions, (first, last) => string.Concat((tokens ?? ["a", "b", "c", "d", "e"])[first..(last + 1)]).Trim());

    static Pointing Point(float[] scores, FusedProgram? program = null, string[]? tokens = null) => TriggerScores.PointingOf(Pointers(scores, tokens), program ?? any);

    [Fact]
    public void An_operand_goes_up_to_the_token_before_its_end()
    {
        var pointing = Point(Scores(1, 3, 3, 4));
        Assert.Equal([(1, 2), (3, 3)], pointing.Spans);
        Assert.Equal(["bc", "d"], pointing.Texts);
        Assert.Equal(0, pointing.LogProbability, 1e-6);
    }

    [Fact]
    public void One_that_begins_where_the_result_is_due_is_none()
    {
        var pointing = Point(Scores(1, 3, 4, 4));
        Assert.Equal([(1, 2)], pointing.Spans);
        Assert.Equal(0, pointing.LogProbability, 1e-6);
    }

    [Fact]
    public void An_end_before_the_beginning_is_not_chosen_and_makes_it_unsure()
    {
        var pointing = Point(Scores(2, 1, 4, 4));
        var span = Assert.Single(pointing.Spans);
        Assert.True(span.First <= span.Last);
        Assert.True(pointing.LogProbability < -20);
    }

    [Fact]
    public void What_the_program_can_not_read_is_no_operand()
    {
        string[] tokens = ["12", ",", " 5", "=", " "];
        var scores = Scores(0, 3, 2, 3);
        // The end after "12" is the second choice of the first operand.
        scores[Positions + 1] = 25;
        var pointing = Point(scores, SumPrograms.All.Named("add"), tokens);
        Assert.Equal(["12", "5"], pointing.Texts.Select(t => t.Trim()));
        Assert.InRange(pointing.LogProbability, -5.1, -4.9);
        Assert.Equal(["12, 5"], Point(scores, any with { Repeats = false }, tokens).Texts);
    }

    [Fact]
    public void A_program_gets_as_many_operands_as_it_takes()
    {
        string[] tokens = ["2", " and ", "3", " is", " "];
        // One of one.
        Assert.Equal(["2"], Point(Scores(0, 1, 2, 3), SumPrograms.All.Named("square"), tokens).Texts);
        // Two of two, though there seems to be no second.
        var scores = Scores(0, 1, 4, 4);
        (scores[2 * Positions + 2], scores[3 * Positions + 3]) = (25, 25);
        var pointing = Point(scores, SumPrograms.All.Named("remainder"), tokens);
        Assert.Equal(["2", "3"], pointing.Texts);
        Assert.InRange(pointing.LogProbability, -10.1, -9.9);
    }

    [Fact]
    public void No_two_operands_are_the_same_tokens()
    {
        var scores = Scores(1, 2, 1, 2);
        (scores[2 * Positions + 2], scores[3 * Positions + 3]) = (25, 25);
        Assert.Equal([(1, 1), (2, 2)], Point(scores).Spans);
    }

    [Fact]
    public void A_list_is_one_operand_and_enough()
    {
        string[] tokens = ["12, 5", " and", " 7", "=", " "];
        var pointing = Point(Scores(0, 3, 4, 4), SumPrograms.All.Named("add"), tokens);
        Assert.Equal(["12, 5 and 7"], pointing.Texts);
        Assert.Equal(0, pointing.LogProbability, 1e-6);
    }

    [Fact]
    public void A_number_that_is_said_twice_is_as_sure_as_both()
    {
        string[] tokens = ["7", " so", " 7", " is", " "];
        var scores = new float[2 * Slots * Positions];
        (scores[0], scores[2], scores[Positions + 1], scores[Positions + 3]) = (30, 30, 30, 30);
        var pointing = Point(scores, SumPrograms.All.Named("square"), tokens);
        Assert.Equal(["7"], pointing.Texts);
        // From either beginning to its own end; of the four ways two are no number.
        Assert.Equal(Math.Log(0.5), pointing.LogProbability, 1e-6);
    }

    [Fact]
    public void Operands_that_no_stretch_can_be_are_beyond_any_threshold() =>
        Assert.Equal(double.NegativeInfinity, Point(Scores(1, 3, 3, 4), SumPrograms.All.Named("add")).LogProbability);

    [Theory]
    [InlineData("a ", "12", " b", "12")]
    [InlineData("", " 12 ", "=", "12")]
    [InlineData("4", "12", "", null)]
    [InlineData("", "12", "3", null)]
    [InlineData("x1.", "08", "", null)]
    [InlineData("", "1.", "08", null)]
    [InlineData("", "1", ".08", null)]
    [InlineData("", "1", ". 08", "1")]
    [InlineData("", "1", ",2", "1")]
    [InlineData("wo", "rd", "", null)]
    [InlineData("", "5", "kg", "5")]
    [InlineData("abs", " (-79", ")", "-79")]
    [InlineData("", "60%)", "", "60%")]
    [InlineData("", "(7)", "", "(7)")]
    [InlineData("", "(6 - 5) + 9)", "", "(6 - 5) + 9")]
    public void A_number_or_word_is_whole(string before, string own, string after, string? text) =>
        Assert.Equal(text, TriggerScores.WholeText(Encoding.UTF8.GetBytes(before), Encoding.UTF8.GetBytes(own), Encoding.UTF8.GetBytes(after)));

    [Fact]
    public void The_score_is_that_of_program_and_operands_together()
    {
        var probability = TriggerScores.LogProbabilityOfAny([0, 1, 2]);
        Assert.Equal(Math.Log((Math.E + Math.Exp(2)) / (1 + Math.E + Math.Exp(2))), probability, 1e-6);
        Assert.Equal(TriggerScores.Score(probability), Square([0, 1, 2], "square", "square")!.Value.Score, 1e-6);
        Assert.Equal(0, TriggerScores.Score(Math.Log(0.5)), 1e-9);
        Assert.Equal(Math.Log(9), TriggerScores.Score(Math.Log(0.9)), 1e-9);
        Assert.True(TriggerScores.Score(probability - 1) < TriggerScores.Score(probability));
    }

    static TriggerChoice? Square(float[] logits, params string[] programs) =>
        TriggerScores.ChoiceOf(logits, number => SumPrograms.All.Named(programs[number - 1]), Pointers(Scores(0, 1, 4, 4), ["7", " is", " ", " ", " "]));

    [Fact]
    public void Programs_with_the_same_result_are_as_sure_together()
    {
        // 7 doubled or added to nothing are less probable than either square.
        var choice = Square([0, 2, 1.5f, 1.4f], "double", "square", "power")!.Value;
        Assert.Equal(("14", 1), (choice.Result.Text, choice.Program));
        choice = Square([0, 2, 1.8f, 1.7f], "double", "square", "square")!.Value;
        Assert.Equal(("49", 2), (choice.Result.Text, choice.Program));
        Assert.Equal(Math.Log((Math.Exp(1.8) + Math.Exp(1.7)) / (1 + Math.Exp(2))), choice.Score, 1e-5);
    }

    [Fact]
    public void What_no_program_can_do_is_no_choice()
    {
        Assert.Null(Square([0, 3], "remainder"));
        Assert.Equal("Division by zero is undefined.", TriggerScores.ChoiceOf([0, 3], _ => SumPrograms.All.Named("reciprocal"), Pointers(Scores(0, 1, 4, 4), ["0", " is", " ", " ", " "]))?.Result.Text);
        Assert.Null(TriggerScores.ChoiceOf([0, 3], _ => SumPrograms.All.Named("reciprocal"), Pointers(Scores(0, 1, 4, 4), ["0", " is", " ", " ", " "]), new() { Plain = true }));
    }
}
