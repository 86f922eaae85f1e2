using System.CommandLine;
using System.Diagnostics;
using System.Text;
using Softmodel.Cli.Workloads;
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
        var speed = new Option<float>("--speed") { Description = "Speaking rate, from 0.25 to 4.", DefaultValueFactory = _ => 1 };
        var noise = new Option<float?>("--noise") { Description = "The noise scale (variability of the audio), from 0 to 2; by default the voice's own." };
        var width = new Option<float?>("--noise-width") { Description = "The noise scale of phoneme durations, from 0 to 2; by default the voice's own." };
        var seed = new Option<ulong>("--seed") { Description = "The seed of the noise: the same seed gives the same samples.", DefaultValueFactory = _ => 0 };
        var speaker = new Option<string>("--speaker") { Description = "Which speaker of the voice: a number from 0, or a name where its speakers have names, as af_heart.", DefaultValueFactory = _ => "0" };
        var pause = new Option<float>("--pause") { Description = "Seconds of silence after a sentence, from 0 to 10.", DefaultValueFactory = _ => new SpeechOptions().Pause };
        var phonemes = new Option<bool>("--phonemes") { Description = "The text is phonemes: IPA, or ARPAbet with '/' between words for voices that speak it." };
        var threads = new Option<int>("--threads") { Description = "The number of threads; results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var inputs = new Option<string>("--inputs") { Description = "Instead of audio, write the network's inputs: raw tensors for each sentence, and a line of the file 'arguments' for the sample programs of a library from 'softmodel build'.", HelpName = "FOLDER" };
        var use = new UseChoice();
        var verb = new Verb("say", "Speak a text into a WAV file, sentence by sentence.",
            "say tts-en \"Good morning.\" -o morning.wav", "say piper-libritts \"It costs $12.50.\" --speaker 17 --speed 1.1", "say tts-en \"HH AH0 L OW1 / W ER1 L D\" --phonemes", "say kokoro \"Good morning.\" --speaker af_heart", "say tts-en \"Who goes there?\" --inputs line")
        {
            voice, text, output, speed, noise, width, seed, speaker, pause, phonemes, inputs, threads,
        };
        use.AddTo(verb);
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
                Pause = parsed.GetValue(pause),
                Kind = parsed.GetValue(phonemes) ? TextKind.Phonemes : TextKind.English,
            };
            var path = parsed.GetRequiredValue(output);
            if (!path.EndsWith(".wav", StringComparison.OrdinalIgnoreCase))
                throw new UsageException($"sound is written as WAV: name a file that ends with .wav, not '{path}'");
            if (parsed.GetValue(inputs) is { } named)
                WholeFile.CheckFolder(named);
            else
                WholeFile.Check(path);
            await terminal.Fetch(name, cancel);
            using var speaking = await terminal.Working(progress => Voice.LoadAsync(name, new() { Use = use.Of(parsed, new()), Compile = new() { Threads = parsed.GetValue(threads) } }, progress, cancel));
            options = options with { Speaker = speaking.Profile.SpeakerOf(parsed.GetRequiredValue(speaker)) };
            if (parsed.GetValue(inputs) is { } folder)
            {
                var lines = WriteInputs(speaking, said, options, folder, cancel);
                terminal.Result(new { voice = name, folder = Path.GetFullPath(folder), sentences = lines.Length, arguments = lines },
                    () => Text.Table("sentences", "arguments for each").Row($"{lines.Length}", Path.Combine(folder, "arguments")));
                return CommandLine.Done;
            }
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

    /// <summary>Writes what the network is given for each sentence.</summary>
    /// <returns>For each sentence the arguments with which the sample programs of a library speak it.</returns>
    static string[] WriteInputs(Voice voice, string text, SpeechOptions options, string folder, CancellationToken cancel)
    {
        options.Validate(voice.Profile);
        Directory.CreateDirectory(folder);
        var lines = new List<string>();
        foreach (var utterance in voice.Utterances(text, options, cancel))
        {
            var number = lines.Count + 1;
            var work = SpokenLine.Of(utterance, $"{number}", voice.Profile, options, voice.Network.Inputs);
            var line = new List<string> { $"seed={options.Seed + (ulong)lines.Count}" };
            foreach (var input in voice.Network.Inputs)
            {
                var tensor = work.Inputs[input.Name];
                line.AddRange(input.Axes.Select((name, axis) => (Name: name, Size: tensor.Dims[axis])).Where((_, axis) => input.Sizes[axis] < 0).Select(a => $"{a.Name}={a.Size}"));
                // Zeros are what an input holds that is not given.
                if (!tensor.Bytes.Span.ContainsAnyExcept((byte)0))
                    continue;
                var path = Path.Combine(folder, $"{number}.{input.Name}.raw");
                WholeFile.Write(path, file => file.Write(tensor.Bytes.Span));
                line.Add($"{input.Name}={path}");
            }
            lines.Add(string.Join(' ', line.Distinct()));
        }
        if (lines.Count == 0)
            throw new SoftmodelException($"{voice.Profile.Name} has no sound for any of the text");
        WholeFile.Write(Path.Combine(folder, "arguments"), file => file.Write(Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => l + "\n")))));
        return [.. lines];
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
