using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Import.Architectures;

/// <summary>
/// A model of text while its graph is built: its inputs, its weights by name, and the parts of which architectures are made.
/// </summary>
/// <remarks>
/// A run takes some tokens of one or several sequences: n token ids, the position of each in its sequence, and which sequence it
/// is of. A decoder keeps the keys and values of what it has read in cells, as many as the caller gives it room: a run says into
/// which cell each of its tokens goes, and for every cell the position and the set of sequences of what lies in it, as bits.
/// So prefill and decoding, several sequences at once, sequences with a common prefix, pages and rings are all one graph. Where each
/// sequence has a state of its own, a run says of which ones it goes on, and which begin anew.
/// </remarks>
internal sealed class Transformer
{
    // The product of the last two is an int.
    const int MostLayers = 10_000, MostHeads = 1 << 13, MostHeadSize = 1 << 13;

    // So many missing weights are not named one by one, and are looked for no further.
    const int MostMissing = 1000;

    readonly GraphBuilder builder;
    readonly Checkpoint checkpoint;
    readonly List<(string Name, Value Value)> outputs = [];
    readonly List<(Value Before, string Name, Value After)> states = [];
    readonly List<string> missing = [];
    readonly Dictionary<(string, string), Term> bias = [];
    readonly Term tokens, positions, sequences;
    Term? cells, cellPositions, cellSequences, logitsIndices, hasInitialState;

    public Transformer(Checkpoint checkpoint, ConstantFolding folding)
    {
        this.checkpoint = checkpoint;
        builder = new(checkpoint.Settings.Text("model_type")!, folding);
        (tokens, positions, sequences) = (Input(SequenceInputs.Tokens, "n"), Input(SequenceInputs.Positions, "n"), Input(SequenceInputs.Sequences, "n"));
    }

    Term Input(string name, string size) => new(builder, builder.Input(name, new(ElementType.Int64, new(Dim.Symbol(size)))));

    /// <summary>The settings.</summary>
    public Settings Settings => checkpoint.Settings;

    /// <summary>The width of the stream between layers.</summary>
    public int Width => Settings.Size(Settings.Has("hidden_size") ? "hidden_size" : Settings.Has("n_embd") ? "n_embd" : "dim");

    /// <summary>The number of layers.</summary>
    public int Layers => Settings.Size(Settings.Has("num_hidden_layers") ? "num_hidden_layers" : Settings.Has("n_layer") ? "n_layer" : "n_layers", most: MostLayers);

    /// <summary>The number of heads that ask.</summary>
    public int Heads => Settings.Size(Settings.Has("num_attention_heads") ? "num_attention_heads" : Settings.Has("n_head") ? "n_head" : "n_heads", most: MostHeads);

    /// <summary>The number of heads that are asked.</summary>
    public int KeyValueHeads => Settings.Size("num_key_value_heads", Heads, Heads) is var shared && Heads % shared == 0 ? shared
        : throw Settings.Fault($"its {Heads} heads can't share {shared} of keys and values evenly");

    /// <summary>The width of a head.</summary>
    public int HeadSize => Settings.Size("head_dim", Width / Heads, MostHeadSize);

    /// <summary>A constant number.</summary>
    public Term Number(double value) => new(builder, builder.Constant(Tensor.Scalar(ElementType.Float32, value)));

    /// <summary>The numbers of the layers, one after the other: what is added meanwhile is of that layer.</summary>
    public IEnumerable<int> EachLayer
    {
        get
        {
            for (var layer = 0; layer < Layers; layer++)
            {
                builder.Origin = new() { Layer = layer };
                yield return layer;
            }
            builder.Origin = Origin.None;
        }
    }

    /// <summary>A value that has a role in the layer that is being added.</summary>
    public static Term As(Term x, Role role)
    {
        x.Builder.Mark(x.Value, role);
        return x;
    }

    /// <summary>The residual stream, and what a part of a layer adds to it.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="part">What is added.</param>
    /// <param name="role">Which part that is.</param>
    public static Term Add(Term stream, Term part, Role role) => As(stream + As(part, role), Role.Residual);

