using Softmodel.Graphs;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that carry a state along a sequence: loops over its elements.</summary>
static class Recurrent
{
    /// <summary>What one direction multiplies the input or the state with.</summary>
    /// <param name="Numbers">[gates * hidden, size] where they are real; [size, gates * hidden] where they are integers.</param>
    /// <param name="Scale">What a unit of the integers stands for, one for all or one for each column; null where they are real.</param>
    /// <param name="Zero">The integer that stands for 0, as many as scales.</param>
    sealed record Weights(Term Numbers, Term? Scale = null, Term? Zero = null)
    {
        /// <summary>The product of rows, [..., size], with the weights; rows that meet integers are quantised.</summary>
        public Term Times(Term rows) => Scale is { } scale
            ? Microsoft.DynamicQuantizeMatMul(rows, Numbers, scale, Zero, null)
            : rows.Contract(rows.Rank == 3 ? "tbi,gi->tbg" : "bh,gh->bg", Numbers);

        public Weights Select(Func<Term, Term> each) => new(each(Numbers), Scale is { } s ? each(s) : null, Zero is { } z ? each(z) : null);
    }

    /// <summary>What one direction of a layer computes with; the gates lie one after the other along the first axis.</summary>
    /// <param name="Recurrence">Weights of the state.</param>
    /// <param name="Bias">Added to what comes of the state, [gates * hidden].</param>
    /// <param name="Peepholes">Weights of an LSTM's cell, [3 * hidden].</param>
    /// <param name="Activations">The functions f, g and h.</param>
    sealed record Direction(Weights Recurrence, Term Bias, Term? Peepholes, Func<Term, Term>[] Activations);

    /// <summary>The next state from what comes of the input, [batch, gates * hidden], and the last state.</summary>
    delegate Term[] Cell(Direction direction, Term input, Term[] state);

    [Operator("RNN")]
    static Term[]? Rnn(OnnxCall call) => Layer(call, Real(call), 1, [call[5]], null, ["Tanh"], (d, input, state) =>
        [d.Activations[0](input + Project(d, state[0]))]);

    [Operator("GRU")]
    static Term[]? Gru(OnnxCall call) => Layer(call, Real(call), 3, [call[5]], null, ["Sigmoid", "Tanh"], (d, input, state) =>
    {
        var (h, hidden, isLate) = (state[0], state[0].Shape[1], call.Attribute("linear_before_reset")?.Int is > 0);
        Term Gate(Term x, int gate) => x.Slice(x.Rank - 1, gate * hidden, hidden);
        Term Rows(Term x, int first, int count) => x.Slice(0, first * hidden, count * hidden);
        Weights Part(int first, int count) => d.Recurrence.Select(w => Rows(w, first, count));
        var fromState = (isLate ? d.Recurrence : Part(0, 2)).Times(h) + (isLate ? d.Bias : Rows(d.Bias, 0, 2));
        var update = d.Activations[0](Gate(input, 0) + Gate(fromState, 0));
        var reset = d.Activations[0](Gate(input, 1) + Gate(fromState, 1));
        var past = isLate ? reset * Gate(fromState, 2) : Part(2, 1).Times(reset * h) + Rows(d.Bias, 2, 1);
        var candidate = d.Activations[1](Gate(input, 2) + past);
        return [(1 - update) * candidate + update * h];
    });

    [Operator("LSTM")]
    static Term[]? Lstm(OnnxCall call) => Lstm(call, Real(call));

    static Term[]? Lstm(OnnxCall call, (Weights, Weights) weights) => Layer(call, weights, 4, [call[5], call[6]], call[7], ["Sigmoid", "Tanh", "Tanh"], (d, input, state) =>
    {
        var (h, c, hidden) = (state[0], state[1], state[0].Shape[1]);
        var gates = input + Project(d, h);
        Term Gate(int gate) => gates.Slice(1, gate * hidden, hidden);
        Term Seen(Term cell, int gate) => d.Peepholes is { } p ? p.Slice(0, gate * hidden, hidden) * cell + Gate(gate) : Gate(gate);
        var isCoupled = call.Attribute("input_forget")?.Int is > 0;
        var enter = d.Activations[0](Seen(c, 0));
        var keep = isCoupled ? 1 - enter : d.Activations[0](Seen(c, 2));
        var cell = keep * c + enter * d.Activations[1](Gate(3));
        var leave = d.Activations[0](Seen(cell, 1));
        return [leave * d.Activations[2](cell), cell];
    });

    [Operator("DynamicQuantizeLSTM", Domain = "com.microsoft")]
    static Term[]? QuantizedLstm(OnnxCall call) => Lstm(call,
        (new(call.Required(1), call.Required(8), call.Required(9)), new(call.Required(2), call.Required(10), call.Required(11))));

    static (Weights Input, Weights State) Real(OnnxCall call) => (new(call.Required(1)), new(call.Required(2)));

    static Term Project(Direction direction, Term h) => direction.Recurrence.Times(h) + direction.Bias;

