using Softmodel.Graphs;
using Softmodel.Runtime;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators of training and chance.</summary>
static class TrainingRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        .. ElementwiseRows.Names("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss").Select(name => new Row(name, d =>
        {
            d.Since(12, 13);
            var (type, n, classes, rest) = (d.One(F32, F32, F64), d.Size(1), d.Size(1), d.Shape(d.Within(0, 2), 1));
            var reduction = d.One(null, "none", "sum", "mean");
            long[] shape = [n, .. rest];
            long[] labels = [.. Enumerable.Range(0, (int)Tensor.CountOf(shape)).Select(_ => d.Random.NextInt64(classes))];
            object? ignored = d.Chance(0.3) ? d.Random.NextInt64(classes) : null;
            d.Node(name, [d.Data(type, [n, classes, .. rest]), d.Input(Tensor.Of(d.One(I64, I32), shape, labels)), d.Chance(0.4) ? d.Weight(type, [classes], Numbers.Positive) : null], name[0] == 'S' && d.Chance(0.5) ? [type, type] : [type], ("reduction", reduction), ("ignore_index", ignored));
        })),
        .. ElementwiseRows.Names("Adagrad", "Adam", "Momentum").Select(name => new Row(name, d =>
        {
            var count = d.Within(1, 2);
            string[] All(Numbers numbers) => [.. Enumerable.Range(0, count).Select(i => d.Data(F32, [2 + i, 3], numbers))];
            string[] operands = [d.Data(F32, [], Numbers.Unit), d.Input(Tensor.Scalar((long)d.Within(0, 3))), .. All(Numbers.Small), .. All(Numbers.Small), .. All(Numbers.Positive), .. name == "Adam" ? All(Numbers.Positive) : []];
            ElementType[] results = [.. Enumerable.Repeat(F32, count * (name == "Adam" ? 3 : 2))];
            if (name == "Momentum")
                d.Node($"ai.onnx.preview.training:{name}", operands, results, ("alpha", 0.9), ("beta", 0.8), ("mode", d.One("standard", "nesterov")), ("norm_coefficient", 0.1));
            else
                d.Node($"ai.onnx.preview.training:{name}", operands, results, ("norm_coefficient", d.Maybe(0.1)), ("decay_factor", name == "Adagrad" ? d.Maybe(0.1) : null));
        })),
        new("RandomNormal", d => Random(d, "RandomNormal", false)),
        new("RandomUniform", d => Random(d, "RandomUniform", false)),
        new("RandomNormalLike", d => Random(d, "RandomNormalLike", true)),
        new("RandomUniformLike", d => Random(d, "RandomUniformLike", true)),
        new("Bernoulli", d =>
        {
            d.Since(15, 22);
            d.IsRandom = true;
            var (from, to) = (d.One(F32, F64), d.One<ElementType?>(null, F32, I32, Bool, U8));
            d.Node("Bernoulli", [d.Data(from, d.Shape(d.Within(0, 3)), Numbers.Unit)], to ?? from, ("dtype", to));
        }),
        new("Multinomial", d =>
        {
            d.Since(7, 22);
            d.IsRandom = true;
            var type = d.One<ElementType?>(null, I32, I64);
            d.Node("Multinomial", [d.Data(F32, [d.Size(1), d.Size(1)])], type ?? I32, ("dtype", type), ("sample_size", d.Maybe(d.Within(1, 5))));
        }),
        new("Dropout", d =>
        {
            var version = d.Since(7, 10, 12, 13);
            var type = d.One(OldReals);
            var x = d.Data(type, d.Shape(d.Within(1, 3)));
            var mask = version >= 10 && d.Chance(0.5);
            if (version < 12)
                d.Node("Dropout", [x], mask ? [type, Bool] : [type], ("ratio", d.Maybe(0.3)));
            else
                d.Node("Dropout", [x, d.Chance(0.5) ? d.Constant(Tensor.Scalar(0.3f)) : null, d.Chance(0.3) ? d.Constant(Tensor.Scalar(false)) : null], mask ? [type, Bool] : [type]);
        }),
    ];

    static void Random(Draft d, string name, bool like)
    {
        d.Since(7, 22);
        d.IsRandom = true;
        var (from, type) = (d.One(F32, F64), d.One<ElementType?>(null, F32, F64));
        var dims = d.Shape(d.Within(1, 3));
        var normal = name.Contains("Normal", StringComparison.Ordinal);
        var made = d.Node(name, like ? [d.Data(from, dims)] : [], type ?? (like ? from : F32), ("shape", like ? null : dims), ("dtype", type), (normal ? "mean" : "low", d.Maybe(-1.0)), (normal ? "scale" : "high", d.Maybe(2.0)));
        if (!like)
            d.Node("Identity", [made], type ?? F32);
    }
}
