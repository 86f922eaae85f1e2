using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators on signals: windows, Fourier transforms, filters.</summary>
static class Signals
{
    [Operator("HannWindow", since: 17)]
    static Term HannWindow(OnnxCall call, Term size, ElementType outputDatatype = ElementType.Float32, bool periodic = true) =>
        Window(call, size, periodic, outputDatatype, 0.5, 0.5);

    [Operator("HammingWindow", since: 17)]
    static Term HammingWindow(OnnxCall call, Term size, ElementType outputDatatype = ElementType.Float32, bool periodic = true) =>
        Window(call, size, periodic, outputDatatype, 25 / 46.0, 21 / 46.0);

    [Operator("BlackmanWindow", since: 17)]
    static Term BlackmanWindow(OnnxCall call, Term size, ElementType outputDatatype = ElementType.Float32, bool periodic = true) =>
        Window(call, size, periodic, outputDatatype, 0.42, 0.5, 0.08);

    /// <summary>A window that is a sum of cosines, their signs alternating.</summary>
    static Term Window(OnnxCall call, Term size, bool periodic, ElementType type, params ReadOnlySpan<double> amplitudes)
    {
        var count = Count(size);
        var period = call.Size(periodic ? count : Dim.Max(count - 1, 1)).Cast(ElementType.Float64);
        var angle = call.Source(new Op.Iota(count)).Cast(ElementType.Float64) * (2 * Math.PI) / period;
        var sum = angle.Scalar(amplitudes[0]).Broadcast(angle.Shape);
        for (var k = 1; k < amplitudes.Length; k++)
            sum += (angle * k).Map(Functions.Cos) * (k % 2 == 0 ? amplitudes[k] : -amplitudes[k]);
        return Elementwise.To(sum, type);
    }

    static Dim Count(Term scalar) => scalar.Reshape(new(Dim.One)).Cast(ElementType.Int64).AsSizes()[0];

    [Operator("DFT", since: 17)]
    static Term Fourier(OnnxCall call, Term x, Term? dftLength, long axis = 1, bool inverse = false, bool onesided = false)
    {
        var (last, at) = (x.Rank - 1, Axes.Of(axis, x.Rank));
        var (isReal, size) = (x.Shape[last].Value == 1, x.Shape[at]);
        Term Part(int i) => Signals.Part(x, i);
        var toReal = inverse && onesided;
        var length = dftLength is { } given ? Count(given) : toReal ? 2 * size - 2 : size;
        var (real, imaginary) = Fourier(call, Part(0), isReal ? null : Part(1), at, length, onesided && !inverse ? Dim.FloorDiv(length, 2) + 1 : length, inverse, toReal);
        return toReal ? real.Unsqueeze(last) : real.Unsqueeze(last).Concat(last, imaginary.Unsqueeze(last));
    }

    /// <summary>The real or the imaginary parts of numbers that lie along the last axis; where there may be no imaginary ones they are 0.</summary>
    static Term Part(Term x, int i)
    {
        var last = x.Rank - 1;
        var both = i == 0 || x.Shape[last].IsKnown ? x : x.Pad([.. x.Shape.Dims.Select(_ => Dim.Zero)], [.. x.Shape.Dims.Select((_, k) => k == last ? Dim.One : Dim.Zero)]);
        return both.Slice(last, i, 1).Squeeze(last);
    }

    [Operator("DFT", since: 20)]
    static Term Fourier(OnnxCall call, Term x, Term? dftLength, Term? axis, bool inverse = false, bool onesided = false) =>
        Fourier(call, x, dftLength, axis is { } at ? Axes.Numbers(at, "the axis")[0] : -2, inverse, onesided);

