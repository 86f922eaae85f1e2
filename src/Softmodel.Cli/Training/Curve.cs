using Softmodel.Learn;

namespace Softmodel.Cli.Training;

/// <summary>A curve of losses as text.</summary>
static class Curve
{
    const string Eighths = " ▁▂▃▄▅▆▇█";

    /// <summary>Lines of a chart: each column is as high as the mean loss of as many steps, from 0, or the least where it is negative, to the largest.</summary>
    /// <param name="points">The losses.</param>
    /// <param name="width">How many columns at most.</param>
    /// <param name="height">How many lines.</param>
    public static IReadOnlyList<string> Lines(IReadOnlyList<TrainingPoint> points, int width, int height)
    {
        if (points.Count == 0)
            return [];
        var count = Math.Min(width, points.Count);
        double[] columns = [.. Enumerable.Range(0, count).Select(c => points.Skip((int)((long)c * points.Count / count)).Take((int)((long)(c + 1) * points.Count / count - (long)c * points.Count / count)).Average(p => p.Loss))];
        var (least, most) = (Math.Min(0, columns.Min()), columns.Max());
        int[] eighths = [.. columns.Select(c => most > least ? 1 + (int)Math.Round((c - least) / (most - least) * (8 * height - 1)) : 1)];
        return [.. Enumerable.Range(0, height).Select(line => string.Concat(eighths.Select(e => Eighths[Math.Clamp(e - 8 * (height - 1 - line), 0, 8)]))
            + (line == 0 ? $" {most:0.000}" : line == height - 1 ? $" {least:0.000}" : ""))];
    }
}
