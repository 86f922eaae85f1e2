using Softmodel.Graphs;

namespace Softmodel.Learn;

/// <summary>The gradients of convolutions: convolutions with the operands in other places.</summary>
static class Convolutions
{
    /// <summary>The gradients of a convolution by x and by its weights.</summary>
    public static Term?[] Gradients(Op.Convolve op, BackwardStep step)
    {
        var (x, w, d) = (step.X[0], step.X[1], step.D);
        return [step.IsWanted[0] ? ByInput(op, x, w, d) : null, step.IsWanted[1] ? ByWeights(op.Strides, op.Dilations, op.Low, op.High, op.Groups, x, d, w.Shape, swapped: false) : null];
    }

    /// <summary>The gradients of a transposed convolution by x and by its weights.</summary>
    public static Term?[] Gradients(Op.ConvolveTransposed op, BackwardStep step)
    {
        var (x, w, d) = (step.X[0], step.X[1], step.D);
        EquatableArray<int> high = op.High.Select((h, i) => h - op.Extra[i]).ToEquatable();
        return [step.IsWanted[0] ? Around(d, op.Low, high).Apply(new Op.Convolve(op.Strides, op.Dilations, Zero(op.Low), Zero(op.Low), op.Groups), w) : null,
            step.IsWanted[1] ? ByWeights(op.Strides, op.Dilations, op.Low, high, op.Groups, d, x, w.Shape, swapped: true) : null];
    }

    static EquatableArray<int> Zero(EquatableArray<int> like) => like.Select(_ => 0).ToEquatable();

    static Term Around(Term x, EquatableArray<int> low, EquatableArray<int> high) =>
        x.Pad([0, 0, .. low.Select(p => (Dim)p)], [0, 0, .. high.Select(p => (Dim)p)]);

    static Term ByInput(Op.Convolve op, Term x, Term w, Term d)
    {
        // What the last window leaves over at the end of an axis is reached by nothing.
        Dim Rest(int i) => Dim.Mod(x.Shape[i + 2] + op.Low[i] + op.High[i] - ((w.Shape[i + 2] - 1) * op.Dilations[i] + 1), op.Strides[i]);
        Dim[] rests = [.. op.Strides.Select((_, i) => Rest(i))];
        if (rests.All(r => r.IsKnown) && op.Low.Concat(op.High).All(p => p >= 0))
            return d.Apply(new Op.ConvolveTransposed(op.Strides, op.Dilations, op.Low, op.High, rests.Select(r => (int)r.Value!.Value).ToEquatable(), op.Groups), w);
        var all = d.Apply(new Op.ConvolveTransposed(op.Strides, op.Dilations, Zero(op.Low), Zero(op.Low), Zero(op.Low), op.Groups), w);
        return all.Pad([0, 0, .. op.Low.Select(p => (Dim)(-p))], [0, 0, .. rests.Select((r, i) => r - op.High[i])]);
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
    /// <param name="swapped">Whether the contraction's operands are in the other order.</param>
    static Term ByWeights(EquatableArray<int> strides, EquatableArray<int> dilations, EquatableArray<int> low, EquatableArray<int> high, int groups, Term wide, Term places, Shape weights, bool swapped)
    {
        var spatial = strides.Count;
        var windows = Around(wide, low, high);
        for (var i = 0; i < spatial; i++)
        {
            if (weights[i + 2].Value is not { } kernel)
                throw new SoftmodelException($"the weights of a convolution are {weights}: the gradient needs a kernel whose size is known at build time");
            var unfolded = windows.Apply(new Op.Unfold(i + 2, (int)kernel, strides[i], dilations[i]));
            windows = unfolded.Reshape(unfolded.Shape.With(i + 2, places.Shape[i + 2]));
        }
        Term Grouped(Term x) => groups == 1 ? x : x.Reshape(new([x.Shape[0], groups, Dim.FloorDiv(x.Shape[1], groups), .. x.Shape.Dims.Skip(2)]));
        var (at, kernels, group) = ("uvwxyz"[..spatial], "klmopq"[..spatial], groups == 1 ? "" : "g");
        var (inWindows, inPlaces, result) = ($"n{group}c{at}{kernels}", $"n{group}d{at}", $"{group}dc{kernels}");
        var (a, b) = (Grouped(windows), Grouped(places));
        var sums = swapped ? b.Contract($"{inPlaces},{inWindows}->{result}", a) : a.Contract($"{inWindows},{inPlaces}->{result}", b);
        return sums.Reshape(weights);
    }
}
