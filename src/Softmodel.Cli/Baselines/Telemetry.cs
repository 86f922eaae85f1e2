using System.Runtime.InteropServices;

namespace Softmodel.Cli.Baselines;

/// <summary>What ONNX Runtime would tell its maker about this machine and the models that run on it.</summary>
internal static partial class Telemetry
{
    const string Switch = "ORT_DISABLE_TELEMETRY";

    /// <summary>
    /// Keeps it from being gathered and sent; to be called before anything else of ONNX Runtime, which from 1.29 on writes an
    /// identifier and a queue of events into the user's cache.
    /// </summary>
    public static void TurnOff()
    {
        Environment.SetEnvironmentVariable(Switch, "1");
        // .NET does not hand its variables on to native code of the same process.
        if (!OperatingSystem.IsWindows())
            _ = SetVariable(Switch, "1", 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
