using System.Diagnostics;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Passes;

namespace Softmodel.Compile;

/// <summary>The passes between the importers and lowering: what is done, and in which order.</summary>
static class Pipeline
{
    static readonly AsyncLocal<IReadOnlyList<Pass>?> changed = new();

    static readonly Pass[] own =
    [
        new("tap", Fidelity.Exact, "makes outputs of values inside the model",
            c => c.Use.Taps.Count > 0 ? c with { Graph = Taps.Apply(c.Graph, c.Use.Taps) } : null),
        new("kv-cache", Fidelity.Exact, "makes the KV cache of an exported decoder a state",
            c => c.Use.KvCache ? c with { Graph = KvCachePass.Apply(c.Graph, c.Folding, c.Name) } : null),
        new("simplify", Fidelity.Exact, "applies algebraic rules, and carries zeros around tensors through moves and out of contractions",
            c => c with { Graph = Simplify.Apply(c.Graph, c.Folding) }),
        new("integers-as-floats", Fidelity.Exact, "computes integers as floats where all that they come to fits a significand",
            c => c with { Graph = IntegersAsFloats.Apply(c.Graph, c.Folding) }),
        new("loop-invariants", Fidelity.Exact, "transposes once, before a loop, what it multiplies with in each iteration",
            c => c with { Graph = LoopInvariants.Apply(c.Graph) }),
        new("quantize-int16", Fidelity.Measured, "rounds weights, and activations as they come, to 16-bit integers (dynamic quantisation)",
            c => c.Use.Quantize == Quantization.Int16 && QuantizeInt16.Apply(c.Graph, Evaluator.FoldKeepingStored, c.Use.MinSnrDb ?? UseCase.UsualMinSnrDb) is var (graph, found)
                ? c with { Graph = graph, Findings = [.. c.Findings, .. found.Select(f => new Finding(f.Node, "a contraction of 16-bit integers", f.WeightsDb, !f.IsRefused))] } : null),
    ];

    /// <summary>All passes.</summary>
    public static IReadOnlyList<Pass> Passes => changed.Value ?? own;

    /// <summary>Puts a pass into the list, for the caller and what it calls, until the result is disposed.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="before">The name of the pass that follows it; null for none.</param>
    public static IDisposable With(Pass pass, string? before = null)
    {
        var (old, all) = (changed.Value, Passes.ToList());
        all.Insert(before is null ? all.Count : all.FindIndex(p => p.Name == before), pass);
        changed.Value = all;
        return new Ending(() => changed.Value = old);
    }

    sealed class Ending(Action end) : IDisposable
    {
        public void Dispose() => end();
    }

    /// <summary>The passes that a use case leaves.</summary>
    /// <exception cref="SoftmodelException">It names one that does not exist.</exception>
    public static IReadOnlyList<Pass> Chosen(UseCase use)
    {
        Pass[] all = [.. use.Added.Select(a => a.Pass), .. Passes];
        foreach (var name in use.Without.Append(use.StopAfter).OfType<string>())
        {
            if (all.All(p => p.Name != name))
                throw new SoftmodelException($"there is no pass '{name}'; the passes are {string.Join(", ", all.Select(p => p.Name))}");
        }
        var last = use.StopAfter is { } stop ? all.TakeWhile(p => p.Name != stop).Count() : all.Length - 1;
        return [.. all.Take(last + 1).Where(p => !use.Without.Contains(p.Name))];
    }

    /// <summary>The compilation after all passes that its use case leaves, and what each did.</summary>
    /// <param name="compilation">The compilation as imported.</param>
    /// <remarks>
    /// Results are measured against the graph before the first pass that is not exact, so that the budget is for all of them together:
    /// one that takes more than is left is refused, and those after it go on from what was there before.
    /// </remarks>
    /// <exception cref="SoftmodelException">A pass can't be applied, or left a graph that is not valid.</exception>
    public static (Compilation Compilation, IReadOnlyList<PassRun> Runs) Run(Compilation compilation)
    {
        var (runs, size) = (new List<PassRun>(), Size(compilation.Graph));
        IReadOnlyList<Tensor[]>? original = null;
        foreach (var pass in Chosen(compilation.Use))
        {
            var clock = Stopwatch.StartNew();
            var after = pass.Apply(compilation);
            if (after is null)
            {
                runs.Add(new(pass, false, size.Nodes, size.Nodes, size.Bytes, size.Bytes, [], clock.Elapsed.TotalMilliseconds));
                continue;
            }
            if (after.Use.IsChecked)
                Validate(pass, after.Graph);
            Loss? loss = null;
            if (pass.Fidelity == Fidelity.Measured && compilation.Measurement is { } measurement)
            {
                original ??= measurement.Of(compilation.Graph);
                loss = measurement.LossOf(after.Graph, original);
            }
            Finding[] found = [.. after.Findings.Skip(compilation.Findings.Count)];
            if (loss?.SnrDb < compilation.Use.LeastOutputSnrDb)
            {
                runs.Add(new(pass, true, size.Nodes, size.Nodes, size.Bytes, size.Bytes, [.. found.Select(f => f with { IsKept = false })], clock.Elapsed.TotalMilliseconds, loss, true));
                compilation = compilation with { Findings = [.. compilation.Findings, .. runs[^1].Findings] };
                continue;
            }
            var now = Size(after.Graph);
            runs.Add(new(pass, true, size.Nodes, now.Nodes, size.Bytes, now.Bytes, found, clock.Elapsed.TotalMilliseconds, loss));
            (compilation, size) = (after, now);
        }
        return (compilation, runs);
    }

    /// <summary>A graph after all exact passes.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="folding">Folds constants.</param>
    /// <param name="isChecked">Whether it is validated after every pass.</param>
    public static Graph Exact(Graph graph, ConstantFolding folding, bool isChecked = false) => Run(new(graph.Name, graph, new() { IsChecked = isChecked }, folding)).Compilation.Graph;

    static void Validate(Pass pass, Graph graph)
    {
        try
        {
            graph.Validate();
        }
        catch (SoftmodelException e)
        {
            throw new SoftmodelException($"the pass {pass.Name} left a graph that is not valid: {e.Message}", e);
        }
    }

    /// <summary>The nodes of a graph and its bodies, and the bytes of parameters and other constants, each counted once.</summary>
    static (int Nodes, long Bytes) Size(Graph graph)
    {
        Node[] nodes = [.. graph.AllNodes()];
        return (nodes.Length, nodes.Select(n => n.Op.Stored).OfType<Tensor>().Distinct(ReferenceEqualityComparer.Instance).Cast<Tensor>().Sum(t => (long)t.Bytes.Length));
    }
}
