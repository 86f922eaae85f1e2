using Softmodel.Graphs;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>
/// Steps of optimizers. Their operands are the rate, the number of the step, then all tensors that are learned, all their
/// gradients, and all of each kind of state; their results are the tensors and the states.
/// </summary>
static class Training
{
    const string Domain = "ai.onnx.preview.training";

    [Operator("Adagrad", Domain = Domain)]
    static Term[] Adagrad(Term rate, Term step, Term[] tensors, float decayFactor = 0, float epsilon = 1e-6f, float normCoefficient = 0)
    {
        var now = rate / (step.Cast(rate.Element) * decayFactor + 1);
        return Each(tensors, 1, (x, gradient, state) =>
        {
            var g = gradient + x * normCoefficient;
            var h = state[0] + g * g;
            return [x - now * g / (h.Map(Functions.Sqrt) + epsilon), h];
        });
    }

    [Operator("Adam", Domain = Domain)]
    static Term[] Adam(Term rate, Term step, Term[] tensors, float alpha = 0.9f, float beta = 0.999f, float epsilon = 1e-6f, float normCoefficient = 0, float normCoefficientPost = 0)
    {
        var t = step.Cast(rate.Element);
        Term Lost(double share) => 1 - t.Scalar(share).Map(Functions.Power, t);
        var now = (step > 0).Select(rate * Lost(beta).Map(Functions.Sqrt) / Lost(alpha), rate);
        return Each(tensors, 2, (x, gradient, state) =>
        {
            var g = gradient + x * normCoefficient;
            var (v, h) = (state[0] * alpha + g * (1.0 - alpha), state[1] * beta + g * g * (1.0 - beta));
            return [(x - now * v / (h.Map(Functions.Sqrt) + epsilon)) * (1.0 - normCoefficientPost), v, h];
        });
    }

    [Operator("Momentum", Domain = Domain)]
    static Term[] Momentum(Term rate, Term step, Term[] tensors, float alpha, float beta, string mode, float normCoefficient)
    {
        var share = (step > 0).Select(rate.Scalar(beta), rate.Scalar(1));
        return Each(tensors, 1, (x, gradient, state) =>
        {
            var g = gradient + x * normCoefficient;
            var v = state[0] * alpha + share * g;
            return [x - rate * (mode == "nesterov" ? g + v * alpha : v), v];
        });
    }

    static Term[] Each(Term[] tensors, int states, Func<Term, Term, Term[], Term[]> step)
    {
        var count = tensors.Length / (2 + states);
        var results = Enumerable.Range(0, count)
            .Select(i => step(tensors[i], tensors[count + i], [.. Enumerable.Range(2, states).Select(s => tensors[s * count + i])])).ToArray();
        return [.. Enumerable.Range(0, 1 + states).SelectMany(k => results.Select(r => r[k]))];
    }
}
