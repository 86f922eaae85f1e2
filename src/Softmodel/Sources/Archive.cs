using System.Formats.Tar;
using System.IO.Compression;

namespace Softmodel.Sources;

/// <summary>What is wanted of an archive.</summary>
/// <param name="Entry">The path of a file in it, below its top folder.</param>
/// <param name="Range">The bytes that are meant, or null for all.</param>
/// <param name="Target">The path of the file to write.</param>
sealed record Piece(string Entry, ByteRange? Range, string Target);

/// <summary>Reads compressed archives.</summary>
static class Archive
{
    /// <summary>
    /// Writes the wanted files. Names in the archive are only compared with those of the pieces, so that no entry,
    /// whatever its name or kind, can decide where something is written.
    /// </summary>
    /// <param name="path">A gzip-compressed tar archive.</param>
    /// <param name="pieces">What is wanted.</param>
    /// <param name="cancellationToken">Stops between blocks.</param>
    /// <exception cref="SoftmodelException">The archive is damaged, or lacks a piece.</exception>
    public static async Task Extract(string path, IReadOnlyList<Piece> pieces, CancellationToken cancellationToken)
    {
        var wanted = pieces.ToLookup(p => p.Entry, StringComparer.Ordinal);
        var written = new HashSet<Piece>();
        try
        {
            await using var file = File.OpenRead(path);
            await using var unpacked = new GZipStream(file, CompressionMode.Decompress);
            await using var tar = new TarReader(unpacked);
            while (written.Count < pieces.Count && await tar.GetNextEntryAsync(cancellationToken: cancellationToken) is { } entry)
            {
                if (entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile))
                    continue;
                // npm drops the first folder, whatever its name.
                var parts = wanted[entry.Name[(entry.Name.IndexOf('/') + 1)..]].OrderBy(p => p.Range?.Start ?? 0).ToArray();
                long position = 0;
                foreach (var piece in parts)
                {
                    var (start, end) = piece.Range is { } r ? (r.Start, r.End) : (0, entry.Length);
                    if (end > entry.Length)
                        throw new SoftmodelException($"'{piece.Entry}' in the archive has {entry.Length:N0} bytes; bytes up to {end:N0} were asked for");
                    if (start < position)
                        throw new SoftmodelException($"two of the ranges that were asked for in '{piece.Entry}' overlap");
                    await Copy(entry.DataStream, Stream.Null, start - position, cancellationToken);
                    await using (var target = File.Create(piece.Target))
                        await Copy(entry.DataStream, target, end - start, cancellationToken);
                    position = end;
                    written.Add(piece);
                }
            }
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new SoftmodelException($"the archive that came is damaged ({e.Message}); try again", e);
        }
        if (pieces.FirstOrDefault(p => !written.Contains(p)) is { } missing)
            throw new SoftmodelException($"the archive holds no file '{missing.Entry}'");
    }

    static async Task Copy(Stream? from, Stream to, long count, CancellationToken cancellationToken)
    {
        var buffer = new byte[Math.Min(count, 1 << 20)];
        while (count > 0)
        {
            var read = from is null ? 0 : await from.ReadAsync(buffer.AsMemory(0, (int)Math.Min(count, buffer.Length)), cancellationToken);
            if (read == 0)
                throw new EndOfStreamException("it ends within a file");
            await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            count -= read;
        }
    }
}
