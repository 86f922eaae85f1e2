using Softmodel.Import.Onnx.Operators;
using Softmodel.Runtime;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that combine the elements along axes.</summary>
static class ReductionRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        .. ElementwiseRows.Names("ReduceSum", "ReduceMean", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMin").Select(name => new Row(name, d => Reduce(d, name))),
        .. ElementwiseRows.Names("ArgMax", "ArgMin").Select(name => new Row(name, d =>
        {
            var version = d.Since(7, 11, 12, 13);
            var dims = d.Shape(d.Within(1, 4), d.Chance(0.95) ? 1 : 0);
            d.Node(name, [d.Data(d.One(OldNumeric), dims, d.One(Numbers.Whole, Numbers.Small))], I64, ("axis", d.Maybe(version < 11 ? d.Within(0, dims.Length - 1) : d.Axis(dims.Length))), ("keepdims", d.Maybe(d.Within(0, 1))),
                ("select_last_index", version >= 12 ? d.Maybe(d.Within(0, 1)) : null));
        })),
        .. ElementwiseRows.Names("Softmax", "LogSoftmax", "Hardmax").Select(name => new Row(name, d =>
        {
            var version = d.Since(7, 11, 13);
            var type = d.One(OldReals);
            var dims = d.Shape(d.Within(version < 13 ? 2 : 1, 4));
            d.Node(name, [d.Data(type, dims, d.One(Numbers.Small, Numbers.Whole))], type, ("axis", d.Maybe(version < 11 ? d.Within(0, dims.Length - 1) : d.Axis(dims.Length))));
        })),
        new("CumSum", d => Accumulate(d, "CumSum", [11, 14])),
        new("CumProd", d => Accumulate(d, "CumProd", [26])),
        new("TopK", d =>
        {
            var version = d.Since(7, 10, 11);
            var type = d.One(version < 11 ? OldReals : OldNumeric);
            var dims = d.Shape(d.Within(1, 4), 1);
            var axis = version < 11 ? d.Within(0, dims.Length - 1) : d.Axis(dims.Length);
            var count = d.Within(d.Chance(0.1) ? 0 : 1, (int)dims[Axes.Of(axis, dims.Length)]);
            var x = d.Data(type, dims, d.One(Numbers.Small, Numbers.Whole));
            if (version == 7)
                d.Node("TopK", [x], [type, I64], ("k", Math.Max(1, count)), ("axis", axis));
            else
                d.Node("TopK", [x, d.OpenSetting(count)], [type, I64], ("axis", axis), ("largest", version >= 11 ? d.Maybe(d.Within(0, 1)) : null), ("sorted", version >= 11 ? d.Maybe(1) : null));
        }),
    ];

    static void Reduce(Draft d, string name)
    {
        var version = d.Since(7, 11, 13, 18, 20);
        var type = d.Type(name is "ReduceMax" or "ReduceMin" ? version switch { < 12 => [F32, F32, F64, F16, I32, I64], < 20 => [F32, F32, F64, F16, I32, I64, U8, I8], _ => [F32, F32, I32, I64, U8, I8, Bool] }
            : [F32, F32, F32, F64, F16, I32, I64]);
        d.Step = name is "ReduceLogSum" or "ReduceLogSumExp" && !type.IsFloat() ? 1 : 0;
        // A product that leaves the type is not defined.
        var isSmall = name == "ReduceProd" && !type.IsFloat();
        var rank = d.Within(0, isSmall ? 2 : 4);
        long[] dims = [.. d.Shape(rank).Select(s => isSmall ? Math.Min(s, 3) : s)];
        var axes = d.Axes(rank, d.Chance(0.8) ? 1 : 0);
        if (version < 11)
            axes = [.. Axes.Of(axes, rank)];
        var numbers = name is "ReduceLogSum" ? Numbers.Positive : name is "ReduceProd" or "ReduceLogSumExp" && !type.IsFloat() ? Numbers.Nonzero : Numbers.Small;
        var x = d.Data(type, dims, numbers);
        var keep = ("keepdims", d.Maybe(d.Within(0, 1)));
        if (version >= 18 || (version >= 13 && name == "ReduceSum"))
            d.Node(name, [x, d.Chance(0.3) ? null : d.Setting(axes)], type, keep, ("noop_with_empty_axes", d.Maybe(d.Within(0, 1), 0.4)));
        else
            d.Node(name, [x], type, keep, ("axes", axes.Length > 0 ? d.Maybe(axes, 0.8) : null));
    }

    static void Accumulate(Draft d, string name, int[] versions)
    {
        var type = d.Type(d.Since(versions) < 14 ? [F32, F32, F64, I32, I64, U32, U64] : [F32, F32, F64, I32, I64, F16, U32, U64]);
        var dims = d.Shape(d.Within(1, 4));
        var axis = d.Axis(dims.Length);
        d.Node(name, [d.Data(type, dims), d.Constant(d.Chance(0.5) ? Graphs.Tensor.Scalar((long)axis) : Graphs.Tensor.Scalar(axis))], type,
            ("exclusive", d.Maybe(d.Within(0, 1))), ("reverse", d.Maybe(d.Within(0, 1))));
    }
}
