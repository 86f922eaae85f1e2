using System.Buffers.Binary;
using Softmodel.Runtime;

namespace Softmodel.Graphs;

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
    /// Some bytes of every block as a tensor of [rows, blocks, ...sizes]: the parts that a file holds side by side are parameters
    /// of their own where they are decoded.
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

    /// <summary>The tensor of a parameter that is stored in blocks.</summary>
    public static Weight Of(Op.Parameter parameter) =>
        new(parameter.Name, parameter.Format!, [parameter.Value.Dims[0], parameter.Value.Dims[1] * parameter.Format!.Elements], parameter.Value.Bytes);

    /// <summary>Adds its elements as a parameter: [rows, blocks, ...] of one that is stored in blocks, which stay as they are.</summary>
    public Term In(GraphBuilder builder) => Format.Layout.Count == 0 ? Format.Decode(this, builder)
        : new(builder, builder.Apply(new Op.Parameter(Name, new(ElementType.UInt8, [Rows, Blocks, Format.Size], Bytes), Format: Format)));

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

/// <summary>Adds what computes the elements of a stored tensor: [rows, blocks, ...], of which the later axes, taken together, are a row.</summary>
internal delegate Term Decoding(Weight tensor, GraphBuilder builder);

/// <summary>Writes a block of elements.</summary>
/// <param name="elements">The elements.</param>
/// <param name="block">Where to.</param>
/// <param name="keepsFactors">Whether the factors that the block holds already stay, so that elements which it held come out as they were.</param>
/// <returns>The sum of the squares of what is rounded off.</returns>
internal delegate double BlockEncoding(ReadOnlySpan<float> elements, Span<byte> block, bool keepsFactors = false);

/// <summary>
/// How elements are stored: in blocks of so many elements, each of so many bytes. What a block means is arithmetic on its parts,
/// so that all that is known of a format is its row here.
/// </summary>
public sealed record BlockFormat
{
    internal BlockFormat(string name, uint number, int elements, int size, EquatableArray<long> layout, Decoding decode) =>
        (Name, Number, Elements, Size, Layout, Decode) = (name, number, elements, size, layout, decode);

    /// <summary>The name that ggml gives it.</summary>
    public string Name { get; }

    /// <summary>Its number in GGUF files.</summary>
    public uint Number { get; }

    /// <summary>Elements of a block; 1 where each stands alone.</summary>
    public int Elements { get; }

    /// <summary>Bytes of a block.</summary>
    public int Size { get; }

    /// <summary>The axes of a block's elements; none where each stands alone.</summary>
    public EquatableArray<long> Layout { get; }

    /// <summary>What computes the elements. The layouts are those of ggml's block structures.</summary>
    internal Decoding Decode { get; }

    /// <summary>What writes a block, each element rounded to the nearest that it can hold; null where blocks are only read.</summary>
    internal BlockEncoding? Encode { get; private init; }

    /// <summary>
    /// Whether an element is a code by a factor that it shares with others, perhaps plus a summand: the last that is computed of it.
    /// Kernels then apply both to sums.
    /// </summary>
    public bool IsScaled { get; private init; }

    /// <summary>The formats that are read.</summary>
    public static readonly BlockFormat
        F32 = new("F32", 0, 1, 4, [], (t, b) => Plain(t, b, ElementType.Float32)) { Encode = (x, to, _) => EncodeAlone(ElementType.Float32, x, to) },
        F16 = new("F16", 1, 1, 2, [], (t, b) => Plain(t, b, ElementType.Float16)) { Encode = (x, to, _) => EncodeAlone(ElementType.Float16, x, to) },
        BF16 = new("BF16", 30, 1, 2, [], (t, b) => Plain(t, b, ElementType.BFloat16)) { Encode = (x, to, _) => EncodeAlone(ElementType.BFloat16, x, to) },
        F64 = new("F64", 28, 1, 8, [], (t, b) => Plain(t, b, ElementType.Float64)),
        Q4_0 = new("Q4_0", 2, 32, 18, [2, 16], (t, b) => (Nibbles(t, b, 2) - 8) * Scale(t, b, 0)) { IsScaled = true, Encode = EncodeFromMiddle },
        Q4_1 = new("Q4_1", 3, 32, 20, [2, 16], (t, b) => Nibbles(t, b, 4) * Scale(t, b, 0) + Scale(t, b, 2, name: "minimum")) { IsScaled = true, Encode = EncodeFromLeast },
        Q5_0 = new("Q5_0", 6, 32, 22, [2, 2, 8], (t, b) => (Nibbles(t, b, 6, fifth: 2) - 16) * Scale(t, b, 0, 3)) { IsScaled = true },
        Q5_1 = new("Q5_1", 7, 32, 24, [2, 2, 8], (t, b) => Nibbles(t, b, 8, fifth: 4) * Scale(t, b, 0, 3) + Scale(t, b, 2, 3, "minimum")) { IsScaled = true },
        Q8_0 = new("Q8_0", 8, 32, 34, [32], (t, b) => Part(t, b, "codes", t.Part(ElementType.Int8, 2, 32)).Cast(ElementType.Float32) * Scale(t, b, 0, 1)) { IsScaled = true, Encode = EncodeBytes },
        Q2_K = new("Q2_K", 10, 256, 84, [2, 4, 2, 16], SuperBlocks.Two),
        Q3_K = new("Q3_K", 11, 256, 110, [2, 4, 2, 16], SuperBlocks.Three) { IsScaled = true },
        Q4_K = new("Q4_K", 12, 256, 144, [4, 2, 32], SuperBlocks.Four),
        Q5_K = new("Q5_K", 13, 256, 176, [4, 2, 32], SuperBlocks.Five),
        Q6_K = new("Q6_K", 14, 256, 210, [2, 2, 2, 2, 16], SuperBlocks.Six) { IsScaled = true },
        IQ2_XXS = new("IQ2_XXS", 16, 256, 66, [8, 4, 8], LatticeBlocks.TwoXxs) { IsScaled = true };

