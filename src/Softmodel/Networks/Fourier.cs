using Softmodel.Graphs;

namespace Softmodel.Networks;

/// <summary>
/// Discrete Fourier transforms of real signals as contractions with constants: of a length a · b, a · b · (a + b) products
/// rather than a · b · a · b. Any length will do; a and b should be small.
/// </summary>
/// <remarks>Cooley, Tukey: An algorithm for the machine calculation of complex Fourier series (1965), with two factors, whose twiddle factors are multiplied into the second one's matrices.</remarks>
public static class Fourier
{
    /// <summary>The transform along the last axis, of frequencies from 0 to half the length.</summary>
    /// <param name="x">[..., n], n known.</param>
    /// <returns>[..., 2, n / 2 + 1]: real parts, and imaginary ones.</returns>
    public static Term Transform(Term x) => InOrder(Columns(x, null), Known(x.Shape.Dims[^1]));

    /// <summary>
    /// The same, with signals side by side, so that both contractions take vectors of them: [a, 2, b / 2 + 1, ...] has frequency
    /// k + a m at [k, :, m], and zeros where that is more than half of the length, a times b.
    /// </summary>
    /// <param name="x">[..., n], n known.</param>
    /// <param name="window">What the elements of a signal are multiplied by; null for nothing.</param>
    internal static Term Columns(Term x, Tensor? window)
    {
        var (n, lead) = (Known(x.Shape.Dims[^1]), x.Shape.Dims.SkipLast(1).ToArray());
        var (a, b) = Factors(n);
        var letters = Letters(lead.Length);
        // Element b j + i is at [j, i].
        var signals = x.Reshape(new([.. lead, a, b])).Transpose([lead.Length, lead.Length + 1, .. Enumerable.Range(0, lead.Length)]);
        var partly = window is null ? signals.Contract($"ji{letters},jkc->kci{letters}", x.Constant(First(a))) : signals.Contract($"ji{letters},ijkc->kci{letters}", x.Constant(First(a, b, window)));
        return partly.Contract($"kci{letters},kcidm->kdm{letters}", x.Constant(Second(a, b, k => k > n / 2 ? 0 : 1)));
    }

    /// <summary>What <see cref="Columns"/> gives of signals of a length, in the order of <see cref="Transform"/>.</summary>
    static Term InOrder(Term columns, int n)
    {
        var lead = columns.Rank - 3;
        var moved = columns.Transpose([.. Enumerable.Range(3, lead), 1, 2, 0]);
        return moved.Reshape(new([.. moved.Shape.Dims.SkipLast(2), moved.Shape.Dims[^2] * moved.Shape.Dims[^1]])).Slice(lead + 1, 0, n / 2 + 1);
    }

    /// <summary>The real signal whose <see cref="Transform"/> this is; imaginary parts of frequency 0 and of half an even length count nothing.</summary>
    /// <param name="spectrum">[..., 2, n / 2 + 1].</param>
    /// <param name="n">How many elements it has.</param>
    /// <returns>[..., n].</returns>
    public static Term Inverse(Term spectrum, int n) => Inverse(spectrum, n, null);

    static Term Inverse(Term spectrum, int n, Tensor? window)
    {
        if (Known(spectrum.Shape.Dims[^1]) != n / 2 + 1)
            throw new SoftmodelException($"a transform of {n} numbers has {n / 2 + 1} frequencies, and not {spectrum.Shape.Dims[^1]}");
        var lead = spectrum.Shape.Dims.SkipLast(2).ToArray();
        var (a, b) = Factors(n);
        var (count, letters) = (lead.Length, Letters(lead.Length));
        var all = Padded(spectrum, count + 1, 0, (b / 2 + 1) * a - (n / 2 + 1)).Reshape(new([.. lead, 2, b / 2 + 1, a])).Transpose([count + 2, count, count + 1, .. Enumerable.Range(0, count)]);
        // Those between stand for their conjugates, too.
        var partly = all.Contract($"kdm{letters},kcidm->kci{letters}", spectrum.Constant(Second(a, b, k => (k > n / 2 ? 0 : k == 0 || 2 * k == n ? 1 : 2) / (double)n)));
        var signals = window is null ? partly.Contract($"kci{letters},jkc->ji{letters}", spectrum.Constant(First(a))) : partly.Contract($"kci{letters},ijkc->ji{letters}", spectrum.Constant(First(a, b, window)));
        return signals.Transpose([.. Enumerable.Range(2, count), 0, 1]).Reshape(new([.. lead, n]));
    }

    /// <summary>The transforms of windows of a signal (STFT).</summary>
    /// <param name="x">[..., samples].</param>
    /// <param name="window">What each window is multiplied by; as many numbers as it has samples.</param>
    /// <param name="hop">From one window to the next.</param>
    /// <returns>[..., windows, 2, frequencies]: real parts, and imaginary ones.</returns>
    public static Term ShortTime(Term x, Tensor window, int hop) => InOrder(ShortTimeColumns(x, window, hop), (int)window.Count);

    /// <summary>The same as <see cref="Columns"/> has it, [a, 2, b / 2 + 1, ..., windows].</summary>
    internal static Term ShortTimeColumns(Term x, Tensor window, int hop) => Columns(x.Apply(new Op.Unfold(x.Rank - 1, (int)window.Count, hop, 1)), window);

