using System.Numerics;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Evaluate;

/// <summary>Operations that combine elements, computed in one type of numbers, whatever that of the elements is.</summary>
/// <typeparam name="T">Double for real elements, ulong for <see cref="ElementType.UInt64"/>, long for all others.</typeparam>
static class Arithmetic<T> where T : unmanaged, INumber<T>
{
    /// <summary>The results of an operation.</summary>
    public static Tensor[] Apply(Op op, IReadOnlyList<Tensor> x, string source) => op switch
    {
        Op.Reduce reduce => [Reduce(reduce, x[0])],
        Op.ArgReduce arg => [ArgReduce(arg, x[0], source)],
        Op.Contract contract => [Contract(contract.Equation, x[0], x[1])],
        Op.Convolve convolve => [Convolve(convolve, x[0], x[1])],
        Op.ConvolveTransposed convolve => [ConvolveTransposed(convolve, x[0], x[1])],
        Op.Accumulate accumulate => [Accumulate(accumulate, x[0])],
        Op.TopK top => TopK(top, x[0], source),
        Op.ScatterElements scatter => [ScatterElements(scatter, x[0], x[1], x[2], source)],
        Op.ScatterND scatter => [ScatterND(scatter, x[0], x[1], x[2], source)],
        _ => throw new InvalidOperationException($"no rule for {op.GetType().Name}"),
    };

    static T Combined(Reduction kind, T a, T b) => kind switch
    {
        Reduction.Sum => a + b,
        Reduction.Product => a * b,
        Reduction.Max => T.Max(a, b),
        _ => T.Min(a, b),
    };

    static T Start(Reduction kind, ElementType type) => kind switch
    {
        Reduction.Sum => T.Zero,
        Reduction.Product => T.One,
        Reduction.Max => Elements.Limits<T>(type).Lowest,
        _ => Elements.Limits<T>(type).Highest,
    };

    static Tensor Reduce(Op.Reduce op, Tensor x)
    {
        var (values, strides) = (Elements.Read<T>(x), Moves.Strides(x.Dims));
        int[][] Along(bool reduced) => [.. Enumerable.Range(0, x.Rank).Where(i => op.Axes.Contains(i) == reduced).Select(i => Moves.Steps(x.Dims[i], strides[i]))];
        var (outer, inner) = (Moves.Positions(Along(false)), Moves.Positions(Along(true)));
        var result = new T[outer.Length];
        for (var i = 0; i < result.Length; i++)
        {
            var total = Start(op.Kind, x.Type);
            foreach (var step in inner)
                total = Combined(op.Kind, total, values[outer[i] + step]);
            result[i] = total;
        }
        var dims = x.TensorType.Shape.Without(op.Axes).Known!;
        return Elements.Write(x.Type, dims, result);
    }

    /// <summary>The lines along an axis: where each begins, and how far apart its elements are.</summary>
    static (int[] Starts, int Stride, int Size) Lines(Tensor x, int axis)
    {
        var strides = Moves.Strides(x.Dims);
        var starts = Moves.Positions([.. Enumerable.Range(0, x.Rank).Where(i => i != axis).Select(i => Moves.Steps(x.Dims[i], strides[i]))]);
        return (starts, strides[axis], (int)x.Dims[axis]);
    }

    static Tensor ArgReduce(Op.ArgReduce op, Tensor x, string source)
    {
        var values = Elements.Read<T>(x);
        var (starts, stride, size) = Lines(x, op.Axis);
        if (size == 0 && starts.Length > 0)
            throw new SoftmodelException($"{source}: there is no {(op.Largest ? "largest" : "smallest")} of no elements");
        var result = new long[starts.Length];
        for (var i = 0; i < starts.Length; i++)
        {
            var best = 0;
            for (var k = 1; k < size; k++)
            {
                var (a, b) = (values[starts[i] + k * stride], values[starts[i] + best * stride]);
                if ((op.Largest ? a > b : a < b) || (op.Last && a == b))
                    best = k;
            }
            result[i] = best;
        }
        return Tensor.Of<long>(result, x.TensorType.Shape.Without([op.Axis]).Known!);
    }

    /// <summary>The elements of a contraction of two operands.</summary>
    static T[] SumsOfProducts(T[] x, int[] xOuter, int[] xInner, T[] y, int[] yOuter, int[] yInner)
    {
        var result = new T[xOuter.Length];
        // What takes long is computed from rows that lie side by side, which is as exact.
        if ((double)xOuter.Length * xInner.Length >= Many && Rows(x, xOuter, xInner) is var (left, leftRow) && Rows(y, yOuter, yInner) is var (right, rightRow))
        {
            Parallel.For(0, result.Length / Block + 1, block =>
            {
                for (var i = block * Block; i < Math.Min((block + 1) * Block, result.Length); i++)
                    result[i] = Dot(left.AsSpan(leftRow[xOuter[i]] * xInner.Length, xInner.Length), right.AsSpan(rightRow[yOuter[i]] * yInner.Length, yInner.Length));
            });
            return result;
        }
        for (var i = 0; i < result.Length; i++)
        {
            var (sum, xAt, yAt) = (T.Zero, xOuter[i], yOuter[i]);
            for (var k = 0; k < xInner.Length; k++)
                sum += x[xAt + xInner[k]] * y[yAt + yInner[k]];
            result[i] = sum;
        }
        return result;
    }

