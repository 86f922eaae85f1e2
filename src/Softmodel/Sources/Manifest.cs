using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Softmodel.Sources;

/// <summary>A file of the cache is not as it was written.</summary>
/// <param name="file">Its name.</param>
sealed class DamageException(string file) : IOException($"'{file}' is damaged")
{
    /// <summary>Its name.</summary>
    public string File => file;
}

/// <summary>
/// What a folder of the cache holds: the key of what it was made of, and the length and hash of every file. It lies in the folder
/// as a file whose first line is the hash of the others.
/// </summary>
/// <param name="Folder">The folder.</param>
/// <param name="Key">What it was made of.</param>
/// <param name="Files">Length and SHA-256 of the files by their paths below the folder, with <c>/</c> between folders.</param>
sealed record Manifest(string Folder, string Key, IReadOnlyDictionary<string, (long Bytes, string Sha256)> Files)
{
    /// <summary>The name of its file.</summary>
    public const string Name = "manifest";

    /// <summary>Hashes what a folder holds, and lists it there.</summary>
    /// <param name="folder">The folder; a manifest that it has is replaced.</param>
    /// <param name="key">What it was made of.</param>
    /// <param name="cache">Where hashes are remembered; null where they are not.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static void Write(string folder, string key, string? cache = null, CancellationToken cancellationToken = default)
    {
        var text = new StringBuilder($"{OneLine(key)}\n");
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var name = Path.GetRelativePath(folder, path).Replace('\\', '/');
            if (name != Name && !name.Contains('\n'))
                text.Append(CultureInfo.InvariantCulture, $"{FileHashes.Of(path, cache, cancellationToken)} {new FileInfo(path).Length} {name}\n");
        }
        var part = Path.Combine(folder, $"{Name}.{Guid.NewGuid():N}");
        OwnFolder.Write(part, $"{FileHashes.OfText(text.ToString())}\n{text}");
        File.Move(part, Path.Combine(folder, Name), overwrite: true);
    }

    /// <summary>The manifest of a folder; null where it has none.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="key">What it must have been made of; null for anything.</param>
    /// <exception cref="DamageException">It is damaged, or another folder's.</exception>
    public static Manifest? Read(string folder, string? key)
    {
        if (!File.Exists(Path.Combine(folder, Name)))
            return null;
        if (OwnFolder.TryRead(Path.Combine(folder, Name)) is not { } bytes)
            throw new DamageException(Name);
        var start = bytes.AsSpan().IndexOf((byte)'\n') + 1;
        var lines = Encoding.UTF8.GetString(bytes.AsSpan(start)).Split('\n');
        if (lines.Length < 2 || (key is not null && lines[0] != OneLine(key)) || Encoding.ASCII.GetString(bytes, 0, start) != $"{Hash(bytes.AsSpan(start))}\n")
            throw new DamageException(Name);
        var files = lines[1..^1].Select(l => l.Split(' ', 3)).ToDictionary(p => p[2], p => (long.Parse(p[1], CultureInfo.InvariantCulture), p[0]), StringComparer.Ordinal);
        return new(folder, lines[0], files);
    }

    static string OneLine(string key) => key.ReplaceLineEndings(" ");

    static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>The bytes of a file, which were hashed as they are.</summary>
    /// <exception cref="DamageException">It is missing or damaged, or another user can write to it.</exception>
    public byte[] Bytes(string name) =>
        OwnFolder.TryRead(Path.Combine(Folder, name)) is { } bytes && Files.TryGetValue(name, out var file) && Hash(bytes) == file.Sha256
            ? bytes : throw new DamageException(name);

    /// <summary>A file, opened and found to be as it was written: read in whole, or untouched since it was.</summary>
    /// <param name="name">Its path below the folder.</param>
    /// <param name="cache">Where hashes are remembered; null where they are not.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="DamageException">It is missing or damaged.</exception>
    public FileStream Open(string name, string? cache, CancellationToken cancellationToken = default)
    {
        FileStream? stream = null;
        try
        {
            stream = new FileStream(Path.Combine(Folder, name), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 0);
            if (Files.TryGetValue(name, out var file) && stream.Length == file.Bytes && FileHashes.Of(stream, cache, cancellationToken) == file.Sha256)
                return stream;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What can't be read is as good as damaged.
        }
        catch
        {
            stream?.Dispose();
            throw;
        }
        stream?.Dispose();
        throw new DamageException(name);
    }

    /// <summary>Looks at every file as <see cref="Open"/> does.</summary>
    /// <inheritdoc cref="Open" path="/exception"/>
    public void Check(string? cache, CancellationToken cancellationToken = default)
    {
        foreach (var name in Files.Keys)
            Open(name, cache, cancellationToken).Dispose();
    }
}
