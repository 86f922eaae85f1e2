using Softmodel.Graphs;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators of ONNX Runtime's own operator set that its optimizer fuses and its quantizer writes.</summary>
static class Microsoft
{
    const string Domain = "com.microsoft";

    [Operator("Gelu", Domain = Domain)]
    static Term Gelu(Term x) => Activations.Gelu(x);

    [Operator("BiasGelu", Domain = Domain)]
    static Term BiasGelu(Term x, Term bias) => Activations.Gelu(x + bias);

    [Operator("FastGelu", Domain = Domain)]
    static Term FastGelu(Term x, Term? bias) => Activations.Gelu(bias is { } b ? x + b : x, "tanh");

    [Operator("QuickGelu", Domain = Domain)]
    static Term QuickGelu(Term x, float alpha = 1.702f) => x * Activations.Sigmoid(x * alpha);

    /// <summary>A matrix with its last two axes exchanged, or its batch axes moved behind the first of the matrix.</summary>
    static Term Turned(Term x, bool transposed, bool batchInside)
    {
        if (x.Rank < 2)
            return x;
        int[] order = [.. Enumerable.Range(0, x.Rank)];
        // The batch then lies between the rows and the columns: [rows, batch..., columns].
        if (batchInside)
            order = [.. Enumerable.Range(1, x.Rank - 2), 0, x.Rank - 1];
        if (transposed)
            (order[^1], order[^2]) = (order[^2], order[^1]);
        return x.Transpose(order);
    }

    [Operator("FusedMatMul", Domain = Domain)]
    [Operator("TransposeMatMul", Domain = Domain)]
    static Term FusedMatMul(Term a, Term b, float alpha = 1, bool transA = false, bool transB = false, bool transBatchA = false, bool transBatchB = false)
    {
        var product = Products.MatMul(Turned(a, transA, transBatchA), Turned(b, transB, transBatchB));
        return alpha == 1 ? product : product * alpha;
    }

    static Term Activated(Term x, string activation, float[] parameters)
    {
        float Parameter(int index, float otherwise) => index < parameters.Length ? parameters[index] : otherwise;
        return activation switch
        {
            "" => x,
            "Relu" => Activations.Relu(x),
            "Tanh" => Activations.Tanh(x),
            "Sigmoid" => Activations.Sigmoid(x),
            "Softplus" => Activations.Softplus(x),
            "LeakyRelu" => Activations.LeakyRelu(x, Parameter(0, 0.01f)),
            "Elu" => Activations.Elu(x, Parameter(0, 1)),
            "HardSigmoid" => Activations.HardSigmoid(x, Parameter(0, 0.2f), Parameter(1, 0.5f)),
            "HardSwish" => x * Activations.HardSigmoid(x, 1 / 6f),
            "Clip" => x.Max(Parameter(0, float.MinValue)).Min(Parameter(1, float.MaxValue)),
            _ => throw new SoftmodelException($"the activation '{activation}' is not supported"),
        };
    }

    [Operator("FusedGemm", Domain = Domain)]
    static Term FusedGemm(Term a, Term b, Term? c, float alpha = 1, float beta = 1, bool transA = false, bool transB = false,
        string activation = "", float? activationAlpha = null, float? activationBeta = null, float? activationGamma = null) =>
        Activated(Products.Gemm(a, b, c, alpha, beta, transA, transB), activation,
            activationAlpha is { } first ? activationBeta is { } second ? [first, second] : [first] : []);

    [Operator("FusedConv", Domain = Domain)]
    static Term FusedConv(Term x, Term w, Term? b, Term? z, int[]? kernelShape = null, int[]? strides = null, int[]? dilations = null, int[]? pads = null,
        string autoPad = "NOTSET", int group = 1, string activation = "", float[]? activationParams = null)
    {
        var y = Products.Conv(x, w, b, kernelShape, strides, dilations, pads, autoPad, group);
        return Activated(z is { } added ? y + added : y, activation, activationParams ?? []);
    }

    // What attention adds to the scores of keys that are masked, by default.
    const float Masked = -10000;

