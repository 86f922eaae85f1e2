namespace Softmodel.Report;

/// <summary>Writes an outline in the language of Graphviz: a box for each part, within the boxes of its scopes.</summary>
static class OutlineDot
{
    sealed class Scope
    {
        public SortedDictionary<string, Scope> Inner { get; } = new(StringComparer.Ordinal);
        public List<int> Parts { get; } = [];
    }

    /// <summary>Writes it.</summary>
    /// <param name="outline">The outline.</param>
    /// <param name="to">Where to.</param>
    public static void Write(Outline outline, TextWriter to)
    {
        void Line(string line) => to.Write($"{line}\n");
        var root = new Scope();
        for (var i = 0; i < outline.Parts.Length; i++)
        {
            var scope = root;
            foreach (var name in outline.Parts[i].Scope)
            {
                if (!scope.Inner.TryGetValue(name, out var inner))
                    scope.Inner[name] = inner = new();
                scope = inner;
            }
            scope.Parts.Add(i);
        }
        Line($"digraph {Quoted(outline.Name)} {{");
        Line("  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\", fontsize=10];");
        Line("  graph [fontname=\"sans-serif\", fontsize=11, style=\"rounded,filled\", fillcolor=\"#00000008\", color=\"#00000040\"];");
        var clusters = 0;
        Boxes(root, "  ");
        for (var i = 0; i < outline.Parts.Length; i++)
        {
            foreach (var from in outline.Parts[i].From)
                Line($"  p{from} -> p{i};");
        }
        Line("}");

        void Boxes(Scope scope, string space)
        {
            foreach (var number in scope.Parts)
            {
                var part = outline.Parts[number];
                string?[] lines = [part.Kernel < 0 ? null : outline.Kernels[part.Kernel].Name, part.Title, part.Result];
                Line($"{space}p{number} [label={Quoted(string.Join("\n", lines.Where(l => !string.IsNullOrEmpty(l))))}, tooltip={Quoted(string.Join("\n", part.Sources))}];");
            }
            foreach (var (name, inner) in scope.Inner)
            {
                Line($"{space}subgraph cluster{clusters++} {{ label={Quoted(name)};");
                Boxes(inner, space + "  ");
                Line($"{space}}}");
            }
        }
    }

    static string Quoted(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).ReplaceLineEndings("\\n")}\"";
}
