using System.Text.RegularExpressions;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Conformance;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Bench.Differential;

/// <summary>What became of a model in ONNX Runtime and here.</summary>
enum Outcome
{
    /// <summary>Both give the same.</summary>
    Agree,

    /// <summary>ONNX Runtime has no kernel for it; the compiled model gives what the reference evaluator gives.</summary>
    Reference,

    /// <summary>Neither takes it.</summary>
    BothRefuse,

    /// <summary>Refused here, though ONNX Runtime runs it.</summary>
    Refused,

    /// <summary>ONNX Runtime finds it wrong, and it runs here.</summary>
    Accepted,

    /// <summary>They give different results, or the compiled model another one than the evaluator.</summary>
    Differs,

    /// <summary>A process ended, or did not end.</summary>
    Crashed,
}

/// <summary>A model that was run.</summary>
/// <param name="Index">Its number; with the seed it gives the model.</param>
/// <param name="Operator">The row of the table that it is of.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Text">What was refused or differs.</param>
/// <param name="Model">The model in words.</param>
sealed record DifferentialLine(long Index, string Operator, Outcome Outcome, string Text, string Model)
{
    /// <summary>Whether it has to be explained.</summary>
    public bool IsDisagreement => Outcome is not (Outcome.Agree or Outcome.Reference or Outcome.BothRefuse);
}

/// <summary>Takes a model through ONNX Runtime, the evaluator and the compiler, and compares.</summary>
static partial class DifferentialCase
{
    /// <summary>Runs a case.</summary>
    /// <param name="draft">The model.</param>
    /// <param name="path">Where to write it.</param>
    /// <param name="compile">Whether to compile it; else what the evaluator gives is compared.</param>
    /// <param name="stage">Is told what is about to be done.</param>
    public static (Outcome Outcome, string Text) Run(Draft draft, string path, bool compile, Action<string> stage)
    {
        var model = draft.Model();
        File.Delete(path);
        File.WriteAllBytes(path, model);
        stage("ONNX Runtime");
        var (theirs, refusal) = Try(() =>
        {
            using var baseline = OnnxRuntimeBaseline.Load(model);
            return baseline.Run(draft.Inputs);
        });
        stage("the evaluator");
        Graph? graph = null;
        using var file = OnnxFile.Open(path);
        var (plain, fault) = Try(() => Evaluator.Run(graph = OnnxImport.Read(file.Model, Evaluator.Fold), draft.Inputs));
        stage("the compiled model");
        var (ours, ourFault) = graph is null || !compile ? (plain, fault) : Try(() =>
        {
            using var compiled = InProcess.Compile(Lower.Program(Pipeline.Exact(graph, Evaluator.Fold)), InProcess.Width);
            compiled.MemoryLimit = 1 << 28;
            return compiled.Run(draft.Inputs);
        });
        if (ours is null)
        {
            return theirs is not null ? (Outcome.Refused, ourFault)
                : IsDefect(ourFault) ? (Outcome.Crashed, ourFault)
                : (Outcome.BothRefuse, $"{ourFault} | {refusal}");
        }
        var byEvaluator = plain is null ? $"the evaluator refuses it: {fault}" : Difference(draft, plain, ours);
        if (theirs is null)
        {
            return byEvaluator is not null ? (Outcome.Differs, $"from the evaluator: {byEvaluator} | {refusal}")
                : Lacks().IsMatch(refusal) ? (Outcome.Reference, refusal) : (Outcome.Accepted, refusal);
        }
        var byBaseline = Difference(draft, theirs, ours);
        if (byBaseline is null && byEvaluator is null)
            return (Outcome.Agree, "");
        return (Outcome.Differs, byBaseline is null ? $"from the evaluator alone: {byEvaluator}"
            : $"{byBaseline} | {(byEvaluator is null ? "as the evaluator" : Difference(draft, theirs, plain ?? []) is null ? "the evaluator is with ONNX Runtime" : $"not as the evaluator: {byEvaluator}")}");
    }

    static bool IsDefect(string fault) => !fault.StartsWith("refused", StringComparison.Ordinal);

    static (Tensor[]? Results, string Fault) Try(Func<Tensor[]> run)
    {
        try
        {
            return (run(), "");
        }
        catch (Exception e) when (e is SoftmodelException or ModelException)
        {
            return (null, $"refused: {e.Message}");
        }
        catch (Exception e)
        {
            return (null, $"{e.GetType().Name}: {e.Message} {string.Join(" ", (e.StackTrace ?? "").Split('\n').Take(3).Select(l => l.Trim()))}");
        }
    }

    static string? Difference(Draft draft, Tensor[] expected, Tensor[] actual)
    {
        if (expected.Length != actual.Length)
            return $"there are {actual.Length} outputs instead of {expected.Length}";
        for (var i = 0; i < expected.Length; i++)
        {
            var (want, have) = (expected[i], actual[i]);
            if (want.Type == have.Type && want.Dims.SequenceEqual(have.Dims) && (draft.IsRandom || (!want.Type.IsFloat() && draft.Step > 0 && IsWithin(want, have, draft.Step))))
                continue;
            if (ToleranceOf(draft, want.Type).Difference(want, have) is { } difference)
                return $"output {i}: {difference}";
        }
        return null;
    }

    static bool IsWithin(Tensor want, Tensor have, int step)
    {
        var apart = Enumerable.Range(0, (int)want.Count).Select(i => Math.Abs(want.Integer(i) - have.Integer(i))).Where(d => d > 0).ToArray();
        return apart.Length <= Math.Max(2, want.Count / 20) && apart.All(d => d <= step);
    }

    // A sum in 32 bits of terms that cancel can't be had to a share of itself, and 16 bits have three digits, or two.
    static Tolerance ToleranceOf(Draft draft, ElementType type) => type switch
    {
        ElementType.BFloat16 => new(3e-2, 1e-3, 3e-2),
        ElementType.Float16 => new(4e-3, 1e-4, 4e-3),
        ElementType.Float64 when !draft.HasHalves => new(1e-5, 1e-9, 1e-6),
        _ => draft.HasHalves ? new(4e-3, 1e-4, 4e-3) : new(1e-4, 1e-6, 1e-5),
    };

    [GeneratedRegex("NOT_IMPLEMENTED|NotImplemented|not implemented|Could not find an implementation|under development|is not a registered function/op|No Op registered|not supported", RegexOptions.IgnoreCase)]
    private static partial Regex Lacks();
}
