using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Softmodel.Import;
using Softmodel.Import.Onnx;
using Softmodel.Sources;

namespace Softmodel.Speech;

/// <summary>How a voice writes down what it is to say.</summary>
public enum Alphabet
{
    /// <summary>Phones of American English with a tone for the stress.</summary>
    Arpabet,
    /// <summary>The international phonetic alphabet as espeak-ng writes it.</summary>
    Ipa,
}

/// <summary>What there is to know about a voice besides its network: two voices differ by such a table.</summary>
public sealed record VoiceProfile
{
    /// <summary>Its name, for messages.</summary>
    public required string Name { get; init; }

    /// <summary>Samples per second.</summary>
    public required int SampleRate { get; init; }

    /// <summary>How many speakers it has; they are numbered from 0.</summary>
    public int Speakers { get; init; } = 1;

    /// <summary>Its speakers in their order, where they have names; none where they are only numbered.</summary>
    public IReadOnlyList<NamedSpeaker> Named { get; init; } = [];

    /// <summary>What its symbols are.</summary>
    public required Alphabet Alphabet { get; init; }

    /// <summary>The number that the network knows each symbol by.</summary>
    public required IReadOnlyDictionary<string, int> Symbols { get; init; }

    /// <summary>The symbol that every utterance begins with.</summary>
    public required string First { get; init; }

    /// <summary>The symbol that every utterance ends with.</summary>
    public required string Last { get; init; }

    /// <summary>The symbol between words; null for none.</summary>
    public string? Gap { get; init; }

    /// <summary>Whether a blank, number 0, stands between symbols.</summary>
    public bool BlankBetween { get; init; } = true;

    /// <summary>Whether a blank, number 0, stands before the first and after the last symbol, as it does between all others.</summary>
    public bool BlankAround { get; init; }

    /// <summary>The most symbols that it speaks in one go, without the first and the last.</summary>
    public int MostSymbols { get; init; } = int.MaxValue;

    /// <summary>What is added to the tone of a symbol.</summary>
    public int ToneOffset { get; init; }

    /// <summary>The number of the language, where the network asks for one.</summary>
    public int Language { get; init; }

    /// <summary>The voice of espeak-ng that its phonemes come from, where no speaker has a language of its own.</summary>
    public string Espeak { get; init; } = "en-us";

    /// <summary>The noise it was made with.</summary>
    public float Noise { get; init; } = 0.667f;

    /// <summary>The variation of lengths it was made with.</summary>
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

    /// <summary>What gives a speaker its phonemes.</summary>
    internal Espeak Espeaks(int speaker) => new((Named.Count == 0 ? Espeak : Named[speaker].Espeak)!, Spelling(speaker));

    /// <summary>How a speaker's symbols write IPA.</summary>
    internal IpaSpelling Spelling(int speaker) => Named.Count == 0 ? IpaSpelling.Piper : Named[speaker].Spelling;

    /// <summary>How many numbers a style is.</summary>
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

    const long StyleBytes = StyleWidth * sizeof(float);

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

    /// <summary>Reads what there is to know about a voice from the files that came with it.</summary>
    /// <param name="model">
    /// The files, by role: <c>metadata</c> and <c>lexicon</c>, or <c>tokens</c>, and for Kokoro <c>voice-NAME</c> for each speaker.
    /// Without roles, beside the model: for a Piper voice its <c>.onnx.json</c>, for Kokoro <c>tokenizer.json</c> and a folder <c>voices</c>;
    /// or what a Piper voice's own file notes.
    /// </param>
    /// <exception cref="SoftmodelException">They are not those of a voice, or are damaged.</exception>
    public static VoiceProfile Read(ResolvedModel model)
    {
        var beside = $"{model.MainFile}.json";
        var (path, read) = model.Find("metadata") is { } metadata ? (metadata, OfMetadata)
            : model.Find("tokens") is { } tokens && Path.GetExtension(tokens) != ".json" ? (tokens, OfTokens)
            : Tokenizer(model) is { } tokenizer && Styles(model) is { Length: > 0 } styles ? (tokenizer, (model, path) => OfKokoro(model, path, styles))
            : File.Exists(beside) ? (beside, (Func<ResolvedModel, string, VoiceProfile>)OfPiper)
            : Notes(model) is { } notes ? (model.MainFile, (model, _) => OfNotes(model, notes))
            : throw new SoftmodelException($"{model.Name} is no voice that can be spoken with: it needs a file of symbols with the role 'metadata' or 'tokens', symbols noted in its own file, or '{Path.GetFileName(beside)}' or 'tokenizer.json' and a folder 'voices' beside it; 'softmodel models' lists voices");
        try
        {
            return read(model, path).Checked();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or ArgumentException or InvalidOperationException or OverflowException or IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{path}' does not describe a voice: {e.Message}", e);
        }
    }

