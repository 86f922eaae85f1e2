namespace Softmodel.Runtime.Fusion;

/// <summary>Operands that a trigger points to.</summary>
/// <param name="Spans">Their first and last tokens.</param>
/// <param name="LogProbability">The logarithm of the probability that it gives to all of them, and to there being no more.</param>
readonly record struct Pointing((int First, int Last)[] Spans, double LogProbability);

/// <summary>How sure a trigger is.</summary>
static class TriggerScores
{
    /// <summary>The most probable program, and the logarithm of its probability.</summary>
    /// <param name="logits">Of none, and of each program.</param>
    /// <returns>The program's number, from 1 on.</returns>
    public static (int Program, double LogProbability) ProgramOf(ReadOnlySpan<float> logits)
    {
        var program = 1 + Largest(logits[1..]);
        return (program, LogSoftmax(logits, program));
    }

    /// <summary>To what a trigger points.</summary>
    /// <param name="scores">[2 slots, positions]: the logits of the first token of each operand, and of the token after its last: that is known by what follows it.</param>
    /// <param name="slots">How many operands there may be.</param>
    /// <param name="most">How many positions.</param>
    /// <param name="at">Where the result is due: an operand that begins there is none.</param>
    public static Pointing PointingOf(ReadOnlySpan<float> scores, int slots, int most, int at)
    {
        var (found, probability) = (new List<(int, int)>(), 0.0);
        for (var slot = 0; slot < slots; slot++)
        {
            var firsts = scores.Slice(2 * slot * most, most);
            var ends = scores.Slice((2 * slot + 1) * most, most);
            var first = Largest(firsts);
            probability += LogSoftmax(firsts, first);
            if (first >= at)
                break;
            var end = first + 1 + Largest(ends[(first + 1)..(at + 1)]);
            probability += LogSoftmax(ends, end);
            found.Add((first, end - 1));
        }
        return new([.. found], probability);
    }

    /// <summary>The logarithm of the odds that all is right: 0 where it is as probable as not.</summary>
    /// <param name="logProbability">The logarithm of the probability: those of the program and of its operands together.</param>
    public static double Score(double logProbability) => logProbability - Math.Log(Math.Max(1e-12, 1 - Math.Exp(logProbability)));

    static int Largest(ReadOnlySpan<float> logits)
    {
        var largest = 0;
        for (var i = 1; i < logits.Length; i++)
            largest = logits[i] > logits[largest] ? i : largest;
        return largest;
    }

    static double LogSoftmax(ReadOnlySpan<float> logits, int chosen)
    {
        var (largest, sum) = (logits[Largest(logits)], 0.0);
        foreach (var logit in logits)
            sum += Math.Exp(logit - largest);
        return logits[chosen] - largest - Math.Log(sum);
    }
}