    /// <summary>All of them.</summary>
    public static readonly BlockFormat[] All = [F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ2_XXS];

    /// <summary>A matrix that is stored so; as <see cref="F16"/> where its rows are no whole blocks.</summary>
    /// <param name="name">The parameter's name.</param>
    /// <param name="elements">Its elements, row by row.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="columns">How many columns.</param>
    internal Op.Parameter Stored(string name, float[] elements, int rows, int columns)
    {
        if (columns % Elements != 0)
            return F16.Stored(name, elements, rows, columns);
        var bytes = new byte[elements.Length / Elements * Size];
        Parallel.For(0, rows, row =>
        {
            for (var at = row * columns; at < (row + 1) * columns; at += Elements)
                Encode!(elements.AsSpan(at, Elements), bytes.AsSpan(at / Elements * Size, Size));
        });
        return Layout.Count > 0 ? new(name, new(ElementType.UInt8, [rows, columns / Elements, Size], bytes), Format: this)
            : new(name, new(this == F16 ? ElementType.Float16 : this == BF16 ? ElementType.BFloat16 : ElementType.Float32, [rows, columns], bytes));
    }

    static float Half(Span<byte> to, double value, bool isKept)
    {
        if (isKept)
            return (float)BinaryPrimitives.ReadHalfLittleEndian(to);
        Tensor.Store(ElementType.Float16, to, 0, value);
        return (float)(System.Half)value;
    }

    static int Code(float x, float scale, float least, int from, int to, ref double error)
    {
        var code = scale == 0 ? 0 : (int)Math.Clamp(MathF.Round((x - least) / scale), from, to);
        var rounded = least + code * scale - x;
        error += rounded * rounded;
        return code;
    }

    static double EncodeAlone(ElementType type, ReadOnlySpan<float> x, Span<byte> block)
    {
        Tensor.Store(type, block, 0, (double)x[0]);
        var rounded = new Tensor(type, [], block.ToArray()).Float(0) - x[0];
        return rounded * rounded;
    }

    /// <summary>Four bits, of which 8 stands for 0: the element of the largest magnitude is -8.</summary>
    static double EncodeFromMiddle(ReadOnlySpan<float> x, Span<byte> block, bool keepsFactors)
    {
        var (most, error) = (0f, 0.0);
        foreach (var element in x)
            most = Math.Abs(element) > Math.Abs(most) ? element : most;
        var scale = Half(block, most / -8, keepsFactors);
        for (var i = 0; i < 16; i++)
            block[2 + i] = (byte)(Code(x[i], scale, 0, -8, 7, ref error) + 8 | Code(x[16 + i], scale, 0, -8, 7, ref error) + 8 << 4);
        return error;
    }

    /// <summary>Four bits, counted from the least element.</summary>
    static double EncodeFromLeast(ReadOnlySpan<float> x, Span<byte> block, bool keepsFactors)
    {
        var (low, high, error) = (float.PositiveInfinity, float.NegativeInfinity, 0.0);
        foreach (var element in x)
            (low, high) = (Math.Min(low, element), Math.Max(high, element));
        var (scale, least) = (Half(block, (high - low) / 15, keepsFactors), Half(block[2..], low, keepsFactors));
        for (var i = 0; i < 16; i++)
            block[4 + i] = (byte)(Code(x[i], scale, least, 0, 15, ref error) | Code(x[16 + i], scale, least, 0, 15, ref error) << 4);
        return error;
    }

