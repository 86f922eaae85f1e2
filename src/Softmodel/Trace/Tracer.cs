using System.Buffers;
using Softmodel.Compile;
using Softmodel.Emit;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Lowering;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Trace;

/// <summary>What the examples of a set came to.</summary>
/// <param name="Measures">The measure of each.</param>
/// <param name="Margins">The margin of each.</param>
/// <param name="Tops">The class of each one's largest logit, where it has one answer.</param>
sealed record Outcome(float[] Measures, float[] Margins, long[] Tops)
{
    /// <summary>The mean of the measures.</summary>
    public double Measure => Measures.Average(m => (double)m);

    /// <summary>The share of examples whose answer is right.</summary>
    public double Accuracy => Margins.Count(m => m > 0) / (double)Margins.Length;
}

/// <summary>Numbers of a site in a run: of its activations, [positions, parts, elements], or of gradients by cuts, [positions, parts].</summary>
/// <param name="site">The number of the site.</param>
/// <param name="places">Its positions.</param>
/// <param name="numbers">The numbers, valid until the visit ends.</param>
delegate void Visit(int site, IReadOnlyList<Place> places, ReadOnlySpan<float> numbers);

/// <summary>What parts are cut to in a run, and by how much.</summary>
/// <param name="site">The number of the site.</param>
/// <param name="places">Its positions.</param>
/// <param name="cut">For each position and part how much of it is replaced, from 0 to 1; 0 at first.</param>
/// <param name="replacement">For each position, part and element what it is replaced by; 0 at first.</param>
delegate void Fill(int site, IReadOnlyList<Place> places, Span<float> cut, Span<float> replacement);

/// <summary>A subject that is compiled to be traced: once with activations, and once with gradients where they are asked for.</summary>
/// <param name="subject">The subject.</param>
/// <param name="sites">Where parts can be cut.</param>
/// <param name="threads">The number of threads; results do not depend on it.</param>
/// <param name="progress">Is told what is being done.</param>
/// <param name="cancellationToken">Stops it between runs.</param>
sealed class Tracer(Subject subject, IReadOnlyList<Site> sites, int threads, IProgress<string>? progress, CancellationToken cancellationToken) : IDisposable
{
    CompiledModel? activations, gradients;

    /// <summary>Where parts can be cut.</summary>
    public IReadOnlyList<Site> Sites => sites;

    /// <summary>Is told what is being done.</summary>
    public IProgress<string>? Progress => progress;

    CompiledModel Compiled(Graph graph, IReadOnlyDictionary<string, long> usual)
    {
        var compiled = InProcess.Compile(Lower.Program(Pipeline.Exact(graph, Evaluator.FoldKeepingStored), new(usual)), InProcess.Width, cancellationToken);
        compiled.Threads = threads;
        return compiled;
    }

    CompiledModel WithActivations()
    {
        progress?.Report("compiling the network with cuts");
        return Compiled(Cuts.WithActivations(subject, sites).Graph, subject.Usual);
    }

    CompiledModel WithGradients()
    {
        progress?.Report("compiling the network with gradients");
        return Compiled(Cuts.WithGradients(subject, sites, Decoded()).Graph, subject.Usual);
    }

    Dictionary<string, Tensor> Decoded()
    {
        var parameters = Parameters.Of(subject.Graph).Where(p => p.Format is not null).ToArray();
        if (parameters.Length == 0)
            return [];
        var builder = new GraphBuilder("decoded", Evaluator.FoldKeepingStored);
        using var compiled = Compiled(builder.Build(parameters.Select(p => builder.Apply(p)), parameters.Select(p => p.Name)), UsualSizes.None.Named);
        return parameters.Zip(compiled.Run((IReadOnlyList<Tensor>)[])).ToDictionary(p => p.First.Name, p => p.Second, StringComparer.Ordinal);
    }

