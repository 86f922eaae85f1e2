using System.Diagnostics;
using Softmodel.Fusion;
using Softmodel.Language;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Sums;

namespace Softmodel.Cli.Eval;

/// <summary>How questions were answered.</summary>
/// <param name="Count">How many there were.</param>
/// <param name="Exact">How many answers were right.</param>
/// <param name="Fired">How many a program answered.</param>
/// <param name="Wrong">How many of those were wrong.</param>
/// <param name="Tokens">How many tokens were inferred.</param>
/// <param name="Layers">How many layers ran, each for one token, after the prompt was read.</param>
/// <param name="Milliseconds">How long it took.</param>
readonly record struct SumScore(int Count, int Exact, int Fired, int Wrong, long Tokens, long Layers, double Milliseconds)
{
    public static SumScore operator +(SumScore a, SumScore b) => new(a.Count + b.Count, a.Exact + b.Exact, a.Fired + b.Fired, a.Wrong + b.Wrong, a.Tokens + b.Tokens, a.Layers + b.Layers, a.Milliseconds + b.Milliseconds);

    /// <summary>What is printed.</summary>
    public object? Shown() => Count == 0 ? null : new
    {
        n = Count,
        exact = Math.Round((double)Exact / Count, 5),
        wrong = Math.Round((double)(Count - Exact) / Count, 5),
        fired = Math.Round((double)Fired / Count, 5),
        false_fires = Math.Round((double)Wrong / Count, 5),
        tokens = Math.Round((double)Tokens / Count, 2),
        layers = Math.Round((double)Layers / Count, 1),
        ms = Math.Round(Milliseconds / Count, 2),
    };
}

/// <summary>Where a trigger fired in texts in which it may fire anywhere.</summary>
/// <param name="Texts">How many texts there were.</param>
/// <param name="Positions">How many positions.</param>
/// <param name="Fired">How often it fired, and a program wrote something.</param>
/// <param name="FalseFires">How often something else was written than is true there.</param>
/// <param name="FalseTexts">In how many texts.</param>
/// <param name="Places">How many results were due.</param>
/// <param name="Exact">How many of those a program wrote.</param>
/// <param name="WrongPlaces">Where it wrote something else.</param>
readonly record struct TextScore(int Texts, long Positions, int Fired, int FalseFires, int FalseTexts, int Places, int Exact, int WrongPlaces)
{
    public static TextScore operator +(TextScore a, TextScore b) =>
        new(a.Texts + b.Texts, a.Positions + b.Positions, a.Fired + b.Fired, a.FalseFires + b.FalseFires, a.FalseTexts + b.FalseTexts, a.Places + b.Places, a.Exact + b.Exact, a.WrongPlaces + b.WrongPlaces);

    /// <summary>What is printed.</summary>
    public object? Shown() => Texts == 0 ? null : new
    {
        n = Texts,
        positions = Positions,
        fired = Fired,
        false_fires = FalseFires,
        false_texts = FalseTexts,
        due = Places,
        exact = Places == 0 ? default(double?) : Math.Round((double)Exact / Places, 5),
        wrong = WrongPlaces,
    };
}

/// <summary>Answers questions by a model alone, by one with a calculator as a tool, and by one that is fused with programs.</summary>
/// <param name="model">The model.</param>
/// <param name="layers">How many layers it has.</param>
/// <param name="programs">The programs of the fused one.</param>
sealed class SumEvaluation(LanguageModel model, int layers, FusedPrograms programs)
{
    const int MostTokens = 24, Together = 32, MostBefore = 2;

    // The best that was found for a model that writes no tool calls by itself.
    const string Shots = """
        Every question is first written as one expression for a calculator.

        Q: What is 12 plus 30?
        Calculator: 12 + 30 = 42

        Q: What is 605 minus 77?
        Calculator: 605 - 77 = 528

        Q: What is 19 times 4?
        Calculator: 19 * 4 = 76

        Q: What is (2 * 6) + 9?
        Calculator: (2 * 6) + 9 = 21

        Q: What is the sum of the digits of the number 4071?
        Calculator: 4 + 0 + 7 + 1 = 12


        """;

    async Task<(string Text, int Tokens)> Write(int[] prompt, string stop, CancellationToken cancel) => await Write(model, prompt, stop, cancel) is var (text, report) ? (text, report.Tokens) : default;

    static async Task<(string Text, TextReport Report)> Write(LanguageModel model, int[] prompt, string stop, CancellationToken cancel)
    {
        var text = "";
        using var session = model.NewSession();
        await foreach (var piece in session.WriteAsync(prompt, new() { MaxTokens = MostTokens, Stop = [stop] }, cancel))
            text += piece;
        return (text, session.Last);
    }

