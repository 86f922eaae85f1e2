using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>The types of an operation's results, and what sizes must be for it to have any: one row per core operation.</summary>
static class Inference
{
    /// <summary>The types of the results for operands of these types.</summary>
    /// <param name="op">The operation.</param>
    /// <param name="operands">The types of its operands.</param>
    /// <param name="conditions">Is given what only a run can tell of their sizes: an operation is computed only where all of it holds, in this order.</param>
    /// <exception cref="SoftmodelException">The operation does not take them.</exception>
    /// <exception cref="OverflowException">A size does not fit into 64 bits.</exception>
    public static TensorType[] Types(Op op, ReadOnlySpan<TensorType> operands, ICollection<Condition>? conditions = null)
    {
        var types = Types(op, operands, new Demands(conditions));
        if (conditions is not null)
        {
            for (var i = 0; i < types.Length; i++)
            {
                for (var axis = 0; axis < types[i].Shape.Rank; axis++)
                    new Demands(conditions).NotNegative(types[i].Shape[axis], axis);
            }
        }
        return types;
    }

    /// <summary>What is demanded of sizes: refused at once where they are known, else left for the run to find.</summary>
    readonly struct Demands(ICollection<Condition>? conditions)
    {
        public void Require(Demand demand, string text, params Dim[] sizes)
        {
            if (!Array.TrueForAll(sizes, d => d.IsKnown))
                conditions?.Add(new(demand, sizes, text));
            else if (Array.ConvertAll(sizes, d => d.Value!.Value) is var known && !Check.Holds(demand, known))
                throw new SoftmodelException(Check.Text(text, known));
        }

        public void NotNegative(Dim size, int axis) => Require(Demand.AtLeast, $"axis {axis} of its result would have {{0}} elements", size, 0);

        public void Agree(Dim a, Dim b, string where) => Require(Demand.Equal, $"{where}: sizes {{0}} and {{1}} differ", a, b);

        /// <summary>As many windows as fit into an axis.</summary>
        /// <param name="room">The size of the axis with its padding.</param>
        /// <param name="window">The size of a window.</param>
        /// <param name="stride">From one window to the next.</param>
        /// <param name="axis">Which axis.</param>
        /// <param name="lacking">How much longer than the axis a window may be, so that there is none.</param>
        public Dim Windows(Dim room, Dim window, int stride, int axis, int lacking = 0)
        {
            Require(Demand.AtLeast, $"its window of {{3}} elements is longer than axis {axis}, which has {{2}} with its padding", room - window, -lacking, room, window);
            return Dim.FloorDiv(room - window, stride) + 1;
        }
    }

    static TensorType[] Types(Op op, ReadOnlySpan<TensorType> operands, Demands demands)
    {
        var x = operands.Length > 0 ? operands[0] : default;
        var shape = x.Shape;
        return op switch
        {
            Op.Constant constant => [constant.Value.TensorType],
            Op.Parameter parameter => [parameter.Type],
            Op.SizeTensor sizes => [new(ElementType.Int64, sizes.Shape)],
            Op.Iota iota => [new(ElementType.Int64, new Shape(iota.Size))],
            Op.Random random => [new(ElementType.Float32, random.Shape)],
            Op.Map map => [Map(map.Function, operands, demands)],
            Op.Cast cast => [x with { Element = cast.To }],
            Op.Reduce reduce => [x with { Shape = shape.Without(Distinct(reduce.Axes, shape)) }],
            Op.ArgReduce arg => [ArgReduce(arg, shape, demands)],
            Op.Contract contract => [Contract(contract.Equation, operands[0], operands[1], demands)],
            Op.Convolve convolve => [Convolve(convolve, operands[0], operands[1], demands)],
            Op.ConvolveTransposed convolve => [ConvolveTransposed(convolve, operands[0], operands[1], demands)],
            Op.Reshape reshape => [Reshape(reshape, x, demands)],
            Op.Transpose transpose => [x with { Shape = shape.Permute(Permutation(transpose.Order, shape)) }],
            Op.Broadcast broadcast => [x with { Shape = Stretch(shape, broadcast.Shape, demands) }],
            Op.Slice slice => [x with { Shape = Slice(slice, shape, demands) }],
            Op.Pad pad => [x with { Shape = Pad(pad, shape, demands) }],
            Op.Unfold unfold => [x with { Shape = Unfold(unfold, shape, demands) }],
            Op.Concat concat => [Concat(concat.Axis, operands, demands)],
            Op.Gather gather => [x with { Shape = Gather(Axis(gather.Axis, shape), shape, Indices(operands[1])) }],
            Op.GatherElements gather => [x with { Shape = Picked(shape, Indices(operands[1]), Axis(gather.Axis, shape), demands) }],
            Op.GatherND gather => [x with { Shape = GatherND(gather.BatchAxes, shape, Indices(operands[1]), demands) }],
            Op.ScatterElements scatter => [Updated(x, operands[2], Picked(shape, Indices(operands[1]), Axis(scatter.Axis, shape), demands), demands)],
            Op.ScatterND => [Updated(x, operands[2], GatherND(0, shape, Indices(operands[1]), demands), demands)],
            Op.Accumulate accumulate => [x with { Shape = shape.With(Axis(accumulate.Axis, shape), shape[accumulate.Axis]) }],
            Op.TopK top => TopK(top, x, demands),
            Op.Bind bind => Bind(bind, x, demands),
            Op.If branch => If(branch, operands),
            Op.Loop loop => Loop(loop, operands),
            Op.Call call => ExactPrograms.Types(call, operands.ToArray()),
            _ => throw new InvalidOperationException($"no types for {op.GetType().Name}"),
        };
    }

