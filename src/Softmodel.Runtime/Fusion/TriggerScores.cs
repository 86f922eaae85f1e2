using System.Text;

namespace Softmodel.Runtime.Fusion;

/// <summary>Operands that a trigger points to.</summary>
/// <param name="Spans">Their first and last tokens.</param>
/// <param name="Texts">What stands there.</param>
/// <param name="LogProbability">The logarithm of the probability that it gives to all of them, and to there being no more; negative infinity where the program can't be given so many.</param>
readonly record struct Pointing((int First, int Last)[] Spans, string[] Texts, double LogProbability);

/// <summary>What stands from one position to another, both included; null where that is not whole, or not known any more.</summary>
delegate string? OperandText(int first, int last);

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

    // Beginnings, and as many ends, that are tried for an operand.
    const int Candidates = 6;

    /// <summary>To what a trigger points: for each operand the most probable stretch that the program can read, as many as it takes.</summary>
    /// <param name="scores">[2 slots, positions]: the logits of the first token of each operand, and of the token after its last: that is known by what follows it.</param>
    /// <param name="slots">How many operands there may be.</param>
    /// <param name="most">How many positions.</param>
    /// <param name="at">Where the result is due: an operand that begins there is none.</param>
    /// <param name="program">The program.</param>
    /// <param name="textOf">What stands at a stretch.</param>
    public static Pointing PointingOf(ReadOnlySpan<float> scores, int slots, int most, int at, FusedProgram program, OperandText textOf)
    {
        var (spans, texts, probability) = (new List<(int First, int Last)>(), new List<string>(), 0.0);
        while (spans.Count < slots && (spans.Count < program.Operands.Length || program.Repeats))
        {
            ReadOnlySpan<float> firsts = scores.Slice(2 * spans.Count * most, most), ends = scores.Slice((2 * spans.Count + 1) * most, most);
            var all = LogSum(firsts) + LogSum(ends);
            var isNone = spans.Count < program.Operands.Length ? double.NegativeInfinity : firsts[at] + ends[at] - all;
            var (best, span, read) = (isNone, (First: at, Last: at), "");
            var likely = Largest(ends[..(at + 1)], Candidates);
            foreach (var first in Largest(firsts[..at], Candidates))
            {
                foreach (var end in likely)
                {
                    var both = firsts[first] + ends[end] - all;
                    if (both > best && end > first && !spans.Exists(s => first <= s.Last && s.First < end) && textOf(first, end - 1) is { } text && program.Reads(spans.Count, text))
                        (best, span, read) = (both, (first, end - 1), text);
                }
            }
            probability += best;
            if (span.First == at)
                break;
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

    static double LogSoftmax(ReadOnlySpan<float> logits, int chosen) => logits[chosen] - LogSum(logits);

    // The logarithm of the sum of the exponentials.
    static double LogSum(ReadOnlySpan<float> logits)
    {
        var (largest, sum) = (logits[Largest(logits)], 0.0);
        foreach (var logit in logits)
            sum += Math.Exp(logit - largest);
        return largest + Math.Log(sum);
    }
}
