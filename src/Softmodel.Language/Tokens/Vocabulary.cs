using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Softmodel.Language.Tokens;

/// <summary>What a token of a vocabulary is.</summary>
enum TokenKind : byte
{
    /// <summary>A piece of text.</summary>
    Text,
    /// <summary>It says something about the text, and is none: where a turn ends, say.</summary>
    Control,
    /// <summary>A piece of text that is recognised before all others, whole.</summary>
    Defined,
    /// <summary>One byte, for what no other token has.</summary>
    Byte,
    /// <summary>It stands for what no token has.</summary>
    Unknown,
    /// <summary>It is there for nothing.</summary>
    Unused,
}

/// <summary>The tokens that a model knows: what they are called in its file, what they are, and which bytes each stands for.</summary>
sealed class Vocabulary
{
    readonly byte[] bytes;
    readonly int[] ends;
    readonly Dictionary<string, int> texts;
    readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> found;
    readonly IReadOnlyDictionary<string, int>? added;

    /// <summary>Makes a vocabulary.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="names">What each token is called; of several with one name the first counts.</param>
    /// <param name="kinds">What each token is; as many.</param>
    /// <param name="write">Writes the bytes that a token stands for.</param>
    /// <param name="texts">The tokens that text is encoded in, by name; all where it is null.</param>
    /// <param name="added">Others, which come before those of the same name.</param>
    public Vocabulary(string path, IReadOnlyList<string> names, TokenKind[] kinds, Action<int, ArrayBufferWriter<byte>> write, Dictionary<string, int>? texts = null, IReadOnlyDictionary<string, int>? added = null)
    {
        (Path, Names, Kinds, this.added) = (path, names, kinds, added);
        var writer = new ArrayBufferWriter<byte>(names.Count * 8 + 1);
        ends = new int[names.Count];
        this.texts = texts ?? new Dictionary<string, int>(names.Count, StringComparer.Ordinal);
        for (var i = 0; i < names.Count; i++)
        {
            write(i, writer);
            ends[i] = writer.WrittenCount;
            if (texts is null)
                this.texts.TryAdd(names[i], i);
        }
        bytes = writer.WrittenSpan.ToArray();
        found = this.texts.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>The file, for messages.</summary>
    public string Path { get; }

    /// <summary>What each token is called in the file.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>What each token is.</summary>
    public TokenKind[] Kinds { get; }

    /// <summary>How many tokens there are.</summary>
    public int Count => Names.Count;

    /// <summary>The bytes that a token stands for; none where there is no such token.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => (uint)token < (uint)ends.Length ? bytes.AsSpan((token == 0 ? 0 : ends[token - 1])..ends[token]) : [];

    /// <summary>The tokens that text is encoded in, by name.</summary>
    public IReadOnlyDictionary<string, int> Texts => texts;

    /// <summary>The token of a name; -1 where there is none.</summary>
    public int Find(string name) => added is not null && added.TryGetValue(name, out var token) ? token : FindText(name);

    /// <summary>The token of a name, of those that text is encoded in; -1 where there is none.</summary>
    public int FindText(ReadOnlySpan<char> name) => found.TryGetValue(name, out var token) ? token : -1;

    /// <summary>The tokens of the 256 bytes where they have names such as <c>&lt;0x0A&gt;</c>; -1 where there is none.</summary>
    public int[] NamedBytes() => [.. Enumerable.Range(0, 256).Select(b => FindText($"<0x{b:X2}>"))];

    /// <summary>Writes text as UTF-8; what is no Unicode as U+FFFD.</summary>
    public static void Write(ReadOnlySpan<char> text, ArrayBufferWriter<byte> writer)
    {
        var span = writer.GetSpan(text.Length * 3 + 1);
        Utf8.FromUtf16(text, span, out _, out var written);
        writer.Advance(written);
    }

    /// <summary>Whether text has surrogates without their other halves.</summary>
    public static bool IsBroken(ReadOnlySpan<char> text)
    {
        for (var at = text.IndexOfAnyInRange('\uD800', '\uDFFF'); at >= 0;)
        {
            if (Rune.DecodeFromUtf16(text[at..], out _, out var length) != OperationStatus.Done)
                return true;
            text = text[(at + length)..];
            at = text.IndexOfAnyInRange('\uD800', '\uDFFF');
        }
        return false;
    }
}
