using Softmodel.Graphs;

namespace Softmodel.Trace;

/// <summary>Numbers of layers as a picture.</summary>
/// <param name="Title">What is shown.</param>
/// <param name="Columns">What the columns are.</param>
/// <param name="Rows">The layers, each with a number for each column.</param>
sealed record LayerGrid(string Title, string[] Columns, (int Layer, double[] Values)[] Rows)
{
    /// <summary>The pictures of what was found: layers × parts of each role, by their scores, and layers × positions, by what cutting all parts there costs the use.</summary>
    public static LayerGrid[] Of(Traced traced)
    {
        var grids = new List<LayerGrid>();
        foreach (var (role, _) in traced.Parts)
        {
            var sites = traced.Sites.Where(s => s.Use.Site.Role == role).ToArray();
            string[] columns = [.. Enumerable.Range(0, sites.Max(s => s.Use.Site.Parts)).Select(i => $"{i}")];
            grids.Add(new($"layers × {Roles.NameOf(role)}", columns, [.. sites.Select(s => (s.Use.Site.Layer, Enumerable.Range(0, s.Use.Site.Parts).Select(i => ScoredPart.Of(s.Use, s.Against, i).Score).ToArray()))]));
        }
        // The first, and then those before the last.
        int[] positions = [.. traced.Sites.SelectMany(s => s.Use.Positions.Keys).Distinct().OrderBy(p => p == Place.First ? int.MinValue : -p)];
        grids.Add(new("layers × positions", [.. positions.Select(p => p == Place.First ? "first" : $"-{p}")], [.. traced.Sites.GroupBy(s => s.Use.Site.Layer).OrderBy(g => g.Key)
            .Select(g => (g.Key, positions.Select(p => g.Sum(s => s.Use.Positions.GetValueOrDefault(p))).ToArray()))]));
        return [.. grids];
    }

    /// <summary>At most so many columns: the largest number of each that come together.</summary>
    public LayerGrid Narrowed(int columns)
    {
        if (Columns.Length <= columns)
            return this;
        var size = (Columns.Length + columns - 1) / columns;
        return new(Title, [.. Columns.Chunk(size).Select(c => c.Length == 1 ? c[0] : $"{c[0]}…{c[^1]}")], [.. Rows.Select(r => (r.Layer, r.Values.Chunk(size).Select(c => c.Max()).ToArray()))]);
    }

    /// <summary>The largest number, at least a little above 0.</summary>
    public double Most => Math.Max(Rows.SelectMany(r => r.Values).DefaultIfEmpty(0).Max(), 1e-9);
}