    /// <summary>A layer: operands are the sequence, weights of the input and of the state, biases, lengths, then states.</summary>
    static Term[]? Layer(OnnxCall call, (Weights Input, Weights State) weights, int gates, Term?[] initial, Term? peepholes, string[] activations, Cell cell)
    {
        var batchFirst = call.Attribute("layout")?.Int == 1;
        var x = batchFirst ? call.Required(0).Transpose(1, 0, 2) : call.Required(0);
        var (b, lengths) = (call[3], call[4]);
        var (length, batch, hidden) = (x.Shape[0], x.Shape[1], weights.State.Numbers.Shape[weights.State.Scale is null ? 2 : 1]);
        var way = call.Attribute("direction")?.String ?? "forward";
        bool[] reversed = way switch
        {
            "forward" => [false],
            "reverse" => [true],
            "bidirectional" => [false, true],
            _ => throw new SoftmodelException($"the direction '{way}' is not known"),
        };
        var functions = Activated(call, [.. Enumerable.Repeat(activations, reversed.Length).SelectMany(a => a)]);
        var (outputs, states) = (new List<Term>(), initial.Select(_ => new List<Term>()).ToArray());
        for (var i = 0; i < reversed.Length; i++)
        {
            var (number, isReversed) = (i, reversed[i]);
            Term Of(Term all) => all.Slice(0, number, 1).Squeeze(0);
            var size = gates * hidden;
            var inputs = weights.Input.Select(Of).Times(x);
            if (b is { } biases)
                inputs += Of(biases).Slice(0, 0, size);
            var bias = b is { } both ? Of(both).Slice(0, size, size) : x.Scalar(0).Broadcast(new(size));
            // A batch that is named otherwise, or not at all, is as large in any case.
            var start = initial.Select(s => s is not { } given ? x.Scalar(0).Broadcast(new(batch, hidden))
                : (batchFirst ? given.Slice(1, number, 1).Squeeze(1) : Of(given)).Reshape(new(batch, hidden))).ToArray();
            var ours = functions[(number * activations.Length)..((number + 1) * activations.Length)];
            var results = Iteration.Loop(x.Builder, call.Size(length), null, start, (time, state) =>
            {
                Term In(Term outside) => Iteration.Within(time, outside);
                var direction = new Direction(weights.State.Select(w => In(Of(w))), In(bias), peepholes is { } p ? In(Of(p)) : null, ours);
                var next = cell(direction, Iteration.At(time, inputs, 0, isReversed), state);
                if (lengths is not { } given)
                    return new(next, [next[0]]);
                var at = isReversed ? In(call.Size(length - 1)) - time : time;
                var isWithin = (at < In(given.Reshape(new(batch))).Cast(ElementType.Int64)).Unsqueeze(1);
                next = [.. next.Select((s, k) => isWithin.Select(s, state[k]))];
                return new(next, [isWithin.Select(next[0], next[0].Scalar(0))]);
            });
            if (results is null)
                return null;
            outputs.Add((isReversed ? Iteration.Reversed(results[^1], 0) : results[^1]).Unsqueeze(1));
            for (var k = 0; k < states.Length; k++)
                states[k].Add(results[k].Unsqueeze(batchFirst ? 1 : 0));
        }
        var all = outputs[0].Concat(1, [.. outputs.Skip(1)]);
        return [batchFirst ? all.Transpose(2, 0, 1, 3) : all, .. states.Select(s => s[0].Concat(batchFirst ? 1 : 0, [.. s.Skip(1)]))];
    }

    /// <summary>The functions that a layer names; those that have parameters take the next of each.</summary>
    static Func<Term, Term>[] Activated(OnnxCall call, string[] defaults)
    {
        string[] names = [.. call.Attribute("activations")?.Strings ?? defaults];
        if (names.Length != defaults.Length)
            throw new SoftmodelException($"{names.Length} activations are given, and {defaults.Length} are needed");
        var alphas = new Queue<float>(call.Attribute("activation_alpha")?.Floats ?? []);
        var betas = new Queue<float>(call.Attribute("activation_beta")?.Floats ?? []);
        var clip = call.Attribute("clip")?.Float;
        return [.. names.Select(name =>
        {
            float Alpha(float otherwise) => alphas.TryDequeue(out var given) ? given : otherwise;
            float Beta(float otherwise) => betas.TryDequeue(out var given) ? given : otherwise;
            var (alpha, beta) = name.ToLowerInvariant() switch
            {
                "leakyrelu" => (Alpha(0.01f), 0),
                "thresholdedrelu" or "elu" => (Alpha(1), 0),
                "hardsigmoid" => (Alpha(0.2f), Beta(0.5f)),
                "affine" or "scaledtanh" => (Alpha(1), Beta(name.Length > 6 ? 1 : 0)),
                _ => (0f, 0f),
            };
            Func<Term, Term> function = name.ToLowerInvariant() switch
            {
                "tanh" => Activations.Tanh,
                "sigmoid" => Activations.Sigmoid,
                "relu" => Activations.Relu,
                "softsign" => Activations.Softsign,
                "softplus" => Activations.Softplus,
                "leakyrelu" => x => Activations.LeakyRelu(x, alpha),
                "thresholdedrelu" => x => Activations.ThresholdedRelu(x, alpha),
                "elu" => x => Activations.Elu(x, alpha),
                "hardsigmoid" => x => Activations.HardSigmoid(x, alpha, beta),
                "affine" => x => x * alpha + beta,
                "scaledtanh" => x => Activations.Tanh(x * beta) * alpha,
                _ => throw new SoftmodelException($"the activation '{name}' is not known"),
            };
            return clip is { } most ? x => function(x.Max(-most).Min(most)) : function;
        })];
    }
}
