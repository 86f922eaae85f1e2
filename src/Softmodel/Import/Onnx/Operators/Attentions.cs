using Softmodel.Graphs;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators of transformers: attention in its forms and the embedding of positions.</summary>
static class Attentions
{
    /// <summary>[batch, length, heads * size] as [batch, heads, length, size].</summary>
    internal static Term Heads(Term x, long? heads) => x.Rank == 4 ? x
        : heads is > 0 and var count ? x.Reshape(new(x.Shape[0], x.Shape[1], count, Dim.FloorDiv(x.Shape[2], count))).Transpose(0, 2, 1, 3)
        : throw new SoftmodelException($"{x.Value} has three axes, and the number of heads is not given");

    /// <summary>[batch, heads, length, size] with each head repeated for those that share it.</summary>
    static Term Shared(Term x, Dim heads)
    {
        if (x.Shape[1].Equals(heads))
            return x;
        var times = Dim.FloorDiv(heads, x.Shape[1]);
        return x.Unsqueeze(2).Broadcast(new(x.Shape[0], x.Shape[1], times, x.Shape[2], x.Shape[3])).Reshape(new(x.Shape[0], heads, x.Shape[2], x.Shape[3]));
    }

    internal static Term OneOverRoot(Term x, Dim size) => size.Value is { } known ? x.Scalar(1 / Math.Sqrt(known))
        : 1 / new Term(x.Builder, x.Builder.Sizes((Dim[])[size], Shape.Scalar)).Cast(x.Element).Map(Functions.Sqrt);

    /// <summary>What is added to scores: nothing where a truth value holds.</summary>
    internal static Term ZeroWhere(Term truth, ElementType type, double elsewhere = double.NegativeInfinity)
    {
        var zero = truth.Constant(Tensor.Scalar(type, 0));
        return truth.Select(zero, zero.Scalar(elsewhere));
    }

    static Term Positions(GraphBuilder builder, Dim size) => new(builder, builder.Apply(new Op.Iota(size)));

    /// <summary>Whether a key, of those of the past and the present, is no later than a query of the present: [length, total].</summary>
    internal static Term IsNotLater(Term q, Dim past, Dim total) =>
        Positions(q.Builder, total) <= (Positions(q.Builder, q.Shape[2]) + new Term(q.Builder, q.Builder.Sizes((Dim[])[past], Shape.Scalar))).Unsqueeze(1);

    /// <summary>Whether a key is one of the first in its batch, of which each has as many as a vector says: [batch, 1, 1, total].</summary>
    internal static Term IsAmongFirst(Term counts, Dim total) =>
        Positions(counts.Builder, total) < counts.Cast(ElementType.Int64).Reshape(new(counts.Shape.Count, 1, 1, 1));

    [Operator("Attention", since: 23)]
    static Term[] Attention(Term query, Term key, Term value, Term? mask, Term? pastKey, Term? pastValue, Term? lengths, long? qNumHeads = null, long? kvNumHeads = null,
        float? scale = null, float softcap = 0, bool isCausal = false, int qkMatmulOutputMode = 0, ElementType? softmaxPrecision = null)
    {
        var (q, k, v) = (Heads(query, qNumHeads), Heads(key, kvNumHeads), Heads(value, kvNumHeads));
        if (pastKey is { } oldKeys && pastValue is { } oldValues)
            (k, v) = (oldKeys.Concat(2, k), oldValues.Concat(2, v));
        var (heads, total) = (q.Shape[1], k.Shape[2]);

        Term? bias = null;
        if (mask is { } given)
        {
            var additive = given.Element == ElementType.Bool ? ZeroWhere(given, q.Element) : given;
            var last = additive.Rank - 1;
            var missing = Enumerable.Range(0, additive.Rank).Select(i => i == last && given.Shape[last].Value != 1 ? total - given.Shape[last] : Dim.Zero).ToArray();
            bias = additive.Pad([.. missing.Select(_ => Dim.Zero)], missing, double.NegativeInfinity);
        }
        void Add(Term allowed) => bias = bias is { } other ? other + ZeroWhere(allowed, q.Element) : ZeroWhere(allowed, q.Element);
        if (isCausal)
            Add(IsNotLater(q, pastKey is { } old ? old.Shape[2] : Dim.Zero, total));
        if (lengths is { } used)
            Add(IsAmongFirst(used, total));

        var scores = q.Contract("bhik,bhjk->bhij", Shared(k, heads)) * (scale is { } s ? q.Scalar(s) : OneOverRoot(q, q.Shape[3]));
        var capped = softcap == 0 ? scores : (scores / softcap).Map(Functions.Tanh) * softcap;
        var biased = bias is { } b ? capped + b : capped;
        var weights = Formulas.Softmax(biased, [3]);
        var y = weights.Contract("bhij,bhjk->bhik", Shared(v, heads));
        return [query.Rank == 4 ? y : y.Transpose(0, 2, 1, 3).Reshape(new(y.Shape[0], y.Shape[2], y.Shape[1] * y.Shape[3])), k, v,
            qkMatmulOutputMode switch { 0 => scores, 1 => capped, 2 => biased, _ => weights }];
    }

    [Operator("FlexAttention", Domain = "ai.onnx.preview")]
    static Term[]? FlexAttention(OnnxCall call, Term query, Term key, Term value, float? scale = null, OnnxGraph? scoreMod = null, OnnxGraph? probMod = null)
    {
        Term[]? Modified(Term x, OnnxGraph? by) => by is null ? [x] : ControlFlow.Inline(call, by, x) is not { } results ? null : results.Length == 1 ? results
            : throw new SoftmodelException($"a body that changes scores gives {results.Length} results, not 1");
        var heads = query.Shape[1];
        var scores = query.Contract("bhik,bhjk->bhij", Shared(key, heads)) * (scale is { } s ? query.Scalar(s) : OneOverRoot(query, query.Shape[3]));
        return Modified(scores, scoreMod) is [var modified] && Modified(Formulas.Softmax(modified, [3]), probMod) is [var weights]
            ? [weights.Contract("bhij,bhjk->bhik", Shared(value, heads))]
            : null;
    }

