using System.Net;
using ScottPlot;
using Softmodel.Language;
using Softmodel.Learn;

namespace Softmodel.Cli.Training;

/// <summary>A page about a training: its curve, and how well classes are found.</summary>
static class TrainingReport
{
    const int Width = 900, Height = 400;

    /// <summary>The page, which refers to nothing outside.</summary>
    /// <param name="title">What was trained.</param>
    /// <param name="facts">What there is to say of it.</param>
    /// <param name="curve">The losses.</param>
    /// <param name="score">How well classes are found.</param>
    public static string Page(string title, IReadOnlyList<(string Name, string Value)> facts, IReadOnlyList<TrainingPoint> curve, ClassifierScore score)
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
            <h2>Classes, in texts that were held out</h2>
            <table>{{Row("th", "class", "texts", "precision", "recall", "F1")}}{{string.Concat(score.Classes.Select(c => Row("td", c.Label, $"{c.Count}", $"{c.Precision:0.000}", $"{c.Recall:0.000}", $"{c.F1:0.000}")))}}</table>
            {{(score.Confusions.Count == 0 ? "" : $"<h2>Taken for another</h2><table>{Row("th", "class", "taken for", "texts")}{string.Concat(score.Confusions.Select(c => Row("td", c.Label, c.Found, $"{c.Count}")))}</table>")}}
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
