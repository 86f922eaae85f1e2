using System.Diagnostics;

namespace Softmodel.Cli;

/// <summary>This program once more, as a process that does one thing.</summary>
static class OwnProcess
{
    /// <summary>How it is started.</summary>
    /// <param name="arguments">The first says what it is to be; see <c>Program.cs</c>.</param>
    public static ProcessStartInfo Start(params IEnumerable<string> arguments)
    {
        var program = typeof(OwnProcess).Assembly.Location;
        // Beside a test's own program stands the command line's, which has to be started through dotnet.
        var host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        return new(host, [program, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
    }
}
