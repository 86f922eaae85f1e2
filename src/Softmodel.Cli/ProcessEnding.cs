using System.Diagnostics;

namespace Softmodel.Cli;

/// <summary>How a process ends that obeys commands on its standard input.</summary>
static class ProcessEnding
{
    static readonly TimeSpan patience = TimeSpan.FromSeconds(2);

    /// <summary>Ends it and disposes of it: by itself where it waits for a command, else whatever it does.</summary>
    public static void End(this Process process)
    {
        try
        {
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended.
        }
        if (!process.WaitForExit(patience))
            process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
    }
}
