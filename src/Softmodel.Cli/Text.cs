using Softmodel.Report;
using Spectre.Console;

namespace Softmodel.Cli;

/// <summary>How numbers and tables are written for people.</summary>
static class Text
{
    /// <summary>A number of bytes: <c>954 B</c>, <c>4.7 MB</c>.</summary>
    public static string Size(long bytes) => Amount.Of(bytes, "B");

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
