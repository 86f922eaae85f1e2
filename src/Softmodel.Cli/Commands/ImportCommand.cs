using System.CommandLine;
using Softmodel.Import.Onnx;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel import</c>: what is in a model, and whether it can be compiled.</summary>
static class ImportCommand
{
    public static Command Create()
    {
        var choice = new ModelChoice();
        var verb = new Verb("import", "Show the inputs, outputs and operators of a model, and all that can't be compiled.", "import tts-en", "import model.onnx --size batch=1 --json");
        choice.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            using var model = await choice.Load(parsed, terminal, cancel);
            return await Task.Run(() => Report(model, terminal), cancel);
        }, Verb.Json());
    }

    static int Report(Model model, Terminal terminal)
    {
        using var file = OnnxFile.Open(model.Path);
        var onnx = file.Model;
        // Some exporters write weights as nodes.
        var parameters = onnx.Graph.Initializers.Values.Concat(onnx.Graph.AllNodes().SelectMany(n => n.Attributes.Values).Select(a => a.Tensor).OfType<OnnxTensor>().Where(t => t.Dims.Count > 0))
            .Sum(t => t.Dims.Aggregate(1L, (a, b) => a * b));
        var operators = onnx.Graph.AllNodes().GroupBy(n => n.Operator.ToString()).Select(g => (Operator: g.Key, Count: g.Count())).OrderByDescending(g => g.Count).ThenBy(g => g.Operator, StringComparer.Ordinal).ToArray();

        LoweredProgram? program = null;
        IReadOnlyList<ImportFault> faults = [];
        string? refused = null;
        try
        {
            program = model.Program;
        }
        catch (OnnxImportException e)
        {
            faults = e.Faults;
        }
        catch (SoftmodelException e)
        {
            refused = e.Message;
        }

        var steps = program?.Runs().Count(s => s is Step.Nest or Step.Fused or Step.Routine);
        terminal.Result(new
        {
            model = model.Name,
            path = model.Path,
            bytes = new FileInfo(model.Path).Length,
            producer = onnx.Producer,
            opsets = onnx.Opsets.ToDictionary(o => o.Key.Length == 0 ? "ai.onnx" : o.Key, o => o.Value),
            parameters,
            nodes = operators.Sum(o => o.Count),
            operators = operators.ToDictionary(o => o.Operator, o => o.Count),
            inputs = onnx.Graph.Inputs.Where(i => !onnx.Graph.Initializers.ContainsKey(i.Name)).Select(Value),
            outputs = onnx.Graph.Outputs.Select(Value),
            compiles = program is not null,
            core_nodes = program?.Graph.AllNodes().Count(),
            steps,
            error = refused,
            faults = faults.Select(f => new { node = f.Node, @operator = f.Operator, reason = f.Reason }),
        }, () =>
        {
            var table = Text.Table("", "");
            table.ShowHeaders = false;
            table.Row("model", model.Name);
            table.Row("file", $"{model.Path} ({Text.Size(new FileInfo(model.Path).Length)})");
            table.Row("written by", onnx.Producer);
            table.Row("operator sets", string.Join(", ", onnx.Opsets.Select(o => $"{(o.Key.Length == 0 ? "ai.onnx" : o.Key)} {o.Value}")));
            table.Row("parameters", $"{parameters:N0}");
            table.Row("nodes", $"{operators.Sum(o => o.Count):N0}: {string.Join(", ", operators.Take(12).Select(o => $"{o.Count} {o.Operator}"))}{(operators.Length > 12 ? ", …" : "")}");
            foreach (var input in onnx.Graph.Inputs.Where(i => !onnx.Graph.Initializers.ContainsKey(i.Name)))
                table.Row("input", Describe(input));
            foreach (var output in onnx.Graph.Outputs)
                table.Row("output", Describe(output));
            table.Row("compiles", program is null ? "no" : $"yes: {program.Graph.AllNodes().Count():N0} core operations in {steps:N0} steps");
            return table;
        });
        if (program is not null)
            return CommandLine.Done;
        if (!terminal.Json)
        {
            foreach (var group in faults.GroupBy(f => (f.Operator, f.Reason)))
                terminal.Output.WriteLine($"  {group.Key.Operator}: {group.Key.Reason} ({string.Join(", ", group.Take(3).Select(f => f.Node))}{(group.Count() > 3 ? $" and {group.Count() - 3} more" : "")})");
            if (refused is not null)
                terminal.Output.WriteLine($"  {refused}");
        }
        return CommandLine.Failed;
    }

    static string[]? Axes(OnnxValue value) => value.Type?.Dims is { } dims ? [.. dims.Select(d => d.Value?.ToString() ?? d.Symbol ?? "?")] : null;

    static string Element(OnnxValue value) => value.Type is not { } type ? "?" : OnnxTensor.ElementOf(type.Element) is { } element ? element.Name() : type.Element.ToString();

    static object Value(OnnxValue value) => new { name = value.Name, type = Element(value), axes = Axes(value) };

    static string Describe(OnnxValue value) => $"{value.Name} {Element(value)}{(Axes(value) is { } axes ? $"[{string.Join(',', axes)}]" : " of unknown shape")}";
}
