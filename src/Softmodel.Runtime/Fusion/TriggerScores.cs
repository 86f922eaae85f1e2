using System.Text;

namespace Softmodel.Runtime.Fusion;

/// <summary>Operands that a trigger points to.</summary>
/// <param name="Spans">Their first and last tokens.</param>
/// <param name="Texts">What stands there.</param>
/// <param name="LogProbability">The logarithm of the probability that it gives to all of them, and to there being no more; negative infinity where the program can't be given so many.</param>
readonly record struct Pointing((int First, int Last)[] Spans, string[] Texts, double LogProbability);

/// <summary>What a trigger would have written.</summary>
/// <param name="Program">The number of the program, from 1 on.</param>
/// <param name="Pointing">Its operands.</param>
/// <param name="Result">The result.</param>
/// <param name="Score">The logarithm of the odds that this is what is due; see <see cref="TriggerScores.Score"/>.</param>
readonly record struct TriggerChoice(int Program, Pointing Pointing, ProgramResult Result, double Score);

/// <summary>What a trigger says of operands at a position.</summary>
/// <param name="Scores">[2 slots, positions]: the logits of the first token of each operand, and of the token after its last: that is known by what follows it.</param>
/// <param name="Slots">How many operands there may be.</param>
/// <param name="Count">How many positions; in the last one the result is due, and an operand that begins there is none.</param>
/// <param name="TextOf">What stands at a stretch.</param>
sealed record Pointers(ReadOnlyMemory<float> Scores, int Slots, int Count, OperandText TextOf);

/// <summary>What stands from one position to another, both included; null where that is not whole, or not known any more.</summary>
delegate string? OperandText(int first, int last);

/// <summary>How sure a trigger is.</summary>
static class TriggerScores
{
    // Programs that are less probable by more than this factor's logarithm, and more than so many, are not tried.
    const double Beside = 3;
    const int Programs = 4;

    /// <summary>The logarithm of the probability that a result is due: what is written is at most as sure.</summary>
    /// <param name="logits">Of none, and of each program.</param>
    public static double LogProbabilityOfAny(ReadOnlySpan<float> logits) => LogSum(logits[1..]) - LogSum(logits);

    /// <summary>
    /// The result that is most probable: several programs may have the same one, and one program may have it of several operands.
    /// </summary>
    /// <param name="logits">Of none, and of each program.</param>
    /// <param name="programOf">The program of a number, from 1 on.</param>
    /// <param name="pointers">Its operands.</param>
    /// <param name="around">How the text around would write it.</param>
    /// <returns>Null where there is no result.</returns>
    public static TriggerChoice? ChoiceOf(ReadOnlySpan<float> logits, Func<int, FusedProgram> programOf, Pointers pointers, WritingStyle around = default)
    {
        var (all, found) = (LogSum(logits), new List<(TriggerChoice Choice, double LogProbability)>());
        var likely = Largest(logits[1..], Programs);
        foreach (var number in likely)
        {
            if (logits[1 + number] < logits[1 + likely[0]] - Beside)
                break;
            var program = programOf(1 + number);
            var pointing = PointingOf(pointers, program);
            // What there is no result of is said in words, where there are words.
            if (pointing.LogProbability > double.NegativeInfinity && program.Run(pointing.Texts, around) is { } result && (result.Failure == ProgramFailure.None || (result.Failure == ProgramFailure.Undefined && !around.Plain)))
                found.Add((new(1 + number, pointing, result, 0), logits[1 + number] - all + pointing.LogProbability));
        }
        if (found.Count == 0)
            return null;
        var same = found.GroupBy(f => f.Choice.Result.Text, StringComparer.Ordinal).MaxBy(g => g.Sum(f => Math.Exp(f.LogProbability)))!;
        return same.MaxBy(f => f.LogProbability).Choice with { Score = Score(Math.Log(same.Sum(f => Math.Exp(f.LogProbability)))) };
    }

    // Beginnings, and as many ends, that are tried for an operand.
    const int Candidates = 6;

