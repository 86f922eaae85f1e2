using System.CommandLine;

namespace Softmodel.Cli.Conformance;

/// <summary><c>softmodel conformance</c>: what of ONNX's own tests the compiler passes.</summary>
internal static class ConformanceCommand
{
    public static Command Create()
    {
        var folder = new Argument<string[]>("folder") { Description = "A suite of ONNX backend tests, or a folder of suites; several, too.", Arity = ArgumentArity.OneOrMore };
        var filter = new Option<string>("--filter") { Description = "Only cases whose names contain this.", DefaultValueFactory = _ => "" };
        var workers = Positive("--workers", "How many cases run at once.", Environment.ProcessorCount);
        var seconds = Positive("--seconds", "How long a case may take.", 60);
        var operators = new Option<string?>("--operators") { Description = "Write a table of operators in Markdown to this file." };
        return new Verb("conformance", "Compile and run ONNX backend tests, and say which pass.", "conformance ../shared/onnx --json", "conformance ../shared/onnx/node --filter test_conv", "conformance ../shared/faults/*") { folder, filter, workers, seconds, operators }
            .Does(async (parsed, terminal, cancel) =>
            {
                var options = new ConformanceOptions(parsed.GetRequiredValue(folder), parsed.GetRequiredValue(filter), parsed.GetRequiredValue(workers), TimeSpan.FromSeconds(parsed.GetRequiredValue(seconds)));
                if (parsed.GetValue(operators) is not null && options.Filter.Length > 0)
                    throw new UsageException("--operators writes a table of all operators, for which all cases are needed: leave --filter out");
                var suites = await ConformanceRun.Run(options, new Progress(terminal), cancel);
                if (parsed.GetValue(operators) is { } page)
                    await File.WriteAllTextAsync(page, OperatorsPage.Write(suites), cancel);
                Show(suites, terminal);
                return suites.Sum(s => s.Count(Verdict.Failed)) == 0 ? CommandLine.Done : CommandLine.Failed;
            }, Verb.Json());
    }

    static Option<int> Positive(string name, string description, int usual)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => usual };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
                result.AddError($"{name} must be at least 1");
        });
        return option;
    }

    sealed class Progress(Terminal terminal) : IProgress<(Suite Suite, CaseResult Result)>
    {
        int done;

        public void Report((Suite Suite, CaseResult Result) value)
        {
            lock (terminal)
            {
                if (++done % 100 == 0)
                    terminal.Say($"{done} cases");
                if (value.Result.Verdict == Verdict.Failed)
                    terminal.Say($"{value.Suite.Name}/{value.Result.Name} failed ({value.Result.Stage}): {value.Result.Reason}");
            }
        }
    }

    static void Show(SuiteResult[] suites, Terminal terminal) => terminal.Result(new
    {
        suites = suites.Select(s => new
        {
            name = s.Name,
            total = s.Cases.Length,
            passed = s.Count(Verdict.Passed),
            failed = s.Names(Verdict.Failed),
            unsupported = s.Names(Verdict.Unsupported),
            compiled_for_known_inputs = s.Cases.Where(c => c.Known.Length > 0).Select(c => c.Name),
            only_sizes_compared = s.Cases.Where(c => c.OnlySizes).Select(c => c.Name),
            cases = s.Cases.Select(c => new
            {
                name = c.Name,
                verdict = c.Verdict.ToString().ToLowerInvariant(),
                stage = c.Stage,
                reason = c.Reason,
                operators = c.Operators,
                blamed = c.Blamed,
                known = c.Known,
                milliseconds = Math.Round(c.Milliseconds, 1),
            }),
        }),
        machine = Machine.Here,
    }, () =>
    {
        var table = Text.Table("suite", "cases", "passed", "failed", "unsupported");
        foreach (var suite in suites)
            table.Row(suite.Name, $"{suite.Cases.Length}", $"{suite.Count(Verdict.Passed)}", $"{suite.Count(Verdict.Failed)}", $"{suite.Count(Verdict.Unsupported)}");
        return table;
    });
}
