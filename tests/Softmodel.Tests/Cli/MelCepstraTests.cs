using Softmodel.Cli.Verify;
using Softmodel.Evaluate;

namespace Softmodel.Tests.Cli;

public sealed class MelCepstraTests
{
    const int Rate = 24000;

    /// <summary>Vowels of half a second: harmonics of a pitch, strong about two formants, with phases by chance.</summary>
    static float[] Speech(int seed, double pitch = 120, double loudness = 1, params (double First, double Second)[] vowels)
    {
        var random = new Random(seed);
        return [.. vowels.SelectMany(v =>
        {
            var harmonics = Enumerable.Range(1, 40).Select(n => (Step: 2 * Math.PI * n * pitch / Rate, Phase: random.NextDouble() * 2 * Math.PI, Power: Near(n * pitch, v.First) + Near(n * pitch, v.Second))).ToArray();
            return Enumerable.Range(0, Rate / 2).Select(i => (float)(loudness * harmonics.Sum(h => h.Power * Math.Sin(h.Step * i + h.Phase))));
        })];
        static double Near(double hertz, double formant) => 0.1 / (1 + Math.Pow((hertz - formant) / 150, 2));
    }

    static readonly (double, double) a = (730, 1090), i = (270, 2290), u = (300, 870);

    [Fact]
    public void The_same_sounds_with_other_phases_are_near_and_others_are_far()
    {
        var reference = Speech(1, vowels: [a, i]);
        double Far(float[] sound) => MelCepstra.Distortion(sound, reference, Rate);
        Assert.Equal(0, Far(reference));
        Assert.InRange(Far(Speech(2, vowels: [a, i])), 0.01, 1.5);
        // A frame of 25 ms more.
        Assert.InRange(Far([.. Speech(2, vowels: a)[..^600], .. Speech(2, vowels: i), .. Speech(2, vowels: i)[..600]]), 0.01, 1.5);
        float[] noise = [.. reference.Select((_, n) => (float)(0.3 * Math.Sin(n * n * 0.37)))];
        foreach (var (wrong, name) in new[] { (Speech(1, vowels: [a, u]), "another vowel"), (Speech(1, vowels: [i, a]), "another order"), (Speech(1, loudness: 0.5, vowels: [a, i]), "half as loud"),
            (new float[Rate], "silence"), (noise, "noise"), ([.. reference.Select(s => Math.Clamp(s, -0.1f, 0.1f))], "clipped") })
            Assert.True(Far(wrong) > 3, $"{name}: {Far(wrong)}");
        Assert.Equal(Agreement.Equal, Far([.. reference.Select(_ => float.NaN)]));
        Assert.Equal(Agreement.Equal, Far([]));
    }
}
