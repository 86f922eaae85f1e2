using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>The types of an operation's results: one row per core operation.</summary>
static class Inference
{
    /// <summary>The types of the results for operands of these types.</summary>
    /// <exception cref="SoftmodelException">The operation does not take them.</exception>
    public static TensorType[] Types(Op op, ReadOnlySpan<TensorType> operands)
    {
        var x = operands.Length > 0 ? operands[0] : default;
        var shape = x.Shape;
        return op switch
        {
            Op.Constant constant => [constant.Value.TensorType],
            Op.SizeTensor sizes => [new(ElementType.Int64, sizes.Shape)],
            Op.Iota iota => [new(ElementType.Int64, new Shape(iota.Size))],
            Op.Random random => [new(ElementType.Float32, random.Shape)],
            Op.Map map => [Map(map.Function, operands)],
            Op.Cast cast => [x with { Element = cast.To }],
            Op.Reduce reduce => [x with { Shape = shape.Without(Distinct(reduce.Axes, shape)) }],
            Op.ArgReduce arg => [new(ElementType.Int64, shape.Without([Axis(arg.Axis, shape)]))],
            Op.Contract contract => [Contract(contract.Equation, operands[0], operands[1])],
            Op.Convolve convolve => [Convolve(convolve, operands[0], operands[1])],
            Op.ConvolveTransposed convolve => [ConvolveTransposed(convolve, operands[0], operands[1])],
            Op.Reshape reshape => [Reshape(reshape.Shape, x)],
            Op.Transpose transpose => [x with { Shape = shape.Permute(Permutation(transpose.Order, shape)) }],
            Op.Broadcast broadcast => [x with { Shape = Stretch(shape, broadcast.Shape) }],
            Op.Slice slice => [x with { Shape = Slice(slice, shape) }],
            Op.Pad pad => [x with { Shape = Zip(shape, pad.Low, pad.High, (d, low, high) => d + low + high) }],
            Op.Unfold unfold => [x with { Shape = Unfold(unfold, shape) }],
            Op.Concat concat => [Concat(concat.Axis, operands)],
            Op.Gather gather => [x with { Shape = Gather(Axis(gather.Axis, shape), shape, Indices(operands[1])) }],
            Op.GatherElements gather => [x with { Shape = SameRank(shape, Indices(operands[1]), Axis(gather.Axis, shape)) }],
            Op.GatherND gather => [x with { Shape = GatherND(gather.BatchAxes, shape, Indices(operands[1])) }],
            Op.ScatterElements scatter => [Updated(x, operands[2], SameRank(shape, Indices(operands[1]), Axis(scatter.Axis, shape)))],
            Op.ScatterND => [Updated(x, operands[2], GatherND(0, shape, Indices(operands[1])))],
            Op.Accumulate accumulate => [x with { Shape = shape.With(Axis(accumulate.Axis, shape), shape[accumulate.Axis]) }],
            Op.TopK top => [x with { Shape = shape.With(Axis(top.Axis, shape), top.Count) }, new(ElementType.Int64, shape.With(top.Axis, top.Count))],
            Op.Bind bind => Bind(bind, x),
            Op.If branch => If(branch, operands),
            Op.Loop loop => Loop(loop, operands),
            Op.Call call => [.. call.Results],
            _ => throw new InvalidOperationException($"no types for {op.GetType().Name}"),
        };
    }

