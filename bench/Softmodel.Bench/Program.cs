using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Softmodel.Bench.Answers;
using Softmodel.Bench.Coverage;
using Softmodel.Bench.Differential;
using Softmodel.Bench.Flips;
using Softmodel.Bench.Fusion;
using Softmodel.Bench.Fuzz;
using Softmodel.Bench.Layers;
using Softmodel.Bench.Pictures;
using Softmodel.Bench.Readme;
using Softmodel.Bench.Schemas;
using Softmodel.Bench.Sessions;
using Softmodel.Bench.Sums;
using Softmodel.Bench.Tokenizers;
using Softmodel.Bench.Tuning;
using Softmodel.Bench.Words;

switch (args)
{
    case [FuzzWorker.Command, var options, var first, var step, var folder]:
        FuzzWorker.Serve(JsonSerializer.Deserialize<FuzzOptions>(options)!, long.Parse(first, CultureInfo.InvariantCulture), long.Parse(step, CultureInfo.InvariantCulture), folder);
        return 0;
    case [DifferentialRun.Command, var options, var folder]:
        DifferentialRun.Serve(JsonSerializer.Deserialize<DifferentialOptions>(options)!, folder);
        return 0;
    default:
        return await new RootCommand("Measurements of Softmodel that are no part of it.")
        {
            Fuzz(), Answers(), Schemas(), Coverage(), Readme(), Speech(), Layers(), Differential(), Flips(), Words(), Tokenizers(), Sessions(), Tuned(), Sums(), Fused(),
        }.Parse(args).InvokeAsync();
}

static Option<bool> Json() => new("--json") { Description = "Write one JSON object" };

static Option<int> Seed(string what = "models") => new("--seed") { Description = $"The same seed gives the same {what}", DefaultValueFactory = _ => 1 };

static Option<int> Workers() => new("--workers") { Description = "How many processes", DefaultValueFactory = _ => Environment.ProcessorCount };

static void Write(object report, JsonNamingPolicy? names = null) => Console.Out.WriteLine(JsonSerializer.Serialize(report, new JsonSerializerOptions
{
    PropertyNamingPolicy = names ?? JsonNamingPolicy.CamelCase,
    WriteIndented = true,
    Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
}));

static Command Fuzz()
{
    var corpus = new Option<string>("--corpus") { Description = "A folder with models to damage", DefaultValueFactory = _ => "../shared" };
    var format = new Option<string?>("--format") { Description = "Which models; by default those that lie in the folder" }.AcceptOnlyFromAmong([.. FuzzFormat.All.Select(f => f.Name)]);
    var count = new Option<long>("--count") { Description = "How many damaged models", DefaultValueFactory = _ => 100_000 };
    var every = new Option<int>("--compile-every") { Description = "One of so many cases is also compiled and run", DefaultValueFactory = _ => 50 };
    var most = new Option<long?>("--most-bytes") { Description = "Larger models are left out" };
    var keep = new Option<long?>("--write") { Description = "Only write the model of this case, as a file or folder of the name damaged" };
    var (seed, workers) = (Seed(), Workers());
    var command = new Command("fuzz", "Take damaged models through the compiler") { corpus, format, count, seed, every, most, workers, keep };
    command.SetAction(async (parsed, cancel) =>
    {
        var models = Path.GetFullPath(parsed.GetRequiredValue(corpus));
        var kind = parsed.GetValue(format) is { } name ? FuzzFormat.Of(name) : FuzzFormat.Within(models);
        var options = new FuzzOptions(kind.Name, models, parsed.GetRequiredValue(count), parsed.GetRequiredValue(seed), parsed.GetRequiredValue(every), parsed.GetValue(most) ?? kind.MostBytes);
        if (parsed.GetValue(keep) is { } index)
        {
            FuzzWorker.Write($"damaged{Path.GetExtension(kind.File)}", options, FuzzWorker.Corpus(options), index);
            return 0;
        }
        var report = await FuzzRun.Run(options, parsed.GetRequiredValue(workers), cancel);
        Write(report);
        return report.Faults.Length == 0 ? 0 : 1;
    });
    return command;
}

