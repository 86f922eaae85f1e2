using Softmodel.Graphs;
using Softmodel.Runtime;

namespace Softmodel.Emit;

/// <summary>The C# of a scalar function.</summary>
/// <param name="Scalar">Of type float, for operands <c>{0}</c>, <c>{1}</c>, <c>{2}</c>.</param>
/// <param name="Vector">Of type <c>V</c>, a vector of float; a truth value is a mask of bits. Null where there is none.</param>
/// <param name="Whole">For whole operands, where it differs from <paramref name="Scalar"/>.</param>
sealed record FunctionCode(string Scalar, string? Vector, string? Whole = null)
{
    static readonly Dictionary<Function, FunctionCode> all = new()
    {
        [Functions.Negate] = new("-{0}", "-{0}"),
        [Functions.Plus] = new("{0} + {1}", "{0} + {1}"),
        [Functions.Subtract] = new("{0} - {1}", "{0} - {1}"),
        [Functions.Multiply] = new("{0} * {1}", "{0} * {1}"),
        [Functions.Divide] = new("{0} / {1}", "{0} / {1}", "Scalars.Divide({0}, Check.NotZero({1}))"),
        [Functions.Modulo] = new("Scalars.Modulo({0}, {1})", "{0} - VX.Floor({0} / {1}) * {1}", "Scalars.Modulo({0}, Check.NotZero({1}))"),
        [Functions.Remainder] = new("{0} % {1}", "{0} - VX.Truncate({0} / {1}) * {1}", "Scalars.Remainder({0}, Check.NotZero({1}))"),
        [Functions.Power] = new("MathF.Pow({0}, {1})", "Maths.Pow({0}, {1})", "Scalars.Power({0}, {1})"),
        [Functions.Minimum] = new("MathF.Min({0}, {1})", "VX.Min({0}, {1})", "Math.Min({0}, {1})"),
        [Functions.Maximum] = new("MathF.Max({0}, {1})", "VX.Max({0}, {1})", "Math.Max({0}, {1})"),
        [Functions.Abs] = new("MathF.Abs({0})", "VX.Abs({0})", "Scalars.Abs({0})"),
        [Functions.Sign] = new("Scalars.Sign({0})", "Maths.Sign({0})"),
        [Functions.Floor] = new("MathF.Floor({0})", "VX.Floor({0})", "{0}"),
        [Functions.Ceiling] = new("MathF.Ceiling({0})", "VX.Ceiling({0})", "{0}"),
        [Functions.Truncate] = new("MathF.Truncate({0})", "VX.Truncate({0})", "{0}"),
        [Functions.Round] = new("MathF.Round({0})", "VX.Round({0})", "{0}"),
        [Functions.Sqrt] = new("MathF.Sqrt({0})", "VX.Sqrt({0})"),
        [Functions.Exp] = new("Maths.Exp({0})", "Maths.Exp({0})"),
        [Functions.Log] = new("Maths.Log({0})", "Maths.Log({0})"),
        [Functions.Sin] = new("Maths.Sin({0})", "Maths.Sin({0})"),
        [Functions.Cos] = new("Maths.Cos({0})", "Maths.Cos({0})"),
        [Functions.Tan] = new("MathF.Tan({0})", "Maths.Each(MathF.Tan, {0})"),
        [Functions.Asin] = new("MathF.Asin({0})", "Maths.Each(MathF.Asin, {0})"),
        [Functions.Acos] = new("MathF.Acos({0})", "Maths.Each(MathF.Acos, {0})"),
        [Functions.Atan] = new("MathF.Atan({0})", "Maths.Each(MathF.Atan, {0})"),
        [Functions.Sinh] = new("MathF.Sinh({0})", "Maths.Each(MathF.Sinh, {0})"),
        [Functions.Cosh] = new("MathF.Cosh({0})", "Maths.Each(MathF.Cosh, {0})"),
        [Functions.Asinh] = new("MathF.Asinh({0})", "Maths.Each(MathF.Asinh, {0})"),
        [Functions.Acosh] = new("MathF.Acosh({0})", "Maths.Each(MathF.Acosh, {0})"),
        [Functions.Atanh] = new("MathF.Atanh({0})", "Maths.Each(MathF.Atanh, {0})"),
        [Functions.Tanh] = new("Maths.Tanh({0})", "Maths.Tanh({0})"),
        [Functions.Sigmoid] = new("Maths.Sigmoid({0})", "Maths.Sigmoid({0})"),
        [Functions.Softplus] = new("Maths.Softplus({0})", "Maths.Softplus({0})"),
        [Functions.ErrorFunction] = new("Maths.Erf({0})", "Maths.Erf({0})"),
        [Functions.Equal] = new("{0} == {1}", "VX.Equals({0}, {1})"),
        [Functions.Less] = new("{0} < {1}", "VX.LessThan({0}, {1})"),
        [Functions.LessOrEqual] = new("{0} <= {1}", "VX.LessThanOrEqual({0}, {1})"),
        [Functions.IsNaN] = new("float.IsNaN({0})", "~VX.Equals({0}, {0})"),
        [Functions.Not] = new("!{0}", "~{0}"),
        [Functions.And] = new("{0} & {1}", "{0} & {1}"),
        [Functions.Or] = new("{0} | {1}", "{0} | {1}"),
        [Functions.Xor] = new("{0} ^ {1}", "{0} ^ {1}"),
        [Functions.BitNot] = new("~{0}", null),
        [Functions.BitAnd] = new("{0} & {1}", null),
        [Functions.BitOr] = new("{0} | {1}", null),
        [Functions.BitXor] = new("{0} ^ {1}", null),
        [Functions.ShiftLeft] = new("Scalars.ShiftLeft({0}, {1})", null),
        [Functions.ShiftRight] = new("Scalars.ShiftRight({0}, {1})", null),
        [Functions.Select] = new("{0} ? {1} : {2}", "VX.ConditionalSelect({0}, {1}, {2})"),
    };

    /// <summary>The C# of a function.</summary>
    public static FunctionCode Of(Function function) =>
        all.TryGetValue(function, out var code) ? code : throw new InvalidOperationException($"{function.Name} has no row in {nameof(FunctionCode)}");

    /// <summary>C# of type <c>VI</c> for a function of bytes, each in 32 bits, or of 32-bit integers; null where there is none.</summary>
    public static string? WholeVector(Function function, ElementType type)
    {
        string Wrapped(string code) => type is ElementType.UInt8 ? $"({code} & VX.Create(255))" : code;
        return (type, function.Name) switch
        {
            (ElementType.Int32, "add" or "subtract" or "multiply" or "negate" or "maximum" or "minimum") => Of(function).Vector,
            (ElementType.UInt8 or ElementType.UInt32, "bit_and") => "({0} & {1})",
            (ElementType.UInt8 or ElementType.UInt32, "bit_or") => "({0} | {1})",
            (ElementType.UInt8 or ElementType.UInt32, "bit_xor") => "({0} ^ {1})",
            (ElementType.UInt8 or ElementType.UInt32, "shift_right") => "VX.ShiftRightLogical({0}, {1})",
            (ElementType.UInt8 or ElementType.UInt32, "shift_left") => Wrapped("VX.ShiftLeft({0}, {1})"),
            (ElementType.UInt8 or ElementType.UInt32, "add") => Wrapped("({0} + {1})"),
            (ElementType.UInt8 or ElementType.UInt32, "multiply") => Wrapped("({0} * {1})"),
            _ => null,
        };
    }
}
