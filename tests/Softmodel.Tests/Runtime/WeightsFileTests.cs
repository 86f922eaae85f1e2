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
