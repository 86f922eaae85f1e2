using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Fusion;

/// <summary>
/// The network that reads a residual stream: at each position which program is due there, if any, and where its operands begin and end.
/// It is a layer of a transformer of its own.
/// </summary>
/// <param name="Width">The width of the stream.</param>
/// <param name="Programs">How many programs there are; 0 is for none of them, and they follow.</param>
/// <param name="Slots">How many operands it can point to.</param>
/// <param name="Center">What the channels of the stream are on average.</param>
/// <param name="Scale">By what each is multiplied to have deviations of about 1.</param>
/// <param name="Seed">What parameters are drawn from.</param>
sealed record TriggerNetwork(int Width, int Programs, int Slots, Tensor Center, Tensor Scale, ulong Seed)
{
    const int Hidden = 192, Heads = 6, Keys = 48;

    // A few channels of the first token are hundreds of deviations away.
    const double Most = 8;

    /// <summary>How much a position at which nothing is due counts beside one where something is.</summary>
    public const float WeightOfNone = 0.2f;

    /// <summary>The loss of a batch of texts, which have zeros behind them.</summary>
    /// <remarks>
    /// Inputs: <c>residual</c> [texts, positions, width], <c>programs</c> and <c>counts</c> [texts, positions]: which is due and how much the
    /// position counts; <c>texts</c> and <c>positions</c> [due]: where something is due; <c>ends</c> [due, 2 slots]: the first and last
    /// positions of operands; <c>has_ends</c>: whether there are such.
    /// </remarks>
    public Graph Training()
    {
        var (net, programs, pointers) = Written();
        var (b, t, m) = (programs.Shape[0], programs.Shape[1], pointers.Shape[0]);
        var (due, counts) = (net.Input("programs", ElementType.Int64, b, t), net.Input("counts", ElementType.Float32, b, t));
        var (ends, hasEnds) = (net.Input("ends", ElementType.Int64, m, 2 * Slots), net.Input("has_ends", ElementType.Float32, m, 2 * Slots));
        return net.Build(("loss", Losses.CrossEntropy(programs, due, counts) + Losses.CrossEntropy(pointers, ends, hasEnds)));
    }

    /// <summary>The logits of programs [texts, positions, 1 + programs], and those of the operands' ends [due, 2 slots, positions], beginnings and ends in turn.</summary>
    public Graph Reading()
    {
        var (net, programs, pointers) = Written();
        return net.Build(("programs", programs), ("pointers", pointers));
    }

    (Network Net, Term Programs, Term Pointers) Written()
    {
        var net = new Network("trigger", Seed);
        var (b, t, m) = (Dim.Symbol("texts"), Dim.Symbol("positions"), Dim.Symbol("due"));
        var residual = net.Input("residual", ElementType.Float32, b, t, Width);
        var (texts, positions) = (net.Input("due_texts", ElementType.Int64, m), net.Input("due_positions", ElementType.Int64, m));
        var normal = ((residual - residual.Constant(Center)) * residual.Constant(Scale)).Max(-Most).Min(Most);
        var x = net.Linear("in", normal, Hidden);
        x += net.Attention("attention", net.LayerNorm("norm1", x), Heads, isCausal: true);
        x += net.Linear("down", net.Linear("up", net.LayerNorm("norm2", x), 4 * Hidden).Gelu(), Hidden);
        var read = net.LayerNorm("norm", x);
        var programs = net.Linear("programs", read, Programs + 1);
        var at = read.Reshape(new(b * t, Hidden)).Gather(texts * new Term(net.Builder, net.Builder.Sizes((Dim[])[t], Shape.Scalar)) + positions, 0);
        var queries = net.Linear("queries", at, 2 * Slots * Keys).Reshape(new(m, Slots, 2, Keys));
        // An operand's first token does not see what follows it, and is known by what it is.
        var keys = net.Linear("keys", read, 2 * Keys).Reshape(new(b, t, 2, Keys)).Gather(texts, 0);
        var scores = (queries.Contract("msek,mtek->mset", keys) * (1 / Math.Sqrt(Keys))).Reshape(new(m, 2 * Slots, t));
        var place = new Term(net.Builder, net.Builder.Apply(new Op.Iota(t)));
        return (net, programs, (place <= positions.Unsqueeze(1)).Unsqueeze(1).Select(scores, scores.Scalar(-1e9)));
    }
}
