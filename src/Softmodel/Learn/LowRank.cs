using Softmodel.Graphs;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>Low-rank adapters: where a network multiplies with a frozen matrix W of [outputs, inputs], it multiplies with W + B A, of which only B and A, which are narrow, are trained.</summary>
/// <remarks>Hu et al.: LoRA: low-rank adaptation of large language models (2021), section 4.1. B is zero before training.</remarks>
/// <param name="Rank">How wide they are.</param>
/// <param name="Value">What an adapter is, by its name (<c>NAME.lora_A</c>, [rank, inputs], and <c>NAME.lora_B</c>, [outputs, rank]) and its sizes.</param>
/// <param name="IsTrained">Whether adapters are parameters that are trained.</param>
/// <param name="IsMerged">Whether W + B A is computed, so that adapters become part of the weights, rather than the products with each.</param>
/// <param name="IsAdapted">Which weights get some, by the nodes that they are; null for all.</param>
/// <param name="Stored">Stores W + B A, given W, [outputs, ...], and the adapters, as a parameter of [outputs, ...]: the sum is part of the weights; null where it is no parameter.</param>
sealed record LowRank(int Rank, Func<string, long[], Tensor> Value, bool IsTrained, bool IsMerged = false, Func<Node, bool>? IsAdapted = null, Func<Op.Parameter, Tensor, Tensor, Op.Parameter>? Stored = null)
{
    /// <summary>What B A is multiplied with: adapters count as much as is usual, whatever their rank.</summary>
    public const double Scale = 2;

    const string Letters = "abcdefghijklmnopqrstuvwxyz", A = ".lora_A", B = ".lora_B";

    /// <summary>Adapters that are to be trained.</summary>
    /// <param name="rank">How wide they are.</param>
    /// <param name="seed">What they are drawn from.</param>
    /// <param name="isAdapted">Which weights get some; null for all.</param>
    public static LowRank Untrained(int rank, ulong seed, Func<Node, bool>? isAdapted = null)
    {
        var stream = 0UL;
        return new(rank, (name, dims) =>
        {
            var numbers = new float[Tensor.CountOf(dims)];
            if (name.EndsWith(A, StringComparison.Ordinal))
                Philox.Uniform(seed, stream++, 0, numbers);
            var bound = 1 / Math.Sqrt(dims[1]);
            for (var i = 0; i < numbers.Length && name.EndsWith(A, StringComparison.Ordinal); i++)
                numbers[i] = (float)((numbers[i] * 2 - 1) * bound);
            return Tensor.Of<float>(numbers, dims);
        }, IsTrained: true, IsAdapted: isAdapted);
    }

    /// <summary>The rule that adds them to the graph that it is applied to.</summary>
    public Rule Rule()
    {
        var (adapters, sums) = (new Dictionary<string, (Term A, Term B)>(StringComparer.Ordinal), new Dictionary<string, Term>(StringComparer.Ordinal));
        return (builder, op, x) =>
        {
            // What a branch or a loop reads would be a parameter of its body.
            if (op is not Op.Contract { Equation: var equation } || builder.Outer is not null)
                return null;
            var (left, right, result) = Einsum.Split(equation);
            for (var operand = 1; operand >= 0; operand--)
            {
                var (own, rows, matrix, other) = operand == 1 ? (right, left, x[1], x[0]) : (left, right, x[0], x[1]);
                var depth = string.Concat(own.Where(c => rows.Contains(c) && !result.Contains(c)));
                var columns = string.Concat(own.Where(c => !rows.Contains(c)));
                var kept = string.Concat(rows.Where(c => !own.Contains(c)));
                if (columns.Length != 1 || depth.Length == 0 || depth.Length + 1 != own.Length || kept.Length + depth.Length != rows.Length || !matrix.Shape.IsKnown || !matrix.Element.IsFloat()
                    || WeightOf(builder, matrix.Value) is not { } weight || IsAdapted?.Invoke(weight) == false || WeightOf(builder, other.Value) is not null)
                    continue;
                long SizeOf(char letter) => matrix.Shape[own.IndexOf(letter)].Value!.Value;
                var name = ((Op.Parameter)weight.Op).Name;
                var inputs = depth.Aggregate(1L, (product, letter) => product * SizeOf(letter));
                if (Stored is not null)
                {
                    if (own != columns + depth || rows != kept + depth || result != kept + columns || builder.Producer(matrix.Value)?.Op is Op.Transpose)
                        throw new SoftmodelException($"the weight {name} is stored with its inputs first, so that no adapter can be merged into it; ship the adapters beside the weights");
                    if (!sums.TryGetValue(name, out var stored))
                    {
                        var whole = Stored((Op.Parameter)weight.Op, Value(name + A, [Rank, inputs]), Value(name + B, [SizeOf(columns[0]), Rank]));
                        sums[name] = stored = new Term(builder, builder.Apply(whole)).Cast(ElementType.Float32);
                    }
                    var inner = string.Concat(Letters.Where(c => !kept.Contains(c) && !columns.Contains(c)).Take(stored.Rank - 1));
                    return other.Reshape(new([.. other.Shape.Dims.Take(kept.Length), .. stored.Shape.Dims.Skip(1)])).Contract($"{kept}{inner},{columns}{inner}->{kept}{columns}", stored);
                }
                if (!adapters.TryGetValue(name, out var adapter))
                {
                    Term Parameter(string name, params long[] dims) => new(builder, builder.Parameter(name, Value(name, dims), !IsTrained));
                    adapters[name] = adapter = (Parameter(name + A, Rank, inputs), Parameter(name + B, SizeOf(columns[0]), Rank));
                }
                var narrow = Letters.First(c => !equation.Contains(c));
                var a = adapter.A.Cast(matrix.Element).Reshape(Shape.Of([Rank, .. depth.Select(SizeOf)]));
                var b = adapter.B.Cast(matrix.Element);
                if (IsMerged)
                {
                    var sum = matrix + b.Contract($"{columns}{narrow},{narrow}{depth}->{own}", a) * Scale;
                    return operand == 1 ? other.Contract(equation, sum) : sum.Contract(equation, other);
                }
                var between = other.Contract($"{rows},{narrow}{depth}->{kept}{narrow}", a);
                return x[0].Contract(equation, x[1]) + between.Contract($"{kept}{narrow},{columns}{narrow}->{result}", b) * Scale;
            }
            return null;
        };
    }

    /// <summary>The parameter that a matrix is, under whatever form it is stored; null where it is computed from anything else.</summary>
    static Node? WeightOf(GraphBuilder builder, Value value) => builder.Producer(value) switch
    {
        { Op: Op.Parameter } node => node,
        { Op: Op.Reshape or Op.Cast or Op.Transpose, Inputs: [var inner] } => WeightOf(builder, inner),
        _ => null,
    };
}