    /// <summary>Eight bits with a sign.</summary>
    static double EncodeBytes(ReadOnlySpan<float> x, Span<byte> block, bool keepsFactors)
    {
        var (most, error) = (0f, 0.0);
        foreach (var element in x)
            most = Math.Max(most, Math.Abs(element));
        var scale = Half(block, most / 127, keepsFactors);
        for (var i = 0; i < 32; i++)
            block[2 + i] = (byte)(sbyte)Code(x[i], scale, 0, -127, 127, ref error);
        return error;
    }

    /// <summary>The format of a number in GGUF files; null where it is not read.</summary>
    public static BlockFormat? Of(uint number) => Array.Find(All, t => t.Number == number);

    /// <summary>The format of a name; null where there is none.</summary>
    public static BlockFormat? Named(string name) => Array.Find(All, t => t.Name == name);

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>The bytes of a tensor of these sizes.</summary>
    public Int128 Bytes(ReadOnlySpan<long> dims)
    {
        Int128 count = 1;
        foreach (var dim in dims)
            count *= dim;
        return count / Elements * Size;
    }

    /// <summary>A part of a weight as a parameter of its own, such as <c>layers.3.fc.weight/codes</c>.</summary>
    internal static Term Part(Weight tensor, GraphBuilder builder, string name, Tensor part) => new(builder, builder.Parameter($"{tensor.Name}/{name}", part));

    static Term Plain(Weight tensor, GraphBuilder builder, ElementType type) =>
        new Term(builder, builder.Parameter(tensor.Name, new(type, tensor.Dims, tensor.Bytes))).Cast(ElementType.Float32);

    /// <summary>A 16-bit number of each block: [rows, blocks, 1, 1], or with as many more axes of size 1 as are asked for.</summary>
    internal static Term Scale(Weight tensor, GraphBuilder builder, int offset, int axes = 2, string name = "scale") =>
        Part(tensor, builder, name, tensor.Part(ElementType.Float16, offset, [.. Enumerable.Repeat(1L, axes)])).Cast(ElementType.Float32);

    /// <summary>
    /// Integers of four bits: 16 bytes hold the first half of a block in their lower halves and the other half in their
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
    internal static Term Joined(Term lower, Term upper, int at) => lower.Map(Functions.BitOr, upper.Map(Functions.ShiftLeft, upper.Scalar(at)));

    /// <summary>Some bits of each byte, from several places on.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="shifts">The places.</param>
    /// <param name="mask">Which bits, counted from there.</param>
    /// <param name="sizes">The sizes of the axes along which the places lie; bytes are broadcast along them.</param>
    internal static Term Bits(Term bytes, byte[] shifts, byte mask, params ReadOnlySpan<long> sizes) =>
        bytes.Map(Functions.ShiftRight, bytes.Constant(Tensor.Of(shifts.AsSpan(), sizes))).Map(Functions.BitAnd, bytes.Scalar(mask));

    /// <summary>The graph with the arithmetic of their formats in place of parameters that are stored in blocks.</summary>
    /// <param name="graph">The graph; it is left as it is.</param>
    /// <param name="formats">Is given the values that stand for the parameters' elements, with their formats.</param>
    internal static Graph Decoded(Graph graph, IDictionary<Value, BlockFormat>? formats = null)
    {
        if (!graph.AllNodes().Any(n => n.Op is Op.Parameter { Format: not null }))
            return graph;
        IEnumerable<Node> Nodes(Node node)
        {
            if (node.Op is not Op.Parameter { Format: { } format } parameter)
                return [node.Op switch
                {
                    Op.If branch => node with { Op = new Op.If(Decoded(branch.Then, formats), Decoded(branch.Else, formats)) },
                    Op.Loop loop => node with { Op = loop with { Body = Decoded(loop.Body, formats) } },
                    _ => node,
                }];
            var builder = new GraphBuilder(parameter.Name, (_, _) => null) { Origin = node.Origin };
            var value = format.Decode(Weight.Of(parameter), builder).Value;
            var nodes = builder.Build([value]).Nodes;
            formats?.Add(node.Output, format);
            return nodes.Select(n => n.Outputs.Contains(value) ? n with { Outputs = node.Outputs } : n);
        }
        return graph with { Nodes = graph.Nodes.SelectMany(Nodes).ToEquatable() };
    }
}
