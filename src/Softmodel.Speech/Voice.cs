using System.Runtime.CompilerServices;
using Softmodel.Runtime;

namespace Softmodel.Speech;

/// <summary>A voice that speaks text. Several threads may use it: they wait for one another between sentences.</summary>
/// <example>
/// <code>
/// using var voice = await Voice.LoadAsync("tts-en");
/// voice.Speak("Good morning. It is 7:30.").Save("morning.wav");
/// </code>
/// </example>
public sealed class Voice : IDisposable
{
    readonly CompiledModel network;
    readonly Phonemizer phonemize;
    readonly Pronouncer? pronouncer;
    readonly Lock running = new();
    float[] zeros = [];

    internal Voice(VoiceProfile profile, CompiledModel network, Phonemizer phonemize, Pronouncer? pronouncer) =>
        (Profile, this.network, this.phonemize, this.pronouncer) = (profile, network, phonemize, pronouncer);

    /// <summary>Its profile: sample rate, speakers, phoneme symbols.</summary>
    public VoiceProfile Profile { get; }

    /// <summary>The acoustic network.</summary>
    internal CompiledModel Network => network;

    /// <summary>Opens a voice that <c>softmodel build</c> has made.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="threads">How many threads a run uses; 0 for the processor's cores. The samples do not depend on it.</param>
    /// <exception cref="SoftmodelException">There is none, or it is damaged.</exception>
    public static Voice Open(string folder, int threads = 0) => BuiltVoice.Open(folder, threads);

    /// <summary>Speaks a text.</summary>
    /// <param name="text">English text, or phonemes where the options say so.</param>
    /// <param name="options">How it is spoken.</param>
    /// <param name="cancellationToken">Stops it between two sentences.</param>
    /// <returns>All of it; <see cref="Stream"/> gives the first sentence while the next is still to be made.</returns>
    /// <exception cref="SoftmodelException">The text is empty or can't be spoken.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public Sound Speak(string text, SpeechOptions? options = null, CancellationToken cancellationToken = default)
    {
        var samples = new List<float>();
        foreach (var sound in Stream(text, options, cancellationToken))
            samples.AddRange(sound.Samples.Span);
        return new(samples.ToArray(), Profile.SampleRate);
    }

    /// <summary>Speaks a text sentence by sentence, each with the pause after it.</summary>
    /// <inheritdoc cref="Speak"/>
    /// <returns>A sound for each sentence, made when it is asked for.</returns>
    public IEnumerable<Sound> Stream(string text, SpeechOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new();
        options.Validate(Profile);
        return Sounds(Utterances(text, options, cancellationToken), options, cancellationToken);
    }

    /// <summary>Speaks a text on another thread.</summary>
    /// <inheritdoc cref="Speak"/>
    public Task<Sound> SpeakAsync(string text, SpeechOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Speak(text, options, cancellationToken), cancellationToken);

    /// <summary>Speaks a text sentence by sentence on another thread, each with the pause after it.</summary>
    /// <inheritdoc cref="Stream"/>
    public async IAsyncEnumerable<Sound> StreamAsync(string text, SpeechOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var sounds = Stream(text, options, cancellationToken).GetEnumerator();
        while (await Task.Run(sounds.MoveNext, cancellationToken).ConfigureAwait(false))
            yield return sounds.Current;
    }

    /// <summary>The utterances of a text, made lazily; what is wrong with the text is found at once.</summary>
    internal IEnumerable<Utterance> Utterances(string text, SpeechOptions options, CancellationToken cancellationToken) =>
        Utterances(Profile, phonemize, text, options, cancellationToken);

    internal static IEnumerable<Utterance> Utterances(VoiceProfile profile, Phonemizer phonemize, string text, SpeechOptions options, CancellationToken cancellationToken)
    {
        var paragraphs = options.Kind == TextKind.English
            ? SpokenEnglish.Spell(text).Split('\n').Select(p => phonemize(p.Split(' '), options.Speaker, cancellationToken))
            : [Given(profile, text, options.Speaker)];
        return paragraphs.SelectMany(words => Utterance.Of(words, profile, options.MaxPhonemes));
    }

