using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Softmodel.Bench.Answers;
using Softmodel.Bench.Coverage;
using Softmodel.Bench.Fuzz;
using Softmodel.Bench.Pictures;
using Softmodel.Bench.Readme;
using Softmodel.Bench.Schemas;
using Softmodel.Bench.Tokenizers;

if (args is [FuzzWorker.Command, var given, var first, var step, var folder])
{
    FuzzWorker.Serve(JsonSerializer.Deserialize<FuzzOptions>(given)!, long.Parse(first, CultureInfo.InvariantCulture), long.Parse(step, CultureInfo.InvariantCulture), folder);
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

return await new RootCommand("Measurements of Softmodel that are no part of it.") { fuzz, answers, schemas, tokenizers, coverage, readme, speech }.Parse(args).InvokeAsync();
