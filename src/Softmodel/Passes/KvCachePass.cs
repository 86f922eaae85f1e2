using System.Text.RegularExpressions;
using Softmodel.Graphs;

namespace Softmodel.Passes;

/// <summary>
/// Makes the KV cache of an exported decoder a state: optimum's inputs <c>past_key_values.0.key</c> and outputs
/// <c>present.0.key</c>. It lies row by row, a row for each token, so that a run writes its own rows and moves nothing; a run
/// with a shorter past than there was goes on from there.
/// </summary>
static partial class KvCachePass
{
    [GeneratedRegex(@"^past(_key_values)?\.(?<which>.+)$")]
    private static partial Regex Past { get; }

    [GeneratedRegex(@"^present(_key_values)?\.(?<which>.+)$")]
    private static partial Regex Present { get; }

    /// <summary>Whether a model is given a past of some tokens.</summary>
    /// <param name="inputs">The names of its inputs.</param>
    public static bool HasPast(IEnumerable<string> inputs) => inputs.Any(Past.IsMatch);

    /// <summary>The input that is, in the next run, what an output is in this one; null where there is none.</summary>
    /// <param name="output">The name of the output.</param>
    /// <param name="inputs">The names of all inputs.</param>
    public static string? PastOf(string output, IEnumerable<string> inputs) =>
        Present.Match(output) is { Success: true } present ? inputs.FirstOrDefault(i => Past.Match(i) is { Success: true } past && past.Groups["which"].Value == present.Groups["which"].Value) : null;

    /// <summary>The graph with states.</summary>
    /// <param name="graph">The graph, of one text: the number of texts is 1.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="name">What the model is called in messages.</param>
    /// <exception cref="SoftmodelException">It has no past, or does something else with it than append.</exception>
    public static Graph Apply(Graph graph, ConstantFolding folding, string name)
    {
        string[] names = [.. graph.Inputs.Select(v => v.Name)];
        var pasts = names.Where(n => Past.IsMatch(n)).ToDictionary(n => n, _ => -1, StringComparer.Ordinal);
        foreach (var (i, output) in graph.OutputNames.Index())
        {
            if (PastOf(output, names) is { } input)
                pasts[input] = i;
        }
        if (pasts.Count == 0)
            throw new SoftmodelException($"{name} is no language model that can be used: it is given no past (past_key_values.0.key, ...). Export a decoder with optimum as text-generation-with-past; an encoder is for softmodel embed");
        var kept = new Dictionary<string, (Value Before, Value After, Value Present)>(StringComparer.Ordinal);
        Term? Appended(GraphBuilder builder, Op op, Term[] x)
        {
            if (op is not Op.Concat { Axis: var axis } || x is not [var past, var own] || builder.Producer(past.Value) is not null || !pasts.ContainsKey(past.Value.Name) || kept.ContainsKey(past.Value.Name))
                return null;
            int[] order = [axis, .. Enumerable.Range(0, past.Rank).Where(i => i != axis)], back = [.. Enumerable.Range(0, past.Rank).Select(i => Array.IndexOf(order, i))];
            var rows = own.Transpose(order);
            var before = builder.Input(past.Value.Name, new(past.Element, rows.Shape.With(0, past.Shape[axis] + own.Shape[axis])));
            var places = new Term(builder, builder.Apply(new Op.Iota(own.Shape[axis]))) + new Term(builder, builder.Sizes([past.Shape[axis]], Shape.Scalar));
            var after = new Term(builder, before).Apply(new Op.ScatterND(Combination.Replace), places.Unsqueeze(1), rows);
            var present = after.Transpose(back);
            kept.Add(past.Value.Name, (before, after.Value, present.Value));
            return present;
        }
        var made = Rewriting.Apply(graph, folding, [Appended]);
        var read = made.AllNodes().SelectMany(n => n.Inputs).ToHashSet();
        foreach (var (past, output) in pasts)
        {
            if (output < 0 || !kept.TryGetValue(past, out var state) || made.Outputs[output] != state.Present || made.Inputs.Any(v => v.Name == past && v != state.Before && read.Contains(v)))
                throw new SoftmodelException($"{name} takes a past in '{past}' and does something else than append to it and give that back under the same name with 'present'; export it with optimum as text-generation-with-past, without merging");
        }
        var inputs = made.Inputs.Where(v => !pasts.ContainsKey(v.Name) || kept[v.Name].Before == v).ToList();
        var outputs = made.Outputs.Index().Select(o => pasts.FirstOrDefault(p => p.Value == o.Index).Key is { } past ? kept[past].After : o.Item).ToEquatable();
        return made with
        {
            Inputs = inputs.ToEquatable(),
            Outputs = outputs,
            States = [.. pasts.Select(p => new State(inputs.IndexOf(kept[p.Key].Before), p.Value))],
        };
    }
}
