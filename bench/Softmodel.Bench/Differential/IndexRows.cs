using Softmodel.Graphs;
using Softmodel.Import.Onnx.Operators;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that choose elements by indices.</summary>
static class IndexRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("Gather", d =>
        {
            var version = d.Since(7, 11, 13);
            var type = d.One(Movable);
            var dims = d.Shape(d.Within(1, 4), 1);
            var axis = d.Axis(dims.Length);
            d.Node("Gather", [d.Weight(type, dims, Numbers.Any), Indices(d, dims[Axes.Of(axis, dims.Length)], d.Shape(d.Within(0, 3)), version >= 11)], type, ("axis", d.Maybe(axis, axis == 0 ? 0.5 : 1)));
        }),
        new("GatherElements", d =>
        {
            d.Since(11, 13);
            var type = d.One(Movable);
            var dims = d.Shape(d.Within(1, 4), 1);
            var axis = d.Axis(dims.Length);
            long[] chosen = [.. dims.Select(s => (long)d.Within(1, (int)s))];
            d.Node("GatherElements", [d.Data(type, dims, Numbers.Any), Indices(d, dims[Axes.Of(axis, dims.Length)], ShapeRows.With(chosen, axis, d.Size()))], type, ("axis", axis));
        }),
        new("GatherND", d =>
        {
            var version = d.Since(11, 12, 13);
            var type = d.One(Movable);
            var dims = d.Shape(d.Within(1, 4), 1);
            var batch = version < 12 ? 0 : d.Within(0, Math.Min(2, dims.Length - 1));
            var depth = d.Within(1, dims.Length - batch);
            long[] shape = [.. dims.Take(batch), .. d.Shape(d.Within(0, 2)), depth];
            d.Node("GatherND", [d.Data(type, dims, Numbers.Any), Positions(d, [.. dims.Skip(batch).Take(depth)], shape)], type, ("batch_dims", version < 12 ? null : batch > 0 ? batch : d.Maybe(0)));
        }),
        new("ScatterND", d =>
        {
            var version = d.Since(11, 13, 16, 18);
            var reduction = version < 16 ? null : d.One(null, "none", "add", "mul", version >= 18 ? "max" : "add", version >= 18 ? "min" : "mul");
            var type = d.One(reduction is null or "none" ? Movable : [F32, F64, I32, I64]);
            var dims = d.Shape(d.Within(1, 4), 1);
            var depth = d.Within(1, dims.Length);
            var isOnce = reduction is null or "none";
            // What two updates of one place come to without a reduction is not defined.
            long[] outer = isOnce ? [d.Within(1, (int)dims[0])] : d.Shape(d.Within(0, 2));
            var positions = isOnce ? d.Constant(Once(d, dims, outer[0], depth)) : Positions(d, [.. dims.Take(depth)], [.. outer, depth]);
            d.Node("ScatterND", [d.Data(type, dims), positions, d.Data(type, [.. outer, .. dims.Skip(depth)])], type, ("reduction", reduction));
        }),
        new("ScatterElements", d => Scatter(d, "ScatterElements", d.Since(11, 13, 16, 18))),
        new("Scatter", d => Scatter(d, "Scatter", d.Since(9))),
        new("Compress", d =>
        {
            d.Since(9, 11);
            var type = d.One(Movable);
            var dims = d.Shape(d.Within(1, 4), 1);
            object? axis = d.Chance(0.6) ? d.Opset < 11 ? d.Within(0, dims.Length - 1) : d.Axis(dims.Length) : null;
            var size = axis is int at ? dims[Axes.Of(at, dims.Length)] : dims.Aggregate(1L, (a, b) => a * b);
            d.Node("Compress", [d.Data(type, dims, Numbers.Any), d.Weight(Bool, [d.Within(1, (int)size)])], type, ("axis", axis));
        }),
        new("ReverseSequence", d =>
        {
            d.Since(10);
            var type = d.One(Movable);
            var dims = d.Shape(d.Within(2, 4), 1);
            var batch = d.Within(0, 1);
            d.Node("ReverseSequence", [d.Data(type, dims), d.Constant(Tensor.Vector<long>([.. Enumerable.Range(0, (int)dims[batch]).Select(_ => (long)d.Within(1, (int)dims[1 - batch]))]))], type,
                ("batch_axis", batch == 1 ? d.Maybe(1) : batch), ("time_axis", batch == 1 ? d.Maybe(0) : 1 - batch));
        }),
        new("TensorScatter", d =>
        {
            d.Since(24);
            var type = d.One(F32, F16);
            var (batch, heads, most, size) = (d.Size(1), d.Size(1), d.Within(3, 9), d.Size(1));
            var length = d.Within(1, most);
            var circular = d.Chance(0.5);
            d.Node("TensorScatter", [d.Data(type, [batch, heads, most, size]), d.Data(type, [batch, heads, length, size]),
                d.Constant(Tensor.Vector<long>([.. Enumerable.Range(0, (int)batch).Select(_ => (long)d.Within(0, circular ? most - 1 : most - length))]))], type, ("mode", circular ? "circular" : d.Maybe("linear")));
        }),
        new("NonZero", d =>
        {
            d.Since(9, 13);
            d.Node("NonZero", [d.Data(d.One(Bool, F32, I32, I64, U8, F64), d.Shape(d.Within(0, 4)), Numbers.Whole)], I64);
        }),
    ];

    /// <summary>Indices below a size, some counted from the end.</summary>
    internal static string Indices(Draft d, long size, long[] shape, bool fromEnd = true)
    {
        long[] values = [.. Enumerable.Range(0, (int)Tensor.CountOf(shape)).Select(_ => (long)d.Random.Next(fromEnd && d.Chance(0.5) ? -(int)size : 0, (int)size))];
        var tensor = Tensor.Of(d.One(I64, I64, I32), shape, values);
        return d.Chance(0.5) ? d.Constant(tensor) : d.Input(tensor);
    }

    static string Positions(Draft d, long[] dims, long[] shape)
    {
        long[] values = [.. Enumerable.Range(0, (int)Tensor.CountOf(shape)).Select(i => d.Random.NextInt64(-dims[i % dims.Length], dims[i % dims.Length]))];
        var tensor = Tensor.Of<long>(values, shape);
        return d.Chance(0.5) ? d.Constant(tensor) : d.Input(tensor, known: true);
    }

    static Tensor Once(Draft d, long[] dims, long count, int depth)
    {
        var first = Enumerable.Range(0, (int)dims[0]).ToArray();
        d.Random.Shuffle(first);
        return Tensor.Of<long>([.. Enumerable.Range(0, (int)count).SelectMany(i => Enumerable.Range(0, depth).Select(k => k == 0 ? first[i] : d.Random.NextInt64(dims[k])))], count, depth);
    }

    static void Scatter(Draft d, string name, int version)
    {
        var reduction = version < 16 ? null : d.One(null, "none", "add", "mul", version >= 18 ? "max" : "add", version >= 18 ? "min" : "mul");
        var type = d.One(reduction is null or "none" ? Movable : [F32, F64, I32, I64, U8]);
        var dims = d.Shape(d.Within(1, 3), 1);
        var axis = version < 11 ? d.Within(0, dims.Length - 1) : d.Axis(dims.Length);
        var size = (int)dims[Axes.Of(axis, dims.Length)];
        long[] chosen = ShapeRows.With([.. dims.Select(s => (long)d.Within(1, (int)s))], axis, reduction is null or "none" ? d.Within(1, size) : d.Size(1));
        var count = (int)Tensor.CountOf(chosen);
        var indices = new long[count];
        if (reduction is null or "none")
        {
            // Each place once: without a reduction two updates of one are not defined. A column is a permutation's beginning.
            var places = Enumerable.Range(0, size).ToArray();
            d.Random.Shuffle(places);
            var at = Axes.Of(axis, dims.Length);
            var inner = chosen.Skip(at + 1).Aggregate(1L, (a, b) => a * b);
            for (var i = 0; i < count; i++)
                indices[i] = places[i / inner % chosen[at]] - (d.Chance(0.2) && version >= 11 ? size : 0);
        }
        else
        {
            for (var i = 0; i < count; i++)
                indices[i] = d.Random.Next(-size, size);
        }
        d.Node(name, [d.Data(type, dims), d.Chance(0.5) ? d.Constant(Tensor.Of<long>(indices, chosen)) : d.Input(Tensor.Of<long>(indices, chosen)), d.Data(type, chosen)], type, ("axis", axis), ("reduction", reduction));
    }
}
