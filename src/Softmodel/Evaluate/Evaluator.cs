using Softmodel.Graphs;
using Softmodel.Runtime;


namespace Softmodel.Evaluate;

/// <summary>
/// The reference evaluator: computes a graph one operation after the other, plainly, with sums and functions of
/// floats in double precision. It folds constants, and it is what compiled code is compared with.
/// </summary>
public static class Evaluator
{
    /// <summary>The outputs of a graph.</summary>
    /// <param name="graph">The graph; its symbols take their values from the shapes of the inputs.</param>
    /// <param name="inputs">One tensor for each of the graph's inputs, in that order.</param>
    /// <param name="seed">The seed of random numbers.</param>
    /// <param name="cancellationToken">Stops before the next operation.</param>
    /// <returns>One tensor for each output.</returns>
    /// <exception cref="SoftmodelException">
    /// An input does not have the type that the graph asks for, an index lies outside of what it indexes, an integer
    /// is divided by 0, sizes do not fit one another, or there is no rule for a program that the graph calls.
    /// </exception>
    public static Tensor[] Run(Graph graph, IReadOnlyList<Tensor> inputs, ulong seed = 0, CancellationToken cancellationToken = default) => Run(graph, inputs, null, seed, cancellationToken);

    /// <inheritdoc cref="Run(Graph, IReadOnlyList{Tensor}, ulong, CancellationToken)"/>
    /// <param name="graph">The graph.</param>
    /// <param name="inputs">One tensor for each of the graph's inputs, in that order.</param>
    /// <param name="watch">Is told of each node, of bodies too, with its operands and results, when it has been computed.</param>
    /// <param name="seed">The seed of random numbers.</param>
    /// <param name="cancellationToken">Stops before the next operation.</param>
    internal static Tensor[] Run(Graph graph, IReadOnlyList<Tensor> inputs, Action<Node, Tensor[], Tensor[]>? watch, ulong seed, CancellationToken cancellationToken)
    {
        if (inputs.Count != graph.Inputs.Count)
            throw new SoftmodelException($"{inputs.Count} tensors were given; graph {graph.Name} has {graph.Inputs.Count} inputs");
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (i, axis, symbol, rest) in Graph.SizeBindings(graph.Inputs))
        {
            if (axis < inputs[i].Rank)
                sizes.TryAdd(symbol, Math.Max(0, inputs[i].Dims[axis] - rest.Evaluate(s => sizes.GetValueOrDefault(s))));
        }
        foreach (var (input, tensor) in graph.Inputs.Zip(inputs))
            Expect(input.Type, tensor, sizes, $"the input {input.Name}");
        if (graph.Positive.FirstOrDefault(s => sizes.TryGetValue(s, out var size) && size < 1) is { } empty)
            throw new SoftmodelException($"the size {empty} is 0; graph {graph.Name} needs it to be at least 1");
        return new Evaluation(seed, sizes, watch, cancellationToken).Body(BlockFormat.Decoded(graph), inputs);
    }

    internal static void Expect(TensorType type, Tensor tensor, IReadOnlyDictionary<string, long> sizes, string what)
    {
        long Size(string symbol) => sizes.TryGetValue(symbol, out var size) ? size
            : throw new SoftmodelException($"{what} has a size that depends on {symbol}, and nothing says what {symbol} is");
        if (tensor.Type != type.Element || !type.Shape.Dims.Select(d => d.Evaluate(Size)).SequenceEqual(tensor.Dims.ToArray()))
            throw new SoftmodelException($"{what} should be {type} but is {tensor.TensorType}{(type.Shape.IsKnown ? "" : $" where {string.Join(", ", sizes.Select(s => $"{s.Key} = {s.Value}"))}")}");
    }

    const long MostElements = 4 << 20, MostProducts = 1 << 28;

    /// <summary>
    /// Computes an operation on constants at build time; a <see cref="ConstantFolding"/>. It gives null for what is not to be done
    /// then: random numbers, control flow and programs, sizes that are not known yet, results of more than 4 Mi elements that
    /// are larger than the operands, hundreds of millions of products, and what fails, so that it fails when it is run.
    /// </summary>
    public static Tensor[]? Fold(Op op, IReadOnlyList<Tensor> operands)
    {
        if (op is Op.Constant or Op.Parameter or Op.Random or Op.Bind or Op.If or Op.Loop or Op.Call || OpSizes.Of(op).Any(d => !d.IsKnown))
            return null;
        var types = Inference.Types(op, [.. operands.Select(t => t.TensorType)]);
        if (types.Any(t => t.Shape.KnownCount is not { } count || (count > MostElements && count > operands.Sum(t => t.Count))) || Products(op, operands, types[0]) > MostProducts)
            return null;
        try
        {
            return Rules.Apply(op, operands, 0, "");
        }
        catch (SoftmodelException)
        {
            return null;
        }
    }

    /// <summary><see cref="Fold"/>, but constants of 16-bit floats that are widened stay as they are, and many integers: small in the file.</summary>
    public static Tensor[]? FoldKeepingNarrow(Op op, IReadOnlyList<Tensor> operands) => op switch
    {
        Op.Cast { To: ElementType.Float32 } when operands[0] is { Count: > 1, Type: ElementType.Float16 or ElementType.BFloat16 } => null,
        Op.Cast { To: ElementType.Int32 } when operands[0] is { Count: > MostGrown, Type: ElementType.Int16 } => null,
        _ => Fold(op, operands),
    };

    /// <summary><see cref="Fold"/>, but what would make large constants larger is left to be computed where it is needed: weights stay as narrow as they are stored.</summary>
    public static Tensor[]? FoldKeepingStored(Op op, IReadOnlyList<Tensor> operands)
    {
        if (op.Stored is not null)
            return null;
        var types = operands.Count == 0 ? [] : Inference.Types(op, [.. operands.Select(t => t.TensorType)]);
        return types.Any(t => t.Shape.KnownCount is > MostGrown and var count && count * t.Element.Size() > operands.Sum(o => (long)o.Bytes.Length)) ? null : FoldKeepingNarrow(op, operands);
    }

    const long MostGrown = 4096;

    static double Products(Op op, IReadOnlyList<Tensor> x, TensorType result) => op switch
    {
        Op.Contract contract => Contracted(contract.Equation, x) * result.Shape.KnownCount!.Value,
        Op.Convolve => x[1].Count / Math.Max(1.0, x[1].Dims[0]) * result.Shape.KnownCount!.Value,
        Op.ConvolveTransposed => x[1].Count / Math.Max(1.0, x[1].Dims[0]) * x[0].Count,
        _ => 0,
    };

    static double Contracted(string equation, IReadOnlyList<Tensor> x)
    {
        var (left, right, result) = Einsum.Split(equation);
        return left.Concat(right).Distinct().Where(c => !result.Contains(c))
            .Aggregate(1.0, (product, c) => product * (left.IndexOf(c) is >= 0 and var i ? x[0].Dims[i] : x[1].Dims[right.IndexOf(c)]));
    }
}

