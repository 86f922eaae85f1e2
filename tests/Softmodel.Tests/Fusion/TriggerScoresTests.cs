using Softmodel.Runtime.Fusion;

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

    [Fact]
    public void An_operand_goes_up_to_the_token_before_its_end()
    {
        var pointing = TriggerScores.PointingOf(Scores(1, 3, 3, 4), Slots, Positions, at: 4);
        Assert.Equal([(1, 2), (3, 3)], pointing.Spans);
        Assert.Equal(0, pointing.LogProbability, 1e-6);
    }

    [Fact]
    public void One_that_begins_where_the_result_is_due_is_none()
    {
        var pointing = TriggerScores.PointingOf(Scores(1, 3, 4, 0), Slots, Positions, at: 4);
        Assert.Equal([(1, 2)], pointing.Spans);
    }

    [Fact]
    public void An_end_before_the_beginning_is_not_chosen_and_makes_it_unsure()
    {
        var pointing = TriggerScores.PointingOf(Scores(2, 1, 4, 0), Slots, Positions, at: 4);
        var span = Assert.Single(pointing.Spans);
        Assert.Equal(2, span.First);
        Assert.InRange(span.Last, 2, 3);
        Assert.True(pointing.LogProbability < -20);
    }

    [Fact]
    public void The_score_is_that_of_program_and_operands_together()
    {
        var (program, probability) = TriggerScores.ProgramOf([0, 1, 2]);
        Assert.Equal(2, program);
        Assert.Equal(Math.Log(Math.Exp(2) / (1 + Math.E + Math.Exp(2))), probability, 1e-6);
        Assert.Equal(0, TriggerScores.Score(Math.Log(0.5)), 1e-9);
        Assert.Equal(Math.Log(9), TriggerScores.Score(Math.Log(0.9)), 1e-9);
        Assert.True(TriggerScores.Score(probability - 1) < TriggerScores.Score(probability));
    }
}
