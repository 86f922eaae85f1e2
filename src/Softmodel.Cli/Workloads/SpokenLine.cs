using Softmodel.Load;
using Softmodel.Runtime;
using Softmodel.Sources;
using Softmodel.Speech;

namespace Softmodel.Cli.Workloads;

/// <summary>Lines that a voice speaks, as what its network is run on.</summary>
static class SpokenLine
{
    /// <summary>The line of five words that cold starts are measured on.</summary>
    public const string FiveWords = "The ferry leaves at midnight.";

    static readonly (string Name, string Arpabet, string Ipa)[] lines =
    [
        ("1 word", "HH AH0 L OW1 / .", "həlˈoʊ."),
        ("3 words", "DH AH0 / F EH1 R IY0 / L IY1 V Z / .", "ðə fˈɛri lˈiːvz."),
        ("5 words", "DH AH0 / F EH1 R IY0 / L IY1 V Z / AE1 T / M IH1 D N AY2 T / .", "ðə fˈɛri lˈiːvz æt mˈɪdnaɪt."),
    ];

    /// <summary>The line of five words, without noise.</summary>
    /// <param name="model">The voice and the files that came with it.</param>
    /// <param name="inputs">What its network takes.</param>
    /// <exception cref="SoftmodelException">The model is no voice that can be spoken with.</exception>
    public static Workload OfFiveWords(ResolvedModel model, IReadOnlyList<TensorInfo> inputs)
    {
        var profile = VoiceFiles.Read(model);
        return Of(lines[^1], lines[^1].Name, profile, 0, inputs);
    }

    /// <summary>What a voice is compared on: lines of one to five words, without noise, each by another speaker where it has several.</summary>
    /// <param name="model">The model and the files that came with it.</param>
    /// <param name="inputs">What its network takes.</param>
    /// <returns>The lines and the samples in a second of them; null where the model is no voice that can be spoken with.</returns>
    public static (Workload[] Works, int SampleRate)? OfSpeakers(ResolvedModel model, IReadOnlyList<TensorInfo> inputs)
    {
        try
        {
            var profile = VoiceFiles.Read(model);
            var speakers = profile.OfText is { Count: > 0 } some ? some : [.. Enumerable.Range(0, profile.Speakers)];
            Workload[] works = [.. lines.Select((line, i) =>
            {
                var speaker = speakers[i * (speakers.Count - 1) / (lines.Length - 1)];
                var name = profile.Speakers == 1 ? line.Name : $"{line.Name}, speaker {(profile.Named.Count > 0 ? profile.Named[speaker].Name : speaker)}";
                return Of(line, name, profile, speaker, inputs);
            })];
            return (works, profile.SampleRate);
        }
        catch (SoftmodelException)
        {
            return null;
        }
    }

    static Workload Of((string Name, string Arpabet, string Ipa) line, string name, VoiceProfile profile, int speaker, IReadOnlyList<TensorInfo> inputs)
    {
        var options = new SpeechOptions { Noise = 0, NoiseWidth = 0, Kind = TextKind.Phonemes, Speaker = speaker };
        // Given as phonemes it needs no lexicon and no espeak-ng.
        static IReadOnlyList<SpokenWord> NoText(IReadOnlyList<string> words, int speaker, CancellationToken cancel) => throw new InvalidOperationException();
        return Of(Voice.Utterances(profile, NoText, profile.Alphabet == Alphabet.Ipa ? line.Ipa : line.Arpabet, options, default).Single(), name, profile, options, inputs);
    }

    /// <summary>An utterance as what the network is run on.</summary>
    public static Workload Of(Utterance utterance, string name, VoiceProfile profile, SpeechOptions options, IReadOnlyList<TensorInfo> inputs) =>
        new(name, inputs.ToDictionary(i => i.Name, i => Voice.Input(i, profile, utterance, options) switch
        {
            (long[] numbers, var dims) => Graphs.Tensor.Of<long>(numbers, dims),
            (float[] numbers, var dims) => Graphs.Tensor.Of<float>(numbers, dims),
            (_, var dims) => Graphs.Tensor.Of<float>(new float[Graphs.Tensor.CountOf(dims)], dims),
        }));
}
