using System.Runtime.Intrinsics;

namespace Softmodel.Runtime;

/// <summary>Weights of fast convolutions (Toom-Cook, Winograd).</summary>
public static unsafe class ToomCook
{
    /// <summary>
    /// Evaluates kernels at points. Weights lie in panels of up to <paramref name="panel"/> rows,
    /// <c>[panel][channel][tap][row]</c>; the result is <c>[point][panel][channel][chunk][row]</c>, a chunk being as many taps
    /// as the outputs of a tile, or all taps where there is one chunk.
    /// </summary>
    /// <param name="weights">The first weight.</param>
    /// <param name="rows">The number of rows, which are output channels.</param>
    /// <param name="channels">The number of input channels.</param>
    /// <param name="taps">The number of taps.</param>
    /// <param name="panel">The number of rows in a whole panel.</param>
    /// <param name="points">The number of points.</param>
    /// <param name="chunk">The number of taps in a chunk.</param>
    /// <param name="matrix">What a tap counts at a point, <c>[points][chunk]</c>.</param>
    /// <param name="result">Room for points · rows · channels · ⌈taps / chunk⌉ numbers.</param>
    public static void Evaluate(float* weights, long rows, long channels, int taps, int panel, int points, int chunk, ReadOnlySpan<float> matrix, float* result)
    {
        var chunks = (taps + chunk - 1) / chunk;
        var point = rows * channels * chunks;
        for (var top = 0L; top < rows; top += panel)
        {
            var height = (int)Math.Min(panel, rows - top);
            for (var channel = 0L; channel < channels; channel++, weights += taps * height)
            {
                for (var p = 0; p < points; p++)
                {
                    for (var c = 0; c < chunks; c++)
                    {
                        var to = result + p * point + (top * channels + channel * height) * chunks + c * height;
                        Sum(weights + c * chunk * height, Math.Min(chunk, taps - c * chunk), height, matrix.Slice(p * chunk, chunk), to);
                    }
                }
            }
        }
    }

    /// <summary>The taps of each row, weighed: in the same order for every width of vectors, so that the same bits come out.</summary>
    static void Sum(float* taps, int count, int height, ReadOnlySpan<float> by, float* to)
    {
        var row = 0;
        for (; row <= height - 8; row += 8)
        {
            var sum = Vector256<float>.Zero;
            for (var t = 0; t < count; t++)
                sum += Vector256.Load(taps + t * height + row) * Vector256.Create(by[t]);
            sum.Store(to + row);
        }
        for (; row <= height - 4; row += 4)
        {
            var sum = Vector128<float>.Zero;
            for (var t = 0; t < count; t++)
                sum += Vector128.Load(taps + t * height + row) * Vector128.Create(by[t]);
            sum.Store(to + row);
        }
        for (; row < height; row++)
        {
            var sum = 0f;
            for (var t = 0; t < count; t++)
                sum += by[t] * taps[t * height + row];
            to[row] = sum;
        }
    }
}