    static TensorType Map(Function function, ReadOnlySpan<TensorType> operands, Demands demands)
    {
        var elements = new ElementType[operands.Length];
        var shape = Shape.Scalar;
        for (var i = 0; i < operands.Length; i++)
        {
            elements[i] = operands[i].Element;
            for (var axis = 1; axis <= Math.Min(shape.Rank, operands[i].Shape.Rank); axis++)
                demands.Require(Demand.Fits, "axes of {0} and {1} elements cannot be broadcast to one another", shape[shape.Rank - axis], operands[i].Shape[operands[i].Shape.Rank - axis]);
            shape = Shape.Broadcast(shape, operands[i].Shape);
        }
        return new(function.ResultType(elements), shape);
    }

    static TensorType ArgReduce(Op.ArgReduce op, Shape shape, Demands demands)
    {
        var result = shape.Without([Axis(op.Axis, shape)]);
        demands.Require(Demand.Made, $"there is nothing to choose from along axis {op.Axis}, which is empty", result.Count, shape[op.Axis]);
        return new(ElementType.Int64, result);
    }

    static int Axis(int axis, Shape shape) =>
        axis >= 0 && axis < shape.Rank ? axis : throw new SoftmodelException($"there is no axis {axis} in {shape}");

    static EquatableArray<int> Distinct(EquatableArray<int> axes, Shape shape)
    {
        foreach (var axis in axes)
            Axis(axis, shape);
        return axes.Distinct().Count() == axes.Count ? axes : throw new SoftmodelException($"an axis is named twice in {axes}");
    }

    static EquatableArray<int> Permutation(EquatableArray<int> order, Shape shape) =>
        order.Count == shape.Rank ? Distinct(order, shape) : throw new SoftmodelException($"{order} is no order of the axes of {shape}");

    static TensorType Contract(string equation, TensorType a, TensorType b, Demands demands)
    {
        var (left, right, result) = Einsum.Split(equation);
        if (a.Element != b.Element || left.Length != a.Shape.Rank || right.Length != b.Shape.Rank)
            throw new SoftmodelException($"{equation} does not fit {a} and {b}");
        var sizes = new Dictionary<char, Dim>();
        foreach (var (letters, shape) in new[] { (left, a.Shape), (right, b.Shape) })
        {
            for (var i = 0; i < letters.Length; i++)
            {
                if (sizes.TryGetValue(letters[i], out var size))
                    demands.Agree(size, shape[i], equation);
                else
                    sizes[letters[i]] = shape[i];
            }
        }
        return new(a.Element, new(result.Select(c => sizes[c]).ToEquatable()));
    }

