using Softmodel.Graphs;

namespace Softmodel.Lowering;

/// <summary>What a program keeps from run to run, and what it must not lose with it.</summary>
sealed class LoweredStates(Graph graph, BufferTable buffers)
{
    /// <summary>Stores the states, and finds those that are changed in place: some rows are replaced, and nothing else reads what was there.</summary>
    /// <param name="last">The numbers of the states whose new elements are written where the old ones were.</param>
    public void Store(IReadOnlySet<int> last)
    {
        var known = graph.Arguments.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).ToHashSet(StringComparer.Ordinal);
        foreach (var (number, (input, output)) in graph.States.Index())
        {
            var (before, after) = (graph.Inputs[input], graph.Outputs[output]);
            if (before.Shape.Dims.SelectMany(d => d.Symbols).FirstOrDefault(s => !known.Contains(s)) is { } unknown)
                throw new SoftmodelException($"the state {before} has a size {unknown} that no argument tells");
            if (before.Shape.Dims.Skip(1).Any(d => !d.IsKnown))
                throw new SoftmodelException($"the state {before} has a symbolic size besides its first: what it holds would move when that grows");
            var buffer = buffers.Store(before, Storage.State);
            buffers.Update(buffer, last.Contains(number) ? [after] : Updates.InPlace(graph, before, after) ?? []);
        }
    }

    /// <summary>What is left to do for the next run to find the other states.</summary>
    public IEnumerable<Step> Kept()
    {
        var all = graph.States.Select(s => (From: buffers.Stored[graph.Outputs[s.Output]], To: buffers.Stored[graph.Inputs[s.Input]])).Where(s => s.From != s.To).ToArray();
        var copies = new List<Step>();
        for (var i = 0; i < all.Length; i++)
        {
            // A state may be another's new one: all are read before any is overwritten.
            if (all[i].From.Storage != Storage.State)
                continue;
            var copy = buffers.New($"{all[i].From.Name}_before", Storage.Arena, all[i].From.Type, all[i].From.Count);
            copies.Add(new Step.Copy(all[i].From, copy));
            all[i].From = copy;
        }
        return copies.Concat(all.Select(s => new Step.Copy(s.From, s.To)));
    }

    /// <summary>Copies results out of buffers that don't outlast the run: arguments, which are let go, and states that are overwritten.</summary>
    public Step[] Saved((Buffer Buffer, Shape Shape)[] results, HashSet<Buffer> lost)
    {
        var copies = new Dictionary<Buffer, Buffer>();
        foreach (ref var result in results.AsSpan())
        {
            var from = result.Buffer;
            if (!lost.Contains(from))
                continue;
            if (!copies.TryGetValue(from, out var copy))
                copies.Add(from, copy = buffers.New($"{from.Name}_result", Storage.Arena, from.Type, from.Count));
            result.Buffer = copy;
        }
        return [.. copies.Select(c => new Step.Copy(c.Key, c.Value))];
    }

    /// <summary>
    /// The states that a kernel can write where they are, as an optimiser's step writes parameters: each new element is computed
    /// from the old one at its own place, and nothing reads the old ones later.
    /// </summary>
    /// <param name="program">A program that copies its states at the end.</param>
    /// <returns>Their numbers.</returns>
    public static HashSet<int> WrittenLast(LoweredProgram program)
    {
        var (found, states) = (new HashSet<int>(), program.States.ToArray());
        if (!program.Steps.OfType<Step.Copy>().Any(c => states.Contains(c.To)))
            return found;
        // The last step that reads each buffer, but for copies, and the steps that write them.
        var (read, written) = (new Dictionary<Buffer, int>(), new Dictionary<Buffer, List<int>>());
        foreach (var (at, step) in program.Steps.Index())
        {
            foreach (var inner in LoweredProgram.Within([step]).Where(s => s is not Step.Copy))
            {
                foreach (var buffer in inner is Step.Nest nest ? nest.Reads.Concat(nest.Unpadded) : inner.Buffers)
                    read[buffer] = at;
            }
            foreach (var buffer in LoweredProgram.Within([step]).SelectMany(Targets))
                (written.TryGetValue(buffer, out var list) ? list : written[buffer] = []).Add(at);
        }
        var copies = program.Steps.OfType<Step.Copy>().ToArray();
        foreach (var (number, state) in states.Index())
        {
            if (copies.Where(c => c.To == state).ToArray() is [{ From: { Storage: Storage.Arena } from }] && copies.Count(c => c.From == from) == 1 && !copies.Any(c => c.From == state)
                && program.Outputs.All(o => o.Buffer != from && o.Buffer != state) && written.GetValueOrDefault(from) is [var at] && program.Steps[at] is Step.Nest { Fold: null } writer
                && read.GetValueOrDefault(state, -1) <= at && from.Type == state.Type && writer.Replaces(state))
                found.Add(number);
        }
        return found;
    }

    static IEnumerable<Buffer> Targets(Step step) => step switch
    {
        Step.Nest nest => [nest.Target],
        Step.Routine routine => routine.Outputs.Items.Select(i => i.Buffer),
        Step.Copy copy => [copy.To],
        Step.Loop loop => [loop.Iteration, .. loop.Carry.Concat(loop.Stacks).Select(p => p.To)],
        _ => [],
    };
}
