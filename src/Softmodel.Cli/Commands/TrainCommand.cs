using System.CommandLine;
using System.Diagnostics;
using Softmodel.Cli.Training;
using Softmodel.Compile;
using Softmodel.Language;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel train</c>: small models for one use.</summary>
static class TrainCommand
{
    const int WorstPairs = 5, TimedRuns = 3;

    public static Command Create() => new("train", "Train a small model for one use.") { Classifier() };

    static Verb Classifier()
    {
        var encoder = new Option<string>("--on") { Description = "The encoder: a name of the catalogue, an ONNX file, a folder with config.json and safetensors, or a source.", DefaultValueFactory = _ => "minilm", HelpName = "MODEL" };
        var data = new Option<string>("--data") { Description = "The examples: a .csv or .tsv file with a header, or .jsonl, in UTF-8.", Required = true, HelpName = "FILE" };
        var usual = new ClassifierOptions();
        var training = new TrainingChoice("texts", "the library, its header, its weights, its tokenizer, samples in C and Python, and licences", " and the classes",
            new("", "", false, null, null) { Validation = usual.Validation, BatchSize = usual.BatchSize, Seed = usual.Seed });
        var text = new Option<string>("--text") { Description = "The column of the texts; by default text, else the first.", HelpName = "COLUMN" };
        var label = new Option<string>("--label") { Description = "The column of the labels; by default label, else the second.", HelpName = "COLUMN" };
        var classes = new Option<string>("--classes") { Description = "The classes; another label in the data is an error. By default those of the data.", HelpName = "A,B,…" };
        var tune = new Option<Tuning?>("--tune") { Description = "What is trained: a head on embeddings, or all weights.", HelpName = "head|all" };
        var lora = new Option<int?>("--lora") { Description = "Train low-rank adapters of this rank on the encoder's matrices; they become part of its weights.", HelpName = "RANK" };
        var hidden = new Option<int>("--hidden") { Description = "The neurons of a hidden layer in the head; without one it is logistic regression.", HelpName = "N" };
        var test = new Option<string>("--test") { Description = "More examples, on which nothing is decided: the library is measured on them.", HelpName = "FILE" };
        var most = new Option<int>("--max-tokens") { Description = "Truncate texts to this many tokens; by default to the positions that the encoder has." };
        var quantize = new Option<Quantization>("--quantize") { Description = "Quantise the library: int16 rounds weights and activations to 16-bit integers, which is faster.", HelpName = "none|int16" };
        foreach (var natural in (Option<int>[])[hidden, most])
            natural.Validators.Add(r => { if (r.GetValueOrDefault<int>() < 0) r.AddError($"{natural.Name} is an integer from 1 up"); });
        lora.Validators.Add(r => { if (r.GetValueOrDefault<int?>() is < 1) r.AddError("--lora is a rank, from 1 up"); });
        var verb = new Verb("classifier", "Train a classifier of texts on an encoder, and build a native library that takes text and gives a label.",
            "train classifier --on minilm --data reviews.csv -o out", "train classifier --data intents.csv --lora 8 -o intents --report intents.html", "train classifier --data mails.jsonl --text body --label folder --tune all -o mails --json")
        { encoder, data, text, label, classes, tune, lora, hidden, test, most, quantize };
        training.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var said = training.Of(parsed);
            if (parsed.GetValue(lora) is not null && parsed.GetValue(tune) is not null and not Tuning.LowRank)
                throw new UsageException("--lora trains adapters in place of the weights that --tune all trains: write one of them");
            var examples = LabelledTexts.Read(parsed.GetRequiredValue(data), parsed.GetValue(text), parsed.GetValue(label));
            var options = new ClassifierOptions
            {
                Tuning = parsed.GetValue(lora) is not null ? Tuning.LowRank : parsed.GetValue(tune) ?? Tuning.Head,
                Rank = parsed.GetValue(lora) ?? new ClassifierOptions().Rank,
                Hidden = parsed.GetValue(hidden),
                Classes = parsed.GetValue(classes)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
                Validation = said.Validation,
                Seed = said.Seed,
                Epochs = said.Epochs,
                BatchSize = said.BatchSize,
                Accumulate = said.Accumulate,
                MemoryBudget = said.MemoryBudget,
                Rate = said.Rate,
                MaxTokens = parsed.GetValue(most),
                Checkpoint = said.Checkpoint,
                Threads = said.Threads,
            };
            var unseen = parsed.GetValue(test) is { } more ? LabelledTexts.Read(more, parsed.GetValue(text), parsed.GetValue(label)) : null;
            // What is wrong with the examples is told before a model is fetched for them.
            var labels = ClassifierTraining.LabelsOf(examples, options);
            ClassifierTraining.Check(unseen ?? [], labels);
            var name = parsed.GetRequiredValue(encoder);
            await terminal.Fetch(name, cancel);
            using var trained = await said.Watch(terminal, (progress, events) => TextClassifier.TrainAsync(name, examples, options, progress, events, cancel));
            var minutes = said.Clock.Elapsed.TotalMinutes;
            var built = await terminal.Working(progress => trained.BuildAsync(said.Folder, null, new() { Quantize = parsed.GetValue(quantize) }, progress, cancel));
            var (ofLibrary, milliseconds) = Measure(said.Folder, trained.HeldOut, said.Threads);
            var ofTest = unseen is null ? null : Measure(said.Folder, unseen, said.Threads).Score;
            var (score, outcome) = (trained.Score, trained.Outcome);
            said.End(outcome,
                [("encoder", name), ("examples", $"{examples.Count}, of which {trained.HeldOut.Count} were held out"), ("trained", $"{trained.TrainedParameters:N0} numbers, {outcome.Steps} steps, {minutes:0.0} min"),
                    ("accuracy", $"{score.Accuracy:0.000}; of the library {ofLibrary.Accuracy:0.000}"), ("library", $"{Text.Size(built.TotalBytes)}, {milliseconds:0.00} ms a text")],
                new("Classes, in texts that were held out", ["class", "texts", "precision", "recall", "F1"], [.. score.Classes.Select(c => (string[])[c.Label, $"{c.Count}", $"{c.Precision:0.000}", $"{c.Recall:0.000}", $"{c.F1:0.000}"])]),
                new("Taken for another", ["class", "taken for", "texts"], [.. score.Confusions.Select(c => (string[])[c.Label, c.Found, $"{c.Count}"])]));
            terminal.Result(new
            {
                model = name,
                examples = examples.Count,
                held_out = trained.HeldOut.Count,
                trained = trained.TrainedParameters,
                steps = outcome.Steps,
                epochs = outcome.Epochs,
                stopped_early = outcome.IsStoppedEarly,
                loss = outcome.Curve[^1].Loss,
                validation_loss = outcome.BestLoss,
                accuracy = score.Accuracy,
                classes = score.Classes.Select(c => new { label = c.Label, count = c.Count, precision = c.Precision, recall = c.Recall, f1 = c.F1 }),
                confusions = score.Confusions.Select(Pair),
                minutes = Math.Round(minutes, 3),
                library = built.Library,
                bytes = new { code = built.CodeBytes, weights = built.WeightBytes, bytecode = 0, total = built.TotalBytes },
                library_accuracy = ofLibrary.Accuracy,
                test_accuracy = ofTest?.Accuracy,
                test_examples = unseen?.Count,
                test_confusions = ofTest?.Confusions.Select(Pair),
                library_ms = Math.Round(milliseconds, 3),
                machine = Machine.Here,
            }, () =>
            {
                var table = Text.Table("class", "texts", "precision", "recall", "F1");
                foreach (var c in score.Classes)
                    table.Row(c.Label, $"{c.Count}", $"{c.Precision:0.000}", $"{c.Recall:0.000}", $"{c.F1:0.000}");
                return table.Row("all", $"{trained.HeldOut.Count}", $"accuracy {score.Accuracy:0.000}", "", $"{score.Classes.Average(c => c.F1):0.000}");
            });
            if (!terminal.Json)
            {
                foreach (var c in score.Confusions.Take(WorstPairs))
                    terminal.Say($"{c.Label} was taken for {c.Found}: {c.Count} of {score.Classes.Single(s => s.Label == c.Label).Count}");
                terminal.Say($"{outcome.Steps} steps in {minutes:0.0} min; {built.Library} of {Text.Size(built.TotalBytes)} finds {ofLibrary.Accuracy:0.000} of the classes, and takes {milliseconds:0.00} ms for a text");
                if (ofTest is not null)
                {
                    terminal.Say($"of the {unseen!.Count} texts of {parsed.GetValue(test)} it finds {ofTest.Accuracy:0.000}");
                    foreach (var c in ofTest.Confusions.Take(WorstPairs))
                        terminal.Say($"  {c.Label} was taken for {c.Found}: {c.Count}");
                }
                terminal.Say($"try it: softmodel classify {said.Folder} \"{trained.HeldOut[0].Text.ReplaceLineEndings(" ")}\"");
            }
            return CommandLine.Done;
        }, Verb.Json());
    }

    static object Pair(Confusion confusion) => new { label = confusion.Label, found = confusion.Found, count = confusion.Count };

    /// <summary>How well what was built finds the classes of texts, and the median time of a text in milliseconds.</summary>
    static (ClassifierScore Score, double Milliseconds) Measure(string folder, IReadOnlyList<LabelledText> examples, int threads)
    {
        using var classifier = TextClassifier.Open(folder, threads);
        var (pairs, times) = (new List<(string, string)>(), new List<double>());
        for (var run = 0; run < TimedRuns; run++)
        {
            pairs.Clear();
            foreach (var example in examples)
            {
                var since = Stopwatch.GetTimestamp();
                var found = classifier.LabelOf(example.Text);
                times.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
                pairs.Add((example.Label, found.Label));
            }
        }
        return (ClassifierScore.Of(classifier.Labels, pairs), times.Order().ElementAt(times.Count / 2));
    }
}
