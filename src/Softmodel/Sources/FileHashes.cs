using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Softmodel.Sources;

/// <summary>
/// SHA-256 of files. What was hashed once is remembered in the cache, and holds as long as the file has the same length and the
/// same time of its last change; a file that was changed within the last second is not remembered, as it may change again
/// without another time.
/// </summary>
static class FileHashes
{
    const int Piece = 1 << 20;

    static readonly TimeSpan settled = TimeSpan.FromSeconds(1);

    /// <summary>The hash of a file's bytes, or of all files of a folder with their names, in hexadecimal digits.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="cache">The folder of all caches; null where nothing is remembered.</param>
    /// <param name="cancel">Stops it.</param>
    public static string Of(string path, string? cache, CancellationToken cancel = default)
    {
        path = Path.GetFullPath(path);
        if (Directory.Exists(path))
        {
            var all = string.Concat(Directory.EnumerateFiles(path).Order(StringComparer.Ordinal).Select(f => $"{Path.GetFileName(f)} {Of(f, cache, cancel)}\n"));
            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(all)));
        }
        var file = new FileInfo(path);
        var state = string.Create(CultureInfo.InvariantCulture, $"{file.Length} {file.LastWriteTimeUtc.Ticks}");
        var record = cache is null ? null : Path.Combine(cache, "hashes", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(path)))[..32]);
        if (record is not null && Read(record) is { } known && known.StartsWith(state + " ", StringComparison.Ordinal) && known.Length == state.Length + 1 + SHA256.HashSizeInBytes * 2)
            return known[(state.Length + 1)..];
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 0);
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new byte[Piece];
        for (int count; (count = stream.Read(piece)) > 0;)
        {
            cancel.ThrowIfCancellationRequested();
            sha.AppendData(piece, 0, count);
        }
        var hash = Convert.ToHexStringLower(sha.GetHashAndReset());
        if (record is not null && DateTime.UtcNow - file.LastWriteTimeUtc > settled)
            Write(record, $"{state} {hash}");
        return hash;
    }

    static string? Read(string record)
    {
        try
        {
            return File.Exists(record) ? File.ReadAllText(record) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Where it can't be remembered it is computed again.</summary>
    static void Write(string record, string text)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(record)!);
            var part = $"{record}.{Guid.NewGuid():N}";
            File.WriteAllText(part, text);
            File.Move(part, record, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }
}
