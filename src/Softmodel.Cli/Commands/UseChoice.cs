using System.CommandLine;
using Softmodel.Compile;

namespace Softmodel.Cli.Commands;

/// <summary>The options that say what a model is used for, and which passes are left.</summary>
sealed class UseChoice
{
    readonly Option<string?> file = new("--use") { Description = "A file with the use case, a JSON object such as {\"sizes\": {\"batch\": 1}}; what is said beside it counts before what it says.", HelpName = "FILE" };

    readonly Option<Quantization?> quantize = new("--quantize") { Description = "Quantise products with weights: int16 rounds weights and activations to 16-bit integers, which is faster; see docs/passes.md.", HelpName = "none|int16" };

    readonly Option<double?> snr = new("--min-snr") { Description = $"The least SNR of quantised weights in decibels; those that lose more stay as they are. {UseCase.UsualMinSnrDb} by default.", HelpName = "DB" };

    readonly Option<string[]> measureOn = new("--measure-on") { Description = "A folder with inputs of the use, on which passes that are not exact are measured: a .npz file or a folder of .npy files for each case.", HelpName = "FOLDER" };

    readonly Option<double?> outputs = new("--min-output-snr") { Description = $"The budget of fidelity: the least SNR of an output in decibels on what is measured on; a pass that breaks it is refused. {UseCase.UsualMinOutputSnrDb} by default.", HelpName = "DB" };

    readonly Option<string[]> tap = new("--tap") { Description = "A value inside the model that is an output, too: residual.14, heads.7.3, mlp_hidden.0, MODULE or into:MODULE; see docs/passes.md.", HelpName = "PLACE" };

    readonly Option<string[]> without = new("--without") { Description = "A pass that is left out; 'show MODEL --passes' lists them.", HelpName = "PASS" };

    readonly Option<string?> stopAfter = new("--stop-after") { Description = "The last pass that is run.", HelpName = "PASS" };

    readonly Option<bool> check = new("--check") { Description = "Validate the graph after every pass, and the schedule." };

    /// <summary>The names of all passes.</summary>
    static string[] Passes => [.. Pipeline.Passes.Select(p => p.Name)];

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        without.AcceptOnlyFromAmong(Passes);
        stopAfter.AcceptOnlyFromAmong(Passes);
        foreach (var decibels in (Option<double?>[])[snr, outputs])
        {
            decibels.Validators.Add(given =>
            {
                if (given.GetValueOrDefault<double?>() is not (>= 0 and < double.PositiveInfinity))
                    given.AddError($"{decibels.Name} is a number of decibels from 0 up");
            });
        }
        command.Options.Add(file);
        command.Options.Add(quantize);
        command.Options.Add(snr);
        command.Options.Add(measureOn);
        command.Options.Add(outputs);
        command.Options.Add(tap);
        command.Options.Add(without);
        command.Options.Add(stopAfter);
        command.Options.Add(check);
    }

    /// <summary>A use case with what these options say besides.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="said">What other options say.</param>
    /// <param name="usually">How the model is quantised where nothing says it.</param>
    public UseCase Of(ParseResult parsed, UseCase said, Quantization usually = Quantization.None)
    {
        var use = said with
        {
            Quantize = parsed.GetValue(quantize) ?? said.Quantize,
            MinSnrDb = parsed.GetValue(snr) ?? said.MinSnrDb,
            MeasureOn = [.. (parsed.GetValue(measureOn) ?? []).Select(Path.GetFullPath)],
            MinOutputSnrDb = parsed.GetValue(outputs),
            Taps = parsed.GetValue(tap) ?? [],
            Without = parsed.GetValue(without) ?? [],
            StopAfter = parsed.GetValue(stopAfter),
            IsChecked = parsed.GetValue(check),
        };
        if (parsed.GetValue(file) is { } path)
            use = use.Over(UseCase.Read(path));
        if (use.MinOutputSnrDb is not null && use.MeasureOn.Count == 0)
            throw new UsageException("nothing is there that --min-output-snr could be measured on: write --measure-on FOLDER as well");
        return use.MinSnrDb is null || (use.Quantize ?? usually) != Quantization.None ? use
            : throw new UsageException("nothing is quantised that --min-snr could be the fidelity of: write --quantize int16 as well");
    }
}
