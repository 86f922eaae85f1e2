using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>What a step of training came to.</summary>
/// <param name="Loss">The loss of the batch, before the step.</param>
/// <param name="GradientNorm">The norm of all gradients together.</param>
/// <param name="Metrics">The network's other outputs.</param>
public sealed record StepResult(double Loss, double GradientNorm, IReadOnlyList<Tensor> Metrics)
{
    /// <summary>Whether loss and gradients were numbers; else the step has changed nothing.</summary>
    public bool IsFinite => double.IsFinite(Loss) && double.IsFinite(GradientNorm);
}

/// <summary>A compiled training step with what it changes: parameters and moments.</summary>
/// <remarks>The losses are the same to the last bit for every number of threads.</remarks>
public sealed class Trainer : IDisposable
{
    readonly TrainingStep step;
    readonly CompiledModel compiled;
    readonly TensorType[] types;

    /// <summary>Compiles a step, and begins with the parameters as they are in the network.</summary>
    /// <param name="step">The step.</param>
    /// <param name="use">Usual sizes of batches; null for none.</param>
    /// <param name="compile">How it is compiled.</param>
    /// <param name="cancellationToken">Stops compiling.</param>
    public Trainer(TrainingStep step, UseCase? use = null, CompileOptions? compile = null, CancellationToken cancellationToken = default)
    {
        this.step = step;
        types = [.. step.Graph.States.Select(s => step.Graph.Inputs[s.Input].Type)];
        var width = compile?.VectorBits is > 0 and var bits ? bits : InProcess.Width;
        var results = step.Graph.Outputs.Count - step.Graph.States.Count - 1;
        var plan = MemoryBudget.Fit(Pipeline.Exact(step.Graph, Evaluator.Fold), results, new((use ?? new()).Usual), width, step.MemoryBudget, cancellationToken);
        (StepBytes, WorkingBytes) = ((long)plan.Bytes, (long)plan.WorkingBytes);
        compiled = InProcess.Compile(plan.Program, width, cancellationToken);
        compiled.Threads = compile?.Threads is > 0 and var threads ? threads : Environment.ProcessorCount;
        foreach (var parameter in step.Parameters)
            this[parameter.Name] = parameter.Value;
    }

    /// <summary>How many steps have been taken: one for each batch.</summary>
    public long Count { get; set; }

    /// <summary>The seed of random numbers, as of dropout; that of a step is this and its number.</summary>
    public ulong Seed { get; set; }

    /// <summary>The bytes of memory that a step works in, without parameters and moments.</summary>
    public long MemoryBytes => compiled.MemoryBytes;

    /// <summary>The bytes of memory that a step takes at usual sizes: what it works in, parameters, moments, other weights, and the batch.</summary>
    public long StepBytes { get; }

    /// <summary>What a step works in, of <see cref="StepBytes"/>.</summary>
    internal long WorkingBytes { get; }

    /// <summary>What is trained.</summary>
    internal TrainingStep TrainingStep => step;

    /// <summary>The names of the parameters that are trained.</summary>
    internal IEnumerable<string> Parameters => step.Parameters.Select(p => p.Name);

    /// <summary>All states, by their names.</summary>
    internal IReadOnlyDictionary<string, Tensor> States
    {
        get => step.States.ToDictionary(s => s, s => this[s], StringComparer.Ordinal);
        set
        {
            foreach (var (name, tensor) in value)
                this[name] = tensor;
        }
    }

    /// <summary>A state, by its name in <see cref="TrainingStep.States"/>.</summary>
    /// <exception cref="ArgumentException">There is none of that name, or the tensor is of another type.</exception>
    public Tensor this[string name]
    {
        get => new(types[IndexOf(name)].Element, types[IndexOf(name)].Shape.Known, Bytes(IndexOf(name)).ToArray());
        set
        {
            var index = IndexOf(name);
            if (value.TensorType != types[index])
                throw new ArgumentException($"the state '{name}' is {types[index]}, not {value.TensorType}", nameof(value));
            value.Bytes.Span.CopyTo(Bytes(index));
        }
    }

    int IndexOf(string name) => step.States.ToList().IndexOf(name) is >= 0 and var index ? index : throw new ArgumentException($"there is no state '{name}'", nameof(name));

    Span<byte> Bytes(int index) => compiled.State(index, checked((int)(types[index].Shape.KnownCount!.Value * types[index].Element.Size())));

    /// <summary>Takes a step.</summary>
    /// <param name="batch">One tensor for each of the network's inputs, in order.</param>
    /// <param name="rate">The learning rate.</param>
    /// <exception cref="ModelException">A tensor does not fit its input.</exception>
    public StepResult Step(IReadOnlyList<Tensor> batch, double rate)
    {
        compiled.Seed = Seed + (ulong)Count;
        var results = compiled.Run((IReadOnlyList<Tensor>)[.. batch, .. Scalars(rate)]);
        var result = new StepResult(results[0].Float(0), results[^1].Float(0), results[1..^1]);
        if (result.IsFinite)
            Count++;
        return result;
    }

    /// <summary>What the next step is given beside its batch.</summary>
    internal Tensor[] Scalars(double rate)
    {
        var (rateNow, number) = (Tensor.Scalar(ElementType.Float32, rate), Tensor.Scalar(ElementType.Float32, Count / step.Accumulate + 1));
        return step.Accumulate == 1 ? [rateNow, number] : [rateNow, number, Tensor.Scalar((Count + 1) % step.Accumulate == 0)];
    }

    /// <summary>The network with its parameters as they are now.</summary>
    /// <param name="network">The network that is trained.</param>
    public Graph Trained(Graph network) => Passes.Parameters.Replace(network, Evaluator.Fold,
        step.Parameters.ToDictionary(p => p.Name, p => (Passes.Replacement)((builder, parameter) => builder.Apply(parameter with { Value = this[p.Name] })), StringComparer.Ordinal));

    /// <inheritdoc/>
    public void Dispose() => compiled.Dispose();
}
