using System.CommandLine;
using Softmodel.Language;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel classify</c>: the labels of texts.</summary>
static class ClassifyCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "What softmodel train classifier has made." };
        var texts = new Argument<string[]>("text") { Description = "The texts; - reads them from standard input, one a line.", Arity = ArgumentArity.OneOrMore };
        var threads = new Option<int>("--threads") { Description = "The number of threads; results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var verb = new Verb("classify", "Give the label of texts, with a classifier that softmodel train classifier has made.", "classify intents \"Wake me at seven.\"", "classify mails - --json") { folder, texts, threads };
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            string[] given = parsed.GetRequiredValue(texts) is ["-"] ? await TextLines.Read(cancel) : parsed.GetRequiredValue(texts);
            using var classifier = TextClassifier.Open(parsed.GetRequiredValue(folder), parsed.GetValue(threads));
            var all = given.Select(text =>
            {
                cancel.ThrowIfCancellationRequested();
                var probabilities = classifier.Probabilities(text);
                var best = Array.IndexOf(probabilities, probabilities.Max());
                return new { text, label = classifier.Labels[best], probability = probabilities[best], probabilities = classifier.Labels.Zip(probabilities).ToDictionary(p => p.First, p => p.Second) };
            }).ToArray();
            terminal.Result(new { model = classifier.Name, texts = all }, () =>
            {
                var table = Text.Table("text", "label", "probability");
                foreach (var one in all)
                    table.Row(one.text, one.label, $"{one.probability:0.000}");
                return table;
            });
            return CommandLine.Done;
        }, Verb.Json());
    }
}
