using System.CommandLine;

namespace Softmodel.Cli;

/// <summary>A command with examples of its use.</summary>
/// <param name="name">What the user writes.</param>
/// <param name="about">What it does, in a sentence.</param>
/// <param name="examples">What one may write after <c>softmodel</c>.</param>
sealed class Verb(string name, string about, params string[] examples) : Command(name, about)
{
    /// <summary>What one may write after <c>softmodel</c>.</summary>
    public IReadOnlyList<string> Examples => examples;

    /// <summary>Says what the command does.</summary>
    /// <param name="run">The work; it returns the exit code.</param>
    /// <param name="json">The option that asks for one object in JSON instead of text, where the command has it.</param>
    public Verb Does(Func<ParseResult, Terminal, CancellationToken, Task<int>> run, Option<bool>? json = null)
    {
        if (json is not null)
            Add(json);
        SetAction((parsed, cancel) => run(parsed, new Terminal(parsed.InvocationConfiguration, json is not null && parsed.GetValue(json)), cancel));
        return this;
    }

    /// <summary>The option <c>--json</c>.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Write one JSON object to standard output; everything else goes to standard error." };
}
