using System.CommandLine;
using Softmodel.Cli.Training;
using Softmodel.Graphs;
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
        var usual = new TuningOptions();
        // Which sequences a token is seen by are bits of an integer, of which half may be texts that are kept.
        var training = new TrainingChoice("chats", "the library, its header, its weights, its tokenizer, the adapters alone, and licences", " and the perplexities",
            new("", "", false, null, null) { Validation = usual.Validation, Epochs = usual.Epochs, BatchSize = usual.BatchSize, Rate = usual.Rate, Seed = usual.Seed }, mostBatch: 31);
        var lora = new Option<int>("--lora") { Description = "The rank of the adapters.", DefaultValueFactory = _ => new TuningOptions().Rank, HelpName = "RANK" };
        var against = new Option<string>("--against") { Description = "A text on which the model's perplexity is measured before and after.", HelpName = "FILE" };
        var keep = new Option<double>("--keep") { Description = "How much it counts that the model expects what it did before in texts that it writes itself; 0 for not at all, which is faster.", DefaultValueFactory = _ => new TuningOptions().Keep, HelpName = "WEIGHT" };
        var merge = new Option<string?>("--merge") { Description = "Make the adapters part of the weights, which are decoded and stored again: in a format such as F16 or Q8_0, or without one as Q8_0 where they were in blocks, else as they were. What that costs is measured. By default adapters lie beside the weights.", Arity = ArgumentArity.ZeroOrOne, HelpName = "FORMAT" };
        var most = new Option<int>("--max-tokens") { Description = "Truncate chats to this many tokens.", DefaultValueFactory = _ => 512 };
        foreach (var positive in (Option<int>[])[lora, most])
            positive.Validators.Add(r => { if (r.GetValueOrDefault<int>() < 1) r.AddError($"{positive.Name} is an integer from 1 up"); });
        keep.Validators.Add(r => { if (r.GetValueOrDefault<double>() is not (>= 0 and < 1e6)) r.AddError("--keep is a number from 0 up"); });
        string[] formats = [.. BlockFormat.All.Where(f => f.Encode is not null).Select(f => f.Name)];
        merge.Validators.Add(r => { if (r.Tokens is [var format] && !formats.Contains(format.Value.ToUpperInvariant())) r.AddError($"--merge stores weights as {string.Join(", ", formats)}, and without a format as Q8_0 where they were in blocks"); });
        var verb = new Verb("tune", "Tune a language model on chats by low-rank adapters, and build a native library of it.", "tune smollm2 --data chats.jsonl --lora 8 -o out", "tune smollm2 --data chats.jsonl --against other.txt -o out --json", "tune smollm2 --data chats.jsonl --merge Q8_0 -o out")
        { model, data, lora, against, keep, merge, most };
        training.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var said = training.Of(parsed);
            var name = parsed.GetRequiredValue(model);
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
                Validation = said.Validation,
                Seed = said.Seed,
                Epochs = said.Epochs,
                BatchSize = said.BatchSize,
                Accumulate = said.Accumulate,
                MemoryBudget = said.MemoryBudget,
                Rate = said.Rate,
                Keep = parsed.GetValue(keep),
                Checkpoint = said.Checkpoint,
                Threads = said.Threads,
            };
            var tuned = await said.Watch(terminal, (progress, events) => Task.Run(() => LanguageTuning.Run(loaded, tokenizer, texts, other, options, progress, events, cancel), cancel));
            var minutes = said.Clock.Elapsed.TotalMinutes;
            var isMerged = parsed.GetResult(merge) is { Implicit: false };
            var format = parsed.GetValue(merge) is { } known ? BlockFormat.Named(known.ToUpperInvariant()) : null;
            var merged = !isMerged ? null : await terminal.Working(progress => Task.Run(() => LanguageTuning.Merge(loaded, tuned, texts, other, options, format, progress, cancel), cancel));
            var built = await terminal.Working(progress => LanguageTuning.BuildAsync(loaded, tuned, merged, options.Rank, said.Folder, progress, cancel));
            var outcome = tuned.Outcome;
            string[] columns = ["before", "after", .. isMerged ? ["merged"] : (string[])[]];
            string[] Row(string of, params IEnumerable<double?> figures) => [of, .. figures.OfType<double>().Select(f => $"{f:0.00}")];
            string[][] perplexities = [Row($"{tuned.HeldOut} answers that were held out", tuned.Before, tuned.After, merged?.After),
                .. tuned.AgainstBefore is null ? (string[][])[] : [Row(parsed.GetValue(against)!, tuned.AgainstBefore, tuned.AgainstAfter, merged?.AgainstAfter)]];
            said.End(outcome, [("model", name), ("chats", $"{texts.Length}, of which {tuned.HeldOut} were held out"), ("trained", $"{tuned.Adapters.Values.Sum(a => a.Count):N0} numbers, {outcome.Steps} steps, {minutes:0.0} min"), ("library", Text.Size(built.TotalBytes))],
                new ReportTable("Perplexities", ["of", .. columns], perplexities));
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
                divergence = tuned.Divergence,
                merged_perplexity = merged?.After,
                merged_against = merged?.AgainstAfter,
                minutes = Math.Round(minutes, 3),
                library = built.Library,
                bytes = new { code = built.CodeBytes, weights = built.WeightBytes, bytecode = 0, total = built.TotalBytes },
                machine = Machine.Here,
            }, () => perplexities.Aggregate(Text.Table(["perplexity of", .. columns]), (table, row) => table.Row(row)));
            if (!terminal.Json)
                terminal.Say($"{outcome.Steps} steps in {minutes:0.0} min; {built.Library} of {Text.Size(built.TotalBytes)}");
            return CommandLine.Done;
        }, Verb.Json());
    }
}
