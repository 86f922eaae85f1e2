using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Softmodel.Cli;
using Softmodel.Compile;
using Softmodel.Graphs;
using Softmodel.Tests.Common;
using CommandLineParser = System.CommandLine.Parsing.CommandLineParser;

namespace Softmodel.Tests.Cli;

public partial class DocumentationTests
{
    static IEnumerable<string> Pages => Directory.EnumerateFiles(Repository.Folder, "*.md")
        .Concat(Directory.EnumerateFiles(Repository.File("docs"), "*.md", SearchOption.AllDirectories))
        .Concat(Directory.EnumerateFiles(Repository.File("examples"), "*.md", SearchOption.AllDirectories));

    public static IEnumerable<TheoryDataRow<string, string>> Commands =>
        from file in Pages
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
        foreach (var file in Pages)
        {
            foreach (Match link in Link().Matches(File.ReadAllText(file)))
            {
                var target = Path.Combine(Path.GetDirectoryName(file)!, link.Groups[1].Value);
                Assert.True(Path.Exists(target), $"{file} leads to {link.Groups[1].Value}, which is not there");
            }
        }
    }

    public static IEnumerable<TheoryDataRow<string, string>> Snippets =>
        from file in Pages
        from Match match in Snippet().Matches(File.ReadAllText(file))
        select new TheoryDataRow<string, string>(Path.GetRelativePath(Repository.Folder, file), match.Groups[1].Value);

    [Theory]
    [MemberData(nameof(Snippets))]
    public void CSharp_in_the_documentation_compiles(string file, string code)
    {
        Assert.NotEmpty(file);
        // A page shows what its code uses, or is about one part of a program whose rest has been shown.
        var lines = code.Split('\n');
        var usings = string.Concat(lines.TakeWhile(l => l.StartsWith("using ", StringComparison.Ordinal) && !l.Contains(" var ")));
        code = string.Join('\n', lines.SkipWhile(l => l.StartsWith("using ", StringComparison.Ordinal) && !l.Contains(" var ")));
        var source = $$"""
            using System; using System.Threading.Tasks;
            {{(usings.Length > 0 ? usings : "using Softmodel; using Softmodel.Runtime; using Softmodel.Speech;")}}
            static class Page
            {
                static async Task Run()
                {
                    await Task.Yield();
            {{code}}
                }
            }
            """;
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(p => MetadataReference.CreateFromFile(p));
        var compilation = CSharpCompilation.Create("page", [CSharpSyntaxTree.ParseText(source)], references, new(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
        Assert.Empty(compilation.GetDiagnostics().Where(d => d.Severity == DiagnosticSeverity.Error));
    }

    [Fact]
    public void The_page_on_graphs_has_every_core_operation()
    {
        var page = File.ReadAllText(Repository.File("docs/graph.md"));
        var names = typeof(Op).GetNestedTypes().Where(t => t.IsSubclassOf(typeof(Op))).Select(t => Humps().Replace(t.Name, "_").ToLowerInvariant()).ToArray();
        Assert.Contains("gather_nd", names);
        Assert.All(names, n => Assert.Contains($"`{n}`", page, StringComparison.Ordinal));
    }

    [Fact]
    public void The_page_on_passes_has_every_pass_in_its_order() =>
        Assert.Equal(Pipeline.Passes.Select(p => (p.Name, $"{p.Fidelity}".ToLowerInvariant())), PassRow().Matches(File.ReadAllText(Repository.File("docs/passes.md"))).Select(m => (m.Groups[1].Value, m.Groups[2].Value)));

    [GeneratedRegex(@"^\| `([a-z0-9-]+)` \| (exact|measured) \|", RegexOptions.Multiline)]
    private static partial Regex PassRow();

    [GeneratedRegex("(?<=[a-z])(?=[A-Z])")]
    private static partial Regex Humps();

    [GeneratedRegex("^```csharp\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Snippet();

    /// <summary>A command on a line of its own in a block of code, or at the end of a row.</summary>
    [GeneratedRegex(@"^(?:    (?:\./)?|\|.*\| `)softmodel ([a-z][^#`]*)(?:#.*|` \|)?$")]
    private static partial Regex Command();

    [GeneratedRegex(@"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();
}