    VoiceProfile Checked()
    {
        foreach (var symbol in new[] { First, Last }.Append(Gap).OfType<string>())
        {
            if (!Symbols.ContainsKey(symbol))
                throw new FormatException($"there is no symbol '{symbol}'");
        }
        if (SampleRate is < 1000 or > 768_000 || Speakers < 1 || Symbols.Values.Any(v => v < 0))
            throw new FormatException($"it tells {SampleRate} samples per second and {Speakers} speakers");
        return this;
    }

    static VoiceProfile OfMetadata(ResolvedModel model, string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(path));
        var root = json.RootElement;
        return new()
        {
            Name = model.Name,
            SampleRate = root.GetProperty("sample_rate").GetInt32(),
            Speakers = root.TryGetProperty("n_speakers", out var speakers) ? speakers.GetInt32() : 1,
            Alphabet = Alphabet.Arpabet,
            Symbols = root.GetProperty("symbols").EnumerateArray().Select((s, i) => (Symbol: s.GetString()!, i)).ToDictionary(s => s.Symbol, s => s.i),
            First = "_",
            Last = "_",
            BlankAround = true,
            ToneOffset = root.GetProperty("tone_offset").GetInt32(),
            Language = root.GetProperty("language_id").GetInt32(),
        };
    }

    static VoiceProfile OfTokens(ResolvedModel model, string path)
    {
        // Each line is a symbol, which may be a space, another space, and its number.
        var symbols = File.ReadLines(path).Where(line => line.Length > 2)
            .Select(line => (line, Space: line.LastIndexOf(' ') is >= 0 and var space ? space : throw new FormatException($"'{(line.Length > 40 ? line[..40] + "…" : line)}' is no symbol with its number")))
            .ToDictionary(l => l.line[..l.Space], l => int.Parse(l.line.AsSpan(l.Space + 1), CultureInfo.InvariantCulture));
        return Noted(Piper(model.Name, symbols), OnnxNotes.Read(model.MainFile));
    }

    /// <summary>What the network's own file notes, where that is its symbols, or null.</summary>
    static Dictionary<string, string>? Notes(ResolvedModel model)
    {
        try
        {
            return Path.GetExtension(model.MainFile) == ".onnx" && OnnxNotes.Read(model.MainFile) is var notes && notes.ContainsKey("phoneme_ids") ? notes : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    static VoiceProfile OfNotes(ResolvedModel model, Dictionary<string, string> notes)
    {
        var symbols = notes["phonemes"].Split(' ').Select(p => p == "<space>" ? " " : p).ToArray();
        var numbers = notes["phoneme_ids"].Split(' ');
        return symbols.Length == numbers.Length ? Noted(Piper(model.Name, symbols.Zip(numbers).ToDictionary(s => s.First, s => int.Parse(s.Second, CultureInfo.InvariantCulture))), notes)
            : throw new FormatException($"it notes {symbols.Length} phonemes and {numbers.Length} numbers for them");
    }

    static VoiceProfile Noted(VoiceProfile voice, Dictionary<string, string> notes)
    {
        int Whole(string key, int otherwise) => notes.TryGetValue(key, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        float Real(string key, float otherwise) => notes.TryGetValue(key, out var text) ? float.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        return voice with
        {
            SampleRate = Whole("sample_rate", voice.SampleRate),
            Speakers = Whole("n_speakers", voice.Speakers),
            Espeak = notes.GetValueOrDefault("voice", voice.Espeak),
            Noise = Real("noise_scale", voice.Noise),
            NoiseWidth = Real("noise_w", voice.NoiseWidth),
        };
    }

    static VoiceProfile OfPiper(ResolvedModel model, string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(path));
        var root = json.RootElement;
        var symbols = root.GetProperty("phoneme_id_map").EnumerateObject().ToDictionary(p => p.Name, p => p.Value[0].GetInt32());
        var profile = Piper(model.Name, symbols) with
        {
            SampleRate = root.GetProperty("audio").GetProperty("sample_rate").GetInt32(),
            Speakers = Math.Max(1, root.TryGetProperty("num_speakers", out var speakers) ? speakers.GetInt32() : 1),
        };
        if (root.TryGetProperty("espeak", out var espeak) && espeak.TryGetProperty("voice", out var voice))
            profile = profile with { Espeak = voice.GetString()! };
        if (root.TryGetProperty("inference", out var inference))
        {
            profile = profile with
            {
                Noise = inference.TryGetProperty("noise_scale", out var noise) ? noise.GetSingle() : profile.Noise,
                NoiseWidth = inference.TryGetProperty("noise_w", out var width) ? width.GetSingle() : profile.NoiseWidth,
            };
        }
        return profile;
    }

    /// <summary>The table of symbols of a Kokoro voice, or null.</summary>
    static string? Tokenizer(ResolvedModel model) => model.Find("tokens") ?? (Path.Combine(Path.GetDirectoryName(model.MainFile)!, "tokenizer.json") is var beside && File.Exists(beside) ? beside : null);

    /// <summary>The styles of a Kokoro voice: a file for each speaker.</summary>
    static string[] Styles(ResolvedModel model)
    {
        var folder = Path.Combine(Path.GetDirectoryName(model.MainFile)!, "voices");
        string[] styles = [.. model.Files.Where(f => f.Role.StartsWith("voice-", StringComparison.Ordinal)).Select(f => f.Path)];
        return styles.Length > 0 || !Directory.Exists(folder) ? styles : [.. Directory.GetFiles(folder, "*.bin").Order(StringComparer.Ordinal)];
    }

    static VoiceProfile OfKokoro(ResolvedModel model, string path, string[] styles)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(path));
        if (styles.FirstOrDefault(s => new FileInfo(s).Length is var length && (length == 0 || length % StyleBytes != 0)) is { } odd)
            throw new FormatException($"the styles in '{odd}' are not rows of {StyleWidth} numbers");
        return new()
        {
            Name = model.Name,
            // No file says so.
            SampleRate = 24000,
            Speakers = styles.Length,
            Named = [.. styles.Select(NamedSpeaker.Of)],
            Alphabet = Alphabet.Ipa,
            Symbols = json.RootElement.GetProperty("model").GetProperty("vocab").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetInt32()),
            First = "$",
            Last = "$",
            Gap = " ",
            BlankBetween = false,
            MostSymbols = 510,
        };
    }

    static VoiceProfile Piper(string name, IReadOnlyDictionary<string, int> symbols) =>
        new() { Name = name, SampleRate = 22050, Alphabet = Alphabet.Ipa, Symbols = symbols, First = "^", Last = "$", Gap = " " };
}

