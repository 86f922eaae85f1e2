using Softmodel.Graphs;
using Softmodel.Import.Onnx.Operators;
using Softmodel.Runtime;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that move elements about, or make tensors of numbers or sizes.</summary>
static class ShapeRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("Shape", d =>
        {
            var version = d.Since(7, 13, 15, 21);
            var rank = d.Within(0, 4);
            d.Node("Shape", [d.Data(d.One(Movable), d.Shape(rank))], I64, ("start", version >= 15 ? d.Maybe(d.Within(-6, 6)) : null), ("end", version >= 15 ? d.Maybe(d.Within(-6, 6)) : null));
        }),
        new("Size", d => d.Node("Size", [d.Data(d.One(Movable), d.Shape(d.Within(0, 4)))], I64)),
        new("Reshape", d =>
        {
            var version = d.Since(7, 13, 14, 21);
            var type = d.One(Movable);
            var dims = d.Shape(d.Within(1, 4), 1);
            var to = Regrouped(d, dims);
            if (d.Chance(0.5) && to.Length > 0)
                to[d.Within(0, to.Length - 1)] = -1;
            for (var i = 0; i < Math.Min(to.Length, dims.Length); i++)
            {
                if (to[i] == dims[i] && d.Chance(0.4))
                    to[i] = 0;
            }
            var zero = version >= 14 && !to.Contains(0) && d.Chance(0.3);
            d.Node("Reshape", [d.Data(type, dims, Numbers.Any), d.OpenSetting(to)], type, ("allowzero", zero ? 1 : null));
        }),
        new("Reshape of nothing", d =>
        {
            d.Since(14);
            d.Node("Reshape", [d.Data(F32, [0, d.Size(1)]), d.OpenSetting(d.One<long[]>([3, 0], [0], [0, 2, 5]))], F32, ("allowzero", 1));
        }),
        new("Flatten", d =>
        {
            var version = d.Since(7, 9, 11, 13);
            var (type, rank) = (d.Type(version < 9 ? [F32] : Movable), d.Within(1, 4));
            d.Node("Flatten", [d.Data(type, d.Shape(rank))], type, ("axis", d.Maybe(version < 11 ? d.Within(0, rank) : d.Within(-rank, rank))));
        }),
        new("Expand", d =>
        {
            d.Since(8, 13);
            var type = d.One(Movable);
            var to = d.Shape(d.Within(0, 4));
            var from = d.Stretching(to);
            // The shape asked for may be the one that is stretched.
            d.Node("Expand", [d.Data(type, from, Numbers.Any), d.OpenSetting(d.Chance(0.3) ? d.Stretching(to) : to)], type);
        }),
        new("Tile", d =>
        {
            d.Since(7, 13);
            var (type, rank) = (d.One(Movable), d.Within(1, 4));
            d.Node("Tile", [d.Data(type, d.Shape(rank)), d.OpenSetting([.. Enumerable.Range(0, rank).Select(_ => (long)d.Within(d.Chance(0.1) ? 0 : 1, 3))])], type);
        }),
        new("Transpose", d =>
        {
            d.Since(7, 13, 21);
            var (type, rank) = (d.One(Movable), d.Within(0, 5));
            var order = Enumerable.Range(0, rank).ToArray();
            d.Random.Shuffle(order);
            d.Node("Transpose", [d.Data(type, d.Shape(rank), Numbers.Any)], type, ("perm", rank > 0 ? d.Maybe(order, 0.8) : null));
        }),
        new("Concat", d =>
        {
            var version = d.Since(7, 11, 13);
            var type = d.One(Movable);
            var dims = d.Shape(d.Within(1, 4));
            var axis = version < 11 ? d.Within(0, dims.Length - 1) : d.Axis(dims.Length);
            d.Node("Concat", [.. Enumerable.Range(0, d.Within(1, 4)).Select(_ => d.Weight(type, With(dims, axis, d.Size())))], type, ("axis", axis));
        }),
        new("Split", d =>
        {
            var version = d.Since(7, 11, 13, 18);
            var type = d.One(Movable);
            var parts = d.Within(1, 4);
            var even = d.Chance(0.4);
            long[] sizes = [.. Enumerable.Range(0, parts).Select(_ => d.Size())];
            if (even)
                Array.Fill(sizes, sizes[0]);
            var dims = d.Shape(d.Within(1, 4));
            var axis = version < 11 ? d.Within(0, dims.Length - 1) : d.Axis(dims.Length);
            var total = sizes.Sum();
            // From version 18 on the last part may be smaller.
            var given = !even || d.Chance(0.3);
            if (!given && version >= 18)
                total = Math.Max(parts * sizes[0] - d.Within(0, (int)Math.Min(1, Math.Max(0, sizes[0] - 1))), 0);
            ElementType[] results = [.. Enumerable.Repeat(type, parts)];
            var x = d.Data(type, With(dims, axis, total));
            if (version >= 13)
                d.Node("Split", [x, given ? d.OpenSetting(sizes) : null], results, ("axis", axis), ("num_outputs", version >= 18 && !given ? parts : null));
            else
                d.Node("Split", [x], results, ("axis", axis), ("split", given ? sizes : null));
        }),
        new("Slice", d =>
        {
            var version = d.Since(7, 10, 11, 13);
            var type = d.One(Movable);
            var dims = d.Shape(d.Within(1, 4));
            long[] axes = d.Chance(0.7) ? d.Axes(dims.Length) : [.. Enumerable.Range(0, d.Within(1, dims.Length)).Select(i => (long)i)];
            var isPlain = axes.Select((a, i) => a == i).All(b => b);
            if (version < 11)
                axes = [.. Axes.Of(axes, dims.Length)];
            long At() => d.Chance(0.1) ? d.One(long.MaxValue, int.MaxValue, long.MinValue, int.MinValue, -1000, 1000) : d.Within(-9, 9);
            var (starts, ends) = (axes.Select(_ => At()).ToArray(), axes.Select(_ => At()).ToArray());
            long[] steps = [.. axes.Select(_ => (long)d.One(1, 1, 2, 3, -1, -1, -2, 7))];
            var x = d.Data(type, dims, Numbers.Any);
            if (version == 7)
                d.Node("Slice", [x], type, ("starts", starts), ("ends", ends), ("axes", isPlain ? d.Maybe(axes) : axes));
            else
            {
                var given = !isPlain || d.Chance(0.5) ? d.Setting(axes) : null;
                d.Node("Slice", [x, d.OpenSetting(starts), d.OpenSetting(ends), given, d.Chance(0.6) ? d.Setting(steps) : null], type);
            }
        }),
        new("Pad", d =>
        {
            var version = d.Since(7, 11, 13, 18, 19, 21);
            var type = d.One(version < 11 ? OldReals : version < 13 ? OldNumeric : Movable);
            var rank = d.Within(1, 4);
            var dims = d.Shape(rank, 1);
            var mode = d.One("constant", "constant", "reflect", "edge", version >= 19 ? "wrap" : "edge");
            var axes = version >= 18 && d.Chance(0.4) ? d.Axes(rank) : null;
            var padded = axes ?? [.. Enumerable.Range(0, rank).Select(i => (long)i)];
            long Some(long axis)
            {
                var size = (int)dims[Axes.Of(axis, rank)];
                var most = mode switch { "reflect" => size - 1, "wrap" => size, _ => 3 };
                return d.Chance(0.1) && mode == "constant" ? -d.Within(0, Math.Max(0, (size - 1) / 2)) : d.Within(0, Math.Min(3, most));
            }
            long[] pads = [.. padded.Select(Some), .. padded.Select(Some)];
            var x = d.Data(type, dims, Numbers.Any);
            if (version == 7)
                d.Node("Pad", [x], type, ("mode", d.Maybe(mode, mode == "constant" ? 0.5 : 1)), ("pads", pads), ("value", d.Maybe(1.5)));
            else
                d.Node("Pad", [x, d.OpenSetting(pads), mode == "constant" && d.Chance(0.5) ? d.Constant(Graphs.Tensor.Scalar(type, 1)) : null, axes is null ? null : d.Setting(axes)], type, ("mode", d.Maybe(mode, mode == "constant" ? 0.5 : 1)));
        }),
        new("Squeeze", d =>
        {
            var version = d.Since(7, 11, 13, 21);
            var type = d.One(Movable);
            var rank = d.Within(1, 5);
            long[] dims = [.. d.Shape(rank).Select(s => d.Chance(0.5) ? 1 : s)];
            long[] axes = [.. d.Axes(rank, 0).Where(a => dims[Axes.Of(a, rank)] == 1)];
            if (version < 11)
                axes = [.. Axes.Of(axes, rank)];
            var given = axes.Length > 0 && d.Chance(0.7);
            var x = d.Data(type, dims);
            if (version >= 13)
                d.Node("Squeeze", [x, given ? d.Setting(axes) : null], type);
            else
                d.Node("Squeeze", [x], type, ("axes", given ? axes : null));
        }),
        new("Unsqueeze", d =>
        {
            var version = d.Since(7, 11, 13, 21);
            var (type, rank, more) = (d.One(Movable), d.Within(0, 3), d.Within(1, 3));
            long[] axes = [.. d.Axes(rank + more, rank + more).Take(more)];
            if (version < 11)
                axes = [.. Axes.Of(axes, rank + more)];
            var x = d.Data(type, d.Shape(rank));
            if (version >= 13)
                d.Node("Unsqueeze", [x, d.Setting(axes)], type);
            else
                d.Node("Unsqueeze", [x], type, ("axes", axes));
        }),
        new("DepthToSpace", d =>
        {
            var version = d.Since(7, 11, 13);
            var (type, block) = (d.One(version < 13 ? [F32] : Movable), d.Within(1, 3));
            d.Node("DepthToSpace", [d.Data(type, [d.Size(1), d.Within(1, 3) * block * block, d.Size(1), d.Size(1)])], type, ("blocksize", block), ("mode", version >= 11 ? d.Maybe(d.One("DCR", "CRD")) : null));
        }),
        new("SpaceToDepth", d =>
        {
            d.Since(7, 13);
            var (type, block) = (d.One(d.Opset < 13 ? [F32] : Movable), d.Within(1, 3));
            d.Node("SpaceToDepth", [d.Data(type, [d.Size(1), d.Size(1), d.Within(1, 3) * block, d.Within(1, 3) * block])], type, ("blocksize", block));
        }),
        new("CenterCropPad", d =>
        {
            d.Since(18);
            var (type, rank) = (d.One(Movable), d.Within(1, 4));
            var axes = d.Chance(0.5) ? d.Axes(rank) : null;
            d.Node("CenterCropPad", [d.Data(type, d.Shape(rank, 1)), d.OpenSetting(d.Shape(axes?.Length ?? rank, 1))], type, ("axes", axes));
        }),
        new("Trilu", d =>
        {
            d.Since(14);
            var type = d.One(Movable);
            d.Node("Trilu", [d.Data(type, d.Shape(d.Within(2, 4))), d.Chance(0.6) ? Scalar(d, d.Within(-6, 6)) : null], type, ("upper", d.Maybe(d.Within(0, 1))));
        }),
        new("EyeLike", d =>
        {
            d.Since(9, 22);
            var (from, to) = (d.One(F32, F64, I32, I64, Bool, U8), d.One<ElementType?>(null, F32, F64, I32, I64, U64));
            d.Node("EyeLike", [d.Data(from, d.Shape(2))], to ?? (from == Bool ? Bool : from), ("dtype", to), ("k", d.Maybe(d.Within(-6, 6))));
        }),
        new("ConstantOfShape", d =>
        {
            d.Since(9, 20, 21);
            var type = d.One<ElementType?>(null, F32, F64, I32, I64, Bool, U8, F16);
            d.Node("ConstantOfShape", [d.OpenSetting(d.Shape(d.Within(0, 4)))], type ?? F32, ("value", type is { } given ? d.Tensor(given, [1]) : null));
        }),
        new("Constant", d =>
        {
            var version = d.Since(7, 11, 12, 13);
            var kind = version < 12 ? 0 : d.Within(0, 4);
            var type = kind switch { 0 => d.One(Movable), 1 or 2 => F32, _ => I64 };
            var made = d.Node("Constant", [], type, kind switch
            {
                0 => ("value", d.Tensor(type, d.Shape(d.Within(0, 2)), Numbers.Any)),
                1 => ("value_float", 1.5f),
                2 => ("value_floats", new[] { 1.5f, -2 }),
                3 => ("value_int", 7),
                _ => ("value_ints", new long[] { 1, 2, 3 }),
            });
            d.Node("Identity", [made], type);
        }),
        new("Range", d =>
        {
            d.Since(11);
            var type = d.One(F32, F32, F32, F64, I64, I64, I32, I16);
            var step = type.IsFloat() ? d.One(0.1, 0.3, 0.7, 1, 0.25, 2.5, -0.1, -0.7, 1 / 3.0) : d.One(1, 1, 2, 3, -1, -2, 7);
            var start = type.IsFloat() && d.Chance(0.6) ? d.One(0.1, -1.3, 2.2, 0.5) : d.Within(-3, 3);
            var end = start + step * d.Within(-1, 12) + (d.Chance(0.4) ? d.One(0.01, -0.01, step / 2) : 0);
            string Each(double x) => d.Chance(0.7) ? d.Constant(Tensor.Scalar(type, x)) : d.Input(Tensor.Scalar(type, x));
            d.Node("Range", [Each(start), Each(end), Each(step)], type);
        }),
        new("OneHot", d =>
        {
            d.Since(9, 11);
            var (indices, type) = (d.One(I64, I32, F32), d.One(F32, I64, I32));
            var rank = d.Within(1, 3);
            var depth = d.Within(1, 9);
            d.Node("OneHot", [d.Data(indices, d.Shape(rank), Numbers.Whole), d.Chance(0.8) ? d.Constant(Tensor.Scalar((long)depth)) : d.Input(Tensor.Vector((long)depth)), d.Weight(type, [2])], type, ("axis", d.Maybe(d.Within(d.Opset < 11 ? -1 : -rank - 1, rank))));
        }),
    ];

    /// <summary>A scalar of integers, which may be known only at run time.</summary>
    static string Scalar(Draft d, long value) => d.Chance(0.8) ? d.Constant(Tensor.Scalar(value)) : d.Input(Tensor.Scalar(value));

    /// <summary>Sizes with one replaced.</summary>
    internal static long[] With(long[] dims, int axis, long size)
    {
        long[] result = [.. dims];
        result[Axes.Of(axis, dims.Length)] = size;
        return result;
    }

    /// <summary>Other sizes for as many elements.</summary>
    static long[] Regrouped(Draft d, long[] dims)
    {
        var factors = dims.ToList();
        for (var i = 0; i < 3; i++)
        {
            switch (d.Within(0, 2))
            {
                case 0 when factors.Count > 1:
                    var at = d.Within(0, factors.Count - 2);
                    factors[at] *= factors[at + 1];
                    factors.RemoveAt(at + 1);
                    break;
                case 1:
                    factors.Insert(d.Within(0, factors.Count), 1);
                    break;
                default:
                    var split = d.Within(0, factors.Count - 1);
                    if (factors[split] % 2 == 0)
                    {
                        factors[split] /= 2;
                        factors.Insert(split, 2);
                    }
                    break;
            }
        }
        return [.. factors];
    }
}
