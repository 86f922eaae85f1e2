using System.Globalization;
using System.Numerics;
using Softmodel.Runtime.Fusion;
using Softmodel.Runtime.Numbers;

namespace Softmodel.Runtime.Sums;

/// <summary>The programs for sums.</summary>
static class SumPrograms
{
    delegate Rational Computation(Arithmetic arithmetic, ReadOnlySpan<Number> operands);

    /// <summary>All, by name.</summary>
    public static FusedPrograms All { get; } = new(
    [
        Listed("add", "The sum of two or more numbers.", UnitRule.Same, Total, "+", "plus"),
        Repeated("subtract", "The first number less the others.", UnitRule.Same, (c, x) => Total(c, Negated(x))),
        Row("difference", "How far two numbers are apart.", ["a", "b"], UnitRule.Same, (c, x) => c.Subtract(x[0].Value, x[1].Value).Abs()),
        Listed("multiply", "The product of two or more numbers.", UnitRule.Product, (c, x) => Each(x, c.Multiply), "×", "*", "·", "⋅", "x", "times"),
        Repeated("divide", "The first number divided by the others.", UnitRule.Quotient, (c, x) => Each(x, c.Divide)),
        Row("quotient", "The integer quotient, rounded down.", ["a", "b"], UnitRule.None, (c, x) => c.Quotient(x[0].Value, x[1].Value)),
        Row("quotient_up", "The integer quotient, rounded up: how many of the second number hold the first.", ["a", "b"], UnitRule.None, (c, x) => -c.Quotient(-x[0].Value, x[1].Value)),
        Row("remainder", "What is left of a division, with the sign of the divisor.", ["a", "b"], UnitRule.None, (c, x) => c.Remainder(x[0].Value, x[1].Value)),
        Text("quotient_and_remainder", "The integer quotient and what is left: 17 and 5 give '3 remainder 2'.", ["a", "b"], (c, x, around) =>
        {
            var quotient = c.Quotient(x[0].Value, x[1].Value);
            return $"{around.Write(quotient, x, UnitRule.None)} remainder {around.Write(c.Subtract(x[0].Value, c.Multiply(x[1].Value, quotient)), x, UnitRule.None)}";
        }),

        Row("multiply_add", "The product of two numbers, and a third: a b + c.", ["a", "b", "c"], UnitRule.Same, (c, x) => c.Add(c.Multiply(x[0].Value, x[1].Value), x[2].Value)),
        Row("multiply_subtract", "The product of two numbers, less a third: a b - c.", ["a", "b", "c"], UnitRule.Same, (c, x) => c.Subtract(c.Multiply(x[0].Value, x[1].Value), x[2].Value)),
        Row("subtract_product", "A number less the product of two others: a - b c.", ["a", "b", "c"], UnitRule.Same, (c, x) => c.Subtract(x[0].Value, c.Multiply(x[1].Value, x[2].Value))),
        Row("sum_of_products", "The sum of two products: a b + c d.", ["a", "b", "c", "d"], UnitRule.Same, (c, x) => c.Add(c.Multiply(x[0].Value, x[1].Value), c.Multiply(x[2].Value, x[3].Value))),
        Row("multiply_sum", "The sum of two numbers times a third: (a + b) c.", ["a", "b", "c"], UnitRule.Same, (c, x) => c.Multiply(c.Add(x[0].Value, x[1].Value), x[2].Value)),
        Row("multiply_difference", "The difference of two numbers times a third: (a - b) c.", ["a", "b", "c"], UnitRule.Same, (c, x) => c.Multiply(c.Subtract(x[0].Value, x[1].Value), x[2].Value)),
        Row("divide_sum", "The sum of two numbers divided by a third: (a + b) / c.", ["a", "b", "c"], UnitRule.Same, (c, x) => c.Divide(c.Add(x[0].Value, x[1].Value), x[2].Value)),
        Row("divide_difference", "The difference of two numbers divided by a third: (a - b) / c.", ["a", "b", "c"], UnitRule.Same, (c, x) => c.Divide(c.Subtract(x[0].Value, x[1].Value), x[2].Value)),
        Row("divide_product", "The product of two numbers divided by a third, as in the rule of three: a b / c.", ["a", "b", "c"], UnitRule.Same, (c, x) => c.Divide(c.Multiply(x[0].Value, x[1].Value), x[2].Value)),

        Row("power", "The first number to the power of the second.", ["base", "exponent"], UnitRule.None, (c, x) => c.Power(x[0].Value, x[1].Value)),
        Row("square", "The second power.", ["x"], UnitRule.None, (c, x) => c.Power(x[0].Value, 2)),
        Row("cube", "The third power.", ["x"], UnitRule.None, (c, x) => c.Power(x[0].Value, 3)),
        Row("square_root", "The square root.", ["x"], UnitRule.None, (c, x) => c.Root(x[0].Value, 2)),
        Row("cube_root", "The cube root.", ["x"], UnitRule.None, (c, x) => c.Root(x[0].Value, 3)),
        Row("root", "The root of the first number whose index is the second.", ["x", "index"], UnitRule.None, (c, x) => c.Root(x[0].Value, x[1].Value)),

        Percentage("percent_of", "So many per cent of a number.", ["percent", "x"], (c, part, whole) => c.Multiply(part, whole)),
        Percentage("increase_by_percent", "A number and so many per cent of it.", ["x", "percent"], (c, part, whole) => c.Multiply(whole, c.Add(1, part))),
        Percentage("decrease_by_percent", "A number less so many per cent of it.", ["x", "percent"], (c, part, whole) => c.Multiply(whole, c.Subtract(1, part))),
        Row("percent_change", "The change from the first number to the second, in per cent of the first.", ["from", "to"], UnitRule.Percent,
            (c, x) => c.Divide(c.Subtract(x[1].Value, x[0].Value), x[0].Value.Abs())),
        Row("what_percent", "How many per cent of the second number the first is.", ["part", "whole"], UnitRule.Percent, (c, x) => c.Divide(x[0].Value, x[1].Value)),
        Text("ratio", "The ratio of two numbers in lowest terms: '3:4'.", ["a", "b"], (c, x, around) =>
        {
            var ratio = c.Divide(x[0].Value, x[1].Value);
            return $"{around.Write(ratio.Numerator, [], UnitRule.None)}:{around.Write(ratio.Denominator, [], UnitRule.None)}";
        }),

        Text("is_greater", "Whether the first number is greater than the second: 'yes' or 'no'.", ["a", "b"], (_, x, _) => x[0].Value > x[1].Value ? "yes" : "no"),
        Text("is_less", "Whether the first number is less than the second: 'yes' or 'no'.", ["a", "b"], (_, x, _) => x[0].Value < x[1].Value ? "yes" : "no"),
        Text("is_equal", "Whether two numbers are the same: 'yes' or 'no'.", ["a", "b"], (_, x, _) => x[0].Value == x[1].Value ? "yes" : "no"),
        Text("compare", "What the first number is beside the second: 'greater', 'less' or 'equal'.", ["a", "b"], (_, x, _) => x[0].Value.CompareTo(x[1].Value) switch
        {
            > 0 => "greater",
            < 0 => "less",
            _ => "equal",
        }),
        Choice("maximum", "The greatest of two or more numbers, as it was written.", sign: 1),
        Choice("minimum", "The least of two or more numbers, as it was written.", sign: -1),

        Listed("greatest_common_divisor", "The greatest common divisor of integers.", UnitRule.None, (c, x) => Integers(c, x, BigInteger.GreatestCommonDivisor)),
        Listed("least_common_multiple", "The least common multiple of integers.", UnitRule.None, (c, x) => Integers(c, x, (a, b) =>
            a.IsZero || b.IsZero ? 0 : BigInteger.Abs(c.Multiply(a / BigInteger.GreatestCommonDivisor(a, b), b).Numerator))),
        Row("digit_sum", "The sum of a number's digits.", ["x"], UnitRule.None, (_, x) => DigitSum(x[0].Value)),
        Listed("average", "The arithmetic mean.", UnitRule.Same, (c, x) => c.Divide(Each(x, c.Add), x.Length)),

        Text("round_to_decimals", "A number to so many decimals.", ["x", "decimals"], (_, x, around) =>
        {
            var decimals = Arithmetic.Integer(x[1].Value);
            return decimals >= -Number.MaxDigits && decimals <= WritingStyle.MaxDecimals
                ? (around with { Decimals = Math.Max(0, (int)decimals) }).Write(AsWritten(x[0], v => v.Round((int)decimals, around.Midpoint)), x[..1], UnitRule.Same)
                : throw new ProgramException(ProgramFailure.TooLarge, string.Create(CultureInfo.InvariantCulture, $"Numbers are rounded to at most {WritingStyle.MaxDecimals:N0} decimals."));
        }),
        Rounding("round", "The nearest integer.", 1),
        Rounding("round_to_ten", "The nearest multiple of ten.", 10),
        Rounding("round_to_hundred", "The nearest multiple of a hundred.", 100),
        Rounding("round_to_thousand", "The nearest multiple of a thousand.", 1000),
        Text("round_to_multiple", "The nearest multiple of the second number.", ["x", "step"], (_, x, around) => x[1].Value.Sign != 0
            ? around.Write(x[0].Value.RoundTo(x[1].Value, around.Midpoint), [x[0] with { Style = x[0].Style with { Form = NumberForm.Decimal } }], UnitRule.Same)
            : throw Arithmetic.ByZero()),
        Row("round_down", "The greatest integer that is not greater.", ["x"], UnitRule.Same, (_, x) => AsWritten(x[0], v => v.Floor())),
        Row("round_up", "The least integer that is not less.", ["x"], UnitRule.Same, (_, x) => AsWritten(x[0], v => -(-v).Floor())),

        Row("absolute", "The magnitude of a number.", ["x"], UnitRule.Same, (_, x) => x[0].Value.Abs()),
        Row("negate", "The negative of a number.", ["x"], UnitRule.Same, (_, x) => -x[0].Value),
        Row("double", "Twice a number.", ["x"], UnitRule.Same, (c, x) => c.Multiply(2, x[0].Value)),
        Row("half", "Half of a number.", ["x"], UnitRule.Same, (c, x) => c.Divide(x[0].Value, 2)),
        Row("reciprocal", "One divided by a number.", ["x"], UnitRule.None, (c, x) => c.Divide(1, x[0].Value)),

        new("evaluate", "The value of an expression with parentheses.", ["expression"], (operands, around) =>
        {
            var (value, numbers, rule) = Expression.Evaluate(operands[0], new(around.Decimals ?? 0));
            return around.Write(value, numbers, rule);
        })
        {
            Takes = static (_, text) =>
            {
                Expression.Evaluate(text, new(0));
                return true;
            },
        },
    ]);

