using System.Diagnostics;
using System.Globalization;
using Softmodel.Graphs;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Tests.Learn;

/// <summary>The training loop: the same losses with a stop as without, whatever stops it.</summary>
public sealed class TrainingLoopTests : IDisposable
{
    const int Steps = 60, Words = 20;

    const string Asked = "SOFTMODEL_TRAINS_INTO";

    readonly string folder = Directory.CreateTempSubdirectory("softmodel-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    string Checkpoint => Path.Combine(folder, "state.safetensors");

    /// <summary>Sentences of different lengths, of which some words make what they are.</summary>
    static (int[] Words, int Label)[] Sentences(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            int[] words = [.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(1, Words))];
            return (words, words.Count(w => w < Words / 2) > words.Length / 2 ? 1 : 0);
        })];
    }

    static Graph Pooled(int width = 8)
    {
        var net = new Network("pooled", seed: 2);
        var (batch, length) = (Dim.Symbol("batch"), Dim.Symbol("length"));
        var (ids, mask, labels) = (net.Input("ids", ElementType.Int64, batch, length), net.Input("mask", ElementType.Int64, batch, length), net.Input("labels", ElementType.Int64, batch));
        var counts = mask.Cast(ElementType.Float32).Unsqueeze(2);
        var sum = (net.Embedding("words", ids, Words, width, 0.3) * counts).Reduce(Reduction.Sum, [1]) / counts.Reduce(Reduction.Sum, [1]);
        return net.Build(("loss", Losses.CrossEntropy(net.Linear("head", sum, 2), labels)));
    }

    static Batch BatchOf((int[] Words, int Label)[] all, int[] chosen)
    {
        var (ids, mask) = Batches.Padded([.. chosen.Select(i => all[i].Words)]);
        return new([ids, mask, Tensor.Of<long>([.. chosen.Select(i => (long)all[i].Label)], chosen.Length)], [.. chosen.Select(i => $"sentence {i}")]);
    }

    static BatchSource Source((int[] Words, int Label)[] all, ulong seed = 1) => new($"sentences {seed}",
        (epoch, from) => Batches.Of([.. all.Select(s => s.Words.Length)], 8, seed, epoch).Skip((int)from).Select(chosen => BatchOf(all, chosen)));

    static (TrainingOutcome Outcome, Tensor Head) Train(string? checkpoint, int threads = 1, Action<TrainingEvent>? progress = null, Func<LoopOptions, LoopOptions>? change = null,
        BatchSource? source = null, Graph? network = null, int accumulate = 1, CancellationToken cancel = default)
    {
        network ??= Pooled();
        using var trainer = new Trainer(TrainingStep.Of(network, options: new() { Accumulate = accumulate }), compile: new() { Threads = threads });
        using var current = new CurrentNetwork(network, trainer, compile: new() { Threads = threads });
        var held = Sentences(40, 9);
        var options = new LoopOptions
        {
            Steps = Steps,
            Rate = 0.05,
            Schedule = Schedules.Cosine().WithWarmUp(5),
            Validate = c => current.MeanLoss([BatchOf(held, [.. Enumerable.Range(0, 40)])], c),
            Checkpoint = checkpoint,
            CheckpointEvery = TimeSpan.Zero,
            Progress = progress,
        };
        var outcome = TrainingLoop.Run(trainer, source ?? Source(Sentences(100, 3)), change?.Invoke(options) ?? options, cancel);
        return (outcome, trainer["head.weight"]);
    }

    static void Same((TrainingOutcome Outcome, Tensor Head) expected, (TrainingOutcome Outcome, Tensor Head) actual)
    {
        Assert.Equal(expected.Outcome.Curve, actual.Outcome.Curve);
        Assert.True(expected.Head.SameAs(actual.Head));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Losses_fall_and_are_the_same_for_every_number_of_threads_and_after_every_stop(int accumulate)
    {
        var whole = Train(null, accumulate: accumulate, change: Rate);
        Assert.Equal(Steps, whole.Outcome.Curve.Count);
        Assert.True(whole.Outcome.BestLoss < whole.Outcome.Curve[0].Loss / 2, $"{whole.Outcome.Curve[0].Loss} to {whole.Outcome.BestLoss}");
        Same(whole, Train(null, threads: 2, accumulate: accumulate, change: Rate));
        // In an epoch, at its end, and at the first step; and where the gradients of some batches are summed, and of none.
        foreach (var at in (int[])[1, 13, 38, 40])
        {
            using var stop = new CancellationTokenSource();
            Assert.Throws<OperationCanceledException>(() => Train(Checkpoint, progress: e => Stop(e, at, stop), change: o => Rate(o) with { CheckpointEvery = TimeSpan.FromDays(1) }, accumulate: accumulate, cancel: stop.Token));
            var resumed = -1L;
            Same(whole, Train(Checkpoint, threads: 2, accumulate: accumulate, change: Rate, progress: e => resumed = e.Event == "resumed" ? e.Step : resumed));
            Assert.Equal(at, resumed);
            File.Delete(Checkpoint);
        }

        // With a quarter of the changes each is larger.
        LoopOptions Rate(LoopOptions options) => options with { Rate = options.Rate * accumulate };

        static void Stop(TrainingEvent e, int at, CancellationTokenSource stop)
        {
            if (e.Event == "step" && e.Step == at)
                stop.Cancel();
        }
    }

    // Runs in a process of its own, which is killed.
    [Fact(Explicit = true)]
    public void Trains_until_it_is_killed()
    {
        if (Environment.GetEnvironmentVariable(Asked) is { } path)
            Train(path, progress: e => Thread.Sleep(e.Event == "step" ? 100 : 0));
    }

    [Fact]
    public void Losses_are_the_same_after_kills_at_random_steps()
    {
        var whole = Train(null);
        var random = new Random();
        for (var (kill, step) = (0, 0L); kill < 2; kill++)
        {
            var start = new ProcessStartInfo("dotnet", [GetType().Assembly.Location, "-explicit", "only", "-method", $"{GetType().FullName}.{nameof(Trains_until_it_is_killed)}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { [Asked] = Checkpoint },
            };
            using var process = Process.Start(start)!;
            var (clock, written) = (Stopwatch.StartNew(), File.Exists(Checkpoint) ? File.GetLastWriteTimeUtc(Checkpoint) : default);
            while ((!File.Exists(Checkpoint) || File.GetLastWriteTimeUtc(Checkpoint) == written) && clock.Elapsed.TotalMinutes < 5 && !process.HasExited)
                Thread.Sleep(5);
            Thread.Sleep(random.Next(0, 1000));
            process.Kill();
            process.WaitForExit();
            Assert.True(File.Exists(Checkpoint), process.StandardOutput.ReadToEnd());
            using var file = Softmodel.Import.Safetensors.SafetensorsFile.Open(Checkpoint);
            var now = long.Parse(file.Metadata["step"], CultureInfo.InvariantCulture);
            Assert.InRange(now, step + 1, Steps - 1);
            step = now;
        }
        Same(whole, Train(Checkpoint, threads: 2));
    }

    [Fact]
    public void On_a_full_disk_the_last_good_checkpoint_stays()
    {
        Train(Checkpoint, change: o => o with { Steps = 10 });
        var before = File.ReadAllBytes(Checkpoint);
        // Whatever is written to that device does not fit.
        File.CreateSymbolicLink(Checkpoint + ".part", "/dev/full");
        var e = Assert.Throws<SoftmodelException>(() => Train(Checkpoint));
        Assert.Contains("the checkpoint of step 11 can't be written: No space left on device", e.Message, StringComparison.Ordinal);
        Assert.Contains("of an earlier step, and whole", e.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(Checkpoint));
        Assert.False(File.Exists(Checkpoint + ".part"));
        Assert.Equal(Steps, Train(Checkpoint).Outcome.Steps);
    }

    [Fact]
    public void A_checkpoint_of_another_training_is_refused_by_name()
    {
        Train(Checkpoint, change: o => o with { Steps = 3 });
        void Refused(string why, Action train) => Assert.Contains(why, Assert.Throws<SoftmodelException>(train).Message, StringComparison.Ordinal);
        Refused("of another network", () => Train(Checkpoint, network: Pooled(9)));
        Refused("on other data", () => Train(Checkpoint, source: Source(Sentences(100, 3), seed: 7)));
        var bytes = File.ReadAllBytes(Checkpoint);
        var random = new Random(4);
        var (network, data) = (TrainingCheckpoint.HashOf(TrainingStep.Of(Pooled())), Source([]).Identity);
        void Read() => TrainingCheckpoint.Read(Checkpoint, network, data);
        Read();
        for (var i = 0; i < 40; i++)
        {
            var damaged = bytes.ToArray();
            damaged[i < 10 ? i : random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(Checkpoint, damaged);
            Refused(Checkpoint, Read);
        }
        File.WriteAllBytes(Checkpoint, bytes[..^20]);
        Refused("tensor", Read);
        File.WriteAllText(Checkpoint, "not a checkpoint");
        Refused("no safetensors file", Read);
    }

    [Fact]
    public void It_stops_early_with_the_best_parameters()
    {
        var losses = new Queue<double>([3, 1, 2, 2, 2, 2]);
        var (outcome, head) = Train(null, change: o => o with { Validate = _ => losses.Dequeue(), ValidateEvery = 5, Patience = 3 });
        Assert.Equal((25, 1.0, true), (outcome.Steps, outcome.BestLoss!.Value, outcome.IsStoppedEarly));
        Assert.True(head.SameAs(Train(null, change: o => o with { Validate = null, Steps = 10, Schedule = (step, _) => o.Schedule(step, Steps) }).Head));
    }

    /// <summary>A logarithm of what may be negative, in a layer.</summary>
    static Graph WithLogarithm()
    {
        var net = new Network("logarithm", seed: 3);
        var batch = Dim.Symbol("batch");
        var (x, y) = (net.Input("x", ElementType.Float32, batch, 4), net.Input("y", ElementType.Float32, batch, 4));
        var mask = (x < 1e6).Select(x, x.Scalar(float.NegativeInfinity)).Softmax(1);
        var layer = net.Block("layers.0", 0);
        layer.Builder.Origin = new("entropy") { Layer = 0, Scope = ["layers.0"] };
        var strange = x.Map(Functions.Log);
        return net.Build(("loss", Losses.L2(net.Linear("head", strange + mask, 4), y)));
    }

    static BatchSource Numbers(float[][] rows) => new("numbers", (_, from) => rows.Chunk(4).Skip((int)from).Select((chunk, b) =>
        new Batch([Tensor.Of<float>([.. chunk.SelectMany(r => r)], chunk.Length, 4), Tensor.Of<float>(new float[chunk.Length * 4], chunk.Length, 4)], [.. chunk.Select((_, i) => $"row {((int)from + b) * 4 + i}")])));

    [Theory]
    [InlineData(float.NaN, "step 3 was undone: the loss is NaN, since the input 'x' has NaN in the example row 9: mend that example, or leave it out")]
    [InlineData(float.PositiveInfinity, "the input 'x' has infinite in the example row 9")]
    [InlineData(-1f, "step 3 was undone: the loss is NaN in the example row 9; NaN arises in layer 0, 'entropy' (log). Lower the learning rate")]
    public void What_is_no_number_is_named_with_its_example_and_layer(float bad, string message)
    {
        var rows = Enumerable.Range(0, 16).Select(i => (float[])[1, 2, i == 9 ? bad : 3, 4 + i]).ToArray();
        using var trainer = new Trainer(TrainingStep.Of(WithLogarithm()));
        var events = new List<TrainingEvent>();
        var e = Assert.Throws<SoftmodelException>(() => TrainingLoop.Run(trainer, Numbers(rows), new() { Steps = 10, Checkpoint = Checkpoint, CheckpointEvery = TimeSpan.Zero, Progress = events.Add }));
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.Equal(2, trainer.Count);
        // The step is undone, and the checkpoint is that before it.
        var states = trainer.States;
        Assert.All(states, s => Assert.True(Enumerable.Range(0, (int)s.Value.Count).All(i => double.IsFinite(s.Value.Float(i)))));
        var read = TrainingCheckpoint.Read(Checkpoint, TrainingCheckpoint.HashOf(trainer.TrainingStep), "numbers");
        Assert.Equal(2, read.Step);
        Assert.All(states, s => Assert.True(s.Value.SameAs(read.States[s.Key]), s.Key));
    }

    [Fact]
    public void Infinite_gradients_of_a_finite_loss_are_found_too()
    {
        var net = new Network("root");
        var x = net.Input("x", ElementType.Float32, Dim.Symbol("batch"), 4);
        var root = (x * net.Filled("scale", 1, 4)).Map(Functions.Sqrt);
        using var trainer = new Trainer(TrainingStep.Of(net.Build(("loss", Losses.MeanOf(root)))));
        var source = new BatchSource("zeros", (_, _) => [new([Tensor.Of<float>([1, 2, 3, 4, 1, 0, 3, 4], 2, 4)], ["first", "second"])]);
        var e = Assert.Throws<SoftmodelException>(() => TrainingLoop.Run(trainer, source, new() { Steps = 3 }));
        Assert.Contains("the norm of the gradients is", e.Message, StringComparison.Ordinal);
        Assert.Contains("in the example second; ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Batches_have_each_example_once_and_like_lengths_together()
    {
        int[] lengths = [.. Enumerable.Range(0, 203).Select(i => i * 37 % 50 + 1)];
        var first = Batches.Of(lengths, 8, 1, 0);
        Assert.Equal(Enumerable.Range(0, 203), first.SelectMany(b => b).Order());
        Assert.Equal(first, Batches.Of(lengths, 8, 1, 0));
        Assert.NotEqual(first, Batches.Of(lengths, 8, 1, 1));
        Assert.NotEqual(first, Batches.Of(lengths, 8, 2, 0));
        Assert.True(first.Average(b => b.Max(i => lengths[i]) - b.Min(i => lengths[i])) < 4);
        var (rows, mask) = Batches.Padded([[1, 2, 3], [4]], 9);
        Assert.Equal([1, 2, 3, 4, 9, 9], rows.Values<long>().ToArray());
        Assert.Equal([1, 1, 1, 1, 0, 0], mask.Values<long>().ToArray());
    }

    [Fact]
    public void Schedules_warm_up_and_fall()
    {
        var schedule = Schedules.Cosine(0.1).WithWarmUp(4);
        Assert.Equal([0.2, 0.4, 0.6, 0.8, 1, 0.55, 0.1], ((int[])[0, 1, 2, 3, 4, 9, 14]).Select(step => Math.Round(schedule(step, 14), 9)));
        Assert.Equal(1, Schedules.Constant(7, 14));
    }
}
