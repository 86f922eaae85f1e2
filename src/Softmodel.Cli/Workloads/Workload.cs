using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Cli.Workloads;

/// <summary>What a model is run on, to be compared or timed.</summary>
/// <param name="Name">What it is, for people.</param>
/// <param name="Inputs">A tensor for each input of the model, by its name.</param>
sealed record Workload(string Name, IReadOnlyDictionary<string, Tensor> Inputs)
{
    /// <summary>The tensors in the order of these inputs.</summary>
    public Tensor[] For(IEnumerable<string> names) => [.. names.Select(n => Inputs[n])];

    /// <summary>
    /// Numbers for a model of which nothing is known but the types and shapes of its inputs. Names that are customary in
    /// language models are heeded: masks are 1, types of tokens 0, lengths the size that they speak of.
    /// </summary>
    /// <param name="inputs">The inputs.</param>
    /// <param name="size">What every symbolic size is.</param>
    public static Workload Generated(IReadOnlyList<TensorInfo> inputs, long size)
    {
        var random = new Random((int)size);
        return new($"{size}", inputs.ToDictionary(i => i.Name, i => Generated(i, size, random)));
    }

    static Tensor Generated(TensorInfo input, long size, Random random)
    {
        // The sum of two sizes is twice as long as each of them.
        var dims = input.Axes.Select(axis => axis.Split('+').Sum(part => long.TryParse(part, out var number) ? number : size)).ToArray();
        var count = Tensor.CountOf(dims);
        bool Says(string word) => input.Name.Contains(word, StringComparison.OrdinalIgnoreCase);
        double Number() => input.Type switch
        {
            _ when Says("mask") => 1,
            _ when Says("type") => 0,
            ElementType.Bool => random.Next(2),
            _ when input.Type.IsFloat() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()),
            _ when Says("len") => size,
            _ => random.Next(1, 100),
        };
        var values = new double[count];
        foreach (ref var value in values.AsSpan())
            value = Number();
        return Tensor.Of(input.Type, dims, values);
    }
}
