using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators on windows that move over the spatial axes of an operand [N,C,...].</summary>
static class WindowRows
{
    /// <summary>A window and the sizes that it moves over.</summary>
    internal sealed record Moving(int Axes, long[] Sizes, int[] Kernel, int[]? Strides, int[]? Dilations, int[]? Pads, string? AutoPad);

    /// <summary>Draws a window that fits at least once.</summary>
    internal static Moving Window(Draft d, int most = 3, bool dilated = true)
    {
        var axes = d.Within(1, most);
        int[] Each(int least, int greatest) => [.. Enumerable.Range(0, axes).Select(_ => d.Within(least, greatest))];
        var kernel = Each(1, axes == 3 ? 3 : 5);
        var strides = d.Chance(0.6) ? Each(1, 4) : null;
        var dilations = dilated && d.Chance(0.3) ? Each(1, 3) : null;
        var auto = d.Chance(0.3) ? d.One("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET") : null;
        // Padding is less than the window, so that every one of them has an element.
        int[]? pads = auto is null or "NOTSET" && d.Chance(0.6) ? [.. kernel.Select(k => d.Within(0, k - 1)), .. kernel.Select(k => d.Within(0, k - 1))] : null;
        long[] sizes = [.. kernel.Select((k, i) => Math.Max(d.Size(1), auto?.StartsWith("SAME", StringComparison.Ordinal) == true ? 1 : (k - 1) * (dilations?[i] ?? 1) + 1 - (pads is null ? 0 : pads[i] + pads[axes + i])))];
        return new(axes, sizes, kernel, strides, dilations, pads, auto);
    }

