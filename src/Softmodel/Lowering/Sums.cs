using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Lowering;

/// <summary>Reductions and contractions, as loops around a term.</summary>
/// <param name="plan">What is stored.</param>
/// <param name="elements">The elements that they are computed from.</param>
/// <param name="buffers">Where these lie.</param>
/// <param name="steps">Is given the copies that they read.</param>
/// <param name="producers">What makes each value of the graph.</param>
sealed class Sums(Stored plan, VirtualValues elements, BufferTable buffers, StepList steps, IReadOnlyDictionary<Value, Node> producers)
{
    // The operands of convolutions with zeros around them.
    readonly Dictionary<Node, (Buffer Buffer, Shape Shape)> surrounded = [];

    /// <summary>The loops over the result of a reduction, the position of an element, and the reduction.</summary>
    public (Axis[] Loops, Index[] Position, Fold Fold) Of(Node node)
    {
        switch (node.Op)
        {
            case Op.Reduce reduce:
                {
                    var x = node.Inputs[0];
                    var all = Axis.Of(x.Shape);
                    var loops = all.Where((_, i) => !reduce.Axes.Contains(i)).ToArray();
                    var inner = all.Where((_, i) => reduce.Axes.Contains(i)).ToArray();
                    var term = elements.Pull(x, [.. all.Select(a => (Index)a)]);
                    return (loops, [.. loops.Select(a => (Index)a)], new(reduce.Kind, inner, term, new(node.Output.Type.Element, loops)) { IsWindow = producers.GetValueOrDefault(x)?.Op is Op.Unfold });
                }
            case Op.ArgReduce arg:
                {
                    var x = node.Inputs[0];
                    var all = Axis.Of(x.Shape);
                    var loops = all.Where((_, i) => i != arg.Axis).ToArray();
                    var term = elements.Pull(x, [.. all.Select(a => (Index)a)]);
                    return (loops, [.. loops.Select(a => (Index)a)],
                        new(arg.Largest ? Graphs.Reduction.Max : Graphs.Reduction.Min, [all[arg.Axis]], term, new(ElementType.Int64, loops), arg.Last));
                }
            case Op.Contract contract:
                {
                    var (left, right, result) = Einsum.Split(contract.Equation);
                    var axes = new Dictionary<char, Axis>();
                    for (var i = 0; i < left.Length; i++)
                        axes[left[i]] = new($"i_{left[i]}", node.Inputs[0].Shape[i]);
                    for (var i = 0; i < right.Length; i++)
                        axes.TryAdd(right[i], new($"i_{right[i]}", node.Inputs[1].Shape[i]));
                    var column = result.LastOrDefault(c => axes[c].Extent.Value != 1);
                    var term = Times(Aligned(node, 0, left, axes, column), Aligned(node, 1, right, axes, column));
                    var loops = result.Select(c => axes[c]).ToArray();
                    var inner = left.Concat(right).Distinct().Where(c => !result.Contains(c)).Select(c => axes[c]).ToArray();
                    return (loops, [.. loops.Select(a => (Index)a)], new(Graphs.Reduction.Sum, inner, term, new(node.Output.Type.Element, loops)));
                }
            case Op.Convolve convolve:
                return Convolution(node, convolve);
            default:
                throw new InvalidOperationException(node.Op.ToString());
        }
    }

    /// <summary>An operand of a contraction, copied first where the result's columns do not lie side by side in it.</summary>
    Expr Aligned(Node node, int operand, string letters, Dictionary<char, Axis> axes, char column)
    {
        var x = node.Inputs[operand];
        var value = elements.Pull(x, [.. letters.Select(c => (Index)axes[c])]);
        // Constants are laid out as they are read when the program is written.
        if (value is not Expr.Load load || (load.Buffer.Storage == Storage.Weight && plan.IsAlongColumns(node, operand)) || !axes.TryGetValue(column, out var columns) || load.Index.Stride(columns).Value is 0 or 1
            || (operand == 1 && node.Inputs[0].Shape.Rank == 0) || value.Type != ElementType.Float32 || Einsum.Split(((Op.Contract)node.Op).Equation) is var (l, r, _) && l.Contains(column) && r.Contains(column))
            return value;
        var order = letters.Where(c => c != column).Append(column).Select(c => axes[c]).ToArray();
        var shape = new Shape([.. order.Select(a => a.Extent)]);
        var at = Views.Flat(shape, [.. order.Select(a => (Index)a)]);
        var buffer = buffers.New($"{x.Name}_columns", Storage.Arena, value.Type, shape.Count);
        steps.Add(new Step.Nest($"columns of {StepNames.Of(node)}", order, buffer, at, value, null));
        return new Expr.Load(buffer, at);
    }

