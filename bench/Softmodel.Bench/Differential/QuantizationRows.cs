using Softmodel.Graphs;
using Softmodel.Import.Onnx.Operators;
using Softmodel.Runtime;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that compute with integers that stand for floats.</summary>
static class QuantizationRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("QuantizeLinear", d =>
        {
            var version = d.Since(10, 13, 19, 21, 23);
            var type = d.Type(version < 21 ? [U8, I8] : [U8, I8, U16, I16]);
            var from = version >= 19 && d.Chance(0.2) ? F16 : version < 19 && d.Chance(0.1) ? I32 : F32;
            var scaleType = from == I32 ? F32 : from;
            var (dims, axis, shape, block) = Parameters(d, version);
            var zero = d.Chance(0.7) ? d.Constant(Zero(d, type, shape)) : null;
            d.Node("QuantizeLinear", [d.Data(from, dims), d.Weight(scaleType, shape, Numbers.Unit), zero], zero is null ? version >= 21 ? type : U8 : type,
                ("axis", version >= 13 && shape.Length > 0 ? axis : null), ("block_size", block > 0 ? block : null), ("output_dtype", zero is null && version >= 21 ? type : null));
        }),
        new("DequantizeLinear", d =>
        {
            var version = d.Since(10, 13, 19, 21, 23);
            var type = d.Type(version < 21 ? [U8, I8, I32] : [U8, I8, I32, U16, I16]);
            var to = version >= 19 && d.Chance(0.2) ? F16 : F32;
            var (dims, axis, shape, block) = Parameters(d, version);
            var zero = type != I32 && d.Chance(0.7) ? d.Constant(Zero(d, type, shape)) : null;
            d.Node("DequantizeLinear", [d.Data(type, dims, Numbers.Any), d.Weight(to, shape, Numbers.Unit), zero], to, ("axis", version >= 13 && shape.Length > 0 ? axis : null), ("block_size", block > 0 ? block : null));
        }),
        new("DynamicQuantizeLinear", d =>
        {
            d.Since(11);
            d.Node("DynamicQuantizeLinear", [d.Data(F32, d.Shape(d.Within(1, 3), 1), d.One(Numbers.Small, Numbers.Positive, Numbers.Unit))], [U8, F32, U8]);
        }),
        new("MatMulInteger", d =>
        {
            d.Since(10);
            var (a, b) = (d.One(U8, I8), d.One(U8, I8));
            var (batch, m, k, n) = (d.Shape(d.Within(0, 2), 1), d.Size(1), d.Size(1), d.Size(1));
            d.Node("MatMulInteger", [d.Data(a, [.. batch, m, k], Numbers.Any), d.Weight(b, [k, n], Whole(d, a, b)),
                d.Chance(0.6) ? d.Constant(Zero(d, a, [])) : null, d.Chance(0.6) ? d.Constant(Zero(d, b, d.Chance(0.5) ? [] : [n])) : null], I32);
        }),
        new("ConvInteger", d =>
        {
            d.Since(10);
            var (x, w) = (U8, d.One(U8, I8));
            var window = WindowRows.Window(d, 2);
            var (group, inner, outer) = (d.One(1, 1, 2), d.Within(1, 3), d.Within(1, 3));
            d.Node("ConvInteger", [d.Data(x, [d.Within(1, 2), group * inner, .. window.Sizes], Numbers.Any), d.Weight(w, [group * outer, inner, .. window.Kernel], Whole(d, x, w), known: true), d.Chance(0.6) ? d.Constant(Zero(d, x, [])) : null, d.Chance(0.6) ? d.Constant(Zero(d, w, [])) : null], I32,
                WindowRows.Attributes(d, window, false, ("group", group)));
        }),
        new("QLinearMatMul", d =>
        {
            d.Since(10, 21);
            var (a, b) = (d.One(U8, I8), d.One(U8, I8));
            if (a == I8)
                b = I8;
            var (m, k, n) = (d.Size(1), d.Size(1), d.Size(1));
            long[] columns = d.Chance(0.3) ? [n] : [];
            d.Step = 1;
            d.Node("QLinearMatMul", [d.Data(a, [m, k], Numbers.Any), Scale(d, []), d.Constant(Zero(d, a, [])), d.Weight(b, [k, n], Whole(d, a, b)), Scale(d, columns), d.Constant(Zero(d, b, columns)), d.Constant(Tensor.Scalar(7.5f)), d.Constant(Zero(d, a, []))], a);
        }),
        new("QLinearConv", d =>
        {
            d.Since(10);
            var x = d.One(U8, U8, I8);
            var w = x == I8 ? I8 : d.One(U8, I8);
            var window = WindowRows.Window(d, 2);
            var (group, inner, outer) = (d.One(1, 1, 2), d.Within(1, 3), d.Within(1, 3));
            if (d.Chance(0.2))
                (group, inner, outer) = (d.Within(2, 8), 1, 1);
            long[] filters = d.Chance(0.4) ? [group * outer] : [];
            d.Step = 1;
            d.Node("QLinearConv", [d.Data(x, [d.Within(1, 2), group * inner, .. window.Sizes], Numbers.Any), Scale(d, []), d.Constant(Zero(d, x, [])), d.Weight(w, [group * outer, inner, .. window.Kernel], Whole(d, x, w), known: true), Scale(d, filters), d.Constant(Zero(d, w, [])),
                d.Constant(Tensor.Scalar(3.5f)), d.Constant(Zero(d, x, [])), d.Chance(0.5) ? d.Constant(d.Tensor(I32, [group * outer])) : null], x, WindowRows.Attributes(d, window, false, ("group", group)));
        }),
    ];

    // ONNX Runtime adds pairs of products of unsigned and signed numbers in 16 bits where the processor has nothing better: large ones saturate.
    static Numbers Whole(Draft d, ElementType a, ElementType b) => a == U8 && b == I8 && d.Chance(0.8) ? Numbers.Small : Numbers.Any;

    static string Scale(Draft d, long[] shape) => d.Constant(d.Tensor(F32, shape, Numbers.Unit));

    static Tensor Zero(Draft d, ElementType type, long[] shape) =>
        Tensor.Of(type, shape, [.. Enumerable.Range(0, (int)Tensor.CountOf(shape)).Select(_ => (long)(type.IsUnsigned() ? d.One(0, 3, 128, 255) : d.One(0, -3, 5, 127, -128)))]);

    /// <summary>The sizes of an operand and of its scales: one, one for each index of an axis, or one for each block of it.</summary>
    static (long[] Dims, int Axis, long[] Shape, int Block) Parameters(Draft d, int version)
    {
        var dims = d.Shape(d.Within(1, 4), 1);
        var axis = d.Axis(dims.Length);
        var at = Axes.Of(axis, dims.Length);
        if (version >= 21 && d.Chance(0.3))
        {
            var (block, count) = (d.Within(2, 4), d.Within(1, 3));
            dims[at] = block * count;
            return (dims, axis, ShapeRows.With(dims, at, count), block);
        }
        return (dims, axis, version >= 13 && d.Chance(0.5) ? [dims[at]] : [], 0);
    }
}
