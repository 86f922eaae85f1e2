using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Softmodel.Cli.Commands;
using Softmodel.Cli.Conformance;
using Softmodel.Sources;

namespace Softmodel.Cli;

/// <summary>A command that was given what makes no sense: the exit code is 2.</summary>
sealed class UsageException(string message) : SoftmodelException(message);

/// <summary>The command line as a whole: its commands, its errors and its exit codes.</summary>
static class CommandLine
{
    /// <summary>All is well.</summary>
    public const int Done = 0;

    /// <summary>The work failed, or a threshold was missed.</summary>
    public const int Failed = 1;

    /// <summary>The command was used wrongly.</summary>
    public const int WrongUse = 2;

    /// <summary>The user stopped it: what shells expect after Ctrl-C.</summary>
    public const int Stopped = 130;

    /// <summary>All commands.</summary>
    public static RootCommand Root() => new("A compiler for what lies between programs and AI models.")
    {
        HelpName = "softmodel",
        Subcommands =
        {
            DemoCommand.Create(),
            ImportCommand.Create(),
            ShowCommand.Create(),
            SayCommand.Create(),
            TextCommands.Chat(),
            TextCommands.Ask(),
            TextCommands.Complete(),
            EmbedCommand.Create(),
            TrainCommand.Create(),
            TuneCommand.Create(),
            DistilCommand.Create(),
            FuseCommand.Create(),
            EvalCommand.Create(),
            ClassifyCommand.Create(),
            RunCommand.Create(),
            BuildCommand.Create(),
            TraceCommand.Create(),
            VerifyCommand.Create(),
            BenchCommand.Create(),
            ModelsCommand.Create(),
            ConformanceCommand.Create(),
        },
    };

    // What options were called one release ago.
    static readonly Dictionary<string, string[]> renamed = new(StringComparer.Ordinal)
    {
        ["--whole-products"] = ["--quantize", "int16", "--min-snr"],
        ["--keep-past"] = ["--kv-cache"],
        ["--bar"] = ["--threshold"],
    };

    /// <summary>The arguments with today's names of options, and a hint for each that had an old one.</summary>
    static string[] Renamed(string[] args, TextWriter error) => [.. args.TakeWhile(a => a != "--").SelectMany(arg =>
    {
        var end = arg.AsSpan().IndexOfAny('=', ':') is >= 0 and var at ? at : arg.Length;
        if (!renamed.TryGetValue(arg[..end], out var now))
            return (string[])[arg];
        error.WriteLine($"softmodel: {arg[..end]} is called {string.Join(' ', now)} now");
        return [.. now[..^1], now[^1] + arg[end..]];
    }), .. args.SkipWhile(a => a != "--")];

    /// <summary>Runs one command.</summary>
    /// <param name="args">What the user wrote.</param>
    /// <param name="output">Results.</param>
    /// <param name="error">Progress, tables and errors.</param>
    /// <param name="cancel">Stops it, as Ctrl-C does.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancel = default)
    {
        var root = Root();
        root.Options.OfType<HelpOption>().Single().Action = new HelpWithExamples();
        args = Renamed(args, error);
        // A text that begins with '@' is a text, and no file of arguments.
        var parsed = root.Parse(args.Length == 0 ? ["--help"] : args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpWithExamples)
        {
            var command = parsed.CommandResult.Command;
            error.WriteLine($"softmodel: {WhatIsWrong(parsed, args)}; '{string.Join(' ', Path(command))} --help' shows how it is used");
            return WrongUse;
        }
        using var _ = Repairs.Listen(sentence => error.WriteLine($"softmodel: {sentence}"));
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                Output = output,
                Error = error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = TimeSpan.FromSeconds(20),
            }, cancel);
        }
        catch (Exception e)
        {
            var (line, code) = e switch
            {
                OperationCanceledException => ("stopped", Stopped),
                UsageException => (e.Message, WrongUse),
                SoftmodelException => (e.Message, Failed),
                // What an option of the library refuses.
                ArgumentOutOfRangeException { ActualValue: { } value } range => ($"{range.Message[..range.Message.IndexOf(" (Parameter", StringComparison.Ordinal)]}, and not {value}", WrongUse),
                _ => ($"a defect of softmodel: {e.GetType().Name}: {e.Message}; SOFTMODEL_DEBUG=1 shows where: please report it", Failed),
            };
            error.WriteLine($"softmodel: {line}");
            if (Environment.GetEnvironmentVariable("SOFTMODEL_DEBUG") is "1")
                error.WriteLine(e);
            return code;
        }
    }

    static string WhatIsWrong(ParseResult parsed, string[] args)
    {
        if (parsed.CommandResult.Command is RootCommand root && args[0] is [not '-', ..])
            return $"there is no command '{args[0]}'{(Nearest.Of(args[0], root.Subcommands.Select(c => c.Name)) is { } near ? $" (did you mean '{near}'?)" : "")}";
        // The parser's own words name types of .NET, and take several lines.
        return string.Join(' ', parsed.Errors[^1].Message.TrimEnd('.').Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .Replace("as expected type 'System.Single'", "as a number", StringComparison.Ordinal)
            .Replace("as expected type 'System.Int32'", "as an integer", StringComparison.Ordinal)
            .Replace("as expected type 'System.UInt64'", "as an integer", StringComparison.Ordinal);
    }

    static IEnumerable<string> Path(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? Path(parent).Append(command.Name) : ["softmodel"];

    /// <summary>The usual help, and then how the command is used.</summary>
    sealed class HelpWithExamples : SynchronousCommandLineAction
    {
        readonly HelpAction usual = new();

        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parsed)
        {
            usual.Invoke(parsed);
            var examples = parsed.CommandResult.Command is Verb verb ? verb.Examples : ["demo", "say tts-en \"Good morning.\" -o morning.wav", "models"];
            var output = parsed.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in examples)
                output.WriteLine($"  softmodel {example}");
            return Done;
        }
    }
}