    delegate string Answer(Arithmetic arithmetic, ReadOnlySpan<Number> operands, WritingStyle around);

    static FusedProgram Text(string name, string description, string[] operands, Answer answer) => new(name, description, operands, (texts, around) =>
        answer(new(around.Decimals ?? 0), Number.Read(texts), around))
    { Takes = IsNumber };

    static bool IsNumber(int operand, string text) => Number.Is(text);

    static FusedProgram Row(string name, string description, string[] operands, UnitRule rule, Computation compute) => Text(name, description, operands, (arithmetic, numbers, around) =>
    {
        // Percentages of what is not one leave no trace in the result.
        var styles = rule == UnitRule.Same && !IsPercentage(numbers) ? [.. numbers.ToArray().Where(n => !n.Style.Percent)] : numbers;
        return around.Write(compute(arithmetic, numbers), styles, rule);
    });

    static FusedProgram Repeated(string name, string description, UnitRule rule, Computation compute) =>
        Row(name, description, ["a", "b"], rule, compute) with { Repeats = true };

    static FusedProgram Listed(string name, string description, UnitRule rule, Computation compute, params string[] signs) =>
        Repeated(name, description, rule, compute) with { Items = text => NumberList.Read(text, signs) };

    // The operand with a per cent sign is the percentage, whichever comes first.
    static FusedProgram Percentage(string name, string description, string[] operands, Func<Arithmetic, Rational, Rational, Rational> compute) =>
        Text(name, description, operands, (arithmetic, numbers, around) =>
        {
            var at = Array.IndexOf(operands, "percent");
            if (!numbers[at].Style.Percent && numbers[1 - at].Style.Percent)
                at = 1 - at;
            var part = numbers[at].Style.Percent ? numbers[at].Value : arithmetic.Divide(numbers[at].Value, 100);
            var whole = numbers[1 - at];
            return around.Write(compute(arithmetic, part, whole.Value), [whole], UnitRule.Same);
        });

