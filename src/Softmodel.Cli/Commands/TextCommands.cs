using System.CommandLine;
using System.Diagnostics;
using Softmodel.Language;
using Softmodel.Load;

namespace Softmodel.Cli.Commands;

/// <summary><c>softmodel complete</c>, <c>softmodel ask</c> and <c>softmodel chat</c>: text from a language model.</summary>
static class TextCommands
{
    /// <summary>How text is written: what the three have in common.</summary>
    sealed class Writing
    {
        readonly Option<int> tokens = new("--max-tokens") { Description = "The most tokens to generate.", DefaultValueFactory = _ => 512 };
        readonly Option<double> temperature = new("--temperature") { Description = "Sampling temperature; 0 is greedy decoding.", DefaultValueFactory = _ => 0 };
        readonly Option<int> topK = new("--top-k") { Description = "Sample from the k most probable tokens; 0 for all.", DefaultValueFactory = _ => 0 };
        readonly Option<double> topP = new("--top-p") { Description = "Nucleus sampling: sample from the most probable tokens that together have this probability.", DefaultValueFactory = _ => 1 };
        readonly Option<double> minP = new("--min-p") { Description = "Sample from tokens with at least this share of the most probable one's probability.", DefaultValueFactory = _ => 0 };
        readonly Option<double> penalty = new("--repetition-penalty") { Description = "Above 1, makes tokens that have occurred less probable.", DefaultValueFactory = _ => 1 };
        readonly Option<ulong> seed = new("--seed") { Description = "The seed of sampling: the same seed gives the same text.", DefaultValueFactory = _ => 0 };
        readonly Option<string[]> stop = new("--stop") { Description = "A stop sequence; may be given several times.", HelpName = "TEXT" };
        readonly Option<string> schema = new("--json-schema") { Description = "Structured output: JSON that is valid by this schema, or by the one in this file.", HelpName = "SCHEMA" };
        readonly Option<string> regex = new("--regex") { Description = "Constrained decoding: a text that this regular expression matches.", HelpName = "PATTERN" };
        readonly Option<string> tokenizer = new("--tokenizer") { Description = "The tokenizer, where it is neither in the model's file nor beside it.", HelpName = "FILE" };
        readonly Option<int> context = new("--context") { Description = "The context length in tokens; by default the model's own, at most 4096.", DefaultValueFactory = _ => 0 };
        readonly Option<bool> shift = new("--context-shift") { Description = "Context shift: drop the oldest tokens when the context is full, instead of refusing more." };
        readonly Option<int> threads = new("--threads") { Description = "The number of threads; results do not depend on it.", DefaultValueFactory = _ => Environment.ProcessorCount };
        readonly UseChoice use = new();

        public void AddTo(Command command)
        {
            foreach (var option in (Option[])[tokens, temperature, topK, topP, minP, penalty, seed, stop, schema, regex, tokenizer, context, shift, threads])
                command.Options.Add(option);
            use.AddTo(command);
        }

        public GenerationOptions Generation(ParseResult parsed) => new()
        {
            MaxTokens = parsed.GetValue(tokens),
            Stop = parsed.GetValue(stop) ?? [],
            Constraint = (parsed.GetValue(schema), parsed.GetValue(regex)) switch
            {
                (null, null) => null,
                ({ } text, null) => Constraint.JsonSchema(text.AsSpan().TrimStart() is ['{', ..] or "true" or "false" ? text : Schema(text)),
                (null, { } pattern) => Constraint.Regex(pattern),
                _ => throw new UsageException("--json-schema and --regex exclude each other; give one of them"),
            },
            Sampling = new()
            {
                Temperature = parsed.GetValue(temperature),
                TopK = parsed.GetValue(topK),
                TopP = parsed.GetValue(topP),
                MinP = parsed.GetValue(minP),
                RepetitionPenalty = parsed.GetValue(penalty),
                Seed = parsed.GetValue(seed),
            },
        };

        public async Task<LanguageModel> Load(string name, ParseResult parsed, Terminal terminal, CancellationToken cancel)
        {
            if (!TextFiles.IsBuilt(name))
                await terminal.Fetch(FusedModels.SourceOf(name), cancel);
            var options = new LanguageOptions { Tokenizer = parsed.GetValue(tokenizer), ContextLength = parsed.GetValue(context), ContextShift = parsed.GetValue(shift), Use = use.Of(parsed, new()), Compile = new() { Threads = parsed.GetValue(threads) } };
            return await terminal.Working(progress => LanguageModel.LoadAsync(name, options, progress, cancel));
        }
    }

    /// <summary>Where the tokens of a prompt are written in place of an answer.</summary>
    static Option<string> PromptTokens() => new("--prompt-tokens") { Description = "Instead of generating, write the tokens of the prompt to a file, one id a line, as input for a native library.", HelpName = "FILE" };

    /// <summary>How an answer came about.</summary>
    static Option<bool> Explain() => new("--explain") { Description = "Of a fused model: show where programs wrote, of which operands, and which layers ran." };

    /// <summary>The same as a page.</summary>
    static Option<string?> Report() => new("--report") { Description = "Of a fused model: the same as a page of HTML, with the layers that have read each token.", HelpName = "FILE" };

