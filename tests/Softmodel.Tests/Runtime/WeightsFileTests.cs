using Softmodel.Runtime;

namespace Softmodel.Tests.Runtime;

public sealed unsafe class WeightsFileTests : IDisposable
{
    readonly string path = Path.Combine(Path.GetTempPath(), $"softmodel-{Guid.NewGuid():N}.weights");
    readonly byte[] content = [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 7))];

    public void Dispose() => File.Delete(path);

    byte[] Write() => WeightsFile.Write(path, s => s.Write(content));

    [Fact]
    public void What_is_written_is_read()
    {
        var hash = Write();
        using var weights = WeightsFile.Open(path, hash);
        Assert.Equal(content, new Span<byte>(weights.Pointer, (int)weights.Length).ToArray());
        Assert.True((nint)weights.Pointer % Arena.Alignment == 0);
        Assert.Equal(hash, weights.Hash.ToArray());
        weights.Verify();
    }

    [Fact]
    public void Memory_serves_as_well()
    {
        var hash = Write();
        var bytes = File.ReadAllBytes(path);
        using var arena = new Arena();
        var start = arena.Reserve(bytes.Length);
        bytes.CopyTo(new Span<byte>(start, bytes.Length));
        using var weights = WeightsFile.At(start, bytes.Length, hash);
        Assert.True(weights.Pointer == start + WeightsFile.HeaderLength);
        weights.Verify();
        Assert.Throws<ModelException>(() => WeightsFile.At(start + 1, bytes.Length - 1));
    }

    [Fact]
    public void Pages_that_are_given_back_come_again()
    {
        var large = new byte[1 << 20];
        new Random(1).NextBytes(large);
        WeightsFile.Write(path, s => s.Write(large));
        using var weights = WeightsFile.Open(path);
        Span<byte> Content() => new(weights.Pointer, (int)weights.Length);
        foreach (var (from, to) in new[] { (0, large.Length), (4000, 4100), (10_000, 500_000), (500_000, 500_000) })
        {
            Assert.True(Content().SequenceEqual(large));
            Assert.True(!OperatingSystem.IsLinux() || Resident(path) >= large.Length / 1024);
            weights.GiveBack(from, to);
            if (OperatingSystem.IsLinux())
                Assert.InRange(Resident(path), 0, (large.Length - (to - from) + 3 * Environment.SystemPageSize) / 1024);
        }
        Assert.True(Content().SequenceEqual(large));
        Assert.Throws<ArgumentOutOfRangeException>(() => weights.GiveBack(-1, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => weights.GiveBack(6, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => weights.GiveBack(0, large.Length + 1));
    }

    [Fact]
    public void Memory_that_is_no_file_is_not_given_back()
    {
        WeightsFile.Write(path, s => s.Write(new byte[1 << 20]));
        var bytes = File.ReadAllBytes(path);
        bytes.AsSpan(WeightsFile.HeaderLength).Fill(7);
        using var arena = new Arena();
        var start = arena.Reserve(bytes.Length);
        bytes.CopyTo(new Span<byte>(start, bytes.Length));
        using var weights = WeightsFile.At(start, bytes.Length);
        weights.GiveBack(0, weights.Length);
        Assert.False(new Span<byte>(weights.Pointer, (int)weights.Length).ContainsAnyExcept((byte)7));
    }

    /// <summary>How many KiB of a mapped file this process holds.</summary>
    static long Resident(string file) => File.ReadLines("/proc/self/smaps").SkipWhile(l => !l.EndsWith(file, StringComparison.Ordinal)).Where(l => l.StartsWith("Rss:", StringComparison.Ordinal))
        .Select(l => long.Parse(l[4..^2], System.Globalization.CultureInfo.InvariantCulture)).First();

    [Theory]
    [InlineData("missing", "can't be used")]
    [InlineData("empty", "fewer than a header")]
    [InlineData("magic", "do not begin as weights do")]
    [InlineData("version", "have version 77")]
    [InlineData("short", "should have 5000 bytes")]
    [InlineData("long", "should have 5000 bytes")]
    [InlineData("hash", "another model")]
    [InlineData("content", "damaged")]
    public void Damage_is_named(string damage, string expected)
    {
        var hash = Write();
        var bytes = File.ReadAllBytes(path);
        File.Delete(path);
        if (damage is "magic")
            bytes[0] ^= 1;
        if (damage is "version")
            bytes[8] = 77;
        if (damage is "hash")
            hash[5] ^= 1;
        if (damage is "content")
            bytes[3000] ^= 1;
        if (damage is not "missing")
            File.WriteAllBytes(path, damage switch { "empty" => [], "short" => bytes[..^1], "long" => [.. bytes, 0], _ => bytes });
        var error = Assert.Throws<ModelException>(() =>
        {
            using var weights = WeightsFile.Open(path, hash);
            weights.Verify();
        });
        Assert.Contains(expected, error.Message);
        Assert.Equal(ModelError.Weights, error.Error);
    }

    [Fact]
    public void A_failed_write_leaves_nothing()
    {
        Assert.Throws<InvalidOperationException>(() => WeightsFile.Write(path, s => throw new InvalidOperationException()));
        Assert.False(File.Exists(path));
        Write();
        Assert.ThrowsAny<IOException>(Write);
        using var weights = WeightsFile.Open(path);
    }
}
