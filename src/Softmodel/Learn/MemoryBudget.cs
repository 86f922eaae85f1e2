using System.Globalization;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>
/// Chooses what a step keeps for the way back, so that it fits the memory that it may take (gradient checkpointing). What is cheap
/// is computed again in any case. Under a budget the way forward is cut into segments: of one that is computed again only what later
/// nodes read is kept, until the way back comes to it.
/// </summary>
/// <remarks>Chen, Xu, Zhang, Guestrin: Training deep nets with sublinear memory cost (2016).</remarks>
sealed class MemoryBudget
{
    // Less is not worth the time: a step of ResNet-18, which saves a tenth, takes 5 % longer.
    const double LeastSaving = 0.15;

    // Places where the way forward may be cut, how finely memory is told apart in choosing them, and how often a choice is measured.
    const int MostPlaces = 96, Levels = 256, MostTries = 8;

    readonly Graph graph;
    readonly int results;
    readonly UsualSizes usual;
    readonly int width;
    readonly CancellationToken cancellationToken;

    MemoryBudget(Graph graph, int results, UsualSizes usual, int width, CancellationToken cancellationToken) =>
        (this.graph, this.results, this.usual, this.width, this.cancellationToken) = (graph, results, usual, width, cancellationToken);

    /// <summary>A step as it is computed, and the bytes that it takes.</summary>
    /// <param name="Program">Its kernels.</param>
    /// <param name="WorkingBytes">What it works in.</param>
    /// <param name="Bytes">That, with what is there all the time: parameters, moments, other weights and the batch.</param>
    public sealed record Plan(LoweredProgram Program, double WorkingBytes, double Bytes);

    /// <summary>The kernels of a step.</summary>
    /// <param name="graph">Its graph, after all passes.</param>
    /// <param name="results">How many of its outputs are the network's.</param>
    /// <param name="usual">How large its sizes usually are.</param>
    /// <param name="width">The bits of a vector.</param>
    /// <param name="budget">The most bytes that it may take; null for no bound.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    /// <exception cref="SoftmodelException">It can't do with so few.</exception>
    public static Plan Fit(Graph graph, int results, UsualSizes usual, int width, long? budget, CancellationToken cancellationToken) =>
        new MemoryBudget(graph, results, usual, width, cancellationToken).Fit(budget ?? double.PositiveInfinity);

    Plan Of(Graph computed)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var program = Lower.Program(computed, usual);
        var schedule = Lowering.Schedule.Of(program, width);
        var working = schedule.Memory.Bytes(usual);
        return new(program, working, working + schedule.Buffers.Where(b => b.Storage != Storage.Arena).Sum(b => usual.Of(b.Count) * b.Type.Size()));
    }

    Plan Fit(double budget)
    {
        var whole = new Recomputation(graph, results, usual);
        var kept = whole.Kept();
        var cheap = whole.Apply(kept);
        var (all, least) = (Of(graph), Of(cheap));
        var first = least.Bytes <= (1 - LeastSaving) * all.Bytes ? least : all;
        return first.Bytes <= budget ? first : least.Bytes <= budget ? least : Segmented(whole, kept, new(cheap, results, usual), least, budget);
    }

    Plan Segmented(Recomputation whole, HashSet<Value> cheapest, Recomputation cheap, Plan least, double budget)
    {
        var segments = new Segments(cheap, least.Program, usual, MostPlaces, Levels);
        var constant = least.Bytes - least.WorkingBytes;
        var room = budget - constant;
        (Plan Plan, double Work)? best = null;
        var smallest = least;
        Plan? Try(double most)
        {
            if (segments.Cheapest(most) is not var (kept, work))
                return null;
            // What is cheap may be a sum over many segments: it begins with what is kept between them.
            var plan = Of(new Recomputation(whole.Apply(cheapest.Union(kept).ToHashSet()), results, usual).Apply(kept));
            if (plan.Bytes <= budget && !(work >= best?.Work))
                best = (plan, work);
            return plan;
        }
        // What is measured differs from what was reckoned with by what the kernels need beside: as much is left for that in the next try.
        var (aim, tooMuch) = (room, double.PositiveInfinity);
        for (var tries = 0; tries < MostTries && Try(aim) is { } plan; tries++)
        {
            if (plan.Bytes > budget)
                (tooMuch, aim) = (aim, Math.Min(aim - (plan.Bytes - budget), 0.98 * aim));
            else if (Math.Min(aim + budget - plan.Bytes, (aim + tooMuch) / 2) is var more && more > 1.01 * aim)
                aim = more;
            else
                break;
        }
        // The least is looked for in the same places whatever the budget is, so that it is found again where it is given.
        if (best is null)
        {
            var bound = segments.Least();
            foreach (var plan in ((double[])[1, 1.1, 1.25, 1.5, 1.8, 2.2]).Select(share => Try(bound * share)).OfType<Plan>())
                smallest = plan.Bytes < smallest.Bytes ? plan : smallest;
        }
        return best?.Plan ?? throw new TooLittleMemoryException((long)Math.Ceiling(smallest.Bytes), string.Create(CultureInfo.InvariantCulture,
            $"a step of {graph.Name} takes {smallest.Bytes / 1e6:0.0} MB at least, and may take {budget / 1e6:0.0} MB: {constant / 1e6:0.0} MB of it are parameters, moments, other weights and the batch; give it more, or make batches smaller and accumulate their gradients"));
    }
}

