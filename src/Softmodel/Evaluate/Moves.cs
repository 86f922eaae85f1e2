using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Evaluate;

/// <summary>
/// Operations that move elements and do not look at them. Each says, for every element of its result, at which position
/// of the operand it finds it.
/// </summary>
static class Moves
{
    const int Outside = -1;

    /// <summary>The result of a move.</summary>
    public static Tensor Apply(Op op, IReadOnlyList<Tensor> x, string source)
    {
        var dims = Inference.Types(op, [.. x.Select(t => t.TensorType)])[0].Shape.Known!;
        var strides = Strides(x[0].Dims);
        return op switch
        {
            Op.Transpose transpose => Pick(x[0], dims, Positions([.. dims.Select((size, i) => Steps(size, strides[transpose.Order[i]]))])),
            Op.Broadcast => Pick(x[0], dims, Stretched(dims, x[0].Dims)),
            Op.Slice slice => Pick(x[0], dims, Positions([.. dims.Select((size, i) => Sliced(slice.Starts[i].Value!.Value, size, slice.Steps[i], x[0].Dims[i], strides[i], source))])),
            Op.Unfold unfold => Pick(x[0], dims, Positions(
                [.. strides.Select((stride, i) => Steps(dims[i], i == unfold.Axis ? stride * unfold.Stride : stride)), Steps(unfold.Size, strides[unfold.Axis] * unfold.Dilation)])),
            Op.Pad pad => Pick(x[0], dims, Positions([.. dims.Select((size, i) => Padded(pad.Mode, size, pad.Low[i].Value!.Value, x[0].Dims[i], strides[i], source))]), pad.Mode == Padding.Constant ? x[1] : null),
            Op.Gather gather => Pick(x[0], dims, Positions(
                [.. x[0].Dims[..gather.Axis].ToArray().Select((size, i) => Steps(size, strides[i])),
                 Chosen(x[1], x[0].Dims[gather.Axis], strides[gather.Axis], source),
                 .. x[0].Dims[(gather.Axis + 1)..].ToArray().Select((size, i) => Steps(size, strides[gather.Axis + 1 + i]))])),
            Op.GatherElements gather => Pick(x[0], dims, [.. Positions([.. dims.Select((size, i) => Steps(size, i == gather.Axis ? 0 : strides[i]))])
                .Zip(Chosen(x[1], x[0].Dims[gather.Axis], strides[gather.Axis], source), (a, b) => a + b)]),
            Op.GatherND gather => Pick(x[0], dims, Listed(gather, x, strides, source)),
            _ => throw new InvalidOperationException(op.ToString()),
        };
    }

    /// <summary>Tensors one after the other along an axis.</summary>
    public static Tensor Concat(IReadOnlyList<Tensor> x, int axis)
    {
        var dims = Inference.Types(new Op.Concat(axis), [.. x.Select(t => t.TensorType)])[0].Shape.Known!;
        var bytes = new byte[Tensor.CountOf(dims) * x[0].Type.Size()];
        var (rows, at) = (Tensor.CountOf(dims.AsSpan(0, axis)), 0);
        for (var row = 0; row < rows; row++)
        {
            foreach (var part in x)
            {
                var length = (int)(part.Bytes.Length / rows);
                part.Bytes.Span.Slice(row * length, length).CopyTo(bytes.AsSpan(at));
                at += length;
            }
        }
        return new(x[0].Type, dims, bytes);
    }

    /// <summary>How far apart neighbours along each axis lie.</summary>
    public static int[] Strides(ReadOnlySpan<long> dims)
    {
        var strides = new int[dims.Length];
        for (var (i, stride) = (dims.Length - 1, 1L); i >= 0; i--)
        {
            strides[i] = checked((int)stride);
            stride *= Math.Max(1, dims[i]);
        }
        return strides;
    }

    /// <summary>0, stride, 2 * stride, ...</summary>
    public static int[] Steps(long count, long stride)
    {
        var steps = new int[count];
        for (var i = 0; i < steps.Length; i++)
            steps[i] = checked((int)(i * stride));
        return steps;
    }

    /// <summary>The sum of one number of each list, the last list's changing fastest; outside where one of them is.</summary>
    public static int[] Positions(params int[][] lists)
    {
        int[] sums = [0];
        foreach (var list in lists)
        {
            var longer = new int[checked(sums.Length * list.Length)];
            for (var i = 0; i < sums.Length; i++)
            {
                for (var j = 0; j < list.Length; j++)
                    longer[i * list.Length + j] = sums[i] == Outside || list[j] == Outside ? Outside : sums[i] + list[j];
            }
            sums = longer;
        }
        return sums;
    }

