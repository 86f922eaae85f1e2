using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Networks;

/// <summary>
/// A network that is written rather than imported. What its methods give are values of a graph, with which arithmetic adds
/// nodes; its weights are parameters that may be trained, under names like those of PyTorch.
/// </summary>
/// <example>
/// <code>
/// var net = new Network("student", seed: 1);
/// var x = net.Embedding("embeddings", net.Input("input_ids", ElementType.Int64, Dim.Symbol("batch"), Dim.Symbol("length")), count: 4096, width: 256);
/// foreach (var layer in net.Blocks("layers", 2))
/// {
///     x += layer.Attention("attention", layer.LayerNorm("norm1", x), heads: 8);
///     x += layer.Linear("down", layer.Linear("up", layer.LayerNorm("norm2", x), 1024).Gelu(), 256);
/// }
/// var graph = net.Build(("logits", net.Linear("head", x, 4096)));
/// </code>
/// </example>
public sealed class Network
{
    readonly string scope;
    readonly Origin origin;
    readonly Draws draws;
    readonly IReadOnlyDictionary<string, Op.Parameter>? weights;

    sealed class Draws(ulong seed)
    {
        ulong streams;

        /// <summary>Numbers of mean 0 and a deviation, or spread evenly over as much on both sides of 0.</summary>
        public Tensor Of(ReadOnlySpan<long> dims, double size, bool isNormal)
        {
            var numbers = new float[Tensor.CountOf(dims)];
            if (isNormal)
                Philox.Normal(seed, streams++, 0, numbers);
            else
                Philox.Uniform(seed, streams++, 0, numbers);
            foreach (ref var number in numbers.AsSpan())
                number = (float)(isNormal ? number * size : (number * 2 - 1) * size);
            return Tensor.Of<float>(numbers, dims);
        }
    }

    /// <summary>Begins a network.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="seed">What its weights are drawn from.</param>
    public Network(string name, ulong seed = 0) => (Builder, scope, origin, draws) = (new(name, Evaluator.Fold), "", Origin.None, new(seed));

    /// <summary>A network that has been trained, as a part of a graph.</summary>
    /// <param name="builder">The graph.</param>
    /// <param name="name">Its name there: those of its weights begin with it.</param>
    /// <param name="weights">Its weights, by their names in the network.</param>
    internal Network(GraphBuilder builder, string name, IReadOnlyDictionary<string, Op.Parameter> weights) =>
        (Builder, scope, origin, draws, this.weights) = (builder, $"{name}.", new(name), new(0), weights.ToDictionary(w => $"{name}.{w.Key}", w => w.Value with { Name = $"{name}.{w.Key}" }, StringComparer.Ordinal));

    Network(Network whole, string scope, Origin origin) => (Builder, this.scope, this.origin, draws, weights) = (whole.Builder, scope, origin, whole.draws, whole.weights);

    /// <summary>The graph that grows.</summary>
    public GraphBuilder Builder { get; }

    /// <summary>A part of the network: the names of its weights begin with that of the part.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="layer">Its number, where it is a layer.</param>
    public Network Block(string name, int? layer = null) =>
        new(this, $"{scope}{name}.", origin with { Scope = [.. origin.Scope, name], Layer = layer ?? origin.Layer });

    /// <summary>Layers, each a part called <c>name.number</c>.</summary>
    /// <param name="name">What they are called.</param>
    /// <param name="count">How many.</param>
    public IEnumerable<Network> Blocks(string name, int count) => Enumerable.Range(0, count).Select(i => Block($"{name}.{i}", i));

    /// <summary>An input.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">The type of its elements.</param>
    /// <param name="shape">Its sizes: numbers, or symbols.</param>
    public Term Input(string name, ElementType type, params Dim[] shape) => new(Builder, Builder.Input(name, new(type, new(shape))));

    /// <summary>A weight that may be trained.</summary>
    /// <param name="name">Its name in this part.</param>
    /// <param name="initial">What it is before training.</param>
    public Term Parameter(string name, Tensor initial)
    {
        Builder.Origin = origin with { Node = scope + name };
        if (weights is null)
            return new(Builder, Builder.Parameter(scope + name, initial, isFrozen: false));
        // Weights may be stored in fewer bits.
        return weights.TryGetValue(scope + name, out var trained) && trained.Type.Element.IsFloat() && trained.Type.Shape.KnownCount == initial.Count ? new Term(Builder, Builder.Apply(trained)).Reshape(initial.TensorType.Shape).Cast(initial.Type)
            : throw new SoftmodelException($"the weight '{scope}{name}' is {trained?.Type.ToString() ?? "missing"}, and {initial.TensorType} is needed");
    }

    /// <summary>A weight of normally distributed numbers.</summary>
    /// <param name="name">Its name in this part.</param>
    /// <param name="deviation">Their standard deviation.</param>
    /// <param name="dims">The sizes of its axes.</param>
    public Term Normal(string name, double deviation, params ReadOnlySpan<long> dims) => Parameter(name, draws.Of(dims, deviation, isNormal: true));

