using System.Diagnostics;
using System.Text.Json;
using Softmodel.Cli.Eval;
using Softmodel.Language;
using Softmodel.Load;

namespace Softmodel.Bench.Fusion;

/// <summary>What a fused model costs and gains.</summary>
/// <param name="Threads">How many threads a run had.</param>
/// <param name="Tokens">How many tokens of a text without sums both models read, one at a time.</param>
/// <param name="Differing">After how many of them a logit of the fused model was another.</param>
/// <param name="Fired">After how many of them a program wrote: those have no logits.</param>
/// <param name="TokenRatio">The time that the fused model takes for a token, by that of the model alone: the median of the rounds.</param>
/// <param name="AnswerSpeedup">The time from a question of seven digits until the last digit of the answer is there, of the model alone by that of the fused one.</param>
/// <param name="LineSpeedup">The same until the line is ended.</param>
/// <param name="Answers">How many questions there were.</param>
/// <param name="ExactAlone">How many the model alone answered right.</param>
/// <param name="Exact">How many the fused one did.</param>
/// <param name="LayersPerToken">How many layers ran for each token of the answer, of the fused model; what it read of the prompt is not counted.</param>
/// <param name="Solutions">What became of worked solutions; null where none were given.</param>
sealed record FusionReport(int Threads, int Tokens, int Differing, int Fired, double TokenRatio, double AnswerSpeedup, double LineSpeedup, int Answers, int ExactAlone, int Exact, double LayersPerToken, SolutionReport? Solutions);

/// <summary>What became of worked solutions, whose text goes on as it is written up to each result.</summary>
/// <param name="Count">How many there were.</param>
/// <param name="Steps">How many results were due.</param>
/// <param name="Fired">How many of them a program wrote.</param>
/// <param name="Exact">How many were right.</param>
/// <param name="Perplexity">The perplexity of what follows the results that programs wrote.</param>
/// <param name="PerplexityForced">The same after the right digits.</param>
/// <param name="Wrong">Some that were not right: what stood before, what was due and what was written.</param>
sealed record SolutionReport(int Count, int Steps, int Fired, int Exact, double Perplexity, double PerplexityForced, IReadOnlyList<string> Wrong);

/// <summary>Measures a fused model beside the model that it was made of.</summary>
static class FusionRun
{
    const int Answers = 20, Shown = 20, MostTokens = 24, Piece = 50;

    /// <summary>Measures.</summary>
    /// <param name="fused">The folder that softmodel fuse has made.</param>
    /// <param name="text">A text without sums.</param>
    /// <param name="solutions">Worked solutions, as bench/sums writes them.</param>
    /// <param name="most">The most tokens of the text.</param>
    /// <param name="threads">How many threads a run has.</param>
    /// <param name="seed">What questions are drawn by.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static async Task<FusionReport> Run(string fused, string text, string? solutions, int most, int threads, int seed, Action<string> progress, CancellationToken cancellationToken)
    {
        var options = new LanguageOptions { Compile = new() { Threads = threads } };
        using var alone = await LanguageModel.LoadAsync(FusedModels.SourceOf(fused), options, cancellationToken: cancellationToken);
        using var model = await LanguageModel.LoadAsync(fused, options, cancellationToken: cancellationToken);
        var tokens = model.TokensOf(text).Take(most).ToArray();
        progress($"reading {tokens.Length} tokens one at a time");
        var (differing, fires, ratios) = (0, 0, new List<double>());
        using (var ours = new Reading(model.Decoder))
        using (var theirs = new Reading(alone.Decoder))
        {
            // By turns, so that both meet the same machine.
            foreach (var piece in tokens.Chunk(Piece))
            {
                var (a, fast) = ours.Read(piece);
                var (b, slow) = theirs.Read(piece);
                fires += a.Count(l => l is null);
                differing += a.Zip(b).Count(p => p.First is not null && !p.First.AsSpan().SequenceEqual(p.Second));
                ratios.Add(fast / slow);
            }
        }
        progress("asking for sums of seven digits");
        var random = new Random(seed);
        var (answers, lines, exact, exactAlone, written, inferred) = (new List<double>(), new List<double>(), 0, 0, 0, 0);
        for (var i = -1; i < Answers; i++)
        {
            var (x, y) = (random.Next(1_000_000, 10_000_000), random.Next(1_000_000, 10_000_000));
            var prompt = $"Q: What is {x} plus {y}?\nA:";
            var (own, bare) = (await Asked(model, prompt, cancellationToken), await Asked(alone, prompt, cancellationToken));
            if (i < 0)
                continue;
            answers.Add(bare.Answer / own.Answer);
            lines.Add(bare.Line / own.Line);
            exact += SumQuestions.IsRight(own.Text, $"{x + y}") ? 1 : 0;
            exactAlone += SumQuestions.IsRight(bare.Text, $"{x + y}") ? 1 : 0;
            written += own.Tokens;
            inferred += own.Inferred;
        }
        return new(threads, tokens.Length, differing, fires, Median(ratios), Median(answers), Median(lines), Answers, exactAlone, exact, Math.Round((double)inferred * model.Fused!.Layers / Math.Max(1, written), 2),
            solutions is null ? null : await Solved(model, solutions, progress, cancellationToken));
    }

    static double Median(List<double> all) => Math.Round(all.Order().ElementAt(all.Count / 2), 3);

    /// <summary>A text that a decoder reads token by token.</summary>
    sealed class Reading(Decoder decoder) : IDisposable
    {
        readonly int sequence = decoder.Begin();

