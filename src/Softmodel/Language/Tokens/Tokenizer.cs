using System.Runtime.InteropServices;
using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>Encodes a piece of text that holds no special tokens.</summary>
/// <param name="text">The text; it may have surrogates only in pairs.</param>
/// <param name="tokens">Is added to.</param>
delegate void Encode(ReadOnlySpan<char> text, List<int> tokens);

/// <summary>Where a tokenizer puts a space that the text does not have.</summary>
/// <param name="First">Before the text.</param>
/// <param name="AfterSpecial">Before what follows each special token.</param>
/// <param name="Twice">Even where a space is there already.</param>
readonly record struct SpacePrefix(bool First, bool AfterSpecial, bool Twice);

/// <summary>What a tokenizer is made of.</summary>
/// <param name="Vocabulary">The tokens.</param>
/// <param name="Encode">Encodes what lies between special tokens.</param>
/// <param name="Special">The special tokens.</param>
sealed record TokenizerParts(Vocabulary Vocabulary, Encode Encode, IReadOnlyList<SpecialToken> Special)
{
    /// <summary>The token that begins a text; null where there is none.</summary>
    public int? Begin { get; init; }

    /// <summary>The token that ends a text; null where there is none.</summary>
    public int? End { get; init; }

    /// <summary>Whether a text is meant to begin with <see cref="Begin"/>.</summary>
    public bool AddsBegin { get; init; }

    /// <summary>Whether a text is meant to end with <see cref="End"/>.</summary>
    public bool AddsEnd { get; init; }

    /// <summary>Other tokens that end what a model says, or its turn.</summary>
    public IReadOnlyList<int> MoreEnds { get; init; } = [];

    /// <summary>Where a space is put.</summary>
    public SpacePrefix Prefix { get; init; }

    /// <summary>Whether the first space of a text is dropped when it is decoded.</summary>
    public bool DropsFirstSpace { get; init; }

    /// <summary>What is done to text before it is split; null for nothing.</summary>
    public Func<string, string>? Normalize { get; init; }
}

