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
}
