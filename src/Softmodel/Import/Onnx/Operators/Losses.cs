using Softmodel.Graphs;
using Softmodel.Networks;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that say how wrong scores [N,C,...] are about classes [N,...].</summary>
static class Losses
{
    [Operator("NegativeLogLikelihoodLoss", since: 12)]
    static Term NegativeLogLikelihood(Term scores, Term classes, Term? weight, string reduction = "mean", long? ignoreIndex = null)
    {
        // What is ignored may be no class at all: it is read as class 0 and weighs nothing.
        var counts = ignoreIndex is { } ignored ? !classes.EqualTo(ignored) : default(Term?);
        var chosen = counts is { } some ? some.Select(classes, classes.Scalar(0)) : classes;
        var loss = -scores.Apply(new Op.GatherElements(1), chosen.Unsqueeze(1)).Squeeze(1);
        var weights = weight is { } w ? w.Gather(chosen, 0) : scores.Scalar(1).Broadcast(classes.Shape);
        if (counts is { } kept)
            (loss, weights) = (kept.Select(loss, loss.Scalar(0)), kept.Select(weights, weights.Scalar(0)));
        loss *= weights;
        int[] all = [.. Enumerable.Range(0, loss.Rank)];
        return reduction switch
        {
            "none" => loss,
            "sum" => loss.Reduce(Reduction.Sum, all),
            "mean" => loss.Reduce(Reduction.Sum, all) / weights.Reduce(Reduction.Sum, all),
            _ => throw new SoftmodelException($"the reduction '{reduction}' is not supported"),
        };
    }

    [Operator("SoftmaxCrossEntropyLoss", since: 12)]
    static Term[] SoftmaxCrossEntropy(Term scores, Term classes, Term? weight, string reduction = "mean", long? ignoreIndex = null)
    {
        var logarithms = Formulas.LogSoftmax(scores, [1]);
        return [NegativeLogLikelihood(logarithms, classes, weight, reduction, ignoreIndex), logarithms];
    }
}