    /// <summary>The elements of a weight: a vector, or [rows, ...] with the elements of a row along one or more axes.</summary>
    /// <exception cref="SoftmodelException">Its sizes are others.</exception>
    public Term Weight(string name, params ReadOnlySpan<long> dims)
    {
        builder.Origin = builder.Origin with { Node = name };
        if (checkpoint.Find(name) is not { } weight)
        {
            if (!missing.Contains(name))
                missing.Add(name);
            if (missing.Count > MostMissing)
                throw Missing();
            return Number(0).Broadcast(Shape.Of(dims));
        }
        if (!weight.Dims.AsSpan().SequenceEqual(dims))
            throw new SoftmodelException($"{checkpoint.Path}: the weight '{name}' has the sizes [{string.Join(",", weight.Dims)}] where [{string.Join(",", dims.ToArray())}] are needed");
        // What are a few numbers is decoded at build time.
        return dims.Length == 1 ? weight.Format.Decode(weight, builder).Reshape(Shape.Of(dims)) : weight.In(builder);
    }

    /// <summary>Whether there is a weight.</summary>
    public bool Has(string name) => checkpoint.Find(name) is not null;

    /// <summary>Rows of a matrix for integers: [n, width].</summary>
    public Term Rows(Term indices, string name, long count, long width)
    {
        var rows = Weight($"{name}.weight", count, width).Gather(indices, 0);
        return rows.Reshape(new(rows.Shape[0], width));
    }

    /// <summary>The embeddings of the tokens: [n, width].</summary>
    public Term Embed(string name) => As(Rows(tokens, name, Settings.Size("vocab_size"), Width), Role.Embedding);

    /// <summary>The embeddings of the positions.</summary>
    public Term EmbedPositions(string name, int count) => Rows(positions, name, count, Width);

    /// <summary>x times a matrix whose rows belong to the results, and a bias where there is one: [n, k] to [n, rows].</summary>
    public Term Linear(Term x, string name, long rows)
    {
        var columns = x.Shape[1].Value!.Value;
        var y = Times(x, Weight($"{name}.weight", rows, columns));
        return Has($"{name}.bias") ? y + Weight($"{name}.bias", rows) : y;
    }

    /// <summary>As <see cref="Linear"/>, with the matrix stored the other way round: its columns belong to the results.</summary>
    public Term LinearByColumns(Term x, string name, long rows)
    {
        var weight = Weight($"{name}.weight", x.Shape[1].Value!.Value, rows);
        return x.Contract("nk,kr->nr", weight) + Weight($"{name}.bias", rows);
    }

    /// <summary>x times a matrix of [rows, ...], whose later axes together are the columns.</summary>
    public static Term Times(Term x, Term weight)
    {
        const string letters = "abcdefgh";
        var inner = letters[..(weight.Rank - 1)];
        return x.Reshape(new([x.Shape[0], .. weight.Shape.Dims.Skip(1)])).Contract($"n{inner},r{inner}->nr", weight);
    }

    /// <summary>Each row by the root of its mean square, times a weight; plus 1 where the model means that.</summary>
    public Term RmsNorm(Term x, string name, double epsilon, double offset = 0)
    {
        var axis = x.Rank - 1;
        var size = x.Shape[axis].Value!.Value;
        var mean = (x * x).Reduce(Reduction.Sum, [axis], keep: true) * (1.0 / size);
        var weight = Weight($"{name}.weight", size);
        return x / (mean + epsilon).Map(Functions.Sqrt) * (offset == 0 ? weight : weight + offset);
    }

    /// <summary>Each row less its mean, by its deviation, times a weight, plus a bias where there is one.</summary>
    public Term LayerNorm(Term x, string name, double epsilon)
    {
        var axis = x.Rank - 1;
        var size = x.Shape[axis].Value!.Value;
        var centred = x - x.Reduce(Reduction.Sum, [axis], keep: true) * (1.0 / size);
        var variance = (centred * centred).Reduce(Reduction.Sum, [axis], keep: true) * (1.0 / size);
        var y = centred / (variance + epsilon).Map(Functions.Sqrt) * Weight($"{name}.weight", size);
        return Has($"{name}.bias") ? y + Weight($"{name}.bias", size) : y;
    }