    static TensorType Convolve(Op.Convolve op, TensorType x, TensorType w, Demands demands)
    {
        var spatial = Spatial(op.Strides, op.Dilations, op.Low, op.High, x, w);
        demands.Agree(x.Shape[1], w.Shape[1] * op.Groups, "the channels of a convolution");
        if (op.Groups < 1)
            throw new SoftmodelException($"a convolution has {op.Groups} groups");
        demands.Require(Demand.Equal, $"its channels cannot be split into {op.Groups} groups: {{0}} would be left", Dim.Mod(w.Shape[0], op.Groups), 0);
        var dims = new Dim[spatial + 2];
        (dims[0], dims[1]) = (x.Shape[0], w.Shape[0]);
        for (var i = 0; i < spatial; i++)
        {
            dims[i + 2] = demands.Windows(x.Shape[i + 2] + op.Low[i] + op.High[i], (w.Shape[i + 2] - 1) * op.Dilations[i] + 1, op.Strides[i], i + 2);
        }
        return x with { Shape = new(dims) };
    }

    static TensorType ConvolveTransposed(Op.ConvolveTransposed op, TensorType x, TensorType w, Demands demands)
    {
        var spatial = Spatial(op.Strides, op.Dilations, op.Low, op.High, x, w);
        demands.Agree(x.Shape[1], w.Shape[0], "the channels of a transposed convolution");
        if (op.Groups < 1 || op.Extra.Count != spatial)
            throw new SoftmodelException($"a transposed convolution of {x} does not have {op.Groups} groups and {op.Extra} extra elements");
        demands.Require(Demand.Equal, $"its channels cannot be split into {op.Groups} groups: {{0}} would be left", Dim.Mod(x.Shape[1], op.Groups), 0);
        var dims = new Dim[spatial + 2];
        (dims[0], dims[1]) = (x.Shape[0], w.Shape[1] * op.Groups);
        for (var i = 0; i < spatial; i++)
        {
            dims[i + 2] = (x.Shape[i + 2] - 1) * op.Strides[i] + (w.Shape[i + 2] - 1) * op.Dilations[i] + 1 + op.Extra[i] - op.Low[i] - op.High[i];
            demands.NotNegative(dims[i + 2], i + 2);
        }
        return x with { Shape = new(dims) };
    }

    static int Spatial(EquatableArray<int> strides, EquatableArray<int> dilations, EquatableArray<int> low, EquatableArray<int> high, TensorType x, TensorType w)
    {
        var spatial = strides.Count;
        if (x.Shape.Rank != spatial + 2 || w.Shape.Rank != spatial + 2 || dilations.Count != spatial || low.Count != spatial || high.Count != spatial)
            throw new SoftmodelException($"a convolution over {spatial} axes does not take {x} and {w}");
        if (x.Element != w.Element)
            throw new SoftmodelException($"a convolution does not take {x} with weights {w}");
        if (strides.Any(s => s < 1) || dilations.Any(d => d < 1))
            throw new SoftmodelException($"strides {strides} and dilations {dilations} of a convolution are at least 1");
        return spatial;
    }

    static TensorType Reshape(Op.Reshape op, TensorType x, Demands demands)
    {
        var shape = op.Shape;
        foreach (var axis in op.Several)
            demands.Require(Demand.Several, $"axis {axis} has {{0}} element, so that the model would have other axes from here on: compile it for that size (--size, --shape)", x.Shape[Axis(axis, x.Shape)], 1);
        for (var axis = 0; axis < shape.Rank; axis++)
            demands.NotNegative(shape[axis], axis);
        demands.Require(Demand.Equal, $"{{0}} elements cannot be viewed as {shape}, which has {{1}}", x.Shape.Count, shape.Count);
        return x with { Shape = shape };
    }

    static Shape Stretch(Shape from, Shape to, Demands demands)
    {
        if (from.Rank > to.Rank)
            throw new SoftmodelException($"{from} cannot be broadcast to {to}");
        for (var i = 0; i < from.Rank; i++)
            demands.Require(Demand.BroadcastsTo, "an axis of {0} elements cannot be broadcast to {1}", from[i], to[i + to.Rank - from.Rank]);
        return to;
    }

