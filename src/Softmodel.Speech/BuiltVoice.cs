using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Softmodel.Runtime;

namespace Softmodel.Speech;

/// <summary>
/// What lies beside the library of a voice that has been built, in <see cref="FileName"/>: all that is known of the voice, and where the
/// rest of it lies, by paths from its folder.
/// </summary>
/// <param name="Profile">What there is to know about it; styles of speakers are files of the folder.</param>
/// <param name="Lexicon">The lexicon's file, for voices that speak ARPAbet.</param>
/// <param name="LexiconSha256">Its hash in hexadecimal digits.</param>
/// <param name="Pronouncer">The folder of the G2P network for words that the lexicon does not have.</param>
/// <param name="PronouncerVocabulary">The ids of its letters and phones.</param>
sealed record BuiltVoice(VoiceProfile Profile, string? Lexicon = null, string? LexiconSha256 = null, string? Pronouncer = null, PronouncerVocabulary? PronouncerVocabulary = null)
{
    /// <summary>The name of the file.</summary>
    public const string FileName = "voice.json";

    /// <summary>Writes the file.</summary>
    public void Write(Stream stream) => JsonSerializer.Serialize(stream, this, BuiltVoiceJson.Default.BuiltVoice);

    /// <summary>The voice in a folder.</summary>
    /// <inheritdoc cref="Voice.Open" path="/param"/>
    /// <inheritdoc cref="Voice.Open" path="/exception"/>
    public static Voice Open(string folder, int threads)
    {
        folder = Path.GetFullPath(folder);
        var built = Read(Path.Combine(folder, FileName));
        var profile = built.Profile with { Named = [.. built.Profile.Named.Select(s => s with { StyleFile = Path.Combine(folder, s.StyleFile) })] };
        var network = BuiltModel.Open(folder, threads);
        Pronouncer? pronouncer = null;
        try
        {
            if (profile.Alphabet == Alphabet.Ipa)
                return new(profile, network, (words, speaker, cancellationToken) => profile.Espeaks(speaker).Phonemize(words, cancellationToken), null);
            var lexicon = Speech.Lexicon.Of(Checked(Path.Combine(folder, built.Lexicon!), built.LexiconSha256!));
            pronouncer = new(BuiltModel.Open(Path.Combine(folder, built.Pronouncer!), 1), built.PronouncerVocabulary!);
            return new(profile, network, new Arpabet(lexicon, pronouncer.Pronounce).Phonemize, pronouncer);
        }
        catch
        {
            network.Dispose();
            pronouncer?.Dispose();
            throw;
        }
    }

    static BuiltVoice Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var read = JsonSerializer.Deserialize(file, BuiltVoiceJson.Default.BuiltVoice) ?? throw new JsonException("it is empty");
            _ = read.Profile.Checked();
            return read.Profile.Alphabet == Alphabet.Ipa || read is { Lexicon: not null, LexiconSha256: not null, Pronouncer: not null, PronouncerVocabulary: not null } ? read
                : throw new JsonException("it names no lexicon and no G2P network");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or FormatException or NotSupportedException)
        {
            throw new SoftmodelException($"{path}: it does not describe a voice that softmodel build has made: {e.Message}", e);
        }
    }

    static byte[] Checked(string path, string hash)
    {
        try
        {
            var bytes = File.ReadAllBytes(path);
            return Convert.ToHexStringLower(SHA256.HashData(bytes)) == hash ? bytes : throw new SoftmodelException($"{path}: the file is damaged; build the voice again");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"{path}: the lexicon can't be read: {e.Message}", e);
        }
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(BuiltVoice))]
sealed partial class BuiltVoiceJson : JsonSerializerContext;
