using Softmodel.Graphs;

namespace Softmodel.Import.Onnx.Operators;

/// <summary>
/// Operators as they were before version 7, where the second operand stretches over the first only if an attribute says so,
/// from an axis on.
/// </summary>
static class Legacy
{
    [Operator("Add")]
    static Term Add(Term a, Term b, bool broadcast = false, long? axis = null, long[]? consumedInputs = null) => a + From(axis, a, b);

    [Operator("Sub")]
    static Term Sub(Term a, Term b, bool broadcast = false, long? axis = null, long[]? consumedInputs = null) => a - From(axis, a, b);

    [Operator("Mul")]
    static Term Mul(Term a, Term b, bool broadcast = false, long? axis = null, long[]? consumedInputs = null) => a * From(axis, a, b);

    [Operator("Div")]
    static Term Div(Term a, Term b, bool broadcast = false, long? axis = null, long[]? consumedInputs = null) => a / From(axis, a, b);

    [Operator("Pow")]
    static Term Pow(Term a, Term b, bool broadcast = false, long? axis = null) => a.Map(Functions.Power, From(axis, a, b));

    [Operator("Equal")]
    static Term Equal(Term a, Term b, bool broadcast = false, long? axis = null) => a.EqualTo(From(axis, a, b));

    [Operator("Less")]
    static Term Less(Term a, Term b, bool broadcast = false, long? axis = null) => a < From(axis, a, b);

    [Operator("Greater")]
    static Term Greater(Term a, Term b, bool broadcast = false, long? axis = null) => a > From(axis, a, b);

    [Operator("And")]
    static Term And(Term a, Term b, bool broadcast = false, long? axis = null) => a & From(axis, a, b);

    [Operator("Or")]
    static Term Or(Term a, Term b, bool broadcast = false, long? axis = null) => a | From(axis, a, b);

    [Operator("Xor")]
    static Term Xor(Term a, Term b, bool broadcast = false, long? axis = null) => a.Map(Functions.Xor, From(axis, a, b));

    [Operator("PRelu")]
    static Term PRelu(Term x, Term slope, long[]? consumedInputs = null) => (x < 0).Select(x * From(slope.Shape.Count.Value == 1 ? null : 1, x, slope), x);

    [Operator("Gemm")]
    static Term Gemm(Term a, Term b, Term c, float alpha = 1, float beta = 1, bool transA = false, bool transB = false, bool broadcast = false) =>
        Products.Gemm(a, b, c, alpha, beta, transA, transB);

    /// <summary>The second operand with its first axis at one of the first operand's; without an axis the last ones meet.</summary>
    static Term From(long? axis, Term a, Term b)
    {
        if (axis is not { } at || b.Rank == 0)
            return b;
        var after = a.Rank - Axes.Of(at, a.Rank) - b.Rank;
        return after >= 0 ? b.Reshape(new([.. b.Shape.Dims, .. Enumerable.Repeat(Dim.One, after)]))
            : throw new SoftmodelException($"{b.Value} does not fit {a.Value} from axis {at} on");
    }
}
