using System.Security.Cryptography;
using System.Text;

namespace Softmodel.Sources;

/// <summary>
/// SHA-256 of files. What was hashed once is remembered in the cache for as long as the file is untouched: see
/// <see cref="FileState.Identity"/>. A file that was changed within the last second is not remembered, as it may change again
/// without another time, and nothing is where the system tells of no such times.
/// </summary>
static class FileHashes
{
    const int Piece = 1 << 20;

    static readonly TimeSpan settled = TimeSpan.FromSeconds(1);

    /// <summary>The hash of a file's bytes, or of all files of a folder with their names, in hexadecimal digits.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="cache">The folder of all caches; null where nothing is remembered.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static string Of(string path, string? cache, CancellationToken cancellationToken = default)
    {
        if (Directory.Exists(path))
        {
            var all = string.Concat(Directory.EnumerateFiles(path).Order(StringComparer.Ordinal).Select(f => $"{Path.GetFileName(f)} {Of(f, cache, cancellationToken)}\n"));
            return OfText(all);
        }
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 0);
        return Of(file, cache, cancellationToken);
    }

    /// <summary>The hash of an open file's bytes.</summary>
    /// <inheritdoc cref="Of(string, string?, CancellationToken)"/>
    public static string Of(FileStream file, string? cache, CancellationToken cancellationToken = default)
    {
        var state = FileState.Of(file.SafeFileHandle);
        var record = cache is null || state is null ? null : Record(file.Name, cache);
        if (record is not null && Remembered(record, state!.Value.Identity) is { } known)
            return known;
        var since = DateTime.UtcNow;
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new byte[Math.Clamp(file.Length, 1, Piece)];
        file.Position = 0;
        for (int count; (count = file.Read(piece)) > 0;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            sha.AppendData(piece, 0, count);
        }
        var hash = Convert.ToHexStringLower(sha.GetHashAndReset());
        if (record is not null && since - state!.Value.Changed > settled)
            OwnFolder.TryWrite(record, Sealed($"{state.Value.Identity} {hash}"));
        return hash;
    }

    /// <summary>The hash of a text in UTF-8, in hexadecimal digits.</summary>
    public static string OfText(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>Drops the remembered hash of a file, or of all files of a folder, so that they are read when their hash is asked for.</summary>
    public static void Invalidate(string path, string? cache)
    {
        foreach (var file in Directory.Exists(path) ? Directory.EnumerateFiles(path) : [path])
        {
            if (cache is not null && Record(file, cache) is var record && File.Exists(record))
                File.Delete(record);
        }
    }

    static string Record(string path, string cache) => Path.Combine(cache, "hashes", OfText(Path.GetFullPath(path))[..32]);

    static string? Remembered(string record, string identity)
    {
        if (OwnFolder.TryRead(record) is not { } bytes)
            return null;
        var text = Encoding.ASCII.GetString(bytes);
        var known = text.Length > HashLength ? text[..^HashLength].TrimEnd() : "";
        return Sealed(known) == text && known.StartsWith(identity + " ", StringComparison.Ordinal) && known.Length == identity.Length + 1 + HashLength ? known[^HashLength..] : null;
    }

    const int HashLength = SHA256.HashSizeInBytes * 2;

    /// <summary>A line, and its hash: a record is as easily damaged as what it tells of.</summary>
    static string Sealed(string line) => $"{line}\n{OfText(line)}";
}
