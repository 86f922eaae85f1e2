using System.Buffers;
using System.IO.MemoryMappedFiles;

namespace Softmodel.Runtime;

/// <summary>
/// A file mapped read only: pages are read when they are first touched, and nothing is copied. Slices stay valid until
/// <see cref="Dispose"/>. A file that is never disposed stays mapped (clean pages, no heap) rather than being unmapped by the
/// collector, because a span into it would not keep it alive.
/// </summary>
internal sealed unsafe class MappedFile : IDisposable
{
    readonly MemoryMappedFile file;
    readonly MemoryMappedViewAccessor view;
    byte* start;

    MappedFile(MemoryMappedFile file, MemoryMappedViewAccessor view, long length)
    {
        (this.file, this.view, Length) = (file, view, length);
        // The pointer's reference count is what keeps the view's finalizer from unmapping it.
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
    }

    /// <summary>The bytes in the file.</summary>
    public long Length { get; }

    /// <summary>Maps a file that holds at least one byte.</summary>
    /// <exception cref="SoftmodelException">The file is missing, unreadable, a folder or empty.</exception>
    public static MappedFile Open(string path)
    {
        MemoryMappedFile? file = null;
        try
        {
            var info = new FileInfo(path);
            if (!info.Exists)
                throw new SoftmodelException($"{path}: there is no such file{(Directory.Exists(path) ? ", but a folder" : "")}; check the path");
            // Pipes and devices report no length, so that none of them is ever opened and waited for.
            var length = (info.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? info).Length;
            if (length == 0)
                throw new SoftmodelException($"{path}: the file is empty; fetch or export it again");
            file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
            return new MappedFile(file, file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read), length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            file?.Dispose();
            throw new SoftmodelException($"{path}: the file can't be read: {e.Message}", e);
        }
    }

    /// <summary>A part of the file.</summary>
    /// <param name="offset">Bytes before it.</param>
    /// <param name="length">Its bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">It does not lie inside the file.</exception>
    public ReadOnlyMemory<byte> Slice(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (offset < 0 || offset > Length - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, "the slice leaves the file");
        return new Window(this, offset, length).Memory;
    }

    /// <summary>Unmaps the file; slices throw from now on, and spans taken before are void.</summary>
    public void Dispose()
    {
        if (start is null)
            return;
        start = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }

    sealed class Window(MappedFile file, long offset, int length) : MemoryManager<byte>
    {
        byte* Start => file.start is null ? throw new ObjectDisposedException(nameof(MappedFile)) : file.start + offset;

        public override Memory<byte> Memory => CreateMemory(length);

        public override Span<byte> GetSpan() => new(Start, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(Start + elementIndex);

        public override void Unpin() { }

        protected override void Dispose(bool disposing) { }
    }
}
