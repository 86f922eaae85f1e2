using System.Numerics;

namespace Softmodel.Language.Constraints;

/// <summary>A set of bytes.</summary>
readonly record struct ByteSet
{
    readonly ulong a, b, c, d;

    ByteSet(ulong a, ulong b, ulong c, ulong d) => (this.a, this.b, this.c, this.d) = (a, b, c, d);

    /// <summary>Every byte.</summary>
    public static ByteSet All { get; } = new(~0UL, ~0UL, ~0UL, ~0UL);

    /// <summary>The bytes from one to another, both included.</summary>
    public static ByteSet Range(int from, int to)
    {
        static ulong Word(int from, int to) => from > 63 || to < 0 ? 0 : ~0UL << Math.Max(from, 0) & ~0UL >> 63 - Math.Min(to, 63);
        return new(Word(from, to), Word(from - 64, to - 64), Word(from - 128, to - 128), Word(from - 192, to - 192));
    }

    /// <summary>Whether there is none.</summary>
    public bool IsEmpty => (a | b | c | d) == 0;

    /// <summary>How many there are.</summary>
    public int Count => BitOperations.PopCount(a) + BitOperations.PopCount(b) + BitOperations.PopCount(c) + BitOperations.PopCount(d);

    /// <summary>The least one; there must be one.</summary>
    public byte First => (byte)(a != 0 ? BitOperations.TrailingZeroCount(a) : b != 0 ? 64 + BitOperations.TrailingZeroCount(b) : c != 0 ? 128 + BitOperations.TrailingZeroCount(c) : 192 + BitOperations.TrailingZeroCount(d));

    /// <summary>Whether a byte is in it.</summary>
    public bool Has(byte value) => ((value >> 6) switch { 0 => a, 1 => b, 2 => c, _ => d } >> (value & 63) & 1) != 0;

    /// <summary>Writes a value at each of its bytes.</summary>
    public void Mark(Span<byte> table, byte value)
    {
        Mark(table, a, value);
        Mark(table[64..], b, value);
        Mark(table[128..], c, value);
        Mark(table[192..], d, value);

        static void Mark(Span<byte> table, ulong word, byte value)
        {
            if (word == ~0UL)
                table[..64].Fill(value);
            else
            {
                for (; word != 0; word &= word - 1)
                    table[BitOperations.TrailingZeroCount(word)] = value;
            }
        }
    }

    /// <summary>The bytes of either.</summary>
    public static ByteSet operator |(ByteSet x, ByteSet y) => new(x.a | y.a, x.b | y.b, x.c | y.c, x.d | y.d);

    /// <summary>The bytes of both.</summary>
    public static ByteSet operator &(ByteSet x, ByteSet y) => new(x.a & y.a, x.b & y.b, x.c & y.c, x.d & y.d);

    /// <summary>The other bytes.</summary>
    public static ByteSet operator ~(ByteSet x) => new(~x.a, ~x.b, ~x.c, ~x.d);
}
