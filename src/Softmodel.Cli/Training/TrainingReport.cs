using System.Net;
using ScottPlot;
using Softmodel.Learn;

namespace Softmodel.Cli.Training;

/// <summary>A table of a report.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Columns">The heads of its columns.</param>
/// <param name="Rows">Its rows.</param>
sealed record ReportTable(string Title, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows);

/// <summary>A page about a training: its curve, and what it came to.</summary>
static class TrainingReport
{
    const int Width = 900, Height = 400;

    /// <summary>The page, which refers to nothing outside.</summary>
    /// <param name="title">What was trained.</param>
    /// <param name="facts">What there is to say of it.</param>
    /// <param name="curve">The losses.</param>
    /// <param name="tables">What it came to; those without rows are left out.</param>
    public static string Page(string title, IReadOnlyList<(string Name, string Value)> facts, IReadOnlyList<TrainingPoint> curve, IReadOnlyList<ReportTable> tables)
    {
        static string Row(string tag, params IEnumerable<string> cells) => $"<tr>{string.Concat(cells.Select(c => $"<{tag}>{WebUtility.HtmlEncode(c)}</{tag}>"))}</tr>";
        return $$"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>{{WebUtility.HtmlEncode(title)}}</title>
            <style>body { font-family: sans-serif; margin: 2em; max-width: 60em } table { border-collapse: collapse; margin: 1em 0 } td, th { text-align: left; padding: .2em .8em; border-bottom: 1px solid #ccc } svg { max-width: 100%; height: auto }</style></head>
            <body><h1>{{WebUtility.HtmlEncode(title)}}</h1>
            <table>{{string.Concat(facts.Select(f => Row("td", f.Name, f.Value)))}}</table>
            <h2>Losses</h2>
            {{Plotted(curve)}}
            {{string.Concat(tables.Where(t => t.Rows.Count > 0).Select(t => $"<h2>{WebUtility.HtmlEncode(t.Title)}</h2><table>{Row("th", t.Columns)}{string.Concat(t.Rows.Select(r => Row("td", r)))}</table>"))}}
            </body></html>

            """;
    }

    /// <summary>The losses as a drawing in SVG.</summary>
    static string Plotted(IReadOnlyList<TrainingPoint> curve)
    {
        using var plot = new Plot();
        void Line(IEnumerable<(long Step, double Loss)> points, string name)
        {
            var all = points.ToArray();
            if (all.Length == 0)
                return;
            var line = plot.Add.ScatterLine(all.Select(p => (double)p.Step).ToArray(), all.Select(p => p.Loss).ToArray());
            (line.LegendText, line.LineWidth) = (name, 2);
        }
        Line(curve.Select(p => (p.Step, p.Loss)), "training");
        Line(curve.Where(p => p.Validation is not null).Select(p => (p.Step, p.Validation!.Value)), "validation");
        plot.XLabel("step");
        plot.YLabel("loss");
        plot.ShowLegend(Alignment.UpperRight);
        var svg = plot.GetSvgXml(Width, Height);
        return svg[svg.IndexOf("<svg", StringComparison.Ordinal)..];
    }
}
