using Softmodel.Graphs;

namespace Softmodel.Learn;

/// <summary>The gradients of convolutions: convolutions with the operands in other places.</summary>
static class Convolutions
{
    /// <summary>The gradients of a convolution by x and by its weights.</summary>
    public static Term?[] Gradients(Op.Convolve op, BackwardStep step)
    {
        var (x, w, d) = (step.X[0], step.X[1], step.D);
        return [step.IsWanted[0] ? ByInput(op, x, w, d) : null, step.IsWanted[1] ? ByWeights(op.Strides, op.Dilations, op.Low, op.High, op.Groups, x, d, w.Shape) : null];
    }

    /// <summary>The gradients of a transposed convolution by x and by its weights.</summary>
    public static Term?[] Gradients(Op.ConvolveTransposed op, BackwardStep step)
    {
        var (x, w, d) = (step.X[0], step.X[1], step.D);
        EquatableArray<int> high = op.High.Select((h, i) => h - op.Extra[i]).ToEquatable();
        return [step.IsWanted[0] ? Around(d, op.Low, high).Apply(new Op.Convolve(op.Strides, op.Dilations, Zero(op.Low), Zero(op.Low), op.Groups), w) : null,
            step.IsWanted[1] ? ByWeights(op.Strides, op.Dilations, op.Low, high, op.Groups, d, x, w.Shape) : null];
    }

    static EquatableArray<int> Zero(EquatableArray<int> like) => like.Select(_ => 0).ToEquatable();

    static Term Around(Term x, EquatableArray<int> low, EquatableArray<int> high) =>
        x.Pad([0, 0, .. low.Select(p => (Dim)p)], [0, 0, .. high.Select(p => (Dim)p)]);

    static Term ByInput(Op.Convolve op, Term x, Term w, Term d)
    {
        if (op.Strides.Any(s => s > 1) && op.Dilations.All(n => n == 1) && w.Shape.Dims.Skip(2).All(k => k.IsKnown))
            return ByPhases(op, x, w, d);
        // What the last window leaves over at the end of an axis is reached by nothing.
        Dim Rest(int i) => Dim.Mod(x.Shape[i + 2] + op.Low[i] + op.High[i] - ((w.Shape[i + 2] - 1) * op.Dilations[i] + 1), op.Strides[i]);
        Dim[] rests = [.. op.Strides.Select((_, i) => Rest(i))];
        if (rests.All(r => r.IsKnown) && op.Low.Concat(op.High).All(p => p >= 0))
            return d.Apply(new Op.ConvolveTransposed(op.Strides, op.Dilations, op.Low, op.High, rests.Select(r => (int)r.Value!.Value).ToEquatable(), op.Groups), w);
        var all = d.Apply(new Op.ConvolveTransposed(op.Strides, op.Dilations, Zero(op.Low), Zero(op.Low), Zero(op.Low), op.Groups), w);
        return all.Pad([0, 0, .. op.Low.Select(p => (Dim)(-p))], [0, 0, .. rests.Select((r, i) => r - op.High[i])]);
    }

