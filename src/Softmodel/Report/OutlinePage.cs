using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Softmodel.Report;

/// <summary>Writes an outline as one page of HTML that needs nothing else: no network, no other file.</summary>
static class OutlinePage
{
    static readonly JsonSerializerOptions format = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, DictionaryKeyPolicy = null, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes it.</summary>
    /// <param name="outline">The outline.</param>
    /// <param name="counts">How many nodes there were before, for the heading.</param>
    /// <param name="sizes">The numbers for its symbols at first; the reader may change them.</param>
    /// <param name="to">Where to.</param>
    public static void Write(Outline outline, IReadOnlyList<(string What, int Count)> counts, IReadOnlyDictionary<string, double> sizes, TextWriter to)
    {
        var data = JsonSerializer.Serialize(new
        {
            outline.Name,
            Stage = outline.Stage.ToString().ToLowerInvariant(),
            Counts = counts.Select(c => new { c.What, c.Count }),
            outline.Sources,
            outline.Weights,
            outline.Inputs,
            outline.Outputs,
            Sizes = outline.Symbols.ToDictionary(s => s, s => sizes[s]),
            Parts = outline.Parts.Select(p => new { p.Title, p.Scope, p.Result, p.Detail, p.Nodes, p.Sources, p.Weights, Work = p.Work.ToJavaScript(), p.From, p.Kernel }),
            outline.Kernels,
            outline.Shared,
        }, format);
        // Within a page, "<" may begin a tag.
        var page = Template();
        var at = page.IndexOf(Place, StringComparison.Ordinal);
        to.Write(page[..at]);
        to.Write(data.Replace("<", "\\u003C", StringComparison.Ordinal));
        to.Write(page[(at + Place.Length)..]);
    }

    const string Place = "{{outline}}";

    static string Template()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Softmodel.Report.page.html")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