    /// <summary>
    /// The discrete Fourier transform along an axis as a product with a matrix of cosines and one of sines.
    /// </summary>
    /// <param name="call">The node.</param>
    /// <param name="real">The real parts.</param>
    /// <param name="imaginary">The imaginary parts; null where they are 0.</param>
    /// <param name="axis">The axis; what is beyond the length is left out, what lacks counts as 0.</param>
    /// <param name="length">The number of terms.</param>
    /// <param name="count">The number of results.</param>
    /// <param name="inverse">Whether it is the inverse transform.</param>
    /// <param name="isHalf">Whether the operand is the first half of a symmetric one, so that the imaginary results are 0.</param>
    static (Term Real, Term Imaginary) Fourier(OnnxCall call, Term real, Term? imaginary, int axis, Dim length, Dim count, bool inverse, bool isHalf)
    {
        var used = Dim.Min(real.Shape[axis], length);
        var n = call.Size(length).Cast(ElementType.Float64);
        var (k, t) = (call.Source(new Op.Iota(count)).Unsqueeze(1), call.Source(new Op.Iota(used)));
        var angle = (k * t).Map(Functions.Modulo, call.Size(length)).Cast(ElementType.Float64) * (2 * Math.PI) / n;
        var scale = inverse ? 1 / n : n.Scalar(1);
        // Each term but the first and the middle one stands for two.
        if (isHalf)
            scale *= (t > 0 & !(t * 2).EqualTo(call.Size(length))).Select(n.Scalar(2), n.Scalar(1));
        var letters = string.Concat(Enumerable.Range(0, real.Rank).Select(i => i == axis ? 't' : (char)('A' + i)));
        Term Times(Term x, Term matrix) => x.Slice(axis, 0, used).Contract($"{letters},kt->{letters.Replace('t', 'k')}", (matrix * scale).Cast(x.Element));
        var (cosine, sine) = (angle.Map(Functions.Cos), angle.Map(Functions.Sin) * (inverse ? 1 : -1));
        return imaginary is { } other
            ? (Times(real, cosine) - Times(other, sine), Times(real, sine) + Times(other, cosine))
            : (Times(real, cosine), Times(real, sine));
    }

    [Operator("STFT", since: 17)]
    static Term ShortFourier(OnnxCall call, Term signal, Term frameStep, Term? window, Term? frameLength, bool onesided = true)
    {
        var step = (int)Axes.Numbers(frameStep, "the steps between frames")[0];
        var size = frameLength is { } length ? Axes.Numbers(length, "the lengths of frames")[0]
            : window?.Shape[0].Value ?? throw new SoftmodelException("the length of frames must be known at build time");
        Term Frames(int part)
        {
            var frames = (signal.Rank == 3 ? Part(signal, part) : signal).Apply(new Op.Unfold(1, checked((int)size), step, 1));
            return window is { } shape ? frames * shape : frames;
        }
        var isReal = signal.Rank == 2 || signal.Shape[2].Value == 1;
        var (real, imaginary) = Fourier(call, Frames(0), isReal ? null : Frames(1), 2, size, onesided ? size / 2 + 1 : size, false, false);
        return real.Unsqueeze(3).Concat(3, imaginary.Unsqueeze(3));
    }

    [Operator("MelWeightMatrix", since: 17)]
    static Term MelWeightMatrix(OnnxCall call, Term numMelBins, Term dftLength, Term sampleRate, Term lowerEdgeHertz, Term upperEdgeHertz, ElementType outputDatatype = ElementType.Float32)
    {
        static Term Real(Term x) => x.Reshape(Shape.Scalar).Cast(ElementType.Float64);
        static Term Mel(Term hertz) => (hertz / 700 + 1).Map(Functions.Log) * (2595 / Math.Log(10));
        var bands = Count(numMelBins);
        var (low, high) = (Mel(Real(lowerEdgeHertz)), Mel(Real(upperEdgeHertz)));
        var step = (high - low) / (call.Size(bands) + 2).Cast(ElementType.Float64);
        var hertz = (((call.Source(new Op.Iota(bands + 2)).Cast(ElementType.Float64) * step + low) * (Math.Log(10) / 2595)).Map(Functions.Exp) - 1) * 700;
        var edge = ((Real(dftLength) + 1) * hertz / Real(sampleRate)).Map(Functions.Floor);
        Term Edge(int i) => edge.Slice(0, i, bands);
        var (lower, centre, upper) = (Edge(0), Edge(1), Edge(2));
        var bin = call.Source(new Op.Iota(Dim.FloorDiv(Count(dftLength), 2) + 1)).Cast(ElementType.Float64).Unsqueeze(1);
        var rising = lower.EqualTo(centre).Select(bin.Scalar(1), (bin - lower) / (centre - lower));
        var falling = (upper - bin) / (upper - centre);
        var weight = (bin >= lower & bin <= centre).Select(rising, (bin > centre & bin < upper).Select(falling, bin.Scalar(0)));
        return Elementwise.To(weight, outputDatatype);
    }
}