    /// <summary>A weight of numbers that are spread evenly.</summary>
    /// <param name="name">Its name in this part.</param>
    /// <param name="most">How far from 0 they lie at most.</param>
    /// <param name="dims">The sizes of its axes.</param>
    public Term Uniform(string name, double most, params ReadOnlySpan<long> dims) => Parameter(name, draws.Of(dims, most, isNormal: false));

    /// <summary>A weight of equal numbers.</summary>
    /// <param name="name">Its name in this part.</param>
    /// <param name="value">The number.</param>
    /// <param name="dims">The sizes of its axes.</param>
    public Term Filled(string name, double value, params ReadOnlySpan<long> dims)
    {
        var numbers = new float[Tensor.CountOf(dims)];
        Array.Fill(numbers, (float)value);
        return Parameter(name, Tensor.Of<float>(numbers, dims));
    }

    /// <summary>Runs a part with the name of its nodes.</summary>
    Term Named(string name, Role role, Func<Network, Term> write)
    {
        var part = Block(name);
        var result = write(part);
        part.Builder.Origin = part.origin;
        if (role != Role.None)
            Builder.Mark(result.Value, role);
        Builder.Origin = origin;
        return result;
    }

    static long Known(Dim size, string what) => size.Value ?? throw new SoftmodelException($"{what} is {size}: it must be known when the network is written");

    /// <summary>Products with a matrix [outputs, inputs] along the last axis, and a bias.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="x">[..., inputs].</param>
    /// <param name="outputs">How many outputs.</param>
    /// <param name="hasBias">Whether something is added.</param>
    /// <param name="role">What the result is in its layer.</param>
    /// <returns>[..., outputs].</returns>
    public Term Linear(string name, Term x, long outputs, bool hasBias = true, Role role = Role.None) => Named(name, role, part =>
    {
        var inputs = Known(x.Shape[x.Rank - 1], $"the last axis of what {scope}{name} takes");
        var letters = "abcdefgh"[..(x.Rank - 1)];
        var bound = 1 / Math.Sqrt(inputs);
        var y = x.Contract($"{letters}i,oi->{letters}o", part.Uniform("weight", bound, outputs, inputs));
        return hasBias ? y + part.Uniform("bias", bound, outputs) : y;
    });

    /// <summary>Rows of a table.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="ids">Which rows: integers of any shape.</param>
    /// <param name="count">How many rows the table has.</param>
    /// <param name="width">How long they are.</param>
    /// <param name="deviation">The standard deviation of its numbers before training.</param>
    /// <returns>[..., width].</returns>
    public Term Embedding(string name, Term ids, long count, long width, double deviation = 0.02) =>
        Named(name, Role.Embedding, part => part.Normal("weight", deviation, count, width).Gather(ids, 0));

    /// <summary>Layer normalisation along the last axis.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="x">[..., width].</param>
    /// <param name="epsilon">Added to the variance.</param>
    public Term LayerNorm(string name, Term x, double epsilon = 1e-5) => Named(name, Role.None, part =>
    {
        var width = Known(x.Shape[x.Rank - 1], $"the last axis of what {scope}{name} takes");
        var (_, deviation, inverse) = Formulas.Standardize(x, [x.Rank - 1], (float)epsilon);
        return deviation * inverse * part.Filled("weight", 1, width) + part.Filled("bias", 0, width);
    });

    /// <summary>Normalisation of each channel over a batch, as in training.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="x">[N, channels, ...].</param>
    /// <param name="epsilon">Added to the variance.</param>
    public Term BatchNorm(string name, Term x, double epsilon = 1e-5) => Named(name, Role.None, part =>
    {
        var channels = Known(x.Shape[1], $"the number of channels that {scope}{name} takes");
        var (_, deviation, inverse) = Formulas.Standardize(x, [0, .. Enumerable.Range(2, x.Rank - 2)], (float)epsilon);
        Term PerChannel(Term weight) => weight.Reshape(new([channels, .. Enumerable.Repeat(Dim.One, x.Rank - 2)]));
        return deviation * inverse * PerChannel(part.Filled("weight", 1, channels)) + PerChannel(part.Filled("bias", 0, channels));
    });

    /// <summary>Attention of several heads of each position to all others.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="x">[batch, positions, width].</param>
    /// <param name="heads">How many heads.</param>
    /// <param name="isCausal">Whether a position sees only those before it, and itself.</param>
    /// <returns>What is added to the residual stream: [batch, positions, width].</returns>
    public Term Attention(string name, Term x, int heads, bool isCausal = false) => Named(name, Role.AttentionOutput, part =>
    {
        var width = Known(x.Shape[2], $"the last axis of what {scope}{name} takes");
        var split = new Shape(x.Shape[0], x.Shape[1], heads, width / heads);
        Term Of(string which, Role role) => part.Linear(which, x, width, role: role).Reshape(split);
        var (query, key, value) = (Of("query", Role.Query), Of("key", Role.Key), Of("value", Role.Value));
        var scores = query.Contract("bthd,bshd->bhts", key) * (1 / Math.Sqrt(width / heads));
        if (isCausal)
        {
            var position = new Term(Builder, Builder.Apply(new Op.Iota(x.Shape[1])));
            scores = (position <= position.Unsqueeze(1)).Select(scores, scores.Scalar(float.NegativeInfinity));
        }
        return part.Linear("output", scores.Softmax(3).Contract("bhts,bshd->bthd", value).Reshape(x.Shape), width);
    });