    static FusedProgram Choice(string name, string description, int sign) => new(name, description, ["a", "b"], (texts, around) =>
    {
        var numbers = Number.Read(texts);
        var best = 0;
        for (var i = 1; i < numbers.Length; i++)
        {
            if (numbers[i].Value.CompareTo(numbers[best].Value) * sign > 0)
                best = i;
        }
        return numbers[best].Style is { Form: NumberForm.Words, Percent: false, Unit: null } ? texts[best].Trim() : NumberWriter.Write(numbers[best].Value, numbers[best].Style, around.Unit);
    })
    { Repeats = true, Takes = IsNumber, Items = static text => NumberList.Read(text) };

    static FusedProgram Rounding(string name, string description, int step) => Text(name, description, ["x"], (_, numbers, around) =>
        (around with { Decimals = 0 }).Write(AsWritten(numbers[0], v => v.RoundTo(step, around.Midpoint)), numbers, UnitRule.Same));

    // 72.3% is a number of per cents where it is rounded: 72%.
    static Rational AsWritten(Number number, Func<Rational, Rational> round) => number.Style.Percent ? round(number.Value * 100) / 100 : round(number.Value);

    static bool IsPercentage(ReadOnlySpan<Number> numbers)
    {
        foreach (var number in numbers)
        {
            if (!number.Style.Percent)
                return false;
        }
        return true;
    }

