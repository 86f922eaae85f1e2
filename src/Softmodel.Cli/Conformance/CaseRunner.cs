using System.Diagnostics;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Cli.Conformance;

/// <summary>Compiles the model of a case, runs it, and compares.</summary>
internal static class CaseRunner
{
    /// <summary>Runs a case in this process, which a fault in compiled code would take down.</summary>
    /// <param name="work">The case.</param>
    public static CaseResult Run(Case work)
    {
        var clock = Stopwatch.StartNew();
        var stage = "read";
        string[] operators = [], fixedInputs = [], shaped = [];
        OnnxGraph? read = null;
        CaseResult End(Verdict verdict, string reason = "", string[]? blamed = null, bool onlySizes = false) =>
            new(work.Name, verdict, stage, reason, operators, blamed ?? [], [.. fixedInputs, .. shaped], onlySizes, clock.Elapsed.TotalMilliseconds);
        // What has no outputs is to be refused, and the refusal is to say where.
        var isRefused = work.Data.Length > 0 && work.Data.All(d => d.Outputs.Length == 0);
        CaseResult Refused(string message) => read is null || Names(read).Any(n => message.Contains(n, StringComparison.Ordinal)) ? End(Verdict.Passed, message)
            : End(Verdict.Failed, $"it is refused, as it should be, but not by the name of a node: {message}");
        try
        {
            using var file = OnnxFile.Open(work.Model);
            read = file.Model.Graph;
            operators = [.. OperatorsOf(file.Model.Graph).Select(o => o.ToString()).Distinct()];
            if (Unsupported(file.Model.Graph) is { } value)
                return End(Verdict.Unsupported, value);
            var data = work.Data.Select(d => Load(d, file.Model.Graph)).ToArray();
            if (data.Length == 0)
                return End(Verdict.Failed, "there are no data to run it on");

            stage = "import";
            var given = InputsOf(file.Model.Graph).Select(i => i.Name).Zip(data[0].Inputs).ToDictionary();
            // What the file leaves open stays open; only what it doesn't speak of at all is said.
            var shapes = InputsOf(file.Model.Graph).Where(i => i.Type?.Dims is null && given.ContainsKey(i.Name)).ToDictionary(i => i.Name, i => given[i.Name].Dims.ToArray());
            Graph graph;
            try
            {
                graph = OnnxImport.Read(file.Model, Evaluator.Fold, shapes: shapes);
            }
            catch (OnnxImportException) when (data.Length == 1 && given.Values.Any(IsSetting) && !given.Values.All(IsSetting))
            {
                var known = given.Where(p => IsSetting(p.Value)).ToDictionary();
                graph = OnnxImport.Read(file.Model, Evaluator.Fold, shapes: shapes, known: known);
                fixedInputs = [.. known.Keys];
            }

            // Where a size decides how many axes there are, it has to be known.
            if (data.Length == 1 && fixedInputs.Length == 0 && graph.AllNodes().Any(n => n.Op is Op.Reshape { Several.Count: > 0 }))
            {
                graph = OnnxImport.Read(file.Model, Evaluator.Fold, shapes: given.ToDictionary(g => g.Key, g => g.Value.Dims.ToArray()));
                shaped = [.. given.Keys];
            }

            stage = "compile";
            graph = Pipeline.Exact(graph, Evaluator.Fold);
            using var model = InProcess.Compile(Lower.Program(graph), InProcess.Width);

            stage = "run";
            var random = graph.AllNodes().Any(n => n.Op is Op.Random);
            var onlySizes = false;
            foreach (var (inputs, outputs) in data)
            {
                var results = model.Run([.. inputs.Where(i => fixedInputs.Length == 0 || !IsSetting(i))]);
                if (isRefused)
                    continue;
                stage = "compare";
                if (results.Length != outputs.Length)
                    return End(Verdict.Failed, $"there are {results.Length} outputs instead of {outputs.Length}");
                for (var i = 0; i < results.Length; i++)
                {
                    if (work.Tolerance.Difference(outputs[i], results[i]) is not { } difference)
                        continue;
                    // What a generator draws is not specified, only what it is drawn from.
                    if (!random || results[i].TensorType != outputs[i].TensorType)
                        return End(Verdict.Failed, $"output '{model.Outputs[i].Name}': {difference}");
                    onlySizes = true;
                }
                stage = "run";
            }
            stage = "compare";
            return isRefused ? End(Verdict.Failed, "it should have been refused, and has run") : End(Verdict.Passed, onlySizes: onlySizes);
        }
        catch (Exception e) when (isRefused && e is SoftmodelException or ModelException)
        {
            return Refused(e.Message);
        }
        catch (OnnxImportException e)
        {
            return End(Verdict.Unsupported, string.Join("; ", e.Faults.Select(f => $"{f.Operator}: {f.Reason}").Distinct()), [.. e.Faults.Select(f => f.Operator).Distinct()]);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return End(Verdict.Failed, e is SoftmodelException or ModelException ? e.Message : $"{e.GetType().Name}: {e.Message} {Where(e)}");
        }
    }