static Command Differential()
{
    var count = new Option<long>("--count") { Description = "How many models", DefaultValueFactory = _ => 5_000 };
    var rows = new Option<string[]>("--operator") { Description = "Only models of these rows of the table, such as Resize", AllowMultipleArgumentsPerToken = true };
    var every = new Option<int>("--compile-every") { Description = "One of so many models is compiled and run; the others are evaluated", DefaultValueFactory = _ => 1 };
    var cases = new Option<long[]>("--case") { Description = "Only these of the models", AllowMultipleArgumentsPerToken = true };
    var write = new Option<long?>("--write") { Description = "Only write the model of this case, as model.onnx with its inputs beside it, and say what it is" };
    var list = new Option<bool>("--rows") { Description = "Only list the rows" };
    var (seed, workers, json) = (Seed(), Workers(), Json());
    var command = new Command("differential", "Compare drawn models of every operator with ONNX Runtime and the reference evaluator") { count, seed, rows, workers, every, cases, write, list, json };
    command.SetAction(async (parsed, cancel) =>
    {
        var options = new DifferentialOptions(parsed.GetRequiredValue(count), parsed.GetRequiredValue(seed), parsed.GetValue(rows) ?? [], parsed.GetRequiredValue(every), parsed.GetValue(cases) ?? []);
        if (parsed.GetValue(list))
        {
            Console.Out.WriteLine(string.Join('\n', options.Rows().Select(r => r.Name)));
            return 0;
        }
        if (parsed.GetValue(write) is { } index)
        {
            DifferentialText.Write(options, index, Console.Out);
            return 0;
        }
        var report = await DifferentialRun.Run(options, parsed.GetRequiredValue(workers), (done, line) =>
        {
            if (line.IsDisagreement && Explanation.Of(line) is null)
                Console.Error.WriteLine($"{line.Outcome} {line.Operator} {line.Index}: {line.Text}\n    {line.Model}");
            if (done % 250 == 0)
                Console.Error.WriteLine($"{done} of {options.Count}");
        }, cancel);
        if (parsed.GetValue(json))
            Write(report);
        else
            DifferentialText.Write(report, Console.Out);
        return report.Unexplained == 0 ? 0 : 1;
    });
    return command;
}

static Command Coverage()
{
    var reports = new Argument<string[]>("reports") { Description = "Reports in Cobertura's format, of one or several test runs", Arity = ArgumentArity.OneOrMore };
    var json = Json();
    var command = new Command("coverage", "Say how many lines of src/ the tests reach") { reports, json };
    command.SetAction(parsed =>
    {
        var rooms = LineCoverage.Of(parsed.GetRequiredValue(reports));
        var all = rooms[^1];
        if (parsed.GetValue(json))
            Write(new { all.Lines, all.Covered, all.Share, Rooms = rooms[..^1] });
        else
        {
            foreach (var room in rooms)
                Console.Out.WriteLine($"{room.Share,7:0.0%} {room.Covered,6} of {room.Lines,6} lines  {room.Room}");
        }
    });
    return command;
}

static Command Layers()
{
    var only = new Option<string?>("--only") { Description = "Layers whose names hold this" };
    var threads = new Option<int>("--threads") { Description = "How many threads", DefaultValueFactory = _ => 1 };
    var runs = new Option<int>("--runs") { Description = "How often each is timed", DefaultValueFactory = _ => 15 };
    var bits = new Option<int>("--vector-bits") { Description = "The width of vectors; by default the widest that the processor has", DefaultValueFactory = _ => 0 };
    var json = Json();
    var command = new Command("layers", "Time layers of vision networks beside ONNX Runtime") { only, threads, runs, bits, json };
    command.SetAction((parsed, cancel) =>
    {
        var rows = LayerRun.Measure(parsed.GetValue(only), parsed.GetValue(threads), parsed.GetValue(runs), parsed.GetValue(bits), cancel);
        if (parsed.GetValue(json))
            Write(new { Rows = rows });
        else
        {
            foreach (var row in rows)
                Console.Out.WriteLine($"{row.OursMs,9:0.000} ms {row.PeerMs,9:0.000} ms {row.Speedup,6:0.00} {row.GflopsPerSecond,6:0.0} GFLOP/s {row.Difference,8:0.0e0}  {row.Name}");
        }
        return Task.CompletedTask;
    });
    return command;
}

