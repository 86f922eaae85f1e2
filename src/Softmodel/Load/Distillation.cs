using System.Security.Cryptography;
using Softmodel.Arrays;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Emit.Native;
using Softmodel.Evaluate;
using Softmodel.Export.Onnx;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Learn;
using Softmodel.Networks;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Load;

/// <summary>What a student's output is compared with its teacher's by.</summary>
enum DistillationLoss
{
    /// <summary>The Kullback-Leibler divergence of what logits along the last axis stand for.</summary>
    KullbackLeibler,
    /// <summary>The mean squared difference.</summary>
    L2,
    /// <summary>The mean absolute difference.</summary>
    L1,
    /// <summary>1 less the cosine similarity along the last axis.</summary>
    Cosine,
}

/// <summary>How a student is trained.</summary>
sealed record DistillationOptions
{
    /// <summary>What outputs are compared by; null for the Kullback-Leibler divergence of outputs that are called logits, and the mean squared difference of others.</summary>
    public DistillationLoss? Loss { get; init; }

    /// <summary>What logits are divided by.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>The share of the examples that are held out for validation; at least one is.</summary>
    public double Validation { get; init; } = 0.1;

    /// <summary>What the split and the order are drawn from.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How often each example is seen at most.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>How many examples a step is taken on, where models take several.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>After how many batches the student changes, by the mean of their gradients.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>The most bytes that a step may take on a usual batch; null for no bound.</summary>
    public long? MemoryBudget { get; init; }

    /// <summary>The learning rate.</summary>
    public double Rate { get; init; } = 1e-3;

    /// <summary>The file of the checkpoint, from which it goes on if it is there; null for none.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>How many threads train; 0 for the processor's cores.</summary>
    public int Threads { get; init; }
}

/// <summary>How near a student's output comes to its teacher's, in examples that were held out.</summary>
/// <param name="Name">The output.</param>
/// <param name="Loss">What it was compared by.</param>
/// <param name="Before">The loss before training.</param>
/// <param name="After">The loss after.</param>
/// <param name="Agreement">Of logits, the share of rows whose largest one is the teacher's; null for others.</param>
/// <param name="SnrDb">How much larger the teacher's output is than the difference, in dB; null for logits, which mean the same with any number added.</param>
sealed record DistilledOutput(string Name, DistillationLoss Loss, double Before, double After, double? Agreement, double? SnrDb);

/// <summary>What distillation came to.</summary>
/// <param name="Student">The student, trained.</param>
/// <param name="Outcome">What the training came to.</param>
/// <param name="HeldOut">How many examples were held out.</param>
/// <param name="Outputs">How near it comes to its teacher.</param>
/// <param name="TrainedParameters">How many numbers were trained.</param>
/// <param name="TeacherParameters">How many numbers the teacher has.</param>
/// <param name="Use">Usual sizes of its inputs.</param>
sealed record Distilled(Graph Student, TrainingOutcome Outcome, int HeldOut, IReadOnlyList<DistilledOutput> Outputs, long TrainedParameters, long TeacherParameters, UseCase Use);

/// <summary>Trains a student, a network of any kind, to give what its teacher does.</summary>
static class Distillation
{
    const int Patience = 5;

    const double WarmUp = 0.05, LeastRate = 0.02, WeightDecay = 0.01;

    // A larger number is a mask, or stands for infinity: nothing that is trained.
    const double MostWeight = 1e4;

    const string Target = "teacher.";

