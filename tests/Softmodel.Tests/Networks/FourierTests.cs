using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Tests.Networks;

/// <summary>Fourier transforms beside their definition, and losses that are made of them.</summary>
public class FourierTests
{
    static float[] Random(int count, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
    }

    /// <summary>What terms are of some numbers, computed in double precision from constants of 32 bits.</summary>
    static double[] Values(Func<Term, Term> write, float[] numbers, params long[] dims)
    {
        var builder = new GraphBuilder("fourier", (_, _) => null);
        var y = write(new(builder, builder.Input("x", new(ElementType.Float32, Softmodel.Graphs.Shape.Of(dims)))));
        return Elements.Read<double>(Evaluator.Run(DoublePrecision.Of(builder.Build([y.Value])), [DoublePrecision.Of(Tensor.Of(numbers, dims))])[0]);
    }

    public static TheoryData<int> Lengths => [1, 2, 3, 4, 6, 7, 8, 9, 12, 15, 16, 25, 30, 60, 64, 77, 128, 1024];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void A_transform_is_the_sum_that_defines_it(int n)
    {
        var x = Random(2 * n);
        var all = Values(Fourier.Transform, x, 2, n);
        var bins = n / 2 + 1;
        for (var (line, at) = (0, 0); line < 2; line++)
        {
            for (var part = 0; part < 2; part++)
            {
                for (var k = 0; k < bins; k++, at++)
                {
                    var expected = Enumerable.Range(0, n).Sum(i => x[line * n + i] * Math.Cos(2 * Math.PI * ((long)i * k % n) / n + part * Math.PI / 2));
                    Assert.Equal(expected, all[at], 1e-6 * Math.Sqrt(n) * 4);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void The_inverse_gives_back_what_was_transformed(int n)
    {
        var x = Random(3 * n);
        var back = Values(t => Fourier.Inverse(Fourier.Transform(t), n), x, 3, n);
        Assert.All(x.Zip(back), p => Assert.Equal(p.First, p.Second, 1e-5));
    }

    [Theory]
    [InlineData(64, 16)]
    [InlineData(32, 16)]
    [InlineData(60, 20)]
    public void A_signal_comes_back_out_of_its_windows(int size, int hop)
    {
        var x = Random(2 * 400);
        var back = Values(t => Fourier.InverseShortTime(Fourier.ShortTime(t, Fourier.Hann(size), hop), Fourier.Hann(size), hop), x, 2, 400);
        var (windows, before) = ((400 - size) / hop + 1, (size - hop) / 2);
        Assert.Equal(2 * windows * hop, back.Length);
        for (var line = 0; line < 2; line++)
        {
            for (var i = 0; i < windows * hop; i++)
                Assert.Equal(x[line * 400 + before + i], back[line * windows * hop + i], 1e-4);
        }
    }

    [Fact]
    public void Another_number_of_frequencies_is_refused() =>
        Assert.Contains("16 numbers has 9 frequencies, and not 8", Assert.Throws<SoftmodelException>(() => Values(t => Fourier.Inverse(t, 16), Random(16), 2, 8)).Message);

    public static TheoryData<string> Sounds => ["stft", "mel", "inverse"];

    static Term Loss(string name, Term x, Term target) => name switch
    {
        "stft" => Losses.MultiResolutionStft(x, target, (32, 8), (48, 12)),
        "mel" => Losses.LogMel(x, target, 8000, 64, 16, 10),
        _ => Losses.L2(Fourier.InverseShortTime(Fourier.ShortTime(x, Fourier.Hann(32), 8), Fourier.Hann(32), 8), Fourier.InverseShortTime(Fourier.ShortTime(target, Fourier.Hann(32), 8), Fourier.Hann(32), 8)),
    };

    [Theory]
    [MemberData(nameof(Sounds))]
    public void Losses_of_sound_have_the_gradients_that_differences_say(string name)
    {
        var builder = new GraphBuilder("sound", (_, _) => null);
        Term Sound(string input) => new(builder, builder.Input(input, new(ElementType.Float32, new(2, 200))));
        var graph = builder.Build([Loss(name, Sound("x"), Sound("target")).Value]);
        var result = CentralDifferences.Of(graph, [Tensor.Of(Random(400, 2), 2, 200), Tensor.Of(Random(400, 3), 2, 200)], new(1), (_, _) => null)!;
        Assert.True(result.Error <= 1e-6, $"{result}");
    }

    [Theory]
    [MemberData(nameof(Sounds))]
    public void The_same_sound_costs_nothing(string name)
    {
        Assert.Equal(0, Values(x => Loss(name, x, x), Random(200), 1, 200)[0], 1e-9);
        Assert.True(Values(x => Loss(name, x, x * 0.5), Random(200), 1, 200)[0] > 0.01);
    }

    /// <summary>[windows][frequencies]: magnitudes of windows around every step's sample, as they are defined.</summary>
    static double[][] Magnitudes(float[] sound, int size, int hop)
    {
        double At(int i) => sound[i < 0 ? -i : i >= sound.Length ? 2 * (sound.Length - 1) - i : i];
        double[] Spectrum(int centre) => [.. Enumerable.Range(0, size / 2 + 1).Select(k =>
        {
            var parts = Enumerable.Range(0, size).Select(i => (At(centre - size / 2 + i) * (0.5 - 0.5 * Math.Cos(2 * Math.PI * i / size)), 2 * Math.PI * k * i / size)).ToArray();
            return Math.Max(1e-4, Math.Sqrt(Math.Pow(parts.Sum(p => p.Item1 * Math.Cos(p.Item2)), 2) + Math.Pow(parts.Sum(p => p.Item1 * Math.Sin(p.Item2)), 2)));
        })];
        return [.. Enumerable.Range(0, sound.Length / hop + 1).Select(w => Spectrum(w * hop))];
    }

    [Fact]
    public void Losses_of_sound_are_what_defines_them()
    {
        var (x, target) = (Random(200, 4), Random(200, 5));
        var pairs = new[] { (Size: 32, Hop: 8), (Size: 48, Hop: 12), (Size: 45, Hop: 15) };
        var expected = pairs.Average(r =>
        {
            var all = Magnitudes(x, r.Size, r.Hop).SelectMany(m => m).Zip(Magnitudes(target, r.Size, r.Hop).SelectMany(m => m)).ToArray();
            return Math.Sqrt(all.Sum(p => Math.Pow(p.Second - p.First, 2)) / all.Sum(p => p.Second * p.Second)) + all.Average(p => Math.Abs(Math.Log(p.First) - Math.Log(p.Second)));
        });
        Term Both(Term sounds, Func<Term, Term, Term> loss) => loss(sounds.Slice(0, 0, 1), sounds.Slice(0, 1, 1));
        Assert.Equal(expected, Values(t => Both(t, (a, b) => Losses.MultiResolutionStft(a, b, pairs)), [.. x, .. target], 2, 200)[0], 1e-6);

        static double Mel(double hertz) => 2595 * Math.Log10(1 + hertz / 700);
        double[] Bands(float[] sound) => [.. Magnitudes(sound, 64, 16).SelectMany(m => Enumerable.Range(1, 10).Select(band =>
            Math.Log(Math.Max(1e-4, m.Select((y, k) => y * Math.Max(0, 1 - Math.Abs(Mel(k * 8000.0 / 64) / Mel(4000) * 11 - band))).Sum()))))];
        Assert.Equal(Bands(x).Zip(Bands(target), (a, b) => Math.Abs(a - b)).Average(), Values(t => Both(t, (a, b) => Losses.LogMel(a, b, 8000, 64, 16, 10)), [.. x, .. target], 2, 200)[0], 1e-5);
    }
}
