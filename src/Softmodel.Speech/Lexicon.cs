using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Softmodel.Speech;

/// <summary>
/// A pronouncing dictionary, looked up in its bytes without being unpacked: words in order, in blocks of
/// <see cref="BlockSize"/>, each word without the letters that it shares with the one before.
/// </summary>
/// <remarks>
/// The form, numbers little-endian: the letters <c>SMLEXICN</c>, a 32-bit version; 32-bit
/// numbers of phones, words and blocks; each phone as a length and letters; the 32-bit place of each block's first
/// word from the beginning; the words. A word is the number of letters shared (0 for a block's first), the number of
/// other letters, these letters, the number of phones, and one byte for each. All lengths are single bytes.
/// </remarks>
sealed class Lexicon
{
    /// <summary>The version of the form.</summary>
    public const int Version = 2;

    const int BlockSize = 16, ContentAt = 12;

    static ReadOnlySpan<byte> Magic => "SMLEXICN"u8;

    readonly ReadOnlyMemory<byte> bytes;
    readonly string[] phones;
    readonly int blocksAt, blockCount;

    Lexicon(ReadOnlyMemory<byte> bytes)
    {
        this.bytes = bytes;
        var span = bytes.Span;
        phones = new string[Number(ContentAt)];
        (Count, blockCount) = (Number(ContentAt + 4), Number(ContentAt + 8));
        var at = ContentAt + 12;
        for (var i = 0; i < phones.Length; at += 1 + span[at], i++)
            phones[i] = Encoding.ASCII.GetString(span.Slice(at + 1, span[at]));
        blocksAt = at;
    }

    int Number(int at) => BinaryPrimitives.ReadInt32LittleEndian(bytes.Span[at..]);

    /// <summary>How many words there are.</summary>
    public int Count { get; }

    /// <summary>The dictionary whose binary form is in memory; that it is whole is the caller's to know.</summary>
    /// <param name="bytes">What <see cref="Pack(ReadOnlySpan{byte})"/> gives.</param>
    /// <exception cref="SoftmodelException">It is no such form, or of another version.</exception>
    public static Lexicon Of(ReadOnlyMemory<byte> bytes) =>
        bytes.Length >= ContentAt + 12 && bytes.Span.StartsWith(Magic) && BinaryPrimitives.ReadInt32LittleEndian(bytes.Span[8..]) == Version ? new(bytes)
        : throw new SoftmodelException($"it is no lexicon of version {Version}");

    /// <summary>The binary form of a dictionary in JSON.</summary>
    public static byte[] Pack(ReadOnlySpan<byte> json)
    {
        var entries = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        var phones = new Dictionary<string, byte>();
        var reader = new Utf8JsonReader(json);
        Expect(reader.Read() && reader.TokenType == JsonTokenType.StartObject, "it is not one object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var word = reader.GetString()!;
            var said = new List<byte>();
            Expect(reader.Read() && reader.TokenType == JsonTokenType.StartArray, $"'{word}' has no list of phones");
            while (reader.Read() && reader.TokenType == JsonTokenType.String)
            {
                var phone = reader.GetString()!;
                if (!phones.TryGetValue(phone, out var number))
                {
                    Expect(phones.Count < 255 && Ascii.IsValid(phone) && phone.Length < 16, $"'{word}' has the phone '{phone}'");
                    phones.Add(phone, number = (byte)phones.Count);
                }
                said.Add(number);
            }
            Expect(word.Length is > 0 and < 256 && Ascii.IsValid(word) && said.Count is > 0 and < 256, $"'{word}' has {said.Count} phones");
            entries[word] = [.. said];
        }
        return Pack(entries, [.. phones.Keys]);
    }

    static void Expect(bool condition, string what)
    {
        if (!condition)
            throw new SoftmodelException(what);
    }

    static byte[] Pack(SortedDictionary<string, byte[]> entries, string[] phones)
    {
        using var words = new MemoryStream();
        var blocks = new List<int>();
        var (before, index) = ("", 0);
        foreach (var (word, said) in entries)
        {
            if (index++ % BlockSize == 0)
            {
                blocks.Add((int)words.Length);
                before = "";
            }
            var shared = word.AsSpan().CommonPrefixLength(before);
            words.Write([(byte)shared, (byte)(word.Length - shared), .. Encoding.ASCII.GetBytes(word[shared..]), (byte)said.Length, .. said]);
            before = word;
        }
        using var content = new MemoryStream();
        using var writer = new BinaryWriter(content);
        writer.Write(phones.Length);
        writer.Write(entries.Count);
        writer.Write(blocks.Count);
        foreach (var phone in phones)
            writer.Write([(byte)phone.Length, .. Encoding.ASCII.GetBytes(phone)]);
        var wordsAt = ContentAt + (int)content.Length + 4 * blocks.Count;
        foreach (var block in blocks)
            writer.Write(wordsAt + block);
        words.WriteTo(content);
        var header = new byte[ContentAt];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), Version);
        return [.. header, .. content.ToArray()];
    }

    /// <summary>How a word is pronounced, or null for one that is not in the dictionary.</summary>
    /// <param name="word">The word in the capitals of the dictionary.</param>
    public string[]? Find(string word)
    {
        if (word.Length is 0 or > 255 || !Ascii.IsValid(word))
            return null;
        Span<byte> wanted = stackalloc byte[word.Length];
        Encoding.ASCII.GetBytes(word, wanted);
        var (low, high) = (0, blockCount);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (FirstOf(middle).SequenceCompareTo(wanted) <= 0)
                low = middle + 1;
            else
                high = middle;
        }
        return low == 0 ? null : FindIn(low - 1, wanted);
    }

    ReadOnlySpan<byte> FirstOf(int block)
    {
        var at = Number(blocksAt + 4 * block);
        var span = bytes.Span;
        return span.Slice(at + 2, span[at + 1]);
    }

    string[]? FindIn(int block, ReadOnlySpan<byte> wanted)
    {
        var span = bytes.Span;
        var at = Number(blocksAt + 4 * block);
        Span<byte> word = stackalloc byte[256];
        var length = Math.Min(BlockSize, Count - block * BlockSize);
        for (var i = 0; i < length; i++)
        {
            var (shared, rest) = (span[at], span[at + 1]);
            span.Slice(at + 2, rest).CopyTo(word[shared..]);
            at += 2 + rest;
            var said = span.Slice(at + 1, span[at]);
            if (word[..(shared + rest)].SequenceEqual(wanted))
                return Names(said);
            at += 1 + said.Length;
        }
        return null;
    }

    string[] Names(ReadOnlySpan<byte> said)
    {
        var names = new string[said.Length];
        for (var i = 0; i < said.Length; i++)
            names[i] = phones[said[i]];
        return names;
    }
}
