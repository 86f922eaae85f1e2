using System.Globalization;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Softmodel.Language.Tokens;

/// <summary>WordPiece, BERT's way: words, and pieces with which they go on. Microsoft.ML.Tokenizers encodes.</summary>
static class WordPieces
{
    /// <summary>What pieces begin with that go on with a word.</summary>
    public const string Going = "##";

    /// <summary>The tokens that a text begins and ends with.</summary>
    public const string First = "[CLS]", Last = "[SEP]";

    const string Unknown = "[UNK]", Padding = "[PAD]", Mask = "[MASK]";
    const int FirstSyllable = 0xAC00;

    /// <summary>Makes the parts of a tokenizer.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="words">The tokens, as BERT's vocabularies write them.</param>
    /// <param name="kinds">What each token is.</param>
    /// <param name="lowers">Whether capitals count as small letters, and accents for nothing.</param>
    /// <exception cref="SoftmodelException">The vocabulary lacks a token that BERT needs.</exception>
    public static TokenizerParts Of(string path, IReadOnlyList<string> words, TokenKind[] kinds, bool lowers)
    {
        var vocabulary = new Vocabulary(path, words, kinds, (i, writer) =>
        {
            var isWhole = kinds[i] is TokenKind.Control or TokenKind.Unknown;
            Vocabulary.Write(isWhole ? words[i] : words[i].StartsWith(Going, StringComparison.Ordinal) ? words[i][Going.Length..] : ' ' + words[i], writer);
        });
        string[] needed = [Unknown, First, Last, Padding, Mask];
        if (needed.FirstOrDefault(n => vocabulary.Find(n) < 0) is { } missing)
            throw new SoftmodelException($"{path}: its vocabulary of words lacks the token '{missing}', by which BERT's are known; other ones are not read");
        var tokenizer = BertTokenizer.Create(new MemoryStream(Encoding.UTF8.GetBytes(Lines(words))), new()
        {
            // Capitals and accents are seen to here: what .NET knows of them depends on how a program was built.
            LowerCaseBeforeTokenization = false,
            SplitOnSpecialTokens = false,
            RemoveNonSpacingMarks = false,
        });
        return new(vocabulary, Encode, [.. needed.Select(n => new SpecialToken(n, vocabulary.Find(n), IsControl: true))])
        {
            Begin = vocabulary.Find(First),
            End = vocabulary.Find(Last),
            AddsBegin = true,
            AddsEnd = true,
            DropsFirstSpace = true,
            Normalize = lowers ? Lowered : Narrowed,
        };

        void Encode(ReadOnlySpan<char> text, List<int> tokens) => tokens.AddRange(tokenizer.EncodeToIds(text, addSpecialTokens: false));
    }

    // One word a line, for all that it may hold: a line that ends within a word would be two.
    static string Lines(IReadOnlyList<string> words)
    {
        var (lines, seen) = (new StringBuilder(), new HashSet<string>(StringComparer.Ordinal));
        for (var i = 0; i < words.Count; i++)
            lines.Append(words[i].AsSpan().IndexOfAny('\n', '\r') < 0 && words[i].Length > 0 && seen.Add(words[i]) ? words[i] : $"\uFFFF{i}").Append('\n');
        return lines.ToString();
    }

    static string Lowered(string text)
    {
        var lowered = new StringBuilder(text.Length);
        foreach (var rune in Narrowed(text).EnumerateRunes())
        {
            // Korean syllables come apart into their letters.
            if (rune.Value is >= FirstSyllable and < FirstSyllable + 19 * 588)
            {
                var syllable = rune.Value - FirstSyllable;
                lowered.Append((char)(0x1100 + syllable / 588)).Append((char)(0x1161 + syllable % 588 / 28));
                if (syllable % 28 > 0)
                    lowered.Append((char)(0x11A7 + syllable % 28));
                continue;
            }
            var plain = (Rune)Accents.Without((char)rune.Value);
            if (Rune.GetUnicodeCategory(plain) != UnicodeCategory.NonSpacingMark)
                lowered.Append(Rune.ToLowerInvariant(plain));
        }
        return lowered.ToString();
    }

    // The library drops what lies beyond U+FFFF; to BERT it is a word like others, which has no token but that for unknown ones.
    static string Narrowed(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return text;
        var narrowed = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            narrowed.Append(rune.IsBmp ? (char)rune.Value : Rune.IsLetterOrDigit(rune) || Rune.IsSymbol(rune) ? '\u4DC0' : ' ');
        return narrowed.ToString();
    }
}
