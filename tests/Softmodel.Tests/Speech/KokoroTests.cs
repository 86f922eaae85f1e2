using System.Runtime.InteropServices;
using Softmodel.Load;
using Softmodel.Runtime;
using Softmodel.Speech;

namespace Softmodel.Tests.Speech;

public sealed class KokoroTests : IDisposable
{
    const string Symbols = "$;:,.!?… AIOQWYᵊabcdefhijklmnopstuvwzɑɐɒæɔðəɚɛɜɡɪŋɹɾʃʊʌʒʔˈˌːᵻʤʧθ";

    const int Rows = 510;

    readonly string folder = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public KokoroTests()
    {
        // A version of the format, and nothing else.
        File.WriteAllBytes(Path.Combine(folder, "model.onnx"), [8, 8]);
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"),
            $$"""{ "model": { "vocab": { {{string.Join(", ", Symbols.Select((s, i) => $"\"{s}\": {i}"))}} } } }""");
        Directory.CreateDirectory(Path.Combine(folder, "voices"));
        foreach (var (name, speaker) in new[] { ("af_one", 0), ("bm_two", 1), ("ff_three", 2), ("7", 3) })
            Styles(name, [.. Enumerable.Range(0, Rows * 256).Select(i => speaker * 1000f + i / 256)]);
    }

    void Styles(string name, float[] numbers) => File.WriteAllBytes(Path.Combine(folder, "voices", $"{name}.bin"), MemoryMarshal.AsBytes(numbers.AsSpan()));

    public void Dispose() => Directory.Delete(folder, recursive: true);

    VoiceProfile Read() => VoiceFiles.Read(new("made-up", folder, [new("model", Path.Combine(folder, "model.onnx"), 0, null)], new(null)));

    static Utterance[] Given(VoiceProfile profile, string phonemes, int speaker = 0, int most = 200) =>
        [.. Voice.Utterances(profile, (_, _, _) => throw new InvalidOperationException(), phonemes, new() { Kind = TextKind.Phonemes, Speaker = speaker, MaxPhonemes = most }, default)];

    static string Text(Utterance utterance) => string.Concat(utterance.Symbols.Select(s => Symbols[(int)s]));

    static object? Given(VoiceProfile profile, string name, int rank, Utterance utterance, SpeechOptions options) =>
        Voice.Input(new(name, ElementType.Float32, [.. Enumerable.Repeat("1", rank)]), profile, utterance, options).Numbers;

    [Fact]
    public void Files_beside_the_network_tell_its_speakers()
    {
        var profile = Read();
        Assert.Equal(24000, profile.SampleRate);
        // In the order of their names.
        Assert.Equal([("7", null), ("af_one", "en-us"), ("bm_two", "en-gb"), ("ff_three", null)], profile.Named.Select(s => (s.Name, s.Espeak)));
        Assert.Equal(4, profile.Speakers);
        Assert.Equal(2, profile.SpeakerOf("bm_two"));
        Assert.Equal(3, profile.SpeakerOf("3"));
        // A name is nearer than a number.
        Assert.Equal(0, profile.SpeakerOf("7"));
    }

    [Theory]
    [InlineData("8")]
    [InlineData("-1")]
    [InlineData("two")]
    [InlineData("")]
    public void A_speaker_that_is_not_there_is_told_with_those_that_are(string speaker)
    {
        var refused = Assert.Throws<SoftmodelException>(() => Read().SpeakerOf(speaker)).Message;
        Assert.Contains($"no speaker {speaker}: made-up has speakers 0 to 3: 7, af_one, bm_two, ff_three", refused);
    }

    [Fact]
    public void Symbols_stand_without_blanks_between_two_pads()
    {
        var utterance = Assert.Single(Given(Read(), "ðə fˈɛɹi, lˈiːvz.", speaker: 2));
        Assert.Equal("$ðə fˈɛɹi, lˈiːvz.$", Text(utterance));
    }

    [Fact]
    public void The_style_is_the_row_of_as_many_symbols_and_the_pace_the_speed()
    {
        var profile = Read();
        var utterance = Assert.Single(Given(profile, "kæt."));
        var options = new SpeechOptions { Speaker = 2, Speed = 1.5f };
        Assert.Equal(Enumerable.Repeat(1000f + 4, 256), Assert.IsType<float[]>(Given(profile, "style", 2, utterance, options)));
        Assert.Equal([1.5f], Assert.IsType<float[]>(Given(profile, "speed", 1, utterance, options)));
        Assert.Same(utterance.Symbols, Given(profile, "input_ids", 2, utterance, options));
        // The last row is for what is longer.
        Assert.Equal(2000f + Rows - 1, profile.Style(3, Rows + 2)[0]);
        Assert.Equal(2000f, profile.Style(3, 2)[0]);
    }

    [Theory]
    // What espeak-ng 1.51 writes with ties.
    [InlineData(1, "lˈɪɾə͡l bˈʌʔn̩ d͡ʒˈʌd͡ʒ t͡ʃˈɛɹ ˈe͡ɪt nˈa͡ɪn nˈa͡ʊ ɡˌo͡ʊ ˈɛ͡ɹ lˈɛɾɚ wˈɔːɾɚɹ", "lˈɪɾᵊl bˈʌtᵊn ʤˈʌʤ ʧˈɛɹ ˈAt nˈIn nˈW ɡˌO ˈɛɹ lˈɛɾəɹ wˈɔɾəɹ")]
    [InlineData(1, "ðə nˈɔ͡ɪz fˈoː͡ɹ bˈɜːdz ɐ nˈʌtʃɛl", "ðə nˈYz fˈɔɹ bˈɜɹdz ə nˈʌtʃɛl")]
    [InlineData(2, "t͡ʃˈe͡əɹ ɡˌə͡ʊ hˈi͡ə fˈɔː bˈɜːdz bˈɒtə͡l", "ʧˈɛːɹ ɡˌQ hˈɪə fˈɔː bˈɜːdz bˈɒtᵊl")]
    // What says that a word is of another language is no sound.
    [InlineData(1, "(fr)bɔ̃(en) d͡ʒˈʌd͡ʒ", "bɔ ʤˈʌʤ")]
    // Nothing of another language is changed but what is one letter here.
    [InlineData(3, "ʁe t͡ʃoː", "ʁe ʧoː")]
    public void Sounds_are_written_as_the_speaker_s_language_has_them(int speaker, string ipa, string expected) =>
        Assert.Equal(expected, string.Join(' ', Read().Spelling(speaker).Words(ipa).Select(w => string.Concat(w.Select(p => p.Symbol)))));

    [Theory]
    [InlineData("tʃˈɛɹ nˈaɪn gˈoʊ", "$ʧˈɛɹ nˈIn ɡˈO$")]
    [InlineData("ʧˈɛɹ nˈIn ɡˈO", "$ʧˈɛɹ nˈIn ɡˈO$")]
    public void Phonemes_of_a_user_s_are_IPA_or_the_voice_s_own(string phonemes, string expected) =>
        Assert.Equal(expected, Text(Assert.Single(Given(Read(), phonemes, speaker: 1))));

    [Fact]
    public void No_utterance_is_longer_than_the_network_takes()
    {
        var profile = Read();
        // More words than go into one, and words that do not by themselves.
        foreach (var phonemes in new[] { string.Join(' ', Enumerable.Repeat("kə", 1000)), new string('k', 2000), $"kə {new string('k', 1200)}. kə" })
        {
            var utterances = Given(profile, phonemes, most: 2000);
            Assert.All(utterances, u => Assert.InRange(u.Symbols.Length, 3, 512));
            Assert.Equal(phonemes.Count(c => c is 'k' or 'ə'), utterances.Sum(u => Text(u).Count(c => c is 'k' or 'ə')));
        }
    }

    [Fact]
    public void Text_is_for_speakers_of_English_and_phonemes_are_for_all()
    {
        var profile = Read();
        new SpeechOptions { Speaker = 1 }.Validate(profile);
        new SpeechOptions { Speaker = 3, Kind = TextKind.Phonemes }.Validate(profile);
        var refused = Assert.Throws<SoftmodelException>(() => new SpeechOptions { Speaker = 3 }.Validate(profile)).Message;
        Assert.Contains("ff_three speaks French", refused);
        Assert.EndsWith("a speaker of English: af_one, bm_two", refused);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(255)]
    [InlineData(257)]
    public void Styles_that_are_no_rows_are_damaged(int numbers)
    {
        Styles("am_broken", new float[numbers]);
        Assert.Contains("am_broken.bin", Assert.Throws<SoftmodelException>(() => Read()).Message);
    }

    [Fact]
    public void Without_styles_it_is_no_voice()
    {
        Directory.Delete(Path.Combine(folder, "voices"), recursive: true);
        Assert.Contains("is no voice", Assert.Throws<SoftmodelException>(() => Read()).Message);
    }
}
