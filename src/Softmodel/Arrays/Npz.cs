using System.IO.Compression;
using Softmodel.Graphs;

namespace Softmodel.Arrays;

/// <summary>NumPy's archive of several arrays by their names.</summary>
static class Npz
{
    const long MostBytes = int.MaxValue - 1024;

    /// <summary>The arrays of an archive.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Each array with its name, and how errors call it.</returns>
    /// <exception cref="SoftmodelException">The file is not there, is damaged, or holds what no tensor holds.</exception>
    public static List<(string Name, Tensor Tensor, string Where)> Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            using var zip = new ZipArchive(file);
            return [.. zip.Entries.Where(e => e.Name.EndsWith(".npy", StringComparison.Ordinal)).Select(entry =>
            {
                var where = $"'{entry.FullName}' in {path}";
                if (entry.Length > MostBytes)
                    throw new SoftmodelException($"{where} has {entry.Length:N0} bytes; at most {MostBytes:N0} can be read");
                using var stream = entry.Open();
                // The size in the archive is only a claim: memory grows with what really comes.
                using var content = new MemoryStream();
                stream.CopyTo(content);
                return (entry.FullName[..^4], Npy.Read(content.GetBuffer().AsMemory(0, (int)content.Length), where), where);
            })];
        }
        catch (InvalidDataException e)
        {
            throw new SoftmodelException($"{path} is damaged: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Npy.Unreadable(path, e);
        }
    }

    /// <summary>Writes an archive; its arrays are not compressed.</summary>
    public static void Write(Stream stream, IReadOnlyList<(string Name, Tensor Tensor)> tensors)
    {
        using var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        foreach (var (name, tensor) in tensors)
        {
            using var entry = zip.CreateEntry(name + ".npy", CompressionLevel.NoCompression).Open();
            Npy.Write(entry, tensor);
        }
    }
}
