using System.Numerics;
using System.Runtime.InteropServices;

namespace Softmodel.Runtime;

/// <summary>
/// A checksum at the speed of memory: four CRC-32C, of every fourth 64-bit word each, folded into 64 bits. It finds every
/// damage of up to 32 bits in a row, and overlooks any other with a probability of at most one in 4 billion; it is no
/// protection from somebody who means harm.
/// </summary>
struct Checksum()
{
    uint a = ~0u, b = ~0u, c = ~0u, d = ~0u;
    long length;

    /// <summary>Bytes of a stretch that is not the last must be a multiple of this.</summary>
    public const int Step = 4 * sizeof(ulong);

    /// <summary>Goes on with the next stretch.</summary>
    /// <param name="bytes">Its bytes: a multiple of <see cref="Step"/>, but for the last.</param>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        length += bytes.Length;
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        var (a, b, c, d) = (this.a, this.b, this.c, this.d);
        var i = 0;
        // Four chains, since each waits for three cycles where one could start in every cycle.
        for (; i + 4 <= words.Length; i += 4)
        {
            a = BitOperations.Crc32C(a, words[i]);
            b = BitOperations.Crc32C(b, words[i + 1]);
            c = BitOperations.Crc32C(c, words[i + 2]);
            d = BitOperations.Crc32C(d, words[i + 3]);
        }
        foreach (var rest in bytes[(i * sizeof(ulong))..])
            a = BitOperations.Crc32C(a, rest);
        (this.a, this.b, this.c, this.d) = (a, b, c, d);
    }

    /// <summary>The checksum of all that has been added. A change in one of the four always changes it.</summary>
    public readonly ulong Value => ((ulong)a << 32 | b) ^ BitOperations.RotateLeft(((ulong)c << 32 | d) * 0x9E3779B97F4A7C15, 17) ^ (ulong)length;
}
