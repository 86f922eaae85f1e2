using System.Text.RegularExpressions;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import;
using Softmodel.Import.Architectures;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Bench.Fuzz;

/// <summary>What became of a damaged model.</summary>
enum Fate
{
    /// <summary>It was refused with a message for its user.</summary>
    Refused,

    /// <summary>It was imported.</summary>
    Imported,

    /// <summary>It was imported, compiled and run.</summary>
    Ran,

    /// <summary>It was imported and compiled, and its run refused.</summary>
    RunRefused,

    /// <summary>Something failed that must not.</summary>
    Fault,
}

/// <summary>Takes a damaged model through the compiler.</summary>
static partial class FuzzCase
{
    /// <summary>The most that a case may allocate.</summary>
    public const long MostBytes = 1L << 30;

    /// <summary>Runs a case.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="compile">Whether to go on after the import.</param>
    /// <returns>What became of it, and the message or what failed.</returns>
    public static (Fate Fate, string Text) Run(string path, bool compile)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var (fate, text) = Guarded(path, compile);
        var taken = GC.GetAllocatedBytesForCurrentThread() - before;
        return taken <= MostBytes ? (fate, text) : (Fate.Fault, $"it allocated {taken} bytes; {text}");
    }

    static (Fate, string) Guarded(string path, bool compile)
    {
        var compiled = false;
        try
        {
            using var file = Path.GetExtension(path) == ".onnx" ? OnnxFile.Open(path) : null;
            using var checkpoint = file is null ? Checkpoint.Open(path) : null;
            ConstantFolding folding = file is null ? Evaluator.FoldKeepingStored : Evaluator.Fold;
            var graph = file is null ? ArchitectureImport.Read(checkpoint!, folding) : OnnxImport.Read(file.Model, folding);
            graph.Validate();
            if (!compile)
                return (Fate.Imported, "");
            using var model = InProcess.Compile(Lower.Program(Pipeline.Exact(graph, folding)), InProcess.Width);
            compiled = true;
            model.MemoryLimit = MostBytes / 2;
            if (Inputs(model, file is null ? 0 : -1) is not { } inputs)
                return (Fate.Imported, "");
            model.Run(inputs);
            return (Fate.Ran, "");
        }
        catch (SoftmodelException e)
        {
            return (compiled ? Fate.RunRefused : Fate.Refused, Kind(e.Message, path));
        }
        catch (Exception e)
        {
            return (Fate.Fault, $"{e.GetType().Name}: {e.Message}\n{e.StackTrace}");
        }
    }

    /// <summary>Small numbers for all inputs; null where they would take too much memory.</summary>
    static Tensor[]? Inputs(CompiledModel model, int least)
    {
        var shapes = model.Inputs.Select(i => i.Sizes.ToArray().Select(s => s < 0 ? 3 : s).ToArray()).ToArray();
        if (shapes.Any(s => s.Aggregate((Int128)1, (a, b) => a * b) > 1 << 22))
            return null;
        return [.. model.Inputs.Zip(shapes, (input, shape) => Tensor.Of(input.Type, shape, [.. Enumerable.Range(0, (int)Tensor.CountOf(shape)).Select(i => (double)(i % 5 + least))]))];
    }

    /// <summary>A message without what is particular to the case: names, numbers, lists.</summary>
    static string Kind(string message, string path)
    {
        var text = Numbers().Replace(Quoted().Replace(message.Replace(path, "PATH", StringComparison.Ordinal), "'…'"), "#");
        return text.Length > 160 ? text[..160] : text;
    }

    [GeneratedRegex("'[^']*'", RegexOptions.Singleline)]
    private static partial Regex Quoted();

    [GeneratedRegex(@"-?\d+")]
    private static partial Regex Numbers();
}
