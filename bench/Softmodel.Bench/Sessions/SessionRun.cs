using System.Diagnostics;
using Softmodel.Language;

namespace Softmodel.Bench.Sessions;

/// <summary>What several sessions of a model took.</summary>
/// <param name="Model">The model.</param>
/// <param name="Sessions">How many there were.</param>
/// <param name="Tokens">How many tokens each wrote.</param>
/// <param name="Threads">How many threads a run had.</param>
/// <param name="BatchedTokensPerSecond">All of them at once; the median of the rounds.</param>
/// <param name="InTurnsTokensPerSecond">One after the other.</param>
/// <param name="Speedup">The one by the other: the median of the rounds' ratios.</param>
/// <param name="Same">How many wrote the same text both times.</param>
sealed record SessionReport(string Model, int Sessions, int Tokens, int Threads, double BatchedTokensPerSecond, double InTurnsTokensPerSecond, double Speedup, int Same);

/// <summary>Sessions that run together are batched: how much that gains, and that each writes what it writes alone.</summary>
static class SessionRun
{
    static readonly string[] subjects = ["a lighthouse", "the sea", "a clock", "rain", "an old map", "bread", "a train at night", "winter", "two brothers", "the moon", "a bridge", "salt"];

    /// <summary>A prompt for each session.</summary>
    public static ChatTurn[] Prompt(int session) => [new("user", $"Write {2 + session / subjects.Length} sentences about {subjects[session % subjects.Length]}.")];

    /// <summary>Measures, in turns and batched by turns.</summary>
    public static async Task<SessionReport> Run(string source, int sessions, int tokens, int threads, int rounds, Action<string> progress, CancellationToken cancellationToken)
    {
        using var model = await LanguageModel.LoadAsync(source, new() { Compile = new() { Threads = threads } }, cancellationToken: cancellationToken);
        var options = new GenerationOptions { MaxTokens = tokens };
        async Task<(string Text, int Tokens)> Write(int session)
        {
            using var context = model.NewSession();
            var text = string.Concat(await context.ChatAsync(Prompt(session), options, cancellationToken).ToArrayAsync(cancellationToken));
            return (text, context.Last.Tokens);
        }
        async Task<(string[] Texts, double PerSecond)> Measured(Func<Task<(string Text, int Tokens)[]>> write)
        {
            var clock = Stopwatch.StartNew();
            var written = await write();
            return ([.. written.Select(w => w.Text)], written.Sum(w => w.Tokens) / clock.Elapsed.TotalSeconds);
        }
        async Task<(string, int)[]> InTurns()
        {
            var all = new List<(string, int)>();
            for (var i = 0; i < sessions; i++)
                all.Add(await Write(i));
            return [.. all];
        }
        var (batched, alone, same) = (new List<double>(), new List<double>(), sessions);
        for (var round = -1; round < rounds; round++)
        {
            progress($"{source}: {sessions} sessions, round {round + 1} of {rounds}");
            var turns = await Measured(InTurns);
            var together = await Measured(() => Task.WhenAll(Enumerable.Range(0, sessions).Select(i => Task.Run(() => Write(i), cancellationToken))));
            same = Math.Min(same, turns.Texts.Zip(together.Texts).Count(p => p.First == p.Second));
            if (round < 0)
                continue;
            batched.Add(together.PerSecond);
            alone.Add(turns.PerSecond);
        }
        static double Median(IEnumerable<double> all) => Math.Round(all.Order().ElementAt(all.Count() / 2), 2);
        return new(source, sessions, tokens, threads, Median(batched), Median(alone), Median(batched.Zip(alone, (b, a) => b / a)), same);
    }
}