    static TensorType Map(Function function, ReadOnlySpan<TensorType> operands)
    {
        var elements = new ElementType[operands.Length];
        var shape = Shape.Scalar;
        for (var i = 0; i < operands.Length; i++)
        {
            elements[i] = operands[i].Element;
            shape = Shape.Broadcast(shape, operands[i].Shape);
        }
        return new(function.ResultType(elements), shape);
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

    static TensorType Contract(string equation, TensorType a, TensorType b)
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
                    Agree(size, shape[i], equation);
                else
                    sizes[letters[i]] = shape[i];
            }
        }
        return new(a.Element, new(result.Select(c => sizes[c]).ToEquatable()));
    }

    static void Agree(Dim a, Dim b, string where)
    {
        if (a.IsKnown && b.IsKnown && !a.Equals(b))
            throw new SoftmodelException($"{where}: sizes {a} and {b} differ");
    }

    static TensorType Convolve(Op.Convolve op, TensorType x, TensorType w)
    {
        var spatial = Spatial(op.Strides, op.Dilations, op.Low, op.High, x, w);
        Agree(x.Shape[1], w.Shape[1] * op.Groups, "the channels of a convolution");
        if (op.Groups < 1 || w.Shape[0].Value % op.Groups > 0)
            throw new SoftmodelException($"{w.Shape[0]} channels cannot be split into {op.Groups} groups");
        var dims = new Dim[spatial + 2];
        (dims[0], dims[1]) = (x.Shape[0], w.Shape[0]);
        for (var i = 0; i < spatial; i++)
        {
            var room = x.Shape[i + 2] + op.Low[i] + op.High[i] - (w.Shape[i + 2] - 1) * op.Dilations[i] - 1;
            dims[i + 2] = NotNegative(Dim.FloorDiv(room, op.Strides[i]) + 1, "the result of a convolution");
        }
        return x with { Shape = new(dims) };
    }

    static TensorType ConvolveTransposed(Op.ConvolveTransposed op, TensorType x, TensorType w)
    {
        var spatial = Spatial(op.Strides, op.Dilations, op.Low, op.High, x, w);
        Agree(x.Shape[1], w.Shape[0], "the channels of a transposed convolution");
        if (op.Groups < 1 || x.Shape[1].Value % op.Groups > 0 || op.Extra.Count != spatial)
            throw new SoftmodelException($"a transposed convolution of {x} does not have {op.Groups} groups and {op.Extra} extra elements");
        var dims = new Dim[spatial + 2];
        (dims[0], dims[1]) = (x.Shape[0], w.Shape[1] * op.Groups);
        for (var i = 0; i < spatial; i++)
            dims[i + 2] = NotNegative((x.Shape[i + 2] - 1) * op.Strides[i] + (w.Shape[i + 2] - 1) * op.Dilations[i] + 1 + op.Extra[i] - op.Low[i] - op.High[i], "the result of a transposed convolution");
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

    static Dim NotNegative(Dim size, string what) =>
        size.Value is < 0 ? throw new SoftmodelException($"{what} would have {size} elements along an axis") : size;

    static TensorType Reshape(Shape shape, TensorType x)
    {
        var (from, to) = (x.Shape.Count, shape.Count);
        if (from.IsKnown && to.IsKnown && !from.Equals(to))
            throw new SoftmodelException($"{x} has {from} elements and cannot be viewed as {shape}");
        return x with { Shape = shape };
    }

    static Shape Stretch(Shape from, Shape to)
    {
        if (from.Rank > to.Rank)
            throw new SoftmodelException($"{from} cannot be broadcast to {to}");
        for (var i = 0; i < from.Rank; i++)
        {
            if (from[i].Value is { } size && size != 1)
                Agree(from[i], to[i + to.Rank - from.Rank], $"broadcast of {from} to {to}");
        }
        return to;
    }

    static Shape Slice(Op.Slice op, Shape shape)
    {
        if (op.Starts.Count != shape.Rank || op.Sizes.Count != shape.Rank || op.Steps.Count != shape.Rank || op.Steps.Any(s => s == 0))
            throw new SoftmodelException($"a slice from {op.Starts} of {op.Sizes} in steps of {op.Steps} does not fit {shape}");
        for (var i = 0; i < shape.Rank; i++)
        {
            if (op.Sizes[i].Value is not { } size || op.Starts[i].Value is not { } start || shape[i].Value is not { } limit || size == 0)
                continue;
            var last = start + (size - 1) * op.Steps[i];
            if (size < 0 || start < 0 || start >= limit || last < 0 || last >= limit)
                throw new SoftmodelException($"a slice of {size} elements from {start} in steps of {op.Steps[i]} does not lie within {limit}");
        }
        return new(op.Sizes);
    }

    static Shape Zip(Shape shape, EquatableArray<Dim> low, EquatableArray<Dim> high, Func<Dim, Dim, Dim, Dim> size)
    {
        if (low.Count != shape.Rank || high.Count != shape.Rank)
            throw new SoftmodelException($"padding {low} and {high} does not fit {shape}");
        return new(shape.Dims.Select((d, i) => NotNegative(size(d, low[i], high[i]), "a padded tensor")).ToEquatable());
    }

    static Shape Unfold(Op.Unfold op, Shape shape)
    {
        if (op.Size < 1 || op.Stride < 1 || op.Dilation < 1)
            throw new SoftmodelException($"windows of {op.Size} elements, stride {op.Stride}, dilation {op.Dilation}: all are at least 1");
        var windows = Dim.FloorDiv(shape[Axis(op.Axis, shape)] - (op.Size - 1) * op.Dilation - 1, op.Stride) + 1;
        return new([.. shape.With(op.Axis, NotNegative(windows, "an axis of windows")).Dims, op.Size]);
    }

    static TensorType Concat(int axis, ReadOnlySpan<TensorType> operands)
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
                    Agree(first.Shape[i], next.Shape[i], $"concatenation of {first} and {next} along axis {axis}");
            }
            size += next.Shape[axis];
        }
        return first with { Shape = first.Shape.With(axis, size) };
    }

    static Shape Indices(TensorType indices) => indices.Element is ElementType.Int64 or ElementType.Int32
        ? indices.Shape
        : throw new SoftmodelException($"indices are Int64 or Int32, not {indices}");

    static Shape Gather(int axis, Shape data, Shape indices) => new([.. data.Dims.Take(axis), .. indices.Dims, .. data.Dims.Skip(axis + 1)]);

    static Shape SameRank(Shape data, Shape indices, int axis) => data.Rank == indices.Rank && axis < data.Rank
        ? indices
        : throw new SoftmodelException($"indices {indices} and data {data} have different ranks");

    static Shape GatherND(int batch, Shape data, Shape indices)
    {
        if (indices.Rank <= batch || indices[indices.Rank - 1].Value is not { } depth || batch + depth > data.Rank)
            throw new SoftmodelException($"positions {indices} do not fit data {data} with {batch} common axes");
        return new([.. indices.Dims.Take(indices.Rank - 1), .. data.Dims.Skip(batch + (int)depth)]);
    }

    static TensorType Updated(TensorType data, TensorType updates, Shape expected)
    {
        if (updates.Element != data.Element || updates.Shape.Rank != expected.Rank)
            throw new SoftmodelException($"updates {updates} do not fit {data}: they would be {data.Element}{expected}");
        return data;
    }

    static TensorType[] Bind(Op.Bind op, TensorType x)
    {
        if (x.Element != ElementType.Int64)
            throw new SoftmodelException($"sizes are Int64, not {x}");
        Agree(x.Shape.Count, op.Symbols.Count, "naming of sizes");
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
            throw new SoftmodelException($"'{equation}' is no sum of products of two operands");
        return (parts[0], parts[1], parts[2]);
    }
}
