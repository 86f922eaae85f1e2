namespace Softmodel.Cli.Commands;

/// <summary>Texts that are read from standard input.</summary>
static class TextLines
{
    /// <summary>The lines that are not blank.</summary>
    /// <exception cref="SoftmodelException">There is none.</exception>
    public static async Task<string[]> Read(CancellationToken cancel)
    {
        var lines = new List<string>();
        while (await Console.In.ReadLineAsync(cancel) is { } line)
        {
            if (line.Trim().Length > 0)
                lines.Add(line);
        }
        return lines.Count > 0 ? [.. lines] : throw new SoftmodelException("no text was given: standard input has no line");
    }
}
