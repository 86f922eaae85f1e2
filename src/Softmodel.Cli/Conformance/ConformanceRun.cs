using System.Collections.Concurrent;

namespace Softmodel.Cli.Conformance;

/// <summary>What to run.</summary>
/// <param name="Folders">Suites or folders of suites; see <see cref="Suites.Find"/>.</param>
/// <param name="Filter">Only cases whose names contain this.</param>
/// <param name="Workers">How many cases run at once.</param>
/// <param name="Limit">How long a case may take.</param>
/// <param name="Every">One of so many of these is run.</param>
internal sealed record ConformanceOptions(string[] Folders, string Filter, int Workers, TimeSpan Limit, int Every = 1);

/// <summary>How the cases of a suite came out, in their order.</summary>
internal sealed record SuiteResult(string Name, CaseResult[] Cases)
{
    /// <summary>The names of the cases that came out so.</summary>
    public string[] Names(Verdict verdict) => [.. Cases.Where(c => c.Verdict == verdict).Select(c => c.Name)];

    /// <summary>How many cases came out so.</summary>
    public int Count(Verdict verdict) => Cases.Count(c => c.Verdict == verdict);
}

/// <summary>Runs suites of ONNX backend tests: every model is compiled, none is evaluated.</summary>
internal static class ConformanceRun
{
    /// <summary>Runs all cases, several at once.</summary>
    /// <param name="options">What to run.</param>
    /// <param name="progress">Told of each result.</param>
    /// <param name="cancel">Stops at once.</param>
    /// <exception cref="SoftmodelException">There are no cases.</exception>
    public static async Task<SuiteResult[]> Run(ConformanceOptions options, IProgress<(Suite Suite, CaseResult Result)>? progress, CancellationToken cancel)
    {
        var suites = Suites.Find(options.Folders)
            .Select(s => s with { Cases = [.. s.Cases.Where(c => c.Name.Contains(options.Filter, StringComparison.Ordinal)).Where((_, i) => i % options.Every == 0)] })
            .Where(s => s.Cases.Length > 0).ToArray();
        if (suites.Length == 0)
            throw new SoftmodelException($"{string.Join(", ", options.Folders)}: no case has '{options.Filter}' in its name");
        var results = suites.Select(s => new CaseResult[s.Cases.Length]).ToArray();
        var open = new ConcurrentQueue<(int Suite, int Case)>(suites.SelectMany((s, i) => s.Cases.Select((_, j) => (i, j))));
        await Task.WhenAll(Enumerable.Range(0, options.Workers).Select(_ => Task.Run(async () =>
        {
            using var worker = new Worker();
            while (open.TryDequeue(out var at))
            {
                var suite = suites[at.Suite];
                var result = await worker.Run(suite.Cases[at.Case], options.Limit, cancel);
                results[at.Suite][at.Case] = result;
                progress?.Report((suite, result));
            }
        }, cancel)));
        return [.. suites.Select((s, i) => new SuiteResult(s.Name, results[i]))];
    }
}
