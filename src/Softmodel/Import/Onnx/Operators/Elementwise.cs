using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>Operators that compute each element from elements at the same place.</summary>
static class Elementwise
{
    [Operator("Identity")]
    static Term Identity(Term x) => x;

    [Operator("Add", since: 7)]
    static Term Add(Term a, Term b) => a + b;

    [Operator("Sub", since: 7)]
    static Term Sub(Term a, Term b) => a - b;

    [Operator("Mul", since: 7)]
    static Term Mul(Term a, Term b) => a * b;

    [Operator("Div", since: 7)]
    static Term Div(Term a, Term b) => a / b;

    [Operator("Pow", since: 7)]
    static Term Pow(Term x, Term y) => x.Element.IsFloat() == y.Element.IsFloat() ? x.Map(Functions.Power, y.Cast(x.Element))
        : x.Cast(ElementType.Float32).Map(Functions.Power, y.Cast(ElementType.Float32)).Cast(x.Element);

    [Operator("Neg")]
    static Term Neg(Term x) => -x;

    [Operator("Exp")]
    static Term Exp(Term x) => x.Map(Functions.Exp);

    [Operator("Log")]
    static Term Log(Term x) => x.Map(Functions.Log);

    [Operator("Sqrt")]
    static Term Sqrt(Term x) => x.Map(Functions.Sqrt);

    [Operator("Erf", since: 9)]
    static Term Erf(Term x) => x.Map(Functions.ErrorFunction);

    [Operator("Tanh")]
    static Term Tanh(Term x) => x.Map(Functions.Tanh);

    [Operator("Sigmoid")]
    static Term Sigmoid(Term x) => x.Map(Functions.Sigmoid);

    [Operator("Softplus")]
    static Term Softplus(Term x) => x.Map(Functions.Softplus);

    [Operator("Ceil")]
    static Term Ceil(Term x) => x.Map(Functions.Ceiling);

    [Operator("Floor")]
    static Term Floor(Term x) => x.Map(Functions.Floor);

    [Operator("Relu")]
    static Term Relu(Term x) => x.Max(0);

    [Operator("LeakyRelu")]
    static Term LeakyRelu(Term x, float alpha = 0.01f) => (x < 0).Select(x * alpha, x);

    [Operator("Clip", since: 6)]
    static Term Clip(Term x, float min = float.NegativeInfinity, float max = float.PositiveInfinity)
    {
        var low = float.IsNegativeInfinity(min) || min == float.MinValue ? x : x.Max(min);
        return float.IsPositiveInfinity(max) || max == float.MaxValue ? low : low.Min(max);
    }

    [Operator("Clip", since: 11)]
    static Term Clip(Term x, Term? min, Term? max)
    {
        var low = min is { } least ? x.Max(least) : x;
        return max is { } most ? low.Min(most) : low;
    }

    [Operator("Cast", since: 6)]
    static Term Cast(OnnxCall call, Term x) => To(x, OnnxCall.ElementType(call.Attribute("to")?.Int ?? 0));

    /// <summary>A conversion; 16-bit floats are computed with in 32 bits, without rounding in between.</summary>
    public static Term To(Term x, ElementType type) => x.Cast(type is ElementType.Float16 or ElementType.BFloat16 ? ElementType.Float32 : type);

    [Operator("Equal", since: 7)]
    static Term Equal(Term a, Term b) => a.EqualTo(b);

    [Operator("Less", since: 7)]
    static Term Less(Term a, Term b) => a < b;

    [Operator("LessOrEqual", since: 12)]
    static Term LessOrEqual(Term a, Term b) => a <= b;

    [Operator("Greater", since: 7)]
    static Term Greater(Term a, Term b) => a > b;

    [Operator("GreaterOrEqual", since: 12)]
    static Term GreaterOrEqual(Term a, Term b) => a >= b;

    [Operator("Not")]
    static Term Not(Term x) => !x;

    [Operator("And", since: 7)]
    static Term And(Term a, Term b) => a & b;

    [Operator("Or", since: 7)]
    static Term Or(Term a, Term b) => a | b;

    [Operator("Where", since: 9)]
    static Term Where(Term condition, Term x, Term y) => condition.Select(x, y);
}