/// <summary>A step can't do with the memory that it may take.</summary>
/// <param name="leastBytes">The least that was found to suffice.</param>
/// <param name="message">What it takes, and what to do about it.</param>
sealed class TooLittleMemoryException(long leastBytes, string message) : SoftmodelException(message)
{
    /// <summary>The least that was found to suffice.</summary>
    public long LeastBytes => leastBytes;
}

/// <summary>Segments of the way forward, of which each is kept for the way back or computed again.</summary>
sealed class Segments
{
    readonly int levels;
    readonly int[] places;
    readonly HashSet<Value>[] frontiers;
    // Bytes: of what the way back reads of the nodes up to each, and of what there is beside while it, or the way back, is there.
    readonly double[] keptUpTo, beside, workUpTo;
    readonly Value[] kept;

    /// <summary>Looks for places to cut.</summary>
    /// <param name="forward">The way forward, in a graph in which all that is cheap is computed again.</param>
    /// <param name="program">The graph's kernels.</param>
    /// <param name="usual">How large sizes usually are.</param>
    /// <param name="mostPlaces">How many places at most.</param>
    /// <param name="levels">How finely memory is told apart.</param>
    public Segments(Recomputation forward, LoweredProgram program, UsualSizes usual, int mostPlaces, int levels)
    {
        (Forward, this.levels) = (forward, levels);
        var nodes = forward.Forward;
        kept = [.. forward.Needed];
        keptUpTo = new double[nodes.Count + 1];
        foreach (var value in kept)
            keptUpTo[forward.IndexOf(value)!.Value + 1] += forward.Bytes(value);
        workUpTo = new double[nodes.Count + 1];
        for (var i = 0; i < nodes.Count; i++)
            (keptUpTo[i + 1], workUpTo[i + 1]) = (keptUpTo[i + 1] + keptUpTo[i], workUpTo[i] + Work(nodes[i], usual));
        var lastRead = new Dictionary<Value, int>();
        foreach (var (index, node) in nodes.Index())
        {
            foreach (var input in node.Inputs.Where(v => forward.IndexOf(v) is not null))
                lastRead[input] = index;
        }
        var over = new double[nodes.Count + 1];
        foreach (var (value, last) in lastRead)
        {
            over[forward.IndexOf(value)!.Value + 1] += forward.Bytes(value);
            over[last + 1] -= forward.Bytes(value);
        }
        for (var i = 1; i <= nodes.Count; i++)
            over[i] += over[i - 1];
        // Of each stretch the place over which least is needed later.
        var stretch = Math.Max(1, (int)Math.Ceiling((double)nodes.Count / mostPlaces));
        places = [0, .. Enumerable.Range(0, nodes.Count).Skip(1).Chunk(stretch).Select(c => c.MinBy(i => over[i])), nodes.Count];
        frontiers = [.. places.Select(p => lastRead.Where(v => v.Value >= p && forward.IndexOf(v.Key) < p).Select(v => v.Key).ToHashSet())];
        beside = Beside(forward, program, usual);
    }

