using CsCheck;
using Softmodel.Runtime;

namespace Softmodel.Tests.Runtime;

public class PhiloxTests
{
    /// <summary>The known answers that Random123 publishes (kat_vectors, philox4x32 10).</summary>
    [Theory]
    [InlineData(0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8)]
    [InlineData(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd)]
    [InlineData(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1)]
    public void Gives_the_published_answers(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint x0, uint x1, uint x2, uint x3) =>
        Assert.Equal((x0, x1, x2, x3), Philox.Block(c0, c1, c2, c3, k0, k1));

    [Fact]
    public void Vectors_hold_the_words_of_the_blocks()
    {
        ulong seed = 0x0123_4567_89AB_CDEF, stream = 0xFEDC_BA98_7654_3210;
        const long start = 32 * 0x1_0000_0000L; // where the counter needs its second word
        var numbers = new float[64];
        Philox.Uniform(seed, stream, start, numbers);
        for (var i = 0; i < numbers.Length; i++)
        {
            var counter = (ulong)(start + i) / 32 * 8 + (ulong)i % 8;
            var (x0, x1, x2, x3) = Philox.Block((uint)counter, (uint)(counter >> 32), (uint)stream, (uint)(stream >> 32), (uint)seed, (uint)(seed >> 32));
            Assert.Equal((new[] { x0, x1, x2, x3 }[i % 32 / 8] >> 8) / 16777216f, numbers[i]);
        }
    }

    [Fact]
    public void Normal_numbers_are_those_of_Box_and_Muller()
    {
        const ulong seed = 42, stream = 7;
        var numbers = new float[3200];
        Philox.Normal(seed, stream, 0, numbers);
        for (var i = 0; i < numbers.Length; i++)
        {
            var counter = (uint)(i / 32 * 8 + i % 8);
            var (x0, x1, x2, x3) = Philox.Block(counter, 0, (uint)stream, 0, (uint)seed, 0);
            var (distance, angle) = i % 32 < 16 ? (x0, x1) : (x2, x3);
            var radius = Math.Sqrt(-2 * Math.Log((distance + 1.0) / 4294967296));
            var turn = 2 * Math.PI * angle / 4294967296;
            Assert.Equal(radius * (i % 16 < 8 ? Math.Sin(turn) : Math.Cos(turn)), numbers[i], 2e-6);
        }
    }

    [Fact]
    public void A_number_depends_on_its_index_only() => Gen.Select(Gen.ULong, Gen.ULong, Gen.Long[0, 1L << 40], Gen.Int[0, 100], Gen.Int[0, 100], Gen.Bool)
        .Sample((seed, stream, start, skip, count, normal) =>
        {
            var whole = new float[skip + count];
            var part = new float[count];
            if (normal)
            {
                Philox.Normal(seed, stream, start, whole);
                Philox.Normal(seed, stream, start + skip, part);
            }
            else
            {
                Philox.Uniform(seed, stream, start, whole);
                Philox.Uniform(seed, stream, start + skip, part);
            }
            Assert.Equal(whole[skip..], part);
            Assert.All(part, x => Assert.True(normal ? Math.Abs(x) < 6.7f : x is >= 0 and < 1));
        }, iter: 500);

    [Fact]
    public void The_moments_are_those_of_the_distribution()
    {
        var numbers = new float[1 << 20];
        Philox.Normal(1, 2, 0, numbers);
        foreach (var (power, moment, tolerance) in new[] { (1, 0.0, 0.005), (2, 1, 0.007), (3, 0, 0.02), (4, 3, 0.06) })
            Assert.Equal(moment, numbers.Average(x => Math.Pow(x, power)), tolerance);
        Philox.Uniform(1, 2, 0, numbers);
        Assert.Equal(1 / 2.0, numbers.Average(x => (double)x), 0.002);
        Assert.Equal(1 / 3.0, numbers.Average(x => (double)x * x), 0.002);
    }
}
