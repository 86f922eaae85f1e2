using System.Runtime.InteropServices;
using System.Text;
using Softmodel.Language.Tokens;

namespace Softmodel.Language;

/// <summary>Turns text into the tokens that a language model knows, and back. It can be used by several threads at once.</summary>
public sealed class Tokenizer
{
    // What files call the tokens that end a turn; a file may say that another is, and often does not.
    static readonly string[] turnEnds =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<|end_of_text|>", "<|eot|>", "<EOT>", "<|return|>",
        "<end_of_utterance>", "<|end_of_role|>", "<|end_of_turn|>", "<｜end▁of▁sentence｜>",
    ];

    readonly TokenizerParts parts;
    readonly SpecialTokens special, specialNormalized;
    readonly HashSet<int> ends;

    /// <summary>Makes a tokenizer.</summary>
    internal Tokenizer(TokenizerParts parts)
    {
        this.parts = parts;
        (special, specialNormalized) = (new(parts.Special), new(parts.SpecialNormalized));
        Before = parts.Before ?? (parts is { AddsBegin: true, Begin: { } begin } ? [begin] : []);
        After = parts.After ?? (parts is { AddsEnd: true, End: { } last } ? [last] : []);
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

    /// <summary>The tokens with which a text is meant to begin; <see cref="Encode"/> leaves them to the caller.</summary>
    public IReadOnlyList<int> Before { get; }

    /// <summary>The tokens with which a text is meant to end; <see cref="Encode"/> leaves them to the caller.</summary>
    public IReadOnlyList<int> After { get; }

    /// <summary>Whether there are tokens with which a text is meant to begin.</summary>
    public bool AddsBegin => Before.Count > 0;

    /// <summary>Whether there are tokens with which a text is meant to end.</summary>
    public bool AddsEnd => After.Count > 0;

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
        text = Whole(text);
        var (tokens, found) = (new List<int>(text.Length / 3 + 4), new List<(int Start, int End, int Token)>());
        special.Split(text, parsesSpecial, found);
        foreach (var (start, end, token) in found)
        {
            if (token >= 0)
                tokens.Add(token);
            else
                Section(new(text[start..end], start == 0 ? char.IsSurrogate(text[0]) ? 2 : 1 : 0, GoesOn: false), start == 0 ? parts.Prefix.First : parts.Prefix.AfterSpecial, parsesSpecial, tokens);
        }
        return [.. tokens];
    }

    /// <summary>The tokens of text that goes on with another: without what is put before the first word of a text.</summary>
    /// <param name="text">The text; what is written as special tokens are is text all the same.</param>
    public int[] EncodeMore(string text)
    {
        var tokens = new List<int>();
        parts.Encode(Normal(new(Whole(text), 0, GoesOn: true)), false, tokens);
        return [.. tokens];
    }

    // Halves of surrogates are U+FFFD.
    static string Whole(string text) => Vocabulary.IsBroken(text) ? Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) : text;

    void Section(Normalized text, bool hasPrefix, bool withControl, List<int> tokens)
    {
        if (hasPrefix && (parts.Prefix.Twice || !text.Text.StartsWith(' ')))
            text = text with { Text = $" {text.Text}" };
        text = Normal(text);
        var found = new List<(int Start, int End, int Token)>();
        specialNormalized.Split(text.Text, withControl, found);
        foreach (var (start, end, token) in found)
        {
            if (token >= 0)
                tokens.Add(token);
            else
                parts.Encode(found.Count == 1 ? text : text with { Text = text.Text[start..end], Lead = Math.Clamp(text.Lead - start, 0, end - start) }, withControl, tokens);
        }
    }

    Normalized Normal(Normalized text)
    {
        foreach (var normalizer in parts.Normalizers)
            text = normalizer(text);
        return text;
    }

    /// <summary>
    /// Writes what each token stands for, one to a line: its bytes in hexadecimal digits; <c>end</c> where a model says nothing
    /// more after it, and <c>control</c> for others that are no text.
    /// </summary>
    internal void WriteTable(Stream stream)
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
        if (parts.Decode is { } decode)
            return decode(tokens, withControl);
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
