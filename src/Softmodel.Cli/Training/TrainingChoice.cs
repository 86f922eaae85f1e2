using System.CommandLine;
using System.Diagnostics;
using Softmodel.Learn;

namespace Softmodel.Cli.Training;

/// <summary>What a user has said of a training, and when it began.</summary>
/// <param name="Folder">The folder for what is built.</param>
/// <param name="Checkpoint">The file of its checkpoint.</param>
/// <param name="KeepsCheckpoint">Whether that stays when all is done.</param>
/// <param name="Log">The file of its events; null for none.</param>
/// <param name="Report">The page about it; null for none.</param>
sealed record TrainingSaid(string Folder, string Checkpoint, bool KeepsCheckpoint, string? Log, string? Report)
{
    public double Validation { get; init; }

    public int Epochs { get; init; }

    public int BatchSize { get; init; }

    public int Accumulate { get; init; } = 1;

    public long? MemoryBudget { get; init; }

    public double Rate { get; init; }

    public ulong Seed { get; init; }

    public int Threads { get; init; }

    /// <summary>Runs since it began.</summary>
    public Stopwatch Clock { get; } = Stopwatch.StartNew();

    /// <summary>What it is called in a report: its folder.</summary>
    public string Name => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Folder)));

    /// <summary>Trains, and shows how it goes.</summary>
    public Task<T> Watch<T>(Terminal terminal, Func<IProgress<string>, Action<TrainingEvent>, Task<T>> work) => new TrainingScreen(terminal, Log).Watch(work);

    /// <summary>All is done: writes the page, and deletes the checkpoint that nobody asked for.</summary>
    public void End(TrainingOutcome outcome, IReadOnlyList<(string Name, string Value)> facts, params IReadOnlyList<ReportTable> tables)
    {
        if (Report is { } page)
        {
            WholeFile.Write(page, stream =>
            {
                using var writer = new StreamWriter(stream);
                writer.Write(TrainingReport.Page(Name, facts, outcome.Curve, tables));
            });
        }
        if (!KeepsCheckpoint)
            File.Delete(Checkpoint);
    }
}

/// <summary>The options that all trainings have.</summary>
sealed class TrainingChoice
{
    readonly Option<string> folder, checkpoint, log, report;
    readonly Option<double> validation, rate;
    readonly Option<int> epochs, batch, threads;
    readonly Option<ulong> seed;
    readonly Option<int> accumulate = TrainingOption.Accumulate();
    readonly Option<long?> memory = TrainingOption.Memory();

    /// <param name="examples">What it is trained on, in the plural.</param>
    /// <param name="built">What lies in the folder that is built.</param>
    /// <param name="shown">What the report shows beside the curve; empty for nothing.</param>
    /// <param name="usual">What is done where nothing is said; a rate or epochs of 0 depend on other options.</param>
    /// <param name="mostBatch">The largest batch.</param>
    public TrainingChoice(string examples, string built, string shown, TrainingSaid usual, int mostBatch = int.MaxValue)
    {
        folder = new("--output", "-o") { Description = $"The folder for {built}.", Required = true, HelpName = "DIR" };
        validation = new("--validation") { Description = $"The share of the {examples} that is held out for validation.", DefaultValueFactory = _ => usual.Validation };
        epochs = new("--epochs") { Description = $"How often each of the {examples} is seen at most; it stops before, where the validation loss no longer falls." };
        batch = new("--batch") { Description = $"The {examples} of a step.", DefaultValueFactory = _ => usual.BatchSize };
        rate = new("--rate") { Description = "The learning rate." };
        if (usual.Epochs > 0)
            epochs.DefaultValueFactory = _ => usual.Epochs;
        if (usual.Rate > 0)
            rate.DefaultValueFactory = _ => usual.Rate;
        seed = new("--seed") { Description = "What the split, the order and new weights are drawn from.", DefaultValueFactory = _ => usual.Seed };
        threads = new("--threads") { Description = "The number of threads; what is learned does not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        checkpoint = new("--checkpoint") { Description = "A file from which the training goes on if it is there; by default DIR.checkpoint, which is deleted when all is done.", HelpName = "FILE" };
        log = new("--log") { Description = "A file that gets a JSON object for each step, validation and checkpoint, one a line.", HelpName = "FILE" };
        report = new("--report") { Description = $"An HTML page with the curve{shown}.", HelpName = "FILE" };
        batch.Validators.Add(r => { if (r.GetValueOrDefault<int>() is var size && (size < 1 || size > mostBatch)) r.AddError($"--batch is an integer from 1 {(mostBatch == int.MaxValue ? "up" : $"to {mostBatch}")}"); });
        threads.Validators.Add(r => { if (r.GetValueOrDefault<int>() < 1) r.AddError("--threads is an integer from 1 up"); });
        epochs.Validators.Add(r => { if (r.GetValueOrDefault<int>() < (usual.Epochs > 0 ? 1 : 0)) r.AddError("--epochs is an integer from 1 up"); });
        rate.Validators.Add(r => { if (r.GetValueOrDefault<double>() is not (> 0 and < 10)) r.AddError("--rate is a number above 0"); });
        validation.Validators.Add(r => { if (r.GetValueOrDefault<double>() is not (> 0 and < 1)) r.AddError("--validation is a share between 0 and 1"); });
    }

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[folder, validation, epochs, batch, accumulate, memory, rate, seed, threads, checkpoint, log, report])
            command.Options.Add(option);
    }

    /// <summary>What the user has said, once it is known that the files can be written.</summary>
    public TrainingSaid Of(ParseResult parsed)
    {
        var output = parsed.GetRequiredValue(folder);
        var place = parsed.GetValue(checkpoint) ?? $"{Path.TrimEndingDirectorySeparator(output)}.checkpoint";
        WholeFile.CheckFolder(output);
        WholeFile.Check(place);
        if (parsed.GetValue(report) is { } page)
            WholeFile.Check(page);
        return new(output, place, parsed.GetValue(checkpoint) is not null, parsed.GetValue(log), parsed.GetValue(report))
        {
            Validation = parsed.GetValue(validation),
            Epochs = parsed.GetValue(epochs),
            BatchSize = parsed.GetValue(batch),
            Accumulate = parsed.GetValue(accumulate),
            MemoryBudget = parsed.GetValue(memory),
            Rate = parsed.GetValue(rate),
            Seed = parsed.GetValue(seed),
            Threads = parsed.GetValue(threads),
        };
    }
}
