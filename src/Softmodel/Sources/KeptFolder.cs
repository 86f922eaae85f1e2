namespace Softmodel.Sources;

/// <summary>
/// Folders of the cache, each made of something that its key names, and named after the hash of that. A folder is complete from the moment that it has its name,
/// so that processes may look for it and make it at once; what is damaged in it is noticed when it is opened, and made again.
/// </summary>
static class KeptFolder
{
    /// <summary>What a folder holds, which is made where it is missing or damaged.</summary>
    /// <param name="folders">Where it lies; this user's own.</param>
    /// <param name="key">What it is made of.</param>
    /// <param name="what">What it is, for people.</param>
    /// <param name="open">Opens it with the checks of its manifest; null where it is sound but not what is wanted any more.</param>
    /// <param name="make">Makes it in a folder that is empty.</param>
    /// <param name="cancellationToken">Stops before it is kept.</param>
    /// <exception cref="IOException">It can't be written.</exception>
    public static T Get<T>(string folders, string key, string what, Func<Manifest, T?> open, Action<string> make, CancellationToken cancellationToken) where T : class
    {
        var folder = Path.Combine(folders, FileHashes.OfText(key)[..32]);
        var (kept, damaged) = Open(folder, key, open);
        if (kept is not null)
            return kept;
        var stage = Path.Combine(folders, $".{Path.GetFileName(folder)}-{Guid.NewGuid():N}");
        try
        {
            OwnFolder.Make(stage);
            make(stage);
            cancellationToken.ThrowIfCancellationRequested();
            Close(stage);
            Manifest.Write(stage, key, cancellationToken: cancellationToken);
            // Another process may have been quicker, or be at it: its folder is the same.
            for (var tries = 0; (kept = Open(folder, key, open).Kept) is null; tries++)
            {
                if (tries == 4)
                    throw new IOException($"what was just written to '{folder}' is not what lies there; check the disk, and whether another program empties the cache");
                Place(stage, folder);
            }
        }
        finally
        {
            Remove(stage);
        }
        if (damaged is not null)
            Repairs.Tell($"the cached {what} was damaged ({damaged}) and has been made again");
        return kept;
    }

    /// <summary>Opens a folder; tells the damaged file where there is one.</summary>
    static (T? Kept, string? Damaged) Open<T>(string folder, string key, Func<Manifest, T?> open) where T : class
    {
        try
        {
            if (Manifest.Read(folder, key) is not { } manifest)
                return (null, Directory.Exists(folder) ? Manifest.Name : null);
            return FileState.Of(folder) is { IsOwn: false } ? (null, "others can write to its folder") : (open(manifest), null);
        }
        catch (DamageException e)
        {
            return (null, e.File);
        }
    }

    /// <summary>Takes from others the right to write to what a folder holds, which the user's habits may give them.</summary>
    static void Close(string stage)
    {
        if (OperatingSystem.IsWindows())
            return;
        foreach (var file in Directory.EnumerateFiles(stage, "*", SearchOption.AllDirectories))
            File.SetUnixFileMode(file, File.GetUnixFileMode(file) & ~(UnixFileMode.GroupWrite | UnixFileMode.OtherWrite));
    }

    /// <summary>Gives a folder its name; what has it now goes.</summary>
    static void Place(string stage, string folder)
    {
        var old = $"{stage}-old";
        try
        {
            if (Directory.Exists(folder))
                Directory.Move(folder, old);
            Directory.Move(stage, folder);
        }
        catch (IOException) when (Directory.Exists(folder) || !Directory.Exists(old))
        {
            // Another process does the same.
        }
        finally
        {
            Remove(old);
        }
    }

    static void Remove(string folder)
    {
        // On Unix what is mapped stays until it is unmapped.
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }
}
