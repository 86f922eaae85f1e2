using System.Text;

namespace Softmodel.Sources;

/// <summary>Folders of the cache that nobody but this user can write to, and what lies in them.</summary>
static class OwnFolder
{
    const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Makes a folder, or takes from others the right to write to one that is there.</summary>
    /// <returns>Whether it is this user's, or the system's administrator's, alone.</returns>
    /// <exception cref="IOException">It can't be made.</exception>
    public static bool Make(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return true;
        }
        if (Path.GetDirectoryName(path) is { } above)
            Directory.CreateDirectory(above);
        Directory.CreateDirectory(path, Private);
        if (FileState.Of(path) is { IsOwn: false })
        {
            try
            {
                File.SetUnixFileMode(path, Private);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It is another user's.
            }
        }
        return FileState.Of(path) is not { IsOwn: false };
    }

    /// <summary>A file's bytes; null where there is none, or it can't be read, or another user can write to it.</summary>
    public static byte[]? TryRead(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 0);
            if (FileState.Of(file.SafeFileHandle) is { IsOwn: false })
                return null;
            var bytes = new byte[file.Length];
            return file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) == bytes.Length ? bytes : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Writes a file whole or not at all. Where it can't be written it is done without.</summary>
    public static void TryWrite(string path, string text)
    {
        var part = $"{path}.{Guid.NewGuid():N}";
        try
        {
            if (!Make(Path.GetDirectoryName(path)!))
                return;
            Write(part, text);
            File.Move(part, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(part))
                File.Delete(part);
        }
    }

    /// <summary>Writes a new file that nobody else can write to.</summary>
    public static void Write(string path, string text) => Write(path, Encoding.UTF8.GetBytes(text));

    /// <inheritdoc cref="Write(string, string)"/>
    public static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var file = new FileStream(path, options);
        file.Write(bytes);
    }
}