static Command Readme()
{
    var page = new Argument<string>("page") { Description = "The page in Markdown with all figures" };
    var readme = new Argument<string>("readme") { Description = "The page that shows some of them" };
    var reports = new Argument<string[]>("reports") { Description = "What commands wrote with --json", Arity = ArgumentArity.ZeroOrMore };
    var keep = new Option<bool>("--keep") { Description = "Keep figures of which no report is given" };
    var command = new Command("readme", "Write measured figures into pages, between their markers") { page, readme, reports, keep };
    command.SetAction(parsed =>
    {
        var (all, some) = (parsed.GetRequiredValue(page), parsed.GetRequiredValue(readme));
        var filled = Figures.Fill(File.ReadAllText(all), [.. (parsed.GetValue(reports) ?? []).Select(File.ReadAllText)], parsed.GetValue(keep));
        var summary = Figures.Summarise(File.ReadAllText(some), filled);
        File.WriteAllText(all, filled);
        File.WriteAllText(some, summary);
    });
    return command;
}

static Command Speech()
{
    var picture = new Argument<string>("picture") { Description = "The SVG file to write" };
    var sentences = new Argument<string[]>("sentences") { Description = "What is said", Arity = ArgumentArity.OneOrMore };
    var command = new Command("speech-picture", "Draw what tts-en says") { picture, sentences };
    command.SetAction(async (parsed, cancel) => await File.WriteAllTextAsync(parsed.GetRequiredValue(picture), await SpeechPicture.Draw(parsed.GetRequiredValue(sentences), cancel), cancel));
    return command;
}

static Command Answers()
{
    var model = new Option<string>("--model") { Description = "A chat model", DefaultValueFactory = _ => "smollm2" };
    var shared = new Option<string>("--shared") { Description = "The folder with arithmetic and dialogue", DefaultValueFactory = _ => "../shared" };
    var count = new Option<int>("--count") { Description = "How many prompts", DefaultValueFactory = _ => 200 };
    var temperature = new Option<double>("--temperature") { Description = "0 takes the likeliest token always", DefaultValueFactory = _ => 0 };
    var command = new Command("answers", "Ask for JSON of various schemas, with a constraint and without") { model, shared, count, temperature };
    command.SetAction(async (parsed, cancel) =>
    {
        var report = await AnswerRun.Run(parsed.GetRequiredValue(model), parsed.GetRequiredValue(shared), parsed.GetValue(count), parsed.GetValue(temperature), Console.Error.WriteLine, cancel);
        Write(report);
        return report.Valid == report.Prompts ? 0 : 1;
    });
    return command;
}

static Command Schemas()
{
    var count = new Option<int>("--count") { Description = "How many texts", DefaultValueFactory = _ => 20_000 };
    var schemas = new Option<int>("--schemas") { Description = "How many schemas that can be followed: those of the public suite and of here, and for the rest generated ones", DefaultValueFactory = _ => 500 };
    var (seed, json) = (Seed("schemas and texts"), Json());
    var command = new Command("schemas", "Write texts at random under schemas, and let ajv say what is valid") { count, schemas, seed, json };
    command.SetAction(async (parsed, cancel) =>
    {
        var report = await SchemaRun.Run(parsed.GetRequiredValue(count), parsed.GetRequiredValue(schemas), parsed.GetRequiredValue(seed), Console.Error.WriteLine, cancel);
        if (parsed.GetValue(json))
            Write(report);
        else
            Console.Out.WriteLine(report.Text);
        return report.Invalid.Length == 0 ? 0 : 1;
    });
    return command;
}

static Command Flips()
{
    var count = new Option<int>("--count") { Description = "How many files of each kind", DefaultValueFactory = _ => 1000 };
    var library = new Option<string?>("--library") { Description = "A folder that softmodel build has filled, whose weights are damaged too" };
    var timed = new Option<string[]>("--time") { Description = "Files of which it is told what looking at them costs at a start", AllowMultipleArgumentsPerToken = true };
    var (seed, json) = (Seed(), Json());
    var command = new Command("flips", "Damage files of the cache and weights of native libraries, use them, and count what is noticed") { count, seed, library, timed, json };
    command.SetAction((parsed, cancel) => Task.Run(() =>
    {
        var report = FlipRun.Run(parsed.GetRequiredValue(count), parsed.GetRequiredValue(seed), parsed.GetValue(library), parsed.GetValue(timed) ?? [], cancel);
        if (parsed.GetValue(json))
            Write(report, JsonNamingPolicy.SnakeCaseLower);
        else
        {
            Console.Out.WriteLine("   cases  healed refused ignored    used");
            foreach (var kind in report.Kinds)
                Console.Out.WriteLine($"{kind.Cases,8}{kind.Healed,8}{kind.Refused,8}{kind.Ignored,8}{kind.Used,8}  {kind.Kind}");
            foreach (var cost in report.StartMs)
                Console.Out.WriteLine($"{cost.File}, {cost.Bytes:N0} bytes: checksum {cost.ChecksumMs} ms, SHA-256 {cost.HashMs} ms, untouched {cost.IdentityMs} ms");
            foreach (var fault in report.Faults)
                Console.Error.WriteLine(fault);
        }
        return report.Kinds.All(k => k.Used == 0) ? 0 : 1;
    }, cancel));
    return command;
}

