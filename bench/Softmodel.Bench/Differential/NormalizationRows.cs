using Softmodel.Import.Onnx.Operators;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that bring elements to a common mean and size.</summary>
static class NormalizationRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("BatchNormalization", d =>
        {
            var version = d.Since(7, 9, 14, 15);
            var type = d.One(F32, F32, F64, F16);
            var dims = (long[])[d.Size(1), d.Size(1), .. d.Shape(d.Within(0, 3), 1)];
            string Each(Numbers numbers) => d.Weight(type, [dims[1]], numbers);
            var training = version >= 14 && type != F16 && d.Chance(0.2);
            d.Node("BatchNormalization", [d.Data(type, dims), Each(Numbers.Small), Each(Numbers.Small), Each(Numbers.Small), Each(Numbers.Positive)], training ? [type, type, type] : [type],
                ("epsilon", d.Maybe(1e-3)), ("momentum", d.Maybe(0.5)), ("training_mode", training ? 1 : null));
        }),
        new("InstanceNormalization", d =>
        {
            d.Since(7, 22);
            var type = d.One(F32, F32, F16);
            var dims = (long[])[d.Size(1), d.Size(1), .. d.Shape(d.Within(1, 3), 2)];
            d.Node("InstanceNormalization", [d.Data(type, dims), d.Weight(type, [dims[1]]), d.Weight(type, [dims[1]])], type, ("epsilon", d.Maybe(1e-3)));
        }),
        new("LayerNormalization", d =>
        {
            d.Since(17);
            var type = d.One(F32, F32, F64, F16);
            var dims = d.Shape(d.Within(1, 4), 1);
            var axis = d.Axis(dims.Length);
            long[] inner = dims[Axes.Of(axis, dims.Length)..];
            d.Node("LayerNormalization", [d.Data(type, dims), d.Weight(type, inner), d.Chance(0.6) ? d.Weight(type, inner) : null], d.Chance(0.3) && type == F32 ? [type, F32, F32] : [type], ("axis", d.Maybe(axis, axis == -1 ? 0.5 : 1)), ("epsilon", d.Maybe(1e-3)));
        }),
        new("GroupNormalization", d =>
        {
            var version = d.Since(18, 21);
            var type = d.One(F32, F32, F16);
            var (groups, each) = (d.Within(1, 3), d.Within(1, 3));
            long[] scale = [version < 21 ? groups : groups * each];
            d.Node("GroupNormalization", [d.Data(type, [d.Size(1), groups * each, .. d.Shape(d.Within(1, 2), 2)]), d.Weight(type, scale), d.Weight(type, scale)], type, ("num_groups", groups), ("epsilon", d.Maybe(1e-3)));
        }),
        new("RMSNormalization", d =>
        {
            d.Since(23);
            var type = d.One(F32, F32, F64, F16);
            var dims = d.Shape(d.Within(1, 4), 1);
            var axis = d.Axis(dims.Length);
            d.Node("RMSNormalization", [d.Data(type, dims), d.Weight(type, dims[Axes.Of(axis, dims.Length)..])], type, ("axis", d.Maybe(axis, axis == -1 ? 0.5 : 1)), ("epsilon", d.Maybe(1e-3)));
        }),
        new("SimplifiedLayerNormalization", d =>
        {
            d.Since(17);
            var dims = d.Shape(d.Within(1, 4), 1);
            d.Node("SimplifiedLayerNormalization", [d.Data(F32, dims), d.Weight(F32, [dims[^1]])], F32, ("axis", -1), ("epsilon", d.Maybe(1e-3)));
        }),
        new("SkipLayerNormalization", d =>
        {
            var (n, length, size) = (d.Size(1), d.Size(1), d.Size(1));
            string? Some() => d.Chance(0.5) ? d.Weight(F32, [size]) : null;
            d.Node("com.microsoft:SkipLayerNormalization", [d.Data(F32, [n, length, size]), d.Data(F32, [n, length, size]), d.Weight(F32, [size]), Some(), Some()], d.Chance(0.5) ? [F32] : [F32, Absent, Absent, F32], ("epsilon", d.Maybe(1e-3)));
        }),
        new("SkipSimplifiedLayerNormalization", d =>
        {
            var (n, length, size) = (d.Size(1), d.Size(1), d.Size(1));
            d.Node("com.microsoft:SkipSimplifiedLayerNormalization", [d.Data(F32, [n, length, size]), d.Data(F32, [n, length, size]), d.Weight(F32, [size]), d.Chance(0.5) ? d.Weight(F32, [size]) : null], d.Chance(0.5) ? [F32] : [F32, Absent, Absent, F32], ("epsilon", d.Maybe(1e-3)));
        }),
        new("MeanVarianceNormalization", d =>
        {
            d.Since(9, 13);
            var rank = d.Chance(0.6) ? 4 : d.Within(1, 3);
            d.Node("MeanVarianceNormalization", [d.Data(F32, d.Shape(rank, 1))], F32, ("axes", rank == 4 ? d.Maybe(d.Axes(rank)) : d.Axes(rank)));
        }),
        new("LpNormalization", d =>
        {
            d.Since(7, 22);
            var (type, rank) = (d.One(F32, F64), d.Within(1, 4));
            d.Node("LpNormalization", [d.Data(type, d.Shape(rank), d.One(Numbers.Small, Numbers.Whole))], type, ("axis", d.Maybe(d.Axis(rank))), ("p", d.Maybe(d.Within(1, 2))));
        }),
        new("LRN", d =>
        {
            d.Since(7, 13);
            d.Node("LRN", [d.Data(F32, d.Shape(4, 1))], F32, ("size", d.One(1, 3, 5)), ("alpha", d.Maybe(0.5)), ("beta", d.Maybe(0.5)), ("bias", d.Maybe(2.0)));
        }),
    ];
}
