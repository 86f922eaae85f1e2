using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Fusion;

/// <summary>
/// The network that reads a residual stream: at each position which program is due there, if any, and where its operands begin and end.
/// It is two layers of a transformer of its own.
/// </summary>
/// <param name="Width">The width of the stream.</param>
/// <param name="ProgramCount">How many programs there are; 0 is for none of them, and they follow.</param>
/// <param name="Slots">How many operands it can point to.</param>
/// <param name="Center">What the channels of the stream are on average.</param>
/// <param name="Scale">By what each is multiplied to have deviations of about 1.</param>
/// <param name="Seed">What parameters are drawn from.</param>
sealed record TriggerNetwork(int Width, int ProgramCount, int Slots, Tensor Center, Tensor Scale, ulong Seed)
{
    const int Layers = 2, Hidden = 192, KeySize = 48;

    /// <summary>The part that says whether a space stands before the result, [2, hidden], and that by which operands are found, [2 slots keys, hidden].</summary>
    public const string Lead = "lead", Queries = "queries";

    // The heads of its attention.
    const int Heads = 6, HeadSize = Hidden / Heads;

    // A few channels of the first token are hundreds of deviations away.
    const double Most = 8;

    /// <summary>How much a position at which nothing is due counts beside one where something is.</summary>
    public const float WeightOfNone = 0.2f;

    /// <summary>The loss of a batch of texts, which have zeros behind them.</summary>
    /// <remarks>
    /// Inputs: <c>residual</c> [texts, positions, width], <c>programs</c> and <c>counts</c> [texts, positions]: which is due and how much the
    /// position counts; <c>texts</c> and <c>positions</c> [due]: where something is due; <c>ends</c> [due, 2 slots]: the first
    /// positions of operands, and those after their last; <c>has_ends</c>: whether there are such; <c>leads</c> and <c>has_leads</c> [due]: whether a space stands before the result.
    /// </remarks>
    public Graph Training()
    {
        var (net, places, programs, lead, pointers) = Written();
        var (b, t, m) = (programs.Shape[0], programs.Shape[1], pointers.Shape[0]);
        var (due, counts) = (net.Input("programs", ElementType.Int64, b, t), net.Input("counts", ElementType.Float32, b, t));
        var (ends, hasEnds) = (net.Input("ends", ElementType.Int64, m, 2 * Slots), net.Input("has_ends", ElementType.Float32, m, 2 * Slots));
        var (leads, hasLeads) = (net.Input("leads", ElementType.Int64, m), net.Input("has_leads", ElementType.Float32, m));
        // Which program it is counts as much as whether there is one: in one cross entropy over all positions it had an eighth of the weight.
        Term Due(Term x) => x.Reshape(new([b * t, .. x.Shape.Dims.Skip(2)])).Gather(places, 0);
        var isDue = Losses.CrossEntropy(programs.Slice(2, 0, 1).Concat(2, programs.Slice(2, 1, ProgramCount).LogSumExp(2)), due.Min(1), counts);
        var which = Losses.CrossEntropy(Due(programs).Slice(1, 1, ProgramCount), (Due(due) - 1).Max(0), hasLeads);
        return net.Build(("loss", isDue + which + Losses.CrossEntropy(pointers, ends, hasEnds) + Losses.CrossEntropy(lead, leads, hasLeads)));
    }

    /// <summary>The logits of programs [texts, positions, 1 + programs], and those of the operands' ends [due, 2 slots, positions], beginnings and ends in turn.</summary>
    public Graph Reading()
    {
        var (net, _, programs, lead, pointers) = Written();
        return net.Build(("programs", programs), ("pointers", pointers), ("lead", lead));
    }

