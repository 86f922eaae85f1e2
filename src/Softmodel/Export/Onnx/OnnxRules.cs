using Softmodel.Graphs;
using Softmodel.Runtime;

using Shape = Softmodel.Graphs.Shape;

namespace Softmodel.Export.Onnx;

/// <summary>Core operations as ONNX operators of opset 21: one row per operation. A result is the name of what holds it.</summary>
static class OnnxRules
{
    /// <summary>The names of an operation's results.</summary>
    /// <exception cref="SoftmodelException">ONNX has no operators for it.</exception>
    public static string[] Apply(OnnxWriter w, Node node, string[] x)
    {
        Value X(int i) => node.Inputs[i];
        return node.Op switch
        {
            Op.Constant or Op.Parameter => [w.Constant(node.Op.Stored!, node.Output.Name)],
            Op.SizeTensor sizes => [sizes.Shape.Rank == 1 ? w.Apply("Identity", [w.Sizes(sizes.Values)]) : Reshape(w, w.Sizes(sizes.Values), sizes.Shape)],
            Op.Iota iota => [w.Apply("Range", [Number(w, 0), w.Scalar(iota.Size), Number(w, 1)])],
            Op.Random random => [w.Apply(random.Distribution == Distribution.Normal ? "RandomNormalLike" : "RandomUniformLike",
                [w.Apply("ConstantOfShape", [w.Sizes(random.Shape.Dims)])], ("dtype", (int)ElementType.Float32))],
            Op.Map map => [Map(w, map.Function, X(0).Type.Element, x)],
            Op.Cast cast => [w.Apply("Cast", x, ("to", (int)cast.To))],
            Op.Reduce reduce => [Reduce(w, reduce, X(0).Type.Element, x[0])],
            Op.ArgReduce arg => [w.Apply(arg.Largest ? "ArgMax" : "ArgMin", x, ("axis", arg.Axis), ("keepdims", 0), ("select_last_index", arg.Last))],
            Op.Contract contract => [w.Apply("Einsum", x, ("equation", contract.Equation))],
            Op.Convolve or Op.ConvolveTransposed when !X(0).Type.Element.IsFloat() => throw new SoftmodelException($"ONNX has no convolution of {X(0).Type.Element}"),
            Op.Convolve convolve => [w.Apply("Conv", [Padded(w, x[0], X(0), convolve.Low, convolve.High), x[1]],
                ("strides", convolve.Strides), ("dilations", convolve.Dilations), ("pads", Positive(convolve.Low, convolve.High)), ("group", convolve.Groups), ("kernel_shape", Kernel(X(1).Shape)))],
            Op.ConvolveTransposed convolve => [ConvolveTransposed(w, convolve, node, x)],
            Op.Reshape reshape => [Reshape(w, x[0], reshape.Shape)],
            Op.Transpose transpose => [w.Apply("Transpose", x, ("perm", transpose.Order))],
            Op.Broadcast broadcast => [w.Apply("Expand", [x[0], w.Sizes(broadcast.Shape.Dims)])],
            Op.Slice slice => [Slice(w, x[0], slice)],
            Op.Pad pad => [w.Apply("Pad", [x[0], w.Sizes([.. pad.Low, .. pad.High]), .. x[1..]], ("mode", pad.Mode.ToString().ToLowerInvariant()))],
            Op.Unfold unfold => [Unfold(w, x[0], unfold, node.Output.Shape)],
            Op.Concat concat => [w.Apply("Concat", x, ("axis", concat.Axis))],
            Op.Gather gather => [w.Apply("Gather", x, ("axis", gather.Axis))],
            Op.GatherElements gather => [w.Apply("GatherElements", x, ("axis", gather.Axis))],
            Op.GatherND gather => [w.Apply("GatherND", [x[0], Wide(w, x[1], X(1))], ("batch_dims", gather.BatchAxes))],
            Op.ScatterElements scatter => [w.Apply("ScatterElements", x, ("axis", scatter.Axis), ("reduction", Combination(scatter.Combine)))],
            Op.ScatterND scatter => [w.Apply("ScatterND", [x[0], Wide(w, x[1], X(1)), x[2]], ("reduction", Combination(scatter.Combine)))],
            Op.Accumulate { Kind: Reduction.Sum } sum => [w.Apply("CumSum", [x[0], Number(w, sum.Axis)], ("exclusive", sum.Exclusive), ("reverse", sum.Reverse))],
            Op.TopK top => w.ApplyAll("TopK", [x[0], w.Size(top.Count)], 2, ("axis", top.Axis), ("largest", top.Largest), ("sorted", 1)),
            Op.Call call => w.ApplyAll(ExactPrograms.Named(call.Program).Onnx ?? throw new SoftmodelException($"ONNX has no operator for the exact program '{call.Program}'"), x, node.Outputs.Count),
            var op => throw new SoftmodelException($"ONNX has no operator for {OpForms.NameOf(op)}{OpForms.Attributes(op)}"),
        };
    }

