namespace Softmodel.Sources;

/// <summary>What a model may be used for.</summary>
/// <param name="Spdx">The licence by its SPDX name, or null where the source doesn't say.</param>
/// <param name="Note">What else there is to know, or null.</param>
/// <param name="TextFile">The file beside the model that holds its text, or states it; null where there is none.</param>
public sealed record ModelLicence(string? Spdx, string? Note = null, string? TextFile = null);

/// <summary>A file of a model, on this machine.</summary>
/// <param name="Role">What it is for: <c>model</c>, <c>tokens</c>, <c>lexicon</c>, <c>g2p</c>, <c>metadata</c>, <c>encoder</c>, ...</param>
/// <param name="Path">Its full path.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Sha256">Its hash in hexadecimal digits, checked; null for files of the user's own, which are not hashed.</param>
public sealed record ModelFile(string Role, string Path, long Bytes, string? Sha256);

/// <summary>A model on this machine, ready to be read.</summary>
/// <param name="Name">Its name in the catalogue, or the source that it came from.</param>
/// <param name="Folder">Where its files lie. They belong to the cache: read them, and leave them as they are.</param>
/// <param name="Files">The files by role, the main one first.</param>
/// <param name="Licence">What it may be used for.</param>
public sealed record ResolvedModel(string Name, string Folder, IReadOnlyList<ModelFile> Files, ModelLicence Licence)
{
    /// <summary>The full path of the file that holds the network, or the first of its networks.</summary>
    public string MainFile => Files[0].Path;

    /// <summary>The full path of the file with a role, or null.</summary>
    public string? Find(string role) => Files.FirstOrDefault(f => f.Role == role)?.Path;

    /// <summary>The full path of the file with a role.</summary>
    /// <exception cref="SoftmodelException">The model has none.</exception>
    public string File(string role) =>
        Find(role) ?? throw new SoftmodelException($"{Name} has no file for '{role}'; it has {string.Join(", ", Files.Select(f => f.Role))}");
}

/// <summary>How far a fetch is.</summary>
/// <param name="Model">The name of the model, or its source.</param>
/// <param name="Step">What is being done, such as <c>fetching</c>.</param>
/// <param name="Bytes">How many bytes came.</param>
/// <param name="Total">How many there will be, or null where that is not known.</param>
public readonly record struct FetchProgress(string Model, string Step, long Bytes, long? Total);
