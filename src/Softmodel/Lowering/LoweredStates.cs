using Softmodel.Graphs;

namespace Softmodel.Lowering;

/// <summary>What a program keeps from run to run, and what it must not lose with it.</summary>
sealed class LoweredStates(Graph graph, BufferTable buffers)
{
    /// <summary>Stores the states, and finds those that are changed in place: some rows are replaced, and nothing else reads what was there.</summary>
    public void Store()
    {
        var known = graph.Arguments.SelectMany(v => v.Shape.Dims).SelectMany(d => d.Symbols).ToHashSet(StringComparer.Ordinal);
        foreach (var (input, output) in graph.States)
        {
            var (before, after) = (graph.Inputs[input], graph.Outputs[output]);
            if (before.Shape.Dims.SelectMany(d => d.Symbols).FirstOrDefault(s => !known.Contains(s)) is { } unknown)
                throw new SoftmodelException($"the state {before} has a size {unknown} that no argument tells");
            if (before.Shape.Dims.Skip(1).Any(d => !d.IsKnown))
                throw new SoftmodelException($"the state {before} has a symbolic size besides its first: what it holds would move when that grows");
            var buffer = buffers.Store(before, Storage.State);
            buffers.Update(buffer, Updates.InPlace(graph, before, after) ?? []);
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
}
