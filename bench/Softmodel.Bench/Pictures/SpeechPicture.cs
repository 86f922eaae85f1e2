using System.Globalization;
using System.Text;
using Softmodel.Runtime;
using Softmodel.Speech;

namespace Softmodel.Bench.Pictures;

/// <summary>
/// Draws what a voice says: its samples, sentence by sentence, with the words beneath, and below what a network that listens
/// makes of them. Both networks are compiled here.
/// </summary>
static class SpeechPicture
{
    const int Width = 960, Margin = 20, WaveTop = 40, WaveHeight = 130, TextAt = 196, CurveTop = 218, CurveHeight = 40, Height = 284;
    const int Rate = 16000, Window = 512, Context = 64;

    static readonly string[] colours = ["#2f6fde", "#0d9488", "#c2410c", "#7c3aed"];

    /// <summary>The picture as SVG.</summary>
    /// <param name="sentences">What is said.</param>
    /// <param name="cancel">Stops between two sentences.</param>
    public static async Task<string> Draw(string[] sentences, CancellationToken cancel)
    {
        using var voice = await Voice.LoadAsync("tts-en", cancellationToken: cancel);
        var rate = voice.Profile.SampleRate;
        var sounds = new List<float[]>();
        await foreach (var sound in voice.StreamAsync(string.Join(" ", sentences), cancellationToken: cancel))
            sounds.Add(sound.Samples.ToArray());
        if (sounds.Count != sentences.Length)
            throw new SoftmodelException($"{sentences.Length} sentences were spoken in {sounds.Count} pieces: give each a mark at its end");
        var all = sounds.SelectMany(s => s).ToArray();
        var svg = new StringBuilder();
        string F(double x) => x.ToString("0.#", CultureInfo.InvariantCulture);
        double X(double samples) => Margin + samples / all.Length * (Width - 2 * Margin);
        svg.Append($"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="system-ui, Segoe UI, sans-serif">{"\n"}""");
        svg.Append($"""<rect width="{Width}" height="{Height}" rx="10" fill="#fbfbfc"/>{"\n"}""");
        svg.Append($"""<text x="{Margin}" y="26" font-size="13" fill="#6b6e78">softmodel say tts-en · {F((double)all.Length / rate)} s</text>{"\n"}""");
        var loudest = all.Max(MathF.Abs);
        var start = 0;
        for (var i = 0; i < sounds.Count; i++)
        {
            // From one pixel to the next, the lowest sample and the highest.
            var (upper, lower) = (new StringBuilder(), new List<string>());
            var (from, to) = (X(start), X(start + sounds[i].Length));
            for (var x = from; x < to; x++)
            {
                var begin = (int)((x - from) / (to - from) * sounds[i].Length);
                var end = Math.Min(sounds[i].Length, Math.Max(begin + 1, (int)((x + 1 - from) / (to - from) * sounds[i].Length)));
                var part = sounds[i].AsSpan(begin, Math.Max(0, end - begin)).ToArray();
                double Y(float sample) => WaveTop + WaveHeight / 2.0 * (1 - sample / loudest);
                upper.Append($"{(upper.Length == 0 ? "M" : "L")}{F(x)} {F(Y(part.DefaultIfEmpty().Max()))}");
                lower.Add($"L{F(x)} {F(Y(part.DefaultIfEmpty().Min()))}");
            }
            lower.Reverse();
            var colour = colours[i % colours.Length];
            svg.Append($"""<path d="{upper}{string.Concat(lower)}Z" fill="{colour}" stroke="{colour}" stroke-width=".6"/>{"\n"}""");
            svg.Append($"""<text x="{F(from)}" y="{TextAt}" font-size="15" fill="{colour}">{System.Net.WebUtility.HtmlEncode(sentences[i])}</text>{"\n"}""");
            start += sounds[i].Length;
        }
        var curve = await Speech(all, rate, cancel);
        var points = string.Join(" ", curve.Select((p, i) => $"{F(X((double)(i + 1) * Window / Rate * rate))},{F(CurveTop + CurveHeight * (1 - p))}"));
        svg.Append($"""<path d="M{Margin} {CurveTop + CurveHeight}H{Width - Margin}M{Margin} {CurveTop}H{Width - Margin}" stroke="#d5d7de" stroke-dasharray="3 3"/>{"\n"}""");
        svg.Append($"""<polyline points="{points}" fill="none" stroke="#1c1d21" stroke-width="1.4"/>{"\n"}""");
        svg.Append($"""<text x="{Margin}" y="{Height - 8}" font-size="12" fill="#6b6e78">how sure silero-vad-v5, which is compiled as well, is of hearing speech: from 0 to 1</text>{"\n"}</svg>{"\n"}""");
        return svg.ToString();
    }

    static async Task<List<float>> Speech(float[] samples, int rate, CancellationToken cancel)
    {
        using var model = await Model.LoadAsync("silero-vad-v5", cancellationToken: cancel);
        using var detector = await model.CompileAsync(new CompileOptions { Threads = 1 }, cancellationToken: cancel);
        float[] input = new float[Context + Window], state = new float[256];
        TensorArgument[] arguments = [TensorArgument.Of(input, 1, input.Length), TensorArgument.Of(state, 2, 1, 128)];
        var sure = new List<float>();
        for (var at = 0; (long)at * rate / Rate < samples.Length; at += Window)
        {
            input.AsSpan(Window).CopyTo(input);
            for (var i = 0; i < Window; i++)
                input[Context + i] = (long)(at + i) * rate / Rate is var from && from < samples.Length ? samples[from] : 0;
            detector.Run(arguments);
            detector.Output("stateN").Span<float>().CopyTo(state);
            sure.Add(detector.Output("output").Span<float>()[0]);
        }
        return sure;
    }
}
