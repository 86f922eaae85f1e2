using System.Runtime.CompilerServices;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Passes;

/// <summary>
/// Computes integers as floats where all that they come to fits a float's significand, 24 bits: quantised
/// activations, zero points, and integer contractions and convolutions whose sums are bounded by their weights. They then have
/// the kernels of floats. Exact, but for the sign of zero and what becomes of NaN.
/// </summary>
static class IntegersAsFloats
{
    static readonly Rule[] rules =
    [
        (b, op, x) => op is Op.Cast { To: ElementType.Float32 } && x[0].Element.IsInteger() && x[0].Known is null ? AsFloat(b, x[0]) : null,
        (b, op, x) => op is Op.Contract or Op.Convolve && x[0].Element == ElementType.Int32 ? SumOfProducts(b, op, x) : null,
    ];

    /// <summary>The graph with such integers as floats.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="folding">Folds constants.</param>
    public static Graph Apply(Graph graph, ConstantFolding folding) => Rewriting.Apply(graph, folding, [.. Simplify.Rules, .. rules]);

    // All integers up to here are floats, and so are partial sums of what is bounded by it.
    const double MostExact = 1 << 24;

    // How far back operands are followed; bounds are found once for a value.
    const int Depth = 32;

    // Larger constants stay in 16 bits in the weights file, where they fit.
    const int Large = 4096;

    // All integers up to here are floats of 16 bits.
    const double MostExactHalf = 2048;

    readonly record struct Bounds(double Low, double High)
    {
        public double Magnitude => Math.Max(Math.Abs(Low), Math.Abs(High));

        public bool Within(Bounds other) => Low >= other.Low && High <= other.High;

        public static Bounds? Either(Bounds? a, Bounds? b) => a is { } x && b is { } y ? new(Math.Min(x.Low, y.Low), Math.Max(x.High, y.High)) : null;
    }

    static readonly ConditionalWeakTable<Value, StrongBox<Bounds?>> found = [];

    /// <summary>A contraction of integers as one of floats, or a few of parts of its terms; null where the sums may be too large, or the kernel of 16-bit integers takes it.</summary>
    static Term? SumOfProducts(GraphBuilder builder, Op op, Term[] x)
    {
        if (op is Op.Contract contract && HasPairs(builder, contract, x))
            return null;
        if (BoundsOf(builder, x[0], Depth) is not { } a || BoundsOf(builder, x[1], Depth) is not { } b || Parts(builder, op, x, a, b) is not { Count: > 0 } parts)
            return null;
        Term left = Float(builder, x[0]), right = Float(builder, x[1]);
        Term Part((long From, long Count) terms) => parts.Count == 1 ? left.Apply(op, right)
            : Summed(op, x) is var (first, second) ? left.Slice(first, terms.From, terms.Count).Apply(op, right.Slice(second, terms.From, terms.Count))
            : throw new InvalidOperationException();
        return parts.Select(p => Part(p).Cast(ElementType.Int32)).Aggregate((sum, part) => sum + part);
    }

    /// <summary>Whether the kernel of pairs of 16-bit integers takes a contraction: constant weights with a panel of columns and an even number of terms.</summary>
    static bool HasPairs(GraphBuilder builder, Op.Contract contract, Term[] x)
    {
        bool IsMatrix(int operand) => Einsum.Matrix(contract.Equation, operand) is var (depth, column)
            && x[operand].Shape[depth].Value % 2 == 0 && x[operand].Shape[column].Value >= QuantizeInt16.LeastColumns
            && Simplify.Made(builder, x[operand]) is (Op.Cast, [{ Element: ElementType.Int16, Known: not null }])
            && x[1 - operand].Known is null && Simplify.Made(builder, x[1 - operand]) is (Op.Cast, [{ Element: ElementType.Int16 }]);
        return IsMatrix(0) || IsMatrix(1);
    }

    // More would cost what integers cost.
    const int MostParts = 4;

    /// <summary>Parts of the terms, none of whose sums a float rounds; none where that is not known.</summary>
    static List<(long From, long Count)> Parts(GraphBuilder builder, Op op, Term[] x, Bounds a, Bounds b)
    {
        if (Largest(builder, op, x, a, b) <= MostExact)
            return [(0, long.MaxValue)];
        if (op is Op.Convolve { Groups: > 1 } || Summed(op, x) is not var (_, axis) || x[1].Shape[axis].Value is not { } terms)
            return [];
        for (var count = 2L; count <= Math.Min(MostParts, terms); count++)
        {
            var parts = Enumerable.Range(0, (int)count).Select(p => (From: p * terms / count, Count: (p + 1) * terms / count - p * terms / count)).ToList();
            if (parts.All(p => Largest(builder, op, x, a, b, p.From, p.Count) <= MostExact))
                return parts;
        }
        return [];
    }