    const double Many = 1 << 22;

    const int Block = 256;

    const long MostCopied = 1 << 26;

    /// <summary>The elements that belong to each outer position, one row after the other, and the row of each; null where these would be too many.</summary>
    static (T[] Rows, int[] RowOf)? Rows(T[] x, int[] outer, int[] inner)
    {
        var (rowOf, starts) = (new int[x.Length + 1], new List<int>());
        foreach (var at in outer)
        {
            if (rowOf[at] == 0)
            {
                starts.Add(at);
                rowOf[at] = starts.Count;
            }
        }
        if ((long)starts.Count * inner.Length > MostCopied)
            return null;
        var rows = new T[starts.Count * inner.Length];
        for (var r = 0; r < starts.Count; r++)
        {
            rowOf[starts[r]] = r;
            for (var k = 0; k < inner.Length; k++)
                rows[r * inner.Length + k] = x[starts[r] + inner[k]];
        }
        return (rows, rowOf);
    }

    static T Dot(ReadOnlySpan<T> x, ReadOnlySpan<T> y)
    {
        var (wide, sum, k) = (Vector<T>.Zero, T.Zero, 0);
        for (; k + Vector<T>.Count <= x.Length; k += Vector<T>.Count)
            wide += new Vector<T>(x[k..]) * new Vector<T>(y[k..]);
        for (; k < x.Length; k++)
            sum += x[k] * y[k];
        return sum + Vector.Sum(wide);
    }

    static Tensor Contract(string equation, Tensor x, Tensor y)
    {
        var (left, right, outer) = Einsum.Split(equation);
        var inner = string.Concat(left.Concat(right).Distinct().Where(c => !outer.Contains(c)));
        long Size(char letter) => left.IndexOf(letter) is >= 0 and var i ? x.Dims[i] : y.Dims[right.IndexOf(letter)];
        int[] Positions(string letters, string own, int[] strides) =>
            Moves.Positions([.. letters.Select(c => Moves.Steps(Size(c), own.IndexOf(c) is >= 0 and var i ? strides[i] : 0))]);
        var (xStrides, yStrides) = (Moves.Strides(x.Dims), Moves.Strides(y.Dims));
        return Elements.Write(x.Type, [.. outer.Select(Size)], SumsOfProducts(
            Elements.Read<T>(x), Positions(outer, left, xStrides), Positions(inner, left, xStrides),
            Elements.Read<T>(y), Positions(outer, right, yStrides), Positions(inner, right, yStrides)));
    }

    /// <summary>More, or where negative fewer, elements on either side of the axes from the third on; zeros.</summary>
    static Tensor Padded(Tensor x, IEnumerable<int> low, IEnumerable<int> high) => Moves.Apply(
        new Op.Pad(Padding.Constant, [0, 0, .. low.Select(p => (Dim)p)], [0, 0, .. high.Select(p => (Dim)p)]), [x, Tensor.Scalar(x.Type, 0)], "");

    static Tensor Convolve(Op.Convolve op, Tensor x, Tensor w)
    {
        var dims = Inference.Types(op, [x.TensorType, w.TensorType])[0].Shape.Known!;
        x = Padded(x, op.Low, op.High);
        var (xs, ws) = (Moves.Strides(x.Dims), Moves.Strides(w.Dims));
        var (kernel, perGroup) = (w.Dims[2..].ToArray(), dims[1] / op.Groups);
        return Elements.Write(x.Type, dims, SumsOfProducts(
            Elements.Read<T>(x),
            Moves.Positions([Moves.Steps(dims[0], xs[0]), Moves.Steps(op.Groups, xs[1] * w.Dims[1]), Moves.Steps(perGroup, 0), .. op.Strides.Select((s, i) => Moves.Steps(dims[i + 2], xs[i + 2] * s))]),
            Moves.Positions([Moves.Steps(w.Dims[1], xs[1]), .. op.Dilations.Select((d, i) => Moves.Steps(kernel[i], xs[i + 2] * d))]),
            Elements.Read<T>(w),
            Moves.Positions([Moves.Steps(dims[0], 0), Moves.Steps(dims[1], ws[0]), .. dims[2..].Select(size => Moves.Steps(size, 0))]),
            Moves.Positions([Moves.Steps(w.Dims[1], ws[1]), .. kernel.Select((size, i) => Moves.Steps(size, ws[i + 2]))])));
    }

