using Softmodel.Graphs;

namespace Softmodel.Tests.Generated;

/// <summary>A graph, what it is given, and how near its outputs must come to what the reference evaluator says.</summary>
/// <param name="Seed">What it was made from.</param>
/// <param name="Graph">The graph.</param>
/// <param name="Inputs">What it is given.</param>
/// <param name="Nearness">For each output: 0 where every way to compute it gives the same bits, else the size of its numbers.</param>
sealed record Case(int Seed, Graph Graph, Tensor[] Inputs, double[] Nearness)
{
    public override string ToString() =>
        $"seed {Seed}\n{GraphText.Write(Graph)}{string.Concat(Graph.Inputs.Zip(Inputs, (v, t) => $"{v.Name} = {t.TensorType} {string.Join(" ", Enumerable.Range(0, (int)Math.Min(40, t.Count)).Select(i => t.Real(i)))}\n"))}";
}
