using Softmodel.Graphs;
using Softmodel.Networks;

namespace Softmodel.Learn;

/// <summary>What training makes small: scalars. Means are over all elements, or over those that count.</summary>
public static class Losses
{
    static int[] All(Term x) => [.. Enumerable.Range(0, x.Rank)];

    /// <summary>The mean of all elements; of those that count, where it is said which.</summary>
    /// <param name="x">The elements.</param>
    /// <param name="counts">How much each counts, of a shape that is broadcast to theirs; null where all count the same.</param>
    public static Term MeanOf(Term x, Term? counts = null)
    {
        if (counts is not { } weights)
            return x.Mean(All(x)).Reshape(Shape.Scalar);
        weights = weights.Cast(x.Element).Broadcast(x.Shape);
        return (x * weights).Reduce(Reduction.Sum, All(x)) / weights.Reduce(Reduction.Sum, All(x)).Max(1e-20);
    }

    /// <summary>The cross entropy of classes: how surprised the logits are, in nats.</summary>
    /// <param name="logits">[..., classes].</param>
    /// <param name="labels">[...]: numbers of classes.</param>
    /// <param name="counts">How much each label counts, [...]; null where all count the same.</param>
    public static Term CrossEntropy(Term logits, Term labels, Term? counts = null)
    {
        var last = logits.Rank - 1;
        var chosen = logits.Apply(new Op.GatherElements(last), labels.Unsqueeze(last));
        return MeanOf((logits.LogSumExp(last) - chosen).Squeeze(last), counts);
    }

    /// <summary>The Kullback-Leibler divergence of a student from its teacher, in nats, times the square of the temperature.</summary>
    /// <param name="student">The student's logits, [..., classes].</param>
    /// <param name="teacher">The teacher's logits, of the same shape.</param>
    /// <param name="temperature">What both are divided by.</param>
    /// <param name="counts">How much each row counts, [...]; null where all count the same.</param>
    /// <remarks>Hinton, Vinyals, Dean: Distilling the knowledge in a neural network (2015), section 2.</remarks>
    public static Term KullbackLeibler(Term student, Term teacher, double temperature = 1, Term? counts = null)
    {
        var last = student.Rank - 1;
        var (ours, theirs) = ((student / temperature).LogSoftmax(last), (teacher / temperature).LogSoftmax(last));
        return MeanOf((theirs.Map(Functions.Exp) * (theirs - ours)).Reduce(Reduction.Sum, [last]), counts) * (temperature * temperature);
    }

    /// <summary>The mean absolute difference.</summary>
    public static Term L1(Term x, Term target, Term? counts = null) => MeanOf((x - target).Map(Functions.Abs), counts);

    /// <summary>The mean squared difference.</summary>
    public static Term L2(Term x, Term target, Term? counts = null)
    {
        var difference = x - target;
        return MeanOf(difference * difference, counts);
    }

    /// <summary>1 less the cosine similarity along the last axis, on average.</summary>
    public static Term Cosine(Term x, Term target, Term? counts = null)
    {
        int[] last = [x.Rank - 1];
        Term Dot(Term a, Term b) => (a * b).Reduce(Reduction.Sum, last);
        return MeanOf(1 - Dot(x, target) / (Dot(x, x) * Dot(target, target)).Max(1e-16).Map(Functions.Sqrt), counts);
    }

    /// <summary>How far spectra of several resolutions are apart: the mean over these of what magnitudes differ by, as a part of the target's, and of what their logarithms do.</summary>
    /// <param name="x">Sound, [..., samples].</param>
    /// <param name="target">What it should be, of the same shape.</param>
    /// <param name="resolutions">The sizes of windows, in samples, with the steps from one to the next.</param>
    /// <remarks>Yamamoto, Song, Kim: Parallel WaveGAN (2019), section 2.2.</remarks>
    public static Term MultiResolutionStft(Term x, Term target, params IReadOnlyList<(int Size, int Hop)> resolutions)
    {
        var sum = resolutions.Select(r =>
        {
            var (ours, theirs) = (Magnitudes(x, r.Size, r.Hop), Magnitudes(target, r.Size, r.Hop));
            // Beyond half of the length there are none, and both are the same.
            var (places, frequencies) = ((double)(ours.Shape[0] * ours.Shape[1]).Value!.Value, r.Size / 2 + 1);
            Term Squares(Term y) => (y * y).Reduce(Reduction.Sum, All(y));
            var isThere = ByFrequency(theirs, 1, (k, _) => k < frequencies ? 1 : 0).Squeeze(2);
            return (Squares(theirs - ours) / Squares(theirs * isThere.Unsqueeze([.. Enumerable.Range(2, theirs.Rank - 2)]))).Map(Functions.Sqrt)
                + L1(ours.Map(Functions.Log), theirs.Map(Functions.Log)) * (places / frequencies);
        }).Aggregate((a, b) => a + b);
        return sum * (1.0 / resolutions.Count);
    }

