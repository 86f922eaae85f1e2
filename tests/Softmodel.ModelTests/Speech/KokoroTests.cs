using Softmodel.Cli.Baselines;
using Softmodel.Cli.Verify;
using Softmodel.Cli.Workloads;
using Softmodel.Load;
using Softmodel.Sources;
using Softmodel.Speech;

namespace Softmodel.ModelTests.Speech;

public sealed class KokoroTests(ITestOutputHelper output)
{
    static readonly SpeechOptions options = new() { Kind = TextKind.Phonemes, Seed = 4 };

    [Fact]
    public async Task What_the_catalogue_says_speaks_is_given_a_line()
    {
        var voices = Catalogue.All.Where(m => m.Task == "text to speech").ToArray();
        Assert.True(voices.Length >= 4);
        foreach (var voice in voices)
        {
            var files = await VoiceFolder.Of(voice.Name);
            using var model = await Model.LoadAsync(voice.Name, cancellationToken: TestContext.Current.CancellationToken);
            Assert.All(SpokenLine.OfFiveWords(files, model.Imported.ArgumentInfos).Inputs, i => Assert.True(i.Value.Count > 0, $"{voice.Name} {i.Key}"));
        }
    }

    [Fact]
    public async Task A_Piper_voice_s_own_file_tells_its_symbols()
    {
        var profile = VoiceFiles.Read(await VoiceFolder.Of("piper-curie"));
        Assert.Equal((157, 22050, 1), (profile.Symbols.Count, profile.SampleRate, profile.Speakers));
        Assert.Equal((3, 20, 59, 154, 129), (profile.Symbols[" "], profile.Symbols["h"], profile.Symbols["ə"], profile.Symbols["g"], profile.Symbols["ⱱ"]));
    }

    [Fact]
    public async Task It_speaks_as_in_ONNX_Runtime_and_a_seed_gives_the_same_samples()
    {
        Assert.SkipUnless(Shared.AreAllCases, "it takes a minute to compile: SOFTMODEL_ALL_CASES=1 runs it");
        var files = await VoiceFolder.Of("kokoro");
        using var voice = await Voice.LoadAsync("kokoro", new() { Compile = new() { Threads = 2 } }, cancellationToken: TestContext.Current.CancellationToken);
        var heart = options with { Speaker = voice.Profile.SpeakerOf("af_heart") };
        const string text = "həlˈoʊ wˈɜːld.";
        var sound = voice.Speak(text, heart);
        Assert.True(sound.Samples.Span.SequenceEqual(voice.Speak(text, heart).Samples.Span));
        Assert.Equal(24000, sound.SampleRate);
        Assert.InRange(sound.Duration.TotalSeconds, 0.6, 2.5);
        Assert.InRange(sound.Samples.ToArray().Max(MathF.Abs), 0.1f, 1.2f);

        // It rounds to 8 bits on the way: there its phases are chance, and the length of a sound may turn by a frame of 600 samples.
        var line = SpokenLine.Of(Assert.Single(voice.Utterances(text, heart, default)), text, voice.Profile, heart, voice.Network.Inputs);
        using var baseline = OnnxRuntimeBaseline.Load(files.MainFile, 2);
        var its = baseline.Run(line.For(baseline.Inputs))[0].Values<float>().ToArray();
        Assert.InRange(sound.Samples.Length - its.Length, -1200, 1200);
        double Far(Sound one) => MelCepstra.Distortion(one.Samples.ToArray(), its, one.SampleRate);
        var other = voice.Speak(text, heart with { Speaker = voice.Profile.SpeakerOf("bm_george") });
        output.WriteLine($"{sound.Samples.Length} samples, ONNX Runtime {its.Length}; {Far(sound):0.00} dB of mel cepstral distortion, another speaker {Far(other):0.00}");
        Assert.True(Far(sound) < 3.2, $"{Far(sound)}");
        Assert.True(Far(other) > 5, $"{Far(other)}");

        var fast = voice.Speak(text, heart with { Speed = 1.6f });
        Assert.InRange(sound.Duration / fast.Duration, 1.15, 1.8);
        Assert.False(fast.Samples.Span.SequenceEqual(voice.Speak(text, heart with { Speed = 1.6f, Speaker = voice.Profile.SpeakerOf("bm_george") }).Samples.Span));
    }
}
