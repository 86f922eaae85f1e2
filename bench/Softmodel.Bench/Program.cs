using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Softmodel.Bench.Answers;
using Softmodel.Bench.Coverage;
using Softmodel.Bench.Differential;
using Softmodel.Bench.Flips;
using Softmodel.Bench.Fuzz;
using Softmodel.Bench.Layers;
using Softmodel.Bench.Pictures;
using Softmodel.Bench.Readme;
using Softmodel.Bench.Schemas;
using Softmodel.Bench.Tokenizers;
using Softmodel.Bench.Words;

if (args is [FuzzWorker.Command, var given, var begin, var step, var folder])
{
    FuzzWorker.Serve(JsonSerializer.Deserialize<FuzzOptions>(given)!, long.Parse(begin, CultureInfo.InvariantCulture), long.Parse(step, CultureInfo.InvariantCulture), folder);
    return 0;
}

if (args is [DifferentialRun.Command, var drawn, var place])
{
    DifferentialRun.Serve(JsonSerializer.Deserialize<DifferentialOptions>(drawn)!, place);
    return 0;
}

var corpus = new Option<string>("--corpus") { Description = "A folder with models to damage", DefaultValueFactory = _ => "../shared" };
var format = new Option<string?>("--format") { Description = "Which models; by default those that lie in the folder" }.AcceptOnlyFromAmong([.. FuzzFormat.All.Select(f => f.Name)]);
var count = new Option<long>("--count") { Description = "How many damaged models", DefaultValueFactory = _ => 100_000 };
var seed = new Option<int>("--seed") { Description = "The same seed gives the same models", DefaultValueFactory = _ => 1 };
var every = new Option<int>("--compile-every") { Description = "One of so many cases is also compiled and run", DefaultValueFactory = _ => 50 };
var most = new Option<long?>("--most-bytes") { Description = "Larger models are left out" };
var workers = new Option<int>("--workers") { Description = "How many processes", DefaultValueFactory = _ => Environment.ProcessorCount };
var keep = new Option<long?>("--write") { Description = "Only write the model of this case, as a file or folder of the name damaged" };
var fuzz = new Command("fuzz", "Take damaged models through the compiler") { corpus, format, count, seed, every, most, workers, keep };
fuzz.SetAction(async (parsed, cancel) =>
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
    Console.Out.WriteLine(JsonSerializer.Serialize(report, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    return report.Faults.Length == 0 ? 0 : 1;
});

var models = new Option<long>("--count") { Description = "How many models", DefaultValueFactory = _ => 5_000 };
var first = new Option<int>("--seed") { Description = "The same seed gives the same models", DefaultValueFactory = _ => 1 };
var only = new Option<string[]>("--operator") { Description = "Only models of these rows of the table, such as Resize", AllowMultipleArgumentsPerToken = true };
var processes = new Option<int>("--workers") { Description = "How many processes", DefaultValueFactory = _ => Environment.ProcessorCount };
var share = new Option<int>("--compile-every") { Description = "One of so many models is compiled and run; the others are evaluated", DefaultValueFactory = _ => 1 };
var cases = new Option<long[]>("--case") { Description = "Only these of the models", AllowMultipleArgumentsPerToken = true };
var written = new Option<long?>("--write") { Description = "Only write the model of this case, as model.onnx with its inputs beside it, and say what it is" };
var listed = new Option<bool>("--rows") { Description = "Only list the rows" };
var whole = new Option<bool>("--json") { Description = "Write one JSON object" };
var differential = new Command("differential", "Compare drawn models of every operator with ONNX Runtime and the reference evaluator") { models, first, only, processes, share, cases, written, listed, whole };
differential.SetAction(async (parsed, cancel) =>
{
    var options = new DifferentialOptions(parsed.GetRequiredValue(models), parsed.GetRequiredValue(first), parsed.GetValue(only) ?? [], parsed.GetRequiredValue(share), parsed.GetValue(cases) ?? []);
    if (parsed.GetValue(listed))
    {
        Console.Out.WriteLine(string.Join('\n', options.Rows().Select(r => r.Name)));
        return 0;
    }
    if (parsed.GetValue(written) is { } index)
    {
        DifferentialText.Write(options, index, Console.Out);
        return 0;
    }
    var report = await DifferentialRun.Run(options, parsed.GetRequiredValue(processes), (done, line) =>
    {
        if (line.IsDisagreement && Explanation.Of(line) is null)
            Console.Error.WriteLine($"{line.Outcome} {line.Operator} {line.Index}: {line.Text}\n    {line.Model}");
        if (done % 250 == 0)
            Console.Error.WriteLine($"{done} of {options.Count}");
    }, cancel);
    if (parsed.GetValue(whole))
        Console.Out.WriteLine(JsonSerializer.Serialize(report, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    else
        DifferentialText.Write(report, Console.Out);
    return report.Unexplained == 0 ? 0 : 1;
});

var reports = new Argument<string[]>("reports") { Description = "Reports in Cobertura's format, of one or several test runs", Arity = ArgumentArity.OneOrMore };
var asJson = new Option<bool>("--json") { Description = "Write one JSON object" };
var coverage = new Command("coverage", "Say how many lines of src/ the tests reach") { reports, asJson };
coverage.SetAction(parsed =>
{
    var rooms = LineCoverage.Of(parsed.GetRequiredValue(reports));
    var all = rooms[^1];
    if (parsed.GetValue(asJson))
        Console.Out.WriteLine(JsonSerializer.Serialize(new { all.Lines, all.Covered, all.Share, Rooms = rooms[..^1] }, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true }));
    else
    {
        foreach (var room in rooms)
            Console.Out.WriteLine($"{room.Share,7:0.0%} {room.Covered,6} of {room.Lines,6} lines  {room.Room}");
    }
});

var holding = new Option<string?>("--only") { Description = "Layers whose names hold this" };
var threads = new Option<int>("--threads") { Description = "How many threads", DefaultValueFactory = _ => 1 };
var rounds = new Option<int>("--runs") { Description = "How often each is timed", DefaultValueFactory = _ => 15 };
var bits = new Option<int>("--vector-bits") { Description = "The width of vectors; by default the widest that the processor has", DefaultValueFactory = _ => 0 };
var layers = new Command("layers", "Time layers of vision networks beside ONNX Runtime") { holding, threads, rounds, bits, asJson };
layers.SetAction((parsed, cancel) =>
{
    var rows = LayerRun.Measure(parsed.GetValue(holding), parsed.GetValue(threads), parsed.GetValue(rounds), parsed.GetValue(bits), cancel);
    if (parsed.GetValue(asJson))
        Console.Out.WriteLine(JsonSerializer.Serialize(new { Rows = rows }, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    else
    {
        foreach (var row in rows)
            Console.Out.WriteLine($"{row.OursMs,9:0.000} ms {row.PeerMs,9:0.000} ms {row.Speedup,6:0.00} {row.GflopsPerSecond,6:0.0} GFLOP/s {row.Difference,8:0.0e0}  {row.Name}");
    }
    return Task.CompletedTask;
});

var page = new Argument<string>("page") { Description = "The page in Markdown whose figures are written" };
var measured = new Argument<string[]>("reports") { Description = "What commands wrote with --json", Arity = ArgumentArity.OneOrMore };
var others = new Option<bool>("--keep") { Description = "Keep figures of which no report is given" };
var readme = new Command("readme", "Write measured figures into a page, between its marks") { page, measured, others };
readme.SetAction(parsed =>
{
    var path = parsed.GetRequiredValue(page);
    File.WriteAllText(path, Figures.Fill(File.ReadAllText(path), [.. parsed.GetRequiredValue(measured).Select(File.ReadAllText)], parsed.GetValue(others)));
});

var picture = new Argument<string>("picture") { Description = "The SVG file to write" };
var sentences = new Argument<string[]>("sentences") { Description = "What is said", Arity = ArgumentArity.OneOrMore };
var speech = new Command("speech-picture", "Draw what tts-en says") { picture, sentences };
speech.SetAction(async (parsed, cancel) => await File.WriteAllTextAsync(parsed.GetRequiredValue(picture), await SpeechPicture.Draw(parsed.GetRequiredValue(sentences), cancel), cancel));

var asked = new Option<string>("--model") { Description = "A chat model", DefaultValueFactory = _ => "smollm2" };
var shared = new Option<string>("--shared") { Description = "The folder with arithmetic and dialogue", DefaultValueFactory = _ => "../shared" };
var prompts = new Option<int>("--count") { Description = "How many prompts", DefaultValueFactory = _ => 200 };
var temperature = new Option<double>("--temperature") { Description = "0 takes the likeliest token always", DefaultValueFactory = _ => 0 };
var answers = new Command("answers", "Ask for JSON of various schemas, with a constraint and without") { asked, shared, prompts, temperature };
answers.SetAction(async (parsed, cancel) =>
{
    var report = await AnswerRun.Run(parsed.GetRequiredValue(asked), parsed.GetRequiredValue(shared), parsed.GetValue(prompts), parsed.GetValue(temperature), Console.Error.WriteLine, cancel);
    Console.Out.WriteLine(JsonSerializer.Serialize(report, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    return report.Valid == report.Prompts ? 0 : 1;
});

var texts = new Option<int>("--count") { Description = "How many texts", DefaultValueFactory = _ => 20_000 };
var kinds = new Option<int>("--schemas") { Description = "How many schemas that can be followed: those of the public suite and of here, and for the rest generated ones", DefaultValueFactory = _ => 500 };
var walks = new Option<int>("--seed") { Description = "The same seed gives the same schemas and texts", DefaultValueFactory = _ => 1 };
var schemas = new Command("schemas", "Write texts at random under schemas, and let ajv say what is valid") { texts, kinds, walks, asJson };
schemas.SetAction(async (parsed, cancel) =>
{
    var report = await SchemaRun.Run(parsed.GetRequiredValue(texts), parsed.GetRequiredValue(kinds), parsed.GetRequiredValue(walks), Console.Error.WriteLine, cancel);
    if (parsed.GetValue(asJson))
        Console.Out.WriteLine(JsonSerializer.Serialize(report, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    else
        Console.Out.WriteLine(report.Text);
    return report.Invalid.Length == 0 ? 0 : 1;
});

var flipped = new Option<int>("--count") { Description = "How many files of each kind", DefaultValueFactory = _ => 1000 };
var library = new Option<string?>("--library") { Description = "A folder that softmodel build has filled, whose weights are damaged too" };
var timed = new Option<string[]>("--time") { Description = "Files of which it is told what looking at them costs at a start", AllowMultipleArgumentsPerToken = true };
var flips = new Command("flips", "Damage files of the cache and weights of native libraries, use them, and count what is noticed") { flipped, seed, library, timed, asJson };
flips.SetAction((parsed, cancel) => Task.Run(() =>
{
    var report = FlipRun.Run(parsed.GetRequiredValue(flipped), parsed.GetRequiredValue(seed), parsed.GetValue(library), parsed.GetValue(timed) ?? [], cancel);
    if (parsed.GetValue(asJson))
        Console.Out.WriteLine(JsonSerializer.Serialize(report, new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
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

var words = new Argument<string>("file") { Description = "The file to write: src/Softmodel/Emit/Native/c-words.txt" };
var cWords = new Command("c-words", "Write the words with which the names of a native library must not begin, as gcc and the headers here know them") { words };
cWords.SetAction(async (parsed, cancel) => await File.WriteAllTextAsync(parsed.GetRequiredValue(words), string.Concat((await CWords.Find(cancel)).Chunk(12).Select(line => $"{string.Join(' ', line)}\n")), cancel));

var strings = new Option<int>("--count") { Description = "How many texts", DefaultValueFactory = _ => 20_000 };
var perTokenizer = new Option<int>("--texts") { Description = "How many of them for each tokenizer", DefaultValueFactory = _ => 8 };
var files = new Option<string?>("--files") { Description = "Compare the tokenizers in this folder instead of made ones" };
var freeze = new Option<string?>("--write") { Description = "Write what the reference says into this file, for tests" };
var tokenizers = new Command("tokenizers", "Compare tokenizers of all components with Hugging Face's") { strings, perTokenizer, seed, files, freeze, asJson };
tokenizers.SetAction(async (parsed, cancel) =>
{
    List<FrozenCase>? frozen = parsed.GetValue(freeze) is null ? null : [];
    var cases = parsed.GetValue(files) is { } inside ? TokenizerCases.In(inside, parsed.GetValue(seed), parsed.GetValue(perTokenizer)) : TokenizerCases.Of(parsed.GetValue(seed), parsed.GetValue(perTokenizer));
    var report = await TokenizerRun.Run(cases, parsed.GetValue(strings), Console.Error.WriteLine, frozen, cancel);
    if (frozen is not null)
        await File.WriteAllTextAsync(parsed.GetValue(freeze)!, JsonSerializer.Serialize(frozen, new JsonSerializerOptions(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }), cancel);
    if (parsed.GetValue(asJson))
        Console.Out.WriteLine(JsonSerializer.Serialize(report, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    else
    {
        Console.Out.WriteLine($"{report.Strings} texts by {report.Tokenizers} tokenizers: {report.Differ} differ, of {report.Failed} the reference makes an error");
        Console.Out.WriteLine($"refused: {report.Refused.Values.Sum()} here only, {report.RefusedByReference} by the reference only, {report.RefusedByBoth} by both; the reference crashed with {report.Crashed}");
        foreach (var (reason, times) in report.Refused)
            Console.Out.WriteLine($"{times,6} {reason}");
    }
    return report.Differ == 0 ? 0 : 1;
});

return await new RootCommand("Measurements of Softmodel that are no part of it.") { fuzz, answers, schemas, coverage, readme, speech, layers, differential, flips, cWords, tokenizers }.Parse(args).InvokeAsync();
