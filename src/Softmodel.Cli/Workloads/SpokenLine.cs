using Softmodel.Runtime;
using Softmodel.Sources;
using Softmodel.Speech;

namespace Softmodel.Cli.Workloads;

/// <summary>Lines that a voice speaks, as what its network is run on.</summary>
static class SpokenLine
{
    /// <summary>The line of five words that cold starts are measured on.</summary>
    public const string FiveWords = "The ferry leaves at midnight.";

    const string Arpabet = "DH AH0 / F EH1 R IY0 / L IY1 V Z / AE1 T / M IH1 D N AY2 T / .", Ipa = "ðə fˈɛri lˈiːvz æt mˈɪdnaɪt.";

    /// <summary>The line of five words, without noise.</summary>
    /// <param name="model">The voice and the files that came with it.</param>
    /// <param name="inputs">What its network takes.</param>
    /// <exception cref="SoftmodelException">The model is no voice that can be spoken with.</exception>
    public static Workload OfFiveWords(ResolvedModel model, IReadOnlyList<TensorInfo> inputs)
    {
        var profile = VoiceProfile.Read(model);
        var options = new SpeechOptions { Noise = 0, NoiseWidth = 0, Kind = TextKind.Phonemes };
        // Given as phonemes it needs no lexicon and no espeak-ng.
        static IReadOnlyList<SpokenWord> NoText(IReadOnlyList<string> words, int speaker, CancellationToken cancel) => throw new InvalidOperationException();
        return Of(Voice.Utterances(profile, NoText, profile.Alphabet == Alphabet.Ipa ? Ipa : Arpabet, options, default).Single(), "5 words", profile, options, inputs);
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
