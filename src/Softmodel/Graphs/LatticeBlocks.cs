using System.Buffers.Binary;
using System.Numerics;
using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>
/// The format that ggml calls IQ2_XXS: every 8 elements are one of 256 points of a lattice, with signs. Layout as in
/// <c>block_iq2_xxs</c> of ggml-common.h.
/// </summary>
static class LatticeBlocks
{
    // iq2xxs_grid of ggml-common.h, as gguf-py's quants.py writes it. The first coordinate lies in the lowest bits.
    const string Hexadecimal =
        "00000200050008000a00110014002000220028002a0041004400500058006100" +
        "6400800082008a00a20001010401100115014001840198010002020222028202" +
        "010404041004210424044004420448046004810484049004a404000502050805" +
        "200546056905800591050906100640068406a406000805080808140828084108" +
        "440850085208880804094009020a140a01100410101021104010601084109010" +
        "951000110811201150115a118011241245120014081420142514491480141815" +
        "6215001616160118041810184018811800190519a019511a002002200a204420" +
        "6120802082202921482100220222012404241024402456240025412564259026" +
        "082820289428442a014004401040184021402440404048405640604081408440" +
        "9040004120416141804185410142104248425642684200440844204480449944" +
        "124524450046014804481048404845480049584961498249454a904a00500850" +
        "1150195020508050885004514251a4519152905492540a550156545600581158" +
        "195864584059085a046010604060686000615561186260620064056410651265" +
        "84654268008002800a8041808280048118814081118201840484108415844084" +
        "608400854685948509864086608602880489118a0490109024904090a1901691" +
        "8091459200942294449451958198209902a050a085a009a100a218a450a804a9";

    static readonly byte[] points = Convert.FromHexString(Hexadecimal);

    /// <summary>The points: two bytes each, two bits for each of their eight coordinates, 0 to 2 for 8, 25 and 43.</summary>
    public static ReadOnlySpan<byte> Points => points;

    // A point and its signs as one number: three bits for each coordinate, the highest of which is its sign.
    static readonly uint[] spreadPoints = [.. Enumerable.Range(0, 256).Select(p => Spread(i => points[2 * p + i / 4] >> (2 * (i % 4)) & 3))];

    // What three bits stand for. It stands there twice, since four bits are what a vector of 16 numbers is chosen from by.
    static readonly float[] coordinates = [8, 25, 43, 0, -8, -25, -43, 0, 8, 25, 43, 0, -8, -25, -43, 0];

    static uint Spread(Func<int, int> bits) => (uint)Enumerable.Range(0, 8).Sum(i => bits(i) << (3 * i));

    /// <summary>
    /// Scale, and for every 32 elements 4 bytes that name points and 4 bytes of signs, 7 bits for each point, and of a scale of
    /// 4 bits: [rows, blocks, 8, 4, 8].
    /// </summary>
    public static Term TwoXxs(Weight tensor, GraphBuilder builder)
    {
        static uint Signs(ReadOnlySpan<byte> block, int group) => BinaryPrimitives.ReadUInt32LittleEndian(block[(2 + group * 8 + 4)..]);
        var chosen = BlockFormat.Part(tensor, builder, "points", tensor.Unpacked([8, 4], (block, to) =>
        {
            for (var group = 0; group < 8; group++)
                block.Slice(2 + group * 8, 4).CopyTo(to[(group * 4)..]);
        }));
        // Of eight signs there is always an even number: the eighth is not in the file.
        var signs = BlockFormat.Part(tensor, builder, "signs", tensor.Unpacked([8, 4], (block, to) =>
        {
            for (var i = 0; i < 32; i++)
            {
                var seven = (Signs(block, i / 4) >> (7 * (i % 4))) & 127;
                to[i] = (byte)(seven | (uint)(BitOperations.PopCount(seven) & 1) << 7);
            }
        }));
        var scales = BlockFormat.Part(tensor, builder, "scales", tensor.Unpacked([8, 1, 1], (block, to) =>
        {
            for (var group = 0; group < 8; group++)
                to[group] = (byte)(Signs(block, group) >> 28);
        }));
        var unsigned = new Term(builder, builder.Constant(Tensor.Of<uint>(spreadPoints, spreadPoints.Length))).Gather(chosen.Cast(ElementType.Int64), 0);
        // Bits that lie side by side are moved apart, first four and four, then two and two, to every third place from the third on.
        var spread = signs.Cast(ElementType.UInt32);
        foreach (var (shift, mask) in ((int, uint)[])[(8, 0x00F00F), (4, 0x0C30C3), (2, 0x249249)])
            spread = spread.Map(Functions.BitOr, spread.Map(Functions.ShiftLeft, spread.Scalar(shift))).Map(Functions.BitAnd, spread.Scalar(mask));
        var point = unsigned.Map(Functions.BitOr, spread.Map(Functions.ShiftLeft, spread.Scalar(2))).Unsqueeze(4);
        var codes = point.Map(Functions.ShiftRight, point.Constant(Tensor.Vector<uint>(0, 3, 6, 9, 12, 15, 18, 21))).Map(Functions.BitAnd, point.Scalar(15));
        var values = new Term(builder, builder.Constant(Tensor.Of<float>(coordinates, coordinates.Length))).Gather(codes.Cast(ElementType.Int64), 0);
        return values * ((scales.Cast(ElementType.Float32) * 0.25 + 0.125) * BlockFormat.Scale(tensor, builder, 0, 3));
    }
}