    /// <summary>Trains.</summary>
    /// <param name="teacher">The teacher.</param>
    /// <param name="student">The student, with the weights that it begins with.</param>
    /// <param name="examples">Inputs of the teacher.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Is told what is being done.</param>
    /// <param name="events">Is told of each step.</param>
    /// <param name="cancellationToken">Stops it, when a checkpoint has been written.</param>
    /// <exception cref="SoftmodelException">The student does not match its teacher, an example does not fit, or the training failed.</exception>
    public static Distilled Run(Model teacher, Graph student, IReadOnlyList<InputSet> examples, DistillationOptions options, IProgress<string>? progress, Action<TrainingEvent>? events, CancellationToken cancellationToken)
    {
        if (examples.Count < 2)
            throw new SoftmodelException($"there are {examples.Count} examples; two or more are needed, of which some are held out");
        progress?.Report("importing");
        var pairs = Match(teacher.Imported, student, options.Loss);
        var network = Network(student, pairs, options.Temperature, withOutputs: false);
        var compile = new CompileOptions { Threads = options.Threads };
        using var compiled = teacher.Compile(compile, progress, cancellationToken);
        progress?.Report("compiling the training step");
        var form = new Examples(compiled.Inputs, student, pairs, compiled);
        var use = new UseCase { Usual = form.Usual(examples, options.BatchSize) };
        using var trainer = new Trainer(TrainingStep.Of(network, options: new() { Optimiser = Optimiser.AdamW(weightDecay: WeightDecay), Accumulate = options.Accumulate, MemoryBudget = options.MemoryBudget }), use, compile, cancellationToken);
        using var current = new CurrentNetwork(Network(student, pairs, options.Temperature, withOutputs: true), trainer, use, compile, cancellationToken);
        var (trained, heldOut) = ClassifierTraining.Split([.. examples.Select(_ => 0)], options.Validation, options.Seed);
        long[] sizes = [.. examples.Select(form.SizeOf)];
        IEnumerable<Batch> Batched(IEnumerable<int[]> chosen) => chosen.SelectMany(c => form.Alike([.. c.Select(i => examples[i])])).Select(form.BatchOf);
        Batch[] validation = [.. Batched(heldOut.OrderBy(i => sizes[i]).Chunk(options.BatchSize))];
        int[] lengths = [.. trained.Select(i => (int)Math.Min(int.MaxValue, sizes[i]))];
        IEnumerable<InputSet[]> Epoch(long epoch) => Batches.Of(lengths, options.BatchSize, options.Seed, epoch).SelectMany(b => form.Alike([.. b.Select(i => examples[trained[i]])]));
        var source = new BatchSource(Identity(examples, options), (epoch, from) => Epoch(epoch).Skip((int)from).Select(form.BatchOf));
        var steps = options.Epochs * (long)Epoch(0).Count();
        progress?.Report("measuring the student as it is");
        var before = Measure(current, validation, pairs, cancellationToken);
        var outcome = TrainingLoop.Run(trainer, source, new()
        {
            Steps = steps,
            Rate = options.Rate,
            Schedule = Schedules.Cosine(LeastRate).WithWarmUp((long)(WarmUp * steps)),
            Validate = c => current.MeanLoss(validation, c),
            Patience = Patience,
            Checkpoint = options.Checkpoint,
            Progress = events,
        }, cancellationToken);
        progress?.Report("measuring the student as it is now");
        var after = Measure(current, validation, pairs, cancellationToken);
        return new(Trained(student, trainer), outcome, heldOut.Length, [.. before.Zip(after, (b, a) => a with { Before = b.After })],
            trainer.Parameters.Sum(p => trainer[p].Count), Passes.Parameters.Of(teacher.Imported).Sum(p => p.Type.Shape.KnownCount ?? 0), use with { Usual = form.Usual(examples, 1) });
    }

