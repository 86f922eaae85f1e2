using System.Diagnostics;
using Softmodel.Cli.Baselines;
using Softmodel.Cli.Workloads;
using Softmodel.Emit;
using Softmodel.Runtime;

namespace Softmodel.Cli.Bench;

/// <summary>How the time to speak a text grows with its length when it is spoken sentence by sentence.</summary>
/// <param name="Model">The voice.</param>
/// <param name="Threads">How many threads computed.</param>
/// <param name="MsPerSecond">The slope of the line: milliseconds for a second of sound.</param>
/// <param name="InterceptMs">What the line says of no sound.</param>
/// <param name="RSquared">How much of the differences the line explains, 1 for all.</param>
/// <param name="MaxMemoryBytes">The most memory that the model computed in.</param>
/// <param name="PeakBytes">The most that the process held, with the compiler in it, its code and the model's weights.</param>
/// <param name="Points">Each text.</param>
sealed record Growth(string Model, int Threads, double MsPerSecond, double InterceptMs, double RSquared, long MaxMemoryBytes, long PeakBytes, Growth.Point[] Points)
{
    // About as many phonemes as a sentence has.
    const int Sentence = 60, Rounds = 3;

    /// <summary>One text.</summary>
    /// <param name="Name">How long it was meant to be.</param>
    /// <param name="AudioSeconds">How much sound it makes.</param>
    /// <param name="Milliseconds">How long it takes: the shortest of three, what else the machine does being no part of it.</param>
    /// <param name="MemoryBytes">The memory that the model computes in.</param>
    /// <param name="PeakBytes">The most that the process held meanwhile.</param>
    public readonly record struct Point(string Name, double AudioSeconds, double Milliseconds, long MemoryBytes, long PeakBytes);

    /// <summary>From half a second to five minutes.</summary>
    public static readonly double[] Lengths = [0.5, 1, 2, 5, 10, 20, 40, 80, 160, 300];

    /// <summary>Times texts of these lengths.</summary>
    /// <param name="name">The voice.</param>
    /// <param name="voice">The same, compiled.</param>
    /// <param name="targets">How long the texts are to last, in seconds.</param>
    /// <param name="progress">Is told how far it is.</param>
    /// <param name="cancel">Stops between two sentences.</param>
    /// <exception cref="SoftmodelException">It is no voice that is known here.</exception>
    public static Growth Measure(string name, CompiledModel voice, double[] targets, IProgress<string> progress, CancellationToken cancel)
    {
        var form = VoiceForm.Of(voice.Inputs.Select(i => i.Name)) ?? throw new SoftmodelException($"{name} is no voice that is known here: --lengths times voices");
        var names = voice.Inputs.Select(i => i.Name).ToArray();
        double Speak(Workload text)
        {
            cancel.ThrowIfCancellationRequested();
            voice.Time(text.For(names));
            return (double)voice.Output(0).Count / form.Rate;
        }
        progress.Report("seeing how long texts are");
        var texts = Enumerable.Range(1, Sentence).Select(n => form.Text(n)).Select(t => (Text: t, Seconds: Speak(t))).ToArray();
        var speeches = targets.Select(t => Speech(texts, t)).ToArray();
        var points = targets.Zip(speeches, (t, s) => new Point($"{t} s", Math.Round(s.Sum(u => u.Seconds), 3), double.MaxValue, 0, 0)).ToArray();
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = 0; i < targets.Length; i++)
            {
                progress.Report($"speaking {targets[i]} s, {round + 1} of {Rounds}");
                PeakMemory.Reset();
                var start = Stopwatch.GetTimestamp();
                foreach (var (text, _) in speeches[i])
                    Speak(text);
                var took = Math.Round(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 3);
                points[i] = points[i] with { Milliseconds = Math.Min(points[i].Milliseconds, took), MemoryBytes = voice.MemoryBytes, PeakBytes = Math.Max(points[i].PeakBytes, PeakMemory.Bytes) };
            }
        }
        var (slope, intercept, fit) = Line(points);
        return new(name, voice.Threads, Math.Round(slope, 3), Math.Round(intercept, 3), Math.Round(fit, 5), points.Max(p => p.MemoryBytes), points.Max(p => p.PeakBytes), points);
    }

    /// <summary>Sentences that last about as long together: whole ones, and a last one that fits best.</summary>
    static List<(Workload Text, double Seconds)> Speech((Workload Text, double Seconds)[] texts, double seconds)
    {
        var (speech, left) = (new List<(Workload, double)>(), seconds);
        for (; left > texts[^1].Seconds * 1.5; left -= texts[^1].Seconds)
            speech.Add(texts[^1]);
        speech.Add(texts.MinBy(t => Math.Abs(t.Seconds - left)));
        return speech;
    }

    static (double Slope, double Intercept, double RSquared) Line(Point[] points)
    {
        var (x, y) = (points.Average(p => p.AudioSeconds), points.Average(p => p.Milliseconds));
        var slope = points.Sum(p => (p.AudioSeconds - x) * (p.Milliseconds - y)) / points.Sum(p => (p.AudioSeconds - x) * (p.AudioSeconds - x));
        var intercept = y - slope * x;
        var rest = points.Sum(p => Math.Pow(p.Milliseconds - intercept - slope * p.AudioSeconds, 2));
        return (slope, intercept, 1 - rest / points.Sum(p => Math.Pow(p.Milliseconds - y, 2)));
    }

    /// <summary>Shows what was measured.</summary>
    public static void Show(Terminal terminal, IReadOnlyList<Growth> growths) => terminal.Result(new
    {
        against = (string?)null,
        summary = growths.Select(g => new
        {
            model = g.Model,
            threads = g.Threads,
            ms_per_audio_second = g.MsPerSecond,
            intercept_ms = g.InterceptMs,
            r_squared = g.RSquared,
            max_memory_bytes = g.MaxMemoryBytes,
            peak_bytes = g.PeakBytes,
        }),
        rows = growths.SelectMany(g => g.Points, (g, p) => new { model = g.Model, threads = g.Threads, @case = p.Name, audio_seconds = p.AudioSeconds, ours_ms = p.Milliseconds, memory_bytes = p.MemoryBytes, peak_bytes = p.PeakBytes }),
        machine = Machine.Here,
    }, () =>
    {
        var table = Text.Table("model", "threads", "sound", "time", "real-time factor", "memory");
        foreach (var growth in growths)
        {
            foreach (var point in growth.Points)
                table.Row(growth.Model, $"{growth.Threads}", $"{point.AudioSeconds:0.0} s", $"{point.Milliseconds:0.0} ms", $"{point.Milliseconds / point.AudioSeconds / 1000:0.0000}", Text.Size(point.MemoryBytes));
            table.Row(growth.Model, $"{growth.Threads}", "a second more", $"{growth.MsPerSecond:0.00} ms", $"R² {growth.RSquared:0.0000}", $"at most {Text.Size(growth.PeakBytes)}");
        }
        return table;
    });
}
