using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>A compiled network that is computed with the parameters that a trainer has at the time: for validation.</summary>
public sealed class CurrentNetwork : IDisposable
{
    readonly Trainer trainer;
    readonly CompiledModel compiled;
    readonly string[] parameters;
    readonly int arguments;

    /// <summary>Compiles a network.</summary>
    /// <param name="network">The network, which has parameters of those that are trained, by their names.</param>
    /// <param name="trainer">What trains them; it is left to its owner.</param>
    /// <param name="use">Usual sizes of batches; null for none.</param>
    /// <param name="compile">How it is compiled.</param>
    /// <param name="cancellationToken">Stops compiling.</param>
    public CurrentNetwork(Graph network, Trainer trainer, UseCase? use = null, CompileOptions? compile = null, CancellationToken cancellationToken = default)
    {
        this.trainer = trainer;
        var trained = trainer.Parameters.ToHashSet(StringComparer.Ordinal);
        var taken = Passes.Parameters.AsInputs(network, Evaluator.Fold, [.. Passes.Parameters.Of(network).Select(p => p.Name).Where(trained.Contains)]);
        arguments = network.Inputs.Count;
        parameters = [.. taken.Inputs.Skip(arguments).Select(v => v.Name)];
        var graph = Pipeline.Exact(taken, Evaluator.Fold);
        compiled = InProcess.Compile(Lower.Program(graph, new((use ?? new()).Usual)), compile?.VectorBits is > 0 and var bits ? bits : InProcess.Width, cancellationToken);
        compiled.Threads = compile?.Threads is > 0 and var threads ? threads : Environment.ProcessorCount;
    }

    /// <summary>The network's outputs for each of some batches.</summary>
    /// <param name="batches">The batches.</param>
    /// <param name="cancellationToken">Stops before the next batch.</param>
    /// <exception cref="ModelException">A tensor does not fit its input.</exception>
    public IEnumerable<(Batch Batch, IReadOnlyList<Tensor> Outputs)> Run(IEnumerable<Batch> batches, CancellationToken cancellationToken = default)
    {
        Tensor[] now = [.. parameters.Select(p => trainer[p])];
        foreach (var batch in batches)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return (batch, compiled.Run((IReadOnlyList<Tensor>)[.. batch.Inputs.Take(arguments), .. now]));
        }
    }

    /// <summary>The mean over all examples of the network's first output, a scalar for each batch.</summary>
    /// <inheritdoc cref="Run"/>
    public double MeanLoss(IEnumerable<Batch> batches, CancellationToken cancellationToken = default)
    {
        var (sum, count) = (0.0, 0L);
        foreach (var (batch, outputs) in Run(batches, cancellationToken))
        {
            sum += outputs[0].Float(0) * batch.Examples.Count;
            count += batch.Examples.Count;
        }
        return count == 0 ? throw new SoftmodelException("there is no example to validate on") : sum / count;
    }

    /// <inheritdoc/>
    public void Dispose() => compiled.Dispose();
}