    /// <summary>The axis of either operand that is summed over; null where a contraction has no single one.</summary>
    static (int First, int Second)? Summed(Op op, Term[] x)
    {
        if (op is not Op.Contract contract)
            return (1, 1);
        var (left, right, result) = Einsum.Split(contract.Equation);
        return left.Concat(right).Distinct().Where(c => !result.Contains(c)).ToArray() is [var only] && left.Contains(only) && right.Contains(only) ? (left.IndexOf(only), right.IndexOf(only)) : null;
    }

    /// <summary>A bound of a sum's magnitude, of all terms or of some, from the bounds of the operands and from the weights where they are known.</summary>
    static double Largest(GraphBuilder builder, Op op, Term[] x, Bounds a, Bounds b, long from = 0, long count = long.MaxValue)
    {
        var (left, right, result) = op is Op.Contract contract ? Einsum.Split(contract.Equation) : ("", "", "");
        // A convolution sums over all axes of its weights but the first.
        bool IsSummed(int operand, int axis) => op is Op.Contract ? !result.Contains((operand == 0 ? left : right)[axis]) : axis > 0;
        var summed = Summed(op, x);
        var bySecond = SumOfMagnitudes(builder, x[1], axis => IsSummed(1, axis), b, summed?.Second ?? -1, from, count) * a.Magnitude;
        return op is Op.Convolve ? bySecond : Math.Min(bySecond, SumOfMagnitudes(builder, x[0], axis => IsSummed(0, axis), a, summed?.First ?? -1, from, count) * b.Magnitude);
    }

    /// <summary>The largest sum of magnitudes along some axes, along one of them of some elements.</summary>
    static double SumOfMagnitudes(GraphBuilder builder, Term x, Func<int, bool> isSummed, Bounds bounds, int inside, long from, long count)
    {
        // Large constants are widened as they are read.
        if ((x.Known ?? (Simplify.Made(builder, x) is (Op.Cast, [{ Known: { } narrow }]) ? narrow : null)) is not { } tensor)
            return Enumerable.Range(0, x.Rank).Where(isSummed).Aggregate(bounds.Magnitude, (sum, axis) => sum * (x.Shape[axis].Value is { } size ? axis == inside ? Math.Min(size, count) : size : double.PositiveInfinity));
        // Along an axis that is summed the place of the sum stays.
        var dims = tensor.Dims;
        var (strides, places) = (new long[x.Rank], 1L);
        for (var axis = x.Rank - 1; axis >= 0; axis--)
        {
            if (isSummed(axis))
                continue;
            (strides[axis], places) = (places, places * dims[axis]);
        }
        var (sums, position, place) = (new double[places], new long[x.Rank], 0L);
        for (var i = 0L; i < tensor.Count; i++)
        {
            if (inside < 0 || (position[inside] >= from && position[inside] - from < count))
                sums[place] += Math.Abs(Number(tensor, i));
            for (var axis = x.Rank - 1; axis >= 0; axis--)
            {
                place += strides[axis];
                if (++position[axis] < dims[axis])
                    break;
                place -= strides[axis] * dims[axis];
                position[axis] = 0;
            }
        }
        return sums.DefaultIfEmpty().Max();
    }

    static Term Float(GraphBuilder builder, Term x, int depth = Depth) => AsFloat(builder, x, depth) ?? x.Cast(ElementType.Float32);

    /// <summary>Integers computed as floats from what they are made of; null where the conversion of the integers is all there is.</summary>
    static Term? AsFloat(GraphBuilder builder, Term x, int depth = Depth)
    {
        if (depth == 0 || BoundsOf(builder, x, depth) is not { Magnitude: <= MostExact } bounds)
            return null;
        if (x.Known is { } tensor)
            return Constant(x, tensor, bounds);
        if (Simplify.Made(builder, x) is not (var op, var operands))
            return null;
        Term Inner(Term term) => Float(builder, term, depth - 1);
        bool AreExact(IEnumerable<Term> terms) => terms.All(t => BoundsOf(builder, t, depth - 1) is { Magnitude: <= MostExact });
        switch (op)
        {
            case Op.Cast when BoundsOf(builder, operands[0], depth - 1) is { } before && before.Within(Range(x.Element)!.Value):
                return operands[0].Element == ElementType.Float32 ? operands[0] : operands[0].Element.IsInteger() ? Inner(operands[0]) : null;
            case Op.Map map when Exact(map.Function) && AreExact(operands):
                return new Term(builder, builder.Apply(op, [.. operands.Select(t => Inner(t).Value)]));
            case Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold:
                return Inner(operands[0]).Apply(op);
            case Op.Pad or Op.Concat when AreExact(operands):
                return new Term(builder, builder.Apply(op, [.. operands.Select(t => Inner(t).Value)]));
            default:
                return null;
        }
    }

