using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that sum products: matrix products and convolutions.</summary>
static class Products
{
    [Operator("MatMul")]
    internal static Term MatMul(Term a, Term b)
    {
        if (a.Rank == 0 || b.Rank == 0)
            throw new SoftmodelException("a matrix product is of tensors with at least one axis");
        // Letters from the last axis outwards, so that the axes of both that are not multiplied align.
        var rank = Math.Max(a.Rank, b.Rank);
        var batch = Enumerable.Range(0, Math.Max(0, rank - 2)).Select(i => (char)('A' + i)).ToArray();
        var (left, right) = (new List<char>(), new List<char>());
        for (var i = 0; i < batch.Length; i++)
        {
            var (x, y) = (i - (rank - a.Rank), i - (rank - b.Rank));
            var (inA, inB) = (x >= 0 && a.Rank > 1, y >= 0 && b.Rank > 1);
            if (inA && inB && !a.Shape[x].Equals(b.Shape[y]))
            {
                // An axis of size 1 that the other stretches is left out of its operand.
                if (a.Shape[x].Value == 1)
                    (inA, left) = (false, [.. left, '1']);
                else if (b.Shape[y].Value == 1)
                    (inB, right) = (false, [.. right, '1']);
                else
                {
                    var size = Dim.Broadcast(a.Shape[x], b.Shape[y]);
                    (a, b) = (a.Broadcast(a.Shape.With(x, size)), b.Broadcast(b.Shape.With(y, size)));
                }
            }
            if (inA)
                left.Add(batch[i]);
            if (inB)
                right.Add(batch[i]);
        }
        (a, left) = Without(a, left);
        (b, right) = Without(b, right);
        var outer = string.Concat(batch.Where(c => left.Contains(c) || right.Contains(c)));
        var (rows, columns) = (a.Rank > left.Count + 1 ? "i" : "", b.Rank > right.Count + 1 ? "j" : "");
        return a.Contract($"{string.Concat(left)}{rows}k,{string.Concat(right)}k{columns}->{outer}{rows}{columns}", b);
    }

    static (Term Operand, List<char> Letters) Without(Term operand, List<char> letters)
    {
        int[] ones = [.. Enumerable.Range(0, letters.Count).Where(i => letters[i] == '1')];
        return (ones.Length > 0 ? operand.Squeeze(ones) : operand, [.. letters.Where(c => c != '1')]);
    }

    [Operator("Gemm", since: 7)]
    internal static Term Gemm(Term a, Term b, Term? c, float alpha = 1, float beta = 1, bool transA = false, bool transB = false)
    {
        var product = a.Contract($"{(transA ? "ki" : "ik")},{(transB ? "jk" : "kj")}->ij", b);
        var scaled = Times(product, alpha);
        return c is not { } bias || beta == 0 ? scaled : scaled + Times(bias, beta);
    }

    // Integers may have a factor that is none.
    static Term Times(Term x, float factor) => factor == 1 ? x : x.Element.IsFloat() ? x * factor : (x.Cast(ElementType.Float64) * factor).Cast(x.Element);

