using System.Numerics.Tensors;
using NWaves.FeatureExtractors;
using NWaves.FeatureExtractors.Options;
using NWaves.Transforms;
using NWaves.Windows;
using Softmodel.Evaluate;

namespace Softmodel.Cli.Verify;

/// <summary>
/// How similar two sounds of a voice are to the ear, whatever the phases of their waves and however their sounds' lengths were
/// rounded: mel cepstral distortion with dynamic time warping (R. Kubichek, "Mel-cepstral distance measure for objective speech
/// quality assessment", 1993).
/// </summary>
static class MelCepstra
{
    // Frames of 25 ms, 5 ms apart; what lies 60 dB below the loudest band is not heard beside it.
    const double Frame = 0.025, Hop = 0.005, Floor = 1e-6;

    const int Bands = 40, Coefficients = 14;

    static readonly Dct2 cosines = new(Bands);

    /// <summary>The distance of two sounds, in decibels: the root mean square of what their smoothed log-mel spectra differ by, loudness among it.</summary>
    /// <param name="sound">The samples of one.</param>
    /// <param name="reference">The samples of the other; what is silent beside its loudest is silent in both.</param>
    /// <param name="rate">Samples in a second.</param>
    /// <returns>0 for the same sound; <see cref="Agreement.Equal"/> where one is shorter than a frame or has samples that are no numbers.</returns>
    public static double Distortion(float[] sound, float[] reference, int rate)
    {
        var (ours, its) = (Energies(sound, rate), Energies(reference, rate));
        if (ours.Count == 0 || its.Count == 0)
            return Agreement.Equal;
        var floor = Math.Max(float.Epsilon, its.Max(f => f.Max()) * Floor);
        var distance = Warped(Cepstra(ours, floor), Cepstra(its, floor)) * 10 / Math.Log(10) / Math.Sqrt(Bands);
        return double.IsFinite(distance) ? distance : Agreement.Equal;
    }

    static List<float[]> Energies(float[] sound, int rate) => sound.Length < rate * Frame ? []
        : new FilterbankExtractor(new FilterbankOptions { SamplingRate = rate, FrameDuration = Frame, HopDuration = Hop, FilterBankSize = Bands, Window = WindowType.Hann }).ComputeFrom(sound);

    static float[][] Cepstra(List<float[]> energies, double floor) => [.. energies.Select(bands =>
    {
        var cepstrum = new float[Bands];
        cosines.DirectNorm([.. bands.Select(e => (float)Math.Log(Math.Max(e, floor)))], cepstrum);
        return cepstrum[..Coefficients];
    })];

    /// <summary>The mean distance of the frames that belong together, with those that make its sum the least.</summary>
    static double Warped(float[][] a, float[][] b)
    {
        var row = new (double Sum, int Steps)[b.Length + 1];
        row.AsSpan(1).Fill((double.PositiveInfinity, 0));
        foreach (var frame in a)
        {
            var before = row;
            row = new (double, int)[b.Length + 1];
            row[0] = (double.PositiveInfinity, 0);
            for (var j = 1; j < row.Length; j++)
            {
                var (sum, steps) = Least(before[j - 1], Least(before[j], row[j - 1]));
                row[j] = (sum + TensorPrimitives.Distance(frame, b[j - 1]), steps + 1);
            }
        }
        return row[^1].Sum / row[^1].Steps;
        static (double Sum, int Steps) Least((double Sum, int Steps) one, (double Sum, int Steps) other) => other.Sum < one.Sum ? other : one;
    }
}
