// Speaks a sentence into a WAV file, finds the speech in a WAV file, and chats: three models, one of them as it is.
using System.Globalization;
using Microsoft.Extensions.AI;
using Softmodel;
using Softmodel.Language;
using Softmodel.Runtime;
using Softmodel.Speech;

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
try
{
    switch (args)
    {
        case ["speak", var text, var path]:
            await Speak(text, path, stop.Token);
            return 0;
        case ["listen", var path]:
            await Listen(path, stop.Token);
            return 0;
        case ["chat", var name, var question]:
            await Chat(name, question, stop.Token);
            return 0;
        default:
            Console.Error.WriteLine("usage: Example speak TEXT FILE.wav | Example listen FILE.wav | Example chat MODEL QUESTION");
            return 2;
    }
}
catch (SoftmodelException e)
{
    // What the user can mend; the message says what to do.
    Console.Error.WriteLine(e.Message);
    return 1;
}
catch (OperationCanceledException)
{
    return 130;
}

static async Task Speak(string text, string path, CancellationToken cancel)
{
    // The first time it is fetched and compiled; later both come from the cache.
    using var voice = await Voice.LoadAsync("tts-en", progress: new Progress<string>(Console.Error.WriteLine), cancellationToken: cancel);
    using var file = new WaveWriter(path, voice.Profile.SampleRate);
    // Each sentence is there while the next is still being made.
    await foreach (var sound in voice.StreamAsync(text, new SpeechOptions { Speed = 1.1f, Seed = 7 }, cancel))
        file.Write(sound.Samples.Span);
    file.Commit();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}: {(double)file.Count / voice.Profile.SampleRate:0.00} s"));
}

static async Task Listen(string path, CancellationToken cancel)
{
    const int rate = 16000, window = 512, context = 64;
    var sound = At(rate, WaveFile.Read(path));

    using var model = await Model.LoadAsync("silero-vad-v5", cancellationToken: cancel);
    using var detector = await model.CompileAsync(new CompileOptions { Threads = 1 }, cancellationToken: cancel);
    float[] input = new float[context + window], state = new float[2 * 128];
    // Made once: arguments are read in place, and a run allocates nothing.
    TensorArgument[] arguments = [TensorArgument.Of(input, 1, input.Length), TensorArgument.Of(state, 2, 1, 128)];
    double? began = null;
    for (var at = 0; at < sound.Length; at += window)
    {
        cancel.ThrowIfCancellationRequested();
        // What was heard last stands in front of what is new.
        input.AsSpan(window).CopyTo(input);
        var fresh = sound.AsSpan(at, Math.Min(window, sound.Length - at));
        fresh.CopyTo(input.AsSpan(context));
        input.AsSpan(context + fresh.Length).Clear();
        detector.Run(arguments);
        detector.Output("stateN").Span<float>().CopyTo(state);
        var isSpeech = detector.Output("output").Span<float>()[0] > 0.5f;
        if (isSpeech && began is null)
            began = (double)at / rate;
        if (!isSpeech || at + window >= sound.Length)
        {
            if (began is { } start)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"speech from {start:0.00} s to {(double)at / rate:0.00} s"));
            began = null;
        }
    }
}

// Between samples, on a straight line: good enough to find speech in.
static float[] At(int rate, Sound sound)
{
    var from = sound.Samples.Span;
    var samples = new float[(int)((long)from.Length * rate / sound.SampleRate)];
    for (var i = 0; i < samples.Length; i++)
    {
        var position = (double)i * sound.SampleRate / rate;
        var left = (int)position;
        var right = Math.Min(left + 1, from.Length - 1);
        samples[i] = (float)(from[left] + (from[right] - from[left]) * (position - left));
    }
    return samples;
}

static async Task Chat(string name, string question, CancellationToken cancel)
{
    using var model = await LanguageModel.LoadAsync(name, cancellationToken: cancel);
    // From here on nothing knows that the model runs on this machine.
    using var client = model.AsChatClient();
    var options = new ChatOptions { MaxOutputTokens = 100, Temperature = 0 };
    await foreach (var update in client.GetStreamingResponseAsync(question, options, cancel))
        Console.Write(update.Text);
    Console.WriteLine();
}
