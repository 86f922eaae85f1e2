using System.ComponentModel;

namespace Softmodel.Runtime;

/// <summary>
/// Native memory for what a run computes, in segments that grow and never shrink. A segment is laid out afresh by each
/// run, so growing one does not keep what it held.
/// </summary>
/// <param name="segments">The number of segments: one for what is planned before the run and one for each re-planning within it.</param>
/// <param name="limit">The most bytes that all segments together may take.</param>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed unsafe class Arena(int segments = 1, long limit = long.MaxValue) : IDisposable
{
    /// <summary>The alignment of every segment, in bytes: that of a 512-bit vector and of a cache line.</summary>
    public const int Alignment = 64;

    const long Granule = 4096;
    readonly nint[] start = new nint[segments];
    readonly long[] capacity = new long[segments];

    /// <summary>The bytes that all segments together take now.</summary>
    public long Bytes { get; private set; }

    /// <summary>The most bytes that all segments together may take; what is taken already stays.</summary>
    public long Limit { get; set; } = limit;

    /// <summary>The size rounded up to a multiple of <see cref="Alignment"/>.</summary>
    public static long Align(long bytes) => (bytes + Alignment - 1) & -Alignment;

    /// <summary>
    /// The start of a segment that has room for so many bytes. Pointers into the segment from before are void, and so
    /// is what it held, unless it had the room already.
    /// </summary>
    /// <param name="bytes">The room; the pointer is not null even for 0.</param>
    /// <param name="segment">Which segment.</param>
    /// <param name="isFixed">Whether every run needs as many.</param>
    /// <exception cref="ModelException">The limit, or the machine's memory, does not suffice; the segment is then empty.</exception>
    public byte* Reserve(long bytes, int segment = 0, bool isFixed = false) =>
        bytes <= capacity[segment] && start[segment] != 0 && !GuardPages.AreOn ? (byte*)start[segment] : Grow(bytes, segment, isFixed);

    byte* Grow(long bytes, int segment, bool isFixed)
    {
        Release(segment);
        // A quarter more than needed, since a longer text often follows a short one. Pages that are not touched cost nothing.
        var most = Limit - Bytes;
        if (bytes < 0 || bytes > most)
            throw OutOfMemory(bytes, $"of its limit of {Limit}, {Math.Max(0, most)} are left");
        var wanted = bytes > long.MaxValue / 2 ? bytes : (bytes + (isFixed ? 0 : bytes / 4) + Granule - 1) & -Granule;
        var granted = GuardPages.AreOn ? bytes : Math.Min(Math.Max(wanted, Granule), Math.Max(most, 1));
        try
        {
            start[segment] = (nint)AlignedMemory.Allocate(granted);
        }
        catch (Exception e) when (e is OutOfMemoryException or OverflowException)
        {
            throw OutOfMemory(bytes, "the machine does not have them");
        }
        capacity[segment] = granted;
        Bytes += granted;
        return (byte*)start[segment];
    }

    static ModelException OutOfMemory(long bytes, string why) =>
        new(ModelError.Memory, $"this run needs {bytes} bytes of working memory at once, and {why}; use shorter inputs or raise the limit");

    void Release(int segment)
    {
        AlignedMemory.Free((void*)start[segment]);
        Bytes -= capacity[segment];
        (start[segment], capacity[segment]) = (0, 0);
    }

    /// <summary>Frees all segments; the arena can be used again.</summary>
    public void Clear()
    {
        for (var segment = 0; segment < start.Length; segment++)
            Release(segment);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Clear();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what was not disposed of.</summary>
    ~Arena() => Clear();
}
