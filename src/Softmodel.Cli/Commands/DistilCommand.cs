using System.CommandLine;
using Softmodel.Cli.Training;
using Softmodel.Graphs;
using Softmodel.Load;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel distil</c>: a smaller network that gives what a larger one does.</summary>
static class DistilCommand
{
    static readonly (string Name, DistillationLoss Loss)[] losses = [("kl", DistillationLoss.KullbackLeibler), ("l2", DistillationLoss.L2), ("l1", DistillationLoss.L1), ("cosine", DistillationLoss.Cosine)];

    public static Command Create()
    {
        var teacher = new ModelChoice();
        var student = new Option<string>("--student") { Description = "The student, whose inputs and outputs are some of the teacher's: an ONNX file, whose weights it begins with, or a graph in text form (.txt), whose weights are drawn where 'normal(0.02)' stands for them.", Required = true, HelpName = "GRAPH" };
        var data = new Option<string>("--data") { Description = "What the teacher is run on: a .npz file with an array for each input, whose rows are examples; a folder with a .npz file, or a folder of .npy files, for each; or for a model with a tokenizer texts: .txt, one a line, or .jsonl.", Required = true, HelpName = "FILE|FOLDER" };
        var loss = new Option<string?>("--loss") { Description = "What outputs are compared by: the Kullback-Leibler divergence of logits, the mean squared or absolute difference, or the cosine distance. By default kl for outputs that are called logits, else l2.", HelpName = "kl|l2|l1|cosine" };
        var usual = new DistillationOptions();
        var temperature = new Option<double>("--temperature") { Description = "What logits are divided by for kl: above 1, improbable classes count more.", DefaultValueFactory = _ => usual.Temperature };
        var most = new Option<int>("--max-tokens") { Description = "Truncate texts to this many tokens; by default to the positions that the teacher has." };
        var training = new TrainingChoice("examples", "the library, its header, its weights, the student as ONNX, samples in C and Python, and licences", " and how near the outputs come",
            new("", "", false, null, null) { Validation = usual.Validation, Epochs = usual.Epochs, BatchSize = usual.BatchSize, Rate = usual.Rate, Seed = usual.Seed });
        loss.AcceptOnlyFromAmong([.. losses.Select(l => l.Name)]);
        temperature.Validators.Add(r => { if (r.GetValueOrDefault<double>() is not (> 0 and < 1000)) r.AddError("--temperature is a number above 0"); });
        most.Validators.Add(r => { if (r.GetValueOrDefault<int>() < 0) r.AddError("--max-tokens is an integer from 1 up"); });
        var verb = new Verb("distil", "Train a student network to give what its teacher gives, and build a native library of it.",
            "distil teacher.onnx --student student.onnx --data inputs.npz -o out", "distil minilm --student two-layers.onnx --data sentences.txt --loss cosine -o small", "distil classifier.onnx --student student.txt --data cases/ --loss kl --temperature 2 -o out --json")
        { student, data, loss, temperature, most };
        teacher.AddTo(verb);
        training.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var said = training.Of(parsed);
            using var loaded = await teacher.Load(parsed, terminal, cancel);
            using var other = await Student(parsed.GetRequiredValue(student), terminal, cancel);
            var examples = await Task.Run(() => DistillationData.Read(parsed.GetRequiredValue(data), loaded, parsed.GetValue(most)), cancel);
            var options = new DistillationOptions
            {
                Loss = parsed.GetValue(loss) is { } name ? losses.First(l => l.Name == name).Loss : null,
                Temperature = parsed.GetValue(temperature),
                Validation = said.Validation,
                Seed = said.Seed,
                Epochs = said.Epochs,
                BatchSize = said.BatchSize,
                Accumulate = said.Accumulate,
                MemoryBudget = said.MemoryBudget,
                Rate = said.Rate,
                Checkpoint = said.Checkpoint,
                Threads = said.Threads,
            };
            var distilled = await said.Watch(terminal, (progress, events) => Task.Run(() => Distillation.Run(loaded, other.Imported, examples, options, progress, events, cancel), cancel));
            var minutes = said.Clock.Elapsed.TotalMinutes;
            var built = await terminal.Working(progress => Distillation.BuildAsync(loaded, distilled, said.Folder, new(), progress, cancel));
            var outcome = distilled.Outcome;
            string[] columns = ["output", "loss", "before", "after", "same largest", "SNR"];
            string[][] rows = [.. distilled.Outputs.Select(o => (string[])[o.Name, NameOf(o.Loss), $"{o.Before:0.0000}", $"{o.After:0.0000}", o.Agreement is { } share ? $"{share:0.0 %}" : "", o.SnrDb is { } snr ? $"{snr:0.0} dB" : ""])];
            said.End(outcome, [("teacher", $"{loaded.Name}, {distilled.TeacherParameters:N0} numbers"), ("student", $"{parsed.GetRequiredValue(student)}, of which {distilled.TrainedParameters:N0} numbers were trained"),
                ("examples", $"{examples.Length}, of which {distilled.HeldOut} were held out"), ("trained", $"{outcome.Steps} steps, {minutes:0.0} min"), ("library", Text.Size(built.TotalBytes))],
                new ReportTable("Outputs, in examples that were held out", columns, rows));
            terminal.Result(new
            {
                teacher = loaded.Name,
                student = parsed.GetRequiredValue(student),
                examples = examples.Length,
                held_out = distilled.HeldOut,
                trained = distilled.TrainedParameters,
                teacher_parameters = distilled.TeacherParameters,
                steps = outcome.Steps,
                epochs = outcome.Epochs,
                stopped_early = outcome.IsStoppedEarly,
                loss = outcome.Curve[^1].Loss,
                validation_loss = outcome.BestLoss,
                outputs = distilled.Outputs.Select(o => new { name = o.Name, loss = NameOf(o.Loss), before = o.Before, after = o.After, same_largest = o.Agreement, snr_db = o.SnrDb }),
                minutes = Math.Round(minutes, 3),
                library = built.Library,
                onnx = Path.Combine(said.Folder, $"{said.Name}.onnx"),
                bytes = new { code = built.CodeBytes, weights = built.WeightBytes, bytecode = 0, total = built.TotalBytes },
                machine = Machine.Here,
            }, () => rows.Aggregate(Text.Table(columns), (table, row) => table.Row(row)));
            if (!terminal.Json)
                terminal.Say($"{outcome.Steps} steps in {minutes:0.0} min; {distilled.TrainedParameters:N0} numbers do what {distilled.TeacherParameters:N0} did; {built.Library} of {Text.Size(built.TotalBytes)}");
            return CommandLine.Done;
        }, Verb.Json());
    }

    static string NameOf(DistillationLoss loss) => losses.First(l => l.Loss == loss).Name;

    /// <summary>A student in a file: a graph in text form, or what can be imported.</summary>
    static async Task<Model> Student(string name, Terminal terminal, CancellationToken cancel)
    {
        if (File.Exists(name) && Path.GetExtension(name) == ".txt")
        {
            try
            {
                return Model.Load(GraphText.Read(LabelledTexts.Decoded(name)), Path.GetFileNameWithoutExtension(name));
            }
            catch (SoftmodelException e)
            {
                throw new SoftmodelException($"{name}: {e.Message}", e);
            }
        }
        await terminal.Fetch(name, cancel);
        return await Model.LoadAsync(name, cancellationToken: cancel);
    }
}
