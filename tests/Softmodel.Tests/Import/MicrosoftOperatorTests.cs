using Softmodel.Cli.Baselines;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Import.Onnx.Wire;
using Softmodel.Runtime;
using DataType = Softmodel.Import.Onnx.Wire.TensorProto.Types.DataType;

namespace Softmodel.Tests.Import;

/// <summary>
/// Operators of the set com.microsoft, on generated shapes, attributes and optional operands: what they are taken apart into gives
/// what ONNX Runtime gives. SOFTMODEL_CASES says how many of each are tried.
/// </summary>
public sealed class MicrosoftOperatorTests : IDisposable
{
    static readonly int cases = int.TryParse(Environment.GetEnvironmentVariable("SOFTMODEL_CASES"), out var count) ? count : 8;

    readonly string root = Directory.CreateTempSubdirectory("softmodel-test-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    /// <summary>One node: its operands, null where one is left out, and whether the model is given them or holds them.</summary>
    sealed record Made(Tensor?[] Operands, (string Name, object Value)[] Attributes, int Results = 1, double Tolerance = 2e-5);

    /// <summary>Draws operands.</summary>
    sealed class Dice(int seed)
    {
        readonly Random random = new(seed);

        public int From(int least, int most) => random.Next(least, most + 1);

        public bool Yes => random.Next(2) == 0;

        public T Of<T>(params T[] all) => all[random.Next(all.Length)];

        static Tensor Drawn(ElementType type, long[] dims, Func<double> number) => Tensor.Of(type, dims, [.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(_ => number())]);

        public Tensor Real(params long[] dims) => Drawn(ElementType.Float32, dims, () => random.NextDouble() * 4 - 2);

        public Tensor Scale(params long[] dims) => Drawn(ElementType.Float32, dims, () => 0.01 + random.NextDouble() * 0.05);

        // Of 7 bits where there is a sign: sums of two products of more run over the 16 bits that ONNX Runtime has for them on processors without VNNI.
        public Tensor Whole(ElementType type, params long[] dims) => Drawn(type, dims, () => type == ElementType.Int8 ? random.Next(-64, 64) : random.Next(256));

        public Tensor Below(ElementType type, int most, params long[] dims) => Drawn(type, dims, () => random.Next(most));

        public Tensor? Maybe(Func<Tensor> tensor) => Yes ? tensor() : null;
    }

    static (string, object) A(string name, object value) => (name, value);

    static Made Product(Dice d, bool hasInside)
    {
        var (m, k, n) = (d.From(1, 5), d.From(1, 7), d.From(1, 6));
        var (transA, transB, batches) = (d.Yes, d.Yes, d.From(0, 2));
        // Batches lie within matrices where both have the same.
        var (insideA, insideB) = hasInside && batches == 1 ? (d.Yes, d.Yes) : (false, false);
        long[] batch = [.. Enumerable.Range(0, batches).Select(_ => (long)d.From(1, 3))];
        long[] Dims(long rows, long columns, bool transposed, bool inside)
        {
            var (first, last) = transposed ? (columns, rows) : (rows, columns);
            return inside ? [first, .. batch, last] : [.. batch, first, last];
        }
        return new([d.Real(Dims(m, k, transA, insideA)), d.Real(Dims(k, n, transB, insideB))],
            [A("alpha", d.Of(1f, 0.125f, -2f)), A("transA", transA), A("transB", transB), .. hasInside ? [A("transBatchA", insideA), A("transBatchB", insideB)] : Array.Empty<(string, object)>()]);
    }

    static Made Attention(Dice d, bool quantized)
    {
        var (batch, length, width, heads, size, past) = (d.From(1, 2), d.From(1, 6), d.From(1, 9), d.From(1, 3), d.From(1, 5), d.Yes ? d.From(1, 4) : 0);
        var (hidden, total) = (heads * size, length + past);
        var hasPast = past > 0;
        long[]? sizes = !quantized && !hasPast && d.Yes ? [hidden, hidden, heads * d.From(1, 5)] : null;
        var all = sizes?.Sum() ?? 3 * hidden;
        // Each row of a mask keeps a key: what is left where none is kept is nobody's.
        Tensor Mask() => d.From(0, 2) switch
        {
            0 => Tensor.Of<int>([.. Enumerable.Range(0, batch).Select(_ => d.From(1, total))], batch),
            1 => Kept(batch, total),
            _ => Kept(batch, length, total),
        };
        Tensor Kept(params long[] dims) => Tensor.Of<int>([.. Enumerable.Range(0, (int)Tensor.CountOf(dims)).Select(i => i % total == 0 || d.Yes ? 1 : 0)], dims);
        // Without biases ONNX Runtime 1.31 reads from address 0.
        var mask = d.Maybe(Mask);
        var before = hasPast ? d.Real(2, batch, heads, past, size) : null;
        (string, object)[] attributes = [A("num_heads", (long)heads), A("unidirectional", d.Yes), .. sizes is null ? Array.Empty<(string, object)>() : [A("qkv_hidden_sizes", sizes)],
            .. d.Yes ? [A("scale", 0.3f)] : Array.Empty<(string, object)>()];
        if (!quantized)
            return new([d.Real(batch, length, width), d.Real(width, all), d.Real(all), mask, before, hasPast ? null : d.Maybe(() => d.Real(d.Of(1, batch), d.Of(1, heads), length, total))], attributes, hasPast ? 2 : 1, 1e-4);
        var type = ElementType.UInt8;
        return new([d.Whole(type, batch, length, width), d.Whole(d.Of(ElementType.Int8, type), width, all), d.Real(all), d.Scale(), d.Scale(), mask, d.Below(type, 200), null, before], attributes, hasPast ? 2 : 1, 1e-3);
    }

    static Made HeadsAttention(Dice d)
    {
        var (batch, length, other, heads, size, past) = (d.From(1, 2), d.From(1, 6), d.From(1, 6), d.From(1, 3), d.From(1, 5), d.Yes ? d.From(1, 4) : 0);
        var (hidden, total) = (heads * size, other + past);
        var before = past > 0;
        return new([d.Real(batch, length, hidden), d.Real(batch, other, hidden), d.Real(batch, other, hidden), d.Maybe(() => d.Real(3 * hidden)),
            before ? null : d.Maybe(() => Tensor.Of<int>([.. Enumerable.Range(0, batch * total).Select(i => i % total == 0 || d.Yes ? 1 : 0)], batch, total)),
            d.Maybe(() => d.Real(d.Of(1, batch), d.Of(1, heads), length, total)), before ? d.Real(batch, heads, past, size) : null, before ? d.Real(batch, heads, past, size) : null],
            [A("num_heads", (long)heads), .. d.Yes ? [A("scale", 0.3f)] : Array.Empty<(string, object)>()], before ? 3 : 1, 1e-4);
    }

    static Made Embedding(Dice d)
    {
        var (batch, length, width, words, kinds) = (d.From(1, 3), d.From(1, 7), d.From(2, 9), d.From(2, 20), d.Yes);
        var mask = d.Maybe(() => Tensor.Of<int>([.. Enumerable.Range(0, batch).SelectMany(_ => Enumerable.Range(0, length).Select(i => i <= length / 2 ? 1 : 0))], batch, length));
        return new([d.Below(ElementType.Int32, words, batch, length), kinds ? d.Below(ElementType.Int32, 2, batch, length) : null, d.Real(words, width), d.Real(10, width), kinds ? d.Real(2, width) : null, d.Real(width), d.Real(width), mask,
            d.Maybe(() => d.Below(ElementType.Int32, 10, batch, length))], [A("epsilon", d.Of(1e-12f, 1e-3f))], 2, 1e-3);
    }

    static Made FewBits(Dice d)
    {
        var (bits, block, rows, k, n) = (d.Of(4L, 8L), d.Of(16L, 32L), d.From(1, 4), d.Of(16L, 32L, 48L, 70L), (long)d.From(1, 6));
        var blocks = (k + block - 1) / block;
        return new([d.Real(rows, k), d.Whole(ElementType.UInt8, n, blocks, block * bits / 8), d.Scale(n * blocks), d.Maybe(() => d.Whole(ElementType.UInt8, n * ((blocks * bits + 7) / 8))), null, d.Maybe(() => d.Real(n))],
            [A("K", k), A("N", n), A("bits", bits), A("block_size", block)], 1, 1e-4);
    }

    /// <summary>An operator between integers: all but the operands that it quantizes.</summary>
    static Made Quantized(Dice d, Func<ElementType, (Tensor?[] Operands, (string, object)[] Attributes)> make)
    {
        var type = d.Of(ElementType.Int8, ElementType.UInt8);
        var (operands, attributes) = make(type);
        // A number that lies between two may be rounded to either.
        return new(operands, attributes, 1, 1.001);
    }

    static Tensor Zero(Dice d, ElementType type) => type == ElementType.UInt8 ? d.Below(type, 200) : d.Below(type, 60);

    static Made Pairs(Dice d) => Quantized(d, type =>
    {
        long[] dims = [d.From(1, 3), d.From(1, 4), d.From(1, 9)];
        return ([d.Whole(type, dims), d.Scale(), Zero(d, type), d.Whole(type, d.Of(dims, [dims[2]], [1, dims[1], 1])), d.Scale(), Zero(d, type), Tensor.Scalar(d.Of(0.05f, 0.3f)), Zero(d, type)], []);
    });

    static Made One(Dice d, params (string, object)[] attributes) => Quantized(d, type =>
        ([d.Whole(type, d.From(1, 3), d.From(1, 4), d.From(1, 9)), d.Scale(), Zero(d, type), Tensor.Scalar(d.Of(0.004f, 0.05f)), Zero(d, type)], attributes));

    static Made Pool(Dice d, bool isGlobal) => Quantized(d, type =>
    {
        var last = d.Yes;
        long[] dims = last ? [d.From(1, 2), d.From(4, 8), d.From(4, 8), d.From(1, 4)] : [d.From(1, 2), d.From(1, 4), d.From(4, 8), d.From(4, 8)];
        (string, object)[] window = isGlobal ? [] : [A("kernel_shape", new long[] { 3, 2 }), A("strides", new long[] { d.From(1, 2), 1 }), A("pads", new long[] { 1, 0, 1, 0 }), A("count_include_pad", d.Yes)];
        return ([d.Whole(type, dims), d.Scale(), Zero(d, type), Tensor.Scalar(0.02f), Zero(d, type)], [A("channels_last", last), .. window]);
    });

    static readonly Dictionary<string, Func<Dice, Made>> operators = new()
    {
        ["Gelu"] = d => new([d.Real(d.From(1, 3), d.From(1, 9))], []),
        ["BiasGelu"] = d =>
        {
            var n = d.From(1, 9);
            return new([d.Real(d.From(1, 3), n), d.Real(n)], []);
        },
        ["FastGelu"] = d =>
        {
            var n = d.From(1, 9);
            return new([d.Real(d.From(1, 3), n), d.Maybe(() => d.Real(n))], []);
        },
        ["QuickGelu"] = d => new([d.Real(d.From(1, 3), d.From(1, 9))], [A("alpha", d.Of(1.702f, 0.5f))]),
        ["FusedMatMul"] = d => Product(d, hasInside: true),
        ["TransposeMatMul"] = d => Product(d, hasInside: false),
        ["FusedGemm"] = d =>
        {
            var (m, k, n, ta, tb) = (d.From(1, 4), d.From(1, 5), d.From(1, 6), d.Yes, d.Yes);
            return new([ta ? d.Real(k, m) : d.Real(m, k), tb ? d.Real(n, k) : d.Real(k, n), d.Maybe(() => d.Of(d.Real(n), d.Real(m, 1), d.Real(1)))],
                [A("transA", ta), A("transB", tb), A("alpha", d.Of(1f, 0.5f)), A("beta", d.Of(1f, 2f)), A("activation", d.Of("Relu", "Tanh", "LeakyRelu", "Sigmoid")), A("activation_alpha", 0.2f)]);
        },
        ["FusedConv"] = d =>
        {
            var (c, m) = (d.From(1, 3), d.From(1, 4));
            return new([d.Real(1, c, 7, 6), d.Real(m, c, 3, 3), d.Real(m), d.Maybe(() => d.Real(1, m, 7, 6))], [A("pads", new long[] { 1, 1, 1, 1 }), A("activation", d.Of("Relu", "Tanh", "Sigmoid"))]);
        },
        ["Attention"] = d => Attention(d, false),
        ["QAttention"] = d => Attention(d, true),
        ["MultiHeadAttention"] = HeadsAttention,
        ["EmbedLayerNormalization"] = Embedding,
        ["SkipLayerNormalization"] = d =>
        {
            var (b, l, n) = (d.From(1, 2), d.From(1, 4), d.From(2, 9));
            return new([d.Real(b, l, n), d.Real(b, l, n), d.Real(n), d.Maybe(() => d.Real(n)), d.Maybe(() => d.Real(n))], [A("epsilon", d.Of(1e-12f, 1e-2f))], 1, 1e-3);
        },
        ["SkipSimplifiedLayerNormalization"] = d =>
        {
            var (b, l, n) = (d.From(1, 2), d.From(1, 4), d.From(2, 9));
            return new([d.Real(b, l, n), d.Real(b, l, n), d.Real(n), d.Maybe(() => d.Real(n))], [A("epsilon", d.Of(1e-12f, 1e-2f))], 1, 1e-4);
        },
        ["MatMulIntegerToFloat"] = d =>
        {
            var (m, k, n, each, type) = (d.From(1, 4), d.From(1, 9), d.From(1, 6), d.Yes, d.Of(ElementType.Int8, ElementType.UInt8));
            return new([d.Whole(ElementType.UInt8, m, k), d.Whole(type, k, n), d.Scale(), each ? d.Scale(n) : d.Scale(), d.Maybe(() => d.Below(ElementType.UInt8, 200)), d.Maybe(() => each ? d.Whole(type, n) : d.Whole(type)), d.Maybe(() => d.Real(n))], [], 1, 1e-4);
        },
        ["DynamicQuantizeMatMul"] = d =>
        {
            var (m, k, n, each, type) = (d.From(1, 4), d.From(1, 9), d.From(1, 6), d.Yes, d.Of(ElementType.Int8, ElementType.UInt8));
            return new([d.Real(m, k), d.Whole(type, k, n), each ? d.Scale(n) : d.Scale(), d.Maybe(() => each ? d.Whole(type, n) : d.Whole(type)), d.Maybe(() => d.Real(n))], [], 1, 1e-3);
        },
        ["DynamicQuantizeLSTM"] = d =>
        {
            var (length, batch, size, hidden, ways, each) = (d.From(1, 6), d.From(1, 3), d.From(1, 9), d.From(1, 7), d.From(1, 2), d.Yes);
            Tensor Scale() => each ? d.Scale(ways, 4 * hidden) : d.Scale(ways);
            Tensor Zero() => Tensor.Of(ElementType.Int8, each ? [ways, 4 * hidden] : [ways], new double[ways * (each ? 4 * hidden : 1)]);
            // A state of zeros has no scale of its own.
            Tensor? State() => d.Maybe(() => d.Real(ways, batch, hidden));
            return new([d.Real(length, batch, size), d.Whole(ElementType.Int8, ways, size, 4 * hidden), d.Whole(ElementType.Int8, ways, hidden, 4 * hidden), d.Maybe(() => d.Real(ways, 8 * hidden)),
                null, State(), State(), null, Scale(), Zero(), Scale(), Zero()], [A("hidden_size", (long)hidden), A("direction", ways == 2 ? "bidirectional" : d.Of("forward", "reverse"))], 3, 1e-3);
        },
        ["QGemm"] = d =>
        {
            var (m, k, n, ta, tb, each, type, isReal) = (d.From(1, 4), d.From(1, 9), d.From(1, 6), d.Yes, d.Yes, d.Yes, d.Of(ElementType.Int8, ElementType.UInt8), d.Yes);
            return new([ta ? d.Whole(ElementType.UInt8, k, m) : d.Whole(ElementType.UInt8, m, k), d.Scale(), d.Below(ElementType.UInt8, 200), tb ? d.Whole(type, n, k) : d.Whole(type, k, n), each ? d.Scale(n) : d.Scale(),
                each ? d.Whole(type, n) : d.Whole(type), d.Maybe(() => d.Below(ElementType.Int32, 500, n)), isReal ? null : Tensor.Scalar(0.5f), isReal ? null : d.Below(ElementType.UInt8, 200)],
                [A("transA", ta), A("transB", tb), A("alpha", d.Of(1f, 0.5f))], 1, isReal ? 1e-4 : 1.001);
        },
        ["QLinearAdd"] = Pairs,
        ["QLinearMul"] = Pairs,
        ["QLinearSigmoid"] = d => One(d),
        ["QLinearLeakyRelu"] = d => One(d, A("alpha", d.Of(0.01f, 0.5f))),
        ["QLinearSoftmax"] = d => Quantized(d, type => ([d.Whole(type, d.From(1, 3), d.From(1, 4), d.From(2, 9)), d.Scale(), Zero(d, type), Tensor.Scalar(1 / 255f), type == ElementType.UInt8 ? Tensor.Scalar((byte)0) : Tensor.Scalar((sbyte)-128)],
            // ONNX Runtime 1.31 gives 0 where a probability of 1 would be 256 steps, and with other axes than the last.
            [A("axis", -1L), A("opset", d.Of(11L, 13L))])),
        ["QLinearGlobalAveragePool"] = d => Pool(d, true),
        ["QLinearAveragePool"] = d => Pool(d, false),
        ["QLinearConcat"] = d => Quantized(d, type => ([Tensor.Scalar(0.05f), Zero(d, type), d.Whole(type, 2, 3), d.Scale(), Zero(d, type), d.Whole(type, 2, 5), d.Scale(), Zero(d, type)], [A("axis", d.Of(1L, -1L))])),
        ["QLinearWhere"] = d => Quantized(d, type => ([Tensor.Of<bool>([d.Yes, d.Yes, d.Yes, d.Yes], 4), d.Whole(type, 2, 4), d.Scale(), Zero(d, type), d.Whole(type, 2, 1), d.Scale(), Zero(d, type), Tensor.Scalar(0.05f), Zero(d, type)], [])),
        ["MatMulNBits"] = FewBits,
    };

    public static TheoryData<string> Names => [.. operators.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void An_operator_gives_what_onnx_runtime_gives(string name)
    {
        for (var seed = 0; seed < cases; seed++)
        {
            var made = operators[name](new Dice(seed));
            var path = Path.Combine(root, $"{name}-{seed}.onnx");
            File.WriteAllBytes(path, Model(name, made));
            Tensor[] given = [.. made.Operands.OfType<Tensor>()];
            Tensor[] expected;
            try
            {
                using var baseline = OnnxRuntimeBaseline.Load(path);
                expected = baseline.Run(given);
            }
            catch (SoftmodelException e) when (e.Message.Contains("NOT_IMPLEMENTED", StringComparison.Ordinal) || e.Message.Contains("NotImplemented", StringComparison.Ordinal))
            {
                continue;
            }
            using var model = Softmodel.Model.Load(path);
            var ours = Evaluator.Run(model.Imported, given);
            var agreement = Agreement.Of(ours, expected);
            Assert.True(agreement.Fault is null && agreement.MaxAbs <= made.Tolerance * Math.Max(1, expected.Max(Largest)), $"{name}, case {seed}: {agreement.Fault ?? $"{agreement.MaxAbs}"}; {string.Join(", ", made.Attributes)}; {string.Join(", ", made.Operands.Select(o => o?.TensorType.ToString() ?? "-"))}");
        }
    }

    // Whole results are compared by their steps.
    static double Largest(Tensor tensor) => !tensor.Type.IsFloat() ? 1 : Enumerable.Range(0, (int)tensor.Count).Select(i => Math.Abs(tensor.Float(i))).DefaultIfEmpty(1).Max();

    static byte[] Model(string name, Made made)
    {
        var model = new OnnxModels { Opset = 17, Domain = "com.microsoft" };
        var last = Array.FindLastIndex(made.Operands, o => o is not null);
        string[] operands = [.. made.Operands.Take(last + 1).Select((o, i) => o is null ? "" : model.Input($"x{i}", (DataType)o.Type, [.. o.Dims.ToArray().Cast<object>()]))];
        // The types of the results follow from the operator.
        model.Graph.Output.AddRange(model.Nodes(name, operands, made.Results, made.Attributes).Select(y => new ValueInfoProto { Name = y }));
        return model.File();
    }
}
