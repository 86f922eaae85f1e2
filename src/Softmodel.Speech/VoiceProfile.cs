using System.Globalization;
using System.Runtime.InteropServices;

namespace Softmodel.Speech;

/// <summary>The phoneme alphabet of a voice.</summary>
public enum Alphabet
{
    /// <summary>Phones of American English with a tone for the stress.</summary>
    Arpabet,
    /// <summary>The international phonetic alphabet as espeak-ng writes it.</summary>
    Ipa,
}

/// <summary>All that differs between voices besides the network.</summary>
public sealed record VoiceProfile
{
    /// <summary>Its name, for messages.</summary>
    public required string Name { get; init; }

    /// <summary>The sample rate in Hz.</summary>
    public required int SampleRate { get; init; }

    /// <summary>How many speakers it has; they are numbered from 0.</summary>
    public int Speakers { get; init; } = 1;

    /// <summary>Its speakers in their order, where they have names; none where they are only numbered.</summary>
    public IReadOnlyList<NamedSpeaker> Named { get; init; } = [];

    /// <summary>The alphabet of its symbols.</summary>
    public required Alphabet Alphabet { get; init; }

    /// <summary>The id of each symbol.</summary>
    public required IReadOnlyDictionary<string, int> Symbols { get; init; }

    /// <summary>The symbol that every utterance begins with.</summary>
    public required string First { get; init; }

    /// <summary>The symbol that every utterance ends with.</summary>
    public required string Last { get; init; }

    /// <summary>The symbol between words; null for none.</summary>
    public string? Gap { get; init; }

    /// <summary>Whether a blank, id 0, stands between symbols.</summary>
    public bool BlankBetween { get; init; } = true;

    /// <summary>Whether a blank, id 0, stands before the first and after the last symbol, as it does between all others.</summary>
    public bool BlankAround { get; init; }

    /// <summary>The maximum number of symbols of an utterance, without the first and the last.</summary>
    public int MaxSymbols { get; init; } = int.MaxValue;

    /// <summary>What is added to the tone of a symbol.</summary>
    public int ToneOffset { get; init; }

    /// <summary>The id of the language, where the network takes one.</summary>
    public int Language { get; init; }

    /// <summary>The voice of espeak-ng that its phonemes come from, where no speaker has a language of its own.</summary>
    public string Espeak { get; init; } = "en-us";

    /// <summary>Its default noise scale.</summary>
    public float Noise { get; init; } = 0.667f;

    /// <summary>Its default noise scale of phoneme durations.</summary>
    public float NoiseWidth { get; init; } = 0.8f;

    /// <summary>The number of a speaker.</summary>
    /// <param name="speaker">Its number, or its name where it has one, such as <c>af_heart</c>.</param>
    /// <exception cref="SoftmodelException">There is none: the message names those there are.</exception>
    public int SpeakerOf(string speaker)
    {
        for (var i = 0; i < Named.Count; i++)
        {
            if (Named[i].Name == speaker)
                return i;
        }
        return int.TryParse(speaker, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < Speakers ? number
            : throw NoSpeaker(speaker);
    }

    internal SoftmodelException NoSpeaker(string speaker) => new($"there is no speaker {speaker}: {Name} has {(Speakers == 1 ? "one speaker, number 0" : $"speakers 0 to {Speakers - 1}")}{Names(Named)}");

    static string Names(IEnumerable<NamedSpeaker> speakers) => string.Join(", ", speakers.Select(s => s.Name)) is { Length: > 0 } names ? $": {names}" : "";

    /// <summary>The speakers that are given English text, in their order.</summary>
    internal IReadOnlyList<int> OfText => [.. Enumerable.Range(0, Speakers).Where(SpeaksText)];

    /// <summary>Whether a speaker is given English text, and not only phonemes.</summary>
    internal bool SpeaksText(int speaker) => Named.Count == 0 || Named[speaker].Espeak is not null;

    internal SoftmodelException NoText(int speaker) =>
        new($"{Named[speaker].Name} speaks {Named[speaker].Language}, and text is read as English: give phonemes (--phonemes), or choose a speaker of English{Names(Named.Where(s => s.Espeak is not null))}");

    /// <summary>The G2P of a speaker.</summary>
    internal Espeak Espeaks(int speaker) => new((Named.Count == 0 ? Espeak : Named[speaker].Espeak)!, Spelling(speaker));

    /// <summary>How a speaker's symbols write IPA.</summary>
    internal IpaSpelling Spelling(int speaker) => Named.Count == 0 ? IpaSpelling.Piper : Named[speaker].Spelling;

    /// <summary>The number of elements of a style embedding.</summary>
    internal const int StyleWidth = 256;

    /// <summary>How a speaker sounds in an utterance of so many symbols, the first and the last with them.</summary>
    /// <exception cref="SoftmodelException">The file can't be read.</exception>
    internal float[] Style(int speaker, int symbols)
    {
        var path = Named[speaker].StyleFile;
        try
        {
            using var file = File.OpenHandle(path);
            var rows = RandomAccess.GetLength(file) / StyleBytes;
            var style = new float[StyleWidth];
            return RandomAccess.Read(file, MemoryMarshal.AsBytes(style.AsSpan()), Math.Min(symbols - 2, rows - 1) * StyleBytes) == StyleBytes ? style : throw new EndOfStreamException("it is too short");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"the styles of {Named[speaker].Name} in '{path}' can't be read: {e.Message}", e);
        }
    }

