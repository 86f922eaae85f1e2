using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>
/// The formats that ggml calls K-quants: blocks of 256 elements in groups of 16 or 32, whose scales are integers of a few
/// bits times one 16-bit number for the block. Layouts as in <c>block_q2_K</c> to <c>block_q6_K</c> of ggml-common.h.
/// </summary>
static class SuperBlocks
{
    /// <summary>16 scales and minima of 4 bits, 64 bytes of codes of 2 bits, scale and minimum: [rows, blocks, 2, 4, 2, 16].</summary>
    public static Term Two(Weight tensor, GraphBuilder builder)
    {
        var codes = BlockFormat.Bits(Bytes(tensor, builder, "codes", 16, 2, 1, 2, 16), [0, 2, 4, 6], 3, 4, 1, 1);
        Term Half(string name, int shift) => BlockFormat.Part(tensor, builder, name, tensor.Unpacked([2, 4, 2, 1], (block, to) =>
        {
            for (var i = 0; i < 16; i++)
                to[i] = (byte)((block[i] >> shift) & 15);
        }));
        var (scales, minima) = (Half("scales", 0), Half("minima", 4));
        return Real(codes) * (Real(scales) * BlockFormat.Scale(tensor, builder, 80, 4)) - Real(minima) * BlockFormat.Scale(tensor, builder, 82, 4, "minimum");
    }

    /// <summary>32 bytes of third bits, 64 of codes of 2 bits, 16 scales of 6 bits in 12 bytes, scale: [rows, blocks, 2, 4, 2, 16].</summary>
    public static Term Three(Weight tensor, GraphBuilder builder)
    {
        var lower = BlockFormat.Bits(Bytes(tensor, builder, "codes", 32, 2, 1, 2, 16), [0, 2, 4, 6], 3, 4, 1, 1);
        var upper = BlockFormat.Bits(Bytes(tensor, builder, "high", 0, 1, 1, 2, 16), [0, 1, 2, 3, 4, 5, 6, 7], 1, 2, 4, 1, 1);
        var scales = BlockFormat.Part(tensor, builder, "scales", tensor.Unpacked([2, 4, 2, 1], (block, to) =>
        {
            for (var i = 0; i < 16; i++)
                to[i] = (byte)(((block[96 + i % 8] >> (4 * (i / 8))) & 15) | (((block[104 + i % 4] >> (2 * (i / 4))) & 3) << 4));
        }));
        return (Real(BlockFormat.Joined(lower, upper, 2)) - 4) * ((Real(scales) - 32) * BlockFormat.Scale(tensor, builder, 108, 4));
    }

    /// <summary>Scale and minimum, 8 scales and minima of 6 bits in 12 bytes, 128 bytes of codes of 4 bits: [rows, blocks, 4, 2, 32].</summary>
    public static Term Four(Weight tensor, GraphBuilder builder) => Scaled(tensor, builder, Nibbles(tensor, builder, 16));

    /// <summary>As <see cref="Four"/>, with 32 bytes of fifth bits before the codes: [rows, blocks, 4, 2, 32].</summary>
    public static Term Five(Weight tensor, GraphBuilder builder) => Scaled(tensor, builder, BlockFormat.Joined(Nibbles(tensor, builder, 48),
        BlockFormat.Bits(Bytes(tensor, builder, "high", 16, 1, 1, 32), [0, 1, 2, 3, 4, 5, 6, 7], 1, 4, 2, 1), 4));

    /// <summary>128 bytes of lower halves, 64 of fifth and sixth bits, 16 signed scales, scale: [rows, blocks, 2, 2, 2, 2, 16].</summary>
    public static Term Six(Weight tensor, GraphBuilder builder)
    {
        var lower = BlockFormat.Bits(Bytes(tensor, builder, "codes", 0, 2, 1, 2, 2, 16), [0, 4], 15, 2, 1, 1, 1);
        var upper = BlockFormat.Bits(Bytes(tensor, builder, "high", 128, 2, 1, 1, 2, 16), [0, 2, 4, 6], 3, 2, 2, 1, 1);
        var scales = BlockFormat.Part(tensor, builder, "scales", tensor.Part(ElementType.Int8, 192, 2, 2, 2, 2, 1));
        return (Real(BlockFormat.Joined(lower, upper, 4)) - 32) * (Real(scales) * BlockFormat.Scale(tensor, builder, 208, 5));
    }

    static Term Bytes(Weight tensor, GraphBuilder builder, string name, int offset, params ReadOnlySpan<long> sizes) => BlockFormat.Part(tensor, builder, name, tensor.Part(ElementType.UInt8, offset, sizes));

    static Term Real(Term whole) => whole.Cast(ElementType.Float32);

    /// <summary>Of each 32 bytes the lower halves and then the upper ones: [rows, blocks, 4, 2, 32].</summary>
    static Term Nibbles(Weight tensor, GraphBuilder builder, int offset) => BlockFormat.Bits(Bytes(tensor, builder, "codes", offset, 4, 1, 32), [0, 4], 15, 2, 1);

    static Term Scaled(Weight tensor, GraphBuilder builder, Term codes)
    {
        // Of the first four scales and minima all six bits lie together; of the others four do, and two lie above those of the first.
        Term Part(string name, int first, int shift) => BlockFormat.Part(tensor, builder, name, tensor.Unpacked([4, 2, 1], (block, to) =>
        {
            for (var i = 0; i < 4; i++)
            {
                to[i] = (byte)(block[first + i] & 63);
                to[4 + i] = (byte)(((block[12 + i] >> shift) & 15) | (block[first + i] >> 6 << 4));
            }
        }));
        return Real(codes) * (Real(Part("scales", 4, 0)) * BlockFormat.Scale(tensor, builder, 0, 3)) - Real(Part("minima", 8, 4)) * BlockFormat.Scale(tensor, builder, 2, 3, "minimum");
    }
}
