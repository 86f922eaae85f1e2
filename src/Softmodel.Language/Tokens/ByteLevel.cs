using System.Buffers;
using System.Text;

namespace Softmodel.Language.Tokens;

/// <summary>
/// The characters by which vocabularies of bytes are written down, as GPT-2 did first: a byte that is a visible character of
/// Latin-1 is that one, and the others, in their order, are those from U+0100 on.
/// </summary>
static class ByteLevel
{
    /// <summary>The character of each byte.</summary>
    public static readonly char[] Characters = Table();

    static readonly short[] values = Inverse();

    static char[] Table()
    {
        var (table, next) = (new char[256], 256);
        for (var b = 0; b < 256; b++)
            table[b] = b is (> ' ' and <= '~') or (>= 0xA1 and <= 0xFF and not 0xAD) ? (char)b : (char)next++;
        return table;
    }

    static short[] Inverse()
    {
        var inverse = new short[Characters.Max() + 1];
        Array.Fill(inverse, (short)-1);
        for (var b = 0; b < 256; b++)
            inverse[Characters[b]] = (short)b;
        return inverse;
    }

    /// <summary>Writes the bytes that a token stands for; a name that is not written so is text.</summary>
    public static void Write(string name, ArrayBufferWriter<byte> writer)
    {
        var span = writer.GetSpan(name.Length + 1);
        for (var i = 0; i < name.Length; i++)
        {
            if (name[i] >= values.Length || values[name[i]] < 0)
            {
                Vocabulary.Write(name, writer);
                return;
            }
            span[i] = (byte)values[name[i]];
        }
        writer.Advance(name.Length);
    }

    /// <summary>Writes the characters of a character's bytes.</summary>
    public static void Write(Rune rune, StringBuilder to)
    {
        if (rune.IsAscii)
        {
            to.Append(Characters[rune.Value]);
            return;
        }
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var b in utf8[..rune.EncodeToUtf8(utf8)])
            to.Append(Characters[b]);
    }
}
