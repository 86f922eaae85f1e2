using Softmodel.Graphs;
using Softmodel.Networks;

namespace Softmodel.Trace;

/// <summary>The measures of logits.</summary>
static class Answers
{
    /// <summary>For each row of logits its measure, margin and largest class.</summary>
    /// <param name="logits">[rows, classes].</param>
    /// <param name="right">The right classes, [rows]; what is below 0 counts as 0.</param>
    /// <param name="measure">How right an answer is.</param>
    public static (Term Measure, Term Margin, Term Top) Of(Term logits, Term right, Measures measure)
    {
        var classes = new Term(logits.Builder, logits.Builder.Apply(new Op.Iota(logits.Shape[1])));
        var index = right.Max(0).Unsqueeze(1);
        Term Own(Term x) => x.Apply(new Op.GatherElements(1), index).Squeeze(1);
        var others = classes.EqualTo(index).Select(logits.Scalar(double.NegativeInfinity), logits).Reduce(Reduction.Max, [1]);
        var margin = Own(logits) - others;
        return (measure == Measures.Margin ? margin : Own(logits) - logits.LogSumExp(1).Squeeze(1), margin, logits.Apply(new Op.ArgReduce(true, 1, false)));
    }
}
