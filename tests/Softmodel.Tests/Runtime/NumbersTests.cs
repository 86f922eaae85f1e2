using Softmodel.Runtime;
using Check = Softmodel.Runtime.Check;

namespace Softmodel.Tests.Runtime;

public class NumbersTests
{
    [Fact]
    public void Every_half_widens_as_the_platform_says()
    {
        var halves = Enumerable.Range(0, 65536).Select(i => BitConverter.UInt16BitsToHalf((ushort)i)).ToArray();
        var wide = new float[halves.Length];
        Conversions.Widen(halves, wide);
        for (var i = 0; i < halves.Length; i++)
            Assert.Equal(BitConverter.SingleToUInt32Bits((float)halves[i]), BitConverter.SingleToUInt32Bits(wide[i]));
        var back = new Half[halves.Length];
        Conversions.Narrow(wide, back);
        for (var i = 0; i < halves.Length; i++)
            Assert.True(Half.IsNaN(halves[i]) ? Half.IsNaN(back[i]) : BitConverter.HalfToUInt16Bits(halves[i]) == BitConverter.HalfToUInt16Bits(back[i]));
    }

    [Fact]
    public void Every_bfloat16_comes_back()
    {
        var bits = Enumerable.Range(0, 65536 - 3).Select(i => (ushort)i).ToArray();
        var wide = new float[bits.Length];
        Conversions.WidenBFloat16(bits, wide);
        var back = new ushort[bits.Length];
        Conversions.NarrowBFloat16(wide, back);
        for (var i = 0; i < bits.Length; i++)
        {
            Assert.Equal((uint)bits[i] << 16, BitConverter.SingleToUInt32Bits(wide[i]));
            Assert.True(float.IsNaN(wide[i]) ? back[i] == (bits[i] | 0x40) : back[i] == bits[i]);
        }
    }

    [Theory]
    [InlineData(0x3F808000u, 0x3F80)] // a tie goes to the even one
    [InlineData(0x3F818000u, 0x3F82)]
    [InlineData(0x3F808001u, 0x3F81)]
    [InlineData(0x7F7FFFFFu, 0x7F80)]
    [InlineData(0xFF800001u, 0xFFC0)]
    public void BFloat16_rounds_to_nearest_even(uint bits, int expected)
    {
        var to = new ushort[1];
        Conversions.NarrowBFloat16([BitConverter.UInt32BitsToSingle(bits)], to);
        Assert.Equal(expected, to[0]);
    }

    [Fact]
    public void Sizes_round_down_and_broadcast()
    {
        Assert.Equal([3, -4, -4, 3], new[] { Sizes.FloorDiv(7, 2), Sizes.FloorDiv(-7, 2), Sizes.FloorDiv(7, -2), Sizes.FloorDiv(-7, -2) });
        Assert.Equal([5, 5, 5, 0], new[] { Sizes.Broadcast(5, 1), Sizes.Broadcast(1, 5), Sizes.Broadcast(5, 5), Sizes.Broadcast(1, 0) });
        Assert.Equal(ModelError.Shape, Assert.Throws<ModelException>(() => Sizes.Broadcast(2, 3)).Error);
        Assert.Equal(ModelError.Shape, Assert.Throws<ModelException>(() => Sizes.FloorDiv(2, 0)).Error);
    }

    [Fact]
    public void Indices_wrap_once_and_no_more()
    {
        Assert.Equal([0, 9, 9, 0], new[] { Check.Index(0, 10, "g"), Check.Index(9, 10, "g"), Check.Index(-1, 10, "g"), Check.Index(-10, 10, "g") });
        foreach (var (index, size) in new[] { (10L, 10L), (-11, 10), (0, 0), (long.MinValue, 10), (long.MaxValue, 10) })
            Assert.Contains("gather_7", Assert.Throws<ModelException>(() => Check.Index(index, size, "gather_7")).Message);
    }
}
