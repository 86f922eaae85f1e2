using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Softmodel.Runtime;

/// <summary>
/// Memory in which every access beyond an allocation's end, or before its start, ends the process: for tests, on Linux. Where
/// the variable <c>SOFTMODEL_GUARD_PAGES</c> of the environment is <c>after</c> or <c>before</c> as a process starts, models are
/// compiled so that each buffer is an allocation of its own, and allocations are made here. Native libraries leave all of this out.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static unsafe partial class GuardPages
{
    const long Page = 4096;
    const int ReadWrite = 3, PrivateAnonymous = 0x22;

    static readonly string? mode = Environment.GetEnvironmentVariable("SOFTMODEL_GUARD_PAGES");
    static readonly bool isOn = OperatingSystem.IsLinux() && mode is "after" or "before";
    static readonly Dictionary<nint, (nint Base, nuint Length)> mapped = [];

    /// <summary>Whether allocations are to be guarded.</summary>
    [FeatureSwitchDefinition("Softmodel.GuardPages")]
    public static bool AreOn => isOn;

    /// <summary>Memory for some bytes, all of which are 0xff: no number, or the index -1.</summary>
    /// <param name="bytes">How many; the pointer is not null even for 0. It is aligned as far as the number of bytes allows.</param>
    public static void* Allocate(long bytes)
    {
        var room = (bytes + Page - 1) & -Page;
        var length = (nuint)(room + 2 * Page);
        var from = Map(null, length, 0, PrivateAnonymous, -1, 0);
        if (from == -1 || (room > 0 && Protect((void*)(from + (nint)Page), (nuint)room, ReadWrite) != 0))
            throw new OutOfMemoryException();
        var start = from + (nint)(mode == "after" ? Page + room - bytes : Page);
        for (var at = 0L; at < bytes; at += 1 << 30)
            new Span<byte>((void*)(start + (nint)at), (int)Math.Min(1 << 30, bytes - at)).Fill(0xff);
        lock (mapped)
            mapped.Add(start, (from, length));
        return (void*)start;
    }

    /// <summary>Frees what <see cref="Allocate"/> gave; null is nothing.</summary>
    public static void Free(void* start)
    {
        if (start is null)
            return;
        lock (mapped)
        {
            mapped.Remove((nint)start, out var block);
            _ = Unmap((void*)block.Base, block.Length);
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(void* start, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(void* start, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* start, nuint length);
}