    /// <summary>The activation of a name that transformers gives it.</summary>
    public Term Activate(Term x, string? name) => name switch
    {
        "silu" or "swish" => x * x.Map(Functions.Sigmoid),
        "gelu" => x * 0.5 * (1 + (x * Math.Sqrt(0.5)).Map(Functions.ErrorFunction)),
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => x * 0.5 * (1 + ((x + x * x * x * 0.044715) * Math.Sqrt(2 / Math.PI)).Map(Functions.Tanh)),
        "relu" => x.Max(0),
        _ => throw new SoftmodelException($"{checkpoint.Path}: the activation '{name}' is not known here"),
    };

    /// <summary>The neurons of a feed-forward part.</summary>
    /// <param name="x">What goes through the activation: the gate, or all there is.</param>
    /// <param name="activation">Its name.</param>
    /// <param name="up">What the gate is multiplied with.</param>
    public Term Widened(Term x, string? activation, Term? up = null) =>
        As(up is { } gated ? Activate(As(x, Role.MlpGate), activation) * As(gated, Role.MlpUp) : Activate(As(x, Role.MlpUp), activation), Role.MlpHidden);

    /// <summary>The usual gated feed-forward part.</summary>
    public Term Gated(Term x, string layer, string? activation, long? hidden = null)
    {
        var size = hidden ?? Settings.Size("intermediate_size");
        return Linear(Widened(Linear(x, $"{layer}.gate_proj", size), activation, Linear(x, $"{layer}.up_proj", size)), $"{layer}.down_proj", Width);
    }

    /// <summary>A row of heads as [n, heads, size].</summary>
    /// <exception cref="SoftmodelException">The row has not as many elements.</exception>
    public Term Split(Term x, int heads) => x.Shape[1].Value != (long)heads * HeadSize ? throw Settings.Fault($"{heads} heads of {HeadSize} are not the {x.Shape[1]} elements that a token has") : x.Reshape(new(x.Shape[0], heads, HeadSize));

    /// <summary>
    /// The first elements of each head turned by its position: [n, heads, size].
    /// </summary>
    /// <param name="x">The heads.</param>
    /// <param name="rope">By how much: what <c>rope_parameters</c> says.</param>
    public Term Rotate(Term x, Rope rope)
    {
        var half = rope.Frequencies.Length;
        if (half == 0)
            return x;
        var angles = positions.Cast(ElementType.Float32).Unsqueeze(1) * new Term(builder, builder.Constant(Tensor.Of(rope.Frequencies.AsSpan(), 1, rope.Frequencies.Length)));
        Term Turn(Function function) => (angles.Map(function) * rope.Scale).Unsqueeze(1);
        var (cosine, sine) = (Turn(Functions.Cos), Turn(Functions.Sin));
        var (a, b) = rope.IsInterleaved ? (x.Slice(2, 0, half, 2), x.Slice(2, 1, half, 2)) : (x.Slice(2, 0, half), x.Slice(2, half, half));
        var (real, imaginary) = (a * cosine - b * sine, b * cosine + a * sine);
        var turned = rope.IsInterleaved ? real.Unsqueeze(3).Concat(3, imaginary.Unsqueeze(3)).Reshape(real.Shape.With(2, 2 * half)) : real.Concat(2, imaginary);
        var rest = x.Shape[2] - 2 * half;
        return rest.Value == 0 ? turned : turned.Concat(2, x.Slice(2, 2 * half, rest));
    }

