using System.Net;

namespace Softmodel.Cli;

/// <summary>How a text of a fused model came about, as a page of HTML that needs nothing else.</summary>
static class ExplanationPage
{
    /// <summary>Writes the page.</summary>
    /// <param name="model">What the model is called.</param>
    /// <param name="explanation">How its text came about.</param>
    /// <param name="to">Where it is written.</param>
    public static void Write(string model, Explanation explanation, TextWriter to)
    {
        static string Said(string text) => WebUtility.HtmlEncode(text);
        to.Write($$"""
            <!DOCTYPE html>
            <html lang="en"><meta charset="utf-8"><title>{{Said(model)}}</title>
            <style>body { font: 14px system-ui, sans-serif; margin: 2em; } pre { font: 15px/1.8 ui-monospace, monospace; white-space: pre-wrap; } .operand { border-bottom: 2px solid #06c; } .written { background: #fd8; } table { border-collapse: collapse; } td, th { padding: .2em .8em; text-align: left; } tr { border-bottom: 1px solid #ddd; } svg text { font-size: 9px; fill: #555; }</style>
            <h1>{{Said(model)}}</h1>
            <p>Programs wrote what has a <span class="written">ground</span>, of the operands that are <span class="operand">underlined</span>.</p>
            <pre>
            """);
        foreach (var token in explanation.Tokens)
            to.Write(token.Mark switch { ExplainedMark.Operand => $"<span class=\"operand\">{Said(token.Text)}</span>", ExplainedMark.Written => $"<span class=\"written\">{Said(token.Text)}</span>", _ => Said(token.Text) });
        to.Write("</pre>\n<table><tr><th>program<th>operands<th>result<th>tokens<th>after layers</tr>\n");
        foreach (var call in explanation.Calls)
            to.Write($"<tr><td>{Said(call.Program)}<td>{Said(string.Join("; ", call.Operands))}<td>{Said(call.Text)}<td>{call.Tokens}<td>{call.LayersBefore} of {explanation.Layers}</tr>\n");
        to.Write("</table>\n<h2>Layers that have read each token</h2>\n");
        Picture(explanation, to);
    }

    static void Picture(Explanation explanation, TextWriter to)
    {
        const int left = 30, top = 4, height = 8;
        var (count, layers) = (explanation.Tokens.Count, explanation.Layers);
        var width = Math.Clamp(1200 / Math.Max(1, count), 2, 14);
        to.Write($"<svg width=\"{left + width * count}\" height=\"{top + height * layers}\">\n");
        for (var layer = 0; layer < layers; layer += 5)
            to.Write($"<text x=\"0\" y=\"{top + (layers - layer) * height}\">{layer}</text>");
        foreach (var (i, token) in explanation.Tokens.Index())
        {
            var colour = token.Mark switch { ExplainedMark.Written => "#fa0", ExplainedMark.Operand => "#06c", _ => "#888" };
            // A column for each token, from the lowest layer up; a frame where none ran.
            to.Write($"<rect x=\"{left + i * width}\" y=\"{top + (layers - token.Layers) * height}\" width=\"{width - 1}\" height=\"{token.Layers * height}\" fill=\"{colour}\"/>");
            to.Write($"<rect x=\"{left + i * width}\" y=\"{top}\" width=\"{width - 1}\" height=\"{layers * height}\" fill=\"transparent\" stroke=\"#eee\"><title>{WebUtility.HtmlEncode(token.Text)}: {token.Layers} of {layers} layers</title></rect>\n");
        }
        to.Write("</svg>\n");
    }
}
