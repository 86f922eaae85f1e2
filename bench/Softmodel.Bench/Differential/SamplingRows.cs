using Softmodel.Graphs;
using Softmodel.Runtime;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that read an image between its elements, and operators on boxes and signals.</summary>
static class SamplingRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("Resize", d => Resize(d, d.Since(11, 13, 18, 19), d.One("nearest", "linear", "cubic"), d.One(F32, F32, F32, U8, I8, I32, F64, F16))),
        new("Resize of integers", d => Resize(d, d.Since(11, 13, 18, 19), d.One("linear", "linear", "cubic"), d.One(U8, I8, I32))),
        new("Resize by odd scales", d => Resize(d, d.Since(11, 13, 18, 19), "nearest", d.One(F32, U8, I32))),
        new("Resize of version 10", d => Upsampled(d, "Resize", d.Since(10))),
        new("Upsample", d => Upsampled(d, "Upsample", d.Since(7, 9))),
        new("GridSample", d =>
        {
            var version = d.Since(16, 20, 22);
            var axes = version < 20 ? 2 : d.Within(2, 3);
            var (type, n, c) = (d.One(F32, F32, F64, I32, U8), d.Within(1, 2), d.Within(1, 3));
            var mode = version < 20 ? d.One("bilinear", "nearest", "bicubic") : d.One("linear", "nearest", axes == 2 ? "cubic" : "linear");
            var grid = d.Data(F32, [n, .. Enumerable.Range(0, axes).Select(_ => (long)d.Within(1, 5)), axes], d.One(Numbers.Unit, Numbers.Small));
            d.Node("GridSample", [d.Data(type, [n, c, .. Enumerable.Range(0, axes).Select(_ => (long)d.Within(1, 6))]), grid], type,
                ("mode", mode), ("padding_mode", d.Maybe(d.One("zeros", "border", "reflection"))), ("align_corners", d.Maybe(d.Within(0, 1))));
        }),
        new("AffineGrid", d =>
        {
            d.Since(20);
            var (axes, n, type) = (d.Within(2, 3), d.Within(1, 2), d.One(F32, F32, F64));
            d.Node("AffineGrid", [d.Data(type, [n, axes, axes + 1]), d.Setting([n, d.Within(1, 3), .. Enumerable.Range(0, axes).Select(_ => (long)d.Within(1, 6))])], type, ("align_corners", d.Maybe(d.Within(0, 1))));
        }),
        new("RoiAlign", d =>
        {
            var version = d.Since(10, 16, 22);
            var (n, c, regions, h, w) = (d.Within(1, 3), d.Within(1, 3), d.Within(1, 4), d.Within(2, 9), d.Within(2, 9));
            float[] boxes = [.. Enumerable.Range(0, regions).SelectMany(_ =>
            {
                var (left, top) = (d.Random.NextSingle() * w, d.Random.NextSingle() * h);
                return new[] { left, top, left + d.Random.NextSingle() * w, top + d.Random.NextSingle() * h };
            })];
            d.Node("RoiAlign", [d.Data(F32, [n, c, h, w]), d.Input(Tensor.Of<float>(boxes, regions, 4)), d.Input(Tensor.Vector<long>([.. Enumerable.Range(0, regions).Select(_ => (long)d.Within(0, n - 1))]))], F32,
                ("mode", d.Maybe(d.One("avg", "max"))), ("output_height", d.Maybe(d.Within(1, 4))), ("output_width", d.Maybe(d.Within(1, 4))), ("sampling_ratio", d.Within(d.Chance(0.1) ? 0 : 1, 3)), ("spatial_scale", d.Maybe(0.5)),
                ("coordinate_transformation_mode", version >= 16 ? d.Maybe(d.One("half_pixel", "output_half_pixel")) : null));
        }),
        new("NonMaxSuppression", d =>
        {
            d.Since(10, 11);
            var (n, classes, count) = (d.Within(1, 2), d.Within(1, 3), d.Within(1, 12));
            var centred = d.Chance(0.3);
            float[] boxes = [.. Enumerable.Range(0, n * count).SelectMany(_ => new[] { d.Random.NextSingle(), d.Random.NextSingle(), d.Random.NextSingle() + 0.2f, d.Random.NextSingle() + 0.2f })];
            string? Real(params float[] of) => d.Chance(0.8) ? d.Constant(Tensor.Scalar(d.One<float>(of))) : null;
            d.Node("NonMaxSuppression", [d.Input(Tensor.Of<float>(boxes, n, count, 4)), d.Data(F32, [n, classes, count], Numbers.Unit), d.Constant(Tensor.Scalar((long)d.Within(d.Chance(0.1) ? 0 : 1, 5))), Real(0, 0.3f, 0.5f, 1), Real(0, 0.2f, 0.5f, 2)], I64,
                ("center_point_box", centred ? 1 : null));
        }),
        .. ElementwiseRows.Names("HannWindow", "HammingWindow", "BlackmanWindow").Select(name => new Row(name, d =>
        {
            d.Since(17);
            var type = d.One<ElementType?>(null, F32, F64);
            d.Node(name, [d.Constant(Tensor.Scalar((long)d.Within(2, 33)))], type ?? F32, ("output_datatype", type), ("periodic", d.Maybe(d.Within(0, 1))));
        })),
        new("DFT", d =>
        {
            var version = d.Since(17, 20);
            var type = d.One(F32, F32, F64);
            var (rank, parts) = (d.Within(2, 4), d.Within(1, 2));
            long[] dims = [.. d.Shape(rank - 1, 1), parts];
            var axis = rank == 2 ? 0 : d.Within(0, rank - 2);
            var inverse = d.Chance(0.4);
            var half = !inverse && parts == 1 && d.Chance(0.4);
            var length = d.Chance(0.4) ? d.Constant(Tensor.Scalar(d.Size(1))) : null;
            if (version == 17)
                d.Node("DFT", [d.Data(type, dims), length], type, ("axis", axis), ("inverse", inverse ? 1 : null), ("onesided", half ? 1 : null));
            else
                d.Node("DFT", [d.Data(type, dims), length, d.Constant(Tensor.Scalar((long)(d.Chance(0.5) ? axis : axis - rank)))], type, ("inverse", inverse ? 1 : null), ("onesided", half ? 1 : null));
        }),
        new("STFT", d =>
        {
            d.Since(17);
            var type = d.One(F32, F64);
            var (n, size, step) = (d.Within(1, 2), d.Within(2, 9), d.Within(1, 5));
            var window = d.Chance(0.6);
            d.Node("STFT", [d.Data(type, [n, size + d.Within(0, 20), 1]), d.Constant(Tensor.Scalar((long)step)), window ? d.Weight(type, [size]) : null, window && d.Chance(0.3) ? null : d.Constant(Tensor.Scalar((long)size))], type, ("onesided", d.Maybe(d.Within(0, 1))));
        }),
        new("MelWeightMatrix", d =>
        {
            d.Since(17);
            string Real(float x) => d.Constant(Tensor.Scalar(x));
            string Count(long x) => d.Constant(Tensor.Scalar(x));
            var type = d.One<ElementType?>(null, F32, F64);
            d.Node("MelWeightMatrix", [Count(d.Within(2, 9)), Count(d.One(16, 32, 64)), Count(d.One(8000, 16000)), Real(d.One(0f, 50)), Real(d.One(3500f, 4000))], type ?? F32, ("output_datatype", type));
        }),
    ];

    static void Resize(Draft d, int version, string mode, ElementType type)
    {
        var layout = d.Within(0, 5);
        // Kernels of ONNX Runtime take two axes, or those of images, and for lines volumes.
        var (dims, moved) = layout switch
        {
            0 => (d.Shape(2, 1), (int[])[0, 1]),
            1 when mode != "cubic" => ([d.Within(1, 2), d.Within(1, 3), .. d.Shape(3, 1)], [2, 3, 4]),
            2 when mode == "nearest" => (d.Shape(d.Within(1, 4), 1), []),
            3 when mode == "linear" => ([1, .. d.Shape(2, 1), d.Within(1, 4)], [1, 2]),
            _ => ([d.Within(1, 2), d.Within(1, 3), .. d.Shape(2, 1)], [2, 3]),
        };
        if (moved.Length == 0)
            moved = [.. Enumerable.Range(0, dims.Length)];
        var coordinates = d.One("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize", version >= 19 ? "half_pixel_symmetric" : "half_pixel");
        var scales = dims.Select((_, i) => moved.Contains(i) ? d.One(2f, 3, 0.5f, 0.6f, 0.7f, 1.2f, 1.6f, 3.3f, 0.1f, 0.3f, 1, 1.5f, 0.25f, 2.7f) : 1f).ToArray();
        for (var i = 0; i < dims.Length; i++)
        {
            // ONNX Runtime ignores the region along an axis whose scale is 1.
            if (scales[i] * dims[i] < 1 || (coordinates == "tf_crop_and_resize" && scales[i] == 1))
                scales[i] = moved.Contains(i) && coordinates == "tf_crop_and_resize" ? 2 : 1;
        }
        var byScales = d.Chance(0.5);
        var antialias = version >= 18 && mode != "nearest" && coordinates != "tf_crop_and_resize" && d.Chance(0.3);
        var isCropped = coordinates == "tf_crop_and_resize";
        var roi = isCropped ? d.Constant(Tensor.Vector<float>([.. dims.Select((_, i) => moved.Contains(i) ? d.One(0f, 0.1f, 0.25f, -0.2f) : 0), .. dims.Select((_, i) => moved.Contains(i) ? d.One(1f, 0.9f, 0.75f, 1.2f) : 1)])) : null;
        int[]? axes = version >= 18 && !isCropped && d.Chance(0.3) ? moved : null;
        T[] Chosen<T>(T[] each) => axes is null ? each : [.. axes.Select(a => each[a])];
        long[] sizes = [.. dims.Select((s, i) => moved.Contains(i) ? Math.Max(1, (long)(s * scales[i])) : s)];
        var policy = version >= 18 && !byScales && axes is not null && d.Chance(0.5) ? d.One("stretch", "not_larger", "not_smaller") : null;
        d.Step = mode == "nearest" || type.IsFloat() ? 0 : 1;
        // In version 11 no operand may be left out.
        string? Nothing() => version == 11 ? d.Constant(Tensor.Vector<float>()) : null;
        string?[] operands = byScales ? [d.Data(type, dims), roi ?? Nothing(), d.Constant(Tensor.Vector<float>(Chosen(scales)))] : [d.Data(type, dims), roi ?? Nothing(), Nothing(), d.OpenSetting(Chosen(sizes))];
        d.Node("Resize", operands, type, ("mode", mode), ("coordinate_transformation_mode", d.Maybe(coordinates, coordinates == "half_pixel" ? 0.5 : 1)),
            ("nearest_mode", mode == "nearest" ? d.Maybe(d.One("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"), 0.8) : null), ("cubic_coeff_a", mode == "cubic" ? d.Maybe(-0.5) : null),
            ("exclude_outside", mode == "cubic" ? d.Maybe(d.Within(0, 1)) : null), ("extrapolation_value", isCropped ? d.Maybe(2.0) : null), ("antialias", antialias ? 1 : null), ("axes", axes), ("keep_aspect_ratio_policy", policy));
    }

    static void Upsampled(Draft d, string name, int version)
    {
        var mode = d.One("nearest", "linear");
        var type = d.One(F32, F32, U8, I32);
        long[] dims = d.Chance(0.3) ? d.Shape(2, 1) : [d.Within(1, 2), d.Within(1, 3), .. d.Shape(2, 1)];
        float[] scales = [.. dims.Select((s, i) => dims.Length == 2 || i > 1 ? name == "Upsample" ? d.One(1f, 2, 3, 1.2f, 1.6f, 2.5f) : s > 3 ? d.One(2f, 0.6f, 0.7f, 0.5f, 1.3f) : d.One(2f, 1.5f, 3.3f) : 1)];
        d.Step = mode == "nearest" || type.IsFloat() ? 0 : 1;
        if (version < 9)
            d.Node(name, [d.Data(type, dims)], type, ("mode", mode), ("scales", scales));
        else
            d.Node(name, [d.Data(type, dims), d.Chance(0.8) ? d.Constant(Tensor.Vector(scales)) : d.Input(Tensor.Vector(scales))], type, ("mode", mode));
    }
}
