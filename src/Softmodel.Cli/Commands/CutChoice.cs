using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Softmodel.Fusion;
using Softmodel.Language;
using Softmodel.Load;

namespace Softmodel.Cli.Commands;

/// <summary>The options of <c>fuse</c> with which a model loses what its programs do.</summary>
sealed class CutChoice
{
    public readonly Option<bool> Cut = new("--cut") { Description = "Cut the neurons and heads above the trigger out of the weights that sums need and ordinary text does not." };
    public readonly Option<string[]> Text = new("--text") { Description = "Ordinary text, by which --cut chooses, and whose perplexity it keeps: 48,000 tokens are read. By default what the model itself writes.", HelpName = "FILE", AllowMultipleArgumentsPerToken = true };
    public readonly Option<string> Fused = new("--fused") { Description = "A folder of softmodel fuse, whose trigger is taken rather than trained.", HelpName = "DIR" };
    public readonly Option<string> Budget = new("--budget") { Description = "By how much the perplexity of ordinary text may grow with --cut.", DefaultValueFactory = _ => "1%", HelpName = "PERCENT" };
    public readonly Option<bool> Everywhere = new("--cut-everywhere") { Description = "With --cut, cut below the trigger, too, so that what it reads changes." };

    // What the model writes where no text is given.
    const int OwnTexts = 224, OwnTokens = 256;

    public IReadOnlyList<Option> All => [Cut, Text, Fused, Budget, Everywhere];

    public CutChoice() => Budget.Validators.Add(given =>
    {
        if (PercentOf(given.Tokens is [var token, ..] ? token.Value : "1%") is null)
            given.AddError("--budget is a percentage from 0 up, such as 1%");
    });

    static double? PercentOf(string text) => double.TryParse(text.TrimEnd('%'), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? number / 100 : null;

    /// <summary>Tells what doesn't go together.</summary>
    public void Check(CommandResult given, Option<string[]> with)
    {
        bool Has(Option option) => given.GetResult(option) is { Implicit: false };
        if (Has(with) == Has(Fused))
            given.AddError("name what the model is fused with (--with arithmetic), or a folder with a trigger (--fused DIR), and not both");
        else if (Has(Fused) && !Has(Cut))
            given.AddError("--fused takes a trigger that is trained: say --cut, too");
        else if (!Has(Cut) && (Has(Text) || Has(Budget) || Has(Everywhere)))
            given.AddError("--text, --budget and --cut-everywhere belong to --cut");
    }

    /// <summary>The trigger of a folder.</summary>
    /// <exception cref="SoftmodelException">It was made of another model.</exception>
    public static FusedTrigger TriggerOf(string folder, string hash, string model)
    {
        var place = Path.Combine(folder, FusedTrigger.FileName);
        var trigger = FusedFolder.Open(folder).Trigger;
        return trigger.Base == hash ? trigger : throw new SoftmodelException($"{place}: it was made of another model than {model}; fuse that, or name the one that it was made of");
    }

    /// <summary>Cuts a fused model, and writes what was cut into the folder of its trigger.</summary>
    public async Task<CutReport> Run(ParseResult parsed, Terminal terminal, Model model, FusedTrigger trigger, Tokenizer tokenizer, string folder, CancellationToken cancel)
    {
        var files = parsed.GetValue(Text) ?? [];
        var given = files.Select(Read).ToArray();
        var options = new CuttingOptions { Budget = PercentOf(parsed.GetRequiredValue(Budget))!.Value, Everywhere = parsed.GetValue(Everywhere) };
        var report = await terminal.Working(progress => Task.Run(() =>
        {
            IEnumerable<string> texts = given.Length > 0 ? given
                : KeptTexts.Write(model, tokenizer, OwnTexts, OwnTokens, seed: 1, options.Threads, progress, cancel).Select(t => tokenizer.Decode(t.Tokens));
            return new Cutting(model.Imported, trigger, tokenizer, options, progress, cancel).Run(string.Join("\n\n", texts));
        }, cancel));
        Directory.CreateDirectory(folder);
        WholeFile.Write(Path.Combine(folder, CutList.FileName), report.List.Write);
        return report;
    }

    static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"the text '{path}' can't be read: {e.Message}", e);
        }
    }

    /// <summary>What <c>--json</c> writes of a cut.</summary>
    public static object Shown(CutReport r)
    {
        static double Rounded(double number) => Math.Round(number, 4);
        static object Figures(CutFigures f) => new
        {
            perplexity = Rounded(f.Perplexity),
            bare_sums = f.Sums.Select(s => new { kind = s.Key, right = Rounded(s.Value.Right), log_probability = Rounded(s.Value.LogProbability) }),
            fused_sums = f.Fused is { } right ? Rounded(right) : (double?)null,
        };
        return new
        {
            bytes_before = r.Bytes.Before,
            bytes_after = r.Bytes.After,
            neurons_before = r.Neurons.Before,
            neurons_after = r.Neurons.After,
            heads_before = r.Groups.Before * r.HeadsOfGroup,
            heads_after = r.Groups.After * r.HeadsOfGroup,
            layers = r.List.Layers.Select(l => new { layer = l.Layer, neurons = l.Neurons.Count, heads = l.Groups.Count * r.HeadsOfGroup }),
            ms_per_token_before = Math.Round(r.Milliseconds.Before, 3),
            ms_per_token_after = Math.Round(r.Milliseconds.After, 3),
            before = Figures(r.Before),
            after = Figures(r.After),
            random = r.Random.Select(Figures),
            tried = r.Tried.Select(t => new { parts = t.Parts, perplexity_grew = Math.Round(t.Grew, 5) }),
            tokens_scored = r.Tokens.Scored,
            tokens_of_budget = r.Tokens.Budget,
            tokens_reported = r.Tokens.Reported,
        };
    }

    /// <summary>The same to read.</summary>
    public static Spectre.Console.Table Table(CutReport r)
    {
        var table = Softmodel.Cli.Text.Table(["", "weights", "neurons", "heads", "perplexity", .. r.Before.Sums.Keys, "fused", "ms a token"]);
        void Row(string what, long bytes, int neurons, int groups, CutFigures f, double? ms) => table.Row([what, Softmodel.Cli.Text.Size(bytes), $"{neurons:N0}", $"{groups * r.HeadsOfGroup}", $"{f.Perplexity:0.000} ({f.Perplexity / r.Before.Perplexity - 1:+0.00%;-0.00%;0.00%})",
            .. f.Sums.Values.Select(s => $"{s.Right:0.0%}"), f.Fused is { } right ? $"{right:0.0%}" : "-", ms is { } took ? $"{took:0.00}" : "-"]);
        Row("before", r.Bytes.Before, r.Neurons.Before, r.Groups.Before, r.Before, r.Milliseconds.Before);
        Row("cut", r.Bytes.After, r.Neurons.After, r.Groups.After, r.After, r.Milliseconds.After);
        foreach (var random in r.Random)
            Row("as many at random", r.Bytes.After, r.Neurons.After, r.Groups.After, random, null);
        return table;
    }
}
