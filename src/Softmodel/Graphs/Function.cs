using Softmodel.Runtime;

namespace Softmodel.Graphs;

/// <summary>
/// A function of single numbers, applied to whole tensors by <see cref="Op.Map"/>. What a function is
/// stands in its row of <see cref="Functions"/>; how it is written in C# is known to Emit alone.
/// </summary>
/// <param name="Name">The name in the text form of graphs.</param>
/// <param name="Arity">How many operands it has.</param>
/// <param name="Float">Its value on floats; absent ones are 0.</param>
/// <param name="Integer">Its value on integers, or null where it has none.</param>
/// <param name="Result">What the type of the result is.</param>
/// <param name="Cost">About how many instructions a vector of it takes.</param>
/// <param name="Onnx">The ONNX operator that is exactly this.</param>
/// <param name="DividesIntegers">Whether it has no value where the last of integers is 0.</param>
public sealed record Function(
    string Name, int Arity,
    Func<double, double, double, double> Float, Func<long, long, long, long>? Integer,
    FunctionResult Result = FunctionResult.Operand, int Cost = 1, string? Onnx = null, bool DividesIntegers = false)
{
    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <inheritdoc/>
    public bool Equals(Function? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <summary>The type of the result for operands of these types.</summary>
    /// <exception cref="SoftmodelException">The function does not take them.</exception>
    public ElementType ResultType(ReadOnlySpan<ElementType> operands)
    {
        if (operands.Length != Arity)
            throw new SoftmodelException($"{Name} takes {Arity} operands, not {operands.Length}");
        var last = operands[^1];
        var agree = Result == FunctionResult.Selected
            ? operands[0] == ElementType.Bool && operands[1] == last
            : operands.IndexOfAnyExcept(last) < 0;
        var ofBool = Result is FunctionResult.Logical or FunctionResult.Selected || Name is "equal";
        var ofIntegers = Result == FunctionResult.Selected || (Integer is not null && Result != FunctionResult.Logical);
        var ofFloats = Result != FunctionResult.Logical && Result != FunctionResult.Bits;
        var fits = last == ElementType.Bool ? ofBool : last.IsFloat() ? ofFloats : last.IsInteger() && ofIntegers;
        if (!agree || !fits)
            throw new SoftmodelException($"{Name} does not take operands of type {string.Join(", ", operands.ToArray())}");
        return Result is FunctionResult.Truth ? ElementType.Bool : last;
    }
}

/// <summary>How the type of a function's result follows from those of its operands.</summary>
public enum FunctionResult
{
    /// <summary>Operands and result are numbers of one type.</summary>
    Operand,
    /// <summary>Operands and result are integers of one type.</summary>
    Bits,
    /// <summary>The operands are of one type, the result is a truth value.</summary>
    Truth,
    /// <summary>Operands and result are truth values.</summary>
    Logical,
    /// <summary>The first operand is a truth value, the others and the result are of one type.</summary>
    Selected,
}

/// <summary>The table of scalar functions.</summary>
static class Functions
{
    static readonly Dictionary<string, Function> byName = new(StringComparer.Ordinal);

    internal static readonly Function
        Negate = Unary("negate", x => -x, x => -x, onnx: "Neg"),
        Plus = Binary("add", (x, y) => x + y, (x, y) => x + y, onnx: "Add"),
        Subtract = Binary("subtract", (x, y) => x - y, (x, y) => x - y, onnx: "Sub"),
        Multiply = Binary("multiply", (x, y) => x * y, (x, y) => x * y, onnx: "Mul"),
        Divide = Binary("divide", (x, y) => x / y, (x, y) => y == -1 ? -x : x / Check.NotZero(y), cost: 8, dividesIntegers: true, onnx: "Div"),
        Modulo = Binary("modulo", (x, y) => x - Math.Floor(x / y) * y, (x, y) => y == -1 ? 0 : (x % Check.NotZero(y) + y) % y, cost: 12, dividesIntegers: true),
        Remainder = Binary("remainder", (x, y) => x % y, (x, y) => y == -1 ? 0 : x % Check.NotZero(y), cost: 12, dividesIntegers: true),
        Power = Binary("power", Math.Pow, IntegerPower, cost: 40, onnx: "Pow"),
        Minimum = Binary("minimum", Math.Min, Math.Min, onnx: "Min"),
        Maximum = Binary("maximum", Math.Max, Math.Max, onnx: "Max"),
        Abs = Unary("abs", Math.Abs, x => x < 0 ? -x : x, onnx: "Abs"),
        Sign = Unary("sign", x => double.IsNaN(x) ? x : Math.Sign(x), x => Math.Sign(x), cost: 3, onnx: "Sign"),
        Floor = Unary("floor", Math.Floor, x => x, onnx: "Floor"),
        Ceiling = Unary("ceiling", Math.Ceiling, x => x, onnx: "Ceil"),
        Truncate = Unary("truncate", Math.Truncate, x => x),
        Round = Unary("round", x => Math.Round(x, MidpointRounding.ToEven), x => x, onnx: "Round"),
        Sqrt = Unary("sqrt", Math.Sqrt, null, cost: 10, onnx: "Sqrt"),
        Exp = Unary("exp", Math.Exp, null, cost: 12, onnx: "Exp"),
        Log = Unary("log", Math.Log, null, cost: 16, onnx: "Log"),
        Sin = Unary("sin", Math.Sin, null, cost: 18, onnx: "Sin"),
        Cos = Unary("cos", Math.Cos, null, cost: 18, onnx: "Cos"),
        Tan = Unary("tan", Math.Tan, null, cost: 80, onnx: "Tan"),
        Asin = Unary("asin", Math.Asin, null, cost: 80, onnx: "Asin"),
        Acos = Unary("acos", Math.Acos, null, cost: 80, onnx: "Acos"),
        Atan = Unary("atan", Math.Atan, null, cost: 80, onnx: "Atan"),
        Sinh = Unary("sinh", Math.Sinh, null, cost: 80, onnx: "Sinh"),
        Cosh = Unary("cosh", Math.Cosh, null, cost: 80, onnx: "Cosh"),
        Asinh = Unary("asinh", Math.Asinh, null, cost: 80, onnx: "Asinh"),
        Acosh = Unary("acosh", Math.Acosh, null, cost: 80, onnx: "Acosh"),
        Atanh = Unary("atanh", Math.Atanh, null, cost: 80, onnx: "Atanh"),
        Tanh = Unary("tanh", Math.Tanh, null, cost: 16, onnx: "Tanh"),
        Sigmoid = Unary("sigmoid", x => 1 / (1 + Math.Exp(-x)), null, cost: 16, onnx: "Sigmoid"),
        Softplus = Unary("softplus", x => Math.Max(x, 0) + Log1P(Math.Exp(-Math.Abs(x))), null, cost: 30, onnx: "Softplus"),
        ErrorFunction = Unary("erf", Erf, null, cost: 20, onnx: "Erf"),
        Equal = Binary("equal", (x, y) => x == y ? 1 : 0, (x, y) => x == y ? 1 : 0, result: FunctionResult.Truth, onnx: "Equal"),
        Less = Binary("less", (x, y) => x < y ? 1 : 0, (x, y) => x < y ? 1 : 0, result: FunctionResult.Truth, onnx: "Less"),
        LessOrEqual = Binary("less_or_equal", (x, y) => x <= y ? 1 : 0, (x, y) => x <= y ? 1 : 0, result: FunctionResult.Truth, onnx: "LessOrEqual"),
        IsNaN = Unary("is_nan", x => double.IsNaN(x) ? 1 : 0, null, result: FunctionResult.Truth, onnx: "IsNaN"),
        Not = Unary("not", x => x == 0 ? 1 : 0, x => x == 0 ? 1 : 0, result: FunctionResult.Logical, onnx: "Not"),
        And = Binary("and", (x, y) => x != 0 && y != 0 ? 1 : 0, (x, y) => x & y, result: FunctionResult.Logical, onnx: "And"),
        Or = Binary("or", (x, y) => x != 0 || y != 0 ? 1 : 0, (x, y) => x | y, result: FunctionResult.Logical, onnx: "Or"),
        Xor = Binary("xor", (x, y) => x != 0 != (y != 0) ? 1 : 0, (x, y) => x ^ y, result: FunctionResult.Logical, onnx: "Xor"),
        BitNot = Unary("bit_not", NoFloat, x => ~x, result: FunctionResult.Bits, onnx: "BitwiseNot"),
        BitAnd = Binary("bit_and", NoFloat, (x, y) => x & y, result: FunctionResult.Bits, onnx: "BitwiseAnd"),
        BitOr = Binary("bit_or", NoFloat, (x, y) => x | y, result: FunctionResult.Bits, onnx: "BitwiseOr"),
        BitXor = Binary("bit_xor", NoFloat, (x, y) => x ^ y, result: FunctionResult.Bits, onnx: "BitwiseXor"),
        ShiftLeft = Binary("shift_left", NoFloat, (x, y) => y is < 0 or > 63 ? 0 : x << (int)y, result: FunctionResult.Bits),
        ShiftRight = Binary("shift_right", NoFloat, (x, y) => y is < 0 or > 63 ? 0 : (long)((ulong)x >> (int)y), result: FunctionResult.Bits),
        Select = Add(new("select", 3, (c, x, y) => c != 0 ? x : y, (c, x, y) => c != 0 ? x : y, Result: FunctionResult.Selected, Onnx: "Where"));

    /// <summary>Every row.</summary>
    public static IEnumerable<Function> All => byName.Values;

    /// <summary>The function of a name.</summary>
    /// <exception cref="FormatException">There is none.</exception>
    public static Function Named(string name) =>
        byName.TryGetValue(name, out var function) ? function : throw new FormatException($"there is no function '{name}'");

    static Function Unary(string name, Func<double, double> onFloats, Func<long, long>? onIntegers, FunctionResult result = FunctionResult.Operand, int cost = 1, string? onnx = null) =>
        Add(new(name, 1, (x, _, _) => onFloats(x), onIntegers is null ? null : (x, _, _) => onIntegers(x), result, cost, onnx));

    static Function Binary(string name, Func<double, double, double> onFloats, Func<long, long, long>? onIntegers, FunctionResult result = FunctionResult.Operand, int cost = 1, string? onnx = null, bool dividesIntegers = false) =>
        Add(new(name, 2, (x, y, _) => onFloats(x, y), onIntegers is null ? null : (x, y, _) => onIntegers(x, y), result, cost, onnx, dividesIntegers));

    static Function Add(Function function)
    {
        byName.Add(function.Name, function);
        return function;
    }

    static double NoFloat(double x) => throw new InvalidOperationException("integers only");

    static double NoFloat(double x, double y) => throw new InvalidOperationException("integers only");

    static long IntegerPower(long x, long y) =>
        y < 0 ? x == 1 ? 1 : x == -1 ? (y % 2 == 0 ? 1 : -1) : 0 : y == 0 ? 1 : (y % 2 == 0 ? 1 : x) * IntegerPower(unchecked(x * x), y / 2);

    static double Log1P(double x) => Math.Abs(x) < 1e-5 ? x - x * x / 2 : Math.Log(1 + x);

    /// <summary>The error function to about 1e-15: its series near 0, a continued fraction for its tail.</summary>
    static double Erf(double x)
    {
        var z = Math.Abs(x);
        if (double.IsNaN(x))
            return x;
        if (z > 6)
            return Math.Sign(x);
        if (z < 2.5)
        {
            var (sum, term) = (x, x);
            for (var n = 1; Math.Abs(term) > 1e-17 * Math.Abs(sum) && n < 200; n++)
            {
                term *= -x * x / n;
                sum += term / (2 * n + 1);
            }
            return sum * 2 / Math.Sqrt(Math.PI);
        }
        var fraction = 0.0;
        for (var n = 60; n > 0; n--)
            fraction = n / 2.0 / (z + fraction);
        return Math.Sign(x) * (1 - Math.Exp(-z * z) / Math.Sqrt(Math.PI) / (z + fraction));
    }
}