    static Rational Each(ReadOnlySpan<Number> numbers, Func<Rational, Rational, Rational> combine)
    {
        var result = numbers[0].Value;
        foreach (var number in numbers[1..])
            result = combine(result, number.Value);
        return result;
    }

    // A percentage that is added to what is none is one of what stands before.
    static Rational Total(Arithmetic arithmetic, ReadOnlySpan<Number> numbers)
    {
        var (total, percent) = (numbers[0].Value, numbers[0].Style.Percent);
        foreach (var number in numbers[1..])
            total = arithmetic.Add(total, number.Style.Percent && !percent ? arithmetic.Multiply(total, number.Value) : number.Value);
        return total;
    }

    static Number[] Negated(ReadOnlySpan<Number> numbers)
    {
        var negated = numbers.ToArray();
        foreach (ref var number in negated.AsSpan(1))
            number = number with { Value = -number.Value };
        return negated;
    }

    static Rational Integers(Arithmetic arithmetic, ReadOnlySpan<Number> numbers, Func<BigInteger, BigInteger, BigInteger> combine)
    {
        var result = BigInteger.Abs(Arithmetic.Integer(numbers[0].Value));
        foreach (var number in numbers[1..])
        {
            arithmetic.Spend(number.Value.Bits + (long)result.GetBitLength());
            result = combine(result, Arithmetic.Integer(number.Value));
        }
        return result;
    }

    static Rational DigitSum(Rational value)
    {
        var decimals = value.Decimals ?? throw new ProgramException(ProgramFailure.Undefined, "The digits of that number never end.");
        var sum = 0;
        foreach (var digit in BigInteger.Abs(value.Scaled(decimals, MidpointRounding.ToZero)).ToString(CultureInfo.InvariantCulture))
            sum += digit - '0';
        return sum;
    }
}
