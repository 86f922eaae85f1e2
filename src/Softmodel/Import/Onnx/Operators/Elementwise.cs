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

    [Operator("Abs")]
    static Term Abs(Term x) => x.Map(Functions.Abs);

    [Operator("Sign", since: 9)]
    static Term Sign(Term x) => x.Map(Functions.Sign);

    [Operator("Reciprocal")]
    static Term Reciprocal(Term x) => 1 / x;

    [Operator("Round", since: 11)]
    static Term Round(Term x) => x.Map(Functions.Round);

    [Operator("Sin", since: 7)]
    static Term Sin(Term x) => x.Map(Functions.Sin);

    [Operator("Cos", since: 7)]
    static Term Cos(Term x) => x.Map(Functions.Cos);

    [Operator("Tan", since: 7)]
    static Term Tan(Term x) => x.Map(Functions.Tan);

    [Operator("Asin", since: 7)]
    static Term Asin(Term x) => x.Map(Functions.Asin);

    [Operator("Acos", since: 7)]
    static Term Acos(Term x) => x.Map(Functions.Acos);

    [Operator("Atan", since: 7)]
    static Term Atan(Term x) => x.Map(Functions.Atan);

    [Operator("Sinh", since: 9)]
    static Term Sinh(Term x) => x.Map(Functions.Sinh);

    [Operator("Cosh", since: 9)]
    static Term Cosh(Term x) => x.Map(Functions.Cosh);

    [Operator("Asinh", since: 9)]
    static Term Asinh(Term x) => x.Map(Functions.Asinh);

    [Operator("Acosh", since: 9)]
    static Term Acosh(Term x) => x.Map(Functions.Acosh);

    [Operator("Atanh", since: 9)]
    static Term Atanh(Term x) => x.Map(Functions.Atanh);

    [Operator("Mod", since: 10)]
    static Term Mod(Term a, Term b, bool fmod = false) => a.Map(fmod ? Functions.Remainder : Functions.Modulo, b);

    [Operator("Max")]
    static Term Max(Term[] inputs) => inputs.Aggregate((a, b) => a.Max(b));

    [Operator("Min")]
    static Term Min(Term[] inputs) => inputs.Aggregate((a, b) => a.Min(b));

    [Operator("Sum")]
    static Term Sum(Term[] inputs) => inputs.Aggregate((a, b) => a + b);

    [Operator("Mean")]
    static Term Mean(Term[] inputs) => Sum(inputs) / inputs.Length;

    [Operator("Ceil")]
    static Term Ceil(Term x) => x.Map(Functions.Ceiling);

    [Operator("Floor")]
    static Term Floor(Term x) => x.Map(Functions.Floor);

    [Operator("Clip", since: 6)]
    static Term Clip(Term x, float min = float.MinValue, float max = float.MaxValue) => x.Max(min).Min(max);

    [Operator("Clip", since: 11)]
    static Term Clip(Term x, Term? min, Term? max)
    {
        // A bound that is not given is the type's, beyond which infinities lie.
        var largest = x.Element switch { ElementType.Float32 => float.MaxValue, ElementType.Float64 => double.MaxValue, _ => (double?)null };
        var low = min is { } least ? x.Max(least) : largest is { } negated ? x.Max(-negated) : x;
        return max is { } most ? low.Min(most) : largest is { } all ? low.Min(all) : low;
    }

    [Operator("Cast", since: 6)]
    static Term Cast(OnnxCall call, Term x) => To(x, OnnxCall.ElementType(call.Attribute("to")?.Int ?? 0));

    /// <summary>A conversion; 16-bit floats are computed with in 32 bits, without rounding in between.</summary>
    public static Term To(Term x, ElementType type) => x.Cast(type is ElementType.Float16 or ElementType.BFloat16 ? ElementType.Float32 : type);

    [Operator("CastLike", since: 15)]
    static Term CastLike(OnnxCall call, Term x, Term like) => To(x, like.Element);

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

    [Operator("Xor", since: 7)]
    static Term Xor(Term a, Term b) => a.Map(Functions.Xor, b);

    [Operator("IsNaN", since: 9)]
    static Term IsNaN(Term x) => x.Map(Functions.IsNaN);

    [Operator("IsInf", since: 10)]
    static Term IsInf(Term x, bool detectNegative = true, bool detectPositive = true) =>
        detectPositive ? (detectNegative ? x.Map(Functions.Abs) : x).EqualTo(double.PositiveInfinity)
        : detectNegative ? x.EqualTo(double.NegativeInfinity) : x.EqualTo(x) & !x.EqualTo(x);

    [Operator("BitwiseNot", since: 18)]
    static Term BitwiseNot(Term x) => x.Map(Functions.BitNot);

    [Operator("BitwiseAnd", since: 18)]
    static Term BitwiseAnd(Term a, Term b) => a.Map(Functions.BitAnd, b);

    [Operator("BitwiseOr", since: 18)]
    static Term BitwiseOr(Term a, Term b) => a.Map(Functions.BitOr, b);

    [Operator("BitwiseXor", since: 18)]
    static Term BitwiseXor(Term a, Term b) => a.Map(Functions.BitXor, b);

    [Operator("BitShift", since: 11)]
    static Term BitShift(Term x, Term y, string direction) => direction switch
    {
        "LEFT" => x.Map(Functions.ShiftLeft, y),
        "RIGHT" => x.Map(Functions.ShiftRight, y),
        _ => throw new SoftmodelException($"the direction '{direction}' is not supported"),
    };

    [Operator("Where", since: 9)]
    static Term Where(Term condition, Term x, Term y) => condition.Select(x, y);
}