    /// <summary>What is added to scores [batch, heads, length, total] by a mask in one of the forms that ONNX Runtime takes.</summary>
    static Term MaskBias(Term mask, Dim length, Dim total, float filter) => Attentions.ZeroWhere(mask.Rank switch
    {
        1 => Attentions.IsAmongFirst(mask, total),
        2 => (!mask.EqualTo(0)).Reshape(new(mask.Shape[0], 1, 1, mask.Shape[1])),
        3 => (!mask.EqualTo(0)).Unsqueeze(1),
        4 => !mask.Slice(2, total - length, length).Slice(3, 0, total).EqualTo(0),
        _ => throw new SoftmodelException($"a mask of {mask.Shape} is not supported"),
    }, ElementType.Float32, filter);

    /// <summary>Attention of queries [batch, heads, length, size]: the result with heads side by side, and the keys and values with what was before.</summary>
    static (Term Y, Term Keys, Term Values) Attend(Term q, Term k, Term v, Term? mask, Term? bias, Term? pastKeys, Term? pastValues, bool unidirectional, float scale, float filter)
    {
        var before = pastKeys is { } old ? old.Shape[2] : Dim.Zero;
        if (pastKeys is { } oldKeys && pastValues is { } oldValues)
            (k, v) = (oldKeys.Concat(2, k), oldValues.Concat(2, v));
        var (length, total) = (q.Shape[2], k.Shape[2]);
        var scores = q.Contract("bhik,bhjk->bhij", k) * (scale > 0 ? q.Scalar(scale) : Attentions.OneOverRoot(q, q.Shape[3]));
        if (bias is { } added)
            scores += added;
        if (mask is { } given)
            scores += MaskBias(given, length, total, filter);
        if (unidirectional)
            scores = Attentions.IsNotLater(q, before, total).Select(scores, scores.Scalar(float.MinValue));
        var y = Formulas.Softmax(scores, [3]).Contract("bhij,bhjk->bhik", v).Transpose(0, 2, 1, 3);
        return (y.Reshape(new(y.Shape[0], y.Shape[1], y.Shape[2] * y.Shape[3])), k, v);
    }

    /// <summary>Attention of what queries, keys and values were made of by one product, [batch, length, all].</summary>
    static Term[] AttendTo(Term all, Term? mask, Term? past, Term? bias, int numHeads, bool unidirectional, long[]? qkvHiddenSizes, float scale, float maskFilterValue)
    {
        var width = Dim.FloorDiv(all.Shape[2], 3);
        Dim[] sizes = qkvHiddenSizes is { Length: 3 } given ? [.. given.Select(s => (Dim)s)] : [width, width, width];
        var at = Dim.Zero;
        Term Next(Dim size)
        {
            var part = all.Slice(2, at, size);
            at += size;
            return Attentions.Heads(part, numHeads);
        }
        var (q, k, v) = (Next(sizes[0]), Next(sizes[1]), Next(sizes[2]));
        Term? Past(int which) => past is { } before ? before.Slice(0, which, 1).Squeeze(0) : null;
        var (y, keys, values) = Attend(q, k, v, mask, bias, Past(0), Past(1), unidirectional, scale, maskFilterValue);
        // Keys and values are one tensor there, which heads of two sizes can't be.
        return keys.Shape[3].Equals(values.Shape[3]) ? [y, keys.Unsqueeze(0).Concat(0, values.Unsqueeze(0))] : [y];
    }

    static void Refuse(bool doRotary, bool pastPresentShareBuffer)
    {
        if (doRotary)
            throw new SoftmodelException("rotary embedding within the attention (do_rotary = 1) is not supported");
        if (pastPresentShareBuffer)
            throw new SoftmodelException("a past in the memory of the present (past_present_share_buffer = 1) is not supported");
    }

    [Operator("Attention", Domain = Domain)]
    static Term[] Attention(Term x, Term weights, Term? bias, Term? mask, Term? past, Term? attentionBias, Term? pastLength, int numHeads, bool unidirectional = false,
        long[]? qkvHiddenSizes = null, float scale = 0, float maskFilterValue = Masked, bool doRotary = false, bool pastPresentShareBuffer = false, int rotaryEmbeddingDim = 0)
    {
        Refuse(doRotary, pastPresentShareBuffer);
        var all = Products.MatMul(x, weights);
        return AttendTo(bias is { } b ? all + b : all, mask, past, attentionBias, numHeads, unidirectional, qkvHiddenSizes, scale, maskFilterValue);
    }

