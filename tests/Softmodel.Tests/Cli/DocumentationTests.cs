using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using Softmodel.Cli;

namespace Softmodel.Tests.Cli;

public partial class DocumentationTests
{
    public static IEnumerable<TheoryDataRow<string, string>> Commands =>
        from file in Directory.EnumerateFiles(Repository.Folder, "*.md").Concat(Directory.EnumerateFiles(Repository.File("docs"), "*.md", SearchOption.AllDirectories)).Concat(Directory.EnumerateFiles(Repository.File("examples"), "*.md", SearchOption.AllDirectories))
        from line in File.ReadLines(file)
        let match = Command().Match(line)
        where match.Success
        select new TheoryDataRow<string, string>(Path.GetRelativePath(Repository.Folder, file), match.Groups[1].Value.Trim());

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_command_in_the_documentation_is_accepted(string file, string command)
    {
        Assert.NotEmpty(file);
        Assert.Empty(CommandLine.Root().Parse(CommandLineParser.SplitCommandLine(command).ToArray()).Errors);
    }

    [Fact]
    public void Links_in_the_documentation_lead_somewhere()
    {
        foreach (var file in Directory.EnumerateFiles(Repository.Folder, "*.md").Concat(Directory.EnumerateFiles(Repository.File("docs"), "*.md", SearchOption.AllDirectories)))
        {
            foreach (Match link in Link().Matches(File.ReadAllText(file)))
            {
                var target = Path.Combine(Path.GetDirectoryName(file)!, link.Groups[1].Value);
                Assert.True(Path.Exists(target), $"{file} leads to {link.Groups[1].Value}, which is not there");
            }
        }
    }

    /// <summary>A command on a line of its own in a block of code.</summary>
    [GeneratedRegex(@"^    (?:\./)?softmodel ([a-z][^#]*)(?:#.*)?$")]
    private static partial Regex Command();

    [GeneratedRegex(@"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();
}
