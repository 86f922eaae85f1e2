using Softmodel.Graphs;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>The gradients of branches and loops: branches and loops whose bodies compute again what they need, and then go back.</summary>
static class ControlFlowGradients
{
    /// <summary>The operands after the first few that a gradient is asked for, each value once.</summary>
    static int[] Wanted(BackwardStep step, int from, int count) =>
        [.. Enumerable.Range(from, count).Where(i => step.IsWanted[i] && step.X[i].Element.IsFloat()).DistinctBy(i => step.X[i].Value)];

    static Term Within(GraphBuilder body, Term x) => new(body, body.Capture(x.Value));

    /// <summary>What reaches the operands of a branch: the taken one is computed again, and the other's get zeros.</summary>
    public static Term?[] If(Op.If branch, BackwardStep step)
    {
        var (then, otherwise) = (branch.Then.Inputs.Count, branch.Else.Inputs.Count);
        int[] wanted = [.. Wanted(step, 1, then + otherwise)];
        if (wanted.Length == 0)
            return new Term?[step.X.Length];
        (Graph Graph, IReadOnlyList<Value> Captures) Branch(Graph graph, int from)
        {
            var body = step.Builder.Body(graph.Name);
            body.Origin = step.Builder.Origin;
            Value[] inputs = [.. Enumerable.Range(from, graph.Inputs.Count).Select(i => body.Capture(step.X[i].Value))];
            var outputs = Rewriting.Append(body, graph, inputs);
            var reached = Gradients.Of([.. outputs.Zip(step.Dy).Where(p => p.Second is not null).Select(p => (new Term(body, p.First), Within(body, p.Second!.Value)))],
                [.. wanted.Select(i => Within(body, step.X[i]))], step.Jumps);
            return (body.Build(wanted.Select((i, k) => (reached[k] ?? Adjoints.Zeros(Within(body, step.X[i]))).Value)), body.Captures);
        }
        var (yes, no) = (Branch(branch.Then, 1), Branch(branch.Else, 1 + then));
        Value[] operands = [step.X[0].Value, .. yes.Captures, .. no.Captures];
        var results = step.Builder.ApplyAll(new Op.If(yes.Graph, no.Graph), operands);
        var all = new Term?[step.X.Length];
        for (var k = 0; k < wanted.Length; k++)
            all[wanted[k]] = new(step.Builder, results[k]);
        return all;
    }

    /// <summary>
    /// What reaches the operands of a loop: a loop from its last iteration to its first. What each iteration began with is kept by
    /// the loop itself, which gets stacks for it; the rest is computed again.
    /// </summary>
    public static Term?[] Loop(Op.Loop loop, BackwardStep step)
    {
        var (builder, carried) = (step.Builder, loop.Carried);
        var begins = Kept(loop, step);
        int[] floats = [.. Enumerable.Range(0, carried).Where(c => loop.Body.Outputs[1 + c].Type.Element.IsFloat())];
        int[] wanted = [.. Wanted(step, 2 + carried, step.X.Length - 2 - carried)];

        var body = builder.Body("backward");
        body.Origin = builder.Origin;
        var iteration = new Term(body, body.Input("iteration", new(ElementType.Int64, Shape.Scalar)));
        Term[] back = [.. floats.Select(c => new Term(body, body.Input($"gradient{c}", loop.Body.Outputs[1 + c].Type)))];
        Term[] sums = [.. wanted.Select(i => new Term(body, body.Input($"sum{i}", step.X[i].Type)))];
        var time = new Term(body, body.Sizes([loop.Iterations - 1], Shape.Scalar)) - iteration;
        Value[] inputs =
        [
            time.Reshape(loop.Body.Inputs[0].Shape).Value,
            .. begins.Select(b => Within(body, b).Gather(time, 0).Value),
            .. step.X.Skip(2 + carried).Select(x => body.Capture(x.Value)),
        ];
        var outputs = Rewriting.Append(body, loop.Body, inputs);
        List<(Term, Term)> seeds = [.. floats.Select((c, k) => (new Term(body, outputs[1 + c]), back[k]))];
        for (var s = carried; s < step.Dy.Length; s++)
        {
            if (step.Dy[s] is { } d)
                seeds.Add((new(body, outputs[1 + s]), Within(body, d).Gather(time, 0)));
        }
        Term[] by = [.. floats.Select(c => new Term(body, inputs[1 + c])), .. wanted.Select(i => new Term(body, inputs[i - 1]))];
        var reached = Gradients.Of(seeds, by, step.Jumps);
        Value[] next =
        [
            body.Constant(Tensor.Scalar(true)),
            .. floats.Select((_, k) => (reached[k] ?? Adjoints.Zeros(back[k])).Value),
            .. wanted.Select((_, k) => (reached[floats.Length + k] is { } more ? sums[k] + more : sums[k]).Value),
        ];
        var graph = body.Build(next);
        Value[] operands =
        [
            builder.Sizes([loop.Iterations], Shape.Scalar),
            builder.Constant(Tensor.Scalar(true)),
            .. floats.Select(c => (step.Dy[c] ?? Adjoints.Zeros(step.X[2 + c])).Value),
            .. wanted.Select(i => Adjoints.Zeros(step.X[i]).Value),
            .. body.Captures,
        ];
        var results = builder.ApplyAll(new Op.Loop(graph, floats.Length + wanted.Length, loop.Iterations), operands);
        var all = new Term?[step.X.Length];
        for (var k = 0; k < floats.Length; k++)
            all[2 + floats[k]] = new(builder, results[k]);
        for (var k = 0; k < wanted.Length; k++)
            all[wanted[k]] = new(builder, results[floats.Length + k]);
        return all;
    }

    /// <summary>What each iteration began with, stacked along a new first axis.</summary>
    static Term[] Kept(Op.Loop loop, BackwardStep step)
    {
        var body = loop.Body with
        {
            Outputs = [.. loop.Body.Outputs, .. loop.Body.Inputs.Skip(1).Take(loop.Carried)],
            OutputNames = [.. loop.Body.OutputNames, .. Enumerable.Range(0, loop.Carried).Select(c => $"begin{c}")],
        };
        return [.. step.Builder.Extend(step.Node, loop with { Body = body }).Select(v => new Term(step.Builder, v))];
    }
}