/// <summary>A speaker that has a name, as Kokoro's have.</summary>
/// <param name="Name">The name, such as <c>af_heart</c>. Its first letter is the language.</param>
/// <param name="Language">What it speaks, in English words.</param>
/// <param name="Espeak">The voice of espeak-ng that its phonemes come from; null where it is given phonemes only, text being read as English.</param>
/// <param name="StyleFile">The file with how it sounds: 256 numbers for each number of symbols in an utterance.</param>
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

/// <summary>What the producer of an ONNX file noted at its end, read without reading the rest.</summary>
static class OnnxNotes
{
    const int Field = 14, Key = 1, Value = 2;

    /// <summary>The notes by name.</summary>
    /// <exception cref="FormatException">The file is damaged.</exception>
    public static Dictionary<string, string> Read(string path)
    {
        using var file = MappedFile.Open(path);
        var bytes = file.Slice(0, checked((int)file.Length)).Span;
        var notes = new Dictionary<string, string>();
        try
        {
            for (var reader = new WireReader(bytes, 0, bytes.Length); reader.Next();)
            {
                if (reader.Field != Field)
                {
                    reader.Skip();
                    continue;
                }
                var (key, value) = ("", "");
                for (var note = reader.Message(); note.Next();)
                {
                    var (start, length) = note.Bytes();
                    var text = System.Text.Encoding.UTF8.GetString(bytes.Slice(start, length));
                    (key, value) = note.Field switch { Key => (text, value), Value => (key, text), _ => (key, value) };
                }
                notes[key] = value;
            }
        }
        catch (WireException e)
        {
            throw new FormatException($"{path} is damaged at byte {e.Offset}: {e.Message}", e);
        }
        return notes;
    }
}