    /// <summary>The model alone.</summary>
    public async Task<SumScore> Bare(SumQuestion question, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        // The prompt may itself begin with the line ends that would stop it.
        var (text, tokens) = await Write(question.Tokens, "\n", cancel);
        return new(1, Answers.Begins(text, question.Answer) ? 1 : 0, 0, 0, tokens, (long)tokens * layers, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    /// <summary>The model with a calculator: it writes an expression, a parser takes it, and its value is the answer.</summary>
    public async Task<SumScore> Harness(SumQuestion question, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        var asked = question.Prompt.Trim() is var trimmed && trimmed.EndsWith("A:", StringComparison.Ordinal) ? trimmed[..^2].TrimEnd() : trimmed;
        var (call, tokens) = await Write([.. model.Tokenizer.Before, .. model.Tokenizer.Encode($"{Shots}{asked}\nCalculator:", parsesSpecial: false)], "=", cancel);
        var result = SumPrograms.All.Named("evaluate").Run([call.Trim()]);
        if (result.Failure != ProgramFailure.None)
        {
            var (text, more) = await Write(question.Tokens, "\n", cancel);
            return new(1, Answers.Begins(text, question.Answer) ? 1 : 0, 0, 0, tokens + more, (long)(tokens + more) * layers, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        var isRight = Answers.Begins(result.Text, question.Answer);
        return new(1, isRight ? 1 : 0, 1, isRight ? 0 : 1, tokens, (long)tokens * layers, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    /// <summary>The fused model, several questions at a time: the answer is what it writes.</summary>
    /// <param name="questions">What it is asked.</param>
    /// <param name="fused">The fused model.</param>
    /// <param name="answered">Is told of each question, what was written, by which program if any, and how that counts.</param>
    /// <param name="cancel">Stops it.</param>
    public async Task<SumScore> Fused(SumQuestion[] questions, LanguageModel fused, Action<SumQuestion, string, ProgramCall?, SumScore>? answered, CancellationToken cancel)
    {
        var (sum, start) = (new SumScore(), Stopwatch.GetTimestamp());
        foreach (var some in questions.Chunk(Together))
        {
            foreach (var (question, (text, report)) in some.Zip(await Task.WhenAll(some.Select(q => Write(fused, q.Tokens, "\n", cancel)))))
            {
                // A program wrote the answer where it wrote first, perhaps behind a space or a sign.
                var call = report.Programs is [var first, ..] && first.At <= report.PromptTokens + MostBefore ? first : null;
                var (isRight, inferred) = (Answers.Begins(text, question.Answer), report.Tokens - (report.Programs ?? []).Sum(c => c.Tokens));
                var score = new SumScore(1, isRight ? 1 : 0, call is null ? 0 : 1, call is null || isRight ? 0 : 1, inferred, (long)inferred * layers, 0);
                answered?.Invoke(question, text, call, score);
                sum += score;
            }
        }
        return sum with { Milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds };
    }

    /// <summary>Texts in which the fused model may fire anywhere.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="reader">The trigger.</param>
    /// <param name="wrong">Is told of each false fire.</param>
    /// <param name="cancel">Stops it.</param>
    public TextScore Texts(SumText[] texts, TriggerReader reader, Action<SumText, Fire, string>? wrong, CancellationToken cancel)
    {
        var sum = new TextScore();
        foreach (var (text, fires) in texts.Zip(reader.Fires([.. texts.Select(t => t.Tokens)], isAtEnd: false, cancel)))
        {
            // A program that refuses its operands leaves the text to the model.
            (Fire Fire, string Result)[] written = [.. fires.Select(f => (f, Result: programs.Named(f.Program).Run(f.Operands))).Where(f => f.Result.Failure == ProgramFailure.None).Select(f => (f.f, f.Result.Text))];
            var (exact, wrongPlaces, falseFires) = (0, 0, 0);
            foreach (var place in text.Why is null ? text.Places : [])
            {
                // The first fire is the one that counts: then the text goes on behind the result.
                var first = written.FirstOrDefault(w => place.Tokens.Contains(w.Fire.At));
                exact += first.Result is { } result && Answers.Begins(result, place.Answer) ? 1 : 0;
                wrongPlaces += first.Result is { } other && !Answers.Begins(other, place.Answer) ? 1 : 0;
            }
            foreach (var (fire, result) in written)
            {
                var isTrue = text.Places.Any(p => p.Tokens.Contains(fire.At) && (text.Why is null || Answers.Begins(result, p.Answer)))
                    // Where nothing is due, as in what is quoted, it is false even if it is what follows.
                    || (text.Why is null && Answers.Begins(model.Tokenizer.Decode(text.Tokens.AsSpan(fire.At + 1)), result));
                if (isTrue)
                    continue;
                falseFires++;
                wrong?.Invoke(text, fire, result);
            }
            sum += new TextScore(1, text.Tokens.Length, written.Length, falseFires, falseFires > 0 ? 1 : 0, text.Why is null ? text.Places.Length : 0, exact, wrongPlaces);
        }
        return sum;
    }
}
