using System.CommandLine;
using Softmodel.Sources;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel models</c>: what is known by name, what is here, and what it may be used for.</summary>
static class ModelsCommand
{
    public static Command Create()
    {
        var models = new Verb("models", "List the models of the catalogue, download them, and show their licences.", "models", "models --json", "models fetch tts-en", "models licences tts-en", "models check")
            .Does(List, Verb.Json());
        models.Add(new Verb("list", "List the models of the catalogue.", "models list").Does(List, Verb.Json()));

        var wanted = new Argument<string[]>("model") { Description = "Names, or sources such as npm:NAME@VERSION#path and hf:OWNER/REPO#path.", Arity = ArgumentArity.OneOrMore };
        models.Add(new Verb("fetch", "Download models into the cache, and show where their files are.", "models fetch tts-en", "models fetch hf:onnx-community/Kokoro-82M-ONNX#onnx/model.onnx --json") { wanted }
            .Does((parsed, terminal, cancel) => Fetch(parsed.GetRequiredValue(wanted), terminal, cancel), Verb.Json()));

        var shown = new Argument<string[]>("model") { Description = "Names of the catalogue; all by default.", Arity = ArgumentArity.ZeroOrMore };
        models.Add(new Verb("licences", "Show the licences of models, and their texts.", "models licences", "models licences tts-en") { shown }
            .Does((parsed, terminal, cancel) => Licences(parsed.GetValue(shown) ?? [], terminal, cancel), Verb.Json()));
        models.Add(new Verb("check", "Verify the checksums of all cached files; damaged ones are made or downloaded again at their next use.", "models check", "models check --json")
            .Does(Check, Verb.Json()));
        return models;
    }

    static async Task<int> Check(ParseResult parsed, Terminal terminal, CancellationToken cancel)
    {
        var folders = await terminal.Working(progress => Task.Run(() => CacheCheck.All(StoreSettings.FromEnvironment().Cache, progress, cancel), cancel));
        terminal.Result(new { folders = folders.Select(f => new { folder = f.Folder, files = f.Files, bytes = f.Bytes, damaged = f.Damaged }), ok = folders.All(f => f.Damaged is null) }, () =>
        {
            var table = Text.Table("folder", "files", "size", "damaged");
            foreach (var folder in folders)
                table.Row(folder.Folder, $"{folder.Files}", Text.Size(folder.Bytes), folder.Damaged ?? "");
            return table;
        });
        return folders.All(f => f.Damaged is null) ? CommandLine.Done : CommandLine.Failed;
    }

    static Task<int> List(ParseResult parsed, Terminal terminal, CancellationToken cancel)
    {
        var models = Catalogue.All.Select(m => (Model: m, Here: m.IsFetched)).ToArray();
        terminal.Result(new
        {
            models = models.Select(m => new { name = m.Model.Name, about = m.Model.About, task = m.Model.Task, bytes = m.Model.Bytes, download = m.Model.Download, licence = m.Model.Licence.Spdx, fetched = m.Here }),
        }, () =>
        {
            var table = Text.Table("name", "what it is", "size", "licence", "here");
            foreach (var (model, here) in models)
                table.Row(model.Name, model.About, Text.Size(model.Bytes), model.Licence.Spdx!, here ? "yes" : "");
            return table;
        });
        return Task.FromResult(CommandLine.Done);
    }

    static async Task<int> Fetch(string[] names, Terminal terminal, CancellationToken cancel)
    {
        var models = new List<ResolvedModel>();
        foreach (var name in names)
            models.Add(await terminal.Fetch(name, cancel));
        terminal.Result(new
        {
            models = models.Select(m => new { name = m.Name, folder = m.Folder, licence = m.Licence.Spdx, files = m.Files.Select(f => new { role = f.Role, path = f.Path, bytes = f.Bytes, sha256 = f.Sha256 }) }),
        }, () =>
        {
            var table = Text.Table("model", "role", "size", "file");
            foreach (var (model, file) in models.SelectMany(m => m.Files, (m, f) => (m, f)))
                table.Row(model.Name, file.Role, Text.Size(file.Bytes), file.Path);
            return table;
        });
        return CommandLine.Done;
    }

    static async Task<int> Licences(string[] names, Terminal terminal, CancellationToken cancel)
    {
        var models = names.Length == 0 ? Catalogue.All : [.. names.Select(n => Catalogue.Find(n) ?? throw new UsageException($"the catalogue has no model '{n}'; 'softmodel models' lists them"))];
        var shown = new List<(CatalogueModel Model, string? Text)>();
        foreach (var model in models)
            shown.Add((model, model.IsFetched && (await Source.Resolve(model.Name, null, cancel)).Licence.TextFile is { } file ? await File.ReadAllTextAsync(file, cancel) : null));
        terminal.Result(new
        {
            models = shown.Select(m => new { name = m.Model.Name, licence = m.Model.Licence.Spdx, note = m.Model.Licence.Note, from = m.Model.Files.SelectMany(f => (f.Then ?? []).Prepend(f.Source)).Select(s => (s with { Path = null, Range = null }).ToString()).Distinct(), text = m.Text }),
        }, () =>
        {
            var table = Text.Table("name", "licence", "note");
            foreach (var (model, _) in shown)
                table.Row(model.Name, model.Licence.Spdx!, model.Licence.Note ?? "");
            return table;
        });
        if (!terminal.Json && names.Length > 0)
        {
            foreach (var (model, text) in shown)
                terminal.Output.WriteLine(text is null ? $"The text for {model.Name} comes with its files: softmodel models fetch {model.Name}\n" : $"{model.Name}:\n\n{text.Trim()}\n");
        }
        return CommandLine.Done;
    }
}
