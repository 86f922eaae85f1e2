using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Softmodel.Sources;
using Spectre.Console;

namespace Softmodel.Cli;

/// <summary>What a command speaks through: results go to standard output, all else to standard error.</summary>
sealed class Terminal(InvocationConfiguration streams, bool json)
{
    static readonly JsonSerializerOptions format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    IAnsiConsole? screen;

    /// <summary>Whether the result is one JSON object.</summary>
    public bool Json => json;

    /// <summary>Where results go.</summary>
    public TextWriter Output => streams.Output;

    /// <summary>Standard error, with colours and moving bars where it is a terminal.</summary>
    public IAnsiConsole Screen => screen ??= Console(streams.Error);

    static IAnsiConsole Console(TextWriter writer)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        // A file or another program wants a row on one line.
        if (!console.Profile.Out.IsTerminal)
            console.Profile.Width = 1000;
        return console;
    }

    /// <summary>Writes the result: an object in JSON, or a table to read.</summary>
    /// <param name="result">What <c>--json</c> writes.</param>
    /// <param name="table">What is written without it.</param>
    public void Result(object result, Func<Table> table)
    {
        if (json)
            Output.WriteLine(JsonSerializer.Serialize(result, format));
        else
            Console(streams.Output).Write(table());
    }

    /// <summary>Some text of the result, as it comes.</summary>
    public void Write(string text)
    {
        Output.Write(text);
        Output.Flush();
    }

    /// <summary>Asks for a line on standard error.</summary>
    public void Ask(string prompt) => streams.Error.Write(prompt);

    /// <summary>A line on standard error.</summary>
    public void Say(string line) => streams.Error.WriteLine(line);

    /// <summary>Work that takes a while: what it is at is shown where somebody watches.</summary>
    public async Task<T> Working<T>(Func<IProgress<string>, Task<T>> work)
    {
        if (!Screen.Profile.Out.IsTerminal)
        {
            // A file gets a line for what takes longer than a moment, another program in this process none.
            if (!ReferenceEquals(streams.Error, System.Console.Error))
                return await work(new Steps(_ => { }));
            var current = "";
            using var timer = new Timer(_ => Say(current), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            return await work(new Steps(step =>
            {
                current = step;
                timer.Change(Moment, Timeout.InfiniteTimeSpan);
            }));
        }
        return await Screen.Status().StartAsync("starting", context => work(new Steps(step => context.Status(step.EscapeMarkup()))));
    }

    sealed class Steps(Action<string> report) : IProgress<string>
    {
        public void Report(string value) => report(value);
    }

    /// <summary>Brings a model to this machine, with a bar while it takes long, and says what it may be used for when it is new.</summary>
    public async Task<ResolvedModel> Fetch(string nameOrSource, CancellationToken cancel)
    {
        var source = Source.Parse(nameOrSource);
        if (source.Kind == SourceKind.File)
            return await Source.Resolve(nameOrSource, null, cancel);
        var came = false;
        var model = Screen.Profile.Out.IsTerminal
            ? await WithBar(nameOrSource, () => came = true, cancel)
            : await Source.Resolve(nameOrSource, new Progress(p => came |= Announce(p, came)), cancel);
        if (came)
            Say($"{model.Name} lies in {model.Folder}; licence: {model.Licence.Spdx ?? "not stated"}{(model.Licence.Note is { } note ? $" ({note})" : "")}{(model.Licence.TextFile is { } text ? $"; see {text}" : "")}");
        return model;
    }

    bool Announce(FetchProgress progress, bool came)
    {
        if (!came)
            Say($"{progress.Step} {progress.Model}{(progress.Total is { } total ? $" ({Text.Size(total)})" : "")}");
        return true;
    }

    async Task<ResolvedModel> WithBar(string nameOrSource, Action came, CancellationToken cancel)
    {
        // The bar appears with the first news, so that a model that is there already stays quiet.
        var news = new TaskCompletionSource();
        ProgressTask? bar = null;
        var latest = default(FetchProgress);
        var work = Task.Run(() => Source.Resolve(nameOrSource, new Progress(p =>
        {
            latest = p;
            if (bar is not null)
                Show(bar, p);
            news.TrySetResult();
        }), cancel), cancel);
        await Task.WhenAny(work, news.Task);
        if (!news.Task.IsCompleted)
            return await work;
        came();
        return await Screen.Progress().HideCompleted(true).AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new DownloadedColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                bar = context.AddTask(nameOrSource.EscapeMarkup());
                Show(bar, latest);
                return await work;
            });
    }

    static void Show(ProgressTask bar, FetchProgress progress)
    {
        bar.Description = $"{progress.Step} {progress.Model}".EscapeMarkup();
        bar.IsIndeterminate = progress.Total is null;
        bar.MaxValue = progress.Total ?? Math.Max(progress.Bytes, 1);
        bar.Value = progress.Bytes;
    }

    sealed class Progress(Action<FetchProgress> report) : IProgress<FetchProgress>
    {
        public void Report(FetchProgress value) => report(value);
    }
}
