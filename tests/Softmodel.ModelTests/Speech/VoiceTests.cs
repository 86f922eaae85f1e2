using System.Text.Json;
using Softmodel.Cli;
using Softmodel.Speech;

namespace Softmodel.ModelTests.Speech;

public sealed class VoiceTests
{
    static async Task<Voice> Load(string name)
    {
        await VoiceFolder.Of(name);
        return await Voice.LoadAsync(name, new() { Compile = new() { Threads = 2 } });
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_samples()
    {
        using var voice = await Load("tts-en");
        var one = voice.Speak("We leave at dawn. Be ready!", new() { Seed = 4 });
        Assert.True(one.Samples.Span.SequenceEqual(voice.Speak("We leave at dawn. Be ready!", new() { Seed = 4 }).Samples.Span));
        Assert.False(one.Samples.Span.SequenceEqual(voice.Speak("We leave at dawn. Be ready!", new() { Seed = 5 }).Samples.Span));
        Assert.Equal(44100, one.SampleRate);
    }

    [Fact]
    public async Task Speech_has_a_plausible_length_and_loudness_and_speed_changes_it()
    {
        using var voice = await Load("tts-en");
        const string text = "The captain counted twenty-seven barrels, and not one of them was empty.";
        var plain = voice.Speak(text, new() { Noise = 0, NoiseWidth = 0 });
        Assert.InRange(plain.Duration.TotalSeconds / 12, 0.2, 0.7);
        Assert.InRange(plain.Samples.ToArray().Max(MathF.Abs), 0.05f, 1f);
        var fast = voice.Speak(text, new() { Noise = 0, NoiseWidth = 0, Speed = 1.5f });
        Assert.InRange(plain.Duration / fast.Duration, 1.2, 1.6);
    }

    [Fact]
    public async Task Several_callers_get_what_each_would_get_alone()
    {
        using var voice = await Load("tts-en");
        // Words that the lexicon does not have, so that the network is asked for them.
        string Line(int i) => $"Number {i}, said Quorvane Xalibrith. Two, said Zanthimar number {i % 3}.";
        float[] Said(int i) => voice.Speak(Line(i), new() { Seed = (ulong)i }).Samples.ToArray();
        var alone = Enumerable.Range(0, 8).Select(Said).ToArray();
        var together = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => Said(i))));
        Assert.All(alone.Zip(together), p => Assert.True(p.First.AsSpan().SequenceEqual(p.Second)));
        Assert.Throws<ArgumentOutOfRangeException>(() => voice.Speak("One.", new() { Speed = 9 }));
    }

    [Fact]
    public async Task A_text_is_streamed_by_sentences()
    {
        using var voice = await Load("tts-en");
        const string text = "One moment, please. Who goes there? It is Doctor Okafor!\n\nCome in.";
        var pieces = voice.Stream(text).ToArray();
        Assert.Equal(4, pieces.Length);
        Assert.True(pieces.SelectMany(p => p.Samples.ToArray()).SequenceEqual(voice.Speak(text).Samples.ToArray()));
        // A pause after a sentence, a longer one after a paragraph, none at the end.
        static int Silence(Sound sound) => sound.Samples.Length - 1 - sound.Samples.Span.LastIndexOfAnyExcept(0f);
        Assert.InRange(Silence(pieces[0]), 0.2 * 44100 - 1, 0.25 * 44100);
        Assert.InRange(Silence(pieces[2]), 0.4 * 44100 - 1, 0.45 * 44100);
        Assert.InRange(Silence(pieces[3]), 0, 2000);
    }

    [Fact]
    public async Task What_is_awaited_is_the_same_and_can_be_stopped()
    {
        using var voice = await Load("tts-en");
        const string text = "One moment, please. Who goes there?";
        var all = voice.Speak(text).Samples.ToArray();
        var awaited = await voice.SpeakAsync(text);
        Assert.True(all.SequenceEqual(awaited.Samples.ToArray()));
        var pieces = new List<float>();
        await foreach (var sound in voice.StreamAsync(text))
            pieces.AddRange(sound.Samples.ToArray());
        Assert.True(all.SequenceEqual(pieces));
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in voice.StreamAsync(text, cancellationToken: stop.Token))
                stop.Cancel();
        });
        Assert.True(all.SequenceEqual(voice.Speak(text).Samples.ToArray()));
    }

    [Fact]
    public async Task A_sentence_without_end_is_divided()
    {
        using var voice = await Load("tts-en");
        var pieces = voice.Stream(string.Concat(Enumerable.Repeat("water ", 400)), new() { MaxPhonemes = 100, Noise = 0, NoiseWidth = 0 }).ToArray();
        Assert.InRange(pieces.Length, 16, 20);
    }

    [Fact]
    public async Task Speakers_of_a_voice_sound_different()
    {
        using var voice = await Load("piper-libritts");
        Assert.Equal(904, voice.Profile.Speakers);
        var options = new SpeechOptions { Kind = TextKind.Phonemes, Noise = 0, NoiseWidth = 0 };
        var one = voice.Speak("həlˈoʊ wˈɜːld.", options);
        Assert.False(one.Samples.Span.SequenceEqual(voice.Speak("həlˈoʊ wˈɜːld.", options with { Speaker = 17 }).Samples.Span));
        var refused = Assert.Throws<SoftmodelException>(() => voice.Speak("a", options with { Speaker = 904 }));
        Assert.Contains("0 to 903", refused.Message);
        Assert.Contains("'☃'", Assert.Throws<SoftmodelException>(() => voice.Speak("☃", options)).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("?!...")]
    [InlineData("привет")]
    public async Task What_can_t_be_spoken_is_refused_and_no_file_is_left(string text)
    {
        await VoiceFolder.Of("tts-en");
        var folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;
        var error = new StringWriter();
        Assert.Equal(1, await CommandLine.Run(["say", "tts-en", text, "-o", Path.Combine(folder, "x.wav")], new StringWriter(), error, TestContext.Current.CancellationToken));
        Assert.StartsWith("softmodel: ", error.ToString());
        Assert.Empty(Directory.GetFiles(folder));
        Directory.Delete(folder);
    }

    [Fact]
    public async Task Say_writes_a_file_and_says_what_it_took()
    {
        await VoiceFolder.Of("tts-en");
        var folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;
        var (output, path) = (new StringWriter(), Path.Combine(folder, "x.wav"));
        Assert.Equal(0, await CommandLine.Run(["say", "tts-en", "It costs $12.50.", "-o", path, "--json"], output, new StringWriter(), TestContext.Current.CancellationToken));
        var sound = WaveFile.Read(path);
        Assert.Equal(JsonDocument.Parse(output.ToString()).RootElement.GetProperty("seconds").GetDouble(), sound.Duration.TotalSeconds, 0.01);
        Directory.Delete(folder, recursive: true);
    }
}