    /// <summary>To what a trigger points: for each operand the most probable text that the program can read, as many as it takes.</summary>
    /// <param name="pointers">What it says of operands.</param>
    /// <param name="program">The program.</param>
    public static Pointing PointingOf(Pointers pointers, FusedProgram program)
    {
        var (spans, texts, probability, count) = (new List<(int First, int Last)>(), new List<string>(), 0.0, pointers.Count);
        var at = count - 1;
        while (spans.Count < pointers.Slots && (spans.Count < program.Operands.Length || program.Repeats))
        {
            ReadOnlySpan<float> firsts = pointers.Scores.Span.Slice(2 * spans.Count * count, count), ends = pointers.Scores.Span.Slice((2 * spans.Count + 1) * count, count);
            var all = LogSum(firsts) + LogSum(ends);
            var (likely, stretches) = (Largest(ends, Candidates), new List<(double LogProbability, int First, int End)>());
            foreach (var first in Largest(firsts[..at], Candidates))
            {
                foreach (var end in likely)
                {
                    if (end > first && !spans.Exists(s => first <= s.Last && s.First < end))
                        stretches.Add((firsts[first] + ends[end] - all, first, end));
                }
            }
            // The same number that is said twice is one operand.
            var (best, span, read) = (double.NegativeInfinity, (First: at, Last: at), "");
            foreach (var (own, first, end) in stretches.OrderByDescending(s => s.LogProbability))
            {
                if (read.Length == 0)
                {
                    if (pointers.TextOf(first, end - 1) is { } text && program.Reads(spans.Count, text))
                        (best, span, read) = (own, (first, end - 1), text);
                }
                else if (own > best - Beside && pointers.TextOf(first, end - 1) == read)
                    best = LogSum([(float)best, (float)own]);
            }
            var isNone = program.ItemsOf([.. texts]).Length < program.Operands.Length ? double.NegativeInfinity : firsts[at] + ends[at] - all;
            if (!(best > isNone))
            {
                probability += isNone;
                break;
            }
            probability += best;
            spans.Add(span);
            texts.Add(read);
        }
        return new([.. spans], [.. texts], probability);
    }

    /// <summary>The text of tokens, without white space and lone brackets around it; null where a number or a word goes on before or after it.</summary>
    /// <param name="before">The bytes before it: those of two tokens will do.</param>
    /// <param name="own">Its bytes.</param>
    /// <param name="after">The bytes after it.</param>
    public static string? WholeText(ReadOnlySpan<byte> before, ReadOnlySpan<byte> own, ReadOnlySpan<byte> after)
    {
        var (left, text, right) = (Encoding.UTF8.GetString(before), Encoding.UTF8.GetString(own), Encoding.UTF8.GetString(after));
        return text.Length == 0 || GoesOn(left, text) || GoesOn(text, right) ? null : Unbracketed(text.Trim());
    }

    // A token may hold the bracket before an operand, as " (-", or the one after it, as "%)".
    static string Unbracketed(string text)
    {
        int Open() => text.AsSpan().CountAny("([{") - text.AsSpan().CountAny(")]}");
        while (text is ['(' or '[' or '{', ..] && Open() > 0)
            text = text[1..].TrimStart();
        while (text is [.., ')' or ']' or '}'] && Open() < 0)
            text = text[..^1].TrimEnd();
        return text;
    }

    // "4|5", "wo|rd", "1.|5", "1|.5".
    static bool GoesOn(string left, string right) => left.Length > 0 && right.Length > 0 && ((char.IsLetter(left[^1]) && char.IsLetter(right[0])) || (char.IsDigit(left[^1]) && char.IsDigit(right[0]))
        || (left.Length > 1 && left[^1] == '.' && char.IsDigit(left[^2]) && char.IsDigit(right[0])) || (right.Length > 1 && right[0] == '.' && char.IsDigit(right[1]) && char.IsDigit(left[^1])));

    /// <summary>The logarithm of the odds that all is right: 0 where it is as probable as not.</summary>
    /// <param name="logProbability">The logarithm of the probability: those of the program and of its operands together.</param>
    public static double Score(double logProbability) => logProbability - Math.Log(Math.Max(1e-12, 1 - Math.Exp(logProbability)));

    static int[] Largest(ReadOnlySpan<float> logits, int count)
    {
        var (largest, found) = (new int[Math.Min(count, logits.Length)], 0);
        for (var i = 0; i < logits.Length; i++)
        {
            if (found == largest.Length && !(logits[i] > logits[largest[^1]]))
                continue;
            var place = found < largest.Length ? found++ : found - 1;
            for (; place > 0 && logits[i] > logits[largest[place - 1]]; place--)
                largest[place] = largest[place - 1];
            largest[place] = i;
        }
        return largest;
    }

    static int Largest(ReadOnlySpan<float> logits)
    {
        var largest = 0;
        for (var i = 1; i < logits.Length; i++)
            largest = logits[i] > logits[largest] ? i : largest;
        return largest;
    }

    // The logarithm of the sum of the exponentials.
    static double LogSum(ReadOnlySpan<float> logits)
    {
        var (largest, sum) = (logits[Largest(logits)], 0.0);
        foreach (var logit in logits)
            sum += Math.Exp(logit - largest);
        return largest + Math.Log(sum);
    }
}
