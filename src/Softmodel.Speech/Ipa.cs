using System.Text;

namespace Softmodel.Speech;

/// <summary>How a speaker's symbols write what espeak-ng writes in IPA.</summary>
/// <param name="Ties">Whether letters of one sound are told by a tie from letters of two, as in <c>t͡ʃ</c>.</param>
/// <param name="Rules">What is written, and what is written instead, in their order.</param>
sealed record IpaSpelling(bool Ties, (string From, string To)[] Rules)
{
    /// <summary>Joins the letters of one sound.</summary>
    public const string Tie = "\u0361";

    /// <summary>Single letters, as espeak-ng writes them: a letter with a sign is two.</summary>
    public static readonly IpaSpelling Piper = new(false, [("\u200d", ""), ("ç", "c\u0327"), ("ã", "a\u0303"), ("õ", "o\u0303")]);

    /// <summary>Kokoro's: what sounds as one is one letter.</summary>
    public static readonly IpaSpelling Kokoro = OfKokoro([], []);

    /// <summary>Kokoro's American English, which writes no lengths.</summary>
    public static readonly IpaSpelling KokoroAmerican = OfKokoro([], [.. english, ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", "")]);

    /// <summary>Kokoro's British English.</summary>
    public static readonly IpaSpelling KokoroBritish = OfKokoro([("e͡ə", "ɛː"), ("i͡ə", "ɪə")], [.. english, ("iə", "ɪə")]);

    // Letters that are one sound wherever a user writes them side by side.
    static (string Letters, string Symbol)[] sounds => [("aɪ", "I"), ("aʊ", "W"), ("eɪ", "A"), ("oʊ", "O"), ("əʊ", "Q"), ("ɔɪ", "Y"), ("dʒ", "ʤ"), ("tʃ", "ʧ")];

    // A glottal stop is a t, and n, l and m that are syllables have a vowel before them.
    static (string, string)[] english =>
    [
        ("ʔˌn\u0329", "tᵊn"), ("ʔn\u0329", "tᵊn"), ("ʔn", "tᵊn"), ("ʔ", "t"), ("ə͡l", "ᵊl"), ("n\u0329", "ᵊn"), ("l\u0329", "ᵊl"), ("m\u0329", "ᵊm"),
        ("ʲO", "jO"), ("ʲQ", "jQ"), ("ʲ", ""), ("\u0303", ""), ("e", "A"), ("o", "ɔ"), ("ɚɹ", "əɹ"), ("ɚ", "əɹ"), ("ɐ", "ə"), ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ɬ", "l"),
    ];

    static IpaSpelling OfKokoro((string, string)[] before, (string, string)[] after) =>
        new(true, [("\u200d", ""), ("ã", "a\u0303"), ("õ", "o\u0303"), ("g", "ɡ"), .. before, .. sounds.Select(s => (Tied(s.Letters), s.Symbol)), .. after, (Tie, "")]);

    static string Tied(string letters) => $"{letters[0]}{Tie}{letters[1]}";

    /// <summary>The words of a line that espeak-ng wrote: each character is a symbol.</summary>
    public Phoneme[][] Words(string line)
    {
        var text = new StringBuilder(line.Length);
        for (var i = 0; i < line.Length; i++)
        {
            // What says that a word is of another language, such as (fr).
            if (line[i] == '(' && line.IndexOf(')', i) is > 0 and var end && end - i <= 8)
                i = end;
            else
                text.Append(line[i]);
        }
        foreach (var (from, to) in Rules)
            text.Replace(from, to);
        return [.. text.ToString().Split([' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(word => word.Select(c => new Phoneme(c.ToString())).ToArray())];
    }

    /// <summary>The words that a user wrote, with ties or without.</summary>
    public Phoneme[][] Given(string text) => Words(Ties ? sounds.Aggregate(text, (t, s) => t.Replace(s.Letters, Tied(s.Letters), StringComparison.Ordinal)) : text);
}
