using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Softmodel.Bench.Coverage;

/// <summary>How many lines of a room can be run, and how many were.</summary>
/// <param name="Room">The room, as <c>Softmodel/Graphs</c>.</param>
/// <param name="Lines">The lines that hold code.</param>
/// <param name="Covered">Those that a test reached.</param>
sealed record RoomCoverage(string Room, int Lines, int Covered)
{
    /// <summary>The share that was reached, from 0 to 1.</summary>
    public double Share => Lines == 0 ? 0 : Math.Round((double)Covered / Lines, 4);
}

/// <summary>Adds up reports of several test runs: a line that any of them reached was reached.</summary>
static class LineCoverage
{
    /// <summary>The rooms of <c>src/</c> in the order of their names, and last all of it, whose name is <c>src</c>.</summary>
    /// <param name="reports">Reports in Cobertura's format.</param>
    /// <exception cref="SoftmodelException">One can't be read, or there is none.</exception>
    public static RoomCoverage[] Of(IReadOnlyList<string> reports)
    {
        var hits = new Dictionary<(string File, int Line), bool>();
        foreach (var report in reports)
        {
            foreach (var (file, line, isHit) in Read(report))
                hits[(file, line)] = isHit || hits.GetValueOrDefault((file, line));
        }
        if (hits.Count == 0)
            throw new SoftmodelException($"there is no line in {string.Join(", ", reports)}: run the tests with coverage first");
        var rooms = hits.GroupBy(h => RoomOf(h.Key.File)).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => new RoomCoverage(g.Key, g.Count(), g.Count(h => h.Value)));
        return [.. rooms, new("src", hits.Count, hits.Count(h => h.Value))];
    }

    static IEnumerable<(string File, int Line, bool IsHit)> Read(string report)
    {
        XDocument document;
        try
        {
            document = XDocument.Load(report);
        }
        catch (Exception e) when (e is IOException or XmlException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{report}' is no report of coverage: {e.Message}", e);
        }
        var source = document.Descendants("source").FirstOrDefault()?.Value ?? "";
        return from type in document.Descendants("class")
               let file = Within(Path.Combine(source, type.Attribute("filename")!.Value))
               where file is not null
               from line in type.Elements("lines").Elements("line")
               select (file, int.Parse(line.Attribute("number")!.Value, CultureInfo.InvariantCulture), line.Attribute("hits")!.Value != "0");
    }

    /// <summary>The path within <c>src/</c>; null for what lies elsewhere or is written by a generator.</summary>
    static string? Within(string path)
    {
        var parts = path.Replace('\\', '/').Split('/');
        var src = Array.LastIndexOf(parts, "src");
        return src >= 0 && !parts.Contains("obj") ? string.Join('/', parts[(src + 1)..]) : null;
    }

    static string RoomOf(string file) => file.Split('/') is [var project, var room, _, ..] ? $"{project}/{room}" : file.Split('/')[0];
}
