using System.Diagnostics;
using System.Globalization;
using Softmodel.Cli.Baselines;
using Softmodel.Graphs;
using Softmodel.Learn;

namespace Softmodel.Cli.Bench;

/// <summary>A training step with a number of threads.</summary>
/// <param name="Network">The network, out of <see cref="TrainNetworks"/>.</param>
/// <param name="Threads">How many threads each might use.</param>
/// <param name="OursMs">The median of the compiled step.</param>
/// <param name="PeerMs">The median of PyTorch's, by its own clock.</param>
/// <param name="Speedup">The ratio of the medians.</param>
/// <param name="OursBestMs">The shortest step of ours.</param>
/// <param name="PeerBestMs">The shortest step of PyTorch.</param>
/// <param name="Runs">How often each was timed.</param>
/// <param name="Flops">The FLOPs of the step's contractions and convolutions.</param>
/// <param name="ShareOfLimit">How much of our shortest step the cores would need for those.</param>
/// <param name="PeerShareOfLimit">The same of PyTorch.</param>
/// <param name="MemoryBytes">What a step of ours takes: what it works in, parameters, moments, other weights and the batch.</param>
/// <param name="PeerMemoryBytes">The most memory that PyTorch's process held, beyond what it held without a network.</param>
/// <param name="Loss">The loss of our first step.</param>
/// <param name="PeerLoss">That of PyTorch.</param>
/// <param name="PeerWay">How PyTorch was used: the quickest of the ways that were tried.</param>
/// <param name="UnderBudget">The same step where it may take less memory; null where no budget was given.</param>
sealed record TrainRow(string Network, int Threads, double OursMs, double PeerMs, double Speedup, double OursBestMs, double PeerBestMs, int Runs, double Flops, double ShareOfLimit, double PeerShareOfLimit,
    long MemoryBytes, long PeerMemoryBytes, double Loss, double PeerLoss, string PeerWay, BudgetRow? UnderBudget = null);

/// <summary>A training step under a budget of memory.</summary>
/// <param name="BudgetBytes">The most that it may take.</param>
/// <param name="IsMet">Whether it does with that; else it takes the least that it can.</param>
/// <param name="MemoryBytes">What it takes.</param>
/// <param name="Ms">The median of the step.</param>
/// <param name="Slowdown">The ratio to the median of the step without a budget.</param>
/// <param name="Loss">The loss of its first step.</param>
sealed record BudgetRow(long BudgetBytes, bool IsMet, long MemoryBytes, double Ms, double Slowdown, double Loss);

/// <summary>Training steps beside those of PyTorch.</summary>
static class TrainSpeed
{
    const double Rate = 1e-4, MostLossDifference = 1e-3;

    /// <summary>Times a network's steps in turns with PyTorch's.</summary>
    /// <param name="network">The network.</param>
    /// <param name="limit">What the machine can do with that many threads.</param>
    /// <param name="runs">How often each is timed.</param>
    /// <param name="budget">How much memory it may take, as <see cref="Budget"/> reads it; null for no bound.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="cancel">Stops it.</param>
    /// <returns>What was found, and which PyTorch it was.</returns>
    /// <exception cref="SoftmodelException">PyTorch is not here, or its first loss is another.</exception>
    public static async Task<(TrainRow Row, string Against)> Measure(TrainNetwork network, Limits limit, int runs, string? budget, IProgress<string> progress, CancellationToken cancel)
    {
        progress.Report($"compiling {network.Name}");
        var graph = network.Write();
        var step = TrainingStep.Of(graph, options: new() { ClipNorm = null });
        var batch = network.Batch(new Random(1));
        using var trainer = new Trainer(step, compile: new() { Threads = limit.Threads }, cancellationToken: cancel);
        var bound = budget is null ? null : Budget(budget, trainer.WorkingBytes, trainer.StepBytes - trainer.WorkingBytes);
        progress.Report($"compiling {network.Name} with {(bound is { } b ? Text.Size(b) : "all the memory that it takes")}");
        var (bounded, isMet) = bound is { } most ? Bounded(step, most, limit.Threads, cancel) : (null, false);
        using var _ = bounded;
        progress.Report($"trying ways to train {network.Name} in PyTorch with {limit.Threads} threads");
        using var peer = await PyTorch.Start(cancel);
        peer.Build(network.Name, [.. step.Parameters.Select(p => (p.Name, p.Value))], [.. graph.Inputs.Zip(batch, (input, tensor) => (input.Name, tensor))], limit.Threads, Rate);
        var (loss, peerLoss) = (trainer.Step(batch, Rate).Loss, peer.Step().Losses[0]);
        if (!(Math.Abs(loss - peerLoss) <= MostLossDifference * Math.Abs(peerLoss)))
            throw new SoftmodelException($"{network.Name}: the loss of the first step is {loss:R}, and in PyTorch {peerLoss:R}: they do not do the same");
        var boundedLoss = bounded?.Step(batch, Rate).Loss ?? 0;
        progress.Report($"timing {network.Name} with {limit.Threads} threads");
        Func<double> Timed(Trainer one) => () =>
        {
            var start = Stopwatch.GetTimestamp();
            one.Step(batch, Rate);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        };
        var times = Interleaved.Measure(runs, [Timed(trainer), () => peer.Step().Ms, .. bounded is null ? (Func<double>[])[] : [Timed(bounded)]], cancel);
        var flops = Flops(step.Graph);
        double Share(double milliseconds) => Math.Round(flops / limit.FlopsPerSecond / (milliseconds / 1000), 3);
        return (new(network.Name, limit.Threads, times[0].Median, times[1].Median, Math.Round(times[1].Median / times[0].Median, 3), times[0].Best, times[1].Best, runs, flops, Share(times[0].Best), Share(times[1].Best),
            trainer.StepBytes, peer.PeakMemory, loss, peerLoss, peer.Way,
            bounded is null ? null : new(bound!.Value, isMet, bounded.StepBytes, times[2].Median, Math.Round(times[2].Median / times[0].Median, 3), boundedLoss)), peer.Version);
    }

