using Softmodel.Runtime;

namespace Softmodel.Tests.Runtime;

public unsafe class ToomCookTests
{
    [Theory]
    [InlineData(16, 3, 3)]
    [InlineData(12, 3, 5)]
    [InlineData(29, 2, 7)]
    [InlineData(5, 1, 2)]
    [InlineData(1, 4, 3)]
    public void Evaluated_weights_are_the_sums_of_their_taps(int rows, int channels, int taps)
    {
        const int panel = 16, points = 6, chunk = 3;
        var chunks = (taps + chunk - 1) / chunk;
        var random = new Random(rows);
        var weights = Enumerable.Range(0, rows * channels * taps).Select(_ => random.NextSingle() - 0.5f).ToArray();
        var matrix = Enumerable.Range(0, points * chunk).Select(_ => random.NextSingle()).ToArray();
        var result = new float[points * rows * channels * chunks + 1];
        result[^1] = 7;
        fixed (float* from = weights, to = result)
            ToomCook.Evaluate(from, rows, channels, taps, panel, points, chunk, matrix, to);
        Assert.Equal(7, result[^1]);
        for (var row = 0; row < rows; row++)
        {
            var (top, height) = (row / panel * panel, Math.Min(panel, rows - row / panel * panel));
            for (var channel = 0; channel < channels; channel++)
            {
                for (var (p, c) = (0, 0); p < points; (p, c) = c + 1 < chunks ? (p, c + 1) : (p + 1, 0))
                {
                    var expected = 0f;
                    for (var t = 0; t < chunk && c * chunk + t < taps; t++)
                        expected += matrix[p * chunk + t] * weights[top * channels * taps + (channel * taps + c * chunk + t) * height + row - top];
                    Assert.Equal(expected, result[p * rows * channels * chunks + (top * channels + channel * height) * chunks + c * height + row - top]);
                }
            }
        }
    }
}
