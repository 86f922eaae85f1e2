using Softmodel.Graphs;
using Softmodel.Networks;

namespace Softmodel.Learn;

/// <summary>What training makes small: scalars. Means are over all elements, or over those that count.</summary>
public static class Losses
{
    static int[] All(Term x) => [.. Enumerable.Range(0, x.Rank)];

    /// <summary>The mean of all elements; of those that count, where it is said which.</summary>
    /// <param name="x">The elements.</param>
    /// <param name="counts">How much each counts, of a shape that is broadcast to theirs; null where all count the same.</param>
    public static Term MeanOf(Term x, Term? counts = null)
    {
        if (counts is not { } weights)
            return x.Mean(All(x)).Reshape(Shape.Scalar);
        weights = weights.Cast(x.Element).Broadcast(x.Shape);
        return (x * weights).Reduce(Reduction.Sum, All(x)) / weights.Reduce(Reduction.Sum, All(x)).Max(1e-20);
    }

    /// <summary>The cross entropy of classes: how surprised the logits are, in nats.</summary>
    /// <param name="logits">[..., classes].</param>
    /// <param name="labels">[...]: numbers of classes.</param>
    /// <param name="counts">How much each label counts, [...]; null where all count the same.</param>
    public static Term CrossEntropy(Term logits, Term labels, Term? counts = null)
    {
        var last = logits.Rank - 1;
        var chosen = logits.Apply(new Op.GatherElements(last), labels.Unsqueeze(last));
        return MeanOf((logits.LogSumExp(last) - chosen).Squeeze(last), counts);
    }

    /// <summary>The Kullback-Leibler divergence of a student from its teacher, in nats, times the square of the temperature.</summary>
    /// <param name="student">The student's logits, [..., classes].</param>
    /// <param name="teacher">The teacher's logits, of the same shape.</param>
    /// <param name="temperature">What both are divided by.</param>
    /// <param name="counts">How much each row counts, [...]; null where all count the same.</param>
    /// <remarks>Hinton, Vinyals, Dean: Distilling the knowledge in a neural network (2015), section 2.</remarks>
    public static Term KullbackLeibler(Term student, Term teacher, double temperature = 1, Term? counts = null)
    {
        var last = student.Rank - 1;
        var (ours, theirs) = ((student / temperature).LogSoftmax(last), (teacher / temperature).LogSoftmax(last));
        return MeanOf((theirs.Map(Functions.Exp) * (theirs - ours)).Reduce(Reduction.Sum, [last]), counts) * (temperature * temperature);
    }

    /// <summary>The mean absolute difference.</summary>
    public static Term L1(Term x, Term target, Term? counts = null) => MeanOf((x - target).Map(Functions.Abs), counts);

    /// <summary>The mean squared difference.</summary>
    public static Term L2(Term x, Term target, Term? counts = null)
    {
        var difference = x - target;
        return MeanOf(difference * difference, counts);
    }

    /// <summary>1 less the cosine similarity along the last axis, on average.</summary>
    public static Term Cosine(Term x, Term target, Term? counts = null)
    {
        int[] last = [x.Rank - 1];
        Term Dot(Term a, Term b) => (a * b).Reduce(Reduction.Sum, last);
        return MeanOf(1 - Dot(x, target) / (Dot(x, x) * Dot(target, target)).Max(1e-16).Map(Functions.Sqrt), counts);
    }

    /// <summary>The hinge loss of scores that should be above 1, or below -1.</summary>
    /// <param name="scores">A discriminator's scores.</param>
    /// <param name="isTrue">Whether they should be above 1.</param>
    public static Term Hinge(Term scores, bool isTrue) => MeanOf((isTrue ? 1 - scores : scores + 1).Max(0));

    /// <summary>What a generator makes small so that a discriminator's scores become large.</summary>
    public static Term Adversarial(Term scores) => -MeanOf(scores);
}
