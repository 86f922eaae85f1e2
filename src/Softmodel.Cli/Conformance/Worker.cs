using System.Diagnostics;
using System.Text.Json;

namespace Softmodel.Cli.Conformance;

/// <summary>
/// A process that runs cases: compiled code may read where it should not, or never end, and must not take the other cases
/// along. It is told a case per line and answers with a line, so that the C# compiler is warm from the second case on.
/// </summary>
internal sealed class Worker : IDisposable
{
    /// <summary>The first argument that makes this program a worker.</summary>
    public const string Command = "conformance-worker";

    Process? process;
    Task<string>? errors;

    /// <summary>Is a worker: runs cases until the input ends.</summary>
    /// <returns>The exit code.</returns>
    public static int Serve(TextReader input, TextWriter output)
    {
        while (input.ReadLine() is { } line)
        {
            output.WriteLine(JsonSerializer.Serialize(CaseRunner.Run(JsonSerializer.Deserialize<Case>(line)!)));
            output.Flush();
        }
        return 0;
    }

    /// <summary>Runs a case; starts a process where there is none.</summary>
    /// <param name="work">The case.</param>
    /// <param name="limit">When to give it up.</param>
    /// <param name="cancel">Gives everything up.</param>
    public async Task<CaseResult> Run(Case work, TimeSpan limit, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timer.CancelAfter(limit);
        string reason;
        try
        {
            if (process is null)
                Start();
            await process!.StandardInput.WriteLineAsync(JsonSerializer.Serialize(work));
            if (await process.StandardOutput.ReadLineAsync(timer.Token) is { } line)
                return JsonSerializer.Deserialize<CaseResult>(line)!;
            reason = $"it crashed: {FirstLines(await errors!)}";
        }
        catch (IOException)
        {
            reason = "it crashed";
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            reason = $"it was not done after {limit.TotalSeconds:0} s";
        }
        Dispose();
        return new(work.Name, Verdict.Failed, "run", reason, [], [], [], false, clock.Elapsed.TotalMilliseconds);
    }

    void Start()
    {
        process = Process.Start(OwnProcess.Start(Command)) ?? throw new SoftmodelException("'dotnet' could not be started");
        errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
    }

    static string FirstLines(string text) => string.Join(" ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Take(5));

    /// <summary>Ends the process: by itself where it waits for a case, else whatever it does.</summary>
    public void Dispose()
    {
        if (process is null)
            return;
        process.End();
        process = null;
    }
}