/// <summary>One run of the evaluator: what sizes are, and control flow.</summary>
sealed class Evaluation(ulong seed, Dictionary<string, long> sizes, Action<Node, Tensor[], Tensor[]>? watch, CancellationToken cancellationToken)
{
    /// <summary>The outputs of the graph or of a body within it.</summary>
    public Tensor[] Body(Graph graph, IReadOnlyList<Tensor> inputs)
    {
        var now = graph.Inputs.Zip(inputs).ToDictionary(p => p.First, p => p.Second);
        var uses = graph.Nodes.SelectMany(n => n.Inputs).Concat(graph.Outputs).CountBy(v => v).ToDictionary();
        foreach (var node in graph.Nodes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Tensor[] operands = [.. node.Inputs.Select(v => now[v])];
            var results = Results(node, operands);
            watch?.Invoke(node, operands, results);
            foreach (var (output, result) in node.Outputs.Zip(results))
            {
                Define(node, output, result);
                Evaluator.Expect(output.Type, result, sizes, $"{output.Name}, which {node.Op.GetType().Name.ToLowerInvariant()} ({node.Source}) gives,");
                now[output] = result;
            }
            foreach (var input in node.Inputs)
            {
                if (--uses[input] == 0)
                    now.Remove(input);
            }
        }
        return [.. graph.Outputs.Select(v => now[v])];
    }

