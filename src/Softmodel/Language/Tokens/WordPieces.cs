using System.Globalization;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Softmodel.Language.Tokens;

/// <summary>
/// WordPiece, BERT's way: words, and pieces with which they go on. Microsoft.ML.Tokenizers takes words apart; its BertTokenizer
/// finds them too, but drops what is neither letter nor punctuation ($, =, €), and what lies beyond U+FFFF.
/// </summary>
static class WordPieces
{
    /// <summary>What pieces begin with that go on with a word.</summary>
    public const string Going = "##";

    const string First = "[CLS]", Last = "[SEP]", Unknown = "[UNK]";
    const int FirstSyllable = 0xAC00, Syllables = 11172;

    static readonly Split[] splits = [Splitting.Of(@"\s+", SplitKeeps.Not), Splitting.Of(@"[\p{P}$+<=>^`|~]")];

    static readonly string[] special = [Unknown, First, Last, "[PAD]", "[MASK]"];

    // Chinese characters, and those of others that are written without spaces: each is a word.
    static readonly (int First, int Last)[] alone = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)];

    /// <summary>Makes the parts of a tokenizer.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="words">The tokens, as BERT's vocabularies write them.</param>
    /// <param name="kinds">What each token is.</param>
    /// <param name="lowers">Whether capitals count as small letters, and accents for nothing.</param>
    /// <exception cref="SoftmodelException">The vocabulary has no token for what is unknown.</exception>
    public static TokenizerParts Of(string path, IReadOnlyList<string> words, TokenKind[] kinds, bool lowers)
    {
        var vocabulary = new Vocabulary(path, words, kinds, (i, writer) =>
        {
            var isWhole = kinds[i] is TokenKind.Control or TokenKind.Unknown;
            Vocabulary.Write(isWhole ? words[i] : words[i].StartsWith(Going, StringComparison.Ordinal) ? words[i][Going.Length..] : ' ' + words[i], writer);
        });
        if (vocabulary.Find(Unknown) < 0)
            throw new SoftmodelException($"{path}: its vocabulary of words lacks the token '{Unknown}', by which BERT's are known; other ones are not read");
        var tokenizer = WordPieceTokenizer.Create(new MemoryStream(Encoding.UTF8.GetBytes(Lines(words))), new() { UnknownToken = Unknown, ContinuingSubwordPrefix = Going });
        var (begin, end) = (vocabulary.Find(First), vocabulary.Find(Last));
        return new(vocabulary, Encode, [.. special.Where(n => vocabulary.Find(n) >= 0).Select(n => new SpecialToken(n, vocabulary.Find(n), IsControl: true))])
        {
            Begin = begin < 0 ? null : begin,
            End = end < 0 ? null : end,
            AddsBegin = true,
            AddsEnd = true,
            DropsFirstSpace = true,
            Normalize = text => Cleaned(text, lowers),
        };

        void Encode(ReadOnlySpan<char> text, List<int> tokens)
        {
            foreach (var (start, length) in Splitting.Pieces(text, splits))
                tokens.AddRange(tokenizer.EncodeToIds(text.Slice(start, length), considerPreTokenization: false, considerNormalization: false));
        }
    }

    // One word a line, for all that it may hold: a line that ends within a word would be two.
    static string Lines(IReadOnlyList<string> words)
    {
        var (lines, seen) = (new StringBuilder(), new HashSet<string>(StringComparer.Ordinal));
        for (var i = 0; i < words.Count; i++)
            lines.Append(words[i].AsSpan().IndexOfAny('\n', '\r') < 0 && words[i].Length > 0 && seen.Add(words[i]) ? words[i] : $"\uFFFF{i}").Append('\n');
        return lines.ToString();
    }

    static string Cleaned(string text, bool lowers)
    {
        var cleaned = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune))
                cleaned.Append(' ');
            else if (rune.Value == 0xFFFD || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned)
                continue;
            else if (alone.Any(a => rune.Value >= a.First && rune.Value <= a.Last))
                cleaned.Append(' ').Append(rune).Append(' ');
            else if (lowers)
                Lower(rune, cleaned);
            else
                cleaned.Append(rune);
        }
        return cleaned.ToString();
    }

    static void Lower(Rune rune, StringBuilder to)
    {
        // Korean syllables come apart into their letters.
        if (rune.Value - FirstSyllable is >= 0 and < Syllables and var syllable)
        {
            to.Append((char)(0x1100 + syllable / 588)).Append((char)(0x1161 + syllable % 588 / 28));
            if (syllable % 28 > 0)
                to.Append((char)(0x11A7 + syllable % 28));
            return;
        }
        var plain = rune.IsBmp ? (Rune)Accents.Without((char)rune.Value) : rune;
        if (Rune.GetUnicodeCategory(plain) != UnicodeCategory.NonSpacingMark)
            to.Append(Rune.ToLowerInvariant(plain));
    }
}
