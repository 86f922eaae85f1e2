using System.Text.Json;
using Softmodel.Runtime;

namespace Softmodel.Speech;

/// <summary>G2P by a network: the phones of a word from its letters. Several threads may use it.</summary>
/// <param name="model">The compiled network, which it takes over: letters in, phones out.</param>
/// <param name="vocabulary">The ids of letters and phones.</param>
sealed class Pronouncer(CompiledModel model, PronouncerVocabulary vocabulary) : IDisposable
{
    /// <summary>The maximum number of phones of a word.</summary>
    public const int MaxPhones = 20;

    readonly Lock running = new();

    /// <summary>The ids of letters and phones.</summary>
    public PronouncerVocabulary Vocabulary => vocabulary;

    /// <summary>The phones of a word.</summary>
    /// <param name="word">Its letters; what is no letter of the network's is unknown to it.</param>
    public string[] Pronounce(string word)
    {
        var letters = new long[word.Length + 1];
        for (var i = 0; i < word.Length; i++)
            letters[i] = vocabulary.Letter(char.ToLowerInvariant(word[i]).ToString());
        letters[^1] = vocabulary.Letter(PronouncerVocabulary.EndOfWord);
        lock (running)
        {
            model.Run(TensorArgument.Of(letters, letters.Length));
            var said = model.Output(0).Span<long>();
            var end = said.IndexOf(vocabulary.Phone(PronouncerVocabulary.EndOfWord));
            return [.. (end < 0 ? said : said[..end]).ToArray().Select(p => vocabulary.Phones[(int)p]).Where(p => p[0] != '<')];
        }
    }

    /// <summary>Frees the compiled network.</summary>
    public void Dispose() => model.Dispose();
}

/// <summary>The ids of letters and phones of a <see cref="Pronouncer"/>.</summary>
sealed record PronouncerVocabulary(string[] Letters, string[] Phones)
{
    /// <summary>What begins and ends a word.</summary>
    public const string EndOfWord = "</s>", Begin = "<s>";

    const string Unknown = "<unk>";

    public int Letter(string letter) => Array.IndexOf(Letters, letter) is >= 0 and var found ? found : Array.IndexOf(Letters, Unknown);

    public int Phone(string phone) => Array.IndexOf(Phones, phone) is >= 0 and var found ? found : throw new FormatException($"there is no phone '{phone}'");

    /// <summary>The lists alone, past all the weights.</summary>
    public static PronouncerVocabulary Read(ReadOnlySpan<byte> json)
    {
        var lists = new Dictionary<string, string[]>();
        var reader = new Utf8JsonReader(json);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name is not ("graphemes" or "phonemes"))
            {
                reader.Skip();
                continue;
            }
            var items = new List<string>();
            while (reader.Read() && reader.TokenType == JsonTokenType.String)
                items.Add(reader.GetString()!);
            lists[name] = [.. items];
        }
        return new(lists["graphemes"], lists["phonemes"]);
    }
}