static Command Words()
{
    var file = new Argument<string>("file") { Description = "The file to write: src/Softmodel/Emit/Native/c-words.txt" };
    var command = new Command("c-words", "Write the words with which the names of a native library must not begin, as gcc and the headers here know them") { file };
    command.SetAction(async (parsed, cancel) => await File.WriteAllTextAsync(parsed.GetRequiredValue(file), string.Concat((await CWords.Find(cancel)).Chunk(12).Select(line => $"{string.Join(' ', line)}\n")), cancel));
    return command;
}

static Command Tokenizers()
{
    var count = new Option<int>("--count") { Description = "How many texts", DefaultValueFactory = _ => 20_000 };
    var texts = new Option<int>("--texts") { Description = "How many of them for each tokenizer", DefaultValueFactory = _ => 8 };
    var files = new Option<string?>("--files") { Description = "Compare the tokenizers in this folder instead of made ones" };
    var write = new Option<string?>("--write") { Description = "Write what the reference says into this file, for tests" };
    var (seed, json) = (Seed(), Json());
    var command = new Command("tokenizers", "Compare tokenizers of all components with Hugging Face's") { count, texts, seed, files, write, json };
    command.SetAction(async (parsed, cancel) =>
    {
        List<FrozenCase>? frozen = parsed.GetValue(write) is null ? null : [];
        var cases = parsed.GetValue(files) is { } inside ? TokenizerCases.In(inside, parsed.GetValue(seed), parsed.GetValue(texts)) : TokenizerCases.Of(parsed.GetValue(seed), parsed.GetValue(texts));
        var report = await TokenizerRun.Run(cases, parsed.GetValue(count), Console.Error.WriteLine, frozen, cancel);
        if (frozen is not null)
            await File.WriteAllTextAsync(parsed.GetValue(write)!, JsonSerializer.Serialize(frozen, new JsonSerializerOptions(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }), cancel);
        if (parsed.GetValue(json))
            Write(report);
        else
        {
            Console.Out.WriteLine($"{report.Strings} texts by {report.Tokenizers} tokenizers: {report.Differ} differ, of {report.Failed} the reference makes an error");
            Console.Out.WriteLine($"refused: {report.Refused.Values.Sum()} here only, {report.RefusedByReference} by the reference only, {report.RefusedByBoth} by both; the reference crashed with {report.Crashed}");
            foreach (var (reason, times) in report.Refused)
                Console.Out.WriteLine($"{times,6} {reason}");
        }
        return report.Differ == 0 ? 0 : 1;
    });
    return command;
}

static Command Sessions()
{
    var model = new Argument<string>("model") { Description = "A language model", DefaultValueFactory = _ => "smollm2" };
    var count = new Option<int>("--sessions") { Description = "How many", DefaultValueFactory = _ => 8 };
    var tokens = new Option<int>("--tokens") { Description = "The most tokens that each writes", DefaultValueFactory = _ => 64 };
    var threads = new Option<int>("--threads") { Description = "How many threads a run has", DefaultValueFactory = _ => Environment.ProcessorCount };
    var rounds = new Option<int>("--runs") { Description = "How often", DefaultValueFactory = _ => 3 };
    var command = new Command("sessions", "Write texts in several sessions, batched and in turns") { model, count, tokens, threads, rounds };
    command.SetAction(async (parsed, cancel) =>
    {
        var report = await SessionRun.Run(parsed.GetRequiredValue(model), parsed.GetRequiredValue(count), parsed.GetRequiredValue(tokens), parsed.GetRequiredValue(threads), parsed.GetRequiredValue(rounds), Console.Error.WriteLine, cancel);
        Write(report, JsonNamingPolicy.SnakeCaseLower);
        return report.Same == report.Sessions ? 0 : 1;
    });
    return command;
}

