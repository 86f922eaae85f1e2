using System.CommandLine;
using Softmodel.Cli.Eval;
using Softmodel.Fusion;
using Softmodel.Language;
using Softmodel.Sources;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel eval</c>: how often a fused model is right, beside the bare model and one with a tool.</summary>
static class EvalCommand
{
    public static Command Create() => new("eval", "Measure fused models.") { Sums() };

    static Command Sums()
    {
        var data = new Option<string>("--data") { Description = "A .jsonl file of {\"question\": ..., \"answer\": ...}, or a folder of such files.", Required = true, HelpName = "FILE|DIR" };
        var model = new Option<string>("--model") { Description = "The model that was fused.", DefaultValueFactory = _ => "smollm2" };
        var fused = new Option<string>("--fused") { Description = "The folder that softmodel fuse wrote.", HelpName = "DIR", Required = true };
        var limit = new Option<int>("--limit") { Description = "How many questions of each file the bare model and the harness are asked; the fused one is asked all.", DefaultValueFactory = _ => 20 };
        var seed = new Option<int>("--seed") { Description = "What those are drawn by.", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { Description = "The number of threads.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var threshold = new Option<double?>("--threshold") { Description = "Fire from this score on, in place of the one that was found when the model was fused." };
        var shown = new Option<int>("--show-wrong") { Description = "Print so many of each file's questions that the fused model answered wrongly, or by itself." };
        var verb = new Verb("sums", "Ask a model sums: alone, with a calculator as a tool, and fused with programs.", "eval sums --data questions.jsonl --fused fused", "eval sums --data folder --fused fused --limit 100 --json") { data, model, fused, limit, seed, threads, threshold, shown };
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var (path, name) = (parsed.GetRequiredValue(data), parsed.GetRequiredValue(model));
            var files = SumQuestions.FilesOf(path);
            await terminal.Fetch(name, cancel);
            using var loaded = await Model.LoadAsync(name, cancellationToken: cancel);
            var place = Path.Combine(parsed.GetRequiredValue(fused), FusedTrigger.FileName);
            var trigger = FusedTrigger.Read(place);
            if (trigger.Base != FileHashes.Of(loaded.Path, null, cancel))
                throw new SoftmodelException($"{place}: it was made of another model than {name}; fuse that, or name the one that it was made of");
            trigger = trigger with { Threshold = parsed.GetValue(threshold) ?? trigger.Threshold };
            using var language = await terminal.Working(progress => LanguageModel.LoadAsync(name, new LanguageOptions { Compile = new() { Threads = parsed.GetValue(threads) } }, progress, cancel));
            var layers = loaded.Imported.Nodes.Max(n => n.Origin.Layer ?? 0) + 1;
            var evaluation = new SumEvaluation(language, layers);
            using var reader = new TriggerReader(trigger, CutList.Fused(parsed.GetRequiredValue(fused), loaded.Imported, trigger.Base), language.Tokenizer, parsed.GetValue(threads), cancel);
            var rows = new List<(string File, SumScore Bare, SumScore Harness, SumScore Fused)>();
            foreach (var file in files)
            {
                var all = SumQuestions.Read(file, language);
                var (bare, harness, own) = await terminal.Working(async progress =>
                {
                    var (alone, tool) = (new SumScore(), new SumScore());
                    foreach (var (number, question) in SumQuestions.Drawn(all, parsed.GetValue(limit), parsed.GetValue(seed)).Index())
                    {
                        progress.Report($"{Path.GetFileName(file)}: {number + 1} asked of the bare model and the harness");
                        alone += await evaluation.Bare(question, cancel);
                        tool += await evaluation.Harness(question, cancel);
                    }
                    progress.Report($"{Path.GetFileName(file)}: {all.Length} asked of the fused model");
                    var wrong = 0;
                    return (alone, tool, await evaluation.Fused(all, reader, (question, fire, result) =>
                    {
                        if (wrong++ < parsed.GetValue(shown))
                            terminal.Say($"{question.Prompt.Trim()} {question.Answer} | {(fire is { } f ? $"{f.Program}({string.Join("; ", f.Operands)}) = {result}, {f.Score:0.0}" : "by itself")}");
                    }, cancel));
                });
                rows.Add((Path.GetFileNameWithoutExtension(file), bare, harness, own));
            }
            var total = (Bare: rows.Aggregate(new SumScore(), (a, r) => a + r.Bare), Harness: rows.Aggregate(new SumScore(), (a, r) => a + r.Harness), Fused: rows.Aggregate(new SumScore(), (a, r) => a + r.Fused));
            terminal.Result(new
            {
                files = rows.Select(r => new { file = r.File, n = r.Fused.Count, bare = r.Bare.Shown(), harness = r.Harness.Shown(), fused = r.Fused.Shown() }),
                total = new { n = total.Fused.Count, bare = total.Bare.Shown(), harness = total.Harness.Shown(), fused = total.Fused.Shown() },
                machine = Machine.Here,
            }, () =>
            {
                var table = Text.Table("file", "bare", "harness", "fused", "questions", "fired", "wrong when fired", "ms bare", "ms harness", "ms fused");
                static string Share(int part, int all) => all == 0 ? "-" : $"{(double)part / all:0.00%}";
                static string Each(SumScore s) => s.Count == 0 ? "-" : $"{s.Milliseconds / s.Count:0.0}";
                void Row(string file, SumScore bare, SumScore harness, SumScore own) =>
                    table.Row(file, Share(bare.Exact, bare.Count), Share(harness.Exact, harness.Count), Share(own.Exact, own.Count), $"{own.Count}", Share(own.Fired, own.Count), $"{own.Wrong}", Each(bare), Each(harness), Each(own));
                foreach (var (file, bare, harness, own) in rows)
                    Row(file, bare, harness, own);
                Row("all", total.Bare, total.Harness, total.Fused);
                return table;
            });
            return CommandLine.Done;
        }, Verb.Json());
    }
}
