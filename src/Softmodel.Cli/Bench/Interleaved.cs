using System.Diagnostics;

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

/// <summary>Times things in turns, so that what else the machine does meets all of them alike.</summary>
static class Interleaved
{
    /// <summary>Runs each once to warm up, then each in turn.</summary>
    /// <param name="rounds">How often each is timed.</param>
    /// <param name="works">What is timed.</param>
    /// <param name="cancel">Stops between two runs.</param>
    public static Timing[] Time(int rounds, IReadOnlyList<Action> works, CancellationToken cancel)
    {
        foreach (var work in works)
            work();
        Settle(cancel);
        var times = works.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < works.Count; i++)
            {
                cancel.ThrowIfCancellationRequested();
                var start = Stopwatch.GetTimestamp();
                works[i]();
                times[i].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }
        return [.. times.Select(Timing.Of)];
    }

    // Milliseconds: how long the process is watched, of which it may compute so much, how often in a row, and how often at most.
    const int Watched = 100, Computed = 10, Quiet = 3, Most = 100;

    /// <summary>
    /// Waits until nothing else computes in this process. After a program has been compiled, the just-in-time compiler goes on
    /// with what compiled it for some seconds, on a core that two threads would need.
    /// </summary>
    static void Settle(CancellationToken cancel)
    {
        for (var (times, quiet) = (0, 0); times < Most && quiet < Quiet; times++)
        {
            var before = Usage();
            if (cancel.WaitHandle.WaitOne(Watched))
                cancel.ThrowIfCancellationRequested();
            quiet = Usage() - before < Computed ? quiet + 1 : 0;
        }

        static double Usage()
        {
            using var process = Process.GetCurrentProcess();
            return process.TotalProcessorTime.TotalMilliseconds;
        }
    }
}
