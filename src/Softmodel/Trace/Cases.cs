using Softmodel.Arrays;
using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Passes;
using Softmodel.Runtime;

namespace Softmodel.Trace;

/// <summary>Networks that take arrays and give logits, which are measured against target classes.</summary>
static class Cases
{
    /// <summary>The array with the target classes: of the shape of the logits without their last axis; places below 0 are not measured.</summary>
    public const string Targets = "targets";

    /// <summary>More examples are several runs.</summary>
    const int MostExamples = 128;

    /// <summary>A network with the measure of its logits, the mean over the measured places of an example.</summary>
    /// <param name="model">The network, as imported.</param>
    /// <param name="output">The output with the logits; null for the only one.</param>
    /// <param name="measure">How right an answer is.</param>
    /// <param name="targetAxes">How many axes targets have.</param>
    /// <exception cref="SoftmodelException">There is no such output, or it has no axis of classes.</exception>
    public static Subject Of(Graph model, string? output, Measures measure, out int targetAxes)
    {
        if (model.States.Count > 0)
            throw new SoftmodelException($"{model.Name} has states from run to run; what depends on the past can't be traced");
        var index = output is null && model.Outputs.Count == 1 ? 0 : model.OutputNames.ToList().IndexOf(output ?? "logits");
        if (index < 0)
            throw new SoftmodelException($"{model.Name} has no output '{output ?? "logits"}'; it gives {string.Join(", ", model.OutputNames)}: say which one has the logits");
        var marked = RolesByStructure.Mark(model);
        var builder = new GraphBuilder(model.Name, Evaluator.FoldKeepingStored);
        Value[] inputs = [.. model.Inputs.Select(v => builder.Input(v.Name, v.Type))];
        foreach (var symbol in model.AllNodes().SelectMany(n => n.Defines))
            builder.Reserve(symbol);
        var targets = new Term(builder, builder.Input(Targets, new(ElementType.Int64, new(builder.FreshSymbol("targets")))));
        var logits = new Term(builder, Rewriting.Append(builder, marked, inputs)[index]);
        if (logits.Rank < 2 || !logits.Element.IsFloat())
            throw new SoftmodelException($"the output '{model.OutputNames[index]}' of {model.Name} is {logits.Type}: logits have an axis of examples first and one of classes last");
        var (classes, places) = (logits.Shape[logits.Rank - 1], new Shape(logits.Shape.Dims.Take(logits.Rank - 1).ToEquatable()));
        targetAxes = places.Rank;
        var (scores, margins, _) = Answers.Of(logits.Reshape(new(targets.Shape[0], classes)), targets, measure);
        int[] within = [.. Enumerable.Range(1, places.Rank - 1)];
        var counted = (targets >= 0).Reshape(places);
        var weights = counted.Cast(logits.Element);
        var mean = (scores.Reshape(places) * weights).Reduce(Reduction.Sum, within) / weights.Reduce(Reduction.Sum, within);
        var least = counted.Select(margins.Reshape(places), margins.Scalar(double.PositiveInfinity)).Reduce(Reduction.Min, within);
        return new(builder.Build([mean.Value, least.Value], [Subject.Measure, Subject.Margin]), model.Inputs.Where(v => v.Rank > 0).Select(v => v.Shape[0].SymbolName).OfType<string>().Distinct().ToDictionary(s => s, _ => (long)MostExamples));
    }

    sealed record Example(Tensor[] Inputs, bool[] IsRow, Tensor Targets)
    {
        /// <summary>Whether two can be computed in one run.</summary>
        public bool Fits(Example other) => Targets.Dims[1..].SequenceEqual(other.Targets.Dims[1..]) && Enumerable.Range(0, Inputs.Length).All(i => IsRow[i]
            ? Inputs[i].Dims[1..].SequenceEqual(other.Inputs[i].Dims[1..]) : ReferenceEquals(Inputs[i], other.Inputs[i]));
    }

