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
        var data = new Option<string>("--data") { Description = "A .jsonl file of {\"question\": ..., \"answer\": ...} or of texts with marks where results are due, a .txt file of ordinary text, or a folder of such files.", Required = true, HelpName = "FILE|DIR" };
        var model = new Option<string?>("--model") { Description = "The model that was fused; by default what it was loaded from then." };
        var fused = new Option<string>("--fused") { Description = "The folder that softmodel fuse wrote.", HelpName = "DIR", Required = true };
        var limit = new Option<int>("--limit") { Description = "How many questions of each file the bare model and the harness are asked; the fused one is asked all.", DefaultValueFactory = _ => 20 };
        var seed = new Option<int>("--seed") { Description = "What those are drawn by.", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { Description = "The number of threads.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var threshold = new Option<double?>("--threshold") { Description = "Fire from this score on, in place of the one that was found when the model was fused." };
        var shown = new Option<int>("--show-wrong") { Description = "Print so many of each file's questions that the fused model answered wrongly, or by itself." };
        var verb = new Verb("sums", "Ask a model sums: alone, with a calculator as a tool, and fused with programs.", "eval sums --data questions.jsonl --fused fused", "eval sums --data folder --fused fused --limit 100 --json", "eval sums --data book.txt --fused fused") { data, model, fused, limit, seed, threads, threshold, shown };
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var files = SumQuestions.FilesOf(parsed.GetRequiredValue(data));
            var folder = parsed.GetRequiredValue(fused);
            var trigger = FusedFolder.Open(folder).Trigger;
            var name = parsed.GetValue(model) ?? trigger.Source;
            await terminal.Fetch(name, cancel);
            using var loaded = await Model.LoadAsync(name, cancellationToken: cancel);
            if (trigger.Base != FileHashes.Of(loaded.Path, null, cancel))
                throw new SoftmodelException($"{Path.Combine(folder, FusedTrigger.FileName)}: it was made of another model than {name}; fuse that, or name the one that it was made of");
            trigger = trigger with { Source = File.Exists(name) || Directory.Exists(name) ? Path.GetFullPath(name) : name, Threshold = parsed.GetValue(threshold) ?? trigger.Threshold };
            Task<LanguageModel> Opened(string source) => terminal.Working(progress => LanguageModel.LoadAsync(source, new LanguageOptions { Compile = new() { Threads = parsed.GetValue(threads) } }, progress, cancel));
            using var language = await Opened(name);
            using var own = await Changed(folder, trigger, Opened);
            var layers = loaded.Imported.Nodes.Max(n => n.Origin.Layer ?? 0) + 1;
            var evaluation = new SumEvaluation(language, layers);
            using var reader = new TriggerReader(trigger, CutList.Fused(folder, loaded.Imported, trigger.Base), language.Tokenizer, parsed.GetValue(threads), cancel);
            var rows = new List<(string File, SumScore Bare, SumScore Harness, SumScore Fused, TextScore Texts)>();
            var groups = new Dictionary<(string By, string Name), SumScore>();
            var why = new Dictionary<string, TextScore>(StringComparer.Ordinal);
            foreach (var file in files)
            {
                var all = SumQuestions.Read(file, language);
                var said = 0;
                void Say(string text)
                {
                    if (said++ < parsed.GetValue(shown))
                        terminal.Say(text);
                }
                rows.Add(await terminal.Working(async progress =>
                {
                    var (alone, tool) = (new SumScore(), new SumScore());
                    foreach (var (number, question) in SumQuestions.Drawn(all.Questions, parsed.GetValue(limit), parsed.GetValue(seed)).Index())
                    {
                        progress.Report($"{Path.GetFileName(file)}: {number + 1} asked of the bare model and the harness");
                        alone += await evaluation.Bare(question, cancel);
                        tool += await evaluation.Harness(question, cancel);
                    }
                    progress.Report($"{Path.GetFileName(file)}: {all.Questions.Length + all.Texts.Length} read by the fused model");
                    var answers = await evaluation.Fused(all.Questions, own, (question, text, call, score) =>
                    {
                        foreach (var (by, name) in ((string, string?)[])[("program", question.Program), ("kind", question.Kind), ("form", question.Form)])
                        {
                            if (name is not null)
                                groups[(by, name)] = groups.GetValueOrDefault((by, name)) + score;
                        }
                        if (score.Exact == 0 || score.Fired == 0)
                            Say($"{question.Prompt.Trim()} {question.Answer} | {call?.Program ?? "by itself"}: {text.Trim()}");
                    }, cancel);
                    var texts = new TextScore();
                    foreach (var some in all.Texts.GroupBy(t => t.Why))
                    {
                        var score = evaluation.Texts([.. some], reader, (text, fire, result) => Say($"{language.Tokenizer.Decode(text.Tokens.AsSpan(0, fire.At + 1))} | {fire.Program}({string.Join("; ", fire.Operands)}) = {result}, {fire.Score:0.0}"), cancel);
                        if (some.Key is { } reason)
                            why[reason] = why.GetValueOrDefault(reason) + score;
                        texts += score;
                    }
                    return (Path.GetFileNameWithoutExtension(file), alone, tool, answers, texts);
                }));
            }
            var total = rows.Aggregate((a, r) => ("all", a.Bare + r.Bare, a.Harness + r.Harness, a.Fused + r.Fused, a.Texts + r.Texts));
            object? By(string by) => groups.Keys.Any(k => k.By == by) ? groups.Where(g => g.Key.By == by).OrderBy(g => g.Key.Name, StringComparer.Ordinal).ToDictionary(g => g.Key.Name, g => g.Value.Shown(), StringComparer.Ordinal) : null;
            SumScore[] forms = [.. groups.Where(g => g.Key.By == "form").Select(g => g.Value)];
            terminal.Result(new
            {
                files = rows.Select(r => new { file = r.File, n = r.Fused.Count, bare = r.Bare.Shown(), harness = r.Harness.Shown(), fused = r.Fused.Shown(), texts = r.Texts.Shown() }),
                total = new { n = total.Fused.Count, bare = total.Bare.Shown(), harness = total.Harness.Shown(), fused = total.Fused.Shown(), texts = total.Texts.Shown() },
                threshold = trigger.Threshold,
                forms = forms.Length == 0 ? null : new { n = forms.Length, exact = forms.Count(f => f.Exact * 20 >= f.Count * 19) },
                programs = By("program"),
                kinds = By("kind"),
                why = why.Count == 0 ? null : why.OrderBy(w => w.Key, StringComparer.Ordinal).ToDictionary(w => w.Key, w => w.Value.Shown(), StringComparer.Ordinal),
                machine = Machine.Here,
            }, () =>
            {
                var table = Text.Table("file", "bare", "harness", "fused", "questions", "fired", "wrong when fired", "ms bare", "ms harness", "ms fused", "texts", "false fires", "of positions", "exact in texts");
                static string Share(int part, int all) => all == 0 ? "-" : $"{(double)part / all:0.00%}";
                static string Each(SumScore s) => s.Count == 0 ? "-" : $"{s.Milliseconds / s.Count:0.0}";
                foreach (var (file, bare, harness, own, texts) in rows.Count > 1 ? [.. rows, total] : rows)
                {
                    table.Row(file, Share(bare.Exact, bare.Count), Share(harness.Exact, harness.Count), Share(own.Exact, own.Count), own.Count == 0 ? "-" : $"{own.Count}", Share(own.Fired, own.Count), own.Count == 0 ? "-" : $"{own.Wrong}",
                        Each(bare), Each(harness), Each(own), texts.Texts == 0 ? "-" : $"{texts.Texts}", texts.Texts == 0 ? "-" : $"{texts.FalseFires}", texts.Texts == 0 ? "-" : $"{texts.Positions}", Share(texts.Exact, texts.Places));
                }
                return table;
            });
            return CommandLine.Done;
        }, Verb.Json());
    }

    /// <summary>A fused model with a trigger that is kept nowhere.</summary>
    static async Task<LanguageModel> Changed(string fused, FusedTrigger trigger, Func<string, Task<LanguageModel>> open)
    {
        var folder = Directory.CreateTempSubdirectory("softmodel-").FullName;
        try
        {
            foreach (var beside in Directory.EnumerateFiles(fused))
                File.Copy(beside, Path.Combine(folder, Path.GetFileName(beside)));
            WholeFile.Write(Path.Combine(folder, FusedTrigger.FileName), trigger.Write);
            return await open(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
