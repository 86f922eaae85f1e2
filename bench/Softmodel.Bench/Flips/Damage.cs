namespace Softmodel.Bench.Flips;

/// <summary>Damage of a file, as disks, copies that were broken off and mistaken hands do it.</summary>
static class Damage
{
    /// <summary>Damages a file; its bytes always differ afterwards.</summary>
    /// <param name="path">The file.</param>
    /// <param name="others">Files of the same kind that one may be mistaken for.</param>
    /// <param name="random">Says how.</param>
    /// <returns>What was done, for people.</returns>
    public static string Do(string path, IReadOnlyList<string> others, Random random)
    {
        var time = File.GetLastWriteTimeUtc(path);
        var before = File.ReadAllBytes(path);
        // Mostly a bit, since that is what nothing but the content shows.
        var (bytes, what) = random.Next(10) switch
        {
            0 => (before[..random.Next(before.Length)], "cut off"),
            1 => ((byte[])[.. before, .. new byte[1 + random.Next(100)]], "zeros appended"),
            2 => (Zeros(before, random), "a page of zeros"),
            3 when others.Where(o => !File.ReadAllBytes(o).AsSpan().SequenceEqual(before)).ToArray() is { Length: > 0 } different => (File.ReadAllBytes(different[random.Next(different.Length)]), "another's"),
            _ => (Flipped(before, random), "a bit flipped"),
        };
        if (bytes.AsSpan().SequenceEqual(before))
            (bytes, what) = (Flipped(before, random), "a bit flipped");
        if (random.Next(4) == 0)
        {
            // A copy takes the place of the file.
            File.Delete(path);
            what += ", in a copy";
        }
        File.WriteAllBytes(path, bytes);
        if (random.Next(2) == 0)
        {
            File.SetLastWriteTimeUtc(path, time);
            what += ", its time kept";
        }
        return what;
    }

    static byte[] Flipped(byte[] bytes, Random random)
    {
        if (bytes.Length == 0)
            return [1];
        bytes = [.. bytes];
        bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
        return bytes;
    }

    static byte[] Zeros(byte[] bytes, Random random)
    {
        bytes = [.. bytes];
        var from = random.Next(bytes.Length + 1) & ~4095;
        bytes.AsSpan(from, Math.Min(4096, bytes.Length - from)).Clear();
        return bytes;
    }
}