    internal const long StyleBytes = StyleWidth * sizeof(float);

    /// <summary>What marks are written as, where the symbols don't have them.</summary>
    static readonly Dictionary<char, string> instead = new() { ['…'] = ".", [';'] = ",", [':'] = "," };

    /// <summary>The symbol for a mark; null where the voice has none.</summary>
    internal string? SymbolOf(char mark)
    {
        // Among ARPAbet's symbols ':' is a sound of another language.
        var own = mark.ToString();
        var known = Symbols.ContainsKey(own) && (Alphabet != Alphabet.Arpabet || mark is not (':' or ';'));
        var symbol = known ? own : instead.GetValueOrDefault(mark, own);
        return Symbols.ContainsKey(symbol) ? symbol : null;
    }

    /// <summary>The profile, where it can be that of a voice.</summary>
    /// <exception cref="FormatException">It can't.</exception>
    internal VoiceProfile Checked()
    {
        foreach (var symbol in new[] { First, Last }.Append(Gap).OfType<string>())
        {
            if (!Symbols.ContainsKey(symbol))
                throw new FormatException($"there is no symbol '{symbol}'");
        }
        if (SampleRate is < 1000 or > 768_000 || Speakers < 1 || Symbols.Values.Any(v => v < 0))
            throw new FormatException($"its sample rate is {SampleRate} Hz, and it has {Speakers} speakers");
        return this;
    }
}

/// <summary>A speaker that has a name, as Kokoro's have.</summary>
/// <param name="Name">The name, such as <c>af_heart</c>. Its first letter is the language.</param>
/// <param name="Language">What it speaks, in English words.</param>
/// <param name="Espeak">The voice of espeak-ng that its phonemes come from; null where it is given phonemes only, text being read as English.</param>
/// <param name="StyleFile">The file with its style embeddings: 256 floats for each number of symbols in an utterance.</param>
public sealed record NamedSpeaker(string Name, string Language, string? Espeak, string StyleFile)
{
    /// <summary>How its symbols write IPA.</summary>
    internal IpaSpelling Spelling => Espeak switch { "en-us" => IpaSpelling.KokoroAmerican, "en-gb" => IpaSpelling.KokoroBritish, _ => IpaSpelling.Kokoro };

    /// <summary>The speaker of a file of styles.</summary>
    internal static NamedSpeaker Of(string file)
    {
        var name = Path.GetFileNameWithoutExtension(file);
        var (language, espeak) = name.AsSpan(0, Math.Min(1, name.Length)) switch
        {
            "a" => ("American English", "en-us"),
            "b" => ("British English", "en-gb"),
            "e" => ("Spanish", null),
            "f" => ("French", null),
            "h" => ("Hindi", null),
            "i" => ("Italian", null),
            "j" => ("Japanese", null),
            "p" => ("Brazilian Portuguese", null),
            "z" => ("Mandarin Chinese", null),
            _ => ("a language that its name does not tell", (string?)null),
        };
        return new(name, language, espeak, file);
    }
}