    static int WriteTokens(string path, int[] tokens, Terminal terminal)
    {
        WholeFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(string.Concat(tokens.Select(t => $"{t}\n")))));
        terminal.Result(new { file = Path.GetFullPath(path), tokens = tokens.Length }, () => Text.Table("file", "tokens").Row(path, $"{tokens.Length}"));
        return CommandLine.Done;
    }

    static string Schema(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new SoftmodelException($"{path}: the schema can't be read: {e.Message}", e);
        }
    }

    static Argument<string> Model() => new("model") { Description = "A language model: a name of the catalogue, a GGUF file, a folder with config.json and safetensors, a source, or a folder that softmodel build, tune or fuse has made." };

    public static Command Complete()
    {
        var (model, writing, into, explain, report) = (Model(), new Writing(), PromptTokens(), Explain(), Report());
        var prompt = new Argument<string>("text") { Description = "The prompt; - reads standard input." };
        var verb = new Verb("complete", "Complete a prompt.", "complete stories15m \"Once upon a time\"", "complete smollm2 \"The capital of France is\" --max-tokens 8", "complete model.gguf - --temperature 0.8 --seed 7") { model, prompt, into, explain, report };
        writing.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var text = parsed.GetRequiredValue(prompt) is var given && given == "-" ? await Console.In.ReadToEndAsync(cancel) : given;
            using var loaded = await writing.Load(parsed.GetRequiredValue(model), parsed, terminal, cancel);
            if (parsed.GetValue(into) is { } path)
                return WriteTokens(path, loaded.TokensOf(text), terminal);
            return await Write(loaded, loaded.CompleteAsync(text, writing.Generation(parsed), cancel), terminal, parsed.GetValue(explain), parsed.GetValue(report));
        }, Verb.Json());
    }

    public static Command Ask()
    {
        var (model, writing, into, explain, report) = (Model(), new Writing(), PromptTokens(), Explain(), Report());
        var question = new Argument<string>("question") { Description = "The question; - reads standard input." };
        var system = new Option<string>("--system") { Description = "The system prompt." };
        var verb = new Verb("ask", "Ask a chat model one question.", "ask smollm2 \"Name three rivers in Europe.\"", "ask smollm2 \"What is 12 times 7?\" --json", "ask fused \"What is 12 times 7?\" --explain --report how.html", "ask smollm2 \"Name a city.\" --json-schema city.json", "ask smollm2 \"Is ice cold?\" --regex \"(yes|no)\"", "ask model.gguf - --system \"Answer in French.\"") { model, question, system, into, explain, report };
        writing.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            var text = parsed.GetRequiredValue(question) is var given && given == "-" ? await Console.In.ReadToEndAsync(cancel) : given;
            using var loaded = await writing.Load(parsed.GetRequiredValue(model), parsed, terminal, cancel);
            ChatTurn[] turns = [.. Beforehand(parsed.GetValue(system)), new("user", text)];
            if (parsed.GetValue(into) is { } path)
                return WriteTokens(path, loaded.TokensOf(turns), terminal);
            return await Write(loaded, loaded.ChatAsync(turns, writing.Generation(parsed), cancel), terminal, parsed.GetValue(explain), parsed.GetValue(report));
        }, Verb.Json());
    }

    public static Command Chat()
    {
        var (model, writing) = (Model(), new Writing());
        var system = new Option<string>("--system") { Description = "The system prompt." };
        var verb = new Verb("chat", "Chat with a model: a line is a message, an empty line or Ctrl-D ends.", "chat smollm2", "chat smollm2 --system \"You are a pirate.\" --temperature 0.7 --seed 1") { model, system };
        writing.AddTo(verb);
        return verb.Does(async (parsed, terminal, cancel) =>
        {
            using var loaded = await writing.Load(parsed.GetRequiredValue(model), parsed, terminal, cancel);
            var turns = Beforehand(parsed.GetValue(system)).ToList();
            while (true)
            {
                terminal.Ask("> ");
                if (await Console.In.ReadLineAsync(cancel) is not { Length: > 0 } line)
                    return CommandLine.Done;
                turns.Add(new("user", line));
                var answer = new System.Text.StringBuilder();
                await foreach (var text in loaded.ChatAsync(turns, writing.Generation(parsed), cancel))
                {
                    answer.Append(text);
                    terminal.Write(text);
                }
                terminal.Write("\n");
                turns.Add(new("assistant", answer.ToString()));
            }
        });
    }

    static IEnumerable<ChatTurn> Beforehand(string? system) => system is null ? [] : [new("system", system)];

    /// <summary>Writes a text as it comes, or all of it in JSON.</summary>
    static async Task<int> Write(LanguageModel model, IAsyncEnumerable<string> parts, Terminal terminal, bool explains, string? report)
    {
        if ((explains || report is not null) && model.Fused is null)
            throw new UsageException($"{(explains ? "--explain" : "--report")} is for fused models, and {model.Name} is none; softmodel fuse makes one");
        if (report is not null)
            WholeFile.Check(report);
        var (text, clock, first) = (new System.Text.StringBuilder(), Stopwatch.StartNew(), (double?)null);
        await foreach (var part in parts)
        {
            first ??= clock.Elapsed.TotalMilliseconds;
            text.Append(part);
            if (!terminal.Json)
                terminal.Write(part);
        }
        if (report is not null)
        {
            WholeFile.Write(report, stream =>
            {
                using var page = new StreamWriter(stream, leaveOpen: true);
                ExplanationPage.Write(model.Name, Explanation.Of(model), page);
            });
        }
        if (!terminal.Json)
        {
            terminal.Write("\n");
            if (explains)
                terminal.Write(Explanation.Of(model).ToText());
            return CommandLine.Done;
        }
        var programs = model.Fused is null ? null : Explanation.Of(model).Calls;
        terminal.Result(new { model = model.Name, text = text.ToString(), finish_reason = model.Last.FinishReason == FinishReason.Length ? "length" : "stop", prompt_tokens = model.Last.PromptTokens, tokens = model.Last.Tokens, fast_forward_tokens = model.Last.FastForwardTokens, runs = model.Last.Runs, programs, first_text_ms = first, total_ms = clock.Elapsed.TotalMilliseconds }, () => throw new InvalidOperationException());
        return CommandLine.Done;
    }
}