    /// <summary>The examples of a folder: along the first axis of inputs whose first size is open, and of the targets.</summary>
    /// <param name="folder">What <see cref="InputFolder"/> reads, with <see cref="Targets"/> among the arrays.</param>
    /// <param name="subject">The subject.</param>
    /// <param name="axes">How many axes the targets have.</param>
    /// <exception cref="SoftmodelException">There is nothing there, or it does not fit.</exception>
    public static ExampleSet Read(string folder, Subject subject, int axes)
    {
        var inputs = subject.Graph.Inputs.Take(subject.Graph.Inputs.Count - 1).ToArray();
        TensorInfo[] infos = [.. inputs.Select(v => v.Type.Info(v.Name)), new TensorType(ElementType.Int64, new(Enumerable.Range(0, axes).Select(i => Dim.Symbol($"t{i}")).ToEquatable())).Info(Targets)];
        var examples = InputFolder.Read(folder, infos, new Dictionary<string, Tensor>()).SelectMany(Rows).ToArray();
        return new(folder, examples.Length, chosen => Batches(subject, examples, chosen));

        IEnumerable<Example> Rows(InputSet set)
        {
            var targets = set.Tensors[Targets];
            var count = targets.Dims[0];
            bool[] isRow = [.. inputs.Select(v => v.Rank > 0 && v.Shape[0].Value is null && set.Tensors[v.Name].Dims[0] == count)];
            for (var row = 0L; row < count; row++)
            {
                var example = Row(targets, row);
                if (Enumerable.Range(0, (int)example.Count).All(i => example.Integer(i) < 0))
                    throw new SoftmodelException($"{folder}: example {row + 1} of {set.Name} has no target: classes are numbers from 0 up");
                yield return new([.. inputs.Select((v, i) => isRow[i] ? Row(set.Tensors[v.Name], row) : set.Tensors[v.Name])], isRow, example);
            }
        }
    }

    static Tensor Row(Tensor tensor, long row)
    {
        var size = tensor.Bytes.Length / Math.Max(tensor.Dims[0], 1);
        return new(tensor.Type, [1, .. tensor.Dims[1..]], tensor.Bytes.Slice((int)(row * size), (int)size));
    }

    static Tensor Stacked(IReadOnlyList<Tensor> rows) => new(rows[0].Type, [rows.Count, .. rows[0].Dims[1..]], rows.SelectMany(r => r.Bytes.ToArray()).ToArray());

    static IEnumerable<Batch> Batches(Subject subject, Example[] examples, IReadOnlyList<int> chosen)
    {
        for (var at = 0; at < chosen.Count;)
        {
            var first = examples[chosen[at]];
            // What has no axis of examples takes them one by one.
            var most = first.IsRow.Any(r => r) ? MostExamples : 1;
            Example[] here = [.. chosen.Skip(at).Take(most).Select(i => examples[i]).TakeWhile(first.Fits)];
            var targets = Stacked([.. here.Select(e => e.Targets)]);
            Tensor[] inputs = [.. Enumerable.Range(0, first.Inputs.Length).Select(i => first.IsRow[i] ? Stacked([.. here.Select(e => e.Inputs[i])]) : first.Inputs[i]), targets.Reshape(targets.Count)];
            yield return new(inputs, here.Length, site => Places(subject.Graph, inputs, here.Length, site));
            at += here.Length;
        }
    }

    static Place[] Places(Graph graph, Tensor[] inputs, int examples, Site site)
    {
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (input, axis, symbol, less) in Graph.SizeBindings(graph.Inputs))
            sizes[symbol] = inputs[input].Dims[axis] - less.Evaluate(s => sizes[s]);
        long[] dims = [.. site.PositionSizes.Select(d => d.Symbols.All(sizes.ContainsKey) ? d.Evaluate(s => sizes[s]) : throw new SoftmodelException($"'{site.Value}' can't be traced: its sizes are found while it is computed"))];
        if (dims.Length == 0 || dims[0] != examples)
            throw new SoftmodelException($"'{site.Value}' can't be traced: its first axis of size {(dims.Length == 0 ? "none" : dims[0])} is not that of the {examples} examples");
        var length = (int)dims.Skip(1).Aggregate(1L, (a, b) => a * b);
        return Place.Of(Enumerable.Repeat(length, examples));
    }
}
