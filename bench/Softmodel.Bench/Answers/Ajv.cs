using System.Text.Json;

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
    /// <exception cref="SoftmodelException">Node.js or npm is missing, or the package can't be fetched, or fails.</exception>
    public static async Task<string[]> Validate(IEnumerable<(JsonElement Schema, string Text)> answers, CancellationToken cancel)
    {
        var folder = await NodeJs.Installed("ajv", Version, [$"ajv-formats@{FormatsVersion}"], cancel);
        var pairs = JsonSerializer.Serialize(answers.Select(a => new object[] { a.Schema, a.Text }));
        var (output, said, exitCode) = await NodeJs.Run(Script, folder, pairs, cancel);
        return exitCode == 0 ? JsonSerializer.Deserialize<string[]>(output)! : throw new SoftmodelException($"node failed: {said.Trim()}");
    }
}
