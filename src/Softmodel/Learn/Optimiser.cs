using Softmodel.Graphs;

namespace Softmodel.Learn;

/// <summary>A parameter at a step.</summary>
/// <param name="Parameter">What it is.</param>
/// <param name="Gradient">The gradient of the loss by it.</param>
/// <param name="Moments">What the optimiser remembers of it, one for each of <see cref="Optimiser.Moments"/>; zeros before the first step.</param>
/// <param name="Rate">The learning rate: a scalar.</param>
/// <param name="Count">The number of the step, from 1 on: a scalar.</param>
public sealed record OptimiserStep(Term Parameter, Term Gradient, IReadOnlyList<Term> Moments, Term Rate, Term Count);

/// <summary>How parameters follow their gradients: formulas, which become a part of the graph of a training step.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Moments">What it remembers of each parameter: names of tensors of the parameter's shape.</param>
/// <param name="Remember">The moments after a step.</param>
/// <param name="Move">The parameter after a step, given the moments after it.</param>
public sealed record Optimiser(string Name, IReadOnlyList<string> Moments, Func<OptimiserStep, IReadOnlyList<Term>> Remember, Func<OptimiserStep, IReadOnlyList<Term>, Term> Move)
{
    /// <summary>Gradient descent, with momentum where it is not 0.</summary>
    /// <param name="momentum">The share of the last direction that is kept.</param>
    /// <param name="weightDecay">How much of a parameter is added to its gradient.</param>
    public static Optimiser Sgd(double momentum = 0, double weightDecay = 0) => momentum == 0
        ? new("sgd", [], _ => [], (s, _) => s.Parameter - s.Rate * Decayed(s, weightDecay))
        : new("sgd", ["momentum"], s => [s.Moments[0] * momentum + Decayed(s, weightDecay)], (s, moments) => s.Parameter - s.Rate * moments[0]);

    /// <summary>Adam.</summary>
    /// <param name="beta1">The share of the mean gradient that is kept.</param>
    /// <param name="beta2">The share of the mean square that is kept.</param>
    /// <param name="epsilon">Added to the root of the mean square.</param>
    /// <param name="weightDecay">How much of a parameter is added to its gradient.</param>
    /// <remarks>Kingma, Ba: Adam: a method for stochastic optimization (2014), algorithm 1.</remarks>
    public static Optimiser Adam(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double weightDecay = 0) =>
        new("adam", ["mean", "square"], s => Means(s, Decayed(s, weightDecay), beta1, beta2), (s, moments) => s.Parameter - Change(s, moments, beta1, beta2, epsilon));

    /// <summary>Adam, with parameters that decay by themselves.</summary>
    /// <param name="beta1">The share of the mean gradient that is kept.</param>
    /// <param name="beta2">The share of the mean square that is kept.</param>
    /// <param name="epsilon">Added to the root of the mean square.</param>
    /// <param name="weightDecay">The share that a parameter loses at a rate of 1.</param>
    /// <remarks>Loshchilov, Hutter: Decoupled weight decay regularization (2017), algorithm 2.</remarks>
    public static Optimiser AdamW(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double weightDecay = 0.01) =>
        new("adamw", ["mean", "square"], s => Means(s, s.Gradient, beta1, beta2), (s, moments) => s.Parameter * (1 - s.Rate * weightDecay) - Change(s, moments, beta1, beta2, epsilon));

    /// <summary>Steps of one size, in the direction of the sign of the mean gradient.</summary>
    /// <param name="beta1">The share of the mean gradient that counts beside the gradient.</param>
    /// <param name="beta2">The share of the mean gradient that is kept.</param>
    /// <param name="weightDecay">The share that a parameter loses at a rate of 1.</param>
    /// <remarks>Chen et al.: Symbolic discovery of optimization algorithms (2023), algorithm 2.</remarks>
    public static Optimiser Lion(double beta1 = 0.9, double beta2 = 0.99, double weightDecay = 0.01) => new("lion", ["mean"],
        s => [s.Moments[0] * beta2 + s.Gradient * (1 - beta2)],
        (s, _) => s.Parameter - s.Rate * ((s.Moments[0] * beta1 + s.Gradient * (1 - beta1)).Map(Functions.Sign) + s.Parameter * weightDecay));

    static Term Decayed(OptimiserStep step, double weightDecay) => weightDecay == 0 ? step.Gradient : step.Gradient + step.Parameter * weightDecay;

    // The squares are no values of their own: those of which the norm is a sum would be stored for them.
    static Term[] Means(OptimiserStep step, Term gradient, double beta1, double beta2) =>
        [step.Moments[0] * beta1 + gradient * (1 - beta1), step.Moments[1] * beta2 + gradient * (gradient * (1 - beta2))];

    static Term Change(OptimiserStep step, IReadOnlyList<Term> moments, double beta1, double beta2, double epsilon)
    {
        // Both moments begin at zero, and are so much too small.
        Term Seen(double share) => 1 - step.Count.Scalar(share).Map(Functions.Power, step.Count);
        return step.Rate / Seen(beta1) * moments[0] / (moments[1].Map(Functions.Sqrt) * (1 / Seen(beta2).Map(Functions.Sqrt)) + epsilon);
    }
}
