using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Passes;

/// <summary>
/// Algebraic clean-up. Each rule is exact: the same elements come out, but for the sign of zero and which NaN it is.
/// </summary>
static class Simplify
{
    public static readonly Rule[] Rules =
    [
        // x + 0, x - 0, x * 1, x / 1
        (_, op, x) => Is(op, Functions.Plus) && IsScalar(x[1], 0) ? Whole(x[0], x[1]) : null,
        (_, op, x) => Is(op, Functions.Plus) && IsScalar(x[0], 0) ? Whole(x[1], x[0]) : null,
        (_, op, x) => Is(op, Functions.Subtract) && IsScalar(x[1], 0) ? Whole(x[0], x[1]) : null,
        (_, op, x) => (Is(op, Functions.Multiply) || Is(op, Functions.Divide) || Is(op, Functions.Power)) && IsScalar(x[1], 1) ? Whole(x[0], x[1]) : null,
        (_, op, x) => Is(op, Functions.Multiply) && IsScalar(x[0], 1) ? Whole(x[1], x[0]) : null,
        // powers that are not powers
        (_, op, x) => Is(op, Functions.Power) && IsScalar(x[1], 2) ? Whole(x[0] * x[0], x[1]) : null,
        (_, op, x) => Is(op, Functions.Power) && IsScalar(x[1], 3) ? Whole(x[0] * x[0] * x[0], x[1]) : null,
        (_, op, x) => Is(op, Functions.Power) && IsScalar(x[1], 0.5) && x[0].Element.IsFloat() ? Whole(x[0].Map(Functions.Sqrt), x[1]) : null,
        // division by a power of two
        (_, op, x) => Is(op, Functions.Divide) && x[0].Element.IsFloat() && x[1].Known is { Count: 1 } d && double.IsPow2(Math.Abs(d.Float(0)))
            ? Whole(x[0] * x[0].Scalar(1 / d.Float(0)), x[1]) : null,
        // logic
        (b, op, x) => op is Op.Map { Function: var f } && f == Functions.Not && Made(b, x[0]) is (Op.Map { Function: var g }, [var y]) && g == Functions.Not ? y : null,
        (_, op, x) => Is(op, Functions.Select) && x[0].Known is { } c && c.IsAll(1) ? Stretched(x[1], op, x) : null,
        (_, op, x) => Is(op, Functions.Select) && x[0].Known is { } c && c.IsAll(0) ? Stretched(x[2], op, x) : null,
        (_, op, x) => (Is(op, Functions.And) || Is(op, Functions.Or)) && x[0] == x[1] ? x[0] : null,
        // conversions
        (_, op, x) => op is Op.Cast cast && cast.To == x[0].Element ? x[0] : null,
        (b, op, x) => op is Op.Cast { To: var to } && Made(b, x[0]) is (Op.Cast, [var y]) && y.Element == ElementType.Bool && x[0].Element != ElementType.Bool ? y.Cast(to) : null,
        // moves that move nothing, and two moves that are one
        (_, op, x) => op is Op.Reshape { Several.Count: 0 } reshape && reshape.Shape == x[0].Shape ? x[0] : null,
        (b, op, x) => op is Op.Reshape { Several.Count: 0 } reshape && Made(b, x[0]) is (Op.Reshape { Several.Count: 0 }, [var y]) ? y.Reshape(reshape.Shape) : null,
        (_, op, x) => op is Op.Transpose t && t.Order.SequenceEqual(Enumerable.Range(0, t.Order.Count)) ? x[0] : null,
        (b, op, x) => op is Op.Transpose t && Made(b, x[0]) is (Op.Transpose s, [var y]) ? y.Transpose([.. t.Order.Select(i => s.Order[i])]) : null,
        (_, op, x) => op is Op.Transpose t && KeepsOrder(t, x[0].Shape) ? x[0].Reshape(x[0].Shape.Permute(t.Order)) : null,
        (_, op, x) => op is Op.Broadcast broadcast && broadcast.Shape == x[0].Shape ? x[0] : null,
        (_, op, x) => op is Op.Slice slice && new Shape(slice.Sizes) == x[0].Shape && slice.Steps.All(s => s == 1) ? x[0] : null,
        (_, op, x) => op is Op.Pad pad && pad.Low.Concat(pad.High).All(d => d.Value == 0) ? x[0] : null,
        (_, op, x) => op is Op.Concat && x.Length == 1 ? x[0] : null,
        (_, op, x) => op is Op.Concat concat && x.Any(t => t.Shape[concat.Axis].Value == 0) && x.Where(t => t.Shape[concat.Axis].Value != 0).ToArray() is { Length: > 0 } rest
            ? rest[0].Concat(concat.Axis, rest.AsSpan(1)) : null,
        (b, op, x) => op is Op.Slice slice && Made(b, x[0]) is (Op.Concat concat, var parts) ? PartOf(slice, concat.Axis, parts) : null,
        // a slice of a slice, where neither is one to be refused
        (b, op, x) => op is Op.Slice slice && Made(b, x[0]) is (Op.Slice before, [var y]) && IsWithin(b, slice, before.Sizes) && IsWithin(b, before, y.Shape.Dims)
            ? y.Apply(new Op.Slice(
                before.Starts.Select((s, i) => s + slice.Starts[i] * before.Steps[i]).ToEquatable(), slice.Sizes,
                before.Steps.Select((s, i) => s * slice.Steps[i]).ToEquatable())) : null,
        // one index is a slice
        (_, op, x) => op is Op.Gather { Axis: var axis } && x[1].Known is { Count: 1 } index && index.Integer(0) >= 0
            ? x[0].Slice(axis, index.Integer(0), 1).Reshape(new([.. x[0].Shape.Dims.Take(axis), .. x[1].Shape.Dims, .. x[0].Shape.Dims.Skip(axis + 1)])) : null,
        // a weight that is stored in blocks is read block by block
        (b, op, x) => op is Op.Contract contract ? OfBlocks(b, contract.Equation, x, 0) ?? OfBlocks(b, contract.Equation, x, 1) : null,
        // a map broadcasts by itself
        (b, op, x) => op is Op.Map map && x.Length == 2 && Unstretched(b, x) is { } y ? y[0].Map(map.Function, y[1]) : null,
        // sums over one element
        (_, op, x) => op is Op.Reduce reduce && reduce.Axes.All(a => x[0].Shape[a].Value == 1) ? x[0].Reshape(x[0].Shape.Without(reduce.Axes)) : null,
        // zeros around a convolution's operand
        (b, op, x) => op is Op.Convolve convolve && Made(b, x[0]) is (Op.Pad { Mode: Padding.Constant } pad, [var y, var zero]) && IsScalar(zero, 0) ? Padded(convolve, pad, y, x[1]) : null,
    ];

