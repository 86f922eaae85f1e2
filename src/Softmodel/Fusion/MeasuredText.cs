using System.Globalization;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Trace;

namespace Softmodel.Fusion;

/// <summary>A text, of which a model is asked some tokens.</summary>
/// <param name="Tokens">Its tokens.</param>
/// <param name="First">The first that is asked, from 1 on; the others follow.</param>
readonly record struct MeasuredText(int[] Tokens, int First)
{
    const int MostTokens = 256;

    const string Asked = "asked", Right = "right", Of = "of";

    /// <summary>How many tokens are asked.</summary>
    public int Count => Tokens.Length - First;

    /// <summary>A text in windows of equal length, each of which begins as texts do.</summary>
    public static MeasuredText[] Windows(string text, Tokenizer tokenizer)
    {
        var (before, tokens) = (tokenizer.Before, tokenizer.Encode(text, parsesSpecial: false));
        return [.. tokens.Chunk(MostTokens - before.Count).Where(c => c.Length == MostTokens - before.Count).Select(c => new MeasuredText([.. before, .. c], Math.Max(1, before.Count)))];
    }

    /// <summary>A text, of which what follows some characters is asked; null where that begins within a token.</summary>
    public static MeasuredText? After(string given, string asked, Tokenizer tokenizer)
    {
        int[] tokens = [.. tokenizer.Before, .. tokenizer.Encode(given + asked, parsesSpecial: false)];
        return tokens.Length <= MostTokens && Places.Of(tokens, tokenizer.Before.Count, given + asked, tokenizer) is { } places
            && places.At(given.Length) is > 0 and var first && places.At(given.Length - 1) != first ? new(tokens, first) : null;
    }

    /// <summary>A language model with the logarithm of the probability of what is asked, the sum over a text; nothing is kept from run to run.</summary>
    /// <param name="decoder">A decoder of one of our architectures, as imported.</param>
    public static Subject Subject(Graph decoder)
    {
        var builder = new GraphBuilder(decoder.Name, Evaluator.FoldKeepingStored);
        Term Input(string name, params Dim[] sizes) => new(builder, builder.Input(name, new(name == Of ? ElementType.Float32 : ElementType.Int64, new(sizes))));
        var (n, m) = (Dim.Symbol("n"), Dim.Symbol("m"));
        var (tokens, positions, sequences, asked, right, of) = (Input(SequenceInputs.Tokens, n), Input(SequenceInputs.Positions, n), Input(SequenceInputs.Sequences, n), Input(Asked, m), Input(Right, m), Input(Of, Dim.Symbol("texts"), m));
        var logits = new Term(builder, UncachedDecoder.Append(builder, decoder, tokens, positions, sequences, asked, of.Shape[0])[decoder.OutputNames.ToList().IndexOf(SequenceInputs.Logits)]);
        var (score, margin, _) = Answers.Of(logits, right, Measures.LogProbability);
        var least = (of > 0).Select(margin.Unsqueeze(0), margin.Scalar(double.PositiveInfinity)).Reduce(Reduction.Min, [1]);
        return new(builder.Build([of.Contract("tm,m->t", score).Value, least.Value], [Softmodel.Trace.Subject.Measure, Softmodel.Trace.Subject.Margin]), new Dictionary<string, long> { ["n"] = MostTokens, ["m"] = MostTokens, ["texts"] = 1 });
    }

    /// <summary>Texts as examples.</summary>
    /// <param name="name">What they are called in messages.</param>
    /// <param name="texts">The texts.</param>
    public static ExampleSet Set(string name, IReadOnlyList<MeasuredText> texts) => new(name, texts.Count, chosen => Batches([.. chosen.Select(i => texts[i])]));

    static IEnumerable<Batch> Batches(MeasuredText[] texts)
    {
        for (var at = 0; at < texts.Length;)
        {
            var (count, length) = (0, 0);
            while (at + count < texts.Length && count < SequenceInputs.MostSequences && (count == 0 || length + texts[at + count].Tokens.Length <= MostTokens))
                length += texts[at + count++].Tokens.Length;
            var run = texts.AsSpan(at, count).ToArray();
            var places = Place.Of(run.Select(t => t.Tokens.Length));
            var (asked, right, of, from) = (new List<long>(), new List<long>(), new List<int>(), 0);
            foreach (var (number, text) in run.Index())
            {
                for (var i = text.First; i < text.Tokens.Length; i++)
                {
                    asked.Add(from + i - 1);
                    right.Add(text.Tokens[i]);
                    of.Add(number);
                }
                from += text.Tokens.Length;
            }
            var belongs = new float[run.Length * of.Count];
            foreach (var (i, number) in of.Index())
                belongs[number * of.Count + i] = 1;
            yield return new(
                [
                    Tensor.Vector<long>([.. run.SelectMany(t => t.Tokens.Select(token => (long)token))]), Tensor.Vector<long>([.. run.SelectMany(t => t.Tokens.Select((_, p) => (long)p))]), Tensor.Vector<long>([.. places.Select(p => (long)p.Example)]),
                    Tensor.Vector<long>([.. asked]), Tensor.Vector<long>([.. right]), Tensor.Of<float>(belongs, run.Length, of.Count),
                ], run.Length, _ => places);
            at += count;
        }
    }
}

/// <summary>A kind of small sums that a model may do by itself, after three of the same kind.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Digits">How many digits operands have at most.</param>
/// <param name="IsQuestion">Whether they are questions rather than equations.</param>
readonly record struct SmallSums(string Name, int Digits, bool IsQuestion)
{
    const int Shots = 3;

    /// <summary>All kinds.</summary>
    public static IReadOnlyList<SmallSums> All { get; } =
        [new("one digit, equations", 1, false), new("one digit, questions", 1, true), new("two digits, equations", 2, false), new("two digits, questions", 2, true)];

    static readonly (string Sign, string Word, Func<int, int, int> Of)[] operations = [("+", "plus", (a, b) => a + b), ("-", "minus", (a, b) => a - b)];

    /// <summary>Some of them; every other one is a subtraction.</summary>
    /// <param name="count">How many.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="random">Draws them.</param>
    public (MeasuredText Text, string Question, string Answer)[] Drawn(int count, Tokenizer tokenizer, Random random)
    {
        var drawn = new List<(MeasuredText, string, string)>();
        for (var number = 0; drawn.Count < count; number++)
        {
            var (sign, word, of) = operations[number % operations.Length];
            var (least, end, isQuestion) = (Digits == 1 ? 1 : 10, Digits == 1 ? 10 : 100, IsQuestion);
            (string Asked, string Answer) Sum()
            {
                var (a, b) = (random.Next(least, end), random.Next(least, end));
                if (of == operations[1].Of && a < b)
                    (a, b) = (b, a);
                return (isQuestion ? $"Q: What is {a} {word} {b}?\nA: " : $"{a} {sign} {b} = ", of(a, b).ToString(CultureInfo.InvariantCulture));
            }
            var given = string.Concat(Enumerable.Range(0, Shots).Select(_ => Sum()).Select(s => $"{s.Asked}{s.Answer}{(isQuestion ? "\n\n" : ", ")}"));
            var (asked, answer) = Sum();
            if (MeasuredText.After(given + asked, answer, tokenizer) is { } text)
                drawn.Add((text, given + asked, answer));
            else if (number > 10 * count)
                break;
        }
        return [.. drawn];
    }
}