    (Axis[] Loops, Index[] Position, Fold Fold) Convolution(Node node, Op.Convolve op)
    {
        var (x, w, y) = (node.Inputs[0], node.Inputs[1], node.Output.Shape);
        var spatial = op.Strides.Count;
        var batch = new Axis("n", y[0]);
        var group = new Axis("g", op.Groups);
        var perGroup = Dim.FloorDiv(y[1], op.Groups);
        var channel = new Axis("m", perGroup);
        var places = Enumerable.Range(0, spatial).Select(i => new Axis($"o{i}", y[i + 2])).ToArray();
        var depth = new Axis("c", w.Shape[1]);
        var taps = Enumerable.Range(0, spatial).Select(i => new Axis($"k{i}", w.Shape[i + 2])).ToArray();
        var from = new Index[spatial + 2];
        var weight = new Index[spatial + 2];
        from[0] = batch;
        from[1] = (Index)group * w.Shape[1] + depth;
        weight[0] = (Index)group * perGroup + channel;
        weight[1] = depth;
        for (var i = 0; i < spatial; i++)
        {
            from[i + 2] = (Index)places[i] * op.Strides[i] + (Index)taps[i] * op.Dilations[i] + (Dim)(-op.Low[i]);
            weight[i + 2] = taps[i];
        }
        var axes = new[] { batch, group, channel }.Concat(places).ToArray();
        var term = Times(Surrounded(node, x, from, [.. op.Low], [.. op.High]), elements.Pull(w, weight));
        return (axes, [batch, (Index)group * perGroup + channel, .. places.Select(a => (Index)a)],
            new(Graphs.Reduction.Sum, [depth, .. taps], term, new(node.Output.Type.Element, axes))
            {
                Unpadded = plan.IsStored(x) && surrounded.ContainsKey(node) ? Guarded(x, from, [.. op.Low], [.. op.High]) : null,
                IsWindow = op.Strides.Any(s => s > 1) || (spatial > 1 && w.Shape.Dims.Skip(2).Any(d => d.Value != 1)),
            });
    }

    /// <summary>An element of a convolution's operand, and zero where it lies outside.</summary>
    Expr Guarded(Value x, Index[] at, int[] low, int[] high)
    {
        var value = elements.Pull(x, at);
        for (var i = low.Length - 1; i >= 0; i--)
        {
            if (low[i] > 0 || high[i] > 0)
                value = Expr.Guard.Of(at[i + 2], x.Shape[i + 2], value, Zero(value.Type));
        }
        return value;
    }

    /// <summary>An element of a convolution's operand, which is stored with zeros around it unless it is stored already and none are needed.</summary>
    Expr Surrounded(Node node, Value x, Index[] at, int[] low, int[] high)
    {
        if (plan.IsStored(x) && low.All(p => p == 0) && high.All(p => p == 0))
            return elements.Pull(x, at);
        if (!surrounded.TryGetValue(node, out var place))
        {
            var shape = new Shape(x.Shape.Dims.Select((d, i) => i < 2 ? d : d + low[i - 2] + high[i - 2]).ToEquatable());
            var axes = Axis.Of(shape);
            var from = axes.Select((a, i) => i < 2 ? (Index)a : (Index)a + (Dim)(-low[i - 2])).ToArray();
            Buffer? buffer = null;
            steps.AddOf(node, () =>
            {
                var value = Guarded(x, from, low, high);
                buffer = buffers.New($"{x.Name}_padded", Storage.Arena, x.Type.Element, shape.Count);
                steps.Add(new Step.Nest($"padding of {StepNames.Of(node)}", axes, buffer, Views.Flat(shape, [.. axes.Select(a => (Index)a)]), value, null));
            });
            surrounded[node] = place = (buffer!, shape);
        }
        return new Expr.Load(place.Buffer, Views.Flat(place.Shape, [.. at.Select((a, i) => i < 2 ? a : a + (Dim)low[i - 2])]));
    }

