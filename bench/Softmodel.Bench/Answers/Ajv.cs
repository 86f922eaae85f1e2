using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using Softmodel.Sources;

namespace Softmodel.Bench.Answers;

/// <summary>A validator of JSON Schema that others wrote: ajv, in Node.js, as an oracle of what is valid.</summary>
static class Ajv
{
    const string Version = "8.20.0", FormatsVersion = "3.0.1";

    const string Script = """
        const { createRequire } = require('module');
        const load = createRequire(process.argv[1] + '/');
        const formats = load('ajv-formats').default;
        const drafts = { '2019-09': 'ajv/dist/2019', 'draft-07': 'ajv/dist/ajv', 'draft-06': 'ajv/dist/ajv' };
        const compiled = new Map();
        function validator(schema) {
            const key = JSON.stringify(schema);
            if (!compiled.has(key)) {
                const draft = Object.keys(drafts).find(d => typeof schema.$schema === 'string' && schema.$schema.includes(d));
                const ajv = new (load(drafts[draft] ?? 'ajv/dist/2020').default)({ strict: false, logger: false });
                if (draft === 'draft-06') ajv.addMetaSchema(load('ajv/dist/refs/json-schema-draft-06.json'));
                formats(ajv);
                let found;
                try { const validate = ajv.compile(schema); found = text => validate(JSON.parse(text)) ? '' : ajv.errorsText(validate.errors); }
                catch (e) { found = () => 'the schema: ' + e.message; }
                compiled.set(key, found);
            }
            return compiled.get(key);
        }
        let text = '';
        process.stdin.on('data', d => text += d).on('end', () => {
            const verdicts = JSON.parse(text).map(([schema, value]) => {
                try { return validator(schema)(value); } catch (e) { return String(e.message); }
            });
            process.stdout.write(JSON.stringify(verdicts));
        });
        """;

    /// <summary>Says of each text what is wrong with it as JSON, or by its schema; nothing where it is valid.</summary>
    /// <exception cref="SoftmodelException">Node.js or npm is missing, or the package can't be fetched.</exception>
    public static async Task<string[]> Validate(IEnumerable<(JsonElement Schema, string Text)> answers, CancellationToken cancel)
    {
        var folder = await Installed("ajv", Version, [$"ajv-formats@{FormatsVersion}"], cancel);
        var pairs = JsonSerializer.Serialize(answers.Select(a => new object[] { a.Schema, a.Text }));
        return JsonSerializer.Deserialize<string[]>(await Run("node", ["--eval", Script, folder], pairs, cancel))!;
    }

    /// <summary>The folder where npm has put a package.</summary>
    /// <exception cref="SoftmodelException">Node.js or npm is missing, or the package can't be fetched.</exception>
    public static async Task<string> Installed(string package, string version, string[] more, CancellationToken cancel)
    {
        var settings = StoreSettings.FromEnvironment();
        var folder = Path.Combine(settings.Cache, "peers", $"{package}-{version}");
        if (Directory.Exists(folder))
            return folder;
        var stage = $"{folder}-{Guid.NewGuid():N}";
        Directory.CreateDirectory(stage);
        try
        {
            await Run(settings.Npm, ["install", "--prefix", stage, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error", $"{package}@{version}", .. more], "", cancel);
            Directory.Move(stage, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            // Another process was quicker: its files are the same.
        }
        finally
        {
            if (Directory.Exists(stage))
                Directory.Delete(stage, recursive: true);
        }
        return folder;
    }

    static async Task<string> Run(string program, string[] arguments, string input, CancellationToken cancel)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var (output, said) = (process.StandardOutput.ReadToEndAsync(cancel), process.StandardError.ReadToEndAsync(cancel));
            await process.StandardInput.WriteAsync(input.AsMemory(), cancel);
            process.StandardInput.Close();
            await process.WaitForExitAsync(cancel);
            return process.ExitCode == 0 ? await output : throw new SoftmodelException($"{program} failed: {(await said).Trim()}");
        }
        catch (Win32Exception e)
        {
            throw new SoftmodelException($"'{program}' can't be started ({e.Message}): answers are checked with ajv, so install Node.js, which brings npm", e);
        }
    }
}
