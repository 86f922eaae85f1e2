using System.CommandLine;
using System.Diagnostics;
using Softmodel.Cli.Training;
using Softmodel.Fusion;
using Softmodel.Language;
using Softmodel.Sources;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel fuse</c>: a trigger in a language model, and programs that it calls.</summary>
static class FuseCommand
{
    public static Command Create()
    {
        var defaults = new FusingOptions { Folder = "" };
        var model = new Argument<string>("model") { Description = "A language model: a name of the catalogue, a GGUF file, a folder with config.json and safetensors, or a source." };
        var with = new Option<string[]>("--with") { Description = $"What it is fused with: {FusedSources.Sums}, or a .cs or .dll file with methods that are marked [Exact]; several by giving it several times.", HelpName = "PROGRAMS", Arity = ArgumentArity.OneOrMore };
        var folder = new Option<string>("--output", "-o") { Description = $"The folder for {FusedTrigger.FileName} and the assemblies of programs of one's own.", Required = true, HelpName = "DIR" };
        var passages = new Option<int?>("--passages") { Description = $"How many passages the trigger learns from; by default {FusingOptions.OfSums:N0} for {FusedSources.Sums} and {FusingOptions.OfOwn:N0} for each program of one's own." };
        var heldOut = new Option<int>("--held-out") { Description = "How many passages of forms that it never sees choose when it fires, and measure it.", DefaultValueFactory = _ => defaults.HeldOut };
        var layer = new Option<int[]>("--layer") { Description = "The layer after which the trigger reads the residual stream, from 0 on; of several, or of some in the middle by default, the best is found.", AllowMultipleArgumentsPerToken = true };
        var epochs = new Option<int>("--epochs") { Description = "How often each passage is seen.", DefaultValueFactory = _ => defaults.Training.Epochs };
        var rate = new Option<double>("--rate") { Description = "The learning rate.", DefaultValueFactory = _ => defaults.Training.Rate };
        var seed = new Option<int>("--seed") { Description = "What the passages, their order and the parameters are drawn from.", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { Description = "The number of threads; what is learned does not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var log = new Option<string>("--log") { Description = "A file that gets a JSON object for each step, one a line.", HelpName = "FILE" };
        var cut = new CutChoice();
        passages.Validators.Add(r => { if (r.GetValueOrDefault<int?>() < 1) r.AddError($"{passages.Name} is an integer from 1 up"); });
        foreach (var positive in (Option<int>[])[heldOut, epochs, threads])
            positive.Validators.Add(r => { if (r.GetValueOrDefault<int>() < 1) r.AddError($"{positive.Name} is an integer from 1 up"); });
        var verb = new Verb("fuse", "Find where a language model is about to do what programs do, and train a trigger there, from which they do it: sums, or methods of one's own.", "fuse smollm2 --with arithmetic -o fused", "fuse smollm2 --with arithmetic --with Dates.cs -o fused", "fuse smollm2 --with arithmetic --layer 14 -o fused --json", "fuse smollm2 --fused fused --cut --text texts.txt -o smaller")
        { model, with, folder, passages, heldOut, layer, epochs, rate, seed, threads, log };
        foreach (var option in cut.All)
            verb.Add(option);
        verb.Validators.Add(r => cut.Check(r, with));
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var clock = Stopwatch.StartNew();
            var (name, output) = (parsed.GetRequiredValue(model), parsed.GetRequiredValue(folder));
            WholeFile.CheckFolder(output);
            var sources = FusedSources.Open(parsed.GetValue(with) ?? [], cancel);
            await terminal.Fetch(name, cancel);
            using var loaded = await Model.LoadAsync(name, cancellationToken: cancel);
            if (!loaded.IsLanguageModel)
                throw new SoftmodelException($"{name} is no checkpoint of a language model (GGUF, or safetensors with config.json)");
            var (tokenizer, template, _) = LanguageModelLoading.ReadText(loaded, null);
            var options = defaults with
            {
                Folder = output,
                Passages = parsed.GetValue(passages) ?? FusingOptions.PassagesOf(sources),
                HeldOut = parsed.GetValue(heldOut),
                Layers = parsed.GetValue(layer) is { Length: > 0 } chosen ? chosen : null,
                Training = defaults.Training with { Epochs = parsed.GetValue(epochs), Rate = parsed.GetValue(rate), Seed = (ulong)parsed.GetValue(seed), Threads = parsed.GetValue(threads) },
            };
            var hash = FileHashes.Of(loaded.Path, null, cancel);
            if (parsed.GetValue(cut.Fused) is { } folderOfTrigger)
            {
                Directory.CreateDirectory(output);
                foreach (var file in Directory.EnumerateFiles(folderOfTrigger).Where(f => Path.GetFullPath(folderOfTrigger) != Path.GetFullPath(output) && Path.GetFileName(f) != CutList.FileName))
                    WholeFile.Write(Path.Combine(output, Path.GetFileName(file)), to => to.Write(File.ReadAllBytes(file)));
                var less = await cut.Run(parsed, terminal, loaded, CutChoice.TriggerOf(folderOfTrigger, hash, name), tokenizer, output, cancel);
                terminal.Result(new { model = name, cut = CutChoice.Shown(less), machine = Machine.Here }, () => CutChoice.Table(less));
                return CommandLine.Done;
            }
            var fused = await new TrainingScreen(terminal, parsed.GetValue(log)).Watch((progress, events) => Task.Run(() =>
                new Fusing(loaded.Imported, hash, File.Exists(name) || Directory.Exists(name) ? Path.GetFullPath(name) : name, tokenizer, sources.Programs(), options, progress, events, cancel)
                    .Run(Grammar.Passages(parsed.GetValue(seed), sources.HasSums, [.. sources.Libraries.SelectMany(l => l.Programs)]).Select(p => InTemplate(p, tokenizer, template)).OfType<Passage>()), cancel));
            foreach (var (file, write) in FusedFolder.Files(fused.Trigger, sources))
                WholeFile.Write(Path.Combine(output, file), write);
            Fusing.Tidy(output);
            var report = parsed.GetValue(cut.Cut) ? await cut.Run(parsed, terminal, loaded, fused.Trigger, tokenizer, output, cancel) : null;
            var minutes = clock.Elapsed.TotalMinutes;
            if (fused.Left > 0)
                terminal.Say($"{fused.Left:N0} passages were left out: their tokens are not those of their text, or an operand ends within one");
            static object Shown(FusedFigures f) => new { dues = f.Dues, programs = Share(f.Programs, f.Dues), operands = Share(f.Operands, f.Dues), fired = Share(f.Fired, f.Dues), right = Share(f.Right, f.Dues), idle = f.Idle, false_fires = f.FalseFires };
            static object Near(NearFire n) => new { text = n.Text, program = n.Program, operands = n.Operands, written = n.Written, score = Math.Round(n.Score, 2) };
            terminal.Result(new
            {
                model = name,
                layer = fused.Trigger.Layer,
                threshold = fused.Trigger.Threshold,
                held_out = Shown(fused.Figures),
                programs = fused.ByProgram.Select(p => new { program = p.Key, held_out = Shown(p.Value) }),
                layers = fused.Tried.Select(t => new { layer = t.Layer, right = Math.Round(t.Right, 4), fired = Math.Round(t.Fired, 4) }),
                nearest = fused.Nearest.Select(Near),
                wrong = fused.Wrong.Select(Near),
                left_out = fused.Left,
                reading_seconds = Math.Round(fused.Collecting, 1),
                training_seconds = Math.Round(fused.Training, 1),
                minutes = Math.Round(minutes, 2),
                cut = report is null ? null : CutChoice.Shown(report),
                machine = Machine.Here,
            }, () =>
            {
                var table = Text.Table("forms that it never saw", "due", "program", "operands", "fired", "right", "false fires");
                void Row(string of, FusedFigures f) => table.Row(of, $"{f.Dues}", $"{Share(f.Programs, f.Dues):0.0%}", $"{Share(f.Operands, f.Dues):0.0%}", $"{Share(f.Fired, f.Dues):0.0%}", $"{Share(f.Right, f.Dues):0.0%}", $"{f.FalseFires} of {f.Idle}");
                foreach (var (program, figures) in fused.ByProgram)
                    Row(program, figures);
                Row("all", fused.Figures);
                return table;
            });
            if (report is not null && !terminal.Json)
                terminal.Result(report, () => CutChoice.Table(report));
            return CommandLine.Done;
        }, Verb.Json());
    }

    static double Share(int part, int all) => all == 0 ? 0 : Math.Round((double)part / all, 4);

    /// <summary>A chat in the words of the model's template; null where the template changes its messages, or there is none.</summary>
    static Passage? InTemplate(Passage passage, Language.Tokenizer tokenizer, Language.Chat.ChatTemplate? template)
    {
        if (passage.Turns.Count == 0)
            return passage;
        if (template is null)
            return null;
        try
        {
            return passage.Rendered(template.Render([.. passage.Turns.Select(t => new Language.Chat.ChatMessage(t.Role, t.Text.Of(passage.Text)))], Chats.RenderingOf(tokenizer) with { AddsGenerationPrompt = false }));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
