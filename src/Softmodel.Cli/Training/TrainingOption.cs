using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Softmodel.Cli.Training;

/// <summary>Options that all commands that train have.</summary>
static class TrainingOption
{
    static readonly (string Unit, double Bytes)[] units = [("GiB", 1L << 30), ("MiB", 1L << 20), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)];

    /// <summary><c>--accumulate</c>.</summary>
    public static Option<int> Accumulate()
    {
        var option = new Option<int>("--accumulate") { Description = "After how many batches weights change, by the mean of their gradients: a larger batch without its memory.", DefaultValueFactory = _ => 1, HelpName = "N" };
        option.Validators.Add(r => { if (r.GetValueOrDefault<int>() < 1) r.AddError("--accumulate is an integer from 1 up"); });
        return option;
    }

    /// <summary><c>--memory</c>.</summary>
    public static Option<long?> Memory() => new("--memory")
    {
        Description = "The most memory that a step may take, as 2GB or 500MB; what it can't keep for the gradients it computes again (checkpointing), which takes time.",
        HelpName = "SIZE",
        CustomParser = Parsed,
    };

    static long? Parsed(ArgumentResult result)
    {
        if (Bytes(result.Tokens[0].Value) is { } bytes)
            return bytes;
        result.AddError($"--memory is a size, as 2GB, 500MB or 1.5GiB, and '{result.Tokens[0].Value}' is none");
        return null;
    }

    /// <summary>A number of bytes, as <c>2GB</c>; null where it is none.</summary>
    public static long? Bytes(string text)
    {
        foreach (var (unit, bytes) in units)
        {
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase) && double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var number) && number * bytes is >= 1 and < 1L << 60)
                return (long)(number * bytes);
        }
        return null;
    }
}
