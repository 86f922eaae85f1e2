using Softmodel.Graphs;
using Softmodel.Runtime;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.Tests.Generated;

/// <summary>A graph, what it is given, and how near its outputs must come to what the reference evaluator says.</summary>
/// <param name="Seed">What it was made from.</param>
/// <param name="Graph">The graph.</param>
/// <param name="Inputs">What it is given.</param>
/// <param name="Given">What its inputs are for other sizes.</param>
/// <param name="Nearness">For each output: 0 where every way to compute it gives the same bits, else the size of its numbers.</param>
sealed record Case(int Seed, Graph Graph, Tensor[] Inputs, Given[] Given, double[] Nearness)
{
    public override string ToString() =>
        $"seed {Seed}\n{GraphText.Write(Graph)}{string.Concat(Graph.Inputs.Zip(Inputs, (v, t) => $"{v.Name} = {t.TensorType} {string.Join(" ", Enumerable.Range(0, (int)Math.Min(40, t.Count)).Select(i => t.Float(i)))}\n"))}";
}

/// <summary>An input, and the integers from which its elements are drawn.</summary>
sealed record Given(ElementType Type, Shape Shape, Dim Low, Dim High)
{
    /// <summary>Numbers for the input where its symbols have these values; those that would be drawn from none are the lowest, and an axis of less than none has none.</summary>
    public Tensor Of(Random random, Func<string, long> size) =>
        Numbers(random, Type, [.. Shape.Dims.Select(d => Math.Max(0, d.Evaluate(size)))], Low.Evaluate(size), Math.Max(Low.Evaluate(size), High.Evaluate(size)));

    public static Tensor Numbers(Random random, ElementType type, long[] dims, long low, long high) =>
        Tensor.Of(type, dims, Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => random.NextInt64(low, high + 1)).ToArray().AsSpan());
}