    /// <summary>The weights of one phase as a constant of their own, where they are known.</summary>
    Expr OfPhase(Value w, Index[] at, Axis[] axes)
    {
        if (!buffers.Stored.TryGetValue(w, out var buffer) || buffer.Constant is not { } tensor || axes.Any(a => !a.Extent.IsKnown))
            return elements.Pull(w, at);
        var index = Views.Flat(w.Shape, at);
        var sizes = axes.Select(a => a.Extent.Value!.Value).ToArray();
        var count = sizes.Aggregate(1L, (a, b) => a * b);
        var bytes = new byte[count * tensor.Type.Size()];
        var width = tensor.Type.Size();
        for (var i = 0L; i < count; i++)
        {
            var (rest, from) = (i, index.Offset.Value!.Value);
            for (var a = axes.Length - 1; a >= 0; a--)
            {
                from += rest % sizes[a] * index.Stride(axes[a]).Value!.Value;
                rest /= sizes[a];
            }
            tensor.Bytes.Span.Slice((int)from * width, width).CopyTo(bytes.AsSpan((int)i * width));
        }
        var phase = buffers.Weight(new Tensor(tensor.Type, sizes, bytes), buffer.Type, $"{buffer.Name[2..]}_phase");
        return new Expr.Load(phase, Views.Flat(Shape.Of(sizes), [.. axes.Select(a => (Index)a)]));
    }

    /// <summary>
    /// A transposed convolution as one convolution for each position modulo the stride: the weights that meet at such a
    /// position are every so many-th.
    /// </summary>
    public IEnumerable<(Axis[] Loops, Index[] Position, Fold Fold)> Phases(Node node, Op.ConvolveTransposed op)
    {
        var (x, w, y) = (node.Inputs[0], node.Inputs[1], node.Output.Shape);
        var spatial = op.Strides.Count;
        var phases = op.Strides.Aggregate(1, (a, b) => a * b);
        var perGroup = w.Shape[1];
        var depthSize = Dim.FloorDiv(w.Shape[0], op.Groups);
        for (var phase = 0; phase < phases; phase++)
        {
            elements.Begin();
            var (batch, group, channel, depth) = (new Axis("n", y[0]), new Axis("g", op.Groups), new Axis("m", perGroup), new Axis("c", depthSize));
            var (places, taps) = (new Axis[spatial], new Axis[spatial]);
            var (from, weight, position) = (new Index[spatial + 2], new Index[spatial + 2], new Index[spatial + 2]);
            (from[0], from[1]) = (batch, (Index)group * depthSize + depth);
            (weight[0], weight[1]) = ((Index)group * depthSize + depth, channel);
            (position[0], position[1]) = (batch, (Index)group * perGroup + channel);
            var rest = phase;
            for (var i = 0; i < spatial; i++)
            {
                var (stride, dilation) = (op.Strides[i], op.Dilations[i]);
                var place = rest % stride;
                rest /= stride;
                var kernel = (int)(w.Shape[i + 2].Value ?? throw new SoftmodelException($"{node.Source}: a transposed convolution whose kernel size is known only at run time cannot be compiled"));
                var met = Enumerable.Range(0, kernel).Where(k => (place + op.Low[i] - k * dilation) % stride == 0).ToArray();
                places[i] = new($"o{i}", Dim.FloorDiv(y[i + 2] - place + stride - 1, stride));
                taps[i] = new($"k{i}", met.Length);
                var (first, step) = (met.Length > 0 ? met[0] : 0, met.Length > 1 ? met[1] - met[0] : 1);
                weight[i + 2] = (Index)taps[i] * step + (Dim)first;
                from[i + 2] = (Index)places[i] + (Index)taps[i] * (-(step * dilation) / stride) + (Dim)((place + op.Low[i] - first * dilation) / stride);
                position[i + 2] = (Index)places[i] * stride + (Dim)place;
            }
            // As far as any tap reaches beyond the operand.
            var reach = op.Strides.Select((stride, i) => (((int)w.Shape[i + 2].Value!.Value - 1) * op.Dilations[i] + op.Extra[i]) / stride + 1).ToArray();
            var inside = Surrounded(node, x, from, reach, reach);
            var axes = new[] { batch, group, channel }.Concat(places).ToArray();
            var fold = new Fold(Graphs.Reduction.Sum, [depth, .. taps], Times(inside, OfPhase(w, weight, [group, depth, channel, .. taps])), new(node.Output.Type.Element, axes));
            yield return (axes, position, fold);
        }
    }

    static Expr.Number Zero(ElementType type) => new Expr.Number(type, 0, 0);

    static Expr.Apply Times(Expr a, Expr b) => new Expr.Apply(Functions.Multiply, [a, b]);
}