    /// <summary>Runs examples with parts cut.</summary>
    /// <param name="set">The examples.</param>
    /// <param name="chosen">Which of them.</param>
    /// <param name="fill">What is cut; null for nothing.</param>
    /// <param name="visit">Is given all activations, before they are cut.</param>
    public Outcome Run(ExampleSet set, IReadOnlyList<int> chosen, Fill? fill = null, Visit? visit = null) =>
        Run(activations ??= WithActivations(), set, chosen, fill, visit);

    /// <summary>Runs examples, and computes the gradients of their measures by how much of each part is cut.</summary>
    /// <inheritdoc cref="Run(ExampleSet, IReadOnlyList{int}, Fill, Visit)"/>
    public Outcome Differentiate(ExampleSet set, IReadOnlyList<int> chosen, Fill fill, Visit visit) =>
        Run(gradients ??= WithGradients(), set, chosen, fill, visit);

    Outcome Run(CompiledModel compiled, ExampleSet set, IReadOnlyList<int> chosen, Fill? fill, Visit? visit)
    {
        var (outcome, first, given) = (new Outcome(new float[chosen.Count], new float[chosen.Count], new long[chosen.Count]), 0, subject.Graph.Inputs.Count);
        var names = subject.Graph.OutputNames.ToList();
        var arguments = new TensorArgument[given + 2 * sites.Count];
        var arrays = new (float[] Cut, float[] Replacement)[sites.Count];
        var places = new IReadOnlyList<Place>[sites.Count];
        foreach (var batch in set.Batches(chosen))
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var i = 0; i < sites.Count; i++)
            {
                places[i] = [.. batch.PlacesOf(sites[i]).Select(p => p with { Example = first + p.Example })];
                var (parts, elements) = (places[i].Count * sites[i].Parts, places[i].Count * sites[i].Parts * sites[i].Inner);
                if (arrays[i].Cut?.Length != parts)
                    arrays[i] = (new float[parts], new float[elements]);
                else
                {
                    Array.Clear(arrays[i].Cut);
                    Array.Clear(arrays[i].Replacement);
                }
                fill?.Invoke(i, places[i], arrays[i].Cut, arrays[i].Replacement);
                (arguments[given + 2 * i], arguments[given + 2 * i + 1]) = (TensorArgument.Of<float>(arrays[i].Cut, parts), TensorArgument.Of<float>(arrays[i].Replacement, elements));
            }
            Compute(compiled, batch.Inputs, arguments);
            compiled.Output(names.IndexOf(Subject.Measure)).Span<float>().CopyTo(outcome.Measures.AsSpan(first));
            compiled.Output(names.IndexOf(Subject.Margin)).Span<float>().CopyTo(outcome.Margins.AsSpan(first));
            if (names.IndexOf(Subject.Top) is >= 0 and var top)
                compiled.Output(top).Span<long>().CopyTo(outcome.Tops.AsSpan(first));
            if (Array.FindIndex(outcome.Measures, first, batch.Count, m => !float.IsFinite(m)) is >= 0 and var bad)
                throw new SoftmodelException($"example {chosen[bad] + 1} of {set.Name} has the measure {outcome.Measures[bad]}: the model computes no numbers for it");
            for (var i = 0; visit is not null && i < sites.Count; i++)
                visit(i, places[i], compiled.Output(names.Count + i).Span<float>());
            first += batch.Count;
        }
        return outcome;
    }

    static unsafe void Compute(CompiledModel compiled, IReadOnlyList<Tensor> inputs, TensorArgument[] arguments)
    {
        var pins = new MemoryHandle[inputs.Count];
        try
        {
            for (var i = 0; i < pins.Length; i++)
            {
                pins[i] = inputs[i].Bytes.Pin();
                arguments[i] = new(inputs[i].Type, pins[i].Pointer, inputs[i].Dims);
            }
            compiled.Run(arguments);
        }
        finally
        {
            foreach (ref var pin in pins.AsSpan())
                pin.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        activations?.Dispose();
        gradients?.Dispose();
    }
}
