using System.CommandLine;
using System.CommandLine.Parsing;

namespace Softmodel.Cli.Training;

/// <summary>Options that all commands that train have.</summary>
static class TrainingOption
{
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
        if (Text.Bytes(result.Tokens[0].Value) is { } bytes)
            return bytes;
        result.AddError($"--memory is a size, as 2GB, 500MB or 1.5GiB, and '{result.Tokens[0].Value}' is none");
        return null;
    }
}
