using System.Globalization;
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

    /// <summary>Whether a blank, number 0, stands before the first and after the last symbol, as it does between all others.</summary>
    public bool BlankAround { get; init; }

    /// <summary>What is added to the tone of a symbol.</summary>
    public int ToneOffset { get; init; }

    /// <summary>The number of the language, where the network asks for one.</summary>
    public int Language { get; init; }

    /// <summary>The voice of espeak-ng that its phonemes come from.</summary>
    public string Espeak { get; init; } = "en-us";

    /// <summary>The noise it was made with.</summary>
    public float Noise { get; init; } = 0.667f;

    /// <summary>The variation of lengths it was made with.</summary>
    public float NoiseWidth { get; init; } = 0.8f;

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
    /// <param name="model">The files, by role: <c>metadata</c> and <c>lexicon</c>, or <c>tokens</c>, or for a Piper voice its <c>.onnx.json</c> beside the model.</param>
    /// <exception cref="SoftmodelException">They are not those of a voice, or are damaged.</exception>
    public static VoiceProfile Read(ResolvedModel model)
    {
        var beside = $"{model.MainFile}.json";
        var (path, read) = model.Find("metadata") is { } metadata ? (metadata, OfMetadata)
            : model.Find("tokens") is { } tokens && Path.GetExtension(tokens) != ".json" ? (tokens, OfTokens)
            : File.Exists(beside) ? (beside, (Func<ResolvedModel, string, VoiceProfile>)OfPiper)
            : throw new SoftmodelException($"{model.Name} is no voice that can be spoken with: it needs a file of symbols with the role 'metadata' or 'tokens', or '{Path.GetFileName(beside)}' beside it; 'softmodel models' lists voices");
        try
        {
            return read(model, path).Checked();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException or OverflowException or IOException or UnauthorizedAccessException)
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
        var noted = OnnxNotes.Read(model.MainFile);
        int Noted(string key, int otherwise) => noted.TryGetValue(key, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        // Each line is a symbol, which may be a space, another space, and its number.
        var symbols = File.ReadLines(path).Where(line => line.Length > 2).Select(line => (line, Space: line.LastIndexOf(' ')))
            .ToDictionary(l => l.line[..l.Space], l => int.Parse(l.line.AsSpan(l.Space + 1), CultureInfo.InvariantCulture));
        return Piper(model.Name, symbols) with { SampleRate = Noted("sample_rate", 22050), Speakers = Noted("n_speakers", 1), Espeak = noted.GetValueOrDefault("voice", "en-us") };
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

    static VoiceProfile Piper(string name, IReadOnlyDictionary<string, int> symbols) =>
        new() { Name = name, SampleRate = 22050, Alphabet = Alphabet.Ipa, Symbols = symbols, First = "^", Last = "$", Gap = " " };
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