    static Shape Slice(Op.Slice op, Shape shape, Demands demands)
    {
        if (op.Starts.Count != shape.Rank || op.Sizes.Count != shape.Rank || op.Steps.Count != shape.Rank || op.Steps.Any(s => s == 0))
            throw new SoftmodelException($"a slice from {op.Starts} of {op.Sizes} in steps of {op.Steps} does not fit {shape}");
        for (var i = 0; i < shape.Rank; i++)
        {
            demands.NotNegative(op.Sizes[i], i);
            demands.Require(Demand.Within, $"a slice of {{1}} elements from {{0}} in steps of {{2}} does not lie within axis {i}, which has {{3}}", op.Starts[i], op.Sizes[i], op.Steps[i], shape[i]);
        }
        return new(op.Sizes);
    }

    static Shape Pad(Op.Pad op, Shape shape, Demands demands)
    {
        if (op.Low.Count != shape.Rank || op.High.Count != shape.Rank)
            throw new SoftmodelException($"padding {op.Low} and {op.High} does not fit {shape}");
        var padded = new Shape(shape.Dims.Select((d, i) => d + op.Low[i] + op.High[i]).ToEquatable());
        for (var i = 0; i < shape.Rank; i++)
        {
            demands.NotNegative(padded[i], i);
            if (op.Mode != Padding.Constant && !padded[i].Equals(shape[i]))
                demands.Require(Demand.Made, $"there is nothing to pad axis {i} with, which is empty", padded[i], shape[i]);
        }
        return padded;
    }

    static Shape Unfold(Op.Unfold op, Shape shape, Demands demands)
    {
        if (op.Size < 1 || op.Stride < 1 || op.Dilation < 1)
            throw new SoftmodelException($"windows of {op.Size} elements, stride {op.Stride}, dilation {op.Dilation}: all are at least 1");
        // An axis that lacks one element for a window has none; where the stride is longer, runtimes disagree about how many.
        var windows = demands.Windows(shape[Axis(op.Axis, shape)], (op.Size - 1) * op.Dilation + 1, op.Stride, op.Axis, op.Stride == 1 ? 1 : 0);
        return new([.. shape.With(op.Axis, windows).Dims, op.Size]);
    }

    static TensorType Concat(int axis, ReadOnlySpan<TensorType> operands, Demands demands)
    {
        if (operands.Length == 0)
            throw new SoftmodelException("nothing is concatenated");
        var first = operands[0];
        var size = first.Shape[Axis(axis, first.Shape)];
        foreach (var next in operands[1..])
        {
            if (next.Element != first.Element || next.Shape.Rank != first.Shape.Rank)
                throw new SoftmodelException($"{first} and {next} cannot be concatenated");
            for (var i = 0; i < first.Shape.Rank; i++)
            {
                if (i != axis)
                    demands.Agree(first.Shape[i], next.Shape[i], $"concatenation of {first} and {next} along axis {axis}");
            }
            size += next.Shape[axis];
        }
        return first with { Shape = first.Shape.With(axis, size) };
    }

    static Shape Indices(TensorType indices) => indices.Element is ElementType.Int64 or ElementType.Int32
        ? indices.Shape
        : throw new SoftmodelException($"indices are Int64 or Int32, not {indices}");

    static Shape Gather(int axis, Shape data, Shape indices) => new([.. data.Dims.Take(axis), .. indices.Dims, .. data.Dims.Skip(axis + 1)]);

    static Shape Picked(Shape data, Shape indices, int axis, Demands demands)
    {
        if (data.Rank != indices.Rank)
            throw new SoftmodelException($"indices {indices} and data {data} have different ranks");
        for (var i = 0; i < data.Rank; i++)
        {
            if (i != axis)
                demands.Require(Demand.AtLeast, $"its indices have {{1}} elements along axis {i}, where its data have {{0}}", data[i], indices[i]);
        }
        return indices;
    }

    static TensorType[] TopK(Op.TopK op, TensorType x, Demands demands)
    {
        demands.Require(Demand.AtLeast, $"the first {{1}} are asked for along axis {op.Axis}, which has {{0}} elements", x.Shape[Axis(op.Axis, x.Shape)], op.Count);
        var shape = x.Shape.With(op.Axis, op.Count);
        return [x with { Shape = shape }, new(ElementType.Int64, shape)];
    }

