using System.ComponentModel;
using System.Diagnostics;

namespace Softmodel.Emit.Native;

/// <summary>Programs that a native build calls.</summary>
static class Tool
{
    /// <summary>Runs a program to its end; ends it, and what it has started, when cancelled.</summary>
    /// <param name="program">Its name or path.</param>
    /// <param name="arguments">What it is given, each as it is.</param>
    /// <param name="folder">Where it runs.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="SoftmodelException">It is not installed, or it failed; the message has the end of what it said.</exception>
    public static async Task Run(string program, IEnumerable<string> arguments, string folder, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        // A build that runs this must not lend its own settings to the one that this starts.
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
            start.Environment.Remove(name);
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new SoftmodelException($"'{program}' can't be started ({e.Message}); a native build needs the .NET SDK, gcc or clang, and binutils", e);
        }
        using (process)
        {
            process.StandardInput.Close();
            try
            {
                var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken));
                await process.WaitForExitAsync(cancellationToken);
                if (process.ExitCode != 0)
                    throw new SoftmodelException($"'{Path.GetFileName(program)}' failed with exit code {process.ExitCode}: {Tail(string.Join("\n", said))}");
            }
            finally
            {
                if (!process.HasExited)
                    process.Kill(entireProcessTree: true);
            }
        }
    }

    static string Tail(string text)
    {
        const int most = 2000;
        text = text.Trim();
        return text.Length <= most ? text : "…" + text[^most..];
    }

    /// <summary>The first of these programs that is installed.</summary>
    /// <exception cref="SoftmodelException">None is.</exception>
    public static string Find(params string[] names)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return names.FirstOrDefault(n => folders.Any(f => File.Exists(Path.Combine(f, n))))
            ?? throw new SoftmodelException($"{(names is [var only] ? $"'{only}' is not" : $"none of {string.Join(", ", names)} is")} installed; a native build needs a C compiler and binutils for its target");
    }
}