    [Operator("QAttention", Domain = Domain)]
    static Term[] QuantizedAttention(Term x, Term weights, Term bias, Term xScale, Term weightScale, Term? mask, Term? xZero, Term? weightZero, Term? past, int numHeads,
        bool unidirectional = false, float scale = 0, float maskFilterValue = Masked, bool doRotary = false, bool pastPresentShareBuffer = false)
    {
        Refuse(doRotary, pastPresentShareBuffer);
        return AttendTo(MatMulIntegerToFloat(x, weights, xScale, weightScale, xZero, weightZero, bias), mask, past, null, numHeads, unidirectional, null, scale, maskFilterValue);
    }

    [Operator("MultiHeadAttention", Domain = Domain)]
    static Term[] MultiHeadAttention(Term query, Term? key, Term? value, Term? bias, Term? paddingMask, Term? attentionBias, Term? pastKey, Term? pastValue, Term? pastLength,
        int numHeads, float scale = 0, float maskFilterValue = Masked, bool unidirectional = false)
    {
        if (query.Rank != 3 || key is not { } keys || value is not { } values)
            throw new SoftmodelException("queries, keys and values in one tensor are not supported");
        if (bias is { } all)
        {
            var (q, k) = (query.Shape[2], keys.Rank == 3 ? keys.Shape[2] : query.Shape[2]);
            query += all.Slice(0, 0, q);
            keys = keys.Rank == 3 ? keys + all.Slice(0, q, k) : keys;
            values = values.Rank == 3 ? values + all.Slice(0, q + k, values.Shape[2]) : values;
        }
        var (y, present, presentValues) = Attend(Attentions.Heads(query, numHeads), Attentions.Heads(keys, numHeads), Attentions.Heads(values, numHeads), paddingMask, attentionBias, pastKey, pastValue,
            unidirectional, scale, maskFilterValue);
        return [y, present, presentValues];
    }

    [Operator("EmbedLayerNormalization", Domain = Domain)]
    static Term[] EmbedLayerNormalization(OnnxCall call, Term ids, Term? segments, Term words, Term positions, Term? segmentTable, Term gamma, Term beta, Term? mask, Term? positionIds,
        float epsilon = 1e-12f, int maskIndexType = 1)
    {
        var (batch, length) = (ids.Shape[0], ids.Shape[1]);
        var sum = words.Gather(ids, 0) + (positionIds is { } at ? positions.Gather(at, 0) : positions.Slice(0, 0, length));
        if (segments is { } kinds && segmentTable is { } table)
            sum += table.Gather(kinds, 0);
        var counted = mask is { } ones && maskIndexType == 1 ? ones.Cast(ElementType.Int32).Reduce(Reduction.Sum, [1])
            : call.Constant(Tensor.Scalar(ElementType.Int32, 0)).Broadcast(new(batch));
        return [Normalization.LayerNormalization(sum, gamma, beta, -1, epsilon)[0], counted, sum];
    }

    [Operator("QuantizeLinear", Domain = Domain)]
    static Term QuantizeLinear(Term x, Term scale, Term? zero, long axis = 1, long blockSize = 0) => Quantization.QuantizeLinear(x, scale, zero, axis, blockSize);

    [Operator("DequantizeLinear", Domain = Domain)]
    static Term DequantizeLinear(Term x, Term scale, Term? zero, long axis = 1, long blockSize = 0) => Quantization.DequantizeLinear(x, scale, zero, axis, blockSize);

    [Operator("MatMulIntegerToFloat", Domain = Domain)]
    static Term MatMulIntegerToFloat(Term a, Term b, Term aScale, Term bScale, Term? aZero, Term? bZero, Term? bias)
    {
        var product = Quantization.MatMulInteger(a, b, aZero is { } x ? Quantization.Columns(x) : null, bZero is { } y ? Quantization.Columns(y) : null).Cast(ElementType.Float32)
            * (Quantization.Columns(aScale) * Quantization.Columns(bScale));
        return bias is { } c ? product + c : product;
    }