    /// <summary>A signal out of the transforms of its windows: each is transformed back, windows are added, and divided by what the window is there.</summary>
    /// <param name="spectrum">[..., windows, 2, frequencies].</param>
    /// <param name="window">What each window is multiplied by, also before it was transformed.</param>
    /// <param name="hop">From one window to the next.</param>
    /// <returns>[..., windows * hop]: as much is left out before the first window's middle as after the last one's.</returns>
    public static Term InverseShortTime(Term spectrum, Tensor window, int hop)
    {
        var (size, factor) = ((int)window.Count, spectrum.Constant(window));
        var frames = Inverse(spectrum, size, window);
        var weights = (factor * factor).Broadcast(new(frames.Shape.Dims[^2], size));
        Term Middle(Term windows)
        {
            var all = OverlapAdd(windows, windows.Rank - 2, hop);
            return all.Slice(all.Rank - 1, (size - hop) / 2, windows.Shape.Dims[^2] * hop);
        }
        return Middle(frames) / Middle(weights).Max(1e-11);
    }

    /// <summary>Squares of absolute values.</summary>
    /// <param name="spectrum">[..., 2, frequencies].</param>
    /// <returns>[..., frequencies].</returns>
    public static Term Power(Term spectrum) => (spectrum * spectrum).Reduce(Reduction.Sum, [spectrum.Rank - 2]);

    /// <summary>A window that rises and falls as a cosine, and begins anew after its length (periodic Hann window).</summary>
    /// <param name="size">How many samples it has.</param>
    public static Tensor Hann(int size) => Numbers([size], at => 0.5 - 0.5 * Math.Cos(2 * Math.PI * at[0] / size));

    /// <summary>Windows that lie over one another, added.</summary>
    /// <param name="windows">At <paramref name="axis"/> the windows, and at the axis after it their elements, of which there are a known number.</param>
    /// <param name="axis">Where the result has its elements.</param>
    /// <param name="stride">From one window to the next.</param>
    internal static Term OverlapAdd(Term windows, int axis, int stride)
    {
        var size = Known(windows.Shape[axis + 1]);
        var blocks = (size + stride - 1) / stride;
        // Windows are cut into blocks as long as the stride: the first blocks of all windows lie one after the other, and so do the second.
        var cut = Padded(windows, axis + 1, 0, blocks * stride - size).Reshape(new([.. windows.Shape.Dims.Take(axis + 1), blocks, stride, .. windows.Shape.Dims.Skip(axis + 2)]));
        Term? sum = null;
        for (var block = 0; block < blocks; block++)
        {
            var shifted = Padded(cut.Slice(axis + 1, block, 1).Squeeze(axis + 1), axis, block, blocks - 1 - block);
            sum = sum is { } there ? there + shifted : shifted;
        }
        Dim[] dims = [.. windows.Shape.Dims.Take(axis), (windows.Shape[axis] + (blocks - 1)) * stride, .. windows.Shape.Dims.Skip(axis + 2)];
        return Padded(sum!.Value.Reshape(new(dims.ToEquatable())), axis, 0, size - blocks * stride);
    }

    static Term Padded(Term x, int axis, Dim low, Dim high) => x.Pad(
        x.Shape.Dims.Select((_, i) => i == axis ? low : Dim.Zero).ToEquatable(), x.Shape.Dims.Select((_, i) => i == axis ? high : Dim.Zero).ToEquatable());

    /// <summary>[elements, frequencies, 2]: cosines, and sines the other way round.</summary>
    static Tensor First(int size) => Numbers([size, size, 2], at => Wave((long)at[0] * at[1], size, at[2] * Quarter));

    /// <summary>[i, elements, frequencies, 2]: the same, each times what a window has at b times the element and i.</summary>
    static Tensor First(int size, int b, Tensor window)
    {
        var factors = window.Values<float>().ToArray();
        return Numbers([b, size, size, 2], at => factors[b * at[1] + at[0]] * Wave((long)at[1] * at[2], size, at[3] * Quarter));
    }

    /// <summary>[k, 2, i, 2, m]: of a number's real and imaginary parts those of its product with what frequency k + a m is at i.</summary>
    static Tensor Second(int a, int b, Func<int, double> weight) => Numbers([a, 2, b, 2, b / 2 + 1], at => (at[0] + a * at[4]) is var frequency
        ? weight(frequency) * Wave((long)frequency * at[2], a * b, (at[3] - at[1]) * Quarter) : 0);

    // A cosine that is late by a quarter is a sine, and one that is early the negative of it.
    const double Quarter = Math.PI / 2;

    static double Wave(long at, int size, double early) => Math.Cos(2 * Math.PI * (at % size) / size + early);

    static Tensor Numbers(int[] dims, Func<int[], double> number)
    {
        var (numbers, at) = (new float[dims.Aggregate(1, (n, d) => n * d)], new int[dims.Length]);
        foreach (ref var element in numbers.AsSpan())
        {
            element = (float)number(at);
            for (var axis = dims.Length - 1; axis >= 0 && ++at[axis] == dims[axis]; axis--)
                at[axis] = 0;
        }
        return Tensor.Of<float>(numbers, [.. dims.Select(d => (long)d)]);
    }

    /// <summary>Two factors as near to one another as there are, the smaller one first.</summary>
    static (int, int) Factors(int n)
    {
        var a = Math.Max(1, (int)Math.Sqrt(n));
        while (n % a != 0)
            a--;
        return (a, n / a);
    }

    static string Letters(int count) => count <= 13 ? "nopqrstuvwxyz"[..count] : throw new SoftmodelException($"a transform of an operand with {count + 1} axes: 14 are the most");

    static int Known(Dim size) => (int)(size.Value ?? throw new SoftmodelException($"the length of a Fourier transform is {size}: it must be known when the network is written"));
}
