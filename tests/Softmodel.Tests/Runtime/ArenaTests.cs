using Softmodel.Runtime;

namespace Softmodel.Tests.Runtime;

public unsafe class ArenaTests
{
    [Fact]
    public void Segments_are_aligned_grow_and_stay()
    {
        using var arena = new Arena(segments: 2);
        var a = arena.Reserve(1000);
        var b = arena.Reserve(0, segment: 1);
        Assert.True((nint)a % Arena.Alignment == 0 && (nint)b % Arena.Alignment == 0 && b is not null);
        new Span<byte>(a, 1000).Fill(7);
        var bytes = arena.Bytes;
        Assert.True(a == arena.Reserve(1000) && a == arena.Reserve(10));
        Assert.Equal(bytes, arena.Bytes);
        Assert.Equal(7, a[999]);
        var big = arena.Reserve(10_000_000);
        big[9_999_999] = 1;
        Assert.InRange(arena.Bytes, 10_000_000, 14_000_000);
        arena.Clear();
        Assert.Equal(0, arena.Bytes);
    }

    [Fact]
    public void The_limit_is_kept()
    {
        using var arena = new Arena(segments: 2, limit: 100_000);
        arena.Reserve(99_000);
        Assert.InRange(arena.Bytes, 99_000, 100_000);
        Assert.Equal(ModelError.Memory, Assert.Throws<ModelException>(() => { arena.Reserve(2000, segment: 1); }).Error);
        Assert.Equal(ModelError.Memory, Assert.Throws<ModelException>(() => { arena.Reserve(200_000); }).Error);
        arena.Reserve(50_000);
        arena.Reserve(30_000, segment: 1);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    [InlineData(1L << 60)]
    public void What_no_machine_has_is_a_named_error(long bytes)
    {
        using var arena = new Arena();
        Assert.Contains("working memory", Assert.Throws<ModelException>(() => { arena.Reserve(bytes); }).Message);
        Assert.True(arena.Reserve(10) is not null);
    }
}