    /// <summary>The mean absolute difference of the logarithms of mel spectra.</summary>
    /// <param name="x">Sound, [..., samples].</param>
    /// <param name="target">What it should be, of the same shape.</param>
    /// <param name="rate">The sample rate, in Hz.</param>
    /// <param name="size">The size of a window, in samples.</param>
    /// <param name="hop">The step from one window to the next.</param>
    /// <param name="bands">How many bands there are, from 0 Hz to half the rate.</param>
    public static Term LogMel(Term x, Term target, double rate, int size = 1024, int hop = 256, int bands = 80)
    {
        Term Mel(Term sound)
        {
            var magnitudes = Magnitudes(sound, size, hop);
            var letters = "nopqrstuvwxyz"[..(magnitudes.Rank - 2)];
            return magnitudes.Contract($"km{letters},kmb->b{letters}", ByFrequency(magnitudes, bands, MelFilter(rate, size, bands))).Max(Least).Map(Functions.Log);
        }
        return L1(Mel(x), Mel(target));
    }

    // A magnitude below counts as this: its logarithm, and the root's slope, would be infinite at 0.
    const double Least = 1e-4;

    /// <summary>Of windows around every step's sample, the sound mirrored at its ends, as <see cref="Fourier.Columns"/> has frequencies: [a, b / 2 + 1, ..., windows].</summary>
    static Term Magnitudes(Term x, int size, int hop)
    {
        EquatableArray<Dim> half = Enumerable.Range(0, x.Rank).Select(i => (Dim)(i == x.Rank - 1 ? size / 2 : 0)).ToEquatable();
        var columns = Fourier.ShortTimeColumns(x.Apply(new Op.Pad(Padding.Reflect, half, half)), Fourier.Hann(size), hop);
        return (columns * columns).Reduce(Reduction.Sum, [1]).Max(Least * Least).Map(Functions.Sqrt);
    }

    /// <summary>[a, b / 2 + 1, count]: numbers for each of the frequencies that magnitudes have.</summary>
    static Term ByFrequency(Term magnitudes, int count, Func<int, int, double> number)
    {
        var (a, rest) = ((int)magnitudes.Shape[0].Value!.Value, (int)magnitudes.Shape[1].Value!.Value);
        return magnitudes.Constant(Tensor.Of<float>([.. from k in Enumerable.Range(0, a) from m in Enumerable.Range(0, rest) from i in Enumerable.Range(0, count) select (float)number(k + a * m, i)], a, rest, count));
    }

    /// <summary>How much of a frequency a band has: triangles from one band's centre to the next but one, which are evenly spread in mel.</summary>
    static Func<int, int, double> MelFilter(double rate, int size, int bands)
    {
        static double Mel(double hertz) => 2595 * Math.Log10(1 + hertz / 700);
        return (k, band) => k > size / 2 ? 0 : Math.Max(0, 1 - Math.Abs(Mel(k * rate / size) / Mel(rate / 2) * (bands + 1) - (band + 1)));
    }

    /// <summary>The hinge loss of scores that should be above 1, or below -1.</summary>
    /// <param name="scores">A discriminator's scores.</param>
    /// <param name="isTrue">Whether they should be above 1.</param>
    public static Term Hinge(Term scores, bool isTrue) => MeanOf((isTrue ? 1 - scores : scores + 1).Max(0));

    /// <summary>What a generator makes small so that a discriminator's scores become large.</summary>
    public static Term Adversarial(Term scores) => -MeanOf(scores);
}
