using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Softmodel.Learn;
using Spectre.Console;

namespace Softmodel.Cli.Training;

/// <summary>Shows how a training goes: a live curve on a terminal, a line now and then in a file, and all events in a log.</summary>
/// <param name="terminal">Where it is shown.</param>
/// <param name="log">A file that gets a JSON object for each event, one a line; null for none.</param>
sealed class TrainingScreen(Terminal terminal, string? log)
{
    static readonly TimeSpan betweenLines = TimeSpan.FromSeconds(10), betweenFrames = TimeSpan.FromMilliseconds(200);

    static readonly JsonSerializerOptions format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    const int Width = 64, Height = 8;

    readonly List<TrainingPoint> points = [];
    double? validation;

    /// <summary>Does the work of a training, which tells what it does.</summary>
    /// <param name="work">The work.</param>
    public async Task<T> Watch<T>(Func<IProgress<string>, Action<TrainingEvent>, Task<T>> work)
    {
        using var file = log is null ? null : Log(log);
        void Write(TrainingEvent e)
        {
            file?.WriteLine(JsonSerializer.Serialize(e, format));
            if (e.Event is "checkpoint" or "end")
                file?.Flush();
            if (e.Event == "step")
                points.Add(new(e.Step, e.Loss!.Value));
            if (e.Event == "validation")
                validation = e.Loss;
        }
        if (terminal.Screen.Profile.Out.IsTerminal)
        {
            return await terminal.Screen.Live(new Markup("")).AutoClear(true).StartAsync(async context =>
            {
                var (clock, doing) = (Stopwatch.StartNew(), "");
                return await work(new Steps(step => context.UpdateTarget(new Markup((doing = step).EscapeMarkup()))), e =>
                {
                    Write(e);
                    if (e.Event != "step" || clock.Elapsed < betweenFrames)
                        return;
                    clock.Restart();
                    context.UpdateTarget(new Markup(string.Join('\n', Curve.Lines(points, Width, Height).Prepend(Line(e))).EscapeMarkup()));
                });
            });
        }
        var since = Stopwatch.StartNew();
        return await terminal.Working(progress => work(progress, e =>
        {
            Write(e);
            if (e.Event == "resumed")
                terminal.Say($"goes on from step {e.Step} of {e.File}");
            if (e.Event != "step" || since.Elapsed < betweenLines)
                return;
            since.Restart();
            terminal.Say(Line(e));
        }));
    }

    static StreamWriter Log(string path)
    {
        try
        {
            return new(path, append: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SoftmodelException($"'{path}' can't be written: {e.Message}", e);
        }
    }

    string Line(TrainingEvent e) => $"step {e.Step} of {e.Steps}, epoch {e.Epoch + 1}, loss {e.Loss:0.0000}{(validation is { } loss ? $", validation {loss:0.0000}" : "")}, {Left(e.SecondsLeft ?? 0)} left";

    /// <summary>A time: <c>40 s</c>, <c>3 min</c>, <c>2.5 h</c>.</summary>
    public static string Left(double seconds) => seconds < 100 ? $"{seconds:0} s" : seconds < 6000 ? $"{seconds / 60:0} min" : $"{seconds / 3600:0.0} h";

    sealed class Steps(Action<string> report) : IProgress<string>
    {
        public void Report(string value) => report(value);
    }
}