    [Operator("DynamicQuantizeMatMul", Domain = Domain)]
    internal static Term DynamicQuantizeMatMul(Term a, Term b, Term bScale, Term? bZero, Term? bias)
    {
        var quantized = Quantization.DynamicQuantizeLinear(a);
        return MatMulIntegerToFloat(quantized[0], b, quantized[1], bScale, quantized[2], bZero, bias);
    }

    [Operator("QGemm", Domain = Domain)]
    static Term QGemm(Term a, Term aScale, Term aZero, Term b, Term bScale, Term bZero, Term? c, Term? yScale, Term? yZero, float alpha = 1, bool transA = false, bool transB = false)
    {
        // What is one for each column of the product is one for each row of a transposed operand.
        var shifted = Quantization.Shifted(b, transB ? Quantization.Rows(bZero) : Quantization.Columns(bZero));
        var sums = Products.Gemm(Quantization.Shifted(a, Quantization.Columns(aZero)), shifted, c, 1, 1, transA, transB);
        var product = sums.Cast(ElementType.Float32) * (Quantization.Columns(aScale) * Quantization.Columns(bScale) * alpha);
        return yScale is { } scale ? Quantization.QuantizeLinear(product, scale, yZero ?? throw new SoftmodelException("a result with a scale needs a zero point")) : product;
    }

    /// <summary>A function of floats between integers.</summary>
    static Term Quantized(Func<Term[], Term> function, Term yScale, Term? yZero, params (Term X, Term Scale, Term? Zero)[] operands) =>
        Quantization.QuantizeLinear(function([.. operands.Select(o => Quantization.DequantizeLinear(o.X, o.Scale, o.Zero))]), yScale, yZero ?? operands[0].X.Scalar(0));

    [Operator("QLinearAdd", Domain = Domain)]
    static Term QLinearAdd(Term a, Term aScale, Term? aZero, Term b, Term bScale, Term? bZero, Term yScale, Term? yZero) =>
        Quantized(x => x[0] + x[1], yScale, yZero, (a, aScale, aZero), (b, bScale, bZero));

    [Operator("QLinearMul", Domain = Domain)]
    static Term QLinearMul(Term a, Term aScale, Term? aZero, Term b, Term bScale, Term? bZero, Term yScale, Term? yZero) =>
        Quantized(x => x[0] * x[1], yScale, yZero, (a, aScale, aZero), (b, bScale, bZero));

    [Operator("QLinearSigmoid", Domain = Domain)]
    static Term QLinearSigmoid(Term a, Term aScale, Term? aZero, Term yScale, Term? yZero) => Quantized(x => Activations.Sigmoid(x[0]), yScale, yZero, (a, aScale, aZero));

    [Operator("QLinearLeakyRelu", Domain = Domain)]
    static Term QLinearLeakyRelu(Term a, Term aScale, Term? aZero, Term yScale, Term? yZero, float alpha = 0.01f) =>
        Quantized(x => Activations.LeakyRelu(x[0], alpha), yScale, yZero, (a, aScale, aZero));

    [Operator("QLinearSoftmax", Domain = Domain)]
    static Term QLinearSoftmax(Term a, Term aScale, Term? aZero, Term yScale, Term? yZero, long axis = -1, long opset = 13) =>
        Quantized(x => opset < 13 ? Reductions.SoftmaxOfRows(x[0], axis) : Formulas.Softmax(x[0], [Axes.Of(axis, a.Rank)]), yScale, yZero, (a, aScale, aZero));

    /// <summary>An operation on [N,C,...] done on operands whose channels are the last axis, where that is said.</summary>
    static Term WithChannelsFirst(Term x, bool channelsLast, Func<Term, Term> function)
    {
        if (!channelsLast)
            return function(x);
        var y = function(x.Transpose([0, x.Rank - 1, .. Enumerable.Range(1, x.Rank - 2)]));
        return y.Transpose([0, .. Enumerable.Range(2, x.Rank - 2), 1]);
    }

    [Operator("QLinearGlobalAveragePool", Domain = Domain)]
    static Term QLinearGlobalAveragePool(Term a, Term aScale, Term? aZero, Term yScale, Term? yZero, bool channelsLast = false) =>
        Quantized(x => WithChannelsFirst(x[0], channelsLast, Pooling.GlobalAveragePool), yScale, yZero, (a, aScale, aZero));