    /// <summary>The graph after clean-up, until no rule applies any more.</summary>
    public static Graph Apply(Graph graph, ConstantFolding folding)
    {
        for (var round = 0; round < 8; round++)
        {
            var before = graph.AllNodes().Count();
            graph = Rewriting.Apply(graph, folding, [.. Rules, .. Zeros.Rules]);
            if (graph.AllNodes().Count() == before && round > 0)
                break;
        }
        return graph;
    }

    static bool Is(Op op, Function function) => op is Op.Map map && map.Function == function;

    /// <summary>Whether every element is known to be zero.</summary>
    public static bool IsZero(Term x) => IsScalar(x, 0);

    static bool IsScalar(Term x, double value) => x.Known is { } known && known.Count is > 0 and <= 4096 && known.IsAll(value);

    /// <summary>The first operand where it has the shape of the result, not being stretched by the second.</summary>
    static Term? Whole(Term x, Term other) => Shape.Broadcast(x.Shape, other.Shape) == x.Shape ? x : null;

    static Term? Stretched(Term chosen, Op op, Term[] x)
    {
        var shape = Inference.Types(op, [.. x.Select(t => t.Type)])[0].Shape;
        return chosen.Broadcast(shape);
    }

    /// <summary>The operation that made a value, and its operands.</summary>
    public static (Op, Term[])? Made(GraphBuilder builder, Term x) => builder.Producer(x.Value) is { } node
        ? (node.Op, [.. node.Inputs.Select(v => new Term(builder, v))])
        : null;

    /// <summary>Whether a transposition only moves axes of size 1 about.</summary>
    static bool KeepsOrder(Op.Transpose transpose, Shape shape)
    {
        var moved = transpose.Order.Where(a => shape[a].Value != 1).ToArray();
        return moved.SequenceEqual(moved.Order());
    }