    /// <summary>How a window moves over the spatial axes of an operand [N,C,...]; the padding may depend on sizes that are open.</summary>
    internal readonly record struct Window(int[] Kernel, int[] Strides, int[] Dilations, Dim[] Low, Dim[] High)
    {
        /// <summary>The padding where it does not depend on any size.</summary>
        public (int[] Low, int[] High) Fixed => ([.. Low.Select(Number)], [.. High.Select(Number)]);

        static int Number(Dim pad) => pad.Value is { } known ? checked((int)known) : throw new SoftmodelException("its padding depends on a size that must be known at build time");

        /// <summary>The numbers as sizes, for the two axes before the spatial ones as well.</summary>
        public static EquatableArray<Dim> Around(Dim[] pads) => [0, 0, .. pads];


        /// <summary>From the attributes of a convolution or a pooling.</summary>
        /// <exception cref="SoftmodelException">They do not fit the operand.</exception>
        public static Window Of(Shape shape, int[] kernel, int[]? strides, int[]? dilations, int[]? pads, string autoPad)
        {
            var axes = kernel.Length;
            if (shape.Rank != axes + 2)
                throw new SoftmodelException($"a window over {axes} axes does not fit an operand of {shape}");
            int[] Each(int[]? given, int count, string what) => given is null || given.Length == 0 ? [.. Enumerable.Repeat(what == "pads" ? 0 : 1, count)]
                : given.Length == count && given.All(g => g >= (what == "pads" ? 0 : 1)) ? given
                : throw new SoftmodelException($"{what} are [{string.Join(",", given)}]; {count} numbers from {(what == "pads" ? 0 : 1)} up are expected");
            var (step, dilation, both) = (Each(strides, axes, "strides"), Each(dilations, axes, "dilations"), Each(pads, 2 * axes, "pads"));
            if (autoPad is "" or "NOTSET")
                return new(kernel, step, dilation, [.. both[..axes].Select(p => (Dim)p)], [.. both[axes..].Select(p => (Dim)p)]);
            if (autoPad == "VALID")
                return new(kernel, step, dilation, [.. kernel.Select(_ => Dim.Zero)], [.. kernel.Select(_ => Dim.Zero)]);
            if (autoPad is not ("SAME_UPPER" or "SAME_LOWER"))
                throw new SoftmodelException($"auto_pad '{autoPad}' is not supported");
            var (low, high) = (new Dim[axes], new Dim[axes]);
            for (var i = 0; i < axes; i++)
            {
                var (span, size) = ((kernel[i] - 1) * dilation[i] + 1, shape[i + 2]);
                var total = step[i] == 1 ? span - 1 : Dim.Max((Dim.CeilDiv(size, step[i]) - 1) * step[i] + span - size, 0);
                var half = Dim.FloorDiv(total, 2);
                (low[i], high[i]) = autoPad == "SAME_UPPER" ? (half, total - half) : (total - half, half);
            }
            return new(kernel, step, dilation, low, high);
        }
    }

    /// <summary>The sizes of a convolution's kernel.</summary>
    internal static int[] KernelOf(Term weights, int[]? declared)
    {
        var sizes = weights.Shape.Dims.Skip(2).Select(d => d.Value is { } v and <= int.MaxValue ? (int)v
            : throw new SoftmodelException($"the kernel of weights {weights.Shape} must be known at build time")).ToArray();
        return declared is null || declared.SequenceEqual(sizes) ? sizes
            : throw new SoftmodelException($"kernel_shape [{string.Join(",", declared)}] is not that of weights {weights.Shape}");
    }

    /// <summary>One number for each channel, added to an operand [N,C,...].</summary>
    internal static Term Bias(Term x, Term? bias) =>
        bias is { } b ? x + b.Reshape(new([1, b.Shape[0], .. Enumerable.Repeat(Dim.One, x.Rank - 2)])) : x;

    [Operator("Conv")]
    internal static Term Conv(Term x, Term w, Term? b, int[]? kernelShape = null, int[]? strides = null, int[]? dilations = null, int[]? pads = null, string autoPad = "NOTSET", int group = 1)
    {
        var window = Window.Of(x.Shape, KernelOf(w, kernelShape), strides, dilations, pads, autoPad);
        if (!window.Low.Concat(window.High).All(p => p.IsKnown))
        {
            x = x.Pad(Window.Around(window.Low), Window.Around(window.High));
            window = window with { Low = [.. window.Low.Select(_ => Dim.Zero)], High = [.. window.High.Select(_ => Dim.Zero)] };
        }
        var (low, high) = window.Fixed;
        return Bias(x.Apply(new Op.Convolve(window.Strides, window.Dilations, low, high, group), w), b);
    }

    [Operator("ConvTranspose")]
    static Term ConvTranspose(Term x, Term w, Term? b, int[]? kernelShape = null, int[]? strides = null, int[]? dilations = null, int[]? pads = null,
        int[]? outputPadding = null, long[]? outputShape = null, string autoPad = "NOTSET", int group = 1)
    {
        var kernel = KernelOf(w, kernelShape);
        var window = Window.Of(x.Shape, kernel, strides, dilations, pads, outputShape is null && autoPad == "VALID" ? "VALID" : "NOTSET");
        var extra = outputPadding ?? new int[kernel.Length];
        var (low, high) = window.Fixed;
        for (var i = 0; i < kernel.Length && (outputShape is not null || autoPad.StartsWith("SAME", StringComparison.Ordinal)); i++)
        {
            // The padding is what makes the result as large as asked for; what cannot be halved goes to one end.
            var span = (kernel[i] - 1) * window.Dilations[i] + 1 + extra[i];
            long total = span - window.Strides[i];
            if (outputShape is not null)
            {
                var size = x.Shape[i + 2].Value ?? throw new SoftmodelException("output_shape needs sizes known at build time");
                total = (size - 1) * window.Strides[i] + span - outputShape[outputShape.Length - kernel.Length + i];
            }
            if (total < 0)
                (extra, total) = ([.. extra.Select((e, at) => at == i ? e - (int)total : e)], 0);
            (low[i], high[i]) = autoPad == "SAME_UPPER" ? ((int)(total / 2), (int)(total - total / 2)) : ((int)(total - total / 2), (int)(total / 2));
        }
        return Bias(x.Apply(new Op.ConvolveTransposed(window.Strides, window.Dilations, low, high, extra, group), w), b);
    }