    /// <summary>The attributes of a window.</summary>
    internal static (string, object?)[] Attributes(Draft d, Moving w, bool needsKernel, params (string, object?)[] more) =>
        [("kernel_shape", needsKernel ? w.Kernel : d.Maybe(w.Kernel)), ("strides", w.Strides), ("dilations", w.Dilations), ("pads", w.Pads), ("auto_pad", w.AutoPad), .. more];

    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("Conv", d =>
        {
            d.Since(7, 11, 22);
            var type = d.One(OldReals);
            var w = Window(d);
            var (group, inner, outer) = (d.One(1, 1, 2, 3), d.Within(1, 4), d.Within(1, 4));
            if (d.Chance(0.2))
                (group, inner, outer) = (d.Within(2, 8), 1, 1);
            d.Node("Conv", [d.Data(type, [d.One(1, 2, 3), group * inner, .. w.Sizes]), d.Weight(type, [group * outer, inner, .. w.Kernel], known: true), d.Chance(0.5) ? d.Weight(type, [group * outer]) : null], type,
                Attributes(d, w, false, ("group", group == 1 ? d.Maybe(1) : group)));
        }),
        new("ConvTranspose", d =>
        {
            d.Since(7, 11, 22);
            var type = d.One(F32, F32, F32, F64);
            var w = Window(d, 2);
            var (group, inner, outer) = (d.One(1, 1, 2), d.Within(1, 3), d.Within(1, 3));
            var strides = w.Strides ?? [.. Enumerable.Repeat(1, w.Axes)];
            var more = d.Chance(0.3) ? strides.Select((s, i) => d.Within(0, s - 1)).ToArray() : null;
            var sizes = w.Sizes;
            // The padding takes away from the result, of which something has to be left.
            var pads = w.Pads?.Select((p, i) => sizes[i % w.Axes] == 1 ? 0 : Math.Min(p, 1)).ToArray();
            int[]? shape = d.Chance(0.15) ? [.. sizes.Select((s, i) => (int)(s - 1) * strides[i] + (w.Kernel[i] - 1) * (w.Dilations?[i] ?? 1) + 1 - d.Within(0, 1) * (w.Kernel[i] > 1 ? 1 : 0))] : null;
            d.Node("ConvTranspose", [d.Data(type, [d.One(1, 2), group * inner, .. sizes]), d.Weight(type, [group * inner, outer, .. w.Kernel], known: true), d.Chance(0.5) ? d.Weight(type, [group * outer]) : null], type,
                Attributes(d, w with { Pads = shape is null ? pads : null, AutoPad = shape is not null ? d.One(null, "SAME_UPPER", "SAME_LOWER") : w.AutoPad }, false, ("group", group == 1 ? null : group), ("output_padding", shape is null ? more : null), ("output_shape", shape)));
        }),
        new("MaxPool", d =>
        {
            var version = d.Since(7, 8, 10, 11, 12, 22);
            var type = d.One(version < 12 ? OldReals : [.. OldReals, I8, U8]);
            var w = Window(d, 3, version >= 10);
            var indices = version >= 8 && d.Chance(0.4);
            d.Node("MaxPool", [d.Data(type, [d.One(1, 2), d.Within(1, 4), .. w.Sizes])], indices ? [type, I64] : [type],
                Attributes(d, w, true, ("ceil_mode", version >= 10 ? d.Maybe(d.Within(0, 1)) : null), ("storage_order", version >= 8 && indices ? d.Maybe(d.Within(0, 1), 0.3) : null)));
        }),
        new("AveragePool", d =>
        {
            var version = d.Since(7, 10, 11, 19, 22);
            var type = d.One(F32, F32, F64, F16);
            var w = Window(d, 3, version >= 19);
            d.Node("AveragePool", [d.Data(type, [d.One(1, 2), d.Within(1, 4), .. w.Sizes])], type,
                Attributes(d, w, true, ("ceil_mode", version >= 10 ? d.Maybe(d.Within(0, 1)) : null), ("count_include_pad", d.Maybe(d.Within(0, 1)))));
        }),
        new("LpPool", d =>
        {
            var version = d.Since(7, 11, 18, 22);
            var w = Window(d, 3, version >= 18);
            d.Node("LpPool", [d.Data(F32, [d.One(1, 2), d.Within(1, 4), .. w.Sizes])], F32,
                Attributes(d, w, true, ("ceil_mode", version >= 18 ? d.Maybe(d.Within(0, 1)) : null), ("p", d.Maybe(d.Within(1, 3)))));
        }),
        .. ElementwiseRows.Names("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool").Select(name => new Row(name, d =>
        {
            d.Since(7, 22);
            var type = d.One(name == "GlobalLpPool" ? [F32] : OldReals);
            d.Node(name, [d.Data(type, [d.Size(1), d.Size(1), .. d.Shape(d.Within(1, 3), 1)])], type, ("p", name == "GlobalLpPool" ? d.Maybe(d.Within(1, 3)) : null));
        })),
        new("MaxUnpool", d =>
        {
            d.Since(9, 11);
            var (kernel, n, c, h, w) = (d.Within(1, 3), d.Within(1, 2), d.Within(1, 3), d.Within(1, 4), d.Within(1, 4));
            var pooled = d.Node("MaxPool", [d.Data(F32, [n, c, h * kernel, w * kernel])], [F32, I64], ("kernel_shape", new[] { kernel, kernel }), ("strides", new[] { kernel, kernel }));
            d.Node("MaxUnpool", [pooled[0], pooled[1], d.Chance(0.3) ? d.Setting(n, c, h * kernel, w * kernel) : null], F32, ("kernel_shape", new[] { kernel, kernel }), ("strides", new[] { kernel, kernel }));
        }),
        new("Col2Im", d =>
        {
            d.Since(18);
            var axes = d.Within(1, 3);
            int[] Each(int least, int most) => [.. Enumerable.Range(0, axes).Select(_ => d.Within(least, most))];
            var (block, image, strides, dilations, pads) = (Each(1, 3), Each(7, 9), d.Chance(0.5) ? Each(1, 3) : null, d.Chance(0.3) ? Each(1, 2) : null, d.Chance(0.4) ? (int[])[.. Each(0, 2), .. Each(0, 2)] : null);
            var places = image.Select((s, i) => (s + (pads is null ? 0 : pads[i] + pads[axes + i]) - (block[i] - 1) * (dilations?[i] ?? 1) - 1) / (strides?[i] ?? 1) + 1).Aggregate(1, (a, b) => a * b);
            d.Node("Col2Im", [d.Data(F32, [d.Within(1, 2), d.Within(1, 3) * block.Aggregate(1, (a, b) => a * b), places], known: true), d.Setting([.. image.Select(i => (long)i)]), d.Setting([.. block.Select(i => (long)i)])], F32,
                ("strides", strides), ("dilations", dilations), ("pads", pads));
        }),
        new("DeformConv", d =>
        {
            d.Since(19, 22);
            var type = d.One(F32, F64);
            var w = Window(d, 1);
            int[] Twice(int[]? x) => x is null ? null! : [x[0], x[0]];
            var (kernel, strides, dilations) = (Twice(w.Kernel), Twice(w.Strides), Twice(w.Dilations));
            int[]? pads = w.Pads is { } p ? [p[0], p[0], p[1], p[1]] : null;
            var (size, group, offsets, inner, outer) = (w.Sizes[0], d.One(1, 1, 2), d.One(1, 1, 2), d.Within(1, 2), d.Within(1, 3));
            size = Math.Max(size, (kernel[0] - 1) * (dilations?[0] ?? 1) + 1);
            var channels = group * offsets * inner;
            var result = (size + (pads is null ? 0 : pads[0] + pads[2]) - (kernel[0] - 1) * (dilations?[0] ?? 1) - 1) / (strides?[0] ?? 1) + 1;
            var taps = kernel[0] * kernel[1];
            var images = d.Within(1, 2);
            d.Node("DeformConv", [d.Data(type, [images, channels, size, size]), d.Weight(type, [group * outer, channels / group, .. kernel], known: true), d.Data(type, [images, offsets * taps * 2, result, result]),
                d.Chance(0.5) ? d.Weight(type, [group * outer]) : null, d.Chance(0.5) ? d.Data(type, [images, offsets * taps, result, result], Numbers.Unit) : null], type,
                ("kernel_shape", d.Maybe(kernel)), ("strides", strides), ("dilations", dilations), ("pads", pads), ("group", group), ("offset_group", offsets));
        }),
        new("CausalConvWithState", d =>
        {
            d.Since(27);
            var (n, c, length, kernel) = (d.Within(1, 2), d.Within(1, 4), d.Size(1), d.Within(1, 4));
            d.Node("CausalConvWithState", [d.Data(F32, [n, c, length]), d.Weight(F32, [c, 1, kernel], known: true), d.Chance(0.5) ? d.Weight(F32, [c]) : null, d.Chance(0.5) ? d.Data(F32, [n, c, kernel - 1]) : null], [F32, F32],
                ("activation", d.Maybe(d.One("none", "silu", "swish"))));
        }),
    ];
}
