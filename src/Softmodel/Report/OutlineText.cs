using System.Globalization;

namespace Softmodel.Report;

/// <summary>Writes the outline of a program as text: what it comes to, its kernels, and each step with the nodes that it is.</summary>
static class OutlineText
{
    /// <summary>Writes it.</summary>
    /// <param name="outline">The outline.</param>
    /// <param name="counts">How many nodes there were before, for the first lines.</param>
    /// <param name="sizes">The numbers for its symbols.</param>
    /// <param name="to">Where to.</param>
    public static void Write(Outline outline, IReadOnlyList<(string What, int Count)> counts, IReadOnlyDictionary<string, double> sizes, TextWriter to)
    {
        string Invariant(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);
        void Line(string line = "") => to.Write($"{line}\n");
        var work = outline.Parts.Select(p => p.Work.At(s => sizes[s])).ToArray();
        var all = work.Sum();
        var steps = outline.Parts.Count(p => p.Kernel >= 0);
        Line($"program {outline.Name}");
        foreach (var (what, count) in counts)
            Line(Invariant($"  {count,8:N0} {what}"));
        Line(Invariant($"  {outline.Sources,8:N0} nodes are computed when it runs; what the others give is known before"));
        Line(Invariant($"  {steps,8:N0} steps run kernels, of which {outline.Kernels.Length:N0} are different"));
        Line($"  {Amount.Of(outline.Weights, "B"),8} of weights");
        Line($"  {Amount.Of(all, ""),8} operations{(outline.Symbols.Any() ? $" at {string.Join(", ", outline.Symbols.Select(s => $"{s}={sizes[s]}"))}" : "")}");
        foreach (var input in outline.Inputs)
            Line($"  input {input}");
        foreach (var output in outline.Outputs)
            Line($"  output {output}");

        Line("\nkernels: how many steps run each, and their share of all operations");
        var shares = outline.Parts.Zip(work).Where(p => p.First.Kernel >= 0).GroupBy(p => p.First.Kernel).ToDictionary(g => g.Key, g => g.Sum(p => p.Second));
        foreach (var (number, share) in shares.OrderByDescending(s => s.Value).ThenBy(s => s.Key))
            Line(Invariant($"  {outline.Kernels[number].Steps,4} {Share(share, all)} {outline.Kernels[number].Name}"));

        Line("\nsteps, in the order in which they run");
        for (var i = 0; i < outline.Parts.Length; i++)
        {
            var part = outline.Parts[i];
            Line($"  {i,4} {Share(work[i], all)} {(part.Kernel < 0 ? "-" : outline.Kernels[part.Kernel].Name)}: {part.Result}{(part.Result.Length > 0 ? " = " : "")}{part.Title}{(part.Weights > 0 ? $", {Amount.Of(part.Weights, "B")} of weights" : "")}   # {string.Join("; ", part.Sources).ReplaceLineEndings(" ")}");
        }
    }

    static string Share(double part, double all) => string.Create(CultureInfo.InvariantCulture, $"{(all > 0 ? part / all : 0),6:0.0%}");
}