    Recomputation Forward { get; }

    /// <summary>About the least memory that suffices.</summary>
    public double Least()
    {
        var (low, high) = (0.0, keptUpTo[^1] + beside.Max() + frontiers.Max(f => f.Sum(Forward.Bytes)));
        while (high - low > 0.01 * high)
        {
            var middle = (low + high) / 2;
            (low, high) = Cheapest(middle) is null ? (middle, high) : (low, middle);
        }
        return high;
    }

    /// <summary>What is kept so that as little as possible is computed again.</summary>
    /// <param name="most">The most bytes that it may take.</param>
    /// <returns>That, and about how much work it is to compute the rest again; null where it can't be done with so little.</returns>
    public (HashSet<Value> Kept, double Work)? Cheapest(double most)
    {
        if (most <= 0)
            return null;
        // The least work with which each place is reached, by whether the segment before it is computed again and by how much is kept.
        var best = new (double Work, int From, bool WasAgain, int Level)[places.Length, 2, levels + 1];
        for (var p = 0; p < places.Length; p++)
        {
            for (var level = 0; level <= levels; level++)
                (best[p, 0, level].Work, best[p, 1, level].Work) = (double.PositiveInfinity, double.PositiveInfinity);
        }
        best[0, 0, 0].Work = 0;
        var (own, others) = (frontiers.Select(f => f.Sum(Forward.Bytes)).ToArray(), frontiers.Select(f => f.Except(kept).Sum(Forward.Bytes)).ToArray());
        for (var from = 0; from < places.Length - 1; from++)
        {
            var around = 0.0;
            for (var to = from + 1; to < places.Length; to++)
            {
                for (var i = places[to - 1]; i < places[to]; i++)
                    around = Math.Max(around, beside[i]);
                var (inside, work) = (keptUpTo[places[to]] - keptUpTo[places[from]], workUpTo[places[to]] - workUpTo[places[from]]);
                foreach (var wasAgain in (bool[])[false, true])
                {
                    for (var level = 0; level <= levels; level++)
                    {
                        var soFar = best[from, wasAgain ? 1 : 0, level].Work;
                        if (double.IsPositiveInfinity(soFar))
                            continue;
                        var held = level * most / levels;
                        var kept = held + (wasAgain ? own[from] : 0) + inside;
                        if (kept + around <= most)
                            Reach(to, false, kept, soFar, wasAgain, level);
                        var cut = held + (wasAgain ? own[from] : others[from]);
                        if (cut + inside + around <= most)
                            Reach(to, true, cut, soFar + work, wasAgain, level);
                    }
                }

                void Reach(int place, bool isAgain, double bytes, double work, bool wasAgain, int level)
                {
                    var next = (int)Math.Ceiling(bytes / most * levels);
                    if (next <= levels && work < best[place, isAgain ? 1 : 0, next].Work)
                        best[place, isAgain ? 1 : 0, next] = (work, from, wasAgain, level);
                }
            }
        }
        var end = (from again in (bool[])[false, true] from level in Enumerable.Range(0, levels + 1) select (Again: again, Level: level)).MinBy(e => best[places.Length - 1, e.Again ? 1 : 0, e.Level].Work);
        var least = best[places.Length - 1, end.Again ? 1 : 0, end.Level].Work;
        if (double.IsPositiveInfinity(least))
            return null;
        var found = new HashSet<Value>();
        for (var (place, again, level) = (places.Length - 1, end.Again, end.Level); place > 0;)
        {
            var (_, from, wasAgain, before) = best[place, again ? 1 : 0, level];
            if (!again)
                found.UnionWith(kept.Where(v => Forward.IndexOf(v) >= places[from] && Forward.IndexOf(v) < places[place]));
            if (again || wasAgain)
                found.UnionWith(frontiers[from]);
            (place, again, level) = (from, wasAgain, before);
        }
        return (found, least);
    }

