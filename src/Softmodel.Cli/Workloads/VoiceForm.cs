using Softmodel.Graphs;

namespace Softmodel.Cli.Workloads;

/// <summary>How a kind of voice takes phonemes, known by the names of its inputs.</summary>
/// <param name="Rate">The samples in a second of its sound.</param>
/// <param name="Speakers">How many of its speakers are worth trying.</param>
/// <param name="First">The first of the phonemes to choose from.</param>
/// <param name="Last">The last of them.</param>
/// <param name="Symbols">The symbols for phonemes: with blanks between them, and what begins and ends a text.</param>
/// <param name="Inputs">The inputs for symbols, a speaker and how much noise there is, from 0 to 1.</param>
sealed record VoiceForm(int Rate, int Speakers, int First, int Last, Func<long[], long[]> Symbols, Func<long[], int, float, Dictionary<string, Tensor>> Inputs)
{
    // MeloTTS, exported: a blank on either side of each phoneme, tones and languages beside them.
    static readonly VoiceForm melo = new(44100, 1, 7, 110, phonemes => [0, .. phonemes.SelectMany(p => new[] { p, 0 })], (symbols, speaker, noise) =>
    {
        var length = symbols.Length;
        Tensor Row(Func<long, long> value) => Tensor.Of<long>([.. symbols.Select(value)], 1, length);
        return new()
        {
            ["x"] = Row(s => s),
            ["x_lengths"] = Tensor.Vector((long)length),
            ["sid"] = Tensor.Vector((long)speaker),
            ["tone"] = Row(s => s == 0 ? 0 : 7),
            ["language"] = Row(s => s == 0 ? 0 : 2),
            ["bert"] = Tensor.Of<float>(new float[1024 * length], 1, 1024, length),
            ["ja_bert"] = Tensor.Of<float>(new float[768 * length], 1, 768, length),
            ["noise_scale"] = Tensor.Vector(0.667f * noise),
            ["noise_scale_w"] = Tensor.Vector(0.8f * noise),
            ["length_scale"] = Tensor.Vector(1f),
        };
    });

    // Piper: ^, phonemes with blanks after them, $.
    static readonly VoiceForm piper = new(22050, 1, 14, 100, phonemes => [1, 0, .. phonemes.SelectMany(p => new[] { p, 0 }), 2], (symbols, speaker, noise) => new()
    {
        ["input"] = Tensor.Of<long>(symbols, 1, symbols.Length),
        ["input_lengths"] = Tensor.Vector((long)symbols.Length),
        ["scales"] = Tensor.Vector(0.667f * noise, 1f, 0.8f * noise),
    });

    static readonly VoiceForm piperOfMany = piper with
    {
        Speakers = 3,
        Inputs = (symbols, speaker, noise) => new(piper.Inputs(symbols, speaker, noise)) { ["sid"] = Tensor.Vector((long)speaker) },
    };

    /// <summary>The form that has exactly these inputs; null where the model is no voice that is known here.</summary>
    public static VoiceForm? Of(IEnumerable<string> inputs) =>
        new[] { melo, piper, piperOfMany }.FirstOrDefault(f => f.Inputs([0], 0, 0).Keys.ToHashSet().SetEquals(inputs));

    /// <summary>A text of so many phonemes, the same every time.</summary>
    /// <param name="phonemes">How many.</param>
    /// <param name="speaker">Who speaks.</param>
    /// <param name="noise">From 0 for none to 1 for what is usual.</param>
    public Workload Text(int phonemes, int speaker = 0, float noise = 0)
    {
        var random = new Random(phonemes);
        var text = new long[phonemes];
        foreach (ref var phoneme in text.AsSpan())
            phoneme = random.Next(First, Last + 1);
        var name = $"{phonemes} phonemes{(Speakers > 1 ? $", speaker {speaker}" : "")}{(noise > 0 ? ", noise" : "")}";
        return new(name, Inputs(Symbols(text), speaker, noise));
    }
}
