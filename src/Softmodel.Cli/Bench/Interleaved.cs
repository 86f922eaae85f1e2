using System.Diagnostics;
using System.Runtime;

namespace Softmodel.Cli.Bench;

/// <summary>How long something takes, in milliseconds.</summary>
/// <param name="Median">The median of all runs.</param>
/// <param name="Best">The shortest run.</param>
/// <param name="Runs">How many runs there were.</param>
readonly record struct Timing(double Median, double Best, int Runs)
{
    /// <summary>The figures of runs.</summary>
    public static Timing Of(IEnumerable<double> milliseconds)
    {
        var sorted = milliseconds.Order().ToArray();
        var middle = sorted.Length / 2;
        var median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        // To a nanosecond: what is quicker would be 0.
        return new(Math.Round(median, 6), Math.Round(sorted[0], 6), sorted.Length);
    }
}

/// <summary>Times things in turns, so that what else the machine does affects all of them equally.</summary>
static class Interleaved
{
    /// <summary>Runs each once to warm up, then each in turn.</summary>
    /// <param name="rounds">How often each is timed.</param>
    /// <param name="works">What is timed.</param>
    /// <param name="cancel">Stops between two runs.</param>
    public static Timing[] Time(int rounds, IReadOnlyList<Action> works, CancellationToken cancel) => Measure(rounds, [.. works.Select(Timed)], cancel);

    /// <summary>The same of works that say themselves how many milliseconds they took.</summary>
    /// <inheritdoc cref="Time"/>
    public static Timing[] Measure(int rounds, IReadOnlyList<Func<double>> works, CancellationToken cancel)
    {
        foreach (var work in works)
            work();
        Settle(cancel);
        var times = works.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < works.Count; i++)
            {
                if (cancel.WaitHandle.WaitOne(Pause))
                    cancel.ThrowIfCancellationRequested();
                times[i].Add(works[i]());
            }
        }
        return [.. times.Select(Timing.Of)];
    }

    static Func<double> Timed(Action work) => () =>
    {
        var start = Stopwatch.GetTimestamp();
        work();
        // A TimeSpan counts tenths of a microsecond, of which what does nothing takes none.
        return Math.Max(1, Stopwatch.GetTimestamp() - start) * 1000.0 / Stopwatch.Frequency;
    };

    // Milliseconds after each run: threads of a peer stay awake for some time, as OpenBLAS's do for 2^26 cycles, on cores that the next run needs.
    const int Pause = 60;

    // Milliseconds: how long the process is watched, and how much of it methods may be compiled; how often in a row, and at most.
    const int Watched = 100, Compiled = 5, Quiet = 3, Most = 50;

    /// <summary>
    /// Waits until the just-in-time compiler is done. After a program has been compiled it goes on in the background, for some
    /// seconds, with the methods of what compiled it, on a core that two threads would need.
    /// </summary>
    static void Settle(CancellationToken cancel)
    {
        for (var (times, quiet) = (0, 0); times < Most && quiet < Quiet; times++)
        {
            var before = JitInfo.GetCompilationTime();
            if (cancel.WaitHandle.WaitOne(Watched))
                cancel.ThrowIfCancellationRequested();
            quiet = (JitInfo.GetCompilationTime() - before).TotalMilliseconds < Compiled ? quiet + 1 : 0;
        }
    }
}