/// <summary>Turns text into the tokens that a language model knows, and back. It can be used by several threads at once.</summary>
sealed class Tokenizer
{
    // What files call the tokens that end a turn; a file may say that another is, and often does not.
    static readonly string[] turnEnds =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<|end_of_text|>", "<|eot|>", "<EOT>", "<|return|>",
        "<end_of_utterance>", "<|end_of_role|>", "<|end_of_turn|>", "<｜end▁of▁sentence｜>",
    ];

    readonly TokenizerParts parts;
    readonly SpecialTokens special;
    readonly HashSet<int> ends;

    /// <summary>Makes a tokenizer.</summary>
    internal Tokenizer(TokenizerParts parts)
    {
        this.parts = parts;
        special = new(parts.Special);
        ends = [.. parts.MoreEnds];
        if (parts.End is { } end)
            ends.Add(end);
        // Not where it is a text like any other.
        ends.UnionWith(turnEnds.Select(Find).OfType<int>().Where(IsControl));
    }

    /// <summary>Reads the tokenizer of a model.</summary>
    /// <param name="path">A GGUF file, a <c>tokenizer.json</c> or the folder where it lies, or a <c>tokenizer.bin</c> of llama2.c.</param>
    /// <exception cref="SoftmodelException">It can't be read, or is of a kind that is not known.</exception>
    public static Tokenizer Open(string path) => TokenizerFile.Open(path);

    /// <summary>How many tokens there are: they are the numbers below.</summary>
    public int Count => parts.Vocabulary.Count;

    /// <summary>The token that begins a text; null where there is none.</summary>
    public int? Begin => parts.Begin;

    /// <summary>The token that ends a text; null where there is none.</summary>
    public int? End => parts.End;

    /// <summary>Whether a text is meant to begin with <see cref="Begin"/>; <see cref="Encode"/> leaves that to the caller.</summary>
    public bool AddsBegin => parts.AddsBegin && parts.Begin is not null;

    /// <summary>Whether a text is meant to end with <see cref="End"/>; <see cref="Encode"/> leaves that to the caller.</summary>
    public bool AddsEnd => parts.AddsEnd && parts.End is not null;

    /// <summary>The tokens after which a model says nothing more in its turn.</summary>
    public IReadOnlySet<int> Ends => ends;

    internal bool DropsFirstSpace => parts.DropsFirstSpace;

    /// <summary>Whether a token says something about the text, and is none.</summary>
    public bool IsControl(int token) => (uint)token < (uint)Count && parts.Vocabulary.Kinds[token] is TokenKind.Control;

    /// <summary>Whether a token is a piece of the text, or a byte of it.</summary>
    public bool IsText(int token) => (uint)token < (uint)Count && parts.Vocabulary.Kinds[token] is TokenKind.Text or TokenKind.Byte or TokenKind.Defined;

    /// <summary>The token that is written so in its file; null where there is none.</summary>
    public int? Find(string name) => parts.Vocabulary.Find(name) is var token and >= 0 ? token : null;

    /// <summary>What a token is called in its file; empty where there is no such token.</summary>
    public string NameOf(int token) => (uint)token < (uint)Count ? parts.Vocabulary.Names[token] : "";

    /// <summary>The bytes of UTF-8 that a token stands for, a control token for what it is written as; none where there is no such token.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => parts.Vocabulary.BytesOf(token);

    /// <summary>The tokens of a text, without those that a text is meant to begin and end with.</summary>
    /// <param name="text">The text; halves of surrogates count as U+FFFD.</param>
    /// <param name="parsesSpecial">Whether what is written as control tokens are is one: not for text that comes from elsewhere.</param>
    /// <exception cref="SoftmodelException">The tokenizer's own patterns take too long for this text.</exception>
    public int[] Encode(string text, bool parsesSpecial)
    {
        if (Vocabulary.IsBroken(text))
            text = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
        var (tokens, isFirst) = (new List<int>(text.Length / 3 + 4), true);
        var rest = text.AsSpan();
        while (!rest.IsEmpty)
        {
            var found = special.First(rest, parsesSpecial, out var at);
            var part = found is { TakesBefore: true } ? rest[..at].TrimEnd() : rest[..at];
            if (!part.IsEmpty)
                Section(part, isFirst ? parts.Prefix.First : parts.Prefix.AfterSpecial, tokens);
            if (found is not { } token)
                break;
            tokens.Add(token.Token);
            rest = rest[(at + token.Text.Length)..];
            if (token.TakesAfter)
                rest = rest.TrimStart();
            isFirst = false;
        }
        return [.. tokens];
    }

    /// <summary>The tokens of text that goes on with another: without what is put before the first word of a text.</summary>
    /// <param name="text">The text; what is written as special tokens are is text all the same.</param>
    public int[] EncodeMore(string text)
    {
        var tokens = new List<int>();
        Section(text, hasPrefix: false, tokens);
        return [.. tokens];
    }

    void Section(ReadOnlySpan<char> text, bool hasPrefix, List<int> tokens)
    {
        hasPrefix &= parts.Prefix.Twice || !text.StartsWith(' ');
        if (parts.Normalize is { } normalize)
            text = normalize(hasPrefix ? $" {text}" : text.ToString());
        else if (hasPrefix)
            text = $" {text}";
        parts.Encode(text, tokens);
    }

    /// <summary>
    /// Writes what each token stands for, one to a line: its bytes in hexadecimal digits; <c>end</c> where a model says nothing
    /// more after it, and <c>control</c> for others that are no text.
    /// </summary>
    public void WriteTable(Stream stream)
    {
        using var writer = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
        for (var token = 0; token < Count; token++)
            writer.WriteLine(ends.Contains(token) ? "end" : !IsText(token) ? "control" : Convert.ToHexStringLower(BytesOf(token)));
    }

    /// <summary>The text of tokens; bytes that are no UTF-8 are U+FFFD.</summary>
    /// <param name="tokens">The tokens, from the beginning of a text.</param>
    /// <param name="withControl">Whether control tokens are shown, as they are written.</param>
    public string Decode(ReadOnlySpan<int> tokens, bool withControl = true)
    {
        var (bytes, isAtStart) = (new List<byte>(tokens.Length * 4), true);
        foreach (var token in tokens)
        {
            var isControl = IsControl(token);
            var span = BytesOf(token);
            if (isControl && !withControl)
                continue;
            if (!isControl)
            {
                if (isAtStart && parts.DropsFirstSpace && span.StartsWith((byte)' '))
                    span = span[1..];
                isAtStart = false;
            }
            bytes.AddRange(span);
        }
        return Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(bytes));
    }

    /// <summary>A stream that gives the text of tokens as they come.</summary>
    /// <param name="isAtStart">Whether a text begins, rather than goes on.</param>
    /// <param name="withControl">Whether control tokens are shown, as they are written.</param>
    public TokenStream Stream(bool isAtStart = false, bool withControl = false) => new(this, isAtStart, withControl);
}
