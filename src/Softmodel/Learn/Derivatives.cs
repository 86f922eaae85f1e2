using Softmodel.Graphs;

namespace Softmodel.Learn;

/// <summary>What reaches the operands of a scalar function, before it is summed over the axes along which an operand was broadcast.</summary>
/// <param name="x">The operands.</param>
/// <param name="y">The function of them.</param>
/// <param name="d">The gradient of <paramref name="y"/>.</param>
/// <returns>One for each operand; null where nothing reaches it.</returns>
delegate Term?[] Derivative(Term[] x, Term y, Term d);

/// <summary>The derivatives of scalar functions: one row for each of <see cref="Functions"/>.</summary>
/// <remarks>Of elements that are equally large each has half. What jumps has no gradient, or a straight-through one.</remarks>
static class Derivatives
{
    static readonly Dictionary<Function, Derivative> rows = new()
    {
        [Functions.Negate] = (_, _, d) => [-d],
        [Functions.Plus] = (_, _, d) => [d, d],
        [Functions.Subtract] = (_, _, d) => [d, -d],
        [Functions.Multiply] = (x, _, d) => [d * x[1], d * x[0]],
        [Functions.Divide] = (x, y, d) => [d / x[1], -(d * y / x[1])],
        [Functions.Modulo] = (x, _, d) => [d, -(d * (x[0] / x[1]).Map(Functions.Floor))],
        [Functions.Remainder] = (x, _, d) => [d, -(d * (x[0] / x[1]).Map(Functions.Truncate))],
        [Functions.Power] = (x, y, d) => [d * OfBase(x[0], x[1], y), d * (x[0] > 0).Select(y * x[0].Map(Functions.Log), Zero(y))],
        [Functions.Minimum] = (x, _, d) => [Least(x[0], x[1], d), Least(x[1], x[0], d)],
        [Functions.Maximum] = (x, _, d) => [Least(x[1], x[0], d), Least(x[0], x[1], d)],
        [Functions.Abs] = (x, _, d) => [d * x[0].Map(Functions.Sign)],
        [Functions.Sign] = None,
        [Functions.Floor] = None,
        [Functions.Ceiling] = None,
        [Functions.Truncate] = None,
        [Functions.Round] = None,
        [Functions.Sqrt] = (_, y, d) => [d * 0.5 / y],
        [Functions.Exp] = (_, y, d) => [d * y],
        [Functions.Log] = (x, _, d) => [d / x[0]],
        [Functions.Sin] = (x, _, d) => [d * x[0].Map(Functions.Cos)],
        [Functions.Cos] = (x, _, d) => [-(d * x[0].Map(Functions.Sin))],
        [Functions.Tan] = (_, y, d) => [d * (y * y + 1)],
        [Functions.Asin] = (x, _, d) => [d / (1 - x[0] * x[0]).Map(Functions.Sqrt)],
        [Functions.Acos] = (x, _, d) => [-(d / (1 - x[0] * x[0]).Map(Functions.Sqrt))],
        [Functions.Atan] = (x, _, d) => [d / (x[0] * x[0] + 1)],
        [Functions.Sinh] = (x, _, d) => [d * x[0].Map(Functions.Cosh)],
        [Functions.Cosh] = (x, _, d) => [d * x[0].Map(Functions.Sinh)],
        [Functions.Asinh] = (x, _, d) => [d / (x[0] * x[0] + 1).Map(Functions.Sqrt)],
        [Functions.Acosh] = (x, _, d) => [d / (x[0] * x[0] - 1).Map(Functions.Sqrt)],
        [Functions.Atanh] = (x, _, d) => [d / (1 - x[0] * x[0])],
        [Functions.Tanh] = (_, y, d) => [d * (1 - y * y)],
        [Functions.Sigmoid] = (_, y, d) => [d * (y * (1 - y))],
        [Functions.Softplus] = (x, _, d) => [d * x[0].Map(Functions.Sigmoid)],
        [Functions.ErrorFunction] = (x, _, d) => [d * ((-(x[0] * x[0])).Map(Functions.Exp) * (2 / Math.Sqrt(Math.PI)))],
        [Functions.Equal] = None,
        [Functions.Less] = None,
        [Functions.LessOrEqual] = None,
        [Functions.IsNaN] = None,
        [Functions.Not] = None,
        [Functions.And] = None,
        [Functions.Or] = None,
        [Functions.Xor] = None,
        [Functions.BitNot] = None,
        [Functions.BitAnd] = None,
        [Functions.BitOr] = None,
        [Functions.BitXor] = None,
        [Functions.ShiftLeft] = None,
        [Functions.ShiftRight] = None,
        [Functions.Select] = (x, _, d) => [null, x[0].Select(d, Zero(d)), x[0].Select(Zero(d), d)],
    };

    /// <summary>
    /// Functions that jump, as what they come near to: a rounding is its operand, a sign its operand between -1 and 1, a comparison
    /// and what is made of truth values numbers from 0 to 1. The gradient of a truth value is a float.
    /// </summary>
    /// <remarks>Bengio, Léonard, Courville: Estimating or propagating gradients through stochastic neurons (2013), section 4.</remarks>
    static readonly Dictionary<Function, Derivative> straightThrough = new()
    {
        [Functions.Floor] = (_, _, d) => [d],
        [Functions.Ceiling] = (_, _, d) => [d],
        [Functions.Truncate] = (_, _, d) => [d],
        [Functions.Round] = (_, _, d) => [d],
        [Functions.Sign] = (x, _, d) => [(x[0].Map(Functions.Abs) <= 1).Select(d, Zero(d))],
        [Functions.Less] = (_, _, d) => [-d, d],
        [Functions.LessOrEqual] = (_, _, d) => [-d, d],
        [Functions.Not] = (_, _, d) => [-d],
        [Functions.And] = (x, _, d) => [x[1].Select(d, Zero(d)), x[0].Select(d, Zero(d))],
        [Functions.Or] = (x, _, d) => [x[1].Select(Zero(d), d), x[0].Select(Zero(d), d)],
        [Functions.Select] = (x, _, d) => [d * (x[1] - x[2]), x[0].Select(d, Zero(d)), x[0].Select(Zero(d), d)],
    };

    /// <summary>The derivative of a function.</summary>
    /// <param name="function">The function.</param>
    /// <param name="jumps">What is done with functions that jump.</param>
    public static Derivative Of(Function function, Jumps jumps) =>
        jumps == Jumps.StraightThrough && straightThrough.TryGetValue(function, out var through) ? through : rows[function];

    static Term?[] None(Term[] x, Term y, Term d) => new Term?[x.Length];

    static Term Zero(Term like) => like.Scalar(0);

    /// <summary>d where a is below b, half of it where both are the same, else nothing.</summary>
    static Term Least(Term a, Term b, Term d) => (a < b).Select(d, a.EqualTo(b).Select(d * 0.5, Zero(d)));

    // Of the exponents that models have, without a logarithm and an exponential; of 0, nothing, also at 0.
    static Term OfBase(Term x, Term exponent, Term y)
    {
        if (exponent.Known is { Count: 1 } known)
        {
            switch (known.Float(0))
            {
                case 2: return x * 2;
                case 3: return x * x * 3;
                case 0.5: return 0.5 / y;
                case -1: return -(y * y);
                case -0.5: return y / x * -0.5;
            }
        }
        return exponent.EqualTo(0).Select(Zero(x), exponent * x.Map(Functions.Power, exponent - 1));
    }
}
