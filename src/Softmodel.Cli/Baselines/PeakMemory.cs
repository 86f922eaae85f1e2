using System.Diagnostics;

namespace Softmodel.Cli.Baselines;

/// <summary>The most memory that this process has held, pages of mapped files that it has touched included.</summary>
/// <remarks>What is compared must run in a process of its own: a process does not give back all that it frees.</remarks>
internal static class PeakMemory
{
    /// <summary>In bytes, since the process started or the latest <see cref="Reset"/>.</summary>
    public static long Bytes
    {
        get
        {
            using var process = Process.GetCurrentProcess();
            return process.PeakWorkingSet64;
        }
    }

    /// <summary>Begins anew from what is held now, where the system can (Linux).</summary>
    /// <returns>Whether it could.</returns>
    public static bool Reset()
    {
        try
        {
            // proc(5): 5 resets the peak of the resident set to what it is now.
            File.WriteAllText("/proc/self/clear_refs", "5");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
