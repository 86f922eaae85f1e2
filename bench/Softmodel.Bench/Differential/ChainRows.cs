using Softmodel.Graphs;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>What exporters write as several nodes.</summary>
static class ChainRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("shape, gather, concat, reshape", d =>
        {
            d.Since(11, 13, 21);
            var type = d.One(F32, I64);
            var dims = d.Shape(3, 1);
            var x = d.Data(type, dims);
            var sizes = d.Node("Shape", [x], I64);
            string Size(long axis) => Unsqueezed(d, d.Node("Gather", [sizes, d.Constant(Tensor.Scalar(d.Chance(0.3) ? axis - 3 : axis))], I64, ("axis", 0)));
            var shape = d.Node("Concat", d.One<string[]>([Size(1), d.Setting(-1)], [Size(0), d.Setting(-1)], [Size(2), Size(0), Size(1)], [d.Setting(1), d.Setting(-1), Size(2)]), I64, ("axis", 0));
            d.Node("Reshape", [x, shape], type);
        }),
        new("transpose, matmul", d =>
        {
            d.Since(11, 13);
            var (batch, m, k, n) = (d.Shape(d.Within(0, 2), 1), d.Size(1), d.Size(1), d.Size(1));
            int[] Swap(int rank) => [.. Enumerable.Range(0, rank - 2), rank - 1, rank - 2];
            var a = d.Chance(0.5) ? d.Data(F32, [.. batch, m, k]) : d.Node("Transpose", [d.Data(F32, [.. batch, k, m])], F32, ("perm", Swap(batch.Length + 2)));
            var b = d.Chance(0.3) ? d.Weight(F32, [.. batch, k, n]) : d.Node("Transpose", [d.Weight(F32, [.. batch, n, k])], F32, ("perm", Swap(batch.Length + 2)));
            var y = d.Node("MatMul", [a, b], F32);
            if (d.Chance(0.5))
                d.Node("Relu", [d.Node("Add", [y, d.Weight(F32, [n])], F32)], F32);
        }),
        new("resize, conv", d =>
        {
            d.Since(11, 13, 18);
            var c = d.Within(1, 4);
            var x = d.Data(F32, [1, c, .. d.Shape(2, 2)]);
            var larger = d.Node("Resize", [x, d.Opset == 11 ? d.Constant(Tensor.Vector<float>()) : null, d.Constant(Tensor.Vector(1f, 1, d.One(2f, 1.5f, 0.7f), d.One(2f, 1.3f)))], F32, ("mode", d.One("nearest", "linear")), ("coordinate_transformation_mode", d.One("asymmetric", "half_pixel")));
            d.Node("Conv", [larger, d.Weight(F32, [d.Within(1, 4), c, 3, 3], known: true)], F32, ("pads", new[] { 1, 1, 1, 1 }));
        }),
        new("resize to the size of another", d =>
        {
            d.Since(11, 13);
            var (n, c) = (d.Within(1, 2), d.Within(1, 3));
            var (x, other) = (d.Data(F32, [n, c, .. d.Shape(2, 1)]), d.Data(F32, [n, c, .. d.Shape(2, 1)]));
            string Sizes(string of, long from, long to) => d.Node("Slice", [d.Node("Shape", [of], I64), d.Setting(from), d.Setting(to), d.Setting(0)], I64);
            var sizes = d.Node("Concat", [Sizes(x, 0, 2), Sizes(other, 2, 4)], I64, ("axis", 0));
            var nothing = d.Opset == 11 ? d.Constant(Tensor.Vector<float>()) : null;
            var y = d.Node("Resize", [x, nothing, nothing, sizes], F32, ("mode", d.One("nearest", "linear")), ("coordinate_transformation_mode", d.One("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")), ("nearest_mode", d.One("floor", "round_prefer_floor")));
            d.Node("Concat", [y, other], F32, ("axis", 1));
        }),
        new("pad, conv, pool", d =>
        {
            d.Since(11, 13);
            var c = d.Within(1, 4);
            var x = d.Data(F32, [d.Within(1, 2), c, .. d.Shape(2, 4)]);
            var padded = d.Node("Pad", [x, d.Setting(0, 0, d.Within(0, 2), d.Within(0, 2), 0, 0, d.Within(0, 2), d.Within(0, 2))], F32, ("mode", d.One("constant", "reflect", "edge")));
            var made = d.Node("Conv", [padded, d.Weight(F32, [d.Within(1, 4), c, d.Within(1, 3), d.Within(1, 3)], known: true)], F32, ("strides", d.Maybe(new[] { d.Within(1, 2), d.Within(1, 2) })));
            d.Node(d.One("MaxPool", "AveragePool"), [d.Node("Relu", [made], F32)], F32, ("kernel_shape", new[] { d.Within(1, 2), d.Within(1, 2) }), ("ceil_mode", d.Maybe(1)));
        }),
        new("casts", d =>
        {
            d.Since(13, 21);
            var type = d.One(Movable);
            var x = d.Data(type, d.Shape(d.Within(0, 2)), Softmodel.Runtime.ElementTypes.IsUnsigned(type) ? Numbers.Positive : Numbers.Whole);
            for (var i = d.Within(2, 4); i > 0; i--)
            {
                type = d.One(F32, F64, I32, I64, I16, I8, Bool);
                x = d.Node("Cast", [x], type, ("to", type));
            }
        }),
        new("slice by computed sizes", d =>
        {
            d.Since(11, 13);
            var dims = d.Shape(2, 1);
            var x = d.Data(F32, dims);
            var size = d.Node("Slice", [d.Node("Shape", [x], I64), d.Setting(1), d.Setting(2)], I64);
            var half = d.Node(d.One("Div", "Sub", "Add"), [size, d.Setting(d.Within(1, 2))], I64);
            var first = d.Node("Slice", [x, d.Setting(0), half, d.Setting(1)], F32);
            var rest = d.Node("Slice", [x, half, size, d.Setting(1)], F32);
            if (d.Chance(0.5))
                d.Node("Concat", [rest, d.Node("Neg", [first], F32)], F32, ("axis", 1));
        }),
        new("squeeze, unsqueeze", d =>
        {
            d.Since(13);
            var dims = d.Shape(3);
            dims[1] = 1;
            var x = d.Data(F32, dims);
            var y = d.Node("Squeeze", [x, d.Setting(1)], F32);
            d.Node("Add", [d.Node("Unsqueeze", [y, d.Setting(d.Within(0, 2))], F32), x], F32);
        }),
        new("softmax of scores", d =>
        {
            d.Since(13);
            var (b, h, n, k) = (d.Within(1, 2), d.Within(1, 3), d.Size(1), d.Size(1));
            var scores = d.Node("MatMul", [d.Data(F32, [b, h, n, k]), d.Node("Transpose", [d.Data(F32, [b, h, n, k])], F32, ("perm", new[] { 0, 1, 3, 2 }))], F32);
            var scaled = d.Node("Div", [scores, d.Constant(Tensor.Scalar((float)Math.Sqrt(k)))], F32);
            var weights = d.Node("Softmax", [d.Node("Where", [d.Data(Bool, [b, 1, 1, n]), scaled, d.Constant(Tensor.Scalar(-10000f))], F32)], F32, ("axis", -1));
            d.Node("Transpose", [d.Node("MatMul", [weights, d.Data(F32, [b, h, n, k])], F32)], F32, ("perm", new[] { 0, 2, 1, 3 }));
        }),
        new("layer normalisation by hand", d =>
        {
            d.Since(13);
            var dims = d.Shape(3, 1);
            var x = d.Data(F32, dims);
            var centred = d.Node("Sub", [x, d.Node("ReduceMean", [x], F32, ("axes", new[] { -1 }))], F32);
            var variance = d.Node("ReduceMean", [d.Node("Pow", [centred, d.Constant(Tensor.Scalar(2f))], F32)], F32, ("axes", new[] { -1 }));
            var root = d.Node("Sqrt", [d.Node("Add", [variance, d.Constant(Tensor.Scalar(1e-5f))], F32)], F32);
            d.Node("Mul", [d.Node("Div", [centred, root], F32), d.Weight(F32, [dims[2]])], F32);
        }),
        new("quantise, dequantise, conv", d =>
        {
            d.Since(13);
            var (c, f) = (d.Within(1, 4), d.Within(1, 4));
            string Through(string x, float scale) => d.Node("DequantizeLinear", [d.Node("QuantizeLinear", [x, d.Constant(Tensor.Scalar(scale)), d.Constant(Tensor.Scalar((byte)128))], U8), d.Constant(Tensor.Scalar(scale)), d.Constant(Tensor.Scalar((byte)128))], F32);
            var w = d.Node("DequantizeLinear", [d.Constant(d.Tensor(I8, [f, c, 3, 3], Numbers.Any)), d.Constant(d.Tensor(F32, [f], Numbers.Unit)), d.Constant(Tensor.Of(I8, [f], new long[f]))], F32, ("axis", 0));
            d.Node("Conv", [Through(d.Data(F32, [1, c, .. d.Shape(2, 3)]), 0.0625f), w], F32);
        }),
        new("expand by a computed shape", d =>
        {
            d.Since(13);
            var dims = d.Shape(2, 1);
            var (x, y) = (d.Data(F32, dims), d.Data(F32, [1, dims[1]]));
            var shape = d.Node("Shape", [x], I64);
            var ones = d.Node("ConstantOfShape", [d.Node("Shape", [shape], I64)], I64, ("value", Tensor.Vector(1L)));
            d.Node("Add", [d.Node("Expand", [y, d.Chance(0.5) ? shape : d.Node("Where", [d.Node("Equal", [shape, d.Setting(-1)], Bool), ones, shape], I64)], F32), x], F32);
        }),
        new("range over a size", d =>
        {
            d.Since(13);
            var dims = d.Shape(2, 1);
            var x = d.Data(F32, dims);
            var size = d.Node("Gather", [d.Node("Shape", [x], I64), d.Constant(Tensor.Scalar(1L))], I64, ("axis", 0));
            var numbers = d.Node("Range", [d.Constant(Tensor.Scalar(0L)), size, d.Constant(Tensor.Scalar((long)d.Within(1, 2)))], I64);
            d.Node("Gather", [x, numbers], F32, ("axis", 1));
        }),
        new("what is not zero, gathered", d =>
        {
            d.Since(13);
            var dims = d.Shape(2, 1);
            var x = d.Data(F32, dims);
            var found = d.Node("Transpose", [d.Node("NonZero", [d.Node("Greater", [x, d.Constant(Tensor.Scalar(0f))], Bool)], I64)], I64, ("perm", new[] { 1, 0 }));
            d.Node("ReduceSum", [d.Node("GatherND", [x, found], F32)], F32, ("keepdims", d.Maybe(0)));
        }),
        new("split, gates, concat", d =>
        {
            d.Since(13);
            var (dims, axis) = (d.Shape(3, 1), d.Within(0, 2));
            var parts = d.Node("Split", [d.Data(F32, ShapeRows.With(dims, axis, 2 * dims[axis]))], [F32, F32], ("axis", axis));
            d.Node("Concat", [d.Node("Mul", [parts[0], d.Node("Sigmoid", [parts[1]], F32)], F32), parts[1]], F32, ("axis", axis - 3));
        }),
    ];

    static string Unsqueezed(Draft d, string x) => d.Opset < 13 ? d.Node("Unsqueeze", [x], I64, ("axes", new[] { 0 })) : d.Node("Unsqueeze", [x, d.Setting(0)], I64);
}
