using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Softmodel.Cli.Baselines;

namespace Softmodel.Bench.Differential;

/// <summary>Which models to draw.</summary>
/// <param name="Count">How many.</param>
/// <param name="Seed">The same seed gives the same models.</param>
/// <param name="Operators">Of which rows; of all where none is named.</param>
/// <param name="CompileEvery">Which share is compiled: one of so many cases. The others are only imported and evaluated.</param>
/// <param name="Cases">Only these; all where none is named.</param>
sealed record DifferentialOptions(long Count, int Seed, string[] Operators, int CompileEvery = 1, params long[] Cases)
{
    /// <summary>The cases that a worker runs, in order.</summary>
    public IEnumerable<long> Of(long worker, long workers)
    {
        for (var i = worker; i < (Cases.Length > 0 ? Cases.Length : Count); i += workers)
            yield return Cases.Length > 0 ? Cases[i] : i;
    }

    /// <summary>Whether a case is compiled: each row in turn.</summary>
    public bool Compiles(long index) => (index + index / Rows().Length) % CompileEvery == 0;

    /// <summary>The rows that are drawn from, in turn.</summary>
    public Row[] Rows() => Operators.Length == 0 ? Row.All
        : [.. Operators.SelectMany(o => Row.All.Where(r => r.Name == o) is var rows && rows.Any() ? rows : throw new SoftmodelException($"there is no row '{o}'; there are {string.Join(", ", Row.All.Select(r => r.Name))}"))];

    /// <summary>The model of a case.</summary>
    public (Row Row, Draft Draft) Draw(long index)
    {
        var rows = Rows();
        var row = rows[index % rows.Length];
        var draft = new Draft(unchecked((int)(Seed * 0x9E3779B1L + index * 0x85EBCA77L)));
        row.Draw(draft);
        return (row, draft);
    }
}

/// <summary>A disagreement.</summary>
/// <param name="Index">The number of the case.</param>
/// <param name="Operator">The row of the table.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Text">What was refused or differs.</param>
/// <param name="Model">The model in words.</param>
/// <param name="Explained">Why, where that is known.</param>
sealed record Disagreement(long Index, string Operator, string Outcome, string Text, string Model, string? Explained);

/// <summary>What a run came to.</summary>
/// <param name="Against">What it was compared with.</param>
/// <param name="Count">The models.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Outcomes">How many came to what.</param>
/// <param name="Operators">The same for each row of the table.</param>
/// <param name="Explained">How many of the disagreements are explained, by reason.</param>
/// <param name="Unexplained">Those that are not.</param>
/// <param name="Disagreements">All of them.</param>
/// <param name="Seconds">How long it took.</param>
sealed record DifferentialReport(string Against, long Count, int Seed, IReadOnlyDictionary<string, int> Outcomes, IReadOnlyDictionary<string, Dictionary<string, int>> Operators,
    IReadOnlyDictionary<string, int> Explained, int Unexplained, Disagreement[] Disagreements, double Seconds);

/// <summary>What a worker says: what it is about to do, or what became of a case.</summary>
sealed record DifferentialWord(long Index, string? Stage = null, DifferentialLine? Done = null);

/// <summary>Runs models through ONNX Runtime and the compiler, in processes that may die.</summary>
static class DifferentialRun
{
    /// <summary>The first argument that makes this program a worker.</summary>
    public const string Command = "differential-worker";

    static readonly TimeSpan limit = TimeSpan.FromMinutes(3);

    /// <summary>Is a worker: runs the cases.</summary>
    public static void Serve(DifferentialOptions options, string folder)
    {
        Directory.CreateDirectory(folder);
        static void Say(DifferentialWord word)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(word));
            Console.Out.Flush();
        }
        foreach (var index in options.Of(0, 1))
        {
            var (row, draft) = options.Draw(index);
            var (outcome, text) = DifferentialCase.Run(draft, Path.Combine(folder, "model.onnx"), options.Compiles(index), stage => Say(new(index, stage)));
            Say(new(index, Done: new(index, row.Name, outcome, text, draft.Description)));
        }
    }

    /// <summary>Runs all cases.</summary>
    /// <param name="options">What to draw.</param>
    /// <param name="workers">How many processes.</param>
    /// <param name="progress">Is told how many are done, and what became of the last one.</param>
    /// <param name="cancel">Stops at once.</param>
    public static async Task<DifferentialReport> Run(DifferentialOptions options, int workers, Action<int, DifferentialLine> progress, CancellationToken cancel)
    {
        _ = options.Rows();
        var clock = Stopwatch.StartNew();
        var folder = Directory.CreateTempSubdirectory("softmodel-differential-");
        var lines = new ConcurrentBag<DifferentialLine>();
        void Add(DifferentialLine line)
        {
            lines.Add(line);
            progress(lines.Count, line);
        }
        try
        {
            await Task.WhenAll(Enumerable.Range(0, workers).Select(w => Work(options, w, workers, Path.Combine(folder.FullName, $"{w}"), Add, cancel)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
        var found = lines.Where(l => l.IsDisagreement).OrderBy(l => l.Index)
            .Select(l => new Disagreement(l.Index, l.Operator, $"{l.Outcome}", l.Text, l.Model, Explanation.Of(l)?.Why)).ToArray();
        static Dictionary<string, int> Counted(IEnumerable<DifferentialLine> lines) => lines.GroupBy(l => $"{l.Outcome}").OrderBy(g => g.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count());
        return new($"ONNX Runtime {OnnxRuntimeBaseline.Version}", lines.Count, options.Seed, Counted(lines),
            lines.GroupBy(l => l.Operator).OrderBy(g => g.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, Counted),
            found.Where(d => d.Explained is not null).GroupBy(d => d.Explained!).OrderByDescending(g => g.Count()).ToDictionary(g => g.Key, g => g.Count()),
            found.Count(d => d.Explained is null), found, clock.Elapsed.TotalSeconds);
    }

    static async Task Work(DifferentialOptions options, int worker, int workers, string folder, Action<DifferentialLine> add, CancellationToken cancel)
    {
        var left = options.Of(worker, workers).ToArray();
        while (left.Length > 0)
        {
            using var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(DifferentialRun).Assembly.Location, Command, JsonSerializer.Serialize(options with { Cases = left }), folder])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var (at, stage, done) = (left[0], "the generator", false);
            var errors = process.StandardError.ReadToEndAsync(cancel);
            try
            {
                while (await process.StandardOutput.ReadLineAsync(cancel).AsTask().WaitAsync(limit, cancel) is { } line)
                {
                    var word = JsonSerializer.Deserialize<DifferentialWord>(line)!;
                    (at, stage, done) = (word.Index, word.Stage ?? stage, word.Done is not null);
                    if (word.Done is { } result)
                        add(result);
                }
                await process.WaitForExitAsync(cancel);
                if (process.ExitCode == 0)
                    return;
                stage = $"{stage} crashed (exit code {process.ExitCode}): {string.Join(' ', (await errors).Split('\n').Take(6))}";
            }
            catch (TimeoutException)
            {
                stage = $"{stage} was not done after {limit.TotalSeconds} s";
            }
            finally
            {
                if (!process.HasExited)
                    process.Kill();
            }
            left = [.. left.SkipWhile(i => i != at).Skip(1)];
            if (done)
                continue;
            var (row, draft) = options.Draw(at);
            add(new(at, row.Name, Outcome.Crashed, stage, draft.Description));
        }
    }
}
