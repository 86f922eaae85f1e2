using System.Collections.Concurrent;

namespace Softmodel.Speech;

/// <summary>English words in ARPAbet, from a lexicon and, where that has no entry, from rules and a network. Several threads may use it.</summary>
/// <param name="lexicon">The lexicon.</param>
/// <param name="pronounce">Guesses the phones of words that are in neither.</param>
sealed class Arpabet(Lexicon lexicon, Func<string, string[]> pronounce)
{
    /// <summary>Longer runs of letters are no words; they are pronounced in pieces.</summary>
    const int LongestWord = 24;

    const int MostKept = 10_000;

    /// <summary>What an ending sounds like after a word, where the lexicon does not have both together.</summary>
    static readonly (string Ending, string[] Phones)[] endings =
    [
        ("N'T", ["AH0", "N", "T"]), ("'LL", ["AH0", "L"]), ("'VE", ["V"]), ("'RE", ["ER0"]), ("'D", ["D"]), ("'M", ["M"]),
    ];

    static readonly string[] hissing = ["S", "Z", "SH", "ZH", "CH", "JH"];

    static readonly string[] voiceless = ["P", "T", "K", "F", "TH"];

    readonly ConcurrentDictionary<string, Phoneme[]> known = [];

    /// <summary>The sounds of words: a <see cref="Phonemizer"/>.</summary>
    public IReadOnlyList<SpokenWord> Phonemize(IReadOnlyList<string> words, int speaker, CancellationToken cancellationToken)
    {
        var spoken = new SpokenWord[words.Count];
        for (var i = 0; i < spoken.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var mark = SpokenEnglish.Marks.Contains(words[i][^1]) ? words[i][^1] : '\0';
            spoken[i] = new(Phonemes(mark == 0 ? words[i] : words[i][..^1]), mark);
        }
        return spoken;
    }

    Phoneme[] Phonemes(string word)
    {
        var capitals = word.ToUpperInvariant();
        if (known.TryGetValue(capitals, out var phonemes))
            return phonemes;
        phonemes = [.. Phones(capitals).Select(Phoneme)];
        if (known.Count < MostKept)
            known.TryAdd(capitals, phonemes);
        return phonemes;
    }

    /// <summary>A phone as symbol and tone: <c>AH0</c> is <c>ah</c> with tone 1, <c>N</c> is <c>n</c> with tone 0.</summary>
    public static Phoneme Phoneme(string phone)
    {
        var stressed = char.IsAsciiDigit(phone[^1]);
        var symbol = (stressed ? phone[..^1] : phone).ToLowerInvariant();
        // The voices that use these symbols know the English v by its capital.
        return new(symbol == "v" ? "V" : symbol, stressed ? phone[^1] - '0' + 1 : 0);
    }

    /// <summary>The phones of a word in capitals.</summary>
    internal IEnumerable<string> Phones(string word)
    {
        if (lexicon.Find(word) is { } found)
            return found;
        if (word.EndsWith("'S", StringComparison.Ordinal))
            return Possessive([.. Phones(word[..^2])]);
        foreach (var (ending, phones) in endings)
        {
            if (word.Length > ending.Length && word.EndsWith(ending, StringComparison.Ordinal))
                return Phones(word[..^ending.Length]).Concat(phones);
        }
        if (word.Contains('\''))
            return word.Split('\'', StringSplitOptions.RemoveEmptyEntries).SelectMany(Phones);
        return word.Length > LongestWord ? word.Chunk(LongestWord).SelectMany(part => Phones(new string(part))) : pronounce(word);
    }

    static IEnumerable<string> Possessive(string[] word) =>
        word.Concat(word.Length > 0 && hissing.Contains(word[^1]) ? ["IH0", "Z"] : word.Length > 0 && voiceless.Contains(word[^1]) ? ["S"] : ["Z"]);
}