    /// <summary>Whether a slice provably lies within an operand of these sizes.</summary>
    static bool IsWithin(GraphBuilder builder, Op.Slice slice, EquatableArray<Dim> sizes)
    {
        Dim AtLeastOne(Dim dim) => dim.Substitute(s => builder.IsPositive(s) ? Dim.Symbol(s) + 1 : null);
        return Enumerable.Range(0, sizes.Count).All(i => new Condition(Demand.Within,
            [AtLeastOne(slice.Starts[i]), AtLeastOne(slice.Sizes[i]), slice.Steps[i], AtLeastOne(sizes[i])], "").IsProven);
    }

    static Term? PartOf(Op.Slice slice, int axis, Term[] parts)
    {
        if (slice.Steps.Any(s => s != 1) || slice.Starts.Where((_, i) => i != axis).Any(s => s.Value != 0))
            return null;
        Dim at = 0;
        foreach (var part in parts)
        {
            if (at.Equals(slice.Starts[axis]) && part.Shape == new Shape(slice.Sizes))
                return part;
            at += part.Shape[axis];
        }
        return null;
    }

    static Term[]? Unstretched(GraphBuilder builder, Term[] x)
    {
        for (var i = 0; i < 2; i++)
        {
            if (Made(builder, x[i]) is (Op.Broadcast, [var small]) && Shape.Broadcast(small.Shape, x[1 - i].Shape) == Shape.Broadcast(x[0].Shape, x[1].Shape))
                return i == 0 ? [small, x[1]] : [x[0], small];
        }
        return null;
    }

    /// <summary>
    /// A contraction with a weight whose blocks were merged into whole rows, as one over blocks and the elements of each: merged, the
    /// weight is decoded to memory before it is multiplied.
    /// </summary>
    /// <param name="builder">The graph.</param>
    /// <param name="equation">The contraction.</param>
    /// <param name="x">Its operands.</param>
    /// <param name="own">Which of them is the weight.</param>
    /// <returns>Null where it is something else, or an axis of the result is among the merged ones.</returns>
    static Term? OfBlocks(GraphBuilder builder, string equation, Term[] x, int own)
    {
        if (Made(builder, x[own]) is not (Op.Reshape { Several.Count: 0 }, [var weight]) || Made(builder, weight) is not (Op.Parameter { Format: not null }, _))
            return null;
        var (left, right, result) = Einsum.Split(equation);
        var (letters, others) = own == 0 ? (left, right) : (right, left);
        var fresh = new Queue<char>(Enumerable.Range('a', 26).Select(c => (char)c).Where(c => !equation.Contains(c)));
        var (split, next) = (new Dictionary<char, (string Letters, Dim[] Sizes)>(), 0);
        foreach (var (axis, letter) in letters.Index())
        {
            var (sizes, count) = (new List<Dim>(), Dim.One);
            for (; next < weight.Rank && !(count.Equals(x[own].Shape[axis]) && weight.Shape[next].Value != 1); next++)
            {
                sizes.Add(weight.Shape[next]);
                count *= weight.Shape[next];
            }
            if (sizes.Count == 0 || !count.Equals(x[own].Shape[axis]) || (sizes.Count > 1 && (result.Contains(letter) || sizes.Count > fresh.Count)))
                return null;
            split[letter] = sizes.Count == 1 ? ($"{letter}", [.. sizes]) : (string.Concat(sizes.Select(_ => fresh.Dequeue())), [.. sizes]);
        }
        if (next < weight.Rank)
            return null;
        string Letters(string of) => string.Concat(of.Select(c => split.TryGetValue(c, out var parts) ? parts.Letters : $"{c}"));
        var other = x[1 - own].Reshape(new([.. others.SelectMany((c, i) => split.TryGetValue(c, out var parts) ? parts.Sizes : [x[1 - own].Shape[i]])]));
        return own == 0 ? weight.Contract($"{Letters(left)},{Letters(right)}->{result}", other) : other.Contract($"{Letters(left)},{Letters(right)}->{result}", weight);
    }

    static Term? Padded(Op.Convolve op, Op.Pad pad, Term x, Term w)
    {
        if (pad.Low.Concat(pad.High).Any(d => d.Value is not >= 0) || pad.Low.Take(2).Concat(pad.High.Take(2)).Any(d => d.Value != 0))
            return null;
        return x.Apply(op with
        {
            Low = op.Low.Select((p, i) => p + (int)pad.Low[i + 2].Value!.Value).ToEquatable(),
            High = op.High.Select((p, i) => p + (int)pad.High[i + 2].Value!.Value).ToEquatable(),
        }, w);
    }
}
