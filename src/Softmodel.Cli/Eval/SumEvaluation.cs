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

/// <summary>Answers questions by a model alone, by one with a calculator as a tool, and by one that is fused with programs.</summary>
/// <param name="model">The model.</param>
/// <param name="layers">How many layers it has.</param>
/// <param name="programs">The programs of the fused one.</param>
sealed class SumEvaluation(LanguageModel model, int layers, FusedPrograms programs)
{
    const int MostTokens = 24;

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

    async Task<(string Text, int Tokens)> Write(int[] prompt, string stop, CancellationToken cancel)
    {
        var text = "";
        using var session = model.NewSession();
        await foreach (var piece in session.WriteAsync(prompt, new() { MaxTokens = MostTokens, Stop = [stop] }, cancel))
            text += piece;
        return (text, session.Last.Tokens);
    }

    /// <summary>The model alone.</summary>
    public async Task<SumScore> Bare(SumQuestion question, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        // The prompt may itself begin with the line ends that would stop it.
        var (text, tokens) = await Write(question.Tokens, "\n", cancel);
        return new(1, SumQuestions.IsRight(text, question.Answer) ? 1 : 0, 0, 0, tokens, (long)tokens * layers, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
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
            return new(1, SumQuestions.IsRight(text, question.Answer) ? 1 : 0, 0, 0, tokens + more, (long)(tokens + more) * layers, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        var isRight = SumQuestions.IsRight(result.Text, question.Answer);
        return new(1, isRight ? 1 : 0, 1, isRight ? 0 : 1, tokens, (long)tokens * layers, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    /// <summary>The fused model: where its trigger fires at the end of the prompt, the program's result; else what the model writes.</summary>
    public async Task<SumScore> Fused(SumQuestion[] questions, TriggerReader reader, Action<SumQuestion, Fire?, string>? wrong, CancellationToken cancel)
    {
        var (sum, start) = (new SumScore(), Stopwatch.GetTimestamp());
        foreach (var (question, fires) in questions.Zip(reader.Fires([.. questions.Select(q => q.Tokens)], isAtEnd: true, cancel)))
        {
            if (fires is [var fire] && programs.Named(fire.Program).Run(fire.Operands) is { Failure: ProgramFailure.None } result)
            {
                var isRight = SumQuestions.IsRight(result.Text, question.Answer);
                if (!isRight)
                    wrong?.Invoke(question, fire, result.Text);
                sum += new SumScore(1, isRight ? 1 : 0, 1, isRight ? 0 : 1, 0, 0, 0);
                continue;
            }
            wrong?.Invoke(question, fires is [var there] ? there : null, "");
            var (text, tokens) = await Write(question.Tokens, "\n", cancel);
            sum += new SumScore(1, SumQuestions.IsRight(text, question.Answer) ? 1 : 0, 0, 0, tokens, (long)tokens * layers, 0);
        }
        return sum with { Milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds };
    }
}
