using System.Runtime.CompilerServices;
using Softmodel.Compile;
using Softmodel.Runtime;
using Softmodel.Sources;

namespace Softmodel.Speech;

/// <summary>A voice that speaks text.</summary>
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
    float[] zeros = [];

    Voice(VoiceProfile profile, CompiledModel network, Phonemizer phonemize, Pronouncer? pronouncer) =>
        (Profile, this.network, this.phonemize, this.pronouncer) = (profile, network, phonemize, pronouncer);

    /// <summary>What there is to know about it: its samples per second, its speakers, its symbols.</summary>
    public VoiceProfile Profile { get; }

    /// <summary>The network that makes the sound.</summary>
    internal CompiledModel Network => network;

    /// <summary>Brings a voice to this machine where it is not there yet, and compiles it or takes it from the cache.</summary>
    /// <param name="source">A name of the catalogue such as <c>tts-en</c>, or a source such as a file with what came with it beside it.</param>
    /// <param name="compile">How it is compiled; by default for this processor and all its cores.</param>
    /// <param name="use">What is known of its use; what the catalogue says is kept.</param>
    /// <param name="progress">Is told what is being done; may be called from any thread.</param>
    /// <param name="cancel">Stops it, and leaves nothing half done.</param>
    /// <exception cref="SoftmodelException">It can't be found or fetched, or is no voice.</exception>
    public static async Task<Voice> LoadAsync(string source = "tts-en", CompileOptions? compile = null, UseCase? use = null, IProgress<string>? progress = null, CancellationToken cancel = default)
    {
        var resolved = await Source.Resolve(source, progress is null ? null : new Fetching(progress), cancel).ConfigureAwait(false);
        var profile = VoiceProfile.Read(resolved);
        using var model = await Model.LoadAsync(source, use, cancel: cancel).ConfigureAwait(false);
        var (phonemize, pronouncer) = FrontEnd(profile, resolved, cancel);
        try
        {
            var network = await model.CompileAsync(compile, progress, cancel).ConfigureAwait(false);
            return new(profile, network, phonemize, pronouncer);
        }
        catch
        {
            pronouncer?.Dispose();
            throw;
        }
    }

    sealed class Fetching(IProgress<string> progress) : IProgress<FetchProgress>
    {
        int last = -1;

        public void Report(FetchProgress value)
        {
            // News at every percent are enough for a line of text.
            var percent = value.Total is > 0 and var total ? (int)(100 * value.Bytes / total) : 0;
            if (Interlocked.Exchange(ref last, percent) != percent)
                progress.Report(value.Total is null ? $"{value.Step} {value.Model}" : $"{value.Step} {value.Model}: {percent} %");
        }
    }

    /// <summary>What makes phonemes of words for a voice, and the network that it uses, where it does.</summary>
    internal static (Phonemizer, Pronouncer?) FrontEnd(VoiceProfile profile, ResolvedModel resolved, CancellationToken cancel)
    {
        if (profile.Alphabet == Alphabet.Ipa)
            return ((words, speaker, cancel) => profile.Espeaks(speaker).Phonemize(words, cancel), null);
        var cache = StoreSettings.FromEnvironment().Cache;
        var lexicon = Lexicon.Open(resolved.File("lexicon"), cache, cancel);
        var pronouncer = Pronouncer.Load(resolved.File("g2p"), cache, cancel);
        return (new Arpabet(lexicon, pronouncer.Pronounce).Phonemize, pronouncer);
    }

    /// <summary>Speaks a text.</summary>
    /// <param name="text">English text, or phonemes where the options say so.</param>
    /// <param name="options">How it is spoken.</param>
    /// <param name="cancel">Stops it between two sentences.</param>
    /// <returns>All of it; <see cref="Stream"/> gives the first sentence while the next is still to be made.</returns>
    /// <exception cref="SoftmodelException">The text is empty or can't be spoken, or an option is out of range.</exception>
    public Sound Speak(string text, SpeechOptions? options = null, CancellationToken cancel = default)
    {
        var samples = new List<float>();
        foreach (var sound in Stream(text, options, cancel))
            samples.AddRange(sound.Samples.Span);
        return new(samples.ToArray(), Profile.SampleRate);
    }

    /// <summary>Speaks a text sentence by sentence, each with the pause after it.</summary>
    /// <inheritdoc cref="Speak"/>
    /// <returns>A sound for each sentence, made when it is asked for; a voice speaks one text at a time.</returns>
    public IEnumerable<Sound> Stream(string text, SpeechOptions? options = null, CancellationToken cancel = default)
    {
        options ??= new();
        options.Validate(Profile);
        return Sounds(Utterances(text, options, cancel), options, cancel);
    }

    /// <summary>Speaks a text on another thread.</summary>
    /// <inheritdoc cref="Speak"/>
    public Task<Sound> SpeakAsync(string text, SpeechOptions? options = null, CancellationToken cancel = default) =>
        Task.Run(() => Speak(text, options, cancel), cancel);

    /// <summary>Speaks a text sentence by sentence on another thread, each with the pause after it.</summary>
    /// <inheritdoc cref="Stream"/>
    public async IAsyncEnumerable<Sound> StreamAsync(string text, SpeechOptions? options = null, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        using var sounds = Stream(text, options, cancel).GetEnumerator();
        while (await Task.Run(sounds.MoveNext, cancel).ConfigureAwait(false))
            yield return sounds.Current;
    }

    /// <summary>A text as what is spoken in one go; found out as it is asked for, but for what is wrong with the text.</summary>
    internal IEnumerable<Utterance> Utterances(string text, SpeechOptions options, CancellationToken cancel) =>
        Utterances(Profile, phonemize, text, options, cancel);

    internal static IEnumerable<Utterance> Utterances(VoiceProfile profile, Phonemizer phonemize, string text, SpeechOptions options, CancellationToken cancel)
    {
        var paragraphs = options.Kind == TextKind.English
            ? SpokenEnglish.Spell(text).Split('\n').Select(p => phonemize(p.Split(' '), options.Speaker, cancel))
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

    IEnumerable<Sound> Sounds(IEnumerable<Utterance> utterances, SpeechOptions options, CancellationToken cancel)
    {
        var number = 0UL;
        using var each = utterances.GetEnumerator();
        var more = each.MoveNext();
        if (!more)
            throw new SoftmodelException($"{Profile.Name} has no sound for any of the text");
        while (more)
        {
            cancel.ThrowIfCancellationRequested();
            var utterance = each.Current;
            more = each.MoveNext();
            network.Seed = options.Seed + number++;
            network.Run(Arguments(utterance, options));
            var said = network.Output(0).Span<float>();
            var samples = new float[said.Length + (more ? (int)(utterance.Pause * options.Pause * Profile.SampleRate) : 0)];
            said.CopyTo(samples);
            yield return new(samples, Profile.SampleRate);
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

    /// <summary>What an input of a voice's network is given: numbers, or null for zeros, and its sizes.</summary>
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
        network.Dispose();
        pronouncer?.Dispose();
    }
}