    /// <summary>Where elements of a result of some sizes are in an operand that is broadcast to it.</summary>
    public static int[] Stretched(ReadOnlySpan<long> dims, ReadOnlySpan<long> operand)
    {
        var strides = Strides(operand);
        var lists = new int[dims.Length][];
        for (var i = 0; i < dims.Length; i++)
        {
            var axis = i - dims.Length + operand.Length;
            lists[i] = Steps(dims[i], axis < 0 || operand[axis] == 1 ? 0 : strides[axis]);
        }
        return Positions(lists);
    }

    static int[] Sliced(long start, long size, int step, long limit, int stride, string source)
    {
        var last = start + (size - 1) * step;
        if (size < 0 || (size > 0 && (start < 0 || start >= limit || last < 0 || last >= limit)))
            throw new SoftmodelException($"{source}: a slice of {size} elements from {start} in steps of {step} does not lie within {limit}");
        var steps = new int[size];
        for (var i = 0; i < steps.Length; i++)
            steps[i] = checked((int)((start + (long)i * step) * stride));
        return steps;
    }

    static int[] Padded(Padding mode, long count, long low, long size, int stride, string source)
    {
        if (size == 0 && count > 0 && mode != Padding.Constant)
            throw new SoftmodelException($"{source}: there is nothing to pad an empty axis with");
        var steps = new int[count];
        for (var i = 0; i < steps.Length; i++)
        {
            var at = i - low;
            var from = at >= 0 && at < size ? at : mode == Padding.Constant ? Outside : Folded(mode, at, size);
            steps[i] = from == Outside ? Outside : checked((int)(from * stride));
        }
        return steps;
    }

    /// <summary>A position outside of an axis folded back into it.</summary>
    public static long Folded(Padding mode, long at, long size) => mode switch
    {
        _ when size <= 0 => 0,
        Padding.Edge => Math.Clamp(at, 0, size - 1),
        Padding.Wrap => (at % size + size) % size,
        _ => Mirrored(at, size),
    };

    static long Mirrored(long at, long size)
    {
        if (size == 1)
            return 0;
        var period = 2 * (size - 1);
        at = (at % period + period) % period;
        return at < size ? at : period - at;
    }

    /// <summary>The positions that indices choose along an axis; negative ones count from the end.</summary>
    public static int[] Chosen(Tensor indices, long size, long stride, string source) =>
        Array.ConvertAll(Elements.Read<long>(indices), index => checked((int)(Check.Index(index, size, source) * stride)));

    /// <summary>Where the slices begin that the last axis of indices lists, for data whose first sizes are these.</summary>
    public static int[] Starts(Tensor indices, ReadOnlySpan<long> dims, ReadOnlySpan<int> strides, string source)
    {
        var depth = (int)indices.Dims[^1];
        var numbers = Elements.Read<long>(indices);
        var starts = new int[Tensor.CountOf(indices.Dims[..^1])];
        for (var i = 0; i < starts.Length; i++)
        {
            for (var d = 0; d < depth; d++)
                starts[i] += checked((int)Check.Index(numbers[i * depth + d], dims[d], source) * strides[d]);
        }
        return starts;
    }

    static int[] Listed(Op.GatherND gather, IReadOnlyList<Tensor> x, int[] strides, string source)
    {
        var (data, batch, depth) = (x[0], gather.BatchAxes, (int)x[1].Dims[^1]);
        var starts = Starts(x[1], data.Dims[batch..], strides.AsSpan(batch), source);
        var batches = Positions([.. data.Dims[..batch].ToArray().Select((size, i) => Steps(size, strides[i]))]);
        var perBatch = batches.Length == 0 ? 0 : starts.Length / batches.Length;
        for (var i = 0; i < starts.Length; i++)
            starts[i] += batches[i / perBatch];
        return Positions(starts, Steps(Tensor.CountOf(data.Dims[(batch + depth)..]), 1));
    }

    /// <summary>The elements at positions; the only element of another tensor where the position is outside.</summary>
    static Tensor Pick(Tensor x, ReadOnlySpan<long> dims, int[] positions, Tensor? outside = null) => x.Type.Size() switch
    {
        1 => Pick<byte>(x, dims, positions, outside),
        2 => Pick<ushort>(x, dims, positions, outside),
        4 => Pick<uint>(x, dims, positions, outside),
        _ => Pick<ulong>(x, dims, positions, outside),
    };

    static Tensor Pick<T>(Tensor x, ReadOnlySpan<long> dims, int[] positions, Tensor? outside) where T : unmanaged
    {
        var from = x.Values<T>();
        var to = new T[positions.Length];
        var other = outside is null ? default : outside.Values<T>()[0];
        for (var i = 0; i < to.Length; i++)
            to[i] = positions[i] == Outside ? other : from[positions[i]];
        return new(x.Type, dims, System.Runtime.InteropServices.MemoryMarshal.AsBytes<T>(to).ToArray());
    }
}
