using System.Globalization;

namespace Softmodel.Report;

/// <summary>Numbers with their units, short enough to be read.</summary>
static class Amount
{
    static readonly string[] prefixes = ["", "k", "M", "G", "T"];

    /// <summary>For example <c>954 B</c> or <c>4.7 MB</c>.</summary>
    public static string Of(double value, string unit)
    {
        var prefix = 0;
        for (; value >= 999.5 && prefix < prefixes.Length - 1; prefix++)
            value /= 1000;
        var number = value.ToString(prefix == 0 || value >= 99.95 ? "0" : "0.0", CultureInfo.InvariantCulture);
        return $"{number} {prefixes[prefix]}{unit}".TrimEnd();
    }
}
