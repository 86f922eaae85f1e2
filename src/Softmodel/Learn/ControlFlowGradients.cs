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
        var remembered = Remembered(loop);
        var (begins, products) = Kept(loop, remembered, step);
        int[] floats = [.. Enumerable.Range(0, carried).Where(c => loop.Body.Outputs[1 + c].Type.Element.IsFloat())];
        int[] wanted = Wanted(step, 2 + carried, step.X.Length - 2 - carried);

        var body = builder.Body("backward");
        body.Origin = builder.Origin;
        var iteration = new Term(body, body.Input("iteration", new(ElementType.Int64, Shape.Scalar)));
        Term[] back = [.. floats.Select(c => new Term(body, body.Input($"gradient{c}", loop.Body.Outputs[1 + c].Type)))];
        var last = new Term(body, body.Sizes([loop.Iterations - 1], Shape.Scalar));
        var time = last - iteration;
        var against = last - time;
        Value[] inputs =
        [
            time.Reshape(loop.Body.Inputs[0].Shape).Value,
            .. begins.Select(b => Within(body, b).Gather(time, 0).Value),
            .. step.X.Skip(2 + carried).Select(x => body.Capture(x.Value)),
        ];
        var computed = new Dictionary<Value, Value>();
        var outputs = Rewriting.Append(body, loop.Body, inputs, [], (value, result) =>
        {
            if (Array.IndexOf(remembered, value) is not (>= 0 and var product))
                return result;
            var there = Within(body, products[product]).Gather(time, 0);
            computed[there.Value] = result.Value;
            return there;
        });
        List<(Term, Term)> seeds = [.. floats.Select((c, k) => (new Term(body, outputs[1 + c]), back[k]))];
        for (var s = carried; s < step.Dy.Length; s++)
        {
            if (step.Dy[s] is { } d)
                seeds.Add((new(body, outputs[1 + s]), Within(body, d).Gather(time, 0)));
        }

        // Of what an iteration reads one slice of, each gives the gradient of that slice alone.
        var slices = wanted.ToDictionary(i => i, i => Slices(body, inputs[i - 1], outputs));
        Term[] by = [.. floats.Select(c => new Term(body, inputs[1 + c])), .. wanted.SelectMany(i => slices[i] is { } some ? some.Select(n => new Term(body, n.Output)) : [new Term(body, inputs[i - 1])])];
        var reached = new Queue<Term?>(Gradients.Of(seeds, by, step.Jumps, computed));
        Term[] next = [.. floats.Select((_, k) => reached.Dequeue() ?? Adjoints.Zeros(back[k]))];

        var stacks = new LoopStacks(body, iteration, time, loop.Iterations);
        var after = new List<(int Operand, Func<Term[], Term> Of)>();
        var sums = new List<(int Operand, Term Sum, Term More)>();
        foreach (var i in wanted)
        {
            if (slices[i] is { } some)
            {
                foreach (var slice in some)
                {
                    if (reached.Dequeue() is not { } gradient)
                        continue;
                    var values = stacks.Add(gradient);
                    var isAll = step.X[i].Shape[0].Equals(loop.Iterations);
                    // Each slice once, in the order of the iterations or against it.
                    if (isAll && slice.Inputs[1] == time.Value)
                    {
                        after.Add((i, stack => stack[values].Slice(0, loop.Iterations - 1, loop.Iterations, -1)));
                        continue;
                    }
                    if (isAll && slice.Inputs[1] == against.Value)
                    {
                        after.Add((i, stack => stack[values]));
                        continue;
                    }
                    var places = stacks.Add(new(body, slice.Inputs[1]));
                    after.Add((i, stack => Adjoints.Zeros(step.X[i]).Apply(new Op.ScatterND(Combination.Sum), stack[places].Unsqueeze(1), stack[values])));
                }
                continue;
            }
            foreach (var part in reached.Dequeue() is { } all ? Summands(all) : [])
            {
                // A sum of products of all iterations is one contraction, over the iterations as well.
                if (stacks.Product(part) is { } product)
                    after.Add((i, product));
                else
                    sums.Add((i, new(body, body.Input($"sum{i}.{sums.Count}", step.X[i].Type)), part));
            }
        }
        Value[] results =
        [
            body.Constant(Tensor.Scalar(true)),
            .. next.Select(x => x.Value),
            .. sums.Select(s => (s.Sum + s.More).Value),
            .. stacks.All.Select(x => x.Value),
        ];
        var graph = body.Build(results);
        // What is carried comes first among a body's inputs, and what was captured on the way after it.
        var own = sums.Select(s => s.Sum.Value).ToHashSet();
        graph = graph with { Inputs = [.. graph.Inputs.Take(1 + floats.Length), .. sums.Select(s => s.Sum.Value), .. graph.Inputs.Skip(1 + floats.Length).Where(v => !own.Contains(v))] };
        Value[] operands =
        [
            builder.Sizes([loop.Iterations], Shape.Scalar),
            builder.Constant(Tensor.Scalar(true)),
            .. floats.Select(c => (step.Dy[c] ?? Adjoints.Zeros(step.X[2 + c])).Value),
            .. sums.Select(s => Adjoints.Zeros(step.X[s.Operand]).Value),
            .. body.Captures,
        ];
        Term[] made = [.. builder.ApplyAll(new Op.Loop(graph, floats.Length + sums.Count, loop.Iterations), operands).Select(v => new Term(builder, v))];
        var gradients = new Term?[step.X.Length];
        void Add(int operand, Term more) => gradients[operand] = gradients[operand] is { } there ? there + more : more;
        for (var k = 0; k < floats.Length; k++)
            Add(2 + floats[k], made[k]);
        for (var k = 0; k < sums.Count; k++)
            Add(sums[k].Operand, made[floats.Length + k]);
        foreach (var (operand, of) in after)
            Add(operand, of(made[(floats.Length + sums.Count)..]));
        return gradients;
    }

    /// <summary>The nodes that each read one slice of a value, where nothing else reads it; else null.</summary>
    static Node[]? Slices(GraphBuilder body, Value value, Value[] outputs)
    {
        var readers = body.Nodes.Where(n => n.Inputs.Contains(value)).ToArray();
        return readers.Length > 0 && !outputs.Contains(value) && readers.All(n => n.Op is Op.Gather { Axis: 0 } && n.Inputs[0] == value && n.Inputs[1] != value && n.Inputs[1].Rank == 0) ? readers : null;
    }

    static IEnumerable<Term> Summands(Term x) => x.Builder.Producer(x.Value) is { Op: Op.Map { Function: var function } } node && function == Functions.Plus && node.Inputs.All(v => v.Type == x.Type)
        ? node.Inputs.SelectMany(v => Summands(new(x.Builder, v))) : [x];

    /// <summary>The products of an iteration, which cost more to compute again than to keep: those of what differs from one to the next.</summary>
    static Value[] Remembered(Op.Loop loop)
    {
        var differs = loop.Body.Inputs.Take(1 + loop.Carried).ToHashSet();
        foreach (var node in loop.Body.Nodes.Where(n => n.Inputs.Any(differs.Contains)))
            differs.UnionWith(node.Outputs);
        return [.. loop.Body.Nodes.Where(n => n.Op is Op.Contract or Op.Convolve && differs.Contains(n.Output)).Select(n => n.Output)];
    }

    /// <summary>What each iteration began with, and its products, stacked along a new first axis.</summary>
    static (Term[] Begins, Term[] Products) Kept(Op.Loop loop, Value[] products, BackwardStep step)
    {
        Value[] kept = [.. loop.Body.Inputs.Skip(1).Take(loop.Carried), .. products];
        var body = loop.Body with
        {
            Outputs = [.. loop.Body.Outputs, .. kept],
            OutputNames = [.. loop.Body.OutputNames, .. kept.Select((_, i) => $"stack{i}")],
        };
        Term[] stacks = [.. step.Builder.Extend(step.Node, loop with { Body = body }).Select(v => new Term(step.Builder, v))];
        return (stacks[..loop.Carried], stacks[loop.Carried..]);
    }
}

