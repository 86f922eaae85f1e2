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
/// <param name="ProgramCount">How many programs there are; 0 is for none of them, and they follow.</param>
/// <param name="Slots">How many operands it can point to.</param>
/// <param name="Center">What the channels of the stream are on average.</param>
/// <param name="Scale">By what each is multiplied to have deviations of about 1.</param>
/// <param name="Seed">What parameters are drawn from.</param>
sealed record TriggerNetwork(int Width, int ProgramCount, int Slots, Tensor Center, Tensor Scale, ulong Seed)
{
    const int Hidden = 192, KeySize = 48;

    /// <summary>The heads of its attention.</summary>
    public const int Heads = 6;

    // A few channels of the first token are hundreds of deviations away.
    const double Most = 8;

    /// <summary>How much a position at which nothing is due counts beside one where something is.</summary>
    public const float WeightOfNone = 0.2f;

    /// <summary>The loss of a batch of texts, which have zeros behind them.</summary>
    /// <remarks>
    /// Inputs: <c>residual</c> [texts, positions, width], <c>programs</c> and <c>counts</c> [texts, positions]: which is due and how much the
    /// position counts; <c>texts</c> and <c>positions</c> [due]: where something is due; <c>ends</c> [due, 2 slots]: the first and last
    /// positions of operands; <c>has_ends</c>: whether there are such; <c>leads</c> and <c>has_leads</c> [due]: whether a space stands before the result.
    /// </remarks>
    public Graph Training()
    {
        var (net, programs, lead, pointers) = Written();
        var (b, t, m) = (programs.Shape[0], programs.Shape[1], pointers.Shape[0]);
        var (due, counts) = (net.Input("programs", ElementType.Int64, b, t), net.Input("counts", ElementType.Float32, b, t));
        var (ends, hasEnds) = (net.Input("ends", ElementType.Int64, m, 2 * Slots), net.Input("has_ends", ElementType.Float32, m, 2 * Slots));
        var (leads, hasLeads) = (net.Input("leads", ElementType.Int64, m), net.Input("has_leads", ElementType.Float32, m));
        return net.Build(("loss", Losses.CrossEntropy(programs, due, counts) + Losses.CrossEntropy(pointers, ends, hasEnds) + Losses.CrossEntropy(lead, leads, hasLeads)));
    }

    /// <summary>The logits of programs [texts, positions, 1 + programs], and those of the operands' ends [due, 2 slots, positions], beginnings and ends in turn.</summary>
    public Graph Reading()
    {
        var (net, programs, lead, pointers) = Written();
        return net.Build(("programs", programs), ("pointers", pointers), ("lead", lead));
    }

    (Network Net, Term Programs, Term Lead, Term Pointers) Written()
    {
        var net = new Network("trigger", Seed);
        var (b, t, m) = (Dim.Symbol("texts"), Dim.Symbol("positions"), Dim.Symbol("due"));
        var residual = net.Input("residual", ElementType.Float32, b, t, Width);
        var (texts, positions) = (net.Input("due_texts", ElementType.Int64, m), net.Input("due_positions", ElementType.Int64, m));
        var read = Read(net, residual, (name, x) => net.Attention(name, x, Heads, isCausal: true));
        var at = read.Reshape(new(b * t, Hidden)).Gather(texts * new Term(net.Builder, net.Builder.Sizes((Dim[])[t], Shape.Scalar)) + positions, 0);
        var scores = PointerScores(net, at, Keys(net, read).Gather(texts, 0), "mtek");
        var place = new Term(net.Builder, net.Builder.Apply(new Op.Iota(t)));
        return (net, Programs(net, read), Lead(net, at), (place <= positions.Unsqueeze(1)).Unsqueeze(1).Select(scores, scores.Scalar(-1e9)));
    }

    /// <summary>What the trigger makes of the residual stream.</summary>
    /// <param name="net">Its weights.</param>
    /// <param name="residual">[..., width].</param>
    /// <param name="attend">Attention, given the name of the part and what it takes.</param>
    /// <returns>[..., hidden].</returns>
    public Term Read(Network net, Term residual, Func<string, Term, Term> attend)
    {
        var normal = ((residual - residual.Constant(Center)) * residual.Constant(Scale)).Max(-Most).Min(Most);
        var x = net.Linear("in", normal, Hidden);
        x += attend("attention", net.LayerNorm("norm1", x));
        x += net.Linear("down", net.Linear("up", net.LayerNorm("norm2", x), 4 * Hidden).Gelu(), Hidden);
        return net.LayerNorm("norm", x);
    }

    /// <summary>The logits of none and of each program.</summary>
    public Term Programs(Network net, Term read) => net.Linear("programs", read, ProgramCount + 1);

    /// <summary>The logits of no space and of one before the result.</summary>
    public static Term Lead(Network net, Term at) => net.Linear("lead", at, 2);

    /// <summary>By what an operand's first and last tokens are found: [..., 2, keys].</summary>
    /// <remarks>An operand's first token does not see what follows it, and is known by what it is.</remarks>
    public static Term Keys(Network net, Term read) => net.Linear("keys", read, 2 * KeySize).Reshape(new([.. read.Shape.Dims.SkipLast(1), 2, KeySize]));

    /// <summary>The logits of operands' first and last tokens, in turn: [m, 2 slots, t].</summary>
    /// <param name="net">Its weights.</param>
    /// <param name="at">What was read where results are due, [m, hidden].</param>
    /// <param name="keys">The keys.</param>
    /// <param name="axes">The axes of the keys: <c>m</c>, <c>t</c>, and <c>ek</c>.</param>
    public Term PointerScores(Network net, Term at, Term keys, string axes)
    {
        var queries = net.Linear("queries", at, 2 * Slots * KeySize).Reshape(new(at.Shape[0], Slots, 2, KeySize));
        var scores = queries.Contract($"msek,{axes}->mset", keys) * (1 / Math.Sqrt(KeySize));
        return scores.Reshape(new(at.Shape[0], 2 * Slots, scores.Shape[3]));
    }
}
