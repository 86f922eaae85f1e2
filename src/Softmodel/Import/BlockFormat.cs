using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import;

/// <summary>A tensor as a file holds it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Format">How its elements are stored.</param>
/// <param name="Dims">Its sizes, outermost first; the last one is a multiple of the format's block.</param>
/// <param name="Bytes">Its blocks, row after row.</param>
internal sealed record Weight(string Name, BlockFormat Format, long[] Dims, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>The blocks of a row.</summary>
    public long Blocks => Dims.Length == 0 ? 1 : Dims[^1] / Format.Elements;

    /// <summary>The rows, all axes but the last taken together.</summary>
    public long Rows => Dims.Length == 0 ? 1 : Dims.AsSpan()[..^1].ToArray().Aggregate(1L, (a, b) => a * b);

    /// <summary>
    /// Some bytes of every block as a tensor of [rows, blocks, ...sizes]: the parts that a file holds side by side are constants
    /// of their own in a graph.
    /// </summary>
    /// <param name="type">The type of the elements.</param>
    /// <param name="offset">Where in a block they begin.</param>
    /// <param name="sizes">How many a block has, as one or more axes; none for one element.</param>
    public Tensor Part(ElementType type, int offset, params ReadOnlySpan<long> sizes)
    {
        var length = (int)(Tensor.CountOf(sizes) * type.Size());
        var from = Bytes.Span;
        var count = checked((int)(Rows * Blocks));
        var to = new byte[(long)count * length];
        for (var block = 0; block < count; block++)
            from.Slice(block * Format.Size + offset, length).CopyTo(to.AsSpan(block * length));
        return new(type, [Rows, Blocks, .. sizes], to);
    }

    /// <summary>What a function makes of every block, as a tensor of [rows, blocks, ...sizes] of bytes.</summary>
    /// <param name="sizes">How many bytes a block gives.</param>
    /// <param name="unpack">Given a block, and where its bytes go.</param>
    public Tensor Unpacked(ReadOnlySpan<long> sizes, Action<ReadOnlySpan<byte>, Span<byte>> unpack)
    {
        var (length, count) = ((int)Tensor.CountOf(sizes), checked((int)(Rows * Blocks)));
        var to = new byte[(long)count * length];
        for (var block = 0; block < count; block++)
            unpack(Bytes.Span.Slice(block * Format.Size, Format.Size), to.AsSpan(block * length, length));
        return new(ElementType.UInt8, [Rows, Blocks, .. sizes], to);
    }
}

/// <summary>Adds what computes the elements of a stored tensor: [rows, ...], of which the later axes, taken together, are a row.</summary>
internal delegate Term Decoding(Weight tensor, GraphBuilder builder);

/// <summary>
/// How elements are stored: in blocks of so many elements, each of so many bytes. A stored tensor becomes arithmetic on
/// constants, so that all that is known of a format is its row here.
/// </summary>
/// <param name="Name">The name that ggml gives it.</param>
/// <param name="Number">Its number in GGUF files.</param>
/// <param name="Elements">Elements of a block; 1 where each stands alone.</param>
/// <param name="Size">Bytes of a block.</param>
/// <param name="Decode">What computes the elements. The layouts are those of ggml's block structures.</param>
internal sealed record BlockFormat(string Name, uint Number, int Elements, int Size, Decoding Decode)
{
    /// <summary>The formats that are read.</summary>
    public static readonly BlockFormat
        F32 = new("F32", 0, 1, 4, (t, b) => Plain(t, b, ElementType.Float32)),
        F16 = new("F16", 1, 1, 2, (t, b) => Plain(t, b, ElementType.Float16)),
        BF16 = new("BF16", 30, 1, 2, (t, b) => Plain(t, b, ElementType.BFloat16)),
        F64 = new("F64", 28, 1, 8, (t, b) => Plain(t, b, ElementType.Float64)),
        Q4_0 = new("Q4_0", 2, 32, 18, (t, b) => (Nibbles(t, b, 2) - 8) * Scale(t, b, 0)),
        Q4_1 = new("Q4_1", 3, 32, 20, (t, b) => Nibbles(t, b, 4) * Scale(t, b, 0) + Scale(t, b, 2, name: "minimum")),
        Q5_0 = new("Q5_0", 6, 32, 22, (t, b) => (Nibbles(t, b, 6, fifth: 2) - 16) * Scale(t, b, 0, 3)),
        Q5_1 = new("Q5_1", 7, 32, 24, (t, b) => Nibbles(t, b, 8, fifth: 4) * Scale(t, b, 0, 3) + Scale(t, b, 2, 3, "minimum")),
        Q8_0 = new("Q8_0", 8, 32, 34, (t, b) => Part(t, b, "codes", t.Part(ElementType.Int8, 2, 32)).Cast(ElementType.Float32) * Scale(t, b, 0, 1)),
        Q2_K = new("Q2_K", 10, 256, 84, SuperBlocks.Two),
        Q3_K = new("Q3_K", 11, 256, 110, SuperBlocks.Three),
        Q4_K = new("Q4_K", 12, 256, 144, SuperBlocks.Four),
        Q5_K = new("Q5_K", 13, 256, 176, SuperBlocks.Five),
        Q6_K = new("Q6_K", 14, 256, 210, SuperBlocks.Six),
        IQ2_XXS = new("IQ2_XXS", 16, 256, 66, LatticeBlocks.TwoXxs);