        /// <summary>The logits after each token, null where a program wrote, and the time that it took.</summary>
        public (float[]?[] Logits, double Milliseconds) Read(int[] tokens)
        {
            var (logits, clock) = (new float[tokens.Length][], new Stopwatch());
            for (var i = 0; i < tokens.Length; i++)
            {
                clock.Start();
                var given = decoder.Run(new SequenceTokens(sequence, tokens.AsMemory(i, 1), false, Firing.Yes));
                clock.Stop();
                logits[i] = decoder.IsFused && decoder.Fires[0] is not null ? null! : given.ToArray();
            }
            return (logits, clock.Elapsed.TotalMilliseconds);
        }

        public void Dispose() => decoder.End(sequence);
    }

    static async Task<(string Text, double Answer, double Line, int Tokens, int Inferred)> Asked(LanguageModel model, string prompt, CancellationToken cancellationToken)
    {
        using var session = model.NewSession();
        var (clock, text, answer) = (Stopwatch.StartNew(), "", 0.0);
        await foreach (var part in session.CompleteAsync(prompt, new() { MaxTokens = MostTokens, Stop = ["\n"] }, cancellationToken))
        {
            text += part;
            // The last of the first number's digits.
            if (part.TrimEnd() is [.., var last] && char.IsAsciiDigit(last) && !text.Trim().Contains(' ', StringComparison.Ordinal))
                answer = clock.Elapsed.TotalMilliseconds;
        }
        var calls = session.Last.Programs ?? [];
        return (text, answer, clock.Elapsed.TotalMilliseconds, session.Last.Tokens, session.Last.Tokens - calls.Sum(c => c.Tokens));
    }

    static async Task<SolutionReport> Solved(LanguageModel model, string path, Action<string> progress, CancellationToken cancellationToken)
    {
        var lines = await File.ReadAllLinesAsync(path, cancellationToken);
        var (steps, fired, exact, wrong) = (0, 0, 0, new List<string>());
        var (ours, forced, count) = (0.0, 0.0, 0L);
        foreach (var (number, line) in lines.Index())
        {
            if (number % 10 == 0)
                progress($"{number} of {lines.Length} solutions");
            var solution = JsonDocument.Parse(line).RootElement;
            var text = solution.GetProperty("text").GetString()!;
            (int At, string Answer)[] marks = [.. solution.GetProperty("marks").EnumerateArray().Select(m => (m.GetProperty("at").GetInt32(), m.GetProperty("answer").GetString()!))];
            foreach (var (i, (at, answer)) in marks.Index())
            {
                steps++;
                var before = text[..at].TrimEnd(' ');
                using var session = model.NewSession();
                var said = string.Concat(await session.CompleteAsync(before, new() { MaxTokens = MostTokens, Stop = ["\n"] }, cancellationToken).ToArrayAsync(cancellationToken));
                // The result may come after a space that the model writes, and after a sign of currency.
                var call = session.Last.Programs is [var first, ..] && first.At - model.TokensOf(before).Length <= 2 ? first : null;
                fired += call is null ? 0 : 1;
                var written = call is null ? said : model.Tokenizer.Decode([.. session.Last.Sequence!.Skip(call.At).Take(call.Tokens)]);
                if (!IsSame(written, answer))
                {
                    wrong.Add($"{before[Math.Max(0, before.Length - 120)..]} | {answer} | {(call is null ? "by itself" : call.Program)}: {written.Trim()}");
                    continue;
                }
                exact++;
                if (call is null)
                    continue;
                // What follows, after what was written and after the digits as they stand in the text.
                var end = text.IndexOf(answer, at, StringComparison.Ordinal) is >= 0 and var found && found - at <= 1 ? found + answer.Length : at;
                var next = i + 1 < marks.Length ? marks[i + 1].At : text.Length;
                if (end >= next)
                    continue;
                var rest = model.Tokenizer.EncodeMore(text[end..next]);
                session.Truncate(Math.Min(session.Tokens.Count, call.At));
                ours += await Surprise(session, [.. session.Last.Sequence!.Skip(session.Tokens.Count).Take(call.At + call.Tokens - session.Tokens.Count)], rest, cancellationToken);
                using var other = model.NewSession();
                forced += await Surprise(other, [.. model.TokensOf(before), .. model.Tokenizer.EncodeMore(text[before.Length..end])], rest, cancellationToken);
                count += rest.Length;
            }
        }
        return new(lines.Length, steps, fired, exact, Math.Round(Math.Exp(ours / count), 4), Math.Round(Math.Exp(forced / count), 4), [.. wrong.Take(Shown)]);
    }

    static bool IsSame(string written, string answer) => SumQuestions.IsRight(written, answer) || SumQuestions.IsRight(written.TrimStart().TrimStart('$', '€', '£'), answer.TrimStart('$', '€', '£'));

    /// <summary>The surprise of tokens after others, in nats.</summary>
    static async Task<double> Surprise(Session session, int[] before, int[] tokens, CancellationToken cancellationToken)
    {
        var first = await session.ReadAsync(before, cancellationToken: cancellationToken);
        var rest = tokens.Length > 1 ? await session.ReadAsync(tokens.AsMemory(0, tokens.Length - 1), true, cancellationToken) : [];
        var (sum, size) = (0.0, first.Length);
        for (var i = 0; i < tokens.Length; i++)
        {
            var logits = i == 0 ? first : rest.AsSpan((i - 1) * size, size);
            var most = System.Numerics.Tensors.TensorPrimitives.Max(logits);
            var total = 0.0;
            foreach (var logit in logits)
                total += Math.Exp(logit - most);
            sum += Math.Log(total) + most - logits[tokens[i]];
        }
        return sum;
    }
}
