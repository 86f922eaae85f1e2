using Softmodel.Runtime;
using static Softmodel.Bench.Differential.Types;

namespace Softmodel.Bench.Differential;

/// <summary>Operators that compute each element from elements at the same place.</summary>
static class ElementwiseRows
{
    /// <summary>All rows.</summary>
    public static Row[] All { get; } =
    [
        .. Each(["Sin", "Cos", "Tan"], [7, 22], OldReals, Numbers.Small),
        .. Each(["Asin", "Acos"], [7, 22], OldReals, Numbers.Unit),
        .. Each(["Atan"], [7, 22], OldReals, Numbers.Any),
        .. Each(["Sinh", "Cosh", "Asinh"], [9, 22], OldReals, Numbers.Small),
        .. Each(["Atanh"], [9, 22], OldReals, Numbers.Unit),
        new("Acosh", d =>
        {
            d.Since(9, 22);
            var type = d.One(OldReals);
            var one = d.Constant(Graphs.Tensor.Scalar(type, 1));
            d.Node("Acosh", [d.Node("Add", [d.Data(type, d.Shape(d.Within(0, 3)), Numbers.Positive), one], type)], type);
        }),
        .. Each(["Exp", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Floor", "Ceil", "Reciprocal"], [9, 13], OldReals, Numbers.Any),
        .. Each(["Log", "Sqrt"], [7, 13], OldReals, Numbers.Positive),
        .. Each(["Round"], [11, 22], OldReals, Numbers.Any),
        .. Each(["HardSwish"], [14, 22], OldReals, Numbers.Any),
        .. Each(["Mish"], [18, 22], OldReals, Numbers.Any),
        new("Abs", d => One(d, "Abs", d.Since(7, 13) < 13 ? OldNumeric : Numeric, Numbers.Any)),
        new("Sign", d => One(d, "Sign", d.Since(9, 13) < 13 ? OldNumeric : Numeric, Numbers.Any)),
        new("Neg", d => One(d, "Neg", d.Since(7, 13) < 13 ? [.. OldReals, I8, I16, I32, I64] : [.. Reals, I8, I16, I32, I64], Numbers.Any)),
        new("Relu", d => One(d, "Relu", d.Since(7, 13, 14) < 14 ? OldReals : [.. Reals, I8, I16, I32, I64], Numbers.Any)),
        new("Identity", d => One(d, "Identity", d.Since(7, 13, 16) < 13 ? Movable : [.. Movable, BF16], Numbers.Any)),
        new("Not", d => One(d, "Not", [Bool], Numbers.Small)),
        new("BitwiseNot", d => One(d, "BitwiseNot", d.Since(18) > 0 ? Wholes : [], Numbers.Any)),
        new("IsNaN", d =>
        {
            d.Since(9, 13, 20);
            d.Node("IsNaN", [d.Data(d.One(OldReals), d.Shape(d.Within(0, 3)), Numbers.Any)], Bool);
        }),
        new("IsInf", d =>
        {
            d.Since(10, 20);
            d.Node("IsInf", [d.Data(d.One(F32, F64), d.Shape(d.Within(0, 3)), Numbers.Any)], Bool, ("detect_negative", d.Maybe(d.Within(0, 1))), ("detect_positive", d.Maybe(d.Within(0, 1))));
        }),
        new("Elu", d => Shaped(d, "Elu", [7, 22], ("alpha", d.Maybe(d.One(0.5, 1.5, 2))))),
        new("Celu", d => Shaped(d, "Celu", [12], ("alpha", d.Maybe(d.One(0.5, 1.5, 2))))),
        new("Selu", d => Shaped(d, "Selu", [7, 22], ("alpha", d.Maybe(1.5)), ("gamma", d.Maybe(0.5)))),
        new("LeakyRelu", d => Shaped(d, "LeakyRelu", [7, 16], ("alpha", d.Maybe(d.One(0.1, 1.5, -0.5))))),
        new("ThresholdedRelu", d => Shaped(d, "ThresholdedRelu", [10, 22], ("alpha", d.Maybe(d.One(0.0, 2, -1))))),
        new("HardSigmoid", d => Shaped(d, "HardSigmoid", [7, 22], ("alpha", d.Maybe(0.5)), ("beta", d.Maybe(0.25)))),
        new("Gelu", d => Shaped(d, "Gelu", [20], ("approximate", d.Maybe(d.One("none", "tanh"))))),
        new("Swish", d => Shaped(d, "Swish", [24], ("alpha", d.Maybe(1.5)))),
        new("Shrink", d =>
        {
            d.Since(9);
            var type = d.One(OldNumeric);
            d.Node("Shrink", [d.Data(type, d.Shape(d.Within(0, 3)))], type, ("bias", d.Maybe(d.One(0.5, 1, 2))), ("lambd", d.Maybe(d.One(0.0, 1.5, 2))));
        }),
        .. Names("Add", "Sub", "Mul").Select(name => new Row(name, d => Two(d, name, d.Since(7, 13, 14) switch
        {
            7 => [F32, F32, F64, F16, I32, I64, U32, U64],
            13 => [F32, F32, F64, F16, BF16, I32, I64, U32, U64],
            _ => Numeric,
        }, null, Numbers.Any))),
        new("Div", d =>
        {
            var type = d.One(d.Since(7, 13, 14) < 14 ? [F32, F32, F64, F16, I32, I64, U32, U64] : Numeric);
            var dims = d.Shape(d.Within(0, 3));
            d.Node("Div", [d.Data(type, dims), d.Weight(type, d.Stretching(dims), type.IsFloat() && d.Chance(0.5) ? Numbers.Any : Numbers.Nonzero)], type);
        }),
        .. Names("Add", "Sub", "Mul", "Div", "Pow", "Less", "Greater", "Equal", "And", "Or", "Xor", "PRelu", "Gemm").Select(name => new Row($"{name} before 7", d => Early(d, name))),
        new("Pow", d =>
        {
            var version = d.Since(7, 12, 13, 15);
            ElementType[] types = version == 7 ? OldReals : [F32, F32, F64, F16, I32, I64];
            var type = d.One(types);
            var power = version == 7 ? type : d.Type(version < 15 ? [F32, F64, I32, I64, U8, I8] : [F32, F64, F16, I32, I64, U8, I8, I16]);
            var dims = d.Shape(d.Within(0, 3));
            d.Node("Pow", [d.Data(type, dims, type.IsFloat() || power.IsFloat() ? Numbers.Positive : Numbers.Nonzero), d.Chance(0.4) ? d.Constant(Graphs.Tensor.Scalar(power, d.One(0, 1, 2, 3))) : d.Weight(power, d.Stretching(dims), type.IsFloat() ? Numbers.Small : power.IsFloat() ? Numbers.Positive : Numbers.Unit)], type);
        }),
        new("Pow of large numbers", d =>
        {
            d.Since(12, 15);
            var type = d.One(I32, I64, F64);
            d.Node("Pow", [d.Data(type, [7], Numbers.Nonzero), d.Constant(Graphs.Tensor.Scalar(d.One(I32, I64, F32), d.One(9, 12, 13, 15)))], type);
        }),
        new("Mod", d =>
        {
            d.Since(10, 13);
            var type = d.One(OldNumeric);
            var dims = d.Shape(d.Within(0, 3));
            d.Node("Mod", [d.Data(type, dims), d.Weight(type, d.Stretching(dims), Numbers.Nonzero)], type, ("fmod", type.IsFloat() ? true : d.Maybe(d.Within(0, 1))));
        }),
        .. Names("Max", "Min").Select(name => new Row(name, d => Many(d, name, d.Since(8, 12, 13) < 12 ? OldReals : d.Opset < 13 ? OldNumeric : Numeric, Numbers.Any))),
        .. Names("Sum", "Mean").Select(name => new Row(name, d => Many(d, name, d.Since(8, 13) < 13 ? OldReals : Reals, Numbers.Small))),
        .. Names("Less", "Greater").Select(name => new Row(name, d => Two(d, name, d.Since(7, 9, 13) < 9 ? OldReals : d.Opset < 13 ? OldNumeric : Numeric, Bool, Numbers.Any))),
        .. Names("LessOrEqual", "GreaterOrEqual").Select(name => new Row(name, d => Two(d, name, d.Since(12, 16) < 16 ? OldNumeric : Numeric, Bool, Numbers.Any))),
        new("Equal", d => Two(d, "Equal", d.Since(7, 11, 13, 19) < 11 ? [Bool, I32, I64] : d.Opset < 13 ? [Bool, .. OldNumeric] : [Bool, .. Numeric], Bool, d.One(Numbers.Any, Numbers.Whole))),
        .. Names("And", "Or", "Xor").Select(name => new Row(name, d => Two(d, name, [Bool], Bool, Numbers.Small))),
        .. Names("BitwiseAnd", "BitwiseOr", "BitwiseXor").Select(name => new Row(name, d => Two(d, name, d.Since(18) > 0 ? Wholes : [], null, Numbers.Any))),
        new("BitShift", d =>
        {
            d.Since(11);
            var type = d.One(U8, U16, U32, U64);
            var dims = d.Shape(d.Within(0, 3));
            d.Node("BitShift", [d.Data(type, dims, Numbers.Any), d.Weight(type, d.Stretching(dims), Numbers.Positive)], type, ("direction", d.One("LEFT", "RIGHT")));
        }),
        new("PRelu", d =>
        {
            var type = d.One(d.Since(7, 9, 16) < 9 ? OldReals : [.. OldReals, I32, I64, U32, U64]);
            var dims = d.Shape(d.Within(1, 4));
            d.Node("PRelu", [d.Data(type, dims), d.Weight(type, d.Stretching(dims))], type);
        }),
        new("Where", d =>
        {
            var type = d.One(d.Since(9, 16) < 16 ? Movable : [.. Movable, BF16]);
            var dims = d.Shape(d.Within(0, 4));
            d.Node("Where", [d.Data(Bool, d.Stretching(dims)), d.Weight(type, dims, Numbers.Any), d.Weight(type, d.Stretching(dims), Numbers.Any)], type);
        }),
        new("Clip", d =>
        {
            var version = d.Since(7, 11, 12, 13);
            var type = d.One(version == 7 ? OldReals : version == 11 ? OldReals : OldNumeric);
            var x = d.Data(type, d.Shape(d.Within(0, 3)), d.One(Numbers.Any, Numbers.Small));
            var (low, high) = (d.One(0, 1, -2), d.One(2, 3, -3));
            if (version == 7)
                d.Node("Clip", [x], type, ("min", d.Maybe((float)low)), ("max", d.Maybe((float)Math.Max(low, high))));
            else
            {
                string? Bound(int value) => d.Chance(0.3) ? null : d.Chance(0.7) ? d.Constant(Graphs.Tensor.Scalar(type, type.IsUnsigned() ? Math.Abs(value) : value)) : d.Input(Graphs.Tensor.Scalar(type, Math.Abs(value)));
                d.Node("Clip", [x, Bound(low), Bound(high)], type);
            }
        }),
        new("Cast", d =>
        {
            d.Since(9, 13, 19, 21);
            ElementType[] types = d.Opset < 13 ? Movable : [.. Movable, BF16];
            var (from, to) = (d.One(types), d.One(types));
            d.Node("Cast", [d.Data(from, d.Shape(d.Within(0, 3)), CastNumbers(d, from, to))], to, ("to", to));
        }),
        new("Cast of what does not fit", d =>
        {
            d.Since(13, 21);
            var (from, to) = (d.One(F32, F64), d.One(Wholes));
            d.Node("Cast", [d.Data(from, d.Shape(1), Numbers.Any)], to, ("to", to));
        }),
        new("CastLike", d =>
        {
            d.Since(15, 19, 21);
            var (from, to) = (d.One(Movable), d.One(Movable));
            d.Node("CastLike", [d.Data(from, d.Shape(d.Within(0, 3)), CastNumbers(d, from, to)), d.Weight(to, [1])], to);
        }),
    ];

    // A float that is out of an integer type's range has no defined value in it.
    static Numbers CastNumbers(Draft d, ElementType from, ElementType to) => from.IsFloat() && to.IsInteger() ? (to.IsUnsigned() ? Numbers.Positive : Numbers.Small)
        : from.IsFloat() ? d.One(Numbers.Any, Numbers.Small) : to is F16 or BF16 ? Numbers.Small : Numbers.Any;

    /// <summary>The names.</summary>
    internal static string[] Names(params string[] names) => names;

    static Row[] Each(string[] names, int[] versions, ElementType[] types, Numbers numbers) => [.. names.Select(name => new Row(name, d =>
    {
        d.Since(versions);
        One(d, name, types, numbers);
    }))];

    static void One(Draft d, string name, ElementType[] types, Numbers numbers)
    {
        var type = d.One(types);
        d.Node(name, [d.Data(type, d.Shape(d.Within(0, 4)), d.Chance(0.6) ? numbers : numbers == Numbers.Any ? Numbers.Small : numbers)], type);
    }

    static void Shaped(Draft d, string name, int[] versions, params (string, object?)[] attributes)
    {
        d.Since(versions);
        var type = d.One(name is "Celu" ? [F32] : OldReals);
        d.Node(name, [d.Data(type, d.Shape(d.Within(0, 4)), d.One(Numbers.Any, Numbers.Small))], type, attributes);
    }

    static void Two(Draft d, string name, ElementType[] types, ElementType? result, Numbers numbers)
    {
        var type = d.One(types);
        var dims = d.Shape(d.Within(0, 4));
        string[] operands = [d.Data(type, dims, d.One(numbers, Numbers.Small)), d.Weight(type, d.Stretching(dims), d.One(numbers, Numbers.Small))];
        if (d.Chance(0.3))
            Array.Reverse(operands);
        d.Node(name, operands, result ?? type);
    }

    static void Many(Draft d, string name, ElementType[] types, Numbers numbers)
    {
        var type = d.One(types);
        var dims = d.Shape(d.Within(0, 3));
        d.Node(name, [d.Data(type, dims, d.One(numbers, Numbers.Small)), .. Enumerable.Range(0, d.Within(0, 3)).Select(_ => d.Weight(type, d.Stretching(dims), d.One(numbers, Numbers.Small)))], type);
    }

    /// <summary>As it was before version 7 of the operator set: the second operand stretches where an attribute says so.</summary>
    static void Early(Draft d, string name)
    {
        d.Since(6);
        var type = name is "And" or "Or" or "Xor" ? Bool : name == "Equal" ? d.One(I32, I64) : d.One(F32, F64);
        if (name == "Gemm")
        {
            var (m, k, n) = (d.Size(1), d.Size(1), d.Size(1));
            d.Node("Gemm", [d.Data(type, [m, k]), d.Data(type, [k, n]), d.Data(type, [n])], type, ("broadcast", 1));
            return;
        }
        var dims = d.Shape(d.Within(1, 4), 1);
        if (name == "PRelu")
        {
            d.Node(name, [d.Data(type, dims), d.Data(type, d.Chance(0.5) || dims.Length < 2 ? [1] : [dims[1]])], type);
            return;
        }
        var stretches = d.Chance(0.7);
        var axis = d.Within(0, dims.Length - 1);
        var other = stretches ? dims[axis..d.Within(axis + 1, dims.Length)] : dims;
        d.Node(name, [d.Data(type, dims, name == "Pow" ? Numbers.Positive : Numbers.Small), d.Data(type, other, name == "Div" ? Numbers.Nonzero : Numbers.Small)],
            name is "Less" or "Greater" or "Equal" ? Bool : type, ("broadcast", stretches ? 1 : null), ("axis", stretches ? axis : null));
    }
}