/// <summary>What iterations of a loop that goes back leave for the time after it, stacked along a new first axis.</summary>
/// <param name="body">An iteration.</param>
/// <param name="iteration">Its number.</param>
/// <param name="time">The number of the iteration whose gradients it computes.</param>
/// <param name="count">How many there are.</param>
sealed class LoopStacks(GraphBuilder body, Term iteration, Term time, Dim count)
{
    readonly List<Term> all = [];

    /// <summary>What is stacked.</summary>
    public IReadOnlyList<Term> All => all;

    /// <summary>The place of a stack of what a value is in each iteration.</summary>
    public int Add(Term x)
    {
        if (all.IndexOf(x) is >= 0 and var there)
            return there;
        all.Add(x);
        return all.Count - 1;
    }

    /// <summary>The sum over all iterations of a product; null where it is none.</summary>
    /// <param name="x">What it is in one iteration.</param>
    public Func<Term[], Term>? Product(Term x)
    {
        if (body.Producer(x.Value) is not { Op: Op.Contract { Equation: var equation } } node || equation.Contains('T', StringComparison.Ordinal))
            return null;
        var (left, right, result) = Einsum.Split(equation);
        // Many operands for a small sum are better summed at once.
        if (node.Inputs.Where(v => Outside(v) is null).Sum(v => v.Shape.KnownCount ?? 0) > (x.Shape.KnownCount ?? long.MaxValue))
            return null;
        var (a, b) = (Operand(node.Inputs[0]), Operand(node.Inputs[1]));
        return a is null && b is null ? null : stack => Of(a, node.Inputs[0], stack)
            .Contract($"{(a is null ? "" : "T")}{left},{(b is null ? "" : "T")}{right}->{result}", Of(b, node.Inputs[1], stack));

        Term Of(Func<Term[], Term>? operand, Value value, Term[] stack) => operand is { } stacked ? stacked(stack) : Outside(value)!.Value;
    }

    Term? Outside(Value value) => body.Outside(value) is { } outside ? new(body.Outer!, outside) : null;

    /// <summary>An operand in all iterations, from the last to the first; null where it is the same in all.</summary>
    Func<Term[], Term>? Operand(Value value)
    {
        if (Outside(value) is not null)
            return null;
        // What an iteration took from a stack is there already.
        if (body.Producer(value) is { Op: Op.Gather { Axis: 0 } } gather && gather.Inputs[1] == time.Value && Outside(gather.Inputs[0]) is { } whole && whole.Shape[0].Equals(count))
            return _ => whole.Slice(0, count - 1, count, -1);
        var at = Add(new(iteration.Builder, value));
        return stack => stack[at];
    }
}
