using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Softmodel.Cli.Conformance;

/// <summary>The command <c>conformance</c>.</summary>
internal static class ConformanceCommand
{
    static readonly JsonSerializerOptions json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var folder = new Argument<string>("FOLDER") { Description = "A suite of ONNX backend tests, or a folder of suites" };
        var filter = new Option<string>("--filter") { Description = "Only cases whose names contain this", DefaultValueFactory = _ => "" };
        var workers = new Option<int>("--workers") { Description = "How many cases run at once", DefaultValueFactory = _ => Environment.ProcessorCount };
        var limit = new Option<int>("--limit") { Description = "Seconds that a case may take", DefaultValueFactory = _ => 60 };
        var operators = new Option<string?>("--operators") { Description = "Write a table of operators in Markdown to this file" };
        var asJson = new Option<bool>("--json") { Description = "One JSON object on standard output" };
        workers.Validators.Add(r => Positive(r, r.GetValueOrDefault<int>()));
        limit.Validators.Add(r => Positive(r, r.GetValueOrDefault<int>()));
        var command = new Verb("conformance", "Run suites of ONNX backend tests against the compiler.", "conformance ../shared/onnx --json", "conformance ../shared/zoo", "conformance ../shared/onnx/node --filter softmax") { folder, filter, workers, limit, operators, asJson };
        command.SetAction(async (parsed, cancel) =>
        {
            var options = new ConformanceOptions(parsed.GetRequiredValue(folder), parsed.GetRequiredValue(filter), parsed.GetRequiredValue(workers), TimeSpan.FromSeconds(parsed.GetRequiredValue(limit)));
            var suites = await ConformanceRun.Run(options, new Shown(), cancel);
            if (parsed.GetValue(operators) is { } page)
                await File.WriteAllTextAsync(page, OperatorsPage.Write(suites), cancel);
            Console.Out.WriteLine(parsed.GetValue(asJson) ? Json(suites) : Text(suites));
            return suites.Sum(s => s.Count(Verdict.Failed)) == 0 ? 0 : 1;
        });
        return command;
    }

    static void Positive(System.CommandLine.Parsing.OptionResult result, int value)
    {
        if (value < 1)
            result.AddError($"{result.Option.Name} must be at least 1");
    }

    sealed class Shown : IProgress<(Suite Suite, CaseResult Result)>
    {
        int done;

        public void Report((Suite Suite, CaseResult Result) value)
        {
            if (Interlocked.Increment(ref done) % 100 == 0 || value.Result.Verdict == Verdict.Failed)
                Console.Error.WriteLine($"{done,6} {value.Suite.Name}/{value.Result.Name}: {value.Result.Verdict} {value.Result.Reason}");
        }
    }

    internal static string Json(SuiteResult[] suites) => JsonSerializer.Serialize(new
    {
        suites = suites.Select(s => new
        {
            s.Name,
            total = s.Cases.Length,
            passed = s.Count(Verdict.Passed),
            failed = s.Names(Verdict.Failed),
            unsupported = s.Names(Verdict.Unsupported),
            compiledForKnownInputs = s.Cases.Where(c => c.Known.Length > 0).Select(c => c.Name),
            onlySizesCompared = s.Cases.Where(c => c.OnlySizes).Select(c => c.Name),
            cases = s.Cases,
        }),
    }, json);

    static string Text(SuiteResult[] suites) => string.Join(Environment.NewLine, suites.Select(s =>
        $"{s.Name,-20} {s.Cases.Length,5} cases: {s.Count(Verdict.Passed),5} passed, {s.Count(Verdict.Failed),4} failed, {s.Count(Verdict.Unsupported),4} unsupported"));
}