    static Tensor ConvolveTransposed(Op.ConvolveTransposed op, Tensor x, Tensor w)
    {
        var (kernel, places, perGroup, depth) = (w.Dims[2..].ToArray(), x.Dims[2..].ToArray(), w.Dims[1], x.Dims[1] / op.Groups);
        // Every element of x adds its multiple of the kernel to the result; what is cut off is cut off afterwards.
        long[] dims = [x.Dims[0], perGroup * op.Groups, .. kernel.Select((k, i) => Math.Max(0, places[i] - 1) * op.Strides[i] + (k - 1) * op.Dilations[i] + 1)];
        var (ys, ws) = (Moves.Strides(dims), Moves.Strides(w.Dims));
        var at = Moves.Positions([Moves.Steps(dims[0], ys[0]), Moves.Steps(op.Groups, perGroup * ys[1]), Moves.Steps(depth, 0), .. places.Select((size, i) => Moves.Steps(size, ys[i + 2] * op.Strides[i]))]);
        var from = Moves.Positions([Moves.Steps(dims[0], 0), Moves.Steps(x.Dims[1], ws[0]), .. places.Select(size => Moves.Steps(size, 0))]);
        var tapsAt = Moves.Positions([Moves.Steps(perGroup, ys[1]), .. kernel.Select((size, i) => Moves.Steps(size, ys[i + 2] * op.Dilations[i]))]);
        var (values, weights, result) = (Elements.Read<T>(x), Elements.Read<T>(w), new T[Tensor.CountOf(dims)]);
        for (var i = 0; i < values.Length; i++)
        {
            for (var k = 0; k < tapsAt.Length; k++)
                result[at[i] + tapsAt[k]] += values[i] * weights[from[i] + k];
        }
        var whole = Elements.Write(x.Type, dims, result);
        // Where there is no place at all, the result is as long as the formula says, and zero.
        return Padded(whole, op.Low.Select(p => -p), op.High.Select((p, i) => op.Extra[i] - p - (places[i] == 0 ? op.Strides[i] : 0)));
    }

    static Tensor Accumulate(Op.Accumulate op, Tensor x)
    {
        var (values, result) = (Elements.Read<T>(x), new T[x.Count]);
        var (starts, stride, size) = Lines(x, op.Axis);
        foreach (var start in starts)
        {
            var total = Start(op.Kind, x.Type);
            for (var k = 0; k < size; k++)
            {
                var at = start + (op.Reverse ? size - 1 - k : k) * stride;
                var next = Combined(op.Kind, total, values[at]);
                result[at] = op.Exclusive ? total : next;
                total = next;
            }
        }
        return Elements.Write(x.Type, x.Dims, result);
    }

    static Tensor[] TopK(Op.TopK op, Tensor x, string source)
    {
        var values = Elements.Read<T>(x);
        var count = (int)op.Count.Value!.Value;
        var (starts, stride, size) = Lines(x, op.Axis);
        if (count > size)
            throw new SoftmodelException($"{source}: the {count} {(op.Largest ? "largest" : "smallest")} of {size} elements were asked for");
        var dims = x.Dims.ToArray();
        dims[op.Axis] = count;
        var (best, indices) = (new T[Tensor.CountOf(dims)], new long[Tensor.CountOf(dims)]);
        for (var i = 0; i < starts.Length; i++)
        {
            var start = starts[i];
            var order = Enumerable.Range(0, size);
            order = op.Largest ? order.OrderByDescending(k => values[start + k * stride]) : order.OrderBy(k => values[start + k * stride]);
            var at = i / stride * stride * count + i % stride;
            foreach (var k in order.Take(count))
            {
                (best[at], indices[at]) = (values[start + k * stride], k);
                at += stride;
            }
        }
        return [Elements.Write(x.Type, dims, best), Tensor.Of<long>(indices, dims)];
    }

    static T Combined(Combination how, T there, T update) => how switch
    {
        Combination.Replace => update,
        Combination.Sum => there + update,
        Combination.Product => there * update,
        Combination.Max => T.Max(there, update),
        _ => T.Min(there, update),
    };

    static Tensor ScatterElements(Op.ScatterElements op, Tensor data, Tensor indices, Tensor updates, string source)
    {
        var strides = Moves.Strides(data.Dims);
        var along = Moves.Positions([.. indices.Dims.ToArray().Select((size, i) => Moves.Steps(size, i == op.Axis ? 0 : strides[i]))]);
        var chosen = Moves.Chosen(indices, data.Dims[op.Axis], strides[op.Axis], source);
        var (result, values) = (Elements.Read<T>(data), Elements.Read<T>(updates));
        for (var i = 0; i < chosen.Length; i++)
            result[along[i] + chosen[i]] = Combined(op.Combine, result[along[i] + chosen[i]], values[i]);
        return Elements.Write(data.Type, data.Dims, result);
    }

    static Tensor ScatterND(Op.ScatterND op, Tensor data, Tensor indices, Tensor updates, string source)
    {
        var starts = Moves.Starts(indices, data.Dims, Moves.Strides(data.Dims), source);
        var size = (int)Tensor.CountOf(data.Dims[(int)indices.Dims[^1]..]);
        var (result, values) = (Elements.Read<T>(data), Elements.Read<T>(updates));
        for (var i = 0; i < starts.Length; i++)
        {
            for (var k = 0; k < size; k++)
                result[starts[i] + k] = Combined(op.Combine, result[starts[i] + k], values[i * size + k]);
        }
        return Elements.Write(data.Type, data.Dims, result);
    }
}
