namespace Softmodel.Sources;

/// <summary>A folder of the cache, read in whole.</summary>
/// <param name="Folder">Its path below the cache.</param>
/// <param name="Files">How many files it holds.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Damaged">The file that is not as it was written; null where all are.</param>
sealed record CacheCheck(string Folder, int Files, long Bytes, string? Damaged)
{
    static readonly string[] remade = ["compiled", "native", "lexicons", "peers"];

    /// <summary>
    /// Reads every file of the cache, whatever is remembered of it: what a disk has changed by itself shows in no time of change.
    /// What is damaged is removed, or forgotten where it was fetched, so that it is made or fetched again at its next use.
    /// </summary>
    /// <param name="cache">The folder of all caches.</param>
    /// <param name="progress">Is told which folder is read.</param>
    /// <param name="cancellationToken">Stops between files.</param>
    /// <exception cref="IOException">What is damaged can't be removed.</exception>
    public static IReadOnlyList<CacheCheck> All(string cache, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        var found = new List<CacheCheck>();
        foreach (var kind in remade.Prepend("models").Where(k => Directory.Exists(Path.Combine(cache, k))))
        {
            foreach (var folder in Directory.GetDirectories(Path.Combine(cache, kind)).Where(f => Path.GetFileName(f)[0] != '.' && File.Exists(Path.Combine(f, Manifest.Name))).Order(StringComparer.Ordinal))
            {
                progress?.Report($"reading {Path.GetFileName(folder)}");
                found.Add(Read(cache, folder, cancellationToken));
                if (found[^1].Damaged is null)
                    continue;
                foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
                    FileHashes.Invalidate(file, cache);
                if (remade.Contains(kind))
                    Directory.Delete(folder, recursive: true);
            }
        }
        return found;
    }

    static CacheCheck Read(string cache, string folder, CancellationToken cancellationToken)
    {
        var files = Directory.GetFiles(folder, "*", SearchOption.AllDirectories);
        string? damaged = null;
        try
        {
            Manifest.Read(folder, key: null)?.Check(null, cancellationToken);
        }
        catch (DamageException e)
        {
            damaged = e.File;
        }
        return new(Path.GetRelativePath(cache, folder), files.Length, files.Sum(f => new FileInfo(f).Length), damaged);
    }
}