    [Operator("LinearAttention", since: 27)]
    static Term[]? LinearAttention(Term query, Term key, Term value, Term? pastState, Term? decay, Term? beta, long qNumHeads, long kvNumHeads,
        string updateRule = "gated_delta", float scale = 0, long chunkSize = 64)
    {
        if (updateRule is not ("linear" or "gated" or "delta" or "gated_delta"))
            throw new SoftmodelException($"the update rule '{updateRule}' is not supported");
        // Time comes first, as that is what the loop goes along: [length, batch, heads, size].
        Term ByTime(Term x, Dim heads) => x.Reshape(new(x.Shape[0], x.Shape[1], heads, Dim.FloorDiv(x.Shape[2], heads))).Transpose(1, 0, 2, 3);
        var (q, k, v) = (ByTime(query, qNumHeads), ByTime(key, kvNumHeads), ByTime(value, kvNumHeads));
        var gates = decay is { } d ? ByTime(d, kvNumHeads).Map(Functions.Exp) : default(Term?);
        var rates = beta is { } r ? ByTime(r, r.Shape[2]) : default(Term?);
        var (batch, size, width) = (k.Shape[1], k.Shape[3], v.Shape[3]);
        var start = pastState ?? q.Scalar(0).Broadcast(new(batch, kvNumHeads, size, width));
        var factor = scale == 0 ? OneOverRoot(q, size) : q.Scalar(scale);
        var length = new Term(q.Builder, q.Builder.Sizes((Dim[])[q.Shape[0]], Shape.Scalar));
        var results = Iteration.Loop(q.Builder, length, null, [start], (time, carried) =>
        {
            Term Now(Term x) => Iteration.At(time, x, 0, false);
            var (state, keys, update) = (carried[0], Now(k), Now(v));
            if (updateRule.StartsWith("gated", StringComparison.Ordinal) && gates is { } g)
                state *= Now(g).Unsqueeze(3);
            if (updateRule.EndsWith("delta", StringComparison.Ordinal))
                update -= state.Contract("bhkv,bhk->bhv", keys);
            if (updateRule.EndsWith("delta", StringComparison.Ordinal) && rates is { } rate)
                update *= Now(rate);
            state += keys.Unsqueeze(3) * update.Unsqueeze(2);
            var read = Now(q).Unsqueeze(2).Contract("bhik,bhkv->bhiv", Shared(state, qNumHeads));
            return new([state], [read.Squeeze(2) * Iteration.Within(time, factor)]);
        });
        return results is [var last, var y] ? [y.Transpose(1, 0, 2, 3).Reshape(new(batch, q.Shape[0], qNumHeads * width)), last] : null;
    }

    [Operator("CausalConvWithState", since: 27)]
    static Term[] CausalConvolution(Term x, Term weight, Term? bias, Term? pastState, string activation = "none")
    {
        var kept = weight.Shape[2] - 1;
        var before = pastState ?? x.Scalar(0).Broadcast(new(x.Shape[0], x.Shape[1], kept));
        var all = kept.Value == 0 ? x : before.Concat(2, x);
        var group = (int)(weight.Shape[0].Value ?? throw new SoftmodelException("the number of channels must be known at build time"));
        var y = Products.Conv(all, weight, bias, group: group);
        return
        [
            activation switch
            {
                "none" => y,
                "silu" or "swish" => y * y.Map(Functions.Sigmoid),
                _ => throw new SoftmodelException($"the activation '{activation}' is not supported"),
            },
            all.Slice(2, all.Shape[2] - kept, kept),
        ];
    }

    [Operator("RotaryEmbedding", since: 23)]
    static Term RotaryEmbedding(Term x, Term cosines, Term sines, Term? positions, bool interleaved = false, long numHeads = 0, int rotaryEmbeddingDim = 0)
    {
        // [batch, length, heads, size]; what is beyond the rotated part stays.
        var heads = x.Rank == 4 ? x.Transpose(0, 2, 1, 3) : Heads(x, numHeads).Transpose(0, 2, 1, 3);
        var size = rotaryEmbeddingDim > 0 ? rotaryEmbeddingDim : heads.Shape[3];
        var half = Dim.FloorDiv(size, 2);
        Term Turn(Term cache) => (positions is { } p ? cache.Gather(p, 0) : cache).Slice(2, 0, half).Unsqueeze(2);
        var (cosine, sine) = (Turn(cosines), Turn(sines));
        var (a, b) = interleaved ? (heads.Slice(3, 0, half, 2), heads.Slice(3, 1, half, 2)) : (heads.Slice(3, 0, half), heads.Slice(3, half, half));
        var (real, imaginary) = (a * cosine - b * sine, a * sine + b * cosine);
        var turned = interleaved ? real.Unsqueeze(4).Concat(4, imaginary.Unsqueeze(4)).Reshape(heads.Shape.With(3, size)) : real.Concat(3, imaginary);
        var rest = heads.Shape[3] - size;
        var y = rest.Value == 0 ? turned : turned.Concat(3, heads.Slice(3, size, rest));
        return x.Rank == 4 ? y.Transpose(0, 2, 1, 3) : y.Reshape(x.Shape);
    }
}
