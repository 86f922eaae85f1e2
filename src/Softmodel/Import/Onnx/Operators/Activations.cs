using Softmodel.Graphs;
using Softmodel.Networks;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that bend a number, as between the layers of a network.</summary>
static class Activations
{
    [Operator("Sigmoid")]
    internal static Term Sigmoid(Term x) => x.Map(Functions.Sigmoid);

    [Operator("Tanh")]
    internal static Term Tanh(Term x) => x.Map(Functions.Tanh);

    [Operator("Softplus")]
    internal static Term Softplus(Term x) => x.Map(Functions.Softplus);

    [Operator("Softsign")]
    internal static Term Softsign(Term x) => x / (x.Map(Functions.Abs) + 1);

    [Operator("Relu")]
    internal static Term Relu(Term x) => x.Max(0);

    [Operator("LeakyRelu")]
    internal static Term LeakyRelu(Term x, float alpha = 0.01f) => (x < 0).Select(x * alpha, x);

    [Operator("ThresholdedRelu")]
    internal static Term ThresholdedRelu(Term x, float alpha = 1) => (x > alpha).Select(x, x.Scalar(0));

    [Operator("Elu")]
    internal static Term Elu(Term x, float alpha = 1) => (x < 0).Select((x.Map(Functions.Exp) - 1) * alpha, x);

    [Operator("Celu")]
    internal static Term Celu(Term x, float alpha = 1) => x.Max(0) + (((x / alpha).Map(Functions.Exp) - 1) * alpha).Min(0);

    [Operator("Selu", since: 1)]
    static Term RoundedSelu(Term x, float alpha = 1.6732f, float gamma = 1.0507f) => Selu(x, alpha, gamma);

    [Operator("Selu", since: 6)]
    static Term Selu(Term x, float alpha = 1.67326319217681884765625f, float gamma = 1.05070102214813232421875f) =>
        (x > 0).Select(x, (x.Map(Functions.Exp) - 1) * alpha) * gamma;

    [Operator("PRelu", since: 7)]
    static Term PRelu(Term x, Term slope) => (x < 0).Select(x * slope, x);

    [Operator("Gelu", since: 20)]
    internal static Term Gelu(Term x, string approximate = "none") => approximate switch
    {
        "none" => Formulas.Gelu(x),
        "tanh" => x * 0.5 * (((x + x * x * x * 0.044715) * Math.Sqrt(2 / Math.PI)).Map(Functions.Tanh) + 1),
        _ => throw new SoftmodelException($"the approximation '{approximate}' is not supported"),
    };

    [Operator("HardSigmoid")]
    internal static Term HardSigmoid(Term x, float alpha = 0.2f, float beta = 0.5f) => (x * alpha + beta).Max(0).Min(1);

    [Operator("HardSwish", since: 14)]
    static Term HardSwish(Term x) => x * HardSigmoid(x, 1 / 6f);

    [Operator("Swish", since: 24)]
    static Term Swish(Term x, float alpha = 1) => x * Sigmoid(alpha == 1 ? x : x * alpha);

    [Operator("Mish", since: 18)]
    static Term Mish(Term x) => x * Tanh(Softplus(x));

    [Operator("Shrink", since: 9)]
    static Term Shrink(Term x, float bias = 0, float lambd = 0.5f)
    {
        var real = x.Element.IsFloat() ? x : x.Cast(ElementType.Float64);
        return (real < -lambd).Select(real + bias, (real > lambd).Select(real - bias, real.Scalar(0))).Cast(x.Element);
    }
}