    /// <summary>How many bytes a step may take.</summary>
    /// <param name="text">A size, as <c>200MB</c>, or a share, as <c>50%</c>, of what a step works in.</param>
    /// <param name="working">What that is.</param>
    /// <param name="constant">What is there besides, of which nothing can be left out: parameters, moments, and the batch.</param>
    /// <returns>That; null where it is neither.</returns>
    public static long? Budget(string text, long working, long constant) =>
        text.EndsWith('%') && double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent) && percent > 0 ? constant + (long)(percent / 100 * working) : Text.Bytes(text);

    /// <summary>The step under a budget; where that is too little, with the least that suffices.</summary>
    static (Trainer Trainer, bool IsMet) Bounded(TrainingStep step, long most, int threads, CancellationToken cancel)
    {
        Trainer With(long bytes) => new(step with { MemoryBudget = bytes }, compile: new() { Threads = threads }, cancellationToken: cancel);
        try
        {
            return (With(most), true);
        }
        catch (TooLittleMemoryException e)
        {
            return (With(e.LeastBytes), false);
        }
    }

    /// <summary>The operations of a graph's contractions and convolutions, two to a product.</summary>
    /// <param name="graph">A graph whose sizes are all known.</param>
    public static double Flops(Graph graph) => graph.Nodes.Sum(node => node.Op switch
    {
        Op.Contract contract => 2 * Contracted(contract.Equation, node.Inputs[0].Shape, node.Inputs[1].Shape),
        Op.Convolve => 2.0 * node.Output.Shape.KnownCount!.Value * PerChannel(node.Inputs[1].Shape),
        Op.ConvolveTransposed => 2.0 * node.Inputs[0].Shape.KnownCount!.Value * PerChannel(node.Inputs[1].Shape),
        Op.Loop loop => loop.Iterations.Value!.Value * Flops(loop.Body),
        Op.If branch => Math.Max(Flops(branch.Then), Flops(branch.Else)),
        _ => 0,
    });

    static double PerChannel(Shape weights) => Dim.Product(weights.Dims.Skip(1)).Value!.Value;

    static double Contracted(string equation, Shape x, Shape y)
    {
        var (left, right, _) = Einsum.Split(equation);
        return left.Concat(right).Distinct().Aggregate(1.0, (product, c) => product * (left.IndexOf(c) is >= 0 and var i ? x[i] : y[right.IndexOf(c)]).Value!.Value);
    }

    /// <summary>Writes what was found.</summary>
    public static void Show(Terminal terminal, string against, IReadOnlyList<TrainRow> rows) => terminal.Result(new { against, rows, machine = Machine.Here }, () =>
    {
        var isBounded = rows.Any(r => r.UnderBudget is not null);
        var table = Text.Table(["network", "threads", "ours", against, "speedup", "of the FLOP limit", "its", "memory", "its", .. isBounded ? (string[])["budget", "memory", "time"] : [], "first loss", "its", "its way"]);
        foreach (var row in rows)
        {
            string[] bounded = row.UnderBudget is { } b ? [$"{Text.Size(b.BudgetBytes)}{(b.IsMet ? "" : ", too little")}", Text.Size(b.MemoryBytes), $"× {b.Slowdown:0.00}"] : [];
            table.Row([row.Network, $"{row.Threads}", $"{row.OursMs:0.0} ms", $"{row.PeerMs:0.0} ms", $"{row.Speedup:0.00}", $"{row.ShareOfLimit:0%}", $"{row.PeerShareOfLimit:0%}",
                Text.Size(row.MemoryBytes), Text.Size(row.PeerMemoryBytes), .. bounded, $"{row.Loss:0.00000}", $"{row.PeerLoss:0.00000}", row.PeerWay]);
        }
        return table;
    });
}
