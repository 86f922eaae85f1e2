using Softmodel.Graphs;
using Softmodel.Runtime;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that carry a state along a sequence, and those on tokens.</summary>
static class SequenceRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        new("RNN", d => Recurrent(d, "RNN", 1, ["Tanh"])),
        new("GRU", d => Recurrent(d, "GRU", 3, ["Sigmoid", "Tanh"])),
        new("LSTM", d => Recurrent(d, "LSTM", 4, ["Sigmoid", "Tanh", "Tanh"])),
        new("DynamicQuantizeLSTM", d =>
        {
            var (length, batch, size, hidden, both) = (d.Within(1, 5), d.Within(1, 3), d.Within(1, 5), d.Within(1, 4), d.Chance(0.4));
            var ways = both ? 2 : 1;
            // Larger ones saturate in ONNX Runtime where the processor has nothing better than pairs of products in 16 bits.
            string Whole(long rows) => d.Constant(Tensor.Of(I8, [ways, rows, 4 * hidden], [.. Enumerable.Range(0, (int)(ways * rows * 4 * hidden)).Select(_ => (long)d.Random.Next(-64, 65))]));
            var (w, r) = (Whole(size), Whole(hidden));
            string Scale() => d.Constant(Tensor.Of<float>([.. Enumerable.Range(0, ways).Select(_ => 0.005f + d.Random.NextSingle() * 0.005f)], ways));
            string Zero() => d.Constant(Tensor.Of(I8, [ways], new long[ways]));
            d.Node("com.microsoft:DynamicQuantizeLSTM", [d.Data(F32, [length, batch, size]), w, r, d.Chance(0.5) ? d.Weight(F32, [ways, 8 * hidden]) : null, null, null, null, null, Scale(), Zero(), Scale(), Zero()], [F32, F32, F32],
                ("hidden_size", hidden), ("direction", both ? "bidirectional" : d.One("forward", "reverse")));
        }),
        new("TfIdfVectorizer", d =>
        {
            d.Since(9);
            long[] pool = [1, 2, 3, 1, 2, 2, 3, 3, 1];
            d.Node("TfIdfVectorizer", [d.Input(d.Tensor(d.One(I32, I64), d.Chance(0.5) ? [d.Size(1)] : [d.Size(1), d.Size(1)], Numbers.Positive))], F32, ("max_gram_length", 2), ("max_skip_count", d.Within(0, 3)), ("min_gram_length", d.Within(1, 2)),
                ("mode", d.One("TF", "IDF", "TFIDF")), ("ngram_counts", new long[] { 0, 3 }), ("ngram_indexes", new long[] { 0, 1, 2, 3, 4, 5 }), ("pool_int64s", pool), ("weights", d.Maybe(new[] { 2f, 0.5f, 1, 3, 1, 0.25f })));
        }),
    ];

    static void Recurrent(Draft d, string name, int gates, string[] defaults)
    {
        var version = d.Since(7, 14, 22);
        var (length, batch, size, hidden, way) = (d.Within(1, 6), d.Within(1, 3), d.Within(1, 5), d.Within(1, 5), d.One("forward", "reverse", "bidirectional"));
        var ways = way == "bidirectional" ? 2 : 1;
        var batchFirst = version >= 14 && d.Chance(0.15);
        string? Some(double chance, params long[] dims) => d.Chance(chance) ? d.Weight(F32, dims) : null;
        string? State() => Some(0.4, batchFirst ? [batch, ways, hidden] : [ways, batch, hidden]);
        string?[] operands =
        [
            d.Data(F32, batchFirst ? [batch, length, size] : [length, batch, size]), d.Weight(F32, [ways, gates * hidden, size]), d.Weight(F32, [ways, gates * hidden, hidden]), Some(0.6, ways, 2 * gates * hidden),
            d.Chance(0.3) ? d.Constant(Tensor.Vector<int>([.. Enumerable.Range(0, batch).Select(_ => d.Within(1, length))])) : null, State(), .. name == "LSTM" ? [State(), Some(0.3, ways, 3 * hidden)] : (string?[])[],
        ];
        string[]? activations = null;
        float[]? alphas = null, betas = null;
        if (d.Chance(0.3))
        {
            activations = [.. Enumerable.Range(0, ways).SelectMany(_ => defaults.Select(_ => d.One("Tanh", "Sigmoid", "Relu", "Softsign", "Softplus")))];
            if (d.Chance(0.3))
            {
                var named = d.One("LeakyRelu", "HardSigmoid", "Elu", "Affine", "ScaledTanh", "ThresholdedRelu");
                activations = [.. activations.Select(_ => named)];
                alphas = [.. activations.Select(_ => 0.3f)];
                betas = [.. activations.Select(_ => 0.6f)];
            }
        }
        d.Node(name, operands, [d.One(F32, F32, Absent), F32, .. name == "LSTM" ? [F32] : (ElementType[])[]],
            ("hidden_size", hidden), ("direction", way == "forward" ? d.Maybe(way) : way), ("activations", activations), ("activation_alpha", alphas), ("activation_beta", betas), ("clip", d.Maybe(1.5, 0.2)), ("layout", batchFirst ? 1 : null),
            ("linear_before_reset", name == "GRU" ? d.Maybe(d.Within(0, 1)) : null), ("input_forget", name == "LSTM" ? d.Maybe(d.Within(0, 1), 0.3) : null));
    }
}