    static Shape GatherND(int batch, Shape data, Shape indices, Demands demands)
    {
        if (indices.Rank <= batch || indices[indices.Rank - 1].Value is not { } depth || batch + depth > data.Rank)
            throw new SoftmodelException($"positions {indices} do not fit data {data} with {batch} common axes");
        for (var i = 0; i < batch; i++)
            demands.Agree(data[i], indices[i], "the common axes of data and positions");
        return new([.. indices.Dims.Take(indices.Rank - 1), .. data.Dims.Skip(batch + (int)depth)]);
    }

    static TensorType Updated(TensorType data, TensorType updates, Shape expected, Demands demands)
    {
        if (updates.Element != data.Element || updates.Shape.Rank != expected.Rank)
            throw new SoftmodelException($"updates {updates} do not fit {data}: they would be {data.Element}{expected}");
        for (var i = 0; i < expected.Rank; i++)
            demands.Agree(updates.Shape[i], expected[i], $"axis {i} of the updates and of what they replace");
        return data;
    }

    static TensorType[] Bind(Op.Bind op, TensorType x, Demands demands)
    {
        if (x.Element != ElementType.Int64)
            throw new SoftmodelException($"sizes are Int64, not {x}");
        demands.Agree(x.Shape.Count, op.Symbols.Count, "naming of sizes");
        return [];
    }

    static TensorType[] If(Op.If op, ReadOnlySpan<TensorType> operands)
    {
        if (operands.Length != 1 + op.Then.Inputs.Count + op.Else.Inputs.Count || operands[0].Element != ElementType.Bool || op.Then.Outputs.Count != op.Else.Outputs.Count)
            throw new SoftmodelException("the branches of an if do not fit its operands or each other");
        return [.. op.Then.Outputs.Zip(op.Else.Outputs, (a, b) => a.Type == b.Type ? a.Type
            : throw new SoftmodelException($"an if gives {a.Type} in one branch and {b.Type} in the other: what decides between them must be known when it is compiled; if it comes of inputs that are always the same, give these (--fix, --shape, --size)"))];
    }

    static TensorType[] Loop(Op.Loop op, ReadOnlySpan<TensorType> operands)
    {
        var (body, carried) = (op.Body, op.Carried);
        if (operands.Length != body.Inputs.Count + 1 || body.Outputs.Count < carried + 1)
            throw new SoftmodelException($"a loop of {operands.Length} operands has a body of {body.Inputs.Count} inputs and {body.Outputs.Count} outputs");
        for (var i = 0; i < carried; i++)
        {
            if (body.Inputs[i + 1].Type != operands[i + 2] || body.Outputs[i + 1].Type != operands[i + 2])
                throw new SoftmodelException($"a loop begins with {operands[i + 2]} and goes on with {body.Outputs[i + 1]}: what it carries has one type");
        }
        return [.. body.Outputs.Skip(1).Take(carried).Select(v => v.Type),
            .. body.Outputs.Skip(1 + carried).Select(v => v.Type with { Shape = new([op.Iterations, .. v.Shape.Dims]) })];
    }
}

/// <summary>Einstein's notation.</summary>
static class Einsum
{
    /// <summary>The letters of the operands and of the result of an equation such as <c>ij,jk->ik</c>.</summary>
    /// <exception cref="SoftmodelException">It is not of that form, a letter stands twice in one operand, or the result has a letter that no operand has.</exception>
    public static (string Left, string Right, string Result) Split(string equation)
    {
        var parts = equation.Split([",", "->"], StringSplitOptions.None);
        if (parts.Length != 3 || parts.Any(p => p.Distinct().Count() != p.Length || !p.All(char.IsAsciiLetter)) || !parts[2].All(c => parts[0].Contains(c) || parts[1].Contains(c)))
            throw new SoftmodelException($"'{equation}' is no contraction of two operands");
        return (parts[0], parts[1], parts[2]);
    }

    /// <summary>
    /// The axes of an operand that is a matrix with which the other's rows are multiplied: the last axis of these is summed over, and
    /// the matrix's columns are the last axis of the result. Null where it is none.
    /// </summary>
    public static (int Depth, int Column)? Matrix(string equation, int operand)
    {
        var (left, right, result) = Split(equation);
        var (own, rows) = operand == 0 ? (left, right) : (right, left);
        return own.Length == 2 && rows.Length > 0 && own.IndexOf(rows[^1]) is >= 0 and var depth && result == rows[..^1] + own[1 - depth] ? (depth, 1 - depth) : null;
    }
}
