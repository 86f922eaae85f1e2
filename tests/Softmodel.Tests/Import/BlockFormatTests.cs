using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Architectures;
using Softmodel.Interpret;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Runtime;
using Softmodel.Tests.Generated;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Softmodel.Tests.Import;

/// <summary>Random blocks of every format: the graph that decodes them and the kernel that multiplies with them, against plain loops.</summary>
public class BlockFormatTests
{
    const int Columns = 512;

    public static TheoryData<string> Names => [.. BlockFormat.All.Select(f => f.Name)];

    static BlockFormat Format(string name) => BlockFormat.All.First(f => f.Name == name);

    /// <summary>Rows, and the bits of vectors.</summary>
    public static TheoryData<int, int> Sizes => InProcess.Width == 512 ? [(336, 128), (37, 256), (37, 512)] : [(336, 128), (37, 256)];

    // Where blocks have numbers of 16 bits; the other bytes may be anything.
    static int[] Halves(string name) => name switch
    {
        "F16" or "Q4_0" or "Q5_0" or "Q8_0" or "IQ2_XXS" => [0],
        "Q4_1" or "Q5_1" or "Q4_K" or "Q5_K" => [0, 2],
        "Q2_K" => [80, 82],
        "Q3_K" => [108],
        "Q6_K" => [208],
        _ => [],
    };

