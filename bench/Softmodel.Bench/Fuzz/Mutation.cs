namespace Softmodel.Bench.Fuzz;

/// <summary>Damage of any file.</summary>
static class Mutation
{
    /// <summary>Integers that are where things end.</summary>
    public static readonly long[] Numbers =
        [0, 1, 2, 3, 7, 64, 65, 1000, -1, -2, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 31, 1L << 33, 1L << 40, 1L << 56, 1L << 62, long.MaxValue, long.MinValue];

    /// <summary>Floats of that kind.</summary>
    public static readonly float[] Floats = [0, -0f, 1, -1, 1e-30f, 1e30f, float.MaxValue, float.NaN, float.PositiveInfinity, float.NegativeInfinity];

    /// <summary>Places outside the model's folder, and others that no model should name.</summary>
    public static readonly string[] Outside =
        ["../secret", "../../../../../../../../etc/hostname", "/etc/hostname", "a/../../secret", "./../secret", "link", "link/hostname", "..", ".", "", "/", "//etc/hostname", "\\\\server\\share", "C:\\secret", "file:///etc/hostname", "a\0b", "/dev/zero", "pipe"];

    /// <summary>Bits turned, and parts left out, doubled, moved or replaced.</summary>
    /// <param name="bytes">A model.</param>
    /// <param name="random">Says what is done.</param>
    /// <param name="within">Where a model has a part that says more than the rest, the length of that part.</param>
    public static byte[] Bytes(byte[] bytes, Random random, int within = int.MaxValue)
    {
        if (bytes.Length == 0)
            return [8];
        var size = random.Next(8) == 0 ? bytes.Length : Math.Min(bytes.Length, within);
        var at = random.Next(size);
        var length = Math.Min(1 << random.Next(10), bytes.Length - at);
        switch (random.Next(7))
        {
            case 0:
                bytes = [.. bytes];
                for (var flips = 1 + random.Next(8); flips > 0; flips--)
                    bytes[random.Next(size)] ^= (byte)(1 << random.Next(8));
                return bytes;
            case 1: return bytes[..at];
            case 2: return [.. bytes[..at], .. bytes[(at + length)..]];
            case 3: return [.. bytes[..at], .. bytes[at..(at + length)], .. bytes[at..]];
            case 4:
                var noise = new byte[length];
                random.NextBytes(noise);
                return [.. bytes[..at], .. noise, .. bytes[Math.Min(bytes.Length, at + random.Next(2) * length)..]];
            case 5:
                var end = at;
                while (end < bytes.Length - 1 && bytes[end] >= 0x80)
                    end++;
                return [.. bytes[..at], .. Varint(Mutation.Pick(Mutation.Numbers, random)), .. bytes[(end + 1)..]];
            default:
                var from = random.Next(size);
                bytes = [.. bytes];
                bytes.AsSpan(from, Math.Min(length, bytes.Length - from)).ToArray().AsSpan(0, Math.Min(length, bytes.Length - Math.Max(from, at))).CopyTo(bytes.AsSpan(at));
                return bytes;
        }
    }

    static byte[] Varint(long number)
    {
        var bytes = new List<byte>();
        var rest = (ulong)number;
        for (; rest >= 0x80; rest >>= 7)
            bytes.Add((byte)(rest | 0x80));
        return [.. bytes, (byte)rest];
    }

    /// <summary>One of several.</summary>
    public static T Pick<T>(IReadOnlyList<T> from, Random random) => from[random.Next(from.Count)];
}