    /// <summary>All of them.</summary>
    public static readonly BlockFormat[] All = [F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ2_XXS];

    /// <summary>The format of a number in GGUF files; null where it is not read.</summary>
    public static BlockFormat? Of(uint number) => Array.Find(All, t => t.Number == number);

    /// <summary>The bytes of a tensor of these sizes.</summary>
    public Int128 Bytes(ReadOnlySpan<long> dims)
    {
        Int128 count = 1;
        foreach (var dim in dims)
            count *= dim;
        return count / Elements * Size;
    }

    /// <summary>A part of a weight as a parameter of its own, such as <c>layers.3.fc.weight/codes</c>.</summary>
    public static Term Part(Weight tensor, GraphBuilder builder, string name, Tensor part) => new(builder, builder.Parameter($"{tensor.Name}/{name}", part));

    static Term Plain(Weight tensor, GraphBuilder builder, ElementType type) =>
        new Term(builder, builder.Parameter(tensor.Name, new(type, tensor.Dims, tensor.Bytes))).Cast(ElementType.Float32);

    /// <summary>A 16-bit number of each block: [rows, blocks, 1, 1], or with as many more axes of size 1 as are asked for.</summary>
    public static Term Scale(Weight tensor, GraphBuilder builder, int offset, int axes = 2, string name = "scale") =>
        Part(tensor, builder, name, tensor.Part(ElementType.Float16, offset, [.. Enumerable.Repeat(1L, axes)])).Cast(ElementType.Float32);

    /// <summary>
    /// Whole numbers of four bits: 16 bytes hold the first half of a block in their lower halves and the other half in their
    /// upper ones: [rows, blocks, 2, 16]. A fifth bit of each may lie in 32 bits of their own: [rows, blocks, 2, 2, 8].
    /// </summary>
    static Term Nibbles(Weight tensor, GraphBuilder builder, int offset, int? fifth = null)
    {
        var bytes = Part(tensor, builder, "codes", tensor.Part(ElementType.UInt8, offset, 1, 16));
        var codes = Bits(bytes, [0, 4], 15, 2, 1);
        if (fifth is not { } at)
            return codes.Cast(ElementType.Float32);
        // Bit i of the four bytes belongs to element i: 2 bytes for each half, 8 bits in each.
        var high = Bits(Part(tensor, builder, "high", tensor.Part(ElementType.UInt8, at, 2, 2, 1)), [0, 1, 2, 3, 4, 5, 6, 7], 1, 1, 1, 8);
        var lower = codes.Reshape(new([.. codes.Shape.Dims.Take(3), 2, 8]));
        return Joined(lower, high, 4).Cast(ElementType.Float32);
    }

    /// <summary>Bytes of which some have the lower bits and others those above them.</summary>
    /// <param name="lower">The lower bits.</param>
    /// <param name="upper">The upper bits.</param>
    /// <param name="at">How many lower ones there are.</param>
    public static Term Joined(Term lower, Term upper, int at) => lower.Map(Functions.BitOr, upper.Map(Functions.ShiftLeft, upper.Scalar(at)));

    /// <summary>Some bits of each byte, from several places on.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="shifts">The places.</param>
    /// <param name="mask">Which bits, counted from there.</param>
    /// <param name="sizes">The sizes of the axes along which the places lie; bytes are stretched along them.</param>
    public static Term Bits(Term bytes, byte[] shifts, byte mask, params ReadOnlySpan<long> sizes) =>
        bytes.Map(Functions.ShiftRight, bytes.Constant(Tensor.Of(shifts.AsSpan(), sizes))).Map(Functions.BitAnd, bytes.Scalar(mask));
}
