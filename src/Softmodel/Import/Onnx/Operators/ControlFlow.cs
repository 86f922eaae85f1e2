using Softmodel.Graphs;
using Softmodel.Networks;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators with graphs of their own.</summary>
static class ControlFlow
{
    static Term[]? Run(OnnxCall call, GraphBuilder? builder, OnnxGraph body, Term[] operands)
    {
        if (body.Inputs.Count != operands.Length)
            throw new SoftmodelException($"the body takes {body.Inputs.Count} operands, and {operands.Length} are given");
        var scope = call.Open(body, builder);
        for (var i = 0; i < operands.Length; i++)
            scope.Define(body.Inputs[i].Name, operands[i]);
        scope.Run(OnnxNames.Live(body.Nodes, body.Outputs.Select(o => o.Name)));
        var results = body.Outputs.Select(o => scope[o.Name]).ToArray();
        return results.Any(r => r is null) ? null : [.. results.Select(r => r!.Value)];
    }

    /// <summary>A graph that an attribute holds, added to the one that is being built.</summary>
    internal static Term[]? Inline(OnnxCall call, OnnxGraph body, params Term[] operands) => Run(call, null, body, operands);

    [Operator("If")]
    static Term[]? If(OnnxCall call, Term condition)
    {
        var (then, otherwise) = (Body(call, "then_branch"), Body(call, "else_branch"));
        if (condition.Known is { Count: > 0 } known)
            return Inline(call, known.Integer(0) != 0 ? then : otherwise);
        var (yes, no) = (call.Builder.Body("then"), call.Builder.Body("else"));
        if (Run(call, yes, then, []) is not { } a || Run(call, no, otherwise, []) is not { } b)
            return null;
        var branch = new Op.If(yes.Build(a.Select(x => x.Value)), no.Build(b.Select(x => x.Value)));
        Value[] operands = [condition.Reshape(Shape.Scalar).Value, .. yes.Captures, .. no.Captures];
        return [.. call.Builder.ApplyAll(branch, operands).Select(v => new Term(call.Builder, v))];
    }

    static OnnxGraph Body(OnnxCall call, string name) => call.Attribute(name)?.Graph ?? throw new SoftmodelException($"attribute '{name}' is missing");

    [Operator("Loop")]
    static Term[]? Loop(OnnxCall call)
    {
        var body = Body(call, "body");
        Term[] initial = [.. Enumerable.Range(2, Math.Max(0, call.Count - 2)).Select(call.Required)];
        return Iteration.Loop(call.Builder, call[0], call[1], initial, (iteration, carried) =>
            Run(call, iteration.Builder, body, [iteration, iteration.Constant(Tensor.Scalar(true)), .. carried]) is { } results
                ? new(results[1..(1 + carried.Length)], results[(1 + carried.Length)..], results[0])
                : null);
    }

    [Operator("Scan", since: 9)]
    static Term[]? Scan(OnnxCall call, Term[] operands, OnnxGraph body, int numScanInputs, long[]? scanInputAxes = null, long[]? scanInputDirections = null,
        long[]? scanOutputAxes = null, long[]? scanOutputDirections = null)
    {
        if (numScanInputs < 1 || numScanInputs > operands.Length)
            throw new SoftmodelException($"{numScanInputs} of {operands.Length} operands are to be scanned");
        var (initial, scanned) = (operands[..^numScanInputs], operands[^numScanInputs..]);
        int[] axes = [.. scanned.Select((x, i) => Axes.Of(scanInputAxes?[i] ?? 0, x.Rank))];
        var length = call.Size(scanned[0].Shape[axes[0]]);
        var results = Iteration.Loop(call.Builder, length, null, initial, (iteration, carried) =>
        {
            var elements = scanned.Select((x, i) => Iteration.At(iteration, x, axes[i], scanInputDirections?[i] == 1));
            return Run(call, iteration.Builder, body, [.. carried, .. elements]) is { } turn
                ? new(turn[..initial.Length], turn[initial.Length..])
                : null;
        });
        for (var i = initial.Length; i < results?.Length; i++)
        {
            var at = i - initial.Length;
            var stack = scanOutputDirections?[at] == 1 ? Iteration.Reversed(results[i], 0) : results[i];
            var axis = Axes.Of(scanOutputAxes?[at] ?? 0, stack.Rank);
            results[i] = stack.Transpose([.. Enumerable.Range(1, stack.Rank - 1).Take(axis), 0, .. Enumerable.Range(1, stack.Rank - 1).Skip(axis)]);
        }
        return results;
    }

    // In this version the first axis is that of independent sequences.
    [Operator("Scan", since: 8)]
    static Term[]? ScanSequences(OnnxCall call, Term? lengths, Term[] operands, OnnxGraph body, int numScanInputs, long[]? directions = null)
    {
        if (lengths is not null || operands.Length == 0 || operands[0].Shape[0].Value is not { } sequences)
            throw new SoftmodelException("sequences of lengths, or as many of them as only data decide, are not supported");
        var results = new List<Term[]>();
        for (var s = 0L; s < sequences; s++)
        {
            var one = Scan(call, [.. operands.Select(x => x.Slice(0, s, 1).Squeeze(0))], body, numScanInputs, scanInputDirections: directions);
            if (one is null)
                return null;
            results.Add([.. one.Select(x => x.Unsqueeze(0))]);
        }
        return [.. Enumerable.Range(0, call.Results).Select(i => results[0][i].Concat(0, [.. results.Skip(1).Select(r => r[i])]))];
    }
}