    /// <summary>A convolution.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="x">[N, channels, ...].</param>
    /// <param name="channels">How many channels it gives.</param>
    /// <param name="kernel">The size of its kernel along each axis.</param>
    /// <param name="stride">From one place to the next.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="hasBias">Whether something is added.</param>
    /// <returns>[N, channels, ...], with zeros around so that a stride of 1 leaves sizes as they are.</returns>
    public Term Convolution(string name, Term x, long channels, int kernel, int stride = 1, int groups = 1, bool hasBias = true) => Named(name, Role.None, part =>
    {
        var (inputs, spatial) = (Known(x.Shape[1], $"the number of channels that {scope}{name} takes"), x.Rank - 2);
        EquatableArray<int> Each(int number) => Enumerable.Repeat(number, spatial).ToEquatable();
        var bound = 1 / Math.Sqrt(inputs / groups * Math.Pow(kernel, spatial));
        var y = x.Apply(new Op.Convolve(Each(stride), Each(1), Each((kernel - 1) / 2), Each(kernel / 2), groups),
            part.Uniform("weight", bound, [channels, inputs / groups, .. Enumerable.Repeat((long)kernel, spatial)]));
        return hasBias ? y + part.Uniform("bias", bound, channels).Reshape(new([channels, .. Each(1).Select(i => (Dim)i)])) : y;
    });

    /// <summary>A ConvNeXt block: a depthwise convolution, and a wider layer between two products, added to what it takes.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="x">[N, channels, length].</param>
    /// <param name="hidden">How wide it is inside.</param>
    /// <param name="kernel">The size of the kernel.</param>
    /// <remarks>Liu et al.: A ConvNet for the 2020s (2022), figure 4.</remarks>
    public Term ConvNeXt(string name, Term x, long hidden, int kernel = 7) => Named(name, Role.Residual, part =>
    {
        var channels = Known(x.Shape[1], $"the number of channels that {scope}{name} takes");
        var y = part.LayerNorm("norm", part.Convolution("depthwise", x, channels, kernel, groups: (int)channels).Transpose(0, 2, 1));
        y = part.Linear("down", part.Linear("up", y, hidden, role: Role.MlpUp).Gelu(), channels, role: Role.MlpOutput);
        return x + (y * part.Filled("scale", 1e-2, channels)).Transpose(0, 2, 1);
    });

    /// <summary>A layer of long short-term memory.</summary>
    /// <param name="name">The name of the part.</param>
    /// <param name="x">[length, batch, inputs].</param>
    /// <param name="hidden">How wide its state is.</param>
    /// <returns>The state after each element, [length, batch, hidden].</returns>
    public Term Lstm(string name, Term x, long hidden) => Named(name, Role.None, part =>
    {
        var (inputs, bound) = (Known(x.Shape[2], $"the last axis of what {scope}{name} takes"), 1 / Math.Sqrt(hidden));
        var gates = x.Contract("tbi,gi->tbg", part.Uniform("input", bound, 4 * hidden, inputs)) + part.Uniform("bias", bound, 4 * hidden);
        var recurrence = part.Uniform("recurrence", bound, 4 * hidden, hidden);
        var zero = x.Scalar(0).Broadcast(new(x.Shape[1], hidden));
        var length = new Term(Builder, Builder.Sizes([x.Shape[0]], Shape.Scalar));
        return Iteration.Loop(Builder, length, null, [zero, zero], (time, state) =>
        {
            var now = Iteration.At(time, gates, 0, reverse: false) + state[0].Contract("bh,gh->bg", Iteration.Within(time, recurrence));
            Term Gate(int gate) => now.Slice(1, gate * hidden, hidden);
            var cell = Gate(1).Map(Functions.Sigmoid) * state[1] + Gate(0).Map(Functions.Sigmoid) * Gate(2).Map(Functions.Tanh);
            var next = Gate(3).Map(Functions.Sigmoid) * cell.Map(Functions.Tanh);
            return new([next, cell], [next]);
        })![^1];
    });

    /// <summary>The graph of what the outputs need.</summary>
    /// <param name="outputs">The outputs, with their names.</param>
    public Graph Build(params ReadOnlySpan<(string Name, Term Value)> outputs)
    {
        var all = outputs.ToArray();
        return Builder.Build(all.Select(o => o.Value.Value), all.Select(o => o.Name));
    }
}