    static Weight Blocks(string name, int rows, int seed)
    {
        var (format, random) = (Format(name), new Random(seed));
        var bytes = new byte[rows * Columns / format.Elements * format.Size];
        random.NextBytes(bytes);
        for (var at = 0; at < bytes.Length; at += format.Size)
        {
            foreach (var half in Halves(name))
                BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(at + half), (Half)(random.NextSingle() * 4 - 2));
            if (name == "F32")
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(at), random.NextSingle() * 4 - 2);
            if (name == "F64")
                BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(at), random.NextDouble() * 4 - 2);
            if (name == "BF16")
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), (ushort)(BitConverter.SingleToUInt32Bits(random.NextSingle() * 4 - 2) >> 16));
        }
        return new(name, format, [rows, Columns], bytes);
    }

    /// <summary>The elements of a block as the format's definition in ggml gives them.</summary>
    static float[] Decoded(string name, ReadOnlySpan<byte> b)
    {
        var y = new float[Format(name).Elements];
        float half(ReadOnlySpan<byte> b, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(b[at..]);
        switch (name)
        {
            case "F32": y[0] = BinaryPrimitives.ReadSingleLittleEndian(b); break;
            case "F64": y[0] = (float)BinaryPrimitives.ReadDoubleLittleEndian(b); break;
            case "F16": y[0] = half(b, 0); break;
            case "BF16": y[0] = BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(b) << 16); break;
            case "Q4_0" or "Q4_1" or "Q5_0" or "Q5_1":
                for (var i = 0; i < 32; i++)
                {
                    var (hasMinimum, hasFifth) = (name[^1] == '1', name[1] == '5');
                    var codes = (hasMinimum ? 4 : 2) + (hasFifth ? 4 : 0);
                    var code = (b[codes + i % 16] >> (i < 16 ? 0 : 4)) & 15;
                    if (hasFifth)
                        code |= (int)(BinaryPrimitives.ReadUInt32LittleEndian(b[(codes - 4)..]) >> i & 1) << 4;
                    y[i] = hasMinimum ? code * half(b, 0) + half(b, 2) : (code - (hasFifth ? 16 : 8)) * half(b, 0);
                }
                break;
            case "Q8_0":
                for (var i = 0; i < 32; i++)
                    y[i] = (sbyte)b[2 + i] * half(b, 0);
                break;
            case "Q2_K":
                for (var i = 0; i < 256; i++)
                {
                    var code = (b[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
                    y[i] = half(b, 80) * (b[i / 16] & 15) * code - half(b, 82) * (b[i / 16] >> 4);
                }
                break;
            case "Q3_K":
                for (var i = 0; i < 256; i++)
                {
                    var code = (b[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
                    if ((b[i % 32] >> (i / 32) & 1) == 0)
                        code -= 4;
                    var group = i / 16;
                    var low = group < 8 ? b[96 + group] & 15 : b[96 + group - 8] >> 4;
                    var scale = low + ((b[104 + group % 4] >> (group / 4 * 2)) & 3) * 16 - 32;
                    y[i] = half(b, 108) * scale * code;
                }
                break;
            case "Q4_K" or "Q5_K":
                for (var i = 0; i < 256; i++)
                {
                    var group = i / 32;
                    var s = b[4..16];
                    var (scale, minimum) = group < 4 ? (s[group] & 63, s[group + 4] & 63)
                        : ((s[group + 4] & 15) | (s[group - 4] >> 6 << 4), (s[group + 4] >> 4) | (s[group] >> 6 << 4));
                    var code = (b[(name == "Q4_K" ? 16 : 48) + i / 64 * 32 + i % 32] >> (group % 2 * 4)) & 15;
                    if (name == "Q5_K" && (b[16 + i % 32] >> group & 1) != 0)
                        code += 16;
                    y[i] = half(b, 0) * scale * code - half(b, 2) * minimum;
                }
                break;
            case "Q6_K":
                for (var i = 0; i < 256; i++)
                {
                    var (part, quarter, l) = (i / 128, i % 128 / 32, i % 32);
                    var low = (b[part * 64 + quarter % 2 * 32 + l] >> (quarter / 2 * 4)) & 15;
                    var high = (b[128 + part * 32 + l] >> (quarter * 2)) & 3;
                    y[i] = half(b, 208) * (sbyte)b[192 + i / 16] * (low + high * 16 - 32);
                }
                break;
            case "IQ2_XXS":
                for (var i = 0; i < 256; i++)
                {
                    var group = b[(2 + i / 32 * 8)..];
                    var signs = BinaryPrimitives.ReadUInt32LittleEndian(group[4..]);
                    var seven = (signs >> (i % 32 / 8 * 7)) & 127;
                    var isNegative = i % 8 < 7 ? (seven >> (i % 8) & 1) != 0 : BitOperations.PopCount(seven) % 2 != 0;
                    var size = Coordinates[LatticeBlocks.Points[group[i % 32 / 8] * 2 + i % 8 / 4] >> (i % 4 * 2) & 3];
                    y[i] = half(b, 0) * (0.5f + (signs >> 28)) * 0.25f * size * (isNegative ? -1 : 1);
                }
                break;
            default:
                throw new InvalidOperationException(name);
        }
        return y;
    }

    static ReadOnlySpan<byte> Coordinates => [8, 25, 43];

    static float[] Decoded(Weight weight) => [.. Enumerable.Range(0, weight.Bytes.Length / weight.Format.Size).SelectMany(i => Decoded(weight.Name, weight.Bytes.Span.Slice(i * weight.Format.Size, weight.Format.Size)))];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_block_is_decoded_as_its_format_says(string name)
    {
        var builder = new GraphBuilder("test", Evaluator.FoldKeepingStored);
        var weight = Blocks(name, 23, seed: 1);
        var decoded = weight.In(builder);
        Assert.Equal(23, decoded.Shape[0].Value);
        var graph = builder.Build([decoded.Reshape(new(23, Columns)).Value]);
        Assert.Equal(Decoded(weight), Evaluator.Run(graph, [])[0].Values<float>().ToArray());
    }

    public static TheoryData<string> Written => [.. BlockFormat.All.Where(f => f.Encode is not null).Select(f => f.Name)];

    [Theory]
    [MemberData(nameof(Written))]
    public void A_block_that_is_written_is_read_as_the_nearest_that_it_can_hold(string name)
    {
        var (format, random) = (Format(name), new Random(5));
        var elements = Enumerable.Range(0, 8 * Columns).Select(i => (random.NextSingle() * 2 - 1) * (i / Columns == 7 ? 0 : 1 + i / Columns)).ToArray();
        var bytes = new byte[elements.Length / format.Elements * format.Size];
        for (var i = 0; i < elements.Length / format.Elements; i++)
            format.Encode!(elements.AsSpan(i * format.Elements, format.Elements), bytes.AsSpan(i * format.Size, format.Size));
        var builder = new GraphBuilder("test", Evaluator.Fold);
        var read = Evaluator.Run(builder.Build([format.Decode(new(name, format, [8, Columns], bytes), builder).Value]), [])[0];
        for (var i = 0; i < elements.Length; i++)
        {
            var block = elements.AsSpan(i / format.Elements * format.Elements, format.Elements);
            var most = Math.Max(Math.Abs(TensorPrimitives.Max<float>(block)), Math.Abs(TensorPrimitives.Min<float>(block)));
            // Half a step, and what the halves of scale and minimum are rounded by. From the middle there is no code for 8.
            var step = name switch { "F32" => 0, "F16" => most / 1024, "BF16" => most / 128, "Q8_0" => most / 127, "Q4_0" => 2 * most / 8, _ => (TensorPrimitives.Max<float>(block) - TensorPrimitives.Min<float>(block)) / 15 };
            Assert.Equal(elements[i], (float)read.Float(i), step / 2 + (format.Elements > 1 ? most / 500 : 0) + 1e-9);
        }
    }

    [Fact]
    public void A_weight_is_one_parameter_with_its_format_and_its_blocks_as_they_are()
    {
        var builder = new GraphBuilder("test", Evaluator.FoldKeepingStored);
        var weight = Blocks("Q4_1", 3, seed: 1);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(1, Columns))));
        var graph = builder.Build([Transformer.Times(x, weight.In(builder)).Value], ["y"]);
        var parameter = Assert.Single(Parameters.Of(graph));
        Assert.Equal((weight.Name, BlockFormat.Q4_1), (parameter.Name, parameter.Format));
        Assert.True(parameter.Value.Bytes.Equals(weight.Bytes));
        Assert.Equal(new TensorType(ElementType.Float32, new(3, Columns / 32, 2, 16)), parameter.Type);
        // What is computed from it is computed as it runs, and what is known of it stays with it in any form.
        graph = Pipeline.Exact(graph, Evaluator.FoldKeepingStored, isChecked: true);
        var text = GraphText.Write(graph);
        Assert.Contains(" format=Q4_1", text, StringComparison.Ordinal);
        var read = GraphText.Read(text, hash => hash == GraphText.Hash(parameter.Value) ? parameter.Value : null);
        Assert.Equal(parameter, Assert.Single(Parameters.Of(read)));
        Assert.Contains("there is no format 'Q4_9'", Assert.Throws<SoftmodelException>(() => GraphText.Read(text.Replace("Q4_1", "Q4_9", StringComparison.Ordinal), _ => parameter.Value)).Message, StringComparison.Ordinal);
        Tensor[] given = [Answers.Ramp(1, Columns)];
        float[] Run(Graph g) => [.. Evaluator.Run(g, given)[0].Values<float>()];
        var expected = Run(graph);
        Assert.Equal(expected, Run(read));
        Assert.Equal(Interpreter.Run(Schedule.Of(Lower.Program(graph), 256), given)[0].Values<float>().ToArray(), Interpreter.Run(Schedule.Of(Lower.Program(read), 256), given)[0].Values<float>().ToArray());
        Assert.All(expected.Zip(Evaluator.Run(DoublePrecision.Of(graph), [DoublePrecision.Of(given[0])])[0].Values<double>().ToArray()), p => Assert.Equal(p.Second, p.First, 1e-3));
        if (Answers.OnnxRuntime(graph, given) is { } others)
            Assert.All(expected.Zip(others[0].Values<float>().ToArray()), p => Assert.Equal(p.Second, p.First, 1e-2f));
        var twice = Parameters.Replace(graph, Evaluator.FoldKeepingStored, new Dictionary<string, Replacement> { [weight.Name] = (b, p) => (new Term(b, b.Apply(p)) * 2).Value });
        Assert.Equal(expected.Select(y => 2 * y), Run(twice));
        var other = Parameters.Replace(graph, Evaluator.FoldKeepingStored, new Dictionary<string, Replacement> { [weight.Name] = (b, p) => b.Constant(Tensor.Of(ElementType.Float32, p.Type.Shape.Known!, new double[3 * Columns])) });
        Assert.Equal([0, 0, 0], Run(other));
    }

    [Theory]
    [InlineData("ai,oi->ao", false)]
    [InlineData("oi,ai->ao", true)]
    public void A_weight_whose_rows_are_whole_is_multiplied_block_by_block(string equation, bool isFirst)
    {
        var builder = new GraphBuilder("test", Evaluator.FoldKeepingStored);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(Dim.Symbol("n"), Columns))));
        var rows = Blocks("Q8_0", 3, seed: 1).In(builder).Reshape(new(3, Columns));
        var graph = builder.Build([(isFirst ? rows.Contract(equation, x) : x.Contract(equation, rows)).Value], ["y"]);
        var simplified = Pipeline.Exact(graph, Evaluator.FoldKeepingStored, isChecked: true);
        var contract = Assert.Single(simplified.Nodes, n => n.Op is Op.Contract);
        Assert.Contains(contract.Inputs, v => simplified.Nodes.Any(n => n.Op is Op.Parameter && n.Outputs.Contains(v)));
        Tensor[] given = [Answers.Ramp(2, Columns)];
        Assert.Equal(Evaluator.Run(graph, given)[0].Values<float>().ToArray().Select(y => Math.Round(y, 3)), Evaluator.Run(simplified, given)[0].Values<float>().ToArray().Select(y => Math.Round(y, 3)));
        // Nothing of the weight is decoded to memory.
        Assert.DoesNotContain(Lower.Program(simplified).Buffers, b => b.Storage == Storage.Arena && b.Count.Value >= 3 * Columns);
    }

    // What dequantize_row_* of ggml (in llama.rn 0.3.10, without fused multiply-adds) gives for the same 64 blocks, by FNV-1a.
    [Theory]
    [InlineData("Q4_0", 0x95bdc6ab7888c614UL)]
    [InlineData("Q4_1", 0x24317aa60fffd626UL)]
    [InlineData("Q5_0", 0x09c27fa34562f043UL)]
    [InlineData("Q5_1", 0x7d3127f34152cf55UL)]
    [InlineData("Q8_0", 0x4dc70b9d62cbcdeeUL)]
    [InlineData("Q2_K", 0xc938c0f5e940f3acUL)]
    [InlineData("Q3_K", 0x430f431814a11257UL)]
    [InlineData("Q4_K", 0x7a7e78a1dea30b76UL)]
    [InlineData("Q5_K", 0x5106875eda1bd845UL)]
    [InlineData("Q6_K", 0x3a7bb20b63059e96UL)]
    [InlineData("IQ2_XXS", 0x39e604c5c3bfc59eUL)]
    public void Blocks_are_decoded_as_ggml_does(string name, ulong hash)
    {
        var format = Format(name);
        var (bytes, state) = (new byte[64 * format.Size], 1u);
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)((state = state * 1664525 + 1013904223) >> 24);
        for (var block = 0; block < bytes.Length; block += format.Size)
        {
            foreach (var half in Halves(name))
            {
                var at = bytes.AsSpan(block + half, 2);
                BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(at) & 0x83FF | 0x3C00));
            }
        }
        var builder = new GraphBuilder("test", Evaluator.FoldKeepingStored);
        var decoded = format.Decode(new(name, format, [64, format.Elements], bytes), builder);
        var found = 14695981039346656037;
        // Zeros have no sign here.
        foreach (var b in MemoryMarshal.AsBytes<float>([.. Evaluator.Run(builder.Build([decoded.Value]), [])[0].Values<float>().ToArray().Select(y => y + 0f)]))
            found = (found ^ b) * 1099511628211;
        Assert.Equal(hash, found);
    }

    [Fact]
    public void The_points_are_those_of_ggml() => Assert.Equal("05826b5d3e472a3a78f196be62ac78acf81df0f909626e12ab9fa2a5d490dd54",
        Convert.ToHexStringLower(SHA256.HashData(Enumerable.Range(0, 2048).Select(i => Coordinates[LatticeBlocks.Points[i / 4] >> (i % 4 * 2) & 3]).ToArray())));

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_kernel_multiplies_with_what_it_decodes(int rows, int width)
    {
        var builder = new GraphBuilder("test", Evaluator.FoldKeepingStored);
        var x = new Term(builder, builder.Input("x", new(ElementType.Float32, new(Dim.Symbol("n"), Columns))));
        var chosen = new Term(builder, builder.Input("chosen", new(ElementType.Int64, new(Dim.Symbol("m")))));
        Weight[] weights = [.. BlockFormat.All.Select((f, i) => Blocks(f.Name, rows, seed: rows + i))];
        Term[] matrices = [.. weights.Select(w => w.In(builder))];
        // Rows are read by number, too: from the panels, since what two kernels read is stored once.
        var some = matrices.Select(m => m.Gather(chosen, 0).Reshape(new(Dim.Symbol("m"), Columns)).Value);
        var program = Lower.Program(builder.Build([.. matrices.Select(m => Transformer.Times(x, m).Value), .. some]));
        var sums = program.AllSteps().OfType<Step.Nest>().Where(n => n.Fold is not null).ToArray();
        Assert.Equal(weights.Length, sums.Length);
        Assert.All(weights.Zip(sums), p => Assert.True(Panel.Of(p.Second, new(width, UsualSizes.None)) is not null, $"{p.First.Name} is not decoded in the kernel"));
        // The scales of Q3_K and Q6_K are others for each code of a byte, so that nothing is left to be added up before.
        Assert.All(weights.Zip(sums), p => Assert.Equal(p.First.Format.IsScaled && p.First.Name is not ("Q3_K" or "Q6_K"), Panel.Of(p.Second, new(width, UsualSizes.None))!.Scaled is not null));
        Assert.DoesNotContain(ProgramCode.Write(program, width).Weights.Items, i => i.Buffer.Name.Contains("_panels", StringComparison.Ordinal));
        using var model = InProcess.Compile(program, width);
        var random = new Random(rows);
        var expected = weights.Select(Decoded).ToArray();
        foreach (var n in new[] { 1, 3, 4, 5, 17 })
        {
            var values = Enumerable.Range(0, n * Columns).Select(_ => random.NextSingle() * 2 - 1).ToArray();
            long[] picked = [rows - 1, 0, n];
            Tensor[] given = [Tensor.Of(values.AsSpan(), n, Columns), Tensor.Of(picked.AsSpan(), 3)];
            var results = model.Run(given);
            for (var w = 0; w < weights.Length; w++)
            {
                var (name, y, matrix) = (weights[w].Name, results[w].Values<float>().ToArray(), expected[w]);
                for (var i = 0; i < n * rows; i++)
                {
                    var (exact, size) = (0.0, 0.0);
                    for (var k = 0; k < Columns; k++)
                    {
                        var product = (double)values[i / rows * Columns + k] * matrix[i % rows * Columns + k];
                        (exact, size) = (exact + product, size + Math.Abs(product));
                    }
                    Assert.True(Math.Abs(y[i] - exact) <= 1e-6 * size, $"{name}, n = {n}: {y[i]} at {i} where {exact} is expected");
                }
                Assert.Equal(picked.SelectMany(p => matrix[(int)(p * Columns)..(int)((p + 1) * Columns)]), results[weights.Length + w].Values<float>().ToArray());
            }
        }
    }
}