    (Network Net, Term Places, Term Programs, Term Lead, Term Pointers) Written()
    {
        var net = new Network("trigger", Seed);
        var (b, t, m) = (Dim.Symbol("texts"), Dim.Symbol("positions"), Dim.Symbol("due"));
        var residual = net.Input("residual", ElementType.Float32, b, t, Width);
        var (texts, positions) = (net.Input("due_texts", ElementType.Int64, m), net.Input("due_positions", ElementType.Int64, m));
        var place = new Term(net.Builder, net.Builder.Apply(new Op.Iota(t)));
        var read = Read(net, residual, (name, x) => Attend(net.Block(name), x, (_, now) => now, place.Unsqueeze(1) - place, place <= place.Unsqueeze(1)));
        var places = texts * new Term(net.Builder, net.Builder.Sizes((Dim[])[t], Shape.Scalar)) + positions;
        var at = read.Reshape(new(b * t, Hidden)).Gather(places, 0);
        var queries = net.Linear(Queries, at, 2 * Slots * KeySize).Reshape(new(m, Slots, 2, KeySize));
        // As FusedStep computes it where something is due.
        var scores = (queries.Contract("msek,mtek->mset", Keys(net, read).Gather(texts, 0)) * (1 / Math.Sqrt(KeySize))).Reshape(new(m, 2 * Slots, t));
        return (net, places, Programs(net, read), net.Linear(Lead, at, 2), (place <= positions.Unsqueeze(1)).Unsqueeze(1).Select(scores, scores.Scalar(-1e9)));
    }

    /// <summary>By how much the scores of each head fall with each position further back, [heads]: some look near, some anywhere.</summary>
    /// <remarks>Press, Smith, Lewis: Train short, test long (2021).</remarks>
    static Tensor Slopes => Tensor.Vector<float>(1, 0.5f, 0.125f, 0.03125f, 0, 0);

    /// <summary>Attention whose heads share keys and values: what is kept of each token, and read for each, is a sixth.</summary>
    /// <param name="part">Its weights.</param>
    /// <param name="x">[..., hidden], of texts side by side or of tokens one after the other.</param>
    /// <param name="kept">Of all that may be attended to, given its name and what there is of <paramref name="x"/>: keys and values, [..., head].</param>
    /// <param name="back">How many positions back that is, [tokens, all].</param>
    /// <param name="isVisible">Whether a token sees it, [tokens, all].</param>
    /// <remarks>Shazeer: Fast transformer decoding: one write-head is all you need (2019).</remarks>
    public static Term Attend(Network part, Term x, Func<string, Term, Term> kept, Term back, Term isVisible)
    {
        var b = x.Rank == 3 ? "b" : "";
        Term Kept(string name) => kept(name, part.Linear(name, x, HeadSize));
        var query = part.Linear("query", x, Hidden).Reshape(new([.. x.Shape.Dims.SkipLast(1), Heads, HeadSize]));
        var scores = query.Contract($"{b}thd,{b}sd->{b}hts", Kept("keys")) * (1 / Math.Sqrt(HeadSize)) - back.Cast(ElementType.Float32) * x.Constant(Slopes).Unsqueeze(1).Unsqueeze(2);
        var weights = isVisible.Select(scores, scores.Scalar(float.NegativeInfinity)).Softmax(scores.Rank - 1);
        return part.Linear("output", weights.Contract($"{b}hts,{b}sd->{b}thd", Kept("values")).Reshape(x.Shape), Hidden);
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
        foreach (var (i, layer) in net.Blocks("layers", Layers).Index())
        {
            x += attend($"layers.{i}.attention", layer.LayerNorm("norm1", x));
            x += layer.Linear("down", layer.Linear("up", layer.LayerNorm("norm2", x), 4 * Hidden).Gelu(), Hidden);
        }
        return net.LayerNorm("norm", x);
    }

    /// <summary>The logits of none and of each program.</summary>
    public Term Programs(Network net, Term read) => net.Linear("programs", read, ProgramCount + 1);

    /// <summary>By what an operand's first token, and the one after its last, are found: [..., 2, keys].</summary>
    /// <remarks>No token sees what follows it: that an operand has ended is known behind it.</remarks>
    public static Term Keys(Network net, Term read) => net.Linear("keys", read, 2 * KeySize).Reshape(new([.. read.Shape.Dims.SkipLast(1), 2, KeySize]));
}