    /// <summary>Whether an input may say how to compute rather than with what: a few integers.</summary>
    static bool IsSetting(Tensor tensor) => tensor.Rank <= 1 && tensor.Count <= 16 && tensor.Type is ElementType.Int64 or ElementType.Int32 or ElementType.Bool;

    static string Where(Exception e) => string.Join(" ", (e.StackTrace ?? "").Split('\n').Take(3).Select(l => l.Trim()));

    /// <summary>What a case asks for that no compiled model has: inputs or outputs that are no tensors of numbers.</summary>
    static string? Unsupported(OnnxGraph graph) => InputsOf(graph).Concat(graph.Outputs)
        .Where(v => v.Type is not { Kind: OnnxTypeKind.Tensor } type || OnnxTensor.ElementOf(type.Element) is null or ElementType.String)
        .Select(v => $"'{v.Name}' is {(v.Type is { Kind: OnnxTypeKind.Tensor } type ? $"a tensor of {type.Element}" : $"a value of kind {v.Type?.Kind}")}").FirstOrDefault();

    static IEnumerable<OnnxValue> InputsOf(OnnxGraph graph) =>
        graph.Inputs.Where(i => !graph.Initializers.ContainsKey(i.Name) && !graph.SparseInitializers.ContainsKey(i.Name));

    /// <summary>What nodes are called: by their own names, or by those of their first results where they have none.</summary>
    static IEnumerable<string> Names(OnnxGraph graph) => graph.AllNodes().Select(n => $"'{(n.Name.Length > 0 ? n.Name : n.Outputs.FirstOrDefault(o => o.Length > 0))}'");

    static IEnumerable<OnnxOperator> OperatorsOf(OnnxGraph graph) =>
        graph.Nodes.SelectMany(n => n.Attributes.Values.SelectMany(a => a.Graph is null ? a.Graphs : a.Graphs.Prepend(a.Graph)).SelectMany(OperatorsOf).Prepend(n.Operator));

    static (Tensor[] Inputs, Tensor[] Outputs) Load(DataSet data, OnnxGraph graph)
    {
        var wanted = InputsOf(graph).ToArray();
        var inputs = data.AreInputsRamps ? [.. wanted.Select(Ramp)] : data.Inputs.Select(Read).ToArray();
        return inputs.Length == wanted.Length ? (inputs, [.. data.Outputs.Select(Read)])
            : throw new SoftmodelException($"there are data for {inputs.Length} inputs, but the model has {wanted.Length}");
    }

    static Tensor Read(string path) => OnnxFile.ReadTensor(path).ToTensor();

    static Tensor Ramp(OnnxValue input)
    {
        long[] dims = [.. input.Type!.Dims!.Select(d => d.Value ?? 1)];
        var count = (int)Tensor.CountOf(dims);
        return Tensor.Of([.. Enumerable.Range(0, count).Select(i => (float)((double)i / count))], dims);
    }
}
