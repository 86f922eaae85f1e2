using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators with graphs of their own.</summary>
static class ControlFlow
{
    /// <summary>What an iteration gives.</summary>
    /// <param name="Carried">What the next one begins with.</param>
    /// <param name="Stacked">What is stacked along a new first axis.</param>
    /// <param name="GoOn">Whether there is a next one; always, where it is left out.</param>
    internal sealed record Turn(Term[] Carried, Term[] Stacked, Term? GoOn = null);

    /// <summary>Adds a loop.</summary>
    /// <param name="builder">The graph.</param>
    /// <param name="most">The largest number of iterations; none, where it is left out.</param>
    /// <param name="begin">Whether to begin.</param>
    /// <param name="initial">What the first iteration begins with.</param>
    /// <param name="turn">One iteration, of its number and what the last one left; null where it could not be imported.</param>
    /// <returns>What the last iteration left, then the stacks.</returns>
    internal static Term[]? Loop(GraphBuilder builder, Term? most, Term? begin, Term[] initial, Func<Term, Term[], Turn?> turn)
    {
        var body = builder.Body("body");
        var iteration = new Term(body, body.Input("iteration", new(ElementType.Int64, Shape.Scalar)));
        var carried = initial.Select((x, i) => new Term(body, body.Input($"carried{i}", x.Type))).ToArray();
        body.Origin = builder.Origin;
        if (turn(iteration, carried) is not { } result)
            return null;
        var always = Tensor.Scalar(true);
        var goOn = (result.GoOn ?? iteration.Constant(always)).Reshape(Shape.Scalar);
        var first = (begin ?? new(builder, builder.Constant(always))).Reshape(Shape.Scalar);
        var trips = most?.Cast(ElementType.Int64).Reshape(Shape.Scalar) ?? new(builder, builder.Constant(Tensor.Scalar(long.MaxValue)));
        if (!result.Carried.Select(x => x.Type).SequenceEqual(initial.Select(x => x.Type))
            && trips.Contents is [{ Value: > 0 and <= MostUnrolled and var number }] && first.Known?.IsAll(1) == true)
            return Unrolled(builder, (int)number, initial, turn);
        // Sizes that may be others by their names are demanded not to be.
        Term[] left = [.. result.Carried.Zip(initial, (x, first) => x.Type != first.Type && CanBe(x.Type, first.Type) ? x.Reshape(first.Shape) : x)];
        Value[] operands = [trips.Value, first.Value, .. initial.Select(x => x.Value), .. body.Captures];
        // The number of iterations is known where only it ends the loop; a symbol must be one that comes in with an operand.
        var isCounted = goOn.Known?.IsAll(1) == true && first.Known?.IsAll(1) == true;
        var count = isCounted && trips.Contents is [var known] && known.Symbols.All(s => operands.Any(v => v.Shape.Dims.Any(d => d.Symbols.Contains(s))))
            ? Dim.Max(known, 0)
            : builder.FreshSymbol("turns");
        var graph = body.Build([goOn.Value, .. left.Select(x => x.Value), .. result.Stacked.Select(x => x.Value)]);
        return [.. builder.ApplyAll(new Op.Loop(graph, initial.Length, count), operands).Select(v => new Term(builder, v))];
    }

    static bool CanBe(TensorType a, TensorType b) => a.Element == b.Element && a.Shape.Rank == b.Shape.Rank
        && a.Shape.Dims.Zip(b.Shape.Dims, (x, y) => !(x - y - 1).IsNeverNegative && !(y - x - 1).IsNeverNegative).All(may => may);

    const int MostUnrolled = 256;

    /// <summary>The iterations one after the other: each can have sizes of its own.</summary>
    static Term[]? Unrolled(GraphBuilder builder, int count, Term[] carried, Func<Term, Term[], Turn?> turn)
    {
        var stacks = new List<Term[]>();
        for (var i = 0L; i < count; i++)
        {
            if (turn(new(builder, builder.Constant(Tensor.Scalar(i))), carried) is not { } result)
                return null;
            carried = result.Carried;
            stacks.Add([.. result.Stacked.Select(x => x.Unsqueeze(0))]);
            if (result.GoOn is { } goOn && (goOn.Known ?? throw new SoftmodelException("a loop that changes the sizes of what it carries must run a number of times known at build time")).IsAll(0))
                break;
        }
        return [.. carried, .. stacks[0].Select((x, i) => x.Concat(0, [.. stacks.Skip(1).Select(s => s[i])]))];
    }

    /// <summary>A value of the graph around a body, within it.</summary>
    internal static Term Within(Term body, Term x) => new(body.Builder, body.Builder.Capture(x.Value));

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
        return Loop(call.Builder, call[0], call[1], initial, (iteration, carried) =>
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
        var results = Loop(call.Builder, length, null, initial, (iteration, carried) =>
        {
            var elements = scanned.Select((x, i) => At(iteration, x, axes[i], scanInputDirections?[i] == 1));
            return Run(call, iteration.Builder, body, [.. carried, .. elements]) is { } turn
                ? new(turn[..initial.Length], turn[initial.Length..])
                : null;
        });
        for (var i = initial.Length; i < results?.Length; i++)
        {
            var at = i - initial.Length;
            var stack = scanOutputDirections?[at] == 1 ? Reversed(results[i], 0) : results[i];
            var axis = Axes.Of(scanOutputAxes?[at] ?? 0, stack.Rank);
            results[i] = stack.Transpose([.. Enumerable.Range(1, stack.Rank - 1).Take(axis), 0, .. Enumerable.Range(1, stack.Rank - 1).Skip(axis)]);
        }
        return results;
    }

    /// <summary>The element of a scanned operand for an iteration.</summary>
    internal static Term At(Term iteration, Term x, int axis, bool reverse)
    {
        var last = new Term(iteration.Builder, iteration.Builder.Sizes((Dim[])[x.Shape[axis] - 1], Shape.Scalar));
        return Within(iteration, x).Gather(reverse ? last - iteration : iteration, axis);
    }

    internal static Term Reversed(Term x, int axis) => x.Slice(axis, x.Shape[axis] - 1, x.Shape[axis], -1);

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
