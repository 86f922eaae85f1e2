namespace Softmodel.Report;

/// <summary>
/// Where in a model a node lies, as its name tells: exporters write <c>/dec/ups.0/Conv</c>, or <c>dec.ups.0.Conv</c>, for a
/// convolution within <c>ups.0</c> within <c>dec</c>.
/// </summary>
static class Scopes
{
    /// <summary>The names of the scopes, outermost first; none where the name does not tell.</summary>
    /// <param name="source">What a node of a graph says of its source, such as <c>Conv '/dec/ups.0/Conv'</c>.</param>
    public static string[] Of(string source)
    {
        var parts = Name(source).Split('/', StringSplitOptions.RemoveEmptyEntries);
        return parts.Length > 1 ? parts[..^1] : [];
    }

    /// <summary>The name of the model's node.</summary>
    public static string Name(string source)
    {
        var end = source.LastIndexOf('\'');
        var start = end > 0 ? source.LastIndexOf('\'', end - 1) : -1;
        return start >= 0 ? source[(start + 1)..end] : "";
    }
}
