using System.CommandLine;
using System.Diagnostics;
using Softmodel.Cli.Training;
using Softmodel.Language;
using Softmodel.Load;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel tune</c>: low-rank adapters on a language model.</summary>
static class TuneCommand
{
    const int PieceLength = 256;

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A language model: a name of the catalogue, a GGUF file, a folder with config.json and safetensors, or a source." };
        var data = new Option<string>("--data") { Description = "Chats: a .jsonl file with messages of role and content, or with prompt and completion.", Required = true, HelpName = "FILE" };
        var folder = new Option<string>("--output", "-o") { Description = "The folder for the library, its header, its weights, its tokenizer, the adapters alone, and licences.", Required = true, HelpName = "DIR" };
        var lora = new Option<int>("--lora") { Description = "The rank of the adapters.", DefaultValueFactory = _ => new TuningOptions().Rank, HelpName = "RANK" };
        var against = new Option<string>("--against") { Description = "A text on which the model's perplexity is measured before and after.", HelpName = "FILE" };
        var validation = new Option<double>("--validation") { Description = "The share of the chats that is held out for validation.", DefaultValueFactory = _ => new TuningOptions().Validation };
        var epochs = new Option<int>("--epochs") { Description = "How often each chat is seen at most; it stops before, where the validation loss no longer falls.", DefaultValueFactory = _ => new TuningOptions().Epochs };
        var batch = new Option<int>("--batch") { Description = "The chats of a step.", DefaultValueFactory = _ => new TuningOptions().BatchSize };
        var (accumulate, memory) = (TrainingOption.Accumulate(), TrainingOption.Memory());
        var rate = new Option<double>("--rate") { Description = "The learning rate.", DefaultValueFactory = _ => new TuningOptions().Rate };
        var most = new Option<int>("--max-tokens") { Description = "Truncate chats to this many tokens.", DefaultValueFactory = _ => 512 };
        var seed = new Option<ulong>("--seed") { Description = "What the split, the order and the adapters are drawn from.", DefaultValueFactory = _ => new TuningOptions().Seed };
        var threads = new Option<int>("--threads") { Description = "The number of threads; what is learned does not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var checkpoint = new Option<string>("--checkpoint") { Description = "A file from which the training goes on if it is there; by default DIR.checkpoint, which is deleted when all is done.", HelpName = "FILE" };
        var log = new Option<string>("--log") { Description = "A file that gets a JSON object for each step, validation and checkpoint, one a line.", HelpName = "FILE" };
        foreach (var positive in (Option<int>[])[lora, epochs, batch, most, threads])
            positive.Validators.Add(r => { if (r.GetValueOrDefault<int>() < 1) r.AddError($"{positive.Name} is an integer from 1 up"); });
        // Which sequences a token is seen by are bits of an integer.
        batch.Validators.Add(r => { if (r.GetValueOrDefault<int>() > 63) r.AddError("--batch is at most 63"); });
        rate.Validators.Add(r => { if (r.GetValueOrDefault<double>() is not (> 0 and < 10)) r.AddError("--rate is a number above 0"); });
        validation.Validators.Add(r => { if (r.GetValueOrDefault<double>() is not (> 0 and < 1)) r.AddError("--validation is a share between 0 and 1"); });
        var verb = new Verb("tune", "Tune a language model on chats by low-rank adapters, and build a native library of it.", "tune smollm2 --data chats.jsonl --lora 8 -o out", "tune smollm2 --data chats.jsonl --against other.txt -o out --json")
        { model, data, folder, lora, against, validation, epochs, batch, accumulate, memory, rate, most, seed, threads, checkpoint, log };
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var clock = Stopwatch.StartNew();
            var (name, output) = (parsed.GetRequiredValue(model), parsed.GetRequiredValue(folder));
            WholeFile.CheckFolder(output);
            var own = parsed.GetValue(checkpoint);
            var place = own ?? $"{Path.TrimEndingDirectorySeparator(output)}.checkpoint";
            WholeFile.Check(place);
            await terminal.Fetch(name, cancel);
            using var loaded = await Model.LoadAsync(name, cancellationToken: cancel);
            if (!loaded.IsLanguageModel)
                throw new SoftmodelException($"{name} is no checkpoint of a language model (GGUF, or safetensors with config.json), of which alone adapters are trained");
            var (tokenizer, template, _) = LanguageModelLoading.ReadText(loaded, null);
            var texts = Chats.Read(parsed.GetRequiredValue(data), tokenizer, template ?? throw new SoftmodelException($"{name} has no chat template"), parsed.GetValue(most));
            if (texts.Length < 2)
                throw new SoftmodelException($"{parsed.GetValue(data)}: it has {texts.Length} chats; two or more are needed, of which some are held out");
            var other = parsed.GetValue(against) is { } file ? LanguageTuning.Pieces(tokenizer.Encode(LabelledTexts.Decoded(file), parsesSpecial: false), PieceLength, file) : [];
            var options = new TuningOptions
            {
                Rank = parsed.GetValue(lora),
                Validation = parsed.GetValue(validation),
                Seed = parsed.GetValue(seed),
                Epochs = parsed.GetValue(epochs),
                BatchSize = parsed.GetValue(batch),
                Accumulate = parsed.GetValue(accumulate),
                MemoryBudget = parsed.GetValue(memory),
                Rate = parsed.GetValue(rate),
                Checkpoint = place,
                Threads = parsed.GetValue(threads),
            };
            var tuned = await new TrainingScreen(terminal, parsed.GetValue(log)).Watch((progress, events) => Task.Run(() => LanguageTuning.Run(loaded, texts, other, options, progress, events, cancel), cancel));
            var minutes = clock.Elapsed.TotalMinutes;
            var built = await terminal.Working(progress => LanguageTuning.BuildAsync(loaded, tuned, options.Rank, output, progress, cancel));
            if (own is null)
                File.Delete(place);
            var outcome = tuned.Outcome;
            terminal.Result(new
            {
                model = name,
                examples = texts.Length,
                held_out = tuned.HeldOut,
                trained = tuned.Adapters.Values.Sum(a => a.Count),
                steps = outcome.Steps,
                epochs = outcome.Epochs,
                stopped_early = outcome.IsStoppedEarly,
                loss = outcome.Curve[^1].Loss,
                perplexity_before = tuned.Before,
                perplexity = tuned.After,
                against_before = tuned.AgainstBefore,
                against = tuned.AgainstAfter,
                minutes = Math.Round(minutes, 3),
                library = built.Library,
                bytes = new { code = built.CodeBytes, weights = built.WeightBytes, bytecode = 0, total = built.TotalBytes },
                machine = Machine.Here,
            }, () =>
            {
                var table = Text.Table("perplexity of", "before", "after").Row($"{tuned.HeldOut} answers that were held out", $"{tuned.Before:0.00}", $"{tuned.After:0.00}");
                return tuned.AgainstBefore is null ? table : table.Row(parsed.GetValue(against)!, $"{tuned.AgainstBefore:0.00}", $"{tuned.AgainstAfter:0.00}");
            });
            if (!terminal.Json)
                terminal.Say($"{outcome.Steps} steps in {minutes:0.0} min; {built.Library} of {Text.Size(built.TotalBytes)}");
            return CommandLine.Done;
        }, Verb.Json());
    }
}
