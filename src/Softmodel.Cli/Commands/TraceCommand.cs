using System.CommandLine;
using System.Text;
using Softmodel.Cli.Arrays;
using Softmodel.Graphs;
using Softmodel.Language;
using Softmodel.Trace;
using Spectre.Console;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel trace</c>: which parts of a model a use needs, and a proof of it.</summary>
static class TraceCommand
{
    const int MostNamed = 12, MostShades = 48;

    const string Shades = "·░▒▓█";

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A language model, or an ONNX file with logits: a name of the catalogue, a path, npm:NAME@VERSION#path or hf:OWNER/REPO#path." };
        var use = new Option<string>("--use") { Description = "Examples of the use: for a language model a text file with a prompt on each line, and after a tab what should follow; for arrays a folder of .npz files with the inputs and targets, classes of which -1 is none.", HelpName = "FILE|FOLDER", Required = true };
        var against = new Option<string>("--against") { Description = "Examples of what should not change, in the same form.", HelpName = "FILE|FOLDER", Required = true };
        var output = new Option<string?>("--output") { Description = "The output with the logits, where there are several." };
        var measure = new Option<Measures>("--measure") { Description = "How right an answer is: the logarithm of its probability, or its logit less the largest other.", HelpName = "logprobability|margin", DefaultValueFactory = _ => Measures.LogProbability };
        var method = new Option<Method>("--method") { Description = "gradient: (activation - replacement) × gradient, use less contrast set; integrated: integrated gradients; patching: line i of the use patched with line i of the contrast set.", HelpName = "gradient|integrated|patching", DefaultValueFactory = _ => Method.Gradient };
        var cut = new Option<Replacement>("--cut") { Description = "What parts that are cut become: the mean of both sets, zero, or what they are in an example of the other set.", HelpName = "mean|zero|resample", DefaultValueFactory = _ => Replacement.Mean };
        var parts = new Option<string[]>("--parts") { Description = $"Which parts: {string.Join(", ", Site.Roles.Select(Roles.NameOf))}. heads and mlp_hidden (neurons) by default.", HelpName = "ROLE", AllowMultipleArgumentsPerToken = true };
        var count = new Option<int[]>("--count") { Description = "How many parts are cut; by default three shares of all.", HelpName = "N", AllowMultipleArgumentsPerToken = true };
        var draws = new Option<int>("--draws") { Description = "How many random sets of the same size are cut beside each.", DefaultValueFactory = _ => 5 };
        var position = new Option<int?>("--position") { Description = "Cut at one position alone: 0 is the last one of an example, 1 the one before it, -1 the first one.", HelpName = "N" };
        var report = new Option<string?>("--report") { Description = "A page of HTML with the pictures and the table of cuts.", HelpName = "FILE" };
        var statistics = new Option<string?>("--statistics") { Description = "A .npz file for the mean, variance, least, most and share above 0 of every channel, head, neuron and position.", HelpName = "FILE" };
        var seed = new Option<int>("--seed") { Description = "What examples are held out, and parts drawn, by.", DefaultValueFactory = _ => 0 };
        var threads = new Option<int>("--threads") { Description = "The number of threads; results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        parts.AcceptOnlyFromAmong([.. Site.Roles.Select(Roles.NameOf)]);
        foreach (var option in (Option[])[draws, count])
        {
            option.Validators.Add(given =>
            {
                if (given.Tokens.Any(t => !int.TryParse(t.Value, out var n) || n < (option == draws ? 0 : 1)))
                    given.AddError($"{option.Name} takes integers from {(option == draws ? 0 : 1)} up");
            });
        }
        var verb = new Verb("trace", "Show which parts of a model a use needs and another does not, and prove it by cutting them.",
            "trace smollm2 --use sums.txt --against words.txt", "trace smollm2 --use sums.txt --against words.txt --parts heads --count 5 10 --draws 10 --json", "trace model.onnx --use carries --against others --measure margin --report trace.html")
        { model, use, against, output, measure, method, cut, parts, count, position, draws, seed, threads, report, statistics };
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var options = new TraceOptions
            {
                Method = parsed.GetValue(method),
                Replacement = parsed.GetValue(cut),
                Counts = parsed.GetValue(count) ?? [],
                Position = parsed.GetValue(position),
                Draws = parsed.GetValue(draws),
                Seed = parsed.GetValue(seed),
                Threads = parsed.GetValue(threads),
            };
            if (parsed.GetValue(parts) is { Length: > 0 } named)
                options = options with { Roles = [.. named.Select(n => Roles.Named(n)!.Value).Distinct()] };
            foreach (var file in ((string?[])[parsed.GetValue(report), parsed.GetValue(statistics)]).OfType<string>())
                WholeFile.Check(file);
            await terminal.Fetch(parsed.GetRequiredValue(model), cancel);
            using var loaded = await Model.LoadAsync(parsed.GetRequiredValue(model), cancellationToken: cancel);
            var (useName, againstName) = (parsed.GetRequiredValue(use), parsed.GetRequiredValue(against));
            var traced = await terminal.Working(progress => Task.Run(() =>
            {
                progress.Report("importing");
                var (subject, a, b) = Subjects(loaded, useName, againstName, parsed.GetValue(output), parsed.GetValue(measure), options.Threads, progress, cancel);
                return Tracing.Run(subject, a, b, options, progress, cancel);
            }, cancel));
            Show(terminal, useName, againstName, traced);
            if (parsed.GetValue(statistics) is { } arrays)
                ArrayFiles.Write(arrays, [.. traced.Sites.SelectMany(s => s.UseStatistics.Arrays("use").Concat(s.AgainstStatistics.Arrays("against")))], 0);
            if (parsed.GetValue(report) is { } page)
            {
                WholeFile.Write(page, stream =>
                {
                    using var writer = new StreamWriter(stream, new UTF8Encoding(false));
                    TracePage.Write(loaded.Name, useName, againstName, traced, writer);
                });
                terminal.Say(page);
            }
            return CommandLine.Done;
        }, Verb.Json());
    }

    static (Subject Subject, ExampleSet Use, ExampleSet Against) Subjects(Model model, string use, string against, string? output, Measures measure, int threads, IProgress<string> progress, CancellationToken cancel)
    {
        if (!model.IsLanguageModel)
        {
            var arrays = Cases.Of(model.Imported, output, measure, out var axes);
            return (arrays, Cases.Read(use, arrays, axes), Cases.Read(against, arrays, axes));
        }
        var tokenizer = LanguageModelLoading.ReadText(model, null).Tokenizer;
        var subject = Prompts.Of(model.Imported, measure);
        ExampleSet Set(string path) => Prompts.Set(path, Prompts.Answered(subject, Prompts.Read(path, tokenizer), threads, progress, cancel));
        return (subject, Set(use), Set(against));
    }

    static void Show(Terminal terminal, string use, string against, Traced traced)
    {
        (ScoredPart Scored, Moments Use, Moments Against)[] named = [.. from scored in traced.Parts.SelectMany(p => p.Parts.Take(MostNamed))
            let site = traced.Sites.First(s => s.Use.Site.Layer == scored.Part.Layer && s.Use.Site.Role == scored.Part.Role)
            select (scored, site.UseStatistics.OfPart(scored.Part.Index), site.AgainstStatistics.OfPart(scored.Part.Index))];
        if (!terminal.Json)
        {
            terminal.Result(traced, () => Picture(traced));
            terminal.Result(traced, () => named.Aggregate(Text.Table("layer", "part", "index", "score", "costs the use", "the other", "in the use: mean, deviation, active", "in the other"), (table, p) => table.Row(
                $"{p.Scored.Part.Layer}", Roles.NameOf(p.Scored.Part.Role), $"{p.Scored.Part.Index}", $"{p.Scored.Score:0.0000}", $"{p.Scored.Use:0.0000}", $"{p.Scored.Against:0.0000}", Said(p.Use), Said(p.Against))));
        }
        terminal.Result(new
        {
            use,
            against,
            parts = named.Select(p => new
            {
                layer = p.Scored.Part.Layer,
                role = Roles.NameOf(p.Scored.Part.Role),
                index = p.Scored.Part.Index,
                score = p.Scored.Score,
                costs_use = p.Scored.Use,
                costs_against = p.Scored.Against,
                in_use = Figures(p.Use),
                in_against = Figures(p.Against),
            }),
            ablation = traced.Ablations.Select(a => new
            {
                cut = a.Cut,
                role = Roles.NameOf(a.Role),
                count = a.Count,
                use_before = traced.Before.Use.Measure,
                use_after = a.Use.Mean,
                against_before = traced.Before.Against.Measure,
                against_after = a.Against.Mean,
                use_after_least = a.Use.Least,
                use_after_most = a.Use.Most,
                against_after_least = a.Against.Least,
                against_after_most = a.Against.Most,
                use_right_before = traced.Before.Use.Accuracy,
                use_right_after = a.UseAccuracy.Mean,
                against_right_before = traced.Before.Against.Accuracy,
                against_right_after = a.AgainstAccuracy.Mean,
            }),
        }, () => traced.Ablations.Aggregate(Text.Table("cut", "parts", "use", "right", "other", "right")
            .Row("nothing", "", $"{traced.Before.Use.Measure:0.00}", $"{traced.Before.Use.Accuracy:0 %}", $"{traced.Before.Against.Measure:0.00}", $"{traced.Before.Against.Accuracy:0 %}"),
            (table, a) => table.Row(a.Cut, $"{a.Count} {Roles.NameOf(a.Role)}", a.Use.Text("0.00"), a.UseAccuracy.Text("0 %"), a.Against.Text("0.00"), a.AgainstAccuracy.Text("0 %"))));
    }

    static string Said(Moments m) => $"{m.Mean:0.000} ± {Math.Sqrt(m.Variance):0.000}, {m.Active:0 %}";

    static object Figures(Moments m) => new { mean = m.Mean, variance = m.Variance, least = m.Least, most = m.Most, active = m.Active };

    /// <summary>Layers as rows: the fuller a cell, the more it costs the use.</summary>
    static Table Picture(Traced traced)
    {
        var grids = LayerGrid.Of(traced).Select(g => g.Narrowed(MostShades)).ToArray();
        var table = Text.Table(["layer", .. grids.Select(g => g.Title["layers × ".Length..])]);
        foreach (var layer in grids.SelectMany(g => g.Rows.Select(r => r.Layer)).Distinct().Order())
            table.Row([$"{layer}", .. grids.Select(g => string.Concat((g.Rows.FirstOrDefault(r => r.Layer == layer).Values ?? []).Select(v => Shades[(int)Math.Round((Shades.Length - 1) * Math.Clamp(v / g.Most, 0, 1))])))]);
        return table;
    }
}
