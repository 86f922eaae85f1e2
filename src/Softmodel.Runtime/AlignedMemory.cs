using System.Runtime.InteropServices;

namespace Softmodel.Runtime;

/// <summary>Memory that begins at a cache line; guarded where <see cref="GuardPages"/> are on, and then aligned as far as its size allows.</summary>
static unsafe class AlignedMemory
{
    /// <summary>Memory for some bytes.</summary>
    /// <exception cref="OutOfMemoryException">The machine does not have them.</exception>
    /// <exception cref="OverflowException">They are fewer than none.</exception>
    public static void* Allocate(long bytes) => GuardPages.AreOn ? GuardPages.Allocate(bytes) : NativeMemory.AlignedAlloc(checked((nuint)bytes), Arena.Alignment);

    /// <summary>Frees what <see cref="Allocate"/> gave; null is nothing.</summary>
    public static void Free(void* start)
    {
        if (GuardPages.AreOn)
            GuardPages.Free(start);
        else
            NativeMemory.AlignedFree(start);
    }
}
