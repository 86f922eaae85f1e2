namespace Softmodel.Learn;

/// <summary>How much of the learning rate a step has.</summary>
/// <param name="step">The step, from 0 on.</param>
/// <param name="steps">How many there will be.</param>
/// <returns>A factor from 0 to 1.</returns>
public delegate double Schedule(long step, long steps);

/// <summary>Schedules of the learning rate.</summary>
public static class Schedules
{
    /// <summary>The same at every step.</summary>
    public static Schedule Constant { get; } = (_, _) => 1;

    /// <summary>Half a cosine, from all of it to a share.</summary>
    /// <param name="last">The share that is left at the end.</param>
    /// <remarks>Loshchilov, Hutter: SGDR: stochastic gradient descent with warm restarts (2016), equation 5, without restarts.</remarks>
    public static Schedule Cosine(double last = 0) => (step, steps) => last + (1 - last) * 0.5 * (1 + Math.Cos(Math.PI * Math.Clamp((double)step / Math.Max(1, steps), 0, 1)));

    /// <summary>A schedule that is grown into evenly over the first steps.</summary>
    /// <param name="schedule">The schedule, which begins after them.</param>
    /// <param name="steps">How many.</param>
    public static Schedule WithWarmUp(this Schedule schedule, long steps) =>
        (step, all) => step < steps ? (step + 1.0) / (steps + 1) : schedule(step - steps, all - steps);
}
