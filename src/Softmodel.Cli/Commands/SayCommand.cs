using System.CommandLine;
using System.Diagnostics;
using Softmodel.Speech;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel say</c>: a text as sound.</summary>
static class SayCommand
{
    public static Command Create()
    {
        var voice = new Argument<string>("voice") { Description = "A voice of the catalogue, such as tts-en or piper-libritts, or a source." };
        var text = new Argument<string>("text") { Description = "What to say; '-' reads it from standard input." };
        var output = new Option<string>("--output", "-o") { Description = "The WAV file to write.", DefaultValueFactory = _ => "speech.wav", HelpName = "FILE" };
        var speed = new Option<float>("--speed") { Description = "How fast, from 0.25 to 4.", DefaultValueFactory = _ => 1 };
        var noise = new Option<float?>("--noise") { Description = "How lively the sound is, from 0 to 2; by default as the voice was made." };
        var width = new Option<float?>("--noise-width") { Description = "How much the lengths of sounds vary, from 0 to 2; by default as the voice was made." };
        var seed = new Option<ulong>("--seed") { Description = "What the noise is drawn from: the same seed gives the same samples.", DefaultValueFactory = _ => 0 };
        var speaker = new Option<int>("--speaker") { Description = "Which speaker of the voice, from 0.", DefaultValueFactory = _ => 0 };
        var pause = new Option<float>("--pause") { Description = "Seconds of silence after a sentence, from 0 to 10.", DefaultValueFactory = _ => new SpeechOptions().Pause };
        var phonemes = new Option<bool>("--phonemes") { Description = "The text is phonemes: IPA, or ARPAbet with '/' between words for voices that speak it." };
        var threads = new Option<int>("--threads") { Description = "How many threads compute; the samples do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var verb = new Verb("say", "Speak a text into a WAV file, sentence by sentence.",
            "say tts-en \"Good morning.\" -o morning.wav", "say piper-libritts \"It costs $12.50.\" --speaker 17 --speed 1.1", "say tts-en \"HH AH0 L OW1 / W ER1 L D\" --phonemes")
        {
            voice, text, output, speed, noise, width, seed, speaker, pause, phonemes, threads,
        };
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var name = parsed.GetRequiredValue(voice);
            var said = parsed.GetRequiredValue(text);
            if (said == "-")
                said = await Console.In.ReadToEndAsync(cancel);
            var options = new SpeechOptions
            {
                Speed = parsed.GetValue(speed),
                Noise = parsed.GetValue(noise),
                NoiseWidth = parsed.GetValue(width),
                Seed = parsed.GetValue(seed),
                Speaker = parsed.GetValue(speaker),
                Pause = parsed.GetValue(pause),
                Kind = parsed.GetValue(phonemes) ? TextKind.Phonemes : TextKind.English,
            };
            await terminal.Fetch(name, cancel);
            using var speaking = await terminal.Working(progress => Voice.LoadAsync(name, new() { Threads = parsed.GetValue(threads) }, progress, cancel));
            var path = parsed.GetRequiredValue(output);
            var (seconds, sentences, first, took) = await terminal.Working(progress => Task.Run(() => Write(speaking, said, options, path, progress, cancel), cancel));
            terminal.Result(new
            {
                voice = name,
                file = Path.GetFullPath(path),
                seconds = Math.Round(seconds, 3),
                sentences,
                first_sound_ms = Math.Round(first, 2),
                ms = Math.Round(took, 2),
                real_time_factor = Math.Round(took / 1000 / seconds, 4),
            }, () => Text.Table("file", "sound", "sentences", "first sound after", "real-time factor")
                .Row(path, $"{seconds:0.00} s", $"{sentences}", $"{first:0.0} ms", $"{took / 1000 / seconds:0.0000}"));
            return CommandLine.Done;
        }, Verb.Json());
    }

    static (double Seconds, int Sentences, double FirstMs, double Ms) Write(Voice voice, string text, SpeechOptions options, string path, IProgress<string> progress, CancellationToken cancel)
    {
        var start = Stopwatch.GetTimestamp();
        double Elapsed() => Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        using var file = new WaveWriter(path, voice.Profile.SampleRate);
        var (sentences, first) = (0, 0.0);
        foreach (var sound in voice.Stream(text, options, cancel))
        {
            first = sentences++ == 0 ? Elapsed() : first;
            file.Write(sound.Samples.Span);
            progress.Report($"speaking: {(double)file.Count / voice.Profile.SampleRate:0.0} s");
        }
        file.Commit();
        return ((double)file.Count / voice.Profile.SampleRate, sentences, first, Elapsed());
    }
}
