using Softmodel.Arrays;

namespace Softmodel.Bench.Differential;

/// <summary>A differential run for those who read it.</summary>
static class DifferentialText
{
    /// <summary>Writes the outcomes of each row, what is explained, and what is not.</summary>
    public static void Write(DifferentialReport report, TextWriter to)
    {
        var outcomes = Enum.GetNames<Outcome>();
        to.WriteLine($"{"",-36}{string.Concat(outcomes.Select(o => $"{o,12}"))}");
        foreach (var (name, counts) in report.Operators.Append(new("all", report.Outcomes.ToDictionary())))
            to.WriteLine($"{name,-36}{string.Concat(outcomes.Select(o => $"{counts.GetValueOrDefault(o),12}"))}");
        foreach (var (why, count) in report.Explained)
            to.WriteLine($"{count,6}  {why}");
        foreach (var found in report.Disagreements.Where(d => d.Explained is null))
            to.WriteLine($"{found.Outcome} {found.Operator} {found.Index}: {found.Text}\n    {found.Model}");
        to.WriteLine($"{report.Count} models, seed {report.Seed}, {report.Against}: {report.Disagreements.Length} disagreements, {report.Unexplained} unexplained, {report.Seconds:0} s");
    }

    /// <summary>Writes the model of a case and its inputs into the current folder.</summary>
    public static void Write(DifferentialOptions options, long index, TextWriter to)
    {
        var (row, draft) = options.Draw(index);
        File.WriteAllBytes("model.onnx", draft.Model());
        for (var i = 0; i < draft.Inputs.Count; i++)
        {
            using var file = File.Create($"input_{i}.npy");
            Npy.Write(file, draft.Inputs[i]);
        }
        to.WriteLine($"{row.Name}: {draft.Description}");
    }
}
