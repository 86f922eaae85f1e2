using System.Diagnostics;
using Softmodel.Cli.Workloads;
using Softmodel.Emit;
using Softmodel.Lowering;
using Softmodel.Runtime;
using Spectre.Console;

namespace Softmodel.Cli.Bench;

/// <summary>How long each step of a program takes.</summary>
/// <param name="Model">The model.</param>
/// <param name="Threads">The threads.</param>
/// <param name="Case">What it ran on.</param>
/// <param name="Ms">The shortest times of all steps together.</param>
/// <param name="Steps">The steps, the longest first.</param>
sealed record StepProfile(string Model, int Threads, string Case, double Ms, IReadOnlyList<StepProfile.Row> Steps)
{
    // What is listed for people.
    const int Most = 40;

    /// <summary>A step.</summary>
    /// <param name="Kernel">The method that computes it; null for what is no kernel.</param>
    /// <param name="Source">The nodes that it computes.</param>
    /// <param name="Loops">Its loops, those of its reduction after a bar.</param>
    /// <param name="Ms">The shortest of its runs.</param>
    /// <param name="Share">Its part of the whole time.</param>
    /// <param name="Flops">The operations of its contraction; null where sizes are not known.</param>
    /// <param name="ShareOfLimit">How much of that time the cores would need for them.</param>
    public sealed record Row(string? Kernel, string Source, string Loops, double Ms, double Share, double? Flops, double? ShareOfLimit);

    /// <summary>Compiles a model so that it times its steps, and runs it on all work.</summary>
    public static StepProfile[] Measure(string name, Model model, CompileOptions options, Workload[] works, int runs, Limits limit, CancellationToken cancel)
    {
        var width = options.VectorBits == 0 ? InProcess.Width : options.VectorBits;
        var code = ProgramCode.Write(model.Program, width, isTimed: true);
        using var compiled = InProcess.Load(InProcess.Assemble(code.Source, cancel), width, WeightsFile.Nameless(code.Weights.Write));
        compiled.Threads = options.Threads;
        return [.. works.Select(work => Measure(name, model, code, compiled, work, runs, limit, cancel))];
    }

    static StepProfile Measure(string name, Model model, ProgramSource code, CompiledModel compiled, Workload work, int runs, Limits limit, CancellationToken cancel)
    {
        var ticks = (long[])compiled.GetType().GetField(ProgramCode.TicksField)!.GetValue(compiled)!;
        var given = work.For(compiled.Inputs.Select(i => i.Name));
        var best = new long[ticks.Length];
        Array.Fill(best, long.MaxValue);
        for (var run = 0; run <= runs; run++)
        {
            cancel.ThrowIfCancellationRequested();
            Array.Clear(ticks);
            compiled.Time(given);
            for (var i = 0; i < ticks.Length && run > 0; i++)
                best[i] = Math.Min(best[i], ticks[i]);
        }
        var sizes = Limits.Sizes(model.Program, compiled, work);
        var all = best.Sum() * 1e3 / Stopwatch.Frequency;
        return new(name, compiled.Threads, work.Name, Math.Round(all, 4), [.. code.Timed.Select((step, i) => RowOf(step, code, best[i] * 1e3 / Stopwatch.Frequency, all, sizes, limit)).OrderByDescending(r => r.Ms)]);
    }

    static Row RowOf(Step step, ProgramSource code, double ms, double all, Dictionary<string, long> sizes, Limits limit)
    {
        Step.Nest[] nests = step switch { Step.Nest nest => [nest], Step.Fused fused => fused.Members, _ => [] };
        string Size(Axis axis) => axis.Extent.Symbols.All(sizes.ContainsKey) ? $"{axis.Extent.Evaluate(s => sizes[s])}" : $"{axis.Extent}";
        string Extents(IEnumerable<Axis> axes) => string.Join("x", axes.Where(a => a.Extent.Value != 1).Select(Size));
        var loops = string.Join("; ", nests.Select(n => n.Fold is { } fold ? $"{Extents(n.Axes)}|{Extents(fold.Axes)}" : Extents(n.Axes)));
        var flops = nests.Aggregate((double?)0, (sum, n) => sum + Limits.Flops(n, sizes));
        var source = nests.Length > 0 ? string.Join("; ", nests.Select(n => n.Source)) : step switch { Step.Routine routine => routine.Source, Step.Copy copy => $"copy to {copy.To.Name}", _ => step.GetType().Name };
        return new(code.Kernels.TryGetValue(step, out var kernel) ? kernel.Name : null, source, loops, Math.Round(ms, 4), Math.Round(ms / all, 4), flops,
            flops > 0 ? Math.Round(flops.Value / limit.FlopsPerSecond / (ms / 1000), 3) : null);
    }

    /// <summary>Prints them.</summary>
    public static void Show(Terminal terminal, List<StepProfile> profiles) => terminal.Result(new { profiles, machine = Machine.Here }, () =>
    {
        var table = Text.Table("model", "threads", "input", "kernel", "loops", "ms", "share", "GFLOP/s", "of the limit", "nodes");
        foreach (var profile in profiles)
        {
            foreach (var row in profile.Steps.Take(Most))
            {
                table.Row(profile.Model, $"{profile.Threads}", profile.Case, row.Kernel ?? "", row.Loops, $"{row.Ms:0.000}", $"{row.Share:0.0%}", row.Flops > 0 ? $"{row.Flops / row.Ms / 1e6:0.0}" : "",
                    row.ShareOfLimit is { } share ? $"{share:0%}" : "", row.Source.Length > 60 ? $"{row.Source[..60]}…" : row.Source);
            }
            table.Row(profile.Model, $"{profile.Threads}", profile.Case, $"all {profile.Steps.Count}", "", $"{profile.Ms:0.000}", "", "", "", "");
        }
        return table;
    });
}
