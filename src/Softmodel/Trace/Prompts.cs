using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Trace;

/// <summary>A text, and the token that should follow it.</summary>
/// <param name="Tokens">The tokens of the text.</param>
/// <param name="Answer">The token that should follow; null for what the model itself says.</param>
readonly record struct Prompt(int[] Tokens, int? Answer);

/// <summary>Language models, which are measured at the end of texts.</summary>
static class Prompts
{
    /// <summary>More tokens are several runs.</summary>
    const int MostTokens = 256;

    const string Last = "last", Right = "right";

    /// <summary>The prompts of a file: a text on each line, and after a tab what should follow, of which the first token counts.</summary>
    /// <exception cref="SoftmodelException">The file can't be read, or has no prompts.</exception>
    public static Prompt[] Read(string path, Tokenizer tokenizer)
    {
        string[] lines;
        try
        {
            lines = [.. File.ReadAllLines(path).Where(l => l.Trim().Length > 0)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"the prompts '{path}' can't be read: {e.Message}", e);
        }
        return lines.Length == 0 ? throw new SoftmodelException($"'{path}' has no prompts: write one on each line, and after a tab what should follow it")
            : [.. lines.Select((line, i) => Parse(line, $"line {i + 1} of '{path}'", tokenizer))];
    }

    static Prompt Parse(string line, string where, Tokenizer tokenizer)
    {
        var parts = line.Split('\t');
        if (parts.Length > 2)
            throw new SoftmodelException($"{where} has {parts.Length - 1} tabs: one at most, between the text and what should follow");
        // A text may end with spaces, and only a tab tells where.
        int[] tokens = [.. tokenizer.Before, .. tokenizer.Encode(parts[0], parsesSpecial: true)];
        if (tokens.Length == 0)
            throw new SoftmodelException($"{where} has no text before the tab");
        if (tokens.Length > MostTokens)
            throw new SoftmodelException($"{where} has {tokens.Length} tokens; {MostTokens} at most can be traced");
        return parts.Length == 1 ? new(tokens, null)
            : tokenizer.EncodeMore(parts[1]) is [var answer, ..] ? new(tokens, answer)
            : throw new SoftmodelException($"{where} has nothing after the tab");
    }

    /// <summary>A language model with the measure of what follows the last token of each text; nothing is kept from run to run.</summary>
    /// <param name="model">A decoder of one of our architectures, as imported.</param>
    /// <param name="measure">How right an answer is.</param>
    /// <exception cref="SoftmodelException">It is no such decoder.</exception>
    public static Subject Of(Graph model, Measures measure)
    {
        if (!model.OutputNames.Contains(SequenceInputs.Logits) || model.Inputs.All(v => v.Name != SequenceInputs.Tokens))
            throw new SoftmodelException($"{model.Name} is no language model that gives logits");
        var builder = new GraphBuilder(model.Name, Evaluator.FoldKeepingStored);
        Term Input(string name, string size) => new(builder, builder.Input(name, new(ElementType.Int64, new(Dim.Symbol(size)))));
        var (tokens, positions, sequences) = (Input(SequenceInputs.Tokens, "n"), Input(SequenceInputs.Positions, "n"), Input(SequenceInputs.Sequences, "n"));
        var (last, right) = (Input(Last, "texts"), Input(Right, "texts"));
        var logits = new Term(builder, UncachedDecoder.Append(builder, model, tokens, positions, sequences, last, right.Shape[0])[model.OutputNames.ToList().IndexOf(SequenceInputs.Logits)]);
        var (score, margin, top) = Answers.Of(logits, right, measure);
        return new(builder.Build([score.Value, margin.Value, top.Value], [Subject.Measure, Subject.Margin, Subject.Top]), new Dictionary<string, long> { ["n"] = MostTokens, ["texts"] = 10 });
    }

    /// <summary>Prompts as examples.</summary>
    /// <param name="name">What they are called in messages.</param>
    /// <param name="prompts">The prompts; those without an answer count as answered by token 0.</param>
    public static ExampleSet Set(string name, IReadOnlyList<Prompt> prompts) => new(name, prompts.Count, chosen =>
    {
        var (batches, at) = (new List<Batch>(), 0);
        while (at < chosen.Count)
        {
            var (count, length) = (0, 0);
            while (at + count < chosen.Count && count < SequenceInputs.MostSequences && length + prompts[chosen[at + count]].Tokens.Length <= MostTokens)
                length += prompts[chosen[at + count++]].Tokens.Length;
            batches.Add(Together([.. chosen.Skip(at).Take(count).Select(i => prompts[i])]));
            at += count;
        }
        return batches;
    });

    /// <summary>Prompts that all have answers: what the model itself says, where none is given.</summary>
    /// <param name="subject">The subject.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="threads">The number of threads.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static Prompt[] Answered(Subject subject, Prompt[] prompts, int threads, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        if (prompts.All(p => p.Answer is not null))
            return prompts;
        using var tracer = new Tracer(subject, [], threads, progress, cancellationToken);
        var tops = tracer.Run(Set("the prompts", prompts), [.. Enumerable.Range(0, prompts.Length)]).Tops;
        return [.. prompts.Select((p, i) => p with { Answer = p.Answer ?? (int)tops[i] })];
    }

    static Batch Together(Prompt[] prompts)
    {
        var places = Place.Of(prompts.Select(p => p.Tokens.Length));
        Tensor Vector(IEnumerable<int> numbers) => Tensor.Vector<long>([.. numbers.Select(n => (long)n)]);
        var ends = prompts.Select(p => p.Tokens.Length).Aggregate(new List<int>(), (all, length) => [.. all, all.LastOrDefault(-1) + length]);
        return new(
            [
                Vector(prompts.SelectMany(p => p.Tokens)), Vector(prompts.SelectMany(p => Enumerable.Range(0, p.Tokens.Length))), Vector(places.Select(p => p.Example)),
                Vector(ends), Vector(prompts.Select(p => p.Answer ?? 0)),
            ], prompts.Length, _ => places);
    }
}
