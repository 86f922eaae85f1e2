using System.CommandLine;
using System.Text.Json;
using Softmodel.Cli;

namespace Softmodel.Tests.Cli;

public class CommandLineTests
{
    static async Task<(int Code, string Output, string Error)> Run(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Run(args, output, error, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }

    static IEnumerable<Verb> Verbs(Command command) =>
        command.Subcommands.SelectMany(Verbs).Concat(command is Verb verb ? [verb] : []);

    public static IEnumerable<TheoryDataRow<string>> Examples => Verbs(CommandLine.Root()).SelectMany(v => v.Examples).Distinct().Select(e => new TheoryDataRow<string>(e));

    [Theory]
    [MemberData(nameof(Examples))]
    public void Every_example_of_the_help_is_accepted(string example) => Assert.Empty(CommandLine.Root().Parse(example).Errors);

    [Fact]
    public void Every_command_has_examples() => Assert.All(Verbs(CommandLine.Root()), v => Assert.NotEmpty(v.Examples));

    [Fact]
    public async Task Help_ends_with_examples()
    {
        var (code, output, error) = await Run("models", "fetch", "--help");
        Assert.Equal((0, ""), (code, error));
        Assert.EndsWith("\n  softmodel models fetch hf:onnx-community/Kokoro-82M-ONNX#onnx/model.onnx --json\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_arguments_show_the_commands() => Assert.Contains("models", (await Run()).Output, StringComparison.Ordinal);

    [Theory]
    [InlineData("nonsense")]
    [InlineData("models", "--nonsense")]
    [InlineData("models", "fetch")]
    [InlineData("models", "licences", "nonsense")]
    public async Task Wrong_use_is_one_line_and_code_2(params string[] args)
    {
        var (code, output, error) = await Run(args);
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith("softmodel: ", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Theory]
    [InlineData("no command 'sya' (did you mean 'say'?)", "sya", "tts-en", "Hello")]
    [InlineData("'abc' for option '--speed' as a number", "say", "tts-en", "Hello", "--speed", "abc")]
    [InlineData("one of: 'text' 'dot' 'html'", "show", "tts-en", "--format", "pdf")]
    [InlineData("ends with .wav, not 'hello.mp3'", "say", "tts-en", "Hello", "-o", "hello.mp3")]
    public async Task What_is_wrong_is_named(string says, params string[] args)
    {
        var (code, output, error) = await Run(args);
        Assert.Equal((2, ""), (code, output));
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Theory]
    [InlineData("build", "tts-en", "-o")]
    [InlineData("demo", "-o")]
    [InlineData("say", "tts-en", "Hello", "--inputs")]
    public async Task A_file_where_a_folder_belongs_is_refused_before_any_work(params string[] args)
    {
        var file = Path.GetTempFileName();
        var (code, _, error) = await Run([.. args, file]);
        Assert.Equal((1, $"softmodel: '{file}' is a file: name a folder"), (code, error.TrimEnd()));
        File.Delete(file);
    }

    [Theory]
    [InlineData("no-such-model", "no model and no file")]
    [InlineData("no/such.onnx", "no file")]
    [InlineData("ftp://somewhere", "'ftp:'")]
    [InlineData("npm:name", "version")]
    public async Task Failed_work_is_one_line_and_code_1(string model, string says)
    {
        var (code, output, error) = await Run("models", "fetch", model);
        Assert.Equal((1, ""), (code, output));
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task Json_is_one_object_and_nothing_else()
    {
        var (code, output, error) = await Run("models", "--json");
        Assert.Equal((0, ""), (code, error));
        var first = JsonDocument.Parse(output).RootElement.GetProperty("models")[0];
        Assert.Equal(["name", "about", "task", "bytes", "download", "licence", "fetched"], first.EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public async Task A_stopped_command_says_so_and_ends_with_130()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        Assert.Equal(130, await CommandLine.Run(["models", "fetch", "tinyllama"], output, error, new CancellationToken(canceled: true)));
        Assert.Equal("softmodel: stopped", error.ToString().Trim());
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(954, "954 B")]
    [InlineData(1000, "1.0 kB")]
    [InlineData(4723315, "4.7 MB")]
    [InlineData(99_949_999, "99.9 MB")]
    [InlineData(99_960_000, "100 MB")]
    [InlineData(999_600_000, "1.0 GB")]
    [InlineData(long.MaxValue, "9223372 TB")]
    public void Sizes_are_short(long bytes, string text) => Assert.Equal(text, Text.Size(bytes));
}