    [Operator("QLinearAveragePool", Domain = Domain)]
    static Term QLinearAveragePool(Term a, Term aScale, Term? aZero, Term yScale, Term? yZero, int[] kernelShape, int[]? strides = null, int[]? pads = null,
        string autoPad = "NOTSET", bool ceilMode = false, bool countIncludePad = false, bool channelsLast = false) =>
        Quantized(x => WithChannelsFirst(x[0], channelsLast, t => Pooling.AveragePool(t, kernelShape, strides, null, pads, autoPad, ceilMode, countIncludePad)), yScale, yZero, (a, aScale, aZero));

    [Operator("QLinearWhere", Domain = Domain)]
    static Term QLinearWhere(Term condition, Term a, Term aScale, Term aZero, Term b, Term bScale, Term bZero, Term yScale, Term yZero) =>
        Quantized(x => condition.Select(x[0], x[1]), yScale, yZero, (a, aScale, aZero), (b, bScale, bZero));

    [Operator("QLinearConcat", Domain = Domain)]
    static Term QLinearConcat(Term yScale, Term yZero, Term[] parts, long axis)
    {
        (Term, Term, Term?)[] operands = [.. parts.Chunk(3).Select(p => (p[0], p[1], (Term?)p[2]))];
        return Quantized(x => x[0].Concat(Axes.Of(axis, x[0].Rank), x.AsSpan(1)), yScale, yZero, operands);
    }

    [Operator("QLinearConv", Domain = Domain)]
    static Term QLinearConv(Term x, Term xScale, Term xZero, Term w, Term wScale, Term wZero, Term yScale, Term yZero, Term? bias, int[]? kernelShape = null,
        int[]? strides = null, int[]? dilations = null, int[]? pads = null, string autoPad = "NOTSET", int group = 1, bool channelsLast = false) =>
        WithChannelsFirst(x, channelsLast, t => Quantization.QLinearConv(t, xScale, xZero, w, wScale, wZero, yScale, yZero, bias, kernelShape, strides, dilations, pads, autoPad, group));

    /// <summary>Numbers of few bits that lie in bytes, the lowest bits first: the last axis is as many times longer.</summary>
    static Term Unpacked(Term bytes, int bits)
    {
        if (bits == 8)
            return bytes.Cast(ElementType.Int32);
        var whole = bytes.Cast(ElementType.Int32);
        Term Part(int first) => whole.Map(Functions.ShiftRight, whole.Scalar(first)).Map(Functions.BitAnd, whole.Scalar((1 << bits) - 1)).Unsqueeze(whole.Rank);
        var parts = Part(0).Concat(whole.Rank, [.. Enumerable.Range(1, 8 / bits - 1).Select(i => Part(i * bits))]);
        return parts.Reshape(whole.Shape.With(whole.Rank - 1, whole.Shape[whole.Rank - 1] * (8 / bits)));
    }

    [Operator("MatMulNBits", Domain = Domain)]
    static Term MatMulNBits(Term a, Term b, Term scales, Term? zeros, Term? groupIndex, Term? bias, long K, long N, int bits = 4, long blockSize = 32, int accuracyLevel = 0, int weightPrepacked = 0)
    {
        if (bits is not (2 or 4 or 8) || blockSize < 1 || groupIndex is not null || weightPrepacked != 0)
            throw new SoftmodelException(groupIndex is not null ? "weights in groups of another order (g_idx) are not supported" : $"weights of {bits} bits in blocks of {blockSize} are not supported");
        var blocks = (K + blockSize - 1) / blockSize;
        var whole = Unpacked(b.Reshape(new(N, blocks, blockSize * bits / 8)), bits).Cast(ElementType.Float32);
        Term zero = zeros is not { } given ? whole.Scalar(1 << (bits - 1))
            : given.Element.IsFloat() ? given.Reshape(new(N, blocks, 1))
            : Unpacked(given.Reshape(new(N, (blocks * bits + 7) / 8)), bits).Slice(1, 0, blocks).Unsqueeze(2).Cast(ElementType.Float32);
        var weights = ((whole - zero) * scales.Reshape(new(N, blocks, 1))).Reshape(new(N, blocks * blockSize)).Slice(1, 0, K);
        var product = Products.MatMul(a, weights.Transpose(1, 0));
        return bias is { } c ? product + c : product;
    }
}
