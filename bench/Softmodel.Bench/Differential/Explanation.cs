using System.Text.RegularExpressions;

namespace Softmodel.Bench.Differential;

/// <summary>A disagreement that is as it should be: a row of the table in <c>docs/differential.md</c>.</summary>
/// <param name="Operator">The row of the generator, or a star for all.</param>
/// <param name="Outcome">What became of the model.</param>
/// <param name="Model">What the model in words matches.</param>
/// <param name="Text">What the message matches.</param>
/// <param name="Why">Who deviates from what, and why it stays.</param>
sealed record Explanation(string Operator, Outcome Outcome, Regex Model, Regex Text, string Why)
{
    /// <summary>The rows of the table.</summary>
    public static Explanation[] All { get; } = Read();

    /// <summary>The first row that fits; null where none does.</summary>
    public static Explanation? Of(DifferentialLine line) => All.FirstOrDefault(e => e.Outcome == line.Outcome && (e.Operator == "*" || e.Operator.Split(", ").Contains(line.Operator))
        && e.Model.IsMatch(line.Model) && e.Text.IsMatch(line.Text));

    static Explanation[] Read()
    {
        using var page = new StreamReader(typeof(Explanation).Assembly.GetManifestResourceStream("Softmodel.Bench.differential.md")!);
        var rows = page.ReadToEnd().Split('\n').Where(l => l.StartsWith("| ", StringComparison.Ordinal))
            // A bar within a pattern is written \|, as Markdown has it.
            .Select(l => Regex.Split(l.Trim().Trim('|'), @"(?<!\\)\|").Select(c => c.Trim().Trim('`').Replace(@"\|", "|", StringComparison.Ordinal)).ToArray())
            .Where(c => c.Length == 5 && Enum.TryParse<Outcome>(c[1], out _));
        return [.. rows.Select(c => new Explanation(c[0], Enum.Parse<Outcome>(c[1]), new(c[2], RegexOptions.Singleline), new(c[3], RegexOptions.Singleline), c[4]))];
    }
}