    static string Number(OnnxWriter w, long value) => w.Constant(Tensor.Scalar(value));

    static string Map(OnnxWriter w, Function function, ElementType type, string[] x)
    {
        var isReal = type.IsFloat();
        string Of(double value) => w.Constant(Tensor.Scalar(type, value));
        return function switch
        {
            _ when !isReal && (function == Functions.Floor || function == Functions.Ceiling || function == Functions.Truncate || function == Functions.Round) => w.Apply("Identity", x),
            { Onnx: { } name } => w.Apply(name, x),
            _ when function == Functions.Truncate => w.Apply("Where", [w.Apply("Less", [x[0], Of(0)]), w.Apply("Ceil", x), w.Apply("Floor", x)]),
            _ when function == Functions.Modulo => isReal
                ? w.Apply("Sub", [x[0], w.Apply("Mul", [w.Apply("Floor", [w.Apply("Div", x)]), x[1]])])
                : w.Apply("Mod", x),
            _ when function == Functions.Remainder => w.Apply("Mod", x, ("fmod", 1)),
            _ when function == Functions.ShiftLeft => w.Apply("BitShift", x, ("direction", "LEFT")),
            _ when function == Functions.ShiftRight => w.Apply("BitShift", x, ("direction", "RIGHT")),
            _ => throw new SoftmodelException($"ONNX has no operator for the function {function}"),
        };
    }

    static string Reduce(OnnxWriter w, Op.Reduce reduce, ElementType type, string x)
    {
        if (reduce.Axes.Count == 0)
            return w.Apply("Identity", [x]);
        // ONNX does not reduce truth values, nor add up numbers of less than 32 bits.
        var isTruth = type == ElementType.Bool;
        var isNarrow = isTruth || (type.IsInteger() && type.Size() < 4);
        var name = (reduce.Kind, isTruth) switch
        {
            (Reduction.Sum, false) => "ReduceSum",
            (Reduction.Product, false) => "ReduceProd",
            (Reduction.Sum or Reduction.Max, _) => "ReduceMax",
            _ => "ReduceMin",
        };
        var numbers = isNarrow ? w.Apply("Cast", [x], ("to", (int)ElementType.Int32)) : x;
        var result = w.Apply(name, [numbers, w.Vector([.. reduce.Axes.Select(a => (long)a)])], ("keepdims", 0));
        return isNarrow ? w.Apply("Cast", [result], ("to", (int)type)) : result;
    }

    static int[] Positive(EquatableArray<int> low, EquatableArray<int> high) => [.. low.Concat(high).Select(p => Math.Max(p, 0))];

    static IEnumerable<int> Kernel(Shape weights) => weights.IsKnown
        ? weights.Dims.Skip(2).Select(d => (int)d.Value!.Value)
        : throw new SoftmodelException($"the weights {weights} do not have sizes that are numbers");

