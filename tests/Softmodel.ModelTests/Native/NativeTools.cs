using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Softmodel.ModelTests.Native;

/// <summary>What building native libraries, and calling them from C and Python, asks of the machine.</summary>
static class NativeTools
{
    /// <summary>Skips the test where it is lacking.</summary>
    public static void Require()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("native libraries are built on Linux");
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64 || !Vector256.IsHardwareAccelerated)
            Assert.Skip("this processor is no x86-64 with AVX2");
        foreach (var tool in new[] { "gcc", "ld", "objcopy", "dotnet", "python3" })
        {
            if (!Has(tool))
                Assert.Skip($"'{tool}' is not installed");
        }
    }

    /// <summary>Whether a program can be started by its name.</summary>
    public static bool Has(string tool) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(f => File.Exists(Path.Combine(f, tool)));
}
