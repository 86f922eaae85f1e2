using System.Buffers.Binary;
using System.ComponentModel;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Softmodel.Runtime;

/// <summary>
/// The weights of a compiled model, mapped from a file or lying in memory, read only. The file is a header of
/// <see cref="HeaderLength"/> bytes (the letters <c>SOFTMODL</c>, a 32-bit version, 4 bytes of zero, the 64-bit length of
/// the content, the SHA-256 of the content, a 64-bit checksum of it; numbers little-endian) and the content.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed unsafe partial class WeightsFile : IDisposable
{
    /// <summary>Bytes before the content; a multiple of <see cref="Arena.Alignment"/>.</summary>
    public const int HeaderLength = 64;

    /// <summary>The version that this code reads and writes.</summary>
    public const int Version = 2;

    const int HashAt = 24, HashLength = 32, ChecksumAt = HashAt + HashLength;

    // What is checked or hashed at once: few enough bytes to stay in a core's cache, and a multiple of a page.
    const int Piece = 1 << 20;

    static ReadOnlySpan<byte> Magic => "SOFTMODL"u8;

    // Linux: the pages are no longer needed, and are to be read from their file should they be touched again.
    const int DontNeed = 4;

    readonly MemoryMappedFile? file;
    readonly MemoryMappedViewAccessor? view;
    readonly bool isMapped;
    byte* start;

    WeightsFile(byte* start, long length, bool isMapped, ReadOnlySpan<byte> hash, string name)
    {
        Validate(start, length, hash, name);
        this.start = start;
        this.isMapped = isMapped;
        Length = length - HeaderLength;
    }

    WeightsFile(MemoryMappedFile file, MemoryMappedViewAccessor view, byte* start, long length, ReadOnlySpan<byte> hash, string name)
        : this(start, length, true, hash, name) => (this.file, this.view) = (file, view);

    /// <summary>Weights of a model that has none.</summary>
    public static WeightsFile None => new();

    WeightsFile() { }

    /// <summary>Maps a file. Pages are read when they are first used, and shared by all who map the file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="hash">The SHA-256 of the content that the model was compiled with, or empty for any.</param>
    /// <exception cref="ModelException">
    /// The file is missing, cut off, no weights file, or another model's. The content itself is not read here:
    /// see <see cref="Verify"/>.
    /// </exception>
    public static WeightsFile Open(string path, ReadOnlySpan<byte> hash = default)
    {
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(path, e.Message);
        }
        return Open(file, hash);
    }

    /// <summary>Maps a file that is open, and takes it over.</summary>
    /// <param name="file">The file.</param>
    /// <param name="hash">The SHA-256 of the content that the model was compiled with, or empty for any.</param>
    /// <inheritdoc cref="Open(string, ReadOnlySpan{byte})" path="/exception"/>
    public static WeightsFile Open(FileStream file, ReadOnlySpan<byte> hash = default)
    {
        MemoryMappedFile? mapped = null;
        MemoryMappedViewAccessor? view = null;
        try
        {
            var length = file.Length;
            if (length < HeaderLength)
                throw Refused(file.Name, $"it has {length} bytes, fewer than a header");
            mapped = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            view = mapped.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            return new WeightsFile(mapped, view, start, length, hash, file.Name);
        }
        catch (Exception e)
        {
            view?.Dispose();
            mapped?.Dispose();
            file.Dispose();
            throw e is IOException or UnauthorizedAccessException ? Refused(file.Name, e.Message) : e;
        }
    }

    /// <summary>Weights in a file without a name, which only this process can read, and which is gone when they are disposed of.</summary>
    /// <param name="content">Writes the content to a stream.</param>
    /// <exception cref="IOException">There is no room for it.</exception>
    public static WeightsFile Nameless(Action<Stream> content)
    {
        var path = Path.Combine(Path.GetTempPath(), $"softmodel-{Guid.NewGuid():N}.weights");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite | FileShare.Delete };
        if (OperatingSystem.IsWindows())
            options.Options = FileOptions.DeleteOnClose;
        else
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var file = new FileStream(path, options);
        try
        {
            if (!OperatingSystem.IsWindows())
                File.Delete(path);
            var hash = Write(file, content);
            file.Flush();
            return Open(file, hash);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Takes weights that lie in memory, header included, aligned to <see cref="Arena.Alignment"/>; the memory stays its owner's.</summary>
    /// <param name="start">The first byte of the header.</param>
    /// <param name="length">The bytes of header and content.</param>
    /// <param name="hash">The SHA-256 of the content that the model was compiled with, or empty for any.</param>
    /// <param name="isMapped">Whether the memory is a file's, mapped and never written to, so that <see cref="GiveBack"/> may give its pages back.</param>
    /// <inheritdoc cref="Open(string, ReadOnlySpan{byte})" path="/exception"/>
    public static WeightsFile At(byte* start, long length, ReadOnlySpan<byte> hash = default, bool isMapped = false)
    {
        if (start is null || (nint)start % Arena.Alignment != 0)
            throw Refused("", $"they are not aligned to {Arena.Alignment} bytes");
        if (length < HeaderLength)
            throw Refused("", $"they have {length} bytes, fewer than a header");
        return new WeightsFile(start, length, isMapped, hash, "");
    }

    /// <summary>The first byte of the content; null after <see cref="Dispose"/> and for a model without weights.</summary>
    public byte* Pointer => start is null ? null : start + HeaderLength;

    /// <summary>The bytes of the content.</summary>
    public long Length { get; }

    /// <summary>The SHA-256 of the content, as the header tells it.</summary>
    public ReadOnlySpan<byte> Hash => start is null ? default : new ReadOnlySpan<byte>(start + HashAt, HashLength);

    /// <summary>
    /// Reads the whole content and compares it with its checksum, about as fast as memory is read. What has been read is given
    /// back, so that it does not count as this process's memory.
    /// </summary>
    /// <exception cref="ModelException">They differ: the content has been damaged.</exception>
    public void Verify()
    {
        if (start is null)
            return;
        var sum = new Checksum();
        for (var at = 0L; at < Length; at += Piece)
        {
            var end = Math.Min(at + Piece, Length);
            sum.Add(new ReadOnlySpan<byte>(Pointer + at, (int)(end - at)));
            GiveBack(at, end);
        }
        if (sum.Value != BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(start + ChecksumAt, sizeof(ulong))))
            throw Refused("", "their content is damaged");
    }

    /// <summary>
    /// Gives the pages of a stretch of the content back to the system: they no longer count as this process's memory, and
    /// come back from the system's file cache, or from the file, when they are read again. Does nothing where the weights
    /// are not a mapped file, or the system is not Linux.
    /// </summary>
    /// <param name="from">The first byte of the stretch.</param>
    /// <param name="to">The end of the stretch; the page that it lies in is kept.</param>
    /// <exception cref="ArgumentOutOfRangeException">The stretch does not lie within the content.</exception>
    public void GiveBack(long from, long to)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from, to);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(to, Length);
        if (!isMapped || start is null || !OperatingSystem.IsLinux())
            return;
        var page = -(long)Environment.SystemPageSize;
        // What lies before the weights in their first page may be another's.
        var (first, end) = (Math.Max((long)(Pointer + from) & page, (long)(start - page - 1) & page), (long)(Pointer + to) & page);
        if (first < end)
            _ = Advise((void*)first, (nuint)(end - first), DontNeed);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint length, int advice);

    static byte[] Header(long length, ReadOnlySpan<byte> hash, ulong checksum)
    {
        var header = new byte[HeaderLength];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), Version);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), length);
        hash.CopyTo(header.AsSpan(HashAt));
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(ChecksumAt), checksum);
        return header;
    }

    /// <summary>Writes a weights file and returns the hash of its content.</summary>
    /// <param name="path">The file, which must not exist yet.</param>
    /// <param name="content">Writes the content to a stream.</param>
    /// <exception cref="IOException">The file exists or can't be written; nothing is left of it.</exception>
    public static byte[] Write(string path, Action<Stream> content)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite);
        try
        {
            return Write(file, content);
        }
        catch
        {
            file.Dispose();
            File.Delete(path);
            throw;
        }
    }

    static byte[] Write(FileStream file, Action<Stream> content)
    {
        file.Write(new byte[HeaderLength]);
        content(file);
        file.Position = HeaderLength;
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var sum = new Checksum();
        var piece = new byte[Piece];
        for (int count; (count = file.ReadAtLeast(piece, Piece, throwOnEndOfStream: false)) > 0;)
        {
            sha.AppendData(piece, 0, count);
            sum.Add(piece.AsSpan(0, count));
        }
        var hash = sha.GetHashAndReset();
        file.Position = 0;
        file.Write(Header(file.Length - HeaderLength, hash, sum.Value));
        return hash;
    }

    static void Validate(byte* start, long length, ReadOnlySpan<byte> hash, string name)
    {
        var header = new ReadOnlySpan<byte>(start, HeaderLength);
        if (!header.StartsWith(Magic))
            throw Refused(name, "they do not begin as weights do");
        if (BinaryPrimitives.ReadInt32LittleEndian(header[8..]) is var version && version != Version)
            throw Refused(name, $"they have version {version}, and this program reads version {Version}");
        if (BinaryPrimitives.ReadInt32LittleEndian(header[12..]) != 0)
            throw Refused(name, "their header is damaged");
        if (BinaryPrimitives.ReadInt64LittleEndian(header[16..]) is var content && content != length - HeaderLength)
            throw Refused(name, $"they should have {content} bytes after the header, and have {length - HeaderLength}");
        if (hash.Length > 0 && !hash.SequenceEqual(header.Slice(HashAt, HashLength)))
            throw Refused(name, "they belong to another model or another build of it");
    }

    static ModelException Refused(string name, string why) =>
        new(ModelError.Weights, $"the weights {(name.Length > 0 ? $"'{name}' " : "")}can't be used: {why}; build the model again or restore the file");

    /// <summary>Unmaps the file. Pointers into it are void.</summary>
    public void Dispose()
    {
        if (view is not null && start is not null)
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        start = null;
        view?.Dispose();
        file?.Dispose();
    }
}