static Command Tuned()
{
    var model = new Argument<string>("model") { Description = "A chat model", DefaultValueFactory = _ => "smollm2" };
    var examples = new Option<string>("--examples") { Description = "A folder with chats.jsonl, what it is tuned on, and unseen.txt, prompts", DefaultValueFactory = _ => "examples/captain" };
    var other = new Option<string>("--against") { Description = "Another text, whose perplexity should stay", DefaultValueFactory = _ => "examples/dialogue/night-ferry.txt" };
    var folder = new Option<string?>("--output") { Description = "The folder for what is built; by default none is left" };
    var more = new Option<string[]>("--with") { Description = "More arguments of softmodel tune", AllowMultipleArgumentsPerToken = true };
    var command = new Command("tuning", "Tune a chat model, and measure its style and what other texts lose") { model, examples, other, folder, more };
    command.SetAction(async (parsed, cancel) =>
    {
        var temporary = parsed.GetValue(folder) is null ? Directory.CreateTempSubdirectory("softmodel-").FullName : null;
        try
        {
            var report = await TuningRun.Run(parsed.GetRequiredValue(model), parsed.GetRequiredValue(examples), parsed.GetRequiredValue(other), parsed.GetValue(folder) ?? Path.Combine(temporary!, "tuned"), parsed.GetValue(more) ?? [], cancel);
            Write(report, JsonNamingPolicy.SnakeCaseLower);
            return report.Reached ? 0 : 1;
        }
        finally
        {
            if (temporary is not null)
                Directory.Delete(temporary, recursive: true);
        }
    });
    return command;
}

static Command Fused()
{
    var folder = new Argument<string>("fused") { Description = "The folder that softmodel fuse has made" };
    var texts = new Option<string[]>("--text") { Description = "Files with a text without sums", DefaultValueFactory = _ => ["examples/dialogue/night-ferry.txt", "docs/architecture.md"], AllowMultipleArgumentsPerToken = true };
    var solutions = new Option<string?>("--solutions") { Description = "Worked solutions: solutions.jsonl of bench/sums" };
    var tokens = new Option<int>("--tokens") { Description = "The most tokens of the text", DefaultValueFactory = _ => 2000 };
    var threads = new Option<int>("--threads") { Description = "How many threads a run has", DefaultValueFactory = _ => Environment.ProcessorCount };
    var seed = Seed("questions");
    var command = new Command("fusion", "Measure a fused model beside the model alone") { folder, texts, solutions, tokens, threads, seed };
    command.SetAction(async (parsed, cancel) =>
    {
        var text = string.Concat(await Task.WhenAll(parsed.GetRequiredValue(texts).Select(f => File.ReadAllTextAsync(f, cancel))));
        var report = await FusionRun.Run(parsed.GetRequiredValue(folder), text, parsed.GetValue(solutions), parsed.GetValue(tokens), parsed.GetValue(threads), parsed.GetValue(seed), Console.Error.WriteLine, cancel);
        Write(report, JsonNamingPolicy.SnakeCaseLower);
        return report.Differing == 0 ? 0 : 1;
    });
    return command;
}

static Command Sums()
{
    var folder = new Argument<string>("folder") { Description = "The folder to write forms.jsonl, negatives.jsonl and solutions.jsonl to" };
    var templates = new Option<string>("--templates") { Description = "The folder with the templates", DefaultValueFactory = _ => "tests/data/sums" };
    var perForm = new Option<int>("--per-form") { Description = "How many texts of each form in which a sum is due", DefaultValueFactory = _ => 5 };
    var negatives = new Option<int>("--negatives") { Description = "How many different texts in which none is due", DefaultValueFactory = _ => 10_000 };
    var solutions = new Option<int>("--solutions") { Description = "How many worked solutions", DefaultValueFactory = _ => 500 };
    var (seed, json) = (Seed("texts"), Json());
    var command = new Command("sums", "Draw texts with sums that training never sees, for softmodel eval sums") { folder, templates, perForm, negatives, solutions, seed, json };
    command.SetAction(parsed =>
    {
        var report = SumFiles.Write(parsed.GetRequiredValue(templates), parsed.GetRequiredValue(folder), parsed.GetRequiredValue(perForm), parsed.GetRequiredValue(negatives), parsed.GetRequiredValue(solutions), parsed.GetRequiredValue(seed));
        if (parsed.GetValue(json))
            Write(report, JsonNamingPolicy.SnakeCaseLower);
        else
            Console.Out.WriteLine($"{report.Forms} texts in which a sum is due ({report.Chats} chats), {report.Negatives} in which none is, {report.Solutions} solutions of {report.Steps} steps");
    });
    return command;
}