    static Term Constant(Term x, Tensor tensor, Bounds bounds)
    {
        var type = tensor.Count > Large && bounds.Magnitude <= MostExactHalf ? ElementType.Float16 : ElementType.Float32;
        var values = new double[tensor.Count];
        for (var i = 0L; i < tensor.Count; i++)
            values[i] = tensor.Integer(i);
        return x.Constant(Tensor.Of(type, tensor.Dims, values)).Cast(ElementType.Float32);
    }

    static bool Exact(Function function) => function == Functions.Plus || function == Functions.Subtract || function == Functions.Negate || function == Functions.Multiply
        || function == Functions.Maximum || function == Functions.Minimum || function == Functions.Abs;

    static Bounds? Range(ElementType type) => type switch
    {
        ElementType.Bool => new(0, 1),
        ElementType.UInt8 => new(byte.MinValue, byte.MaxValue),
        ElementType.Int8 => new(sbyte.MinValue, sbyte.MaxValue),
        ElementType.UInt16 => new(ushort.MinValue, ushort.MaxValue),
        ElementType.Int16 => new(short.MinValue, short.MaxValue),
        ElementType.Int32 => new(int.MinValue, int.MaxValue),
        ElementType.UInt32 => new(uint.MinValue, uint.MaxValue),
        ElementType.Int64 => new(long.MinValue, long.MaxValue),
        _ => null,
    };

    /// <summary>The range of a value whose elements are all integers, whatever its type; null where they may not be.</summary>
    static Bounds? BoundsOf(GraphBuilder builder, Term x, int depth) =>
        found.TryGetValue(x.Value, out var there) ? there.Value : found.GetValue(x.Value, _ => new(Find(builder, x, depth))).Value;

    static Bounds? Find(GraphBuilder builder, Term x, int depth)
    {
        var type = Range(x.Element);
        if (x.Known is { } tensor)
            return OfConstant(tensor);
        if (depth == 0 || Simplify.Made(builder, x) is not (var op, var operands))
            return type;
        Bounds? Of(int i) => BoundsOf(builder, operands[i], depth - 1);
        Bounds? result = op switch
        {
            Op.Cast when Of(0) is { } before && (type is null || before.Within(type.Value)) => before,
            Op.Cast => type,
            Op.Map { Function: var f } when f == Functions.Round || f == Functions.Floor || f == Functions.Ceiling || f == Functions.Truncate => Of(0) ?? new(double.NegativeInfinity, double.PositiveInfinity),
            Op.Map { Function: var f } when f == Functions.Negate => Of(0) is { } a ? new(-a.High, -a.Low) : null,
            Op.Map { Function: var f } when f == Functions.Abs => Of(0) is { } a ? new(0, a.Magnitude) : null,
            Op.Map { Function: var f } when f == Functions.Plus => Of(0) is { } a && Of(1) is { } b ? new(a.Low + b.Low, a.High + b.High) : null,
            Op.Map { Function: var f } when f == Functions.Subtract => Of(0) is { } a && Of(1) is { } b ? new(a.Low - b.High, a.High - b.Low) : null,
            Op.Map { Function: var f } when f == Functions.Multiply => Of(0) is { } a && Of(1) is { } b && !double.IsInfinity(a.Magnitude) && !double.IsInfinity(b.Magnitude) ? new(-a.Magnitude * b.Magnitude, a.Magnitude * b.Magnitude) : null,
            Op.Map { Function: var f } when f == Functions.Maximum => Of(0) is { } a && Of(1) is { } b ? new(Math.Max(a.Low, b.Low), Math.Max(a.High, b.High)) : null,
            Op.Map { Function: var f } when f == Functions.Minimum => Of(0) is { } a && Of(1) is { } b ? new(Math.Min(a.Low, b.Low), Math.Min(a.High, b.High)) : null,
            Op.Reshape or Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold or Op.Gather or Op.GatherElements or Op.GatherND => Of(0),
            Op.Pad { Mode: Padding.Constant } => Bounds.Either(Of(0), Of(1)),
            Op.Pad => Of(0),
            Op.Concat => operands.Select((_, i) => Of(i)).Aggregate(Bounds.Either),
            Op.Contract or Op.Convolve when Of(0) is { } a && Of(1) is { } b && Largest(builder, op, operands, a, b) is var most && double.IsFinite(most) => new(-most, most),
            _ => null,
        };
        // Integers that leave their type's range wrap around.
        return type is { } range ? result is { } exact && exact.Within(range) ? exact : range : result;
    }

    static double Number(Tensor tensor, long i) => tensor.Type.IsFloat() ? tensor.Float(i) : tensor.Integer(i);

    static Bounds? OfConstant(Tensor tensor)
    {
        var (low, high) = (0.0, 0.0);
        for (var i = 0L; i < tensor.Count; i++)
        {
            var value = Number(tensor, i);
            if (value != Math.Floor(value) || double.IsInfinity(value))
                return null;
            (low, high) = i == 0 ? (value, value) : (Math.Min(low, value), Math.Max(high, value));
        }
        return new(low, high);
    }
}
