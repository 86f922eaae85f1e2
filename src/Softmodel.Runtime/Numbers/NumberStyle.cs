namespace Softmodel.Runtime.Numbers;

/// <summary>The kind of notation.</summary>
enum NumberForm
{
    /// <summary><c>1250</c>, <c>-2.5</c>.</summary>
    Decimal,
    /// <summary><c>3/4</c>.</summary>
    Fraction,
    /// <summary><c>1 1/2</c>.</summary>
    Mixed,
    /// <summary><c>1.5e3</c>.</summary>
    Scientific,
    /// <summary><c>forty-two</c>.</summary>
    Words,
    /// <summary><c>21st</c>.</summary>
    Ordinal,
}

/// <summary>What stands between thousands.</summary>
enum Grouping
{
    /// <summary>Nothing.</summary>
    None,
    /// <summary><c>1,234</c>.</summary>
    Comma,
    /// <summary><c>1.234</c>, with a decimal comma.</summary>
    Dot,
    /// <summary><c>1 234</c>.</summary>
    Space,
    /// <summary>A space that does not break lines, U+00A0.</summary>
    NoBreakSpace,
    /// <summary>A narrow one, U+202F.</summary>
    NarrowSpace,
    /// <summary>A thin space, U+2009.</summary>
    ThinSpace,
    /// <summary><c>1'234</c>.</summary>
    Apostrophe,
    /// <summary><c>1’234</c>, U+2019.</summary>
    TypographicApostrophe,
    /// <summary><c>1_234</c>.</summary>
    Underscore,
}

/// <summary>How a negative number is marked.</summary>
enum SignForm
{
    /// <summary><c>-5</c>.</summary>
    Hyphen,
    /// <summary><c>−5</c>, U+2212.</summary>
    Minus,
    /// <summary><c>minus five</c>.</summary>
    MinusWord,
    /// <summary><c>negative five</c>.</summary>
    NegativeWord,
    /// <summary><c>(5)</c>, as in accounts.</summary>
    Parentheses,
}

/// <summary>How a number is written.</summary>
readonly record struct NumberStyle
{
    /// <summary>The characters of <see cref="Numbers.Grouping"/>, in its order.</summary>
    public const string Separators = "\0,. \u00A0\u202F\u2009'\u2019_";

    /// <summary>The notation.</summary>
    public NumberForm Form { get; init; }

    /// <summary>What stands between thousands.</summary>
    public Grouping Grouping { get; init; }

    /// <summary>Whether groups above the first three digits have two, as in <c>12,34,567</c>.</summary>
    public bool Indian { get; init; }

    /// <summary>Whether the decimal separator is a comma.</summary>
    public bool DecimalComma { get; init; }

    /// <summary>Digits after the decimal separator.</summary>
    public int Decimals { get; init; }

    /// <summary>The least number of digits before it, for leading zeros; 0 where there are none.</summary>
    public int Width { get; init; }

    /// <summary>Whether the zero before the decimal separator is left out: <c>.25</c>.</summary>
    public bool BarePoint { get; init; }

    /// <summary>The sign or code of a currency, or null.</summary>
    public string? Unit { get; init; }

    /// <summary>Whether the currency follows the number.</summary>
    public bool UnitAfter { get; init; }

    /// <summary>Whether a space is between the number and the currency or per cent sign.</summary>
    public bool UnitSpace { get; init; }

    /// <summary>Whether the number is in hundredths: <c>8%</c> is 0.08.</summary>
    public bool Percent { get; init; }

    /// <summary>How a negative number is marked.</summary>
    public SignForm Sign { get; init; }

    /// <summary>What multiplies the digits, as it is written: <c>k</c>, <c> million</c>; null for none.</summary>
    public string? Scale { get; init; }
}
