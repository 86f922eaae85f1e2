using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Softmodel.Tests.Common;

namespace Softmodel.Tests;

/// <summary>Old words of <c>docs/decisions/0029-words.md</c> come back neither in public names, nor in messages, nor in documentation.</summary>
public partial class WordsTests
{
    /// <summary>A row of the table.</summary>
    /// <param name="Text">The old word, as the table has it.</param>
    /// <param name="Word">What is searched for.</param>
    /// <param name="Allowed">Where it may stand: a file's name, a pattern of what is around it, or nowhere.</param>
    sealed record Rule(string Text, Regex Word, Regex? Allowed);

    static readonly string[] assemblies = ["Softmodel", "Softmodel.Language", "Softmodel.Speech", "Softmodel.Runtime"];

    static IEnumerable<Rule> Rules(string table, string kind) =>
        from line in table.Split('\n')
        let cells = Cell().Split(line.Trim().Trim('|')).Select(c => c.Trim().Trim('`').Replace(@"\|", "|", StringComparison.Ordinal)).ToArray()
        where cells.Length == 4 && cells[2] == kind
        select new Rule(cells[0], new(kind == "name" ? $"(?:{cells[0]})(?![a-z])" : $@"\b(?:{cells[0]})\b", kind == "name" ? RegexOptions.None : RegexOptions.IgnoreCase), cells[3].Length == 0 ? null : new(cells[3]));

    static string[] Found(IEnumerable<Rule> rules, IEnumerable<(string Where, string Text)> texts)
    {
        Rule[] all = [.. rules];
        return [.. from text in texts
                   from rule in all
                   from match in rule.Word.Matches(text.Text)
                   let around = text.Text[Math.Max(0, match.Index - 40)..Math.Min(text.Text.Length, match.Index + match.Length + 40)].ReplaceLineEndings(" ")
                   where rule.Allowed?.IsMatch($"{text.Where}: {around}") != true
                   select $"{text.Where}: '{rule.Text}' in: {around}"];
    }

    static string Table => File.ReadAllText(Repository.File("docs/decisions/0029-words.md"));

    /// <summary>The names of what a user of an assembly can write.</summary>
    static IEnumerable<(string Where, string Text)> Names(Type[] types) =>
        from type in types
        from name in type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Where(IsVisible).SelectMany(m => m is MethodBase method ? method.GetParameters().Select(p => p.Name ?? "").Select(Capital).Append(m.Name) : [m.Name]).Append(type.Name)
        where !name.Contains('<') && !name.Contains('$')
        select ($"{type.FullName}", name);

    static string Capital(string name) => name.Length == 0 ? name : char.ToUpperInvariant(name[0]) + name[1..];

    static bool IsVisible(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        FieldInfo field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisible),
        Type type => type.IsNestedPublic || type.IsNestedFamily,
        _ => true,
    };

    /// <summary>The string literals of a file, and its doc comments.</summary>
    static IEnumerable<(string Where, string Text)> Texts(string where, string source)
    {
        var root = CSharpSyntaxTree.ParseText(source, new(documentationMode: DocumentationMode.Parse)).GetRoot();
        var literals = root.DescendantTokens().Where(t => t.Kind() is SyntaxKind.StringLiteralToken or SyntaxKind.Utf8StringLiteralToken or SyntaxKind.InterpolatedStringTextToken
            or SyntaxKind.SingleLineRawStringLiteralToken or SyntaxKind.MultiLineRawStringLiteralToken).Select(t => t.ValueText);
        var comments = root.DescendantTrivia().Where(t => t.HasStructure).Select(t => t.GetStructure()).OfType<DocumentationCommentTriviaSyntax>()
            .Select(c => string.Join(' ', c.DescendantTokens().Where(t => t.IsKind(SyntaxKind.XmlTextLiteralToken)).Select(t => t.ValueText.Trim())));
        return literals.Concat(comments).Select(t => (where, t));
    }

    static IEnumerable<(string Where, string Text)> Sources =>
        from file in Directory.EnumerateFiles(Repository.File("src"), "*.cs", SearchOption.AllDirectories)
        let name = Path.GetRelativePath(Repository.Folder, file)
        where !name.Split(Path.DirectorySeparatorChar).Any(f => f is "bin" or "obj")
        from text in Texts(name, File.ReadAllText(file))
        select text;

    static IEnumerable<(string Where, string Text)> Pages =>
        from file in Directory.EnumerateFiles(Repository.File("docs"), "*.md").Append(Repository.File("README.md"))
        select (Path.GetRelativePath(Repository.Folder, file), File.ReadAllText(file));

    [Fact]
    public void No_public_name_is_an_old_word() => None("name", assemblies.SelectMany(a => Names(Assembly.Load(a).GetExportedTypes())));

    [Fact]
    public void No_message_and_no_doc_comment_has_an_old_word() => None("text", Sources);

    [Fact]
    public void No_page_has_an_old_word() => None("text", Pages);

    static void None(string kind, IEnumerable<(string, string)> texts)
    {
        string[] found = [.. Found(Rules(Table, kind), texts).Distinct()];
        Assert.True(found.Length == 0, $"{found.Length} old words; docs/decisions/0029-words.md has the new ones:\n{string.Join('\n', found)}");
    }

    [Fact]
    public void Old_words_are_found_where_they_stand()
    {
        const string Words = """
            | old | new | in | allowed |
            | --- | --- | --- | --- |
            | `Told` | Bound | name | |
            | `whole numbers?` | integers | text | `^Good\.cs` |
            """;
        (string, string)[] texts =
        [
            .. Texts("Bad.cs", """"
                /// <summary>A whole
                /// number.</summary>
                class A { string s = $"{1} whole numbers", t = """whole number""", wholeNumber = "a whole"; /* whole number */ }
                """"),
            .. Texts("Good.cs", "class B { string s = \"a whole number\"; }"),
        ];
        Assert.Equal(3, Found(Rules(Words, "text"), texts).Length);
        Assert.Single(Found(Rules(Words, "name"), [("A", "SizesToldBy"), ("B", "Tolder"), ("C", "Untold")]));
        Assert.Contains(Names([typeof(Softmodel.Graphs.Graph)]), n => n.Text == "SizeBindings");
        Assert.Contains(Names([typeof(Softmodel.Graphs.Graph)]), n => n.Text == "Values");
        Assert.True(Sources.Count() > 5000 && Pages.Count() > 10);
        Assert.True(Rules(Table, "text").Count() > 10 && Rules(Table, "name").Count() > 10);
    }

    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex Cell();
}
