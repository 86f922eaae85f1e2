using Softmodel.Cli.Baselines;
using Softmodel.Cli.Workloads;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;

namespace Softmodel.Cli.Verify;

/// <summary>Where numbers are rounded to few bits, and lie so near to the middle of two that one computes the one and another the other.</summary>
static class Roundings
{
    /// <summary>The first rounding step of a model that gives other integers than in double precision, in words; null where none does.</summary>
    /// <param name="model">An ONNX model.</param>
    /// <param name="work">What it is run on.</param>
    /// <param name="compile">How it is compiled.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it.</param>
    public static string? Find(Model model, Workload work, CompileOptions compile, IProgress<string> progress, CancellationToken cancel)
    {
        if (model.IsLanguageModel || OracleModel.Read(model.Path) is not { } copy || copy.GiveRounded() is not { Count: > 0 } rounded)
            return null;
        progress.Report("looking where a rounding step flips");
        using var folder = new TemporaryFolder();
        var path = folder.File("rounded.onnx");
        copy.Write(path);
        try
        {
            using var all = Model.Load(path, model.Use);
            using var compiled = all.Compile(compile with { UseCache = false }, progress, cancel);
            using var baseline = OnnxRuntimeBaseline.Load(path, compiled.Threads);
            var graph = all.Imported;
            var expected = Evaluator.Run(DoublePrecision.Of(graph), [.. work.For(graph.Inputs.Select(v => v.Name)).Select(DoublePrecision.Of)], cancellationToken: cancel);
            var (ours, its) = (compiled.Run(work.For(compiled.Inputs.Select(i => i.Name))), baseline.Run(work.For(baseline.Inputs)));
            for (var i = 0; i < rounded.Count; i++)
            {
                var (our, their) = (Different(ours[i], expected[i]), Different(its[i], expected[i]));
                if (our > 0 || their > 0)
                    return $"rounding flips first at {rounded[i].Node}: {our} of {expected[i].Count:N0} numbers in ours, {their} in onnxruntime's";
            }
            return null;
        }
        catch (SoftmodelException)
        {
            // What explains a difference is no fault of the model where it can't be had.
            return null;
        }
    }

    static long Different(Tensor one, Tensor other)
    {
        if (!one.Dims.SequenceEqual(other.Dims))
            return other.Count;
        var count = 0L;
        for (var i = 0L; i < one.Count; i++)
            count += one.Integer(i) != other.Integer(i) ? 1 : 0;
        return count;
    }
}
