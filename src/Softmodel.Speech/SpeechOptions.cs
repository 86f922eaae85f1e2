namespace Softmodel.Speech;

/// <summary>What a text given to a voice is.</summary>
public enum TextKind
{
    /// <summary>English.</summary>
    English,
    /// <summary>Phonemes of the voice: IPA for those that speak IPA, ARPAbet such as <c>HH AH0 L OW1</c> with <c>/</c> between words for the others.</summary>
    Phonemes,
}

/// <summary>How a text is spoken. Every setting has a default; what a voice itself was made with counts where one is null.</summary>
public sealed record SpeechOptions
{
    /// <summary>The speaking rate, from 0.25 to 4; 1 is the voice's own.</summary>
    public float Speed { get; init; } = 1;

    /// <summary>The noise scale: the variability of the audio, from 0 to 2; null for the voice's own. Networks without noise, such as Kokoro's, ignore it.</summary>
    public float? Noise { get; init; }

    /// <summary>The noise scale of phoneme durations, from 0 to 2; null for the voice's own. Kokoro's networks ignore it.</summary>
    public float? NoiseWidth { get; init; }

    /// <summary>The seed of the noise: the same seed gives the same samples.</summary>
    public ulong Seed { get; init; }

    /// <summary>Which speaker, from 0; voices say how many they have in <see cref="VoiceProfile.Speakers"/>, and <see cref="VoiceProfile.SpeakerOf"/> finds one by name.</summary>
    public int Speaker { get; init; }

    /// <summary>Seconds of silence after a sentence, from 0 to 10; after a paragraph twice as long, after a part of a sentence a third.</summary>
    public float Pause { get; init; } = 0.2f;

    /// <summary>The maximum number of phonemes of an utterance, from 16 to 2,000; longer sentences are divided at commas, and where there is none between words.</summary>
    public int MaxPhonemes { get; init; } = 200;

    /// <summary>What the text is.</summary>
    public TextKind Kind { get; init; }

    /// <summary>Checks every setting against a voice.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is out of range.</exception>
    /// <exception cref="SoftmodelException">The voice has no such speaker, or that one is not given text.</exception>
    internal void Validate(VoiceProfile voice)
    {
        Require(Speed is >= 0.25f and <= 4, nameof(Speed), Speed, "from 0.25 to 4");
        Require(Noise is null or >= 0 and <= 2, nameof(Noise), Noise, "from 0 to 2");
        Require(NoiseWidth is null or >= 0 and <= 2, nameof(NoiseWidth), NoiseWidth, "from 0 to 2");
        Require(Pause is >= 0 and <= 10, nameof(Pause), Pause, "from 0 to 10 seconds");
        Require(MaxPhonemes is >= 16 and <= 2000, nameof(MaxPhonemes), MaxPhonemes, "from 16 to 2,000");
        if (Speaker < 0 || Speaker >= voice.Speakers)
            throw voice.NoSpeaker($"{Speaker}");
        if (Kind == TextKind.English && !voice.SpeaksText(Speaker))
            throw voice.NoText(Speaker);
    }

    static void Require(bool holds, string name, object? value, string range) => _ = holds ? true : throw new ArgumentOutOfRangeException(name, value, $"{name} is {range}");
}