    /// <summary>Phonemes as a user writes them.</summary>
    static SpokenWord[] Given(VoiceProfile profile, string text, int speaker)
    {
        var words = profile.Alphabet == Alphabet.Ipa ? profile.Spelling(speaker).Given(text)
            : [.. text.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(w => w.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(Arpabet.Phoneme).ToArray())];
        var unknown = words.SelectMany(w => w).Select(p => p.Symbol).Where(s => !profile.Symbols.ContainsKey(s)).Distinct().ToArray();
        if (unknown.Length > 0)
            throw new SoftmodelException($"{profile.Name} has no phoneme {string.Join(", ", unknown.Take(8).Select(u => $"'{u}'"))}; it has {string.Join(' ', profile.Symbols.Keys.Where(k => !string.IsNullOrWhiteSpace(k)).Take(60))}");
        if (words.All(w => w.Length == 0))
            throw new SoftmodelException("there are no phonemes: there is nothing to speak");
        // A word of one mark belongs to the word before it.
        var spoken = new List<SpokenWord>();
        foreach (var word in words.Where(w => w.Length > 0))
        {
            var mark = word[^1].Symbol is [var c] && SpokenEnglish.Marks.Contains(c) ? c : '\0';
            spoken.Add(new(mark == 0 ? word : word[..^1], mark));
        }
        return [.. spoken];
    }

    IEnumerable<Sound> Sounds(IEnumerable<Utterance> utterances, SpeechOptions options, CancellationToken cancellationToken)
    {
        var number = 0UL;
        using var each = utterances.GetEnumerator();
        var more = each.MoveNext();
        if (!more)
            throw new SoftmodelException($"{Profile.Name} has no sound for any of the text");
        while (more)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var utterance = each.Current;
            more = each.MoveNext();
            var pause = more ? (int)(utterance.Pause * options.Pause * Profile.SampleRate) : 0;
            yield return new(Said(utterance, options, options.Seed + number++, pause), Profile.SampleRate);
        }
    }

    float[] Said(Utterance utterance, SpeechOptions options, ulong seed, int pause)
    {
        lock (running)
        {
            network.Seed = seed;
            network.Run(Arguments(utterance, options));
            var said = network.Output(0).Span<float>();
            var samples = new float[said.Length + pause];
            said.CopyTo(samples);
            return samples;
        }
    }

    TensorArgument[] Arguments(Utterance utterance, SpeechOptions options)
    {
        var width = network.Inputs.Where(i => i.Rank == 3).Select(i => (int)i.Sizes[1]).DefaultIfEmpty(0).Max();
        if (zeros.Length < width * utterance.Symbols.Length)
            zeros = new float[width * utterance.Symbols.Length];
        return [.. network.Inputs.Select(i => Input(i, Profile, utterance, options) switch
        {
            (long[] numbers, var dims) => TensorArgument.Of(numbers, dims),
            (float[] numbers, var dims) => TensorArgument.Of(numbers, dims),
            (_, var dims) => TensorArgument.Of<float>(zeros.AsMemory(0, checked((int)(dims[1] * dims[2]))), dims),
        })];
    }

    /// <summary>The value of an input of a voice's network, or null for zeros, and its shape.</summary>
    /// <exception cref="SoftmodelException">No voice that is known has such an input.</exception>
    internal static (Array? Numbers, long[] Dims) Input(TensorInfo input, VoiceProfile profile, Utterance utterance, SpeechOptions options)
    {
        var length = utterance.Symbols.Length;
        var (noise, width, pace) = (options.Noise ?? profile.Noise, options.NoiseWidth ?? profile.NoiseWidth, 1 / options.Speed);
        return input.Name switch
        {
            "x" or "input" or "input_ids" => (utterance.Symbols, [1, length]),
            "x_lengths" or "input_lengths" => (new long[] { length }, [1]),
            "tone" => (utterance.Tones, [1, length]),
            "language" => (utterance.Languages, [1, length]),
            "sid" => (new long[] { options.Speaker }, [1]),
            "scales" => (new[] { noise, pace, width }, [3]),
            "noise_scale" => (new[] { noise }, [1]),
            "noise_scale_w" => (new[] { width }, [1]),
            "length_scale" => (new[] { pace }, [1]),
            "speed" => (new[] { options.Speed }, [1]),
            "style" => (profile.Style(options.Speaker, length), [1, VoiceProfile.StyleWidth]),
            // Features of a language model, which the voice speaks well without.
            "bert" or "ja_bert" => (null, [1, input.Sizes[1], length]),
            _ => throw new SoftmodelException($"{profile.Name} takes {input}, which no voice that is known takes"),
        };
    }

    /// <summary>Frees the networks.</summary>
    public void Dispose()
    {
        lock (running)
            network.Dispose();
        pronouncer?.Dispose();
    }
}
