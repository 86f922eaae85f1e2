namespace Softmodel.Cli;

/// <summary>Files that are there whole or not at all.</summary>
static class WholeFile
{
    /// <summary>Tells before any work is done whether a file can't be one.</summary>
    /// <exception cref="SoftmodelException">It is a folder, or there is none that it could lie in.</exception>
    public static void Check(string path)
    {
        if (Directory.Exists(path))
            throw new SoftmodelException($"'{path}' is a folder: name a file in it");
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
            throw new SoftmodelException($"'{path}' can't be written: there is no folder '{folder}'");
    }

    /// <summary>Tells before any work is done whether a folder can't be one.</summary>
    /// <exception cref="SoftmodelException">It is a file.</exception>
    public static void CheckFolder(string path)
    {
        if (File.Exists(path))
            throw new SoftmodelException($"'{path}' is a file: name a folder");
    }

    /// <summary>Writes a file; one that is there is replaced only when the new one is whole.</summary>
    /// <exception cref="SoftmodelException">It can't be written.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        Check(path);
        var part = $"{path}.{Guid.NewGuid():N}.part";
        try
        {
            using (var stream = File.Create(part))
                write(stream);
            File.Move(part, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{path}' can't be written: {e.Message}", e);
        }
        finally
        {
            File.Delete(part);
        }
    }
}
