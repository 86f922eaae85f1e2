using System.Globalization;
using Softmodel.Report;
using Spectre.Console;

namespace Softmodel.Cli;

/// <summary>How numbers and tables are written for people.</summary>
static class Text
{
    /// <summary>A number of bytes: <c>954 B</c>, <c>4.7 MB</c>.</summary>
    public static string Size(long bytes) => Amount.Of(bytes, "B");

    /// <summary>A number of bytes as a user writes it, <c>2GB</c>; null where it is none.</summary>
    public static long? Bytes(string text)
    {
        foreach (var (unit, bytes) in units)
        {
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase) && double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var number) && number * bytes is >= 1 and < 1L << 60)
                return (long)(number * bytes);
        }
        return null;
    }

    static readonly (string Unit, double Bytes)[] units = [("GiB", 1L << 30), ("MiB", 1L << 20), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)];

    /// <summary>A table with these headings.</summary>
    public static Table Table(params string[] headings)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var heading in headings)
            table.AddColumn(new TableColumn(heading.EscapeMarkup()));
        return table;
    }

    /// <summary>Adds a row of plain text.</summary>
    public static Table Row(this Table table, params string[] cells) => table.AddRow([.. cells.Select(c => c.EscapeMarkup())]);
}