    /// <summary>Blocks put in their places, and summed where they overlap: what a transposed convolution does with kernels of one 1.</summary>
    [Operator("Col2Im", since: 18)]
    static Term Col2Im(OnnxCall call, Term x, Term imageShape, Term blockShape, int[]? strides = null, int[]? dilations = null, int[]? pads = null)
    {
        var (image, block) = (Axes.Numbers(imageShape, "the sizes of the image"), Axes.Numbers(blockShape, "the sizes of a block"));
        var (taps, spatial) = (block.Aggregate(1L, (a, b) => a * b), block.Length);
        var channels = x.Shape[1].Value / taps ?? throw new SoftmodelException("the number of channels must be known at build time");
        int[] kernel = [.. block.Select(b => checked((int)b))];
        var window = Window.Of(Shape.Of([1, 1, .. image]), kernel, strides, dilations, pads, "NOTSET");
        var (low, high) = window.Fixed;
        var (places, extra) = (new Dim[spatial], new int[spatial]);
        for (var i = 0; i < spatial; i++)
        {
            var room = image[i] + low[i] + high[i] - (kernel[i] - 1) * window.Dilations[i] - 1;
            (places[i], extra[i]) = (room / window.Strides[i] + 1, checked((int)(room % window.Strides[i])));
        }
        var (row, column) = (call.Source(new Op.Iota(channels * taps)).Unsqueeze(1), call.Source(new Op.Iota(taps)));
        var ones = row.Map(Functions.Modulo, row.Scalar(taps)).EqualTo(column).Cast(x.Element).Reshape(Shape.Of([channels * taps, 1, .. block]));
        return x.Reshape(new([x.Shape[0], x.Shape[1], .. places]))
            .Apply(new Op.ConvolveTransposed(window.Strides, window.Dilations, low, high, extra, checked((int)channels)), ones);
    }

    /// <summary>
    /// The determinant by elimination, each step with the row whose first element is the largest: it takes the place of the first
    /// row, and what it explains of the others is taken away.
    /// </summary>
    [Operator("Det", since: 11)]
    static Term Det(OnnxCall call, Term x)
    {
        const int most = 64;
        if (x.Rank < 2 || x.Shape[x.Rank - 1].Value is not { } size || size > most)
            throw new SoftmodelException($"a determinant is of square matrices of up to {most} rows, not of {x.Shape}");
        var count = Dim.Product(x.Shape.Dims.Take(x.Rank - 2));
        var rest = x.Reshape(new(count, size, size));
        var product = x.Scalar(1).Broadcast(new(count));
        for (var left = size; left > 0; left--)
        {
            var place = rest.Slice(2, 0, 1).Map(Functions.Abs).Apply(new Op.ArgReduce(true, 1, false)).Unsqueeze(1);
            var row = rest.Apply(new Op.GatherElements(1), place.Broadcast(new(count, 1, left)));
            var first = row.Slice(2, 0, 1);
            product *= (first * place.EqualTo(0).Select(x.Scalar(1), x.Scalar(-1))).Reshape(new(count));
            if (left == 1)
                break;
            var next = (call.Source(new Op.Iota(left - 1)) + 1).Unsqueeze(1);
            var others = rest.Apply(new Op.GatherElements(1), next.EqualTo(place).Select(next.Scalar(0), next).Broadcast(new(count, left - 1, left)));
            var factor = first.EqualTo(0).Select(x.Scalar(0), others.Slice(2, 0, 1) / first);
            rest = others.Slice(2, 1, left - 1) - factor * row.Slice(2, 1, left - 1);
        }
        return product.Reshape(new(x.Shape.Dims.Take(x.Rank - 2).ToEquatable()));
    }
}
