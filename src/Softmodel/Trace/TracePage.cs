using System.Globalization;
using System.Net;
using Softmodel.Graphs;

namespace Softmodel.Trace;

/// <summary>What was found as a page of HTML that needs nothing else.</summary>
static class TracePage
{
    const int MostColumns = 256;

    /// <summary>Writes the page.</summary>
    /// <param name="model">What the model is called.</param>
    /// <param name="use">What the use is called.</param>
    /// <param name="against">What the contrast set is called.</param>
    /// <param name="traced">What was found.</param>
    /// <param name="to">Where it is written.</param>
    public static void Write(string model, string use, string against, Traced traced, TextWriter to)
    {
        static string Said(string text) => WebUtility.HtmlEncode(text);
        to.Write($$"""
            <!DOCTYPE html>
            <html lang="en"><meta charset="utf-8"><title>{{Said(model)}}: {{Said(use)}}</title>
            <style>body { font: 14px system-ui, sans-serif; margin: 2em; } table { border-collapse: collapse; } td, th { padding: .2em .8em; text-align: right; } tr { border-bottom: 1px solid #ddd; } th:first-child, td:first-child { text-align: left; } svg text { font-size: 9px; fill: #555; }</style>
            <h1>{{Said(model)}}</h1>
            <p>What {{Said(use)}} needs, and {{Said(against)}} does not. Red parts cost the use when they are cut, more than they change the other; blue ones change the other more.</p>

            """);
        foreach (var grid in LayerGrid.Of(traced))
            Picture(grid.Narrowed(MostColumns), to);
        to.Write("<h2>Cuts</h2>\n<table><tr><th>cut<th>parts<th>use<th>right<th>other<th>right</tr>\n");
        Line("nothing", "", Spread.Of([traced.Before.Use.Measure]), Spread.Of([traced.Before.Use.Accuracy]), Spread.Of([traced.Before.Against.Measure]), Spread.Of([traced.Before.Against.Accuracy]));
        foreach (var a in traced.Ablations)
            Line(a.Cut, $"{a.Count} {Roles.NameOf(a.Role)}", a.Use, a.UseAccuracy, a.Against, a.AgainstAccuracy);
        to.Write("</table>\n");

        void Line(string cut, string parts, Spread use, Spread useRight, Spread other, Spread otherRight) =>
            to.Write($"<tr><td>{Said(cut)}<td>{Said(parts)}<td>{use.Text("0.00")}<td>{useRight.Text("0 %")}<td>{other.Text("0.00")}<td>{otherRight.Text("0 %")}</tr>\n");
    }

    static void Picture(LayerGrid grid, TextWriter to)
    {
        const int left = 40, top = 14;
        var (width, height) = (Math.Clamp(900 / grid.Columns.Length, 3, 24), 14);
        var most = grid.Rows.SelectMany(r => r.Values).Select(Math.Abs).DefaultIfEmpty(0).Max();
        to.Write($"<h2>{grid.Title}</h2>\n<svg width=\"{left + width * grid.Columns.Length}\" height=\"{top + height * grid.Rows.Length}\">\n");
        for (var column = 0; column < grid.Columns.Length; column += Math.Max(1, 60 / width))
            to.Write($"<text x=\"{left + column * width}\" y=\"{top - 4}\">{grid.Columns[column]}</text>");
        foreach (var ((layer, values), row) in grid.Rows.Select((r, i) => (r, i)))
        {
            to.Write($"<text x=\"0\" y=\"{top + row * height + 10}\">{layer}</text>");
            for (var column = 0; column < values.Length; column++)
            {
                // The root shows what is small, too.
                var shade = most > 0 ? (int)(255 * (1 - Math.Sqrt(Math.Abs(values[column]) / most))) : 255;
                var colour = values[column] >= 0 ? $"#ff{shade:x2}{shade:x2}" : $"#{shade:x2}{shade:x2}ff";
                if (shade < 250)
                    to.Write($"<rect x=\"{left + column * width}\" y=\"{top + row * height}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"><title>layer {layer}, {grid.Columns[column]}: {values[column].ToString("0.####", CultureInfo.InvariantCulture)}</title></rect>");
            }
            to.Write('\n');
        }
        to.Write("</svg>\n");
    }
}
