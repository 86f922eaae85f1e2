using Softmodel.Evaluate;
using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Learn;

/// <summary>Finds where in a step that was undone something arose that is no number.</summary>
static class Diagnosis
{
    /// <summary>What went wrong, and what to do about it.</summary>
    /// <param name="trainer">The trainer, as it was before the step and is again.</param>
    /// <param name="batch">What the step was taken on.</param>
    /// <param name="result">What it came to.</param>
    /// <param name="rate">The learning rate.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    public static SoftmodelException Of(Trainer trainer, Batch batch, StepResult result, double rate, CancellationToken cancellationToken)
    {
        var step = trainer.TrainingStep;
        Value[] inputs = [.. step.Graph.Arguments];
        var what = double.IsFinite(result.Loss) ? $"the norm of the gradients is {Number(result.GradientNorm)}" : $"the loss is {Number(result.Loss)}";
        var which = $"step {trainer.Count + 1} was undone: {what}";
        for (var i = 0; i < batch.Inputs.Count; i++)
        {
            if (FirstOf(batch.Inputs[i]) is not { } at)
                continue;
            var input = batch.Inputs[i];
            var row = RowsOf(inputs) is { } rows && input.Rank > 0 && rows.Contains(i) ? batch.Examples.ElementAtOrDefault((int)(at / (input.Count / input.Dims[0]))) : null;
            return new($"{which}, since the input '{inputs[i].Name}' has {Number(input.Float(at))}{In(row is null ? batch.Examples : [row])}: mend that example, or leave it out");
        }
        var alone = Alone(trainer, batch, inputs, rate, cancellationToken);
        var guilty = alone ?? batch;
        var place = PlaceOf(trainer, guilty, rate, cancellationToken) is { } found ? $"{found.Kind} arises in {found.Place}" : "in what order sums are taken decides whether it is a number: something in the network is near the largest floats";
        return new($"{which}{In(guilty.Examples)}{(alone is null && batch.Examples.Count > 1 ? " together, and in none alone" : "")}; {place}. Lower the learning rate (it was {rate:G3}), clip gradients more tightly, or leave out the example");
    }

    static string Number(double number) => double.IsNaN(number) ? "NaN" : number > 0 ? "infinite" : "minus infinity";

    static string In(IReadOnlyList<string> examples) => examples.Count switch
    {
        0 => "",
        1 => $" in the example {examples[0]}",
        <= 3 => $" in the examples {string.Join(", ", examples)}",
        _ => $" in the examples {string.Join(", ", examples.Take(3))} and {examples.Count - 3} more",
    };

    /// <summary>The first element that is no finite number.</summary>
    static long? FirstOf(Tensor tensor)
    {
        for (var i = 0L; tensor.Type.IsFloat() && i < tensor.Count; i++)
        {
            if (!double.IsFinite(tensor.Float(i)))
                return i;
        }
        return null;
    }

    /// <summary>The inputs whose rows are examples: those with a first axis that is called as that of the first input; null where its size is fixed.</summary>
    static HashSet<int>? RowsOf(Value[] inputs) => inputs[0] is { Rank: > 0 } first && first.Shape[0].SymbolName is { } symbol
        ? [.. Enumerable.Range(0, inputs.Length).Where(i => inputs[i].Rank > 0 && inputs[i].Shape[0].SymbolName == symbol)] : null;

    /// <summary>The first example with which alone a step comes to no number.</summary>
    static Batch? Alone(Trainer trainer, Batch batch, Value[] inputs, double rate, CancellationToken cancellationToken)
    {
        if (batch.Examples.Count == 1)
            return batch;
        if (RowsOf(inputs) is not { } rows || rows.Any(i => i < batch.Inputs.Count && batch.Inputs[i].Dims[0] != batch.Examples.Count))
            return null;
        var (states, count) = (trainer.States, trainer.Count);
        try
        {
            for (var example = 0; example < batch.Examples.Count; example++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var one = new Batch([.. batch.Inputs.Select((x, i) => rows.Contains(i) ? Row(x, example) : x)], [batch.Examples[example]]);
                if (!trainer.Step(one.Inputs, rate).IsFinite)
                    return one;
                (trainer.States, trainer.Count) = (states, count);
            }
            return null;
        }
        finally
        {
            (trainer.States, trainer.Count) = (states, count);
        }
    }

    static Tensor Row(Tensor tensor, int row)
    {
        var bytes = tensor.Bytes.Length / (int)tensor.Dims[0];
        return new(tensor.Type, [1, .. tensor.Dims[1..]], tensor.Bytes.Slice(row * bytes, bytes));
    }

    /// <summary>
    /// Where it arises, by the reference evaluator. What is not finite is followed from operands to results: infinities that are
    /// meant, as those behind a mask, end where they are masked, and only what reaches the loss or a gradient is told of.
    /// </summary>
    static (string Kind, string Place)? PlaceOf(Trainer trainer, Batch batch, double rate, CancellationToken cancellationToken)
    {
        var step = trainer.TrainingStep;
        Tensor[] inputs = [.. batch.Inputs, .. trainer.Scalars(rate), .. step.States.Select(s => trainer[s])];
        var causes = new Dictionary<Value, (Node Node, bool IsNaN)>();
        (Node Node, bool IsNaN)? inner = null;
        void Watch(Node node, Tensor[] operands, Tensor[] results)
        {
            foreach (var (value, result) in node.Outputs.Zip(results))
            {
                if (FirstOf(result) is null)
                    continue;
                var isNaN = Any(result, double.IsNaN);
                if (node.Inputs.FirstOrDefault(causes.ContainsKey) is { } operand)
                    causes[value] = causes[operand];
                else if (node.Bodies.Any() && inner is { } body)
                    causes[value] = body;
                else if (node.Inputs.Count > 0 && (operands.All(x => FirstOf(x) is null) || (isNaN && !operands.Any(x => Any(x, double.IsNaN)))))
                    causes[value] = (node, isNaN);
                if (causes.TryGetValue(value, out var cause))
                    inner = cause;
            }
        }
        var graph = step.Graph;
        Evaluator.Run(graph, inputs, Watch, trainer.Seed + (ulong)trainer.Count, cancellationToken);
        var results = graph.OutputNames.Zip(graph.Outputs).ToArray();
        var norm = results.First(r => r.First == "gradient_norm").Second;
        foreach (var value in (Value[])[graph.Outputs[0], norm])
        {
            if (causes.TryGetValue(value, out var cause))
                return (cause.IsNaN ? "NaN" : "infinity", Place(cause.Node));
        }
        return null;
    }

    static bool Any(Tensor tensor, Func<double, bool> test)
    {
        for (var i = 0L; tensor.Type.IsFloat() && i < tensor.Count; i++)
        {
            if (test(tensor.Float(i)))
                return true;
        }
        return false;
    }

    static string Place(Node node)
    {
        var origin = node.Origin;
        string[] parts =
        [
            .. origin.Layer is { } layer ? (string[])[$"layer {layer}"] : [],
            .. origin.Role != Role.None ? (string[])[Roles.NameOf(origin.Role)] : [],
            .. node.Source.Length > 0 ? (string[])[$"'{node.Source}'"] : origin.Scope.Count > 0 ? [$"'{string.Join('.', origin.Scope)}'"] : [],
        ];
        return $"{(parts.Length > 0 ? string.Join(", ", parts) : "the network")} ({OpForms.NameOf(node.Op)})";
    }
}
