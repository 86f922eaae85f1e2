using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Evaluate;

/// <summary>What each core operation computes, once its sizes are known: one row per operation.</summary>
static class Rules
{
    /// <summary>The results of an operation.</summary>
    /// <exception cref="SoftmodelException">An index lies outside, an integer is divided by 0, or it has no rule.</exception>
    public static Tensor[] Apply(Op op, IReadOnlyList<Tensor> x, ulong seed, string source) => op switch
    {
        Op.Constant or Op.Parameter => [op.Stored!],
        Op.SizeTensor sizes => [Tensor.Of<long>(sizes.Values.Select(d => d.Value!.Value).ToArray(), sizes.Shape.Known!)],
        Op.Iota iota => [Tensor.Vector(Elements.Range(iota.Size.Value!.Value))],
        Op.Random random => [Random(random, seed)],
        Op.Map map => [Map(map.Function, x)],
        Op.Cast cast => [Elements.Cast(x[0], cast.To)],
        Op.Reshape reshape => [x[0].Reshape(reshape.Shape.Known!)],
        Op.Transpose or Op.Broadcast or Op.Slice or Op.Unfold or Op.Pad or Op.Gather or Op.GatherElements or Op.GatherND => [Moves.Apply(op, x, source)],
        Op.Concat concat => [Moves.Concat(x, concat.Axis)],
        Op.Call call => ExactPrograms.Run(call, x, source),
        _ when x[0].Type.IsFloat() => Arithmetic<double>.Apply(op, x, source),
        _ when x[0].Type == ElementType.UInt64 => Arithmetic<ulong>.Apply(op, x, source),
        _ => Arithmetic<long>.Apply(op, x, source),
    };

    static Tensor Random(Op.Random random, ulong seed)
    {
        var numbers = new float[random.Shape.KnownCount!.Value];
        if (random.Distribution == Distribution.Normal)
            Philox.Normal(seed, (ulong)random.Stream, 0, numbers);
        else
            Philox.Uniform(seed, (ulong)random.Stream, 0, numbers);
        return Tensor.Of<float>(numbers, random.Shape.Known!);
    }

    /// <summary>Functions that see the sign bit: for <see cref="ElementType.UInt64"/>, whose numbers are kept as the bits of an Int64.</summary>
    static readonly Dictionary<Function, Func<ulong, ulong, ulong>> unsigned = new()
    {
        [Functions.Divide] = (x, y) => x / Check.NotZero(y),
        [Functions.Modulo] = (x, y) => x % Check.NotZero(y),
        [Functions.Remainder] = (x, y) => x % Check.NotZero(y),
        [Functions.Power] = (x, y) => { var z = 1ul; for (; y > 0; y >>= 1, x *= x) z *= (y & 1) != 0 ? x : 1; return z; },
        [Functions.Minimum] = Math.Min,
        [Functions.Maximum] = Math.Max,
        [Functions.Abs] = (x, _) => x,
        [Functions.Sign] = (x, _) => x == 0 ? 0ul : 1,
        [Functions.Less] = (x, y) => x < y ? 1ul : 0,
        [Functions.LessOrEqual] = (x, y) => x <= y ? 1ul : 0,
    };

    static Tensor Map(Function function, IReadOnlyList<Tensor> x)
    {
        var type = Inference.Types(new Op.Map(function), [.. x.Select(t => t.TensorType)])[0];
        var dims = type.Shape.Known!;
        var at = x.Select(t => Moves.Stretched(dims, t.Dims)).ToArray();
        var count = Tensor.CountOf(dims);
        if (x[^1].Type.IsFloat())
        {
            var values = x.Select(Elements.Read<double>).ToArray();
            var result = new double[count];
            for (var i = 0; i < count; i++)
                result[i] = function.Float(values[0][at[0][i]], x.Count > 1 ? values[1][at[1][i]] : 0, x.Count > 2 ? values[2][at[2][i]] : 0);
            return Tensor.Of(type.Element, dims, result);
        }
        else
        {
            var whole = x[0].Type == ElementType.UInt64 && unsigned.TryGetValue(function, out var u) ? (a, b, _) => (long)u((ulong)a, (ulong)b) : function.Integer!;
            var values = x.Select(Elements.Read<long>).ToArray();
            var result = new long[count];
            for (var i = 0; i < count; i++)
                result[i] = whole(values[0][at[0][i]], x.Count > 1 ? values[1][at[1][i]] : 0, x.Count > 2 ? values[2][at[2][i]] : 0);
            return Tensor.Of(type.Element, dims, result);
        }
    }
}
