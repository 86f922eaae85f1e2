using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Softmodel.Sources;

/// <summary>What the system knows of a file or folder without reading it.</summary>
/// <param name="Identity">
/// Device, inode, length, and the times of the last change of content and of status in nanoseconds. Whoever writes to a file
/// changes the last of these, and nobody but the system's clock can set it; a copy is another inode.
/// </param>
/// <param name="Changed">The time of the last change of status.</param>
/// <param name="Owner">The number of its owner.</param>
/// <param name="Mode">Its type and permissions.</param>
readonly partial record struct FileState(string Identity, DateTime Changed, uint Owner, uint Mode)
{
    const int EmptyPath = 0x1000, CurrentFolder = -100, Size = 256;
    const uint Basic = 0x7ff;

    /// <summary>Whether nobody but this user and the system's administrator can write to it.</summary>
    public bool IsOwn => (Owner == 0 || Owner == EffectiveUser()) && (Mode & (int)(UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) == 0;

    /// <summary>The state of an open file; null where the system is not Linux, or does not tell.</summary>
    public static FileState? Of(SafeFileHandle file) => OperatingSystem.IsLinux() ? Read(file.DangerousGetHandle().ToInt32(), "", EmptyPath) : null;

    /// <summary>The state of a file or folder, which a symbolic link may stand for; null where there is none, the system is not Linux, or does not tell.</summary>
    public static FileState? Of(string path) => OperatingSystem.IsLinux() ? Read(CurrentFolder, path, 0) : null;

    static unsafe FileState? Read(int folder, string path, int flags)
    {
        var state = stackalloc byte[Size];
        if (Status(folder, path, flags, Basic, state) != 0)
            return null;
        var bytes = new ReadOnlySpan<byte>(state, Size);
        uint Number(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
        long Long(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
        var (seconds, nanoseconds) = (Long(bytes, 96), Number(bytes, 104));
        var identity = string.Create(CultureInfo.InvariantCulture,
            $"{Number(bytes, 136)}:{Number(bytes, 140)} {Long(bytes, 32)} {Long(bytes, 40)} {Long(bytes, 112)}.{Number(bytes, 120):D9} {seconds}.{nanoseconds:D9}");
        return new(identity, DateTime.UnixEpoch.AddSeconds(Math.Clamp(seconds, 0, uint.MaxValue)).AddTicks(nanoseconds / 100), Number(bytes, 20), BinaryPrimitives.ReadUInt16LittleEndian(bytes[28..]));
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Status(int folder, string path, int flags, uint mask, byte* state);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();
}
