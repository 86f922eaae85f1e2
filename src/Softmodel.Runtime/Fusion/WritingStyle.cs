using Softmodel.Runtime.Numbers;

namespace Softmodel.Runtime.Fusion;

/// <summary>What becomes of the operands' unit in a result.</summary>
enum UnitRule
{
    /// <summary>It has none, as a count.</summary>
    None,
    /// <summary>It is that of the operands, as of a sum.</summary>
    Same,
    /// <summary>It is that of the one operand with a unit, as of a product.</summary>
    Product,
    /// <summary>It is that of the first operand, unless another one has one, too.</summary>
    Quotient,
    /// <summary>The result is a percentage.</summary>
    Percent,
}

/// <summary>How the text around would write a result. What is left out here follows from the operands.</summary>
readonly record struct WritingStyle
{
    /// <summary>Decimals, or significant digits below 1, of what has more than <see cref="ExactDecimals"/>.</summary>
    public const int RoundedDigits = 6;

    /// <summary>Numbers with no more decimals than this, or than the operands have together, are written exactly.</summary>
    public const int ExactDecimals = 20;

    /// <summary>The largest <see cref="Decimals"/>.</summary>
    public const int MaxDecimals = 1000;

    /// <summary>What separates thousands; by default what does in the operands.</summary>
    public Grouping? Grouping { get; init; }

    /// <summary>The number of decimals, of which zeros at the end are kept; by default as many as needed, and two for money.</summary>
    public int? Decimals { get; init; }

    /// <summary>Whether the unit (currency, per cent sign) is written; otherwise it is left to the model.</summary>
    public bool Unit { get; init; }

    /// <summary>Whether numbers are written in words, as far as they have names.</summary>
    public bool Words { get; init; }

    /// <summary>Whether numbers are as in JSON: digits, a hyphen and a decimal point, whatever the operands have.</summary>
    public bool Plain { get; init; }

    /// <summary>Whether the middle between two numbers is rounded to the even one; otherwise away from zero.</summary>
    public bool HalfEven { get; init; }

    /// <summary>The same as what .NET calls it.</summary>
    public MidpointRounding Midpoint => HalfEven ? MidpointRounding.ToEven : MidpointRounding.AwayFromZero;

    /// <summary>Writes the result of a program.</summary>
    /// <param name="value">The result.</param>
    /// <param name="operands">The numbers that it was made of: their style is that of the result.</param>
    /// <param name="rule">What becomes of their unit.</param>
    public string Write(Rational value, ReadOnlySpan<Number> operands, UnitRule rule) =>
        NumberWriter.Write(value, StyleOf(value, operands, rule), Unit && !Plain, Midpoint);

    NumberStyle StyleOf(Rational value, ReadOnlySpan<Number> operands, UnitRule rule)
    {
        var style = new NumberStyle();
        var (units, decimals, moneyDecimals, fractions, percents, scientific, otherwise) = (0, 0, 0, 0, 0, 0, 0);
        foreach (var (operand, written) in operands)
        {
            style = style with
            {
                DecimalComma = style.DecimalComma || written.DecimalComma,
                Indian = style.Indian || written.Indian,
                Grouping = style.Grouping == Numbers.Grouping.None ? written.Grouping : style.Grouping,
                Sign = operand.Sign < 0 && written.Sign is SignForm.Minus or SignForm.Parentheses ? written.Sign : style.Sign,
            };
            decimals = Math.Min(decimals + written.Decimals + (written.Percent ? 2 : 0), 2 * Number.MaxDigits);
            percents += written.Percent ? 1 : 0;
            scientific += written.Form == NumberForm.Scientific ? 1 : 0;
            fractions += written.Form is NumberForm.Fraction or NumberForm.Mixed ? 1 : 0;
            otherwise += written.Form is not (NumberForm.Fraction or NumberForm.Mixed) && !operand.IsInteger ? 1 : 0;
            if (written.Unit is not null)
            {
                if (units++ == 0)
                    style = style with { Unit = written.Unit, UnitAfter = written.UnitAfter, UnitSpace = written.UnitSpace };
                moneyDecimals = Math.Max(moneyDecimals, written.Decimals);
            }
        }
        if (Grouping is { } grouping)
            style = style with { Grouping = grouping, DecimalComma = grouping == Numbers.Grouping.Dot || (style.DecimalComma && grouping != Numbers.Grouping.Comma) };
        // Operands that disagree.
        if (style is { Grouping: Numbers.Grouping.Comma, DecimalComma: true })
            style = style with { Grouping = Numbers.Grouping.None };
        if (Plain)
            (style, fractions, scientific) = (style with { Grouping = Numbers.Grouping.None, DecimalComma = false, Sign = SignForm.Hyphen }, 0, 0);
        var hasUnit = rule switch
        {
            UnitRule.Same => true,
            UnitRule.Product => units == 1,
            UnitRule.Quotient => units == 1 && operands.Length > 0 && operands[0].Style.Unit is not null,
            _ => false,
        };
        if (!hasUnit)
            style = style with { Unit = null };
        if (rule == UnitRule.Percent || (percents > 0 && rule switch
        {
            UnitRule.Same => percents == operands.Length,
            UnitRule.Quotient => percents == 1 && operands[0].Style.Percent,
            _ => false,
        }))
        {
            style = style with { Percent = true, Unit = null };
            value *= 100;
        }
        if (Words && !Plain)
            style = style with { Form = NumberForm.Words };
        else if (Decimals is null && fractions > 0 && otherwise == 0 && style.Unit is null && !style.Percent)
            return style with { Form = HasMixed(operands) ? NumberForm.Mixed : NumberForm.Fraction };
        var exact = value.Decimals is { } all && all <= Math.Max(ExactDecimals, decimals) ? all : default(int?);
        if (Decimals is { } chosen)
            return style with { Decimals = Math.Clamp(chosen, 0, MaxDecimals) };
        if (style.Unit is not null && !(value.IsInteger && moneyDecimals == 0))
            return style with { Decimals = Math.Clamp(exact ?? 2, 2, Math.Max(2, moneyDecimals)) };
        if (scientific > 0 && Math.Abs(NumberWriter.Magnitude(value.Abs())) >= ExactDecimals)
        {
            var mantissa = value / new Rational(10, 1).Pow(NumberWriter.Magnitude(value.Abs()));
            return style with { Form = NumberForm.Scientific, Decimals = mantissa.Decimals is <= ExactDecimals and { } few ? few : Shortest(mantissa, RoundedDigits) };
        }
        return style with { Decimals = exact ?? Shortest(value, RoundedDigits + Math.Max(0, -1 - NumberWriter.Magnitude(value.Abs()))) };
    }

    // Zeros at the end of what is rounded are left out.
    int Shortest(Rational value, int decimals) => value.Round(decimals, Midpoint).Decimals!.Value;

    static bool HasMixed(ReadOnlySpan<Number> operands)
    {
        foreach (var operand in operands)
        {
            if (operand.Style.Form == NumberForm.Mixed)
                return true;
        }
        return false;
    }
}