    /// <summary>Without what a negative amount of padding cuts off; ONNX pads convolutions by positive amounts only.</summary>
    static string Padded(OnnxWriter w, string x, Value value, EquatableArray<int> low, EquatableArray<int> high)
    {
        if (low.Concat(high).All(p => p >= 0))
            return x;
        long[] amounts = [0, 0, .. low.Select(p => (long)Math.Min(p, 0)), 0, 0, .. high.Select(p => (long)Math.Min(p, 0))];
        return w.Apply("Pad", [x, w.Vector(amounts), w.Constant(Tensor.Scalar(value.Type.Element, 0))]);
    }

    static string ConvolveTransposed(OnnxWriter w, Op.ConvolveTransposed op, Node node, string[] x)
    {
        var result = w.Apply("ConvTranspose", x, ("strides", op.Strides), ("dilations", op.Dilations), ("pads", Positive(op.Low, op.High)),
            ("output_padding", op.Extra), ("group", op.Groups), ("kernel_shape", Kernel(node.Inputs[1].Shape)));
        // Less than nothing cut off is zeros added.
        if (op.Low.Concat(op.High).All(p => p >= 0))
            return result;
        long[] amounts = [0, 0, .. op.Low.Select(p => (long)Math.Max(-p, 0)), 0, 0, .. op.High.Select(p => (long)Math.Max(-p, 0))];
        return w.Apply("Pad", [result, w.Vector(amounts), w.Constant(Tensor.Scalar(node.Output.Type.Element, 0))]);
    }

    static string Reshape(OnnxWriter w, string x, Shape shape) => w.Apply("Reshape", [x, w.Sizes(shape.Dims)], ("allowzero", 1));

    static string Slice(OnnxWriter w, string x, Op.Slice slice)
    {
        // Backwards, the end may be just before the first element, which -1 does not say.
        const long BeforeAll = -(1L << 62);
        if (slice.Steps.Count == 0)
            return w.Apply("Identity", [x]);
        var ends = slice.Starts.Select((start, i) => start + slice.Sizes[i] * slice.Steps[i]).ToArray();
        var end = w.Sizes([.. ends.Select((e, i) => slice.Steps[i] < 0 && e.Value is < 0 ? BeforeAll : e)]);
        if (ends.Where((e, i) => slice.Steps[i] < 0 && !e.IsKnown).Any())
            end = w.Apply("Where", [w.Apply("Less", [end, w.Vector(0)]), w.Vector(BeforeAll), end]);
        return w.Apply("Slice", [x, w.Sizes(slice.Starts), end, w.Vector([.. Enumerable.Range(0, ends.Length)]), w.Vector([.. slice.Steps.Select(s => (long)s)])]);
    }

    /// <summary>Windows are gathered by a table of positions; their axis is then moved to the end.</summary>
    static string Unfold(OnnxWriter w, string x, Op.Unfold op, Shape result)
    {
        var starts = w.Apply("Mul", [w.Apply("Range", [Number(w, 0), w.Scalar(result[op.Axis]), Number(w, 1)]), Number(w, op.Stride)]);
        var steps = w.Vector([.. Enumerable.Range(0, op.Size).Select(j => (long)j * op.Dilation)]);
        var windows = w.Apply("Gather", [x, w.Apply("Add", [w.Apply("Unsqueeze", [starts, w.Vector(1)]), steps])], ("axis", op.Axis));
        return w.Apply("Transpose", [windows], ("perm", Enumerable.Range(0, result.Rank).Where(i => i != op.Axis + 1).Append(op.Axis + 1)));
    }

    /// <summary>Indices as Int64, which is the only type that some operators take.</summary>
    static string Wide(OnnxWriter w, string x, Value value) => value.Type.Element == ElementType.Int64 ? x : w.Apply("Cast", [x], ("to", (int)ElementType.Int64));

    static string Combination(Combination how) => how switch
    {
        Graphs.Combination.Replace => "none",
        Graphs.Combination.Sum => "add",
        Graphs.Combination.Product => "mul",
        Graphs.Combination.Max => "max",
        _ => "min",
    };
}