    /// <summary>Builds a native library of the student, and beside it the student as an ONNX file, and what a text model of its teacher's kind needs.</summary>
    public static Task<NativeResult> BuildAsync(Model teacher, Distilled distilled, string folder, NativeOptions build, IProgress<string>? progress, CancellationToken cancellationToken) => Task.Run(async () =>
    {
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        using var shipped = Model.Load(distilled.Student, name, distilled.Use, teacher.Licence);
        var isText = Encoder.Is(shipped.Inputs, shipped.Outputs) && EmbeddingModelLoading.IsEncoder(teacher);
        return await shipped.BuildAsync(folder, build, native => (isText ? EmbeddingModelLoading.WithText(native, teacher) : native) is var with
            ? with with { Beside = [.. with.Beside, ($"{name}.onnx", stream => OnnxExport.Write(distilled.Student, stream))] } : native, progress, cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    /// <summary>An output of the student, and what it is compared with.</summary>
    /// <param name="Index">Which of the student's.</param>
    /// <param name="Teacher">Which of the teacher's.</param>
    /// <param name="Name">Its name.</param>
    /// <param name="Loss">What they are compared by.</param>
    internal sealed record OutputPair(int Index, int Teacher, string Name, DistillationLoss Loss);

    /// <summary>The outputs that are compared: those of the same names, or the only ones.</summary>
    /// <exception cref="SoftmodelException">The student takes or gives what its teacher doesn't; the message names it with both shapes.</exception>
    internal static OutputPair[] Match(Graph teacher, Graph student, DistillationLoss? loss)
    {
        foreach (var (who, graph) in new[] { ("teacher", teacher), ("student", student) })
        {
            if (graph.States.Count > 0)
                throw new SoftmodelException($"the {who} has states ({graph.Inputs[graph.States[0].Input].Name}), which go from one run to the next; distil takes networks without them, such as an ONNX export without a KV cache");
        }
        foreach (var input in student.Inputs)
        {
            var theirs = teacher.Inputs.FirstOrDefault(v => v.Name == input.Name)
                ?? throw new SoftmodelException($"the student takes '{input.Name}', {input.Type}, and its teacher does not: it takes {Listed(teacher.Inputs)}");
            if (!Fits(theirs.Type, input.Type))
                throw new SoftmodelException($"the student takes '{input.Name}' as {input.Type}, and its teacher as {theirs.Type}");
        }
        var names = teacher.OutputNames.ToList();
        return [.. student.Outputs.Zip(student.OutputNames).Select((output, i) =>
        {
            var (value, name) = output;
            var index = names.IndexOf(name) is >= 0 and var same ? same : student.Outputs.Count == 1 && names.Count == 1 ? 0
                : throw new SoftmodelException($"the student gives '{name}', {value.Type}, and its teacher does not: it gives {string.Join(", ", names.Zip(teacher.Outputs, (n, v) => $"'{n}', {v.Type}"))}");
            var theirs = teacher.Outputs[index].Type;
            if (!value.Type.Element.IsFloat() || !theirs.Element.IsFloat() || !Fits(theirs with { Element = value.Type.Element }, value.Type))
                throw new SoftmodelException($"the student gives '{name}' as {value.Type}, and its teacher gives '{names[index]}' as {theirs}");
            return new OutputPair(i, index, name, loss ?? (names[index].Contains("logits", StringComparison.OrdinalIgnoreCase) ? DistillationLoss.KullbackLeibler : DistillationLoss.L2));
        })];
    }

    static bool Fits(TensorType a, TensorType b) => a.Element == b.Element && a.Shape.Rank == b.Shape.Rank && a.Shape.Dims.Zip(b.Shape.Dims).All(d => d.First.Value is not { } x || d.Second.Value is not { } y || x == y);

    static string Listed(IEnumerable<Value> values) => string.Join(", ", values.Select(v => $"'{v.Name}', {v.Type}"));

    /// <summary>The loss of the student's outputs, of its inputs and what the teacher gives; and the outputs where they are asked for.</summary>
    static Graph Network(Graph student, OutputPair[] pairs, double temperature, bool withOutputs)
    {
        var net = new Network("distilled");
        Value[] inputs = [.. student.Inputs.Select(v => net.Builder.Input(v.Name, v.Type))];
        Rule opened = (builder, op, _) => op is Op.Parameter parameter && IsTrained(parameter) ? new(builder, builder.Apply(parameter with { IsFrozen = false })) : null;
        var outputs = Rewriting.Append(net.Builder, student, inputs, opened);
        net.Builder.Origin = new("loss");
        var mask = student.Inputs.Index().FirstOrDefault(v => v.Item.Name == ExportInputs.Mask) is { Item: not null } at ? new Term(net.Builder, inputs[at.Index]) : (Term?)null;
        var losses = pairs.Select(pair =>
        {
            var ours = new Term(net.Builder, outputs[pair.Index]).Cast(ElementType.Float32);
            // What the student's own sizes are computed from is known; its targets bring theirs with them.
            Dim[] dims = [.. ours.Shape.Dims.Select((d, i) => d.IsKnown || d.SymbolName is not null ? d : Dim.Symbol($"{Target}{pair.Index}_{i}"))];
            var theirs = net.Input($"{Target}{pair.Name}", ElementType.Float32, dims).Reshape(ours.Shape);
            return Of(pair.Loss, ours, theirs, temperature, mask is { } m && Rows(pair.Loss, ours) is var rows && rows >= 2 && m.Rank == 2 && ours.Shape[0].Equals(m.Shape[0]) && ours.Shape[1].Equals(m.Shape[1])
                ? m.Reshape(new(m.Shape.Dims.Concat(Enumerable.Repeat(Dim.One, rows - 2)).ToEquatable())) : null);
        }).ToArray();
        var loss = losses.Aggregate((a, b) => a + b);
        return net.Build([("loss", loss), .. withOutputs ? pairs.Zip(losses).SelectMany(p => new[] { ($"loss.{p.First.Name}", p.Second), ($"student.{p.First.Name}", new Term(net.Builder, outputs[p.First.Index]).Cast(ElementType.Float32)) }) : []]);
    }

    /// <summary>How many axes the numbers of a loss have, of which the mean is taken.</summary>
    static int Rows(DistillationLoss loss, Term x) => loss is DistillationLoss.L1 or DistillationLoss.L2 ? x.Rank : x.Rank - 1;

    static Term Of(DistillationLoss loss, Term ours, Term theirs, double temperature, Term? counts) => loss switch
    {
        DistillationLoss.KullbackLeibler => Losses.KullbackLeibler(ours, theirs, temperature, counts),
        DistillationLoss.L2 => Losses.L2(ours, theirs, counts),
        DistillationLoss.L1 => Losses.L1(ours, theirs, counts),
        _ => Losses.Cosine(ours, theirs, counts),
    };

    static bool IsTrained(Op.Parameter parameter) => parameter is { Format: null, Value.Type: ElementType.Float32, Value.Count: > 1 } && !parameter.Value.Values<float>().ToArray().Any(x => !(Math.Abs(x) <= MostWeight));

    static Graph Trained(Graph student, Trainer trainer) => Passes.Parameters.Replace(student, Evaluator.FoldKeepingNarrow,
        trainer.Parameters.ToDictionary(p => p, p => (Replacement)((builder, parameter) => builder.Apply(parameter with { Value = trainer[p], IsFrozen = true })), StringComparer.Ordinal));

    static DistilledOutput[] Measure(CurrentNetwork current, Batch[] validation, OutputPair[] pairs, CancellationToken cancellationToken)
    {
        var sums = pairs.Select(_ => (Loss: 0.0, Count: 0L, Same: 0L, Rows: 0L, Signal: 0.0, Noise: 0.0)).ToArray();
        foreach (var (batch, outputs) in current.Run(validation, cancellationToken))
        {
            for (var i = 0; i < pairs.Length; i++)
            {
                var (ours, theirs) = (outputs[2 + 2 * i].Values<float>().ToArray(), batch.Inputs[batch.Inputs.Count - pairs.Length + i].Values<float>().ToArray());
                sums[i].Loss += outputs[1 + 2 * i].Float(0) * batch.Examples.Count;
                sums[i].Count += batch.Examples.Count;
                var width = (int)outputs[2 + 2 * i].Dims[^1];
                foreach (var (a, b) in ours.Chunk(width).Zip(theirs.Chunk(width)))
                {
                    sums[i].Rows++;
                    if (Sampler.Largest(a) == Sampler.Largest(b))
                        sums[i].Same++;
                }
                sums[i].Signal += theirs.Sum(x => (double)x * x);
                sums[i].Noise += ours.Zip(theirs, (a, b) => ((double)a - b) * ((double)a - b)).Sum();
            }
        }
        return [.. pairs.Zip(sums, (p, s) => new DistilledOutput(p.Name, p.Loss, 0, s.Loss / s.Count, p.Loss == DistillationLoss.KullbackLeibler ? (double)s.Same / s.Rows : null,
            p.Loss == DistillationLoss.KullbackLeibler ? null : 10 * Math.Log10(s.Signal / Math.Max(s.Noise, 1e-30))))];
    }

    static string Identity(IReadOnlyList<InputSet> examples, DistillationOptions options)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(System.Text.Encoding.UTF8.GetBytes($"{options.BatchSize} {options.Seed} {options.Validation:R} {options.Temperature:R} {options.Loss}\n"));
        foreach (var (name, tensor) in examples.SelectMany(e => e.Tensors.OrderBy(t => t.Key, StringComparer.Ordinal)))
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes($"{name} {tensor.TensorType}\n"));
            hash.AppendData(tensor.Bytes.Span);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>How examples become batches: one after the other along the first axis, where models leave its size open; texts are padded.</summary>
    /// <param name="inputs">What the teacher takes.</param>
    /// <param name="student">The student.</param>
    /// <param name="pairs">What is compared.</param>
    /// <param name="teacher">What gives the targets.</param>
    sealed class Examples(IReadOnlyList<TensorInfo> inputs, Graph student, OutputPair[] pairs, CompiledModel teacher)
    {
        readonly bool joins = inputs.All(i => i.Rank > 0 && i.Sizes[0] < 0) && student.Inputs.All(v => v.Rank > 0 && !v.Shape[0].IsKnown);

        readonly bool pads = inputs.Any(i => i.Name == ExportInputs.Mask) && TextInputs.Are(inputs) && inputs.All(i => i.Rank == 2 && i.Sizes[1] < 0);

        /// <summary>How large an example is: those of like size become batches.</summary>
        public long SizeOf(InputSet example) => inputs.Sum(i => example.Tensors[i.Name].Count);

        /// <summary>Parts of which each can be one batch.</summary>
        public IEnumerable<InputSet[]> Alike(InputSet[] chosen) => !joins ? chosen.Chunk(1)
            : chosen.GroupBy(e => pads ? "" : string.Join(' ', inputs.Select(i => string.Join(',', e.Tensors[i.Name].Dims[1..].ToArray())))).Select(g => g.ToArray());

        /// <summary>Usual sizes of the student's inputs.</summary>
        public Dictionary<string, long> Usual(IReadOnlyList<InputSet> examples, int batch) => student.Inputs
            .SelectMany(v => v.Shape.Dims.Select((d, axis) => (Name: d.SymbolName, Size: axis == 0 && joins ? batch : (long)Math.Ceiling(examples.Take(100).Average(e => e.Tensors[v.Name].Dims[axis])))))
            .Where(s => s.Name is not null && s.Size > 0).DistinctBy(s => s.Name).ToDictionary(s => s.Name!, s => s.Size, StringComparer.Ordinal);

        /// <summary>What the student is given, and what its teacher gives.</summary>
        public Batch BatchOf(InputSet[] chosen)
        {
            var given = inputs.ToDictionary(i => i.Name, i => Joined([.. chosen.Select(e => e.Tensors[i.Name])]), StringComparer.Ordinal);
            var names = string.Join(", ", chosen.Select(c => c.Name));
            IReadOnlyList<Tensor> targets;
            try
            {
                targets = teacher.Run((IReadOnlyList<Tensor>)[.. inputs.Select(i => given[i.Name])]);
            }
            catch (ModelException e)
            {
                throw new SoftmodelException($"{names}: the teacher refuses it: {e.Message}", e);
            }
            return new([.. student.Inputs.Select(v => given[v.Name]), .. pairs.Select(p => Floats(targets[p.Teacher], p.Name, names))], [.. chosen.Select(c => c.Name)]);
        }

        static Tensor Floats(Tensor tensor, string name, string where)
        {
            var floats = new float[tensor.Count];
            for (var i = 0; i < floats.Length; i++)
            {
                floats[i] = (float)tensor.Float(i);
                if (!float.IsFinite(floats[i]))
                    throw new SoftmodelException($"{where}: the teacher gives {floats[i]} in '{name}', of which nothing is learned; leave the example out");
            }
            return Tensor.Of<float>(floats, tensor.Dims);
        }

        Tensor Joined(Tensor[] parts)
        {
            if (parts.Length == 1)
                return parts[0];
            long[] dims = [parts.Sum(p => p.Dims[0]), .. parts[0].Dims[1..]];
            if (pads)
                dims[1] = parts.Max(p => p.Dims[1]);
            var (bytes, at) = (new byte[Tensor.CountOf(dims) * parts[0].Type.Size()], 0);
            foreach (var part in parts)
            {
                // Padding is zeros: of the mask, too.
                var (row, rows) = ((int)(part.Bytes.Length / Math.Max(1, part.Dims[0])), (int)part.Dims[0]);
                var stride = bytes.Length / (int)dims[0];
                for (var r = 0; r < rows; r++, at += stride)
                    part.Bytes.Span.Slice(r * row, row).CopyTo(bytes.AsSpan(at));
            }
            return new(parts[0].Type, dims, bytes);
        }
    }
}
