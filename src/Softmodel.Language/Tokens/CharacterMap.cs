using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>What becomes of characters, as SentencePiece writes it down: a double-array trie of UTF-8, and the texts that it leads to.</summary>
sealed class CharacterMap
{
    // The reference takes no longer clusters whole.
    const int MostBytes = 5;

    readonly uint[] units;
    readonly byte[] texts;

    /// <summary>Reads it.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public CharacterMap(byte[] bytes)
    {
        var size = bytes.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : uint.MaxValue;
        if (size % 4 != 0 || size > bytes.Length - 4)
            throw new FormatException("its precompiled_charsmap is damaged");
        units = new uint[size / 4];
        for (var i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4 + i * 4));
        texts = bytes[(4 + (int)size)..];
    }

    /// <summary>Replaces the characters of a text.</summary>
    public Normalized Normalize(Normalized text)
    {
        var mapped = text.With(Mapped);
        // Where the first characters go, the next one counts as the first.
        return text.Lead > 0 && mapped is { Lead: 0, Text.Length: > 0 } ? mapped with { Lead = char.IsHighSurrogate(mapped.Text[0]) ? 2 : 1 } : mapped;
    }

    string Mapped(string text)
    {
        var to = new StringBuilder(text.Length + 16);
        Span<byte> utf8 = stackalloc byte[MostBytes];
        for (int at = 0, length; at < text.Length; at += length)
        {
            length = Cluster(text.AsSpan(at));
            var cluster = text.AsSpan(at, length);
            if (Encoding.UTF8.TryGetBytes(cluster, utf8, out var count) && Find(utf8[..count]) is { } whole)
            {
                to.Append(whole);
                continue;
            }
            foreach (var rune in cluster.EnumerateRunes())
                _ = Find(utf8[..rune.EncodeToUtf8(utf8)]) is { } one ? to.Append(one) : to.Append(rune);
        }
        return to.ToString();
    }

    // Two characters of ASCII are one only where a line ends.
    static int Cluster(ReadOnlySpan<char> text) =>
        text.Length == 1 || char.IsAscii(text[0]) && char.IsAscii(text[1]) && text is not ['\r', '\n', ..] ? 1 : StringInfo.GetNextTextElementLength(text);

    // Of what the text begins with, the shortest that is mapped: so the reference does.
    string? Find(ReadOnlySpan<byte> text)
    {
        var node = 0u;
        if (units.Length == 0)
            return null;
        node ^= Offset(units[0]);
        foreach (var b in text)
        {
            node ^= b;
            if (b == 0 || node >= units.Length || (units[node] & 0x800000FF) != b)
                return null;
            var unit = units[node];
            node ^= Offset(unit);
            if ((unit >> 8 & 1) == 0)
                continue;
            var start = node < units.Length ? (int)(units[node] & 0x7FFFFFFF) : int.MaxValue;
            if (start > texts.Length)
                return null;
            var rest = texts.AsSpan(start);
            return Encoding.UTF8.GetString(rest.IndexOf((byte)0) is var end and >= 0 ? rest[..end] : rest);
        }
        return null;
    }

    static uint Offset(uint unit) => unit >> 10 << (int)((unit & 0x200) >> 6);
}
