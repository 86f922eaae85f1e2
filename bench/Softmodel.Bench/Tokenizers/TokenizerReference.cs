using System.Text.Json;
using System.Text.Json.Nodes;

namespace Softmodel.Bench.Tokenizers;

/// <summary>What a tokenizer makes of a text; or why it makes nothing.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="All">The tokens, with those that are put around the text.</param>
/// <param name="Text">The tokens as text.</param>
/// <param name="Plain">The tokens as text without special ones.</param>
/// <param name="Error">Why there is nothing.</param>
sealed record Tokenized(int[]? Ids, int[]? All, string? Text, string? Plain, string? Error);

/// <summary>Hugging Face's tokenizers, written in Rust, in Node.js: the reference of what a <c>tokenizer.json</c> means.</summary>
static class TokenizerReference
{
    const string Version = "0.23.2";

    const string Script = """
        const { createRequire } = require('module');
        const { Tokenizer } = createRequire(process.argv[1] + '/')('tokenizers');
        const lines = require('readline').createInterface({ input: process.stdin });
        const write = text => require('fs').writeSync(1, text + '\n');
        (async () => {
            for await (const line of lines) {
                const { file, texts } = JSON.parse(line);
                let tokenizer;
                try {
                    tokenizer = Tokenizer.fromString(JSON.stringify(file));
                    tokenizer.disableTruncation();
                    tokenizer.disablePadding();
                } catch (e) { write(JSON.stringify({ error: e.message })); continue; }
                const results = [];
                for (const text of texts) {
                    try {
                        const ids = (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();
                        const all = (await tokenizer.encode(text, null, { addSpecialTokens: true })).getIds();
                        results.push({ ids, all, text: await tokenizer.decode(ids, false), plain: await tokenizer.decode(ids, true) });
                    } catch (e) { results.push({ error: e.message }); }
                }
                write(JSON.stringify({ results }));
            }
        })();
        """;

    /// <summary>Asks it.</summary>
    /// <returns>For each case what it makes of the texts; or why it refuses the tokenizer, or that it crashed.</returns>
    /// <exception cref="SoftmodelException">Node.js or npm is missing, or the package can't be fetched.</exception>
    public static async Task<List<(Tokenized[]? Results, string? Error)>> Ask(IReadOnlyList<TokenizerCase> cases, CancellationToken cancel)
    {
        var (folder, answers) = (await NodeJs.Installed("tokenizers", Version, [], cancel), new List<(Tokenized[]?, string?)>());
        while (answers.Count < cases.Count)
        {
            var lines = cases.Skip(answers.Count).Select(c => new JsonObject { ["file"] = c.File.DeepClone(), ["texts"] = new JsonArray([.. c.Texts.Select(t => JsonValue.Create(t))]) }.ToJsonString());
            var (output, said, _) = await NodeJs.Run(Script, folder, string.Join('\n', lines), cancel);
            foreach (var line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                var answer = JsonSerializer.Deserialize<Answer>(line, JsonSerializerOptions.Web)!;
                answers.Add((answer.Results, answer.Error));
            }
            // A panic ends the process.
            if (answers.Count < cases.Count)
                answers.Add((null, $"crashed: {said.Split('\n').FirstOrDefault(l => l.Contains("panicked"))}"));
        }
        return answers;
    }

    sealed record Answer(Tokenized[]? Results, string? Error);
}
