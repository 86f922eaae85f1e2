using System.Globalization;
using System.Text.Json;
using Softmodel.Sources;
using Softmodel.Speech;

namespace Softmodel.Load;

/// <summary>What there is to know about a voice, from the files that came with it.</summary>
static class VoiceFiles
{
    /// <summary>Reads what there is to know about a voice from the files that came with it.</summary>
    /// <param name="model">
    /// The files, by role: <c>metadata</c> and <c>lexicon</c>, or <c>tokens</c>, and for Kokoro <c>voice-NAME</c> for each speaker.
    /// Without roles, beside the model: for a Piper voice its <c>.onnx.json</c>, for Kokoro <c>tokenizer.json</c> and a folder <c>voices</c>;
    /// or what a Piper voice's own file notes.
    /// </param>
    /// <exception cref="SoftmodelException">They are not those of a voice, or are damaged.</exception>
    public static VoiceProfile Read(ResolvedModel model)
    {
        var (path, read) = Reader(model) ?? throw new SoftmodelException($"{model.Name} is no voice that can be spoken with: it needs a file of symbols with the role 'metadata' or 'tokens', symbols noted in its own file, or '{Path.GetFileName(model.MainFile)}.json' or 'tokenizer.json' and a folder 'voices' beside it; 'softmodel models' lists voices");
        try
        {
            return read(model, path).Checked();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or ArgumentException or InvalidOperationException or OverflowException or IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{path}' does not describe a voice: {e.Message}", e);
        }
    }

    /// <summary>The file that describes a voice, and what reads it; null where there is none.</summary>
    static (string Path, Func<ResolvedModel, string, VoiceProfile> Read)? Reader(ResolvedModel model)
    {
        var beside = $"{model.MainFile}.json";
        return model.Find("metadata") is { } metadata ? (metadata, OfMetadata)
            : model.Find("tokens") is { } tokens && Path.GetExtension(tokens) != ".json" ? (tokens, OfTokens)
            : Tokenizer(model) is { } tokenizer && Styles(model) is { Length: > 0 } styles ? (tokenizer, (model, path) => OfKokoro(model, path, styles))
            : File.Exists(beside) ? (beside, OfPiper)
            : Notes(model) is { } notes ? (model.MainFile, (model, _) => OfNotes(model, notes))
            : null;
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
        if (styles.FirstOrDefault(s => new FileInfo(s).Length is var length && (length == 0 || length % VoiceProfile.StyleBytes != 0)) is { } odd)
            throw new FormatException($"the styles in '{odd}' are not rows of {VoiceProfile.StyleWidth} numbers");
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
            MaxSymbols = 510,
        };
    }

    static VoiceProfile Piper(string name, IReadOnlyDictionary<string, int> symbols) =>
        new() { Name = name, SampleRate = 22050, Alphabet = Alphabet.Ipa, Symbols = symbols, First = "^", Last = "$", Gap = " " };
}
