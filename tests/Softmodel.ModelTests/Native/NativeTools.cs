using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Softmodel.ModelTests.Native;

/// <summary>What building and running native libraries takes.</summary>
static class NativeTools
{
    /// <summary>Skips the test where this machine can't build libraries, or lacks a tool.</summary>
    public static void Require(params string[] tools)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("native libraries are built on Linux");
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64 || !Vector256.IsHardwareAccelerated)
            Assert.Skip("this processor is no x86-64 with AVX2");
        foreach (var tool in tools)
            Assert.SkipUnless(Has(tool), $"'{tool}' is not installed");
    }

    /// <summary>Whether a program can be started by its name.</summary>
    public static bool Has(string tool) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(f => File.Exists(Path.Combine(f, tool)));
}