    /// <summary>
    /// The gradient of a convolution with strides by x: a convolution for each position modulo the strides, whose results are then
    /// interleaved, so that each is written where the next of its row belongs.
    /// </summary>
    static Term ByPhases(Op.Convolve op, Term x, Term w, Term d)
    {
        var spatial = op.Strides.Count;
        int[] kernel = [.. w.Shape.Dims.Skip(2).Select(k => (int)k.Value!.Value)], blocks = [.. kernel.Select((k, i) => (k + op.Strides[i] - 1) / op.Strides[i])];
        var (inputs, outputs) = (w.Shape[1], Dim.FloorDiv(w.Shape[0], op.Groups));
        // Weights of x's channels by those of a group of the result.
        var turned = w.Reshape(new([op.Groups, outputs, .. w.Shape.Dims.Skip(1)])).Transpose([0, 2, 1, .. Enumerable.Range(3, spatial)]).Reshape(new([inputs * op.Groups, outputs, .. w.Shape.Dims.Skip(2)]));
        var length = d.Shape.Dims.Skip(2).Select((o, i) => o + (blocks[i] - 1)).ToArray();
        var all = Interleaved([]).Reshape(new([x.Shape[0], x.Shape[1], .. length.Select((l, i) => l * op.Strides[i])]));
        return all.Pad([0, 0, .. op.Low.Select(p => (Dim)(-p))], [0, 0, .. op.Low.Select((p, i) => x.Shape[i + 2] + p - length[i] * op.Strides[i])]);

        // The phases along each axis lie along a new one after it.
        Term Interleaved(int[] phase)
        {
            if (phase.Length == spatial)
                return Phase(phase);
            var axis = phase.Length;
            Term[] parts = [.. Enumerable.Range(0, op.Strides[axis]).Select(p => Interleaved([.. phase, p]))];
            // The axes further in have their phases behind them already.
            return parts.Length == 1 ? parts[0].Unsqueeze(3 + axis) : parts[0].Unsqueeze(3 + axis).Concat(3 + axis, [.. parts[1..].Select(z => z.Unsqueeze(3 + axis))]);
        }

        Term Phase(int[] phase)
        {
            int[] taps = [.. kernel.Select((k, i) => (k - phase[i] + op.Strides[i] - 1) / op.Strides[i])];
            var shape = new Shape([x.Shape[0], x.Shape[1], .. length]);
            if (taps.Any(t => t <= 0))
                return Adjoints.Zeros(d, shape);
            var chosen = turned.Apply(new Op.Slice(
                [0, 0, .. taps.Select((t, i) => (Dim)(phase[i] + (t - 1) * op.Strides[i]))], [turned.Shape[0], turned.Shape[1], .. taps.Select(t => (Dim)t)], [1, 1, .. op.Strides.Select(s => -s)]));
            EquatableArray<int> around = taps.Select(t => t - 1).ToEquatable(), ones = taps.Select(_ => 1).ToEquatable();
            return d.Apply(new Op.Convolve(ones, ones, around, around, op.Groups), chosen).Pad(shape.Dims.Select(_ => Dim.Zero).ToEquatable(), [0, 0, .. taps.Select((t, i) => (Dim)(blocks[i] - t))]);
        }
    }

    /// <summary>Sums over all windows of what is in them times what has reached (or, transposed, came of) their place.</summary>
    /// <param name="strides">From one window to the next.</param>
    /// <param name="dilations">From one element of a window to the next.</param>
    /// <param name="low">Zeros before each axis.</param>
    /// <param name="high">Zeros after it.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="wide">What windows are in, [N, channels, ...].</param>
    /// <param name="places">An element for each window, [N, channels, ...].</param>
    /// <param name="weights">The shape of the weights: of places' channels by those of a group of wide.</param>
    static Term ByWeights(EquatableArray<int> strides, EquatableArray<int> dilations, EquatableArray<int> low, EquatableArray<int> high, int groups, Term wide, Term places, Shape weights)
    {
        var spatial = strides.Count;
        // With the channels last, a tap is a product of two matrices whose rows lie as it reads them.
        int[] channelsLast = [0, .. Enumerable.Range(2, spatial), 1];
        var windows = wide.Transpose(channelsLast).Pad([0, .. low.Select(p => (Dim)p), 0], [0, .. high.Select(p => (Dim)p), 0]);
        for (var i = 0; i < spatial; i++)
        {
            if (weights[i + 2].Value is not { } kernel)
                throw new SoftmodelException($"the weights of a convolution are {weights}: the gradient needs a kernel whose size is known at build time");
            var unfolded = windows.Apply(new Op.Unfold(i + 1, (int)kernel, strides[i], dilations[i]));
            windows = unfolded.Reshape(unfolded.Shape.With(i + 1, places.Shape[i + 2]));
        }
        Term Grouped(Term x) => groups == 1 ? x : x.Reshape(new([.. x.Shape.Dims.Take(spatial + 1), groups, Dim.FloorDiv(x.Shape[spatial + 1], groups), .. x.Shape.Dims.Skip(spatial + 2)]));
        var (at, kernels, group) = ("uvwxyz"[..spatial], "klmopq"[..spatial], groups == 1 ? "" : "g");
        // Sums of many terms are taken of one picture at a time: what they read stays in the cache.
        var isSplit = Dim.Product(places.Shape.Dims.Skip(2)).Value >= LongSum && weights.Count.Value * places.Shape[0].Value <= MostPartial;
        var sums = Grouped(windows).Contract($"n{at}{group}c{kernels},n{at}{group}d->{(isSplit ? "n" : "")}{kernels}{group}dc", Grouped(places.Transpose(channelsLast)));
        if (isSplit)
            sums = sums.Reduce(Reduction.Sum, [0]);
        int[] inOrder = [.. Enumerable.Range(spatial, sums.Rank - spatial), .. Enumerable.Range(0, spatial)];
        return sums.Transpose(inOrder).Reshape(weights);
    }

    // Terms of a sum, and elements of all partial sums together.
    const long LongSum = 256, MostPartial = 1 << 22;
}