    /// <summary>
    /// What there is at each node of the way forward beside what has been kept by then: while it is computed, and while the way back
    /// is there, gradients with it.
    /// </summary>
    static double[] Beside(Recomputation forward, LoweredProgram program, UsualSizes usual)
    {
        var (first, last, steps) = (new Dictionary<Lowering.Buffer, int>(), new Dictionary<Lowering.Buffer, int>(), program.Steps);
        var outputs = program.Outputs.Select(o => o.Buffer).ToHashSet();
        for (var at = 0; at < steps.Length; at++)
        {
            foreach (var buffer in LoweredProgram.Within([steps[at]]).SelectMany(s => s.Buffers).Where(b => b.Storage == Storage.Arena))
            {
                first.TryAdd(buffer, at);
                last[buffer] = outputs.Contains(buffer) ? steps.Length - 1 : at;
            }
        }
        var live = new double[steps.Length + 1];
        foreach (var (buffer, at) in first)
        {
            live[at] += usual.Of(buffer.Count) * buffer.Type.Size();
            live[last[buffer] + 1] -= usual.Of(buffer.Count) * buffer.Type.Size();
        }
        for (var at = 1; at < steps.Length; at++)
            live[at] += live[at - 1];

        var places = forward.Forward.Index().ToDictionary(n => n.Item, n => n.Index);
        var needed = forward.Needed;
        var bytes = new double[places.Count + 1];
        foreach (var value in needed)
            bytes[forward.IndexOf(value)!.Value] += forward.Bytes(value);
        for (var i = 1; i < bytes.Length; i++)
            bytes[i] += bytes[i - 1];
        var beside = new double[places.Count + 1];
        var back = 0;
        for (var at = steps.Length - 1; at >= 0; at--)
        {
            var nodes = LoweredProgram.Within([steps[at]]).SelectMany(s => s.Nodes).ToArray();
            var own = nodes.Select(n => places.GetValueOrDefault(n, -1)).DefaultIfEmpty(-1).Max();
            if (own < 0)
            {
                // On the way back it is where the last of what is still to be read was computed.
                back = Math.Max(back, nodes.SelectMany(n => n.Inputs).Where(needed.Contains).Select(v => forward.IndexOf(v)!.Value).DefaultIfEmpty(0).Max());
                own = back;
            }
            beside[own] = Math.Max(beside[own], live[at] - bytes[own]);
        }
        return beside;
    }

    /// <summary>About how much work a node is: multiply-adds, and what moving elements takes as long as.</summary>
    static double Work(Node node, UsualSizes usual)
    {
        double Of(Shape shape) => usual.Of(shape.Count);
        return node.Op switch
        {
            Op.Contract contract => Contracted(contract.Equation, node.Inputs[0].Shape, node.Inputs[1].Shape, usual),
            Op.Convolve => Of(node.Output.Shape) * Of(node.Inputs[1].Shape) / usual.Of(node.Inputs[1].Shape[0]),
            Op.ConvolveTransposed => Of(node.Inputs[0].Shape) * Of(node.Inputs[1].Shape) / usual.Of(node.Inputs[1].Shape[0]),
            Op.Loop loop => usual.Of(loop.Iterations) * loop.Body.Nodes.Sum(n => Work(n, usual)),
            Op.If branch => Math.Max(branch.Then.Nodes.Sum(n => Work(n, usual)), branch.Else.Nodes.Sum(n => Work(n, usual))),
            Op.Constant or Op.Parameter => 0,
            _ => WorkOfMoving * node.Inputs.Concat(node.Outputs).Select(v => Of(v.Shape)).DefaultIfEmpty(0).Max(),
        };
    }

    const double WorkOfMoving = 4;

    static double Contracted(string equation, Shape x, Shape y, UsualSizes usual)
    {
        var (left, right, _) = Einsum.Split(equation);
        return left.Concat(right).Distinct().Aggregate(1.0, (product, c) => product * usual.Of(left.IndexOf(c) is >= 0 and var i ? x[i] : y[right.IndexOf(c)]));
    }
}