    /// <summary>What a layer's tokens see of one another and of those before: [n, heads * size].</summary>
    /// <param name="layer">The number of the layer.</param>
    /// <param name="q">[n, heads, size].</param>
    /// <param name="k">[n, key-value heads, size].</param>
    /// <param name="v">[n, key-value heads, size].</param>
    /// <param name="scale">What products are multiplied by.</param>
    /// <param name="window">How far back tokens are seen, the present one included; 0 for all.</param>
    /// <param name="softcap">The largest that a product becomes; 0 for any.</param>
    public Term Attend(int layer, Term q, Term k, Term v, double scale, int window = 0, double softcap = 0)
    {
        cells ??= Input(SequenceInputs.Cells, "n");
        cellPositions ??= Input(SequenceInputs.CellPositions, "cells");
        cellSequences ??= Input(SequenceInputs.CellSequences, "cells");
        builder.Origin = builder.Origin with { Node = $"layers.{layer}.attention" };
        var (keys, values) = (Keep($"layers.{layer}.keys", k), Keep($"layers.{layer}.values", v));
        var key = ("causal", window.ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (!bias.TryGetValue(key, out var mask))
        {
            var (mine, theirs) = (positions.Unsqueeze(1), cellPositions.Value.Unsqueeze(0));
            var visible = Bit(cellSequences.Value.Unsqueeze(0), sequences.Unsqueeze(1)) & (theirs <= mine);
            bias[key] = mask = MinusInfinityUnless(window > 0 ? visible & (theirs > mine - window) : visible);
        }
        return Attention(q, keys, values, scale, softcap, mask);
    }

    /// <summary>As <see cref="Attend"/>, where every token sees all of its sequence in the same run.</summary>
    /// <param name="q">[n, heads, size].</param>
    /// <param name="k">[n, key-value heads, size].</param>
    /// <param name="v">[n, key-value heads, size].</param>
    /// <param name="window">How far to both sides tokens are seen; 0 for all.</param>
    public Term AttendToAll(Term q, Term k, Term v, int window = 0)
    {
        var key = ("all", window.ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (!bias.TryGetValue(key, out var mask))
        {
            var visible = sequences.Unsqueeze(1).EqualTo(sequences.Unsqueeze(0));
            var distance = positions.Unsqueeze(1) - positions.Unsqueeze(0);
            bias[key] = mask = MinusInfinityUnless(window > 0 ? visible & (distance.Map(Functions.Abs) <= window) : visible);
        }
        return Attention(q, k, v, 1 / Math.Sqrt(HeadSize), 0, mask);
    }

    static Term Attention(Term q, Term k, Term v, double scale, double softcap, Term mask)
    {
        var (shared, size) = (k.Shape[1].Value!.Value, q.Shape[2]);
        var group = q.Shape[1].Value!.Value / shared;
        _ = (As(q, Role.Query), As(k, Role.Key), As(v, Role.Value));
        var scores = q.Reshape(new(q.Shape[0], shared, group, size)).Contract("nkgd,ckd->kgnc", k) * scale;
        var capped = softcap == 0 ? scores : (scores * (1 / softcap)).Map(Functions.Tanh) * softcap;
        var weights = As(Formulas.Softmax(capped + mask, [3]), Role.AttentionWeights);
        return As(weights.Contract("kgnc,ckd->nkgd", v), Role.Heads).Reshape(new(q.Shape[0], q.Shape[1] * size));
    }

    Term MinusInfinityUnless(Term truth) => truth.Select(Number(0), Number(double.NegativeInfinity));

    static Term Bit(Term bits, Term number) => bits.Map(Functions.ShiftRight, number).Map(Functions.BitAnd, bits.Scalar(1)).EqualTo(1);

    /// <summary>What has been kept of all tokens before, with that of these in their cells.</summary>
    Term Keep(string name, Term x)
    {
        var before = builder.Input(name, new(ElementType.Float32, new([Dim.Symbol("cells"), .. x.Shape.Dims.Skip(1)])));
        var after = new Term(builder, before).Apply(new Op.ScatterND(Combination.Replace), cells!.Value.Unsqueeze(1), x);
        states.Add((before, $"{name}.after", after.Value));
        return after;
    }

    /// <summary>
    /// A state of each sequence that its tokens change one after the other: what a step gives for each token, [n, ...].
    /// </summary>
    /// <param name="name">The name of the state.</param>
    /// <param name="sizes">The sizes of a sequence's state.</param>
    /// <param name="xs">What a token has, [n, ...] each.</param>
    /// <param name="step">Given the state and what a token has, of all of <paramref name="xs"/> and then <paramref name="constant"/>: the next state, and what the token gives.</param>
    /// <param name="constant">What is the same for all tokens.</param>
    public Term Recur(string name, long[] sizes, Term[] xs, Func<Term, Term[], (Term State, Term Result)> step, Term constant)
    {
        hasInitialState ??= Input(SequenceInputs.HasInitialState, "slots");
        var before = new Term(builder, builder.Input(name, new(ElementType.Float32, new([Dim.Symbol("slots"), .. Shape.Of(sizes).Dims]))));
        var start = before * hasInitialState.Value.Cast(ElementType.Float32).Unsqueeze([.. Enumerable.Range(1, sizes.Length)]);
        var length = new Term(builder, builder.Sizes((Dim[])[tokens.Shape[0]], Shape.Scalar));
        var results = Iteration.Loop(builder, length, null, [start], (time, carried) =>
        {
            Term Now(Term x) => Iteration.At(time, x, 0, false);
            var sequence = Now(sequences);
            var (next, result) = step(carried[0].Gather(sequence, 0), [.. xs.Select(Now), Iteration.Within(time, constant)]);
            return new([carried[0].Apply(new Op.ScatterND(Combination.Replace), sequence.Reshape(new(1, 1)), next.Unsqueeze(0))], [result]);
        })!;
        states.Add((before.Value, $"{name}.after", results[0].Value));
        return results[1];
    }

    /// <summary>The rows of the tokens whose logits are computed.</summary>
    public Term AtLogitsIndices(Term x)
    {
        logitsIndices ??= Input(SequenceInputs.LogitsIndices, "n_outputs");
        return x.Gather(logitsIndices.Value, 0);
    }

    /// <summary>The logits of the next token, for each of <see cref="AtLogitsIndices"/>: [n_outputs, vocabulary].</summary>
    /// <param name="x">The stream after its last norm.</param>
    /// <param name="head">The name of the matrix; where there is none, that of the embeddings.</param>
    /// <param name="embeddings">The name of the embeddings.</param>
    /// <param name="scale">What logits are multiplied by.</param>
    public void Logits(Term x, string head, string embeddings, double scale = 1)
    {
        var logits = Linear(x, Has($"{head}.weight") ? head : embeddings, Settings.Size("vocab_size")) * scale;
        if (Settings.Float("final_logit_softcapping", 0) is not 0 and var cap)
            logits = (logits * (1 / cap)).Map(Functions.Tanh) * cap;
        outputs.Add((SequenceInputs.Logits, As(logits, Role.Logits).Value));
    }

    /// <summary>Gives the stream of every token.</summary>
    public void Hidden(Term x) => outputs.Add((SequenceInputs.Hidden, x.Value));

    SoftmodelException Missing() => new($"{checkpoint.Path}: {(missing.Count > MostMissing ? "more than " : "")}{Math.Min(missing.Count, MostMissing)} weights are missing: {string.Join(", ", missing.Take(10))}{(missing.Count > 10 ? ", ..." : "")}; fetch the model again, or mend its settings");

    /// <summary>The finished graph.</summary>
    /// <exception cref="SoftmodelException">Weights are missing; all are named.</exception>
    public Graph Build()
    {
        if (missing.Count > 0)
            throw Missing();
        var graph = builder.Build(outputs.Select(o => o.Value).Concat(states.Select(s => s.After)), outputs.Select(o => o.Name).Concat(states.Select(s => s.Name)));
        return graph with { States = [.. states.Select((s, i) => new State(graph.Inputs.ToList().IndexOf(s.Before), outputs.Count + i))] };
    }
}
