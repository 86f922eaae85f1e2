using System.Diagnostics;

namespace Softmodel.Tests.Common;

/// <summary>
/// Processes in which an explicit test computes numbered cases in guarded memory (<c>GuardPages</c>). A case that reads or writes
/// beyond a buffer ends its process; the next one goes on after it.
/// </summary>
static class GuardedProcess
{
    const string Variable = "SOFTMODEL_GUARDED";

    /// <summary>Runs an explicit test until all cases are done.</summary>
    /// <param name="side">On which side of a buffer accesses are found: <c>after</c> or <c>before</c>.</param>
    /// <param name="test">The test, which calls <see cref="Cases"/>.</param>
    /// <param name="from">The first case.</param>
    /// <param name="to">The one after the last.</param>
    /// <returns>What was found wrong, and how many runs were as they should be.</returns>
    public static (List<string> Found, int Agreed) Run(string side, Delegate test, int from, int to)
    {
        var log = Path.GetTempFileName();
        var (found, agreed) = (new List<string>(), 0);
        try
        {
            while (from < to)
            {
                File.WriteAllText(log, "");
                var (code, error) = Start(side, test, $"{from}-{to}-{log}");
                var lines = File.ReadAllLines(log);
                found.AddRange(lines.Where(l => l.StartsWith("found", StringComparison.Ordinal)));
                agreed += lines.Count(l => l == "agreed");
                if (lines is [.., "end"])
                    break;
                var last = lines.LastOrDefault(l => l.StartsWith("case", StringComparison.Ordinal)) ?? throw new InvalidOperationException($"the process did not begin: exit code {code}, {error}");
                found.Add($"ended with {code} at {last}: {string.Join(" ", error.Split('\n').Where(l => l.Contains("Fatal", StringComparison.Ordinal) || l.Contains("Softmodel.Compiled", StringComparison.Ordinal)).Take(2))}");
                from = int.Parse(last.Split(' ')[1]) + 1;
            }
        }
        finally
        {
            File.Delete(log);
        }
        return (found, agreed);
    }

    static (int Code, string Error) Start(string side, Delegate test, string asked)
    {
        var start = new ProcessStartInfo("dotnet", [test.Method.DeclaringType!.Assembly.Location, "-explicit", "only", "-method", $"{test.Method.DeclaringType.FullName}.{test.Method.Name}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["SOFTMODEL_GUARD_PAGES"] = side, [Variable] = asked },
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, $"{error.Result}{output}");
    }

    /// <summary>In such a process: does the cases.</summary>
    /// <param name="batch">How many are done at once.</param>
    /// <param name="run">
    /// Does some. It tells what it does in lines to the log: <c>case</c> and its number before a run, <c>agreed</c> or <c>found</c> and what
    /// is wrong after it.
    /// </param>
    public static void Cases(int batch, Action<int[], StreamWriter> run)
    {
        var asked = Environment.GetEnvironmentVariable(Variable)!.Split('-', 3);
        using var log = new StreamWriter(asked[2]) { AutoFlush = true };
        for (var (at, to) = (int.Parse(asked[0]), int.Parse(asked[1])); at < to; at += batch)
            run([.. Enumerable.Range(at, Math.Min(batch, to - at))], log);
        log.WriteLine("end");
    }
}