    void Define(Node node, Value output, Tensor result)
    {
        for (var i = 0; i < output.Rank; i++)
        {
            if (output.Shape[i].SymbolName is { } symbol && node.Defines.Contains(symbol))
                sizes[symbol] = result.Dims[i];
        }
    }

    Tensor[] Results(Node node, Tensor[] x)
    {
        switch (node.Op)
        {
            case Op.Bind bind:
                for (var i = 0; i < bind.Symbols.Count; i++)
                    sizes[bind.Symbols[i]] = x[0].Integer(i) is >= 0 and var size ? size : throw new SoftmodelException($"{node.Source}: a size is {x[0].Integer(i)}; sizes are not negative");
                return [];
            case Op.If branch:
                return x[0].Integer(0) != 0
                    ? Body(branch.Then, x[1..(1 + branch.Then.Inputs.Count)])
                    : Body(branch.Else, x[(1 + branch.Then.Inputs.Count)..]);
            case Op.Loop loop:
                return Loop(node, loop, x);
            default:
                var op = OpSizes.Substitute(node.Op, Size);
                Demand(node, op, x);
                return Rules.Apply(op, x, seed, node.Source);
        }
    }

    static void Demand(Node node, Op op, Tensor[] x)
    {
        try
        {
            Inference.Types(op, [.. x.Select(t => t.TensorType)]);
        }
        catch (Exception e) when (e is SoftmodelException or OverflowException)
        {
            throw Check.Refused(node.Source.Length > 0 ? node.Source : op.GetType().Name.ToLowerInvariant(), e);
        }
    }

    Dim? Size(string symbol) => sizes.TryGetValue(symbol, out var size) ? (Dim)size : null;

    Tensor[] Loop(Node node, Op.Loop loop, Tensor[] x)
    {
        var carried = x[2..(2 + loop.Carried)];
        var rest = x[(2 + loop.Carried)..];
        var stacks = loop.Body.Outputs.Skip(1 + loop.Carried).Select(_ => new List<Tensor>()).ToArray();
        var (most, goOn, ran) = (x[0].Integer(0), x[1].Integer(0) != 0, 0L);
        for (; goOn && ran < most; ran++)
        {
            var results = Body(loop.Body, [Tensor.Scalar(ran).Reshape(loop.Body.Inputs[0].Shape.Known!), .. carried, .. rest]);
            goOn = results[0].Integer(0) != 0;
            carried = results[1..(1 + loop.Carried)];
            for (var i = 0; i < stacks.Length; i++)
                stacks[i].Add(results[1 + loop.Carried + i]);
        }
        if (node.Defines.FirstOrDefault() is { } symbol)
            sizes[symbol] = ran;
        return [.. carried, .. stacks.Select((s, i) => Stacked(s, loop.Body.Outputs[1 + loop.Carried + i].Type))];
    }

    Tensor Stacked(List<Tensor> parts, TensorType type) => parts.Count == 0
        ? new(type.Element, [0, .. type.Shape.Dims.Select(d => d.Evaluate(s => sizes.GetValueOrDefault(s)))], default)
        : new(type.Element, [parts.Count, .. parts[0].Dims], parts.SelectMany(p => p.Bytes.ToArray()).ToArray());
}
